#!/usr/bin/env bash
# Runs one of the small examples and looks at what it prints.
#
#   examples.sh NAME PROGRAM
#
# For bash: its /dev/tcp is the client of tcp_echo.
set -eu

name=$1
program=$2
pid=
dir=$(mktemp -d)

clean_up() {
    status=$?
    trap - EXIT
    if [ -n "$pid" ]; then
        kill -KILL "$pid" 2>/dev/null || true
    fi
    rm -rf "$dir"
    exit "$status"
}
trap clean_up EXIT

fail() {
    echo "examples.sh: $name: $*" >&2
    cat "$dir/out" >&2
    exit 1
}

run() {
    "$program" >"$dir/out" || fail "ended with status $?"
}

lines() {
    printf '%s\n' "$@" >"$dir/wanted"
}

case $name in
hello)
    run
    lines 'hello, world'
    cmp -s "$dir/wanted" "$dir/out" || fail "prints something else"
    ;;
timer)
    run
    # A tick may be late, and then the next ones are left out, but none comes early and all are on the grid of 20 ms.
    awk '/^tick/ { ticks++; if ($2 != ticks || $4 < 20 * ticks) bad = 1 }
         /^enough/ { enough++; if ($3 < 110 || ticks < 1 || ticks > 5) bad = 1 }
         !/^(tick|enough) / { bad = 1 }
         END { exit bad || enough != 1 }' "$dir/out" || fail "ticks are not what they should be"
    ;;
foreign_thread)
    run
    lines 'line 1 of 5 from another thread' 'line 2 of 5 from another thread' 'line 3 of 5 from another thread' \
        'line 4 of 5 from another thread' 'line 5 of 5 from another thread' '5 lines'
    cmp -s "$dir/wanted" "$dir/out" || fail "prints something else"
    ;;
supervisor)
    run
    lines 'division 1 of this divider: 25' 'divider failed (divided by zero), restart 1' 'division 1 of this divider: 20' \
        'division 2 of this divider: 10' 'divider failed (divided by zero), restart 2' 'division 1 of this divider: 5' \
        'divider failed too often (divided by zero)' 'the runtime ended: a supervisor gave up'
    cmp -s "$dir/wanted" "$dir/out" || fail "prints something else"
    ;;
epoll_host)
    run
    lines 'actor: tick 1' 'actor: tick 2' 'actor: tick 3' 'actor: tick 4' 'actor: tick 5'
    grep '^actor' "$dir/out" | cmp -s "$dir/wanted" - || fail "the actor does not tick five times"
    grep -q '^host: tick$' "$dir/out" || fail "the host does not tick"
    ;;
tcp_echo)
    : >"$dir/out"
    "$program" >"$dir/out" &
    pid=$!
    for ((tries = 400; tries > 0; tries--)); do
        grep -q 'ready on port' "$dir/out" && break
        kill -0 "$pid" || fail "ended at once"
        sleep 0.05
    done
    port=$(sed -n 's/.*ready on port \([0-9]*\)$/\1/p' "$dir/out")
    # More than sockets and receive buffers hold: nothing is lost, nothing is mixed up.
    head -c 16000000 /dev/urandom >"$dir/sent"
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    cat "$dir/sent" >&3 &
    head -c 16000000 <&3 >"$dir/received"
    wait $!
    cmp -s "$dir/sent" "$dir/received" || fail "what comes back is not what was sent"
    exec 3>&-
    kill -TERM "$pid"
    wait "$pid" || fail "ended with status $? on SIGTERM"
    pid=
    ;;
*)
    fail "there is no such example"
    ;;
esac
