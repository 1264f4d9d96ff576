#!/bin/sh
# Shows jzx-kv at work: starts it on two loops (on one, where only one CPU is allowed), talks to it with redis-cli, then
# loads it and a redis-server with redis-benchmark and prints a table. Ends both. Then it starts one with more shards and
# lets one of these fail, again and again, under load on the others. Takes well under two minutes.
#
#   examples/kv/demo.sh PATH-OF-JZX-KV
#
# CPU per request is the server's utime + stime from /proc/PID/stat, so it counts the kernel's work for its sockets too.
# DEMO_PERCENT=10 sends a tenth of the requests.
set -eu

kv=${1:?usage: demo.sh PATH-OF-JZX-KV}
percent=${DEMO_PERCENT:-100}
clients=50
value_bytes=64
keys=10000
kv_pid=
redis_pid=
asking_pid=
counting_pids=
listening_pids=
dir=$(mktemp -d)

clean_up() {
    status=$?
    trap - EXIT
    for pid in $asking_pid $counting_pids $listening_pids $kv_pid $redis_pid; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$dir"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
    echo "demo: $*" >&2
    exit 1
}

# The first two CPUs this process may use, as "0,1", or the only one.
allowed_cpus() {
    awk '/^Cpus_allowed_list:/ {
        count = split($2, parts, ",")
        found = 0
        for (i = 1; i <= count; i++) {
            ends = split(parts[i], range, "-")
            for (cpu = range[1] + 0; cpu <= range[ends] + 0 && found < 2; cpu++) {
                printf "%s%d", found++ ? "," : "", cpu
            }
        }
    }' /proc/self/status
}

# wait_until SECONDS COMMAND...: repeats the command until it succeeds.
wait_until() {
    tries=$(($1 * 20))
    shift
    while ! "$@"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.05
    done
}

kv_ready() {
    kill -0 "$kv_pid" 2>/dev/null || fail "jzx-kv did not start"
    grep -q 'ready on port' "$dir/kv.log"
}

# start_kv OPTION...
start_kv() {
    : >"$dir/kv.log"
    "$kv" --port 0 "$@" >"$dir/kv.log" &
    kv_pid=$!
    wait_until 10 kv_ready || fail "jzx-kv is not ready after 10 s"
    kv_port=$(sed -n 's/.*ready on port \([0-9]*\).*/\1/p' "$dir/kv.log")
}

# True when it answers, or when it has ended because another program has the port.
redis_decided() {
    ! kill -0 "$redis_pid" 2>/dev/null || [ "$(redis-cli -p "$redis_port" ping 2>/dev/null)" = PONG ]
}

# redis-server cannot choose a free port itself, so try some.
start_redis() {
    for offset in 1 2 3 4 5 6 7 8; do
        redis_port=$((20000 + ($$ * 7 + offset * 1237) % 12000))
        redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --appendonly no --dir "$dir" >"$dir/redis.log" &
        redis_pid=$!
        wait_until 10 redis_decided || fail "redis-server is not ready after 10 s"
        kill -0 "$redis_pid" 2>/dev/null && return 0
        wait "$redis_pid" || true
        redis_pid=
    done
    fail "redis-server did not start: $(tail -n 1 "$dir/redis.log")"
}

# Ends a server in order and says so: stop NAME PID.
stop() {
    kill -TERM "$2"
    code=0
    wait "$2" || code=$?
    [ "$code" = 0 ] || fail "$1 ended with status $code"
}

# Sends a command with redis-cli, shows both, and fails when the reply is not what it should be: show REPLY COMMAND...
show() {
    wanted=$1
    shift
    reply=$(redis-cli -p "$kv_port" "$@" | tr '\n' ' ' | sed 's/ $//')
    echo "  > $*"
    echo "    $reply"
    [ "$reply" = "$wanted" ] || fail "'$*' should give '$wanted'"
}

# CPU time a process has used, in ticks.
ticks_of() {
    sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}

# Loads a server and prints "requests/s CPU-us-per-request": load PORT PID COMMAND PIPELINE REQUESTS.
load() {
    ticks_before=$(ticks_of "$2")
    timeout 60 redis-benchmark -p "$1" -t "$3" -P "$4" -n "$5" -c "$clients" -d "$value_bytes" -r "$keys" --csv \
        >"$dir/load.csv" 2>"$dir/load.log" || fail "redis-benchmark failed: $(tail -n 1 "$dir/load.log")"
    ticks=$(($(ticks_of "$2") - ticks_before))
    awk -F '","' -v ticks="$ticks" -v hz="$(getconf CLK_TCK)" -v requests="$5" -v name="$3" '
        toupper(name) == substr($1, 2) { printf "%.0f %.2f\n", $2, ticks / hz * 1e6 / requests; found = 1 }
        END { exit !found }' "$dir/load.csv" || fail "redis-benchmark reports nothing for $3"
}

row() {
    requests=$((($3 * percent + 99) / 100))
    kv_result=$(load "$kv_port" "$kv_pid" "$1" "$2" "$requests")
    redis_result="- -"
    [ -z "$redis_pid" ] || redis_result=$(load "$redis_port" "$redis_pid" "$1" "$2" "$requests")
    echo "$1 $2 $kv_result $redis_result" | awk '{ printf "  %-4s %3d  %12s %10s  %12s %10s\n", toupper($1), $2, $3, $4, $5, $6 }'
}

# ---- Channels ----

# Two listen, on whatever loop, and one publishes.
show_channels() {
    redis-cli -p "$kv_port" subscribe news >"$dir/subscriber" &
    listening_pids=$!
    redis-cli -3 -p "$kv_port" psubscribe 'n*' >"$dir/psubscriber" &
    listening_pids="$listening_pids $!"
    wait_until 10 grep -q '^1$' "$dir/subscriber" || fail "SUBSCRIBE is not answered"
    wait_until 10 grep -q '(integer) 1\|^1$' "$dir/psubscriber" || fail "PSUBSCRIBE is not answered"
    show 2 publish news "what has happened"
    wait_until 10 grep -q 'what has happened' "$dir/subscriber" || fail "the subscriber has not heard of it"
    wait_until 10 grep -q 'what has happened' "$dir/psubscriber" || fail "the subscriber of a pattern has not heard of it"
    echo "    $(tail -n 3 "$dir/subscriber" | tr '\n' ' ')"
    echo "    $(tail -n 4 "$dir/psubscriber" | tr '\n' ' ')"
    for pid in $listening_pids; do
        kill "$pid"
        wait "$pid" 2>/dev/null || true
    done
    listening_pids=
}

# ---- A shard that fails ----

ask() {
    redis-cli -p "$kv_port" "$@"
}

# A figure of INFO.
info() {
    ask info | tr -d '\r' | sed -n "s/^$1://p"
}

restarted() {
    [ "$(info shard_restarts)" = "$1" ]
}

# Counts up one key until it is told to stop, and how often that was acknowledged. redis-benchmark ends at the first error.
start_counting() {
    redis-benchmark -p "$kv_port" -c 10 -P 4 -n "$2" --csv INCR "$1" >"$dir/count-$1.csv" 2>&1 &
    counting_pids="$counting_pids $!"
}

# Asks for a key all the time, whatever it is told.
start_asking() {
    redis-cli -p "$kv_port" -r 100000000 get "$1" >"$dir/asked" 2>&1 &
    asking_pid=$!
}

# Keys of other shards than the one of $1, each of another: choose_others KEY COUNT.
choose_others() {
    seen=" $(ask debug shard "$1") "
    others=
    left=$2
    number=0
    while [ "$left" -gt 0 ]; do
        number=$((number + 1))
        shard=$(ask debug shard "other-$number")
        case $seen in
        *" $shard "*) continue ;;
        esac
        seen="$seen$shard "
        others="$others other-$number"
        left=$((left - 1))
    done
}

# Lets the shard of a key fail, and says how long that was down: crash KEY NUMBER.
crash() {
    [ "$(ask debug crash "$1")" = OK ] || fail "DEBUG CRASH is refused"
    wait_until 10 restarted "$2" || fail "the shard of '$1' does not come back"
    ended=$(info last_restart_us)
    backoff=$((20 << ($2 - 1)))
    awk -v us="$ended" -v backoff="$backoff" -v crash="$2" 'BEGIN {
        printf "  crash %d: %7.2f ms to the first answer, %d ms of them the pause before the restart\n", crash, us / 1000, backoff
        exit us / 1000 < backoff
    }' || fail "the pause was too short"
}

show_faults() {
    crashes=5
    requests=$((500000 * percent / 100))
    choose_others victim 3
    echo "A shard of $(info shards) fails $crashes times, while three others count up and somebody asks it all the time:"
    counting_pids=
    start_asking victim
    for key in $others; do
        start_counting "$key" "$requests"
    done
    crash=0
    while [ "$crash" -lt "$crashes" ]; do
        crash=$((crash + 1))
        crash victim "$crash"
    done
    lost=0
    for pid in $counting_pids; do
        wait "$pid" || fail "a request to another shard failed: $(cat "$dir"/count-*)"
    done
    for key in $others; do
        lost=$((lost + requests - $(ask get "$key")))
        awk -F '","' -v key="$key" 'END {
            gsub(/"/, "", $8)
            printf "  %s: %.0f requests/s, 99 %% of them within %s ms, the longest %s ms\n", key, $2, $7, $8
        }' "$dir/count-$key.csv"
    done
    kill "$asking_pid"
    wait "$asking_pid" 2>/dev/null || true
    asking_pid=
    echo "  the shard that failed: $(grep -c TRYAGAIN "$dir/asked") of $(wc -l <"$dir/asked") requests were told to try again"
    echo "  requests that others lost: $lost of $((3 * requests))"
    [ "$lost" = 0 ] || fail "others have lost requests"
}

for program in redis-cli redis-benchmark; do
    if ! command -v "$program" >/dev/null; then
        echo "demo: $program is missing: install redis-tools" >&2
        exit 77 # what Meson counts as skipped
    fi
done

cpus=$(allowed_cpus)
start_kv --cpus "$cpus"
cat "$dir/kv.log"

echo "redis-cli:"
show PONG ping
show OK set greeting hello
show hello get greeting
show OK mset a 1 b 2 c 3
show 42 incrby a 41
show "42 2 3" mget a b c
show 1 expire b 100
show 100 ttl b
show 4 dbsize
show OK flushall
show_channels

if command -v redis-server >/dev/null; then
    start_redis
else
    echo "redis-server is not installed: no figures beside it"
fi
echo "redis-benchmark, $clients clients, values of $value_bytes bytes, jzx-kv on CPUs $cpus, redis-server anywhere:"
echo "                    jzx-kv                  redis-server"
echo "  test  -P    requests/s CPU us/req    requests/s CPU us/req"
row set 1 100000
row get 1 100000
row set 16 1000000
row get 16 1000000

stop jzx-kv "$kv_pid"
kv_pid=
[ -z "$redis_pid" ] || stop redis-server "$redis_pid"
redis_pid=
sed 1d "$dir/kv.log"

start_kv --cpus "$cpus" --shards-per-loop 4
show_faults
stop jzx-kv "$kv_pid"
kv_pid=
