use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::types::{Body, Message};

fn message(tid: u64) -> Outgoing {
    let mut message = Message::new(1);
    message.tid = tid;
    message.data.append_copy(&[7; 10]);
    message.into()
}

fn session(messages: u64) -> Session {
    let mut session = Session::default();
    (1..=messages).for_each(|tid| session.push(message(tid)));
    session
}

/// Writes up to `count` messages; their numbers and tids.
fn write(session: &mut Session, count: usize) -> Vec<(u64, u64)> {
    let mut written = Vec::new();
    while written.len() < count {
        let Some(next) = session.next(u64::MAX).map(Queued::one) else {
            break;
        };
        written.push((next.message.seq, next.message.tid));
        session.keep(next);
    }
    written
}

/// Writes the features it is encoded for, and counts how often.
#[derive(Default)]
struct Late(AtomicU32);

impl Body for Late {
    fn encode(&self, message: &mut Message, features: u64) -> Result<(), i32> {
        assert!(message.front.is_empty() && message.middle.is_empty());
        self.0.fetch_add(1, Ordering::Relaxed);
        match message.tid {
            13 => return Err(22),
            17 => panic!("on purpose"),
            _ => message.front.append_copy(&vec![7; features as usize]),
        }
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn late(tid: u64, late: &Arc<Late>) -> Outgoing {
    let mut late_one = message(tid);
    late_one.message.front.append_copy(b"of an earlier life");
    late_one.message.body = Some(Arc::clone(late) as Arc<dyn Body>);
    late_one
}

/// The lengths of the fronts of what is written.
fn fronts(session: &mut Session, count: usize) -> Vec<usize> {
    let mut written = Vec::new();
    while written.len() < count {
        let Some(next) = session.next(1000).map(Queued::one) else {
            break;
        };
        written.push(next.message.front.len());
        session.keep(next);
    }
    written
}

#[test]
fn a_body_is_encoded_when_its_message_goes_out_and_again_for_other_features() {
    let body = Arc::new(Late::default());
    let mut session = session(1);
    (2..=4).for_each(|tid| session.push(late(tid, &body)));
    session.features = 5;
    assert_eq!(fronts(&mut session, 3), [0, 5, 5]);
    session.requeue();
    assert_eq!(fronts(&mut session, 2), [0, 5]);
    assert_eq!(body.0.load(Ordering::Relaxed), 2, "once each");
    // Of three links the last has other features; what is left over was
    // encoded for the first.
    session.requeue();
    session.features = 6;
    assert_eq!(fronts(&mut session, 2), [0, 6]);
    session.requeue();
    session.features = 5;
    assert_eq!(fronts(&mut session, 9), [0, 5, 5, 5]);
    assert_eq!(session.acknowledge(4), Ok(true));
    let sent = 4 * 10 + 3 * b"of an earlier life".len() as i64;
    assert_eq!(session.take_released(), sent, "as much as was accepted");
    assert_eq!(Arc::strong_count(&body), 1);
}

#[test]
fn a_message_that_does_not_encode_is_dropped_and_takes_no_number() {
    let body = Arc::new(Late::default());
    let mut session = session(1);
    for tid in [13, 2, 17] {
        session.push(late(tid, &body));
    }
    session.features = 2000;
    session.push(message(3));
    assert_eq!(write(&mut session, 1), [(1, 1)]);
    let next = session.next(1000).unwrap().one();
    assert_eq!((next.message.seq, next.message.tid), (2, 3));
    let told = session.take_unencoded();
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "message of type 1 with tid 13 is dropped: it does not encode (error 22)",
            "message of type 1 with tid 2 is dropped: it is encoded in 2010 bytes, too many",
            "message of type 1 with tid 17 is dropped: the program panicked in encode",
        ]
    );
    assert!(session.take_unencoded().is_empty());
    assert_eq!(session.take_released(), 3 * (10 + 18));
    assert_eq!(Arc::strong_count(&body), 1);
}

#[test]
fn what_was_not_acknowledged_is_written_again_under_its_number() {
    let mut session = session(5);
    assert_eq!(write(&mut session, 3), [(1, 1), (2, 2), (3, 3)]);
    assert_eq!(session.acknowledge(1), Ok(true));
    session.requeue();
    assert_eq!(write(&mut session, 1), [(2, 2)]);
    session.requeue();
    session.resume(2);
    assert_eq!(write(&mut session, 9), [(3, 3), (4, 4), (5, 5)]);
    assert_eq!(session.take_released(), 20);
}

#[test]
fn an_ack_of_the_future_or_of_the_past_is_a_fault_and_drops_nothing() {
    let mut session = session(3);
    write(&mut session, 2);
    assert_eq!(session.acknowledge(3), Err(Fault::AckAhead(3)));
    let beyond = session.acknowledge(u64::MAX);
    assert_eq!(beyond, Err(Fault::AckAhead(u64::MAX)));
    assert_eq!(session.acknowledge(2), Ok(true));
    assert_eq!(session.acknowledge(2), Ok(false));
    assert_eq!(session.acknowledge(1), Err(Fault::AckBehind(1)));
    assert_eq!(session.take_released(), 20);
}

#[test]
fn a_peer_cannot_have_more_than_was_sent_nor_less_than_it_said() {
    let mut session = session(3);
    write(&mut session, 3);
    session.acknowledge(1).unwrap();
    session.requeue();
    let possible: Vec<u64> = (0..5).filter(|seq| session.could_have(*seq)).collect();
    assert_eq!(possible, [1, 2, 3]);
}

#[test]
fn two_that_mean_different_sessions_lose_nothing_unless_they_are_strict() {
    let fresh = |strict, seq| {
        let mut session = session(4);
        write(&mut session, 2);
        session.acknowledge(1).unwrap();
        session.requeue();
        let agreed = session.agree(seq, strict);
        (agreed, write(&mut session, 9))
    };
    let plausible = vec![(3, 3), (4, 4)];
    assert_eq!(fresh(true, 2), (Ok(()), plausible));
    // It has forgotten what it acknowledged.
    let forgotten = vec![(2, 2), (3, 3), (4, 4)];
    assert_eq!(fresh(false, 0), (Ok(()), forgotten));
    // It has what was never sent by this life.
    let elsewhere = vec![(8, 2), (9, 3), (10, 4)];
    assert_eq!(fresh(false, 7), (Ok(()), elsewhere));
    for (strict, seq) in [(true, 0), (true, 7), (false, u64::MAX)] {
        assert_eq!(fresh(strict, seq).0, Err(Fault::ImpossibleSeq(seq)));
    }
}

#[test]
fn a_new_session_keeps_the_messages_of_an_interrupted_one() {
    let mut session = session(2);
    session.receive(9);
    write(&mut session, 1);
    session.requeue();
    session.begin();
    assert!(session.is_new(1), "the peer counts from 1 again");
    assert_eq!(write(&mut session, 9), [(1, 1), (2, 2)]);
    session.acknowledge(2).unwrap();
    session.begin();
    session.push(message(3));
    assert_eq!(write(&mut session, 9), [(1, 3)]);
}

#[test]
fn a_peer_that_has_no_part_of_the_session_may_count_its_attempts_anew() {
    let mut session = session(2);
    (session.server_cookie, session.peer_global_seq) = (7, 1000);
    write(&mut session, 1);
    session.requeue();
    session.restart();
    assert_eq!((session.server_cookie, session.peer_global_seq), (0, 0));
    assert_eq!(write(&mut session, 9), [(1, 1), (2, 2)]);
}

#[test]
fn a_reset_leaves_nothing_and_releases_every_byte() {
    let mut session = session(4);
    write(&mut session, 2);
    session.requeue();
    write(&mut session, 1);
    session.reset();
    assert!(!session.has_queued() && !session.awaits_ack());
    assert_eq!(session.take_released(), 40);
    session.push(message(5));
    assert_eq!(write(&mut session, 9), [(1, 5)]);
}

#[test]
fn a_message_that_came_before_is_known() {
    let mut session = Session::default();
    let came = [1, 1, 3, 2, 4].map(|seq| {
        let is_new = session.is_new(seq);
        session.receive(seq);
        is_new
    });
    assert_eq!(came, [true, false, true, false, true]);
    assert_eq!(session.in_seq(), 4);
}
