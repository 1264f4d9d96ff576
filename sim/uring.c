/* uring: a simulated io_uring, as io/uring.c and liburing's inline functions see it; see ring.h. */
#include "sim/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/sys.h"

enum { BROKEN_ENTER_NS = 1000000, WORK_PER_ENTER = 20, REGISTER_SEND_MSG_RING = 31 };

/* ---- completions ---- */

static void insert(jzx__sim_cqes *list, uint32_t place, const struct io_uring_cqe *cqe)
{
    list->items = jzx__sim_own_grow(list->items, &list->room, list->count, sizeof *cqe);
    memmove(&list->items[place + 1], &list->items[place], (list->count - place) * sizeof *cqe);
    list->items[place] = *cqe;
    list->count++;
}

static struct io_uring_cqe take_first(jzx__sim_cqes *list)
{
    struct io_uring_cqe cqe = list->items[0];
    list->count--;
    memmove(&list->items[0], &list->items[1], list->count * sizeof cqe);
    return cqe;
}

static void flag(jzx__sim_ring *ring, uint32_t bit, bool on)
{
    ring->sq_flags = on ? ring->sq_flags | bit : ring->sq_flags & ~bit;
}

void jzx__sim_complete(jzx__sim_ring *ring, uint64_t user_data, int32_t res, uint32_t flags)
{
    struct io_uring_cqe cqe;
    memset(&cqe, 0, sizeof cqe);
    cqe.user_data = user_data;
    cqe.res = res;
    cqe.flags = flags;
    uint32_t first = ring->work.count; /* R2 */
    while (first > 0 && ring->work.items[first - 1].user_data != user_data) {
        first--;
    }
    uint64_t place = jzx__sim_between(ring->sim, JZX__SIM_STREAM_KERNEL, first, ring->work.count);
    insert(&ring->work, (uint32_t)place, &cqe);
    ring->wakes++;
    ring->stale = false;
    flag(ring, IORING_SQ_TASKRUN, true);
    if (ring->event_fd >= 0 && (ring->cq_flags & IORING_CQ_EVENTFD_DISABLED) == 0) {
        jzx__sim_event_write(ring->sim, ring->event_fd, 1);
    }
}

static bool room(const jzx__sim_ring *ring)
{
    return ring->cq_tail - ring->cq_head < ring->cq_entries;
}

static void post(jzx__sim_ring *ring, const struct io_uring_cqe *cqe)
{
    jzx__sim_event(ring->sim, "completion", ring->index, cqe->user_data, (uint32_t)cqe->res);
    ring->cqes[ring->cq_tail & ring->cq_mask] = *cqe;
    __atomic_store_n(&ring->cq_tail, ring->cq_tail + 1, __ATOMIC_RELEASE);
}

/* What an enter that asks for completions does: those that found no room first, then task work. */
static void bring_in(jzx__sim_ring *ring)
{
    while (ring->overflow.count > 0 && room(ring)) {
        struct io_uring_cqe cqe = take_first(&ring->overflow);
        post(ring, &cqe);
    }
    for (uint32_t i = 0; i < WORK_PER_ENTER && ring->work.count > 0; i++) {
        if (ring->cq_tail != ring->cq_head && jzx__sim_fault(ring->sim, JZX_SIM_LATE)) {
            break;
        }
        struct io_uring_cqe cqe = take_first(&ring->work);
        bool overflows = ring->overflow.count > 0 || !room(ring) || jzx__sim_fault(ring->sim, JZX_SIM_CQ_OVERFLOW);
        if (overflows) {
            insert(&ring->overflow, ring->overflow.count, &cqe);
        } else {
            post(ring, &cqe);
        }
    }
    flag(ring, IORING_SQ_CQ_OVERFLOW, ring->overflow.count > 0);
    /* Work that was run before its flag was set leaves the flag behind until other work has come: seen on real kernels
       (U6 of io/uring.c). */
    ring->stale = ring->work.count == 0 && (ring->sq_flags & IORING_SQ_TASKRUN) != 0 &&
                  (ring->stale || jzx__sim_fault(ring->sim, JZX_SIM_LATE));
    flag(ring, IORING_SQ_TASKRUN, ring->work.count > 0 || ring->stale);
}

/* ---- submission ---- */

static int message(jzx__sim_ring *target, uint64_t user_data)
{
    static const int errors[] = {ENOMEM}; /* all that a ring of this kind gives */
    int error;
    if (target == NULL) {
        return -EBADF;
    }
    if (!target->enabled) {
        return -EBADFD;
    }
    if (jzx__sim_fault_errno(target->sim, JZX_SIM_DOORBELL, errors, JZX__COUNT(errors), &error)) {
        return -error;
    }
    jzx__sim_complete(target, user_data, 0, 0);
    return 0;
}

static bool forbidden(const jzx__sim_ring *ring, const struct io_uring_sqe *sqe)
{
    bool known = (ring->allowed[sqe->opcode / 64] >> sqe->opcode % 64 & 1) != 0;
    return ring->restricted && (!known || (sqe->flags & ~ring->allowed_flags) != 0);
}

static void carry_out(jzx__sim_ring *ring, const struct io_uring_sqe *sqe)
{
    jzx__sim_event(ring->sim, "submit", ring->index, sqe->opcode, sqe->user_data);
    if (forbidden(ring, sqe)) {
        jzx__sim_complete(ring, sqe->user_data, -EACCES, 0);
    } else if (sqe->opcode != IORING_OP_MSG_RING) {
        jzx__sim_op_begin(ring, sqe);
    } else {
        int result = message(jzx__sim_fd_find(ring->sim, sqe->fd, JZX__SIM_FD_RING), sqe->off);
        if (result < 0 || (sqe->flags & IOSQE_CQE_SKIP_SUCCESS) == 0) {
            jzx__sim_complete(ring, sqe->user_data, result, 0);
        }
    }
}

static uint32_t submit(jzx__sim_ring *ring, uint32_t count)
{
    uint32_t queued = __atomic_load_n(&ring->sq_tail, __ATOMIC_ACQUIRE) - ring->sq_head;
    uint64_t part;
    count = count < queued ? count : queued;
    if (count > 0 && jzx__sim_fault_amount(ring->sim, JZX_SIM_SUBMIT_PART, 0, count - 1, &part)) {
        count = part < count ? (uint32_t)part : count - 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct io_uring_sqe sqe = ring->sqes[ring->array[ring->sq_head & ring->sq_mask] & ring->sq_mask];
        /* The entry is free once it was read: what it names by address was read with it. */
        carry_out(ring, &sqe);
        __atomic_store_n(&ring->sq_head, ring->sq_head + 1, __ATOMIC_RELEASE);
    }
    return count;
}

/* ---- enter ---- */

static bool something_came(void *context)
{
    const jzx__sim_ring *ring = context;
    return ring->work.count != 0 || ring->overflow.count != 0 || ring->cq_head != ring->cq_tail;
}

static void sleep_in(jzx__sim_ring *ring, uint64_t deadline_ns)
{
    jzx_sim *sim = ring->sim;
    if (jzx__sim_fault(sim, JZX_SIM_WOKEN_EARLY)) {
        ring->wakes++;
        return;
    }
    ring->asleep = true;
    if (!jzx__sim_wait(sim, something_came, ring, deadline_ns)) {
        ring->wakes++;
    }
    ring->asleep = false;
    bring_in(ring);
    jzx__sim_point("ring: woken");
}

static uint64_t deadline_of(jzx_sim *sim, uint32_t flags, const void *argument)
{
    if ((flags & IORING_ENTER_EXT_ARG) == 0) {
        return JZX__SIM_NEVER;
    }
    const struct io_uring_getevents_arg *extended = argument;
    if (extended->ts == 0) {
        return JZX__SIM_NEVER;
    }
    return jzx__add_saturating(jzx__sim_clock(sim), jzx__sim_timespec_ns(extended->ts));
}

static jzx__sim_ring *ring_entered(jzx_sim *sim, unsigned fd, unsigned flags)
{
    if ((flags & IORING_ENTER_REGISTERED_RING) == 0) {
        return jzx__sim_fd_find(sim, (int)fd, JZX__SIM_FD_RING);
    }
    for (uint32_t i = 0; i < sim->ring_count; i++) { /* the slot is of the thread's own table */
        jzx__sim_ring *ring = sim->rings[i];
        if (ring->registered && ring->index == fd && ring->owner == jzx__thread_self()) {
            return ring;
        }
    }
    return NULL;
}

/* For want of memory, and this is all that is ever heard of it (R1). */
static void lose_one(jzx__sim_ring *ring)
{
    ring->lost = true;
    if (ring->work.count > 0) {
        struct io_uring_cqe cqe = take_first(&ring->work);
        jzx__sim_ops_take_back(ring, &cqe);
    }
}

/* What an enter does not even begin for. */
static int enter_fault(jzx__sim_ring *ring, unsigned to_submit, unsigned wait_for, unsigned flags)
{
    static const int deadly[] = {EBADR, ENXIO, EFAULT};
    jzx_sim *sim = ring->sim;
    int error = 0;
    if (ring->broken) {
        /* Its loop cannot sleep in it, and turns until the others have stopped: that takes them time. */
        jzx__sim_clock_add(sim, BROKEN_ENTER_NS);
        return -ENXIO;
    }
    if (jzx__sim_fault_errno(sim, JZX_SIM_ENTER_FAILS, deadly, JZX__COUNT(deadly), &error)) {
        if (error == EBADR) {
            lose_one(ring);
        }
        ring->broken = error != EBADR;
        return -error;
    }
    if (to_submit > 0 && jzx__sim_fault(sim, JZX_SIM_ENTER_EAGAIN)) {
        return -EAGAIN;
    }
    if ((flags & IORING_ENTER_GETEVENTS) != 0 && jzx__sim_fault(sim, JZX_SIM_ENTER_EBUSY)) {
        return -EBUSY;
    }
    return wait_for > 0 && jzx__sim_fault(sim, JZX_SIM_ENTER_EINTR) ? -EINTR : 0;
}

int jzx__sim_enter2(unsigned fd, unsigned to_submit, unsigned wait_for, unsigned flags, void *argument, size_t size)
{
    jzx_sim *sim = jzx__sim_machine;
    (void)size;
    jzx__sim_point("ring: enter");
    jzx__sim_ring *ring = sim == NULL ? NULL : ring_entered(sim, fd, flags);
    if (ring == NULL) {
        return -EBADF;
    }
    if (!ring->enabled) {
        return -EBADFD;
    }
    if (ring->owner != jzx__thread_self()) {
        return -EEXIST; /* SINGLE_ISSUER */
    }
    int error = enter_fault(ring, to_submit, wait_for, flags);
    if (error != 0) {
        return error;
    }
    uint64_t deadline_ns = deadline_of(sim, flags, argument);
    uint32_t submitted = submit(ring, to_submit);
    if (submitted < to_submit || (flags & IORING_ENTER_GETEVENTS) == 0) {
        return (int)submitted; /* who gave more than was taken hears of no completion */
    }
    bring_in(ring);
    if (wait_for > 0 && ring->cq_head == ring->cq_tail) {
        sleep_in(ring, deadline_ns);
        bool late = ring->cq_head == ring->cq_tail;
        return submitted > 0 ? (int)submitted : late ? -ETIME : 0;
    }
    return (int)submitted;
}

/* ---- making one ---- */

static void share(jzx__sim_ring *ring, struct io_uring *with)
{
    memset(with, 0, sizeof *with);
    with->ring_fd = ring->fd;
    with->enter_ring_fd = ring->fd;
    with->sq.khead = &ring->sq_head;
    with->sq.ktail = &ring->sq_tail;
    with->sq.kring_mask = &ring->sq_mask;
    with->sq.kring_entries = &ring->sq_entries;
    with->sq.kflags = &ring->sq_flags;
    with->sq.kdropped = &ring->sq_dropped;
    with->sq.array = ring->array;
    with->sq.sqes = ring->sqes;
    with->sq.ring_mask = ring->sq_mask;
    with->sq.ring_entries = ring->sq_entries;
    with->cq.khead = &ring->cq_head;
    with->cq.ktail = &ring->cq_tail;
    with->cq.kring_mask = &ring->cq_mask;
    with->cq.kring_entries = &ring->cq_entries;
    with->cq.kflags = &ring->cq_flags;
    with->cq.koverflow = &ring->cq_overflow;
    with->cq.cqes = ring->cqes;
    with->cq.ring_mask = ring->cq_mask;
    with->cq.ring_entries = ring->cq_entries;
}

static void sizes(jzx__sim_ring *ring, uint32_t entries, uint32_t completions)
{
    uint32_t most = ring->sim->config.ring_entries_max;
    ring->sq_entries = jzx__power_at_least(entries < most ? entries : most);
    ring->sq_mask = ring->sq_entries - 1;
    ring->cq_entries = jzx__power_at_least(completions < 2 * ring->sq_entries ? 2 * ring->sq_entries : completions);
    if (ring->cq_entries > 4 * ring->sq_entries) {
        ring->cq_entries = 4 * ring->sq_entries;
    }
    ring->cq_mask = ring->cq_entries - 1;
    ring->array = jzx__sim_own_alloc(ring->sq_entries * sizeof *ring->array);
    ring->sqes = jzx__sim_own_alloc(ring->sq_entries * sizeof *ring->sqes);
    ring->cqes = jzx__sim_own_alloc(ring->cq_entries * sizeof *ring->cqes);
}

static bool setup_fails(jzx_sim *sim, int *error)
{
    static const int errors[] = {EMFILE, ENOMEM, EPERM};
    return jzx__sim_fault_errno(sim, JZX_SIM_SETUP, errors, JZX__COUNT(errors), error);
}

int jzx__sim_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *params)
{
    jzx_sim *sim = jzx__sim_machine;
    int error;
    if (sim == NULL) {
        return -ENOSYS;
    }
    if (sim->ring_count == JZX__SIM_RINGS_MAX) {
        return -EMFILE;
    }
    if (setup_fails(sim, &error)) {
        return -error;
    }
    jzx__sim_ring *made = jzx__sim_own_alloc(sizeof *made);
    made->sim = sim;
    made->event_fd = -1;
    made->fd = jzx__sim_fd_open(sim, JZX__SIM_FD_RING, made);
    if (made->fd < 0) {
        error = made->fd;
        free(made);
        return error;
    }
    made->index = sim->rings_made++;
    sizes(made, entries, params->cq_entries);
    sim->rings[sim->ring_count++] = made;
    share(made, ring);
    ring->flags = params->flags;
    params->sq_entries = made->sq_entries;
    params->cq_entries = made->cq_entries;
    return 0;
}

static void ring_free(jzx__sim_ring *ring)
{
    free(ring->array);
    free(ring->sqes);
    free(ring->cqes);
    free(ring->work.items);
    free(ring->overflow.items);
    free(ring->ops);
    free(ring);
}

void jzx__sim_queue_exit(struct io_uring *shared)
{
    jzx_sim *sim = jzx__sim_machine;
    jzx__sim_ring *ring = jzx__sim_fd_find(sim, shared->ring_fd, JZX__SIM_FD_RING);
    if (ring->op_count != 0 && !ring->lost && !ring->broken) {
        jzx_sim_fail(sim, "ring %u ends with %u operations in flight, one of opcode %u", ring->index, ring->op_count,
                     ring->ops[0].sqe.opcode);
    }
    for (uint32_t i = 0; i < ring->work.count; i++) {
        jzx__sim_ops_take_back(ring, &ring->work.items[i]);
    }
    for (uint32_t i = 0; i < ring->overflow.count; i++) {
        jzx__sim_ops_take_back(ring, &ring->overflow.items[i]);
    }
    for (uint32_t i = 0; i < sim->ring_count; i++) {
        if (sim->rings[i] == ring) {
            memmove(&sim->rings[i], &sim->rings[i + 1], (--sim->ring_count - i) * sizeof ring);
        }
    }
    jzx__sim_fd_drop(sim, ring->fd);
    ring_free(ring);
}

int jzx__sim_ring_dontfork(struct io_uring *ring)
{
    (void)ring;
    return 0;
}

/* ---- registering ---- */

static int restrict_to(jzx__sim_ring *ring, const struct io_uring_restriction *table, unsigned count)
{
    if (ring->enabled || ring->restricted) {
        return -EBADFD;
    }
    ring->restricted = true;
    for (unsigned i = 0; i < count; i++) {
        if (table[i].opcode == IORING_RESTRICTION_SQE_OP) {
            ring->allowed[table[i].sqe_op / 64] |= 1ull << table[i].sqe_op % 64;
        } else if (table[i].opcode == IORING_RESTRICTION_SQE_FLAGS_ALLOWED) {
            ring->allowed_flags = table[i].sqe_flags;
        }
    }
    return 0;
}

int jzx__sys_uring_register(int fd, unsigned opcode, const void *argument, unsigned count)
{
    jzx_sim *sim = jzx__sim_machine;
    jzx__sim_ring *ring = fd < 0 ? NULL : jzx__sim_fd_find(sim, fd, JZX__SIM_FD_RING);
    if (fd < 0 && opcode == REGISTER_SEND_MSG_RING) {
        const struct io_uring_sqe *sqe = argument;
        jzx__sim_point("ring: before wake");
        return message(jzx__sim_fd_find(sim, sqe->fd, JZX__SIM_FD_RING), sqe->off);
    }
    if (ring == NULL) {
        return -EBADF;
    }
    switch (opcode) {
    case IORING_REGISTER_RESTRICTIONS:
        return restrict_to(ring, argument, count);
    case IORING_REGISTER_ENABLE_RINGS:
        jzx__sim_point("ring: before enable");
        ring->enabled = true;
        ring->owner = jzx__thread_self();
        jzx__sim_point("ring: enabled");
        return 0;
    default:
        return -EINVAL;
    }
}

static jzx__sim_ring *ring_of(const struct io_uring *shared)
{
    return jzx__sim_fd_find(jzx__sim_machine, shared->ring_fd, JZX__SIM_FD_RING);
}

int jzx__sim_register_ring_fd(struct io_uring *shared)
{
    jzx__sim_ring *ring = ring_of(shared);
    if (jzx__sim_chance(ring->sim, JZX__SIM_STREAM_KERNEL, 128)) {
        return -EBUSY; /* no slot of the thread's is free */
    }
    ring->registered = true;
    shared->enter_ring_fd = (int)ring->index;
    shared->int_flags |= 1; /* INT_FLAG_REG_RING */
    return 1;
}

int jzx__sim_unregister_ring_fd(struct io_uring *shared)
{
    jzx__sim_ring *ring = ring_of(shared);
    if (ring->owner != jzx__thread_self()) {
        return -EINVAL;
    }
    ring->registered = false;
    shared->enter_ring_fd = shared->ring_fd;
    return 1;
}

int jzx__sim_register_iowq_max_workers(struct io_uring *ring, unsigned *values)
{
    (void)ring;
    (void)values;
    return 0;
}

int jzx__sim_register_buf_ring(struct io_uring *shared, struct io_uring_buf_reg *what, unsigned flags)
{
    jzx__sim_ring *ring = ring_of(shared);
    int error;
    (void)flags;
    if (setup_fails(ring->sim, &error)) {
        return -error;
    }
    ring->buffers = (struct io_uring_buf_ring *)(uintptr_t)what->ring_addr;
    ring->buffer_count = what->ring_entries;
    return 0;
}

int jzx__sim_register_eventfd(struct io_uring *shared, int fd)
{
    jzx__sim_ring *ring = ring_of(shared);
    int error;
    if (setup_fails(ring->sim, &error)) {
        return -error;
    }
    if (ring->event_fd >= 0) {
        return -EBUSY;
    }
    ring->event_fd = fd;
    return 0;
}

int jzx__sim_unregister_eventfd(struct io_uring *shared)
{
    jzx__sim_ring *ring = ring_of(shared);
    if (ring->event_fd < 0) {
        return -ENXIO;
    }
    ring->event_fd = -1;
    return 0;
}

/* ---- all rings ---- */

void jzx__sim_rings_destroy(jzx_sim *sim)
{
    for (uint32_t i = 0; i < sim->ring_count; i++) {
        ring_free(sim->rings[i]);
    }
    sim->ring_count = 0;
}

bool jzx__sim_rings_step(jzx_sim *sim)
{
    bool moved = false;
    for (uint32_t i = 0; i < sim->ring_count; i++) {
        moved |= jzx__sim_ops_go_on(sim->rings[i]);
    }
    return moved;
}

uint64_t jzx__sim_rings_next_ns(const jzx_sim *sim)
{
    uint64_t next_ns = JZX__SIM_NEVER;
    for (uint32_t i = 0; i < sim->ring_count; i++) {
        uint64_t ns = jzx__sim_ops_next_ns(sim->rings[i]);
        next_ns = ns < next_ns ? ns : next_ns;
    }
    return next_ns;
}

uint32_t jzx__sim_rings_busy(const jzx_sim *sim)
{
    uint32_t busy = 0;
    for (uint32_t i = 0; i < sim->ring_count; i++) {
        busy += sim->rings[i]->op_count;
    }
    return busy;
}

void jzx__sim_fd_touched(jzx_sim *sim, int fd)
{
    for (uint32_t i = 0; i < sim->ring_count; i++) {
        jzx__sim_ops_touch(sim->rings[i], fd);
    }
}
