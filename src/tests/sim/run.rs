//! `Run`: one seed from its first message to the last thing that is looked at.

use std::sync::Arc;
use std::time::Duration;

use super::apps::{Apps, name};
use super::chaos::{Chaos, Wanted};
use super::cluster::{Cluster, Node, set};
use super::model::Life;
use super::plan::{self, PROMPT, Plan, SETTLED, Wire};
use crate::event::sim::{Death, Rng};
use crate::proto::{nonces_used, twice_used};
use crate::types::Time;

/// What came of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How they spoke.
    pub wire: Option<Wire>,
    /// Faults that were injected.
    pub faults: u64,
    /// Messages delivered.
    pub messages: u64,
    /// Stands for everything that happened.
    pub trace: u64,
    /// What should not have happened.
    pub violations: Vec<String>,
}

/// A run under way.
struct Run {
    cluster: Cluster,
    apps: Arc<Apps>,
    chaos: Chaos,
    rng: Rng,
    /// The life that each node has now.
    lives: Vec<Option<Life>>,
    /// The nonce of each node's last life.
    nonces: Vec<u32>,
    todo: Vec<(Time, Todo)>,
}

/// What is to happen later.
#[derive(Clone, Copy, Debug)]
enum Todo {
    Restart(usize),
    Learn { who: Life, node: usize, nonce: u32 },
}

/// Steps that a cluster may take for its keepalives while nothing else happens.
const KEEPALIVE_STEPS: u64 = 2_000;

/// Steps in which, now and then, somebody dials the former life of a peer: it has
/// messages for it, and is told each time that nobody of that nonce is there.
const DIAL_STEPS: u64 = 500;

/// Runs that seed.
pub fn run(seed: u64) -> Outcome {
    // What a run before has left there, which may have ended early.
    nonces_used();
    let mut rng = Rng::new(seed);
    let plan = Plan::draw(&mut rng);
    if is_replay() {
        println!("{plan:#?}");
    }
    let cluster = Cluster::new(rng.next(), plan.weather.clone());
    if is_replay() {
        cluster.simulation.network().trace().print();
    }
    let mut run = Run {
        apps: Apps::new(plan, &cluster.simulation, Rng::new(rng.next())),
        cluster,
        chaos: Chaos::new(Rng::new(rng.next())),
        rng,
        lives: Vec::new(),
        nonces: Vec::new(),
        todo: Vec::new(),
    };
    run.begin();
    run.work();
    let (calm, idle) = run.settle();
    run.end(calm, idle)
}

/// True while somebody looks at one seed.
pub fn is_replay() -> bool {
    std::env::var_os("MSGR_SIM_SEED").is_some()
}

impl Run {
    fn begin(&mut self) {
        for _ in 0..self.apps.plan.nodes() {
            let nonce = u32::try_from(self.rng.between(1, 1000)).expect("it is small");
            self.lives.push(None);
            self.nonces.push(nonce);
        }
        for node in 0..self.lives.len() {
            self.start(node);
        }
    }

    /// Work and faults, at any time.
    fn work(&mut self) {
        let plan = &self.apps.plan;
        let (busy, mut actions, mut faults) = (plan.busy, plan.actions, plan.faults);
        let end = self.cluster.simulation.now() + busy;
        let mut next_action = self.soon(busy, actions);
        let mut next_fault = self.soon(busy, faults);
        loop {
            let now = self.cluster.simulation.now();
            if actions > 0 && (next_action <= now || self.rng.permille(2)) {
                actions -= 1;
                next_action = self.soon(busy, self.apps.plan.actions);
                self.act();
            }
            if faults > 0 && (next_fault <= now || self.rng.permille(1)) {
                faults -= 1;
                next_fault = self.soon(busy, self.apps.plan.faults);
                self.strike();
            }
            self.catch_up(now);
            let todo = self.todo.iter().map(|(at, _)| *at).min();
            let action = (actions > 0).then_some(next_action);
            let fault = (faults > 0).then_some(next_fault);
            let next = [Some(end), action, fault, todo, self.chaos.next()];
            let next = next.into_iter().flatten().min();
            let next = next.expect("there is an end");
            if !self.cluster.step(next) {
                if next >= end {
                    return;
                }
                self.cluster.simulation.advance(next);
            }
        }
    }

    /// No more faults. The time from which on nothing may be lost, and how many
    /// steps were taken once all was quiet.
    fn settle(&mut self) -> (Time, u64) {
        self.chaos.end(&mut self.cluster);
        self.catch_up(Time::from_nanos(u64::MAX));
        self.apps.sober_up();
        for node in self.cluster.living() {
            set(&node.context, &plan::no_injection());
        }
        // Dispatch threads that lag behind tell of connections not known yet.
        self.cluster.run_for(Duration::from_millis(50));
        self.probe();
        let healed = self.cluster.simulation.now();
        self.cluster.run_for(PROMPT);
        if !self.apps.plan.voids {
            let now = self.cluster.simulation.now();
            self.apps.model().check_prompt(now, healed);
        }
        self.cluster.run_for(SETTLED - PROMPT);
        // What one probe brings to light, such as a session that an end has
        // forgotten, the next one may be lost by.
        for _ in 0..u64::from(self.apps.plan.amnesia) {
            self.probe();
            self.cluster.run_for(SETTLED);
        }
        let calm = self.cluster.simulation.now();
        self.probe();
        self.cluster.run_for(SETTLED / 2);
        let before = self.cluster.steps;
        self.cluster.run_for(SETTLED / 2);
        (calm, self.cluster.steps - before)
    }

    fn end(mut self, calm: Time, idle: u64) -> Outcome {
        let now = self.cluster.simulation.now();
        self.apps.model().finish(now, calm);
        for life in self.lives.iter().flatten() {
            self.apps.check_handles(*life);
        }
        let mut left = Vec::new();
        let mut allowed = match self.apps.plan.has_keepalives() {
            true => KEEPALIVE_STEPS,
            false => 0,
        };
        if self.apps.plan.amnesia {
            allowed += DIAL_STEPS;
        }
        if idle > allowed {
            let quiet = SETTLED / 2;
            left.push(format!("{idle} steps were taken in {quiet:?} of quiet"));
        }
        for node in self.cluster.living() {
            let closed = node.messenger.closed_but_registered();
            if closed > 0 {
                left.push(format!(
                    "{closed} connections have ended and are registered"
                ));
            }
        }
        let mut order: Vec<_> = (0..self.lives.len()).collect();
        self.rng.shuffle(&mut order);
        for node in order {
            left.extend(self.stop(node));
        }
        self.cluster.run_for(Duration::from_secs(1));
        let world = Arc::downgrade(&self.cluster.simulation);
        let (sockets, trace) = {
            let mut network = self.cluster.simulation.network();
            (network.open_sockets(), network.trace().hash())
        };
        left.extend(twice_used());
        let wire = Some(self.apps.plan.wire);
        let apps = Arc::clone(&self.apps);
        let faults = self.chaos.injected;
        drop(self);
        if sockets > 0 {
            left.push(format!("{sockets} sockets are left open"));
        }
        if apps.held() > 0 {
            left.push(format!("{} messages were never released", apps.held()));
        }
        let mut model = std::mem::take(&mut *apps.model());
        drop(apps);
        if world.strong_count() > 0 {
            left.push("somebody holds on to the world".to_owned());
        }
        model.violations.append(&mut left);
        Outcome {
            wire,
            faults,
            messages: model.delivered,
            trace,
            violations: model.violations,
        }
    }

    // ---- nodes

    fn start(&mut self, node: usize) {
        let plan = &self.apps.plan;
        let nonce = self.nonces[node];
        let mut options = plan.options.clone();
        options.extend(plan.injection.iter().cloned());
        options.push(("ms_secure_only", plan.is_secure().to_string()));
        let workers = self.rng.between(1, plan.workers);
        options.push(("ms_async_op_threads", workers.to_string()));
        let host = u8::try_from(node + 1).expect("few nodes");
        let name = name(plan, node);
        let number = self.cluster.add(host, &name, nonce.into(), &options);
        let messenger = Arc::clone(&self.cluster.node(number).messenger);
        let life = self.apps.begin(node, &self.nonces, &messenger);
        assert_eq!(life, number);
        self.lives[node] = Some(life);
        let now = self.cluster.simulation.now();
        for other in &self.lives {
            if let Some(who) = other.filter(|who| *who != life) {
                let at = now + Duration::from_micros(self.rng.below(300_000));
                self.todo.push((at, Todo::Learn { who, node, nonce }));
            }
        }
    }

    /// Ends a node's life in order; what it leaves behind.
    fn stop(&mut self, node: usize) -> Vec<String> {
        let Some(life) = self.lives[node].take() else {
            return Vec::new();
        };
        let Some(Node {
            messenger, context, ..
        }) = self.cluster.nodes[life].take()
        else {
            return Vec::new();
        };
        messenger.shutdown().unwrap();
        self.apps.end(life);
        // Others may go on between the two.
        for _ in 0..self.rng.below(20) {
            let now = self.cluster.simulation.now();
            self.cluster.step(now);
        }
        messenger.wait().unwrap();
        drop(context);
        let left = messenger.leftovers();
        left.into_iter()
            .map(|(what, count)| format!("node {node} life {life} leaves {count} {what}"))
            .collect()
    }

    fn kill(&mut self, node: usize, death: Death) {
        if let Some(life) = self.lives[node] {
            let process = self.cluster.node(life).process.clone();
            self.cluster.simulation.network().kill(&process, death);
        }
    }

    // ---- what happens

    fn act(&mut self) {
        if self.rng.permille(50) {
            // Who dials each other now meets.
            return self.probe();
        }
        let node = self.rng.index(self.lives.len());
        if let Some(life) = self.lives[node] {
            self.apps.act(life);
        }
    }

    fn probe(&mut self) {
        for life in self.lives.iter().flatten() {
            self.apps.probe(*life);
        }
    }

    fn strike(&mut self) {
        let wanted = self.chaos.strike(&self.apps.plan, &mut self.cluster);
        let node = match wanted {
            Wanted::Nothing => return,
            Wanted::Kill(node, death) => {
                self.kill(node, death);
                node
            }
            Wanted::Stop(node) => node,
        };
        self.stop_for_a_while(node);
    }

    fn stop_for_a_while(&mut self, node: usize) {
        if self.lives[node].is_some() {
            let left = self.stop(node);
            self.apps.model().violations.extend(left);
            let pause = Duration::from_micros(self.rng.between(10, 1_000_000));
            let at = self.cluster.simulation.now() + pause;
            self.todo.push((at, Todo::Restart(node)));
        }
    }

    /// Does what is due.
    fn catch_up(&mut self, until: Time) {
        self.chaos.catch_up(&self.cluster);
        for life in self.apps.take_quitters() {
            if let Some(node) = self.lives.iter().position(|of| *of == Some(life)) {
                self.stop_for_a_while(node);
            }
        }
        while let Some(due) = self.todo.iter().position(|(at, _)| *at <= until) {
            match self.todo.swap_remove(due).1 {
                Todo::Restart(node) => {
                    if self.rng.permille(500) {
                        self.nonces[node] += 1000;
                    }
                    self.start(node);
                }
                Todo::Learn { who, node, nonce } => {
                    if self.lives.contains(&Some(who)) && self.nonces[node] == nonce {
                        self.apps.learn(who, node, nonce);
                    }
                }
            }
        }
    }

    /// When one of so many things in that time is next.
    fn soon(&mut self, within: Duration, things: u64) -> Time {
        let mean = u64::try_from(within.as_nanos()).expect("seconds") / things.max(1);
        let wait = Duration::from_nanos(self.rng.below(2 * mean + 1));
        self.cluster.simulation.now() + wait
    }
}
