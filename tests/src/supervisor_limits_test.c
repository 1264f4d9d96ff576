/* supervisor: full mailboxes, full lanes, no actors, no memory: no exit is lost, and no child is forgotten. */
#include "tests/support/tree.h"

#include <stdio.h>

/* ---- everything full ---- */

static void name_kids(tree *t, uint32_t count)
{
    static char names[TREE_KIDS][8];
    for (uint32_t i = 0; i < count; i++) {
        (void)snprintf(names[i], sizeof names[i], "k%u", i);
        (void)tree_add(t, names[i]);
    }
}

static void full_mailbox(tree_layout layout, uint32_t intensity)
{
    tree t;
    tree_prepare(&t, layout);
    t.config.mailbox_cap = 1;
    tree_open_world(&t);
    t.spec.intensity = intensity;
    name_kids(&t, 100);
    tree_start(&t);
    jzx_context *context = jzx_loop_context(t.world.loops[t.sup_loop]);
    const jzx_message mail = jzx_message_empty(5);
    uint64_t unhandled = test_count(&t.world, offsetof(jzx_counters, unhandled));
    for (uint32_t i = 0; i < 100; i++) {
        tree_kill_quietly(&t, &t.kids[i], TREE_KILL);
    }
    cr_assert_eq(jzx_send(context, t.sup, &mail), JZX_OK);
    cr_assert_eq(jzx_send(context, t.sup, &mail), JZX_ERR_MAILBOX_FULL);
    tree_settle(&t);
    unhandled = test_count(&t.world, offsetof(jzx_counters, unhandled)) - unhandled;
    cr_assert(unhandled == 1 || intensity < 100, "%lu", (unsigned long)unhandled);
    uint32_t stopped = 0;
    for (uint32_t i = 0; i < 100; i++) {
        stopped += tree_seen(&t, JZX_SUPERVISION_STOPPED, t.kids[i].name) > 0;
    }
    cr_assert_eq(stopped, 100, "each exit is looked at");
    if (intensity >= 100) {
        cr_assert_eq(t.seen[JZX_SUPERVISION_RESTART], 100);
        tree_expect_counts(&t, 100, 100);
    } else {
        tree_expect_ended(&t, JZX_EXIT_ESCALATED);
        cr_assert_eq(t.seen[JZX_SUPERVISION_RESTART], intensity);
    }
    tree_close(&t);
}

TREE_TEST(S80_a_full_mailbox)
{
    full_mailbox(layout, 100);
    full_mailbox(layout, 99);
}

/* Sends until the lane is full, from each loop to sinks on the other. */
static uint32_t fill_lanes(tree *t, const test_actor *sinks)
{
    const jzx_message mail = jzx_message_empty(9);
    uint32_t blocked = 0;
    for (uint32_t from = 0; from < 2; from++) {
        jzx_context *context = jzx_loop_context(t->world.loops[from]);
        jzx_err err = JZX_OK;
        for (uint32_t i = 0; i < 100000 && err != JZX_ERR_WOULD_BLOCK; i++) {
            err = jzx_send(context, sinks[(1 - from) * 8 + i % 8].id, &mail);
        }
        blocked += err == JZX_ERR_WOULD_BLOCK;
    }
    return blocked;
}

static void full_lanes(tree_layout layout, jzx_strategy strategy)
{
    tree t;
    static test_actor sinks[16];
    memset(sinks, 0, sizeof sinks);
    tree_prepare(&t, layout);
    t.config.cells = 2048;
    t.config.lane_blocks = 2;
    tree_open_world(&t);
    t.spec.strategy = (uint8_t)strategy;
    t.spec.intensity = JZX_INTENSITY_UNLIMITED;
    for (uint32_t i = 0; i < 16; i++) {
        test_spawn(&t.world, i / 8, &sinks[i]);
    }
    tree_kid *a = tree_add(&t, "a");
    tree_add(&t, "b");
    a->spec->trap_exit = true;
    tree_start(&t);
    uint32_t blocked = 0;
    for (uint32_t round = 0; round < 20; round++) {
        uint32_t inits = a->inits;
        blocked += fill_lanes(&t, sinks);
        tree_kill_quietly(&t, a, TREE_FAIL_BY);
        for (uint32_t i = 0; i < 3; i++) { /* and again while the exit and the restart are under way */
            blocked += fill_lanes(&t, sinks);
            test_world_step(&t.world);
        }
        test_until(&t.world, a->inits > inits);
    }
    tree_settle(&t);
    cr_assert_gt(blocked, 40, "the lanes were full %u times", blocked);
    cr_assert_eq(a->inits, 21);
    cr_assert_eq(a->finis, 20);
    tree_expect_counts(&t, 2, 2);
    (void)fill_lanes(&t, sinks);
    tree_stop_sup(&t);
    cr_assert_eq(a->alive, 0);
    tree_close(&t);
}

Test(supervisor, S88_full_lanes, .timeout = 60)
{
    full_lanes(TREE_TWO_LOOPS, JZX_ONE_FOR_ONE);
    full_lanes(TREE_TWO_LOOPS, JZX_ONE_FOR_ALL);
    full_lanes(TREE_NESTED, JZX_ONE_FOR_ONE);
    full_lanes(TREE_NESTED, JZX_REST_FOR_ONE);
}

/* The slot of a child that died is taken by another actor before it is restarted. */
Test(supervisor, S96_no_actor_is_left, .timeout = 60)
{
    tree t;
    tree_prepare(&t, TREE_TWO_LOOPS);
    t.config.actors_max = 4;
    tree_open_world(&t);
    t.spec.intensity = JZX_INTENSITY_UNLIMITED;
    t.spec.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = TREE_MS_NS};
    tree_kid *a = tree_add(&t, "a");
    tree_start(&t);
    static test_actor fillers[4];
    memset(fillers, 0, sizeof fillers);
    jzx_spawn_options options;
    jzx_context *context = jzx_loop_context(t.world.loops[1]);
    uint32_t filled = 0;
    tree_kill_quietly(&t, a, TREE_KILL);
    test_until(&t.world, a->alive == 0);
    jzx_err err = JZX_OK;
    for (; err == JZX_OK && filled < 4; filled += err == JZX_OK) {
        jzx_actor_id id;
        test_actor_options(&fillers[filled], &options);
        err = jzx_spawn(context, &options, &id);
    }
    cr_assert_eq(err, JZX_ERR_MAX_ACTORS);
    test_until(&t.world, tree_seen(&t, JZX_SUPERVISION_START_FAILED, "a") >= 2);
    cr_assert_eq(tree_event_of(&t, JZX_SUPERVISION_START_FAILED, "a", 0)->event.err, JZX_ERR_MAX_ACTORS);
    cr_assert_geq(tree_seen(&t, JZX_SUPERVISION_RESTART, "a"), 2, "each is a decision");
    tree_end(&t, fillers[0].id, TREE_KILL);
    test_until(&t.world, a->alive == 1);
    tree_expect_counts(&t, 1, 1);
    tree_close(&t);
}

/* children_max, of the spec and of the config. */
TREE_TEST(so_many_children_and_no_more)
{
    for (unsigned dynamic = 0; dynamic < 2; dynamic++) {
        tree t;
        tree_open(&t, layout);
        t.spec.children_max = 3;
        tree_kid *first = tree_add(&t, "k0");
        if (dynamic) {
            tree_make_template(first);
        }
        tree_start(&t);
        static const char *const names[] = {"k1", "k2", "k3", "k4"};
        for (unsigned i = 0; i < 4; i++) {
            tree_kid *kid = tree_spare(&t, names[i]);
            jzx_err err = dynamic ? tree_child_like(&t, kid).err : tree_child_start(&t, t.sup, kid->spec).err;
            cr_assert_eq(err, i < (dynamic ? 3 : 2) ? JZX_OK : JZX_ERR_LIMIT, "%u: %s", i, jzx_strerror(err));
        }
        tree_expect_counts(&t, 3, 3);
        cr_assert_eq(tree_terminate_at(&t, t.sup, dynamic ? 0 : 1).err, JZX_OK);
        if (!dynamic) {
            cr_assert_eq(tree_delete(&t, t.sup, "k1").err, JZX_OK);
        }
        jzx_err err = dynamic ? tree_child_like(&t, &t.kids[4]).err : tree_child_start(&t, t.sup, t.kids[4].spec).err;
        cr_assert_eq(err, JZX_OK, "there is room again");
        tree_close(&t);
    }
}

TREE_TEST(so_many_children_on_a_loop)
{
    tree t;
    tree_prepare(&t, layout);
    t.config.children_max = 4;
    tree_open_world(&t);
    tree_start(&t);
    static const char *const names[] = {"k0", "k1", "k2", "k3", "k4", "k5"};
    uint32_t good = 0;
    for (unsigned i = 0; i < 6; i++) {
        tree_answer answer = tree_child_start(&t, t.sup, tree_spare(&t, names[i])->spec);
        good += answer.err == JZX_OK;
        bool limit = answer.err == JZX_ERR_LIMIT ||
                     (answer.err == JZX_ERR_START_FAILED && answer.failure.err == JZX_ERR_LIMIT);
        cr_assert(answer.err == JZX_OK || limit, "%s", jzx_strerror(answer.err));
    }
    cr_assert_eq(good, 4);
    tree_expect_counts(&t, 4, 4);
    tree_close(&t);
}

/* ---- no memory ---- */

/* A child with a state needs memory for each start; one without needs none. */
TREE_TEST(S81_no_memory_when_a_child_fails)
{
    for (unsigned i = 0; i < 2; i++) {
        tree t;
        tree_open(&t, layout);
        t.spec.intensity = JZX_INTENSITY_UNLIMITED;
        t.spec.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = i == 0 ? 1000 : 2 * TREE_MS_NS};
        tree_kid *a = tree_add(&t, "a");
        tree_kid *b = tree_add(&t, "b");
        tree_give_state(b, 100);
        tree_start(&t);
        for (unsigned kind = 0; kind < JZX_MEMORY_KINDS; kind++) {
            tree_fail_memory(&t, (jzx_memory)kind, 1, true);
        }
        tree_kill_quietly(&t, a, TREE_FAIL);
        test_until(&t.world, a->inits == 2);
        tree_end(&t, tree_event_of(&t, JZX_SUPERVISION_STARTED, "b", 0)->event.id, TREE_KILL);
        test_until(&t.world, tree_seen(&t, JZX_SUPERVISION_START_FAILED, "b") >= 3);
        cr_assert_eq(tree_event_of(&t, JZX_SUPERVISION_START_FAILED, "b", 0)->event.err, JZX_ERR_NO_MEMORY);
        for (unsigned kind = 0; kind < JZX_MEMORY_KINDS; kind++) {
            tree_fail_memory(&t, (jzx_memory)kind, 0, false);
        }
        test_until(&t.world, tree_seen(&t, JZX_SUPERVISION_STARTED, "b") == 2);
        tree_settle(&t);
        tree_expect_counts(&t, 2, 2);
        cr_assert_eq(a->failed_inits, 0);
        tree_close(&t);
    }
}

/* A failure and its restart need no memory at all, in any strategy. */
TREE_TEST(S82_fail_and_restart_without_memory)
{
    for (unsigned strategy = JZX_ONE_FOR_ONE; strategy <= JZX_REST_FOR_ONE; strategy++) {
        tree t;
        tree_open(&t, layout);
        t.spec.strategy = (uint8_t)strategy;
        t.spec.intensity = 100;
        tree_kid *a = tree_add(&t, "a");
        tree_add(&t, "b");
        tree_start(&t);
        tree_die(&t, a, TREE_FAIL); /* what grows once has grown */
        for (unsigned kind = 0; kind < JZX_MEMORY_KINDS; kind++) {
            tree_fail_memory(&t, (jzx_memory)kind, 1, true);
        }
        uint64_t failed = tree_failed_memory(&t);
        for (unsigned i = 0; i < 10; i++) {
            tree_die(&t, a, i % 2 == 0 ? TREE_FAIL : TREE_KILL);
        }
        cr_assert_eq(a->inits, 12);
        cr_assert_eq(a->alive, 1);
        cr_assert_eq(tree_failed_memory(&t), failed, "nothing was asked for");
        for (unsigned kind = 0; kind < JZX_MEMORY_KINDS; kind++) {
            tree_fail_memory(&t, (jzx_memory)kind, 0, false);
        }
        tree_expect_counts(&t, 2, 2);
        tree_close(&t);
    }
}

typedef struct scenario {
    const char *name;
    bool started; /* memory fails only when the tree has been started */
    void (*prepare)(tree *t);
    void (*play)(tree *t);
} scenario;

static jzx_supervisor_spec low_spec;

static void plant(tree *t)
{
    name_kids(t, 3);
    tree_kid *low1 = tree_spare(t, "low1");
    tree_kid *low2 = tree_spare(t, "low2");
    tree_give_state(low1, 200);
    jzx_supervisor_spec_init(&low_spec);
    low_spec.intensity = 100;
    low_spec.period_ns = TREE_HOUR_NS;
    low_spec.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = 1000};
    tree_make_supervisor(&t->kids[1], &low_spec, low1->spec, 2);
    (void)low2;
    t->spec.intensity = 100;
    t->spec.backoff = low_spec.backoff;
    tree_give_state(&t->kids[2], 64);
}

static void plant_all(tree *t)
{
    plant(t);
    t->spec.strategy = JZX_ONE_FOR_ALL;
    low_spec.strategy = JZX_REST_FOR_ONE;
}

static void plant_template(tree *t)
{
    tree_make_template(tree_add(t, "template"));
    t->spec.intensity = 100;
    (void)tree_spare(t, "d0");
    (void)tree_spare(t, "d1");
}

static void play_start(tree *t)
{
    (void)tree_try_start(t);
    tree_pass(t, TREE_MS_NS / 10);
}

static void play_failures(tree *t)
{
    for (unsigned i = 0; i < 5; i++) {
        tree_kid *kid = &t->kids[i];
        if (kid->alive > 0) {
            tree_kill_quietly(t, kid, i % 2 == 0 ? TREE_KILL : TREE_FAIL_BY);
        }
        tree_pass(t, TREE_MS_NS / 20);
    }
}

static void play_requests(tree *t)
{
    tree_kid *more = &t->kids[4];
    if (t->kid_count == 5) {
        more = tree_spare(t, "more");
    }
    (void)tree_child_start(t, t->sup, more->spec);
    (void)tree_list(t, t->sup);
    (void)tree_count(t, t->sup);
    (void)tree_find(t, t->sup, "more");
    (void)tree_terminate(t, t->sup, "more");
    (void)tree_restart(t, t->sup, "more");
    (void)tree_terminate(t, t->sup, "more");
    (void)tree_delete(t, t->sup, "more");
    (void)tree_terminate(t, t->sup, "k1");
    (void)tree_restart(t, t->sup, "k1");
    (void)tree_restart(t, t->sup, "k1");
}

static void play_dynamic(tree *t)
{
    for (unsigned i = 1; i < 3; i++) {
        if (tree_child_like(t, &t->kids[i]).err == JZX_OK) {
            tree_kill_quietly(t, &t->kids[i], TREE_KILL);
            tree_settle(t);
        }
    }
    (void)tree_child_start_like(t, t->sup, NULL, 0);
}

static void play_stop(tree *t)
{
    tree_end(t, t->sup, TREE_SHUTDOWN);
    tree_settle(t);
}

/* With memory again: each child runs, or the supervisor gave up, or the start said so. */
static void expect_nobody_lost(tree *t, const scenario *s)
{
    tree_settle(t);
    tree_pass(t, TREE_MS_NS / 10);
    tree_settle(t);
    t->escalates = jzx_runtime_escalation(t->world.runtime, NULL, NULL) == JZX_OK;
    bool up = t->sup != 0 && !t->escalates && tree_end_of(t, t->sup) == NULL;
    if (!up || (!s->started && t->layout == TREE_NESTED)) {
        return;
    }
    tree_answer list = tree_list(t, t->sup);
    cr_assert_eq(list.err, JZX_OK);
    for (uint32_t i = 0; i < list.count; i++) {
        bool ours = t->list[i].name[0] != 'k' || s->play == play_requests; /* k1 may have been terminated */
        cr_assert(ours || t->list[i].state == JZX_CHILD_RUNNING, "%s: %s is lost in state %u", s->name, t->list[i].name,
                  t->list[i].state);
    }
}

/* Plays it with the n-th allocation failing. False: it needs fewer. */
static bool play_without(const scenario *s, tree_layout layout, jzx_memory kind, uint64_t nth, bool after)
{
    tree t;
    tree_open(&t, layout);
    s->prepare(&t);
    if (s->started) {
        tree_start(&t);
    }
    uint64_t failed = tree_failed_memory(&t);
    tree_fail_memory(&t, kind, nth, after);
    s->play(&t);
    bool reached = tree_failed_memory(&t) > failed;
    tree_fail_memory(&t, kind, 0, false);
    expect_nobody_lost(&t, s);
    tree_close(&t);
    return reached;
}

static void play_all(const scenario *s, tree_layout layout)
{
    uint64_t injected = 0;
    for (unsigned kind = 0; kind < JZX_MEMORY_KINDS; kind++) {
        for (unsigned after = 0; after < 2; after++) {
            uint64_t nth = 1;
            while (play_without(s, layout, (jzx_memory)kind, nth, after == 1)) {
                nth++;
                cr_assert_lt(nth, 2000, "%s never ends", s->name);
            }
            injected += nth - 1;
        }
    }
    cr_log_info("%s: %lu allocations failed", s->name, (unsigned long)injected);
}

TREE_TEST(P16_no_memory_at_the_start)
{
    play_all(&(scenario){"start", false, plant, play_start}, layout);
    play_all(&(scenario){"start of groups", false, plant_all, play_start}, layout);
    play_all(&(scenario){"start of a template", false, plant_template, play_start}, layout);
}

TREE_TEST(P16_no_memory_for_restarts)
{
    play_all(&(scenario){"failures", true, plant, play_failures}, layout);
    play_all(&(scenario){"failures of groups", true, plant_all, play_failures}, layout);
}

TREE_TEST(P16_no_memory_for_requests)
{
    play_all(&(scenario){"requests", true, plant, play_requests}, layout);
    play_all(&(scenario){"dynamic", true, plant_template, play_dynamic}, layout);
}

TREE_TEST(P16_no_memory_for_stops)
{
    play_all(&(scenario){"stop", true, plant, play_stop}, layout);
    play_all(&(scenario){"stop of groups", true, plant_all, play_stop}, layout);
}
