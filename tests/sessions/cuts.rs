//! Connections that break.

use super::alone;
use super::support::descriptors;
use super::support::letter::Random;
use super::support::pair::{KINDS, Kind, Pair};
use super::support::proxy::{Cut, Plan, Way};

const CUTS: [Cut; 5] = [
    Cut::Reset,
    Cut::Close,
    Cut::Half(Way::Up),
    Cut::Half(Way::Down),
    Cut::DiallerOnly,
];

/// Plans that break each connection somewhere in its first `within` bytes.
fn broken(seed: u64, within: u64, how: Cut) -> impl FnMut(u64) -> Plan + Send {
    let mut random = Random(seed);
    move |_| {
        let way = random.pick(&[Way::Up, Way::Down]);
        Plan::cut(way, random.below(within), how)
    }
}

fn each_kind_of_cut(kind: Kind) {
    let _alone = alone();
    let before = descriptors();
    for (seed, how) in CUTS.into_iter().enumerate() {
        let seed = seed as u64;
        let mut pair = Pair::new(kind, seed, &[]);
        pair.b.proxy().plan(broken(seed, 60_000, how));
        if kind != Kind::ClientServer {
            pair.a.proxy().plan(broken(seed + 100, 60_000, how));
        }
        pair.connect();
        // Of two that are dialled at once one is given up, cut or not.
        while pair.seen(|seen| seen.cuts) < 12 {
            pair.exchange(40, 20_000);
        }
        pair.b.proxy().plan(|_| Plan::default());
        if kind != Kind::ClientServer {
            pair.a.proxy().plan(|_| Plan::default());
        }
        pair.finish();
    }
    assert_eq!(descriptors(), before, "descriptors are left");
}

#[test]
fn a_client_and_a_stateful_server_survive_every_kind_of_cut() {
    each_kind_of_cut(Kind::ClientServer);
}

#[test]
fn lossless_peers_survive_every_kind_of_cut() {
    each_kind_of_cut(Kind::Peers);
}

#[test]
fn lossless_peers_with_reuse_survive_every_kind_of_cut() {
    each_kind_of_cut(Kind::PeersReuse);
}

#[test]
fn a_first_connection_may_break_at_any_place_of_its_handshake() {
    let _alone = alone();
    let before = descriptors();
    // A handshake and its first letters are about 500 bytes each way.
    for kind in [Kind::ClientServer, Kind::PeersReuse] {
        for way in [Way::Up, Way::Down] {
            for at in (0..500).step_by(23) {
                let mut pair = Pair::new(kind, at, &[]);
                pair.b.proxy().plan(move |index| match index {
                    0 => Plan::cut(way, at, Cut::Reset),
                    _ => Plan::default(),
                });
                pair.connect();
                pair.exchange(5, 100);
                pair.finish();
            }
        }
    }
    assert_eq!(descriptors(), before, "descriptors are left");
}

#[test]
fn a_reconnect_may_break_at_any_place_of_its_handshake() {
    let _alone = alone();
    for kind in KINDS {
        let mut pair = Pair::new(kind, 1, &[]);
        let mut random = Random(2);
        // Every other connection lives until it is cut, the next one breaks
        // early on.
        pair.b.proxy().plan(move |index| match index % 2 {
            0 => Plan::default(),
            _ => Plan::cut(
                random.pick(&[Way::Up, Way::Down]),
                random.below(450),
                random.pick(&[Cut::Reset, Cut::Close]),
            ),
        });
        pair.connect();
        for _ in 0..40 {
            pair.exchange(3, 500);
            pair.cut(Cut::Reset);
        }
        pair.finish();
    }
}

#[test]
fn a_session_that_is_cut_with_both_queues_full_loses_nothing() {
    let _alone = alone();
    for kind in KINDS {
        let mut pair = Pair::new(kind, 3, &[]);
        pair.connect();
        pair.exchange(1, 10);
        // Nothing gets through, so that the queues fill on both sides.
        for way in [Way::Up, Way::Down] {
            pair.b.proxy().hold(way);
        }
        pair.send(1000, 4000);
        pair.cut(Cut::Reset);
        for way in [Way::Up, Way::Down] {
            pair.b.proxy().release(way);
        }
        pair.finish();
    }
}

#[test]
fn a_server_that_is_away_is_dialled_until_it_is_there() {
    let _alone = alone();
    let mut pair = Pair::new(Kind::ClientServer, 4, &[]);
    pair.connect();
    pair.exchange(10, 100);
    let there = pair.b.messenger.myaddrs();
    // Cut at once, again and again: as if nobody listened.
    pair.b.proxy().plan(|_| Plan::cut(Way::Up, 0, Cut::Reset));
    pair.b.proxy().cut(Cut::Reset);
    pair.send(10, 100);
    let tries = pair.b.proxy().seen().accepted;
    pair.b.proxy().wait_until(|seen| seen.accepted > tries + 3);
    pair.b.proxy().plan(|_| Plan::default());
    pair.expect_all();
    assert_eq!(pair.a.con().peer_addrs(), there);
    pair.finish();
}
