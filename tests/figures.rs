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
mod support;

use std::alloc::System;
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

/// Measures, prints, and holds what half and 99 of 100 took against bounds. A
/// machine that has something else to do makes times longer, never shorter:
/// one good run of three is enough.
#[track_caller]
fn expect_times(what: &str, half: Duration, most: Duration, mut measure: impl FnMut() -> Times) {
    for _ in 0..3 {
        let mut times = measure();
        times.print(what);
        if times.percentile(50) <= half && times.percentile(99) <= most {
            return;
        }
    }
    panic!("{what}: too slow");
}
