/*
 * jzx/observe.h: what a loop reports about itself.
 *
 * Observers are called on the loop's thread, after the change they report, and must not block. They may call any
 * function that takes the given context, which is the host's: send, spawn, stop. They cost a branch when there is none.
 * A dead letter that comes of what `dead_letter` itself sends is counted, but not shown: one that logs would never end.
 */
#ifndef JZX_OBSERVE_H
#define JZX_OBSERVE_H

#include <jzx/actor.h>
#include <jzx/segment.h>
#include <jzx/supervisor.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Which of an actor's functions ran. */
typedef enum jzx_handler_kind {
    JZX_HANDLER_MESSAGE = 0,      /* its behavior: mail that nobody waits for, or the answer to a jzx_request() */
    JZX_HANDLER_REQUEST = 1,      /* its behavior: a request */
    JZX_HANDLER_NOTICE = 2,       /* its behavior: a timer, or a system tag */
    JZX_HANDLER_CONTINUATION = 3, /* what goes on with the end of a call or of a gathering */
    JZX_HANDLER_INIT = 4,
    JZX_HANDLER_FINI = 5,
} jzx_handler_kind;

/** A handler kind as one word: "message", "init" and so on. Thread: any. Returns: never NULL. */
JZX_API const char *jzx_handler_kind_text(uint32_t kind);

/**
 * A function of an actor that took longer than slow_handler_ns, without the inits that ran in it. With measure_handlers each one
 * is timed. Else the clock is read less often while all is fast, and of up to 32 that ran between two readings the last is
 * named, or the last init or fini if there was one.
 */
typedef struct jzx_slow_handler {
    size_t struct_size; /* of the library's struct: what lies beyond is not there */
    jzx_actor_id id;
    uint64_t took_ns;
    uint32_t kind; /* jzx_handler_kind */
    uint32_t tag;  /* of what it handled; 0 for an init or a fini */
} jzx_slow_handler;

/** Functions that are NULL are skipped. `user` is what jzx_observer_add() was given. */
typedef struct jzx_observer {
    size_t struct_size; /* sizeof(jzx_observer) */
    void (*loop_start)(void *user, jzx_context *context);
    void (*loop_stop)(void *user, jzx_context *context);
    void (*actor_start)(void *user, jzx_context *context, jzx_actor_id id, const char *name);
    void (*actor_stop)(void *user, jzx_context *context, const jzx_exit_info *info, const char *name);
    void (*actor_init_failed)(void *user, jzx_context *context, const jzx_exit_info *info, const char *name);
    /* Once each time it becomes full: a send of this loop was refused or dropped, or other loops are refused from now on. */
    void (*mailbox_full)(void *user, jzx_context *context, jzx_actor_id target);
    void (*dead_letter)(void *user, jzx_context *context, jzx_actor_id target, const jzx_message *message,
                        jzx_drop_reason reason); /* before its destructor; the payload may be looked at, not kept */
    void (*slow_handler)(void *user, jzx_context *context, const jzx_slow_handler *slow);
    void (*accept_failed)(void *user, jzx_context *context, jzx_actor_id owner, int os_error);
    /* Told on the loop of the supervisor. */
    void (*supervision)(void *user, jzx_context *context, const jzx_supervision_event *event);
} jzx_observer;

/**
 * Adds an observer to a loop; one added late is not told of what was before. Copied.
 *
 * Thread:  the owner of the loop.
 * Returns: JZX_OK; JZX_ERR_LIMIT (observers_max); JZX_ERR_INVALID_ARG; JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_observer_add(jzx_loop *loop, const jzx_observer *observer, void *user);

/** Removes the observer added with `user`. Thread: the owner of the loop.
 *  Returns: JZX_OK; JZX_ERR_NOT_FOUND; JZX_ERR_INVALID_ARG; JZX_ERR_WRONG_THREAD */
JZX_API jzx_err jzx_observer_remove(jzx_loop *loop, void *user);

/** A copy of the loop's counters, word by word. Thread: any. Returns: JZX_OK; JZX_ERR_INVALID_ARG */
JZX_API jzx_err jzx_loop_stats(const jzx_loop *loop, jzx_counters *counters);

/** A loop that has given its thread to one actor for long. */
typedef struct jzx_stall {
    uint32_t loop;
    uint32_t tag;       /* of what is handled; 0 in an init or a fini */
    jzx_actor_id actor; /* whose function runs */
    uint32_t kind;      /* which: jzx_handler_kind */
    uint64_t turn;      /* jzx_segment_loop.turn: the same in the next look, it is still the same turn */
    uint64_t for_ns;    /* how long the turn has gone on: at most turn_ns more than the handler has run */
} jzx_stall;

/**
 * Lists the loops whose turn has gone on for longer than `longer_ns` and is in a handler now: no turn is longer than its
 * turn_ns but by a handler that does not return. Reads what each loop writes down for each turn anyway (jzx/segment.h), so a
 * loop pays nothing for being looked at; who looks, how often, and what is too long (some say 100 ms) is the program's choice.
 *
 * Units:   `max` entries at `stalls`, which may be NULL if it is 0; *count is how many loops are stalled, listed or not.
 * Thread:  any: that of another loop, too.
 * Returns: JZX_OK; JZX_ERR_INVALID_ARG
 */
JZX_API jzx_err jzx_runtime_stalls(const jzx_runtime *runtime, uint64_t longer_ns, jzx_stall *stalls, uint32_t max,
                                   uint32_t *count);

/** The shared segment's descriptor, for a host that passes it on; the runtime's, do not close. Thread: any. */
JZX_API int jzx_runtime_segment_fd(const jzx_runtime *runtime);

#ifdef __cplusplus
}
#endif
#endif
