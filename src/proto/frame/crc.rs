//! crc32c as msgr2 uses it: a raw register, without the final inversion.

use crate::types::{Message, Payload};

/// Feeds bytes to the register.
pub use crate::types::crc32c as update;

/// Register of a segment before its first byte, so also the crc of an empty one.
pub const SEGMENT_SEED: u32 = u32::MAX;

/// The crc of one segment.
#[inline]
pub fn segment(bytes: &[u8]) -> u32 {
    update(SEGMENT_SEED, bytes)
}

/// The crc of a segment in pieces.
#[inline]
pub fn payload(payload: &Payload) -> u32 {
    payload.crc32c(SEGMENT_SEED)
}

/// From this size on it is cheaper to convert a crc, which takes 10 to 16 µs, than to
/// compute another.
const CONVERT_MIN: usize = 1 << 20;

/// The crc of a segment in pieces as v1 has it, whose register begins with zeros.
/// `known` is what msgr2 would say.
pub fn payload_from_zero(payload: &Payload, known: Option<u32>) -> u32 {
    match known {
        Some(known) if payload.len() >= CONVERT_MIN => {
            !crc32c::crc32c_combine(u32::MAX, !known, payload.len())
        }
        _ => payload.crc32c(0),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crc_that_is_known_is_converted_to_that_of_v1() {
        for len in [1, 100, CONVERT_MIN, CONVERT_MIN + 12_345, 3 << 20] {
            let bytes: Vec<u8> = (0..len).map(|at| (at * 7 % 251) as u8).collect();
            let whole: Payload = bytes::Bytes::from(bytes).into();
            let known = Some(payload(&whole));
            let computed = payload_from_zero(&whole, None);
            assert_eq!(payload_from_zero(&whole, known), computed, "{len} bytes");
        }
        let empty = Payload::new();
        assert_eq!(payload_from_zero(&empty, Some(SEGMENT_SEED)), 0);
    }
}
