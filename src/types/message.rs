//! A message: header fields that travel, and three segments of bytes.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::body::Body;
use super::payload::Payload;
use super::spares;
use super::stamps::Stamps;

/// Below this priority a dispatch queue weighs messages by cost; from it on
/// higher always goes first.
pub const PRIO_LOW: u16 = 64;
/// What a message gets that asked for nothing.
pub const PRIO_DEFAULT: u16 = 127;
/// Ahead of ordinary traffic.
pub const PRIO_HIGH: u16 = 196;
/// Ahead of everything.
pub const PRIO_HIGHEST: u16 = 255;

/// One message. The library carries the bytes and never looks into them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Message {
    /// What kind of message, as the application numbers them.
    pub kind: u16,
    /// Order class; 0 when sent means what the messenger gives those that ask for
    /// nothing, [`PRIO_DEFAULT`] if it was not told otherwise.
    pub priority: u16,
    /// Version of the body's encoding.
    pub version: u16,
    /// Oldest version that can decode the body.
    pub compat_version: u16,
    /// The application's transaction id.
    pub tid: u64,
    /// Position in its session, given when it is written; 0 before.
    pub seq: u64,
    /// Low bits of the data's offset, a hint for page placement.
    pub data_off: u16,
    /// Bytes the application may use as it likes.
    pub reserved: u16,
    /// First segment: usually the encoded body.
    pub front: Payload,
    /// Second segment.
    pub middle: Payload,
    /// Third segment: bulk data.
    pub data: Payload,
    /// What a received one takes of its messenger's throttles.
    pub hold: Hold,
    /// When a received one came.
    pub stamps: Stamps,
    /// The program's object behind it, if it has one.
    pub body: Option<Arc<dyn Body>>,
}

/// Something that goes when the message it hangs on is dropped or sent on: a
/// received message's part of its messenger's throttles.
///
/// It is nothing that a message says: messages that differ in it alone are
/// equal, and a copy has none.
#[derive(Default)]
pub struct Hold(
    /// A thin pointer: every message carries one, few hold anything.
    Option<Box<Box<dyn Any + Send + Sync>>>,
);

impl Hold {
    /// Nothing is held.
    pub const NONE: Self = Self(None);

    /// Holds that, whose destructor gives back what it stands for.
    pub(crate) fn new(held: impl Any + Send + Sync) -> Self {
        Self(Some(Box::new(Box::new(held))))
    }

    /// What is held, if it is one of these.
    pub(crate) fn into_held<T: Any>(self) -> Option<T> {
        let held = self.0?.downcast::<T>().ok()?;
        Some(*held)
    }

    /// True if something is held.
    pub const fn is_some(&self) -> bool {
        self.0.is_some()
    }
}

impl Clone for Hold {
    fn clone(&self) -> Self {
        Self::NONE
    }
}

impl PartialEq for Hold {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Hold {}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_some() { "held" } else { "none" })
    }
}

impl Message {
    /// An empty message of that kind with default priority.
    pub const fn new(kind: u16) -> Self {
        Self {
            kind,
            priority: PRIO_DEFAULT,
            version: 1,
            compat_version: 1,
            tid: 0,
            seq: 0,
            data_off: 0,
            reserved: 0,
            front: Payload::new(),
            middle: Payload::new(),
            data: Payload::new(),
            hold: Hold::NONE,
            stamps: Stamps::NONE,
            body: None,
        }
    }

    /// The same in the memory of a message that is done with, if there is one: see
    /// [`Self::done`].
    #[inline]
    pub fn spare(kind: u16) -> Box<Self> {
        spares::take(kind)
    }

    /// Drops the message and keeps its memory, short segments included, for another.
    #[inline]
    pub fn done(self: Box<Self>) {
        spares::put(self);
    }

    /// Frees the memory that is kept for messages to come, but for the little that other
    /// threads have at hand. A context that ends does so, too.
    pub fn release_spares() {
        spares::release();
    }

    /// Drops what others may wait for: bytes of theirs, what it holds, its object.
    /// Nothing else is written: it may be for another processor to do that.
    #[inline]
    pub(super) fn strip(&mut self) {
        for payload in [&mut self.front, &mut self.middle, &mut self.data] {
            payload.strip();
        }
        if self.hold.is_some() {
            self.hold = Hold::NONE;
        }
        if self.body.is_some() {
            self.body = None;
        }
    }

    /// Makes a stripped one a new one of that kind, which keeps the room of its short
    /// segments.
    #[inline]
    pub(super) fn renew(&mut self, kind: u16) {
        // As in `new`, field by field: the others are so already.
        self.kind = kind;
        self.priority = PRIO_DEFAULT;
        self.version = 1;
        self.compat_version = 1;
        self.tid = 0;
        self.seq = 0;
        self.data_off = 0;
        self.reserved = 0;
        self.front.clear();
        self.middle.clear();
        self.data.clear();
        self.stamps = Stamps::NONE;
    }

    /// Bytes of the three segments: what throttles count.
    pub fn payload_len(&self) -> usize {
        self.front.len() + self.middle.len() + self.data.len()
    }

    /// True if front and middle are yet to be written, by its body.
    pub fn is_encoded_late(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.encodes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_message_holds_goes_with_it_alone() {
        let held = Arc::new(());
        let mut message = Message::new(1);
        message.hold = Hold::new(Arc::clone(&held));
        let copy = message.clone();
        assert!(message.hold.is_some() && !copy.hold.is_some());
        assert_eq!(message, copy);
        drop(message);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
