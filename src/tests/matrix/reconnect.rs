//! Harm done to the links that resume a session, which has lost its first link
//! with the first of three messages.

use super::axes::{self, COMPRESSION, Harm, RESUME};
use super::breakpoint::{Action, Breakpoint, Role, Spot};
use super::case::{Case, Outcome, Setting, Step};
use super::tale::{Tale, accepted, connected, gone, replaced};
use super::wire::Point;

/// So many links in a row are harmed in the same way.
const MOST_IN_A_ROW: u32 = 5;

pub fn cases() -> Vec<Case> {
    let settings = axes::settings(&axes::lossless(), &[(3, 0)]);
    let mut cases = Vec::new();
    for setting in &settings {
        for (spot, action) in axes::harms(setting.wire, &[axes::dial(setting.wire), &RESUME]) {
            cases.extend(harmed_up_to(*setting, spot, action));
        }
    }
    for setting in axes::compressing(&settings) {
        for (spot, action) in axes::harms(setting.wire, &[&COMPRESSION, &RESUME]) {
            cases.extend(harmed_up_to(setting, spot, action));
        }
    }
    for setting in settings {
        for (spot, flip, shows_at) in axes::falsifications(setting.wire, Point::SESSION_RECONNECT) {
            let mut case = harmed(setting, spot, flip, 1);
            case.expected.tales = tales(Some((shows_at, Harm::Spoilt)), 1);
            cases.push(case);
        }
    }
    cases
}

fn harmed_up_to(setting: Setting, spot: Spot, action: Action) -> Vec<Case> {
    let most = match action {
        Action::Fault | Action::Truncate => MOST_IN_A_ROW,
        _ => 1,
    };
    let times = 1..=most;
    times
        .map(|times| harmed(setting, spot, action, times))
        .collect()
}

/// The first message of that link does not get through.
pub fn loses_message(link: usize) -> Breakpoint {
    let spot = Spot::write(Role::Dialler, Point::MESSAGE);
    spot.on(0, link, Action::Fault)
}

fn harmed(setting: Setting, spot: Spot, action: Action, times: u32) -> Case {
    let mut steps = vec![Step::Say(0, 3), Step::Run(1000)];
    if action == Action::Block {
        steps.push(Step::Release(0));
    }
    steps.extend([Step::Run(30_000), Step::Probe]);
    let links = 2..2 + times as usize;
    let harms = links.map(|link| spot.on(0, link, action));
    let tales = match axes::harm(spot, action) {
        None => tales(None, 0),
        Some(harm) => tales(Some((spot, harm)), times),
    };
    Case {
        suite: "reconnect",
        setting,
        options: Default::default(),
        breakpoints: std::iter::once(loses_message(1)).chain(harms).collect(),
        steps,
        expected: Outcome {
            tales,
            inboxes: axes::everything_arrives(setting.said),
        },
    }
}

fn tales(harmed: Option<(Spot, Harm)>, times: u32) -> [Vec<Tale>; 2] {
    let Some((spot, harm)) = harmed else {
        return [
            vec![connected(2, 1, 1, 2)],
            vec![accepted(1, 1, 0, 2), replaced(0, 1)],
        ];
    };
    let asked = u32::from(axes::has_asked(spot, harm));
    let seen = u32::from(axes::was_asked(spot, harm));
    let left = |what: Tale| std::iter::repeat_n(what, times as usize);
    match spot.point {
        Point::SOCKET_CONNECTING => [
            vec![connected(2 + times, 1, 1, 2)],
            vec![accepted(1, 1, 0, 2), replaced(0, 1)],
        ],
        // To the acceptor the session goes on each time.
        Point::SESSION_RECONNECT_OK => [
            vec![connected(2 + times, 1, 1 + times, 2)],
            std::iter::once(accepted(1, 1, 0, 2 + times))
                .chain(left(replaced(0, 1)))
                .chain([replaced(0, 1)])
                .collect(),
        ],
        _ => [
            vec![connected(2 + times, 1, 1 + asked * times, 2)],
            std::iter::once(accepted(1, 1, 0, 2))
                .chain(left(gone(0, seen)))
                .chain([replaced(0, 1)])
                .collect(),
        ],
    }
}
