/* buffer_test: payloads that many read: who holds a reference, and that the last one frees the memory, once. */
#include "tests/support/support.h"

#include <string.h>

enum { TAG = 7, TAG_ANSWER = 8 };

static const char TEXT[] = "what is written once and read by many; longer than any message carries by value";

static jzx_context *host_of(const test_world *world, uint32_t loop)
{
    return jzx_loop_context(world->loops[loop]);
}

/* Buffers that are not freed yet. The tests allocate nothing else of this kind. */
static uint64_t buffers(const test_world *world)
{
    return world->memory[JZX_MEMORY_STATE].blocks;
}

static jzx_buffer *copy_text(const test_world *world)
{
    jzx_buffer *buffer = NULL;
    jzx_err err = jzx_buffer_copy(world->runtime, TEXT, sizeof TEXT, &buffer);
    cr_assert_eq(err, JZX_OK, "%s", jzx_strerror(err));
    return buffer;
}

/* ---- a reader ---- */

typedef struct reader {
    test_actor actor;
    bool keeps;       /* takes a reference of its own */
    bool refuses;     /* says that it is not for it */
    uint32_t yields;  /* so many times, first */
    uint32_t answers; /* with a buffer, or with what it was asked */
    jzx_buffer *kept;
    uint32_t read;
    uint32_t wrong;
} reader;

static void look_at(reader *r, const jzx_message *message)
{
    const jzx_buffer *buffer = jzx_message_buffer_of(message);
    bool right = buffer != NULL && (message->flags & JZX_MESSAGE_LENT) != 0 && message->size == sizeof TEXT &&
                 jzx_buffer_size(buffer) == sizeof TEXT && jzx_buffer_data(buffer) == message->pointer.data &&
                 memcmp(jzx_message_data(message), TEXT, sizeof TEXT) == 0;
    r->wrong += !right;
    r->read++;
}

static jzx_behavior_result read_it(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    reader *r = actor->data;
    if (message->tag != TAG && message->tag != TAG_ANSWER) {
        return JZX_BEHAVIOR_OK;
    }
    look_at(r, message);
    if (r->yields > 0) {
        r->yields--;
        return JZX_BEHAVIOR_YIELD;
    }
    if (r->keeps) {
        r->kept = jzx_buffer_ref(jzx_message_buffer_of(message));
    }
    if ((message->flags & JZX_MESSAGE_REQUEST) != 0 && r->answers) {
        jzx_message answer = jzx_message_buffer(TAG_ANSWER, jzx_buffer_ref(jzx_message_buffer_of(message)));
        cr_assert_eq(jzx_answer(context, message->ref, &answer), JZX_OK);
    }
    return r->refuses ? JZX_BEHAVIOR_UNHANDLED : JZX_BEHAVIOR_OK;
}

static void spawn_reader(test_world *world, uint32_t loop, reader *r)
{
    r->actor.on = read_it;
    r->actor.data = r;
    test_spawn(world, loop, &r->actor);
}

/* ---- making and counting ---- */

Test(buffer, the_last_reference_frees_it, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    jzx_buffer *buffer = NULL;
    void *bytes = NULL;
    cr_assert_eq(jzx_buffer_make(world.runtime, 5, &buffer, &bytes), JZX_OK);
    memcpy(bytes, "12345", 5);
    cr_assert_eq((uintptr_t)bytes % _Alignof(max_align_t), 0);
    cr_assert_eq(jzx_buffer_data(buffer), bytes);
    cr_assert_eq(jzx_buffer_size(buffer), 5);
    cr_assert_eq(jzx_buffer_ref(buffer), buffer);
    jzx_buffer_unref(buffer);
    cr_assert_eq(buffers(&world), 1);
    cr_assert_arr_eq(jzx_buffer_data(buffer), "12345", 5);
    jzx_buffer_unref(NULL);
    jzx_buffer_drop(buffer, bytes, 5);
    cr_assert_eq(buffers(&world), 0);
    test_world_close(&world);
}

static void unref_elsewhere(void *argument)
{
    jzx_buffer_unref(argument);
}

Test(buffer, any_thread_gives_it_up_also_when_the_runtime_has_gone, .timeout = 60)
{
    jzx_config config;
    jzx_runtime *runtime = NULL;
    jzx_buffer *buffer = NULL;
    test_memory memory = {0};
    jzx_config_init(&config);
    config.allocators[JZX_MEMORY_STATE] = test_memory_allocator(&memory);
    cr_assert_eq(jzx_runtime_create(&config, &runtime), JZX_OK);
    cr_assert_eq(jzx_buffer_copy(runtime, TEXT, sizeof TEXT, &buffer), JZX_OK);
    cr_assert_eq(jzx_runtime_destroy(runtime), JZX_OK);
    cr_assert_str_eq(jzx_buffer_data(buffer), TEXT);
    cr_assert_eq(memory.blocks, 1);
    test_on_thread(unref_elsewhere, buffer);
    test_memory_assert_empty(&memory);
}

Test(buffer, what_cannot_be_made, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    jzx_buffer *buffer = NULL;
    void *bytes = NULL;
    cr_expect_eq(jzx_buffer_make(NULL, 1, &buffer, &bytes), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_buffer_make(world.runtime, 0, &buffer, &bytes), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_buffer_make(world.runtime, 1, NULL, &bytes), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_buffer_make(world.runtime, 1, &buffer, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_buffer_make(world.runtime, (size_t)UINT32_MAX + 1, &buffer, &bytes), JZX_ERR_TOO_BIG);
    cr_expect_eq(jzx_buffer_make(world.runtime, SIZE_MAX, &buffer, &bytes), JZX_ERR_TOO_BIG);
    cr_expect_eq(jzx_buffer_copy(NULL, TEXT, 1, &buffer), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_buffer_copy(world.runtime, NULL, 1, &buffer), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_buffer_copy(world.runtime, TEXT, 0, &buffer), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_buffer_copy(world.runtime, TEXT, 1, NULL), JZX_ERR_INVALID_ARG);
    world.memory[JZX_MEMORY_STATE].fail_at = world.memory[JZX_MEMORY_STATE].calls + 1;
    cr_expect_eq(jzx_buffer_make(world.runtime, 1, &buffer, &bytes), JZX_ERR_NO_MEMORY);
    cr_expect_null(buffer);
    cr_expect_null(bytes);
    test_world_close(&world);
}

Test(buffer, other_messages_carry_none, .timeout = 60)
{
    jzx_message value = jzx_message_value(TAG, TEXT, 8);
    jzx_message pointer = jzx_message_pointer(TAG, (void *)(uintptr_t)TEXT, sizeof TEXT, NULL, NULL);
    cr_expect_null(jzx_message_buffer_of(&value));
    cr_expect_null(jzx_message_buffer_of(&pointer));
}

/* ---- sending ---- */

static void many_read(uint32_t loops)
{
    enum { READERS = 6 };
    test_world world;
    test_world_open(&world, loops, NULL);
    reader readers[READERS] = {0};
    for (uint32_t i = 0; i < READERS; i++) {
        spawn_reader(&world, i % loops, &readers[i]);
    }
    jzx_buffer *buffer = copy_text(&world);
    jzx_message message = jzx_message_buffer(TAG, buffer);
    for (uint32_t i = 0; i < READERS; i++) {
        (void)jzx_buffer_ref(buffer);
        jzx_err err = jzx_send(host_of(&world, 0), readers[i].actor.id, &message);
        cr_assert_eq(err, JZX_OK, "%s", jzx_strerror(err));
    }
    jzx_buffer_unref(buffer);
    cr_assert_eq(buffers(&world), 1, "those under way have it");
    test_world_settle(&world);
    for (uint32_t i = 0; i < READERS; i++) {
        cr_expect_eq(readers[i].read, 1);
        cr_expect_eq(readers[i].wrong, 0);
    }
    cr_assert_eq(buffers(&world), 0);
    test_world_close(&world);
}

Test(buffer, one_is_read_by_many_of_a_loop, .timeout = 60)
{
    many_read(1);
}

Test(buffer, one_is_read_by_many_of_two_loops, .timeout = 60)
{
    many_read(2);
}

Test(buffer, a_handler_that_keeps_it_takes_a_reference, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    reader r = {.keeps = true};
    spawn_reader(&world, 1, &r);
    jzx_message message = jzx_message_buffer(TAG, copy_text(&world));
    cr_assert_eq(jzx_send(host_of(&world, 0), r.actor.id, &message), JZX_OK);
    test_until(&world, r.read == 1);
    test_world_settle(&world);
    cr_assert_eq(buffers(&world), 1);
    cr_assert_str_eq(jzx_buffer_data(r.kept), TEXT);
    jzx_buffer_unref(r.kept);
    cr_assert_eq(buffers(&world), 0);
    test_world_close(&world);
}

Test(buffer, refused_it_is_still_the_callers_and_may_be_sent_again, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    reader r = {0};
    jzx_spawn_options options;
    r.actor.on = read_it;
    r.actor.data = &r;
    test_actor_options(&r.actor, &options);
    options.mailbox_cap = 1;
    test_spawn_with(&world, 0, &r.actor, &options);
    jzx_message message = jzx_message_buffer(TAG, copy_text(&world));
    jzx_message empty = jzx_message_empty(1);
    cr_assert_eq(jzx_send(host_of(&world, 0), r.actor.id, &empty), JZX_OK);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(jzx_send(host_of(&world, 0), r.actor.id, &message), JZX_ERR_MAILBOX_FULL);
        cr_assert_eq(buffers(&world), 1);
    }
    test_until(&world, r.actor.received == 1);
    message = jzx_message_buffer(TAG, jzx_message_buffer_of(&message));
    cr_assert_eq(jzx_send(host_of(&world, 0), r.actor.id, &message), JZX_OK);
    test_until(&world, r.read == 1);
    test_world_settle(&world);
    cr_assert_eq(buffers(&world), 0);
    test_world_close(&world);
}

Test(buffer, it_is_freed_when_nobody_handles_it, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    reader here = {.refuses = true};
    reader gone = {0};
    spawn_reader(&world, 0, &here);
    spawn_reader(&world, 1, &gone);
    jzx_message message = jzx_message_buffer(TAG, copy_text(&world));
    cr_assert_eq(jzx_send(host_of(&world, 0), here.actor.id, &message), JZX_OK);
    test_until(&world, here.read == 1);
    test_world_settle(&world);
    cr_assert_eq(buffers(&world), 0, "unhandled");
    message = jzx_message_buffer(TAG, copy_text(&world));
    cr_assert_eq(jzx_send(host_of(&world, 1), gone.actor.id, &message), JZX_OK);
    cr_assert_eq(jzx_kill(host_of(&world, 1), gone.actor.id), JZX_OK);
    message = jzx_message_buffer(TAG, copy_text(&world));
    cr_assert_eq(jzx_send(host_of(&world, 0), gone.actor.id, &message), JZX_OK);
    test_until(&world, gone.actor.finis == 1);
    test_world_settle(&world);
    cr_assert_eq(gone.read, 0);
    cr_assert_eq(buffers(&world), 0, "in the mailbox, and too late");
    test_world_close(&world);
}

Test(buffer, it_is_freed_with_the_lane_of_loops_that_never_ran, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    reader r = {0};
    spawn_reader(&world, 1, &r);
    jzx_message message = jzx_message_buffer(TAG, copy_text(&world));
    cr_assert_eq(jzx_send(host_of(&world, 0), r.actor.id, &message), JZX_OK);
    test_world_close(&world);
}

Test(buffer, a_handler_that_yields_sees_it_again, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    reader r = {.yields = 2};
    spawn_reader(&world, 0, &r);
    jzx_message message = jzx_message_buffer(TAG, copy_text(&world));
    cr_assert_eq(jzx_send(host_of(&world, 0), r.actor.id, &message), JZX_OK);
    test_until(&world, r.actor.received == 1);
    test_world_settle(&world);
    cr_assert_eq(r.read, 3);
    cr_assert_eq(r.wrong, 0);
    cr_assert_eq(buffers(&world), 0);
    test_world_close(&world);
}

static void post_one(void *argument)
{
    test_world *world = argument;
    jzx_actor_id id = 0;
    cr_assert_eq(jzx_whereis(world->runtime, "reader", &id), JZX_OK);
    jzx_message message = jzx_message_buffer(TAG, copy_text(world));
    cr_assert_eq(jzx_post(world->runtime, id, &message), JZX_OK);
    jzx_message bad = jzx_message_buffer(JZX_TAG_RESERVED, copy_text(world));
    cr_assert_eq(jzx_post(world->runtime, id, &bad), JZX_ERR_INVALID_ARG);
    jzx_buffer_unref(jzx_message_buffer_of(&bad));
}

Test(buffer, foreign_threads_post_it, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    reader r = {0};
    spawn_reader(&world, 1, &r);
    cr_assert_eq(jzx_register(host_of(&world, 1), "reader", r.actor.id), JZX_OK);
    test_on_thread(post_one, &world);
    test_until(&world, r.read == 1);
    test_world_settle(&world);
    cr_assert_eq(r.wrong, 0);
    cr_assert_eq(buffers(&world), 0);
    test_world_close(&world);
}

Test(buffer, a_mailbox_counts_all_its_bytes, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    reader r = {0};
    jzx_spawn_options options;
    r.actor.on = read_it;
    r.actor.data = &r;
    test_actor_options(&r.actor, &options);
    options.mailbox_bytes = 2 * sizeof TEXT;
    test_spawn_with(&world, 0, &r.actor, &options);
    jzx_message message = jzx_message_buffer(TAG, copy_text(&world));
    for (int i = 0; i < 2; i++) {
        (void)jzx_buffer_ref(jzx_message_buffer_of(&message));
        cr_assert_eq(jzx_send(host_of(&world, 0), r.actor.id, &message), JZX_OK);
    }
    cr_assert_eq(jzx_send(host_of(&world, 0), r.actor.id, &message), JZX_ERR_MAILBOX_FULL);
    jzx_buffer_unref(jzx_message_buffer_of(&message));
    test_world_settle(&world);
    cr_assert_eq(buffers(&world), 0);
    test_world_close(&world);
}

/* ---- requests, answers, timers ---- */

typedef struct question {
    jzx_actor_id to;
    jzx_message message;
    uint64_t ns;
    uint64_t ref;
    jzx_timer_id timer;
    jzx_err err;
} question;

static jzx_behavior_result ask(jzx_context *context, test_actor *actor, void *argument)
{
    question *q = argument;
    (void)actor;
    q->err = jzx_request(context, q->to, &q->message, JZX_FOREVER, &q->ref);
    return JZX_BEHAVIOR_OK;
}

static void asked_and_answered(uint32_t loops, uint32_t yields, bool answers)
{
    test_world world;
    test_world_open(&world, loops, NULL);
    reader asker = {0};
    reader answerer = {.answers = answers, .yields = yields};
    spawn_reader(&world, 0, &asker);
    spawn_reader(&world, loops - 1, &answerer);
    question q = {.to = answerer.actor.id, .message = jzx_message_buffer(TAG, copy_text(&world))};
    test_do(&world, &asker.actor, ask, &q);
    cr_assert_eq(q.err, JZX_OK);
    test_until(&world, answerer.actor.received == 1);
    test_world_settle(&world);
    cr_assert_eq(answerer.read, 1 + yields);
    cr_assert_eq(asker.read, answers);
    cr_assert_eq(answerer.wrong + asker.wrong, 0);
    cr_assert_eq(buffers(&world), 0, "a request that is kept keeps no payload");
    test_world_close(&world);
}

Test(buffer, a_request_lends_it_and_so_does_the_answer, .timeout = 60)
{
    asked_and_answered(1, 0, true);
    asked_and_answered(2, 0, true);
}

Test(buffer, a_request_that_yields_has_it_until_it_is_handled, .timeout = 60)
{
    asked_and_answered(1, 2, true);
    asked_and_answered(2, 1, false);
}

Test(buffer, a_request_that_is_kept_has_given_it_up, .timeout = 60)
{
    asked_and_answered(1, 0, false);
    asked_and_answered(2, 0, false);
}

static jzx_behavior_result start_once(jzx_context *context, test_actor *actor, void *argument)
{
    question *q = argument;
    (void)actor;
    q->err = jzx_timer_after(context, q->ns, &q->message, &q->timer);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result start_every(jzx_context *context, test_actor *actor, void *argument)
{
    question *q = argument;
    (void)actor;
    q->err = jzx_timer_every(context, q->ns, JZX_TICKS_SKIP, &q->message, &q->timer);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result cancel(jzx_context *context, test_actor *actor, void *argument)
{
    question *q = argument;
    (void)actor;
    q->err = jzx_timer_cancel(context, q->timer, &q->message);
    return JZX_BEHAVIOR_OK;
}

Test(buffer, a_timer_brings_it_and_gives_it_up, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    reader r = {0};
    spawn_reader(&world, 0, &r);
    question q = {.message = jzx_message_buffer(TAG, copy_text(&world)), .ns = 1};
    test_do(&world, &r.actor, start_once, &q);
    cr_assert_eq(q.err, JZX_OK);
    test_until(&world, r.read == 1);
    cr_assert_eq(buffers(&world), 0);
    r.refuses = true;
    q.message = jzx_message_buffer(TAG, copy_text(&world));
    test_do(&world, &r.actor, start_once, &q);
    test_until(&world, r.read == 2);
    cr_assert_eq(buffers(&world), 0, "unhandled");
    cr_assert_eq(r.wrong, 0);
    test_world_close(&world);
}

Test(buffer, a_periodic_timer_has_it_until_it_is_cancelled, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    reader r = {0};
    spawn_reader(&world, 0, &r);
    question q = {.message = jzx_message_buffer(TAG, copy_text(&world)), .ns = 1000};
    test_do(&world, &r.actor, start_every, &q);
    test_until(&world, r.read >= 3);
    cr_assert_eq(buffers(&world), 1);
    memset(&q.message, 0, sizeof q.message);
    test_do(&world, &r.actor, cancel, &q);
    cr_assert_eq(q.err, JZX_OK);
    cr_assert_not_null(jzx_message_buffer_of(&q.message), "it is the canceller's");
    cr_assert_eq(jzx_send(host_of(&world, 0), r.actor.id, &q.message), JZX_OK, "who may send it");
    test_world_settle(&world);
    cr_assert_eq(r.wrong, 0);
    cr_assert_eq(buffers(&world), 0);
    test_world_close(&world);
}
