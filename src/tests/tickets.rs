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
use super::pair::{End, SERVER, addrs, config};

const NOW: Time = Time::ZERO;

const BANNER: &[u8] = b"ceph v2\n\x10\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const HELLO: u8 = 1;
const AUTH_BAD_METHOD: u8 = 3;
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

/// A dialler that has shown its ticket to an OSD, and what it has got.
fn showing() -> (End, Arc<dyn KeyStore>) {
    let known = Known {
        tickets: Mutex::new(tickets(1)),
        global_id: 4100,
        ..Known::default()
    };
    let mut client = config("client.alice", Policy::lossy_client());
    authenticate(&mut client, known, entropy(1), ConMode::Crc);
    let keys = Arc::clone(&client.auth.keys);
    let mut end = End::new(Protocol::connect(
        Arc::new(client),
        addrs("any:/5"),
        EntityType::OSD,
        addrs(SERVER),
        1,
    ));
    end.protocol.start(NOW, &mut end.events);
    end.protocol.handle_connected(None, NOW);
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
