/*
 * jzx/order.h: in which order an actor handles its mail, with which behavior, and for how long at a time.
 *
 * What these need is kept in an annex of the actor, made when it is first needed (annexes_max of jzx_config); an actor that
 * uses none of them costs nothing more. The calls are for the actor whose handler runs.
 *
 * Priorities. Mail is of normal priority, or high: jzx_send_with() with JZX_SEND_HIGH, and the requests of calls that are `high`
 * (jzx_call_options; answers are normal). High mail does not wait behind normal mail, but takes turns with it, one message
 * each, so that neither starves; signals (timers, sockets) take turns with both.
 * Messages from one actor to another are handled in the order they were sent within each priority, not across the two; what an
 * actor has sent before it ends, high or not, is handled before its JZX_TAG_SYS_DOWN or JZX_TAG_SYS_EXIT. High mail counts in
 * the mailbox as other mail does, and is refused as that is when the mailbox is full. JZX_MAILBOX_DROP_OLDEST drops normal
 * mail, and the newcomer when there is none. If the target's loop has no annex for it, high mail is normal (the counter
 * high_as_normal).
 *
 * The stash. A behavior that cannot handle a message now returns JZX_BEHAVIOR_STASH: it is put aside, and comes back
 * by jzx_unstash(). Stashed messages count in the mailbox: when they fill it, others are refused. For other loops a
 * mailbox is full from three quarters of its cap on, until it has fallen to a half; an actor that stashes three
 * quarters could never be told by them to go on: it fails with JZX_EXIT_CODE_LIMIT, and so does one for which there is
 * no annex. Requests may be stashed, and answers; a signal may not (STASH means OK there). A high message that was
 * stashed is normal when it comes back. When the actor ends, what is stashed ends as its mail does, or goes to its
 * next incarnation (keep_mail), high mail first, then the stash, then the rest. jzx_drain() does not wait for what is
 * stashed.
 *
 * Limits. handler_limit_ns of jzx_spawn_options and jzx_child_spec says how long a handler may take, and limit_action what
 * follows: jzx_limit_action. It is measured when the handler has returned, so one that never does is seen by
 * jzx_runtime_stalls() (jzx/observe.h) alone.
 */
#ifndef JZX_ORDER_H
#define JZX_ORDER_H

#include <jzx/actor.h>

#ifdef __cplusplus
extern "C" {
#endif

#define JZX_BECOME_MAX 8u /* behaviors put aside by jzx_become() */

/**
 * Puts the first `count` stashed messages back, in front of the mailbox and in the order in which they were stashed; all with
 * UINT32_MAX, or if there are fewer. They are handled after this handler, by the behavior of then.
 *
 * Thread:  the loop's, in a handler.
 * Returns: JZX_OK, also when nothing is stashed; JZX_ERR_INVALID_ARG (the host's context); JZX_ERR_STOPPING (in fini);
 *          JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_unstash(jzx_context *context, uint32_t count);

/** jzx_unstash() of all. */
JZX_API jzx_err jzx_unstash_all(jzx_context *context);

/** How many messages this actor has stashed. Thread: the loop's; 0 elsewhere, and for the host. */
JZX_API uint32_t jzx_stashed(const jzx_context *context);

/**
 * Makes `behavior` this actor's, from its next message on; the one of now is put aside until jzx_unbecome(). A supervisor
 * that starts the actor again starts it with the first. A handler_limit_ns holds for all of them.
 *
 * Thread:  the loop's, in a handler or in init.
 * Returns: JZX_OK; JZX_ERR_LIMIT (JZX_BECOME_MAX are put aside, or annexes_max); JZX_ERR_NO_MEMORY; JZX_ERR_INVALID_ARG
 *          (NULL, or the host's context); JZX_ERR_STOPPING (in fini, or it is to end already); JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_become(jzx_context *context, jzx_behavior_fn behavior);

/**
 * Takes the behavior back that was put aside last.
 *
 * Thread:  the loop's, in a handler or in init.
 * Returns: JZX_OK; JZX_ERR_INVALID_ARG (none is put aside, or the host's context); JZX_ERR_STOPPING (as jzx_become());
 *          JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_unbecome(jzx_context *context);

/**
 * A word that stays with the message being handled from one JZX_BEHAVIOR_YIELD to the next: 0 at first, then what was
 * written there: how far the work has come. An actor has one such word: while a yielded message that has it waits, another
 * one (of high priority, or that was unstashed in front of it) has none. A message that is stashed loses it.
 *
 * Units:   `message` is the one that the handler was given, not a copy.
 * Thread:  the loop's, in a handler of mail. The pointer is valid until the handler returns, or answers the message.
 * Returns: NULL where there is none: another message has it, no annex can be made, a signal, the host, another thread
 */
JZX_API uint64_t *jzx_progress(jzx_context *context, const jzx_message *message);

/**
 * Calls `behaviors` one after the other until one does not return UNHANDLED, and returns what that did; UNHANDLED if all do,
 * or if there are none (CAF's or_else). A behavior that returns UNHANDLED must have left the message alone.
 *
 * Thread: the loop's, in a handler.
 */
JZX_API jzx_behavior_result jzx_behave_first(jzx_context *context, void *state, const jzx_message *message,
                                             const jzx_behavior_fn *behaviors, size_t count);

#ifdef __cplusplus
}
#endif
#endif
