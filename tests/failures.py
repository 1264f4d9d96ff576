"""Prints what failed of runs of `meson test`, with the end of what each printed.

usage: failures.py TESTLOG.json...

A run prints thousands of lines, and whoever looks at it later may have the last hundred only: so this comes last.
"""

import json
import sys

GOOD = {"OK", "SKIP", "EXPECTEDFAIL"}
LINES = 60


def result(line):
    try:
        return json.loads(line)
    except ValueError:  # the run was ended while it wrote
        return {"name": "a line that is cut", "result": "UNKNOWN", "stdout": line}


def failures(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as log:
            tests = [result(line) for line in log]
    except FileNotFoundError:
        return []
    return [test for test in tests if test["result"] not in GOOD]


def show(test):
    print(f"---- {test['name']}: {test['result']}, status {test.get('returncode')}, {test.get('duration', 0):.1f} s")
    output = test.get("stdout", "").splitlines() + test.get("stderr", "").splitlines()
    # Criterion tells of a failure where it happens, which may be far from the end.
    told = [line for line in output[:-LINES] if "FAIL" in line or "CRASH" in line]
    for line in told[:LINES] + output[-LINES:]:
        print(line)


sys.stdout.reconfigure(errors="replace")  # whatever the locale
for path in sys.argv[1:]:
    for test in failures(path):
        show(test)
