//! From a fresh socket to an open connection: banner, HELLO, authentication,
//! idents. A state is a struct with its data; a frame consumes it and yields
//! the next.

mod accept;
mod connect;
mod safety;

pub use accept::{Accepting, Authenticated, Request};
pub use connect::{Connecting, Dialled};

use crate::types::{EntityAddrVec, EntityType, Policy, Random, WallTime};

use super::auth::{Answer, AuthContext, Identity};
use super::banner::{Banner, COMPRESSION};
use super::compression::Compression;
use super::config::{HandshakeLimits, ProtocolConfig};
use super::fault::Fault;
use super::frame::control::Control;
use super::frame::{Frame, FrameReader, FrameWriter};
use super::output::{Event, Peer};
use super::session::Session;

/// Frames of the longest handshake that is put up with.
const MAX_FRAMES: usize = 64;

/// A handshake under way.
pub enum Handshake {
    /// Ours, on a connection we dialled.
    Connect(Connecting),
    /// Ours, on a connection we accepted.
    Accept(Accepting),
}

/// What a frame leads to.
pub enum Step<S> {
    /// On with the handshake.
    Next(S),
    /// A new session: it is done.
    Open(Peer),
    /// A session goes on: it is done.
    Resumed(Identity),
    /// The dialler asks for a session; what becomes of that is decided where
    /// all sessions are known.
    Ask(Authenticated, Request),
}

/// What all states work with.
pub struct Context<'a> {
    /// The messenger's settings.
    pub config: &'a ProtocolConfig,
    /// What the banners of both ends support.
    pub features: u64,
    /// What is promised to such peers.
    pub policy: &'a mut Policy,
    /// Our addresses, as far as they are known.
    pub local: &'a mut EntityAddrVec,
    /// What a dialler remembers of earlier links.
    pub session: &'a mut Session,
    /// Where cookies come from.
    pub random: &'a mut Random,
    /// What the peer has sent so far, to be signed.
    pub received: &'a mut Vec<u8>,
    /// The calendar time.
    pub wall: WallTime,
    /// What cuts the peer's frames.
    pub reader: &'a mut FrameReader,
    /// Where answers are staged.
    pub out: &'a mut FrameWriter,
    /// Where news go.
    pub events: &'a mut Vec<Event>,
}

impl<'a> Context<'a> {
    /// What authentication with a peer of that type looks at.
    pub fn auth(&self, peer_type: EntityType) -> AuthContext<'a> {
        AuthContext {
            auth: &self.config.auth,
            name: &self.config.name,
            peer_type,
            modes: self.config.modes.allowed(self.config.name.kind, peer_type),
            now: self.wall,
        }
    }

    /// Is compression spoken of on this link?
    const fn may_compress(&self) -> bool {
        self.features & COMPRESSION != 0
    }

    /// Frames may be compressed like that from now on, both ways.
    fn compress(&mut self, agreed: Option<Compression>) {
        self.reader.set_compression(agreed);
        self.out.set_compression(agreed);
    }
}

impl Handshake {
    /// True until the peer's banner is there; frames follow it.
    pub const fn expects_banner(&self) -> bool {
        matches!(
            self,
            Self::Connect(Connecting::Banner(_)) | Self::Accept(Accepting::Banner(_))
        )
    }

    /// The peer's banner fixed the revision.
    pub fn handle_banner(self, context: &mut Context<'_>) -> Self {
        match self {
            Self::Connect(state) => Self::Connect(state.handle_banner(context)),
            Self::Accept(state) => Self::Accept(state.handle_banner(context)),
        }
    }

    /// The peer's next frame.
    pub fn handle(self, frame: &Frame<'_>, context: &mut Context<'_>) -> Result<Step<Self>, Fault> {
        Ok(match self {
            Self::Connect(state) => state.handle(frame, context)?.map(Self::Connect),
            Self::Accept(state) => state.handle(frame, context)?.map(Self::Accept),
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
        match self {
            Self::Connect(state) => state.awaits_host(),
            Self::Accept(state) => state.awaits_host(),
        }
    }

    /// True while what the peer sends is to be signed.
    pub const fn is_recorded(&self) -> bool {
        match self {
            Self::Connect(state) => state.is_recorded(),
            Self::Accept(state) => state.is_recorded(),
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
            Self::Open(peer) => Step::Open(peer),
            Self::Resumed(identity) => Step::Resumed(identity),
            Self::Ask(peer, request) => Step::Ask(peer, request),
        }
    }
}

/// Bounds what a peer can make us read before it is known.
pub struct Budget {
    limits: HandshakeLimits,
    frames: usize,
    bytes: usize,
}

impl Budget {
    /// Nothing is spent yet.
    pub const fn of(limits: HandshakeLimits) -> Self {
        Self {
            limits,
            frames: 0,
            bytes: 0,
        }
    }

    /// Counts bytes as they come.
    pub fn spend_bytes(&mut self, len: usize) -> Result<(), Fault> {
        self.check(len)?;
        self.bytes += len;
        Ok(())
    }

    /// May so many more bytes be kept?
    pub const fn check(&self, len: usize) -> Result<(), Fault> {
        if self.bytes.saturating_add(len) > self.limits.bytes {
            return Err(Fault::HandshakeTooLong);
        }
        Ok(())
    }

    /// Counts a frame.
    pub fn spend_frame(&mut self, frame: &Frame<'_>) -> Result<(), Fault> {
        let len = frame.first().len();
        if len > self.limits.frame {
            let len = u32::try_from(len).unwrap_or(u32::MAX);
            return Err(Fault::ControlTooLarge(frame.tag, len));
        }
        self.spend_record()
    }

    /// Counts a record of v1, whose size is bounded by what it is.
    pub fn spend_record(&mut self) -> Result<(), Fault> {
        self.frames += 1;
        if self.frames > MAX_FRAMES {
            return Err(Fault::HandshakeTooLong);
        }
        Ok(())
    }
}

/// Stages our banner.
pub fn send_banner(config: &ProtocolConfig, out: &mut FrameWriter) {
    out.start_transcript();
    out.raw(&Banner::of(config).encode());
}

/// The payload of a control frame.
pub fn payload<C: Control>(frame: &Frame<'_>) -> Result<C, Fault> {
    C::decode(frame.first()).map_err(|why| Fault::Payload(C::TAG, why))
}
