/*
 * drain: how loops that stop find out that nothing is under way between them any more (sched/stop.c Z2).
 *
 * LOOPS loops whose actors have ended. CELLS cells lie in the lane from loop 0 to loop 1, and whoever takes one sends it on
 * to the next loop, until it was sent on HOPS times: requests are answered, monitors refused. Totals are read while they are
 * written. A doorbell lies among the submissions until its loop enters the kernel.
 *
 * Memory: one order for all. C11 promises it of what counts here: the round and the leader are sequentially consistent, the
 * totals are published by a release of drain_round.
 *
 * Holds: the drain ends, and then nothing lies in a lane, and nothing is sent any more.
 *
 * To be taken out:
 *   ONE_ROUND    the second round with the same total
 *   NO_COUNT     a loop looks into its lanes before it reports, and what was sent must equal what was received: either is
 *                enough, without both the drain ends too early
 *   ROUND_FIRST  the totals are written, then their round
 *   NO_AGAIN     who weighs looks again if another came meanwhile
 *   NO_CALL      a new round wakes those that sleep
 */
#ifndef LOOPS
#define LOOPS 2
#endif
#ifndef CELLS
#define CELLS 1
#endif
#ifndef HOPS
#define HOPS 2
#endif

#define LANE(from, to) ((from) * LOOPS + (to))
#define NEXT(i) (((i) + 1) % LOOPS)

byte leader;
byte round = 1;
byte round_sent;
byte drain_sent[LOOPS];
byte drain_received[LOOPS];
byte drain_round[LOOPS];
bit parked[LOOPS];
bit rung[LOOPS];
chan lane[LOOPS * LOOPS] = [CELLS] of { byte };
byte published[LOOPS]; /* by each loop, in all its lanes */
byte taken[LOOPS];
bit over; /* PHASE_REAP is open */

inline submit()
{
    do
    :: peer < LOOPS && queued[peer] -> queued[peer] = 0; rung[peer] = 1; peer++
    :: peer < LOOPS && !queued[peer] -> peer++
    :: else -> break
    od;
    peer = 0
}

inline ring_peer(which) /* jzx__ring_peer() */
{
    if
    :: parked[which] -> parked[which] = 0; queued[which] = 1
    :: else
    fi
}

inline wake_others()
{
    do
    :: atomic { peer < LOOPS ->
        if
        :: peer != me -> ring_peer(peer)
        :: else
        fi;
        peer++ }
    :: atomic { peer == LOOPS -> peer = 0; break }
    od
}

inline drain() /* what has come is answered in the same turn: published, and rung for */
{
    do
    :: atomic { peer < LOOPS && len(lane[LANE(peer, me)]) > 0 ->
        lane[LANE(peer, me)]?hops;
        taken[me]++;
        if
        :: hops > 0 ->
            assert(!over);
            lane[LANE(me, NEXT(me))]!hops - 1;
            published[me]++;
            ring_peer(NEXT(me))
        :: else
        fi;
        hops = 0 }
    :: atomic { peer < LOOPS && len(lane[LANE(peer, me)]) == 0 -> peer++ }
    :: atomic { peer == LOOPS -> peer = 0; break }
    od
}

inline incoming() /* jzx__loop_incoming_mail() */
{
    do
    :: atomic { peer < LOOPS && len(lane[LANE(peer, me)]) > 0 -> found = 1; peer = 0; break }
    :: atomic { peer < LOOPS && len(lane[LANE(peer, me)]) == 0 -> peer++ }
    :: atomic { peer == LOOPS -> peer = 0; break }
    od
}

inline publish_totals()
{
#ifdef ROUND_FIRST
    drain_round[me] = now;
#endif
    drain_sent[me] = published[me];
    drain_received[me] = taken[me];
#ifndef ROUND_FIRST
    drain_round[me] = now
#endif
}

#if defined(NO_COUNT) || defined(NO_BALANCE)
#define BALANCED true
#else
#define BALANCED (sent == received)
#endif

inline weigh()
{
    now = round; /* only who weighs changes it */
    do /* drain_totals() */
    :: atomic { peer < LOOPS && drain_round[peer] != now -> won = 0; break }
    :: atomic { peer < LOOPS && drain_round[peer] == now -> sent = sent + drain_sent[peer] };
        atomic { received = received + drain_received[peer]; peer++ }
    :: atomic { peer == LOOPS -> won = BALANCED; break }
    od;
    atomic {
        peer = 0;
        now = 0;
        received = 0;
        if
        :: won ->
#ifndef ONE_ROUND
            if
            :: round > 1 && round_sent == sent
            :: else -> won = 0; called = 1; round_sent = sent
            fi
#else
            skip
#endif
        :: else
        fi;
        sent = 0
    };
    if
    :: called ->
        atomic { called = 0; round++ };
#ifndef NO_CALL
        wake_others()
#endif
    :: else
    fi
}

inline drain_over()
{
    atomic { seen = leader; leader++ };
    if
    :: seen != 0
    :: else ->
#ifdef NO_AGAIN
        weigh();
        if
        :: !won -> leader = 0
        :: else
        fi
#else
        do
        :: seen = leader;
            weigh();
            atomic {
                if
                :: won -> break
                :: !won && leader == seen -> leader = 0; break
                :: else
                fi
            }
        od
#endif
    fi;
    seen = 0
}

proctype Loop(byte me)
{
    bit queued[LOOPS];
    byte peer;
    byte hops;
    byte now;
    byte sent;
    byte received;
    byte seen;
    bit found;
    bit won;
    bit called;

turn:
    atomic { submit(); rung[me] = 0 }; /* and reap */
    drain();
    /* drain_step() */
    now = round;
#if !defined(NO_COUNT) && !defined(NO_LOOK)
    incoming();
#endif
    if
    :: !found -> publish_totals()
    :: else -> found = 0
    fi;
    now = 0;
    drain_over();
    if
    :: won ->
        atomic {
            assert(!over);
            over = 1; /* open_phase() */
            do
            :: peer < LOOPS * LOOPS -> assert(len(lane[peer]) == 0); peer++
            :: else -> break
            od;
            peer = 0
        };
        wake_others();
        atomic { submit() } /* it goes on with the next phase */
    :: else
    fi;
    if
    :: over -> goto out
    :: else
    fi;
    /* jzx__park(). What is asked before, jzx__stop_more(), only saves the exchange. */
    parked[me] = 1;
    incoming();
    if
    :: !found -> found = over || drain_round[me] != round /* jzx__stop_pending() */
    :: else
    fi;
    if
    :: found -> found = 0
    :: else -> atomic { submit() };
end_asleep:
        rung[me]
    fi;
    parked[me] = 0;
    goto turn;
out:
    skip
}

init
{
    byte n;
    atomic {
        do
        :: n < CELLS -> lane[LANE(0, 1)]!HOPS; published[0]++; n++
        :: else -> n = 0; break
        od;
        do
        :: n < LOOPS -> run Loop(n); n++
        :: else -> break
        od
    };
    timeout; /* nothing moves any more */
    assert(over);
    assert(_nr_pr == 1); /* all have gone on */
#ifdef REACHED
    assert(false)
#endif
}
