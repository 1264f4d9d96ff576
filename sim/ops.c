/* ops: operations in flight, each tried again without waiting when something has happened; see ring.h. */
#include "sim/ring.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "io/sys.h"

static void op_end(jzx__sim_ring *ring, uint32_t place)
{
    ring->ops[place] = ring->ops[--ring->op_count];
}

/* The terminal completion (R1). */
static bool finish(jzx__sim_ring *ring, uint32_t place, int32_t res)
{
    jzx__sim_complete(ring, ring->ops[place].sqe.user_data, res, 0);
    op_end(ring, place);
    return true;
}

/* One result of a multishot operation, which may end with it. */
static bool tell(jzx__sim_ring *ring, uint32_t place, int32_t res, uint32_t flags)
{
    bool ends = jzx__sim_fault(ring->sim, JZX_SIM_MULTISHOT_END);
    jzx__sim_complete(ring, ring->ops[place].sqe.user_data, res, flags | (ends ? 0 : IORING_CQE_F_MORE));
    if (ends) {
        op_end(ring, place);
    }
    return true;
}

static bool is_socket(const jzx__sim_ring *ring, int fd)
{
    return jzx__sim_fd_kind_of(ring->sim, fd) == JZX__SIM_FD_SOCKET;
}

/* Each try_ is one try. True when the operation is over, or has told something. */

static short poll_now(const jzx__sim_ring *ring, int fd, short events)
{
    switch (jzx__sim_fd_kind_of(ring->sim, fd)) {
    case JZX__SIM_FD_EVENT:
        return jzx__sim_event_readable(ring->sim, fd) ? events & POLLIN : 0;
    case JZX__SIM_FD_SOCKET:
        return jzx__sim_socket_poll(ring->sim, fd, events);
    default: {
        struct pollfd look = {.fd = fd, .events = events};
        return poll(&look, 1, 0) > 0 ? look.revents : 0;
    }
    }
}

static bool try_poll(jzx__sim_ring *ring, uint32_t place)
{
    const struct io_uring_sqe *sqe = &ring->ops[place].sqe;
    short revents = poll_now(ring, sqe->fd, (short)sqe->poll32_events);
    if (revents == 0) {
        return false;
    }
    return (revents & POLLNVAL) != 0 ? finish(ring, place, -EBADF) : tell(ring, place, revents, 0);
}

static bool try_accept(jzx__sim_ring *ring, uint32_t place)
{
    int fd = jzx__sim_socket_accept(ring->sim, ring->ops[place].sqe.fd);
    if (fd == -EAGAIN) {
        return false;
    }
    return fd >= 0 ? tell(ring, place, fd, 0) : finish(ring, place, fd);
}

static bool try_connect(jzx__sim_ring *ring, uint32_t place)
{
    const struct io_uring_sqe *sqe = &ring->ops[place].sqe;
    int result = jzx__sim_socket_connect(ring->sim, sqe->fd, (const void *)(uintptr_t)sqe->addr, (socklen_t)sqe->off);
    return result == -EINPROGRESS || result == -EALREADY ? false : finish(ring, place, result);
}

static uint32_t buffers_free(const jzx__sim_ring *ring)
{
    return ring->buffers == NULL
               ? 0
               : (uint16_t)(__atomic_load_n(&ring->buffers->tail, __ATOMIC_ACQUIRE) - ring->buffer_head);
}

/* The next provided buffer. It stays in the kernel's hands until something was received into it. */
static const struct io_uring_buf *buffer_next(const jzx__sim_ring *ring)
{
    const struct io_uring_buf *buffers = (const void *)ring->buffers; /* `bufs` overlays the tail of the first */
    if (buffers_free(ring) > ring->buffer_count) {
        jzx_sim_fail(ring->sim, "ring %u was given more buffers than there are: one of them twice", ring->index);
    }
    return &buffers[ring->buffer_head & (ring->buffer_count - 1)];
}

static bool try_receive(jzx__sim_ring *ring, uint32_t place)
{
    const struct io_uring_sqe sqe = ring->ops[place].sqe;
    short ready = jzx__sim_socket_poll(ring->sim, sqe.fd, POLLIN | POLLRDHUP);
    if (ready == 0) {
        return false;
    }
    if (buffers_free(ring) == 0 || ((ready & POLLIN) != 0 && jzx__sim_fault(ring->sim, JZX_SIM_RECV_NOBUFS))) {
        return finish(ring, place, -ENOBUFS);
    }
    const struct io_uring_buf *buffer = buffer_next(ring);
    ssize_t got = jzx__sim_socket_receive(ring->sim, sqe.fd, (void *)(uintptr_t)buffer->addr, buffer->len);
    if (got == -EAGAIN) {
        return false;
    }
    if (got <= 0) {
        return finish(ring, place, (int32_t)got);
    }
    uint32_t flags = IORING_CQE_F_BUFFER | (uint32_t)buffer->bid << IORING_CQE_BUFFER_SHIFT;
    ring->buffer_head++;
    return tell(ring, place, (int32_t)got, flags);
}

/* What is left of a send, as parts. */
static uint32_t parts_left(const jzx__sim_op *op, struct iovec *parts)
{
    uint32_t count = 0;
    size_t skip = op->done;
    for (uint32_t i = 0; i < op->part_count; i++) {
        struct iovec part = op->parts[i];
        size_t passed = skip < part.iov_len ? skip : part.iov_len;
        skip -= passed;
        part.iov_base = (char *)part.iov_base + passed;
        part.iov_len -= passed;
        if (part.iov_len > 0) {
            parts[count++] = part;
        }
    }
    return count;
}

static bool try_send(jzx__sim_ring *ring, uint32_t place)
{
    jzx__sim_op *op = &ring->ops[place];
    struct iovec parts[JZX__SIM_PARTS_MAX];
    uint32_t count = parts_left(op, parts);
    ssize_t sent = jzx__sim_socket_send(ring->sim, op->sqe.fd, parts, count);
    if (sent == -EAGAIN) {
        return false;
    }
    if (sent < 0) {
        return finish(ring, place, op->done > 0 ? (int32_t)op->done : (int32_t)sent);
    }
    op->done += (uint32_t)sent;
    /* MSG_WAITALL: all of it, but for what the kernel may do at any time. */
    bool early = op->done < op->size && sent > 0 && jzx__sim_fault(ring->sim, JZX_SIM_SEND_SHORT);
    if (op->done == op->size || early) {
        return finish(ring, place, (int32_t)op->done);
    }
    return sent > 0;
}

static bool try_timeout(jzx__sim_ring *ring, uint32_t place)
{
    return ring->ops[place].due_ns <= jzx__sim_clock(ring->sim) ? finish(ring, place, -ETIME) : false;
}

static bool try_op(jzx__sim_ring *ring, uint32_t place)
{
    switch (ring->ops[place].sqe.opcode) {
    case IORING_OP_ACCEPT:
        return try_accept(ring, place);
    case IORING_OP_CONNECT:
        return try_connect(ring, place);
    case IORING_OP_RECV:
        return try_receive(ring, place);
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG:
        return try_send(ring, place);
    case IORING_OP_TIMEOUT:
        return try_timeout(ring, place);
    default:
        return false; /* polls are told when their descriptor is touched */
    }
}

/* ---- beginning ---- */

/* Copies what the header names: its memory may be used again once it was submitted. */
static void send_begin(jzx__sim_op *op)
{
    if (op->sqe.opcode == IORING_OP_SEND) {
        op->parts[0] = (struct iovec){.iov_base = (void *)(uintptr_t)op->sqe.addr, .iov_len = op->sqe.len};
        op->part_count = 1;
        op->size = op->sqe.len;
        return;
    }
    const struct msghdr *header = (const void *)(uintptr_t)op->sqe.addr;
    JZX_ASSERT(header->msg_iovlen <= JZX__SIM_PARTS_MAX);
    for (op->part_count = 0; op->part_count < header->msg_iovlen; op->part_count++) {
        op->parts[op->part_count] = header->msg_iov[op->part_count];
        op->size += (uint32_t)op->parts[op->part_count].iov_len;
    }
}

static uint64_t timeout_ns(const struct io_uring_sqe *sqe, uint64_t address)
{
    JZX_ASSERT((sqe->timeout_flags & IORING_TIMEOUT_ABS) != 0);
    return jzx__sim_timespec_ns(address);
}

static uint32_t find(const jzx__sim_ring *ring, uint64_t user_data)
{
    uint32_t i = 0;
    while (i < ring->op_count && ring->ops[i].sqe.user_data != user_data) {
        i++;
    }
    return i;
}

static void done_at_once(jzx__sim_ring *ring, const struct io_uring_sqe *sqe, int32_t res)
{
    if (res < 0 || (sqe->flags & IOSQE_CQE_SKIP_SUCCESS) == 0) {
        jzx__sim_complete(ring, sqe->user_data, res, 0);
    }
}

static void cancel(jzx__sim_ring *ring, const struct io_uring_sqe *sqe)
{
    uint32_t place = find(ring, sqe->addr);
    if (place == ring->op_count) {
        done_at_once(ring, sqe, -ENOENT);
        return;
    }
    /* A send that was under way says how far it came. */
    const jzx__sim_op *op = &ring->ops[place];
    finish(ring, place, op->done > 0 ? (int32_t)op->done : -ECANCELED);
    done_at_once(ring, sqe, 0);
}

static void timeout_change(jzx__sim_ring *ring, const struct io_uring_sqe *sqe)
{
    uint32_t place = find(ring, sqe->addr);
    if (place == ring->op_count) {
        done_at_once(ring, sqe, -ENOENT);
    } else if ((sqe->timeout_flags & IORING_TIMEOUT_UPDATE) != 0) {
        ring->ops[place].due_ns = timeout_ns(sqe, sqe->addr2);
        done_at_once(ring, sqe, 0);
    } else {
        finish(ring, place, -ECANCELED);
        done_at_once(ring, sqe, 0);
    }
}

static bool fails_at_once(jzx__sim_ring *ring, const struct io_uring_sqe *sqe)
{
    static const int errors[] = {EIO, ENOMEM, EINTR, ECANCELED};
    int error;
    /* Not of polls and timeouts: the kernel's memory for them is the request itself. */
    bool can = sqe->opcode != IORING_OP_POLL_ADD && sqe->opcode != IORING_OP_TIMEOUT;
    if (!can || !jzx__sim_fault_errno(ring->sim, JZX_SIM_OP_FAILS, errors, JZX__COUNT(errors), &error)) {
        return false;
    }
    jzx__sim_complete(ring, sqe->user_data, -error, 0);
    return true;
}

static void keep(jzx__sim_ring *ring, const struct io_uring_sqe *sqe)
{
    ring->ops = jzx__sim_own_grow(ring->ops, &ring->op_room, ring->op_count, sizeof *ring->ops);
    jzx__sim_op *op = &ring->ops[ring->op_count++];
    memset(op, 0, offsetof(jzx__sim_op, parts));
    op->sqe = *sqe;
    op->due_ns = JZX__SIM_NEVER;
    if (sqe->opcode == IORING_OP_SEND || sqe->opcode == IORING_OP_SENDMSG) {
        send_begin(op);
    } else if (sqe->opcode == IORING_OP_TIMEOUT) {
        op->due_ns = timeout_ns(sqe, sqe->addr);
    }
    bool at_once = sqe->opcode != IORING_OP_POLL_ADD && jzx__sim_chance(ring->sim, JZX__SIM_STREAM_KERNEL, 512);
    if (sqe->opcode == IORING_OP_POLL_ADD) {
        (void)try_poll(ring, ring->op_count - 1);
    } else if (at_once) {
        (void)try_op(ring, ring->op_count - 1);
    }
    ring->sim->touched = true;
}

void jzx__sim_op_begin(jzx__sim_ring *ring, const struct io_uring_sqe *sqe)
{
    switch (sqe->opcode) {
    case IORING_OP_ASYNC_CANCEL:
        cancel(ring, sqe);
        return;
    case IORING_OP_TIMEOUT_REMOVE:
        timeout_change(ring, sqe);
        return;
    case IORING_OP_CLOSE:
        done_at_once(ring, sqe, jzx__sim_close(sqe->fd) == 0 ? 0 : -errno);
        return;
    case IORING_OP_ACCEPT:
    case IORING_OP_CONNECT:
    case IORING_OP_RECV:
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG:
        if (!is_socket(ring, sqe->fd)) {
            done_at_once(ring, sqe, jzx__sim_fd_kind_of(ring->sim, sqe->fd) == JZX__SIM_FD_FREE ? -EBADF : -ENOTSOCK);
        } else if (!fails_at_once(ring, sqe)) {
            keep(ring, sqe);
        }
        return;
    case IORING_OP_POLL_ADD:
    case IORING_OP_TIMEOUT:
        keep(ring, sqe);
        return;
    default:
        done_at_once(ring, sqe, -EINVAL);
    }
}

/* ---- going on ---- */

/* What is in flight in a ring that takes no enter, or cannot say what is over, ends with the ring alone. */
static bool hopeless(const jzx__sim_ring *ring)
{
    return ring->broken || ring->lost;
}

bool jzx__sim_ops_go_on(jzx__sim_ring *ring)
{
    bool moved = false;
    if (hopeless(ring)) {
        return false; /* no enter comes that would do its work */
    }
    for (uint32_t i = ring->op_count; i > 0; i--) {
        if (i <= ring->op_count) { /* one that ended took the last one's place */
            moved |= try_op(ring, i - 1);
        }
    }
    return moved;
}

uint64_t jzx__sim_ops_next_ns(const jzx__sim_ring *ring)
{
    uint64_t next_ns = JZX__SIM_NEVER;
    for (uint32_t i = 0; i < ring->op_count && !hopeless(ring); i++) {
        next_ns = ring->ops[i].due_ns < next_ns ? ring->ops[i].due_ns : next_ns;
    }
    return next_ns;
}

/* Accepted, and nobody will ever hear of it: the kernel accepts in the enter that brings the completion. */
void jzx__sim_ops_take_back(jzx__sim_ring *ring, const struct io_uring_cqe *cqe)
{
    uint32_t place = find(ring, cqe->user_data);
    if (cqe->res >= 0 && place < ring->op_count && ring->ops[place].sqe.opcode == IORING_OP_ACCEPT) {
        (void)jzx__sim_socket_close(ring->sim, cqe->res);
    }
}

void jzx__sim_ops_touch(jzx__sim_ring *ring, int fd)
{
    ring->sim->touched = true;
    for (uint32_t i = ring->op_count; i > 0; i--) {
        if (i <= ring->op_count && ring->ops[i - 1].sqe.opcode == IORING_OP_POLL_ADD && ring->ops[i - 1].sqe.fd == fd) {
            (void)try_poll(ring, i - 1);
        }
    }
}

/* ---- the ledger ---- */

static bool overlap(const void *a, size_t a_size, uint64_t b, size_t b_size)
{
    uintptr_t from = (uintptr_t)a;
    return from < b + b_size && b < from + a_size;
}

static const char *op_uses(const jzx__sim_op *op, const void *memory, size_t size)
{
    if (op->sqe.opcode == IORING_OP_CONNECT && overlap(memory, size, op->sqe.addr, op->sqe.off)) {
        return "the address of a connect";
    }
    for (uint32_t i = 0; i < op->part_count; i++) {
        if (overlap(memory, size, (uintptr_t)op->parts[i].iov_base, op->parts[i].iov_len)) {
            return "what a send sends";
        }
    }
    return NULL;
}

static const char *ring_uses(const jzx__sim_ring *ring, const void *memory, size_t size)
{
    const struct io_uring_buf *buffers = (const void *)ring->buffers;
    if (buffers != NULL && overlap(memory, size, (uintptr_t)buffers, ring->buffer_count * sizeof *buffers)) {
        return "the ring of receive buffers";
    }
    for (uint32_t i = 0; i < buffers_free(ring); i++) {
        const struct io_uring_buf *buffer = &buffers[(ring->buffer_head + i) & (ring->buffer_count - 1)];
        bool receives = false;
        for (uint32_t j = 0; j < ring->op_count && !receives; j++) {
            receives = ring->ops[j].sqe.opcode == IORING_OP_RECV;
        }
        if (receives && overlap(memory, size, buffer->addr, buffer->len)) {
            return "a buffer of a receive";
        }
    }
    const char *use = NULL;
    for (uint32_t i = 0; i < ring->op_count && use == NULL; i++) {
        use = op_uses(&ring->ops[i], memory, size);
    }
    return use;
}

const char *jzx__sim_rings_use(const jzx_sim *sim, const void *memory, size_t size)
{
    const char *use = NULL;
    for (uint32_t i = 0; i < sim->ring_count && use == NULL; i++) {
        use = ring_uses(sim->rings[i], memory, size);
    }
    return use;
}

bool jzx__sim_rings_use_fd(const jzx_sim *sim, int fd)
{
    for (uint32_t i = 0; i < sim->ring_count; i++) {
        for (uint32_t j = 0; j < sim->rings[i]->op_count && !hopeless(sim->rings[i]); j++) {
            if (sim->rings[i]->ops[j].sqe.fd == fd && sim->rings[i]->ops[j].sqe.opcode != IORING_OP_TIMEOUT) {
                return true;
            }
        }
    }
    return false;
}
