#!/bin/sh
# check.sh LIBDIR SCRATCH: counts what a message costs, instructions by callgrind and system calls
# by strace, and compares with baseline.txt. MSGR_BLESS=1 writes that anew.
#
# Counts are of both ends together, and the difference of a short run and a long one: starting up is not in
# them. A request with its answer counts as one message.
set -eu
lib=$(cd "$1" && pwd)
mkdir -p "$2"
scratch=$(cd "$2" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
cc=${CC:-cc}

# What is allowed to come out otherwise, in percent. The baseline knows what it was made with: other
# compilers, C libraries and processors cost more or less without anybody's fault.
flags=$(grep -m 1 -o -w -E 'flags.*' /proc/cpuinfo)
made="$(rustc -V | cut -d ' ' -f 1,2), glibc $(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2)"
for flag in avx2 bmi2 aes pclmulqdq; do
    case " $flags " in *" $flag "*) made="$made, $flag" ;; esac
done
known=$(sed -n 's/^# with: //p' "$here/baseline.txt" 2>/dev/null || true)
tolerance=3
[ "$made" = "$known" ] || tolerance=10

"$cc" -std=c11 -Wall -Wextra -Wpedantic -Werror -O2 -pthread -I"$here/../../include" \
    -o "$scratch/both_ends" "$here/both_ends.c" -L"$lib" -lmsgr -Wl,-rpath,"$lib"

secure="keyring=$here/../peers/bench.keyring ms_secure_only=true"

instructions() { # instructions WORKLOAD COUNT OPTIONS...
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$scratch/both_ends" "$@" 2>&1 |
        sed -n 's/.*Collected : //p'
}
calls() {
    strace -f -c -o "$scratch/calls" "$scratch/both_ends" "$@" 2>/dev/null
    awk '$NF == "total" { print $4 }' "$scratch/calls"
}

row() { # row WORKLOAD MODE SHORT LONG OPTIONS...
    work=$1 mode=$2 short=$3 long=$4
    shift 4
    few=$(instructions "$work" "$short" "$@")
    many=$(instructions "$work" "$long" "$@")
    # Which of several sockets the kernel fills first is not ours to say, and can only cost more.
    [ "$work" != d8 ] || for _ in 1 2 3; do
        again=$(instructions "$work" "$long" "$@")
        [ "$again" -ge "$many" ] || many=$again
    done
    # System calls are few, and come in jumps: a longer run for them.
    few_calls=$(calls "$work" "$short" "$@")
    many_calls=$(calls "$work" $((long * 4)) "$@")
    awk -v work="$work" -v mode="$mode" -v few="$few" -v many="$many" -v n=$((long - short)) \
        -v few_calls="$few_calls" -v many_calls="$many_calls" -v m=$((long * 4 - short)) \
        'BEGIN { printf "%-3s %-7s %10.0f %8.3f\n", work, mode, (many - few) / n, (many_calls - few_calls) / m }'
}

found=$scratch/found.txt
{
    echo "# What one message costs: see check.sh."
    echo "# with: $made"
    echo "#           instructions system calls"
    for mode in crc secure; do
        options=
        [ "$mode" = crc ] || options=$secure
        # shellcheck disable=SC2086 # several options are several words
        for work in 'b 2048 10240' 'c 5120 25600' 'd8 2048 10240' 'e 40 200'; do
            set -- $work
            row "$1" "$mode" "$2" "$3" $options
        done
    done
} >"$found"
cat "$found"

if [ -n "${MSGR_BLESS:-}" ]; then
    cp "$found" "$here/baseline.txt"
    exit
fi
awk -v tolerance="$tolerance" '
    /^#/ { next }
    NR == FNR { instructions[$1 $2] = $3; calls[$1 $2] = $4; next }
    !(($1 $2) in instructions) { print $1, $2 ": not in the baseline"; bad = 1; next }
    function off(what, was, is,   percent) {
        percent = was ? 100 * (is - was) / was : 0
        rows++
        if (percent > tolerance || percent < -tolerance) {
            printf "%s %s: %s from %s to %s, %+.1f %%\n", $1, $2, what, was, is, percent
            bad = 1
        }
    }
    { off("instructions", instructions[$1 $2], $3); off("system calls", calls[$1 $2], $4) }
    END {
        if (rows != 16) { print "only " rows + 0 " counts"; bad = 1 }
        if (bad) print "cheaper, or with reason? MSGR_BLESS=1 make bench-check, and say why in the commit"
        else printf "costs: %d counts within %d %% of the baseline\n", rows, tolerance
        exit bad
    }' "$here/baseline.txt" "$found"
