/*
 * jzx/actor.h: actors, from spawn to exit, monitors and links.
 *
 * An actor lives on one loop for life and runs only on its thread, one message at a time. `init` makes its state,
 * `behavior` handles each message to completion, `fini` takes the state back.
 */
#ifndef JZX_ACTOR_H
#define JZX_ACTOR_H

#include <jzx/message.h>
#include <jzx/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a behavior returns. Any other value is a failure with code JZX_EXIT_CODE_BAD_RESULT. */
typedef enum jzx_behavior_result {
    JZX_BEHAVIOR_OK = 0,        /* handled */
    JZX_BEHAVIOR_STOP = 1,      /* handled; the actor ends normally */
    JZX_BEHAVIOR_FAIL = 2,      /* the actor ends as failed; jzx_fail() on itself adds code and text */
    JZX_BEHAVIOR_YIELD = 3,     /* not done: call again with the same message after the others had their turn;
                                   mail only: for a timer or another signal it means OK */
    JZX_BEHAVIOR_UNHANDLED = 4, /* not for me: counted, a payload with a destructor is destroyed, and a request that was
                                   not answered is answered by the runtime */
    JZX_BEHAVIOR_STASH = 5,     /* not now: the message waits until jzx_unstash() (jzx/order.h); mail only, as YIELD */
} jzx_behavior_result;

typedef enum jzx_exit_kind {
    JZX_EXIT_NORMAL = 1,        /* its behavior returned STOP */
    JZX_EXIT_SHUTDOWN = 2,      /* jzx_stop(), jzx_drain() or the stop of the runtime */
    JZX_EXIT_FAIL = 3,          /* FAIL, jzx_fail(), or an invalid result */
    JZX_EXIT_KILLED = 4,        /* jzx_kill() */
    JZX_EXIT_NO_ACTOR = 5,      /* of a monitor or link: there was no such actor when it arrived */
    JZX_EXIT_LOOP_CLOSED = 6,   /* its loop has stopped */
    JZX_EXIT_LIMIT = 7,         /* of a monitor or link: the target's loop has no room for another */
    JZX_EXIT_INIT = 8,          /* init failed; seen by observers, and by what init has linked itself to */
    JZX_EXIT_ESCALATED = 9,     /* a supervisor gave up: its children failed too often */
    JZX_EXIT_START_FAILED = 10, /* a supervisor whose children could not all be started */
} jzx_exit_kind;

enum {
    JZX_EXIT_TEXT_MAX = 32,         /* bytes of text with its final zero */
    JZX_EXIT_CODE_BAD_RESULT = -1,  /* the behavior returned what is not a jzx_behavior_result */
    JZX_EXIT_CODE_UNSPECIFIED = -2, /* FAIL without jzx_fail() */
    JZX_EXIT_CODE_LIMIT = -3,       /* a handler took longer than JZX_LIMIT_FAIL allows, or the stash was full */
};

#define JZX_ACTOR_NAME_MAX 16 /* bytes of an actor's display name with its final zero */

/** How an actor ended. */
typedef struct jzx_exit_info {
    jzx_actor_id id;
    uint64_t uptime_ns;
    jzx_actor_id
        origin;    /* who ended it: itself (a drain too), who called, the supervisor, the linked one; 0: the host */
    uint32_t kind; /* jzx_exit_kind */
    int32_t code;  /* from jzx_fail() or jzx_stop_with(), the error of init, or 0 */
    uint32_t tag;  /* of the message in the handler when it ended, or 0 */
    uint32_t incarnation;          /* of a child: the number of this start, from 1; 0: not supervised */
    char text[JZX_EXIT_TEXT_MAX];  /* zero-terminated */
    jzx_actor_id supervisor;       /* 0: not supervised; so the rest */
    uint32_t child_index;          /* of this child, as its supervisor numbers them */
    uint32_t restarts;             /* decided for this child before it ended */
    char name[JZX_ACTOR_NAME_MAX]; /* display name */
} jzx_exit_info;

/** Makes the state. With state_size set, *state is zeroed memory of that size already. An error ends the spawn. */
typedef jzx_err (*jzx_init_fn)(jzx_context *context, void *argument, void **state);

/** Handles one message. A payload by pointer that is not LENT is the handler's from entry, unless it yields. */
typedef jzx_behavior_result (*jzx_behavior_fn)(jzx_context *context, void *state, const jzx_message *message);

/** Takes the state back. Runs once for each init that returned JZX_OK; its sends still work, spawns do not. */
typedef void (*jzx_fini_fn)(jzx_context *context, void *state, const jzx_exit_info *info);

typedef enum jzx_mailbox_policy {
    JZX_MAILBOX_REFUSE = 0,      /* a full mailbox refuses: JZX_ERR_MAILBOX_FULL */
    JZX_MAILBOX_DROP_NEWEST = 1, /* it accepts and destroys the new message */
    JZX_MAILBOX_DROP_OLDEST = 2, /* it accepts and destroys the oldest */
} jzx_mailbox_policy;

/** As mailbox_cap: as many messages as the loop has cells for. For tests, so only in a simulation (jzx/sim.h); elsewhere it
 *  is over any cap. */
#define JZX_MAILBOX_UNBOUNDED UINT32_MAX

/** What follows when a handler has taken longer than handler_limit_ns, which is measured: no handler is interrupted. */
typedef enum jzx_limit_action {
    JZX_LIMIT_WARN = 0,   /* it is counted and reported as a slow handler (jzx/observe.h); so with the others */
    JZX_LIMIT_CANCEL = 1, /* from then until it returns jzx_should_yield() and jzx_cancelled() say yes */
    JZX_LIMIT_FAIL = 2,   /* when it has returned the actor fails, with JZX_EXIT_CODE_LIMIT */
} jzx_limit_action;

typedef enum jzx_placement {
    JZX_PLACE_HERE = 0,         /* the loop of the caller */
    JZX_PLACE_LOOP = 1,         /* the loop `place_loop` */
    JZX_PLACE_WITH = 2,         /* the loop of the actor `place_with` */
    JZX_PLACE_LEAST_LOADED = 3, /* the loop with the fewest actors; the caller's if equal */
} jzx_placement;

/** How to spawn. Begin with jzx_spawn_options_init(). Copied; may be on the stack. */
typedef struct jzx_spawn_options {
    size_t struct_size;
    jzx_behavior_fn behavior;   /* required */
    jzx_init_fn init;           /* NULL: the state is `argument`, or zeroed memory if state_size is set */
    jzx_fini_fn fini;           /* NULL: nothing to do */
    void *argument;             /* given to init; the caller keeps it alive until then */
    uint32_t state_size;        /* bytes the runtime allocates for the state and frees after fini; 0 = none */
    uint32_t mailbox_cap;       /* messages; 0 = the config's; at most cells / 8, or JZX_MAILBOX_UNBOUNDED */
    uint32_t mailbox_bytes;     /* bytes of payloads by pointer; 0 = the config's */
    uint16_t messages_per_turn; /* handled before the next actor's turn; 0 = the config's */
    uint8_t mailbox_policy;     /* jzx_mailbox_policy */
    uint8_t placement;          /* jzx_placement */
    uint8_t limit_action;       /* jzx_limit_action */
    uint32_t place_loop;        /* for JZX_PLACE_LOOP */
    uint64_t handler_limit_ns;  /* for each call of the behavior; 0: none. One that has a limit needs an annex */
    jzx_actor_id place_with;    /* for JZX_PLACE_WITH */
    bool trap_exit;             /* as by jzx_trap_exit(), from its init on */
    bool link;                  /* linked to the spawner from before its init; if that fails, unlinked without notice */
    const char *name; /* display name, cut to JZX_ACTOR_NAME_MAX - 1 bytes; NULL = none; read during the call */
} jzx_spawn_options;

/** JZX_TAG_SYS_SPAWNED: the result of jzx_spawn_request(), with its `ref` in the message. */
typedef struct jzx_spawned {
    jzx_actor_id id; /* 0 on an error */
    int32_t err;     /* jzx_err */
    int32_t code;    /* with JZX_ERR_INIT: what init returned */
} jzx_spawned;

/** JZX_TAG_SYS_DOWN: a monitored actor has ended. */
typedef struct jzx_down {
    uint64_t monitor;
    jzx_exit_info exit;
} jzx_down;

/** JZX_TAG_SYS_EXIT, to an actor that traps exits: one it is linked to has ended, or its supervisor asks it to stop. */
typedef struct jzx_exit {
    jzx_actor_id from; /* who has ended, or the supervisor */
    jzx_exit_info exit;
} jzx_exit;

/** An exit kind as one word: "normal", "killed" and so on. Thread: any. Returns: never NULL. */
JZX_API const char *jzx_exit_kind_text(uint32_t kind);

/** Fills `options` with zeroes and the struct size. NULL is ignored. Thread: any. */
JZX_API void jzx_spawn_options_init(jzx_spawn_options *options);

/**
 * Spawns an actor on this loop. Its init runs inside this call.
 *
 * Owns:    on an error `argument` is still the caller's, unless init took it.
 * Thread:  the loop's, in a handler or through jzx_loop_context().
 * Returns: JZX_OK with *id (which may be NULL)
 *          JZX_ERR_INVALID_ARG      NULL, no behavior, an unknown policy, placement or limit action, a cap over cells / 8,
 *                                   a link to the host
 *          JZX_ERR_ACTOR_NOT_LOCAL  the placement names another loop: use jzx_spawn_request()
 *          JZX_ERR_NO_SUCH_ACTOR    place_with has ended, if it lived here, or never was
 *          JZX_ERR_NOT_FOUND        the runtime has no loop `place_loop`
 *          JZX_ERR_MAX_ACTORS       actors_max live here
 *          JZX_ERR_NO_MEMORY        for the slot, the state, the link or the annex
 *          JZX_ERR_INIT             init returned an error
 *          JZX_ERR_LIMIT            inits nested deeper than 16, links_max, or annexes_max
 *          JZX_ERR_STOPPING         in fini
 *          JZX_ERR_LOOP_CLOSED      the loop is stopping
 *          JZX_ERR_WRONG_THREAD     not the loop's thread
 */
JZX_API jzx_err jzx_spawn(jzx_context *context, const jzx_spawn_options *options, jzx_actor_id *id);

/**
 * Spawns an actor on any loop, this one too. The result comes as JZX_TAG_SYS_SPAWNED with JZX_MESSAGE_ANSWER and `ref`.
 * The init runs on the other loop's thread, so `argument` must be fit to go there.
 *
 * Thread:  the loop's, in a handler.
 * Returns: JZX_OK with *ref (which may be NULL); JZX_ERR_INVALID_ARG; JZX_ERR_NO_SUCH_ACTOR; JZX_ERR_NOT_FOUND (no such
 *          loop); JZX_ERR_WOULD_BLOCK (no free cell here or there, or no room in the lane); JZX_ERR_LIMIT (this actor
 *          holds cells / 8 cells, or links_max); JZX_ERR_NO_MEMORY; JZX_ERR_LOOP_CLOSED; JZX_ERR_STOPPING (in fini);
 *          JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_spawn_request(jzx_context *context, const jzx_spawn_options *options, uint64_t *ref);

/**
 * Five ways to end an actor, on any loop. The first one wins, except that jzx_kill() and jzx_fail() overtake a drain.
 *
 *   jzx_stop    after the message it is handling; what is queued is destroyed. A supervisor stops its children first, in
 *               reverse; it kills them at once when it is killed
 *   jzx_stop_with  the same, with `code` and `text` as for jzx_fail()
 *   jzx_drain   after what is queued now is handled; new mail is refused
 *   jzx_kill    as stop, with kind KILLED
 *   jzx_fail    as stop, with kind FAIL, `code` and `text` (NULL, or cut to JZX_EXIT_TEXT_MAX - 1 bytes; lost when the
 *               loop is out of cells)
 *
 * Owns:    `text` is copied.
 * Thread:  the loop's.
 * Returns: JZX_OK, also when it is ending already; JZX_ERR_NOT_RUNNING (the id of an incarnation to come: stop its
 *          supervisor, or ask that; from another loop such an id is passed over); JZX_ERR_NO_SUCH_ACTOR (it lived here and has ended, or never was);
 *          JZX_ERR_WOULD_BLOCK (it lives elsewhere and no cell is free here to carry the request);
 *          JZX_ERR_LOOP_CLOSED; JZX_ERR_WRONG_THREAD; JZX_ERR_INVALID_ARG
 */
JZX_API jzx_err jzx_stop(jzx_context *context, jzx_actor_id id);
JZX_API jzx_err jzx_stop_with(jzx_context *context, jzx_actor_id id, int32_t code, const char *text);
JZX_API jzx_err jzx_drain(jzx_context *context, jzx_actor_id id);
JZX_API jzx_err jzx_kill(jzx_context *context, jzx_actor_id id);
JZX_API jzx_err jzx_fail(jzx_context *context, jzx_actor_id id, int32_t code, const char *text);

/**
 * Watches the actor `target`: when it ends, this actor gets one JZX_TAG_SYS_DOWN with the exit info, after every message
 * that the target had sent it. A target that is gone already gives DOWN with JZX_EXIT_NO_ACTOR. As in OTP's monitor/2.
 *
 * Thread:  the loop's, in a handler.
 * Returns: JZX_OK with *monitor; JZX_ERR_LIMIT (monitors_max); JZX_ERR_INVALID_ARG (the host's context, or `target` 0);
 *          JZX_ERR_NO_MEMORY; JZX_ERR_STOPPING (in fini); JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_monitor(jzx_context *context, jzx_actor_id target, uint64_t *monitor);

/**
 * Removes a monitor. No DOWN of it is handled after this call, also one that is queued already (OTP's flush).
 *
 * Thread:  the loop's, in a handler.
 * Returns: JZX_OK; JZX_ERR_NO_SUCH_MONITOR (handled, removed before, or not this actor's); JZX_ERR_INVALID_ARG (the
 *          host's context); JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_demonitor(jzx_context *context, uint64_t monitor);

/**
 * Links this actor and `other`, which may live on any loop, for both: when one ends, so does the other, with the same kind,
 * code and text (FAIL for INIT), and the first one as `origin`; but not when it ends as NORMAL. One that traps exits gets
 * JZX_TAG_SYS_EXIT instead, for NORMAL too, after every message that the other had sent it. As in OTP's link/1.
 *
 * Linking again, or to oneself, changes nothing. If `other` is gone already, or its loop has no room for the link, this
 * actor is told as if it had ended, with JZX_EXIT_NO_ACTOR, JZX_EXIT_LOOP_CLOSED or JZX_EXIT_LIMIT.
 *
 * Thread:  the loop's, in a handler.
 * Returns: JZX_OK; JZX_ERR_LIMIT (links_max); JZX_ERR_NO_MEMORY; JZX_ERR_INVALID_ARG (the host's context, or `other` 0);
 *          JZX_ERR_STOPPING (in fini); JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_link(jzx_context *context, jzx_actor_id other);

/**
 * Undoes a link, for both. No exit of it is handled after this call, also one that is queued already (OTP's flush).
 *
 * Thread:  the loop's, in a handler.
 * Returns: JZX_OK, also when they are not linked; JZX_ERR_INVALID_ARG (the host's context); JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_unlink(jzx_context *context, jzx_actor_id other);

/**
 * Says whether exits of linked actors come to this actor as JZX_TAG_SYS_EXIT from now on, or end it. Ends that are asked
 * for by jzx_stop() and its like are not trapped. A supervisor asks a child that traps exits to stop by such a message.
 *
 * Thread:  the loop's, in a handler.
 * Returns: JZX_OK; JZX_ERR_INVALID_ARG (the host's context); JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_trap_exit(jzx_context *context, bool trap);

/** The index of the loop an id belongs to. Any bits give a number; whether such an actor lives is not looked at.
 *  Thread: any. */
JZX_API uint32_t jzx_actor_loop(jzx_actor_id id);

/**
 * Writes an id as "<loop.index.generation>".
 *
 * Units:   `size` bytes at `text`; 32 are always enough.
 * Thread:  any.
 * Returns: JZX_OK; JZX_ERR_INVALID_ARG (NULL); JZX_ERR_TOO_BIG (it does not fit; nothing is written)
 */
JZX_API jzx_err jzx_id_format(jzx_actor_id id, char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
