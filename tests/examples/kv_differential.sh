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
# shellcheck source=tests/examples/servers.sh
. "$(dirname "$0")/servers.sh"

if ! command -v redis-server >/dev/null; then
    echo "redis-server is not installed: nothing to compare with"
    exit 77
fi

start_kv "$@"
start_redis

"$differential" --count "$count" --seed "${KV_SEED:-1}" --connections 50 "$kv_port" "$redis_port"

stop_kv
