//! crc32c as msgr2 uses it: a raw register, without the final inversion.

use crate::types::{Message, Payload};

/// Register of a segment before its first byte, so also the crc of an empty one.
pub const SEGMENT_SEED: u32 = u32::MAX;

/// Feeds `bytes` to the register.
#[inline]
pub fn update(register: u32, bytes: &[u8]) -> u32 {
    !crc32c::crc32c_append(!register, bytes)
}

/// The crc of one segment.
#[inline]
pub fn segment(bytes: &[u8]) -> u32 {
    update(SEGMENT_SEED, bytes)
}

/// The crc of a segment in pieces.
#[inline]
pub fn payload(payload: &Payload) -> u32 {
    payload
        .pieces()
        .fold(SEGMENT_SEED, |register, piece| update(register, piece))
}

/// The crcs of front, middle and data: what [`Outgoing`](crate::proto::Outgoing)
/// can carry so that the sender's thread does the work.
pub fn segment_crcs(message: &Message) -> [u32; 3] {
    [
        payload(&message.front),
        payload(&message.middle),
        payload(&message.data),
    ]
}
