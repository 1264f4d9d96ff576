/*
 * watch: an actor that is told who is in a group, while members come and go on other loops (sched/group_watch.h GW1 to GW3).
 *
 * Two threads change one member each, CHANGES times: it joins, and leaves again. A loop begins to run, starts a watch, and is
 * told of what differs, looking at LOOKS changes at a time; between it sleeps. The list of changes is a set here: what is
 * behind the mark of the watch.
 *
 * Memory: one order for all; an exchange is a fence on every machine, and the look at the state of the loop comes after the
 * word, as in wake.pml.
 *
 * Holds: when nothing moves any more what was told is what is so. A member is told as joined and as left in turn.
 *
 * To be taken out:
 *   TOUCH_FIRST  watches of the group are looked for under the lock of the change (GW2)
 *   RING_FIRST   the word is set before the loop is rung (GW2)
 *   LATE_TAKE    the word is taken before the look behind the mark (GW2)
 *   NO_LAST      the word is among what is looked at last before the loop sleeps (GW2)
 *   MARK_LAST    a watch begins with its mark before all members
 *   NO_AGAIN     a watch that has not looked at all changes comes again (GW3)
 *   TELL_ONCE    a change is put behind the mark also when an older one of its member is passed
 */
#ifndef CHANGES
#define CHANGES 2
#endif
#ifndef LOOKS
#define LOOKS 1
#endif
#define MAKERS 2

bit lock;
bit is[MAKERS];     /* a member */
bit behind[MAKERS]; /* the mark */
bit told[MAKERS];
bit watching; /* it is in the space's watches */
bit asked;    /* the word of the loop */
bit parked;
bit rung;
bit running;
byte done; /* makers */

proctype Maker(byte me)
{
    byte changes;
    bit wake;

    do
    :: changes < CHANGES ->
        changes++;
#ifdef TOUCH_FIRST
        wake = watching;
#endif
        atomic { lock == 0 -> lock = 1 };
        is[me] = !is[me];
#ifdef TELL_ONCE
        behind[me] = is[me];
#else
        behind[me] = 1;
#endif
#ifndef TOUCH_FIRST
        wake = watching; /* jzx__group_watches_touched() */
#endif
        lock = 0;
        /* jzx__group_watches_wake() */
        if
        :: wake ->
#ifndef RING_FIRST
            asked = 1; /* GW2 */
#endif
            if
            :: running ->
                atomic { /* jzx__ring_peer() */
                    rung = rung || parked;
                    parked = 0
                }
            :: else
            fi;
#ifdef RING_FIRST
            asked = 1;
#endif
            wake = 0
        :: else
        fi
    :: else -> break
    od;
    done++
}

/* One change of `m`, if it is behind the mark (GW1). */
inline look_at(m)
{
    if
    :: behind[m] && looks > 0 ->
        looks--;
        if
        :: told[m] != is[m] -> told[m] = is[m] /* the mark stays before it: there may be more to tell */
        :: else -> behind[m] = 0
        fi
    :: else
    fi
}

proctype Loop()
{
    bit due; /* the watch is in the urgent list */
    byte looks;

    running = 1; /* jzx__loop_enter() */
    /* jzx__group_watch_start() */
    atomic { lock == 0 -> lock = 1 };
    watching = 1;
#ifdef MARK_LAST
    atomic { behind[0] = 0; behind[1] = 0 };
#else
    atomic { behind[0] = 1; behind[1] = 1 };
#endif
    lock = 0;
    due = 1;

    do
    :: /* a turn */
        if
#ifdef LATE_TAKE
        :: asked -> due = 1
#else
        :: atomic { asked -> asked = 0; due = 1 }
#endif
        :: else
        fi;
        if
        :: due -> /* jzx__group_watch_next() */
            due = 0;
            atomic { lock == 0 -> lock = 1 };
            atomic {
                looks = LOOKS;
                if
                :: true -> look_at(0); look_at(1)
                :: true -> look_at(1); look_at(0)
                fi;
#ifndef NO_AGAIN
                due = behind[0] || behind[1] /* GW3 */
#endif
            };
            lock = 0
        :: else
        fi;
#ifdef LATE_TAKE
        asked = 0;
#endif
        if
        :: due
        :: else ->
            /* jzx__park() */
            parked = 1;
            if
#ifndef NO_LAST
            :: asked -> parked = 0
#endif
            :: else ->
                if
                :: atomic { rung -> rung = 0 }
                :: atomic { done == MAKERS && !rung -> break } /* nobody rings any more */
                fi
            fi
        fi
    od
}

init
{
    atomic { run Maker(0); run Maker(1); run Loop() };
    timeout; /* nothing moves any more */
    assert(_nr_pr == 1);
    assert(told[0] == is[0] && told[1] == is[1]);
#ifdef REACHED
    assert(false)
#endif
}
