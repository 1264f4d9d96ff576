/*
 * kill.c: supervision/kill-full-lanes: how soon does an actor on another loop end that is killed while the lane to its loop is
 * full of mail for it? From jzx_kill() to the DOWN at a monitor. Beside it, as the side `empty`, the same with no mail.
 *
 * The victim's loop is held up by another actor until the killer's is refused a message with WOULD_BLOCK in a whole turn, and
 * goes on when the word to kill has been given. That word stands in line behind the mail, as between two processes of OTP: most
 * of the mail is handled first, so this is the time that a lane full of messages takes.
 *
 * Nothing may be lost: each message that was accepted is handled by a victim or meets its destructor, once; their number and the
 * sum of what they carry are kept on both ends.
 */
#include "support/world.h"
#include "workloads.h"

#include <ck_pr.h>
#include <stdatomic.h>

enum { TAG_GO = 1, TAG_HOLD = 2, TAG_FILL = 3, TAG_MAIL = 4, SETTLING = 5 };

/* Messages by number, and the sum of their numbers. */
struct tally {
    uint64_t count;
    uint64_t sum;
};

struct killing {
    jzx_bench *bench;
    jzx_runtime *runtime;
    bool full;
    uint64_t total; /* those at the beginning, which are not counted, included */
    jzx_actor_id holder;

    /* The killer's loop. */
    jzx_actor_id victim;
    uint64_t kills;
    uint64_t killed_ns;
    struct tally accepted;

    /* The victim's loop, and after the end the thread that looks at it. */
    struct tally handled __attribute__((aligned(128)));
    struct tally dropped;

    /* Both: the number of the hold that has begun, and of the last that is over. */
    _Atomic uint64_t held __attribute__((aligned(128)));
    _Atomic uint64_t released;
};

static void tally_add(struct tally *tally, uint64_t number)
{
    tally->count++;
    tally->sum += number;
}

/* ---- the victim's loop ---- */

static void drop_mail(void *context, void *data, size_t size)
{
    struct killing *killing = context;
    (void)size;
    tally_add(&killing->dropped, (uintptr_t)data);
}

static jzx_behavior_result victim(jzx_context *context, void *state, const jzx_message *message)
{
    struct killing *killing = state;
    (void)context;
    BENCH_CHECK(message->tag == TAG_MAIL, "tag %u for the victim", message->tag);
    tally_add(&killing->handled, (uintptr_t)message->pointer.data);
    return JZX_BEHAVIOR_OK;
}

/* Holds its loop up until it is released. */
static jzx_behavior_result holder(jzx_context *context, void *state, const jzx_message *message)
{
    struct killing *killing = state;
    (void)context;
    uint64_t number = message->words[0];
    atomic_store_explicit(&killing->held, number, memory_order_release); /* pairs with fill() */
    while (atomic_load_explicit(&killing->released, memory_order_acquire) < number) {
        ck_pr_stall();
    }
    return JZX_BEHAVIOR_OK;
}

/* ---- the killer's ---- */

static void ask_for_victim(jzx_context *context, struct killing *killing)
{
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = victim;
    options.argument = killing;
    options.placement = JZX_PLACE_LOOP;
    options.place_loop = 1;
    WORLD_CHECK(jzx_spawn_request(context, &options, NULL));
}

static void tell_self(jzx_context *context, uint32_t tag)
{
    jzx_message message = jzx_message_empty(tag);
    WORLD_CHECK(jzx_send(context, jzx_self(context), &message));
}

/* A hold has the number of the kill that it is for, from 1. */
static void hold(jzx_context *context, struct killing *killing, const jzx_spawned *spawned)
{
    uint64_t number = killing->kills + 1;
    uint64_t monitor;
    WORLD_CHECK(spawned->err);
    killing->victim = spawned->id;
    WORLD_CHECK(jzx_monitor(context, killing->victim, &monitor));
    jzx_message message = jzx_message_value(TAG_HOLD, &number, sizeof number);
    WORLD_CHECK(jzx_send(context, killing->holder, &message));
    tell_self(context, TAG_FILL);
}

/* Sends until it is refused; says whether anything was accepted. The numbers are carried by the pointer itself. */
static bool send_mail(jzx_context *context, struct killing *killing)
{
    uint64_t before = killing->accepted.count;
    jzx_err err;
    do {
        uint64_t number = killing->accepted.count + 1;
        jzx_message mail = jzx_message_pointer(TAG_MAIL, (void *)(uintptr_t)number, 1, drop_mail, killing);
        err = jzx_send(context, killing->victim, &mail);
        if (err == JZX_OK) {
            tally_add(&killing->accepted, number);
        }
    } while (err == JZX_OK);
    BENCH_CHECK(err == JZX_ERR_WOULD_BLOCK, "mail was refused for another reason: %s", jzx_strerror(err));
    return killing->accepted.count > before;
}

/* One turn of filling; the next follows until there is no more room, then comes the kill. */
static void fill(jzx_context *context, struct killing *killing)
{
    uint64_t number = killing->kills + 1;
    bool held = atomic_load_explicit(&killing->held, memory_order_acquire) == number;
    if (!held || (killing->full && send_mail(context, killing))) {
        tell_self(context, TAG_FILL);
        return;
    }
    killing->killed_ns = jzx_bench_now_ns();
    WORLD_CHECK(jzx_kill(context, killing->victim));
    atomic_store_explicit(&killing->released, number, memory_order_release); /* pairs with holder() */
}

static void take_down(jzx_context *context, struct killing *killing, const jzx_down *down)
{
    uint64_t latency_ns = jzx_bench_now_ns() - killing->killed_ns;
    BENCH_CHECK(down->exit.kind == JZX_EXIT_KILLED, "the victim ended with %u", down->exit.kind);
    if (killing->kills++ >= SETTLING) {
        jzx_bench_latency(killing->bench, latency_ns);
    }
    if (killing->kills < killing->total) {
        ask_for_victim(context, killing);
    } else {
        WORLD_CHECK(jzx_runtime_request_stop(killing->runtime));
    }
}

static jzx_behavior_result killer(jzx_context *context, void *state, const jzx_message *message)
{
    struct killing *killing = state;
    switch (message->tag) {
    case TAG_GO:
        ask_for_victim(context, killing);
        break;
    case JZX_TAG_SYS_SPAWNED:
        hold(context, killing, jzx_message_data(message));
        break;
    case TAG_FILL:
        fill(context, killing);
        break;
    case JZX_TAG_SYS_DOWN:
        take_down(context, killing, jzx_message_data(message));
        break;
    default:
        BENCH_CHECK(false, "tag %u for the killer", message->tag);
    }
    return JZX_BEHAVIOR_OK;
}

/* ---- the whole ---- */

static void finish(const struct killing *killing)
{
    const struct tally *accepted = &killing->accepted;
    uint64_t settled = killing->handled.count + killing->dropped.count;
    BENCH_CHECK(killing->handled.sum + killing->dropped.sum == accepted->sum, "other messages came than were sent");
    if (killing->full) {
        double mail = (double)accepted->count / (double)killing->kills;
        jzx_bench_figure(killing->bench, "mail", "messages/kill", JZX_BENCH_HIGHER, mail);
    }
    jzx_bench_prove(killing->bench, "kills", killing->kills - SETTLING, jzx_bench_count(killing->bench));
    jzx_bench_prove(killing->bench, "unsettled", accepted->count - settled, 0);
}

static void run_jzx(jzx_bench *bench, void *argument)
{
    world_need_cpus(bench, 2);
    struct killing killing = {
        .bench = bench, .full = *(const bool *)argument, .total = jzx_bench_count(bench) + SETTLING};
    struct world world;
    jzx_config config;
    jzx_config_init(&config);
    config.linger_ns = JZX_FOREVER;
    world_open(&world, bench, &config, 2);
    killing.runtime = world.runtime;
    killing.holder = world_spawn(&world, 1, holder, &killing);
    world_tell(&world, world_spawn(&world, 0, killer, &killing), TAG_GO);
    world_run(&world);
    world_close(&world);
    finish(&killing);
}

static bool full = true;
static bool empty = false;
static const jzx_bench_side sides[] = {{"jzx", run_jzx, &full}, {"empty", run_jzx, &empty}};

static const jzx_bench_workload workloads[] = {{
    BENCH_WORKLOAD,
    .name = "supervision/kill-full-lanes",
    .about = "an actor of another loop is killed while the lane there is full of mail; beside it, an empty one",
    .item = "kill",
    .count = 1000,
    .quick_count = 20,
    .cpus = 2,
    BENCH_SIDES(sides),
}};
const bench_group bench_kill = BENCH_GROUP(workloads);
