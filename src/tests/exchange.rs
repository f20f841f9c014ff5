//! Messages and keepalives on open connections.

use std::io::IoSlice;

use crate::proto::{Admission, Clock, Event, Intake, Outgoing, Protocol, segment_crcs};
use crate::types::{Hold, Message, Policy, Time, WallTime};

use super::pair::{
    Pair, Pipes, SMOOTH, client_config, clock, config, message, seconds, server_config,
};

/// Segment shapes of all kinds: none, each alone, all, borrowed, bulk.
pub fn shapes() -> Vec<Message> {
    let shapes = [
        (0, 0, 0),
        (5, 0, 0),
        (0, 6, 0),
        (0, 0, 7),
        (70, 6, 350),
        (0, 20_000, 3),
        (1, 0, 40_000),
        (17_000, 17_001, 70_000),
        (9, 9, 0),
    ];
    (1..)
        .zip(shapes)
        .map(|(tid, (front, middle, data))| message(tid, front, middle, data))
        .collect()
}

fn same(sent: &[Message], received: Vec<&Message>) {
    assert_eq!(received.len(), sent.len());
    for (seq, (sent, received)) in (1..).zip(sent.iter().zip(received)) {
        assert_eq!(
            *received,
            Message {
                seq,
                ..sent.clone()
            }
        );
    }
}

#[test]
fn messages_of_all_shapes_arrive_unchanged_in_both_revisions_and_directions() {
    for (supported, refuse) in [(0, false), (0, true), (1, false), (1, true)] {
        let mut client = client_config();
        client.msgr2_supported = supported;
        let mut pair = Pair::new(client, server_config());
        pair.dialler.refuse = refuse;
        pair.replies = shapes();
        shapes().into_iter().for_each(|message| pair.send(message));
        pair.start();
        pair.drive();
        same(&shapes(), pair.dialler.messages().collect());
        same(&shapes(), pair.acceptor().messages().collect());
        assert_eq!((pair.dialler.balance, pair.acceptor().balance), (0, 0));
    }
}

#[test]
fn reads_and_writes_of_every_size_carry_the_same_messages() {
    for (read, write) in [
        (1, 1),
        (1, 4000),
        (4000, 1),
        (2, 3),
        (31, 33),
        (32, 32),
        (33, 31),
        (77, 1000),
        (1000, 77),
        (16 << 10, 65_537),
        (65_537, 16 << 10),
    ] {
        let mut pair = Pair::plain();
        pair.pipes = Pipes {
            read,
            write,
            slices: 1 + read % 5,
            ..SMOOTH
        };
        let small = read.min(write) < 16;
        let sent: Vec<_> = shapes()
            .into_iter()
            .take(if small { 6 } else { 9 })
            .collect();
        sent.iter().for_each(|message| pair.send(message.clone()));
        pair.start();
        pair.drive();
        same(&sent, pair.acceptor().messages().collect());
    }
}

#[test]
fn a_higher_priority_overtakes_and_each_priority_keeps_its_order() {
    let mut pair = Pair::open();
    for (tid, priority) in [(1, 127), (2, 64), (3, 196), (4, 0), (5, 300), (6, 64)] {
        pair.send(Message {
            priority,
            ..message(tid, 1, 0, 0)
        });
    }
    pair.drive();
    let order: Vec<_> = pair
        .acceptor()
        .messages()
        .map(|m| (m.tid, m.priority, m.seq))
        .collect();
    let expected = [
        (5, 255, 1),
        (3, 196, 2),
        (1, 127, 3),
        (4, 127, 4),
        (2, 64, 5),
        (6, 64, 6),
    ];
    assert_eq!(order, expected);
}

#[test]
fn a_keepalive_goes_before_messages_and_its_own_stamp_comes_back() {
    let mut pair = Pair::open();
    pair.send(message(1, 1, 0, 0));
    pair.dialler.protocol.keepalive();
    let bytes = pair.dialler.transmit_all(Time::ZERO);
    assert_eq!((bytes[0], bytes[44]), (18, 17), "KEEPALIVE2, then MESSAGE");
    pair.acceptor().receive(&bytes, Time::ZERO);
    pair.drive();
    let stamp = WallTime {
        sec: 1_700_000_000,
        nsec: 123_456_789,
    };
    assert_eq!(
        pair.dialler.events.last(),
        Some(&Event::KeepaliveAck(stamp))
    );
}

#[test]
fn only_the_newest_of_several_keepalives_is_answered() {
    let mut pair = Pair::open();
    let mut asked = Vec::new();
    for _ in 0..5 {
        pair.dialler.protocol.keepalive();
        asked.extend(pair.dialler.transmit_all(Time::ZERO));
    }
    pair.acceptor().receive(&asked, Time::ZERO);
    assert_eq!(pair.acceptor().transmit_all(Time::ZERO).len(), 44);
}

#[test]
fn a_keepalive_asked_for_while_connecting_goes_out_when_open() {
    let mut pair = Pair::plain();
    pair.dialler.protocol.keepalive();
    pair.start();
    pair.drive();
    assert_eq!(
        pair.dialler
            .count(|event| matches!(event, Event::KeepaliveAck(_))),
        1
    );
}

#[test]
fn a_refused_payload_stops_everything_behind_it_until_it_is_admitted() {
    let mut pair = Pair::open();
    pair.send(message(1, 0, 0, 0));
    pair.send(message(2, 10, 0, 0));
    pair.send(message(3, 0, 0, 0));
    let bytes = pair.dialler.transmit_all(Time::ZERO);
    let acceptor = pair.acceptor();
    acceptor.refuse = true;
    acceptor.receive(&bytes, Time::ZERO);
    assert_eq!(acceptor.messages().count(), 1);
    assert!(acceptor.protocol.is_waiting_for_admission());
    acceptor.receive(&[], Time::ZERO);
    assert_eq!(
        acceptor.messages().count(),
        1,
        "presented again without admission"
    );
    pair.drive();
    assert_eq!(pair.acceptor().messages().count(), 3);
    assert_eq!(pair.acceptor().balance, 0);
}

#[test]
fn a_connection_that_falls_silent_ends_after_the_idle_time() {
    let mut pair = Pair::open();
    pair.now = Time::ZERO + seconds(100);
    pair.send(message(1, 1, 0, 0));
    pair.drive();
    let due = Time::ZERO + seconds(1000);
    assert_eq!(pair.dialler.protocol.poll_timeout(), Some(due));
    pair.dialler
        .protocol
        .handle_timeout(Time::ZERO + seconds(999), &mut pair.dialler.events);
    assert!(pair.dialler.protocol.is_open());
    assert_eq!(pair.dialler.time_out(), due);
    assert!(pair.dialler.story().ends_with(
        "fault: no byte came or went for too long; CloseSocket; Closed { reset: true }"
    ));
}

#[test]
fn little_is_encoded_ahead_of_the_socket() {
    let mut pair = Pair::open();
    for tid in 0..1000 {
        pair.send(message(tid, 4096, 0, 0));
    }
    let mut slices = [IoSlice::new(&[]); 64];
    let filled = pair
        .dialler
        .protocol
        .poll_transmit(clock(Time::ZERO), &mut slices);
    let staged: usize = slices[..filled].iter().map(|slice| slice.len()).sum();
    assert_eq!(filled, 1, "small messages lie in one piece");
    assert!((256 << 10..264 << 10).contains(&staged), "{staged}");
}

#[test]
fn a_large_piece_is_written_from_where_it_lies() {
    let mut pair = Pair::open();
    let large = message(1, 100, 0, 1 << 20);
    let place = large.data.pieces().next().unwrap().as_ptr();
    pair.send(large);
    let mut slices = [IoSlice::new(&[]); 64];
    let filled = pair
        .dialler
        .protocol
        .poll_transmit(clock(Time::ZERO), &mut slices);
    assert_eq!(filled, 3);
    assert_eq!((slices[1].as_ptr(), slices[1].len()), (place, 1 << 20));
}

#[test]
fn crcs_computed_by_the_sender_are_used_as_they_are() {
    let mut pair = Pair::open();
    for shape in shapes() {
        let outgoing = Outgoing {
            crcs: Some(segment_crcs(&shape)),
            message: Box::new(shape),
        };
        pair.dialler.protocol.send(outgoing);
    }
    pair.drive();
    same(&shapes(), pair.acceptor().messages().collect());
    let message = Box::new(message(1, 10, 0, 0));
    pair.dialler.protocol.send(Outgoing {
        message,
        crcs: Some([1, 2, 3]),
    });
    pair.drive();
    assert!(
        pair.former[0]
            .story()
            .contains("fault: frame with a bad segment crc")
    );
}

#[test]
fn without_crcs_none_is_sent_and_none_is_checked() {
    for revision in [0, 1] {
        let mut client = client_config();
        client.msgr2_supported = revision;
        client.crc_data = false;
        let mut server = config("osd.3", Policy::stateless_server());
        server.crc_data = false;
        let mut pair = Pair::new(client, server);
        shapes().into_iter().for_each(|message| pair.send(message));
        pair.start();
        pair.drive();
        same(&shapes(), pair.acceptor().messages().collect());
        pair.send(message(1, 4, 0, 0));
        let mut bytes = pair.dialler.transmit_all(Time::ZERO);
        let crcs = bytes.len() - 12;
        assert!(bytes[crcs..].iter().all(|byte| *byte == 0));
        bytes[crcs - 3] ^= 0xff;
        pair.acceptor().receive(&bytes, Time::ZERO);
        assert_eq!(pair.acceptor().messages().count(), shapes().len() + 1);
    }
}

#[test]
fn a_lent_buffer_stays_while_bytes_in_it_wait_and_comes_back_after() {
    let mut pair = Pair::open();
    let protocol = &mut pair.dialler.protocol;
    protocol.send(message(1, 100, 0, 0));
    let mut buffer = Vec::with_capacity(1 << 16);
    protocol.lend(&mut buffer);
    let len = staged(protocol);
    protocol.handle_sent(len - 1, Time::ZERO);
    protocol.reclaim(&mut buffer);
    assert_eq!(buffer.capacity(), 0, "kept: a byte is still in it");
    assert!(protocol.has_unsent());
    protocol.handle_sent(1, Time::ZERO);
    assert!(!protocol.has_unsent());

    let mut buffer = Vec::with_capacity(1 << 16);
    protocol.send(message(2, 100, 0, 0));
    protocol.lend(&mut buffer);
    let len = staged(protocol);
    protocol.handle_sent(len, Time::ZERO);
    protocol.reclaim(&mut buffer);
    assert!(buffer.is_empty() && buffer.capacity() >= 1 << 16);
}

/// Length of what is to be written, which lies in one piece.
fn staged(protocol: &mut Protocol) -> usize {
    let mut slices = [IoSlice::new(&[]); 4];
    assert_eq!(protocol.poll_transmit(clock(Time::ZERO), &mut slices), 1);
    slices[0].len()
}

/// Marsaglia's xorshift: the tests need variety, not quality.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// From 1 to 256 Ki, small ones as often as large ones.
    fn size(&mut self) -> usize {
        let bits = 1 + self.below(18);
        1 + self.below(1 << bits) as usize
    }

    fn message(&mut self, tid: u64) -> Message {
        let mut size = || {
            let limit = [1, 10, 300, 5000, 70_000, 1 << 20];
            let class = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5][self.below(13) as usize];
            self.below(limit[class]) as usize
        };
        let (front, middle, data) = (size(), size() / 8, size());
        let priority = [127, 127, 127, 64, 196, 255][self.below(6) as usize];
        Message {
            priority,
            ..message(tid, front, middle, data)
        }
    }
}

#[test]
fn random_messages_in_random_pieces_arrive_once_and_in_order_per_priority() {
    for seed in 1..=12_u64 {
        println!("seed {seed}");
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut pair = Pair::open();
        let mut sent = [Vec::new(), Vec::new()];
        for tid in 0..60 {
            for (direction, sent) in sent.iter_mut().enumerate() {
                let message = random.message(tid);
                sent.push(message.clone());
                match direction {
                    0 => pair.send(message),
                    _ => pair.acceptor().protocol.send(message),
                }
            }
            pair.acceptor().refuse = random.below(2) == 0;
            pair.pipes = Pipes {
                read: random.size(),
                write: random.size(),
                slices: 1 + random.below(8) as usize,
                cut: None,
            };
            (0..random.below(20)).for_each(|_| {
                pair.step();
            });
        }
        pair.pipes = SMOOTH;
        pair.drive();
        let ends = [pair.acceptor.as_ref().unwrap(), &pair.dialler];
        for (sent, end) in sent.iter().zip(ends) {
            assert_eq!(
                end.messages().count(),
                sent.len(),
                "seed {seed}: {}",
                end.story()
            );
            assert_eq!(end.balance, 0, "seed {seed}");
            for priority in [64, 127, 196, 255] {
                let of = |message: &&Message| message.priority == priority;
                let received = end.messages().filter(of).map(|m| Message {
                    seq: 0,
                    ..m.clone()
                });
                assert!(sent.iter().filter(of).cloned().eq(received), "seed {seed}");
            }
        }
    }
}

#[test]
fn parsing_pauses_at_the_intake_s_limit_and_goes_on_where_it_stopped() {
    let mut pair = Pair::open();
    for _ in 0..5 {
        pair.dialler.protocol.send(message(1, 100, 0, 20));
    }
    let bytes = pair.dialler.transmit_all(Time::ZERO);
    let (mut rest, mut sizes) = (&bytes[..], Vec::new());
    while !rest.is_empty() {
        let mut events = Vec::new();
        let mut intake = Intake {
            events: &mut events,
            admit: &mut |_| Admission::Granted(Hold::NONE),
            lend: None,
            decode: None,
            max_events: 2,
        };
        let acceptor = &mut pair.acceptor().protocol;
        let used = acceptor.handle_received(rest, Clock::default(), &mut intake);
        rest = &rest[used..];
        sizes.push(events.len());
    }
    assert_eq!(sizes, [2, 2, 1]);
}
