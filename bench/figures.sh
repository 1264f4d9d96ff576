#!/bin/sh
# Measures what README.md and docs/performance.md show, and writes it there. Takes an hour or more on two cores, and wants the
# machine for itself. Called by ./dev bench --figures.
#
#   bench/figures.sh [--quick] PROGRAM FOLDER [PEER...]
#
# FOLDER keeps the results, a JSON file a group, and report.html, the page of all of them. --quick shows that every group
# runs, with one small run of each side; it makes the page, and leaves the texts as they are.
#
# Where the time goes: a row beside all peers takes about a minute, more than half of it Pekko's, whose every run warms up for
# three seconds; life/idle and timer/million, which have no smaller count, take some five each. So not every row has peers,
# and those that have make five runs of each side, the fewest from which an interval at 99 % follows.
set -eu
quick=
if [ "${1:-}" = --quick ]; then
    quick=--quick
    shift
fi
root=$(cd -- "$(dirname -- "$0")/.." && pwd)
program=$1
folder=${2#"$root/"}
shift 2
cd -- "$root" # what is written says how it was made, and should not say where
peers=
for peer in "$@"; do
    peers="$peers --peer=${peer#"$root/"}"
done
rm -rf "$folder"
mkdir -p "$folder/first"
worst=0
failed=

# attempt COMMAND...: what fails is said at the end, and does not end the rest.
attempt() {
    status=0
    "$@" || status=$?
    [ "$status" != 0 ] || return 0
    failed="${failed}figures: ended with $status: $*
"
    [ "$status" -le "$worst" ] || worst=$status
}

finish() {
    printf '%s' "$failed" >&2
    exit "$worst"
}

# group NAME REPS DURATION PEERS WORKLOAD...
group() {
    name=$1 reps=$2 duration=$3 beside=$4
    shift 4
    began=$(date +%s)
    printf '\n==== %s\n' "$name"
    # shellcheck disable=SC2086  # a list of words
    attempt "$program" run ${quick:-"--reps=$reps" "--duration=$duration"} "--json=$folder/$name.json" $beside "$@"
    printf '\n==== %s ended with %s and took %s s\n' "$name" "$status" "$(($(date +%s) - began))"
}

# What the README shows.
group first 5 0.15 "$peers" message/ping-pong message/ping-pong-threads message/ring message/counting message/fan-in \
    life/spawn life/idle supervision/restart io/echo-64-50
group messages 5 0.15 "$peers" message/ring-threads message/counting-threads message/fan-in-threads message/fan-out \
    message/fan-out-threads message/random-10000
group asking 5 0.1 "$peers" 'call/*' message/broadcast message/broadcast-threads message/topic message/dispatch dispatch/pool message/stream \
    wake/ask
group savina 5 0.1 "$peers" savina/fork-join-throughput savina/fork-join-create savina/chameneos savina/big \
    savina/concurrent-dictionary savina/bank-transaction
group timers 5 0.1 "$peers" timer/million
group io 5 0.2 "$peers" io/echo-64-1 io/echo-64-500 'io/echo-16k-*' 'io/kv-*'
# Beside the raw limit alone.
group alone 8 0.1 '' message/random-64 message/post message/turn-latency wake/parked wake/round-trip 'order/*' \
    timer/million-random timer/lateness timer/drift 'process/*' 'scale/*' supervision/restart-threads 'supervision/storm-*' supervision/group \
    supervision/shutdown supervision/children 'supervision/crash-*' supervision/backoff supervision/kill-full-lanes
group latency 5 0.2 '' 'latency/*'

attempt cp "$folder/first.json" "$folder/first/"
if [ -n "$quick" ]; then
    attempt "$program" report "$folder"
    finish
fi
attempt "$program" report --no-plots --update=README.md "$folder/first"
attempt "$program" report "--title=libjzx, measured" --update=docs/performance.md "$folder"
mkdir -p docs/plots
for plot in message-ping-pong-time message-counting-time life-spawn-time life-idle-size supervision-restart-time; do
    attempt cp "$folder/plots/$plot-runs.svg" docs/plots/
done
finish
