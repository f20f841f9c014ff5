#!/bin/sh
# reproducible.sh LIBDIR: another folder, another home of cargo, the same bytes. Takes as long as a build.
set -eu
lib=$(cd "$1" && pwd)
: "${MAKE:=make}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$(dirname "$0")/.."
root=$(pwd)
mkdir -p "$scratch/a/folder/elsewhere" "$scratch/cargo"
tar --exclude=./target --exclude=./.git -cf - . | tar -xf - -C "$scratch/a/folder/elsewhere"
# Not links: rustc would see through them. Without a registry, the crates are in the tree.
for part in registry config.toml; do
    [ ! -e "${CARGO_HOME:-$HOME/.cargo}/$part" ] || cp -r "${CARGO_HOME:-$HOME/.cargo}/$part" "$scratch/cargo/"
done
cd "$scratch/a/folder/elsewhere"
CARGO_HOME="$scratch/cargo" CARGO_TARGET_DIR="$scratch/made" $MAKE -s lib >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
for file in libmsgr.so libmsgr.a; do
    cmp "$lib/$file" "$scratch/made/release/$file" || { echo "reproducible: $file differs from what $root has made" >&2; exit 1; }
done
echo "reproducible: the same libmsgr.so and libmsgr.a, made elsewhere"
