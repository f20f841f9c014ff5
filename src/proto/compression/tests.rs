use super::*;
use crate::proto::captured::{hex, records};
use crate::types::Random;

/// Those that compress, as far as they are built in.
fn algorithms() -> impl Iterator<Item = Algorithm> {
    Algorithm::ALL
        .into_iter()
        .filter(|known| *known != Algorithm::None && known.is_available())
}

fn packed(algorithm: Algorithm, segment: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(algorithm.compress(segment, &mut out), "{algorithm:?}");
    out
}

/// What a receiver makes of it that has room for `limit` bytes.
fn unpacked(algorithm: Algorithm, packed: &[u8], limit: usize) -> Result<Vec<u8>, DecodeError> {
    let mut out = Vec::new();
    let len = algorithm.measure(packed, limit)?;
    algorithm.decompress(packed, len, &mut out)?;
    assert_eq!(out.len(), len);
    Ok(out)
}

fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..len).map(|_| random.below(256) as u8).collect()
}

/// Text that repeats itself over any distance.
fn text(len: usize) -> Vec<u8> {
    let mut random = Random::new(7);
    let mut out = Vec::new();
    while out.len() < len {
        out.extend(
            format!(
                "object {} of group {}\n",
                random.below(5000),
                random.below(9)
            )
            .bytes(),
        );
    }
    out.truncate(len);
    out
}

#[test]
fn segments_come_back_as_they_went() {
    let mut segments: Vec<Vec<u8>> = [0, 1, 2, 15, 41, 1000, 65_535, 65_536, 65_537, 300_000]
        .into_iter()
        .flat_map(|len| [text(len), noise(len, len as u64), vec![0; len]])
        .collect();
    let mut mixed = text(70_000);
    mixed.extend(noise(70_000, 1));
    mixed.extend(text(70_000));
    segments.push(mixed);
    for algorithm in algorithms() {
        for segment in &segments {
            let packed = packed(algorithm, segment);
            assert_eq!(packed.is_empty(), segment.is_empty());
            let back = unpacked(algorithm, &packed, segment.len());
            assert_eq!(
                back.as_ref(),
                Ok(segment),
                "{algorithm:?} {}",
                segment.len()
            );
        }
    }
}

#[test]
fn several_segments_share_one_buffer() {
    for algorithm in algorithms() {
        let (front, data) = (text(3000), noise(500, 2));
        let mut out = b"before".to_vec();
        for segment in [&front, &data] {
            let packed = packed(algorithm, segment);
            algorithm
                .decompress(&packed, segment.len(), &mut out)
                .unwrap();
        }
        assert_eq!(
            out,
            [b"before", &front[..], &data].concat(),
            "{algorithm:?}"
        );
    }
}

#[test]
fn text_gets_smaller() {
    let segment = text(100_000);
    for algorithm in algorithms() {
        let len = packed(algorithm, &segment).len();
        assert!(len < segment.len() / 2, "{algorithm:?}: {len}");
    }
}

#[test]
fn containers_of_the_c_libraries_unpack_to_what_went_in() {
    let mut checked = 0;
    for record in records("compression") {
        let Some(algorithm) = record.get("algorithm") else {
            continue;
        };
        let algorithm = Algorithm::parse(algorithm).unwrap();
        if !algorithm.is_available() {
            continue;
        }
        let (data, packed) = (hex(&record["data"]), hex(&record["packed"]));
        let back = unpacked(algorithm, &packed, data.len());
        assert_eq!(back, Ok(data), "{} {algorithm:?}", record["name"]);
        checked += 1;
    }
    assert!(checked >= 2 * algorithms().count(), "only {checked}");
}

#[test]
fn no_container_stands_for_more_than_the_limit() {
    for algorithm in algorithms() {
        let packed = packed(algorithm, &text(5000));
        assert_eq!(algorithm.measure(&packed, 5000), Ok(5000));
        for limit in [0, 1, 4999] {
            assert_eq!(
                algorithm.measure(&packed, limit),
                Err(TOO_LARGE),
                "{algorithm:?}"
            );
        }
    }
}

#[test]
fn a_bomb_is_stopped_without_being_unpacked() {
    const LIMIT: usize = 1 << 20;
    for algorithm in algorithms() {
        let bomb = packed(algorithm, &vec![0; 64 << 20]);
        assert!(bomb.len() < 4 << 20, "{algorithm:?}: {}", bomb.len());
        assert_eq!(algorithm.measure(&bomb, LIMIT), Err(TOO_LARGE));
    }
}

#[test]
fn a_cut_container_is_refused_wherever_it_is_cut() {
    for algorithm in algorithms() {
        for segment in [text(700), noise(100, 3), vec![9; 5000]] {
            let packed = packed(algorithm, &segment);
            for end in 1..packed.len() {
                let back = unpacked(algorithm, &packed[..end], segment.len());
                assert!(back.is_err(), "{algorithm:?} {end} of {}", packed.len());
            }
        }
    }
}

#[test]
fn bytes_behind_the_end_are_refused() {
    for algorithm in algorithms() {
        for more in [&[0][..], &[1], &[0xff; 9]] {
            let mut packed = packed(algorithm, &text(700));
            packed.extend(more);
            assert!(
                unpacked(algorithm, &packed, 1 << 20).is_err(),
                "{algorithm:?} {more:?}"
            );
        }
    }
}

/// Whatever the bytes are: no panic, and never more than was measured.
#[test]
fn garbage_is_an_error_or_within_its_limit() {
    const LIMIT: usize = 1 << 16;
    for algorithm in algorithms() {
        for seed in 0..300 {
            let len = 1 + (seed as usize % 90);
            let _ = unpacked(algorithm, &noise(len, seed), LIMIT).map(|back| {
                assert!(back.len() <= LIMIT);
            });
        }
        let whole = packed(algorithm, &text(900));
        let mut random = Random::new(11);
        for _ in 0..600 {
            let mut broken = whole.clone();
            let at = random.below(broken.len() as u64) as usize;
            broken[at] ^= 1 << random.below(8);
            let _ = unpacked(algorithm, &broken, LIMIT).map(|back| {
                assert!(back.len() <= LIMIT);
            });
        }
    }
}

#[test]
fn claims_that_the_bytes_cannot_stand_for_are_refused_unread() {
    let claim = |len: u32| len.to_le_bytes();
    let cases: [(Algorithm, Vec<u8>); 6] = [
        // A varint of nearly 4 GiB and nothing behind it.
        (Algorithm::Snappy, vec![0xff, 0xff, 0xff, 0xff, 0x0f]),
        (Algorithm::Snappy, vec![0x80, 0x80, 0x40, 0, b'x']),
        // One piece of 1 GiB in four bytes.
        (
            Algorithm::Lz4,
            [claim(1), claim(1 << 30), claim(4), [0; 4]].concat(),
        ),
        // More pieces than there are bytes.
        (Algorithm::Lz4, claim(u32::MAX).to_vec()),
        (Algorithm::Lz4, [claim(2), claim(1), claim(1)].concat()),
        // A block beyond the end.
        (
            Algorithm::Lz4,
            [claim(1), claim(1), claim(u32::MAX), [0; 4]].concat(),
        ),
    ];
    for (algorithm, bytes) in cases {
        if algorithm.is_available() {
            let refused = algorithm.measure(&bytes, usize::MAX);
            assert!(refused.is_err(), "{algorithm:?} {bytes:x?}");
        }
    }
}

/// A few bytes may claim to be a gigabyte of Zstandard: it is not set aside.
#[cfg(feature = "zstd")]
#[test]
fn a_zstandard_frame_that_claims_too_much_takes_no_memory_for_it() {
    let mut packed = packed(Algorithm::Zstd, b"little");
    packed[..4].copy_from_slice(&(1_u32 << 30).to_le_bytes());
    let mut out = Vec::new();
    assert_eq!(Algorithm::Zstd.measure(&packed, 1 << 30), Ok(1 << 30));
    let done = Algorithm::Zstd.decompress(&packed, 1 << 30, &mut out);
    assert!(done.is_err());
    assert!(out.capacity() <= 1 << 17, "{}", out.capacity());
}

#[cfg(feature = "zstd")]
#[test]
fn a_zstandard_frame_with_a_giant_window_is_refused() {
    // Magic, no content size, a window of 2 GiB, one last raw block of a byte.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x09, 0, 0, b'x'];
    let packed = [&1_u32.to_le_bytes()[..], &frame].concat();
    assert!(unpacked(Algorithm::Zstd, &packed, 1).is_err());
    // The same with one of 1 MiB is a byte.
    let mut modest = packed;
    modest[9] = 10 << 3;
    assert_eq!(unpacked(Algorithm::Zstd, &modest, 1), Ok(vec![b'x']));
}

#[cfg(feature = "lz4")]
#[test]
fn pieces_of_lz4_may_refer_back_64_kib_and_no_further_than_the_start() {
    let first = noise(70_000, 5);
    let mut block = Vec::new();
    assert!(Algorithm::Lz4.compress(&first, &mut block));
    let first_block = &block[12..];
    // Four literals, a match of 20 bytes `offset` before them, five literals.
    let second = |offset: u16| {
        let mut out = vec![0x4f, b'a', b'b', b'c', b'd'];
        out.extend(offset.to_le_bytes());
        out.push(1);
        out.extend([0x50, b'v', b'w', b'x', b'y', b'z']);
        out
    };
    let container = |first: &[u8], first_len: usize, second: &[u8]| {
        let numbers = [2, first_len, first.len(), 29, second.len()];
        let mut out: Vec<u8> = numbers
            .iter()
            .flat_map(|number| (*number as u32).to_le_bytes())
            .collect();
        out.extend(first);
        out.extend(second);
        out
    };
    let packed = container(first_block, first.len(), &second(65_535));
    let mut expected = first.clone();
    expected.extend(b"abcd");
    let from = expected.len() - 65_535;
    let copied = expected[from..from + 20].to_vec();
    expected.extend(&copied);
    expected.extend(b"vwxyz");
    assert_eq!(unpacked(Algorithm::Lz4, &packed, 1 << 20), Ok(expected));
    // Before the first byte there is nothing to copy.
    let short = packed_piece(b"12345678");
    let packed = container(&short, 8, &second(13));
    assert!(unpacked(Algorithm::Lz4, &packed, 1 << 20).is_err());
}

#[cfg(feature = "lz4")]
fn packed_piece(literals: &[u8]) -> Vec<u8> {
    let mut out = vec![(literals.len() as u8) << 4];
    out.extend(literals);
    out
}

#[cfg(feature = "zlib")]
#[test]
fn the_mark_of_the_encoder_is_not_looked_at() {
    let mut packed = packed(Algorithm::Zlib, b"marked");
    for mark in [0, 1, 0xff] {
        packed[0] = mark;
        assert_eq!(unpacked(Algorithm::Zlib, &packed, 6).unwrap(), b"marked");
    }
}

#[test]
fn names_and_numbers_are_those_of_ceph() {
    let table = [
        (0, "none"),
        (1, "snappy"),
        (2, "zlib"),
        (3, "zstd"),
        (4, "lz4"),
    ];
    for (code, name) in table {
        let algorithm = Algorithm::from_code(code).unwrap();
        assert_eq!((algorithm.code(), algorithm.name()), (code, name));
        assert_eq!(Algorithm::parse(name), Some(algorithm));
    }
    assert_eq!(Algorithm::from_code(5), None);
    assert_eq!(Algorithm::parse("brotli"), None);
}

#[test]
fn without_an_algorithm_nothing_can_be_packed_or_unpacked() {
    let mut out = Vec::new();
    assert!(!Algorithm::None.compress(b"x", &mut out) && out.is_empty());
    assert!(Algorithm::None.measure(b"x", 9).is_err());
    assert!(Algorithm::None.decompress(b"x", 1, &mut out).is_err());
}
