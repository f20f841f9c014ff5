//! `Case`: one way things can go wrong between two nodes, and what must have come
//! of it.

use std::fmt;
use std::thread;
use std::time::Duration;

use super::breakpoint::Breakpoint;
use super::tale::Tale;
use super::wire::Wire;
use super::world::{Plan, World};
use crate::Policy;
use crate::event::sim::Death;
use crate::proto::{Mutation, twice_used, with_mutation};

/// The policies of two nodes: the one that begins, and the other one.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    pub name: &'static str,
    pub policies: [Policy; 2],
    pub kind: Kind,
}

/// What a pair of policies comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// No session outlives its link.
    Lossy,
    /// A session that only its first dialler resumes.
    Client,
    /// A session that either end resumes.
    Peer,
}

/// Whose address sorts first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    DiallerFirst,
    AcceptorFirst,
}

/// What else a case is made of.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub pair: Pair,
    pub wire: Wire,
    pub order: Order,
    /// Of each node.
    pub workers: usize,
    /// Messages that the first node sends at once, and that the second one sends
    /// to whoever connects.
    pub said: (u64, u64),
}

/// What is done, in turn.
#[derive(Clone, Debug)]
pub enum Step {
    /// This node connects and sends so many messages.
    Say(usize, u64),
    /// So many milliseconds go by.
    Run(u64),
    /// So many microseconds go by.
    RunMicros(u64),
    /// What is held back of this node's links passes. Something must be.
    Release(usize),
    /// This node asks for a sign of life.
    Keepalive(usize),
    /// This node gives its connection up.
    MarkDown(usize),
    /// This node will not have its connection back once it is lost.
    MarkDisposable(usize),
    /// This node is killed and comes back with that nonce.
    Restart(usize, u32, Death),
    /// Each node that has a connection sends message 100 on it, one after the
    /// other.
    Probe,
}

/// What there is at the end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Of each node, what its objects have gone through: those that its
    /// application knows, then the others.
    pub tales: [Vec<Tale>; 2],
    /// Of each node, the messages that it got.
    pub inboxes: [Vec<u64>; 2],
}

pub struct Case {
    pub suite: &'static str,
    pub setting: Setting,
    /// Options of each node.
    pub options: [Vec<(&'static str, &'static str)>; 2],
    pub breakpoints: Vec<Breakpoint>,
    pub steps: Vec<Step>,
    pub expected: Outcome,
}

/// The tid of the message by which a node shows that its connection works.
pub const PROBE: u64 = 100;

impl Case {
    /// What is wrong, in words.
    pub fn run(&self, seed: u64) -> Result<(), String> {
        self.on_own_thread(|| self.violations(seed))
    }

    /// The same with a bug put in.
    pub fn run_with(&self, mutation: Mutation) -> Result<(), String> {
        self.on_own_thread(|| with_mutation(mutation, || self.violations(1)))
    }

    /// A worker's turn that panics leaves its mark on the thread.
    fn on_own_thread(&self, run: impl FnOnce() -> Vec<String> + Send) -> Result<(), String> {
        let run = thread::scope(|scope| scope.spawn(run).join());
        let wrong = run.unwrap_or_else(|_| vec!["it panicked, see above".to_owned()]);
        match wrong.as_slice() {
            [] => Ok(()),
            some => Err(format!("{self}\n    {}", some.join("\n    "))),
        }
    }

    fn violations(&self, seed: u64) -> Vec<String> {
        let mut world = World::new(seed, self.setting.wire, self.breakpoints.clone());
        for number in 0..2 {
            world.add(self.plan(number));
        }
        for step in &self.steps {
            self.take(step, &mut world);
        }
        let mut wrong = Vec::new();
        for (number, name) in ["first", "second"].into_iter().enumerate() {
            let found = world.tales(number);
            let expected = &self.expected.tales[number];
            if self.setting.wire == Wire::Msgr1 {
                // Here it only counts that nobody is told of an end or a loss.
                if found.iter().any(|tale| tale.reset != [0, 0]) {
                    wrong.push(format!("{name} node: {found:?}"));
                }
            } else if found != *expected {
                wrong.push(format!("{name} node: expected {expected:?}"));
                wrong.push(format!("{name} node:    found {found:?}"));
            }
            let found = world.nodes[number].witness.inbox();
            let expected = &self.expected.inboxes[number];
            if found != *expected {
                wrong.push(format!("{name} node got {found:?}, not {expected:?}"));
            }
            let unsettled = world.unsettled(number).into_iter();
            wrong.extend(unsettled.map(|what| format!("{name} node: {what}")));
        }
        wrong.extend(world.interceptor().ledger.wrong().to_vec());
        for missed in world.interceptor().not_reached() {
            wrong.push(format!("never came to {}", missed));
        }
        wrong.extend(world.end());
        wrong.extend(twice_used());
        wrong
    }

    fn plan(&self, number: usize) -> Plan {
        let setting = &self.setting;
        let is_peer = setting.pair.kind == Kind::Peer;
        // Compared as memory has them, the lowest byte first.
        let (first, second) = match setting.order {
            Order::DiallerFirst => (0x100, 1),
            Order::AcceptorFirst => (1, 0x100),
        };
        let workers = match setting.workers {
            1 => "1",
            _ => "3",
        };
        let mut options = self.options[number].clone();
        options.push(("ms_async_op_threads", workers));
        Plan {
            name: match (number, is_peer) {
                (0, false) => "client.admin",
                (0, true) => "osd.0",
                _ => "osd.1",
            },
            policy: setting.pair.policies[number],
            nonce: if number == 0 { first } else { second },
            bound: number == 1 || is_peer,
            greetings: if number == 1 { setting.said.1 } else { 0 },
            options,
        }
    }

    fn take(&self, step: &Step, world: &mut World) {
        match step {
            Step::Say(node, count) => world.say(*node, *count),
            Step::Run(millis) => world.run(Duration::from_millis(*millis)),
            Step::RunMicros(micros) => world.run(Duration::from_micros(*micros)),
            Step::Release(dialler) => {
                assert!(world.release(*dialler) > 0, "nothing is held back");
            }
            Step::Keepalive(node) => world.known(*node).unwrap().keepalive().unwrap(),
            Step::MarkDown(node) => world.known(*node).unwrap().mark_down(),
            Step::MarkDisposable(node) => world.known(*node).unwrap().mark_disposable(),
            Step::Restart(node, nonce, death) => world.restart(*node, *nonce, *death),
            Step::Probe => {
                for node in 0..2 {
                    if let Some(con) = world.known(node) {
                        con.send(super::witness::message(PROBE)).unwrap();
                        world.run(Duration::from_secs(2));
                    }
                }
            }
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setting {
            pair,
            wire,
            order,
            workers,
            said,
        } = &self.setting;
        write!(
            f,
            "{}: {}, {wire:?}, {order:?}, {workers} workers, {said:?} said",
            self.suite, pair.name
        )?;
        for breakpoint in &self.breakpoints {
            write!(f, "; {}", breakpoint)?;
        }
        Ok(())
    }
}
