#!/bin/sh
# The manual pages are well-formed, have no markup left in them, and there is one for every function of the header.
set -eu
cd "$(dirname "$0")/.."
: "${MAKE:=make}"
man=$(mktemp -d)
trap 'rm -rf "$man"' EXIT
fail() { echo "man: $*" >&2; exit 1; }
$MAKE -s man MAN="$man"

cd "$man"
# Dates are left out, or a rebuild would not make the same bytes.
mandoc -T lint -W warning man3/* man7/* | grep -v -e 'missing date' -e '\.so is fragile' && fail "mandoc complains"
for name in $(grep -o 'msgr_[a-z0-9_]*;' "$OLDPWD/capi-tests/abi/libmsgr.map" | tr -d ';'); do
    [ -s "man3/$name.3" ] || fail "no page for $name"
    mandoc -T ascii "man3/$name.3" | col -b | grep -q "[ *]$name(" || fail "the page for $name does not declare it"
    grep -q "$name" man7/msgr.7 || fail "msgr(7) does not name $name"
done
if mandoc -T ascii man3/* man7/* | col -b | grep '`'; then fail "backticks are left"; fi
echo "man: $(grep -L '^\.so' man3/* | wc -l) pages and msgr(7) for $(ls man3 | wc -l) names"
