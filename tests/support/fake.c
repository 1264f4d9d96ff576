/* fake: see fake.h. Everything here runs on one real thread, so a completion and its effect are one step. */
#include "tests/support/fake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/fake_inside.h"

static fake_ring *ring_of(jzx__backend *backend)
{
    return jzx__container_of(backend, fake_ring, base);
}

void fake_grow(void **items, uint32_t *room, uint32_t count, size_t size)
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
    fake_grow((void **)&list->items, &list->room, list->count, sizeof *cqe);
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

void fake_complete(fake_ring *ring, uint64_t user_data, int32_t res, uint32_t flags, uint32_t buffer)
{
    jzx__cqe cqe = {.user_data = user_data, .res = res, .flags = flags, .buffer = buffer};
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
    fake_complete(ring, USER_RUNG, 0, 0, 0);
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

/* ---- submission ---- */

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
        fake_complete(ring, entry->sqe.user_data, res, 0, 0);
    }
}

static void carry_out(fake_ring *ring, const sim_entry *entry)
{
    if (entry->doorbell) {
        ring_doorbell(ring, entry);
        return;
    }
    fake_op_begin(ring, &entry->sqe);
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

static void fake_buffer_give(jzx__backend *backend, uint32_t buffer)
{
    fake_ring *ring = ring_of(backend);
    JZX_ASSERT(buffer < ring->buffer_total && !ring->buffer_free[buffer]); /* given back once */
    ring->buffer_free[buffer] = true;
}

static jzx_err fake_buffers_register(jzx__backend *backend, void *base, uint32_t count, uint32_t size, int *os_error)
{
    fake_ring *ring = ring_of(backend);
    (void)os_error;
    ring->buffer_base = base;
    ring->buffer_total = count;
    ring->buffer_size = size;
    ring->buffer_free = calloc(count, sizeof *ring->buffer_free);
    if (ring->buffer_free == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    memset(ring->buffer_free, 1, count * sizeof *ring->buffer_free);
    return JZX_OK;
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
            fake_complete(ring, USER_OWN, 0, 0, 0);
        }
    }
    return ring->own != 0;
}

static void fake_ring_destroy(jzx__backend *backend)
{
    fake_ring *ring = ring_of(backend);
    JZX_ASSERT(!ring->destroyed);
    JZX_ASSERT(ring->op_count == 0 || ring->has_lost); /* K1: or the kernel would write into freed memory */
    ring->destroyed = true;                            /* stays until the kernel goes: a doorbell may look at it */
}

static const jzx__backend_ops OPS = {
    .enable = fake_enable,
    .now_ns = fake_now_ns,
    .random = fake_random,
    .queue = fake_queue,
    .doorbell = fake_doorbell,
    .busy = fake_busy,
    .submit = fake_submit,
    .send_off = fake_submit,
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

/* Fires timeouts of sleeping hosts, and goes on with what waits for sockets. */
static bool step(void *context)
{
    fake_kernel *kernel = context;
    bool moved = false;
    for (uint32_t i = 0; i < kernel->ring_count; i++) {
        fake_ring *ring = kernel->rings[i];
        if (ring->timeout_ns <= world_now_ns(kernel->world)) {
            ring->timeout_ns = JZX_FOREVER;
            fake_complete(ring, USER_TIMEOUT, -ETIME, 0, 0);
            moved = true;
        }
        moved |= fake_ops_go_on(ring);
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
        .short_transfers = kind ? 0 : world_below(world, 600),
        .io_fails = world_below(world, 4) != 0 ? 0 : world_below(world, 40),
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
        free(kernel->rings[i]->ops);
        free(kernel->rings[i]->buffer_free);
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
        fake_ops_touch(kernel->rings[i], fd);
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
