/*
 * wake.c: what does it cost to wake a loop that sleeps in the kernel?
 *
 * One way: the sender's loop lingers and sends from the handler of a timer, the receiver sleeps; from just before the send
 * to the handler. Round trip: both sleep whenever they wait. What a busy turn adds is turn_latency.c's question.
 *
 * Raw: two rings with DEFER_TASKRUN and nothing else. One way: IORING_OP_MSG_RING submitted at once. Round trip: the
 * MSG_RING entry rides on the submit-and-wait that puts its sender to sleep, the cheapest way measured.
 */
#include "pair.h"
#include "world.h"

#include <ck_pr.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_START = 1, TAG_RING = 2, TAG_TRIP = 3, TAG_TICK = 4 };
enum { RING_ENTRIES = 8, SLEEP_NS = 100000, TICK_NS = 10000, WARM_UP = 50 };

/* ---- shared by both sides ---- */

/* One-way wakes: the waker waits for `seen`, gives the sleeper time to sleep, then sends. */
struct wakes {
    double *samples; /* ns, written by the sleeper */
    uint64_t total;
    uint64_t sent;                              /* waker */
    uint64_t next_ns;                           /* waker: not before */
    uint64_t noted;                             /* waker: the `seen` that next_ns belongs to */
    uint64_t sum;                               /* sleeper */
    uint64_t seen __attribute__((aligned(64))); /* written by the sleeper, read by the waker */
};

static struct wakes wakes_make(uint64_t total)
{
    struct wakes wakes = {.total = total, .noted = UINT64_MAX};
    wakes.samples = calloc(total, sizeof *wakes.samples);
    BENCH_CHECK(wakes.samples != NULL, "out of memory");
    return wakes;
}

/* In the sleeper: takes one wake that was sent at `sent_ns`. */
static bool wakes_take(struct wakes *wakes, uint64_t sent_ns, uint64_t number)
{
    wakes->samples[wakes->seen] = (double)(bench_now_ns() - sent_ns);
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
        wakes->next_ns = bench_now_ns() + SLEEP_NS;
    }
    return bench_now_ns() >= wakes->next_ns;
}

/* The median in us of all but the first few. */
static double wakes_result(struct wakes *wakes)
{
    BENCH_CHECK(wakes->seen == wakes->total, "not every wake arrived");
    BENCH_CHECK(wakes->sum == wakes->total * (wakes->total - 1) / 2, "the wakes add up wrongly");
    double median = bench_percentile(wakes->samples + WARM_UP, wakes->total - WARM_UP, 0.5);
    free(wakes->samples);
    return median / 1000;
}

/* ---- one way: ours ---- */

struct waker {
    struct wakes wakes;
    jzx_runtime *runtime;
    jzx_actor_id sleeper;
    uint64_t parks_before;
};

static jzx_behavior_result wake(jzx_context *context, void *state, const jzx_message *message)
{
    struct waker *waker = state;
    struct wakes *wakes = &waker->wakes;
    if (message->tag == TAG_START) {
        jzx_message tick = jzx_message_empty(TAG_TICK);
        WORLD_CHECK(jzx_timer_every(context, TICK_NS, JZX_TICKS_SKIP, &tick, NULL));
    } else if (wakes->sent < wakes->total && wakes_due(wakes)) {
        uint64_t words[2] = {wakes->sent, bench_now_ns()};
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

static double wake_ours(uint64_t total)
{
    struct waker *waker = aligned_alloc(64, sizeof *waker);
    BENCH_CHECK(waker != NULL, "out of memory");
    memset(waker, 0, sizeof *waker);
    waker->wakes = wakes_make(total);
    struct world world;
    world_shape shape = world_shape_two(JZX_FOREVER, 0);
    world_open(&world, NULL, &shape);
    waker->runtime = world.runtime;
    waker->sleeper = world_spawn(&world, 1, sleeper, waker);
    world_tell(&world, world_spawn(&world, 0, wake, waker), TAG_START);
    world_run(&world);
    jzx_counters counters;
    WORLD_CHECK(jzx_loop_stats(world.loops[1], &counters));
    BENCH_CHECK(counters.parks >= total - total / 10, "the receiver slept %llu times only",
                (unsigned long long)counters.parks);
    world_close(&world);
    double result = wakes_result(&waker->wakes);
    free(waker);
    return result;
}

/* ---- one way: raw ---- */

struct raw_wakes {
    struct wakes wakes;
    uint64_t sent_ns __attribute__((aligned(64))); /* written by the waker before each wake */
    int sleeper_fd;                                /* -1 until the sleeper has its ring */
};

static void open_ring(struct io_uring *ring)
{
    unsigned flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    int result = io_uring_queue_init(RING_ENTRIES, ring, flags);
    BENCH_CHECK(result == 0, "io_uring: %s", strerror(-result));
    BENCH_CHECK(io_uring_register_ring_fd(ring) == 1, "the ring's descriptor cannot be registered");
}

static int wait_fd(int *fd)
{
    int value;
    while ((value = ck_pr_load_int(fd)) < 0) {
        ck_pr_stall();
    }
    ck_pr_fence_load();
    return value;
}

static void prepare_doorbell(struct io_uring *ring, int fd, uint64_t data)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(ring);
    BENCH_CHECK(entry != NULL, "the ring is full");
    io_uring_prep_msg_ring(entry, fd, 0, data, 0);
    entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

/* Waits in the kernel for one doorbell and gives its data. */
static uint64_t sleep_once(struct io_uring *ring)
{
    struct io_uring_cqe *completion = NULL;
    int result;
    do {
        result = io_uring_submit_and_wait(ring, 1);
        BENCH_CHECK(result >= 0 || result == -EINTR, "wait: %s", strerror(-result));
    } while (io_uring_peek_cqe(ring, &completion) != 0);
    BENCH_CHECK(completion->res == 0, "doorbell: %s", strerror(-completion->res));
    uint64_t data = completion->user_data;
    io_uring_cqe_seen(ring, completion);
    return data;
}

static void raw_wake(void *context)
{
    struct raw_wakes *raw = context;
    struct wakes *wakes = &raw->wakes;
    struct io_uring ring;
    open_ring(&ring);
    int fd = wait_fd(&raw->sleeper_fd);
    while (wakes->sent < wakes->total) {
        if (wakes_due(wakes)) {
            ck_pr_store_64(&raw->sent_ns, bench_now_ns());
            prepare_doorbell(&ring, fd, wakes->sent);
            wakes->sent++;
            BENCH_CHECK(io_uring_submit(&ring) == 1, "the doorbell was not submitted");
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
    open_ring(&ring);
    ck_pr_store_int(&raw->sleeper_fd, ring.ring_fd);
    bool last = false;
    while (!last) {
        uint64_t number = sleep_once(&ring);
        last = wakes_take(&raw->wakes, ck_pr_load_64(&raw->sent_ns), number);
    }
    io_uring_queue_exit(&ring);
}

static double wake_raw(uint64_t total)
{
    struct raw_wakes *raw = aligned_alloc(64, sizeof *raw);
    BENCH_CHECK(raw != NULL, "out of memory");
    memset(raw, 0, sizeof *raw);
    raw->wakes = wakes_make(total);
    raw->sleeper_fd = -1;
    pair_run(raw_wake, raw_sleep, raw);
    double result = wakes_result(&raw->wakes);
    free(raw);
    return result;
}

static void run_wake(const bench_run *run)
{
    static const char *const rows[] = {"wake of a parked loop, p50"};
    if (!bench_two_cpus(run, rows, 1)) {
        return;
    }
    uint64_t total = bench_scale(run, 3000, 200);
    bench_series ours = {.count = 0};
    bench_series raw = {.count = 0};
    for (int i = 0; i < run->repeat; i++) {
        bench_add(&ours, wake_ours(total));
        bench_add(&raw, wake_raw(total));
    }
    bench_report(run, rows[0], "us", &ours, &raw, (bench_target){BENCH_RATIO_AT_MOST, 1.1});
}

/* ---- round trip: ours ---- */

/* What the first of the two counts, on both sides. */
struct trips {
    double *samples; /* ns */
    uint64_t total;
    uint64_t count;
    uint64_t sum;
    uint64_t sent_ns;
};

static struct trips trips_make(uint64_t total)
{
    struct trips trips = {.total = total};
    trips.samples = calloc(total, sizeof *trips.samples);
    BENCH_CHECK(trips.samples != NULL, "out of memory");
    return trips;
}

static bool trips_take(struct trips *trips, uint64_t value)
{
    trips->samples[trips->count] = (double)(bench_now_ns() - trips->sent_ns);
    trips->sum += value;
    return ++trips->count == trips->total;
}

static double trips_result(struct trips *trips)
{
    BENCH_CHECK(trips->count == trips->total, "not every trip was made");
    /* The value starts at 0 and grows by one at each end of the way back. */
    BENCH_CHECK(trips->sum == trips->total * trips->total, "the trips add up wrongly");
    double median = bench_percentile(trips->samples + WARM_UP, trips->total - WARM_UP, 0.5);
    free(trips->samples);
    return median / 1000;
}

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
        self->trips->sent_ns = bench_now_ns();
    }
    jzx_message next = jzx_message_value(TAG_TRIP, &value, sizeof value);
    WORLD_CHECK(jzx_send(context, self->peer, &next));
    return JZX_BEHAVIOR_OK;
}

static double trip_ours(uint64_t total)
{
    struct trips trips = trips_make(total);
    struct world world;
    world_shape shape = world_shape_two(0, 0);
    world_open(&world, NULL, &shape);
    struct traveller first = {.runtime = world.runtime, .trips = &trips};
    struct traveller second = {.runtime = world.runtime};
    second.peer = world_spawn(&world, 0, travel, &first);
    first.peer = world_spawn(&world, 1, travel, &second);
    world_tell(&world, second.peer, TAG_START);
    world_run(&world);
    world_close(&world);
    return trips_result(&trips);
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
    open_ring(&ring);
    ck_pr_store_int(&trip->fds[0], ring.ring_fd);
    int peer = wait_fd(&trip->fds[1]);
    uint64_t value = 0;
    bool over = false;
    while (!over) {
        trip->trips.sent_ns = bench_now_ns();
        prepare_doorbell(&ring, peer, value);
        value = sleep_once(&ring);
        over = trips_take(&trip->trips, value);
        value++;
    }
    io_uring_queue_exit(&ring);
}

static void raw_travel_second(void *context)
{
    struct raw_trip *trip = context;
    struct io_uring ring;
    open_ring(&ring);
    ck_pr_store_int(&trip->fds[1], ring.ring_fd);
    int peer = wait_fd(&trip->fds[0]);
    uint64_t value = sleep_once(&ring);
    for (uint64_t i = 1; i < trip->trips.total; i++) {
        prepare_doorbell(&ring, peer, value + 1);
        value = sleep_once(&ring);
    }
    prepare_doorbell(&ring, peer, value + 1);
    BENCH_CHECK(io_uring_submit(&ring) == 1, "the last doorbell was not submitted");
    io_uring_queue_exit(&ring);
}

static double trip_raw(uint64_t total)
{
    struct raw_trip trip = {.trips = trips_make(total), .fds = {-1, -1}};
    pair_run(raw_travel_first, raw_travel_second, &trip);
    return trips_result(&trip.trips);
}

static void run_trip(const bench_run *run)
{
    static const char *const rows[] = {"round trip of two parking loops, p50"};
    if (!bench_two_cpus(run, rows, 1)) {
        return;
    }
    uint64_t total = bench_scale(run, 10000, 200);
    bench_series ours = {.count = 0};
    bench_series raw = {.count = 0};
    for (int i = 0; i < run->repeat; i++) {
        bench_add(&ours, trip_ours(total));
        bench_add(&raw, trip_raw(total));
    }
    bench_report(run, rows[0], "us", &ours, &raw, (bench_target){BENCH_RATIO_AT_MOST, 1.1});
}

const struct bench bench_wake = {"wake", "a message to a loop that sleeps in the kernel", run_wake};
const struct bench bench_parked_trip = {"parked-trip", "a round trip of two loops that sleep between", run_trip};
