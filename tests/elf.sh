#!/bin/sh
# elf.sh LIBDIR HEADER SOVERSION: what the built libraries look like from outside. Checks the
# files rather than the flags they were built with. Also reads NATIVE_STATIC_LIBS and TARGET.
set -eu
lib=$1/libmsgr.so archive=$1/libmsgr.a header=$2 soversion=$3
map=$(dirname "$0")/../capi-tests/abi/libmsgr.map
: "${NATIVE_STATIC_LIBS:?}" "${TARGET:?}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0
fail() { echo "elf: $*" >&2; failed=1; }

# Each name with its version; the version nodes themselves are symbols, too, of type A.
nm -D --defined-only "$lib" | awk '$2 != "A" { print $3 }' | sort >"$scratch/versioned"
sed 's/@.*//' "$scratch/versioned" >"$scratch/exported"
if grep -v '^msgr_' "$scratch/exported" >"$scratch/foreign"; then
    fail "exports symbols that are not msgr_*:" $(cat "$scratch/foreign")
fi
awk '/ \{$/ { node = $1 } /^ *msgr_/ { sub(";", "", $1); print $1 "@@" node }' "$map" | sort >"$scratch/wanted"
diff "$scratch/wanted" "$scratch/versioned" >"$scratch/diff" || {
    cat "$scratch/diff" >&2
    fail "$map (<) and library (>) differ"
}
# Declarations start at the beginning of a line; callbacks in structures do not.
grep -oE '^[a-z][a-z0-9_ ]* \**msgr_[a-z0-9_]+\(' "$header" | grep -oE 'msgr_[a-z0-9_]+\(' | tr -d '(' | sort >"$scratch/declared"
[ -s "$scratch/declared" ] || fail "no function found in $header"
diff "$scratch/declared" "$scratch/exported" >"$scratch/diff" || {
    cat "$scratch/diff" >&2
    fail "header (<) and library (>) differ"
}

readelf -d "$lib" >"$scratch/dynamic"
grep -q "SONAME.*\[libmsgr\.so\.$soversion\]" "$scratch/dynamic" || fail "the soname is not libmsgr.so.$soversion"
grep -q 'FLAGS_1.*NODELETE' "$scratch/dynamic" || fail "the loader may unmap it (no NODELETE)"
if grep -q TEXTREL "$scratch/dynamic"; then fail "text relocations"; fi
if grep -qE 'RPATH|RUNPATH' "$scratch/dynamic"; then fail "has a search path"; fi

readelf -lW "$lib" | grep -q GNU_RELRO && grep -q 'FLAGS_1.*NOW' "$scratch/dynamic" || fail "the tables of addresses stay writable (no full RELRO)"
if readelf -lW "$lib" | grep 'GNU_STACK.*E'; then fail "wants an executable stack"; fi

# Nor may they tell where they were built; tests/reproducible.sh says what that is for.
for folder in "${CARGO_HOME:-$HOME/.cargo}" "$(cd "$(dirname "$0")/.." && pwd)"; do
    if LC_ALL=C grep -qaF "$folder/" "$lib" "$archive"; then fail "$folder is written in it"; fi
done

# A program that links the archive has a name space of its own.
nm --defined-only -g "$archive" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort >"$scratch/archived"
diff "$scratch/declared" "$scratch/archived" >"$scratch/diff" || {
    head "$scratch/diff" >&2
    fail "header (<) and libmsgr.a (>) differ"
}

# What rustc wrote when it built libmsgr.a, against what we tell the users of libmsgr.a.
said=$(cat "$TARGET/native-static-libs")
[ "$said" = "$NATIVE_STATIC_LIBS" ] || fail "rustc says libmsgr.a needs '$said', the Makefile says '$NATIVE_STATIC_LIBS'"
list=$(echo "$NATIVE_STATIC_LIBS" | tr ' ' ';')
grep -qF "\"$list\"" "$(dirname "$0")/../cmake/FindMsgr.cmake" || fail "FindMsgr.cmake has another list of native libraries"

echo "elf: $(wc -l <"$scratch/exported") functions, libmsgr.so.$soversion, NODELETE, $said"
exit $failed
