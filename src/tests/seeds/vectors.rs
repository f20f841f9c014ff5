//! What vectors and captured conversations have.

use crate::proto::captured::{conversation, hex, records};

use super::{Seed, piece, plain, seed};

pub fn vectors() -> Vec<Seed> {
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
pub fn conversations() -> Vec<Seed> {
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
