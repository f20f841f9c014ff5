//! A frame that has come whole and is what its sender meant.

use bytes::Bytes;

use crate::types::{Message, Payload};

use super::preamble::{MAX_SEGMENTS, Preamble, Tag};

/// A complete and checked frame.
pub struct Frame<'a> {
    /// What it is.
    pub tag: Tag,
    lens: [u32; MAX_SEGMENTS],
    layout: Layout,
    body: Body<'a>,
}

/// The bytes that a frame's segments lie in.
pub enum Body<'a> {
    /// In what was read: payloads are copied out of it.
    Borrowed(&'a [u8]),
    /// In a buffer of its own, whose parts become the payloads.
    Owned(Bytes),
    /// In two: what stands before the data, and the data, in memory that the program
    /// has lent.
    Lent(Bytes, Bytes),
}

/// Where the segments of a body are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Where the first starts.
    pub first: u8,
    /// One less than the length that each is filled up to a multiple of, which is
    /// a power of two.
    pub fill: u8,
    /// Where the second starts; the others follow it.
    pub second: usize,
}

impl Layout {
    /// Of segments that lie behind one another.
    #[inline]
    pub const fn plain(second: usize) -> Self {
        Self {
            first: 0,
            fill: 0,
            second,
        }
    }

    /// Where each segment starts, given their lengths.
    #[inline]
    fn starts(self, [_, front, middle, _]: [usize; MAX_SEGMENTS]) -> [usize; MAX_SEGMENTS] {
        let fill = usize::from(self.fill);
        let third = self.second + ((front + fill) & !fill);
        let last = third + ((middle + fill) & !fill);
        [self.first.into(), self.second, third, last]
    }
}

impl<'a> Frame<'a> {
    /// Out of a body that was checked.
    #[inline]
    pub const fn new(preamble: &Preamble, layout: Layout, body: Body<'a>) -> Self {
        Self {
            tag: preamble.tag,
            lens: preamble.lens,
            layout,
            body,
        }
    }

    /// Its first segment: a control payload or a message header.
    #[inline]
    pub fn first(&self) -> &[u8] {
        let start = usize::from(self.layout.first);
        self.body.segment(start, self.lens[0] as usize)
    }

    /// All segments; those that it does not have are empty.
    pub fn segments(&self) -> [&[u8]; MAX_SEGMENTS] {
        let lens = self.lens.map(|len| len as usize);
        let starts = self.layout.starts(lens);
        [0, 1, 2, 3].map(|index| self.body.segment(starts[index], lens[index]))
    }

    /// The same in bytes of its own.
    pub fn into_owned(self) -> Frame<'static> {
        let body = match self.body {
            Body::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
            Body::Owned(bytes) => bytes,
            Body::Lent(head, data) => [head, data].concat().into(),
        };
        Frame {
            tag: self.tag,
            lens: self.lens,
            layout: self.layout,
            body: Body::Owned(body),
        }
    }

    /// Gives front, middle and data to a message that has none.
    #[inline]
    pub fn fill(&self, message: &mut Message) {
        let lens @ [_, front, middle, data] = self.lens.map(|len| len as usize);
        let [_, second, third, last] = self.layout.starts(lens);
        self.body.put(second, front, &mut message.front);
        self.body.put(third, middle, &mut message.middle);
        self.body.put(last, data, &mut message.data);
    }

    /// Front, middle and data.
    #[cfg(test)]
    pub fn payloads(&self) -> [Payload; 3] {
        let mut message = Message::new(0);
        self.fill(&mut message);
        [message.front, message.middle, message.data]
    }
}

impl Body<'_> {
    #[inline]
    fn segment(&self, start: usize, len: usize) -> &[u8] {
        let bytes = match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(bytes) => &bytes[..],
            Self::Lent(head, data) if start == head.len() && len > 0 => return data,
            Self::Lent(head, _) => &head[..],
        };
        bytes.get(start..start + len).unwrap_or_default()
    }

    #[inline]
    fn put(&self, start: usize, len: usize, payload: &mut Payload) {
        if len == 0 {
            return;
        }
        match self {
            Self::Borrowed(_) => payload.append_copy(self.segment(start, len)),
            Self::Owned(bytes) => payload.append(bytes.slice(start..start + len)),
            Self::Lent(head, data) if start == head.len() => payload.append(data.clone()),
            Self::Lent(head, _) => payload.append(head.slice(start..start + len)),
        }
    }
}
