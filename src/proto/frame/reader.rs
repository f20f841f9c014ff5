//! Bytes to frames.
//!
//! A frame that lies completely in what was read is checked where it lies. The
//! rest of a large one is collected in a buffer of its own, into which the
//! socket is read directly and whose parts then become the payload.

use bytes::Bytes;

use crate::proto::codec::{DecodeError, Reader};
use crate::proto::fault::Fault;
use crate::proto::output::Admission;
use crate::types::{Hold, Payload};

use super::crc;
use super::header::HEADER_LEN;
use super::preamble::{
    EPILOGUE_REV1_LEN, MAX_CONTROL_LEN, MAX_SEGMENTS, PREAMBLE_LEN, Preamble, Revision, Tag,
};

/// An incomplete frame body above this is collected in a buffer of its own. No
/// control frame is: all that is signed passes through the caller's input.
const BULK_MIN: usize = (MAX_CONTROL_LEN as usize) + 64;
/// What such a buffer may hold before the bytes are there.
const BULK_START: usize = 64 << 10;
/// As much of the size of earlier frames as is believed of the next.
const BULK_TRUST: usize = 4 << 20;

const STATUS_MASK: u8 = 0x0f;
const STATUS_COMPLETE: u8 = 0x0e;
const STATUS_ABORTED: u8 = 0x01;
const FLAG_ABORTED: u8 = 0x01;

/// Cuts one direction of a connection into frames.
pub struct FrameReader {
    revision: Revision,
    /// False: segment crcs are not looked at.
    crcs: bool,
    /// Messages are legal, of at most so many payload bytes.
    max_message: Option<u64>,
    /// A checked preamble whose body is not complete.
    pending: Option<Preamble>,
    /// `pending` may not be read on yet.
    waiting: bool,
    /// Budget held for the frame being read.
    admitted: u64,
    /// What its message shall hold.
    hold: Hold,
    /// Budget that no message has used.
    unused: u64,
    /// What is there of a large body.
    bulk: Option<Vec<u8>>,
    /// Body length of the largest frame so far, at most [`BULK_TRUST`].
    largest: usize,
    /// The last message's preamble: the next one's is often the same.
    seen: Option<([u8; PREAMBLE_LEN], Preamble)>,
}

/// Where the next bytes of a large frame belong.
pub struct Bulk<'a> {
    /// To be read into behind what it holds; it has spare capacity.
    pub buffer: &'a mut Vec<u8>,
    /// Bytes of the frame that are not there yet: more must not be read.
    pub missing: usize,
}

/// A complete and checked frame.
pub struct Frame<'a> {
    /// What it is.
    pub tag: Tag,
    /// Lengths of its segments.
    lens: [usize; MAX_SEGMENTS],
    /// Where the second segment starts.
    second: usize,
    body: Body<'a>,
}

enum Body<'a> {
    Borrowed(&'a [u8]),
    Owned(Bytes),
}

impl FrameReader {
    /// At the start of a connection. Without `crcs` segment crcs are ignored.
    pub fn new(crcs: bool) -> Self {
        Self {
            revision: Revision::default(),
            crcs,
            max_message: None,
            pending: None,
            waiting: false,
            admitted: 0,
            hold: Hold::NONE,
            unused: 0,
            bulk: None,
            largest: 0,
            seen: None,
        }
    }

    /// The form of all frames from now on.
    pub fn set_revision(&mut self, revision: Revision) {
        self.revision = revision;
    }

    /// Messages are legal from now on, up to that many payload bytes.
    pub fn allow_messages(&mut self, max_payload: u64) {
        self.max_message = Some(max_payload);
    }

    /// Takes the next frame off the front of `input`. Without a whole one it
    /// takes what it need not see again and returns `None`; so it does while a
    /// refused payload waits. Aborted frames are checked and passed over.
    #[inline]
    pub fn next<'a>(
        &mut self,
        input: &mut &'a [u8],
        admit: &mut dyn FnMut(u64) -> Admission,
    ) -> Result<Option<Frame<'a>>, Fault> {
        loop {
            let preamble = match self.pending {
                None => {
                    let Some((head, rest)) = input.split_first_chunk() else {
                        return Ok(None);
                    };
                    let preamble = self.preamble(head)?;
                    *input = rest;
                    if !self.admit(preamble, admit) {
                        return Ok(None);
                    }
                    preamble
                }
                Some(_) if self.waiting => return Ok(None),
                Some(preamble) => preamble,
            };
            let Some(body) = self.body(preamble, input)? else {
                return Ok(None);
            };
            self.pending = None;
            match self.open(preamble, body)? {
                Some(frame) => return Ok(Some(frame)),
                None => self.refund(),
            }
        }
    }

    /// The buffer of a half-read large frame.
    pub fn bulk(&mut self) -> Option<Bulk<'_>> {
        let body_len = body_len(&self.pending?, self.revision).ok()?;
        let capacity = self.bulk_capacity(body_len);
        let buffer = self.bulk.as_mut()?;
        if buffer.len() == buffer.capacity() {
            buffer.reserve_exact(capacity.saturating_sub(buffer.len()));
        }
        let missing = body_len.saturating_sub(buffer.len());
        Some(Bulk { buffer, missing })
    }

    /// The payload refused before is admitted now.
    pub fn handle_admitted(&mut self, hold: Hold) {
        if let (true, Some(preamble)) = (self.waiting, &self.pending) {
            self.admitted = preamble.payload_len();
            self.hold = hold;
            self.waiting = false;
        }
    }

    /// True from a refusal to [`Self::handle_admitted`].
    pub const fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// True while the rest of a frame is missing, and may come.
    pub const fn is_within_frame(&self) -> bool {
        self.pending.is_some() && !self.waiting
    }

    /// The frame's budget went to a message, which holds what this returns.
    #[inline]
    pub fn spend(&mut self) -> Hold {
        self.admitted = 0;
        std::mem::take(&mut self.hold)
    }

    /// No message came of the frame.
    pub fn refund(&mut self) {
        self.unused += std::mem::take(&mut self.admitted);
        self.hold = Hold::NONE;
    }

    /// Budget without a message; each byte is reported once.
    pub fn take_unused(&mut self) -> u64 {
        std::mem::take(&mut self.unused)
    }

    /// Back to the start of a connection. Unused budget stays to be reported.
    pub fn reset(&mut self) {
        self.refund();
        let unused = self.unused;
        *self = Self {
            unused,
            ..Self::new(self.crcs)
        };
    }

    /// Goes on as that reader of another link, and keeps only the unused budget.
    pub fn become_other(&mut self, other: Self) {
        self.refund();
        let unused = self.unused + other.unused;
        *self = Self { unused, ..other };
    }

    #[inline]
    fn preamble(&mut self, head: &[u8; PREAMBLE_LEN]) -> Result<Preamble, Fault> {
        match &self.seen {
            Some((seen, preamble)) if seen == head => return Ok(*preamble),
            _ => {}
        }
        let preamble = Preamble::decode(head)?;
        match (preamble.tag, self.max_message) {
            (Tag::Message, Some(max)) => {
                if usize::try_from(preamble.lens[0]) != Ok(HEADER_LEN) {
                    return Err(Fault::MessageHeader(preamble.lens[0]));
                }
                if preamble.payload_len() > max {
                    return Err(Fault::MessageTooLarge(preamble.payload_len()));
                }
                self.seen = Some((*head, preamble));
            }
            (Tag::Message, None) => return Err(Fault::Unexpected(Tag::Message)),
            (tag, _) => {
                if preamble.count != 1 {
                    return Err(Fault::SegmentCount(preamble.count));
                }
                if preamble.lens[0] > MAX_CONTROL_LEN {
                    return Err(Fault::ControlTooLarge(tag, preamble.lens[0]));
                }
            }
        }
        Ok(preamble)
    }

    #[inline]
    fn admit(&mut self, preamble: Preamble, admit: &mut dyn FnMut(u64) -> Admission) -> bool {
        if preamble.tag == Tag::Message {
            let payload = preamble.payload_len();
            let Admission::Granted(hold) = admit(payload) else {
                self.waiting = true;
                self.pending = Some(preamble);
                return false;
            };
            self.admitted = payload;
            self.hold = hold;
        }
        true
    }

    /// The frame's whole body, or `None` and `input` empty or kept.
    #[inline]
    fn body<'a>(
        &mut self,
        preamble: Preamble,
        input: &mut &'a [u8],
    ) -> Result<Option<Body<'a>>, Fault> {
        let len = body_len(&preamble, self.revision)?;
        if self.bulk.is_none() {
            if let Some((body, rest)) = input.split_at_checked(len) {
                *input = rest;
                return Ok(Some(Body::Borrowed(body)));
            }
            self.pending = Some(preamble);
            if len <= BULK_MIN {
                return Ok(None);
            }
        }
        Ok(self.collect(len, input).map(Body::Owned))
    }

    /// Moves `input` to the bulk buffer, as far as it belongs there.
    fn collect(&mut self, len: usize, input: &mut &[u8]) -> Option<Bytes> {
        let mut buffer = self.bulk.take().unwrap_or_default();
        let missing = len.saturating_sub(buffer.len());
        let (ours, rest) = input.split_at(missing.min(input.len()));
        *input = rest;
        if buffer.capacity() - buffer.len() < ours.len() || buffer.capacity() == 0 {
            let received = buffer.len() + ours.len();
            let capacity = self.capacity_after(received, len);
            buffer.reserve_exact(capacity - buffer.len());
        }
        buffer.extend_from_slice(ours);
        if buffer.len() < len {
            self.bulk = Some(buffer);
            return None;
        }
        Some(buffer.into())
    }

    fn bulk_capacity(&self, len: usize) -> usize {
        let received = self.bulk.as_ref().map_or(0, Vec::len);
        self.capacity_after(received, len)
    }

    /// Memory follows the bytes that came, not those that were announced.
    fn capacity_after(&self, received: usize, len: usize) -> usize {
        let believed = BULK_START.max(self.largest).max(received.saturating_mul(2));
        len.min(believed)
    }

    /// Checks a body. `None`: its sender gave it up.
    #[inline]
    fn open<'a>(&mut self, preamble: Preamble, body: Body<'a>) -> Result<Option<Frame<'a>>, Fault> {
        let lens = preamble.lens.map(|len| len as usize);
        let bytes = body.bytes();
        if bytes.len() > self.largest {
            self.largest = bytes.len().min(BULK_TRUST);
        }
        let (second, aborted) = match self.revision {
            Revision::Rev1 => self.check_rev1(preamble.count, lens, bytes),
            Revision::Rev0 => self.check_rev0(preamble.count, lens, bytes),
        }?;
        let frame = Frame {
            tag: preamble.tag,
            lens,
            second,
            body,
        };
        Ok((!aborted).then_some(frame))
    }

    /// Where the second segment starts, and whether the frame is aborted.
    #[inline]
    fn check_rev1(
        &self,
        count: u8,
        lens: [usize; MAX_SEGMENTS],
        body: &[u8],
    ) -> Result<(usize, bool), Fault> {
        let mut from = Reader::new(body);
        let first = from.take(lens[0]).map_err(Fault::Frame)?;
        if !first.is_empty() {
            let crc = from.field().map_err(Fault::Frame)?;
            self.check(first, crc)?;
        }
        let second = body.len() - from.rest().len();
        if count == 1 {
            return Ok((second, false));
        }
        let segments = from.rest().len().checked_sub(EPILOGUE_REV1_LEN);
        let segments = segments.ok_or(Fault::Frame(DecodeError("it has no epilogue")))?;
        let mut epilogue = Reader::new(from.rest().get(segments..).unwrap_or_default());
        let status: u8 = epilogue.field().map_err(Fault::Frame)?;
        let aborted = match status & STATUS_MASK {
            STATUS_COMPLETE => false,
            STATUS_ABORTED => true,
            _ => return Err(Fault::LateStatus(status)),
        };
        for len in lens.iter().take(usize::from(count)).skip(1) {
            let segment = from.take(*len).map_err(Fault::Frame)?;
            let crc = epilogue.field().map_err(Fault::Frame)?;
            self.check(segment, crc)?;
        }
        Ok((second, aborted))
    }

    fn check_rev0(
        &self,
        count: u8,
        lens: [usize; MAX_SEGMENTS],
        body: &[u8],
    ) -> Result<(usize, bool), Fault> {
        let mut from = Reader::new(body);
        let mut epilogue = Reader::new(body);
        epilogue.take(lens.iter().sum()).map_err(Fault::Frame)?;
        let flags: u8 = epilogue.field().map_err(Fault::Frame)?;
        for len in lens.iter().take(usize::from(count)) {
            let segment = from.take(*len).map_err(Fault::Frame)?;
            let crc = epilogue.field().map_err(Fault::Frame)?;
            self.check(segment, crc)?;
        }
        Ok((lens[0], flags & FLAG_ABORTED != 0))
    }

    #[inline]
    fn check(&self, segment: &[u8], crc: u32) -> Result<(), Fault> {
        if self.crcs && crc::segment(segment) != crc {
            return Err(Fault::SegmentCrc);
        }
        Ok(())
    }
}

impl Frame<'_> {
    /// Its first segment: a control payload or a message header.
    #[inline]
    pub fn first(&self) -> &[u8] {
        self.body.bytes().get(..self.lens[0]).unwrap_or_default()
    }

    /// Front, middle and data.
    #[inline]
    pub fn payloads(&self) -> [Payload; 3] {
        let [_, front, middle, data] = self.lens;
        let after_front = self.second + front;
        let after_middle = after_front + middle;
        [
            self.body.payload(self.second, front),
            self.body.payload(after_front, middle),
            self.body.payload(after_middle, data),
        ]
    }
}

impl Body<'_> {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }

    #[inline]
    fn payload(&self, start: usize, len: usize) -> Payload {
        if len == 0 {
            return Payload::new();
        }
        match self {
            Self::Borrowed(bytes) => {
                let segment = bytes.get(start..start + len).unwrap_or_default();
                Bytes::copy_from_slice(segment).into()
            }
            Self::Owned(bytes) => bytes.slice(start..start + len).into(),
        }
    }
}

/// Bytes that follow a preamble. Only a 32-bit host can fail to address them.
#[inline]
fn body_len(preamble: &Preamble, revision: Revision) -> Result<usize, Fault> {
    let len = preamble.body_len(revision);
    usize::try_from(len).map_err(|_| Fault::MessageTooLarge(len))
}
