#!/bin/sh
# Counts the instructions of the hot paths and compares them with the figures that are kept: guard.sh PROGRAM FIGURES [--update]
#
# An operation's count is the slope between two runs, (count of 2n - count of n) / n, so that start and end cancel. Ends with 0
# if none got worse by more than the limit, 1 if one did, 2 if nothing can be compared because the compiler or the
# machine is another one, 3 if something is wrong.
set -eu

limit=3 # percent

fail() {
    printf 'guard: %s\n' "$*" >&2
    exit 3
}

# instructions PATH COUNT: of a whole run. Which of the C library's memcpy and memset it takes must not depend on the processor.
instructions() {
    report=$(GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM \
        valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1) || {
        printf '%s\n' "$report" >&2
        return 1
    }
    printf '%s\n' "$report" | sed -n 's/^==[0-9]*== Collected : \([0-9]*\)$/\1/p'
}

# A line PATH INSTRUCTIONS for each path.
count_all() {
    printf '%s\n' "$paths" | while read -r path count; do
        once=$(instructions "$path" "$count") || exit 1
        twice=$(instructions "$path" $((2 * count))) || exit 1
        [ -n "$once" ] && [ -n "$twice" ] || exit 1
        echo "$path $once $twice $count" | awk '{ printf "%s %.2f\n", $1, ($3 - $2) / $4 }'
    done
}

# Compares "PATH INSTRUCTIONS" lines with those that are kept.
judge() {
    awk -v limit="$limit" '
        FNR == NR {
            if (NF == 2 && $1 != "#") {
                kept[$1] = $2
            }
            next
        }
        {
            seen[$1] = 1
            if (!($1 in kept) || kept[$1] <= 0) {
                printf "%-14s %14s %15.2f  no figure of it is kept\n", $1, "-", $2
                unknown = 1
                next
            }
            change = ($2 / kept[$1] - 1) * 100
            word = change > limit ? "  WORSE" : change < -limit ? "  better: keep it with --guard --update" : ""
            worse = worse || change > limit
            printf "%-14s %14.2f %15.2f %+7.2f %%%s\n", $1, kept[$1], $2, change, word
        }
        END {
            for (path in kept) {
                if (!(path in seen)) {
                    printf "%-14s %14.2f %15s  it is not counted any more\n", path, kept[path], "-"
                    unknown = 1
                }
            }
            exit unknown ? 3 : worse ? 1 : 0
        }' "$figures" -
}

update() {
    {
        printf '# Instructions by operation of the hot paths, of the program and the library without the kernel, written by\n'
        printf '# ./dev bench --guard --update. They belong to this compiler:\n'
        printf '# %s\n' "$compiler"
        printf '%s\n' "$counts"
    } >"$figures.new"
    mv "$figures.new" "$figures"
    cat "$figures"
}

case $#:${3-} in
2: | 3:--update) ;;
*) fail "usage: guard.sh PROGRAM FIGURES [--update]" ;;
esac
program=$1
figures=$2
command -v valgrind >/dev/null || fail "valgrind is missing"
paths=$("$program") || fail "$program does not say its paths"
compiler=$("$program" --compiler) || fail "$program does not say its compiler"
if [ $# = 2 ]; then
    [ -r "$figures" ] || fail "there are no figures in $figures: --guard --update writes them"
    if ! grep -qxF "# $compiler" "$figures"; then
        printf 'guard: NOTHING IS COMPARED: the figures are those of another compiler or machine; this is %s\n' "$compiler" >&2
        exit 2
    fi
fi
counts=$(count_all) || fail "a path failed"
if [ $# = 3 ]; then
    update
    exit 0
fi
printf '%-14s %14s %15s %9s\n' path kept now change
status=0
printf '%s\n' "$counts" | judge || status=$?
case $status in
0) ;;
1) printf 'guard: a path takes over %s %% more instructions than it did\n' "$limit" >&2 ;;
*) fail "the figures are not those of this program: --guard --update writes them anew" ;;
esac
exit "$status"
