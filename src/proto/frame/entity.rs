//! Wire form of addresses, address vectors and authentication names.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use bytes::BufMut;

use crate::proto::codec::{DecodeError, Field, Reader, count, length};
use crate::types::{AddrType, AuthName, EntityAddr, EntityAddrVec, EntityType};

// Linux numbers: Ceph puts its host's address families on the wire.
const AF_UNSPEC: u16 = 0;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const SOCKADDR_IN: usize = 16;
const SOCKADDR_IN6: usize = 28;
/// What a legacy address carries: a whole `sockaddr_storage`.
const SOCKADDR_STORAGE: usize = 128;
/// All of it: marker, nonce and that.
pub const LEGACY_ADDR_LEN: usize = 8 + SOCKADDR_STORAGE;

const MARKER_LEGACY: u8 = 0;
const MARKER_ADDR: u8 = 1;
const MARKER_VECTOR: u8 = 2;

impl Field for EntityAddr {
    fn encode(&self, out: &mut Vec<u8>) {
        let sockaddr = match self.socket {
            Some(SocketAddr::V4(_)) => SOCKADDR_IN,
            Some(SocketAddr::V6(_)) | None => SOCKADDR_IN6,
        };
        out.put_slice(&[MARKER_ADDR, 1, 1]);
        out.put_u32_le(count(12 + sockaddr));
        out.put_u32_le(self.kind.code());
        out.put_u32_le(self.nonce);
        out.put_u32_le(count(sockaddr));
        match self.socket {
            Some(SocketAddr::V4(socket)) => {
                out.put_u16_le(AF_INET);
                out.put_u16(socket.port());
                out.put_slice(&socket.ip().octets());
                out.put_bytes(0, 8);
            }
            Some(SocketAddr::V6(socket)) => {
                out.put_u16_le(AF_INET6);
                out.put_u16(socket.port());
                out.put_u32_le(socket.flowinfo());
                out.put_slice(&socket.ip().octets());
                out.put_u32_le(socket.scope_id());
            }
            None => out.put_bytes(0, SOCKADDR_IN6),
        }
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match from.field()? {
            MARKER_LEGACY => legacy(from),
            MARKER_ADDR => modern(from),
            _ => Err(DecodeError("an address has an unknown marker")),
        }
    }
}

impl Field for EntityAddrVec {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(MARKER_VECTOR);
        out.put_u32_le(count(self.0.len()));
        self.0.iter().for_each(|addr| addr.encode(out));
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        // The other two forms are single addresses with the same marker.
        let mut single = *from;
        if from.field::<u8>()? != MARKER_VECTOR {
            let addr = single.field::<EntityAddr>()?;
            *from = single;
            return Ok(addr.into());
        }
        let len = length(from)?;
        if len > Self::MAX {
            return Err(DecodeError("more addresses than a process can have"));
        }
        let addrs: Result<_, _> = std::iter::repeat_with(|| from.field()).take(len).collect();
        addrs.map(Self)
    }
}

impl Field for AuthName {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u32_le(u32::from(self.kind.0));
        out.put_u32_le(count(self.id.len()));
        out.put_slice(self.id.as_bytes());
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = u8::try_from(from.field::<u32>()?)
            .map_err(|_| DecodeError("an entity type is out of range"))?;
        let id: Vec<u8> = from.field()?;
        let id = String::from_utf8(id).map_err(|_| DecodeError("a name is not UTF-8"))?;
        Ok(Self {
            kind: EntityType(kind),
            id,
        })
    }
}

/// A versioned address: a longer body from a newer version is skipped.
fn modern(from: &mut Reader<'_>) -> Result<EntityAddr, DecodeError> {
    let [_version, compat] = *from.array()?;
    if compat > 1 {
        return Err(DecodeError("an address is of a version not understood"));
    }
    let len = length(from)?;
    let mut body = Reader::new(from.take(len)?);
    let kind = AddrType::from_code(body.field()?)
        .ok_or(DecodeError("an address is of an unknown type"))?;
    let nonce = body.field()?;
    let len = length(&mut body)?;
    let sockaddr = body.take(len)?;
    if sockaddr.is_empty() {
        return Ok(EntityAddr {
            kind,
            nonce,
            socket: None,
        });
    }
    let mut sockaddr = Reader::new(sockaddr);
    let family = sockaddr.field()?;
    let limit = if family == AF_INET {
        SOCKADDR_IN
    } else {
        SOCKADDR_IN6
    };
    if len > limit {
        return Err(DecodeError("a socket address is longer than its family's"));
    }
    let socket = socket(family, sockaddr.rest())?;
    Ok(EntityAddr {
        kind,
        nonce,
        socket,
    })
}

/// Appends an address in the form of peers before feature MSG_ADDR2, which is the
/// only one in v1: the first 32 bits are zero, and its kind is left out.
pub fn encode_legacy(addr: &EntityAddr, out: &mut Vec<u8>) {
    let end = out.len() + LEGACY_ADDR_LEN;
    out.put_u32_le(u32::from(MARKER_LEGACY));
    out.put_u32_le(addr.nonce);
    match addr.socket {
        Some(SocketAddr::V4(socket)) => {
            out.put_u16(AF_INET);
            out.put_u16(socket.port());
            out.put_slice(&socket.ip().octets());
        }
        Some(SocketAddr::V6(socket)) => {
            out.put_u16(AF_INET6);
            out.put_u16(socket.port());
            out.put_u32_le(socket.flowinfo());
            out.put_slice(&socket.ip().octets());
            out.put_u32_le(socket.scope_id());
        }
        None => {}
    }
    out.resize(end, 0);
}

/// Takes an address in that form and no other.
pub fn decode_legacy(from: &mut Reader<'_>) -> Result<EntityAddr, DecodeError> {
    match from.field()? {
        MARKER_LEGACY => legacy(from),
        _ => Err(DecodeError("an address has an unknown marker")),
    }
}

/// The form of peers before feature MSG_ADDR2, after its marker.
fn legacy(from: &mut Reader<'_>) -> Result<EntityAddr, DecodeError> {
    from.take(3)?;
    let nonce = from.field()?;
    let mut storage = Reader::new(from.take(SOCKADDR_STORAGE)?);
    let family = u16::from_be_bytes(*storage.array()?);
    let socket = socket(family, storage.rest())?;
    let kind = if socket.is_some() {
        AddrType::Legacy
    } else {
        AddrType::None
    };
    Ok(EntityAddr {
        kind,
        nonce,
        socket,
    })
}

/// A socket address from what follows its family. Left out bytes are zero.
fn socket(family: u16, rest: &[u8]) -> Result<Option<SocketAddr>, DecodeError> {
    let mut whole = [0; SOCKADDR_IN6 - 2];
    whole
        .iter_mut()
        .zip(rest)
        .for_each(|(byte, given)| *byte = *given);
    let mut from = Reader::new(&whole);
    let port = u16::from_be_bytes(*from.array()?);
    match family {
        AF_UNSPEC => Ok(None),
        AF_INET => {
            let ip = Ipv4Addr::from(*from.array::<4>()?);
            Ok(Some(SocketAddrV4::new(ip, port).into()))
        }
        AF_INET6 => {
            let flow = from.field()?;
            let ip = Ipv6Addr::from(*from.array::<16>()?);
            Ok(Some(
                SocketAddrV6::new(ip, port, flow, from.field()?).into(),
            ))
        }
        _ => Err(DecodeError("an address family is neither IPv4 nor IPv6")),
    }
}
