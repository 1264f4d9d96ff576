/*
 * ask: threads that sleep until their request is answered (sched/asker.h Y1 to Y4, src/message.c ask(), sched/stop.c
 * jzx__stop_left(), src/runtime.c jzx_runtime_destroy()).
 *
 * ASKERS threads ask ASKS times each, with RECORDS records for all; a deadline passes at any time or never. One loop takes
 * the requests in, and answers them in any order and at any time, also long after their deadline. Then it leaves: before that
 * it answers all that it has taken; what lies in the inbox then, nobody takes. Who destroys the runtime joins the loop, but
 * not the askers.
 *
 * Memory: one order for all. The words that two threads write and read in turn (Y3) are sequentially consistent in C.
 *
 * Holds: each asker comes out; what it takes for an answer is the answer to its request, and whole; a record is written by one
 * at a time; nobody touches a record when its memory is gone; at the end all records are free.
 *
 * To be taken out:
 *   NO_GENERATION  an answer is for the use of the record that its request was made in (Y1)
 *   NO_CLAIM       a deadline leaves ASKED by compare-and-swap (Y2)
 *   EARLY          a record is ANSWERED when the answer has been written (Y2)
 *   NO_LOOK        who takes a record looks once more whether it is closed (Y3)
 *   LOOK_FIRST     who closes says so and then looks at the records (Y3)
 *   NO_CLOSE       who leaves ends what waits
 *   NO_DRAIN       who destroys waits until no record is out (Y4)
 *   COUNT_FIRST    an asker frees its record and then lowers the count (Y4)
 *   REREAD         an asker whose deadline won looks at the word no more (Y1)
 */
#ifndef ASKERS
#define ASKERS 2
#endif
#ifndef ASKS
#define ASKS 2
#endif
#ifndef RECORDS
#define RECORDS 1
#endif
#define PLACES (ASKERS * ASKS)

#define FREE 0
#define ASKED 1
#define ANSWERING 2
#define ANSWERED 3
#define CLOSED 4

/* A word is 8 * generation + state. */
#define WORD(generation, state) (8 * (generation) + (state))
#define STATE(word) ((word) % 8)
#define GENERATION(word) ((word) / 8)

byte words[RECORDS];
byte halves[2 * RECORDS]; /* the answer, in two parts: what it is an answer to, or 0 */
byte out;
bit closed; /* the highest bit of `out` */

/* The inbox: requests by record, generation and what is asked. */
chan inbox = [PLACES] of { byte, byte, byte };

bit stopping;
bit left;
bit freed;
byte outside; /* askers that have come out for good */

#define ALIVE assert(!freed)

/* ---- askers ---- */

inline leave()
{
    ALIVE;
    out-- /* and the futex, which touches nothing */
}

inline give(state)
{
#ifdef COUNT_FIRST
    leave();
    ALIVE;
    words[r] = WORD(g, FREE)
#else
    ALIVE;
    words[r] = WORD(g, FREE);
    leave()
#endif
}

proctype Asker(byte me)
{
    byte n;
    byte r;
    byte g;
    byte what;
    byte seen;
    bit won;
    do
    :: n < ASKS ->
        n++;
        what = ASKS * me + n;
        if
        :: stopping -> break /* jzx__check_post(): refused */
        :: else
        fi;
        atomic { /* jzx__asker_take(): the count. Who is not counted may not be inside when the runtime is destroyed */
            if
            :: freed || closed -> break
            :: !freed && !closed && out == RECORDS -> goto next /* LIMIT */
            :: else -> out++
            fi
        };
        atomic { /* take_free(): the compare-and-swap that wins; one is free */
            ALIVE;
            r = 0;
            do
            :: r < RECORDS && STATE(words[r]) != FREE -> r++
            :: else -> break
            od;
            assert(r < RECORDS);
            g = GENERATION(words[r]) + 1;
            words[r] = WORD(g, ASKED)
        };
#ifndef NO_LOOK
        ALIVE;
        if
        :: closed -> give(CLOSED); break
        :: else
        fi;
#endif
        atomic { ALIVE; inbox!r, g, what }; /* post_to() */
        /* sleep_on() */
again:
        ALIVE;
        seen = words[r];
        if
        :: seen == WORD(g, ANSWERED) ->
            ALIVE;
            assert(halves[2 * r] == what);
            assert(halves[2 * r + 1] == what);
            give(ANSWERED)
        :: seen == WORD(g, CLOSED) -> give(CLOSED); break
        :: seen == WORD(g, ANSWERING) ->
end_answering:
            words[r] != seen -> goto again
        :: seen == WORD(g, ASKED) ->
            if
            :: words[r] != seen -> goto again /* woken */
            :: (me + n) % 2 == 0 -> /* one of two has a deadline, which passes at any time */
#ifdef NO_CLAIM
                ALIVE;
                words[r] = WORD(g, FREE);
                won = 1;
#else
                atomic {
                    ALIVE;
                    won = (words[r] == WORD(g, ASKED));
                    if
                    :: won -> words[r] = WORD(g, FREE)
                    :: else
                    fi
                };
#endif
                if
                :: won ->
                    won = 0;
#ifdef REREAD
                    ALIVE;
                    assert(words[r] == WORD(g, FREE));
#endif
                    leave()
                :: else -> goto again
                fi
            fi
#ifdef NO_CLAIM
        :: else -> leave() /* another's by now */
#endif
        fi;
        seen = 0;
next:
        r = 0; g = 0
    :: else -> break
    od;
    outside++
}

/* ---- the loop ---- */

/* jzx__asker_answer() to one of the requests taken, whichever. */
inline answer(k)
{
    atomic {
        ALIVE;
#ifdef NO_GENERATION
        claimed = (STATE(words[records[k]]) == ASKED);
#else
        claimed = (words[records[k]] == WORD(generations[k], ASKED));
#endif
        if
        :: claimed -> words[records[k]] = words[records[k]] - ASKED + ANSWERING; generations[k] = GENERATION(words[records[k]])
        :: else
        fi
    };
    if
    :: claimed ->
        claimed = 0;
#ifdef EARLY
        words[records[k]] = WORD(generations[k], ANSWERED);
#endif
        ALIVE;
        halves[2 * records[k]] = whats[k];
        ALIVE;
        halves[2 * records[k] + 1] = whats[k];
#ifndef EARLY
        atomic {
            assert(words[records[k]] == WORD(generations[k], ANSWERING)); /* Y2 */
            words[records[k]] = WORD(generations[k], ANSWERED)
        }
#endif
    :: else /* late: a dead letter */
    fi;
    whats[k] = 0
}

inline look_at_words()
{
    r = 0;
    do
    :: atomic { r < RECORDS ->
        ALIVE;
        if
        :: STATE(words[r]) == ASKED -> words[r] = words[r] - ASKED + CLOSED
        :: else
        fi;
        r++ }
    :: atomic { r == RECORDS -> r = 0; break }
    od
}

inline close()
{
#ifdef LOOK_FIRST
    look_at_words();
    atomic { ALIVE; closed = 1 }
#else
    atomic { ALIVE; closed = 1 };
    look_at_words()
#endif
}

proctype Loop()
{
    byte records[PLACES];
    byte generations[PLACES];
    byte whats[PLACES]; /* 0: answered, or not yet taken */
    byte count;
    byte r;
    bit claimed;
    do
    :: atomic { nempty(inbox) -> inbox?records[count], generations[count], whats[count]; count++ }
    :: count > 0 && whats[0] != 0 -> answer(0)
    :: count > 1 && whats[1] != 0 -> answer(1)
    :: count > 2 && whats[2] != 0 -> answer(2)
    :: count > 3 && whats[3] != 0 -> answer(3)
    :: stopping -> break
    od;
    /* all actors end, and answer */
    do
    :: count > 0 && whats[0] != 0 -> answer(0)
    :: count > 1 && whats[1] != 0 -> answer(1)
    :: count > 2 && whats[2] != 0 -> answer(2)
    :: count > 3 && whats[3] != 0 -> answer(3)
    :: else -> break
    od;
#ifndef NO_CLOSE
    close();
#endif
    left = 1
}

/* ---- who stops and destroys it ---- */

proctype Host()
{
    stopping = 1;
    left; /* join_threads() */
    /* jzx_runtime_destroy(): jzx__askers_close() again changes nothing; jzx__askers_drain() */
#ifndef NO_DRAIN
    out == 0;
#endif
    freed = 1
}

init
{
    byte n;
    atomic {
        do
        :: n < ASKERS -> run Asker(n); n++
        :: else -> break
        od;
        run Loop();
        run Host()
    };
    timeout; /* nothing moves any more */
    assert(freed);
    assert(outside == ASKERS);
    n = 0;
    do
    :: n < RECORDS -> assert(STATE(words[n]) == FREE); n++
    :: else -> break
    od;
#ifdef REACHED
    assert(false)
#endif
}
