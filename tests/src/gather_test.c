/* gather_test: several calls whose ends are waited for together. */
#include "tests/support/support.h"

#include <string.h>

enum { TARGETS = 8 };

typedef struct play {
    test_world world;
    test_actor asker;
    test_actor targets[TARGETS];
    uint64_t refs[TARGETS]; /* of what each keeps */
    _Atomic(uint32_t) kept;

    /* What is to be gathered. */
    uint32_t calls;
    uint32_t need;
    uint64_t in_ns; /* the deadline; JZX_FOREVER: none */
    bool no_each;
    bool payloads;
    jzx_behavior_result each_result;
    jzx_behavior_result done_result;
    bool gives_up; /* on_each does, when it is told of the first */
    test_ledger ledger;

    /* What came of it. */
    uint64_t gather;
    uint64_t scope;
    jzx_err err;
    uint32_t each[TARGETS]; /* times that on_each was called for this index */
    jzx_err each_err[TARGETS];
    uint32_t dones;
    jzx_gathered done;
    uint64_t done_turn;
    uint64_t each_turn; /* of the last on_each */
    uint64_t now_ns;
} play;

static uint64_t turn_of(const jzx_context *context)
{
    jzx_counters counters;
    cr_assert_eq(jzx_loop_stats(jzx_context_loop(context), &counters), JZX_OK);
    return counters.turns;
}

static jzx_behavior_result keep(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    play *p = actor->data;
    (void)context;
    if ((message->flags & JZX_MESSAGE_REQUEST) != 0) {
        p->refs[actor - p->targets] = message->ref;
        p->kept++;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result on_each(jzx_context *context, void *state, void *argument, uint32_t index,
                                   const jzx_result *result)
{
    play *p = argument;
    (void)state;
    p->each[index]++;
    p->each_err[index] = result->err;
    p->each_turn = turn_of(context);
    if (result->message != NULL && p->payloads && p->each_result != JZX_BEHAVIOR_UNHANDLED) {
        (void)test_payload_take(&p->ledger, result->message);
    }
    if (p->gives_up) {
        cr_assert_eq(jzx_gather_cancel(context, p->gather), JZX_OK);
    }
    return p->each_result;
}

static jzx_behavior_result on_done(jzx_context *context, void *state, void *argument, const jzx_gathered *gathered)
{
    play *p = argument;
    (void)state;
    p->dones++;
    p->done = *gathered;
    p->done_turn = turn_of(context);
    return p->done_result;
}

static jzx_err begin(jzx_context *context, play *p)
{
    jzx_gather_options options;
    jzx_gather_options_init(&options);
    options.need = p->need;
    options.deadline_ns = p->in_ns == JZX_FOREVER ? JZX_FOREVER : jzx_now_ns(context) + p->in_ns;
    options.on_each = p->no_each ? NULL : on_each;
    options.on_done = on_done;
    options.argument = p;
    return jzx_gather_begin(context, &options, &p->gather);
}

static jzx_behavior_result gather(jzx_context *context, test_actor *actor, void *argument)
{
    play *p = argument;
    jzx_message message = jzx_message_empty(1);
    (void)actor;
    cr_assert_eq(begin(context, p), JZX_OK);
    for (uint32_t i = 0; i < p->calls; i++) {
        cr_assert_eq(jzx_gather_call(context, p->gather, p->targets[i].id, &message, i), JZX_OK);
    }
    p->err = jzx_gather_end(context, p->gather);
    cr_assert_eq(jzx_gather_call(context, p->gather, p->targets[0].id, &message, 0), JZX_ERR_NO_SUCH_REQUEST,
                 "too late");
    return JZX_BEHAVIOR_OK;
}

/* Targets on both loops, the asker on loop 0. */
static void open_play(play *p, uint32_t calls, uint32_t need)
{
    memset(p, 0, sizeof *p);
    p->calls = calls;
    p->need = need;
    p->in_ns = JZX_FOREVER;
    test_world_open(&p->world, 2, NULL);
    test_spawn(&p->world, 0, &p->asker);
    for (uint32_t i = 0; i < TARGETS; i++) {
        p->targets[i] = (test_actor){.on = keep, .data = p};
        test_spawn(&p->world, i % 2, &p->targets[i]);
    }
}

static void begin_play(play *p, uint32_t calls, uint32_t need)
{
    open_play(p, calls, need);
    test_do(&p->world, &p->asker, gather, p);
    cr_assert_eq(p->err, JZX_OK);
    test_until(&p->world, p->kept == calls);
    cr_assert_eq(p->dones, 0);
}

static void close_play(play *p)
{
    test_world_settle(&p->world);
    uint64_t cells_free = test_count(&p->world, offsetof(jzx_counters, cells_free));
    cr_assert_eq(cells_free, (uint64_t)p->world.config.cells * p->world.loop_count, "a cell is lost");
    test_world_close(&p->world);
    cr_assert_eq(test_ledger_open(&p->ledger), 0);
    cr_assert_eq(p->ledger.twice, 0);
}

static jzx_behavior_result answer_now(jzx_context *context, test_actor *actor, void *argument)
{
    play *p = argument;
    jzx_message answer = p->payloads ? test_payload(&p->ledger, 2, 64) : jzx_message_empty(2);
    cr_assert_eq(jzx_answer(context, p->refs[actor - p->targets], &answer), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

static void answer(play *p, uint32_t index)
{
    test_do(&p->world, &p->targets[index], answer_now, p);
    test_world_settle(&p->world);
}

static jzx_behavior_result fail_now(jzx_context *context, test_actor *actor, void *argument)
{
    (void)argument;
    (void)jzx_fail(context, actor->id, 1, NULL);
    return JZX_BEHAVIOR_OK;
}

static void fail(play *p, uint32_t index)
{
    test_do(&p->world, &p->targets[index], fail_now, NULL);
    test_world_settle(&p->world);
}

/* What has not been answered is: nobody waits for it. */
static void answer_rest(play *p, uint32_t from)
{
    for (uint32_t i = from; i < p->calls; i++) {
        answer(p, i);
    }
}

static void expect(const play *p, jzx_err err, uint32_t answered, uint32_t failed, uint32_t cancelled)
{
    cr_assert_eq(p->dones, 1);
    cr_assert_eq(p->done.err, err, "%s", jzx_strerror(p->done.err));
    cr_assert_eq(p->done.calls, p->calls);
    cr_assert_eq(p->done.answered, answered);
    cr_assert_eq(p->done.failed, failed);
    cr_assert_eq(p->done.cancelled, cancelled);
}

/* ---- decisions ---- */

Test(gather, all, .timeout = 60)
{
    static play p;
    begin_play(&p, 8, JZX_NEED_ALL);
    for (uint32_t i = 0; i < 8; i++) {
        cr_assert_eq(p.dones, 0);
        answer(&p, i);
        cr_assert_eq(p.each[i], 1);
        cr_assert_eq(p.each_err[i], JZX_OK);
    }
    expect(&p, JZX_OK, 8, 0, 0);
    cr_assert_eq(p.done_turn, p.each_turn, "in the same turn");
    close_play(&p);
    cr_assert_eq(p.dones, 1);
}

Test(gather, the_first, .timeout = 60)
{
    for (uint32_t first = 0; first < 2; first++) {
        static play p;
        begin_play(&p, 8, 1);
        answer(&p, first);
        expect(&p, JZX_OK, 1, 0, 7);
        for (uint32_t i = 0; i < 8; i++) {
            cr_assert_eq(p.each[i], i == first);
            if (i != first) {
                answer(&p, i); /* too late, and still theirs to answer */
            }
        }
        close_play(&p);
        cr_assert_eq(p.dones, 1);
    }
}

Test(gather, a_quorum_with_some_that_fail, .timeout = 60)
{
    static play p;
    begin_play(&p, 5, 3);
    fail(&p, 0);
    cr_assert_eq(p.each_err[0], JZX_ERR_ENDED);
    answer(&p, 1);
    fail(&p, 2);
    answer(&p, 3);
    cr_assert_eq(p.dones, 0);
    answer(&p, 4);
    expect(&p, JZX_OK, 3, 2, 0);
    close_play(&p);
}

Test(gather, it_ends_when_enough_have_failed, .timeout = 60)
{
    static play p;
    begin_play(&p, 5, 3);
    fail(&p, 0);
    fail(&p, 1);
    cr_assert_eq(p.dones, 0);
    fail(&p, 3);
    expect(&p, JZX_ERR_ENDED, 0, 3, 2);
    answer(&p, 2);
    answer(&p, 4);
    close_play(&p);
}

Test(gather, one_that_fails_is_enough_of_all, .timeout = 60)
{
    static play p;
    begin_play(&p, 4, JZX_NEED_ALL);
    fail(&p, 1);
    expect(&p, JZX_ERR_ENDED, 0, 1, 3);
    answer(&p, 0);
    answer(&p, 2);
    answer(&p, 3);
    close_play(&p);
}

/* ---- deadlines and cancels ---- */

Test(gather, a_deadline_decides, .timeout = 60)
{
    static play p;
    open_play(&p, 4, JZX_NEED_ALL);
    test_clock_steps(10000);
    p.in_ns = 50000000;
    test_do(&p.world, &p.asker, gather, &p);
    test_until(&p.world, p.kept == 4);
    test_do(&p.world, &p.targets[0], answer_now, &p);
    test_until(&p.world, p.dones == 1);
    test_world_settle(&p.world);
    expect(&p, JZX_ERR_TIMEOUT, 1, 0, 3);
    cr_assert_eq(p.each[1], 0, "without on_each");
    answer_rest(&p, 1);
    close_play(&p);
}

static jzx_behavior_result only_begin(jzx_context *context, test_actor *actor, void *argument)
{
    play *p = argument;
    (void)actor;
    p->err = begin(context, p);
    return JZX_BEHAVIOR_OK;
}

Test(gather, a_deadline_decides_before_its_end_is_said, .timeout = 60)
{
    static play p;
    open_play(&p, 0, 1);
    test_clock_steps(10000);
    p.in_ns = 2000000;
    test_do(&p.world, &p.asker, only_begin, &p);
    cr_assert_eq(p.err, JZX_OK);
    test_until(&p.world, p.dones == 1);
    expect(&p, JZX_ERR_TIMEOUT, 0, 0, 0);
    close_play(&p);
}

static jzx_behavior_result give_up(jzx_context *context, test_actor *actor, void *argument)
{
    play *p = argument;
    jzx_message message = jzx_message_empty(1);
    (void)actor;
    cr_assert_eq(jzx_gather_cancel(context, p->gather), JZX_OK);
    cr_assert_eq(p->dones, 0, "in a later turn");
    cr_assert_eq(jzx_gather_cancel(context, p->gather), JZX_ERR_NO_SUCH_REQUEST);
    cr_assert_eq(jzx_gather_end(context, p->gather), JZX_ERR_NO_SUCH_REQUEST);
    cr_assert_eq(jzx_gather_call(context, p->gather, p->targets[0].id, &message, 0), JZX_ERR_NO_SUCH_REQUEST);
    return JZX_BEHAVIOR_OK;
}

Test(gather, it_is_given_up, .timeout = 60)
{
    static play p;
    begin_play(&p, 6, JZX_NEED_ALL);
    answer(&p, 0);
    test_do(&p.world, &p.asker, give_up, &p);
    test_world_settle(&p.world);
    expect(&p, JZX_ERR_CANCELLED, 1, 0, 5);
    answer_rest(&p, 1);
    for (uint32_t i = 1; i < 6; i++) {
        cr_assert_eq(p.each[i], 0);
    }
    close_play(&p);
}

Test(gather, on_each_may_give_it_up, .timeout = 60)
{
    static play p;
    begin_play(&p, 4, 1);
    p.gives_up = true;
    answer(&p, 0);
    test_world_settle(&p.world);
    expect(&p, JZX_ERR_CANCELLED, 1, 0, 3);
    answer_rest(&p, 1);
    close_play(&p);
}

Test(gather, on_done_has_no_message_that_it_could_leave, .timeout = 60)
{
    static play p;
    begin_play(&p, 2, 1);
    p.done_result = JZX_BEHAVIOR_UNHANDLED;
    answer(&p, 0);
    expect(&p, JZX_OK, 1, 0, 1);
    cr_assert_eq(test_count(&p.world, offsetof(jzx_counters, unhandled)), 0);
    answer_rest(&p, 1);
    close_play(&p);
}

static jzx_behavior_result answer_bytes(jzx_context *context, test_actor *actor, void *argument)
{
    static char bytes[8];
    play *p = argument;
    jzx_message answer = jzx_message_pointer(2, bytes, sizeof bytes, NULL, NULL);
    cr_assert_eq(jzx_answer(context, p->refs[actor - p->targets], &answer), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

Test(gather, bytes_without_a_destructor_are_left_alone, .timeout = 60)
{
    static play p;
    open_play(&p, 2, JZX_NEED_ALL);
    p.no_each = true;
    test_do(&p.world, &p.asker, gather, &p);
    test_until(&p.world, p.kept == 2);
    for (uint32_t i = 0; i < 2; i++) {
        test_do(&p.world, &p.targets[i], answer_bytes, &p);
    }
    test_world_settle(&p.world);
    expect(&p, JZX_OK, 2, 0, 0);
    close_play(&p);
}

static jzx_behavior_result gather_in_scope(jzx_context *context, test_actor *actor, void *argument)
{
    play *p = argument;
    cr_assert_eq(jzx_scope_open(context, JZX_FOREVER, &p->scope), JZX_OK);
    return gather(context, actor, p);
}

static jzx_behavior_result close_scope(jzx_context *context, test_actor *actor, void *argument)
{
    play *p = argument;
    (void)actor;
    cr_assert_eq(jzx_scope_close(context, p->scope), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

Test(gather, it_ends_with_its_scope, .timeout = 60)
{
    static play p;
    open_play(&p, 4, 2);
    test_do(&p.world, &p.asker, gather_in_scope, &p);
    test_until(&p.world, p.kept == 4);
    test_do(&p.world, &p.asker, close_scope, &p);
    test_world_settle(&p.world);
    expect(&p, JZX_ERR_CANCELLED, 0, 0, 4);
    answer_rest(&p, 0);
    close_play(&p);
}

static jzx_behavior_result stop_now(jzx_context *context, test_actor *actor, void *argument)
{
    (void)context;
    (void)actor;
    (void)argument;
    return JZX_BEHAVIOR_STOP;
}

Test(gather, it_ends_with_its_actor, .timeout = 60)
{
    static play p;
    begin_play(&p, 8, 3);
    answer(&p, 0);
    test_do(&p.world, &p.asker, stop_now, NULL);
    test_world_settle(&p.world);
    answer_rest(&p, 1);
    cr_assert_eq(p.dones, 0);
    close_play(&p);
}

/* ---- what its functions return ---- */

Test(gather, payloads_that_on_each_does_not_take_are_destroyed, .timeout = 60)
{
    static const jzx_behavior_result results[] = {JZX_BEHAVIOR_OK, JZX_BEHAVIOR_UNHANDLED, JZX_BEHAVIOR_YIELD};
    for (unsigned i = 0; i < 4; i++) {
        static play p;
        open_play(&p, 4, 2);
        p.payloads = true;
        p.no_each = i == 3;
        p.each_result = i == 3 ? JZX_BEHAVIOR_OK : results[i];
        test_do(&p.world, &p.asker, gather, &p);
        test_until(&p.world, p.kept == 4);
        answer(&p, 0);
        answer(&p, 1);
        expect(&p, JZX_OK, 2, 0, 2);
        answer_rest(&p, 2);
        cr_assert_eq(p.ledger.made, 4);
        cr_assert_eq(p.ledger.dropped, i == 1 || i == 3 ? 4 : 2);
        close_play(&p);
    }
}

Test(gather, on_each_can_end_the_actor, .timeout = 60)
{
    static play p;
    begin_play(&p, 4, 1);
    p.each_result = JZX_BEHAVIOR_STOP;
    answer(&p, 0);
    cr_assert_eq(p.asker.finis, 1);
    cr_assert_eq(p.dones, 0);
    answer_rest(&p, 1);
    close_play(&p);
}

/* ---- errors ---- */

static jzx_behavior_result decide_at_the_end(jzx_context *context, test_actor *actor, void *argument)
{
    play *p = argument;
    (void)actor;
    p->err = jzx_gather_end(context, p->gather);
    cr_assert_eq(p->dones, 0, "in a later turn");
    cr_assert_eq(jzx_gather_end(context, p->gather), JZX_ERR_NO_SUCH_REQUEST, "said before");
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result begin_and_call(jzx_context *context, test_actor *actor, void *argument)
{
    play *p = argument;
    jzx_message message = jzx_message_empty(1);
    (void)actor;
    cr_assert_eq(begin(context, p), JZX_OK);
    for (uint32_t i = 0; i < p->calls; i++) {
        cr_assert_eq(jzx_gather_call(context, p->gather, p->targets[i].id, &message, i), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

Test(gather, its_end_may_be_said_in_another_handler, .timeout = 60)
{
    static play p;
    open_play(&p, 3, 2);
    test_do(&p.world, &p.asker, begin_and_call, &p);
    test_until(&p.world, p.kept == 3);
    answer(&p, 0);
    answer(&p, 1);
    cr_assert_eq(p.dones, 0, "nothing is decided before");
    test_do(&p.world, &p.asker, decide_at_the_end, &p);
    cr_assert_eq(p.err, JZX_OK);
    test_world_settle(&p.world);
    expect(&p, JZX_OK, 2, 0, 1);
    answer_rest(&p, 2);
    close_play(&p);
}

/* Ends that are no answers decide nothing: each is told, and the gathering with the last of them. */
Test(gather, needs_none_and_waits_for_every_end, .timeout = 60)
{
    for (uint32_t failing = 0; failing <= 4; failing++) {
        static play p;
        begin_play(&p, 4, JZX_NEED_NONE);
        for (uint32_t i = 0; i < 4; i++) {
            cr_assert_eq(p.dones, 0, "after %u ends, of which %u are failures", i, failing);
            if (i < failing) {
                fail(&p, i);
            } else {
                answer(&p, i);
            }
            cr_assert_eq(p.each[i], 1);
            cr_assert_eq(p.each_err[i], i < failing ? JZX_ERR_ENDED : JZX_OK);
        }
        expect(&p, JZX_OK, 4 - failing, failing, 0);
        cr_assert_eq(p.done_turn, p.each_turn, "in the same turn");
        close_play(&p);
    }
}

Test(gather, that_needs_none_ends_at_its_deadline, .timeout = 60)
{
    static play p;
    open_play(&p, 3, JZX_NEED_NONE);
    test_clock_steps(10000);
    p.in_ns = 20000000;
    test_do(&p.world, &p.asker, gather, &p);
    test_until(&p.world, p.kept == 3);
    test_until(&p.world, p.dones == 1);
    expect(&p, JZX_ERR_TIMEOUT, 0, 0, 3);
    answer_rest(&p, 0);
    close_play(&p);
}

Test(gather, more_needed_than_called_is_an_error, .timeout = 60)
{
    for (uint32_t calls = 0; calls < 3; calls++) {
        static play p;
        open_play(&p, calls, calls == 0 ? JZX_NEED_ALL : calls + 1);
        test_do(&p.world, &p.asker, gather, &p);
        cr_assert_eq(p.err, JZX_ERR_INVALID_ARG);
        test_world_settle(&p.world);
        expect(&p, JZX_ERR_CANCELLED, 0, 0, calls);
        test_world_settle(&p.world);
        close_play(&p);
    }
}

Test(gather, of_no_call_is_an_error_whatever_it_needs, .timeout = 60)
{
    static play p;
    open_play(&p, 0, JZX_NEED_NONE);
    test_do(&p.world, &p.asker, gather, &p);
    cr_assert_eq(p.err, JZX_ERR_INVALID_ARG);
    test_world_settle(&p.world);
    expect(&p, JZX_ERR_CANCELLED, 0, 0, 0);
    close_play(&p);
}

static jzx_behavior_result wrong_gathers(jzx_context *context, test_actor *actor, void *argument)
{
    play *p = argument;
    jzx_message message = jzx_message_empty(1);
    jzx_gather_options options;
    uint64_t gather;
    uint64_t scope;
    (void)actor;
    jzx_gather_options_init(&options);
    cr_assert_eq(options.need, JZX_NEED_ALL);
    cr_assert_eq(jzx_gather_begin(context, &options, &gather), JZX_ERR_INVALID_ARG, "no on_done");
    options.on_done = on_done;
    options.argument = p;
    cr_assert_eq(jzx_gather_begin(context, &options, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_gather_begin(context, NULL, &gather), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_gather_begin(NULL, &options, &gather), JZX_ERR_INVALID_ARG);
    options.need = 1;
    options.struct_size = 3;
    cr_assert_eq(jzx_gather_begin(context, &options, &gather), JZX_ERR_INVALID_ARG);
    options.struct_size = sizeof options;
    options.deadline_ns = jzx_now_ns(context);
    cr_assert_eq(jzx_gather_begin(context, &options, &gather), JZX_ERR_TIMEOUT);
    options.deadline_ns = JZX_FOREVER;
    cr_assert_eq(jzx_scope_open(context, JZX_FOREVER, &scope), JZX_OK);
    cr_assert_eq(jzx_cancel(context, scope), JZX_OK);
    cr_assert_eq(jzx_gather_begin(context, &options, &gather), JZX_ERR_CANCELLED);
    cr_assert_eq(jzx_gather_end(context, scope), JZX_ERR_NO_SUCH_REQUEST, "it is no gathering");
    cr_assert_eq(jzx_scope_close(context, scope), JZX_OK);
    cr_assert_eq(jzx_gather_call(context, 1, p->targets[0].id, &message, 0), JZX_ERR_NO_SUCH_REQUEST);
    cr_assert_eq(jzx_gather_end(context, UINT64_MAX), JZX_ERR_NO_SUCH_REQUEST);
    cr_assert_eq(jzx_gather_cancel(context, 0), JZX_ERR_NO_SUCH_REQUEST);
    cr_assert_eq(jzx_gather_begin(context, &options, &p->gather), JZX_OK);
    cr_assert_eq(jzx_gather_call(context, p->gather, 0, &message, 0), JZX_ERR_NO_SUCH_ACTOR, "no part of it");
    cr_assert_eq(jzx_gather_call(context, p->gather, p->targets[0].id, NULL, 0), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_call_cancel(context, p->gather), JZX_ERR_NO_SUCH_REQUEST, "it is no call");
    cr_assert_eq(jzx_cancel(context, p->gather), JZX_ERR_NOT_FOUND, "nor a scope");
    cr_assert_eq(jzx_gather_call(context, p->gather, p->targets[0].id, &message, 0), JZX_OK);
    p->calls = 1;
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result anothers(jzx_context *context, test_actor *actor, void *argument)
{
    play *p = argument;
    jzx_message message = jzx_message_empty(1);
    cr_assert_eq(jzx_gather_call(context, p->gather, actor->id, &message, 0), JZX_ERR_NO_SUCH_REQUEST);
    cr_assert_eq(jzx_gather_end(context, p->gather), JZX_ERR_NO_SUCH_REQUEST);
    cr_assert_eq(jzx_gather_cancel(context, p->gather), JZX_ERR_NO_SUCH_REQUEST);
    return JZX_BEHAVIOR_OK;
}

static void wrong_thread(void *argument)
{
    jzx_context *context = argument;
    jzx_gather_options options;
    uint64_t gather;
    jzx_message message = jzx_message_empty(1);
    jzx_gather_options_init(&options);
    options.on_done = on_done;
    cr_expect_eq(jzx_gather_begin(context, &options, &gather), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(jzx_gather_call(context, 1, 1, &message, 0), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(jzx_gather_end(context, 1), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(jzx_gather_cancel(context, 1), JZX_ERR_WRONG_THREAD);
}

static jzx_behavior_result begin_all(jzx_context *context, test_actor *actor, void *argument)
{
    play *p = argument;
    (void)actor;
    p->calls = 0;
    while ((p->err = begin(context, p)) == JZX_OK) {
        p->calls++;
    }
    return JZX_BEHAVIOR_STOP;
}

static void in_fini(jzx_context *context, test_actor *actor, const jzx_exit_info *info)
{
    (void)info;
    play *p = actor->data;
    p->each_err[0] = begin(context, p);
}

Test(gather, what_is_wrong_is_refused, .timeout = 60)
{
    static play p;
    open_play(&p, 0, 1);
    jzx_gather_options_init(NULL);
    test_do(&p.world, &p.asker, wrong_gathers, &p);
    test_do(&p.world, &p.targets[1], anothers, &p);
    test_do(&p.world, &p.targets[2], anothers, &p);
    test_on_thread(wrong_thread, jzx_loop_context(p.world.loops[0]));
    test_do(&p.world, &p.asker, decide_at_the_end, &p);
    test_until(&p.world, p.kept == 1);
    answer(&p, 0);
    expect(&p, JZX_OK, 1, 0, 0);
    p.asker.on_fini = in_fini;
    p.asker.data = &p;
    test_do(&p.world, &p.asker, begin_all, &p);
    test_until(&p.world, p.asker.finis == 1);
    cr_assert_eq(p.err, JZX_ERR_LIMIT);
    cr_assert_eq(p.calls, p.world.config.cells / 8 / 2);
    cr_assert_eq(p.each_err[0], JZX_ERR_STOPPING);
    close_play(&p);
}

/* ---- on threads ---- */

static jzx_behavior_result answer_at_once(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)actor;
    jzx_message answer = jzx_message_empty(2);
    if ((message->flags & JZX_MESSAGE_REQUEST) != 0) {
        (void)jzx_answer(context, message->ref, &answer);
    }
    return JZX_BEHAVIOR_OK;
}

enum { ROUNDS = 2000 };

typedef struct again {
    play *play;
    _Atomic(uint32_t) rounds;
    uint32_t wrong;
} again;

static jzx_behavior_result next_round(jzx_context *context, void *state, void *argument, const jzx_gathered *gathered);

static void start_round(jzx_context *context, again *a)
{
    jzx_gather_options options;
    jzx_message message = jzx_message_empty(1);
    uint64_t gather;
    jzx_gather_options_init(&options);
    options.need = 1 + a->rounds % TARGETS;
    options.on_done = next_round;
    options.argument = a;
    a->wrong += jzx_gather_begin(context, &options, &gather) != JZX_OK;
    for (uint32_t i = 0; i < TARGETS; i++) {
        a->wrong += jzx_gather_call(context, gather, a->play->targets[i].id, &message, i) != JZX_OK;
    }
    a->wrong += jzx_gather_end(context, gather) != JZX_OK;
}

static jzx_behavior_result next_round(jzx_context *context, void *state, void *argument, const jzx_gathered *gathered)
{
    again *a = argument;
    (void)state;
    a->wrong += gathered->err != JZX_OK || gathered->answered + gathered->cancelled != TARGETS;
    if (++a->rounds < ROUNDS) {
        start_round(context, a);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result on_start(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    if (message->tag == 5) {
        start_round(context, actor->data);
    }
    return JZX_BEHAVIOR_OK;
}

Test(gather, round_after_round_with_late_answers, .timeout = 100)
{
    static play p;
    again a = {.play = &p};
    memset(&p, 0, sizeof p);
    jzx_config config;
    jzx_config_init(&config);    /* whose lanes and cells are many */
    config.mailbox_cap = ROUNDS; /* requests that were cancelled wait there, however slow a loop is */
    test_world_open(&p.world, 2, &config);
    p.asker = (test_actor){.on = on_start, .data = &a};
    test_spawn(&p.world, 0, &p.asker);
    for (uint32_t i = 0; i < TARGETS; i++) {
        p.targets[i] = (test_actor){.on = answer_at_once};
        test_spawn(&p.world, i % 2, &p.targets[i]);
    }
    test_world_start(&p.world);
    test_send(&p.world, &p.asker, 5);
    test_until(&p.world, a.rounds == ROUNDS);
    test_world_close(&p.world);
    cr_assert_eq(a.wrong, 0);
}
