//! Which of a peer's addresses is tried after one at which it was not found.

use std::sync::Arc;

use crate::proto::{Event, GlobalSeq, LinkDown, Protocol};
use crate::types::{EntityType, Policy, Time};

use super::legacy::address;
use super::pair::{End, addrs, config};

const NOW: Time = Time::ZERO;

/// Where the peer may be, the way it is tried.
const V2: &str = "v2:10.0.0.1:3300/7";
const V2_TOO: &str = "v2:10.0.1.1:3300/7";
const V1: &str = "v1:10.0.0.1:6789/7";

/// What comes of dialling one address.
#[derive(Clone, Copy, Debug)]
enum Found {
    Refused,
    Unreachable,
    /// Nothing, until the time is up.
    Silence,
    /// It hangs up before it has said anything.
    Eof,
    SpeaksV1,
    SomethingElse,
}

use Found::{Eof, Refused, Silence, SomethingElse, SpeaksV1, Unreachable};

/// The addresses that a dialler has tried before it pauses, if that is what it finds at
/// each but the last.
fn tried(policy: Policy, peer: &str, found: &[Found]) -> Vec<String> {
    let mut end = End::new(Protocol::connect(
        Arc::new(config("osd.9", policy)),
        addrs("any:/5"),
        EntityType::OSD,
        addrs(peer),
        1,
    ));
    end.protocol.keepalive();
    end.protocol.start(NOW, &mut end.events);
    for found in found {
        assert_eq!(end.protocol.state_name(), "START_CONNECT", "{found:?}");
        match found {
            Refused => end.disconnect(LinkDown::Refused, NOW),
            Unreachable => {
                let why = std::io::ErrorKind::NetworkUnreachable;
                end.disconnect(LinkDown::Io(why), NOW);
            }
            Silence => {
                end.time_out();
            }
            Eof => {
                end.protocol.handle_connected(None, NOW);
                end.disconnect(LinkDown::Eof, NOW);
            }
            SpeaksV1 => {
                end.protocol.handle_connected(None, NOW);
                end.receive(b"ceph v027", NOW);
            }
            SomethingElse => {
                end.protocol.handle_connected(None, NOW);
                end.receive(b"HTTP/1.1", NOW);
            }
        }
    }
    let dials = end.events.iter().filter_map(|event| match event {
        Event::Dial(addr) => Some(addr.to_string()),
        _ => None,
    });
    dials.collect()
}

#[test]
fn without_a_session_to_lose_every_address_is_tried() {
    for found in [Refused, Unreachable, Silence, Eof, SpeaksV1, SomethingElse] {
        let peer = format!("[{V1},{V2}]");
        assert_eq!(tried(Policy::lossy_client(), &peer, &[found]), [V2, V1]);
    }
}

/// The peer may have granted us a session in v2 and its answer was lost. In v1 another
/// one would begin, and what the peer has to say in the first would be lost.
#[test]
fn a_session_is_looked_for_in_v1_only_if_v2_is_surely_not_spoken() {
    for policy in [Policy::lossless_client(), Policy::lossless_peer()] {
        let tried = |peer: &[&str], found: &[Found]| {
            let peer = format!("[{}]", peer.join(","));
            tried(policy, &peer, found)
        };
        for found in [Refused, SpeaksV1] {
            assert_eq!(tried(&[V1, V2], &[found]), [V2, V1], "{found:?}");
        }
        for found in [Unreachable, Silence, Eof, SomethingElse] {
            assert_eq!(tried(&[V1, V2], &[found]), [V2], "{found:?}");
            // In the same protocol it is the same session.
            let all = [V1, V2, V2_TOO];
            assert_eq!(tried(&all, &[found]), [V2, V2_TOO], "{found:?}");
            assert_eq!(tried(&all, &[found, Refused]), [V2, V2_TOO], "{found:?}");
        }
        let all = [V1, V2, V2_TOO];
        assert_eq!(tried(&all, &[Refused, SpeaksV1]), [V2, V2_TOO, V1]);
    }
}

#[test]
fn the_next_attempt_begins_anew_with_what_it_knows() {
    let mut end = End::new(Protocol::connect(
        Arc::new(config("osd.9", Policy::lossless_peer())),
        addrs("any:/5"),
        EntityType::OSD,
        addrs(&format!("[{V2},{V1}]")),
        1,
    ));
    end.protocol.keepalive();
    end.protocol.start(NOW, &mut end.events);
    end.disconnect(LinkDown::Eof, NOW);
    assert_eq!(end.protocol.state_name(), "BACKOFF");
    end.time_out();
    end.disconnect(LinkDown::Refused, NOW);
    let last = end.events.last();
    assert_eq!(last, Some(&Event::Dial(V1.parse().unwrap())));
}

#[test]
fn attempts_are_counted_apart_in_each_protocol() {
    let micros = 1_700_000_000_000_000;
    let mut config = config("osd.9", Policy::lossless_peer());
    config.global_seq = Arc::new(GlobalSeq::above(micros));
    let mut end = End::new(Protocol::connect(
        Arc::new(config),
        addrs("any:/5"),
        EntityType::OSD,
        addrs(&format!("[{V2},{V1}]")),
        1,
    ));
    end.protocol.keepalive();
    end.protocol.start(NOW, &mut end.events);
    end.protocol.handle_connected(None, NOW);
    end.receive(b"ceph v027", NOW);
    end.transmit_all(NOW);
    end.protocol.handle_connected(None, NOW);
    let addresses = [
        address([10, 0, 0, 1], 6789, 7),
        address([10, 0, 0, 2], 40_000, 0),
    ];
    end.receive(&[b"ceph v027", &*addresses.concat()].concat(), NOW);
    let asked = end.transmit_all(NOW);
    let at = 9 + 136 + 8 + 4;
    let global_seq = u32::from_le_bytes(asked[at..at + 4].try_into().unwrap());
    assert_eq!(global_seq, 1_700_000_001, "{}", end.story());
}
