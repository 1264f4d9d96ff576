/*
 * jzx/name.h: names of actors, known to all loops of a runtime at once.
 *
 * A name belongs to one actor, and an actor may have several. It is taken from the moment at which jzx_register() returns
 * JZX_OK, to all threads, until it is unregistered or its actor has ended. When an actor ends, its names are free after
 * its fini and before anybody handles its DOWN: who then starts another in its place can register it at once.
 *
 * Unlike the display name of the spawn options, which is for people and need not be unique.
 */
#ifndef JZX_NAME_H
#define JZX_NAME_H

#include <jzx/message.h>
#include <jzx/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

#define JZX_NAME_MAX 32 /* bytes of a name with its final zero */

/**
 * Gives the actor `id`, which lives on this loop, a name: 1 to JZX_NAME_MAX - 1 bytes of any kind but zero.
 *
 * Works in an init already, for jzx_self(): if the init fails, the name is free again when the spawn returns. Never sleeps,
 * but waits while another thread registers a name.
 *
 * Owns:    `name` is copied.
 * Thread:  the loop's, in a handler or through jzx_loop_context().
 * Returns: JZX_OK
 *          JZX_ERR_NAME_TAKEN       an actor has it, this one too
 *          JZX_ERR_NO_SUCH_ACTOR    `id` never existed, or lived here and has ended
 *          JZX_ERR_ACTOR_NOT_LOCAL  it lives on another loop
 *          JZX_ERR_STOPPING         it is ending; or in fini
 *          JZX_ERR_LIMIT            names_max are registered, those counted that another loop is just giving up
 *          JZX_ERR_NO_MEMORY        for the record of it
 *          JZX_ERR_INVALID_ARG      NULL, or a name that is empty or too long
 *          JZX_ERR_WRONG_THREAD     not the thread of `context`
 */
JZX_API jzx_err jzx_register(jzx_context *context, const char *name, jzx_actor_id id);

/**
 * Takes a name from an actor of this loop, whichever it is.
 *
 * Thread:  the loop's, in a handler or through jzx_loop_context().
 * Returns: JZX_OK
 *          JZX_ERR_NOT_FOUND        no actor has it
 *          JZX_ERR_ACTOR_NOT_LOCAL  an actor of another loop has it
 *          JZX_ERR_INVALID_ARG      NULL, or a name that is empty or too long
 *          JZX_ERR_WRONG_THREAD     not the thread of `context`
 */
JZX_API jzx_err jzx_unregister(jzx_context *context, const char *name);

/**
 * The id of the actor that has a name. It may have ended when the id is used.
 *
 * Thread:  any. Wait-free: it takes no lock, and waits for nobody who registers.
 * Returns: JZX_OK with *id; JZX_ERR_NOT_FOUND; JZX_ERR_INVALID_ARG (NULL, or a name that is empty or too long)
 */
JZX_API jzx_err jzx_whereis(const jzx_runtime *runtime, const char *name, jzx_actor_id *id);

/**
 * jzx_whereis() and jzx_send() in one. Messages to one actor are handled in the order they were sent, by name or by id.
 *
 * Owns, Thread: as jzx_send(). Returns: as jzx_send(), and JZX_ERR_NOT_FOUND
 */
JZX_API jzx_err jzx_send_name(jzx_context *context, const char *name, const jzx_message *message);

/**
 * jzx_whereis() and jzx_post() in one. A thread with a jzx_poster asks jzx_whereis() itself.
 *
 * Owns, Thread: as jzx_post(). Returns: as jzx_post(), and JZX_ERR_NOT_FOUND
 */
JZX_API jzx_err jzx_post_name(jzx_runtime *runtime, const char *name, const jzx_message *message);

/**
 * jzx_whereis() and jzx_ask() in one.
 *
 * Units, Owns, Thread: as jzx_ask(). Returns: as jzx_ask(), and JZX_ERR_NOT_FOUND
 */
JZX_API jzx_err jzx_ask_name(jzx_runtime *runtime, const char *name, const jzx_message *message, uint64_t timeout_ns,
                             jzx_message *answer);

#ifdef __cplusplus
}
#endif
#endif
