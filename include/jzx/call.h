/*
 * jzx/call.h: asking: calls and their answers, deadlines, scopes and cancellation, gathering.
 *
 * A call is a request (jzx/message.h) whose answer comes to a function, its continuation, in a later turn of the caller. In
 * between the caller handles its other mail. Each call that was accepted ends in one way: its continuation runs once, with
 * the answer or with the error that stands for it; or the caller ends first.
 *
 * Deadlines and cancellation flow. A call belongs to the scope it is made in: that of the request whose handler, or whose
 * call's continuation, makes it, or one opened by jzx_scope_open(). Its deadline is the nearest of its own and those of all
 * scopes around it. When a call is cancelled, or its caller ends, the request at its target is cancelled too, and what the
 * target has asked others for it, on all loops: soon, and level-triggered, so a handler looks with jzx_cancelled() when it
 * likes. A request that was cancelled, or whose deadline has passed, before its turn is not handled, but answered. One that
 * is cancelled later stays its actor's to answer; nobody waits for it, and its answer is dropped and counted.
 *
 * A request that was answered has no scope any more: calls made for it go on, with their deadlines.
 *
 * A request by jzx_request() is the small form: answered alike, but nothing flows with it.
 */
#ifndef JZX_CALL_H
#define JZX_CALL_H

#include <jzx/actor.h>
#include <jzx/message.h>

#ifdef __cplusplus
extern "C" {
#endif

#define JZX_CYCLE_MAX 8u        /* ids of a deadlock that are listed */
#define JZX_WAITS_MAX 8u        /* exclusive waits of one actor, one inside the other by re-entry */
#define JZX_NEED_ALL UINT32_MAX /* of a gathering: every call must be answered */
#define JZX_NEED_NONE 0u        /* of a gathering: none must be; it waits until every call has ended */

/** Actors that wait for each other: each for the next one, and the last for the first. The first is the one that is told. */
typedef struct jzx_cycle {
    uint32_t length; /* of the whole cycle */
    uint32_t listed; /* of `ids`: all of them, or JZX_CYCLE_MAX */
    jzx_actor_id ids[JZX_CYCLE_MAX];
} jzx_cycle;

/**
 * How a call ended. `err` is JZX_OK with `message`, or says why there is no answer:
 *   JZX_ERR_TIMEOUT        the deadline passed
 *   JZX_ERR_CANCELLED      cancelled, by jzx_call_cancel() or with its scope
 *   JZX_ERR_NO_SUCH_ACTOR  the target was gone when the request arrived
 *   JZX_ERR_STOPPING       it was ending
 *   JZX_ERR_ENDED          it ended without answering: none->exit_kind and none->exit_code say how
 *   JZX_ERR_MAILBOX_FULL   its mailbox dropped the request, by its policy
 *   JZX_ERR_LIMIT          it keeps as many requests as it may
 *   JZX_ERR_UNHANDLED      its behavior returned UNHANDLED
 *   JZX_ERR_LOOP_CLOSED    its loop has stopped
 *   JZX_ERR_DEADLOCK       an exclusive call that was part of `cycle`
 */
typedef struct jzx_result {
    jzx_err err;
    uint64_t ref;               /* of the call */
    const jzx_message *message; /* with JZX_OK: the answer, as a behavior would get it; else NULL */
    const jzx_no_answer *none;  /* else: what the runtime says of it; NULL with JZX_OK */
    const jzx_cycle *cycle;     /* with JZX_ERR_DEADLOCK; else NULL */
} jzx_result;

/**
 * Goes on when a call has ended. Returns what a behavior returns; YIELD, STASH and UNHANDLED mean OK, but a payload that
 * was handed over meets its destructor with UNHANDLED. All that `result` points to is valid until it returns.
 */
typedef jzx_behavior_result (*jzx_answer_fn)(jzx_context *context, void *state, void *argument,
                                             const jzx_result *result);

/** More of a call. Begin with jzx_call_options_init(). Copied; may be on the stack. */
typedef struct jzx_call_options {
    size_t struct_size;
    uint64_t deadline_ns;    /* a time of CLOCK_MONOTONIC; default JZX_FOREVER: those of the scopes around it only */
    jzx_answer_fn on_answer; /* required */
    void *argument;          /* given to on_answer */
    bool high;               /* the request is of high priority (jzx/order.h), also where it is handed on to */
    bool exclusive;          /* until it ends the caller handles nothing else: see jzx_call_with() */
    jzx_cycle *cycle;        /* filled when JZX_ERR_DEADLOCK is returned; may be NULL */
} jzx_call_options;

/** Fills `options`: no deadline, neither high nor exclusive. Thread: any. NULL is ignored. */
JZX_API void jzx_call_options_init(jzx_call_options *options);

/**
 * Sends `message` to `to` as a request; `on_answer` gets the answer.
 *
 * The target is told by JZX_MESSAGE_REQUEST, and answers with jzx_answer() at any time, or has another do it with
 * jzx_delegate(). Two cells of this loop are kept until the call ends, so its end is never refused. A call that is made for
 * another, of an actor that may wait for it, is not refused because a mailbox of another loop is marked full: it is answered
 * JZX_ERR_MAILBOX_FULL if there is no room when it arrives.
 *
 * Units:   `deadline_ns` is a time of CLOCK_MONOTONIC, as jzx_now_ns() gives it, not a delay, and is compared with that;
 *          JZX_FOREVER: only the deadlines of the scopes around the call count.
 * Owns:    as jzx_send().
 * Thread:  the loop's, in a handler.
 * Returns: as jzx_send(), and
 *          JZX_ERR_TIMEOUT    the deadline, or that of a scope around, has passed already
 *          JZX_ERR_CANCELLED  a scope around was cancelled
 *          JZX_ERR_LIMIT      this actor holds cells / 8 cells, of which a call is two, or timers_max is reached
 *          JZX_ERR_STOPPING   in fini
 */
JZX_API jzx_err jzx_call(jzx_context *context, jzx_actor_id to, const jzx_message *message, uint64_t deadline_ns,
                         jzx_answer_fn on_answer, void *argument);

/**
 * jzx_call() with options. `ref`, which may be NULL, names the call until it ends.
 *
 * Exclusive: until the call ends the actor handles nothing but that end, requests of the same chain of calls (who was asked may
 * ask back: re-entry) and its supervisor's word to stop. All else waits in its place, ends of other calls too; so in this the
 * order of what one sends to the other has an exception. Calls are of one chain that are made for the same first call,
 * through any number of actors. A full mailbox does not keep requests of the chain out. A handler that has made an exclusive
 * call cannot put its message back: with YIELD or STASH a payload that was handed over meets its destructor, and a request
 * stays to be answered. An actor that drains does so when it has waited; what else ends it does so at once.
 *
 * Actors that so wait for each other in a circle would wait for ever. Where the circle would be closed on one loop the call
 * is refused (of a circle of up to 256). Else it is found soon after it was closed, and the call of one of its actors, the one
 * with the largest id, ends with JZX_ERR_DEADLOCK. A circle that a deadline, a death or an answer broke before that is not
 * reported. Who waits is waited for by whoever has his request, also one to whom it was handed on by jzx_delegate(). A call
 * that is not exclusive is in no circle, for who made that handles other mail, which may answer what he was asked. Should a
 * handler of the chain, or one that is told to stop, answer or hand on a request that the actor was given before it waited, or
 * a full mailbox drop one of the circle, a circle may be told that it would have opened.
 *
 * Owns, Thread: as jzx_call().
 * Returns: as jzx_call(), and
 *          JZX_ERR_DEADLOCK     the target waits, directly or through others of this loop, for this actor; *cycle says how
 *          JZX_ERR_LIMIT        also, exclusive: JZX_WAITS_MAX waits of this actor, one in the other; a handler that is not
 *                               of the chain it waits in (of its supervisor's word); annexes_max
 *          JZX_ERR_INVALID_ARG  options without on_answer or of another size; a second exclusive call in one handler
 *          JZX_ERR_NO_MEMORY    exclusive: for the annex of this actor, or what it waits with
 */
JZX_API jzx_err jzx_call_with(jzx_context *context, jzx_actor_id to, const jzx_message *message,
                              const jzx_call_options *options, uint64_t *ref);

/**
 * Gives a call up: its continuation runs with JZX_ERR_CANCELLED in a later turn, and the request at the target is cancelled.
 * If its end is in this actor's mailbox already, it has ended: that end comes.
 *
 * Thread:  the loop's, in a handler of the actor that called.
 * Returns: JZX_OK; JZX_ERR_NO_SUCH_REQUEST (ended, or another's); JZX_ERR_INVALID_ARG; JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_call_cancel(jzx_context *context, uint64_t ref);

/**
 * Hands the duty to answer the request `ref` to another actor: `message` goes to `to` as a request of the one who asked,
 * with its deadline, and its cancel follows, on all loops. Once accepted, `ref` is no more this actor's, and what this actor
 * has asked for it goes on without a scope. Of a call that goes to another loop one cell of this loop is kept until it has been
 * answered, three if it is exclusive. The request has no place in the order of what the one who asked sends to `to`.
 *
 * Owns:    as jzx_send(): refused, the request is still this actor's to answer, but for CANCELLED and TIMEOUT.
 * Thread:  the loop's, in a handler of the actor that received the request.
 * Returns: as jzx_send(), and
 *          JZX_ERR_NO_SUCH_REQUEST  answered before, or another's
 *          JZX_ERR_CANCELLED, JZX_ERR_TIMEOUT  it is not wanted any more: the runtime has answered it
 *          JZX_ERR_LIMIT            it was delegated 255 times
 *          JZX_ERR_STOPPING         also: in fini
 */
JZX_API jzx_err jzx_delegate(jzx_context *context, uint64_t ref, jzx_actor_id to, const jzx_message *message);

/* ---- scopes ---- */

/** The nearest deadline of the scopes around: what is handled now is worth nothing after it. JZX_FOREVER if there is none.
 *  Thread: the loop's. */
JZX_API uint64_t jzx_deadline(const jzx_context *context);

/**
 * Whether what is handled now is not wanted any more: a scope around was cancelled, its deadline has passed, or the handler has
 * used up a limit of its actor with JZX_LIMIT_CANCEL. Stays true. Never true in a shield. Reads the clock if there is a
 * deadline or such a limit.
 * Thread: the loop's.
 */
JZX_API bool jzx_cancelled(const jzx_context *context);

/**
 * Opens a scope inside the one around and makes it the one around, for the rest of this handler, and in the continuations of
 * calls made in it. Inside of one that was cancelled it is cancelled too.
 *
 * Units:   `deadline_ns` as in jzx_call(); one that has passed is no error: calls in it are refused.
 * Thread:  the loop's, in a handler.
 * Returns: JZX_OK with *scope; JZX_ERR_LIMIT or JZX_ERR_WOULD_BLOCK (no cell for it); JZX_ERR_INVALID_ARG;
 *          JZX_ERR_STOPPING (in fini); JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_scope_open(jzx_context *context, uint64_t deadline_ns, uint64_t *scope);

/**
 * Cancels what is still open in a scope, as jzx_cancel() does, and forgets it. The continuations of its calls run in the one
 * around it. A scope that is not closed stays, with its cell, until its actor ends.
 *
 * Thread:  the loop's, in a handler of the actor that opened it. What an actor has open is closed when it ends.
 * Returns: JZX_OK; JZX_ERR_NOT_FOUND (closed, or another's); JZX_ERR_INVALID_ARG; JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_scope_close(jzx_context *context, uint64_t scope);

/**
 * Cancels a scope of this actor: the calls in it and in the scopes inside end with JZX_ERR_CANCELLED in later turns, and new
 * ones are refused. Cancelling again changes nothing. A loop cancels 256 calls at a time, the others in its next turns.
 *
 * Thread, Returns: as jzx_scope_close().
 */
JZX_API jzx_err jzx_cancel(jzx_context *context, uint64_t scope);

/**
 * Shields this actor until jzx_shield_leave(): what would stop it (jzx_stop(), jzx_drain(), its supervisor, the stop of the
 * runtime; not jzx_kill(), jzx_fail() or a failing link) waits until it has left as often as it entered, at most shield_max_ns
 * (jzx_config) and the shutdown time of its supervisor. Calls made meanwhile are in no scope: nothing cancels what cleans up.
 * The first end that comes meanwhile counts, except that a stop overtakes a drain. What the actor asks for itself does not
 * wait. It goes on to get mail; when the runtime stops, those whom it calls may have ended before it.
 *
 * Thread:  the loop's, in a handler.
 * Returns: JZX_OK; JZX_ERR_NO_MEMORY or JZX_ERR_LIMIT (the annex of this actor, or 255 deep); JZX_ERR_INVALID_ARG (the
 *          host's context; leave: not shielded); JZX_ERR_STOPPING (in fini); JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_shield_enter(jzx_context *context);
JZX_API jzx_err jzx_shield_leave(jzx_context *context);

/* ---- several at once ---- */

/** How a gathering ended. */
typedef struct jzx_gathered {
    jzx_err err;    /* JZX_OK: `need` were answered; else of the call that made this impossible, or JZX_ERR_TIMEOUT,
                           JZX_ERR_CANCELLED of the gathering itself */
    uint32_t calls; /* accepted by jzx_gather_call() */
    uint32_t answered;
    uint32_t failed;    /* ended without an answer */
    uint32_t cancelled; /* given up, since it was decided without them */
} jzx_gathered;

/** A call of a gathering has ended; `index` is the caller's. Returns as jzx_answer_fn. */
typedef jzx_behavior_result (*jzx_gather_each_fn)(jzx_context *context, void *state, void *argument, uint32_t index,
                                                  const jzx_result *result);
/** The gathering is decided; runs once, in the same turn as the end that decided it. Returns as jzx_answer_fn. */
typedef jzx_behavior_result (*jzx_gather_done_fn)(jzx_context *context, void *state, void *argument,
                                                  const jzx_gathered *gathered);

/** A gathering. Begin with jzx_gather_options_init(). Copied; may be on the stack. */
typedef struct jzx_gather_options {
    size_t struct_size;
    uint64_t deadline_ns;       /* of every call, as in jzx_call(); default JZX_FOREVER */
    uint32_t need;              /* answers that decide it: JZX_NEED_ALL (default), 1 for the first, a quorum, or
                                   JZX_NEED_NONE */
    jzx_gather_each_fn on_each; /* NULL: answers are dropped, with their destructors */
    jzx_gather_done_fn on_done; /* required */
    void *argument;             /* given to both */
} jzx_gather_options;

/** Fills `options`: all needed, no deadline. Thread: any. NULL is ignored. */
JZX_API void jzx_gather_options_init(jzx_gather_options *options);

/**
 * Several calls whose ends are waited for together: jzx_gather_begin(), then jzx_gather_call() for each, then
 * jzx_gather_end(), in one handler or several. It is decided when `need` calls were answered, or can not be any more; what is
 * still open is then cancelled, without on_each. With JZX_NEED_NONE it is decided when every call has ended, well or not.
 * Nothing is decided before jzx_gather_end(), except by the deadline.
 *
 * A call that is refused is not part of it, and its payload still the caller's, who may cancel the gathering or do without.
 *
 * Owns, Thread: as jzx_call().
 * Returns: begin  JZX_OK with *gather; JZX_ERR_TIMEOUT, JZX_ERR_CANCELLED, JZX_ERR_LIMIT, JZX_ERR_WOULD_BLOCK,
 *                 JZX_ERR_STOPPING, JZX_ERR_WRONG_THREAD as jzx_call(); JZX_ERR_INVALID_ARG (no on_done)
 *          call   as jzx_call(), and JZX_ERR_NO_SUCH_REQUEST (ended, decided, or another's)
 *          end    JZX_OK; JZX_ERR_NO_SUCH_REQUEST; JZX_ERR_INVALID_ARG: `need` is over the number of calls, or
 *                 there are none, and the gathering is cancelled: on_done tells with JZX_ERR_CANCELLED
 */
JZX_API jzx_err jzx_gather_begin(jzx_context *context, const jzx_gather_options *options, uint64_t *gather);
JZX_API jzx_err jzx_gather_call(jzx_context *context, uint64_t gather, jzx_actor_id to, const jzx_message *message,
                                uint32_t index);
JZX_API jzx_err jzx_gather_end(jzx_context *context, uint64_t gather);

/** Gives a gathering up: on_done runs with JZX_ERR_CANCELLED in a later turn. Thread: as jzx_call().
 *  Returns: JZX_OK; JZX_ERR_NO_SUCH_REQUEST; JZX_ERR_INVALID_ARG; JZX_ERR_WRONG_THREAD */
JZX_API jzx_err jzx_gather_cancel(jzx_context *context, uint64_t gather);

#ifdef __cplusplus
}
#endif
#endif
