# What the scripts that compare jzx-kv with redis-server share: both servers on free ports, ended whatever happens. Read by
# a shell with `set -eu`, and `kv` set to the program. Sets kv_port, redis_port and the folder `dir`.
# shellcheck shell=sh disable=SC2034,SC2154

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
    echo "${0##*/}: $*" >&2
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

# start_kv OPTION...: on KV_LOOPS loops, two if that is not set, in turn on the first two CPUs this process may use.
start_kv() {
    cpus=$(awk -v loops="${KV_LOOPS:-2}" '/^Cpus_allowed_list:/ {
        split($2, cpu, /[-,]/)
        for (i = 0; i < loops; i++) printf "%s%s", i == 0 ? "" : ",", i % 2 == 0 || cpu[2] == "" ? cpu[1] : cpu[2]
    }' /proc/self/status)
    : >"$dir/kv.log"
    "$kv" --port 0 --cpus "$cpus" "$@" >"$dir/kv.log" &
    kv_pid=$!
    wait_for_line "$kv_pid" "$dir/kv.log" 'ready on port' || fail "jzx-kv did not start"
    kv_port=$(sed -n 's/.*ready on port \([0-9]*\).*/\1/p' "$dir/kv.log")
}

end_kv() {
    kill -TERM "$kv_pid"
    code=0
    wait "$kv_pid" || code=$?
    kv_pid=
    sed 1d "$dir/kv.log"
    [ "$code" = 0 ] || fail "jzx-kv ended with status $code"
}

# Where nobody is closed with something on its way to him, nothing is a dead letter.
stop_kv() {
    end_kv
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
