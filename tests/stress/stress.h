/*
 * stress: what the stress programs share. Each is a plain executable, so that ThreadSanitizer can watch it, runs for at
 * most a few seconds, and exits 0 only if every promise held. A lost wake-up ends it by SIGALRM.
 */
#ifndef JZX_STRESS_H
#define JZX_STRESS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <jzx/jzx.h>

#define CHECK(condition)                                                                    \
    do {                                                                                    \
        if (!(condition)) {                                                                 \
            (void)fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                        \
        }                                                                                   \
    } while (0)
#define CHECK_OK(call)                                                                                    \
    do {                                                                                                  \
        jzx_err check_err = (call);                                                                       \
        if (check_err != JZX_OK) {                                                                        \
            (void)fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, jzx_strerror(check_err)); \
            abort();                                                                                      \
        }                                                                                                 \
    } while (0)

enum { STRESS_LOOPS_MAX = 4, STRESS_ALARM_S = 100 };

/* ---- memory and payloads: what was taken is given back ---- */

static _Atomic(long) stress_bytes;    /* of the library's allocators */
static _Atomic(long) stress_payloads; /* made and neither handled nor dropped */

static inline void *stress_alloc(void *context, size_t size, size_t align)
{
    (void)context;
    atomic_fetch_add_explicit(&stress_bytes, (long)size, memory_order_relaxed);
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static inline void stress_free(void *context, void *memory, size_t size, size_t align)
{
    (void)context;
    (void)align;
    atomic_fetch_sub_explicit(&stress_bytes, (long)size, memory_order_relaxed);
    free(memory);
}

static inline void stress_drop(void *context, void *data, size_t size)
{
    (void)context;
    (void)size;
    atomic_fetch_sub_explicit(&stress_payloads, 1, memory_order_relaxed);
    free(data);
}

/* A message with a payload of its own, which holds `value`: written here, read by who handles it. */
static inline jzx_message stress_owned(uint32_t tag, uint64_t value)
{
    uint64_t *data = malloc(sizeof *data);
    CHECK(data != NULL);
    *data = value;
    atomic_fetch_add_explicit(&stress_payloads, 1, memory_order_relaxed);
    return jzx_message_pointer(tag, data, sizeof *data, stress_drop, NULL);
}

/* The value of either kind of message; the payload is gone afterwards. */
static inline uint64_t stress_take(const jzx_message *message)
{
    uint64_t value;
    memcpy(&value, jzx_message_data(message), sizeof value);
    if ((message->flags & (JZX_MESSAGE_POINTER | JZX_MESSAGE_LENT)) == JZX_MESSAGE_POINTER) {
        stress_drop(NULL, message->pointer.data, message->size);
    }
    return value;
}

/* An offer that was refused: the payload is still the caller's. */
static inline void stress_refused(const jzx_message *message)
{
    if ((message->flags & JZX_MESSAGE_POINTER) != 0) {
        stress_drop(NULL, message->pointer.data, message->size);
    }
}

/* ---- randomness: the same from the same seed ---- */

static inline uint64_t stress_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u); /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* ---- a world of loops ---- */

typedef struct stress_world {
    jzx_runtime *runtime;
    jzx_loop *loops[STRESS_LOOPS_MAX];
    uint32_t count;
    uint32_t cells;
} stress_world;

static inline void stress_config(jzx_config *config, uint32_t loops)
{
    jzx_config_init(config);
    for (int i = 0; i < JZX_MEMORY_KINDS; i++) {
        config->allocators[i] = (jzx_allocator){stress_alloc, stress_free, NULL};
    }
    config->loops_max = loops;
    config->actors_max = 4096;
    config->cells = 8192;
    config->inbox_size = 64;
    config->lane_blocks = 8;
    config->sockets_max = 256;
    config->recv_buffers = 64;
    config->send_chunks = 256;
    config->ring_entries = 64;
}

/* Every second loop lingers, so both ways to wake are used. */
static inline void stress_open(stress_world *world, const jzx_config *config)
{
    world->count = config->loops_max;
    world->cells = config->cells;
    CHECK_OK(jzx_runtime_create(config, &world->runtime));
    for (uint32_t i = 0; i < world->count; i++) {
        jzx_loop_config loop_config;
        jzx_loop_config_init(config, &loop_config);
        loop_config.linger_ns = i % 2 == 1 ? 20000 : 0;
        CHECK_OK(jzx_loop_create(world->runtime, &loop_config, &world->loops[i]));
    }
}

static inline void stress_start(const stress_world *world, uint32_t first)
{
    for (uint32_t i = first; i < world->count; i++) {
        CHECK_OK(jzx_loop_start(world->loops[i]));
    }
}

static inline jzx_actor_id stress_spawn(const stress_world *world, uint32_t loop, jzx_behavior_fn behavior, void *state,
                                        uint32_t mailbox_cap)
{
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = behavior;
    options.argument = state;
    options.mailbox_cap = mailbox_cap;
    options.name = "stress";
    jzx_actor_id id = 0;
    CHECK_OK(jzx_spawn(jzx_loop_context(world->loops[loop]), &options, &id));
    return id;
}

/* What the counters of all loops must add up to when the loops have left. */
static inline void stress_balance(const stress_world *world)
{
    jzx_counters sum;
    memset(&sum, 0, sizeof sum);
    for (uint32_t i = 0; i < world->count; i++) {
        jzx_counters one;
        CHECK_OK(jzx_loop_stats(world->loops[i], &one));
        CHECK(one.actors == 0 && one.queued == 0 && one.timers == 0 && one.sockets == 0 && one.watches == 0);
        CHECK(one.children == 0);
        CHECK(one.cells_free == world->cells);
        CHECK(one.spawned == one.ended);
        uint64_t *to = (uint64_t *)(void *)&sum;
        const uint64_t *from = (const uint64_t *)(const void *)&one;
        for (size_t k = 0; k < sizeof sum / sizeof *to; k++) {
            to[k] += from[k];
        }
    }
    uint64_t dropped = 0;
    for (unsigned i = 0; i < JZX_DROP_REASONS; i++) {
        dropped += sum.dropped[i];
    }
    CHECK(sum.sent + sum.posted == sum.handled + dropped);
    CHECK(sum.mail_in == sum.mail_out);
    CHECK(sum.lane_sent == sum.lane_received);
}

static inline void stress_close(stress_world *world)
{
    CHECK_OK(jzx_runtime_destroy(world->runtime));
    CHECK(atomic_load(&stress_bytes) == 0);
    CHECK(atomic_load(&stress_payloads) == 0);
}

/* ---- one who looks from outside all the time, as jzx-top does ---- */

typedef struct stress_reader {
    const stress_world *world;
    pthread_t thread;
    _Atomic(bool) end;
    uint64_t looks;
} stress_reader;

static inline void stress_read_slots(const jzx_segment_header *header, const uint8_t *part)
{
    const jzx_segment_slot *slots = (const void *)(part + header->slots_offset);
    for (uint64_t i = 0; i < header->slots_max && i < 64; i++) {
        uint64_t before = __atomic_load_n(&slots[i].id, __ATOMIC_RELAXED);
        uint32_t length = __atomic_load_n(&slots[i].mailbox_length, __ATOMIC_RELAXED);
        uint64_t after = __atomic_load_n(&slots[i].id, __ATOMIC_RELAXED);
        if (before != 0 && before == after) {
            CHECK(length <= 1u << 24);
            CHECK((uint32_t)(before >> 32 & 0xFFFFFF) == i);
        }
    }
}

static inline void *stress_reader_main(void *argument)
{
    stress_reader *reader = argument;
    const stress_world *world = reader->world;
    int fd = jzx_runtime_segment_fd(world->runtime);
    off_t size = lseek(fd, 0, SEEK_END);
    CHECK(size > 0);
    const uint8_t *segment = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(segment != MAP_FAILED);
    const jzx_segment_header *header = (const void *)segment;
    CHECK(header->magic == JZX_SEGMENT_MAGIC);
    uint64_t turns[STRESS_LOOPS_MAX] = {0};
    uint64_t handled[STRESS_LOOPS_MAX] = {0};
    while (!atomic_load_explicit(&reader->end, memory_order_acquire)) {
        for (uint32_t i = 0; i < world->count; i++) {
            const uint8_t *part = segment + header->loops_offset + i * header->loop_size;
            const jzx_segment_loop *loop = (const void *)part;
            uint64_t turn = __atomic_load_n(&loop->turn, __ATOMIC_RELAXED);
            CHECK(turn >= turns[i]);
            turns[i] = turn;
            jzx_counters counters;
            CHECK_OK(jzx_loop_stats(world->loops[i], &counters));
            CHECK(counters.handled >= handled[i]);
            handled[i] = counters.handled;
            stress_read_slots(header, part);
        }
        reader->looks++;
        sched_yield();
    }
    munmap((void *)(uintptr_t)segment, (size_t)size);
    return NULL;
}

static inline void stress_reader_start(stress_reader *reader, const stress_world *world)
{
    reader->world = world;
    reader->looks = 0;
    atomic_init(&reader->end, false);
    CHECK(pthread_create(&reader->thread, NULL, stress_reader_main, reader) == 0);
}

static inline void stress_reader_stop(stress_reader *reader)
{
    atomic_store_explicit(&reader->end, true, memory_order_release);
    CHECK(pthread_join(reader->thread, NULL) == 0);
    CHECK(reader->looks > 0);
}

static inline uint64_t stress_begin(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? (uint64_t)strtoull(argv[1], NULL, 0) : (uint64_t)getpid();
    (void)alarm(STRESS_ALARM_S);
    (void)printf("seed %llu\n", (unsigned long long)seed);
    (void)fflush(stdout);
    return seed;
}

#endif
