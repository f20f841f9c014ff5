//! Sessions of v1 whose links come to harm: at every step of their first link and of
//! those that resume them, and once they are open. Whatever is done, what was said
//! arrives once, and nobody is told of a loss.

use super::axes;
use super::breakpoint::{Action, Breakpoint, Role, Spot};
use super::case::{Case, Kind, Order, Outcome, Setting, Step};
use super::reconnect::loses_message;
use super::wire::{Bit, Point, Wire};

/// From the dial to the request.
const DIAL: [(Role, Point); 5] = [
    (Role::Dialler, Point::SOCKET_CONNECTING),
    (Role::Acceptor, Point::SOCKET_ACCEPTED),
    (Role::Dialler, Point::BANNER),
    (Role::Acceptor, Point::BANNER),
    (Role::Dialler, Point::ADDRESS),
];

/// A session is granted, or goes on, and both ends say what they have received.
const GRANT: [(Role, Point); 3] = [
    (Role::Acceptor, Point::SERVER_IDENT),
    (Role::Acceptor, Point::IN_SEQ),
    (Role::Dialler, Point::IN_SEQ),
];

const IDENT: [(Role, Point); 1] = [(Role::Dialler, Point::CLIENT_IDENT)];
const RESUME: [(Role, Point); 1] = [(Role::Dialler, Point::SESSION_RECONNECT)];

/// Records of an open link, and which of them.
const RECORDS: [(Role, Point, usize); 6] = [
    (Role::Dialler, Point::MESSAGE, 1),
    (Role::Dialler, Point::MESSAGE, 3),
    (Role::Acceptor, Point::MESSAGE, 1),
    (Role::Acceptor, Point::MESSAGE, 2),
    (Role::Acceptor, Point::ACK, 1),
    (Role::Dialler, Point::ACK, 1),
];

/// So many links in a row are harmed in the same way.
const MOST_IN_A_ROW: usize = 4;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for setting in settings() {
        for (spot, action) in harms(&[&DIAL, &IDENT, &GRANT]) {
            let breakpoints = vec![spot.on(0, 1, action)];
            cases.push(harmed("v1 handshake", setting, breakpoints, action));
        }
        if setting.said.1 > 0 {
            cases.extend(open(setting));
        } else {
            cases.extend(reconnect(setting));
        }
    }
    cases
}

fn open(setting: Setting) -> Vec<Case> {
    let mut cases = Vec::new();
    for (writer, point, nth) in RECORDS {
        for (spot, action) in harms(&[&[(writer, point)]]) {
            let breakpoints = vec![spot.on(0, 1, action).at_time(nth)];
            cases.push(harmed("v1 open", setting, breakpoints, action));
        }
    }
    cases
}

/// Only the dialler has something to say again, so it is the one that dials.
fn reconnect(setting: Setting) -> Vec<Case> {
    let mut cases = Vec::new();
    for (spot, action) in harms(&[&DIAL, &RESUME, &GRANT]) {
        let most = match action {
            Action::Fault | Action::Truncate => MOST_IN_A_ROW,
            _ => 1,
        };
        for times in 1..=most {
            let mut breakpoints = vec![loses_message(1)];
            breakpoints.extend((2..2 + times).map(|link| spot.on(0, link, action)));
            cases.push(harmed("v1 reconnect", setting, breakpoints, action));
        }
    }
    cases
}

fn settings() -> Vec<Setting> {
    let mut settings = Vec::new();
    for pair in axes::lossless() {
        let orders = match pair.kind {
            Kind::Peer => &[Order::DiallerFirst, Order::AcceptorFirst][..],
            Kind::Lossy | Kind::Client => &[Order::DiallerFirst],
        };
        for order in orders.iter().copied() {
            for (workers, said) in [(1, (3, 2)), (3, (3, 2)), (1, (3, 0)), (3, (3, 0))] {
                settings.push(Setting {
                    pair,
                    wire: Wire::Msgr1,
                    order,
                    workers,
                    said,
                });
            }
        }
    }
    settings
}

/// What has no crc is not flipped: nobody could notice.
fn harms(steps: &[&[(Role, Point)]]) -> Vec<(Spot, Action)> {
    let mut harms = axes::harms(Wire::Msgr1, steps);
    harms.retain(|(spot, action)| match action {
        Action::Flip(Bit::Head | Bit::Body) => {
            matches!(spot.point, Point::BANNER | Point::MESSAGE)
        }
        Action::Flip(_) => false,
        _ => true,
    });
    harms
}

fn harmed(
    suite: &'static str,
    setting: Setting,
    breakpoints: Vec<Breakpoint>,
    action: Action,
) -> Case {
    // An end that has nothing to send only notices silence when it lasts.
    let patience = || {
        vec![
            ("ms_connection_progress_timeout", "100"),
            ("ms_connection_idle_timeout", "300"),
        ]
    };
    let mut steps = vec![Step::Say(0, setting.said.0), Step::Run(2000)];
    if action == Action::Block {
        steps.push(Step::Release(0));
    }
    let rest = match action {
        Action::Stall => 350_000,
        _ => 70_000,
    };
    steps.extend([Step::Run(rest), Step::Probe]);
    Case {
        suite,
        setting,
        options: [patience(), patience()],
        breakpoints,
        steps,
        expected: Outcome {
            tales: Default::default(),
            inboxes: axes::everything_arrives(setting.said),
        },
    }
}
