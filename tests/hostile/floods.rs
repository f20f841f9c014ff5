//! More of something than anybody needs, and words of our own that come back.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;

use msgr::Policy;

use super::arena::{Arena, Dialler, End, Peer};
use super::support::counted;
use super::wire::{
    ACK, AUTH_REQUEST, CLIENT_IDENT, KEEPALIVE2, MESSAGE, REVISIONS, Revision, bytes, client_ident,
    control, dialler, header, sample,
};

pub fn floods() -> usize {
    let arena = Arena::new(&[]);
    let mut played = 0;
    for revision in REVISIONS {
        played += of_a_stranger(&arena, revision);
        played += of_a_known_peer(&arena, revision);
        arena.survives();
    }
    played + garbage(&arena) + half_open() + rapid_resets(&arena)
}

fn of_a_stranger(arena: &Arena, revision: Revision) -> usize {
    let at = arena.server.at();
    let way = dialler(revision, at);
    let nobodys = bytes().u32(0x77).u32(1).u32(1).blob(b"").0;
    let request = control(revision, AUTH_REQUEST, &nobodys);
    let long = bytes().u32(0x77).u32(1).u32(1).blob(&[7; 16_000]).0;
    let long = control(revision, AUTH_REQUEST, &long);
    // An ident without a feature that is required.
    let mut ident = client_ident(at, 1, 0);
    let features = ident.len() - 32;
    ident[features..features + 8].fill(0);
    let ident = control(revision, CLIENT_IDENT, &ident);
    let floods = [
        (1, request.repeat(9), "msgr_faults_auth_attempts"),
        (1, long.repeat(6), "msgr_faults_handshake_too_long"),
        (4, ident.repeat(70), "msgr_faults_handshake_too_long"),
    ];
    for (state, flood, reason) in &floods {
        let words = [way[..=*state].concat(), flood.clone()].concat();
        arena.refuses(&words, reason);
    }
    floods.len()
}

fn of_a_known_peer(arena: &Arena, revision: Revision) -> usize {
    let at = arena.server.at();
    let open = dialler(revision, at).concat();
    let keepalive = control(revision, KEEPALIVE2, &sample(KEEPALIVE2, at));
    let ack = control(revision, ACK, &sample(ACK, at));
    let message = control(revision, MESSAGE, &header(1, 0));
    let floods = [(keepalive, 100_000), (ack, 50_000), (message, 50_000)];
    for (frame, times) in &floods {
        let mut peer = arena.server.dial();
        peer.say(&open);
        // It takes in what comes, and does not keep an answer for each.
        for _ in 0..*times / 1000 {
            peer.say(&frame.repeat(1000));
        }
        peer.finish();
        let answers = peer.expect_closed();
        assert!(answers.len() < 20 * times, "{} bytes", answers.len());
    }
    // A byte at a time, but all of it.
    let mut peer = arena.server.dial();
    open.iter().for_each(|byte| peer.say(&[*byte]));
    let alive = control(revision, MESSAGE, &header(1, 0));
    alive.iter().for_each(|byte| peer.say(&[*byte]));
    super::support::next_message(&arena.server.told);
    floods.len() + 1
}

/// What is no banner.
fn garbage(arena: &Arena) -> usize {
    let words: [&[u8]; 9] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\0",
        b"ceph v3\n",
        b"ceph v027",
        b"ceph v2\n\0\0",
        b"ceph v2\n\x0f\0",
        b"ceph v2\n\xff\xff",
    ];
    for words in words {
        arena.refuses(words, "msgr_faults_banner");
    }
    let mut strict = super::wire::banner(3);
    strict[18] = 0x80;
    arena.refuses(&strict, "msgr_faults_features");
    arena.survives();
    words.len() + 1
}

/// More peers that say nothing than may be there.
fn half_open() -> usize {
    let arena = Arena::of(End::server(
        &[
            ("ms_max_half_open", "100"),
            ("ms_max_half_open_per_source", "50"),
        ],
        "v2:127.0.0.1:0",
    ));
    let mut silent: Vec<Peer> = (0..400).map(|_| arena.server.dial()).collect();
    silent[..300].iter_mut().for_each(|peer| {
        peer.expect_closed();
    });
    arena.survives();
    let evicted = counted(&arena.server.messenger, "msgr_half_open_evicted_per_source");
    assert!((300..=302).contains(&evicted), "{evicted}");
    silent.len()
}

/// Sessions that are given up as soon as they are there.
fn rapid_resets(arena: &Arena) -> usize {
    let words = dialler(Revision::One, arena.server.at()).concat();
    for _ in 0..300 {
        arena.server.dial().say(&words);
    }
    arena.survives();
    300
}

/// Says everything it hears, until it is hung up on.
fn mirror(mut stream: TcpStream) {
    let mut heard = [0; 4096];
    loop {
        match stream.read(&mut heard) {
            Ok(0) => return,
            Ok(len) => Peer::new(stream.try_clone().unwrap()).say(&heard[..len]),
            Err(why) if why.kind() == ErrorKind::ConnectionReset => return,
            Err(why) => panic!("{why}"),
        }
    }
}

pub fn reflections() -> usize {
    let ready = [("ms_connection_ready_timeout", "0.3")];
    let arena = Arena::of(End::server(&ready, "v2:127.0.0.1:0"));
    mirror(arena.server.dial().0);
    // With a word of its own before, so that both have to say something.
    for revision in REVISIONS {
        for words in dialler(revision, arena.server.at()) {
            let mut peer = arena.server.dial();
            peer.say(&words);
            mirror(peer.0);
        }
    }
    arena.server.expect_silence();
    arena.survives();
    let dialler = Dialler::new(&ready, Policy::lossy_client());
    for kind in ["v2", "v1"] {
        let (con, peer) = dialler.lure(kind);
        mirror(peer.0);
        assert!(!con.is_connected());
        con.mark_down();
    }
    dialler.client.expect_silence();
    dialler.survives();
    15
}
