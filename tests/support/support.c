#include "tests/support/support.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- memory ---- */

/* Lies before each block; its size is rounded up to the block's alignment. */
typedef struct block_head {
    uint64_t magic;
    test_memory *memory;
    size_t size;
    size_t align;
} block_head;

static const uint64_t BLOCK_MAGIC = 0x6d656d6f72792121ull;

static size_t head_size(size_t align)
{
    return align > sizeof(block_head) ? align : sizeof(block_head);
}

static block_head *head_of(void *block)
{
    return (block_head *)((char *)block - sizeof(block_head));
}

static void note_peak(test_memory *memory, size_t live)
{
    size_t peak = atomic_load(&memory->peak);
    while (live > peak && !atomic_compare_exchange_weak(&memory->peak, &peak, live)) {
    }
}

static bool must_fail(test_memory *memory)
{
    uint64_t call = atomic_fetch_add(&memory->calls, 1) + 1;
    uint64_t at = atomic_load(&memory->fail_at);
    return at != 0 && (call == at || (memory->fail_after && call > at));
}

static void *counted_alloc(void *context, size_t size, size_t align)
{
    test_memory *memory = context;
    if (must_fail(memory)) {
        atomic_fetch_add(&memory->failed, 1);
        return NULL;
    }
    size_t head = head_size(align);
    size_t unit = align < sizeof(void *) ? sizeof(void *) : align;
    void *whole = NULL;
    if (posix_memalign(&whole, unit, head + size) != 0) {
        return NULL;
    }
    void *block = (char *)whole + head;
    *head_of(block) = (block_head){BLOCK_MAGIC, memory, size, align};
    memset(block, 0xA5, size); /* nobody may count on zeroes */
    atomic_fetch_add(&memory->blocks, 1);
    note_peak(memory, atomic_fetch_add(&memory->live, size) + size);
    return block;
}

static void counted_free(void *context, void *block, size_t size, size_t align)
{
    test_memory *memory = context;
    block_head *head = head_of(block);
    if (head->magic != BLOCK_MAGIC || head->memory != memory || head->size != size || head->align != align) {
        atomic_fetch_add(&memory->wrong, 1);
        return; /* kept, so that the balance shows it too */
    }
    head->magic = 0;
    atomic_fetch_sub(&memory->blocks, 1);
    atomic_fetch_sub(&memory->live, size);
    free((char *)block - head_size(align));
}

jzx_allocator test_memory_allocator(test_memory *memory)
{
    return (jzx_allocator){counted_alloc, counted_free, memory};
}

void test_memory_assert_empty(const test_memory *memory)
{
    cr_assert_eq(memory->wrong, 0, "%lu frees did not match", (unsigned long)memory->wrong);
    cr_assert_eq(memory->blocks, 0, "%lu blocks of %zu bytes in all are not given back", (unsigned long)memory->blocks,
                 memory->live);
    cr_assert_eq(memory->live, 0);
}

/* ---- the clock ---- */

/* The test programs are linked with --wrap=clock_gettime, so what the library reads is this one. */
int __real_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_clock_gettime(clockid_t id, struct timespec *now);

static uint64_t stepped_ns; /* what the clock shows; 0: what the machine's does */
static uint64_t step_ns;

int __wrap_clock_gettime(clockid_t id, struct timespec *now)
{
    if (stepped_ns == 0 || id != CLOCK_MONOTONIC) {
        return __real_clock_gettime(id, now);
    }
    stepped_ns++; /* no two readings are the same */
    *now = (struct timespec){(time_t)(stepped_ns / 1000000000u), (long)(stepped_ns % 1000000000u)};
    return 0;
}

static uint64_t in_ns(const struct timespec *time)
{
    return (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_nsec;
}

uint64_t test_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return in_ns(&now);
}

uint64_t test_machine_ns(void)
{
    struct timespec now;
    __real_clock_gettime(CLOCK_MONOTONIC, &now);
    return in_ns(&now);
}

void test_clock_steps(uint64_t ns)
{
    stepped_ns = test_now_ns();
    step_ns = ns;
}

void test_clock_pass(uint64_t ns)
{
    cr_assert_neq(stepped_ns, 0, "the machine's clock passes by itself");
    stepped_ns += ns;
}

/* ---- the process ---- */

static unsigned count_entries(const char *path)
{
    DIR *dir = opendir(path);
    cr_assert_not_null(dir);
    unsigned count = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        count += entry->d_name[0] != '.';
    }
    closedir(dir);
    return count;
}

unsigned test_fd_count(void)
{
    return count_entries("/proc/self/fd") - 1; /* that of the directory itself */
}

unsigned test_thread_count(void)
{
    return count_entries("/proc/self/task");
}

typedef struct call {
    void (*fn)(void *argument);
    void *argument;
} call;

static void *run_call(void *argument)
{
    const call *c = argument;
    c->fn(c->argument);
    return NULL;
}

void test_on_thread(void (*fn)(void *argument), void *argument)
{
    call c = {fn, argument};
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, run_call, &c), 0);
    pthread_join(thread, NULL);
}

/* ---- payloads by pointer ---- */

typedef struct payload {
    uint64_t number;
    uint64_t ended;
} payload;

static payload *payload_of(void *data)
{
    return (payload *)data - 1;
}

static uint64_t end_payload(test_ledger *ledger, void *data)
{
    payload *p = payload_of(data);
    if (__atomic_exchange_n(&p->ended, 1, __ATOMIC_RELAXED) != 0) {
        atomic_fetch_add(&ledger->twice, 1);
    }
    uint64_t number = p->number;
    free(p);
    return number;
}

static void drop_payload(void *context, void *data, size_t size)
{
    (void)size;
    test_ledger *ledger = context;
    uint64_t number = end_payload(ledger, data);
    uint64_t place = atomic_fetch_add(&ledger->dropped, 1);
    if (place < TEST_LEDGER_ORDER) {
        ledger->order[place] = number;
    }
}

jzx_message test_payload(test_ledger *ledger, uint32_t tag, size_t size)
{
    payload *p = malloc(sizeof *p + size);
    cr_assert_not_null(p);
    p->number = atomic_fetch_add(&ledger->made, 1);
    p->ended = 0;
    memset(p + 1, 0, size);
    memcpy(p + 1, &p->number, size < 8 ? size : 8);
    return jzx_message_pointer(tag, p + 1, size, drop_payload, ledger);
}

uint64_t test_payload_take(test_ledger *ledger, const jzx_message *message)
{
    atomic_fetch_add(&ledger->taken, 1);
    return end_payload(ledger, message->pointer.data);
}

uint64_t test_ledger_open(const test_ledger *ledger)
{
    return ledger->made - ledger->taken - ledger->dropped;
}

/* ---- a world ---- */

void test_config(jzx_config *config)
{
    jzx_config_init(config);
    config->actors_max = 1024;
    config->cells = 8192;
    config->lane_blocks = 4;
    config->inbox_size = 256;
    config->timers_max = 1024;
    config->monitors_max = 1024;
    config->links_max = 1024;
    config->resumes_max = 256;
    config->watches_max = 64;
    config->sockets_max = 64;
    config->names_max = 512;
    config->mailbox_cap = 256;
    config->ring_entries = 256;
    config->recv_buffers = 16;
    config->send_chunks = 64;
    /* However slow the machine: a turn ends by what is counted, and the blocks of a lane are not used up by halves. */
    config->turn_ns = 1000000000;
    config->flush_ns = JZX_FOREVER;
    config->seed = 1;
    config->oldest_kernel = getenv("JZX_TEST_OLDEST_KERNEL") != NULL;
}

void test_world_open(test_world *world, uint32_t loops, const jzx_config *config)
{
    memset(world, 0, sizeof *world);
    world->fds_before = test_fd_count();
    if (config != NULL) {
        world->config = *config;
    } else {
        test_config(&world->config);
    }
    for (unsigned i = 0; i < JZX_MEMORY_KINDS; i++) {
        world->config.allocators[i] = test_memory_allocator(&world->memory[i]);
    }
    world->config.loops_max = loops;
    jzx_err err = jzx_runtime_create(&world->config, &world->runtime);
    cr_assert_eq(err, JZX_OK, "no runtime: %s", jzx_strerror(err));
    for (uint32_t i = 0; i < loops; i++) {
        err = jzx_loop_create(world->runtime, NULL, &world->loops[i]);
        cr_assert_eq(err, JZX_OK, "no loop: %s", jzx_strerror(err));
    }
    world->loop_count = loops;
}

void test_world_start(test_world *world)
{
    cr_assert_eq(stepped_ns, 0, "loops with threads sleep by the machine's clock");
    world->started = true;
    for (uint32_t i = 0; i < world->loop_count; i++) {
        cr_assert_eq(jzx_loop_start(world->loops[i]), JZX_OK);
    }
}

void test_world_step(test_world *world)
{
    if (world->started) {
        sched_yield();
        return;
    }
    world->ran = true;
    if (stepped_ns != 0) {
        stepped_ns += step_ns;
    }
    for (uint32_t i = 0; i < world->loop_count; i++) {
        if (!world->closed[i]) {
            jzx_err err = jzx_loop_run_once(world->loops[i], 0);
            bool left = err == JZX_ERR_LOOP_CLOSED || (err == JZX_ERR_ESCALATED && world->may_escalate);
            cr_assert(err == JZX_OK || left, "run_once: %s", jzx_strerror(err));
            world->closed[i] = left;
            world->escalated += err == JZX_ERR_ESCALATED;
        }
    }
}

/* Moves when any loop does anything for an actor. */
static uint64_t activity(const test_world *world)
{
    return test_count(world, offsetof(jzx_counters, sent)) + test_count(world, offsetof(jzx_counters, handled)) +
           test_count(world, offsetof(jzx_counters, signals)) + test_count(world, offsetof(jzx_counters, spawned)) +
           test_count(world, offsetof(jzx_counters, ended)) + test_count(world, offsetof(jzx_counters, lane_sent)) +
           test_count(world, offsetof(jzx_counters, lane_received)) +
           test_count(world, offsetof(jzx_counters, yields)) + test_count(world, offsetof(jzx_counters, init_failed));
}

void test_world_settle(test_world *world)
{
    uint64_t deadline_ns = test_machine_ns() + TEST_PATIENCE_S * 1000000000ull;
    for (unsigned still = 0; still < 4;) {
        uint64_t before = activity(world);
        test_world_step(world);
        still = activity(world) == before ? still + 1 : 0;
        cr_assert_lt(test_machine_ns(), deadline_ns, "the world never comes to rest");
    }
}

static bool all_closed(const test_world *world)
{
    for (uint32_t i = 0; i < world->loop_count; i++) {
        if (!world->closed[i]) {
            return false;
        }
    }
    return true;
}

static void join_all(test_world *world)
{
    for (uint32_t i = 0; i < world->loop_count; i++) {
        jzx_err result = JZX_ERR_UNKNOWN;
        if (jzx_loop_join(world->loops[i], &result) == JZX_OK) {
            cr_assert_eq(result, JZX_OK, "the run of loop %u: %s", i, jzx_strerror(result));
        }
    }
}

void test_world_close(test_world *world)
{
    cr_assert_eq(jzx_runtime_request_stop(world->runtime), JZX_OK);
    if (world->started) {
        join_all(world);
    } else if (world->ran) {
        test_until(world, all_closed(world));
    }
    cr_assert_eq(jzx_runtime_destroy(world->runtime), JZX_OK);
    for (unsigned i = 0; i < JZX_MEMORY_KINDS; i++) {
        test_memory_assert_empty(&world->memory[i]);
    }
    unsigned fds = test_fd_count();
    cr_assert_eq(fds, world->fds_before, "%u descriptors before, %u after", world->fds_before, fds);
}

uint64_t test_count(const test_world *world, size_t offset)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < world->loop_count; i++) {
        jzx_counters counters;
        cr_assert_eq(jzx_loop_stats(world->loops[i], &counters), JZX_OK);
        uint64_t value;
        memcpy(&value, (const char *)&counters + offset, sizeof value);
        sum += value;
    }
    return sum;
}

/* ---- actors ---- */

typedef struct errand {
    test_do_fn fn;
    void *argument;
    _Atomic(bool) *done;
} errand;
_Static_assert(sizeof(errand) <= JZX_INLINE_MAX, "goes by value");

static jzx_err actor_init(jzx_context *context, void *argument, void **state)
{
    test_actor *actor = argument;
    *state = actor;
    actor->id = jzx_self(context);
    jzx_err err = actor->on_init != NULL ? actor->on_init(context, actor) : actor->init_result;
    atomic_fetch_add(&actor->inits, 1);
    return err;
}

static void actor_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    test_actor *actor = state;
    actor->exit = *info;
    if (actor->on_fini != NULL) {
        actor->on_fini(context, actor, info);
    }
    atomic_fetch_add(&actor->finis, 1);
}

static jzx_behavior_result run_errand(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    errand e;
    memcpy(&e, message->bytes, sizeof e);
    jzx_behavior_result result = e.fn(context, actor, e.argument);
    atomic_store(e.done, true);
    return result;
}

static jzx_behavior_result actor_behavior(jzx_context *context, void *state, const jzx_message *message)
{
    test_actor *actor = state;
    if (message->tag == TEST_TAG_DO) {
        return run_errand(context, actor, message);
    }
    uint32_t number = atomic_load(&actor->received);
    if (number < TEST_LOG) {
        actor->log[number] = *message;
    }
    bool owned = (message->flags & (JZX_MESSAGE_POINTER | JZX_MESSAGE_LENT)) == JZX_MESSAGE_POINTER;
    jzx_behavior_result result = actor->on != NULL ? actor->on(context, actor, message) : JZX_BEHAVIOR_OK;
    if (result == JZX_BEHAVIOR_YIELD) {
        atomic_fetch_add(&actor->yields, 1);
        return result;
    }
    if (result == JZX_BEHAVIOR_STASH) {
        return result; /* it comes again */
    }
    if (owned && actor->ledger != NULL && result != JZX_BEHAVIOR_UNHANDLED) {
        (void)test_payload_take(actor->ledger, message);
    }
    atomic_store(&actor->received, number + 1);
    return result;
}

void test_actor_options(test_actor *actor, jzx_spawn_options *options)
{
    jzx_spawn_options_init(options);
    options->behavior = actor_behavior;
    options->init = actor_init;
    options->fini = actor_fini;
    options->argument = actor;
}

void test_spawn_with(test_world *world, uint32_t loop, test_actor *actor, const jzx_spawn_options *options)
{
    jzx_actor_id id = 0;
    jzx_err err = jzx_spawn(jzx_loop_context(world->loops[loop]), options, &id);
    cr_assert_eq(err, JZX_OK, "no actor: %s", jzx_strerror(err));
    cr_assert_eq(id, actor->id);
    cr_assert_eq(jzx_actor_loop(id), loop);
}

void test_spawn(test_world *world, uint32_t loop, test_actor *actor)
{
    jzx_spawn_options options;
    test_actor_options(actor, &options);
    test_spawn_with(world, loop, actor, &options);
}

/* As the world runs: through the host's context, or as a foreign thread. */
static jzx_err send_from_test(test_world *world, jzx_actor_id to, const jzx_message *message)
{
    if (world->started) {
        return jzx_post(world->runtime, to, message);
    }
    return jzx_send(jzx_loop_context(world->loops[jzx_actor_loop(to)]), to, message);
}

void test_do(test_world *world, test_actor *actor, test_do_fn fn, void *argument)
{
    _Atomic(bool) done = false;
    errand e = {fn, argument, &done};
    jzx_message message = jzx_message_value(TEST_TAG_DO, &e, sizeof e);
    jzx_err err = send_from_test(world, actor->id, &message);
    cr_assert_eq(err, JZX_OK, "the errand was refused: %s", jzx_strerror(err));
    test_until(world, atomic_load(&done));
}

void test_send(test_world *world, const test_actor *actor, uint32_t tag)
{
    jzx_message message = jzx_message_empty(tag);
    jzx_err err = send_from_test(world, actor->id, &message);
    cr_assert_eq(err, JZX_OK, "tag %u was refused: %s", tag, jzx_strerror(err));
}

const jzx_message *test_tagged(const test_actor *actor, uint32_t tag, uint32_t nth)
{
    uint32_t logged = actor->received < TEST_LOG ? actor->received : TEST_LOG;
    for (uint32_t i = 0; i < logged; i++) {
        if (actor->log[i].tag == tag && nth-- == 0) {
            return &actor->log[i];
        }
    }
    return NULL;
}

uint32_t test_tags(const test_actor *actor, uint32_t tag)
{
    uint32_t count = 0;
    while (test_tagged(actor, tag, count) != NULL) {
        count++;
    }
    return count;
}

/* ---- observers ---- */

static void loop_start(void *user, jzx_context *context)
{
    (void)context;
    ((test_observer *)user)->loop_starts++;
}

static void loop_stop(void *user, jzx_context *context)
{
    (void)context;
    ((test_observer *)user)->loop_stops++;
}

static void actor_start(void *user, jzx_context *context, jzx_actor_id id, const char *name)
{
    (void)context;
    (void)id;
    test_observer *observer = user;
    observer->starts++;
    memcpy(observer->name, name, sizeof observer->name);
}

static void actor_stop(void *user, jzx_context *context, const jzx_exit_info *info, const char *name)
{
    (void)context;
    (void)name;
    test_observer *observer = user;
    observer->stops++;
    observer->exit = *info;
}

static void actor_init_failed(void *user, jzx_context *context, const jzx_exit_info *info, const char *name)
{
    (void)context;
    (void)name;
    test_observer *observer = user;
    observer->init_failures++;
    observer->exit = *info;
}

static void mailbox_full(void *user, jzx_context *context, jzx_actor_id target)
{
    (void)context;
    test_observer *observer = user;
    observer->fulls++;
    observer->full_target = target;
}

static void dead_letter(void *user, jzx_context *context, jzx_actor_id target, const jzx_message *message,
                        jzx_drop_reason reason)
{
    (void)context;
    test_observer *observer = user;
    observer->dead[reason]++;
    observer->dead_target = target;
    observer->dead_tag = message->tag;
}

static void slow_handler(void *user, jzx_context *context, const jzx_slow_handler *slow)
{
    (void)context;
    test_observer *observer = user;
    observer->slow++;
    observer->slow_tag = slow->tag;
    observer->slow_ns = slow->took_ns;
}

void test_observe(test_world *world, uint32_t loop, test_observer *observer)
{
    const jzx_observer functions = {
        .struct_size = sizeof functions,
        .loop_start = loop_start,
        .loop_stop = loop_stop,
        .actor_start = actor_start,
        .actor_stop = actor_stop,
        .actor_init_failed = actor_init_failed,
        .mailbox_full = mailbox_full,
        .dead_letter = dead_letter,
        .slow_handler = slow_handler,
    };
    cr_assert_eq(jzx_observer_add(world->loops[loop], &functions, observer), JZX_OK);
}
