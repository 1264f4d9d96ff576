#include "sched/asker.h"

#include <string.h>

#include "io/sys.h"

/* A word: the generation and the state. A token: what no cell has, the index of the record, the generation. */
typedef enum state { FREE = 0, ASKED = 1, ANSWERING = 2, ANSWERED = 3, CLOSED = 4 } state;

enum { STATE_BITS = 3, GENERATION_BITS = 28 };
static const uint32_t GENERATIONS = (1u << GENERATION_BITS) - 1;
static const uint32_t IS_CLOSED = 1u << 31; /* in `out` */
_Static_assert(GENERATION_BITS + STATE_BITS <= 32, "a word is a futex");
_Static_assert((uint64_t)JZX__ASKERS_MOST << GENERATION_BITS <= 1ull << 40, "a token is 64 bits");

static state state_of(uint32_t word)
{
    return (state)(word & ((1u << STATE_BITS) - 1));
}

static uint32_t word_of(uint64_t token, state is)
{
    return ((uint32_t)token & GENERATIONS) << STATE_BITS | is;
}

static jzx__asker *record_of(const jzx__askers *askers, uint64_t token)
{
    uint64_t index = (token & 0xFFFFFFFFFFull) >> GENERATION_BITS;
    JZX_ASSERT(jzx__token_is_askers(token) && index < askers->max);
    return &askers->records[index];
}

jzx_err jzx__askers_init(jzx__askers *askers, uint32_t max, const jzx_allocator *allocator)
{
    memset(askers, 0, sizeof *askers);
    askers->records = allocator->alloc(allocator->context, jzx__askers_size(max), JZX__CACHE_LINE);
    if (askers->records == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    memset(askers->records, 0, jzx__askers_size(max));
    askers->max = max;
    askers->allocator = allocator;
    return JZX_OK;
}

void jzx__askers_deinit(jzx__askers *askers)
{
    if (askers->records != NULL) {
        askers->allocator->free(askers->allocator->context, askers->records, jzx__askers_size(askers->max),
                                JZX__CACHE_LINE);
        askers->records = NULL;
    }
}

size_t jzx__askers_size(uint32_t max)
{
    return max * sizeof(jzx__asker);
}

/* Y4: the last that an asker does here. */
static void leave(jzx__askers *askers)
{
    JZX__SIM_POINT("ask: given back");
    if (atomic_fetch_sub(&askers->out, 1) == IS_CLOSED + 1) {
        jzx__sys_wake(&askers->out); /* jzx__askers_drain(). The word may be gone; nobody else sleeps there then */
    }
}

void jzx__asker_give(jzx__askers *askers, uint64_t token)
{
    atomic_store(&record_of(askers, token)->word, word_of(token, FREE));
    leave(askers);
}

/* One of the records, in turn, so that each is used as seldom as can be (Y1). As many are counted as there are: one is free. */
static uint64_t take_free(jzx__askers *askers)
{
    for (;;) {
        uint32_t index = atomic_fetch_add_explicit(&askers->next, 1, memory_order_relaxed) % askers->max;
        _Atomic(uint32_t) *word = &askers->records[index].word;
        uint32_t was = atomic_load_explicit(word, memory_order_relaxed);
        uint64_t generation = ((was >> STATE_BITS) + 1) & GENERATIONS;
        uint64_t token = 0xFFFFFFull << 40 | (uint64_t)index << GENERATION_BITS | generation;
        if (state_of(was) == FREE && atomic_compare_exchange_strong(word, &was, word_of(token, ASKED))) {
            return token;
        }
    }
}

jzx_err jzx__asker_take(jzx__askers *askers, uint64_t *token)
{
    uint32_t out = atomic_load(&askers->out);
    do {
        if (out >= IS_CLOSED || out == askers->max) {
            return out >= IS_CLOSED ? JZX_ERR_LOOP_CLOSED : JZX_ERR_LIMIT;
        }
    } while (!atomic_compare_exchange_weak(&askers->out, &out, out + 1));
    JZX__SIM_POINT("ask: counted");
    uint64_t taken = take_free(askers);
    JZX__SIM_POINT("ask: taken");
    if (atomic_load(&askers->out) >= IS_CLOSED) { /* Y3 */
        jzx__asker_give(askers, taken);
        return JZX_ERR_LOOP_CLOSED;
    }
    *token = taken;
    return JZX_OK;
}

/* What came of it: ANSWERED or CLOSED; FREE: the deadline passed, and the record may be another's already. */
static state sleep_on(_Atomic(uint32_t) *word, uint64_t token, uint64_t deadline_ns)
{
    for (;;) {
        uint32_t now = atomic_load_explicit(word, memory_order_acquire);
        state is = state_of(now);
        JZX_ASSERT(now == word_of(token, is) && is != FREE); /* Y1 */
        if (is == ANSWERED || is == CLOSED) {
            return is;
        }
        if (is == ANSWERING) {
            jzx__sys_wait(word, now, JZX_FOREVER); /* not for long (Y2) */
        } else if (jzx__sys_now_ns() < deadline_ns) {
            jzx__sys_wait(word, now, deadline_ns);
        } else {
            JZX__SIM_POINT("ask: too late");
            if (atomic_compare_exchange_strong(word, &now, word_of(token, FREE))) { /* Y2 */
                return FREE;
            }
        }
    }
}

jzx_err jzx__asker_wait(jzx__askers *askers, uint64_t token, uint64_t deadline_ns, jzx_message *answer)
{
    jzx__asker *record = record_of(askers, token);
    switch (sleep_on(&record->word, token, deadline_ns)) {
    case ANSWERED:
        *answer = record->answer;
        jzx__asker_give(askers, token);
        return JZX_OK;
    case CLOSED:
        jzx__asker_give(askers, token);
        return JZX_ERR_LOOP_CLOSED;
    default:
        leave(askers);
        return JZX_ERR_TIMEOUT;
    }
}

bool jzx__asker_answer(jzx__askers *askers, uint64_t token, const jzx__cell *cell)
{
    jzx__asker *record = record_of(askers, token);
    uint32_t asked = word_of(token, ASKED);
    if (!atomic_compare_exchange_strong(&record->word, &asked, word_of(token, ANSWERING))) { /* Y1, Y2 */
        return false;
    }
    JZX__SIM_POINT("answer: claimed");
    jzx__cell_to_message(cell, &record->answer);
    record->answer.flags &= ~(uint32_t)JZX_MESSAGE_LENT; /* it is handed over */
    record->answer.flags |= JZX_MESSAGE_ANSWER;
    /* Release: pairs with the acquire in sleep_on(). */
    atomic_store_explicit(&record->word, word_of(token, ANSWERED), memory_order_release);
    JZX__SIM_POINT("answer: written");
    jzx__sys_wake(&record->word);
    return true;
}

void jzx__askers_close(jzx__askers *askers)
{
    atomic_fetch_or(&askers->out, IS_CLOSED);
    for (uint32_t i = 0; i < askers->max; i++) { /* Y3 */
        _Atomic(uint32_t) *word = &askers->records[i].word;
        uint32_t was = atomic_load(word);
        JZX__SIM_POINT("ask: closing");
        if (state_of(was) == ASKED && atomic_compare_exchange_strong(word, &was, was - ASKED + CLOSED)) {
            jzx__sys_wake(word);
        }
    }
}

void jzx__askers_drain(jzx__askers *askers)
{
    uint32_t out;
    while ((out = atomic_load(&askers->out)) != IS_CLOSED) {
        JZX_ASSERT(out > IS_CLOSED);
        jzx__sys_wait(&askers->out, out, JZX_FOREVER);
    }
}
