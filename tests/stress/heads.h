/*
 * heads: heads on all loops, each with one actor after another, on any loop: the next as soon as it hears that the one before
 * has ended. When all of them have had enough the runtime is stopped.
 */
#ifndef JZX_STRESS_HEADS_H
#define JZX_STRESS_HEADS_H

#include "stress.h"

enum { STRESS_HEADS = 6 };

struct stress_heads;

/* The argument of its actors. */
typedef struct stress_head {
    struct stress_heads *all;
    uint64_t random;
    uint32_t index;
    uint32_t lives;
    bool done;
} stress_head;

typedef struct stress_heads {
    const stress_world *world;
    jzx_spawn_options options; /* of their actors */
    uint32_t lives_each;
    _Atomic(uint32_t) done;
    _Atomic(bool) over; /* the runtime is being stopped */
    stress_head each[STRESS_HEADS];
} stress_heads;

static inline void stress_head_done(stress_head *head)
{
    stress_heads *all = head->all;
    if (!head->done && atomic_fetch_add(&all->done, 1) + 1 == STRESS_HEADS) {
        atomic_store(&all->over, true);
        CHECK_OK(jzx_runtime_request_stop(all->world->runtime));
    }
    head->done = true;
}

static inline void stress_head_appoint(jzx_context *context, stress_head *head)
{
    if (head->lives == head->all->lives_each) {
        stress_head_done(head);
        return;
    }
    jzx_spawn_options options = head->all->options;
    options.argument = head;
    options.placement = JZX_PLACE_LOOP;
    options.place_loop = (uint32_t)(stress_random(&head->random) % head->all->world->count);
    jzx_err err = jzx_spawn_request(context, &options, NULL);
    if (err == JZX_ERR_WOULD_BLOCK) {
        jzx_message again = jzx_message_empty(1);
        CHECK_OK(jzx_timer_after(context, 50000, &again, NULL));
        return;
    }
    CHECK_OK(err);
    head->lives++;
}

/* An init may refuse a life, with NOT_FOUND. */
static inline jzx_behavior_result stress_head_behave(jzx_context *context, void *state, const jzx_message *message)
{
    stress_head *head = state;
    if (message->tag != JZX_TAG_SYS_SPAWNED) {
        stress_head_appoint(context, head); /* at first, again, or after a DOWN */
        return JZX_BEHAVIOR_OK;
    }
    jzx_spawned result;
    memcpy(&result, jzx_message_data(message), sizeof result);
    if (result.err == JZX_OK) {
        uint64_t monitor;
        CHECK_OK(jzx_monitor(context, result.id, &monitor));
    } else {
        CHECK(result.err == JZX_ERR_INIT && result.code == JZX_ERR_NOT_FOUND);
        stress_head_appoint(context, head);
    }
    return JZX_BEHAVIOR_OK;
}

/* Begins, on a world whose loops do not run yet; `options` and `lives_each` are set. */
static inline void stress_heads_begin(stress_heads *all, const stress_world *world, uint64_t seed)
{
    all->world = world;
    for (uint32_t i = 0; i < STRESS_HEADS; i++) {
        all->each[i] = (stress_head){.all = all, .random = seed + i, .index = i};
        uint32_t loop = i % world->count;
        jzx_actor_id id = stress_spawn(world, loop, stress_head_behave, &all->each[i], 0);
        jzx_message begin = jzx_message_empty(1);
        CHECK_OK(jzx_send(jzx_loop_context(world->loops[loop]), id, &begin));
    }
}

/* An actor that is there, and does nothing. */
static inline jzx_behavior_result stress_stay(jzx_context *context, void *state, const jzx_message *message)
{
    (void)context;
    (void)state;
    (void)message;
    return JZX_BEHAVIOR_OK;
}

#endif
