/*
 * askers: more foreign threads than may ask at one time ask actors on two loops, with deadlines and without. The actors answer
 * at once, later, or never because they end, and an observer gives each a successor. Each ask ends once: refused, with the
 * answer to this very question, or with the word that none comes. Then the runtime stops while all go on asking.
 */
#include "stress.h"

enum {
    LOOPS = 2,
    THREADS = 6,
    ASKS_MAX = 4,
    ASKS_EACH = 3000,
    SERVERS = 4,
    KEPT = 4,
    TAG_ASK = 1,
    TAG_REPLY = 2,
    TAG_TICK = 3
};

typedef struct server {
    uint64_t random;
    uint32_t index;
    uint64_t kept[KEPT]; /* requests to answer later; 0: none */
    uint64_t values[KEPT];
} server;

typedef struct asker {
    uint64_t random;
    uint32_t number;
    uint64_t answers;
    uint64_t none;
    uint64_t refused;
    pthread_t thread;
} asker;

static stress_world world;
static server servers[SERVERS];
static _Atomic(uint64_t) server_ids[SERVERS];
static asker askers[THREADS];
static _Atomic(uint32_t) through; /* askers that have asked enough */

/* ---- servers ---- */

static void answer(jzx_context *context, uint64_t ref, uint64_t value)
{
    value++; /* of this very question */
    jzx_message reply = value % 3 == 0 ? stress_owned(TAG_REPLY, value)
                                       : jzx_message_value(TAG_REPLY, &value, sizeof value);
    CHECK_OK(jzx_answer(context, ref, &reply));
}

static void answer_kept(jzx_context *context, server *me, uint32_t place)
{
    if (me->kept[place] != 0) {
        answer(context, me->kept[place], me->values[place]);
        me->kept[place] = 0;
    }
}

static jzx_behavior_result serve(jzx_context *context, void *state, const jzx_message *message)
{
    server *me = state;
    uint64_t dice = stress_random(&me->random);
    uint32_t place = (uint32_t)(dice % KEPT);
    if (message->tag == TAG_TICK) { /* what was kept long enough */
        for (uint32_t i = 0; i < KEPT; i++) {
            answer_kept(context, me, i);
        }
        return JZX_BEHAVIOR_OK;
    }
    CHECK((message->flags & JZX_MESSAGE_REQUEST) != 0 && message->sender == 0);
    if (dice % 61 == 0) {
        return JZX_BEHAVIOR_UNHANDLED;
    }
    uint64_t value = stress_take(message);
    if (dice % 3 == 0) {
        answer_kept(context, me, place);
        me->kept[place] = message->ref;
        me->values[place] = value;
    } else {
        answer(context, message->ref, value);
    }
    return dice % 97 == 0 ? JZX_BEHAVIOR_FAIL : JZX_BEHAVIOR_OK;
}

static jzx_err server_init(jzx_context *context, void *argument, void **state)
{
    server *me = argument;
    *state = me;
    memset(me->kept, 0, sizeof me->kept);
    atomic_store(&server_ids[me->index], jzx_self(context));
    jzx_message tick = jzx_message_empty(TAG_TICK);
    return jzx_timer_every(context, 200000, JZX_TICKS_SKIP, &tick, NULL);
}

static jzx_err spawn_server(jzx_context *context, uint32_t index)
{
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = serve;
    options.init = server_init;
    options.argument = &servers[index];
    options.mailbox_cap = 8;
    options.mailbox_policy = (uint8_t)(index % 3);
    return jzx_spawn(context, &options, NULL);
}

/* The successor is the same server again. */
static void server_ended(void *user, jzx_context *context, const jzx_exit_info *info, const char *name)
{
    (void)user;
    (void)name;
    for (uint32_t i = 0; i < SERVERS; i++) {
        if (atomic_load(&server_ids[i]) == info->id) {
            jzx_err err = spawn_server(context, i);
            CHECK(err == JZX_OK || err == JZX_ERR_LOOP_CLOSED);
        }
    }
}

/* ---- askers ---- */

/* One ask to its end. False: the runtime stops. */
static bool ask(asker *me, jzx_poster *poster)
{
    uint64_t dice = stress_random(&me->random);
    uint64_t value = dice >> 8;
    jzx_message question = dice % 2 == 0 ? stress_owned(TAG_ASK, value)
                                         : jzx_message_value(TAG_ASK, &value, sizeof value);
    jzx_actor_id to = atomic_load(&server_ids[dice / 2 % SERVERS]);
    uint64_t timeout_ns = dice % 5 < 3 ? JZX_FOREVER : dice % 400000;
    jzx_message reply;
    jzx_err err = poster != NULL ? jzx_poster_ask(poster, to, &question, timeout_ns, &reply)
                                 : jzx_ask(world.runtime, to, &question, timeout_ns, &reply);
    if (err != JZX_OK) {
        stress_refused(&question);
        CHECK(err == JZX_ERR_LIMIT || err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_MAILBOX_FULL ||
              err == JZX_ERR_LOOP_CLOSED);
        me->refused++;
        sched_yield();
        return err != JZX_ERR_LOOP_CLOSED;
    }
    if (jzx_answer_err(&reply) == JZX_OK) {
        CHECK(reply.tag == TAG_REPLY && stress_take(&reply) == value + 1);
        me->answers++;
    } else {
        CHECK(jzx_answer_err(&reply) != JZX_ERR_UNKNOWN);
        CHECK(jzx_answer_err(&reply) != JZX_ERR_TIMEOUT || timeout_ns != JZX_FOREVER);
        me->none++;
    }
    return true;
}

static void *ask_main(void *argument)
{
    asker *me = argument;
    jzx_poster *poster = NULL;
    if (me->number % 3 == 0) {
        CHECK_OK(jzx_poster_create(world.runtime, 8, &poster));
    }
    bool more = true;
    while (more && me->answers < ASKS_EACH) {
        more = ask(me, poster);
    }
    CHECK(more);
    atomic_fetch_add(&through, 1);
    while (ask(me, poster)) { /* and on, until it stops */
    }
    return NULL;
}

/* ---- the run ---- */

int main(int argc, char **argv)
{
    uint64_t seed = stress_begin(argc, argv);
    jzx_config config;
    stress_config(&config, LOOPS);
    config.asks_max = ASKS_MAX;
    config.oldest_kernel = seed % 2 == 0; /* there foreign threads wake through an eventfd */
    stress_open(&world, &config);
    for (uint32_t i = 0; i < LOOPS; i++) {
        jzx_observer observer = {.struct_size = sizeof observer, .actor_stop = server_ended};
        CHECK_OK(jzx_observer_add(world.loops[i], &observer, &world));
    }
    for (uint32_t i = 0; i < SERVERS; i++) {
        servers[i] = (server){.random = seed + i, .index = i};
        CHECK_OK(spawn_server(jzx_loop_context(world.loops[i % LOOPS]), i));
    }
    stress_reader reader;
    stress_start(&world, 0);
    stress_reader_start(&reader, &world);
    for (uint32_t i = 0; i < THREADS; i++) {
        askers[i] = (asker){.random = seed * 31 + i, .number = i};
        CHECK(pthread_create(&askers[i].thread, NULL, ask_main, &askers[i]) == 0);
    }
    while (atomic_load(&through) < THREADS) {
        sched_yield();
    }
    CHECK_OK(jzx_runtime_shutdown(world.runtime, JZX_FOREVER, NULL));
    uint64_t answers = 0;
    uint64_t none = 0;
    for (uint32_t i = 0; i < THREADS; i++) {
        CHECK(pthread_join(askers[i].thread, NULL) == 0);
        answers += askers[i].answers;
        none += askers[i].none;
    }
    CHECK(answers >= (uint64_t)THREADS * ASKS_EACH && none > 0);
    stress_reader_stop(&reader);
    uint64_t answered = 0;
    for (uint32_t i = 0; i < LOOPS; i++) {
        jzx_counters counters;
        CHECK_OK(jzx_loop_stats(world.loops[i], &counters));
        answered += counters.asks_answered;
    }
    CHECK(answered >= answers && answered <= answers + none); /* the others: at a deadline, or when all was over */
    stress_balance(&world);
    stress_close(&world);
    return 0;
}
