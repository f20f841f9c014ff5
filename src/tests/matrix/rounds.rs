//! SESSION_RETRY and SESSION_RETRY_GLOBAL, once and again and again, and requests
//! for sessions by a wrong name.

use super::answers::forged;
use super::axes::{self, Harm};
use super::breakpoint::{Action, Breakpoint, Role, Spot};
use super::case::{Case, Kind, Outcome, PROBE, Setting, Step};
use super::reconnect::loses_message;
use super::tale::{Tale, accepted, connected, gone, replaced};
use super::wire::{Forgery, Number, Point, Wire};

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for setting in axes::settings(&axes::lossless(), &[(3, 0)]) {
        for declined in DECLINED {
            cases.extend((1..=MOST_ROUNDS + 1).map(|times| rounds(setting, declined, times)));
            cases.push(endless(setting, declined));
            cases.push(just_behind(setting, declined));
            cases.push(just_in_time(setting, declined));
            for (spot, nth, action) in declined.harms(setting.wire) {
                cases.push(harmed(setting, declined, spot, nth, action));
            }
        }
        cases.push(wrong_name(setting));
        cases.push(wrong_name_in_peace(setting));
    }
    for setting in axes::settings(&axes::peers(), &[(0, 0)]) {
        cases.push(overtaken(setting));
    }
    cases
}

/// A dialler asks so many times more on one link.
const MOST_ROUNDS: u32 = 3;

/// A way to be declined.
#[derive(Clone, Copy)]
struct Declined {
    answer: Point,
    /// What is out of date in the request.
    number: Number,
    /// The link on which it happens, and links that were resumed before.
    link: usize,
}

/// A session that was never resumed has nothing to compare with.
const DECLINED: [Declined; 3] = [
    Declined {
        answer: Point::SESSION_RETRY_GLOBAL,
        number: Number::GlobalSeq,
        link: 2,
    },
    Declined {
        answer: Point::SESSION_RETRY_GLOBAL,
        number: Number::GlobalSeq,
        link: 3,
    },
    Declined {
        answer: Point::SESSION_RETRY,
        number: Number::ConnectSeq,
        link: 3,
    },
];

impl Declined {
    /// Links that were resumed before.
    fn before(self) -> u32 {
        u32::try_from(self.link - 2).expect("few links")
    }

    /// The requests of so many links are out of date, so many times each.
    fn breakpoints(self, links: usize, times: u32) -> Vec<Breakpoint> {
        let mut breakpoints: Vec<_> = (1..self.link).map(loses_message).collect();
        for link in self.link..self.link + links {
            breakpoints.extend(
                (1..=times as usize).map(|nth| self.forged(link, nth, Forgery::Becomes(0))),
            );
        }
        breakpoints
    }

    fn forged(self, link: usize, nth: usize, forgery: Forgery) -> Breakpoint {
        forged(link, Point::SESSION_RECONNECT, nth, self.number, forgery)
    }

    /// Harm done behind the first request.
    fn harms(self, wire: Wire) -> Vec<(Spot, usize, Action)> {
        let mut harms = Vec::new();
        for (writer, point, nth) in [
            (Role::Acceptor, self.answer, 1),
            (Role::Dialler, Point::SESSION_RECONNECT, 2),
            (Role::Acceptor, Point::SESSION_RECONNECT_OK, 1),
        ] {
            let of_point = axes::harms(wire, &[&[(writer, point)]]);
            harms.extend(
                of_point
                    .into_iter()
                    .map(|(spot, action)| (spot, nth, action)),
            );
        }
        harms
    }
}

fn case(setting: Setting, suite: &'static str, breakpoints: Vec<Breakpoint>) -> Case {
    Case {
        suite,
        setting,
        options: Default::default(),
        breakpoints,
        steps: vec![Step::Say(0, 3), Step::Run(30_000), Step::Probe],
        expected: Outcome {
            tales: Default::default(),
            inboxes: axes::everything_arrives(setting.said),
        },
    }
}

/// What becomes of both, given what the links before and the others come to.
fn tales(declined: Declined, links: u32, asked: u32, told: u32, hidden: &[Tale]) -> [Vec<Tale>; 2] {
    let before = declined.before();
    let resumed = (0..before).map(|_| replaced(0, 1));
    let (links, asked, told) = (1 + before + links, before + asked, 1 + before + told);
    let mut acceptor = vec![accepted(1, 1, 0, told)];
    acceptor.extend(resumed.chain(hidden.iter().copied()));
    // It is told of links on which it has no answer yet as well.
    let completed = 2 + before;
    [vec![connected(links, 1, asked, completed)], acceptor]
}

/// Declined so many times; one time too many ends the attempt, and the next one
/// comes after a pause.
fn rounds(setting: Setting, declined: Declined, times: u32) -> Case {
    let expected = match times {
        ..=MOST_ROUNDS => tales(declined, 1, 1 + times, 1, &[replaced(0, 1 + times)]),
        _ => tales(
            declined,
            2,
            1 + MOST_ROUNDS + 1,
            1,
            &[gone(0, 1 + MOST_ROUNDS), replaced(0, 1)],
        ),
    };
    let mut case = case(setting, "rounds", declined.breakpoints(1, times));
    case.expected.tales = expected;
    case
}

/// Declined again and again on three links.
fn endless(setting: Setting, declined: Declined) -> Case {
    let most = 1 + MOST_ROUNDS;
    let hidden = [gone(0, most), gone(0, most), gone(0, most), replaced(0, 1)];
    let mut case = case(setting, "endless", declined.breakpoints(3, most));
    case.expected.tales = tales(declined, 4, 3 * most + 1, 1, &hidden);
    case
}

/// The request is one behind the last one that was granted. As they count, each
/// attempt is one more than that before.
fn just_behind(setting: Setting, declined: Declined) -> Case {
    let mut breakpoints = declined.breakpoints(0, 0);
    breakpoints.push(declined.forged(declined.link, 1, Forgery::FallsBy(2)));
    let mut case = case(setting, "just behind", breakpoints);
    case.expected.tales = tales(declined, 1, 2, 1, &[replaced(0, 2)]);
    case
}

/// The request is not behind, if not ahead. Nobody dials the other way, so this is
/// no race.
fn just_in_time(setting: Setting, declined: Declined) -> Case {
    let mut breakpoints = declined.breakpoints(0, 0);
    breakpoints.push(declined.forged(declined.link, 1, Forgery::FallsBy(1)));
    let mut case = case(setting, "just in time", breakpoints);
    case.expected.tales = tales(declined, 1, 1, 1, &[replaced(0, 1)]);
    case
}

/// Declined once on a link that comes to harm.
fn harmed(setting: Setting, declined: Declined, spot: Spot, nth: usize, action: Action) -> Case {
    let mut breakpoints = declined.breakpoints(1, 1);
    breakpoints.push(spot.on(0, declined.link, action).at_time(nth));
    let mut case = case(setting, "declined and harmed", breakpoints);
    if action == Action::Block {
        case.steps.splice(1..1, [Step::Run(1000), Step::Release(0)]);
    }
    case.expected.tales = match (spot.point, axes::harm(spot, action)) {
        (_, None) => tales(declined, 1, 2, 1, &[replaced(0, 2)]),
        (Point::SESSION_RECONNECT_OK, Some(_)) => {
            tales(declined, 2, 3, 2, &[replaced(0, 2), replaced(0, 1)])
        }
        (Point::SESSION_RECONNECT, Some(Harm::Unsent)) => {
            tales(declined, 2, 3, 1, &[gone(0, 1), replaced(0, 1)])
        }
        (Point::SESSION_RECONNECT, Some(Harm::Spoilt)) => {
            tales(declined, 2, 3, 1, &[gone(0, 2), replaced(0, 1)])
        }
        _ => tales(declined, 2, 2, 1, &[gone(0, 1), replaced(0, 1)]),
    };
    case
}

const WRONG: Forgery = Forgery::Becomes(7);

/// The dialler asks by a cookie that is not that of the session. With resetcheck
/// it is lost to both; without, it begins anew and nothing is lost.
fn wrong_name(setting: Setting) -> Case {
    let breakpoints = vec![
        loses_message(1),
        forged(2, Point::SESSION_RECONNECT, 1, Number::ClientCookie, WRONG),
    ];
    let lost = u32::from(setting.pair.policies[1].resetcheck);
    let mut case = case(setting, "wrong name", breakpoints);
    case.expected.tales = [
        vec![connected(2, 2, 1, 2).reset(0, lost)],
        vec![accepted(1, 1, 0, 2).reset(0, lost), replaced(1, 1)],
    ];
    if lost > 0 {
        case.expected.inboxes = [vec![PROBE], vec![PROBE]];
    }
    case
}

/// The same when everything said before has arrived, both ways: they number what
/// they say from 1 again.
fn wrong_name_in_peace(setting: Setting) -> Case {
    let breakpoints = vec![
        Spot::write(Role::Dialler, Point::KEEPALIVE2).on(0, 1, Action::Fault),
        forged(2, Point::SESSION_RECONNECT, 1, Number::ClientCookie, WRONG),
    ];
    let setting = Setting {
        said: (2, 2),
        ..setting
    };
    let lost = u32::from(setting.pair.policies[1].resetcheck);
    // Of peers, the first one rests until it has got something to say.
    let said_is_lost = lost > 0 && setting.pair.kind == Kind::Peer;
    let arrives: &[u64] = if said_is_lost { &[1, 2] } else { &[1, 2, 3] };
    let mut case = case(setting, "wrong name in peace", breakpoints);
    case.steps = vec![
        Step::Say(0, 2),
        Step::Run(1000),
        Step::Keepalive(0),
        Step::Run(1000),
        Step::Say(0, 1),
        Step::Run(1000),
        Step::Probe,
    ];
    case.expected.tales = [
        vec![connected(2, 2, 1, 2).reset(0, lost)],
        vec![accepted(1, 1, 0, 2).reset(0, lost), replaced(1, 1)],
    ];
    case.expected.inboxes = [
        vec![1, 2, PROBE],
        arrives.iter().copied().chain([PROBE]).collect(),
    ];
    case
}

/// Both rest; the second one's attempt fails, which makes its count the higher
/// one, and the first one's next attempt is behind.
fn overtaken(setting: Setting) -> Case {
    let at = |point| Spot::write(Role::Dialler, point);
    let mut case = case(
        setting,
        "overtaken",
        vec![
            at(Point::KEEPALIVE2).on(0, 1, Action::Fault),
            at(Point::SOCKET_CONNECTING).on(1, 1, Action::Fault),
        ],
    );
    case.steps = vec![
        Step::Say(0, 0),
        Step::Run(1000),
        Step::Keepalive(0),
        Step::Run(1000),
        Step::Say(1, 1),
        Step::Run(10),
        Step::Say(0, 1),
        Step::Run(10_000),
        Step::Probe,
    ];
    case.expected = Outcome {
        tales: [
            vec![connected(2, 1, 2, 2)],
            vec![accepted(1, 1, 0, 2).connect(1, 0, 0, 0), replaced(0, 2)],
        ],
        inboxes: [vec![1, PROBE], vec![1, PROBE]],
    };
    case
}
