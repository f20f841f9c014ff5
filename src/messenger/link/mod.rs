//! A socket and the protocol that speaks over it.
//!
//! What may happen to a link stands here; how bytes pass in [`io`], what follows
//! from what the protocol says in [`outcome`], dialled sessions in [`meeting`],
//! faults on purpose in [`harm`].

mod harm;
mod io;
mod meeting;
mod outcome;
mod status;

use std::net::IpAddr;
use std::sync::Arc;

use super::admission::{Entry, Grant};
use super::connection::{Connection, ConnectionRef};
use super::counters::{Counter, Traffic};
use super::external::{Newcomer, Place};
use super::half_open::Entrant;
use super::injection::Injector;
use crate::event::{ConnectedSocket, EventCenter, Interest, Readiness, Registered};
use crate::proto::{Answer, Clock, Event, LinkDown, Protocol};
use crate::types::{AddrType, Time};
pub(crate) use status::LinkStatus;

/// Bytes read at once. One buffer for all links of a worker: large enough to
/// take thousands of small frames by one system call.
const STAGING_LEN: usize = 256 << 10;

/// Buffers that a worker's links use in turn, so that an idle link holds none.
pub(crate) struct Scratch {
    /// Bytes as they were read, unparsed ones of the link in front.
    staging: Vec<u8>,
    /// Where frames are encoded for writing.
    encode: Vec<u8>,
    /// What a protocol had to say.
    events: Vec<Event>,
}

/// Whether a flush left something that could be written at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flushed {
    /// All is written, or the socket takes no more for now.
    Done,
    /// The turn's share is used up.
    More,
}

/// One connection in its worker: the only place that knows both a protocol and
/// a socket.
pub(crate) struct Link {
    con: ConnectionRef,
    protocol: Protocol,
    socket: Option<Registered<ConnectedSocket>>,
    /// When that was dialled, or the last one, or accepted.
    begun: Option<Time>,
    /// The socket's TCP handshake is under way.
    dialling: bool,
    /// It was dialled by a local socket, to that address of this host.
    local: Option<IpAddr>,
    /// The last attempt was, and came to nothing.
    avoids_local: bool,
    /// The last write was short: wait for the socket to take more.
    blocked: bool,
    /// Bytes that were read and wait for the rest of their frame.
    held: Vec<u8>,
    /// Payload bytes of messages that were dispatched at once, to be returned
    /// together.
    dispatched: u64,
    /// Messages to be counted as sent.
    sent: u64,
    /// Counts its waits for payload budget, so that what was granted to one that
    /// is over is known from what is granted to the next.
    wait: u64,
    /// The message that it waits for.
    entry: Option<Box<Entry>>,
    /// When the event center will call, at the latest.
    armed: Option<Time>,
    /// Counts what the host's authentication was asked, so that a late answer is
    /// known from that to the next question.
    questions: u64,
    /// Faults on purpose, from the first one asked for on.
    injector: Option<Box<Injector>>,
    /// Accepted, and without a session yet.
    half_open: Option<Entrant<Place>>,
    over: bool,
    /// Its dialler asks for a session.
    asks: bool,
    /// Bytes in `held` could be parsed, but replies were to leave first.
    paused: bool,
    /// Stands in the worker's list of links to flush.
    pub(crate) dirty: bool,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self {
            staging: Vec::with_capacity(STAGING_LEN),
            encode: Vec::new(),
            events: Vec::new(),
        }
    }
}

impl Link {
    /// A link that will dial; [`Link::start`] lets it.
    pub(crate) fn dial(con: ConnectionRef) -> Self {
        let messenger = con.messenger();
        let protocol = Protocol::connect(
            Arc::clone(messenger.config()),
            messenger.myaddrs(),
            con.peer_type(),
            con.peer_addrs(),
            messenger.seed(),
        );
        Self::new(con, protocol)
    }

    /// A link on a socket that was accepted.
    pub(crate) fn accept(
        con: ConnectionRef,
        newcomer: Newcomer,
        center: &mut EventCenter,
    ) -> std::io::Result<Self> {
        let messenger = con.messenger();
        let config = Arc::clone(messenger.config());
        let (local, seed) = (messenger.myaddrs(), messenger.seed());
        let (at, from, now) = (newcomer.at, newcomer.from, center.now());
        let protocol = match newcomer.kind {
            AddrType::Legacy => Protocol::accept_legacy(config, local, at, from, seed, now),
            _ => Protocol::accept(config, local, from, seed, now),
        };
        let mut link = Self::new(con, protocol);
        link.half_open = Some(newcomer.entrant);
        link.begun = Some(now);
        link.settle_entrant()?;
        link.socket = Some(center.register(link.con.id(), newcomer.socket, Interest::READ)?);
        Ok(link)
    }

    /// From here on the worker's count of connections falls with the link.
    fn new(con: ConnectionRef, protocol: Protocol) -> Self {
        count(&con, |traffic| &traffic.created);
        Self {
            con,
            protocol,
            socket: None,
            begun: None,
            dialling: false,
            local: None,
            avoids_local: false,
            blocked: false,
            held: Vec::new(),
            dispatched: 0,
            sent: 0,
            wait: 0,
            entry: None,
            armed: None,
            questions: 0,
            injector: None,
            half_open: None,
            over: false,
            asks: false,
            paused: false,
            dirty: false,
        }
    }

    /// Says where it is found while it is half open; an error if it had to go
    /// before it came here.
    fn settle_entrant(&self) -> std::io::Result<()> {
        let place = (self.con.worker().clone(), self.con.id());
        match &self.half_open {
            Some(entrant) if !entrant.settle(place) => {
                Err(std::io::ErrorKind::ConnectionAborted.into())
            }
            _ => Ok(()),
        }
    }

    // ---- what may happen to it

    pub(crate) fn start(&mut self, scratch: &mut Scratch, center: &mut EventCenter) {
        self.protocol.start(center.now(), &mut scratch.events);
        self.settle(scratch, center);
    }

    /// Takes over what was sent.
    pub(crate) fn fetch(&mut self) {
        for queued in self.con.outbox().take() {
            self.sent += queued.messages();
            self.protocol.send(queued);
        }
    }

    pub(crate) fn keepalive(&mut self) {
        self.protocol.keepalive();
    }

    pub(crate) fn ready(
        &mut self,
        ready: Readiness,
        scratch: &mut Scratch,
        center: &mut EventCenter,
    ) {
        if self.dialling {
            return self.dialled(scratch, center);
        }
        if ready.writable {
            self.blocked = false;
        }
        if ready.readable {
            self.fill(scratch, center);
        }
        self.update_interest(scratch, center);
    }

    pub(crate) fn timer(&mut self, scratch: &mut Scratch, center: &mut EventCenter) {
        self.armed = None;
        self.deliver_delayed(center.now());
        self.protocol
            .handle_timeout(center.now(), &mut scratch.events);
        self.settle(scratch, center);
    }

    pub(crate) fn mark_disposable(&mut self) {
        self.protocol.mark_disposable();
    }

    /// What it waited for is its own now, if that wait is not over. The message
    /// may have to wait for the next thing.
    pub(crate) fn admitted(
        &mut self,
        wait: u64,
        grant: Grant,
        scratch: &mut Scratch,
        center: &mut EventCenter,
    ) {
        let Some(entry) = self.entry.take_if(|_| wait == self.wait) else {
            return;
        };
        match entry.granted(grant, &self.con, wait) {
            Ok(hold) => {
                self.protocol.handle_admitted(hold, center.now());
                self.resume(scratch, center);
            }
            Err(entry) => self.entry = Some(Box::new(entry)),
        }
    }

    /// The host says who the peer is, or what to say to it.
    pub(crate) fn auth_answered(
        &mut self,
        serial: u64,
        answer: Answer,
        scratch: &mut Scratch,
        center: &mut EventCenter,
    ) {
        if serial != self.questions {
            return;
        }
        self.protocol
            .handle_auth(answer, clock(center), &mut scratch.events);
        self.settle(scratch, center);
        if self.socket.is_some() {
            self.resume(scratch, center);
        }
    }

    fn stop_waiting(&mut self) {
        if let Some(entry) = self.entry.take() {
            entry.cancel(&self.con, self.wait);
        }
    }

    /// Parses what is held.
    pub(crate) fn resume(&mut self, scratch: &mut Scratch, center: &mut EventCenter) {
        scratch.staging.clear();
        scratch.staging.append(&mut self.held);
        self.parse(scratch, center);
        self.update_interest(scratch, center);
    }

    /// Asks the event center for a call when the protocol needs one. A call
    /// that comes too early costs a turn, re-arming for every message far more,
    /// so an earlier call stays as it is.
    pub(crate) fn arm(&mut self, center: &mut EventCenter) {
        let delayed = self.injector.as_ref().and_then(|it| it.next_due());
        let wanted = match (self.protocol.poll_timeout(), delayed) {
            (Some(protocol), Some(delayed)) => Some(protocol.min(delayed)),
            (one, other) => one.or(other),
        };
        match (wanted, self.armed) {
            (Some(wanted), Some(armed)) if armed <= wanted => {}
            (Some(wanted), _) => {
                center.arm(self.con.id(), wanted);
                self.armed = Some(wanted);
            }
            (None, Some(_)) => {
                center.disarm(self.con.id());
                self.armed = None;
            }
            (None, None) => {}
        }
    }

    // ---- facts

    pub(crate) fn con(&self) -> &ConnectionRef {
        &self.con
    }

    /// False for an accepted connection before it has a session: the application
    /// has not heard of it.
    pub(crate) fn is_known(&self) -> bool {
        !self.protocol.is_incoming()
    }

    /// What its worker counts.
    #[inline]
    fn traffic(&self) -> Option<&Traffic> {
        let counters = self.con.messenger().counters();
        counters.worker(self.con.worker().id())
    }

    /// True while it counts among the half-open ones.
    pub(crate) fn is_half_open(&self) -> bool {
        self.half_open.is_some()
    }

    #[cfg(test)]
    pub(crate) fn state_name(&self) -> &'static str {
        self.protocol.state_name()
    }

    /// True when the connection has ended and the link shall be dropped.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// True if [`Link::resume`] is to be called soon.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    pub(crate) fn has_unsent(&self) -> bool {
        match self.socket {
            Some(_) => !self.blocked && self.protocol.has_unsent(),
            None => self.protocol.wants_link(),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.protocol.mark_down();
        drop(self.con.outbox().take());
        self.stop_waiting();
        self.discard_delayed();
        self.return_budget();
        self.con.worker().release();
        count(&self.con, |traffic| &traffic.ended);
    }
}

/// Adds to what the worker of that connection counts. Not for the number of one
/// that it alone writes: a link may end on another thread.
fn count(con: &Connection, which: impl FnOnce(&Traffic) -> &Counter) {
    let counters = con.messenger().counters();
    if let Some(traffic) = counters.worker(con.worker().id()) {
        which(traffic).add(1);
    }
}

fn clock(center: &mut EventCenter) -> Clock {
    Clock {
        now: center.now(),
        wall: center.wall(),
    }
}

fn down(error: &std::io::Error) -> LinkDown {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => LinkDown::Refused,
        kind => LinkDown::Io(kind),
    }
}
