#!/bin/sh
# demo.sh BINDIR [THREADS [JOBS CONCURRENCY IOS THINK_US MSG_LEN]]
#
# Starts perf_server on a free loopback port, runs perf_client against it and ends
# the server again. The client's line with the rate is the last one printed.
# $RUN, if set, goes in front of both programs (a memory checker, for instance); $PAIR, with a % for their parts, is what
# they are called, "perf_%++" for those in C++.
set -eu

bin=$1
pair=${PAIR:-perf_%}
perf() { echo "$bin/${pair%%\%*}$1${pair#*%}"; }
threads=${2:-2}
if [ $# -gt 2 ]; then shift 2; else set -- 1 32 200000 0 64; fi

scratch=$(mktemp -d)
server=
end() {
    # By its pid, and only if it is still there.
    if [ -n "$server" ]; then kill -TERM "$server" 2>/dev/null || true; wait "$server" || true; fi
    rm -rf "$scratch"
}
trap end EXIT
trap 'exit 1' INT TERM HUP

# The server's first line comes through a pipe: reading it waits exactly until it listens.
mkfifo "$scratch/out"
${RUN:-} "$(perf server)" 127.0.0.1:0 "$threads" 0 >"$scratch/out" &
server=$!
exec 3<"$scratch/out"
read -r line <&3 || { echo "perf_server has not started" >&2; exit 1; }
addr=${line#listening on }
echo "perf_server $line, $threads threads"
echo "perf_client $addr $*"
${RUN:-} "$(perf client)" "$addr" "$@"

# A server that does not end cleanly is a failure, too.
pid=$server
server=
kill -TERM "$pid"
wait "$pid" || { echo "perf_server ended with status $?" >&2; exit 1; }
