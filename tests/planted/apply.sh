#!/bin/sh
# apply.sh SOURCE PATCH OUTPUT: a copy of the source with the mistake in it.
set -eu
if ! patch --batch --silent --fuzz=0 --output="$3" --reject-file=- "$1" "$2"; then
    rm -f "$3"
    printf '\n%s\nno longer applies to\n%s\n' "$2" "$1" >&2
    echo "The code around the planted mistake has changed: plant it anew, and see that it is found." >&2
    exit 1
fi
