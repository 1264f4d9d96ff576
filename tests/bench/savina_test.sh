#!/bin/sh
# savina_test.sh README PROGRAM SIDE: whether a side of the Savina members proves what their README says it must at count = 10,000. Any
# program that speaks the protocol of bench/README.md can be tried so, in any language.
set -eu
readme=$1 program=$2 side=$3
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
tried=0

# The first two CPUs of this process, as A,B.
cpus=$(awk '/^Cpus_allowed_list/ {
    for (i = split($2, parts, ","); i > 0; i--) {
        ends = split(parts[i], range, "-")
        for (cpu = range[ends]; cpu >= range[1]; cpu--) all = cpu "," all
    }
    split(all, list, ","); print list[1] (list[2] == "" ? "" : "," list[2])
}' /proc/self/status)

# try WORKLOAD CPUS: the proofs that it must have are in the file `must`.
try() {
    if ! grep -qxF "$1 $side" "$folder/list"; then
        return 0
    fi
    tried=$((tried + 1))
    if ! "$program" measure "$1" "$side" count=10000 warm=1000 "cpus=$2" seed=1 quick=1 >"$folder/said"; then
        echo "savina_test: $1 failed"
        exit 1
    fi
    if grep '^skip' "$folder/said"; then
        return 0
    fi
    grep '^proof' "$folder/said" | sort >"$folder/proved" || true
    if ! diff "$folder/must" "$folder/proved"; then
        echo "savina_test: $1 proves what is on the right, and must prove what is on the left"
        exit 1
    fi
}

"$program" list >"$folder/list"
# `sum` 1, `work` 2 in the table; without the backticks, sum 1, work 2.
tr -d '\140' <"$readme" | sed -n '/^## Proofs at/,$ s/^| \([a-z-]*\) | \([a-z]* [0-9].*\) |$/\1 \2/p' >"$folder/table"
while read -r member proofs; do
    echo "$proofs" | tr ',' '\n' | sed 's/^ */proof /' | sort >"$folder/must"
    try "savina/$member" "${cpus%,*}"
    try "savina/$member-threads" "$cpus"
done <"$folder/table"
echo "savina_test: $tried workloads"
if [ "$tried" = 0 ]; then
    echo "savina_test: $program has no side $side of any member"
    exit 1
fi
