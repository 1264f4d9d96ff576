/*
 * world: a machine for tests whose threads take turns on one real thread, in an order drawn from a seed, with a clock
 * that moves only when nobody can run, or by a few nanoseconds when it is read.
 *
 * A thread of the world is a coroutine. It runs until it comes to a point (world_point(), which JZX__SIM_POINT calls in
 * the simulation build of the library) or waits; then any other that can run may go on. The same seed gives the same
 * order, so what fails is run again with its seed.
 *
 * One world at a time, on one real thread.
 */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sim_world sim_world;

#define WORLD_STILL UINT32_MAX /* the clock moves only when nobody can run */

/* How the threads take turns; drawn from the seed by world_create(), and free to be changed before world_run(). */
typedef struct world_pace {
    uint32_t switches;    /* of 1,024 points, how many let another thread run */
    uint32_t freezes;     /* of 1,024 switches, how many stop the thread that ran for a while */
    uint32_t freeze_max;  /* switches that a stopped thread misses at most */
    uint32_t tick_max_ns; /* each reading of the clock moves it on by up to this, and 1; or WORLD_STILL */
    uint64_t steps_max;   /* points; more is taken for a spin that does not end */
} world_pace;

/*
 * What the world asks of who simulates the kernel. `step` moves on what can move, and says whether anything did;
 * `next_ns` is the time of its next timer; `idle` looks, whenever no thread can run or all of those only poll, for what
 * must not be then.
 */
typedef struct world_kernel {
    bool (*step)(void *context);
    uint64_t (*next_ns)(void *context);
    void (*idle)(void *context);
    void *context;
} world_kernel;

sim_world *world_create(uint64_t seed);
void world_destroy(sim_world *world);
world_pace *world_pace_of(sim_world *world);
void world_kernel_set(sim_world *world, const world_kernel *kernel);

uint64_t world_seed(const sim_world *world);
uint64_t world_random(sim_world *world);
uint32_t world_below(sim_world *world, uint32_t limit);                  /* 0 .. limit - 1; 0 for limit 0 */
uint32_t world_between(sim_world *world, uint32_t least, uint32_t most); /* both can be drawn */
bool world_chance(sim_world *world, uint32_t of_1024);

/* Before world_run(), or from a thread of the world. */
void world_start(sim_world *world, const char *name, void (*main)(void *argument), void *argument);
/* Runs all threads to their end. False when something failed: world_failure() says what. */
bool world_run(sim_world *world);
const char *world_failure(const sim_world *world); /* NULL when nothing failed */
/* Ends the run with a failure; does not return inside a thread of the world. */
void world_fail(sim_world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define world_check(world, fact)                                               \
    do {                                                                       \
        if (!(fact)) {                                                         \
            world_fail(world, "%s:%d: not so: %s", __FILE__, __LINE__, #fact); \
        }                                                                      \
    } while (0)

/* Of the thread that runs. */
void world_point(const char *where); /* another may run here */
void world_yield(sim_world *world);  /* another does, if it can */
void world_poll(sim_world *world);   /* for one that has nothing to do but look again: time moves if all do so */
bool world_wait(sim_world *world, bool (*ready)(void *context), void *context,
                uint64_t deadline_ns); /* false: too late */
void world_sleep(sim_world *world, uint64_t ns);
bool world_inside(void); /* is a thread of a world running? */

uint64_t world_now_ns(const sim_world *world);
uint64_t world_clock_read(sim_world *world); /* with the tick */
uint64_t world_steps(const sim_world *world);
uint64_t world_digest(const sim_world *world); /* of who ran when: equal for two runs of one seed */

#endif
