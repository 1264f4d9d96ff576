/*
 * wake.c: what does it cost to wake a loop that sleeps in the kernel?
 *
 * One way: the sender's loop lingers and sends from the handler of a timer, the receiver sleeps; from just before the send
 * to the handler. Round trip: both sleep whenever they wait. What a busy turn adds is turn_latency.c's question.
 *
 * Raw: raw/doorbell.h. One way it is submitted at once; in a round trip it rides on the submit-and-wait that puts its
 * sender to sleep.
 */
#include "raw/doorbell.h"
#include "support/pair.h"
#include "support/world.h"
#include "workloads.h"

#include <ck_pr.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_START = 1, TAG_RING = 2, TAG_TRIP = 3, TAG_TICK = 4 };
enum { SLEEP_NS = 100000, TICK_NS = 10000 };

/* ---- one way, shared by both sides ---- */

/* The waker waits for `seen`, gives the sleeper time to sleep, then sends. */
struct wakes {
    jzx_bench *bench;
    uint64_t total;
    uint64_t sent;                              /* waker */
    uint64_t next_ns;                           /* waker: not before */
    uint64_t noted;                             /* waker: the `seen` that next_ns belongs to */
    uint64_t sum;                               /* sleeper */
    uint64_t seen __attribute__((aligned(64))); /* written by the sleeper, read by the waker */
};

static struct wakes wakes_make(jzx_bench *bench)
{
    return (struct wakes){.bench = bench, .total = jzx_bench_count(bench), .noted = UINT64_MAX};
}

/* In the sleeper: takes one wake that was sent at `sent_ns`. Says whether it was the last. */
static bool wakes_take(struct wakes *wakes, uint64_t sent_ns, uint64_t number)
{
    jzx_bench_latency(wakes->bench, jzx_bench_now_ns() - sent_ns);
    wakes->sum += number;
    uint64_t seen = wakes->seen + 1;
    ck_pr_store_64(&wakes->seen, seen);
    return seen == wakes->total;
}

/* In the waker: whether the sleeper has had its time to fall asleep. */
static bool wakes_due(struct wakes *wakes)
{
    uint64_t seen = ck_pr_load_64(&wakes->seen);
    if (seen != wakes->sent) {
        return false;
    }
    if (wakes->noted != seen) {
        wakes->noted = seen;
        wakes->next_ns = jzx_bench_now_ns() + SLEEP_NS;
    }
    return jzx_bench_now_ns() >= wakes->next_ns;
}

static void wakes_prove(const struct wakes *wakes)
{
    jzx_bench_prove(wakes->bench, "wakes", wakes->seen, wakes->total);
    jzx_bench_prove(wakes->bench, "sum", wakes->sum, wakes->total * (wakes->total - 1) / 2);
}

/* ---- one way: libjzx ---- */

struct waker {
    struct wakes wakes;
    jzx_runtime *runtime;
    jzx_actor_id sleeper;
};

static jzx_behavior_result wake(jzx_context *context, void *state, const jzx_message *message)
{
    struct waker *waker = state;
    struct wakes *wakes = &waker->wakes;
    if (message->tag == TAG_START) {
        jzx_message tick = jzx_message_empty(TAG_TICK);
        WORLD_CHECK(jzx_timer_every(context, TICK_NS, JZX_TICKS_SKIP, &tick, NULL));
    } else if (wakes->sent < wakes->total && wakes_due(wakes)) {
        uint64_t words[2] = {wakes->sent, jzx_bench_now_ns()};
        jzx_message ring = jzx_message_value(TAG_RING, words, sizeof words);
        WORLD_CHECK(jzx_send(context, waker->sleeper, &ring));
        wakes->sent++;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result sleeper(jzx_context *context, void *state, const jzx_message *message)
{
    struct waker *waker = state;
    (void)context;
    if (wakes_take(&waker->wakes, message->words[1], message->words[0])) {
        WORLD_CHECK(jzx_runtime_request_stop(waker->runtime));
    }
    return JZX_BEHAVIOR_OK;
}

/* A wake of a loop that did not sleep would be cheap and wrong. */
static void check_parks(const struct world *world, uint64_t total)
{
    jzx_counters counters;
    WORLD_CHECK(jzx_loop_stats(world->loops[1], &counters));
    BENCH_CHECK(counters.parks >= total - total / 10, "the receiver slept %llu times only",
                (unsigned long long)counters.parks);
}

static void run_wake(jzx_bench *bench, void *argument)
{
    (void)argument;
    world_need_cpus(bench, 2);
    struct waker waker = {.wakes = wakes_make(bench)};
    struct world world;
    world_create(&world, NULL, 2);
    world_add_loop(&world, bench, JZX_FOREVER);
    world_add_loop(&world, bench, 0);
    waker.runtime = world.runtime;
    waker.sleeper = world_spawn(&world, 1, sleeper, &waker);
    world_tell(&world, world_spawn(&world, 0, wake, &waker), TAG_START);
    world_run(&world);
    check_parks(&world, waker.wakes.total);
    world_close(&world);
    wakes_prove(&waker.wakes);
}

/* ---- one way: raw ---- */

struct raw_wakes {
    struct wakes wakes;
    uint64_t sent_ns __attribute__((aligned(64))); /* written by the waker before each wake */
    int sleeper_fd;                                /* -1 until the sleeper has its ring */
};

static void raw_wake(void *context)
{
    struct raw_wakes *raw = context;
    struct wakes *wakes = &raw->wakes;
    struct io_uring ring;
    int own_fd = -1;
    raw_doorbell_open(&ring, &own_fd);
    int fd = raw_doorbell_wait_fd(&raw->sleeper_fd);
    while (wakes->sent < wakes->total) {
        if (wakes_due(wakes)) {
            ck_pr_store_64(&raw->sent_ns, jzx_bench_now_ns());
            raw_doorbell_prepare(&ring, fd, wakes->sent);
            wakes->sent++;
            raw_doorbell_submit(&ring);
        }
    }
    /* The ring must outlive the last doorbell. */
    while (ck_pr_load_64(&wakes->seen) != wakes->total) {
        ck_pr_stall();
    }
    io_uring_queue_exit(&ring);
}

static void raw_sleep(void *context)
{
    struct raw_wakes *raw = context;
    struct io_uring ring;
    raw_doorbell_open(&ring, &raw->sleeper_fd);
    bool last = false;
    while (!last) {
        uint64_t number = raw_doorbell_sleep(&ring);
        last = wakes_take(&raw->wakes, ck_pr_load_64(&raw->sent_ns), number);
    }
    io_uring_queue_exit(&ring);
}

static void run_raw_wake(jzx_bench *bench, void *argument)
{
    (void)argument;
    world_need_cpus(bench, 2);
    struct raw_wakes raw = {.wakes = wakes_make(bench), .sleeper_fd = -1};
    pair_run(bench, raw_wake, raw_sleep, &raw);
    wakes_prove(&raw.wakes);
}

/* ---- round trip, shared by both sides: what the first of the two counts ---- */

struct trips {
    jzx_bench *bench;
    uint64_t total;
    uint64_t count;
    uint64_t sum;
    uint64_t sent_ns;
};

static struct trips trips_make(jzx_bench *bench)
{
    return (struct trips){.bench = bench, .total = jzx_bench_count(bench)};
}

/* Says whether it was the last. */
static bool trips_take(struct trips *trips, uint64_t value)
{
    jzx_bench_latency(trips->bench, jzx_bench_now_ns() - trips->sent_ns);
    trips->sum += value;
    return ++trips->count == trips->total;
}

/* The value starts at 0 and grows by one at each end of the way back, so it comes back with 1, 3, 5 ... */
static void trips_prove(const struct trips *trips)
{
    jzx_bench_prove(trips->bench, "trips", trips->count, trips->total);
    jzx_bench_prove(trips->bench, "sum", trips->sum, trips->total * trips->total);
}

/* ---- round trip: libjzx ---- */

struct traveller {
    jzx_runtime *runtime;
    jzx_actor_id peer;
    struct trips *trips; /* of the first alone */
};

static jzx_behavior_result travel(jzx_context *context, void *state, const jzx_message *message)
{
    struct traveller *self = state;
    uint64_t value = message->words[0] + 1;
    if (message->tag == TAG_START) {
        value = 0;
    } else if (self->trips != NULL && trips_take(self->trips, message->words[0])) {
        WORLD_CHECK(jzx_runtime_request_stop(self->runtime));
        return JZX_BEHAVIOR_OK;
    }
    if (self->trips != NULL) {
        self->trips->sent_ns = jzx_bench_now_ns();
    }
    jzx_message next = jzx_message_value(TAG_TRIP, &value, sizeof value);
    WORLD_CHECK(jzx_send(context, self->peer, &next));
    return JZX_BEHAVIOR_OK;
}

static void run_trip(jzx_bench *bench, void *argument)
{
    (void)argument;
    world_need_cpus(bench, 2);
    struct trips trips = trips_make(bench);
    struct world world;
    world_open(&world, bench, NULL, 2);
    struct traveller first = {.runtime = world.runtime, .trips = &trips};
    struct traveller second = {.runtime = world.runtime};
    second.peer = world_spawn(&world, 0, travel, &first);
    first.peer = world_spawn(&world, 1, travel, &second);
    world_tell(&world, second.peer, TAG_START);
    world_run(&world);
    world_close(&world);
    trips_prove(&trips);
}

/* ---- round trip: raw ---- */

struct raw_trip {
    struct trips trips;
    int fds[2]; /* -1 until that side has its ring */
};

static void raw_travel_first(void *context)
{
    struct raw_trip *trip = context;
    struct io_uring ring;
    raw_doorbell_open(&ring, &trip->fds[0]);
    int peer = raw_doorbell_wait_fd(&trip->fds[1]);
    uint64_t value = 0;
    bool over = false;
    while (!over) {
        trip->trips.sent_ns = jzx_bench_now_ns();
        raw_doorbell_prepare(&ring, peer, value);
        value = raw_doorbell_sleep(&ring);
        over = trips_take(&trip->trips, value);
        value++;
    }
    io_uring_queue_exit(&ring);
}

static void raw_travel_second(void *context)
{
    struct raw_trip *trip = context;
    struct io_uring ring;
    raw_doorbell_open(&ring, &trip->fds[1]);
    int peer = raw_doorbell_wait_fd(&trip->fds[0]);
    uint64_t value = raw_doorbell_sleep(&ring);
    for (uint64_t i = 1; i < trip->trips.total; i++) {
        raw_doorbell_prepare(&ring, peer, value + 1);
        value = raw_doorbell_sleep(&ring);
    }
    raw_doorbell_prepare(&ring, peer, value + 1);
    raw_doorbell_submit(&ring);
    io_uring_queue_exit(&ring);
}

static void run_raw_trip(jzx_bench *bench, void *argument)
{
    (void)argument;
    world_need_cpus(bench, 2);
    struct raw_trip trip = {.trips = trips_make(bench), .fds = {-1, -1}};
    pair_run(bench, raw_travel_first, raw_travel_second, &trip);
    trips_prove(&trip.trips);
}

/* ---- the workloads ---- */

static const jzx_bench_side wake_sides[] = {{"jzx", run_wake, NULL}, {"raw", run_raw_wake, NULL}};
static const jzx_bench_side trip_sides[] = {{"jzx", run_trip, NULL}, {"raw", run_raw_trip, NULL}};

static const jzx_bench_goal goals[] = {{"p50", "raw", 1.1}, {"p99", "raw", 1.1}};

static const jzx_bench_workload workloads[] = {
    {BENCH_WORKLOAD, .name = "wake/parked", .about = "a message to a loop that sleeps in the kernel", .item = "wake",
     .count = 3000, .quick_count = 200, .cpus = 2, BENCH_SIDES(wake_sides), BENCH_GOALS(goals)},
    {BENCH_WORKLOAD, .name = "wake/round-trip", .about = "a round trip of two loops that sleep between", .item = "trip",
     .count = 10000, .quick_count = 200, .cpus = 2, BENCH_SIDES(trip_sides), BENCH_GOALS(goals)},
};

const bench_group bench_wake = BENCH_GROUP(workloads);
