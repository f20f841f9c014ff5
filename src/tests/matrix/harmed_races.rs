//! Harm done to peers that dial each other: to the link of one of them before the
//! other one dials, to the link that is to survive, and to WAIT.

use super::axes::{self, Harm};
use super::breakpoint::{Action, Role, Spot};
use super::case::{Case, Order, Setting, Step};
use super::races::{Course, Race, asked_by_winner, case};
use super::tale::gone;
use super::wire::Point;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for setting in axes::settings(&axes::peers(), &[(2, 0)]) {
        for (spot, action) in axes::harms(
            setting.wire,
            &[axes::dial(setting.wire), &[Race::Connect.asks()]],
        ) {
            if let Some(harm) = axes::harm(spot, action) {
                cases.push(one_is_harmed(setting, spot, action, harm));
                cases.extend(winner_is_harmed(setting, spot, action, harm));
            }
        }
        for race in [Race::Connect, Race::Reconnect] {
            for (spot, action) in axes::harms(setting.wire, &[&[(Role::Acceptor, Point::WAIT)]]) {
                cases.extend(wait_is_harmed(setting, race, spot, action));
            }
        }
    }
    cases
}

/// The first node's link comes to harm, and the second one dials then.
fn one_is_harmed(setting: Setting, spot: Spot, action: Action, harm: Harm) -> Case {
    let asked = u32::from(axes::has_asked(spot, harm));
    let seen = u32::from(axes::was_asked(spot, harm));
    let left = (spot.point != Point::SOCKET_CONNECTING).then_some(gone(seen, 0));
    let course = match setting.order {
        // It insists, and its next attempt is at once.
        Order::DiallerFirst => Course {
            winner_asked: 1 + asked,
            in_vain: left.into_iter().collect(),
            loser_asked: 1,
            seen: Some(1),
        },
        Order::AcceptorFirst => Course {
            winner_asked: 1,
            in_vain: vec![],
            loser_asked: asked,
            seen: left.map(|_| seen),
        },
    };
    let mut case = case("racing after harm", setting, Race::Connect, &course);
    if setting.order == Order::DiallerFirst && left.is_none() {
        case.expected.tales[0][0].connect[0] += 1;
    }
    // Else a node that waits while the other one is stuck tries again and again.
    let patience = vec![("ms_initial_backoff", "60"), ("ms_max_backoff", "60")];
    case.options = [vec![], patience];
    case.breakpoints.push(spot.on(0, 1, action));
    case.steps.extend([
        Step::Say(0, 2),
        Step::Run(10),
        Step::Say(1, 2),
        Step::Run(25_000),
        Step::Probe,
    ]);
    case
}

/// The winner's link comes to harm when the loser has been told to wait. The loser
/// is the first to try again, and that makes the winner try again at once.
fn winner_is_harmed(setting: Setting, spot: Spot, action: Action, harm: Harm) -> Option<Case> {
    // What goes on while the winner is stuck is told in other tables.
    if setting.order == Order::AcceptorFirst || action == Action::Stall {
        return None;
    }
    let held_back = Spot::write(Role::Dialler, Point::SOCKET_CONNECTING);
    if spot.point == held_back.point {
        return None;
    }
    let asked = u32::from(axes::has_asked(spot, harm));
    let seen = u32::from(axes::was_asked(spot, harm));
    let course = Course {
        winner_asked: 1 + asked,
        in_vain: vec![gone(seen, 0)],
        loser_asked: 1,
        seen: Some(1),
    };
    let mut case = case("racing after wait", setting, Race::Connect, &course);
    // The loser dials a second time.
    case.expected.tales[0].push(gone(1, 0));
    case.expected.tales[1][0].connect = [2, 2, 0, 0];
    case.options[0] = vec![("ms_initial_backoff", "60"), ("ms_max_backoff", "60")];
    case.breakpoints
        .extend([held_back.on(0, 1, Action::Block), spot.on(0, 1, action)]);
    case.steps.extend([
        Step::Say(0, 2),
        Step::Run(10),
        Step::Say(1, 2),
        Step::Run(10),
        Step::Release(0),
        Step::Run(5000),
        Step::Probe,
    ]);
    Some(case)
}

/// The answer by which the loser learns that it is to wait comes to harm.
fn wait_is_harmed(setting: Setting, race: Race, spot: Spot, action: Action) -> Option<Case> {
    if setting.order == Order::AcceptorFirst {
        return None;
    }
    // It may never learn of it, and then it is not behind.
    let notices = !matches!(action, Action::Stall | Action::Block);
    let course = Course {
        winner_asked: asked_by_winner(race, notices),
        in_vain: vec![],
        loser_asked: 1,
        seen: Some(1),
    };
    let mut case = case("wait", setting, race, &course);
    let held_back = Spot::write(Role::Dialler, Point::HELLO);
    let [first, second] = race.links();
    case.breakpoints.push(held_back.on(0, first, Action::Block));
    case.breakpoints.push(spot.on(1, second, action));
    case.steps.extend([
        Step::Say(0, 2),
        Step::Run(10),
        Step::Say(1, 2),
        Step::Run(10),
        Step::Release(0),
        Step::Run(10),
    ]);
    if action == Action::Block {
        case.steps.push(Step::Release(1));
    }
    case.steps.extend([Step::Run(30_000), Step::Probe]);
    Some(case)
}
