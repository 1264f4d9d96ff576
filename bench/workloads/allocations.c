/*
 * allocations.c: does anything allocate once it has warmed up?
 *
 * All three allocators of the runtime count. After a warm-up the same work goes on and the count must not move: messages
 * on one loop and across two, timers started, cancelled and fired, TCP received and sent.
 */
#include "world.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_GO = 1, TAG_MESSAGE = 2, TAG_TIMER = 3, TAG_PORT = 4 };
enum { LATER_NS = 1000000000, ECHO_BYTES = 64 };

/* What each of the benches below works on: `total` rounds, the first half of them to warm up. */
struct rounds {
    atomic_uint_fast64_t allocations;
    jzx_runtime *runtime;
    uint64_t total;
    uint64_t count;
    uint64_t sum;
    uint64_t before;
    uint64_t after;
};

static void *count_alloc(void *context, size_t size, size_t align)
{
    struct rounds *rounds = context;
    atomic_fetch_add_explicit(&rounds->allocations, 1, memory_order_relaxed);
    size_t least = align < sizeof(void *) ? sizeof(void *) : align;
    return aligned_alloc(least, (size + least - 1) / least * least);
}

static void count_free(void *context, void *memory, size_t size, size_t align)
{
    (void)context;
    (void)size;
    (void)align;
    free(memory);
}

static jzx_config counting_config(struct rounds *rounds)
{
    jzx_config config;
    jzx_config_init(&config);
    for (int i = 0; i < JZX_MEMORY_KINDS; i++) {
        config.allocators[i] = (jzx_allocator){count_alloc, count_free, rounds};
    }
    return config;
}

/* Takes one round; says whether it was the last. */
static bool take_round(struct rounds *rounds, uint64_t value)
{
    rounds->sum += value;
    rounds->count++;
    if (rounds->count == rounds->total / 2) {
        rounds->before = atomic_load_explicit(&rounds->allocations, memory_order_relaxed);
    }
    if (rounds->count == rounds->total) {
        rounds->after = atomic_load_explicit(&rounds->allocations, memory_order_relaxed);
        WORLD_CHECK(jzx_runtime_request_stop(rounds->runtime));
        return true;
    }
    return false;
}

/* Allocations per round of the second half. */
static double rounds_result(const struct rounds *rounds)
{
    uint64_t total = rounds->total;
    BENCH_CHECK(rounds->count == total, "not every round was made");
    BENCH_CHECK(rounds->sum == total * (total - 1) / 2, "the payloads add up wrongly");
    BENCH_CHECK(rounds->before > 0, "the counting allocator was not used");
    return bench_per(rounds->after - rounds->before, total - total / 2);
}

/* ---- messages: two actors on loop 0 and one on loop 1, in a circle ---- */

struct circle_member {
    jzx_actor_id next;
    struct rounds *rounds; /* of the first alone */
};

static jzx_behavior_result pass_on(jzx_context *context, void *state, const jzx_message *message)
{
    struct circle_member *self = state;
    uint64_t value = message->words[0];
    if (self->rounds != NULL && message->tag == TAG_MESSAGE) {
        if (take_round(self->rounds, value)) {
            return JZX_BEHAVIOR_OK;
        }
        value++;
    }
    jzx_message next = jzx_message_value(TAG_MESSAGE, &value, sizeof value);
    WORLD_CHECK(jzx_send(context, self->next, &next));
    return JZX_BEHAVIOR_OK;
}

static double allocations_of_messages(uint64_t total)
{
    struct rounds rounds = {.total = total};
    struct circle_member members[3] = {{.rounds = &rounds}, {.rounds = NULL}, {.rounds = NULL}};
    jzx_config config = counting_config(&rounds);
    struct world world;
    world_shape shape = {.loop_count = 2, .cpus = {JZX_CPU_ANY, JZX_CPU_ANY}, .linger_ns = {0, 0}};
    world_open(&world, &config, &shape);
    rounds.runtime = world.runtime;
    jzx_actor_id first = world_spawn(&world, 0, pass_on, &members[0]);
    members[2].next = first;
    members[1].next = world_spawn(&world, 1, pass_on, &members[2]);
    members[0].next = world_spawn(&world, 0, pass_on, &members[1]);
    world_tell(&world, first, TAG_GO);
    world_run(&world);
    world_close(&world);
    return rounds_result(&rounds);
}

/* ---- timers: one that fires at once, one that is cancelled ---- */

static jzx_behavior_result rearm(jzx_context *context, void *state, const jzx_message *message)
{
    struct rounds *rounds = state;
    if (message->tag == TAG_TIMER && take_round(rounds, message->words[0])) {
        return JZX_BEHAVIOR_OK;
    }
    jzx_message due = jzx_message_value(TAG_TIMER, &rounds->count, sizeof rounds->count);
    jzx_timer_id later = 0;
    WORLD_CHECK(jzx_timer_after(context, 0, &due, NULL));
    WORLD_CHECK(jzx_timer_after(context, LATER_NS, &due, &later));
    WORLD_CHECK(jzx_timer_cancel(context, later, NULL));
    return JZX_BEHAVIOR_OK;
}

static double allocations_of_timers(uint64_t total)
{
    struct rounds rounds = {.total = total};
    jzx_config config = counting_config(&rounds);
    struct world world;
    world_shape shape = world_shape_one(bench_cpu());
    world_open(&world, &config, &shape);
    rounds.runtime = world.runtime;
    world_tell(&world, world_spawn(&world, 0, rearm, &rounds), TAG_GO);
    world_run(&world);
    world_close(&world);
    return rounds_result(&rounds);
}

/* ---- TCP: a client and an echo on one loop ---- */

struct echo_pair {
    struct rounds rounds;
    jzx_actor_id client;
    uint8_t reply[ECHO_BYTES];
    size_t got;
};

/* The listener's actor is the server of the one connection too. */
static jzx_behavior_result serve(jzx_context *context, void *state, const jzx_message *message)
{
    struct echo_pair *pair = state;
    if (message->tag == TAG_GO) {
        jzx_tcp_options options;
        jzx_tcp_options_init(&options);
        jzx_socket_id listener = 0;
        uint16_t port = 0;
        WORLD_CHECK(jzx_tcp_listen(context, &options, &listener));
        WORLD_CHECK(jzx_tcp_port(context, listener, &port));
        jzx_message tell = jzx_message_value(TAG_PORT, &port, sizeof port);
        WORLD_CHECK(jzx_send(context, pair->client, &tell));
        return JZX_BEHAVIOR_OK;
    }
    const jzx_tcp_event *event = jzx_message_data(message);
    if (event->kind == JZX_TCP_ACCEPTED) {
        WORLD_CHECK(jzx_tcp_read(context, event->peer));
    } else if (event->kind == JZX_TCP_DATA) {
        WORLD_CHECK(jzx_tcp_send(context, event->socket, event->data, event->size));
    }
    return JZX_BEHAVIOR_OK;
}

static void ask(jzx_context *context, const struct echo_pair *pair, jzx_socket_id socket)
{
    uint8_t request[ECHO_BYTES] = {0};
    memcpy(request, &pair->rounds.count, sizeof pair->rounds.count);
    WORLD_CHECK(jzx_tcp_send(context, socket, request, sizeof request));
}

static void take_reply(jzx_context *context, struct echo_pair *pair, const jzx_tcp_event *event)
{
    BENCH_CHECK(pair->got + event->size <= ECHO_BYTES, "more came back than was sent");
    memcpy(pair->reply + pair->got, event->data, event->size);
    pair->got += event->size;
    if (pair->got == ECHO_BYTES) {
        uint64_t value = 0;
        memcpy(&value, pair->reply, sizeof value);
        pair->got = 0;
        if (!take_round(&pair->rounds, value)) {
            ask(context, pair, event->socket);
        }
    }
}

static jzx_behavior_result client(jzx_context *context, void *state, const jzx_message *message)
{
    struct echo_pair *pair = state;
    if (message->tag == TAG_PORT) {
        jzx_tcp_options options;
        jzx_tcp_options_init(&options);
        memcpy(&options.port, message->bytes, sizeof options.port);
        jzx_socket_id socket = 0;
        WORLD_CHECK(jzx_tcp_connect(context, &options, &socket));
        return JZX_BEHAVIOR_OK;
    }
    const jzx_tcp_event *event = jzx_message_data(message);
    if (event->kind == JZX_TCP_CONNECTED) {
        ask(context, pair, event->socket);
    } else if (event->kind == JZX_TCP_DATA) {
        take_reply(context, pair, event);
    } else {
        BENCH_CHECK(event->kind != JZX_TCP_CLOSED, "the connection ended: %s", strerror(event->error));
    }
    return JZX_BEHAVIOR_OK;
}

static double allocations_of_tcp(uint64_t total)
{
    struct echo_pair pair = {.rounds = {.total = total}};
    jzx_config config = counting_config(&pair.rounds);
    struct world world;
    world_shape shape = world_shape_one(bench_cpu());
    world_open(&world, &config, &shape);
    pair.rounds.runtime = world.runtime;
    pair.client = world_spawn(&world, 0, client, &pair);
    world_tell(&world, world_spawn(&world, 0, serve, &pair), TAG_GO);
    world_run(&world);
    world_close(&world);
    return rounds_result(&pair.rounds);
}

static void run_allocations(const bench_run *run)
{
    bench_series messages = {.count = 0};
    bench_series timers = {.count = 0};
    bench_series tcp = {.count = 0};
    bench_target none = {BENCH_OURS_AT_MOST, 0};
    bench_add(&messages, allocations_of_messages(bench_scale(run, 20000, 400)));
    bench_add(&timers, allocations_of_timers(bench_scale(run, 200000, 2000)));
    bench_add(&tcp, allocations_of_tcp(bench_scale(run, 50000, 400)));
    bench_report(run, "allocations per message, local and across", "allocs", &messages, NULL, none);
    bench_report(run, "allocations per timer", "allocs", &timers, NULL, none);
    bench_report(run, "allocations per TCP receive and send", "allocs", &tcp, NULL, none);
}

const struct bench bench_allocations = {"allocations", "allocations after warm-up", run_allocations};
