//! Peers of which one knows less than the other: an attempt at a new session meets
//! one to resume it, both lose a link at once, both count the same.

use super::axes;
use super::breakpoint::{Action, Role, Side, Spot};
use super::case::{Case, Order, Outcome, Setting, Step};
use super::races::{Race, asked_until, nobody_is_held_back, seen_late};
use super::tale::{accepted, connected, gone, replaced};
use super::wire::Point;

const MESSAGES: [(Role, Point); 2] = [
    (Role::Dialler, Point::MESSAGE),
    (Role::Acceptor, Point::MESSAGE),
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for setting in axes::settings(&axes::peers(), &[(2, 2)]) {
        for spot in axes::spots(axes::dial(setting.wire)) {
            cases.push(connect_meets_reconnect(setting, spot, true));
            cases.push(connect_meets_reconnect(setting, spot, false));
        }
        for (spot, action) in axes::harms(setting.wire, &[&MESSAGES]) {
            cases.extend(both_have_more_to_say(setting, spot, action));
        }
    }
    for setting in axes::settings(&axes::peers(), &[(3, 0)]) {
        for spot in axes::spots(&[(Role::Acceptor, Point::SESSION_RECONNECT_OK)]) {
            cases.push(both_count_the_same(setting, spot));
        }
    }
    cases
}

/// The first node never saw SERVER_IDENT and asks for a new session by the name of
/// the one that the second node wants to resume. Whoever is let go first gets
/// through, whatever their addresses.
fn connect_meets_reconnect(setting: Setting, spot: Spot, connect_first: bool) -> Case {
    let ident = Spot::write(Role::Acceptor, Point::SERVER_IDENT);
    let asked = asked_until(spot);
    let late = seen_late(spot);
    let tales = match connect_first {
        true => [
            std::iter::once(connected(2, 2, 0, 1))
                .chain(late.map(|requests| gone(0, requests)))
                .collect(),
            vec![accepted(1, 1, 0, 2).connect(1, 0, asked, 0), replaced(1, 0)],
        ],
        false => [
            vec![
                connected(2, 1 + asked, 0, 0).accept(0, 0, 0, 1),
                replaced(1, 1),
            ],
            std::iter::once(accepted(1, 1, 0, 1).connect(1, 1, 1, 1))
                .chain(late.map(|requests| gone(requests, 0)))
                .collect(),
        ],
    };
    let first = usize::from(!connect_first);
    let mut steps = vec![
        Step::Say(0, 2),
        Step::Run(1000),
        Step::Release(first),
        Step::Run(10),
        Step::Release(1 - first),
    ];
    steps.extend([Step::Run(5000), Step::Probe]);
    Case {
        suite: "connect meets reconnect",
        setting,
        options: Default::default(),
        breakpoints: vec![
            ident.on(0, 1, Action::Fault),
            spot.on(0, 2, Action::Block),
            spot.on(1, 1, Action::Block),
        ],
        steps,
        expected: Outcome {
            tales,
            inboxes: axes::everything_arrives(setting.said),
        },
    }
}

/// A link is lost that carries messages both ways. Whoever sees that first dials
/// first, by the time that a reset takes.
fn both_have_more_to_say(setting: Setting, spot: Spot, action: Action) -> Option<Case> {
    // The other end learns of anything else as late as of a dial.
    if !matches!(
        (action, spot.side),
        (Action::Fault, _) | (Action::Truncate, Side::Write)
    ) {
        return None;
    }
    let winner = usize::from(setting.order == Order::AcceptorFirst);
    let first = usize::from(spot.at == Role::Acceptor);
    let offset = 101;
    let simultaneous = nobody_is_held_back(setting, Race::Reconnect, offset, first == winner);
    Some(Case {
        suite: "both have more to say",
        breakpoints: vec![spot.on(0, 1, action)],
        steps: vec![Step::Say(0, 2), Step::Run(90), Step::Probe],
        ..simultaneous
    })
}

/// The acceptor goes on with a session, and the dialler never hears of it. It
/// counts its attempt as failed just as the acceptor counts a new one, which has
/// got something to say meanwhile.
fn both_count_the_same(setting: Setting, spot: Spot) -> Case {
    let tales = match setting.order {
        // The acceptor is told to wait and counts on; the dialler is behind then.
        Order::DiallerFirst => [
            vec![connected(3, 1, 3, 2), gone(0, 1)],
            vec![
                accepted(1, 1, 0, 3).connect(1, 0, 1, 0),
                replaced(0, 1),
                replaced(0, 2),
            ],
        ],
        Order::AcceptorFirst => [
            vec![connected(2, 1, 1, 1).accept(0, 0, 0, 1), replaced(0, 1)],
            vec![accepted(1, 1, 0, 2).connect(1, 0, 1, 1), replaced(0, 1)],
        ],
    };
    let mut breakpoints = Race::Reconnect.breakpoints();
    breakpoints.push(spot.on(0, 2, Action::Stall));
    let mut steps = Race::Reconnect.steps();
    steps.extend([
        Step::Say(0, 3),
        Step::Run(10),
        Step::Say(1, 2),
        Step::Run(20_000),
        Step::Probe,
    ]);
    Case {
        suite: "equal counts",
        setting,
        options: Default::default(),
        breakpoints,
        steps,
        expected: Outcome {
            tales,
            inboxes: axes::everything_arrives((3, 2)),
        },
    }
}
