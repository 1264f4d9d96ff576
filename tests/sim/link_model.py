"""
link_model: what sched/link.c does between two loops, gone through in every order.

    link_model.py STEPS REFUSALS

Two actors on two loops; each takes at most STEPS steps of its own choice (link, unlink, end), signals arrive in the order
they were sent, at any time, and at most REFUSALS links find no room. Every state that can be reached is visited once.
With nothing under way:

  alike      both have a record of the link, or neither, and nobody has one of an actor that has ended
  lasting    if the last step of both was to link, and nothing was refused, they are linked
  ended      if the last step of both was to unlink they are not; nor if an unlink met a link at rest
  told once  who linked to one that has ended, and was not unlinked by it, was told once

A rule that is left out must break this, or the model would prove nothing: each such run must find a broken order.
"""

import sys
from collections import namedtuple

# record: None or (own, peer, asked). told: exits since the last link or unlink.
Side = namedtuple("Side", "alive record numbers last unlinked told")
State = namedtuple("State", "sides lanes steps refusals pure refused")

RULES = {
    "own": "an UNLINK that knew of the record",
    "peer": "an UNLINK of the LINK that the record came with",
    "asked": "not if this side has asked too",
    "again": "a link from the side that has not asked is one more LINK",
    "number": "a LINK_NONE counts by number",
    "waiting": "a LINK that waits becomes an UNLINK with what is known of the other side",
}


def told(side):
    return side._replace(record=None, told=min(2, side.told + 1))


def arrive_link(side, number, refuse):
    if not side.alive or (side.record is None and refuse):
        return side, (("NONE", number),)
    if side.record is not None:
        own, _, asked = side.record
        return side._replace(record=(own, number, asked)), ()
    return side._replace(record=(side.numbers, number, False), numbers=side.numbers + 1), ()


def arrive(side, signal, refuse, rules):
    kind = signal[0]
    if kind == "LINK":
        return arrive_link(side, signal[1], refuse)
    if not side.alive or side.record is None:
        return side, ()
    own, peer, asked = side.record
    if kind == "EXIT" or (kind == "NONE" and (own == signal[1] or "number" not in rules)):
        return told(side), ()
    if kind == "UNLINK":
        by_own = "own" in rules and signal[2] == own
        by_peer = "peer" in rules and signal[1] == peer and not ("asked" in rules and asked)
        if by_own or by_peer:
            return side._replace(record=None), ()
    return side, ()


def link(side, lane, rules):
    if side.record is None:
        record = (side.numbers, 0, True)
        after = side._replace(record=record, numbers=side.numbers + 1, last="link", told=0)
        return after, lane + (("LINK", record[0]),)
    own, peer, asked = side.record
    after = side._replace(last="link", told=0)
    if asked or "again" not in rules:
        return after, lane
    return after._replace(record=(own, peer, True)), lane + (("LINK", own),)


def unlinks(side, lane, rules):
    """The UNLINK goes behind what was sent, or is what becomes of a LINK that has not left."""
    after = side._replace(record=None, last="unlink", unlinked=True, told=0)
    if side.record is None:
        yield after, lane
        return
    own, peer, _ = side.record
    yield after, lane + (("UNLINK", own, peer),)
    for i, signal in enumerate(lane):
        if signal == ("LINK", own):
            known = peer if "waiting" in rules else 0
            yield after, lane[:i] + (("UNLINK", own, known),) + lane[i + 1 :]


def end(side, lane):
    after = side._replace(alive=False, record=None)
    return after, lane + (("EXIT",),) if side.record is not None else lane


def choices(side, lane, rules):
    yield "link", *link(side, lane, rules)
    for after, behind in unlinks(side, lane, rules):
        yield "unlink", after, behind
    yield "end", *end(side, lane)


def put(pair, i, value):
    return (value, pair[1]) if i == 0 else (pair[0], value)


def steps_from(state, rules):
    for i in range(2):
        side, lane = state.sides[i], state.lanes[i]
        if not side.alive or state.steps[i] == 0:
            continue
        for name, after, behind in choices(side, lane, rules):
            pure = state.pure and name != "link" or (name == "unlink" and state.lanes == ((), ()))
            yield state._replace(
                sides=put(state.sides, i, after),
                lanes=put(state.lanes, i, behind),
                steps=put(state.steps, i, state.steps[i] - 1),
                pure=pure,
            )


def arrivals_from(state, rules):
    for i in range(2):
        lane = state.lanes[i]
        if not lane:
            continue
        target = state.sides[1 - i]
        for refuse in (False, True):
            may_refuse = lane[0][0] == "LINK" and target.alive and target.record is None and state.refusals > 0
            if refuse and not may_refuse:
                continue
            after, answer = arrive(target, lane[0], refuse, rules)
            lanes = put(state.lanes, i, lane[1:])
            yield state._replace(
                sides=put(state.sides, 1 - i, after),
                lanes=put(lanes, 1 - i, lanes[1 - i] + answer),
                refusals=state.refusals - refuse,
                refused=state.refused or refuse,
            )


def fault(state):
    """What is wrong with a state in which nothing is under way, or None."""
    one, other = state.sides
    if one.alive and other.alive:
        lasts = (one.last, other.last)
        if (one.record is None) != (other.record is None):
            return "one side only"
        if lasts == ("link", "link") and one.record is None and not state.refused:
            return "a link was lost"
        if (lasts == ("unlink", "unlink") or state.pure) and one.record is not None:
            return "an unlink was lost"
    for side, partner in ((one, other), (other, one)):
        if side.alive and not partner.alive:
            if side.record is not None:
                return "linked to one that has ended"
            if side.last == "link" and not partner.unlinked and side.told != 1 and not (state.refused and side.told):
                return "told %u times" % side.told
    return None


def visit(steps, refusals, rules):
    side = Side(True, None, 1, "", False, 0)
    start = State((side, side), ((), ()), (steps, steps), refusals, False, False)
    seen = {start}
    stack = [start]
    while stack:
        state = stack.pop()
        if state.lanes == ((), ()):
            why = fault(state)
            if why is not None:
                return len(seen), "%s: %s" % (why, state)
        for after in (*steps_from(state, rules), *arrivals_from(state, rules)):
            if after not in seen:
                seen.add(after)
                stack.append(after)
    return len(seen), None


def main():
    steps, refusals = int(sys.argv[1]), int(sys.argv[2])
    count, why = visit(steps, refusals, set(RULES))
    print("%u states: %s" % (count, why or "all as it must be"))
    failed = why is not None
    for rule, meaning in RULES.items():
        count, why = visit(steps, refusals, set(RULES) - {rule})
        print("without '%s': %s" % (meaning, why or "NOTHING IS FOUND"))
        failed |= why is None
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
