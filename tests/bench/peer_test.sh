#!/bin/sh
# A real peer beside jzx-bench: bench/peers/libuv is built, says what it can do, and proves the same.
#
#   peer_test.sh SOURCE JZX_BENCH
set -eu
source=$1
bench=$2
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

fail() {
    echo "peer_test: $*"
    exit 1
}

status=0
"$source/bench/peers/libuv/build" "$out" >"$out/log" 2>&1 || status=$?
cat "$out/log"
[ "$status" != 77 ] || exit 77
[ "$status" = 0 ] || fail "it was not built"
peer=$out/libuv

# All that it says it can do is known here.
"$bench" list | cut -d ' ' -f 1 | sort -u >"$out/workloads"
"$peer" list >"$out/list"
while read -r workload side; do
    grep -qx "$workload" "$out/workloads" || fail "there is no $workload"
    [ "$side" = libuv ] || fail "a side $side"
done <"$out/list"

names=timer/million
[ "$(nproc)" = 1 ] || names="$names io/echo-64-50"

# It is measured, once, and is not refused. One run each says nothing of who is faster: status 2.
status=0
# shellcheck disable=SC2086  # a list of words
"$bench" run --quick --only jzx,libuv --peer "$peer" --json "$out/result" $names >"$out/text" || status=$?
cat "$out/text"
[ "$status" = 0 ] || [ "$status" = 2 ] || fail "the status is $status"
grep -q 'libuv 1' "$out/text" || fail "its version is not told"
! grep -q 'libuv INVALID' "$out/text" || fail "it is refused"
[ "$(grep -c '"name": "libuv"' "$out/result")" = "$(echo "$names" | wc -w)" ] || fail "it is not in every workload"

# What it cannot do it says, and what is wrong with a call too.
"$peer" measure message/ring libuv count=1 warm=0 cpus=0 | grep -q '^skip ' || fail "it does what it cannot do"
"$peer" measure timer/million libuv warm=0 cpus=0 | grep -q '^invalid ' || fail "it does without a count"
! "$peer" measure timer/million other count=1 2>/dev/null || fail "it is another"
