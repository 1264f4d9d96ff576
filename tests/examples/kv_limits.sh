#!/bin/sh
# Who is closed, and who is not, by jzx-kv and by redis-server: clients that are silent, and subscribers that do not read.
#
#   kv_limits.sh JZX_KV
#
# Exits 77, which Meson counts as skipped, where redis-cli, redis-benchmark or redis-server are not installed.
set -eu

kv=$1
# shellcheck source=tests/examples/servers.sh
. "$(dirname "$0")/servers.sh"

for program in redis-cli redis-benchmark redis-server; do
    if ! command -v "$program" >/dev/null; then
        echo "$program is not installed"
        exit 77
    fi
done

# until_says TEXT PORT COMMAND...: asks again until TEXT is a line of what redis-cli prints, for 20 s.
until_says() {
    text=$1
    port=$2
    shift 2
    tries=400
    until redis-cli -p "$port" "$@" | tr -d '\r' | grep -q -x -e "$text"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || fail "port $port: $* does not say $text in 20 s"
        sleep 0.05
    done
}

# subscribe PORT CHANNEL FILE: by a redis-cli, whose process is `subscriber`.
subscribe() {
    : >"$3"
    redis-cli -p "$1" subscribe "$2" >"$3" &
    subscriber=$!
    wait_for_line "$subscriber" "$3" subscribe || fail "redis-cli has ended: $(cat "$3")"
}

# until_size PID FILE BYTES: until FILE has as many. False if the process ends first.
until_size() {
    tries=2000
    until [ "$(wc -c <"$2")" -ge "$3" ]; do
        kill -0 "$1" 2>/dev/null || return 1
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || fail "$2 has not $3 bytes in 20 s"
        sleep 0.01
    done
}

finish() {
    kill -KILL "$1"
    wait "$1" 2>/dev/null || true
}

# A server closes what is silent for a second, and a subscriber that has 1,000,000 bytes to take for two.
check() {
    # The one that is silent for longer is a subscriber and stays; the other one goes.
    subscribe "$1" quiet "$dir/quiet.$1"
    quiet=$subscriber
    mkfifo "$dir/silent.$1"
    : >"$dir/pong.$1"
    redis-cli -p "$1" <"$dir/silent.$1" >"$dir/pong.$1" &
    silent=$!
    exec 3>"$dir/silent.$1"
    echo PING >&3
    wait_for_line "$silent" "$dir/pong.$1" PONG || fail "redis-cli has ended"
    until_says connected_clients:2 "$1" info clients
    exec 3>&-
    wait "$silent" || true
    until_says 1 "$1" publish quiet heard
    wait_for_line "$quiet" "$dir/quiet.$1" heard || fail "port $1: the subscriber has ended"

    # One does not read and goes; one that reads stays, and has at most 500,000 bytes to take, however slow it is.
    subscribe "$1" flood "$dir/reading.$1"
    reading=$subscriber
    subscribe "$1" flood "$dir/lazy.$1"
    lazy=$subscriber
    kill -STOP "$lazy"
    heard=0
    while [ "$heard" -lt 20000000 ]; do
        redis-benchmark -p "$1" -c 1 -n 10 publish flood "$payload" >/dev/null 2>&1
        heard=$((heard + 500000))
        until_size "$reading" "$dir/reading.$1" "$heard" || fail "port $1: who reads has ended"
    done
    until_says 1 "$1" publish flood end
    wait_for_line "$reading" "$dir/reading.$1" '^end$' || fail "port $1: who reads has ended"
    finish "$lazy"
    finish "$reading"
    finish "$quiet"
}

payload=$(awk 'BEGIN { for (i = 0; i < 5000; i++) printf "0123456789" }')
start_kv --timeout 1 --push-soft 1000000 --push-soft-time 2
start_redis
redis-cli -p "$redis_port" config set timeout 1 >/dev/null
redis-cli -p "$redis_port" config set client-output-buffer-limit 'pubsub 33554432 1000000 2' >/dev/null
check "$redis_port"
check "$kv_port"
end_kv # a subscriber that is closed may have had a message in its mailbox
