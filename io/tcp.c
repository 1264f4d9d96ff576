/* tcp: see tcp.h. */
#include "io/tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/memory.h"

enum {
    RECEIVED_MAX = 8,  /* buffers that wait on one socket before reading pauses */
    ACCEPTED_MAX = 16, /* connections that wait on one listener before accepting pauses */
    PARTS_MAX = 8,     /* pieces of one send: as many as the kernel takes without memory of its own */
    DISCARDS_MAX = 16, /* pieces of unread input that are thrown away before a close */
    DISCARD_SIZE = 1 << 20,
};
static const uint64_t ACCEPT_RETRY_NS = 100000000; /* out of descriptors or memory: rest for 100 ms */
static const uint32_t SEND_OP_MAX = 1u << 30;      /* bytes of one operation */
static const uint32_t NONE = UINT32_MAX;

/*
 * Closes what a multishot accept gave. ThreadSanitizer follows descriptors, but not those the ring opens and closes: it
 * would take this one for another socket that had the number before.
 */
static void close_accepted(int fd)
{
#if defined(__SANITIZE_THREAD__)
    (void)syscall(SYS_close, fd);
#else
    close(fd);
#endif
}

/* A chunk that is not in use holds only the link. */
struct jzx__chunk {
    jzx__chunk *next;
};

/* Bytes on their way out: in a chunk, or in a payload that was handed over (`owned`). */
struct jzx__segment {
    jzx__segment *next;
    uint8_t *data; /* what has not left yet */
    size_t size;
    uint8_t *base; /* the whole of it */
    size_t total;
    jzx_drop_fn drop;
    void *context;
    bool owned;
};

struct jzx__gather {
    struct msghdr header;
    struct iovec parts[PARTS_MAX];
};

struct jzx__accepted {
    int fd;
    uint32_t next;
};

static void settle(jzx__net *net, jzx__socket *socket);

static uint16_t bit(jzx__socket_op op)
{
    return (uint16_t)(1u << op);
}

static uint16_t event_bit(jzx__socket_event_kind kind)
{
    return (uint16_t)(1u << kind);
}

/* ---- the pools ---- */

static uint32_t chunks_free(const jzx__net *net)
{
    return net->chunk_count - net->chunks_out;
}

static uint32_t segments_max(const jzx__net *net)
{
    return 2 * net->chunk_count;
}

static uint8_t *chunk_take(jzx__net *net)
{
    JZX_ASSERT(net->chunks_out < net->chunk_count);
    net->chunks_out++;
    jzx__chunk *chunk = net->chunk_free;
    if (chunk != NULL) {
        net->chunk_free = chunk->next;
        return (uint8_t *)chunk;
    }
    return net->chunks + (size_t)net->chunks_touched++ * net->chunk_bytes;
}

static void chunk_give(jzx__net *net, uint8_t *memory)
{
    JZX_ASSERT(net->chunks_out > 0);
    net->chunks_out--;
    jzx__chunk *chunk = (jzx__chunk *)(void *)memory;
    chunk->next = net->chunk_free;
    net->chunk_free = chunk;
}

static jzx__segment *segment_take(jzx__net *net)
{
    JZX_ASSERT(net->segments_out < segments_max(net));
    net->segments_out++;
    jzx__segment *segment = net->segment_free;
    if (segment != NULL) {
        net->segment_free = segment->next;
    } else {
        segment = &net->segments[net->segments_touched++];
    }
    return segment;
}

/* N6: a segment leaves the queue in one place only, and its payload is dropped there. */
static void segment_end(jzx__net *net, jzx__segment *segment)
{
    jzx__segment was = *segment;
    JZX_ASSERT(net->segments_out > 0);
    net->segments_out--;
    segment->next = net->segment_free;
    net->segment_free = segment;
    if (!was.owned) {
        chunk_give(net, was.base);
    } else if (was.drop != NULL) {
        was.drop(was.context, was.base, was.total);
    }
}

static bool accepted_put(jzx__net *net, jzx__socket *listener, int fd)
{
    uint32_t index = net->accepted_free;
    if (index != NONE) {
        net->accepted_free = net->accepted[index].next;
    } else if (net->accepted_touched < net->accepted_count) {
        index = net->accepted_touched++;
    } else {
        return false;
    }
    net->accepted[index] = (jzx__accepted){.fd = fd, .next = NONE};
    if (listener->accepted_count == 0) {
        listener->accepted_first = index;
    } else {
        net->accepted[listener->accepted_last].next = index;
    }
    listener->accepted_last = index;
    listener->accepted_count++;
    return true;
}

static int accepted_take(jzx__net *net, jzx__socket *listener)
{
    JZX_ASSERT(listener->accepted_count > 0);
    uint32_t index = listener->accepted_first;
    jzx__accepted *accepted = &net->accepted[index];
    listener->accepted_first = accepted->next;
    listener->accepted_count--;
    accepted->next = net->accepted_free;
    net->accepted_free = index;
    return accepted->fd;
}

static void received_put(jzx__net *net, jzx__socket *socket, uint32_t buffer, uint32_t size)
{
    net->buffer_size[buffer] = size;
    if (socket->received_count == 0) {
        socket->received_first = buffer;
    } else {
        net->buffer_next[socket->received_last] = buffer;
    }
    socket->received_last = buffer;
    socket->received_count++;
}

static uint32_t received_take(jzx__net *net, jzx__socket *socket)
{
    JZX_ASSERT(socket->received_count > 0);
    uint32_t buffer = socket->received_first;
    socket->received_first = net->buffer_next[buffer];
    socket->received_count--;
    return buffer;
}

void jzx__net_buffer_give(jzx__net *net, uint32_t buffer)
{
    JZX_ASSERT(net->buffers_out > 0);
    net->buffers_out--;
    net->backend->ops->buffer_give(net->backend, buffer);
}

/* ---- the net ---- */

size_t jzx__net_metadata_size(const jzx_config *config)
{
    size_t size = (size_t)config->recv_buffers * 2 * sizeof(uint32_t);
    size += jzx__page_round((size_t)config->recv_buffers * 16); /* the kernel's ring of them */
    size += (size_t)config->send_chunks * 2 * sizeof(jzx__segment);
    size += ((size_t)config->ring_entries + 1) * sizeof(jzx__gather);
    size += (size_t)config->sockets_max * sizeof(jzx__accepted);
    return size;
}

size_t jzx__net_buffer_size(const jzx_config *config)
{
    return (size_t)config->recv_buffers * config->recv_buffer_size +
           (size_t)config->send_chunks * config->send_chunk_size;
}

void jzx__net_init(jzx__net *net, jzx__backend *backend, const jzx__net_upcalls *upcalls, jzx_counters *counters,
                   const jzx_config *config)
{
    memset(net, 0, sizeof *net);
    net->backend = backend;
    net->upcalls = upcalls;
    net->counters = counters;
    jzx__list_init(&net->wants);
    jzx__list_init(&net->watch_wants);
    jzx__list_init(&net->starved);
    jzx__list_init(&net->chunkless);
    net->buffer_count = config->recv_buffers;
    net->buffer_bytes = config->recv_buffer_size;
    net->chunk_count = config->send_chunks;
    net->chunk_bytes = config->send_chunk_size;
    net->gather_count = config->ring_entries + 1; /* N10 */
    net->accepted_count = config->sockets_max;
    net->accepted_free = NONE;
    net->reserve_fd = -1;
    net->metadata = config->allocators[JZX_MEMORY_METADATA];
    net->buffer_allocator = config->allocators[JZX_MEMORY_BUFFER];
}

/* The sizes of what prepare() takes and free_memory() gives back. */
static size_t links_size(const jzx__net *net)
{
    return (size_t)net->buffer_count * sizeof(uint32_t);
}
static size_t buffers_size(const jzx__net *net)
{
    return (size_t)net->buffer_count * net->buffer_bytes;
}
static size_t chunks_size(const jzx__net *net)
{
    return (size_t)net->chunk_count * net->chunk_bytes;
}
static size_t segments_size(const jzx__net *net)
{
    return (size_t)segments_max(net) * sizeof(jzx__segment);
}
static size_t gathers_size(const jzx__net *net)
{
    return (size_t)net->gather_count * sizeof(jzx__gather);
}
static size_t accepted_size(const jzx__net *net)
{
    return (size_t)net->accepted_count * sizeof(jzx__accepted);
}

static void free_memory(jzx__net *net)
{
    jzx__memory_give(&net->metadata, net->accepted, accepted_size(net), JZX__CACHE_LINE);
    jzx__memory_give(&net->metadata, net->gathers, gathers_size(net), JZX__CACHE_LINE);
    jzx__memory_give(&net->metadata, net->segments, segments_size(net), JZX__CACHE_LINE);
    jzx__memory_give(&net->metadata, net->buffer_size, links_size(net), JZX__CACHE_LINE);
    jzx__memory_give(&net->metadata, net->buffer_next, links_size(net), JZX__CACHE_LINE);
    jzx__memory_give(&net->buffer_allocator, net->chunks, chunks_size(net), JZX__CACHE_LINE);
    jzx__memory_give(&net->buffer_allocator, net->buffers, buffers_size(net), JZX__PAGE);
    net->accepted = NULL;
    net->gathers = NULL;
    net->segments = NULL;
    net->buffer_size = NULL;
    net->buffer_next = NULL;
    net->chunks = NULL;
    net->buffers = NULL;
}

jzx_err jzx__net_prepare(jzx__net *net, int *os_error)
{
    JZX_ASSERT(net->buffers == NULL);
    net->buffers = jzx__memory_take(&net->buffer_allocator, buffers_size(net), JZX__PAGE);
    net->chunks = jzx__memory_take(&net->buffer_allocator, chunks_size(net), JZX__CACHE_LINE);
    net->buffer_next = jzx__memory_take(&net->metadata, links_size(net), JZX__CACHE_LINE);
    net->buffer_size = jzx__memory_take(&net->metadata, links_size(net), JZX__CACHE_LINE);
    net->segments = jzx__memory_take(&net->metadata, segments_size(net), JZX__CACHE_LINE);
    net->gathers = jzx__memory_take(&net->metadata, gathers_size(net), JZX__CACHE_LINE);
    net->accepted = jzx__memory_take(&net->metadata, accepted_size(net), JZX__CACHE_LINE);
    jzx_err err = JZX_ERR_NO_MEMORY;
    int error = ENOMEM;
    if (net->buffers != NULL && net->chunks != NULL && net->buffer_next != NULL && net->buffer_size != NULL &&
        net->segments != NULL && net->gathers != NULL && net->accepted != NULL) {
        err = net->backend->ops->buffers_register(net->backend, net->buffers, net->buffer_count, net->buffer_bytes,
                                                  &error);
    }
    if (err != JZX_OK) {
        free_memory(net);
        *os_error = error;
    }
    return err;
}

void jzx__net_deinit(jzx__net *net)
{
    free_memory(net);
    if (net->reserve_fd >= 0) {
        close(net->reserve_fd);
        net->reserve_fd = -1;
    }
}

/* ---- what a socket is in want of ---- */

static bool may_read(const jzx__socket *socket)
{
    return socket->kind == JZX__SOCKET_CONNECTION && socket->paused == 0 && !socket->full && !socket->eof &&
           !socket->dead && !socket->closing;
}

static bool may_accept(const jzx__socket *socket)
{
    return socket->kind == JZX__SOCKET_LISTENER && socket->paused == 0 && !socket->full && socket->retry_ns == 0 &&
           socket->connections + socket->accepted_count < socket->connections_max && !socket->dead && !socket->closing;
}

/* The operations in flight that shall end and have not been told so. */
static uint16_t to_cancel(const jzx__socket *socket)
{
    uint16_t end = 0;
    if (!may_read(socket)) {
        end |= bit(JZX__SOCKET_RECV);
    }
    if (!may_accept(socket)) {
        end |= bit(JZX__SOCKET_ACCEPT);
    }
    if (socket->dead) {
        end |= bit(JZX__SOCKET_CONNECT) | bit(JZX__SOCKET_SEND);
    }
    return end & socket->in_flight & (uint16_t)~socket->cancelled;
}

/* The operations to queue now (N2). One that is being cancelled is not begun anew before the cancel has ended. */
static uint16_t needed(const jzx__socket *socket)
{
    uint16_t need = 0;
    bool cancelling = (socket->in_flight & bit(JZX__SOCKET_CANCEL)) != 0;
    if (!cancelling) {
        if (to_cancel(socket) != 0) {
            need |= bit(JZX__SOCKET_CANCEL);
        }
        if (may_read(socket) && jzx__list_empty(&socket->starve)) {
            need |= bit(JZX__SOCKET_RECV);
        }
        if (may_accept(socket)) {
            need |= bit(JZX__SOCKET_ACCEPT);
        }
    }
    if (socket->kind == JZX__SOCKET_CONNECTING && !socket->dead) {
        need |= bit(JZX__SOCKET_CONNECT);
    }
    if (socket->kind == JZX__SOCKET_CONNECTION && socket->send_first != NULL && !socket->dead) {
        need |= bit(JZX__SOCKET_SEND);
    }
    if (socket->closing && socket->in_flight == 0 && socket->send_first == NULL) {
        need |= bit(JZX__SOCKET_CLOSE); /* N4 */
    }
    return need & (uint16_t)~socket->in_flight;
}

/* N3: a socket with anything to queue is in net->wants. */
static void settle(jzx__net *net, jzx__socket *socket)
{
    if (needed(socket) != 0 && jzx__list_empty(&socket->want)) {
        jzx__list_append(&net->wants, &socket->want);
    }
}

/* The head of the queue, or as much of it as one operation takes. Returns how many segments that is. */
static uint32_t describe_send(const jzx__net *net, const jzx__socket *socket, jzx__sqe *sqe)
{
    const jzx__segment *segment = socket->send_first;
    if (segment->next == NULL || segment->size >= SEND_OP_MAX) {
        sqe->addr = segment->data;
        sqe->len = segment->size < SEND_OP_MAX ? (uint32_t)segment->size : SEND_OP_MAX;
        return 1;
    }
    jzx__gather *gather = &net->gathers[net->gather_next];
    uint32_t count = 0;
    size_t total = 0;
    for (; segment != NULL && count < PARTS_MAX && segment->size <= SEND_OP_MAX - total; segment = segment->next) {
        gather->parts[count++] = (struct iovec){.iov_base = segment->data, .iov_len = segment->size};
        total += segment->size;
    }
    gather->header = (struct msghdr){.msg_iov = gather->parts, .msg_iovlen = count};
    sqe->op = JZX__OP_SEND_PARTS;
    sqe->addr = &gather->header;
    sqe->len = (uint32_t)total;
    return count;
}

static void describe(jzx__net *net, jzx__socket *socket, jzx__socket_op op, jzx__sqe *sqe)
{
    static const jzx__op OPS[] = {
        [JZX__SOCKET_ACCEPT] = JZX__OP_ACCEPT, [JZX__SOCKET_CONNECT] = JZX__OP_CONNECT,
        [JZX__SOCKET_RECV] = JZX__OP_RECV,     [JZX__SOCKET_SEND] = JZX__OP_SEND,
        [JZX__SOCKET_CANCEL] = JZX__OP_CANCEL, [JZX__SOCKET_CLOSE] = JZX__OP_CLOSE,
    };
    *sqe = (jzx__sqe){.op = OPS[op], .fd = socket->fd, .user_data = net->upcalls->user_data(socket, op)};
    if (op == JZX__SOCKET_SEND) {
        socket->send_parts = describe_send(net, socket, sqe);
    } else if (op == JZX__SOCKET_CONNECT) {
        sqe->addr = &socket->address;
        sqe->len = socket->address_size;
    }
}

/* With input unread the kernel resets a connection when it is closed, and forgets what it has still to send. */
static void discard_unread(const jzx__socket *socket)
{
    for (int i = 0; i < DISCARDS_MAX && jzx__sys_discard(socket->fd, DISCARD_SIZE); i++) {
    }
}

static bool queue(jzx__net *net, jzx__socket *socket, jzx__socket_op op)
{
    if (op == JZX__SOCKET_CLOSE && socket->graceful) {
        discard_unread(socket);
        socket->graceful = false;
    }
    jzx__sqe sqe;
    describe(net, socket, op, &sqe);
    jzx__socket_op target = JZX__SOCKET_OPS;
    if (op == JZX__SOCKET_CANCEL) {
        target = (jzx__socket_op)__builtin_ctz(to_cancel(socket));
        sqe.target = net->upcalls->user_data(socket, target);
    }
    if (!net->backend->ops->queue(net->backend, &sqe)) {
        return false;
    }
    socket->in_flight |= bit(op);
    if (op == JZX__SOCKET_CANCEL) {
        socket->cancelled |= bit(target);
    }
    if (sqe.op == JZX__OP_SEND_PARTS) {
        net->gather_next = net->gather_next + 1 < net->gather_count ? net->gather_next + 1 : 0; /* N10 */
    }
    return true;
}

/* Queues all that a socket is in want of. False when there was no room for all of it. */
static bool prepare(jzx__net *net, jzx__socket *socket)
{
    uint16_t need;
    while ((need = needed(socket)) != 0) {
        if (!queue(net, socket, (jzx__socket_op)__builtin_ctz(need))) {
            return false;
        }
    }
    return true;
}

/* As many starved sockets read again as there are buffers in the kernel: not more, or they would only fail again. */
static void feed_starved(jzx__net *net)
{
    uint32_t fed = net->buffer_count - net->buffers_out;
    while (fed > 0 && !jzx__list_empty(&net->starved)) {
        jzx__socket *socket = jzx__container_of(net->starved.next, jzx__socket, starve);
        jzx__list_remove(&socket->starve);
        settle(net, socket);
        fed--;
    }
}

static bool flush_once(jzx__net *net)
{
    while (!jzx__list_empty(&net->watch_wants)) {
        jzx__watch *watch = jzx__container_of(net->watch_wants.next, jzx__watch, want);
        if (!jzx__watch_prepare(net, watch)) {
            return false;
        }
        jzx__list_remove(&watch->want);
    }
    while (!jzx__list_empty(&net->wants)) {
        jzx__socket *socket = jzx__container_of(net->wants.next, jzx__socket, want);
        if (!prepare(net, socket)) {
            return false;
        }
        jzx__list_remove(&socket->want);
    }
    return true;
}

jzx_err jzx__net_flush(jzx__net *net)
{
    jzx_err err = JZX_OK;
    if (jzx__unlikely(!jzx__list_empty(&net->starved))) {
        feed_starved(net);
    }
    /* A submission makes room, unless the kernel is short of memory: then what is left stays wanted (N3). */
    for (int tries = 0; !flush_once(net) && tries < 64 && err == JZX_OK; tries++) {
        err = net->backend->ops->submit(net->backend);
    }
    return err;
}

/* ---- events, deadlines, ends ---- */

static void announce(jzx__net *net, jzx__socket *socket, jzx__socket_event_kind kind)
{
    if (!socket->closing) {
        socket->events |= event_bit(kind);
        net->upcalls->ready(net, socket);
    }
}

static void set_due(jzx__net *net, jzx__socket *socket, uint64_t due_ns)
{
    if (socket->due_ns != due_ns) {
        socket->due_ns = due_ns;
        net->upcalls->deadline(net, socket, due_ns);
    }
}

static void set_idle_due(jzx__net *net, jzx__socket *socket)
{
    set_due(net, socket, jzx__add_saturating(socket->active_ns, socket->idle_ns));
}

/* N9 */
static void check_drained(jzx__net *net, jzx__socket *socket)
{
    if (socket->drain_wanted && !socket->dead && jzx__list_empty(&socket->chunkless) &&
        socket->send_queued <= socket->send_max / 2) {
        socket->drain_wanted = false;
        announce(net, socket, JZX__SOCKET_DRAINED);
    }
}

/*
 * Chunks or records of them have come back: of those that were refused for want of them, the oldest may try again, as
 * many as can be served now.
 */
static void pool_freed(jzx__net *net)
{
    uint32_t segments = segments_max(net) - net->segments_out;
    uint32_t room = chunks_free(net) < segments ? chunks_free(net) : segments;
    while (jzx__unlikely(!jzx__list_empty(&net->chunkless)) && segments > 0) {
        jzx__socket *socket = jzx__container_of(net->chunkless.next, jzx__socket, chunkless);
        if (socket->chunks_needed > room) {
            return;
        }
        room -= socket->chunks_needed;
        jzx__list_remove(&socket->chunkless);
        check_drained(net, socket);
    }
}

/* Takes the head from the send queue. */
static void send_pop(jzx__net *net, jzx__socket *socket)
{
    jzx__segment *segment = socket->send_first;
    socket->send_first = segment->next;
    if (socket->send_first == NULL) {
        socket->send_last = NULL;
    }
    segment_end(net, segment);
}

/* Drops what has not left. What the kernel reads stays (N1), and goes when its operation ends. */
static void send_drop(jzx__net *net, jzx__socket *socket)
{
    uint32_t keep = (socket->in_flight & bit(JZX__SOCKET_SEND)) != 0 ? socket->send_parts : 0;
    jzx__segment **end = &socket->send_first;
    jzx__segment *last = NULL;
    size_t kept = 0;
    for (; keep > 0; keep--) {
        last = *end;
        kept += last->size;
        end = &last->next;
    }
    jzx__segment *rest = *end;
    *end = NULL;
    socket->send_last = last;
    socket->send_queued = kept;
    while (rest != NULL) {
        jzx__segment *next = rest->next;
        segment_end(net, rest);
        rest = next;
    }
    pool_freed(net);
}

/* From now on nothing is sent or read; operations in flight are cancelled. */
static void die(jzx__net *net, jzx__socket *socket)
{
    socket->dead = true;
    socket->drain_wanted = false;
    socket->events &= (uint16_t)~event_bit(JZX__SOCKET_DRAINED);
    jzx__list_remove(&socket->starve);
    jzx__list_remove(&socket->chunkless);
    set_due(net, socket, JZX_FOREVER);
    send_drop(net, socket);
}

static void fail(jzx__net *net, jzx__socket *socket, int error)
{
    if (socket->dead) {
        return;
    }
    socket->error = error;
    die(net, socket);
    announce(net, socket, JZX__SOCKET_CLOSED);
}

/* ---- begin ---- */

static void begin(jzx__socket *socket, jzx__socket_kind kind, int fd)
{
    memset(socket, 0, sizeof *socket);
    jzx__list_init(&socket->want);
    jzx__list_init(&socket->starve);
    jzx__list_init(&socket->chunkless);
    socket->kind = (uint8_t)kind;
    socket->fd = fd;
    socket->due_ns = JZX_FOREVER;
}

static void begin_connection(jzx__net *net, jzx__socket *socket, const jzx__socket_options *options)
{
    socket->received_max = net->buffer_count / 2 < RECEIVED_MAX ? net->buffer_count / 2 : RECEIVED_MAX;
    socket->send_max = options->send_max;
    socket->idle_ns = options->idle_ns;
    socket->linger_ns = options->linger_ns;
    socket->active_ns = net->now_ns;
}

static void option(int fd, int level, int name)
{
    int on = 1;
    int result = setsockopt(fd, level, name, &on, sizeof on);
    (void)result; /* each is a wish: what is no TCP socket has none to grant */
}

int jzx__address_parse(const char *text, uint16_t port, jzx__socket_options *options)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        memcpy(&options->address, &v4, sizeof v4);
        options->address_size = sizeof v4;
        return 0;
    }
    if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
        memcpy(&options->address, &v6, sizeof v6);
        options->address_size = sizeof v6;
        return 0;
    }
    return -EINVAL;
}

static int stream_open(const jzx__socket_options *options)
{
    int fd = socket(options->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 ? fd : -errno;
}

static int listener_open(const jzx__socket_options *options)
{
    int fd = stream_open(options);
    if (fd < 0) {
        return fd;
    }
    option(fd, SOL_SOCKET, SO_REUSEADDR);
    if (options->reuse_port) {
        option(fd, SOL_SOCKET, SO_REUSEPORT);
    }
    if (bind(fd, (const struct sockaddr *)&options->address, options->address_size) != 0 ||
        listen(fd, options->backlog) != 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

static int reserve(jzx__net *net)
{
    if (net->reserve_fd < 0) {
        net->reserve_fd = jzx__sys_open_nothing();
    }
    return net->reserve_fd >= 0 ? 0 : -errno;
}

int jzx__socket_listen(jzx__net *net, jzx__socket *socket, const jzx__socket_options *options)
{
    int reserved = reserve(net);
    if (reserved < 0) {
        return reserved;
    }
    int fd = listener_open(options);
    if (fd < 0) {
        return fd;
    }
    begin(socket, JZX__SOCKET_LISTENER, fd);
    socket->connections_max = options->connections_max;
    settle(net, socket);
    return 0;
}

int jzx__socket_connect(jzx__net *net, jzx__socket *socket, const jzx__socket_options *options)
{
    int fd = stream_open(options);
    if (fd < 0) {
        return fd;
    }
    begin(socket, JZX__SOCKET_CONNECTING, fd);
    begin_connection(net, socket, options);
    if (options->no_delay) {
        option(fd, IPPROTO_TCP, TCP_NODELAY);
    }
    socket->address = options->address;
    socket->address_size = options->address_size;
    set_due(net, socket, jzx__add_saturating(net->now_ns, options->connect_ns));
    settle(net, socket);
    return 0;
}

int jzx__socket_adopt(jzx__net *net, jzx__socket *socket, int fd, const jzx__socket_options *options, bool reading)
{
    int type = 0;
    socklen_t size = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) {
        return -errno;
    }
    if (type != SOCK_STREAM) {
        return -EINVAL;
    }
    begin(socket, JZX__SOCKET_CONNECTION, fd);
    begin_connection(net, socket, options);
    if (options->no_delay) {
        option(fd, IPPROTO_TCP, TCP_NODELAY);
    }
    socket->paused = reading ? 0 : JZX__PAUSED_BY_USER;
    set_idle_due(net, socket);
    settle(net, socket);
    return 0;
}

int jzx__socket_port(const jzx__socket *socket, uint16_t *port)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof address;
    if (getsockname(socket->fd, (struct sockaddr *)&address, &size) != 0) {
        return -errno;
    }
    if (address.ss_family == AF_INET) {
        *port = ntohs(((const struct sockaddr_in *)(const void *)&address)->sin_port);
        return 0;
    }
    if (address.ss_family == AF_INET6) {
        *port = ntohs(((const struct sockaddr_in6 *)(const void *)&address)->sin6_port);
        return 0;
    }
    return -EAFNOSUPPORT;
}

/* ---- reading ---- */

void jzx__socket_read(jzx__net *net, jzx__socket *socket, jzx__socket_pause_reason reason)
{
    socket->paused &= (uint8_t)~reason;
    settle(net, socket);
}

void jzx__socket_pause(jzx__net *net, jzx__socket *socket, jzx__socket_pause_reason reason)
{
    socket->paused |= (uint8_t)reason;
    jzx__list_remove(&socket->starve);
    settle(net, socket);
}

/* Whatever has an errno that says nothing about this receive, only that it is over. */
static bool only_ended(int error)
{
    return error == ECANCELED || error == EINTR || error == EAGAIN;
}

static void complete_recv(jzx__net *net, jzx__socket *socket, const jzx__cqe *cqe)
{
    if ((cqe->flags & JZX__CQE_BUFFER) != 0) {
        net->buffers_out++;
        if (cqe->res <= 0 || socket->closing) {
            jzx__net_buffer_give(net, cqe->buffer);
        } else {
            received_put(net, socket, cqe->buffer, (uint32_t)cqe->res);
        }
    }
    if (socket->closing || socket->dead) {
        return;
    }
    if (cqe->res > 0) {
        socket->active_ns = net->now_ns;
        socket->full = socket->full || socket->received_count >= socket->received_max; /* N5 */
        jzx__count_add(&net->counters->bytes_in, (uint64_t)cqe->res);
        net->upcalls->ready(net, socket);
    } else if (cqe->res == 0) {
        socket->eof = true;
        announce(net, socket, JZX__SOCKET_EOF);
    } else if (cqe->res == -ENOBUFS) {
        jzx__count_add(&net->counters->recv_starved, 1);
        if (may_read(socket)) {
            jzx__list_append(&net->starved, &socket->starve);
        }
    } else if (!only_ended(-cqe->res)) {
        fail(net, socket, -cqe->res);
    }
}

/* ---- accepting ---- */

/*
 * Without a descriptor a connection cannot even be refused, and stays in the backlog for ever. The reserve is given up
 * for the moment it takes to accept one and close it.
 */
static void turn_away(jzx__net *net, jzx__socket *socket)
{
    if (net->reserve_fd >= 0) {
        close(net->reserve_fd);
        net->reserve_fd = -1;
        int fd = accept4(socket->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            close(fd);
        }
    }
    reserve(net);
}

static void rest(jzx__net *net, jzx__socket *socket, int error)
{
    socket->retry_ns = jzx__add_saturating(net->now_ns, ACCEPT_RETRY_NS);
    set_due(net, socket, socket->retry_ns);
    net->upcalls->accept_failed(net, socket, error);
}

static void accept_error(jzx__net *net, jzx__socket *socket, int error)
{
    switch (error) {
    case ECANCELED:
    case EINTR:
    case EAGAIN:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EPERM:
        return; /* of one connection that is gone: the next is asked for */
    case EBADF:
    case EINVAL:
    case ENOTSOCK:
        fail(net, socket, error);
        return;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
        turn_away(net, socket);
        rest(net, socket, error);
        return;
    default:
        rest(net, socket, error);
    }
}

static void complete_accept(jzx__net *net, jzx__socket *socket, const jzx__cqe *cqe)
{
    if (socket->closing || socket->dead) {
        if (cqe->res >= 0) {
            close_accepted(cqe->res);
        }
        return;
    }
    if (cqe->res < 0) {
        accept_error(net, socket, -cqe->res);
        return;
    }
    if (!accepted_put(net, socket, cqe->res)) {
        close_accepted(cqe->res);
        rest(net, socket, ENOBUFS);
        return;
    }
    socket->full = socket->full || socket->accepted_count >= ACCEPTED_MAX;
    if (jzx__socket_has_event(socket)) {
        net->upcalls->ready(net, socket);
    }
}

void jzx__socket_child_closed(jzx__net *net, jzx__socket *listener)
{
    JZX_ASSERT(listener->kind == JZX__SOCKET_LISTENER && listener->connections > 0);
    listener->connections--;
    if (jzx__socket_has_event(listener)) {
        net->upcalls->ready(net, listener); /* N8: one that waited may be taken now */
    }
    settle(net, listener);
}

/* ---- sending ---- */

static void send_append(jzx__socket *socket, jzx__segment *segment)
{
    segment->next = NULL;
    if (socket->send_last == NULL) {
        socket->send_first = segment;
    } else {
        socket->send_last->next = segment;
    }
    socket->send_last = segment;
}

/* Room at the end of the last chunk. The kernel may be reading the chunk's beginning: it was told where that ends. */
static size_t tail_room(const jzx__net *net, const jzx__socket *socket)
{
    const jzx__segment *last = socket->send_last;
    if (last == NULL || last->owned) {
        return 0;
    }
    return net->chunk_bytes - ((size_t)(last->data - last->base) + last->size);
}

static int send_check(jzx__socket *socket, size_t size)
{
    if (socket->dead || socket->closing || socket->kind == JZX__SOCKET_LISTENER) {
        return -EPIPE;
    }
    if (size > socket->send_max) {
        return -EMSGSIZE;
    }
    if (size > socket->send_max - socket->send_queued) {
        socket->drain_wanted = true; /* the queue is not empty, so a completion will come */
        return -EAGAIN;
    }
    return 0;
}

static int refuse_chunkless(jzx__net *net, jzx__socket *socket, size_t chunks)
{
    socket->drain_wanted = true;
    socket->chunks_needed = (uint32_t)chunks;
    if (jzx__list_empty(&socket->chunkless)) {
        jzx__list_append(&net->chunkless, &socket->chunkless);
    }
    return -EAGAIN;
}

static void copy_into_chunks(jzx__net *net, jzx__socket *socket, const uint8_t *data, size_t size)
{
    while (size > 0) {
        size_t room = tail_room(net, socket);
        if (room == 0) {
            jzx__segment *segment = segment_take(net);
            uint8_t *chunk = chunk_take(net);
            *segment = (jzx__segment){.data = chunk, .base = chunk, .owned = false};
            send_append(socket, segment);
            room = net->chunk_bytes;
        }
        jzx__segment *last = socket->send_last;
        size_t part = size < room ? size : room;
        memcpy(last->data + last->size, data, part);
        last->size += part;
        data += part;
        size -= part;
    }
}

int jzx__socket_send_copy(jzx__net *net, jzx__socket *socket, const void *data, size_t size)
{
    int refused = send_check(socket, size);
    if (refused < 0) {
        return refused;
    }
    size_t room = tail_room(net, socket);
    size_t beyond = size > room ? size - room : 0;
    size_t chunks = beyond / net->chunk_bytes + (beyond % net->chunk_bytes != 0);
    if (chunks > net->chunk_count) {
        return -EMSGSIZE;
    }
    if (chunks > chunks_free(net) || chunks > segments_max(net) - net->segments_out) {
        return refuse_chunkless(net, socket, chunks);
    }
    copy_into_chunks(net, socket, data, size);
    socket->send_queued += size;
    settle(net, socket);
    return 0;
}

int jzx__socket_send_owned(jzx__net *net, jzx__socket *socket, void *data, size_t size, jzx_drop_fn drop, void *context)
{
    JZX_ASSERT(size != 0);
    int refused = send_check(socket, size);
    if (refused < 0) {
        return refused;
    }
    if (net->segments_out == segments_max(net)) {
        return refuse_chunkless(net, socket, 0);
    }
    jzx__segment *segment = segment_take(net);
    *segment = (jzx__segment){
        .data = data, .size = size, .base = data, .total = size, .drop = drop, .context = context, .owned = true};
    send_append(socket, segment);
    socket->send_queued += size;
    settle(net, socket);
    return 0;
}

static void sent(jzx__net *net, jzx__socket *socket, size_t size)
{
    JZX_ASSERT(size <= socket->send_queued);
    socket->send_queued -= size;
    socket->active_ns = net->now_ns;
    jzx__count_add(&net->counters->bytes_out, size);
    while (size > 0) {
        jzx__segment *head = socket->send_first;
        JZX_ASSERT(head != NULL);
        size_t part = size < head->size ? size : head->size;
        head->data += part;
        head->size -= part;
        size -= part;
        if (head->size == 0) {
            send_pop(net, socket);
        }
    }
    pool_freed(net);
}

static void complete_send(jzx__net *net, jzx__socket *socket, const jzx__cqe *cqe)
{
    JZX_ASSERT(socket->send_first != NULL);
    if (cqe->res > 0) {
        sent(net, socket, (size_t)cqe->res);
    }
    if (socket->dead) {
        send_drop(net, socket);
    } else if (cqe->res < 0 && !only_ended(-cqe->res)) {
        fail(net, socket, -cqe->res);
    } else {
        check_drained(net, socket);
    }
    if (socket->closing && socket->send_first == NULL) {
        set_due(net, socket, JZX_FOREVER);
    }
}

/* ---- connecting ---- */

static void complete_connect(jzx__net *net, jzx__socket *socket, const jzx__cqe *cqe)
{
    if (socket->dead) {
        return;
    }
    if (cqe->res == -EINTR || cqe->res == -EAGAIN) {
        return; /* asked for again */
    }
    if (cqe->res < 0) {
        fail(net, socket, -cqe->res);
        return;
    }
    socket->kind = JZX__SOCKET_CONNECTION;
    socket->active_ns = net->now_ns;
    set_idle_due(net, socket);
    announce(net, socket, JZX__SOCKET_CONNECTED);
}

/* ---- the end ---- */

void jzx__socket_close(jzx__net *net, jzx__socket *socket, bool abort)
{
    if (socket->closing && !abort) {
        return;
    }
    bool first = !socket->closing;
    if (socket->kind == JZX__SOCKET_LISTENER && socket->fd >= 0) {
        (void)shutdown(socket->fd,
                       SHUT_RDWR); /* its port is free now, for who is restarted, and not when the close is reaped */
    }
    socket->closing = true;
    socket->graceful = !abort && socket->kind == JZX__SOCKET_CONNECTION && !socket->eof && !socket->dead;
    socket->events = 0;
    while (socket->received_count > 0) {
        jzx__net_buffer_give(net, received_take(net, socket));
    }
    while (socket->accepted_count > 0) {
        close_accepted(accepted_take(net, socket));
    }
    jzx__list_remove(&socket->starve);
    jzx__list_remove(&socket->chunkless);
    if (abort || socket->kind != JZX__SOCKET_CONNECTION || socket->send_first == NULL) {
        if (!socket->dead) {
            die(net, socket);
        }
    } else if (first && !socket->dead) {
        set_due(net, socket, jzx__add_saturating(net->now_ns, socket->linger_ns));
    }
    settle(net, socket);
}

/* A close that was submitted is done, whether or not its completion comes: the number may be somebody else's by now. */
static bool is_closed(const jzx__net *net, const jzx__socket *socket)
{
    return (socket->in_flight & bit(JZX__SOCKET_CLOSE)) != 0 &&
           !net->backend->ops->unsent(net->backend, net->upcalls->user_data(socket, JZX__SOCKET_CLOSE));
}

void jzx__socket_abandon(jzx__net *net, jzx__socket *socket)
{
    bool closed = is_closed(net, socket);
    socket->in_flight = 0; /* so nothing is kept for it */
    socket->closing = true;
    jzx__list_remove(&socket->want);
    jzx__list_remove(&socket->starve);
    jzx__list_remove(&socket->chunkless);
    send_drop(net, socket);
    while (socket->accepted_count > 0) {
        close(accepted_take(net, socket));
    }
    if (socket->fd >= 0 && !closed) {
        close(socket->fd);
    }
    socket->fd = -1;
}

static void complete_close(jzx__net *net, jzx__socket *socket)
{
    JZX_ASSERT(socket->in_flight == 0 && socket->send_first == NULL && socket->received_count == 0);
    jzx__list_remove(&socket->want);
    socket->fd = -1;
    net->upcalls->closed(net, socket); /* N7 */
}

void jzx__socket_complete(jzx__net *net, jzx__socket *socket, jzx__socket_op op, const jzx__cqe *cqe)
{
    JZX_ASSERT((socket->in_flight & bit(op)) != 0);
    if ((cqe->flags & JZX__CQE_MORE) == 0) {
        socket->in_flight &= (uint16_t)~bit(op);
        socket->cancelled &= (uint16_t)~bit(op);
    }
    switch (op) {
    case JZX__SOCKET_ACCEPT:
        complete_accept(net, socket, cqe);
        break;
    case JZX__SOCKET_CONNECT:
        complete_connect(net, socket, cqe);
        break;
    case JZX__SOCKET_RECV:
        complete_recv(net, socket, cqe);
        break;
    case JZX__SOCKET_SEND:
        complete_send(net, socket, cqe);
        break;
    case JZX__SOCKET_CLOSE:
        complete_close(net, socket);
        return;
    case JZX__SOCKET_CANCEL:
    case JZX__SOCKET_OPS:
        break;
    }
    settle(net, socket);
}

void jzx__socket_due(jzx__net *net, jzx__socket *socket)
{
    uint64_t now_ns = net->now_ns > socket->due_ns ? net->now_ns : socket->due_ns;
    socket->due_ns = JZX_FOREVER;
    if (socket->closing) {
        socket->graceful = false;
        die(net, socket); /* the time to linger is over */
    } else if (socket->kind == JZX__SOCKET_LISTENER) {
        socket->retry_ns = 0;
        reserve(net);
    } else if (socket->kind == JZX__SOCKET_CONNECTION &&
               jzx__add_saturating(socket->active_ns, socket->idle_ns) > now_ns) {
        set_idle_due(net, socket);
    } else {
        fail(net, socket, ETIMEDOUT);
    }
    settle(net, socket);
}

/* ---- taking events ---- */

bool jzx__socket_has_event(const jzx__socket *socket)
{
    if (socket->closing) {
        return false;
    }
    return socket->events != 0 || socket->received_count > 0 ||
           (socket->accepted_count > 0 && socket->connections < socket->connections_max);
}

static bool take_bit(jzx__socket *socket, jzx__socket_event_kind kind, jzx__socket_event *event)
{
    if ((socket->events & event_bit(kind)) == 0) {
        return false;
    }
    socket->events &= (uint16_t)~event_bit(kind);
    event->kind = kind;
    return true;
}

static void take_data(jzx__net *net, jzx__socket *socket, jzx__socket_event *event)
{
    event->kind = JZX__SOCKET_DATA;
    event->buffer = received_take(net, socket);
    event->data = net->buffers + (size_t)event->buffer * net->buffer_bytes;
    event->size = net->buffer_size[event->buffer];
    if (socket->full && socket->received_count <= socket->received_max / 2) {
        socket->full = false; /* N5 */
        settle(net, socket);
    }
}

static void take_connection(jzx__net *net, jzx__socket *socket, jzx__socket_event *event)
{
    event->kind = JZX__SOCKET_ACCEPTED;
    event->fd = accepted_take(net, socket);
    socket->connections++;
    if (socket->full && socket->accepted_count <= ACCEPTED_MAX / 2) {
        socket->full = false;
        settle(net, socket);
    }
}

bool jzx__socket_next(jzx__net *net, jzx__socket *socket, jzx__socket_event *event)
{
    if (!jzx__socket_has_event(socket)) {
        return false;
    }
    *event = (jzx__socket_event){.error = 0, .fd = -1};
    if (take_bit(socket, JZX__SOCKET_CONNECTED, event)) {
        return true;
    }
    if (socket->received_count > 0) {
        take_data(net, socket, event);
        return true;
    }
    if (socket->accepted_count > 0 && socket->connections < socket->connections_max) {
        take_connection(net, socket, event);
        return true;
    }
    if (take_bit(socket, JZX__SOCKET_EOF, event) || take_bit(socket, JZX__SOCKET_DRAINED, event)) {
        return true;
    }
    bool closed = take_bit(socket, JZX__SOCKET_CLOSED, event);
    JZX_ASSERT(closed);
    event->error = socket->error;
    return true;
}
