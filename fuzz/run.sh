#!/bin/sh
# Builds the fuzz targets with the stable toolchain and runs one of them, or all
# in turn: run.sh TARGET|all [SECONDS]
set -eu
cd "$(dirname "$0")"
target=${1:?which target?}
seconds=${2:-0}

# What cargo-fuzz passes to a nightly compiler; none of it needs one.
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
flags="$flags -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
flags="$flags -Cllvm-args=-sanitizer-coverage-pc-table"
flags="$flags -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing"
# The triple keeps build scripts out of it.
triple=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS="$flags" cargo build --release --target "$triple"

run() {
    mkdir -p "target/corpus/$1" "target/artifacts/$1"
    nice -n 15 "target/$triple/release/$1" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=1024 -artifact_prefix="target/artifacts/$1/" -print_final_stats=1 \
        "target/corpus/$1" "corpus/$1"
}

if [ "$target" = all ]; then
    for file in fuzz_targets/*.rs; do
        run "$(basename "$file" .rs)"
    done
else
    run "$target"
fi
