#!/bin/sh
# Installs the Debian packages the checks need and this machine lacks; where that is not
# possible, says in one line which. Always succeeds: the checks themselves miss what is missing.
packages=
want() { # want COMMAND PACKAGE
    command -v "$1" >/dev/null 2>&1 || packages="$packages $2"
}
want cc gcc
want c++ g++
want make make
want nm binutils
want cmake cmake
want pkg-config pkg-config
want valgrind valgrind
want strace strace
want abidiff abigail-tools
want clang clang
want mandoc mandoc
want doxygen doxygen
want ceph-mon ceph-mon
want ceph-osd ceph-osd
want ceph ceph-common
want monmaptool ceph-common
if [ "${CI:-}" = true ]; then
    want dh debhelper
    want lintian lintian
    want debootstrap debootstrap
fi
[ -e /usr/include/stdlib.h ] || packages="$packages libc6-dev"
packages=$(printf '%s\n' $packages | sort -u | tr '\n' ' ')
[ -n "${packages% }" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing ${packages% }"
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    # shellcheck disable=SC2086 # a list of words
    { apt-get update -q && apt-get install -y -q --no-install-recommends $packages; } </dev/null >"$log" 2>&1 && {
        rm -f "$log"
        exit 0
    }
    tail -n 5 "$log"
    rm -f "$log"
fi
echo "missing packages; install them with: apt-get install ${packages% }"
