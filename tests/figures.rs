//! Figures of lossless sessions: how fast they recover, what they leave behind.
//!
//! Each test prints its figures and holds them against a bound. They want the
//! machine for themselves, so they run one at a time and only when asked:
//!
//!     cargo test --release --test figures -- --ignored --nocapture --test-threads=1

#![expect(
    clippy::disallowed_methods,
    reason = "what is measured here is time, and the CPU time of doing nothing"
)]

#[path = "figures/idle.rs"]
mod idle;
#[path = "figures/race.rs"]
mod race;
#[path = "figures/reconnect.rs"]
mod reconnect;
#[path = "figures/restart.rs"]
mod restart;
#[path = "figures/shutdown.rs"]
mod shutdown;
#[path = "figures/strangers.rs"]
mod strangers;
mod support;

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// Counts what the program holds on the heap.
#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes on the heap, as they were asked for.
fn heap_bytes() -> i64 {
    let stats = HEAP.stats();
    let grown = i64::try_from(stats.bytes_allocated).unwrap();
    grown - i64::try_from(stats.bytes_deallocated).unwrap()
}

/// Pieces on the heap.
fn heap_pieces() -> i64 {
    let stats = HEAP.stats();
    i64::try_from(stats.allocations).unwrap() - i64::try_from(stats.deallocations).unwrap()
}

/// Threads of this process.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// Times, to be summed up.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    fn since(&mut self, begin: Instant) {
        self.0.push(begin.elapsed());
    }

    /// The time that so many of a hundred do not exceed.
    fn percentile(&mut self, percent: usize) -> Duration {
        self.0.sort_unstable();
        self.0[(self.0.len() * percent).div_ceil(100) - 1]
    }

    fn print(&mut self, what: &str) {
        let [p50, p99, worst] = [50, 99, 100].map(|percent| self.percentile(percent));
        println!(
            "{what}: {} times; p50 {p50:.2?}, p99 {p99:.2?}, worst {worst:.2?}",
            self.0.len()
        );
    }
}

/// Times that two threads need for a bare TCP connection and one byte each way.
fn bare_times() -> Times {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut times = Times::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..BARE_ROUNDS {
                let (mut peer, _) = listener.accept().unwrap();
                let mut byte = [0];
                peer.read_exact(&mut byte).unwrap();
                peer.write_all(&byte).unwrap();
            }
        });
        for _ in 0..BARE_ROUNDS {
            let begin = Instant::now();
            let mut socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            socket.write_all(b"x").unwrap();
            socket.read_exact(&mut [0]).unwrap();
            times.since(begin);
        }
    });
    times
}

const BARE_ROUNDS: u64 = 1000;

/// Measures, prints, and holds what half and 99 of 100 took against bounds.
///
/// A machine that has something else to do makes times longer, never shorter:
/// one good run of three is enough. And where a thread often waits for its turn
/// no bound of milliseconds can hold: a handshake has four round trips or more,
/// so what a bare connection takes then is allowed as often.
#[track_caller]
fn expect_times(what: &str, half: Duration, most: Duration, mut measure: impl FnMut() -> Times) {
    for _ in 0..3 {
        let mut times = measure();
        times.print(what);
        let (p50, p99) = (times.percentile(50), times.percentile(99));
        if p50 <= half && p99 <= most {
            return;
        }
        let mut bare = bare_times();
        bare.print("a bare TCP connection and one byte each way, for comparison");
        if p50 <= half + 4 * bare.percentile(50) && p99 <= most + 4 * bare.percentile(99) {
            return println!("{what}: too slow, and so is this machine");
        }
    }
    panic!("{what}: too slow");
}
