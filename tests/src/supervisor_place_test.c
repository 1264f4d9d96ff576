/* What a supervised actor leaves behind, knows of its place, and is while it is down. */
#include "tests/support/tree.h"

static jzx_init_fn kid_init;
static uint16_t port;
static jzx_actor_id told; /* by jzx_supervisor_of() */
static jzx_actor_id stranger_told;

/* A kid that listens, each incarnation on the port of the first. */
static jzx_err listen_init(jzx_context *context, void *argument, void **state)
{
    jzx_tcp_options options;
    jzx_tcp_options_init(&options);
    options.port = port;
    jzx_socket_id listener;
    jzx_err err = jzx_tcp_listen(context, &options, &listener);
    if (err == JZX_OK && port == 0) {
        err = jzx_tcp_port(context, listener, &port);
    }
    return err == JZX_OK ? kid_init(context, argument, state) : err;
}

/* Without backoff: the next incarnation binds in the turn in which the exit of the last was told. */
TREE_TEST(P6_the_port_of_a_listener_is_free_when_its_exit_is_told)
{
    tree t;
    port = 0;
    tree_open(&t, layout);
    t.spec.intensity = 5;
    tree_kid *a = tree_add(&t, "a");
    kid_init = a->spec->init;
    a->spec->init = listen_init;
    tree_start(&t);
    for (uint32_t i = 1; i <= 5; i++) {
        tree_die(&t, a, TREE_FAIL);
        test_until(&t.world, a->inits == i + 1);
    }
    cr_assert_eq(a->failed_inits, 0);
    cr_assert_eq(t.seen[JZX_SUPERVISION_START_FAILED], 0);
    tree_close(&t);
}

static jzx_err place_init(jzx_context *context, void *argument, void **state)
{
    told = jzx_supervisor_of(context);
    return kid_init(context, argument, state);
}

static jzx_err stranger_init(jzx_context *context, test_actor *actor)
{
    (void)actor;
    stranger_told = jzx_supervisor_of(context);
    return JZX_OK;
}

TREE_TEST(a_child_knows_its_supervisor)
{
    tree t;
    told = 0;
    stranger_told = 1;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    kid_init = a->spec->init;
    a->spec->init = place_init;
    tree_start(&t);
    cr_assert_eq(told, t.sup);
    test_actor stranger = {.on_init = stranger_init};
    test_spawn(&t.world, t.kid_loop, &stranger);
    cr_assert_eq(stranger_told, 0);
    tree_close(&t);
}

TREE_TEST(D88_one_that_is_down_takes_mail_and_cannot_be_ended)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    a->spec->keep_mail = true;
    a->spec->backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = 50 * TREE_MS_NS};
    tree_start(&t);
    jzx_actor_id before = a->id;
    tree_die(&t, a, TREE_FAIL);
    test_until(&t.world, a->alive == 0 && t.seen[JZX_SUPERVISION_RESTART] == 1);
    jzx_actor_id to_come = 0;
    cr_assert_eq(jzx_child_id(t.world.runtime, a->ref, &to_come), JZX_OK);
    cr_assert_neq(to_come, before);
    jzx_context *host = jzx_loop_context(t.world.loops[t.kid_loop]);
    cr_assert_eq(jzx_kill(host, to_come), JZX_ERR_NOT_RUNNING);
    cr_assert_eq(jzx_stop(host, to_come), JZX_ERR_NOT_RUNNING);
    jzx_message mail = jzx_message_empty(TREE_MAIL);
    cr_assert_eq(jzx_child_send(host, a->ref, &mail), JZX_OK);
    test_until(&t.world, a->mails == 1);
    cr_assert_eq(a->id, to_come);
    cr_assert_eq(a->inits, 2);
    tree_close(&t);
}

Test(supervisor, kinds_have_words, .timeout = 20)
{
    for (uint32_t kind = JZX_EXIT_NORMAL; kind <= JZX_EXIT_START_FAILED; kind++) {
        cr_expect_str_neq(jzx_exit_kind_text(kind), "unknown");
    }
    cr_expect_str_eq(jzx_exit_kind_text(0), "unknown");
    cr_expect_str_eq(jzx_exit_kind_text(JZX_EXIT_START_FAILED + 1), "unknown");
    for (uint32_t kind = 0; kind <= JZX_SUPERVISION_ESCALATED; kind++) {
        cr_expect_str_neq(jzx_supervision_kind_text(kind), "unknown");
    }
    cr_expect_str_eq(jzx_supervision_kind_text(JZX_SUPERVISION_ESCALATED + 1), "unknown");
    cr_expect_str_eq(jzx_supervision_kind_text(JZX_SUPERVISION_ESCALATED), "escalated");
}
