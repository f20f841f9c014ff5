#!/bin/sh
# The manual pages are well-formed, have no markup left in them, and there is one for every function of the header and
# every tool, which names each of its arguments.
set -eu
cd "$(dirname "$0")/.."
: "${MAKE:=make}"
man=$(mktemp -d)
trap 'rm -rf "$man"' EXIT
fail() { echo "man: $*" >&2; exit 1; }
$MAKE -s man MAN="$man"

cd "$man"
# Dates are left out, or a rebuild would not make the same bytes.
mandoc -T lint -W warning man1/* man3/* man7/* | grep -v -e 'missing date' -e '\.so is fragile' && fail "mandoc complains"
for name in $(grep -o 'msgr_[a-z0-9_]*;' "$OLDPWD/capi-tests/abi/libmsgr.map" | tr -d ';'); do
    [ -s "man3/$name.3" ] || fail "no page for $name"
    mandoc -T ascii "man3/$name.3" | col -b | grep -q "[ *]$name(" || fail "the page for $name does not declare it"
    grep -q "$name" man7/msgr.7 || fail "msgr(7) does not name $name"
done
for tool in $(sed -n 's/^TOOLS *:= *//p' "$OLDPWD/Makefile"); do
    [ -s "man1/$tool.1" ] || fail "no page for $tool"
    source=$OLDPWD/examples-c/$(echo "${tool#msgr-}" | tr - _).c
    for word in $(sed -n 's/.*"usage: %s \(.*\)\\n".*/\1/p' "$source" | grep -o '[A-Z_]*'); do
        mandoc -T ascii "man1/$tool.1" | col -b | grep -q "$word" || fail "$tool(1) does not tell of $word"
    done
done
if mandoc -T ascii man1/* man3/* man7/* | col -b | grep '`'; then fail "backticks are left"; fi
echo "man: $(ls man1 | wc -l) tools, $(grep -L '^\.so' man3/* | wc -l) pages and msgr(7) for $(ls man3 | wc -l) names"
