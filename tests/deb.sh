#!/bin/sh
# deb.sh DEBDIR: the packages of `make deb` in a system that has never seen this tree. A fresh Debian is made with
# debootstrap, the packages are installed there, and the program of README.md is built and run, by pkg-config, by CMake
# and from the static library; then the tools. Wants root and a Debian mirror; without them it says so and, with
# CI=true, fails.
set -eu
debs=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM HUP
root=$scratch/root
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
skip() { echo "deb: skipped: $*"; [ "${CI:-}" != true ]; exit; }
within() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C "$@"; }

[ "$(id -u)" = 0 ] || skip "chroot wants root"
command -v debootstrap >/dev/null 2>&1 || skip "there is no debootstrap"
timeout 900 debootstrap --variant=minbase --include=gcc,libc6-dev,pkg-config,cmake,make "$suite" "$root" >"$scratch/log" 2>&1 || {
    tail -n 5 "$scratch/log"
    skip "no Debian could be made, which wants a mirror of $suite"
}
cp "$debs"/libmsgr0_*.deb "$debs"/libmsgr-dev_*.deb "$debs"/msgr-tools_*.deb "$root/tmp/"
within sh -c 'dpkg -i /tmp/*.deb' >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }

mkdir "$root/tmp/app"
sed -n '/^```c$/,/^```$/p' README.md | sed '/^```/d' >"$root/tmp/app/hello.c"
cat >"$root/tmp/app/CMakeLists.txt" <<'EOF'
cmake_minimum_required(VERSION 3.16)
project(app C)
find_package(Msgr REQUIRED)
add_executable(shared hello.c)
target_link_libraries(shared Msgr::msgr)
add_executable(static hello.c)
target_link_libraries(static Msgr::msgr_static)
EOF
hello() { # hello WAY PROGRAM
    said=$(within timeout 60 "$2") || { echo "deb: $1 fails"; exit 1; }
    [ "$said" = "Hello over TCP" ] || { echo "deb: $1 says '$said'"; exit 1; }
    echo "deb: $1 runs"
}
within sh -ec 'cd /tmp/app; cc hello.c $(pkg-config --cflags --libs msgr) -o hello; cmake -S . -B build >log; cmake --build build >>log'
hello pkg-config /tmp/app/hello
hello CMake /tmp/app/build/shared
hello 'CMake, static' /tmp/app/build/static
within sh -ec 'mkfifo /tmp/said; msgr-perf-server 127.0.0.1:0 1 0 >/tmp/said & server=$!
    read -r line </tmp/said; msgr-perf-client "${line#listening on }" 1 32 1000 0 64 >/dev/null
    msgr-ping "${line#listening on }" osd 1; kill $server; wait $server'
echo "deb: the tools run"
within dpkg -P msgr-tools libmsgr-dev libmsgr0 >/dev/null
left=$(within sh -c 'find / -xdev -name "*msgr*" ! -path "/tmp/*" ! -path "/var/*"')
[ -z "$left" ] || { echo "deb: purging leaves $left"; exit 1; }
echo "deb: nothing is left of it"
