//! `Network`: hosts, sockets, what is under way between them and when it arrives.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::rng::Rng;
use super::stream::{Owner, Phase, Segment, Stream, StreamId, What};
use super::tap::Tap;
use super::trace::Trace;
use crate::event::PortSharing;
use crate::event::registered::{Interest, Key, Readiness};
use crate::types::Time;

/// How a network behaves when nobody harms it.
#[derive(Clone, Debug)]
pub struct Weather {
    /// Shortest and longest time from host to host.
    pub latency: (Duration, Duration),
    /// Bytes that may be under way in one direction.
    pub sndbuf: usize,
    /// Bytes that may wait to be read.
    pub rcvbuf: usize,
    /// Of a thousand reads, so many take only part of what is there.
    pub short_reads: u64,
    /// Of a thousand writes, so many are taken only in part.
    pub short_writes: u64,
}

impl Weather {
    /// Fast, roomy and smooth.
    pub const FAIR: Self = Self {
        latency: (Duration::from_micros(20), Duration::from_micros(200)),
        sndbuf: 256 << 10,
        rcvbuf: 256 << 10,
        short_reads: 0,
        short_writes: 0,
    };
}

/// Every socket of a simulation.
///
/// It is TCP as far as programs see it: bytes in order or not at all, buffers
/// that fill up, ends that come after the bytes before them, resets that lose
/// what is under way.
pub struct Network {
    now: Time,
    pub(super) rng: Rng,
    pub(super) weather: Weather,
    pub(super) streams: BTreeMap<StreamId, Stream>,
    pub(super) listeners: BTreeMap<StreamId, Listener>,
    /// The listeners of each port: several only if they share it.
    ports: BTreeMap<SocketAddr, Vec<StreamId>>,
    processes: Vec<ProcessState>,
    watchers: Vec<Watcher>,
    watched: BTreeMap<StreamId, (usize, Key, Interest)>,
    events: BinaryHeap<Reverse<(Time, u64, Happening)>>,
    /// Paths on which nothing gets through for now.
    pub(super) cut: BTreeSet<(IpAddr, IpAddr)>,
    trace: Trace,
    pub(super) tap: Option<Box<dyn Tap>>,
    next_id: StreamId,
    next_port: u16,
    next_event: u64,
}

pub(super) struct Listener {
    process: usize,
    local: SocketAddr,
    most: usize,
    backlog: VecDeque<StreamId>,
}

struct ProcessState {
    ip: IpAddr,
    alive: bool,
    /// It gets no further descriptor before.
    starved_until: Time,
}

/// A worker's poller: what it watches, and what of that may be ready.
#[derive(Default)]
struct Watcher {
    keys: BTreeMap<Key, StreamId>,
    candidates: BTreeSet<Key>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Happening {
    /// The first segment that this stream has sent reaches the other end.
    Arrival(StreamId),
    /// A reset reaches this stream.
    Reset(StreamId),
}

/// When what could not get through is tried again.
const RETRANSMISSION: Duration = Duration::from_secs(1);

impl Network {
    pub(super) fn new(rng: Rng, weather: Weather) -> Self {
        Self {
            now: Time::ZERO,
            rng,
            weather,
            streams: BTreeMap::new(),
            listeners: BTreeMap::new(),
            ports: BTreeMap::new(),
            processes: Vec::new(),
            watchers: Vec::new(),
            watched: BTreeMap::new(),
            events: BinaryHeap::new(),
            cut: BTreeSet::new(),
            trace: Trace::new(),
            tap: None,
            next_id: 1,
            next_port: FIRST_PORT,
            next_event: 0,
        }
    }

    /// Everything that has happened.
    pub fn trace(&mut self) -> &mut Trace {
        &mut self.trace
    }

    /// Changes how it behaves.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
        // There may be more room now.
        let all: Vec<_> = self.streams.keys().copied().collect();
        for id in all {
            self.touch(id);
            self.schedule_arrival(id);
        }
    }

    /// Sockets that a process holds, or that a listener keeps for one.
    pub fn open_sockets(&self) -> usize {
        let held = self
            .streams
            .values()
            .filter(|stream| stream.owner != Owner::Nobody);
        held.count() + self.listeners.len()
    }

    pub(super) fn now(&self) -> Time {
        self.now
    }

    pub(super) fn note(&mut self, what: &str, numbers: &[u64]) {
        self.trace.note(self.now, what, numbers);
    }

    // ---- processes and time

    pub(super) fn spawn(&mut self, ip: IpAddr) -> usize {
        self.processes.push(ProcessState {
            ip,
            alive: true,
            starved_until: Time::ZERO,
        });
        self.processes.len() - 1
    }

    pub(super) fn add_poller(&mut self) {
        self.watchers.push(Watcher::default());
    }

    pub(super) fn end_process(&mut self, process: usize) {
        self.processes[process].alive = false;
    }

    pub(super) fn starve_process(&mut self, process: usize, until: Time) {
        self.processes[process].starved_until = until;
    }

    pub(super) fn next_event(&self) -> Option<Time> {
        self.events.peek().map(|Reverse((at, ..))| *at)
    }

    pub(super) fn advance(&mut self, to: Time) {
        while let Some(Reverse((at, _, happening))) = self.events.peek().copied() {
            if at > to {
                break;
            }
            self.events.pop();
            self.now = at;
            match happening {
                Happening::Arrival(id) => self.arrive(id),
                Happening::Reset(id) => self.reset_arrives(id),
            }
        }
        self.now = self.now.max(to);
    }

    pub(super) fn schedule(&mut self, at: Time, happening: Happening) {
        self.next_event += 1;
        self.events
            .push(Reverse((at.max(self.now), self.next_event, happening)));
    }

    pub(super) fn later(&mut self) -> Time {
        let (shortest, longest) = self.weather.latency;
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let latency = self.rng.between(nanos(shortest), nanos(longest));
        self.now + Duration::from_nanos(latency)
    }

    // ---- what is watched

    pub(super) fn watch(
        &mut self,
        watcher: usize,
        id: StreamId,
        key: Key,
        interest: Interest,
    ) -> io::Result<()> {
        let known = self.watchers[watcher].keys.insert(key, id);
        assert!(
            known.is_none_or(|known| known == id),
            "key {key} is taken already"
        );
        self.watched.insert(id, (watcher, key, interest));
        if let Some(tap) = &mut self.tap {
            tap.watch(id, key);
        }
        self.touch(id);
        Ok(())
    }

    pub(super) fn forget(&mut self, watcher: usize, id: StreamId) {
        if let Some((_, key, _)) = self.watched.remove(&id) {
            self.watchers[watcher].keys.remove(&key);
            self.watchers[watcher].candidates.remove(&key);
        }
    }

    /// Something has changed that may make this socket ready.
    pub(super) fn touch(&mut self, id: StreamId) {
        if let Some((watcher, key, _)) = self.watched.get(&id) {
            self.watchers[*watcher].candidates.insert(*key);
        }
    }

    /// Is anything ready that this poller watches?
    pub(super) fn has_ready(&mut self, watcher: usize) -> bool {
        while let Some(key) = self.watchers[watcher].candidates.first().copied() {
            if self.readiness(self.watchers[watcher].keys[&key]).is_some() {
                return true;
            }
            self.watchers[watcher].candidates.remove(&key);
        }
        false
    }

    /// What is ready, in any order, and perhaps not all of it at once.
    pub(super) fn poll(&mut self, watcher: usize, ready: &mut Vec<(Key, Readiness)>) {
        let candidates = std::mem::take(&mut self.watchers[watcher].candidates);
        for key in candidates {
            if let Some(what) = self.readiness(self.watchers[watcher].keys[&key]) {
                ready.push((key, what));
                // Level-triggered: looked at again in the next turn.
                self.watchers[watcher].candidates.insert(key);
            }
        }
        self.rng.shuffle(ready);
        if ready.len() > 1 && self.rng.permille(100) {
            ready.truncate(1);
        }
    }

    fn readiness(&self, id: StreamId) -> Option<Readiness> {
        let (_, _, interest) = self.watched.get(&id)?;
        let (readable, writable, broken) = match (self.streams.get(&id), self.listeners.get(&id)) {
            (Some(stream), _) if stream.owner != Owner::Process => return None,
            (Some(stream), _) => (
                stream.is_readable(),
                stream.is_writable(self.weather.sndbuf),
                stream.phase == Phase::Broken,
            ),
            (_, Some(listener)) => (!listener.backlog.is_empty(), false, false),
            _ => return None,
        };
        // As epoll does: what is broken is told whatever one asks for.
        let readable = readable && (interest.is_read() || broken);
        let writable = writable && (interest.is_write() || broken);
        (readable || writable).then_some(Readiness { readable, writable })
    }

    // ---- what a process calls

    pub(super) fn listen(
        &mut self,
        process: usize,
        wanted: SocketAddr,
        most: usize,
        sharing: PortSharing,
    ) -> io::Result<StreamId> {
        self.check_process(process)?;
        if wanted.ip() != self.processes[process].ip {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let local = match wanted.port() {
            0 => SocketAddr::new(wanted.ip(), self.free_port()),
            _ => wanted,
        };
        if self.ports.contains_key(&local) && sharing != PortSharing::Further {
            return Err(io::Error::from_raw_os_error(libc::EADDRINUSE));
        }
        let id = self.new_id();
        self.ports.entry(local).or_default().push(id);
        let listener = Listener {
            process,
            local,
            most,
            backlog: VecDeque::new(),
        };
        self.listeners.insert(id, listener);
        self.note("listen", &[id, u64::from(local.port())]);
        Ok(id)
    }

    pub(super) fn accept(&mut self, id: StreamId) -> io::Result<(StreamId, SocketAddr)> {
        let Some(listener) = self.listeners.get(&id) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        if !listener.backlog.is_empty() {
            self.check_process(listener.process)?;
        }
        let listener = self.listeners.get_mut(&id).expect("it was there");
        let Some(accepted) = listener.backlog.pop_front() else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let stream = self
            .streams
            .get_mut(&accepted)
            .expect("the backlog holds streams");
        stream.owner = Owner::Process;
        let (from, peer) = (stream.remote, stream.peer);
        self.note("accept", &[id, accepted]);
        self.tap_socket(accepted, peer);
        Ok((accepted, from))
    }

    pub(super) fn connect(&mut self, process: usize, to: SocketAddr) -> io::Result<StreamId> {
        self.check_process(process)?;
        let local = SocketAddr::new(self.processes[process].ip, self.free_port());
        let id = self.new_id();
        let stream = Stream::new(Owner::Process, process, local, to, None);
        self.streams.insert(id, stream);
        self.note("connect", &[id, u64::from(to.port())]);
        self.transmit(id, What::Syn);
        self.tap_socket(id, None);
        Ok(id)
    }

    pub(super) fn take_error(&mut self, id: StreamId) -> io::Result<()> {
        self.held(id)?.take_error()
    }

    pub(super) fn local_addr(&self, id: StreamId) -> io::Result<SocketAddr> {
        let stream = self.streams.get(&id).map(|stream| stream.local);
        let listener = self.listeners.get(&id).map(|listener| listener.local);
        stream
            .or(listener)
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    pub(super) fn read(&mut self, id: StreamId, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let room = buffer.capacity() - buffer.len();
        if room == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let stream = self.held(id)?;
        stream.take_error()?;
        let there = room.min(stream.received.len());
        if stream.held.reads && stream.phase != Phase::Broken {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if there == 0 {
            return match stream.ended || stream.phase == Phase::Broken {
                true => Ok(0),
                false => Err(io::ErrorKind::WouldBlock.into()),
            };
        }
        let Some(there) = self.tap_read(id, there)? else {
            return Ok(0);
        };
        let taken = match self.rng.permille(self.weather.short_reads) {
            true => 1 + self.rng.index(there),
            false => there,
        };
        let stream = self.held(id)?;
        stream.take_received(buffer, taken);
        let peer = stream.peer;
        self.note("read", &[id, taken as u64]);
        // The other end may have waited for the room.
        if let Some(peer) = peer {
            self.schedule_arrival(peer);
        }
        Ok(taken)
    }

    pub(super) fn write(&mut self, id: StreamId, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let sndbuf = self.weather.sndbuf;
        let stream = self.held(id)?;
        stream.take_error()?;
        if stream.phase != Phase::Connected {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let wanted: usize = slices.iter().map(|slice| slice.len()).sum();
        let room = match (stream.held.writes, stream.finished) {
            (true, _) => 0,
            (false, true) => sndbuf,
            (false, false) => sndbuf.saturating_sub(stream.in_flight),
        };
        let fits = wanted.min(room);
        if fits == 0 && wanted > 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = match fits > 0 && self.rng.permille(self.weather.short_writes) {
            true => 1 + self.rng.index(fits),
            false => fits,
        };
        let mut bytes = Vec::with_capacity(taken);
        for slice in slices {
            let left = taken - bytes.len();
            bytes.extend_from_slice(&slice[..slice.len().min(left)]);
        }
        let taken = self.tap_write(id, &mut bytes)?;
        let stream = self.held(id)?;
        if stream.finished {
            if self.peer_of(id).is_none() {
                let at = self.later();
                self.schedule(at, Happening::Reset(id));
            }
            self.note("write into nothing", &[id, taken as u64]);
            return Ok(taken);
        }
        stream.in_flight += bytes.len();
        stream.sent += bytes.len() as u64;
        self.note("write", &[id, taken as u64]);
        if taken > 0 {
            self.transmit(id, What::Data(bytes, 0));
        }
        Ok(taken)
    }

    /// The process lets go of a socket.
    pub(super) fn close(&mut self, id: StreamId) {
        if self.remove_listener(id) {
            let waiting = |(at, stream): (&StreamId, &Stream)| {
                (stream.owner == Owner::Listener(id)).then_some(*at)
            };
            let waiting: Vec<_> = self.streams.iter().filter_map(waiting).collect();
            waiting.into_iter().for_each(|stream| self.abort(stream));
            return self.note("close", &[id]);
        }
        let Ok(stream) = self.held(id) else { return };
        // With unread bytes the other end would never know that they were lost.
        let unread = !stream.received.is_empty();
        match stream.phase {
            Phase::Broken if stream.outgoing.is_empty() => drop(self.streams.remove(&id)),
            // A severed end: what is under way still arrives.
            Phase::Broken => stream.owner = Owner::Nobody,
            Phase::Connected if unread => self.abort(id),
            Phase::Connected => {
                stream.owner = Owner::Nobody;
                // Said a second time the end does no harm.
                self.transmit(id, What::Fin);
            }
            // What it has sent to connect is under way.
            Phase::Connecting => {
                stream.owner = Owner::Nobody;
                if stream.outgoing.is_empty() {
                    self.streams.remove(&id);
                }
            }
        }
        self.note("close", &[id]);
    }

    // ---- inner workings

    /// A stream that its process still holds.
    fn held(&mut self, id: StreamId) -> io::Result<&mut Stream> {
        let held = self.streams.get_mut(&id);
        held.filter(|stream| stream.owner == Owner::Process)
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Sockets that this process holds, or is about to.
    pub(super) fn sockets_of(&self, process: usize) -> Vec<StreamId> {
        let listeners = self.listeners.iter();
        let listeners = listeners
            .filter(|(_, of)| of.process == process)
            .map(|(id, _)| *id);
        let streams = self.streams.iter().filter(|(_, of)| of.process == process);
        listeners.chain(streams.map(|(id, _)| *id)).collect()
    }

    /// Takes a socket away without a word to anybody.
    pub(super) fn vanish(&mut self, id: StreamId) {
        self.remove_listener(id);
        self.streams.remove(&id);
    }

    fn remove_listener(&mut self, id: StreamId) -> bool {
        let Some(listener) = self.listeners.remove(&id) else {
            return false;
        };
        if let Some(sharing) = self.ports.get_mut(&listener.local) {
            sharing.retain(|other| *other != id);
            if sharing.is_empty() {
                self.ports.remove(&listener.local);
            }
        }
        true
    }

    /// Takes a stream away and sends its peer a reset.
    pub(super) fn abort(&mut self, id: StreamId) {
        let Some(stream) = self.streams.remove(&id) else {
            return;
        };
        if let Some(peer) = stream.peer {
            let at = self.later();
            self.schedule(at, Happening::Reset(peer));
        }
    }

    pub(super) fn transmit(&mut self, id: StreamId, what: What) {
        let soon = self.later();
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let arrives = stream
            .outgoing
            .back()
            .map_or(soon, |last| last.arrives.max(soon))
            .max(stream.stalled_until);
        stream.outgoing.push_back(Segment { arrives, what });
        self.schedule_arrival(id);
    }

    /// Sees to it that the first segment of this stream arrives in its time.
    pub(super) fn schedule_arrival(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if let (false, Some(first)) = (stream.scheduled, stream.outgoing.front()) {
            stream.scheduled = true;
            let at = first.arrives;
            self.schedule(at, Happening::Arrival(id));
        }
    }

    pub(super) fn is_cut(&self, from: IpAddr, to: IpAddr) -> bool {
        self.cut.contains(&(from, to))
    }

    /// The first segment that stream `id` has sent may have reached the other end.
    fn arrive(&mut self, id: StreamId) {
        let now = self.now;
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.scheduled = false;
        let (from, to) = (stream.local.ip(), stream.remote.ip());
        match stream.outgoing.front() {
            None => return,
            // It was held up on its way.
            Some(first) if first.arrives > now => return self.schedule_arrival(id),
            Some(_) => {}
        }
        // Whoever heals the path has it tried again.
        if stream.void || self.cut.contains(&(from, to)) {
            return;
        }
        if !self.deliver_first(id) {
            return;
        }
        let Some(stream) = self.streams.get(&id) else {
            return;
        };
        if !stream.outgoing.is_empty() {
            self.schedule_arrival(id);
        } else if stream.owner == Owner::Nobody {
            self.streams.remove(&id);
        }
    }

    /// Hands the first segment to the other end. False: not now, or there is no
    /// use in it.
    fn deliver_first(&mut self, id: StreamId) -> bool {
        match (&self.streams[&id].outgoing[0].what, self.peer_of(id)) {
            (What::Syn, _) => return self.syn_arrives(id),
            (What::Fin | What::Reset, None) => {}
            // Nobody is there: the other end's kernel says so.
            (_, None) => {
                let at = self.later();
                self.schedule(at, Happening::Reset(id));
                let stream = self.streams.get_mut(&id).expect("looked up above");
                stream.outgoing.clear();
                if stream.owner == Owner::Nobody {
                    self.streams.remove(&id);
                }
                return false;
            }
            (What::Data(..), Some(peer)) => return self.bytes_arrive(id, peer),
            (What::SynAck, Some(peer)) => {
                self.note("connected", &[peer]);
                let client = self.streams.get_mut(&peer).expect("filtered above");
                client.phase = Phase::Connected;
                self.touch(peer);
                self.transmit(peer, What::Established);
            }
            (What::Established, Some(peer)) => return self.established(id, peer),
            (What::Reset, Some(peer)) => self.break_stream(peer, io::ErrorKind::ConnectionReset),
            (What::Fin, Some(peer)) => {
                self.note("end", &[peer]);
                let other = self.streams.get_mut(&peer).expect("filtered above");
                other.ended = true;
                self.touch(peer);
            }
        }
        self.pop_first(id);
        true
    }

    /// The other end of a stream, if somebody is still there.
    fn peer_of(&self, id: StreamId) -> Option<StreamId> {
        self.streams.get(&id)?.peer.filter(|peer| {
            let held = |peer: &Stream| peer.owner != Owner::Nobody && peer.phase != Phase::Broken;
            self.streams.get(peer).is_some_and(held)
        })
    }

    fn pop_first(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.outgoing.pop_front();
        }
    }

    fn syn_arrives(&mut self, id: StreamId) -> bool {
        let client = &self.streams[&id];
        let (local, remote) = (client.remote, client.local);
        let Some(sharing) = self.ports.get(&local) else {
            let at = self.later();
            self.schedule(at, Happening::Reset(id));
            self.pop_first(id);
            return false;
        };
        let listening = *self.rng.pick(sharing);
        let process = self.listeners[&listening].process;
        let server = self.new_id();
        let stream = Stream::new(Owner::Listener(listening), process, local, remote, Some(id));
        self.streams.insert(server, stream);
        self.streams.get_mut(&id).expect("looked up above").peer = Some(server);
        self.note("syn", &[id, server]);
        self.pop_first(id);
        self.transmit(server, What::SynAck);
        true
    }

    /// The handshake of `server` is done: it may be accepted.
    fn established(&mut self, client: StreamId, server: StreamId) -> bool {
        let Owner::Listener(listening) = self.streams[&server].owner else {
            unreachable!("nobody accepts before the handshake is done");
        };
        let listener = self
            .listeners
            .get_mut(&listening)
            .expect("a listener takes those who wait with it");
        if listener.backlog.len() >= listener.most {
            let stream = self.streams.get_mut(&client).expect("it sends");
            stream.outgoing[0].arrives = self.now + RETRANSMISSION;
            self.schedule_arrival(client);
            return false;
        }
        listener.backlog.push_back(server);
        self.touch(listening);
        self.pop_first(client);
        true
    }

    fn bytes_arrive(&mut self, id: StreamId, peer: StreamId) -> bool {
        let reader = self.streams.get_mut(&peer).expect("the caller looked");
        let mut received = std::mem::take(&mut reader.received);
        let sender = self.streams.get_mut(&id).expect("the caller looked");
        let Some(Segment {
            what: What::Data(bytes, before),
            ..
        }) = sender.outgoing.front_mut()
        else {
            unreachable!("the caller looked");
        };
        let left = bytes.len() - *before;
        let taken = left.min(self.weather.rcvbuf.saturating_sub(received.len()));
        received.extend(&bytes[*before..*before + taken]);
        *before += taken;
        sender.in_flight -= taken;
        if taken == left {
            sender.outgoing.pop_front();
        }
        let reader = self.streams.get_mut(&peer).expect("as above");
        reader.received = received;
        if taken > 0 {
            self.note("bytes", &[peer, taken as u64]);
            self.touch(peer);
            self.touch(id);
        }
        // If the reader has no room, its next read makes some.
        taken == left
    }

    fn reset_arrives(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get(&id) else {
            return;
        };
        if self.is_cut(stream.remote.ip(), stream.local.ip()) {
            return self.schedule(self.now + RETRANSMISSION, Happening::Reset(id));
        }
        let why = match stream.phase {
            Phase::Connecting => io::ErrorKind::ConnectionRefused,
            _ => io::ErrorKind::ConnectionReset,
        };
        self.break_stream(id, why);
    }

    /// Lets a stream end with an error.
    pub(super) fn break_stream(&mut self, id: StreamId, why: io::ErrorKind) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if stream.phase == Phase::Broken {
            return;
        }
        let owner = stream.owner;
        match owner {
            Owner::Process => stream.break_with(why),
            Owner::Nobody => drop(self.streams.remove(&id)),
            Owner::Listener(listening) => {
                self.streams.remove(&id);
                if let Some(listener) = self.listeners.get_mut(&listening) {
                    listener.backlog.retain(|waiting| *waiting != id);
                }
            }
        }
        self.note("broken", &[id]);
        self.touch(id);
    }

    /// Can this process have another socket?
    fn check_process(&self, process: usize) -> io::Result<()> {
        let process = &self.processes[process];
        if !process.alive {
            return Err(io::Error::from_raw_os_error(libc::ENETDOWN));
        }
        if process.starved_until > self.now {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        Ok(())
    }

    fn new_id(&mut self) -> StreamId {
        self.next_id += 1;
        self.next_id - 1
    }

    fn free_port(&mut self) -> u16 {
        self.next_port = self.next_port.checked_add(1).unwrap_or(FIRST_PORT);
        self.next_port
    }
}

/// Where the ports begin that the kernel chooses.
const FIRST_PORT: u16 = 32768;
