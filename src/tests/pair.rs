//! Two protocols, two byte pipes and a virtual clock.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

use crate::proto::{
    Admission, Clock, Event, Intake, LinkDown, Outgoing, Protocol, ProtocolConfig, Request,
};
use crate::types::{
    EntityAddr, EntityAddrVec, EntityType, Hold, Message, Policy, PolicySet, Time, WallTime,
};

/// Where the acceptor listens.
pub const SERVER: &str = "v2:10.0.0.1:6800/7";
/// The same in v1.
pub const SERVER_V1: &str = "v1:10.0.0.1:6800/7";
/// Where the dialler comes from.
pub const CLIENT_SOCKET: &str = "10.0.0.2:40000";

/// One end: a protocol, what a driver keeps for it, and what it told.
pub struct End {
    pub protocol: Protocol,
    /// All events so far.
    pub events: Vec<Event>,
    /// Read and not used up.
    kept: Vec<u8>,
    /// Bytes admitted and neither delivered nor given back.
    pub balance: u64,
    /// Refuse every payload once before admitting it.
    pub refuse: bool,
    refused: Option<u64>,
    seen: usize,
    /// The calendar, which does not move.
    pub wall: WallTime,
}

/// How bytes travel.
#[derive(Clone, Copy)]
pub struct Pipes {
    /// Largest read.
    pub read: usize,
    /// Largest write.
    pub write: usize,
    /// Slices offered to a write.
    pub slices: usize,
    /// The link breaks when so many bytes have arrived at the acceptor (0) or
    /// dialler (1). Only the first link.
    pub cut: Option<(usize, usize)>,
}

pub const SMOOTH: Pipes = Pipes {
    read: usize::MAX,
    write: usize::MAX,
    slices: 64,
    cut: None,
};

pub struct Pair {
    pub dialler: End,
    /// The acceptor of the current link.
    pub acceptor: Option<End>,
    /// Acceptors of lost links.
    pub former: Vec<End>,
    pub now: Time,
    pub pipes: Pipes,
    /// What an acceptor sends when it opens.
    pub replies: Vec<Message>,
    server: Arc<ProtocolConfig>,
    /// The link speaks v1.
    legacy: bool,
    /// Under way to the acceptor and to the dialler.
    wires: [VecDeque<u8>; 2],
    /// Bytes that arrived on the first link.
    pub carried: [usize; 2],
}

pub fn config(name: &str, policy: Policy) -> ProtocolConfig {
    ProtocolConfig::new(name.parse().unwrap(), PolicySet::new(policy))
}

pub fn client_config() -> ProtocolConfig {
    config("client.admin", Policy::lossy_client())
}

pub fn server_config() -> ProtocolConfig {
    config("osd.3", Policy::stateless_server())
}

pub fn addrs(text: &str) -> EntityAddrVec {
    text.parse().unwrap()
}

pub fn clock(now: Time) -> Clock {
    Clock {
        now,
        wall: WallTime {
            sec: 1_700_000_000,
            nsec: 123_456_789,
        },
    }
}

pub fn dialler(config: ProtocolConfig) -> Protocol {
    Protocol::connect(
        Arc::new(config),
        addrs("any:/5"),
        EntityType::OSD,
        addrs(SERVER),
        1,
    )
}

pub fn acceptor(config: ProtocolConfig) -> Protocol {
    Protocol::accept(
        Arc::new(config),
        addrs(SERVER),
        CLIENT_SOCKET.parse().unwrap(),
        2,
        Time::ZERO,
    )
}

/// An acceptor that listens in v1, where [`SERVER_V1`] is.
pub fn acceptor_of_v1(config: Arc<ProtocolConfig>, seed: u64, now: Time) -> Protocol {
    let local = addrs(SERVER_V1);
    let at = local.front().socket.unwrap();
    let from = CLIENT_SOCKET.parse().unwrap();
    Protocol::accept_legacy(config, local, at, from, seed, now)
}

impl End {
    pub fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            events: Vec::new(),
            kept: Vec::new(),
            balance: 0,
            refuse: false,
            refused: None,
            seen: 0,
            wall: clock(Time::ZERO).wall,
        }
    }

    fn clock(&self, now: Time) -> Clock {
        let wall = self.wall;
        Clock { now, wall }
    }

    /// Feeds it `bytes` as one read.
    pub fn receive(&mut self, mut bytes: &[u8], now: Time) {
        let clock = self.clock(now);
        loop {
            let mut asked = None;
            let (refuse, balance) = (self.refuse, &mut self.balance);
            let mut admit = |request: Request| {
                let payload = request.bytes;
                *balance -= request.packed;
                let refuse = refuse && payload > 0;
                asked = Some(payload).filter(|_| refuse);
                *balance += if refuse { 0 } else { payload };
                match refuse {
                    true => Admission::Wait,
                    false => Admission::Granted(Hold::NONE),
                }
            };
            let intake = &mut Intake {
                events: &mut self.events,
                admit: &mut admit,
                lend: None,
                decode: None,
                max_events: usize::MAX,
            };
            match self.protocol.bulk() {
                Some(bulk) => {
                    assert!(self.kept.is_empty());
                    let spare = bulk.buffer.capacity() - bulk.buffer.len();
                    assert!(spare > 0 && bulk.missing > 0, "a bulk buffer without room");
                    let (ours, rest) = bytes.split_at(spare.min(bulk.missing).min(bytes.len()));
                    bulk.buffer.extend_from_slice(ours);
                    bytes = rest;
                    self.protocol.handle_bulk(clock, intake);
                }
                None => {
                    self.kept.extend_from_slice(bytes);
                    bytes = &[];
                    let used = self.protocol.handle_received(&self.kept, clock, intake);
                    self.kept.drain(..used);
                }
            }
            if asked.is_some() {
                self.refused = asked;
            }
            self.settle();
            if bytes.is_empty() {
                return;
            }
        }
    }

    /// Up to `pipes.write` bytes of what it wants to write.
    pub fn transmit(&mut self, pipes: &Pipes, now: Time) -> Vec<u8> {
        let clock = self.clock(now);
        let mut buffer = Vec::new();
        self.protocol.lend(&mut buffer);
        let mut slices = [IoSlice::new(&[]); 64];
        let filled = self
            .protocol
            .poll_transmit(clock, &mut slices[..pipes.slices]);
        assert!(
            slices[..filled].iter().all(|slice| !slice.is_empty()),
            "an empty slice"
        );
        let mut bytes = Vec::new();
        for slice in &slices[..filled] {
            let len = slice.len().min(pipes.write - bytes.len());
            bytes.extend_from_slice(&slice[..len]);
        }
        if !bytes.is_empty() {
            self.protocol.handle_sent(bytes.len(), now);
        }
        self.protocol.reclaim(&mut buffer);
        assert!(buffer.is_empty(), "a buffer came back with bytes in it");
        bytes
    }

    /// What it wants to write, all of it.
    pub fn transmit_all(&mut self, now: Time) -> Vec<u8> {
        std::iter::repeat_with(|| self.transmit(&SMOOTH, now))
            .take_while(|bytes| !bytes.is_empty())
            .flatten()
            .collect()
    }

    pub fn disconnect(&mut self, why: LinkDown, now: Time) {
        self.kept.clear();
        self.protocol
            .handle_disconnected(why, now, &mut self.events);
        self.settle();
    }

    /// Lets it be the time that it waits for.
    pub fn time_out(&mut self) -> Time {
        let now = self.protocol.poll_timeout().expect("nothing to wait for");
        self.protocol.handle_timeout(now, &mut self.events);
        self.settle();
        now
    }

    /// Forgets what it has told; the messages among that.
    pub fn take_messages(&mut self) -> Vec<Message> {
        self.seen = 0;
        let told = std::mem::take(&mut self.events).into_iter();
        let messages = told.filter_map(|event| match event {
            Event::Message(message) => Some(*message),
            _ => None,
        });
        messages.collect()
    }

    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.events.iter().filter_map(|event| match event {
            Event::Message(message) => Some(&**message),
            _ => None,
        })
    }

    pub fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| wanted(event)).count()
    }

    pub fn opened(&self) -> usize {
        self.count(|event| matches!(event, Event::Open(..)))
    }

    pub fn was_reset(&self) -> bool {
        self.events.contains(&Event::Closed { reset: true })
    }

    /// The events that are no messages, as text.
    pub fn story(&self) -> String {
        let told = self.events.iter().map(|event| match event {
            Event::Fault { fault, .. } => format!("fault: {fault}"),
            Event::Open(peer, _) => format!("open {}", peer.name),
            Event::Resumed(_, by) => format!("Resumed({by:?})"),
            Event::Dial(addr) => format!("dial {addr}"),
            Event::Message(message) => format!("message {}", message.tid),
            Event::Denied(why) => format!("denied: {why}"),
            other => format!("{other:?}"),
        });
        told.collect::<Vec<_>>().join("; ")
    }

    /// Takes budgets back as a driver does, and checks what always holds.
    fn settle(&mut self) {
        let delivered: usize = self.events[self.seen..]
            .iter()
            .map(|event| match event {
                Event::Message(message) => message.payload_len(),
                _ => 0,
            })
            .sum();
        self.seen = self.events.len();
        let back = delivered as u64 + self.protocol.take_unused_admission();
        self.balance = self
            .balance
            .checked_sub(back)
            .expect("more given back than admitted");
        let closed = self
            .events
            .iter()
            .position(|event| matches!(event, Event::Closed { .. }));
        assert!(
            closed.is_none_or(|at| at + 1 == self.events.len()),
            "after Closed: {}",
            self.story()
        );
        if self.protocol.is_closed() {
            assert_eq!(self.protocol.poll_timeout(), None);
            assert!(!self.protocol.has_unsent());
        }
    }

    /// Has room now for the payload it refused; false if there is none.
    pub fn admit_refused(&mut self, now: Time) -> bool {
        if !self.protocol.is_waiting_for_admission() {
            self.refused = None;
        }
        let Some(payload) = self.refused.take() else {
            return false;
        };
        self.balance += payload;
        self.protocol.handle_admitted(Hold::NONE, now);
        self.receive(&[], now);
        true
    }
}

impl Pair {
    pub fn new(client: ProtocolConfig, server: ProtocolConfig) -> Self {
        Self {
            dialler: End::new(dialler(client)),
            acceptor: None,
            former: Vec::new(),
            now: Time::ZERO,
            pipes: SMOOTH,
            replies: Vec::new(),
            server: Arc::new(server),
            legacy: false,
            wires: [VecDeque::new(), VecDeque::new()],
            carried: [0; 2],
        }
    }

    /// Two ends that speak v1.
    pub fn legacy(client: ProtocolConfig, server: ProtocolConfig) -> Self {
        let local = addrs("any:/5");
        let peer = addrs(SERVER_V1);
        let dialler = Protocol::connect(Arc::new(client.clone()), local, EntityType::OSD, peer, 1);
        Self {
            dialler: End::new(dialler),
            legacy: true,
            ..Self::new(client, server)
        }
    }

    pub fn plain() -> Self {
        Self::new(client_config(), server_config())
    }

    pub fn start(&mut self) {
        self.dialler
            .protocol
            .start(self.now, &mut self.dialler.events);
        self.connect_if_asked();
    }

    /// Started and driven until both ends are open.
    pub fn open() -> Self {
        let mut pair = Self::plain();
        pair.start();
        pair.drive();
        assert!(pair.dialler.protocol.is_open(), "{}", pair.dialler.story());
        pair
    }

    /// The same, with a session.
    pub fn lossless(change: impl Fn(&mut ProtocolConfig)) -> Self {
        Self::lossless_by(Self::new, change)
    }

    /// Two such pairs, of which the second speaks v1.
    pub fn lossless_of_both(change: impl Fn(&mut ProtocolConfig)) -> [Self; 2] {
        [
            Self::lossless_by(Self::new, &change),
            Self::lossless_by(Self::legacy, &change),
        ]
    }

    fn lossless_by(
        new: impl Fn(ProtocolConfig, ProtocolConfig) -> Self,
        change: impl Fn(&mut ProtocolConfig),
    ) -> Self {
        let mut client = config("client.admin", Policy::lossless_client());
        let mut server = config("osd.3", Policy::stateful_server());
        change(&mut client);
        change(&mut server);
        let mut pair = new(client, server);
        pair.start();
        pair.drive();
        assert!(pair.dialler.protocol.is_open(), "{}", pair.dialler.story());
        pair
    }

    pub fn send(&mut self, message: Message) {
        self.dialler.protocol.send(Outgoing::from(message));
    }

    pub fn acceptor(&mut self) -> &mut End {
        self.acceptor.as_mut().expect("no link")
    }

    /// Moves bytes once in each direction; false if there were none.
    pub fn step(&mut self) -> bool {
        let Some(acceptor) = &mut self.acceptor else {
            return false;
        };
        let opened = acceptor.opened();
        let (now, pipes) = (self.now, self.pipes);
        self.wires[0].extend(self.dialler.transmit(&pipes, now));
        self.wires[1].extend(acceptor.transmit(&pipes, now));
        let mut moved = false;
        for direction in 0..2 {
            let mut len = self.wires[direction].len().min(pipes.read);
            let limit = pipes
                .cut
                .filter(|(at, _)| *at == direction && self.former.is_empty());
            if let Some((_, limit)) = limit {
                len = len.min(limit - self.carried[direction]);
            }
            let bytes: Vec<u8> = self.wires[direction].drain(..len).collect();
            moved |= len > 0;
            self.carried[direction] += len;
            let end = if direction == 0 {
                &mut *acceptor
            } else {
                &mut self.dialler
            };
            end.receive(&bytes, now);
            moved |= end.admit_refused(now);
            // Here nobody else has a session.
            if end.protocol.asked().is_some() {
                end.protocol.grant(now, &mut end.events);
            }
            if limit.is_some_and(|(_, limit)| self.carried[direction] == limit) {
                self.cut();
                return true;
            }
        }
        if acceptor.opened() > opened {
            self.replies
                .iter()
                .cloned()
                .for_each(|reply| acceptor.protocol.send(reply));
        }
        self.collect_closed();
        moved
    }

    /// Until nothing moves and nobody waits but for idleness.
    pub fn drive(&mut self) {
        for _ in 0..2_000_000 {
            if self.step() {
                continue;
            }
            let ends = std::iter::once(&mut self.dialler).chain(&mut self.acceptor);
            let waiting = ends.filter(|end| !end.protocol.is_open() && !end.protocol.is_closed());
            let next = waiting.min_by_key(|end| end.protocol.poll_timeout().expect("no timer"));
            let Some(end) = next else {
                return;
            };
            self.now = end.time_out();
            self.collect_closed();
            self.connect_if_asked();
        }
        panic!("it never comes to rest: {}", self.dialler.story());
    }

    /// The link breaks now.
    pub fn cut(&mut self) {
        self.dialler.disconnect(LinkDown::Eof, self.now);
        if let Some(acceptor) = &mut self.acceptor {
            acceptor.disconnect(LinkDown::Eof, self.now);
        }
        self.collect_closed();
    }

    /// An end that closed its socket is noticed by the other.
    fn collect_closed(&mut self) {
        let Some(acceptor) = &mut self.acceptor else {
            return;
        };
        let dialler_gone = matches!(self.dialler.protocol.state_name(), "BACKOFF" | "CLOSED");
        if dialler_gone || acceptor.protocol.is_closed() {
            acceptor.disconnect(LinkDown::Eof, self.now);
            self.dialler.disconnect(LinkDown::Eof, self.now);
            self.former.extend(self.acceptor.take());
            self.wires.iter_mut().for_each(VecDeque::clear);
        }
    }

    /// Answers a Dial.
    fn connect_if_asked(&mut self) {
        if self.dialler.protocol.state_name() != "START_CONNECT" {
            return;
        }
        self.dialler.protocol.handle_connected(None, self.now);
        let from = CLIENT_SOCKET.parse().unwrap();
        let (server, now) = (self.server.clone(), self.now);
        let protocol = match self.legacy {
            true => acceptor_of_v1(server, 2, now),
            false => Protocol::accept(server, addrs(SERVER), from, 2, now),
        };
        let mut acceptor = End::new(protocol);
        acceptor.refuse = self.dialler.refuse;
        self.acceptor = Some(acceptor);
    }
}

pub fn message(tid: u64, front: usize, middle: usize, data: usize) -> Message {
    let segment = |len: usize, salt: usize| {
        let bytes: Vec<u8> = (0..len)
            .map(|at| (at * 31 + salt + tid as usize) as u8)
            .collect();
        bytes::Bytes::from(bytes).into()
    };
    Message {
        tid,
        front: segment(front, 1),
        middle: segment(middle, 2),
        data: segment(data, 3),
        ..Message::new(1000)
    }
}

pub fn server_addr() -> EntityAddr {
    SERVER.parse().unwrap()
}

pub const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}
