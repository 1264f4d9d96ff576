#!/bin/sh
# report_test.sh RESULTS JZX-BENCH: the page and the Markdown of made-up files, and what is said when they cannot be made.
set -eu
results=$(realpath -- "$1") bench=$(realpath -- "$2")
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
cd -- "$folder"

fail() {
    echo "report_test: $1"
    test ! -e said || cat said
    exit 1
}

# report STATUS ARGUMENT...
report() {
    status=0
    wanted=$1
    shift
    "$bench" report "$@" >said 2>&1 || status=$?
    test "$status" = "$wanted" || fail "ended with $status, not $wanted: report $*"
}

says() {
    grep -qF -- "$2" "$1" || fail "$1 does not say '$2'"
}

lacks() {
    if grep -qE -- "$2" "$1"; then
        fail "$1 says '$2'"
    fi
}

mkdir page
"$results" page/all.json
report 0 page --no-plots --markdown tables.md --title 'What <it> costs'
says page/report.html 'What &lt;it&gt; costs'
says page/report.html 'go1.19.8 &lt;&amp;&gt;'
says page/report.html '≤ 1.5 raw: met'
says page/report.html '≥ 3.00 × peers: missed'
says page/report.html '8 with peers: first in 7 of them (ahead of every peer in 7), behind in 1, too few runs to say in 0.'
says page/report.html 'jzx-bench run --json results.json --reps 12'
says page/report.html 'libcaf-dev is not installed'
says tables.md '| fan-in | ns/message | 9.'
says tables.md 'Erlang/OTP 25.2.3'

# A peer that did less work is marked, and how much it did is said; without one there is no mark.
lacks tables.md 'ns\\\*|fewer operations a run: '
mkdir slow
"$results" slow/all.json slower=50
report 0 slow --no-plots --markdown slow.md
says slow.md ' ns\* |'
says slow.md 'erlang: fewer operations a run: ping-pong 50 of 1000'
says slow/report.html 'fewer operations a run: ping-pong 50 of 1000'
# Too few runs say nothing of who is first.
mkdir few
"$results" few/all.json runs=4
report 0 few --no-plots --markdown few.md
says few.md 'first in 0 of them (ahead of every peer in 0), behind in 0, too few runs to say in 8.'

# The text around the markers stays, what is between them goes.
printf 'before\n<!-- figures -->\nold\n<!-- /figures -->\nafter\n' >README.md
report 0 page --no-plots --update README.md
says README.md before
says README.md after
says README.md '**message**'
lacks README.md '^old$'
cp README.md once.md
report 0 page --no-plots --update README.md
cmp -s README.md once.md || fail "an update changes what it made itself"
printf 'before\n<!-- /figures -->\n<!-- figures -->\n' >wrong.md
report 3 page --no-plots --update wrong.md
says said 'must have one'

# What cannot be read is said, and no page is made of a part.
mkdir none twice bad
report 3 none
says said 'holds no result'
report 3 missing
says said 'No such file'
"$results" twice/a.json
cp twice/a.json twice/b.json
report 3 twice
says said 'in another file'
echo '{' >bad/a.json
report 3 bad
test ! -e bad/report.html || fail "a page of a file that cannot be read"
"$results" none/a.json invalid=1
report 0 none --no-plots
says none/report.html 'invalid: sum is 41, not 42'

# Without gnuplot there is a page all the same, and a status that says it is not whole.
mkdir path
PATH=$folder/path report 3 page
says said 'gnuplot is missing'
says page/report.html 'Without pictures'

if ! command -v gnuplot >/dev/null; then
    echo 'report_test: no gnuplot, so no pictures'
    exit 0
fi
# Names are only names, to gnuplot and to the page.
# shellcheck disable=SC2016
"$results" page/all.json peer='%d'"'"'; system("touch owned")"`touch owned`<b>'
report 0 page
test -z "$(find . -name owned)" || fail 'a name was run'
test "$(find page/plots -name '*.svg' -size +1k | wc -l)" = 5 || fail 'not five pictures'
test "$(grep -o '<svg' page/report.html | wc -l)" = 5 || fail 'not five pictures in the page'
says page/report.html '&lt;b&gt;'
# One file: no script, and nothing from elsewhere.
lacks page/report.html '<script|<link|<img|<b>|@import|url\(http'
sed 's/xmlns[:a-z]*="[^"]*"//g' page/report.html >links
lacks links 'https?://'
test -z "$(grep -o ' id="[^"]*"' page/report.html | sort | uniq -d)" || fail 'an id stands twice'
