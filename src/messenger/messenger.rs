//! The application's messenger.

use std::sync::Arc;
use std::time::Duration;

use super::async_messenger::AsyncMessenger;
use super::auth::AuthHandler;
use super::bind::bind;
use super::connection::{ConnectOptions, ConnectionRef};
use super::context::Context;
use super::decoder::Decoder;
use super::dispatch_queue::DispatchQueue;
use super::dispatcher::Dispatcher;
use super::dump::DumpFormat;
use super::error::{Error, Result};
use super::rx_alloc::RxAllocator;
use super::shard::Shard;
use crate::event::{Origin, Worker};
use crate::types::{AddrType, AuthName, EntityAddr, EntityAddrVec, EntityType, Policy};

/// One endpoint: a name, addresses to be dialled at, connections, dispatchers
/// (Ceph's `Messenger`).
///
/// Usual orders are `bind`, `add_dispatcher`, `start` for a server and `start`,
/// `connect`, `add_dispatcher`, `send` for a client; others work too, as far as
/// the calls' errors allow. The end is `shutdown`, from anywhere, and `wait`.
/// Dropping the last handle does both.
pub struct Messenger {
    inner: Arc<AsyncMessenger>,
    /// Keeps the workers alive.
    context: Arc<Context>,
}

impl Messenger {
    /// A messenger of that name, e.g. `osd.0` or `client.admin`. `lname` names
    /// its role in logs; `nonce`, of which the low 32 bits travel, makes its
    /// addresses unique among the incarnations of a process (Ceph's
    /// `Messenger::create`).
    ///
    /// # Errors
    /// `EINVAL` for a name that is none; whatever the system says if the workers
    /// cannot start.
    pub fn create(
        context: &Arc<Context>,
        entity: &str,
        lname: &str,
        nonce: u64,
    ) -> Result<Arc<Self>> {
        let name: AuthName = entity
            .parse()
            .map_err(|why| Error::invalid(format!("\"{entity}\": {why}")))?;
        // Ceph's nonces are 64 bits wide in programs and 32 on the wire.
        #[expect(clippy::cast_possible_truncation, reason = "only the low half travels")]
        let nonce = nonce as u32;
        let inner = AsyncMessenger::new(context, name, lname, nonce)?;
        log::debug!("{entity} {lname}: created with nonce {nonce}");
        let handle = Arc::new(Self {
            inner,
            context: Arc::clone(context),
        });
        handle.inner.set_handle(&handle);
        context.note_messenger(&handle.inner);
        Ok(handle)
    }

    /// Sets the policy for peers without one of their own.
    ///
    /// # Errors
    /// `EBUSY` after bind or start.
    pub fn set_default_policy(&self, policy: Policy) -> Result<()> {
        self.inner
            .change_policies(|policies| policies.set_default(policy))
    }

    /// Sets the policy for peers of one type.
    ///
    /// # Errors
    /// As [`Messenger::set_default_policy`]; `EINVAL` for no entity type.
    pub fn set_policy(&self, peer_type: EntityType, policy: Policy) -> Result<()> {
        check_peer_type(peer_type)?;
        self.inner
            .change_policies(|policies| policies.set(peer_type, policy))
    }

    /// Limits what the peers of one type may have under way together: payload
    /// bytes, and messages; 0 is no limit. Beyond it their sockets are not read.
    /// A message counts until the application drops it or sends it on; one that
    /// is larger than the limit is read when no other counts. It may be changed
    /// at any time and holds from the next message on (Ceph's
    /// `set_policy_throttlers`).
    ///
    /// # Errors
    /// `EINVAL` for no entity type.
    pub fn set_policy_throttlers(
        &self,
        peer_type: EntityType,
        bytes: u64,
        messages: u64,
    ) -> Result<()> {
        check_peer_type(peer_type)?;
        self.inner
            .policy_throttles()
            .set(peer_type, bytes, messages);
        Ok(())
    }

    /// Lets the program authenticate peers, and itself, by a method of its own
    /// (Ceph's `set_auth_client` and `set_auth_server`).
    ///
    /// # Errors
    /// `EBUSY` after bind or start, `EALREADY` the second time.
    pub fn set_auth_handler(&self, handler: Arc<dyn AuthHandler>) -> Result<()> {
        self.inner.set_auth_handler(handler)
    }

    /// Lets the program make objects of its own of the messages that come (Ceph's
    /// `decode_message`).
    ///
    /// # Errors
    /// `EBUSY` after start, `EALREADY` the second time, `ESHUTDOWN`.
    pub fn set_decoder(&self, decoder: Arc<dyn Decoder>) -> Result<()> {
        self.inner.set_decoder(decoder)
    }

    /// Lets the program lend the memory that data of received messages go to (Ceph's
    /// `rx_buffers`).
    ///
    /// # Errors
    /// `EBUSY` after start, `EALREADY` the second time, `ESHUTDOWN`.
    pub fn set_rx_allocator(&self, allocator: Arc<dyn RxAllocator>) -> Result<()> {
        self.inner.set_rx_allocator(allocator)
    }

    /// Adds what a keyring file says, in place of what is known of the same
    /// entities: keys, and, for a monitor's clients, what they may do. `osd.` is
    /// all OSDs together: who has that key makes tickets for them himself.
    ///
    /// # Errors
    /// `EINVAL` for a text that is none of a keyring; `EBUSY` after bind or start.
    pub fn add_keyring(&self, text: &str) -> Result<()> {
        self.inner.add_keyring(text)
    }

    /// How long until the ticket for such a service should be renewed, by
    /// [`Connection::auth_request`](crate::Connection::auth_request); none if there
    /// is no good one.
    pub fn ticket_left(&self, service: EntityType) -> Option<Duration> {
        self.inner.ticket_left(service)
    }

    /// For a daemon: how long until the keys that open its clients' tickets should be
    /// asked for anew, by [`Connection::auth_request`](crate::Connection::auth_request).
    /// None if there are none yet; zero once the key that is in use has expired.
    pub fn rotating_keys_left(&self) -> Option<Duration> {
        self.inner.rotating_keys_left()
    }

    /// Listens at all of `addrs`. Port 0 looks for a free one from
    /// `ms_bind_port_min` to `ms_bind_port_max`. Newcomers are accepted from the
    /// first dispatcher on.
    ///
    /// # Errors
    /// `EALREADY` after start or bind, `EINVAL` for an address that is none to
    /// listen at, `EADDRINUSE`, `EDEADLK` on a
    /// worker, `ESHUTDOWN`, or what the system says. Nothing is bound then.
    pub fn bind(&self, addrs: &EntityAddrVec) -> Result<()> {
        self.bind_avoiding(addrs, &[])
    }

    /// As [`Messenger::bind`], passing over these ports where it looks for one
    /// (Ceph's `avoid_ports`: a daemon that was reported dead comes back under
    /// another).
    ///
    /// # Errors
    /// As [`Messenger::bind`].
    pub fn bind_avoiding(&self, addrs: &EntityAddrVec, avoid_ports: &[u16]) -> Result<()> {
        refuse_on_worker("bind")?;
        self.inner.lifecycle().begin_bind()?;
        let bound = bind(&self.inner, addrs, avoid_ports)
            .inspect_err(|_| self.inner.lifecycle().unbind())?;
        self.inner.config();
        self.inner.set_bound(bound);
        if !self.inner.dispatchers().snapshot().is_empty() {
            self.inner.start_accepting();
        }
        Ok(())
    }

    /// Says what the messenger calls itself, where that is not what it is bound
    /// to: behind address translation, or with something in front of it that
    /// forwards (Ceph's `set_addrs`).
    ///
    /// Peers must dial these addresses, since they are what a handshake
    /// compares. They get the messenger's own nonce, and port 0 stands for the
    /// port that is bound at the same place of the list.
    ///
    /// # Errors
    /// `EBUSY` after start, `ESHUTDOWN`, `EINVAL` for addresses that nobody
    /// could dial, `EOPNOTSUPP` for a protocol that is not listened for.
    pub fn set_addrs(&self, addrs: &EntityAddrVec) -> Result<()> {
        self.inner.lifecycle().check_not_started("addresses are")?;
        self.inner.set_addrs(addrs)
    }

    /// Adds a dispatcher to be asked first. The first one makes the messenger
    /// ready: it accepts and dispatches from then on.
    ///
    /// # Errors
    /// `ESHUTDOWN`, or what the system says if no thread can be had.
    pub fn add_dispatcher_head(&self, dispatcher: Arc<dyn Dispatcher>) -> Result<()> {
        self.add_dispatcher(dispatcher, true)
    }

    /// Adds a dispatcher to be asked last.
    ///
    /// # Errors
    /// As [`Messenger::add_dispatcher_head`].
    pub fn add_dispatcher_tail(&self, dispatcher: Arc<dyn Dispatcher>) -> Result<()> {
        self.add_dispatcher(dispatcher, false)
    }

    /// Takes dispatchers out and waits until no callback of theirs runs: then nothing
    /// of this messenger refers to them.
    ///
    /// # Errors
    /// `ENOENT` if there are no such, `EDEADLK` in a callback.
    pub fn remove_dispatcher(&self, is_it: impl Fn(&dyn Dispatcher) -> bool) -> Result<()> {
        if self.is_callback_thread() {
            let why = "remove_dispatcher would wait for the callback it is called in";
            return Err(Error::new(libc::EDEADLK, why));
        }
        match self.inner.dispatchers().remove(is_it) {
            true => Ok(()),
            false => Err(Error::new(libc::ENOENT, "there is no such dispatcher")),
        }
    }

    /// Makes connecting possible.
    ///
    /// # Errors
    /// `EALREADY` the second time, `ESHUTDOWN`.
    pub fn start(&self) -> Result<()> {
        self.inner.config();
        self.inner.lifecycle().start()
    }

    /// Begins the end, from any thread and from callbacks: connections close,
    /// what is queued is dropped, no further callback begins. A second call
    /// does nothing.
    ///
    /// # Errors
    /// None at present.
    pub fn shutdown(&self) -> Result<()> {
        self.inner.shut_down();
        Ok(())
    }

    /// Blocks until [`Messenger::shutdown`] was called and no callback runs or
    /// will run. Returns at once if the messenger was never started.
    ///
    /// # Errors
    /// `EDEADLK` in a callback.
    pub fn wait(&self) -> Result<()> {
        if self.is_callback_thread() {
            return Err(Error::new(
                libc::EDEADLK,
                "wait would wait for the callback it is called in",
            ));
        }
        self.inner.wait();
        Ok(())
    }

    /// Its addresses: what [`Messenger::set_addrs`] said, or what it is bound
    /// to, with ports; as far as they are known, otherwise.
    pub fn myaddrs(&self) -> EntityAddrVec {
        self.inner.myaddrs()
    }

    /// The connection to the peer with these addresses, dialled if there is
    /// none yet (Ceph's `connect_to`). Our own addresses give the loopback
    /// connection. It does not wait for the connection to be up: messages can
    /// be sent at once, and go out when it is.
    ///
    /// # Errors
    /// `ENOTCONN` before start, `ESHUTDOWN`, `EINVAL` for no entity type or an
    /// address that cannot be dialled.
    pub fn connect(&self, peer_type: EntityType, addrs: &EntityAddrVec) -> Result<ConnectionRef> {
        self.connect_with(peer_type, addrs, ConnectOptions::default())
    }

    /// A new connection to that peer, besides those there are (Ceph's `anon`).
    ///
    /// # Errors
    /// As [`Messenger::connect`].
    pub fn connect_anonymous(
        &self,
        peer_type: EntityType,
        addrs: &EntityAddrVec,
    ) -> Result<ConnectionRef> {
        let options = ConnectOptions {
            anonymous: true,
            ..ConnectOptions::default()
        };
        self.connect_with(peer_type, addrs, options)
    }

    /// As [`Messenger::connect`], with all choices there are.
    ///
    /// # Errors
    /// As [`Messenger::connect`].
    pub fn connect_with(
        &self,
        peer_type: EntityType,
        addrs: &EntityAddrVec,
        options: ConnectOptions,
    ) -> Result<ConnectionRef> {
        check_peer_type(peer_type)?;
        self.inner.lifecycle().check_started()?;
        let speaks = |addr: &&EntityAddr| matches!(addr.kind, AddrType::Msgr2 | AddrType::Legacy);
        let Some(target) = addrs.0.iter().find(speaks) else {
            let why = format!("{addrs}: there is no address to dial");
            return Err(Error::invalid(why));
        };
        if !addrs.0.iter().any(EntityAddr::is_dialable) {
            return Err(Error::invalid(format!(
                "{target} cannot be dialled: it needs an IP and a port"
            )));
        }
        self.inner.connect(peer_type, addrs, options)
    }

    /// Ends every connection but the one to itself, as [`Connection::mark_down`]
    /// does, but with a reset for each (Ceph's `mark_down_all`).
    ///
    /// [`Connection::mark_down`]: crate::Connection::mark_down
    pub fn mark_down_all(&self) {
        self.inner.mark_down_all();
    }

    /// Ends the connection to the peer with just these addresses, if there is one
    /// that is not anonymous, with a reset (Ceph's `mark_down_addrs`).
    pub fn mark_down_addrs(&self, addrs: &EntityAddrVec) {
        self.inner.mark_down_addrs(addrs);
    }

    /// Goes on as another incarnation, for a daemon that its cluster took for
    /// dead: listens at other ports than before and than `avoid_ports`, in the
    /// range of [`Messenger::bind`], adds 1000000 to its nonce, and ends every
    /// connection as [`Messenger::mark_down_all`] does (Ceph's `rebind`). IPs that
    /// [`Messenger::set_addrs`] said or that were learned stay.
    ///
    /// # Errors
    /// `EINVAL` if it is not bound, `EADDRINUSE`, `EDEADLK` on a worker,
    /// `ESHUTDOWN`, or what the system says. Nothing has changed then.
    pub fn rebind(&self, avoid_ports: &[u16]) -> Result<()> {
        refuse_on_worker("rebind")?;
        self.inner.rebind(avoid_ports)
    }

    /// The same for a messenger that is not bound: another nonce, and the end of
    /// every connection (Ceph's `client_reset`).
    ///
    /// # Errors
    /// `EALREADY` if it is bound, `ESHUTDOWN`.
    pub fn client_reset(&self) -> Result<()> {
        self.inner.client_reset()
    }

    /// The connection to itself: what is sent there is dispatched here, without
    /// a socket.
    pub fn loopback_connection(&self) -> ConnectionRef {
        self.inner.loopback_connection()
    }

    /// The process it was made in.
    pub fn origin(&self) -> Origin {
        self.context.origin()
    }

    /// Messages and events that wait for the dispatch thread.
    pub fn dispatch_queue_len(&self) -> usize {
        self.inner.dispatch_queue().len()
    }

    /// Its counters as JSON, in the shape of Ceph's `perf dump`: groups of numbers,
    /// one for the messenger, one for each worker's part in it, one for what waits
    /// for dispatch. Numbers only rise, but for `msgr_half_open`,
    /// `msgr_dispatch_queue_len`, `msgr_active_connections` and `val`.
    pub fn perf_dump(&self) -> String {
        self.inner.perf().told(DumpFormat::Json)
    }

    /// One of those numbers, by the names of its group and its own.
    ///
    /// # Errors
    /// `ENOENT` if there is none.
    pub fn perf_get(&self, group: &str, name: &str) -> Result<u64> {
        let found = self.inner.perf().get(group, name);
        found.ok_or_else(|| Error::new(libc::ENOENT, format!("there is no {group}.{name}")))
    }

    /// Lets the numbers that only rise begin at 0 again.
    pub fn perf_reset(&self) {
        self.inner.reset_perf();
    }

    /// What lies behind it.
    pub(crate) fn inner(&self) -> &Arc<AsyncMessenger> {
        &self.inner
    }

    pub(super) fn shared_context(&self) -> &Arc<Context> {
        &self.context
    }

    fn add_dispatcher(&self, dispatcher: Arc<dyn Dispatcher>, at_head: bool) -> Result<()> {
        if self.inner.is_shut_down() {
            return Err(Error::shut_down());
        }
        // First, because it may fail: a dispatcher that was refused must not be
        // called any more.
        self.inner.start_dispatching()?;
        if self.inner.dispatchers().add(dispatcher, at_head) {
            self.inner.start_accepting();
        }
        Ok(())
    }

    fn is_callback_thread(&self) -> bool {
        Worker::<Shard>::on_any_worker() || DispatchQueue::is_current(&self.inner)
    }
}

impl Drop for Messenger {
    fn drop(&mut self) {
        self.inner.shut_down();
        // In a callback nothing can be waited for; the threads end by
        // themselves, and each dispatcher goes with the last callback in it.
        if !self.is_callback_thread() {
            self.inner.wait();
        }
        self.inner.dispatchers().clear();
    }
}

fn refuse_on_worker(call: &str) -> Result<()> {
    if Worker::<Shard>::on_any_worker() {
        let why = format!("{call} would wait for the worker it is called on");
        return Err(Error::new(libc::EDEADLK, why));
    }
    Ok(())
}

pub(super) fn check_peer_type(peer_type: EntityType) -> Result<()> {
    if peer_type.is_known() {
        return Ok(());
    }
    Err(Error::invalid(format!("{} is no entity type", peer_type.0)))
}
