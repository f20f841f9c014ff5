//! Seeds of the corpus that are made and not found: what vectors and captured
//! conversations have, and one for each fault that other implementations of this
//! wire, or of one like it, are known for.

use crate::proto::captured::{conversation, hex, records};

/// A target, the name of an input, and the input.
pub type Seed = (&'static str, String, Vec<u8>);

/// All of them.
pub fn all() -> Vec<Seed> {
    let mut seeds = vectors();
    seeds.extend(conversations());
    seeds.extend(programs());
    seeds.extend(faults_of_libceph());
    seeds.extend(faults_of_ceph());
    seeds.extend(faults_of_others());
    seeds
}

fn seed(target: &'static str, name: impl Into<String>, input: impl AsRef<[u8]>) -> Seed {
    (target, name.into(), input.as_ref().to_vec())
}

/// Bytes as a program takes them.
fn piece(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).unwrap();
    [&len.to_le_bytes()[..], bytes].concat()
}

fn plain(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).take(6).collect();
    words.join("-").to_lowercase()
}

fn vectors() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (file, flags) in [("frames-rev1-crc", 2), ("frames-rev0-crc", 3)] {
        for record in records(file) {
            let (Some(name), Some(frame)) = (record.get("name"), record.get("frame")) else {
                continue;
            };
            let name = format!("vector-{file}-{}", plain(name));
            let raw = [&[flags, 7, 31, 0][..], &piece(&hex(frame))].concat();
            seeds.push(seed("frames_crc", &name, raw));
            seeds.push(seed("preamble", &name, hex(&record["preamble"])));
        }
    }
    for record in records("frames-aborted") {
        if let (Some(name), Some(frame)) = (record.get("name"), record.get("frame")) {
            let raw = [&[2, 7, 31, 0][..], &piece(&hex(frame))].concat();
            seeds.push(seed(
                "frames_crc",
                format!("vector-aborted-{}", plain(name)),
                raw,
            ));
        }
    }
    for record in records("control-payloads") {
        if let (Some(tag), Some(payload)) = (record.get("tag"), record.get("payload")) {
            let input = [&[tag.parse().unwrap()], &hex(payload)[..]].concat();
            seeds.push(seed(
                "control",
                format!("vector-{}", plain(&record["frame"])),
                input,
            ));
        }
    }
    for record in records("addresses") {
        let Some(text) = record.get("text") else {
            continue;
        };
        let kind = u8::from(record.get("kind").is_some_and(|kind| kind.contains("vec")));
        for form in ["encoded_with_MSG_ADDR2", "encoded_legacy"] {
            if let Some(encoded) = record.get(form) {
                let name = format!("vector-{}-{}", plain(text), &form[8..]);
                let input = [&[kind], &hex(encoded)[..]].concat();
                seeds.push(seed("addresses", name, input));
            }
        }
        let input = [&[3], text.as_bytes()].concat();
        seeds.push(seed(
            "addresses",
            format!("vector-{}-text", plain(text)),
            input,
        ));
    }
    for record in records("compression") {
        let (Some(packed), Some(data)) = (record.get("packed"), record.get("data")) else {
            continue;
        };
        let algorithm = match record["algorithm"].as_str() {
            "snappy" => 1,
            "zlib" => 2,
            "zstd" => 3,
            _ => 4,
        };
        let name = format!("vector-{}-{}", record["algorithm"], plain(&record["name"]));
        for (form, flag, bytes) in [("packed", 0, packed), ("data", 1, data)] {
            let bytes = hex(bytes);
            if bytes.len() < 2000 {
                let input = [&[algorithm, 0xff, 0x0f, flag], &bytes[..]].concat();
                seeds.push(seed("compression", format!("{name}-{form}"), input));
            }
        }
    }
    seeds.extend(cephx_vectors());
    seeds
}

fn cephx_vectors() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for file in ["cephx", "cephx-aes256krb5"] {
        for (number, record) in records(file).into_iter().enumerate() {
            for (key, what) in [("encoded", 0), ("ciphertext", 12), ("sealed", 13)] {
                let Some(bytes) = record.get(key).filter(|bytes| bytes.len() % 2 == 0) else {
                    continue;
                };
                let input = [&[what], &hex(bytes)[..]].concat();
                seeds.push(seed(
                    "cephx_fields",
                    format!("vector-{file}-{number}-{key}"),
                    input,
                ));
            }
            if let Some(text) = record.get("base64") {
                let keyring = format!("[client.admin]\n\tkey = {text}\n\tcaps osd = \"allow *\"\n");
                seeds.push(seed("keyring", format!("vector-{file}-{number}"), keyring));
                seeds.push(seed("keyring", format!("vector-{file}-{number}-key"), text));
            }
        }
    }
    seeds
}

/// What came from real daemons, as far as it is small.
fn conversations() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for name in [
        "01a-none-crc-bootstrap",
        "02a-cephx-crc-bootstrap",
        "06c-peer-retry-retryglobal-reset-wait",
    ] {
        for (number, (from_dialler, unit)) in conversation(name).into_iter().enumerate() {
            let seed_name = format!("conv-{}-{number}", &name[..3]);
            match number {
                0 | 1 => seeds.push(seed("banner", seed_name, &unit)),
                _ if unit.len() > 1200 => {}
                _ => {
                    let raw = [&[2, 7, 31, 0][..], &piece(&unit)].concat();
                    seeds.push(seed("frames_crc", &seed_name, raw));
                    let payload = unit.get(32..unit.len() - 4).unwrap_or_default();
                    let input = [&unit[..1], payload].concat();
                    seeds.push(seed("control", &seed_name, input));
                    // To the end that got it.
                    let target = if from_dialler { "acceptor" } else { "dialler" };
                    let input = [&[0, 8, 1, 0][..], &piece(&unit)].concat();
                    seeds.push(seed(target, seed_name, input));
                }
            }
        }
    }
    for name in [
        "10a-v1-none-mon-dump",
        "10e-v1-cephx-mon-dump",
        "12b-v1-client-to-osd-signed",
    ] {
        for (number, (from_dialler, unit)) in conversation(name).into_iter().enumerate().take(24) {
            if unit.len() > 900 {
                continue;
            }
            let seed_name = format!("conv-{}-{number}", &name[..3]);
            let raw = [&[2, 7, 31, 0][..], &piece(&unit)].concat();
            seeds.push(seed("v1_messages", &seed_name, raw));
            let expected = match (from_dialler, number) {
                (true, 0) => 1,
                (false, _) if unit.starts_with(b"ceph") => 0,
                (true, _) if unit.len() == 136 => 2,
                (true, _) => 3,
                (false, _) => 4,
            };
            let input = [&[expected], &unit[..]].concat();
            seeds.push(seed("v1_opening", seed_name, input));
        }
    }
    seeds
}

/// A step that takes the right frame, with that number.
fn right(number: u64) -> Vec<u8> {
    [&[2], &number.to_le_bytes()[..]].concat()
}

/// Programs that get far, for the fuzzer to go on from.
fn programs() -> Vec<Seed> {
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
    seeds.push(seed("c_calls", "program-nothing", [0_u8; 16]));
    let calls = [
        // A context, a messenger on it, bound and started.
        &[0, 0, 0, 0, 0][..],
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
    ];
    seeds.push(seed("c_calls", "program-loopback", calls.concat()));
    seeds
}

/// A frame program of one claim: nothing comes behind the preamble.
fn claim(flags: u8, tag: u8, count: u8, lens: [u32; 4]) -> Vec<u8> {
    let lens = lens.map(u32::to_le_bytes).concat();
    [&[flags, 1, 9, 3, tag, 0, count][..], &lens].concat()
}

/// A control payload that ends in a blob of that claimed length.
fn blob(tag: u8, fixed: &[u8], claimed: u32) -> Vec<u8> {
    [&[tag], fixed, &claimed.to_le_bytes()[..], b"ab"].concat()
}

fn faults_of_libceph() -> Vec<Seed> {
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

fn faults_of_ceph() -> Vec<Seed> {
    let answer_and_replay = [2, 2, 4, 4, 2, 4];
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
    let replayed = [0x04, 0, 0, 0x80, 0, 0x80, 5, 1, 0, 0, 26, 0, 255, 0, 0x80];
    let downgrade = [0x14, 0, 4, 10, 0, 1, 0, 0x80, 0x84, 10, 0, 1, 0x80];
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

fn faults_of_others() -> Vec<Seed> {
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
    let nested = [
        &[1, 2, 0xff, 0xff, 0xff, 0xff][..],
        &[2, 9, 0, 0, 0].repeat(20),
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
