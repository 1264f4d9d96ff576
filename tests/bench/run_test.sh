#!/bin/sh
# run_test.sh TARGET: what run, list and measure say of good and bad sides and arguments, and with what status they end.
set -eu
target=$(realpath -- "$1")
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
cd -- "$folder"

fail() {
    echo "run_test: $1"
    cat said
    exit 1
}

# expect STATUS TEXT ARGUMENT...: the text must stand in what it says, blanks and ends of lines not counted.
expect() {
    status=0
    wanted=$1 text=$2
    shift 2
    "$target" "$@" >said 2>&1 || status=$?
    test "$status" = "$wanted" || fail "ended with $status, not $wanted: $*"
    tr -s ' \n' '  ' <said | grep -qF -- "$text" || fail "does not say '$text': $*"
}

# program NAME: standard input as a program of that name.
program() {
    { echo '#!/bin/sh'; cat; } >"$1"
    chmod +x "$1"
}

# ---- good runs ----
expect 0 "good/pair first" list
expect 0 "good/pair for a test" list --about
expect 0 "proof messages 5" measure good/pair second count=5
expect 0 "10 runs of 1000000 each" run good/pair --seed 1 --json pair.json
expect 0 "goal: it at most 1,000: met" run good/pair
expect 0 "goal: ratio to second at most 0.500: MISSED" run good/pair
expect 0 "noise floor 0.0 %" run good/pair
expect 0 "no difference" compare pair.json pair.json
expect 0 "1 run of 128 each" run good/step --quick
expect 0 "1 run of 1024 each" run good/step --reps 1
expect 0 "proof one 1" measure good/warm warm count=1000 warm=10
expect 0 "time, ns/message" run good/real --quick
expect 0 "1 run of 10000 each" run 'good/*' --quick
expect 0 "third" run good/pair --only third,second --quick
expect 0 "second / it" run good/pair --only third,second --quick
expect 0 "Measures the workloads" run --help
for command in list measure run; do
    expect 0 "sage:" "$command" --help
done
expect 0 "sage:" --help

# ---- counts by time: 100 ns are made up, and a count of so many; the real one must come near ----
expect 0 "each" run good/real --duration 0.05 --reps 5
count=$(sed -n 's/.*5 runs of \([0-9]*\) each.*/\1/p' said)
test "$count" -gt 1000000 || fail "--duration 0.05 made it $count operations"
expect 0 "5 runs of 5000000 each" run good/stumble --duration 0.05 --reps 5 --option mark="$folder/mark"
test -e mark || fail "no trial stumbled"

# ---- the order ----
"$target" run good/pair --reps 4 --seed 5 --option log="$folder/one" >said
"$target" run good/pair --reps 4 --seed 5 --option log="$folder/two" >said
"$target" run good/pair --reps 4 --seed 6 --option log="$folder/three" >said
cmp -s one two || fail "the same seed made another order"
# Without calls that warm up, and without the runs after the last block, in which system calls are counted.
grep ' 1000000 ' one | cut -d ' ' -f 1 >order
grep ' 1000000 ' three | cut -d ' ' -f 1 >other
cmp -s order other && fail "another seed made the same order"
test "$(wc -l <order)" = 16 || fail "4 blocks of 4 runs are $(wc -l <order)"
for block in 1 2 3 4; do
    head -n $((block * 4)) order | tail -n 4 | sort | tr '\n' ' ' >said
    test "$(cat said)" = "first first second third " || fail "block $block is not complete"
done
head -n 4 order >block
tail -n 12 order | head -n 4 | cmp -s - block && tail -n 4 order | cmp -s - block && fail "all blocks have one order"
grep ' 1000000 ' one | cut -d ' ' -f 3 | sort -u >seeds
test "$(wc -l <seeds)" = 4 || fail "4 blocks have $(wc -l <seeds) seeds"

# ---- what goes wrong has no figure and says why ----
expect 3 "loses-one INVALID: its proof 'messages' is 999999, that of all 1000000" run bad/lost --quick
grep -q '^    loses-one' said && fail "a side that lost a message has a figure"
expect 3 "unsure INVALID: messages: 99999 where it must be 100000" run bad/unsure --quick
expect 3 "more INVALID: it proves 'sum', as first does not" run bad/more --quick
expect 3 "less INVALID: it does not prove 'sum', as first does" run bad/less --quick
expect 3 "nothing INVALID: it proves nothing" run bad/nothing --quick
expect 3 "crash INVALID: it was ended by signal 9 (Killed)" run bad/crash --quick
expect 3 "second INVALID: there is nothing to prove it by: crash is invalid" run bad/crash --quick
expect 3 "hang INVALID: it had not ended after 0.3 s" run bad/hang --quick --limit 0.3
expect 3 "rubbish INVALID: line 1 of what it wrote: not of the protocol: 'I am fast'" run bad/rubbish --quick
expect 3 "twice INVALID: it ended with 3: target: jzx_bench_begin: it has begun already" run bad/begin --quick
expect 3 "twice INVALID: it ended with 3: target: jzx_bench_time: 'time' a second time in one run" run bad/tell --quick
expect 0 "skip skipped: no luck here" run no/skip --quick
expect 0 "second skipped: there is nothing to prove it by: skip was skipped" run no/skip --quick
expect 0 "first skipped: it needs 1000 CPUs and has" run no/cpus --quick
expect 3 "INVALID" run bad/lost good/pair --quick

# ---- an older build ----
program old <<END
test "\$1" = measure || exec "$target" "\$@"
exec "$target" "\$@" pace=\$(cat "$folder/pace")
END
echo 100 >pace
expect 0 "no difference" run good/pair --against ./old
echo 90 >pace
expect 1 "slower" run good/pair --against ./old
echo 110 >pace
expect 0 "faster" run good/pair --against ./old
expect 2 "inconclusive" run good/pair --against ./old --reps 3
echo x >pace
expect 3 "first (before) INVALID: time: no time has passed" run good/pair --against ./old
expect 3 "/no/such list: it ended with 127: cannot be started: /no/such: No such file or directory" \
    run good/pair --against /no/such

# ---- peers ----
program fast <<'END'
case $1 in
list) printf 'good/pair fast\nother/thing fast\n' ;;
measure)
    for word in "$@"; do
        case $word in count=*) count=${word#count=} ;; esac
    done
    printf 'version Fast 1.0\ntime time %s 1000\nproof messages %s\n' "$((50000 + $$ % 100))" "$count"
    ;;
esac
END
sed 's/fast/slow/g; s/50000/500000/' fast >slow
sed 's/fast/wrong/g; s/proof messages/proof message/' fast >wrong
program level <<END
case \$1 in
list) echo 'good/pair level' ;;
measure)
    shift 3
    exec '$target' measure good/pair first "\$@"
    ;;
esac
END
chmod +x slow wrong
expect 0 "NOT first: fast is better" run good/pair --peer ./slow --peer ./fast
expect 0 "fast: Fast 1.0" run good/pair --peer ./slow --peer ./fast
expect 0 "to the best peer (fast): " run good/pair --peer ./slow --peer ./fast
expect 0 "first: better than every peer" run good/pair --peer ./slow
expect 0 "first: no peer is better" run good/pair --peer ./slow --peer ./level
expect 0 "too few runs to say who is first" run good/pair --peer ./slow --quick
# What is slow does less, and must prove just that.
# shellcheck disable=SC2016
sed 's/slow/loses/g; s/"\$count"/"$((count - 1))"/' slow >loses
chmod +x loses
expect 0 "slow: Fast 1.0, " run good/pair --peer ./slow
expect 3 "loses INVALID: its proof 'messages' is " run good/pair --peer ./loses
expect 3 "wrong INVALID: it does not prove 'messages', as first does" run good/pair --peer ./wrong --quick
expect 3 "there is a program already with the side fast of good/pair" run good/pair --peer ./fast --peer ./fast
echo 'echo good/pair' | program bad-list
expect 3 "./bad-list list: 'good/pair' is not WORKLOAD SIDE" run good/pair --peer ./bad-list
echo 'printf "good/pair x"' | program cut-list
expect 3 "./cut-list list: its last line does not end" run good/pair --peer ./cut-list
echo 'exit 4' | program no-list
expect 3 "./no-list list: it ended with 4" run good/pair --peer ./no-list

# ---- the highest rate ----
expect 0 "loaded/limits served: 1000 a second: p99.9 500 us, holds" run loaded/limits --sweep 'p99.9<=1ms' --reps 1 --duration 0.1 --only served --json sweep.json
grep -q '"rate at p99.9<=1ms"' sweep.json || fail "the JSON has no figure of the sweep"
expect 0 "THE GENERATOR'S OWN LIMIT" run loaded/limits --sweep 'p99.9<=1ms' --reps 1 --duration 0.1 --only generated
rate=$(sed -n 's/^loaded.limits generated: \([0-9]*\) a second: is the highest.*/\1/p' said)
if [ "$rate" -lt 8600 ] || [ "$rate" -gt 9000 ]; then fail "the generator can do 9000, found was $rate"; fi
expect 0 "is the highest that holds" run loaded/limits --sweep 'p99.9<=1ms' --reps 1 --duration 0.1 --only served
rate=$(sed -n 's/^loaded.limits served: \([0-9]*\) a second: is the highest.*/\1/p' said)
if [ "$rate" -lt 4800 ] || [ "$rate" -gt 5000 ]; then fail "the server can do 5000, found was $rate"; fi
expect 3 "no rate was found at which p99.9<=1us holds" run loaded/limits --sweep 'p99.9<=1us' --reps 1 --only served
expect 3 "it has no figure p12 to be swept by" run loaded/limits --sweep 'p12<=1us' --reps 1 --only served
expect 3 "it is no open-loop load" run good/pair --sweep 'time<=1ms' --reps 1 --only first
expect 3 "not FIGURE<=LIMIT" run loaded/limits --sweep p99.9
expect 3 "each say how much" run loaded/limits --sweep 'p99<=1ms' --rate 5

# ---- arguments ----
expect 3 "sage:" # nothing to do
expect 3 "there is no command walk" walk
expect 3 "there is no workload good/pear" run good/pear
expect 3 "there is no workload good/" run good/
expect 3 "none of these workloads has a side fourth" run good/pair --only fourth
expect 3 "a side without a name" run good/pair --only first,
expect 3 "--reps 0: not a whole number from 1 to 1000" run good/pair --reps 0
expect 3 "--reps 1.5: not a whole number from 1 to 1000" run good/pair --reps 1.5
expect 3 "--duration -1: not a number above 0" run good/pair --duration -1
expect 3 "--duration x: not a number above 0" run good/pair --duration x
expect 3 "--limit 0: not a number above 0" run good/pair --limit 0
expect 3 "--seed x: not a whole number of 64 bits" run good/pair --seed x
expect 3 "--cpus 0-: not a list of CPUs" run good/pair --cpus 0-
expect 3 "--cpus 0,0: not a list of CPUs" run good/pair --cpus 0,0
expect 3 "--cpus 1023: this process may not use CPU 1023" run good/pair --cpus 1023
expect 3 "--arrivals often: fixed or poisson" run good/pair --arrivals often
expect 3 "--rate, --load and --sweep each say how much" run good/pair --rate 5 --load 5
expect 3 "--option pace: not NAME=VALUE" run good/pair --option pace
expect 3 "--option count=5: that name is the harness's own" run good/pair --option count=5
expect 3 "unrecognized option" run good/pair --fast
expect 3 "/no/such/folder/a.json: No such file or directory" run good/pair --quick --json /no/such/folder/a.json
expect 3 "sage:" measure good/pair
expect 3 "there is no workload x" measure x first
expect 3 "workload good/pair has no side fourth" measure good/pair fourth
expect 3 "count=0: nothing to do" measure good/pair first count=0
expect 3 "count=x: not a whole number" measure good/pair first count=x
expect 3 "cpus=: not a list of CPUs" measure good/pair first cpus=
expect 3 "'fast' is not NAME=VALUE" measure good/pair first fast
expect 3 "sage:" list more
