/*
 * plan: a supervisor's spec as the runtime keeps it: checked, and copied with all it points to into one block.
 *
 * A plan is made on the thread that asks for it and read on the loop of its supervisor; spawn options in it are read on the
 * loop of the child they start. Nobody writes it after it was made, but for `failure`, which is its root supervisor's.
 *
 * Invariants
 *   N1  Every pointer in a plan is into its block, a function, or an argument that has no size.
 *   N2  A plan that exists is valid: what reads it checks nothing again. Backoffs that inherit have been filled in, and
 *       no field says DEFAULT.
 *   N3  depth(nested plan) == depth(plan) + 1, and none is over JZX_TREE_DEPTH_MAX.
 */
#ifndef JZX__PLAN_H
#define JZX__PLAN_H

#include "sched/loop.h"
#include <jzx/supervisor.h>

typedef struct jzx__plan jzx__plan;

typedef struct jzx__plan_child {
    jzx_spawn_options
        options;            /* name, argument and placement too; of a supervisor: src/supervisor.c fills in the rest */
    uint64_t shutdown_ns;   /* JZX_SHUTDOWN_BRUTAL, JZX_FOREVER, or a time */
    jzx_backoff backoff;    /* kind is never INHERIT; reset_ns is never 0 */
    uint32_t argument_size; /* 0: options.argument is the user's pointer */
    uint8_t type;
    uint8_t restart;
    bool significant;
    bool keep_mail;
    bool register_name;
    char name[JZX_CHILD_NAME_MAX]; /* "" = none */
    jzx__plan *plan;               /* of a supervisor: its argument too */
} jzx__plan_child;

struct jzx__plan {
    jzx_runtime *runtime; /* whose memory it lies in */
    size_t size;          /* of the block; 0: part of a larger one */
    uint32_t depth;       /* 1: a supervisor without a supervisor */
    uint8_t strategy;
    uint8_t auto_shutdown;
    uint32_t intensity;
    uint32_t children_max; /* never 0 */
    uint64_t period_ns;
    jzx_backoff backoff; /* kind is never INHERIT */
    char name[JZX_ACTOR_NAME_MAX];
    uint32_t child_count;
    jzx__plan_child *children;
    jzx_start_failure failure; /* of the start of a root */
};

/* What is wrong first (spec.c says in which order); *path leads there. `depth`: of `spec`, 1 for a root. */
jzx_spec_fault jzx__plan_check(const jzx_runtime *runtime, const jzx_supervisor_spec *spec, uint32_t depth,
                               jzx_child_path *path);
/* The same for one child that is to be added to a supervisor of this depth with this auto_shutdown; *path begins at it. */
jzx_spec_fault jzx__plan_check_child(const jzx_runtime *runtime, const jzx_child_spec *spec, uint32_t depth,
                                     uint32_t auto_shutdown, jzx_child_path *path);
/* INVALID_ARG, DUPLICATE or TOO_DEEP. */
jzx_err jzx__plan_error(jzx_spec_fault fault);

/*
 * Copies a spec that was checked. NO_MEMORY, from the state allocator; TOO_BIG. One child is a plan with one child, whose
 * inherited backoff stays INHERIT until jzx__plan_join() gives it to its supervisor.
 */
jzx_err jzx__plan_make(jzx_runtime *runtime, const jzx_supervisor_spec *spec, uint32_t depth, jzx__plan **plan);
jzx_err jzx__plan_make_child(jzx_runtime *runtime, const jzx_child_spec *spec, jzx__plan **plan);
/* Fills in, once, what such a child has of its supervisor: backoff, depth of what is below. TOO_DEEP changes nothing. */
jzx_err jzx__plan_join(jzx__plan *child, const jzx__plan *supervisor);
void jzx__plan_free(jzx__plan *plan); /* any thread; one of a larger block: nothing */

#endif
