#!/bin/sh
# examples.sh BINDIR LIBDIR: runs hello and the benchmark pairs with 1, 2 and 8 workers, and
# the client in Python.
set -eu
bin=$1
lib=$2
here=$(cd "$(dirname "$0")" && pwd)

hello() { # hello PROGRAM...
    said=$("$@")
    [ "$said" = "Hello over TCP" ] || { echo "examples: $* says '$said'" >&2; exit 1; }
}
pair() { # pair THREADS JOBS CONCURRENCY IOS THINK_US MSG_LEN
    sh "$here/../examples-c/demo.sh" "$bin" "$@" | tail -n 1
}

for workers in 1 2 8; do
    export MSGR_WORKERS=$workers
    echo "examples: $workers workers"
    hello "$bin/hello"
    hello "$bin/hello++"
    pair 2 1 0 2000 0 0
    pair 2 4 32 5000 0 64
    pair 0 4 32 5000 0 4096
    pair 2 2 8 200 20 1048576
    for pair in perf_%++ ceph_perf_%; do
        export PAIR=$pair
        pair 2 4 32 2000 0 64
        pair 0 2 8 200 20 65536
        unset PAIR
    done
done

if ! command -v python3 >/dev/null; then
    echo "examples: skipped client.py: there is no python3"
    exit 0
fi
scratch=$(mktemp -d)
server=
end() {
    if [ -n "$server" ]; then kill -TERM "$server" 2>/dev/null || true; wait "$server" || true; fi
    rm -rf "$scratch"
}
trap end EXIT
mkfifo "$scratch/out"
"$bin/perf_server" 127.0.0.1:0 0 0 >"$scratch/out" &
server=$!
exec 3<"$scratch/out"
read -r line <&3
addr=${line#listening on }
"$bin/ping" "$addr" osd 1 >/dev/null || { echo "examples: ping has no answer" >&2; exit 1; }
export LD_LIBRARY_PATH="$lib"
said=$(python3 "$here/../examples-c/client.py" "$addr" 500)
case $said in
"500 answers"*) echo "examples: client.py: $said" ;;
*) echo "examples: client.py says '$said'" >&2; exit 1 ;;
esac
# Nobody listens at port 1.
if said=$(python3 "$here/../examples-c/client.py" v2:127.0.0.1:1 1 2>&1); then
    echo "examples: client.py has reached nobody" >&2; exit 1
fi
case $said in
*"client.py: connection refused"*) ;;
*) echo "examples: client.py says '$said'" >&2; exit 1 ;;
esac
