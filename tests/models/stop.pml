/*
 * stop: how a runtime ends (sched/stop.c Z1 and Z3, src/message.c, src/loop.c, src/runtime.c).
 *
 * LOOPS loops, each run by a thread that may come to it late; a thread that posts POSTS messages to loop 0; and one that
 * shuts the runtime down and destroys it. Of the phases TREES is left out, for it is as END, and DRAIN, which is drain.pml.
 * A doorbell lies among the submissions until its loop enters the kernel; that none is lost is wake.pml.
 *
 * Memory: one order for all, but for what PLAIN_REPORT says.
 *
 * Holds: all loops leave and the runtime is destroyed; a loop that ran has done its work of each phase, and none begins a
 * phase before all have done the one before; each post that was accepted is taken by its loop or destroyed; nobody touches
 * the runtime when its memory is gone.
 *
 * To be taken out:
 *   NO_JOIN       who destroys waits until all threads are out of the library: use after free
 *   NO_LEFTOVERS  who destroys looks for posts that came too late
 *   NO_CLOSE      loops that have not run by then are closed when the stop begins (Z3)
 *   REPORT_FIRST  a loop does its work of a phase, then reports it (Z1)
 *   NO_WAKE       who opens a phase wakes the others
 *   NO_PAY        a loop submits its doorbells before it leaves
 *   PLAIN_REPORT  the report of a phase is seen by others before its loop looks at theirs; here it waits in a store buffer
 *   LEFT_FIRST    a loop says that it has left, then it is counted
 *   NO_STOP_LOOK  the look at the stop and its phase before a loop sleeps
 */
#ifndef LOOPS
#define LOOPS 2
#endif
#ifndef POSTS
#define POSTS 2
#endif

#define CREATED 0
#define RUNNING 1
#define LEFT 2

#define RUN 0
#define REFUSE 1
#define END 2
#define REAP 3
#define LEAVE 4

bit stopping; /* runtime->stop */
byte phase;
byte left;
byte state[LOOPS];
byte reported[LOOPS]; /* phase_reached, as its loop has stored it */
byte reached[LOOPS];  /* and as others see it */
bit parked[LOOPS];
bit rung[LOOPS];
byte inbox; /* of loop 0 */

/* What the rules are checked by. */
bit outside[LOOPS]; /* its thread is out of the library */
bit poster_outside;
byte worked[LOOPS]; /* the last phase whose work it has done */
byte accepted;
byte fated;
bit freed;

#define ALIVE assert(!freed)

/* ---- a loop ---- */

/* What a read-modify-write does before all else. */
#ifdef PLAIN_REPORT
#define FLUSH reached[me] = reported[me]
#else
#define FLUSH skip
#endif
#define REACHED_BY(i) ((i) == me -> reported[i] : reached[i])

inline submit()
{
    ALIVE;
    do
    :: peer < LOOPS && queued[peer] -> queued[peer] = 0; rung[peer] = 1; peer++
    :: peer < LOOPS && !queued[peer] -> peer++
    :: else -> break
    od;
    peer = 0
}

inline wake_others()
{
#ifndef NO_WAKE
    do
    :: atomic { peer < LOOPS ->
        ALIVE;
        FLUSH;
        if
        :: peer != me && state[peer] == RUNNING && parked[peer] -> parked[peer] = 0; queued[peer] = 1 /* jzx__ring_peer() */
        :: else
        fi;
        peer++ }
    :: atomic { peer == LOOPS -> peer = 0; break }
    od
#else
    skip
#endif
}

inline close_loops_unrun()
{
    do
    :: atomic { peer < LOOPS ->
        ALIVE;
        FLUSH;
        if
        :: state[peer] == CREATED -> state[peer] = LEFT
        :: else
        fi;
        peer++ }
    :: atomic { peer == LOOPS -> peer = 0; break }
    od
}

inline open_phase(next)
{
#ifndef NO_CLOSE
    if
    :: next == REFUSE -> close_loops_unrun()
    :: else
    fi;
#endif
    atomic { /* a compare-and-swap */
        ALIVE;
        FLUSH;
        won = (phase == next - 1);
        if
        :: won -> phase = next
        :: else
        fi
    };
    if
    :: won -> won = 0; wake_others()
    :: else
    fi
}

inline all_reached()
{
    do
    :: atomic { peer < LOOPS && state[peer] == RUNNING && REACHED_BY(peer) < here -> all = 0; peer = 0; break }
    :: atomic { peer < LOOPS && !(state[peer] == RUNNING && REACHED_BY(peer) < here) -> peer++ }
    :: atomic { peer == LOOPS -> all = 1; peer = 0; break }
    od
}

inline phase_work()
{
    atomic {
        /* Z1: whoever has begun to run before the stop is here too. */
        do
        :: peer < LOOPS -> assert(state[peer] != RUNNING || worked[peer] >= here - 1 || here == REFUSE); peer++
        :: else -> break
        od;
        peer = 0
    };
    worked[me] = here
}

inline report()
{
    atomic {
        reported[me] = here;
#ifndef PLAIN_REPORT
        reached[me] = here
#endif
    }
}

proctype Loop(byte me)
{
    bit queued[LOOPS];
    byte phase_done;
    byte phase_seen;
    byte here;
    byte peer;
    bit won;
    bit all;
    bit found;

    /* first_run(), jzx__loop_enter() */
    if
    :: stopping -> goto unrun
    :: else
    fi;
    atomic {
        if
        :: state[me] == CREATED -> state[me] = RUNNING
        :: else -> goto unrun
        fi
    };

turn:
    atomic { submit(); rung[me] = 0 }; /* and reap */
    atomic { /* drain_inbox() */
        if
        :: me == 0 -> fated = fated + inbox; inbox = 0
        :: else
        fi
    };
    /* jzx__stop_step() */
    if
    :: stopping ->
        here = phase;
        if
        :: here == RUN -> open_phase(REFUSE); here = phase
        :: else
        fi;
        phase_seen = here;
        if
        :: here > phase_done ->
#ifdef REPORT_FIRST
            report();
            phase_work();
#else
            phase_work();
            report();
#endif
            phase_done = here
        :: else
        fi;
        if
        :: here < LEAVE ->
            all_reached();
            if
            :: all -> all = 0; open_phase(here + 1)
            :: else
            fi
        :: else
        fi;
        here = 0;
        if
        :: phase == LEAVE -> goto leave
        :: else
        fi
    :: else
    fi;
    /* jzx__park(). What is asked before, jzx__stop_more(), only saves the exchange. */
    atomic { FLUSH; parked[me] = 1 };
    if
    :: me == 0 && inbox > 0 -> found = 1 /* jzx__loop_incoming() */
    :: else
    fi;
#ifndef NO_STOP_LOOK
    if
    :: stopping && !found -> /* jzx__stop_pending() */
        here = phase;
        found = here == RUN || here == LEAVE || here > phase_seen;
        here = 0
    :: else
    fi;
#endif
    if
    :: found -> found = 0
    :: else -> atomic { submit() };
end_asleep:
        rung[me]
    fi;
    atomic { FLUSH; parked[me] = 0 };
    goto turn;

leave:
#ifndef NO_PAY
    atomic { submit() }; /* jzx__park_pay() */
#endif
    assert(worked[me] >= REAP); /* Z1 */
    /* jzx__stop_left() */
#ifdef LEFT_FIRST
    atomic { ALIVE; left++ };
    atomic { ALIVE; state[me] = LEFT };
#else
    atomic { ALIVE; state[me] = LEFT };
    atomic { ALIVE; left++ }; /* and the futex */
#endif
    goto out;

unrun: /* end_unrun(), jzx__loop_teardown() */
    atomic { ALIVE; state[me] = LEFT };
    atomic {
        if
        :: me == 0 -> fated = fated + inbox; inbox = 0
        :: else
        fi
    };
out:
    ALIVE; /* the words of its loop that a run writes and reads last */
    outside[me] = 1
}

#ifdef PLAIN_REPORT
proctype Buffer(byte me)
{
end:
    do
    :: atomic { reached[me] != reported[me] -> reached[me] = reported[me] }
    od
}
#endif

/* ---- other threads ---- */

inline wake(which) /* jzx__wake() */
{
    ALIVE;
    if
    :: parked[which] -> parked[which] = 0; rung[which] = 1
    :: else
    fi
}

proctype Poster() /* jzx_post() */
{
    byte n;
    do
    :: n < POSTS ->
        n++;
        if
        :: stopping -> break /* jzx__check_post(): refused */
        :: else
        fi;
        atomic { ALIVE; inbox++; accepted++ };
        atomic { wake(0) }
    :: else -> break
    od;
    poster_outside = 1
}

inline find_running() /* n is LOOPS if none is */
{
    n = 0;
    do
    :: n < LOOPS && state[n] != RUNNING -> n++
    :: else -> break
    od
}

proctype Host()
{
    byte n;
    byte seen;
    /* jzx_runtime_request_stop(), jzx__stop_begin(): to wake one that runs is enough */
    stopping = 1;
    atomic { find_running() };
    atomic {
        if
        :: n < LOOPS -> wake(n)
        :: else
        fi
    };
    /* jzx_runtime_shutdown(); its wake_all() is left out, for it helps only where a host does not drive its loop */
    do
    :: seen = left;
        atomic { find_running() }; /* some_loop_runs() */
        if
        :: n == LOOPS -> break
        :: else ->
end_waits:
            left != seen /* wait_left() */
        fi
    od;
#ifndef NO_JOIN
    /* join_threads(); and jzx_runtime_destroy() is for when no other thread uses the runtime */
    n = 0;
    do
    :: n < LOOPS ->
end_joins:
        outside[n]; n++
    :: else -> break
    od;
#endif
    poster_outside;
    /* jzx_runtime_destroy() */
#ifndef NO_LEFTOVERS
    atomic { fated = fated + inbox; inbox = 0 }; /* drop_leftovers() */
#endif
    freed = 1
}

init
{
    byte n;
    atomic {
        do
        :: n < LOOPS ->
            run Loop(n);
#ifdef PLAIN_REPORT
            run Buffer(n);
#endif
            n++
        :: else -> break
        od;
        run Poster();
        run Host()
    };
    timeout; /* nothing moves any more */
    assert(freed);
    assert(fated == accepted);
#ifdef REACHED
    assert(false)
#endif
}
