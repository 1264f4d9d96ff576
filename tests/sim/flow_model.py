"""
flow_model: what sched/flow.c does between two loops, gone through in every order.

    flow_model.py FLOWS STEPS REFUSALS

Two actors on two loops. One opens at most FLOWS flows, as their sender or their receiver; each takes at most STEPS steps of
its own choice (open, grant, send, close, end), and handles its mail and notices at any time. What one says to the other
stays in its order, and at any time is in the lane already or waits in the overflow. At most REFUSALS flows find no room for
a record. Every state that can be reached is visited once. In each of them

  one place  a record's cells are in one list each, and a signal that must find its record does
  behind     the end of a flow is handled behind all that was sent through it

and with nothing under way:

  alike      both have a record of the flow, or neither, and nobody has one of an actor that has ended
  told once  who did not close a flow itself is told once of its end, and not at all if it lasts
  credits    the sender has those that were granted and not spent, and was told when they came after it had none

A rule that is left out must break this, or the model would prove nothing: each such run must find a broken order.
"""

import sys
from collections import namedtuple

# state: OPENING, LIVE, ENDED (a notice says so), CLOSING (unanswered, its owner does not want it any more).
# credits: of a sender the unspent ones, of a receiver those out. cell: where the cell for notices is. knows: the sender has
# heard that it has credits; failed: it has tried to send without.
Record = namedtuple("Record", "receives state told credits held cell knows failed")
State = namedtuple("State", "alive records mail urgent lane over opens met sent handled granted ends quits steps room")

RULES = {
    "number": "a signal means the record that has its number",
    "held": "credits wait until the flow is answered",
    "closing": "a record stays until its OPEN is answered",
    "merge": "credits of a signal that waits are added to it",
    "behind": "the end takes its place in the mailbox",
    "again": "a notice that waits is followed by the end",
    "one": "while a LOST waits, all that is opened is refused",
    "dry": "there is a notice when the count was 0",
}


class Broken(Exception):
    pass


def must(fact, why):
    if not fact:
        raise Broken(why)


def put(values, i, value):
    return values[:i] + (value,) + values[i + 1 :]


def put2(values, i, j, value):
    return put(values, i, put(values[i], j, value))


def record_of(state, side, flow):
    return state.records[side][flow]


def keep(state, side, flow, record):
    return state._replace(records=put2(state.records, side, flow, record))


def emit(state, side, signal):
    """Into the lane, or behind what waits already, or the first to wait."""
    if not state.over[side]:
        yield state._replace(lane=put(state.lane, side, state.lane[side] + (signal,)))
    yield state._replace(over=put(state.over, side, state.over[side] + (signal,)))


def waiting(state, side, flow, kinds):
    """Where in the overflow a signal of this record is, or None."""
    for i, signal in enumerate(state.over[side]):
        if signal[0] in kinds and signal[1] == flow:
            return i
    return None


def push(state, side, flow, urgent):
    record = record_of(state, side, flow)
    must(record.cell == "", "a cell in two lists")
    state = keep(state, side, flow, record._replace(cell="urgent" if urgent else "mail"))
    if urgent:
        return state._replace(urgent=put(state.urgent, side, state.urgent[side] + (flow,)))
    return state._replace(mail=put(state.mail, side, state.mail[side] + (("NOTE", flow),)))


# ---- credits ----


def granted(state, side, flow, count, rules):
    """At the sender."""
    record = record_of(state, side, flow)
    dry = record.credits == 0 and ("dry" in rules or record.failed)
    state = keep(state, side, flow, record._replace(credits=record.credits + count))
    if dry and count > 0 and record.told and record.cell == "":
        return push(state, side, flow, True)
    return state


def grant(state, side, flow, rules):
    record = record_of(state, side, flow)
    state = state._replace(granted=put(state.granted, flow, state.granted[flow] + 1))
    record = record._replace(credits=record.credits + 1)
    state = keep(state, side, flow, record)
    if record.state == "OPENING":
        yield keep(state, side, flow, record._replace(held=record.held + ("held" in rules)))
        return
    i = waiting(state, side, flow, ("ACCEPT", "GRANT"))
    if i is not None:
        kind, _, credits = state.over[side][i]
        credits += "merge" in rules
        yield state._replace(over=put(state.over, side, put(state.over[side], i, (kind, flow, credits))))
        return
    yield from emit(state, side, ("GRANT", flow, 1))


def send(state, side, flow):
    record = record_of(state, side, flow)
    if record.credits == 0:
        yield keep(state, side, flow, record._replace(failed=True))
    elif not state.over[side]:
        spent = record._replace(credits=record.credits - 1, knows=record.credits > 1, failed=False)
        state = keep(state, side, flow, spent)
        state = state._replace(sent=put(state.sent, flow, state.sent[flow] + 1))
        yield state._replace(lane=put(state.lane, side, state.lane[side] + (("MSG", flow),)))


# ---- ends ----


def send_end(state, side, flow):
    """The END goes in the cell of the notices; if that waits for its owner, in the other one, which is then free."""
    record = record_of(state, side, flow)
    if record.cell in ("mail", "urgent"):
        must(waiting(state, side, flow, ("OPEN", "ACCEPT", "GRANT")) is None, "no cell for the END")
    state = keep(state, side, flow, None)
    yield from emit(state, side, ("END", flow))


def drop(state, side, flow, rules):
    """Its owner does not want it any more, or is no more."""
    record = record_of(state, side, flow)
    if record.state == "ENDED":
        yield keep(state, side, flow, None)
    elif record.state == "OPENING" and "closing" in rules:
        yield keep(state, side, flow, record._replace(state="CLOSING"))
    elif record.state == "OPENING":
        yield keep(state._replace(opens=tuple(f for f in state.opens if f != flow)), side, flow, None)
    else:
        yield from send_end(state, side, flow)


def close(state, side, flow, rules):
    yield from drop(state._replace(quits=put2(state.quits, side, flow, True)), side, flow, rules)


def end(state, side, rules):
    state = state._replace(alive=put(state.alive, side, False))
    state = state._replace(mail=put(state.mail, side, ()), urgent=put(state.urgent, side, ()))
    state = state._replace(quits=put(state.quits, side, (True,) * len(state.quits[side])))
    afters = [state]
    for flow in range(len(state.sent)):
        nexts = []
        for after in afters:
            record = record_of(after, side, flow)
            if record is None or record.state == "CLOSING":
                nexts.append(after)
                continue
            if record.cell in ("mail", "urgent"):
                after = keep(after, side, flow, record._replace(cell=""))
            nexts.extend(drop(after, side, flow, rules))
        afters = nexts
    yield from afters


def ended(state, side, flow, rules):
    """The other side has."""
    record = record_of(state, side, flow)
    must(record.state in ("OPENING", "LIVE", "CLOSING"), "an end comes twice")
    if record.state in ("OPENING", "CLOSING"):
        must(flow in state.opens, "an answer to what was answered")
        state = state._replace(opens=tuple(f for f in state.opens if f != flow))
    if record.state == "CLOSING":
        return keep(state, side, flow, None)
    state = keep(state, side, flow, record._replace(state="ENDED", credits=0))
    if record.cell == "":
        return push(state, side, flow, "behind" not in rules)
    return state


# ---- what a side does ----


def openings(state):
    """The first side opens the next flow: offers one, or wants one with no or one credit."""
    if None not in state.granted:
        return
    flow = state.granted.index(None)
    for receives, credits in ((False, 0), (True, 0), (True, 1)):
        record = Record(receives, "OPENING", True, credits, 0, "", False, False)
        after = keep(state, 0, flow, record)._replace(opens=state.opens + (flow,))
        after = after._replace(granted=put(after.granted, flow, credits))
        yield from emit(after, 0, ("OPEN", flow, credits, receives))


def choices(state, side, rules):
    if side == 0:
        yield from openings(state)
    for flow, record in enumerate(state.records[side]):
        if record is None or not record.told or record.state not in ("OPENING", "LIVE"):
            continue
        if record.receives:
            yield from grant(state, side, flow, rules)
        else:
            yield from send(state, side, flow)
        yield from close(state, side, flow, rules)
    yield from end(state, side, rules)


def notice(state, side, flow, rules):
    """The cell for notices comes out of its list."""
    record = record_of(state, side, flow)
    if record is None:
        return state  # closed while it waited
    record = record._replace(cell="")
    if not record.told:
        record = record._replace(told=True, knows=record.credits > 0)
        state = keep(state, side, flow, record)
        if record.state == "ENDED" and "again" in rules:
            return push(state, side, flow, False)
        return state
    if record.state == "ENDED":
        must(not record.receives or state.sent[flow] == state.handled[flow], "an end overtook a message")
        state = state._replace(ends=put2(state.ends, side, flow, state.ends[side][flow] + 1))
        return keep(state, side, flow, None)
    return keep(state, side, flow, record._replace(knows=record.credits > 0))


def urgent_notice(state, side, flow, rules):
    """A notice of credits that has become one of the end takes its place in the mailbox."""
    record = record_of(state, side, flow)
    if record is not None and record.state == "ENDED" and "behind" in rules:
        return push(keep(state, side, flow, record._replace(cell="")), side, flow, False)
    return notice(state, side, flow, rules)


def handlings(state, rules):
    for side in range(2):
        if state.urgent[side]:
            flow = state.urgent[side][0]
            after = state._replace(urgent=put(state.urgent, side, state.urgent[side][1:]))
            yield urgent_notice(after, side, flow, rules)
        if state.mail[side]:
            kind, flow = state.mail[side][0]
            after = state._replace(mail=put(state.mail, side, state.mail[side][1:]))
            if kind == "NOTE":
                yield notice(after, side, flow, rules)
                continue
            after = after._replace(handled=put(after.handled, flow, after.handled[flow] + 1))
            record = record_of(after, side, flow)
            if record is not None and record.state == "LIVE":
                after = keep(after, side, flow, record._replace(credits=record.credits - 1))
            yield after


# ---- what arrives ----


def lose(state, flow, rules):
    """No record for it, so no node for an answer: one LOST for all, which is the lane's."""
    i = next((i for i, signal in enumerate(state.over[1]) if signal[0] == "LOST"), None)
    if i is not None:
        yield state._replace(over=put(state.over, 1, put(state.over[1], i, ("LOST", flow))))
    else:
        yield from emit(state, 1, ("LOST", flow))


def open_arrived(state, signal, rules):
    _, flow, credits, opener_receives = signal
    lost = any(waits[0] == "LOST" for waits in state.over[1])
    if lost and "one" in rules:
        yield from lose(state, flow, rules)
        return
    if state.room > 0:
        yield from lose(state._replace(room=state.room - 1), flow, rules)
    if not state.alive[1]:
        yield from emit(state, 1, ("END", flow))
        return
    record = Record(not opener_receives, "LIVE", False, credits, 0, "", False, False)
    state = push(keep(state, 1, flow, record), 1, flow, False)
    state = state._replace(met=put(state.met, flow, True))
    yield from emit(state, 1, ("ACCEPT", flow, 0))


def accept_arrived(state, flow, credits, rules):
    record = record_of(state, 0, flow)
    if record is None and "closing" not in rules:
        yield state
        return
    must(record is not None and flow in state.opens, "an answer to what was answered")
    state = state._replace(opens=tuple(f for f in state.opens if f != flow))
    if record.state == "CLOSING":
        yield from send_end(state, 0, flow)
        return
    state = keep(state, 0, flow, record._replace(state="LIVE", held=0))
    if not record.receives:
        yield granted(state, 0, flow, credits, rules)
    elif record.held > 0:
        yield from emit(state, 0, ("GRANT", flow, record.held))
    else:
        yield state


def meant(state, side, flow, rules):
    """The record that a signal means; without its number one of the same two actors."""
    if record_of(state, side, flow) is not None or "number" in rules:
        return flow
    for other, record in enumerate(state.records[side]):
        if record is not None and record.state == "LIVE":
            return other
    return flow


def arrive(state, side, signal, rules):
    """At `side`."""
    kind, flow = signal[0], signal[1]
    if kind == "OPEN":
        yield from open_arrived(state, signal, rules)
    elif kind == "ACCEPT":
        yield from accept_arrived(state, flow, signal[2], rules)
    elif kind == "MSG":
        if state.alive[side]:
            yield state._replace(mail=put(state.mail, side, state.mail[side] + (("MSG", flow),)))
        else:
            yield state
    elif kind == "LOST":
        must(flow in state.opens, "a loss of what was answered")
        for lost in state.opens[: state.opens.index(flow) + 1]:
            state = ended(state, side, lost, rules)
        yield state
    else:
        flow = meant(state, side, flow, rules)
        record = record_of(state, side, flow)
        if record is None or record.state == "ENDED":
            yield state
        elif kind == "END":
            yield ended(state, side, flow, rules)
        elif record.receives or record.state != "LIVE":
            must("number" not in rules, "credits for a receiver")
            yield state
        else:
            yield granted(state, side, flow, signal[2], rules)


def arrivals(state, rules):
    for i in range(2):
        if state.lane[i]:
            after = state._replace(lane=put(state.lane, i, state.lane[i][1:]))
            yield from arrive(after, 1 - i, state.lane[i][0], rules)
        if state.over[i]:
            after = state._replace(over=put(state.over, i, state.over[i][1:]))
            yield after._replace(lane=put(after.lane, i, after.lane[i] + (state.over[i][0],)))


def steps_from(state, rules):
    for i in range(2):
        if state.alive[i] and state.steps[i] > 0:
            for after in choices(state, i, rules):
                yield after._replace(steps=put(after.steps, i, after.steps[i] - 1))
    yield from handlings(state, rules)
    yield from arrivals(state, rules)


# ---- what must hold ----


def at_rest(state):
    under_way = (*state.lane, *state.over, *state.mail, *state.urgent)
    return not any(under_way)


def check_flow(state, flow):
    one, other = (state.records[side][flow] for side in range(2))
    must((one is None) == (other is None), "one side only")
    for side, record in enumerate((one, other)):
        must(record is None or state.alive[side], "of one that has ended")
        must(record is None or record.state == "LIVE", "still opening or ending")
        over = one is None and not state.quits[side][flow] and (side == 0 or state.met[flow])
        told = state.ends[side][flow]
        must(told == (1 if over else 0) or (told == 1 and not state.alive[side]), "told %u times" % told)
    if one is not None:
        sender, receiver = (other, one) if one.receives else (one, other)
        left = state.granted[flow] - state.sent[flow]
        must(sender.credits == left and receiver.credits == left, "credits were lost")
        must(sender.knows == (left > 0), "nobody was told of credits")


def check(state):
    if at_rest(state):
        must(state.opens == (), "unanswered")
        for flow, credits in enumerate(state.granted):
            if credits is not None:
                check_flow(state, flow)


def visit(flows, steps, refusals, rules):
    none = (None,) * flows
    zero = (0,) * flows
    start = State(
        (True, True),
        (none, none),
        ((), ()),
        ((), ()),
        ((), ()),
        ((), ()),
        (),
        (False,) * flows,
        zero,
        zero,
        none,
        (zero, zero),
        ((False,) * flows,) * 2,
        (steps, steps),
        refusals,
    )
    seen = {start}
    stack = [start]
    while stack:
        state = stack.pop()
        try:
            check(state)
            for after in steps_from(state, rules):
                if after not in seen:
                    seen.add(after)
                    stack.append(after)
        except Broken as broken:
            return len(seen), "%s: %s" % (broken, state)
    return len(seen), None


def main():
    flows, steps, refusals = (int(argument) for argument in sys.argv[1:4])
    count, why = visit(flows, steps, refusals, set(RULES))
    print("%u states: %s" % (count, why or "all as it must be"))
    failed = why is not None
    for rule, meaning in RULES.items():
        count, why = visit(flows, steps, refusals, set(RULES) - {rule})
        print("without '%s': %s" % (meaning, why or "NOTHING IS FOUND"))
        failed |= why is None
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
