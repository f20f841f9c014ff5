//! Open links that carry nothing any more, or only half of what they should;
//! and what an end says to show that it lives.

use crate::proto::{Event, ProtocolConfig};
use crate::types::{Policy, Time};

use super::pair::{
    End, Pair, Pipes, SMOOTH, client_config, config, message, seconds, server_config,
};

/// In msgr2 and in v1.
const KEEPALIVE2: [u8; 2] = [18, 14];
const ACKS: [u8; 2] = [20, 8];
const ACK: u8 = ACKS[0];

fn probing(config: &mut ProtocolConfig) {
    config.keepalive_interval = seconds(2);
    config.keepalive_timeout = seconds(1);
}

fn faults(end: &End) -> String {
    let story = end.story();
    let from = story.find("fault: ").map_or(story.len(), |at| at + 7);
    story[from..]
        .split(';')
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn a_peer_that_fell_silent_is_asked_and_then_given_up() {
    for mut pair in Pair::lossless_of_both(probing) {
        assert_eq!(pair.dialler.time_out(), Time::ZERO + seconds(2));
        assert!(pair.dialler.protocol.is_open());
        let asked = pair.dialler.transmit_all(Time::ZERO + seconds(2));
        assert!(KEEPALIVE2.contains(&asked[0]));
        assert_eq!(pair.dialler.time_out(), Time::ZERO + seconds(3));
        assert_eq!(faults(&pair.dialler), "no answer to a keepalive");
    }
}

#[test]
fn a_peer_that_answers_keepalives_is_kept() {
    for mut pair in Pair::lossless_of_both(probing) {
        for _ in 0..10 {
            pair.now = pair.dialler.time_out();
            while pair.step() {}
        }
        assert!(pair.dialler.protocol.is_open());
        assert_eq!(
            pair.dialler
                .count(|event| matches!(event, Event::KeepaliveAck(_))),
            10
        );
    }
}

/// Lets time pass up to that moment.
fn pass(end: &mut End, now: Time) {
    while end.protocol.poll_timeout().is_some_and(|due| due <= now) {
        end.time_out();
    }
}

#[test]
fn a_keepalive_behind_a_large_message_is_waited_for_while_the_peer_takes_that() {
    for mut pair in Pair::lossless_of_both(probing) {
        pair.send(message(1, 40_000, 0, 0));
        let pipes = Pipes {
            write: 1000,
            ..SMOOTH
        };
        let half = |n| Time::ZERO + seconds(n) / 2;
        for n in 0..20 {
            let now = half(n);
            pass(&mut pair.dialler, now);
            assert_eq!(pair.dialler.transmit(&pipes, now).len(), 1000);
        }
        assert!(pair.dialler.protocol.is_open(), "{}", pair.dialler.story());
        assert_eq!(pair.dialler.time_out(), half(19) + seconds(1));
        assert_eq!(faults(&pair.dialler), "no answer to a keepalive");
    }
}

#[test]
fn a_peer_that_there_is_no_room_to_listen_to_is_not_blamed_for_silence() {
    for mut pair in Pair::lossless_of_both(|config| {
        probing(config);
        config.progress_timeout = seconds(5);
    }) {
        pair.dialler.refuse = true;
        pair.acceptor().protocol.send(message(1, 100, 0, 0));
        let bytes = pair.acceptor().transmit_all(Time::ZERO);
        pair.dialler.receive(&bytes, Time::ZERO);
        pair.send(message(2, 100, 0, 0));
        pair.dialler.transmit_all(Time::ZERO);
        let later = Time::ZERO + seconds(20);
        pass(&mut pair.dialler, later);
        assert!(pair.dialler.protocol.is_open(), "{}", pair.dialler.story());
        assert!(pair.dialler.admit_refused(later));
        assert_eq!(pair.dialler.time_out(), later + seconds(2));
        assert_eq!(pair.dialler.time_out(), later + seconds(3));
        assert_eq!(faults(&pair.dialler), "no answer to a keepalive");
    }
}

#[test]
fn a_peer_that_stops_within_a_message_does_not_keep_the_budget_for_it() {
    for mut pair in Pair::lossless_of_both(|config| config.progress_timeout = seconds(5)) {
        pair.acceptor().protocol.send(message(1, 40_000, 0, 0));
        let bytes = pair.acceptor().transmit_all(Time::ZERO);
        for (second, piece) in (1..4).zip(bytes.chunks(1000)) {
            pair.dialler.receive(piece, Time::ZERO + seconds(second));
        }
        assert_eq!(pair.dialler.balance, 40_000);
        assert_eq!(pair.dialler.time_out(), Time::ZERO + seconds(8));
        assert_eq!(faults(&pair.dialler), "peer stopped within a frame");
        assert_eq!(pair.dialler.balance, 0);
    }
}

/// Sends a message that the peer never gets, and lets the peer go on talking.
#[test]
fn a_path_that_passes_small_packets_only_is_noticed_however_much_the_peer_says() {
    for mut pair in Pair::lossless_of_both(|config| config.progress_timeout = seconds(5)) {
        pair.send(message(1, 9000, 0, 0));
        pair.dialler.transmit_all(Time::ZERO);
        for second in 1..5 {
            let now = Time::ZERO + seconds(second);
            pair.acceptor().protocol.keepalive();
            let small = pair.acceptor().transmit_all(now);
            pair.dialler.receive(&small, now);
            // Its own small frames leave, too: into a buffer of the kernel's.
            pair.dialler.protocol.keepalive();
            assert!(!pair.dialler.transmit_all(now).is_empty());
        }
        assert_eq!(pair.dialler.time_out(), Time::ZERO + seconds(5));
        assert_eq!(faults(&pair.dialler), "peer takes nothing for too long");
    }
}

#[test]
fn a_peer_that_acknowledges_or_takes_bytes_of_a_large_message_makes_progress() {
    for mut pair in Pair::lossless_of_both(|config| config.progress_timeout = seconds(5)) {
        for second in 1..20 {
            pair.now = Time::ZERO + seconds(second);
            pair.send(message(second, 100, 0, 0));
            while pair.step() {}
        }
        assert!(pair.dialler.protocol.is_open());
        // Nothing is under way, so nothing is waited for but idleness.
        let due = pair.now + seconds(900);
        assert_eq!(pair.dialler.protocol.poll_timeout(), Some(due));
        let pipes = Pipes {
            write: 1000,
            ..SMOOTH
        };
        pair.send(message(99, 40_000, 0, 0));
        for second in 21..50 {
            let now = Time::ZERO + seconds(second);
            assert_eq!(pair.dialler.transmit(&pipes, now).len(), 1000);
            let due = pair.dialler.protocol.poll_timeout();
            assert_eq!(due, Some(now + seconds(5)));
        }
    }
}

#[test]
fn a_lossy_peer_that_takes_no_bytes_is_given_up() {
    let mut client = client_config();
    client.progress_timeout = seconds(5);
    let mut pair = Pair::new(client, server_config());
    pair.start();
    pair.drive();
    pair.send(message(1, 40_000, 0, 0));
    let pipes = Pipes {
        write: 10,
        ..SMOOTH
    };
    pair.dialler.transmit(&pipes, Time::ZERO + seconds(1));
    assert_eq!(pair.dialler.time_out(), Time::ZERO + seconds(6));
    assert!(pair.dialler.was_reset());
}

#[test]
fn several_messages_are_acknowledged_by_one_frame_and_an_answer_carries_the_ack() {
    let mut pair = Pair::lossless(|_| {});
    (1..=5).for_each(|tid| pair.send(message(tid, 10, 0, 0)));
    let bytes = pair.dialler.transmit_all(Time::ZERO);
    pair.acceptor().receive(&bytes, Time::ZERO);
    let answer = pair.acceptor().transmit_all(Time::ZERO);
    assert_eq!((answer[0], answer.len()), (ACK, 32 + 8 + 4));
    pair.dialler.receive(&answer, Time::ZERO);
    assert_eq!(pair.dialler.protocol.take_released(), 50);

    pair.send(message(6, 10, 0, 0));
    let bytes = pair.dialler.transmit_all(Time::ZERO);
    pair.acceptor().receive(&bytes, Time::ZERO);
    let reply = message(7, 10, 0, 0);
    pair.acceptor().protocol.send(reply);
    let answer = pair.acceptor().transmit_all(Time::ZERO);
    assert_ne!(answer[0], ACK);
    pair.dialler.receive(&answer, Time::ZERO);
    assert_eq!(pair.dialler.protocol.take_released(), 10);
}

#[test]
fn a_message_that_came_before_is_acknowledged_again() {
    for mut pair in Pair::lossless_of_both(|_| {}) {
        pair.send(message(1, 10, 0, 0));
        let bytes = pair.dialler.transmit_all(Time::ZERO);
        let acceptor = pair.acceptor();
        acceptor.receive(&bytes, Time::ZERO);
        assert!(ACKS.contains(&acceptor.transmit_all(Time::ZERO)[0]));
        acceptor.receive(&bytes, Time::ZERO);
        assert!(ACKS.contains(&acceptor.transmit_all(Time::ZERO)[0]));
        assert_eq!((acceptor.messages().count(), acceptor.balance), (1, 0));
    }
}

#[test]
fn a_disposable_connection_goes_on_acknowledging_while_its_link_lasts() {
    for mut pair in Pair::lossless_of_both(|config| config.progress_timeout = seconds(5)) {
        pair.send(message(1, 10, 0, 0));
        let bytes = pair.dialler.transmit_all(Time::ZERO);
        pair.dialler.protocol.mark_disposable();
        // The peer acknowledges by a message, and nothing else.
        let acceptor = pair.acceptor();
        acceptor.receive(&bytes, Time::ZERO);
        acceptor.protocol.send(message(2, 10, 0, 0));
        while pair.step() {}
        let idle = Some(Time::ZERO + seconds(900));
        assert_eq!(pair.dialler.protocol.poll_timeout(), idle);
        assert_eq!(pair.acceptor().protocol.poll_timeout(), idle);
    }
}

#[test]
fn a_disposable_connection_stays_one_whatever_the_acceptor_grants() {
    let mut pair = Pair::new(
        config("client.admin", Policy::lossless_client()),
        config("osd.3", Policy::stateful_server()),
    );
    pair.dialler.protocol.mark_disposable();
    pair.start();
    pair.drive();
    assert!(pair.dialler.protocol.is_open());
    pair.cut();
    assert!(pair.dialler.was_reset());
}

#[test]
fn a_disposable_connection_ends_with_its_link() {
    for mut pair in Pair::lossless_of_both(|_| {}) {
        pair.send(message(1, 10, 0, 0));
        pair.dialler.protocol.mark_disposable();
        pair.cut();
        assert!(pair.dialler.was_reset());
        assert_eq!(pair.dialler.protocol.poll_timeout(), None);
    }
}
