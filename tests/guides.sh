#!/bin/sh
# guides.sh LIBDIR SCRATCH: compiles every C and C++ program of docs/*.md and compares what it
# prints with the block of text that follows it.
set -eu
lib=$1
scratch=$2
root=$(cd "$(dirname "$0")/.." && pwd)
cc=${CC:-cc}
cxx=${CXX:-c++}

rm -rf "$scratch"
mkdir -p "$scratch"
for guide in "$root"/docs/*.md; do
    # A program is named by its first line; the text behind it is what it prints.
    awk -v out="$scratch" '
        /^```c$/ { program = 1; kind = "c"; name = ""; next }
        /^```cpp$/ { program = 1; kind = "cc"; name = ""; next }
        /^```text$/ { if (name != "") { text = 1; next } }
        /^```$/ { if (text) { name = "" } program = 0; text = 0; next }
        program && name == "" {
            name = $2; sub("\\." kind ":$", "", name)
            if (name !~ /^[a-z_]+$/) { print "a program without a name: " $0; exit 1 }
        }
        program { print > (out "/" name "." kind) }
        text { print > (out "/" name ".expected") }
    ' "$guide"
done

programs=0
for source in "$scratch"/*.c "$scratch"/*.cc; do
    [ -e "$source" ] || continue
    name=${source%.*}
    case $source in
    *.cc) compile="$cxx -std=c++17" ;;
    *) compile="$cc -std=c11" ;;
    esac
    # shellcheck disable=SC2086
    $compile -Wall -Wextra -Wpedantic -Werror -O2 -pthread -I"$root/include" -o "$name" "$source" \
        -L"$lib" -lmsgr -Wl,-rpath,"$(cd "$lib" && pwd)"
    timeout 60 "$name" >"$name.out" || { echo "guides: $(basename "$name") has failed" >&2; exit 1; }
    diff -u "$name.expected" "$name.out"
    programs=$((programs + 1))
done
[ "$programs" -gt 0 ] || { echo "guides: no program was found" >&2; exit 1; }
echo "guides: $programs programs compiled, run and compared"
