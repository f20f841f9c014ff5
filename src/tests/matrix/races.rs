//! Peers that dial each other. The link that is dialled by the end whose address
//! sorts first survives, whoever is first in time, and nobody waits for long.

use super::axes::{self, Harm};
use super::breakpoint::{Action, Breakpoint, Role, Spot};
use super::case::{Case, Order, Outcome, Setting, Step};
use super::tale::{Tale, accepted, connected, gone, replaced};
use super::wire::Point;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for setting in axes::settings(&axes::peers(), &[(2, 0)]) {
        for race in [Race::Connect, Race::Reconnect] {
            for spot in axes::spots(&[axes::dial(setting.wire), &[race.asks()]].concat()) {
                cases.push(one_is_held_back(setting, race, spot));
                cases.push(both_are_held_back(setting, race, spot, true));
                cases.push(both_are_held_back(setting, race, spot, false));
            }
            for offset in (50..700).step_by(100) {
                cases.push(nobody_is_held_back(setting, race, offset, true));
                cases.push(nobody_is_held_back(setting, race, offset, false));
            }
        }
    }
    cases
}

/// What both are after.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Race {
    /// A session, for the first time.
    Connect,
    /// The session that the first node began, and that rests at both.
    Reconnect,
}

impl Race {
    fn name(self) -> &'static str {
        match self {
            Self::Connect => "racing connect",
            Self::Reconnect => "racing reconnect",
        }
    }

    /// The step by which a dialler asks for it.
    pub fn asks(self) -> (Role, Point) {
        match self {
            Self::Connect => (Role::Dialler, Point::CLIENT_IDENT),
            Self::Reconnect => (Role::Dialler, Point::SESSION_RECONNECT),
        }
    }

    /// The links of the first and of the second node that race.
    pub fn links(self) -> [usize; 2] {
        match self {
            Self::Connect => [1, 1],
            Self::Reconnect => [2, 1],
        }
    }

    /// What comes before.
    pub fn steps(self) -> Vec<Step> {
        match self {
            Self::Connect => vec![],
            Self::Reconnect => vec![
                Step::Say(0, 0),
                Step::Run(1000),
                Step::Keepalive(0),
                Step::Run(1000),
            ],
        }
    }

    pub fn breakpoints(self) -> Vec<Breakpoint> {
        let spot = Spot::write(Role::Dialler, Point::KEEPALIVE2);
        match self {
            Self::Connect => vec![],
            Self::Reconnect => vec![spot.on(0, 1, Action::Fault)],
        }
    }
}

/// How a race went, counted from where it began.
pub struct Course {
    /// Requests that the winner sent on its link.
    pub winner_asked: u32,
    /// Links of the winner that did not get through: what the loser saw of each.
    pub in_vain: Vec<Tale>,
    /// Requests that the loser sent, on one link.
    pub loser_asked: u32,
    /// What the winner saw of the loser's link: requests; nothing if not even a
    /// socket.
    pub seen: Option<u32>,
}

/// What becomes of both.
fn outcome(setting: Setting, race: Race, course: &Course) -> Outcome {
    let winner = usize::from(setting.order == Order::AcceptorFirst);
    let hidden = |requests: u32| match race {
        Race::Connect => gone(requests, 0),
        Race::Reconnect => gone(0, requests),
    };
    let taken_over = match race {
        Race::Connect => replaced(1, 0),
        Race::Reconnect => replaced(0, course.winner_asked),
    };
    let links = 1 + u32::try_from(course.in_vain.len()).expect("few");
    // The winner completes its own link, the loser that of the winner.
    let won = add(base(race, winner), links, race, course.winner_asked, true);
    let mut lost = add(base(race, 1 - winner), 1, race, course.loser_asked, false);
    lost.accept[3] += 1;
    let mut tales = [vec![won], vec![lost]];
    if winner == 1 {
        tales.swap(0, 1);
    }
    tales[winner].extend(course.seen.map(hidden));
    tales[1 - winner].extend(&course.in_vain);
    tales[1 - winner].push(taken_over);
    Outcome {
        tales,
        inboxes: axes::everything_arrives((2, 2)),
    }
}

/// What a node's object has gone through before the race.
fn base(race: Race, node: usize) -> Tale {
    match (race, node) {
        (Race::Connect, _) => connected(0, 0, 0, 0),
        (Race::Reconnect, 0) => connected(1, 1, 0, 1),
        (Race::Reconnect, _) => accepted(1, 1, 0, 1),
    }
}

fn add(mut tale: Tale, links: u32, race: Race, asked: u32, completed: bool) -> Tale {
    tale.connect[0] += links;
    tale.connect[if race == Race::Connect { 1 } else { 2 }] += asked;
    tale.connect[3] += u32::from(completed);
    tale
}

pub fn case(suite: &'static str, setting: Setting, race: Race, course: &Course) -> Case {
    Case {
        suite,
        setting,
        options: Default::default(),
        breakpoints: race.breakpoints(),
        steps: race.steps(),
        expected: outcome(setting, race, course),
    }
}

const TO_THE_END: [Step; 2] = [Step::Run(5000), Step::Probe];

/// The winner was asked to resume after the loser had been told to wait: the
/// loser counts that as an attempt, so the winner is one behind and asks twice.
pub fn asked_by_winner(race: Race, loser_was_told_to_wait: bool) -> u32 {
    match race {
        Race::Reconnect if loser_was_told_to_wait => 2,
        _ => 1,
    }
}

/// What the winner sees of a link of the loser's that was held back there and is
/// let go when all is over.
pub fn seen_late(spot: Spot) -> Option<u32> {
    let asked = axes::has_asked(spot, Harm::Spoilt) && spot.at == Role::Acceptor;
    (spot.point != Point::SOCKET_CONNECTING).then_some(u32::from(asked))
}

/// What the loser has sent on a link that is held back there.
pub fn asked_until(spot: Spot) -> u32 {
    let is_request = matches!(spot.point, Point::CLIENT_IDENT | Point::SESSION_RECONNECT);
    let ran_ahead = axes::has_asked(spot, Harm::Spoilt) && spot.at == Role::Acceptor;
    u32::from(is_request || ran_ahead)
}

/// The first node's link is held back, and the second one dials meanwhile.
fn one_is_held_back(setting: Setting, race: Race, spot: Spot) -> Case {
    let course = match setting.order {
        // The second one is told to wait, and tries again; then it is taken over.
        Order::DiallerFirst => Course {
            winner_asked: asked_by_winner(race, true),
            in_vain: vec![],
            loser_asked: 1,
            seen: Some(1),
        },
        // The second one takes over.
        Order::AcceptorFirst => Course {
            winner_asked: 1,
            in_vain: vec![],
            loser_asked: asked_until(spot),
            seen: seen_late(spot),
        },
    };
    let mut case = case(race.name(), setting, race, &course);
    case.breakpoints
        .push(spot.on(0, race.links()[0], Action::Block));
    case.steps.extend([
        Step::Say(0, 2),
        Step::Run(10),
        Step::Say(1, 2),
        Step::Run(10),
        Step::Release(0),
    ]);
    case.steps.extend(TO_THE_END);
    case
}

/// Both links are held back at the same point and let go one after the other.
fn both_are_held_back(setting: Setting, race: Race, spot: Spot, winner_first: bool) -> Case {
    let winner = usize::from(setting.order == Order::AcceptorFirst);
    let course = match winner_first {
        true => Course {
            winner_asked: 1,
            in_vain: vec![],
            loser_asked: asked_until(spot),
            seen: seen_late(spot),
        },
        false => Course {
            winner_asked: asked_by_winner(race, true),
            in_vain: vec![],
            loser_asked: 1,
            seen: Some(1),
        },
    };
    let mut case = case(race.name(), setting, race, &course);
    for node in 0..2 {
        let link = race.links()[node];
        case.breakpoints.push(spot.on(node, link, Action::Block));
    }
    let first = if winner_first { winner } else { 1 - winner };
    case.steps.extend([
        Step::Say(0, 2),
        Step::Say(1, 2),
        Step::Run(10),
        Step::Release(first),
        Step::Run(10),
        Step::Release(1 - first),
    ]);
    case.steps.extend(TO_THE_END);
    case
}

/// One node dials so many microseconds before the other one. A request reaches
/// the peer 700 µs after the dial: SYN, SYN-ACK, banner with HELLO, HELLO with
/// AUTH_REQUEST, AUTH_DONE with AUTH_SIGNATURE, the request, and the peer's banner
/// before. Where AUTH_REPLY_MORE and AUTH_REQUEST_MORE come in between, that takes
/// 200 µs more.
pub fn nobody_is_held_back(setting: Setting, race: Race, offset: u64, winner_first: bool) -> Case {
    let winner = usize::from(setting.order == Order::AcceptorFirst);
    let arrives = if setting.wire.is_secure() { 900 } else { 700 };
    let course = match winner_first {
        true => Course {
            winner_asked: 1,
            in_vain: vec![],
            // Its own request takes 100 µs.
            loser_asked: u32::from(offset < 100),
            // Its socket is connected 200 µs after its dial.
            seen: match offset {
                0..100 => Some(1),
                _ if offset + 200 < arrives => Some(0),
                _ => None,
            },
        },
        false => Course {
            // The loser knows 100 µs after that that it is to wait.
            winner_asked: asked_by_winner(race, offset > 100),
            in_vain: vec![],
            loser_asked: 1,
            seen: Some(1),
        },
    };
    let mut case = case("simultaneous", setting, race, &course);
    let first = if winner_first { winner } else { 1 - winner };
    case.steps.extend([
        Step::Say(first, 2),
        Step::RunMicros(offset),
        Step::Say(1 - first, 2),
        // Within a pause after a failed attempt all is over.
        Step::Run(90),
        Step::Probe,
    ]);
    case
}
