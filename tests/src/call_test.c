/* call_test: a call ends once, in its continuation; deadlines and cancels go on with what is called for its sake. */
#include "tests/support/support.h"

#include <string.h>

/* ---- worlds in which no cell may get lost ---- */

static uint64_t cells_free(const test_world *world)
{
    return test_count(world, offsetof(jzx_counters, cells_free));
}

static uint64_t dropped(const test_world *world, jzx_drop_reason reason)
{
    return test_count(world, offsetof(jzx_counters, dropped) + reason * sizeof(uint64_t));
}

/* Enough for what was sent to arrive, where somebody always yields and the world never rests. */
static void turns(test_world *world)
{
    for (unsigned i = 0; i < 8; i++) {
        test_world_step(world);
    }
}

/* Everything has been given back, and what was accepted has met its fate. */
static void close_world(test_world *world)
{
    if (!world->started) {
        test_world_settle(world);
        cr_assert_eq(cells_free(world), (uint64_t)world->config.cells * world->loop_count, "a cell is lost");
        cr_assert_eq(test_count(world, offsetof(jzx_counters, queued)), 0);
    }
    test_world_close(world);
}

/* ---- askers ---- */

typedef struct outcome {
    _Atomic(uint32_t) count;
    jzx_err err;
    uint64_t ref;
    uint32_t tag; /* of the answer */
    uint64_t word;
    jzx_no_answer none;
    bool cancelled; /* what its continuation sees */
    uint64_t deadline_ns;
    jzx_behavior_result result; /* what it returns */
} outcome;

static jzx_behavior_result on_end(jzx_context *context, void *state, void *argument, const jzx_result *result)
{
    outcome *o = argument;
    (void)state;
    o->err = result->err;
    o->ref = result->ref;
    o->cancelled = jzx_cancelled(context);
    o->deadline_ns = jzx_deadline(context);
    if (result->message != NULL) {
        o->tag = result->message->tag;
        o->word = result->message->words[0];
    } else {
        o->none = *result->none;
    }
    o->count++;
    return o->result;
}

typedef struct question {
    jzx_actor_id to;
    jzx_message message;
    uint64_t in_ns; /* the deadline, from now; JZX_FOREVER: none */
    bool high;
    outcome outcome;
    uint64_t deadline_ns;
    uint64_t ref;
    jzx_err err;
} question;

static uint64_t from_now(const jzx_context *context, uint64_t in_ns)
{
    return in_ns == JZX_FOREVER ? JZX_FOREVER : jzx_now_ns(context) + in_ns;
}

static jzx_behavior_result ask(jzx_context *context, test_actor *actor, void *argument)
{
    question *q = argument;
    jzx_call_options options;
    (void)actor;
    jzx_call_options_init(&options);
    q->deadline_ns = from_now(context, q->in_ns);
    options.deadline_ns = q->deadline_ns;
    options.high = q->high;
    options.on_answer = on_end;
    options.argument = &q->outcome;
    q->err = jzx_call_with(context, q->to, &q->message, &options, &q->ref);
    return JZX_BEHAVIOR_OK;
}

static void ask_it(test_world *world, test_actor *asker, question *q, jzx_err expected)
{
    test_do(world, asker, ask, q);
    cr_assert_eq(q->err, expected, "%s", jzx_strerror(q->err));
}

static question question_to(jzx_actor_id to, uint32_t tag)
{
    return (question){.to = to, .message = jzx_message_empty(tag), .in_ns = JZX_FOREVER};
}

static jzx_behavior_result cancel(jzx_context *context, test_actor *actor, void *argument)
{
    question *q = argument;
    (void)actor;
    q->err = jzx_call_cancel(context, q->ref);
    return JZX_BEHAVIOR_OK;
}

/* ---- targets ---- */

typedef enum act { ANSWERS, KEEPS, NOT_MINE, FAILS, STOPS, YIELDS, ASKS_ON, HANDS_ON } act;

/* Answers with the tag + 1000. */
typedef struct callee {
    act act;
    jzx_actor_id next; /* whom it asks or hands on to */
    _Atomic(uint32_t) handled;
    uint64_t refs[8]; /* the last of those kept */
    uint32_t kept;
    uint64_t deadline_ns; /* as seen by its handler */
    jzx_actor_id sender;
    uint32_t yields;
    _Atomic(uint32_t) cancelled; /* seen while it yields */
    outcome nested;
    jzx_err err;
} callee;

static jzx_behavior_result on_nested(jzx_context *context, void *state, void *argument, const jzx_result *result)
{
    test_actor *actor = state;
    callee *c = actor->data;
    jzx_behavior_result said = on_end(context, state, &c->nested, result);
    uint64_t ref = (uint64_t)(uintptr_t)argument;
    uint64_t word = (uint64_t)(int64_t)result->err;
    jzx_message answer = jzx_message_value(2000, &word, sizeof word);
    c->err = jzx_answer(context, ref, &answer);
    return said;
}

static jzx_behavior_result handle(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    callee *c = actor->data;
    jzx_message answer = jzx_message_value(message->tag + 1000, message->bytes, message->size);
    if ((message->flags & JZX_MESSAGE_REQUEST) == 0) {
        return JZX_BEHAVIOR_OK;
    }
    c->deadline_ns = jzx_deadline(context);
    c->sender = message->sender;
    if (c->act == YIELDS && !jzx_cancelled(context)) {
        c->yields++;
        return JZX_BEHAVIOR_YIELD;
    }
    c->cancelled += jzx_cancelled(context);
    if (c->act == KEEPS) {
        c->refs[c->kept++ % 8] = message->ref;
    }
    c->handled++; /* who waits for this reads what is above */
    switch (c->act) {
    case ANSWERS:
    case YIELDS:
        c->err = jzx_answer(context, message->ref, &answer);
        return JZX_BEHAVIOR_OK;
    case KEEPS:
        return JZX_BEHAVIOR_OK;
    case NOT_MINE:
        return JZX_BEHAVIOR_UNHANDLED;
    case FAILS:
        (void)jzx_fail(context, actor->id, 42, "on purpose");
        return JZX_BEHAVIOR_OK;
    case STOPS:
        return JZX_BEHAVIOR_STOP;
    case ASKS_ON:
        c->err = jzx_call(context, c->next, message, JZX_FOREVER, on_nested, (void *)(uintptr_t)message->ref);
        return JZX_BEHAVIOR_OK;
    case HANDS_ON:
        c->err = jzx_delegate(context, message->ref, c->next, message);
        return JZX_BEHAVIOR_OK;
    }
    return JZX_BEHAVIOR_OK;
}

static void spawn_callee(test_world *world, uint32_t loop, test_actor *actor, callee *c)
{
    actor->on = handle;
    actor->data = c;
    test_spawn(world, loop, actor);
}

typedef struct reply {
    uint64_t ref;
    jzx_message message;
    jzx_err err;
} reply;

static jzx_behavior_result answer_now(jzx_context *context, test_actor *actor, void *argument)
{
    reply *r = argument;
    (void)actor;
    r->err = jzx_answer(context, r->ref, &r->message);
    return JZX_BEHAVIOR_OK;
}

static jzx_err answer_kept(test_world *world, test_actor *target, uint64_t ref, uint32_t tag)
{
    reply r = {.ref = ref, .message = jzx_message_empty(tag)};
    test_do(world, target, answer_now, &r);
    return r.err;
}

static jzx_behavior_result fail_now(jzx_context *context, test_actor *actor, void *argument)
{
    (void)jzx_fail(context, actor->id, *(int32_t *)argument, "told to");
    return JZX_BEHAVIOR_OK;
}

/* An asker on loop 0 and a target on loop `place`. */
typedef struct pair {
    test_world world;
    test_actor asker;
    test_actor target;
    callee callee;
} pair;

static void open_pair(pair *p, uint32_t place, act how)
{
    memset(p, 0, sizeof *p);
    p->callee.act = how;
    test_world_open(&p->world, 2, NULL);
    test_spawn(&p->world, 0, &p->asker);
    spawn_callee(&p->world, place, &p->target, &p->callee);
}

/* ---- answers ---- */

static void one_end(uint32_t place, act how, bool threads)
{
    pair p;
    uint64_t word = 12345;
    open_pair(&p, place, how);
    if (threads) {
        test_world_start(&p.world);
    }
    question q = question_to(p.target.id, 7);
    q.message = jzx_message_value(7, &word, sizeof word);
    ask_it(&p.world, &p.asker, &q, JZX_OK);
    test_until(&p.world, p.callee.handled == 1);
    if (how == KEEPS) {
        cr_assert_eq(q.outcome.count, 0);
        cr_assert_eq(answer_kept(&p.world, &p.target, p.callee.refs[0], 1007), JZX_OK);
        cr_assert_eq(answer_kept(&p.world, &p.target, p.callee.refs[0], 1007), JZX_ERR_NO_SUCH_REQUEST, "twice");
    }
    test_until(&p.world, q.outcome.count == 1);
    cr_assert_eq(q.outcome.err, JZX_OK);
    cr_assert_eq(q.outcome.ref, q.ref);
    cr_assert_eq(q.outcome.tag, 1007);
    cr_assert_eq(q.outcome.word, how == KEEPS ? 0 : word);
    cr_assert_eq(q.outcome.deadline_ns, JZX_FOREVER);
    cr_assert_not(q.outcome.cancelled);
    cr_assert_eq(p.callee.deadline_ns, JZX_FOREVER);
    cr_assert_eq(p.callee.sender, p.asker.id);
    cr_assert_eq(p.asker.received, 0, "its behavior sees nothing of it");
    close_world(&p.world);
    cr_assert_eq(q.outcome.count, 1);
}

Test(call, one_call_one_end, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        one_end(place, ANSWERS, false);
        one_end(place, KEEPS, false);
        one_end(place, ANSWERS, true);
        one_end(place, KEEPS, true);
    }
}

Test(call, of_oneself, .timeout = 60)
{
    pair p;
    open_pair(&p, 0, ANSWERS);
    question q = question_to(p.target.id, 7);
    ask_it(&p.world, &p.target, &q, JZX_OK);
    test_until(&p.world, q.outcome.count == 1);
    cr_assert_eq(q.outcome.err, JZX_OK);
    close_world(&p.world);
}

static jzx_behavior_result answer_payload(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    jzx_message answer = test_payload(actor->data, 1, 200);
    if ((message->flags & JZX_MESSAGE_REQUEST) != 0) {
        cr_assert_eq(jzx_answer(context, message->ref, &answer), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

typedef struct taking {
    test_ledger *ledger;
    uint32_t count;
    jzx_behavior_result result;
} taking;

static jzx_behavior_result take_payload(jzx_context *context, void *state, void *argument, const jzx_result *result)
{
    taking *t = argument;
    (void)context;
    (void)state;
    cr_assert_eq(result->err, JZX_OK);
    cr_assert_eq(result->message->flags, (uint32_t)(JZX_MESSAGE_ANSWER | JZX_MESSAGE_POINTER));
    cr_assert_eq(result->message->ref, result->ref);
    cr_assert_eq(result->message->size, 200);
    if (t->result != JZX_BEHAVIOR_UNHANDLED) {
        (void)test_payload_take(t->ledger, result->message);
    }
    t->count++;
    return t->result;
}

typedef struct payload_question {
    jzx_actor_id to;
    taking *taking;
} payload_question;

static jzx_behavior_result ask_payload(jzx_context *context, test_actor *actor, void *argument)
{
    payload_question *q = argument;
    (void)actor;
    jzx_message message = test_payload(q->taking->ledger, 3, 100);
    cr_assert_eq(jzx_call(context, q->to, &message, JZX_FOREVER, take_payload, q->taking), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

Test(call, payloads_go_there_and_back_and_unhandled_destroys_them, .timeout = 60)
{
    for (uint32_t i = 0; i < 8; i++) {
        static const jzx_behavior_result results[] = {JZX_BEHAVIOR_OK, JZX_BEHAVIOR_UNHANDLED, JZX_BEHAVIOR_YIELD,
                                                      JZX_BEHAVIOR_STASH};
        test_world world;
        test_world_open(&world, 2, NULL);
        test_ledger ledger = {0};
        taking t = {.ledger = &ledger, .result = results[i / 2]};
        test_actor target = {.on = answer_payload, .ledger = &ledger, .data = &ledger};
        test_actor asker = {0};
        test_spawn(&world, i % 2, &target);
        test_spawn(&world, 0, &asker);
        payload_question q = {target.id, &t};
        test_do(&world, &asker, ask_payload, &q);
        test_until(&world, t.count == 1);
        test_world_settle(&world);
        cr_assert_eq(t.count, 1, "a continuation comes once");
        cr_assert_eq(test_ledger_open(&ledger), 0);
        cr_assert_eq(ledger.dropped, t.result == JZX_BEHAVIOR_UNHANDLED);
        close_world(&world);
        cr_assert_eq(ledger.twice, 0);
    }
}

/* In one handler, so that both are on their way before either can end. */
static jzx_behavior_result ask_two(jzx_context *context, test_actor *actor, void *argument)
{
    question *q = argument;
    (void)ask(context, actor, &q[0]);
    return ask(context, actor, &q[1]);
}

Test(call, a_continuation_can_end_its_actor, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        pair p;
        open_pair(&p, place, ANSWERS);
        question q[2] = {question_to(p.target.id, 7), question_to(p.target.id, 8)};
        q[0].outcome.result = JZX_BEHAVIOR_FAIL;
        test_do(&p.world, &p.asker, ask_two, q);
        test_until(&p.world, p.asker.finis == 1);
        cr_assert_eq(p.asker.exit.kind, (uint32_t)JZX_EXIT_FAIL);
        close_world(&p.world);
        cr_assert_eq(q[0].outcome.count, 1);
        cr_assert_eq(q[1].outcome.count, 0, "the caller ended first");
    }
}

/* ---- what a result says ---- */

static void ends_with(act how, jzx_err err, jzx_drop_reason reason, jzx_exit_kind kind, int32_t code)
{
    for (uint32_t place = 0; place < 2; place++) {
        pair p;
        open_pair(&p, place, how);
        question q = question_to(p.target.id, 7);
        ask_it(&p.world, &p.asker, &q, JZX_OK);
        test_until(&p.world, q.outcome.count == 1);
        cr_assert_eq(q.outcome.err, err, "%s", jzx_strerror(q.outcome.err));
        cr_assert_eq(q.outcome.none.target, p.target.id);
        cr_assert_eq(q.outcome.none.reason, (uint32_t)reason);
        cr_assert_eq(q.outcome.none.tag, 7);
        cr_assert_eq(q.outcome.none.exit_kind, (uint32_t)kind);
        cr_assert_eq(q.outcome.none.exit_code, code);
        close_world(&p.world);
    }
}

Test(call, a_target_that_ends_or_does_not_know_it_answers_at_once, .timeout = 60)
{
    ends_with(FAILS, JZX_ERR_ENDED, JZX_DROP_ENDED, JZX_EXIT_FAIL, 42);
    ends_with(STOPS, JZX_ERR_ENDED, JZX_DROP_ENDED, JZX_EXIT_NORMAL, 0);
    ends_with(NOT_MINE, JZX_ERR_UNHANDLED, JZX_DROP_UNHANDLED, (jzx_exit_kind)0, 0);
}

Test(call, the_exit_is_told_of_kept_and_of_queued_requests, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        pair p;
        open_pair(&p, place, KEEPS);
        question kept = question_to(p.target.id, 7);
        question queued = question_to(p.target.id, 8);
        int32_t code = 9;
        ask_it(&p.world, &p.asker, &kept, JZX_OK);
        test_until(&p.world, p.callee.handled == 1);
        test_do(&p.world, &p.target, fail_now, &code);
        test_until(&p.world, kept.outcome.count == 1);
        cr_assert_eq(kept.outcome.none.exit_kind, (uint32_t)JZX_EXIT_FAIL);
        cr_assert_eq(kept.outcome.none.exit_code, 9);
        test_do(&p.world, &p.asker, ask, &queued);
        if (place == 0) {
            cr_assert_eq(queued.err, JZX_ERR_NO_SUCH_ACTOR);
        } else {
            cr_assert_eq(queued.err, JZX_OK);
            test_until(&p.world, queued.outcome.count == 1);
            cr_assert_eq(queued.outcome.err, JZX_ERR_NO_SUCH_ACTOR);
            cr_assert_eq(queued.outcome.none.exit_kind, 0);
        }
        close_world(&p.world);
    }
}

Test(call, a_queued_request_is_answered_with_the_exit, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        pair p;
        open_pair(&p, place, FAILS);
        question q[2] = {question_to(p.target.id, 7), question_to(p.target.id, 8)};
        test_do(&p.world, &p.asker, ask_two, q);
        test_until(&p.world, q[0].outcome.count == 1 && q[1].outcome.count == 1);
        cr_assert_eq(q[1].outcome.err, JZX_ERR_ENDED);
        cr_assert_eq(q[1].outcome.none.tag, 8);
        cr_assert_eq(q[1].outcome.none.exit_kind, (uint32_t)JZX_EXIT_FAIL);
        cr_assert_eq(q[1].outcome.none.exit_code, 42);
        cr_assert_eq(p.callee.handled, 1);
        close_world(&p.world);
    }
}

Test(call, a_target_that_is_ending_says_so, .timeout = 60)
{
    pair p;
    open_pair(&p, 1, YIELDS);
    question busy = question_to(p.target.id, 6);
    ask_it(&p.world, &p.asker, &busy, JZX_OK);
    test_until(&p.world, p.callee.yields > 0);
    /* It yields on, so it does not end yet. */
    cr_assert_eq(jzx_drain(jzx_loop_context(p.world.loops[1]), p.target.id), JZX_OK);
    question q = question_to(p.target.id, 7);
    ask_it(&p.world, &p.asker, &q, JZX_OK);
    test_until(&p.world, q.outcome.count == 1);
    cr_assert_eq(q.outcome.err, JZX_ERR_STOPPING);
    test_do(&p.world, &p.asker, cancel, &busy);
    test_until(&p.world, p.target.finis == 1);
    close_world(&p.world);
    cr_assert_eq(busy.outcome.err, JZX_ERR_CANCELLED);
}

static void by_policy(uint32_t place, jzx_mailbox_policy policy)
{
    test_world world;
    callee c = {.act = ANSWERS};
    test_actor asker = {0};
    test_actor target = {.on = handle, .data = &c};
    jzx_spawn_options options;
    test_world_open(&world, 2, NULL);
    test_spawn(&world, 0, &asker);
    test_actor_options(&target, &options);
    options.mailbox_cap = 1;
    options.mailbox_policy = (uint8_t)policy;
    test_spawn_with(&world, place, &target, &options);
    question q[2] = {question_to(target.id, 7), question_to(target.id, 8)};
    test_do(&world, &asker, ask_two, q);
    cr_assert_eq(q[0].err, JZX_OK);
    cr_assert_eq(q[1].err, JZX_OK);
    test_until(&world, q[0].outcome.count == 1 && q[1].outcome.count == 1);
    unsigned lost = policy == JZX_MAILBOX_DROP_NEWEST ? 1 : 0;
    cr_assert_eq(q[lost].outcome.err, JZX_ERR_MAILBOX_FULL);
    cr_assert_eq(q[1 - lost].outcome.err, JZX_OK);
    close_world(&world);
}

Test(call, what_a_policy_drops_is_answered, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        by_policy(place, JZX_MAILBOX_DROP_NEWEST);
        by_policy(place, JZX_MAILBOX_DROP_OLDEST);
    }
}

typedef struct many {
    jzx_actor_id to;
    uint32_t left; /* to be asked */
    uint32_t asked;
    outcome outcome; /* of all */
    jzx_err err;
} many;

static jzx_behavior_result ask_many(jzx_context *context, test_actor *actor, void *argument)
{
    many *m = argument;
    jzx_message message = jzx_message_empty(1);
    (void)actor;
    m->err = JZX_OK;
    while (m->err == JZX_OK && m->left > 0) {
        m->err = jzx_call(context, m->to, &message, JZX_FOREVER, on_end, &m->outcome);
        m->asked += m->err == JZX_OK;
        m->left--;
    }
    return JZX_BEHAVIOR_OK;
}

/* Asks as long as it is not refused, in pieces that the mailbox has room for. */
static void ask_until_refused(test_world *world, test_actor *asker, many *m, uint32_t most)
{
    for (uint32_t i = 0; i < most && m->err == JZX_OK; i += 100) {
        m->left = 100;
        test_do(world, asker, ask_many, m);
        test_world_settle(world);
    }
}

Test(call, a_target_keeps_so_many_and_a_caller_holds_so_many, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        pair p;
        test_actor others[2] = {0};
        many m[3];
        memset(m, 0, sizeof m);
        open_pair(&p, place, KEEPS);
        uint32_t held_max = p.world.config.cells / 8;
        test_spawn(&p.world, 0, &others[0]);
        test_spawn(&p.world, 0, &others[1]);
        uint32_t asked = 0;
        uint32_t ended = 0;
        for (unsigned i = 0; i < 3; i++) {
            m[i].to = p.target.id;
            ask_until_refused(&p.world, i == 0 ? &p.asker : &others[i - 1], &m[i], held_max / 2 - 12);
            asked += m[i].asked;
            ended += m[i].outcome.count;
        }
        cr_assert_eq(p.callee.kept, held_max);
        cr_assert_eq(ended, asked - held_max);
        cr_assert_eq(m[2].outcome.err, JZX_ERR_LIMIT, "the target holds so many");
        ask_until_refused(&p.world, &p.asker, &m[0], held_max);
        cr_assert_eq(m[0].err, JZX_ERR_LIMIT, "a call is two cells of its caller");
        cr_assert_eq(m[0].asked, held_max / 2);
        int32_t code = 1;
        test_do(&p.world, &p.target, fail_now, &code);
        test_world_settle(&p.world);
        for (unsigned i = 0; i < 3; i++) {
            cr_assert_eq(m[i].outcome.count, m[i].asked);
        }
        close_world(&p.world);
    }
}

Test(call, a_closed_loop_is_told, .timeout = 60)
{
    pair p;
    open_pair(&p, 1, KEEPS);
    question q = question_to(p.target.id, 7);
    ask_it(&p.world, &p.asker, &q, JZX_OK);
    test_until(&p.world, p.callee.handled == 1);
    cr_assert_eq(jzx_loop_request_stop(p.world.loops[1]), JZX_OK);
    test_until(&p.world, q.outcome.count == 1);
    cr_assert_eq(q.outcome.err, JZX_ERR_ENDED);
    cr_assert_eq(q.outcome.none.exit_kind, (uint32_t)JZX_EXIT_LOOP_CLOSED);
    question late = question_to(p.target.id, 8);
    ask_it(&p.world, &p.asker, &late, JZX_ERR_LOOP_CLOSED);
    test_world_close(&p.world);
}

/* ---- what a call is refused with ---- */

typedef struct refusals {
    jzx_actor_id to;
    outcome outcome;
    bool done;
} refusals;

static jzx_behavior_result be_refused(jzx_context *context, test_actor *actor, void *argument)
{
    refusals *r = argument;
    jzx_message message = jzx_message_empty(5);
    jzx_message reserved = jzx_message_empty(JZX_TAG_RESERVED);
    jzx_call_options options;
    uint64_t now_ns = jzx_now_ns(context);
    (void)actor;
    cr_assert_eq(jzx_call(context, r->to, &message, now_ns, on_end, &r->outcome), JZX_ERR_TIMEOUT);
    cr_assert_eq(jzx_call(context, r->to, &message, 0, on_end, &r->outcome), JZX_ERR_TIMEOUT);
    cr_assert_eq(jzx_call(context, r->to, &message, JZX_FOREVER, NULL, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_call(context, r->to, NULL, JZX_FOREVER, on_end, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_call(context, r->to, &reserved, JZX_FOREVER, on_end, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_call(NULL, r->to, &message, JZX_FOREVER, on_end, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_call(context, 0, &message, JZX_FOREVER, on_end, NULL), JZX_ERR_NO_SUCH_ACTOR);
    cr_assert_eq(jzx_call(context, UINT64_MAX, &message, JZX_FOREVER, on_end, NULL), JZX_ERR_NO_SUCH_ACTOR);
    cr_assert_eq(jzx_call_with(NULL, r->to, &message, NULL, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_call_with(context, r->to, &message, NULL, NULL), JZX_ERR_INVALID_ARG);
    jzx_call_options_init(&options);
    cr_assert_eq(options.deadline_ns, JZX_FOREVER);
    cr_assert_eq(jzx_call_with(context, r->to, &message, &options, NULL), JZX_ERR_INVALID_ARG, "no on_answer");
    options.on_answer = on_end;
    options.struct_size = 1;
    cr_assert_eq(jzx_call_with(context, r->to, &message, &options, NULL), JZX_ERR_INVALID_ARG);
    options.struct_size = sizeof options;
    cr_assert_eq(jzx_call_cancel(context, 0), JZX_ERR_NO_SUCH_REQUEST);
    cr_assert_eq(jzx_call_cancel(context, UINT64_MAX), JZX_ERR_NO_SUCH_REQUEST);
    cr_assert_eq(jzx_delegate(context, 1, r->to, &message), JZX_ERR_NO_SUCH_REQUEST);
    cr_assert_eq(jzx_delegate(context, 1, r->to, NULL), JZX_ERR_INVALID_ARG);
    r->done = true;
    return JZX_BEHAVIOR_OK;
}

static void on_thread(void *argument)
{
    jzx_context *context = argument;
    jzx_message message = jzx_message_empty(5);
    cr_expect_eq(jzx_call(context, 1, &message, JZX_FOREVER, on_end, NULL), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(jzx_call_cancel(context, 1), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(jzx_delegate(context, 1, 1, &message), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(jzx_deadline(context), JZX_FOREVER);
    cr_expect_not(jzx_cancelled(context));
}

Test(call, what_is_wrong_is_refused, .timeout = 60)
{
    pair p;
    open_pair(&p, 1, ANSWERS);
    refusals r = {.to = p.target.id};
    test_do(&p.world, &p.asker, be_refused, &r);
    cr_assert(r.done);
    jzx_context *host = jzx_loop_context(p.world.loops[0]);
    jzx_message message = jzx_message_empty(5);
    cr_assert_eq(jzx_call(host, p.target.id, &message, JZX_FOREVER, on_end, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_call_cancel(host, 1), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_deadline(host), JZX_FOREVER);
    cr_assert_not(jzx_cancelled(host));
    jzx_call_options_init(NULL);
    test_on_thread(on_thread, host);
    close_world(&p.world);
    cr_assert_eq(r.outcome.count, 0);
    cr_assert_eq(p.callee.handled, 0);
}

static void call_in_fini(jzx_context *context, test_actor *actor, const jzx_exit_info *info)
{
    jzx_message message = jzx_message_empty(5);
    (void)info;
    cr_expect_eq(jzx_deadline(context), JZX_FOREVER);
    cr_expect_not(jzx_cancelled(context));
    *(jzx_err *)actor->data = jzx_call(context, actor->id, &message, JZX_FOREVER, on_end, NULL);
}

Test(call, not_in_fini, .timeout = 60)
{
    test_world world;
    jzx_err err = JZX_OK;
    test_actor actor = {.on_fini = call_in_fini, .data = &err};
    test_world_open(&world, 1, NULL);
    test_spawn(&world, 0, &actor);
    test_world_close(&world);
    cr_assert_eq(err, JZX_ERR_STOPPING);
}

/* ---- deadlines ---- */

Test(call, a_deadline_ends_it_and_an_expired_request_is_not_handled, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        pair p;
        open_pair(&p, place, YIELDS);
        question busy = question_to(p.target.id, 6);
        question q = question_to(p.target.id, 7);
        ask_it(&p.world, &p.asker, &busy, JZX_OK);
        test_until(&p.world, p.callee.yields > 0); /* what comes now waits behind it */
        test_clock_steps(10000);
        q.in_ns = 1000000;
        ask_it(&p.world, &p.asker, &q, JZX_OK);
        test_until(&p.world, q.outcome.count == 1);
        cr_assert_eq(q.outcome.err, JZX_ERR_TIMEOUT);
        cr_assert_eq(q.outcome.none.reason, (uint32_t)JZX_DROP_DEADLINE);
        cr_assert_eq(q.outcome.none.target, p.target.id);
        test_do(&p.world, &p.asker, cancel, &busy);
        cr_assert_eq(busy.err, JZX_OK);
        test_until(&p.world, dropped(&p.world, JZX_DROP_DEADLINE) == 1);
        test_world_settle(&p.world);
        cr_assert_eq(p.callee.handled, 1, "the first one alone");
        cr_assert_eq(p.callee.cancelled, 1);
        close_world(&p.world);
        cr_assert_eq(q.outcome.count, 1);
    }
}

Test(call, a_deadline_goes_on_with_nested_calls, .timeout = 60)
{
    for (uint32_t place = 0; place < 4; place++) {
        pair p;
        open_pair(&p, place & 1, ASKS_ON);
        callee last = {.act = KEEPS};
        test_actor far = {0};
        spawn_callee(&p.world, place >> 1, &far, &last);
        p.callee.next = far.id;
        question q = question_to(p.target.id, 7);
        q.in_ns = 30000000000;
        ask_it(&p.world, &p.asker, &q, JZX_OK);
        test_until(&p.world, last.handled == 1);
        cr_assert_eq(p.callee.deadline_ns, q.deadline_ns);
        cr_assert_eq(last.deadline_ns, q.deadline_ns, "that of the call which it is made for");
        cr_assert_eq(answer_kept(&p.world, &far, last.refs[0], 1), JZX_OK);
        test_until(&p.world, q.outcome.count == 1);
        cr_assert_eq(p.callee.nested.deadline_ns, q.deadline_ns, "in the continuation too");
        cr_assert_eq(q.outcome.tag, 2000);
        close_world(&p.world);
    }
}

/* ---- cancellation ---- */

Test(call, a_cancel_reaches_the_target_while_it_works, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        pair p;
        open_pair(&p, place, YIELDS);
        question q = question_to(p.target.id, 7);
        ask_it(&p.world, &p.asker, &q, JZX_OK);
        test_until(&p.world, p.callee.yields > 0);
        test_do(&p.world, &p.asker, cancel, &q);
        cr_assert_eq(q.err, JZX_OK);
        test_do(&p.world, &p.asker, cancel, &q);
        cr_assert_eq(q.err, JZX_ERR_NO_SUCH_REQUEST, "it has ended");
        test_until(&p.world, q.outcome.count == 1 && p.callee.handled == 1);
        cr_assert_eq(q.outcome.err, JZX_ERR_CANCELLED);
        cr_assert_eq(q.outcome.none.target, p.target.id);
        cr_assert_eq(p.callee.cancelled, 1);
        cr_assert_eq(p.callee.err, JZX_OK, "it is still its to answer");
        test_until(&p.world, dropped(&p.world, JZX_DROP_LATE) == 1);
        close_world(&p.world);
        cr_assert_eq(q.outcome.count, 1);
    }
}

Test(call, a_cancelled_request_is_not_handled, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        pair p;
        open_pair(&p, place, YIELDS);
        question busy = question_to(p.target.id, 6);
        question q = question_to(p.target.id, 7);
        ask_it(&p.world, &p.asker, &busy, JZX_OK);
        test_until(&p.world, p.callee.yields > 0);
        ask_it(&p.world, &p.asker, &q, JZX_OK);
        turns(&p.world);
        test_do(&p.world, &p.asker, cancel, &q);
        test_do(&p.world, &p.asker, cancel, &busy);
        test_until(&p.world, dropped(&p.world, JZX_DROP_CANCELLED) == 1);
        close_world(&p.world);
        cr_assert_eq(p.callee.handled, 1, "the first one alone");
    }
}

Test(call, a_cancel_goes_on_to_nested_calls, .timeout = 60)
{
    for (uint32_t place = 0; place < 4; place++) {
        pair p;
        open_pair(&p, place & 1, ASKS_ON);
        callee last = {.act = YIELDS};
        test_actor far = {0};
        spawn_callee(&p.world, place >> 1, &far, &last);
        p.callee.next = far.id;
        question q = question_to(p.target.id, 7);
        ask_it(&p.world, &p.asker, &q, JZX_OK);
        test_until(&p.world, last.yields > 0);
        test_do(&p.world, &p.asker, cancel, &q);
        test_until(&p.world, last.cancelled == 1 && p.callee.nested.count == 1 && q.outcome.count == 1);
        cr_assert_eq(p.callee.nested.err, JZX_ERR_CANCELLED);
        cr_assert(p.callee.nested.cancelled, "its scope is");
        cr_assert_eq(p.callee.err, JZX_OK);
        close_world(&p.world);
        cr_assert_eq(q.outcome.err, JZX_ERR_CANCELLED);
    }
}

Test(call, the_end_of_the_caller_cancels, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        pair p;
        open_pair(&p, place, YIELDS);
        question q = question_to(p.target.id, 7);
        int32_t code = 1;
        ask_it(&p.world, &p.asker, &q, JZX_OK);
        test_until(&p.world, p.callee.yields > 0);
        test_do(&p.world, &p.asker, fail_now, &code);
        test_until(&p.world, p.callee.cancelled == 1);
        cr_assert_eq(p.callee.err, JZX_OK, "an answer to one who has ended is accepted");
        test_until(&p.world, dropped(&p.world, JZX_DROP_LATE) == 1);
        close_world(&p.world);
        cr_assert_eq(q.outcome.count, 0);
    }
}

typedef struct slow {
    question *q;
    callee *target;
    bool tried;
} slow;

/* Yields until the answer must be in its mailbox, then cancels. */
static jzx_behavior_result yield_then_cancel(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    slow *b = actor->data;
    if (message->tag != 77) {
        return JZX_BEHAVIOR_OK;
    }
    if (b->q->ref == 0) {
        (void)ask(context, actor, b->q);
    }
    if (b->target->handled == 0 || actor->yields < 20) {
        return JZX_BEHAVIOR_YIELD;
    }
    b->tried = true;
    return cancel(context, actor, b->q);
}

Test(call, an_answer_that_has_come_is_not_cancelled, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        test_world world;
        callee c = {.act = ANSWERS};
        test_actor target = {0};
        question q = {0};
        slow b = {.q = &q, .target = &c};
        test_actor asker = {.on = yield_then_cancel, .data = &b};
        test_world_open(&world, 2, NULL);
        spawn_callee(&world, place, &target, &c);
        test_spawn(&world, 0, &asker);
        q = question_to(target.id, 7);
        test_send(&world, &asker, 77);
        test_until(&world, q.outcome.count == 1);
        cr_assert(b.tried);
        cr_assert_eq(q.err, JZX_ERR_NO_SUCH_REQUEST);
        cr_assert_eq(q.outcome.err, JZX_OK, "nothing is thrown away");
        close_world(&world);
    }
}

/* ---- delegation ---- */

Test(call, a_delegated_request_is_answered_by_another, .timeout = 60)
{
    for (uint32_t place = 0; place < 4; place++) {
        pair p;
        open_pair(&p, place & 1, HANDS_ON);
        callee last = {.act = ANSWERS};
        test_actor far = {0};
        spawn_callee(&p.world, place >> 1, &far, &last);
        p.callee.next = far.id;
        question q = question_to(p.target.id, 7);
        q.in_ns = 30000000000;
        ask_it(&p.world, &p.asker, &q, JZX_OK);
        test_until(&p.world, q.outcome.count == 1);
        cr_assert_eq(p.callee.err, JZX_OK);
        cr_assert_eq(q.outcome.tag, 1007);
        cr_assert_eq(last.sender, p.asker.id);
        cr_assert_eq(last.deadline_ns, q.deadline_ns);
        close_world(&p.world);
    }
}

static jzx_behavior_result note_tags(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)message;
    return actor->data == NULL ? JZX_BEHAVIOR_YIELD : JZX_BEHAVIOR_OK;
}

/* A request is of one priority, whoever handles it, and also if the first one has stashed it. */
static void hand_on_in_order(uint32_t place, bool high)
{
    pair p;
    open_pair(&p, place & 1, HANDS_ON);
    test_actor far = {.on = note_tags};
    test_spawn(&p.world, place >> 1, &far);
    p.callee.next = far.id;
    test_send(&p.world, &far, 1);
    test_send(&p.world, &far, 2);
    question q = question_to(p.target.id, 7);
    q.high = high;
    ask_it(&p.world, &p.asker, &q, JZX_OK);
    test_until(&p.world, p.callee.handled == 1);
    turns(&p.world);
    far.data = &p;
    test_until(&p.world, far.received == 3);
    cr_assert_eq(far.log[high ? 0 : 2].tag, 7, "the first is %u", far.log[0].tag);
    int32_t code = 3;
    test_do(&p.world, &far, fail_now, &code); /* it has the request still */
    test_until(&p.world, q.outcome.count == 1);
    close_world(&p.world);
}

Test(call, a_delegated_request_keeps_its_priority, .timeout = 60)
{
    for (uint32_t place = 0; place < 4; place++) {
        hand_on_in_order(place, false);
        hand_on_in_order(place, true);
    }
}

static jzx_behavior_result small_ask(jzx_context *context, test_actor *actor, void *argument)
{
    question *q = argument;
    (void)actor;
    q->err = jzx_request(context, q->to, &q->message, JZX_FOREVER, &q->ref);
    return JZX_BEHAVIOR_OK;
}

Test(call, a_plain_request_can_be_delegated, .timeout = 60)
{
    for (uint32_t place = 0; place < 4; place++) {
        pair p;
        open_pair(&p, place & 1, HANDS_ON);
        callee last = {.act = ANSWERS};
        test_actor far = {0};
        spawn_callee(&p.world, place >> 1, &far, &last);
        p.callee.next = far.id;
        question q = question_to(p.target.id, 7);
        test_do(&p.world, &p.asker, small_ask, &q);
        test_until(&p.world, p.asker.received == 1);
        cr_assert_eq(p.asker.log[0].tag, 1007);
        cr_assert_eq(p.asker.log[0].ref, q.ref);
        cr_assert_eq(p.asker.log[0].sender, far.id);
        close_world(&p.world);
    }
}

Test(call, delegation_in_a_circle_ends, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        pair p;
        open_pair(&p, place, HANDS_ON);
        callee other = {.act = HANDS_ON};
        test_actor back = {0};
        spawn_callee(&p.world, 1, &back, &other);
        p.callee.next = back.id;
        other.next = p.target.id;
        question q = question_to(p.target.id, 7);
        ask_it(&p.world, &p.asker, &q, JZX_OK);
        test_until(&p.world, p.callee.err == JZX_ERR_LIMIT || other.err == JZX_ERR_LIMIT);
        cr_assert_eq(p.callee.handled + other.handled, 256);
        cr_assert_eq(q.outcome.count, 0, "it is still the last one's to answer");
        test_actor *last = p.callee.err == JZX_ERR_LIMIT ? &p.target : &back;
        int32_t code = 3;
        test_do(&p.world, last, fail_now, &code);
        test_until(&p.world, q.outcome.count == 1);
        cr_assert_eq(q.outcome.err, JZX_ERR_ENDED);
        cr_assert_eq(q.outcome.none.target, last->id);
        close_world(&p.world);
    }
}

/* An asker on loop 0, who hands on from one loop to the next as many times as there are holders but one. */
enum { HOLDERS = 3, PLACES = 27 };
typedef struct chain {
    test_world world;
    test_actor asker;
    test_actor holders[HOLDERS];
    callee callees[HOLDERS]; /* the last one does something else */
    question q;
} chain;

/* `places` in the system of three: of each holder its loop. */
static void open_chain(chain *c, uint32_t places, act last)
{
    memset(c, 0, sizeof *c);
    test_world_open(&c->world, 3, NULL);
    test_spawn(&c->world, 0, &c->asker);
    for (uint32_t i = 0; i < HOLDERS; i++) {
        c->callees[i].act = i + 1 < HOLDERS ? HANDS_ON : last;
        spawn_callee(&c->world, places % 3, &c->holders[i], &c->callees[i]);
        places /= 3;
    }
    for (uint32_t i = 0; i + 1 < HOLDERS; i++) {
        c->callees[i].next = c->holders[i + 1].id;
    }
    c->q = question_to(c->holders[0].id, 7);
    ask_it(&c->world, &c->asker, &c->q, JZX_OK);
}

Test(call, a_cancel_follows_a_delegated_request, .timeout = 60)
{
    for (uint32_t places = 0; places < PLACES; places++) {
        chain c;
        open_chain(&c, places, YIELDS);
        callee *last = &c.callees[HOLDERS - 1];
        test_until(&c.world, last->yields > 0);
        test_do(&c.world, &c.asker, cancel, &c.q);
        test_until(&c.world, last->cancelled == 1 && c.q.outcome.count == 1);
        cr_assert_eq(c.q.outcome.err, JZX_ERR_CANCELLED);
        cr_assert_eq(c.q.outcome.none.target, c.holders[0].id, "whom it has called");
        cr_assert_eq(last->err, JZX_OK, "it is still its to answer");
        test_until(&c.world, dropped(&c.world, JZX_DROP_LATE) == 1);
        close_world(&c.world);
    }
}

/* After so many turns, wherever it is then: it was answered, or nobody has it any more. */
static void cancel_after(uint32_t places, uint32_t steps)
{
    chain c;
    open_chain(&c, places, YIELDS);
    for (uint32_t i = 0; i < steps; i++) {
        test_world_step(&c.world);
    }
    test_do(&c.world, &c.asker, cancel, &c.q);
    cr_assert_eq(c.q.err, JZX_OK);
    test_until(&c.world, c.q.outcome.count == 1);
    cr_assert_eq(c.q.outcome.err, JZX_ERR_CANCELLED);
    close_world(&c.world); /* it settles: nobody yields any more */
}

Test(call, a_cancel_finds_a_request_that_is_being_delegated, .timeout = 60)
{
    for (uint32_t places = 0; places < PLACES; places++) {
        for (uint32_t steps = 0; steps < 8; steps++) {
            cancel_after(places, steps);
        }
    }
}

Test(call, the_end_of_the_caller_follows_a_delegated_request, .timeout = 60)
{
    for (uint32_t places = 0; places < PLACES; places++) {
        chain c;
        int32_t code = 1;
        open_chain(&c, places, YIELDS);
        test_until(&c.world, c.callees[HOLDERS - 1].yields > 0);
        test_do(&c.world, &c.asker, fail_now, &code);
        test_until(&c.world, c.callees[HOLDERS - 1].cancelled == 1);
        test_until(&c.world, dropped(&c.world, JZX_DROP_LATE) == 1);
        close_world(&c.world);
    }
}

/* What is left on a loop of a call that went on from there is one cell, and gone when it has ended in any way. */
Test(call, a_delegated_request_leaves_a_cell_until_it_has_ended, .timeout = 60)
{
    static const act ends[] = {KEEPS, NOT_MINE, FAILS, STOPS};
    for (uint32_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        chain c;
        open_chain(&c, 1 + 3 * 2 + 9 * 1, ends[i]);
        test_until(&c.world, c.callees[HOLDERS - 1].handled == 1);
        test_world_settle(&c.world);
        uint64_t used = (uint64_t)c.world.config.cells * 3 - cells_free(&c.world);
        cr_assert_eq(used, ends[i] == KEEPS ? 2 + 2 + 2 : 0, "%llu", (unsigned long long)used);
        if (ends[i] == KEEPS) {
            uint64_t ref = c.callees[HOLDERS - 1].refs[0];
            cr_assert_eq(answer_kept(&c.world, &c.holders[HOLDERS - 1], ref, 1), JZX_OK);
        }
        test_until(&c.world, c.q.outcome.count == 1);
        close_world(&c.world);
    }
}

typedef struct hand {
    uint64_t ref;
    jzx_actor_id to;
    jzx_err err;
    test_ledger *ledger;
} hand;

static jzx_behavior_result hand_on(jzx_context *context, test_actor *actor, void *argument)
{
    hand *h = argument;
    jzx_message message = test_payload(h->ledger, 9, 64);
    (void)actor;
    h->err = jzx_delegate(context, h->ref, h->to, &message);
    if (h->err != JZX_OK) {
        (void)test_payload_take(h->ledger, &message); /* refused: still ours */
    }
    return JZX_BEHAVIOR_OK;
}

Test(call, a_refused_delegation_leaves_the_request, .timeout = 60)
{
    pair p;
    open_pair(&p, 0, KEEPS);
    test_ledger ledger = {0};
    question q = question_to(p.target.id, 7);
    ask_it(&p.world, &p.asker, &q, JZX_OK);
    test_until(&p.world, p.callee.handled == 1);
    hand h = {.ref = p.callee.refs[0], .to = 0, .ledger = &ledger};
    test_do(&p.world, &p.target, hand_on, &h);
    cr_assert_eq(h.err, JZX_ERR_NO_SUCH_ACTOR);
    h.to = p.asker.id;
    test_do(&p.world, &p.asker, hand_on, &h);
    cr_assert_eq(h.err, JZX_ERR_NO_SUCH_REQUEST, "another's");
    cr_assert_eq(answer_kept(&p.world, &p.target, p.callee.refs[0], 1), JZX_OK);
    test_do(&p.world, &p.target, hand_on, &h);
    cr_assert_eq(h.err, JZX_ERR_NO_SUCH_REQUEST, "answered");
    test_until(&p.world, q.outcome.count == 1);
    cr_assert_eq(q.outcome.err, JZX_OK);
    close_world(&p.world);
    cr_assert_eq(test_ledger_open(&ledger), 0);
}

Test(call, what_is_not_wanted_any_more_is_not_delegated, .timeout = 60)
{
    for (uint32_t i = 0; i < 4; i++) {
        pair p;
        bool expires = i >= 2;
        open_pair(&p, i & 1, KEEPS);
        test_ledger ledger = {0};
        question q = question_to(p.target.id, 7);
        test_clock_steps(10000);
        q.in_ns = expires ? 2000000 : JZX_FOREVER;
        ask_it(&p.world, &p.asker, &q, JZX_OK);
        test_until(&p.world, p.callee.handled == 1);
        if (!expires) {
            test_do(&p.world, &p.asker, cancel, &q);
        }
        test_until(&p.world, q.outcome.count == 1);
        test_world_settle(&p.world);
        hand h = {.ref = p.callee.refs[0], .to = p.asker.id, .ledger = &ledger};
        test_do(&p.world, &p.target, hand_on, &h);
        cr_assert_eq(h.err, expires ? JZX_ERR_TIMEOUT : JZX_ERR_CANCELLED);
        cr_assert_eq(answer_kept(&p.world, &p.target, p.callee.refs[0], 1), JZX_ERR_NO_SUCH_REQUEST);
        test_world_settle(&p.world);
        cr_assert_eq(dropped(&p.world, JZX_DROP_LATE), 1);
        cr_assert_eq(p.asker.received, 0);
        close_world(&p.world);
        cr_assert_eq(test_ledger_open(&ledger), 0);
    }
}

/* ---- a nested call and a full mailbox ---- */

Test(call, a_nested_call_passes_the_mark_but_not_the_cap, .timeout = 60)
{
    test_world world;
    callee middle = {.act = ASKS_ON};
    callee last = {.act = YIELDS};
    test_actor asker = {0};
    test_actor between = {0};
    test_actor far = {.on = handle, .data = &last};
    jzx_spawn_options options;
    test_world_open(&world, 2, NULL);
    test_spawn(&world, 0, &asker);
    spawn_callee(&world, 0, &between, &middle);
    test_actor_options(&far, &options);
    options.mailbox_cap = 4; /* marked full from 3 on */
    test_spawn_with(&world, 1, &far, &options);
    middle.next = far.id;
    question busy[3] = {question_to(far.id, 6), question_to(far.id, 6), question_to(far.id, 6)};
    for (unsigned i = 0; i < 3; i++) {
        ask_it(&world, &asker, &busy[i], JZX_OK);
        test_until(&world, last.yields > 0);
    }
    turns(&world);
    question plain = question_to(far.id, 7);
    ask_it(&world, &asker, &plain, JZX_ERR_MAILBOX_FULL);
    question fits = question_to(between.id, 8);
    ask_it(&world, &asker, &fits, JZX_OK);
    test_until(&world, middle.handled == 1);
    turns(&world);
    cr_assert_eq(middle.err, JZX_OK);
    cr_assert_eq(fits.outcome.count, 0, "it waits in the mailbox");
    question over = question_to(between.id, 9);
    ask_it(&world, &asker, &over, JZX_OK);
    test_until(&world, over.outcome.count == 1);
    cr_assert_eq((jzx_err)(int64_t)over.outcome.word, JZX_ERR_MAILBOX_FULL);
    for (unsigned i = 0; i < 3; i++) {
        test_do(&world, &asker, cancel, &busy[i]);
    }
    last.act = ANSWERS;
    test_until(&world, fits.outcome.count == 1);
    cr_assert_eq((jzx_err)(int64_t)fits.outcome.word, JZX_OK);
    close_world(&world);
}

/* ---- without cells ---- */

Test(call, cells_are_a_limit_that_comes_back, .timeout = 60)
{
    enum { PAIRS = 8 };
    test_world world;
    static test_actor askers[PAIRS];
    static test_actor targets[PAIRS];
    static callee callees[PAIRS];
    static many m[PAIRS];
    bool blocked = false;
    test_world_open(&world, 1, NULL);
    for (uint32_t i = 0; i < PAIRS; i++) {
        callees[i] = (callee){.act = KEEPS};
        spawn_callee(&world, 0, &targets[i], &callees[i]);
        test_spawn(&world, 0, &askers[i]);
        m[i].to = targets[i].id;
        ask_until_refused(&world, &askers[i], &m[i], UINT32_MAX - 100);
        blocked |= m[i].err == JZX_ERR_WOULD_BLOCK;
    }
    cr_assert(blocked);
    for (uint32_t i = 0; i < PAIRS; i++) {
        int32_t code = 1;
        test_do(&world, &targets[i], fail_now, &code);
    }
    test_world_settle(&world);
    for (uint32_t i = 0; i < PAIRS; i++) {
        cr_assert_eq(m[i].outcome.count, m[i].asked);
    }
    close_world(&world);
}

/* A call with a deadline has one of the loop's timers until it ends. */
Test(call, timers_are_a_limit_for_deadlines, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        test_world world;
        test_actor asker = {0};
        test_actor target = {0};
        callee c = {.act = KEEPS};
        jzx_config config;
        test_config(&config);
        config.timers_max = 1;
        test_world_open(&world, 2, &config);
        test_spawn(&world, 0, &asker);
        spawn_callee(&world, place, &target, &c);
        question first = question_to(target.id, 7);
        question second = question_to(target.id, 7);
        question timeless = question_to(target.id, 7);
        first.in_ns = second.in_ns = 60000000000;
        ask_it(&world, &asker, &first, JZX_OK);
        ask_it(&world, &asker, &second, JZX_ERR_LIMIT);
        ask_it(&world, &asker, &timeless, JZX_OK);
        test_until(&world, c.handled == 2);
        cr_assert_eq(answer_kept(&world, &target, c.refs[0], 1007), JZX_OK);
        test_until(&world, first.outcome.count == 1);
        ask_it(&world, &asker, &second, JZX_OK);
        test_until(&world, c.handled == 3);
        cr_assert_eq(answer_kept(&world, &target, c.refs[1], 1007), JZX_OK);
        cr_assert_eq(answer_kept(&world, &target, c.refs[2], 1007), JZX_OK);
        test_until(&world, second.outcome.count == 1 && timeless.outcome.count == 1);
        test_world_close(&world);
    }
}
