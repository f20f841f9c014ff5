//! A proxy on loopback that breaks what passes through it.
//!
//! It stands at the address a server is known by (see `Messenger::set_addrs`)
//! and forwards to where the server listens. One thread owns all its sockets,
//! so what it is told is done when the call returns.

#![expect(
    clippy::disallowed_methods,
    reason = "its sockets are not msgr's: it stands between two messengers"
)]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::net::sockopt::set_socket_linger;

use super::DEADLINE;

/// Bytes read at once.
const CHUNK: usize = 64 << 10;

/// Bytes that a held direction keeps before it stops reading.
const HELD_MAX: usize = 1 << 20;

/// A direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// From the side that dialled to the server.
    Up,
    /// From the server to the side that dialled.
    Down,
}

/// How a connection is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    /// Both ends get a reset.
    Reset,
    /// Both ends see an orderly end.
    Close,
    /// One direction ends, the other goes on.
    Half(Way),
    /// The dialler gets a reset; the server is told nothing, and still gets
    /// what was held for it.
    DiallerOnly,
}

/// What shall happen to one connection.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// After so many bytes in that direction.
    pub cut: Option<(Way, u64, Cut)>,
    /// Bytes written at once, at most.
    pub slice: Option<usize>,
    /// A path that passes small packets only: from the first piece larger than
    /// this on, the direction swallows everything and says nothing.
    pub hole: Option<(Way, usize)>,
    /// Keep what the dialler sent, for [`Proxy::recording`].
    pub record: bool,
}

impl Plan {
    /// Cut after so many bytes in a direction.
    pub fn cut(way: Way, after: u64, how: Cut) -> Self {
        Self {
            cut: Some((way, after, how)),
            ..Self::default()
        }
    }
}

/// What has happened so far.
#[derive(Clone, Copy, Default, Debug)]
pub struct Seen {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections there are.
    pub open: u64,
    /// Connections broken, by plan or by order.
    pub cuts: u64,
    /// Bytes passed on to the server.
    pub up: u64,
    /// Bytes passed on to diallers.
    pub down: u64,
    /// Directions that have fallen silent.
    pub holes: u64,
}

/// Gives each connection, by its number from 0, its plan.
type Planner = Box<dyn FnMut(u64) -> Plan + Send>;

enum Order {
    ForwardTo(SocketAddr),
    Plan(Planner),
    Cut(Cut),
    Hold(Way, bool),
    Recording(u64, Sender<Vec<u8>>),
    Stop,
}

struct Shared {
    seen: Mutex<Seen>,
    changed: Condvar,
    wake: OwnedFd,
}

impl Shared {
    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap());
        self.changed.notify_all();
    }
}

/// A proxy; ends with all its connections when dropped.
pub struct Proxy {
    addr: SocketAddr,
    target: Mutex<Option<SocketAddr>>,
    shared: Arc<Shared>,
    orders: Sender<(Order, Sender<()>)>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// A proxy on a free port, to be told where to forward to.
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            seen: Mutex::default(),
            changed: Condvar::new(),
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap(),
        });
        let (orders, inbox) = channel();
        let engine = Engine {
            listener,
            shared: Arc::clone(&shared),
            inbox,
            target: None,
            planner: Box::new(|_| Plan::default()),
            held: [false; 2],
            relays: Vec::new(),
            recordings: Vec::new(),
        };
        let thread = std::thread::Builder::new().name("proxy".into());
        Self {
            addr,
            target: Mutex::default(),
            shared,
            orders,
            thread: Some(thread.spawn(|| engine.run()).unwrap()),
        }
    }

    /// A proxy in front of that address.
    pub fn to(target: SocketAddr) -> Self {
        let proxy = Self::new();
        proxy.forward_to(target);
        proxy
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Forwards connections from now on to there.
    pub fn forward_to(&self, target: SocketAddr) {
        *self.target.lock().unwrap() = Some(target);
        self.order(Order::ForwardTo(target));
    }

    /// Where it forwards to.
    pub fn target(&self) -> SocketAddr {
        self.target.lock().unwrap().unwrap()
    }

    /// Gives each connection accepted from now on its plan.
    pub fn plan(&self, planner: impl FnMut(u64) -> Plan + Send + 'static) {
        self.order(Order::Plan(Box::new(planner)));
    }

    /// Breaks every connection there is.
    pub fn cut(&self, how: Cut) {
        self.order(Order::Cut(how));
    }

    /// Keeps back what goes in that direction, on all connections.
    pub fn hold(&self, way: Way) {
        self.order(Order::Hold(way, true));
    }

    /// Lets it go on, with what was kept back.
    pub fn release(&self, way: Way) {
        self.order(Order::Hold(way, false));
    }

    /// What the dialler of that connection, counted from 0, has sent.
    pub fn recording(&self, index: u64) -> Vec<u8> {
        let (sender, receiver) = channel();
        self.order(Order::Recording(index, sender));
        receiver.recv().unwrap()
    }

    pub fn seen(&self) -> Seen {
        *self.shared.seen.lock().unwrap()
    }

    /// Waits until what has happened satisfies `enough`.
    pub fn wait_until(&self, enough: impl Fn(&Seen) -> bool) -> Seen {
        let seen = self.shared.seen.lock().unwrap();
        let (seen, waited) = self
            .shared
            .changed
            .wait_timeout_while(seen, DEADLINE, |seen| !enough(seen))
            .unwrap();
        assert!(!waited.timed_out(), "the proxy saw only {seen:?}");
        *seen
    }

    fn order(&self, order: Order) {
        let (done, wait) = channel();
        if self.orders.send((order, done)).is_ok() {
            rustix::io::write(&self.shared.wake, &1_u64.to_ne_bytes()).unwrap();
            // An error means that it has stopped.
            let _ = wait.recv();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.order(Order::Stop);
        let ended = self.thread.take().unwrap().join();
        assert!(
            ended.is_ok() || std::thread::panicking(),
            "the proxy failed"
        );
    }
}

/// What the proxy's thread owns.
struct Engine {
    listener: TcpListener,
    shared: Arc<Shared>,
    inbox: Receiver<(Order, Sender<()>)>,
    target: Option<SocketAddr>,
    planner: Planner,
    /// Directions that are kept back.
    held: [bool; 2],
    relays: Vec<Relay>,
    /// Of connections that are over.
    recordings: Vec<(u64, Vec<u8>)>,
}

impl Engine {
    fn run(mut self) {
        let mut chunk = vec![0; CHUNK];
        loop {
            self.sleep();
            self.accept();
            while let Ok((order, done)) = self.inbox.try_recv() {
                if matches!(order, Order::Stop) {
                    return;
                }
                self.obey(order);
                let _ = done.send(());
            }
            for relay in &mut self.relays {
                relay.turn(self.held, &mut chunk, &self.shared);
            }
            let over = |relay: &mut Relay| relay.is_over();
            for relay in extract(&mut self.relays, over) {
                self.shared.note(|seen| seen.open -= 1);
                self.recordings.push((relay.index, relay.recording));
            }
        }
    }

    /// Until something can be done.
    fn sleep(&self) {
        let mut fds = vec![
            PollFd::new(&self.listener, PollFlags::IN),
            PollFd::new(&self.shared.wake, PollFlags::IN),
        ];
        for relay in &self.relays {
            relay.wants(self.held, &mut fds);
        }
        poll(&mut fds, None).unwrap();
        // Whether it was rung does not matter: the inbox is looked into anyway.
        let _ = rustix::io::read(&self.shared.wake, &mut [0; 8]);
    }

    fn accept(&mut self) {
        while let Ok((dialler, _)) = self.listener.accept() {
            let index = self.shared.seen.lock().unwrap().accepted;
            let plan = (self.planner)(index);
            let server = self.target.and_then(|to| TcpStream::connect(to).ok());
            let mut relay = Relay::new(index, plan, [Some(dialler), server]);
            self.shared.note(|seen| {
                seen.accepted += 1;
                seen.open += 1;
            });
            if relay.ends[1].is_none() {
                // Nobody is there: refused, as far as a proxy can.
                relay.cut(Cut::Reset);
            }
            self.relays.push(relay);
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::ForwardTo(target) => self.target = Some(target),
            Order::Plan(planner) => self.planner = planner,
            Order::Hold(way, held) => self.held[way as usize] = held,
            Order::Cut(how) => {
                for relay in &mut self.relays {
                    relay.cut(how);
                }
                let cuts = self.relays.len() as u64;
                self.shared.note(|seen| seen.cuts += cuts);
            }
            Order::Recording(index, reply) => {
                let live = self.relays.iter().map(|r| (r.index, &r.recording));
                let past = self.recordings.iter().map(|(at, bytes)| (*at, bytes));
                let found = live.chain(past).find(|(at, _)| *at == index);
                let _ = reply.send(found.map(|(_, bytes)| bytes.clone()).unwrap_or_default());
            }
            Order::Stop => {}
        }
    }
}

/// Takes out what `pick` picks, keeping the order of the rest.
fn extract<T>(from: &mut Vec<T>, mut pick: impl FnMut(&mut T) -> bool) -> Vec<T> {
    let mut picked = Vec::new();
    let mut at = 0;
    while at < from.len() {
        if pick(&mut from[at]) {
            picked.push(from.remove(at));
        } else {
            at += 1;
        }
    }
    picked
}

/// One direction of a connection.
#[derive(Default)]
struct Lane {
    /// Read and not written yet.
    waiting: Vec<u8>,
    /// Bytes written.
    passed: u64,
    /// No more comes from its source.
    ended: bool,
    /// Swallows everything.
    silent: bool,
    /// The sink would not take more.
    blocked: bool,
}

/// One connection: the dialler's socket and the one to the server.
struct Relay {
    index: u64,
    plan: Plan,
    /// The dialler's and the server's; each is the source of the lane with its
    /// index and the sink of the other.
    ends: [Option<TcpStream>; 2],
    lanes: [Lane; 2],
    recording: Vec<u8>,
}

impl Relay {
    fn new(index: u64, plan: Plan, ends: [Option<TcpStream>; 2]) -> Self {
        for end in ends.iter().flatten() {
            end.set_nonblocking(true).unwrap();
            end.set_nodelay(true).unwrap();
        }
        Self {
            index,
            plan,
            ends,
            lanes: Default::default(),
            recording: Vec::new(),
        }
    }

    fn is_over(&self) -> bool {
        self.ends.iter().all(Option::is_none)
    }

    fn wants<'a>(&'a self, held: [bool; 2], fds: &mut Vec<PollFd<'a>>) {
        for at in 0..2 {
            let Some(end) = &self.ends[at] else { continue };
            let mut flags = PollFlags::empty();
            let (out, into) = (&self.lanes[at], &self.lanes[1 - at]);
            let room = if held[at] { HELD_MAX } else { 1 };
            if !out.ended && out.waiting.len() < room {
                flags |= PollFlags::IN;
            }
            if !into.waiting.is_empty() && !held[1 - at] {
                flags |= PollFlags::OUT;
            }
            // Without a wish there would only be hang-ups, again and again.
            if !flags.is_empty() {
                fds.push(PollFd::new(end, flags));
            }
        }
    }

    /// Moves what can be moved.
    fn turn(&mut self, held: [bool; 2], chunk: &mut [u8], shared: &Shared) {
        for (at, held) in held.into_iter().enumerate() {
            self.lanes[at].blocked = false;
            let room = if held { HELD_MAX } else { 1 };
            while !self.lanes[at].ended && self.lanes[at].waiting.len() < room {
                if !self.fill(at, chunk, shared) {
                    break;
                }
            }
            while !held && self.drain(at, shared) {}
        }
        for (at, lane) in self.lanes.iter().enumerate() {
            if lane.ended && lane.waiting.is_empty() && !lane.silent {
                // Passed on once; what was asked for the second time fails.
                if let Some(sink) = &self.ends[1 - at] {
                    let _ = sink.shutdown(Shutdown::Write);
                }
            }
        }
        if self
            .lanes
            .iter()
            .all(|lane| lane.ended && (lane.waiting.is_empty() || lane.silent))
        {
            self.ends = [None, None];
        }
    }

    /// Reads once; false if there is nothing to read.
    fn fill(&mut self, at: usize, chunk: &mut [u8], shared: &Shared) -> bool {
        let Some(source) = &mut self.ends[at] else {
            return false;
        };
        let lane = &mut self.lanes[at];
        match source.read(chunk) {
            Ok(0) => lane.ended = true,
            Ok(got) => {
                if at == Way::Up as usize && self.plan.record {
                    self.recording.extend_from_slice(&chunk[..got]);
                }
                let hole = self.plan.hole.filter(|(way, _)| *way as usize == at);
                if hole.is_some_and(|(_, largest)| got > largest) && !lane.silent {
                    lane.silent = true;
                    shared.note(|seen| seen.holes += 1);
                }
                if !lane.silent {
                    lane.waiting.extend_from_slice(&chunk[..got]);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(_) if lane.silent => {
                lane.ended = true;
                self.ends[at] = None;
            }
            // One end was reset: so is the other.
            Err(_) => self.cut(Cut::Reset),
        }
        true
    }

    /// Writes once; false if there is nothing to write or no room for it.
    fn drain(&mut self, at: usize, shared: &Shared) -> bool {
        let lane = &mut self.lanes[at];
        if lane.waiting.is_empty() || lane.blocked {
            return false;
        }
        let Some(sink) = &mut self.ends[1 - at] else {
            // Nobody is there any more to get it.
            lane.waiting.clear();
            return false;
        };
        let mut len = lane.waiting.len().min(self.plan.slice.unwrap_or(CHUNK));
        let cut = self.plan.cut.filter(|(way, ..)| *way as usize == at);
        if let Some((_, after, _)) = cut {
            len = len.min(usize::try_from(after - lane.passed).unwrap_or(len));
        }
        match sink.write(&lane.waiting[..len]) {
            Ok(put) => {
                lane.waiting.drain(..put);
                lane.passed += put as u64;
                let put = put as u64;
                let reached = cut.filter(|(_, after, _)| lane.passed >= *after);
                if let Some((_, _, how)) = reached {
                    self.plan.cut = None;
                    self.cut(how);
                }
                shared.note(|seen| {
                    let sum = if at == 0 {
                        &mut seen.up
                    } else {
                        &mut seen.down
                    };
                    *sum += put;
                    seen.cuts += u64::from(reached.is_some());
                });
                true
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                lane.blocked = true;
                false
            }
            Err(_) => {
                self.cut(Cut::Reset);
                false
            }
        }
    }

    fn cut(&mut self, how: Cut) {
        match how {
            Cut::Reset => {
                for end in self.ends.iter().flatten() {
                    let _ = set_socket_linger(end, Some(Duration::ZERO));
                }
                self.ends = [None, None];
            }
            Cut::Close => {
                for end in self.ends.iter().flatten() {
                    let _ = end.shutdown(Shutdown::Both);
                }
                self.ends = [None, None];
            }
            Cut::Half(way) => {
                let lane = &mut self.lanes[way as usize];
                lane.waiting.clear();
                lane.ended = true;
            }
            Cut::DiallerOnly => {
                if let Some(dialler) = self.ends[0].take() {
                    let _ = set_socket_linger(&dialler, Some(Duration::ZERO));
                }
                self.lanes[0].ended = true;
            }
        }
    }
}
