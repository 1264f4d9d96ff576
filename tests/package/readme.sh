#!/bin/sh
# The program in README.md compiles without a warning, is as short as README says, and prints what README says.
#
#   readme.sh SOURCE LIBJZX.A
set -eu
source=$1
library=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# block LANGUAGE: the first block of it in the README.
block() {
    awk -v fence="\`\`\`$1" '$0 == fence && !done { on = 1; next } on && /^```$/ { on = 0; done = 1 } on' "$source/README.md"
}

block c >"$dir/program.c"
block text >"$dir/expected"
[ -s "$dir/program.c" ] || { echo "no program in README.md" >&2; exit 1; }
[ -s "$dir/expected" ] || { echo "no output in README.md" >&2; exit 1; }
lines=$(wc -l <"$dir/program.c")
[ "$lines" -le 40 ] || { echo "the program has $lines lines" >&2; exit 1; }
# shellcheck disable=SC2046
${CC:-cc} -std=c11 -pedantic -Wall -Wextra -Werror -I "$source/include" "$dir/program.c" "$library" \
    $(pkg-config --libs liburing) -pthread -o "$dir/program"
"$dir/program" >"$dir/output"
diff "$dir/expected" "$dir/output"
