//! One connection: link states, session, timers, back-off, and the way in and
//! out.
//!
//! ```text
//!   connect ── start ──► Dialling ──► Handshake ─────────────► Open
//!                          ▲  ▲ │        │                    ▲ │
//!                 back-off │  │ ▼ fault  ▼                    │ │ fault
//!                          └──┼─ Backoff ◄─┘                  │ │
//!                    message  │                               │ │ lossless:
//!                             └── Standby ◄───────────────────┼─┤ dial, rest
//!                                    │                        │ │ or wait
//!                                    │       take_over        │ │
//!                                    └────────────────────────┤ │
//!   accept ──► Handshake ──► Asking ── grant ─────────────────┘ ▼
//!                               └───── refuse, taken over    Closed
//! ```
//!
//! Inputs stand in [`input`], what a fault leads to in [`reaction`], what
//! becomes of a dialler that asks for a session in [`meeting`], and what of all this
//! is different in v1 in [`legacy`].

mod input;
mod legacy;
mod meeting;
mod owner;
mod reaction;
mod status;

use std::io::IoSlice;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::types::{AddrType, EntityAddr, EntityAddrVec, EntityType, Policy, Random, Time};

use super::config::ProtocolConfig;
use super::encoding::Unencoded;
use super::exchange::{Exchange, Wire};
use super::frame::{FrameReader, FrameWriter};
use super::handshake::{self, Accepting, Authenticated, Budget, Handshake, Request};
use super::out_queue::Queued;
use super::output::Clock;
use super::route::route;
use super::session::Session;
use legacy::{LegacyAsking, LegacyAttempt};
use owner::Owner;
pub use status::Status;

/// One connection to one peer, without its socket.
///
/// Inputs are `handle_*`, commands are plain verbs, outputs are `poll_*`. After
/// each input and command, drain the outputs. Once closed, every input is
/// ignored and every output empty.
pub struct Protocol {
    config: Arc<ProtocolConfig>,
    local: EntityAddrVec,
    peer_type: EntityType,
    owner: Owner,
    /// Where the peer can be dialled: as asked for, or as it calls itself.
    peer: EntityAddrVec,
    policy: Policy,
    /// Accepted, and not granted a session yet: nobody above knows of it.
    incoming: bool,
    /// See [`Self::mark_disposable`].
    disposable: bool,
    state: State,
    /// Addresses of the peer at which this attempt has looked for it in vain.
    tried: usize,
    /// At one of them the peer may be all the same.
    overlooked: bool,
    /// The protocol of its last link, as addresses name it.
    speaks: AddrType,
    session: Session,
    /// A keepalive is to go out before the next message.
    keepalive: bool,
    /// Attempts in a row that ended with this end, or the peer, not believed.
    denials: u32,
    /// The last pause between attempts, before jitter; zero after success.
    backoff: Duration,
    /// How far the session had come when it lost its last open link.
    reached: Option<(u64, u64)>,
    random: Random,
    /// What the banners of both ends of the last link support.
    features: u64,
    reader: FrameReader,
    writer: FrameWriter,
}

enum State {
    /// Not started.
    Idle,
    Dialling(Dialling),
    Handshake(Attempt),
    /// A step of the handshake in that state has failed, and the fault follows.
    Failing(&'static str),
    /// The dialler's request waits for a verdict.
    Asking(Box<Asking>),
    /// The same two in v1.
    Legacy(LegacyAttempt),
    LegacyAsking(Box<LegacyAsking>),
    Open(Exchange),
    /// The last attempt failed; the next is due then.
    Backoff(Time),
    /// Without a link, until there is something to send or the peer dials.
    Standby,
    Closed,
}

struct Dialling {
    target: EntityAddr,
    deadline: Time,
}

struct Attempt {
    handshake: Handshake,
    /// What the peer has sent, until it is signed.
    received: Vec<u8>,
    budget: Budget,
    deadline: Time,
}

struct Asking {
    peer: Authenticated,
    request: Request,
    budget: Budget,
    deadline: Time,
}

/// Commands from above.
impl Protocol {
    /// A dialler. Nothing happens before [`Self::start`]. Equal seeds make
    /// equal cookies and pauses.
    pub fn connect(
        config: Arc<ProtocolConfig>,
        local: EntityAddrVec,
        peer_type: EntityType,
        peer: EntityAddrVec,
        seed: u64,
    ) -> Self {
        let policy = *config.policies.get(peer_type);
        Self {
            peer_type,
            owner: Owner::unknown(peer_type),
            peer,
            ..Self::new(config, local, policy, seed)
        }
    }

    /// An acceptor, on a socket from that address. The banner is staged.
    pub fn accept(
        config: Arc<ProtocolConfig>,
        local: EntityAddrVec,
        from: SocketAddr,
        seed: u64,
        now: Time,
    ) -> Self {
        // Its HELLO will tell whom it is and so which policy holds.
        let policy = *config.policies.get(EntityType(0));
        let deadline = now + config.ready_timeout;
        let mut protocol = Self {
            incoming: true,
            ..Self::new(config, local, policy, seed)
        };
        protocol.shake(Handshake::Accept(Accepting::Banner(from)), deadline);
        protocol
    }

    /// Queues a message; it is written once the connection is open. On a closed
    /// connection it is dropped. If [`Self::wants_link`] now, see
    /// [`Self::wake`].
    #[inline]
    pub fn send(&mut self, queued: impl Into<Queued>) {
        if !self.is_closed() {
            self.session.push(queued);
        }
    }

    /// True while messages may come as frames: what is written is forgotten, and the
    /// link has no frames but plain ones.
    pub fn takes_batches(&self) -> bool {
        let lossy = self.policy.lossy && !self.is_closed();
        lossy && matches!(self.state, State::Open(_)) && self.writer.takes_batches()
    }

    /// Asks the peer for a sign of life before the next message goes out.
    pub fn keepalive(&mut self) {
        self.keepalive = !self.is_closed();
    }

    /// Ends it at once and without an event: what is queued is dropped, what
    /// was admitted for a half-read message is unused.
    pub fn mark_down(&mut self) {
        self.close();
    }

    /// From now on the loss of an open link ends the connection, whatever its
    /// policy is. Until then the two ends go on as they have agreed.
    pub fn mark_disposable(&mut self) {
        self.disposable = true;
    }

    /// Leaves nonces for so many records to send and to receive.
    #[cfg(test)]
    pub fn skip_to_last_nonces(&mut self, sent: u64, received: u64) {
        self.writer.skip_to_last(sent);
        self.reader.skip_to_last(received);
    }

    /// Lets the connection stage its bytes in a buffer of the caller's, unless
    /// bytes of its own still wait.
    pub fn lend(&mut self, buffer: &mut Vec<u8>) {
        self.writer.lend(buffer);
    }

    /// Gives the lent buffer back, emptied, if all was written. Otherwise the
    /// connection keeps it until it is, and `buffer` gets an empty one.
    pub fn reclaim(&mut self, buffer: &mut Vec<u8>) {
        self.writer.reclaim(buffer);
    }
}

/// Outputs.
impl Protocol {
    /// Encodes queued messages, fills `slices` with what is to be written next
    /// and returns how many it has filled.
    pub fn poll_transmit<'a>(&'a mut self, now: Clock, slices: &mut [IoSlice<'a>]) -> usize {
        if let State::Open(exchange) = &mut self.state {
            exchange.stage(
                &mut self.writer,
                &mut self.session,
                &mut self.keepalive,
                now,
                self.config.max_message,
            );
        }
        self.writer.fill(slices)
    }

    /// When [`Self::handle_timeout`] is due. While open it moves with every
    /// byte; a timer armed for an earlier answer does no harm.
    pub fn poll_timeout(&self) -> Option<Time> {
        match &self.state {
            State::Idle | State::Failing(_) | State::Standby | State::Closed => None,
            State::Dialling(dialling) => Some(dialling.deadline),
            State::Handshake(attempt) => Some(attempt.deadline),
            State::Asking(asking) => Some(asking.deadline),
            State::Legacy(attempt) => Some(attempt.deadline),
            State::LegacyAsking(asking) => Some(asking.deadline),
            State::Open(exchange) => {
                Some(exchange.poll_timeout(&self.config, &self.reader, &self.writer, &self.session))
            }
            State::Backoff(until) => Some(*until),
        }
    }

    /// Budget admitted for frames of which no message came. Ask after each
    /// input, and when dropping the connection; each byte is reported once.
    pub fn take_unused_admission(&mut self) -> u64 {
        self.reader.take_unused()
    }

    /// Payload bytes of sent messages that were let go of since the last call:
    /// acknowledged, or written where nobody acknowledges. Those by which messages
    /// have grown, being encoded, are taken off.
    pub fn take_released(&mut self) -> i64 {
        self.session.take_released()
    }

    /// Messages that were dropped in [`Self::poll_transmit`] since the last call.
    pub fn take_unencoded(&mut self) -> Vec<Unencoded> {
        self.session.take_unencoded()
    }

    /// True while staged bytes or, once open, anything queued remains.
    pub fn has_unsent(&self) -> bool {
        let queued = match &self.state {
            State::Open(exchange) => {
                self.keepalive || exchange.owes_frame() || self.session.has_queued()
            }
            _ => false,
        };
        queued || !self.writer.is_empty()
    }

    /// True while it rests though there is something to send: see [`Self::wake`].
    pub fn wants_link(&self) -> bool {
        matches!(self.state, State::Standby)
            && !self.policy.server
            && self.session.has_queued()
            && self.target().is_some()
    }

    /// True while a refused payload is in the way of everything behind it.
    pub const fn is_waiting_for_admission(&self) -> bool {
        self.reader.is_waiting()
    }

    /// True while the host is asked who the peer is: see [`Self::handle_auth`].
    pub const fn awaits_host(&self) -> bool {
        match &self.state {
            State::Handshake(attempt) => attempt.handshake.awaits_host(),
            State::Legacy(attempt) => attempt.handshake.awaits_host(),
            _ => false,
        }
    }

    /// The protocol that it speaks, as addresses name it.
    pub const fn speaks(&self) -> AddrType {
        self.speaks
    }

    /// True from the end of the handshake to the end of the link.
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// True for an acceptor whose dialler has no session yet.
    pub const fn is_incoming(&self) -> bool {
        self.incoming
    }

    /// True once it is over for good.
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Ceph's name for the state; back-off and asking, which have none there,
    /// get one.
    pub const fn state_name(&self) -> &'static str {
        match &self.state {
            State::Idle => "NONE",
            State::Dialling(_) => "START_CONNECT",
            State::Handshake(attempt) => attempt.handshake.name(),
            State::Failing(name) => name,
            State::Asking(_) => "SESSION_ACCEPTING",
            State::Legacy(attempt) => attempt.handshake.name(),
            State::LegacyAsking(_) => "ACCEPTING_WAIT_CONNECT_MSG_AUTH",
            State::Open(_) => "READY",
            State::Backoff(_) => "BACKOFF",
            State::Standby => "STANDBY",
            State::Closed => "CLOSED",
        }
    }
}

impl Protocol {
    fn new(config: Arc<ProtocolConfig>, local: EntityAddrVec, policy: Policy, seed: u64) -> Self {
        let crcs = config.crc_data;
        Self {
            config,
            local,
            peer_type: EntityType(0),
            owner: Owner::unknown(EntityType(0)),
            peer: EntityAddrVec::default(),
            policy,
            incoming: false,
            disposable: false,
            state: State::Idle,
            tried: 0,
            overlooked: false,
            speaks: AddrType::Msgr2,
            session: Session::default(),
            keepalive: false,
            denials: 0,
            backoff: Duration::ZERO,
            reached: None,
            random: Random::new(seed),
            features: 0,
            reader: FrameReader::new(crcs),
            writer: FrameWriter::new(crcs),
        }
    }

    /// Where to dial, if that is possible at all.
    fn target(&self) -> Option<EntityAddr> {
        self.route().nth(self.tried).copied()
    }

    /// Where the peer may be. A session goes on in the protocol that it began in.
    fn route(&self) -> impl Iterator<Item = &EntityAddr> {
        let spoken: &[AddrType] = match self.speaks {
            _ if !self.has_session() => &[AddrType::Msgr2, AddrType::Legacy],
            AddrType::Legacy => &[AddrType::Legacy],
            _ => &[AddrType::Msgr2],
        };
        route(&self.local, &self.peer, spoken)
    }

    /// The next attempt begins with the first address.
    const fn begin_route(&mut self) {
        (self.tried, self.overlooked) = (0, false);
    }

    /// Is there a session with the peer that could go on?
    fn has_session(&self) -> bool {
        match self.speaks {
            AddrType::Legacy => self.session.connect_seq != 0,
            _ => self.session.server_cookie != 0,
        }
    }

    fn shake(&mut self, handshake: Handshake, deadline: Time) {
        handshake::send_banner(&self.config, &mut self.writer);
        self.state = State::Handshake(Attempt {
            handshake,
            received: Vec::new(),
            budget: Budget::of(self.config.handshake),
            deadline,
        });
    }

    /// Does the loss of an open link end it?
    const fn ends_with_its_link(&self) -> bool {
        self.policy.lossy || self.disposable
    }

    /// The handshake is done.
    fn open(&mut self, wire: Wire, now: Time) {
        self.denials = 0;
        self.incoming = false;
        self.begin_route();
        self.reader.allow_messages(self.config.max_message);
        self.state = State::Open(Exchange::new(self.policy.lossy, wire, now));
    }
}
