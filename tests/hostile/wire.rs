//! Bytes of both protocols, made without the library.

use std::net::SocketAddr;

/// The two forms of msgr2's frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Revision {
    Zero,
    One,
}

pub const REVISIONS: [Revision; 2] = [Revision::One, Revision::Zero];

/// All tags there are, and some that are none.
pub const TAGS: std::ops::RangeInclusive<u8> = 0..=24;

pub const HELLO: u8 = 1;
pub const AUTH_REQUEST: u8 = 2;
pub const AUTH_BAD_METHOD: u8 = 3;
pub const AUTH_REPLY_MORE: u8 = 4;
pub const AUTH_REQUEST_MORE: u8 = 5;
pub const AUTH_DONE: u8 = 6;
pub const AUTH_SIGNATURE: u8 = 7;
pub const CLIENT_IDENT: u8 = 8;
pub const SERVER_IDENT: u8 = 9;
pub const IDENT_MISSING_FEATURES: u8 = 10;
pub const SESSION_RECONNECT: u8 = 11;
pub const SESSION_RESET: u8 = 12;
pub const SESSION_RETRY: u8 = 13;
pub const SESSION_RETRY_GLOBAL: u8 = 14;
pub const SESSION_RECONNECT_OK: u8 = 15;
pub const WAIT: u8 = 16;
pub const MESSAGE: u8 = 17;
pub const KEEPALIVE2: u8 = 18;
pub const KEEPALIVE2_ACK: u8 = 19;
pub const ACK: u8 = 20;
pub const COMPRESSION_REQUEST: u8 = 21;
pub const COMPRESSION_DONE: u8 = 22;

pub const OSD: u8 = 4;
pub const CLIENT: u8 = 8;

/// A register over `bytes`, without the final inversion.
pub fn crc(seed: u32, bytes: &[u8]) -> u32 {
    !crc32c::crc32c_append(!seed, bytes)
}

/// Appends numbers and bytes.
#[derive(Default, Clone)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    pub fn u8(mut self, n: u8) -> Self {
        self.0.push(n);
        self
    }

    pub fn u32(mut self, n: u32) -> Self {
        self.0.extend(n.to_le_bytes());
        self
    }

    pub fn u64(mut self, n: u64) -> Self {
        self.0.extend(n.to_le_bytes());
        self
    }

    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub fn blob(self, bytes: &[u8]) -> Self {
        self.u32(u32::try_from(bytes.len()).unwrap()).raw(bytes)
    }

    /// An address of that type, in msgr2's form.
    pub fn addr(self, kind: u32, nonce: u32, at: SocketAddr) -> Self {
        let SocketAddr::V4(at) = at else {
            panic!("{at}");
        };
        self.raw(&[1, 1, 1])
            .u32(28)
            .u32(kind)
            .u32(nonce)
            .u32(16)
            .raw(&[2, 0])
            .raw(&at.port().to_be_bytes())
            .raw(&at.ip().octets())
            .raw(&[0; 8])
    }

    pub fn addr_vec(self, kind: u32, nonce: u32, at: SocketAddr) -> Self {
        self.u8(2).u32(1).addr(kind, nonce, at)
    }
}

pub fn bytes() -> Bytes {
    Bytes::default()
}

pub fn banner(features: u64) -> Vec<u8> {
    bytes().raw(b"ceph v2\n\x10\0").u64(features).u64(0).0
}

/// A preamble with its crc.
pub fn preamble(tag: u8, count: u8, lens: [u32; 4], flags: u8) -> Vec<u8> {
    let mut out = bytes().u8(tag).u8(count);
    for (index, len) in lens.into_iter().enumerate() {
        let align = if index < usize::from(count) { 8 } else { 0 };
        out = out.u32(len).raw(&[align, 0]);
    }
    let out = out.u8(flags).u8(0);
    let sum = crc(0, &out.0);
    out.u32(sum).0
}

/// A frame of those segments.
pub fn frame(revision: Revision, tag: u8, segments: &[&[u8]], flags: u8) -> Vec<u8> {
    let mut lens = [0; 4];
    let mut crcs = [0; 4];
    for (index, segment) in segments.iter().enumerate() {
        lens[index] = u32::try_from(segment.len()).unwrap();
        crcs[index] = crc(u32::MAX, segment);
    }
    let count = u8::try_from(segments.len()).unwrap();
    let mut out = Bytes(preamble(tag, count, lens, flags)).raw(segments[0]);
    if revision == Revision::One && !segments[0].is_empty() {
        out = out.u32(crcs[0]);
    }
    for segment in &segments[1..] {
        out = out.raw(segment);
    }
    match (revision, count) {
        (Revision::Zero, _) => crcs.into_iter().fold(out.u8(0), Bytes::u32).0,
        (Revision::One, 1) => out.0,
        (Revision::One, _) => {
            crcs[1..]
                .iter()
                .fold(out.u8(0x0e), |out, crc| out.u32(*crc))
                .0
        }
    }
}

/// A frame of one segment.
pub fn control(revision: Revision, tag: u8, payload: &[u8]) -> Vec<u8> {
    frame(revision, tag, &[payload], 0)
}

/// A message's header.
pub fn header(seq: u64, ack_seq: u64) -> Vec<u8> {
    bytes()
        .u64(seq)
        .u64(1)
        .raw(&[2, 0, 127, 0, 1, 0])
        .raw(&[0; 6])
        .u64(ack_seq)
        .raw(&[3, 1, 0, 0, 0])
        .0
}

/// A payload that is right for a frame of that tag, to the end that listens there.
pub fn sample(tag: u8, at: SocketAddr) -> Vec<u8> {
    let from: SocketAddr = "127.0.0.1:0".parse().unwrap();
    match tag {
        HELLO => bytes().u8(CLIENT).addr(2, 0, at).0,
        AUTH_REQUEST => auth_request(),
        AUTH_BAD_METHOD => bytes().u32(1).u32(-13_i32 as u32).u32(0).u32(0).0,
        AUTH_REPLY_MORE | AUTH_REQUEST_MORE => bytes().blob(b"more").0,
        AUTH_DONE => bytes().u64(7).u32(1).blob(b"").0,
        AUTH_SIGNATURE => vec![0; 32],
        CLIENT_IDENT => client_ident(at, 1, 0),
        SERVER_IDENT => server_ident(at, 1, 0),
        IDENT_MISSING_FEATURES
        | SESSION_RETRY
        | SESSION_RETRY_GLOBAL
        | SESSION_RECONNECT_OK
        | ACK => bytes().u64(0).0,
        SESSION_RECONNECT => {
            let out = bytes().addr_vec(2, 5, from);
            (0..5).fold(out, |out, _| out.u64(1)).0
        }
        SESSION_RESET => vec![1],
        WAIT => Vec::new(),
        MESSAGE => header(1, 0),
        KEEPALIVE2 | KEEPALIVE2_ACK => bytes().u32(1).u32(2).0,
        COMPRESSION_REQUEST | COMPRESSION_DONE => bytes().u8(0).u32(0).0,
        _ => vec![0; 8],
    }
}

/// Method none, as a client of that name.
pub fn auth_request() -> Vec<u8> {
    let payload = bytes().u8(1).u32(8).blob(b"mallory").u64(0).0;
    bytes().u32(1).u32(1).u32(1).blob(&payload).0
}

pub fn client_ident(target: SocketAddr, flags: u64, cookie: u64) -> Vec<u8> {
    let from: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let out = bytes().addr_vec(3, 4711, from).addr(2, 0, target);
    out.u64(1)
        .u64(1)
        .u64(u64::MAX >> 2)
        .u64(0)
        .u64(flags)
        .u64(cookie)
        .0
}

pub fn server_ident(own: SocketAddr, flags: u64, cookie: u64) -> Vec<u8> {
    let out = bytes().addr_vec(2, 0, own);
    out.u64(0)
        .u64(1)
        .u64(u64::MAX >> 2)
        .u64(0)
        .u64(flags)
        .u64(cookie)
        .0
}

/// Banner features of a revision, with compression spoken of.
pub fn features(revision: Revision) -> u64 {
    match revision {
        Revision::One => 3,
        Revision::Zero => 2,
    }
}

/// All that a dialler says until it has a session, without listening: with method
/// none nothing of it follows from what the acceptor says.
pub fn dialler(revision: Revision, target: SocketAddr) -> Vec<Vec<u8>> {
    let tags = [
        HELLO,
        AUTH_REQUEST,
        AUTH_SIGNATURE,
        COMPRESSION_REQUEST,
        CLIENT_IDENT,
    ];
    let frames = tags.map(|tag| control(revision, tag, &sample(tag, target)));
    [vec![banner(features(revision))], frames.to_vec()].concat()
}

/// The same of an acceptor at that address. `cookie` names a session, if any.
pub fn acceptor(revision: Revision, own: SocketAddr, cookie: u64) -> Vec<Vec<u8>> {
    let hello = bytes().u8(OSD).addr(2, 0, own).0;
    let lossy = u64::from(cookie == 0);
    let frames = [
        (HELLO, hello),
        (AUTH_DONE, sample(AUTH_DONE, own)),
        (AUTH_SIGNATURE, vec![0; 32]),
        (COMPRESSION_DONE, sample(COMPRESSION_DONE, own)),
        (SERVER_IDENT, server_ident(own, lossy, cookie)),
    ];
    let frames = frames.map(|(tag, payload)| control(revision, tag, &payload));
    [vec![banner(features(revision))], frames.to_vec()].concat()
}
