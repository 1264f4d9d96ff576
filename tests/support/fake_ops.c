/* fake_ops: operations on descriptors, tried without waiting; see fake.h. */
#include "tests/support/fake_inside.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static void op_end(fake_ring *ring, uint32_t place)
{
    ring->ops[place] = ring->ops[--ring->op_count];
}

static bool fails(fake_ring *ring)
{
    return world_chance(ring->kernel->world, ring->kernel->faults.io_fails);
}

/* How much of `size` bytes is moved this time. */
static uint32_t part_of(fake_ring *ring, uint32_t size)
{
    sim_world *world = ring->kernel->world;
    return size > 1 && world_chance(world, ring->kernel->faults.short_transfers) ? 1 + world_below(world, size) : size;
}

/* Each of these is one try. True when the operation is over, or has told something. */

/* Tells what the descriptor says; an error, or the kernel's whim, ends the poll. */
static bool try_poll(fake_ring *ring, uint32_t place)
{
    const jzx__sqe *sqe = &ring->ops[place].sqe;
    struct pollfd look = {.fd = sqe->fd, .events = (short)sqe->arg};
    if (poll(&look, 1, 0) <= 0) {
        return false;
    }
    bool ends = (look.revents & POLLNVAL) != 0 || world_chance(ring->kernel->world, 64);
    int32_t res = (look.revents & POLLNVAL) != 0 ? -EBADF : look.revents;
    fake_complete(ring, sqe->user_data, res, ends ? 0 : JZX__CQE_MORE, 0);
    if (ends) {
        op_end(ring, place);
    }
    return true;
}

static bool try_accept(fake_ring *ring, uint32_t place)
{
    const jzx__sqe sqe = ring->ops[place].sqe;
    int fd = accept4(sqe.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 && errno == EAGAIN) {
        return false;
    }
    int32_t res = fd >= 0 ? fd : -errno;
    if (fd >= 0 && fails(ring)) {
        close(fd);
        res = -ECONNABORTED;
    }
    bool ends = res < 0 || world_chance(ring->kernel->world, 64);
    fake_complete(ring, sqe.user_data, res, ends ? 0 : JZX__CQE_MORE, 0);
    if (ends) {
        op_end(ring, place);
    }
    return true;
}

static bool try_connect(fake_ring *ring, uint32_t place)
{
    fake_op *op = &ring->ops[place];
    int error = 0;
    socklen_t size = sizeof error;
    if (!op->connecting) {
        op->connecting = true;
        error = connect(op->sqe.fd, op->sqe.addr, op->sqe.len) == 0 ? 0 : errno;
        if (error == EINPROGRESS) {
            return false;
        }
    } else {
        struct pollfd look = {.fd = op->sqe.fd, .events = POLLOUT};
        if (poll(&look, 1, 0) <= 0) {
            return false;
        }
        (void)getsockopt(op->sqe.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    fake_complete(ring, op->sqe.user_data, -error, 0, 0);
    op_end(ring, place);
    return true;
}

static bool buffer_take(fake_ring *ring, uint32_t *buffer)
{
    for (uint32_t i = 0; i < ring->buffer_total; i++) {
        if (ring->buffer_free[i]) {
            ring->buffer_free[i] = false;
            *buffer = i;
            return true;
        }
    }
    return false;
}

static bool try_receive(fake_ring *ring, uint32_t place)
{
    const jzx__sqe sqe = ring->ops[place].sqe;
    uint32_t buffer;
    if (!buffer_take(ring, &buffer)) {
        struct pollfd look = {.fd = sqe.fd, .events = POLLIN};
        if (poll(&look, 1, 0) <= 0) {
            return false;
        }
        fake_complete(ring, sqe.user_data, -ENOBUFS, 0, 0);
        op_end(ring, place);
        return true;
    }
    uint8_t *to = ring->buffer_base + (size_t)buffer * ring->buffer_size;
    ssize_t got = recv(sqe.fd, to, part_of(ring, ring->buffer_size), MSG_DONTWAIT);
    int error = errno;
    if (got > 0 && !fails(ring)) {
        bool ends = world_chance(ring->kernel->world, 64);
        fake_complete(ring, sqe.user_data, (int32_t)got, JZX__CQE_BUFFER | (ends ? 0 : JZX__CQE_MORE), buffer);
        if (ends) {
            op_end(ring, place);
        }
        return true;
    }
    ring->buffer_free[buffer] = true;
    if (got < 0 && error == EAGAIN) {
        return false;
    }
    fake_complete(ring, sqe.user_data, got == 0 ? 0 : got > 0 ? -ECONNRESET : -error, 0, 0);
    op_end(ring, place);
    return true;
}

/* Sends some of what is left, at most `most` bytes. */
static ssize_t send_some(const fake_op *op, uint32_t most)
{
    struct iovec parts[FAKE_PARTS_MAX];
    struct msghdr header = {.msg_iov = parts};
    size_t skip = op->done;
    for (uint32_t i = 0; i < op->part_count && most > 0; i++) {
        struct iovec part = op->parts[i];
        size_t passed = skip < part.iov_len ? skip : part.iov_len;
        skip -= passed;
        part.iov_base = (char *)part.iov_base + passed;
        part.iov_len -= passed;
        part.iov_len = part.iov_len < most ? part.iov_len : most;
        most -= (uint32_t)part.iov_len;
        if (part.iov_len > 0) {
            parts[header.msg_iovlen++] = part;
        }
    }
    return sendmsg(op->sqe.fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static bool try_send(fake_ring *ring, uint32_t place)
{
    fake_op *op = &ring->ops[place];
    ssize_t sent = send_some(op, part_of(ring, op->sqe.len - op->done));
    if (sent < 0 && errno == EAGAIN) {
        return false;
    }
    int32_t res = sent < 0 ? -errno : (int32_t)(op->done += (uint32_t)sent);
    bool early = sent > 0 && world_chance(ring->kernel->world, ring->kernel->faults.short_transfers / 4);
    if (sent > 0 && fails(ring)) {
        res = -ECONNRESET;
    } else if (sent >= 0 && op->done < op->sqe.len && !early) {
        return sent > 0; /* MSG_WAITALL: all of it, or nearly always */
    }
    fake_complete(ring, op->sqe.user_data, res, 0, 0);
    op_end(ring, place);
    return true;
}

/* Copies what the header names: its memory may be used again once it was submitted. */
static void send_begin(fake_op *op)
{
    if (op->sqe.op == JZX__OP_SEND) {
        op->parts[0] = (struct iovec){.iov_base = (void *)(uintptr_t)op->sqe.addr, .iov_len = op->sqe.len};
        op->part_count = 1;
        return;
    }
    const struct msghdr *header = op->sqe.addr;
    JZX_ASSERT(header->msg_iovlen <= FAKE_PARTS_MAX);
    op->sqe.len = 0;
    for (op->part_count = 0; op->part_count < header->msg_iovlen; op->part_count++) {
        op->parts[op->part_count] = header->msg_iov[op->part_count];
        op->sqe.len += (uint32_t)op->parts[op->part_count].iov_len;
    }
}

static bool try_op(fake_ring *ring, uint32_t place)
{
    switch (ring->ops[place].sqe.op) {
    case JZX__OP_ACCEPT:
        return try_accept(ring, place);
    case JZX__OP_CONNECT:
        return try_connect(ring, place);
    case JZX__OP_RECV:
        return try_receive(ring, place);
    case JZX__OP_SEND:
    case JZX__OP_SEND_PARTS:
        return try_send(ring, place);
    default:
        return false; /* polls are told by fake_touch() */
    }
}

static void cancel(fake_ring *ring, const jzx__sqe *sqe)
{
    int32_t res = -ENOENT;
    for (uint32_t i = 0; i < ring->op_count; i++) {
        if (ring->ops[i].sqe.user_data == sqe->target) {
            /* A send that was under way says how far it came. */
            int32_t so_far = ring->ops[i].done > 0 ? (int32_t)ring->ops[i].done : -ECANCELED;
            fake_complete(ring, sqe->target, so_far, 0, 0);
            op_end(ring, i);
            res = 0;
            break;
        }
    }
    fake_complete(ring, sqe->user_data, res, 0, 0);
}

void fake_op_begin(fake_ring *ring, const jzx__sqe *sqe)
{
    switch (sqe->op) {
    case JZX__OP_CANCEL:
        cancel(ring, sqe);
        return;
    case JZX__OP_CLOSE:
        fake_complete(ring, sqe->user_data, close(sqe->fd) == 0 ? 0 : -errno, 0, 0);
        return;
    default:
        fake_grow((void **)&ring->ops, &ring->op_room, ring->op_count, sizeof *ring->ops);
        ring->ops[ring->op_count].sqe = *sqe;
        ring->ops[ring->op_count].done = 0;
        ring->ops[ring->op_count].connecting = false;
        ring->op_count++;
        if (sqe->op == JZX__OP_SEND || sqe->op == JZX__OP_SEND_PARTS) {
            send_begin(&ring->ops[ring->op_count - 1]);
        }
        if (sqe->op == JZX__OP_POLL) {
            (void)try_poll(ring, ring->op_count - 1);
        } else if (world_chance(ring->kernel->world, 512)) {
            (void)try_op(ring, ring->op_count - 1); /* done at once */
        }
    }
}

bool fake_ops_go_on(fake_ring *ring)
{
    bool moved = false;
    for (uint32_t i = ring->op_count; i > 0; i--) {
        moved |= try_op(ring, i - 1);
    }
    return moved;
}

void fake_ops_touch(fake_ring *ring, int fd)
{
    for (uint32_t i = ring->op_count; i > 0; i--) {
        if (ring->ops[i - 1].sqe.op == JZX__OP_POLL && ring->ops[i - 1].sqe.fd == fd) {
            (void)try_poll(ring, i - 1);
        }
    }
}
