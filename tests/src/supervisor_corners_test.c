/* supervisor: what meets at odd moments: requests, owners, and children that know their supervisor. */
#include "tests/support/tree.h"

/* ---- while it starts ---- */

static jzx_behavior_result start_and_ask(jzx_context *context, test_actor *actor, void *argument)
{
    tree *t = actor->data;
    *(jzx_err *)argument = jzx_supervisor_start(context, &t->spec, &t->sup, &t->sup_ref);
    cr_assert_eq(jzx_child_count(context, t->sup, NULL), JZX_OK);
    cr_assert_eq(jzx_child_terminate(context, t->sup, jzx_child_named("a"), NULL), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

/* What is asked of one that starts is answered when it has, or says that it ends. */
static void asked_while_it_starts(bool fails)
{
    tree t;
    jzx_err err = JZX_ERR_UNKNOWN;
    tree_open(&t, TREE_OWNED);
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    b->fail_inits = fails;
    test_do(&t.world, &t.boss, start_and_ask, &err);
    cr_assert_eq(err, JZX_OK);
    test_until(&t.world, t.answers == 3);
    const jzx_message *first = test_tagged(&t.boss, JZX_TAG_SYS_SUPERVISOR, 0);
    cr_assert_eq(first->ref == t.sup_ref, !fails, "the start is answered first, or last");
    tree_settle(&t);
    cr_assert_eq(a->alive, 0);
    cr_assert_eq(b->alive, !fails);
    tree_close(&t);
}

Test(supervisor, asked_while_it_starts, .timeout = 60)
{
    asked_while_it_starts(false);
    asked_while_it_starts(true);
}

/* The owner ends at any step of the start. */
Test(supervisor, its_owner_ends_while_it_starts, .timeout = 60)
{
    for (unsigned wait = 0; wait < 16; wait++) {
        for (unsigned death = TREE_SHUTDOWN; death <= TREE_KILL; death++) {
            tree t;
            tree_open(&t, TREE_OWNED);
            tree_add(&t, "a");
            tree_add(&t, "b");
            tree_add(&t, "c");
            cr_assert_eq(tree_try_start(&t), JZX_OK);
            for (unsigned i = 0; i < wait; i++) {
                test_world_step(&t.world);
            }
            tree_end(&t, t.boss.id, (tree_death)death);
            test_until(&t.world, tree_end_of(&t, t.sup) != NULL);
            for (unsigned i = 0; i < 3; i++) {
                cr_assert_eq(t.kids[i].alive, 0);
            }
            cr_assert_eq(jzx_runtime_escalation(t.world.runtime, NULL, NULL), JZX_ERR_NOT_FOUND);
            tree_close(&t);
        }
    }
}

static jzx_behavior_result start_one(jzx_context *context, test_actor *actor, void *argument)
{
    cr_assert_eq(jzx_supervisor_start(context, argument, actor->data, NULL), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

/* An owner that does not trap exits ends with its supervisor, as with any actor it is linked to. */
Test(supervisor, an_owner_that_does_not_trap_exits, .timeout = 60)
{
    tree t;
    tree_open(&t, TREE_TWO_LOOPS);
    t.spec.intensity = 0;
    tree_kid *a = tree_add(&t, "a");
    test_actor owner = {.data = &t.sup};
    test_spawn(&t.world, 0, &owner);
    test_do(&t.world, &owner, start_one, &t.spec);
    test_until(&t.world, a->alive == 1);
    tree_settle(&t);
    tree_die(&t, a, TREE_FAIL);
    test_until(&t.world, owner.finis == 1);
    cr_assert_eq(owner.exit.kind, (uint32_t)JZX_EXIT_ESCALATED);
    cr_assert_eq(owner.exit.origin, t.sup);
    cr_assert_eq(jzx_runtime_escalation(t.world.runtime, NULL, NULL), JZX_ERR_NOT_FOUND, "it was nobody's root");
    tree_close(&t);
}

/* A worker that is supervised owns a tree of its own: the escalation goes up through it. */
Test(supervisor, a_child_that_owns_a_supervisor, .timeout = 60)
{
    tree t;
    tree_open(&t, TREE_ONE_LOOP);
    jzx_actor_id inner = 0;
    test_actor worker = {.data = &inner};
    jzx_spawn_options options;
    test_actor_options(&worker, &options);
    tree_kid *stand_in = tree_add(&t, "worker");
    stand_in->spec->init = options.init;
    stand_in->spec->behavior = options.behavior;
    stand_in->spec->fini = options.fini;
    stand_in->spec->argument = &worker;
    tree_start(&t);
    tree_kid *a = tree_spare(&t, "a");
    jzx_supervisor_spec spec;
    jzx_supervisor_spec_init(&spec);
    spec.intensity = 0;
    spec.children = a->spec;
    spec.child_count = 1;
    test_do(&t.world, &worker, start_one, &spec);
    test_until(&t.world, a->alive == 1);
    tree_settle(&t);
    tree_die(&t, a, TREE_FAIL);
    test_until(&t.world, worker.inits == 2);
    cr_assert_eq(worker.exit.kind, (uint32_t)JZX_EXIT_ESCALATED);
    cr_assert_eq(tree_end_of(&t, inner)->kind, (uint32_t)JZX_EXIT_ESCALATED);
    test_do(&t.world, &worker, start_one, &spec);
    test_until(&t.world, a->alive == 1);
    tree_settle(&t);
    cr_assert_eq(tree_terminate(&t, t.sup, "worker").err, JZX_OK);
    test_until(&t.world, a->alive == 0);
    tree_close(&t);
}

/* ---- children that know their supervisor ---- */

static jzx_behavior_result ask_own(jzx_context *context, test_actor *actor, void *argument)
{
    const tree *t = actor->data;
    cr_assert_eq(jzx_child_list(context, t->sup, NULL), JZX_OK);
    if (argument != NULL) {
        cr_assert_eq(jzx_child_terminate(context, t->sup, jzx_child_named(argument), NULL), JZX_OK);
        cr_assert_eq(jzx_child_count(context, t->sup, NULL), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err ask_in_init(jzx_context *context, test_actor *actor)
{
    (void)ask_own(context, actor, NULL);
    return JZX_OK;
}

TREE_TEST(a_child_asks_its_own_supervisor)
{
    tree t;
    tree_open(&t, layout);
    test_actor worker = {.data = &t, .on_init = ask_in_init};
    jzx_spawn_options options;
    test_actor_options(&worker, &options);
    tree_kid *stand_in = tree_spare(&t, "worker");
    stand_in->spec->init = options.init;
    stand_in->spec->behavior = options.behavior;
    stand_in->spec->fini = options.fini;
    stand_in->spec->argument = &worker;
    tree_start(&t);
    cr_assert_eq(tree_child_start(&t, t.sup, stand_in->spec).err, JZX_OK);
    test_until(&t.world, test_tags(&worker, JZX_TAG_SYS_SUPERVISOR) == 1);
    test_do(&t.world, &worker, ask_own, (void *)(uintptr_t) "nobody");
    test_until(&t.world, test_tags(&worker, JZX_TAG_SYS_SUPERVISOR) == 4);
    test_do(&t.world, &worker, ask_own, (void *)(uintptr_t) "worker");
    test_until(&t.world, worker.finis == 1);
    tree_settle(&t);
    cr_assert_eq(worker.exit.kind, (uint32_t)JZX_EXIT_SHUTDOWN);
    tree_expect_state(&t, "worker", JZX_CHILD_STOPPED);
    tree_close(&t);
}

/* ---- places that are gone ---- */

TREE_TEST(placed_with_one_that_has_ended)
{
    tree t;
    tree_open(&t, layout);
    test_actor gone = {0};
    test_spawn(&t.world, t.sup_loop, &gone);
    tree_end(&t, gone.id, TREE_KILL);
    test_until(&t.world, gone.finis == 1);
    tree_start(&t);
    tree_kid *a = tree_spare(&t, "a");
    a->spec->placement = JZX_PLACE_WITH;
    a->spec->place_with = gone.id;
    tree_answer answer = tree_child_start(&t, t.sup, a->spec);
    cr_assert_eq(answer.err, JZX_ERR_START_FAILED);
    cr_assert_eq(answer.failure.err, JZX_ERR_NO_SUCH_ACTOR, "%s", jzx_strerror((jzx_err)answer.failure.err));
    tree_expect_counts(&t, 0, 0);
    tree_close(&t);
}

/* ---- the runtime ends when nobody is left ---- */

Test(supervisor, exit_when_idle, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.exit_when_idle = true;
    tree t;
    tree_prepare(&t, TREE_ONE_LOOP);
    t.config = config;
    tree_open_world(&t);
    t.spec.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = 5 * TREE_MS_NS};
    tree_kid *a = tree_add(&t, "a");
    tree_start(&t);
    tree_end(&t, t.boss.id, TREE_KILL);
    tree_settle(&t);
    tree_kill_quietly(&t, a, TREE_FAIL);
    test_until(&t.world, a->inits == 2); /* its supervisor alone was enough to go on */
    tree_settle(&t);
    cr_assert_eq(t.world.closed[0], false);
    tree_end(&t, t.sup, TREE_SHUTDOWN);
    test_until(&t.world, t.world.closed[0]);
    tree_close(&t);
}

/* ---- the largest window ---- */

Test(supervisor, the_largest_intensity, .timeout = 60)
{
    tree t;
    tree_open(&t, TREE_ONE_LOOP);
    t.spec.intensity = JZX_INTENSITY_MAX;
    tree_kid *a = tree_add(&t, "a");
    tree_start(&t);
    for (unsigned i = 0; i < 100; i++) {
        tree_die(&t, a, TREE_FAIL);
    }
    tree_expect_counts(&t, 1, 1);
    tree_close(&t);
}

/* ---- two roots ---- */

/* The first that gives up is told; the others are stopped. */
Test(supervisor, P10_the_first_root_that_gives_up, .timeout = 60)
{
    tree t;
    tree_open(&t, TREE_TWO_LOOPS);
    t.spec.intensity = 0;
    tree_kid *a = tree_add(&t, "a");
    tree_start(&t);
    tree_kid *b = tree_spare(&t, "b");
    jzx_supervisor_spec spec;
    jzx_supervisor_spec_init(&spec);
    spec.intensity = 0;
    spec.children = b->spec;
    spec.child_count = 1;
    jzx_actor_id second;
    cr_assert_eq(jzx_supervisor_start(jzx_loop_context(t.world.loops[1]), &spec, &second, NULL), JZX_OK);
    tree_settle(&t);
    tree_kill_quietly(&t, a, TREE_FAIL);
    tree_expect_ended(&t, JZX_EXIT_ESCALATED);
    test_until(&t.world, tree_end_of(&t, second) != NULL);
    cr_assert_eq(tree_end_of(&t, second)->kind, (uint32_t)JZX_EXIT_SHUTDOWN);
    cr_assert_eq(b->exit.kind, (uint32_t)JZX_EXIT_SHUTDOWN);
    tree_close(&t);
}

/* ---- at every distance ---- */

enum { DISTANCES = 14 };

static void steps(tree *t, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        test_world_step(&t->world);
    }
}

static void open_three(tree *t, tree_layout layout, unsigned strategy)
{
    tree_open(t, layout);
    t->spec.strategy = (uint8_t)strategy;
    t->spec.intensity = 100;
    tree_add(t, "a");
    tree_add(t, "b");
    tree_add(t, "c");
    tree_start(t);
}

/* Two children fail, the second so many turns after the first: at the end all run, each once. */
TREE_TEST(two_failures_at_every_distance)
{
    for (uint32_t i = 0; i < 3 * 6 * DISTANCES; i++) {
        static const uint8_t pairs[6][2] = {{0, 1}, {1, 0}, {0, 2}, {2, 0}, {1, 2}, {2, 1}};
        tree t;
        open_three(&t, layout, i % 3);
        const uint8_t *pair = pairs[i / 3 % 6];
        tree_kill_quietly(&t, &t.kids[pair[0]], TREE_KILL);
        steps(&t, i / 18);
        if (t.kids[pair[1]].alive == 1) {
            tree_kill_quietly(&t, &t.kids[pair[1]], TREE_KILL);
        }
        tree_settle(&t);
        tree_expect_counts(&t, 3, 3);
        for (unsigned k = 0; k < 3; k++) {
            cr_assert_eq(t.kids[k].alive, 1);
        }
        cr_assert_leq(t.seen[JZX_SUPERVISION_RESTART], 2);
        tree_close(&t);
    }
}

/* A start that fails, and a failure of another one at any moment of that restart. */
TREE_TEST(a_failed_restart_and_a_failure_at_every_distance)
{
    for (uint32_t i = 0; i < 3 * 3 * DISTANCES; i++) {
        tree t;
        open_three(&t, layout, i % 3);
        t.kids[1].fail_inits = 2;
        tree_kill_quietly(&t, &t.kids[1], TREE_KILL);
        steps(&t, i / 9);
        tree_kid *other = &t.kids[i / 3 % 3];
        if (other->alive == 1) {
            tree_kill_quietly(&t, other, TREE_KILL);
        }
        tree_settle(&t);
        tree_expect_counts(&t, 3, 3);
        tree_close(&t);
    }
}

/* A request is made, and so many turns later the supervisor is ended: one answer comes, and nobody is left. */
TREE_TEST(an_end_at_every_distance_from_a_request)
{
    static const tree_ask asks[] = {TREE_ASK_START, TREE_ASK_RESTART, TREE_ASK_TERMINATE, TREE_ASK_LIST};
    for (uint32_t i = 0; i < 4 * 2 * DISTANCES; i++) {
        tree t;
        open_three(&t, layout, i % 3);
        tree_kid *d = tree_spare(&t, "d");
        cr_assert_eq(tree_terminate(&t, t.sup, "b").err, JZX_OK);
        tree_request request = {.ask = asks[i % 4], .sup = t.sup, .spec = d->spec};
        request.key = jzx_child_named(request.ask == TREE_ASK_TERMINATE ? "a" : "b");
        uint32_t answers = t.answers;
        bool killed = i / 4 % 2 == 1;
        tree_ask_begin(&t, &request);
        steps(&t, i / 8);
        tree_end(&t, t.sup, killed ? TREE_KILL : TREE_SHUTDOWN);
        t.escalates = killed && (layout == TREE_ONE_LOOP || layout == TREE_TWO_LOOPS);
        test_until(&t.world, tree_end_of(&t, t.sup) != NULL);
        tree_settle(&t);
        for (unsigned k = 0; k < 4; k++) {
            cr_assert_eq(t.kids[k].alive, 0);
        }
        cr_assert(t.escalates || t.answers == answers + 1, "%u answers", t.answers - answers);
        t.request = NULL;
        tree_close(&t);
    }
}

/* A child fails, and so many turns later it, or another one, is terminated and started again by request. */
TREE_TEST(requests_at_every_distance_from_a_failure)
{
    for (uint32_t i = 0; i < 3 * 3 * DISTANCES; i++) {
        static const char *const names[] = {"a", "b", "c"};
        tree t;
        open_three(&t, layout, i % 3);
        tree_kill_quietly(&t, &t.kids[1], TREE_KILL);
        steps(&t, i / 9);
        const char *name = names[i / 3 % 3];
        cr_assert_eq(tree_terminate(&t, t.sup, name).err, JZX_OK);
        tree_settle(&t);
        for (unsigned k = 0; k < 3; k++) {
            jzx_err err = tree_restart(&t, t.sup, names[k]).err;
            cr_assert(err == JZX_OK || err == JZX_ERR_RUNNING, "%s", jzx_strerror(err));
        }
        tree_expect_counts(&t, 3, 3);
        tree_close(&t);
    }
}

/* The same under a child that is slow to stop, which lets much wait. */
TREE_TEST(failures_while_a_child_is_slow)
{
    for (uint32_t i = 0; i < 3 * 8; i++) {
        tree t;
        tree_open(&t, layout);
        t.spec.strategy = (uint8_t)(i % 3);
        t.spec.intensity = 100;
        for (unsigned k = 0; k < 4; k++) {
            static const char *const names[] = {"a", "b", "c", "d"};
            tree_add(&t, names[k]);
        }
        tree_kid *slow = &t.kids[3];
        slow->spec->trap_exit = true;
        slow->obedience = TREE_LATE;
        slow->late_ns = 3 * TREE_MS_NS;
        tree_start(&t);
        tree_request request = {.ask = TREE_ASK_TERMINATE, .sup = t.sup, .key = jzx_child_named("d")};
        tree_ask_begin(&t, &request);
        test_until(&t.world, slow->asked == 1);
        for (unsigned k = 0; k < 3; k++) {
            if ((i / 3 & 1u << k) != 0) {
                tree_kill_quietly(&t, &t.kids[k], TREE_KILL);
            }
        }
        cr_assert_eq(tree_ask_end(&t, &request).err, JZX_OK);
        tree_settle(&t);
        test_until(&t.world, t.kids[0].alive == 1 && t.kids[1].alive == 1 && t.kids[2].alive == 1);
        tree_settle(&t);
        tree_answer counts = tree_count(&t, t.sup);
        cr_assert_eq(counts.counts.specs, 4);
        cr_assert_geq(counts.counts.active, 3);
        tree_close(&t);
    }
}
