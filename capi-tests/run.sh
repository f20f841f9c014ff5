#!/bin/bash
# Compiles and runs the C and C++ programs of this folder against a built msgr.
#
#     capi-tests/run.sh LIBDIR INCLUDEDIR [PROGRAM...]
#
# Each program is compiled as C11 and as C++17 with every warning an error, and
# runs plain with 1, 2 and 8 workers, as C++, with the address and undefined
# behaviour sanitizers, with the thread sanitizer, and under valgrind. Those in
# C++, of msgr.hpp, are compiled as C++17 and C++20 and, where clang++ is, by that
# as well, and run in the same ways. One line per program and way, then how many of
# the exported functions were called, of which none may be missing if no program was
# named, then a summary. CC, CXX and VALGRIND choose the tools; MSGR_TEST_MESSAGES how many
# messages the stress test sends (a fiftieth of it under valgrind).
set -u

if [ $# -lt 2 ]; then
    echo "usage: $0 LIBDIR INCLUDEDIR [PROGRAM...]" >&2
    exit 2
fi
lib=$(cd "$1" && pwd) include=$(cd "$2" && pwd)
shift 2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cc=${CC:-cc} cxx=${CXX:-c++} valgrind=${VALGRIND:-valgrind}
messages=${MSGR_TEST_MESSAGES:-100000}
warnings="-Wall -Wextra -Wpedantic -Werror"
c="-std=c11 -D_POSIX_C_SOURCE=200809L"
cplusplus="-std=c++17 -D_POSIX_C_SOURCE=200809L -x c++"
# cargo builds libmsgr.so without the link that its soname asks for.
ln -s "$lib/libmsgr.so" "$work/libmsgr.so.0"
link="-L$lib -lmsgr -lpthread -Wl,-rpath,$work"
# What is called is bound at its first call, and the loader tells.
lazy="-fplt -Wl,-z,lazy"
mkdir "$work/bound"
sanitize="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
# It sees the C side only, the library not being compiled with it. Its shadow memory wants to be where the kernel may
# have put something else, if it may choose freely.
sanitize_threads="-fsanitize=thread -fno-omit-frame-pointer"
export TSAN_OPTIONS=ignore_noninstrumented_modules=1
fixed=
if setarch "$(uname -m)" -R true 2>/dev/null; then fixed="setarch $(uname -m) -R"; fi
passed=0 failed=0

# verdict NAME WAY STATUS LOG
verdict() {
    if [ "$3" -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok     $1: $2"
    else
        failed=$((failed + 1))
        echo "FAILED $1: $2 (status $3)"
        sed 's/^/       /' "$4" | tail -40
    fi
}

# build NAME WAY COMPILER FLAGS... : false if it does not compile
build() {
    local name=$1 way=$2 out="$work/$1.$2" file="$here/$1.c"
    shift 2
    [ -f "$file" ] || file="$here/$name.cc"
    # shellcheck disable=SC2086  # flags are words
    "$@" $warnings -g -O1 -I"$include" -I"$here" "$file" -o "$out" $link >"$out.log" 2>&1
    local status=$?
    [ $status -eq 0 ] || verdict "$name" "compiling as $way" $status "$out.log"
    return $status
}

# run NAME WAY WORKERS TITLE COMMAND...
run() {
    local name=$1 out="$work/$1.$2" workers=$3 title=$4
    shift 4
    MSGR_TEST_WORKERS=$workers timeout 900 "$@" >"$out.log" 2>&1
    verdict "$name" "$title" $? "$out.log"
    grep '^RSS' "$out.log" | sed 's/^/       /'
}

if ! command -v "$valgrind" >/dev/null; then
    echo "valgrind is missing: nothing is run under it (Debian: apt-get install valgrind)"
    [ "${CI:-}" = true ] && failed=$((failed + 1))
    valgrind=
fi

# in_cpp NAME: a program of msgr.hpp
in_cpp() {
    local name=$1 strict="-Wshadow -Wnon-virtual-dtor" compiler standard
    for compiler in "$cxx" clang++; do
        command -v "$compiler" >/dev/null || continue
        for standard in c++17 c++20; do
            # shellcheck disable=SC2086
            "$compiler" -std=$standard $warnings $strict -fsyntax-only -I"$include" "$here/$name.cc" \
                >"$work/$name.log" 2>&1
            verdict "$name" "compiling as $standard by $compiler" $? "$work/$name.log"
        done
    done
    if build "$name" plain "$cxx" -std=c++17; then
        for workers in 1 2 8; do
            run "$name" plain $workers "C++17, $workers workers" "$work/$name.plain"
        done
        if [ -n "$valgrind" ]; then
            run "$name" plain 2 valgrind "$valgrind" -q --error-exitcode=99 --leak-check=full \
                --suppressions="$here/../tests/valgrind.supp" --errors-for-leak-kinds=definite \
                "$work/$name.plain"
        fi
    fi
    # shellcheck disable=SC2086
    if build "$name" sanitized "$cxx" -std=c++17 $sanitize; then
        run "$name" sanitized 2 "sanitizers, 2 workers" "$work/$name.sanitized"
    fi
    # shellcheck disable=SC2086
    if build "$name" threads "$cxx" -std=c++17 $sanitize_threads; then
        run "$name" threads 2 "thread sanitizer" $fixed "$work/$name.threads"
    fi
}

programs=("$@")
if [ ${#programs[@]} -eq 0 ]; then
    programs=("$here"/api_*.c "$here"/int_*.c "$here"/link.c "$here"/*.cc)
fi

for source in "${programs[@]}"; do
    if [ "${source%.cc}" != "$source" ]; then
        in_cpp "$(basename "$source" .cc)"
        continue
    fi
    name=$(basename "$source" .c)
    full=() less=()
    [ "$name" = int_million ] && full=("$messages") less=("$((messages / 50 + 1))")
    [ "$name" = int_shutdown ] && full=(300) less=(50)

    # shellcheck disable=SC2086
    if build "$name" c $cc $c $lazy; then
        for workers in 1 8; do
            run "$name" c $workers "C11, $workers workers" "$work/$name.c" "${full[@]}"
        done
        # Except where open files are counted, of which the loader's report would be one.
        bound=(env LD_DEBUG=bindings LD_DEBUG_OUTPUT="$work/bound/$name")
        [ "$name" = int_fork ] && bound=()
        run "$name" c 2 "C11, 2 workers" "${bound[@]}" "$work/$name.c" "${full[@]}"
        if [ -n "$valgrind" ]; then
            run "$name" c 2 valgrind "$valgrind" -q --error-exitcode=99 --leak-check=full \
                --suppressions="$here/../tests/valgrind.supp" --errors-for-leak-kinds=definite \
                "$work/$name.c" "${less[@]}"
        fi
    fi
    # shellcheck disable=SC2086
    if build "$name" c++ $cxx $cplusplus; then
        run "$name" c++ 2 "C++17, 2 workers" "$work/$name.c++" "${less[@]}"
    fi
    # shellcheck disable=SC2086
    if build "$name" sanitized $cc $c $sanitize; then
        run "$name" sanitized 2 "sanitizers, 2 workers" "$work/$name.sanitized" "${less[@]}"
    fi
    # It refuses threads in a forked child.
    # shellcheck disable=SC2086
    if [ "$name" != int_fork ] && build "$name" threads $cc $c $sanitize_threads; then
        run "$name" threads 2 "thread sanitizer, 2 workers" $fixed "$work/$name.threads" "${less[@]}"
    fi
done

# link.c only takes addresses, which the loader binds at once.
rm -f "$work"/bound/link.*
cat "$work"/bound/* /dev/null 2>/dev/null | sed -n "s/.*binding file $(echo "$work" | sed 's|/|\\/|g')\/.* symbol \`\(msgr_[a-z0-9_]*\)'.*/\1/p" |
    sort -u >"$work/called"
nm -D --defined-only "$lib/libmsgr.so" | awk '$2 != "A" { sub("@.*", "", $3); print $3 }' | sort >"$work/exported"
echo "$(comm -12 "$work/called" "$work/exported" | wc -l) of $(wc -l <"$work/exported") exported functions called"
if [ $# -eq 0 ]; then
    if never=$(comm -13 "$work/called" "$work/exported") && [ -n "$never" ]; then
        failed=$((failed + 1))
        echo "FAILED never called:" $never
    else
        passed=$((passed + 1))
    fi
fi

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
