//! What other threads may ask of a worker.

use std::net::SocketAddr;
use std::sync::Arc;

use super::admission::Grant;
use super::async_messenger::AsyncMessenger;
use super::connection::ConnectionRef;
use super::half_open::Entrant;
use super::link::Link;
use super::shard::Shard;
use crate::event::{ConnectedSocket, Worker};
use crate::proto::Answer;
use crate::types::{AddrType, Message};

/// A socket that was accepted.
pub(crate) struct Newcomer {
    pub(crate) socket: ConnectedSocket,
    /// The peer's end.
    pub(crate) from: SocketAddr,
    /// Where it was accepted.
    pub(crate) at: SocketAddr,
    /// Which protocol is spoken there.
    pub(crate) kind: AddrType,
    /// Counts it among the half-open ones.
    pub(crate) entrant: Entrant<Place>,
}

/// Where a half-open connection is: its worker, and its id there.
pub(crate) type Place = (Worker<Shard>, u64);

/// An external event: the one way to a worker's connections.
pub(crate) enum External {
    /// Dial for this new connection.
    Connect(ConnectionRef),
    /// Serve this socket, which one of the messenger's processors accepted. Boxed,
    /// since every event takes as much room as the largest.
    Accepted(Arc<AsyncMessenger>, Box<Newcomer>),
    /// Fetch what was sent on the connection of that id.
    Fetch(u64),
    /// Deliver a message that a messenger sent to itself.
    Local(ConnectionRef, Box<Message>),
    /// Ask that connection's peer for a sign of life.
    Keepalive(u64),
    /// The connection was marked down.
    MarkDown(u64),
    /// That accepted connection has to go, if it has no session yet.
    Evict(u64),
    /// The connection was marked disposable.
    MarkDisposable(u64),
    /// A half-done handshake of another worker, whose dialler asks for a session
    /// that lives here.
    Adopt(Box<Link>),
    /// The host's answer to that question of that connection's authentication.
    AuthAnswer(u64, u64, Box<Answer>),
    /// Look again for the session that the dialler of that connection asks for.
    Resolve(u64),
    /// What the connection waited for is taken on its behalf. The number tells
    /// for which wait.
    Admitted(ConnectionRef, u64, Grant),
    /// All connections of that messenger were marked down.
    MarkDownAll(Arc<AsyncMessenger>),
    /// The processor of that key may accept.
    Accept(u64),
    /// Drop everything of that messenger.
    Shutdown(Arc<AsyncMessenger>),
}
