/*
 * jzx/router.h: which one of several actors a message goes to.
 *
 * A router is a plain object of the actor that made it: no actor of its own, no hop between. It chooses among the
 * members of a group (jzx/group.h), as they are at each choice, or among those that were added by hand; not both.
 *
 * Members are told apart by their tags, and stand in the order of these. So a worker that is restarted and joins, or is
 * added, with the tag it had stands where it stood, and by JZX_ROUTE_HASH its keys are its own again. Of members of a group
 * that have one tag only the oldest is there.
 */
#ifndef JZX_ROUTER_H
#define JZX_ROUTER_H

#include <jzx/buffer.h>
#include <jzx/group.h>
#include <jzx/supervisor.h>

#ifdef __cplusplus
extern "C" {
#endif

#define JZX_ROUTER_MEMBERS_MAX 65536u

typedef struct jzx_router jzx_router;

typedef enum jzx_route {
    JZX_ROUTE_ROUND_ROBIN = 0, /* one after the other */
    JZX_ROUTE_RANDOM = 1,      /* drawn by jzx_random() */
    JZX_ROUTE_SMALLEST =
        2,              /* with the shortest mailbox, equal ones in turn; of more than eight the shorter of two drawn.
                                  Mail on its way to another loop is not in a mailbox yet */
    JZX_ROUTE_HASH = 3, /* the same key to the same member while it is there; when one comes or goes only its keys
                                  move (rendezvous hashing, Thaler and Ravishankar 1998). Takes time for each member */
    JZX_ROUTE_BROADCAST = 4, /* all of them */
} jzx_route;

/** The key of a message, by which JZX_ROUTE_HASH chooses. Need not be well mixed. Must not call the runtime. */
typedef uint64_t (*jzx_route_key_fn)(void *context, const jzx_message *message);

/** Begin with jzx_router_options_init(). Copied. */
typedef struct jzx_router_options {
    size_t struct_size;
    const jzx_group *group; /* choose among its members; copied. NULL: among those that are added */
    uint32_t members_max;   /* 1 to JZX_ROUTER_MEMBERS_MAX; of a larger group the oldest; default 256 */
    uint8_t strategy;       /* jzx_route */
    jzx_route_key_fn key;   /* required for JZX_ROUTE_HASH */
    void *key_context;
} jzx_router_options;

/** Fills `options` with the defaults above. NULL is ignored. Thread: any. */
JZX_API void jzx_router_options_init(jzx_router_options *options);

/**
 * Makes a router.
 *
 * Owns:    the caller owns *router and ends it with jzx_router_destroy(), an actor in its fini. All its memory is taken
 *          here, of the JZX_MEMORY_STATE allocator: 32 bytes for each of members_max, 48 over a group.
 * Thread:  the loop's; the router then belongs to that loop alone.
 * Returns: JZX_OK with *router; JZX_ERR_NO_MEMORY; JZX_ERR_INVALID_ARG (also HASH without a key, and a group without a
 *          name or of another runtime); JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_router_create(jzx_context *context, const jzx_router_options *options, jzx_router **router);

/** Ends a router, before the runtime is destroyed. NULL is ignored. Thread: the loop's. */
JZX_API void jzx_router_destroy(jzx_router *router);

/**
 * Adds an actor of any loop, or a child of a supervisor over all its incarnations. An actor that has ended stays until it
 * is removed. It is passed over when a send is refused for that; on another loop a message to it is a dead letter. A group
 * knows better.
 *
 * Thread:  the loop's.
 * Returns: JZX_OK; JZX_ERR_DUPLICATE (the tag is there); JZX_ERR_LIMIT (members_max); JZX_ERR_INVALID_ARG (NULL, or what no
 *          loop can have issued); JZX_ERR_UNSUPPORTED (it chooses among a group); JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_router_add(jzx_router *router, uint64_t tag, jzx_actor_id id);
JZX_API jzx_err jzx_router_add_child(jzx_router *router, uint64_t tag, jzx_child_ref child);

/** Removes what was added with `tag`. Thread: the loop's.
 *  Returns: JZX_OK; JZX_ERR_NOT_FOUND; JZX_ERR_INVALID_ARG; JZX_ERR_UNSUPPORTED; JZX_ERR_WRONG_THREAD */
JZX_API jzx_err jzx_router_remove(jzx_router *router, uint64_t tag);

/**
 * How many members there are to choose among now; 0 for NULL.
 *
 * A router over a group copies its members when it chooses, counts or sends and anybody has joined or left the space since:
 * that takes time for each. Groups that change all the time are better off in a space of their own.
 *
 * Thread:  the loop's.
 */
JZX_API uint32_t jzx_router_count(jzx_router *router);

/**
 * Chooses one for `message` without sending it: for jzx_child_list() and all else that takes an id. Those that are down or
 * have ended are passed over, but not by HASH.
 *
 * Thread:  the loop's, in a handler or through jzx_loop_context().
 * Returns: JZX_OK with *id; JZX_ERR_NOT_FOUND (there is no member); JZX_ERR_NOT_RUNNING (a child that is down) or
 *          JZX_ERR_NO_SUCH_ACTOR of the first one that was chosen, if no other is there; JZX_ERR_UNSUPPORTED (BROADCAST);
 *          JZX_ERR_INVALID_ARG; JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_router_pick(jzx_context *context, jzx_router *router, const jzx_message *message, jzx_actor_id *id);

/**
 * Sends to the one that is chosen. If that one refuses, the others are tried, each once, but not by HASH. By BROADCAST over
 * a group this is jzx_broadcast(), to all its members; else the payload is by value or a buffer, each member gets it that
 * does not refuse it, and JZX_OK says that one did.
 *
 * Units:   *accepted (which may be NULL): how many have accepted it; by BROADCAST over a group how many memberships it has.
 * Owns:    as jzx_send(); by BROADCAST of a buffer the one reference, as jzx_broadcast().
 * Thread:  the loop's, in a handler or through jzx_loop_context().
 * Returns: JZX_OK; JZX_ERR_NOT_FOUND (there is no member); else what the first one that was chosen had answered: as
 *          jzx_send(), or JZX_ERR_NOT_RUNNING (a child that is down); by BROADCAST over a group as jzx_broadcast()
 */
JZX_API jzx_err jzx_router_send(jzx_context *context, jzx_router *router, const jzx_message *message,
                                uint32_t *accepted);

/** The same with jzx_request(). Owns: as jzx_send(). Thread: the loop's, in a handler.
 *  Returns: as jzx_router_send() and jzx_request(); JZX_ERR_UNSUPPORTED (BROADCAST: see jzx_broadcast_request()) */
JZX_API jzx_err jzx_router_request(jzx_context *context, jzx_router *router, const jzx_message *message,
                                   uint64_t timeout_ns, uint64_t *ref);

#ifdef __cplusplus
}
#endif
#endif
