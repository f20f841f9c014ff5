//! What the two ends say to each other before a v1 link is open: records of a
//! fixed length, of which two end with an authorizer.

use bytes::BufMut;

use crate::proto::codec::{DecodeError, Reader, count};
use crate::proto::fault::Fault;
use crate::proto::frame::{LEGACY_ADDR_LEN, decode_legacy, encode_legacy};
use crate::types::{AddrType, EntityAddr, EntityType};

/// Both ends' first bytes.
pub const BANNER: &[u8; 9] = b"ceph v027";
const V2_PREFIX: &[u8] = b"ceph v2\n";

const OPENING_LEN: usize = BANNER.len() + 2 * LEGACY_ADDR_LEN;
const CONNECT_LEN: usize = 33;
const REPLY_LEN: usize = 26;

/// Ceph's diallers do not survive more.
const MAX_AUTHORIZER_REPLY: u32 = 4095;

/// In the flags of CONNECT and its reply: a fault ends the session.
pub const FLAG_LOSSY: u8 = 1;

/// What the acceptor says first, behind its banner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opening {
    /// Where it listens.
    pub acceptor: EntityAddr,
    /// The dialler, as its socket shows it.
    pub dialler: EntityAddr,
}

/// CONNECT: the dialler asks for a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Connect {
    /// Features it has.
    pub features: u64,
    /// What it is.
    pub host_type: EntityType,
    /// Its count of attempts.
    pub global_seq: u32,
    /// Its count of attempts in this session; 0 asks for a new one.
    pub connect_seq: u32,
    /// See [`version_with`](super::version_with).
    pub protocol_version: u32,
    /// The authentication method that its authorizer is of.
    pub authorizer_protocol: u32,
    /// See [`FLAG_LOSSY`]. Of no consequence: the acceptor decides.
    pub flags: u8,
    /// What it shows.
    pub authorizer: Vec<u8>,
}

/// What the acceptor makes of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Tag {
    /// The link is open.
    Ready = 1,
    /// There is no such session.
    ResetSession = 2,
    /// The acceptor's own attempt is the one to survive.
    Wait = 3,
    /// The acceptor has seen a later attempt of this session.
    RetrySession = 4,
    /// The acceptor has seen a later attempt of this peer.
    RetryGlobal = 5,
    /// They do not speak the same version.
    BadProtocolVersion = 10,
    /// The authorizer is not good enough.
    BadAuthorizer = 11,
    /// The acceptor insists on features that the dialler lacks.
    Features = 12,
    /// The link is open as soon as both have told what they have received.
    Seq = 13,
    /// The authorizer has to answer a challenge.
    ChallengeAuthorizer = 16,
}

/// The acceptor's reply to a CONNECT.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectReply {
    /// What became of it.
    pub tag: Tag,
    /// Features the acceptor has, or insists on.
    pub features: u64,
    /// Its count of attempts, or that of the dialler which it has seen.
    pub global_seq: u32,
    /// The session's count of attempts.
    pub connect_seq: u32,
    /// See [`version_with`](super::version_with).
    pub protocol_version: u32,
    /// See [`FLAG_LOSSY`].
    pub flags: u8,
    /// The acceptor's part of the authentication.
    pub authorizer: Vec<u8>,
}

/// What comes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expected {
    /// The acceptor's banner and addresses.
    Opening,
    /// The dialler's banner.
    Banner,
    /// The dialler's address.
    Address,
    /// The dialler's request.
    Connect,
    /// The acceptor's reply.
    Reply,
    /// The last message that the peer has received.
    Seq,
}

/// Something that has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// The acceptor's banner and addresses.
    Opening(Opening),
    /// The dialler's banner.
    Banner,
    /// The dialler's address.
    Address(EntityAddr),
    /// The dialler's request.
    Connect(Connect),
    /// The acceptor's reply.
    Reply(ConnectReply),
    /// The last message that the peer has received.
    Seq(u64),
}

impl Expected {
    /// Takes it off the front of `input` once it is whole. What cannot become
    /// one is refused as soon as that shows, and an authorizer of more than `most`
    /// bytes.
    pub fn take(self, input: &mut &[u8], most: usize) -> Result<Option<Record>, Fault> {
        let most = count(most);
        match self {
            Self::Banner => take_banner(input).map(|there| there.then_some(Record::Banner)),
            Self::Opening => {
                let mut whole = *input;
                if !take_banner(&mut whole)? {
                    return Ok(None);
                }
                fixed(input, OPENING_LEN, Opening::decode).map(|it| it.map(Record::Opening))
            }
            Self::Address => {
                fixed(input, LEGACY_ADDR_LEN, address).map(|it| it.map(Record::Address))
            }
            Self::Connect => Connect::take(input, most).map(|it| it.map(Record::Connect)),
            Self::Reply => ConnectReply::take(input, most).map(|it| it.map(Record::Reply)),
            Self::Seq => fixed(input, 8, |from| from.field()).map(|it| it.map(Record::Seq)),
        }
    }
}

/// Stages an address, whatever kind it is of: the kind does not travel.
pub fn put_address(addr: &EntityAddr, out: &mut Vec<u8>) {
    encode_legacy(addr, out);
}

impl Opening {
    /// Its bytes, the banner first.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = BANNER.to_vec();
        put_address(&self.acceptor, &mut out);
        put_address(&self.dialler, &mut out);
        out
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.take(BANNER.len())?;
        Ok(Self {
            acceptor: address(from)?,
            dialler: address(from)?,
        })
    }
}

impl Connect {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(CONNECT_LEN + self.authorizer.len());
        out.put_u64_le(self.features);
        out.put_u32_le(u32::from(self.host_type.0));
        out.put_u32_le(self.global_seq);
        out.put_u32_le(self.connect_seq);
        out.put_u32_le(self.protocol_version);
        out.put_u32_le(self.authorizer_protocol);
        out.put_u32_le(count(self.authorizer.len()));
        out.put_u8(self.flags);
        out.put_slice(&self.authorizer);
        out
    }

    fn take(input: &mut &[u8], most: u32) -> Result<Option<Self>, Fault> {
        let taken = with_authorizer(input, most, Self::decode)?;
        Ok(taken.map(|(connect, authorizer)| Self {
            authorizer,
            ..connect
        }))
    }

    /// Without its authorizer, whose length comes with it.
    fn decode(fixed: &[u8; CONNECT_LEN]) -> Result<(Self, u32), DecodeError> {
        let mut from = Reader::new(fixed);
        let features = from.field()?;
        let host_type = u8::try_from(from.field::<u32>()?)
            .map_err(|_| DecodeError("an entity type is out of range"))?;
        let global_seq = from.field()?;
        let connect_seq = from.field()?;
        let protocol_version = from.field()?;
        let authorizer_protocol = from.field()?;
        let len = from.field()?;
        let connect = Self {
            features,
            host_type: EntityType(host_type),
            global_seq,
            connect_seq,
            protocol_version,
            authorizer_protocol,
            flags: from.field()?,
            authorizer: Vec::new(),
        };
        Ok((connect, len))
    }
}

impl ConnectReply {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(REPLY_LEN + self.authorizer.len());
        out.put_u8(self.tag as u8);
        out.put_u64_le(self.features);
        out.put_u32_le(self.global_seq);
        out.put_u32_le(self.connect_seq);
        out.put_u32_le(self.protocol_version);
        out.put_u32_le(count(self.authorizer.len()));
        out.put_u8(self.flags);
        out.put_slice(&self.authorizer);
        out
    }

    fn take(input: &mut &[u8], most: u32) -> Result<Option<Self>, Fault> {
        let most = most.min(MAX_AUTHORIZER_REPLY);
        let taken = with_authorizer(input, most, Self::decode)?;
        Ok(taken.map(|(reply, authorizer)| Self {
            authorizer,
            ..reply
        }))
    }

    /// Without its authorizer, whose length comes with it.
    fn decode(fixed: &[u8; REPLY_LEN]) -> Result<(Self, u32), DecodeError> {
        let mut from = Reader::new(fixed);
        let tag =
            Tag::from_code(from.field()?).ok_or(DecodeError("an answer is none that is known"))?;
        let features = from.field()?;
        let global_seq = from.field()?;
        let connect_seq = from.field()?;
        let protocol_version = from.field()?;
        let len = from.field()?;
        let reply = Self {
            tag,
            features,
            global_seq,
            connect_seq,
            protocol_version,
            flags: from.field()?,
            authorizer: Vec::new(),
        };
        Ok((reply, len))
    }
}

impl Tag {
    const ALL: [Self; 10] = [
        Self::Ready,
        Self::ResetSession,
        Self::Wait,
        Self::RetrySession,
        Self::RetryGlobal,
        Self::BadProtocolVersion,
        Self::BadAuthorizer,
        Self::Features,
        Self::Seq,
        Self::ChallengeAuthorizer,
    ];

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|tag| *tag as u8 == code)
    }
}

/// False: it is not whole yet.
fn take_banner(input: &mut &[u8]) -> Result<bool, Fault> {
    let seen = input.get(..BANNER.len()).unwrap_or(input);
    if !BANNER.starts_with(seen) {
        return Err(stranger(seen));
    }
    if seen.len() < BANNER.len() {
        return Ok(false);
    }
    *input = input.get(BANNER.len()..).unwrap_or_default();
    Ok(true)
}

fn stranger(seen: &[u8]) -> Fault {
    // Of a v2 banner the first byte that tells may be all there is.
    let shared = V2_PREFIX.len().min(seen.len());
    match seen.get(..shared) {
        Some(start) if V2_PREFIX.starts_with(start) => Fault::SpeaksV2,
        _ => Fault::not_msgr(seen),
    }
}

fn fixed<T>(
    input: &mut &[u8],
    len: usize,
    decode: impl FnOnce(&mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<Option<T>, Fault> {
    let Some((whole, rest)) = input.split_at_checked(len) else {
        return Ok(None);
    };
    let decoded = decode(&mut Reader::new(whole)).map_err(Fault::V1Record)?;
    *input = rest;
    Ok(Some(decoded))
}

/// An address block. It says nothing of its kind, since there is only one here.
fn address(from: &mut Reader<'_>) -> Result<EntityAddr, DecodeError> {
    let addr = decode_legacy(from)?;
    Ok(EntityAddr {
        kind: AddrType::Legacy,
        ..addr
    })
}

/// A record of fixed length that tells how long the authorizer behind it is, once
/// both are there.
fn with_authorizer<T, const LEN: usize>(
    input: &mut &[u8],
    most: u32,
    decode: impl FnOnce(&[u8; LEN]) -> Result<(T, u32), DecodeError>,
) -> Result<Option<(T, Vec<u8>)>, Fault> {
    let mut from = Reader::new(input);
    let Ok(fixed) = from.array::<LEN>() else {
        return Ok(None);
    };
    let (record, len) = decode(fixed).map_err(Fault::V1Record)?;
    if len > most {
        return Err(Fault::AuthorizerTooLarge(len));
    }
    let Ok(authorizer) = from.take(usize::try_from(len).unwrap_or(usize::MAX)) else {
        return Ok(None);
    };
    let authorizer = authorizer.to_vec();
    *input = from.rest();
    Ok(Some((record, authorizer)))
}
