//! Authentication by a method of the host's: what it may say, and what the peer may say
//! meanwhile.

use std::sync::Arc;

use crate::proto::{
    Agreed, Answer, ConMode, ConnectionModes, Event, METHOD_CEPHX, Protocol, ProtocolConfig,
    Question, SessionKey, Signatures,
};
use crate::types::{EntityType, Message, Policy, Secret, Time};

use super::handshake::frame;
use super::pair::{
    CLIENT_SOCKET, End, SERVER, SERVER_V1, SMOOTH, acceptor_of_v1, addrs, clock, config,
};

const NOW: Time = Time::ZERO;

/// What a peer may send before it has a session.
const BUDGET: usize = 64 << 10;

const BANNER: &[u8] = b"ceph v2\n\x10\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const AUTH_REQUEST: u8 = 2;
const PREAMBLE_LEN: usize = 32;

/// The last byte of a signed message, and of one that is not.
const COMPLETE_SIGNED: u8 = 5;
const COMPLETE: u8 = 1;

fn asks_its_host(name: &str) -> ProtocolConfig {
    let mut config = config(name, Policy::lossless_peer());
    config.auth.by_host = true;
    config.modes = ConnectionModes::all(&[ConMode::Crc]);
    config
}

/// A dialler whose socket is up.
fn dialler(config: ProtocolConfig, peer: &str) -> End {
    let (local, peer) = (addrs("any:/5"), addrs(peer));
    let config = Arc::new(config);
    let mut end = End::new(Protocol::connect(config, local, EntityType::OSD, peer, 1));
    end.protocol.start(NOW, &mut end.events);
    end.protocol.handle_connected(None, NOW);
    end
}

fn acceptor(config: ProtocolConfig) -> End {
    let from = CLIENT_SOCKET.parse().unwrap();
    let protocol = Protocol::accept(Arc::new(config), addrs(SERVER), from, 2, NOW);
    End::new(protocol)
}

fn reply(end: &mut End, answer: Answer) {
    let clock = clock(NOW);
    end.protocol.handle_auth(answer, clock, &mut end.events);
    end.receive(&[], NOW);
}

/// The payload of the AUTH_REQUEST that a dialler makes of its host's first answer, or why
/// it makes none.
fn requested(allowed: &[ConMode], wanted: &[ConMode]) -> Result<Vec<u8>, String> {
    let mut config = asks_its_host("osd.5");
    config.modes = ConnectionModes::all(allowed);
    let mut end = dialler(config, SERVER);
    let hello = [&[4, 1, 1, 1, 28, 0, 0, 0][..], &[0; 28]].concat();
    end.receive(&[BANNER, &frame(1, &hello)].concat(), NOW);
    let said = end.transmit_all(NOW).len();
    assert!(end.protocol.awaits_host(), "{}", end.story());
    let request = Answer::Request {
        method: 7,
        modes: wanted.iter().map(|mode| mode.code()).collect(),
        payload: b"hello".to_vec(),
    };
    reply(&mut end, request);
    let bytes = end.transmit_all(NOW);
    match bytes.first() {
        Some(&AUTH_REQUEST) => Ok(bytes[PREAMBLE_LEN..bytes.len() - 4].to_vec()),
        _ => Err(format!("{said} bytes; {}", end.story())),
    }
}

#[test]
fn a_host_wants_no_mode_that_the_options_do_not_allow() {
    use ConMode::{Crc, Secure};
    for (allowed, wanted, offered) in [
        (&[Crc][..], &[Secure, Crc][..], &[1_u8][..]),
        (&[Secure], &[Crc, Secure], &[2]),
        // In the host's order, or, if it has none, in that of the options.
        (&[Crc, Secure], &[Secure, Crc], &[2, 1]),
        (&[Crc, Secure], &[Secure], &[2]),
        (&[Crc, Secure], &[], &[1, 2]),
    ] {
        let mut expected = vec![7, 0, 0, 0, offered.len() as u8, 0, 0, 0];
        expected.extend(offered.iter().flat_map(|mode| [*mode, 0, 0, 0]));
        expected.extend([5, 0, 0, 0]);
        expected.extend(b"hello");
        assert_eq!(requested(allowed, wanted), Ok(expected), "{wanted:?}");
    }
    let why = requested(&[Crc], &[Secure]).unwrap_err();
    assert!(why.contains("no connection mode is allowed"), "{why}");
}

/// Lets it read on while its host is asked, to the last byte that it may and one beyond.
fn read_on(mut end: End, said: &[u8]) {
    end.receive(said, NOW);
    assert!(end.protocol.awaits_host(), "{}", end.story());
    let told = end.story();
    let left = BUDGET - said.len();
    for _ in 0..left / 1000 {
        end.receive(&[0; 1000], NOW);
    }
    end.receive(&vec![0; left % 1000], NOW);
    assert_eq!(end.story(), told);
    end.receive(&[0], NOW);
    let end_of_it = "fault: handshake without an end; CloseSocket; Closed { reset: false }";
    assert_eq!(end.story(), format!("{told}; {end_of_it}"));
}

#[test]
fn what_comes_while_the_host_is_asked_is_no_more_than_a_handshake_may_be() {
    let hello = [&[4, 1, 1, 1, 28, 0, 0, 0][..], &[0; 28]].concat();
    let request = [7, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    let said = [BANNER, &frame(1, &hello), &frame(AUTH_REQUEST, &request)].concat();
    read_on(acceptor(asks_its_host("osd.3")), &said);

    let old = Arc::new(asks_its_host("osd.3"));
    let mut dialler = dialler(asks_its_host("osd.5"), SERVER_V1);
    let mut acceptor = End::new(acceptor_of_v1(Arc::clone(&old), 2, NOW));
    let mut said = dialler.transmit_all(NOW);
    dialler.receive(&acceptor.transmit_all(NOW), NOW);
    reply(&mut dialler, begin());
    said.extend(dialler.transmit_all(NOW));
    read_on(End::new(acceptor_of_v1(old, 2, NOW)), &said);
}

fn begin() -> Answer {
    Answer::Request {
        method: METHOD_CEPHX,
        modes: Vec::new(),
        payload: b"I am it".to_vec(),
    }
}

/// Two ends of v1 whose hosts agree on a key of that length; what they tell, and the last
/// byte of a message that is sent.
fn keyed(len: usize, signatures: Signatures) -> (String, Option<u8>) {
    let keyed = |name| ProtocolConfig {
        signatures,
        ..asks_its_host(name)
    };
    let agreed = || {
        let key = Secret::new(vec![3; len]);
        let agreed = Agreed {
            session_key: Some(SessionKey::Host(key)),
            ..Agreed::unproved(0, None)
        };
        Answer::Done(Box::new(agreed), Vec::new())
    };
    let server = Arc::new(keyed("osd.3"));
    let mut acceptor = End::new(acceptor_of_v1(server, 2, NOW));
    let mut dialler = dialler(keyed("osd.5"), SERVER_V1);
    for _ in 0..10 {
        acceptor.receive(&dialler.transmit_all(NOW), NOW);
        dialler.receive(&acceptor.transmit_all(NOW), NOW);
        if acceptor.protocol.awaits_host() {
            reply(&mut acceptor, agreed());
        }
        if acceptor.protocol.asked().is_some() {
            acceptor.protocol.grant(NOW, &mut acceptor.events);
        }
        let question = dialler.events.iter().rev().find_map(|event| match event {
            Event::Auth(question) => Some(question),
            _ => None,
        });
        match question {
            _ if !dialler.protocol.awaits_host() => {}
            Some(Question::Begin { .. }) => reply(&mut dialler, begin()),
            _ => reply(&mut dialler, agreed()),
        }
    }
    let mut message = Message::new(1);
    message.front.append_copy(b"front");
    dialler.protocol.send(message);
    let record = dialler.transmit(&SMOOTH, NOW);
    acceptor.receive(&record, NOW);
    let story = format!("{}; {}", dialler.story(), acceptor.story());
    let has_come = acceptor.messages().count() == 1;
    (story, record.last().copied().filter(|_| has_come))
}

#[test]
fn a_host_s_key_signs_messages_of_v1_if_it_has_the_length_of_one() {
    let required = Signatures {
        cluster: true,
        ..Signatures::default()
    };
    for (len, signs) in [
        (1, false),
        (15, false),
        (16, true),
        (17, false),
        (31, false),
        (32, true),
        (64, false),
    ] {
        let (story, last) = keyed(len, Signatures::default());
        let expected = if signs { COMPLETE_SIGNED } else { COMPLETE };
        assert_eq!(last, Some(expected), "{len}: {story}");
        let (story, last) = keyed(len, required);
        assert_eq!(last.is_some(), signs, "{len}: {story}");
        assert_eq!(
            story.contains("without a key of our own"),
            !signs,
            "{len}: {story}"
        );
    }
}
