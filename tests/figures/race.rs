//! How long two ends that dial each other need to agree on one session.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use msgr::{Context, EntityType, Messenger, Policy};

use super::support::descriptors;
use super::support::letter::{Random, Witness, Writer};
use super::support::pair::eventually;
use super::{Times, expect_times};

const ROUNDS: u64 = 1000;

struct Racer {
    messenger: Arc<Messenger>,
    witness: Arc<Witness>,
}

impl Racer {
    fn start(context: &Arc<Context>, name: &str, nonce: u64) -> Self {
        let messenger = Messenger::create(context, name, "racer", nonce).unwrap();
        messenger
            .set_default_policy(Policy::lossless_peer_reuse())
            .unwrap();
        messenger.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
        let witness = Witness::new();
        let dispatcher = Arc::clone(&witness);
        messenger.add_dispatcher_head(dispatcher).unwrap();
        messenger.start().unwrap();
        Self { messenger, witness }
    }

    /// Dials and says something.
    fn meet(&self, other: &Messenger, together: &Barrier) -> Writer {
        together.wait();
        let addrs = other.myaddrs();
        let con = self.messenger.connect(EntityType::OSD, &addrs).unwrap();
        let mut writer = Writer::new(con);
        writer.send(0, &mut Random(1)).unwrap();
        writer
    }
}

/// Times until both of two that dial each other have heard the other, and how
/// often the connection of the first stayed.
fn races() -> (Times, u64) {
    let contexts = [Context::new(), Context::new()];
    for context in &contexts {
        context.conf_set("ms_bind_port_min", "0").unwrap();
    }
    let mut random = Random(1);
    let (mut times, mut won) = (Times::default(), 0);
    for _ in 0..ROUNDS {
        // The smaller address wins, and the nonce decides first.
        let a = Racer::start(&contexts[0], "osd.1", 1 + random.below(1 << 16));
        let b = Racer::start(&contexts[1], "osd.2", 1 + random.below(1 << 16));
        let apart = descriptors();
        let together = Barrier::new(3);
        let (at_a, at_b) = std::thread::scope(|scope| {
            let at_a = scope.spawn(|| a.meet(&b.messenger, &together));
            let at_b = scope.spawn(|| b.meet(&a.messenger, &together));
            together.wait();
            let begin = Instant::now();
            let met = (at_a.join().unwrap(), at_b.join().unwrap());
            for witness in [&a.witness, &b.witness] {
                witness.wait_until(|facts| facts.letters == 1);
            }
            times.since(begin);
            met
        });
        for (writer, racer) in [(&at_a, &a), (&at_b, &b)] {
            assert!(writer.con.is_connected());
            let facts = racer.witness.facts();
            assert_eq!((facts.resets, facts.remote_resets), (0, 0), "{facts:?}");
            // What the other said came on the connection that was dialled here.
            assert!(std::ptr::eq(facts.last.as_ptr(), Arc::as_ptr(&writer.con)));
        }
        eventually(|| descriptors() == apart + 2, "one connection");
        won += u64::from(a.witness.facts().accepts == 0);
        for racer in [a, b] {
            racer.messenger.shutdown().unwrap();
            racer.messenger.wait().unwrap();
        }
    }
    (times, won)
}

#[test]
#[ignore = "wants the machine for itself"]
fn two_ends_that_dial_at_once_get_one_session_within_milliseconds() {
    let (half, most) = (Duration::from_millis(5), Duration::from_millis(20));
    let what = "both dial at once, until both have heard the other";
    expect_times(what, half, most, || {
        let (times, won) = races();
        println!("both dial at once: the first one's connection stayed {won} times");
        times
    });
}
