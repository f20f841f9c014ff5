#!/bin/sh
# abi.sh LIBDIR TARGETDIR: a program that was built against an earlier libmsgr must run with this one.
#
#     MSGR_BLESS=1 sh tests/abi.sh target/release target
#
# makes what the header says now the baseline, capi-tests/abi/libmsgr.abi: at a release, never to get a failure away.
#
# The baseline is made from the header, by a library whose functions do nothing, and not from libmsgr.so: its debug
# information has private types, under names that each rustc changes. That the header is what the library has is for the
# header and elf checks to say.
set -eu
lib=$(cd "$1" && pwd) target=$(cd "$2" && pwd)
: "${CC:=cc}" "${NATIVE_STATIC_LIBS:=-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc}"
cd "$(dirname "$0")/.."
abi=capi-tests/abi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
warnings="-Wall -Wextra -Wpedantic -Werror"
c="-std=c11 -D_POSIX_C_SOURCE=200809L $warnings"
fail() { echo "abi: $*" >&2; exit 1; }

# Writes the library of a header: every declaration of a msgr_ function gets a body. Structures that begin with struct_size
# may grow at their end: they are cut to what they had in the baseline, and an assertion says that what is new comes after
# the old end, not into padding that older programs have not set to zero.
# hollow HEADER MAP OUT
hollow() {
    sed -n "s/.*<class-decl name='\(msgr_[a-z_]*\)' size-in-bits='\([0-9]*\)'.*is-struct='yes'.*/\1 \2/p; s/.*<data-member .*/member/p" \
        "$abi/libmsgr.abi" 2>/dev/null >"$scratch/members" || : >"$scratch/members"
    $CC -E -P -x c "$1" | tr '\n' ' ' | awk -v members="$scratch/members" -v after="$scratch/after.c" '
        BEGIN {
            while ((getline line <members) > 0) {
                if (line == "member") had[name]++
                else { split(line, part, " "); name = part[1]; bits[name] = part[2] }
            }
            print "#include <stddef.h>" >after
        }
        function cut(text,   open, close_, list, count, kept, i, name, first) {
            open = index(text, "{"); close_ = match(text, /}[^}]*$/)
            name = text; sub(/ *\{.*/, "", name); sub(/.* /, "", name)
            count = split(substr(text, open + 1, close_ - open - 1), list, ";") - 1
            if (!(name in had) || count <= had[name]) return text
            for (i = 1; i <= had[name]; i++) kept = kept list[i] ";"
            first = list[had[name] + 1]
            if (first ~ /\(\*/) { sub(/.*\(\*/, "", first); sub(/\).*/, "", first) }
            else { sub(/\[.*/, "", first); sub(/.*[ *]/, "", first) }
            printf "_Static_assert(offsetof(%s, %s) * 8 >= %d, \"%s begins in padding\");\n", name, first, bits[name], first >after
            return substr(text, 1, open) kept substr(text, close_)
        }
        { for (i = 1; i <= length($0); i++) {
            char = substr($0, i, 1)
            depth += (char == "{") - (char == "}")
            if (char != ";" || depth > 0) { text = text char; continue }
            if (text ~ /struct msgr_[a-z_]+ *\{ *uint32_t struct_size/) text = cut(text)
            function_here = text ~ /[ *]msgr_[a-z0-9_]+ *\(/ && text !~ /^ *typedef/
            print text (function_here ? " { __builtin_trap(); }" : ";")
            text = ""
        } }' >"$scratch/hollow.c"
    $CC -fsyntax-only -include "$1" "$scratch/after.c" 2>"$scratch/report" &&
        $CC -g -shared -fPIC -w "$scratch/hollow.c" -Wl,--version-script="$2" -Wl,-soname,libmsgr.so.0 -o "$3"
}

# False, and a report, if a program of the baseline may notice. compare LIBRARY
compare() {
    abidiff --no-added-syms --no-architecture "$abi/libmsgr.abi" "$1" >"$scratch/report" 2>&1
}

added() { # the functions that the baseline lacks
    grep -o 'msgr_[a-z0-9_]*;' "$abi/libmsgr.map" | tr -d ';' | sort >"$scratch/now"
    sed -n "s/.*<elf-symbol name='\(msgr_[a-z0-9_]*\)'.*/\1/p" "$abi/libmsgr.abi" | sort >"$scratch/then"
    comm -23 "$scratch/now" "$scratch/then"
}

# True if the ABI section of the newest release in FILE names FUNCTION, in full or as `msgr_noun_*`. announced FUNCTION FILE
announced() {
    awk '/^## / { release++ } /^###? / { abi = 0 } release == 1 && /^### ABI/ { abi = 1 } abi' "$2" |
        grep -oE '`msgr_[a-z0-9_]*\*?`' | tr -d '`' | while read -r pattern; do
        # shellcheck disable=SC2254 # it is meant to be a pattern
        case $1 in $pattern) echo yes && break ;; esac
    done | grep -q yes
}

baseline() {
    [ -z "${MSGR_BLESS:-}" ] || : >$abi/libmsgr.abi
    hollow include/msgr.h $abi/libmsgr.map "$scratch/libmsgr.so.0" || { cat "$scratch/report" >&2; fail "a structure grows into its padding"; }
    if [ -n "${MSGR_BLESS:-}" ]; then
        abidw --no-corpus-path --no-comp-dir-path --no-show-locs --drop-private-types "$scratch/libmsgr.so.0" >$abi/libmsgr.abi
    fi
    compare "$scratch/libmsgr.so.0" || { cat "$scratch/report" >&2; fail "programs that are built already would notice"; }
    for name in $(added); do
        announced "$name" CHANGELOG.md || fail "$name is new: the ABI section of CHANGELOG.md has to name it"
    done
    echo "abi: $(wc -l <"$scratch/then") functions as they were, $(added | wc -l) new"
}

# Would a mistake be seen? Each of these is one, except those that must not be taken for one.
# planted WANTED DESCRIPTION SED_EXPRESSION
planted() {
    sed -E "$3" include/msgr.h >"$scratch/planted.h"
    cmp -s include/msgr.h "$scratch/planted.h" && fail "nothing to change for: $2"
    sed 's/msgr_[a-z0-9_]*;/msgr_*;/' $abi/libmsgr.map | uniq >"$scratch/planted.map"
    verdict=harmful
    hollow "$scratch/planted.h" "$scratch/planted.map" "$scratch/planted.so" && compare "$scratch/planted.so" && verdict=harmless
    [ "$verdict" = "$1" ] || { cat "$scratch/report" >&2; fail "$2 passes for $verdict"; }
}
mistakes() {
    planted harmful 'a function removed' 's/^int msgr_start\(/int msgr_begin(/'
    planted harmful 'a parameter of another type' 's/^(int msgr_add_keyring\(.*)const char \*/\1const int */'
    planted harmful 'a result of another type' 's/^uint32_t msgr_version\(/uint64_t msgr_version(/'
    planted harmful 'a member moved' 's/^    uint32_t lossy;/    uint64_t lossy;/'
    planted harmful 'a member removed' '/^    uint32_t standby;/d'
    planted harmful 'a member inserted' 's/^(    uint32_t) server;/\1 first; \1 server;/'
    planted harmful 'a callback with another parameter' 's/^(    int \(\*dispatch\)\(void \*user, )msgr_msg/\1msgr_conn/'
    planted harmful 'a structure without struct_size grown' 's/^(    uint32_t) struct_size;/\1 struct_sice;/; s/^(\} msgr_policy;)/uint64_t more;\1/'
    planted harmless 'a structure grown' 's/^(\} msgr_policy;)/uint64_t more;\1/'
    planted harmless 'a function added' 's/^(uint32_t msgr_version\(void\);)/\1 int msgr_more(void);/'
    printf '## 2\n\n* `msgr_c`\n\n### ABI\n\n* `msgr_a`, `msgr_noun_*`\n\n## 1\n\n### ABI\n\n* `msgr_b`\n' >"$scratch/log.md"
    announced msgr_a "$scratch/log.md" && announced msgr_noun_b "$scratch/log.md" || fail "a function in the ABI section is not found"
    for name in msgr_b msgr_c msgr_ msgr_nouns; do
        if announced $name "$scratch/log.md"; then fail "$name is not in the newest ABI section"; fi
    done
    echo "abi: planted mistakes are found"
}

# Programs of older headers, with the library of today.
older() {
    run=
    if command -v valgrind >/dev/null 2>&1; then
        run="valgrind -q --error-exitcode=99 --suppressions=tests/valgrind.supp"
    fi
    for header in $abi/headers/*; do
        # shellcheck disable=SC2086 # flags are words
        $CC $c -g -I"$header" $abi/older.c -o "$scratch/older" -pthread -L"$lib" -lmsgr -Wl,-rpath,"$lib"
        $run timeout 120 "$scratch/older" || fail "a program of ${header##*/} fails"
        echo "abi: a program of ${header##*/} runs"
    done
}

# The library once more, under another soname and version, beside itself.
two_versions() {
    mkdir "$scratch/two"
    sed 's/MSGR_0/MSGR_9/' $abi/libmsgr.map >"$scratch/two/map"
    # shellcheck disable=SC2086
    $CC -shared -nodefaultlibs -Wl,-soname,libmsgr.so.9 -Wl,--version-script="$scratch/two/map" -Wl,-z,nodelete \
        "$target/libmsgr.o" -Wl,--as-needed $NATIVE_STATIC_LIBS -o "$scratch/two/libmsgr.so.9"
    half="$CC $c -shared -fPIC -Iinclude $abi/half.c"
    # shellcheck disable=SC2086
    $half '-DPART(name)=first_##name' -o "$scratch/two/libfirst.so" "$lib/libmsgr.so"
    # shellcheck disable=SC2086
    $half '-DPART(name)=second_##name' -o "$scratch/two/libsecond.so" "$scratch/two/libmsgr.so.9"
    # shellcheck disable=SC2086
    $CC $c $abi/halves.c -o "$scratch/two/halves" -L"$scratch/two" -lfirst -lsecond -Wl,-rpath-link,"$lib:$scratch/two"
    LD_LIBRARY_PATH="$scratch/two:$lib" timeout 60 "$scratch/two/halves" || fail "two versions of the library do not live in one process"
    echo "abi: two versions in one process talk to each other"
}

baseline
mistakes
older
two_versions
