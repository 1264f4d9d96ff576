/*
 * names: heads on three loops replace their deputies, on any loop, as soon as they hear that one has ended; each deputy takes
 * its head's name in its init, and must get it. Deputies compete for a few other names, lose them, send by name and end in
 * every way, while foreign threads look names up and post by name. A name that stays is found by each search, and what is
 * sent by name comes to one who had that name.
 */
#include "heads.h"

enum { LOOPS = 3, LIVES_EACH = 4000, PRIZES = 12, STAYING = LOOPS, WATCHERS = 2, TAG_ACT = 2, TAG_BY_NAME = 3 };

typedef struct deputy {
    uint64_t random;
    jzx_actor_id id;
    uint32_t head;
    uint32_t acts;
    bool has[PRIZES];
    bool had[PRIZES];
} deputy;

static stress_world world;
static stress_heads heads;
static _Atomic(uint64_t) holders[PRIZES]; /* who says that it has it */
static _Atomic(uint64_t) taken;
static _Atomic(uint64_t) by_name;
static jzx_actor_id staying[STAYING];

static void name_of(char text[JZX_NAME_MAX], const char *what, uint32_t number)
{
    (void)snprintf(text, JZX_NAME_MAX, "%s number %u", what, number);
}

static void check_staying(uint32_t i)
{
    char name[JZX_NAME_MAX];
    jzx_actor_id id = 0;
    name_of(name, "staying", i);
    jzx_err err = jzx_whereis(world.runtime, name, &id);
    if (err == JZX_ERR_NOT_FOUND) {
        CHECK(atomic_load(&heads.over)); /* nothing but the stop ends them, and who looks may have been asleep since */
        return;
    }
    CHECK_OK(err);
    CHECK(id == staying[i]);
}

/* ---- deputies ---- */

static void lose(deputy *me, uint32_t prize)
{
    me->has[prize] = false;
    CHECK(atomic_exchange(&holders[prize], 0) == me->id);
}

/* Before the name is free, nobody else can have it; so what is said here is said first. */
static void let_go(jzx_context *context, deputy *me, uint32_t prize)
{
    char name[JZX_NAME_MAX];
    name_of(name, "prize", prize);
    lose(me, prize);
    CHECK_OK(jzx_unregister(context, name));
}

static void compete(jzx_context *context, deputy *me, uint32_t prize)
{
    char name[JZX_NAME_MAX];
    name_of(name, "prize", prize);
    jzx_err err = jzx_register(context, name, me->id);
    if (me->has[prize]) {
        CHECK(err == JZX_ERR_NAME_TAKEN);
        let_go(context, me, prize);
        return;
    }
    if (err != JZX_OK) {
        CHECK(err == JZX_ERR_NAME_TAKEN);
        return;
    }
    CHECK(atomic_exchange(&holders[prize], me->id) == 0);
    me->has[prize] = true;
    me->had[prize] = true;
    atomic_fetch_add_explicit(&taken, 1, memory_order_relaxed);
    jzx_actor_id id = 0;
    CHECK_OK(jzx_whereis(world.runtime, name, &id));
    CHECK(id == me->id);
}

static void send_to(jzx_context *context, uint32_t prize)
{
    char name[JZX_NAME_MAX];
    name_of(name, "prize", prize);
    jzx_message message = stress_owned(TAG_BY_NAME, prize);
    if (jzx_send_name(context, name, &message) != JZX_OK) {
        stress_refused(&message);
    }
}

static jzx_err deputy_init(jzx_context *context, void *argument, void **state)
{
    deputy *me = *state;
    const stress_head *mine = argument;
    me->id = jzx_self(context);
    me->head = mine->index;
    me->random = me->id * 0x9E3779B97F4A7C15u;
    char name[JZX_NAME_MAX];
    name_of(name, "head", me->head);
    CHECK_OK(jzx_register(context, name, me->id)); /* its predecessor's, whose DOWN was handled */
    if (stress_random(&me->random) % 8 == 0) {
        return JZX_ERR_NOT_FOUND;
    }
    jzx_message act = jzx_message_empty(TAG_ACT);
    CHECK_OK(jzx_send_name(context, name, &act));
    return JZX_OK;
}

static void deputy_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    deputy *me = state;
    (void)info;
    for (uint32_t i = 0; i < PRIZES; i++) {
        if (me->has[i] && i % 2 == 0) {
            let_go(context, me, i);
        } else if (me->has[i]) {
            lose(me, i); /* the runtime takes the name right after this */
        }
    }
}

static jzx_behavior_result end_somehow(jzx_context *context, deputy *me)
{
    switch (stress_random(&me->random) % 6) {
    case 0:
        return JZX_BEHAVIOR_STOP;
    case 1:
        return JZX_BEHAVIOR_FAIL;
    case 2:
        CHECK_OK(jzx_kill(context, me->id));
        break;
    case 3:
        CHECK_OK(jzx_drain(context, me->id));
        break;
    case 4:
        CHECK_OK(jzx_fail(context, me->id, 4, "enough"));
        break;
    default:
        CHECK_OK(jzx_stop(context, me->id));
        break;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result act(jzx_context *context, deputy *me)
{
    for (int i = 0; i < 4; i++) {
        compete(context, me, (uint32_t)(stress_random(&me->random) % PRIZES));
        send_to(context, (uint32_t)(stress_random(&me->random) % PRIZES));
        check_staying((uint32_t)(stress_random(&me->random) % STAYING));
    }
    if (++me->acts > stress_random(&me->random) % 12) {
        return end_somehow(context, me);
    }
    jzx_message again = jzx_message_empty(TAG_ACT);
    jzx_err err = jzx_send(context, me->id, &again);
    CHECK(err == JZX_OK || err == JZX_ERR_MAILBOX_FULL || err == JZX_ERR_WOULD_BLOCK);
    return err == JZX_OK ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_STOP;
}

static jzx_behavior_result deputy_behave(jzx_context *context, void *state, const jzx_message *message)
{
    deputy *me = state;
    if (message->tag == TAG_BY_NAME) {
        uint64_t prize = stress_take(message);
        CHECK(prize < PRIZES && me->had[prize]);
        atomic_fetch_add_explicit(&by_name, 1, memory_order_relaxed);
        return JZX_BEHAVIOR_OK;
    }
    return message->tag == TAG_ACT ? act(context, me) : JZX_BEHAVIOR_UNHANDLED;
}

/* ---- threads without a loop ---- */

static void *look(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    while (!atomic_load(&heads.over)) {
        char name[JZX_NAME_MAX];
        uint32_t prize = (uint32_t)(stress_random(&random) % PRIZES);
        jzx_actor_id id = 0;
        name_of(name, "head", (uint32_t)(stress_random(&random) % STRESS_HEADS));
        jzx_err err = jzx_whereis(world.runtime, name, &id);
        CHECK(err == JZX_OK ? jzx_actor_loop(id) < LOOPS : err == JZX_ERR_NOT_FOUND);
        name_of(name, "prize", prize);
        jzx_message message = stress_owned(TAG_BY_NAME, prize);
        if (jzx_post_name(world.runtime, name, &message) != JZX_OK) {
            stress_refused(&message);
        }
        sched_yield();
    }
    return NULL;
}

static void *look_for_those_who_stay(void *argument)
{
    (void)argument;
    uint64_t looks = 0;
    while (!atomic_load(&heads.over)) {
        check_staying((uint32_t)(looks++ % STAYING));
        if (looks % 16 == 0) {
            sched_yield();
        }
    }
    return NULL;
}

/* With a small table that is full at times. A name on its way out counts for a moment longer: one on each loop. */
static void set_up(uint64_t seed)
{
    jzx_config config;
    stress_config(&config, LOOPS);
    config.names_max = STRESS_HEADS + STAYING + PRIZES + LOOPS;
    stress_open(&world, &config);
    for (uint32_t i = 0; i < STAYING; i++) {
        char name[JZX_NAME_MAX];
        name_of(name, "staying", i);
        staying[i] = stress_spawn(&world, i % LOOPS, stress_stay, NULL, 0);
        CHECK_OK(jzx_register(jzx_loop_context(world.loops[i % LOOPS]), name, staying[i]));
    }
    jzx_spawn_options_init(&heads.options);
    heads.options.behavior = deputy_behave;
    heads.options.init = deputy_init;
    heads.options.fini = deputy_fini;
    heads.options.state_size = sizeof(deputy);
    heads.lives_each = LIVES_EACH;
    stress_heads_begin(&heads, &world, seed);
}

static void check_that_none_is_left(void)
{
    static const char *const kinds[] = {"head", "prize", "staying"};
    for (unsigned kind = 0; kind < 3; kind++) {
        for (uint32_t i = 0; i < PRIZES; i++) {
            char name[JZX_NAME_MAX];
            jzx_actor_id id;
            name_of(name, kinds[kind], i);
            CHECK(jzx_whereis(world.runtime, name, &id) == JZX_ERR_NOT_FOUND);
            CHECK(atomic_load(&holders[i]) == 0);
        }
    }
    CHECK(atomic_load(&taken) > 0 && atomic_load(&by_name) > 0);
}

int main(int argc, char **argv)
{
    uint64_t seed = stress_begin(argc, argv);
    pthread_t threads[WATCHERS];
    set_up(seed);
    for (uint32_t i = 0; i < WATCHERS; i++) {
        void *argument = (void *)(uintptr_t)(seed + 100 + i);
        CHECK(pthread_create(&threads[i], NULL, i == 0 ? look : look_for_those_who_stay, argument) == 0);
    }
    stress_start(&world, 1);
    CHECK_OK(jzx_loop_run(world.loops[0]));
    CHECK_OK(jzx_runtime_shutdown(world.runtime, JZX_FOREVER, NULL));
    for (uint32_t i = 0; i < WATCHERS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    check_that_none_is_left();
    stress_balance(&world);
    stress_close(&world);
    return 0;
}
