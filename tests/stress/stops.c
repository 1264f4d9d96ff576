/*
 * stops: runtimes with traffic, timers and posts are stopped from everywhere at once, before, while and after their
 * loops start; one loop may be stopped alone before. Whatever the order: all run calls return, nothing is leaked.
 */
#include "stress.h"

enum { ROUNDS = 60, ACTORS = 6, STOPPERS = 3, TAG_BALL = 1, TAG_TICK = 2 };

static stress_world world;
static jzx_actor_id ids[ACTORS];
static _Atomic(uint32_t) stops_asked;

typedef struct player {
    uint64_t random;
    uint32_t stop_after; /* balls; 0: never */
} player;

static player players[ACTORS];

static void hit(jzx_context *context, player *me)
{
    jzx_message message = stress_owned(TAG_BALL, 1);
    if (jzx_send(context, ids[stress_random(&me->random) % ACTORS], &message) != JZX_OK) {
        stress_refused(&message);
    }
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    player *me = state;
    if (message->tag == TAG_BALL) {
        (void)stress_take(message);
        hit(context, me);
        if (me->stop_after != 0 && --me->stop_after == 0) {
            CHECK_OK(jzx_runtime_request_stop(jzx_loop_runtime(jzx_context_loop(context))));
        }
    } else if (message->tag == TAG_TICK) {
        hit(context, me);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    *state = argument;
    jzx_message tick = stress_owned(TAG_TICK, 0);
    CHECK_OK(jzx_timer_every(context, 50000, JZX_TICKS_SKIP, &tick, NULL));
    return JZX_OK;
}

static void spawn_all(uint64_t *random)
{
    for (uint32_t i = 0; i < ACTORS; i++) {
        players[i] = (player){.random = stress_random(random)};
        players[i].stop_after = stress_random(random) % 4 == 0 ? 1 + (uint32_t)(stress_random(random) % 2000) : 0;
        jzx_spawn_options options;
        jzx_spawn_options_init(&options);
        options.behavior = behave;
        options.init = init;
        options.argument = &players[i];
        options.mailbox_cap = 32;
        jzx_context *context = jzx_loop_context(world.loops[i % world.count]);
        CHECK_OK(jzx_spawn(context, &options, &ids[i]));
        jzx_message message = stress_owned(TAG_BALL, 1);
        CHECK_OK(jzx_send(context, ids[i], &message));
    }
}

typedef struct stopper {
    pthread_t thread;
    uint64_t random;
    uint32_t number;
} stopper;

/* Posts for a while, then asks for a stop; the first may stop one loop before. */
static void *stop_main(void *argument)
{
    stopper *me = argument;
    uint64_t posts = stress_random(&me->random) % 300;
    for (uint64_t i = 0; i < posts; i++) {
        jzx_message message = stress_owned(TAG_BALL, i);
        if (jzx_post(world.runtime, ids[i % ACTORS], &message) != JZX_OK) {
            stress_refused(&message);
            sched_yield();
        }
        if (me->number == 0 && i == posts / 2 && posts % 2 == 0) {
            CHECK_OK(jzx_loop_request_stop(world.loops[posts % world.count]));
        }
    }
    CHECK_OK(jzx_runtime_request_stop(world.runtime));
    atomic_fetch_add(&stops_asked, 1);
    return NULL;
}

static void start_all(bool run_first)
{
    for (uint32_t i = run_first ? 1 : 0; i < world.count; i++) {
        jzx_err err = jzx_loop_start(world.loops[i]);
        CHECK(err == JZX_OK || err == JZX_ERR_LOOP_CLOSED); /* closed by a stop that came first */
    }
    if (run_first) {
        jzx_err err = jzx_loop_run(world.loops[0]);
        CHECK(err == JZX_OK || err == JZX_ERR_LOOP_CLOSED);
    }
}

static void round_of(uint64_t seed)
{
    uint64_t random = seed;
    jzx_config config;
    stress_config(&config, 2 + (uint32_t)(stress_random(&random) % 2));
    config.cells = 4096;
    config.mailbox_cap = 256;
    config.lane_blocks = 2;
    config.actors_max = 64;
    config.oldest_kernel = stress_random(&random) % 2 == 0; /* other ways to wake */
    stress_open(&world, &config);
    spawn_all(&random);
    atomic_store(&stops_asked, 0);
    stopper stoppers[STOPPERS];
    for (uint32_t i = 0; i < STOPPERS; i++) {
        stoppers[i].random = stress_random(&random);
        stoppers[i].number = i;
        CHECK(pthread_create(&stoppers[i].thread, NULL, stop_main, &stoppers[i]) == 0);
    }
    start_all(stress_random(&random) % 2 == 0);
    CHECK_OK(jzx_runtime_shutdown(world.runtime, JZX_FOREVER, NULL));
    for (uint32_t i = 0; i < STOPPERS; i++) {
        CHECK(pthread_join(stoppers[i].thread, NULL) == 0);
    }
    CHECK(atomic_load(&stops_asked) == STOPPERS);
    stress_close(&world);
}

int main(int argc, char **argv)
{
    uint64_t seed = stress_begin(argc, argv);
    for (uint64_t i = 0; i < ROUNDS; i++) {
        round_of(seed * ROUNDS + i);
    }
    return 0;
}
