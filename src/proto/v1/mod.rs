//! The first messenger protocol, which old clients speak and monitors still
//! listen for.
//!
//! ```text
//!   dialler                     acceptor
//!   banner ──────────────►◄──── banner, own address, dialler's address
//!   own address ─────────►
//!   CONNECT, authorizer ─►
//!                          ◄─── reply: try again so, or READY, or SEQ and in_seq
//!   in_seq after SEQ ────►
//!   MSG, ACK, KEEPALIVE2 ►◄──── the same
//! ```
//!
//! A session has no name: two ends go by counts of attempts to know which of
//! them is meant. [`replace`] has these rules, [`connect`] and [`accept`] the
//! handshake's states, [`records`] its bytes.

mod accept;
mod connect;
mod records;
mod replace;
mod signatures;
#[cfg(test)]
mod vectors;

pub use accept::{Accepting, Request};
pub use connect::{Connecting, Dialled};
pub use records::{ConnectReply, Expected, FLAG_LOSSY, Record, Tag};
pub use replace::{Asked, Existing, decide};
pub use signatures::Signatures;

use std::net::SocketAddr;

use super::auth::{Agreed, Answer, AuthContext, ConMode};
use super::config::ProtocolConfig;
use super::fault::Fault;
use super::frame::LegacyForm;
use super::handshake::Context;
use crate::types::{AddrType, EntityAddr, EntityAddrVec, EntityName, EntityType};

/// A session that begins behind a reset may number its messages from anywhere
/// below: what was signed with the same key before is not mistaken for its own.
pub const MAX_FIRST_SEQ: u64 = 1 << 31;

/// A handshake under way.
pub enum Handshake {
    /// On a connection we dialled.
    Connect(Connecting),
    /// On a connection we accepted.
    Accept(Accepting),
}

/// What a record leads to.
pub enum Step<S> {
    /// On with the handshake.
    Next(S),
    /// It is done, and messages travel so.
    Open(LegacyForm),
    /// The dialler asks for a session; what becomes of that is decided where
    /// all sessions are known.
    Ask(Box<Request>),
}

impl Handshake {
    /// What comes next.
    pub const fn expects(&self) -> Expected {
        match self {
            Self::Connect(state) => state.expects(),
            Self::Accept(state) => state.expects(),
        }
    }

    /// It has come.
    pub fn handle(self, record: Record, context: &mut Context<'_>) -> Result<Step<Self>, Fault> {
        Ok(match self {
            Self::Connect(state) => state.handle(record, context)?.map(Self::Connect),
            Self::Accept(state) => state.handle(record, context)?.map(Self::Accept),
        })
    }

    /// What the host says to the question that it was asked.
    pub fn handle_auth(
        self,
        answer: Answer,
        context: &mut Context<'_>,
    ) -> Result<Step<Self>, Fault> {
        Ok(match self {
            Self::Connect(state) => state.handle_auth(answer, context)?.map(Self::Connect),
            Self::Accept(state) => state.handle_auth(answer, context)?.map(Self::Accept),
        })
    }

    /// True while the host is asked: what the peer says meanwhile must wait.
    pub const fn awaits_host(&self) -> bool {
        matches!(
            self,
            Self::Connect(Connecting::AskingHost(..)) | Self::Accept(Accepting::AskingHost(..))
        )
    }

    /// True once the dialler has been granted a session: only its word on what
    /// it has received is missing.
    pub const fn is_granted(&self) -> bool {
        matches!(self, Self::Accept(Accepting::Seq(_)))
    }

    /// See [`Connecting::connect_seq`].
    pub const fn connect_seq(&self) -> Option<u32> {
        match self {
            Self::Connect(state) => state.connect_seq(),
            Self::Accept(_) => None,
        }
    }

    /// Ceph's name for the state.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Connect(state) => state.name(),
            Self::Accept(state) => state.name(),
        }
    }
}

impl<S> Step<S> {
    fn map<T>(self, wrap: impl FnOnce(S) -> T) -> Step<T> {
        match self {
            Self::Next(state) => Step::Next(wrap(state)),
            Self::Open(form) => Step::Open(form),
            Self::Ask(request) => Step::Ask(request),
        }
    }
}

/// The version that we and a peer of that type must both speak.
pub fn version_with(config: &ProtocolConfig, peer: EntityType, acceptor: EntityType) -> u32 {
    let among_equals = config.name.kind == peer;
    if let Some(version) = config.cluster_protocol.filter(|_| among_equals) {
        return version;
    }
    match (acceptor, among_equals) {
        (EntityType::MON, true) => 13,
        (EntityType::OSD, true) => 10,
        (EntityType::MDS, true) => 36,
        (EntityType::MON, false) => 15,
        (EntityType::OSD, false) => 24,
        (EntityType::MDS, false) => 32,
        _ => 0,
    }
}

/// May connections to that peer go unencrypted? There is nothing else in v1.
fn is_allowed(auth: AuthContext<'_>) -> bool {
    auth.modes.contains(&ConMode::Crc)
}

/// What is known of a peer that has not been asked who it is.
const fn anonymous() -> Agreed {
    Agreed::unproved(0, None)
}

/// Whom our messages are said to come from.
pub fn own_name(config: &ProtocolConfig) -> EntityName {
    EntityName::new(config.name.kind, config.own_number())
}

/// A count as this wire carries it.
pub fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Which of our addresses somebody must have dialled who was accepted there: one that
/// speaks v1 and is just that, or, for a wildcard or behind a translation of
/// addresses, has its port, or at least its family.
pub fn dialled_address(local: &EntityAddrVec, at: SocketAddr) -> EntityAddr {
    let fitting = |fits: &dyn Fn(SocketAddr) -> bool| {
        let mut ours = legacy(local);
        ours.find(|addr| addr.socket.is_some_and(fits)).copied()
    };
    fitting(&|own| own == at)
        .or_else(|| fitting(&|own| own.port() == at.port() && same_family(own, at)))
        .unwrap_or_else(|| own_address(local, Some(at)))
}

/// What of our addresses a peer at that one is told: the first of its family that
/// speaks v1, or, for a process that listens for none, its IP and nonce alone.
pub fn own_address(local: &EntityAddrVec, peer: Option<SocketAddr>) -> EntityAddr {
    let is_near = |addr: &&EntityAddr| match (addr.socket, peer) {
        (Some(own), Some(peer)) => same_family(own, peer),
        _ => false,
    };
    if let Some(own) = legacy(local).find(is_near).or_else(|| legacy(local).next()) {
        return *own;
    }
    let front = local.front();
    let mut socket = front.socket;
    if let Some(socket) = &mut socket {
        socket.set_port(0);
    }
    EntityAddr {
        kind: AddrType::Legacy,
        nonce: front.nonce,
        socket,
    }
}

fn legacy(addrs: &EntityAddrVec) -> impl Iterator<Item = &EntityAddr> {
    addrs.0.iter().filter(|addr| addr.kind == AddrType::Legacy)
}

const fn same_family(one: SocketAddr, other: SocketAddr) -> bool {
    one.is_ipv4() == other.is_ipv4()
}
