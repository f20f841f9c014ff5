//! A dialler that claims the addresses of somebody who has a session: who has
//! proved to be somebody else gets nothing of it.

use std::sync::Arc;

use crate::proto::{
    ConMode, Event, LinkDown, METHOD_CEPHX, METHOD_NONE, Protocol, ProtocolConfig, Verdict,
};
use crate::types::{AuthName, EntityType, Policy, Time, features};

use super::keys::prove;
use super::pair::{CLIENT_SOCKET, End, SERVER, SERVER_V1, acceptor_of_v1, addrs, config, message};

const NOW: Time = Time::ZERO;

/// Where the owner of the session is, and everybody else says to be.
const CLAIMED: &str = "[v2:10.0.0.3:6800/9,v1:10.0.0.3:6801/9]";

// v1: an address, and what of CONNECT is where.
const ADDRESS_LEN: usize = 136;
const HOST_TYPE: usize = 8;
const CONNECT_SEQ: usize = 16;
const PROTOCOL_VERSION: usize = 20;
// Answers to it.
const RESET_SESSION: u8 = 2;
const WAIT: u8 = 3;
const RETRY_SESSION: u8 = 4;
const RETRY_GLOBAL: u8 = 5;
const BAD_AUTHORIZER: u8 = 11;

fn peer(name: &str, seed: u64) -> ProtocolConfig {
    let mut peer = config(name, Policy::lossless_peer());
    prove(&mut peer, seed, ConMode::Crc);
    peer
}

fn server() -> Arc<ProtocolConfig> {
    Arc::new(peer("osd.1", 77))
}

/// A dialler and the acceptor that it meets.
struct Meeting {
    dialler: End,
    acceptor: End,
}

impl Meeting {
    fn new(client: ProtocolConfig, server: &Arc<ProtocolConfig>, legacy: bool) -> Self {
        let target = addrs(if legacy { SERVER_V1 } else { SERVER });
        let client = Arc::new(client);
        let dialler = Protocol::connect(client, addrs(CLAIMED), EntityType::OSD, target, 1);
        let mut dialler = End::new(dialler);
        dialler.protocol.start(NOW, &mut dialler.events);
        Self::over(dialler, server, legacy)
    }

    /// The dialler has asked for a socket, and gets one.
    fn over(mut dialler: End, server: &Arc<ProtocolConfig>, legacy: bool) -> Self {
        dialler.protocol.handle_connected(None, NOW);
        let (from, server) = (CLIENT_SOCKET.parse().unwrap(), Arc::clone(server));
        let acceptor = match legacy {
            true => acceptor_of_v1(server, 2, NOW),
            false => Protocol::accept(server, addrs(SERVER), from, 2, NOW),
        };
        let acceptor = End::new(acceptor);
        Self { dialler, acceptor }
    }

    /// Carries bytes until the acceptor has to know what is to become of the request.
    fn ask(mut self) -> Self {
        for _ in 0..100 {
            if self.acceptor.protocol.asked().is_some() {
                return self;
            }
            self.carry();
        }
        panic!("never asks: {}", self.acceptor.story());
    }

    fn carry(&mut self) {
        let bytes = self.dialler.transmit_all(NOW);
        self.acceptor.receive(&bytes, NOW);
        let bytes = self.acceptor.transmit_all(NOW);
        self.dialler.receive(&bytes, NOW);
    }

    /// With a session of its own.
    fn open(mut self) -> Self {
        self.acceptor.protocol.grant(NOW, &mut self.acceptor.events);
        (0..4).for_each(|_| self.carry());
        assert!(self.dialler.protocol.is_open(), "{}", self.dialler.story());
        assert!(
            self.acceptor.protocol.is_open(),
            "{}",
            self.acceptor.story()
        );
        self
    }

    fn meets(&self, existing: &End) -> Verdict {
        self.acceptor.protocol.meet(Some(&existing.protocol))
    }
}

/// The acceptor's end of a session of osd.3's, with something in it for osd.3.
fn session_of_osd_3(server: &Arc<ProtocolConfig>, legacy: bool) -> Meeting {
    let mut meeting = Meeting::new(peer("osd.3", 1), server, legacy).ask().open();
    meeting.acceptor.protocol.send(message(1, 10, 0, 0));
    meeting
}

#[test]
fn who_has_proved_to_be_somebody_else_gets_nothing_of_a_session() {
    for legacy in [false, true] {
        for name in ["osd.5", "client.bob", "mon.a"] {
            let server = server();
            let owner = session_of_osd_3(&server, legacy);
            let stranger = Meeting::new(peer(name, 3), &server, legacy).ask();
            // While its owner is there it is not even ended for a stranger's sake.
            assert_eq!(stranger.meets(&owner.acceptor), Verdict::Stale, "{name}");
            let mut lost = owner.acceptor;
            lost.disconnect(LinkDown::Eof, NOW);
            assert!(!lost.protocol.is_open());
            assert_eq!(stranger.meets(&lost), Verdict::Displace, "{name}");
            assert!(stranger.acceptor.protocol.is_stranger_to(&lost.protocol));
        }
    }
}

#[test]
fn the_owner_comes_back_to_its_session() {
    for legacy in [false, true] {
        let server = server();
        let mut owner = session_of_osd_3(&server, legacy);
        owner.dialler.protocol.send(message(2, 10, 0, 0));
        owner.dialler.disconnect(LinkDown::Eof, NOW);
        let mut again = Meeting::over(owner.dialler, &server, legacy).ask();
        assert_eq!(again.meets(&owner.acceptor), Verdict::Resume);
        let mut session = owner.acceptor;
        session.disconnect(LinkDown::Eof, NOW);
        let told = session.events.len();
        let (protocol, events) = (&mut session.protocol, &mut session.events);
        protocol.take_over(&mut again.acceptor.protocol, false, NOW, events);
        again.acceptor = session;
        (0..4).for_each(|_| again.carry());
        let got = |end: &End| {
            end.messages()
                .map(|message| message.tid)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (got(&again.dialler), got(&again.acceptor)),
            (vec![1], vec![2])
        );
        // Whom the link belongs to is told anew.
        let resumed = again.acceptor.events[told..]
            .iter()
            .find_map(|event| match event {
                Event::Resumed(identity, _) => Some(identity),
                _ => None,
            });
        let identity = resumed.expect("never resumed");
        assert_eq!(identity.name, Some("osd.3".parse::<AuthName>().unwrap()));
        assert!(identity.is_proved);
    }
}

#[test]
fn a_stranger_that_speaks_of_the_session_is_told_that_there_is_none() {
    for legacy in [false, true] {
        let server = server();
        let owner = session_of_osd_3(&server, legacy);
        // A session of its own, which it goes on with at the other's address.
        let elsewhere = Meeting::new(peer("osd.5", 3), &server, legacy).ask().open();
        let mut dialler = elsewhere.dialler;
        // It has something to say, and so dials at once.
        dialler.protocol.send(message(2, 10, 0, 0));
        dialler.disconnect(LinkDown::Eof, NOW);
        let stranger = Meeting::over(dialler, &server, legacy).ask();
        let none = Verdict::Reset { full: true };
        assert_eq!(stranger.meets(&owner.acceptor), none);
    }
}

/// Attempts are numbered for all peers together: one that asks for a high number gets it
/// for itself.
#[test]
fn no_peer_uses_up_the_numbers_that_the_others_see() {
    for legacy in [false, true] {
        let server = server();
        let client = peer("osd.3", 1);
        let numbers = Arc::clone(&client.global_seq);
        let owner = Meeting::new(client, &server, legacy).ask().open();
        let (mut dialler, mut session) = (owner.dialler, owner.acceptor);
        dialler.protocol.send(message(2, 10, 0, 0));
        dialler.disconnect(LinkDown::Eof, NOW);
        let mut again = Meeting::over(dialler, &server, legacy).ask();
        let asked_for = if legacy { 7000 } else { u64::MAX - 7000 };
        let acceptor = &mut again.acceptor.protocol;
        acceptor.refuse(Verdict::RetryGlobal(asked_for));
        assert_eq!(acceptor.asked(), None);
        (0..2).for_each(|_| again.carry());
        assert_eq!(again.meets(&session), Verdict::Resume, "by that number");
        let next = (numbers.next(), numbers.next_narrow());
        assert!(next.0 < 10 && next.1 < 10, "{next:?}");

        // It need not ask for it on the next link.
        let (protocol, events) = (&mut session.protocol, &mut session.events);
        protocol.take_over(&mut again.acceptor.protocol, false, NOW, events);
        again.acceptor = session;
        (0..4).for_each(|_| again.carry());
        let (mut dialler, session) = (again.dialler, again.acceptor);
        assert!(dialler.protocol.is_open(), "{}", dialler.story());
        dialler.protocol.send(message(3, 10, 0, 0));
        dialler.disconnect(LinkDown::Eof, NOW);
        let third = Meeting::over(dialler, &server, legacy).ask();
        assert_eq!(third.meets(&session), Verdict::Resume);
    }
}

/// Whoever listens now where a peer was may say what he likes of its session.
#[test]
fn an_acceptor_that_proves_nothing_has_no_say_in_a_session_of_v1() {
    for tag in [RESET_SESSION, WAIT, RETRY_SESSION, RETRY_GLOBAL] {
        let server = server();
        let Meeting {
            mut dialler,
            acceptor: session,
        } = session_of_osd_3(&server, true);
        dialler.protocol.send(message(2, 10, 0, 0));
        dialler.disconnect(LinkDown::Eof, NOW);
        let mut meeting = Meeting::over(dialler, &server, true);
        // It has the banner and the addresses of the one that is not there.
        meeting.carry();
        let mut dialler = meeting.dialler;
        let asked = dialler.transmit_all(NOW);
        assert_eq!(asked[ADDRESS_LEN + CONNECT_SEQ], 2, "it goes on");
        let mut reply = vec![tag];
        reply.extend(features::SUPPORTED_DEFAULT.to_le_bytes());
        reply.extend([99, 0, 0, 0, 99, 0, 0, 0, 10, 0, 0, 0]);
        reply.extend([0; 5]);
        dialler.receive(&reply, NOW);
        let resets = dialler.count(|event| *event == Event::RemoteReset);
        assert_eq!((resets, dialler.was_reset()), (0, false), "{tag}");
        // It may be asked again by those counts, but only there.
        dialler.disconnect(LinkDown::Eof, NOW);
        assert_eq!(dialler.protocol.state_name(), "BACKOFF", "{tag}");
        dialler.time_out();
        let again = Meeting::over(dialler, &server, true).ask();
        assert_eq!(again.meets(&session), Verdict::Resume, "{tag}");
    }
}

/// What client.bob claims in v1 without proof does for a client; said once more, by
/// the same bytes, it does not make an OSD of it.
#[test]
fn what_was_good_enough_of_a_client_makes_no_daemon_in_v1() {
    let mut osd = peer("osd.1", 77);
    osd.auth.service = vec![METHOD_NONE, METHOD_CEPHX];
    osd.policies.set_default(Policy::stateful_server());
    let mut client = config("client.bob", Policy::lossless_client());
    client.auth.client = vec![METHOD_NONE];
    let mut meeting = Meeting::new(client, &Arc::new(osd), true);
    meeting.carry();
    let said = meeting.dialler.transmit_all(NOW);
    let (address, connect) = said.split_at(ADDRESS_LEN);
    meeting.acceptor.receive(address, NOW);
    // The dialler knows of a session, it says.
    let connect = connect.to_vec();
    let mut as_client = connect.clone();
    as_client[CONNECT_SEQ] = 1;
    meeting.acceptor.receive(&as_client, NOW);
    assert!(meeting.acceptor.protocol.asked().is_some());
    meeting
        .acceptor
        .protocol
        .refuse(Verdict::Reset { full: true });
    meeting.acceptor.transmit_all(NOW);

    let mut as_osd = connect;
    as_osd[HOST_TYPE] = 4;
    as_osd[PROTOCOL_VERSION] = 10;
    meeting.acceptor.receive(&as_osd, NOW);
    assert_eq!(meeting.acceptor.protocol.asked(), None);
    assert_eq!(meeting.acceptor.transmit_all(NOW)[0], BAD_AUTHORIZER);
}
