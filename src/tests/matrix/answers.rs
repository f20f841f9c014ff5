//! What an acceptor answers in place of a session: SESSION_RESET, full and not,
//! SESSION_RETRY, SESSION_RETRY_GLOBAL, IDENT_MISSING_FEATURES; and harm done to
//! links on which it does. Where two messengers that work do not get so far, a
//! number in the request is forged.

use super::axes::{self, Harm, IDENT, PAIRS};
use super::breakpoint::{Action, Breakpoint, Role, Spot};
use super::case::{Case, Kind, Outcome, Setting, Step};
use super::tale::{State, Tale, accepted, connected, gone, replaced};
use super::wire::{Forgery, Number, Point};

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for setting in axes::settings(&axes::lossless(), &[(2, 0)]) {
        for (spot, action) in axes::harms(setting.wire, &[axes::dial(setting.wire), &RESET, &IDENT])
        {
            cases.push(reset(setting, spot, action));
        }
    }
    for setting in axes::settings(&axes::peers(), &[(0, 2)]) {
        for (spot, action) in axes::harms(setting.wire, &[axes::dial(setting.wire), &RESET, &IDENT])
        {
            cases.push(half_reset(setting, spot, action));
        }
    }
    for setting in axes::settings(&PAIRS, &[(3, 0)]) {
        for (spot, action) in axes::harms(
            setting.wire,
            &[&[(Role::Acceptor, Point::IDENT_MISSING_FEATURES)]],
        ) {
            cases.push(missing_features(setting, spot, action));
        }
    }
    cases
}

/// A session is asked for that the acceptor does not have.
const RESET: [(Role, Point); 2] = [
    (Role::Dialler, Point::SESSION_RECONNECT),
    (Role::Acceptor, Point::SESSION_RESET),
];

/// Steps up to the end, the harm having been done.
fn to_the_end(action: Action, dialler: usize) -> Vec<Step> {
    let mut steps = vec![Step::Run(1000)];
    if action == Action::Block {
        steps.push(Step::Release(dialler));
    }
    steps.extend([Step::Run(30_000), Step::Probe]);
    steps
}

/// The second node gives its connection up. The first one wants to resume and
/// learns that its session is lost; what it had to say is lost with it.
fn reset(setting: Setting, spot: Spot, action: Action) -> Case {
    let mut steps = vec![Step::Say(0, 2), Step::Run(1000), Step::MarkDown(1)];
    if setting.pair.kind == Kind::Peer {
        // It would rest otherwise.
        steps.extend([Step::Run(10), Step::Say(0, 1)]);
    }
    steps.extend(to_the_end(action, 0));
    Case {
        suite: "reset",
        setting,
        options: Default::default(),
        breakpoints: vec![spot.on(0, 2, action)],
        steps,
        expected: Outcome {
            tales: reset_tales(spot, axes::harm(spot, action)),
            inboxes: axes::everything_arrives(setting.said),
        },
    }
}

fn reset_tales(spot: Spot, harm: Option<Harm>) -> [Vec<Tale>; 2] {
    use Harm::{Spoilt, Unsent};
    let down = accepted(1, 1, 0, 1).now(State::Closed);
    let Some(harm) = harm else {
        return [
            vec![connected(2, 2, 1, 2).reset(0, 1)],
            vec![down, accepted(1, 1, 1, 1)],
        ];
    };
    let (dialler, acceptor) = match (spot.point, spot.writer(), harm) {
        (Point::SOCKET_CONNECTING, ..) => (connected(3, 2, 1, 2), vec![accepted(1, 1, 1, 1)]),
        (Point::AUTH_SIGNATURE, Role::Dialler, Spoilt) | (Point::SESSION_RECONNECT, _, Unsent) => (
            connected(3, 2, 2, 2),
            vec![accepted(1, 1, 1, 1), gone(0, 0)],
        ),
        (Point::SESSION_RECONNECT | Point::SESSION_RESET, ..) => (
            connected(3, 2, 2, 2),
            vec![accepted(1, 1, 1, 1), gone(0, 1)],
        ),
        // Reset already, it asks for a new session at once.
        (Point::CLIENT_IDENT, _, Unsent) => (
            connected(3, 3, 1, 2),
            vec![accepted(1, 1, 0, 1), gone(0, 1)],
        ),
        (Point::CLIENT_IDENT, _, Spoilt) => (
            connected(3, 3, 1, 2),
            vec![accepted(1, 1, 0, 1), gone(1, 1)],
        ),
        (Point::SERVER_IDENT, ..) => (
            connected(3, 3, 1, 2),
            vec![accepted(1, 1, 1, 2), replaced(1, 0)],
        ),
        _ => (
            connected(3, 2, 1, 2),
            vec![accepted(1, 1, 1, 1), gone(0, 0)],
        ),
    };
    let acceptor = std::iter::once(down).chain(acceptor).collect();
    [vec![dialler.reset(0, 1)], acceptor]
}

/// The first node never saw SERVER_IDENT, and has nothing to say. The second one
/// has, dials it and wants to resume what the first one does not know of. Nothing
/// is lost.
fn half_reset(setting: Setting, spot: Spot, action: Action) -> Case {
    let ident = Spot::write(Role::Acceptor, Point::SERVER_IDENT);
    let mut steps = vec![Step::Say(0, 0)];
    steps.extend(to_the_end(action, 1));
    Case {
        suite: "half reset",
        setting,
        options: Default::default(),
        breakpoints: vec![ident.on(0, 1, Action::Fault), spot.on(1, 1, action)],
        steps,
        expected: Outcome {
            tales: half_reset_tales(spot, axes::harm(spot, action)),
            inboxes: axes::everything_arrives(setting.said),
        },
    }
}

fn half_reset_tales(spot: Spot, harm: Option<Harm>) -> [Vec<Tale>; 2] {
    use Harm::{Spoilt, Unsent};
    let first = connected(1, 1, 0, 0).accept(0, 0, 0, 1);
    let second = accepted(1, 1, 0, 1);
    let Some(harm) = harm else {
        return [
            vec![first, replaced(1, 1)],
            vec![second.connect(1, 1, 1, 1)],
        ];
    };
    let (first, second) = match (spot.point, spot.writer(), harm) {
        (Point::SOCKET_CONNECTING, ..) => (vec![first, replaced(1, 1)], second.connect(2, 1, 1, 1)),
        (Point::AUTH_SIGNATURE, Role::Dialler, Spoilt) | (Point::SESSION_RECONNECT, _, Unsent) => (
            vec![first, gone(0, 0), replaced(1, 1)],
            second.connect(2, 1, 2, 1),
        ),
        (Point::SESSION_RECONNECT | Point::SESSION_RESET, ..) => (
            vec![first, gone(0, 1), replaced(1, 1)],
            second.connect(2, 1, 2, 1),
        ),
        // It knows already that there is nothing to resume.
        (Point::CLIENT_IDENT, _, Unsent) => (
            vec![first, gone(0, 1), replaced(1, 0)],
            second.connect(2, 2, 1, 1),
        ),
        (Point::CLIENT_IDENT, _, Spoilt) => (
            vec![first, gone(1, 1), replaced(1, 0)],
            second.connect(2, 2, 1, 1),
        ),
        (Point::SERVER_IDENT, ..) => (
            vec![first.accept(0, 0, 0, 2), replaced(1, 1), replaced(1, 0)],
            second.connect(2, 2, 1, 1),
        ),
        _ => (
            vec![first, gone(0, 0), replaced(1, 1)],
            second.connect(2, 1, 1, 1),
        ),
    };
    [first, vec![second]]
}

/// That request of a dialler is changed before it is sent.
pub fn forged(
    link: usize,
    point: Point,
    nth: usize,
    number: Number,
    forgery: Forgery,
) -> Breakpoint {
    let spot = Spot::write(Role::Dialler, point);
    spot.on(0, link, Action::Forge(number, forgery))
        .at_time(nth)
}

/// The first attempt seems to lack what the acceptor insists on.
fn missing_features(setting: Setting, spot: Spot, action: Action) -> Case {
    let mut steps = vec![Step::Say(0, setting.said.0)];
    steps.extend(to_the_end(action, 0));
    Case {
        suite: "missing features",
        setting,
        options: Default::default(),
        breakpoints: vec![
            forged(
                1,
                Point::CLIENT_IDENT,
                1,
                Number::Features,
                Forgery::Becomes(0),
            ),
            spot.on(0, 1, action),
        ],
        steps,
        // It does not matter whether it learns why.
        expected: Outcome {
            tales: [
                vec![connected(2, 2, 0, 1)],
                vec![accepted(1, 1, 0, 1), gone(1, 0)],
            ],
            inboxes: axes::everything_arrives(setting.said),
        },
    }
}
