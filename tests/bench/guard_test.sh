#!/bin/sh
# The guard fails when a path has become longer, says so when it has become shorter, and does not compare what cannot be:
# guard_test.sh GUARD_SCRIPT TARGET
set -eu

guard=$1
target=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
figures=$folder/figures

# expect STATUS TEXT STEPS [ARGUMENT]: the guard ends so and says so about a path of so many steps.
expect() {
    status=0
    said=$(GUARD_STEPS=$3 sh "$guard" "$target" "$figures" ${4:+"$4"} 2>&1) || status=$?
    if [ "$status" != "$1" ] || ! printf '%s\n' "$said" | grep -q -e "$2"; then
        printf 'with %s steps: ended with %s, not %s, or does not say "%s":\n%s\n' "$3" "$status" "$1" "$2" "$said" >&2
        exit 1
    fi
}

expect 3 'no figures' 1000
expect 0 'steps' 1000 --update
expect 0 '[+-]0.00 %$' 1000
expect 1 '+[45][.][0-9]* %  WORSE' 1050
expect 0 '+[12][.][0-9]* %$' 1020
expect 0 '-[45][.][0-9]* %  better' 950
expect 0 'steps' 1050 --update
expect 0 '[+-]0.00 %$' 1050
expect 3 'usage' 1000 --nonsense

expect 3 'a path failed' 0

# A path that is new, one that is gone, another compiler.
echo 'gone 5' >>"$figures"
expect 3 'not counted any more' 1050
sed -i -e '/^gone/d' -e 's/^steps/other/' "$figures"
expect 3 'no figure of it is kept' 1050
sed -i 's/compiler 1.0/compiler 2.0/' "$figures"
expect 2 'NOTHING IS COMPARED' 1050
