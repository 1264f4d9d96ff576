/* supervisor: which children are restarted, together with whom and in which order: OTP's cases, by their numbers. */
#include "tests/support/tree.h"

#include <stdio.h>

static const uint8_t RESTARTS[] = {JZX_PERMANENT, JZX_TRANSIENT, JZX_TEMPORARY};

/* ---- which exits are answered with a restart ---- */

/* One child of this kind dies in this way. */
static void one_death(tree_layout layout, jzx_restart restart, tree_death death, bool again)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    a->spec->restart = (uint8_t)restart;
    tree_start(&t);
    tree_expect_counts(&t, 1, 1);
    jzx_actor_id first = a->id;
    tree_die(&t, a, death);
    cr_assert_eq(a->inits, again ? 2 : 1);
    cr_assert_eq(t.seen[JZX_SUPERVISION_RESTART], again ? 1 : 0, "a decision only if there is one to take");
    cr_assert_eq(t.seen[JZX_SUPERVISION_STOPPED], 1);
    cr_assert_eq(tree_event_of(&t, JZX_SUPERVISION_STOPPED, "a", 0)->exit.kind, a->exit.kind, "its end is told");
    if (again) {
        cr_assert_neq(a->id, first);
        tree_expect_counts(&t, 1, 1);
        tree_expect_state(&t, "a", JZX_CHILD_RUNNING);
    } else if (restart == JZX_TEMPORARY) {
        tree_expect_counts(&t, 0, 0);
        tree_expect_gone(&t, "a");
    } else {
        tree_expect_counts(&t, 1, 0);
        tree_expect_state(&t, "a", JZX_CHILD_STOPPED);
    }
    tree_expect_alive(&t);
    tree_close(&t);
}

TREE_TEST(S18_permanent_normal)
{
    one_death(layout, JZX_PERMANENT, TREE_NORMAL, true);
}

TREE_TEST(S19_transient_normal)
{
    one_death(layout, JZX_TRANSIENT, TREE_NORMAL, false);
}

TREE_TEST(S20_temporary_normal)
{
    one_death(layout, JZX_TEMPORARY, TREE_NORMAL, false);
}

TREE_TEST(S21_permanent_shutdown)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    tree_start(&t);
    tree_die(&t, a, TREE_SHUTDOWN);
    cr_assert_eq(a->exit.kind, (uint32_t)JZX_EXIT_SHUTDOWN);
    tree_die(&t, a, TREE_SHUTDOWN_CODE);
    cr_assert_eq(a->exit.kind, (uint32_t)JZX_EXIT_SHUTDOWN);
    cr_assert_eq(a->exit.code, 7);
    cr_assert_str_eq(a->exit.text, "seven");
    cr_assert_eq(a->inits, 3);
    tree_expect_counts(&t, 1, 1);
    tree_die(&t, a, TREE_SHUTDOWN); /* both were counted: 2 are allowed */
    tree_expect_ended(&t, JZX_EXIT_ESCALATED);
    tree_close(&t);
}

TREE_TEST(S21_transient_shutdown)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    a->spec->restart = JZX_TRANSIENT;
    tree_start(&t);
    static const tree_death deaths[] = {TREE_SHUTDOWN, TREE_SHUTDOWN_CODE};
    for (unsigned i = 0; i < 2; i++) {
        tree_die(&t, a, deaths[i]);
        tree_expect_counts(&t, 1, 0);
        tree_answer answer = tree_restart(&t, t.sup, "a");
        cr_assert_eq(answer.err, JZX_OK, "by hand");
        cr_assert_eq(answer.id, a->id);
        tree_expect_counts(&t, 1, 1);
    }
    cr_assert_eq(a->inits, 3);
    cr_assert_eq(t.seen[JZX_SUPERVISION_RESTART], 0);
    tree_close(&t);
}

TREE_TEST(S21_temporary_shutdown)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    a->spec->restart = JZX_TEMPORARY;
    tree_start(&t);
    static const tree_death deaths[] = {TREE_SHUTDOWN, TREE_SHUTDOWN_CODE};
    for (unsigned i = 0; i < 2; i++) {
        tree_die(&t, a, deaths[i]);
        tree_expect_counts(&t, 0, 0);
        cr_assert_eq(tree_restart(&t, t.sup, "a").err, JZX_ERR_NOT_FOUND);
        cr_assert_eq(tree_child_start(&t, t.sup, a->spec).err, JZX_OK, "it can be added anew");
        tree_expect_counts(&t, 1, 1);
    }
    tree_close(&t);
}

TREE_TEST(S23_permanent_abnormal)
{
    static const tree_death deaths[] = {TREE_FAIL, TREE_FAIL_BARE, TREE_BAD_RESULT, TREE_FAIL_BY, TREE_KILL};
    for (unsigned i = 0; i < sizeof deaths / sizeof *deaths; i++) {
        one_death(layout, JZX_PERMANENT, deaths[i], true);
    }
}

TREE_TEST(S24_transient_abnormal)
{
    static const tree_death deaths[] = {TREE_FAIL, TREE_FAIL_BARE, TREE_BAD_RESULT, TREE_FAIL_BY, TREE_KILL};
    for (unsigned i = 0; i < sizeof deaths / sizeof *deaths; i++) {
        one_death(layout, JZX_TRANSIENT, deaths[i], true);
    }
}

TREE_TEST(S25_temporary_abnormal)
{
    static const tree_death deaths[] = {TREE_FAIL, TREE_FAIL_BARE, TREE_BAD_RESULT, TREE_FAIL_BY, TREE_KILL};
    for (unsigned i = 0; i < sizeof deaths / sizeof *deaths; i++) {
        one_death(layout, JZX_TEMPORARY, deaths[i], false);
    }
}

/* One that asks for its end in its own init has been started, and has ended. */
TREE_TEST(dies_as_soon_as_it_runs)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    tree_add(&t, "b");
    a->spec->restart = JZX_TEMPORARY;
    a->dies_in_init = true;
    tree_start(&t);
    tree_expect_counts(&t, 1, 1);
    cr_assert_eq(a->exit.kind, (uint32_t)JZX_EXIT_FAIL);
    cr_assert_eq(tree_seen(&t, JZX_SUPERVISION_STARTED, "a"), 1);
    cr_assert_eq(tree_seen(&t, JZX_SUPERVISION_STOPPED, "a"), 1);
    tree_close(&t);
}

/* ---- who is restarted with it ---- */

TREE_TEST(S27_one_for_one)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    tree_start(&t);
    jzx_actor_id first_a = a->id;
    jzx_actor_id first_b = b->id;
    tree_die(&t, a, TREE_FAIL);
    tree_expect_log(&t, "+a +b -a:fail +a");
    cr_assert_neq(a->id, first_a);
    cr_assert_eq(b->id, first_b);
    cr_assert_eq(b->inits, 1);
    tree_expect_counts(&t, 2, 2);
    tree_close(&t);
}

TREE_TEST(S22_one_for_all)
{
    tree t;
    tree_open(&t, layout);
    t.spec.strategy = JZX_ONE_FOR_ALL;
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    tree_start(&t);
    jzx_actor_id first_a = a->id;
    jzx_actor_id first_b = b->id;
    tree_die(&t, a, TREE_FAIL);
    tree_expect_log(&t, "+a +b -a:fail -b +a +b");
    cr_assert_neq(a->id, first_a);
    cr_assert_neq(b->id, first_b);
    cr_assert_eq(jzx_send(jzx_loop_context(t.world.loops[t.kid_loop]), first_b, &(jzx_message){.tag = 1}),
                 JZX_ERR_NO_SUCH_ACTOR, "no old id lives");
    cr_assert_eq(t.seen[JZX_SUPERVISION_RESTART], 1, "one failure is one decision");
    tree_expect_counts(&t, 2, 2);
    tree_die(&t, b, TREE_KILL);
    cr_assert_eq(a->inits, 3);
    cr_assert_eq(b->inits, 3);
    tree_expect_counts(&t, 2, 2);
    tree_close(&t);
}

/* Nobody's init runs before the last fini has returned. */
TREE_TEST(S26_one_for_all_waits_for_slow_stops)
{
    tree t;
    tree_open(&t, layout);
    t.spec.strategy = JZX_ONE_FOR_ALL;
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    tree_kid *c = tree_add(&t, "c");
    b->spec->trap_exit = true;
    b->obedience = TREE_LATE;
    b->late_ns = 30 * TREE_MS_NS;
    tree_start(&t);
    tree_forget(&t);
    uint64_t began = test_now_ns();
    tree_kill_quietly(&t, a, TREE_FAIL);
    test_until(&t.world, a->inits == 2 && b->inits == 2 && c->inits == 2);
    cr_assert_geq(test_now_ns() - began, b->late_ns);
    tree_settle(&t);
    tree_expect_log(&t, "-a:fail -c ?b -b +a +b +c");
    tree_expect_counts(&t, 3, 3);
    tree_close(&t);
}

TREE_TEST(S28_rest_for_one)
{
    tree t;
    tree_open(&t, layout);
    t.spec.strategy = JZX_REST_FOR_ONE;
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    tree_kid *c = tree_add(&t, "c");
    tree_start(&t);
    jzx_actor_id first = a->id;
    tree_die(&t, b, TREE_FAIL);
    tree_expect_log(&t, "+a +b +c -b:fail -c +b +c");
    cr_assert_eq(a->id, first);
    cr_assert_eq(c->exit.kind, (uint32_t)JZX_EXIT_SHUTDOWN);
    tree_expect_counts(&t, 3, 3);
    tree_close(&t);
}

TREE_TEST(S29_rest_for_one_at_the_edges)
{
    tree t;
    tree_open(&t, layout);
    t.spec.strategy = JZX_REST_FOR_ONE;
    tree_kid *a = tree_add(&t, "a");
    tree_add(&t, "b");
    tree_kid *c = tree_add(&t, "c");
    tree_start(&t);
    tree_forget(&t);
    tree_die(&t, a, TREE_FAIL);
    tree_expect_log(&t, "-a:fail -c -b +a +b +c");
    tree_forget(&t);
    tree_die(&t, c, TREE_FAIL);
    tree_expect_log(&t, "-c:fail +c");
    tree_close(&t);

    tree_open(&t, layout);
    t.spec.strategy = JZX_REST_FOR_ONE;
    tree_kid *only = tree_add(&t, "only");
    tree_start(&t);
    tree_die(&t, only, TREE_FAIL);
    tree_expect_log(&t, "+only -only:fail +only");
    tree_close(&t);
}

/* Those before it are left as they are, also one that is stopped. */
TREE_TEST(S28_rest_for_one_and_a_stopped_child_before)
{
    tree t;
    tree_open(&t, layout);
    t.spec.strategy = JZX_REST_FOR_ONE;
    tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    tree_add(&t, "c");
    tree_start(&t);
    cr_assert_eq(tree_terminate(&t, t.sup, "a").err, JZX_OK);
    tree_forget(&t);
    tree_die(&t, b, TREE_FAIL);
    tree_expect_log(&t, "-b:fail -c +b +c");
    tree_expect_state(&t, "a", JZX_CHILD_STOPPED);
    tree_close(&t);
}

/* A temporary child goes with the others, and does not come back with them. */
static void bystander(tree_layout layout, jzx_strategy strategy)
{
    tree t;
    tree_open(&t, layout);
    t.spec.strategy = (uint8_t)strategy;
    tree_kid *a = tree_add(&t, "a");
    tree_kid *x = tree_add(&t, "x");
    x->spec->restart = JZX_TEMPORARY;
    tree_start(&t);
    tree_die(&t, a, TREE_NORMAL);
    tree_expect_log(&t, "+a +x -a:normal -x +a");
    tree_expect_counts(&t, 1, 1);
    tree_expect_gone(&t, "x");
    tree_expect_alive(&t);
    tree_close(&t);
}

TREE_TEST(S12_temporary_bystander)
{
    bystander(layout, JZX_ONE_FOR_ALL);
    bystander(layout, JZX_REST_FOR_ONE);
}

/* A transient one that had ended by itself comes back with its group, as in OTP. */
TREE_TEST(P8_transient_that_ended_is_started_with_its_group)
{
    tree t;
    tree_open(&t, layout);
    t.spec.strategy = JZX_ONE_FOR_ALL;
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    a->spec->restart = JZX_TRANSIENT;
    tree_start(&t);
    tree_die(&t, a, TREE_NORMAL);
    tree_expect_counts(&t, 2, 1);
    tree_forget(&t);
    tree_die(&t, b, TREE_FAIL);
    tree_expect_log(&t, "-b:fail +a +b");
    tree_expect_counts(&t, 2, 2);
    tree_close(&t);
}

TREE_TEST(S46_order_of_children)
{
    tree t;
    tree_open(&t, layout);
    t.spec.strategy = JZX_REST_FOR_ONE;
    tree_add(&t, "e");
    tree_add(&t, "b");
    tree_kid *third = tree_add(&t, "d");
    tree_add(&t, "a");
    tree_add(&t, "c");
    tree_start(&t);
    tree_expect_log(&t, "+e +b +d +a +c");
    tree_forget(&t);
    tree_die(&t, third, TREE_FAIL);
    tree_expect_log(&t, "-d:fail -c -a +d +a +c");
    tree_forget(&t);
    tree_stop_sup(&t);
    tree_expect_log(&t, "-c -a -d -b -e");
    tree_expect_ended(&t, JZX_EXIT_SHUTDOWN);
    tree_close(&t);
}

/* Any number may fail at once: each is a decision, and each child is there at the end. */
TREE_TEST(P5_many_fail_at_once)
{
    for (unsigned strategy = JZX_ONE_FOR_ONE; strategy <= JZX_REST_FOR_ONE; strategy++) {
        tree t;
        tree_open(&t, layout);
        t.spec.strategy = (uint8_t)strategy;
        t.spec.intensity = 1000;
        static char names[60][8];
        for (unsigned i = 0; i < 60; i++) {
            (void)snprintf(names[i], sizeof names[i], "k%u", i);
            tree_add(&t, names[i])->spec->restart = RESTARTS[i % 2];
        }
        tree_start(&t);
        for (unsigned i = 0; i < 60; i++) {
            tree_kill_quietly(&t, &t.kids[(i * 37) % 60], TREE_FAIL);
        }
        tree_settle(&t);
        tree_expect_counts(&t, 60, 60);
        uint32_t decisions = t.seen[JZX_SUPERVISION_RESTART];
        cr_assert(strategy == JZX_ONE_FOR_ONE ? decisions == 60 : decisions >= 1 && decisions <= 60);
        tree_close(&t);
    }
}

/* ---- trees ---- */

typedef struct forest {
    jzx_supervisor_spec specs[2];
    tree_kid *sups[2];
    tree_kid *kids[4];
} forest;

/* Two supervisors with two children each below the one under test. */
static void grow(tree *t, forest *f, jzx_strategy strategy)
{
    static const char *const names[] = {"c1", "c2", "c3", "c4"};
    t->spec.strategy = JZX_ONE_FOR_ALL;
    f->sups[0] = tree_add(t, "sup1");
    f->sups[1] = tree_add(t, "sup2");
    for (unsigned i = 0; i < 4; i++) {
        f->kids[i] = tree_spare(t, names[i]);
    }
    for (unsigned i = 0; i < 2; i++) {
        jzx_supervisor_spec_init(&f->specs[i]);
        f->specs[i].strategy = (uint8_t)strategy;
        tree_make_supervisor(f->sups[i], &f->specs[i], f->kids[2 * i]->spec, 2);
    }
}

static jzx_actor_id sup_id(tree *t, const char *name)
{
    tree_answer answer = tree_find(t, t->sup, name);
    cr_assert_eq(answer.err, JZX_OK);
    return answer.id;
}

TREE_TEST(S41_tree)
{
    tree t;
    forest f;
    tree_open(&t, layout);
    grow(&t, &f, JZX_ONE_FOR_ONE);
    tree_start(&t);
    tree_expect_log(&t, "+c1 +c2 +c3 +c4");
    tree_expect_counts(&t, 2, 2);
    jzx_actor_id sups[2] = {sup_id(&t, "sup1"), sup_id(&t, "sup2")};
    jzx_actor_id first = f.kids[2]->id;
    tree_forget(&t);
    tree_die(&t, f.kids[3], TREE_FAIL);
    tree_expect_log(&t, "-c4:fail +c4");
    cr_assert_eq(sup_id(&t, "sup1"), sups[0]);
    cr_assert_eq(sup_id(&t, "sup2"), sups[1]);
    cr_assert_eq(f.kids[2]->id, first);
    tree_answer counts = tree_count(&t, sups[1]);
    cr_assert_eq(counts.counts.specs, 2);
    cr_assert_eq(counts.counts.active, 2);
    cr_assert_eq(tree_count(&t, t.sup).counts.supervisors, 2);
    cr_assert_eq(tree_count(&t, t.sup).counts.workers, 0);
    tree_forget(&t);
    tree_stop_sup(&t);
    tree_expect_log(&t, "-c4 -c3 -c2 -c1");
    tree_close(&t);
}

TREE_TEST(S41_tree_of_one_for_all)
{
    tree t;
    forest f;
    tree_open(&t, layout);
    grow(&t, &f, JZX_ONE_FOR_ALL);
    tree_start(&t);
    tree_forget(&t);
    tree_die(&t, f.kids[0], TREE_FAIL);
    tree_expect_log(&t, "-c1:fail -c2 +c1 +c2");
    tree_close(&t);
}

TREE_TEST(S43_kill_a_supervisor_in_the_middle)
{
    tree t;
    forest f;
    tree_open(&t, layout);
    grow(&t, &f, JZX_ONE_FOR_ONE);
    t.spec.strategy = JZX_ONE_FOR_ONE;
    tree_start(&t);
    jzx_actor_id old = sup_id(&t, "sup1");
    jzx_actor_id ids[2] = {f.kids[0]->id, f.kids[1]->id};
    tree_forget(&t);
    tree_end(&t, old, TREE_KILL);
    test_until(&t.world, f.kids[1]->inits == 2);
    tree_settle(&t);
    tree_expect_log(&t, "-c2:killed -c1:killed +c1 +c2");
    cr_assert_neq(sup_id(&t, "sup1"), old);
    cr_assert_neq(f.kids[0]->id, ids[0]);
    cr_assert_neq(f.kids[1]->id, ids[1]);
    cr_assert_eq(tree_end_of(&t, old)->kind, (uint32_t)JZX_EXIT_KILLED);
    tree_expect_nobody(&t, old);
    tree_expect_counts(&t, 2, 2);
    tree_close(&t);
}

TREE_TEST(S44_kill_the_top)
{
    tree t;
    forest f;
    tree_open(&t, layout);
    grow(&t, &f, JZX_ONE_FOR_ONE);
    tree_start(&t);
    tree_forget(&t);
    tree_end(&t, t.sup, TREE_KILL);
    tree_expect_ended(&t, JZX_EXIT_KILLED);
    tree_settle(&t);
    tree_expect_log(&t, "-c4:killed -c3:killed -c2:killed -c1:killed");
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(f.kids[i]->alive, 0, "no orphan");
    }
    tree_close(&t);
}

TREE_TEST(S45_kill_exit_and_restart_of_a_worker)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    tree_start(&t);
    jzx_actor_id ids[4] = {a->id};
    tree_die(&t, a, TREE_KILL);
    ids[1] = a->id;
    tree_die(&t, a, TREE_FAIL_BARE);
    ids[2] = a->id;
    cr_assert_eq(tree_terminate(&t, t.sup, "a").err, JZX_OK);
    cr_assert_eq(tree_restart(&t, t.sup, "a").err, JZX_OK);
    ids[3] = a->id;
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned j = 0; j < i; j++) {
            cr_assert_neq(ids[i], ids[j]);
        }
    }
    for (unsigned i = 0; i < 3; i++) {
        jzx_context *context = jzx_loop_context(t.world.loops[t.kid_loop]);
        cr_assert_eq(jzx_send(context, ids[i], &(jzx_message){.tag = 1}), JZX_ERR_NO_SUCH_ACTOR);
    }
    tree_close(&t);
}

/* An owner that ends takes its supervisor with it, and all below. */
static void owner_ends(tree_death death)
{
    tree t;
    forest f;
    tree_open(&t, TREE_OWNED);
    grow(&t, &f, JZX_ONE_FOR_ONE);
    tree_start(&t);
    tree_forget(&t);
    tree_end(&t, t.boss.id, death);
    test_until(&t.world, tree_end_of(&t, t.sup) != NULL);
    cr_assert_eq(tree_end_of(&t, t.sup)->kind, (uint32_t)JZX_EXIT_SHUTDOWN);
    tree_settle(&t);
    tree_expect_log(&t, "-c4 -c3 -c2 -c1");
    tree_close(&t);
}

Test(supervisor, the_death_of_its_owner_takes_the_tree, .timeout = 60)
{
    owner_ends(TREE_SHUTDOWN);
    owner_ends(TREE_FAIL_BY);
    owner_ends(TREE_KILL);
}
