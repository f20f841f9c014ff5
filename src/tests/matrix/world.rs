//! `World`: two nodes with real messengers on a simulated network, and the
//! interceptor between them. Nothing is left to chance but the length of pauses.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::breakpoint::Breakpoint;
use super::interceptor::Interceptor;
use super::tale::Tale;
use super::wire::Wire;
use super::witness::{Witness, message};
use crate::event::sim::{Death, Passage, Process, Simulation, StreamId, Tap, Weather};
use crate::tests::keys::KEYRING;
use crate::types::Time;
use crate::{ConnectionRef, Context, EntityAddrVec, EntityType, Messenger, Policy};

/// How long a byte takes from node to node.
pub const LATENCY: Duration = Duration::from_micros(100);

/// What a node is.
#[derive(Clone, Debug)]
pub struct Plan {
    pub name: &'static str,
    pub policy: Policy,
    pub nonce: u32,
    /// It can be dialled.
    pub bound: bool,
    /// Messages that it sends on every connection that it accepts.
    pub greetings: u64,
    pub options: Vec<(&'static str, &'static str)>,
}

pub struct World {
    simulation: Arc<Simulation>,
    interceptor: Arc<Mutex<Interceptor>>,
    wire: Wire,
    pub nodes: Vec<Node>,
    seeds: u64,
    /// Who comes later takes its turn first.
    backwards: bool,
}

/// A process and its messenger; another one after a restart.
pub struct Node {
    pub plan: Plan,
    pub process: Process,
    pub messenger: Arc<Messenger>,
    pub witness: Arc<Witness>,
    /// What it sent on the connection it dialled.
    sent: u64,
}

struct Tapped(Arc<Mutex<Interceptor>>);

/// More turns than this without time going by mean that somebody spins.
const MOST_TURNS_AT_ONCE: usize = 10_000;

impl World {
    pub fn new(seed: u64, wire: Wire, breakpoints: Vec<Breakpoint>) -> Self {
        let weather = Weather {
            latency: (LATENCY, LATENCY),
            ..Weather::FAIR
        };
        let simulation = Simulation::new(seed, weather);
        let interceptor = Interceptor::new(wire, breakpoints);
        let interceptor = Arc::new(Mutex::new(interceptor));
        let tapped = Tapped(Arc::clone(&interceptor));
        simulation.network().tap(Box::new(tapped));
        Self {
            simulation,
            interceptor,
            wire,
            nodes: Vec::new(),
            seeds: seed,
            backwards: seed % 2 == 0,
        }
    }

    // ---- nodes

    pub fn add(&mut self, plan: Plan) {
        let number = self.nodes.len();
        let node = self.start(number, plan);
        self.nodes.push(node);
    }

    /// Ends a node as SIGKILL does and starts it anew.
    pub fn restart(&mut self, number: usize, nonce: u32, death: Death) {
        let process = self.nodes[number].process.clone();
        self.simulation.network().kill(&process, death);
        let plan = Plan {
            nonce,
            ..self.nodes[number].plan.clone()
        };
        let node = self.start(number, plan);
        self.nodes[number] = node;
    }

    fn start(&mut self, number: usize, plan: Plan) -> Node {
        let host = Ipv4Addr::new(10, 0, 0, u8::try_from(number + 1).expect("few nodes"));
        let process = self.simulation.spawn(host.into());
        self.interceptor().born(process.id(), number);
        self.seeds += 1;
        let context = Context::simulated(&process, self.seeds);
        let only = self.wire.is_secure().to_string();
        context.conf_set("ms_secure_only", &only).unwrap();
        for (key, value) in &plan.options {
            context.conf_set(key, value).unwrap();
        }
        let nonce = u64::from(plan.nonce);
        let messenger = Messenger::create(&context, plan.name, "matrix", nonce).unwrap();
        messenger.set_default_policy(plan.policy).unwrap();
        if self.wire.is_secure() {
            messenger.add_keyring(KEYRING).unwrap();
            // Where signatures are checked, nobody can change what banners say.
            messenger.offer(self.wire.features());
        }
        if plan.bound {
            let addr = format!("{}:{host}:6800", self.wire.scheme())
                .parse()
                .unwrap();
            messenger.bind(&addr).unwrap();
        }
        let witness = Arc::new(Witness::new(plan.greetings));
        messenger.add_dispatcher_head(witness.clone()).unwrap();
        messenger.start().unwrap();
        Node {
            plan,
            process,
            messenger,
            witness,
            sent: 0,
        }
    }

    // ---- what applications do

    /// That node's connection to the other one, dialled if there is none.
    pub fn connect(&mut self, from: usize) -> ConnectionRef {
        let target = &self.nodes[1 - from];
        let kind = target.plan.name.split('.').next().expect("a type");
        assert_eq!(kind, "osd", "only daemons are dialled");
        let addrs: EntityAddrVec = target.messenger.myaddrs();
        let node = &self.nodes[from];
        let con = node.messenger.connect(EntityType::OSD, &addrs).unwrap();
        node.witness.asked_for(&con);
        con
    }

    /// Connects and sends so many messages.
    pub fn say(&mut self, from: usize, count: u64) {
        let con = self.connect(from);
        for _ in 0..count {
            let node = &mut self.nodes[from];
            node.sent += 1;
            con.send(message(node.sent)).unwrap();
        }
    }

    /// The last connection that a node heard of and that is not closed.
    pub fn known(&self, number: usize) -> Option<ConnectionRef> {
        let known = self.nodes[number].witness.callbacks();
        let known = known.into_values().rev().filter_map(|of| of.con);
        known.into_iter().find(|con| !con.is_closed())
    }

    // ---- time

    /// Lets everything happen that needs no time, and then time go by, for so
    /// long.
    pub fn run(&self, time: Duration) {
        let until = self.now() + time;
        let mut seats = Vec::new();
        let mut turns = 0;
        loop {
            self.simulation.runnable(&mut seats);
            if self.backwards {
                seats.reverse();
            }
            let mut idle = seats.is_empty();
            for seat in &seats {
                self.simulation.turn(*seat);
            }
            for node in &self.nodes {
                while node.messenger.is_pumpable() {
                    node.messenger.pump();
                    idle = false;
                }
            }
            turns += 1;
            assert!(turns < MOST_TURNS_AT_ONCE, "somebody spins");
            if !idle {
                continue;
            }
            turns = 0;
            match self.simulation.next_event() {
                Some(next) if next <= until => self.simulation.advance(next),
                _ => return self.simulation.advance(until),
            }
        }
    }

    pub fn now(&self) -> Time {
        self.simulation.now()
    }

    // ---- the interceptor

    pub fn interceptor(&self) -> MutexGuard<'_, Interceptor> {
        self.interceptor
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets pass what is held back of the links that this node dialled; how many
    /// ends that were.
    pub fn release(&self, dialler: usize) -> usize {
        let blocked = self.interceptor().take_blocked(dialler);
        for end in &blocked {
            self.simulation.network().release(*end);
        }
        blocked.len()
    }

    // ---- what has become of it

    /// What must not be of a node that has come to rest, whatever was done to it.
    pub fn unsettled(&self, number: usize) -> Vec<String> {
        let node = &self.nodes[number];
        let messenger = node.messenger.inner();
        let mut wrong = node.witness.wrong();
        let known = node.witness.callbacks().into_values();
        let alive = known.filter_map(|of| of.con).filter(|con| !con.is_closed());
        let alive = alive.collect::<Vec<_>>();
        for con in alive.iter().filter(|con| con.is_connected()) {
            match con.queued_bytes() {
                0 => {}
                bytes => wrong.push(format!("{bytes} bytes are queued for ever")),
            }
        }
        let registered = alive.iter().filter(|con| con.registered_as().is_some());
        let (found, expected) = (messenger.registry().len(), registered.count());
        if found != expected {
            wrong.push(format!("{found} connections registered, not {expected}"));
        }
        match messenger.throttled() {
            0 => {}
            bytes => wrong.push(format!("{bytes} bytes taken from the throttle for ever")),
        }
        wrong
    }

    /// What the objects of a node's present life have gone through: those that
    /// its application knows, then the others, in the order in which they came
    /// to be.
    pub fn tales(&self, number: usize) -> Vec<Tale> {
        let node = &self.nodes[number];
        let tallies = self.interceptor().ledger.tallies().clone();
        let tallies = tallies
            .into_iter()
            .filter(|((process, _), _)| *process == node.process.id())
            .map(|((_, key), tally)| (key, tally));
        let tallies = tallies.collect::<std::collections::BTreeMap<_, _>>();
        let known = node.witness.callbacks();
        let hidden = tallies.keys().filter(|key| !known.contains_key(key));
        known
            .keys()
            .chain(hidden)
            .map(|id| {
                let tally = tallies.get(id).copied().unwrap_or_default();
                let told = known.get(id).cloned().unwrap_or_default();
                Tale::new(node.messenger.state_of(*id), &tally, &told)
            })
            .collect()
    }

    /// Shuts everything down; what is left of it.
    pub fn end(self) -> Vec<String> {
        let mut left = Vec::new();
        for (number, node) in self.nodes.iter().enumerate() {
            node.messenger.shutdown().unwrap();
            node.messenger.wait().unwrap();
            for (what, count) in node.messenger.leftovers() {
                left.push(format!("node {number}: {count} {what} left"));
            }
        }
        self.run(Duration::from_secs(1));
        let open = self.simulation.network().open_sockets();
        if open > 0 {
            left.push(format!("{open} sockets left"));
        }
        let world = Arc::downgrade(&self.simulation);
        drop(self);
        if world.strong_count() > 0 {
            left.push("somebody holds on to the world".to_owned());
        }
        left
    }
}

impl Tap for Tapped {
    fn dial(&mut self, end: StreamId, process: usize) -> Passage {
        self.get().dial(end, process)
    }

    fn accept(&mut self, end: StreamId, from: StreamId, process: usize) -> Passage {
        self.get().accept(end, from, process)
    }

    fn watch(&mut self, end: StreamId, key: u64) {
        self.get().watch(end, key);
    }

    fn write(&mut self, end: StreamId, bytes: &mut Vec<u8>) -> Passage {
        self.get().write(end, bytes)
    }

    fn read(&mut self, end: StreamId, there: usize) -> Passage {
        self.get().read(end, there)
    }
}

impl Tapped {
    fn get(&self) -> MutexGuard<'_, Interceptor> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
