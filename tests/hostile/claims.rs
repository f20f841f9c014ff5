//! Lengths, counts and numbers that are claimed, and what compression promises.

use msgr::Policy;

use super::arena::{Arena, End};
use super::support::{counted, next_message};
use super::wire::{
    ACK, AUTH_REQUEST, CLIENT_IDENT, COMPRESSION_REQUEST, HELLO, KEEPALIVE2, MESSAGE, REVISIONS,
    Revision, SESSION_RECONNECT, bytes, client_ident, control, dialler, frame, header, preamble,
    sample,
};

const PROTOCOL: &str = "msgr_faults_protocol";
const TOO_LARGE: &str = "msgr_faults_frame_too_large";
const MESSAGE_TOO_LARGE: &str = "msgr_faults_message_too_large";
const HUNG_UP: &str = "msgr_faults_peer_closed";

/// Preambles with nothing behind them, or one byte.
pub fn lengths() -> usize {
    let arena = Arena::new(&[]);
    let max = u32::MAX;
    let mut played = 0;
    for revision in REVISIONS {
        let way = dialler(revision, arena.server.at());
        let greeting = way[..=1].concat();
        let open = way.concat();
        let wrong_crc = {
            let mut wrong = preamble(AUTH_REQUEST, 1, [8, 0, 0, 0], 0);
            wrong[28] ^= 1;
            wrong
        };
        let stranger: [(Vec<u8>, &str); 13] = [
            (preamble(HELLO, 1, [max; 4], 0), TOO_LARGE),
            (preamble(AUTH_REQUEST, 1, [max, 0, 0, 0], 0), TOO_LARGE),
            (
                preamble(AUTH_REQUEST, 1, [0x8000_0000, 0, 0, 0], 0),
                TOO_LARGE,
            ),
            (
                preamble(AUTH_REQUEST, 1, [(16 << 10) + 1, 0, 0, 0], 0),
                TOO_LARGE,
            ),
            (preamble(AUTH_REQUEST, 4, [max; 4], 0), PROTOCOL),
            (preamble(MESSAGE, 4, [max; 4], 0), PROTOCOL),
            (preamble(MESSAGE, 1, [41, 0, 0, 0], 0), PROTOCOL),
            (preamble(AUTH_REQUEST, 0, [8, 0, 0, 0], 0), PROTOCOL),
            (preamble(AUTH_REQUEST, 5, [8, 8, 8, 8], 0), PROTOCOL),
            (preamble(AUTH_REQUEST, 255, [8, 8, 8, 8], 0), PROTOCOL),
            (preamble(AUTH_REQUEST, 2, [8, 0, 0, 0], 0), PROTOCOL),
            (preamble(0xff, 1, [8, 0, 0, 0], 0), PROTOCOL),
            (wrong_crc, PROTOCOL),
        ];
        for (words, reason) in stranger {
            arena.refuses(&[&greeting[..], &words].concat(), reason);
            played += 1;
        }
        let known: [([u32; 4], u8, &str); 8] = [
            ([41, max, max, max], 4, MESSAGE_TOO_LARGE),
            ([41, 1 << 30, 1, 0], 3, MESSAGE_TOO_LARGE),
            ([41, 0x8000_0000, 0, 0], 2, MESSAGE_TOO_LARGE),
            ([40, 1, 0, 0], 2, PROTOCOL),
            ([42, 1, 0, 0], 2, PROTOCOL),
            ([max, 1, 0, 0], 2, PROTOCOL),
            ([0, 0, 0, 1], 4, PROTOCOL),
            ([41, 1, 0, 0], 3, PROTOCOL),
        ];
        for (lens, count, reason) in known {
            let words = preamble(MESSAGE, count, lens, 0);
            arena.refuses(&[&open[..], &words].concat(), reason);
            played += 1;
        }
        // What may be as long as it says is waited for, with what has come.
        for (so_far, claimed) in [
            (&greeting, preamble(AUTH_REQUEST, 1, [16 << 10, 0, 0, 0], 0)),
            (&open, preamble(MESSAGE, 4, [41, 0, 0, (1 << 30) - 1], 0)),
            (&open, preamble(MESSAGE, 2, [41, 1 << 30, 0, 0], 0)),
        ] {
            let before = counted(&arena.server.messenger, HUNG_UP);
            let mut peer = arena.server.dial();
            peer.say(&[&so_far[..], &claimed, b"x"].concat());
            peer.finish();
            peer.expect_closed();
            arena.server.expect_counted(HUNG_UP, before);
            played += 1;
        }
        arena.survives();
    }
    played
}

/// Lengths within payloads.
pub fn inner_lengths() -> usize {
    let arena = Arena::new(&[]);
    let at = arena.server.at();
    let lens = [5, 12, 0x7fff_ffff, 0x8000_0000, u32::MAX];
    let mut played = 0;
    for revision in REVISIONS {
        let way = dialler(revision, at);
        let mut refuses = |state: usize, tag: u8, payload: Vec<u8>| {
            let words = [way[..=state].concat(), control(revision, tag, &payload)].concat();
            arena.refuses(&words, PROTOCOL);
            played += 1;
        };
        for len in lens {
            // Method, modes; the payload and the list claim more than there is.
            refuses(
                1,
                AUTH_REQUEST,
                bytes().u32(1).u32(1).u32(1).u32(len).raw(b"abcd").0,
            );
            refuses(1, AUTH_REQUEST, bytes().u32(1).u32(len).u32(1).u32(2).0);
            // An address whose body or socket address does.
            let addr = bytes().u8(8).raw(&[1, 1, 1]).u32(len).raw(&[2, 0, 0, 0]);
            refuses(0, HELLO, addr.0);
            let inner = bytes()
                .u8(8)
                .raw(&[1, 1, 1])
                .u32(28)
                .u32(2)
                .u32(0)
                .u32(len.max(30));
            refuses(0, HELLO, inner.raw(&[2, 0]).raw(&[0; 14]).0);
            // Vectors of addresses, one within another.
            let vector = bytes()
                .u8(2)
                .u32(len.max(100))
                .raw(&[2, 0, 0, 0, 0])
                .raw(&[0; 60]);
            refuses(4, CLIENT_IDENT, vector.clone().0);
            refuses(4, SESSION_RECONNECT, vector.0);
            refuses(
                3,
                COMPRESSION_REQUEST,
                bytes().u8(1).u32(len.max(3)).u32(1).0,
            );
        }
        for tag in [HELLO, AUTH_REQUEST, COMPRESSION_REQUEST, CLIENT_IDENT] {
            let state = match tag {
                HELLO => 0,
                AUTH_REQUEST => 1,
                COMPRESSION_REQUEST => 3,
                _ => 4,
            };
            let whole = sample(tag, at);
            for end in 0..whole.len() {
                refuses(state, tag, whole[..end].to_vec());
            }
        }
        arena.survives();
    }
    played
}

/// Acknowledgements and sequence numbers.
pub fn numbers() -> usize {
    let with_session = End::with(&[], "v2:127.0.0.1:0", Policy::stateful_server(), |_| {});
    let arena = Arena::new(&[]);
    let lossless = Arena::of(with_session);
    let mut played = 0;
    for revision in REVISIONS {
        let open = dialler(revision, arena.server.at()).concat();
        for seq in [1_u64, 1 << 32, u64::MAX] {
            let ack = control(revision, ACK, &seq.to_le_bytes());
            arena.refuses(&[&open[..], &ack].concat(), PROTOCOL);
            played += 1;
        }
        let mut way = dialler(revision, lossless.server.at());
        let cookie = 0x4711 + played as u64;
        way[5] = control(
            revision,
            CLIENT_IDENT,
            &client_ident(lossless.server.at(), 0, cookie),
        );
        for ack in [1, u64::MAX] {
            let message = control(revision, MESSAGE, &header(1, ack));
            let before = counted(&lossless.server.messenger, PROTOCOL);
            let mut peer = lossless.server.dial();
            peer.say(&[way.concat(), message].concat());
            peer.expect_closed();
            lossless.server.expect_counted(PROTOCOL, before);
            played += 1;
        }
        played += repeated(&arena, revision, &open);
        arena.survives();
        lossless.survives();
    }
    played
}

/// A message that comes twice is taken once, one that is left out is missed by
/// nobody, and what follows is read.
fn repeated(arena: &Arena, revision: Revision, open: &[u8]) -> usize {
    let seqs = [1, 1, 0, 7, 3, 7, 8, u64::MAX, 9];
    let messages: Vec<u8> = seqs
        .into_iter()
        .flat_map(|seq| control(revision, MESSAGE, &header(seq, 0)))
        .collect();
    let alive = control(revision, KEEPALIVE2, &sample(KEEPALIVE2, arena.server.at()));
    let mut peer = arena.server.dial();
    peer.say(&[open, &messages, &alive].concat());
    let got = [(); 4].map(|()| next_message(&arena.server.told).1.seq);
    assert_eq!(got, [1, 7, 8, u64::MAX]);
    peer.finish();
    peer.expect_closed();
    arena.server.expect_silence_of_messages();
    1
}

/// Frames that say they are compressed, and what they unpack to.
pub fn compression() -> usize {
    let mut played = 0;
    let arena = Arena::new(&[]);
    for revision in REVISIONS {
        let way = dialler(revision, arena.server.at());
        for state in 0..way.len() {
            let tag = if state == 5 { MESSAGE } else { HELLO };
            let packed = frame(revision, tag, &[&header(1, 0)], 1);
            arena.refuses(&[way[..=state].concat(), packed].concat(), PROTOCOL);
            played += 1;
        }
    }
    arena.survives();
    played + bombs()
}

/// A stored block of a deflate stream in its container: what stays as it is.
fn stored(segment: &[u8]) -> Vec<u8> {
    let len = u16::try_from(segment.len()).unwrap();
    let out = bytes().raw(&[0, 1]);
    out.raw(&len.to_le_bytes())
        .raw(&(!len).to_le_bytes())
        .raw(segment)
        .0
}

/// Deflate of that many zeros, written by hand: one long match after another.
fn zeros(matches: usize) -> Vec<u8> {
    // A final block with fixed codes: a literal 0, matches of 258 at distance 1.
    let mut bits: Vec<bool> = vec![true, true, false];
    let mut code = |value: u32, len: u32| {
        bits.extend((0..len).rev().map(|bit| value >> bit & 1 == 1));
    };
    code(0x30, 8);
    for _ in 0..matches {
        code(0b1100_0101, 8);
        code(0, 5);
    }
    code(0, 7);
    let packed = bits.chunks(8).map(|bits| {
        bits.iter()
            .enumerate()
            .fold(0, |byte, (at, bit)| byte | u8::from(*bit) << at)
    });
    std::iter::once(0).chain(packed).collect()
}

fn bombs() -> usize {
    let options = [
        ("ms_compress_mode", "force"),
        ("ms_compression_algorithm", "snappy zlib zstd lz4"),
        ("ms_max_message_bytes", "1M"),
    ];
    let arena = Arena::of(End::server(&options, "v2:127.0.0.1:0"));
    let mut played = 0;
    for revision in REVISIONS {
        let mut way = dialler(revision, arena.server.at());
        let agree = |algorithm: u32| {
            let request = bytes().u8(1).u32(1).u32(algorithm).0;
            control(revision, COMPRESSION_REQUEST, &request)
        };
        // Deflate: a small one is a message, a large one is the end.
        way[4] = agree(2);
        let message = |data: &[u8]| {
            let data = [&[], data].concat();
            frame(revision, MESSAGE, &[&stored(&header(1, 0)), &data], 1)
        };
        let mut peer = arena.server.dial();
        peer.say(&[way.concat(), message(&zeros(100))].concat());
        let (_, got) = next_message(&arena.server.told);
        assert_eq!(got.payload_len(), 1 + 100 * 258);
        peer.finish();
        peer.expect_closed();
        let bombs = [
            zeros(5000),
            zeros(300_000),
            stored(&[7; 100])[..50].to_vec(),
            vec![0xff; 100],
        ];
        for bomb in bombs {
            arena.refuses(&[way.concat(), message(&bomb)].concat(), PROTOCOL);
            played += 1;
        }
        // The others claim a length; of their headers, too, which is enough.
        let claims: [(u32, Vec<u8>); 3] = [
            (1, vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]),
            (
                3,
                bytes().u32(0x4000_0000).raw(&[0x28, 0xb5, 0x2f, 0xfd, 0]).0,
            ),
            (4, bytes().u32(1).u32(u32::MAX).u32(3).raw(&[0x1f, 0, 1]).0),
        ];
        for (algorithm, claim) in claims {
            way[4] = agree(algorithm);
            for segments in [&[&claim[..]][..], &[&claim, &claim]] {
                let words = frame(revision, MESSAGE, segments, 1);
                arena.refuses(&[way.concat(), words].concat(), PROTOCOL);
                played += 1;
            }
        }
        arena.survives();
    }
    played
}
