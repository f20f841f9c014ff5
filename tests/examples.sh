#!/bin/sh
# examples.sh BINDIR: runs hello and the benchmark pair with 1, 2 and 8 workers.
set -eu
bin=$1
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
done
