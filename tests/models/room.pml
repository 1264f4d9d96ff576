/*
 * room: who waits for a lane's blocks, and who says that some came back (sched/park.c, P2).
 *
 * A writer with CELLS signals and a lane of BLOCKS blocks, one cell each: what finds no block stays in the overflow, and the
 * lane dirty. The reader takes up to BATCH entries in a turn and gives their blocks back. What the reader is told, it hears:
 * that is wake.pml.
 *
 * Memory: as in wake.pml. The way back is one more ring; its tail is a plain store of the reader's.
 *
 * Holds: when nothing moves any more, all has left the overflow and was taken.
 *
 * To be taken out:
 *   NO_FENCE    the reader's fence between giving back and reading `parked`
 *   NO_LOOK     the writer's look at the way back after it has set `parked`
 *   PLAIN_ONE   the writer parks with 1: it does not say that it wants room
 *   TELL_FIRST  the reader looks at `parked` before it gives back
 *   LATE_SET    the writer's fence between its exchange and its look. x86-64 has one in every exchange; C11 lets the look, a
 *               load of another word, pass an exchange that is acquire and release only.
 */
#ifndef CELLS
#define CELLS 3
#endif
#ifndef BLOCKS
#define BLOCKS 1
#endif
#ifndef BATCH
#define BATCH 2
#endif

byte sent;     /* entries in the lane so far */
byte taken;
byte gave;     /* blocks on the way back, as the reader knows it */
byte returned; /* and as the writer sees it */
byte parked;   /* the writer's: 0, 1, 2 */
byte setting;  /* LATE_SET: what waits to be seen in `parked` */
bit rung;

proctype Writer()
{
    byte overflow = CELLS;
    byte free = BLOCKS;
    byte fetched; /* what take_free() has taken off the way back */

turn:
    rung = 0; /* ops->reap() */
    /* jzx__route_flush() -> flush_lane() -> flush_overflow() */
    do
    :: overflow > 0 && free == 0 -> /* take_free() */
        d_step { free = returned - fetched; fetched = returned };
        if
        :: free == 0 -> break
        :: else
        fi
    :: overflow > 0 && free > 0 -> d_step { free--; overflow--; sent++ } /* emit() */
    :: overflow == 0 -> break
    od;
    /* jzx__park() */
    if
#ifdef PLAIN_ONE
    :: true -> parked = 1
#else
#ifdef LATE_SET
    :: overflow > 0 -> setting = 2
#else
    :: overflow > 0 -> parked = 2 /* parked_word(), and the fence: P2 */
#endif
    :: overflow == 0 -> parked = 1
#endif
    fi;
    if
#ifndef NO_LOOK
    :: overflow > 0 && returned != fetched -> skip /* room_returned() */
#endif
    :: else ->
end_asleep:
        rung
    fi;
    d_step { setting = 0; parked = 0 };
    goto turn
}

inline tell()
{
#ifndef NO_FENCE
    returned = gave; /* P2: the fence */
#endif
    /* ring_if_wants_room() */
    was = parked;
    if
    :: was == 2 ->
        d_step { returned = gave; was = parked; parked = 0 }; /* an exchange */
        if
        :: was != 0 -> rung = 1 /* doorbell() */
        :: else
        fi
    :: else
    fi;
    was = 0
}

proctype Reader()
{
    byte was;
    byte took;
    bit any; /* loop->gave */
end:
    do
    :: sent != taken -> /* drain_lane() */
        do
        :: took < BATCH && sent != taken ->
            d_step { taken++; took++; any = 1 };
#ifndef TELL_FIRST
            gave++ /* jzx__lane_block_done() */
#endif
        :: else -> break
        od;
        /* jzx__park_gave(), at the end of the turn */
        if
        :: any -> any = 0; tell()
        :: else
        fi;
#ifdef TELL_FIRST
        gave = taken;
#endif
        took = 0
    od
}

/* Store buffers: the reader's, and with LATE_SET the writer's. */
proctype Buffer()
{
end:
    do
    :: d_step { returned != gave -> returned++ }
#ifdef LATE_SET
    :: d_step { setting != 0 -> parked = setting; setting = 0 }
#endif
    od
}

init
{
    atomic { run Writer(); run Reader(); run Buffer() };
    timeout; /* nothing moves any more */
    assert(sent == CELLS);
    assert(taken == CELLS);
#ifdef REACHED
    assert(false)
#endif
}
