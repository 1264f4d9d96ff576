/*
 * actor_test: actors from spawn to exit.
 *
 * White-box only to bring a slot to its last generation.
 */
#include "sched/loop.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>

static jzx_context *host_of(const test_world *world, uint32_t loop)
{
    return jzx_loop_context(world->loops[loop]);
}

/* ---- spawn: bad arguments ---- */

static void expect_spawn(test_world *world, const jzx_spawn_options *options, jzx_err expected, const char *what)
{
    jzx_actor_id id = 7;
    jzx_err err = jzx_spawn(host_of(world, 0), options, &id);
    cr_expect_eq(err, expected, "%s: %s", what, jzx_strerror(err));
    cr_expect_eq(id, 7, "%s: out parameters change on success only", what);
}

Test(actor, M01_spawn_refuses_what_it_cannot_use, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actor = {0};
    jzx_spawn_options good;
    test_actor_options(&actor, &good);
    jzx_spawn_options bad = good;
    expect_spawn(&world, NULL, JZX_ERR_INVALID_ARG, "no options");
    cr_expect_eq(jzx_spawn(NULL, &good, NULL), JZX_ERR_INVALID_ARG);
    bad.behavior = NULL;
    expect_spawn(&world, &bad, JZX_ERR_INVALID_ARG, "no behavior");
    bad = good;
    bad.struct_size = 8;
    expect_spawn(&world, &bad, JZX_ERR_INVALID_ARG, "another size");
    bad = good;
    bad.mailbox_policy = JZX_MAILBOX_DROP_OLDEST + 1;
    expect_spawn(&world, &bad, JZX_ERR_INVALID_ARG, "no such policy");
    bad = good;
    bad.placement = JZX_PLACE_LEAST_LOADED + 1;
    expect_spawn(&world, &bad, JZX_ERR_INVALID_ARG, "no such placement");
    bad = good;
    bad.mailbox_cap = world.config.cells / 8 + 1;
    expect_spawn(&world, &bad, JZX_ERR_INVALID_ARG, "a cap over its share");
    bad = good;
    bad.placement = JZX_PLACE_LOOP;
    bad.place_loop = 1;
    expect_spawn(&world, &bad, JZX_ERR_ACTOR_NOT_LOCAL, "another loop");
    bad.place_loop = 2;
    expect_spawn(&world, &bad, JZX_ERR_NOT_FOUND, "no such loop");
    bad = good;
    bad.placement = JZX_PLACE_WITH;
    expect_spawn(&world, &bad, JZX_ERR_NO_SUCH_ACTOR, "with nobody");
    bad.place_with = UINT64_MAX;
    expect_spawn(&world, &bad, JZX_ERR_NO_SUCH_ACTOR, "with an id of no loop");
    cr_assert_eq(actor.inits, 0);
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, spawned)), 0);
    good.mailbox_cap = world.config.cells / 8;
    cr_expect_eq(jzx_spawn(host_of(&world, 0), &good, NULL), JZX_OK, "the largest cap, and nobody asks for the id");
    test_world_close(&world);
}

/* ---- spawn: where ---- */

Test(actor, SC14_placement_on_this_loop, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actors[4] = {0};
    jzx_spawn_options options;
    test_spawn(&world, 0, &actors[0]);
    test_actor_options(&actors[1], &options);
    options.placement = JZX_PLACE_LOOP;
    test_spawn_with(&world, 0, &actors[1], &options);
    test_actor_options(&actors[2], &options);
    options.placement = JZX_PLACE_WITH;
    options.place_with = actors[0].id;
    test_spawn_with(&world, 0, &actors[2], &options);
    /* Loop 1 is empty, so the least loaded is not this one. */
    test_world_step(&world);
    test_actor_options(&actors[3], &options);
    options.placement = JZX_PLACE_LEAST_LOADED;
    cr_assert_eq(jzx_spawn(host_of(&world, 0), &options, NULL), JZX_ERR_ACTOR_NOT_LOCAL);
    test_spawn_with(&world, 1, &actors[3], &options);
    /* With one that has ended. */
    cr_assert_eq(jzx_stop(host_of(&world, 0), actors[0].id), JZX_OK);
    test_until(&world, actors[0].finis == 1);
    test_actor_options(&actors[0], &options);
    options.placement = JZX_PLACE_WITH;
    options.place_with = actors[0].id;
    cr_assert_eq(jzx_spawn(host_of(&world, 0), &options, NULL), JZX_ERR_NO_SUCH_ACTOR);
    test_world_close(&world);
}

typedef struct request {
    jzx_spawn_options options;
    jzx_err err;
    uint64_t ref;
} request;

static jzx_behavior_result request_spawn(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    request *r = argument;
    r->ref = 0;
    r->err = jzx_spawn_request(context, &r->options, &r->ref);
    return JZX_BEHAVIOR_OK;
}

/* Asks and waits for the result. */
static jzx_spawned spawn_by_request(test_world *world, test_actor *asker, request *r)
{
    uint32_t before = test_tags(asker, JZX_TAG_SYS_SPAWNED);
    test_do(world, asker, request_spawn, r);
    cr_assert_eq(r->err, JZX_OK, "%s", jzx_strerror(r->err));
    test_until(world, test_tags(asker, JZX_TAG_SYS_SPAWNED) == before + 1);
    const jzx_message *message = test_tagged(asker, JZX_TAG_SYS_SPAWNED, before);
    cr_assert_eq(message->flags & JZX_MESSAGE_ANSWER, (uint32_t)JZX_MESSAGE_ANSWER);
    cr_assert_eq(message->ref, r->ref);
    cr_assert_eq(message->size, sizeof(jzx_spawned));
    jzx_spawned spawned;
    memcpy(&spawned, message->bytes, sizeof spawned);
    return spawned;
}

/* On loop `place`: an actor, one beside it, and one whose init fails. */
static void spawn_three(test_world *world, test_actor *asker, uint32_t place, test_actor trio[3])
{
    request r;
    for (unsigned i = 0; i < 3; i++) {
        test_actor_options(&trio[i], &r.options);
        r.options.placement = i == 1 ? JZX_PLACE_WITH : JZX_PLACE_LOOP;
        r.options.place_loop = place;
        r.options.place_with = trio[0].id;
        trio[i].init_result = i == 2 ? JZX_ERR_OS : JZX_OK;
        jzx_spawned spawned = spawn_by_request(world, asker, &r);
        cr_assert_eq(spawned.err, i == 2 ? JZX_ERR_INIT : JZX_OK);
        cr_assert_eq(spawned.code, i == 2 ? JZX_ERR_OS : 0);
        cr_assert_eq(spawned.id, i == 2 ? 0 : trio[i].id);
        cr_assert_eq(trio[i].inits, 1);
        cr_assert_eq(jzx_actor_loop(trio[i].id), place);
    }
    test_send(world, &trio[1], 9);
    test_until(world, trio[1].received == 1);
}

Test(actor, F08_spawn_on_any_loop_with_the_result_as_a_reply, .timeout = 60)
{
    for (unsigned threads = 0; threads < 2; threads++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        test_actor asker = {0};
        test_actor trios[2][3] = {0};
        test_spawn(&world, 0, &asker);
        if (threads) {
            test_world_start(&world);
        }
        spawn_three(&world, &asker, 0, trios[0]);
        spawn_three(&world, &asker, 1, trios[1]);
        test_world_close(&world);
        for (unsigned i = 0; i < 6; i++) {
            const test_actor *each = &trios[i / 3][i % 3];
            cr_assert_eq(each->finis, i % 3 != 2, "fini runs for each init that succeeded, once");
        }
    }
}

Test(actor, SC14_least_loaded_spreads_over_the_loops, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 3, NULL);
    test_actor asker = {0};
    test_actor children[20] = {0};
    test_spawn(&world, 0, &asker);
    for (unsigned i = 0; i < 20; i++) {
        request r;
        test_actor_options(&children[i], &r.options);
        r.options.placement = JZX_PLACE_LEAST_LOADED;
        (void)spawn_by_request(&world, &asker, &r);
        test_world_settle(&world);
    }
    for (uint32_t i = 0; i < 3; i++) {
        jzx_counters counters;
        cr_assert_eq(jzx_loop_stats(world.loops[i], &counters), JZX_OK);
        cr_assert_eq(counters.actors, 7, "21 actors on 3 loops, %lu on loop %u", (unsigned long)counters.actors, i);
    }
    test_world_close(&world);
}

enum { BURST = 20 };

/* Asks for all of them at once. */
static jzx_behavior_result request_burst(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    request *requests = argument;
    for (unsigned i = 0; i < BURST; i++) {
        requests[i].err = jzx_spawn_request(context, &requests[i].options, &requests[i].ref);
    }
    return JZX_BEHAVIOR_OK;
}

Test(actor, SC14_least_loaded_counts_those_on_their_way, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 3, NULL);
    test_actor asker = {0};
    test_actor children[BURST] = {0};
    request requests[BURST];
    test_spawn(&world, 0, &asker);
    for (unsigned i = 0; i < BURST; i++) {
        test_actor_options(&children[i], &requests[i].options);
        requests[i].options.placement = JZX_PLACE_LEAST_LOADED;
        children[i].init_result = i % 7 == 6 ? JZX_ERR_OS : JZX_OK; /* these leave nothing behind */
    }
    for (uint32_t round = 1; round <= 2; round++) {
        test_do(&world, &asker, request_burst, requests);
        test_until(&world, test_tags(&asker, JZX_TAG_SYS_SPAWNED) == round * BURST);
        test_world_settle(&world);
        for (uint32_t i = 0; i < 3; i++) {
            jzx_counters counters;
            cr_assert_eq(jzx_loop_stats(world.loops[i], &counters), JZX_OK);
            uint32_t fair = (1 + round * (BURST - 2)) / 3;
            cr_assert(counters.actors >= fair - 2 && counters.actors <= fair + 2, "%lu on loop %u, not about %u",
                      (unsigned long)counters.actors, i, fair);
            cr_assert_eq(atomic_load(&world.loops[i]->coming), 0);
        }
    }
    test_world_close(&world);
}

Test(actor, M01_spawn_request_refuses_what_it_cannot_use, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor asker = {0};
    test_spawn(&world, 0, &asker);
    request r;
    test_actor_options(&asker, &r.options);
    r.options.placement = JZX_PLACE_LOOP;
    r.options.place_loop = 2;
    test_do(&world, &asker, request_spawn, &r);
    cr_expect_eq(r.err, JZX_ERR_NOT_FOUND);
    r.options.placement = JZX_PLACE_WITH;
    test_do(&world, &asker, request_spawn, &r);
    cr_expect_eq(r.err, JZX_ERR_NO_SUCH_ACTOR);
    r.options.place_with = 5ull << 56 | 1;
    test_do(&world, &asker, request_spawn, &r);
    cr_expect_eq(r.err, JZX_ERR_NO_SUCH_ACTOR);
    r.options.behavior = NULL;
    test_do(&world, &asker, request_spawn, &r);
    cr_expect_eq(r.err, JZX_ERR_INVALID_ARG);
    cr_expect_eq(r.ref, 0);
    cr_expect_eq(jzx_spawn_request(NULL, &r.options, NULL), JZX_ERR_INVALID_ARG);
    test_world_close(&world);
}

Test(actor, M21_actors_max_is_an_answer_here_and_there, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.actors_max = 2;
    test_world world;
    test_world_open(&world, 2, &config);
    test_actor actors[5] = {0};
    test_spawn(&world, 0, &actors[0]);
    test_spawn(&world, 0, &actors[1]);
    test_spawn(&world, 1, &actors[2]);
    test_spawn(&world, 1, &actors[3]);
    jzx_spawn_options options;
    test_actor_options(&actors[4], &options);
    expect_spawn(&world, &options, JZX_ERR_MAX_ACTORS, "here");
    request r = {.options = options};
    r.options.placement = JZX_PLACE_LOOP;
    for (uint32_t loop = 0; loop < 2; loop++) {
        r.options.place_loop = loop;
        jzx_spawned spawned = spawn_by_request(&world, &actors[0], &r);
        cr_assert_eq(spawned.err, JZX_ERR_MAX_ACTORS);
        cr_assert_eq(spawned.id, 0);
    }
    cr_assert_eq(actors[4].inits, 0);
    cr_assert_eq(jzx_kill(host_of(&world, 0), actors[1].id), JZX_OK);
    test_until(&world, actors[1].finis == 1);
    test_spawn(&world, 0, &actors[4]);
    test_world_close(&world);
}

static void spawn_in_stop(void *user, jzx_context *context, const jzx_exit_info *info, const char *name)
{
    (void)info;
    (void)name;
    test_actor *next = user;
    jzx_spawn_options options;
    test_actor_options(next, &options);
    next->data = (void *)(intptr_t)(jzx_spawn(context, &options, NULL) == JZX_OK ? 1 : 2);
}

Test(actor, M21_the_last_slot_is_free_when_observers_hear_of_its_end, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.actors_max = 1;
    test_world world;
    test_world_open(&world, 1, &config);
    test_actor actors[2] = {0};
    test_spawn(&world, 0, &actors[0]);
    const jzx_observer observer = {.struct_size = sizeof observer, .actor_stop = spawn_in_stop};
    cr_assert_eq(jzx_observer_add(world.loops[0], &observer, &actors[1]), JZX_OK);
    cr_assert_eq(jzx_stop(host_of(&world, 0), actors[0].id), JZX_OK);
    test_until(&world, actors[0].finis == 1 && actors[1].data != NULL);
    cr_assert_eq((intptr_t)actors[1].data, 1);
    cr_assert_eq(jzx_observer_remove(world.loops[0], &actors[1]), JZX_OK);
    test_send(&world, &actors[1], 1);
    test_until(&world, actors[1].received == 1);
    test_world_close(&world);
}

/* ---- init ---- */

typedef struct plain_state {
    uint8_t bytes[100];
} plain_state;

static unsigned zeroes_seen;

static jzx_behavior_result count_zeroes(jzx_context *context, void *state, const jzx_message *message)
{
    (void)context;
    const plain_state *p = state;
    plain_state zero = {{0}};
    zeroes_seen += memcmp(p, &zero, sizeof zero) == 0 && (uintptr_t)state % _Alignof(max_align_t) == 0;
    memset(state, (int)message->tag, sizeof *p);
    return JZX_BEHAVIOR_OK;
}

Test(actor, D46_a_state_asked_for_is_zeroed_aligned_and_freed, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = count_zeroes;
    options.state_size = sizeof(plain_state);
    for (unsigned i = 1; i <= 5; i++) {
        jzx_actor_id id;
        cr_assert_eq(jzx_spawn(host_of(&world, 0), &options, &id), JZX_OK);
        jzx_message message = jzx_message_empty(200 + i);
        cr_assert_eq(jzx_send(host_of(&world, 0), id, &message), JZX_OK);
        cr_assert_eq(world.memory[JZX_MEMORY_STATE].blocks, 1);
        test_until(&world, zeroes_seen == i);
        cr_assert_eq(jzx_stop(host_of(&world, 0), id), JZX_OK);
        test_until(&world, world.memory[JZX_MEMORY_STATE].blocks == 0);
    }
    test_world_close(&world);
}

static jzx_behavior_result note_state(jzx_context *context, void *state, const jzx_message *message)
{
    (void)context;
    (void)message;
    (*(unsigned *)state)++;
    return JZX_BEHAVIOR_OK;
}

Test(actor, without_init_the_argument_is_the_state, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    unsigned count = 0;
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = note_state;
    options.argument = &count;
    jzx_actor_id id;
    cr_assert_eq(jzx_spawn(host_of(&world, 0), &options, &id), JZX_OK);
    jzx_message message = jzx_message_empty(1);
    cr_assert_eq(jzx_send(host_of(&world, 0), id, &message), JZX_OK);
    test_until(&world, count == 1);
    test_world_close(&world);
}

/* Takes one of each thing, sends to itself, then fails. */
static jzx_err take_and_fail(jzx_context *context, test_actor *actor)
{
    uint64_t number;
    jzx_message message = test_payload(actor->ledger, 1, 32);
    cr_assert_eq(jzx_send(context, jzx_self(context), &message), JZX_OK);
    message = test_payload(actor->ledger, 1, 32);
    cr_assert_eq(jzx_timer_after(context, JZX_FOREVER, &message, NULL), JZX_OK);
    cr_assert_eq(jzx_monitor(context, jzx_self(context), &number), JZX_OK);
    cr_assert_eq(jzx_watch(context, 1, JZX_IO_PRIORITY, &number), JZX_OK);
    jzx_tcp_options options;
    jzx_tcp_options_init(&options);
    cr_assert_eq(jzx_tcp_listen(context, &options, &number), JZX_OK);
    return (jzx_err)-77;
}

Test(actor, an_init_that_fails_gives_back_what_it_took, .timeout = 60)
{
    for (unsigned ran = 0; ran < 2; ran++) {
        test_world world;
        test_world_open(&world, 1, NULL);
        test_observer observer = {0};
        test_observe(&world, 0, &observer);
        if (ran) {
            test_world_step(&world);
        }
        test_ledger ledger = {0};
        test_actor actor = {.on_init = take_and_fail, .ledger = &ledger};
        jzx_spawn_options options;
        test_actor_options(&actor, &options);
        options.name = "stillborn";
        expect_spawn(&world, &options, JZX_ERR_INIT, "a failing init");
        jzx_message message = jzx_message_empty(1);
        if (ran) {
            test_until(&world, observer.init_failures == 1);
            cr_assert_eq(jzx_send(host_of(&world, 0), actor.id, &message), JZX_ERR_NO_SUCH_ACTOR);
            cr_assert_eq(observer.exit.kind, JZX_EXIT_INIT);
            cr_assert_eq(observer.exit.code, -77);
            cr_assert_eq(observer.exit.id, actor.id);
            cr_assert_eq(observer.starts, 0);
            cr_assert_eq(observer.stops, 0);
            cr_assert_eq(test_count(&world, offsetof(jzx_counters, init_failed)), 1);
            cr_assert_eq(test_count(&world, offsetof(jzx_counters, spawned)), 0);
        }
        test_world_close(&world);
        cr_assert_eq(observer.init_failures, 1);
        cr_assert_eq(actor.inits, 1);
        cr_assert_eq(actor.finis, 0);
        cr_assert_eq(actor.received, 0);
        cr_assert_eq(ledger.dropped, 2);
    }
}

static jzx_err nest(jzx_context *context, test_actor *actor)
{
    uint32_t *depth = actor->data;
    ++*depth;
    jzx_spawn_options options;
    test_actor_options(actor, &options);
    jzx_err err = jzx_spawn(context, &options, NULL);
    if (err == JZX_ERR_LIMIT) {
        actor->ledger = (test_ledger *)actor; /* seen */
        return JZX_OK;
    }
    return err == JZX_ERR_INIT ? JZX_OK : err;
}

Test(actor, inits_nest_to_16_and_no_deeper, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    uint32_t depth = 0;
    test_actor actor = {.on_init = nest, .data = &depth};
    jzx_spawn_options options;
    test_actor_options(&actor, &options);
    cr_assert_eq(jzx_spawn(host_of(&world, 0), &options, NULL), JZX_OK);
    cr_assert_eq(depth, 16);
    cr_assert_eq((void *)actor.ledger, (void *)&actor, "the 17th was refused with LIMIT");
    actor.ledger = NULL;
    test_world_close(&world);
    cr_assert_eq(actor.finis, 16);
}

static jzx_err stop_myself_in_init(jzx_context *context, test_actor *actor)
{
    (void)actor;
    jzx_message message = jzx_message_empty(1);
    cr_assert_eq(jzx_send(context, jzx_self(context), &message), JZX_OK);
    return jzx_fail(context, jzx_self(context), 5, "in init");
}

Test(actor, one_that_ends_itself_in_init_has_started_and_ends, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actor = {.on_init = stop_myself_in_init};
    test_spawn(&world, 0, &actor);
    test_until(&world, actor.finis == 1);
    cr_assert_eq(actor.received, 0);
    cr_assert_eq(actor.exit.kind, JZX_EXIT_FAIL);
    cr_assert_eq(actor.exit.code, 5);
    cr_assert_str_eq(actor.exit.text, "in init");
    test_world_close(&world);
}

/* ---- what a behavior returns ---- */

static jzx_behavior_result return_tag(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)actor;
    return (jzx_behavior_result)(int32_t)message->tag;
}

static jzx_exit_info exit_after(uint32_t result)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_observer observer = {0};
    test_observe(&world, 0, &observer);
    test_actor actor = {.on = return_tag};
    test_spawn(&world, 0, &actor);
    test_send(&world, &actor, result);
    test_send(&world, &actor, 0);
    test_until(&world, actor.finis == 1);
    cr_assert_eq(actor.received, 1, "the next message is not handled");
    cr_assert_eq(observer.stops, 1);
    cr_assert_eq(observer.exit.kind, actor.exit.kind);
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, ended)), 1);
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, failed)), actor.exit.kind == JZX_EXIT_FAIL);
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, dropped) + JZX_DROP_ENDED * 8), 1);
    test_world_close(&world);
    cr_assert_eq(actor.finis, 1);
    return actor.exit;
}

Test(actor, stop_and_fail_as_results, .timeout = 60)
{
    jzx_exit_info info = exit_after(JZX_BEHAVIOR_STOP);
    cr_expect_eq(info.kind, JZX_EXIT_NORMAL);
    cr_expect_eq(info.code, 0);
    cr_expect_eq(info.tag, JZX_BEHAVIOR_STOP, "the tag in the handler");
    info = exit_after(JZX_BEHAVIOR_FAIL);
    cr_expect_eq(info.kind, JZX_EXIT_FAIL);
    cr_expect_eq(info.code, JZX_EXIT_CODE_UNSPECIFIED);
    cr_expect_eq(info.tag, JZX_BEHAVIOR_FAIL);
}

Test(actor, D82_M14_any_other_result_is_a_failure, .timeout = 60)
{
    const uint32_t results[] = {JZX_BEHAVIOR_STASH + 1, 7, 99, 0x7FFFFFFF, 0xFFFEFFFE};
    for (unsigned i = 0; i < sizeof results / sizeof results[0]; i++) {
        jzx_exit_info info = exit_after(results[i]);
        cr_expect_eq(info.kind, JZX_EXIT_FAIL);
        cr_expect_eq(info.code, JZX_EXIT_CODE_BAD_RESULT);
        cr_expect_eq(info.tag, results[i]);
    }
}

static jzx_behavior_result refuse_to_handle(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)actor;
    return message->tag == 1 ? JZX_BEHAVIOR_UNHANDLED : JZX_BEHAVIOR_OK;
}

Test(actor, D05_unhandled_is_counted_and_its_own_destructor_ends_the_payload, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_ledger ledger = {0};
    test_actor actor = {.on = refuse_to_handle, .ledger = &ledger};
    test_spawn(&world, 0, &actor);
    jzx_message message = test_payload(&ledger, 1, 50);
    cr_assert_eq(jzx_send(host_of(&world, 0), actor.id, &message), JZX_OK);
    test_send(&world, &actor, 1);
    test_send(&world, &actor, 2);
    test_until(&world, actor.received == 3);
    test_world_settle(&world);
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, unhandled)), 2);
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, handled)), 3);
    cr_assert_eq(ledger.dropped, 1);
    cr_assert_eq(actor.finis, 0);
    test_world_close(&world);
}

typedef struct turns {
    char text[64];
    size_t length;
    unsigned passes;
    uint64_t number; /* of the payload */
    unsigned wrong;
} turns;

static jzx_behavior_result in_three_passes(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    turns *t = actor->data;
    t->text[t->length++] = (char)message->tag;
    if (message->tag != 'y') {
        return JZX_BEHAVIOR_OK;
    }
    t->wrong += message->size != 40 || *(const uint64_t *)jzx_message_data(message) != t->number;
    return ++t->passes % 3 == 0 ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_YIELD;
}

Test(actor, yield_gives_the_others_their_turn_and_comes_back_to_the_message, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    turns t = {0};
    test_ledger ledger = {0};
    test_actor long_one = {.on = in_three_passes, .data = &t, .ledger = &ledger};
    test_actor other = {.on = in_three_passes, .data = &t};
    test_spawn(&world, 0, &long_one);
    test_spawn(&world, 0, &other);
    jzx_message message = test_payload(&ledger, 'y', 40);
    t.number = ledger.made - 1;
    cr_assert_eq(jzx_send(host_of(&world, 0), long_one.id, &message), JZX_OK);
    test_send(&world, &long_one, 'z');
    test_send(&world, &other, 'a');
    test_send(&world, &other, 'b');
    test_until(&world, t.length == 6);
    cr_assert_str_eq(t.text, "yabyyz");
    cr_assert_eq(t.wrong, 0);
    test_world_settle(&world);
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, yields)), 2);
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, handled)), 4);
    cr_assert_eq(ledger.taken, 1);
    test_world_close(&world);
}

static jzx_behavior_result yield_for_ever(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)message;
    if (actor->data != NULL && actor->yields > 3) {
        (void)jzx_stop(context, jzx_self(context));
    }
    return JZX_BEHAVIOR_YIELD;
}

Test(actor, one_that_yields_can_be_ended_and_its_message_is_destroyed, .timeout = 60)
{
    for (unsigned by_itself = 0; by_itself < 2; by_itself++) {
        test_world world;
        test_world_open(&world, 1, NULL);
        test_ledger ledger = {0};
        test_actor actor = {.on = yield_for_ever, .ledger = &ledger, .data = by_itself ? &ledger : NULL};
        test_spawn(&world, 0, &actor);
        jzx_message message = test_payload(&ledger, 1, 40);
        cr_assert_eq(jzx_send(host_of(&world, 0), actor.id, &message), JZX_OK);
        test_until(&world, actor.yields > 3);
        if (!by_itself) {
            cr_assert_eq(ledger.dropped, 0);
            cr_assert_eq(jzx_kill(host_of(&world, 0), actor.id), JZX_OK);
        }
        test_until(&world, actor.finis == 1);
        cr_assert_eq(ledger.dropped, 1);
        cr_assert_eq(ledger.twice, 0);
        cr_assert_eq(actor.exit.kind, by_itself ? JZX_EXIT_SHUTDOWN : JZX_EXIT_KILLED);
        test_world_close(&world);
    }
}

/* Asks for its own drain at its first pass, and is done at its third. */
static jzx_behavior_result drain_and_yield(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)message;
    if (actor->yields == 0) {
        cr_assert_eq(jzx_drain(context, jzx_self(context)), JZX_OK);
    }
    return actor->yields < 2 ? JZX_BEHAVIOR_YIELD : JZX_BEHAVIOR_OK;
}

Test(actor, one_that_drains_itself_may_yield_and_handles_all_it_has, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_ledger ledger = {0};
    test_actor actor = {.on = drain_and_yield, .ledger = &ledger};
    test_spawn(&world, 0, &actor);
    for (unsigned i = 0; i < 3; i++) {
        jzx_message message = test_payload(&ledger, 1, 30);
        cr_assert_eq(jzx_send(host_of(&world, 0), actor.id, &message), JZX_OK);
    }
    test_until(&world, actor.finis == 1);
    cr_assert_eq(actor.received, 3);
    cr_assert_eq(ledger.taken, 3);
    cr_assert_eq(actor.exit.kind, JZX_EXIT_SHUTDOWN);
    test_world_close(&world);
}

/* ---- the four ends ---- */

typedef struct ending {
    jzx_actor_id id;
    unsigned how; /* 0 stop, 1 drain, 2 kill, 3 fail */
    const char *text;
    jzx_err err;
} ending;

static jzx_err end_by(jzx_context *context, const ending *e)
{
    switch (e->how) {
    case 0:
        return jzx_stop(context, e->id);
    case 1:
        return jzx_drain(context, e->id);
    case 2:
        return jzx_kill(context, e->id);
    default:
        return jzx_fail(context, e->id, 42, e->text);
    }
}

static jzx_behavior_result end_it(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    ending *e = argument;
    e->err = end_by(context, e);
    return JZX_BEHAVIOR_OK;
}

static const uint32_t kinds[4] = {JZX_EXIT_SHUTDOWN, JZX_EXIT_SHUTDOWN, JZX_EXIT_KILLED, JZX_EXIT_FAIL};

/* From the host (0), from an actor of the same loop (1), from one of the other (2), by itself (3). */
static void end_one(unsigned how, unsigned who)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_ledger ledger = {0};
    test_actor target = {.ledger = &ledger};
    test_actor enders[2] = {0};
    test_spawn(&world, 1, &target);
    test_spawn(&world, 1, &enders[0]);
    test_spawn(&world, 0, &enders[1]);
    test_world_step(&world);
    ending e = {.id = target.id, .how = how, .text = "why"};
    if (who == 0) {
        e.err = end_by(host_of(&world, 1), &e);
        cr_assert_eq(target.finis, 0, "never inside of the call");
    } else {
        test_do(&world, who == 3 ? &target : &enders[who - 1], end_it, &e);
    }
    cr_assert_eq(e.err, JZX_OK);
    test_until(&world, target.finis == 1);
    cr_assert_eq(target.exit.id, target.id);
    cr_assert_eq(target.exit.kind, kinds[how], "how %u by %u: kind %u", how, who, target.exit.kind);
    cr_assert_eq(target.exit.code, how == 3 ? 42 : 0);
    cr_assert_str_eq(target.exit.text, how == 3 ? "why" : "");
    /* A drain by itself ends after the handler, once nothing is queued. */
    cr_assert_eq(target.exit.tag, who == 3 && how != 1 ? TEST_TAG_DO : 0);
    cr_assert_gt(target.exit.uptime_ns, 0);
    cr_assert_lt(target.exit.uptime_ns, 20000000000u);
    cr_assert_eq(target.exit.incarnation, 0);
    test_world_close(&world);
    cr_assert_eq(target.finis, 1);
}

Test(actor, F11_F12_stop_drain_kill_and_fail_from_everywhere, .timeout = 60)
{
    for (unsigned how = 0; how < 4; how++) {
        for (unsigned who = 0; who < 4; who++) {
            end_one(how, who);
        }
    }
}

Test(actor, the_text_of_a_failure_is_cut_and_may_be_missing, .timeout = 60)
{
    const char *texts[] = {NULL, "", "123456789012345678901234567890123456789",
                           "1234567890123456789012345678901234567890",
                           "12345678901234567890123456789012345678901234567"};
    for (unsigned i = 0; i < 5; i++) {
        for (unsigned by_itself = 0; by_itself < 2; by_itself++) {
            test_world world;
            test_world_open(&world, 1, NULL);
            test_actor actor = {0};
            test_spawn(&world, 0, &actor);
            ending e = {.id = actor.id, .how = 3, .text = texts[i]};
            if (by_itself) {
                test_do(&world, &actor, end_it, &e);
            } else {
                e.err = end_by(host_of(&world, 0), &e);
            }
            test_until(&world, actor.finis == 1);
            char expected[JZX_EXIT_TEXT_MAX];
            (void)snprintf(expected, sizeof expected, "%.39s", texts[i] == NULL ? "" : texts[i]);
            cr_assert_str_eq(actor.exit.text, expected);
            test_world_close(&world);
        }
    }
}

Test(actor, D48_M12_the_first_reason_wins_but_overtakes_a_drain, .timeout = 60)
{
    for (unsigned first = 0; first < 4; first++) {
        for (unsigned second = 0; second < 4; second++) {
            test_world world;
            test_world_open(&world, 1, NULL);
            test_observer observer = {0};
            test_observe(&world, 0, &observer);
            test_actor actor = {0};
            test_spawn(&world, 0, &actor);
            ending e[2] = {{.id = actor.id, .how = first}, {.id = actor.id, .how = second}};
            cr_assert_eq(end_by(host_of(&world, 0), &e[0]), JZX_OK);
            cr_assert_eq(end_by(host_of(&world, 0), &e[1]), JZX_OK, "also when it is ending already");
            test_until(&world, actor.finis == 1);
            cr_assert_eq(actor.exit.kind, kinds[first == 1 ? second : first], "%u then %u", first, second);
            test_world_close(&world);
            cr_assert_eq(observer.stops, 1, "one exit");
        }
    }
}

typedef struct twice {
    ending e[2];
    jzx_behavior_result result;
} twice;

static jzx_behavior_result end_myself_twice(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    twice *t = argument;
    for (unsigned i = 0; i < 2; i++) {
        t->e[i].err = end_by(context, &t->e[i]);
    }
    return t->result;
}

Test(actor, D48_M12_the_first_reason_wins_inside_of_a_handler_too, .timeout = 60)
{
    for (unsigned first = 0; first < 4; first++) {
        for (unsigned second = 0; second < 4; second++) {
            test_world world;
            test_world_open(&world, 1, NULL);
            test_actor actor = {0};
            test_spawn(&world, 0, &actor);
            twice t = {{{.id = actor.id, .how = first}, {.id = actor.id, .how = second}}, JZX_BEHAVIOR_OK};
            test_do(&world, &actor, end_myself_twice, &t);
            test_until(&world, actor.finis == 1);
            cr_assert_eq(actor.exit.kind, kinds[first == 1 ? second : first], "%u then %u", first, second);
            test_world_close(&world);
        }
    }
    /* jzx_fail() adds code and text to a FAIL that is returned. */
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    twice t = {{{.id = actor.id, .how = 3, .text = "mine"}, {.id = actor.id, .how = 0}}, JZX_BEHAVIOR_FAIL};
    test_do(&world, &actor, end_myself_twice, &t);
    test_until(&world, actor.finis == 1);
    cr_assert_eq(actor.exit.kind, JZX_EXIT_FAIL);
    cr_assert_eq(actor.exit.code, 42);
    cr_assert_str_eq(actor.exit.text, "mine");
    test_world_close(&world);
}

static jzx_behavior_result stop_at_3(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    if (message->tag == 3) {
        ending e = {.id = jzx_self(context), .how = (unsigned)(uintptr_t)actor->data};
        cr_assert_eq(end_by(context, &e), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

Test(actor, D56_M11_nothing_is_handled_after_a_stop_by_itself, .timeout = 60)
{
    for (uintptr_t how = 0; how < 4; how++) {
        test_world world;
        test_world_open(&world, 1, NULL);
        test_ledger ledger = {0};
        test_actor actor = {.on = stop_at_3, .ledger = &ledger, .data = (void *)how};
        test_spawn(&world, 0, &actor);
        for (uint32_t i = 0; i < 13; i++) {
            jzx_message message = test_payload(&ledger, i, 20);
            cr_assert_eq(jzx_send(host_of(&world, 0), actor.id, &message), JZX_OK);
        }
        test_until(&world, actor.finis == 1);
        cr_assert_eq(actor.received, how == 1 ? 13 : 4, "a drain handles what is queued, the others nothing more");
        cr_assert_eq(ledger.dropped, how == 1 ? 0 : 9);
        for (unsigned i = 0; i < ledger.dropped; i++) {
            cr_assert_eq(ledger.order[i], i + 4, "M05: destroyed in queue order");
        }
        test_world_close(&world);
    }
}

Test(actor, D21_M05_a_stop_destroys_what_is_queued_before_fini, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_ledger ledger = {0};
    test_actor actor = {.ledger = &ledger};
    test_spawn(&world, 0, &actor);
    for (uint32_t i = 0; i < 20; i++) {
        jzx_message message = test_payload(&ledger, i, 20);
        cr_assert_eq(jzx_send(host_of(&world, 0), actor.id, &message), JZX_OK);
    }
    cr_assert_eq(jzx_stop(host_of(&world, 0), actor.id), JZX_OK);
    jzx_message late = test_payload(&ledger, 1, 20);
    cr_assert_eq(jzx_send(host_of(&world, 0), actor.id, &late), JZX_ERR_STOPPING);
    test_payload_take(&ledger, &late);
    test_until(&world, actor.finis == 1);
    cr_assert_eq(actor.received, 0);
    cr_assert_eq(ledger.dropped, 20);
    for (unsigned i = 0; i < 20; i++) {
        cr_assert_eq(ledger.order[i], i);
    }
    test_world_close(&world);
}

static jzx_behavior_result send_to_myself_and_stop(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    for (unsigned i = 0; i < 3; i++) {
        jzx_message again = test_payload(actor->ledger, 1, 20);
        cr_assert_eq(jzx_send(context, jzx_self(context), &again), JZX_OK);
    }
    return (jzx_behavior_result)message->tag;
}

Test(actor, D01_D28_M10_send_to_self_and_stop, .timeout = 60)
{
    for (uint32_t result = JZX_BEHAVIOR_STOP; result <= JZX_BEHAVIOR_FAIL; result++) {
        test_world world;
        test_world_open(&world, 1, NULL);
        test_ledger ledger = {0};
        test_actor actor = {.on = send_to_myself_and_stop, .ledger = &ledger};
        test_actor neighbour = {0};
        test_spawn(&world, 0, &actor);
        test_spawn(&world, 0, &neighbour);
        test_send(&world, &actor, result);
        test_until(&world, actor.finis == 1);
        cr_assert_eq(actor.received, 1);
        cr_assert_eq(ledger.dropped, 3);
        /* The slot is used again at once, and the run queue is sound. */
        test_actor next[50] = {0};
        for (unsigned i = 0; i < 50; i++) {
            test_spawn(&world, 0, &next[i]);
            test_send(&world, &next[i], 1);
        }
        test_send(&world, &neighbour, 1);
        test_until(&world, neighbour.received == 1 && next[49].received == 1);
        test_world_close(&world);
    }
}

Test(actor, M24_ten_thousand_stopped_in_one_turn_let_the_others_work, .timeout = 60)
{
    enum { MANY = 10000 };
    jzx_config config;
    test_config(&config);
    config.actors_max = MANY + 1;
    config.cells = 65536;
    test_world world;
    test_world_open(&world, 1, &config);
    static test_actor many[MANY];
    test_actor other = {0};
    for (unsigned i = 0; i < MANY; i++) {
        test_spawn(&world, 0, &many[i]);
    }
    test_spawn(&world, 0, &other);
    test_world_step(&world);
    for (unsigned i = 0; i < MANY; i++) {
        cr_assert_eq(jzx_stop(host_of(&world, 0), many[i].id), JZX_OK);
    }
    test_send(&world, &other, 1);
    uint64_t before = test_count(&world, offsetof(jzx_counters, ended));
    test_world_step(&world);
    uint64_t ended = test_count(&world, offsetof(jzx_counters, ended)) - before;
    cr_assert_leq(ended, config.actors_per_turn, "teardown counts against the turn too");
    test_until(&world, other.received == 1);
    test_until(&world, test_count(&world, offsetof(jzx_counters, ended)) - before == MANY);
    cr_assert_eq(many[0].finis + many[MANY - 1].finis, 2);
    test_world_close(&world);
}

/* ---- fini ---- */

static void send_in_fini(jzx_context *context, test_actor *actor, const jzx_exit_info *info)
{
    (void)info;
    jzx_err *errs = actor->data;
    jzx_actor_id other = *(jzx_actor_id *)(errs + 8);
    jzx_message message = jzx_message_empty(5);
    jzx_spawn_options options;
    test_actor_options(actor, &options);
    uint64_t number = 0;
    errs[0] = jzx_send(context, other, &message);
    errs[1] = jzx_spawn(context, &options, NULL);
    errs[2] = jzx_spawn_request(context, &options, NULL);
    errs[3] = jzx_monitor(context, other, &number);
    errs[4] = jzx_timer_after(context, 1, &message, NULL);
    errs[5] = jzx_send(context, jzx_self(context), &message);
    errs[6] = jzx_request(context, other, &message, JZX_FOREVER, &number);
    errs[7] = jzx_watch(context, 1, JZX_IO_READ, &number);
}

Test(actor, in_fini_sends_work_and_nothing_new_begins, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    struct {
        jzx_err errs[8];
        jzx_actor_id other;
    } seen = {{JZX_OK}, 0};
    test_actor other = {0};
    test_actor actor = {.on_fini = send_in_fini, .data = &seen};
    test_spawn(&world, 1, &other);
    seen.other = other.id;
    test_spawn(&world, 0, &actor);
    cr_assert_eq(jzx_kill(host_of(&world, 0), actor.id), JZX_OK);
    test_until(&world, other.received == 1);
    cr_assert_eq(other.log[0].sender, actor.id);
    cr_expect_eq(seen.errs[0], JZX_OK);
    for (unsigned i = 1; i < 8; i++) {
        cr_expect_eq(seen.errs[i], JZX_ERR_STOPPING, "call %u: %s", i, jzx_strerror(seen.errs[i]));
    }
    test_world_close(&world);
    cr_assert_eq(actor.finis, 1);
    cr_assert_eq(actor.inits, 1);
}

/* ---- ids ---- */

/* Every call that takes an id. */
static void expect_stale(jzx_context *context, jzx_actor_id id, const char *what)
{
    jzx_message message = jzx_message_empty(1);
    cr_expect_eq(jzx_send(context, id, &message), JZX_ERR_NO_SUCH_ACTOR, "%s: send", what);
    cr_expect_eq(jzx_send_with(context, id, &message, JZX_SEND_REPORT), JZX_ERR_NO_SUCH_ACTOR, "%s: send_with", what);
    cr_expect_eq(jzx_stop(context, id), JZX_ERR_NO_SUCH_ACTOR, "%s: stop", what);
    cr_expect_eq(jzx_drain(context, id), JZX_ERR_NO_SUCH_ACTOR, "%s: drain", what);
    cr_expect_eq(jzx_kill(context, id), JZX_ERR_NO_SUCH_ACTOR, "%s: kill", what);
    cr_expect_eq(jzx_fail(context, id, 1, NULL), JZX_ERR_NO_SUCH_ACTOR, "%s: fail", what);
}

Test(actor, D71_P14_M18_stale_ids_reach_nobody, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    static test_actor actors[300];
    for (unsigned i = 0; i < 300; i++) {
        test_spawn(&world, 0, &actors[i]);
        cr_assert_neq(actors[i].id, 0);
        for (unsigned k = 0; k < i; k++) {
            cr_assert_neq(actors[i].id, actors[k].id, "an id is never issued twice");
        }
        if (i > 0) {
            expect_stale(host_of(&world, 0), actors[i - 1].id, "an actor that has ended");
        }
        cr_assert_eq(jzx_kill(host_of(&world, 0), actors[i].id), JZX_OK);
        test_until(&world, actors[i].finis == 1);
        cr_assert_eq(actors[i].received, 0, "the new owner of a slot sees nothing");
    }
    test_world_close(&world);
}

Test(actor, D71_slots_are_used_in_turn, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actors[8] = {0};
    for (unsigned i = 0; i < 4; i++) {
        test_spawn(&world, 0, &actors[i]);
    }
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(jzx_kill(host_of(&world, 0), actors[3 - i].id), JZX_OK);
        test_until(&world, actors[3 - i].finis == 1);
    }
    for (unsigned i = 0; i < 4; i++) {
        test_spawn(&world, 0, &actors[4 + i]);
        cr_assert_eq(actors[4 + i].id >> 32, actors[3 - i].id >> 32, "the one that is free longest comes first");
        cr_assert_eq((uint32_t)actors[4 + i].id, 2);
    }
    test_world_close(&world);
}

Test(actor, M19_ids_that_cannot_be, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    const jzx_actor_id ids[] = {0,
                                UINT64_MAX,
                                actor.id + 1,                 /* a generation to come */
                                actor.id - 1,                 /* generation 0 */
                                actor.id + (1ull << 32),      /* an index never used */
                                actor.id | 0xFFFFFFull << 32, /* beyond the capacity */
                                2ull << 56 | 1,               /* no such loop */
                                255ull << 56 | 1,
                                1ull << 56, /* generation 0 of another loop */
                                1ull << 56 | 0xFFFFFFull << 32 | 1};
    for (unsigned i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        char what[64];
        (void)snprintf(what, sizeof what, "%llx", (unsigned long long)ids[i]);
        expect_stale(host_of(&world, 0), ids[i], what);
    }
    test_world_settle(&world);
    cr_assert_eq(actor.received, 0);
    cr_assert_eq(actor.finis, 0);
    test_world_close(&world);
}

Test(actor, D71_M20_a_slot_at_its_last_generation_is_retired, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.actors_max = 1;
    test_world world;
    test_world_open(&world, 1, &config);
    test_actor actors[3] = {0};
    test_spawn(&world, 0, &actors[0]);
    cr_assert_eq(jzx_kill(host_of(&world, 0), actors[0].id), JZX_OK);
    test_until(&world, actors[0].finis == 1);
    jzx__slot_cold(&world.loops[0]->slots, 0)->generation = UINT32_MAX - 1;
    test_spawn(&world, 0, &actors[1]);
    cr_assert_eq((uint32_t)actors[1].id, UINT32_MAX, "the last one is issued");
    cr_assert_eq(jzx_actor_loop(actors[1].id), 0);
    cr_assert_eq(jzx_kill(host_of(&world, 0), actors[1].id), JZX_OK);
    test_until(&world, actors[1].finis == 1);
    test_spawn(&world, 0, &actors[2]);
    cr_assert_neq(actors[2].id >> 32, actors[1].id >> 32, "a fresh index takes its place");
    expect_stale(host_of(&world, 0), actors[0].id, "an old generation");
    expect_stale(host_of(&world, 0), actors[1].id, "the last generation");
    test_world_close(&world);
}

Test(actor, M20_when_every_index_is_used_up_it_is_MAX_ACTORS, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.actors_max = 1;
    test_world world;
    test_world_open(&world, 1, &config);
    world.loops[0]->slots.fresh = world.loops[0]->slots.indexes_max; /* as if all were retired */
    test_actor actor = {0};
    jzx_spawn_options options;
    test_actor_options(&actor, &options);
    expect_spawn(&world, &options, JZX_ERR_MAX_ACTORS, "no index");
    world.loops[0]->slots.fresh = 0;
    test_world_close(&world);
}

Test(actor, ids_as_text, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actors[2] = {0};
    test_spawn(&world, 1, &actors[0]);
    test_spawn(&world, 1, &actors[1]);
    char text[32] = "untouched";
    cr_assert_eq(jzx_id_format(actors[1].id, text, 8), JZX_OK);
    cr_assert_str_eq(text, "<1.1.1>");
    cr_assert_eq(jzx_id_format(0, text, 7), JZX_ERR_TOO_BIG);
    cr_assert_str_eq(text, "<1.1.1>", "nothing is written");
    cr_assert_eq(jzx_id_format(actors[1].id, text, 0), JZX_ERR_TOO_BIG);
    cr_assert_eq(jzx_id_format(actors[1].id, NULL, 32), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_id_format(UINT64_MAX, text, sizeof text), JZX_OK);
    cr_assert_str_eq(text, "<255.16777215.4294967295>");
    cr_assert_eq(jzx_actor_loop(actors[0].id), 1);
    cr_assert_eq(jzx_actor_loop(UINT64_MAX), 255);
    test_world_close(&world);
}

Test(actor, M01_the_ends_refuse_a_context_of_nobody, .timeout = 60)
{
    cr_assert_eq(jzx_stop(NULL, 1), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_drain(NULL, 1), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_kill(NULL, 1), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_fail(NULL, 1, 0, NULL), JZX_ERR_INVALID_ARG);
}

/* ---- names ---- */

Test(actor, D10_names_are_copied_and_cut, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_observer observers[2] = {0};
    test_observe(&world, 0, &observers[0]);
    test_observe(&world, 1, &observers[1]);
    char name[32] = "a name longer than 15 bytes";
    test_actor actors[3] = {0};
    jzx_spawn_options options;
    test_actor_options(&actors[0], &options);
    options.name = name;
    test_spawn_with(&world, 0, &actors[0], &options);
    memset(name, 'x', sizeof name - 1);
    cr_assert_str_eq(observers[0].name, "a name longer t");
    test_spawn(&world, 0, &actors[1]);
    cr_assert_str_eq(observers[0].name, "");
    request r;
    test_actor_options(&actors[2], &r.options);
    (void)snprintf(name, sizeof name, "far");
    r.options.name = name;
    r.options.placement = JZX_PLACE_LOOP;
    r.options.place_loop = 1;
    test_do(&world, &actors[0], request_spawn, &r);
    memset(name, 'y', sizeof name - 1);
    test_until(&world, observers[1].starts == 1);
    cr_assert_str_eq(observers[1].name, "far");
    test_world_close(&world);
}

/* ---- turns ---- */

static jzx_behavior_result mail_myself(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)actor;
    cr_assert_eq(jzx_send(context, jzx_self(context), message), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

Test(actor, P22_M23_one_that_mails_itself_for_ever_starves_nobody, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.turn_ns = 1000000000;
    test_world world;
    test_world_open(&world, 1, &config);
    test_actor greedy = {.on = mail_myself};
    static test_actor others[999];
    test_spawn(&world, 0, &greedy);
    test_send(&world, &greedy, 1);
    for (unsigned i = 0; i < 999; i++) {
        test_spawn(&world, 0, &others[i]);
        test_send(&world, &others[i], 1);
    }
    test_world_step(&world);
    for (unsigned i = 0; i < 999; i++) {
        cr_assert_eq(others[i].received, 1, "actor %u waits after a whole turn", i);
    }
    /* 1,024 actors a turn: 999 once, the greedy one at most 25 times, with 64 messages each. */
    cr_assert_leq(greedy.received, 25 * config.messages_per_actor);
    test_world_close(&world);
}

static jzx_behavior_result spawn_for_ever(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    jzx_spawn_options options;
    test_actor *child = actor->data;
    test_actor_options(child, &options);
    actor->init_result = jzx_spawn(context, &options, NULL);
    return jzx_send(context, jzx_self(context), message) == JZX_OK ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_FAIL;
}

Test(actor, M22_a_spawn_during_the_stop_is_LOOP_CLOSED, .timeout = 60)
{
    for (unsigned alone = 0; alone < 2; alone++) {
        test_world world;
        test_world_open(&world, 1, NULL);
        static test_actor crowd[600]; /* more than a stop ends in one turn, so the last one sees it coming */
        test_actor child = {0};
        test_actor actor = {.on = spawn_for_ever, .data = &child};
        for (unsigned i = 0; i < 600; i++) {
            test_spawn(&world, 0, &crowd[i]);
        }
        test_spawn(&world, 0, &actor);
        test_world_step(&world);
        test_send(&world, &actor, 1);
        cr_assert_eq(alone ? jzx_loop_request_stop(world.loops[0]) : jzx_runtime_request_stop(world.runtime), JZX_OK);
        test_until(&world, actor.finis == 1);
        cr_assert_eq(actor.init_result, JZX_ERR_LOOP_CLOSED, "%s", jzx_strerror(actor.init_result));
        jzx_spawn_options options;
        test_actor late = {0};
        test_actor_options(&late, &options);
        cr_assert_eq(jzx_spawn(host_of(&world, 0), &options, NULL), JZX_ERR_LOOP_CLOSED);
        cr_assert_eq(late.inits, 0);
        test_world_close(&world);
        cr_assert_eq(child.inits, child.finis, "those it had spawned before have ended too");
    }
}

/* ---- many ---- */

Test(actor, D70_memory_grows_with_the_actors_there_are_not_with_those_there_may_be, .timeout = 60)
{
    size_t live[2];
    for (unsigned i = 0; i < 2; i++) {
        jzx_config config;
        test_config(&config);
        config.actors_max = i == 0 ? 1000 : 1000000;
        test_world world;
        test_world_open(&world, 1, &config);
        live[i] = world.memory[JZX_MEMORY_METADATA].live;
        test_actor actor = {0};
        test_spawn(&world, 0, &actor);
        cr_assert_lt(world.memory[JZX_MEMORY_METADATA].live - live[i], 1u << 20, "the first chunk is small");
        test_world_close(&world);
    }
    /* Slots come by chunks; only their places in tables are kept for all. */
    cr_assert_leq(live[1] - live[0], 8u * 999000u, "%zu bytes for each that may be", (live[1] - live[0]) / 999000);
}

Test(actor, a_hundred_thousand_actors, .timeout = 100)
{
    enum { MANY = 100000 };
    jzx_config config;
    test_config(&config);
    config.actors_max = MANY;
    test_world world;
    test_world_open(&world, 1, &config);
    size_t before = world.memory[JZX_MEMORY_METADATA].live;
    static unsigned counts[MANY];
    static jzx_actor_id ids[MANY];
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = note_state;
    for (unsigned i = 0; i < MANY; i++) {
        options.argument = &counts[i];
        cr_assert_eq(jzx_spawn(host_of(&world, 0), &options, &ids[i]), JZX_OK);
    }
    size_t each = (world.memory[JZX_MEMORY_METADATA].live - before) / MANY;
    cr_assert_leq(each + sizeof(jzx_segment_slot), 192 + 24, "D57: an idle actor costs %zu bytes", each);
    options.argument = NULL;
    cr_assert_eq(jzx_spawn(host_of(&world, 0), &options, NULL), JZX_ERR_MAX_ACTORS);
    jzx_message message = jzx_message_empty(1);
    for (unsigned i = 0; i < MANY; i++) {
        jzx_err err;
        while ((err = jzx_send(host_of(&world, 0), ids[i], &message)) == JZX_ERR_WOULD_BLOCK) {
            test_world_step(&world);
        }
        cr_assert_eq(err, JZX_OK);
    }
    test_world_settle(&world);
    for (unsigned i = 0; i < MANY; i++) {
        cr_assert_eq(counts[i], 1);
    }
    test_world_close(&world);
}
