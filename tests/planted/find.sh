#!/bin/sh
# find.sh PATCH PROGRAM SEEDS: does this simulation, whose library has the mistake of the patch in it, find it?
# It must fail within so many seeds, and name the one that does.
set -u
# shellcheck disable=SC3045  # where it is unknown, nothing is lost
ulimit -c 0 2>/dev/null
unset JZX_SEED
sed -n 's/^# //p' "$1"
report=$(mktemp) || exit 99
trap 'rm -f "$report"' EXIT
JZX_SEEDS=$3 "$2" >"$report" 2>&1
status=$?
if [ $status -eq 0 ]; then
    echo "NOT FOUND in $3 seeds"
    exit 1
fi
seed=$(sed -n 's/.*play it again with JZX_SEED=\([0-9]*\).*/\1/p' "$report" | head -n 1)
if [ -z "$seed" ]; then
    echo "It failed, but no seed was named:"
    cat "$report"
    exit 1
fi
echo "Found with seed $seed:"
grep -e 'assertion failed' -e "seed $seed: " "$report" | sed 's/^\[----\] *//' | head -n 3
exit 0
