//! What lies behind a messenger: everything that connections, workers and the
//! dispatch thread share of it.

mod addrs;
mod config;
mod set_up;

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};

use super::admission::{PolicyThrottles, Waiter};
use super::auth::AuthHandler;
use super::connection::{ConnectOptions, Connection, ConnectionRef, Kind};
use super::context::Context;
use super::counters::Counters;
use super::decoder::Decoder;
use super::dispatch_queue::{DispatchQueue, Item};
use super::dispatcher::{self, Chain, DispatcherChain};
use super::dump::Dump;
use super::error::{Error, Result};
use super::external::{External, Place};
use super::half_open::{Entrant, HalfOpen, Limit};
use super::injection::FaultInjection;
use super::keys::Keys;
use super::lifecycle::Lifecycle;
use super::messenger::Messenger;
use super::options::Options;
use super::registry::Registry;
use super::rx_alloc::RxAllocator;
use super::seeds::Seeds;
use super::settings::Settings;
use super::shard::Shard;
use super::throttle::Throttle;
use crate::event::{NetworkStack, SocketOptions, Worker};
use crate::proto::{Initiator, ProtocolConfig};
use crate::types::{
    AddrType, AuthName, EntityAddr, EntityAddrVec, EntityType, Entropy, Message, Policy, PolicySet,
    Time,
};

/// The inner messenger (the part of Ceph's `AsyncMessenger` that its
/// connections need).
///
/// Connections and the dispatch thread hold it; the application holds a
/// [`Messenger`](super::Messenger), whose end is also the end of this.
pub(crate) struct AsyncMessenger {
    name: AuthName,
    /// What the application calls it: for those who read its counters.
    lname: String,
    nonce: AtomicU32,
    /// What the application holds of it.
    handle: OnceLock<Weak<Messenger>>,
    options: Options,
    injection: Arc<FaultInjection>,
    stack: Arc<NetworkStack<Shard>>,
    lifecycle: Lifecycle,
    policies: Mutex<PolicySet>,
    settings: Settings,
    keys: Arc<Keys>,
    entropy: Entropy,
    /// Made from options and policies by the first call that needs it; from
    /// then on neither changes.
    config: OnceLock<Arc<ProtocolConfig>>,
    /// The host's own authentication, if it brings one.
    auth_handler: OnceLock<Arc<dyn AuthHandler>>,
    /// What the program makes of messages, if it wants to.
    decoder: OnceLock<Arc<dyn Decoder>>,
    /// What the program lends for data, if it wants to.
    rx_allocator: OnceLock<Arc<dyn RxAllocator>>,
    myaddrs: RwLock<EntityAddrVec>,
    dispatchers: DispatcherChain,
    dispatch_queue: DispatchQueue,
    throttle: Throttle<Waiter>,
    policy_throttles: PolicyThrottles,
    registry: Registry,
    half_open: Arc<HalfOpen<Place>>,
    counters: Counters,
    /// What they were at the last reset.
    counted_from: Mutex<Dump>,
    seeds: Arc<Seeds>,
    loopback: Mutex<Option<ConnectionRef>>,
    /// The addresses it is bound to, which may differ from those it tells.
    bound_to: Mutex<EntityAddrVec>,
    /// Where its processors live: worker and key.
    processors: Mutex<Vec<(Worker<Shard>, u64)>>,
}

impl AsyncMessenger {
    pub(crate) fn new(
        context: &Context,
        name: AuthName,
        lname: &str,
        nonce: u32,
    ) -> Result<Arc<Self>> {
        let options = Options::read(context.conf())?;
        let stack = context.stack()?;
        let keys = Keys::read(context.conf(), &name, context.entropy())?;
        let blank = EntityAddr {
            kind: AddrType::Any,
            nonce,
            socket: None,
        };
        Ok(Arc::new(Self {
            name,
            lname: lname.to_owned(),
            nonce: AtomicU32::new(nonce),
            handle: OnceLock::new(),
            dispatch_queue: DispatchQueue::new(options.pq_max_tokens, options.pq_min_cost),
            throttle: Throttle::new(options.dispatch_throttle_bytes),
            policy_throttles: PolicyThrottles::new(),
            half_open: HalfOpen::new(options.half_open),
            counters: Counters::new(stack.workers().len()),
            counted_from: Mutex::default(),
            options,
            injection: Arc::clone(context.injection()),
            stack,
            lifecycle: Lifecycle::new(),
            policies: Mutex::new(PolicySet::new(Policy::lossy_client())),
            settings: Settings::new(),
            keys: Arc::new(keys),
            entropy: context.entropy().clone(),
            config: OnceLock::new(),
            auth_handler: OnceLock::new(),
            decoder: OnceLock::new(),
            rx_allocator: OnceLock::new(),
            myaddrs: RwLock::new(blank.into()),
            dispatchers: DispatcherChain::new(),
            registry: Registry::default(),
            seeds: Arc::clone(context.seeds()),
            loopback: Mutex::default(),
            bound_to: Mutex::default(),
            processors: Mutex::default(),
        }))
    }

    // ---- set-up

    /// Its keys and tickets.
    pub(crate) fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// Starts the dispatch thread, once.
    pub(crate) fn start_dispatching(self: &Arc<Self>) -> Result<()> {
        DispatchQueue::start(self).map_err(|why| Error::io("starting the dispatch thread", &why))
    }

    /// Lets the processors accept: with the first dispatcher there is somebody
    /// to serve newcomers (Ceph's `ready`).
    pub(crate) fn start_accepting(&self) {
        for (worker, key) in lock(&self.processors).iter() {
            worker.dispatch_event_external(External::Accept(*key));
        }
    }

    // ---- connections

    /// The connection to that peer: the one there is, or a new one that starts
    /// to dial.
    pub(crate) fn connect(
        self: &Arc<Self>,
        peer_type: EntityType,
        addrs: &EntityAddrVec,
        options: ConnectOptions,
    ) -> Result<ConnectionRef> {
        if self.is_me(addrs) && !options.not_local {
            return Ok(self.loopback_connection());
        }
        if options.anonymous {
            return self.dial(Kind::Anonymous, peer_type, addrs);
        }
        // Under the registry's lock: whoever finds it there may send at once, and
        // the worker drops messages of a connection it has not heard of.
        self.registry
            .get_or_make(addrs, || self.dial(Kind::Dialled, peer_type, addrs))
    }

    fn dial(
        self: &Arc<Self>,
        kind: Kind,
        peer_type: EntityType,
        addrs: &EntityAddrVec,
    ) -> Result<ConnectionRef> {
        // Shutdown begins before it empties the registry, under its lock, and
        // before it tells the workers: either it is seen here, or the connection
        // is found by it.
        self.lifecycle.check_started()?;
        let worker = self.stack.least_loaded();
        worker.acquire();
        let con = Connection::new(self, worker, kind, peer_type, addrs.clone());
        worker.dispatch_event_external(External::Connect(Arc::clone(&con)));
        Ok(con)
    }

    /// This messenger's connection to itself.
    pub(crate) fn loopback_connection(self: &Arc<Self>) -> ConnectionRef {
        let mut loopback = lock(&self.loopback);
        if let Some(con) = loopback.as_ref() {
            return Arc::clone(con);
        }
        let con = Connection::new(
            self,
            self.stack.least_loaded(),
            Kind::Loopback,
            self.name.kind,
            self.myaddrs(),
        );
        if self.lifecycle.is_shut_down() {
            // Nobody would take a kept one out of its cycle with us again.
            con.close();
        } else {
            *loopback = Some(Arc::clone(&con));
        }
        con
    }

    /// Takes a connection that has ended out of the registry, and drops what of
    /// it waits for dispatch.
    pub(crate) fn forget(self: &Arc<Self>, con: &Connection) {
        self.registry.remove(con);
        self.discard(con);
    }

    /// Drops the messages of that connection that wait for dispatch.
    pub(crate) fn discard(self: &Arc<Self>, con: &Connection) {
        self.put_throttle(self.dispatch_queue.discard(con));
    }

    /// What a new connection draws its cookies and pauses from.
    pub(crate) fn seed(&self) -> u64 {
        self.seeds.next()
    }

    /// Counts a socket that was just accepted from there. Another one may have to
    /// go for it.
    pub(crate) fn enter(&self, from: IpAddr, now: Time) -> Entrant<Place> {
        let (entrant, evicted) = self.half_open.enter(from, now);
        self.counters.accepted.add(1);
        if let Some(evicted) = evicted {
            match evicted.limit {
                Limit::Total => self.counters.evicted.add(1),
                Limit::PerSource => self.counters.evicted_of_source.add(1),
            }
            if let Some((worker, id)) = evicted.place {
                worker.dispatch_event_external(External::Evict(id));
            }
        }
        entrant
    }

    // ---- dispatch

    /// Hands a message that a worker has read to the dispatchers. Its payload
    /// is paid for; what of that is to be returned already is the answer.
    #[must_use]
    pub(crate) fn deliver(
        &self,
        chain: &Chain,
        con: &ConnectionRef,
        mut message: Box<Message>,
        now: Time,
    ) -> u64 {
        let cost = message.payload_len() as u64;
        // After a shutdown, what was accepted is closed only in a while.
        if con.is_closed() || self.is_shut_down() {
            return cost;
        }
        log::trace!(
            "{con} <== {} ==== type {} ==== {cost} bytes",
            message.seq,
            message.kind
        );
        dispatcher::preprocess(chain, con, &mut message);
        match dispatcher::fast_dispatch(chain, con, message) {
            Some(message) => {
                self.dispatch_queue.enqueue(con, message, now);
                0
            }
            None => cost,
        }
    }

    /// Tells that a connection is up, for the first time or again, by a link that
    /// so-and-so dialled: at once, and in its turn.
    pub(crate) fn connected(&self, con: &ConnectionRef, by: Initiator) {
        if self.is_shut_down() {
            return;
        }
        let chain = self.dispatchers.snapshot();
        if by == Initiator::Us {
            dispatcher::tell(&chain, "handle_fast_connect", |to| {
                to.handle_fast_connect(con)
            });
            self.dispatch_queue.enqueue_event(con, Item::Connect);
        } else {
            dispatcher::tell(&chain, "handle_fast_accept", |to| {
                to.handle_fast_accept(con)
            });
            self.dispatch_queue.enqueue_event(con, Item::Accept);
        }
    }

    /// Counts payload bytes that exist already and cannot be held back.
    pub(crate) fn count_admitted(&self, bytes: u64) {
        self.throttle.take(bytes);
    }

    /// Payload bytes that are out.
    #[cfg(test)]
    pub(crate) fn throttled(&self) -> u64 {
        self.throttle.current()
    }

    // ---- the end

    /// Begins the end: no callback starts anew, every socket is closed.
    pub(crate) fn shut_down(self: &Arc<Self>) {
        if !self.lifecycle.begin_shutdown() {
            return;
        }
        let dropped = self.dispatch_queue.stop();
        let registered = self.registry.take_all();
        // It refers back to this messenger, and nobody may ever wait.
        let loopback = lock(&self.loopback).take();
        let known = registered.iter().chain(&loopback);
        for con in known {
            con.close();
        }
        for worker in self.stack.workers() {
            worker.dispatch_event_external(External::Shutdown(Arc::clone(self)));
        }
        self.lifecycle.finish_shutdown();
        // Those who wait refer back to this messenger, too.
        self.throttle.close();
        self.policy_throttles.close(self);
        self.put_throttle(dropped);
        // With them may go data of the application's, whose destructors are its
        // code: they run last, and unlocked.
        drop((registered, loopback));
    }

    /// Waits until shutdown was asked for and everything of this messenger has
    /// come to rest. Not for callback threads.
    pub(crate) fn wait(self: &Arc<Self>) {
        if !self.lifecycle.wait_for_shutdown() {
            return;
        }
        // Twice: what a worker handed to another just before its own end may have
        // come after the first round there.
        let workers = self.stack.workers();
        for worker in workers.iter().chain(workers) {
            // External events keep their order, so this one comes after
            // Shutdown. A worker that has stopped has dropped everything.
            let _ = worker.submit_to(|_, _| ());
        }
        self.dispatch_queue.join(|bytes| self.put_throttle(bytes));
        self.lifecycle.finish();
    }

    // ---- facts

    /// What the application holds of it, if it still does.
    pub(crate) fn handle(&self) -> Option<Arc<Messenger>> {
        self.handle.get().and_then(Weak::upgrade)
    }

    /// It is held by that from now on.
    pub(crate) fn set_handle(&self, handle: &Arc<Messenger>) {
        // A messenger is made once, by whoever set it.
        let _ = self.handle.set(Arc::downgrade(handle));
    }

    pub(crate) fn name(&self) -> &AuthName {
        &self.name
    }

    /// What the application calls it.
    pub(crate) fn lname(&self) -> &str {
        &self.lname
    }

    pub(crate) fn nonce(&self) -> u32 {
        self.nonce.load(Ordering::Relaxed)
    }

    pub(crate) fn set_nonce(&self, nonce: u32) {
        self.nonce.store(nonce, Ordering::Relaxed);
    }

    pub(crate) fn bound_to(&self) -> &Mutex<EntityAddrVec> {
        &self.bound_to
    }

    pub(crate) fn processors(&self) -> &Mutex<Vec<(Worker<Shard>, u64)>> {
        &self.processors
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn injection(&self) -> &FaultInjection {
        &self.injection
    }

    /// How the next socket is set up.
    pub(crate) fn socket_options(&self) -> SocketOptions {
        self.settings.apply_to(&self.options.socket)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn crc_data(&self) -> bool {
        self.options.crc_data
    }

    pub(crate) fn stack(&self) -> &NetworkStack<Shard> {
        &self.stack
    }

    /// Does every worker have listening sockets of its own?
    pub(crate) fn has_local_listen_tables(&self) -> bool {
        self.options.local_listen_table && self.stack.supports_local_listen_table()
    }

    /// What its messages may take until they are dispatched.
    pub(crate) fn throttle(&self) -> &Throttle<Waiter> {
        &self.throttle
    }

    /// What messages of each type of peer may take until they are dropped.
    pub(crate) fn policy_throttles(&self) -> &PolicyThrottles {
        &self.policy_throttles
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Its half-open connections.
    #[cfg(test)]
    pub(crate) fn half_open(&self) -> &HalfOpen<Place> {
        &self.half_open
    }

    /// All its counters, since they were reset.
    pub(crate) fn perf(&self) -> Dump {
        let mut dump = self.perf_ever();
        dump.count_from(&lock(&self.counted_from));
        dump
    }

    /// Counts from here on. The counters themselves go on, since others than their
    /// writers could not set them without losing counts.
    pub(crate) fn reset_perf(&self) {
        let now = self.perf_ever();
        *lock(&self.counted_from) = now;
    }

    fn perf_ever(&self) -> Dump {
        let mut dump = Dump::new(&format!("AsyncMessenger::{}", self.name));
        dump.number("msgr_half_open", self.half_open.len() as u64);
        dump.number("msgr_dispatch_queue_len", self.dispatch_queue.len() as u64);
        self.counters.tell(&mut dump);
        dump.group(&format!("throttle-msgr_dispatch_throttler-{}", self.lname));
        dump.number("val", self.throttle.current());
        dump.number("max", self.options.dispatch_throttle_bytes);
        dump
    }

    pub(crate) fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    pub(crate) fn is_shut_down(&self) -> bool {
        self.lifecycle.is_shut_down()
    }

    pub(crate) fn dispatchers(&self) -> &DispatcherChain {
        &self.dispatchers
    }

    pub(crate) fn dispatch_queue(&self) -> &DispatchQueue {
        &self.dispatch_queue
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
