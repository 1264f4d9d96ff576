#!/bin/sh
# jzx top against a program whose counts are known: alive, stopped by a signal, and ended; and each of its errors.
#
#   top_test.sh JZX TOP_TARGET
set -eu
jzx=$1
target=$2
dir=$(mktemp -d)
pid=

clean_up() {
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
    rm -rf "$dir"
}
trap clean_up EXIT

fail() {
    echo "top: $*" >&2
    cat "$dir/shown" "$dir/said" >&2 || true
    exit 1
}

# start_target ARGUMENT...: returns when it is ready.
start_target() {
    rm -f "$dir/in" "$dir/out"
    mkfifo "$dir/in" "$dir/out"
    "$target" "$@" <"$dir/in" >"$dir/out" &
    pid=$!
    exec 3>"$dir/in" 4<"$dir/out"
    read -r line <&4
    [ "$line" = ready ] || fail "the target says '$line'"
}

# Its input ends, so it stops its runtime and ends.
end_target() {
    exec 3>&-
    wait "$pid" || fail "the target failed"
    pid=
    exec 4<&-
}

# look ARGUMENT...: runs jzx top --once, which must succeed.
look() {
    "$jzx" top --once "$@" >"$dir/shown" 2>"$dir/said" || fail "jzx top --once $* failed"
    [ ! -s "$dir/said" ] || fail "jzx top --once $* complains"
}

# refuse STATUS TEXT ARGUMENT...: runs jzx, which must end with this status and say this.
refuse() {
    wanted=$1
    text=$2
    shift 2
    status=0
    "$@" >"$dir/shown" 2>"$dir/said" || status=$?
    [ "$status" = "$wanted" ] || fail "'$*' ended with $status, not $wanted"
    grep -qF -e "$text" "$dir/said" || fail "'$*' does not say '$text'"
}

# The word in a column of the row that starts with a word: cell WORD COLUMN.
cell() {
    awk -v word="$1" -v column="$2" '$1 == word { print $column; exit }' "$dir/shown"
}

# The incarnation and the kind of the actor with a name.
standing() {
    awk -v name="$1" '$2 == name { print $8, $9; exit }' "$dir/shown"
}

check_rows() {
    [ "$(cell 0 9)" = 1000 ] || fail "loop 0 handled $(cell 0 9), not 1000"
    [ "$(cell 1 9)" = 500 ] || fail "loop 1 handled $(cell 1 9), not 500"
    [ "$(cell 0 7)" = 3 ] || fail "loop 0 has $(cell 0 7) actors, not 3"
    busiest=$(awk 'on == 2 { print $2, $4, $NF; exit } /^busiest/ { on = 1; next } on == 1 { on = 2 }' "$dir/shown")
    [ "$busiest" = "alpha 1000 0x42" ] || fail "the busiest is '$busiest'"
    grep -q 'ome?ga .* 500 ' "$dir/shown" || fail "the second actor, its name made printable, is missing"
    [ "$(standing alpha)" = "- -" ] || fail "alpha is supervised: '$(standing alpha)'"
    [ "$(standing tree)" = "- supervisor" ] || fail "the supervisor is not marked: '$(standing tree)'"
    [ "$(standing leaf)" = "2 -" ] || fail "the child is not in its second incarnation: '$(standing leaf)'"
}

start_target
look "$pid"
grep -q "pid $pid, .*2 of 2 loops" "$dir/shown" || fail "no head line"
check_rows
look --actors 1 "$pid"
[ "$(grep -c '0x42$' "$dir/shown")" = 1 ] || fail "--actors 1 shows not one actor"
# The kernel does not tell when a process has come to stand; the counts are the same before and after.
kill -STOP "$pid"
look "$pid"
check_rows
kill -CONT "$pid"
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    cp "$jzx" "$dir/jzx"
    chmod 755 "$dir"
    refuse 1 "no permission to look into process $pid" setpriv --reuid=65534 --regid=65534 --clear-groups \
        "$dir/jzx" top --once "$pid"
fi
gone=$pid
end_target
refuse 1 "no process $gone" "$jzx" top --once "$gone"
refuse 1 "process $$ has no libjzx runtime" "$jzx" top --once $$

# ---- a handler that does not return ----
start_target --stuck
for try in $(seq 2000); do
    look "$pid"
    ! grep -q 'in one turn' "$dir/shown" || break
done
grep -q 'loop 0 has been in one turn for .* handler is <0\.0\.1>$' "$dir/shown" || fail "after $try looks it shows no stuck loop"
end_target

# ---- in a file: while it runs, and after ----
segment=$dir/segment
start_target "$segment"
look "$pid"
check_rows
look --file "$segment"
check_rows
[ "$(head -c 8 "$segment")" = JZXSEG01 ] || fail "the segment starts with $(head -c 8 "$segment")"
end_target
look --file "$segment"
grep -q 'stopping (phase' "$dir/shown" || fail "it does not show that the runtime was stopped"
[ "$(cell 0 2)" = left ] || fail "loop 0 is $(cell 0 2), not left"
[ "$(cell 0 9)" = 1000 ] || fail "the counters did not survive"

# patch OFFSET BYTES: a copy of the segment with other bytes there.
patch() {
    cp "$segment" "$dir/patched"
    printf '%b' "$2" | dd of="$dir/patched" bs=1 seek="$1" conv=notrunc 2>/dev/null
}

patch 7 2
refuse 1 "another version of libjzx: segment 2, and this tool reads 1" "$jzx" top --once --file "$dir/patched"
patch 0 X
refuse 1 "not a segment" "$jzx" top --once --file "$dir/patched"
patch 16 '\0001' # the size of a slot
refuse 1 "an older version" "$jzx" top --once --file "$dir/patched"
patch 20 '\0377\0377' # loops_max
refuse 1 "damaged" "$jzx" top --once --file "$dir/patched"
patch 32 '\0377\0377\0377\0377\0377\0377\0377\0177' # loop_size
refuse 1 "damaged" "$jzx" top --once --file "$dir/patched"
head -c 8192 "$segment" >"$dir/patched"
refuse 1 "damaged" "$jzx" top --once --file "$dir/patched"
head -c 20 "$segment" >"$dir/patched"
refuse 1 "not a segment" "$jzx" top --once --file "$dir/patched"
refuse 1 "No such file" "$jzx" top --once --file "$dir/none"

# ---- arguments ----
refuse 2 "no command" "$jzx"
refuse 2 "no such command" "$jzx" look
refuse 2 "--once is missing" "$jzx" top 1
refuse 2 "one PID" "$jzx" top --once
refuse 2 "one PID" "$jzx" top --once 1 2
refuse 2 "PID is a number" "$jzx" top --once -- -1
refuse 2 "PID is a number" "$jzx" top --once 1x
refuse 2 "--actors is a number" "$jzx" top --once --actors 0 1
refuse 2 "unrecognized option" "$jzx" top --once --colour 1
