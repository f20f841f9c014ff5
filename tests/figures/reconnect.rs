//! How long a session is without a connection after a reset.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::support::letter::Facts;
use super::support::pair::{Kind, Pair};
use super::support::proxy::Cut;
use super::{Times, expect_times};

const CUTS: u64 = 1000;

/// Times from a reset until both ends are told that they are connected again;
/// what was sent meanwhile has arrived by then or does so right away.
fn reconnects(kind: Kind) -> Times {
    // Ceph's pauses, since the first attempt must not wait for any.
    let pauses = [("ms_initial_backoff", "0.2"), ("ms_max_backoff", "15")];
    let mut pair = Pair::new(kind, 1, &pauses);
    pair.connect();
    pair.exchange(1, 100);
    let ends = [&pair.a, &pair.b].map(|end| Arc::clone(&end.witness));
    let links = |facts: &Facts| facts.connects + facts.accepts;
    let mut times = Times::default();
    for _ in 0..CUTS {
        let before = [0, 1].map(|at: usize| links(&ends[at].facts()));
        let begin = Instant::now();
        pair.cut(Cut::Reset);
        pair.a.send(1, 0, &mut pair.random);
        for (end, before) in ends.iter().zip(before) {
            end.wait_until(|facts| links(facts) > before);
        }
        times.since(begin);
        pair.expect_all();
        pair.expect_acknowledged();
    }
    pair.finish();
    times
}

const HALF: Duration = Duration::from_millis(5);
const MOST: Duration = Duration::from_millis(50);

#[test]
#[ignore = "wants the machine for itself"]
fn a_lossless_client_reconnects_after_a_reset_within_milliseconds() {
    expect_times(
        "a lossless client, from reset to reconnected",
        HALF,
        MOST,
        || reconnects(Kind::ClientServer),
    );
}

#[test]
#[ignore = "wants the machine for itself"]
fn lossless_peers_reconnect_after_a_reset_within_milliseconds() {
    expect_times(
        "lossless peers, from reset to reconnected",
        HALF,
        MOST,
        || reconnects(Kind::Peers),
    );
}
