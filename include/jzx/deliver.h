/*
 * jzx/deliver.h: deliveries: messages that are sent again until a receiver has accepted them.
 *
 * A message goes with the actor it was sent to, and so does a call. A delivery to a name, or to a child of a supervisor, goes
 * on: to whoever has that name, or is that child, at the next attempt. It ends once: accepted, refused, or given up.
 *
 * The sender has a jzx_deliverer, the receiver a jzx_intake: plain objects of their actors, no actors of their own. Each
 * attempt is a call (jzx/call.h) and belongs to the scope that the delivery was made in. Nothing that the runtime accepted
 * is ever lost in silence, so an attempt is made again when it has failed, not because time has passed; unless
 * attempt_ns says so. One payload serves all attempts: it is not copied again.
 *
 * What is promised
 *   - A delivery ends with one on_done, if its sender does not end before. A sender that ends takes its deliveries with it.
 *   - JZX_OK says that a receiver has taken it and answered 0, JZX_ERR_REFUSED that it has answered something else. After any
 *     other end it may have been taken all the same.
 *   - An intake hands a delivery out once to the actor it serves. An attempt that comes after the answer gets the same, and
 *     the actor does not hear of it; one that comes before the answer waits for that.
 *   - So a delivery is taken exactly once while its receiver's intake lives; and once more for each intake that begins
 *     anew, when the receiver before it ended between taking and answering, or its answer came too late.
 *   - Nothing is said of the order of deliveries. Who needs one makes the next when the last has ended.
 *
 * A receiver that is restarted has the choice: to make a new intake, and be ready to be told again what it did; to keep
 * what it did with the keys of deliveries in a store of its own; or to hand the intake on (jzx_intake_create()).
 */
#ifndef JZX_DELIVER_H
#define JZX_DELIVER_H

#include <jzx/actor.h>
#include <jzx/buffer.h>
#include <jzx/name.h>
#include <jzx/supervisor.h>

#ifdef __cplusplus
extern "C" {
#endif

#define JZX_TAG_SYS_DELIVERY 0xFFFF0020u /* an attempt: for jzx_intake_take(). UNHANDLED refuses all deliveries */

#define JZX_DELIVERIES_MAX 4096u /* open at one time, of one deliverer */
#define JZX_SENDERS_MAX 65536u   /* that one intake knows at one time */

/* ---- the sender ---- */

typedef struct jzx_deliverer jzx_deliverer;

/** Who gets a delivery. Made by one of the three functions below. */
typedef struct jzx_addressee {
    jzx_actor_id id;         /* 0: it is `child` or `name` */
    jzx_child_ref child;     /* 0: it is `id` or `name` */
    char name[JZX_NAME_MAX]; /* "": it is `id` or `child` */
} jzx_addressee;

/** One incarnation: when that has ended, the delivery ends. Thread: any. */
JZX_API jzx_addressee jzx_addressee_id(jzx_actor_id id);
/** A child of a supervisor, whichever incarnation lives; it ends with the child's spec. Thread: any. */
JZX_API jzx_addressee jzx_addressee_child(jzx_child_ref child);
/** Whoever has the name (jzx/name.h) when an attempt is made. One that is too long is refused by jzx_deliver(). Thread: any. */
JZX_API jzx_addressee jzx_addressee_name(const char *name);

/**
 * How a delivery ended. `err`:
 *   JZX_OK               accepted
 *   JZX_ERR_REFUSED      the receiver has answered `code`
 *   JZX_ERR_UNHANDLED    the receiver takes no deliveries
 *   JZX_ERR_UNDELIVERED  the first attempt and retries_max others have failed: `last` says how the last one did
 *   JZX_ERR_TIMEOUT      the deadline passed, or that of a scope around it
 *   JZX_ERR_CANCELLED    by jzx_deliver_cancel(), or with its scope
 *   JZX_ERR_NO_SUCH_ACTOR, JZX_ERR_STOPPING, JZX_ERR_ENDED, JZX_ERR_LOOP_CLOSED  to an id: that actor is no more
 *   JZX_ERR_NOT_FOUND    to a child: it was deleted, or its supervisor has ended
 *   JZX_ERR_TOO_BIG      the receiver can never have room for the payload, or the deliverer's capacity is over what its
 *                        intake keeps for a sender
 *   JZX_ERR_WOULD_BLOCK, JZX_ERR_LIMIT  an attempt has failed, and there is no cell here to wait with for the next, or this
 *                        actor holds as many as it may
 */
typedef struct jzx_delivered {
    uint64_t delivery;
    jzx_err err;
    int32_t code;      /* with JZX_ERR_REFUSED; else 0 */
    uint32_t attempts; /* made, refused sends among them */
    jzx_err last;      /* how the last attempt failed before this end; JZX_OK if none has */
} jzx_delivered;

/** A delivery has ended. Returns as jzx_answer_fn. */
typedef jzx_behavior_result (*jzx_delivered_fn)(jzx_context *context, void *state, void *argument,
                                                const jzx_delivered *delivered);

/**
 * How to deliver. Begin with jzx_deliver_options_init(). Copied; may be on the stack.
 *
 * An attempt that has a limit of its own should have more than the receiver's mail waits: a call whose deadline has passed is
 * not handled. Give a deadline: without one an intake that has met the deliverer keeps a place for it while its actor lives,
 * and has none for another (jzx_intake_create()).
 */
typedef struct jzx_deliver_options {
    size_t struct_size;
    uint64_t retry_ns;    /* from an attempt's failure to the next attempt; 1 and more; default 100 ms */
    uint64_t attempt_ns;  /* an attempt not answered for so long has failed; default JZX_FOREVER: none fails by that */
    uint64_t deadline_ns; /* of all, a time of CLOCK_MONOTONIC as in jzx_call(); default JZX_FOREVER */
    uint32_t retries_max; /* attempts after the first, below UINT32_MAX; default 10 */
    jzx_delivered_fn on_done; /* required */
    void *argument;           /* given to on_done */
} jzx_deliver_options;

/** Fills `options` with the defaults above. Thread: any. NULL is ignored. */
JZX_API void jzx_deliver_options_init(jzx_deliver_options *options);

/**
 * Makes a deliverer for this actor.
 *
 * Deliveries are numbered from 1, and those open are within `capacity` of the oldest open one: so a receiver need remember
 * `capacity` of them.
 *
 * Units:   `capacity` is 1 to JZX_DELIVERIES_MAX.
 * Owns:    the actor, which ends it in its fini, or before. All its memory is taken here, 136 bytes for each of `capacity`,
 *          of the JZX_MEMORY_STATE allocator. Each open delivery has one jzx_buffer of 104 bytes, and at most three
 *          cells of this loop.
 * Thread:  the loop's, in a handler or in init.
 * Returns: JZX_OK with *deliverer; JZX_ERR_NO_MEMORY; JZX_ERR_INVALID_ARG (also the host's context); JZX_ERR_STOPPING (in
 *          fini); JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_deliverer_create(jzx_context *context, uint32_t capacity, jzx_deliverer **deliverer);

/**
 * Ends a deliverer. In fini the deliveries that are open end with it, without on_done. NULL is ignored.
 *
 * Thread:  the loop's, in a handler or in fini of the actor that made it.
 * Returns: JZX_OK; JZX_ERR_BUSY (not in fini: some are open; cancel them first); JZX_ERR_INVALID_ARG (another's);
 *          JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_deliverer_destroy(jzx_context *context, jzx_deliverer *deliverer);

/**
 * Delivers `message` to `to`. on_done tells in a later turn how it ended.
 *
 * The first attempt is made here. That nobody can take it now is no error while there are others (retries_max).
 *
 * Units:   the payload is by value, or a jzx_buffer.
 * Owns:    as jzx_send().
 * Thread:  the loop's, in a handler of the actor that made the deliverer.
 * Returns: JZX_OK with *delivery (which may be NULL)
 *          JZX_ERR_LIMIT          `capacity` (a delivery that is open for long holds up others), or this actor holds cells / 8
 *                                 cells, or timers_max
 *          JZX_ERR_WOULD_BLOCK    no free cell here to wait with
 *          JZX_ERR_NO_SUCH_ACTOR, JZX_ERR_STOPPING, JZX_ERR_LOOP_CLOSED  to an id that has ended
 *          JZX_ERR_NOT_FOUND      to a child that was deleted
 *          JZX_ERR_TOO_BIG        the payload alone is over the byte cap of the receiver, which lives here
 *          JZX_ERR_TIMEOUT, JZX_ERR_CANCELLED  as jzx_call()
 *          JZX_ERR_NOT_FOUND, JZX_ERR_NOT_RUNNING, JZX_ERR_MAILBOX_FULL and so on: with retries_max 0, of the one attempt
 *          JZX_ERR_INVALID_ARG    NULL, a reserved tag, a payload of another kind, options of another size or out of their
 *                                 range, no addressee or an impossible one, another actor's deliverer, the host's context
 *          JZX_ERR_NO_MEMORY, JZX_ERR_STOPPING (in fini), JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_deliver(jzx_context *context, jzx_deliverer *deliverer, const jzx_addressee *to,
                            const jzx_message *message, const jzx_deliver_options *options, uint64_t *delivery);

/**
 * Gives a delivery up: on_done runs with JZX_ERR_CANCELLED in a later turn. It may have been taken.
 *
 * Thread:  as jzx_deliver().
 * Returns: JZX_OK; JZX_ERR_NO_SUCH_REQUEST (it has ended); JZX_ERR_INVALID_ARG; JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_deliver_cancel(jzx_context *context, jzx_deliverer *deliverer, uint64_t delivery);

/** How many deliveries are open. Thread: the loop's. */
JZX_API uint32_t jzx_deliverer_open(const jzx_deliverer *deliverer);

/* ---- the receiver ---- */

typedef struct jzx_intake jzx_intake;

/** Names one delivery, among all of a runtime: the same in each attempt and to each receiver. For a store of who receives. */
typedef struct jzx_delivery_key {
    uint64_t sender; /* the deliverer, not an actor */
    uint64_t number;
} jzx_delivery_key;

/**
 * Makes an intake. It knows `senders` deliverers at one time. For each it remembers the last `each` deliveries, taken or
 * answered: the deliverer's capacity must not be over `each`. A deliverer is forgotten for another one when its actor has
 * ended, or when the deadlines of all its deliveries that came here have passed: deliveries like that are not handed out any
 * more, so nothing is handed out twice. While none is found that can be forgotten (256 are looked at each time), attempts of
 * others fail with JZX_ERR_LIMIT, and are made again. So `senders` is no fewer than the actors that live at one time and deliver
 * here without a deadline, or within one: where those may be more, each delivery has a deadline.
 *
 * It serves one actor: the one that takes from it. When that has ended, another one of this loop may go on with the intake,
 * as the next incarnation does to which `argument` of the spec points it: what the one before had taken and not
 * answered is handed out again, what it had answered is not.
 *
 * Units:   `senders` is 1 to JZX_SENDERS_MAX, `each` is 1 to JZX_DELIVERIES_MAX.
 * Owns:    the caller, who ends it with jzx_intake_destroy() before the runtime is destroyed. All its memory is taken here,
 *          of the JZX_MEMORY_STATE allocator: for each of `senders` 40 bytes and 16 for each of `each`, and an
 *          index. Each
 *          delivery that was taken and is not answered holds a cell, as any request does.
 * Thread:  the loop's, or through jzx_loop_context(); the intake then belongs to that loop alone.
 * Returns: JZX_OK with *intake; JZX_ERR_NO_MEMORY; JZX_ERR_INVALID_ARG; JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_intake_create(jzx_context *context, uint32_t senders, uint32_t each, jzx_intake **intake);

/** Ends an intake: what it had taken and nobody answered is not answered by it any more. NULL is ignored.
 *  Thread: the loop's, or any when no loop runs. */
JZX_API void jzx_intake_destroy(jzx_intake *intake);

/** What was handed out. */
typedef struct jzx_taken {
    jzx_delivery_key key;
    jzx_message message; /* as it was given to jzx_deliver(): its tag, its payload, lent until the handler returns; its
                            `sender` is the actor, `ref` is 0. It is no request: jzx_intake_answer() answers it */
} jzx_taken;

/**
 * To be called by the handler with each message it gets, or with those of JZX_TAG_SYS_DELIVERY. A delivery that was handed
 * out is this actor's to answer, once, now or in any later handler. Calls that are made for it belong to no scope: the work
 * is not given up because an attempt was. It cannot be yielded or stashed any more: who is not ready stashes before.
 *
 *     jzx_taken taken;
 *     switch (jzx_intake_take(context, store->intake, message, &taken)) {
 *     case JZX_OK:
 *         (void)jzx_intake_answer(context, store->intake, &taken.key, put(store, &taken.message));
 *         return JZX_BEHAVIOR_OK;
 *     case JZX_ERR_NOT_FOUND:
 *         return other_mail(context, store, message);
 *     default:
 *         return JZX_BEHAVIOR_OK;
 *     }
 *
 * Thread:  the loop's, in a handler.
 * Returns: JZX_OK               a delivery, new to this intake: *taken
 *          JZX_ERR_DUPLICATE    it was handed out before
 *          JZX_ERR_TIMEOUT      its deadline has passed, or its sender has ended or given it up
 *          JZX_ERR_LIMIT        of a deliverer for which there is no room now
 *          JZX_ERR_TOO_BIG      of a deliverer whose capacity is over `each`
 *          JZX_ERR_NOT_FOUND    no delivery: nothing was done with the message
 *          JZX_ERR_INVALID_ARG  NULL, another loop's intake, the host's context
 *          JZX_ERR_STOPPING     in fini
 *          JZX_ERR_WRONG_THREAD
 *          After DUPLICATE, TIMEOUT, LIMIT and TOO_BIG the message is done with: the intake has answered.
 */
JZX_API jzx_err jzx_intake_take(jzx_context *context, jzx_intake *intake, const jzx_message *message, jzx_taken *taken);

/**
 * Answers a delivery that this actor has taken: `code` 0 accepts it, any other refuses it for good. The answer is kept for
 * attempts to come. Never refused for room.
 *
 * Thread:  the loop's, in a handler of the actor that took it.
 * Returns: JZX_OK, also when nobody waits for it any more; JZX_ERR_NO_SUCH_REQUEST (answered before, forgotten with its
 *          deliverer, given up by it, or not taken by this actor); JZX_ERR_INVALID_ARG; JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_intake_answer(jzx_context *context, jzx_intake *intake, const jzx_delivery_key *key, int32_t code);

#ifdef __cplusplus
}
#endif
#endif
