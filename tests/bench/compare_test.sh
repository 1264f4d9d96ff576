#!/bin/sh
# compare_test.sh RESULTS JZX-BENCH: what compare says of made-up files, and with what status it ends.
set -eu
results=$(realpath -- "$1") bench=$(realpath -- "$2")
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
cd -- "$folder"

fail() {
    echo "compare_test: $1"
    cat said
    exit 1
}

# expect STATUS TEXT ARGUMENT...: the text must stand in what it says, blanks not counted.
expect() {
    status=0
    wanted=$1 text=$2
    shift 2
    "$bench" compare "$@" >said 2>&1 || status=$?
    test "$status" = "$wanted" || fail "ended with $status, not $wanted: compare $*"
    tr -s ' ' <said | grep -qF -- "$text" || fail "does not say '$text': compare $*"
}

"$results" old.json
"$results" same.json
"$results" slow.json slow=1.1
"$results" fast.json slow=0.8
"$results" few.json runs=4
"$results" cpu.json cpu=another
"$results" count.json count=2000
"$results" alone.json twin=0
"$results" invalid.json invalid=1
"$results" fewer.json fewer=1

expect 0 "no difference" old.json same.json
expect 0 "0 slower, 0 faster" old.json same.json
expect 1 "1.100 [1.0" old.json slow.json
expect 1 "slower" old.json slow.json
expect 0 "faster" old.json fast.json
# A rate that falls is slower, as a time that grows is.
expect 1 "0.909 [0.9" old.json slow.json --figure rate
grep jzx said | grep -q slower || fail "a rate that fell is not called slower"
# With a finer resolution the same files do not suffice to say that there is no difference.
expect 2 "inconclusive" old.json same.json --resolution 0.3
expect 2 "too few runs" few.json few.json
expect 3 "cpu differs" old.json cpu.json
expect 0 "cpu differs" old.json cpu.json --force
expect 3 "count differs" old.json count.json
expect 3 "sum is 41, not 42" old.json invalid.json
expect 0 "no noise floor" old.json alone.json
expect 0 "scale/fan-in-8 jzx old only" old.json fewer.json
expect 0 "scale/fan-in-8 jzx new only" fewer.json old.json
expect 3 "nothing in both" old.json same.json --figure nonsense
expect 3 "not 0" old.json same.json --resolution 0
expect 3 "two files" old.json
expect 3 "missing.json" old.json missing.json
