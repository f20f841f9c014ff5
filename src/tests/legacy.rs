//! v1 between two ends of ours, and against a peer that does not behave.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::proto::{Event, HandshakeLimits, LinkDown, Outgoing, Protocol, ProtocolConfig, Verdict};
use crate::types::{EntityType, Message, Policy, Time, features};

use super::exchange::shapes;
use super::pair::{
    CLIENT_SOCKET, End, Pair, Pipes, SERVER_V1, SMOOTH, acceptor_of_v1, addrs, client_config,
    config, message, server_config,
};

const NOW: Time = Time::ZERO;

const READY: u8 = 1;
const RESET_SESSION: u8 = 2;
const WAIT: u8 = 3;
const RETRY_SESSION: u8 = 4;
const RETRY_GLOBAL: u8 = 5;
const BAD_PROTOCOL_VERSION: u8 = 10;
const BAD_AUTHORIZER: u8 = 11;
const FEATURES: u8 = 12;
const SEQ: u8 = 13;
const CHALLENGE: u8 = 16;

fn without(bits: u64, mut config: ProtocolConfig, policy: Policy) -> ProtocolConfig {
    config.policies.set_default(Policy {
        features_supported: policy.features_supported & !bits,
        ..policy
    });
    config
}

#[test]
fn messages_of_all_shapes_arrive_unchanged_whatever_features_the_ends_share() {
    let (client, server) = (Policy::lossy_client(), Policy::stateless_server());
    for bits in [
        0,
        features::RECONNECT_SEQ,
        features::MSG_AUTH,
        features::MSGR_KEEPALIVE2,
        u64::MAX,
    ] {
        for refuse in [false, true] {
            let client = without(bits, client_config(), client);
            let mut pair = Pair::legacy(client, without(0, server_config(), server));
            pair.dialler.refuse = refuse;
            pair.replies = shapes();
            shapes().into_iter().for_each(|message| pair.send(message));
            pair.start();
            pair.drive();
            for end in [&pair.dialler, pair.acceptor.as_ref().unwrap()] {
                let got: Vec<&Message> = end.messages().collect();
                assert_eq!(got.len(), shapes().len(), "{}", end.story());
                for (seq, (got, sent)) in (1..).zip(got.into_iter().zip(shapes())) {
                    assert_eq!(*got, Message { seq, ..sent });
                }
                assert_eq!(end.balance, 0);
            }
        }
    }
}

#[test]
fn reads_and_writes_of_every_size_carry_the_same_messages() {
    for (read, write) in [
        (1, 1),
        (1, 4000),
        (53, 54),
        (54, 53),
        (77, 1000),
        (65_537, 16 << 10),
    ] {
        let mut pair = Pair::legacy(client_config(), server_config());
        pair.pipes = Pipes {
            read,
            write,
            slices: 1 + read % 5,
            ..SMOOTH
        };
        let few = if read.min(write) < 16 { 6 } else { 9 };
        let sent: Vec<_> = shapes().into_iter().take(few).collect();
        sent.iter().for_each(|message| pair.send(message.clone()));
        pair.start();
        pair.drive();
        assert_eq!(pair.acceptor().messages().count(), few, "{read} {write}");
    }
}

#[test]
fn data_without_a_crc_arrives_where_both_want_it_so() {
    let bare = |mut config: ProtocolConfig| {
        config.crc_data = false;
        config
    };
    let mut pair = Pair::legacy(bare(client_config()), bare(server_config()));
    shapes().into_iter().for_each(|message| pair.send(message));
    pair.start();
    pair.drive();
    assert_eq!(pair.acceptor().messages().count(), shapes().len());
}

#[test]
fn both_ends_open_and_know_each_other() {
    let mut pair = Pair::legacy(client_config(), server_config());
    pair.start();
    pair.drive();
    let peer = |end: &End| {
        let found = end.events.iter().find_map(|event| match event {
            Event::Open(peer, _) => {
                Some((peer.name.to_string(), peer.addrs.to_string(), peer.lossy))
            }
            _ => None,
        });
        found.expect("never opened")
    };
    let server = ("osd.?".to_owned(), SERVER_V1.to_owned(), true);
    assert_eq!(peer(&pair.dialler), server);
    let client = ("client.?".to_owned(), "v1:10.0.0.2:0/5".to_owned(), true);
    assert_eq!(peer(pair.acceptor()), client);
}

#[test]
fn a_lossy_connection_is_over_once_its_dialler_has_said_something() {
    let mut pair = Pair::legacy(client_config(), server_config());
    pair.start();
    pair.drive();
    let carried = pair.carried;
    for (direction, total) in carried.into_iter().enumerate() {
        for at in 0..total {
            let mut pair = Pair::legacy(client_config(), server_config());
            pair.pipes.cut = Some((direction, at));
            pair.start();
            pair.drive();
            let told = pair.dialler.story();
            assert!(pair.dialler.was_reset(), "{direction} {at}: {told}");
            let dials = pair.dialler.count(|event| matches!(event, Event::Dial(_)));
            assert_eq!(dials, 1, "{direction} {at}: {told}");
        }
    }
    let mut end = dialler(client_config());
    end.disconnect(LinkDown::Refused, NOW);
    assert_eq!(end.protocol.state_name(), "BACKOFF");
}

fn dialler(config: ProtocolConfig) -> End {
    let mut end = End::new(Protocol::connect(
        Arc::new(config),
        addrs("any:/5"),
        EntityType::OSD,
        addrs(SERVER_V1),
        1,
    ));
    end.protocol.start(NOW, &mut end.events);
    end
}

/// A lossless dialler with something to say, whose CONNECT is out.
fn asking() -> End {
    let mut end = dialler(config("osd.9", Policy::lossless_peer()));
    end.protocol.send(Outgoing::from(message(1, 4, 0, 0)));
    redial(&mut end);
    end
}

/// The socket is up, and the acceptor has said who it is.
fn redial(end: &mut End) {
    end.protocol.handle_connected(None, NOW);
    let mut opening = b"ceph v027".to_vec();
    opening.extend(address([10, 0, 0, 1], 6800, 7));
    opening.extend(address([10, 0, 0, 2], 40_000, 0));
    end.receive(&opening, NOW);
}

pub fn address(ip: [u8; 4], port: u16, nonce: u32) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    bytes.extend(nonce.to_le_bytes());
    bytes.extend([0, 2]);
    bytes.extend(port.to_be_bytes());
    bytes.extend(ip);
    bytes.resize(136, 0);
    bytes
}

pub fn reply(tag: u8, global_seq: u32, connect_seq: u32) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend(features::SUPPORTED_DEFAULT.to_le_bytes());
    bytes.extend(global_seq.to_le_bytes());
    bytes.extend(connect_seq.to_le_bytes());
    bytes.extend(10_u32.to_le_bytes());
    bytes.extend([0; 5]);
    bytes
}

/// The counts in a dialler's last CONNECT: global_seq and connect_seq.
fn counts(end: &mut End) -> (u32, u32) {
    let sent = end.transmit_all(NOW);
    // Method none, and the name of osd.9.
    let connect = &sent[sent.len() - 33 - 18..];
    let word = |at: usize| u32::from_le_bytes(connect[at..at + 4].try_into().unwrap());
    assert_eq!((word(8), word(24), word(28)), (4, 1, 18));
    (word(12), word(16))
}

#[test]
fn a_dialler_counts_on_as_it_is_told() {
    let mut end = asking();
    assert_eq!(counts(&mut end), (1, 0));
    end.receive(&reply(RETRY_GLOBAL, 41, 0), NOW);
    assert_eq!(counts(&mut end), (42, 0));
    end.receive(&reply(RETRY_SESSION, 0, 7), NOW);
    assert_eq!(counts(&mut end), (42, 7));
    end.receive(&reply(RETRY_GLOBAL, u32::MAX, 0), NOW);
    assert_eq!(counts(&mut end), (u32::MAX, 7));
    end.receive(&reply(READY, 5, 8), NOW);
    assert!(end.protocol.is_open(), "{}", end.story());
    assert_eq!(end.transmit_all(NOW).len(), 1 + 53 + 4 + 21);
    // The next attempts count from where the messenger's are.
    end.protocol.keepalive();
    end.disconnect(LinkDown::Eof, NOW);
    end.protocol.handle_connected(None, NOW);
    assert_eq!(end.count(|event| matches!(event, Event::Dial(_))), 2);
}

/// What an acceptor says of a session that it has not granted counts on that socket
/// alone.
#[test]
fn a_session_that_was_only_spoken_of_opens_when_it_is_granted() {
    let mut end = asking();
    end.receive(&reply(RETRY_SESSION, 0, 7), NOW);
    assert_eq!(counts(&mut end), (1, 7));
    end.disconnect(LinkDown::Eof, NOW);
    end.time_out();
    redial(&mut end);
    assert_eq!(counts(&mut end), (2, 0));
    end.receive(&reply(READY, 5, 1), NOW);
    let resumed = end.count(|event| matches!(event, Event::Resumed(..)));
    assert_eq!((end.opened(), resumed), (1, 0), "{}", end.story());
}

/// Two ends that dial each other would otherwise each give way to the other.
#[test]
fn who_meets_an_attempt_is_measured_by_the_count_that_it_tells() {
    let mut end = asking();
    let connect = end.transmit_all(NOW).split_off(9 + 136);
    end.receive(&reply(READY, 1, 1), NOW);
    end.disconnect(LinkDown::Eof, NOW);
    redial(&mut end);
    end.receive(&reply(RETRY_SESSION, 0, 7), NOW);
    let met = |connect_seq: u32| {
        let config = Arc::new(config("osd.9", Policy::lossless_peer()));
        let mut newcomer = End::new(acceptor_of_v1(config, 1, NOW));
        let mut asked = [b"ceph v027", &*address([10, 0, 0, 2], 40_000, 8), &*connect].concat();
        let count = 9 + 136 + 16;
        asked[count..count + 4].copy_from_slice(&connect_seq.to_le_bytes());
        newcomer.receive(&asked, NOW);
        assert!(newcomer.protocol.asked().is_some(), "{}", newcomer.story());
        newcomer.protocol.meet(Some(&end.protocol))
    };
    assert_eq!(met(6), Verdict::Retry(8));
    assert_eq!(met(7), Verdict::Wait);
    assert_eq!(met(8), Verdict::Resume);
}

#[test]
fn a_dialler_is_sent_back_three_times_and_then_pauses() {
    for tag in [RETRY_GLOBAL, RETRY_SESSION, RESET_SESSION] {
        let mut end = asking();
        for round in 1..=4 {
            assert_eq!(end.protocol.state_name(), "CONNECTING_SEND_CONNECT_MSG");
            end.receive(&reply(tag, round, round), NOW);
        }
        assert!(end.story().contains("again and again"), "{}", end.story());
        assert_eq!(end.protocol.state_name(), "BACKOFF", "{tag}");
        assert_eq!(end.count(|event| *event == Event::RemoteReset), 0);
    }
}

#[test]
fn answers_that_end_an_attempt_say_why() {
    for (tag, why) in [
        (WAIT, "peer said to wait"),
        (FEATURES, "peer requires features 0x0"),
        (BAD_PROTOCOL_VERSION, "peer speaks protocol version 10"),
        (RETRY_SESSION, "peer counts 0 attempts in this session"),
        (READY, "peer counts 0 attempts in this session"),
        (99, "malformed handshake: an answer is none that is known"),
    ] {
        let mut end = asking();
        end.receive(&reply(tag, 0, 0), NOW);
        assert!(end.story().contains(why), "{tag}: {}", end.story());
        assert_eq!(end.protocol.state_name(), "BACKOFF", "{tag}");
    }
    let mut end = asking();
    end.receive(&reply(CHALLENGE, 0, 0), NOW);
    assert!(end.story().contains("out of turn"), "{}", end.story());
    assert!(end.was_reset());
}

/// It does not say why: its keys may not have come yet.
#[test]
fn an_acceptor_that_does_not_take_the_authorizer_is_asked_again_but_not_for_ever() {
    let mut end = asking();
    for round in 1..=8 {
        end.receive(&reply(BAD_AUTHORIZER, 0, 0), NOW);
        let why = "peer does not take auth none (error -13)";
        assert!(end.story().contains(why), "{}", end.story());
        assert_eq!(end.was_reset(), round == 8, "round {round}");
        if round < 8 {
            assert_eq!(end.protocol.state_name(), "BACKOFF", "round {round}");
            end.time_out();
            redial(&mut end);
        }
    }
    let mut lossy = dialler(config("osd.9", Policy::lossy_client()));
    redial(&mut lossy);
    lossy.receive(&reply(BAD_AUTHORIZER, 0, 0), NOW);
    assert!(lossy.was_reset(), "it has nothing to lose");
}

/// What becomes of a dialler that announces an authorizer of `len` bytes and sends `part`
/// of it, with those limits.
fn announced(limits: HandshakeLimits, len: u32, part: usize) -> End {
    let mut server = server_config();
    server.handshake = limits;
    let mut end = End::new(acceptor_of_v1(Arc::new(server), 1, NOW));
    let mut asked = b"ceph v027".to_vec();
    asked.extend(address([10, 0, 0, 2], 40_000, 0));
    let mut connect = [0; 33];
    connect[28..32].copy_from_slice(&len.to_le_bytes());
    asked.extend(connect);
    asked.resize(asked.len() + part, 0);
    end.receive(&asked, NOW);
    end
}

#[test]
fn an_authorizer_beyond_the_limit_of_handshake_frames_is_refused_when_it_is_announced() {
    let limits = HandshakeLimits {
        frame: 100,
        ..HandshakeLimits::default()
    };
    assert_eq!(announced(limits, 100, 0).story(), "");
    let refused = announced(limits, 101, 0);
    let story = refused.story();
    assert!(
        story.starts_with("fault: authorizer of 101 bytes"),
        "{story}"
    );
    assert!(refused.protocol.is_closed());
}

#[test]
fn what_is_kept_of_half_a_request_counts() {
    let limits = HandshakeLimits {
        bytes: 200,
        ..HandshakeLimits::default()
    };
    let before = 9 + 136 + 33;
    assert_eq!(announced(limits, 100, 200 - before).story(), "");
    let story = announced(limits, 100, 201 - before).story();
    assert!(
        story.starts_with("fault: handshake without an end"),
        "{story}"
    );
}

#[test]
fn a_reset_loses_what_was_queued_and_goes_on_from_a_number_nobody_knows() {
    let mut end = asking();
    end.receive(&reply(READY, 5, 1), NOW);
    end.transmit_all(NOW);
    end.disconnect(LinkDown::Eof, NOW);
    redial(&mut end);
    assert_eq!(counts(&mut end), (2, 2));
    end.receive(&reply(RESET_SESSION, 0, 0), NOW);
    assert_eq!(counts(&mut end), (2, 0));
    assert_eq!(end.count(|event| *event == Event::RemoteReset), 1);
    let mut granted = reply(SEQ, 5, 1);
    granted.extend(0_u64.to_le_bytes());
    end.receive(&granted, NOW);
    assert_eq!(end.transmit_all(NOW), [0; 8], "it has received nothing");
    end.protocol.send(Outgoing::from(message(2, 4, 0, 0)));
    let sent = end.transmit_all(NOW);
    let seq = u64::from_le_bytes(sent[1..9].try_into().unwrap());
    assert!(seq > 1 && seq <= 1 << 31, "{seq}");
}

#[test]
fn a_dialler_looks_where_it_has_come_to() {
    for (ip, port, nonce, fine) in [
        ([10, 0, 0, 1], 6800, 7, true),
        ([0, 0, 0, 0], 6800, 7, true),
        ([10, 0, 0, 2], 6800, 7, false),
        ([10, 0, 0, 1], 6801, 7, false),
        ([0, 0, 0, 0], 6800, 8, false),
    ] {
        let mut end = dialler(config("osd.9", Policy::lossless_peer()));
        end.protocol.handle_connected(None, NOW);
        let mut opening = b"ceph v027".to_vec();
        opening.extend(address(ip, port, nonce));
        opening.extend(address([10, 0, 0, 2], 40_000, 0));
        end.receive(&opening, NOW);
        let asks = end.protocol.state_name() == "CONNECTING_SEND_CONNECT_MSG";
        assert_eq!(asks, fine, "{ip:?} {port} {nonce}: {}", end.story());
    }
}

/// What an acceptor with such addresses says of itself to whom it has accepted there.
fn told(local: &str, at: &str) -> String {
    let (local, at) = (addrs(local), at.parse().unwrap());
    let from = CLIENT_SOCKET.parse().unwrap();
    let config = Arc::new(server_config());
    let mut end = End::new(Protocol::accept_legacy(config, local, at, from, 1, NOW));
    let said = end.transmit_all(NOW);
    let port = u16::from_be_bytes(said[9 + 10..9 + 12].try_into().unwrap());
    let ip: [u8; 4] = said[9 + 12..9 + 16].try_into().unwrap();
    SocketAddr::from((ip, port)).to_string()
}

#[test]
fn an_acceptor_is_the_one_of_its_addresses_that_was_dialled() {
    let several = "[v2:10.0.0.1:6800/7,v1:10.0.0.1:6801/7,v1:10.0.0.1:6802/7,v1:10.0.0.8:6801/7]";
    for at in ["10.0.0.1:6801", "10.0.0.1:6802", "10.0.0.8:6801"] {
        assert_eq!(told(several, at), at);
    }
    // Bound to a wildcard, or behind a translation of addresses.
    assert_eq!(told(several, "0.0.0.0:6802"), "10.0.0.1:6802");
    assert_eq!(told(several, "192.168.0.1:9999"), "10.0.0.1:6801");
    let both = "[v1:[::1]:6801/7,v1:10.0.0.1:6801/7]";
    assert_eq!(told(both, "0.0.0.0:6801"), "10.0.0.1:6801");
}

#[test]
fn ends_of_different_protocols_find_out_at_once() {
    let from = CLIENT_SOCKET.parse().unwrap();
    let server = || Arc::new(server_config());
    let mut old = End::new(acceptor_of_v1(server(), 1, NOW));
    old.receive(b"ceph v2\n", NOW);
    assert!(
        old.story().contains("peer speaks msgr v2"),
        "{}",
        old.story()
    );
    let mut new = End::new(Protocol::accept(
        server(),
        addrs("v2:10.0.0.1:6800/7"),
        from,
        1,
        NOW,
    ));
    new.receive(b"ceph v027", NOW);
    assert!(
        new.story().contains("peer speaks msgr v1"),
        "{}",
        new.story()
    );
}

#[test]
fn keepalives_are_answered_and_not_sent_to_who_does_not_know_them() {
    let acks = |end: &End| end.count(|event| matches!(event, Event::KeepaliveAck(_)));
    for (bits, answers) in [(0, 1), (features::MSGR_KEEPALIVE2, 0)] {
        let client = without(bits, client_config(), Policy::lossy_client());
        let mut pair = Pair::legacy(client, server_config());
        pair.start();
        pair.drive();
        pair.dialler.protocol.keepalive();
        pair.drive();
        assert_eq!(acks(&pair.dialler), answers);
        assert!(pair.dialler.protocol.is_open() && !pair.dialler.protocol.has_unsent());
    }
}
