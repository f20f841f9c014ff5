//! The oracle itself: would it notice a bug?

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::run::run;
use crate::proto::{Mutation, with_mutation};

/// Seeds within which every one of these bugs has to show.
const SEEDS: u64 = 200;

/// The first seed in which that bug shows, and as what.
fn first_violation(mutation: Mutation) -> Option<(u64, String)> {
    with_mutation(mutation, || {
        (0..SEEDS).find_map(|seed| {
            // An assertion of the library's own counts as well.
            match catch_unwind(AssertUnwindSafe(|| run(seed))) {
                Ok(outcome) => outcome.violations.into_iter().next(),
                Err(_) => Some("a panic".to_owned()),
            }
            .map(|what| (seed, what))
        })
    })
}

fn must_be_noticed(mutation: Mutation) {
    let noticed = first_violation(mutation);
    let (seed, what) = noticed.unwrap_or_else(|| panic!("{mutation:?} goes unnoticed"));
    println!("{mutation:?}: seed {seed}: {what}");
}

#[test]
fn the_model_notices_a_replay_that_is_dropped() {
    must_be_noticed(Mutation::DropReplay);
}

#[test]
fn the_model_notices_messages_that_come_twice() {
    must_be_noticed(Mutation::SkipDedupe);
}

#[test]
fn the_model_notices_acks_that_come_early() {
    must_be_noticed(Mutation::AckEarly);
}

#[test]
fn the_model_notices_a_queue_that_is_lost_on_replacement() {
    must_be_noticed(Mutation::LoseQueueOnReplace);
}

#[test]
fn the_model_notices_a_reset_that_nobody_is_told_of() {
    must_be_noticed(Mutation::ForgetResetCallback);
}
