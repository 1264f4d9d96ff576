/*
 * socket: watches and TCP sockets as what actors own. The work is io/'s; here are owners, numbers and messages.
 *
 * Owner thread only.
 *
 * Invariants
 *   X1  A completion finds its record by index and generation, and an operation in flight there, or is counted as stale
 *       and ignored.
 *   X2  A receive buffer that is lent to a handler goes back when the handler returns, unless it was kept.
 *   X3  An accepted connection counts against its listener until it is closed, also when the listener is gone.
 *   X4  A connection with pause_at_high_mark is held only while its owner's mailbox is marked full (A5), and it is held
 *       from the first event on that comes meanwhile. So a mark costs nothing, and its end only what was held.
 */
#include "sched/loop.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <jzx/io.h>
#include <jzx/net.h>

/* The first byte of user_data says which table and operation; the rest is the number without its loop. */
enum { USER_SOCKET = 0x10, USER_WATCH_POLL = 0x20, USER_WATCH_CANCEL = 0x21 };

static const uint64_t NUMBER_MASK = 0x00FFFFFFFFFFFFFFull;

static jzx__socket_record *record_of(const jzx__socket *socket)
{
    return jzx__container_of(socket, jzx__socket_record, socket);
}

static jzx_loop *loop_of(jzx__net *net)
{
    return jzx__container_of(net, jzx_loop, net);
}

/* ---- holding (X4) ---- */

static __attribute__((noinline)) void look_at_mark(jzx_loop *loop, jzx__socket_record *record)
{
    uint32_t owner = record->resource.owner;
    if (!jzx__socket_held(&record->socket) && record->socket.kind != JZX__SOCKET_LISTENER &&
        (jzx__slot_hot(&loop->slots, owner)->flags & JZX__SLOT_MARKED) != 0) {
        jzx__map_add(&loop->sockets_held, &record->marked, owner);
        loop->sockets_held_count++;
        jzx__socket_pause(&loop->net, &record->socket, JZX__PAUSED_HELD);
    }
}

static inline void hold_if_marked(jzx_loop *loop, jzx__socket_record *record)
{
    if (jzx__unlikely(record->pause_at_high_mark)) {
        look_at_mark(loop, record);
    }
}

static void unhold(jzx_loop *loop, jzx__socket_record *record)
{
    if (jzx__socket_held(&record->socket)) {
        jzx__map_remove(&loop->sockets_held, &record->marked);
        loop->sockets_held_count--;
        jzx__socket_read(&loop->net, &record->socket, JZX__PAUSED_HELD);
    }
}

void jzx__socket_go_on(jzx_loop *loop, uint32_t owner)
{
    jzx__map_node *node;
    while ((node = jzx__map_find(&loop->sockets_held, owner)) != NULL) {
        unhold(loop, jzx__container_of(node, jzx__socket_record, marked));
    }
}

/* ---- upcalls of io/tcp ---- */

static void ready(jzx__net *net, jzx__socket *socket)
{
    jzx_loop *loop = loop_of(net);
    jzx__socket_record *record = record_of(socket);
    jzx__resource_notify(loop, &record->resource);
    hold_if_marked(loop, record);
}

static void closed(jzx__net *net, jzx__socket *socket)
{
    jzx_loop *loop = loop_of(net);
    jzx__socket_record *record = record_of(socket);
    if (jzx__deadline_set(&record->deadline)) {
        jzx__deadlines_remove(&loop->deadlines, &record->deadline);
    }
    jzx__socket_record *listener = jzx__table_find(&loop->sockets, record->listener);
    if (record->listener != 0 && listener != NULL && !listener->closed) {
        jzx__socket_child_closed(net, &listener->socket); /* X3 */
    }
    jzx__count_add(&loop->counters->connections_closed, socket->kind != JZX__SOCKET_LISTENER);
    JZX_ASSERT(!jzx__socket_held(socket));
    record->closed = true;
    if (record->resource.link != NULL) {
        jzx__resource_disown(&record->resource);
    }
    jzx__resource_free(loop, &record->resource);
}

static void deadline(jzx__net *net, jzx__socket *socket, uint64_t due_ns)
{
    jzx_loop *loop = loop_of(net);
    jzx__socket_record *record = record_of(socket);
    if (jzx__deadline_set(&record->deadline)) {
        jzx__deadlines_remove(&loop->deadlines, &record->deadline);
    }
    if (due_ns != JZX_FOREVER) {
        jzx__deadlines_add(&loop->deadlines, &record->deadline, due_ns);
    }
}

static uint64_t user_data(const jzx__socket *socket, jzx__socket_op op)
{
    return (uint64_t)(USER_SOCKET + op) << 56 | (record_of(socket)->resource.number & NUMBER_MASK);
}

static void accept_failed(jzx__net *net, jzx__socket *socket, int error)
{
    jzx_loop *loop = loop_of(net);
    const jzx__resource *resource = &record_of(socket)->resource;
    jzx__count_add(&loop->counters->accept_failures, 1);
    jzx_actor_id owner = resource->link != NULL ? jzx__public(loop, resource->owner)->id : 0;
    jzx__observe_accept_failed(loop, owner, error);
}

const jzx__net_upcalls jzx__socket_upcalls = {ready, closed, deadline, user_data, accept_failed};

/* ---- completions ---- */

static void doorbell_failed(jzx_loop *loop, const jzx__cqe *cqe)
{
    uint32_t peer = (uint32_t)cqe->user_data;
    if (cqe->res == -EBADF || cqe->res == -EBADFD || cqe->res >= 0) {
        return; /* the peer has ended, or has not begun and looks before it sleeps */
    }
    if (peer < loop->runtime->loop_count && !loop->owed[peer]) {
        loop->owed[peer] = 1;
        loop->owed_count++;
    }
}

static void watch_cqe(jzx_loop *loop, const jzx__cqe *cqe)
{
    jzx__watch_record *record = jzx__table_find(&loop->watches, cqe->user_data);
    if (record == NULL || !jzx__watch_expects(&record->watch, cqe)) {
        jzx__count_add(&loop->counters->stale_completions, 1); /* X1 */
        return;
    }
    if (jzx__watch_complete(&loop->net, &record->watch, cqe)) {
        jzx__resource_notify(loop, &record->resource);
    }
    if (record->resource.link == NULL && !record->resource.listed && jzx__watch_idle(&record->watch)) {
        jzx__resource_expired(loop, &record->resource.cell); /* R3 */
    }
}

void jzx__socket_cqe(void *context, const jzx__cqe *cqe)
{
    jzx_loop *loop = context;
    uint32_t kind = (uint32_t)(cqe->user_data >> 56);
    if (kind == JZX__USER_DOORBELL >> 56) {
        doorbell_failed(loop, cqe);
        return;
    }
    if (kind == USER_WATCH_POLL || kind == USER_WATCH_CANCEL) {
        watch_cqe(loop, cqe);
        return;
    }
    jzx__socket_record *record = NULL;
    if (kind >= USER_SOCKET && kind < USER_SOCKET + JZX__SOCKET_OPS) {
        record = jzx__table_find(&loop->sockets, cqe->user_data);
    }
    jzx__socket_op op = (jzx__socket_op)(kind - USER_SOCKET);
    if (record == NULL || record->closed || !jzx__socket_expects(&record->socket, op)) {
        jzx__count_add(&loop->counters->stale_completions, 1); /* X1 */
        return;
    }
    jzx__socket_complete(&loop->net, &record->socket, op, cqe);
}

void jzx__socket_due_node(jzx_loop *loop, jzx__deadline *node)
{
    jzx__socket_due(&loop->net, &jzx__container_of(node, jzx__socket_record, deadline)->socket);
}

/* ---- watches ---- */

jzx_err jzx__watch_start(jzx_context *context, int fd, uint32_t events, jzx_watch_id *id)
{
    jzx_loop *loop = context->loop;
    void *taken;
    uint64_t number;
    jzx_err err = jzx__table_take(&loop->watches, &taken, &number);
    if (err != JZX_OK) {
        return err;
    }
    jzx__watch_record *record = taken;
    jzx__resource_begin(loop, &record->resource, JZX__RESOURCE_WATCH, number, context->slot);
    record->resource.cell.kind = JZX__CELL_WATCH;
    record->watch.user_poll = (uint64_t)USER_WATCH_POLL << 56 | number;
    record->watch.user_cancel = (uint64_t)USER_WATCH_CANCEL << 56 | number;
    jzx__watch_begin(&loop->net, &record->watch, fd, events);
    *id = record->resource.number;
    return JZX_OK;
}

static jzx__watch_record *find_watch(jzx_loop *loop, uint32_t owner, uint64_t id)
{
    jzx__watch_record *record = jzx__table_find(&loop->watches, id);
    bool own = record != NULL && record->resource.number == id && record->resource.link != NULL &&
               record->resource.owner == owner;
    return own ? record : NULL;
}

jzx_err jzx__watch_stop(jzx_context *context, jzx_watch_id id)
{
    jzx__watch_record *record = find_watch(context->loop, context->slot, id);
    if (record == NULL || record->last_event) {
        return JZX_ERR_IO_NOT_WATCHED;
    }
    jzx__watch_let_go(context->loop, record);
    return JZX_OK;
}

void jzx__watch_let_go(jzx_loop *loop, jzx__watch_record *record)
{
    jzx__resource_disown(&record->resource);
    jzx__watch_end(&loop->net, &record->watch);
    jzx__resource_free(loop, &record->resource);
}

static uint32_t readiness_of(uint32_t events)
{
    return ((events & (POLLIN | POLLRDHUP)) != 0 ? JZX_IO_READ : 0) | ((events & POLLOUT) != 0 ? JZX_IO_WRITE : 0) |
           ((events & POLLPRI) != 0 ? JZX_IO_PRIORITY : 0) | ((events & (POLLERR | POLLNVAL)) != 0 ? JZX_IO_ERROR : 0) |
           ((events & (POLLHUP | POLLRDHUP)) != 0 ? JZX_IO_HANGUP : 0);
}

void jzx__watch_event_message(jzx_loop *loop, jzx__watch_record *record, jzx_message *message)
{
    (void)loop;
    jzx_io_event event;
    memset(&event, 0, sizeof event);
    event.watch = record->resource.number;
    event.fd = record->watch.fd;
    event.readiness = readiness_of(record->watch.seen);
    event.ended = record->watch.ended;
    event.error = record->watch.error;
    record->watch.seen = 0;
    record->last_event = record->watch.ended;
    *message = jzx_message_value(JZX_TAG_SYS_IO, &event, sizeof event);
}
_Static_assert(sizeof(jzx_io_event) <= JZX_INLINE_MAX, "an event is a message by value");

void jzx__watch_event_done(jzx_loop *loop, uint64_t number)
{
    jzx__watch_record *record = jzx__table_find(&loop->watches, number);
    if (record != NULL && record->resource.link != NULL && record->last_event) {
        jzx__watch_let_go(loop, record);
    }
}

/* ---- sockets ---- */

static jzx_err error_of(jzx_loop *loop, int error)
{
    loop->os_error = error;
    atomic_store_explicit(&loop->runtime->os_error, error, memory_order_relaxed);
    switch (error) {
    case EADDRINUSE:
        return JZX_ERR_ADDRESS_IN_USE;
    case EMFILE:
    case ENFILE:
        return JZX_ERR_FD_LIMIT;
    case ENOMEM:
    case ENOBUFS:
        return JZX_ERR_NO_MEMORY;
    case ENOTSOCK:
    case EBADF:
    case EINVAL:
    case EAFNOSUPPORT:
        return JZX_ERR_INVALID_ARG;
    default:
        return JZX_ERR_OS;
    }
}

static int begin_socket(jzx_loop *loop, jzx__socket_record *record, jzx__socket_begin begin, int fd,
                        const jzx__socket_options *options, bool reading)
{
    switch (begin) {
    case JZX__BEGIN_LISTEN:
        return jzx__socket_listen(&loop->net, &record->socket, options);
    case JZX__BEGIN_CONNECT:
        return jzx__socket_connect(&loop->net, &record->socket, options);
    default:
        return jzx__socket_adopt(&loop->net, &record->socket, fd, options, reading);
    }
}

static jzx_err start(jzx_loop *loop, uint32_t owner, jzx__socket_begin begin, int fd,
                     const jzx__socket_options *options, bool reading, jzx__socket_record **out)
{
    void *taken;
    uint64_t number;
    jzx_err err = jzx__table_take(&loop->sockets, &taken, &number);
    if (err != JZX_OK) {
        return err;
    }
    jzx__socket_record *record = taken;
    jzx__resource_begin(loop, &record->resource, JZX__RESOURCE_SOCKET, number, owner);
    record->resource.cell.kind = JZX__CELL_SOCKET;
    record->deadline.kind = JZX__DEADLINE_SOCKET;
    record->idle_ns = options->idle_ns;
    record->linger_ns = options->linger_ns;
    record->send_max = options->send_max;
    record->no_delay = options->no_delay;
    record->pause_at_high_mark = options->pause_at_high_mark;
    int failed = begin_socket(loop, record, begin, fd, options, reading);
    if (failed < 0) {
        jzx__resource_disown(&record->resource);
        jzx__table_give(&loop->sockets, number);
        return error_of(loop, -failed);
    }
    hold_if_marked(loop, record);
    *out = record;
    return JZX_OK;
}

jzx_err jzx__socket_start(jzx_context *context, jzx__socket_begin begin, int fd, const jzx__socket_options *options,
                          jzx_socket_id *id)
{
    jzx_loop *loop = context->loop;
    if (!loop->net_ready) {
        jzx_err err = jzx__net_prepare(&loop->net, &loop->os_error);
        if (err != JZX_OK) {
            atomic_store_explicit(&loop->runtime->os_error, loop->os_error, memory_order_relaxed);
            return err;
        }
        loop->net_ready = true;
    }
    if (!loop->in_turn) {
        loop->net.now_ns = loop->backend->ops->now_ns(loop->backend); /* the last turn may be long ago, or none */
    }
    jzx__socket_record *record;
    jzx_err err = start(loop, context->slot, begin, fd, options, true, &record);
    if (err == JZX_OK) {
        *id = record->resource.number;
    }
    return err;
}

jzx__socket_record *jzx__socket_find(jzx_context *context, jzx_socket_id id)
{
    jzx__socket_record *record = jzx__table_find(&context->loop->sockets, id);
    bool own = record != NULL && record->resource.number == id && record->resource.link != NULL &&
               record->resource.owner == context->slot;
    return own ? record : NULL;
}

/* A connection that a listener has accepted becomes its actor's. 0 when it could not be taken. */
static jzx_socket_id take_accepted(jzx_context *context, jzx__socket_record *listener, int fd)
{
    jzx_loop *loop = context->loop;
    jzx__socket_options options;
    memset(&options, 0, sizeof options);
    options.idle_ns = listener->idle_ns;
    options.linger_ns = listener->linger_ns;
    options.send_max = listener->send_max;
    options.no_delay = listener->no_delay;
    options.pause_at_high_mark = listener->pause_at_high_mark;
    jzx__socket_record *record;
    if (start(loop, context->slot, JZX__BEGIN_ADOPT, fd, &options, false, &record) != JZX_OK) {
        close(fd);
        jzx__socket_child_closed(&loop->net, &listener->socket);
        accept_failed(&loop->net, &listener->socket, ENOBUFS);
        return 0;
    }
    record->listener = listener->resource.number;
    jzx__count_add(&loop->counters->accepted, 1);
    return record->resource.number;
}

static const uint32_t KINDS[] = {
    [JZX__SOCKET_ACCEPTED] = JZX_TCP_ACCEPTED, [JZX__SOCKET_CONNECTED] = JZX_TCP_CONNECTED,
    [JZX__SOCKET_DATA] = JZX_TCP_DATA,         [JZX__SOCKET_EOF] = JZX_TCP_EOF,
    [JZX__SOCKET_DRAINED] = JZX_TCP_DRAINED,   [JZX__SOCKET_CLOSED] = JZX_TCP_CLOSED,
};

bool jzx__socket_event_message(jzx_context *context, jzx__socket_record *record, jzx_message *message, void *place)
{
    jzx__socket_event from;
    jzx_tcp_event *event = place;
    _Static_assert(sizeof *event <= 64, "the caller has room for it");
    if (!jzx__socket_next(&context->loop->net, &record->socket, &from)) {
        return false;
    }
    memset(event, 0, sizeof *event);
    event->kind = KINDS[from.kind];
    event->error = from.error;
    event->socket = record->resource.number;
    if (from.kind == JZX__SOCKET_ACCEPTED) {
        event->peer = take_accepted(context, record, from.fd);
        if (event->peer == 0) {
            jzx__socket_event_done(context, record->resource.number);
            return false;
        }
    }
    if (from.kind == JZX__SOCKET_DATA) {
        event->data = from.data;
        event->size = from.size;
        context->buffer = from.buffer; /* X2 */
    }
    record->last_event = from.kind == JZX__SOCKET_CLOSED;
    *message = jzx_message_pointer(JZX_TAG_SYS_TCP, event, sizeof *event, NULL, NULL);
    message->flags |= JZX_MESSAGE_LENT;
    return true;
}

void jzx__socket_event_done(jzx_context *context, uint64_t number)
{
    jzx_loop *loop = context->loop;
    if (context->buffer != JZX__NO_BUFFER) {
        jzx__net_buffer_give(&loop->net, context->buffer); /* X2 */
        context->buffer = JZX__NO_BUFFER;
    }
    jzx__socket_record *record = jzx__table_find(&loop->sockets, number);
    if (record == NULL || record->resource.link == NULL) {
        return;
    }
    if (record->last_event) {
        jzx__socket_let_go(loop, record);
    } else if (jzx__socket_has_event(&record->socket)) {
        jzx__resource_notify(loop, &record->resource);
    }
}

void jzx__socket_let_go(jzx_loop *loop, jzx__socket_record *record)
{
    unhold(loop, record);
    jzx__resource_disown(&record->resource);
    jzx__socket_close(&loop->net, &record->socket, false);
}

void jzx__socket_abandon_all(jzx_loop *loop)
{
    for (uint32_t index = 0; loop->sockets.used > 0 && index < loop->sockets.fresh; index++) {
        jzx__socket_record *record = jzx__table_at(&loop->sockets, index);
        bool used = jzx__number_index(record->resource.number) == index; /* that of a free one is a link to another */
        if (used && !record->closed) {
            unhold(loop, record);
            jzx__socket_abandon(&loop->net, &record->socket);
        }
    }
}

/* Takes a cell out of an urgent list, which is linked one way only. */
static void unlist(jzx__hot *hot, jzx__resource *resource)
{
    jzx__cell *last = hot->urgent_last;
    jzx__cell *before = last;
    while (before->next != &resource->cell) {
        before = before->next;
    }
    before->next = resource->cell.next;
    if (last == &resource->cell) {
        hot->urgent_last = before == last ? NULL : before;
    }
    resource->listed = false;
}

void jzx__socket_give_away(jzx_loop *loop, jzx__socket_record *record, uint32_t to)
{
    jzx__resource *resource = &record->resource;
    if (resource->listed) {
        unlist(jzx__slot_hot(&loop->slots, resource->owner), resource);
    }
    unhold(loop, record);
    jzx__resource_disown(resource);
    jzx__resource_own(resource, jzx__slot_cold(&loop->slots, to), to);
    hold_if_marked(loop, record);
    jzx__socket_read(&loop->net, &record->socket, JZX__PAUSED_BY_USER);
    if (jzx__socket_has_event(&record->socket)) {
        jzx__resource_notify(loop, resource);
    }
}
