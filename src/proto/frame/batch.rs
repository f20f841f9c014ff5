//! `FrameBatch`: small messages that are frames already.
//!
//! Handing a small message to a worker costs more than all that the worker does to it:
//! its memory goes from one processor's cache to another's. So who sends one makes
//! its frame and lets the message go, and the worker gets bytes, many frames at a
//! time. All it adds are the numbers that only the link knows.

use bytes::BufMut;

use crate::proto::codec::count;
use crate::proto::out_queue::Outgoing;
use crate::types::{BUFFER_LEN, Message, Payload, spare_buffer, spent_buffer};

use super::crc;
use super::header::{HEADER_LEN, MessageHeader, set_numbers};
use super::plain;
use super::preamble::{EPILOGUE_REV1_LEN, PREAMBLE_LEN, Preamble, Revision};

/// Messages of one priority as frames of msgr2.1 in the open, without numbers.
#[derive(Debug)]
pub struct FrameBatch {
    bytes: Vec<u8>,
    priority: u8,
    /// False: crcs are sent as 0.
    crcs: bool,
    messages: u64,
    payload: u64,
    /// The last frame's preamble: the next one's is often the same.
    preamble: (Preamble, [u8; PREAMBLE_LEN]),
}

/// The most payload of a message in a batch: beyond it two copies cost more than the
/// handing over of one message.
const PAYLOAD_MAX: usize = 1024;

/// Bytes of room at first: mostly there are few messages, and many connections.
const FIRST_ROOM: usize = 1024;

/// What a frame is longer than its payload.
const OVERHEAD: usize = PREAMBLE_LEN + HEADER_LEN + 4 + EPILOGUE_REV1_LEN;

impl FrameBatch {
    /// One with that message, which it [takes](Self::takes), and the crcs of its
    /// segments, unless crcs are sent as 0.
    pub fn of(message: &Message, crcs: Option<[u32; 3]>) -> Box<Self> {
        let preamble = Preamble::message([count(HEADER_LEN), 0, 0, 0]);
        let mut batch = Box::new(Self {
            bytes: Vec::with_capacity(FIRST_ROOM),
            priority: Outgoing::class(message.priority),
            crcs: crcs.is_some(),
            messages: 0,
            payload: 0,
            preamble: (preamble, preamble.encode()),
        });
        batch.push(message, crcs);
        batch
    }

    /// Can that message be in a batch? All its bytes must be its own, for nobody
    /// expects to be told before `send` returns that his are free.
    #[inline]
    pub fn takes(message: &Message) -> bool {
        let payloads = [&message.front, &message.middle, &message.data];
        message.body.is_none()
            && payloads.iter().all(|payload| payload.as_short().is_some())
            && message.payload_len() <= PAYLOAD_MAX
    }

    /// Adds another one like the first, with its crcs; false if it has no room for it,
    /// or is for others.
    #[inline]
    pub fn push(&mut self, message: &Message, crcs: Option<[u32; 3]>) -> bool {
        if Outgoing::class(message.priority) != self.priority || crcs.is_some() != self.crcs {
            return false;
        }
        let payloads = [&message.front, &message.middle, &message.data];
        let [front, middle, data] = payloads.map(|payload| count(payload.len()));
        let payload_len = message.payload_len();
        if !self.make_room(OVERHEAD + payload_len) {
            return false;
        }
        let lens = [count(HEADER_LEN), front, middle, data];
        if self.preamble.0.lens != lens {
            let preamble = Preamble::message(lens);
            self.preamble = (preamble, preamble.encode());
        }
        let mut head = [0; PREAMBLE_LEN + HEADER_LEN + 4];
        head[..PREAMBLE_LEN].copy_from_slice(&self.preamble.1);
        let header = MessageHeader::of(message, self.priority, 0, 0).encode();
        head[PREAMBLE_LEN..][..HEADER_LEN].copy_from_slice(&header);
        self.bytes.put_slice(&head);
        for short in payloads.into_iter().filter_map(Payload::as_short) {
            if !short.is_empty() {
                self.bytes.put_slice(short);
            }
        }
        let segments = self.preamble.0.count;
        let [front, middle, data] = crcs.unwrap_or_default();
        let mut crcs = [0, front, middle, data];
        // Of those that it does not have there is no crc.
        crcs[usize::from(segments)..].fill(0);
        plain::epilogue(Revision::Rev1, segments, crcs, &mut self.bytes);
        self.messages += 1;
        self.payload += payload_len as u64;
        true
    }

    /// Takes the messages of `later` in behind its own, if there is room: each by itself
    /// would take much more of it.
    pub fn absorb(&mut self, later: Box<Self>) -> Result<(), Box<Self>> {
        let is_alike = later.priority == self.priority && later.crcs == self.crcs;
        if !is_alike || !self.make_room(later.bytes.len()) {
            return Err(later);
        }
        self.bytes.put_slice(&later.bytes);
        self.messages += later.messages;
        self.payload += later.payload;
        Ok(())
    }

    /// Makes room for so many bytes; false if that would be too many in all.
    #[inline]
    fn make_room(&mut self, more: usize) -> bool {
        self.bytes.capacity() - self.bytes.len() >= more || self.grow(more)
    }

    #[cold]
    fn grow(&mut self, more: usize) -> bool {
        if BUFFER_LEN.saturating_sub(self.bytes.len()) < more {
            return false;
        }
        let mut larger = spare_buffer();
        larger.put_slice(&self.bytes);
        spent_buffer(std::mem::replace(&mut self.bytes, larger));
        true
    }

    /// The order class of its messages.
    pub const fn priority(&self) -> u8 {
        self.priority
    }

    /// How many messages it has.
    pub const fn messages(&self) -> u64 {
        self.messages
    }

    /// Bytes of their segments.
    pub const fn payload_len(&self) -> u64 {
        self.payload
    }

    /// Appends the frames to `staged`, the first with the number behind `seq`.
    pub fn stage(&self, seq: u64, ack_seq: u64, staged: &mut Vec<u8>) {
        let from = staged.len();
        staged.put_slice(&self.bytes);
        let mut frames = &mut staged[from..];
        for number in 1..=self.messages {
            let payload = payload_len(frames);
            let (frame, rest) = frames.split_at_mut(frame_len(payload));
            let (header, behind) = frame[PREAMBLE_LEN..].split_at_mut(HEADER_LEN);
            set_numbers(header, seq + number, ack_seq);
            if self.crcs {
                behind[..4].copy_from_slice(&crc::segment(header).to_le_bytes());
            }
            frames = rest;
        }
    }

    /// The messages again, for a link whose frames are others.
    pub fn unpack(&self) -> Vec<Outgoing> {
        let mut frames = &self.bytes[..];
        let mut messages = Vec::new();
        while let Some((preamble, body)) = frames.split_first_chunk() {
            let len = frame_len(payload_len(frames));
            let lens = Preamble::decode(preamble).map_or([0; 4], |preamble| preamble.lens);
            if let Ok(header) = MessageHeader::decode(&body[..HEADER_LEN]) {
                let mut message = header.into_message();
                let mut at = HEADER_LEN + 4;
                let segments = [&mut message.front, &mut message.middle, &mut message.data];
                for (segment, len) in segments.into_iter().zip(&lens[1..]) {
                    segment.append_copy(&body[at..at + *len as usize]);
                    at += *len as usize;
                }
                messages.push(message.into());
            }
            frames = &frames[len..];
        }
        messages
    }
}

/// Bytes of the segments behind the header of a frame that begins here.
#[inline]
fn payload_len(frame: &[u8]) -> usize {
    let len = |at: usize| {
        let bytes = frame[at..].first_chunk().copied().unwrap_or_default();
        u32::from_le_bytes(bytes) as usize
    };
    len(8) + len(14) + len(20)
}

/// Bytes of a whole frame with so many of payload.
#[inline]
const fn frame_len(payload: usize) -> usize {
    match payload {
        0 => OVERHEAD - EPILOGUE_REV1_LEN,
        some => OVERHEAD + some,
    }
}

impl Drop for FrameBatch {
    fn drop(&mut self) {
        spent_buffer(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::captured::staged;
    use crate::proto::frame::{FrameWriter, segment_crcs};
    use crate::types::Random;

    /// A message of random fields and segments, of that many bytes at most.
    fn message(random: &mut Random, most: u64) -> Message {
        let mut message = Message::new(random.below(1 << 16) as u16);
        message.priority = 100;
        message.tid = random.next();
        message.version = random.below(1 << 16) as u16;
        message.compat_version = random.below(1 << 16) as u16;
        message.data_off = random.below(1 << 16) as u16;
        message.reserved = random.below(1 << 16) as u16;
        for segment in [&mut message.front, &mut message.middle, &mut message.data] {
            if random.below(3) > 0 {
                let len = random.below(most / 3 + 1);
                let bytes: Vec<u8> = (0..len).map(|_| random.below(256) as u8).collect();
                segment.append_copy(&bytes);
            }
        }
        message
    }

    fn batch(messages: &[Message], crcs: bool) -> Box<FrameBatch> {
        let crcs = |message| crcs.then(|| segment_crcs(message));
        let mut batch = FrameBatch::of(&messages[0], crcs(&messages[0]));
        for message in &messages[1..] {
            assert!(FrameBatch::takes(message) && batch.push(message, crcs(message)));
        }
        batch
    }

    #[test]
    fn a_batch_is_what_a_writer_makes_of_its_messages_one_by_one() {
        let mut random = Random::new(1);
        for crcs in [true, false] {
            for count in [1, 2, 30, 50] {
                let messages: Vec<_> = (0..count).map(|_| message(&mut random, 1024)).collect();
                let batch = batch(&messages, crcs);
                let (mut one_by_one, mut at_once) =
                    (FrameWriter::new(crcs), FrameWriter::new(crcs));
                let bytes: usize = messages.iter().map(Message::payload_len).sum();
                assert_eq!(batch.messages(), count);
                assert_eq!(batch.payload_len(), bytes as u64);
                for (message, seq) in messages.into_iter().zip(8..) {
                    one_by_one.message(&message.into(), seq, 1 << 40);
                }
                assert!(at_once.takes_batches());
                at_once.batch(&batch, 7, 1 << 40);
                assert!(staged(&at_once) == staged(&one_by_one), "{count} {crcs}");
            }
        }
    }

    #[test]
    fn batches_that_wait_one_by_one_become_one() {
        let mut random = Random::new(3);
        let messages: Vec<_> = (0..60).map(|_| message(&mut random, 300)).collect();
        let mut whole = batch(&messages[..1], true);
        for some in messages[1..].chunks(7) {
            whole.absorb(batch(some, true)).unwrap();
        }
        let (mut one_by_one, mut at_once) = (Vec::new(), Vec::new());
        whole.stage(3, 4, &mut one_by_one);
        batch(&messages, true).stage(3, 4, &mut at_once);
        assert!(one_by_one == at_once);
        assert_eq!(whole.messages(), 60);
        assert!(whole.absorb(batch(&messages, false)).is_err(), "other crcs");
    }

    #[test]
    fn what_is_unpacked_is_what_was_put_in() {
        let mut random = Random::new(2);
        let messages: Vec<_> = (0..40).map(|_| message(&mut random, 1024)).collect();
        let unpacked = batch(&messages, true).unpack();
        let unpacked: Vec<Message> = unpacked.into_iter().map(|it| *it.message).collect();
        assert_eq!(unpacked, messages);
    }

    #[test]
    fn a_full_batch_takes_no_more_and_none_takes_what_is_not_its_own() {
        let mut message = Message::new(1);
        message.front.append_copy(&[7; PAYLOAD_MAX]);
        let mut batch = FrameBatch::of(&message, None);
        while batch.push(&message, None) {}
        let room = spare_buffer().capacity();
        assert_eq!(batch.bytes.capacity(), room);
        assert!(room - batch.bytes.len() < OVERHEAD + PAYLOAD_MAX);
        assert!(batch.absorb(FrameBatch::of(&message, None)).is_err());

        let mut batch = FrameBatch::of(&message, None);
        message.priority = 1;
        assert!(!batch.push(&message, None), "another priority");
        message.front.append_copy(b"1");
        assert!(!FrameBatch::takes(&message), "too long");
        message.front = bytes::Bytes::from_static(b"somebody else's").into();
        assert!(!FrameBatch::takes(&message));
    }
}
