//! Sessions of a real monitor, resumed, declined and raced for: our ends say
//! what it said.

use std::sync::Arc;

use crate::proto::captured::conversation;
use crate::proto::{Event, LinkDown, Protocol, ProtocolConfig, Verdict};
use crate::types::{EntityType, Policy, Time};

use super::captures::captured_message;
use super::pair::{End, addrs, config};

const HELLO: u8 = 1;
const AUTH_DONE: u8 = 6;
const CLIENT_IDENT: u8 = 8;
const SERVER_IDENT: u8 = 9;
const RECONNECT: u8 = 11;
const MESSAGE: u8 = 17;
const KEEPALIVE2: u8 = 18;

const MONITOR: &str = "[v2:127.0.0.1:13300/0,v1:127.0.0.1:16789/0]";
const NOW: Time = Time::ZERO;

fn monitor(required: u64) -> Arc<ProtocolConfig> {
    let mut policy = Policy::lossless_peer_reuse();
    policy.features_required = required;
    let mut settings = config("mon.a", policy);
    // Compression came later.
    settings.msgr2_supported = 1;
    Arc::new(settings)
}

/// A number of 8 bytes that ends so far from a unit's end.
fn number(unit: &[u8], from_end: usize) -> u64 {
    let end = unit.len() - from_end;
    u64::from_le_bytes(unit[end - 8..end].try_into().unwrap())
}

/// The unit without what is drawn at random, counted since the process began,
/// or given by the cluster; and without the crc over it.
fn without_the_private(unit: &[u8]) -> Vec<u8> {
    let mut rest = unit.to_vec();
    let len = rest.len();
    let private = match unit[0] {
        // Crc and cookie; global_seq and gid.
        CLIENT_IDENT | SERVER_IDENT => [len - 12..len, len - 52..len - 36],
        // Crc; global_seq; server and client cookie.
        RECONNECT => [len - 4..len, len - 44..len - 20],
        // The stamp and its crc.
        AUTH_DONE | KEEPALIVE2 => [32..len, 0..0],
        _ => [0..0, 0..0],
    };
    for range in private {
        rest[range].fill(0);
    }
    rest
}

fn same(ours: &[u8], theirs: &[u8], name: &str) {
    assert_eq!(
        without_the_private(ours),
        without_the_private(theirs),
        "{name}, unit with tag {}",
        theirs[0]
    );
}

/// Lets `end`, which has just been connected, say the dialler's part.
fn play_dialler(end: &mut End, name: &str, messages: bool) -> Vec<Vec<u8>> {
    end.protocol.handle_connected(None, NOW);
    let (mut said, mut ours) = (Vec::new(), Vec::new());
    for (from_dialler, unit) in conversation(name) {
        if !from_dialler {
            end.receive(&unit, NOW);
        } else if unit[0] == MESSAGE && messages {
            let mut message = captured_message(&unit, true);
            (message.priority, message.compat_version) = (196, 5);
            end.protocol.send(message);
        }
        ours.extend(end.transmit_all(NOW));
        if from_dialler {
            let sent: Vec<u8> = ours.drain(..unit.len()).collect();
            same(&sent, &unit, name);
            said.push(sent);
        }
    }
    assert_eq!(ours, b"", "{name}: more than the capture has");
    said
}

#[test]
fn our_dialler_resumes_and_starts_over_as_a_real_monitor_does() {
    let mut end = End::new(Protocol::connect(
        monitor(0x20_0000),
        addrs(MONITOR),
        EntityType::MON,
        addrs("v2:127.0.0.1:13301/0"),
        1,
    ));
    end.protocol.start(NOW, &mut end.events);
    let first = play_dialler(&mut end, "06a-peer-first", true);
    let cookie = number(&first[4], 4);
    assert_ne!(cookie, 0);
    end.disconnect(LinkDown::Eof, NOW);

    // The message that nobody acknowledged comes again, under its number.
    let again = play_dialler(&mut end, "06b-peer-reconnect-replay", false);
    let (client, server) = (number(&again[4], 36), number(&again[4], 28));
    assert_eq!((client, server), (cookie, 0x5555));
    assert_eq!(end.protocol.take_released(), 63);

    // With nothing to say it would rest; a keepalive keeps it from that.
    end.protocol.keepalive();
    end.disconnect(LinkDown::Eof, NOW);
    let declined = play_dialler(&mut end, "06c-peer-retry-retryglobal-reset-wait", false);
    let [first, retried, retried_global, ident] = &declined[4..] else {
        panic!("{} units", declined.len());
    };
    assert_eq!(number(first, 20), number(retried, 20));
    assert_eq!(number(retried_global, 20), 1001);
    assert_eq!(number(ident, 36), 1001);
    assert_ne!(number(ident, 4), cookie, "a new session has a new name");
    assert_eq!(end.count(|event| *event == Event::RemoteReset), 1);
    assert!(
        end.story()
            .ends_with("fault: peer said to wait; CloseSocket")
    );
}

/// Plays our acceptor against a captured dialler; `session` is what it has of
/// earlier links. Returns the end that has the socket then.
fn play_acceptor(name: &str, required: u64, session: Option<End>) -> End {
    let from = "127.0.0.1:40000".parse().unwrap();
    let protocol = Protocol::accept(monitor(required), addrs(MONITOR), from, 2, NOW);
    let (mut end, mut session) = (End::new(protocol), session);
    let mut ours = end.transmit_all(NOW);
    let conversation = conversation(name);
    for (from_dialler, unit) in &conversation {
        if *from_dialler {
            end.receive(unit, NOW);
            if end.protocol.asked().is_some() {
                answer(&mut end, &mut session);
            }
            continue;
        }
        if unit[0] == MESSAGE {
            let mut message = captured_message(unit, true);
            message.priority = 196;
            message.compat_version = if message.version == 8 { 5 } else { 0 };
            end.protocol.send(message);
        }
        ours.extend(end.transmit_all(NOW));
    }
    for (_, unit) in conversation.iter().filter(|(dialler, _)| !*dialler) {
        let sent: Vec<u8> = ours.drain(..unit.len()).collect();
        match unit[0] {
            // It tells the dialler its port, which differs.
            HELLO => assert_eq!(sent[..40], unit[..40], "{name}: HELLO"),
            _ => same(&sent, unit, name),
        }
    }
    assert_eq!(ours, b"", "{name}: more than the capture has");
    session.unwrap_or(end)
}

/// What the owner of all sessions does; afterwards `end` has the socket.
fn answer(end: &mut End, session: &mut Option<End>) {
    let existing = session.as_ref().map(|known| &known.protocol);
    match end.protocol.meet(existing) {
        Verdict::New => end.protocol.grant(NOW, &mut end.events),
        verdict @ (Verdict::Replace { .. } | Verdict::Resume) => {
            let mut known = session.take().expect("a session");
            let reset = verdict == Verdict::Replace { reset: true };
            let events = &mut known.events;
            known
                .protocol
                .take_over(&mut end.protocol, reset, NOW, events);
            *end = known;
        }
        refusal => {
            if let (Verdict::Wait, Some(known)) = (refusal, session) {
                known.protocol.insist(NOW, &mut known.events);
            }
            end.protocol.refuse(refusal);
        }
    }
}

const ACCEPTING: u64 = 0x0c01_0200_0204_0000;

#[test]
fn our_acceptor_answers_reconnects_as_a_real_monitor_does() {
    let end = play_acceptor("09a-session-first", ACCEPTING, None);
    let end = play_acceptor("09b-session-reconnect-ok", ACCEPTING, Some(end));
    assert_eq!(end.messages().count(), 2);
    let end = play_acceptor("09c-session-retry-global-retry-ok", ACCEPTING, Some(end));
    assert_eq!(end.count(|event| matches!(event, Event::Resumed(..))), 2);
    let end = play_acceptor("09d-session-reset-new-ident", ACCEPTING, Some(end));
    assert_eq!(end.count(|event| *event == Event::RemoteReset), 1);
    assert_eq!(end.opened(), 2);
}

#[test]
fn of_two_that_dial_each_other_the_same_attempt_survives_as_at_a_real_monitor() {
    let dialling = |peer| {
        let peer = addrs(peer);
        let local = addrs(MONITOR);
        let mut end = End::new(Protocol::connect(
            monitor(0x20_0000),
            local,
            EntityType::MON,
            peer,
            3,
        ));
        end.protocol.start(NOW, &mut end.events);
        end
    };
    let larger = dialling("[v2:127.0.0.1:13301/0,v1:127.0.0.1:13306/0]");
    let mut end = play_acceptor("08a-race-monitor-wins-ours", 0x20_0000, Some(larger));
    assert_eq!(end.protocol.state_name(), "START_CONNECT");
    // The winner makes sure that its attempt goes through, by a keepalive.
    play_dialler(&mut end, "08a-race-monitor-wins-theirs", true);
    assert_eq!(end.opened(), 1);
    let smaller = dialling("[v2:127.0.0.1:13299/0,v1:127.0.0.1:13304/0]");
    let end = play_acceptor("08b-race-peer-wins-ours", 0x20_0000, Some(smaller));
    assert_eq!(end.opened(), 1);
}
