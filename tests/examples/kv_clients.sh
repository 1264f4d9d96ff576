#!/bin/sh
# The programs people use against jzx-kv: redis-cli says the same to it and to redis-server, and redis-benchmark gets every
# reply from shards that refuse.
#
#   kv_clients.sh JZX_KV
#
# Exits 77, which Meson counts as skipped, where redis-cli, redis-benchmark or redis-server are not installed.
set -eu

kv=$1
# shellcheck source=tests/examples/servers.sh
. "$(dirname "$0")/servers.sh"

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
CONFIG GET APPEND*nly
CONFIG SET databases 2
CONFIG SET DataBases 2
CONFIG SET nothing 2
CONFIG SET databases
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
for version in -2 -3; do
    redis-cli "$version" -p "$kv_port" <"$dir/commands" >"$dir/kv.txt" 2>&1
    redis-cli "$version" -p "$redis_port" <"$dir/commands" >"$dir/redis.txt" 2>&1
    diff "$dir/redis.txt" "$dir/kv.txt" || fail "redis-cli $version shows something else (< redis-server, > jzx-kv)"
done

# Commands on keys of all shards, on more loops and fewer.
awk 'BEGIN {
    for (i = 0; i < 100; i++) { keys = keys " key:" i; pairs = pairs " key:" i " value:" i }
    print "MSET" pairs "\nMGET" keys " nothing\nMGET" keys keys "\nEXISTS" keys " nothing\nTOUCH" keys " nothing key:1"
    print "DEL key:1 key:7 nothing key:1\nUNLINK key:2 key:8 nothing\nMSET key:1 a key:2 b key:1 c\nMGET" keys
    print "UNLINK\nTOUCH\nDEL\nMGET\nMSET a\nMSET a b c\nMGET key:1\nDEL key:1\nEXISTS key:1\nDBSIZE\nFLUSHALL\nDBSIZE"
}' >"$dir/commands"
redis-cli -p "$redis_port" <"$dir/commands" >"$dir/redis.txt" 2>&1
stop_kv
for loops in 1 2 4; do
    KV_LOOPS=$loops start_kv --shards-per-loop 2
    redis-cli -p "$kv_port" <"$dir/commands" >"$dir/kv.txt" 2>&1
    diff "$dir/redis.txt" "$dir/kv.txt" || fail "redis-cli shows something else on $loops loops (< redis-server, > jzx-kv)"
    stop_kv
done
start_kv

# Channels, as one redis-cli listens and another publishes: listen PORT FILE LAST OPTION-OR-COMMAND..., where LAST stands in
# the last of the replies.
listen() {
    port=$1
    file=$2
    last=$3
    shift 3
    : >"$file"
    redis-cli -p "$port" "$@" >"$file" 2>&1 &
    listener_pid=$!
    wait_for_line "$listener_pid" "$file" "$last" || fail "redis-cli $* has ended: $(cat "$file")"
}

# hear PORT NAME: what listeners of all kinds print of what is published.
hear() {
    listen "$1" "$dir/$2.c2" other subscribe news other
    pids=$listener_pid
    listen "$1" "$dir/$2.c3" other -3 subscribe news other
    pids="$pids $listener_pid"
    listen "$1" "$dir/$2.p2" psubscribe psubscribe 'n*'
    pids="$pids $listener_pid"
    listen "$1" "$dir/$2.p3" psubscribe -3 psubscribe '[a-z]?ws'
    pids="$pids $listener_pid"
    redis-cli -p "$1" >"$dir/$2.replies" 2>&1 <<'END'
PUBSUB NUMPAT
PUBSUB NUMSUB news other nothing
PUBSUB CHANNELS n*
PUBLISH news "some words"
PUBLISH other ""
PUBLISH nothing x
PUBLISH news end
END
    for kind in c2 c3 p2 p3; do
        wait_for_line "$$" "$dir/$2.$kind" '^end$'
    done
    for pid in $pids; do
        kill "$pid"
        wait "$pid" 2>/dev/null || true
    done
}
hear "$kv_port" kv
hear "$redis_port" redis
for kind in c2 c3 p2 p3 replies; do
    diff "$dir/redis.$kind" "$dir/kv.$kind" || fail "redis-cli hears something else (< redis-server, > jzx-kv): $kind"
done
[ "$(tail -n 1 "$dir/kv.replies")" = 4 ] || fail "four have heard it, PUBLISH says: $(cat "$dir/kv.replies")"

redis-cli -p "$kv_port" client id | grep -q '^[0-9]*$' || fail "CLIENT ID is no number"
stop_kv

# What a server is set to is told by the names and in the format of redis-server.
start_kv --timeout 7 --max-clients 50 --max-value 2000000 --push-max 50000 --push-soft 10000 --push-soft-time 3
redis-cli -p "$redis_port" config set timeout 7 maxclients 50 proto-max-bulk-len 2000000 client-output-buffer-limit \
    'normal 0 0 0 slave 0 0 0 pubsub 50000 10000 3' >"$dir/set"
[ "$(cat "$dir/set")" = OK ] || fail "redis-server says: $(cat "$dir/set")"
for name in bind timeout maxclients proto-max-bulk-len client-output-buffer-limit; do
    redis-cli -p "$redis_port" config get "$name" >"$dir/redis.txt"
    redis-cli -p "$kv_port" config get "$name" >"$dir/kv.txt"
    diff "$dir/redis.txt" "$dir/kv.txt" || fail "CONFIG GET $name says something else (< redis-server, > jzx-kv)"
    redis-cli -p "$kv_port" config set "$name" 1 | grep -q "'$name'.*immutable" || fail "CONFIG SET $name does not say why"
done
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
