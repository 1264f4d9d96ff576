/* supervisor: how often children are restarted, after how long, and what happens when that is too often. */
#include "tests/support/tree.h"

/* ---- intensity ---- */

TREE_TEST(S30_one_for_one_frequency)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    tree_start(&t);
    tree_die(&t, a, TREE_FAIL);
    tree_die(&t, b, TREE_FAIL);
    tree_expect_alive(&t);
    tree_forget(&t);
    tree_die(&t, a, TREE_FAIL);
    tree_expect_ended(&t, JZX_EXIT_ESCALATED);
    tree_settle(&t);
    tree_expect_log(&t, "-a:fail -b");
    cr_assert_eq(t.seen[JZX_SUPERVISION_RESTART], 2);
    cr_assert_eq(t.seen[JZX_SUPERVISION_ESCALATED], 1);
    const tree_event *e = tree_event_of(&t, JZX_SUPERVISION_ESCALATED, "a", 0);
    cr_assert_not_null(e, "because of this child");
    cr_assert_eq(e->exit.code, 42);
    const jzx_exit_info *exit = tree_end_of(&t, t.sup);
    cr_assert_eq(exit->code, 42);
    cr_assert_str_eq(exit->text, "42");
    cr_assert_eq(exit->origin, a->exit.id);
    tree_close(&t);
}

TREE_TEST(S31_multiple_restarts)
{
    tree t;
    tree_open(&t, layout);
    t.spec.intensity = 1;
    t.spec.period_ns = 10 * TREE_MS_NS;
    tree_kid *a = tree_add(&t, "a");
    tree_start(&t);
    for (unsigned i = 0; i < 4; i++) {
        tree_die(&t, a, TREE_FAIL);
        tree_expect_counts(&t, 1, 1);
        tree_pass(&t, 21 * TREE_MS_NS);
    }
    cr_assert_eq(a->inits, 5);
    tree_close(&t);
}

TREE_TEST(S32_intensity_0)
{
    tree t;
    tree_open(&t, layout);
    t.spec.intensity = 0;
    tree_kid *a = tree_add(&t, "a");
    tree_kid *x = tree_add(&t, "x");
    tree_kid *y = tree_add(&t, "y");
    x->spec->restart = JZX_TEMPORARY;
    y->spec->restart = JZX_TRANSIENT;
    tree_start(&t);
    tree_die(&t, x, TREE_FAIL);
    tree_die(&t, y, TREE_NORMAL);
    tree_expect_alive(&t); /* these are not restarted, so nothing was decided */
    tree_die(&t, a, TREE_NORMAL);
    tree_expect_ended(&t, JZX_EXIT_ESCALATED);
    cr_assert_eq(a->inits, 1);
    cr_assert_eq(t.seen[JZX_SUPERVISION_RESTART], 0);
    tree_close(&t);
}

TREE_TEST(S35_one_for_all_frequency)
{
    tree t;
    tree_open(&t, layout);
    t.spec.strategy = JZX_ONE_FOR_ALL;
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    tree_start(&t);
    tree_die(&t, a, TREE_FAIL);
    tree_die(&t, b, TREE_FAIL);
    tree_expect_counts(&t, 2, 2); /* each failure counts once, not once for each child */
    tree_forget(&t);
    tree_die(&t, a, TREE_FAIL);
    tree_expect_ended(&t, JZX_EXIT_ESCALATED);
    tree_settle(&t);
    tree_expect_log(&t, "-a:fail -b");
    tree_close(&t);
}

TREE_TEST(S36_rest_for_one_frequency)
{
    tree t;
    tree_open(&t, layout);
    t.spec.strategy = JZX_REST_FOR_ONE;
    tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    tree_kid *c = tree_add(&t, "c");
    tree_start(&t);
    tree_die(&t, b, TREE_FAIL);
    tree_die(&t, c, TREE_FAIL);
    tree_expect_counts(&t, 3, 3);
    tree_forget(&t);
    tree_die(&t, b, TREE_FAIL);
    tree_expect_ended(&t, JZX_EXIT_ESCALATED);
    tree_settle(&t);
    tree_expect_log(&t, "-b:fail -c -a");
    tree_close(&t);
}

/* ---- restarts that fail ---- */

TREE_TEST(S37_one_for_one_escalation)
{
    tree t;
    tree_open(&t, layout);
    t.spec.intensity = 4;
    tree_kid *a = tree_add(&t, "a");
    tree_add(&t, "b");
    tree_start(&t);
    a->fail_inits = UINT32_MAX;
    tree_die(&t, a, TREE_FAIL);
    tree_expect_ended(&t, JZX_EXIT_ESCALATED);
    tree_settle(&t);
    tree_expect_log(&t, "+a +b -a:fail !a !a !a !a -b");
    cr_assert_eq(t.seen[JZX_SUPERVISION_RESTART], 4);
    cr_assert_eq(tree_seen(&t, JZX_SUPERVISION_START_FAILED, "a"), 4, "each attempt is reported");
    cr_assert_eq(t.seen[JZX_SUPERVISION_ESCALATED], 1);
    const tree_event *e = tree_event_of(&t, JZX_SUPERVISION_START_FAILED, "a", 0);
    cr_assert_eq(e->event.err, JZX_ERR_INIT);
    cr_assert_eq(e->exit.code, -77);
    cr_assert_eq(e->exit.kind, (uint32_t)JZX_EXIT_INIT);
    tree_close(&t);
}

TREE_TEST(S38_one_for_all_escalation)
{
    tree t;
    tree_open(&t, layout);
    t.spec.intensity = 4;
    t.spec.strategy = JZX_ONE_FOR_ALL;
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    tree_start(&t);
    b->fail_inits = UINT32_MAX;
    tree_die(&t, a, TREE_FAIL);
    tree_expect_ended(&t, JZX_EXIT_ESCALATED);
    tree_settle(&t);
    tree_expect_log(&t, "+a +b -a:fail -b +a !b -a +a !b -a +a !b -a +a !b -a");
    tree_close(&t);
}

TREE_TEST(S38_rest_for_one_escalation)
{
    tree t;
    tree_open(&t, layout);
    t.spec.intensity = 4;
    t.spec.strategy = JZX_REST_FOR_ONE;
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    tree_start(&t);
    b->fail_inits = UINT32_MAX;
    tree_die(&t, a, TREE_FAIL);
    tree_expect_ended(&t, JZX_EXIT_ESCALATED);
    tree_settle(&t);
    tree_expect_log(&t, "+a +b -a:fail -b +a !b !b !b !b -a");
    tree_close(&t);
}

TREE_TEST(S39_one_for_all_other_child_fails_restart)
{
    tree t;
    tree_open(&t, layout);
    t.spec.strategy = JZX_ONE_FOR_ALL;
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    tree_start(&t);
    b->fail_inits = 1;
    tree_die(&t, a, TREE_FAIL);
    tree_expect_log(&t, "+a +b -a:fail -b +a !b -a +a +b");
    cr_assert_eq(t.seen[JZX_SUPERVISION_RESTART], 2);
    tree_expect_counts(&t, 2, 2);
    tree_close(&t);
}

TREE_TEST(S39_rest_for_one_other_child_fails_restart)
{
    tree t;
    tree_open(&t, layout);
    t.spec.strategy = JZX_REST_FOR_ONE;
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    tree_add(&t, "c");
    tree_start(&t);
    b->fail_inits = 1;
    tree_die(&t, a, TREE_FAIL);
    tree_expect_log(&t, "+a +b +c -a:fail -c -b +a !b +b +c");
    cr_assert_eq(t.seen[JZX_SUPERVISION_RESTART], 2);
    tree_expect_counts(&t, 3, 3);
    tree_close(&t);
}

/* A supervisor that cannot be restarted is a start that failed, with the deepest cause. */
TREE_TEST(S37_a_supervisor_that_cannot_be_restarted)
{
    tree t;
    jzx_supervisor_spec low;
    tree_open(&t, layout);
    t.spec.intensity = 3;
    tree_kid *sup1 = tree_add(&t, "sup1");
    tree_kid *a = tree_spare(&t, "a");
    tree_kid *b = tree_spare(&t, "b");
    jzx_supervisor_spec_init(&low);
    low.intensity = 0;
    tree_make_supervisor(sup1, &low, a->spec, 2);
    tree_start(&t);
    b->fail_inits = 2;
    tree_die(&t, a, TREE_FAIL);
    tree_expect_log(&t, "+a +b -a:fail -b +a !b -a +a !b -a +a +b");
    cr_assert_eq(tree_seen(&t, JZX_SUPERVISION_START_FAILED, "sup1"), 2);
    cr_assert_eq(tree_event_of(&t, JZX_SUPERVISION_START_FAILED, "sup1", 0)->event.err, JZX_ERR_START_FAILED);
    cr_assert_eq(tree_seen(&t, JZX_SUPERVISION_RESTART, "sup1"), 3);
    tree_expect_counts(&t, 1, 1);
    tree_close(&t);
}

/* ---- loops of restarts ---- */

static void restart_loop(tree_layout layout, jzx_strategy strategy, uint64_t delay_ns, bool stop)
{
    tree t;
    tree_open(&t, layout);
    t.spec.strategy = (uint8_t)strategy;
    t.spec.intensity = JZX_INTENSITY_UNLIMITED;
    t.spec.backoff = (jzx_backoff){.kind = delay_ns == 0 ? JZX_BACKOFF_NONE : JZX_BACKOFF_CONSTANT,
                                   .initial_ns = delay_ns};
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    tree_start(&t);
    a->fail_inits = UINT32_MAX;
    tree_kill_quietly(&t, a, TREE_FAIL);
    test_until(&t.world, a->failed_inits > 3);
    if (stop) {
        tree_end(&t, t.sup, TREE_SHUTDOWN);
        uint32_t attempts = a->inits;
        test_until(&t.world, tree_end_of(&t, t.sup) != NULL);
        cr_assert_leq(a->inits, attempts + 1, "within one attempt");
        cr_assert_eq(tree_end_of(&t, t.sup)->kind, (uint32_t)JZX_EXIT_SHUTDOWN);
        tree_close(&t);
        return;
    }
    cr_assert_eq(tree_child_start(&t, t.sup, a->spec).err, JZX_ERR_DUPLICATE);
    cr_assert_eq(tree_restart(&t, t.sup, "a").err, JZX_ERR_RESTARTING);
    cr_assert_eq(tree_delete(&t, t.sup, "a").err, JZX_ERR_RESTARTING);
    tree_answer counts = tree_count(&t, t.sup);
    cr_assert_eq(counts.counts.specs, 2);
    cr_assert_leq(counts.counts.active, 1);
    cr_assert_eq(tree_terminate(&t, t.sup, "a").err, JZX_OK);
    tree_expect_state(&t, "a", JZX_CHILD_STOPPED);
    uint32_t attempts = a->inits;
    tree_pass(&t, 3 * TREE_MS_NS + delay_ns);
    cr_assert_eq(a->inits, attempts, "the loop has ended");
    a->fail_inits = 0;
    cr_assert_eq(tree_restart(&t, t.sup, "a").err, JZX_OK);
    tree_expect_state(&t, "a", JZX_CHILD_RUNNING);
    if (b->alive == 0) { /* one_for_all: the group's restart was called off */
        cr_assert_eq(tree_restart(&t, t.sup, "b").err, JZX_OK);
    }
    tree_expect_counts(&t, 2, 2);
    tree_close(&t);
}

TREE_TEST(S50_hanging_restart_loop)
{
    restart_loop(layout, JZX_ONE_FOR_ONE, TREE_MS_NS, false);
    restart_loop(layout, JZX_ONE_FOR_ONE, 0, false);
    restart_loop(layout, JZX_ONE_FOR_ALL, TREE_MS_NS, false);
    restart_loop(layout, JZX_REST_FOR_ONE, TREE_MS_NS, false);
}

TREE_TEST(S51_hanging_restart_loop_and_stop)
{
    restart_loop(layout, JZX_ONE_FOR_ONE, TREE_MS_NS, true);
    restart_loop(layout, JZX_ONE_FOR_ONE, 0, true);
    restart_loop(layout, JZX_ONE_FOR_ALL, TREE_MS_NS, true);
    restart_loop(layout, JZX_ONE_FOR_ALL, 0, true);
    restart_loop(layout, JZX_REST_FOR_ONE, 0, true);
}

TREE_TEST(S49_count_restarting_children)
{
    static const char *const names[] = {"a", "b", "c"};
    tree t;
    tree_open(&t, layout);
    t.spec.intensity = JZX_INTENSITY_UNLIMITED;
    t.spec.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = TREE_MS_NS};
    for (unsigned i = 0; i < 3; i++) {
        tree_add(&t, names[i]);
    }
    tree_start(&t);
    tree_expect_counts(&t, 3, 3);
    t.kids[0].fail_inits = UINT32_MAX;
    t.kids[1].fail_inits = UINT32_MAX;
    tree_kill_quietly(&t, &t.kids[0], TREE_FAIL);
    tree_kill_quietly(&t, &t.kids[1], TREE_FAIL);
    test_until(&t.world, t.kids[0].failed_inits > 1 && t.kids[1].failed_inits > 1);
    for (unsigned i = 0; i < 5; i++) {
        tree_answer answer = tree_count(&t, t.sup);
        cr_assert_eq(answer.counts.specs, 3);
        cr_assert_eq(answer.counts.active, 1);
    }
    t.kids[0].fail_inits = 0;
    t.kids[1].fail_inits = 0;
    test_until(&t.world, t.kids[0].alive == 1 && t.kids[1].alive == 1);
    tree_settle(&t);
    tree_expect_counts(&t, 3, 3);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(tree_terminate(&t, t.sup, names[i]).err, JZX_OK);
        tree_expect_counts(&t, 3, 2 - i);
    }
    tree_close(&t);
}

/* ---- backoff ---- */

static const jzx_backoff EXPONENTIAL = {
    .kind = JZX_BACKOFF_EXPONENTIAL, .initial_ns = 100000, .max_ns = 1600000, .factor = 2};

static void eight_failures(tree_layout layout, const jzx_backoff *backoff, bool own, const uint64_t *delays)
{
    tree t;
    tree_open(&t, layout);
    t.spec.intensity = JZX_INTENSITY_UNLIMITED;
    tree_kid *a = tree_add(&t, "a");
    *(own ? &a->spec->backoff : &t.spec.backoff) = *backoff;
    tree_start(&t);
    for (uint32_t i = 0; i < 8; i++) {
        uint64_t began = test_now_ns();
        tree_kill_quietly(&t, a, TREE_FAIL);
        test_until(&t.world, a->inits == i + 2);
        cr_assert_geq(test_now_ns() - began, delays[i], "not before");
        tree_settle(&t);
        const tree_event *e = tree_event_of(&t, JZX_SUPERVISION_RESTART, "a", i);
        cr_assert_eq(e->event.delay_ns, delays[i], "the delay number %u: %lu", i, (unsigned long)e->event.delay_ns);
        cr_assert_eq(e->event.restarts, i + 1);
    }
    tree_close(&t);
}

TREE_TEST(S83_backoff_none)
{
    static const uint64_t delays[8] = {0};
    eight_failures(layout, &(jzx_backoff){.kind = JZX_BACKOFF_NONE}, true, delays);
    eight_failures(layout, &(jzx_backoff){.kind = JZX_BACKOFF_INHERIT}, false, delays);
}

TREE_TEST(S83_backoff_constant)
{
    static const uint64_t delays[8] = {100000, 100000, 100000, 100000, 100000, 100000, 100000, 100000};
    static const jzx_backoff constant = {.kind = JZX_BACKOFF_CONSTANT, .initial_ns = 100000};
    eight_failures(layout, &constant, true, delays);
    eight_failures(layout, &constant, false, delays);
}

TREE_TEST(S83_backoff_linear)
{
    static const uint64_t delays[8] = {100000, 200000, 300000, 400000, 500000, 600000, 650000, 650000};
    static const jzx_backoff linear = {.kind = JZX_BACKOFF_LINEAR, .initial_ns = 100000, .max_ns = 650000};
    eight_failures(layout, &linear, true, delays);
}

TREE_TEST(S83_backoff_exponential)
{
    static const uint64_t delays[8] = {100000, 200000, 400000, 800000, 1600000, 1600000, 1600000, 1600000};
    eight_failures(layout, &EXPONENTIAL, true, delays);
    eight_failures(layout, &EXPONENTIAL, false, delays);
}

/* A start that fails goes one step on. */
TREE_TEST(S83_failed_starts_are_steps)
{
    tree t;
    tree_open(&t, layout);
    t.spec.intensity = JZX_INTENSITY_UNLIMITED;
    t.spec.backoff = EXPONENTIAL;
    tree_kid *a = tree_add(&t, "a");
    tree_start(&t);
    a->fail_inits = 5;
    tree_kill_quietly(&t, a, TREE_FAIL);
    test_until(&t.world, a->inits == 7);
    static const uint64_t delays[] = {100000, 200000, 400000, 800000, 1600000, 1600000};
    for (uint32_t i = 0; i < 6; i++) {
        cr_assert_eq(tree_event_of(&t, JZX_SUPERVISION_RESTART, "a", i)->event.delay_ns, delays[i]);
    }
    tree_close(&t);
}

TREE_TEST(S83_jitter)
{
    tree t;
    tree_open(&t, layout);
    t.spec.intensity = JZX_INTENSITY_UNLIMITED;
    t.spec.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = 100000, .jitter = 500};
    tree_kid *a = tree_add(&t, "a");
    tree_start(&t);
    uint32_t different = 0;
    for (uint32_t i = 0; i < 20; i++) {
        tree_kill_quietly(&t, a, TREE_FAIL);
        test_until(&t.world, a->inits == i + 2);
        tree_settle(&t);
        uint64_t delay_ns = tree_event_of(&t, JZX_SUPERVISION_RESTART, "a", i)->event.delay_ns;
        cr_assert(delay_ns >= 50000 && delay_ns <= 100000, "%lu", (unsigned long)delay_ns);
        different += delay_ns != tree_event_of(&t, JZX_SUPERVISION_RESTART, "a", 0)->event.delay_ns;
    }
    cr_assert_gt(different, 10);
    tree_close(&t);
}

/* The group is one: it waits and counts once. */
TREE_TEST(P11_a_group_waits_once)
{
    tree t;
    tree_open(&t, layout);
    t.spec.strategy = JZX_ONE_FOR_ALL;
    t.spec.intensity = JZX_INTENSITY_UNLIMITED;
    t.spec.backoff = EXPONENTIAL;
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    tree_start(&t);
    for (uint32_t i = 0; i < 4; i++) {
        tree_kill_quietly(&t, i % 2 == 0 ? a : b, TREE_FAIL);
        test_until(&t.world, a->inits == i + 2 && b->inits == i + 2);
        tree_settle(&t);
        cr_assert_eq(tree_event_of(&t, JZX_SUPERVISION_RESTART, NULL, i)->event.delay_ns, 100000ull << i);
    }
    tree_close(&t);
}

/* Stops come before the delay. */
TREE_TEST(S85_one_for_all_one_pending_restart)
{
    tree t;
    tree_open(&t, layout);
    t.spec.strategy = JZX_ONE_FOR_ALL;
    t.spec.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = 300 * TREE_MS_NS};
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    tree_start(&t);
    tree_forget(&t);
    uint64_t began = test_now_ns();
    tree_die(&t, a, TREE_FAIL);
    tree_expect_log(&t, "-a:fail -b");
    tree_expect_state(&t, "a", JZX_CHILD_RESTARTING);
    tree_expect_state(&t, "b", JZX_CHILD_RESTARTING);
    tree_expect_counts(&t, 2, 0);
    cr_assert_eq(tree_restart(&t, t.sup, "a").err, JZX_ERR_RESTARTING);
    cr_assert_eq(tree_terminate(&t, t.sup, "b").err, JZX_OK);
    test_until(&t.world, a->inits == 2);
    cr_assert_geq(test_now_ns() - began, 300 * TREE_MS_NS);
    tree_settle(&t);
    tree_expect_log(&t, "-a:fail -b +a +b");
    tree_pass(&t, 320 * TREE_MS_NS);
    cr_assert_eq(a->inits, 2);
    cr_assert_eq(b->inits, 2, "b is started with its group, as in OTP");
    tree_close(&t);
}

/* A second failure during the backoff of the first: each its own. */
TREE_TEST(S85_two_children_wait)
{
    tree t;
    tree_open(&t, layout);
    t.spec.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = 200 * TREE_MS_NS};
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    tree_start(&t);
    tree_die(&t, a, TREE_FAIL);
    tree_die(&t, b, TREE_FAIL);
    tree_expect_counts(&t, 2, 0);
    test_until(&t.world, a->inits == 2 && b->inits == 2);
    tree_pass(&t, 220 * TREE_MS_NS);
    cr_assert_eq(a->inits, 2);
    cr_assert_eq(b->inits, 2);
    tree_expect_counts(&t, 2, 2);
    tree_close(&t);
}

/* A failure behind a waiting rest_for_one group belongs to it. */
TREE_TEST(S85_rest_for_one_added_behind_a_waiting_group)
{
    tree t;
    tree_open(&t, layout);
    t.spec.strategy = JZX_REST_FOR_ONE;
    t.spec.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = 200 * TREE_MS_NS};
    tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    tree_kid *c = tree_add(&t, "c");
    tree_start(&t);
    tree_die(&t, b, TREE_FAIL);
    tree_expect_counts(&t, 3, 1);
    tree_kid *d = tree_spare(&t, "d");
    cr_assert_eq(tree_child_start(&t, t.sup, d->spec).err, JZX_OK);
    tree_die(&t, d, TREE_FAIL);
    test_until(&t.world, b->alive == 1 && c->alive == 1 && d->alive == 1);
    tree_settle(&t);
    tree_expect_counts(&t, 4, 4);
    cr_assert_eq(b->inits, 2);
    cr_assert_eq(c->inits, 2);
    tree_close(&t);
}

/* ---- what ends a wait ---- */

TREE_TEST(P12_terminate_while_it_waits)
{
    tree t;
    tree_open(&t, layout);
    t.spec.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = 200 * TREE_MS_NS};
    tree_kid *a = tree_add(&t, "a");
    tree_start(&t);
    tree_die(&t, a, TREE_FAIL);
    tree_expect_state(&t, "a", JZX_CHILD_RESTARTING);
    cr_assert_eq(tree_terminate(&t, t.sup, "a").err, JZX_OK);
    tree_expect_state(&t, "a", JZX_CHILD_STOPPED);
    tree_pass(&t, 220 * TREE_MS_NS);
    cr_assert_eq(a->inits, 1);
    cr_assert_eq(tree_delete(&t, t.sup, "a").err, JZX_OK);
    tree_close(&t);
}

/* The deadline of a wait that was called off does nothing to what comes after. */
TREE_TEST(P12_a_wait_that_was_called_off_is_over)
{
    tree t;
    tree_open(&t, layout);
    t.spec.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = 60 * TREE_MS_NS};
    tree_kid *a = tree_add(&t, "a");
    a->spec->trap_exit = true;
    a->spec->shutdown_ns = JZX_FOREVER;
    a->obedience = TREE_LATE;
    a->late_ns = 120 * TREE_MS_NS;
    tree_start(&t);
    tree_die(&t, a, TREE_FAIL);
    cr_assert_eq(tree_terminate(&t, t.sup, "a").err, JZX_OK);
    cr_assert_eq(tree_restart(&t, t.sup, "a").err, JZX_OK);
    tree_answer answer = tree_terminate(&t, t.sup, "a");
    cr_assert_eq(answer.err, JZX_OK);
    cr_assert_eq(a->exit.kind, (uint32_t)JZX_EXIT_SHUTDOWN, "not killed");
    cr_assert_eq(a->inits, 2);
    tree_close(&t);
}

typedef void (*end_fn)(tree *t);

static void end_by_stop(tree *t)
{
    tree_end(t, t->sup, TREE_SHUTDOWN);
}

static void end_by_kill(tree *t)
{
    tree_end(t, t->sup, TREE_KILL);
    t->escalates = t->layout == TREE_ONE_LOOP || t->layout == TREE_TWO_LOOPS; /* a root, and it was not stopped */
}

static void end_by_runtime(tree *t)
{
    cr_assert_eq(jzx_runtime_request_stop(t->world.runtime), JZX_OK);
}

static void end_by_loop(tree *t)
{
    cr_assert_eq(jzx_loop_request_stop(t->world.loops[t->sup_loop]), JZX_OK);
}

static void ended_while_it_waits(tree_layout layout, jzx_strategy strategy, end_fn end)
{
    tree t;
    tree_open(&t, layout);
    t.spec.strategy = (uint8_t)strategy;
    t.spec.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = 60 * TREE_MS_NS};
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    tree_start(&t);
    tree_kill_quietly(&t, a, TREE_FAIL);
    test_until(&t.world, t.seen[JZX_SUPERVISION_RESTART] == 1);
    uint32_t inits = a->inits + b->inits;
    end(&t);
    test_until(&t.world, tree_end_of(&t, t.sup) != NULL);
    tree_pass(&t, 70 * TREE_MS_NS);
    cr_assert_eq(a->inits + b->inits, inits, "no child ever starts");
    tree_close(&t);
}

TREE_TEST(S86_ended_while_a_restart_is_pending)
{
    static const end_fn ends[] = {end_by_stop, end_by_kill, end_by_runtime, end_by_loop};
    for (unsigned i = 0; i < 4; i++) {
        ended_while_it_waits(layout, JZX_ONE_FOR_ONE, ends[i]);
        ended_while_it_waits(layout, JZX_ONE_FOR_ALL, ends[i]);
        ended_while_it_waits(layout, JZX_REST_FOR_ONE, ends[i]);
    }
}

/* The wait is over while others are being stopped: it is not started once more. */
TREE_TEST(S86_due_while_others_stop)
{
    for (unsigned strategy = JZX_ONE_FOR_ONE; strategy <= JZX_REST_FOR_ONE; strategy += JZX_REST_FOR_ONE) {
        tree t;
        tree_open(&t, layout);
        t.spec.strategy = (uint8_t)strategy;
        t.spec.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = 100 * TREE_MS_NS};
        tree_kid *slow = tree_add(&t, "slow");
        tree_kid *a = tree_add(&t, "a");
        tree_kid *behind = tree_spare(&t, "behind");
        slow->spec->trap_exit = behind->spec->trap_exit = true;
        slow->obedience = behind->obedience = TREE_LATE;
        slow->late_ns = behind->late_ns = 150 * TREE_MS_NS;
        tree_start(&t);
        tree_kill_quietly(&t, a, TREE_FAIL);
        test_until(&t.world, t.seen[JZX_SUPERVISION_RESTART] == 1);
        uint32_t inits = a->inits;
        cr_assert_eq(tree_child_start(&t, t.sup, behind->spec).err, JZX_OK);
        tree_stop_sup(&t);
        cr_assert_eq(a->inits, inits);
        cr_assert_eq(behind->inits, 1);
        tree_close(&t);
    }
}

/* ---- cascades ---- */

/* The leaf fails as soon as it runs: each level starts what is below it twice. */
TREE_TEST(S90_three_levels)
{
    tree t;
    jzx_supervisor_spec middle;
    jzx_supervisor_spec low;
    tree_open(&t, layout);
    t.spec.strategy = JZX_ONE_FOR_ALL;
    t.spec.intensity = 1;
    tree_kid *m = tree_add(&t, "middle");
    tree_kid *l = tree_spare(&t, "low");
    tree_kid *leaf = tree_spare(&t, "leaf");
    jzx_supervisor_spec_init(&middle);
    jzx_supervisor_spec_init(&low);
    middle.strategy = low.strategy = JZX_ONE_FOR_ALL;
    middle.intensity = low.intensity = 1;
    tree_make_supervisor(l, &low, leaf->spec, 1);
    tree_make_supervisor(m, &middle, l->spec, 1);
    leaf->dies_in_init = true;
    cr_assert_eq(tree_try_start(&t), JZX_OK);
    if (layout == TREE_NESTED) {
        test_until(&t.world, tree_seen(&t, JZX_SUPERVISION_STOPPED, "sup") == 1);
        t.sup = tree_event_of(&t, JZX_SUPERVISION_STOPPED, "sup", 0)->event.id;
    }
    tree_expect_ended(&t, JZX_EXIT_ESCALATED);
    tree_settle(&t);
    cr_assert_eq(leaf->inits, 8);
    cr_assert_eq(tree_seen(&t, JZX_SUPERVISION_STARTED, "low"), 4);
    cr_assert_eq(tree_seen(&t, JZX_SUPERVISION_STARTED, "middle"), 2);
    cr_assert_eq(t.seen[JZX_SUPERVISION_RESTART], 4 + 2 + 1);
    cr_assert_eq(t.seen[JZX_SUPERVISION_ESCALATED], 4 + 2 + 1);
    cr_assert_eq(tree_seen(&t, JZX_SUPERVISION_ESCALATED, "leaf"), 4);
    cr_assert_eq(tree_seen(&t, JZX_SUPERVISION_ESCALATED, "low"), 2);
    cr_assert_eq(tree_seen(&t, JZX_SUPERVISION_ESCALATED, "middle"), 1);
    cr_assert_eq(t.seen[JZX_SUPERVISION_START_FAILED], 0);
    tree_close(&t);
}

/* ---- the steps of a restart ---- */

/* Two have failed before their supervisor looks: the first is up again when it looks at the second. */
Test(supervisor, a_worker_of_its_loop_is_up_when_its_failure_was_looked_at, .timeout = 120)
{
    static const struct {
        jzx_supervision_kind kind;
        const char *name;
    } wanted[] = {
        {JZX_SUPERVISION_STOPPED, "a"}, {JZX_SUPERVISION_RESTART, "a"}, {JZX_SUPERVISION_STARTED, "a"},
        {JZX_SUPERVISION_STOPPED, "b"}, {JZX_SUPERVISION_RESTART, "b"}, {JZX_SUPERVISION_STARTED, "b"},
    };
    tree t;
    tree_open(&t, TREE_ONE_LOOP);
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    tree_start(&t);
    uint32_t before = t.event_count;
    tree_kill_quietly(&t, a, TREE_FAIL);
    tree_kill_quietly(&t, b, TREE_FAIL);
    test_until(&t.world, a->inits == 2 && b->inits == 2);
    tree_settle(&t);
    cr_assert_eq(t.event_count - before, sizeof wanted / sizeof *wanted);
    for (unsigned i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        const tree_event *e = &t.events[before + i];
        cr_assert_eq(e->event.kind, wanted[i].kind, "event %u is of kind %u", i, e->event.kind);
        cr_assert_str_eq(e->name, wanted[i].name);
    }
    tree_close(&t);
}
