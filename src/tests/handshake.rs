//! Every way a handshake can go.

use std::sync::Arc;
use std::time::Duration;

use crate::proto::{ConMode, Event, LinkDown, Protocol, ProtocolConfig};
use crate::types::{EntityAddrVec, EntityType, Policy, Time};

use super::pair::{
    CLIENT_SOCKET, End, Pair, SERVER, addrs, client_config, clock, config, dialler, message,
    seconds, server_addr, server_config,
};

fn story(client: ProtocolConfig, server: ProtocolConfig) -> (String, String) {
    let mut pair = Pair::new(client, server);
    pair.start();
    while pair.step() {}
    let acceptor = pair.former.first().or(pair.acceptor.as_ref()).unwrap();
    (pair.dialler.story(), acceptor.story())
}

const GIVEN_UP: &str = "CloseSocket; Closed { reset: true }";

#[test]
fn both_ends_open_and_know_each_other() {
    let mut pair = Pair::open();
    let peer = |end: &End| {
        let open = end.events.iter().find_map(|event| match event {
            Event::Open(peer, _) => Some(peer.clone()),
            _ => None,
        });
        open.unwrap()
    };
    let server = peer(&pair.dialler);
    assert_eq!(
        (server.name.to_string(), server.addrs),
        ("osd.3".to_owned(), addrs(SERVER))
    );
    assert_eq!((server.identity.mode, server.lossy), (ConMode::Crc, true));
    let client = peer(pair.acceptor());
    assert_eq!(client.name.to_string(), "client.?");
    assert_eq!(
        client.addrs,
        addrs("any:10.0.0.2:0/5"),
        "the address it has learned"
    );
    assert_eq!(client.features, server.features);
    assert_eq!(pair.dialler.protocol.state_name(), "READY");
}

#[test]
fn the_own_address_is_learned_only_if_wanted_and_unknown() {
    let learned = |local: &str, learn: bool| {
        let mut settings = client_config();
        settings.learn_addr = learn;
        let mut pair = Pair::new(client_config(), server_config());
        let protocol = Protocol::connect(
            Arc::new(settings),
            addrs(local),
            EntityType::OSD,
            addrs(SERVER),
            1,
        );
        pair.dialler = End::new(protocol);
        pair.start();
        pair.drive();
        let event = pair.dialler.events.iter().find_map(|event| match event {
            Event::Learned(addr) => Some(addr.to_string()),
            _ => None,
        });
        event.unwrap_or_default()
    };
    assert_eq!(learned("any:/5", true), "any:10.0.0.2:0/5");
    assert_eq!(learned("v2:0.0.0.0:6801/9", true), "v2:10.0.0.2:6801/9");
    assert_eq!(learned("any:/5", false), "");
    assert_eq!(learned("any:10.9.9.9:0/5", true), "");
}

#[test]
fn an_acceptor_on_the_wildcard_is_whatever_address_was_dialled() {
    for (local, opens) in [
        ("v2:0.0.0.0:6800/7", true),
        ("[v2:0.0.0.0:6800/7,v1:0.0.0.0:6801/7]", true),
        ("v2:10.0.0.1:6800/7", true),
        ("v2:10.0.0.9:6800/7", false),
        ("v2:0.0.0.0:6801/7", false),
        ("v2:0.0.0.0:6800/8", false),
        ("v1:0.0.0.0:6800/7", false),
    ] {
        let mut pair = Pair::plain();
        pair.start();
        let from = CLIENT_SOCKET.parse().unwrap();
        let server = Arc::new(server_config());
        pair.acceptor = Some(End::new(Protocol::accept(
            server,
            addrs(local),
            from,
            1,
            Time::ZERO,
        )));
        while pair.step() {}
        assert_eq!(
            pair.dialler.opened() == 1,
            opens,
            "{local}: {}",
            pair.dialler.story()
        );
        if !opens {
            let why = format!("fault: peer wants {SERVER}, which is not us; CloseSocket");
            assert!(
                pair.former[0].story().starts_with(&why),
                "{}",
                pair.former[0].story()
            );
        }
    }
}

#[test]
fn a_failed_attempt_is_followed_by_longer_and_longer_pauses() {
    let mut end = End::new(dialler(client_config()));
    end.protocol.start(Time::ZERO, &mut end.events);
    let mut now = Time::ZERO;
    for pause in [200, 400, 800, 1600, 3200, 6400, 12_800, 15_000, 15_000] {
        end.disconnect(LinkDown::Refused, now);
        assert_eq!(end.protocol.state_name(), "BACKOFF");
        // A random part of the second half keeps many diallers apart.
        let due = end.protocol.poll_timeout().unwrap();
        let pause = Duration::from_millis(pause);
        assert!(
            (pause / 2..=pause).contains(&(due - now)),
            "{:?}",
            due - now
        );
        now = end.time_out();
        assert_eq!(end.events.last(), Some(&Event::Dial(server_addr())));
    }
    assert_eq!(end.count(|event| *event == Event::Refused), 9);
    let first = "dial v2:10.0.0.1:6800/7; fault: connection refused; Refused; CloseSocket; dial";
    assert!(end.story().starts_with(first));
}

#[test]
fn a_dial_that_is_never_answered_is_given_up_in_time_and_tried_again() {
    let mut end = End::new(dialler(client_config()));
    end.protocol.start(Time::ZERO, &mut end.events);
    assert_eq!(end.time_out(), Time::ZERO + seconds(10));
    let again = end.time_out();
    end.protocol.handle_connected(None, again + seconds(1));
    assert_eq!(end.protocol.state_name(), "BANNER_CONNECTING");
    let due = again + seconds(10);
    assert_eq!(end.time_out(), due, "the time runs from the dial on");
    assert_eq!(end.count(|event| matches!(event, Event::Fault { .. })), 2);
}

#[test]
fn messages_queued_before_a_lost_attempt_go_out_on_the_next() {
    let mut pair = Pair::plain();
    pair.send(message(1, 10, 0, 0));
    pair.start();
    pair.step();
    pair.cut();
    pair.drive();
    assert_eq!(pair.acceptor().messages().count(), 1);
}

#[test]
fn a_peer_of_another_type_is_given_up() {
    let (dialler, _) = story(client_config(), config("mds.3", Policy::stateless_server()));
    let told = format!("fault: dialled a osd, but a mds answered; {GIVEN_UP}");
    assert!(dialler.ends_with(&told), "{dialler}");
}

#[test]
fn a_missing_banner_feature_ends_both_ends() {
    let needs = |mut settings: ProtocolConfig, bit: u64| {
        settings.msgr2_supported |= bit;
        settings.msgr2_required = bit;
        settings
    };
    let (dialler, acceptor) = story(needs(client_config(), 4), server_config());
    assert!(dialler.ends_with(&format!("fault: peer lacks msgr2 features 0x4; {GIVEN_UP}")));
    assert!(acceptor.ends_with("msgr2 features 0x4; CloseSocket; Closed { reset: false }"));
    let (dialler, _) = story(client_config(), needs(server_config(), 4));
    assert!(dialler.ends_with(&format!(
        "fault: peer requires msgr2 features 0x4; {GIVEN_UP}"
    )));
}

#[test]
fn a_missing_feature_is_named_and_the_dialler_tries_again_later() {
    let mut policy = Policy::stateless_server();
    policy.features_required = 1 << 62;
    let (dialler, acceptor) = story(client_config(), config("osd.3", policy));
    let told = "fault: peer requires features 0x4000000000000000; CloseSocket";
    assert!(dialler.ends_with(told), "{dialler}");
    assert!(!acceptor.contains("open"));
}

#[test]
fn without_mode_crc_there_is_no_authentication() {
    let mut secure = client_config();
    secure.modes.client = vec![ConMode::Secure];
    let (dialler, _) = story(secure, server_config());
    let told = format!("fault: no connection mode is allowed that goes with auth none; {GIVEN_UP}");
    assert!(dialler.ends_with(&told), "{dialler}");

    let mut secure = server_config();
    secure.modes.service = vec![ConMode::Secure];
    let (dialler, _) = story(client_config(), secure);
    let told = "fault: peer takes auth none, but in no connection mode that is allowed here";
    assert!(
        dialler.ends_with(&format!("{told}; {GIVEN_UP}")),
        "{dialler}"
    );
}

#[test]
fn a_peer_without_an_address_to_dial_cannot_be_dialled() {
    for peer in [
        EntityAddrVec::default(),
        addrs("any:10.0.0.1:6789"),
        addrs("v1:0.0.0.0:6789"),
        addrs("v1:10.0.0.1:0"),
    ] {
        let local = addrs("any:/5");
        let protocol =
            Protocol::connect(Arc::new(client_config()), local, EntityType::MON, peer, 1);
        let mut end = End::new(protocol);
        end.protocol.start(Time::ZERO, &mut end.events);
        assert_eq!(
            end.story(),
            format!("fault: peer has no address to dial; {GIVEN_UP}")
        );
    }
}

/// A control frame of msgr2.1.
pub fn frame(tag: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag, 1];
    bytes.extend((payload.len() as u32).to_le_bytes());
    bytes.extend([8, 0]);
    bytes.resize(28, 0);
    bytes.extend((!crc32c::crc32c_append(u32::MAX, &bytes)).to_le_bytes());
    bytes.extend(payload);
    bytes.extend((!crc32c::crc32c(payload)).to_le_bytes());
    bytes
}

/// An acceptor that a real dialler has led to that state.
fn acceptor_in(state: &str) -> End {
    let mut dialler = End::new(dialler(client_config()));
    dialler.protocol.start(Time::ZERO, &mut dialler.events);
    dialler.protocol.handle_connected(None, Time::ZERO);
    let mut acceptor = End::new(super::pair::acceptor(server_config()));
    while acceptor.protocol.state_name() != state {
        let bytes = acceptor.transmit_all(Time::ZERO);
        dialler.receive(&bytes, Time::ZERO);
        let bytes = dialler.transmit_all(Time::ZERO);
        assert!(!bytes.is_empty(), "it never gets to {state}");
        // Frame by frame: the next may lead past the state.
        for byte in bytes {
            if acceptor.protocol.state_name() != state {
                acceptor.receive(&[byte], Time::ZERO);
            }
        }
    }
    acceptor.transmit_all(Time::ZERO);
    acceptor
}

#[test]
fn a_reconnect_is_answered_with_a_reset_and_a_new_session_may_follow() {
    let mut acceptor = acceptor_in("SESSION_ACCEPTING");
    let mut reconnect = vec![2, 0, 0, 0, 0];
    reconnect.extend([0; 40]);
    acceptor.receive(&frame(11, &reconnect), Time::ZERO);
    assert_eq!(acceptor.transmit_all(Time::ZERO), frame(12, &[1]));
    assert_eq!(acceptor.protocol.state_name(), "SESSION_ACCEPTING");
    assert_eq!(acceptor.story(), "");
}

#[test]
fn bad_credentials_are_declined_and_after_eight_tries_the_link_ends() {
    let mut acceptor = acceptor_in("AUTH_ACCEPTING");
    // Method none, modes [crc], a payload that asks for nothing known.
    let request = [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9];
    let declined = [
        1, 0, 0, 0, 0xf3, 0xff, 0xff, 0xff, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0,
    ];
    for _ in 0..7 {
        acceptor.receive(&frame(2, &request), Time::ZERO);
        assert_eq!(acceptor.transmit_all(Time::ZERO), frame(3, &declined));
    }
    assert_eq!(acceptor.count(|event| matches!(event, Event::Denied(_))), 7);
    acceptor.receive(&frame(2, &request), Time::ZERO);
    let story = acceptor.story();
    assert!(
        story.contains("; fault: too many authentication attempts"),
        "{story}"
    );
}

#[test]
fn an_empty_claim_is_enough_for_an_acceptor() {
    let mut acceptor = acceptor_in("AUTH_ACCEPTING");
    let request = [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    acceptor.receive(&frame(2, &request), Time::ZERO);
    assert_eq!(acceptor.protocol.state_name(), "AUTH_ACCEPTING_SIGN");
    let mut proof = [0; 32];
    proof[31] = 1;
    acceptor.receive(&frame(7, &proof), Time::ZERO);
    assert!(
        acceptor
            .story()
            .starts_with("fault: wrong authentication signature")
    );
}

#[test]
fn a_handshake_of_65_frames_or_of_more_than_64_kib_is_none() {
    let why = "fault: handshake without an end; CloseSocket; Closed { reset: false }";
    let mut reconnect = vec![2, 0, 0, 0, 0];
    reconnect.extend([0; 40]);
    let mut acceptor = acceptor_in("SESSION_ACCEPTING");
    // HELLO, AUTH_REQUEST, AUTH_SIGNATURE and COMPRESSION_REQUEST are four.
    for _ in 5..=64 {
        acceptor.receive(&frame(11, &reconnect), Time::ZERO);
    }
    assert_eq!(acceptor.story(), "");
    acceptor.receive(&frame(11, &reconnect), Time::ZERO);
    assert_eq!(acceptor.story(), why);

    let mut acceptor = acceptor_in("AUTH_ACCEPTING");
    let mut request = vec![4, 0, 0, 0, 0, 0, 0, 0];
    request.extend(16_000_u32.to_le_bytes());
    request.resize(request.len() + 16_000, 0);
    for _ in 0..4 {
        acceptor.receive(&frame(2, &request), Time::ZERO);
    }
    let denied = "denied: no authentication method in common with the peer; ".repeat(4);
    assert_eq!(format!("{}; ", acceptor.story()), denied);
    acceptor.receive(&frame(2, &request), Time::ZERO);
    assert_eq!(acceptor.story(), format!("{denied}{why}"));
}

#[test]
fn a_dialler_told_to_wait_comes_back_soon_if_the_peer_does_not() {
    let mut pair = Pair::plain();
    pair.start();
    while pair.dialler.protocol.state_name() != "SESSION_CONNECTING" {
        assert!(pair.step());
    }
    let wait = &frame(16, b"")[..32];
    pair.dialler.receive(wait, Time::ZERO);
    assert!(
        pair.dialler
            .story()
            .ends_with("fault: peer said to wait; CloseSocket")
    );
    let due = pair.dialler.protocol.poll_timeout().unwrap();
    assert!(due <= Time::ZERO + Duration::from_millis(200), "{due:?}");
}

#[test]
fn a_dialler_ignores_input_while_it_has_no_link() {
    let mut end = End::new(dialler(client_config()));
    assert_eq!(end.protocol.poll_timeout(), None);
    end.receive(b"whatever", Time::ZERO);
    end.disconnect(LinkDown::Eof, Time::ZERO);
    assert_eq!(end.protocol.poll_transmit(clock(Time::ZERO), &mut []), 0);
    assert!(end.events.is_empty());
}

#[test]
fn a_handshake_may_be_held_to_less() {
    let limited = |change: fn(&mut ProtocolConfig), input: &[Vec<u8>]| {
        let mut settings = server_config();
        change(&mut settings);
        let mut acceptor = End::new(super::pair::acceptor(settings));
        acceptor.receive(
            b"ceph v2\n\x10\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            Time::ZERO,
        );
        let mut hello = vec![8, 1, 1, 1, 28, 0, 0, 0];
        hello.resize(hello.len() + 28, 0);
        acceptor.receive(&frame(1, &hello), Time::ZERO);
        assert_eq!(acceptor.protocol.state_name(), "AUTH_ACCEPTING");
        input
            .iter()
            .for_each(|frame| acceptor.receive(frame, Time::ZERO));
        acceptor.story()
    };
    let mut request = vec![4, 0, 0, 0, 0, 0, 0, 0];
    request.extend(1000_u32.to_le_bytes());
    request.resize(request.len() + 1000, 0);
    let input = [frame(2, &request), frame(2, &request)];
    let story = limited(|_| {}, &input);
    assert!(!story.contains("fault"), "{story}");
    let story = limited(|settings| settings.handshake.bytes = 2000, &input);
    assert!(
        story.contains("; fault: handshake without an end"),
        "{story}"
    );
    let half = [input[0].clone(), input[1][..900].to_vec()];
    let story = limited(|settings| settings.handshake.bytes = 1900, &half);
    assert!(
        story.contains("fault: handshake without an end"),
        "what is kept of half a frame counts: {story}"
    );
    let story = limited(|settings| settings.handshake.frame = 1000, &input);
    assert!(
        story.starts_with("fault: AuthRequest frame of 1012 bytes"),
        "{story}"
    );
    let story = limited(|settings| settings.handshake.auth_requests = 2, &input);
    assert!(
        story.contains("fault: too many authentication attempts"),
        "{story}"
    );
}

#[test]
fn who_trickles_its_handshake_has_no_more_time_than_others() {
    let mut acceptor = End::new(super::pair::acceptor(server_config()));
    let banner = b"ceph v2\n\x10\0\x01\0";
    for (byte, second) in banner.iter().zip(0..) {
        assert_eq!(
            acceptor.protocol.poll_timeout(),
            Some(Time::ZERO + seconds(10))
        );
        acceptor.receive(&[*byte], Time::ZERO + seconds(second));
    }
    acceptor
        .protocol
        .handle_timeout(Time::ZERO + seconds(10), &mut acceptor.events);
    assert!(acceptor.story().starts_with("fault: not open in time"));
}

/// A dialler of a peer with three addresses, the first of which is being dialled.
fn dialler_of_several() -> End {
    let protocol = Protocol::connect(
        Arc::new(client_config()),
        addrs("any:/5"),
        EntityType::OSD,
        addrs("[v2:[::1]:6800/7,v2:10.0.0.1:6800/7,v2:10.0.0.1:6801/7]"),
        1,
    );
    let mut dialler = End::new(protocol);
    dialler.protocol.start(Time::ZERO, &mut dialler.events);
    assert_eq!(dialler.story(), "dial v2:[::1]:6800/7");
    dialler.events.clear();
    dialler
}

/// What it tells of a dial that fails.
fn failed_dial(dialler: &mut End, why: LinkDown) -> String {
    dialler
        .protocol
        .handle_disconnected(why, Time::ZERO, &mut dialler.events);
    let story = dialler.story();
    dialler.events.clear();
    story
}

#[test]
fn an_address_without_anybody_is_followed_by_the_next_at_once() {
    let mut dialler = dialler_of_several();
    let unreachable = LinkDown::Io(std::io::ErrorKind::NetworkUnreachable);
    let story = failed_dial(&mut dialler, unreachable);
    assert!(
        story.ends_with("CloseSocket; dial v2:10.0.0.1:6800/7"),
        "{story}"
    );
    let story = failed_dial(&mut dialler, LinkDown::Refused);
    assert!(
        story.ends_with("CloseSocket; dial v2:10.0.0.1:6801/7") && !story.contains("Refused;"),
        "nobody is told that it was refused while there is hope: {story}"
    );
    let story = failed_dial(&mut dialler, LinkDown::Refused);
    assert!(
        story.contains("; Refused;") && story.ends_with("CloseSocket"),
        "{story}"
    );
    // That was the round; after a pause the next one begins at the front.
    let pause = dialler.protocol.poll_timeout().unwrap();
    assert!(pause > Time::ZERO && pause <= Time::ZERO + Duration::from_millis(200));
    dialler.protocol.handle_timeout(pause, &mut dialler.events);
    assert_eq!(dialler.story(), "dial v2:[::1]:6800/7");
}

#[test]
fn an_address_where_something_else_listens_is_followed_by_the_next() {
    for banner in ["ceph v027", "HTTP/1.1", "ceph v2\n\0\0"] {
        let mut dialler = dialler_of_several();
        dialler.protocol.handle_connected(None, Time::ZERO);
        dialler.receive(banner.as_bytes(), Time::ZERO);
        let story = dialler.story();
        assert!(
            story.ends_with("CloseSocket; dial v2:10.0.0.1:6800/7"),
            "{story}"
        );
    }
}

#[test]
fn an_address_that_never_answers_is_followed_by_the_next() {
    let mut dialler = dialler_of_several();
    let due = dialler.protocol.poll_timeout().unwrap();
    dialler.protocol.handle_timeout(due, &mut dialler.events);
    let story = dialler.story();
    assert!(
        story.ends_with("CloseSocket; dial v2:10.0.0.1:6800/7"),
        "{story}"
    );
    assert_eq!(dialler.protocol.poll_timeout(), Some(due + seconds(10)));
}

#[test]
fn a_peer_that_was_there_is_not_looked_for_elsewhere() {
    let mut dialler = dialler_of_several();
    dialler.protocol.handle_connected(None, Time::ZERO);
    let banner = b"ceph v2\n\x10\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    dialler.receive(banner, Time::ZERO);
    let story = failed_dial(&mut dialler, LinkDown::Eof);
    assert!(story.ends_with("CloseSocket"), "{story}");
    assert_eq!(dialler.protocol.state_name(), "BACKOFF");
}
