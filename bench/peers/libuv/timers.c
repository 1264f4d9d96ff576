/*
 * timers.c: a million timers of one libuv loop, each a handle of its own, as programs embed them in what they time. A handle
 * is initialised before and closed after, outside of what is measured. To start one that is active starts it again.
 *
 * libuv counts in milliseconds, so deadlines to expire are spread over a second.
 */
#include "peer.h"

#include <stdlib.h>
#include <uv.h>

enum { FAR_MS = 60000, SPREAD_MS = 100000, DUE_MS = 1000 };

struct clockwork {
    uv_loop_t loop;
    uv_timer_t *timers;
    uint32_t *order; /* a shuffle of 0 .. count - 1 */
    uint64_t *far_ms;
    uint64_t count;
    uint64_t random;
    uint64_t expired;
    uint64_t sum;
};

static uint64_t draw(struct clockwork *clockwork, uint64_t limit)
{
    uint64_t x = clockwork->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    clockwork->random = x;
    return (x >> 32) * limit >> 32;
}

static void on_far(uv_timer_t *timer)
{
    (void)timer;
    peer_invalid("a timer of a minute expired early");
}

static void on_due(uv_timer_t *timer)
{
    struct clockwork *clockwork = timer->loop->data;
    clockwork->expired++;
    clockwork->sum += (uintptr_t)timer->data;
}

static void start_all(struct clockwork *clockwork)
{
    for (uint64_t i = 0; i < clockwork->count; i++) {
        uv_timer_start(&clockwork->timers[i], on_far, clockwork->far_ms[i], 0);
    }
}

static void cancel_all(struct clockwork *clockwork)
{
    for (uint64_t i = 0; i < clockwork->count; i++) {
        uv_timer_stop(&clockwork->timers[clockwork->order[i]]);
    }
}

static void rearm_all(struct clockwork *clockwork)
{
    for (uint64_t i = 0; i < clockwork->count; i++) {
        uv_timer_start(&clockwork->timers[clockwork->order[i]], on_far, clockwork->far_ms[i], 0);
    }
}

/* Deadlines that have passed when the loop looks at them. */
static void start_due(struct clockwork *clockwork)
{
    uv_update_time(&clockwork->loop);
    for (uint64_t i = 0; i < clockwork->count; i++) {
        uv_timer_start(&clockwork->timers[i], on_due, draw(clockwork, DUE_MS), 0);
    }
    uv_sleep(DUE_MS + 1);
}

static void expire_all(struct clockwork *clockwork)
{
    uv_run(&clockwork->loop, UV_RUN_NOWAIT);
}

static void time_all(const peer_run *run, struct clockwork *clockwork, const char *name,
                     void (*operation)(struct clockwork *))
{
    uint64_t began_ns = uv_hrtime();
    operation(clockwork);
    peer_say(run, "time %s %llu %llu", name, (unsigned long long)(uv_hrtime() - began_ns),
             (unsigned long long)clockwork->count);
}

static void open_clockwork(struct clockwork *clockwork, const peer_run *run, bool random)
{
    *clockwork = (struct clockwork){.count = run->count, .random = run->seed | 1};
    clockwork->timers = calloc(run->count, sizeof *clockwork->timers);
    clockwork->order = calloc(run->count, sizeof *clockwork->order);
    clockwork->far_ms = calloc(run->count, sizeof *clockwork->far_ms);
    peer_check(clockwork->timers != NULL && clockwork->order != NULL && clockwork->far_ms != NULL, "calloc");
    peer_check(uv_loop_init(&clockwork->loop) == 0, "uv_loop_init");
    clockwork->loop.data = clockwork;
    for (uint32_t i = 0; i < run->count; i++) {
        uint64_t j = draw(clockwork, i + 1);
        clockwork->order[i] = clockwork->order[j];
        clockwork->order[j] = i;
        clockwork->far_ms[i] = FAR_MS + (random ? draw(clockwork, SPREAD_MS) : i % SPREAD_MS);
        uv_timer_init(&clockwork->loop, &clockwork->timers[i]);
        clockwork->timers[i].data = (void *)(uintptr_t)i;
    }
}

static void close_clockwork(struct clockwork *clockwork)
{
    for (uint64_t i = 0; i < clockwork->count; i++) {
        uv_close((uv_handle_t *)&clockwork->timers[i], NULL);
    }
    uv_run(&clockwork->loop, UV_RUN_DEFAULT);
    peer_check(uv_loop_close(&clockwork->loop) == 0, "uv_loop_close");
    free(clockwork->timers);
    free(clockwork->order);
    free(clockwork->far_ms);
}

void timers_measure(const peer_run *run, bool random)
{
    struct clockwork clockwork;
    open_clockwork(&clockwork, run, random);
    start_all(&clockwork); /* the first round makes all pages */
    cancel_all(&clockwork);
    time_all(run, &clockwork, "start", start_all);
    uint64_t started = 0;
    for (uint64_t i = 0; i < run->count; i++) {
        started += uv_is_active((uv_handle_t *)&clockwork.timers[i]) != 0;
    }
    time_all(run, &clockwork, "cancel", cancel_all);
    start_all(&clockwork);
    time_all(run, &clockwork, "rearm", rearm_all);
    cancel_all(&clockwork);
    start_due(&clockwork);
    time_all(run, &clockwork, "expire", expire_all);
    peer_check(clockwork.sum == run->count * (run->count - 1) / 2, "the sum of the timers that expired");
    peer_say(run, "proof timers %llu", (unsigned long long)started);
    peer_say(run, "proof expired %llu", (unsigned long long)clockwork.expired);
    close_clockwork(&clockwork);
}
