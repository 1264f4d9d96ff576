/*
 * lives: parents on three loops have children spawned all over, monitor them, and stop, drain, kill or fail them, or let
 * them end by themselves. Each monitor gives one DOWN, each init that succeeded has its fini, observers see both.
 */
#include "stress.h"

enum {
    LOOPS = 3,
    PARENTS = 6,
    LIVES_EACH = 3000,
    AT_ONCE = 40,
    TAG_BEGIN = 1,
    TAG_WORK = 2,
    TAG_LAST = 3,
    TAG_AGAIN = 4
};

typedef struct parent {
    uint64_t random;
    uint32_t asked;
    uint32_t open; /* spawns asked for and children whose DOWN has not come */
    uint32_t downs;
    bool waits; /* for a timer, to ask again */
    bool done;
} parent;

static stress_world world;
static parent parents[PARENTS];
static _Atomic(uint32_t) parents_done;
static _Atomic(uint64_t) inits;
static _Atomic(uint64_t) finis;
static uint64_t starts_seen[LOOPS]; /* each by its own loop's observer */
static uint64_t stops_seen[LOOPS];
static uint64_t failures_seen[LOOPS];

static jzx_err child_init(jzx_context *context, void *argument, void **state)
{
    (void)context;
    *state = argument;
    if ((uintptr_t)argument % 16 == 0) {
        return JZX_ERR_NOT_FOUND; /* some never come to life */
    }
    atomic_fetch_add_explicit(&inits, 1, memory_order_relaxed);
    return JZX_OK;
}

static void child_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    (void)context;
    (void)state;
    CHECK(info->kind >= JZX_EXIT_NORMAL && info->kind <= JZX_EXIT_KILLED);
    atomic_fetch_add_explicit(&finis, 1, memory_order_relaxed);
}

static jzx_behavior_result child(jzx_context *context, void *state, const jzx_message *message)
{
    (void)context;
    (void)state;
    if (message->tag == TAG_LAST) {
        return JZX_BEHAVIOR_STOP;
    }
    (void)stress_take(message);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result parent_behave(jzx_context *context, void *state, const jzx_message *message);

/* False when the other loop has no room for it now. */
static bool ask(jzx_context *context, parent *me)
{
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = child;
    options.init = child_init;
    options.fini = child_fini;
    options.argument = (void *)(uintptr_t)(stress_random(&me->random) % 1000);
    options.placement = stress_random(&me->random) % 4 == 0 ? JZX_PLACE_LEAST_LOADED : JZX_PLACE_LOOP;
    options.place_loop = (uint32_t)(stress_random(&me->random) % LOOPS);
    jzx_err err = jzx_spawn_request(context, &options, NULL);
    if (err == JZX_ERR_WOULD_BLOCK) {
        return false;
    }
    CHECK_OK(err);
    me->asked++;
    me->open++;
    return true;
}

static void try_later(jzx_context *context, parent *me)
{
    if (!me->waits) {
        jzx_message again = jzx_message_empty(TAG_AGAIN);
        CHECK_OK(jzx_timer_after(context, 100000, &again, NULL));
        me->waits = true;
    }
}

static void ask_more(jzx_context *context, parent *me)
{
    while (me->open < AT_ONCE && me->asked < LIVES_EACH) {
        if (!ask(context, me)) {
            try_later(context, me);
            return;
        }
    }
    if (me->open > 0 || me->done) {
        return;
    }
    me->done = true;
    if (atomic_fetch_add(&parents_done, 1) + 1 == PARENTS) {
        CHECK_OK(jzx_runtime_request_stop(world.runtime));
    }
}

static void send_some(jzx_context *context, jzx_actor_id id)
{
    for (int i = 0; i < 3; i++) {
        jzx_message work = stress_owned(TAG_WORK, 1);
        if (jzx_send(context, id, &work) != JZX_OK) {
            stress_refused(&work);
        }
    }
}

/* Ends a child in one of the ways there are, perhaps in two at once. */
static void end_child(jzx_context *context, parent *me, jzx_actor_id id)
{
    uint64_t how = stress_random(&me->random) % 6;
    jzx_message last = jzx_message_empty(TAG_LAST);
    jzx_err err = how == 0   ? jzx_stop(context, id)
                  : how == 1 ? jzx_drain(context, id)
                  : how == 2 ? jzx_kill(context, id)
                  : how == 3 ? jzx_fail(context, id, 7, "as asked")
                             : jzx_send(context, id, &last);
    if (err == JZX_ERR_WOULD_BLOCK && how >= 4) {
        err = jzx_stop(context, id); /* the lane has no room for mail; an end is a signal and needs none */
    }
    CHECK_OK(err);
    if (how == 5) {
        err = jzx_stop(context, id);
        CHECK(err == JZX_OK || err == JZX_ERR_NO_SUCH_ACTOR);
    }
}

static void spawned(jzx_context *context, parent *me, const jzx_spawned *result)
{
    if (result->err != JZX_OK) {
        CHECK(result->err == JZX_ERR_INIT && result->code == JZX_ERR_NOT_FOUND);
        me->open--;
        return;
    }
    uint64_t monitor;
    CHECK_OK(jzx_monitor(context, result->id, &monitor));
    uint64_t second;
    CHECK_OK(jzx_monitor(context, result->id, &second));
    CHECK_OK(jzx_demonitor(context, second)); /* crosses what happens there */
    send_some(context, result->id);
    end_child(context, me, result->id);
}

static jzx_behavior_result parent_behave(jzx_context *context, void *state, const jzx_message *message)
{
    parent *me = state;
    if (message->tag == JZX_TAG_SYS_SPAWNED) {
        jzx_spawned result;
        memcpy(&result, jzx_message_data(message), sizeof result);
        spawned(context, me, &result);
    } else if (message->tag == JZX_TAG_SYS_DOWN) {
        me->downs++;
        me->open--;
    } else if (message->tag == TAG_AGAIN) {
        me->waits = false;
    }
    ask_more(context, me);
    return JZX_BEHAVIOR_OK;
}

static void saw_start(void *user, jzx_context *context, jzx_actor_id id, const char *name)
{
    (void)context;
    (void)id;
    (void)name;
    ++*(uint64_t *)user;
}

static void saw_stop(void *user, jzx_context *context, const jzx_exit_info *info, const char *name)
{
    (void)info;
    (void)name;
    (void)user;
    stops_seen[jzx_loop_index(jzx_context_loop(context))]++;
}

static void saw_failure(void *user, jzx_context *context, const jzx_exit_info *info, const char *name)
{
    (void)name;
    (void)user;
    CHECK(info->kind == JZX_EXIT_INIT);
    failures_seen[jzx_loop_index(jzx_context_loop(context))]++;
}

static void check_observed(void)
{
    uint64_t started = 0;
    uint64_t failed = 0;
    for (uint32_t i = 0; i < LOOPS; i++) {
        jzx_counters counters;
        CHECK_OK(jzx_loop_stats(world.loops[i], &counters));
        CHECK(starts_seen[i] == stops_seen[i]);
        CHECK(starts_seen[i] == counters.spawned && failures_seen[i] == counters.init_failed);
        started += starts_seen[i];
        failed += failures_seen[i];
    }
    CHECK(started + failed == PARENTS * (LIVES_EACH + 1));
    CHECK(started == atomic_load(&inits) + PARENTS);
    CHECK(atomic_load(&inits) == atomic_load(&finis));
    uint64_t downs = 0;
    for (uint32_t i = 0; i < PARENTS; i++) {
        downs += parents[i].downs;
    }
    CHECK(downs == atomic_load(&inits));
}

int main(int argc, char **argv)
{
    uint64_t seed = stress_begin(argc, argv);
    jzx_config config;
    stress_config(&config, LOOPS);
    config.lane_blocks = 2;
    stress_open(&world, &config);
    for (uint32_t i = 0; i < LOOPS; i++) {
        jzx_observer observer = {.struct_size = sizeof observer,
                                 .actor_start = saw_start,
                                 .actor_stop = saw_stop,
                                 .actor_init_failed = saw_failure};
        CHECK_OK(jzx_observer_add(world.loops[i], &observer, &starts_seen[i]));
    }
    for (uint32_t i = 0; i < PARENTS; i++) {
        parents[i] = (parent){.random = seed + i};
        jzx_actor_id id = stress_spawn(&world, i % LOOPS, parent_behave, &parents[i], 0);
        jzx_message begin = jzx_message_empty(TAG_BEGIN);
        CHECK_OK(jzx_send(jzx_loop_context(world.loops[i % LOOPS]), id, &begin));
    }
    stress_reader reader;
    stress_start(&world, 1);
    stress_reader_start(&reader, &world);
    CHECK_OK(jzx_loop_run(world.loops[0]));
    CHECK_OK(jzx_runtime_shutdown(world.runtime, JZX_FOREVER, NULL));
    stress_reader_stop(&reader);
    check_observed();
    stress_balance(&world);
    stress_close(&world);
    return 0;
}
