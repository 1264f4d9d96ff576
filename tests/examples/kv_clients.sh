#!/bin/sh
# The programs people use against jzx-kv: redis-cli says the same to it and to redis-server, and redis-benchmark gets every
# reply from shards that refuse.
#
#   kv_clients.sh JZX_KV
#
# Exits 77, which Meson counts as skipped, where redis-cli, redis-benchmark or redis-server are not installed.
set -eu

kv=$1
kv_pid=
redis_pid=
dir=$(mktemp -d)

clean_up() {
    status=$?
    trap - EXIT
    for pid in $kv_pid $redis_pid; do
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$dir"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
    echo "kv_clients.sh: $*" >&2
    exit 1
}

# wait_for_line PID FILE TEXT: until TEXT is in FILE. False if the process ends first.
wait_for_line() {
    tries=400
    until grep -q "$3" "$2"; do
        kill -0 "$1" 2>/dev/null || return 1
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || fail "nothing about '$3' in 20 s: $(cat "$2")"
        sleep 0.05
    done
}

# start_kv OPTION...: on two loops, on the first two CPUs this process may use or both on the only one.
start_kv() {
    cpus=$(awk '/^Cpus_allowed_list:/ { split($2, cpu, /[-,]/); print cpu[1] "," (cpu[2] == "" ? cpu[1] : cpu[2]) }' \
        /proc/self/status)
    : >"$dir/kv.log"
    "$kv" --port 0 --cpus "$cpus" "$@" >"$dir/kv.log" &
    kv_pid=$!
    wait_for_line "$kv_pid" "$dir/kv.log" 'ready on port' || fail "jzx-kv did not start"
    kv_port=$(sed -n 's/.*ready on port \([0-9]*\).*/\1/p' "$dir/kv.log")
}

stop_kv() {
    kill -TERM "$kv_pid"
    code=0
    wait "$kv_pid" || code=$?
    kv_pid=
    sed 1d "$dir/kv.log"
    [ "$code" = 0 ] || fail "jzx-kv ended with status $code"
    grep -q 'dead letters 0$' "$dir/kv.log" || fail "jzx-kv counts dead letters"
}

# redis-server cannot choose a free port itself, so try some.
start_redis() {
    for offset in 1 2 3 4 5 6 7 8; do
        redis_port=$((20000 + ($$ * 11 + offset * 1237) % 12000))
        : >"$dir/redis.log"
        redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --appendonly no --dir "$dir" >"$dir/redis.log" &
        redis_pid=$!
        if wait_for_line "$redis_pid" "$dir/redis.log" 'Ready to accept connections'; then
            return 0
        fi
    done
    fail "redis-server did not start: $(cat "$dir/redis.log")"
}

# A number of the last line of jzx-kv: counted TEXT.
counted() {
    sed -n "s/.*$1 \([0-9]*\).*/\1/p" "$dir/kv.log"
}

for program in redis-cli redis-benchmark redis-server; do
    if ! command -v "$program" >/dev/null; then
        echo "$program is not installed"
        exit 77
    fi
done

# What redis-cli prints. It reads the commands, which also makes it ask for COMMAND DOCS or go without.
cat >"$dir/commands" <<'END'
PING
PING hello
ECHO "a b"
SET a 1
GET a
GET nothing
SET a 2 NX
SET b 2 NX
SET b 3 XX
SET c 3 XX
SET c 3 EX 100
TTL c
SET d 4 PX 100000
TTL d
SET d 5 KEEPTTL
TTL d
SET d 6 GET
SET d 7 EX 0
SET d 7 EX x
SET d 7 NX XX
SET d
MSET k1 v1 k2 v2 k3 v3
MSET k1
MGET k1 k2 nothing k3
INCR a
INCRBY a 41
INCRBY a x
INCR k1
INCRBY a 9223372036854775807
DECR a
EXISTS a b nothing a
DEL a b nothing
EXISTS a
EXPIRE k1 100
TTL k1
EXPIRE k1 50 GT
TTL nothing
TTL k2
PTTL k2
EXPIRE k2 -1
GET k2
DBSIZE
SELECT 0
SELECT 99
CONFIG GET save
CONFIG GET appendonly
CONFIG GET nothing
CLIENT GETNAME
CLIENT SETNAME tester
CLIENT GETNAME
CLIENT NOTHING
COMMAND NOTHING
HELLO 9
NOTHING a b
FLUSHALL
DBSIZE
QUIT
END
start_kv
start_redis
redis-cli -p "$kv_port" <"$dir/commands" >"$dir/kv.txt" 2>&1
redis-cli -p "$redis_port" <"$dir/commands" >"$dir/redis.txt" 2>&1
diff "$dir/redis.txt" "$dir/kv.txt" || fail "redis-cli shows something else (< redis-server, > jzx-kv)"
[ "$(wc -l <"$dir/kv.txt")" -ge "$(wc -l <"$dir/commands")" ] || fail "redis-cli shows too little: $(cat "$dir/kv.txt")"
for section in redis_version: connected_clients: total_commands_processed: role:master; do
    redis-cli -p "$kv_port" info | grep -q "^$section" || fail "INFO says nothing of $section"
done
redis-cli -p "$kv_port" hello 2 | grep -q '^proto' || fail "HELLO says nothing of proto"
redis-cli -p "$kv_port" client id | grep -q '^[0-9]*$' || fail "CLIENT ID is no number"
stop_kv

# 500 clients with 64 commands on the way each, and shards that take 64 requests.
start_kv --mailbox 64
redis-benchmark -p "$kv_port" -c 500 -P 64 -n 400000 -r 100000 -t set,get,incr --csv >"$dir/load.csv" 2>"$dir/load.log"
cut -d, -f1,2 "$dir/load.csv"
[ "$(wc -l <"$dir/load.csv")" = 4 ] || fail "redis-benchmark did not end its three tests: $(cat "$dir/load.log")"
stop_kv
# Each of the three loads asked for 400,000; redis-benchmark asks for its configuration besides.
[ "$(counted 'commands')" -ge 1200000 ] || fail "some commands did not arrive"
[ "$(counted 'refused requests')" -gt 0 ] || fail "no shard refused: the load shows nothing"
[ "$(counted 'pauses')" -gt 0 ] || fail "no connection stopped reading"
[ "$(counted 'resume notices')" -gt 0 ] || fail "no resume notice came"
