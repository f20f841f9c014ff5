//! Clusters of messengers in a simulated world.
//!
//! A seed decides a [`plan`]; a [`run`] carries it out: [`apps`] send on all nodes
//! of a [`cluster`], [`chaos`] harms the network and the processes, and the
//! [`model`] says what of all that happens must not.
//!
//! `MSGR_SIM_SEEDS` is how many seeds are run, `MSGR_SIM_FIRST` the first of them,
//! `MSGR_SIM_SEED` the one seed to look at: its run is printed.

mod apps;
mod chaos;
mod cluster;
mod echo;
mod model;
mod mutations;
mod plan;
mod report;
mod restart;
mod run;
mod storm;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::proto::{Mutation, with_mutation};
use plan::Wire;
use run::{Outcome, is_replay, run};

/// Seeds of an ordinary test run.
const SEEDS: u64 = 2_000;

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not \"{text}\"")),
    )
}

/// Runs that seed, or says how to have a look at it.
fn checked(seed: u64) -> Outcome {
    let outcome = catch_unwind(AssertUnwindSafe(|| run(seed)));
    let replay = format!("MSGR_SIM_SEED={seed} cargo test --lib simulated_clusters -- --nocapture");
    match outcome {
        Ok(outcome) if outcome.violations.is_empty() => outcome,
        Ok(outcome) => panic!(
            "seed {seed}: {} violations\n{}\nreplay: {replay}",
            outcome.violations.len(),
            outcome.violations.join("\n")
        ),
        Err(panic) => {
            println!("replay: {replay}");
            resume_unwind(panic)
        }
    }
}

/// Prints what the library logs, while somebody looks at one seed.
struct Printer;

impl log::Log for Printer {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        println!("    {}", record.args());
    }

    fn flush(&self) {}
}

#[test]
fn simulated_clusters_keep_every_promise() {
    let (first, seeds) = match setting("MSGR_SIM_SEED") {
        Some(seed) => (seed, 1),
        None => (
            setting("MSGR_SIM_FIRST").unwrap_or(0),
            setting("MSGR_SIM_SEEDS").unwrap_or(SEEDS),
        ),
    };
    if is_replay() && log::set_logger(&Printer).is_ok() {
        log::set_max_level(log::LevelFilter::Trace);
    }
    let (mut faults, mut messages, mut wires) = (0, 0, Vec::new());
    for seed in first..first + seeds {
        let outcome = checked(seed);
        faults += outcome.faults;
        messages += outcome.messages;
        wires.extend(outcome.wire);
    }
    let of = |wanted: Wire| wires.iter().filter(|wire| **wire == wanted).count();
    let [crc, secure, v1] = [Wire::Crc, Wire::Secure, Wire::V1].map(of);
    println!(
        "simulator: {seeds} seeds ({crc} crc, {secure} secure, {v1} v1), \
         {faults} faults, {messages} messages, 0 violations"
    );
    assert!(is_replay() || faults > 10 * seeds, "that was too easy");
}

#[test]
fn buffers_with_more_room_than_was_asked_for_hold_nothing_up() {
    with_mutation(Mutation::RoomyBuffers, || {
        (0..500).for_each(|seed| drop(checked(seed)));
    });
}

#[test]
fn one_seed_gives_one_simulated_run() {
    for seed in 0..20 {
        assert_eq!(checked(seed).trace, checked(seed).trace, "seed {seed}");
    }
}
