/* scope_test: scopes that an actor opens, what flows in them, and shields. */
#include "tests/support/support.h"

#include <string.h>

static uint64_t cells_free(const test_world *world)
{
    return test_count(world, offsetof(jzx_counters, cells_free));
}

static void close_world(test_world *world)
{
    test_world_settle(world);
    cr_assert_eq(cells_free(world), (uint64_t)world->config.cells * world->loop_count, "a cell is lost");
    test_world_close(world);
}

/* ---- a play: an asker and a target that keeps what it is asked ---- */

enum { CALLS = 600 };

typedef struct play play;

typedef struct slip {
    play *play;
    uint32_t count;
    jzx_err err;
    bool cancelled;
    uint64_t deadline_ns;
    jzx_err call_again; /* what a call in the continuation is refused with */
} slip;

struct play {
    test_world world;
    test_actor asker;
    test_actor target;
    uint64_t refs[CALLS];
    _Atomic(uint32_t) kept;
    uint64_t deadline_ns; /* seen by the target */
    slip slips[CALLS];
    uint32_t made;
    uint64_t scopes[4];
    uint64_t now_ns;
    jzx_err err;
    jzx_behavior_result (*scene)(jzx_context *context, play *p);
};

static jzx_behavior_result keep(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    play *p = actor->data;
    if ((message->flags & JZX_MESSAGE_REQUEST) != 0) {
        p->deadline_ns = jzx_deadline(context);
        p->refs[p->kept++] = message->ref;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result nothing(jzx_context *context, void *state, void *argument, const jzx_result *result)
{
    (void)context;
    (void)state;
    (void)argument;
    (void)result;
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result on_end(jzx_context *context, void *state, void *argument, const jzx_result *result)
{
    slip *s = argument;
    jzx_message message = jzx_message_empty(9);
    (void)state;
    s->count++;
    s->err = result->err;
    s->cancelled = jzx_cancelled(context);
    s->deadline_ns = jzx_deadline(context);
    s->call_again = jzx_call(context, 0, &message, JZX_FOREVER, nothing, NULL);
    return JZX_BEHAVIOR_OK;
}

static jzx_err call(jzx_context *context, play *p)
{
    jzx_message message = jzx_message_empty(1);
    slip *s = &p->slips[p->made];
    s->play = p;
    jzx_err err = jzx_call(context, p->target.id, &message, JZX_FOREVER, on_end, s);
    p->made += err == JZX_OK;
    return err;
}

static jzx_behavior_result run_scene(jzx_context *context, test_actor *actor, void *argument)
{
    play *p = argument;
    (void)actor;
    p->now_ns = jzx_now_ns(context);
    return p->scene(context, p);
}

static void act(play *p, jzx_behavior_result (*scene)(jzx_context *context, play *p))
{
    p->scene = scene;
    test_do(&p->world, &p->asker, run_scene, p);
}

static void open_play(play *p, uint32_t place)
{
    jzx_spawn_options options;
    memset(p, 0, sizeof *p);
    p->target.on = keep;
    p->target.data = p;
    test_world_open(&p->world, 2, NULL);
    test_clock_steps(10000);
    test_spawn(&p->world, 0, &p->asker);
    test_actor_options(&p->target, &options);
    options.mailbox_cap = 1024;
    test_spawn_with(&p->world, place, &p->target, &options);
}

static jzx_behavior_result answer_all_now(jzx_context *context, test_actor *actor, void *argument)
{
    play *p = argument;
    jzx_message message = jzx_message_empty(2);
    (void)actor;
    for (uint32_t i = 0; i < p->kept; i++) {
        p->err = jzx_answer(context, p->refs[i], &message);
    }
    p->kept = 0;
    return JZX_BEHAVIOR_OK;
}

static void answer_all(play *p)
{
    test_do(&p->world, &p->target, answer_all_now, p);
    test_world_settle(&p->world);
}

/* ---- deadlines ---- */

static const uint64_t long_ns = 30000000000;

static jzx_behavior_result two_deep(jzx_context *context, play *p)
{
    cr_assert_eq(jzx_deadline(context), JZX_FOREVER);
    cr_assert_eq(jzx_scope_open(context, p->now_ns + long_ns, &p->scopes[0]), JZX_OK);
    cr_assert_eq(jzx_deadline(context), p->now_ns + long_ns);
    cr_assert_eq(jzx_scope_open(context, JZX_FOREVER, &p->scopes[1]), JZX_OK);
    cr_assert_eq(jzx_deadline(context), p->now_ns + long_ns, "that of the one around");
    cr_assert_eq(call(context, p), JZX_OK);
    cr_assert_eq(jzx_scope_close(context, p->scopes[1]), JZX_OK);
    cr_assert_eq(jzx_scope_open(context, p->now_ns + long_ns / 2, &p->scopes[1]), JZX_OK);
    cr_assert_eq(jzx_deadline(context), p->now_ns + long_ns / 2);
    cr_assert_eq(call(context, p), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result not_in_the_next_handler(jzx_context *context, play *p)
{
    cr_assert_eq(jzx_deadline(context), JZX_FOREVER, "a scope is the one around in the handler that opened it");
    cr_assert_eq(jzx_scope_close(context, p->scopes[0]), JZX_OK);
    cr_assert_eq(jzx_scope_close(context, p->scopes[1]), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

Test(scope, deadlines_narrow_inwards_and_reach_the_target, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        static play p;
        open_play(&p, place);
        act(&p, two_deep);
        uint64_t began_ns = p.now_ns;
        test_until(&p.world, p.slips[0].count == 1 && p.kept >= 1);
        cr_assert_eq(p.slips[0].err, JZX_ERR_CANCELLED, "its scope was closed");
        cr_assert_eq(p.slips[0].deadline_ns, began_ns + long_ns, "goes on in the one around");
        cr_assert_eq(p.deadline_ns, began_ns + long_ns / 2);
        answer_all(&p);
        cr_assert_eq(p.slips[1].err, JZX_OK);
        cr_assert_eq(p.slips[1].deadline_ns, began_ns + long_ns / 2);
        act(&p, not_in_the_next_handler);
        close_world(&p.world);
    }
}

static jzx_behavior_result soon(jzx_context *context, play *p)
{
    cr_assert_eq(jzx_scope_open(context, p->now_ns + 2000000, &p->scopes[0]), JZX_OK);
    cr_assert_eq(call(context, p), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result close_first(jzx_context *context, play *p)
{
    p->err = jzx_scope_close(context, p->scopes[0]);
    return JZX_BEHAVIOR_OK;
}

Test(scope, its_deadline_ends_a_call_and_cancels_the_continuation, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        static play p;
        open_play(&p, place);
        act(&p, soon);
        test_until(&p.world, p.slips[0].count == 1);
        cr_assert_eq(p.slips[0].err, JZX_ERR_TIMEOUT);
        cr_assert(p.slips[0].cancelled);
        cr_assert_eq(p.slips[0].call_again, JZX_ERR_TIMEOUT);
        act(&p, close_first);
        cr_assert_eq(p.err, JZX_OK);
        answer_all(&p);
        close_world(&p.world);
    }
}

/* ---- cancelling ---- */

static jzx_behavior_result many_in_two(jzx_context *context, play *p)
{
    cr_assert_eq(jzx_scope_open(context, JZX_FOREVER, &p->scopes[0]), JZX_OK);
    cr_assert_eq(jzx_scope_open(context, JZX_FOREVER, &p->scopes[1]), JZX_OK);
    for (uint32_t i = 0; i < 100; i++) {
        cr_assert_eq(call(context, p), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result cancel_outer(jzx_context *context, play *p)
{
    cr_assert_eq(jzx_cancel(context, p->scopes[0]), JZX_OK);
    cr_assert_eq(jzx_cancel(context, p->scopes[0]), JZX_OK, "again changes nothing");
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result close_both(jzx_context *context, play *p)
{
    cr_assert_eq(jzx_scope_close(context, p->scopes[0]), JZX_OK);
    cr_assert_eq(jzx_scope_close(context, p->scopes[0]), JZX_ERR_NOT_FOUND, "closed");
    cr_assert_eq(jzx_cancel(context, p->scopes[0]), JZX_ERR_NOT_FOUND);
    cr_assert_eq(jzx_scope_close(context, p->scopes[1]), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

Test(scope, a_cancel_reaches_all_inside, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        static play p;
        open_play(&p, place);
        act(&p, many_in_two);
        test_until(&p.world, p.kept == 100);
        act(&p, cancel_outer);
        test_world_settle(&p.world);
        for (uint32_t i = 0; i < p.made; i++) {
            cr_assert_eq(p.slips[i].count, 1);
            cr_assert_eq(p.slips[i].err, JZX_ERR_CANCELLED);
            cr_assert(p.slips[i].cancelled);
            cr_assert_eq(p.slips[i].call_again, JZX_ERR_CANCELLED);
        }
        act(&p, close_both);
        answer_all(&p);
        cr_assert_eq(p.err, JZX_OK, "they are still the target's to answer");
        close_world(&p.world);
    }
}

static jzx_behavior_result fill(jzx_context *context, play *p)
{
    if (p->made == 0) {
        cr_assert_eq(jzx_scope_open(context, JZX_FOREVER, &p->scopes[0]), JZX_OK);
        cr_assert_eq(jzx_scope_open(context, JZX_FOREVER, &p->scopes[1]), JZX_OK);
    }
    while (p->made < 500 && call(context, p) == JZX_OK) {
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result cancel_and_count(jzx_context *context, play *p)
{
    cr_assert_eq(jzx_cancel(context, p->scopes[0]), JZX_OK);
    for (uint32_t i = 0; i < p->made; i++) {
        cr_assert_eq(p->slips[i].count, 0, "in later turns");
    }
    return JZX_BEHAVIOR_OK;
}

Test(scope, more_than_a_turns_worth_are_cancelled_in_more_turns, .timeout = 60)
{
    static play p;
    open_play(&p, 0);
    act(&p, fill);
    cr_assert_eq(p.made, 500);
    test_until(&p.world, p.kept == 500);
    act(&p, cancel_and_count);
    test_world_settle(&p.world);
    for (uint32_t i = 0; i < p.made; i++) {
        cr_assert_eq(p.slips[i].count, 1);
        cr_assert_eq(p.slips[i].err, JZX_ERR_CANCELLED);
    }
    act(&p, close_both);
    answer_all(&p);
    close_world(&p.world);
}

static jzx_behavior_result cancel_then_close(jzx_context *context, play *p)
{
    cr_assert_eq(jzx_cancel(context, p->scopes[1]), JZX_OK);
    cr_assert_eq(jzx_scope_close(context, p->scopes[1]), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result open_again(jzx_context *context, play *p)
{
    uint64_t inner;
    cr_assert_eq(jzx_scope_open(context, JZX_FOREVER, &p->scopes[0]), JZX_OK);
    cr_assert_eq(jzx_cancel(context, p->scopes[0]), JZX_OK);
    cr_assert(jzx_cancelled(context));
    cr_assert_eq(call(context, p), JZX_ERR_CANCELLED);
    cr_assert_eq(jzx_scope_open(context, JZX_FOREVER, &inner), JZX_OK);
    cr_assert(jzx_cancelled(context), "inside of a cancelled one");
    cr_assert_eq(jzx_scope_close(context, p->scopes[0]), JZX_OK);
    cr_assert(jzx_cancelled(context), "the inner one is still around");
    cr_assert_eq(jzx_scope_close(context, inner), JZX_OK);
    cr_assert_not(jzx_cancelled(context));
    return JZX_BEHAVIOR_OK;
}

Test(scope, what_a_closed_one_has_called_goes_on_in_the_one_around, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        static play p;
        open_play(&p, place);
        act(&p, many_in_two);
        test_until(&p.world, p.kept == 100);
        act(&p, cancel_then_close);
        test_world_settle(&p.world);
        for (uint32_t i = 0; i < p.made; i++) {
            cr_assert_eq(p.slips[i].err, JZX_ERR_CANCELLED);
            cr_assert_not(p.slips[i].cancelled, "the one around is not");
            cr_assert_eq(p.slips[i].call_again, JZX_ERR_NO_SUCH_ACTOR, "it is the id that was wrong");
        }
        answer_all(&p);
        act(&p, close_first);
        act(&p, open_again);
        close_world(&p.world);
    }
}

static jzx_behavior_result stop(jzx_context *context, play *p)
{
    (void)context;
    (void)p;
    return JZX_BEHAVIOR_STOP;
}

Test(scope, the_end_of_the_actor_closes_what_it_has_open, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        static play p;
        open_play(&p, place);
        act(&p, many_in_two);
        test_until(&p.world, p.kept == 100);
        act(&p, stop);
        test_until(&p.world, p.asker.finis == 1);
        answer_all(&p);
        for (uint32_t i = 0; i < p.made; i++) {
            cr_assert_eq(p.slips[i].count, 0);
        }
        close_world(&p.world);
    }
}

/* ---- errors ---- */

static jzx_behavior_result wrong_scopes(jzx_context *context, play *p)
{
    cr_assert_eq(jzx_scope_open(context, JZX_FOREVER, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_scope_open(NULL, JZX_FOREVER, &p->scopes[0]), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_scope_close(context, 0), JZX_ERR_NOT_FOUND);
    cr_assert_eq(jzx_scope_close(context, UINT64_MAX), JZX_ERR_NOT_FOUND);
    cr_assert_eq(jzx_cancel(context, 12345), JZX_ERR_NOT_FOUND);
    cr_assert_eq(jzx_shield_leave(context), JZX_ERR_INVALID_ARG, "not shielded");
    cr_assert_eq(jzx_scope_open(context, 0, &p->scopes[0]), JZX_OK);
    cr_assert(jzx_cancelled(context), "its deadline has passed");
    cr_assert_eq(call(context, p), JZX_ERR_TIMEOUT);
    cr_assert_eq(jzx_scope_close(context, p->scopes[0]), JZX_OK);
    cr_assert_eq(jzx_scope_open(context, JZX_FOREVER, &p->scopes[0]), JZX_OK); /* for the other actor to try */
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result anothers(jzx_context *context, test_actor *actor, void *argument)
{
    play *p = argument;
    (void)actor;
    cr_assert_eq(jzx_scope_close(context, p->scopes[0]), JZX_ERR_NOT_FOUND);
    cr_assert_eq(jzx_cancel(context, p->scopes[0]), JZX_ERR_NOT_FOUND);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result open_all(jzx_context *context, play *p)
{
    uint64_t scope;
    p->made = 0;
    while ((p->err = jzx_scope_open(context, JZX_FOREVER, &scope)) == JZX_OK) {
        p->made++;
    }
    return JZX_BEHAVIOR_STOP;
}

static void wrong_thread(void *argument)
{
    jzx_context *context = argument;
    uint64_t scope;
    cr_expect_eq(jzx_scope_open(context, JZX_FOREVER, &scope), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(jzx_scope_close(context, 1), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(jzx_cancel(context, 1), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(jzx_shield_enter(context), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(jzx_shield_leave(context), JZX_ERR_WRONG_THREAD);
}

static void in_fini(jzx_context *context, test_actor *actor, const jzx_exit_info *info)
{
    play *p = actor->data;
    uint64_t scope;
    (void)info;
    p->slips[0].err = jzx_scope_open(context, JZX_FOREVER, &scope);
    p->slips[1].err = jzx_shield_enter(context);
    p->slips[2].err = jzx_shield_leave(context);
}

Test(scope, what_is_wrong_is_refused, .timeout = 60)
{
    static play p;
    open_play(&p, 0);
    act(&p, wrong_scopes);
    test_do(&p.world, &p.target, anothers, &p);
    jzx_context *host = jzx_loop_context(p.world.loops[0]);
    uint64_t scope;
    cr_assert_eq(jzx_scope_open(host, JZX_FOREVER, &scope), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_scope_close(host, 1), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_cancel(host, 1), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_shield_enter(host), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_shield_leave(host), JZX_ERR_INVALID_ARG);
    test_on_thread(wrong_thread, host);
    p.asker.on_fini = in_fini;
    p.asker.data = &p;
    act(&p, open_all);
    test_until(&p.world, p.asker.finis == 1);
    cr_assert_eq(p.err, JZX_ERR_LIMIT);
    cr_assert_eq(p.made, p.world.config.cells / 8 - 1, "one is open from before");
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(p.slips[i].err, JZX_ERR_STOPPING);
    }
    close_world(&p.world);
}

/* ---- shields ---- */

static jzx_behavior_result enter(jzx_context *context, play *p)
{
    p->err = jzx_shield_enter(context);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result leave(jzx_context *context, play *p)
{
    p->err = jzx_shield_leave(context);
    return JZX_BEHAVIOR_OK;
}

typedef jzx_err (*end_fn)(jzx_context *context, jzx_actor_id id);

static jzx_err stop_with(jzx_context *context, jzx_actor_id id)
{
    return jzx_stop_with(context, id, 77, "a text");
}

static jzx_err fail_with(jzx_context *context, jzx_actor_id id)
{
    return jzx_fail(context, id, 78, "another");
}

Test(scope, a_shielded_actor_is_stopped_when_it_has_left, .timeout = 60)
{
    static const end_fn ends[] = {jzx_stop, stop_with, jzx_drain};
    for (unsigned i = 0; i < 3; i++) {
        static play p;
        open_play(&p, 0);
        act(&p, enter);
        act(&p, enter);
        cr_assert_eq(p.err, JZX_OK);
        cr_assert_eq(ends[i](jzx_loop_context(p.world.loops[1]), p.asker.id), JZX_OK);
        test_world_settle(&p.world);
        act(&p, leave);
        test_world_settle(&p.world);
        cr_assert_eq(p.asker.finis, 0, "it entered twice");
        act(&p, leave);
        test_until(&p.world, p.asker.finis == 1);
        cr_assert_eq(p.asker.exit.kind, (uint32_t)JZX_EXIT_SHUTDOWN);
        cr_assert_eq(p.asker.exit.code, i == 1 ? 77 : 0);
        cr_assert_str_eq(p.asker.exit.text, i == 1 ? "a text" : "");
        close_world(&p.world);
    }
}

Test(scope, of_ends_that_wait_the_first_counts_and_a_stop_overtakes_a_drain, .timeout = 60)
{
    static play p;
    open_play(&p, 0);
    jzx_context *host = jzx_loop_context(p.world.loops[0]);
    act(&p, enter);
    cr_assert_eq(jzx_drain(host, p.asker.id), JZX_OK);
    cr_assert_eq(stop_with(host, p.asker.id), JZX_OK);
    cr_assert_eq(jzx_stop(host, p.asker.id), JZX_OK);
    cr_assert_eq(jzx_drain(host, p.asker.id), JZX_OK);
    act(&p, leave);
    test_until(&p.world, p.asker.finis == 1);
    cr_assert_eq(p.asker.exit.code, 77);
    close_world(&p.world);
}

Test(scope, a_shield_does_not_help_against_these, .timeout = 60)
{
    static const end_fn ends[] = {jzx_kill, fail_with};
    for (unsigned i = 0; i < 2; i++) {
        static play p;
        open_play(&p, 0);
        jzx_context *host = jzx_loop_context(p.world.loops[0]);
        act(&p, enter);
        cr_assert_eq(jzx_stop(host, p.asker.id), JZX_OK);
        cr_assert_eq(ends[i](host, p.asker.id), JZX_OK);
        test_until(&p.world, p.asker.finis == 1);
        cr_assert_eq(p.asker.exit.kind, (uint32_t)(i == 0 ? JZX_EXIT_KILLED : JZX_EXIT_FAIL));
        close_world(&p.world);
    }
}

static void open_short(play *p)
{
    jzx_config config;
    test_config(&config);
    config.shield_max_ns = 3000000;
    memset(p, 0, sizeof *p);
    test_world_open(&p->world, 2, &config);
    test_clock_steps(10000);
    test_spawn(&p->world, 0, &p->asker);
}

Test(scope, a_shield_lasts_so_long_and_not_longer, .timeout = 60)
{
    static play p;
    open_short(&p);
    act(&p, enter);
    uint64_t began_ns = test_now_ns();
    cr_assert_eq(jzx_stop(jzx_loop_context(p.world.loops[0]), p.asker.id), JZX_OK);
    test_until(&p.world, p.asker.finis == 1);
    cr_assert_geq(test_now_ns() - began_ns, 3000000);
    close_world(&p.world);
}

Test(scope, the_stop_of_the_runtime_waits_for_a_shield, .timeout = 60)
{
    static play p;
    open_short(&p);
    act(&p, enter);
    uint64_t began_ns = test_now_ns();
    test_world_close(&p.world);
    cr_assert_geq(test_now_ns() - began_ns, 3000000);
    cr_assert_eq(p.asker.finis, 1);
    cr_assert_eq(p.asker.exit.kind, (uint32_t)JZX_EXIT_SHUTDOWN);
}

static jzx_behavior_result deep(jzx_context *context, play *p)
{
    for (unsigned i = 0; i < 255; i++) {
        cr_assert_eq(jzx_shield_enter(context), JZX_OK);
    }
    cr_assert_eq(jzx_shield_enter(context), JZX_ERR_LIMIT);
    for (unsigned i = 0; i < 255; i++) {
        cr_assert_eq(jzx_shield_leave(context), JZX_OK);
    }
    p->err = jzx_shield_leave(context);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result in_no_scope(jzx_context *context, play *p)
{
    cr_assert_eq(jzx_scope_open(context, p->now_ns + long_ns, &p->scopes[0]), JZX_OK);
    cr_assert_eq(jzx_cancel(context, p->scopes[0]), JZX_OK);
    cr_assert(jzx_cancelled(context));
    cr_assert_eq(jzx_shield_enter(context), JZX_OK);
    cr_assert_not(jzx_cancelled(context));
    cr_assert_eq(jzx_deadline(context), JZX_FOREVER);
    cr_assert_eq(call(context, p), JZX_OK);
    cr_assert_eq(jzx_shield_leave(context), JZX_OK);
    cr_assert(jzx_cancelled(context));
    cr_assert_eq(jzx_scope_close(context, p->scopes[0]), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

Test(scope, shields_nest_and_calls_in_them_are_in_no_scope, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        static play p;
        open_play(&p, place);
        act(&p, deep);
        cr_assert_eq(p.err, JZX_ERR_INVALID_ARG);
        act(&p, in_no_scope);
        test_until(&p.world, p.kept == 1);
        cr_assert_eq(p.deadline_ns, JZX_FOREVER);
        answer_all(&p);
        cr_assert_eq(p.slips[0].err, JZX_OK);
        close_world(&p.world);
    }
}

Test(scope, annexes_are_a_limit_for_shields, .timeout = 60)
{
    static play p;
    jzx_config config;
    test_actor other = {0};
    test_config(&config);
    config.annexes_max = 1;
    memset(&p, 0, sizeof p);
    test_world_open(&p.world, 1, &config);
    test_spawn(&p.world, 0, &other);
    test_spawn(&p.world, 0, &p.asker);
    act(&p, enter);
    cr_assert_eq(p.err, JZX_OK);
    play q = {.world = p.world};
    q.scene = enter;
    test_do(&p.world, &other, run_scene, &q);
    cr_assert_eq(q.err, JZX_ERR_LIMIT);
    act(&p, leave);
    close_world(&p.world);
}
