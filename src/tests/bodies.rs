//! Messages that are encoded as they go out, and decoded as they come.

use std::any::Any;
use std::sync::Arc;

use crate::proto::{Admission, Clock, Event, Intake};
use crate::types::{Body, Hold, Message, Time, WallTime};

use super::pair::{Pair, client_config, message, server_config};

/// Writes what it is told of the link.
struct Echo;

impl Body for Echo {
    fn encode(&self, message: &mut Message, features: u64) -> Result<(), i32> {
        message.front.append_copy(&features.to_le_bytes());
        message.middle.append_copy(b"middle");
        message.version = 9;
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn late(tid: u64) -> Message {
    Message {
        body: Some(Arc::new(Echo)),
        ..message(tid, 3, 4, 5)
    }
}

#[test]
fn a_body_is_told_the_features_that_its_link_has_in_common() {
    let pairs = [
        Pair::new(client_config(), server_config()),
        Pair::legacy(client_config(), server_config()),
    ];
    for mut pair in pairs {
        pair.replies = vec![late(2)];
        pair.send(late(1));
        pair.start();
        pair.drive();
        for end in [&pair.dialler, pair.acceptor.as_ref().unwrap()] {
            let features = end.events.iter().find_map(|event| match event {
                Event::Open(peer, _) => Some(peer.features),
                _ => None,
            });
            let [got] = end.messages().collect::<Vec<_>>()[..] else {
                panic!("{}", end.story());
            };
            let mut told = got.front.clone();
            assert_ne!(features, Some(0));
            assert_eq!(told.contiguous()[..], features.unwrap().to_le_bytes());
            assert_eq!((got.middle.len(), got.data.len(), got.version), (6, 5, 9));
            assert!(got.body.is_none());
        }
        let released = pair.dialler.protocol.take_released();
        assert_eq!(released, 3 + 4 + 5, "what was counted when it was sent");
    }
}

/// An open acceptor's events for `bytes`, of which it reads one piece after another.
/// It does not decode what has the tid 2. The clock goes on by a second each time.
fn read(pair: &mut Pair, pieces: &[&[u8]]) -> Vec<Event> {
    let (mut events, mut held) = (Vec::new(), Vec::new());
    let mut decode = |message: &mut Message| match message.tid {
        2 => Err(74),
        _ => {
            message.kind = 77;
            Ok(())
        }
    };
    for (sec, piece) in (100..).zip(pieces) {
        let clock = Clock {
            now: Time::ZERO,
            wall: WallTime { sec, nsec: 0 },
        };
        held.extend_from_slice(piece);
        let mut intake = Intake {
            events: &mut events,
            admit: &mut |_| Admission::Granted(Hold::NONE),
            lend: None,
            decode: Some(&mut decode),
            max_events: usize::MAX,
        };
        let protocol = &mut pair.acceptor().protocol;
        let used = protocol.handle_received(&held, clock, &mut intake);
        held.drain(..used);
    }
    events
}

#[test]
fn a_message_that_does_not_decode_ends_the_link_and_was_never_received() {
    let mut pair = Pair::open();
    for tid in 1..=3 {
        pair.dialler.protocol.send(message(tid, 100, 0, 20));
    }
    let bytes = pair.dialler.transmit_all(Time::ZERO);
    let events = read(&mut pair, &[&bytes]);
    let [Event::Message(first), Event::Fault { fault, .. }, ..] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!((first.tid, first.kind), (1, 77));
    let kind = message(2, 0, 0, 0).kind;
    let said = format!("message of type {kind} does not decode (error 74)");
    assert_eq!(fault.to_string(), said);
    let messages = events.iter().filter(|it| matches!(it, Event::Message(_)));
    assert_eq!(messages.count(), 1);
    let unused = pair.acceptor().protocol.take_unused_admission();
    assert_eq!(unused, 120, "what was admitted for it comes back");
}

#[test]
fn a_message_tells_when_it_began_to_come_and_when_it_was_whole() {
    let mut pair = Pair::open();
    for tid in [1, 3] {
        pair.dialler.protocol.send(message(tid, 100, 0, 20));
    }
    let bytes = pair.dialler.transmit_all(Time::ZERO);
    let (begins, ends) = bytes.split_at(50);
    let events = read(&mut pair, &[begins, b"", ends]);
    let stamps = events.iter().map(|event| match event {
        Event::Message(message) => {
            let stamps = message.stamps;
            [stamps.received, stamps.throttled, stamps.completed].map(|at| at.sec)
        }
        other => panic!("{other:?}"),
    });
    let stamps: Vec<_> = stamps.collect();
    assert_eq!(stamps, [[100, 100, 102], [102, 102, 102]]);
}
