//! What a connection tells its owner.

use crate::types::{
    EntityAddr, EntityAddrVec, EntityName, Hold, Message, RxBuffer, RxRequest, Time, WallTime,
};

use super::auth::{AuthFault, Identity, MonAuth, Question};
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
    /// Asked once per message, before its payload is read: is there room for it?
    /// And once more before one that came compressed is unpacked.
    pub admit: &'a mut dyn FnMut(Request) -> Admission,
    /// Asked for memory for the data of each message, if the program lends any.
    pub lend: Option<Lend<'a>>,
    /// Sees each message before it counts as received; an errno says that it is bad.
    pub decode: Option<Decode<'a>>,
    /// Parsing pauses at so many events; the rest of the input stays unused.
    pub max_events: usize,
}

/// Lends memory for data, or does not.
pub type Lend<'a> = &'a mut dyn FnMut(RxRequest) -> Option<Box<dyn RxBuffer>>;

/// Looks into a message, and may change it.
pub type Decode<'a> = &'a mut dyn FnMut(&mut Message) -> Result<(), i32>;

/// What a message is to be granted.
#[derive(Debug)]
pub struct Request {
    /// Payload bytes.
    pub bytes: u64,
    /// Those that it has been granted already, in the place of which these are
    /// wanted: what it takes compressed. They are the asked one's business again.
    pub packed: u64,
    /// What came with the grant of those.
    pub hold: Hold,
}

/// Whether a message may be read.
#[derive(Debug)]
pub enum Admission {
    /// It may, and shall hold this until it is dropped.
    Granted(Hold),
    /// Not yet: see [`Protocol::handle_admitted`](super::Protocol::handle_admitted).
    Wait,
}

impl Request {
    /// To read so many bytes.
    #[inline]
    pub const fn of(bytes: u64) -> Self {
        Self {
            bytes,
            packed: 0,
            hold: Hold::NONE,
        }
    }
}

/// Something that happened.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// Please open a TCP connection to this address.
    Dial(EntityAddr),
    /// Our first address, with the IP under which the peer sees us.
    Learned(EntityAddr),
    /// A session begins, on a link that so-and-so dialled. Boxed, since most events are
    /// messages, and all are as large as the largest.
    Open(Box<Peer>, Initiator),
    /// The session goes on, on a new link: who the other end has proved to be on
    /// that one, and who dialled it.
    Resumed(Identity, Initiator),
    /// The host's own authentication is asked: see
    /// [`Protocol::handle_auth`](super::Protocol::handle_auth).
    Auth(Question),
    /// Authentication with a monitor may go on by messages, from here.
    MonAuth(MonAuth),
    /// A dialler was not believed, and may try again.
    Denied(AuthFault),
    /// A dialler asks for a session: see [`Protocol::asked`](super::Protocol::asked).
    Asked,
    /// The peer has lost the session. What was queued for it is gone; what of it
    /// was received and not yet dispatched is to go, too. The connection goes on.
    RemoteReset,
    /// A message arrived.
    Message(Box<Message>),
    /// The peer has sent a keepalive, which is answered.
    Keepalive,
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

/// Which end dialled a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Initiator {
    /// This one.
    Us,
    /// The other.
    Peer,
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
    /// What authentication has brought.
    pub identity: Identity,
    /// A fault ends the connection.
    pub lossy: bool,
}
