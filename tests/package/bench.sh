#!/bin/sh
# The example in jzx/bench.h is a whole program: what stands in the comment is compiled by pkg-config alone, against an
# installed libjzx-bench, and measures.
#
#   bench.sh BUILD SOURCE
set -eu
build=$1
source=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
    echo "bench: $*" >&2
    exit 1
}

DESTDIR=$dir/root meson install -C "$build" --no-rebuild --quiet >"$dir/install.log" 2>&1 ||
    fail "meson install: $(cat "$dir/install.log")"
pc=$(find "$dir/root" -name jzx-bench.pc)
[ -f "$pc" ] || fail "no jzx-bench.pc"
library=$(find "$dir/root" -name libjzx-bench.so)
[ -f "$library" ] || fail "no libjzx-bench.so"
[ ! -e "${library%.so}.a" ] || fail "libjzx-bench.a is there, whose insides may clash with a user's"

# What the example takes for granted, then the example.
{
    printf '%s\n' '#include <jzx/bench.h>' 'static int mine, plain;' \
        'static uint64_t work(void *argument, uint64_t i) { return argument != 0 ? i : 0; }'
    sed -n '/^ \*   static void sum(/,/^ \*   }$/s/^ \*   //p; /^ \*   int main(/,/^ \*   }$/s/^ \*   //p' \
        "$source/include/jzx/bench.h"
} >"$dir/example.c"
lines=$(grep -c . "$dir/example.c")
[ "$lines" -gt 20 ] || fail "the example has $lines lines: is it still there?"

export PKG_CONFIG_PATH="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$dir/root"
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
[ -z "$(pkg-config --print-requires jzx-bench)" ] || fail "its users need $(pkg-config --print-requires jzx-bench)"
# shellcheck disable=SC2046
${CC:-cc} -std=c11 -Wall -Wextra -Werror "$dir/example.c" $(pkg-config --cflags --libs jzx-bench) -o "$dir/example"

export LD_LIBRARY_PATH="${library%/*}"
[ "$("$dir/example" list)" = "adding mine
adding plain" ] || fail "its list is $("$dir/example" list)"
"$dir/example" run --quick --json "$dir/result.json" >"$dir/said" || fail "run ended with $?: $(cat "$dir/said")"
grep -q '^    mine  *[0-9]' "$dir/said" || fail "no figure of mine: $(cat "$dir/said")"
grep -q '"sum"' "$dir/result.json" || fail "no proof in the file: $(cat "$dir/result.json")"
