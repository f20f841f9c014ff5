//! `Cluster`: messengers on simulated hosts, and who does what next.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use crate::event::sim::{Process, Rng, Simulation, Weather};
use crate::types::Time;
use crate::{Context, Messenger};

/// Options of a context.
pub type Config = Vec<(&'static str, String)>;

/// One messenger, alone in its process.
pub struct Node {
    pub process: Process,
    pub context: Arc<Context>,
    pub messenger: Arc<Messenger>,
    /// Its dispatch thread does something else until then.
    pub distracted_until: Time,
}

/// Everything of one run.
pub struct Cluster {
    pub simulation: Arc<Simulation>,
    /// `None` where one has ended.
    pub nodes: Vec<Option<Node>>,
    /// Steps taken so far.
    pub steps: u64,
    rng: Rng,
    runnable: Vec<usize>,
    /// Steps since time last went by.
    steps_at_once: u64,
}

/// More steps than this without time going by mean that somebody spins.
const MOST_STEPS_AT_ONCE: u64 = 200_000;

impl Cluster {
    /// A world without nodes.
    pub fn new(seed: u64, weather: Weather) -> Self {
        let mut rng = Rng::new(seed);
        Self {
            simulation: Simulation::new(rng.next(), weather),
            nodes: Vec::new(),
            steps: 0,
            rng,
            runnable: Vec::new(),
            steps_at_once: 0,
        }
    }

    /// Starts a process with a messenger of that name and nonce on host `host`.
    pub fn add(&mut self, host: u8, name: &str, nonce: u64, options: &Config) -> usize {
        let process = self.simulation.spawn(ip(host));
        let context = Context::simulated(&process, self.rng.next());
        set(&context, options);
        let messenger = Messenger::create(&context, name, "sim", nonce).unwrap();
        self.nodes.push(Some(Node {
            process,
            context,
            messenger,
            distracted_until: Time::ZERO,
        }));
        self.nodes.len() - 1
    }

    /// The node of that number, which has not ended.
    pub fn node(&self, number: usize) -> &Node {
        self.nodes[number].as_ref().expect("it has not ended")
    }

    /// Those that have not ended.
    pub fn living(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().flatten()
    }

    /// Lets somebody do something: a worker take its turn, a dispatch thread
    /// deliver one item; or time go by, if nobody has anything to do. False: not
    /// before `until`.
    pub fn step(&mut self, until: Time) -> bool {
        self.simulation.runnable(&mut self.runnable);
        let workers = self.runnable.len();
        let now = self.simulation.now();
        let pumpable = |node: &&Node| node.distracted_until <= now && node.messenger.is_pumpable();
        let all = workers + self.living().filter(pumpable).count();
        if all > 0 {
            self.steps += 1;
            self.steps_at_once += 1;
            assert!(
                self.steps_at_once < MOST_STEPS_AT_ONCE,
                "a worker takes its turns without end"
            );
            let chosen = self.rng.index(all);
            match self.runnable.get(chosen) {
                Some(seat) => drop(self.simulation.turn(*seat)),
                None => {
                    let mut pumpable = self.living().filter(pumpable);
                    let chosen = pumpable.nth(chosen - workers);
                    chosen.expect("it was counted").messenger.pump();
                }
            }
            return true;
        }
        self.steps_at_once = 0;
        let distracted = self.living().filter(|node| node.messenger.is_pumpable());
        let distracted = distracted.map(|node| node.distracted_until);
        let next = self.simulation.next_event().into_iter().chain(distracted);
        match next.min() {
            Some(next) if next <= until => self.simulation.advance(next),
            _ => return false,
        }
        true
    }

    /// Lets so much time go by.
    pub fn run_for(&mut self, time: Duration) {
        let until = self.simulation.now() + time;
        while self.step(until) {}
        self.simulation.advance(until);
    }
}

/// Sets these options.
pub fn set(context: &Context, options: &Config) {
    for (key, value) in options {
        context.conf_set(key, value).unwrap();
    }
}

/// The address of a host.
pub fn ip(host: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, host).into()
}
