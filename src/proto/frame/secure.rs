//! Sealed frames: AES-128-GCM.
//!
//! ```text
//! msgr2.1  [preamble 32 | segment 0, its first 48] [segment 0, the rest] [segments 1..3 | status 16]
//!                                                  `-- if there is any -´ `-- if there are two or more segments -´
//! msgr2.0  [preamble 32 | segments 0..3 | flags 16]
//! ```
//!
//! Each bracket is a record with a nonce of its own and a tag of 16 bytes behind
//! it. Segments are filled up with zeros to blocks of 16 bytes, the first 48 of
//! msgr2.1 to those 48.

use aes::cipher::{BlockEncrypt, KeyInit};
use bytes::BufMut;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::proto::codec::{DecodeError, Reader, count};
use crate::proto::fault::Fault;
use crate::types::{Payload, Secret, large_buffer};

use super::body::Layout;
use super::control::Control;
use super::nonces::{NONCE_LEN, Nonces};
use super::plain::{self, STATUS_COMPLETE};
use super::preamble::{PREAMBLE_LEN, Preamble, Revision};

const KEY_LEN: usize = 16;
const TAG_LEN: usize = 16;
const BLOCK: usize = 16;
/// As much of the first segment as travels with a msgr2.1 preamble.
const INLINE_LEN: usize = 48;
/// What a msgr2.1 frame begins with on the wire.
const HEAD_LEN: usize = PREAMBLE_LEN + INLINE_LEN + TAG_LEN;
const EPILOGUE_LEN: usize = 16;
/// Records of no frame need more nonces.
const MAX_RECORDS: u64 = 3;
/// Records from this size on are sealed in a buffer of their own: the one they
/// are staged in is kept.
const OWN_MIN: usize = 256 << 10;

/// Which end of a connection we are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The one that dialled.
    Dialler,
    /// The one that was dialled.
    Acceptor,
}

/// What seals the frames we send and opens those we receive.
pub fn keys(secret: &Secret, side: Side, revision: Revision) -> Result<(Sealer, Opener), Fault> {
    let bytes = secret.expose();
    let mut from = Reader::new(bytes);
    let short = |_: DecodeError| Fault::ShortSecret(bytes.len());
    let key: &[u8; KEY_LEN] = from.array().map_err(short)?;
    let acceptors = Nonces::new(*from.array().map_err(short)?, revision);
    let diallers = Nonces::new(*from.array().map_err(short)?, revision);
    #[cfg(test)]
    super::nonces::record::note_secret(bytes);
    let (sending, receiving) = match side {
        Side::Dialler => (diallers, acceptors),
        Side::Acceptor => (acceptors, diallers),
    };
    let sealer = Sealer {
        key: gcm(key)?,
        nonces: sending,
        revision,
        #[cfg(test)]
        recorded: *key,
    };
    let peek = match revision {
        Revision::Rev0 => Some(aes::Aes128Enc::new(key.into())),
        Revision::Rev1 => None,
    };
    let opener = Opener {
        key: gcm(key)?,
        nonces: receiving,
        peek,
        inline: [0; INLINE_LEN],
    };
    Ok((sealer, opener))
}

fn gcm(key: &[u8; KEY_LEN]) -> Result<LessSafeKey, Fault> {
    let key = UnboundKey::new(&AES_128_GCM, key).map_err(|_| Fault::ShortSecret(KEY_LEN))?;
    Ok(LessSafeKey::new(key))
}

/// Seals what one end sends.
pub struct Sealer {
    key: LessSafeKey,
    nonces: Nonces,
    revision: Revision,
    #[cfg(test)]
    recorded: [u8; KEY_LEN],
}

impl Sealer {
    /// False: the nonces may not suffice for another frame.
    #[inline]
    pub const fn can_seal(&self) -> bool {
        self.nonces.left() >= MAX_RECORDS
    }

    /// Leaves nonces for so many records.
    #[cfg(test)]
    pub fn skip_to_last(&mut self, left: u64) {
        self.nonces.skip_to_last(left);
    }

    /// Appends a control frame to `out`. It stays as it was on a fault.
    pub fn control<C: Control>(&mut self, control: &C, out: &mut Vec<u8>) -> Result<(), Fault> {
        let start = out.len();
        out.put_bytes(0, PREAMBLE_LEN);
        control.encode(out);
        let body = start + PREAMBLE_LEN;
        let len = out.len() - body;
        let preamble = Preamble::control(C::TAG, count(len)).encode();
        out[start..body].copy_from_slice(&preamble);
        let sealed = match self.revision {
            Revision::Rev0 => {
                out.put_bytes(0, padded(len) - len + EPILOGUE_LEN);
                self.seal(out, start)
            }
            Revision::Rev1 => {
                out.put_bytes(0, padded(len).max(INLINE_LEN) - len);
                let rest = out.split_off(body + INLINE_LEN);
                let head = self.seal(out, start);
                head.and_then(|()| self.seal_rest(&rest, out))
            }
        };
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed
    }

    /// Appends a message to `out`. It stays as it was on a fault. The larger
    /// part of a large message is returned, and belongs behind it.
    pub fn message(
        &mut self,
        preamble: &[u8; PREAMBLE_LEN],
        header: &[u8],
        payloads: [&Payload; 3],
        out: &mut Vec<u8>,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let start = out.len();
        let has_payload = payloads.iter().any(|payload| !payload.is_empty());
        let body: usize = payloads.iter().map(|payload| padded(payload.len())).sum();
        let size = HEAD_LEN + header.len() + body + EPILOGUE_LEN + 2 * TAG_LEN;
        let mut own = (size >= OWN_MIN).then(|| large_buffer(size));
        if own.is_none() {
            out.reserve(size);
        }
        let sealed = match self.revision {
            Revision::Rev0 => {
                let whole = own.as_mut().unwrap_or(out);
                self.seal_rev0(preamble, header, payloads, whole)
            }
            Revision::Rev1 => {
                let head = self.seal_head(preamble, header, out);
                match head {
                    Ok(()) if has_payload => {
                        self.seal_payloads(payloads, own.as_mut().unwrap_or(out))
                    }
                    _ => head,
                }
            }
        };
        match sealed {
            Ok(()) => Ok(own),
            Err(fault) => {
                out.truncate(start);
                Err(fault)
            }
        }
    }

    fn seal_rev0(
        &mut self,
        preamble: &[u8; PREAMBLE_LEN],
        header: &[u8],
        payloads: [&Payload; 3],
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let start = out.len();
        out.put_slice(preamble);
        out.put_slice(header);
        out.put_bytes(0, padded(header.len()) - header.len());
        payloads.iter().for_each(|payload| put(payload, out));
        out.put_bytes(0, EPILOGUE_LEN);
        self.seal(out, start)
    }

    #[inline]
    fn seal_head(
        &mut self,
        preamble: &[u8; PREAMBLE_LEN],
        header: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let start = out.len();
        let (inline, rest) = header.split_at_checked(INLINE_LEN).unwrap_or((header, &[]));
        out.put_slice(preamble);
        out.put_slice(inline);
        out.put_bytes(0, INLINE_LEN - inline.len());
        self.seal(out, start)?;
        self.seal_rest(rest, out)
    }

    #[inline]
    fn seal_payloads(&mut self, payloads: [&Payload; 3], out: &mut Vec<u8>) -> Result<(), Fault> {
        let start = out.len();
        payloads.iter().for_each(|payload| put(payload, out));
        out.put_u8(STATUS_COMPLETE);
        out.put_bytes(0, EPILOGUE_LEN - 1);
        self.seal(out, start)
    }

    fn seal_rest(&mut self, rest: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        if rest.is_empty() {
            return Ok(());
        }
        let start = out.len();
        out.put_slice(rest);
        out.put_bytes(0, padded(rest.len()) - rest.len());
        self.seal(out, start)
    }

    /// Makes a record of what `out` has from `start` on.
    #[inline]
    fn seal(&mut self, out: &mut Vec<u8>, start: usize) -> Result<(), Fault> {
        let nonce = self.nonces.take()?;
        #[cfg(test)]
        super::nonces::record::note(self.recorded, nonce);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let record = out.get_mut(start..).unwrap_or_default();
        // Refused is only what no four segments add up to, for which no nonce
        // would do.
        let sealed = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::empty(), record);
        let tag = sealed.map_err(|_| Fault::NoncesUsedUp)?;
        out.put_slice(tag.as_ref());
        Ok(())
    }
}

/// Opens what one end receives.
pub struct Opener {
    key: LessSafeKey,
    nonces: Nonces,
    /// msgr2.0: what a preamble is read with before its record is whole.
    peek: Option<aes::Aes128Enc>,
    /// msgr2.1: what came with the last preamble of its first segment.
    inline: [u8; INLINE_LEN],
}

impl Opener {
    /// Leaves nonces for so many records.
    #[cfg(test)]
    pub fn skip_to_last(&mut self, left: u64) {
        self.nonces.skip_to_last(left);
    }

    /// The preamble of the frame that `input` begins with, if enough of it is
    /// there. A msgr2.1 preamble is authentic, and taken off `input`. That of
    /// msgr2.0 is not yet: it stays part of the body, and all that may follow
    /// from it is how much is to be read.
    #[inline]
    pub fn head(&mut self, input: &mut &[u8]) -> Result<Option<[u8; PREAMBLE_LEN]>, Fault> {
        if let Some(cipher) = &self.peek {
            let sealed = input.first_chunk();
            return Ok(sealed.map(|sealed| decipher(cipher, self.nonces.next(), sealed)));
        }
        let Some((head, rest)) = input.split_first_chunk::<HEAD_LEN>() else {
            return Ok(None);
        };
        let mut head = *head;
        self.open_record(&mut head)?;
        let mut from = Reader::new(&head);
        let preamble = *from.array().map_err(Fault::Frame)?;
        self.inline = *from.array().map_err(Fault::Frame)?;
        *input = rest;
        Ok(Some(preamble))
    }

    /// The revision of the frames.
    pub const fn revision(&self) -> Revision {
        match self.peek {
            None => Revision::Rev1,
            Some(_) => Revision::Rev0,
        }
    }

    /// What a body begins with that is not on the wire behind the head: its
    /// first segment goes on from there.
    #[inline]
    pub const fn lead(&self) -> &[u8] {
        match self.peek {
            None => &self.inline,
            Some(_) => &[],
        }
    }

    /// Bytes that follow what [`Self::head`] took.
    #[inline]
    pub fn body_len(&self, preamble: &Preamble) -> u64 {
        let lens = preamble.lens.map(padded_64);
        let [first, ..] = lens;
        let payload: u64 = lens.iter().skip(1).sum();
        let epilogue = (EPILOGUE_LEN + TAG_LEN) as u64;
        match self.peek {
            Some(_) => PREAMBLE_LEN as u64 + first + payload + epilogue,
            None if preamble.count > 1 => rest_len(first) + payload + epilogue,
            None => rest_len(first),
        }
    }

    /// Opens a body that begins with [`Self::lead`], where it lies: where its
    /// segments are, and whether its sender gave it up.
    pub fn open(&mut self, preamble: &Preamble, body: &mut [u8]) -> Result<(Layout, bool), Fault> {
        let first = padded(preamble.lens[0] as usize);
        if self.peek.is_some() {
            self.open_record(body)?;
            let aborted = is_aborted(Revision::Rev0, body)?;
            return Ok((layout(PREAMBLE_LEN as u8, PREAMBLE_LEN + first), aborted));
        }
        let second = INLINE_LEN + rest_len(first as u64) as usize;
        let (to_second, payloads) = body.split_at_mut_checked(second).ok_or(SHORT)?;
        if second > INLINE_LEN {
            self.open_record(to_second.get_mut(INLINE_LEN..).unwrap_or_default())?;
        }
        let mut aborted = false;
        if preamble.count > 1 {
            self.open_record(payloads)?;
            aborted = is_aborted(Revision::Rev1, body)?;
        }
        Ok((layout(0, second), aborted))
    }

    #[inline]
    fn open_record(&mut self, record: &mut [u8]) -> Result<(), Fault> {
        let nonce = Nonce::assume_unique_for_key(self.nonces.take()?);
        let opened = self.key.open_in_place(nonce, Aad::empty(), record);
        opened.map(|_| ()).map_err(|_| Fault::RecordTag)
    }
}

const SHORT: Fault = Fault::Frame(DecodeError("it has no epilogue"));

const fn layout(first: u8, second: usize) -> Layout {
    Layout {
        first,
        fill: BLOCK as u8 - 1,
        second,
    }
}

/// What the epilogue of an opened body says, which its tag is left behind.
fn is_aborted(revision: Revision, body: &[u8]) -> Result<bool, Fault> {
    let epilogue: Option<&[u8; EPILOGUE_LEN + TAG_LEN]> = body.last_chunk();
    let [status, ..] = epilogue.ok_or(SHORT)?;
    plain::is_aborted(revision, *status).ok_or(Fault::LateStatus(*status))
}

/// The two blocks of a sealed preamble in counter mode, as GCM counts them: its
/// first block of payload is number 2.
fn decipher(
    cipher: &aes::Aes128Enc,
    nonce: &[u8; NONCE_LEN],
    sealed: &[u8; PREAMBLE_LEN],
) -> [u8; PREAMBLE_LEN] {
    let mut opened = *sealed;
    for (block, number) in opened.chunks_exact_mut(BLOCK).zip(2_u32..) {
        let mut mask = [0; BLOCK];
        let (start, counter) = mask.split_at_mut(NONCE_LEN);
        start.copy_from_slice(nonce);
        counter.copy_from_slice(&number.to_be_bytes());
        cipher.encrypt_block((&mut mask).into());
        block
            .iter_mut()
            .zip(mask)
            .for_each(|(byte, mask)| *byte ^= mask);
    }
    opened
}

/// Appends a segment, filled up to whole blocks.
#[inline]
fn put(payload: &Payload, out: &mut Vec<u8>) {
    payload.pieces().for_each(|piece| out.put_slice(piece));
    let len = payload.len();
    out.put_bytes(0, padded(len) - len);
}

/// Length on the wire of what does not travel with a msgr2.1 preamble of a first
/// segment of so many whole blocks.
#[inline]
const fn rest_len(first: u64) -> u64 {
    match first.checked_sub(INLINE_LEN as u64) {
        None | Some(0) => 0,
        Some(rest) => rest + TAG_LEN as u64,
    }
}

#[inline]
const fn padded(len: usize) -> usize {
    len.next_multiple_of(BLOCK)
}

#[inline]
fn padded_64(len: u32) -> u64 {
    u64::from(len).next_multiple_of(BLOCK as u64)
}
