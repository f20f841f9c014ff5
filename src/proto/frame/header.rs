//! The first segment of a MESSAGE frame.

use crate::proto::codec::{DecodeError, Reader};
use crate::types::Message;

/// Its length; a MESSAGE with any other is refused.
pub const HEADER_LEN: usize = 41;

/// What Ceph sends and nobody reads: the message is complete, and has no crc
/// of its own since the frame has.
const FLAGS: u8 = 3;

/// Sequence numbers and the fields of a [`Message`] that are no payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessageHeader {
    /// Position in the session.
    pub seq: u64,
    /// Highest position the sender has received.
    pub ack_seq: u64,
    /// The application's transaction id.
    pub tid: u64,
    /// What kind of message.
    pub kind: u16,
    /// Order class.
    pub priority: u16,
    /// Version of the body's encoding.
    pub version: u16,
    /// Oldest version that can decode the body.
    pub compat_version: u16,
    /// Low bits of the data's offset.
    pub data_off: u16,
    /// The application's.
    pub reserved: u16,
}

/// Puts other numbers into an encoded header.
#[inline]
pub fn set_numbers(header: &mut [u8], seq: u64, ack_seq: u64) {
    header[0..8].copy_from_slice(&seq.to_le_bytes());
    header[28..36].copy_from_slice(&ack_seq.to_le_bytes());
}

impl MessageHeader {
    /// The header of `message` when it is written at `seq`.
    #[inline]
    pub const fn of(message: &Message, priority: u8, seq: u64, ack_seq: u64) -> Self {
        Self {
            seq,
            ack_seq,
            tid: message.tid,
            kind: message.kind,
            priority: priority as u16,
            version: message.version,
            compat_version: message.compat_version,
            data_off: message.data_off,
            reserved: message.reserved,
        }
    }

    /// A message with these fields and no payload yet.
    #[inline]
    pub fn into_message(self) -> Box<Message> {
        let mut message = Message::spare(self.kind);
        message.priority = self.priority;
        message.version = self.version;
        message.compat_version = self.compat_version;
        message.tid = self.tid;
        message.seq = self.seq;
        message.data_off = self.data_off;
        message.reserved = self.reserved;
        message
    }

    /// Its bytes.
    #[inline]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0..8].copy_from_slice(&self.seq.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.tid.to_le_bytes());
        bytes[16..18].copy_from_slice(&self.kind.to_le_bytes());
        bytes[18..20].copy_from_slice(&self.priority.to_le_bytes());
        bytes[20..22].copy_from_slice(&self.version.to_le_bytes());
        // 22..26 is the length of a padding that nobody uses.
        bytes[26..28].copy_from_slice(&self.data_off.to_le_bytes());
        bytes[28..36].copy_from_slice(&self.ack_seq.to_le_bytes());
        bytes[36] = FLAGS;
        bytes[37..39].copy_from_slice(&self.compat_version.to_le_bytes());
        bytes[39..41].copy_from_slice(&self.reserved.to_le_bytes());
        bytes
    }

    /// Reads it back; padding length and flags are ignored.
    #[inline]
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut from = Reader::new(bytes);
        let seq = from.field()?;
        let tid = from.field()?;
        let kind = from.field()?;
        let priority = from.field()?;
        let version = from.field()?;
        from.array::<4>()?;
        let data_off = from.field()?;
        let ack_seq = from.field()?;
        from.array::<1>()?;
        let compat_version = from.field()?;
        let reserved = from.field()?;
        Ok(Self {
            seq,
            ack_seq,
            tid,
            kind,
            priority,
            version,
            compat_version,
            data_off,
            reserved,
        })
    }
}
