#!/bin/sh
# Installs into a scratch prefix, moves it, and builds and runs a consumer in every way a
# consumer may find the library. Needs make, cc, cmake, pkg-config, binutils.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
: "${MAKE:=make}" "${CC:=cc}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM HUP
prefix=$scratch/moved
# Nothing of the caller's may help a consumer find the library.
unset LD_LIBRARY_PATH LIBRARY_PATH CPATH C_INCLUDE_PATH CMAKE_PREFIX_PATH PKG_CONFIG_PATH || true

fail() { echo "install: $*" >&2; exit 1; }
needs_shared() { readelf -d "$1" | grep -q 'NEEDED.*\[libmsgr\.so\.'; }
build_cmake() { # build_cmake PROJECT WANTED_VERSION -> $scratch/build-PROJECT
    cmake -S "$here/$1" -B "$scratch/build-$1" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_MODULE_PATH="$root/cmake" \
        -DMSGR_WANTED="$2" >"$scratch/log" 2>&1 && cmake --build "$scratch/build-$1" >>"$scratch/log" 2>&1
}
run_consumer() { # run_consumer PROGRAM shared|static: prints the header's and the library's version
    said=$("$1") || fail "$1 failed"
    [ "$said" = "$version $version" ] || fail "$1 says '$said', want version $version twice"
    case $2 in
        shared) needs_shared "$1" || fail "$1 is not linked to libmsgr.so" ;;
        static) if needs_shared "$1"; then fail "$1 needs libmsgr.so"; fi ;;
    esac
}

"$MAKE" -s -C "$root" install PREFIX="$scratch/first" >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "make install"; }
mv "$scratch/first" "$prefix"
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
version=$(pkg-config --modversion msgr)
[ "$(readlink "$prefix/lib/libmsgr.so.${version%%.*}")" = "libmsgr.so.$version" ] || fail "wrong soname link"
echo "install: msgr $version into $prefix"

for project in config module; do
    build_cmake $project "$version" || { cat "$scratch/log"; fail "cmake $project"; }
    run_consumer "$scratch/build-$project/msgr" shared
    run_consumer "$scratch/build-$project/msgr_static" static
    rm -rf "$scratch/build-$project"
    if build_cmake $project 99.0; then fail "cmake $project takes $version for 99.0"; fi
    rm -rf "$scratch/build-$project"
    echo "install: cmake $project ok"
done

# shellcheck disable=SC2046 # the flags are words
"$CC" -o "$scratch/shared" "$here/consumer.c" $(pkg-config --cflags --libs msgr) -Wl,-rpath,"$prefix/lib"
run_consumer "$scratch/shared" shared
echo "install: pkg-config ok"

# What was written for Ceph finds Ceph's headers by their paths.
# shellcheck disable=SC2046
"${CXX:-c++}" -std=c++17 -o "$scratch/compat" "$here/compat.cc" -I"$(pkg-config --variable=compatdir msgr)" \
    $(pkg-config --cflags --libs msgr) -Wl,-rpath,"$prefix/lib"
run_consumer "$scratch/compat" shared
echo "install: headers by Ceph's paths ok"

# --static does not make the linker prefer an archive: the usual place for it is a machine without the shared library.
cp -r "$prefix" "$scratch/archive"
rm "$scratch/archive/lib/"libmsgr.so*
PKG_CONFIG_PATH="$scratch/archive/lib/pkgconfig"
# shellcheck disable=SC2046
"$CC" -o "$scratch/static" "$here/consumer.c" $(pkg-config --static --cflags --libs msgr)
run_consumer "$scratch/static" static
echo "install: pkg-config --static ok"

# A packager's way: staged, with the library in a multiarch directory, and away again without a trace.
stage="$scratch/stage"
set -- DESTDIR="$stage" PREFIX=/usr LIBDIR=/usr/lib/triplet
"$MAKE" -s -C "$root" install "$@" >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "make install DESTDIR="; }
PKG_CONFIG_PATH="$stage/usr/lib/triplet/pkgconfig"
"$CC" -fsyntax-only $(pkg-config --cflags msgr) "$here/consumer.c" || fail "no header by a multiarch msgr.pc"
"$MAKE" -s -C "$root" uninstall "$@" >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "make uninstall"; }
left=$(find "$stage" ! -type d)
[ -z "$left" ] || fail "uninstall leaves $left"
echo "install: staged install and uninstall ok"
