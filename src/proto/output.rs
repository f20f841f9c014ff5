//! What a connection tells its owner.

use crate::types::{EntityAddr, EntityAddrVec, EntityName, Message, Time, WallTime};

use super::auth::ConMode;
use super::fault::Fault;

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// For timers.
    pub now: Time,
    /// For stamps on the wire.
    pub wall: WallTime,
}

/// Where received things go.
pub struct Intake<'a> {
    /// Events, in order.
    pub events: &'a mut Vec<Event>,
    /// Asked once per message with payload, before it is read: is there room
    /// for that many bytes? After a no, see
    /// [`Protocol::handle_admitted`](super::Protocol::handle_admitted).
    pub admit: &'a mut dyn FnMut(u64) -> bool,
    /// Parsing pauses at so many events; the rest of the input stays unused.
    pub max_events: usize,
}

/// Something that happened.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// Please open a TCP connection to this address.
    Dial(EntityAddr),
    /// Our first address, with the IP under which the peer sees us.
    Learned(EntityAddr),
    /// The handshake is done.
    Open(Peer),
    /// A message arrived.
    Message(Box<Message>),
    /// The peer answered the keepalive of that time.
    KeepaliveAck(WallTime),
    /// Nobody listens where we dialled; comes with each such attempt.
    Refused,
    /// The link ended, and why: once per loss of a link. Either another
    /// [`Event::Dial`] follows in time, or [`Event::Closed`] right away.
    Fault {
        /// Why.
        fault: Fault,
        /// Ceph's name for the state it ended in.
        during: &'static str,
    },
    /// Drop the socket now.
    CloseSocket,
    /// The connection is over for good.
    Closed {
        /// The application knew it and must be told.
        reset: bool,
    },
}

/// Who is at the other end of an open connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its name in this session.
    pub name: EntityName,
    /// All its addresses.
    pub addrs: EntityAddrVec,
    /// Features of both ends.
    pub features: u64,
    /// The dialler's number in the cluster; 0 if none was given.
    pub global_id: u64,
    /// How frames travel.
    pub mode: ConMode,
    /// A fault ends the connection.
    pub lossy: bool,
}
