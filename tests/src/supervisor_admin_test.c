/* supervisor: requests to supervisors, references to children, and what observers and exit info say of both. */
#include "tests/support/tree.h"

#include <stdio.h>

/* ---- requests ---- */

TREE_TEST(S54_child_adm)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    tree_start(&t);
    tree_answer answer = tree_child_start(&t, t.sup, a->spec);
    cr_assert_eq(answer.err, JZX_ERR_RUNNING);
    cr_assert_eq(answer.id, a->id);
    cr_assert_eq(answer.child, a->ref);
    tree_expect_counts(&t, 1, 1);
    cr_assert_eq(tree_restart(&t, t.sup, "a").err, JZX_ERR_RUNNING);
    cr_assert_eq(tree_delete(&t, t.sup, "a").err, JZX_ERR_RUNNING);
    tree_expect_counts(&t, 1, 1);
    for (unsigned i = 0; i < 2; i++) { /* twice is as good */
        cr_assert_eq(tree_terminate(&t, t.sup, "a").err, JZX_OK);
        tree_expect_counts(&t, 1, 0);
        tree_expect_state(&t, "a", JZX_CHILD_STOPPED);
    }
    cr_assert_eq(a->finis, 1);
    cr_assert_eq(tree_child_start(&t, t.sup, a->spec).err, JZX_ERR_DUPLICATE);
    tree_expect_counts(&t, 1, 0);
    answer = tree_restart(&t, t.sup, "a");
    cr_assert_eq(answer.err, JZX_OK);
    cr_assert_eq(answer.id, a->id);
    tree_expect_counts(&t, 1, 1);
    cr_assert_eq(tree_terminate(&t, t.sup, "a").err, JZX_OK);
    cr_assert_eq(tree_delete(&t, t.sup, "a").err, JZX_OK);
    tree_expect_counts(&t, 0, 0);
    cr_assert_eq(tree_restart(&t, t.sup, "a").err, JZX_ERR_NOT_FOUND);
    cr_assert_eq(tree_terminate(&t, t.sup, "a").err, JZX_ERR_NOT_FOUND);
    cr_assert_eq(tree_delete(&t, t.sup, "a").err, JZX_ERR_NOT_FOUND);
    answer = tree_child_start(&t, t.sup, a->spec);
    cr_assert_eq(answer.err, JZX_OK, "it can be added anew");
    cr_assert_eq(answer.id, a->id);
    cr_assert_eq(answer.child, a->ref);
    tree_expect_counts(&t, 1, 1);
    tree_close(&t);
}

TREE_TEST(S55_nobody_and_no_supervisor)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    tree_start(&t);
    test_actor plain[2];
    memset(plain, 0, sizeof plain);
    test_spawn(&t.world, 0, &plain[0]);
    test_spawn(&t.world, t.world.loop_count - 1, &plain[1]);
    for (unsigned who = 0; who < 2; who++) {
        for (unsigned ask = TREE_ASK_START; ask <= TREE_ASK_COUNT; ask++) {
            tree_request request = {.ask = (tree_ask)ask, .sup = plain[who].id, .spec = a->spec};
            tree_ask_begin(&t, &request);
            tree_answer answer = tree_ask_end(&t, &request);
            cr_assert_eq(answer.sent, JZX_OK);
            cr_assert_eq(answer.err, JZX_ERR_NOT_A_SUPERVISOR, "ask %u: %s", ask, jzx_strerror(answer.err));
        }
        cr_assert_eq(plain[who].received, 0, "it sees nothing of them");
    }
    tree_stop_sup(&t);
    for (unsigned ask = TREE_ASK_START; ask <= TREE_ASK_COUNT; ask++) {
        tree_request request = {.ask = (tree_ask)ask, .sup = t.sup, .spec = a->spec};
        tree_ask_begin(&t, &request);
        tree_answer answer = tree_ask_end(&t, &request);
        cr_assert(answer.no_answer || answer.sent == JZX_ERR_NO_SUCH_ACTOR, "ask %u", ask);
    }
    tree_close(&t);
}

/* A supervisor that is ending says so, at once. */
TREE_TEST(S55_one_that_ends)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    a->spec->trap_exit = true;
    a->obedience = TREE_LATE;
    a->late_ns = 200 * TREE_MS_NS;
    tree_start(&t);
    tree_end(&t, t.sup, TREE_SHUTDOWN);
    test_until(&t.world, a->asked == 1);
    tree_answer answer = tree_count(&t, t.sup);
    cr_assert_eq(answer.err, JZX_ERR_STOPPING);
    cr_assert_eq(a->alive, 1);
    test_until(&t.world, tree_end_of(&t, t.sup) != NULL);
    tree_close(&t);
}

/* What is asked of one that starts, or waits for a child, is answered when it is done, or ends. */
static jzx_behavior_result ask_two(jzx_context *context, test_actor *actor, void *argument)
{
    tree *t = actor->data;
    jzx_child_spec *spec = argument;
    cr_assert_eq(jzx_child_terminate(context, t->sup, jzx_child_named("a"), NULL), JZX_OK);
    cr_assert_eq(jzx_child_start(context, t->sup, spec, NULL), JZX_OK);
    cr_assert_eq(jzx_child_list(context, t->sup, NULL), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

TREE_TEST(S55_waiting_requests_of_one_that_ends)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    a->spec->trap_exit = true;
    a->spec->shutdown_ns = 200 * TREE_MS_NS;
    a->obedience = TREE_IGNORES;
    tree_start(&t);
    tree_kid *b = tree_spare(&t, "b");
    uint32_t answers = t.answers;
    test_do(&t.world, &t.boss, ask_two, b->spec);
    test_until(&t.world, a->asked == 1);
    tree_end(&t, t.sup, TREE_SHUTDOWN);
    test_until(&t.world, t.answers == answers + 3);
    cr_assert_eq(t.boss.received, t.answers, "one answer each");
    test_until(&t.world, tree_end_of(&t, t.sup) != NULL);
    cr_assert_eq(b->inits, 0);
    tree_close(&t);
}

TREE_TEST(S66_which_children)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    b->spec->restart = JZX_TRANSIENT;
    tree_start(&t);
    tree_kid *c = tree_spare(&t, "c");
    c->spec->restart = JZX_TEMPORARY;
    cr_assert_eq(tree_child_start(&t, t.sup, c->spec).err, JZX_OK);
    tree_answer answer = tree_list(&t, t.sup);
    cr_assert_eq(answer.err, JZX_OK);
    cr_assert_eq(answer.count, 3);
    const tree_kid *kids[] = {a, b, c};
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert_eq(t.list[i].index, i);
        cr_assert_eq(t.list[i].id, kids[i]->id);
        cr_assert_str_eq(t.list[i].name, kids[i]->name);
        cr_assert_eq(t.list[i].state, (uint32_t)JZX_CHILD_RUNNING);
        cr_assert_eq(t.list[i].restart, kids[i]->spec->restart);
        cr_assert_eq(t.list[i].type, JZX_WORKER);
        cr_assert_eq(t.list[i].incarnation, 1);
        cr_assert_eq(tree_find(&t, t.sup, kids[i]->name).id, kids[i]->id);
        cr_assert_eq(tree_find(&t, t.sup, kids[i]->name).child, kids[i]->ref);
        cr_assert_eq(tree_find_at(&t, t.sup, i).id, kids[i]->id);
    }
    tree_die(&t, a, TREE_FAIL);
    cr_assert_eq(tree_find(&t, t.sup, "a").id, a->id);
    cr_assert_eq(t.list[0].incarnation, 2);
    cr_assert_eq(t.list[0].restarts, 1);
    cr_assert_eq(tree_terminate(&t, t.sup, "b").err, JZX_OK);
    tree_expect_state(&t, "b", JZX_CHILD_STOPPED);
    cr_assert_eq(tree_delete(&t, t.sup, "b").err, JZX_OK);
    tree_expect_gone(&t, "b");
    cr_assert_eq(tree_list(&t, t.sup).count, 2);
    cr_assert_eq(tree_terminate(&t, t.sup, "c").err, JZX_OK);
    tree_expect_gone(&t, "c");
    tree_expect_counts(&t, 1, 1);
    cr_assert_eq(tree_find_at(&t, t.sup, 1).err, JZX_ERR_NOT_FOUND);
    cr_assert_eq(tree_find_at(&t, t.sup, 999).err, JZX_ERR_NOT_FOUND);
    tree_close(&t);
}

/* ---- counts ---- */

static void add_many(tree *t, uint32_t count)
{
    tree_kid *kid = &t->kids[0];
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_eq(tree_child_like(t, kid).err, JZX_OK);
        kid->alive = 0; /* many of one kid live */
    }
}

TREE_TEST(S48_count_children)
{
    tree t;
    tree_prepare(&t, layout);
    t.config.actors_max = 4096;
    tree_open_world(&t);
    tree_kid *kid = tree_add(&t, "template");
    kid->spec->restart = JZX_TEMPORARY;
    tree_make_template(kid);
    tree_start(&t);
    t.quiet = true;
    add_many(&t, 1000);
    for (unsigned i = 0; i < 2; i++) {
        tree_expect_counts(&t, 1000, 1000);
    }
    jzx_actor_id first = t.list[0].id;
    add_many(&t, 1000);
    tree_expect_counts(&t, 2000, 2000);
    cr_assert_eq(t.list[0].id, first);
    tree_expect_counts(&t, 2000, 2000);
    for (uint32_t i = 0; i < 2000; i++) {
        tree_end(&t, t.list[i].id, TREE_KILL);
    }
    test_until(&t.world, kid->finis == 2000);
    tree_settle(&t);
    tree_expect_counts(&t, 0, 0);
    kid->alive = 0;
    tree_close(&t);
}

TREE_TEST(S48_count_supervisors)
{
    tree t;
    jzx_supervisor_spec low[2];
    tree_open(&t, layout);
    tree_add(&t, "a");
    tree_kid *sup1 = tree_add(&t, "sup1");
    tree_kid *sup2 = tree_add(&t, "sup2");
    tree_kid *b = tree_spare(&t, "b");
    jzx_supervisor_spec_init(&low[0]);
    jzx_supervisor_spec_init(&low[1]);
    tree_make_supervisor(sup1, &low[0], b->spec, 1);
    tree_make_supervisor(sup2, &low[1], NULL, 0);
    tree_start(&t);
    tree_answer answer = tree_count(&t, t.sup);
    cr_assert_eq(answer.counts.specs, 3);
    cr_assert_eq(answer.counts.active, 3);
    cr_assert_eq(answer.counts.supervisors, 2);
    cr_assert_eq(answer.counts.workers, 1);
    cr_assert_eq(tree_terminate(&t, t.sup, "sup1").err, JZX_OK);
    cr_assert_eq(b->alive, 0);
    answer = tree_count(&t, t.sup);
    cr_assert_eq(answer.counts.supervisors, 2);
    cr_assert_eq(answer.counts.active, 2);
    cr_assert_eq(tree_delete(&t, t.sup, "sup1").err, JZX_OK);
    cr_assert_eq(tree_count(&t, t.sup).counts.supervisors, 1);
    answer = tree_child_start(&t, t.sup, sup1->spec);
    cr_assert_eq(answer.err, JZX_OK);
    cr_assert_eq(b->alive, 1);
    tree_answer below = tree_count(&t, answer.id);
    cr_assert_eq(below.counts.specs, 1);
    tree_close(&t);
}

/* A subtree that is added and does not start is told with its deepest cause, from below the supervisor that was asked. */
TREE_TEST(S63_an_added_tree)
{
    tree t;
    jzx_supervisor_spec low;
    tree_open(&t, layout);
    tree_add(&t, "a");
    tree_start(&t);
    tree_kid *sup1 = tree_spare(&t, "sup1");
    tree_kid *b = tree_spare(&t, "b");
    tree_kid *c = tree_spare(&t, "c");
    jzx_supervisor_spec_init(&low);
    tree_make_supervisor(sup1, &low, b->spec, 2);
    c->fail_inits = 1;
    tree_forget(&t);
    tree_answer answer = tree_child_start(&t, t.sup, sup1->spec);
    cr_assert_eq(answer.err, JZX_ERR_START_FAILED);
    cr_assert_eq(answer.has_failure, true);
    cr_assert_eq(answer.failure.err, JZX_ERR_INIT);
    cr_assert_eq(answer.failure.code, -77);
    cr_assert_str_eq(answer.failure.name, "c");
    cr_assert_eq(answer.failure.path.depth, 2);
    cr_assert_eq(answer.failure.path.index[0], 1);
    cr_assert_eq(answer.failure.path.index[1], 1);
    tree_expect_log(&t, "+b !c -b");
    tree_expect_counts(&t, 1, 1);
    tree_close(&t);
}

/* ---- what is kept of specs ---- */

static size_t state_bytes(const tree *t)
{
    return t->world.memory[JZX_MEMORY_STATE].live;
}

static size_t held_by(tree_layout layout, jzx_restart restart)
{
    static uint8_t big[50000];
    tree t;
    tree_open(&t, layout);
    tree_start(&t);
    size_t before = state_bytes(&t);
    for (unsigned i = 0; i < 20; i++) {
        tree_kid *kid = &t.kids[0];
        if (i == 0) {
            kid = tree_spare(&t, "k");
            kid->spec->name = NULL;
            tree_make_template(kid); /* its init reads the first bytes of the argument */
            memcpy(big, &kid, sizeof(void *));
            kid->spec->argument = big;
            kid->spec->argument_size = sizeof big;
            kid->spec->restart = (uint8_t)restart;
        }
        cr_assert_eq(tree_child_start(&t, t.sup, kid->spec).err, JZX_OK);
        kid->alive = 0;
    }
    tree_settle(&t);
    size_t held = state_bytes(&t) - before;
    tree_list(&t, t.sup);
    for (unsigned i = 0; i < 20; i++) {
        cr_assert_eq(tree_terminate_at(&t, t.sup, i).err, JZX_OK);
        t.kids[0].alive = 0;
    }
    tree_close(&t);
    return held;
}

TREE_TEST(S57_start_parameters_of_temporary_children_are_not_kept)
{
    size_t permanent = held_by(layout, JZX_PERMANENT);
    size_t transient = held_by(layout, JZX_TRANSIENT);
    size_t temporary = held_by(layout, JZX_TEMPORARY);
    cr_assert_lt(temporary, 20 * 1000, "%zu bytes", temporary);
    cr_assert_gt(permanent, 20 * 50000);
    cr_assert_gt(transient, 20 * 50000);
}

TREE_TEST(S58_specs_of_temporary_children_are_not_kept)
{
    static const tree_death deaths[] = {TREE_KILL, TREE_NORMAL, TREE_FAIL};
    for (unsigned i = 0; i < 3 * 3 * 4; i++) {
        tree t;
        tree_open(&t, layout);
        t.spec.strategy = (uint8_t)(i % 3);
        tree_start(&t);
        tree_kid *a = tree_spare(&t, "a");
        jzx_restart restart = (jzx_restart)(i / 3 % 3);
        a->spec->restart = (uint8_t)restart;
        cr_assert_eq(tree_child_start(&t, t.sup, a->spec).err, JZX_OK);
        unsigned way = i / 9;
        if (way < 3) {
            tree_die(&t, a, deaths[way]);
        } else {
            cr_assert_eq(tree_terminate(&t, t.sup, "a").err, JZX_OK);
        }
        jzx_err err = tree_child_start(&t, t.sup, a->spec).err;
        bool again = way < 3 && (restart == JZX_PERMANENT || (restart == JZX_TRANSIENT && way != 1));
        cr_assert_eq(err,
                     restart == JZX_TEMPORARY ? JZX_OK
                     : again                  ? JZX_ERR_RUNNING
                                              : JZX_ERR_DUPLICATE,
                     "case %u: %s", i, jzx_strerror(err));
        tree_close(&t);
    }
}

TREE_TEST(S61_a_temporary_child_leaves_nothing)
{
    static uint8_t big[50000];
    tree t;
    tree_open(&t, layout);
    tree_kid *kid = tree_add(&t, "template");
    tree_make_template(kid);
    kid->spec->restart = JZX_TEMPORARY;
    tree_start(&t);
    memcpy(big, &kid, sizeof(void *));
    size_t before = 0;
    for (unsigned i = 0; i < 20; i++) {
        cr_assert_eq(tree_child_start_like(&t, t.sup, big, sizeof big).err, JZX_OK);
        tree_die(&t, kid, i % 2 == 0 ? TREE_FAIL : TREE_NORMAL);
        tree_expect_counts(&t, 0, 0);
        before = i == 0 ? state_bytes(&t) : before;
        cr_assert_eq(state_bytes(&t), before);
    }
    tree_close(&t);
}

/* Also the permanent ones of a dynamic supervisor, when they are terminated. */
TREE_TEST(S61_a_terminated_child_leaves_nothing)
{
    static uint8_t big[50000];
    tree t;
    tree_open(&t, layout);
    tree_kid *kid = tree_add(&t, "template");
    tree_make_template(kid);
    tree_start(&t);
    memcpy(big, &kid, sizeof(void *));
    size_t before = 0;
    for (unsigned i = 0; i < 20; i++) {
        cr_assert_eq(tree_child_start_like(&t, t.sup, big, sizeof big).err, JZX_OK);
        cr_assert_eq(tree_terminate_at(&t, t.sup, i).err, JZX_OK);
        before = i == 0 ? state_bytes(&t) : before;
        cr_assert_eq(state_bytes(&t), before);
    }
    tree_close(&t);
}

/* ---- calls that are refused at once ---- */

typedef struct refusals {
    tree *t;
    jzx_err errs[8];
    uint32_t count;
} refusals;

static void call_wrongly(jzx_context *context, refusals *r, jzx_actor_id sup)
{
    static const char byte = 0;
    uint64_t ref = 7;
    r->count = 0;
    r->errs[r->count++] = jzx_child_start_like(context, sup, NULL, 1, &ref);
    r->errs[r->count++] = jzx_child_start_like(context, sup, &byte, (size_t)UINT32_MAX + 1, &ref);
    cr_assert_eq(ref, 7);
}

static jzx_behavior_result call_in_handler(jzx_context *context, test_actor *actor, void *argument)
{
    refusals *r = argument;
    (void)actor;
    call_wrongly(context, r, r->t->sup);
    return JZX_BEHAVIOR_OK;
}

/* In fini an actor can ask nothing any more. */
static void call_in_fini(jzx_context *context, test_actor *actor, const jzx_exit_info *info)
{
    refusals *r = actor->data;
    uint64_t ref = 7;
    (void)info;
    r->count = 0;
    r->errs[r->count++] = jzx_child_start(context, r->t->sup, r->t->kids[0].spec, &ref);
    r->errs[r->count++] = jzx_child_start_like(context, r->t->sup, NULL, 0, &ref);
    r->errs[r->count++] = jzx_child_restart(context, r->t->sup, jzx_child_named("a"), &ref);
    r->errs[r->count++] = jzx_child_count(context, r->t->sup, &ref);
    cr_assert_eq(ref, 7);
}

TREE_TEST(requests_that_are_refused_at_once)
{
    tree t;
    tree_open(&t, layout);
    tree_add(&t, "a");
    tree_start(&t);
    refusals r = {.t = &t};
    test_actor asker = {.on_fini = call_in_fini, .data = &r};
    test_spawn(&t.world, 0, &asker);
    test_do(&t.world, &asker, call_in_handler, &r);
    cr_assert_eq(r.count, 2);
    cr_assert_eq(r.errs[0], JZX_ERR_INVALID_ARG, "an argument that is not there");
    cr_assert_eq(r.errs[1], JZX_ERR_TOO_BIG);
    uint64_t ref = 7;
    jzx_context *nobody = NULL;
    cr_assert_eq(jzx_child_start(nobody, t.sup, t.kids[0].spec, &ref), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_child_start_like(nobody, t.sup, NULL, 0, &ref), JZX_ERR_INVALID_ARG);
    const jzx_message mail = jzx_message_empty(TREE_MAIL);
    cr_assert_eq(jzx_child_send(nobody, t.kids[0].ref, &mail), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_kill(jzx_loop_context(t.world.loops[0]), asker.id), JZX_OK);
    test_until(&t.world, asker.finis == 1);
    cr_assert_eq(r.count, 4);
    for (uint32_t i = 0; i < r.count; i++) {
        cr_assert_eq(r.errs[i], JZX_ERR_STOPPING, "call %u: %s", i, jzx_strerror(r.errs[i]));
    }
    tree_expect_counts(&t, 1, 1);
    tree_close(&t);
}

/* ---- references ---- */

TREE_TEST(references_hold_over_restarts)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    t.spec.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = 200 * TREE_MS_NS};
    tree_start(&t);
    jzx_child_ref ref = a->ref;
    jzx_context *context = jzx_loop_context(t.world.loops[0]);
    const jzx_message mail = jzx_message_empty(TREE_MAIL);
    jzx_actor_id id = 0;
    cr_assert_neq(ref, 0);
    cr_assert_eq(jzx_child_id(t.world.runtime, ref, &id), JZX_OK);
    cr_assert_eq(id, a->id);
    cr_assert_eq(jzx_child_send(context, ref, &mail), JZX_OK);
    test_until(&t.world, a->mails == 1);
    tree_kill_quietly(&t, a, TREE_FAIL);
    test_until(&t.world, t.seen[JZX_SUPERVISION_RESTART] == 1);
    id = 77;
    cr_assert_eq(jzx_child_id(t.world.runtime, ref, &id), JZX_ERR_NOT_RUNNING);
    cr_assert_eq(jzx_child_send(context, ref, &mail), JZX_ERR_NOT_RUNNING);
    cr_assert_eq(id, 77);
    test_until(&t.world, a->inits == 2);
    tree_settle(&t);
    cr_assert_eq(a->ref, ref, "the same child");
    cr_assert_eq(jzx_child_id(t.world.runtime, ref, &id), JZX_OK);
    cr_assert_eq(id, a->id);
    cr_assert_eq(jzx_child_send(context, ref, &mail), JZX_OK);
    test_until(&t.world, a->mails == 2);
    cr_assert_eq(tree_terminate(&t, t.sup, "a").err, JZX_OK);
    cr_assert_eq(jzx_child_id(t.world.runtime, ref, &id), JZX_ERR_NOT_RUNNING);
    cr_assert_eq(tree_delete(&t, t.sup, "a").err, JZX_OK);
    cr_assert_eq(jzx_child_id(t.world.runtime, ref, &id), JZX_ERR_NOT_FOUND);
    cr_assert_eq(jzx_child_send(context, ref, &mail), JZX_ERR_NOT_FOUND);
    tree_answer answer = tree_child_start(&t, t.sup, a->spec);
    cr_assert_eq(answer.err, JZX_OK);
    cr_assert_neq(answer.child, ref, "another child, though of the same name");
    cr_assert_eq(jzx_child_id(t.world.runtime, ref, &id), JZX_ERR_NOT_FOUND);
    ref = answer.child;
    tree_stop_sup(&t);
    cr_assert_eq(jzx_child_id(t.world.runtime, ref, &id), JZX_ERR_NOT_FOUND, "its supervisor has ended");
    tree_close(&t);
}

Test(supervisor, references_that_never_were, .timeout = 30)
{
    tree t;
    jzx_actor_id id = 77;
    tree_open(&t, TREE_TWO_LOOPS);
    tree_start(&t);
    static const jzx_child_ref refs[] = {
        0, 1, UINT64_MAX, 0x0100000000000001ull, 0x0000000100000001ull, 0xFF00ull << 48};
    for (unsigned i = 0; i < sizeof refs / sizeof *refs; i++) {
        cr_assert_eq(jzx_child_id(t.world.runtime, refs[i], &id), JZX_ERR_NOT_FOUND, "number %u", i);
    }
    cr_assert_eq(id, 77);
    cr_assert_eq(jzx_child_id(NULL, 1, &id), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_child_id(t.world.runtime, 1, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_child_self(jzx_loop_context(t.world.loops[0])), 0, "the host is no child");
    tree_close(&t);
}

static jzx_behavior_result not_a_child(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    *(jzx_child_ref *)argument = jzx_child_self(context);
    return JZX_BEHAVIOR_OK;
}

Test(supervisor, an_actor_without_a_supervisor_has_no_reference, .timeout = 30)
{
    tree t;
    jzx_child_ref ref = 5;
    tree_open(&t, TREE_ONE_LOOP);
    test_do(&t.world, &t.boss, not_a_child, &ref);
    cr_assert_eq(ref, 0);
    tree_close(&t);
}

/* ---- what is told ---- */

/* One start an incarnation, one stop a death, one restart a decision, and nothing else (OTP: progress reports). */
TREE_TEST(S65_exact_counts)
{
    tree t;
    tree_open(&t, layout);
    t.spec.intensity = 10;
    tree_kid *a = tree_add(&t, "a");
    tree_start(&t);
    uint32_t above = layout == TREE_NESTED ? 2 : 1; /* the supervisors themselves */
    cr_assert_eq(t.seen[JZX_SUPERVISION_STARTED], above + 1);
    tree_kid *b = tree_spare(&t, "b");
    cr_assert_eq(tree_child_start(&t, t.sup, b->spec).err, JZX_OK);
    tree_die(&t, b, TREE_NORMAL);
    tree_die(&t, a, TREE_FAIL);
    cr_assert_eq(tree_terminate(&t, t.sup, "b").err, JZX_OK);
    cr_assert_eq(tree_restart(&t, t.sup, "b").err, JZX_OK);
    a->fail_inits = 1;
    tree_die(&t, a, TREE_FAIL);
    cr_assert_eq(tree_seen(&t, JZX_SUPERVISION_STARTED, "a"), 3);
    cr_assert_eq(tree_seen(&t, JZX_SUPERVISION_STOPPED, "a"), 2);
    cr_assert_eq(tree_seen(&t, JZX_SUPERVISION_RESTART, "a"), 3);
    cr_assert_eq(tree_seen(&t, JZX_SUPERVISION_START_FAILED, "a"), 1);
    cr_assert_eq(tree_seen(&t, JZX_SUPERVISION_STARTED, "b"), 3);
    cr_assert_eq(tree_seen(&t, JZX_SUPERVISION_STOPPED, "b"), 2);
    cr_assert_eq(tree_seen(&t, JZX_SUPERVISION_RESTART, "b"), 1);
    tree_stop_sup(&t);
    uint32_t own = layout == TREE_NESTED ? 1 : 2; /* the one above goes on */
    cr_assert_eq(t.seen[JZX_SUPERVISION_STARTED], above + 6);
    cr_assert_eq(t.seen[JZX_SUPERVISION_STOPPED], 4 + 2 + (layout == TREE_NESTED ? 1 : own - 1));
    cr_assert_eq(t.seen[JZX_SUPERVISION_RESTART], 4);
    cr_assert_eq(t.seen[JZX_SUPERVISION_START_FAILED], 1);
    cr_assert_eq(t.seen[JZX_SUPERVISION_SHUTDOWN_ERROR], 0);
    cr_assert_eq(t.seen[JZX_SUPERVISION_ESCALATED], 0);
    cr_assert_eq(test_count(&t.world, offsetof(jzx_counters, restarts)), 4);
    cr_assert_eq(test_count(&t.world, offsetof(jzx_counters, start_failures)), 1);
    cr_assert_eq(test_count(&t.world, offsetof(jzx_counters, escalations)), 0);
    tree_close(&t);
}

/* Each record names the supervisor, the child and the cause. */
TREE_TEST(S64_what_a_record_says)
{
    tree t;
    tree_open(&t, layout);
    tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    tree_start(&t);
    jzx_actor_id first = b->id;
    tree_die(&t, b, TREE_FAIL);
    static const jzx_supervision_kind kinds[] = {JZX_SUPERVISION_STARTED, JZX_SUPERVISION_STOPPED,
                                                 JZX_SUPERVISION_RESTART};
    for (unsigned i = 0; i < 3; i++) {
        const tree_event *e = tree_event_of(&t, kinds[i], "b", 0);
        cr_assert_not_null(e);
        cr_assert_eq(e->event.supervisor, t.sup);
        cr_assert_eq(e->event.id, first);
        cr_assert_eq(e->event.child_index, 1);
        cr_assert_eq(e->event.restarts, i == 2 ? 1 : 0);
        cr_assert_eq(e->has_exit, i > 0);
        if (i > 0) {
            cr_assert_eq(memcmp(&e->exit, &b->exit, sizeof b->exit), 0, "what fini was given");
        }
    }
    cr_assert_eq(tree_event_of(&t, JZX_SUPERVISION_STARTED, "b", 1)->event.id, b->id);
    /* About a supervisor that has none. */
    const tree_event *e = tree_event_of(&t, JZX_SUPERVISION_STARTED, layout == TREE_NESTED ? "top" : "", 0);
    cr_assert_not_null(e);
    cr_assert_eq(e->event.supervisor, 0);
    cr_assert_eq(e->event.child_index, JZX_NO_CHILD);
    cr_assert_eq(e->event.id, layout == TREE_NESTED ? t.top : t.sup);
    tree_close(&t);
}

typedef struct exit_case {
    tree_death death;
    jzx_exit_kind kind;
    int32_t code;
    const char *text;
    bool own; /* it ended itself */
} exit_case;

TREE_TEST(S95_exit_info)
{
    static const exit_case cases[] = {
        {TREE_NORMAL, JZX_EXIT_NORMAL, 0, "", true},
        {TREE_FAIL, JZX_EXIT_FAIL, 42, "42", true},
        {TREE_FAIL_BARE, JZX_EXIT_FAIL, JZX_EXIT_CODE_UNSPECIFIED, "", true},
        {TREE_BAD_RESULT, JZX_EXIT_FAIL, JZX_EXIT_CODE_BAD_RESULT, "", true},
        {TREE_SHUTDOWN, JZX_EXIT_SHUTDOWN, 0, "", false},
        {TREE_SHUTDOWN_CODE, JZX_EXIT_SHUTDOWN, 7, "seven", false},
        {TREE_FAIL_BY, JZX_EXIT_FAIL, 43, "43", false},
        {TREE_KILL, JZX_EXIT_KILLED, 0, "", false},
    };
    tree t;
    tree_open(&t, layout);
    t.spec.intensity = JZX_INTENSITY_UNLIMITED;
    tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    tree_start(&t);
    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        jzx_actor_id id = b->id;
        tree_die(&t, b, cases[i].death);
        const jzx_exit_info *exit = &b->exit;
        cr_assert_eq(exit->id, id);
        cr_assert_eq(exit->kind, (uint32_t)cases[i].kind, "case %u", i);
        cr_assert_eq(exit->code, cases[i].code, "case %u: %d", i, exit->code);
        cr_assert_str_eq(exit->text, cases[i].text);
        cr_assert_eq(exit->origin, cases[i].own ? id : 0, "case %u", i);
        cr_assert_eq(exit->incarnation, i + 1);
        cr_assert_eq(exit->restarts, i);
        cr_assert_eq(exit->supervisor, t.sup);
        cr_assert_eq(exit->child_index, 1);
        cr_assert_eq(exit->tag != 0, cases[i].own, "case %u: tag %u", i, exit->tag);
        cr_assert_str_eq(exit->name, "b");
        const tree_event *e = tree_event_of(&t, JZX_SUPERVISION_STOPPED, "b", i);
        cr_assert_eq(memcmp(&e->exit, exit, sizeof *exit), 0, "the supervisor has the same");
        const jzx_exit_info *told = tree_end_of(&t, id);
        cr_assert_eq(memcmp(told, exit, sizeof *exit), 0, "and observers of actors");
    }
    cr_assert_eq(tree_terminate(&t, t.sup, "b").err, JZX_OK);
    cr_assert_eq(b->exit.kind, (uint32_t)JZX_EXIT_SHUTDOWN);
    cr_assert_eq(b->exit.origin, t.sup, "its supervisor has stopped it");
    tree_close(&t);
}

/* A reference names its child to itself, too, and its name is that of the actor. */
TREE_TEST(S95_no_supervisor_no_place)
{
    tree t;
    tree_open(&t, layout);
    tree_start(&t);
    test_actor plain = {0};
    test_spawn(&t.world, 0, &plain);
    tree_end(&t, plain.id, TREE_KILL);
    test_until(&t.world, plain.finis == 1);
    cr_assert_eq(plain.exit.supervisor, 0);
    cr_assert_eq(plain.exit.incarnation, 0);
    cr_assert_eq(plain.exit.restarts, 0);
    tree_close(&t);
}
