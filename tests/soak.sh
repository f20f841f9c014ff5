#!/bin/sh
# What `make check` does in small, for long. Each of the counts can be set from outside, and MSGR_SIM_FIRST, the first
# seed of the simulator, so that a second soak need not repeat the first.
set -eu
cd "$(dirname "$0")/.."
: "${CARGO:=cargo}" "${MSGR_THRASH_SEEDS:=50}" "${MSGR_THRASH_OPS:=5000}" "${MSGR_SHUTDOWN_ROUNDS:=10000}"
: "${MSGR_SIM_SEEDS:=100000}"
export MSGR_SIM_SEEDS MSGR_THRASH_SEEDS MSGR_THRASH_OPS MSGR_SHUTDOWN_ROUNDS
$CARGO test -q --locked --lib simulated_clusters -- --nocapture
alone='--ignored --nocapture --test-threads=1'
$CARGO test -q --locked --test thrash -- $alone
$CARGO test -q --locked --test figures -- $alone
