//! What two ends remember of each other while links come and go.
//!
//! A message that is sent passes through three places: `queue` until it is
//! written, `sent` until it is acknowledged, and, if its link is lost in
//! between, `replay`, from where it is written again under the number it has.

mod status;

use std::collections::VecDeque;

use super::encoding::{Unencoded, encode};
use super::fault::Fault;
use super::frame::FrameBatch;
use super::mutation::{self, Mutation};
use super::out_queue::{OutQueue, Outgoing, Queued};
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
    pub fn push(&mut self, queued: impl Into<Queued>) {
        self.queue.push(queued.into());
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
    pub fn next(&mut self, max: u64) -> Option<Queued> {
        loop {
            let again = self.replay.pop_front();
            let is_fresh = again.is_none();
            let mut next = match again.map_or_else(|| self.queue.pop(), |next| Some(next.into()))? {
                Queued::One(next) => next,
                batch @ Queued::Batch(_) => return Some(batch),
            };
            if next.message.is_encoded_late() && !self.encode(&mut next, is_fresh, max) {
                continue;
            }
            if is_fresh {
                self.out_seq += 1;
                next.message.seq = self.out_seq;
            }
            return Some(next.into());
        }
    }

    /// That batch is about to be written: its messages get the numbers behind this one.
    #[inline]
    pub fn number(&mut self, batch: &FrameBatch) -> u64 {
        let before = self.out_seq;
        self.out_seq += batch.messages();
        self.released += batch_bytes(batch);
        before
    }

    /// That batch cannot be written as it is: its messages are next.
    pub fn unpack(&mut self, batch: &FrameBatch) {
        self.queue.put_back(batch.unpack());
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
        let queued = queued.map(|kept| match kept {
            Queued::One(kept) => bytes(&kept),
            Queued::Batch(batch) => batch_bytes(&batch),
        });
        listed + queued.sum::<i64>()
    }
}

/// Payload bytes of a message. No memory has more than such a number.
fn bytes(kept: &Outgoing) -> i64 {
    i64::try_from(kept.message.payload_len()).unwrap_or(i64::MAX)
}

fn batch_bytes(batch: &FrameBatch) -> i64 {
    i64::try_from(batch.payload_len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
