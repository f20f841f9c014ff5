//! The application's handle on a connection.

mod notes;

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use super::async_messenger::AsyncMessenger;
use super::error::{Error, Result};
use super::external::External;
use super::messenger::Messenger;
use super::outbox::Outbox;
use super::shard::Shard;
use crate::event::{Origin, Worker};
use crate::proto::{Fault, Identity, MonAuth, Outgoing};
use crate::types::{
    AddrType, EntityAddr, EntityAddrVec, EntityName, EntityType, Hold, Message, Stamps, WallTime,
};

/// A shared connection (Ceph's `ConnectionRef`); two are the same connection if
/// they point to the same place.
pub type ConnectionRef = Arc<Connection>;

/// A connection to one peer, for as long as anybody holds it.
///
/// It belongs to one worker for life. What stands here is what any thread may
/// ask; everything else is the worker's, and is reached by external events.
pub struct Connection {
    /// For a message to itself, which holds it while it is under way.
    me: Weak<Self>,
    id: u64,
    origin: Origin,
    messenger: Arc<AsyncMessenger>,
    worker: Worker<Shard>,
    kind: Kind,
    /// Under which addresses it stands in the registry, if it does: as asked
    /// for, or as the peer calls itself.
    registered_as: OnceLock<EntityAddrVec>,
    peer_type: AtomicU8,
    state: AtomicU8,
    /// Its frames were sealed when it was opened: nobody needs their crcs.
    sealed: AtomicBool,
    peer: Mutex<PeerFacts>,
    /// Payload bytes sent on it that the library has let go of.
    released: AtomicU64,
    outbox: Outbox,
    priv_data: Mutex<Option<Arc<dyn Any + Send + Sync>>>,
    object: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// How [`Messenger::connect_with`](crate::Messenger::connect_with) gets to a
/// connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ConnectOptions {
    /// A new connection, whatever others there are to that peer; and no other
    /// call gets it. It ends by mark_down or a reset only.
    pub anonymous: bool,
    /// Dial also if the addresses are the messenger's own.
    pub not_local: bool,
}

/// Where a connection comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// This end dialled.
    Dialled,
    /// The same, for one caller alone.
    Anonymous,
    /// The peer dialled.
    Accepted,
    /// To this messenger itself, without a socket.
    Loopback,
}

#[derive(Debug, Default)]
struct PeerFacts {
    num: i64,
    addrs: EntityAddrVec,
    features: u64,
    identity: Option<Identity>,
    mon_auth: MonAuth,
    last_fault: Option<Fault>,
    last_keepalive: WallTime,
    last_keepalive_ack: WallTime,
    /// Where its link leads, or came from.
    socket_addr: EntityAddr,
}

/// Values of `Connection::state`.
const CONNECTING: u8 = 0;
const OPEN: u8 = 1;
const CLOSED: u8 = 2;
/// Closed, and whoever asked for that wants to hear no more of it.
const MARKED_DOWN: u8 = 3;

impl Connection {
    pub(crate) fn new(
        messenger: &Arc<AsyncMessenger>,
        worker: &Worker<Shard>,
        kind: Kind,
        peer_type: EntityType,
        addrs: EntityAddrVec,
    ) -> ConnectionRef {
        let state = if kind == Kind::Loopback {
            OPEN
        } else {
            CONNECTING
        };
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            id: messenger.stack().next_id(),
            origin: Origin::here(),
            messenger: Arc::clone(messenger),
            worker: worker.clone(),
            kind,
            registered_as: OnceLock::new(),
            peer_type: AtomicU8::new(peer_type.0),
            state: AtomicU8::new(state),
            sealed: AtomicBool::new(false),
            peer: Mutex::new(PeerFacts {
                num: -1,
                socket_addr: addrs.msgr2().copied().unwrap_or_else(|| addrs.front()),
                addrs,
                ..PeerFacts::default()
            }),
            released: AtomicU64::new(0),
            outbox: Outbox::default(),
            priv_data: Mutex::new(None),
            object: OnceLock::new(),
        })
    }

    /// Queues a message behind those of its priority (Ceph's `send_message`).
    ///
    /// It never blocks and never writes to a socket itself. On an error the
    /// message is dropped.
    ///
    /// # Errors
    /// `ENOTCONN` if the connection is gone, `ESHUTDOWN` if its messenger is,
    /// `EMSGSIZE` if a segment or the whole is larger than the protocol carries.
    pub fn send(&self, message: impl Into<Box<Message>>) -> Result<()> {
        let mut message = message.into();
        // A message that is passed on has left the application's hands.
        message.hold = Hold::NONE;
        message.stamps = Stamps::NONE;
        if message.priority == 0 {
            message.priority = self.messenger.settings().send_priority();
        }
        if self.is_closed() {
            return Err(if self.messenger.is_shut_down() {
                Error::shut_down()
            } else {
                Error::new(libc::ENOTCONN, "the connection is closed")
            });
        }
        let max = self.messenger.config().max_message;
        let bytes = message.payload_len() as u64;
        if bytes > max {
            return Err(Error::new(
                libc::EMSGSIZE,
                format!("a message may carry {max} bytes at most"),
            ));
        }
        if self.messenger.injection().swallows(self.peer_type()) && !self.is_loopback() {
            return Ok(());
        }
        let event = if self.kind == Kind::Loopback {
            // What the protocol would do on its way.
            message.priority = Outgoing::class(message.priority).into();
            match self.me.upgrade() {
                Some(me) => External::Local(me, message),
                None => return Ok(()),
            }
        } else {
            let crcs = self.messenger.crc_data() && !self.sealed.load(Ordering::Relaxed);
            if !self.outbox.push(message, crcs) {
                return Ok(());
            }
            External::Fetch(self.id)
        };
        self.worker.dispatch_event_external(event);
        Ok(())
    }

    /// Asks the peer for a sign of life (Ceph's `send_keepalive`).
    ///
    /// # Errors
    /// `ENOTCONN` if the connection is gone.
    pub fn keepalive(&self) -> Result<()> {
        if self.is_closed() {
            return Err(Error::new(libc::ENOTCONN, "the connection is closed"));
        }
        if self.kind != Kind::Loopback {
            self.worker
                .dispatch_event_external(External::Keepalive(self.id));
        }
        Ok(())
    }

    /// Ends the connection at once: what is queued in either direction is
    /// dropped and no callback tells of it (Ceph's `mark_down`). A second call
    /// does nothing.
    pub fn mark_down(&self) {
        // The application's own loopback connection lives as long as its
        // messenger, as in Ceph.
        if self.kind == Kind::Loopback {
            return;
        }
        if self.state.swap(MARKED_DOWN, Ordering::AcqRel) >= CLOSED {
            return;
        }
        self.messenger.forget(self);
        self.worker
            .dispatch_event_external(External::MarkDown(self.id));
    }

    /// From now on the loss of an open link ends the connection with a reset, as
    /// that of a lossy one, whatever its policy is (Ceph's `mark_disposable`).
    pub fn mark_disposable(&self) {
        if self.kind != Kind::Loopback && !self.is_closed() {
            self.worker
                .dispatch_event_external(External::MarkDisposable(self.id));
        }
    }

    /// Payload bytes of messages that were sent on it and that the library still
    /// keeps: not written yet, or, on a lossless connection, not acknowledged.
    /// Sending has no limit of its own; this is for those who want one.
    pub fn queued_bytes(&self) -> u64 {
        if self.is_closed() {
            return 0;
        }
        // Released first: what comes between makes the answer too large, never
        // negative.
        let released = self.released.load(Ordering::Acquire);
        let kept = self.outbox.accepted().wrapping_sub(released);
        i64::try_from(kept).map_or(0, |_| kept)
    }

    /// True while a link is up: from the end of a handshake to the loss of the
    /// link.
    pub fn is_connected(&self) -> bool {
        self.state.load(Ordering::Acquire) == OPEN
    }

    /// True for a messenger's connection to itself.
    pub fn is_loopback(&self) -> bool {
        self.kind == Kind::Loopback
    }

    /// True for a connection that was made by
    /// [`Messenger::connect_anonymous`](crate::Messenger::connect_anonymous).
    pub fn is_anonymous(&self) -> bool {
        self.kind == Kind::Anonymous
    }

    /// The peer's kind: as asked for when dialling, as the peer says otherwise.
    pub fn peer_type(&self) -> EntityType {
        EntityType(self.peer_type.load(Ordering::Acquire))
    }

    /// The peer's name; its number is -1 until the handshake is done.
    pub fn peer_name(&self) -> EntityName {
        if self.kind == Kind::Loopback {
            let number = self.messenger.config().own_number();
            return EntityName::new(self.peer_type(), number);
        }
        EntityName::new(self.peer_type(), self.facts().num)
    }

    /// The peer's addresses.
    pub fn peer_addrs(&self) -> EntityAddrVec {
        match self.kind {
            // Our own may change.
            Kind::Loopback => self.messenger.myaddrs(),
            _ => self.facts().addrs.clone(),
        }
    }

    /// The number that the authentication gave the end that dialled; 0 until the
    /// handshake is done, and if it gave none.
    pub fn peer_global_id(&self) -> u64 {
        let facts = self.facts();
        facts.identity.as_ref().map_or(0, |peer| peer.global_id)
    }

    /// Feature bits that both ends have; 0 until the handshake is done.
    pub fn features(&self) -> u64 {
        self.facts().features
    }

    /// Takes other feature bits for those that both ends have, until the next
    /// handshake. The library itself goes by what was negotiated (Ceph's
    /// `set_features`).
    pub fn set_features(&self, features: u64) {
        self.facts().features = features;
    }

    /// Where its link leads, or came from, in that protocol: of all addresses of the
    /// peer the one that was dialled, or the one at which the peer's own socket is.
    pub fn peer_socket_addr(&self) -> EntityAddr {
        self.facts().socket_addr
    }

    /// True if its link speaks msgr2, or is about to.
    pub fn is_msgr2(&self) -> bool {
        self.kind == Kind::Loopback || self.peer_socket_addr().kind == AddrType::Msgr2
    }

    /// True while a fault on purpose (`ms_blackhole_*`) swallows what is sent.
    pub fn is_blackhole(&self) -> bool {
        !self.is_loopback() && self.messenger.injection().swallows(self.peer_type())
    }

    /// The messenger it belongs to, if that is still there.
    pub fn owner(&self) -> Option<Arc<Messenger>> {
        self.messenger.handle()
    }

    /// When the peer's newest keepalive has come.
    pub fn last_keepalive(&self) -> WallTime {
        self.facts().last_keepalive
    }

    /// The stamp of the newest keepalive that the peer has answered.
    pub fn last_keepalive_ack(&self) -> WallTime {
        self.facts().last_keepalive_ack
    }

    /// The process it was made in.
    #[inline]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Hangs the application's own data on the connection, in place of what
    /// hung there (Ceph's `set_priv`).
    pub fn set_priv(&self, data: Option<Arc<dyn Any + Send + Sync>>) {
        let mut slot = self
            .priv_data
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let replaced = std::mem::replace(&mut *slot, data);
        drop(slot);
        // Its destructor is the application's code: run it unlocked.
        drop(replaced);
    }

    /// What [`Connection::set_priv`] hung there.
    pub fn priv_data(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.priv_data
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Makes `object` what stands for the connection in a layer above, for as
    /// long as the connection lives. The first one stays: a later one is given
    /// back. Unlike [`Connection::set_priv`] it takes no lock to look at.
    ///
    /// # Errors
    /// The object, if there is one already.
    pub fn set_object(
        &self,
        object: Box<dyn Any + Send + Sync>,
    ) -> std::result::Result<(), Box<dyn Any + Send + Sync>> {
        self.object.set(object)
    }

    /// What [`Connection::set_object`] has made stand for it.
    pub fn object(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.object.get().map(Box::as_ref)
    }

    /// What authentication has brought, once it is open.
    pub fn identity(&self) -> Option<Identity> {
        self.facts().identity.clone()
    }

    /// Why its last link, or the last attempt at one, came to its end.
    pub fn last_fault(&self) -> Option<Fault> {
        self.facts().last_fault
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.load(Ordering::Acquire) >= CLOSED
    }

    /// The peer dialled.
    pub(crate) fn is_accepted(&self) -> bool {
        self.kind == Kind::Accepted
    }

    pub(crate) fn is_marked_down(&self) -> bool {
        self.state.load(Ordering::Acquire) == MARKED_DOWN
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The addresses under which it stands in the registry.
    pub(crate) fn registered_as(&self) -> Option<&EntityAddrVec> {
        self.registered_as.get()
    }

    /// It is about to stand there.
    pub(crate) fn set_registered_as(&self, peer: &EntityAddrVec) {
        // A connection is registered once, by whoever made it.
        let _ = self.registered_as.set(peer.clone());
    }

    pub(crate) fn messenger(&self) -> &Arc<AsyncMessenger> {
        &self.messenger
    }

    /// What was sent on it and is not fetched yet.
    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    pub(crate) fn worker(&self) -> &Worker<Shard> {
        &self.worker
    }

    fn facts(&self) -> MutexGuard<'_, PeerFacts> {
        self.peer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = match self.kind {
            Kind::Dialled | Kind::Anonymous => ">>",
            Kind::Accepted => "<<",
            Kind::Loopback => "==",
        };
        write!(
            f,
            "{} {arrow} {} {}",
            self.messenger.name(),
            self.peer_name(),
            self.peer_addrs()
        )
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({} {self})", self.id)
    }
}
