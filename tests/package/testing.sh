#!/bin/sh
# The programs in docs/testing.md compile without a warning against the simulator, end well and print what the page says.
# How many runs a search needed is not compared.
#
#   testing.sh SOURCE LIBJZX-SIM.A
set -eu
source=$1
library=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# Programs to N.c, and what each prints, if anything, to N.text: the block `text` before the next program.
awk -v dir="$dir" '
    $0 == "```c" { count++; to = dir "/" count ".c"; next }
    $0 == "```text" { to = dir "/" count ".text"; next }
    $0 == "```" { to = ""; next }
    to != "" { print > to }' "$source/docs/testing.md"

count=0
for program in "$dir"/*.c; do
    [ -e "$program" ] || break
    name=${program%.c}
    [ -e "$name.text" ] || : >"$name.text"
    # shellcheck disable=SC2046
    ${CC:-cc} -std=gnu11 -pedantic -Wall -Wextra -Werror -I "$source/include" "$program" "$library" \
        $(pkg-config --libs liburing) -pthread -o "$name"
    "$name" >"$name.output" || { echo "program ${name##*/} of docs/testing.md ends with $?" >&2; exit 1; }
    for file in "$name.text" "$name.output"; do
        sed 's/([0-9]* runs)$/(runs)/' "$file" >"$file.same"
    done
    diff "$name.text.same" "$name.output.same"
    count=$((count + 1))
done
# Its table has a line for each fault that there is.
cat >"$dir/names.c" <<'END'
#include <jzx/sim.h>
#include <stdio.h>
int main(void)
{
    for (int i = 0; i < JZX_SIM_FAULTS; i++) {
        printf("| `%s` |\n", jzx_sim_fault_name((jzx_sim_fault)i));
    }
    return 0;
}
END
# shellcheck disable=SC2046
${CC:-cc} -I "$source/include" "$dir/names.c" "$library" $(pkg-config --libs liburing) -pthread -o "$dir/names"
"$dir/names" >"$dir/named"
# shellcheck disable=SC2016  # not that kind of backquotes
grep -o '^| `[a-z-]*` |' "$source/docs/testing.md" | diff "$dir/named" - ||
    { echo "the table of faults in docs/testing.md has others (>) than there are (<)" >&2; exit 1; }

[ "$count" -ge 5 ] || { echo "only $count programs in docs/testing.md" >&2; exit 1; }
