/*
 * jzx/pool.h: as many workers as there is work for.
 *
 * A pool is a supervisor of two children: a JZX_DYNAMIC supervisor of the workers, and the pool's queue, an actor that all
 * work is sent to. The queue has the pool's name in the registry (jzx/name.h), so work comes by jzx_send_name(), or with
 * jzx_whereis() by jzx_send(), jzx_request(), jzx_call() and jzx_ask(). It hands work to workers that are free, through a flow
 * (jzx/flow.h) with a window of `per_worker` to each, and to the one that has the least: none holds two while another is free.
 * What nobody is free for waits in the queue's mailbox, which refuses when it is full, like any other: MAILBOX_FULL,
 * jzx_resume().
 *
 * Work is a message, of any tag and payload. A worker is done with it when its handler has returned, and with a request when
 * that was answered or delegated. The worker sees who sent it, with JZX_MESSAGE_FLOW, and its answer goes there and not through
 * the queue; the flow is the runtime's, and no call of the worker's finds it. The deadline and the cancel of a call go on with
 * it. JZX_SEND_REPORT tells of what the queue has lost, not of what a worker has.
 *
 * When a worker ends, its requests are answered by the runtime, and other work that it had is lost with it. A worker that is
 * restarted goes on in its place. The queue fails for nothing of its own; when somebody kills it the pool begins anew: what
 * waited is answered or a dead letter, and the workers are stopped in order and started again.
 *
 * Every check_ns, while there is something to look at, the queue compares its load, which is all that waits and all that
 * workers hold, divided by the workers: over grow_load it starts one more, up to workers_max; under shrink_load, and
 * cooldown_ns after the last change, it stops one that has no work, down to workers_min. A pool at its minimum without work
 * costs nothing.
 *
 * Workers are members of `group`, if that is given, each with its place as tag, from 0 to workers_max - 1, which a worker keeps
 * over restarts. So a router (jzx/router.h) can choose among them beside the queue. What comes to one by that way is not
 * counted, and lost if that one is stopped as idle.
 */
#ifndef JZX_POOL_H
#define JZX_POOL_H

#include <jzx/group.h>
#include <jzx/supervisor.h>

#ifdef __cplusplus
extern "C" {
#endif

#define JZX_POOL_WORKERS_MAX 65536u
#define JZX_POOL_PER_WORKER_MAX 1024u

#define JZX_TAG_SYS_POOL 0xFFFF0016u /* jzx_pool_info: the answer to jzx_pool_look() */

/** Begin with jzx_pool_options_init(). Copied, with the spec of the worker, as by jzx_supervisor_start(). */
typedef struct jzx_pool_options {
    size_t struct_size;
    const char *name; /* required: of the queue, as of a child with register_name */
    const jzx_child_spec
        *worker;            /* required: a JZX_WORKER without keep_mail and register_name. By JZX_PLACE_LEAST_LOADED
                                     each goes to the loop with the fewest workers of this pool */
    const jzx_group *group; /* workers join it before their init; NULL: none */
    uint32_t workers_min;   /* 1 to workers_max; default 1 */
    uint32_t workers_max;   /* to JZX_POOL_WORKERS_MAX; default 1 */
    uint32_t per_worker;    /* messages at a worker at one time, 1 to JZX_POOL_PER_WORKER_MAX; default 1 */
    uint32_t queue_max;     /* messages that wait, to cells / 8; 0: mailbox_cap of the config */
    uint32_t grow_load;     /* in thousandths of a message for each worker; more than shrink_load; default 1,000 */
    uint32_t shrink_load;   /* default 100 */
    uint64_t check_ns;      /* 1 ms and more; default 10 ms */
    uint64_t cooldown_ns;   /* default 1 s */
    uint32_t intensity;     /* of the pool's supervisor and of that of the workers, as period_ns; default 3 */
    uint64_t period_ns;     /* default 5 s */
} jzx_pool_options;

/** JZX_TAG_SYS_POOL: what a pool is doing. */
typedef struct jzx_pool_info {
    uint32_t workers;  /* that take work */
    uint32_t starting; /* that do not yet: asked for, or down and to be restarted */
    uint32_t busy;     /* of `workers`: with work */
    uint32_t waiting;  /* messages that wait for a worker */
    uint64_t handed;   /* to workers, since the queue began */
    uint32_t grown;    /* workers started since then, the first ones too */
    uint32_t shrunk;   /* workers stopped for want of work */
} jzx_pool_info;

/** Fills `options` with the defaults above. NULL is ignored. Thread: any. */
JZX_API void jzx_pool_options_init(jzx_pool_options *options);

/**
 * Starts a pool on this loop: a root from the host, else linked to this actor, as jzx_supervisor_start(), which also says how
 * the outcome is told. Then its queue takes work, and starts workers_min workers; one whose start fails is tried again every
 * check_ns. The pool ends as any supervisor does, by jzx_stop() of its id.
 *
 * Thread:  the loop's, in a handler or through jzx_loop_context().
 * Returns: JZX_OK with *id, of the supervisor, and to an actor *ref (each may be NULL); the name is taken: START_FAILED comes
 *          JZX_ERR_INVALID_ARG  NULL, a name that is empty or too long, a number out of its range, a spec that
 *                               jzx_child_check() refuses, a group of another runtime
 *          others               as jzx_supervisor_start()
 */
JZX_API jzx_err jzx_pool_start(jzx_context *context, const jzx_pool_options *options, jzx_actor_id *id, uint64_t *ref);

/**
 * Asks the queue of a pool (jzx_whereis() of its name) what it is doing. JZX_TAG_SYS_POOL comes as the answer, at once and not
 * behind the work that waits.
 *
 * Thread:  the loop's, in a handler.
 * Returns: as jzx_request(): MAILBOX_FULL too, when the queue is full. Another actor than a pool's queue gets a request of
 *          that tag
 */
JZX_API jzx_err jzx_pool_look(jzx_context *context, jzx_actor_id queue, uint64_t timeout_ns, uint64_t *ref);

#ifdef __cplusplus
}
#endif
#endif
