/*
 * posts: four foreign threads post to actors on two loops that park; one of them changes to a poster half-way. What one
 * thread posts to one actor is handled in its order. Then the runtime stops while all four go on posting.
 */
#include "stress.h"

#include <semaphore.h>

enum { LOOPS = 2, THREADS = 4, POSTS = 4000, TAG_POST = 1 };

typedef struct sink {
    uint32_t came[THREADS];
    uint32_t done; /* threads that are through */
} sink;

static stress_world world;
static jzx_actor_id ids[LOOPS];
static sink sinks[LOOPS];
static sem_t through;
static _Atomic(uint64_t) accepted;

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    (void)context;
    sink *me = state;
    uint64_t packed = stress_take(message);
    uint32_t from = (uint32_t)(packed >> 32);
    CHECK(from < THREADS && (uint32_t)packed == me->came[from]);
    me->came[from]++;
    if (me->came[from] == POSTS && ++me->done == THREADS) {
        CHECK(sem_post(&through) == 0);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err post(jzx_poster *poster, uint32_t thread, uint32_t loop, uint32_t number)
{
    uint64_t packed = (uint64_t)thread << 32 | number;
    jzx_message message = number % 5 == 0 ? stress_owned(TAG_POST, packed)
                                          : jzx_message_value(TAG_POST, &packed, sizeof packed);
    jzx_err err = poster != NULL ? jzx_poster_post(poster, ids[loop], &message)
                                 : jzx_post(world.runtime, ids[loop], &message);
    if (err == JZX_OK) {
        atomic_fetch_add_explicit(&accepted, 1, memory_order_relaxed);
    } else {
        stress_refused(&message);
    }
    return err;
}

/* Thread 0 and 1 post; thread 2 has a poster from the start, thread 3 from half-way. They go on until it is closed. */
static void *foreign(void *argument)
{
    uint32_t thread = (uint32_t)(uintptr_t)argument;
    jzx_poster *poster = NULL;
    for (uint32_t number = 0;; number++) {
        if ((thread == 2 && number == 0) || (thread == 3 && number == POSTS / 2)) {
            CHECK_OK(jzx_poster_create(world.runtime, 16, &poster));
        }
        for (uint32_t loop = 0; loop < LOOPS; loop++) {
            jzx_err err;
            while ((err = post(poster, thread, loop, number)) != JZX_OK) {
                if (err == JZX_ERR_LOOP_CLOSED) {
                    return NULL;
                }
                CHECK(err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_MAILBOX_FULL);
                sched_yield();
            }
        }
    }
}

int main(int argc, char **argv)
{
    uint64_t seed = stress_begin(argc, argv);
    CHECK(sem_init(&through, 0, 0) == 0);
    jzx_config config;
    stress_config(&config, LOOPS);
    config.oldest_kernel = seed % 2 == 0; /* there foreign threads wake through an eventfd */
    stress_open(&world, &config);
    for (uint32_t i = 0; i < LOOPS; i++) {
        ids[i] = stress_spawn(&world, i, behave, &sinks[i], 64);
    }
    pthread_t threads[THREADS];
    stress_reader reader;
    for (uint32_t i = 0; i < THREADS; i++) { /* also before the loops run */
        CHECK(pthread_create(&threads[i], NULL, foreign, (void *)(uintptr_t)i) == 0);
    }
    stress_start(&world, 0);
    stress_reader_start(&reader, &world);
    for (uint32_t i = 0; i < LOOPS; i++) {
        CHECK(sem_wait(&through) == 0);
    }
    CHECK_OK(jzx_runtime_shutdown(world.runtime, JZX_FOREVER, NULL));
    for (uint32_t i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    stress_reader_stop(&reader);
    uint64_t taken = 0;
    for (uint32_t i = 0; i < LOOPS; i++) {
        jzx_counters counters;
        CHECK_OK(jzx_loop_stats(world.loops[i], &counters));
        taken += counters.posted;
    }
    CHECK(taken <= atomic_load(&accepted)); /* the rest came too late and is destroyed below */
    stress_balance(&world);
    stress_close(&world);
    return 0;
}
