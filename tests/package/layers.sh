#!/bin/sh
# The arrows between folders go one way: src -> sched -> io -> the kernel, and none of them leaves the tree but for the
# headers named here. Looks at the #include lines, and at what each object of the library calls.
#
#   layers.sh SOURCE LIBJZX.A
set -eu
source=$1
library=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
status=0
cd "$source"

bad() {
    echo "layers: $*" >&2
    status=1
}

# Every include of a folder as "file header", the brackets and quotes off.
includes() {
    for file in "$@"; do # a pattern that matched nothing stands here for itself
        [ ! -e "$file" ] || sed -nE "s|^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]([^>\"]*).*|$file \\1|p" "$file"
    done
}

# forbid FOLDER REGEX WHY: no file of the folder includes such a header.
forbid() {
    includes "$1"/*.c "$1"/*.h >"$dir/includes"
    [ -s "$dir/includes" ] || bad "found no includes in $1"
    awk -v regex="$2" '$2 ~ regex { print $1 " includes " $2 }' "$dir/includes" >"$dir/found"
    [ ! -s "$dir/found" ] || bad "$3: $(cat "$dir/found")"
}

# only REGEX-OF-HEADER FILE...: no other file of the library includes such a header, and each of these does.
only() {
    header=$1
    shift
    includes io/*.[ch] sched/*.[ch] src/*.[ch] | awk -v regex="$header" '$2 ~ regex { print $1 }' | sort -u >"$dir/found"
    printf '%s\n' "$@" | sort >"$dir/wanted"
    diff "$dir/wanted" "$dir/found" >"$dir/difference" || bad "who includes $header: $(cat "$dir/difference")"
}

forbid io '^(sched|src)/' "io calls nothing above it"
forbid sched '^src/' "sched calls nothing above it"
forbid src '^io/' "src reaches io through sched only"
forbid io '^(tests|bench|examples|tools|sim)/' "the library does not know its users"
forbid sched '^(tests|bench|examples|tools|sim)/' "the library does not know its users"
forbid src '^(tests|bench|examples|tools|sim)/' "the library does not know its users"
forbid include/jzx '^(io|sched|src|liburing|ck)' "public headers show nothing of the inside"
only '^liburing' io/probe.c io/sys.h io/uring.c
only '^ck' sched/inbox.h sched/lane.h

# What the simulation build has is nothing in this one.
nm "$library" 2>/dev/null | grep 'jzx__sim' >"$dir/found" || true
[ ! -s "$dir/found" ] || bad "the library knows the simulator: $(cat "$dir/found")"

# Programs for users see public headers alone.
includes examples/*.[ch] examples/*/*.[ch] tools/*.[ch] | awk '$2 ~ /^(io|sched|src|sim)\// { print $1 " includes " $2 }' \
    >"$dir/found"
[ ! -s "$dir/found" ] || bad "examples and tools use public headers only: $(cat "$dir/found")"

# The same arrows between objects: a function declared by hand would pass the look at the includes.
nm -A "$library" 2>/dev/null | awk '
    {
        file = $1
        sub(/.*libjzx[^:]*:/, "", file)
        sub(/:.*/, "", file)
        layer = file
        sub(/_.*/, "", layer)
        if ($(NF - 1) ~ /^[TDBRWV]$/) {
            home[$NF] = layer
        } else if ($(NF - 1) == "U") {
            use[layer " " $NF] = file
        }
    }
    END {
        rank["io"] = 1; rank["sched"] = 2; rank["src"] = 3
        for (key in use) {
            split(key, part, " ")
            if (!(part[2] in home)) {
                continue
            }
            seen++
            if (rank[part[1]] < rank[home[part[2]]]) {
                print use[key] " calls " part[2] " of " home[part[2]]
            }
        }
        if (seen < 50) {
            print "only " seen + 0 " calls between files were found: is this the library?"
        }
    }' >"$dir/found"
[ ! -s "$dir/found" ] || bad "calls go downwards: $(cat "$dir/found")"
exit $status
