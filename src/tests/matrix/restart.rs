//! A process is killed, with or without a word to its peers, and comes back under
//! the same address, with the same nonce or with a new one.

use super::axes::{self, LOST_AFTER_ACCEPT, PAIRS};
use super::case::{Case, Kind, Order, Outcome, PROBE, Setting, Step};
use super::tale::{State, Tale, accepted, connected, gone, replaced};
use crate::event::sim::Death;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for setting in axes::settings(&PAIRS, &[(2, 0)]) {
        for death in [Death::Killed, Death::Vanished] {
            for nonce in [Nonce::Same, Nonce::New] {
                cases.push(dialler_restarts(setting, death, nonce));
                cases.push(acceptor_restarts(setting, death, nonce));
            }
        }
    }
    cases
}

/// Which incarnation of a process it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nonce {
    Same,
    New,
}

impl Nonce {
    fn of(self, node: usize, order: Order) -> u32 {
        match (self, node, order) {
            (Self::New, node, _) => 10 + u32::try_from(node).expect("few"),
            (Self::Same, 0, Order::DiallerFirst) | (Self::Same, 1, Order::AcceptorFirst) => 0x100,
            (Self::Same, ..) => 1,
        }
    }
}

fn case(suite: &'static str, setting: Setting, steps: Vec<Step>, expected: Outcome) -> Case {
    Case {
        suite,
        setting,
        options: Default::default(),
        breakpoints: vec![],
        steps,
        expected,
    }
}

/// The first node comes back and says something. Its new life remembers nothing.
fn dialler_restarts(setting: Setting, death: Death, nonce: Nonce) -> Case {
    let is_told = death == Death::Killed;
    let fresh = accepted(1, 1, 0, 1);
    let acceptor = match (setting.pair.kind, nonce) {
        // What does not register nobody finds nobody's old connection.
        (Kind::Lossy, _) if is_told => vec![LOST_AFTER_ACCEPT, fresh],
        (Kind::Lossy, Nonce::Same) if setting.pair.policies[1].register => {
            vec![LOST_AFTER_ACCEPT, fresh]
        }
        (_, Nonce::New) | (Kind::Lossy, _) if !is_told => vec![fresh, fresh],
        (Kind::Client | Kind::Peer, Nonce::New) => vec![fresh.now(State::Standby), fresh],
        _ => {
            let told = u32::from(setting.pair.policies[1].resetcheck);
            vec![accepted(1, 1, 0, 2).reset(0, told), replaced(1, 0)]
        }
    };
    let steps = vec![
        Step::Say(0, 2),
        Step::Run(1000),
        Step::Restart(0, nonce.of(0, setting.order), death),
        Step::Run(1000),
        Step::Say(0, 1),
        Step::Run(5000),
        Step::Probe,
    ];
    let expected = Outcome {
        tales: [vec![connected(1, 1, 0, 1)], acceptor],
        inboxes: [vec![PROBE], vec![1, 2, 1, PROBE]],
    };
    case("dialler restarts", setting, steps, expected)
}

/// The second node comes back, and the first one says something, twice.
fn acceptor_restarts(setting: Setting, death: Death, nonce: Nonce) -> Case {
    let is_told = death == Death::Killed;
    let is_new = nonce == Nonce::New;
    let fresh = connected(1, 1, 0, 1);
    let lost = fresh.now(State::Closed).reset(1, 0);
    let (dialler, acceptor, arrives): (_, Vec<Tale>, &[u64]) = match setting.pair.kind {
        Kind::Lossy if is_told => (vec![lost, fresh], vec![accepted(1, 1, 0, 1)], &[3, 4]),
        // By a new nonce it is another process, which is dialled at once; what was
        // is not touched.
        _ if is_new && !is_told => (vec![fresh, fresh], vec![accepted(1, 1, 0, 1)], &[3, 4]),
        // What is said first is lost: it only shows that nobody is there.
        Kind::Lossy => (vec![lost, fresh], vec![accepted(1, 1, 0, 1)], &[4]),
        // The session's peer does not come back; the old connection tries for ever.
        Kind::Client if is_new => (
            vec![
                connected(2, 2, 1, 1).reset(0, 1).now(State::Connecting),
                fresh,
            ],
            vec![accepted(1, 1, 0, 1), gone(1, 1)],
            &[3, 4],
        ),
        Kind::Peer if is_new => (
            vec![fresh.now(State::Standby), fresh],
            vec![accepted(1, 1, 0, 1)],
            &[3, 4],
        ),
        // It comes back by itself, before anything is said.
        Kind::Client if is_told => (
            vec![connected(2, 2, 1, 2).reset(0, 1)],
            vec![accepted(1, 1, 1, 1)],
            &[3, 4],
        ),
        Kind::Client | Kind::Peer => (
            vec![connected(2, 2, 1, 2).reset(0, 1)],
            vec![accepted(1, 1, 1, 1)],
            &[4],
        ),
    };
    let steps = vec![
        Step::Say(0, 2),
        Step::Run(1000),
        Step::Restart(1, nonce.of(1, setting.order), death),
        Step::Run(1000),
        Step::Say(0, 1),
        Step::Run(1000),
        Step::Say(0, 1),
        Step::Run(5000),
        Step::Probe,
    ];
    let arrives = arrives.iter().copied().chain([PROBE]).collect();
    let expected = Outcome {
        tales: [dialler, acceptor],
        inboxes: [vec![PROBE], arrives],
    };
    let mut case = case("acceptor restarts", setting, steps, expected);
    // Else one that finds nobody tries again and again.
    case.options[0] = vec![("ms_initial_backoff", "60"), ("ms_max_backoff", "60")];
    case
}
