#!/bin/sh
# headers.sh COMPILER...: every header of include/ by itself, without a warning, in every language it is for. Each COMPILER
# is a pair CC:CXX.
set -eu
cd "$(dirname "$0")/.."
warnings="-Wall -Wextra -Wpedantic -Wshadow -Werror"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

alone() { # alone HEADER LANGUAGE COMPILER FLAGS...: notes one way
    echo "$*" >>"$scratch/ways"
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
    alone all.h c++ "${pair#*:}" -std=c++20 -Wnon-virtual-dtor -Iinclude/msgr/compat "-I$scratch"
done

# Included twice, since it may be; as many ways at a time as there are processors.
cat >"$scratch/try" <<'TRY'
header=$1 language=$2
shift 2
printf '#include <%s>\n#include <%s>\n' "$header" "$header" | "$@" -x "$language" -Iinclude -fsyntax-only - || {
    echo "headers: $header fails with $*" >&2
    exit 255
}
TRY
sed "s|\$| $warnings|" "$scratch/ways" | xargs -P "$(getconf _NPROCESSORS_ONLN)" -L 1 sh "$scratch/try"
echo "headers: $(wc -l <"$scratch/ways") ways to include one"
