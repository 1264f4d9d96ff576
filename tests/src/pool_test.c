/* pool_test: work goes to workers that are free, with its first sender, and there are as many workers as it needs. */
#include "sched/annex.h"
#include "sched/call.h"
#include "tests/support/groups.h"

#include <jzx/pool.h>
#include <string.h>

/* ---- a crew: all incarnations of all workers ---- */

enum { WORKERS = 64, HOLDS = 32, WORK = 5, ANSWER = 6 };

typedef struct crew crew;

typedef struct worker {
    crew *crew;
    jzx_actor_id id;
    bool alive;
    uint32_t handled;
    uint64_t refs[HOLDS]; /* of what it keeps */
    uint32_t holds;
} worker;

struct crew {
    worker workers[WORKERS]; /* in the order of their starts */
    _Atomic(uint32_t) started;
    _Atomic(uint32_t) alive;
    _Atomic(uint32_t) most;    /* alive at one time */
    _Atomic(uint32_t) handled; /* works */
    _Atomic(uint32_t) wrong;   /* what no worker may see */
    _Atomic(uint32_t) second;  /* given to one that held something, while another held nothing */
    bool keeps;                /* requests, instead of answering them */
    bool works_on;             /* until they are cancelled */
    _Atomic(uint32_t) begun;   /* works that are so worked on, seen each time */
    _Atomic(uint32_t) cancelled;
    uint32_t init_fails; /* so many of the next starts */
    jzx_actor_id sender; /* that work must come from; 0: any */
    test_ledger *ledger;
    const void *buffer; /* that work must bring */
};

static jzx_err worker_init(jzx_context *context, void *argument, void **state)
{
    crew *c = *(crew **)argument;
    if (c->init_fails > 0) {
        c->init_fails--;
        return JZX_ERR_UNKNOWN;
    }
    worker *w = &c->workers[c->started++];
    *w = (worker){.crew = c, .id = jzx_self(context), .alive = true};
    uint32_t alive = ++c->alive;
    c->most = alive > c->most ? alive : c->most;
    *state = w;
    return JZX_OK;
}

static void worker_fini(jzx_context *context, void *state, const jzx_exit_info *exit)
{
    (void)context;
    (void)exit;
    worker *w = state;
    w->alive = false;
    w->crew->alive--;
}

static bool another_is_free(const worker *w)
{
    for (uint32_t i = 0; i < w->crew->started; i++) {
        const worker *other = &w->crew->workers[i];
        if (other != w && other->alive && other->holds == 0) {
            return true;
        }
    }
    return false;
}

static void take_payload(crew *c, const jzx_message *message)
{
    if ((message->flags & JZX_MESSAGE_POINTER) == 0) {
        return;
    }
    if (c->buffer != NULL) {
        c->wrong += jzx_message_data(message) != c->buffer || (message->flags & JZX_MESSAGE_LENT) == 0;
    } else {
        (void)test_payload_take(c->ledger, message);
    }
}

static jzx_behavior_result worker_behave(jzx_context *context, void *state, const jzx_message *message)
{
    worker *w = state;
    crew *c = w->crew;
    if (c->works_on && !jzx_cancelled(context)) {
        c->begun++;
        return JZX_BEHAVIOR_YIELD;
    }
    c->cancelled += jzx_cancelled(context);
    c->wrong += message->tag != WORK || (message->flags & JZX_MESSAGE_FLOW) == 0;
    c->wrong += c->sender != 0 && message->sender != c->sender;
    w->handled++;
    c->handled++;
    take_payload(c, message);
    if ((message->flags & JZX_MESSAGE_REQUEST) == 0) {
        uint32_t credits;
        c->wrong += jzx_flow_credits(context, message->ref, &credits) != JZX_ERR_NOT_FOUND;
        c->wrong += jzx_flow_close(context, message->ref) != JZX_ERR_NOT_FOUND;
        return JZX_BEHAVIOR_OK;
    }
    if (c->keeps && w->holds < HOLDS) {
        c->second += w->holds > 0 && another_is_free(w);
        w->refs[w->holds++] = message->ref;
        return JZX_BEHAVIOR_OK;
    }
    jzx_message answer = jzx_message_empty(ANSWER);
    c->wrong += jzx_answer(context, message->ref, &answer) != JZX_OK;
    return JZX_BEHAVIOR_OK;
}

/* ---- a pool with one client ---- */

typedef struct scene {
    test_world world;
    crew crew;
    crew *argument;
    test_actor client;
    jzx_child_spec worker;
    jzx_pool_options options;
    jzx_actor_id pool;
    uint64_t sent;
    jzx_err err;
    uint64_t timeout_ns;
    test_ledger *ledger;
    jzx_buffer *buffer; /* that send_buffer() sends */
    jzx_actor_id to;
    uint64_t ref;
    uint32_t rounds; /* of a request, before it comes to the pool */
} scene;

static jzx_context *host_of(const scene *s)
{
    return jzx_loop_context(s->world.loops[0]);
}

static void open_scene(scene *s, uint32_t loops, const jzx_config *config)
{
    memset(s, 0, sizeof *s);
    test_world_open(&s->world, loops, config);
    test_spawn(&s->world, loops - 1, &s->client);
    s->argument = &s->crew;
    jzx_child_spec_init(&s->worker);
    s->worker.init = worker_init;
    s->worker.behavior = worker_behave;
    s->worker.fini = worker_fini;
    s->worker.argument = &s->argument; /* a copy of the pointer */
    s->worker.argument_size = sizeof s->argument;
    s->worker.placement = JZX_PLACE_LEAST_LOADED;
    jzx_pool_options_init(&s->options);
    s->options.name = "pool";
    s->options.worker = &s->worker;
    s->options.check_ns = 1000000;
    s->timeout_ns = JZX_FOREVER;
}

static jzx_actor_id queue_of(const scene *s)
{
    jzx_actor_id id = 0;
    (void)jzx_whereis(s->world.runtime, "pool", &id);
    return id;
}

static void start_pool(scene *s)
{
    jzx_err err = jzx_pool_start(host_of(s), &s->options, &s->pool, NULL);
    cr_assert_eq(err, JZX_OK, "%s", jzx_strerror(err));
    test_until(&s->world, s->crew.alive == s->options.workers_min && queue_of(s) != 0);
}

static void close_scene(scene *s)
{
    cr_assert_eq(s->crew.wrong, 0);
    test_world_close(&s->world);
    cr_assert_eq(s->crew.alive, 0);
}

static jzx_behavior_result send_one(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    scene *s = argument;
    jzx_message message = s->ledger == NULL ? jzx_message_empty(WORK) : test_payload(s->ledger, WORK, 100);
    s->err = jzx_send(context, s->to, &message);
    if (s->err != JZX_OK && s->ledger != NULL) {
        (void)test_payload_take(s->ledger, &message);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result request_one(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    scene *s = argument;
    jzx_message message = s->ledger == NULL ? jzx_message_empty(WORK) : test_payload(s->ledger, WORK, 100);
    s->err = jzx_request(context, s->to, &message, s->timeout_ns, &s->ref);
    if (s->err != JZX_OK && s->ledger != NULL) {
        (void)test_payload_take(s->ledger, &message);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err give(scene *s, test_do_fn how)
{
    s->to = queue_of(s);
    test_do(&s->world, &s->client, how, s);
    s->sent += s->err == JZX_OK;
    return s->err;
}

static void give_many(scene *s, test_do_fn how, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        jzx_err err = give(s, how);
        cr_assert_eq(err, JZX_OK, "%s", jzx_strerror(err));
    }
}

static uint32_t held(const scene *s)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->crew.started; i++) {
        count += s->crew.workers[i].alive ? s->crew.workers[i].holds : 0;
    }
    return count;
}

/* In the name of a worker, between its handlers: its loop is driven by this thread. */
static jzx_context worker_context(const scene *s, const worker *w)
{
    jzx_loop *loop = s->world.loops[jzx_actor_loop(w->id)];
    jzx_context context;
    jzx__context_init(&context, loop, jzx__id_index(w->id));
    return context;
}

static void release(scene *s, worker *w)
{
    jzx_context context = worker_context(s, w);
    jzx_message answer = jzx_message_empty(ANSWER);
    cr_assert_eq(jzx_answer(&context, w->refs[--w->holds], &answer), JZX_OK);
}

static void release_all(scene *s)
{
    s->crew.keeps = false;
    for (uint32_t i = 0; i < s->crew.started; i++) {
        while (s->crew.workers[i].alive && s->crew.workers[i].holds > 0) {
            release(s, &s->crew.workers[i]);
        }
    }
}

static jzx_behavior_result look(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    scene *s = argument;
    s->err = jzx_pool_look(context, s->to, JZX_FOREVER, &s->ref);
    return JZX_BEHAVIOR_OK;
}

static jzx_pool_info info_of(scene *s)
{
    uint32_t before = test_tags(&s->client, JZX_TAG_SYS_POOL);
    s->to = queue_of(s);
    test_do(&s->world, &s->client, look, s);
    cr_assert_eq(s->err, JZX_OK);
    test_until(&s->world, test_tags(&s->client, JZX_TAG_SYS_POOL) == before + 1);
    jzx_pool_info info;
    const jzx_message *message = test_tagged(&s->client, JZX_TAG_SYS_POOL, before);
    cr_assert_eq(message->ref, s->ref);
    memcpy(&info, message->bytes, sizeof info);
    return info;
}

static uint32_t refused(const scene *s, jzx_drop_reason reason)
{
    uint32_t count = 0;
    const jzx_message *message;
    for (uint32_t i = 0; (message = test_tagged(&s->client, JZX_TAG_SYS_NO_ANSWER, i)) != NULL; i++) {
        jzx_no_answer none;
        memcpy(&none, message->bytes, sizeof none);
        count += none.reason == (uint32_t)reason;
    }
    return count;
}

static uint32_t answered(const scene *s)
{
    return test_tags(&s->client, ANSWER);
}

/* Each case on one loop, and on two with the client on the second. */
#define POOL_TEST(name)                                 \
    static void name(scene *s);                         \
    Test(pool, name, .timeout = 60)                     \
    {                                                   \
        static scene s;                                 \
        for (uint32_t loops = 1; loops <= 2; loops++) { \
            open_scene(&s, loops, NULL);                \
            test_clock_steps(10000);                    \
            name(&s);                                   \
            close_scene(&s);                            \
        }                                               \
    }                                                   \
    static void name(scene *s)

/* ---- work ---- */

POOL_TEST(work_comes_from_its_first_sender)
{
    start_pool(s);
    s->crew.sender = s->client.id;
    give_many(s, send_one, 20);
    give_many(s, request_one, 20);
    test_until(&s->world, s->crew.handled == 40 && answered(s) == 20);
    for (uint32_t i = 0; i < 20; i++) {
        cr_assert_eq(test_tagged(&s->client, ANSWER, i)->sender, s->crew.workers[0].id, "not through the queue");
    }
}

POOL_TEST(nobody_holds_two_while_another_is_free)
{
    s->options.workers_min = 3;
    s->options.workers_max = 3;
    s->options.per_worker = 4;
    s->crew.keeps = true;
    start_pool(s);
    test_world_settle(&s->world);
    for (uint32_t i = 0; i < 12; i++) {
        cr_assert_eq(give(s, request_one), JZX_OK);
        test_until(&s->world, held(s) == i + 1);
        test_world_settle(&s->world);
        for (uint32_t k = 0; k < 3; k++) {
            uint32_t holds = s->crew.workers[k].holds;
            cr_assert(holds == i / 3 || holds == i / 3 + 1, "worker %u holds %u of %u", k, holds, i + 1);
        }
    }
    cr_assert_eq(s->crew.second, 0);
    /* Who has given all of his back is the next. */
    while (s->crew.workers[1].holds > 0) {
        release(s, &s->crew.workers[1]);
    }
    test_world_settle(&s->world);
    cr_assert_eq(give(s, request_one), JZX_OK);
    test_until(&s->world, s->crew.workers[1].holds == 1);
    release_all(s);
    test_until(&s->world, answered(s) == 13);
}

POOL_TEST(it_grows_under_load_and_stops_at_its_most)
{
    s->options.workers_max = 4;
    s->crew.keeps = true;
    start_pool(s);
    give_many(s, request_one, 10);
    test_until(&s->world, held(s) == 4);
    for (unsigned i = 0; i < 50; i++) {
        jzx_pool_info info = info_of(s);
        cr_assert_eq(info.workers, 4);
        cr_assert_eq(info.busy, 4);
        cr_assert_eq(info.starting, 0);
        cr_assert_eq(info.waiting, 6);
        cr_assert_eq(info.handed, 4);
        cr_assert_eq(info.grown, 4);
        cr_assert_eq(info.shrunk, 0);
    }
    cr_assert_eq(s->crew.most, 4);
    release(s, &s->crew.workers[2]);
    test_until(&s->world, s->crew.workers[2].holds == 1);
    cr_assert_eq(info_of(s).waiting, 5);
    release_all(s);
    test_until(&s->world, answered(s) == 10);
    cr_assert_eq(s->crew.most, 4);
    cr_assert_eq(s->crew.started, 4);
}

POOL_TEST(each_loop_has_as_many_workers)
{
    s->options.workers_min = 6;
    s->options.workers_max = 6;
    start_pool(s);
    uint32_t there = 0;
    for (uint32_t i = 0; i < 6; i++) {
        there += jzx_actor_loop(s->crew.workers[i].id) == 1;
    }
    cr_assert_eq(there, s->world.loop_count == 2 ? 3 : 0);
}

POOL_TEST(what_waits_is_bounded_and_the_queue_refuses)
{
    s->options.queue_max = 8;
    s->crew.keeps = true;
    start_pool(s);
    uint32_t went = 0;
    while (give(s, request_one) == JZX_OK) {
        test_world_settle(&s->world);
        cr_assert_leq(++went, 9 + 8);
    }
    cr_assert_eq(s->err, JZX_ERR_MAILBOX_FULL);
    cr_assert_geq(went, 6, "%u", went);
    cr_assert_eq(held(s), 1);
    test_do(&s->world, &s->client, look, s);
    cr_assert_eq(s->err, JZX_ERR_MAILBOX_FULL, "it has no other way in");
    release_all(s);
    test_until(&s->world, answered(s) == went);
    cr_assert_eq(give(s, request_one), JZX_OK);
    test_until(&s->world, answered(s) == went + 1);
}

POOL_TEST(payloads_have_one_fate)
{
    static test_ledger ledger;
    memset(&ledger, 0, sizeof ledger);
    s->ledger = &ledger;
    s->crew.ledger = &ledger;
    s->crew.keeps = true;
    start_pool(s);
    give_many(s, request_one, 6);
    give_many(s, send_one, 6);
    test_until(&s->world, held(s) == 1);
    test_world_settle(&s->world);
    cr_assert_eq(ledger.taken, 1);
    release_all(s);
    test_until(&s->world, s->crew.handled == 12);
    cr_assert_eq(ledger.taken, 12);
    s->crew.keeps = true;
    give_many(s, request_one, 5);
    give_many(s, send_one, 5);
    test_world_settle(&s->world);
    cr_assert_eq(jzx_kill(jzx_loop_context(s->world.loops[0]), queue_of(s)), JZX_OK);
    test_until(&s->world, test_ledger_open(&ledger) == 0);
    cr_assert_eq(ledger.twice, 0);
    cr_assert_eq(ledger.dropped, 9, "all but the one that a worker has");
}

static jzx_behavior_result send_buffer(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    scene *s = argument;
    (void)jzx_buffer_ref(s->buffer);
    (void)jzx_buffer_ref(s->buffer);
    jzx_message message = jzx_message_buffer(WORK, s->buffer);
    s->err = jzx_send(context, s->to, &message);
    if (s->err == JZX_OK) {
        s->err = jzx_request(context, s->to, &message, JZX_FOREVER, NULL);
    }
    return JZX_BEHAVIOR_OK;
}

POOL_TEST(a_buffer_goes_on_with_its_references)
{
    cr_assert_eq(jzx_buffer_copy(s->world.runtime, "twelve bytes", 12, &s->buffer), JZX_OK);
    s->crew.buffer = jzx_buffer_data(s->buffer);
    s->crew.keeps = true;
    start_pool(s);
    for (uint32_t i = 0; i < 3; i++) {
        give_many(s, send_buffer, 1);
        test_world_settle(&s->world);
    }
    jzx_buffer_unref(s->buffer); /* the world's memory tells whether the others went */
    release_all(s);
    test_until(&s->world, s->crew.handled == 6);
}

POOL_TEST(a_deadline_that_passes_while_it_waits)
{
    s->crew.keeps = true;
    start_pool(s);
    give_many(s, request_one, 1);
    test_until(&s->world, held(s) == 1);
    s->timeout_ns = 2000000;
    give_many(s, request_one, 3);
    test_until(&s->world, refused(s, JZX_DROP_DEADLINE) == 3);
    s->timeout_ns = JZX_FOREVER;
    give_many(s, request_one, 1);
    release_all(s);
    test_until(&s->world, answered(s) == 2);
    test_world_settle(&s->world);
    cr_assert_eq(s->crew.handled, 5 - 3 + s->crew.handled - 2, "each that came in time");
}

static jzx_behavior_result call_ended(jzx_context *context, void *state, void *argument, const jzx_result *result)
{
    (void)context;
    (void)state;
    *(jzx_err *)argument = result->err;
    return JZX_BEHAVIOR_OK;
}

typedef struct calling {
    scene *scene;
    uint64_t deadline_in_ns;
    uint64_t ref;
    jzx_err ended;
} calling;

static jzx_behavior_result call_one(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    calling *a = argument;
    jzx_call_options options;
    jzx_call_options_init(&options);
    options.on_answer = call_ended;
    options.argument = &a->ended;
    if (a->deadline_in_ns != 0) {
        options.deadline_ns = jzx_now_ns(context) + a->deadline_in_ns;
    }
    jzx_message message = jzx_message_empty(WORK);
    a->ended = JZX_ERR_UNKNOWN;
    a->scene->err = jzx_call_with(context, a->scene->to, &message, &options, &a->ref);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result cancel_one(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    calling *a = argument;
    a->scene->err = jzx_call_cancel(context, a->ref);
    return JZX_BEHAVIOR_OK;
}

POOL_TEST(calls_and_those_that_are_cancelled_or_late_while_they_wait)
{
    static calling calls[4];
    memset(calls, 0, sizeof calls);
    s->crew.keeps = true;
    start_pool(s);
    s->to = queue_of(s);
    calls[2].deadline_in_ns = 3000000;
    for (unsigned i = 0; i < 4; i++) {
        calls[i].scene = s;
        test_do(&s->world, &s->client, call_one, &calls[i]);
        cr_assert_eq(s->err, JZX_OK);
    }
    test_until(&s->world, held(s) == 1);
    test_do(&s->world, &s->client, cancel_one, &calls[1]);
    test_until(&s->world, calls[2].ended == JZX_ERR_TIMEOUT);
    cr_assert_eq(calls[1].ended, JZX_ERR_CANCELLED);
    release_all(s);
    test_until(&s->world, calls[3].ended == JZX_OK);
    cr_assert_eq(calls[0].ended, JZX_OK);
    cr_assert_eq(s->crew.handled, 2, "the two others were not wanted any more");
}

POOL_TEST(a_cancel_reaches_the_work_at_its_worker)
{
    static calling calls[2];
    memset(calls, 0, sizeof calls);
    s->crew.works_on = true;
    s->options.workers_min = 2; /* of two loops each has one */
    s->options.workers_max = 2;
    start_pool(s);
    s->to = queue_of(s);
    for (unsigned i = 0; i < 2; i++) {
        calls[i].scene = s;
        test_do(&s->world, &s->client, call_one, &calls[i]);
        cr_assert_eq(s->err, JZX_OK);
    }
    test_until(&s->world, s->crew.begun > 40);
    for (unsigned i = 0; i < 2; i++) {
        test_do(&s->world, &s->client, cancel_one, &calls[i]);
        cr_assert_eq(s->err, JZX_OK);
    }
    test_until(&s->world, s->crew.cancelled == 2);
    test_until(&s->world, calls[0].ended == JZX_ERR_CANCELLED && calls[1].ended == JZX_ERR_CANCELLED);
}

/* ---- ends ---- */

POOL_TEST(no_work_is_lost_when_a_worker_ends_between_two)
{
    s->options.workers_min = 2;
    s->options.workers_max = 2;
    s->options.intensity = 100;
    start_pool(s);
    for (uint32_t i = 0; i < 6; i++) {
        uint32_t started = s->crew.started;
        worker *w = &s->crew.workers[started - 1 - i % 2];
        if (w->alive) {
            cr_assert_eq(jzx_kill(host_of(s), w->id), JZX_OK);
            test_until(&s->world, s->crew.started == started + 1);
            test_world_settle(&s->world);
        }
        give_many(s, request_one, 10);
        test_until(&s->world, answered(s) == 10 * (i + 1));
    }
    cr_assert_eq(test_tags(&s->client, JZX_TAG_SYS_NO_ANSWER), 0);
    test_until(&s->world, info_of(s).workers == 2);
}

POOL_TEST(what_a_worker_has_is_answered_when_it_ends)
{
    s->options.workers_min = 2;
    s->options.workers_max = 2;
    s->options.per_worker = 2;
    s->crew.keeps = true;
    start_pool(s);
    give_many(s, request_one, 7);
    test_until(&s->world, held(s) == 4);
    cr_assert_eq(jzx_kill(host_of(s), s->crew.workers[0].id), JZX_OK);
    test_until(&s->world, s->crew.started == 3 && s->crew.workers[2].holds == 2);
    cr_assert_eq(refused(s, JZX_DROP_ENDED), 2);
    release_all(s);
    test_until(&s->world, answered(s) == 5);
}

POOL_TEST(the_queue_is_killed)
{
    s->options.workers_min = 2;
    s->options.workers_max = 3;
    s->crew.keeps = true;
    start_pool(s);
    give_many(s, request_one, 9);
    test_until(&s->world, held(s) == 3);
    jzx_actor_id before = queue_of(s);
    cr_assert_eq(jzx_kill(host_of(s), before), JZX_OK);
    test_until(&s->world, refused(s, JZX_DROP_ENDED) == 9);
    test_until(&s->world, queue_of(s) != 0 && s->crew.alive == 2);
    cr_assert_neq(queue_of(s), before);
    s->crew.keeps = false;
    give_many(s, request_one, 9);
    test_until(&s->world, answered(s) == 9);
    cr_assert_eq(s->crew.most, 3);
}

POOL_TEST(a_worker_that_will_not_start_is_tried_again)
{
    s->crew.init_fails = 5;
    start_pool(s);
    give_many(s, request_one, 3);
    test_until(&s->world, answered(s) == 3);
    cr_assert_eq(s->crew.init_fails, 0);
    cr_assert_eq(info_of(s).grown, 1);
}

POOL_TEST(a_worker_that_is_not_restarted_is_replaced)
{
    s->worker.restart = JZX_TEMPORARY;
    start_pool(s);
    for (uint32_t i = 1; i <= 3; i++) {
        cr_assert_eq(jzx_kill(host_of(s), s->crew.workers[i - 1].id), JZX_OK);
        test_until(&s->world, s->crew.started == i + 1);
        test_until(&s->world, info_of(s).workers == 1);
        give_many(s, request_one, 3);
        test_until(&s->world, answered(s) == 3 * i);
    }
}

POOL_TEST(the_pool_is_stopped_with_work_that_waits)
{
    s->options.workers_max = 2;
    s->crew.keeps = true;
    start_pool(s);
    give_many(s, request_one, 6);
    test_until(&s->world, held(s) == 2);
    cr_assert_eq(jzx_stop(host_of(s), s->pool), JZX_OK);
    test_until(&s->world, refused(s, JZX_DROP_ENDED) == 6);
    test_until(&s->world, s->crew.alive == 0 && queue_of(s) == 0);
}

Test(pool, the_loop_of_workers_stops, .timeout = 60)
{
    static scene s;
    open_scene(&s, 2, NULL);
    s.options.workers_min = 4;
    s.options.workers_max = 4;
    test_actor local;
    memset(&local, 0, sizeof local);
    test_spawn(&s.world, 0, &local);
    start_pool(&s);
    cr_assert_eq(jzx_loop_request_stop(s.world.loops[1]), JZX_OK);
    while (atomic_load(&s.world.loops[1]->closed) == 0) {
        cr_assert_eq(jzx_loop_run_once(s.world.loops[1], 0), JZX_OK);
        cr_assert_eq(jzx_loop_run_once(s.world.loops[0], 0), JZX_OK);
    }
    test_until(&s.world, s.crew.started == 6 && s.crew.alive == 4);
    for (uint32_t i = 0; i < s.crew.started; i++) {
        cr_assert(!s.crew.workers[i].alive || jzx_actor_loop(s.crew.workers[i].id) == 0);
    }
    s.to = queue_of(&s);
    for (uint32_t i = 0; i < 8; i++) {
        test_do(&s.world, &local, request_one, &s);
        cr_assert_eq(s.err, JZX_OK);
    }
    test_until(&s.world, test_tags(&local, ANSWER) == 8);
    close_scene(&s);
}

/* ---- beside the queue ---- */

POOL_TEST(workers_are_members_with_their_place_as_tag)
{
    jzx_space *space;
    cr_assert_eq(jzx_space_create(s->world.runtime, NULL, &space), JZX_OK);
    jzx_group group = jzx_group_named(space, "workers");
    s->options.group = &group;
    s->options.workers_min = 3;
    s->options.workers_max = 3;
    s->options.intensity = 10;
    start_pool(s);
    for (uint32_t round = 0; round < 3; round++) {
        jzx_member members[4];
        uint32_t count = 0;
        cr_assert_eq(jzx_group_members(&group, members, 4, &count), JZX_OK);
        cr_assert_eq(count, 3);
        uint32_t tags = 0;
        for (uint32_t i = 0; i < 3; i++) {
            tags |= 1u << members[i].tag;
        }
        cr_assert_eq(tags, 7);
        uint32_t started = s->crew.started;
        cr_assert_eq(jzx_kill(host_of(s), members[1].id), JZX_OK);
        test_until(&s->world, s->crew.started == started + 1);
    }
}

static jzx_behavior_result offer_a_flow(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    scene *s = argument;
    s->err = jzx_flow_offer(context, s->to, &s->ref);
    return JZX_BEHAVIOR_OK;
}

POOL_TEST(the_queue_has_no_flows_with_others)
{
    start_pool(s);
    s->to = queue_of(s);
    test_do(&s->world, &s->client, offer_a_flow, s);
    cr_assert_eq(s->err, JZX_OK);
    test_until(&s->world, test_tags(&s->client, JZX_TAG_SYS_FLOW_ENDED) == 1);
    jzx_flow_ended ended;
    memcpy(&ended, test_tagged(&s->client, JZX_TAG_SYS_FLOW_ENDED, 0)->bytes, sizeof ended);
    cr_assert_eq(ended.err, JZX_ERR_UNHANDLED);
}

/* Loops on threads, and asked by one that has none. */
Test(pool, asked_from_outside, .timeout = 60)
{
    static scene s;
    open_scene(&s, 2, NULL);
    s.options.workers_min = 2;
    s.options.workers_max = 4;
    cr_assert_eq(jzx_pool_start(host_of(&s), &s.options, &s.pool, NULL), JZX_OK);
    test_world_start(&s.world);
    test_until(&s.world, queue_of(&s) != 0);
    for (uint32_t i = 0; i < 1000; i++) {
        jzx_message answer;
        const jzx_message question = jzx_message_empty(WORK);
        cr_assert_eq(jzx_ask(s.world.runtime, queue_of(&s), &question, JZX_FOREVER, &answer), JZX_OK);
        cr_assert_eq(answer.tag, ANSWER);
    }
    cr_assert_eq(s.crew.handled, 1000);
    close_scene(&s);
}

/* ---- options ---- */

static jzx_err start_with(scene *s)
{
    return jzx_pool_start(host_of(s), &s->options, &s->pool, NULL);
}

#define REFUSES(field, value)                                                  \
    do {                                                                       \
        jzx_pool_options before = s->options;                                  \
        s->options.field = (value);                                            \
        cr_expect_eq(start_with(s), JZX_ERR_INVALID_ARG, #field " = " #value); \
        s->options = before;                                                   \
    } while (0)

#define REFUSES_WORKER(field, value)                                        \
    do {                                                                    \
        jzx_child_spec before = s->worker;                                  \
        s->worker.field = (value);                                          \
        cr_expect_eq(start_with(s), JZX_ERR_INVALID_ARG, "worker." #field); \
        s->worker = before;                                                 \
    } while (0)

static void from_another_thread(void *argument)
{
    cr_expect_eq(start_with(argument), JZX_ERR_WRONG_THREAD);
}

POOL_TEST(options_are_checked)
{
    s->options.workers_max = 4;
    REFUSES(struct_size, 1);
    REFUSES(name, NULL);
    REFUSES(name, "");
    REFUSES(name, "a name that is longer than the name of a child may be");
    REFUSES(worker, NULL);
    REFUSES(workers_min, 0);
    REFUSES(workers_min, 5);
    REFUSES(workers_max, 0);
    REFUSES(workers_max, JZX_POOL_WORKERS_MAX + 1);
    REFUSES(per_worker, 0);
    REFUSES(per_worker, JZX_POOL_PER_WORKER_MAX + 1);
    REFUSES(queue_max, s->world.config.cells / 8 + 1);
    REFUSES(grow_load, 100);
    REFUSES(grow_load, 99);
    REFUSES(shrink_load, 1000);
    REFUSES(check_ns, 999999);
    REFUSES(intensity, JZX_INTENSITY_MAX + 1);
    REFUSES(period_ns, 0);
    jzx_group none;
    memset(&none, 0, sizeof none);
    REFUSES(group, &none);
    none.size = 1;
    REFUSES(group, &none);
    REFUSES_WORKER(struct_size, 1);
    REFUSES_WORKER(init, NULL);
    REFUSES_WORKER(behavior, NULL);
    REFUSES_WORKER(keep_mail, true);
    REFUSES_WORKER(type, JZX_SUPERVISOR);
    s->worker.name = "worker";
    REFUSES_WORKER(register_name, true);
    cr_assert_eq(jzx_pool_start(NULL, &s->options, NULL, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_pool_start(host_of(s), NULL, NULL, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_pool_look(host_of(s), s->client.id, 1, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_pool_look(NULL, s->client.id, 1, NULL), JZX_ERR_INVALID_ARG);
    test_on_thread(from_another_thread, s);
    jzx_pool_options_init(NULL);
    start_pool(s);
    give_many(s, request_one, 1);
    test_until(&s->world, answered(s) == 1);
}

POOL_TEST(workers_are_where_their_spec_says)
{
    s->options.workers_min = 2;
    s->options.workers_max = 2;
    s->worker.placement = JZX_PLACE_LOOP;
    s->worker.place_loop = s->world.loop_count - 1;
    start_pool(s);
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert_eq(jzx_actor_loop(s->crew.workers[i].id), s->world.loop_count - 1);
    }
    give_many(s, request_one, 2);
    test_until(&s->world, answered(s) == 2);
}

POOL_TEST(an_argument_without_a_size_is_a_pointer)
{
    s->worker.argument_size = 0;
    start_pool(s);
    give_many(s, send_one, 3);
    test_until(&s->world, s->crew.handled == 3);
}

/* It is started again and again, and fails, until there is room in the space. */
POOL_TEST(a_worker_that_cannot_join_its_group_does_not_start)
{
    jzx_group group = jzx_group_named(group_space(&s->world, 1, 1), "workers");
    static test_observer observer;
    memset(&observer, 0, sizeof observer);
    test_observe(&s->world, 0, &observer);
    jzx_member_id in_the_way = group_join(&s->world, &s->client, group, 1);
    s->options.group = &group;
    cr_assert_eq(jzx_pool_start(host_of(s), &s->options, &s->pool, NULL), JZX_OK);
    test_until(&s->world, observer.init_failures >= 2);
    cr_assert_eq(s->crew.started, 0);
    group_leave(&s->world, &s->client, in_the_way);
    test_until(&s->world, s->crew.alive == 1 && group_count(group) == 1);
    give_many(s, request_one, 1);
    test_until(&s->world, answered(s) == 1);
}

/* Hands a request to itself so often that whoever it goes to can hand it on no more, and then to the pool with a buffer. */
static jzx_behavior_result go_round(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    scene *s = actor->data;
    jzx_message next = jzx_message_empty(WORK);
    jzx_actor_id to = actor->id;
    if ((message->flags & JZX_MESSAGE_REQUEST) == 0) {
        return JZX_BEHAVIOR_OK;
    }
    if (++s->rounds == JZX__HOPS_MAX) {
        to = queue_of(s);
        next = jzx_message_buffer(WORK, s->buffer);
    }
    s->err = jzx_delegate(context, message->ref, to, &next);
    return JZX_BEHAVIOR_OK;
}

static void hand_on_too_often(scene *s, bool busy)
{
    static test_actor carousel;
    carousel = (test_actor){.on = go_round, .data = s};
    test_spawn(&s->world, s->world.loop_count - 1, &carousel);
    s->crew.keeps = busy;
    start_pool(s);
    if (busy) {
        give_many(s, request_one, 1);
        test_until(&s->world, held(s) == 1);
    }
    cr_assert_eq(jzx_buffer_copy(s->world.runtime, "bytes", 5, &s->buffer), JZX_OK);
    s->to = carousel.id;
    test_do(&s->world, &s->client, request_one, s);
    cr_assert_eq(s->err, JZX_OK);
    test_until(&s->world, s->rounds == JZX__HOPS_MAX);
    cr_assert_eq(s->err, JZX_OK, "%s", jzx_strerror(s->err));
    test_world_settle(&s->world);
    release_all(s);
    test_until(&s->world, test_tags(&s->client, JZX_TAG_SYS_NO_ANSWER) == 1);
    cr_assert_eq(refused(s, busy ? JZX_DROP_LIMIT : JZX_DROP_UNHANDLED), 1);
    cr_assert_eq(s->crew.handled, busy);
    cr_assert_eq(jzx_kill(jzx_loop_context(s->world.loops[s->world.loop_count - 1]), carousel.id), JZX_OK);
    test_until(&s->world, carousel.finis == 1);
}

POOL_TEST(what_was_handed_on_too_often_is_refused)
{
    hand_on_too_often(s, false);
}

POOL_TEST(so_it_is_after_it_has_waited)
{
    hand_on_too_often(s, true);
}

Test(pool, defaults, .timeout = 60)
{
    jzx_pool_options options;
    jzx_pool_options_init(&options);
    cr_assert_eq(options.struct_size, sizeof options);
    cr_assert_null(options.name);
    cr_assert_null(options.worker);
    cr_assert_null(options.group);
    cr_assert_eq(options.workers_min, 1);
    cr_assert_eq(options.workers_max, 1);
    cr_assert_eq(options.per_worker, 1);
    cr_assert_eq(options.queue_max, 0);
    cr_assert_eq(options.grow_load, 1000);
    cr_assert_eq(options.shrink_load, 100);
    cr_assert_eq(options.check_ns, 10000000);
    cr_assert_eq(options.cooldown_ns, 1000000000);
    cr_assert_eq(options.intensity, 3);
    cr_assert_eq(options.period_ns, 5000000000);
}
