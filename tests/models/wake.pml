/*
 * wake: who sleeps, and who wakes it (sched/park.c, P1 and P3).
 *
 * Loop 0 is told things by WRITERS other loops, MAIL cells each, and by POSTERS foreign threads, POSTS each; loop 1 is told
 * BACK cells by loop 0. A doorbell finds no submission entry, or fails when it was submitted, MISHAPS times in all.
 *
 * Memory: a plain store waits in the store buffer of its thread for as long as it likes; an exchange empties the buffer
 * first. That is x86-64, and all that matters here of C11: two exchanges on one word, of which one sees the other.
 *
 * Holds: when nothing moves any more, all that was published has been taken.
 *
 * To be taken out:
 *   NO_LOOK      the look at everything that could have come, after `parked` is set
 *   LOOK_FIRST   that look is before `parked` is set
 *   PLAIN_SET    `parked` is set by a store
 *   PLAIN_TAKE   the writer takes `parked` by a load and a store
 *   RING_FIRST   the writer rings, then publishes
 *   FORGET       a doorbell that fails is not owed
 *   SLEEP_OWING  a loop that owes a doorbell sleeps all the same
 */
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef MAIL
#define MAIL 1
#endif
#ifndef POSTERS
#define POSTERS 1
#endif
#ifndef POSTS
#define POSTS 1
#endif
#ifndef BACK
#define BACK 0
#endif
#ifndef MISHAPS
#define MISHAPS 1
#endif

#define LOOPS (WRITERS + 1)
#define WAYS (LOOPS + POSTERS) /* each with one sender: loop i has way i, the threads have the rest */
#define TO(way) ((way) == 0 -> 1 : 0)
#define MAIL_OF(way) ((way) == 0 -> BACK : ((way) < LOOPS -> MAIL : POSTS))
#define FOR(me, way) (TO(way) == (me) && (way) != (me))

byte wrote[WAYS]; /* p_tail as its writer knows it */
byte tail[WAYS];  /* and as others see it */
byte taken[WAYS];
bit parked[LOOPS];
bit setting[LOOPS]; /* PLAIN_SET: a 1 that waits in the store buffer */
bit rung[LOOPS];    /* a completion that was not reaped yet */
byte mishaps;

/* A read-modify-write: what the thread has stored before is seen first. */
#define EXCHANGE(way, word, value, was) \
    d_step { tail[way] = wrote[way]; was = word; word = value }

inline take_parked(way, target, was)
{
#ifdef PLAIN_TAKE
    was = parked[target];
    if
    :: was -> parked[target] = 0
    :: else
    fi
#else
    EXCHANGE(way, parked[target], 0, was)
#endif
}

/* ---- a loop ---- */

/* doorbell() without an entry, and doorbell_failed() */
inline owe()
{
#ifndef FORGET
    owed = 1 /* P3 */
#else
    skip
#endif
}

inline doorbell()
{
    if
    :: queued = 1 /* uring_doorbell() */
    :: mishaps < MISHAPS -> mishaps++; owe()
    fi
}

inline pay_owed() /* jzx__park_pay_owed() */
{
    if
    :: owed -> owed = 0; doorbell()
    :: else
    fi
}

inline submit() /* ops->submit(), and the first half of ops->wait() */
{
    if
    :: queued -> queued = 0;
        if
        :: rung[TO(me)] = 1
        :: mishaps < MISHAPS -> mishaps++; failed = 1
        fi
    :: else
    fi
}

/* The next lane or inbox to this loop. */
inline skip_others()
{
    do
    :: way < WAYS && !FOR(me, way) -> way++
    :: else -> break
    od;
    skip /* a d_step does not end with a loop */
}

inline drain() /* one after the other */
{
    d_step { skip_others() };
    do
    :: d_step { way < WAYS -> taken[way] = tail[way]; way++; skip_others() }
    :: d_step { way == WAYS -> way = 0 }; break
    od
}

inline look() /* jzx__loop_incoming(): one after the other */
{
    d_step { found = 0; skip_others() };
    do
    :: d_step { way < WAYS && tail[way] != taken[way] -> found = 1; way = WAYS }
    :: d_step { way < WAYS && tail[way] == taken[way] -> way++; skip_others() }
    :: d_step { way == WAYS -> way = 0 }; break
    od
}

proctype Loop(byte me)
{
    bit queued; /* a doorbell among the submissions */
    bit failed; /* the completion that says it failed */
    bit owed;   /* loop->owed[] for the one loop that this one writes to */
    bit was;
    bit found;
    byte way;

turn: /* jzx__loop_turn() */
    atomic { pay_owed(); submit() }; /* bring_in() */
    atomic { /* ops->reap() */
        rung[me] = 0;
        if
        :: failed -> failed = 0; owe()
        :: else
        fi
    };
    drain();
    /* run_actors() sends one, jzx__route_flush() publishes and rings */
    if
    :: wrote[me] < MAIL_OF(me) ->
#ifndef RING_FIRST
        wrote[me]++; /* jzx__lane_publish(): a store */
#endif
        take_parked(me, TO(me), was); /* jzx__ring_peer() */
        atomic {
            if
            :: was -> was = 0; doorbell()
            :: else
            fi
        };
#ifdef RING_FIRST
        wrote[me]++;
#endif
        goto turn
    :: else
    fi;

    /* jzx__park() */
    atomic { pay_owed() };
#ifndef SLEEP_OWING
    if
    :: owed -> goto turn /* P3 */
    :: else
    fi;
#endif
#ifdef LOOK_FIRST
    look();
    skip;
#endif
#ifdef PLAIN_SET
    setting[me] = 1;
#else
    EXCHANGE(me, parked[me], 1, was); /* P1 */
#endif
#if !defined(NO_LOOK) && !defined(LOOK_FIRST)
    look(); /* P1 */
#endif
    if
    :: found
    :: else ->
        atomic { submit() };
end_asleep:
        (rung[me] || failed) /* the second half of ops->wait() */
    fi;
    d_step { setting[me] = 0; tail[me] = wrote[me]; parked[me] = 0; was = 0; found = 0 }; /* an exchange */
    goto turn
}

/* post_to() */
proctype Poster(byte me)
{
    bit was;
    do
    :: wrote[me] < POSTS ->
#ifndef RING_FIRST
        wrote[me]++; /* jzx__inbox_publish(): a store */
#endif
        take_parked(me, 0, was); /* jzx__wake() */
        if
        :: was -> was = 0; rung[0] = 1 /* uring_wake(): it does not give up */
        :: else
        fi;
#ifdef RING_FIRST
        wrote[me]++
#endif
    :: else -> break
    od
}

/* The store buffer of one sender. */
proctype Buffer(byte way)
{
end:
    do
    :: d_step { wrote[way] != tail[way] -> tail[way]++ }
#ifdef PLAIN_SET
    :: d_step { way < LOOPS && setting[way] -> setting[way] = 0; parked[way] = 1 }
#endif
    od
}

init
{
    byte n;
    atomic {
        do
        :: n < LOOPS -> run Loop(n); run Buffer(n); n++
        :: n >= LOOPS && n < WAYS -> run Poster(n); run Buffer(n); n++
        :: n == WAYS -> n = 0; break
        od
    };
    timeout; /* nothing moves any more */
    d_step {
        do
        :: n < WAYS -> assert(taken[n] == MAIL_OF(n)); n++
        :: else -> break
        od
    }
#ifdef REACHED
    assert(false)
#endif
}
