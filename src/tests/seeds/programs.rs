//! Programs that get far.

use super::{Seed, piece, right, seed};

/// Programs that get far, for the fuzzer to go on from.
pub fn programs() -> Vec<Seed> {
    let mut seeds = of_machines();
    seeds.extend(of_cephx());
    seeds.extend(of_frames());
    seeds.push(seed("c_calls", "program-nothing", [0_u8; 16]));
    seeds.push(seed("c_calls", "program-loopback", calls().concat()));
    seeds
}

fn of_machines() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for flags in 0..16_u8 {
        let mut program = vec![flags, 8, 1];
        for number in [0, 0, 0, 0, 0x101, 0x1_0000_0101, 0x10_0100] {
            program.extend(right(number));
            program.extend([11, 4, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
        for (step, payload) in [(12, &b"front"[..]), (12, b""), (14, b"x")] {
            program.extend([step, 0x10]);
            program.extend(piece(payload));
        }
        program.extend([14, 2, 13, 15, 15, 9]);
        for target in ["acceptor", "dialler"] {
            seeds.push(seed(target, format!("program-open-{flags}"), &program));
        }
        for more in [0, 1, 2, 0x12, 0x22, 0x32] {
            let wire = [
                &[flags * 2, more, 3, 100, 0, 0x83, 50, 1][..],
                &[
                    2, 40, 0x82, 40, 0, 0x80, 0, 0x80, 0, 0x80, 0, 0x80, 7, 3, 255, 3, 0, 0x80,
                ],
            ];
            seeds.push(seed(
                "wire",
                format!("program-{flags}-{more}"),
                wire.concat(),
            ));
        }
    }
    seeds
}

fn of_cephx() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for flags in 0..4 {
        let service = [&[flags, 2, 2, 4, 2, 3, 2, 5, 9, 0, 1, 0][..], &piece(b"?")].concat();
        seeds.push(seed("cephx_service", format!("program-{flags}"), service));
        let forged = [
            &[flags, 1, 7, 0, 0, 0, 0, 0, 0, 0][..],
            &piece(&[1; 60]),
            &piece(&[2; 18]),
        ];
        seeds.push(seed(
            "cephx_service",
            format!("program-forged-{flags}"),
            forged.concat(),
        ));
        let mut client = vec![flags];
        for step in 0..7 {
            client.push(step);
            client.extend(piece(&[1; 40]));
        }
        seeds.push(seed("cephx_client", format!("program-{flags}"), client));
        let monitor = [
            &[flags, 1, 0, 0, 0, 0, 0, 0, 0, 0][..],
            &[
                2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x37, 9, 0, 0, 0, 9, 1, 0, 0,
            ],
        ];
        seeds.push(seed(
            "cephx_monitor",
            format!("program-{flags}"),
            monitor.concat(),
        ));
    }
    seeds
}

fn of_frames() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for flags in [2, 3, 6, 0x12, 0x22, 0x32, 0x42] {
        let control = [&[1, 18, 0][..], &piece(&[1; 8])].concat();
        let segments = [
            piece(&[2; 41]),
            piece(b"front"),
            piece(b""),
            piece(&[3; 2000]),
        ];
        let message = [&[2, 1, 0x0e][..], &segments.concat()].concat();
        let input = [&[flags, 5, 100][..], &control, &message, &message].concat();
        for target in ["frames_crc", "frames_secure", "v1_messages"] {
            seeds.push(seed(target, format!("program-{flags}"), &input));
            let signed = [&[flags | 8], &input[1..]].concat();
            seeds.push(seed(target, format!("program-signed-{flags}"), signed));
        }
    }
    seeds
}

/// A messenger that sends to itself and to somewhere, and ends.
fn calls() -> [&'static [u8]; 14] {
    [
        // A context, a messenger on it, bound and started.
        &[0, 0, 0, 0, 0],
        &[1, 0, 0, 0, 0, 0],
        &[1, 4, 0, 0],
        &[1, 6, 0, 0],
        // A connection to itself and one to somewhere, a message, sent on both.
        &[3, 1, 0, 0, 4, 0, 0],
        &[3, 0, 0, 1, 4, 0, 2],
        &[5, 0, 0, 2, 0],
        &[5, 1, 0, 2, 3, b'a', b'b', b'c'],
        &[4, 0, 0, 0],
        &[5, 0, 0, 2, 0],
        &[4, 0, 1, 0],
        // All that ends.
        &[4, 2, 0, 0],
        &[1, 10, 0, 0],
        &[1, 15, 0, 0],
    ]
}
