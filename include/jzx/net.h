/*
 * jzx/net.h: TCP by completion. A socket belongs to one actor and is closed when the actor ends.
 *
 * Events come as JZX_TAG_SYS_TCP messages that lend a jzx_tcp_event. Received data lies in the runtime's buffers and is
 * valid until the handler returns, unless jzx_tcp_keep() takes it. Sends are queued up to a limit and leave in order.
 */
#ifndef JZX_NET_H
#define JZX_NET_H

#include <jzx/message.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint64_t jzx_socket_id; /* opaque, with a generation; 0 is never issued */

typedef enum jzx_tcp_event_kind {
    JZX_TCP_ACCEPTED = 1,  /* to the listener's actor: `peer` is a new connection, this actor's until given away */
    JZX_TCP_CONNECTED = 2, /* jzx_tcp_connect() has succeeded */
    JZX_TCP_DATA = 3,      /* `data`, `size` */
    JZX_TCP_EOF = 4,       /* the peer sends no more; sending still works, and closing is up to the actor */
    JZX_TCP_DRAINED = 5,   /* after a refused send: the queue is at most half full again */
    JZX_TCP_CLOSED =
        6, /* the last event of a socket: `error` is an errno, ETIMEDOUT when idle or connecting too long */
} jzx_tcp_event_kind;

typedef struct jzx_tcp_event {
    uint32_t kind; /* jzx_tcp_event_kind */
    int32_t error;
    jzx_socket_id socket;
    jzx_socket_id peer; /* with ACCEPTED */
    const uint8_t *data;
    size_t size;
} jzx_tcp_event;

/** Begin with jzx_tcp_options_init(). Copied. */
typedef struct jzx_tcp_options {
    size_t struct_size;
    const char *address;      /* numeric IPv4 or IPv6; default "127.0.0.1"; read during the call */
    uint16_t port;            /* listen: 0 = any, see jzx_tcp_port() */
    bool reuse_port;          /* listen: SO_REUSEPORT, one listener on each loop */
    bool no_delay;            /* TCP_NODELAY; default true */
    int32_t backlog;          /* listen: default 1,024 */
    uint32_t connections_max; /* listen: accepted and not yet closed; accepting pauses at it; default 10,000 */
    uint32_t send_max;        /* bytes queued on one connection; default 262,144 */
    uint64_t idle_ns;         /* close a connection that neither received nor sent anything for so long; JZX_FOREVER =
                                 never; default 60 s */
    uint64_t connect_ns;      /* connect: give up after; default 10 s */
    uint64_t linger_ns;       /* after close or the actor's end: time for queued data to leave; default 5 s */
    bool pause_at_high_mark;  /* of a connection: read no more from the first event on that finds its actor's mailbox
                                 marked full, which it is from three quarters of its cap down to a half; default false */
} jzx_tcp_options;

/** Fills `options` with the defaults above. NULL is ignored. Thread: any. */
JZX_API void jzx_tcp_options_init(jzx_tcp_options *options);

/**
 * Listens. Each connection is announced to this actor by JZX_TCP_ACCEPTED and takes the listener's options; nothing is
 * read from it until it is given away or jzx_tcp_read() is called. When descriptors run out accepting pauses 100 ms.
 *
 * Thread:  the loop's, in a handler.
 * Returns: JZX_OK with *listener; JZX_ERR_ADDRESS_IN_USE; JZX_ERR_INVALID_ARG (address, the host's context);
 *          JZX_ERR_FD_LIMIT; JZX_ERR_LIMIT (sockets_max); JZX_ERR_NO_MEMORY; JZX_ERR_OS; JZX_ERR_STOPPING; WRONG_THREAD
 */
JZX_API jzx_err jzx_tcp_listen(jzx_context *context, const jzx_tcp_options *options, jzx_socket_id *listener);

/**
 * Connects. JZX_TCP_CONNECTED or JZX_TCP_CLOSED follows; reading then starts by itself.
 *
 * Thread:  the loop's, in a handler.
 * Returns: as jzx_tcp_listen()
 */
JZX_API jzx_err jzx_tcp_connect(jzx_context *context, const jzx_tcp_options *options, jzx_socket_id *socket);

/**
 * Takes over a connected stream descriptor of another maker. Reading starts.
 *
 * Owns:    on JZX_OK `fd` is the runtime's, which closes it; on an error it is still the caller's.
 * Thread:  the loop's, in a handler.
 * Returns: as jzx_tcp_listen(); JZX_ERR_INVALID_ARG if `fd` is not a stream socket
 */
JZX_API jzx_err jzx_tcp_adopt(jzx_context *context, int fd, const jzx_tcp_options *options, jzx_socket_id *socket);

/** The port a listener has. Thread: the loop's, in a handler.
 *  Returns: JZX_OK; JZX_ERR_NO_SUCH_SOCKET; JZX_ERR_OS; JZX_ERR_INVALID_ARG; JZX_ERR_WRONG_THREAD */
JZX_API jzx_err jzx_tcp_port(jzx_context *context, jzx_socket_id socket, uint16_t *port);

/**
 * Gives a socket of this actor to another actor of this loop; events that wait go along. Reading starts if it had not; with
 * pause_at_high_mark it is the mailbox of `to` that counts from now on.
 *
 * Thread:  the loop's, in a handler.
 * Returns: JZX_OK; JZX_ERR_NO_SUCH_SOCKET; JZX_ERR_NO_SUCH_ACTOR; JZX_ERR_ACTOR_NOT_LOCAL; JZX_ERR_STOPPING; WRONG_THREAD
 */
JZX_API jzx_err jzx_tcp_give(jzx_context *context, jzx_socket_id socket, jzx_actor_id to);

/** Starts or resumes reading, and pauses it. What was received before the pause is still delivered. A pause at the high mark
 *  is apart from this one: data is read when neither is on. Time without data counts as idle, paused or not.
 *  Thread: the loop's, in a handler. Returns: JZX_OK; JZX_ERR_NO_SUCH_SOCKET; JZX_ERR_WRONG_THREAD */
JZX_API jzx_err jzx_tcp_read(jzx_context *context, jzx_socket_id socket);
JZX_API jzx_err jzx_tcp_pause(jzx_context *context, jzx_socket_id socket);

/**
 * Sends a copy of `size` bytes: all of it is accepted, or none. What one turn sends to a socket leaves together.
 *
 * Owns:    `data` stays the caller's.
 * Thread:  the loop's, in a handler.
 * Returns: JZX_OK; JZX_ERR_WOULD_BLOCK (send_max, or no chunk is free: JZX_TCP_DRAINED follows); JZX_ERR_TOO_BIG (more
 *          than send_max, never possible); JZX_ERR_NO_SUCH_SOCKET; JZX_ERR_INVALID_ARG; JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_tcp_send(jzx_context *context, jzx_socket_id socket, const void *data, size_t size);

/** Sends `data` without copying: it is the runtime's on JZX_OK, and `drop` runs when it has left or the socket ends.
 *  Thread: the loop's, in a handler. Returns: as jzx_tcp_send() */
JZX_API jzx_err jzx_tcp_send_owned(jzx_context *context, jzx_socket_id socket, void *data, size_t size,
                                   jzx_drop_fn drop, void *drop_context);

/**
 * In the handler of JZX_TCP_DATA: keeps the buffer that `data` lies in. It is the caller's until *drop(*drop_context,
 * data, size) gives it back, on this thread, before the runtime ends. Made for jzx_tcp_send_owned(): an echo copies nothing.
 * Buffers are few (recv_buffers): one that is held long starves reading.
 *
 * Thread:  the loop's, in a handler.
 * Returns: JZX_OK; JZX_ERR_INVALID_ARG (no such event is being handled, or it is kept already); JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_tcp_keep(jzx_context *context, jzx_drop_fn *drop, void **drop_context);

/** Bytes queued on a connection and not yet taken by the kernel; 0 for an unknown one. Thread: the loop's. */
JZX_API size_t jzx_tcp_queued(jzx_context *context, jzx_socket_id socket);

/** Closes a socket: no event of it follows; queued data has linger_ns to leave; its descriptor is closed when nothing of
 *  it is in the kernel any more. Thread: the loop's, in a handler.
 *  Returns: JZX_OK; JZX_ERR_NO_SUCH_SOCKET; JZX_ERR_WRONG_THREAD */
JZX_API jzx_err jzx_tcp_close(jzx_context *context, jzx_socket_id socket);

#ifdef __cplusplus
}
#endif
#endif
