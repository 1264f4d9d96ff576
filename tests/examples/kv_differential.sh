#!/bin/sh
# Starts jzx-kv and a redis-server on free ports, lets kv_differential compare them, and ends both.
#
#   kv_differential.sh KV_DIFFERENTIAL JZX_KV COUNT [OPTION-OF-JZX-KV...]
#
# The test suite sends 100,000 commands. All 1,000,000: `meson test -C build --benchmark kv-differential`.
# KV_SEED=N chooses other commands. Exits 77, which Meson counts as skipped, where redis-server is not installed.
set -eu

differential=$1
kv=$2
count=$3
shift 3
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
    echo "kv_differential.sh: $*" >&2
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

if ! command -v redis-server >/dev/null; then
    echo "redis-server is not installed: nothing to compare with"
    exit 77
fi

# Two loops, on the first two CPUs this process may use or both on the only one.
cpus=$(awk '/^Cpus_allowed_list:/ { split($2, cpu, /[-,]/); print cpu[1] "," (cpu[2] == "" ? cpu[1] : cpu[2]) }' \
    /proc/self/status)
: >"$dir/kv.log"
"$kv" --port 0 --cpus "$cpus" "$@" >"$dir/kv.log" &
kv_pid=$!
wait_for_line "$kv_pid" "$dir/kv.log" 'ready on port' || fail "jzx-kv did not start"
kv_port=$(sed -n 's/.*ready on port \([0-9]*\).*/\1/p' "$dir/kv.log")

# redis-server cannot choose a free port itself, so try some.
redis_port=
for offset in 1 2 3 4 5 6 7 8; do
    port=$((20000 + ($$ * 7 + offset * 1237) % 12000))
    : >"$dir/redis.log"
    redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$dir" >"$dir/redis.log" &
    redis_pid=$!
    if wait_for_line "$redis_pid" "$dir/redis.log" 'Ready to accept connections'; then
        redis_port=$port
        break
    fi
    redis_pid=
done
[ -n "$redis_port" ] || fail "redis-server did not start: $(cat "$dir/redis.log")"

"$differential" --count "$count" --seed "${KV_SEED:-1}" --connections 50 "$kv_port" "$redis_port"

kill -TERM "$kv_pid"
code=0
wait "$kv_pid" || code=$?
kv_pid=
cat "$dir/kv.log"
[ "$code" = 0 ] || fail "jzx-kv ended with status $code"
grep -q 'dead letters 0$' "$dir/kv.log" || fail "jzx-kv counts dead letters"
