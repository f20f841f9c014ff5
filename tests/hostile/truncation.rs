//! Peers that stop speaking: at every byte of what they have to say, with and
//! without hanging up.

use std::io::{ErrorKind, Read};
use std::time::Duration;

use msgr::Policy;

use super::arena::{Arena, Dialler, End, Peer};
use super::support::counted;
use super::wire::{REVISIONS, acceptor, dialler};

/// The time that a handshake may take where peers are silent.
const READY: &str = "0.4";

pub fn at_an_acceptor() -> usize {
    let arena = Arena::new(&[]);
    let mut played = 0;
    for revision in REVISIONS {
        let words = dialler(revision, arena.server.at()).concat();
        for end in 0..=words.len() {
            let mut peer = arena.server.dial();
            peer.say(&words[..end]);
            peer.finish();
            peer.expect_closed();
            played += 1;
        }
        arena.survives();
    }
    let closed = counted(&arena.server.messenger, "msgr_faults_peer_closed");
    assert!(closed as usize >= played, "{closed} of {played}");
    played
}

pub fn at_a_dialler() -> usize {
    let arena = Dialler::new(&[], Policy::lossy_client());
    let mut played = 0;
    for revision in REVISIONS {
        let words = acceptor(revision, arena.at(), 0).concat();
        for end in 0..=words.len() {
            let (con, mut peer) = arena.lure("v2");
            peer.say(&words[..end]);
            peer.finish();
            peer.expect_closed();
            con.mark_down();
            played += 1;
        }
        arena.survives();
    }
    played
}

/// Silence from every byte on, and a byte now and then: the time a handshake may
/// take is one for all of it.
pub fn silence() -> usize {
    let options = [
        ("ms_connection_ready_timeout", READY),
        ("ms_max_half_open_per_source", "4096"),
    ];
    let arena = Arena::of(End::server(&options, "v2:127.0.0.1:0"));
    let before = counted(&arena.server.messenger, "msgr_faults_ready_timeout");
    let mut silent: Vec<Peer> = Vec::new();
    let mut open = 0;
    for revision in REVISIONS {
        let words = dialler(revision, arena.server.at()).concat();
        // All but the last byte: then there would be a session.
        for end in 0..words.len() {
            let mut peer = arena.server.dial();
            peer.say(&words[..end]);
            silent.push(peer);
        }
        open += words.len();
    }
    for peer in &mut silent {
        peer.expect_closed();
    }
    let late = counted(&arena.server.messenger, "msgr_faults_ready_timeout") - before;
    assert_eq!(late as usize, open, "closed for another reason");
    dribble(&arena);
    arena.survives();
    open + 1
}

/// A byte, and the next one when nothing has happened for a while.
fn dribble(arena: &Arena) {
    let words = dialler(REVISIONS[0], arena.server.at()).concat();
    let mut peer = arena.server.dial();
    peer.0
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let mut heard = [0; 4096];
    for byte in words {
        peer.say(&[byte]);
        match peer.0.read(&mut heard) {
            Ok(0) => return,
            Err(why) if why.kind() == ErrorKind::ConnectionReset => return,
            _ => {}
        }
    }
    panic!("a byte at a time it may take for ever");
}
