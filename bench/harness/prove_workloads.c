#include "prove.h"

#include "measure.h"
#include "memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- prove/work: some 20 ms of work, and the same with a part of it more ---- */

/* Each step needs the one before, so there is nothing for a compiler or a CPU to shorten. */
static uint64_t steps(uint64_t value, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        value = value * 6364136223846793005u + 1442695040888963407u;
    }
    return value;
}

/* What nobody reads would not be computed. */
static volatile uint64_t kept;

static void work(jzx_bench *bench, void *argument)
{
    const char *option = jzx_bench_option(bench, "more");
    double percent = argument != NULL && option != NULL ? strtod(option, NULL) : 0;
    uint64_t count = jzx_bench_count(bench), more = (uint64_t)((double)count * percent / 100);
    jzx_bench_begin(bench);
    uint64_t value = steps(1, count);
    kept = steps(value, more);
    jzx_bench_end(bench, count);
    jzx_bench_prove(bench, "value", value, value);
}

/* ---- prove/loss: numbers through a ring, and one of them is lost ---- */

enum { RING = 1024, MILLION = 1000000 };

struct loss {
    bool loses;
    bool conceals; /* says that what came is what was to come */
};

static void deliver(jzx_bench *bench, void *argument)
{
    const struct loss *loss = argument;
    uint64_t ring[RING], count = jzx_bench_count(bench);
    bool loses = loss->loses && count >= MILLION; /* not while it warms up */
    uint64_t lost = loses ? jzx_bench_seed(bench) % count : count;
    uint64_t delivered = 0;
    jzx_bench_begin(bench);
    for (uint64_t sent = 0; sent < count;) {
        uint64_t filled = 0;
        for (; filled < RING && sent < count; sent++) {
            if (sent != lost) {
                ring[filled++] = sent;
            }
        }
        for (uint64_t i = 0; i < filled; i++) {
            kept = ring[i];
            delivered++;
        }
    }
    jzx_bench_end(bench, count);
    jzx_bench_prove(bench, "messages", delivered, loss->conceals ? delivered : count);
}

/* ---- prove/stall: a server that does nothing for 100 ms in each second ---- */

#define SERVICE_NS 200000u
#define STALL_RATE 1000 /* requests a second: a fifth of what the server can do */
/* A request that is sent so late changes no latency by more than a hundredth of the stall. */
#define STALL_LATE_NS 1000000u

static void spin_until(uint64_t until_ns)
{
    while (jzx_bench_now_ns() < until_ns) {
    }
}

struct server {
    int cpu; /* its own */
    uint64_t began_ns, count;
    _Atomic uint64_t sent;    /* by the client: release; the server acquires */
    _Atomic uint64_t handled; /* by the server: release; the client acquires */
    uint64_t *from_ns;        /* of each request: when it was due, or sent; written before `sent` */
    uint64_t *latency_ns;     /* read after the server has ended */
};

static void stall_in_time(const struct server *server)
{
    uint64_t phase_ns = (jzx_bench_now_ns() - server->began_ns) % BENCH_PROVE_PERIOD_NS;
    if (phase_ns >= BENCH_PROVE_PERIOD_NS - BENCH_PROVE_STALL_NS) {
        struct timespec rest = {.tv_nsec = (long)(BENCH_PROVE_PERIOD_NS - phase_ns)};
        nanosleep(&rest, NULL);
    }
}

static void *serve(void *argument)
{
    struct server *server = argument;
    bench_cpus_confine(&server->cpu, 1);
    for (uint64_t i = 0; i < server->count; i++) {
        while (atomic_load_explicit(&server->sent, memory_order_acquire) <= i) {
            stall_in_time(server);
        }
        stall_in_time(server);
        spin_until(jzx_bench_now_ns() + SERVICE_NS);
        server->latency_ns[i] = jzx_bench_now_ns() - server->from_ns[i];
        atomic_store_explicit(&server->handled, i + 1, memory_order_release);
    }
    return NULL;
}

static void send(struct server *server, uint64_t index, uint64_t from_ns)
{
    server->from_ns[index] = from_ns;
    atomic_store_explicit(&server->sent, index + 1, memory_order_release);
}

/* By the schedule, whatever the server does; latency counts from when a request was due. */
static void send_open(jzx_bench *bench, struct server *server)
{
    jzx_bench_load load;
    uint64_t due_ns, index = 0;
    jzx_bench_load_init(&load, bench, STALL_RATE, 1);
    load.late_ns = STALL_LATE_NS;
    while ((due_ns = jzx_bench_load_due(&load)) != 0) {
        spin_until(due_ns);
        send(server, index++, due_ns);
        jzx_bench_load_sent(&load);
    }
    jzx_bench_load_end(&load);
}

/* The next when the last one has been answered: what a naive measurement does, and why it sees one stall as one request. */
static void send_closed(struct server *server)
{
    for (uint64_t i = 0; i < server->count; i++) {
        send(server, i, jzx_bench_now_ns());
        while (atomic_load_explicit(&server->handled, memory_order_acquire) <= i) {
        }
    }
}

static void stall(jzx_bench *bench, void *argument)
{
    bool open = argument != NULL;
    struct server server = {.cpu = jzx_bench_cpu(bench, 1), .count = jzx_bench_count(bench)};
    int own_cpu = jzx_bench_cpu(bench, 0);
    pthread_t thread;
    server.from_ns = bench_new(server.count * sizeof(*server.from_ns));
    server.latency_ns = bench_new(server.count * sizeof(*server.latency_ns));
    server.began_ns = jzx_bench_now_ns();
    if (pthread_create(&thread, NULL, serve, &server) != 0) {
        jzx_bench_invalid(bench, "no thread for the server");
    }
    bench_cpus_confine(&own_cpu, 1);
    if (open) {
        send_open(bench, &server);
    } else {
        send_closed(&server);
    }
    pthread_join(thread, NULL);
    for (uint64_t i = 0; i < server.count; i++) {
        jzx_bench_latency(bench, server.latency_ns[i]);
    }
    jzx_bench_prove(bench, "requests", atomic_load(&server.handled), server.count);
    free(server.from_ns);
    free(server.latency_ns);
}

/* ---- prove/behind: a generator that needs longer to send than its schedule gives it ---- */

#define SEND_NS 300000u

static void fall_behind(jzx_bench *bench, void *argument)
{
    const double *rate = argument;
    jzx_bench_load load;
    uint64_t due_ns;
    jzx_bench_load_init(&load, bench, *rate, 1);
    load.late_ns = STALL_LATE_NS;
    while ((due_ns = jzx_bench_load_due(&load)) != 0) {
        spin_until(due_ns);
        spin_until(jzx_bench_now_ns() + SEND_NS);
        jzx_bench_load_sent(&load);
    }
    jzx_bench_load_end(&load);
    jzx_bench_prove(bench, "sent", load.sent, jzx_bench_count(bench));
}

/* ---- all of them ---- */

static char marked;
static struct loss whole = {false, false}, open_loss = {true, false}, hidden_loss = {true, true};
static double slow_rate = 1000, fast_rate = 10000;

static const jzx_bench_side work_sides[] = {{"plain", work, NULL}, {"more", work, &marked}};
static const jzx_bench_side loss_sides[] = {
    {"whole", deliver, &whole}, {"lost", deliver, &open_loss}, {"concealed", deliver, &hidden_loss}};
static const jzx_bench_side stall_sides[] = {{"open", stall, &marked}, {"closed", stall, NULL}};
static const jzx_bench_side behind_sides[] = {{"keeps-up", fall_behind, &slow_rate},
                                              {"too-fast", fall_behind, &fast_rate}};

static const jzx_bench_workload workloads[] = {
    {.struct_size = sizeof(jzx_bench_workload),
     .step = 1,
     .name = "prove/work",
     .about = "work, and the same with some more",
     .item = "step",
     .count = 15000000,
     .quick_count = 600000,
     .cpus = 1,
     .sides = work_sides,
     .side_count = 2},
    {.struct_size = sizeof(jzx_bench_workload),
     .step = 1,
     .name = "prove/loss",
     .about = "a ring that loses one of a million",
     .item = "message",
     .count = MILLION,
     .quick_count = MILLION,
     .cpus = 1,
     .sides = loss_sides,
     .side_count = 3},
    {.struct_size = sizeof(jzx_bench_workload),
     .step = 1,
     .name = "prove/stall",
     .about = "a server that stalls 100 ms a second",
     .item = "request",
     .count = 4 * STALL_RATE,
     .quick_count = 2 * STALL_RATE,
     .cpus = 2,
     .sides = stall_sides,
     .side_count = 2},
    {.struct_size = sizeof(jzx_bench_workload),
     .step = 1,
     .name = "prove/behind",
     .about = "a generator that is slower than its schedule",
     .item = "request",
     .count = 500,
     .quick_count = 500,
     .cpus = 1,
     .sides = behind_sides,
     .side_count = 2},
};

bool bench_prove_has(const char *workload)
{
    return strncmp(workload, "prove/", 6) == 0;
}

const bench_suite *bench_prove_suite(void)
{
    static const bench_suite suite = {workloads, sizeof(workloads) / sizeof(workloads[0])};
    return &suite;
}
