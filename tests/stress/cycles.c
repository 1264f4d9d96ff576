/*
 * cycles: several threads make, run and destroy runtimes of their own at the same time, over and over. No runtime knows
 * of another, and each gives back all it took: memory, descriptors, threads.
 */
#include "stress.h"

#include <dirent.h>

enum { THREADS = 3, CYCLES = 25, HANDS = 200, TAG_PASS = 1 };

typedef struct maker {
    pthread_t thread;
    stress_world world;
    jzx_actor_id ids[2];
    uint64_t passes;
} maker;

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    maker *me = state;
    uint64_t number = stress_take(message);
    if (number == HANDS) {
        me->passes++;
        CHECK_OK(jzx_runtime_request_stop(me->world.runtime));
        return JZX_BEHAVIOR_OK;
    }
    jzx_message next = stress_owned(TAG_PASS, number + 1);
    CHECK_OK(jzx_send(context, me->ids[jzx_self(context) == me->ids[0]], &next));
    return JZX_BEHAVIOR_OK;
}

static void cycle(maker *me, bool run)
{
    jzx_config config;
    stress_config(&config, 2);
    stress_open(&me->world, &config);
    for (uint32_t i = 0; i < 2; i++) {
        me->ids[i] = stress_spawn(&me->world, i, behave, me, 0);
    }
    jzx_message first = stress_owned(TAG_PASS, 0);
    CHECK_OK(jzx_send(jzx_loop_context(me->world.loops[0]), me->ids[0], &first));
    if (run) {
        stress_start(&me->world, 0);
        for (uint32_t i = 0; i < 2; i++) {
            jzx_err result = JZX_ERR_UNKNOWN;
            CHECK_OK(jzx_loop_join(me->world.loops[i], &result));
            CHECK_OK(result);
        }
        stress_balance(&me->world);
    }
    CHECK_OK(jzx_runtime_destroy(me->world.runtime)); /* also one that never ran, with mail in it */
}

static void *maker_main(void *argument)
{
    maker *me = argument;
    for (int i = 0; i < CYCLES; i++) {
        cycle(me, i % 5 != 4);
    }
    return NULL;
}

static int open_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    CHECK(folder != NULL);
    int count = 0;
    while (readdir(folder) != NULL) {
        count++;
    }
    (void)closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    (void)stress_begin(argc, argv);
    int before = open_files();
    static maker makers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&makers[i].thread, NULL, maker_main, &makers[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(makers[i].thread, NULL) == 0);
        CHECK(makers[i].passes == CYCLES - CYCLES / 5);
    }
    CHECK(open_files() == before);
    CHECK(atomic_load(&stress_bytes) == 0);
    CHECK(atomic_load(&stress_payloads) == 0);
    return 0;
}
