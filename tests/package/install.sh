#!/bin/sh
# Installs into an empty folder and looks at it as a user does: a program built by pkg-config alone, shared and static; the
# soname; what the library needs; what it exports.
#
#   install.sh BUILD SOURCE
set -eu
build=$1
source=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
    echo "install: $*" >&2
    exit 1
}

# same WHAT EXPECTED GOT
same() {
    [ "$2" = "$3" ] || fail "$1 should be '$2' and is '$3'"
}

DESTDIR=$dir/root meson install -C "$build" --no-rebuild --quiet >"$dir/install.log" 2>&1 ||
    fail "meson install: $(cat "$dir/install.log")"
pc=$(find "$dir/root" -name jzx.pc)
[ -f "$pc" ] || fail "no jzx.pc"
library=$(find "$dir/root" -name 'libjzx.so')
[ -f "$library" ] || fail "no libjzx.so"
[ -f "${library%.so}.a" ] || fail "no libjzx.a"
[ -x "$(find "$dir/root" -name jzx -type f)" ] || fail "no program jzx"

# ---- pkg-config: the library, and nothing else for its users ----
export PKG_CONFIG_PATH="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$dir/root"
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
cflags=$(pkg-config --cflags jzx)
libs=$(pkg-config --libs jzx)
static_libs=$(pkg-config --static --libs jzx)
same "pkg-config --print-requires" "" "$(pkg-config --print-requires jzx)"
for word in $cflags; do
    case $word in
    -I"$dir"/*) ;;
    *) fail "cflags have '$word'" ;;
    esac
done
for word in $libs; do
    case $word in
    -L"$dir"/* | -ljzx) ;;
    *) fail "libs have '$word'" ;;
    esac
done

# ---- a user's program ----
# shellcheck disable=SC2086
${CC:-cc} -std=c11 -Wall -Wextra -Werror "$source/tests/package/user.c" $cflags $libs -o "$dir/user-shared"
same "what the shared program prints" "tag 7 from the host" "$(LD_LIBRARY_PATH=${library%/*} "$dir/user-shared")"
readelf -d "$dir/user-shared" | grep -q 'NEEDED.*\[libjzx\.so\.0\]' || fail "the program does not need libjzx.so.0"
# shellcheck disable=SC2086
${CC:-cc} -std=c11 "$source/tests/package/user.c" $cflags -static $static_libs -o "$dir/user-static"
same "what the static program prints" "tag 7 from the host" "$("$dir/user-static")"

# ---- the shared library itself ----
same "the soname" "libjzx.so.0" "$(readelf -d "$library" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')"
needed=$(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort | tr '\n' ' ')
same "what the library needs" "libc.so.6 liburing.so.2 " "$needed"

# Exported is what the headers declare, neither less nor more.
#
# exports LIBRARY HEADER...
exports() {
    so=$1
    shift
    cat "$@" | grep -v '^#' | tr '\n' ' ' | grep -o 'JZX_API [^;(]*(' | sed 's/.*[ *]\(jzx_[a-z0-9_]*\)(/\1/' | sort \
        >"$dir/declared"
    readelf -W --dyn-syms "$so" | awk '$7 != "UND" && $5 == "GLOBAL" && $4 == "FUNC" { sub(/@.*/, "", $8); print $8 }' |
        sort >"$dir/exported"
    [ -s "$dir/declared" ] || fail "found no declarations"
    diff "$dir/declared" "$dir/exported" >"$dir/difference" ||
        fail "$so: declared (<) and exported (>) differ: $(cat "$dir/difference")"
    others=$(readelf -W --dyn-syms "$so" |
        awk '$7 != "UND" && $5 != "LOCAL" && $4 != "FUNC" && $8 !~ /^(Name|JZX_0(@.*)?)?$/ { print $8 }')
    same "exported data" "" "$others"
}

find "$source/include/jzx" -name '*.h' ! -name sim.h ! -name bench.h >"$dir/headers"
# shellcheck disable=SC2046
exports "$library" $(cat "$dir/headers")
# shellcheck disable=SC2046
exports "${library%/*}/libjzx-sim.so" $(cat "$dir/headers") "$source/include/jzx/sim.h"
bench=${library%/*}/libjzx-bench.so
[ ! -f "$bench" ] || exports "$bench" "$source/include/jzx/bench.h" # -Dbenches=false has none

# ---- the simulator: the same, by another name ----
sim_libs=$(pkg-config --libs jzx-sim)
# shellcheck disable=SC2086
${CC:-cc} -std=c11 -Wall -Wextra -Werror "$source/tests/package/user_sim.c" $cflags $sim_libs -o "$dir/user-sim"
same "what the simulated program prints" "tag 7 at 3601000000000 ns" "$(LD_LIBRARY_PATH=${library%/*} "$dir/user-sim")"
