//! Why a link ends.

use std::fmt;
use std::io;

use crate::types::{EntityAddr, EntityType};

use super::auth::AuthFault;
use super::codec::DecodeError;
use super::frame::Tag;

/// What became of the socket, as the driver tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkDown {
    /// The peer closed it.
    Eof,
    /// Nobody listens where we dialled.
    Refused,
    /// Anything else.
    Io(io::ErrorKind),
}

/// Why a link ended. `Display` gives one clause for the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The socket went away.
    Link(LinkDown),
    /// Not open in time.
    ReadyTimeout,
    /// Open, and nothing came or went for long.
    IdleTimeout,
    /// Open, and for long the peer has taken nothing of what is sent.
    NoProgress,
    /// Open, and for long the rest of a frame has not come.
    HalfFrame,
    /// Open, and no answer came to a keepalive.
    KeepaliveTimeout,
    /// The peer's vector has no address to dial.
    NothingToDial,
    /// The peer's banner is the first protocol's.
    SpeaksV1,
    /// The peer's banner is the second protocol's.
    SpeaksV2,
    /// The peer's first bytes (so many of these) are something else.
    NotMsgr([u8; 8], usize),
    /// A banner of that payload length is none.
    BannerLength(u16),
    /// Banner features we insist on.
    PeerLacksBannerFeatures(u64),
    /// Banner features the peer insists on.
    WeLackBannerFeatures(u64),
    /// Wrong crc of a preamble.
    PreambleCrc,
    /// A tag without a meaning.
    UnknownTag(u8),
    /// More or fewer segments than the frame may have.
    SegmentCount(u8),
    /// Several segments of which the last is empty.
    EmptyLastSegment,
    /// Wrong crc of a segment.
    SegmentCrc,
    /// A sealed record with a wrong tag.
    RecordTag,
    /// A connection secret of so many bytes, too few for keys and nonces.
    ShortSecret(usize),
    /// Nothing can be sealed, or opened, under the keys of this link any more.
    NoncesUsedUp,
    /// Neither complete nor aborted.
    LateStatus(u8),
    /// A control frame of that length.
    ControlTooLarge(Tag, u32),
    /// A message header of that length.
    MessageHeader(u32),
    /// A message with that much payload.
    MessageTooLarge(u64),
    /// The parts of a frame do not fit together.
    Frame(DecodeError),
    /// A payload does not decode.
    Payload(Tag, DecodeError),
    /// A message of that type that the program does not decode, by that errno.
    Undecodable(u16, i32),
    /// A frame that is not allowed now.
    Unexpected(Tag),
    /// A handshake of more frames or bytes than any needs.
    HandshakeTooLong,
    /// The peer is not what we meant to dial.
    WrongPeerType(EntityType, EntityType),
    /// The two ends could not come to know each other.
    Auth(AuthFault),
    /// The acceptor chose a mode that was not offered.
    WrongMode(u32),
    /// A compressed frame that was not agreed on.
    Compressed(Tag),
    /// A compressed frame that does not unpack.
    Unpack(Tag, DecodeError),
    /// The acceptor chose a compression that was not proposed, or not to be had.
    WrongCompression(u32),
    /// Declined again and again, and still asking.
    TooManyAuthRequests,
    /// The peer saw other bytes than we sent.
    Signature,
    /// The dialler has no address.
    NoAddress,
    /// The dialler meant somebody else.
    WrongTarget(EntityAddr),
    /// The acceptor does not have the address that was dialled.
    WrongAcceptor(EntityAddr),
    /// The acceptor insists on features we lack.
    MissingFeatures(u64),
    /// The acceptor bids us wait.
    Wait,
    /// The acceptor declined one attempt after another to resume the session.
    TooManyRetries,
    /// Acknowledges a message that was never sent.
    AckAhead(u64),
    /// Acknowledges less than before.
    AckBehind(u64),
    /// Resumes a session of ours with that message as the last it has, which
    /// cannot be.
    ImpossibleSeq(u64),
    /// v1: the peer said that it closes the connection.
    Closed,
    /// v1: wrong crc of a message's header.
    HeaderCrc,
    /// v1: a message that its sender gave up.
    Incomplete,
    /// v1: a message that the peer has not signed, or not so.
    MessageSignature,
    /// v1: a record of the handshake does not decode.
    V1Record(DecodeError),
    /// v1: an authorizer of that length.
    AuthorizerTooLarge(u32),
    /// v1: the acceptor speaks that version and no other.
    ProtocolVersion(u32),
    /// v1: the acceptor lacks features that we insist on.
    PeerLacksFeatures(u64),
    /// v1: the acceptor's count of attempts in a session does not go with ours.
    ConnectSeq(u32),
}

impl Fault {
    /// The peer's first bytes belong to neither protocol.
    pub fn not_msgr(seen: &[u8]) -> Self {
        let mut shown = [0; 8];
        let both = shown.iter_mut().zip(seen);
        both.for_each(|(shown, seen)| *shown = *seen);
        Self::NotMsgr(shown, seen.len())
    }

    /// True if dialling again cannot help.
    pub const fn is_final(&self) -> bool {
        matches!(
            self,
            Self::NothingToDial
                | Self::PeerLacksBannerFeatures(_)
                | Self::WeLackBannerFeatures(_)
                | Self::WrongPeerType(..)
                | Self::Auth(_)
                | Self::ImpossibleSeq(_)
        )
    }
}

impl From<AuthFault> for Fault {
    fn from(why: AuthFault) -> Self {
        Self::Auth(why)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(LinkDown::Eof) => f.write_str("peer closed the connection"),
            Self::Link(LinkDown::Refused) => f.write_str("connection refused"),
            Self::Link(LinkDown::Io(kind)) => write!(f, "socket error: {kind}"),
            Self::ReadyTimeout => f.write_str("not open in time"),
            Self::IdleTimeout => f.write_str("no byte came or went for too long"),
            Self::NoProgress => f.write_str("peer takes nothing for too long"),
            Self::HalfFrame => f.write_str("peer stopped within a frame"),
            Self::KeepaliveTimeout => f.write_str("no answer to a keepalive"),
            Self::NothingToDial => f.write_str("peer has no address to dial"),
            Self::SpeaksV1 => f.write_str("peer speaks msgr v1"),
            Self::SpeaksV2 => f.write_str("peer speaks msgr v2"),
            Self::NotMsgr(shown, len) => {
                let shown = shown.get(..*len).unwrap_or(shown);
                write!(f, "not a msgr peer: banner '{}'", shown.escape_ascii())
            }
            Self::BannerLength(len) => write!(f, "banner with a payload of {len} bytes"),
            Self::PeerLacksBannerFeatures(bits) => write!(f, "peer lacks msgr2 features {bits:#x}"),
            Self::WeLackBannerFeatures(bits) => write!(f, "peer requires msgr2 features {bits:#x}"),
            Self::PreambleCrc => f.write_str("frame with a bad preamble crc"),
            Self::UnknownTag(tag) => write!(f, "frame with unknown tag {tag}"),
            Self::SegmentCount(count) => write!(f, "frame with {count} segments"),
            Self::EmptyLastSegment => f.write_str("frame with an empty last segment"),
            Self::SegmentCrc => f.write_str("frame with a bad segment crc"),
            Self::RecordTag => f.write_str("sealed record with a wrong tag"),
            Self::ShortSecret(len) => write!(f, "connection secret of {len} bytes"),
            Self::NoncesUsedUp => f.write_str("the link has used up its nonces"),
            Self::LateStatus(status) => write!(f, "frame with late status {status:#04x}"),
            Self::ControlTooLarge(tag, len) => write!(f, "{tag:?} frame of {len} bytes"),
            Self::MessageHeader(len) => write!(f, "message header of {len} bytes"),
            Self::MessageTooLarge(len) => write!(f, "message with a payload of {len} bytes"),
            Self::Frame(why) => write!(f, "malformed frame: {why}"),
            Self::Payload(tag, why) => write!(f, "malformed {tag:?} frame: {why}"),
            Self::Undecodable(kind, errno) => {
                write!(f, "message of type {kind} does not decode (error {errno})")
            }
            Self::Unexpected(tag) => write!(f, "{tag:?} frame out of turn"),
            Self::HandshakeTooLong => f.write_str("handshake without an end"),
            Self::WrongPeerType(want, got) => write!(f, "dialled a {want}, but a {got} answered"),
            Self::Auth(why) => fmt::Display::fmt(why, f),
            Self::WrongMode(mode) => write!(f, "peer chose connection mode {mode}"),
            Self::Compressed(tag) => write!(f, "compressed {tag:?} frame, which was not agreed"),
            Self::Unpack(tag, why) => write!(f, "malformed compressed {tag:?} frame: {why}"),
            Self::WrongCompression(code) => write!(f, "peer chose compression {code}"),
            Self::TooManyAuthRequests => f.write_str("too many authentication attempts"),
            Self::Signature => f.write_str("wrong authentication signature"),
            Self::NoAddress => f.write_str("peer states no address"),
            Self::WrongTarget(addr) => write!(f, "peer wants {addr}, which is not us"),
            Self::WrongAcceptor(addr) => write!(f, "peer does not claim {addr}, which was dialled"),
            Self::MissingFeatures(bits) => write!(f, "peer requires features {bits:#x}"),
            Self::Wait => f.write_str("peer said to wait"),
            Self::TooManyRetries => f.write_str("peer declines to resume again and again"),
            Self::AckBehind(seq) => write!(f, "peer acknowledged message {seq} after a later one"),
            Self::ImpossibleSeq(seq) => write!(f, "peer cannot have received message {seq}"),
            Self::Closed => f.write_str("peer closed the connection, and said so"),
            Self::HeaderCrc => f.write_str("message with a bad header crc"),
            Self::Incomplete => f.write_str("message without an end"),
            Self::MessageSignature => f.write_str("message with a wrong signature"),
            Self::V1Record(why) => write!(f, "malformed handshake: {why}"),
            Self::AuthorizerTooLarge(len) => write!(f, "authorizer of {len} bytes"),
            Self::ProtocolVersion(theirs) => write!(f, "peer speaks protocol version {theirs}"),
            Self::PeerLacksFeatures(bits) => write!(f, "peer lacks features {bits:#x}"),
            Self::ConnectSeq(seq) => write!(f, "peer counts {seq} attempts in this session"),
            Self::AckAhead(seq) => write!(f, "peer acknowledged message {seq}, which was not sent"),
        }
    }
}

impl std::error::Error for Fault {}
