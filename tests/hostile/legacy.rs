//! Everything that is not to be said in the first protocol, at both ends of it.

use std::net::SocketAddr;

use msgr::Policy;

use super::arena::{Arena, Dialler, End};
use super::support::{counted, next_message};
use super::wire::{Bytes, bytes, crc};

const PROTOCOL: &str = "msgr_faults_protocol";

/// An address without its type.
fn addr(nonce: u32, at: SocketAddr) -> Vec<u8> {
    let SocketAddr::V4(at) = at else {
        panic!("{at}");
    };
    let out = bytes().u32(0).u32(nonce).raw(&[0, 2]);
    let out = out.raw(&at.port().to_be_bytes()).raw(&at.ip().octets());
    out.raw(&[0; 120]).0
}

fn connect(version: u32, protocol: u32, claimed: u32, authorizer: &[u8]) -> Vec<u8> {
    let out = bytes().u64(u64::MAX >> 2).u32(8).u32(1).u32(0);
    let out = out.u32(version).u32(protocol).u32(claimed).u8(1);
    out.raw(authorizer).0
}

fn none() -> Vec<u8> {
    bytes().u8(1).u32(8).blob(b"mallory").u64(0).0
}

/// All that a dialler says until it has a session with an OSD, without listening.
fn dialler() -> Vec<Vec<u8>> {
    let authorizer = none();
    let len = u32::try_from(authorizer.len()).unwrap();
    vec![
        b"ceph v027".to_vec(),
        addr(4711, "127.0.0.1:0".parse().unwrap()),
        connect(24, 1, len, &authorizer),
        // What it has received.
        vec![0; 8],
    ]
}

/// The same of an acceptor.
fn acceptor(own: SocketAddr) -> Vec<Vec<u8>> {
    let opening = [
        b"ceph v027".to_vec(),
        addr(0, own),
        addr(0, "127.0.0.1:4711".parse().unwrap()),
    ];
    vec![opening.concat(), reply(1, 0)]
}

fn reply(tag: u8, claimed: u32) -> Vec<u8> {
    let out = bytes().u8(tag).u64(u64::MAX >> 2).u32(1).u32(1);
    out.u32(24).u32(claimed).u8(1).0
}

/// A message's header with those lengths.
fn head(seq: u64, lens: [u32; 3]) -> Vec<u8> {
    let header = bytes().u64(seq).u64(1).raw(&[2, 0, 127, 0, 1, 0]);
    let header = lens.into_iter().fold(header, Bytes::u32).raw(&[0, 0, 8]);
    let header = header.u64(7).raw(&[0; 4]);
    let sum = crc(0, &header.0);
    bytes().u8(7).raw(&header.0).u32(sum).0
}

/// A message without payload.
fn message(seq: u64, flags: u8) -> Vec<u8> {
    Bytes(head(seq, [0; 3])).raw(&[0; 20]).u8(flags).0
}

/// What ends an open link, and why.
fn unwelcome() -> Vec<(Vec<u8>, &'static str)> {
    let max = u32::MAX;
    let mut wrong_crc = message(1, 1);
    wrong_crc[50] ^= 1;
    let mut words = vec![
        (head(1, [max; 3]), "msgr_faults_message_too_large"),
        (head(1, [1 << 30, 1, 0]), "msgr_faults_message_too_large"),
        (
            head(1, [0, 0, 0x8000_0000]),
            "msgr_faults_message_too_large",
        ),
        (wrong_crc, PROTOCOL),
        (message(1, 0), PROTOCOL),
        (bytes().u8(8).u64(1).0, PROTOCOL),
        (bytes().u8(8).u64(u64::MAX).0, PROTOCOL),
    ];
    // Tags of the handshake, and those that are none.
    for tag in (0..=24).filter(|tag| ![6, 7, 8, 9, 14, 15].contains(tag)) {
        words.push((vec![tag; 9], PROTOCOL));
    }
    words
}

pub fn at_an_acceptor() -> usize {
    let arena = Arena::of(End::server(&[], "v1:127.0.0.1:0"));
    let way = dialler();
    let mut played = 0;
    let open = way.concat();
    for (words, reason) in unwelcome() {
        arena.refuses(&[&open[..], &words].concat(), reason);
        played += 1;
    }
    // Lengths of authorizers, at the request.
    for claimed in [(16 << 10) + 1, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
        let words = [way[..2].concat(), connect(24, 1, claimed, b"x")].concat();
        arena.refuses(&words, PROTOCOL);
        played += 1;
    }
    // An address that is none.
    for family in [1_u8, 3, 255] {
        let mut nowhere = way[1].clone();
        nowhere[9] = family;
        let words = [way[0].clone(), nowhere, way[2].clone()].concat();
        let mut peer = arena.server.dial();
        peer.say(&words);
        peer.finish();
        peer.expect_closed();
        played += 1;
    }
    for words in [&b"ceph v028"[..], b"ceph v2\n", b"GET / HTT", b"\0"] {
        arena.refuses(words, "msgr_faults_banner");
        played += 1;
    }
    arena.survives();
    played + truncated(&arena) + flooded(&arena)
}

fn truncated(arena: &Arena) -> usize {
    let words = [dialler().concat(), head(1, [5, 0, 0]), b"fro".to_vec()].concat();
    for end in 0..=words.len() {
        let mut peer = arena.server.dial();
        peer.say(&words[..end]);
        peer.finish();
        peer.expect_closed();
    }
    arena.survives();
    words.len() + 1
}

fn flooded(arena: &Arena) -> usize {
    let way = dialler();
    // The same request with a wrong version, without end.
    let wrong = connect(23, 1, 20, &none()[..20]).repeat(2000);
    let mut peer = arena.server.dial();
    peer.say(&[way[..2].concat(), wrong].concat());
    peer.finish();
    let answers = peer.expect_closed();
    assert!(
        answers.len() < 64 << 10,
        "{} bytes of answers",
        answers.len()
    );
    // A bad authorizer, again and again.
    let bad = connect(24, 1, 4, b"none").repeat(100);
    arena.refuses(
        &[way[..2].concat(), bad].concat(),
        "msgr_faults_auth_attempts",
    );
    let open = way.concat();
    let floods = [
        vec![9; 100_000],
        bytes().u8(14).u64(7).0.repeat(50_000),
        bytes().u8(8).u64(0).0.repeat(50_000),
        message(1, 1).repeat(20_000),
    ];
    for flood in &floods {
        let mut peer = arena.server.dial();
        peer.say(&open);
        flood.chunks(100_000).for_each(|part| peer.say(part));
        peer.finish();
        peer.expect_closed();
    }
    arena.survives();
    // Twice and too far ahead, as in msgr2.
    let mut peer = arena.server.dial();
    let said = [1, 1, 7, 3, 9].map(|seq| message(seq, 1)).concat();
    peer.say(&[open, said].concat());
    let got = [(); 3].map(|()| next_message(&arena.server.told).1.seq);
    assert_eq!(got, [1, 7, 9]);
    floods.len() + 3
}

pub fn at_a_dialler() -> usize {
    let arena = Dialler::new(&[], Policy::lossy_client());
    let way = acceptor(arena.at());
    let mut played = 0;
    let open = way.concat();
    for (words, reason) in unwelcome() {
        arena.leaves("v1", &[&open[..], &words].concat(), reason);
        played += 1;
    }
    for claimed in [4096, 0x7fff_ffff, u32::MAX] {
        let words = [way[0].clone(), reply(1, claimed)].concat();
        arena.leaves("v1", &words, PROTOCOL);
        played += 1;
    }
    let mut elsewhere = way[0].clone();
    elsewhere[13] ^= 1;
    arena.leaves("v1", &elsewhere, "msgr_faults_address");
    // Tags that are no answer, and answers without an end.
    for tag in [0, 6, 7, 8, 9, 14, 15, 17, 255] {
        let words = [way[0].clone(), reply(tag, 0)].concat();
        arena.leaves("v1", &words, PROTOCOL);
        played += 1;
    }
    for tag in [2, 3, 4, 5, 10, 11, 12, 16] {
        let words = [way[0].clone(), reply(tag, 0).repeat(50)].concat();
        let (con, mut peer) = arena.lure("v1");
        peer.say(&words);
        peer.expect_closed();
        assert!(!con.is_connected());
        con.mark_down();
        played += 1;
    }
    for end in 0..=open.len() {
        let (con, mut peer) = arena.lure("v1");
        peer.say(&open[..end]);
        peer.finish();
        peer.expect_closed();
        con.mark_down();
        played += 1;
    }
    arena.survives();
    let closed = counted(&arena.client.messenger, "msgr_faults_peer_closed");
    assert!(closed > 200, "{closed}");
    played + 1
}
