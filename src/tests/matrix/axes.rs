//! What the tables range over.

use super::breakpoint::{Action, Role, Side, Spot};
use super::case::{Kind, Order, PROBE, Pair, Setting};
use super::tale::{State, Tale, accepted};
use super::wire::{Bit, Point, Wire};
use crate::Policy;

/// Every pair of policies that daemons use.
pub const PAIRS: [Pair; 7] = [
    Pair {
        name: "lossy client and stateless server",
        policies: [Policy::lossy_client(), Policy::stateless_server()],
        kind: Kind::Lossy,
    },
    Pair {
        name: "lossy client and registered stateless server",
        policies: [
            Policy::lossy_client(),
            Policy::stateless_registered_server(),
        ],
        kind: Kind::Lossy,
    },
    // The acceptor decides what the connection is.
    Pair {
        name: "lossless client and stateless server",
        policies: [Policy::lossless_client(), Policy::stateless_server()],
        kind: Kind::Lossy,
    },
    Pair {
        name: "lossless client and registered stateless server",
        policies: [
            Policy::lossless_client(),
            Policy::stateless_registered_server(),
        ],
        kind: Kind::Lossy,
    },
    Pair {
        name: "lossless client and stateful server",
        policies: [Policy::lossless_client(), Policy::stateful_server()],
        kind: Kind::Client,
    },
    Pair {
        name: "lossless peers",
        policies: [Policy::lossless_peer(), Policy::lossless_peer()],
        kind: Kind::Peer,
    },
    Pair {
        name: "lossless peers with reuse",
        policies: [Policy::lossless_peer_reuse(), Policy::lossless_peer_reuse()],
        kind: Kind::Peer,
    },
];

/// Those that keep sessions.
pub fn lossless() -> Vec<Pair> {
    let lossless = PAIRS.iter().filter(|pair| pair.kind != Kind::Lossy);
    lossless.copied().collect()
}

/// Those of which both ends dial.
pub fn peers() -> Vec<Pair> {
    let peers = PAIRS.iter().filter(|pair| pair.kind == Kind::Peer);
    peers.copied().collect()
}

/// The way of a link from the dial to where a session is asked for, and who takes
/// each step.
const DIAL: [(Role, Point); 12] = [
    (Role::Dialler, Point::SOCKET_CONNECTING),
    (Role::Acceptor, Point::SOCKET_ACCEPTED),
    (Role::Dialler, Point::BANNER),
    (Role::Acceptor, Point::BANNER),
    (Role::Dialler, Point::BANNER_PAYLOAD),
    (Role::Acceptor, Point::BANNER_PAYLOAD),
    (Role::Dialler, Point::HELLO),
    (Role::Acceptor, Point::HELLO),
    (Role::Dialler, Point::AUTH_REQUEST),
    (Role::Acceptor, Point::AUTH_DONE),
    (Role::Acceptor, Point::AUTH_SIGNATURE),
    (Role::Dialler, Point::AUTH_SIGNATURE),
];

/// The same between ends that prove to each other that they have a key. From the
/// signatures on, all of it is sealed in mode secure.
const PROVEN_DIAL: [(Role, Point); 14] = [
    DIAL[0],
    DIAL[1],
    DIAL[2],
    DIAL[3],
    DIAL[4],
    DIAL[5],
    DIAL[6],
    DIAL[7],
    DIAL[8],
    (Role::Acceptor, Point::AUTH_REPLY_MORE),
    (Role::Dialler, Point::AUTH_REQUEST_MORE),
    DIAL[9],
    DIAL[10],
    DIAL[11],
];

/// That way on that wire.
pub fn dial(wire: Wire) -> &'static [(Role, Point)] {
    match wire.is_secure() {
        true => &PROVEN_DIAL,
        false => &DIAL,
    }
}

/// Between ends that speak of compression, what comes behind that: the dialler asks
/// for no session before it has the answer.
pub const COMPRESSION: [(Role, Point); 2] = [
    (Role::Dialler, Point::COMPRESSION_REQUEST),
    (Role::Acceptor, Point::COMPRESSION_DONE),
];

/// A new session is asked for, and granted.
pub const IDENT: [(Role, Point); 2] = [
    (Role::Dialler, Point::CLIENT_IDENT),
    (Role::Acceptor, Point::SERVER_IDENT),
];

/// A session is asked for again, and goes on.
pub const RESUME: [(Role, Point); 2] = [
    (Role::Dialler, Point::SESSION_RECONNECT),
    (Role::Acceptor, Point::SESSION_RECONNECT_OK),
];

/// Each of these steps as its taker sees it and, if it is more than that, as the
/// other end does.
pub fn spots(steps: &[(Role, Point)]) -> Vec<Spot> {
    let mut spots = Vec::new();
    for (writer, point) in steps.iter().copied() {
        spots.push(Spot::write(writer, point));
        if !is_socket(point) {
            spots.push(Spot::read(writer.other(), point));
        }
    }
    spots
}

/// What can be done there.
pub fn actions(wire: Wire, spot: Spot) -> Vec<Action> {
    let mut actions = vec![Action::Fault, Action::Block, Action::Stall];
    if !is_socket(spot.point) {
        actions.push(Action::Truncate);
        actions.extend(match (spot.point, spot.side) {
            (Point::BANNER_PAYLOAD, side) => noticed_at_once(wire, side).map(Action::Flip),
            (_, Side::Write) => Some(Action::Flip(Bit::Head)),
            (_, Side::Read) => Some(Action::Flip(Bit::Body)),
        });
    }
    actions
}

/// The bit of a banner's payload to be flipped there. Where signatures are checked,
/// [`falsifications`] has those that change nothing else.
fn noticed_at_once(wire: Wire, side: Side) -> Option<Bit> {
    match (side, wire) {
        (Side::Write, Wire::Secure20) => None,
        (Side::Write, _) => Some(Bit::Revision),
        (Side::Read, wire) if wire.is_secure() => None,
        (Side::Read, _) => Some(Bit::Unknown),
    }
}

/// Where a bit of a banner's payload is flipped that makes no difference, which bit,
/// and where harm done to a link comes to the same if signatures are checked. Each end
/// signs what it has read, and the other one does not believe that. A dialler has sent
/// its request by then, and that is read with the signature.
pub fn falsifications(wire: Wire, request: Point) -> Vec<(Spot, Action, Spot)> {
    let bits = match wire {
        Wire::Secure20 => &[Bit::Unknown, Bit::Revision][..],
        wire if wire.is_secure() => &[Bit::Unknown],
        _ => &[],
    };
    let mut all = Vec::new();
    for bit in bits {
        for reader in [Role::Acceptor, Role::Dialler] {
            let spot = Spot::read(reader, Point::BANNER_PAYLOAD);
            let shows_at = match reader {
                Role::Acceptor => Spot::write(reader, Point::AUTH_SIGNATURE),
                Role::Dialler => Spot::write(reader, request),
            };
            all.push((spot, Action::Flip(*bit), shows_at));
        }
    }
    all
}

/// What it comes to, whatever exactly was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Harm {
    /// It never left its writer, whose link is lost or stuck with it.
    Unsent,
    /// It was sent, and the reader's link is lost or stuck before it.
    Spoilt,
}

/// What that action comes to there. Nothing: all goes on as if it had not been.
pub fn harm(spot: Spot, action: Action) -> Option<Harm> {
    match (action, spot.side) {
        (Action::Block | Action::Forge(..), _) | (Action::Flip(Bit::Unknown), _) => None,
        (Action::Flip(_), _) | (_, Side::Read) => Some(Harm::Spoilt),
        (Action::Fault | Action::Stall | Action::Truncate, Side::Write) => Some(Harm::Unsent),
    }
}

/// Where and what can be done to links on that wire that go through these steps.
pub fn harms(wire: Wire, steps: &[&[(Role, Point)]]) -> Vec<(Spot, Action)> {
    let spots = spots(&steps.concat());
    let all = |spot: Spot| {
        actions(wire, spot)
            .into_iter()
            .map(move |action| (spot, action))
    };
    spots.into_iter().flat_map(all).collect()
}

/// Did the dialler of a link send its request, CLIENT_IDENT or SESSION_RECONNECT,
/// before harm was done there? It does not wait for an answer to its signature.
pub fn has_asked(spot: Spot, harm: Harm) -> bool {
    match spot.point {
        Point::CLIENT_IDENT | Point::SESSION_RECONNECT => true,
        Point::AUTH_SIGNATURE => spot.writer() == Role::Dialler && harm == Harm::Spoilt,
        _ => false,
    }
}

/// Did the acceptor see that request?
pub fn was_asked(spot: Spot, harm: Harm) -> bool {
    has_asked(spot, harm) && spot.point != Point::AUTH_SIGNATURE && harm == Harm::Spoilt
}

/// Every setting with these pairs and numbers of messages. Where only one end
/// dials, it is nobody's business whose address sorts first; and how many workers
/// there are is not that of the wire.
pub fn settings(pairs: &[Pair], said: &[(u64, u64)]) -> Vec<Setting> {
    use Order::{AcceptorFirst, DiallerFirst};
    let mut settings = Vec::new();
    for pair in pairs.iter().copied() {
        let orders = match pair.kind {
            Kind::Peer => &[DiallerFirst, AcceptorFirst][..],
            Kind::Lossy | Kind::Client => &[DiallerFirst],
        };
        for order in orders.iter().copied() {
            for said in said.iter().copied() {
                for (wire, workers) in [
                    (Wire::Msgr21, 1),
                    (Wire::Msgr21, 3),
                    (Wire::Msgr20, 1),
                    (Wire::Secure21, 1),
                    (Wire::Secure20, 3),
                ] {
                    settings.push(Setting {
                        pair,
                        wire,
                        order,
                        workers,
                        said,
                    });
                }
            }
        }
    }
    settings
}

/// The same settings, of ends that speak of compression.
pub fn compressing(settings: &[Setting]) -> Vec<Setting> {
    let plain = settings
        .iter()
        .filter(|setting| setting.wire == Wire::Msgr21);
    let wire = Wire::Msgr21Compressing;
    plain.map(|setting| Setting { wire, ..*setting }).collect()
}

/// Whatever was said arrives, and so does the probe behind it.
pub fn everything_arrives((first, second): (u64, u64)) -> [Vec<u64>; 2] {
    [second, first].map(|said| (1..=said).chain([PROBE]).collect())
}

/// A lossy connection that was accepted and then lost.
pub const LOST_AFTER_ACCEPT: Tale = accepted(1, 1, 0, 1).now(State::Closed).reset(1, 0);

fn is_socket(point: Point) -> bool {
    matches!(point, Point::SOCKET_CONNECTING | Point::SOCKET_ACCEPTED)
}
