//! What a program says of its messenger, besides options and policies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU16, AtomicU32, Ordering};
use std::time::Duration;

use super::async_messenger::AsyncMessenger;
use super::connection::ConnectOptions;
use super::context::Context;
use super::error::{Error, Result};
use super::messenger::{Messenger, check_peer_type};
use super::shared_throttle::SharedThrottle;
use crate::event::SocketOptions;
use crate::proto::SaidNumber;
use crate::types::{
    AddrType, EntityAddr, EntityAddrVec, EntityName, EntityType, Message, PRIO_DEFAULT, Policy,
};

/// What is said so far. Any thread may read and change it.
pub(crate) struct Settings {
    number: Arc<SaidNumber>,
    /// What a message gets that has no priority.
    send_priority: AtomicU16,
    /// Below 0: none.
    socket_priority: AtomicI32,
    /// None while it is [`UNSAID`].
    cluster_protocol: AtomicU32,
    takes_anonymous: AtomicBool,
}

/// No protocol has that version.
const UNSAID: u32 = u32::MAX;

impl Settings {
    pub(crate) fn new() -> Self {
        Self {
            number: Arc::default(),
            send_priority: AtomicU16::new(PRIO_DEFAULT),
            socket_priority: AtomicI32::new(-1),
            cluster_protocol: AtomicU32::new(UNSAID),
            takes_anonymous: AtomicBool::new(false),
        }
    }

    /// The number of its name.
    pub(crate) fn number(&self) -> &Arc<SaidNumber> {
        &self.number
    }

    /// What a message gets that has no priority.
    #[inline]
    pub(crate) fn send_priority(&self) -> u16 {
        self.send_priority.load(Ordering::Relaxed)
    }

    pub(crate) fn cluster_protocol(&self) -> Option<u32> {
        let said = self.cluster_protocol.load(Ordering::Relaxed);
        (said != UNSAID).then_some(said)
    }

    /// Are diallers let in that show nothing?
    pub(crate) fn takes_anonymous(&self) -> bool {
        self.takes_anonymous.load(Ordering::Relaxed)
    }

    /// How the next socket is set up.
    pub(crate) fn apply_to(&self, socket: &SocketOptions) -> SocketOptions {
        let priority = self.socket_priority.load(Ordering::Relaxed);
        SocketOptions {
            priority: (priority >= 0).then_some(priority),
            ..socket.clone()
        }
    }
}

impl Messenger {
    /// The context it was made in.
    pub fn context(&self) -> &Arc<Context> {
        self.shared_context()
    }

    /// What it calls itself in sessions (Ceph's `get_myname`): of its name the type,
    /// and the number, -1 while it has none. A client's number is what
    /// [`Messenger::set_myname`] said, or else what a monitor gave it.
    pub fn myname(&self) -> EntityName {
        self.inner().myname()
    }

    /// Changes the number in its name, -1 for none. Peers hear of it with the next
    /// handshake; what it authenticates as stays (Ceph's `set_myname`).
    ///
    /// # Errors
    /// `EINVAL` for another type than it was made with: keys, modes and policies go
    /// by that.
    pub fn set_myname(&self, name: EntityName) -> Result<()> {
        let inner = self.inner();
        if name.kind != inner.name().kind {
            let why = format!("{name} is not of the type of {}", inner.name());
            return Err(Error::invalid(why));
        }
        inner.settings().number.set(name.num);
        Ok(())
    }

    /// The policy for peers of that type (Ceph's `get_policy`).
    pub fn policy(&self, peer_type: EntityType) -> Policy {
        self.inner().policies(|policies| *policies.get(peer_type))
    }

    /// The policy for peers without one of their own.
    pub fn default_policy(&self) -> Policy {
        self.inner().policies(|policies| *policies.default_policy())
    }

    /// The priority that a message is sent with whose own is 0. It is
    /// [`PRIO_DEFAULT`] if nothing is said.
    pub fn set_default_send_priority(&self, priority: u16) {
        let settings = self.inner().settings();
        settings.send_priority.store(priority, Ordering::Relaxed);
    }

    /// The priority in this host's queues (`SO_PRIORITY`) of sockets that are made
    /// from now on, whose packets are marked as network control; negative for
    /// neither. A kernel that refuses it is not insisted with.
    pub fn set_socket_priority(&self, priority: i32) {
        let settings = self.inner().settings();
        settings.socket_priority.store(priority, Ordering::Relaxed);
    }

    /// The version of msgr v1 that peers of its own type must speak, too. If nothing
    /// is said it is that of Ceph's monitors, OSDs and metadata servers.
    ///
    /// # Errors
    /// `EBUSY` after bind or start.
    pub fn set_cluster_protocol(&self, version: u32) -> Result<()> {
        let inner = self.inner();
        inner.change_policies(|_| {
            let settings = inner.settings();
            settings.cluster_protocol.store(version, Ordering::Relaxed);
        })
    }

    /// False: whoever dials and shows nothing at all is let in, as nobody, whatever
    /// methods are required; only where readable links are allowed. Ceph lets
    /// heartbeats of old OSDs in like that. Who shows something is still examined.
    ///
    /// # Errors
    /// `EBUSY` after bind or start.
    pub fn set_require_authorizer(&self, required: bool) -> Result<()> {
        let inner = self.inner();
        inner.change_policies(|_| {
            let settings = inner.settings();
            settings.takes_anonymous.store(!required, Ordering::Relaxed);
        })
    }

    /// Lets the peers of one type take of these throttles, payload bytes of the one and
    /// messages of the other, in place of limits of their own; where there is none they
    /// have no limit. Several types and messengers may share one. It holds from the next
    /// message on.
    ///
    /// # Errors
    /// `EINVAL` for no entity type.
    pub fn share_policy_throttles(
        &self,
        peer_type: EntityType,
        bytes: Option<Arc<SharedThrottle>>,
        messages: Option<Arc<SharedThrottle>>,
    ) -> Result<()> {
        check_peer_type(peer_type)?;
        let throttles = self.inner().policy_throttles();
        throttles.share(peer_type, bytes, messages);
        Ok(())
    }

    /// Dials from that address, if `ms_bind_before_connect` is on; else it does
    /// nothing, and for a messenger that is bound, neither. Peers are told it as the
    /// address of a process that does not listen.
    ///
    /// # Errors
    /// `EALREADY` after start, `ESHUTDOWN`, `EINVAL` for an address without an IP.
    pub fn client_bind(&self, addr: &EntityAddr) -> Result<()> {
        self.inner().client_bind(addr)
    }

    /// Fills in its IP where that is unknown, with the first of `addrs` that is of
    /// the same family; true if it did (Ceph's `set_addr_unknowns`).
    pub fn set_addr_unknowns(&self, addrs: &EntityAddrVec) -> bool {
        self.inner().set_addr_unknowns(addrs)
    }

    /// Should peers be dialled by their msgr2 addresses? Not by one that listens in
    /// v1 alone, since they could not dial back.
    pub fn should_use_msgr2(&self) -> bool {
        !self.inner().lifecycle().is_bound() || self.myaddrs().msgr2().is_some()
    }

    /// Sends a message on the connection that [`Messenger::connect`] gives.
    ///
    /// # Errors
    /// As [`Messenger::connect`] and [`Connection::send`](crate::Connection::send).
    /// The message is dropped then.
    pub fn send_to(
        &self,
        message: impl Into<Box<Message>>,
        peer_type: EntityType,
        addrs: &EntityAddrVec,
    ) -> Result<()> {
        let con = self.connect_with(peer_type, addrs, ConnectOptions::default())?;
        con.send(message)
    }

    /// How long the oldest message that waits for the dispatch thread has waited;
    /// zero if none does.
    pub fn dispatch_queue_max_age(&self) -> Duration {
        let inner = self.inner();
        let oldest = inner.dispatch_queue().oldest();
        oldest.map_or(Duration::ZERO, |came| inner.now().since(came))
    }
}

impl AsyncMessenger {
    /// What it calls itself in sessions.
    pub(crate) fn myname(&self) -> EntityName {
        let said = self.settings().number().get();
        let num = match (said, self.known_config()) {
            (Some(said), _) => said,
            (None, Some(config)) => config.own_number(),
            (None, None) => self.name().entity_name().num,
        };
        EntityName::new(self.name().kind, num)
    }

    fn client_bind(&self, addr: &EntityAddr) -> Result<()> {
        let lifecycle = self.lifecycle();
        if !self.options().bind_before_connect || lifecycle.is_bound() {
            return Ok(());
        }
        lifecycle
            .check_not_started("client_bind")
            .map_err(|why| match why.errno() {
                libc::EBUSY => Error::new(libc::EALREADY, "client_bind comes before start"),
                _ => why,
            })?;
        let socket = addr.socket.filter(|_| !addr.is_blank_ip());
        let Some(mut socket) = socket else {
            return Err(Error::invalid(format!("{addr} is no address to dial from")));
        };
        // Every connection gets a port of its own.
        socket.set_port(0);
        let own = EntityAddr {
            kind: AddrType::Any,
            nonce: self.nonce(),
            socket: Some(socket),
        };
        self.set_myaddrs(own.into());
        Ok(())
    }

    fn set_addr_unknowns(&self, addrs: &EntityAddrVec) -> bool {
        self.change_myaddrs(|mine| {
            let mut filled = false;
            let blanks = mine.0.iter_mut().filter(|addr| addr.is_blank_ip());
            for socket in blanks.filter_map(|addr| addr.socket.as_mut()) {
                let ips = addrs.0.iter().filter_map(|addr| addr.socket);
                let mut ips = ips.map(|known| known.ip());
                if let Some(ip) = ips.find(|ip| ip.is_ipv4() == socket.is_ipv4()) {
                    socket.set_ip(ip);
                    filled = true;
                }
            }
            filled
        })
    }
}
