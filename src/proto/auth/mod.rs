//! Who a peer is, and how both ends prove it.
//!
//! A [`Dialogue`] is the dialler's part of one authentication, an
//! [`Examination`] the acceptor's. Neither knows frames or records: the
//! handshakes of both protocols carry their payloads. What they need of keys
//! and tickets they take from a [`KeyStore`]. A host that brings a method of its
//! own is asked by a [`Question`] and may take its time.

pub mod cephx;
mod dialogue;
mod examination;
mod host;
mod key_store;
mod mon_auth;
mod none;
mod signature;

pub use cephx::{CephxError, CryptoKey};
pub use dialogue::{Dialogue, Said};
pub use examination::{Examination, Verdict};
pub use host::{Answer, Question};
pub use key_store::{KeyStore, NoKeys, PERMANENT};
pub use mon_auth::{AuthWant, MonAuth, Progress};
pub use none::is_login;
pub use signature::{SIGNATURE_LEN, is_signature, signature};

use std::fmt;
use std::sync::Arc;

use super::codec::DecodeError;
use crate::types::{AuthName, EntityType, Entropy, NoEntropy, Secret, WallTime};

/// How frames travel after authentication.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConMode {
    /// Readable, guarded against accidents.
    Crc,
    /// Encrypted.
    Secure,
}

impl ConMode {
    /// Its number on the wire.
    pub const fn code(self) -> u32 {
        match self {
            Self::Crc => 1,
            Self::Secure => 2,
        }
    }

    /// The mode of that number.
    pub const fn from_code(code: u32) -> Option<Self> {
        match code {
            1 => Some(Self::Crc),
            2 => Some(Self::Secure),
            _ => None,
        }
    }

    /// Bytes of connection secret that it takes.
    pub const fn secret_len(self) -> usize {
        match self {
            Self::Crc => 0,
            Self::Secure => 64,
        }
    }
}

/// The number of authentication method none.
pub const METHOD_NONE: u32 = 1;
/// The number of cephx.
pub const METHOD_CEPHX: u32 = 2;

/// A method's name for people.
pub fn method_name(method: u32) -> &'static str {
    match method {
        METHOD_NONE => "none",
        METHOD_CEPHX => "cephx",
        4 => "gss",
        _ => "unknown",
    }
}

/// All the services that there are tickets for.
pub const ALL_SERVICES: u32 = 0x37;

/// What authentication of a messenger's connections works with.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// Methods between daemons, the preferred one first.
    pub cluster: Vec<u32>,
    /// Methods of a daemon towards its clients.
    pub service: Vec<u32>,
    /// Methods of a client.
    pub client: Vec<u32>,
    /// Where keys and tickets are.
    pub keys: Arc<dyn KeyStore>,
    /// The services that a monitor is asked tickets for: the bits of their types.
    pub services: u32,
    /// Where challenges and session keys come from.
    pub entropy: Entropy,
    /// The host authenticates: it is asked everything.
    pub by_host: bool,
    /// A dialler that says nothing at all of itself is let in all the same, as
    /// nobody. Ceph does so for the heartbeats of old OSDs.
    pub takes_anonymous: bool,
}

impl Default for AuthConfig {
    /// Method none, and nothing to prove anything by.
    fn default() -> Self {
        let none = vec![METHOD_NONE];
        Self {
            cluster: none.clone(),
            service: none.clone(),
            client: none,
            keys: Arc::new(NoKeys),
            services: ALL_SERVICES,
            entropy: Entropy::new(|_| Err(NoEntropy)),
            by_host: false,
            takes_anonymous: false,
        }
    }
}

impl AuthConfig {
    /// The methods that will do between us and a peer, whoever dials.
    pub fn methods(&self, local: EntityType, peer: EntityType) -> &[u32] {
        match (local.is_daemon(), peer.is_daemon()) {
            (true, true) => &self.cluster,
            (true, false) => &self.service,
            (false, _) => &self.client,
        }
    }
}

/// What both parts of an authentication look at.
#[derive(Clone, Copy)]
pub struct AuthContext<'a> {
    /// Methods, keys, randomness.
    pub auth: &'a AuthConfig,
    /// Who we are.
    pub name: &'a AuthName,
    /// What the peer is, or says it is.
    pub peer_type: EntityType,
    /// Connection modes allowed with it, the preferred one first.
    pub modes: &'a [ConMode],
    /// For the age of tickets.
    pub now: WallTime,
}

impl<'a> AuthContext<'a> {
    /// The methods that will do.
    pub fn methods(&self) -> &'a [u32] {
        self.auth.methods(self.name.kind, self.peer_type)
    }

    /// The modes that some method that will do can run in.
    pub fn allowed_modes(&self) -> Vec<u32> {
        let methods = self.methods();
        let best = methods.iter().find(|method| **method != METHOD_NONE);
        self.modes_of(best.copied().unwrap_or(METHOD_NONE))
    }

    /// The modes that a method can run in.
    pub fn modes_of(&self, method: u32) -> Vec<u32> {
        let secrets = method != METHOD_NONE;
        let modes = self
            .modes
            .iter()
            .filter(|mode| secrets || **mode == ConMode::Crc);
        modes.map(|mode| mode.code()).collect()
    }
}

/// What an authentication has brought.
#[derive(Clone, Debug)]
pub struct Agreed {
    /// The dialler's number in the cluster.
    pub global_id: u64,
    /// The peer, if it has proved or, by method none, claimed to be that.
    pub name: Option<AuthName>,
    /// True if the name is proved.
    pub is_proved: bool,
    /// What it may do, in the words of its service.
    pub caps: Vec<u8>,
    /// Signs the handshake.
    pub session_key: Option<SessionKey>,
    /// Where mode secure takes its keys from.
    pub connection_secret: Option<Secret>,
}

/// What is left of it once the connection is safe: who the other end is, and how
/// frames travel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// As in [`Agreed`].
    pub global_id: u64,
    /// As in [`Agreed`].
    pub name: Option<AuthName>,
    /// As in [`Agreed`].
    pub is_proved: bool,
    /// As in [`Agreed`].
    pub caps: Vec<u8>,
    /// How frames travel.
    pub mode: ConMode,
}

impl Identity {
    /// The number to know a dialler of that type by, given the one that it claims:
    /// what it has proved comes first.
    pub fn number(&self, peer_type: EntityType, claimed: i64) -> Result<i64, AuthFault> {
        let proved = match &self.name {
            Some(name) if self.is_proved => name.entity_name().num,
            // One that has just been given its number may not know it yet.
            _ if claimed < 0 && peer_type == EntityType::CLIENT && self.global_id > 0 => {
                return Ok(i64::try_from(self.global_id).unwrap_or(claimed));
            }
            _ => return Ok(claimed),
        };
        match peer_type {
            EntityType::CLIENT => Ok(i64::try_from(self.global_id).unwrap_or(claimed)),
            EntityType::OSD if proved >= 0 && proved != claimed => {
                Err(AuthFault::OtherNumber(claimed, proved))
            }
            _ => Ok(claimed),
        }
    }
}

impl Agreed {
    /// Nothing but a number: nobody has proved anything.
    pub const fn unproved(global_id: u64, name: Option<AuthName>) -> Self {
        Self {
            global_id,
            name,
            is_proved: false,
            caps: Vec::new(),
            session_key: None,
            connection_secret: None,
        }
    }

    /// Forgets the keys.
    pub fn identity(self, mode: ConMode) -> Identity {
        Identity {
            global_id: self.global_id,
            name: self.name,
            is_proved: self.is_proved,
            caps: self.caps,
            mode,
        }
    }
}

/// A key that both ends know and nobody else.
#[derive(Clone, Debug)]
pub enum SessionKey {
    /// Of cephx.
    Cephx(CryptoKey),
    /// Of a method of the host's.
    Host(Secret),
}

impl SessionKey {
    /// Its bytes.
    pub fn expose(&self) -> &[u8] {
        match self {
            Self::Cephx(key) => key.secret(),
            Self::Host(secret) => secret.expose(),
        }
    }
}

/// Why two ends could not come to know each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AuthFault {
    /// No mode is allowed that the method could run in.
    NoMode(u32),
    /// There is no method that both ends have; of ours none is left.
    NoMethod,
    /// The protocol of the address that was dialled is never encrypted, and nothing
    /// else will do.
    Readable,
    /// The acceptor takes that method, but in no mode of ours.
    OtherModes(u32),
    /// The acceptor declined that method with that errno.
    Refused(u32, i32),
    /// Declined in the middle of it: who we say we are was not believed.
    Denied(u32, i32),
    /// The host gave up, with that errno.
    Host(i32),
    /// The host answered something that was not asked.
    Answer,
    /// Mode secure, and the method brought no secret for it.
    NoSecret,
    /// There are no random bytes.
    NoEntropy,
    /// What a dialler said first makes no sense.
    Malformed(DecodeError),
    /// There is no key of ours to prove anything by.
    NoKey,
    /// Cephx fails, here.
    Cephx(CephxError),
    /// The peer is of another type than it said first.
    OtherType(EntityType, EntityType),
    /// The peer has another number than it says.
    OtherNumber(i64, i64),
}

impl fmt::Display for AuthFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMode(method) => {
                let method = method_name(*method);
                write!(
                    f,
                    "no connection mode is allowed that goes with auth {method}"
                )
            }
            Self::Readable => f.write_str("msgr v1 has no connection mode that is allowed here"),
            Self::OtherModes(method) => {
                let method = method_name(*method);
                write!(
                    f,
                    "peer takes auth {method}, but in no connection mode that is allowed here"
                )
            }
            Self::NoMethod => f.write_str("no authentication method in common with the peer"),
            Self::Refused(method, errno) => {
                let method = method_name(*method);
                write!(f, "peer does not take auth {method} (error {errno})")
            }
            Self::Denied(method, errno) => {
                let method = method_name(*method);
                write!(
                    f,
                    "peer denied auth {method}: wrong key, or unknown to it (error {errno})"
                )
            }
            Self::Host(errno) => write!(f, "authentication given up with error {errno}"),
            Self::Answer => f.write_str("authentication was answered out of turn"),
            Self::NoSecret => f.write_str("mode secure without a connection secret"),
            Self::NoEntropy => fmt::Display::fmt(&NoEntropy, f),
            Self::Malformed(why) => write!(f, "malformed authentication payload: {why}"),
            Self::NoKey => f.write_str("auth cephx without a key of our own: set keyring or key"),
            Self::Cephx(why) => write!(f, "auth cephx: {why}"),
            Self::OtherNumber(said, is) => {
                write!(
                    f,
                    "peer says it is number {said}, and has proved to be {is}"
                )
            }
            Self::OtherType(said, is) => write!(f, "peer said it is a {said}, and is a {is}"),
        }
    }
}

impl From<CephxError> for AuthFault {
    fn from(why: CephxError) -> Self {
        Self::Cephx(why)
    }
}

impl From<NoEntropy> for AuthFault {
    fn from(_: NoEntropy) -> Self {
        Self::NoEntropy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proved(name: &str) -> Identity {
        Agreed {
            is_proved: true,
            ..Agreed::unproved(4711, name.parse().ok())
        }
        .identity(ConMode::Crc)
    }

    #[test]
    fn a_number_that_is_proved_comes_before_the_one_that_is_claimed() {
        let number = |name: &str, kind, claimed| proved(name).number(kind, claimed);
        assert_eq!(number("client.alice", EntityType::CLIENT, 1), Ok(4711));
        assert_eq!(number("osd.3", EntityType::OSD, 3), Ok(3));
        let other = AuthFault::OtherNumber(4, 3);
        assert_eq!(number("osd.3", EntityType::OSD, 4), Err(other));
        assert_eq!(number("mon.", EntityType::MON, 1), Ok(1));
        let claims = Agreed::unproved(0, "osd.3".parse().ok()).identity(ConMode::Crc);
        assert_eq!(claims.number(EntityType::OSD, 9), Ok(9));
    }
}
