//! Faults on purpose, switched while messengers are at work.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use msgr::{ConnectionRef, Context, Messenger, Policy};

use super::support::{
    DEADLINE, Reporter, Told, client, connect, message, next_message, next_reset, server,
};

/// A server whose context injects and a client whose context does not, with a
/// connection on which messages have gone both ways.
struct Pair {
    faulty: Arc<Context>,
    sound: Arc<Context>,
    at_server: Receiver<Told>,
    at_client: Receiver<Told>,
    con: ConnectionRef,
    back: ConnectionRef,
    server: Arc<Messenger>,
    client: Arc<Messenger>,
}

impl Pair {
    fn new(options: &[(&str, &str)]) -> Self {
        let faulty = Context::new();
        for (key, value) in options {
            faulty.conf_set(key, value).unwrap();
        }
        let sound = Context::new();
        let (server, at_server) = server(&faulty, "v2:127.0.0.1:0");
        let (client, at_client) = client(&sound);
        Self::talk((faulty, server, at_server), (sound, client, at_client))
    }

    /// The same with a session that outlives its links.
    fn lossless() -> Self {
        let start = |name, policy, bound| {
            let context = Context::new();
            context.conf_set("ms_initial_backoff", "0.001").unwrap();
            // A row of attempts that fail must not make pauses longer than patience.
            context.conf_set("ms_max_backoff", "0.01").unwrap();
            let messenger = Messenger::create(&context, name, "", 3).unwrap();
            messenger.set_default_policy(policy).unwrap();
            if bound {
                messenger.bind(&"v2:127.0.0.1:0".parse().unwrap()).unwrap();
            }
            let (reporter, told) = Reporter::new(false);
            messenger.add_dispatcher_head(reporter).unwrap();
            messenger.start().unwrap();
            (context, messenger, told)
        };
        Self::talk(
            start("osd.0", Policy::stateful_server(), true),
            start("client.1", Policy::lossless_client(), false),
        )
    }

    fn talk(
        (faulty, server, at_server): (Arc<Context>, Arc<Messenger>, Receiver<Told>),
        (sound, client, at_client): (Arc<Context>, Arc<Messenger>, Receiver<Told>),
    ) -> Self {
        let con = connect(&client, &server.myaddrs());
        con.send(message(2, b"")).unwrap();
        let (back, _) = next_message(&at_server);
        back.send(message(2, b"")).unwrap();
        next_message(&at_client);
        Self {
            faulty,
            sound,
            at_server,
            at_client,
            con,
            back,
            server,
            client,
        }
    }

    fn set(&self, key: &str, value: &str) {
        self.faulty.conf_set(key, value).unwrap();
    }

    /// Waits until the server has read what the client has sent, if it is little.
    /// A keepalive passes messages that are not written yet, but not those
    /// that were queued before an earlier keepalive was answered.
    fn settle(&self) {
        for _ in 0..2 {
            let before = self.con.last_keepalive_ack();
            self.con.keepalive().unwrap();
            let begin = std::time::Instant::now();
            while self.con.last_keepalive_ack() == before {
                assert!(begin.elapsed() < DEADLINE, "no answer to a keepalive");
                std::thread::yield_now();
            }
        }
    }

    fn send(&self, tid: u64, len: usize) {
        let mut sent = message(2, &vec![1; len]);
        sent.tid = tid;
        self.con.send(sent).unwrap();
    }
}

#[test]
fn a_socket_failure_asked_for_while_a_connection_is_open_breaks_it() {
    let pair = Pair::new(&[]);
    pair.set("ms_inject_socket_failures", "1");
    pair.send(1, 0);
    assert!(Arc::ptr_eq(&next_reset(&pair.at_server), &pair.back));
    assert!(Arc::ptr_eq(&next_reset(&pair.at_client), &pair.con));
}

#[test]
fn with_some_socket_failures_and_stalls_a_message_gets_through_in_the_end() {
    let faulty = Context::new();
    for (key, value) in [
        ("ms_inject_socket_failures", "25"),
        ("ms_inject_internal_delays", "0.001"),
        ("ms_initial_backoff", "0.001"),
        ("ms_max_backoff", "0.01"),
    ] {
        faulty.conf_set(key, value).unwrap();
    }
    let (server, at_server) = server(&faulty, "v2:127.0.0.1:0");
    let (client, at_client) = client(&faulty);
    let mut resets = 0;
    for round in 0..50 {
        loop {
            let con = connect(&client, &server.myaddrs());
            let mut sent = message(2, b"");
            sent.tid = round;
            // It may have ended already, and then the next is tried.
            if con.send(sent).is_err() {
                continue;
            }
            let told = at_server.recv_timeout(std::time::Duration::from_millis(20));
            match told {
                Ok(Told::Message(_, got)) if got.tid == round => break,
                _ => con.mark_down(),
            }
        }
        resets += at_client.try_iter().count();
    }
    assert!(resets > 0);
}

#[test]
fn a_blackhole_swallows_both_ways_and_the_session_goes_on_behind_it() {
    // Less budget than is swallowed: all of it comes back.
    let pair = Pair::new(&[("ms_dispatch_throttle_bytes", "4K")]);
    pair.set("ms_blackhole_client", "true");
    for tid in 1..=100 {
        pair.send(tid, 1000);
    }
    pair.back.send(message(2, b"swallowed")).unwrap();
    pair.settle();
    pair.set("ms_blackhole_client", "false");
    pair.send(101, 4096);
    let (back, got) = next_message(&pair.at_server);
    assert!(Arc::ptr_eq(&back, &pair.back));
    assert_eq!((got.tid, got.seq), (101, 102), "they had come, and counted");
    pair.back.send(message(4, b"")).unwrap();
    let (_, answer) = next_message(&pair.at_client);
    assert_eq!((answer.kind, answer.seq), (4, 2), "it never went");
}

#[test]
fn a_blackhole_for_other_types_swallows_nothing() {
    let pair = Pair::new(&[]);
    for key in ["ms_blackhole_osd", "ms_blackhole_mon", "ms_blackhole_mds"] {
        pair.set(key, "true");
    }
    pair.send(1, 0);
    assert_eq!(next_message(&pair.at_server).1.tid, 1);
}

#[test]
fn delayed_messages_arrive_in_their_order() {
    let pair = Pair::new(&[("ms_dispatch_throttle_bytes", "64K")]);
    pair.set("ms_inject_delay_type", "osd client");
    pair.set("ms_inject_delay_max", "0.002");
    pair.set("ms_inject_delay_probability", "0.5");
    for tid in 0..1000 {
        pair.send(tid, 500);
    }
    for tid in 0..1000 {
        assert_eq!(next_message(&pair.at_server).1.tid, tid);
    }
}

#[test]
fn what_is_delayed_goes_with_a_mark_down_and_gives_its_budget_back() {
    let pair = Pair::new(&[("ms_dispatch_throttle_bytes", "64K")]);
    pair.set("ms_inject_delay_type", "client");
    pair.set("ms_inject_delay_max", "100000");
    pair.set("ms_inject_delay_probability", "1");
    pair.send(1, 60_000);
    pair.settle();
    pair.back.mark_down();
    next_reset(&pair.at_client);
    pair.set("ms_inject_delay_probability", "0");

    // Another takes all the budget there is.
    let con = connect(&pair.client, &pair.server.myaddrs());
    con.send(message(2, &[0; 64 << 10])).unwrap();
    let (_, got) = next_message(&pair.at_server);
    assert_eq!(got.front.len(), 64 << 10);
}

#[test]
fn what_is_delayed_is_delivered_when_a_session_loses_its_link() {
    let pair = Pair::lossless();
    pair.set("ms_inject_delay_type", "client");
    pair.set("ms_inject_delay_max", "100000");
    pair.set("ms_inject_delay_probability", "1");
    for tid in 1..=10 {
        pair.send(tid, 0);
    }
    pair.settle();
    assert!(
        !pair
            .at_server
            .try_iter()
            .any(|told| matches!(told, Told::Message(..)))
    );
    pair.sound
        .conf_set("ms_inject_socket_failures", "1")
        .unwrap();
    pair.con.keepalive().unwrap();
    for tid in 1..=10 {
        assert_eq!(next_message(&pair.at_server).1.tid, tid);
    }
}

#[test]
fn a_lossless_session_loses_and_doubles_nothing_over_failing_sockets() {
    let pair = Pair::lossless();
    for context in [&pair.faulty, &pair.sound] {
        context.conf_set("ms_inject_socket_failures", "30").unwrap();
    }
    pair.set("ms_inject_delay_type", "client");
    pair.set("ms_inject_delay_max", "0.001");
    pair.set("ms_inject_delay_probability", "0.5");
    for tid in 0..500 {
        pair.send(tid, 1000);
        let (_, got) = next_message(&pair.at_server);
        assert_eq!(got.tid, tid);
        pair.back.send(*got).unwrap();
        assert_eq!(next_message(&pair.at_client).1.tid, tid);
    }
}
