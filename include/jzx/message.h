/*
 * jzx/message.h: what actors say to each other.
 *
 * A message is a tag and a payload: up to 32 bytes by value, or a pointer with a size and a destructor. A send either
 * accepts it (the payload is the runtime's from then on) or returns an error (it is untouched). An accepted payload has
 * one fate: a handler gets it, once, or its destructor runs, once.
 */
#ifndef JZX_MESSAGE_H
#define JZX_MESSAGE_H

#include <stdint.h>
#include <string.h>

#include <jzx/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

#define JZX_INLINE_MAX 32u           /* payload bytes a message carries by value */
#define JZX_TAG_RESERVED 0xFFFF0000u /* tags from here on come from the runtime only */

#define JZX_TAG_SYS_IO 0xFFFF0001u          /* jzx_io_event: a watched descriptor is ready */
#define JZX_TAG_SYS_SUPERVISOR 0xFFFF0002u  /* jzx_supervisor_answer: to a request to a supervisor */
#define JZX_TAG_SYS_DOWN 0xFFFF0004u        /* jzx_down: a monitored actor has ended */
#define JZX_TAG_SYS_EXIT 0xFFFF0005u        /* jzx_exit: a linked actor has ended, or the supervisor asks to stop */
#define JZX_TAG_SYS_SPAWNED 0xFFFF0006u     /* jzx_spawned: the result of jzx_spawn_request() */
#define JZX_TAG_SYS_RESUME 0xFFFF0007u      /* jzx_resumed: sending may work again */
#define JZX_TAG_SYS_DEAD_LETTER 0xFFFF0008u /* jzx_dead_letter: a message sent with JZX_SEND_REPORT was dropped */
#define JZX_TAG_SYS_TCP 0xFFFF0009u         /* jzx_tcp_event */
#define JZX_TAG_SYS_NO_ANSWER 0xFFFF000Au   /* jzx_no_answer: a request ends without one; `ref` says which */

/** Frees a payload that no handler received. Runs on the thread of the loop that held it; must not call the runtime. */
typedef void (*jzx_drop_fn)(void *context, void *data, size_t size);

enum {
    JZX_MESSAGE_POINTER = 1u << 0, /* the payload is behind `pointer.data`; else it is in `bytes` */
    JZX_MESSAGE_REQUEST = 1u << 1, /* delivered: the sender waits for jzx_answer(ref) */
    JZX_MESSAGE_ANSWER = 1u << 2,  /* delivered: answers the request `ref` */
    JZX_MESSAGE_TIMER = 1u << 3,   /* delivered: from the timer `ref` */
    JZX_MESSAGE_LENT = 1u << 4,    /* delivered: the data is the runtime's, and valid until the handler returns; of what
                                      is sent only a jzx_buffer may have it (jzx/buffer.h) */
    JZX_MESSAGE_FLOW = 1u << 5,    /* delivered: through the flow `ref` */
    JZX_MESSAGE_GROUP = 1u << 6,   /* delivered: from a broadcast, `ref` is the tag of the membership (jzx/group.h) */
};

/** A message. Made by jzx_message_value() or jzx_message_pointer(), or delivered to a handler. 64 bytes. */
typedef struct jzx_message {
    uint32_t tag;        /* chosen by the sender, below JZX_TAG_RESERVED */
    uint32_t flags;      /* JZX_MESSAGE_* */
    jzx_actor_id sender; /* delivered: who sent it; 0 for foreign threads and the host. Ignored when sending */
    uint64_t ref;        /* delivered: the request, answer, timer or flow meant by `flags`. Ignored when sending */
    size_t size;         /* payload bytes */
    union {
        uint8_t bytes[JZX_INLINE_MAX];
        uint64_t words[JZX_INLINE_MAX / 8];
        struct {
            void *data;
            jzx_drop_fn drop; /* may be NULL: then nobody frees the payload */
            void *drop_context;
        } pointer;
    };
} jzx_message;

/* The up to eight payload bytes at `at`, with zeroes after the end. */
static inline uint64_t jzx_payload_word(const void *data, size_t size, size_t at)
{
    uint64_t word = 0;
    if (size > at) {
        memcpy(&word, (const uint8_t *)data + at, size - at < sizeof word ? size - at : sizeof word);
    }
    return word;
}

/**
 * A message that carries `size` bytes by value. A size over JZX_INLINE_MAX copies nothing and is refused by the send.
 *
 * It is built word by word so that compilers keep it in registers until it is stored once: a copy of a line written in
 * other widths just before stalls for longer than all the rest of a send.
 */
static inline jzx_message jzx_message_value(uint32_t tag, const void *data, size_t size)
{
    size_t inside = size <= JZX_INLINE_MAX ? size : 0;
    jzx_message message;
    message.tag = tag;
    message.flags = 0;
    message.sender = 0;
    message.ref = 0;
    message.size = size;
    message.words[0] = jzx_payload_word(data, inside, 0);
    message.words[1] = jzx_payload_word(data, inside, 8);
    message.words[2] = jzx_payload_word(data, inside, 16);
    message.words[3] = jzx_payload_word(data, inside, 24);
    return message;
}

/** A message without payload. */
static inline jzx_message jzx_message_empty(uint32_t tag)
{
    return jzx_message_value(tag, NULL, 0);
}

/** A message that hands over `data`. When it is accepted `data` is the runtime's, later the handler's. */
static inline jzx_message jzx_message_pointer(uint32_t tag, void *data, size_t size, jzx_drop_fn drop,
                                              void *drop_context)
{
    jzx_message message = jzx_message_value(tag, NULL, 0);
    message.flags = JZX_MESSAGE_POINTER;
    message.size = size;
    message.pointer.data = data;
    message.pointer.drop = drop;
    message.pointer.drop_context = drop_context;
    return message;
}

/** The payload of a message, wherever it is. */
static inline const void *jzx_message_data(const jzx_message *message)
{
    return (message->flags & JZX_MESSAGE_POINTER) != 0 ? message->pointer.data : message->bytes;
}

enum {
    JZX_SEND_REPORT = 1u << 0, /* tell the sender, if it can be done, when the message is dropped (SYS_DEAD_LETTER) */
    JZX_SEND_HIGH = 1u << 1,   /* of high priority: see jzx/order.h */
};

/** Why an accepted message met its destructor, or a request no answer. */
typedef enum jzx_drop_reason {
    JZX_DROP_NO_ACTOR = 0,   /* its target had ended, or never was */
    JZX_DROP_STOPPING = 1,   /* its target was ending */
    JZX_DROP_ENDED = 2,      /* it was in the mailbox, or kept, when its target ended */
    JZX_DROP_NEWEST = 3,     /* the mailbox was full and drops the newest */
    JZX_DROP_OLDEST = 4,     /* the mailbox was full and drops the oldest */
    JZX_DROP_CLOSED = 5,     /* its loop has stopped */
    JZX_DROP_LATE = 6,       /* an answer nobody waits for any more */
    JZX_DROP_DEADLINE = 7,   /* a request whose deadline passed */
    JZX_DROP_LIMIT = 8,      /* a request to an actor that keeps as many unanswered as it may */
    JZX_DROP_CANCELLED = 9,  /* a call that was cancelled before its target handled it */
    JZX_DROP_REASONS = 10,   /* those before are counted */
    JZX_DROP_UNHANDLED = 10, /* a request that was not for its actor; only in jzx_no_answer */
    JZX_DROP_DEADLOCK = 11,  /* an exclusive call in a circle of them; only in jzx_no_answer */
} jzx_drop_reason;

/** JZX_TAG_SYS_DEAD_LETTER: a message this actor sent with JZX_SEND_REPORT was dropped. */
typedef struct jzx_dead_letter {
    jzx_actor_id target;
    uint32_t tag;
    uint32_t reason; /* jzx_drop_reason */
} jzx_dead_letter;

/** JZX_TAG_SYS_NO_ANSWER: the request `message->ref` ends without an answer. */
typedef struct jzx_no_answer {
    jzx_actor_id target;
    uint32_t tag;       /* of the request; 0 after a deadline */
    uint32_t reason;    /* jzx_drop_reason */
    uint32_t exit_kind; /* with JZX_DROP_ENDED, of the target's exit: jzx_exit_kind; else 0 */
    int32_t exit_code;  /* and its code */
} jzx_no_answer;

/** JZX_TAG_SYS_RESUME: a send to `target` may be accepted again. */
typedef struct jzx_resumed {
    jzx_actor_id target;
} jzx_resumed;

/**
 * Sends `message` to the actor `to`, which may live on any loop of this runtime.
 *
 * Never blocks. JZX_OK means accepted, not handled: if the target has ended when it arrives, the payload meets its
 * destructor on the target's thread and the observer sees a dead letter. Messages from one actor to another are
 * handled in the order they were sent.
 *
 * Units:   `message->size` is in bytes, at most JZX_INLINE_MAX when the payload is by value.
 * Owns:    on JZX_OK the payload is the runtime's; on an error it is untouched and still the caller's.
 *          `message` itself is copied and may be on the stack.
 * Thread:  the loop's, inside a handler or through jzx_loop_context(). Other threads call jzx_post().
 * Returns: JZX_OK                 accepted
 *          JZX_ERR_NO_SUCH_ACTOR  `to` never existed, or lived here and has ended
 *          JZX_ERR_STOPPING       `to` lives here and is ending
 *          JZX_ERR_MAILBOX_FULL   the target's mailbox refuses, or is marked full by its loop
 *          JZX_ERR_TOO_BIG        the payload alone is over the byte cap of the target, which lives here
 *          JZX_ERR_WOULD_BLOCK    no free cell here, or no room in the lane to the target's loop
 *          JZX_ERR_LOOP_CLOSED    the target's loop has stopped
 *          JZX_ERR_INVALID_ARG    NULL, a reserved tag, unknown flags, or a size over the limit
 *          JZX_ERR_WRONG_THREAD   not the thread of `context`
 */
JZX_API jzx_err jzx_send(jzx_context *context, jzx_actor_id to, const jzx_message *message);

/** jzx_send() with JZX_SEND_* flags. Unknown flags are JZX_ERR_INVALID_ARG. Owns, Thread, Returns: as jzx_send(). */
JZX_API jzx_err jzx_send_with(jzx_context *context, jzx_actor_id to, const jzx_message *message, uint32_t flags);

/**
 * Asks for one JZX_TAG_SYS_RESUME message when a send to `to` that was refused with MAILBOX_FULL or WOULD_BLOCK may
 * work again: at once if it may already, if `to` has ended, or if its loop has stopped. Asking again before the notice
 * came changes nothing.
 *
 * Thread:  the loop's, in a handler.
 * Returns: JZX_OK; JZX_ERR_LIMIT (resumes_max asked for); JZX_ERR_INVALID_ARG (the host's context, or an id that no loop
 *          can have issued); JZX_ERR_NO_MEMORY; JZX_ERR_STOPPING (in fini); JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_resume(jzx_context *context, jzx_actor_id to);

/**
 * Sends `message` with room for its answer: exactly one message comes back, with JZX_MESSAGE_ANSWER and this `ref`.
 * It is what the target gave to jzx_answer(), or JZX_TAG_SYS_NO_ANSWER from the runtime with the reason. Room for it is
 * kept here from now on, so it is never refused and passes the mailbox cap.
 *
 * Units:   `timeout_ns` from now; JZX_FOREVER for no deadline. `ref` may be NULL.
 * Owns:    as jzx_send().
 * Thread:  the loop's, in a handler.
 * Returns: as jzx_send(), and JZX_ERR_LIMIT when this actor holds cells / 8 cells, or timers_max is reached
 */
JZX_API jzx_err jzx_request(jzx_context *context, jzx_actor_id to, const jzx_message *message, uint64_t timeout_ns,
                            uint64_t *ref);

/**
 * Answers the request `ref` that this actor was sent: now, or in any later handler. An actor that ends has its open
 * requests answered by the runtime. A handler that has answered the message it is handling cannot yield it. An actor keeps
 * at most cells / 8 requests: beyond that the runtime answers with JZX_DROP_LIMIT, and no handler sees them.
 *
 * Owns:    as jzx_send().
 * Thread:  the loop's, in a handler of the actor that received the request.
 * Returns: JZX_OK; JZX_ERR_NO_SUCH_REQUEST (answered before, or another's); JZX_ERR_INVALID_ARG; JZX_ERR_WRONG_THREAD.
 *          Never refused for room.
 */
JZX_API jzx_err jzx_answer(jzx_context *context, uint64_t ref, const jzx_message *message);

/**
 * What an answer says: JZX_OK, or for JZX_TAG_SYS_NO_ANSWER the error that stands for its reason.
 *
 * Thread:  any.
 * Returns: JZX_OK                 an answer of the target's own
 *          JZX_ERR_TIMEOUT        the deadline passed
 *          JZX_ERR_NO_SUCH_ACTOR  the target was gone when the request arrived
 *          JZX_ERR_STOPPING       it was ending
 *          JZX_ERR_ENDED          it ended without answering
 *          JZX_ERR_MAILBOX_FULL   its mailbox dropped the request, by its policy
 *          JZX_ERR_LIMIT          it keeps as many requests as it may
 *          JZX_ERR_UNHANDLED      its behavior returned UNHANDLED
 *          JZX_ERR_LOOP_CLOSED    its loop has stopped
 *          JZX_ERR_CANCELLED, JZX_ERR_DEADLOCK  as the reasons of these names
 *          JZX_ERR_INVALID_ARG    NULL
 */
JZX_API jzx_err jzx_answer_err(const jzx_message *answer);

/**
 * Sends `message` to `to` from a thread that runs no loop of this runtime.
 *
 * Owns:    as jzx_send().
 * Thread:  any but a loop's. Lock-free, except that a post may wait for another that was begun before it; a real-time
 *          thread takes a jzx_poster instead.
 * Returns: JZX_OK; JZX_ERR_WOULD_BLOCK (inbox full, or no cells on that loop); JZX_ERR_MAILBOX_FULL;
 *          JZX_ERR_NO_SUCH_ACTOR (an id no loop can have issued); JZX_ERR_LOOP_CLOSED; JZX_ERR_WRONG_THREAD;
 *          JZX_ERR_INVALID_ARG
 */
JZX_API jzx_err jzx_post(jzx_runtime *runtime, jzx_actor_id to, const jzx_message *message);

/** One foreign thread's own way in: wait-free, and in order with what the thread posted before it. */
typedef struct jzx_poster jzx_poster;

/**
 * Creates a poster with a ring of `size` messages to each loop.
 *
 * Units:   `size` is a power of two, 4 to 65,536; one place of it stays free.
 * Owns:    the poster is the runtime's and ends with it.
 * Thread:  any but a loop's. The poster then belongs to one thread at a time.
 * Returns: JZX_OK; JZX_ERR_LIMIT (posters_max); JZX_ERR_NO_MEMORY; JZX_ERR_INVALID_ARG; JZX_ERR_LOOP_CLOSED;
 *          JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_poster_create(jzx_runtime *runtime, uint32_t size, jzx_poster **poster);

/** jzx_post() through a poster. Thread: the one that holds the poster. Returns: as jzx_post(). */
JZX_API jzx_err jzx_poster_post(jzx_poster *poster, jzx_actor_id to, const jzx_message *message);

/**
 * jzx_post() of a request, for a thread that can wait: sleeps until its one answer is here. It is what the target gave to
 * jzx_answer(), or JZX_TAG_SYS_NO_ANSWER with the reason: jzx_answer_err() tells. `sender` is who answers, `ref` is 0.
 *
 * The answer comes when the deadline passes or all loops have left, if not before; if no loop ever ran, from
 * jzx_runtime_shutdown() or jzx_runtime_destroy(). A request that was accepted may be handled after its deadline, so a
 * payload without a destructor must outlive it, not only this call. An answer that is too late is a dead letter. The
 * target sees a request whose sender is 0. No loop ever waits for who asks.
 *
 *     jzx_message answer;
 *     jzx_err err = jzx_ask(runtime, to, &question, 5000000000, &answer);
 *     if (err == JZX_OK) {
 *         err = jzx_answer_err(&answer);
 *     }
 *
 * Units:   `timeout_ns` from now; JZX_FOREVER for no deadline.
 * Owns:    `message` as jzx_send(). With JZX_OK a payload by pointer in *answer is the caller's; of a jzx_buffer, a
 *          reference.
 * Thread:  any without a loop of this runtime: one it runs, or has created and neither started nor left to another thread
 *          to run. At most asks_max are inside at one time.
 * Returns: JZX_OK with *answer; JZX_ERR_LIMIT (asks_max); JZX_ERR_FORKED; else as jzx_post()
 */
JZX_API jzx_err jzx_ask(jzx_runtime *runtime, jzx_actor_id to, const jzx_message *message, uint64_t timeout_ns,
                        jzx_message *answer);

/** jzx_ask() through a poster: behind what went through it before. Thread: the one that holds the poster, as jzx_ask().
 *  Units, Owns, Returns: as jzx_ask() */
JZX_API jzx_err jzx_poster_ask(jzx_poster *poster, jzx_actor_id to, const jzx_message *message, uint64_t timeout_ns,
                               jzx_message *answer);

#ifdef __cplusplus
}
#endif
#endif
