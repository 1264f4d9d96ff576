/* supervisor: what else a spec can ask for: mail that is kept, names, places, templates of supervisors; and real threads. */
#include "tests/support/tree.h"

#include <sched.h>
#include <stdio.h>

/* ---- mail that is kept ---- */

static jzx_err mail(tree *t, jzx_actor_id id)
{
    const jzx_message message = jzx_message_empty(TREE_MAIL);
    return jzx_send(jzx_loop_context(t->world.loops[jzx_actor_loop(id)]), id, &message);
}

/* What waited, and what comes while it is down, is for the next incarnation. */
TREE_TEST(keep_mail)
{
    tree t;
    tree_open(&t, layout);
    t.spec.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = 200 * TREE_MS_NS};
    tree_kid *a = tree_add(&t, "a");
    a->spec->keep_mail = true;
    a->spec->mailbox_cap = 8;
    tree_start(&t);
    jzx_child_ref ref = a->ref;
    tree_kill_quietly(&t, a, TREE_FAIL);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(mail(&t, a->id), JZX_OK); /* behind what makes it fail */
    }
    test_until(&t.world, a->alive == 0);
    tree_settle(&t);
    jzx_actor_id next = 0;
    cr_assert_eq(jzx_child_id(t.world.runtime, ref, &next), JZX_OK, "of the incarnation to come");
    cr_assert_eq(a->mails, 0);
    unsigned more = 0;
    while (mail(&t, next) == JZX_OK) {
        more++;
    }
    cr_assert_eq(more, 5, "as far as its mailbox holds it: %u", more);
    cr_assert_eq(mail(&t, next), JZX_ERR_MAILBOX_FULL);
    test_until(&t.world, a->inits == 2 && a->mails == 8);
    cr_assert_eq(a->id, next);
    cr_assert_eq(mail(&t, next), JZX_OK);
    test_until(&t.world, a->mails == 9);
    tree_close(&t);
}

/* Each payload has one fate, also if the child never comes back. */
TREE_TEST(keep_mail_of_one_that_is_given_up)
{
    for (unsigned way = 0; way < 4; way++) {
        tree t;
        test_ledger ledger = {0};
        tree_open(&t, layout);
        t.spec.intensity = 1;
        t.spec.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = 200 * TREE_MS_NS};
        tree_kid *a = tree_add(&t, "a");
        a->spec->keep_mail = true;
        tree_start(&t);
        tree_kill_quietly(&t, a, TREE_FAIL);
        for (unsigned i = 0; i < 3; i++) {
            jzx_message message = test_payload(&ledger, 5, 64); /* its behavior does not know it */
            cr_assert_eq(jzx_send(jzx_loop_context(t.world.loops[t.kid_loop]), a->id, &message), JZX_OK);
        }
        test_until(&t.world, a->alive == 0);
        tree_settle(&t);
        cr_assert_eq(ledger.dropped, 0);
        if (way == 0) {
            cr_assert_eq(tree_terminate(&t, t.sup, "a").err, JZX_OK);
        } else if (way == 1) {
            tree_stop_sup(&t);
        } else if (way == 2) {
            a->fail_inits = UINT32_MAX;
            tree_expect_ended(&t, JZX_EXIT_ESCALATED);
        }
        tree_settle(&t);
        cr_assert(way == 3 || ledger.dropped == 3, "way %u: %lu", way, (unsigned long)ledger.dropped);
        tree_close(&t);
        cr_assert_eq(ledger.dropped, 3);
        cr_assert_eq(ledger.twice, 0);
    }
}

/* One that is stopped has no mail, whoever stopped it. */
TREE_TEST(keep_mail_only_over_restarts)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    a->spec->keep_mail = true;
    a->spec->restart = JZX_TRANSIENT;
    tree_start(&t);
    jzx_actor_id id;
    tree_die(&t, a, TREE_NORMAL);
    cr_assert_eq(jzx_child_id(t.world.runtime, a->ref, &id), JZX_ERR_NOT_RUNNING);
    a->fail_inits = 1;
    cr_assert_eq(tree_restart(&t, t.sup, "a").err, JZX_ERR_START_FAILED);
    cr_assert_eq(jzx_child_id(t.world.runtime, a->ref, &id), JZX_ERR_NOT_RUNNING);
    cr_assert_eq(tree_restart(&t, t.sup, "a").err, JZX_OK);
    cr_assert_eq(a->mails, 0);
    tree_close(&t);
}

/* ---- names ---- */

TREE_TEST(register_name)
{
    tree t;
    tree_open(&t, layout);
    t.spec.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = 200 * TREE_MS_NS};
    tree_kid *a = tree_add(&t, "the name");
    a->spec->register_name = true;
    tree_start(&t);
    jzx_actor_id id = 0;
    cr_assert_eq(jzx_whereis(t.world.runtime, "the name", &id), JZX_OK);
    cr_assert_eq(id, a->id);
    tree_die(&t, a, TREE_FAIL);
    cr_assert_eq(jzx_whereis(t.world.runtime, "the name", &id), JZX_ERR_NOT_FOUND, "while it is down");
    test_until(&t.world, a->inits == 2);
    tree_settle(&t);
    cr_assert_eq(jzx_whereis(t.world.runtime, "the name", &id), JZX_OK);
    cr_assert_eq(id, a->id);
    cr_assert_eq(tree_terminate(&t, t.sup, "the name").err, JZX_OK);
    cr_assert_eq(jzx_whereis(t.world.runtime, "the name", &id), JZX_ERR_NOT_FOUND);
    /* Somebody else has it now: the start says so. */
    test_actor other = {0};
    test_spawn(&t.world, 0, &other);
    cr_assert_eq(jzx_register(jzx_loop_context(t.world.loops[0]), "the name", other.id), JZX_OK);
    tree_answer answer = tree_restart(&t, t.sup, "the name");
    cr_assert_eq(answer.err, JZX_ERR_START_FAILED);
    cr_assert_eq(answer.failure.err, JZX_ERR_NAME_TAKEN, "%s", jzx_strerror((jzx_err)answer.failure.err));
    cr_assert_eq(a->inits, 2, "its init did not run");
    cr_assert_eq(jzx_unregister(jzx_loop_context(t.world.loops[0]), "the name"), JZX_OK);
    cr_assert_eq(tree_restart(&t, t.sup, "the name").err, JZX_OK);
    tree_close(&t);
}

TREE_TEST(register_name_of_a_supervisor)
{
    tree t;
    jzx_supervisor_spec low;
    tree_open(&t, layout);
    tree_kid *sup1 = tree_add(&t, "sup1");
    tree_kid *a = tree_spare(&t, "a");
    jzx_supervisor_spec_init(&low);
    tree_make_supervisor(sup1, &low, a->spec, 1);
    sup1->spec->register_name = true;
    tree_start(&t);
    jzx_actor_id id = 0;
    cr_assert_eq(jzx_whereis(t.world.runtime, "sup1", &id), JZX_OK);
    cr_assert_eq(tree_count(&t, id).counts.specs, 1);
    tree_end(&t, id, TREE_KILL);
    test_until(&t.world, a->inits == 2);
    tree_settle(&t);
    jzx_actor_id next = 0;
    cr_assert_eq(jzx_whereis(t.world.runtime, "sup1", &next), JZX_OK);
    cr_assert_neq(next, id);
    tree_close(&t);
}

/* ---- places ---- */

TREE_TEST(placed_with_another)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    a->spec->placement = JZX_PLACE_WITH;
    a->spec->place_with = t.boss.id;
    b->spec->placement = JZX_PLACE_HERE;
    tree_start(&t);
    cr_assert_eq(jzx_actor_loop(a->id), jzx_actor_loop(t.boss.id));
    cr_assert_eq(jzx_actor_loop(b->id), t.sup_loop);
    tree_die(&t, a, TREE_FAIL);
    cr_assert_eq(jzx_actor_loop(a->id), jzx_actor_loop(t.boss.id));
    tree_close(&t);
}

/* Where the fewest actors live, asked anew at each start. */
Test(supervisor, placed_where_there_is_least_to_do, .timeout = 60)
{
    tree t;
    static test_actor ballast[8];
    memset(ballast, 0, sizeof ballast);
    tree_open(&t, TREE_TWO_LOOPS);
    tree_kid *a = tree_add(&t, "a");
    a->spec->placement = JZX_PLACE_LEAST_LOADED;
    for (unsigned i = 0; i < 4; i++) {
        test_spawn(&t.world, 0, &ballast[i]);
    }
    tree_start(&t);
    cr_assert_eq(jzx_actor_loop(a->id), 1);
    for (unsigned i = 0; i < 4; i++) {
        tree_end(&t, ballast[i].id, TREE_KILL);
        test_spawn(&t.world, 1, &ballast[4 + i]);
    }
    tree_settle(&t);
    tree_die(&t, a, TREE_FAIL);
    cr_assert_eq(jzx_actor_loop(a->id), 0);
    tree_close(&t);
}

/* ---- templates ---- */

TREE_TEST(a_template_of_supervisors)
{
    tree t;
    jzx_supervisor_spec low;
    tree_open(&t, layout);
    t.spec.strategy = JZX_DYNAMIC;
    tree_kid *sup1 = tree_add(&t, "sup1");
    tree_kid *a = tree_spare(&t, "a");
    jzx_supervisor_spec_init(&low);
    tree_make_template(a); /* any number of it may live */
    t.spec.strategy = JZX_DYNAMIC;
    tree_make_supervisor(sup1, &low, a->spec, 1);
    sup1->spec->name = NULL;
    a->spec->restart = JZX_TEMPORARY;
    low.intensity = 0;
    tree_start(&t);
    jzx_actor_id ids[3];
    for (unsigned i = 0; i < 3; i++) {
        a->alive = 0;
        tree_answer answer = tree_child_start_like(&t, t.sup, NULL, 0);
        cr_assert_eq(answer.err, JZX_OK, "%s", jzx_strerror(answer.err));
        ids[i] = answer.id;
    }
    a->alive = 3;
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(tree_count(&t, ids[i]).counts.active, 1);
    }
    cr_assert_eq(tree_count(&t, t.sup).counts.supervisors, 3);
    uint64_t word = 1;
    cr_assert_eq(tree_child_start_like(&t, t.sup, &word, sizeof word).err, JZX_ERR_UNSUPPORTED);
    a->alive = 2;
    a->fail_inits = 1; /* one more that does not start, and another one that dies meanwhile */
    tree_answer answer = tree_child_start_like(&t, t.sup, NULL, 0);
    cr_assert_eq(answer.err, JZX_ERR_START_FAILED);
    cr_assert_eq(answer.failure.err, JZX_ERR_INIT);
    cr_assert_eq(answer.failure.path.depth, 2);
    a->alive = 1;
    tree_end(&t, ids[1], TREE_KILL);
    test_until(&t.world, a->inits == 5);
    tree_settle(&t);
    cr_assert_eq(tree_count(&t, t.sup).counts.active, 3);
    a->alive = 3;
    tree_close(&t);
}

TREE_TEST(what_a_dynamic_one_does_not_do)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *template_kid = tree_add(&t, "template");
    tree_make_template(template_kid);
    t.spec.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = TREE_HOUR_NS};
    tree_start(&t);
    cr_assert_eq(tree_child_start_like(&t, t.sup, NULL, 0).err, JZX_OK);
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned ask = TREE_ASK_RESTART; ask <= TREE_ASK_DELETE; ask++) {
            tree_request request = {.ask = (tree_ask)ask, .sup = t.sup, .key = jzx_child_at(0)};
            tree_ask_begin(&t, &request);
            cr_assert_eq(tree_ask_end(&t, &request).err, JZX_ERR_UNSUPPORTED);
        }
        if (i == 0) {
            tree_die(&t, template_kid, TREE_FAIL); /* and while it waits */
        }
    }
    cr_assert_eq(tree_terminate_at(&t, t.sup, 0).err, JZX_OK);
    tree_expect_counts(&t, 0, 0);
    tree_close(&t);
}

/* ---- other ends of a supervisor ---- */

static void ended_by(tree_layout layout, jzx_err (*end)(jzx_context *context, jzx_actor_id id), jzx_exit_kind kind)
{
    tree t;
    tree_open(&t, layout);
    tree_add(&t, "a");
    tree_add(&t, "b");
    tree_start(&t);
    tree_forget(&t);
    cr_assert_eq(end(jzx_loop_context(t.world.loops[t.sup_loop]), t.sup), JZX_OK);
    tree_expect_ended(&t, kind);
    tree_settle(&t);
    tree_expect_log(&t, "-b -a");
    tree_close(&t);
}

static jzx_err fail_it(jzx_context *context, jzx_actor_id id)
{
    return jzx_fail(context, id, 9, "nine");
}

TREE_TEST(drained_or_failed_from_outside)
{
    ended_by(layout, jzx_drain, JZX_EXIT_SHUTDOWN);
    ended_by(layout, jzx_stop, JZX_EXIT_SHUTDOWN);
    ended_by(layout, fail_it, JZX_EXIT_FAIL);
}

/* ---- at any step, and on threads ---- */

static void at_any_step(jzx_strategy strategy)
{
    tree t;
    static char names[16][8];
    tree_open(&t, TREE_TWO_LOOPS);
    t.quiet = true;
    t.spec.strategy = (uint8_t)strategy;
    t.spec.intensity = JZX_INTENSITY_UNLIMITED;
    for (uint32_t i = 0; i < 16; i++) {
        (void)snprintf(names[i], sizeof names[i], "k%u", i);
        tree_add(&t, names[i]);
    }
    cr_assert_eq(tree_try_start(&t), JZX_OK);
    tree_settle(&t);
    jzx_child_ref refs[16];
    for (uint32_t i = 0; i < 16; i++) {
        refs[i] = t.kids[i].ref;
    }
    for (uint32_t round = 0; round < 2000; round++) {
        jzx_actor_id id;
        jzx_err err = jzx_child_id(t.world.runtime, refs[round * 7 % 16], &id);
        cr_assert(err == JZX_OK || err == JZX_ERR_NOT_RUNNING, "%s", jzx_strerror(err));
        if (err == JZX_OK) {
            err = jzx_kill(jzx_loop_context(t.world.loops[1]), id);
            cr_assert(err == JZX_OK || err == JZX_ERR_NO_SUCH_ACTOR, "%s", jzx_strerror(err));
        }
        test_world_step(&t.world);
    }
    tree_settle(&t);
    tree_expect_counts(&t, 16, 16);
    tree_close(&t);
}

/* Killed in the middle of whatever their supervisor is doing. */
Test(supervisor, killed_at_any_step, .timeout = 60)
{
    at_any_step(JZX_ONE_FOR_ONE);
    at_any_step(JZX_ONE_FOR_ALL);
    at_any_step(JZX_REST_FOR_ONE);
}

typedef struct hammer {
    jzx_runtime *runtime;
    jzx_child_ref ref;
    _Atomic(uint64_t) ids;
    _Atomic(uint64_t) downs;
    uint32_t posts;
    bool wrong;
} hammer;

/* From a foreign thread: finds the child by its reference and makes it fail, again and again. */
static void strike(void *argument)
{
    hammer *h = argument;
    jzx_actor_id last = 0;
    for (uint64_t deadline = test_now_ns() + 20000000000ull; h->posts < 2000 && test_now_ns() < deadline;) {
        jzx_actor_id id = 0;
        jzx_err err = jzx_child_id(h->runtime, h->ref, &id);
        if (err == JZX_OK && id != last) {
            uint64_t word = TREE_FAIL_BARE;
            const jzx_message message = jzx_message_value(TREE_DIE, &word, sizeof word);
            if (jzx_post(h->runtime, id, &message) == JZX_OK) {
                last = id;
                h->posts++;
            }
            atomic_fetch_add(&h->ids, 1);
        } else if (err == JZX_ERR_NOT_RUNNING) {
            atomic_fetch_add(&h->downs, 1);
        } else if (err != JZX_OK) {
            h->wrong = true;
        }
        sched_yield();
    }
}

static void quick_end(tree_layout layout)
{
    tree t;
    tree_open(&t, layout);
    t.quiet = true;
    t.spec.intensity = JZX_INTENSITY_UNLIMITED;
    tree_kid *a = tree_add(&t, "a");
    cr_assert_eq(tree_try_start(&t), JZX_OK);
    test_world_start(&t.world);
    test_until(&t.world, __atomic_load_n(&a->ref, __ATOMIC_ACQUIRE) != 0);
    hammer h = {.runtime = t.world.runtime, .ref = a->ref};
    test_on_thread(strike, &h);
    cr_assert_eq(h.posts, 2000);
    cr_assert_eq(h.wrong, false);
    test_until(&t.world, __atomic_load_n(&a->inits, __ATOMIC_ACQUIRE) >= 2000);
    tree_close(&t);
    cr_assert_eq(a->inits, 2001, "%u", a->inits);
}

Test(supervisor, on_threads_of_their_own, .timeout = 120)
{
    quick_end(TREE_ONE_LOOP);
    quick_end(TREE_TWO_LOOPS);
}
