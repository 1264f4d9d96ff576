/* request_test: a request gets exactly one answer, from its target or from the runtime. */
#include "tests/support/support.h"

#include <string.h>

static jzx_context *host_of(const test_world *world, uint32_t loop)
{
    return jzx_loop_context(world->loops[loop]);
}

static uint64_t dropped(const test_world *world, jzx_drop_reason reason)
{
    return test_count(world, offsetof(jzx_counters, dropped) + reason * sizeof(uint64_t));
}

/* ---- askers ---- */

typedef struct question {
    jzx_actor_id to;
    jzx_message message;
    uint64_t timeout_ns;
    uint64_t ref;
    jzx_err err;
} question;

static jzx_behavior_result ask(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    question *q = argument;
    q->err = jzx_request(context, q->to, &q->message, q->timeout_ns, &q->ref);
    return JZX_BEHAVIOR_OK;
}

static question ask_it(test_world *world, test_actor *asker, const test_actor *to, jzx_message message,
                       uint64_t timeout_ns)
{
    question q = {.to = to->id, .message = message, .timeout_ns = timeout_ns};
    test_do(world, asker, ask, &q);
    cr_assert_eq(q.err, JZX_OK, "%s", jzx_strerror(q.err));
    return q;
}

/* The reason for which the question `q` of `tag` got no answer. */
static uint32_t reason_of(const test_actor *asker, const question *q, uint32_t nth, uint32_t tag)
{
    const jzx_message *message = test_tagged(asker, JZX_TAG_SYS_NO_ANSWER, nth);
    cr_assert_not_null(message, "no NO_ANSWER came");
    jzx_no_answer none;
    cr_assert_eq(message->size, sizeof none);
    cr_assert_eq(message->flags, (uint32_t)JZX_MESSAGE_ANSWER);
    cr_assert_eq(message->ref, q->ref);
    memcpy(&none, message->bytes, sizeof none);
    cr_assert_eq(none.target, q->to);
    cr_assert_eq(none.tag, tag);
    return none.reason;
}

/* ---- answerers ---- */

/* Answers each request with the tag + 1000, now or when asked for it by test_do(answer_now). */
typedef struct answerer {
    bool later;
    uint64_t refs[TEST_LOG];
    uint32_t held;
    jzx_err err;
} answerer;

static jzx_behavior_result on_request(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    answerer *a = actor->data;
    if ((message->flags & JZX_MESSAGE_REQUEST) == 0) {
        return JZX_BEHAVIOR_OK;
    }
    if (a->later) {
        a->refs[a->held++] = message->ref;
        return JZX_BEHAVIOR_OK;
    }
    jzx_message answer = jzx_message_value(message->tag + 1000, &message->words[0], 8);
    a->err = jzx_answer(context, message->ref, &answer);
    return JZX_BEHAVIOR_OK;
}

typedef struct reply {
    uint64_t ref;
    jzx_message message;
    jzx_err err;
} reply;

static jzx_behavior_result answer_now(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    reply *r = argument;
    r->err = jzx_answer(context, r->ref, &r->message);
    return JZX_BEHAVIOR_OK;
}

static void spawn_answerer(test_world *world, uint32_t loop, test_actor *actor, answerer *a)
{
    actor->on = on_request;
    actor->data = a;
    test_spawn(world, loop, actor);
}

/* ---- answers ---- */

static void one_answer(uint32_t place, bool later, bool threads)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    answerer a = {.later = later};
    test_actor target = {0};
    test_actor asker = {0};
    spawn_answerer(&world, place, &target, &a);
    test_spawn(&world, 0, &asker);
    if (threads) {
        test_world_start(&world);
    }
    uint64_t word = 12345;
    question q = ask_it(&world, &asker, &target, jzx_message_value(7, &word, 8), JZX_FOREVER);
    cr_assert_neq(q.ref, 0);
    test_until(&world, target.received == 1);
    cr_assert_eq(target.log[0].flags, (uint32_t)JZX_MESSAGE_REQUEST);
    cr_assert_eq(target.log[0].sender, asker.id);
    cr_assert_eq(target.log[0].words[0], 12345);
    if (later) {
        cr_assert_eq(asker.received, 0);
        reply r = {.ref = a.refs[0], .message = jzx_message_value(1007, &word, 8)};
        test_do(&world, &target, answer_now, &r);
        cr_assert_eq(r.err, JZX_OK);
        test_do(&world, &target, answer_now, &r);
        cr_assert_eq(r.err, JZX_ERR_NO_SUCH_REQUEST, "answered before");
    } else {
        cr_assert_eq(a.err, JZX_OK);
    }
    test_until(&world, asker.received == 1);
    cr_assert_eq(asker.log[0].tag, 1007);
    cr_assert_eq(asker.log[0].flags, (uint32_t)JZX_MESSAGE_ANSWER);
    cr_assert_eq(asker.log[0].ref, q.ref);
    cr_assert_eq(asker.log[0].sender, target.id);
    cr_assert_eq(asker.log[0].words[0], 12345);
    test_world_close(&world);
    cr_assert_eq(asker.received, 1);
}

Test(request, one_question_one_answer, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        one_answer(place, false, false);
        one_answer(place, true, false);
        one_answer(place, false, true);
        one_answer(place, true, true);
    }
}

static jzx_behavior_result answer_pointer(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    jzx_message answer = test_payload(actor->data, 1, 200);
    cr_assert_eq(jzx_answer(context, message->ref, &answer), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

Test(request, payloads_go_there_and_back, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        test_ledger ledger = {0};
        test_actor target = {.on = answer_pointer, .ledger = &ledger, .data = &ledger};
        test_actor asker = {.ledger = &ledger};
        test_spawn(&world, place, &target);
        test_spawn(&world, 0, &asker);
        (void)ask_it(&world, &asker, &target, test_payload(&ledger, 3, 100), JZX_FOREVER);
        test_until(&world, asker.received == 1);
        cr_assert_eq(asker.log[0].flags, (uint32_t)(JZX_MESSAGE_ANSWER | JZX_MESSAGE_POINTER));
        cr_assert_eq(asker.log[0].size, 200);
        cr_assert_eq(ledger.taken, 2);
        test_world_close(&world);
        cr_assert_eq(test_ledger_open(&ledger), 0);
        cr_assert_eq(ledger.twice, 0);
    }
}

Test(request, to_itself, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    answerer a = {0};
    test_actor actor = {0};
    spawn_answerer(&world, 0, &actor, &a);
    question q = ask_it(&world, &actor, &actor, jzx_message_empty(5), JZX_FOREVER);
    test_until(&world, actor.received == 2);
    cr_assert_eq(actor.log[1].tag, 1005);
    cr_assert_eq(actor.log[1].ref, q.ref);
    test_world_close(&world);
}

Test(request, the_answer_passes_a_full_mailbox, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        answerer a = {0};
        test_actor target = {0};
        spawn_answerer(&world, place, &target, &a);
        test_actor asker = {0};
        jzx_spawn_options options;
        test_actor_options(&asker, &options);
        options.mailbox_cap = 1;
        test_spawn_with(&world, 0, &asker, &options);
        (void)ask_it(&world, &asker, &target, jzx_message_empty(5), JZX_FOREVER);
        test_send(&world, &asker, 1);
        jzx_message message = jzx_message_empty(1);
        cr_assert_eq(jzx_send(host_of(&world, 0), asker.id, &message), JZX_ERR_MAILBOX_FULL);
        test_until(&world, asker.received == 2);
        cr_assert_eq(test_tags(&asker, 1005), 1);
        test_world_close(&world);
    }
}

/* ---- no answer ---- */

Test(request, the_runtime_answers_for_one_that_is_not_there, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor asker = {0};
    test_actor dead[2] = {0};
    test_spawn(&world, 0, &asker);
    for (uint32_t i = 0; i < 2; i++) {
        test_spawn(&world, i, &dead[i]);
        cr_assert_eq(jzx_kill(host_of(&world, i), dead[i].id), JZX_OK);
        test_until(&world, dead[i].finis == 1);
    }
    test_ledger ledger = {0};
    question q = {.to = dead[0].id, .message = test_payload(&ledger, 3, 16), .timeout_ns = JZX_FOREVER, .ref = 7};
    test_do(&world, &asker, ask, &q);
    cr_assert_eq(q.err, JZX_ERR_NO_SUCH_ACTOR, "here it is known at once");
    cr_assert_eq(q.ref, 7);
    test_payload_take(&ledger, &q.message);
    q = ask_it(&world, &asker, &dead[1], test_payload(&ledger, 3, 16), JZX_FOREVER);
    test_until(&world, asker.received == 1);
    cr_assert_eq(reason_of(&asker, &q, 0, 3), JZX_DROP_NO_ACTOR);
    cr_assert_eq(ledger.dropped, 1);
    cr_assert_eq(dropped(&world, JZX_DROP_NO_ACTOR), 1);
    test_world_close(&world);
}

static void target_ends(uint32_t place, unsigned how)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    answerer a = {.later = true};
    test_actor target = {0};
    test_actor asker = {0};
    spawn_answerer(&world, place, &target, &a);
    test_spawn(&world, 0, &asker);
    question q = ask_it(&world, &asker, &target, jzx_message_empty(9), JZX_FOREVER);
    test_until(&world, target.received == 1);
    test_world_settle(&world);
    question second = {0};
    if (how == 1) { /* one it has taken, and one that is still queued when it ends */
        second = ask_it(&world, &asker, &target, jzx_message_empty(10), JZX_FOREVER);
        (void)second;
    }
    cr_assert_eq(jzx_kill(host_of(&world, place), target.id), JZX_OK);
    test_until(&world, asker.received == (how == 1 ? 2 : 1));
    const jzx_message *first = &asker.log[0];
    cr_assert_eq(first->tag, JZX_TAG_SYS_NO_ANSWER);
    bool first_is_q = first->ref == q.ref;
    cr_assert_eq(reason_of(&asker, &q, how == 1 && !first_is_q ? 1 : 0, 9), JZX_DROP_ENDED);
    if (how == 1) {
        uint32_t reason = reason_of(&asker, &second, first_is_q ? 1 : 0, 10);
        cr_assert(reason == JZX_DROP_ENDED || reason == JZX_DROP_STOPPING);
    }
    test_world_settle(&world);
    cr_assert_eq(asker.received, how == 1 ? 2 : 1);
    test_world_close(&world);
}

Test(request, Q2_the_runtime_answers_for_one_that_ends, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        target_ends(place, 0);
        target_ends(place, 1);
    }
}

static void answer_all(jzx_context *context, test_actor *actor, const jzx_exit_info *info)
{
    (void)info;
    answerer *a = actor->data;
    jzx_message answer = jzx_message_empty(77);
    for (uint32_t i = 0; i < a->held; i++) {
        a->err = jzx_answer(context, a->refs[i], &answer);
    }
}

Test(request, fini_may_still_answer, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        answerer a = {.later = true, .err = JZX_ERR_UNKNOWN};
        test_actor target = {.on_fini = answer_all};
        test_actor asker = {0};
        spawn_answerer(&world, place, &target, &a);
        test_spawn(&world, 0, &asker);
        question q = ask_it(&world, &asker, &target, jzx_message_empty(9), JZX_FOREVER);
        test_until(&world, target.received == 1);
        cr_assert_eq(jzx_kill(host_of(&world, place), target.id), JZX_OK);
        test_until(&world, asker.received == 1);
        cr_assert_eq(a.err, JZX_OK);
        cr_assert_eq(asker.log[0].tag, 77);
        cr_assert_eq(asker.log[0].ref, q.ref);
        test_world_settle(&world);
        cr_assert_eq(asker.received, 1, "and the runtime does not");
        test_world_close(&world);
    }
}

Test(request, a_deadline_is_an_answer_and_a_later_one_is_a_dead_letter, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        test_observer observer = {0};
        test_observe(&world, 0, &observer);
        test_clock_steps(10000);
        answerer a = {.later = true};
        test_ledger ledger = {0};
        test_actor target = {0};
        test_actor asker = {0};
        spawn_answerer(&world, place, &target, &a);
        test_spawn(&world, 0, &asker);
        uint64_t began = test_now_ns();
        question q = ask_it(&world, &asker, &target, jzx_message_empty(9), 3000000);
        test_until(&world, asker.received == 1);
        cr_assert_geq(test_now_ns() - began, 3000000, "never early");
        cr_assert_eq(reason_of(&asker, &q, 0, 0), JZX_DROP_DEADLINE);
        reply r = {.ref = a.refs[0], .message = test_payload(&ledger, 5, 16)};
        test_do(&world, &target, answer_now, &r);
        cr_assert_eq(r.err, JZX_OK, "the answerer cannot know");
        test_until(&world, dropped(&world, JZX_DROP_LATE) == 1);
        cr_assert_eq(observer.dead[JZX_DROP_LATE], 1);
        cr_assert_eq(ledger.dropped, 1);
        cr_assert_eq(asker.received, 1);
        test_world_close(&world);
    }
}

Test(request, an_answer_in_time_stops_the_deadline, .timeout = 60)
{
    const uint64_t deadline_ns = 300000000;
    test_world world;
    test_world_open(&world, 1, NULL);
    test_clock_steps(10000);
    answerer a = {0};
    test_actor target = {0};
    test_actor asker = {0};
    spawn_answerer(&world, 0, &target, &a);
    test_spawn(&world, 0, &asker);
    for (uint32_t i = 0; i < 3000; i++) { /* more than timers_max: each gives its place back */
        (void)ask_it(&world, &asker, &target, jzx_message_empty(1), deadline_ns);
        test_until(&world, asker.received == i + 1);
    }
    uint64_t until = test_now_ns() + deadline_ns;
    while (test_now_ns() < until) {
        test_world_step(&world);
    }
    cr_assert_eq(asker.received, 3000);
    cr_assert_eq(test_tags(&asker, JZX_TAG_SYS_NO_ANSWER), 0);
    test_world_close(&world);
}

Test(request, an_answer_for_one_that_has_ended_is_a_dead_letter, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        answerer a = {.later = true};
        test_ledger ledger = {0};
        test_actor target = {0};
        test_actor asker = {0};
        spawn_answerer(&world, place, &target, &a);
        test_spawn(&world, 0, &asker);
        (void)ask_it(&world, &asker, &target, jzx_message_empty(9), 1000000000);
        test_until(&world, target.received == 1);
        cr_assert_eq(jzx_kill(host_of(&world, 0), asker.id), JZX_OK);
        test_until(&world, asker.finis == 1);
        test_actor next = {0};
        test_spawn(&world, 0, &next); /* in its slot, with its cells */
        reply r = {.ref = a.refs[0], .message = test_payload(&ledger, 5, 16)};
        test_do(&world, &target, answer_now, &r);
        cr_assert_eq(r.err, JZX_OK);
        test_until(&world, dropped(&world, JZX_DROP_LATE) == 1);
        cr_assert_eq(ledger.dropped, 1);
        cr_assert_eq(next.received, 0);
        test_world_close(&world);
    }
}

static jzx_behavior_result ask_five(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    question *q = argument;
    for (unsigned i = 0; i < 5; i++) {
        q[i].err = jzx_request(context, q[i].to, &q[i].message, JZX_FOREVER, &q[i].ref);
    }
    return JZX_BEHAVIOR_OK;
}

/* Five questions in one turn to a mailbox of two. */
static void dropped_and_answered(jzx_mailbox_policy policy, uint32_t place)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    answerer a = {0};
    test_actor target = {.on = on_request, .data = &a};
    jzx_spawn_options options;
    test_actor_options(&target, &options);
    options.mailbox_cap = 2;
    options.mailbox_policy = (uint8_t)policy;
    test_spawn_with(&world, place, &target, &options);
    test_actor asker = {0};
    test_spawn(&world, 0, &asker);
    question q[5];
    for (unsigned i = 0; i < 5; i++) {
        q[i] = (question){.to = target.id, .message = jzx_message_empty(20 + i)};
    }
    test_do(&world, &asker, ask_five, q);
    test_until(&world, asker.received == 5);
    bool oldest = policy == JZX_MAILBOX_DROP_OLDEST;
    for (unsigned i = 0; i < 3; i++) {
        unsigned lost = oldest ? i : i + 2;
        cr_assert_eq(reason_of(&asker, &q[lost], i, 20 + lost), oldest ? JZX_DROP_OLDEST : JZX_DROP_NEWEST);
    }
    cr_assert_eq(test_tags(&asker, oldest ? 1023 : 1020), 1);
    cr_assert_eq(test_tags(&asker, oldest ? 1024 : 1021), 1);
    test_world_settle(&world);
    cr_assert_eq(asker.received, 5);
    test_world_close(&world);
}

Test(request, what_a_full_mailbox_dropped_is_answered_with_the_reason, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        dropped_and_answered(JZX_MAILBOX_DROP_NEWEST, place);
        dropped_and_answered(JZX_MAILBOX_DROP_OLDEST, place);
    }
}

/* ---- who may answer, and what ---- */

Test(request, M01_answers_that_cannot_be, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    answerer a = {.later = true};
    test_actor target = {0};
    test_actor asker = {0};
    test_actor other = {0};
    spawn_answerer(&world, 0, &target, &a);
    test_spawn(&world, 0, &asker);
    test_spawn(&world, 0, &other);
    question q = ask_it(&world, &asker, &target, jzx_message_empty(9), JZX_FOREVER);
    test_until(&world, target.received == 1);
    reply r = {.ref = a.refs[0], .message = jzx_message_empty(1)};
    test_do(&world, &other, answer_now, &r);
    cr_expect_eq(r.err, JZX_ERR_NO_SUCH_REQUEST, "another's");
    test_do(&world, &asker, answer_now, &r);
    cr_expect_eq(r.err, JZX_ERR_NO_SUCH_REQUEST, "the asker itself");
    const uint64_t refs[] = {0, 1, q.ref, UINT64_MAX, a.refs[0] + 1, a.refs[0] - 1, a.refs[0] ^ 1ull << 40, 1ull << 63};
    for (unsigned i = 0; i < sizeof refs / sizeof refs[0]; i++) {
        r.ref = refs[i];
        test_do(&world, &target, answer_now, &r);
        cr_expect_eq(r.err, JZX_ERR_NO_SUCH_REQUEST, "%lx", (unsigned long)refs[i]);
    }
    r = (reply){.ref = a.refs[0], .message = jzx_message_empty(JZX_TAG_SYS_NO_ANSWER)};
    test_do(&world, &target, answer_now, &r);
    cr_expect_eq(r.err, JZX_ERR_INVALID_ARG);
    cr_assert_eq(asker.received, 0);
    r.message = jzx_message_empty(2);
    test_do(&world, &target, answer_now, &r);
    cr_expect_eq(r.err, JZX_OK);
    test_until(&world, asker.received == 1);
    test_world_close(&world);
}

typedef struct passes {
    uint32_t count;
    uint64_t refs[3];
    bool answer_first;
    jzx_err err;
} passes;

static jzx_behavior_result answer_at_the_third_pass(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    passes *p = actor->data;
    jzx_message answer = jzx_message_value(50, message->bytes, message->size);
    p->refs[p->count++ % 3] = message->ref;
    if (p->answer_first || p->count == 3) {
        p->err = jzx_answer(context, message->ref, &answer);
    }
    return p->count < 3 ? JZX_BEHAVIOR_YIELD : JZX_BEHAVIOR_OK;
}

Test(request, one_that_yields_answers_at_its_last_pass, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    passes p = {0};
    test_actor target = {.on = answer_at_the_third_pass, .data = &p};
    test_actor asker = {0};
    test_spawn(&world, 0, &target);
    test_spawn(&world, 0, &asker);
    uint8_t bytes[32];
    memset(bytes, 0x5A, sizeof bytes);
    question q = ask_it(&world, &asker, &target, jzx_message_value(9, bytes, 32), JZX_FOREVER);
    test_until(&world, asker.received == 1);
    cr_assert_eq(p.count, 3);
    cr_assert_eq(p.err, JZX_OK);
    cr_assert_eq(asker.log[0].ref, q.ref);
    cr_assert_arr_eq(asker.log[0].bytes, bytes, 32);
    test_world_settle(&world);
    cr_assert_eq(asker.received, 1);
    test_world_close(&world);
}

Test(request, one_that_has_answered_cannot_yield, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    passes p = {.answer_first = true};
    test_actor target = {.on = answer_at_the_third_pass, .data = &p};
    test_actor asker = {0};
    test_spawn(&world, 0, &target);
    test_spawn(&world, 0, &asker);
    (void)ask_it(&world, &asker, &target, jzx_message_empty(9), JZX_FOREVER);
    test_until(&world, asker.received == 1);
    test_world_settle(&world);
    cr_assert_eq(p.count, 1);
    cr_assert_eq(asker.received, 1);
    test_world_close(&world);
}

/* ---- limits ---- */

static uint64_t cells_free(test_world *world)
{
    test_world_settle(world);
    return test_count(world, offsetof(jzx_counters, cells_free));
}

typedef struct vain {
    jzx_actor_id to;
    uint32_t refused;
    uint32_t odd;
} vain;

static jzx_behavior_result ask_in_vain(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    vain *v = argument;
    jzx_message message = jzx_message_empty(1);
    for (unsigned i = 0; i < 20000; i++) {
        jzx_err err = jzx_request(context, v->to, &message, i % 2 == 0 ? JZX_FOREVER : 1000000000, NULL);
        v->refused += err == JZX_ERR_MAILBOX_FULL;
        v->odd += err != JZX_ERR_MAILBOX_FULL;
    }
    return JZX_BEHAVIOR_OK;
}

Test(request, what_is_refused_keeps_no_cell_and_no_deadline, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor target = {0};
    test_actor asker = {0};
    jzx_spawn_options options;
    test_actor_options(&target, &options);
    options.mailbox_cap = 1;
    test_spawn(&world, 0, &asker);
    test_spawn_with(&world, 0, &target, &options);
    uint64_t before = cells_free(&world);
    vain v = {.to = target.id};
    test_do(&world, &asker, ask_in_vain, &v);
    cr_assert_eq(v.odd, 1, "the first was accepted, the others found it full");
    cr_assert_eq(v.refused, 19999);
    cr_assert_eq(jzx_kill(host_of(&world, 0), target.id), JZX_OK);
    test_until(&world, asker.received == 1);
    cr_assert_eq(cells_free(&world), before);
    test_world_close(&world);
}

typedef struct many {
    jzx_actor_id to;
    uint64_t timeout_ns;
    uint32_t asked;
    jzx_err err;
} many;

static jzx_behavior_result ask_until_refused(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    many *m = argument;
    jzx_message message = jzx_message_empty(1);
    while ((m->err = jzx_request(context, m->to, &message, m->timeout_ns, NULL)) == JZX_OK) {
        m->asked++;
    }
    return JZX_BEHAVIOR_OK;
}

Test(request, Q3_an_actor_holds_an_eighth_of_the_cells_at_most, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.cells = 4096;
    config.mailbox_cap = 512;
    test_world world;
    test_world_open(&world, 1, &config);
    test_actor target = {0}; /* it never answers */
    test_actor asker = {0};
    test_spawn(&world, 0, &target);
    test_spawn(&world, 0, &asker);
    uint64_t before = cells_free(&world);
    many m = {.to = target.id, .timeout_ns = JZX_FOREVER};
    test_do(&world, &asker, ask_until_refused, &m);
    cr_assert_eq(m.err, JZX_ERR_LIMIT, "%s", jzx_strerror(m.err));
    cr_assert_eq(m.asked, 4096 / 8);
    test_do(&world, &asker, ask_until_refused, &m);
    cr_assert_eq(m.err, JZX_ERR_LIMIT, "questions that are open still count");
    cr_assert_eq(m.asked, 4096 / 8);
    cr_assert_eq(jzx_kill(host_of(&world, 0), target.id), JZX_OK);
    test_until(&world, asker.received == m.asked);
    cr_assert_eq(cells_free(&world), before);
    test_world_close(&world);
}

/* The other side of it: what is beyond never reaches a handler, and its asker hears why. */
Test(request, Q3_an_actor_keeps_an_eighth_of_the_cells_at_most, .timeout = 60)
{
    enum { CELLS = 4096, KEPT = CELLS / 8 };
    jzx_config config;
    test_config(&config);
    config.cells = CELLS;
    config.mailbox_cap = KEPT;
    test_world world;
    test_world_open(&world, 1, &config);
    test_actor target = {0}; /* it never answers */
    test_actor askers[2] = {0};
    test_spawn(&world, 0, &target);
    uint64_t before = cells_free(&world);
    for (int i = 0; i < 2; i++) {
        test_spawn(&world, 0, &askers[i]);
        many m = {.to = target.id, .timeout_ns = JZX_FOREVER};
        test_do(&world, &askers[i], ask_until_refused, &m);
        cr_assert_eq(m.asked, KEPT);
        test_world_settle(&world);
    }
    cr_assert_eq(target.received, KEPT);
    cr_assert_eq(askers[0].received, 0, "these are kept");
    cr_assert_eq(askers[1].received, KEPT);
    jzx_no_answer none;
    memcpy(&none, test_tagged(&askers[1], JZX_TAG_SYS_NO_ANSWER, 0)->bytes, sizeof none);
    cr_assert_eq(none.reason, JZX_DROP_LIMIT);
    cr_assert_eq(dropped(&world, JZX_DROP_LIMIT), KEPT);
    cr_assert_eq(jzx_kill(host_of(&world, 0), target.id), JZX_OK);
    test_until(&world, askers[0].received == KEPT);
    cr_assert_eq(cells_free(&world), before);
    test_world_close(&world);
}

Test(request, deadlines_count_as_timers, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.timers_max = 10;
    test_world world;
    test_world_open(&world, 1, &config);
    test_actor target = {0};
    test_actor asker = {0};
    test_spawn(&world, 0, &target);
    test_spawn(&world, 0, &asker);
    many m = {.to = target.id, .timeout_ns = 1000000};
    test_do(&world, &asker, ask_until_refused, &m);
    cr_assert_eq(m.err, JZX_ERR_LIMIT);
    cr_assert_eq(m.asked, 10);
    test_until(&world, asker.received == 10);
    cr_assert_eq(test_tags(&asker, JZX_TAG_SYS_NO_ANSWER), 10);
    m.err = JZX_OK;
    test_do(&world, &asker, ask_until_refused, &m);
    cr_assert_eq(m.asked, 20, "their places are free again");
    test_world_close(&world);
}

/* ---- load ---- */

static uint64_t fates(const test_world *world)
{
    uint64_t sum = test_count(world, offsetof(jzx_counters, handled));
    for (unsigned i = 0; i < JZX_DROP_REASONS; i++) {
        sum += dropped(world, (jzx_drop_reason)i);
    }
    return sum;
}

typedef struct chain {
    jzx_actor_id to;
    uint32_t left;
    uint32_t open;
    uint32_t answers;
    uint32_t none;
    uint32_t wrong;
    uint64_t refs[64];
} chain;

static jzx_behavior_result keep_asking(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    chain *c = actor->data;
    if ((message->flags & JZX_MESSAGE_ANSWER) != 0) {
        bool known = false;
        for (unsigned i = 0; i < 64 && !known; i++) {
            known = c->refs[i] == message->ref;
            c->refs[i] = known ? 0 : c->refs[i];
        }
        c->wrong += !known;
        __atomic_store_n(&c->answers, c->answers + 1, __ATOMIC_RELEASE); /* the test looks at it */
        c->none += message->tag == JZX_TAG_SYS_NO_ANSWER;
        c->open--;
    }
    while (c->left > 0 && c->open < 32) {
        jzx_message out = jzx_message_empty(c->left % 1000);
        uint64_t ref;
        jzx_err err = jzx_request(context, c->to, &out, c->left % 5 == 0 ? 20000 : JZX_FOREVER, &ref);
        if (err != JZX_OK) {
            c->wrong += jzx_resume(context, c->to) != JZX_OK;
            break;
        }
        unsigned place = 0;
        while (c->refs[place] != 0) {
            place++;
        }
        c->refs[place] = ref;
        c->open++;
        c->left--;
    }
    return JZX_BEHAVIOR_OK;
}

Test(request, exactly_one_answer_each_under_load_and_deadlines, .timeout = 100)
{
    enum { PAIRS = 8, EACH = 4000 };
    test_world world;
    test_world_open(&world, 2, NULL);
    static test_actor askers[PAIRS];
    static chain chains[PAIRS];
    static answerer a[2];
    test_actor targets[2] = {0};
    spawn_answerer(&world, 0, &targets[0], &a[0]);
    spawn_answerer(&world, 1, &targets[1], &a[1]);
    for (uint32_t i = 0; i < PAIRS; i++) {
        chains[i] = (chain){.to = targets[i / 2 % 2].id, .left = EACH};
        askers[i] = (test_actor){.on = keep_asking, .data = &chains[i]};
        test_spawn(&world, i % 2, &askers[i]);
    }
    test_world_start(&world);
    for (uint32_t i = 0; i < PAIRS; i++) {
        test_send(&world, &askers[i], 1);
    }
    for (uint32_t i = 0; i < PAIRS; i++) {
        /* Each is only looked at when its own count says that nothing more can come. */
        test_until(&world, __atomic_load_n(&chains[i].answers, __ATOMIC_ACQUIRE) == EACH);
    }
    test_world_close(&world);
    for (uint32_t i = 0; i < PAIRS; i++) {
        cr_assert_eq(chains[i].answers, EACH);
        cr_assert_eq(chains[i].open, 0);
        cr_assert_eq(chains[i].wrong, 0);
    }
}

Test(request, P23_a_stop_in_the_middle_of_it_all_balances, .timeout = 100)
{
    enum { PAIRS = 6 };
    for (unsigned round = 0; round < 15; round++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        static test_actor askers[PAIRS];
        static chain chains[PAIRS];
        static answerer a[2];
        test_actor targets[2] = {0};
        spawn_answerer(&world, 0, &targets[0], &a[0]);
        spawn_answerer(&world, 1, &targets[1], &a[1]);
        for (uint32_t i = 0; i < PAIRS; i++) {
            chains[i] = (chain){.to = targets[i / 2 % 2].id, .left = UINT32_MAX};
            askers[i] = (test_actor){.on = keep_asking, .data = &chains[i]};
            test_spawn(&world, i % 2, &askers[i]);
        }
        test_world_start(&world);
        for (uint32_t i = 0; i < PAIRS; i++) {
            test_send(&world, &askers[i], 1);
        }
        for (uint32_t i = 0; i < PAIRS; i++) {
            test_until(&world, __atomic_load_n(&chains[i].answers, __ATOMIC_ACQUIRE) > 200);
        }
        cr_assert_eq(jzx_runtime_shutdown(world.runtime, JZX_FOREVER, NULL), JZX_OK);
        uint64_t came = test_count(&world, offsetof(jzx_counters, sent)) +
                        test_count(&world, offsetof(jzx_counters, posted));
        cr_assert_eq(came, fates(&world), "sent = handled + dropped, with nothing queued any more");
        cr_assert_eq(test_count(&world, offsetof(jzx_counters, lane_sent)),
                     test_count(&world, offsetof(jzx_counters, lane_received)), "every lane is empty");
        for (uint32_t i = 0; i < PAIRS; i++) {
            cr_assert_eq(chains[i].wrong, 0);
            cr_assert_eq(askers[i].finis, 1);
        }
        test_world_close(&world);
    }
}
