/* runtime: the set of loops, from creation to the end. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "src/internal.h"

/* ---- the shared segment ---- */

static int open_segment(const jzx_config *config)
{
    if (config->segment_path == NULL) {
        return memfd_create(JZX_SEGMENT_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    }
    return open(config->segment_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
}

static int size_segment(const jzx_config *config, int fd, size_t size)
{
    /* A file gets its blocks now: a disk that is full must not become a SIGBUS later. */
    if (config->segment_path != NULL) {
        return posix_fallocate(fd, 0, (off_t)size);
    }
    return ftruncate(fd, (off_t)size) == 0 ? 0 : errno;
}

static jzx_err segment_error(jzx_runtime *runtime, int error)
{
    atomic_store_explicit(&runtime->os_error, error, memory_order_relaxed);
    return error == EMFILE || error == ENFILE   ? JZX_ERR_FD_LIMIT
           : error == ENOMEM || error == ENOSPC ? JZX_ERR_NO_MEMORY
                                                : JZX_ERR_OS;
}

static jzx_err make_segment(jzx_runtime *runtime)
{
    const jzx_config *config = &runtime->config;
    jzx_segment_header header;
    runtime->segment_size = jzx__config_segment_size(config, &header);
    runtime->segment_fd = open_segment(config);
    if (runtime->segment_fd < 0) {
        return segment_error(runtime, errno);
    }
    int error = size_segment(config, runtime->segment_fd, runtime->segment_size);
    if (error != 0) {
        return segment_error(runtime, error);
    }
    void *memory = mmap(NULL, runtime->segment_size, PROT_READ | PROT_WRITE, MAP_SHARED, runtime->segment_fd, 0);
    if (memory == MAP_FAILED) {
        return segment_error(runtime, errno);
    }
    runtime->segment = memory;
    /* It is shared, and a child that uses the runtime against the rules must not write the parent's slots. */
    if (madvise(memory, runtime->segment_size, MADV_DONTFORK) != 0) {
        return segment_error(runtime, errno);
    }
    if (config->segment_path == NULL) {
        (void)fcntl(runtime->segment_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
    }
    header.created_ns = jzx__sys_now_ns();
    header.pid = runtime->pid;
    memcpy(memory, &header, sizeof header);
    return JZX_OK;
}

static jzx_segment_header *segment_header(const jzx_runtime *runtime)
{
    return (jzx_segment_header *)(void *)runtime->segment;
}

/* ---- create and destroy ---- */

static void *allocate(const jzx_runtime *runtime, size_t size, size_t align)
{
    const jzx_allocator *allocator = &runtime->config.allocators[JZX_MEMORY_METADATA];
    void *memory = allocator->alloc(allocator->context, size, align);
    if (memory != NULL) {
        memset(memory, 0, size);
    }
    return memory;
}

static void release(const jzx_runtime *runtime, void *memory, size_t size, size_t align)
{
    const jzx_allocator allocator = runtime->config.allocators[JZX_MEMORY_METADATA];
    if (memory != NULL) {
        allocator.free(allocator.context, memory, size, align);
    }
}

static void free_runtime(jzx_runtime *runtime)
{
    uint32_t loops = runtime->config.loops_max;
    if (runtime->segment != NULL) {
        munmap(runtime->segment, runtime->segment_size);
    }
    if (runtime->segment_fd >= 0) {
        close(runtime->segment_fd);
    }
    release(runtime, runtime->loops, loops * sizeof(void *), _Alignof(void *));
    release(runtime, runtime->lanes, (size_t)loops * loops * sizeof(jzx__lane), _Alignof(jzx__lane));
    release(runtime, runtime->posters, runtime->config.posters_max * sizeof(void *), _Alignof(void *));
    jzx__spaces_free(runtime);
    release(runtime, runtime->spaces, runtime->config.spaces_max * sizeof(void *), _Alignof(void *));
    jzx__names_deinit(&runtime->names);
    jzx__askers_deinit(&runtime->askers);
    release(runtime, runtime, sizeof *runtime, _Alignof(jzx_runtime));
}

static jzx_err make_names(jzx_runtime *runtime)
{
    uint64_t seed = runtime->config.seed;
    if (seed == 0 && getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
        seed = (uint64_t)(uintptr_t)runtime; /* better than what everybody has */
    }
    return jzx__names_init(&runtime->names, runtime->config.names_max, seed,
                           &runtime->config.allocators[JZX_MEMORY_METADATA]);
}

static jzx_err fill_runtime(jzx_runtime *runtime)
{
    uint32_t loops = runtime->config.loops_max;
    runtime->loops = allocate(runtime, loops * sizeof(void *), _Alignof(void *));
    runtime->lanes = allocate(runtime, (size_t)loops * loops * sizeof(jzx__lane), _Alignof(jzx__lane));
    runtime->posters = allocate(runtime, runtime->config.posters_max * sizeof(void *), _Alignof(void *));
    runtime->spaces = allocate(runtime, runtime->config.spaces_max * sizeof(void *), _Alignof(void *));
    if (runtime->loops == NULL || runtime->lanes == NULL || runtime->posters == NULL || runtime->spaces == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    jzx_err err = make_names(runtime);
    if (err == JZX_OK) {
        err = jzx__askers_init(&runtime->askers, runtime->config.asks_max,
                               &runtime->config.allocators[JZX_MEMORY_METADATA]);
    }
    return err == JZX_OK ? make_segment(runtime) : err;
}

jzx_err jzx_runtime_create(const jzx_config *user_config, jzx_runtime **out)
{
    jzx_config config;
    if (out == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    if (JZX__SIM_NO_KERNEL()) {
        return JZX_ERR_URING_MISSING;
    }
    jzx_config_init(&config);
    if (user_config != NULL) {
        config = *user_config;
    }
    jzx_footprint footprint = {.struct_size = sizeof footprint};
    jzx_err err = jzx_config_footprint(&config, &footprint);
    if (err != JZX_OK) {
        return err;
    }
    config.lane_blocks = jzx__config_lane_blocks(&config);
    jzx__config_allocators(&config);
    const jzx_allocator *metadata = &config.allocators[JZX_MEMORY_METADATA];
    jzx_runtime *runtime = metadata->alloc(metadata->context, sizeof *runtime, _Alignof(jzx_runtime));
    if (runtime == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    memset(runtime, 0, sizeof *runtime);
    runtime->config = config;
    runtime->pid = (int)getpid();
    runtime->inbound_max = jzx__config_inbound_max(&config);
    runtime->segment_fd = -1;
    atomic_init(&runtime->round, 1);
    err = fill_runtime(runtime);
    if (err != JZX_OK) {
        free_runtime(runtime);
        return err;
    }
    runtime->config.segment_path = NULL; /* it was read during the call */
    *out = runtime;
    return JZX_OK;
}

static uint32_t loop_state(const jzx_loop *loop)
{
    return atomic_load_explicit(&loop->state, memory_order_acquire);
}

static void drop_cells(const jzx__cell *cells, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (jzx__cell_is_mail(&cells[i]) || cells[i].kind == JZX__CELL_BROADCAST) {
            jzx__cell_drop_payload(&cells[i]);
        }
        i += (cells[i].flags & JZX__FLAG_WIDE) != 0;
    }
}

static void drop_held(jzx__lane *lane)
{
    if (jzx__lane_held(lane)) {
        jzx__fanout_drop(&lane->fanout);
        drop_cells(lane->rest, lane->rest_count);
    }
}

/* Payloads that came after a loop had left: nobody else will see them. */
static void drop_leftovers(jzx_runtime *runtime, jzx_loop *loop)
{
    jzx__cell cell;
    while (jzx__inbox_take(&loop->inbox, &cell)) {
        jzx__cell_drop_payload(&cell);
    }
    for (uint32_t i = 0; i < atomic_load(&runtime->poster_count); i++) {
        while (jzx__inbox_take(&runtime->posters[i]->inboxes[loop->index], &cell)) {
            jzx__cell_drop_payload(&cell);
        }
    }
    for (uint32_t i = 0; i < runtime->loop_count; i++) {
        jzx__cell *cells;
        jzx__block *block;
        uint32_t count;
        if (i == loop->index) {
            continue;
        }
        drop_held(loop->lanes_in[i]);
        while ((count = jzx__lane_take(loop->lanes_in[i], &cell, &cells, &block)) > 0) {
            drop_cells(cells, count);
        }
    }
}

static void free_posters(jzx_runtime *runtime)
{
    for (uint32_t i = 0; i < atomic_load(&runtime->poster_count); i++) {
        jzx_poster *poster = runtime->posters[i];
        for (uint32_t k = 0; k < poster->loop_count; k++) {
            jzx__inbox_deinit(&poster->inboxes[k]);
        }
        release(runtime, poster->inboxes, poster->loop_count * sizeof(jzx__inbox), _Alignof(jzx__inbox));
        release(runtime, poster, sizeof *poster, _Alignof(jzx_poster));
    }
}

/* Some loop runs, or has run and not yet left. */
static bool in_use(const jzx_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->loop_count; i++) {
        if (loop_state(runtime->loops[i]) == JZX__LOOP_RUNNING) {
            return true;
        }
    }
    return false;
}

/* Some thread of jzx_loop_start() is on its way to its first turn: only a stop makes it end. */
static bool on_the_way(const jzx_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->loop_count; i++) {
        const jzx_loop *loop = runtime->loops[i];
        if (loop->has_thread && loop_state(loop) == JZX__LOOP_CREATED &&
            __atomic_load_n(&loop->entered, __ATOMIC_ACQUIRE)) {
            return true;
        }
    }
    return false;
}

/* Some loop has yet to be driven out by its host: threads of other loops cannot end before. */
static bool awaits_host(const jzx_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->loop_count; i++) {
        if (loop_state(runtime->loops[i]) == JZX__LOOP_RUNNING && !runtime->loops[i]->has_thread) {
            return true;
        }
    }
    return false;
}

/* Tears down the loops that never ran, each once. */
static void end_unrun(jzx_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->loop_count; i++) {
        jzx_loop *loop = runtime->loops[i];
        if (!__atomic_exchange_n(&loop->entered, true, __ATOMIC_ACQ_REL)) {
            atomic_store_explicit(&loop->state, JZX__LOOP_LEFT, memory_order_release);
            jzx__loop_teardown(loop);
        }
    }
}

static void join_threads(jzx_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->loop_count; i++) {
        (void)jzx_loop_join(runtime->loops[i], NULL);
    }
}

jzx_err jzx_runtime_destroy(jzx_runtime *runtime)
{
    if (runtime == NULL) {
        return JZX_OK;
    }
    if (runtime->pid != (int)getpid()) {
        return JZX_ERR_FORKED;
    }
    if ((on_the_way(runtime) || in_use(runtime)) && atomic_load_explicit(&runtime->stop, memory_order_acquire) == 0) {
        return JZX_ERR_BUSY;
    }
    for (uint32_t i = 0; i < runtime->loop_count; i++) {
        const jzx_loop *loop = runtime->loops[i];
        if (jzx__loop_owned(loop) && (loop->in_turn || loop->inits > 0)) {
            return JZX_ERR_BUSY; /* inside a handler or an init */
        }
    }
    if (awaits_host(runtime)) {
        return JZX_ERR_BUSY;
    }
    join_threads(runtime);
    if (in_use(runtime)) {
        return JZX_ERR_BUSY;
    }
    atomic_store_explicit(&runtime->stop, 1, memory_order_release);
    end_unrun(runtime);
    jzx__askers_close(&runtime->askers);
    jzx__askers_drain(&runtime->askers);
    for (uint32_t i = 0; i < runtime->loop_count; i++) {
        drop_leftovers(runtime, runtime->loops[i]);
    }
    free_posters(runtime);
    for (uint32_t i = runtime->loop_count; i > 0; i--) {
        jzx__loop_free(runtime->loops[i - 1]);
    }
    JZX__SIM_GONE(runtime);
    free_runtime(runtime);
    return JZX_OK;
}

/* ---- stop ---- */

jzx_err jzx_runtime_request_stop(jzx_runtime *runtime)
{
    if (runtime == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    if (atomic_exchange_explicit(&runtime->stop, 1, memory_order_acq_rel) == 0) {
        jzx__stop_begin(runtime);
    }
    return JZX_OK;
}

void jzx__runtime_escalate(jzx_runtime *runtime, const jzx_exit_info *exit, const jzx_start_failure *failure)
{
    uint32_t none = 0;
    if (atomic_load_explicit(&runtime->stop, memory_order_acquire) != 0) {
        return; /* it may be because of the stop that it could not start */
    }
    if (atomic_compare_exchange_strong(&runtime->escalated, &none, 1)) {
        runtime->escalation = *exit;
        runtime->escalation_failure = *failure;
        atomic_store_explicit(&runtime->escalated, 2, memory_order_release);
    }
    (void)jzx_runtime_request_stop(runtime);
}

jzx_err jzx_runtime_escalation(const jzx_runtime *runtime, jzx_exit_info *exit, jzx_start_failure *failure)
{
    if (runtime == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    if (atomic_load_explicit(&runtime->escalated, memory_order_acquire) != 2) {
        return JZX_ERR_NOT_FOUND;
    }
    if (exit != NULL) {
        *exit = runtime->escalation;
    }
    if (failure != NULL) {
        *failure = runtime->escalation_failure;
    }
    return JZX_OK;
}

/* *which is then the one that is furthest behind: the others wait for it. */
static bool some_loop_runs(const jzx_runtime *runtime, uint32_t *which)
{
    uint32_t least = UINT32_MAX;
    for (uint32_t i = 0; i < runtime->loop_count; i++) {
        const jzx_loop *loop = runtime->loops[i];
        uint32_t reached = atomic_load(&loop->phase_reached);
        if (loop_state(loop) == JZX__LOOP_RUNNING && reached < least) {
            least = reached;
            *which = i;
        }
    }
    return least != UINT32_MAX;
}

/* So that each goes as far as it can: request_stop() wakes only one, and a host may not come to drive that. */
static void wake_all(jzx_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->loop_count; i++) {
        if (loop_state(runtime->loops[i]) == JZX__LOOP_RUNNING) {
            jzx__wake(runtime->loops[i]);
        }
    }
}

jzx_err jzx_runtime_shutdown(jzx_runtime *runtime, uint64_t timeout_ns, uint32_t *stuck_loop)
{
    if (runtime == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    if (runtime->pid != (int)getpid()) {
        return JZX_ERR_FORKED;
    }
    uint32_t which = 0;
    for (uint32_t i = 0; i < runtime->loop_count; i++) {
        if (loop_state(runtime->loops[i]) == JZX__LOOP_RUNNING && jzx__loop_owned(runtime->loops[i])) {
            return JZX_ERR_WRONG_THREAD;
        }
    }
    uint64_t deadline_ns = jzx__add_saturating(jzx__sys_now_ns(), timeout_ns);
    jzx_runtime_request_stop(runtime);
    wake_all(runtime);
    for (;;) {
        uint32_t left = atomic_load_explicit(&runtime->left, memory_order_acquire);
        if (!some_loop_runs(runtime, &which)) {
            join_threads(runtime);
            end_unrun(runtime);
            jzx__askers_close(&runtime->askers); /* if no loop ever ran */
            return JZX_OK;
        }
        if (jzx__sys_now_ns() >= deadline_ns) {
            break;
        }
        jzx__sys_wait(&runtime->left, left, deadline_ns); /* jzx__stop_left() wakes it */
    }
    if (stuck_loop != NULL) {
        *stuck_loop = which;
    }
    return JZX_ERR_TIMEOUT;
}

/* ---- loops of a runtime ---- */

static jzx_err check_cpu(int cpu)
{
    cpu_set_t allowed;
    if (cpu == JZX_CPU_ANY) {
        return JZX_OK;
    }
    CPU_ZERO(&allowed);
    bool can = cpu >= 0 && cpu < CPU_SETSIZE && sched_getaffinity(getpid(), sizeof allowed, &allowed) == 0 &&
               CPU_ISSET((unsigned)cpu, &allowed);
    return can ? JZX_OK : JZX_ERR_NO_SUCH_CPU;
}

jzx_err jzx_loop_create(jzx_runtime *runtime, const jzx_loop_config *user_config, jzx_loop **out)
{
    if (runtime == NULL || out == NULL || (user_config != NULL && user_config->struct_size != sizeof *user_config)) {
        return JZX_ERR_INVALID_ARG;
    }
    jzx_loop_config config;
    jzx_loop_config_init(&runtime->config, &config);
    if (user_config != NULL) {
        config = *user_config;
    }
    if (runtime->pid != (int)getpid()) {
        return JZX_ERR_FORKED;
    }
    if (atomic_load_explicit(&runtime->ran, memory_order_relaxed) != 0 || atomic_load(&runtime->poster_count) != 0) {
        return JZX_ERR_BUSY;
    }
    if (runtime->loop_count == runtime->config.loops_max) {
        return JZX_ERR_MAX_LOOPS;
    }
    jzx_err err = check_cpu(config.cpu);
    if (err != JZX_OK) {
        return err;
    }
    jzx_loop *loop;
    err = jzx__loop_make(runtime, &config, &loop);
    if (err != JZX_OK) {
        return err;
    }
    runtime->loops[runtime->loop_count++] = loop;
    segment_header(runtime)->loop_count = runtime->loop_count;
    *out = loop;
    return JZX_OK;
}

int jzx_runtime_os_error(const jzx_runtime *runtime)
{
    return runtime == NULL ? 0 : atomic_load_explicit(&runtime->os_error, memory_order_relaxed);
}

uint32_t jzx_runtime_loop_count(const jzx_runtime *runtime)
{
    return runtime == NULL ? 0 : runtime->loop_count;
}

jzx_loop *jzx_runtime_loop(jzx_runtime *runtime, uint32_t index)
{
    return runtime != NULL && index < runtime->loop_count ? runtime->loops[index] : NULL;
}

int jzx_runtime_segment_fd(const jzx_runtime *runtime)
{
    return runtime == NULL ? -1 : runtime->segment_fd;
}
