#!/bin/sh
# find.sh PATCH PROGRAM SEEDS HEALTHY: does this simulation, whose library has the mistake of the patch in it, find it?
# It must fail within so many seeds, and name the one that does. 0 seeds: it leaves nothing to the lot. The same simulation
# of the library as it is must pass there, or it found something else.
set -u
# shellcheck disable=SC3045  # where it is unknown, nothing is lost
ulimit -c 0 2>/dev/null
unset JZX_SIM_SEED JZX_SIM_REPLAY
sed -n 's/^# //p' "$1"
report=$(mktemp) || exit 99
trap 'rm -f "$report"' EXIT
JZX_SIM_SEEDS=$3 JZX_SIM_SHRINK=0 "$2" >"$report" 2>&1
status=$?
# healthy VARIABLE=VALUE PROGRAM
healthy() {
    env JZX_SIM_SHRINK=0 "$@" >"$report" 2>&1 && return
    echo "but it fails without the mistake too:"
    cat "$report"
    exit 1
}
if [ $status -eq 0 ]; then
    echo "NOT FOUND in $3 seeds"
    exit 1
fi
if [ "$3" -eq 0 ]; then
    echo "Found:"
    grep -m 1 '^\[FAIL\]' "$report" || exit 1
    healthy JZX_SIM_SEEDS=1 "$4"
    exit 0
fi
found=$(sed -n "s/^JZX_SIM_REPLAY='[a-z]*:seed=\([0-9]*\)'.*/\1/p" "$report" | head -n 1)
if [ -z "$found" ]; then
    echo "It failed, but no seed was named:"
    cat "$report"
    exit 1
fi
echo "Found with seed $found:"
grep -m 1 "seed $found: " "$report"
healthy "JZX_SIM_SEED=$found" "$4"
exit 0
