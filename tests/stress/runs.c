/*
 * runs: two threads run one loop at the same moment, and a third stops its runtime. One of the two gets the loop, or the
 * stop came first; the other is told so. The loop's actors end once, whoever had it.
 */
#include "stress.h"

enum { ROUNDS = 300, RUNNERS = 2 };

typedef struct runner {
    pthread_t thread;
    jzx_err result;
} runner;

static stress_world world;
static pthread_barrier_t at_once;
static _Atomic(uint32_t) finis;
static uint64_t delay; /* looks of the stopper before it stops */

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    (void)context;
    (void)state;
    (void)stress_take(message);
    return JZX_BEHAVIOR_OK;
}

static void fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    (void)context;
    (void)state;
    CHECK(info->kind == JZX_EXIT_SHUTDOWN);
    atomic_fetch_add(&finis, 1);
}

static void *run_main(void *argument)
{
    runner *me = argument;
    (void)pthread_barrier_wait(&at_once);
    me->result = jzx_loop_run(world.loops[0]);
    return NULL;
}

static void *stop_main(void *argument)
{
    (void)argument;
    (void)pthread_barrier_wait(&at_once);
    for (uint64_t i = 0; i < delay; i++) {
        sched_yield();
    }
    CHECK_OK(jzx_runtime_request_stop(world.runtime));
    return NULL;
}

static void round_of(uint64_t *random)
{
    jzx_config config;
    stress_config(&config, 1);
    stress_open(&world, &config);
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = behave;
    options.fini = fini;
    options.state_size = 8;
    jzx_actor_id id = 0;
    CHECK_OK(jzx_spawn(jzx_loop_context(world.loops[0]), &options, &id));
    jzx_message message = stress_owned(1, 1);
    CHECK_OK(jzx_send(jzx_loop_context(world.loops[0]), id, &message));
    atomic_store(&finis, 0);
    delay = stress_random(random) % 4;
    runner runners[RUNNERS];
    pthread_t stopper;
    for (int i = 0; i < RUNNERS; i++) {
        CHECK(pthread_create(&runners[i].thread, NULL, run_main, &runners[i]) == 0);
    }
    CHECK(pthread_create(&stopper, NULL, stop_main, NULL) == 0);
    int had_it = 0;
    for (int i = 0; i < RUNNERS; i++) {
        CHECK(pthread_join(runners[i].thread, NULL) == 0);
        jzx_err result = runners[i].result;
        CHECK(result == JZX_OK || result == JZX_ERR_ALREADY_RUNNING || result == JZX_ERR_WRONG_THREAD ||
              result == JZX_ERR_LOOP_CLOSED);
        had_it += result == JZX_OK;
    }
    CHECK(pthread_join(stopper, NULL) == 0);
    CHECK(had_it == 1);
    CHECK(atomic_load(&finis) == 1);
    stress_close(&world);
}

int main(int argc, char **argv)
{
    uint64_t random = stress_begin(argc, argv);
    CHECK(pthread_barrier_init(&at_once, NULL, RUNNERS + 1) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        round_of(&random);
    }
    return 0;
}
