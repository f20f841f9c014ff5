#!/bin/sh
# headers.sh COMPILER...: every header of include/ by itself, without a warning, in every language it is for. Each COMPILER
# is a pair CC:CXX.
set -eu
cd "$(dirname "$0")/.."
warnings="-Wall -Wextra -Wpedantic -Wshadow -Werror"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tried=0

alone() { # alone HEADER LANGUAGE COMPILER FLAGS...
    header=$1 language=$2
    shift 2
    echo "#include <$header>" >"$scratch/alone"
    # Twice, since it may be included twice.
    echo "#include <$header>" >>"$scratch/alone"
    # shellcheck disable=SC2086 # flags are words
    "$@" -x "$language" $warnings -Iinclude -fsyntax-only "$scratch/alone" || {
        echo "headers: $header fails with $*" >&2
        exit 1
    }
    tried=$((tried + 1))
}

for pair in "$@"; do
    for std in 11 17; do
        alone msgr.h c "${pair%:*}" -std=c$std
    done
    for path in $(cd include && find . -maxdepth 2 -name '*.h*' | sed 's|^\./||' | sort); do
        for std in 17 20; do
            alone "$path" c++ "${pair#*:}" -std=c++$std -Wnon-virtual-dtor
        done
    done
    # Under Ceph's paths, each by itself. In the newer language all at once: alone they differ in what they lack only.
    compat=$(cd include/msgr/compat && find . -name '*.h' | sed 's|^\./||' | sort)
    for path in $compat; do
        alone "$path" c++ "${pair#*:}" -std=c++17 -Wnon-virtual-dtor -Iinclude/msgr/compat
    done
    printf '#include "%s"\n' $compat >"$scratch/all.h"
    alone all.h c++ "${pair#*:}" -std=c++20 -Wnon-virtual-dtor -Iinclude/msgr/compat -I"$scratch"
done
echo "headers: $tried ways to include one"
