/*
 * jzx/flow.h: one actor sends to another as much as that one has asked for.
 *
 * A flow goes from one sender to one receiver, on any loops. The receiver grants credits; each message sent through the
 * flow spends one. A credit is room: a message with a credit is refused for no mailbox's cap, and dropped by no policy.
 * So whoever holds a credit need not ask for resume notices, but when the way to the other loop is full. Credits and
 * the end of a flow are signals, which need no room anywhere: two actors that grant each other one credit cannot block
 * each other.
 *
 * Either side opens the flow. The other hears JZX_TAG_SYS_FLOW, and refuses it by JZX_BEHAVIOR_UNHANDLED or
 * jzx_flow_close(). Each side has its own id of the flow, good on its loop. A flow ends when one side closes it or
 * ends: the other is told once, behind all mail that came before (as a DOWN is). An actor that is restarted has no
 * flows; mail that its next incarnation keeps may come with the `ref` of one that is over.
 *
 * Messages through a flow and others between the same two actors are handled in the order they were sent. They come
 * with JZX_MESSAGE_FLOW and the receiver's id of the flow in `ref`, requests with their request there.
 */
#ifndef JZX_FLOW_H
#define JZX_FLOW_H

#include <jzx/message.h>

#ifdef __cplusplus
extern "C" {
#endif

#define JZX_CREDITS_MAX 0x7FFFFFFFu /* credits that one flow can have out */

#define JZX_TAG_SYS_FLOW 0xFFFF0010u       /* jzx_flow_opened: another actor has opened a flow with this one */
#define JZX_TAG_SYS_CREDIT 0xFFFF0011u     /* jzx_flow_credit: a flow that had no credit has some */
#define JZX_TAG_SYS_FLOW_ENDED 0xFFFF0012u /* jzx_flow_ended: the other side has closed the flow, or has ended */

/** Names one side of a flow, for the actor whose side it is. Opaque; 0 is never issued. */
typedef uint64_t jzx_flow_id;

/** JZX_TAG_SYS_FLOW */
typedef struct jzx_flow_opened {
    jzx_flow_id flow; /* this side's */
    jzx_actor_id peer;
    uint32_t credits; /* to send with; 0 for the receiver */
    bool receives;    /* this side is the receiver: it grants. Else it sends */
} jzx_flow_opened;

/** JZX_TAG_SYS_CREDIT. Credits that came meanwhile are in it: there is one such notice at a time. */
typedef struct jzx_flow_credit {
    jzx_flow_id flow;
    uint32_t credits; /* unspent when the notice is handled; 1 and more */
} jzx_flow_credit;

/** JZX_TAG_SYS_FLOW_ENDED */
typedef struct jzx_flow_ended {
    jzx_flow_id flow;
    jzx_actor_id peer;
    int32_t err; /* jzx_err. JZX_OK: closed; UNHANDLED: refused; ENDED: the peer has; NO_SUCH_ACTOR: it had when the
                           flow was opened; LOOP_CLOSED: with its loop; LIMIT: flows_max of its loop, or no memory there */
    uint32_t exit_kind; /* jzx_exit_kind, with JZX_ERR_ENDED; else 0 */
} jzx_flow_ended;

/**
 * Opens a flow from this actor to `to`. Nothing can be sent until `to` has granted credits.
 *
 * Thread:  the loop's, in a handler.
 * Returns: JZX_OK with *flow, also if `to` has ended: JZX_TAG_SYS_FLOW_ENDED follows
 *          JZX_ERR_INVALID_ARG   NULL, the host's context, itself, or an id that no loop can have issued
 *          JZX_ERR_LIMIT         flows_max of the config
 *          JZX_ERR_NO_MEMORY, JZX_ERR_STOPPING (in fini), JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_flow_offer(jzx_context *context, jzx_actor_id to, jzx_flow_id *flow);

/** Opens a flow from `from` to this actor, with its first credits (as jzx_flow_grant(), 0 too).
 *  Thread: as jzx_flow_offer().
 *  Returns: as jzx_flow_offer() and jzx_flow_grant() */
JZX_API jzx_err jzx_flow_want(jzx_context *context, jzx_actor_id from, uint32_t credits, jzx_flow_id *flow);

/**
 * The receiver gives the sender so many credits more.
 *
 * A credit is out until the receiver is done with what spent it: with a message when its handler has returned, with a
 * request when it was answered or handed on, by whomever. All that are out bound what this actor's mailbox holds beyond its
 * cap, and how many requests through flows it keeps.
 *
 * Thread:  the loop's, in a handler of the receiver.
 * Returns: JZX_OK
 *          JZX_ERR_TOO_BIG       those out would be over JZX_CREDITS_MAX; none is added
 *          JZX_ERR_LIMIT         those out of all flows to this actor would be over cells / 8, or annexes_max of the
 *                                config; none is added
 *          JZX_ERR_NOT_FOUND     the flow has ended, or is not this actor's
 *          JZX_ERR_INVALID_ARG   0 credits, this side is the sender, or the flow has a window
 *          JZX_ERR_NO_MEMORY, JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_flow_grant(jzx_context *context, jzx_flow_id flow, uint32_t credits);

/**
 * The receiver keeps `window` credits out from now on: each message gives its credit back by itself when the receiver is done
 * with it, as above. Credits travel in halves of the window. 0 ends that: what is out stays out. A window may be set in place of
 * another, and counts as out whole. A receiver that drains grants no more.
 *
 * Thread, Returns: as jzx_flow_grant(), where another window is no error
 */
JZX_API jzx_err jzx_flow_window(jzx_context *context, jzx_flow_id flow, uint32_t window);

/**
 * Sends a message through a flow and spends one credit, if it is accepted.
 *
 * Owns:    as jzx_send().
 * Thread:  the loop's, in a handler of the sender, its fini too.
 * Returns: JZX_OK
 *          JZX_ERR_NO_CREDIT     none is left: JZX_TAG_SYS_CREDIT follows when there is one. Asking is not needed
 *          JZX_ERR_WOULD_BLOCK   no free cell here, or no room in the lane: see jzx_resume(); the credit is not spent
 *          JZX_ERR_NOT_FOUND     the flow has ended, or is not this actor's
 *          JZX_ERR_STOPPING      the receiver lives here and is ending
 *          JZX_ERR_LOOP_CLOSED   the receiver's loop has stopped
 *          JZX_ERR_INVALID_ARG   as jzx_send(), or this side is the receiver
 *          JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_flow_send(jzx_context *context, jzx_flow_id flow, const jzx_message *message);

/**
 * jzx_request() through a flow: it spends a credit, and its answer needs none. No policy drops it, and it waits for nobody's
 * room but as jzx_flow_send() says. The receiver sees its deadline, and does not get it after that, as with jzx_call().
 *
 * Units, Owns: as jzx_request().
 * Thread:  the loop's, in a handler of the sender.
 * Returns: as jzx_flow_send() and jzx_request(); JZX_ERR_STOPPING also in fini
 */
JZX_API jzx_err jzx_flow_request(jzx_context *context, jzx_flow_id flow, const jzx_message *message,
                                 uint64_t timeout_ns, uint64_t *ref);

/**
 * jzx_delegate() through a flow, to its receiver: who asked is its sender, and the credit is this actor's.
 *
 * Owns:    as jzx_delegate().
 * Thread:  the loop's, in a handler of the sender that received the request `ref`.
 * Returns: as jzx_flow_send() and jzx_delegate()
 */
JZX_API jzx_err jzx_flow_delegate(jzx_context *context, jzx_flow_id flow, uint64_t ref, const jzx_message *message);

/** The credits as this side knows them: at the sender those unspent, at the receiver those that are out.
 *  Thread: the loop's, in a handler of that side.
 *  Returns: JZX_OK with *credits; JZX_ERR_NOT_FOUND; JZX_ERR_INVALID_ARG; JZX_ERR_WRONG_THREAD */
JZX_API jzx_err jzx_flow_credits(jzx_context *context, jzx_flow_id flow, uint32_t *credits);

/**
 * Ends a flow, from either side. No notice of it comes here any more. What was accepted is still handled: a receiver
 * gets what was under way, with the `ref` that it had.
 *
 * Thread:  the loop's, in a handler of that side.
 * Returns: JZX_OK; JZX_ERR_NOT_FOUND (ended before, or not this actor's); JZX_ERR_INVALID_ARG (the host's context);
 *          JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_flow_close(jzx_context *context, jzx_flow_id flow);

#ifdef __cplusplus
}
#endif
#endif
