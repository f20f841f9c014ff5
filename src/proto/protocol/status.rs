//! What a connection is doing, for those who look at it from outside.

use crate::proto::compression::Algorithm;
use crate::proto::frame::Revision;
use crate::proto::session::SessionStatus;
use crate::types::{AddrType, Policy, Time};

use super::{Protocol, State};

/// A connection at one moment.
#[derive(Clone, Debug)]
pub struct Status {
    /// See [`Protocol::state_name`].
    pub state: &'static str,
    /// The protocol of its link.
    pub speaks: AddrType,
    /// It is msgr2.1 and not 2.0 that the link speaks.
    pub rev1: bool,
    /// What compresses its messages.
    pub compression: Option<Algorithm>,
    /// The policy that holds for it.
    pub policy: Policy,
    /// Its session.
    pub session: SessionStatus,
    /// Bytes that are staged and not written.
    pub unsent: usize,
    /// A message waits to be admitted.
    pub waits: bool,
    /// While it is open: when a byte last came or went, and when one last came.
    pub active: Option<(Time, Time)>,
}

impl Protocol {
    /// What it is doing.
    pub fn status(&self) -> Status {
        Status {
            state: self.state_name(),
            speaks: self.speaks,
            rev1: self.reader.revision() == Revision::Rev1,
            compression: self.writer.compression(),
            policy: self.policy,
            session: self.session.status(),
            unsent: self.writer.unsent(),
            waits: self.reader.is_waiting(),
            active: match &self.state {
                State::Open(exchange) => Some(exchange.last_active()),
                _ => None,
            },
        }
    }
}
