"""
report: which lines and branches of the library the suite has not reached, and whether each is named.

    report.py COVERAGE.json MISSES.txt

COVERAGE.json is gcovr's. Prints lines and branches of each file and in all, and fails on a miss that MISSES.txt does not
name, and on a name that is no miss any more. So what is reached cannot become less without somebody saying why.

MISSES.txt has paragraphs: lines with # say why, then each miss one line,

    FILE | FUNCTION | line | TEXT
    FILE | FUNCTION | branch N of M | TEXT

TEXT is the line of the source, so that a name outlives lines that come and go above it. "maybe line" and "maybe branch"
name what depends on the order in which threads run: it may be reached or not.
"""

import collections
import json
import sys

BRANCHES_GOAL = 98.0  # per cent; of lines, all

Miss = collections.namedtuple("Miss", "file function kind text")


def function_of(functions, number):
    """The function that line `number` is in: the last that begins before it."""
    before = [f for f in functions if f["lineno"] <= number]
    return max(before, key=lambda f: f["lineno"])["name"] if before else "-"


def misses_of(entry):
    """Each miss of a file with its line number, lines first; and (lines, missed, branches, missed)."""
    with open(entry["file"], encoding="utf-8") as source:
        text = source.read().split("\n")
    found, lines, branches = [], 0, 0
    for line in entry["lines"]:
        if line["gcovr/noncode"]:
            continue
        number = line["line_number"]
        place = (entry["file"], function_of(entry["functions"], number))
        code = text[number - 1].strip()
        lines += 1
        branches += len(line["branches"])
        if line["count"] == 0:
            found.append((number, Miss(*place, "line", code)))
        for nth, branch in enumerate(line["branches"]):
            if branch["count"] == 0:
                kind = "branch %d of %d" % (nth + 1, len(line["branches"]))
                found.append((number, Miss(*place, kind, code)))
    missed_lines = sum(miss.kind == "line" for _, miss in found)
    return found, (lines, missed_lines, branches, len(found) - missed_lines)


def read_names(path):
    """What is named, as a Counter of misses that must be there and a set of those that may be."""
    must, may = collections.Counter(), set()
    with open(path, encoding="utf-8") as names:
        for number, line in enumerate(names, 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            parts = line.split(" | ", 3)
            if len(parts) != 4:
                sys.exit("%s:%d: not FILE | FUNCTION | KIND | TEXT" % (path, number))
            miss = Miss(*parts)
            if miss.kind.startswith("maybe "):
                may.add(miss._replace(kind=miss.kind[len("maybe ") :]))
            else:
                must[miss] += 1
    return must, may


def percent(all_of_them, missed):
    return 100.0 if all_of_them == 0 else 100.0 * (all_of_them - missed) / all_of_them


def print_row(name, counts):
    lines, missed_lines, branches, missed_branches = counts
    print(
        "%-22s %6d %6d %7.2f %%  %6d %6d %7.2f %%"
        % (name, lines, missed_lines, percent(lines, missed_lines), branches, missed_branches, percent(branches, missed_branches))
    )


def main(coverage_path, names_path):
    with open(coverage_path, encoding="utf-8") as coverage:
        files = json.load(coverage)["files"]
    must, may = read_names(names_path)
    open_names, unnamed, total = must.copy(), [], (0, 0, 0, 0)
    print("%-22s %6s %6s %9s  %6s %6s %9s" % ("", "lines", "missed", "", "branches", "missed", ""))
    for entry in sorted(files, key=lambda entry: entry["file"]):
        found, counts = misses_of(entry)
        total = tuple(a + b for a, b in zip(total, counts))
        print_row(entry["file"], counts)
        for number, miss in found:
            if open_names[miss] > 0:
                open_names[miss] -= 1
            elif miss not in may:
                unnamed.append((number, miss))
    print_row("in all", total)
    print("%d misses, %d of them named in %s" % (total[1] + total[3], total[1] + total[3] - len(unnamed), names_path))
    for number, miss in unnamed:
        print("not named, %s:%d\n    %s" % (miss.file, number, " | ".join(miss)))
    reached = sorted(open_names.elements())
    for miss in reached:
        print("named, but reached or gone:\n    %s" % " | ".join(miss))
    if percent(total[2], total[3]) < BRANCHES_GOAL:
        print("the goal is 100 %% of lines and %.0f %% of branches" % BRANCHES_GOAL)
    return bool(unnamed or reached)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    sys.exit(main(sys.argv[1], sys.argv[2]))
