/*
 * config_test: what a configuration may hold, what it costs at most, and that each of its fields changes something.
 *
 * White-box only where a knob shows inside alone: what has left a lane in mid-turn, what the ring allows.
 */
#include "sched/loop.h"
#include "tests/support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- ranges ---- */

typedef struct field {
    const char *name;
    size_t offset;
    uint64_t least; /* accepted; one less is refused, unless `least` is 0 */
    uint64_t most;  /* accepted; one more is refused, unless it is the type's own maximum */
    bool power_of_two;
    bool wide; /* 64 bits */
} field;

#define FIELD(name, least, most)                                                                  \
    {                                                                                             \
#name, offsetof(jzx_config, name), least, most, false, sizeof((jzx_config *)0)->name == 8 \
    }
#define POWER(name, least, most)                                    \
    {                                                               \
#name, offsetof(jzx_config, name), least, most, true, false \
    }

static const field fields[] = {
    FIELD(loops_max, 1, JZX_LOOPS_MAX),
    FIELD(actors_max, 1, 16000000),
    FIELD(cells, 65536, 16777215), /* its own least is 256; here it is what the lanes and the inbox ask for */
    FIELD(lane_blocks, 2, 4096),
    POWER(inbox_size, 4, 65536),
    FIELD(posters_max, 1, 65536),
    FIELD(timers_max, 1, 1u << 23),
    FIELD(monitors_max, 1, 1u << 23),
    FIELD(resumes_max, 1, 1u << 23),
    FIELD(watches_max, 1, 1u << 23),
    FIELD(sockets_max, 1, 1u << 23),
    FIELD(observers_max, 1, 1024),
    FIELD(mailbox_cap, 1, 16777215 / 8),
    FIELD(mailbox_bytes, 32, UINT32_MAX),
    FIELD(messages_per_actor, 1, 65535),
    FIELD(actors_per_turn, 1, UINT32_MAX),
    FIELD(turn_ns, 1000, UINT64_MAX),
    FIELD(flush_ns, 0, UINT64_MAX),
    FIELD(linger_ns, 0, UINT64_MAX),
    FIELD(slow_handler_ns, 0, UINT64_MAX),
    POWER(ring_entries, 8, 32768),
    POWER(recv_buffers, 2, 32768),
    FIELD(recv_buffer_size, 512, 1u << 20),
    FIELD(send_chunks, 1, 1u << 20),
    FIELD(send_chunk_size, 512, 1u << 20),
    FIELD(names_max, 1, 1u << 23),
    FIELD(links_max, 1, 1u << 23),
    FIELD(children_max, 1, 1u << 23),
    FIELD(annexes_max, 1, 1u << 23),
    FIELD(asks_max, 1, 4096),
    FIELD(shield_max_ns, 0, UINT64_MAX),
    FIELD(spaces_max, 1, JZX_SPACES_MAX),
    FIELD(group_watches_max, 1, 1u << 23),
    FIELD(deliveries_per_turn, 1, UINT32_MAX),
    FIELD(flows_max, 1, 1u << 23),
};

enum { FIELDS = sizeof fields / sizeof fields[0] };

static void set_field(jzx_config *config, const field *f, uint64_t value)
{
    uint32_t narrow = (uint32_t)value;
    memcpy((char *)config + f->offset, f->wide ? (void *)&value : (void *)&narrow, f->wide ? 8 : 4);
}

/* Wide enough that each field may go to its ends alone. */
static void roomy(jzx_config *config)
{
    jzx_config_init(config);
    config->cells = 16777215;
    config->lane_blocks = 2;
}

static jzx_err check(const jzx_config *config)
{
    jzx_footprint footprint = {.struct_size = sizeof footprint};
    return jzx_config_footprint(config, &footprint);
}

static jzx_err check_field(const field *f, uint64_t value)
{
    jzx_config config;
    roomy(&config);
    set_field(&config, f, value);
    return check(&config);
}

Test(config, M03_every_field_is_accepted_at_its_ends, .timeout = 60)
{
    for (unsigned i = 0; i < FIELDS; i++) {
        cr_expect_eq(check_field(&fields[i], fields[i].least), JZX_OK, "%s at its least", fields[i].name);
        cr_expect_eq(check_field(&fields[i], fields[i].most), JZX_OK, "%s at its most", fields[i].name);
    }
}

Test(config, M03_every_field_is_refused_past_its_ends, .timeout = 60)
{
    for (unsigned i = 0; i < FIELDS; i++) {
        const field *f = &fields[i];
        uint64_t type_max = f->wide ? UINT64_MAX : UINT32_MAX;
        bool own_least = f->offset != offsetof(jzx_config, cells) && f->offset != offsetof(jzx_config, lane_blocks);
        if (f->least > 0 && own_least) {
            cr_expect_eq(check_field(f, f->least - 1), JZX_ERR_INVALID_ARG, "%s under its least", f->name);
            cr_expect_eq(check_field(f, 0), JZX_ERR_INVALID_ARG, "%s of 0", f->name);
        }
        if (f->most < type_max) {
            cr_expect_eq(check_field(f, f->most + 1), JZX_ERR_INVALID_ARG, "%s over its most", f->name);
            cr_expect_eq(check_field(f, type_max), JZX_ERR_INVALID_ARG, "%s of all ones", f->name);
        }
        if (f->power_of_two) {
            cr_expect_eq(check_field(f, f->least * 3), JZX_ERR_INVALID_ARG, "%s no power of two", f->name);
        }
    }
}

Test(config, lane_blocks_of_0_is_the_default_and_1_is_refused, .timeout = 60)
{
    jzx_config config;
    jzx_config_init(&config);
    config.lane_blocks = 0;
    cr_assert_eq(check(&config), JZX_OK);
    config.lane_blocks = 1;
    cr_assert_eq(check(&config), JZX_ERR_INVALID_ARG);
}

Test(config, cells_too_few_for_the_lanes_are_refused, .timeout = 60)
{
    jzx_config config;
    jzx_config_init(&config);
    config.loops_max = 1;
    config.inbox_size = 4;
    config.mailbox_cap = 1;
    config.cells = 256;
    cr_assert_eq(check(&config), JZX_OK);
    config.cells = 255;
    cr_assert_eq(check(&config), JZX_ERR_INVALID_ARG);

    config.loops_max = 8;
    config.cells = 4096; /* seven lanes of 36 blocks alone may bring more */
    cr_assert_eq(check(&config), JZX_ERR_INVALID_ARG);
    jzx_runtime *runtime = (jzx_runtime *)&config;
    cr_assert_eq(jzx_runtime_create(&config, &runtime), JZX_ERR_INVALID_ARG);
    cr_assert_eq(runtime, (jzx_runtime *)&config, "an out parameter changes on success only");
}

Test(config, D11_the_largest_of_everything_is_refused_or_has_a_sum, .timeout = 60)
{
    jzx_config config;
    roomy(&config);
    for (unsigned i = 0; i < FIELDS; i++) {
        set_field(&config, &fields[i], fields[i].most);
    }
    config.mailbox_cap = config.cells / 8;
    cr_assert_eq(check(&config), JZX_ERR_INVALID_ARG, "254 lanes of 4,096 blocks bring more than any pool holds");
    config.loops_max = 2;
    jzx_footprint footprint = {.struct_size = sizeof footprint};
    cr_assert_eq(jzx_config_footprint(&config, &footprint), JZX_OK);
    /* Two pools of 16,777,215 cells of 64 bytes, and two segments of 16,000,000 slots of 96 are among it. */
    cr_assert_gt(footprint.metadata, 2u * 16777215u * 64ul);
    cr_assert_gt(footprint.segment, 2u * 16000000u * sizeof(jzx_segment_slot));
    cr_assert_geq(footprint.buffers, 2u * (32768ul + (1ul << 20)) * (1ul << 20));
}

Test(config, D03_half_an_allocator_is_refused, .timeout = 60)
{
    test_memory memory = {0};
    for (unsigned i = 0; i < JZX_MEMORY_KINDS; i++) {
        jzx_config config;
        jzx_config_init(&config);
        config.allocators[i] = test_memory_allocator(&memory);
        cr_expect_eq(check(&config), JZX_OK);
        config.allocators[i].free = NULL;
        cr_expect_eq(check(&config), JZX_ERR_INVALID_ARG);
        config.allocators[i] = test_memory_allocator(&memory);
        config.allocators[i].alloc = NULL;
        cr_expect_eq(check(&config), JZX_ERR_INVALID_ARG);
        jzx_runtime *runtime = NULL;
        cr_expect_eq(jzx_runtime_create(&config, &runtime), JZX_ERR_INVALID_ARG);
        cr_expect_null(runtime);
    }
    cr_assert_eq(memory.calls, 0, "nothing may be asked for before all is checked");
}

Test(config, D75_a_struct_of_another_size_is_refused, .timeout = 60)
{
    jzx_config config;
    jzx_config_init(&config);
    cr_assert_eq(config.struct_size, sizeof config);
    config.struct_size = sizeof config - 8;
    cr_assert_eq(check(&config), JZX_ERR_INVALID_ARG);
    config.struct_size = 0;
    cr_assert_eq(check(&config), JZX_ERR_INVALID_ARG);
}

Test(config, init_gives_the_documented_numbers, .timeout = 60)
{
    jzx_config config;
    memset(&config, 0x77, sizeof config);
    jzx_config_init(&config);
    cr_expect_eq(config.loops_max, 2);
    cr_expect_eq(config.actors_max, 65536);
    cr_expect_eq(config.cells, 65536);
    cr_expect_eq(config.inbox_size, 1024);
    cr_expect_eq(config.posters_max, 16);
    cr_expect_eq(config.timers_max, 65536);
    cr_expect_eq(config.monitors_max, 65536);
    cr_expect_eq(config.links_max, 65536);
    cr_expect_eq(config.children_max, 65536);
    cr_expect_eq(config.annexes_max, 16384);
    cr_expect_eq(config.asks_max, 64);
    cr_expect_eq(config.spaces_max, 16);
    cr_expect_eq(config.group_watches_max, 64);
    cr_expect_eq(config.deliveries_per_turn, 1024);
    cr_expect_eq(config.flows_max, 16384);
    cr_expect_eq(config.resumes_max, 4096);
    cr_expect_eq(config.watches_max, 1024);
    cr_expect_eq(config.sockets_max, 16384);
    cr_expect_eq(config.observers_max, 4);
    cr_expect_eq(config.names_max, 4096);
    cr_expect_eq(config.mailbox_cap, 1024);
    cr_expect_eq(config.mailbox_bytes, 1u << 30);
    cr_expect_eq(config.messages_per_actor, 64);
    cr_expect_eq(config.actors_per_turn, 1024);
    cr_expect_eq(config.turn_ns, 50000);
    cr_expect_eq(config.flush_ns, 20000);
    cr_expect_eq(config.linger_ns, 0);
    cr_expect_eq(config.slow_handler_ns, 10000000);
    cr_expect_eq(config.shield_max_ns, 5000000000);
    cr_expect_not(config.measure_handlers);
    cr_expect_not(config.exit_when_idle);
    cr_expect(config.restrict_ring);
    cr_expect_not(config.oldest_kernel);
    cr_expect_eq(config.ring_entries, 1024);
    cr_expect_eq(config.recv_buffers, 256);
    cr_expect_eq(config.recv_buffer_size, 16384);
    cr_expect_eq(config.send_chunks, 4096);
    cr_expect_eq(config.send_chunk_size, 4096);
    cr_expect_eq(config.seed, 0);
    cr_expect_null(config.segment_path);
    cr_expect_null(config.allocators[0].alloc);
}

Test(config, init_ignores_null, .timeout = 60)
{
    jzx_config_init(NULL);
    jzx_loop_config_init(NULL, NULL);
    jzx_spawn_options_init(NULL);
    jzx_config config;
    jzx_config_init(&config);
    config.linger_ns = 5;
    jzx_loop_config loop;
    jzx_loop_config_init(&config, &loop);
    cr_assert_eq(loop.linger_ns, 5);
    cr_assert_eq(loop.cpu, JZX_CPU_ANY);
    cr_assert_eq(loop.struct_size, sizeof loop);
    jzx_loop_config_init(NULL, &loop);
    cr_assert_eq(loop.linger_ns, 0);
}

Test(config, footprint_refuses_what_it_cannot_read, .timeout = 60)
{
    jzx_config config;
    jzx_config_init(&config);
    jzx_footprint footprint = {.struct_size = sizeof footprint, .metadata = 7};
    cr_assert_eq(jzx_config_footprint(NULL, &footprint), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_config_footprint(&config, NULL), JZX_ERR_INVALID_ARG);
    footprint.struct_size = 8;
    cr_assert_eq(jzx_config_footprint(&config, &footprint), JZX_ERR_INVALID_ARG);
    footprint.struct_size = sizeof footprint;
    config.cells = 0;
    cr_assert_eq(jzx_config_footprint(&config, &footprint), JZX_ERR_INVALID_ARG);
    cr_assert_eq(footprint.metadata, 7, "out parameters are written on success only");
}

/* ---- the footprint is an upper bound ---- */

/* Bytes that this process maps of files whose name holds `part`. */
static size_t mapped(const char *part)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    cr_assert_not_null(maps);
    char line[512];
    size_t sum = 0;
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long from;
        unsigned long to;
        if (strstr(line, part) != NULL && sscanf(line, "%lx-%lx", &from, &to) == 2) {
            sum += to - from;
        }
    }
    fclose(maps);
    return sum;
}

/* Spawned in numbers; each takes a timer and a monitor. */
static jzx_err take_things(jzx_context *context, test_actor *actor)
{
    (void)actor;
    jzx_message message = jzx_message_empty(1);
    uint64_t monitor;
    (void)jzx_timer_after(context, JZX_FOREVER, &message, NULL);
    (void)jzx_monitor(context, jzx_self(context), &monitor);
    return JZX_OK;
}

static jzx_behavior_result take_sockets(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    uint32_t *taken = argument;
    jzx_tcp_options options;
    jzx_tcp_options_init(&options);
    jzx_socket_id socket;
    while (jzx_tcp_listen(context, &options, &socket) == JZX_OK) {
        taken[0]++;
    }
    jzx_watch_id watch;
    while (jzx_watch(context, STDOUT_FILENO, JZX_IO_PRIORITY, &watch) == JZX_OK) {
        taken[1]++;
    }
    return JZX_BEHAVIOR_OK;
}

/* Mail to the limits of the pool and of the lane. */
static jzx_behavior_result flood(jzx_context *context, test_actor *actor, void *argument)
{
    const test_actor *actors = argument;
    jzx_message message = jzx_message_empty(2);
    (void)actor;
    for (unsigned i = 0; i < 2; i++) {
        while (jzx_send(context, actors[i].id, &message) == JZX_OK) {
        }
        (void)jzx_resume(context, actors[i].id);
    }
    return JZX_BEHAVIOR_OK;
}

static void fill_with_actors(test_world *world, test_actor *crowd)
{
    jzx_spawn_options options;
    crowd->on_init = take_things;
    test_actor_options(crowd, &options);
    for (uint32_t i = 0; i < world->loop_count; i++) {
        while (jzx_spawn(jzx_loop_context(world->loops[i]), &options, NULL) == JZX_OK) {
        }
    }
}

/* Half of them on each loop, as far as there is room. */
static uint32_t fill_with_names(test_world *world, const test_actor *actors)
{
    uint32_t count = 0;
    for (char name[] = "0000000"; count < UINT32_MAX; count++) {
        for (uint32_t i = 0, digits = count; digits > 0; digits /= 10) {
            name[i++] = (char)('0' + digits % 10);
        }
        if (jzx_register(jzx_loop_context(world->loops[count % 2]), name, actors[count % 2].id) != JZX_OK) {
            break;
        }
    }
    return count;
}

Test(config, P15_the_footprint_bounds_a_runtime_that_uses_all_it_may, .timeout = 120)
{
    jzx_config config;
    test_config(&config);
    config.mailbox_cap = 1024;
    config.posters_max = 3;
    test_world world;
    test_world_open(&world, 2, &config);
    config.loops_max = 2;
    jzx_footprint footprint = {.struct_size = sizeof footprint};
    cr_assert_eq(jzx_config_footprint(&config, &footprint), JZX_OK);

    test_actor actors[2] = {0};
    test_spawn(&world, 0, &actors[0]);
    test_spawn(&world, 1, &actors[1]);
    static test_actor crowd;
    fill_with_actors(&world, &crowd);
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, spawned)), 2 * config.actors_max);
    cr_assert_eq(fill_with_names(&world, actors), config.names_max);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t taken[2] = {0};
        test_do(&world, &actors[i], take_sockets, taken);
        cr_assert_eq(taken[0], config.sockets_max);
        cr_assert_eq(taken[1], config.watches_max);
        test_do(&world, &actors[i], flood, actors);
    }
    test_world_settle(&world);

    cr_assert_leq(world.memory[JZX_MEMORY_METADATA].peak, footprint.metadata);
    cr_assert_leq(world.memory[JZX_MEMORY_BUFFER].peak, footprint.buffers);
    cr_assert_gt(world.memory[JZX_MEMORY_BUFFER].peak, 0);
    cr_assert_leq(mapped("[io_uring]"), footprint.rings);
    cr_assert_gt(mapped("[io_uring]"), 0);
    struct stat segment;
    cr_assert_eq(fstat(jzx_runtime_segment_fd(world.runtime), &segment), 0);
    cr_assert_eq((size_t)segment.st_size, footprint.segment);
    test_world_close(&world);
}

static void make_posters(void *argument)
{
    test_world *world = argument;
    jzx_poster *poster;
    for (uint32_t i = 0; i < world->config.posters_max; i++) {
        cr_assert_eq(jzx_poster_create(world->runtime, 65536, &poster), JZX_OK);
    }
}

Test(config, P15_the_footprint_holds_the_posters_at_their_largest, .timeout = 120)
{
    jzx_config config;
    test_config(&config);
    config.posters_max = 4;
    test_world world;
    test_world_open(&world, 2, &config);
    config.loops_max = 2;
    jzx_footprint footprint = {.struct_size = sizeof footprint};
    cr_assert_eq(jzx_config_footprint(&config, &footprint), JZX_OK);
    make_posters(&world);
    cr_assert_leq(world.memory[JZX_MEMORY_METADATA].peak, footprint.metadata);
    cr_assert_gt(world.memory[JZX_MEMORY_METADATA].peak, 4u * 2u * 65536u * 64u);
    test_world_close(&world);
}

/* ---- D73: each knob is observed ---- */

Test(config, D73_loops_max, .timeout = 60)
{
    for (uint32_t loops = 1; loops <= 3; loops++) {
        test_world world;
        test_world_open(&world, loops, NULL);
        jzx_loop *loop = NULL;
        cr_assert_eq(jzx_loop_create(world.runtime, NULL, &loop), JZX_ERR_MAX_LOOPS);
        cr_assert_null(loop);
        cr_assert_eq(jzx_runtime_loop_count(world.runtime), loops);
        test_world_close(&world);
    }
}

Test(config, D73_actors_max, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.actors_max = 3;
    test_world world;
    test_world_open(&world, 1, &config);
    test_actor actors[4] = {0};
    for (unsigned i = 0; i < 3; i++) {
        test_spawn(&world, 0, &actors[i]);
    }
    jzx_spawn_options options;
    test_actor_options(&actors[3], &options);
    jzx_actor_id id = 7;
    cr_assert_eq(jzx_spawn(jzx_loop_context(world.loops[0]), &options, &id), JZX_ERR_MAX_ACTORS);
    cr_assert_eq(id, 7);
    cr_assert_eq(actors[3].inits, 0);
    test_world_close(&world);
}

/* Sends until refused; how many were accepted. */
static uint32_t send_until(jzx_context *context, jzx_actor_id to, jzx_err *refusal)
{
    jzx_message message = jzx_message_empty(1);
    uint32_t accepted = 0;
    while ((*refusal = jzx_send(context, to, &message)) == JZX_OK) {
        accepted++;
    }
    return accepted;
}

static uint32_t cells_until_refused(uint32_t cells)
{
    jzx_config config;
    test_config(&config);
    config.cells = cells;
    config.mailbox_cap = cells / 8;
    test_world world;
    test_world_open(&world, 1, &config);
    test_actor actors[9] = {0};
    uint32_t accepted = 0;
    jzx_err refusal = JZX_OK;
    for (unsigned i = 0; i < 9; i++) {
        test_spawn(&world, 0, &actors[i]);
        accepted += send_until(jzx_loop_context(world.loops[0]), actors[i].id, &refusal);
    }
    cr_assert_eq(refusal, JZX_ERR_WOULD_BLOCK);
    test_world_close(&world);
    return accepted;
}

Test(config, D73_cells, .timeout = 60)
{
    uint32_t few = cells_until_refused(2048);
    cr_assert_leq(few, 2048 - 256, "those for the inbox are kept");
    cr_assert_eq(cells_until_refused(4096), few + 2048);
}

static uint32_t lane_until_refused(uint32_t blocks)
{
    jzx_config config;
    test_config(&config);
    config.cells = 65536;
    config.mailbox_cap = 8192;
    config.lane_blocks = blocks;
    test_world world;
    test_world_open(&world, 2, &config);
    test_actor actor = {0};
    test_spawn(&world, 1, &actor);
    jzx_err refusal;
    uint32_t accepted = send_until(jzx_loop_context(world.loops[0]), actor.id, &refusal);
    cr_assert_eq(refusal, JZX_ERR_WOULD_BLOCK);
    test_until(&world, actor.received == accepted);
    test_world_close(&world);
    return accepted;
}

Test(config, D73_lane_blocks, .timeout = 60)
{
    uint32_t two = lane_until_refused(2);
    cr_assert_geq(two, 2 * 63);
    cr_assert_eq(lane_until_refused(10), two + 8 * 63);
}

typedef struct poster_job {
    test_world *world;
    jzx_actor_id to;
    uint32_t accepted;
    jzx_err refusal;
} poster_job;

static void post_until(void *argument)
{
    poster_job *job = argument;
    jzx_message message = jzx_message_empty(1);
    while ((job->refusal = jzx_post(job->world->runtime, job->to, &message)) == JZX_OK) {
        job->accepted++;
    }
}

Test(config, D73_inbox_size, .timeout = 60)
{
    for (uint32_t size = 4; size <= 64; size *= 4) { /* one place of a ring stays free */
        jzx_config config;
        test_config(&config);
        config.inbox_size = size;
        test_world world;
        test_world_open(&world, 1, &config);
        test_actor actor = {0};
        test_spawn(&world, 0, &actor);
        poster_job job = {&world, actor.id, 0, JZX_OK};
        test_on_thread(post_until, &job);
        cr_assert_eq(job.refusal, JZX_ERR_WOULD_BLOCK);
        cr_assert_eq(job.accepted, size - 1, "%u in an inbox of %u", job.accepted, size);
        test_until(&world, actor.received == size - 1);
        test_world_close(&world);
    }
}

Test(config, D73_posters_max, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.posters_max = 2;
    test_world world;
    test_world_open(&world, 1, &config);
    jzx_poster *poster = NULL;
    cr_assert_eq(jzx_poster_create(world.runtime, 4, &poster), JZX_OK);
    cr_assert_eq(jzx_poster_create(world.runtime, 4, &poster), JZX_OK);
    jzx_poster *last = poster;
    cr_assert_eq(jzx_poster_create(world.runtime, 4, &poster), JZX_ERR_LIMIT);
    cr_assert_eq(poster, last);
    test_world_close(&world);
}

/* How many of each kind an actor gets before a refusal, and which. */
typedef struct greed {
    uint32_t timers, monitors, resumes, watches, sockets;
    jzx_err timer, monitor, resume, watch, socket;
    jzx_actor_id full; /* an actor whose mailbox is full */
} greed;

static jzx_behavior_result grab(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    greed *g = argument;
    jzx_message message = jzx_message_empty(1);
    uint64_t number;
    while ((g->timer = jzx_timer_after(context, JZX_FOREVER, &message, NULL)) == JZX_OK) {
        g->timers++;
    }
    while ((g->monitor = jzx_monitor(context, jzx_self(context), &number)) == JZX_OK) {
        g->monitors++;
    }
    while ((g->watch = jzx_watch(context, STDOUT_FILENO, JZX_IO_PRIORITY, &number)) == JZX_OK) {
        g->watches++;
    }
    jzx_tcp_options options;
    jzx_tcp_options_init(&options);
    while ((g->socket = jzx_tcp_listen(context, &options, &number)) == JZX_OK) {
        g->sockets++;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result ask_resumes(jzx_context *context, test_actor *actor, void *argument)
{
    greed *g = argument;
    test_actor *full = actor->data;
    jzx_message message = jzx_message_empty(1);
    for (unsigned i = 0; g->resume == JZX_OK && i < 8; i++) {
        cr_assert_eq(jzx_send(context, full[i].id, &message), JZX_OK);
        cr_assert_eq(jzx_send(context, full[i].id, &message), JZX_ERR_MAILBOX_FULL);
        g->resume = jzx_resume(context, full[i].id);
        g->resumes += g->resume == JZX_OK;
    }
    return JZX_BEHAVIOR_OK;
}

Test(config, D73_timers_monitors_resumes_watches_and_sockets_max, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.timers_max = 3;
    config.monitors_max = 4;
    config.resumes_max = 5;
    config.watches_max = 6;
    config.sockets_max = 7;
    test_world world;
    test_world_open(&world, 1, &config);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    test_actor full[8] = {0};
    for (unsigned i = 0; i < 8; i++) {
        jzx_spawn_options options;
        test_actor_options(&full[i], &options);
        options.mailbox_cap = 1;
        test_spawn_with(&world, 0, &full[i], &options);
    }
    actor.data = full;
    greed g = {0};
    test_do(&world, &actor, ask_resumes, &g);
    test_do(&world, &actor, grab, &g);
    cr_expect_eq(g.timers, 3);
    cr_expect_eq(g.timer, JZX_ERR_LIMIT);
    cr_expect_eq(g.monitors, 4);
    cr_expect_eq(g.monitor, JZX_ERR_LIMIT);
    cr_expect_eq(g.resumes, 5);
    cr_expect_eq(g.resume, JZX_ERR_LIMIT);
    cr_expect_eq(g.watches, 6);
    cr_expect_eq(g.watch, JZX_ERR_LIMIT);
    cr_expect_eq(g.sockets, 7);
    cr_expect_eq(g.socket, JZX_ERR_LIMIT);
    test_world_close(&world);
}

Test(config, D73_observers_max, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.observers_max = 2;
    test_world world;
    test_world_open(&world, 1, &config);
    const jzx_observer nothing = {.struct_size = sizeof nothing};
    cr_assert_eq(jzx_observer_add(world.loops[0], &nothing, NULL), JZX_OK);
    cr_assert_eq(jzx_observer_add(world.loops[0], &nothing, NULL), JZX_OK);
    cr_assert_eq(jzx_observer_add(world.loops[0], &nothing, NULL), JZX_ERR_LIMIT);
    test_world_close(&world);
}

Test(config, D73_names_max, .timeout = 60)
{
    for (uint32_t max = 1; max <= 300; max = max * 3 + 1) {
        jzx_config config;
        test_config(&config);
        config.names_max = max;
        test_world world;
        test_world_open(&world, 2, &config);
        test_actor actors[2] = {0};
        test_spawn(&world, 0, &actors[0]);
        test_spawn(&world, 1, &actors[1]);
        cr_assert_eq(fill_with_names(&world, actors), max);
        cr_assert_eq(jzx_register(jzx_loop_context(world.loops[0]), "more", actors[0].id), JZX_ERR_LIMIT);
        test_world_close(&world);
    }
}

Test(config, D73_mailbox_cap_and_bytes, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.mailbox_cap = 5;
    config.mailbox_bytes = 1000;
    test_world world;
    test_world_open(&world, 1, &config);
    test_ledger ledger = {0};
    test_actor actors[2] = {{.ledger = &ledger}, {.ledger = &ledger}};
    test_spawn(&world, 0, &actors[0]);
    test_spawn(&world, 0, &actors[1]);
    jzx_context *host = jzx_loop_context(world.loops[0]);
    jzx_err refusal;
    cr_assert_eq(send_until(host, actors[0].id, &refusal), 5);
    cr_assert_eq(refusal, JZX_ERR_MAILBOX_FULL);
    jzx_message message = test_payload(&ledger, 1, 600);
    cr_assert_eq(jzx_send(host, actors[1].id, &message), JZX_OK);
    message = test_payload(&ledger, 1, 600);
    cr_assert_eq(jzx_send(host, actors[1].id, &message), JZX_ERR_MAILBOX_FULL);
    test_payload_take(&ledger, &message);
    test_world_close(&world);
    cr_assert_eq(test_ledger_open(&ledger), 0);
}

typedef struct order {
    char text[64];
    size_t length;
} order;

static jzx_behavior_result sign(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    order *o = actor->data;
    o->text[o->length++] = (char)message->tag;
    return JZX_BEHAVIOR_OK;
}

static void run_two(const jzx_config *config, uint16_t own, order *o)
{
    test_world world;
    test_world_open(&world, 1, config);
    test_actor actors[2] = {{.on = sign, .data = o}, {.on = sign, .data = o}};
    for (unsigned i = 0; i < 2; i++) {
        jzx_spawn_options options;
        test_actor_options(&actors[i], &options);
        options.messages_per_turn = own;
        test_spawn_with(&world, 0, &actors[i], &options);
    }
    for (unsigned i = 0; i < 6; i++) {
        test_send(&world, &actors[0], 'a');
        test_send(&world, &actors[1], 'b');
    }
    test_until(&world, o->length == 12);
    test_world_close(&world);
}

Test(config, D73_messages_per_actor_and_the_actors_own, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.turn_ns = 10000000000;
    config.messages_per_actor = 1;
    order one = {0};
    run_two(&config, 0, &one);
    cr_assert_str_eq(one.text, "abababababab");
    config.messages_per_actor = 4;
    order four = {0};
    run_two(&config, 0, &four);
    cr_assert_str_eq(four.text, "aaaabbbbaabb");
    order own = {0};
    run_two(&config, 3, &own);
    cr_assert_str_eq(own.text, "aaabbbaaabbb");
}

Test(config, D73_actors_per_turn, .timeout = 60)
{
    for (uint32_t per_turn = 1; per_turn <= 4; per_turn *= 2) {
        jzx_config config;
        test_config(&config);
        config.turn_ns = 10000000000;
        config.actors_per_turn = per_turn;
        test_world world;
        test_world_open(&world, 1, &config);
        test_actor actors[8] = {0};
        for (unsigned i = 0; i < 8; i++) {
            test_spawn(&world, 0, &actors[i]);
            test_send(&world, &actors[i], 1);
        }
        test_world_step(&world);
        uint32_t ran = 0;
        for (unsigned i = 0; i < 8; i++) {
            ran += actors[i].received;
        }
        cr_assert_eq(ran, per_turn);
        test_world_close(&world);
    }
}

static jzx_behavior_result spend_100_us(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)actor;
    (void)message;
    uint64_t until = jzx_clock_ns(context) + 100000;
    while (jzx_clock_ns(context) < until) {
    }
    return JZX_BEHAVIOR_OK;
}

static uint32_t handled_in_a_turn(uint64_t turn_ns)
{
    jzx_config config;
    test_config(&config);
    config.turn_ns = turn_ns;
    test_world world;
    test_world_open(&world, 1, &config);
    test_actor actor = {.on = spend_100_us};
    test_spawn(&world, 0, &actor);
    for (unsigned i = 0; i < 40; i++) {
        test_send(&world, &actor, 1);
    }
    test_world_step(&world);
    uint32_t handled = actor.received;
    test_world_close(&world);
    return handled;
}

Test(config, D73_turn_ns, .timeout = 60)
{
    uint32_t handled = handled_in_a_turn(1000);
    cr_assert_leq(handled, 8, "looked at every 8 messages, but %u were handled", handled);
    cr_assert_geq(handled, 1);
    cr_assert_eq(handled_in_a_turn(10000000000), 40);
}

/* The first message sends to the other loop, the second waits, the last looks at what has left. */
static jzx_behavior_result send_wait_look(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    jzx_message out = jzx_message_empty(9);
    if (message->tag == 0) {
        cr_assert_eq(jzx_send(context, *(jzx_actor_id *)actor->data, &out), JZX_OK);
    } else if (message->tag == 20) {
        *(uint64_t *)actor->data = jzx_context_loop(context)->lanes_out[1]->cells_published;
    } else {
        spend_100_us(context, actor, message);
    }
    return JZX_BEHAVIOR_OK;
}

static uint64_t left_in_mid_turn(uint64_t flush_ns)
{
    jzx_config config;
    test_config(&config);
    config.turn_ns = 10000000000;
    config.flush_ns = flush_ns;
    test_world world;
    test_world_open(&world, 2, &config);
    test_actor far = {0};
    test_spawn(&world, 1, &far);
    uint64_t word = far.id;
    test_actor actor = {.on = send_wait_look, .data = &word};
    test_spawn(&world, 0, &actor);
    for (uint32_t i = 0; i <= 20; i++) {
        test_send(&world, &actor, i);
    }
    test_until(&world, far.received == 1);
    test_world_close(&world);
    return word;
}

Test(config, D73_flush_ns, .timeout = 60)
{
    cr_assert_eq(left_in_mid_turn(20000), 1);
    cr_assert_eq(left_in_mid_turn(10000000000), 0);
}

static uint64_t parks_in_5_ms(uint64_t linger_ns)
{
    jzx_config config;
    test_config(&config);
    config.linger_ns = linger_ns;
    test_world world;
    test_world_open(&world, 1, &config);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    world.ran = true;
    uint64_t began = test_now_ns();
    cr_assert_eq(jzx_loop_run_once(world.loops[0], 5000000), JZX_OK);
    cr_assert_geq(test_now_ns() - began, 5000000, "nothing was there to wake up for");
    uint64_t parks = test_count(&world, offsetof(jzx_counters, parks));
    test_world_close(&world);
    return parks;
}

Test(config, D73_linger_ns, .timeout = 60)
{
    cr_assert_eq(parks_in_5_ms(0), 1);
    cr_assert_eq(parks_in_5_ms(JZX_FOREVER), 0);
    /* One that lingers 1 ms parks for the rest, unless this thread is kept from running for so long just then. */
    uint64_t parks = 0;
    for (unsigned i = 0; i < 50 && parks == 0; i++) {
        parks = parks_in_5_ms(1000000);
    }
    cr_assert_eq(parks, 1);
}

static jzx_behavior_result take_100_us(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)actor;
    (void)message;
    test_clock_pass(100000);
    return JZX_BEHAVIOR_OK;
}

static void observe_slow(bool measure, uint64_t slow_ns, test_observer *observer, uint64_t *busy_ns)
{
    jzx_config config;
    test_config(&config);
    config.measure_handlers = measure;
    config.slow_handler_ns = slow_ns;
    test_world world;
    test_world_open(&world, 1, &config);
    test_clock_steps(10000);
    test_observe(&world, 0, observer);
    test_actor actor = {.on = take_100_us};
    test_spawn(&world, 0, &actor);
    test_send(&world, &actor, 33);
    test_until(&world, actor.received == 1);
    test_world_step(&world);
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, slow_handlers)), observer->slow);
    char segment[65536];
    cr_assert_eq(pread(jzx_runtime_segment_fd(world.runtime), segment, sizeof segment, 0), (ssize_t)sizeof segment);
    const jzx_segment_header *header = (const jzx_segment_header *)(const void *)segment;
    cr_assert_eq(header->magic, JZX_SEGMENT_MAGIC);
    const jzx_segment_slot *slot = (const jzx_segment_slot *)(const void *)(segment + header->loops_offset +
                                                                            header->slots_offset);
    cr_assert_eq(slot->id, actor.id);
    *busy_ns = slot->busy_ns;
    test_world_close(&world);
}

Test(config, D73_slow_handler_ns_and_measure_handlers, .timeout = 60)
{
    uint64_t busy_ns;
    test_observer exact = {0};
    observe_slow(true, 50000, &exact, &busy_ns);
    cr_expect_eq(exact.slow, 1);
    cr_expect_eq(exact.slow_tag, 33);
    cr_expect_geq(exact.slow_ns, 100000);
    cr_expect_geq(busy_ns, 100000);
    test_observer rough = {0};
    observe_slow(false, 50000, &rough, &busy_ns);
    cr_expect_eq(rough.slow, 1);
    cr_expect_eq(rough.slow_tag, 33);
    cr_expect_eq(busy_ns, 0);
    test_observer patient = {0};
    observe_slow(true, 10000000000, &patient, &busy_ns);
    cr_expect_eq(patient.slow, 0);
    test_observer off = {0};
    observe_slow(true, 0, &off, &busy_ns);
    cr_expect_eq(off.slow, 0);
    observe_slow(false, 0, &off, &busy_ns);
    cr_expect_eq(off.slow, 0);
}

Test(config, D73_D79_exit_when_idle_is_off_until_asked_for, .timeout = 60)
{
    for (unsigned on = 0; on < 2; on++) {
        jzx_config config;
        test_config(&config);
        config.exit_when_idle = on;
        test_world world;
        test_world_open(&world, 2, &config);
        test_actor actors[2] = {0};
        test_spawn(&world, 0, &actors[0]);
        test_spawn(&world, 1, &actors[1]);
        cr_assert_eq(jzx_stop(jzx_loop_context(world.loops[0]), actors[0].id), JZX_OK);
        test_until(&world, actors[0].finis == 1);
        test_world_settle(&world);
        cr_assert(!world.closed[0] && !world.closed[1], "one is left");
        cr_assert_eq(jzx_stop(jzx_loop_context(world.loops[1]), actors[1].id), JZX_OK);
        test_until(&world, actors[1].finis == 1);
        if (on) {
            test_until(&world, world.closed[0] && world.closed[1]);
        } else {
            test_world_settle(&world);
            cr_assert(!world.closed[0] && !world.closed[1]);
        }
        test_world_close(&world);
    }
}

/* ---- of the ring ---- */

/* The n-th io_uring descriptor of this process, or -1. */
static int ring_fd(unsigned nth)
{
    for (int fd = 0; fd < 256; fd++) {
        char path[64];
        char target[64] = "";
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (readlink(path, target, sizeof target - 1) > 0 && strstr(target, "[io_uring]") != NULL && nth-- == 0) {
            return fd;
        }
    }
    return -1;
}

/* A hexadecimal field of the kernel's account of a ring. */
static unsigned ring_info(int fd, const char *name)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    char line[256];
    unsigned value = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            value = (unsigned)strtoul(line + strlen(name) + 1, NULL, 0);
        }
    }
    fclose(file);
    return value;
}

Test(config, D73_ring_entries, .timeout = 60)
{
    for (uint32_t entries = 64; entries <= 1024; entries *= 4) {
        jzx_config config;
        test_config(&config);
        config.ring_entries = entries;
        test_world world;
        test_world_open(&world, 1, &config);
        int fd = ring_fd(0);
        cr_assert_geq(fd, 0);
        cr_assert_eq(ring_info(fd, "SqMask:"), entries - 1);
        cr_assert_eq(ring_info(fd, "CqMask:"), 4 * entries - 1);
        test_world_close(&world);
    }
}

/* Asks a ring for something that no layer of the library uses. */
static int foreign_register(int fd)
{
    enum { REGISTER_PROBE = 8, OPS = 256 };
    static uint64_t probe[2 + OPS];
    return syscall(__NR_io_uring_register, fd, REGISTER_PROBE, probe, OPS) == 0 ? 0 : errno;
}

Test(config, D73_restrict_ring, .timeout = 60)
{
    for (unsigned on = 0; on < 2; on++) {
        jzx_config config;
        test_config(&config);
        config.restrict_ring = on;
        test_world world;
        test_world_open(&world, 1, &config);
        test_world_step(&world); /* the ring is enabled by its first turn */
        cr_assert_eq(foreign_register(ring_fd(0)), on ? EACCES : 0);
        test_world_close(&world);
    }
}

Test(config, D73_oldest_kernel_works_without_what_is_newer, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.oldest_kernel = true;
    unsigned before = test_fd_count();
    test_world world;
    test_world_open(&world, 1, &config);
    cr_assert_eq(test_fd_count() - before, 3, "the segment, the ring, and an eventfd for foreign threads");
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    test_world_start(&world);
    for (uint32_t i = 0; i < 100; i++) {
        test_send(&world, &actor, i);
        test_until(&world, actor.received == i + 1);
    }
    test_world_close(&world);
}

/* ---- of the rest ---- */

static jzx_behavior_result listen_once(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    jzx_tcp_options options;
    jzx_tcp_options_init(&options);
    *(jzx_err *)argument = jzx_tcp_listen(context, &options, &(jzx_socket_id){0});
    return JZX_BEHAVIOR_OK;
}

static size_t buffer_bytes(const jzx_config *config)
{
    test_world world;
    test_world_open(&world, 1, config);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    cr_assert_eq(world.memory[JZX_MEMORY_BUFFER].live, 0, "no socket, no buffers");
    jzx_err err = JZX_ERR_UNKNOWN;
    test_do(&world, &actor, listen_once, &err);
    cr_assert_eq(err, JZX_OK);
    size_t live = world.memory[JZX_MEMORY_BUFFER].live;
    test_world_close(&world);
    return live;
}

Test(config, D73_recv_buffers_and_send_chunks, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    size_t base = buffer_bytes(&config);
    cr_assert_eq(base, 16u * 16384u + 64u * 4096u);
    config.recv_buffers = 32;
    cr_assert_eq(buffer_bytes(&config), 32u * 16384u + 64u * 4096u);
    config.recv_buffer_size = 1024;
    cr_assert_eq(buffer_bytes(&config), 32u * 1024u + 64u * 4096u);
    config.send_chunks = 10;
    cr_assert_eq(buffer_bytes(&config), 32u * 1024u + 10u * 4096u);
    config.send_chunk_size = 512;
    cr_assert_eq(buffer_bytes(&config), 32u * 1024u + 10u * 512u);
}

static void two_randoms(uint64_t seed, uint64_t random[2])
{
    jzx_config config;
    test_config(&config);
    config.seed = seed;
    test_world world;
    test_world_open(&world, 2, &config);
    random[0] = jzx_random(jzx_loop_context(world.loops[0]));
    random[1] = jzx_random(jzx_loop_context(world.loops[1]));
    test_world_close(&world);
}

Test(config, D73_seed, .timeout = 60)
{
    uint64_t first[2];
    uint64_t again[2];
    two_randoms(7, first);
    two_randoms(7, again);
    cr_assert_arr_eq(first, again, sizeof first);
    cr_assert_neq(first[0], first[1], "each loop has its own");
    two_randoms(8, again);
    cr_assert_neq(first[0], again[0]);
    two_randoms(0, first);
    two_randoms(0, again);
    cr_assert_neq(first[0], again[0], "0 takes the kernel's");
}

Test(config, D73_segment_path, .timeout = 60)
{
    char path[] = "/dev/shm/jzx-config-test-XXXXXX";
    int made = mkstemp(path);
    cr_assert_geq(made, 0);
    close(made);
    jzx_config config;
    test_config(&config);
    config.segment_path = path;
    test_world world;
    test_world_open(&world, 1, &config);
    uint64_t magic = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    cr_assert_eq(read(fd, &magic, sizeof magic), 8);
    cr_assert_eq(magic, JZX_SEGMENT_MAGIC);
    close(fd);
    test_world_close(&world);
    cr_assert_eq(access(path, F_OK), 0, "a named file outlives the runtime");
    cr_assert_eq(unlink(path), 0);
    config.segment_path = "/nonexistent/jzx";
    jzx_runtime *runtime = NULL;
    cr_assert_eq(jzx_runtime_create(&config, &runtime), JZX_ERR_OS);
    cr_assert_null(runtime);
}

Test(config, the_allocators_are_used_for_what_their_kind_says, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    cr_assert_gt(world.memory[JZX_MEMORY_METADATA].live, 0);
    cr_assert_eq(world.memory[JZX_MEMORY_STATE].calls, 0);
    test_actor actor = {0};
    jzx_spawn_options options;
    test_actor_options(&actor, &options);
    options.state_size = 100;
    options.init = NULL; /* the state is zeroed memory, so its own behavior must not be called */
    options.fini = NULL;
    cr_assert_eq(jzx_spawn(jzx_loop_context(world.loops[0]), &options, NULL), JZX_OK);
    cr_assert_eq(world.memory[JZX_MEMORY_STATE].blocks, 1);
    cr_assert_geq(world.memory[JZX_MEMORY_STATE].live, 100);
    jzx_context *host = jzx_loop_context(world.loops[0]);
    void *memory = jzx_alloc(host, 64);
    cr_assert_not_null(memory);
    cr_assert_eq(world.memory[JZX_MEMORY_STATE].blocks, 2);
    jzx_free(host, memory, 64);
    cr_assert_eq(world.memory[JZX_MEMORY_STATE].blocks, 1);
    test_world_close(&world);
}
