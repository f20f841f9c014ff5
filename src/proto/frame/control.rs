//! Payloads of control frames: one table.
//!
//! Numbers and flags must fill their payload exactly. The payloads that Ceph
//! extends from release to release (HELLO, AUTH_*, COMPRESSION_* and *_IDENT) may
//! go on after the fields known here, and what follows is ignored, as Ceph
//! ignores it.

use crate::proto::codec::{DecodeError, Field, Reader};
use crate::types::{EntityAddr, EntityAddrVec, EntityType, WallTime};

use super::preamble::Tag;

/// A control frame's payload.
pub trait Control: Sized {
    /// The frame it travels in.
    const TAG: Tag;
    /// True if bytes after the known fields are ignored.
    const EXTENSIBLE: bool;

    /// Appends its fields.
    fn encode(&self, out: &mut Vec<u8>);

    /// Takes its fields.
    fn fields(from: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// Reads a whole payload.
    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut from = Reader::new(payload);
        let control = Self::fields(&mut from)?;
        if Self::EXTENSIBLE || from.rest().is_empty() {
            Ok(control)
        } else {
            Err(DecodeError("there are bytes after its end"))
        }
    }
}

macro_rules! control {
    ($($(#[$doc:meta])* $name:ident $strictness:ident {
        $($(#[$field_doc:meta])* $field:ident: $kind:ty,)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $kind,)*
        }

        impl Control for $name {
            const TAG: Tag = Tag::$name;
            const EXTENSIBLE: bool = control!($strictness);

            fn encode(&self, out: &mut Vec<u8>) {
                $(self.$field.encode(out);)*
            }

            fn fields(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self { $($field: from.field::<$kind>()?,)* })
            }
        }
    )*};
    (extensible) => { true };
    (exact) => { false };
}

control! {
    /// Both ends' first frame.
    Hello extensible {
        /// The sender's type.
        entity_type: EntityType,
        /// The receiver's address as the sender sees it.
        peer_addr: EntityAddr,
    }
    /// The dialler offers a method.
    AuthRequest extensible {
        /// Its number.
        method: u32,
        /// Connection modes, the preferred one first.
        preferred_modes: Vec<u32>,
        /// What the method has to say first.
        payload: Vec<u8>,
    }
    /// The acceptor declines.
    AuthBadMethod extensible {
        /// What was offered.
        method: u32,
        /// A negative errno.
        result: i32,
        /// Methods that would do.
        allowed_methods: Vec<u32>,
        /// Modes that would do.
        allowed_modes: Vec<u32>,
    }
    /// The acceptor's part of another round.
    AuthReplyMore extensible {
        /// What the method says.
        payload: Vec<u8>,
    }
    /// The dialler's part of another round.
    AuthRequestMore extensible {
        /// What the method says.
        payload: Vec<u8>,
    }
    /// The acceptor is satisfied.
    AuthDone extensible {
        /// The dialler's number in the cluster.
        global_id: u64,
        /// The connection mode chosen.
        con_mode: u32,
        /// The method's last word.
        payload: Vec<u8>,
    }
    /// Both ends prove what they have seen; zeros without a session key.
    AuthSignature extensible {
        /// HMAC-SHA256.
        signature: [u8; 32],
    }
    /// The dialler asks for a session.
    ClientIdent extensible {
        /// All addresses of the dialler.
        addrs: EntityAddrVec,
        /// The address it dialled.
        target: EntityAddr,
        /// Its number among its type.
        gid: i64,
        /// Its count of attempts.
        global_seq: u64,
        /// Features it has.
        supported_features: u64,
        /// Features it insists on.
        required_features: u64,
        /// See [`FLAG_LOSSY`].
        flags: u64,
        /// Names the session; 0 if lossy.
        cookie: u64,
    }
    /// The acceptor grants it.
    ServerIdent extensible {
        /// All addresses of the acceptor.
        addrs: EntityAddrVec,
        /// Its number among its type.
        gid: i64,
        /// Its count of attempts.
        global_seq: u64,
        /// Features it has.
        supported_features: u64,
        /// Features it insists on.
        required_features: u64,
        /// See [`FLAG_LOSSY`].
        flags: u64,
        /// Names the session; 0 if lossy.
        cookie: u64,
    }
    /// The acceptor insists on features the dialler lacks.
    IdentMissingFeatures exact {
        /// Which.
        features: u64,
    }
    /// The dialler wants to go on with a session.
    SessionReconnect exact {
        /// All addresses of the dialler.
        addrs: EntityAddrVec,
        /// The session's name at its dialler.
        client_cookie: u64,
        /// The session's name at its acceptor.
        server_cookie: u64,
        /// The dialler's count of attempts.
        global_seq: u64,
        /// Its count of attempts in this session.
        connect_seq: u64,
        /// The last message it has received.
        msg_seq: u64,
    }
    /// The session goes on.
    SessionReconnectOk exact {
        /// The last message the acceptor has received.
        msg_seq: u64,
    }
    /// The acceptor has seen a later attempt of this session.
    SessionRetry exact {
        /// That attempt's count.
        connect_seq: u64,
    }
    /// The acceptor has seen a later attempt of this peer.
    SessionRetryGlobal exact {
        /// That attempt's count.
        global_seq: u64,
    }
    /// The acceptor knows no such session.
    SessionReset exact {
        /// Everything is to be forgotten.
        full: bool,
    }
    /// Asks for a sign of life.
    Keepalive2 exact {
        /// The asker's time.
        stamp: WallTime,
    }
    /// Gives it.
    Keepalive2Ack exact {
        /// The asker's time.
        stamp: WallTime,
    }
    /// The dialler says whether it wants frames compressed.
    CompressionRequest extensible {
        /// It does.
        is_compress: bool,
        /// Algorithms it has, the preferred one first.
        preferred_algorithms: Vec<u32>,
    }
    /// The acceptor decides.
    CompressionDone extensible {
        /// Frames may be compressed.
        is_compress: bool,
        /// With this.
        algorithm: u32,
    }
    /// Messages have arrived.
    Ack exact {
        /// Up to this one.
        seq: u64,
    }
}

/// The acceptor's own attempt is the one to survive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wait;

impl Control for Wait {
    const TAG: Tag = Tag::Wait;
    const EXTENSIBLE: bool = false;

    fn encode(&self, _: &mut Vec<u8>) {}

    fn fields(_: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self)
    }
}

/// In `flags` of the idents: a fault ends the session.
pub const FLAG_LOSSY: u64 = 1;
