#!/bin/sh
# Checks the Spin models of this folder: each must hold as it is, and must break with each of its parts taken out.
#
#   run.sh [--full] [MODEL...]    --full adds the large configurations: minutes and some GB of memory each
#
# A model that holds is gone through to the end, every line of it has been reached, and so has its last rule: with -DREACHED
# that rule is false, and must be found so. Exits 1 if anything is otherwise than it shall be, 77 without Spin.
set -u

# MODEL SIZE RESULT DEFINES: what is gone through. `lines` holds, and all lines of the model must be reached.
runs() {
    cat <<'TABLE'
wake   quick lines -DWRITERS=2
wake   quick holds -DWRITERS=1 -DMAIL=2 -DPOSTS=2 -DBACK=2 -DMISHAPS=2
wake   quick fails -DNO_LOOK
wake   quick fails -DLOOK_FIRST
wake   quick fails -DPLAIN_SET
wake   quick fails -DPLAIN_TAKE
wake   quick fails -DRING_FIRST
wake   quick fails -DFORGET
wake   quick fails -DSLEEP_OWING -DMISHAPS=2
wake   full  holds -DWRITERS=0 -DPOSTERS=4 -DPOSTS=2 -DMISHAPS=0
room   quick lines -DCELLS=3
room   quick holds -DCELLS=8 -DBLOCKS=3 -DBATCH=3
room   quick fails -DNO_FENCE
room   quick fails -DNO_LOOK
room   quick fails -DPLAIN_ONE
room   quick fails -DTELL_FIRST
room   quick fails -DLATE_SET
host   quick lines -DOLD=1
host   quick holds -DOLD=0
host   quick fails -DNO_LOOK
host   quick fails -DLOOK_FIRST
host   quick fails -DNO_TOUCH
host   quick fails -DEMPTY_LATE
host   quick fails -DNO_BUSY
host   quick fails -DPLAIN_NOTIFY
host   full  holds -DPEERS=2
host   full  holds -DMAIL=4
lane   quick lines -DTOTAL=9
lane   quick holds -DTOTAL=7 -DBLOCKS=2
lane   quick fails -DNO_STORE_FENCE
lane   quick fails -DNO_LOAD_FENCE
lane   quick fails -DNO_GIVE_FENCE
lane   quick fails -DNO_SPARE
lane   quick fails -DNO_SET_ASIDE
lane   quick fails -DSMALL_BACK -DBLOCKS=2
lane   quick fails -DKEEP_OPEN
lane   quick fails -DLATE_READ
lane   full  holds -DTOTAL=18
inbox  quick lines -DPOSTS=3
inbox  quick holds -DPOSTS=3 -DSLOTS=2 -DBATCH=2
inbox  quick fails -DNO_TURN
inbox  quick fails -DNO_CAS
inbox  quick fails -DNO_AFTER
inbox  quick fails -DNO_LIMIT -DPOSTS=3
exits  quick lines -DLIVES=3
exits  quick holds -DLIVES=2 -DROOM=2 -DMAILS=2
exits  quick fails -DNO_NODE
exits  quick fails -DNO_HOLD
exits  quick fails -DOVERTAKE
exits  quick fails -DNO_TELLING
exits  quick fails -DNO_SPAWN_NEXT
stop   quick lines -DPOSTS=1
stop   quick fails -DNO_JOIN
stop   quick fails -DNO_LEFTOVERS
stop   quick fails -DNO_CLOSE
stop   quick fails -DREPORT_FIRST
stop   quick fails -DNO_WAKE
stop   quick fails -DNO_PAY
stop   quick fails -DPLAIN_REPORT
stop   quick fails -DLEFT_FIRST
stop   quick fails -DNO_STOP_LOOK
stop   full  holds -DPOSTS=3
drain  quick lines -DHOPS=2
drain  quick holds -DNO_BALANCE
drain  quick holds -DCELLS=2
drain  quick fails -DONE_ROUND
drain  quick fails -DNO_COUNT
drain  quick fails -DNO_AGAIN
drain  quick fails -DNO_CALL
drain  full  holds -DHOPS=6 -DCELLS=2
names  quick lines -DROUNDS=2
names  quick fails -DNO_LOOK
names  quick fails -DODD_LATE
names  quick fails -DNO_REACH
names  quick fails -DREACH_LOW
names  quick fails -DNO_LOCK
names  full  holds -DROUNDS=4 -DSEARCHES=2
ask    quick lines -DRECORDS=1
ask    quick holds -DRECORDS=2
ask    quick fails -DNO_GENERATION
ask    quick fails -DNO_CLAIM
ask    quick fails -DEARLY
ask    quick fails -DNO_LOOK
ask    quick fails -DLOOK_FIRST
ask    quick fails -DNO_CLOSE
ask    quick fails -DNO_DRAIN
ask    quick fails -DCOUNT_FIRST
ask    quick fails -DREREAD -DRECORDS=2
ask    full  holds -DASKERS=3 -DASKS=1 -DRECORDS=2
space  quick lines -DSENDS=1
space  quick fails -DNO_LOOK
space  quick fails -DNO_REACH
space  quick fails -DREACH_LOW
space  quick fails -DNO_LOCK
space  quick fails -DBIT_LATE
space  quick holds -DOPS=4 -DOTHER=0
space  quick fails -DBIT_EARLY -DOPS=3 -DOTHER=0
space  quick fails -DNO_GENERATION -DOPS=3 -DOTHER=0
space  full  holds -DOPS=3
watch  quick lines -DCHANGES=2
watch  quick holds -DCHANGES=3 -DLOOKS=2
watch  quick fails -DTOUCH_FIRST
watch  quick fails -DRING_FIRST
watch  quick fails -DLATE_TAKE
watch  quick fails -DNO_LAST
watch  quick fails -DMARK_LAST -DCHANGES=1
watch  quick fails -DNO_AGAIN
watch  quick fails -DTELL_ONCE
TABLE
}

say() {
    printf '%s\n' "$*" >&2
}

full=
[ "${1:-}" != --full ] || { full=1; shift; }
spin=${SPIN:-spin}
cc=${CC:-cc}
# Not every program of that name is the model checker.
$spin -V 2>/dev/null | grep -q '^Spin Version' || { say "run.sh: Spin, the model checker, is not here"; exit 77; }
here=$(cd -- "$(dirname -- "$0")" && pwd)
for model in "$@"; do
    [ -f "$here/$model.pml" ] || { say "run.sh: there is no model $model"; exit 2; }
done
work=$(mktemp -d) || exit 1
mkdir "$work/pan"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# The memory in megabytes, the depth and the size of the table of states, as a power of two.
if [ -n "$full" ]; then
    memory=20000 depth=2000000 table=27
else
    memory=2000 depth=200000 table=22
fi

# Lines of the model of which no statement, in no copy of an inline, was reached.
unreached_lines() {
    ./pan -d -d >states
    awk '
        function place(text) { sub(/.*\.pml:/, "", text); return text + 0 }
        FNR == 1 { file++ }
        file == 1 && /^STEP/ { proc = $3 }
        file == 1 && /^\tstate / && /\.pml:[0-9]+ =>/ {
            at = $0; sub(/ =>.*/, "", at)
            if ($0 !~ /-end-/) { line[proc, $2] = place(at) }
        }
        file == 2 && /^unreached in / { proc = $3 == "init" ? ":init:" : $4 }
        file == 2 && /\.pml:[0-9]+, state / { at = $1; sub(/,$/, "", at); state = $3 + 0; missed[proc, state] = 1 }
        END {
            for (key in line) { seen[line[key]] += !(key in missed) }
            for (at in seen) { if (!seen[at]) { list = list " " at; } }
            print list
        }' states output
}

# What pan found: holds, fails, or why it did not get that far.
verdict() {
    if grep -q 'max search depth too small' output; then
        echo "too deep"
    elif grep -q 'errors: 1' output; then
        grep -q 'assertion violated' output && echo fails || echo "other error"
    elif grep -q 'errors: 0' output && ! grep -q 'Search not completed' output; then
        echo holds
    else
        echo "not finished"
    fi
}

failed=
# run MODEL RESULT DEFINES...: builds the model's checker, runs it and compares.
run() {
    model=$1 want=$2
    shift 2
    cd "$work/pan" || exit 1
    rm -f ./*
    optimize=-O2
    [ "$want" != fails ] || optimize= # it is over before that pays
    if ! $spin -a "$@" "$here/$model.pml" >output 2>&1 || [ ! -f pan.c ] ||
        ! $cc $optimize -w -DSAFETY ${full:+-DCOLLAPSE} "-DMEMLIM=$memory" -o pan pan.c 2>>output; then
        found="not built"
    else
        ./pan "-m$depth" "-w$table" >output 2>&1
        found=$(verdict)
    fi
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' output)
    seconds=$(sed -n 's/^pan: elapsed time \([0-9.e-]*\) .*/\1/p' output)
    note=
    if [ "$want" = lines ] && [ "$found" = holds ]; then
        missed=$(unreached_lines)
        [ -z "$missed" ] || { found="not all lines reached:$missed"; }
        [ -n "$missed" ] || found=lines
    fi
    [ "$found" = "$want" ] || { note=" <- should be: $want"; failed=1; }
    [ "$found" != lines ] || found=holds
    printf '%-6s %-60s %12s states %8s s  %s%s\n' "$model" "$*" "${states:--}" "${seconds:--}" "$found" "$note"
    [ -z "$note" ] || { [ "$found" = holds ] || sed 's/^/    /' output | tail -n 40; }
}

[ $# -gt 0 ] || set -- wake room host lane inbox exits stop drain names ask space watch
runs >"$work/runs" # through a file, so that `failed` stays in this shell
for asked in "$@"; do
    while read -r name size want defines; do
        [ "$name" = "$asked" ] || continue
        [ "$size" = quick ] || [ -n "$full" ] || continue
        # shellcheck disable=SC2086  # a list of words
        run "$name" "$want" $defines
    done <"$work/runs"
    run "$asked" fails -DREACHED
done
[ -z "$failed" ] || { say "run.sh: not as it shall be"; exit 1; }
