/*
 * asker: foreign threads that sleep until their request is answered.
 *
 * While a thread asks it has one of the runtime's records. A word of the record says how far the request is, and the asker
 * sleeps on it:
 *
 *     FREE -> ASKED -> ANSWERING -> ANSWERED -> FREE
 *                  \-> FREE                      the deadline passed
 *                  \-> CLOSED -> FREE            the loops have left
 *
 *   foreign thread   jzx__asker_take(); then jzx__asker_wait(), or jzx__asker_give() when the request was refused
 *   any loop         jzx__asker_answer()
 *   any thread       jzx__askers_close(), jzx__askers_drain()
 *
 * Invariants
 *   Y1  A record is its asker's from taking it to giving it back. Each use has a generation of its own, which is in the
 *       token and in the word: an answer to one that is over finds another word, and is late. (It takes 2^28 uses of one
 *       record until a generation comes round.)
 *   Y2  A word leaves ASKED once, by compare-and-swap: of an answer, the deadline and the close one wins. ANSWERING lasts
 *       for the copy of one message, and its asker waits for the end of that.
 *   Y3  Once closed no request is begun and none stays ASKED. Who takes writes ASKED and then looks whether it is closed; who
 *       closes says so and then looks at each word. All four are sequentially consistent, so one of the two sees the other.
 *   Y4  `out` counts the records that are not given back. An asker lowers it last: then it touches nothing here any more.
 * No loop ever waits for an asker.
 */
#ifndef JZX__ASKER_H
#define JZX__ASKER_H

#include "sched/cell.h"

enum { JZX__ASKERS_MOST = 4096 }; /* that a token can tell apart */

typedef struct jzx__asker {
    _Alignas(JZX__CACHE_LINE) _Atomic(uint32_t) word; /* generation and state; a futex */
    jzx_message answer;                               /* whose ANSWERING it is; then the asker's */
} jzx__asker;

typedef struct jzx__askers {
    /* Set once. */
    jzx__asker *records;
    uint32_t max;
    const jzx_allocator *allocator;

    /* Shared. */
    _Alignas(JZX__CACHE_LINE) _Atomic(uint32_t) out; /* Y4; its highest bit: closed. A futex */
    _Atomic(uint32_t) next;                          /* where the next one begins to look for a free record */
} jzx__askers;

/* A token of an asker. Those of requests of actors begin with the index of a cell, and none has this one (C3). */
static inline bool jzx__token_is_askers(uint64_t token)
{
    return jzx__unlikely(token >> 40 == 0xFFFFFF);
}

jzx_err jzx__askers_init(jzx__askers *askers, uint32_t max, const jzx_allocator *allocator);
void jzx__askers_deinit(jzx__askers *askers); /* also of one that was never made, all zero */
size_t jzx__askers_size(uint32_t max);
/* A record. LIMIT: all are out; LOOP_CLOSED. */
jzx_err jzx__asker_take(jzx__askers *askers, uint64_t *token);
/* Gives it back: nobody was told the token. */
void jzx__asker_give(jzx__askers *askers, uint64_t token);
/* Sleeps until the answer comes, and gives the record back. TIMEOUT and LOOP_CLOSED: none will. */
jzx_err jzx__asker_wait(jzx__askers *askers, uint64_t token, uint64_t deadline_ns, jzx_message *answer);
/* Hands the answer in `cell` over, with its payload. False: nobody waits for it any more. */
bool jzx__asker_answer(jzx__askers *askers, uint64_t token, const jzx__cell *cell);
/* When no loop handles requests any more: ends what waits. Again: nothing. */
void jzx__askers_close(jzx__askers *askers);
/* Closed: waits until every asker has given its record back. */
void jzx__askers_drain(jzx__askers *askers);

#endif
