/*
 * dispatch.c: what does it cost to have the receiver chosen?
 *
 * One actor sends to 16 of its loop, in bursts of 256: by jzx_send() to each in turn, which is the side jzx, and through
 * a router by each strategy that chooses one. The key of a message is its first word.
 */
#include "support/check.h"
#include "support/world.h"
#include "workloads.h"

enum { TAG_GO = 1, TAG_ITEM = 2, MEMBERS = 16, BURST = 256, CAP = 1024, PLAIN = -1 };

struct dispatch {
    jzx_bench *bench;
    jzx_runtime *runtime;
    jzx_router *router;
    int strategy; /* jzx_route, or PLAIN */
    jzx_actor_id members[MEMBERS];
    uint32_t next;
    uint64_t total;
    uint64_t sent;
    uint64_t handled;
    uint64_t sum;
};

static uint64_t first_word(void *context, const jzx_message *message)
{
    (void)context;
    return message->words[0];
}

static jzx_err send_plain(jzx_context *context, struct dispatch *dispatch, const jzx_message *message)
{
    jzx_err err = jzx_send(context, dispatch->members[dispatch->next], message);
    dispatch->next = dispatch->next + 1 == MEMBERS ? 0 : dispatch->next + 1;
    return err;
}

/* A burst at each turn, until all is sent. The members handle it before the next one. */
static jzx_behavior_result source(jzx_context *context, void *state, const jzx_message *message)
{
    struct dispatch *self = state;
    (void)message;
    if (self->sent == 0) {
        jzx_bench_begin(self->bench);
    }
    for (uint32_t i = 0; i < BURST && self->sent < self->total; i++) {
        uint64_t words[4] = {self->sent++, 0, 0, 0};
        jzx_message item = jzx_message_value(TAG_ITEM, words, sizeof words);
        WORLD_CHECK(self->strategy == PLAIN ? send_plain(context, self, &item)
                                            : jzx_router_send(context, self->router, &item, NULL));
    }
    return self->sent < self->total ? JZX_BEHAVIOR_YIELD : JZX_BEHAVIOR_OK;
}

static jzx_behavior_result member(jzx_context *context, void *state, const jzx_message *message)
{
    struct dispatch *self = state;
    (void)context;
    self->sum += message->words[0];
    if (++self->handled == self->total) {
        jzx_bench_end(self->bench, self->total);
        WORLD_CHECK(jzx_runtime_request_stop(self->runtime));
    }
    return JZX_BEHAVIOR_OK;
}

static void make_router(struct dispatch *dispatch, jzx_context *host)
{
    jzx_router_options options;
    jzx_router_options_init(&options);
    options.strategy = (uint8_t)dispatch->strategy;
    options.key = first_word;
    WORLD_CHECK(jzx_router_create(host, &options, &dispatch->router));
    for (uint64_t i = 0; i < MEMBERS; i++) {
        WORLD_CHECK(jzx_router_add(dispatch->router, i, dispatch->members[i]));
    }
}

static void run(jzx_bench *bench, void *argument)
{
    struct dispatch dispatch = {.bench = bench, .strategy = *(const int *)argument, .total = jzx_bench_count(bench)};
    jzx_config config;
    jzx_config_init(&config);
    config.mailbox_cap = CAP;
    struct world world;
    world_open(&world, bench, &config, 1);
    dispatch.runtime = world.runtime;
    for (uint32_t i = 0; i < MEMBERS; i++) {
        dispatch.members[i] = world_spawn(&world, 0, member, &dispatch);
    }
    if (dispatch.strategy != PLAIN) {
        make_router(&dispatch, jzx_loop_context(world.loops[0]));
    }
    world_tell(&world, world_spawn(&world, 0, source, &dispatch), TAG_GO);
    world_run(&world);
    jzx_router_destroy(dispatch.router);
    world_close(&world);
    jzx_bench_prove(bench, "messages", dispatch.handled, dispatch.total);
    jzx_bench_prove(bench, "sum", dispatch.sum, dispatch.total * (dispatch.total - 1) / 2);
}

static int plain = PLAIN;
static int round_robin = JZX_ROUTE_ROUND_ROBIN;
static int random_one = JZX_ROUTE_RANDOM;
static int smallest = JZX_ROUTE_SMALLEST;
static int hash = JZX_ROUTE_HASH;

static const jzx_bench_side sides[] = {{"jzx", run, &plain},
                                       {"jzx-round-robin", run, &round_robin},
                                       {"jzx-random", run, &random_one},
                                       {"jzx-smallest", run, &smallest},
                                       {"jzx-hash", run, &hash}};

static const jzx_bench_workload workloads[] = {
    {BENCH_WORKLOAD, .name = "message/dispatch", .about = "one actor sends to 16 of its loop, chosen by a router",
     .item = "message", .count = 9600000, .quick_count = 32000, .cpus = 1, BENCH_SIDES(sides)},
};

const bench_group bench_dispatch = BENCH_GROUP(workloads);
