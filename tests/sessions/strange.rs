//! Connections that do not break, but behave strangely.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::alone;
use super::support::pair::{KINDS, Kind, Pair};
use super::support::proxy::{Cut, Plan, Way};
use super::support::{DEADLINE, descriptors};

#[test]
fn bytes_may_come_one_by_one() {
    let _alone = alone();
    for kind in KINDS {
        let mut pair = Pair::new(kind, 10, &[]);
        pair.plan(|_| Plan {
            slice: Some(1),
            ..Plan::default()
        });
        pair.connect();
        pair.exchange(30, 2000);
        pair.finish();
    }
}

#[test]
fn a_direction_that_pauses_goes_on_where_it_was() {
    let _alone = alone();
    for way in [Way::Up, Way::Down] {
        let mut pair = Pair::new(Kind::ClientServer, 11, &[]);
        pair.connect();
        pair.exchange(1, 10);
        pair.b.proxy().hold(way);
        pair.send(100, 50_000);
        let there = match way {
            Way::Up => pair.b.witness.facts(),
            Way::Down => pair.a.witness.facts(),
        };
        assert!(there.letters <= 2, "nothing passes: {there:?}");
        pair.b.proxy().release(way);
        pair.expect_all();
        assert_eq!(pair.b.proxy().seen().accepted, 1, "no need to dial again");
        pair.finish();
    }
}

#[test]
fn a_path_that_passes_small_packets_only_is_noticed_and_left() {
    let _alone = alone();
    let before = descriptors();
    for kind in KINDS {
        for way in [Way::Up, Way::Down] {
            let mut pair = Pair::new(
                kind,
                12,
                &[
                    ("ms_connection_progress_timeout", "0.3"),
                    ("ms_connection_ready_timeout", "2"),
                ],
            );
            // Three such paths, and then a good one.
            let holes = move |index| Plan {
                hole: (index < 3).then_some((way, 1400)),
                ..Plan::default()
            };
            pair.plan(holes);
            pair.connect();
            // Small ones pass.
            pair.exchange(3, 20);
            pair.exchange(30, 100_000);
            assert!(pair.seen(|seen| seen.holes) > 0);
            pair.finish();
        }
    }
    assert_eq!(descriptors(), before, "descriptors are left");
}

#[test]
fn bytes_of_an_old_connection_that_come_late_are_ignored() {
    let _alone = alone();
    let mut pair = Pair::new(Kind::ClientServer, 13, &[]);
    pair.connect();
    pair.exchange(5, 100);
    for _ in 0..10 {
        // What was sent is under way for ever, and the client dials anew.
        pair.b.proxy().hold(Way::Up);
        let before = pair.b.proxy().seen();
        pair.send(20, 2000);
        pair.b.proxy().cut(Cut::DiallerOnly);
        pair.b
            .proxy()
            .wait_until(|seen| seen.accepted > before.accepted);
        // Now it arrives, together with what the new connection brings.
        pair.b.proxy().release(Way::Up);
        pair.expect_all();
    }
    pair.finish();
}

/// Plays a recording to the server. Returns when the server has hung up, or
/// not answered any more.
fn replay(pair: &Pair, recording: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(pair.b.proxy().target()).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    // The server may hang up before it has all.
    let _ = socket.write_all(recording);
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    answer
}

#[test]
fn a_recorded_connection_is_refused_and_nothing_of_it_dispatched() {
    let _alone = alone();
    let mut pair = Pair::new(Kind::ClientServer, 14, &[]);
    pair.b.proxy().plan(|_| Plan {
        record: true,
        ..Plan::default()
    });
    pair.connect();
    for _ in 0..3 {
        pair.exchange(10, 1000);
        pair.b.proxy().cut(Cut::Reset);
    }
    pair.exchange(10, 1000);
    let before = pair.b.witness.facts();
    // The first connection, which made the session, and two that resumed it.
    for index in 0..3 {
        let recording = pair.b.proxy().recording(index);
        assert!(recording.len() > 1000);
        replay(&pair, &recording);
    }
    let after = pair.b.witness.facts();
    assert_eq!(after.letters, before.letters, "a recording was dispatched");
    assert_eq!(after.remote_resets, 0);
    // The session goes on, on the connection it had.
    pair.exchange(10, 1000);
    assert_eq!(pair.b.proxy().seen().accepted, 4);
    pair.finish();
}

#[test]
fn peers_with_nothing_to_say_rest_and_the_first_word_wakes_them() {
    let _alone = alone();
    for kind in [Kind::Peers, Kind::PeersReuse] {
        let mut pair = Pair::new(kind, 15, &[]);
        pair.connect();
        pair.exchange(5, 100);
        for from_a in [true, false, true] {
            pair.expect_acknowledged();
            let dialled = pair.seen(|seen| seen.accepted);
            for end in [&pair.a, &pair.b] {
                end.proxy().cut(Cut::Close);
            }
            let speaker = if from_a { &mut pair.a } else { &mut pair.b };
            speaker.send(3, 100, &mut pair.random);
            pair.expect_all();
            let again = pair.seen(|seen| seen.accepted);
            assert_eq!(again, dialled + 1, "once, by who speaks");
        }
        pair.finish();
    }
}
