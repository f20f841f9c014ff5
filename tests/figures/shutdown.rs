//! Shutdown at any moment of a busy messenger.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use msgr::{Context, EntityType, Messenger, Policy};

use super::support::letter::{Random, Witness, Writer};
use super::support::number_from_env;
use super::support::pair::eventually;
use super::support::{DEADLINE, descriptors};
use super::{Times, heap_bytes, threads};

/// A messenger that listens, and its witness.
fn node(context: &Arc<Context>, name: &str, policy: Policy) -> (Arc<Messenger>, Arc<Witness>) {
    let messenger = Messenger::create(context, name, "busy", 1).unwrap();
    messenger.set_default_policy(policy).unwrap();
    messenger.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let witness = Witness::answering();
    let dispatcher = Arc::clone(&witness);
    messenger.add_dispatcher_head(dispatcher).unwrap();
    messenger.start().unwrap();
    (messenger, witness)
}

/// Bytes that are kept in flight on a connection.
const WINDOW: u64 = 256 << 10;

/// Dials, sends, and now and then gives a connection up, until it is told to
/// stop or cannot go on.
fn be_busy(from: &Messenger, to: &[Arc<Messenger>; 2], seed: u64, stop: &AtomicBool) {
    let mut random = Random(seed);
    while !stop.load(Ordering::Relaxed) {
        let other = &to[usize::from(random.below(2) == 0)];
        let Ok(con) = from.connect(EntityType::OSD, &other.myaddrs()) else {
            return;
        };
        let mut writer = Writer::new(con);
        while !stop.load(Ordering::Relaxed) && writer.con.queued_bytes() > WINDOW {
            std::thread::yield_now();
        }
        for _ in 0..random.below(20) {
            if writer.send(20_000, &mut random).is_err() {
                break;
            }
        }
        if random.below(20) == 0 {
            writer.con.mark_down();
        }
    }
}

/// One busy messenger that is shut down once it has got so many letters; how
/// long that took.
fn shut_down_after(letters: u64, seed: u64) -> Duration {
    let policy = match seed % 3 {
        0 => Policy::lossless_peer(),
        1 => Policy::lossless_peer_reuse(),
        _ => Policy::lossy_client(),
    };
    let context = Context::new();
    for (key, value) in [
        ("ms_bind_port_min", "0"),
        (
            "ms_async_op_threads",
            ["1", "2", "3"][(seed % 7 % 3) as usize],
        ),
        ("ms_initial_backoff", "0.001"),
    ] {
        context.conf_set(key, value).unwrap();
    }
    let (busy, witness) = node(&context, "osd.0", policy);
    let others = [1, 2].map(|id| node(&context, &format!("osd.{id}"), policy).0);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| be_busy(&busy, &others, seed, &stop));
        let back = [Arc::clone(&busy), Arc::clone(&others[1])];
        let (stop_one, one) = (&stop, &others[0]);
        scope.spawn(move || be_busy(one, &back, seed + 1, stop_one));
        let (facts, busy_enough) = witness.wait_for(DEADLINE, |facts| facts.letters >= letters);
        let begin = Instant::now();
        busy.shutdown().unwrap();
        busy.wait().unwrap();
        let took = begin.elapsed();
        stop.store(true, Ordering::Relaxed);
        assert!(busy_enough, "seed {seed}: only {facts:?}");
        let after = witness.facts();
        for other in &others {
            other.shutdown().unwrap();
            other.wait().unwrap();
        }
        assert_eq!(
            witness.facts().letters,
            after.letters,
            "a callback after wait"
        );
        took
    })
}

#[test]
#[ignore = "wants the machine for itself"]
fn shutdown_returns_at_once_at_any_moment_and_leaves_nothing_behind() {
    let rounds = number_from_env("MSGR_SHUTDOWN_ROUNDS", 1000);
    let mut random = Random(1);
    let before = (threads(), descriptors());
    // What is made once and kept is the first messenger's, not the shutdown's.
    shut_down_after(10, 0);
    let heap = heap_bytes();
    let mut times = Times(Vec::with_capacity(1000));
    for seed in 0..rounds {
        times.0.push(shut_down_after(random.below(60), seed));
    }
    times.print("shutdown of a busy messenger");
    // A thread that was joined may still be on its way out.
    eventually(|| (threads(), descriptors()) == before, "rid of threads");
    let left = heap_bytes() - heap;
    let made = i64::try_from(times.0.capacity() * size_of::<Duration>()).unwrap();
    println!("shutdown: {} bytes left after {rounds} rounds", left - made);
    assert!(
        left - made <= 0,
        "{left} bytes are left, {made} of them its own"
    );
    assert!(times.percentile(100) <= Duration::from_secs(1));
}
