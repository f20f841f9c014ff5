//! The 32 bytes in front of every frame, and what they say about the rest.

use crate::proto::fault::Fault;

use super::crc;

/// The two wire forms of a frame, chosen by the banners.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Revision {
    /// msgr2.0: all crcs at the end of every frame.
    Rev0,
    /// msgr2.1: the first segment has its crc right behind it.
    #[default]
    Rev1,
}

/// What a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Tag {
    /// Says who the sender is and how it sees the receiver.
    Hello = 1,
    /// Offers an authentication method.
    AuthRequest,
    /// Declines it.
    AuthBadMethod,
    /// Another round of authentication, from the acceptor.
    AuthReplyMore,
    /// Another round of authentication, from the dialler.
    AuthRequestMore,
    /// Authentication is over.
    AuthDone,
    /// Proof over the bytes so far.
    AuthSignature,
    /// Asks for a new session.
    ClientIdent,
    /// Grants it.
    ServerIdent,
    /// Declines it for want of features.
    IdentMissingFeatures,
    /// Asks to go on with a session.
    SessionReconnect,
    /// There is no such session.
    SessionReset,
    /// Declines a stale connect_seq.
    SessionRetry,
    /// Declines a stale global_seq.
    SessionRetryGlobal,
    /// Goes on with a session.
    SessionReconnectOk,
    /// Lost a race; the peer's own connection will come.
    Wait,
    /// An application's message.
    Message,
    /// Asks for a sign of life.
    Keepalive2,
    /// Gives it.
    Keepalive2Ack,
    /// Acknowledges messages.
    Ack,
    /// Proposes compression.
    CompressionRequest,
    /// Settles it.
    CompressionDone,
}

impl Tag {
    const ALL: [Self; 22] = [
        Self::Hello,
        Self::AuthRequest,
        Self::AuthBadMethod,
        Self::AuthReplyMore,
        Self::AuthRequestMore,
        Self::AuthDone,
        Self::AuthSignature,
        Self::ClientIdent,
        Self::ServerIdent,
        Self::IdentMissingFeatures,
        Self::SessionReconnect,
        Self::SessionReset,
        Self::SessionRetry,
        Self::SessionRetryGlobal,
        Self::SessionReconnectOk,
        Self::Wait,
        Self::Message,
        Self::Keepalive2,
        Self::Keepalive2Ack,
        Self::Ack,
        Self::CompressionRequest,
        Self::CompressionDone,
    ];

    /// Its number on the wire.
    pub const fn code(self) -> u8 {
        self as u8
    }

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code).checked_sub(1)?).copied()
    }
}

/// Length of an encoded preamble.
pub const PREAMBLE_LEN: usize = 32;
/// Segments a frame can have.
pub const MAX_SEGMENTS: usize = 4;
/// Largest control payload that is accepted.
pub const MAX_CONTROL_LEN: u32 = 16 << 10;
/// Length of a msgr2.1 epilogue.
pub const EPILOGUE_REV1_LEN: usize = 13;
/// Length of a msgr2.0 epilogue.
pub const EPILOGUE_REV0_LEN: usize = 17;

/// In the flags of a preamble.
const FLAG_COMPRESSED: u8 = 1;

/// A checked preamble.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Preamble {
    /// What the frame is.
    pub tag: Tag,
    /// How many segments it has, 1 to 4.
    pub count: u8,
    /// Their lengths; zero where there is none.
    pub lens: [u32; MAX_SEGMENTS],
    /// The segments are compressed, and that is how long they are then.
    pub is_compressed: bool,
}

impl Preamble {
    /// A frame of one segment.
    pub const fn control(tag: Tag, len: u32) -> Self {
        Self {
            tag,
            count: 1,
            lens: [len, 0, 0, 0],
            is_compressed: false,
        }
    }

    /// A frame with trailing empty segments left out.
    pub fn message(lens: [u32; MAX_SEGMENTS]) -> Self {
        let count = match lens {
            [_, 0, 0, 0] => 1,
            [_, _, 0, 0] => 2,
            [_, _, _, 0] => 3,
            _ => 4,
        };
        Self {
            tag: Tag::Message,
            count,
            lens,
            is_compressed: false,
        }
    }

    /// Its bytes. Only the data segment asks for page alignment.
    pub fn encode(&self) -> [u8; PREAMBLE_LEN] {
        let mut bytes = [0; PREAMBLE_LEN];
        bytes[0] = self.tag.code();
        bytes[1] = self.count;
        for (index, len) in self.lens.iter().enumerate().take(usize::from(self.count)) {
            let align: u16 = if index == 3 { 4096 } else { 8 };
            let at = 2 + 6 * index;
            bytes[at..at + 4].copy_from_slice(&len.to_le_bytes());
            bytes[at + 4..at + 6].copy_from_slice(&align.to_le_bytes());
        }
        bytes[26] = if self.is_compressed {
            FLAG_COMPRESSED
        } else {
            0
        };
        let crc = crc::update(0, &bytes[..28]);
        bytes[28..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Checks everything about a preamble that holds for frames of all kinds.
    /// Alignments, other flags and the places of unused segments are ignored.
    pub fn decode(bytes: &[u8; PREAMBLE_LEN]) -> Result<Self, Fault> {
        let crc = u32::from_le_bytes([bytes[28], bytes[29], bytes[30], bytes[31]]);
        if crc != crc::update(0, &bytes[..28]) {
            return Err(Fault::PreambleCrc);
        }
        let tag = Tag::from_code(bytes[0]).ok_or(Fault::UnknownTag(bytes[0]))?;
        let count = bytes[1];
        if !(1..=4).contains(&count) {
            return Err(Fault::SegmentCount(count));
        }
        let mut lens = [0; MAX_SEGMENTS];
        for (index, len) in lens.iter_mut().enumerate().take(usize::from(count)) {
            let at = 2 + 6 * index;
            *len = u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        }
        let last = lens.get(usize::from(count) - 1);
        if count > 1 && last == Some(&0) {
            return Err(Fault::EmptyLastSegment);
        }
        Ok(Self {
            tag,
            count,
            lens,
            is_compressed: bytes[26] & FLAG_COMPRESSED != 0,
        })
    }

    /// Bytes of all segments but the first: what throttles count.
    #[inline]
    pub fn payload_len(&self) -> u64 {
        let [_, front, middle, data] = self.lens.map(u64::from);
        front + middle + data
    }

    /// Bytes that follow the preamble.
    #[inline]
    pub fn body_len(&self, revision: Revision) -> u64 {
        let segments = u64::from(self.lens[0]) + self.payload_len();
        segments + self.overhead(revision)
    }

    fn overhead(&self, revision: Revision) -> u64 {
        match revision {
            Revision::Rev0 => EPILOGUE_REV0_LEN as u64,
            Revision::Rev1 => {
                let first = if self.lens[0] > 0 { 4 } else { 0 };
                let rest = if self.count > 1 {
                    EPILOGUE_REV1_LEN as u64
                } else {
                    0
                };
                first + rest
            }
        }
    }
}
