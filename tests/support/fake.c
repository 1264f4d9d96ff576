/* fake: see fake.h. Everything here runs on one real thread, so a completion and its effect are one step. */
#include "tests/support/fake.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/internal.h"

enum { RINGS_MAX = 8, ENTRIES_MAX = 64, HOST_FD = 1 << 20 };

/* user_data of what the ring itself does; none of it leaves reap(). */
#define USER_RUNG JZX__USER_INTERNAL
#define USER_TIMEOUT (JZX__USER_INTERNAL | 1)
#define USER_OWN (JZX__USER_INTERNAL | 2)

typedef struct fake_ring fake_ring;

typedef struct sim_entry {
    jzx__sqe sqe;
    bool doorbell;
    fake_ring *peer;
} sim_entry;

/* A list that grows; order matters. */
typedef struct cqes {
    jzx__cqe *items;
    uint32_t count;
    uint32_t room;
} cqes;

/* A poll in flight. */
typedef struct poll_op {
    uint64_t user_data;
    int fd;
    uint32_t events;
} poll_op;

struct fake_ring {
    jzx__backend base;
    fake_kernel *kernel;
    uint32_t index;
    uint64_t enters_unseen;
    bool enabled;
    bool destroyed;
    bool asleep;
    uint64_t wakes;
    uint32_t lose; /* enters until one fails for good; 0: none will */
    bool has_lost;
    bool broken;   /* it has, and no enter works any more */

    sim_entry queue[ENTRIES_MAX];
    uint32_t queued;
    uint32_t entries;
    cqes outside; /* task work: seen by an enter */
    cqes inside;  /* seen by reap */
    poll_op *polls;
    uint32_t poll_count;
    uint32_t poll_room;

    uint64_t timeout_ns; /* of a sleeping host; JZX_FOREVER: none */
    bool notify;
    bool hosted;
    uint64_t host_count; /* the descriptor's */
    uint64_t host_writes;
    uint64_t host_seen; /* by an edge-triggered host */
    bool host_asleep;
    uint32_t own;       /* operations of the ring itself that are to end */
    bool closing;
};

struct fake_kernel {
    sim_world *world;
    fake_faults faults;
    fake_ring *rings[RINGS_MAX];
    uint32_t ring_count;
    void (*idle)(void *context);
    void *idle_context;
};

static fake_ring *ring_of(jzx__backend *backend)
{
    return jzx__container_of(backend, fake_ring, base);
}

static void grow(void **items, uint32_t *room, uint32_t count, size_t size)
{
    if (count == *room) {
        *room = *room == 0 ? 32 : *room * 2;
        *items = realloc(*items, *room * size);
        if (*items == NULL) {
            abort();
        }
    }
}

static void cqes_insert(cqes *list, uint32_t place, const jzx__cqe *cqe)
{
    grow((void **)&list->items, &list->room, list->count, sizeof *cqe);
    memmove(&list->items[place + 1], &list->items[place], (list->count - place) * sizeof *cqe);
    list->items[place] = *cqe;
    list->count++;
}

static void cqes_remove(cqes *list, uint32_t place, jzx__cqe *cqe)
{
    *cqe = list->items[place];
    list->count--;
    memmove(&list->items[place], &list->items[place + 1], (list->count - place) * sizeof *cqe);
}

/* ---- completion ---- */

static void host_write(fake_ring *ring)
{
    ring->host_count++;
    ring->host_writes++;
}

/* A completion comes, before or after those of other operations that wait. */
static void complete(fake_ring *ring, uint64_t user_data, int32_t res, uint32_t flags)
{
    jzx__cqe cqe = {.user_data = user_data, .res = res, .flags = flags};
    uint32_t first = ring->outside.count;
    while (first > 0 && ring->outside.items[first - 1].user_data != user_data) {
        first--;
    }
    cqes_insert(&ring->outside, world_between(ring->kernel->world, first, ring->outside.count), &cqe);
    ring->wakes++;
    if (ring->notify) {
        host_write(ring);
    }
}

static void ring_rung(fake_ring *ring)
{
    complete(ring, USER_RUNG, 0, 0);
}

static void bring_in(fake_ring *ring)
{
    fake_kernel *kernel = ring->kernel;
    jzx__cqe cqe;
    while (ring->outside.count > 0) {
        if (ring->inside.count > 0 && world_chance(kernel->world, kernel->faults.left_outside)) {
            return;
        }
        cqes_remove(&ring->outside, 0, &cqe);
        cqes_insert(&ring->inside, ring->inside.count, &cqe);
    }
}

/* ---- operations ---- */

static void poll_end(fake_ring *ring, uint32_t place)
{
    ring->polls[place] = ring->polls[--ring->poll_count];
}

/* Tells what the descriptor says; an error, or the kernel's whim, ends the poll. */
static void poll_look(fake_ring *ring, uint32_t place)
{
    const poll_op *op = &ring->polls[place];
    struct pollfd look = {.fd = op->fd, .events = (short)op->events};
    if (poll(&look, 1, 0) <= 0) {
        return;
    }
    bool ends = (look.revents & POLLNVAL) != 0 || world_chance(ring->kernel->world, 64);
    int32_t res = (look.revents & POLLNVAL) != 0 ? -EBADF : look.revents;
    complete(ring, op->user_data, res, ends ? 0 : JZX__CQE_MORE);
    if (ends) {
        poll_end(ring, place);
    }
}

static void poll_begin(fake_ring *ring, const jzx__sqe *sqe)
{
    grow((void **)&ring->polls, &ring->poll_room, ring->poll_count, sizeof *ring->polls);
    ring->polls[ring->poll_count++] = (poll_op){sqe->user_data, sqe->fd, sqe->arg};
    poll_look(ring, ring->poll_count - 1);
}

static void cancel(fake_ring *ring, const jzx__sqe *sqe)
{
    int32_t res = -ENOENT;
    for (uint32_t i = 0; i < ring->poll_count; i++) {
        if (ring->polls[i].user_data == sqe->target) {
            complete(ring, sqe->target, -ECANCELED, 0);
            poll_end(ring, i);
            res = 0;
            break;
        }
    }
    complete(ring, sqe->user_data, res, 0);
}

static void ring_doorbell(fake_ring *ring, const sim_entry *entry)
{
    fake_kernel *kernel = ring->kernel;
    int32_t res = entry->peer->destroyed ? -EBADF : !entry->peer->enabled ? -EBADFD : 0;
    if (res == 0 && world_chance(kernel->world, kernel->faults.doorbell_fails)) {
        res = -ENOMEM;
    }
    if (res == 0) {
        ring_rung(entry->peer);
    } else {
        complete(ring, entry->sqe.user_data, res, 0);
    }
}

static void carry_out(fake_ring *ring, const sim_entry *entry)
{
    if (entry->doorbell) {
        ring_doorbell(ring, entry);
        return;
    }
    switch (entry->sqe.op) {
    case JZX__OP_POLL:
        poll_begin(ring, &entry->sqe);
        break;
    case JZX__OP_CANCEL:
        cancel(ring, &entry->sqe);
        break;
    case JZX__OP_CLOSE:
        complete(ring, entry->sqe.user_data, close(entry->sqe.fd) == 0 ? 0 : -errno, 0);
        break;
    default:
        complete(ring, entry->sqe.user_data, -EOPNOTSUPP, 0);
        break;
    }
}

/* True when all of the queue was taken. */
static bool submit_queue(fake_ring *ring)
{
    fake_kernel *kernel = ring->kernel;
    uint32_t taken = ring->queued;
    if (taken > 0 && world_chance(kernel->world, kernel->faults.part_submitted)) {
        taken = world_below(kernel->world, taken);
    }
    for (uint32_t i = 0; i < taken; i++) {
        sim_entry entry = ring->queue[i];
        carry_out(ring, &entry);
    }
    ring->queued -= taken;
    memmove(ring->queue, ring->queue + taken, ring->queued * sizeof *ring->queue);
    return ring->queued == 0;
}

static bool lost(fake_ring *ring)
{
    bool now = ring->lose > 0 && --ring->lose == 0;
    if (now) {
        ring->has_lost = true;
        ring->broken = world_chance(ring->kernel->world, 512);
    }
    return now;
}

static jzx_err enter(fake_ring *ring, bool *all)
{
    world_point("ring: enter");
    jzx__count_add(ring->base.enters, 1);
    if (ring->broken) {
        *all = false;
        return JZX_ERR_OS;
    }
    *all = submit_queue(ring);
    bring_in(ring);
    return lost(ring) ? JZX_ERR_KERNEL_LOST : JZX_OK;
}

/* ---- the seam ---- */

static jzx_err fake_enable(jzx__backend *backend, int *os_error)
{
    (void)os_error;
    world_point("ring: before enable");
    ring_of(backend)->enabled = true;
    world_point("ring: enabled");
    return JZX_OK;
}

static uint64_t fake_now_ns(jzx__backend *backend)
{
    return world_clock_read(ring_of(backend)->kernel->world);
}

static uint64_t fake_random(jzx__backend *backend)
{
    return world_random(ring_of(backend)->kernel->world);
}

static bool push(fake_ring *ring, const sim_entry *entry)
{
    if (ring->queued == ring->entries) {
        return false;
    }
    ring->queue[ring->queued++] = *entry;
    return true;
}

static bool fake_queue(jzx__backend *backend, const jzx__sqe *sqe)
{
    sim_entry entry = {.sqe = *sqe};
    return push(ring_of(backend), &entry);
}

static bool fake_doorbell(jzx__backend *backend, jzx__backend *peer, uint32_t peer_index)
{
    sim_entry entry = {.doorbell = true, .peer = ring_of(peer)};
    entry.sqe.user_data = JZX__USER_DOORBELL | peer_index;
    return push(ring_of(backend), &entry);
}

static bool has_work(const fake_ring *ring)
{
    return ring->queued != 0 || ring->inside.count != 0 || ring->outside.count != 0;
}

/* Asked in a circle by a loop that lingers: then it is this that lets time pass. */
static bool fake_busy(jzx__backend *backend)
{
    fake_ring *ring = ring_of(backend);
    if (!has_work(ring) && world_inside()) {
        world_poll(ring->kernel->world);
    }
    return has_work(ring);
}

static jzx_err fake_submit(jzx__backend *backend)
{
    fake_ring *ring = ring_of(backend);
    bool all;
    return !ring->enabled || !has_work(ring) ? JZX_OK : enter(ring, &all);
}

static bool something_came(void *context)
{
    const fake_ring *ring = context;
    return ring->outside.count != 0;
}

static jzx_err fake_wait(jzx__backend *backend, uint64_t deadline_ns)
{
    fake_ring *ring = ring_of(backend);
    fake_kernel *kernel = ring->kernel;
    JZX_ASSERT(ring->enabled);
    if (ring->inside.count != 0 || deadline_ns <= world_now_ns(kernel->world)) {
        return fake_submit(backend);
    }
    bool all;
    jzx_err err = enter(ring, &all);
    if (err != JZX_OK || !all || ring->inside.count != 0) {
        return err;
    }
    if (world_chance(kernel->world, kernel->faults.woken_early)) {
        ring->wakes++;
        return JZX_OK;
    }
    ring->asleep = true;
    if (!world_wait(kernel->world, something_came, ring, deadline_ns)) {
        ring->wakes++;
    }
    ring->asleep = false;
    bring_in(ring);
    world_point("ring: woken");
    return lost(ring) ? JZX_ERR_KERNEL_LOST : JZX_OK;
}

static bool complete_own(fake_ring *ring, const jzx__cqe *cqe)
{
    if (cqe->user_data >> 56 != JZX__USER_INTERNAL >> 56) {
        return false;
    }
    if (cqe->user_data == USER_OWN) {
        JZX_ASSERT(ring->own > 0);
        ring->own--;
    }
    return true;
}

static uint32_t fake_reap(jzx__backend *backend, uint32_t max, jzx__reap_fn fn, void *context)
{
    fake_ring *ring = ring_of(backend);
    uint32_t handed = 0;
    uint32_t seen = ring->inside.count; /* what callbacks bring comes later */
    jzx__cqe cqe;
    for (; seen > 0 && handed < max; seen--) {
        cqes_remove(&ring->inside, 0, &cqe);
        if (!complete_own(ring, &cqe)) {
            fn(context, &cqe);
            handed++;
        }
    }
    return handed;
}

static void fake_wake(jzx__backend *backend)
{
    fake_ring *ring = ring_of(backend);
    world_point("ring: before wake");
    if (ring->enabled) {
        ring_rung(ring);
    }
}

static jzx_err fake_buffers_register(jzx__backend *backend, void *base, uint32_t count, uint32_t size, int *os_error)
{
    (void)backend;
    (void)base;
    (void)count;
    (void)size;
    *os_error = EOPNOTSUPP;
    return JZX_ERR_UNSUPPORTED; /* sockets are not simulated */
}

static void fake_buffer_give(jzx__backend *backend, uint32_t buffer)
{
    (void)backend;
    (void)buffer;
    JZX_ASSERT(!"no buffer was handed out");
}

/* ---- hosts that sleep elsewhere ---- */

static int fake_host_fd(jzx__backend *backend)
{
    fake_ring *ring = ring_of(backend);
    ring->hosted = true;
    return HOST_FD + (int)ring->index;
}

static void fake_host_ring(jzx__backend *backend)
{
    host_write(ring_of(backend));
}

static void fake_host_awake(jzx__backend *backend)
{
    fake_ring *ring = ring_of(backend);
    ring->notify = false;
    world_point("ring: host awake");
    ring->host_count = 0;
}

static void fake_host_sleep(jzx__backend *backend, uint64_t deadline_ns)
{
    fake_ring *ring = ring_of(backend);
    bool set = deadline_ns == JZX_FOREVER || deadline_ns > world_now_ns(ring->kernel->world);
    if (set) {
        ring->timeout_ns = deadline_ns;
    }
    (void)fake_submit(backend);
    ring->notify = true;
    world_point("ring: host sleeps");
    if (!set || ring->queued != 0) {
        host_write(ring);
    }
}

/* ---- life ---- */

static bool fake_close_begin(jzx__backend *backend)
{
    fake_ring *ring = ring_of(backend);
    fake_kernel *kernel = ring->kernel;
    if (!ring->enabled) {
        return false;
    }
    if (!ring->closing) {
        ring->closing = true;
        ring->timeout_ns = JZX_FOREVER;
        if (world_chance(kernel->world, kernel->faults.slow_close)) {
            ring->own++;
            complete(ring, USER_OWN, 0, 0);
        }
    }
    return ring->own != 0;
}

static void fake_ring_destroy(jzx__backend *backend)
{
    fake_ring *ring = ring_of(backend);
    JZX_ASSERT(!ring->destroyed);
    JZX_ASSERT(ring->poll_count == 0 || ring->has_lost); /* K1: or the kernel would write into freed memory */
    ring->destroyed = true; /* stays until the kernel goes: a doorbell may look at it */
}

static const jzx__backend_ops OPS = {
    .enable = fake_enable,
    .now_ns = fake_now_ns,
    .random = fake_random,
    .queue = fake_queue,
    .doorbell = fake_doorbell,
    .busy = fake_busy,
    .submit = fake_submit,
    .wait = fake_wait,
    .reap = fake_reap,
    .wake = fake_wake,
    .buffers_register = fake_buffers_register,
    .buffer_give = fake_buffer_give,
    .host_fd = fake_host_fd,
    .host_sleep = fake_host_sleep,
    .host_awake = fake_host_awake,
    .host_ring = fake_host_ring,
    .close_begin = fake_close_begin,
    .destroy = fake_ring_destroy,
};

static jzx_err make(void *context, const jzx__backend_config *config, jzx__backend **backend, int *os_error)
{
    (void)os_error;
    fake_kernel *kernel = context;
    if (kernel->ring_count == RINGS_MAX) {
        return JZX_ERR_LIMIT;
    }
    fake_ring *ring = calloc(1, sizeof *ring);
    if (ring == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    ring->base.ops = &OPS;
    ring->base.enters = config->enters != NULL ? config->enters : &ring->enters_unseen;
    ring->kernel = kernel;
    ring->index = kernel->ring_count;
    ring->timeout_ns = JZX_FOREVER;
    ring->entries = config->entries < kernel->faults.entries_max ? config->entries : kernel->faults.entries_max;
    kernel->rings[kernel->ring_count++] = ring;
    *backend = &ring->base;
    return JZX_OK;
}

/* ---- the kernel ---- */

/* Fires timeouts of sleeping hosts. */
static bool step(void *context)
{
    fake_kernel *kernel = context;
    bool moved = false;
    for (uint32_t i = 0; i < kernel->ring_count; i++) {
        fake_ring *ring = kernel->rings[i];
        if (ring->timeout_ns <= world_now_ns(kernel->world)) {
            ring->timeout_ns = JZX_FOREVER;
            complete(ring, USER_TIMEOUT, -ETIME, 0);
            moved = true;
        }
    }
    return moved;
}

static uint64_t next_ns(void *context)
{
    const fake_kernel *kernel = context;
    uint64_t next = JZX_FOREVER;
    for (uint32_t i = 0; i < kernel->ring_count; i++) {
        if (kernel->rings[i]->timeout_ns < next) {
            next = kernel->rings[i]->timeout_ns;
        }
    }
    return next;
}

static void idle(void *context)
{
    fake_kernel *kernel = context;
    if (kernel->idle != NULL) {
        kernel->idle(kernel->idle_context);
    }
}

static void draw_faults(fake_kernel *kernel)
{
    sim_world *world = kernel->world;
    static const uint32_t entries[] = {1, 2, 3, 8, 64};
    bool kind = world_below(world, 3) == 0;
    kernel->faults = (fake_faults){
        .entries_max = entries[world_below(world, 5)],
        .part_submitted = kind ? 0 : world_below(world, 300),
        .woken_early = kind ? 0 : world_below(world, 100),
        .left_outside = kind ? 0 : world_below(world, 300),
        .doorbell_fails = kind ? 0 : world_below(world, 200),
        .slow_close = 512,
    };
}

fake_kernel *fake_create(sim_world *world, void (*idle_fn)(void *context), void *context)
{
    fake_kernel *kernel = calloc(1, sizeof *kernel);
    if (kernel == NULL) {
        abort();
    }
    kernel->world = world;
    kernel->idle = idle_fn;
    kernel->idle_context = context;
    draw_faults(kernel);
    world_kernel hooks = {.step = step, .next_ns = next_ns, .idle = idle, .context = kernel};
    world_kernel_set(world, &hooks);
    return kernel;
}

void fake_destroy(fake_kernel *kernel)
{
    for (uint32_t i = 0; i < kernel->ring_count; i++) {
        free(kernel->rings[i]->outside.items);
        free(kernel->rings[i]->inside.items);
        free(kernel->rings[i]->polls);
        free(kernel->rings[i]);
    }
    free(kernel);
}

fake_faults *fake_faults_of(fake_kernel *kernel)
{
    return &kernel->faults;
}

jzx_err fake_runtime_create(fake_kernel *kernel, const jzx_config *config, jzx_runtime **runtime)
{
    return jzx__runtime_create_in(config, make, kernel, runtime);
}

void fake_touch(fake_kernel *kernel, int fd)
{
    for (uint32_t i = 0; i < kernel->ring_count; i++) {
        fake_ring *ring = kernel->rings[i];
        for (uint32_t k = ring->poll_count; k > 0; k--) {
            if (ring->polls[k - 1].fd == fd) {
                poll_look(ring, k - 1);
            }
        }
    }
}

void fake_lose(fake_kernel *kernel, uint32_t loop)
{
    kernel->rings[loop]->lose = 1 + world_below(kernel->world, 8);
}

static bool level(void *context)
{
    return ((const fake_ring *)context)->host_count != 0;
}

static bool edge(void *context)
{
    const fake_ring *ring = context;
    return ring->host_writes != ring->host_seen;
}

bool fake_host_wait(fake_kernel *kernel, int fd, bool edge_triggered, uint64_t deadline_ns)
{
    fake_ring *ring = kernel->rings[fd - HOST_FD];
    ring->host_asleep = true;
    bool readable = world_wait(kernel->world, edge_triggered ? edge : level, ring, deadline_ns);
    ring->host_asleep = false;
    ring->host_seen = ring->host_writes;
    return readable;
}

bool fake_ring_quiet(const fake_kernel *kernel, uint32_t loop)
{
    return !has_work(kernel->rings[loop]);
}

bool fake_ring_asleep(const fake_kernel *kernel, uint32_t loop)
{
    return kernel->rings[loop]->asleep;
}

bool fake_host_asleep(const fake_kernel *kernel, uint32_t loop)
{
    return kernel->rings[loop]->host_asleep;
}

uint64_t fake_ring_wakes(const fake_kernel *kernel, uint32_t loop)
{
    return kernel->rings[loop]->wakes;
}
