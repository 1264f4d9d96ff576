/*
 * savina.h: what the members of the suite share. README.md says what each of them does.
 *
 * A play is one run of a member on one loop or two. The state of its central actor is a struct of the member, so that what it has
 * counted can be proved after the run; the other actors own theirs. The central actor is told SAVINA_START when the loops run, begins
 * the time then, and ends it and the run after the last report.
 */
#ifndef BENCH_SAVINA_H
#define BENCH_SAVINA_H

#include "support/world.h"

#include <math.h>

enum {
    SAVINA_START = 1, /* to the central actor, from the host; members use it further down too */
    SAVINA_END,       /* there is nothing more to do: report and end */
    SAVINA_REPORT,    /* to the central actor: what one has counted */
    SAVINA_OWN,       /* the first of a member's own */
};

/* The argument of a side. */
typedef struct savina_stage {
    int loops;
    bool parks; /* two loops that sleep when they have nothing to do; else they linger */
} savina_stage;

typedef struct savina {
    jzx_bench *bench;
    struct world world;
    uint64_t reports; /* that the central actor still waits for */
} savina;

/* ---- the stage ---- */

/* `config` may be NULL. */
void savina_open(savina *play, jzx_bench *bench, const savina_stage *stage, const jzx_config *config);

/* The loop of the index-th actor of a kind. */
int savina_loop(const savina *play, int index);

/* For savina_spawn(): an actor whose state begins as a copy of `state`. Other options may be set after this. */
jzx_spawn_options savina_options(jzx_behavior_fn behavior, const void *state, size_t size);
jzx_actor_id savina_spawn(const savina *play, int loop, const jzx_spawn_options *options);

/* Tells the actor `center` to start, runs the loops until the last savina_reported(), and takes the stage down. */
void savina_run(savina *play, jzx_actor_id center);

/* Just before the first message, by the central actor. */
void savina_begin(savina *play);

/* By the central actor for each report: after the last one it ends the time, for so many operations, and the run. */
void savina_reported(savina *play, uint64_t operations);

/* The share of one of `actors` in the count of this run. */
uint64_t savina_each(const jzx_bench *bench, uint64_t actors);

/* ---- messages ---- */

/* A message of up to four words. */
#define SAVINA_MESSAGE(tag, ...) jzx_message_value((tag), (uint64_t[]){__VA_ARGS__}, sizeof((uint64_t[]){__VA_ARGS__}))

/* Sends one to an actor that cannot have a full mailbox: the member bounds what is under way. */
#define SAVINA_SEND(context, to, tag, ...)                              \
    do {                                                                \
        jzx_message savina_message_ = SAVINA_MESSAGE(tag, __VA_ARGS__); \
        WORLD_CHECK(jzx_send((context), (to), &savina_message_));       \
    } while (0)

/* The same message without payload to all. */
void savina_tell_all(jzx_context *context, const jzx_actor_id *ids, size_t count, uint32_t tag);

/* Doubles travel as their bits. */
static inline uint64_t savina_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline double savina_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* ---- queues that an actor keeps ---- */

/* What waits its turn, four words each, in the order it came. Begin with zeroes. */
typedef struct savina_queue {
    uint64_t (*items)[4];
    size_t size; /* a power of two, or 0 */
    size_t first;
    size_t count;
} savina_queue;

void savina_queue_add(savina_queue *queue, uint64_t a, uint64_t b, uint64_t c, uint64_t d);

/* The oldest, valid until the next call, or NULL. */
const uint64_t *savina_queue_take(savina_queue *queue);
void savina_queue_deinit(savina_queue *queue);

/* ---- the suite's random numbers, and its work ---- */

static inline uint64_t savina_next(uint64_t *random)
{
    *random = (*random * 1309 + 13849) & 65535;
    return *random;
}

static inline uint64_t savina_below(uint64_t *random, uint64_t limit)
{
    return savina_next(random) % limit;
}

static inline double savina_real(uint64_t *random)
{
    return 1.0 / (double)(savina_next(random) + 1);
}

/* One draw after the other: no compiler knows what the last one gave, and makes one of several. */
static inline uint64_t savina_busy(uint64_t times)
{
    uint64_t random = times;
    for (uint64_t i = 0; i < times; i++) {
        savina_next(&random);
        __asm__ volatile("" : "+r"(random));
    }
    return random;
}

/* What a message of the fork-join members carries, and what is made of it. */
#define SAVINA_ANGLE 37.2

static inline void savina_sine(uint64_t bits)
{
    double sine = sin(savina_double(bits));
    BENCH_CHECK(sine * sine > 0, "the square of a sine is %g", sine * sine);
}

#endif
