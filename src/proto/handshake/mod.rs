//! From a fresh socket to an open connection: banner, HELLO, authentication,
//! idents. A state is a struct with its data; a frame consumes it and yields
//! the next.

mod accept;
mod connect;

pub use accept::{Accepting, Authenticated, Request};
pub use connect::{Connecting, Dialled};

use crate::types::{EntityAddrVec, Policy, Random};

use super::banner::Banner;
use super::config::ProtocolConfig;
use super::fault::Fault;
use super::frame::control::Control;
use super::frame::{Frame, FrameWriter};
use super::output::{Event, Peer};
use super::session::Session;

/// Frames of the longest handshake that is put up with.
const MAX_FRAMES: usize = 64;
/// Its bytes.
const MAX_BYTES: usize = 64 << 10;

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
    Resumed,
    /// The dialler asks for a session; what becomes of that is decided where
    /// all sessions are known.
    Ask(Authenticated, Request),
}

/// What all states work with.
pub struct Context<'a> {
    /// The messenger's settings.
    pub config: &'a ProtocolConfig,
    /// What is promised to such peers.
    pub policy: &'a mut Policy,
    /// Our addresses, as far as they are known.
    pub local: &'a mut EntityAddrVec,
    /// What a dialler remembers of earlier links.
    pub session: &'a mut Session,
    /// Where cookies come from.
    pub random: &'a mut Random,
    /// Where answers are staged.
    pub out: &'a mut FrameWriter,
    /// Where news go.
    pub events: &'a mut Vec<Event>,
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
            Self::Resumed => Step::Resumed,
            Self::Ask(peer, request) => Step::Ask(peer, request),
        }
    }
}

/// Bounds what a peer can make us read before it is known.
#[derive(Default)]
pub struct Budget {
    frames: usize,
    bytes: usize,
}

impl Budget {
    /// Counts bytes as they come.
    pub fn spend_bytes(&mut self, len: usize) -> Result<(), Fault> {
        self.bytes += len;
        if self.bytes > MAX_BYTES {
            return Err(Fault::HandshakeTooLong);
        }
        Ok(())
    }

    /// Counts a frame.
    pub fn spend_frame(&mut self) -> Result<(), Fault> {
        self.frames += 1;
        if self.frames > MAX_FRAMES {
            return Err(Fault::HandshakeTooLong);
        }
        Ok(())
    }
}

/// Stages our banner.
pub fn send_banner(config: &ProtocolConfig, out: &mut FrameWriter) {
    out.raw(&Banner::of(config).encode());
}

/// The payload of a control frame.
pub fn payload<C: Control>(frame: &Frame<'_>) -> Result<C, Fault> {
    C::decode(frame.first()).map_err(|why| Fault::Payload(C::TAG, why))
}
