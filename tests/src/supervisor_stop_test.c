/* supervisor: how children are asked to stop, what becomes of those that do not, and what ends a tree from outside. */
#include "tests/support/tree.h"

#include <stdio.h>

/* ---- one after the other ---- */

TREE_TEST(S03_stop_infinity)
{
    tree t;
    jzx_supervisor_spec low;
    tree_open(&t, layout);
    tree_kid *c1 = tree_add(&t, "c1");
    tree_kid *c2 = tree_add(&t, "c2");
    tree_kid *d = tree_spare(&t, "d");
    jzx_supervisor_spec_init(&low);
    c1->spec->shutdown_ns = JZX_FOREVER;
    c2->spec->shutdown_ns = JZX_FOREVER;
    c2->spec->trap_exit = true;
    c2->obedience = TREE_LATE;
    c2->late_ns = 10 * TREE_MS_NS;
    tree_make_supervisor(c1, &low, d->spec, 1);
    tree_start(&t);
    jzx_actor_id sup1 = tree_find(&t, t.sup, "c1").id;
    tree_stop_sup(&t);
    tree_expect_log(&t, "+d +c2 ?c2 -c2 -d");
    cr_assert_eq(tree_end_of(&t, sup1)->kind, (uint32_t)JZX_EXIT_SHUTDOWN);
    cr_assert_eq(c2->exit.kind, (uint32_t)JZX_EXIT_SHUTDOWN, "a STOP that was asked for");
    cr_assert_eq(c2->exit.origin, t.sup);
    tree_expect_ended(&t, JZX_EXIT_SHUTDOWN);
    cr_assert_eq(t.seen[JZX_SUPERVISION_SHUTDOWN_ERROR], 0);
    tree_close(&t);
}

TREE_TEST(S13_stop_timeout)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    a->spec->trap_exit = b->spec->trap_exit = true;
    b->spec->shutdown_ns = 20 * TREE_MS_NS;
    b->obedience = TREE_IGNORES;
    tree_start(&t);
    tree_forget(&t);
    uint64_t began = test_now_ns();
    tree_end(&t, t.sup, TREE_SHUTDOWN);
    test_until(&t.world, b->finis == 1);
    cr_assert_geq(test_now_ns() - began, b->spec->shutdown_ns);
    test_until(&t.world, tree_end_of(&t, t.sup) != NULL);
    tree_expect_log(&t, "?b -b:killed ?a -a");
    tree_expect_ended(&t, JZX_EXIT_SHUTDOWN);
    cr_assert_eq(tree_seen(&t, JZX_SUPERVISION_SHUTDOWN_ERROR, "b"), 1);
    cr_assert_eq(t.seen[JZX_SUPERVISION_SHUTDOWN_ERROR], 1);
    tree_close(&t);
}

/* A shutdown time of 0 is asked for, and killed at once. */
TREE_TEST(S13_shutdown_time_of_0)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    a->spec->trap_exit = true;
    a->spec->shutdown_ns = 0;
    a->obedience = TREE_IGNORES;
    tree_start(&t);
    tree_stop_sup(&t);
    cr_assert_eq(a->exit.kind, (uint32_t)JZX_EXIT_KILLED);
    tree_close(&t);
}

TREE_TEST(S14_stop_brutal_kill)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    a->spec->trap_exit = b->spec->trap_exit = true;
    b->spec->shutdown_ns = JZX_SHUTDOWN_BRUTAL;
    tree_start(&t);
    tree_forget(&t);
    tree_stop_sup(&t);
    tree_expect_log(&t, "-b:killed ?a -a");
    cr_assert_eq(b->asked, 0);
    cr_assert_eq(t.seen[JZX_SUPERVISION_SHUTDOWN_ERROR], 0, "it was meant so");
    tree_close(&t);
}

/* One that answers the word to stop with a failure has failed; it is not restarted. */
TREE_TEST(S89_fails_while_it_is_terminated)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    a->spec->trap_exit = true;
    a->obedience = TREE_REFUSES;
    tree_start(&t);
    tree_forget(&t);
    cr_assert_eq(tree_terminate(&t, t.sup, "a").err, JZX_OK);
    tree_expect_log(&t, "?a -a:fail");
    tree_expect_state(&t, "a", JZX_CHILD_STOPPED);
    cr_assert_eq(tree_seen(&t, JZX_SUPERVISION_STOPPED, "a"), 1);
    cr_assert_eq(tree_seen(&t, JZX_SUPERVISION_SHUTDOWN_ERROR, "a"), 1);
    cr_assert_eq(t.seen[JZX_SUPERVISION_RESTART], 0);
    tree_close(&t);
}

/* Both in the same turns: whatever wins, the child is stopped, and each incarnation has one end. */
TREE_TEST(S89_fails_when_it_is_terminated)
{
    for (unsigned wait = 0; wait < 8; wait++) {
        tree t;
        tree_open(&t, layout);
        tree_kid *a = tree_add(&t, "a");
        tree_start(&t);
        tree_kill_quietly(&t, a, TREE_FAIL);
        for (unsigned i = 0; i < wait; i++) {
            test_world_step(&t.world);
        }
        cr_assert_eq(tree_terminate(&t, t.sup, "a").err, JZX_OK);
        tree_settle(&t);
        tree_expect_state(&t, "a", JZX_CHILD_STOPPED);
        cr_assert_eq(a->inits, a->finis);
        cr_assert_leq(a->inits, 2);
        tree_close(&t);
    }
}

TREE_TEST(S53_child_unlink)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    a->spec->trap_exit = true;
    a->spec->shutdown_ns = 15 * TREE_MS_NS;
    a->obedience = TREE_IGNORES;
    tree_kid *b = tree_add(&t, "b");
    tree_start(&t);
    uint64_t began = test_now_ns();
    tree_answer answer = tree_terminate(&t, t.sup, "a");
    cr_assert_eq(answer.err, JZX_OK);
    cr_assert_geq(test_now_ns() - began, a->spec->shutdown_ns);
    cr_assert_eq(a->exit.kind, (uint32_t)JZX_EXIT_KILLED);
    tree_expect_counts(&t, 2, 1);
    cr_assert_eq(b->inits, 1);
    tree_close(&t);
}

/* Requests that come while a child is being stopped are answered after it, in their order. */
typedef struct many_asks {
    tree *t;
    uint64_t refs[3];
} many_asks;

static jzx_behavior_result ask_three(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    many_asks *m = argument;
    cr_assert_eq(jzx_child_terminate(context, m->t->sup, jzx_child_named("a"), &m->refs[0]), JZX_OK);
    cr_assert_eq(jzx_child_restart(context, m->t->sup, jzx_child_named("a"), &m->refs[1]), JZX_OK);
    cr_assert_eq(jzx_child_count(context, m->t->sup, &m->refs[2]), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

TREE_TEST(requests_are_answered_in_their_order)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    a->spec->trap_exit = true;
    a->obedience = TREE_LATE;
    a->late_ns = 200 * TREE_MS_NS;
    tree_start(&t);
    tree_forget(&t);
    many_asks m = {.t = &t};
    uint32_t answers = t.answers;
    uint32_t logged = t.boss.received;
    test_do(&t.world, &t.boss, ask_three, &m);
    test_until(&t.world, a->asked == 1);
    tree_settle(&t);
    cr_assert_eq(t.answers, answers, "it waits for its child");
    test_until(&t.world, t.answers == answers + 3);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(t.boss.log[logged + i].ref, m.refs[i]);
    }
    tree_expect_log(&t, "?a -a +a");
    tree_close(&t);
}

/* ---- at once: those of a JZX_DYNAMIC one ---- */

enum { MANY = 10 };

static void open_dynamic(tree *t, tree_layout layout, jzx_restart restart)
{
    static char names[MANY][4];
    tree_open(t, layout);
    tree_make_template(tree_add(t, "template"));
    t->kids[0].spec->restart = (uint8_t)restart;
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(names[i], sizeof names[i], "d%u", i);
        (void)tree_spare(t, names[i]);
    }
}

static void start_dynamic(tree *t)
{
    tree_start(t);
    tree_expect_counts(t, 0, 0);
    for (unsigned i = 1; i <= MANY; i++) {
        tree_answer answer = tree_child_like(t, &t->kids[i]);
        cr_assert_eq(answer.err, JZX_OK, "%s", jzx_strerror(answer.err));
        cr_assert_eq(answer.id, t->kids[i].id);
        cr_assert_eq(answer.child, t->kids[i].ref);
    }
    tree_expect_counts(t, MANY, MANY);
}

TREE_TEST(S15_stop_timeout_dynamic)
{
    tree t;
    open_dynamic(&t, layout, JZX_TEMPORARY);
    t.kids[0].spec->trap_exit = true;
    t.kids[0].spec->shutdown_ns = 200 * TREE_MS_NS;
    for (unsigned i = 1; i <= MANY; i++) {
        t.kids[i].obedience = i % 2 == 0 ? TREE_IGNORES : TREE_OBEYS;
    }
    start_dynamic(&t);
    tree_stop_sup(&t);
    for (unsigned i = 1; i <= MANY; i++) {
        cr_assert_eq(t.kids[i].asked, 1);
        cr_assert_eq(t.kids[i].exit.kind, (uint32_t)(i % 2 == 0 ? JZX_EXIT_KILLED : JZX_EXIT_SHUTDOWN));
    }
    tree_expect_ended(&t, JZX_EXIT_SHUTDOWN);
    cr_assert_eq(t.seen[JZX_SUPERVISION_SHUTDOWN_ERROR], MANY / 2);
    tree_close(&t);
}

TREE_TEST(S15_stop_brutal_kill_dynamic)
{
    tree t;
    open_dynamic(&t, layout, JZX_TEMPORARY);
    t.kids[0].spec->trap_exit = true;
    t.kids[0].spec->shutdown_ns = JZX_SHUTDOWN_BRUTAL;
    start_dynamic(&t);
    tree_stop_sup(&t);
    for (unsigned i = 1; i <= MANY; i++) {
        cr_assert_eq(t.kids[i].asked, 0);
        cr_assert_eq(t.kids[i].exit.kind, (uint32_t)JZX_EXIT_KILLED);
    }
    tree_expect_ended(&t, JZX_EXIT_SHUTDOWN);
    tree_close(&t);
}

TREE_TEST(S17_stop_other_reasons_dynamic)
{
    tree t;
    open_dynamic(&t, layout, JZX_PERMANENT);
    t.kids[0].spec->trap_exit = true;
    for (unsigned i = 1; i <= MANY; i++) {
        t.kids[i].obedience = TREE_REFUSES;
    }
    start_dynamic(&t);
    tree_stop_sup(&t);
    for (unsigned i = 1; i <= MANY; i++) {
        cr_assert_eq(t.kids[i].exit.kind, (uint32_t)JZX_EXIT_FAIL);
        cr_assert_eq(t.kids[i].inits, 1);
    }
    cr_assert_eq(t.seen[JZX_SUPERVISION_SHUTDOWN_ERROR], MANY);
    tree_expect_ended(&t, JZX_EXIT_SHUTDOWN);
    tree_close(&t);
}

TREE_TEST(S60_dynamic_restart_keeps_the_argument)
{
    tree t;
    open_dynamic(&t, layout, JZX_PERMANENT);
    start_dynamic(&t);
    jzx_actor_id other = t.kids[4].id;
    tree_die(&t, &t.kids[3], TREE_FAIL);
    cr_assert_eq(t.kids[3].inits, 2, "the same again");
    cr_assert_eq(t.kids[4].id, other);
    tree_expect_counts(&t, MANY, MANY);
    tree_die(&t, &t.kids[7], TREE_FAIL);
    tree_die(&t, &t.kids[3], TREE_FAIL);
    tree_expect_ended(&t, JZX_EXIT_ESCALATED);
    tree_settle(&t);
    for (unsigned i = 1; i <= MANY; i++) {
        cr_assert_eq(t.kids[i].alive, 0);
    }
    tree_close(&t);
}

/* All are asked before any has ended: together they take as long as the slowest. */
TREE_TEST(S60_dynamic_stops_at_once)
{
    tree t;
    open_dynamic(&t, layout, JZX_PERMANENT);
    t.kids[0].spec->trap_exit = true;
    for (unsigned i = 1; i <= MANY; i++) {
        t.kids[i].obedience = TREE_LATE;
        t.kids[i].late_ns = 200 * TREE_MS_NS;
    }
    start_dynamic(&t);
    tree_end(&t, t.sup, TREE_SHUTDOWN);
    test_until(&t.world, t.kids[1].finis + t.kids[MANY].finis > 0);
    for (unsigned i = 1; i <= MANY; i++) {
        cr_assert_eq(t.kids[i].asked, 1);
    }
    test_until(&t.world, tree_end_of(&t, t.sup) != NULL);
    tree_close(&t);
}

TREE_TEST(S60_dynamic_requests)
{
    tree t;
    open_dynamic(&t, layout, JZX_PERMANENT);
    start_dynamic(&t);
    cr_assert_eq(tree_child_start(&t, t.sup, t.kids[1].spec).err, JZX_ERR_UNSUPPORTED);
    cr_assert_eq(tree_list(&t, t.sup).count, MANY);
    uint32_t index = t.list[2].index;
    cr_assert_eq(t.list[2].id, t.kids[3].id, "in the order of their start");
    cr_assert_eq(tree_terminate_at(&t, t.sup, index).err, JZX_OK);
    cr_assert_eq(t.kids[3].alive, 0);
    cr_assert_eq(tree_find_at(&t, t.sup, index).err, JZX_ERR_NOT_FOUND, "forgotten, as in OTP");
    tree_expect_counts(&t, MANY - 1, MANY - 1);
    t.kids[3].fail_inits = 1;
    cr_assert_eq(tree_child_like(&t, &t.kids[3]).err, JZX_ERR_START_FAILED);
    tree_expect_counts(&t, MANY - 1, MANY - 1);
    tree_answer answer = tree_child_start_like(&t, t.sup, NULL, 0);
    cr_assert_eq(answer.err, JZX_OK, "the template's argument");
    cr_assert_eq(t.kids[0].inits, 1);
    tree_close(&t);

    tree_open(&t, layout);
    tree_start(&t);
    cr_assert_eq(tree_child_start_like(&t, t.sup, NULL, 0).err, JZX_ERR_UNSUPPORTED);
    tree_close(&t);
}

/* ---- deaths that meet ---- */

/* The supervisor dies between a child's death and the handling of its exit. */
TREE_TEST(S92_both_die)
{
    for (unsigned wait = 0; wait < 6; wait++) {
        tree t;
        tree_open(&t, layout);
        tree_kid *a = tree_add(&t, "a");
        tree_kid *b = tree_add(&t, "b");
        tree_start(&t);
        tree_kill_quietly(&t, a, TREE_KILL);
        for (unsigned i = 0; i < wait; i++) {
            test_world_step(&t.world);
        }
        tree_end(&t, t.sup, TREE_KILL);
        tree_expect_ended(&t, JZX_EXIT_KILLED);
        tree_settle(&t);
        cr_assert_eq(a->alive, 0);
        cr_assert_eq(b->alive, 0);
        tree_close(&t);
    }
}

/* A kill overtakes a stop that waits for a slow child. */
TREE_TEST(kill_overtakes_stop)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    a->spec->trap_exit = b->spec->trap_exit = true;
    a->spec->shutdown_ns = b->spec->shutdown_ns = JZX_FOREVER;
    b->obedience = TREE_IGNORES;
    tree_start(&t);
    tree_forget(&t);
    tree_end(&t, t.sup, TREE_SHUTDOWN);
    test_until(&t.world, b->asked == 1);
    tree_pass(&t, 5 * TREE_MS_NS);
    cr_assert_eq(b->alive, 1);
    tree_end(&t, t.sup, TREE_KILL);
    tree_expect_ended(&t, JZX_EXIT_KILLED);
    tree_expect_log(&t, "?b -b:killed -a:killed");
    tree_close(&t);
}

/* The first reason is the one: a stop that comes when it has given up changes nothing. */
TREE_TEST(stop_does_not_hide_an_escalation)
{
    tree t;
    tree_open(&t, layout);
    t.spec.intensity = 0;
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    b->spec->trap_exit = true;
    b->obedience = TREE_LATE;
    b->late_ns = 50 * TREE_MS_NS;
    tree_start(&t);
    tree_kill_quietly(&t, a, TREE_FAIL);
    test_until(&t.world, b->asked == 1);
    tree_end(&t, t.sup, TREE_SHUTDOWN_CODE);
    tree_expect_ended(&t, JZX_EXIT_ESCALATED);
    cr_assert_eq(tree_end_of(&t, t.sup)->code, 42);
    tree_close(&t);
}

/* A supervisor that is told to stop while it starts stops what it has started. */
TREE_TEST(P12_stop_while_it_starts)
{
    for (unsigned wait = 0; wait < 10; wait++) {
        tree t;
        tree_open(&t, layout);
        for (unsigned i = 0; i < 5; i++) {
            static const char *const names[] = {"a", "b", "c", "d", "e"};
            tree_add(&t, names[i]);
        }
        cr_assert_eq(tree_try_start(&t), JZX_OK);
        for (unsigned i = 0; i < wait; i++) {
            test_world_step(&t.world);
        }
        jzx_actor_id root = layout == TREE_NESTED ? t.top : t.sup;
        tree_end(&t, root, TREE_SHUTDOWN);
        test_until(&t.world, tree_end_of(&t, root) != NULL);
        tree_settle(&t);
        for (unsigned i = 0; i < 5; i++) {
            cr_assert_eq(t.kids[i].alive, 0);
        }
        cr_assert_eq(jzx_runtime_escalation(t.world.runtime, NULL, NULL), JZX_ERR_NOT_FOUND);
        tree_close(&t);
    }
}

/* ---- the runtime and its loops ---- */

/* Trees stop in the reverse of their start, before actors that nobody supervises, and each child as its spec says. */
TREE_TEST(P23_runtime_stop)
{
    tree t;
    jzx_actor_id second;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    a->spec->trap_exit = b->spec->trap_exit = true;
    b->spec->shutdown_ns = 10 * TREE_MS_NS;
    b->obedience = TREE_IGNORES;
    tree_start(&t);
    tree_kid *c = tree_spare(&t, "c");
    tree_spare(&t, "d");
    jzx_supervisor_spec spec;
    jzx_supervisor_spec_init(&spec);
    spec.children = c->spec;
    spec.child_count = 2;
    cr_assert_eq(jzx_supervisor_start(jzx_loop_context(t.world.loops[0]), &spec, &second, NULL), JZX_OK);
    tree_settle(&t);
    tree_forget(&t);
    cr_assert_eq(jzx_runtime_request_stop(t.world.runtime), JZX_OK);
    test_until(&t.world, tree_end_of(&t, t.sup) != NULL);
    cr_assert_eq(tree_end_of(&t, second)->kind, (uint32_t)JZX_EXIT_SHUTDOWN);
    cr_assert_eq(tree_end_of(&t, t.sup)->kind, (uint32_t)JZX_EXIT_SHUTDOWN);
    tree_expect_log(&t, "-d -c ?b -b:killed ?a -a");
    if (layout != TREE_OWNED) {
        cr_assert(tree_end_of(&t, t.boss.id) == NULL || tree_end_of(&t, t.boss.id) > tree_end_of(&t, t.sup));
    }
    tree_close(&t);
}

/* A runtime that stops restarts nobody. */
TREE_TEST(P23_runtime_stop_with_failures)
{
    for (unsigned wait = 0; wait < 6; wait++) {
        tree t;
        tree_open(&t, layout);
        t.spec.strategy = JZX_ONE_FOR_ALL;
        tree_kid *a = tree_add(&t, "a");
        tree_add(&t, "b");
        tree_start(&t);
        tree_kill_quietly(&t, a, TREE_FAIL);
        for (unsigned i = 0; i < wait; i++) {
            test_world_step(&t.world);
        }
        tree_close(&t);
    }
}

/* The loop of the children stops alone: they have nowhere else to go, and rest; nothing is counted. */
Test(supervisor, a_loop_of_children_stops, .timeout = 60)
{
    tree t;
    tree_open(&t, TREE_TWO_LOOPS);
    t.spec.intensity = 0;
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    tree_kid *x = tree_add(&t, "x");
    tree_kid *stays = tree_add(&t, "stays");
    stays->spec->place_loop = 0;
    x->spec->restart = JZX_TEMPORARY;
    tree_start(&t);
    cr_assert_eq(jzx_loop_request_stop(t.world.loops[1]), JZX_OK);
    test_until(&t.world, a->alive == 0 && b->alive == 0 && x->alive == 0);
    tree_settle(&t);
    cr_assert_eq(a->exit.kind, (uint32_t)JZX_EXIT_LOOP_CLOSED);
    cr_assert_eq(x->exit.kind, (uint32_t)JZX_EXIT_LOOP_CLOSED);
    cr_assert_eq(stays->alive, 1);
    cr_assert_eq(a->inits, 1);
    cr_assert_null(tree_end_of(&t, t.sup));
    cr_assert_eq(t.seen[JZX_SUPERVISION_STOPPED], 3);
    cr_assert_eq(t.seen[JZX_SUPERVISION_RESTART], 0);
    tree_close(&t);
}

/* Those that may live anywhere are moved, and it is not counted. */
Test(supervisor, children_move_from_a_loop_that_stops, .timeout = 60)
{
    tree t;
    tree_open(&t, TREE_TWO_LOOPS);
    t.spec.intensity = 0;
    test_actor ballast[6];
    memset(ballast, 0, sizeof ballast);
    for (unsigned i = 0; i < 6; i++) {
        test_spawn(&t.world, 0, &ballast[i]);
    }
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    a->spec->placement = b->spec->placement = JZX_PLACE_LEAST_LOADED;
    tree_start(&t);
    cr_assert_eq(jzx_actor_loop(a->id), 1);
    cr_assert_eq(jzx_actor_loop(b->id), 1);
    cr_assert_eq(jzx_loop_request_stop(t.world.loops[1]), JZX_OK);
    test_until(&t.world, a->inits == 2 && b->inits == 2);
    cr_assert_eq(jzx_actor_loop(a->id), 0);
    cr_assert_eq(jzx_actor_loop(b->id), 0);
    cr_assert_null(tree_end_of(&t, t.sup));
    tree_close(&t);
}

/* The supervisor's loop stops: its children elsewhere are stopped before it ends, in reverse. */
TREE_TEST(the_loop_of_the_supervisor_stops)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    tree_start(&t);
    tree_forget(&t);
    cr_assert_eq(jzx_loop_request_stop(t.world.loops[t.sup_loop]), JZX_OK);
    test_until(&t.world, tree_end_of(&t, t.sup) != NULL);
    tree_settle(&t);
    tree_expect_log(&t, "-b -a");
    cr_assert_eq(a->inits + b->inits, 2);
    cr_assert_eq(tree_end_of(&t, t.sup)->kind, (uint32_t)JZX_EXIT_LOOP_CLOSED);
    cr_assert_eq(jzx_runtime_escalation(t.world.runtime, NULL, NULL), JZX_ERR_NOT_FOUND);
    tree_close(&t);
}

/* A child that is gone when its request to stop comes, and one whose owner of both is gone. */
static jzx_err failing_stop(tree *t, tree_kid *a)
{
    tree_kill_quietly(t, a, TREE_NORMAL);
    return tree_terminate(t, t->sup, "a").err;
}

TREE_TEST(S53_a_child_that_stops_itself_first)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    a->spec->restart = JZX_TRANSIENT;
    tree_start(&t);
    cr_assert_eq(failing_stop(&t, a), JZX_OK);
    tree_expect_state(&t, "a", JZX_CHILD_STOPPED);
    cr_assert_eq(t.seen[JZX_SUPERVISION_STOPPED], 1);
    tree_close(&t);
}
