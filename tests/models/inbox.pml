/*
 * inbox: posts of many threads in one ring, and of one thread in a ring of its own (sched/inbox.c I1 and I2, src/message.c
 * jzx_poster_create(), and ck_ring's multi-producer enqueue).
 *
 * Two threads post to the shared inbox, POSTS messages each; the first then makes a poster and posts as many through that.
 * The loop drains the shared inbox, BATCH messages in a turn, and then the poster's. ck_ring keeps one of SLOTS places free.
 *
 * Memory: one order for all. The fences of a ring are in lane.pml.
 *
 * Holds: what one thread posted is taken in the order it was posted, all of it, and no place is read before it is written.
 *
 * To be taken out:
 *   NO_TURN   a post is published when those before it are (I2)
 *   NO_CAS    a place is taken by compare-and-swap
 *   NO_AFTER  the poster's ring is opened when the shared one is drained past the point at which it was made (I1)
 *   NO_LIMIT  a full ring refuses; with POSTS=3
 */
#ifndef POSTS
#define POSTS 2
#endif
#ifndef SLOTS
#define SLOTS 4
#endif
#ifndef BATCH
#define BATCH 1
#endif
#define TURN (2 * SLOTS) /* positions count modulo this */
#define COUNT(tail, head) (((tail) + TURN - (head)) % TURN)
#ifdef NO_LIMIT
#define MOST (SLOTS + 1)
#else
#define MOST (SLOTS - 1)
#endif

byte p_head;
byte p_tail;
byte c_head;
byte place[SLOTS];   /* 10 * thread + number; 0: not written, or read */
byte own[POSTS + 1]; /* the poster's ring: as lane.pml has it, so here without wrap */
byte own_tail;
byte own_head;
byte after;
bit made;
byte next[2] = 1; /* of each thread: the number that the loop must take next */

inline post(who, number)
{
    /* ck_ring_enqueue_reserve_mpsc() */
    do
    :: at = p_head;
        if
        :: COUNT(at, c_head) < MOST ->
#ifdef NO_CAS
            p_head = (at + 1) % TURN;
            break
#else
            atomic {
                if
                :: p_head == at -> p_head = (at + 1) % TURN; break
                :: else
                fi
            }
#endif
        :: else -> COUNT(p_head, c_head) < MOST /* full: refused, and comes again */
        fi
    od;
    place[at % SLOTS] = 10 * who + number;
#ifndef NO_TURN
    p_tail == at; /* wait_for_turn() */
#endif
    p_tail = (at + 1) % TURN;
    at = 0
}

proctype Thread(byte who)
{
    byte number = 1;
    byte at;
    do
    :: number <= POSTS -> post(who, number); number++
    :: else -> break
    od;
    if
    :: who == 1 ->
        after = p_tail; /* make_poster() */
        made = 1;
        do
        :: number <= 2 * POSTS -> own[own_tail] = 10 * who + number; own_tail++; number++
        :: else -> break
        od
    :: else
    fi
}

inline take(what)
{
    assert(what != 0);
    assert(what % 10 == next[what / 10 - 1]);
    next[what / 10 - 1]++;
    what = 0
}

proctype Loop()
{
    bit open;
    byte count;
    byte tail;
end:
    do
    :: p_tail != c_head || (made && own_tail != own_head) ->
        /* drain_inbox() of the shared one */
        do
        :: count < BATCH && p_tail != c_head -> /* ck_ring_dequeue_mpsc() */
            atomic { take(place[c_head % SLOTS]) };
            c_head = (c_head + 1) % TURN;
            count++
        :: else -> count = 0; break
        od;
        /* drain_posters() */
        if
        :: made && own_tail != own_head ->
            if
#ifdef NO_AFTER
            :: true -> open = 1
#else
            :: !open && COUNT(c_head, after) < SLOTS -> open = 1 /* (int32_t)(head - after) >= 0 */
#endif
            :: else
            fi;
            do
            :: open && count < BATCH && own_tail != own_head -> atomic { take(own[own_head]); own_head++; count++ }
            :: else -> count = 0; break
            od
        :: else
        fi
    od
}

init
{
    atomic { run Thread(1); run Thread(2); run Loop() };
    timeout; /* nothing moves any more */
    assert(next[0] == 2 * POSTS + 1);
    assert(next[1] == POSTS + 1);
#ifdef REACHED
    assert(false)
#endif
}
