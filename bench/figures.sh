#!/bin/sh
# Measures what README.md and docs/performance.md show, and writes it there. Takes most of an hour, and wants the machine
# for itself. Called by ./dev bench --figures.
#
#   bench/figures.sh PROGRAM FOLDER [PEER...]
#
# FOLDER keeps the results, a JSON file a group, and report.html, the page of all of them. The groups differ in how much
# of the time they deserve: each row beside peers is worth a run of each peer.
set -eu
program=$1
folder=$2
shift 2
root=$(cd -- "$(dirname -- "$0")/.." && pwd)
cd -- "$root" # what is written says how it was made, and should not say where
rm -rf "$folder"
mkdir -p "$folder/first"
worst=0

# group NAME REPS DURATION PEERS? WORKLOAD...: a row that got worse or is invalid is shown, and does not end the rest.
group() {
    name=$1 reps=$2 duration=$3 peers=$4
    shift 4
    for peer in ${peers:-}; do
        set -- "--peer=${peer#"$root/"}" "$@"
    done
    status=0
    "$program" run "--reps=$reps" "--duration=$duration" "--json=$folder/$name.json" "$@" || status=$?
    [ "$status" -le "$worst" ] || worst=$status
}

# What the README shows.
group first 6 0.2 "$*" message/ping-pong message/ping-pong-threads message/ring message/counting message/fan-in \
    life/spawn life/idle supervision/restart io/echo-64-50
cp "$folder/first.json" "$folder/first/"
group messages 5 0.2 "$*" message/ring-threads message/counting-threads message/fan-in-threads message/fan-out \
    message/fan-out-threads message/random-64 message/random-10000
group alone 8 0.2 '' message/stream message/post message/turn-latency 'wake/*' timer/lateness timer/drift \
    'process/*' 'scale/*' supervision/restart-threads supervision/group supervision/shutdown supervision/children \
    'supervision/crash-*' supervision/backoff supervision/kill-full-lanes 'supervision/storm-*'
group io 5 0.2 '' io/echo-64-1 io/echo-64-500 'io/echo-16k-*' 'io/kv-*'
group timers 5 0.2 '' 'timer/million*'
group latency 5 0.2 '' 'latency/*'
group savina 5 0.1 "$*" savina/fork-join-throughput savina/fork-join-create savina/chameneos savina/big \
    savina/concurrent-dictionary savina/bounded-buffer savina/dining-philosophers savina/sleeping-barber \
    savina/cigarette-smokers savina/logistic-map savina/bank-transaction savina/all-pairs-shortest-path

"$program" report --no-plots --update=README.md "$folder/first"
"$program" report "--title=libjzx, measured" --update=docs/performance.md "$folder"
rm -rf docs/plots
mkdir -p docs/plots
for plot in message-ping-pong-time message-counting-time life-spawn-time life-idle-size supervision-restart-time; do
    cp "$folder/plots/$plot-runs.svg" docs/plots/
done
exit "$worst"
