/* message_test: payloads, routes, order and fate of messages, from actors, the host and foreign threads. */
#include "tests/support/support.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static jzx_context *host_of(const test_world *world, uint32_t loop)
{
    return jzx_loop_context(world->loops[loop]);
}

static uint64_t dropped(const test_world *world, jzx_drop_reason reason)
{
    return test_count(world, offsetof(jzx_counters, dropped) + reason * sizeof(uint64_t));
}

/* ---- what a message may be ---- */

/* The ways a message enters, tried with one that none may take. */
typedef struct entry {
    test_world *world;
    jzx_poster *poster;
    jzx_actor_id to;
    jzx_message message;
    jzx_err errs[8];
} entry;

static void post_both(void *argument)
{
    entry *e = argument;
    e->errs[5] = jzx_post(e->world->runtime, e->to, &e->message);
    e->errs[6] = jzx_poster_post(e->poster, e->to, &e->message);
}

static jzx_behavior_result enter_by_all(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    entry *e = argument;
    e->errs[0] = jzx_send(context, e->to, &e->message);
    e->errs[1] = jzx_send_with(context, e->to, &e->message, JZX_SEND_REPORT);
    e->errs[2] = jzx_request(context, e->to, &e->message, JZX_FOREVER, NULL);
    e->errs[3] = jzx_answer(context, 1, &e->message);
    e->errs[4] = jzx_timer_after(context, 1, &e->message, NULL);
    e->errs[7] = jzx_timer_every(context, 1, JZX_TICKS_SKIP, &e->message, NULL);
    test_on_thread(post_both, e);
    return JZX_BEHAVIOR_OK;
}

static void expect_refused(jzx_message message, const char *what)
{
    for (uint32_t to = 0; to < 2; to++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        test_actor actors[2] = {0};
        test_spawn(&world, 0, &actors[0]);
        test_spawn(&world, to, &actors[1]);
        entry e = {.world = &world, .to = actors[1].id, .message = message};
        cr_assert_eq(jzx_poster_create(world.runtime, 4, &e.poster), JZX_OK);
        test_do(&world, &actors[0], enter_by_all, &e);
        for (unsigned i = 0; i < 8; i++) {
            cr_expect_eq(e.errs[i], JZX_ERR_INVALID_ARG, "%s, way %u: %s", what, i, jzx_strerror(e.errs[i]));
        }
        cr_expect_eq(jzx_send(host_of(&world, 0), actors[1].id, &message), JZX_ERR_INVALID_ARG, "%s, host", what);
        test_world_settle(&world);
        cr_expect_eq(actors[1].received, 0);
        test_world_close(&world);
    }
}

static void never_drop(void *context, void *data, size_t size)
{
    (void)context;
    (void)data;
    (void)size;
    abort();
}

Test(message, D04_M15_reserved_tags_are_the_runtimes, .timeout = 60)
{
    const uint32_t tags[] = {JZX_TAG_RESERVED,    JZX_TAG_SYS_IO,     JZX_TAG_SYS_SUPERVISOR, JZX_TAG_SYS_DOWN,
                             JZX_TAG_SYS_SPAWNED, JZX_TAG_SYS_RESUME, JZX_TAG_SYS_NO_ANSWER,  UINT32_MAX};
    for (unsigned i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        expect_refused(jzx_message_empty(tags[i]), "a reserved tag");
    }
    jzx_message message = jzx_message_pointer(JZX_TAG_SYS_DOWN, &message, 8, never_drop, NULL);
    expect_refused(message, "a reserved tag with a pointer");
}

Test(message, M02_sizes_and_flags_that_cannot_be, .timeout = 60)
{
    uint8_t bytes[64] = {0};
    expect_refused(jzx_message_value(1, bytes, 33), "33 bytes by value");
    expect_refused(jzx_message_value(1, bytes, SIZE_MAX), "SIZE_MAX bytes by value");
    expect_refused(jzx_message_pointer(1, NULL, 1, never_drop, NULL), "one byte at NULL");
    jzx_message message = jzx_message_pointer(1, bytes, 64, never_drop, NULL);
    message.flags |= JZX_MESSAGE_LENT;
    expect_refused(message, "what was only lent");
    message = jzx_message_empty(1);
    message.flags = 1u << 30;
    expect_refused(message, "an unknown flag");
    message.flags = 1u << 31 | JZX_MESSAGE_POINTER;
    expect_refused(message, "an unknown flag with a pointer");
}

Test(message, M01_null_is_refused_everywhere, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    jzx_message message = jzx_message_empty(1);
    jzx_poster *poster = NULL;
    cr_expect_eq(jzx_send(NULL, actor.id, &message), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_send(host_of(&world, 0), actor.id, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_send_with(NULL, actor.id, &message, 0), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_send_with(host_of(&world, 0), actor.id, NULL, 0), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_send_with(host_of(&world, 0), actor.id, &message, 4), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_send_with(host_of(&world, 0), actor.id, &message, UINT32_MAX), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_resume(NULL, actor.id), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_request(NULL, actor.id, &message, 0, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_answer(NULL, 1, &message), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_post(NULL, actor.id, &message), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_post(world.runtime, actor.id, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_poster_create(NULL, 4, &poster), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_poster_create(world.runtime, 4, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_poster_post(NULL, actor.id, &message), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_poster_create(world.runtime, 4, &poster), JZX_OK);
    cr_expect_eq(jzx_poster_post(poster, actor.id, NULL), JZX_ERR_INVALID_ARG);
    const uint32_t sizes[] = {0, 1, 2, 3, 5, 6, 1000, 65535, 65537, 131072, UINT32_MAX};
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        cr_expect_eq(jzx_poster_create(world.runtime, sizes[i], &poster), JZX_ERR_INVALID_ARG, "a ring of %u",
                     sizes[i]);
    }
    test_world_close(&world);
}

static jzx_behavior_result check_bytes(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    unsigned *wrong = actor->data;
    const uint8_t *bytes = jzx_message_data(message);
    *wrong += message->size != message->tag;
    for (uint32_t i = 0; i < message->size; i++) {
        *wrong += bytes[i] != (uint8_t)(message->tag + i);
    }
    return JZX_BEHAVIOR_OK;
}

Test(message, values_of_0_to_32_bytes_arrive_as_sent, .timeout = 60)
{
    for (unsigned way = 0; way < 3; way++) { /* here, over a lane, through the inbox */
        test_world world;
        test_world_open(&world, 2, NULL);
        unsigned wrong = 0;
        test_actor actor = {.on = check_bytes, .data = &wrong};
        test_spawn(&world, way == 1 ? 1 : 0, &actor);
        if (way == 2) {
            test_world_start(&world);
        }
        for (uint32_t size = 0; size <= 32; size++) {
            uint8_t bytes[32];
            for (uint32_t i = 0; i < 32; i++) {
                bytes[i] = (uint8_t)(size + i);
            }
            jzx_message message = jzx_message_value(size, bytes, size);
            cr_assert_eq(way == 2 ? jzx_post(world.runtime, actor.id, &message)
                                  : jzx_send(host_of(&world, 0), actor.id, &message),
                         JZX_OK);
            memset(&message, 0xEE, sizeof message); /* it was copied */
        }
        test_until(&world, actor.received == 33);
        cr_assert_eq(wrong, 0);
        test_world_close(&world);
    }
}

Test(message, a_value_over_32_bytes_copies_nothing, .timeout = 60)
{
    uint8_t bytes[64];
    memset(bytes, 0xEE, sizeof bytes);
    jzx_message message = jzx_message_value(1, bytes, 33);
    const uint8_t zero[JZX_INLINE_MAX] = {0};
    cr_assert_arr_eq(message.bytes, zero, sizeof zero);
    cr_assert_eq(message.size, 33);
    message = jzx_message_value(2, bytes, 32);
    cr_assert_arr_eq(message.bytes, bytes, 32);
    cr_assert_eq(sizeof(jzx_message), 64);
    message = jzx_message_pointer(3, bytes, 64, never_drop, &message);
    cr_assert_eq(jzx_message_data(&message), bytes);
    cr_assert_eq(message.flags, (uint32_t)JZX_MESSAGE_POINTER);
}

static jzx_behavior_result look_at_pointer(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)actor;
    cr_assert_eq(message->flags & JZX_MESSAGE_POINTER, (uint32_t)JZX_MESSAGE_POINTER);
    return JZX_BEHAVIOR_OK;
}

Test(message, M02_M08_pointers_without_bytes_or_destructor, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actors[2] = {{.on = look_at_pointer}, {.on = look_at_pointer}};
    test_spawn(&world, 0, &actors[0]);
    test_spawn(&world, 1, &actors[1]);
    static uint8_t mine[10];
    for (unsigned i = 0; i < 2; i++) {
        jzx_message message = jzx_message_pointer(1, NULL, 0, NULL, NULL);
        cr_assert_eq(jzx_send(host_of(&world, 0), actors[i].id, &message), JZX_OK);
        message = jzx_message_pointer(2, mine, sizeof mine, NULL, NULL);
        cr_assert_eq(jzx_send(host_of(&world, 0), actors[i].id, &message), JZX_OK);
        test_until(&world, actors[i].received == 2);
        cr_assert_eq(actors[i].log[0].pointer.data, NULL);
        cr_assert_eq(actors[i].log[1].pointer.data, (void *)mine);
        cr_assert_eq(actors[i].log[1].size, sizeof mine);
        /* One without a destructor that is dropped: nobody is called. */
        cr_assert_eq(jzx_send(host_of(&world, 0), actors[i].id, &message), JZX_OK);
    }
    test_world_close(&world);
}

/* ---- who sent it ---- */

typedef struct errand {
    jzx_actor_id to;
    jzx_message message;
    uint32_t flags;
    jzx_err err;
    uint32_t count;
} errand;

static jzx_behavior_result send_it(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    errand *e = argument;
    e->err = e->flags == 0 ? jzx_send(context, e->to, &e->message)
                           : jzx_send_with(context, e->to, &e->message, e->flags);
    return JZX_BEHAVIOR_OK;
}

static void post_errand_first(void *argument)
{
    entry *e = argument;
    e->errs[0] = jzx_post(e->world->runtime, e->to, &e->message);
}

static void post_errand_second(void *argument)
{
    entry *e = argument;
    e->errs[1] = jzx_poster_post(e->poster, e->to, &e->message);
}

Test(message, D72_M16_the_sender_is_set_and_cannot_be_forged, .timeout = 60)
{
    for (uint32_t to = 0; to < 2; to++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        test_actor from = {0};
        test_actor target = {0};
        test_spawn(&world, 0, &from);
        test_spawn(&world, to, &target);
        entry post = {.world = &world, .to = target.id, .message = jzx_message_empty(1)};
        cr_assert_eq(jzx_poster_create(world.runtime, 4, &post.poster), JZX_OK);
        errand e = {.to = target.id, .message = jzx_message_empty(1)};
        e.message.sender = post.message.sender = 12345; /* ignored */
        e.message.ref = post.message.ref = 67890;
        test_do(&world, &from, send_it, &e);
        cr_assert_eq(e.err, JZX_OK);
        test_until(&world, target.received == 1);
        cr_assert_eq(jzx_send(host_of(&world, 0), target.id, &e.message), JZX_OK);
        test_until(&world, target.received == 2);
        test_on_thread(post_errand_first, &post);
        test_on_thread(post_errand_second, &post);
        test_until(&world, target.received == 4);
        cr_assert_eq(target.log[0].sender, from.id);
        for (unsigned i = 1; i < 4; i++) {
            cr_assert_eq(target.log[i].sender, 0, "the host and foreign threads are nobody");
        }
        for (unsigned i = 0; i < 4; i++) {
            cr_assert_eq(target.log[i].ref, 0);
            cr_assert_eq(target.log[i].flags, 0);
        }
        test_world_close(&world);
    }
}

static jzx_behavior_result forward(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    cr_assert_eq(jzx_send(context, *(jzx_actor_id *)actor->data, message), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

Test(message, a_message_with_its_payload_can_be_passed_on, .timeout = 60)
{
    for (uint32_t to = 0; to < 2; to++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        test_ledger ledger = {0};
        test_actor last = {.ledger = &ledger};
        test_spawn(&world, to, &last);
        test_actor middle = {.on = forward, .data = &last.id};
        test_spawn(&world, 0, &middle);
        jzx_message message = test_payload(&ledger, 4, 100);
        cr_assert_eq(jzx_send(host_of(&world, 0), middle.id, &message), JZX_OK);
        test_until(&world, last.received == 1);
        cr_assert_eq(last.log[0].sender, middle.id);
        cr_assert_eq(last.log[0].size, 100);
        cr_assert_eq(ledger.taken, 1);
        test_world_close(&world);
        cr_assert_eq(test_ledger_open(&ledger), 0);
        cr_assert_eq(ledger.twice, 0);
    }
}

/* ---- order ---- */

typedef struct sequence {
    uint32_t next;
    uint32_t wrong;
} sequence;

static jzx_behavior_result in_sequence(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    sequence *s = actor->data;
    s->wrong += message->words[0] != s->next;
    s->next++;
    return JZX_BEHAVIOR_OK;
}

typedef struct stream {
    jzx_actor_id to;
    uint64_t sent;
    uint64_t total;
    uint64_t refused;
    jzx_err odd; /* a refusal that was not for want of room */
} stream;

/* Sends as much as goes, by itself again until all is sent; on refusal it asks to be told. */
static jzx_behavior_result stream_on(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)message;
    stream *s = actor->data;
    while (s->sent < s->total) {
        jzx_message out = jzx_message_value(2, &s->sent, sizeof s->sent);
        jzx_err err = s->sent % 3 == 0 ? jzx_send_with(context, s->to, &out, JZX_SEND_REPORT)
                                       : jzx_send(context, s->to, &out);
        if (err != JZX_OK) {
            s->odd = err == JZX_ERR_MAILBOX_FULL || err == JZX_ERR_WOULD_BLOCK ? s->odd : err;
            s->refused++;
            err = jzx_resume(context, s->to);
            s->odd = err == JZX_OK ? s->odd : err;
            break;
        }
        s->sent++;
    }
    return JZX_BEHAVIOR_OK;
}

static void order_holds(uint32_t to, uint32_t cap, bool threads)
{
    jzx_config config;
    test_config(&config);
    config.lane_blocks = 2;
    test_world world;
    test_world_open(&world, 2, &config);
    sequence seen = {0};
    test_actor target = {.on = in_sequence, .data = &seen};
    jzx_spawn_options options;
    test_actor_options(&target, &options);
    options.mailbox_cap = cap;
    test_spawn_with(&world, to, &target, &options);
    stream s = {.to = target.id, .total = 20000};
    test_actor source = {.on = stream_on, .data = &s};
    test_spawn(&world, 0, &source);
    if (threads) {
        test_world_start(&world);
    }
    test_send(&world, &source, 1);
    test_until(&world, target.received == s.total);
    cr_assert_eq(seen.wrong, 0, "%u out of order", seen.wrong);
    cr_assert_eq(s.odd, JZX_OK, "%s", jzx_strerror(s.odd));
    cr_assert_gt(s.refused, 0, "the mailbox of %u was never full", cap);
    test_world_close(&world);
}

Test(message, P1_D86_M25_order_holds_here_and_across_loops_also_after_refusals, .timeout = 100)
{
    const uint32_t caps[] = {1, 2, 5, 64};
    for (unsigned i = 0; i < 4; i++) {
        order_holds(0, caps[i], false);
        order_holds(1, caps[i], false);
        order_holds(1, caps[i], true);
    }
}

static jzx_behavior_result post_from_loop(jzx_context *context, test_actor *actor, void *argument)
{
    entry *e = argument;
    (void)actor;
    jzx_poster *poster = e->poster;
    e->errs[0] = jzx_post(jzx_loop_runtime(jzx_context_loop(context)), e->to, &e->message);
    e->errs[1] = jzx_poster_post(e->poster, e->to, &e->message);
    e->errs[2] = jzx_poster_create(jzx_loop_runtime(jzx_context_loop(context)), 4, &poster);
    return JZX_BEHAVIOR_OK;
}

Test(message, D86_a_loops_thread_has_one_way_only, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actors[2] = {0};
    test_spawn(&world, 0, &actors[0]);
    test_spawn(&world, 1, &actors[1]);
    entry e = {.world = &world, .to = actors[1].id, .message = jzx_message_empty(1)};
    cr_assert_eq(jzx_poster_create(world.runtime, 4, &e.poster), JZX_OK);
    test_world_start(&world);
    test_do(&world, &actors[0], post_from_loop, &e);
    cr_assert_eq(e.errs[0], JZX_ERR_WRONG_THREAD);
    cr_assert_eq(e.errs[1], JZX_ERR_WRONG_THREAD);
    cr_assert_eq(e.errs[2], JZX_ERR_WRONG_THREAD);
    test_world_close(&world);
}

/* ---- foreign threads ---- */

enum { THREADS = 4, EACH = 3000 };

typedef struct foreign {
    test_world *world;
    test_ledger *ledger;
    jzx_actor_id to;
    uint32_t number;
    bool own; /* through a poster from the middle on */
    jzx_err odd;
    uint64_t full;
} foreign;

static void *post_all(void *argument)
{
    foreign *f = argument;
    jzx_poster *poster = NULL;
    for (uint32_t i = 0; i < EACH; i++) {
        if (f->own && i == EACH / 2) {
            jzx_err err = jzx_poster_create(f->world->runtime, 16, &poster);
            f->odd = err == JZX_OK ? f->odd : err;
        }
        jzx_message message = test_payload(f->ledger, f->number, 16);
        memcpy((char *)message.pointer.data + 8, &i, sizeof i);
        jzx_err err;
        do {
            err = poster != NULL ? jzx_poster_post(poster, f->to, &message)
                                 : jzx_post(f->world->runtime, f->to, &message);
            f->full += err != JZX_OK;
            if (err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_MAILBOX_FULL) {
                sched_yield();
            }
        } while (err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_MAILBOX_FULL);
        f->odd = err == JZX_OK ? f->odd : err;
    }
    return NULL;
}

typedef struct tally {
    uint32_t next[THREADS];
    uint32_t wrong;
} tally;

static jzx_behavior_result tally_up(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    tally *t = actor->data;
    uint32_t number;
    memcpy(&number, (const char *)message->pointer.data + 8, sizeof number);
    t->wrong += number != t->next[message->tag];
    t->next[message->tag]++;
    return JZX_BEHAVIOR_OK;
}

Test(message, P1_I1_posts_of_a_thread_keep_their_order_also_when_it_takes_a_poster, .timeout = 100)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_ledger ledger = {0};
    tally tallies[2] = {{{0}, 0}};
    test_actor targets[2] = {{.on = tally_up, .ledger = &ledger, .data = &tallies[0]},
                             {.on = tally_up, .ledger = &ledger, .data = &tallies[1]}};
    test_spawn(&world, 0, &targets[0]);
    test_spawn(&world, 1, &targets[1]);
    test_world_start(&world);
    foreign threads[THREADS];
    pthread_t ids[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        threads[i] = (foreign){&world, &ledger, targets[i % 2].id, i, i >= 2, JZX_OK, 0};
        cr_assert_eq(pthread_create(&ids[i], NULL, post_all, &threads[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(ids[i], NULL);
        cr_assert_eq(threads[i].odd, JZX_OK, "%s", jzx_strerror(threads[i].odd));
    }
    test_until(&world, targets[0].received + targets[1].received == THREADS * EACH);
    cr_assert_eq(tallies[0].wrong + tallies[1].wrong, 0);
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, posted)), THREADS * EACH);
    cr_assert_eq(ledger.taken, THREADS * EACH);
    test_world_close(&world);
    cr_assert_eq(ledger.dropped, 0);
    cr_assert_eq(ledger.twice, 0);
}

Test(message, posts_to_ids_that_no_loop_can_have_issued, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    jzx_poster *poster;
    cr_assert_eq(jzx_poster_create(world.runtime, 4, &poster), JZX_OK);
    jzx_message message = jzx_message_empty(1);
    const jzx_actor_id ids[] = {0, UINT64_MAX, 2ull << 56 | 1, 1ull << 56, 0xFFFFFFull << 32 | 1};
    for (unsigned i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        cr_expect_eq(jzx_post(world.runtime, ids[i], &message), JZX_ERR_NO_SUCH_ACTOR);
        cr_expect_eq(jzx_poster_post(poster, ids[i], &message), JZX_ERR_NO_SUCH_ACTOR);
    }
    test_world_close(&world);
}

Test(message, D14_a_post_that_finds_nobody_is_a_dead_letter, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_observer observer = {0};
    test_observe(&world, 0, &observer);
    test_ledger ledger = {0};
    test_actor actor = {.ledger = &ledger};
    test_spawn(&world, 0, &actor);
    entry e = {.world = &world, .to = actor.id, .message = jzx_message_empty(3)};
    cr_assert_eq(jzx_poster_create(world.runtime, 4, &e.poster), JZX_OK);
    cr_assert_eq(jzx_kill(host_of(&world, 0), actor.id), JZX_OK);
    test_until(&world, actor.finis == 1);
    e.message = test_payload(&ledger, 3, 32);
    test_on_thread(post_errand_first, &e);
    cr_assert_eq(e.errs[0], JZX_OK, "a foreign thread cannot know");
    test_until(&world, dropped(&world, JZX_DROP_NO_ACTOR) == 1);
    e.message = test_payload(&ledger, 4, 32);
    test_on_thread(post_errand_second, &e);
    cr_assert_eq(e.errs[1], JZX_OK);
    test_until(&world, dropped(&world, JZX_DROP_NO_ACTOR) == 2);
    cr_assert_eq(observer.dead[JZX_DROP_NO_ACTOR], 2);
    cr_assert_eq(observer.dead_target, actor.id);
    cr_assert_eq(observer.dead_tag, 4);
    cr_assert_eq(ledger.dropped, 2);
    test_world_close(&world);
}

static void post_60000(void *argument)
{
    entry *e = argument;
    e->errs[0] = JZX_OK;
    for (unsigned i = 0; i < 60000 && e->errs[0] == JZX_OK; i++) {
        e->errs[0] = jzx_poster_post(e->poster, e->to, &e->message);
    }
}

static jzx_behavior_result slowly(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)actor;
    (void)message;
    uint64_t until = jzx_clock_ns(context) + 2000;
    while (jzx_clock_ns(context) < until) {
    }
    return JZX_BEHAVIOR_OK;
}

Test(message, a_posters_flood_waits_in_its_ring_when_cells_are_few, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.cells = 2048;
    config.inbox_size = 64;
    config.mailbox_cap = 256;
    config.actors_per_turn = 1;
    config.turn_ns = 1000;
    test_world world;
    test_world_open(&world, 1, &config);
    test_actor actor = {.on = slowly};
    test_spawn(&world, 0, &actor);
    entry e = {.world = &world, .to = actor.id, .message = jzx_message_empty(1)};
    cr_assert_eq(jzx_poster_create(world.runtime, 65536, &e.poster), JZX_OK);
    test_on_thread(post_60000, &e);
    cr_assert_eq(e.errs[0], JZX_OK, "nothing was full yet: %s", jzx_strerror(e.errs[0]));
    test_until(&world, actor.received == 60000);
    test_world_close(&world);
}

/* Notes who calls it. */
typedef struct guarded {
    test_memory memory;
    _Atomic(uint32_t) calls;
    _Atomic(int32_t) last;
} guarded;

static void *guarded_alloc(void *context, size_t size, size_t align)
{
    guarded *g = context;
    atomic_fetch_add(&g->calls, 1);
    atomic_store(&g->last, (int32_t)syscall(SYS_gettid));
    jzx_allocator inner = test_memory_allocator(&g->memory);
    return inner.alloc(inner.context, size, align);
}

static void guarded_free(void *context, void *memory, size_t size, size_t align)
{
    guarded *g = context;
    jzx_allocator inner = test_memory_allocator(&g->memory);
    atomic_fetch_add(&g->calls, 1);
    atomic_store(&g->last, (int32_t)syscall(SYS_gettid));
    inner.free(inner.context, memory, size, align);
}

static jzx_behavior_result allocate_here(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    pid_t *thread = argument;
    *thread = (pid_t)syscall(SYS_gettid);
    jzx_free(context, jzx_alloc(context, 100), 100);
    return JZX_BEHAVIOR_OK;
}

Test(message, D06_M58_posts_allocate_nothing_and_a_loop_allocates_on_its_own_thread, .timeout = 60)
{
    static guarded g;
    jzx_config config;
    test_config(&config);
    config.loops_max = 1;
    for (unsigned i = 0; i < JZX_MEMORY_KINDS; i++) {
        config.allocators[i] = (jzx_allocator){guarded_alloc, guarded_free, &g};
    }
    test_world world = {.config = config, .loop_count = 1, .fds_before = test_fd_count()};
    cr_assert_eq(jzx_runtime_create(&config, &world.runtime), JZX_OK);
    cr_assert_eq(jzx_loop_create(world.runtime, NULL, &world.loops[0]), JZX_OK);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    test_world_start(&world);
    test_send(&world, &actor, 1);
    test_until(&world, actor.received == 1);
    uint32_t calls = g.calls;
    for (uint32_t i = 0; i < 5000; i++) {
        jzx_message message = jzx_message_empty(2);
        jzx_err err;
        while ((err = jzx_post(world.runtime, actor.id, &message)) == JZX_ERR_WOULD_BLOCK ||
               err == JZX_ERR_MAILBOX_FULL) {
            sched_yield();
        }
        cr_assert_eq(err, JZX_OK);
    }
    test_until(&world, actor.received == 5001);
    cr_assert_eq(g.calls, calls, "5,000 messages and %u calls", g.calls - calls);
    pid_t thread = 0;
    test_do(&world, &actor, allocate_here, &thread);
    cr_assert_eq(g.calls, calls + 2);
    cr_assert_eq(g.last, thread);
    test_world_close(&world);
    test_memory_assert_empty(&g.memory);
}

Test(message, D59_D67_a_turn_takes_a_part_of_a_flood_of_posts, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.inbox_size = 2048;
    config.cells = 16384;
    config.turn_ns = 1000000000;
    test_world world;
    test_world_open(&world, 1, &config);
    test_actor flooded = {0};
    test_actor other = {0};
    test_spawn(&world, 0, &flooded);
    test_spawn(&world, 0, &other);
    entry e = {.world = &world, .to = flooded.id, .message = jzx_message_empty(1)};
    for (unsigned i = 0; i < 1000; i++) {
        cr_assert_eq(jzx_post(world.runtime, e.to, &e.message), JZX_OK); /* no loop of this thread has run yet */
    }
    test_send(&world, &other, 1);
    test_world_step(&world);
    cr_assert_eq(other.received, 1, "the flood waits for nobody else's turn");
    cr_assert_leq(test_count(&world, offsetof(jzx_counters, posted)), 256);
    test_until(&world, flooded.received == 1000);
    test_world_close(&world);
}

/* ---- fates ---- */

typedef struct graveyard {
    _Atomic(uint32_t) count;
    pid_t thread;
} graveyard;

static void bury(void *context, void *data, size_t size)
{
    graveyard *g = context;
    g->thread = (pid_t)syscall(SYS_gettid);
    atomic_fetch_add(&g->count, data == (void *)g && size == 77);
}

static jzx_behavior_result note_thread(jzx_context *context, test_actor *actor, void *argument)
{
    (void)context;
    (void)actor;
    *(pid_t *)argument = (pid_t)syscall(SYS_gettid);
    return JZX_BEHAVIOR_OK;
}

Test(message, M07_a_message_to_one_that_died_meanwhile_meets_its_destructor_there, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor here = {0};
    test_actor there = {0};
    test_actor victim = {0};
    test_spawn(&world, 0, &here);
    test_spawn(&world, 1, &there);
    test_spawn(&world, 1, &victim);
    cr_assert_eq(jzx_kill(host_of(&world, 1), victim.id), JZX_OK);
    test_world_start(&world);
    test_until(&world, victim.finis == 1);
    pid_t thread = 0;
    test_do(&world, &there, note_thread, &thread);
    graveyard g = {0};
    errand e = {.to = victim.id, .message = jzx_message_pointer(6, &g, 77, bury, &g)};
    test_do(&world, &here, send_it, &e);
    cr_assert_eq(e.err, JZX_OK, "accepted is not handled");
    test_until(&world, g.count == 1);
    cr_assert_eq(g.thread, thread);
    test_until(&world, dropped(&world, JZX_DROP_NO_ACTOR) == 1);
    test_world_close(&world);
    cr_assert_eq(g.count, 1);
}

/* What became of one reported message: the letter its sender got. */
static jzx_dead_letter letter_of(const test_actor *sender)
{
    jzx_dead_letter letter = {0};
    cr_assert_eq(test_tags(sender, JZX_TAG_SYS_DEAD_LETTER), 1);
    const jzx_message *message = test_tagged(sender, JZX_TAG_SYS_DEAD_LETTER, 0);
    cr_assert_eq(message->size, sizeof letter);
    cr_assert_eq(message->sender, 0);
    memcpy(&letter, message->bytes, sizeof letter);
    return letter;
}

Test(message, a_sender_that_asks_is_told_of_a_dead_letter, .timeout = 60)
{
    for (uint32_t asks = 0; asks < 2; asks++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        test_observer observer = {0};
        test_observe(&world, 1, &observer);
        test_ledger ledger = {0};
        test_actor sender = {0};
        test_actor victim = {.ledger = &ledger};
        test_spawn(&world, 0, &sender);
        test_spawn(&world, 1, &victim);
        cr_assert_eq(jzx_kill(host_of(&world, 1), victim.id), JZX_OK);
        test_until(&world, victim.finis == 1);
        errand e = {.to = victim.id, .message = test_payload(&ledger, 31, 40), .flags = asks ? JZX_SEND_REPORT : 0};
        test_do(&world, &sender, send_it, &e);
        cr_assert_eq(e.err, JZX_OK);
        test_world_settle(&world);
        cr_assert_eq(observer.dead[JZX_DROP_NO_ACTOR], 1);
        cr_assert_eq(observer.dead_tag, 31);
        cr_assert_eq(ledger.dropped, 1);
        if (asks) {
            jzx_dead_letter letter = letter_of(&sender);
            cr_assert_eq(letter.target, victim.id);
            cr_assert_eq(letter.tag, 31);
            cr_assert_eq(letter.reason, JZX_DROP_NO_ACTOR);
        } else {
            cr_assert_eq(sender.received, 0);
        }
        test_world_close(&world);
    }
}

Test(message, D25_a_send_to_one_that_is_ending_or_gone_says_so, .timeout = 60)
{
    for (uint32_t drain = 0; drain < 2; drain++) {
        test_world world;
        test_world_open(&world, 1, NULL);
        test_ledger ledger = {0};
        test_actor actor = {.ledger = &ledger};
        test_spawn(&world, 0, &actor);
        jzx_message message = test_payload(&ledger, 1, 40);
        cr_assert_eq(jzx_send(host_of(&world, 0), actor.id, &message), JZX_OK);
        cr_assert_eq(drain ? jzx_drain(host_of(&world, 0), actor.id) : jzx_stop(host_of(&world, 0), actor.id), JZX_OK);
        message = test_payload(&ledger, 1, 40);
        cr_assert_eq(jzx_send(host_of(&world, 0), actor.id, &message), JZX_ERR_STOPPING);
        cr_assert_eq(actor.received, 0);
        test_until(&world, actor.finis == 1);
        cr_assert_eq(actor.received, drain);
        cr_assert_eq(jzx_send(host_of(&world, 0), actor.id, &message), JZX_ERR_NO_SUCH_ACTOR);
        cr_assert_eq(test_ledger_open(&ledger), 1, "refused twice, it is still the caller's");
        test_payload_take(&ledger, &message);
        cr_assert_eq(ledger.dropped, !drain);
        test_world_close(&world);
    }
}

Test(message, each_reason_of_a_drop_is_counted_and_reported, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_observer observer = {0};
    test_observe(&world, 1, &observer);
    test_ledger ledger = {0};
    test_actor victims[2] = {{.ledger = &ledger}, {.ledger = &ledger}};
    test_spawn(&world, 1, &victims[0]);
    test_spawn(&world, 1, &victims[1]);
    test_world_step(&world);
    /* In the lane when its target begins to end: STOPPING. */
    jzx_message message = test_payload(&ledger, 2, 8);
    cr_assert_eq(jzx_send(host_of(&world, 0), victims[0].id, &message), JZX_OK);
    cr_assert_eq(jzx_loop_run_once(world.loops[0], 0), JZX_OK); /* it is in the lane */
    cr_assert_eq(jzx_stop(host_of(&world, 1), victims[0].id), JZX_OK);
    test_until(&world, victims[0].finis == 1);
    cr_assert_eq(dropped(&world, JZX_DROP_STOPPING), 1);
    cr_assert_eq(observer.dead[JZX_DROP_STOPPING], 1);
    /* In the mailbox when its target ends: ENDED. */
    message = test_payload(&ledger, 3, 8);
    cr_assert_eq(jzx_send(host_of(&world, 1), victims[1].id, &message), JZX_OK);
    cr_assert_eq(jzx_stop(host_of(&world, 1), victims[1].id), JZX_OK);
    test_until(&world, victims[1].finis == 1);
    cr_assert_eq(dropped(&world, JZX_DROP_ENDED), 1);
    cr_assert_eq(observer.dead[JZX_DROP_ENDED], 1);
    /* To a loop that has stopped, when it was on its way: CLOSED. */
    message = test_payload(&ledger, 4, 8);
    cr_assert_eq(jzx_send(host_of(&world, 0), victims[1].id, &message), JZX_OK);
    cr_assert_eq(jzx_loop_run_once(world.loops[0], 0), JZX_OK);
    cr_assert_eq(jzx_loop_request_stop(world.loops[1]), JZX_OK);
    cr_assert_eq(jzx_loop_run_once(world.loops[1], 0), JZX_OK);
    test_world_settle(&world);
    cr_assert_eq(observer.dead[JZX_DROP_NO_ACTOR], 1, "it came before the loop looked at the stop");
    cr_assert_eq(jzx_send(host_of(&world, 0), victims[1].id, &message), JZX_ERR_LOOP_CLOSED);
    test_world_close(&world);
    cr_assert_eq(ledger.dropped, 3);
}

Test(message, mail_on_its_way_to_a_loop_that_closes_is_CLOSED, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_observer observer = {0};
    test_observe(&world, 1, &observer);
    test_ledger ledger = {0};
    test_actor victim = {.ledger = &ledger};
    test_spawn(&world, 1, &victim);
    test_world_step(&world);
    cr_assert_eq(jzx_loop_request_stop(world.loops[1]), JZX_OK);
    jzx_message message = test_payload(&ledger, 4, 8);
    cr_assert_eq(jzx_send(host_of(&world, 0), victim.id, &message), JZX_OK, "not closed yet");
    cr_assert_eq(jzx_loop_run_once(world.loops[1], 0), JZX_OK); /* it closes */
    cr_assert_eq(jzx_loop_run_once(world.loops[1], 0), JZX_OK); /* its actors have ended */
    cr_assert_eq(victim.finis, 1);
    test_until(&world, dropped(&world, JZX_DROP_CLOSED) == 1); /* the other publishes */
    cr_assert_eq(observer.dead[JZX_DROP_CLOSED], 1);
    test_world_close(&world);
    cr_assert_eq(ledger.dropped, 1);
}

Test(message, D26_after_the_run_nothing_is_accepted, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_ledger ledger = {0};
    test_actor actor = {.ledger = &ledger};
    test_spawn(&world, 1, &actor);
    jzx_poster *poster;
    cr_assert_eq(jzx_poster_create(world.runtime, 4, &poster), JZX_OK);
    test_world_start(&world);
    test_send(&world, &actor, 1);
    test_until(&world, actor.received == 1);
    cr_assert_eq(jzx_runtime_shutdown(world.runtime, JZX_FOREVER, NULL), JZX_OK);
    jzx_message message = test_payload(&ledger, 1, 8);
    for (unsigned i = 0; i < 10; i++) {
        cr_assert_eq(jzx_post(world.runtime, actor.id, &message), JZX_ERR_LOOP_CLOSED);
        cr_assert_eq(jzx_poster_post(poster, actor.id, &message), JZX_ERR_LOOP_CLOSED);
    }
    cr_assert_eq(jzx_poster_create(world.runtime, 4, &poster), JZX_ERR_LOOP_CLOSED);
    test_payload_take(&ledger, &message);
    test_world_close(&world);
}

/* ---- no room ---- */

Test(message, M27_a_full_lane_refuses_and_what_was_accepted_arrives, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.mailbox_cap = 1024;
    test_world world;
    test_world_open(&world, 2, &config);
    test_ledger ledger = {0};
    test_actor actor = {.ledger = &ledger};
    test_spawn(&world, 1, &actor);
    uint32_t accepted = 0;
    jzx_message message;
    jzx_err err;
    for (;; accepted++) {
        message = test_payload(&ledger, accepted, 8);
        err = jzx_send(host_of(&world, 0), actor.id, &message);
        if (err != JZX_OK) {
            break;
        }
    }
    cr_assert_eq(err, JZX_ERR_WOULD_BLOCK);
    cr_assert_eq(test_payload_take(&ledger, &message), accepted, "the refused one is untouched");
    cr_assert_gt(accepted, 200);
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, refused_block)), 1);
    test_until(&world, actor.received == accepted);
    for (uint32_t i = 0; i < accepted && i < TEST_LOG; i++) {
        cr_assert_eq(actor.log[i].tag, i);
    }
    message = test_payload(&ledger, 1, 8);
    cr_assert_eq(jzx_send(host_of(&world, 0), actor.id, &message), JZX_OK, "the room has come back");
    test_world_close(&world);
    cr_assert_eq(test_ledger_open(&ledger), 0);
}

Test(message, out_of_cells_refuses_and_recovers, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.cells = 1024;
    config.inbox_size = 16;
    config.lane_blocks = 2;
    config.mailbox_cap = 128;
    test_world world;
    test_world_open(&world, 1, &config);
    test_actor actors[9] = {0};
    for (unsigned i = 0; i < 9; i++) {
        test_spawn(&world, 0, &actors[i]);
    }
    uint32_t all = 0;
    for (unsigned round = 0; round < 3; round++) {
        jzx_message message = jzx_message_empty(1);
        uint32_t accepted = 0;
        jzx_err err = JZX_OK;
        for (unsigned i = 0; i < 9; i++) {
            while ((err = jzx_send(host_of(&world, 0), actors[i].id, &message)) == JZX_OK) {
                accepted++;
            }
        }
        cr_assert_eq(err, JZX_ERR_WOULD_BLOCK, "%s", jzx_strerror(err));
        cr_assert(accepted >= 1024 - 18 && accepted <= 1024 - 16, "%u, for those of the inbox are kept", accepted);
        all += accepted;
        test_world_settle(&world);
    }
    test_world_close(&world);
    uint32_t received = 0;
    for (unsigned i = 0; i < 9; i++) {
        received += actors[i].received;
    }
    cr_assert_eq(received, all);
}

static void post_one(void *argument)
{
    entry *e = argument;
    e->errs[0] = jzx_post(e->world->runtime, e->to, &e->message);
}

static jzx_behavior_result ask_many(jzx_context *context, test_actor *actor, void *argument)
{
    const test_actor *keeper = argument;
    jzx_message message = jzx_message_empty(1);
    (void)actor;
    for (unsigned i = 0; i < 100; i++) {
        cr_assert_eq(jzx_request(context, keeper->id, &message, JZX_FOREVER, NULL), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

/* Found by a search of tests/sim/call_test.c: nobody could post to a loop any more, most of whose cells were free. */
Test(message, cells_that_are_kept_for_long_do_not_keep_others_out, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.cells = 1024;
    config.inbox_size = 256;
    config.lane_blocks = 2;
    config.mailbox_cap = 128;
    test_world world;
    test_world_open(&world, 1, &config);
    test_actor askers[3] = {0};
    test_actor keepers[3] = {0};
    test_actor others[2] = {0};
    for (unsigned i = 0; i < 3; i++) {
        test_spawn(&world, 0, &askers[i]);
        test_spawn(&world, 0, &keepers[i]);
    }
    for (unsigned i = 0; i < 2; i++) {
        test_spawn(&world, 0, &others[i]);
    }
    for (unsigned i = 0; i < 3; i++) {
        test_do(&world, &askers[i], ask_many, &keepers[i]); /* 600 cells, for good */
    }
    for (unsigned round = 0; round < 3; round++) {
        jzx_message message = jzx_message_empty(1);
        jzx_err err = JZX_OK;
        for (unsigned i = 0; i < 2; i++) {
            while ((err = jzx_send(host_of(&world, 0), others[i].id, &message)) == JZX_OK) {
            }
        }
        cr_assert_eq(err, JZX_ERR_WOULD_BLOCK, "%s", jzx_strerror(err));
        test_world_settle(&world);
        uint32_t before = others[0].received;
        entry e = {.world = &world, .to = others[0].id, .message = message};
        test_on_thread(post_one, &e);
        cr_assert_eq(e.errs[0], JZX_OK);
        test_world_settle(&world);
        cr_assert_eq(others[0].received, before + 1, "round %u: it is not taken in", round);
    }
    test_world_close(&world);
}
