/*
 * guard.h: hot paths, each done so many times in one thread, for counting its instructions.
 *
 * The number of instructions of a path must be the same in every run, on an emulated processor too: so the clock is one of
 * ours, nothing waits, and this one thread turns the loops by hand.
 */
#ifndef GUARD_H
#define GUARD_H

#include <jzx/jzx.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { GUARD_LOOPS_MAX = 2, TAG_START = 1, TAG_TOKEN = 2 };

/* Ends the program with 3: what was counted means nothing. */
#define GUARD_CHECK(condition)                                              \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            exit(3);                                                        \
        }                                                                   \
    } while (0)

#define GUARD_OK(call)                                                                               \
    do {                                                                                             \
        jzx_err guard_err_ = (call);                                                                 \
        if (guard_err_ != JZX_OK) {                                                                  \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, jzx_strerror(guard_err_)); \
            exit(3);                                                                                 \
        }                                                                                            \
    } while (0)

/* A runtime whose loops this thread turns, and what all paths count. */
struct guard {
    jzx_runtime *runtime;
    jzx_loop *loops[GUARD_LOOPS_MAX];
    int loop_count;
    uint64_t wanted; /* operations */
    uint64_t done;
    uint64_t sum;
};

void guard_open(struct guard *guard, int loop_count, uint64_t wanted);

/* `argument` is the actor's state. */
jzx_actor_id guard_spawn(struct guard *guard, int loop, jzx_behavior_fn behavior, void *argument);

void guard_tell(struct guard *guard, jzx_actor_id to, uint32_t tag);

/* Turns the loops one after the other until all operations are done. */
void guard_turn(struct guard *guard);

void guard_close(struct guard *guard);

typedef struct guard_path {
    const char *name;
    void (*run)(uint64_t count);
    uint64_t count; /* enough that what differs from run to run does not show */
} guard_path;

/* The last one has no name. */
extern const guard_path guard_message_paths[];
extern const guard_path guard_life_paths[];
extern const guard_path guard_world_paths[];
extern const guard_path guard_order_paths[];
extern const guard_path guard_crowd_paths[];

#endif
