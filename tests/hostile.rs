//! Peers that mean harm, played by raw sockets against live messengers. Whatever
//! they do, they end their own connection and nothing else: after every script a
//! good client connects and is served, and the counters tell why it ended.
//!
//! `tests/figures/strangers.rs` has the figures: how long others wait beside
//! thousands of silent peers, and what memory one of them costs.

#![expect(
    clippy::disallowed_methods,
    reason = "hostile peers are not msgr's sockets"
)]

#[path = "hostile/arena.rs"]
mod arena;
#[path = "hostile/between.rs"]
mod between;
#[path = "hostile/claims.rs"]
mod claims;
#[path = "hostile/floods.rs"]
mod floods;
#[path = "hostile/legacy.rs"]
mod legacy;
#[path = "hostile/states.rs"]
mod states;
mod support;
#[path = "hostile/truncation.rs"]
mod truncation;
#[path = "hostile/wire.rs"]
mod wire;

use std::time::{Duration, Instant};

/// A group of scripts; it says how many it has played.
type Group = (&'static str, fn() -> usize);

const GROUPS: [Group; 17] = [
    (
        "frames out of their state, at an acceptor",
        states::at_an_acceptor,
    ),
    (
        "frames out of their state, while the host is asked",
        states::while_more_is_asked,
    ),
    (
        "frames out of their state, at a dialler",
        states::at_a_dialler,
    ),
    (
        "frames out of their state, at one that reconnects",
        states::at_one_that_reconnects,
    ),
    (
        "what is not said in v1, at an acceptor",
        legacy::at_an_acceptor,
    ),
    ("what is not said in v1, at a dialler", legacy::at_a_dialler),
    ("lengths that are claimed", claims::lengths),
    ("inner lengths that are claimed", claims::inner_lengths),
    ("numbers of messages that nobody has sent", claims::numbers),
    (
        "compression that nobody has agreed on, and bombs",
        claims::compression,
    ),
    (
        "truncation at every byte, at an acceptor",
        truncation::at_an_acceptor,
    ),
    (
        "truncation at every byte, at a dialler",
        truncation::at_a_dialler,
    ),
    ("silence from every byte on", truncation::silence),
    ("floods", floods::floods),
    ("words of our own that come back", floods::reflections),
    ("what is changed between two good ends", between::changes),
    ("recordings that are played again", between::replays),
];

/// Longer than all of it takes beside other builds.
const AT_MOST: Duration = Duration::from_secs(90);

#[test]
fn no_hostile_peer_does_more_than_end_its_own_connection() {
    let begin = Instant::now();
    let mut scripts = 0;
    for (what, play) in GROUPS {
        let started = Instant::now();
        let played = play();
        scripts += played;
        println!(
            "{what}: {played} scripts, {} ms",
            started.elapsed().as_millis()
        );
        assert!(played > 0, "{what}");
    }
    println!("hostile peers: {scripts} scripts, all survived");
    assert!(begin.elapsed() < AT_MOST, "{:?}", begin.elapsed());
}
