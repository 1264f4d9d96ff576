/* name_test: names of actors: who has one, who may take it, and when it is free again. */
#include "sched/loop.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>

#define LONGEST "1234567890123456789012345678901"

static jzx_context *host_of(const test_world *world, uint32_t loop)
{
    return jzx_loop_context(world->loops[loop]);
}

static jzx_actor_id whereis(const test_world *world, const char *name)
{
    jzx_actor_id id = 0;
    jzx_err err = jzx_whereis(world->runtime, name, &id);
    cr_assert(err == JZX_OK ? id != 0 : err == JZX_ERR_NOT_FOUND && id == 0, "whereis: %s", jzx_strerror(err));
    return id;
}

static void name_it(const test_world *world, const test_actor *actor, const char *name)
{
    jzx_err err = jzx_register(host_of(world, jzx_actor_loop(actor->id)), name, actor->id);
    cr_assert_eq(err, JZX_OK, "%s: %s", name, jzx_strerror(err));
}

/* What a test asks for inside of a handler, and what came of it. */
typedef struct call {
    const char *name;
    jzx_actor_id id; /* 0: its own */
    jzx_err err;
} call;

static jzx_behavior_result do_register(jzx_context *context, test_actor *actor, void *argument)
{
    call *c = argument;
    c->err = jzx_register(context, c->name, c->id == 0 ? actor->id : c->id);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result do_unregister(jzx_context *context, test_actor *actor, void *argument)
{
    call *c = argument;
    (void)actor;
    c->err = jzx_unregister(context, c->name);
    return JZX_BEHAVIOR_OK;
}

static jzx_err in_handler(test_world *world, test_actor *actor, test_do_fn fn, const char *name, jzx_actor_id id)
{
    call c = {name, id, JZX_ERR_UNKNOWN};
    test_do(world, actor, fn, &c);
    return c.err;
}

/* ---- who has a name ---- */

Test(name, a_name_is_its_actors_on_all_loops_until_it_is_unregistered, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actors[2] = {0};
    test_spawn(&world, 0, &actors[0]);
    test_spawn(&world, 1, &actors[1]);
    cr_assert_eq(whereis(&world, "one"), 0);
    cr_assert_eq(in_handler(&world, &actors[0], do_register, "one", 0), JZX_OK);
    cr_assert_eq(in_handler(&world, &actors[1], do_register, "two", 0), JZX_OK);
    cr_assert_eq(in_handler(&world, &actors[1], do_register, LONGEST, 0), JZX_OK);
    cr_assert_eq(whereis(&world, "one"), actors[0].id);
    cr_assert_eq(whereis(&world, "two"), actors[1].id);
    cr_assert_eq(whereis(&world, LONGEST), actors[1].id);
    cr_assert_eq(whereis(&world, "on"), 0);
    cr_assert_eq(whereis(&world, "one "), 0);
    cr_assert_eq(in_handler(&world, &actors[1], do_unregister, "two", 0), JZX_OK);
    cr_assert_eq(whereis(&world, "two"), 0);
    cr_assert_eq(whereis(&world, LONGEST), actors[1].id, "its other name stays");
    cr_assert_eq(in_handler(&world, &actors[0], do_register, "two", 0), JZX_OK);
    cr_assert_eq(whereis(&world, "two"), actors[0].id);
    test_world_close(&world);
}

Test(name, the_host_and_other_actors_of_the_loop_may_name_one, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actors[3] = {0};
    for (uint32_t i = 0; i < 3; i++) {
        test_spawn(&world, i / 2, &actors[i]);
    }
    name_it(&world, &actors[0], "by the host");
    cr_assert_eq(whereis(&world, "by the host"), actors[0].id, "also before a loop has run");
    cr_assert_eq(in_handler(&world, &actors[1], do_register, "by another", actors[0].id), JZX_OK);
    cr_assert_eq(whereis(&world, "by another"), actors[0].id);
    cr_assert_eq(in_handler(&world, &actors[1], do_unregister, "by the host", 0), JZX_OK);
    cr_assert_eq(jzx_unregister(host_of(&world, 0), "by another"), JZX_OK);
    cr_assert_eq(whereis(&world, "by the host") | whereis(&world, "by another"), 0);
    test_world_close(&world);
}

static void look_from_outside(void *argument)
{
    test_world *world = argument;
    jzx_actor_id id = 0;
    cr_assert_eq(jzx_whereis(world->runtime, "somebody", &id), JZX_OK);
    cr_assert_eq(jzx_whereis(world->runtime, "nobody", &id), JZX_ERR_NOT_FOUND);
    jzx_message message = jzx_message_empty(5);
    cr_assert_eq(jzx_post_name(world->runtime, "somebody", &message), JZX_OK);
    cr_assert_eq(jzx_post(world->runtime, id, &message), JZX_OK);
    cr_assert_eq(jzx_post_name(world->runtime, "nobody", &message), JZX_ERR_NOT_FOUND);
    cr_assert_eq(jzx_post_name(world->runtime, "", &message), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_post_name(world->runtime, NULL, &message), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_post_name(NULL, "somebody", &message), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_post_name(world->runtime, "somebody", NULL), JZX_ERR_INVALID_ARG);
    message.tag = JZX_TAG_RESERVED;
    cr_assert_eq(jzx_post_name(world->runtime, "somebody", &message), JZX_ERR_INVALID_ARG);
}

Test(name, threads_without_a_loop_look_and_post, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actor = {0};
    test_spawn(&world, 1, &actor);
    name_it(&world, &actor, "somebody");
    test_on_thread(look_from_outside, &world);
    test_until(&world, actor.received == 2);
    cr_assert_eq(test_tags(&actor, 5), 2);
    test_world_close(&world);
}

/* ---- errors ---- */

Test(name, M01_bad_arguments, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    jzx_context *host = host_of(&world, 0);
    const char *bad[] = {NULL, "", LONGEST "2", "a name that is much longer than any name may be"};
    jzx_actor_id id = 7;
    jzx_message message = jzx_message_empty(1);
    for (unsigned i = 0; i < 4; i++) {
        cr_expect_eq(jzx_register(host, bad[i], actor.id), JZX_ERR_INVALID_ARG);
        cr_expect_eq(jzx_unregister(host, bad[i]), JZX_ERR_INVALID_ARG);
        cr_expect_eq(jzx_whereis(world.runtime, bad[i], &id), JZX_ERR_INVALID_ARG);
        cr_expect_eq(jzx_send_name(host, bad[i], &message), JZX_ERR_INVALID_ARG);
    }
    cr_expect_eq(jzx_register(NULL, "a", actor.id), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_unregister(NULL, "a"), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_whereis(NULL, "a", &id), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_whereis(world.runtime, "a", NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_send_name(NULL, "a", &message), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_send_name(host, "a", NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_whereis(world.runtime, "a", &id), JZX_ERR_NOT_FOUND);
    cr_expect_eq(id, 7, "an error leaves what was there");
    test_world_close(&world);
}

Test(name, who_cannot_be_named, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actors[3] = {0};
    for (uint32_t i = 0; i < 3; i++) {
        test_spawn(&world, i / 2, &actors[i]);
    }
    test_actor *here = &actors[0];
    cr_assert_eq(jzx_stop(host_of(&world, 0), actors[1].id), JZX_OK);
    cr_assert_eq(in_handler(&world, here, do_register, "a", actors[2].id), JZX_ERR_ACTOR_NOT_LOCAL);
    test_until(&world, actors[1].finis == 1);
    const jzx_actor_id nobody[] = {actors[1].id,      actors[0].id + 1, 9ull << 56 | 1, UINT64_MAX,
                                   0xFFFFFFull << 32, 1ull << 32,       1ull << 56};
    for (unsigned i = 0; i < sizeof nobody / sizeof nobody[0]; i++) {
        cr_expect_eq(in_handler(&world, here, do_register, "a", nobody[i]), JZX_ERR_NO_SUCH_ACTOR, "id %u", i);
    }
    cr_expect_eq(jzx_register(host_of(&world, 0), "a", jzx_self(host_of(&world, 0))), JZX_ERR_NO_SUCH_ACTOR);
    cr_expect_eq(whereis(&world, "a"), 0);
    test_world_close(&world);
}

Test(name, a_name_in_use_is_taken_whoever_asks, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actors[3] = {0};
    for (uint32_t i = 0; i < 3; i++) {
        test_spawn(&world, i / 2, &actors[i]);
    }
    name_it(&world, &actors[0], "a");
    for (uint32_t i = 0; i < 3; i++) {
        cr_expect_eq(in_handler(&world, &actors[i], do_register, "a", 0), JZX_ERR_NAME_TAKEN);
    }
    cr_expect_eq(whereis(&world, "a"), actors[0].id);
    cr_expect_eq(in_handler(&world, &actors[2], do_unregister, "a", 0), JZX_ERR_ACTOR_NOT_LOCAL);
    cr_expect_eq(in_handler(&world, &actors[2], do_unregister, "b", 0), JZX_ERR_NOT_FOUND);
    cr_expect_eq(in_handler(&world, &actors[1], do_unregister, "a", 0), JZX_OK);
    cr_expect_eq(in_handler(&world, &actors[1], do_unregister, "a", 0), JZX_ERR_NOT_FOUND);
    test_world_close(&world);
}

static void call_all(void *argument)
{
    test_actor *actor = argument;
    jzx_context *host = actor->data;
    jzx_message message = jzx_message_empty(1);
    cr_expect_eq(jzx_register(host, "b", actor->id), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(jzx_unregister(host, "a"), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(jzx_send_name(host, "a", &message), JZX_ERR_WRONG_THREAD);
}

static jzx_behavior_result post_from_a_loop(jzx_context *context, test_actor *actor, void *argument)
{
    call *c = argument;
    (void)actor;
    jzx_message message = jzx_message_empty(1);
    c->err = jzx_post_name(jzx_loop_runtime(jzx_context_loop(context)), c->name, &message);
    return JZX_BEHAVIOR_OK;
}

Test(name, M02_wrong_threads, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actor = {.data = host_of(&world, 0)};
    test_spawn(&world, 0, &actor);
    name_it(&world, &actor, "a");
    test_on_thread(call_all, &actor);
    cr_assert_eq(whereis(&world, "a"), actor.id);
    cr_assert_eq(whereis(&world, "b"), 0);
    cr_assert_eq(in_handler(&world, &actor, post_from_a_loop, "a", 0), JZX_ERR_WRONG_THREAD);
    cr_assert_eq(in_handler(&world, &actor, post_from_a_loop, "none", 0), JZX_ERR_WRONG_THREAD);
    test_world_close(&world);
}

/* ---- when a name is free again ---- */

static jzx_behavior_result end_as_told(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)actor;
    return (jzx_behavior_result)message->tag;
}

typedef enum death { BY_RESULT_STOP, BY_RESULT_FAIL, BY_RESULT_BAD, BY_STOP, BY_DRAIN, BY_KILL, BY_FAIL, DEATHS } death;

static void bring_to_end(test_world *world, test_actor *actor, death how)
{
    jzx_context *host = host_of(world, jzx_actor_loop(actor->id));
    static const uint32_t results[] = {JZX_BEHAVIOR_STOP, JZX_BEHAVIOR_FAIL, 77};
    jzx_message message = jzx_message_empty(how <= BY_RESULT_BAD ? results[how] : 0);
    jzx_err err = how <= BY_RESULT_BAD ? jzx_send(host, actor->id, &message)
                  : how == BY_STOP     ? jzx_stop(host, actor->id)
                  : how == BY_DRAIN    ? jzx_drain(host, actor->id)
                  : how == BY_KILL     ? jzx_kill(host, actor->id)
                                       : jzx_fail(host, actor->id, 3, "why");
    cr_assert_eq(err, JZX_OK);
}

/* In fini the names are still there; it may let one go itself. */
static void look_in_fini(jzx_context *context, test_actor *actor, const jzx_exit_info *info)
{
    (void)info;
    jzx_actor_id id = 0;
    const jzx_runtime *runtime = jzx_loop_runtime(jzx_context_loop(context));
    cr_expect_eq(jzx_whereis(runtime, "first", &id), JZX_OK);
    cr_expect_eq(id, actor->id);
    cr_expect_eq(jzx_register(context, "fourth", actor->id), JZX_ERR_STOPPING);
    cr_expect_eq(jzx_register(context, "fourth", *(jzx_actor_id *)actor->data), JZX_ERR_STOPPING, "another one");
    cr_expect_eq(jzx_register(context, "first", actor->id), JZX_ERR_STOPPING);
    cr_expect_eq(jzx_unregister(context, "third"), JZX_OK);
    cr_expect_eq(jzx_unregister(context, "third"), JZX_ERR_NOT_FOUND);
}

Test(name, every_death_frees_all_names, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor others[2] = {0};
    test_spawn(&world, 0, &others[0]);
    test_spawn(&world, 1, &others[1]);
    for (uint32_t how = 0; how < DEATHS; how++) {
        test_actor actor = {.on = end_as_told, .on_fini = look_in_fini, .data = &others[how % 2].id};
        test_spawn(&world, how % 2, &actor);
        name_it(&world, &actor, "first");
        name_it(&world, &actor, "second");
        name_it(&world, &actor, "third");
        bring_to_end(&world, &actor, (death)how);
        cr_assert_eq(whereis(&world, "first"), actor.id, "told to end, it still has it");
        test_until(&world, actor.finis == 1);
        cr_assert_eq(whereis(&world, "first") | whereis(&world, "second") | whereis(&world, "third"), 0, "death %u",
                     how);
    }
    test_world_close(&world);
}

static jzx_err take_a_name_and_fail(jzx_context *context, test_actor *actor)
{
    jzx_err err = jzx_register(context, "early", jzx_self(context));
    cr_expect_eq(err, JZX_OK, "%s", jzx_strerror(err));
    jzx_message message = jzx_message_empty(1);
    if (actor->data != NULL) {
        cr_expect_eq(jzx_send_name(context, "early", &message), JZX_OK); /* so it is in the run queue when it fails */
    }
    return actor->init_result;
}

Test(name, an_init_may_take_a_name_and_one_that_fails_frees_it_at_once, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    for (int queued = 0; queued < 2; queued++) {
        test_actor actor = {.on_init = take_a_name_and_fail, .init_result = JZX_ERR_NOT_FOUND};
        actor.data = queued != 0 ? &actor : NULL;
        jzx_spawn_options options;
        test_actor_options(&actor, &options);
        for (int again = 0; again < 3; again++) { /* without a turn in between, as a supervisor may */
            cr_assert_eq(jzx_spawn(host_of(&world, 0), &options, NULL), JZX_ERR_INIT);
            cr_assert_eq(whereis(&world, "early"), 0);
        }
        actor.init_result = JZX_OK;
        test_spawn_with(&world, 0, &actor, &options);
        cr_assert_eq(whereis(&world, "early"), actor.id);
        test_world_settle(&world);
        cr_assert_eq(actor.received, queued);
        cr_assert_eq(jzx_kill(host_of(&world, 0), actor.id), JZX_OK);
        test_until(&world, actor.finis == 1);
    }
    test_world_close(&world);
}

/* As a supervisor names its child: before the init, which finds it. */
static jzx_err be_named_while_starting(jzx_context *context, test_actor *actor)
{
    cr_expect_eq(jzx__public(context->loop, context->slot)->state, JZX__STARTING);
    cr_expect_eq(jzx__name_register(context->loop, context->slot, "child"), JZX_OK);
    cr_expect_eq(jzx__name_register(context->loop, context->slot, "child"), JZX_ERR_NAME_TAKEN);
    cr_expect_eq(jzx__name_register(context->loop, context->slot, ""), JZX_ERR_INVALID_ARG);
    jzx_actor_id id = 0;
    cr_expect_eq(jzx_whereis(context->loop->runtime, "child", &id), JZX_OK);
    cr_expect_eq(id, jzx_self(context));
    return actor->init_result;
}

Test(name, one_that_starts_can_be_named, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actor = {.on_init = be_named_while_starting, .init_result = JZX_ERR_LIMIT};
    jzx_spawn_options options;
    test_actor_options(&actor, &options);
    cr_assert_eq(jzx_spawn(host_of(&world, 0), &options, NULL), JZX_ERR_INIT);
    actor.init_result = JZX_OK;
    test_spawn(&world, 0, &actor);
    cr_assert_eq(whereis(&world, "child"), actor.id);
    test_world_close(&world);
}

static jzx_behavior_result drain_oneself(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    jzx_err *err = actor->data;
    if (message->tag == 1) {
        cr_expect_eq(jzx_drain(context, actor->id), JZX_OK);
    } else {
        *err = jzx_register(context, "too late", actor->id);
    }
    return JZX_BEHAVIOR_OK;
}

Test(name, one_that_ends_keeps_its_names_and_gets_no_more, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    jzx_err err = JZX_OK;
    test_actor actor = {.on = drain_oneself, .data = &err};
    test_spawn(&world, 0, &actor);
    name_it(&world, &actor, "drained");
    test_send(&world, &actor, 1);
    test_send(&world, &actor, 2);
    test_until(&world, actor.finis == 1);
    cr_assert_eq(actor.received, 2);
    cr_assert_eq(err, JZX_ERR_STOPPING);

    test_actor stopped = {0};
    test_spawn(&world, 0, &stopped);
    cr_assert_eq(jzx_stop(host_of(&world, 0), stopped.id), JZX_OK);
    cr_assert_eq(jzx_register(host_of(&world, 0), "too late", stopped.id), JZX_ERR_STOPPING);
    cr_assert_eq(whereis(&world, "too late"), 0);
    test_world_close(&world);
}

/* Sees the DOWN of who had the name, and takes it. */
static jzx_behavior_result succeed(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    call *c = actor->data;
    if (message->tag == JZX_TAG_SYS_DOWN) {
        jzx_actor_id id;
        cr_expect_eq(jzx_whereis(jzx_loop_runtime(jzx_context_loop(context)), c->name, &id), JZX_ERR_NOT_FOUND);
        c->err = jzx_register(context, c->name, actor->id);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result watch(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    uint64_t monitor;
    cr_expect_eq(jzx_monitor(context, *(jzx_actor_id *)argument, &monitor), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

static void take_over(uint32_t watcher_loop, bool threads)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    call c = {"office", 0, JZX_ERR_UNKNOWN};
    test_actor heir = {.on = succeed, .data = &c};
    test_spawn(&world, watcher_loop, &heir);
    test_actor actor = {.on = end_as_told};
    test_spawn(&world, 0, &actor);
    name_it(&world, &actor, "office");
    if (threads) {
        test_world_start(&world);
    }
    test_do(&world, &heir, watch, &actor.id);
    test_send(&world, &actor, JZX_BEHAVIOR_FAIL);
    test_until(&world, heir.received == 1);
    cr_assert_eq(c.err, JZX_OK, "%s", jzx_strerror(c.err));
    cr_assert_eq(whereis(&world, "office"), heir.id);
    test_world_close(&world);
}

Test(name, who_handles_a_down_may_take_the_name, .timeout = 60)
{
    take_over(0, false);
    take_over(1, false);
    take_over(0, true);
    take_over(1, true);
}

Test(name, a_loop_that_stops_alone_frees_the_names_of_its_actors, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actors[4] = {0};
    char name[8] = "name 0";
    for (uint32_t i = 0; i < 4; i++) {
        test_spawn(&world, i % 2, &actors[i]);
        name[5] = (char)('0' + i);
        name_it(&world, &actors[i], name);
    }
    cr_assert_eq(jzx_loop_request_stop(world.loops[0]), JZX_OK);
    test_until(&world, actors[0].finis + actors[2].finis == 2);
    cr_assert_eq(whereis(&world, "name 0") | whereis(&world, "name 2"), 0);
    cr_assert_eq(whereis(&world, "name 1"), actors[1].id);
    cr_assert_eq(in_handler(&world, &actors[1], do_register, "name 0", 0), JZX_OK);
    test_world_close(&world);
}

Test(name, a_runtime_that_has_stopped_knows_no_names, .timeout = 60)
{
    for (int runs = 0; runs < 2; runs++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        test_actor actors[2] = {0};
        test_spawn(&world, 0, &actors[0]);
        test_spawn(&world, 1, &actors[1]);
        name_it(&world, &actors[0], "a");
        name_it(&world, &actors[1], "b");
        if (runs != 0) {
            test_world_start(&world);
            cr_assert_eq(whereis(&world, "b"), actors[1].id);
        }
        cr_assert_eq(jzx_runtime_shutdown(world.runtime, JZX_FOREVER, NULL), JZX_OK);
        cr_assert_eq(whereis(&world, "a") | whereis(&world, "b"), 0, "torn down: %d", runs);
        jzx_message message = jzx_message_empty(1);
        cr_assert_eq(jzx_post_name(world.runtime, "a", &message), JZX_ERR_LOOP_CLOSED);
        test_world_close(&world);
    }
}

/* ---- limits ---- */

Test(name, names_max_is_of_the_runtime_and_exact, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.names_max = 3;
    test_world world;
    test_world_open(&world, 2, &config);
    test_actor actors[2] = {{.on = end_as_told}, {.on = end_as_told}};
    test_spawn(&world, 0, &actors[0]);
    test_spawn(&world, 1, &actors[1]);
    for (int round = 0; round < 100; round++) {
        cr_assert_eq(in_handler(&world, &actors[0], do_register, "a", 0), JZX_OK);
        cr_assert_eq(in_handler(&world, &actors[1], do_register, "b", 0), JZX_OK);
        cr_assert_eq(in_handler(&world, &actors[1], do_register, "c", 0), JZX_OK);
        for (uint32_t i = 0; i < 2; i++) {
            cr_assert_eq(in_handler(&world, &actors[i], do_register, "d", 0), JZX_ERR_LIMIT);
            cr_assert_eq(in_handler(&world, &actors[i], do_register, "a", 0), JZX_ERR_NAME_TAKEN);
        }
        cr_assert_eq(whereis(&world, "d"), 0);
        cr_assert_eq(in_handler(&world, &actors[1], do_unregister, "b", 0), JZX_OK);
        cr_assert_eq(in_handler(&world, &actors[0], do_register, "d", 0), JZX_OK);
        cr_assert_eq(in_handler(&world, &actors[0], do_unregister, "d", 0), JZX_OK);
        cr_assert_eq(in_handler(&world, &actors[0], do_unregister, "a", 0), JZX_OK);
        cr_assert_eq(in_handler(&world, &actors[1], do_unregister, "c", 0), JZX_OK);
    }
    for (int i = 0; i < 3; i++) {
        name_it(&world, &actors[0], i == 0 ? "a" : i == 1 ? "b" : "c");
    }
    test_send(&world, &actors[0], JZX_BEHAVIOR_STOP);
    test_until(&world, actors[0].finis == 1);
    for (int i = 0; i < 3; i++) { /* what a death gives back is all there again */
        name_it(&world, &actors[1], i == 0 ? "a" : i == 1 ? "d" : "e");
    }
    test_world_close(&world);
}

Test(name, no_memory_for_a_record_leaves_the_name_free, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    test_memory *memory = &world.memory[JZX_MEMORY_METADATA];
    memory->fail_at = memory->calls + 1;
    cr_assert_eq(jzx_register(host_of(&world, 0), "a", actor.id), JZX_ERR_NO_MEMORY);
    cr_assert_eq(memory->failed, 1);
    cr_assert_eq(whereis(&world, "a"), 0);
    memory->fail_at = 0;
    name_it(&world, &actor, "a");
    test_world_close(&world);
}

static jzx_behavior_result pass_names(jzx_context *context, test_actor *actor, void *argument)
{
    uint64_t *next = argument;
    const jzx_runtime *runtime = jzx_loop_runtime(jzx_context_loop(context));
    for (int i = 0; i < 10000; i++) {
        char name[JZX_NAME_MAX];
        jzx_actor_id id = 0;
        (void)snprintf(name, sizeof name, "session %lu", (unsigned long)++*next);
        cr_expect_eq(jzx_register(context, name, actor->id), JZX_OK);
        cr_expect_eq(jzx_whereis(runtime, name, &id), JZX_OK);
        cr_expect_eq(id, actor->id);
        (void)snprintf(name, sizeof name, "session %lu", (unsigned long)*next - 10);
        cr_expect(*next <= 10 || jzx_unregister(context, name) == JZX_OK);
        cr_expect(*next <= 10 || jzx_whereis(runtime, name, &id) == JZX_ERR_NOT_FOUND);
    }
    return JZX_BEHAVIOR_OK;
}

Test(name, a_million_names_pass_through_a_small_table_and_take_no_memory, .timeout = 120)
{
    jzx_config config;
    test_config(&config);
    config.names_max = 11;
    test_world world;
    test_world_open(&world, 1, &config);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    uint64_t next = 0;
    test_do(&world, &actor, pass_names, &next);
    uint64_t calls = world.memory[JZX_MEMORY_METADATA].calls;
    while (next < 1000000) {
        test_do(&world, &actor, pass_names, &next);
    }
    cr_assert_eq(world.memory[JZX_MEMORY_METADATA].calls, calls);
    test_world_close(&world);
}

/* ---- sending ---- */

static jzx_behavior_result alternate(jzx_context *context, test_actor *actor, void *argument)
{
    jzx_actor_id to = *(jzx_actor_id *)argument;
    (void)actor;
    for (uint32_t i = 0; i < 200; i++) {
        jzx_message message = jzx_message_empty(1000 + i);
        cr_expect_eq(i % 2 == 0 ? jzx_send_name(context, "target", &message) : jzx_send(context, to, &message), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

Test(name, messages_by_name_and_by_id_keep_one_order, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        test_actor sender = {0};
        static test_actor target;
        target = (test_actor){0};
        test_spawn(&world, 0, &sender);
        test_spawn(&world, place, &target);
        name_it(&world, &target, "target");
        test_do(&world, &sender, alternate, &target.id);
        test_until(&world, target.received == 200);
        for (uint32_t i = 0; i < 200; i++) {
            cr_assert_eq(target.log[i].tag, 1000 + i);
            cr_assert_eq(target.log[i].sender, sender.id);
        }
        test_world_close(&world);
    }
}

Test(name, a_refused_send_by_name_says_what_a_send_says, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_ledger ledger = {0};
    test_actor actor = {.ledger = &ledger};
    jzx_spawn_options options;
    test_actor_options(&actor, &options);
    options.mailbox_cap = 1;
    test_spawn_with(&world, 0, &actor, &options);
    name_it(&world, &actor, "small");
    jzx_context *host = host_of(&world, 0);
    jzx_message message = test_payload(&ledger, 1, 64);
    cr_assert_eq(jzx_send_name(host, "nobody", &message), JZX_ERR_NOT_FOUND);
    cr_assert_eq(jzx_send_name(host, "small", &message), JZX_OK);
    message = test_payload(&ledger, 1, 64);
    cr_assert_eq(jzx_send_name(host, "small", &message), JZX_ERR_MAILBOX_FULL);
    cr_assert_eq(jzx_stop(host, actor.id), JZX_OK);
    cr_assert_eq(jzx_send_name(host, "small", &message), JZX_ERR_STOPPING);
    (void)test_payload_take(&ledger, &message);
    test_until(&world, actor.finis == 1);
    cr_assert_eq(ledger.dropped, 1);
    test_world_close(&world);
    cr_assert_eq(test_ledger_open(&ledger), 0);
}

/* ---- loops at once ---- */

enum { RIVALS = 4, TURNS = 3000 };

typedef struct rivalry {
    _Atomic(uint32_t) holders; /* of the one name */
    _Atomic(uint32_t) wrong;
    _Atomic(uint32_t) wins;
} rivalry;

static jzx_behavior_result compete(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    rivalry *r = actor->data;
    if (message->tag == 0) {
        return JZX_BEHAVIOR_OK;
    }
    jzx_err err = jzx_register(context, "the one", actor->id);
    if (err == JZX_OK) {
        jzx_actor_id id = 0;
        r->wins++;
        r->wrong += atomic_fetch_add(&r->holders, 1) != 0;
        r->wrong += jzx_whereis(jzx_loop_runtime(jzx_context_loop(context)), "the one", &id) != JZX_OK;
        r->wrong += id != actor->id;
        atomic_fetch_sub(&r->holders, 1);
        r->wrong += jzx_unregister(context, "the one") != JZX_OK;
    } else {
        r->wrong += err != JZX_ERR_NAME_TAKEN;
    }
    jzx_message next = jzx_message_empty(message->tag - 1);
    r->wrong += jzx_send(context, actor->id, &next) != JZX_OK;
    return JZX_BEHAVIOR_OK;
}

Test(name, of_two_loops_one_gets_the_name, .timeout = 60)
{
    test_world world;
    test_world_open(&world, RIVALS, NULL);
    rivalry r = {0};
    static test_actor rivals[RIVALS];
    for (uint32_t i = 0; i < RIVALS; i++) {
        rivals[i] = (test_actor){.on = compete, .data = &r};
        test_spawn(&world, i, &rivals[i]);
        test_send(&world, &rivals[i], TURNS);
    }
    test_world_start(&world);
    for (uint32_t i = 0; i < RIVALS; i++) {
        test_until(&world, rivals[i].received == TURNS + 1);
    }
    cr_assert_eq(r.wrong, 0);
    cr_assert_gt(r.wins, 0);
    cr_assert_eq(whereis(&world, "the one"), 0);
    test_world_close(&world);
}
