#!/bin/sh
# Every check of the project, run by `make check`, which sets the variables used below.
# Ends with the line "N passed, N failed" and fails if one has failed.
#
# A check whose tools are missing is skipped with a line that says so; with CI=true in the
# environment it fails instead.
set -u
cd "$(dirname "$0")/.." || exit 1
passed=0
failed=0
skipped=
broken=

step() { # step NAME COMMAND...
    name=$1
    shift
    printf '\n== %s\n' "$name"
    begin=$(date +%s)
    if "$@" </dev/null; then
        passed=$((passed + 1))
        echo "-- $name: passed in $(($(date +%s) - begin)) s"
    else
        failed=$((failed + 1))
        broken="$broken, $name"
        echo "-- $name: FAILED"
    fi
}

needs() { # needs "TOOLS" NAME COMMAND...: the step, if all tools are there
    lacking=
    for tool in $1; do
        command -v "$tool" >/dev/null 2>&1 || lacking="$lacking $tool"
    done
    shift
    if [ -z "$lacking" ]; then
        step "$@"
    elif [ "${CI:-}" = true ]; then
        step "$1" sh -c "echo 'missing:$lacking'; exit 1"
    else
        printf '\n== %s\n-- %s: skipped, missing:%s\n' "$1" "$1" "$lacking"
        skipped="$skipped, $1"
    fi
}

sh tests/packages.sh

step 'format' $CARGO fmt --check
step 'clippy' $CARGO clippy -q --locked --all-targets -- -D warnings
step 'build' $MAKE -s lib examples interop-programs
step 'cargo test' $CARGO test -q --locked
# `cargo test` has run the header and interop tests, too; their own steps give a failure its name and
# show what was skipped.
# Once more, for their counts.
step 'cut at every byte' $CARGO test -q --locked --lib cut_at_every_byte -- --nocapture
step 'simulator' $CARGO test -q --locked --lib tests::sim -- --nocapture
step 'interception matrix' $CARGO test -q --locked --lib interception_matrix -- --nocapture
step 'captured conversations' $CARGO test -q --locked --lib conversation -- --nocapture
step 'corpus' $CARGO test -q --locked --lib corpus -- --nocapture
step 'hostile peers' $CARGO test -q --locked --test hostile -- --nocapture
step 'header' $CARGO test -q --locked --test header
# Not part of `cargo test`: each wants the machine for itself.
alone='--ignored --nocapture --test-threads=1'
step 'thrash' $CARGO test -q --locked --test thrash -- $alone
step 'figures' $CARGO test -q --locked --test figures -- $alone
step 'elf' sh tests/elf.sh "$LIB" include/msgr.h "$SOVERSION"
step 'examples' sh tests/examples.sh "$EXAMPLES" "$LIB"
step 'guides' sh tests/guides.sh "$LIB" "$TARGET/guides"
# With CI=true only, like the packages below: a second build, which takes as long as the first one.
if [ "${CI:-}" = true ]; then step 'reproducible' sh tests/reproducible.sh "$LIB"; fi
needs abidiff 'ABI' sh tests/abi.sh "$LIB" "$TARGET"
needs valgrind 'examples under valgrind' sh tests/valgrind.sh "$EXAMPLES"
needs mandoc 'manual pages' sh tests/man.sh
needs doxygen 'HTML' sh -c '$MAKE -s html && test -s "$TARGET/html/msgr_8h.html"'
step 'headers' sh tests/headers.sh "$CC:${CXX:-c++}"
needs 'clang clang++' 'headers, by clang' sh tests/headers.sh clang:clang++
step 'C API' bash capi-tests/run.sh "$LIB" include
needs 'cmake pkg-config readelf' 'install' sh tests/install/run.sh
if [ "${CI:-}" = true ]; then
    step 'Debian packages' $MAKE -s deb
    needs debootstrap 'packages in a fresh Debian' sh tests/deb.sh "$TARGET/deb"
fi
needs 'ceph-mon ceph monmaptool' 'interop' $CARGO test -q --locked --test interop -- --nocapture --include-ignored
needs 'valgrind strace' 'costs' $MAKE -s bench-check
# Last, because it leaves a libmsgr.so without link-time optimisation behind.
step 'benchmark runs' env MSGR_BENCH_QUICK=1 $CARGO bench -q --locked --bench compare

echo
[ -z "$skipped" ] || echo "skipped: ${skipped#, }"
[ -z "$broken" ] || echo "failed: ${broken#, }"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
