//! What becomes of a ticket that its service has been shown.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::proto::{
    ConMode, CryptoKey, KeyStore, KeyType, METHOD_CEPHX, METHOD_NONE, Protocol, Ticket, TicketBlob,
    Tickets,
};
use crate::types::{EntityType, Policy, Secret, Time, WallTime};

use super::handshake::frame;
use super::keys::{Known, authenticate, entropy};
use super::legacy::{address, reply};
use super::pair::{End, SERVER, SERVER_V1, addrs, config};

const NOW: Time = Time::ZERO;

const BANNER: &[u8] = b"ceph v2\n\x10\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const HELLO: u8 = 1;
const AUTH_BAD_METHOD: u8 = 3;
/// The answer of an acceptor of v1.
const BAD_AUTHORIZER: u8 = 11;
const EACCES: i32 = -13;
const EOPNOTSUPP: i32 = -95;

fn ticket(secret_id: u64) -> Ticket {
    let later = WallTime {
        sec: u32::MAX,
        nsec: 0,
    };
    Ticket {
        session_key: CryptoKey::new(KeyType::Aes, Secret::new(vec![1; 16])).unwrap(),
        blob: TicketBlob {
            secret_id,
            blob: vec![7; 40],
        },
        expires: later,
        renew_after: later,
    }
}

fn tickets(secret_id: u64) -> Tickets {
    Tickets {
        global_id: 4100,
        by_service: BTreeMap::from([(EntityType::OSD, ticket(secret_id))]),
    }
}

/// A dialler with a ticket for the OSD that is there, whose socket is up, and what it has
/// got.
fn dialling(policy: Policy, peer: &str) -> (End, Arc<dyn KeyStore>) {
    let known = Known {
        tickets: Mutex::new(tickets(1)),
        global_id: 4100,
        ..Known::default()
    };
    let mut client = config("client.alice", policy);
    authenticate(&mut client, known, entropy(1), ConMode::Crc);
    let keys = Arc::clone(&client.auth.keys);
    let mut end = End::new(Protocol::connect(
        Arc::new(client),
        addrs("any:/5"),
        EntityType::OSD,
        addrs(peer),
        1,
    ));
    end.protocol.start(NOW, &mut end.events);
    end.protocol.handle_connected(None, NOW);
    (end, keys)
}

/// One that has shown it.
fn showing() -> (End, Arc<dyn KeyStore>) {
    let (mut end, keys) = dialling(Policy::lossy_client(), SERVER);
    let hello = [&[4, 1, 1, 1, 28, 0, 0, 0][..], &[0; 28]].concat();
    end.receive(&[BANNER, &frame(HELLO, &hello)].concat(), NOW);
    assert_eq!(end.protocol.state_name(), "AUTH_CONNECTING");
    (end, keys)
}

/// It would take such a method.
fn decline(end: &mut End, result: i32, method: u32) {
    let mut bad = METHOD_CEPHX.to_le_bytes().to_vec();
    bad.extend(result.to_le_bytes());
    bad.extend([1, 0, 0, 0]);
    bad.extend(method.to_le_bytes());
    bad.extend([1, 0, 0, 0, 1, 0, 0, 0]);
    end.receive(&frame(AUTH_BAD_METHOD, &bad), NOW);
    assert!(end.was_reset(), "{}", end.story());
}

#[test]
fn a_ticket_that_is_refused_at_once_is_not_shown_again() {
    let (mut end, keys) = showing();
    decline(&mut end, EACCES, METHOD_CEPHX);
    assert_eq!(keys.ticket(EntityType::OSD), None);
}

#[test]
fn a_ticket_is_not_to_blame_for_a_method_that_is_not_taken() {
    let (mut end, keys) = showing();
    decline(&mut end, EOPNOTSUPP, METHOD_NONE);
    assert_eq!(keys.ticket(EntityType::OSD), Some(ticket(1)));
}

#[test]
fn a_ticket_that_came_meanwhile_stays() {
    let (mut end, keys) = showing();
    keys.keep(tickets(2));
    decline(&mut end, EACCES, METHOD_CEPHX);
    assert_eq!(keys.ticket(EntityType::OSD), Some(ticket(2)));
}

/// What an acceptor of v1 says first.
fn opening() -> Vec<u8> {
    let addresses = [
        address([10, 0, 0, 1], 6800, 7),
        address([10, 0, 0, 2], 40_000, 0),
    ];
    [b"ceph v027", &*addresses.concat()].concat()
}

/// The number of the key that the ticket is made by which a dialler of v1 shows next.
fn shown_in_v1(end: &mut End) -> u64 {
    end.transmit_all(NOW);
    end.receive(&opening(), NOW);
    let asked = end.transmit_all(NOW);
    // Behind address, request, version, global_id, service and version.
    let at = 136 + 33 + 1 + 8 + 4 + 1;
    u64::from_le_bytes(asked[at..at + 8].try_into().unwrap())
}

/// Which does not say whether it is the ticket: the next one may do.
#[test]
fn a_ticket_that_is_refused_in_v1_is_not_shown_again_and_another_may_come() {
    let (mut end, keys) = dialling(Policy::lossless_client(), SERVER_V1);
    assert_eq!(shown_in_v1(&mut end), 1);
    end.receive(&reply(BAD_AUTHORIZER, 0, 0), NOW);
    assert_eq!(keys.ticket(EntityType::OSD), None);
    // It looks for another one as long as it is patient.
    for _ in 0..3 {
        assert_eq!(end.protocol.state_name(), "BACKOFF", "{}", end.story());
        end.time_out();
        end.protocol.handle_connected(None, NOW);
        end.receive(&opening(), NOW);
        assert!(end.story().contains("no ticket for osd"), "{}", end.story());
    }
    keys.keep(tickets(2));
    end.time_out();
    end.protocol.handle_connected(None, NOW);
    assert_eq!(shown_in_v1(&mut end), 2, "{}", end.story());
}
