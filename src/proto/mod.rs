//! The sans-IO core: bytes in, events out; messages in, bytes out.
//!
//! Nothing here opens a socket, starts a thread, reads a clock or draws a random
//! number: time is an argument and dialling is an event. [`Protocol`] is one
//! connection; whoever owns it feeds it what the socket says (`handle_*`),
//! gives it commands (plain verbs) and pulls what is to be written or waited
//! for (`poll_*`). After any input, pull all three outputs: the events it
//! pushed, [`Protocol::poll_transmit`] and [`Protocol::poll_timeout`].
//!
//! From the wire up: [`codec`] knows fields, [`frame`] knows frames, [`banner`]
//! and [`handshake`] lead to [`exchange`], where messages flow, and
//! [`protocol`] joins them with a [`session`], timers and back-off. [`replace`]
//! decides what becomes of a dialler that meets a session.

mod auth;
mod banner;
#[cfg(test)]
pub mod captured;
mod codec;
mod compression;
mod config;
mod encoding;
mod exchange;
mod fault;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod handshake;
mod mutation;
mod out_queue;
mod output;
mod protocol;
mod replace;
#[cfg(test)]
pub mod replay;
mod route;
mod session;
mod v1;
#[cfg(test)]
mod vectors;

pub use auth::cephx::messages::{MSG_AUTH, MSG_AUTH_REPLY};
pub use auth::cephx::rotating::RotatingSecrets;
pub use auth::cephx::ticket::TicketBlob;
pub use auth::cephx::{CryptoKey, Entry as KeyringEntry, KeyType, Keyring, Ticket, Tickets};
pub use auth::{
    ALL_SERVICES, Agreed, Answer, AuthConfig, AuthContext, AuthFault, AuthWant, ConMode, Identity,
    KeyStore, METHOD_CEPHX, METHOD_NONE, MonAuth, PERMANENT, Progress, Question, SessionKey,
};
pub use compression::{Algorithm, CompressionSettings, LinkCompression};
pub use config::{ConnectionModes, GlobalSeq, HandshakeLimits, ProtocolConfig, SaidNumber};
pub use fault::{Fault, LinkDown};
pub use frame::{FrameBatch, segment_crcs};
#[cfg(test)]
pub use frame::{nonces_used, secrets_used, twice_used};
#[cfg(test)]
pub use mutation::{Mutation, with as with_mutation};
pub use out_queue::{Outgoing, Queued};
pub use output::{Admission, Clock, Decode, Event, Initiator, Intake, Lend, Peer, Request};
pub use protocol::{Protocol, Status};
pub use replace::Verdict;
pub use v1::Signatures;
