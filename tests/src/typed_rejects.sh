#!/bin/sh
# typed_rejects.sh SOURCE: what jzx/typed.h says does not compile, does not; and the same without the mistake does, in C and C++.
set -u
source=$1
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
status=0

# compiles LANGUAGE LINE: of a program that has the types, with this line in a function
compiles() {
    cat >"$dir/unit" <<END
#include <jzx/jzx.h>
#include <jzx/typed.h>
typedef struct right { uint64_t a, b; } right;
typedef struct wrong { uint64_t a, b; } wrong;
typedef struct large { uint64_t words[5]; } large;
#if defined(__cplusplus)
typedef struct alignas(16) strict { uint64_t a, b; } strict;
#else
typedef struct strict { _Alignas(16) uint64_t a, b; } strict;
#endif
extern void drop_right(right *what);
JZX_TYPED(right, 1, right)
JZX_TYPED_POINTER(owned, 2, right, drop_right)
JZX_TYPED_EMPTY(bare, 3)
$3
extern int use(jzx_context *context, jzx_actor_id to, const jzx_message *message);
int use(jzx_context *context, jzx_actor_id to, const jzx_message *message)
{
    right r = {1, 2};
    wrong w = {1, 2};
    (void)context, (void)to, (void)message, (void)r, (void)w;
    $2
    return 0;
}
END
    case $1 in
    c) "${CC:-cc}" -x c -std=c11 -Werror=incompatible-pointer-types -fsyntax-only -I "$source/include" "$dir/unit" ;;
    c++) "${CXX:-c++}" -x c++ -std=c++17 -fsyntax-only -I "$source/include" "$dir/unit" ;;
    esac >"$dir/log" 2>&1
}

# expect yes|no LINE [DECLARATION]
expect() {
    for language in $languages; do
        answer=no
        compiles "$language" "$2" "${3:-}" && answer=yes
        if [ $answer != "$1" ]; then
            echo "as $language, compiles: $answer, not $1: $2 ${3:-}"
            cat "$dir/log"
            status=1
        fi
    done
}

languages=c
command -v "${CXX:-c++}" >/dev/null && languages="c c++"
expect yes 'return right_send(context, to, r);'
expect no 'return right_send(context, to, w);'
expect no 'return right_send(context, to, &r);'
expect yes 'return right_answer(context, 1, r);'
expect no 'return right_answer(context, 1, w);'
expect no 'jzx_message m = right_message(w); (void)m;'
expect yes 'const right *in = right_of(message); return in != NULL;'
expect no 'const wrong *in = right_of(message); return in != NULL;'
expect no 'right_of(message)->a = 2;'
expect yes 'return owned_send(context, to, &r);'
expect no 'return owned_send(context, to, &w);'
expect no 'wrong *in = owned_of(message); return in != NULL;'
expect yes 'return bare_send(context, to);'
expect no 'return bare_send(context, to, r);'
expect yes 'switch (message->tag) { case right_TAG: case owned_TAG: case bare_TAG: return 1; default: break; }'
expect no 'switch (message->tag) { case right_TAG: case twin_TAG: return 1; default: break; }' 'JZX_TYPED(twin, 1, right)'
expect no '' 'JZX_TYPED(large, 4, large)'
expect no '' 'JZX_TYPED(strict, 4, strict)'
expect no '' 'JZX_TYPED_EMPTY(reserved, 0xFFFF0000u)'
[ "$languages" = c ] && [ $status -eq 0 ] && { echo "no C++ compiler: only C was checked"; exit 77; }
exit $status
