//! What two ends remember of each other while links come and go.
//!
//! A message that is sent passes through three places: `queue` until it is
//! written, `sent` until it is acknowledged, and, if its link is lost in
//! between, `replay`, from where it is written again under the number it has.

mod status;

use std::collections::VecDeque;

use super::encoding::{Unencoded, encode};
use super::fault::Fault;
use super::mutation::{self, Mutation};
use super::out_queue::{OutQueue, Outgoing};
pub use status::SessionStatus;

/// The state of a session. A lossy connection has one too, of which only the
/// queue and the numbers of its one link matter.
#[derive(Debug, Default)]
pub struct Session {
    /// Chosen by the end that dialled first; 0 if there is no session.
    pub client_cookie: u64,
    /// Chosen by the end that accepted; other than 0 it says that the session
    /// can be resumed.
    pub server_cookie: u64,
    /// The peer's highest count of attempts that was seen.
    pub peer_global_seq: u64,
    /// The number of our own last attempt, in v1 of the last that led to a link. They
    /// rise, also above one that the peer has asked for.
    pub own_global_seq: u64,
    /// Counts the attempts to resume this session. In v1, which has no cookies, it
    /// also says that there is one.
    pub connect_seq: u64,
    /// In v1: the peer is known to have been told of the session.
    pub shared: bool,
    /// The last message received.
    in_seq: u64,
    /// The last number given to a message.
    out_seq: u64,
    /// The last message that the peer said it has.
    acked: u64,
    queue: OutQueue,
    /// Written on a lost link and not acknowledged, oldest first.
    replay: VecDeque<Outgoing>,
    /// Written on this link and not acknowledged, oldest first.
    sent: VecDeque<Outgoing>,
    /// Payload bytes that are no longer kept, less those that encoding has added.
    released: i64,
    /// What both ends can do, as the last handshake said that told of it.
    pub features: u64,
    /// For which features what is in `sent` is encoded, if any of it had to be.
    sent_for: u64,
    /// The same of `replay`; none if they are several.
    replay_for: Option<u64>,
    /// What was dropped since it did not encode.
    unencoded: Vec<Unencoded>,
}

/// Places that an empty list of sent messages keeps.
const KEPT: usize = 64;

/// Sending.
impl Session {
    /// Queues a message.
    #[inline]
    pub fn push(&mut self, message: Outgoing) {
        self.queue.push(message);
    }

    /// True if a message waits to be written.
    #[inline]
    pub fn has_queued(&self) -> bool {
        !self.queue.is_empty() || !self.replay.is_empty()
    }

    /// True if the peer still has to acknowledge something.
    pub fn awaits_ack(&self) -> bool {
        !self.sent.is_empty()
    }

    /// The next message to write, with its number: what is replayed first. What
    /// would carry more than `max` bytes once it is encoded is dropped.
    #[inline]
    pub fn next(&mut self, max: u64) -> Option<Outgoing> {
        loop {
            let again = self.replay.pop_front();
            let is_fresh = again.is_none();
            let mut next = match again {
                Some(again) => again,
                None => self.queue.pop()?,
            };
            if next.message.is_encoded_late() && !self.encode(&mut next, is_fresh, max) {
                continue;
            }
            if is_fresh {
                self.out_seq += 1;
                next.message.seq = self.out_seq;
            }
            return Some(next);
        }
    }

    /// Lets the message's body write it, unless it has done that for these features;
    /// false if it cannot.
    fn encode(&mut self, next: &mut Outgoing, is_fresh: bool, max: u64) -> bool {
        self.sent_for = self.features;
        if !is_fresh && self.replay_for == Some(self.features) {
            return true;
        }
        let before = bytes(next);
        next.crcs = None;
        let encoded = encode(&mut next.message, self.features, max);
        self.released += before - bytes(next);
        if let Err(unencoded) = encoded {
            self.released += bytes(next);
            self.unencoded.push(unencoded);
        }
        encoded.is_ok()
    }

    /// What was dropped since the last call since it did not encode.
    pub fn take_unencoded(&mut self) -> Vec<Unencoded> {
        std::mem::take(&mut self.unencoded)
    }

    /// That message was written: it is kept until the peer has it.
    #[inline]
    pub fn keep(&mut self, message: Outgoing) {
        self.sent.push_back(message);
    }

    /// That message was written, and nobody will ask for it again.
    #[inline]
    pub fn let_go(&mut self, message: Outgoing) {
        self.released += bytes(&message);
        message.message.done();
    }

    /// How far it is: the last message received, and the last one that the peer has.
    pub const fn reached(&self) -> (u64, u64) {
        (self.in_seq, self.acked)
    }

    /// The peer has everything up to `seq`. True if that was news.
    pub fn acknowledge(&mut self, seq: u64) -> Result<bool, Fault> {
        if seq > self.out_seq {
            return Err(Fault::AckAhead(seq));
        }
        if seq < self.acked {
            return Err(Fault::AckBehind(seq));
        }
        let is_news = seq > self.acked;
        self.acked = seq;
        while self
            .sent
            .front()
            .is_some_and(|sent| sent.message.seq <= seq)
        {
            if let Some(sent) = self.sent.pop_front() {
                self.let_go(sent);
            }
        }
        if self.sent.is_empty() && self.sent.capacity() > KEPT {
            self.sent = VecDeque::new();
        }
        Ok(is_news)
    }

    /// Payload bytes that were let go of since the last call, less those by which
    /// messages have grown.
    pub fn take_released(&mut self) -> i64 {
        std::mem::take(&mut self.released)
    }
}

/// Receiving.
impl Session {
    /// The last message received.
    #[inline]
    pub const fn in_seq(&self) -> u64 {
        self.in_seq
    }

    /// False if message `seq` has come before. Gaps are accepted, as Ceph accepts
    /// them: a peer may have lost messages with an earlier session.
    #[inline]
    pub fn is_new(&self, seq: u64) -> bool {
        seq > self.in_seq || mutation::is(Mutation::SkipDedupe)
    }

    /// Notes that message `seq` has come.
    #[inline]
    pub fn receive(&mut self, seq: u64) {
        self.in_seq = self.in_seq.max(seq);
    }
}

/// The ends of links and sessions.
impl Session {
    /// The link is lost: what was written and not acknowledged goes first on
    /// the next one.
    pub fn requeue(&mut self) {
        if self.sent.is_empty() {
            return;
        }
        if self.replay.is_empty() || self.replay_for == Some(self.sent_for) {
            self.replay_for = Some(self.sent_for);
        } else {
            self.replay_for = None;
        }
        let mut replay = std::mem::take(&mut self.sent);
        if mutation::is(Mutation::DropReplay) {
            replay.clear();
        }
        replay.append(&mut self.replay);
        self.replay = replay;
    }

    /// Could a peer with whom this session is shared have received just that
    /// much? If not, the two do not remember the same session.
    pub const fn could_have(&self, seq: u64) -> bool {
        self.acked <= seq && seq <= self.out_seq
    }

    /// The session goes on with a peer that has everything up to `seq`.
    pub fn resume(&mut self, seq: u64) {
        self.acked = seq;
        if mutation::is(Mutation::SkipDedupe) {
            return;
        }
        while self
            .replay
            .front()
            .is_some_and(|next| next.message.seq <= seq)
        {
            if let Some(known) = self.replay.pop_front() {
                self.released += bytes(&known);
            }
        }
    }

    /// Two ends of v1 go on, and the peer has everything up to `seq`. It may be
    /// another session that it means, for they have no names: `strict` ends that.
    /// Otherwise nothing is dropped that the peer may not have, and what is sent
    /// gets numbers that are new to it.
    pub fn agree(&mut self, seq: u64, strict: bool) -> Result<(), Fault> {
        if self.could_have(seq) {
            self.resume(seq);
            return Ok(());
        }
        // Beyond that, numbers would come to an end.
        if strict || seq > u64::MAX / 2 {
            return Err(Fault::ImpossibleSeq(seq));
        }
        self.acked = seq;
        if seq > self.out_seq {
            self.out_seq = seq;
            for again in &mut self.replay {
                self.out_seq += 1;
                again.message.seq = self.out_seq;
            }
        }
        Ok(())
    }

    /// The first message of a session that is about to begin gets the number
    /// behind that one.
    pub fn count_from(&mut self, seq: u64) {
        self.out_seq = seq;
    }

    /// A peer that remembers nothing is given a session: numbers start anew in
    /// both directions, but messages keep those they have.
    pub fn begin(&mut self) {
        self.in_seq = 0;
        self.acked = 0;
        self.connect_seq = 0;
        if self.replay.is_empty() {
            self.out_seq = 0;
        }
    }

    /// The peer has no part of the session, but nothing of it is lost: it was
    /// never told of it. What is queued stays. It may have been restarted since,
    /// and count its attempts anew.
    pub fn restart(&mut self) {
        self.server_cookie = 0;
        self.peer_global_seq = 0;
        self.connect_seq = 0;
        self.in_seq = 0;
        self.acked = 0;
    }

    /// The peer has lost the session, and with it goes everything here.
    pub fn reset(&mut self) {
        let released = self.released + self.unreleased();
        *self = Self {
            released,
            unencoded: self.take_unencoded(),
            ..Self::default()
        };
    }

    /// Payload bytes in all three places.
    fn unreleased(&mut self) -> i64 {
        let listed: i64 = self.replay.iter().chain(&self.sent).map(bytes).sum();
        let queued = std::iter::from_fn(|| self.queue.pop());
        listed + queued.map(|kept| bytes(&kept)).sum::<i64>()
    }
}

/// Payload bytes of a message. No memory has more than such a number.
fn bytes(kept: &Outgoing) -> i64 {
    i64::try_from(kept.message.payload_len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
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
            let Some(next) = session.next(u64::MAX) else {
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
            let Some(next) = session.next(1000) else {
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
        let next = session.next(1000).unwrap();
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
}
