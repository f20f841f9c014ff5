//! One seed for each fault that other implementations of this wire, or of one
//! like it, are known for.

use crate::proto::captured::hex;

use super::{Seed, piece, right, seed};

/// A frame program of one claim: nothing comes behind the preamble.
fn claim(flags: u8, tag: u8, count: u8, lens: [u32; 4]) -> Vec<u8> {
    let lens = lens.map(u32::to_le_bytes).concat();
    [&[flags, 1, 9, 3, tag, 0, count][..], &lens].concat()
}

/// A control payload that ends in a blob of that claimed length.
fn blob(tag: u8, fixed: &[u8], claimed: u32) -> Vec<u8> {
    [&[tag], fixed, &claimed.to_le_bytes()[..], b"ab"].concat()
}

pub fn libceph() -> Vec<Seed> {
    let huge = [u32::MAX; 4];
    let mut seeds = Vec::new();
    for (target, flags) in [
        ("frames_crc", 2),
        ("frames_crc", 3),
        ("frames_secure", 2),
        ("frames_secure", 3),
    ] {
        let name = |what: &str| format!("{what}-{flags}");
        seeds.push(seed(
            target,
            name("cve-2023-44466-signed-length"),
            claim(flags, 17, 4, [0x8000_0000; 4]),
        ));
        seeds.push(seed(
            target,
            name("cve-2019-6250-sum-of-lengths"),
            claim(flags, 17, 4, huge),
        ));
        seeds.push(seed(
            target,
            name("vsomeip-1009-length-below-the-cap"),
            claim(flags, 17, 4, [41, 0, 0, (256 << 10) - 1]),
        ));
        let short = [
            &[flags, 1, 9, 2, 2, 0x0e][..],
            &piece(&[1; 10]),
            &piece(b"front"),
            &piece(b""),
            &piece(b""),
        ];
        seeds.push(seed(
            target,
            name("cve-2026-43406-control-shorter-than-header"),
            short.concat(),
        ));
        let signature = [
            &[flags & 1, 1, 9, 1, 7, 0][..],
            &piece(&[0; 32]),
            &[1, 7, 0],
            &piece(&[0; 96]),
        ];
        seeds.push(seed(
            target,
            name("kasan-2020-auth-signature-length"),
            signature.concat(),
        ));
        let many: Vec<u8> = std::iter::repeat_n([&[1, 18, 0][..], &piece(&[9; 8])].concat(), 40)
            .flatten()
            .collect();
        seeds.push(seed(
            target,
            name("cve-2020-1759-a-nonce-for-each-record"),
            [&[flags, 3, 50], &many[..]].concat(),
        ));
    }
    seeds.extend(libceph_payloads());
    seeds
}

fn libceph_payloads() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let done = [0; 12];
    seeds.push(seed(
        "control",
        "cve-2026-22984-auth-done-payload-length",
        blob(6, &done, u32::MAX),
    ));
    seeds.push(seed(
        "control",
        "cve-2026-43407-payload-above-int-max",
        blob(4, &[], 0x8000_0000),
    ));
    let positive = [&[3, 2, 0, 0, 0, 7, 0, 0, 0][..], &[0; 8]].concat();
    seeds.push(seed("control", "cve-2026-46119-positive-result", &positive));
    let bad_method = [&[0, 8, 1][..], &right(0), &[1, 3], &piece(&positive[1..])].concat();
    seeds.push(seed(
        "dialler",
        "cve-2026-46119-positive-result",
        bad_method,
    ));
    seeds.push(seed(
        "cephx_fields",
        "cve-2026-46024-protocol-zero-result-zero",
        [&[9][..], &[0; 24]].concat(),
    ));
    let long_key = [&[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff][..], &[7; 40]].concat();
    seeds.push(seed(
        "cephx_fields",
        "cve-2026-43304-key-longer-than-its-buffer",
        long_key,
    ));
    let short_reply = [
        &[0, 3][..],
        &piece(&[1]),
        &[6],
        &piece(&[0; 3]),
        &[2],
        &piece(&[8, 0, 0, 0]),
    ]
    .concat();
    seeds.push(seed(
        "cephx_client",
        "cve-2026-68433-bound-by-what-was-allocated",
        short_reply,
    ));
    let body = [&[0, 1, 1, 1][..], &0x7fff_ffff_u32.to_le_bytes(), &[2; 20]].concat();
    seeds.push(seed(
        "addresses",
        "cve-2025-71116-versioned-body-past-the-end",
        body,
    ));
    seeds
}

pub fn ceph() -> Vec<Seed> {
    [ceph_authorizers(), ceph_monitors()].concat()
}

fn ceph_authorizers() -> Vec<Seed> {
    let answer_and_replay = [2, 2, 4, 4, 2, 4];
    let replayed = [0x04, 0, 0, 0x80, 0, 0x80, 5, 1, 0, 0, 26, 0, 255, 0, 0x80];
    vec![
        seed(
            "cephx_service",
            "cve-2018-1128-authorizer-replayed",
            [&[0], &answer_and_replay[..]].concat(),
        ),
        seed(
            "cephx_service",
            "cve-2018-1128-authorizer-replayed-krb5",
            [&[3], &answer_and_replay[..]].concat(),
        ),
        seed("wire", "cve-2020-25660-challenge-in-msgr2-too", replayed),
        seed(
            "v1_messages",
            "cve-2018-1129-signature-over-every-field",
            [
                &[10, 9, 9, 2, 2, 0x0e][..],
                &piece(&[1; 53]),
                &piece(b"front"),
                &piece(b""),
                &piece(b"data"),
                &[4, 3, 0, 1],
            ]
            .concat(),
        ),
    ]
}

fn ceph_monitors() -> Vec<Seed> {
    let flip: Vec<u8> = (0..60_u8)
        .flat_map(|at| [2, 5, at * 4, 0, 1 << (at % 8)])
        .collect();
    let hello = |global_id: u8| [&[1, global_id][..], &[0; 7]].concat();
    let proof = [
        &[2][..],
        &7_u64.to_le_bytes(),
        &piece(b"no ticket"),
        &[0x37],
    ]
    .concat();
    let downgrade = [0x14, 0, 4, 10, 0, 1, 0, 0x80, 0x84, 10, 0, 1, 0x80];
    vec![
        seed(
            "cephx_monitor",
            "cve-2018-10861-somebody-else",
            [&[0][..], &hello(1), &proof, &[9, 0, 0, 0]].concat(),
        ),
        seed(
            "cephx_monitor",
            "cve-2020-10736-asks-before-it-proved",
            [&[0][..], &hello(0), &[9, 0, 0, 0, 9, 1, 0, 0]].concat(),
        ),
        seed(
            "cephx_monitor",
            "cve-2021-20288-global-id-without-its-ticket",
            [&[1][..], &hello(2), &proof].concat(),
        ),
        seed(
            "cephx_service",
            "cve-2025-30156-ticket-bits-flipped",
            [&[0], &flip[..]].concat(),
        ),
        seed(
            "cephx_service",
            "cve-2025-30156-ticket-bits-flipped-krb5",
            [&[1], &flip[..]].concat(),
        ),
        seed(
            "keyring",
            "cve-2021-3979-key-of-a-wrong-length",
            "[osd.0]\nkey = AQAA8VNlFc1bBw8AAAECAwQFBgcICQoLDA0O\n",
        ),
        seed(
            "acceptor",
            "cve-2026-50152-says-it-is-a-monitor",
            [
                &[0, 8, 1, 1, 1][..],
                &piece(&hex(
                    "010101011c000000020000000000000010000000020033f47f0000010000000000000000",
                )),
                &right(0),
            ]
            .concat(),
        ),
        seed("wire", "cve-2014-9721-downgraded-banner", downgrade),
    ]
}

pub fn others() -> Vec<Seed> {
    [strangers(), claims_and_bombs()].concat()
}

fn strangers() -> Vec<Seed> {
    let greeting = [&[0, 8, 1][..], &right(0)].concat();
    let flood = |step: &[u8], times: usize| {
        let steps: Vec<u8> = std::iter::repeat_n(step, times)
            .flatten()
            .copied()
            .collect();
        [&greeting[..], &steps].concat()
    };
    let request = |len: usize| {
        let payload = [
            &[0x77, 0, 0, 0, 0, 0, 0, 0][..],
            &(len as u32).to_le_bytes(),
            &vec![7; len],
        ];
        [&[1, 2][..], &piece(&payload.concat())].concat()
    };
    let missing = [&[1, 8][..], &piece(&[2; 120])].concat();
    let open = [0, 0, 0, 0x101].map(right).concat();
    let pings = [
        &greeting[..],
        &open,
        &[1, 18, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0].repeat(90),
    ]
    .concat();
    vec![
        seed(
            "acceptor",
            "cve-2019-13132-large-first-frame",
            [&[0, 8, 1, 1, 1][..], &piece(&[1; 3000])].concat(),
        ),
        seed("acceptor", "cve-2020-15166-never-speaks", [0, 9, 9]),
        seed(
            "acceptor",
            "cve-2021-20234-request-after-request",
            flood(&request(2000), 6),
        ),
        seed(
            "acceptor",
            "cve-2024-27316-goes-on-and-on",
            flood(&[1, 5, 1, 0, 7], 60),
        ),
        seed("acceptor", "cve-2019-9512-pings", pings),
        seed("acceptor", "cve-2019-9515-settings", flood(&missing, 8)),
        seed(
            "dialler",
            "cve-2023-44487-begins-and-gives-up",
            [&[1][..], &[13, 9, 15].repeat(60)].concat(),
        ),
        seed(
            "dialler",
            "cve-2019-9514-resets",
            [&[1, 8, 1][..], &open, &[13, 15, 8, 1], &open].concat(),
        ),
    ]
}

fn claims_and_bombs() -> Vec<Seed> {
    let nested = [
        &[1, 2, 0xff, 0xff, 0xff, 0xff][..],
        &[2, 9, 0, 0, 0].repeat(20),
    ]
    .concat();
    vec![
        seed("addresses", "cve-2021-20237-nested-vectors", nested),
        seed(
            "addresses",
            "cve-2020-36400-count-above-memory",
            [1, 2, 0, 0, 0, 0x80],
        ),
        seed(
            "frames_crc",
            "nng-2288-message-before-it-is-known",
            claim(0, 17, 2, [41, 1 << 20, 0, 0]),
        ),
        seed("banner", "cve-2014-9721-older-banner", b"ceph v027"),
        seed(
            "banner",
            "nanomsg-2026-97152-length-of-a-banner",
            b"ceph v2\n\xff\xff",
        ),
        seed(
            "compression",
            "bomb-snappy",
            [
                &[1, 0xff, 0x0f, 0, 0x80, 0x80, 0x80, 0x80, 0x04][..],
                &[0xfe, 1, 0].repeat(20),
            ]
            .concat(),
        ),
        seed(
            "compression",
            "bomb-zlib",
            [&[2, 0xff, 0x0f, 0, 0, 0xed, 0xc1, 1, 1][..], &[0; 60]].concat(),
        ),
        seed(
            "compression",
            "bomb-zstd",
            [
                &[3, 0xff, 0x0f, 0][..],
                &0x4000_0000_u32.to_le_bytes(),
                &hex("28b52ffda40000004001000000"),
            ]
            .concat(),
        ),
        seed(
            "compression",
            "bomb-lz4",
            [
                &[4, 0xff, 0x0f, 0][..],
                &u32::MAX.to_le_bytes(),
                &[0xff; 40],
            ]
            .concat(),
        ),
        seed(
            "v1_opening",
            "authorizer-above-the-limit",
            [&[3][..], &[0; 28], &u32::MAX.to_le_bytes(), &[0]].concat(),
        ),
        seed(
            "v1_opening",
            "reply-of-ff",
            [&[4][..], &[0xff; 60]].concat(),
        ),
    ]
}
