/*
 * asks: actors on three loops ask one another, with deadlines and without, and answer at once, later, or never because
 * they end. Each request has exactly one end: an answer, or the word that none comes. Mailboxes and lanes are small. An
 * observer gives each that ended a successor.
 */
#include "stress.h"

enum {
    LOOPS = 3,
    ASKERS = 9,
    REQUESTS_EACH = 2500,
    OPEN_MAX = 24,
    SERVERS = 6,
    TAG_BEGIN = 1,
    TAG_ASK = 2,
    TAG_REPLY = 3,
    TAG_TICK = 4
};

typedef struct asker {
    uint64_t random;
    uint32_t asked;
    uint32_t ended;
    uint32_t answers;
    uint32_t none;
    uint32_t open_count;
    uint64_t open[OPEN_MAX];
    bool done;
} asker;

typedef struct server {
    uint64_t random;
    uint32_t index;
    uint64_t kept[8];
} server;

static stress_world world;
static asker askers[ASKERS];
static server servers[SERVERS];
static _Atomic(uint64_t) server_ids[SERVERS]; /* they end, and successors take their place */
static _Atomic(uint32_t) askers_done;

static jzx_behavior_result serve(jzx_context *context, void *state, const jzx_message *message);

static jzx_err server_init(jzx_context *context, void *argument, void **state)
{
    server *me = argument;
    *state = me;
    memset(me->kept, 0, sizeof me->kept);
    atomic_store(&server_ids[me->index], jzx_self(context));
    jzx_message tick = jzx_message_empty(TAG_TICK);
    return jzx_timer_every(context, 300000, JZX_TICKS_SKIP, &tick, NULL);
}

static jzx_err spawn_server(jzx_context *context, uint32_t index)
{
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = serve;
    options.init = server_init;
    options.argument = &servers[index];
    options.mailbox_cap = 32;
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

static void answer(jzx_context *context, uint64_t ref, uint64_t value)
{
    jzx_message reply = stress_owned(TAG_REPLY, value + 1);
    CHECK_OK(jzx_answer(context, ref, &reply));
}

/* Answers now, or keeps the request and answers one kept before; sometimes ends with all it has kept. */
static jzx_behavior_result serve(jzx_context *context, void *state, const jzx_message *message)
{
    server *me = state;
    if (message->tag == TAG_TICK) { /* what was kept long enough */
        for (int i = 0; i < 8; i++) {
            if (me->kept[i] != 0) {
                answer(context, me->kept[i], 0);
                me->kept[i] = 0;
            }
        }
        return JZX_BEHAVIOR_OK;
    }
    if ((message->flags & JZX_MESSAGE_REQUEST) == 0) {
        return JZX_BEHAVIOR_UNHANDLED;
    }
    uint64_t value = stress_take(message);
    uint64_t dice = stress_random(&me->random);
    uint64_t *place = &me->kept[dice % 8];
    if (dice % 3 == 0) {
        uint64_t before = *place;
        *place = message->ref;
        if (before != 0) {
            answer(context, before, value);
        }
    } else {
        answer(context, message->ref, value);
    }
    return dice % 1021 == 0 ? JZX_BEHAVIOR_STOP : JZX_BEHAVIOR_OK;
}

static void finish_when_done(jzx_context *context, asker *me)
{
    (void)context;
    if (!me->done && me->asked == REQUESTS_EACH && me->open_count == 0) {
        me->done = true;
        if (atomic_fetch_add(&askers_done, 1) + 1 == ASKERS) {
            CHECK_OK(jzx_runtime_request_stop(world.runtime));
        }
    }
}

static void ask_more(jzx_context *context, asker *me)
{
    while (me->open_count < OPEN_MAX && me->asked < REQUESTS_EACH) {
        uint64_t dice = stress_random(&me->random);
        jzx_actor_id to = atomic_load(&server_ids[dice % SERVERS]);
        jzx_message request = stress_owned(TAG_ASK, dice);
        uint64_t ref;
        jzx_err err = jzx_request(context, to, &request, dice % 2 == 0 ? JZX_FOREVER : 1 + dice % 200000, &ref);
        if (err == JZX_OK) {
            me->open[me->open_count++] = ref;
            me->asked++;
            continue;
        }
        stress_refused(&request);
        if (err == JZX_ERR_MAILBOX_FULL || err == JZX_ERR_WOULD_BLOCK) {
            CHECK_OK(jzx_resume(context, to));
            return;
        }
        CHECK(err == JZX_ERR_NO_SUCH_ACTOR || err == JZX_ERR_STOPPING); /* it is ending here; ask another */
    }
    finish_when_done(context, me);
}

/* One request has ended; it must be one of the open ones. */
static void close_request(asker *me, uint64_t ref)
{
    for (uint32_t i = 0; i < me->open_count; i++) {
        if (me->open[i] == ref) {
            me->open[i] = me->open[--me->open_count];
            me->ended++;
            return;
        }
    }
    CHECK(!"an answer to what was not asked, or twice");
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    asker *me = state;
    if ((message->flags & JZX_MESSAGE_ANSWER) != 0) {
        if (message->tag == JZX_TAG_SYS_NO_ANSWER) {
            jzx_no_answer none;
            memcpy(&none, jzx_message_data(message), sizeof none);
            CHECK(none.reason < JZX_DROP_REASONS);
            me->none++;
        } else {
            CHECK(message->tag == TAG_REPLY);
            me->answers++;
            (void)stress_take(message);
        }
        close_request(me, message->ref);
    }
    ask_more(context, me);
    return JZX_BEHAVIOR_OK;
}

int main(int argc, char **argv)
{
    uint64_t seed = stress_begin(argc, argv);
    jzx_config config;
    stress_config(&config, LOOPS);
    config.lane_blocks = 2;
    stress_open(&world, &config);
    for (uint32_t i = 0; i < LOOPS; i++) {
        jzx_observer observer = {.struct_size = sizeof observer, .actor_stop = server_ended};
        CHECK_OK(jzx_observer_add(world.loops[i], &observer, &world));
    }
    for (uint32_t i = 0; i < SERVERS; i++) {
        servers[i] = (server){.random = seed + i, .index = i};
        CHECK_OK(spawn_server(jzx_loop_context(world.loops[i % LOOPS]), i));
    }
    for (uint32_t i = 0; i < ASKERS; i++) {
        askers[i] = (asker){.random = seed * 31 + i};
        jzx_actor_id id = stress_spawn(&world, i % LOOPS, behave, &askers[i], 0);
        jzx_message begin = jzx_message_empty(TAG_BEGIN);
        CHECK_OK(jzx_send(jzx_loop_context(world.loops[i % LOOPS]), id, &begin));
    }
    stress_reader reader;
    stress_start(&world, 1);
    stress_reader_start(&reader, &world);
    CHECK_OK(jzx_loop_run(world.loops[0]));
    CHECK_OK(jzx_runtime_shutdown(world.runtime, JZX_FOREVER, NULL));
    stress_reader_stop(&reader);
    uint32_t answers = 0;
    for (uint32_t i = 0; i < ASKERS; i++) {
        CHECK(askers[i].ended == REQUESTS_EACH && askers[i].answers + askers[i].none == REQUESTS_EACH);
        answers += askers[i].answers;
    }
    CHECK(answers > 0);
    stress_balance(&world);
    stress_close(&world);
    return 0;
}
