//! The connections of one worker.

use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::async_messenger::AsyncMessenger;
use super::connection::{Connection, ConnectionRef, Kind};
use super::external::{External, Newcomer};
use super::link::{Flushed, Link, LinkStatus, Scratch};
use super::processor::Processor;
use crate::event::{EventCenter, Handler, Readiness, Worker};
use crate::proto::Verdict;
use crate::types::{EntityAddr, EntityType, Message, Stamps};

/// What one worker owns: its links and listening sockets.
///
/// Nothing in it is shared. Other threads reach it by [`External`] events,
/// sockets and timers by their keys, which are connection ids.
pub(crate) struct Shard {
    worker: Worker<Self>,
    links: FxHashMap<u64, Box<Link>>,
    processors: FxHashMap<u64, Processor>,
    /// Links with something to write, each once: written before the worker
    /// sleeps, all they have in as few system calls as possible.
    dirty: Vec<u64>,
    /// Links that have more to deliver once replies have left.
    paused: Vec<u64>,
    scratch: Scratch,
}

impl Shard {
    pub(crate) fn new(worker: Worker<Self>) -> Self {
        Self {
            worker,
            links: FxHashMap::default(),
            processors: FxHashMap::default(),
            dirty: Vec::new(),
            paused: Vec::new(),
            scratch: Scratch::new(),
        }
    }

    pub(crate) fn add_processor(&mut self, key: u64, processor: Processor) {
        self.processors.insert(key, processor);
    }

    pub(crate) fn remove_processor(&mut self, key: u64) {
        self.processors.remove(&key);
    }

    /// Which of its connections are that messenger's.
    pub(crate) fn ids_of(&self, messenger: &Arc<AsyncMessenger>) -> Vec<u64> {
        let links = self.links.iter();
        let theirs = links.filter(|(_, link)| Arc::ptr_eq(link.con().messenger(), messenger));
        let mut ids: Vec<u64> = theirs.map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids
    }

    /// What those of these connections are doing that are still there.
    pub(crate) fn statuses(&self, ids: &[u64], center: &EventCenter) -> Vec<LinkStatus> {
        let links = ids.iter().filter_map(|id| self.links.get(id));
        links.map(|link| link.status(center.now())).collect()
    }

    /// The descriptors of that messenger's listening sockets.
    pub(crate) fn listening(&self, messenger: &Arc<AsyncMessenger>) -> Vec<RawFd> {
        let processors = self.processors.values();
        let theirs = processors.filter(|processor| processor.belongs_to(messenger));
        theirs.filter_map(Processor::fd).collect()
    }

    /// What it holds, each kind by its name.
    #[cfg(test)]
    pub(crate) fn leftovers(&self, center: &mut EventCenter) -> [(&'static str, u64); 3] {
        [
            ("links", self.links.len() as u64),
            ("listening sockets", self.processors.len() as u64),
            ("armed timers", center.armed() as u64),
        ]
    }

    /// What the connection with that id is doing.
    #[cfg(test)]
    pub(crate) fn state_of(&self, id: u64) -> Option<&'static str> {
        self.links.get(&id).map(|link| link.state_name())
    }

    fn connect(&mut self, con: ConnectionRef, center: &mut EventCenter) {
        if con.is_closed() || con.messenger().is_shut_down() {
            // Marked down before it began, or behind the event of a shutdown.
            con.close();
            return self.worker.release();
        }
        let id = con.id();
        self.links.insert(id, Box::new(Link::dial(con)));
        self.with_link(id, center, |link, scratch, center| {
            link.start(scratch, center)
        });
    }

    fn accepted(
        &mut self,
        messenger: &Arc<AsyncMessenger>,
        newcomer: Newcomer,
        center: &mut EventCenter,
    ) {
        if messenger.is_shut_down() {
            return self.worker.release();
        }
        // The peer's kind and addresses are what its handshake will tell.
        let from = newcomer.from;
        let addr = EntityAddr {
            kind: newcomer.kind,
            nonce: 0,
            socket: Some(from),
        };
        let con = Connection::new(
            messenger,
            &self.worker,
            Kind::Accepted,
            EntityType(0),
            addr.into(),
        );
        let id = con.id();
        match Link::accept(con, newcomer, center) {
            Ok(link) => {
                self.links.insert(id, Box::new(link));
                self.mark_dirty(id);
                self.with_link(id, center, |link, _, center| link.arm(center));
            }
            // It had to go for a later one: a flood must not fill the log as well.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => log::warn!("{}: cannot serve {from}: {error}", messenger.name()),
        }
    }

    fn fetch(&mut self, id: u64) {
        // A link that has ended has taken its queue with it.
        if let Some(link) = self.links.get_mut(&id) {
            link.fetch();
            self.mark_dirty(id);
        }
    }

    fn deliver_local(con: &ConnectionRef, mut message: Box<Message>, center: &EventCenter) {
        message.stamps = Stamps::at(center.wall());
        let messenger = con.messenger();
        if message.body.is_none() {
            if let Err(errno) = messenger.decode(con, &mut message) {
                let kind = message.kind;
                return log::warn!("{con}: message of type {kind} does not decode (error {errno})");
            }
        }
        let bytes = message.payload_len() as u64;
        // Not admitted but merely counted: the bytes exist already, and holding
        // the message back would save nothing.
        messenger.count_admitted(bytes);
        let chain = messenger.dispatchers().snapshot();
        let done = messenger.deliver(&chain, con, message, center.now());
        messenger.put_throttle(done);
    }

    /// Answers the dialler of an accepted connection that asks for a session, or
    /// sees to it that the worker does that has the session.
    fn resolve(&mut self, id: u64, center: &mut EventCenter) {
        let Some(incoming) = self.links.get(&id) else {
            return;
        };
        let Some(peer) = incoming.asked() else {
            return;
        };
        let existing = incoming.con().messenger().registry().get(peer);
        let existing = match existing {
            Some(con) if !con.worker().is_current() => return self.hand_over(id, &con, center),
            // Its dialling begins with an event that waits for us already.
            Some(con) if !self.links.contains_key(&con.id()) => {
                return self.worker.dispatch_event_external(External::Resolve(id));
            }
            other => other.map(|con| con.id()),
        };
        let meets = existing.and_then(|existing| self.links.get(&existing));
        let gives_way =
            meets.is_some_and(|link| !link.speaks_as(incoming) && !incoming.is_stranger_to(link));
        if let (Some(existing), true) = (existing, gives_way) {
            self.with_link(existing, center, |link, _, _| link.end(true));
            return self.resolve(id, center);
        }
        let verdict = incoming.meet(meets.map(|link| &**link));
        log::debug!("{}: asks for a session: {verdict:?}", incoming.con());
        match (verdict, existing) {
            (Verdict::New, _) => self.grant(id, center),
            (Verdict::Displace, Some(existing)) => {
                self.with_link(existing, center, |link, _, _| link.end(true));
                self.grant(id, center);
            }
            (Verdict::Replace { reset }, Some(existing)) => {
                self.take_over(existing, id, reset, center);
            }
            (Verdict::Resume, Some(existing)) => self.take_over(existing, id, false, center),
            (Verdict::Stale, _) => self.drop_unknown(id, center),
            (refusal, existing) => {
                if let (Verdict::Wait, Some(existing)) = (refusal, existing) {
                    self.with_link(existing, center, |link, scratch, center| {
                        link.insist(scratch, center);
                    });
                }
                self.with_link(id, center, |link, scratch, center| {
                    link.refuse(refusal, scratch, center);
                });
            }
        }
    }

    fn grant(&mut self, id: u64, center: &mut EventCenter) {
        let Some(link) = self.links.get(&id) else {
            return;
        };
        let con = link.con();
        let claimed = link
            .asked()
            .is_some_and(|peer| con.messenger().registry().claim(peer, con));
        if !claimed {
            // Somebody has begun to dial the peer in between.
            return self.worker.dispatch_event_external(External::Resolve(id));
        }
        self.with_link(id, center, |link, scratch, center| {
            link.grant(scratch, center)
        });
    }

    fn take_over(&mut self, existing: u64, incoming: u64, reset: bool, center: &mut EventCenter) {
        center.disarm(incoming);
        let Some(incoming) = self.links.remove(&incoming) else {
            return;
        };
        self.with_link(existing, center, |link, scratch, center| {
            link.take_over(incoming, reset, scratch, center);
        });
    }

    /// Drops a connection of which the application never knew.
    fn drop_unknown(&mut self, id: u64, center: &mut EventCenter) {
        center.disarm(id);
        if let Some(link) = self.links.remove(&id) {
            link.con().close();
        }
    }

    /// Makes room for newcomers, unless it has got its session in between.
    fn evict(&mut self, id: u64, center: &mut EventCenter) {
        if self.links.get(&id).is_some_and(|link| link.is_half_open()) {
            self.drop_unknown(id, center);
        }
    }

    /// Sends a half-done handshake to the worker that has the session.
    fn hand_over(&mut self, id: u64, existing: &ConnectionRef, center: &mut EventCenter) {
        let Some(mut link) = self.links.remove(&id) else {
            return;
        };
        if let Err(error) = link.detach(center) {
            return log::warn!("{}: cannot leave its worker: {error}", link.con());
        }
        existing
            .worker()
            .dispatch_event_external(External::Adopt(link));
    }

    /// Takes in a half-done handshake of another worker.
    fn adopt(&mut self, mut link: Box<Link>, center: &mut EventCenter) {
        let messenger = Arc::clone(link.con().messenger());
        if messenger.is_shut_down() {
            link.con().close();
            return;
        }
        self.worker.acquire();
        let former = link.con();
        let con = Connection::new(
            &messenger,
            &self.worker,
            Kind::Accepted,
            former.peer_type(),
            former.peer_addrs(),
        );
        let id = con.id();
        if let Err(error) = link.attach(con, center) {
            return log::warn!("{}: cannot change its worker: {error}", link.con());
        }
        self.links.insert(id, link);
        self.with_link(id, center, |_, _, _| {});
        self.resolve(id, center);
    }

    fn mark_down_all(&mut self, messenger: &Arc<AsyncMessenger>, center: &mut EventCenter) {
        for id in self.ids_of(messenger) {
            let is_known = self.links.get(&id).is_some_and(|link| link.is_known());
            if is_known {
                self.with_link(id, center, |link, _, _| link.end(true));
            } else {
                self.drop_unknown(id, center);
            }
        }
    }

    fn shut_down(&mut self, messenger: &Arc<AsyncMessenger>, center: &mut EventCenter) {
        self.processors.retain(|key, processor| {
            let stays = !processor.belongs_to(messenger);
            if !stays {
                center.disarm(*key);
            }
            stays
        });
        self.links.retain(|id, link| {
            let stays = !Arc::ptr_eq(link.con().messenger(), messenger);
            if !stays {
                center.disarm(*id);
                link.con().close();
            }
            stays
        });
    }

    /// Lets every dirty link write.
    fn flush(&mut self, center: &mut EventCenter) {
        let mut busy = Vec::new();
        let mut dirty = std::mem::take(&mut self.dirty);
        for id in dirty.drain(..) {
            let Some(link) = self.links.get_mut(&id) else {
                continue;
            };
            link.dirty = false;
            let flushed = link.flush(&mut self.scratch, center);
            if link.is_over() {
                center.disarm(id);
                self.links.remove(&id);
                continue;
            }
            // A failed write may have put a dialler off to its next attempt.
            link.arm(center);
            if flushed == Flushed::More {
                busy.push(id);
            }
        }
        self.dirty = dirty;
        for id in busy {
            self.mark_dirty(id);
        }
    }

    fn mark_dirty(&mut self, id: u64) {
        if let Some(link) = self.links.get_mut(&id) {
            if !std::mem::replace(&mut link.dirty, true) {
                self.dirty.push(id);
            }
        }
    }

    /// Lets a link act, then settles what follows from it: its timer, its
    /// output, its end.
    fn with_link(
        &mut self,
        id: u64,
        center: &mut EventCenter,
        act: impl FnOnce(&mut Link, &mut Scratch, &mut EventCenter),
    ) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        act(link, &mut self.scratch, center);
        if link.is_over() {
            center.disarm(id);
            self.links.remove(&id);
            return;
        }
        link.arm(center);
        let asks = link.take_asks();
        if link.is_paused() && !self.paused.contains(&id) {
            self.paused.push(id);
        }
        if link.has_unsent() {
            self.mark_dirty(id);
        }
        if asks {
            self.resolve(id, center);
        }
    }
}

impl Handler for Shard {
    type External = External;

    fn handle_external(&mut self, event: External, center: &mut EventCenter) {
        match event {
            External::Fetch(id) => self.fetch(id),
            External::Local(con, message) => Self::deliver_local(&con, message, center),
            External::Connect(con) => self.connect(con, center),
            External::Accepted(messenger, newcomer) => {
                self.accepted(&messenger, *newcomer, center);
            }
            External::Keepalive(id) => self.with_link(id, center, |link, _, _| link.keepalive()),
            External::MarkDown(id) => {
                center.disarm(id);
                self.links.remove(&id);
            }
            External::Evict(id) => self.evict(id, center),
            External::MarkDisposable(id) => {
                self.with_link(id, center, |link, _, _| link.mark_disposable());
            }
            External::Adopt(link) => self.adopt(link, center),
            External::AuthAnswer(id, serial, answer) => {
                self.with_link(id, center, |link, scratch, center| {
                    link.auth_answered(serial, *answer, scratch, center);
                });
            }
            External::Resolve(id) => self.resolve(id, center),
            External::Admitted(con, wait, grant) => {
                self.with_link(con.id(), center, |link, scratch, center| {
                    link.admitted(wait, grant, scratch, center)
                });
            }
            External::Accept(key) => {
                if let Some(processor) = self.processors.get_mut(&key) {
                    processor.resume(center);
                }
            }
            External::MarkDownAll(messenger) => self.mark_down_all(&messenger, center),
            External::Shutdown(messenger) => self.shut_down(&messenger, center),
        }
    }

    fn handle_ready(&mut self, key: u64, ready: Readiness, center: &mut EventCenter) {
        if let Some(processor) = self.processors.get_mut(&key) {
            return processor.accept(&self.worker, center);
        }
        self.with_link(key, center, |link, scratch, center| {
            link.ready(ready, scratch, center)
        });
    }

    fn handle_timer(&mut self, key: u64, center: &mut EventCenter) {
        if let Some(processor) = self.processors.get_mut(&key) {
            return processor.resume(center);
        }
        self.with_link(key, center, |link, scratch, center| {
            link.timer(scratch, center)
        });
    }

    fn before_sleep(&mut self, center: &mut EventCenter) -> bool {
        self.flush(center);
        // Replies come first: they are events of our own that wait to be drained.
        let resumed = match self.worker.has_events() {
            true => Vec::new(),
            false => std::mem::take(&mut self.paused),
        };
        for id in resumed {
            self.with_link(id, center, |link, scratch, center| {
                link.resume(scratch, center);
            });
        }
        !self.dirty.is_empty() || !self.paused.is_empty()
    }
}
