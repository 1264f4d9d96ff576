#!/bin/sh
# Each public header compiles alone, as C11 and as C++17, without a warning.
#
#   headers.sh SOURCE
set -eu
source=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
status=0

# compile HEADER COMPILER...
compile() {
    header=$1
    shift
    "$@" -Wall -Wextra -pedantic -Werror -fsyntax-only -I "$source/include" "$dir/unit" 2>"$dir/log" || {
        echo "$header does not compile by: $*" >&2
        cat "$dir/log" >&2
        status=1
    }
}

count=0
for path in "$source"/include/jzx/*.h; do
    header=jzx/${path##*/}
    printf '#include <%s>\nextern int something;\n' "$header" >"$dir/unit"
    compile "$header" "${CC:-cc}" -x c -std=c11
    if command -v "${CXX:-c++}" >/dev/null; then
        compile "$header" "${CXX:-c++}" -x c++ -std=c++17
    fi
    count=$((count + 1))
done
[ "$count" -gt 0 ] || { echo "no headers in $source/include/jzx" >&2; exit 1; }
if [ "$status" = 0 ] && ! command -v "${CXX:-c++}" >/dev/null; then
    echo "no C++ compiler: only C was checked"
    exit 77
fi
exit $status
