//! Bytes to frames.
//!
//! A frame that lies completely in what was read is checked where it lies. The
//! rest of a large one is collected in a buffer of its own, into which the
//! socket is read directly and whose parts then become the payload.

mod lending;

use crate::proto::compression::{Algorithm, Compression};
use crate::proto::fault::Fault;
use crate::proto::output::{Admission, Request};
use crate::types::{Hold, share_large};

use super::body::{Body, Frame, Layout};
use super::bulk::{Bulk, BulkBuffer};
use super::header::HEADER_LEN;
use super::legacy::{self, Head, LegacyForm};
use super::lent::{Lending, Progress};
use super::packed::Packed;
use super::plain;
use super::preamble::{MAX_CONTROL_LEN, PREAMBLE_LEN, Preamble, Revision, Tag};
use super::secure::Opener;

/// Cuts one direction of a connection into frames.
pub struct FrameReader {
    form: Form,
    /// False: segment crcs are not looked at.
    crcs: bool,
    /// How frames may be compressed.
    compression: Option<Algorithm>,
    /// Messages are legal, of at most so many payload bytes.
    max_message: Option<u64>,
    /// A compressed frame that is there, but has no room to be unpacked in.
    packed: Option<Box<Packed<'static>>>,
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
    bulk: BulkBuffer,
    lending: Lending,
    /// The last message's preamble: the next one's is often the same.
    seen: Option<([u8; PREAMBLE_LEN], Preamble)>,
}

/// How frames lie on the wire. A form says what begins a frame, how much follows,
/// and whether that is sound; collecting the bytes is the same for all.
enum Form {
    /// In the open, guarded by crcs.
    Crc(Revision),
    /// Sealed.
    Secure(Box<Opener>),
    /// As records of v1.
    Legacy(Box<LegacyForm>),
}

impl Form {
    /// What stands before a body that is opened in a buffer of its own.
    #[inline]
    fn lead(&self) -> &[u8] {
        match self {
            Self::Crc(_) | Self::Legacy(_) => &[],
            Self::Secure(opener) => opener.lead(),
        }
    }
}

impl FrameReader {
    /// At the start of a connection. Without `crcs` segment crcs are ignored.
    pub fn new(crcs: bool) -> Self {
        Self {
            form: Form::Crc(Revision::default()),
            crcs,
            compression: None,
            max_message: None,
            packed: None,
            pending: None,
            waiting: false,
            admitted: 0,
            hold: Hold::NONE,
            unused: 0,
            bulk: BulkBuffer::default(),
            lending: Lending::default(),
            seen: None,
        }
    }

    /// All frames from now on are of that revision, in the open.
    pub fn set_revision(&mut self, revision: Revision) {
        self.form = Form::Crc(revision);
    }

    /// The revision of the frames.
    pub fn revision(&self) -> Revision {
        match &self.form {
            Form::Crc(revision) => *revision,
            Form::Secure(opener) => opener.revision(),
            Form::Legacy(_) => Revision::default(),
        }
    }

    /// All frames from now on are sealed.
    pub fn set_secure(&mut self, opener: Opener) {
        self.form = Form::Secure(Box::new(opener));
    }

    /// Leaves nonces for so many records.
    #[cfg(test)]
    pub fn skip_to_last(&mut self, left: u64) {
        if let Form::Secure(opener) = &mut self.form {
            opener.skip_to_last(left);
        }
    }

    /// Frames may be compressed like that from now on.
    pub fn set_compression(&mut self, agreed: Option<Compression>) {
        self.compression = agreed.map(|agreed| agreed.algorithm);
    }

    /// All records from now on are of v1.
    pub fn set_legacy(&mut self, form: LegacyForm) {
        self.form = Form::Legacy(Box::new(form));
    }

    /// Messages are legal from now on, up to that many payload bytes.
    pub fn allow_messages(&mut self, max_payload: u64) {
        self.max_message = Some(max_payload);
    }

    /// Takes the next frame off the front of `input`. Without a whole one it
    /// takes what it need not see again and returns `None`; so it does while a
    /// refused payload waits. Aborted frames are checked and passed over.
    #[inline(always)]
    pub fn next<'a>(
        &mut self,
        input: &mut &'a [u8],
        admit: &mut dyn FnMut(Request) -> Admission,
    ) -> Result<Option<Frame<'a>>, Fault> {
        if self.packed.is_some() {
            return self.unpack_admitted();
        }
        match self.form {
            Form::Crc(revision) => self.next_of(Some(revision), input, admit),
            Form::Secure(_) | Form::Legacy(_) => self.next_other(input, admit),
        }
    }

    /// Apart, so that the way of plain frames stays short.
    #[inline(never)]
    fn next_other<'a>(
        &mut self,
        input: &mut &'a [u8],
        admit: &mut dyn FnMut(Request) -> Admission,
    ) -> Result<Option<Frame<'a>>, Fault> {
        self.next_of(None, input, admit)
    }

    /// Frames in the open are of that revision: it is an argument so that the code
    /// for them has nothing else in it.
    #[inline(always)]
    fn next_of<'a>(
        &mut self,
        plain: Option<Revision>,
        input: &mut &'a [u8],
        admit: &mut dyn FnMut(Request) -> Admission,
    ) -> Result<Option<Frame<'a>>, Fault> {
        loop {
            let preamble = match self.pending {
                None => {
                    let preamble = if plain.is_some() {
                        let Some((head, rest)) = input.split_first_chunk() else {
                            return Ok(None);
                        };
                        let preamble = self.preamble(head)?;
                        *input = rest;
                        preamble
                    } else {
                        let Some(preamble) = self.other_head(input)? else {
                            return Ok(None);
                        };
                        preamble
                    };
                    if !self.admit(preamble, admit) {
                        return Ok(None);
                    }
                    preamble
                }
                Some(_) if self.waiting => return Ok(None),
                Some(preamble) => preamble,
            };
            let len = self.body_len(plain, &preamble)?;
            let opened = match self.take(len, input) {
                Some(body) => {
                    self.pending = None;
                    match plain {
                        Some(revision) => match self.open(revision, &preamble, body)? {
                            // At once, since a frame is dear to move.
                            Some(frame) if !preamble.is_compressed => return Ok(Some(frame)),
                            opened => Ok(opened),
                        },
                        None => {
                            let whole = [self.form.lead(), body].concat();
                            self.open_bulk(&preamble, whole)
                        }
                    }
                }
                None => {
                    self.pending = Some(preamble);
                    match self.collect_lent(plain, &preamble, len, input)? {
                        Progress::Ordinary => {
                            let lead = self.form.lead();
                            let Some(body) = self.bulk.collect(lead, len, input) else {
                                return Ok(None);
                            };
                            self.pending = None;
                            self.open_bulk(&preamble, body)
                        }
                        Progress::More => return Ok(None),
                        Progress::Whole(parts) => {
                            self.pending = None;
                            self.open_parts(plain, &preamble, parts)
                        }
                    }
                }
            };
            match opened {
                Ok(None) => self.refund(),
                Ok(Some(frame)) if preamble.is_compressed => return self.unpack(frame, admit),
                done => return done,
            }
        }
    }

    /// The buffer of a half-read large frame.
    pub fn bulk(&mut self) -> Option<Bulk<'_>> {
        let body_len = self.form.lead().len() + self.body_len(None, &self.pending?).ok()?;
        self.bulk.room(body_len)
    }

    /// The payload refused before is admitted now.
    pub fn handle_admitted(&mut self, hold: Hold) {
        let payload = match (&self.packed, &self.pending) {
            _ if !self.waiting => return,
            (Some(packed), _) => packed.payload_len(),
            (None, Some(preamble)) => preamble.payload_len(),
            (None, None) => return,
        };
        self.admitted = payload;
        self.hold = hold;
        self.waiting = false;
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
        self.lending.forget();
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

    /// Unpacks a frame. To read it was granted what it takes packed; to keep it,
    /// what it takes unpacked is to be granted first, in the place of that: as long
    /// as it waits it takes what it takes packed.
    #[cold]
    fn unpack(
        &mut self,
        frame: Frame<'_>,
        admit: &mut dyn FnMut(Request) -> Admission,
    ) -> Result<Option<Frame<'static>>, Fault> {
        let algorithm = self.compression.ok_or(Fault::Compressed(frame.tag))?;
        let packed = Packed::measure(frame, algorithm, self.max_message.unwrap_or(0))?;
        if packed.tag() == Tag::Message {
            let payload = packed.payload_len();
            if payload > self.admitted {
                let request = Request {
                    bytes: payload,
                    packed: std::mem::take(&mut self.admitted),
                    hold: std::mem::take(&mut self.hold),
                };
                let Admission::Granted(hold) = admit(request) else {
                    self.waiting = true;
                    self.packed = Some(Box::new(packed.into_owned()));
                    return Ok(None);
                };
                self.hold = hold;
            } else {
                self.unused += self.admitted - payload;
            }
            self.admitted = payload;
        }
        packed.unpack().map(Some)
    }

    /// Unpacks the frame that there was no room for, if there is now.
    #[cold]
    fn unpack_admitted(&mut self) -> Result<Option<Frame<'static>>, Fault> {
        if self.waiting {
            return Ok(None);
        }
        self.packed.take().map(|packed| packed.unpack()).transpose()
    }

    /// What begins the next frame, if all of that is there. Taken off `input` is
    /// what the body does not include.
    fn other_head(&mut self, input: &mut &[u8]) -> Result<Option<Preamble>, Fault> {
        let head = match &mut self.form {
            Form::Crc(_) => None,
            Form::Secure(opener) => opener.head(input)?,
            Form::Legacy(_) => return self.legacy_head(input),
        };
        let Some(head) = head else {
            return Ok(None);
        };
        let preamble = Preamble::decode(&head)?;
        self.vet(&preamble, HEADER_LEN)?;
        Ok(Some(preamble))
    }

    fn legacy_head(&self, input: &mut &[u8]) -> Result<Option<Preamble>, Fault> {
        loop {
            let found = legacy::head(input)?;
            if let Head::Short = found {
                return Ok(None);
            }
            // The rest of a message's header is the first segment of its body.
            *input = input.get(1..).unwrap_or_default();
            if let Head::Begins(preamble) = found {
                self.vet(&preamble, legacy::HEADER_LEN)?;
                return Ok(Some(preamble));
            }
        }
    }

    #[inline]
    fn preamble(&mut self, head: &[u8; PREAMBLE_LEN]) -> Result<Preamble, Fault> {
        match &self.seen {
            Some((seen, preamble)) if seen == head => return Ok(*preamble),
            _ => {}
        }
        let preamble = Preamble::decode(head)?;
        self.vet(&preamble, HEADER_LEN)?;
        if preamble.tag == Tag::Message {
            self.seen = Some((*head, preamble));
        }
        Ok(preamble)
    }

    /// Is such a frame legal now, given the length of a message's header?
    #[inline]
    fn vet(&self, preamble: &Preamble, header_len: usize) -> Result<(), Fault> {
        if preamble.is_compressed && self.compression.is_none() {
            return Err(Fault::Compressed(preamble.tag));
        }
        match (preamble.tag, self.max_message) {
            (Tag::Message, Some(max)) => {
                let first = preamble.lens[0];
                let fits = match preamble.is_compressed {
                    true => first <= MAX_CONTROL_LEN,
                    false => usize::try_from(first) == Ok(header_len),
                };
                if !fits {
                    return Err(Fault::MessageHeader(first));
                }
                if preamble.payload_len() > max {
                    return Err(Fault::MessageTooLarge(preamble.payload_len()));
                }
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
        Ok(())
    }

    #[inline]
    fn admit(&mut self, preamble: Preamble, admit: &mut dyn FnMut(Request) -> Admission) -> bool {
        if preamble.tag == Tag::Message {
            let payload = preamble.payload_len();
            let Admission::Granted(hold) = admit(Request::of(payload)) else {
                self.waiting = true;
                self.pending = Some(preamble);
                return false;
            };
            self.admitted = payload;
            self.hold = hold;
        }
        true
    }

    /// Bytes that follow a frame's head. Only a 32-bit host can fail to address
    /// them.
    #[inline]
    fn body_len(&self, plain: Option<Revision>, preamble: &Preamble) -> Result<usize, Fault> {
        let len = match (plain, &self.form) {
            (Some(revision), _) => preamble.body_len(revision),
            (None, Form::Crc(revision)) => preamble.body_len(*revision),
            (None, Form::Secure(opener)) => opener.body_len(preamble),
            (None, Form::Legacy(form)) => form.body_len(preamble),
        };
        usize::try_from(len).map_err(|_| Fault::MessageTooLarge(len))
    }

    /// The frame's whole body off the front of `input`.
    #[inline]
    fn take<'a>(&self, len: usize, input: &mut &'a [u8]) -> Option<&'a [u8]> {
        if self.bulk.is_begun() {
            return None;
        }
        let (body, rest) = input.split_at_checked(len)?;
        *input = rest;
        Some(body)
    }

    /// Checks a body in the open. `None`: its sender gave it up.
    #[inline(always)]
    fn open<'a>(
        &mut self,
        revision: Revision,
        preamble: &Preamble,
        body: &'a [u8],
    ) -> Result<Option<Frame<'a>>, Fault> {
        self.bulk.believe(body.len());
        let (second, aborted) = plain::check(revision, self.crcs, preamble, body)?;
        let frame = Frame::new(preamble, Layout::plain(second), Body::Borrowed(body));
        Ok((!aborted).then_some(frame))
    }

    /// Checks a body that lies in a buffer of its own.
    fn open_bulk(
        &mut self,
        preamble: &Preamble,
        mut body: Vec<u8>,
    ) -> Result<Option<Frame<'static>>, Fault> {
        self.bulk.believe(body.len());
        let (layout, aborted) = match &mut self.form {
            Form::Crc(revision) => {
                let (second, aborted) = plain::check(*revision, self.crcs, preamble, &body)?;
                (Layout::plain(second), aborted)
            }
            Form::Secure(opener) => opener.open(preamble, &mut body)?,
            Form::Legacy(form) => (form.check(self.crcs, preamble, &body)?, false),
        };
        let frame = Frame::new(preamble, layout, Body::Owned(share_large(body)));
        Ok((!aborted).then_some(frame))
    }
}
