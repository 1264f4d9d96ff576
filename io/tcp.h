/*
 * tcp: listeners and connections by completion, the receive buffers and the send chunks of one loop.
 *
 * Knows operations, descriptors and deadlines, not actors. The layer above owns the records (their memory, their index
 * and generation in user_data), feeds completions in, and is told through jzx__net_upcalls.
 *
 * Owner thread only.
 *
 * Invariants
 *   N1  Memory the kernel may read or write is the net's (or the payload's given to send_owned) until the terminal
 *       completion of the operation that names it.
 *   N2  A socket has at most one operation of each kind in flight: accept, connect, receive, send, cancel, close.
 *   N3  What cannot be queued now is wanted: the socket stays in net->wants and is tried again at each flush, in order.
 *       Nothing is lost and no call fails for want of a submission entry.
 *   N4  A descriptor is closed once, after every other operation on it has ended.
 *   N5  Bytes queued on a connection never pass send_max. Reading pauses at received_max buffers waiting (the receive
 *       is cancelled) and resumes at half; what the kernel had taken before it saw the cancel waits with them.
 *   N6  Each send_owned payload's drop runs exactly once; each receive buffer is given back exactly once.
 *   N7  After upcall `closed` nothing of the record is referenced any more.
 *   N8  At most connections_max connections of a listener are out. Those that the kernel had accepted before it saw the
 *       pause wait in the net, at most sockets_max of them.
 *   N9  A send that was refused for room is followed by DRAINED: when half of send_max is free and, if chunks were
 *       short, as many have come back.
 *   N10 A gather is not filled again before the kernel has read it: it has when its submission entry is free. There is one
 *       gather more than entries, for it is filled before an entry is found.
 */
#ifndef JZX__TCP_H
#define JZX__TCP_H

#include <sys/socket.h>
#include <netinet/in.h>

#include "io/backend.h"
#include "io/list.h"
#include "io/watch.h"
#include <jzx/message.h>
#include <jzx/segment.h>

typedef struct jzx__net jzx__net;
typedef struct jzx__socket jzx__socket;

/* Which operation of a socket a completion belongs to: the caller keeps it in the user_data it makes. */
typedef enum jzx__socket_op {
    JZX__SOCKET_ACCEPT,
    JZX__SOCKET_CONNECT,
    JZX__SOCKET_RECV,
    JZX__SOCKET_SEND,
    JZX__SOCKET_CANCEL,
    JZX__SOCKET_CLOSE,
    JZX__SOCKET_OPS
} jzx__socket_op;

typedef enum jzx__socket_kind {
    JZX__SOCKET_LISTENER,
    JZX__SOCKET_CONNECTING,
    JZX__SOCKET_CONNECTION,
} jzx__socket_kind;

typedef enum jzx__socket_pause_reason {
    JZX__PAUSED_BY_USER = 1u << 0,
    JZX__PAUSED_HELD = 1u << 1, /* nobody has room for data now */
} jzx__socket_pause_reason;

typedef enum jzx__socket_event_kind {
    JZX__SOCKET_ACCEPTED, /* fd: a new connection, non-blocking, the receiver's to adopt or close */
    JZX__SOCKET_CONNECTED,
    JZX__SOCKET_DATA, /* data, size, buffer: give back with jzx__net_buffer_give() */
    JZX__SOCKET_EOF,
    JZX__SOCKET_DRAINED,
    JZX__SOCKET_CLOSED, /* the last: error is an errno or 0 */
} jzx__socket_event_kind;

typedef struct jzx__socket_event {
    jzx__socket_event_kind kind;
    int error;
    int fd;
    uint32_t buffer;
    const uint8_t *data;
    size_t size;
} jzx__socket_event;

typedef struct jzx__net_upcalls {
    /* The socket has an event to take that it had not before. May be called from any jzx__socket_ or jzx__net_ call. */
    void (*ready)(jzx__net *net, jzx__socket *socket);
    /* Ended: no operation in flight, descriptor closed. The record may be freed inside the call. */
    void (*closed)(jzx__net *net, jzx__socket *socket);
    /* Calls jzx__socket_due() at this time; JZX_FOREVER takes the wish back. One time per socket. */
    void (*deadline)(jzx__net *net, jzx__socket *socket, uint64_t due_ns);
    /* The user_data of an operation of this socket. */
    uint64_t (*user_data)(const jzx__socket *socket, jzx__socket_op op);
    /* An accept failed for want of descriptors or memory (errno); accepting goes on after a pause. */
    void (*accept_failed)(jzx__net *net, jzx__socket *socket, int error);
} jzx__net_upcalls;

typedef struct jzx__chunk jzx__chunk;       /* one copied send's memory */
typedef struct jzx__segment jzx__segment;   /* one piece of a send queue */
typedef struct jzx__gather jzx__gather;     /* some pieces of a send queue that leave together */
typedef struct jzx__accepted jzx__accepted; /* a connection that waits to be taken from its listener */

/* The I/O of one loop. */
struct jzx__net {
    jzx__backend *backend;
    const jzx__net_upcalls *upcalls;
    jzx_counters *counters;
    uint64_t now_ns;       /* kept current by the loop, once a turn */
    jzx__list wants;       /* sockets with operations to queue (N3) */
    jzx__list watch_wants; /* watches with operations to queue */
    jzx__list starved;     /* sockets whose receive ended for want of a buffer */
    jzx__list chunkless;   /* sockets whose send was refused for want of chunks (N9) */

    uint8_t *buffers;      /* receive buffers: made at first use */
    uint32_t *buffer_next; /* per buffer: link in a socket's list of received buffers */
    uint32_t *buffer_size; /* per buffer: bytes in it */
    uint32_t buffer_count;
    uint32_t buffer_bytes;
    uint32_t buffers_out; /* handed to sockets or kept by users, not in the kernel */

    uint8_t *chunks; /* the send chunks, made at first use */
    jzx__chunk *chunk_free;
    uint32_t chunk_count;
    uint32_t chunk_bytes;
    uint32_t chunks_touched; /* from here on chunks were never used: nothing has to write to them before */
    uint32_t chunks_out;

    jzx__segment *segments; /* records of send queues: chunk_count of them and as many for owned payloads */
    jzx__segment *segment_free;
    uint32_t segments_touched;
    uint32_t segments_out;

    jzx__gather *gathers; /* used in turn (N10) */
    uint32_t gather_count;
    uint32_t gather_next;

    jzx__accepted *accepted; /* sockets_max of them */
    uint32_t accepted_count;
    uint32_t accepted_free;
    uint32_t accepted_touched;

    int reserve_fd; /* given up to turn a connection away when descriptors run out; -1 until the first listen */
    jzx_allocator metadata;
    jzx_allocator buffer_allocator;
};

struct jzx__socket {
    jzx__list want;      /* net->wants */
    jzx__list starve;    /* net->starved */
    jzx__list chunkless; /* net->chunkless */
    int fd;
    int error;          /* what ended it */
    uint16_t in_flight; /* bit per jzx__socket_op */
    uint16_t cancelled; /* operations asked to end */
    uint8_t kind;       /* jzx__socket_kind */
    uint8_t paused;     /* bits of jzx__socket_pause_reason: nothing is read, or accepted, while there is any */
    bool full;          /* too much waits to be taken: not reading until half is */
    bool eof;
    bool closing;           /* no more events; flush, then close */
    bool dead;              /* error or close: no more sends */
    bool graceful;          /* closed in order: what the kernel has still to send shall arrive */
    bool drain_wanted;      /* a send was refused */
    uint32_t chunks_needed; /* by the send that was refused for want of them */
    uint16_t events;        /* bits of jzx__socket_event_kind waiting */
    uint32_t received_first, received_last, received_count, received_max; /* buffers waiting, oldest first */
    jzx__segment *send_first;
    jzx__segment *send_last;
    uint32_t send_parts; /* of the queue, from its head: named by the send in flight */
    size_t send_queued;
    size_t send_max;
    uint64_t active_ns; /* last receive or send */
    uint64_t idle_ns;
    uint64_t linger_ns;
    uint64_t due_ns;      /* the deadline asked for, or JZX_FOREVER */
    uint64_t retry_ns;    /* listener: accept again then; 0 = now */
    uint32_t connections; /* listener: taken and not closed */
    uint32_t connections_max;
    uint32_t accepted_first, accepted_last, accepted_count; /* listener: connections waiting, oldest first */
    struct sockaddr_storage address;                        /* connect: must stay valid */
    socklen_t address_size;
};

typedef struct jzx__socket_options {
    struct sockaddr_storage address;
    socklen_t address_size;
    int backlog;
    bool reuse_port;
    bool no_delay;
    uint32_t connections_max;
    size_t send_max;
    uint64_t idle_ns;
    uint64_t connect_ns;
    uint64_t linger_ns;
    bool pause_at_high_mark; /* for the layer above */
} jzx__socket_options;

/* The net of a loop. No allocation happens until the first socket: jzx__net_prepare() then gets the buffers. */
void jzx__net_init(jzx__net *net, jzx__backend *backend, const jzx__net_upcalls *upcalls, jzx_counters *counters,
                   const jzx_config *config);
jzx_err jzx__net_prepare(jzx__net *net, int *os_error);
void jzx__net_deinit(jzx__net *net);   /* every socket is closed */
jzx_err jzx__net_flush(jzx__net *net); /* queues wanted operations; once a turn, before submit, whose error it gives */
void jzx__net_buffer_give(jzx__net *net, uint32_t buffer);
size_t jzx__net_metadata_size(const jzx_config *config); /* for the footprint */
size_t jzx__net_buffer_size(const jzx_config *config);

/* Numeric address and port into options->address. -EINVAL if it is neither IPv4 nor IPv6. */
int jzx__address_parse(const char *text, uint16_t port, jzx__socket_options *options);

/* Each begins a socket in `socket` (memory of the caller) and returns 0 or -errno; on an error nothing is left. */
int jzx__socket_listen(jzx__net *net, jzx__socket *socket, const jzx__socket_options *options);
int jzx__socket_connect(jzx__net *net, jzx__socket *socket, const jzx__socket_options *options);
int jzx__socket_adopt(jzx__net *net, jzx__socket *socket, int fd, const jzx__socket_options *options, bool reading);

int jzx__socket_port(const jzx__socket *socket, uint16_t *port);
/* Each reason to pause has its own end: data is read when there is none. */
void jzx__socket_read(jzx__net *net, jzx__socket *socket, jzx__socket_pause_reason reason);
void jzx__socket_pause(jzx__net *net, jzx__socket *socket, jzx__socket_pause_reason reason);
static inline bool jzx__socket_held(const jzx__socket *socket)
{
    return (socket->paused & JZX__PAUSED_HELD) != 0;
}
/* 0; -EAGAIN no room now (DRAINED will follow); -EMSGSIZE never; -EPIPE dead */
int jzx__socket_send_copy(jzx__net *net, jzx__socket *socket, const void *data, size_t size);
int jzx__socket_send_owned(jzx__net *net, jzx__socket *socket, void *data, size_t size, jzx_drop_fn drop,
                           void *context);
/* No event follows. Queued sends get linger_ns to leave, or none with `abort`. Upcall `closed` comes later. */
void jzx__socket_close(jzx__net *net, jzx__socket *socket, bool abort);
/* Ends a socket without the kernel, whose completions will not come: drops, closes, tells nobody. The ring works no more. */
void jzx__socket_abandon(jzx__net *net, jzx__socket *socket);
/* The next event; false when there is none. */
bool jzx__socket_next(jzx__net *net, jzx__socket *socket, jzx__socket_event *event);
bool jzx__socket_has_event(const jzx__socket *socket);
/* Is such an operation in flight? A completion of any other is stale or forged, and must not be given on. */
static inline bool jzx__socket_expects(const jzx__socket *socket, jzx__socket_op op)
{
    return (socket->in_flight & (1u << op)) != 0;
}
void jzx__socket_complete(jzx__net *net, jzx__socket *socket, jzx__socket_op op, const jzx__cqe *cqe);
void jzx__socket_due(jzx__net *net, jzx__socket *socket); /* its deadline has come */
/* On a listener: one of its connections has closed. */
void jzx__socket_child_closed(jzx__net *net, jzx__socket *listener);

#endif
