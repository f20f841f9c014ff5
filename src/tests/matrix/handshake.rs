//! Harm done to the first link of a connection, from the dial to SERVER_IDENT.

use super::axes::{self, COMPRESSION, Harm, IDENT, PAIRS};
use super::breakpoint::{Action, Role, Spot};
use super::case::{Case, Kind, Outcome, PROBE, Setting, Step};
use super::tale::{State, Tale, accepted, connected, gone, replaced};
use super::wire::{Bit, Point};

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for setting in axes::settings(&PAIRS, &[(0, 0), (3, 2)]) {
        for (spot, action) in axes::harms(setting.wire, &[axes::dial(setting.wire), &IDENT]) {
            cases.push(harmed("handshake", setting, spot, action, DEADLINES[0]));
            if action == Action::Stall {
                cases.push(harmed("stale", setting, spot, action, DEADLINES[1]));
                cases.push(harmed("overdue", setting, spot, action, DEADLINES[2]));
            }
        }
        cases.push(refused_by_banner(setting, Role::Dialler));
        cases.push(refused_by_banner(setting, Role::Acceptor));
    }
    for setting in axes::compressing(&axes::settings(&PAIRS, &[(0, 0), (3, 2)])) {
        for (spot, action) in axes::harms(setting.wire, &[&COMPRESSION, &IDENT]) {
            cases.push(harmed("compression", setting, spot, action, DEADLINES[0]));
        }
    }
    for setting in axes::settings(&PAIRS, &[(3, 2)]) {
        for (spot, flip, shows_at) in axes::falsifications(setting.wire, Point::CLIENT_IDENT) {
            let mut case = harmed("falsified", setting, spot, flip, DEADLINES[0]);
            case.expected.tales = tales(setting, shows_at, Some(Harm::Spoilt));
            cases.push(case);
        }
    }
    for setting in axes::settings(&PAIRS, &[(0, 0)]) {
        for spot in axes::spots(&[axes::dial(setting.wire), &IDENT].concat()) {
            cases.push(given_up(setting, spot));
            cases.push(given_up_and_dialled_again(setting, spot));
        }
    }
    for setting in axes::settings(&PAIRS, &[(0, 2)]) {
        for spot in axes::spots(&[(Role::Acceptor, Point::SERVER_IDENT)]) {
            cases.push(given_up_by_acceptor(setting, spot));
        }
    }
    cases
}

/// By when an acceptor wants to be asked for a session: as early as the dialler
/// wants to have it, so late that it meets the next attempt, or earlier.
const DEADLINES: [&str; 3] = ["10", "60", "3"];

fn harmed(
    suite: &'static str,
    setting: Setting,
    spot: Spot,
    action: Action,
    deadline: &'static str,
) -> Case {
    let mut steps = vec![Step::Say(0, setting.said.0), Step::Run(1000)];
    if action == Action::Block {
        steps.push(Step::Release(0));
    }
    steps.extend([Step::Run(70_000), Step::Probe]);
    Case {
        suite,
        setting,
        options: [vec![], vec![("ms_connection_ready_timeout", deadline)]],
        breakpoints: vec![spot.on(0, 1, action)],
        steps,
        expected: Outcome {
            tales: tales(setting, spot, axes::harm(spot, action)),
            inboxes: axes::everything_arrives(setting.said),
        },
    }
}

/// What becomes of the objects of both nodes.
fn tales(setting: Setting, spot: Spot, harm: Option<Harm>) -> [Vec<Tale>; 2] {
    use Harm::{Spoilt, Unsent};
    use Point::{AUTH_SIGNATURE, CLIENT_IDENT, SERVER_IDENT, SOCKET_CONNECTING};
    let Some(harm) = harm else {
        return [vec![connected(1, 1, 0, 1)], vec![accepted(1, 1, 0, 1)]];
    };
    match (spot.point, spot.writer(), harm) {
        // Nobody hears of it.
        (SOCKET_CONNECTING, ..) => [vec![connected(2, 1, 0, 1)], vec![accepted(1, 1, 0, 1)]],
        // The dialler does not wait for an answer to its signature.
        (AUTH_SIGNATURE, Role::Dialler, Spoilt) | (CLIENT_IDENT, _, Unsent) => [
            vec![connected(2, 2, 0, 1)],
            vec![accepted(1, 1, 0, 1), gone(0, 0)],
        ],
        (CLIENT_IDENT, _, Spoilt) => [
            vec![connected(2, 2, 0, 1)],
            vec![accepted(1, 1, 0, 1), gone(1, 0)],
        ],
        // To the acceptor the session has begun.
        (SERVER_IDENT, ..) => match setting.pair.kind {
            Kind::Lossy => [
                vec![connected(2, 2, 0, 1)],
                vec![axes::LOST_AFTER_ACCEPT, accepted(1, 1, 0, 1)],
            ],
            // It has something to say, so it dials; the dialler knows no session
            // to resume, and is asked for a new one by the name of the old.
            Kind::Peer if setting.said.1 > 0 => [
                vec![connected(1, 1, 0, 0).accept(0, 0, 0, 1), replaced(1, 1)],
                vec![accepted(1, 1, 0, 1).connect(1, 1, 1, 1)],
            ],
            Kind::Client | Kind::Peer => [
                vec![connected(2, 2, 0, 1)],
                vec![accepted(1, 1, 0, 2), replaced(1, 0)],
            ],
        },
        _ => [
            vec![connected(2, 1, 0, 1)],
            vec![accepted(1, 1, 0, 1), gone(0, 0)],
        ],
    }
}

/// The banner of one end seems to insist on what the other one does not have: a
/// dialler need not try again, but an acceptor only closes.
fn refused_by_banner(setting: Setting, insists: Role) -> Case {
    let spot = Spot::write(insists, Point::BANNER_PAYLOAD);
    let refusal = connected(1, 0, 0, 0).now(State::Closed).reset(1, 0);
    Case {
        suite: "refused by banner",
        setting,
        options: Default::default(),
        breakpoints: vec![spot.on(0, 1, Action::Flip(Bit::Insists))],
        steps: vec![Step::Say(0, setting.said.0), Step::Run(5000), Step::Probe],
        expected: match insists {
            Role::Dialler => Outcome {
                tales: tales(setting, spot, Some(Harm::Spoilt)),
                inboxes: axes::everything_arrives(setting.said),
            },
            Role::Acceptor => Outcome {
                tales: [vec![refusal], vec![gone(0, 0)]],
                inboxes: Default::default(),
            },
        },
    }
}

/// The dialler's application gives up while something is held back.
fn given_up(setting: Setting, spot: Spot) -> Case {
    let lost = match setting.pair.kind {
        Kind::Lossy => axes::LOST_AFTER_ACCEPT,
        Kind::Client | Kind::Peer => accepted(1, 1, 0, 1).now(State::Standby),
    };
    let sent = request_is_sent(spot);
    let acceptor = match spot.point {
        Point::SOCKET_CONNECTING => vec![],
        // What was sent before arrives, and is answered.
        Point::SERVER_IDENT => vec![lost],
        _ if sent => vec![lost],
        _ => vec![gone(0, 0)],
    };
    Case {
        suite: "given up",
        setting,
        options: Default::default(),
        breakpoints: vec![spot.on(0, 1, Action::Block)],
        steps: vec![
            Step::Say(0, 2),
            Step::Run(1000),
            Step::MarkDown(0),
            Step::Run(1000),
            Step::Release(0),
            Step::Run(20_000),
        ],
        expected: Outcome {
            tales: [vec![given_up_dialler(spot)], acceptor],
            inboxes: Default::default(),
        },
    }
}

/// Is a CLIENT_IDENT on its way that nobody takes back?
fn request_is_sent(spot: Spot) -> bool {
    axes::has_asked(spot, Harm::Spoilt) && spot.at == Role::Acceptor
}

fn given_up_dialler(spot: Spot) -> Tale {
    let asked = matches!(spot.point, Point::CLIENT_IDENT | Point::SERVER_IDENT);
    let idents = u32::from(asked || request_is_sent(spot));
    connected(1, idents, 0, 0).now(State::Closed)
}

/// The same, and it dials again, by another connection; only then what was held
/// back of the first one arrives. It is out of date and changes nothing.
fn given_up_and_dialled_again(setting: Setting, spot: Spot) -> Case {
    let policy = setting.pair.policies[1];
    let fresh = accepted(1, 1, 0, 1);
    let acceptor = match (spot.point, setting.pair.kind) {
        (Point::SOCKET_CONNECTING, _) => vec![fresh],
        (Point::SERVER_IDENT, Kind::Lossy) => vec![axes::LOST_AFTER_ACCEPT, fresh],
        // It has a session already, which the dialler knows nothing of.
        (Point::SERVER_IDENT, _) => {
            let told = u32::from(policy.resetcheck);
            vec![accepted(1, 1, 0, 2).reset(0, told), replaced(1, 0)]
        }
        // What does not register anybody cannot know better.
        _ if request_is_sent(spot) && !policy.register => {
            vec![axes::LOST_AFTER_ACCEPT, fresh]
        }
        _ if request_is_sent(spot) => vec![fresh, gone(1, 0)],
        _ => vec![fresh, gone(0, 0)],
    };
    Case {
        suite: "given up and dialled again",
        setting,
        options: Default::default(),
        breakpoints: vec![spot.on(0, 1, Action::Block)],
        steps: vec![
            Step::Say(0, 2),
            Step::Run(1000),
            Step::MarkDown(0),
            Step::Say(0, 1),
            Step::Run(1000),
            Step::Release(0),
            Step::Run(20_000),
            Step::Probe,
        ],
        expected: Outcome {
            tales: [
                vec![given_up_dialler(spot), connected(1, 1, 0, 1)],
                acceptor,
            ],
            inboxes: [vec![PROBE], vec![3, PROBE]],
        },
    }
}

/// The acceptor's application gives up what it has just granted.
fn given_up_by_acceptor(setting: Setting, spot: Spot) -> Case {
    let granted = accepted(1, 1, 0, 1).now(State::Closed);
    let again = accepted(1, 1, 1, 1);
    let (dialler, acceptor, inboxes) = match (spot.at, setting.pair.kind) {
        // The dialler hears nothing of it, and so it asks again.
        (Role::Acceptor, _) => (
            connected(2, 2, 0, 1),
            vec![granted, accepted(1, 1, 0, 1)],
            axes::everything_arrives(setting.said),
        ),
        (Role::Dialler, Kind::Lossy) => (
            connected(1, 1, 0, 1).now(State::Closed).reset(1, 0),
            vec![granted],
            [vec![1, 2], vec![]],
        ),
        // What it has got was sent by the one that is gone, and again by the next.
        (Role::Dialler, Kind::Client) => (
            connected(2, 2, 1, 2).reset(0, 1),
            vec![granted, again],
            [vec![1, 2, 1, 2, PROBE], vec![PROBE]],
        ),
        // It comes back for the sake of a probe, which gets lost.
        (Role::Dialler, Kind::Peer) => (
            connected(2, 2, 1, 2).reset(0, 1),
            vec![granted, again],
            [vec![1, 2, 1, 2, PROBE, PROBE], vec![PROBE]],
        ),
    };
    let mut steps = vec![
        Step::Say(0, 0),
        Step::Run(1000),
        Step::MarkDown(1),
        Step::Run(1000),
        Step::Release(0),
        Step::Run(20_000),
        Step::Probe,
    ];
    if spot.at == Role::Dialler && setting.pair.kind == Kind::Peer {
        steps.push(Step::Probe);
    }
    Case {
        suite: "given up by acceptor",
        setting,
        options: Default::default(),
        breakpoints: vec![spot.on(0, 1, Action::Block)],
        steps,
        expected: Outcome {
            tales: [vec![dialler], acceptor],
            inboxes,
        },
    }
}
