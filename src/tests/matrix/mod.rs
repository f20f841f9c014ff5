//! The interception matrix: every frame, before it is written or read, meets every
//! kind of harm, and every connection object has to come out of it with exactly
//! the counters that the tables say. The tables are written from the protocol and
//! from what Ceph's own tests expect, not computed by anything under test.
//!
//! The messengers are real; the network, the clock and the turns of the workers
//! are simulated. [`interceptor`] sits in the network, [`world`] runs two nodes,
//! [`case`] compares, and each of the other files is a group of tables.

mod answers;
mod axes;
mod breakpoint;
mod case;
mod crossings;
mod handshake;
mod harmed_races;
mod interceptor;
mod ledger;
mod legacy;
mod life;
mod open;
mod races;
mod reconnect;
mod restart;
mod rounds;
mod sealed;
mod tale;
mod wire;
mod witness;
mod world;

use std::env;

use crate::proto::Mutation;
use case::Case;
use wire::Wire;

/// Failures that are shown.
const SHOWN: usize = 40;

fn cases() -> Vec<Case> {
    let groups = [
        handshake::cases(),
        open::cases(),
        reconnect::cases(),
        answers::cases(),
        rounds::cases(),
        races::cases(),
        harmed_races::cases(),
        crossings::cases(),
        life::cases(),
        restart::cases(),
        legacy::cases(),
    ];
    groups.into_iter().flatten().collect()
}

/// `MSGR_MATRIX` picks the cases that have this in their description, and another
/// `MSGR_MATRIX_SEED` lets other pauses be drawn and, if it is even, workers take
/// their turns the other way round.
#[test]
fn interception_matrix() {
    let only = env::var("MSGR_MATRIX").unwrap_or_default();
    let seed = env::var("MSGR_MATRIX_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    let mut cases = cases();
    cases.retain(|case| case.to_string().contains(&only));
    let wrong = cases.iter().filter_map(|case| case.run(seed).err());
    let wrong: Vec<String> = wrong.collect();
    let count = |wires: &[Wire]| {
        let of_them = cases
            .iter()
            .filter(|case| wires.contains(&case.setting.wire));
        of_them.count()
    };
    println!(
        "interception matrix: {} cases, {} wrong ({} crc, {} compressing, {} secure, {} v1)",
        cases.len(),
        wrong.len(),
        count(&[Wire::Msgr20, Wire::Msgr21]),
        count(&[Wire::Msgr21Compressing]),
        count(&[Wire::Secure20, Wire::Secure21]),
        count(&[Wire::Msgr1]),
    );
    let shown = wrong.iter().take(SHOWN).map(String::as_str);
    let shown = shown.collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty() && !cases.is_empty(), "\n{shown}");
}

#[test]
fn the_matrix_notices_deliberate_bugs() {
    let cases = cases();
    for mutation in [
        Mutation::DropReplay,
        Mutation::SkipDedupe,
        Mutation::AckEarly,
        Mutation::LoseQueueOnReplace,
        Mutation::ForgetResetCallback,
    ] {
        let noticed = cases.iter().any(|case| case.run_with(mutation).is_err());
        assert!(noticed, "{mutation:?} goes unnoticed");
    }
}
