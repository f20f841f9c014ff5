//! Frames to bytes: what is staged for the socket.
//!
//! Everything small is encoded behind one another into one buffer. Large
//! payload pieces are not copied: a cut in the buffer remembers where each of
//! them belongs.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{BufMut, Bytes};

use crate::proto::codec::count;
use crate::proto::compression::{Algorithm, Compression};
use crate::proto::out_queue::Outgoing;
use crate::types::{Payload, share_large};

use super::batch::FrameBatch;
use super::control::Control;
use super::crc;
use super::header::{HEADER_LEN, MessageHeader};
use super::legacy::{self, LegacyForm};
use super::packed::{PackedMessage, pack};
use super::plain;
use super::preamble::{PREAMBLE_LEN, Preamble, Revision};
use super::secure::Sealer;

/// Pieces from this size on are borrowed; below, copying is cheaper than a
/// slice of their own.
const BORROW_MIN: usize = 16 << 10;
/// Written bytes in front of the buffer are cut off once they are this many.
const COMPACT_MIN: usize = 64 << 10;

/// Bytes staged for one socket.
pub struct FrameWriter {
    form: Form,
    /// False: segment crcs are sent as 0.
    crcs: bool,
    /// How messages are compressed.
    compression: Option<Compression>,
    staged: Vec<u8>,
    /// Bytes at the front of `staged` that are written.
    written: usize,
    borrowed: VecDeque<Borrowed>,
    /// Bytes of the first borrowed piece that are written.
    piece_written: usize,
    /// Unwritten bytes of all borrowed pieces.
    borrowed_len: usize,
    /// `staged` is the worker's.
    lent: bool,
    /// The last message's preamble: the next one's is often the same.
    preamble: (Preamble, [u8; PREAMBLE_LEN]),
    /// All that was staged, as long as it is to be signed.
    transcript: Option<Vec<u8>>,
}

/// How frames lie on the wire.
enum Form {
    /// In the open, guarded by crcs.
    Crc(Revision),
    /// Sealed.
    Secure(Box<Sealer>),
    /// As records of v1.
    Legacy(Box<LegacyForm>),
}

/// A payload piece that goes out from where it lies.
struct Borrowed {
    /// Its place in `staged`.
    at: usize,
    piece: Bytes,
}

impl FrameWriter {
    /// Nothing staged yet. Without `crcs` segment crcs are sent as 0.
    pub fn new(crcs: bool) -> Self {
        let preamble = Preamble::message([count(HEADER_LEN), 0, 0, 0]);
        Self {
            form: Form::Crc(Revision::default()),
            crcs,
            compression: None,
            staged: Vec::new(),
            written: 0,
            borrowed: VecDeque::new(),
            piece_written: 0,
            borrowed_len: 0,
            lent: false,
            preamble: (preamble, preamble.encode()),
            transcript: None,
        }
    }

    /// Keeps a copy of what is staged from now on.
    pub fn start_transcript(&mut self) {
        self.transcript = Some(Vec::new());
    }

    /// That copy, which ends here. Empty if there is none.
    pub fn take_transcript(&mut self) -> Vec<u8> {
        self.transcript.take().unwrap_or_default()
    }

    /// All frames from now on are of that revision, in the open.
    pub fn set_revision(&mut self, revision: Revision) {
        self.form = Form::Crc(revision);
    }

    /// All frames from now on are sealed.
    pub fn set_secure(&mut self, sealer: Sealer) {
        self.form = Form::Secure(Box::new(sealer));
    }

    /// Leaves nonces for so many records.
    #[cfg(test)]
    pub fn skip_to_last(&mut self, left: u64) {
        if let Form::Secure(sealer) = &mut self.form {
            sealer.skip_to_last(left);
        }
    }

    /// True once no more frames can be sealed: what is staged may go out, and
    /// then the link has to be replaced.
    #[inline]
    pub fn is_worn(&self) -> bool {
        match &self.form {
            Form::Crc(_) | Form::Legacy(_) => false,
            Form::Secure(sealer) => !sealer.can_seal(),
        }
    }

    /// What compresses messages.
    pub fn compression(&self) -> Option<Algorithm> {
        self.compression.map(|agreed| agreed.algorithm)
    }

    /// Messages are compressed like that from now on.
    pub fn set_compression(&mut self, agreed: Option<Compression>) {
        self.compression = agreed;
    }

    /// All records from now on are of v1.
    pub fn set_legacy(&mut self, form: LegacyForm) {
        self.form = Form::Legacy(Box::new(form));
    }

    /// Stages bytes that are no frame.
    pub fn raw(&mut self, bytes: &[u8]) {
        let start = self.staged.len();
        self.staged.put_slice(bytes);
        self.record(start);
    }

    /// Stages a control frame.
    pub fn control<C: Control>(&mut self, control: &C) {
        let start = self.staged.len();
        match &mut self.form {
            Form::Crc(revision) => {
                let revision = *revision;
                self.plain_control(control, revision);
            }
            // Without a nonce nothing is staged, and the writer is worn.
            Form::Secure(sealer) => {
                let _ = sealer.control(control, &mut self.staged);
            }
            Form::Legacy(_) => {
                // An open link of v1 has no others.
                if let Some(tag) = legacy::tag_of(C::TAG) {
                    self.staged.put_u8(tag);
                    control.encode(&mut self.staged);
                }
            }
        }
        self.record(start);
    }

    /// Stages a message.
    #[inline]
    pub fn message(&mut self, outgoing: &Outgoing, seq: u64, ack_seq: u64) {
        if let Some(compression) = self.compression {
            if self.packed_message(compression, outgoing, seq, ack_seq) {
                return;
            }
        }
        match &self.form {
            Form::Crc(revision) => self.plain_message(outgoing, seq, ack_seq, *revision),
            Form::Secure(_) => self.sealed_message(outgoing, seq, ack_seq),
            Form::Legacy(_) => self.legacy_message(outgoing, seq),
        }
    }

    /// True if frames that others have made can go out as they are.
    pub fn takes_batches(&self) -> bool {
        matches!(self.form, Form::Crc(Revision::Rev1)) && self.compression.is_none()
    }

    /// Stages such frames, the first with the number behind `seq`.
    pub fn batch(&mut self, batch: &FrameBatch, seq: u64, ack_seq: u64) {
        batch.stage(seq, ack_seq, &mut self.staged);
    }

    /// Writes into `buffer` for now instead of an own one, unless bytes of its
    /// own are still waiting.
    pub fn lend(&mut self, buffer: &mut Vec<u8>) {
        if !self.lent && self.is_empty() {
            std::mem::swap(&mut self.staged, buffer);
            self.lent = true;
        }
    }

    /// Gives the lent buffer back if everything is written; else keeps it
    /// until it is.
    pub fn reclaim(&mut self, buffer: &mut Vec<u8>) {
        if self.lent && self.is_empty() {
            self.rewind();
            std::mem::swap(&mut self.staged, buffer);
        }
        self.lent = false;
    }

    /// Puts what is to be written next into `slices`; returns how many.
    pub fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        let mut push = |bytes: &'a [u8]| match slices.get_mut(filled) {
            Some(slot) if !bytes.is_empty() => {
                *slot = IoSlice::new(bytes);
                filled += 1;
            }
            _ => {}
        };
        let mut from = self.written;
        let mut skip = self.piece_written;
        for Borrowed { at, piece } in &self.borrowed {
            push(&self.staged[from..*at]);
            push(&piece[skip..]);
            (from, skip) = (*at, 0);
        }
        push(&self.staged[from..]);
        filled
    }

    /// The first `n` of the staged bytes are written.
    pub fn handle_sent(&mut self, mut n: usize) {
        while let Some(first) = self.borrowed.front() {
            let before = (first.at - self.written).min(n);
            self.written += before;
            n -= before;
            let left = first.piece.len() - self.piece_written;
            if n < left || first.at > self.written {
                self.piece_written += n;
                self.borrowed_len -= n;
                break;
            }
            n -= left;
            self.borrowed_len -= left;
            self.piece_written = 0;
            self.borrowed.pop_front();
        }
        if self.borrowed.is_empty() {
            self.written = (self.written + n).min(self.staged.len());
        }
        if self.is_empty() {
            self.rewind();
        } else if self.written >= COMPACT_MIN && self.written * 2 >= self.staged.len() {
            self.staged.drain(..self.written);
            self.borrowed
                .iter_mut()
                .for_each(|next| next.at -= self.written);
            self.written = 0;
        }
    }

    fn record(&mut self, start: usize) {
        if let Some(transcript) = &mut self.transcript {
            transcript.extend_from_slice(&self.staged[start..]);
        }
    }

    /// Forgets everything staged, and its keys.
    pub fn clear(&mut self) {
        self.form = Form::Crc(Revision::default());
        self.transcript = None;
        self.compression = None;
        self.borrowed = VecDeque::new();
        self.piece_written = 0;
        self.borrowed_len = 0;
        self.rewind();
    }

    /// Bytes staged and not written.
    #[inline]
    pub fn unsent(&self) -> usize {
        self.staged.len() - self.written + self.borrowed_len
    }

    /// True if all is written.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.unsent() == 0
    }

    /// Starts the buffer over. An own one is freed: it would lie idle in every
    /// connection.
    fn rewind(&mut self) {
        self.written = 0;
        if self.lent {
            self.staged.clear();
        } else {
            self.staged = Vec::new();
        }
        if self.borrowed.capacity() > 0 {
            self.borrowed = VecDeque::new();
        }
    }

    fn plain_control<C: Control>(&mut self, control: &C, revision: Revision) {
        let start = self.staged.len();
        self.staged.put_bytes(0, PREAMBLE_LEN);
        control.encode(&mut self.staged);
        let body = start + PREAMBLE_LEN;
        let len = self.staged.len() - body;
        let crc = self.crc_or_zero(|| crc::segment(&self.staged[body..]));
        let preamble = Preamble::control(C::TAG, count(len)).encode();
        self.staged[start..body].copy_from_slice(&preamble);
        match revision {
            Revision::Rev1 if len == 0 => {}
            Revision::Rev1 => self.staged.put_u32_le(crc),
            Revision::Rev0 => plain::epilogue(revision, 1, [crc, 0, 0, 0], &mut self.staged),
        }
    }

    #[inline]
    fn plain_message(&mut self, outgoing: &Outgoing, seq: u64, ack_seq: u64, revision: Revision) {
        let message = &outgoing.message;
        let payloads = [&message.front, &message.middle, &message.data];
        let lens = payloads.map(Payload::len);
        let header = MessageHeader::of(message, outgoing.priority(), seq, ack_seq).encode();
        let header_crc = self.crc_or_zero(|| crc::segment(&header));
        let preamble = self.message_preamble(lens);
        let mut crcs = [header_crc, 0, 0, 0];
        for index in 1..usize::from(preamble.count) {
            crcs[index] = self.crc_or_zero(|| match outgoing.crcs {
                Some(known) => known[index - 1],
                None => crc::payload(payloads[index - 1]),
            });
        }
        self.staged
            .reserve(PREAMBLE_LEN + HEADER_LEN + 4 + 17 + small(lens));
        self.staged.put_slice(&self.preamble.1);
        self.staged.put_slice(&header);
        if revision == Revision::Rev1 {
            self.staged.put_slice(&header_crc.to_le_bytes());
        }
        if preamble.count > 1 {
            payloads.iter().for_each(|payload| self.payload(payload));
        }
        plain::epilogue(revision, preamble.count, crcs, &mut self.staged);
    }

    /// Apart, so that the way of plain messages stays short.
    #[inline(never)]
    fn sealed_message(&mut self, outgoing: &Outgoing, seq: u64, ack_seq: u64) {
        let message = &outgoing.message;
        let payloads = [&message.front, &message.middle, &message.data];
        let header = MessageHeader::of(message, outgoing.priority(), seq, ack_seq).encode();
        let [front, middle, data] = payloads.map(|payload| count(payload.len()));
        let preamble = Preamble::message([count(HEADER_LEN), front, middle, data]).encode();
        let Form::Secure(sealer) = &mut self.form else {
            return;
        };
        let sealed = sealer.message(&preamble, &header, payloads, &mut self.staged);
        // Without a nonce nothing is staged, and the writer is worn.
        if let Ok(Some(large)) = sealed {
            self.borrow(share_large(large));
        }
    }

    /// Stages a message compressed, unless it better travels as it is.
    fn packed_message(
        &mut self,
        compression: Compression,
        outgoing: &Outgoing,
        seq: u64,
        ack_seq: u64,
    ) -> bool {
        let message = &outgoing.message;
        let payloads = [&message.front, &message.middle, &message.data];
        let header = MessageHeader::of(message, outgoing.priority(), seq, ack_seq).encode();
        let Some(packed) = pack(compression, &header, payloads) else {
            return false;
        };
        let preamble = packed.preamble.encode();
        let payloads = packed.payloads.each_ref();
        match &mut self.form {
            Form::Crc(revision) => {
                let revision = *revision;
                self.plain_packed(&packed, revision);
            }
            Form::Secure(sealer) => {
                let sealed = sealer.message(&preamble, &packed.header, payloads, &mut self.staged);
                if let Ok(Some(large)) = sealed {
                    self.borrow(share_large(large));
                }
            }
            Form::Legacy(_) => return false,
        }
        true
    }

    fn plain_packed(&mut self, packed: &PackedMessage, revision: Revision) {
        let header_crc = self.crc_or_zero(|| crc::segment(&packed.header));
        let mut crcs = [header_crc, 0, 0, 0];
        let segments = crcs.iter_mut().take(usize::from(packed.preamble.count));
        for (crc, payload) in segments.skip(1).zip(&packed.payloads) {
            *crc = self.crc_or_zero(|| crc::payload(payload));
        }
        self.staged.put_slice(&packed.preamble.encode());
        self.staged.put_slice(&packed.header);
        if revision == Revision::Rev1 {
            self.staged.put_slice(&header_crc.to_le_bytes());
        }
        packed
            .payloads
            .iter()
            .for_each(|payload| self.payload(payload));
        plain::epilogue(revision, packed.preamble.count, crcs, &mut self.staged);
    }

    fn legacy_message(&mut self, outgoing: &Outgoing, seq: u64) {
        let Form::Legacy(form) = &self.form else {
            return;
        };
        let (header, footer) = form.enclose(outgoing, seq, self.crcs);
        let message = &outgoing.message;
        let payloads = [&message.front, &message.middle, &message.data];
        let small = small(payloads.map(Payload::len));
        self.staged.reserve(legacy::MAX_OVERHEAD + small);
        self.staged.put_u8(legacy::MESSAGE_TAG);
        self.staged.put_slice(&header);
        payloads.iter().for_each(|payload| self.payload(payload));
        if let Form::Legacy(form) = &self.form {
            form.put_footer(&footer, &mut self.staged);
        }
    }

    #[inline]
    fn message_preamble(&mut self, lens: [usize; 3]) -> Preamble {
        let [front, middle, data] = lens.map(count);
        let lens = [count(HEADER_LEN), front, middle, data];
        if self.preamble.0.lens != lens {
            let preamble = Preamble::message(lens);
            self.preamble = (preamble, preamble.encode());
        }
        self.preamble.0
    }

    #[inline(always)]
    fn payload(&mut self, payload: &Payload) {
        if let Some(short) = payload.as_short() {
            return self.staged.put_slice(short);
        }
        for piece in payload.lasting_pieces() {
            if piece.len() < BORROW_MIN {
                self.staged.put_slice(piece);
            } else {
                self.borrow(piece.clone());
            }
        }
    }

    #[inline]
    fn borrow(&mut self, piece: Bytes) {
        self.borrowed_len += piece.len();
        self.borrowed.push_back(Borrowed {
            at: self.staged.len(),
            piece,
        });
    }

    #[inline]
    fn crc_or_zero(&self, crc: impl FnOnce() -> u32) -> u32 {
        if self.crcs { crc() } else { 0 }
    }
}

/// Bytes of segments that are surely copied.
#[inline]
fn small(lens: [usize; 3]) -> usize {
    lens.iter().filter(|len| **len < BORROW_MIN).sum()
}
