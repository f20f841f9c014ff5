//! Broken links, broken bytes, and peers that are none.

use std::collections::BTreeMap;

use crate::proto::{Event, LinkDown};
use crate::types::{Message, Time};

use super::pair::{End, Pair, Pipes, SMOOTH, acceptor, client_config, message, server_config};

/// What each side says in the cut conversations, a bulk message among it.
fn lines() -> Vec<Message> {
    let shapes = [
        (0, 0, 0),
        (40, 0, 0),
        (0, 0, 300),
        (10, 20, 30),
        (0, 17_000, 9),
    ];
    (1..)
        .zip(shapes)
        .map(|(tid, (front, middle, data))| message(tid, front, middle, data))
        .collect()
}

fn conversation(revision: u64, pipes: Pipes, refuse: bool) -> Pair {
    let mut client = client_config();
    client.msgr2_supported = revision;
    let mut pair = Pair::new(client, server_config());
    pair.pipes = pipes;
    pair.dialler.refuse = refuse;
    pair.replies = lines();
    lines().into_iter().for_each(|line| pair.send(line));
    pair.start();
    pair.drive();
    pair
}

/// What a link promises that keeps no session.
fn violation(pair: &Pair) -> Option<String> {
    let acceptors = || pair.former.iter().chain(&pair.acceptor);
    for end in acceptors().chain([&pair.dialler]) {
        let tids: Vec<u64> = end.messages().map(|message| message.tid).collect();
        if tids.iter().zip(1..).any(|(tid, expected)| *tid != expected) {
            return Some(format!("out of order: {tids:?}"));
        }
        if tids.len() < lines().len() && end.opened() > 0 && !end.was_reset() {
            return Some(format!("lost without a reset: {}", end.story()));
        }
        if end.balance != 0 {
            return Some(format!("{} bytes stay admitted", end.balance));
        }
    }
    let delivered: usize = acceptors().map(|end| end.messages().count()).sum();
    if delivered > lines().len() {
        return Some("a message arrived twice".to_owned());
    }
    let dialler = &pair.dialler;
    if dialler.opened() == 0 || dialler.was_reset() == dialler.protocol.is_open() {
        return Some(format!("the dialler gave up: {}", dialler.story()));
    }
    None
}

#[test]
fn cut_at_every_byte_nothing_is_doubled_and_no_loss_goes_untold() {
    let (mut runs, mut violations) = (0, Vec::new());
    let chopped = Pipes {
        read: 1500,
        write: 4000,
        ..SMOOTH
    };
    for (revision, base, refuse) in [(0, SMOOTH, false), (1, SMOOTH, false), (1, chopped, true)] {
        let whole = conversation(revision, base, refuse);
        for (direction, total) in whole.carried.into_iter().enumerate() {
            for at in 0..=total {
                // Within the bulk payload bytes are alike.
                if at > 2500 && at + 700 < total && at % 61 != 0 {
                    continue;
                }
                let pipes = Pipes {
                    cut: Some((direction, at)),
                    ..base
                };
                let pair = conversation(revision, pipes, refuse);
                runs += 1;
                if let Some(what) = violation(&pair) {
                    violations.push(format!(
                        "revision {revision}, direction {direction}, byte {at}: {what}"
                    ));
                }
            }
        }
    }
    println!(
        "cut at every byte: {runs} runs, {} violations",
        violations.len()
    );
    assert!(violations.is_empty(), "{}", violations.join("\n"));
    assert!(runs > 10_000, "{runs}");
}

#[test]
fn a_flipped_bit_is_found_unless_no_crc_covers_it() {
    for revision in [0, 1] {
        let mut harmless = BTreeMap::new();
        for data in [0, 37] {
            let open = || {
                let mut client = client_config();
                client.msgr2_supported = revision;
                let mut pair = Pair::new(client, server_config());
                pair.start();
                pair.drive();
                pair
            };
            let mut pair = open();
            let sent = message(1, 21, 0, data);
            pair.send(sent.clone());
            let bytes = pair.dialler.transmit_all(Time::ZERO);
            for bit in 0..bytes.len() * 8 {
                let mut pair = open();
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                pair.acceptor().receive(&flipped, Time::ZERO);
                let end = pair.acceptor();
                if end.protocol.is_closed() {
                    assert_eq!(end.messages().count(), 0);
                } else {
                    let same = end.messages().all(|m| {
                        *m == Message {
                            seq: 1,
                            ..sent.clone()
                        }
                    });
                    assert!(same, "bit {bit} changed a message");
                    *harmless.entry(bytes.len() - bit / 8).or_insert(0) += 1;
                }
            }
        }
        // Counted from the end: the byte of flags, and the crcs of segments
        // that the shape does not have.
        let flags_at = if revision == 0 { 17 } else { 13 };
        let covered = harmless
            .keys()
            .all(|from_end| *from_end == flags_at || *from_end <= 8);
        assert!(covered, "revision {revision}: {harmless:?}");
        let unused = if revision == 0 { 16 } else { 8 };
        assert_eq!(harmless[&flags_at], unused, "revision {revision}");
    }
}

fn first_words(bytes: &[u8]) -> End {
    let mut end = End::new(acceptor(server_config()));
    end.receive(bytes, Time::ZERO);
    end
}

const BANNER: &[u8] = b"ceph v2\n\x10\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// A preamble with a right crc.
fn preamble(tag: u8, count: u8, lens: [u32; 4]) -> Vec<u8> {
    let mut bytes = vec![tag, count];
    for len in lens {
        bytes.extend(len.to_le_bytes());
        bytes.extend([8, 0]);
    }
    bytes.extend([0, 0]);
    let crc = !crc32c::crc32c_append(u32::MAX, &bytes);
    bytes.extend(crc.to_le_bytes());
    bytes
}

#[test]
fn strangers_and_impossible_frames_are_turned_away_with_a_clear_word() {
    let after_banner = |frame: Vec<u8>| [BANNER, &frame].concat();
    let mut wrong_crc = preamble(1, 1, [36, 0, 0, 0]);
    wrong_crc[31] ^= 1;
    for (bytes, why) in [
        (
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            "not a msgr peer: banner 'GET / HT'",
        ),
        (b"ceph v027".to_vec(), "peer speaks msgr v1"),
        (
            vec![0x16, 3, 1],
            "not a msgr peer: banner '\\x16\\x03\\x01'",
        ),
        (
            b"ceph v2\n\0\0".to_vec(),
            "banner with a payload of 0 bytes",
        ),
        (after_banner(wrong_crc), "frame with a bad preamble crc"),
        (
            after_banner(preamble(1, 0, [36, 0, 0, 0])),
            "frame with 0 segments",
        ),
        (
            after_banner(preamble(1, 5, [36, 0, 0, 0])),
            "frame with 5 segments",
        ),
        (
            after_banner(preamble(1, 255, [36, 0, 0, 0])),
            "frame with 255 segments",
        ),
        (
            after_banner(preamble(1, 2, [36, 1, 0, 0])),
            "frame with 2 segments",
        ),
        (
            after_banner(preamble(1, 2, [36, 0, 0, 0])),
            "frame with an empty last segment",
        ),
        (
            after_banner(preamble(1, 1, [16_385, 0, 0, 0])),
            "Hello frame of 16385 bytes",
        ),
        (
            after_banner(preamble(1, 1, [u32::MAX, 0, 0, 0])),
            "Hello frame of 4294967295 bytes",
        ),
        (
            after_banner(preamble(0, 1, [0; 4])),
            "frame with unknown tag 0",
        ),
        (
            after_banner(preamble(23, 1, [0; 4])),
            "frame with unknown tag 23",
        ),
        (
            after_banner(preamble(21, 1, [0; 4])),
            "CompressionRequest frame out of turn",
        ),
        (
            after_banner(preamble(22, 1, [0; 4])),
            "CompressionDone frame out of turn",
        ),
        (
            after_banner(preamble(17, 2, [41, 1 << 30, 0, 0])),
            "Message frame out of turn",
        ),
        (
            after_banner(preamble(16, 1, [0; 4])),
            "Wait frame out of turn",
        ),
    ] {
        let end = first_words(&bytes);
        let told = format!("fault: {why}; CloseSocket; Closed {{ reset: false }}");
        assert_eq!(end.story(), told);
    }
}

#[test]
fn an_open_peer_cannot_send_impossible_messages() {
    for (frame, why) in [
        (preamble(17, 1, [40, 0, 0, 0]), "message header of 40 bytes"),
        (
            preamble(17, 4, [41, u32::MAX, 0, 1]),
            "message with a payload of 4294967296 bytes",
        ),
        (
            preamble(17, 2, [41, (1 << 30) + 1, 0, 0]),
            "message with a payload of 1073741825 bytes",
        ),
        (
            preamble(18, 1, [16_385, 0, 0, 0]),
            "Keepalive2 frame of 16385 bytes",
        ),
        (preamble(1, 1, [0, 0, 0, 0]), "Hello frame out of turn"),
        (
            preamble(18, 1, [0, 0, 0, 0]),
            "malformed Keepalive2 frame: it ends inside a field",
        ),
    ] {
        let mut pair = Pair::open();
        pair.acceptor().receive(&frame, Time::ZERO);
        let told = format!("fault: {why}; CloseSocket; Closed {{ reset: true }}");
        assert!(
            pair.acceptor().story().ends_with(&told),
            "{}",
            pair.acceptor().story()
        );
        assert_eq!(pair.acceptor().balance, 0);
    }
}

#[test]
fn a_peer_that_says_nothing_or_one_byte_at_a_time_is_given_up_at_the_deadline() {
    let mut end = End::new(acceptor(server_config()));
    let due = end.protocol.poll_timeout();
    for byte in &BANNER[..20] {
        end.receive(&[*byte], Time::ZERO);
        assert_eq!(end.protocol.poll_timeout(), due, "a byte buys no time");
    }
    assert_eq!(end.time_out(), Time::from_nanos(10_000_000_000));
    assert_eq!(
        end.story(),
        "fault: not open in time; CloseSocket; Closed { reset: false }"
    );
}

#[test]
fn every_open_end_is_told_of_a_lost_link_and_nothing_after() {
    for why in [
        LinkDown::Eof,
        LinkDown::Io(std::io::ErrorKind::ConnectionReset),
    ] {
        let mut pair = Pair::open();
        pair.send(message(1, 50_000, 0, 0));
        let bytes = pair.dialler.transmit_all(Time::ZERO);
        pair.acceptor().receive(&bytes[..30_000], Time::ZERO);
        pair.acceptor().disconnect(why, Time::ZERO);
        assert!(pair.acceptor().was_reset());
        pair.acceptor().receive(&bytes[30_000..], Time::ZERO);
        pair.acceptor().disconnect(why, Time::ZERO);
        assert_eq!(
            pair.acceptor().balance,
            0,
            "a half-read message gives its budget back"
        );
    }
}

#[test]
fn a_duplicate_is_dropped_and_an_ack_of_the_future_is_a_fault() {
    let mut pair = Pair::open();
    pair.send(message(1, 10, 0, 0));
    let bytes = pair.dialler.transmit_all(Time::ZERO);
    pair.acceptor()
        .receive(&[&bytes[..], &bytes[..]].concat(), Time::ZERO);
    assert_eq!(
        (pair.acceptor().messages().count(), pair.acceptor().balance),
        (1, 0)
    );
    let ack = |seq: u64| {
        let crc = !crc32c::crc32c(&seq.to_le_bytes());
        [
            &preamble(20, 1, [8, 0, 0, 0])[..],
            &seq.to_le_bytes(),
            &crc.to_le_bytes(),
        ]
        .concat()
    };
    pair.dialler.receive(&ack(1), Time::ZERO);
    assert!(pair.dialler.protocol.is_open());
    pair.dialler.receive(&ack(2), Time::ZERO);
    assert!(
        pair.dialler
            .story()
            .contains("acknowledged message 2, which was not sent")
    );
}

#[test]
fn a_claim_of_a_gibibyte_takes_no_memory_before_the_bytes_come() {
    let mut pair = Pair::open();
    let acceptor = pair.acceptor();
    acceptor.receive(&preamble(17, 4, [41, 0, 0, 1 << 30]), Time::ZERO);
    let mut received = 0;
    for chunk in [1, 10, 16 << 10, 64 << 10, 200_000, 1 << 20] {
        let before = received;
        while received < before + chunk {
            let bulk = acceptor
                .protocol
                .bulk()
                .expect("a large frame is under way");
            assert_eq!(bulk.missing, 41 + 4 + (1 << 30) + 13 - received);
            let held = bulk.buffer.capacity();
            assert!(
                held <= (64 << 10) + 2 * received,
                "{held} bytes held for {received}"
            );
            let len = (held - received).min(before + chunk - received);
            acceptor.receive(&vec![0; len], Time::ZERO);
            received += len;
        }
    }
    acceptor.disconnect(LinkDown::Eof, Time::ZERO);
    assert!(acceptor.protocol.bulk().is_none());
    assert_eq!(acceptor.balance, 0);
}

#[test]
fn what_large_frames_held_before_is_believed_of_the_next_up_to_4_mib() {
    for (sent, believed) in [(0, 64 << 10), (1 << 20, 1 << 20), (6 << 20, 4 << 20)] {
        let mut pair = Pair::open();
        if sent > 0 {
            pair.send(message(1, 0, 0, sent));
            pair.drive();
        }
        let mut probe = message(1, 0, 0, 0);
        probe.data = bytes::Bytes::from(vec![0; 5 << 20]).into();
        pair.send(probe);
        let bytes = pair.dialler.transmit_all(Time::ZERO);
        pair.acceptor().receive(&bytes[..100], Time::ZERO);
        let held = pair.acceptor().protocol.bulk().unwrap().buffer.capacity();
        assert!((believed..believed + 100).contains(&held), "{held}");
        pair.acceptor().receive(&bytes[100..], Time::ZERO);
        let arrived = pair
            .acceptor()
            .count(|event| matches!(event, Event::Message(_)));
        assert_eq!(arrived, 1 + usize::from(sent > 0));
    }
}
