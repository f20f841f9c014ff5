//! A frame that has come whole and is what its sender meant.

use bytes::Bytes;

use crate::types::Payload;

use super::preamble::{MAX_SEGMENTS, Preamble, Tag};

/// A complete and checked frame.
pub struct Frame<'a> {
    /// What it is.
    pub tag: Tag,
    lens: [u32; MAX_SEGMENTS],
    starts: [usize; MAX_SEGMENTS],
    body: Body<'a>,
}

/// The bytes that a frame's segments lie in.
pub enum Body<'a> {
    /// In what was read: payloads are copied out of it.
    Borrowed(&'a [u8]),
    /// In a buffer of its own, whose parts become the payloads.
    Owned(Bytes),
}

/// What a form finds in a body when it checks it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Where the segments start.
    pub starts: [usize; MAX_SEGMENTS],
    /// The sender gave the frame up: it is to be passed over.
    pub aborted: bool,
}

impl<'a> Frame<'a> {
    /// Out of a body that was checked.
    #[inline]
    pub const fn new(preamble: &Preamble, starts: [usize; MAX_SEGMENTS], body: Body<'a>) -> Self {
        Self {
            tag: preamble.tag,
            lens: preamble.lens,
            starts,
            body,
        }
    }

    /// Its first segment: a control payload or a message header.
    #[inline]
    pub fn first(&self) -> &[u8] {
        self.bytes(0)
    }

    /// All segments; those that it does not have are empty.
    pub fn segments(&self) -> [&[u8]; MAX_SEGMENTS] {
        [0, 1, 2, 3].map(|index| self.bytes(index))
    }

    /// The same in bytes of its own.
    pub fn into_owned(self) -> Frame<'static> {
        let body = match self.body {
            Body::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
            Body::Owned(bytes) => bytes,
        };
        Frame {
            tag: self.tag,
            lens: self.lens,
            starts: self.starts,
            body: Body::Owned(body),
        }
    }

    /// Front, middle and data.
    #[inline]
    pub fn payloads(&self) -> [Payload; 3] {
        [self.payload(1), self.payload(2), self.payload(3)]
    }

    #[inline]
    fn payload(&self, index: usize) -> Payload {
        let (start, len) = self.segment(index);
        if len == 0 {
            return Payload::new();
        }
        match &self.body {
            Body::Borrowed(bytes) => {
                let segment = bytes.get(start..start + len).unwrap_or_default();
                Bytes::copy_from_slice(segment).into()
            }
            Body::Owned(bytes) => bytes.slice(start..start + len).into(),
        }
    }

    #[inline]
    fn bytes(&self, index: usize) -> &[u8] {
        let bytes = match &self.body {
            Body::Borrowed(bytes) => bytes,
            Body::Owned(bytes) => &bytes[..],
        };
        let (start, len) = self.segment(index);
        bytes.get(start..start + len).unwrap_or_default()
    }

    #[inline]
    const fn segment(&self, index: usize) -> (usize, usize) {
        (self.starts[index], self.lens[index] as usize)
    }
}
