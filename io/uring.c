/*
 * uring: the backend on io_uring.
 *
 * The ring is SINGLE_ISSUER and DEFER_TASKRUN: completions come in only when the owner enters the kernel, so nothing
 * interrupts a running turn. It is made disabled, restricted to the table below, and enabled by its owner.
 *
 *   owner thread      everything but wake(); until enable() the creating thread, which then may not submit
 *   any thread        wake(): reads what is set once
 *
 * Invariants
 *   U1  Whatever the kernel writes to a peer's ring in order to wake it has JZX__USER_INTERNAL and ends in reap().
 *   U2  `wake_poll_armed`, `timeout_armed` and `cancels` say which operations of the backend itself still have a
 *       terminal completion to come.
 *   U3  Between make() and enable() no wake-up is owed: a loop that has not run looks at everything before it sleeps.
 *   U4  The notification descriptor is silent unless the host sleeps, and is closed after the ring.
 *   U5  The ring is registered with the owner's thread until close_begin() has returned false; only that thread can
 *       take it out again.
 *   U6  The kernel sets IORING_SQ_TASKRUN after it has put work where the owner finds it. If the owner has run it by then,
 *       the flag stays until other work comes. So busy() soon believes it only now and then; submit() and wait() look all the
 *       same.
 *
 * What depends on the kernel's age is in probe.c; liburing is used as of 2.3, which does not export what enables and
 * restricts a ring.
 */
#include "io/backend.h"
#include "io/memory.h"
#include "io/probe.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "io/sys.h"

enum {
    COMPLETIONS_PER_ENTRY = 4,
    BUFFER_GROUP = 0,
    WAIT_MIN_NS = 1000, /* the kernel takes 23 us over a shorter sleep than it can arm */
    QUIET_MAX = 4,      /* one enter runs 20 pieces of work, and most of them bring a completion */
    LOOKS_PER_DOUBT = 1024,
};
static const uint32_t ENTRIES_MAX = 32768;
static const uint32_t ENTER_NO_IOWAIT = 1u << 7;

/* user_data of what the backend itself does. */
#define USER_RUNG JZX__USER_INTERNAL /* arrives from others, also unasked */
#define USER_WAKE_POLL (JZX__USER_INTERNAL | 1)
#define USER_TIMEOUT (JZX__USER_INTERNAL | 2)
#define USER_TIMEOUT_CHANGE (JZX__USER_INTERNAL | 3)
#define USER_CANCEL (JZX__USER_INTERNAL | 4)
#define USER_KIND (0xFFull << 56)

typedef struct uring {
    jzx__backend base;

    /* set once, before the loop is known to other threads */
    struct io_uring ring;
    jzx__features features;
    int wake_fd; /* eventfd that wake() writes where the kernel has no better way; -1 if it has */
    jzx_allocator allocator;

    /* owner thread */
    bool enabled;
    bool closing;
    bool lost;             /* the kernel has dropped a completion; it says so once, this file from then on */
    bool wake_poll_wanted; /* the poll of wake_fd is not armed and shall be */
    bool wake_poll_armed;
    bool timeout_armed;
    bool cancel_refused; /* there was no room for a cancel: close_begin() is to be asked again before a sleep */
    bool polls;          /* a poll has been queued */
    uint32_t quiet;   /* enters in a row that brought nothing, though the kernel said and says that it has more (U6) */
    uint32_t doubts;  /* looks at a flag that was not believed */
    bool host_asleep; /* written here, read by uring_wake() on any thread */
    jzx_err untold;   /* of an enter whose caller could not be told */
    uint32_t enter_flags;
    uint32_t cancels;    /* in flight, of the two above */
    uint64_t timeout_ns; /* what the host's timeout is armed for */
    struct __kernel_timespec timeout_at;
    int host_fd;

    struct io_uring_buf_ring *buffers;
    uint8_t *buffer_base;
    uint32_t buffer_count;
    uint32_t buffer_size;

    uint64_t enters_unseen; /* counts when nobody asked */
} uring;

/*
 * All that a restricted ring may do. What is added to this file or asked for through queue() is added here.
 */
static const uint8_t OPCODES[] = {
    IORING_OP_POLL_ADD, IORING_OP_ACCEPT,         IORING_OP_CONNECT,  IORING_OP_RECV,
    IORING_OP_SEND,     IORING_OP_SENDMSG,        IORING_OP_CLOSE,    IORING_OP_ASYNC_CANCEL,
    IORING_OP_TIMEOUT,  IORING_OP_TIMEOUT_REMOVE, IORING_OP_MSG_RING,
};
static const uint8_t SQE_FLAGS = IOSQE_CQE_SKIP_SUCCESS | IOSQE_BUFFER_SELECT;
static const uint8_t REGISTER_OPS[] = {
    IORING_REGISTER_ENABLE_RINGS,     IORING_REGISTER_RING_FDS,  IORING_UNREGISTER_RING_FDS,
    IORING_REGISTER_IOWQ_MAX_WORKERS, IORING_REGISTER_PBUF_RING, IORING_UNREGISTER_PBUF_RING,
    IORING_REGISTER_EVENTFD,          IORING_UNREGISTER_EVENTFD,
};

static uring *uring_of(jzx__backend *backend)
{
    return jzx__container_of(backend, uring, base);
}

/* ---- memory ---- */

size_t jzx__uring_metadata_size(const jzx__backend_config *config)
{
    (void)config;
    return sizeof(uring);
}

size_t jzx__uring_ring_size(const jzx__backend_config *config)
{
    size_t entries = config->entries < ENTRIES_MAX ? config->entries : ENTRIES_MAX;
    size_t completions = entries * COMPLETIONS_PER_ENTRY;
    size_t heads = 512; /* the kernel's struct io_rings and its padding, rounded up */
    size_t rings = heads + completions * sizeof(struct io_uring_cqe) + entries * sizeof(uint32_t);
    return jzx__page_round(rings) + jzx__page_round(entries * sizeof(struct io_uring_sqe));
}

/* ---- submission ---- */

static uint32_t queued(const uring *u)
{
    return u->ring.sq.sqe_tail - io_uring_smp_load_acquire(u->ring.sq.khead);
}

static uint32_t completed(const uring *u)
{
    return io_uring_smp_load_acquire(u->ring.cq.ktail) - *u->ring.cq.khead;
}

/* Something only an enter brings in: task work that was deferred, or completions that found no room. */
static bool kernel_has_more(const uring *u)
{
    return (IO_URING_READ_ONCE(*u->ring.sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

/* The next submission entry, cleared, or NULL when none is free. */
static struct io_uring_sqe *sqe_take(uring *u)
{
    struct io_uring_sq *sq = &u->ring.sq;
    if (jzx__unlikely(queued(u) >= sq->ring_entries || (JZX__SIM_FAULT(SQ_FULL) && queued(u) != 0))) {
        return NULL;
    }
    struct io_uring_sqe *sqe = &sq->sqes[sq->sqe_tail & sq->ring_mask];
    sq->sqe_tail++;
    memset(sqe, 0, sizeof *sqe);
    return sqe;
}

/* Enters the kernel once. What stays queued, or comes back later, is for the loop's next pass to see. */
static jzx_err enter(uring *u, uint32_t wait_for, uint32_t flags, void *argument, size_t size)
{
    struct io_uring_sq *sq = &u->ring.sq;
    uint32_t before = completed(u);
    io_uring_smp_store_release(sq->ktail, sq->sqe_tail);
    jzx__count_add(u->base.enters, 1);
    int result = io_uring_enter2((unsigned)u->ring.enter_ring_fd, queued(u), wait_for, u->enter_flags | flags, argument,
                                 size);
    u->lost = u->lost || result == -EBADR;
    if (jzx__unlikely(u->lost)) {
        return JZX_ERR_KERNEL_LOST;
    }
    if (jzx__likely(result >= 0)) {
        if ((flags & IORING_ENTER_GETEVENTS) != 0) {
            u->quiet = completed(u) == before && kernel_has_more(u) ? u->quiet + 1 : 0;
        }
        return JZX_OK;
    }
    switch (-result) {
    case ETIME:
    case EINTR:
        return JZX_OK;
    case EAGAIN:
    case EBUSY:
        u->quiet = 0;  /* it did not look: the flag is as good as new (U6) */
        return JZX_OK; /* no memory, or completions must be reaped first: the caller reaps and comes again */
    default:
        return JZX_ERR_OS;
    }
}

static void wake_poll_arm(uring *u)
{
    struct io_uring_sqe *sqe = sqe_take(u);
    if (sqe == NULL) {
        return;
    }
    io_uring_prep_poll_multishot(sqe, u->wake_fd, POLLIN);
    sqe->user_data = USER_WAKE_POLL;
    u->wake_poll_armed = true;
    u->wake_poll_wanted = false;
}

/* Whether an enter is worth it. Who looks again and again without ever sleeping hears of work in no other way (U6). */
static bool is_believed(uring *u)
{
    uint32_t flags = IO_URING_READ_ONCE(*u->ring.sq.kflags);
    if ((flags & IORING_SQ_CQ_OVERFLOW) != 0) {
        return true;
    }
    if ((flags & IORING_SQ_TASKRUN) == 0) {
        return false;
    }
    return u->quiet < QUIET_MAX || ++u->doubts % LOOKS_PER_DOUBT == 0;
}

static bool uring_busy(jzx__backend *backend)
{
    uring *u = uring_of(backend);
    return queued(u) != 0 || completed(u) != 0 || is_believed(u);
}

/* An error that came where it could not be told: the kernel says it once. */
static jzx_err untold(uring *u)
{
    jzx_err err = u->untold;
    u->untold = JZX_OK;
    return err;
}

static jzx_err uring_submit(jzx__backend *backend)
{
    uring *u = uring_of(backend);
    if (jzx__unlikely(u->untold != JZX_OK)) {
        return untold(u);
    }
    if (jzx__unlikely(u->wake_poll_wanted)) {
        wake_poll_arm(u);
    }
    if (!u->enabled || (queued(u) == 0 && !kernel_has_more(u))) {
        return JZX_OK;
    }
    return enter(u, 0, IORING_ENTER_GETEVENTS, NULL, _NSIG / 8);
}

static jzx_err uring_send_off(jzx__backend *backend)
{
    uring *u = uring_of(backend);
    if (jzx__unlikely(u->untold != JZX_OK)) {
        return untold(u);
    }
    return u->enabled && queued(u) != 0 ? enter(u, 0, 0, NULL, _NSIG / 8) : JZX_OK;
}

static void submit_aside(uring *u)
{
    u->untold = uring_submit(&u->base);
}

static uint64_t uring_now_ns(jzx__backend *backend)
{
    (void)backend;
    return jzx__sys_now_ns();
}

static struct __kernel_timespec timespec_of(uint64_t ns)
{
    struct __kernel_timespec time = {.tv_sec = (int64_t)(ns / 1000000000ull), .tv_nsec = (int64_t)(ns % 1000000000ull)};
    return time;
}

static jzx_err uring_wait(jzx__backend *backend, uint64_t deadline_ns)
{
    uring *u = uring_of(backend);
    JZX_ASSERT(u->enabled);
    if (jzx__unlikely(u->untold != JZX_OK)) {
        return untold(u);
    }
    if (jzx__unlikely(u->wake_poll_wanted)) {
        wake_poll_arm(u);
    }
    if (completed(u) != 0 || u->wake_poll_wanted || u->cancel_refused) {
        u->cancel_refused = false;
        return uring_submit(backend);
    }
    uint32_t flags = IORING_ENTER_GETEVENTS | (u->features.no_iowait ? ENTER_NO_IOWAIT : 0);
    if (deadline_ns == JZX_FOREVER) {
        return enter(u, 1, flags, NULL, _NSIG / 8);
    }
    uint64_t now_ns = uring_now_ns(backend);
    if (deadline_ns <= now_ns) {
        return uring_submit(backend); /* K4 */
    }
    uint64_t sleep_ns = deadline_ns - now_ns > WAIT_MIN_NS ? deadline_ns - now_ns : WAIT_MIN_NS;
    struct __kernel_timespec timeout = timespec_of(sleep_ns);
    struct io_uring_getevents_arg argument;
    memset(&argument, 0, sizeof argument);
    argument.sigmask_sz = _NSIG / 8;
    argument.ts = (uint64_t)(uintptr_t)&timeout;
    return enter(u, 1, flags | IORING_ENTER_EXT_ARG, &argument, sizeof argument);
}

static void prepare(struct io_uring_sqe *to, const jzx__sqe *from)
{
    to->fd = from->fd;
    to->user_data = from->user_data;
    switch (from->op) {
    case JZX__OP_POLL:
        io_uring_prep_poll_multishot(to, from->fd, from->arg);
        to->user_data = from->user_data;
        return;
    case JZX__OP_ACCEPT:
        to->opcode = IORING_OP_ACCEPT;
        to->ioprio = IORING_ACCEPT_MULTISHOT;
        to->accept_flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
        return;
    case JZX__OP_CONNECT:
        to->opcode = IORING_OP_CONNECT;
        to->addr = (uint64_t)(uintptr_t)from->addr;
        to->off = from->len;
        return;
    case JZX__OP_RECV:
        to->opcode = IORING_OP_RECV;
        to->ioprio = IORING_RECV_MULTISHOT;
        to->flags = IOSQE_BUFFER_SELECT;
        to->buf_group = BUFFER_GROUP;
        return;
    case JZX__OP_SEND:
        to->opcode = IORING_OP_SEND;
        to->addr = (uint64_t)(uintptr_t)from->addr;
        to->len = from->len;
        to->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
        return;
    case JZX__OP_SEND_PARTS:
        to->opcode = IORING_OP_SENDMSG;
        to->addr = (uint64_t)(uintptr_t)from->addr;
        to->len = 1;
        to->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
        return;
    case JZX__OP_CANCEL:
        to->opcode = IORING_OP_ASYNC_CANCEL;
        to->fd = -1;
        to->addr = from->target;
        return;
    case JZX__OP_CLOSE:
        to->opcode = IORING_OP_CLOSE;
        return;
    case JZX__OP_COUNT:
        break;
    }
    JZX_ASSERT(!"an operation of the enum");
}

static bool uring_queue(jzx__backend *backend, const jzx__sqe *sqe)
{
    uring *u = uring_of(backend);
    struct io_uring_sqe *free_sqe = sqe_take(u);
    if (jzx__unlikely(free_sqe == NULL)) {
        return false;
    }
    prepare(free_sqe, sqe);
    u->polls |= sqe->op == JZX__OP_POLL;
    return true;
}

/* ---- waking others ---- */

static bool uring_doorbell(jzx__backend *backend, jzx__backend *peer, uint32_t peer_index)
{
    struct io_uring_sqe *sqe = sqe_take(uring_of(backend));
    if (jzx__unlikely(sqe == NULL)) {
        return false;
    }
    sqe->opcode = IORING_OP_MSG_RING;
    sqe->fd = uring_of(peer)->ring.ring_fd;
    sqe->off = USER_RUNG; /* U1 */
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = JZX__USER_DOORBELL | peer_index;
    return true;
}

static void descriptor_ring(int fd)
{
    int saved = errno;
    uint64_t one = 1;
    ssize_t written = write(fd, &one, sizeof one); /* fails only when full, and then it is readable */
    (void)written;
    errno = saved;
}

static void uring_wake(jzx__backend *backend)
{
    uring *u = uring_of(backend);
    if (u->wake_fd >= 0) {
        /* A host is told at once: see notification_renew(). Read stale, it was not asleep yet and looks again (U4). */
        descriptor_ring(__atomic_load_n(&u->host_asleep, __ATOMIC_ACQUIRE) ? u->host_fd : u->wake_fd);
        return;
    }
    /* The message needs a few bytes of the kernel's memory. Its want is short, and a wake may not be lost. */
    int result;
    do {
        result = jzx__probe_send_message(u->ring.ring_fd, USER_RUNG); /* U1, U3: EBADFD while disabled */
    } while (result == -ENOMEM || result == -EAGAIN || result == -EINTR);
}

/* ---- completion ---- */

/* U2: what the backend itself had in flight. */
static void complete_internal(uring *u, const struct io_uring_cqe *cqe)
{
    if ((cqe->flags & IORING_CQE_F_MORE) != 0) {
        return;
    }
    switch (cqe->user_data) {
    case USER_WAKE_POLL:
        u->wake_poll_armed = false;
        u->wake_poll_wanted = !u->closing; /* it ends by itself when completions overflowed */
        break;
    case USER_TIMEOUT:
        u->timeout_armed = false;
        break;
    case USER_TIMEOUT_CHANGE:
        u->timeout_ns = 0; /* seen only on failure, for it had fired already: the next host_sleep() looks again */
        break;
    case USER_CANCEL:
        JZX_ASSERT(u->cancels > 0);
        u->cancels--;
        break;
    default:
        break; /* rung: that this completion came is all it says */
    }
}

static void translate(const uring *u, const struct io_uring_cqe *from, jzx__cqe *to)
{
    to->user_data = from->user_data;
    to->res = from->res;
    to->flags = (from->flags & IORING_CQE_F_MORE) != 0 ? JZX__CQE_MORE : 0;
    to->buffer = 0;
    if ((from->flags & IORING_CQE_F_BUFFER) != 0) {
        to->flags |= JZX__CQE_BUFFER;
        to->buffer = from->flags >> IORING_CQE_BUFFER_SHIFT;
        JZX_ASSERT(to->buffer < u->buffer_count);
    }
}

static uint32_t uring_reap(jzx__backend *backend, uint32_t max, jzx__reap_fn fn, void *context)
{
    uring *u = uring_of(backend);
    struct io_uring_cq *cq = &u->ring.cq;
    uint32_t head = *cq->khead;
    uint32_t tail = io_uring_smp_load_acquire(cq->ktail);
    uint32_t handed = 0;
    for (; head != tail && handed < max; head++) {
        const struct io_uring_cqe *cqe = &cq->cqes[head & cq->ring_mask];
        if (jzx__unlikely((cqe->user_data & USER_KIND) == JZX__USER_INTERNAL)) {
            complete_internal(u, cqe);
            continue;
        }
        jzx__cqe out;
        translate(u, cqe, &out);
        fn(context, &out);
        handed++;
    }
    io_uring_smp_store_release(cq->khead, head);
    return handed;
}

/* ---- receive buffers ---- */

static void uring_buffer_give(jzx__backend *backend, uint32_t buffer)
{
    uring *u = uring_of(backend);
    JZX_ASSERT(buffer < u->buffer_count);
    io_uring_buf_ring_add(u->buffers, u->buffer_base + (size_t)buffer * u->buffer_size, u->buffer_size,
                          (unsigned short)buffer, (int)u->buffer_count - 1, 0);
    io_uring_buf_ring_advance(u->buffers, 1);
}

static size_t buffer_ring_size(uint32_t count)
{
    return jzx__page_round(count * sizeof(struct io_uring_buf));
}

static jzx_err uring_buffers_register(jzx__backend *backend, void *base, uint32_t count, uint32_t size, int *os_error)
{
    uring *u = uring_of(backend);
    JZX_ASSERT(u->buffers == NULL);
    JZX_ASSERT(count != 0 && (count & (count - 1)) == 0);
    struct io_uring_buf_ring *buffers = jzx__memory_take(&u->allocator, buffer_ring_size(count), JZX__PAGE);
    if (buffers == NULL) {
        *os_error = ENOMEM;
        return JZX_ERR_NO_MEMORY;
    }
    memset(buffers, 0, buffer_ring_size(count));
    struct io_uring_buf_reg what;
    memset(&what, 0, sizeof what);
    what.ring_addr = (uint64_t)(uintptr_t)buffers;
    what.ring_entries = count;
    what.bgid = BUFFER_GROUP;
    int result = io_uring_register_buf_ring(&u->ring, &what, 0);
    if (result < 0) {
        jzx__memory_give(&u->allocator, buffers, buffer_ring_size(count), JZX__PAGE);
        *os_error = -result;
        return jzx__probe_refusal(-result);
    }
    u->buffers = buffers;
    u->buffer_base = base;
    u->buffer_count = count;
    u->buffer_size = size;
    for (uint32_t i = 0; i < count; i++) {
        uring_buffer_give(backend, i);
    }
    return JZX_OK;
}

/* ---- hosts that sleep elsewhere ---- */

static void notify(uring *u, bool on)
{
    uint32_t flags = IO_URING_READ_ONCE(*u->ring.cq.kflags);
    flags = on ? flags & ~(uint32_t)IORING_CQ_EVENTFD_DISABLED : flags | IORING_CQ_EVENTFD_DISABLED;
    IO_URING_WRITE_ONCE(*u->ring.cq.kflags, flags);
    /* With the caller's second look: whoever comes after this store sees it, whoever came before is seen. */
    atomic_thread_fence(memory_order_seq_cst);
}

static int uring_host_fd(jzx__backend *backend)
{
    uring *u = uring_of(backend);
    JZX_ASSERT(u->enabled);
    if (u->host_fd >= 0) {
        return u->host_fd;
    }
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    notify(u, false); /* U4 */
    int result = io_uring_register_eventfd(&u->ring, fd);
    if (result < 0) {
        close(fd);
        return result;
    }
    u->host_fd = fd;
    return fd;
}

static void uring_host_ring(jzx__backend *backend)
{
    uring *u = uring_of(backend);
    JZX_ASSERT(u->host_fd >= 0);
    descriptor_ring(u->host_fd);
}

static void uring_host_awake(jzx__backend *backend)
{
    uring *u = uring_of(backend);
    JZX_ASSERT(u->host_fd >= 0);
    __atomic_store_n(&u->host_asleep, false, __ATOMIC_RELAXED);
    notify(u, false);
    uint64_t count;
    ssize_t taken = read(u->host_fd, &count, sizeof count); /* EAGAIN when it is empty */
    (void)taken;
}

/* Brings the one timeout to `deadline_ns`. False when there was no room to ask for it. */
static bool timeout_set(uring *u, uint64_t deadline_ns)
{
    if (u->timeout_armed ? u->timeout_ns == deadline_ns : deadline_ns == JZX_FOREVER) {
        return true;
    }
    struct io_uring_sqe *sqe = sqe_take(u);
    if (sqe == NULL) {
        return false;
    }
    u->timeout_at = timespec_of(deadline_ns);
    if (!u->timeout_armed) {
        io_uring_prep_timeout(sqe, &u->timeout_at, 0, IORING_TIMEOUT_ABS);
        sqe->user_data = USER_TIMEOUT;
    } else {
        if (deadline_ns == JZX_FOREVER) {
            io_uring_prep_timeout_remove(sqe, USER_TIMEOUT, 0);
        } else {
            io_uring_prep_timeout_update(sqe, &u->timeout_at, USER_TIMEOUT, IORING_TIMEOUT_ABS);
        }
        sqe->user_data = USER_TIMEOUT_CHANGE;
        sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    }
    u->timeout_armed = true; /* a removed one is armed until its completion says otherwise */
    u->timeout_ns = deadline_ns;
    return true;
}

/* Takes the end of a removed timeout from the head of the queue: it is no reason to wake the host. */
static void reap_removed_timeout(uring *u)
{
    struct io_uring_cq *cq = &u->ring.cq;
    while (completed(u) != 0) {
        const struct io_uring_cqe *cqe = &cq->cqes[*cq->khead & cq->ring_mask];
        bool own = cqe->user_data == USER_TIMEOUT && cqe->res == -ECANCELED;
        if (!own) {
            return;
        }
        complete_internal(u, cqe);
        io_uring_cq_advance(&u->ring, 1);
    }
}

/*
 * A poll that completes inside of a write to the polled eventfd cannot signal another at once. The kernel (seen on 6.18)
 * then does so later, but only the first time after a registration. False when the host must not rely on it.
 */
static bool notification_renew(uring *u)
{
    if (!u->polls) {
        return true;
    }
    (void)io_uring_unregister_eventfd(&u->ring); /* it fails only when there is none, after a failure below */
    return io_uring_register_eventfd(&u->ring, u->host_fd) == 0;
}

static void uring_host_sleep(jzx__backend *backend, uint64_t deadline_ns)
{
    uring *u = uring_of(backend);
    JZX_ASSERT(u->host_fd >= 0);
    bool set = notification_renew(u) && (deadline_ns == JZX_FOREVER || deadline_ns > uring_now_ns(backend));
    if (set && !timeout_set(u, deadline_ns)) {
        submit_aside(u); /* makes room */
        set = timeout_set(u, deadline_ns);
    }
    submit_aside(u);
    reap_removed_timeout(u);
    __atomic_store_n(&u->host_asleep, true, __ATOMIC_RELEASE); /* pairs with the acquire in uring_wake() */
    notify(u, true);
    if (!set || queued(u) != 0 || u->wake_poll_wanted || u->cancel_refused || u->untold != JZX_OK) {
        u->cancel_refused = false;
        uring_host_ring(backend); /* too late to sleep, or no room for what wakes: the host comes back at once */
    }
}

/* ---- life ---- */

static jzx_err restrict_ring(const struct io_uring *ring, int *os_error)
{
    struct io_uring_restriction table[JZX__COUNT(OPCODES) + JZX__COUNT(REGISTER_OPS) + 1];
    memset(table, 0, sizeof table);
    uint32_t count = 0;
    for (size_t i = 0; i < JZX__COUNT(OPCODES); i++, count++) {
        table[count].opcode = IORING_RESTRICTION_SQE_OP;
        table[count].sqe_op = OPCODES[i];
    }
    for (size_t i = 0; i < JZX__COUNT(REGISTER_OPS); i++, count++) {
        table[count].opcode = IORING_RESTRICTION_REGISTER_OP;
        table[count].register_op = REGISTER_OPS[i];
    }
    table[count].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
    table[count].sqe_flags = SQE_FLAGS;
    count++;
    int result = jzx__sys_uring_register(ring->ring_fd, IORING_REGISTER_RESTRICTIONS, table, count);
    if (result < 0) {
        *os_error = -result;
        return jzx__probe_refusal(-result);
    }
    return JZX_OK;
}

static jzx_err uring_enable(jzx__backend *backend, int *os_error)
{
    uring *u = uring_of(backend);
    JZX_ASSERT(!u->enabled);
    int result = jzx__sys_uring_register(u->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    if (result < 0) {
        *os_error = -result;
        return JZX_ERR_OS;
    }
    u->enabled = true;
    /* Both of these are gains only: a thread that is out of slots works through the descriptor. */
    if (io_uring_register_ring_fd(&u->ring) == 1) {
        u->enter_flags |= IORING_ENTER_REGISTERED_RING;
    }
    unsigned workers[2] = {1, 1}; /* what libjzx queues needs none; 0 would mean "as it is" */
    io_uring_register_iowq_max_workers(&u->ring, workers);
    u->wake_poll_wanted = u->wake_fd >= 0;
    return JZX_OK;
}

static void cancel_internal(uring *u, uint64_t target)
{
    struct io_uring_sqe *sqe = sqe_take(u);
    if (sqe == NULL) {
        submit_aside(u);
        sqe = sqe_take(u);
    }
    if (sqe == NULL) {
        u->cancel_refused = true; /* the next close_begin() asks again */
        return;
    }
    io_uring_prep_cancel64(sqe, target, 0);
    sqe->user_data = USER_CANCEL;
    u->cancels++;
}

static bool uring_unsent(jzx__backend *backend, uint64_t user_data)
{
    const struct io_uring_sq *sq = &uring_of(backend)->ring.sq;
    for (unsigned at = __atomic_load_n(sq->khead, __ATOMIC_ACQUIRE); at != sq->sqe_tail; at++) {
        if (sq->sqes[at & sq->ring_mask].user_data == user_data) {
            return true;
        }
    }
    return false;
}

static bool uring_close_begin(jzx__backend *backend)
{
    uring *u = uring_of(backend);
    if (!u->enabled) {
        return false;
    }
    u->closing = true;
    u->wake_poll_wanted = false;
    if (u->cancels == 0 && u->wake_poll_armed) {
        cancel_internal(u, USER_WAKE_POLL);
    }
    if (u->cancels == 0 && u->timeout_armed) {
        cancel_internal(u, USER_TIMEOUT);
    }
    if (u->cancels != 0 || u->wake_poll_armed || u->timeout_armed) {
        return true;
    }
    if ((u->enter_flags & IORING_ENTER_REGISTERED_RING) != 0) {
        io_uring_unregister_ring_fd(&u->ring); /* U5 */
        u->enter_flags &= ~(uint32_t)IORING_ENTER_REGISTERED_RING;
        u->ring.enter_ring_fd = u->ring.ring_fd;
    }
    return false;
}

/*
 * liburing maps and unmaps the rings by system calls of its own, so ThreadSanitizer takes a ring that lies where another
 * lay before for the same memory. That the kernel gave the pages back in between is said here.
 */
#if defined(__SANITIZE_THREAD__)
void __tsan_acquire(void *address);
void __tsan_release(void *address);
static char ring_memory;
#define RING_UNMAPS() __tsan_release(&ring_memory)
#define RING_MAPPED() __tsan_acquire(&ring_memory)
#else
#define RING_UNMAPS() ((void)0)
#define RING_MAPPED() ((void)0)
#endif

static void ring_end(struct io_uring *ring)
{
    RING_UNMAPS();
    io_uring_queue_exit(ring);
}

static void uring_destroy(jzx__backend *backend)
{
    uring *u = uring_of(backend);
    /* U5: this may be another thread, where the same slot is some other ring's. */
    u->ring.int_flags = 0;
    u->ring.enter_ring_fd = u->ring.ring_fd;
    ring_end(&u->ring);
    if (u->host_fd >= 0) {
        close(u->host_fd); /* U4 */
    }
    if (u->wake_fd >= 0) {
        close(u->wake_fd);
    }
    if (u->buffers != NULL) {
        jzx__memory_give(&u->allocator, u->buffers, buffer_ring_size(u->buffer_count), JZX__PAGE);
    }
    jzx_allocator allocator = u->allocator;
    jzx__memory_give(&allocator, u, sizeof *u, JZX__CACHE_LINE);
}

static uint64_t uring_random(jzx__backend *backend)
{
    uint64_t bits;
    if (getrandom(&bits, sizeof bits, 0) == (ssize_t)sizeof bits) {
        return bits;
    }
    return uring_now_ns(backend) * 0x9E3779B97F4A7C15ull;
}

static const jzx__backend_ops OPS = {
    .enable = uring_enable,
    .now_ns = uring_now_ns,
    .random = uring_random,
    .queue = uring_queue,
    .doorbell = uring_doorbell,
    .busy = uring_busy,
    .submit = uring_submit,
    .send_off = uring_send_off,
    .wait = uring_wait,
    .reap = uring_reap,
    .wake = uring_wake,
    .buffers_register = uring_buffers_register,
    .buffer_give = uring_buffer_give,
    .host_fd = uring_host_fd,
    .host_sleep = uring_host_sleep,
    .host_awake = uring_host_awake,
    .host_ring = uring_host_ring,
    .unsent = uring_unsent,
    .close_begin = uring_close_begin,
    .destroy = uring_destroy,
};

static jzx_err ring_make(struct io_uring *ring, const jzx__backend_config *config, int *os_error)
{
    struct io_uring_params params;
    memset(&params, 0, sizeof params);
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
                   IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_R_DISABLED;
    params.cq_entries = config->entries * COMPLETIONS_PER_ENTRY;
    int result = io_uring_queue_init_params(config->entries, ring, &params);
    if (result < 0) {
        *os_error = -result;
        return jzx__probe_refusal(-result);
    }
    RING_MAPPED();
    for (uint32_t i = 0; ring->sq.array != NULL && i < ring->sq.ring_entries; i++) {
        ring->sq.array[i] = i; /* entries are submitted in the order they lie in, for good */
    }
    jzx_err err = config->restricted ? restrict_ring(ring, os_error) : JZX_OK;
    if (err == JZX_OK && (result = io_uring_ring_dontfork(ring)) < 0) {
        *os_error = -result;
        err = JZX_ERR_OS;
    }
    if (err != JZX_OK) {
        ring_end(ring);
    }
    return err;
}

/* What wake() needs where the kernel cannot be asked directly. */
static jzx_err wake_make(uring *u, int *os_error)
{
    u->wake_fd = -1;
    if (u->features.sync_message) {
        return JZX_OK;
    }
    u->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (u->wake_fd < 0) {
        *os_error = errno;
        return jzx__probe_refusal(errno);
    }
    return JZX_OK;
}

jzx_err jzx__uring_make(const jzx__backend_config *config, jzx__backend **backend, int *os_error)
{
    JZX_ASSERT(config->entries >= 1);
    jzx_allocator allocator;
    memset(&allocator, 0, sizeof allocator);
    if (config->allocator != NULL) {
        allocator = *config->allocator;
    }
    uring *u = jzx__memory_take(&allocator, sizeof *u, JZX__CACHE_LINE);
    if (u == NULL) {
        *os_error = ENOMEM;
        return JZX_ERR_NO_MEMORY;
    }
    memset(u, 0, sizeof *u);
    u->base.ops = &OPS;
    u->base.enters = config->enters != NULL ? config->enters : &u->enters_unseen;
    u->allocator = allocator;
    u->host_fd = -1;
    jzx_err err = ring_make(&u->ring, config, os_error);
    if (err != JZX_OK) {
        goto no_ring;
    }
    jzx__probe_features(u->ring.ring_fd, u->ring.features, config->oldest_kernel, &u->features);
    err = wake_make(u, os_error);
    if (err != JZX_OK) {
        goto no_wake;
    }
    *backend = &u->base;
    return JZX_OK;

no_wake:
    ring_end(&u->ring);
no_ring:
    jzx__memory_give(&allocator, u, sizeof *u, JZX__CACHE_LINE);
    return err;
}
