/*
 * load_cross.c: latency/cross: how late is a message between two loops that are half busy?
 *
 * Messages are due by a schedule that does not wait (jzx/bench.h), at half of what goes through when one follows the other,
 * each in a turn of its own (in bursts far more would); latency is from when one was due to when its handler looks at the
 * clock. A generator turns the first loop by hand: between two turns it sends what is due; the second loop lingers. So an
 * undisturbed message costs a turn of the first loop and one of the second, below 2 us, and what is above 100 us is the
 * machine: the figures machine-p99.9 and machine-max (support/gaps.h) say how late a thread is that does nothing at all.
 *
 * Raw: a slot of 64 bytes by value in a bare ck_ring, polled, on the same schedule: at half of what goes through libjzx.
 */
#include "raw/cell.h"
#include "support/affinity.h"
#include "support/check.h"
#include "support/gaps.h"
#include "support/memory.h"
#include "support/pair.h"
#include "support/world.h"
#include "workloads.h"

#include <ck_pr.h>
#include <ck_ring.h>
#include <stdlib.h>

CK_RING_PROTOTYPE(load_slot, raw_cell)

enum { TAG_ITEM = 1, SLOTS = 4096, MAILBOX_CAP = 8192 };
enum { CAPACITY_COUNT = 1000000, CAPACITY_QUICK_COUNT = 20000 };

/* What goes through, and how: sends one message that was due then, or says that there is no room; turns what must be. */
struct path {
    jzx_bench *bench; /* NULL: latencies do not count, it is a trial */
    bool (*send)(struct path *path, uint64_t due_ns);
    void (*turn)(struct path *path);
    uint64_t total;
    /* written by the generator */
    uint64_t sent __attribute__((aligned(64)));
    /* written by the receiver */
    uint64_t handled __attribute__((aligned(64)));
    uint64_t sum;
};

/* At the receiver: `number` is the message's, `due_ns` when it was due. Says whether it was the last. */
static bool path_take(struct path *path, uint64_t number, uint64_t due_ns)
{
    BENCH_CHECK(number == path->handled, "message %llu came as the one after %llu", (unsigned long long)number,
                (unsigned long long)path->handled);
    if (path->bench != NULL) {
        uint64_t now_ns = jzx_bench_now_ns();
        jzx_bench_latency(path->bench, now_ns > due_ns ? now_ns - due_ns : 0);
    }
    path->sum += number;
    ck_pr_store_64(&path->handled, path->handled + 1);
    return path->handled == path->total;
}

static void path_finish(struct path *path)
{
    while (ck_pr_load_64(&path->handled) < path->total) {
        path->turn(path);
    }
}

/* Sends one after the other, each with a look at the clock and a turn of its own. Returns how many went through in a second. */
static double path_flood(struct path *path)
{
    uint64_t began_ns = jzx_bench_now_ns();
    while (path->sent < path->total) {
        path->sent += path->send(path, jzx_bench_now_ns());
        path->turn(path);
    }
    path_finish(path);
    return (double)path->total * 1e9 / (double)(jzx_bench_now_ns() - began_ns);
}

/*
 * Sends by the schedule. What is due is taken from it whether there is room or not, and waits in `waiting`: a receiver that
 * stalls does not hold up the generator.
 */
static void path_load(struct path *path, double capacity)
{
    jzx_bench_load load;
    uint64_t *waiting = bench_memory_take(path->total * sizeof *waiting);
    jzx_bench_load_init(&load, path->bench, capacity, 0.5);
    uint64_t due = 0; /* so many were */
    uint64_t next_ns = jzx_bench_load_due(&load);
    while (path->sent < path->total) {
        uint64_t now_ns = jzx_bench_now_ns();
        for (; next_ns != 0 && next_ns <= now_ns; next_ns = jzx_bench_load_due(&load)) {
            jzx_bench_load_sent(&load);
            waiting[due++] = next_ns;
        }
        while (path->sent < due && path->send(path, waiting[path->sent])) {
            path->sent++;
        }
        path->turn(path);
    }
    path_finish(path);
    jzx_bench_load_end(&load);
    free(waiting);
}

static void path_prove(const struct path *path)
{
    uint64_t total = path->total;
    jzx_bench_prove(path->bench, "messages", path->handled, total);
    jzx_bench_prove(path->bench, "sum", path->sum, total * (total - 1) / 2);
}

/* ---- libjzx ---- */

struct loops {
    struct path path;
    struct world world;
    jzx_actor_id sink;
    cpu_set_t kept; /* of this thread before the first loop pinned it */
};

static bool send_message(struct path *path, uint64_t due_ns)
{
    struct loops *loops = (struct loops *)path;
    uint64_t words[4] = {path->sent, due_ns, 0, 0};
    jzx_message message = jzx_message_value(TAG_ITEM, words, sizeof words);
    jzx_err err = jzx_send(jzx_loop_context(loops->world.loops[0]), loops->sink, &message);
    BENCH_CHECK(err == JZX_OK || err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_MAILBOX_FULL, "send: %s",
                jzx_strerror(err));
    return err == JZX_OK;
}

static void turn_loop(struct path *path)
{
    struct loops *loops = (struct loops *)path;
    WORLD_CHECK(jzx_loop_run_once(loops->world.loops[0], 0));
}

static jzx_behavior_result receive(jzx_context *context, void *state, const jzx_message *message)
{
    struct path *path = state;
    (void)context;
    path_take(path, message->words[0], message->words[1]);
    return JZX_BEHAVIOR_OK;
}

static struct loops *loops_open(jzx_bench *bench, uint64_t total)
{
    struct loops *loops = bench_memory_take(sizeof *loops);
    loops->path.send = send_message;
    loops->path.turn = turn_loop;
    loops->path.total = total;
    loops->kept = affinity_keep();
    world_create(&loops->world, NULL, 2);
    world_add_loop(&loops->world, bench, 0);
    world_add_loop(&loops->world, bench, JZX_FOREVER);
    loops->sink = world_spawn_cap(&loops->world, 1, receive, &loops->path, MAILBOX_CAP);
    WORLD_CHECK(jzx_loop_start(loops->world.loops[1]));
    turn_loop(&loops->path);
    return loops;
}

static void loops_close(struct loops *loops)
{
    jzx_err err;
    WORLD_CHECK(jzx_runtime_request_stop(loops->world.runtime));
    while ((err = jzx_loop_run_once(loops->world.loops[0], 0)) == JZX_OK) {
    }
    BENCH_CHECK(err == JZX_ERR_LOOP_CLOSED, "the end: %s", jzx_strerror(err));
    WORLD_CHECK(jzx_loop_join(loops->world.loops[1], NULL));
    world_close(&loops->world);
    affinity_restore(&loops->kept);
    free(loops);
}

/* How many messages a second libjzx takes across: what both sides are loaded by. */
static double measure_capacity(jzx_bench *bench)
{
    if (jzx_bench_option(bench, "rate") != NULL) {
        return 0;
    }
    struct loops *loops = loops_open(bench, jzx_bench_quick(bench) ? CAPACITY_QUICK_COUNT : CAPACITY_COUNT);
    double capacity = path_flood(&loops->path);
    loops_close(loops);
    return capacity;
}

static void run_jzx(jzx_bench *bench, void *argument)
{
    (void)argument;
    world_need_cpus(bench, 2);
    gaps_tell(bench);
    double capacity = measure_capacity(bench);
    struct loops *loops = loops_open(bench, jzx_bench_count(bench));
    loops->path.bench = bench;
    path_load(&loops->path, capacity);
    path_prove(&loops->path);
    loops_close(loops);
}

/* ---- raw ---- */

struct raw {
    struct path path;
    double capacity;
    ck_ring_t ring __attribute__((aligned(128)));
    raw_cell slots[SLOTS] __attribute__((aligned(128)));
};

static bool send_slot(struct path *path, uint64_t due_ns)
{
    struct raw *raw = (struct raw *)path;
    uint64_t words[4] = {path->sent, due_ns, 0, 0};
    raw_cell cell = raw_cell_make(TAG_ITEM, words);
    return ck_ring_enqueue_spsc_load_slot(&raw->ring, raw->slots, &cell);
}

static void turn_nothing(struct path *path)
{
    (void)path;
    ck_pr_stall();
}

static void raw_send_all(void *context)
{
    struct raw *raw = context;
    path_load(&raw->path, raw->capacity);
}

static void raw_receive_all(void *context)
{
    struct raw *raw = context;
    raw_cell cell = {.tag = 0};
    do {
        while (!ck_ring_dequeue_spsc_load_slot(&raw->ring, raw->slots, &cell)) {
            ck_pr_stall();
        }
    } while (!path_take(&raw->path, cell.words[0], cell.words[1]));
}

static void run_raw(jzx_bench *bench, void *argument)
{
    (void)argument;
    world_need_cpus(bench, 2);
    struct raw *raw = bench_memory_take(sizeof *raw);
    gaps_tell(bench);
    raw->capacity = measure_capacity(bench);
    raw->path.bench = bench;
    raw->path.send = send_slot;
    raw->path.turn = turn_nothing;
    raw->path.total = jzx_bench_count(bench);
    ck_ring_init(&raw->ring, SLOTS);
    pair_run(bench, raw_send_all, raw_receive_all, raw);
    path_prove(&raw->path);
    free(raw);
}

static const jzx_bench_side sides[] = {{"jzx", run_jzx, NULL}, {"raw", run_raw, NULL}};

/* Where the machine is not itself late: see machine-p99.9 beside it. */
static const jzx_bench_goal goals[] = {{"p99.9", NULL, 100}};

static const jzx_bench_workload workloads[] = {
    {BENCH_WORKLOAD, .name = "latency/cross",
     .about = "a message between two loops at half of what they can do, open loop", .item = "message", .count = 1000000,
     .quick_count = 20000, .cpus = 2, BENCH_SIDES(sides), BENCH_GOALS(goals)},
};
const bench_group bench_load_cross = BENCH_GROUP(workloads);
