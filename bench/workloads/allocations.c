/*
 * allocations.c: does anything allocate once it has warmed up?
 *
 * All three allocators of the runtime count. In the first half of the rounds it warms up, in the second the count must
 * not move: messages on one loop and across two, timers started, cancelled and fired, TCP received and sent.
 */
#include "support/counting.h"
#include "support/world.h"
#include "workloads.h"

#include <stdlib.h>
#include <string.h>

enum { TAG_GO = 1, TAG_MESSAGE = 2, TAG_TIMER = 3, TAG_PORT = 4 };
enum { LATER_NS = 1000000000, ECHO_BYTES = 64, MESSAGE_SHARE = 5 };

/* What each of the benches below works on: `total` rounds, the first half of them to warm up. */
struct rounds {
    counting memory;
    jzx_runtime *runtime;
    uint64_t total;
    uint64_t count;
    uint64_t sum;
    uint64_t before;
    uint64_t after;
};

static jzx_config rounds_config(struct rounds *rounds)
{
    jzx_config config;
    jzx_config_init(&config);
    counting_begin(&rounds->memory, &config);
    return config;
}

/* Takes one round; says whether it was the last. */
static bool take_round(struct rounds *rounds, uint64_t value)
{
    rounds->sum += value;
    rounds->count++;
    if (rounds->count == rounds->total / 2) {
        rounds->before = counting_calls(&rounds->memory);
    }
    if (rounds->count == rounds->total) {
        rounds->after = counting_calls(&rounds->memory);
        WORLD_CHECK(jzx_runtime_request_stop(rounds->runtime));
        return true;
    }
    return false;
}

/* Says how many allocations there were in the second half, by round. */
static void rounds_tell(jzx_bench *bench, const char *name, const struct rounds *rounds)
{
    uint64_t total = rounds->total;
    BENCH_CHECK(rounds->sum == total * (total - 1) / 2, "the payloads add up wrongly");
    BENCH_CHECK(rounds->before > 0, "the counting allocator was not used");
    jzx_bench_prove(bench, name, rounds->count, total);
    double by_round = (double)(rounds->after - rounds->before) / (double)(total - total / 2);
    jzx_bench_figure(bench, name, "allocations", JZX_BENCH_LOWER, by_round);
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

static void run_messages(jzx_bench *bench, uint64_t total)
{
    struct rounds rounds = {.total = total};
    struct circle_member members[3] = {{.rounds = &rounds}, {.rounds = NULL}, {.rounds = NULL}};
    jzx_config config = rounds_config(&rounds);
    struct world world;
    world_open(&world, bench, &config, 2);
    rounds.runtime = world.runtime;
    jzx_actor_id first = world_spawn(&world, 0, pass_on, &members[0]);
    members[2].next = first;
    members[1].next = world_spawn(&world, 1, pass_on, &members[2]);
    members[0].next = world_spawn(&world, 0, pass_on, &members[1]);
    world_tell(&world, first, TAG_GO);
    world_run(&world);
    world_close(&world);
    rounds_tell(bench, "messages", &rounds);
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

static void run_timers(jzx_bench *bench, uint64_t total)
{
    struct rounds rounds = {.total = total};
    jzx_config config = rounds_config(&rounds);
    struct world world;
    world_open(&world, bench, &config, 1);
    rounds.runtime = world.runtime;
    world_tell(&world, world_spawn(&world, 0, rearm, &rounds), TAG_GO);
    world_run(&world);
    world_close(&world);
    rounds_tell(bench, "timers", &rounds);
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
        uint16_t port = world_listen(context);
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

static void run_tcp(jzx_bench *bench, uint64_t total)
{
    struct echo_pair pair = {.rounds = {.total = total}};
    jzx_config config = rounds_config(&pair.rounds);
    struct world world;
    world_open(&world, bench, &config, 1);
    pair.rounds.runtime = world.runtime;
    pair.client = world_spawn(&world, 0, client, &pair);
    world_tell(&world, world_spawn(&world, 0, serve, &pair), TAG_GO);
    world_run(&world);
    world_close(&world);
    rounds_tell(bench, "tcp", &pair.rounds);
}

/* ---- the workload ---- */

/* A message across is a wake, the dearest of the three. */
static void run_allocations(jzx_bench *bench, void *argument)
{
    (void)argument;
    uint64_t count = jzx_bench_count(bench);
    run_messages(bench, count / MESSAGE_SHARE);
    run_timers(bench, count);
    run_tcp(bench, count);
}

static const jzx_bench_side sides[] = {{"jzx", run_allocations, NULL}};

static const jzx_bench_goal goals[] = {{"messages", NULL, 0}, {"timers", NULL, 0}, {"tcp", NULL, 0}};

static const jzx_bench_workload workloads[] = {
    {BENCH_WORKLOAD, .name = "process/allocations",
     .about = "allocations by message, timer and TCP request once all is warm", .item = "round", .count = 50000,
     .quick_count = 2000, .step = 2 * MESSAGE_SHARE, .cpus = 2, BENCH_SIDES(sides), BENCH_GOALS(goals)},
};

const bench_group bench_allocations = BENCH_GROUP(workloads);
