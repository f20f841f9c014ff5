//! Harm done to a link that is open.

use super::axes::{self, Harm, PAIRS};
use super::breakpoint::{Action, Role, Spot};
use super::case::{Case, Kind, Outcome, Setting, Step};
use super::tale::{State, Tale, accepted, connected, replaced};
use super::wire::Point;

/// A frame of an open link, and how it comes to be sent.
#[derive(Clone, Copy)]
struct Frame {
    writer: Role,
    point: Point,
    nth: usize,
    /// See [`Setting::said`].
    said: (u64, u64),
    /// The node that asks for a sign of life.
    asks: Option<usize>,
}

const fn frame(writer: Role, point: Point, nth: usize, said: (u64, u64)) -> Frame {
    Frame {
        writer,
        point,
        nth,
        said,
        asks: None,
    }
}

const fn asked(writer: Role, point: Point, asks: usize) -> Frame {
    Frame {
        asks: Some(asks),
        ..frame(writer, point, 1, (0, 0))
    }
}

const FRAMES: [Frame; 11] = [
    frame(Role::Dialler, Point::MESSAGE, 1, (3, 0)),
    frame(Role::Dialler, Point::MESSAGE, 3, (3, 0)),
    frame(Role::Acceptor, Point::MESSAGE, 1, (0, 2)),
    frame(Role::Acceptor, Point::MESSAGE, 2, (0, 2)),
    frame(Role::Acceptor, Point::ACK, 1, (3, 0)),
    frame(Role::Dialler, Point::ACK, 1, (0, 2)),
    asked(Role::Dialler, Point::KEEPALIVE2, 0),
    asked(Role::Acceptor, Point::KEEPALIVE2_ACK, 0),
    asked(Role::Acceptor, Point::KEEPALIVE2, 1),
    asked(Role::Dialler, Point::KEEPALIVE2_ACK, 1),
    // A keepalive goes out before what was said.
    Frame {
        said: (3, 0),
        ..asked(Role::Dialler, Point::KEEPALIVE2, 0)
    },
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for frame in FRAMES {
        for setting in axes::settings(&PAIRS, &[frame.said]) {
            // What is lossy is not acknowledged.
            if setting.pair.kind == Kind::Lossy && frame.point == Point::ACK {
                continue;
            }
            for (spot, action) in axes::harms(setting.wire, &[&[(frame.writer, frame.point)]]) {
                cases.push(harmed(setting, frame, spot, action));
            }
        }
    }
    for setting in axes::settings(&axes::lossless(), &[(2, 0)]) {
        for (spot, action) in axes::harms(setting.wire, &[&[(Role::Dialler, Point::KEEPALIVE2)]]) {
            if axes::harm(spot, action).is_some() {
                cases.extend([0, 1].map(|node| disposable(setting, node, spot, action)));
            }
        }
    }
    cases
}

fn harmed(setting: Setting, frame: Frame, spot: Spot, action: Action) -> Case {
    let mut steps = vec![Step::Say(0, frame.said.0), Step::Run(1000)];
    steps.extend(frame.asks.map(Step::Keepalive));
    steps.push(Step::Run(1000));
    if action == Action::Block {
        steps.push(Step::Release(0));
    }
    // Whoever misses an ack or an answer notices that later than others.
    let rest = match action {
        Action::Stall => 350_000,
        _ => 20_000,
    };
    steps.extend([Step::Run(rest), Step::Probe]);
    Case {
        suite: "open",
        setting,
        options: [patience(), patience()],
        breakpoints: vec![spot.on(0, 1, action).at_time(frame.nth)],
        steps,
        expected: expected(setting, frame, axes::harm(spot, action)),
    }
}

/// One end of a session marks it disposable: with the link it loses the session,
/// is told of that, and does not come back. The other end keeps its own.
fn disposable(setting: Setting, node: usize, spot: Spot, action: Action) -> Case {
    let (dialler, acceptor) = (connected(1, 1, 0, 1), accepted(1, 1, 0, 1));
    let tales = match (node, setting.pair.kind) {
        (0, _) => [
            vec![dialler.now(State::Closed).reset(1, 0)],
            vec![acceptor.now(State::Standby)],
        ],
        (_, Kind::Peer) => [
            vec![dialler.now(State::Standby)],
            vec![acceptor.now(State::Closed).reset(1, 0)],
        ],
        // It comes back by itself and is told that nobody knows it.
        _ => [
            vec![connected(2, 2, 1, 2).reset(0, 1)],
            vec![
                acceptor.now(State::Closed).reset(1, 0),
                accepted(1, 1, 1, 1),
            ],
        ],
    };
    Case {
        suite: "disposable",
        setting,
        options: [patience(), patience()],
        breakpoints: vec![spot.on(0, 1, action)],
        steps: vec![
            Step::Say(0, 2),
            Step::Run(1000),
            Step::MarkDisposable(node),
            Step::Run(10),
            Step::Keepalive(0),
            Step::Run(if action == Action::Stall {
                350_000
            } else {
                20_000
            }),
        ],
        expected: Outcome {
            tales,
            inboxes: [vec![], vec![1, 2]],
        },
    }
}

/// After so many seconds somebody notices that nothing comes.
fn patience() -> Vec<(&'static str, &'static str)> {
    vec![
        ("ms_connection_progress_timeout", "100"),
        ("ms_connection_idle_timeout", "300"),
    ]
}

fn expected(setting: Setting, frame: Frame, harm: Option<Harm>) -> Outcome {
    let is_lossy = setting.pair.kind == Kind::Lossy;
    let inboxes = match harm {
        Some(_) if is_lossy => arrived_before(frame),
        _ => axes::everything_arrives(frame.said),
    };
    let tales = match harm {
        None => [vec![connected(1, 1, 0, 1)], vec![accepted(1, 1, 0, 1)]],
        Some(_) => tales(setting.pair.kind, frame),
    };
    Outcome { tales, inboxes }
}

fn tales(kind: Kind, frame: Frame) -> [Vec<Tale>; 2] {
    match kind {
        // It is over, and both ends are told.
        Kind::Lossy => [
            vec![connected(1, 1, 0, 1).now(State::Closed).reset(1, 0)],
            vec![axes::LOST_AFTER_ACCEPT],
        ],
        // Only the acceptor has something to say again: it dials.
        Kind::Peer if frame.said.1 > 0 => [
            vec![connected(1, 1, 0, 1).accept(0, 0, 0, 1), replaced(0, 1)],
            vec![accepted(1, 1, 0, 1).connect(1, 0, 1, 1)],
        ],
        // At once, or, of peers with nothing to say, for the sake of the probe.
        Kind::Client | Kind::Peer => [
            vec![connected(2, 1, 1, 2)],
            vec![accepted(1, 1, 0, 2), replaced(0, 1)],
        ],
    }
}

/// Where nothing is sent again, what was sent before the harm.
fn arrived_before(frame: Frame) -> [Vec<u64>; 2] {
    let before = match frame.point {
        Point::MESSAGE => frame.nth as u64 - 1,
        _ => frame.said.0.max(frame.said.1),
    };
    match frame.writer {
        Role::Dialler => [vec![], (1..=before).collect()],
        Role::Acceptor => [(1..=before).collect(), vec![]],
    }
}
