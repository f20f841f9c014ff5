#!/bin/sh
# valgrind.sh BINDIR: hello and the benchmark pair leave no error and no lost memory behind.
set -eu
bin=$1
here=$(cd "$(dirname "$0")" && pwd)
RUN="valgrind -q --suppressions=$here/valgrind.supp --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect"
export RUN MSGR_WORKERS=2
$RUN "$bin/hello"
sh "$here/../examples-c/demo.sh" "$bin" 2 2 8 200 0 4096
sh "$here/../examples-c/demo.sh" "$bin" 0 1 0 50 0 100000
