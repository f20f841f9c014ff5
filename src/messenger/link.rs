//! A socket and the protocol that speaks over it.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;

use super::admission::{Entry, Grant};
use super::connection::ConnectionRef;
use super::dispatch_queue::Item;
use super::dispatcher::Chain;
use super::injection::{Injector, Settings};
use crate::event::{ConnectedSocket, EventCenter, Interest, Readiness, Registered};
use crate::proto::{
    Admission, Clock, Event, Fault, Intake, LinkDown, Outgoing, Protocol, Spares, Verdict,
};
use crate::types::{EntityAddr, EntityAddrVec, Message, Time};

/// Bytes read at once. One buffer for all links of a worker: large enough to
/// take thousands of small frames by one system call.
const STAGING_LEN: usize = 256 << 10;

/// Bytes a link may read, and write, in one turn before the others have theirs.
const TURN_BYTES: usize = 2 << 20;

/// Messages delivered before it is looked whether replies wait to be written. A
/// peer that waits for them gets on with its work while the rest is dispatched.
const DELIVERED_AT_ONCE: usize = 32;

/// Slices handed to the kernel at once.
const SLICES: usize = 64;

/// Buffers that a worker's links use in turn, so that an idle link holds none.
pub(crate) struct Scratch {
    /// Bytes as they were read, unparsed ones of the link in front.
    staging: Vec<u8>,
    /// Where frames are encoded for writing.
    encode: Vec<u8>,
    /// What a protocol had to say.
    events: Vec<Event>,
    /// What messages that arrive are made of.
    spares: Spares,
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
    /// The socket's TCP handshake is under way.
    dialling: bool,
    /// The last write was short: wait for the socket to take more.
    blocked: bool,
    /// Bytes that were read and wait for the rest of their frame.
    held: Vec<u8>,
    /// Payload bytes of messages that were dispatched at once, to be returned
    /// together.
    dispatched: u64,
    /// Counts its waits for payload budget, so that what was granted to one that
    /// is over is known from what is granted to the next.
    wait: u64,
    /// The message that it waits for.
    entry: Option<Box<Entry>>,
    /// When the event center will call, at the latest.
    armed: Option<Time>,
    /// Faults on purpose, from the first one asked for on.
    injector: Option<Box<Injector>>,
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
            spares: Spares::default(),
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
        socket: ConnectedSocket,
        from: SocketAddr,
        center: &mut EventCenter,
    ) -> io::Result<Self> {
        let messenger = con.messenger();
        let config = Arc::clone(messenger.config());
        let (local, seed) = (messenger.myaddrs(), messenger.seed());
        let protocol = Protocol::accept(config, local, from, seed, center.now());
        let mut link = Self::new(con, protocol);
        link.socket = Some(center.register(link.con.id(), socket, Interest::READ)?);
        Ok(link)
    }

    /// From here on the worker's count of connections falls with the link.
    fn new(con: ConnectionRef, protocol: Protocol) -> Self {
        Self {
            con,
            protocol,
            socket: None,
            dialling: false,
            blocked: false,
            held: Vec::new(),
            dispatched: 0,
            wait: 0,
            entry: None,
            armed: None,
            injector: None,
            over: false,
            asks: false,
            paused: false,
            dirty: false,
        }
    }

    // ---- what may happen to it

    pub(crate) fn start(&mut self, scratch: &mut Scratch, center: &mut EventCenter) {
        self.protocol.start(center.now(), &mut scratch.events);
        self.settle(scratch, center);
    }

    pub(crate) fn send(&mut self, outgoing: Outgoing) {
        self.protocol.send(outgoing);
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

    /// Writes what there is to write, until the socket is full or the turn's
    /// share is used up.
    pub(crate) fn flush(&mut self, scratch: &mut Scratch, center: &mut EventCenter) -> Flushed {
        if self.blocked || self.dialling {
            return Flushed::Done;
        }
        let Some(socket) = &self.socket else {
            self.wake(scratch, center);
            return Flushed::Done;
        };
        let clock = clock(center);
        self.protocol.lend(&mut scratch.encode);
        let mut written = 0;
        let mut result = Ok(Flushed::More);
        while written < TURN_BYTES {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let filled = self
                .protocol
                .poll_transmit(clock, &mut scratch.spares, &mut slices);
            if filled == 0 {
                result = Ok(Flushed::Done);
                break;
            }
            let wanted: usize = slices[..filled].iter().map(|slice| slice.len()).sum();
            if breaks_socket(&mut self.injector, &self.con) {
                result = Err(io::ErrorKind::ConnectionReset.into());
                break;
            }
            match socket.write_vectored(&slices[..filled]) {
                Ok(taken) => {
                    self.protocol.handle_sent(taken, clock.now);
                    written += taken;
                    if taken < wanted {
                        self.blocked = true;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.blocked = true,
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
            if self.blocked {
                result = Ok(Flushed::Done);
                break;
            }
        }
        self.protocol.reclaim(&mut scratch.encode);
        self.con.note_released(self.protocol.take_released());
        match result {
            Ok(flushed) => {
                self.update_interest(scratch, center);
                flushed
            }
            Err(error) => {
                self.lost(LinkDown::Io(error.kind()), scratch, center);
                Flushed::Done
            }
        }
    }

    /// Dials if it rested and now has something to send.
    fn wake(&mut self, scratch: &mut Scratch, center: &mut EventCenter) {
        self.protocol.wake(center.now(), &mut scratch.events);
        self.settle(scratch, center);
    }

    // ---- a dialler asks for a session

    /// True once after its dialler has asked.
    pub(crate) fn take_asks(&mut self) -> bool {
        std::mem::take(&mut self.asks)
    }

    /// The addresses of a dialler that waits for an answer.
    pub(crate) fn asked(&self) -> Option<&EntityAddrVec> {
        self.protocol.asked()
    }

    /// What becomes of the dialler's request.
    pub(crate) fn meet(&self, existing: Option<&Self>) -> Verdict {
        self.protocol.meet(existing.map(|link| &link.protocol))
    }

    /// Gives the dialler a session of its own.
    pub(crate) fn grant(&mut self, scratch: &mut Scratch, center: &mut EventCenter) {
        self.protocol.grant(center.now(), &mut scratch.events);
        self.settle(scratch, center);
        self.resume(scratch, center);
    }

    /// Answers that it cannot be.
    pub(crate) fn refuse(
        &mut self,
        verdict: Verdict,
        scratch: &mut Scratch,
        center: &mut EventCenter,
    ) {
        self.protocol.refuse(verdict);
        self.resume(scratch, center);
    }

    /// Its own attempt shall survive, not that of the peer.
    pub(crate) fn insist(&mut self, scratch: &mut Scratch, center: &mut EventCenter) {
        self.protocol.insist(center.now(), &mut scratch.events);
        self.settle(scratch, center);
    }

    /// Goes on over the socket of `incoming`, of whose connection nobody knew.
    pub(crate) fn take_over(
        &mut self,
        mut incoming: Box<Self>,
        reset: bool,
        scratch: &mut Scratch,
        center: &mut EventCenter,
    ) {
        let now = center.now();
        self.close_socket(now);
        self.protocol
            .take_over(&mut incoming.protocol, reset, now, &mut scratch.events);
        self.held = std::mem::take(&mut incoming.held);
        let socket = incoming.socket.take();
        incoming.con.close();
        drop(incoming);
        match socket.map(|socket| self.move_here(socket, center)) {
            Some(Ok(())) => {
                self.settle(scratch, center);
                self.resume(scratch, center);
            }
            Some(Err(error)) => self.lost(down(&error), scratch, center),
            None => self.lost(LinkDown::Eof, scratch, center),
        }
    }

    /// Leaves its worker, before it is sent to another.
    pub(crate) fn detach(&mut self, center: &mut EventCenter) -> io::Result<()> {
        center.disarm(self.con.id());
        (self.armed, self.dirty, self.paused) = (None, false, false);
        match &mut self.socket {
            Some(socket) => socket.set_interest(Interest::NONE),
            None => Ok(()),
        }
    }

    /// Arrives at the worker of `con`, which takes the place of the connection
    /// that it had and of which nobody knew.
    pub(crate) fn attach(
        &mut self,
        con: ConnectionRef,
        center: &mut EventCenter,
    ) -> io::Result<()> {
        let former = std::mem::replace(&mut self.con, con);
        former.close();
        former.worker().release();
        self.blocked = false;
        match self.socket.take() {
            Some(socket) => self.move_here(socket, center),
            None => Ok(()),
        }
    }

    fn move_here(
        &mut self,
        mut socket: Registered<ConnectedSocket>,
        center: &mut EventCenter,
    ) -> io::Result<()> {
        let moved = socket.move_to(self.con.id(), center, Interest::READ);
        self.socket = Some(socket);
        moved
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

    // ---- inner workings

    /// The dialled socket reported: it is connected, or it failed.
    fn dialled(&mut self, scratch: &mut Scratch, center: &mut EventCenter) {
        let Some(socket) = &self.socket else { return };
        match socket.take_error() {
            Ok(()) => {
                self.dialling = false;
                let from = socket.local_addr().ok().map(|local| local.ip());
                let messenger = self.con.messenger();
                if let Some(from) = from.filter(|_| !messenger.options().learn_addr) {
                    messenger.learned_addr(from);
                }
                self.protocol.handle_connected(from, center.now());
                self.update_interest(scratch, center);
            }
            Err(error) => self.lost(down(&error), scratch, center),
        }
    }

    /// Reads what the socket has, up to the turn's share, and lets the protocol
    /// act on it.
    fn fill(&mut self, scratch: &mut Scratch, center: &mut EventCenter) {
        let mut read = 0;
        while read < TURN_BYTES && !self.paused && self.reads() {
            let Some(socket) = &self.socket else { return };
            if breaks_socket(&mut self.injector, &self.con) {
                let reset = LinkDown::Io(io::ErrorKind::ConnectionReset);
                return self.lost(reset, scratch, center);
            }
            let (got, room) = match self.protocol.bulk() {
                Some(bulk) => {
                    let room = bulk.missing.min(bulk.buffer.capacity() - bulk.buffer.len());
                    let got = socket.read_to_spare(bulk.buffer);
                    // More spare room than was asked for brings bytes of the
                    // next frame: they belong in front of the next read.
                    let excess = got
                        .as_ref()
                        .map_or(0, |got| got.saturating_sub(bulk.missing));
                    let end = bulk.buffer.len() - excess;
                    self.held.extend_from_slice(&bulk.buffer[end..]);
                    bulk.buffer.truncate(end);
                    if matches!(got, Ok(1..)) {
                        self.parse_bulk(scratch, center);
                    }
                    (got, room)
                }
                None => {
                    scratch.staging.clear();
                    scratch.staging.append(&mut self.held);
                    scratch.staging.reserve(STAGING_LEN / 2);
                    let room = scratch.staging.capacity() - scratch.staging.len();
                    let got = socket.read_to_spare(&mut scratch.staging);
                    if matches!(got, Ok(1..)) {
                        self.parse(scratch, center);
                    } else {
                        self.held.extend_from_slice(&scratch.staging);
                    }
                    (got, room)
                }
            };
            match got {
                Ok(0) => return self.lost(LinkDown::Eof, scratch, center),
                // A short read has emptied the socket; the poller tells of more.
                Ok(got) if got < room => return,
                Ok(got) => read += got,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => return self.lost(down(&error), scratch, center),
            }
        }
    }

    /// Gives the staged bytes to the protocol and keeps what it leaves.
    fn parse(&mut self, scratch: &mut Scratch, center: &mut EventCenter) {
        let mut used = 0;
        self.paused = false;
        loop {
            let input = &scratch.staging[used..];
            used += self.take_in(
                &mut scratch.events,
                &mut scratch.spares,
                |protocol, intake| protocol.handle_received(input, clock(center), intake),
            );
            let has_more = scratch.events.len() >= self.max_events();
            self.settle(scratch, center);
            if !has_more || self.socket.is_none() {
                break;
            }
            if self.con.worker().has_events() {
                self.paused = true;
                break;
            }
        }
        if self.socket.is_some() {
            hold(&mut self.held, &scratch.staging[used..]);
        }
    }

    fn parse_bulk(&mut self, scratch: &mut Scratch, center: &mut EventCenter) {
        self.take_in(
            &mut scratch.events,
            &mut scratch.spares,
            |protocol, intake| {
                protocol.handle_bulk(clock(center), intake);
            },
        );
        self.settle(scratch, center);
    }

    /// Lets the protocol look at received bytes, with the messenger's budget to
    /// draw on.
    fn take_in<R>(
        &mut self,
        events: &mut Vec<Event>,
        spares: &mut Spares,
        look: impl FnOnce(&mut Protocol, &mut Intake<'_>) -> R,
    ) -> R {
        let max_events = self.max_events();
        let (con, wait, entry) = (&self.con, &mut self.wait, &mut self.entry);
        let mut intake = Intake {
            events,
            spares,
            admit: &mut |bytes| {
                *wait += 1;
                match con.messenger().admit(con, *wait, bytes) {
                    Ok(hold) => Admission::Granted(hold),
                    Err(waits) => {
                        *entry = Some(Box::new(waits));
                        Admission::Wait
                    }
                }
            },
            max_events,
        };
        look(&mut self.protocol, &mut intake)
    }

    /// That the connection is open is told before its first message is parsed:
    /// what may be read depends on who the peer is.
    fn max_events(&self) -> usize {
        match self.con.is_connected() {
            true => DELIVERED_AT_ONCE,
            false => 1,
        }
    }

    fn lost(&mut self, why: LinkDown, scratch: &mut Scratch, center: &mut EventCenter) {
        self.protocol
            .handle_disconnected(why, center.now(), &mut scratch.events);
        self.settle(scratch, center);
    }

    /// Acts on what the protocol has said.
    fn settle(&mut self, scratch: &mut Scratch, center: &mut EventCenter) {
        if scratch.events.is_empty() {
            return self.return_budget();
        }
        let mut events = std::mem::take(&mut scratch.events);
        let chain = self.con.messenger().dispatchers().snapshot();
        for event in events.drain(..) {
            self.handle_event(event, &chain, scratch, center);
        }
        // What dialling at once may have added behind.
        events.append(&mut scratch.events);
        scratch.events = events;
        if !scratch.events.is_empty() {
            return self.settle(scratch, center);
        }
        self.return_budget();
    }

    fn handle_event(
        &mut self,
        event: Event,
        chain: &Chain,
        scratch: &mut Scratch,
        center: &mut EventCenter,
    ) {
        let messenger = self.con.messenger();
        match event {
            Event::Message(message) => {
                if let Some(message) = self.pass(message, center.now()) {
                    let messenger = self.con.messenger();
                    self.dispatched += messenger.deliver(chain, &self.con, message);
                }
            }
            Event::Dial(addr) => {
                self.stall();
                self.dial_now(&addr, scratch, center);
            }
            Event::Learned(addr) => {
                if let Some(socket) = addr.socket {
                    messenger.learned_addr(socket.ip());
                }
            }
            Event::Open(peer, by) => {
                self.stall();
                if self.con.open(peer) {
                    self.con.messenger().connected(&self.con, by);
                }
            }
            Event::Resumed(by) => {
                self.stall();
                if self.con.reopen() {
                    self.con.messenger().connected(&self.con, by);
                }
            }
            Event::Asked => self.asks = true,
            Event::RemoteReset => {
                self.discard_delayed();
                let messenger = self.con.messenger();
                messenger.discard(&self.con);
                messenger
                    .dispatch_queue()
                    .enqueue_event(&self.con, Item::RemoteReset);
            }
            Event::KeepaliveAck(stamp) => self.con.note_keepalive_ack(stamp),
            Event::Refused => messenger
                .dispatch_queue()
                .enqueue_event(&self.con, Item::Refused),
            Event::Fault { fault, during } => {
                self.report(&fault, during);
                self.stall();
            }
            Event::CloseSocket => self.close_socket(center.now()),
            Event::Closed { reset } => self.end(reset),
        }
    }

    /// One line that names peer and reason. That a peer hangs up after a
    /// conversation is the usual end of one and no cause for concern.
    fn report(&self, fault: &Fault, during: &str) {
        let usual = self.con.is_connected() && *fault == Fault::Link(LinkDown::Eof);
        let level = if usual {
            log::Level::Debug
        } else {
            log::Level::Warn
        };
        log::log!(level, "{} {during}: {fault}", self.con);
    }

    fn dial_now(&mut self, addr: &EntityAddr, scratch: &mut Scratch, center: &mut EventCenter) {
        let Some(target) = addr.socket else { return };
        let options = self.con.messenger().socket_options();
        let dialled = center
            .connect(target, options)
            .and_then(|socket| center.register(self.con.id(), socket, Interest::WRITE));
        match dialled {
            Ok(socket) => {
                self.socket = Some(socket);
                self.dialling = true;
            }
            Err(error) => {
                self.protocol
                    .handle_disconnected(down(&error), center.now(), &mut scratch.events)
            }
        }
    }

    fn close_socket(&mut self, now: Time) {
        self.con.lose();
        self.stop_waiting();
        // What has arrived is delivered, unless this is the end of the link.
        if let Some(injector) = &mut self.injector {
            injector.release(now);
        }
        self.socket = None;
        self.dialling = false;
        self.blocked = false;
        self.paused = false;
        self.held = Vec::new();
    }

    /// The connection is over; the shard drops the link.
    pub(crate) fn end(&mut self, reset: bool) {
        self.over = true;
        let known = self.con.close();
        let messenger = self.con.messenger();
        messenger.forget(&self.con);
        // Whoever marked it down wants to hear no more of it.
        if reset && known {
            messenger
                .dispatch_queue()
                .enqueue_event(&self.con, Item::Reset);
        }
    }

    // ---- faults on purpose

    /// The message, if it is to be delivered now.
    #[inline]
    fn pass(&mut self, message: Box<Message>, now: Time) -> Option<Box<Message>> {
        let asked = self.con.messenger().injection().settings();
        if asked.is_none() && self.injector.is_none() {
            return Some(message);
        }
        self.pass_faults(message, asked.as_ref(), now)
    }

    #[cold]
    fn pass_faults(
        &mut self,
        message: Box<Message>,
        asked: Option<&Settings>,
        now: Time,
    ) -> Option<Box<Message>> {
        let peer = self.con.peer_type();
        if asked.is_some_and(|asked| asked.swallows(peer)) {
            self.dispatched += message.payload_len() as u64;
            return None;
        }
        let injector = self.injector.get_or_insert_with(|| injector(&self.con));
        injector.hold_back(message, asked, peer, now)
    }

    /// Delivers what was held back and whose time has come.
    fn deliver_delayed(&mut self, now: Time) {
        let Some(injector) = &mut self.injector else {
            return;
        };
        let messenger = self.con.messenger();
        let chain = messenger.dispatchers().snapshot();
        while let Some(message) = injector.pop_due(now) {
            self.dispatched += messenger.deliver(&chain, &self.con, message);
        }
    }

    fn discard_delayed(&mut self) {
        if let Some(injector) = &mut self.injector {
            self.dispatched += injector.discard();
        }
    }

    fn stall(&mut self) {
        if let Some(asked) = self.con.messenger().injection().settings() {
            let injector = self.injector.get_or_insert_with(|| injector(&self.con));
            injector.stall(&asked);
        }
    }

    /// Returns the budget of what was dispatched, and what was admitted for
    /// frames that never became a message.
    fn return_budget(&mut self) {
        let bytes = std::mem::take(&mut self.dispatched) + self.protocol.take_unused_admission();
        self.con.messenger().put_throttle(bytes);
        self.con.note_released(self.protocol.take_released());
    }

    /// Not before it is connected, which it may have to be anew since it was read
    /// last. Nor while it waits for admission, or its dialler for an answer: what
    /// comes then stays in the kernel.
    fn reads(&self) -> bool {
        !self.dialling
            && !self.protocol.is_waiting_for_admission()
            && self.protocol.asked().is_none()
    }

    /// Reads if it may; asks for writability only while the socket is full.
    fn update_interest(&mut self, scratch: &mut Scratch, center: &mut EventCenter) {
        let reads = self.reads();
        let Some(socket) = &mut self.socket else {
            return;
        };
        let writes = self.blocked || self.dialling;
        let interest = match (reads, writes) {
            (true, true) => Interest::READ_WRITE,
            (true, false) => Interest::READ,
            (false, true) => Interest::WRITE,
            (false, false) => Interest::NONE,
        };
        if socket.interest() == interest {
            return;
        }
        if let Err(error) = socket.set_interest(interest) {
            self.lost(LinkDown::Io(error.kind()), scratch, center);
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.protocol.mark_down();
        self.stop_waiting();
        self.discard_delayed();
        self.return_budget();
        self.con.worker().release();
    }
}

/// Shall the next read or write fail on purpose?
fn breaks_socket(slot: &mut Option<Box<Injector>>, con: &ConnectionRef) -> bool {
    let Some(asked) = con.messenger().injection().settings() else {
        return false;
    };
    let breaks = slot
        .get_or_insert_with(|| injector(con))
        .breaks_socket(&asked);
    if breaks {
        log::info!("{con}: injecting a socket failure");
    }
    breaks
}

fn injector(con: &ConnectionRef) -> Box<Injector> {
    Box::new(Injector::new(con.messenger().seed()))
}

/// Keeps bytes for later. With none to keep the buffer goes as well: it would
/// lie idle in every link that ever waited with a full one.
fn hold(held: &mut Vec<u8>, rest: &[u8]) {
    if rest.is_empty() {
        *held = Vec::new();
    } else {
        held.extend_from_slice(rest);
    }
}

fn clock(center: &mut EventCenter) -> Clock {
    Clock {
        now: center.now(),
        wall: center.wall(),
    }
}

fn down(error: &io::Error) -> LinkDown {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => LinkDown::Refused,
        kind => LinkDown::Io(kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_with_nothing_held_keeps_no_buffer() {
        let (mut held, mut staging) = (Vec::new(), Vec::new());
        hold(&mut held, &[7; 100_000]);
        assert_eq!(held, [7; 100_000]);
        staging.append(&mut held);
        hold(&mut held, &[]);
        assert_eq!(held.capacity(), 0);
    }
}
