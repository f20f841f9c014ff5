#!/bin/sh
# deb.sh OUTDIR: Debian packages of this tree, in OUTDIR.
#
# First the source as it would be released: every crate of Cargo.lock is put into vendor/, and cargo is told to look
# nowhere else. Then the packages are built from that in a folder of their own, offline, and lintian looks at them.
# Cargo and rustc may be Debian's or not, hence -d; SOURCE=1 makes a source package, too.
set -eu
: "${CARGO:=cargo}"
cd "$(dirname "$0")/.."
version=$(sed -n '/^\[package\]/,/^\[lib\]/s/^version = "\(.*\)"/\1/p' Cargo.toml)
mkdir -p "$1"
out=$(cd "$1" && pwd)
tree=$out/msgr-$version
rm -rf "$tree" "$out"/*.deb "$out"/*.changes "$out"/*.buildinfo
mkdir "$tree"

# What git knows, as it is in the folder now. A tree that came without git is a release already.
if git rev-parse --git-dir >/dev/null 2>&1; then
    git ls-files -z --cached --others --exclude-standard | xargs -0 tar -cf - | tar -xf - -C "$tree"
else
    tar --exclude=./target --exclude=./vendor --exclude=./.cargo -cf - . | tar -xf - -C "$tree"
fi
mkdir "$tree/.cargo"
if [ -d vendor ]; then
    cp -r vendor "$tree/vendor"
    cp .cargo/config.toml "$tree/.cargo/config.toml"
else
    (cd "$tree" && $CARGO vendor -q --locked vendor >/dev/null)
    printf '[source.crates-io]\nreplace-with = "vendor"\n\n[source.vendor]\ndirectory = "vendor"\n' >"$tree/.cargo/config.toml"
fi
tar --sort=name --mtime=@"${SOURCE_DATE_EPOCH:-0}" --owner=0 --group=0 --numeric-owner -C "$out" -cf - "msgr-$version" |
    gzip -1n >"$out/msgr_$version.orig.tar.gz"

cp -r packaging/debian "$tree/debian"
cd "$tree"
if [ -n "${SOURCE:-}" ]; then what=; else what=-b; fi
# shellcheck disable=SC2086 # it may be nothing
dpkg-buildpackage -d -us -uc $what >"$out/log" 2>&1 || { tail -n 40 "$out/log"; exit 1; }
cd "$out"
rm -rf "$tree"
ls "$out"/*.deb
if command -v lintian >/dev/null 2>&1; then
    lintian --allow-root --fail-on error "$out"/*.changes
elif [ "${CI:-}" = true ]; then
    echo "deb: lintian is missing"
    exit 1
else
    echo "deb: lintian is missing, nothing looked at the packages"
fi
