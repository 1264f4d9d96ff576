/*
 * router_test: whom a router chooses, what it does when one refuses, and what it says when it cannot.
 *
 * White-box only to see how many messages wait for an actor.
 */
#include "sched/loop.h"
#include "tests/support/groups.h"
#include "tests/support/tree.h"

#include <stdio.h>
#include <string.h>

enum { CROWD = 64, KEYS = 20000, BYTES = 65536 };

/* Members that are added in order, with tags from 1, alternately on the loops of the world. */
typedef struct crowd {
    test_world world;
    jzx_router *router;
    uint32_t count;
    test_actor actors[CROWD];
} crowd;

static jzx_context *host_of(const test_world *world, uint32_t loop)
{
    return jzx_loop_context(world->loops[loop]);
}

static uint64_t first_word(void *context, const jzx_message *message)
{
    (void)context;
    return message->words[0];
}

static jzx_router *make(const test_world *world, jzx_route strategy, uint32_t members_max)
{
    jzx_router_options options;
    jzx_router *router = NULL;
    jzx_router_options_init(&options);
    options.strategy = (uint8_t)strategy;
    options.members_max = members_max;
    options.key = strategy == JZX_ROUTE_HASH ? first_word : NULL;
    jzx_err err = jzx_router_create(host_of(world, 0), &options, &router);
    cr_assert_eq(err, JZX_OK, "%s", jzx_strerror(err));
    return router;
}

static void gather(crowd *c, uint32_t loops, uint32_t mailbox_cap, jzx_route strategy, uint32_t count)
{
    jzx_config config;
    memset(c, 0, sizeof *c);
    test_config(&config);
    config.mailbox_cap = mailbox_cap;
    config.mailbox_bytes = BYTES;
    test_world_open(&c->world, loops, &config);
    c->router = make(&c->world, strategy, CROWD);
    c->count = count;
    for (uint32_t i = 0; i < count; i++) {
        test_spawn(&c->world, i % loops, &c->actors[i]);
        cr_assert_eq(jzx_router_add(c->router, i + 1, c->actors[i].id), JZX_OK);
    }
    cr_assert_eq(jzx_router_count(c->router), count);
}

static void disperse(crowd *c)
{
    jzx_router_destroy(c->router);
    test_world_close(&c->world);
}

static jzx_err send_key(crowd *c, uint64_t key)
{
    jzx_message message = jzx_message_value(1, &key, sizeof key);
    uint32_t accepted = 77;
    jzx_err err = jzx_router_send(host_of(&c->world, 0), c->router, &message, &accepted);
    cr_assert_eq(accepted, err == JZX_OK ? 1 : 77, "out parameters change on success only");
    return err;
}

static jzx_err try_pick(const crowd *c, uint64_t key, jzx_actor_id *id)
{
    jzx_message message = jzx_message_value(1, &key, sizeof key);
    return jzx_router_pick(host_of(&c->world, 0), c->router, &message, id);
}

/* The number of the actor that is picked. */
static uint32_t pick(const crowd *c, uint64_t key)
{
    jzx_actor_id id = 0;
    jzx_err err = try_pick(c, key, &id);
    cr_assert_eq(err, JZX_OK, "%s", jzx_strerror(err));
    uint32_t number = 0;
    while (number < c->count && c->actors[number].id != id) {
        number++;
    }
    cr_assert_lt(number, c->count, "it is nobody's id");
    return number;
}

static uint32_t waiting(const crowd *c, uint32_t number)
{
    jzx_actor_id id = c->actors[number].id;
    return jzx__slot_length(&c->world.loops[jzx_actor_loop(id)]->slots, id);
}

/* Puts so many messages more into a mailbox; nobody handles them before the world is driven. */
static void load(crowd *c, uint32_t number, uint32_t messages)
{
    jzx_message message = jzx_message_empty(2);
    jzx_actor_id id = c->actors[number].id;
    for (uint32_t i = 0; i < messages; i++) {
        cr_assert_eq(jzx_send(host_of(&c->world, jzx_actor_loop(id)), id, &message), JZX_OK);
    }
}

static uint32_t received(const crowd *c)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        sum += c->actors[i].received;
    }
    return sum;
}

/* ---- bad arguments ---- */

static void expect_create(const test_world *world, const jzx_router_options *options, jzx_err expected,
                          const char *what)
{
    jzx_router *router = (jzx_router *)(uintptr_t)8;
    jzx_err err = jzx_router_create(host_of(world, 0), options, &router);
    cr_expect_eq(err, expected, "%s: %s", what, jzx_strerror(err));
    cr_expect_eq((uintptr_t)router, 8, "%s: out parameters change on success only", what);
}

Test(router, M01_create_refuses_what_it_cannot_use, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    jzx_router_options good;
    jzx_router_options_init(NULL);
    jzx_router_options_init(&good);
    cr_assert_eq(good.members_max, 256);
    cr_assert_eq(good.strategy, JZX_ROUTE_ROUND_ROBIN);
    jzx_router_options bad = good;
    jzx_router *router = NULL;
    cr_expect_eq(jzx_router_create(NULL, &good, &router), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_router_create(host_of(&world, 0), &good, NULL), JZX_ERR_INVALID_ARG);
    expect_create(&world, NULL, JZX_ERR_INVALID_ARG, "no options");
    bad.struct_size--;
    expect_create(&world, &bad, JZX_ERR_INVALID_ARG, "not begun with init");
    bad = good;
    bad.members_max = 0;
    expect_create(&world, &bad, JZX_ERR_INVALID_ARG, "no members");
    bad.members_max = JZX_ROUTER_MEMBERS_MAX + 1;
    expect_create(&world, &bad, JZX_ERR_INVALID_ARG, "too many members");
    bad = good;
    bad.strategy = JZX_ROUTE_BROADCAST + 1;
    expect_create(&world, &bad, JZX_ERR_INVALID_ARG, "no strategy");
    bad.strategy = JZX_ROUTE_HASH;
    expect_create(&world, &bad, JZX_ERR_INVALID_ARG, "no key");
    bad = good;
    jzx_group nameless = jzx_group_named(NULL, "");
    bad.group = &nameless;
    expect_create(&world, &bad, JZX_ERR_INVALID_ARG, "a group without a name");
    test_memory *memory = &world.memory[JZX_MEMORY_STATE];
    memory->fail_at = memory->calls + 1;
    expect_create(&world, &good, JZX_ERR_NO_MEMORY, "no memory");
    memory->fail_at = 0;
    bad = good;
    bad.members_max = JZX_ROUTER_MEMBERS_MAX;
    cr_expect_eq(jzx_router_create(host_of(&world, 0), &bad, &router), JZX_OK);
    cr_expect_geq(memory->live, 32 * JZX_ROUTER_MEMBERS_MAX);
    jzx_router_destroy(router);
    jzx_router_destroy(NULL);
    test_world_close(&world);
}

Test(router, M01_add_and_remove_refuse_what_they_cannot_use, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actor = {0};
    test_spawn(&world, 1, &actor);
    jzx_router *router = make(&world, JZX_ROUTE_ROUND_ROBIN, 2);
    const jzx_actor_id bad[] = {0, 1ull << 32, 2ull << 56 | 1};
    for (unsigned i = 0; i < 3; i++) {
        cr_expect_eq(jzx_router_add(router, 1, bad[i]), JZX_ERR_INVALID_ARG);
        cr_expect_eq(jzx_router_add_child(router, 1, bad[i]), JZX_ERR_INVALID_ARG);
    }
    cr_expect_eq(jzx_router_add(NULL, 1, actor.id), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_router_add_child(NULL, 1, 1), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_router_remove(NULL, 1), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_router_count(NULL), 0);
    cr_expect_eq(jzx_router_remove(router, 1), JZX_ERR_NOT_FOUND);
    cr_expect_eq(jzx_router_add(router, 1, actor.id), JZX_OK);
    cr_expect_eq(jzx_router_add(router, 1, actor.id), JZX_ERR_DUPLICATE);
    cr_expect_eq(jzx_router_add_child(router, 1, 1), JZX_ERR_DUPLICATE);
    cr_expect_eq(jzx_router_add(router, UINT64_MAX, actor.id), JZX_OK, "one actor may stand in two places");
    cr_expect_eq(jzx_router_add(router, 0, actor.id), JZX_ERR_LIMIT);
    cr_expect_eq(jzx_router_remove(router, 2), JZX_ERR_NOT_FOUND);
    cr_expect_eq(jzx_router_remove(router, UINT64_MAX), JZX_OK);
    cr_expect_eq(jzx_router_count(router), 1);
    jzx_router_destroy(router);
    test_world_close(&world);
}

Test(router, M01_sends_refuse_what_they_cannot_use, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    jzx_context *host = host_of(&world, 0);
    jzx_router *router = make(&world, JZX_ROUTE_ROUND_ROBIN, 2);
    cr_assert_eq(jzx_router_add(router, 1, actor.id), JZX_OK);
    jzx_message good = jzx_message_empty(1);
    jzx_message bad = jzx_message_empty(JZX_TAG_RESERVED);
    jzx_actor_id id = 7;
    uint32_t accepted = 7;
    cr_expect_eq(jzx_router_send(NULL, router, &good, &accepted), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_router_send(host, NULL, &good, &accepted), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_router_send(host, router, NULL, &accepted), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_router_send(host, router, &bad, &accepted), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_router_pick(host, NULL, &good, &id), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_router_pick(host, router, NULL, &id), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_router_pick(host, router, &bad, &id), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_router_pick(host, router, &good, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_router_request(host, NULL, &good, JZX_FOREVER, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_router_request(host, router, &good, JZX_FOREVER, NULL), JZX_ERR_INVALID_ARG,
                 "the host asks nobody");
    cr_expect_eq(jzx_router_send(host_of(&world, 1), router, &good, &accepted), JZX_ERR_WRONG_THREAD, "another loop's");
    cr_expect_eq(jzx_router_pick(host_of(&world, 1), router, &good, &id), JZX_ERR_WRONG_THREAD);
    cr_expect(id == 7 && accepted == 7);
    test_world_settle(&world);
    cr_expect_eq(actor.received, 0);
    jzx_router_destroy(router);
    test_world_close(&world);
}

typedef struct stranger {
    jzx_context *context;
    jzx_router *router;
    jzx_err errs[7];
} stranger;

static void by_a_stranger(void *argument)
{
    stranger *s = argument;
    jzx_router_options options;
    jzx_router *router;
    jzx_actor_id id;
    jzx_message message = jzx_message_empty(1);
    jzx_router_options_init(&options);
    s->errs[0] = jzx_router_create(s->context, &options, &router);
    s->errs[1] = jzx_router_add(s->router, 2, 1ull << 32 | 1);
    s->errs[2] = jzx_router_add_child(s->router, 2, 1ull << 32 | 1);
    s->errs[3] = jzx_router_remove(s->router, 1);
    s->errs[4] = jzx_router_pick(s->context, s->router, &message, &id);
    s->errs[5] = jzx_router_send(s->context, s->router, &message, NULL);
    s->errs[6] = jzx_router_request(s->context, s->router, &message, JZX_FOREVER, NULL);
}

Test(router, M02_another_thread_is_refused, .timeout = 60)
{
    crowd *c = malloc(sizeof *c);
    gather(c, 1, 8, JZX_ROUTE_ROUND_ROBIN, 1);
    stranger s = {host_of(&c->world, 0), c->router, {JZX_OK}};
    test_on_thread(by_a_stranger, &s);
    for (unsigned i = 0; i < 7; i++) {
        cr_expect_eq(s.errs[i], JZX_ERR_WRONG_THREAD, "%u: %s", i, jzx_strerror(s.errs[i]));
    }
    cr_expect_eq(jzx_router_count(c->router), 1);
    disperse(c);
    free(c);
}

static jzx_behavior_result do_request(jzx_context *context, test_actor *actor, void *argument)
{
    jzx_message message = jzx_message_empty(3);
    *(jzx_err *)actor->data = jzx_router_request(context, argument, &message, JZX_FOREVER, NULL);
    return JZX_BEHAVIOR_OK;
}

Test(router, RT01_without_members_nothing_is_found, .timeout = 60)
{
    for (int strategy = JZX_ROUTE_ROUND_ROBIN; strategy <= JZX_ROUTE_BROADCAST; strategy++) {
        test_world world;
        test_world_open(&world, 1, NULL);
        jzx_err err = JZX_OK;
        test_actor asker = {.data = &err};
        test_spawn(&world, 0, &asker);
        jzx_router *router = make(&world, (jzx_route)strategy, 4);
        jzx_message message = jzx_message_empty(1);
        jzx_actor_id id;
        bool all = strategy == JZX_ROUTE_BROADCAST;
        for (unsigned round = 0; round < 2; round++) { /* never any, and none any more */
            cr_expect_eq(jzx_router_send(host_of(&world, 0), router, &message, NULL), JZX_ERR_NOT_FOUND);
            cr_expect_eq(jzx_router_pick(host_of(&world, 0), router, &message, &id),
                         all ? JZX_ERR_UNSUPPORTED : JZX_ERR_NOT_FOUND);
            test_do(&world, &asker, do_request, router);
            cr_expect_eq(err, all ? JZX_ERR_UNSUPPORTED : JZX_ERR_NOT_FOUND);
            cr_assert_eq(jzx_router_add(router, 9, asker.id), JZX_OK);
            cr_assert_eq(jzx_router_remove(router, 9), JZX_OK);
        }
        jzx_router_destroy(router);
        test_world_close(&world);
    }
}

/* ---- round robin ---- */

Test(router, RT01_round_robin_goes_one_after_the_other, .timeout = 60)
{
    for (uint32_t loops = 1; loops <= 2; loops++) {
        crowd *c = malloc(sizeof *c);
        gather(c, loops, 64, JZX_ROUTE_ROUND_ROBIN, 5);
        for (uint32_t i = 0; i < 50; i++) {
            cr_assert_eq(send_key(c, i), JZX_OK);
        }
        test_until(&c->world, received(c) == 50);
        for (uint32_t i = 0; i < 5; i++) {
            cr_assert_eq(c->actors[i].received, 10);
            for (uint32_t k = 0; k < 10; k++) {
                cr_assert_eq(c->actors[i].log[k].words[0], k * 5 + i);
            }
        }
        disperse(c);
        free(c);
    }
}

Test(router, those_who_come_and_go_take_nobody_s_turn, .timeout = 60)
{
    crowd *c = malloc(sizeof *c);
    gather(c, 2, 8, JZX_ROUTE_ROUND_ROBIN, 6);
    cr_assert_eq(jzx_router_remove(c->router, 4), JZX_OK);
    cr_assert_eq(jzx_router_remove(c->router, 1), JZX_OK); /* left are 2, 3, 5, 6 */
    cr_assert_eq(pick(c, 0), 1);
    cr_assert_eq(pick(c, 0), 2);
    cr_assert_eq(jzx_router_add(c->router, 1, c->actors[0].id), JZX_OK); /* before the one whose turn it is */
    cr_assert_eq(pick(c, 0), 4);
    cr_assert_eq(jzx_router_remove(c->router, 2), JZX_OK);
    cr_assert_eq(pick(c, 0), 5);
    cr_assert_eq(pick(c, 0), 0);
    cr_assert_eq(pick(c, 0), 2);
    cr_assert_eq(pick(c, 0), 4);
    cr_assert_eq(jzx_router_remove(c->router, 6), JZX_OK); /* the last, whose turn it was */
    cr_assert_eq(pick(c, 0), 0);
    disperse(c);
    free(c);
}

/* ---- random ---- */

/* The sum of squared differences from what is expected, by that: about `count` - 1 for even draws. */
static double chi_square(const uint32_t *counts, uint32_t count, double expected)
{
    double sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum += (counts[i] - expected) * (counts[i] - expected) / expected;
    }
    return sum;
}

Test(router, RT01_random_draws_evenly, .timeout = 60)
{
    crowd *c = malloc(sizeof *c);
    gather(c, 2, 8, JZX_ROUTE_RANDOM, 20);
    uint32_t counts[20] = {0};
    uint32_t pairs[400] = {0};
    uint32_t last = 0;
    for (uint32_t i = 0; i < KEYS; i++) {
        uint32_t number = pick(c, 0);
        counts[number]++;
        pairs[last * 20 + number]++;
        last = number;
    }
    /* Six deviations above what even and independent draws give. The seed of the config makes it the same in each run. */
    cr_assert_lt(chi_square(counts, 20, KEYS / 20.0), 19 + 6 * 6.2);
    cr_assert_lt(chi_square(pairs, 400, KEYS / 400.0), 399 + 6 * 28.3, "each draw depends on the one before");
    cr_assert_gt(chi_square(counts, 20, KEYS / 20.0), 1, "so even is no chance");
    disperse(c);
    free(c);
}

/* ---- smallest ---- */

Test(router, RT01_smallest_takes_the_shortest_mailbox, .timeout = 60)
{
    for (uint32_t loops = 1; loops <= 2; loops++) {
        crowd *c = malloc(sizeof *c);
        gather(c, loops, 64, JZX_ROUTE_SMALLEST, 5);
        const uint32_t lengths[5] = {3, 1, 2, 1, 7};
        for (uint32_t i = 0; i < 5; i++) {
            load(c, i, lengths[i]);
        }
        /* Equal ones in turn. */
        cr_assert_eq(pick(c, 0), 1);
        cr_assert_eq(pick(c, 0), 3);
        cr_assert_eq(pick(c, 0), 1);
        load(c, 1, 4);
        cr_assert_eq(pick(c, 0), 3);
        load(c, 3, 4);
        cr_assert_eq(pick(c, 0), 2);
        test_world_settle(&c->world);
        for (uint32_t i = 0; i < 5; i++) {
            cr_assert_eq(pick(c, 0), (3 + i) % 5, "all are empty");
        }
        disperse(c);
        free(c);
    }
}

Test(router, smallest_counts_what_it_has_sent_on_its_own_loop, .timeout = 60)
{
    crowd *c = malloc(sizeof *c);
    gather(c, 1, 64, JZX_ROUTE_SMALLEST, 6);
    load(c, 2, 10);
    for (uint32_t i = 0; i < 50; i++) {
        cr_assert_eq(send_key(c, i), JZX_OK);
    }
    for (uint32_t i = 0; i < 6; i++) {
        cr_assert_eq(waiting(c, i), 10);
    }
    disperse(c);
    free(c);
}

Test(router, smallest_of_many_is_the_shorter_of_two, .timeout = 60)
{
    crowd *c = malloc(sizeof *c);
    gather(c, 1, 256, JZX_ROUTE_SMALLEST, CROWD);
    load(c, 5, 200);
    for (uint32_t i = 0; i < CROWD * 20; i++) {
        cr_assert_eq(send_key(c, i), JZX_OK);
    }
    cr_assert_eq(waiting(c, 5), 200, "whoever is drawn beside it has less");
    uint32_t most = 0;
    uint32_t least = UINT32_MAX;
    for (uint32_t i = 0; i < CROWD; i++) {
        uint32_t length = waiting(c, i);
        most = i != 5 && length > most ? length : most;
        least = length < least ? length : least;
    }
    /* One draw alone would spread by about four deviations of sqrt(20) above and below. */
    cr_assert(most <= 24 && least >= 14, "from %u to %u", least, most);
    disperse(c);
    free(c);
}

/* ---- hash ---- */

static void pick_all(const crowd *c, uint32_t picks[KEYS])
{
    for (uint32_t key = 0; key < KEYS; key++) {
        picks[key] = pick(c, key);
    }
}

Test(router, RT01_hash_spreads_keys_and_keeps_them, .timeout = 60)
{
    crowd *c = malloc(sizeof *c);
    uint32_t *picks = malloc(KEYS * sizeof *picks);
    uint32_t *again = malloc(KEYS * sizeof *again);
    gather(c, 2, 8, JZX_ROUTE_HASH, 16);
    pick_all(c, picks);
    pick_all(c, again);
    cr_assert_arr_eq(picks, again, KEYS * sizeof *picks);
    uint32_t counts[16] = {0};
    for (uint32_t key = 0; key < KEYS; key++) {
        counts[picks[key]]++;
    }
    cr_assert_lt(chi_square(counts, 16, KEYS / 16.0), 15 + 6 * 5.5);
    for (uint64_t key = 0; key < 32; key++) {
        cr_assert_eq(send_key(c, key), JZX_OK);
    }
    test_until(&c->world, received(c) == 32);
    for (uint32_t i = 0; i < 16; i++) {
        for (uint32_t k = 0; k < c->actors[i].received; k++) {
            cr_assert_eq(picks[c->actors[i].log[k].words[0]], i, "sent to whom it was picked");
        }
    }
    disperse(c);
    free(again);
    free(picks);
    free(c);
}

Test(router, only_the_keys_of_who_comes_or_goes_move, .timeout = 60)
{
    crowd *c = malloc(sizeof *c);
    uint32_t *before = malloc(KEYS * sizeof *before);
    uint32_t *after = malloc(KEYS * sizeof *after);
    gather(c, 2, 8, JZX_ROUTE_HASH, 10);
    pick_all(c, before);
    cr_assert_eq(jzx_router_remove(c->router, 7), JZX_OK);
    pick_all(c, after);
    uint32_t moved = 0;
    uint32_t heirs[10] = {0};
    for (uint32_t key = 0; key < KEYS; key++) {
        cr_assert_neq(after[key], 6);
        cr_assert(before[key] == 6 || after[key] == before[key], "key %u has moved without need", key);
        moved += before[key] == 6;
        heirs[after[key]] += before[key] == 6;
    }
    cr_assert(moved > KEYS / 10 - KEYS / 60 && moved < KEYS / 10 + KEYS / 60, "%u", moved);
    for (uint32_t i = 0; i < 10; i++) {
        cr_assert(i == 6 || heirs[i] > moved / 18, "all the others take some of its keys, %u: %u", i, heirs[i]);
    }
    /* Who comes back with the tag has the same keys, whatever its id is. */
    test_actor heir = {0};
    test_spawn(&c->world, 0, &heir);
    cr_assert_eq(jzx_router_add(c->router, 7, heir.id), JZX_OK);
    c->actors[6].id = heir.id;
    pick_all(c, after);
    cr_assert_arr_eq(before, after, KEYS * sizeof *before);
    disperse(c);
    free(after);
    free(before);
    free(c);
}

/* Small numbers as tags and keys: the same ones, as one begins. */
Test(router, a_key_may_go_to_the_tag_of_its_number, .timeout = 60)
{
    crowd *c = malloc(sizeof *c);
    gather(c, 1, 8, JZX_ROUTE_HASH, 4);
    uint32_t same = 0;
    for (uint64_t round = 0; round < 1000; round++) {
        /* Tags 4 r + 1 to 4 r + 4. */
        for (uint32_t i = 0; i < 4; i++) {
            cr_assert_eq(jzx_router_remove(c->router, round * 4 + i + 1), JZX_OK);
            cr_assert_eq(jzx_router_add(c->router, round * 4 + i + 5, c->actors[i].id), JZX_OK);
        }
        same += pick(c, round * 4 + 5) == 0;
    }
    cr_assert(same > 200 && same < 300, "%u of 1,000, not about 250", same);
    disperse(c);
    free(c);
}

/* ---- refusals ---- */

Test(router, when_one_refuses_the_others_are_tried, .timeout = 60)
{
    static const jzx_route strategies[] = {JZX_ROUTE_ROUND_ROBIN, JZX_ROUTE_RANDOM, JZX_ROUTE_SMALLEST};
    for (unsigned s = 0; s < 3; s++) {
        crowd *c = malloc(sizeof *c);
        gather(c, 1, 4, strategies[s], 12);
        for (uint32_t i = 0; i < 12 * 4; i++) {
            jzx_err err = send_key(c, i);
            cr_assert_eq(err, JZX_OK, "there is room for %u more: %s", 12 * 4 - i, jzx_strerror(err));
        }
        for (uint32_t i = 0; i < 12; i++) {
            cr_assert_eq(waiting(c, i), 4);
        }
        uint64_t refused = test_count(&c->world, offsetof(jzx_counters, refused_full));
        cr_assert_eq(send_key(c, 0), JZX_ERR_MAILBOX_FULL);
        cr_assert_eq(test_count(&c->world, offsetof(jzx_counters, refused_full)) - refused, 12, "each was tried once");
        test_world_settle(&c->world);
        cr_assert_eq(received(c), 48);
        disperse(c);
        free(c);
    }
}

Test(router, hash_tries_no_other, .timeout = 60)
{
    crowd *c = malloc(sizeof *c);
    gather(c, 1, 4, JZX_ROUTE_HASH, 3);
    uint32_t chosen = pick(c, 5);
    load(c, chosen, 4);
    cr_assert_eq(send_key(c, 5), JZX_ERR_MAILBOX_FULL);
    cr_assert_eq(test_count(&c->world, offsetof(jzx_counters, refused_full)), 1);
    cr_assert_eq(pick(c, 5), chosen, "a full one is still there");
    test_world_settle(&c->world);
    cr_assert_eq(send_key(c, 5), JZX_OK);
    disperse(c);
    free(c);
}

/* What is answered is what the first one said, whatever the others say. */
Test(router, the_first_refusal_is_the_answer, .timeout = 60)
{
    crowd *c = malloc(sizeof *c);
    gather(c, 1, 2, JZX_ROUTE_ROUND_ROBIN, 3);
    load(c, 0, 2);
    cr_assert_eq(jzx_kill(host_of(&c->world, 0), c->actors[1].id), JZX_OK);
    load(c, 2, 2);
    cr_assert_eq(send_key(c, 0), JZX_ERR_MAILBOX_FULL);
    test_until(&c->world, c->actors[1].finis == 1);
    test_world_settle(&c->world);
    load(c, 0, 2);
    load(c, 2, 2);
    cr_assert_eq(pick(c, 0), 0);
    cr_assert_eq(send_key(c, 0), JZX_ERR_NO_SUCH_ACTOR);
    cr_assert_eq(pick(c, 0), 2, "that it failed has not made it another one's turn; who has ended is passed over");
    disperse(c);
    free(c);
}

Test(router, those_who_have_ended_are_passed_over, .timeout = 60)
{
    for (uint32_t loops = 1; loops <= 2; loops++) {
        for (int strategy = JZX_ROUTE_ROUND_ROBIN; strategy <= JZX_ROUTE_SMALLEST; strategy++) {
            crowd *c = malloc(sizeof *c);
            gather(c, loops, 64, (jzx_route)strategy, 4);
            for (uint32_t i = 0; i < 4; i += 3) { /* one on each loop, if there are two */
                cr_assert_eq(jzx_kill(host_of(&c->world, i % loops), c->actors[i].id), JZX_OK);
            }
            test_until(&c->world, c->actors[0].finis == 1 && c->actors[3].finis == 1);
            for (uint32_t i = 0; i < 40; i++) {
                uint32_t number = pick(c, i);
                cr_assert(number == 1 || number == 2);
            }
            disperse(c);
            free(c);
        }
    }
}

Test(router, pick_says_that_all_have_ended, .timeout = 60)
{
    crowd *c = malloc(sizeof *c);
    gather(c, 2, 8, JZX_ROUTE_ROUND_ROBIN, 2);
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert_eq(jzx_kill(host_of(&c->world, i), c->actors[i].id), JZX_OK);
    }
    test_until(&c->world, c->actors[0].finis == 1 && c->actors[1].finis == 1);
    jzx_actor_id id = 7;
    cr_assert_eq(try_pick(c, 0, &id), JZX_ERR_NO_SUCH_ACTOR);
    cr_assert_eq(id, 7);
    disperse(c);
    free(c);
}

/* A handler that holds all cells it may: no other member can change that. */
static jzx_behavior_result ask_until_limit(jzx_context *context, test_actor *actor, void *argument)
{
    crowd *c = argument;
    jzx_message message = jzx_message_empty(3);
    jzx_err err;
    uint32_t asked = 0;
    do {
        err = jzx_router_request(context, c->router, &message, JZX_FOREVER, NULL);
        asked += err == JZX_OK;
    } while (err == JZX_OK);
    *(uint32_t *)actor->data = asked;
    cr_assert_eq(err, JZX_ERR_LIMIT, "%s", jzx_strerror(err));
    return JZX_BEHAVIOR_OK;
}

Test(router, what_is_the_sender_s_own_is_not_tried_again, .timeout = 60)
{
    crowd *c = malloc(sizeof *c);
    gather(c, 1, 1024, JZX_ROUTE_ROUND_ROBIN, 4);
    uint32_t asked = 0;
    test_actor asker = {.data = &asked};
    test_spawn(&c->world, 0, &asker);
    test_do(&c->world, &asker, ask_until_limit, c);
    cr_assert_eq(asked, c->world.config.cells / 8);
    disperse(c);
    free(c);
}

static jzx_err big(crowd *c, size_t size, test_ledger *ledger)
{
    jzx_message message = test_payload(ledger, 1, size);
    jzx_err err = jzx_router_send(host_of(&c->world, 0), c->router, &message, NULL);
    if (err != JZX_OK) {
        (void)test_payload_take(ledger, &message); /* it is still ours */
    }
    return err;
}

Test(router, a_refused_payload_is_still_the_sender_s, .timeout = 60)
{
    test_ledger ledger = {0};
    jzx_spawn_options options;
    crowd *c = malloc(sizeof *c);
    gather(c, 1, 1, JZX_ROUTE_ROUND_ROBIN, 2);
    test_actor roomy = {.ledger = &ledger};
    test_actor_options(&roomy, &options);
    options.mailbox_bytes = 2 * BYTES;
    test_spawn_with(&c->world, 0, &roomy, &options);
    cr_assert_eq(jzx_router_add(c->router, 3, roomy.id), JZX_OK);
    c->actors[0].ledger = c->actors[1].ledger = &ledger;
    const uint32_t cap = BYTES;
    cr_assert_eq(big(c, cap + 1, &ledger), JZX_OK, "too big for two, and not for the third");
    load(c, 0, 1);
    load(c, 1, 1);
    cr_assert_eq(big(c, 8, &ledger), JZX_ERR_MAILBOX_FULL);
    test_world_settle(&c->world);
    cr_assert_eq(roomy.received, 1);
    cr_assert_eq(test_ledger_open(&ledger), 0);
    cr_assert_eq(ledger.twice, 0);
    cr_assert_eq(jzx_router_remove(c->router, 3), JZX_OK);
    cr_assert_eq(big(c, cap + 1, &ledger), JZX_ERR_TOO_BIG);
    cr_assert_eq(ledger.taken, 3);
    disperse(c);
    free(c);
}

/* ---- broadcast ---- */

Test(router, RT01_broadcast_says_how_many_have_accepted, .timeout = 60)
{
    for (uint32_t loops = 1; loops <= 2; loops++) {
        crowd *c = malloc(sizeof *c);
        gather(c, loops, 4, JZX_ROUTE_BROADCAST, 5);
        jzx_message message = jzx_message_empty(1);
        jzx_context *host = host_of(&c->world, 0);
        uint32_t accepted = 0;
        cr_assert_eq(jzx_router_send(host, c->router, &message, &accepted), JZX_OK);
        cr_assert_eq(accepted, 5);
        test_until(&c->world, received(c) == 5);
        load(c, 2, 4);
        cr_assert_eq(jzx_router_send(host, c->router, &message, &accepted), JZX_OK);
        cr_assert_eq(accepted, 4);
        cr_assert_eq(jzx_router_send(host, c->router, &message, NULL), JZX_OK);
        test_world_settle(&c->world);
        for (uint32_t i = 0; i < 5; i++) {
            cr_assert_eq(c->actors[i].received, i == 2 ? 5 : 3);
            load(c, i, 4);
        }
        accepted = 7;
        cr_assert_eq(jzx_router_send(host, c->router, &message, &accepted), JZX_ERR_MAILBOX_FULL);
        cr_assert_eq(accepted, 7);
        message = jzx_message_pointer(1, &message, sizeof message, NULL, NULL);
        cr_assert_eq(jzx_router_send(host, c->router, &message, &accepted), JZX_ERR_INVALID_ARG, "it has one owner");
        disperse(c);
        free(c);
    }
}

/* ---- requests ---- */

static jzx_behavior_result answer(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    if ((message->flags & JZX_MESSAGE_REQUEST) != 0) {
        jzx_message reply = jzx_message_value(4, &actor->id, sizeof actor->id);
        cr_assert_eq(jzx_answer(context, message->ref, &reply), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result ask_ten(jzx_context *context, test_actor *actor, void *argument)
{
    jzx_message message = jzx_message_empty(3);
    uint64_t *refs = actor->data;
    for (unsigned i = 0; i < 10; i++) {
        cr_assert_eq(jzx_router_request(context, argument, &message, JZX_FOREVER, &refs[i]), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

Test(router, RT01_a_request_is_answered_by_the_one_that_is_chosen, .timeout = 60)
{
    for (uint32_t loops = 1; loops <= 2; loops++) {
        crowd *c = malloc(sizeof *c);
        uint64_t refs[10] = {0};
        test_actor asker = {.data = refs};
        gather(c, loops, 64, JZX_ROUTE_ROUND_ROBIN, 5);
        test_spawn(&c->world, 0, &asker);
        for (uint32_t i = 0; i < 5; i++) {
            c->actors[i].on = answer;
        }
        test_do(&c->world, &asker, ask_ten, c->router);
        test_until(&c->world, test_tags(&asker, 4) == 10);
        for (uint32_t i = 0; i < 10; i++) {
            const jzx_message *message = test_tagged(&asker, 4, i);
            uint32_t at = 0;
            while (at < 10 && refs[at] != message->ref) {
                at++;
            }
            cr_assert_lt(at, 10);
            cr_assert_eq(message->words[0], c->actors[at % 5].id);
        }
        disperse(c);
        free(c);
    }
}

/* ---- children ---- */

Test(router, a_child_stands_for_all_its_incarnations, .timeout = 60)
{
    tree *t = malloc(sizeof *t);
    crowd *c = calloc(1, sizeof *c);
    tree_kid *kids[3];
    tree_open(t, TREE_TWO_LOOPS);
    for (unsigned i = 0; i < 3; i++) {
        static const char *const names[] = {"a", "b", "c"};
        kids[i] = tree_add(t, names[i]);
    }
    kids[1]->spec->backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = TREE_HOUR_NS};
    tree_start(t);
    c->world = t->world;
    c->router = make(&t->world, JZX_ROUTE_HASH, CROWD);
    c->count = 3;
    for (uint32_t i = 0; i < 3; i++) {
        c->actors[i].id = kids[i]->id;
        cr_assert_eq(jzx_router_add_child(c->router, i + 1, kids[i]->ref), JZX_OK);
    }
    uint32_t before[100];
    for (uint32_t key = 0; key < 100; key++) {
        before[key] = pick(c, key);
    }
    jzx_actor_id first = kids[0]->id;
    tree_die(t, kids[0], TREE_FAIL);
    cr_assert_neq(kids[0]->id, first);
    c->actors[0].id = kids[0]->id;
    for (uint32_t key = 0; key < 100; key++) {
        cr_assert_eq(pick(c, key), before[key], "a restart moves no key");
    }
    /* One that is down has nobody to speak for it by HASH; the others of another strategy do. */
    tree_kill_quietly(t, kids[1], TREE_FAIL);
    test_until(&t->world, kids[1]->alive == 0 && t->seen[JZX_SUPERVISION_RESTART] == 2);
    jzx_router *turns = make(&t->world, JZX_ROUTE_ROUND_ROBIN, 3);
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert_eq(jzx_router_add_child(turns, i + 1, kids[i]->ref), JZX_OK);
    }
    uint32_t down = 0;
    for (uint64_t key = 0; key < 100; key++) {
        jzx_actor_id id = 0;
        jzx_message message = jzx_message_value(TREE_MAIL, &key, sizeof key);
        jzx_err err = before[key] == 1 ? JZX_ERR_NOT_RUNNING : JZX_OK;
        cr_assert_eq(try_pick(c, key, &id), err);
        cr_assert_eq(jzx_router_send(host_of(&t->world, 0), c->router, &message, NULL), err);
        cr_assert_eq(jzx_router_send(host_of(&t->world, 0), turns, &message, NULL), JZX_OK);
        down += err != JZX_OK;
    }
    cr_assert(down > 0 && down < 100);
    test_until(&t->world, kids[0]->mails + kids[2]->mails == 200 - down);
    cr_assert_eq(kids[1]->mails, 0);
    jzx_router *least = make(&t->world, JZX_ROUTE_SMALLEST, 3);
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert_eq(jzx_router_add_child(least, i + 1, kids[i]->ref), JZX_OK);
    }
    jzx_message to_least = jzx_message_empty(1);
    for (uint32_t i = 0; i < 10; i++) {
        jzx_actor_id id = 0;
        cr_assert_eq(jzx_router_pick(host_of(&t->world, 0), least, &to_least, &id), JZX_OK);
        cr_assert(id == kids[0]->id || id == kids[2]->id, "one that is down has no mailbox");
    }
    cr_assert_eq(jzx_router_remove(least, 1), JZX_OK);
    cr_assert_eq(jzx_router_remove(least, 2), JZX_OK);
    cr_assert_eq(jzx_router_add(least, 1, (jzx_actor_id)0xFFFFFF << 32 | 1), JZX_OK);
    jzx_actor_id last = 0;
    cr_assert_eq(jzx_router_pick(host_of(&t->world, 0), least, &to_least, &last), JZX_OK);
    cr_assert_eq(last, kids[2]->id, "nor has one that no loop has room for");
    jzx_router_destroy(least);
    /* One that is forgotten. */
    cr_assert_eq(tree_terminate(t, t->sup, "b").err, JZX_OK);
    cr_assert_eq(tree_delete(t, t->sup, "b").err, JZX_OK);
    for (uint64_t key = 0; key < 100; key++) {
        jzx_actor_id id;
        cr_assert_eq(try_pick(c, key, &id), before[key] == 1 ? JZX_ERR_NO_SUCH_ACTOR : JZX_OK);
    }
    jzx_router_destroy(turns);
    jzx_router_destroy(c->router);
    tree_close(t);
    free(c);
    free(t);
}

/* ---- groups ---- */

static jzx_group make_group(const test_world *world)
{
    jzx_space *space;
    cr_assert_eq(jzx_space_create(world->runtime, NULL, &space), JZX_OK);
    return jzx_group_named(space, "workers");
}

static jzx_router *make_over(const test_world *world, const jzx_group *group, jzx_route strategy, uint32_t members_max)
{
    jzx_router_options options;
    jzx_router *router = NULL;
    jzx_router_options_init(&options);
    options.strategy = (uint8_t)strategy;
    options.members_max = members_max;
    options.key = first_word;
    options.group = group;
    jzx_err err = jzx_router_create(host_of(world, 0), &options, &router);
    cr_assert_eq(err, JZX_OK, "%s", jzx_strerror(err));
    return router;
}

static jzx_member_id join(crowd *c, const jzx_group *group, uint32_t number, uint64_t tag)
{
    group_call call = {.group = *group, .tag = tag};
    test_do(&c->world, &c->actors[number], group_do_join, &call);
    cr_assert_eq(call.err, JZX_OK, "%s", jzx_strerror(call.err));
    return call.member;
}

static void leave(crowd *c, uint32_t number, jzx_member_id member)
{
    group_call call = {.member = member};
    test_do(&c->world, &c->actors[number], group_do_leave, &call);
    cr_assert_eq(call.err, JZX_OK, "%s", jzx_strerror(call.err));
}

/* Actors on all loops, and a router over a group that none of them is in. */
static jzx_group gather_group(crowd *c, uint32_t loops, jzx_route strategy, uint32_t count, uint32_t members_max)
{
    gather(c, loops, 64, JZX_ROUTE_ROUND_ROBIN, count);
    jzx_router_destroy(c->router);
    jzx_group group = make_group(&c->world);
    c->router = make_over(&c->world, &group, strategy, members_max);
    return group;
}

Test(router, RT01_over_a_group_it_chooses_among_who_is_in_it_now, .timeout = 60)
{
    for (uint32_t loops = 1; loops <= 2; loops++) {
        crowd *c = malloc(sizeof *c);
        jzx_group group = gather_group(c, loops, JZX_ROUTE_ROUND_ROBIN, 4, 16);
        jzx_member_id members[4];
        jzx_actor_id id;
        cr_assert_eq(try_pick(c, 0, &id), JZX_ERR_NOT_FOUND);
        cr_assert_eq(send_key(c, 0), JZX_ERR_NOT_FOUND);
        for (uint32_t i = 0; i < 3; i++) {
            members[i] = join(c, &group, i, 10 * (3 - i)); /* the last one stands first */
            cr_assert_eq(jzx_router_count(c->router), i + 1);
        }
        cr_assert_eq(pick(c, 0), 0, "its turn did not go to those who came before it");
        cr_assert_eq(pick(c, 0), 2);
        cr_assert_eq(pick(c, 0), 1);
        leave(c, 0, members[0]);
        cr_assert_eq(pick(c, 0), 2);
        members[3] = join(c, &group, 3, 15); /* before the one whose turn it is */
        cr_assert_eq(pick(c, 0), 1);
        /* Who has ended is gone at once. */
        cr_assert_eq(jzx_kill(host_of(&c->world, 2 % loops), c->actors[2].id), JZX_OK);
        test_until(&c->world, c->actors[2].finis == 1);
        cr_assert_eq(jzx_router_count(c->router), 2);
        cr_assert_eq(pick(c, 0), 3);
        cr_assert_eq(pick(c, 0), 1);
        cr_assert_eq(jzx_router_add(c->router, 1, c->actors[0].id), JZX_ERR_UNSUPPORTED);
        cr_assert_eq(jzx_router_add_child(c->router, 1, 1), JZX_ERR_UNSUPPORTED);
        cr_assert_eq(jzx_router_remove(c->router, 20), JZX_ERR_UNSUPPORTED);
        leave(c, 1, members[1]);
        leave(c, 3, members[3]);
        cr_assert_eq(send_key(c, 0), JZX_ERR_NOT_FOUND);
        cr_assert_eq(jzx_router_count(c->router), 0);
        disperse(c);
        free(c);
    }
}

Test(router, one_that_drains_is_not_chosen, .timeout = 60)
{
    crowd *c = malloc(sizeof *c);
    jzx_group group = gather_group(c, 2, JZX_ROUTE_RANDOM, 2, 16);
    (void)join(c, &group, 0, 1);
    (void)join(c, &group, 1, 2);
    load(c, 1, 5);
    cr_assert_eq(jzx_drain(host_of(&c->world, 1), c->actors[1].id), JZX_OK);
    for (uint32_t i = 0; i < 20; i++) {
        cr_assert_eq(pick(c, i), 0);
    }
    disperse(c);
    free(c);
}

Test(router, of_a_large_group_the_oldest_and_of_equal_tags_too, .timeout = 60)
{
    crowd *c = malloc(sizeof *c);
    jzx_group group = gather_group(c, 2, JZX_ROUTE_ROUND_ROBIN, 40, 30);
    jzx_member_id first = join(c, &group, 0, 7);
    for (uint32_t i = 1; i < 40; i++) {
        (void)join(c, &group, i, (i * 17) % 41 < 20 ? 7 : 100 + (i * 17) % 41);
    }
    uint32_t seen[40] = {0};
    uint32_t count = jzx_router_count(c->router);
    uint32_t distinct = 1;
    for (uint32_t i = 1; i < 30; i++) {
        distinct += (i * 17) % 41 >= 20;
    }
    cr_assert_eq(count, distinct);
    for (uint32_t i = 0; i < count; i++) {
        seen[pick(c, 0)]++;
    }
    for (uint32_t i = 0; i < 40; i++) {
        cr_assert_eq(seen[i], i == 0 || (i < 30 && (i * 17) % 41 >= 20), "%u", i);
    }
    /* The next oldest takes the place, and the thirty-first is there. */
    leave(c, 0, first);
    uint32_t heir = 1;
    while ((heir * 17) % 41 >= 20) {
        heir++;
    }
    memset(seen, 0, sizeof seen);
    count = jzx_router_count(c->router);
    for (uint32_t i = 0; i < count; i++) {
        seen[pick(c, 0)]++;
    }
    cr_assert_eq(seen[0], 0);
    cr_assert_eq(seen[heir], 1);
    cr_assert_eq(seen[30], (30 * 17) % 41 >= 20);
    disperse(c);
    free(c);
}

Test(router, a_member_that_comes_back_with_its_tag_has_its_keys, .timeout = 60)
{
    crowd *c = malloc(sizeof *c);
    uint32_t *before = malloc(KEYS * sizeof *before);
    uint32_t *after = malloc(KEYS * sizeof *after);
    jzx_group group = gather_group(c, 2, JZX_ROUTE_HASH, 9, 16);
    for (uint32_t i = 0; i < 8; i++) {
        (void)join(c, &group, i, 1000 + i);
    }
    pick_all(c, before);
    cr_assert_eq(jzx_kill(host_of(&c->world, 1), c->actors[3].id), JZX_OK);
    test_until(&c->world, c->actors[3].finis == 1);
    pick_all(c, after);
    for (uint32_t key = 0; key < KEYS; key++) {
        cr_assert(before[key] == 3 ? after[key] != 3 : after[key] == before[key]);
    }
    (void)join(c, &group, 8, 1003);
    pick_all(c, after);
    for (uint32_t key = 0; key < KEYS; key++) {
        cr_assert_eq(after[key], before[key] == 3 ? 8 : before[key]);
    }
    disperse(c);
    free(after);
    free(before);
    free(c);
}

Test(router, broadcast_over_a_group_reaches_each_membership, .timeout = 60)
{
    for (uint32_t loops = 1; loops <= 2; loops++) {
        crowd *c = malloc(sizeof *c);
        jzx_group group = gather_group(c, loops, JZX_ROUTE_BROADCAST, 4, 2);
        jzx_message message = jzx_message_empty(1);
        uint32_t accepted = 7;
        cr_assert_eq(jzx_router_send(host_of(&c->world, 0), c->router, &message, &accepted), JZX_ERR_NOT_FOUND);
        cr_assert_eq(accepted, 7);
        for (uint32_t i = 0; i < 5; i++) {
            (void)join(c, &group, i % 4, 1);
        }
        uint32_t before = received(c);
        cr_assert_eq(jzx_router_send(host_of(&c->world, 0), c->router, &message, &accepted), JZX_OK);
        cr_assert_eq(accepted, 5, "also those that one has no room to choose among");
        test_until(&c->world, received(c) == before + 5);
        cr_assert_eq(c->actors[0].received, 2);
        disperse(c);
        free(c);
    }
}

Test(router, broadcast_shares_a_buffer, .timeout = 60)
{
    crowd *c = malloc(sizeof *c);
    gather(c, 2, 2, JZX_ROUTE_BROADCAST, 4);
    jzx_context *host = host_of(&c->world, 0);
    jzx_buffer *buffer;
    uint32_t accepted = 0;
    test_memory *memory = &c->world.memory[JZX_MEMORY_STATE];
    size_t live = memory->live;
    cr_assert_eq(jzx_buffer_copy(c->world.runtime, "shared", 6, &buffer), JZX_OK);
    jzx_message message = jzx_message_buffer(1, buffer);
    load(c, 2, 2);
    cr_assert_eq(jzx_router_send(host, c->router, &message, &accepted), JZX_OK);
    cr_assert_eq(accepted, 3);
    test_until(&c->world, received(c) == 5);
    cr_assert_eq(memory->live, live, "the last one who had it has freed it");
    cr_assert_eq(jzx_buffer_copy(c->world.runtime, "shared", 6, &buffer), JZX_OK);
    message = jzx_message_buffer(1, buffer);
    for (uint32_t i = 0; i < 4; i++) {
        load(c, i, 2);
    }
    cr_assert_eq(jzx_router_send(host, c->router, &message, &accepted), JZX_ERR_MAILBOX_FULL);
    cr_assert_eq(memcmp(jzx_buffer_data(buffer), "shared", 6), 0, "it is still ours");
    jzx_buffer_unref(buffer);
    cr_assert_eq(memory->live, live);
    disperse(c);
    free(c);
}

Test(router, M01_a_group_of_another_runtime_is_refused, .timeout = 60)
{
    test_world worlds[2];
    test_world_open(&worlds[0], 1, NULL);
    test_world_open(&worlds[1], 1, NULL);
    jzx_group group = make_group(&worlds[1]);
    jzx_router_options options;
    jzx_router_options_init(&options);
    options.group = &group;
    expect_create(&worlds[0], &options, JZX_ERR_INVALID_ARG, "another runtime's");
    test_world_close(&worlds[1]);
    test_world_close(&worlds[0]);
}

/* ---- threads ---- */

enum { SENT = 20000 };

typedef struct sender {
    jzx_router *router;
    uint32_t sent;
} sender;

/* Sends as long as somebody takes it; the rest when the next turn comes. */
static jzx_behavior_result send_on(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    sender *s = actor->data;
    (void)message;
    while (s->sent < SENT) {
        uint64_t number = s->sent;
        jzx_message mail = jzx_message_value(1, &number, sizeof number);
        if (jzx_router_send(context, s->router, &mail, NULL) != JZX_OK) {
            jzx_message again = jzx_message_empty(5);
            (void)jzx_send(context, actor->id, &again); /* refused, the test waits in vain and says so */
            break;
        }
        s->sent++;
    }
    return JZX_BEHAVIOR_OK;
}

static void end_router(jzx_context *context, test_actor *actor, const jzx_exit_info *info)
{
    (void)context;
    (void)info;
    jzx_router_destroy(((sender *)actor->data)->router);
}

Test(router, mailboxes_of_other_threads_are_looked_at_while_they_work, .timeout = 60)
{
    for (int strategy = JZX_ROUTE_ROUND_ROBIN; strategy <= JZX_ROUTE_HASH; strategy++) {
        test_world world;
        jzx_config config;
        test_config(&config);
        config.mailbox_cap = 32;
        test_world_open(&world, 3, &config);
        sender s = {.router = make(&world, (jzx_route)strategy, 8)};
        test_actor source = {.on = send_on, .on_fini = end_router, .data = &s};
        test_actor actors[6] = {0};
        test_spawn(&world, 0, &source);
        for (uint32_t i = 0; i < 6; i++) {
            test_spawn(&world, i % 3, &actors[i]);
            cr_assert_eq(jzx_router_add(s.router, i, actors[i].id), JZX_OK);
        }
        test_world_start(&world);
        test_send(&world, &source, 5);
        uint32_t sum = 0;
        test_until(&world, (sum = atomic_load(&actors[0].received) + atomic_load(&actors[1].received) +
                                  atomic_load(&actors[2].received) + atomic_load(&actors[3].received) +
                                  atomic_load(&actors[4].received) + atomic_load(&actors[5].received)) == SENT);
        for (uint32_t i = 0; i < 6; i++) {
            cr_assert_gt(actors[i].received, 0);
        }
        test_world_close(&world);
    }
}
