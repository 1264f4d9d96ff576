/* supervisor: significant children, whose end ends their supervisor (S67: OTP's cases of auto_shutdown). */
#include "tests/support/tree.h"

static void open_significant(tree *t, tree_layout layout, jzx_auto_shutdown way, jzx_restart restart)
{
    static const char *const names[] = {"a", "b", "c"};
    tree_open(t, layout);
    t->spec.auto_shutdown = (uint8_t)way;
    for (unsigned i = 0; i < 3; i++) {
        tree_kid *kid = tree_add(t, names[i]);
        kid->spec->significant = i < 2; /* c is not */
        kid->spec->restart = (uint8_t)(i < 2 ? restart : JZX_TEMPORARY);
    }
}

/* A permanent child cannot be significant, and none can be under a supervisor that never ends by itself. */
Test(supervisor, S67_significant_faulty, .timeout = 30)
{
    for (unsigned way = JZX_AUTO_NEVER; way <= JZX_AUTO_ALL_SIGNIFICANT; way++) {
        for (unsigned restart = JZX_PERMANENT; restart <= JZX_TEMPORARY; restart++) {
            tree t;
            open_significant(&t, TREE_ONE_LOOP, (jzx_auto_shutdown)way, (jzx_restart)restart);
            bool good = way != JZX_AUTO_NEVER && restart != JZX_PERMANENT;
            jzx_spec_fault fault = jzx_supervisor_check(jzx_loop_context(t.world.loops[0]), &t.spec, NULL);
            cr_assert_eq(fault, good ? JZX_SPEC_OK : JZX_SPEC_SIGNIFICANT);
            cr_assert_eq(tree_try_start(&t), good ? JZX_OK : JZX_ERR_INVALID_ARG);
            tree_close(&t);
        }
    }
}

/* significant_simple: the first that ends for good is enough. */
static void any_ends(tree_layout layout, jzx_restart restart, tree_death death, bool over)
{
    tree t;
    open_significant(&t, layout, JZX_AUTO_ANY_SIGNIFICANT, restart);
    tree_start(&t);
    tree_die(&t, &t.kids[2], TREE_NORMAL);
    tree_expect_alive(&t); /* that one is not significant */
    tree_forget(&t);
    tree_die(&t, &t.kids[1], death);
    if (over) {
        tree_expect_ended(&t, JZX_EXIT_SHUTDOWN);
        cr_assert_eq(t.kids[0].alive, 0);
        cr_assert_eq(t.kids[0].exit.kind, (uint32_t)JZX_EXIT_SHUTDOWN);
    } else {
        tree_expect_alive(&t);
        cr_assert_eq(t.kids[1].inits, 2, "it was restarted");
    }
    tree_close(&t);
}

TREE_TEST(S67_any_significant_temporary)
{
    any_ends(layout, JZX_TEMPORARY, TREE_NORMAL, true);
    any_ends(layout, JZX_TEMPORARY, TREE_SHUTDOWN, true);
    any_ends(layout, JZX_TEMPORARY, TREE_FAIL, true);
    any_ends(layout, JZX_TEMPORARY, TREE_KILL, true);
}

TREE_TEST(S67_any_significant_transient)
{
    any_ends(layout, JZX_TRANSIENT, TREE_NORMAL, true);
    any_ends(layout, JZX_TRANSIENT, TREE_SHUTDOWN, true);
    any_ends(layout, JZX_TRANSIENT, TREE_FAIL, false);
    any_ends(layout, JZX_TRANSIENT, TREE_KILL, false);
}

/* significant_all: only the last one. */
static void all_end(tree_layout layout, jzx_restart restart, tree_death death)
{
    tree t;
    open_significant(&t, layout, JZX_AUTO_ALL_SIGNIFICANT, restart);
    tree_start(&t);
    tree_die(&t, &t.kids[0], death);
    tree_expect_alive(&t);
    tree_die(&t, &t.kids[1], death);
    tree_expect_ended(&t, JZX_EXIT_SHUTDOWN);
    tree_settle(&t);
    cr_assert_eq(t.kids[2].alive, 0, "with all that are left");
    tree_close(&t);
}

TREE_TEST(S67_all_significant)
{
    all_end(layout, JZX_TEMPORARY, TREE_NORMAL);
    all_end(layout, JZX_TEMPORARY, TREE_FAIL);
    all_end(layout, JZX_TRANSIENT, TREE_NORMAL);
    all_end(layout, JZX_TRANSIENT, TREE_SHUTDOWN);
}

/* One that is restarted has not ended for good: then the other is not the last. */
TREE_TEST(S67_all_significant_one_restarted)
{
    tree t;
    open_significant(&t, layout, JZX_AUTO_ALL_SIGNIFICANT, JZX_TRANSIENT);
    tree_start(&t);
    tree_die(&t, &t.kids[0], TREE_FAIL);
    tree_die(&t, &t.kids[1], TREE_NORMAL);
    tree_expect_alive(&t);
    tree_die(&t, &t.kids[0], TREE_NORMAL);
    tree_expect_ended(&t, JZX_EXIT_SHUTDOWN);
    tree_close(&t);
}

/* What is terminated by request does not end its supervisor, also when it was the last. */
TREE_TEST(S67_terminated_is_no_end)
{
    for (unsigned way = JZX_AUTO_ANY_SIGNIFICANT; way <= JZX_AUTO_ALL_SIGNIFICANT; way++) {
        tree t;
        open_significant(&t, layout, (jzx_auto_shutdown)way, JZX_TRANSIENT);
        tree_start(&t);
        cr_assert_eq(tree_terminate(&t, t.sup, "a").err, JZX_OK);
        cr_assert_eq(tree_terminate(&t, t.sup, "b").err, JZX_OK);
        tree_expect_alive(&t);
        cr_assert_eq(tree_restart(&t, t.sup, "b").err, JZX_OK);
        tree_die(&t, &t.kids[1], TREE_NORMAL);
        tree_expect_ended(&t, JZX_EXIT_SHUTDOWN);
        tree_close(&t);
    }
}

/* significant_bystander: stopped with its group, it ends nothing. */
static void bystander(tree_layout layout, jzx_auto_shutdown way, jzx_strategy strategy)
{
    tree t;
    tree_open(&t, layout);
    t.spec.auto_shutdown = (uint8_t)way;
    t.spec.strategy = (uint8_t)strategy;
    tree_kid *a = tree_add(&t, "a");
    tree_kid *transient = tree_add(&t, "transient");
    tree_kid *temporary = tree_add(&t, "temporary");
    transient->spec->restart = JZX_TRANSIENT;
    temporary->spec->restart = JZX_TEMPORARY;
    transient->spec->significant = temporary->spec->significant = true;
    tree_start(&t);
    tree_die(&t, a, TREE_FAIL);
    tree_expect_counts(&t, 2, 2);
    tree_expect_gone(&t, "temporary");
    tree_die(&t, transient, TREE_NORMAL);
    tree_expect_ended(&t, JZX_EXIT_SHUTDOWN);
    tree_close(&t);
}

TREE_TEST(S67_significant_bystander)
{
    bystander(layout, JZX_AUTO_ANY_SIGNIFICANT, JZX_ONE_FOR_ALL);
    bystander(layout, JZX_AUTO_ALL_SIGNIFICANT, JZX_ONE_FOR_ALL);
    bystander(layout, JZX_AUTO_ANY_SIGNIFICANT, JZX_REST_FOR_ONE);
    bystander(layout, JZX_AUTO_ALL_SIGNIFICANT, JZX_REST_FOR_ONE);
}

/* significant_escalation: a supervisor that ends so ends the one above for which it is significant. */
TREE_TEST(S67_significant_escalation)
{
    tree t;
    jzx_supervisor_spec low;
    tree_open(&t, layout);
    t.spec.auto_shutdown = JZX_AUTO_ANY_SIGNIFICANT;
    tree_add(&t, "other");
    tree_kid *sup1 = tree_add(&t, "sup1");
    tree_kid *a = tree_spare(&t, "a");
    jzx_supervisor_spec_init(&low);
    low.auto_shutdown = JZX_AUTO_ANY_SIGNIFICANT;
    a->spec->restart = JZX_TEMPORARY;
    a->spec->significant = true;
    tree_make_supervisor(sup1, &low, a->spec, 1);
    sup1->spec->restart = JZX_TRANSIENT;
    sup1->spec->significant = true;
    tree_start(&t);
    tree_die(&t, a, TREE_FAIL);
    tree_expect_ended(&t, JZX_EXIT_SHUTDOWN);
    tree_settle(&t);
    tree_expect_log(&t, "+other +a -a:fail -other");
    tree_close(&t);
}

/* A permanent supervisor that ended so is restarted by the one above, as after any exit. */
TREE_TEST(S67_restarted_from_above)
{
    tree t;
    jzx_supervisor_spec low;
    tree_open(&t, layout);
    tree_kid *sup1 = tree_add(&t, "sup1");
    tree_kid *a = tree_spare(&t, "a");
    jzx_supervisor_spec_init(&low);
    low.auto_shutdown = JZX_AUTO_ALL_SIGNIFICANT;
    a->spec->restart = JZX_TRANSIENT;
    a->spec->significant = true;
    tree_make_supervisor(sup1, &low, a->spec, 1);
    tree_start(&t);
    tree_die(&t, a, TREE_NORMAL);
    test_until(&t.world, a->inits == 2);
    tree_expect_counts(&t, 1, 1);
    cr_assert_eq(tree_seen(&t, JZX_SUPERVISION_RESTART, "sup1"), 1);
    tree_close(&t);
}

/* Those that are added count, too, and so do the children of a template. */
TREE_TEST(S67_added_later)
{
    tree t;
    tree_open(&t, layout);
    t.spec.auto_shutdown = JZX_AUTO_ALL_SIGNIFICANT;
    tree_start(&t);
    tree_kid *a = tree_spare(&t, "a");
    tree_kid *b = tree_spare(&t, "b");
    a->spec->restart = b->spec->restart = JZX_TEMPORARY;
    a->spec->significant = b->spec->significant = true;
    cr_assert_eq(tree_child_start(&t, t.sup, a->spec).err, JZX_OK);
    cr_assert_eq(tree_child_start(&t, t.sup, b->spec).err, JZX_OK);
    tree_die(&t, a, TREE_NORMAL);
    tree_expect_alive(&t);
    tree_die(&t, b, TREE_NORMAL);
    tree_expect_ended(&t, JZX_EXIT_SHUTDOWN);
    tree_close(&t);
}

TREE_TEST(S67_dynamic)
{
    tree t;
    tree_open(&t, layout);
    t.spec.auto_shutdown = JZX_AUTO_ALL_SIGNIFICANT;
    tree_kid *template_kid = tree_add(&t, "template");
    tree_make_template(template_kid);
    template_kid->spec->restart = JZX_TRANSIENT;
    template_kid->spec->significant = true;
    tree_kid *a = tree_spare(&t, "a");
    tree_kid *b = tree_spare(&t, "b");
    tree_start(&t);
    cr_assert_eq(tree_child_like(&t, a).err, JZX_OK);
    cr_assert_eq(tree_child_like(&t, b).err, JZX_OK);
    tree_die(&t, a, TREE_NORMAL);
    tree_expect_counts(&t, 1, 1);
    tree_die(&t, b, TREE_SHUTDOWN);
    tree_expect_ended(&t, JZX_EXIT_SHUTDOWN);
    tree_close(&t);
}

/* One whose failure has not been looked at yet, since its supervisor is busy, has not ended for good either. */
TREE_TEST(S67_all_significant_while_it_is_busy)
{
    tree t;
    open_significant(&t, layout, JZX_AUTO_ALL_SIGNIFICANT, JZX_TRANSIENT);
    tree_kid *c = &t.kids[2];
    c->spec->trap_exit = true;
    c->obedience = TREE_LATE;
    c->late_ns = 100 * TREE_MS_NS;
    tree_start(&t);
    tree_request request = {.ask = TREE_ASK_TERMINATE, .sup = t.sup, .key = jzx_child_named("c")};
    tree_ask_begin(&t, &request);
    test_until(&t.world, c->asked == 1);
    tree_kill_quietly(&t, &t.kids[0], TREE_NORMAL);
    tree_kill_quietly(&t, &t.kids[1], TREE_FAIL);
    cr_assert_eq(tree_ask_end(&t, &request).err, JZX_OK);
    tree_settle(&t);
    cr_assert_eq(t.kids[1].inits, 2, "it is restarted");
    tree_expect_alive(&t);
    tree_die(&t, &t.kids[1], TREE_NORMAL);
    tree_expect_ended(&t, JZX_EXIT_SHUTDOWN);
    tree_close(&t);
}

/* A failure too many is still an escalation. */
TREE_TEST(S67_escalates_all_the_same)
{
    tree t;
    open_significant(&t, layout, JZX_AUTO_ANY_SIGNIFICANT, JZX_TRANSIENT);
    t.spec.intensity = 1;
    tree_start(&t);
    tree_die(&t, &t.kids[0], TREE_FAIL);
    tree_die(&t, &t.kids[0], TREE_FAIL);
    tree_expect_ended(&t, JZX_EXIT_ESCALATED);
    tree_close(&t);
}
