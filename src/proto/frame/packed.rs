//! Compressed frames. Each segment is compressed on its own, and crcs or seals
//! guard what that makes of it, so a frame is sound before it is unpacked.

use std::borrow::Cow;

use bytes::Bytes;

use crate::proto::codec::{DecodeError, count};
use crate::proto::compression::{Algorithm, Compression};
use crate::proto::fault::Fault;
use crate::types::Payload;

use super::body::{Body, Frame, Layout};
use super::header::HEADER_LEN;
use super::preamble::{MAX_CONTROL_LEN, MAX_SEGMENTS, Preamble, Tag};

/// Room made at once for the unpacked segments, and as many times the packed
/// ones: more has to be unpacked first.
const START: usize = 64 << 10;
const START_RATIO: usize = 16;

/// Less than such a part saved is not worth the receiver's work.
const WORTH: usize = 16;

/// A message in the form in which it travels.
pub struct PackedMessage {
    /// Tells of the compressed segments.
    pub preamble: Preamble,
    /// The first one.
    pub header: Bytes,
    /// The others.
    pub payloads: [Payload; 3],
}

/// Compresses a message. `None`: it is too small for that, cannot be, or would
/// hardly get smaller, and is to travel as it is.
pub fn pack(
    compression: Compression,
    header: &[u8; HEADER_LEN],
    payloads: [&Payload; 3],
) -> Option<PackedMessage> {
    let size = HEADER_LEN + payloads.iter().map(|payload| payload.len()).sum::<usize>();
    if (size as u64) < compression.min_size {
        return None;
    }
    let mut packed = Vec::new();
    let mut ends = [0; MAX_SEGMENTS];
    let segments = payloads.map(whole);
    let [front, middle, data] = &segments;
    for (segment, end) in [&header[..], front, middle, data].iter().zip(&mut ends) {
        if !compression.algorithm.compress(segment, &mut packed) {
            return None;
        }
        *end = packed.len();
    }
    if packed.len() > size - size / WORTH {
        return None;
    }
    // What an algorithm may need for the worst case is far more than it has used.
    packed.shrink_to_fit();
    let packed = Bytes::from(packed);
    let [first, second, third, last] = ends;
    let lens = [first, second - first, third - second, last - third];
    Some(PackedMessage {
        preamble: Preamble {
            is_compressed: true,
            ..Preamble::message(lens.map(count))
        },
        header: packed.slice(..first),
        payloads: [
            packed.slice(first..second).into(),
            packed.slice(second..third).into(),
            packed.slice(third..).into(),
        ],
    })
}

/// A payload in one piece, copied only if it is in several.
fn whole(payload: &Payload) -> Cow<'_, [u8]> {
    let mut pieces = payload.pieces();
    match (pieces.next(), pieces.next()) {
        (None, _) => Cow::Borrowed(&[]),
        (Some(only), None) => Cow::Borrowed(only),
        _ => Cow::Owned(payload.pieces().collect::<Vec<_>>().concat()),
    }
}

/// A compressed frame that is sound, and how large it gets when it is unpacked.
pub struct Packed<'a> {
    frame: Frame<'a>,
    algorithm: Algorithm,
    lens: [usize; MAX_SEGMENTS],
}

impl<'a> Packed<'a> {
    /// Looks how large the frame gets, with payloads of `max_payload` bytes in all
    /// at most.
    pub fn measure(
        frame: Frame<'a>,
        algorithm: Algorithm,
        max_payload: u64,
    ) -> Result<Self, Fault> {
        let malformed = |why| Fault::Unpack(frame.tag, why);
        let [first, payloads @ ..] = frame.segments();
        let (first_limit, mut left) = match frame.tag {
            Tag::Message => (
                HEADER_LEN,
                usize::try_from(max_payload).unwrap_or(usize::MAX),
            ),
            _ => (MAX_CONTROL_LEN as usize, 0),
        };
        let mut lens = [0; MAX_SEGMENTS];
        lens[0] = algorithm.measure(first, first_limit).map_err(malformed)?;
        if frame.tag == Tag::Message && lens[0] != HEADER_LEN {
            return Err(Fault::MessageHeader(count(lens[0])));
        }
        for (len, payload) in lens.iter_mut().skip(1).zip(payloads) {
            *len = algorithm.measure(payload, left).map_err(malformed)?;
            left -= *len;
        }
        Ok(Self {
            frame,
            algorithm,
            lens,
        })
    }

    /// What it is.
    pub const fn tag(&self) -> Tag {
        self.frame.tag
    }

    /// Unpacked bytes of all segments but the first: what throttles count.
    pub fn payload_len(&self) -> u64 {
        self.lens.iter().skip(1).map(|len| *len as u64).sum()
    }

    /// The same in bytes of its own, to be unpacked later.
    pub fn into_owned(self) -> Packed<'static> {
        Packed {
            frame: self.frame.into_owned(),
            algorithm: self.algorithm,
            lens: self.lens,
        }
    }

    /// The frame as its sender had it before it was compressed.
    pub fn unpack(self) -> Result<Frame<'static>, Fault> {
        let tag = self.frame.tag;
        let malformed = |why: DecodeError| Fault::Unpack(tag, why);
        let segments = self.frame.segments();
        let packed: usize = segments.iter().map(|segment| segment.len()).sum();
        let total: usize = self.lens.iter().sum();
        let believed = START.max(packed.saturating_mul(START_RATIO));
        let mut body = Vec::with_capacity(total.min(believed));
        for (segment, len) in segments.into_iter().zip(self.lens) {
            self.algorithm
                .decompress(segment, len, &mut body)
                .map_err(malformed)?;
        }
        let preamble = Preamble {
            tag,
            ..Preamble::message(self.lens.map(count))
        };
        let layout = Layout::plain(self.lens[0]);
        Ok(Frame::new(&preamble, layout, Body::Owned(body.into())))
    }
}

#[cfg(all(test, feature = "snappy"))]
mod tests;
