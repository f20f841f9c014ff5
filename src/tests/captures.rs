//! Conversations of real Ceph daemons, one end played by us.

use std::sync::Arc;

use crate::proto::{Event, GlobalSeq, Protocol};
use crate::types::{EntityType, Message, Policy, Time};

use super::pair::{End, addrs, client_config, config};
use crate::proto::captured::conversation;

const AUTH_DONE: u8 = 6;
const CLIENT_IDENT: u8 = 8;
const MESSAGE: u8 = 17;
const KEEPALIVE2: u8 = 18;

/// The message in a captured frame, whose first two segments come right behind
/// preamble and header.
pub fn captured_message(unit: &[u8], rev1: bool) -> Message {
    let front = u32::from_le_bytes(unit[8..12].try_into().unwrap()) as usize;
    let at = 32 + 41 + if rev1 { 4 } else { 0 };
    Message {
        version: u16::from_le_bytes(unit[52..54].try_into().unwrap()),
        front: bytes::Bytes::copy_from_slice(&unit[at..at + front]).into(),
        ..Message::new(u16::from_le_bytes(unit[48..50].try_into().unwrap()))
    }
}

/// Plays the dialler of a capture against the captured acceptor. Returns the
/// dialler when all is said.
fn play_dialler(name: &str, local: &str, monitor: &str, rev1: bool) -> End {
    let mut settings = client_config();
    settings.msgr2_supported = u64::from(rev1);
    let protocol = Protocol::connect(
        Arc::new(settings),
        addrs(local),
        EntityType::MON,
        addrs(monitor),
        1,
    );
    let mut end = End::new(protocol);
    let now = Time::ZERO;
    end.protocol.start(now, &mut end.events);
    end.protocol.handle_connected(None, now);
    let mut ours = Vec::new();
    for (from_dialler, unit) in conversation(name) {
        if !from_dialler {
            end.receive(&unit, now);
        } else {
            match unit[0] {
                MESSAGE => end.protocol.send(captured_message(&unit, rev1)),
                KEEPALIVE2 => end.protocol.keepalive(),
                _ => {}
            }
        }
        ours.extend(end.transmit_all(now));
        if from_dialler {
            let sent: Vec<u8> = ours.drain(..unit.len()).collect();
            // The captured clients asked for a session with a cookie of their
            // own: flags, cookie and crc differ.
            let differs = unit[0] == CLIENT_IDENT && rev1;
            let same = unit.len() - if differs { 20 } else { 0 };
            assert_eq!(
                sent[..same],
                unit[..same],
                "{name}, unit with tag {}",
                unit[0]
            );
        }
    }
    assert_eq!(ours, b"", "{name}: more than the capture has");
    end
}

/// Plays the acceptor of a capture against the captured dialler.
fn play_acceptor(name: &str, from: &str, global_seq: u64) -> End {
    let mut policy = Policy::stateless_server();
    policy.features_required = 0x0c01_0200_0204_0000;
    let mut settings = config("mon.0", policy);
    settings.msgr2_supported = 1;
    if global_seq > 1 {
        settings.global_seq = Arc::new(GlobalSeq::above(global_seq - 1));
    }
    let from: std::net::SocketAddr = from.parse().unwrap();
    let local = if from.is_ipv4() {
        "[v2:127.0.0.1:13300/0,v1:127.0.0.1:16789/0]"
    } else {
        "[v2:[::1]:13300/0,v1:[::1]:16789/0]"
    };
    let now = Time::ZERO;
    let mut end = End::new(Protocol::accept(
        Arc::new(settings),
        addrs(local),
        from,
        1,
        now,
    ));
    let mut ours = end.transmit_all(now);
    let conversation = conversation(name);
    // The captured order shows when bytes arrived, not what they answer.
    for (_, unit) in conversation
        .iter()
        .filter(|(from_dialler, _)| *from_dialler)
    {
        end.receive(unit, now);
        ours.extend(end.transmit_all(now));
    }
    let theirs = conversation
        .iter()
        .filter(|(from_dialler, _)| !*from_dialler);
    for (_, unit) in theirs.filter(|(_, unit)| unit[0] != MESSAGE) {
        let sent: Vec<u8> = ours.drain(..unit.len()).collect();
        // A monitor gives out a global id; for us the dialler's claim holds.
        let differs = unit[0] == AUTH_DONE;
        let range = if differs { 0..32 } else { 0..unit.len() };
        assert_eq!(
            sent[range.clone()],
            unit[range],
            "{name}, unit with tag {}",
            unit[0]
        );
        assert_eq!(sent.len(), unit.len());
    }
    assert_eq!(ours, b"", "{name}: more than the capture has");
    end
}

fn kinds(end: &End) -> Vec<u16> {
    end.messages().map(|message| message.kind).collect()
}

fn global_id(end: &End) -> u64 {
    let id = end.events.iter().find_map(|event| match event {
        Event::Open(peer, _) => Some(peer.identity.global_id),
        _ => None,
    });
    id.expect("never opened")
}

#[test]
fn our_dialler_says_to_a_monitor_what_a_real_client_says() {
    let monitor = "[v2:127.0.0.1:13300/0,v1:127.0.0.1:16789/0]";
    let end = play_dialler("01a-none-crc-bootstrap", "any:/2596903867", monitor, true);
    assert_eq!((global_id(&end), kinds(&end)), (4097, vec![4, 62, 4]));
    let learned = "any:127.0.0.1:0/2596903867".parse().unwrap();
    assert!(
        end.events.contains(&Event::Learned(learned)),
        "{}",
        end.story()
    );

    let end = play_dialler(
        "14a-none-crc-ipv6",
        "any:/1596606264",
        "v2:[::1]:13300/0",
        true,
    );
    assert_eq!((global_id(&end), kinds(&end)), (4097, vec![4, 62, 4]));
}

#[test]
fn our_dialler_speaks_the_first_revision_byte_for_byte() {
    let end = play_dialler(
        "01c-none-crc-rev0",
        "any:/12345",
        "v2:127.0.0.1:13300/0",
        false,
    );
    assert_eq!((global_id(&end), kinds(&end)), (4099, vec![4]));
    assert_eq!(
        end.count(|event| matches!(event, Event::KeepaliveAck(_))),
        1
    );
}

#[test]
fn our_acceptor_answers_as_a_real_monitor_answers() {
    for (name, from, global_seq, received) in [
        ("01a-none-crc-bootstrap", "127.0.0.1:36246", 1, vec![5, 15]),
        ("01c-none-crc-rev0", "127.0.0.1:36258", 3, vec![5]),
        (
            "01d-none-bad-method-and-missing-features",
            "127.0.0.1:36260",
            4,
            vec![],
        ),
        ("14a-none-crc-ipv6", "[::1]:42160", 1, vec![5, 15]),
    ] {
        let end = play_acceptor(name, from, global_seq);
        assert_eq!((end.opened(), kinds(&end)), (1, received), "{name}");
    }
}

#[test]
fn a_refusal_by_a_real_monitor_ends_our_dialler_for_good() {
    let conversation = conversation("01d-none-bad-method-and-missing-features");
    let monitor = addrs("v2:127.0.0.1:13300/0");
    let local = addrs("any:127.0.0.1:0/99");
    let mut settings = client_config();
    settings.msgr2_supported = 1;
    let settings = Arc::new(settings);
    let mut end = End::new(Protocol::connect(
        settings,
        local,
        EntityType::MON,
        monitor,
        1,
    ));
    end.protocol.start(Time::ZERO, &mut end.events);
    end.protocol.handle_connected(None, Time::ZERO);
    for (_, unit) in conversation
        .iter()
        .filter(|(from_dialler, _)| !*from_dialler)
    {
        end.receive(unit, Time::ZERO);
    }
    let told = "dial v2:127.0.0.1:13300/0; fault: peer does not take auth none (error -95); \
                CloseSocket; Closed { reset: true }";
    assert_eq!(end.story(), told);
}
