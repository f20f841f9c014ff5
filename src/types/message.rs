//! A message: header fields that travel, and three segments of bytes.

use super::payload::Payload;

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
    /// Order class; 0 when sent means [`PRIO_DEFAULT`].
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
        }
    }

    /// Bytes of the three segments: what throttles count.
    pub fn payload_len(&self) -> usize {
        self.front.len() + self.middle.len() + self.data.len()
    }
}
