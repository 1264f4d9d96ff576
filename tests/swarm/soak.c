/*
 * soak: a day of a service: supervised workers with timers of 10 ms to 1 s, who tell a collector on another loop; a server
 * with clients that come and go, some of them rudely; a worker fails now and then. At each full hour the clients stay away
 * and nobody fails for a few seconds: then all that the service holds must be exactly what it held after the first hour.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/machine.h"
#include "tests/swarm/clients.h"
#include "tests/swarm/script.h"
#include "tests/swarm/swarm.h"

enum { TICK = 1, REPORT = 2, WORKERS = 12, GUESTS = 4 };
static const uint64_t MS = 1000000;
static const uint64_t SECOND = 1000000000;
static const uint64_t HOUR = 3600 * 1000000000ull;

/* What the service holds when all is quiet. */
typedef struct holding {
    uint64_t bytes, blocks, descriptors, operations, actors, timers, cells_free, sockets;
} holding;

enum { TICKS, FAILURES, GUESTS_SERVED, REPORTS, CPU_MS, HOURS, LOOPS, FIRST_BYTES, LAST_BYTES, DIFFERENT };

typedef struct soak {
    uint64_t hours;
    tally *tally;
    stand *stand;
    clients guests;
    bool calm; /* no failures, no guests */
    bool over;
    uint64_t ticks, failures, reports, served;
} soak;

static soak *current;

/* ---- the service ---- */

static void worker_begins(part *self, jzx_context *context)
{
    jzx_message tick = jzx_message_empty(TICK);
    JZX_SIM_REQUIRE(self->stand->sim,
                    jzx_timer_every(context, self->a * MS, JZX_TICKS_SKIP, &tick, &self->timer) == JZX_OK);
}

static jzx_behavior_result worker(part *self, jzx_context *context, const jzx_message *message)
{
    soak *day = current;
    stand *s = self->stand;
    if (message->tag != TICK) {
        return JZX_BEHAVIOR_OK;
    }
    day->ticks++;
    self->b++;
    if (self->b % 8 == 0 && self->other->alive == 1) {
        jzx_message report = stand_payload(s, REPORT, self->b);
        if (jzx_send(context, self->other->id, &report) != JZX_OK) {
            stand_unsent(s, &report);
        }
    }
    /* Once in 200 s or so, whatever the period. */
    if (!day->calm && jzx_sim_between(s->sim, 0, 200000 / self->a) == 0) {
        day->failures++;
        return JZX_BEHAVIOR_FAIL;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result collector(part *self, jzx_context *context, const jzx_message *message)
{
    (void)context;
    if (message->tag == REPORT) {
        (void)stand_took(self->stand, message);
        current->reports++;
    }
    return JZX_BEHAVIOR_OK;
}

static void build(stand *s)
{
    static const uint64_t periods_ms[WORKERS] = {10, 20, 50, 100, 100, 200, 200, 500, 500, 1000, 1000, 1000};
    static const char *const names[WORKERS] = {"worker-0", "worker-1", "worker-2",  "worker-3",
                                               "worker-4", "worker-5", "worker-6",  "worker-7",
                                               "worker-8", "worker-9", "worker-10", "worker-11"};
    jzx_supervisor_spec spec;
    jzx_child_spec children[WORKERS + 2];
    jzx_supervisor_spec_init(&spec);
    spec.intensity = 100;
    spec.children = children;
    spec.child_count = WORKERS + 2;
    part *sink = stand_part(s, collector);
    part_child(sink, &children[0], "collector", JZX_PERMANENT);
    children[0].placement = JZX_PLACE_LOOP;
    children[0].place_loop = s->loop_count - 1;
    (void)script_server(s, &children[1], "server", 0);
    for (uint32_t i = 0; i < WORKERS; i++) {
        part *one = stand_part(s, worker);
        one->begin = worker_begins;
        one->a = periods_ms[i];
        one->other = sink;
        part_child(one, &children[i + 2], names[i], JZX_PERMANENT);
        children[i + 2].placement = JZX_PLACE_LOOP;
        children[i + 2].place_loop = i % s->loop_count;
        children[i + 2].register_name = true;
    }
    JZX_SIM_REQUIRE(s->sim, jzx_supervisor_start(jzx_loop_context(stand_loop(s, 0)), &spec, NULL, NULL) == JZX_OK);
}

/* Each second or so one comes, if it is not here. */
static void guests_main(void *argument)
{
    stand *s = argument;
    soak *day = current;
    uint32_t next = 0;
    while (!day->over) {
        (void)jzx_sim_sleep(s->sim, jzx_sim_between(s->sim, 500 * MS, 1500 * MS));
        client *one = &day->guests.each[next++ % GUESTS];
        if (day->calm) {
            continue;
        }
        if (one->served) {
            day->served++;
            day->guests.served--;
            one->served = false;
        }
        one->resets = next % 7 == 0;
        one->size = (uint32_t)jzx_sim_between(s->sim, 100, 3000);
        if (one->peer == NULL) {
            clients_look_at(one);
        }
    }
    clients_leave(&day->guests);
    stand_thread_ends(s);
}

/* ---- what it holds ---- */

static holding look(const stand *s)
{
    holding h = {.bytes = jzx__sim_memory_live(s->sim),
                 .blocks = jzx__sim_memory_blocks(s->sim),
                 .descriptors = jzx__sim_fd_count(s->sim),
                 .operations = jzx__sim_rings_busy(s->sim)};
    for (uint32_t i = 0; i < s->loop_count; i++) {
        jzx_counters counters;
        (void)jzx_loop_stats(s->loops[i], &counters);
        h.actors += counters.actors;
        h.timers += counters.timers;
        h.cells_free += counters.cells_free;
        h.sockets += counters.sockets;
    }
    return h;
}

static void quieten(soak *day)
{
    jzx_sim *sim = day->stand->sim;
    day->calm = true;
    JZX_SIM_REQUIRE(sim, jzx_sim_advance(sim, 3 * SECOND) == JZX_OK);
    clients_leave(&day->guests);
    JZX_SIM_REQUIRE(sim, jzx_sim_advance(sim, 2 * SECOND) == JZX_OK);
}

static void compare(soak *day, uint64_t hour, const holding *first)
{
    holding now = look(day->stand);
    day->tally->counts[LAST_BYTES] = now.bytes;
    if (memcmp(&now, first, sizeof now) != 0) {
        day->tally->counts[DIFFERENT]++;
        printf("    hour %llu: %llu bytes, %llu blocks, %llu descriptors, %llu operations, %llu actors, %llu timers\n",
               (unsigned long long)hour, (unsigned long long)now.bytes, (unsigned long long)now.blocks,
               (unsigned long long)now.descriptors, (unsigned long long)now.operations, (unsigned long long)now.actors,
               (unsigned long long)now.timers);
    }
}

static void live_on(stand *s)
{
    soak *day = current;
    holding first = {0};
    day->stand = s;
    s->rude = true;
    double began = cpu_seconds();
    clients_init(&day->guests, s->sim, STAND_PORT, GUESTS, 100);
    build(s);
    stand_start(s);
    stand_thread(s, guests_main);
    s->at_end = script_server_ends;
    for (uint64_t hour = 1; hour <= day->hours; hour++) {
        JZX_SIM_REQUIRE(s->sim, jzx_sim_advance(s->sim, HOUR - 5 * SECOND) == JZX_OK);
        quieten(day);
        if (hour == 1) {
            first = look(s);
            day->tally->counts[FIRST_BYTES] = first.bytes;
        }
        compare(day, hour, &first);
        day->calm = false;
    }
    day->over = true;
    day->tally->counts[TICKS] = day->ticks;
    day->tally->counts[FAILURES] = day->failures;
    day->tally->counts[GUESTS_SERVED] = day->served;
    day->tally->counts[REPORTS] = day->reports;
    day->tally->counts[CPU_MS] = (uint64_t)((cpu_seconds() - began) * 1000);
    day->tally->counts[HOURS] = day->hours;
    day->tally->counts[LOOPS] = s->loop_count;
}

static void play(jzx_sim *sim, void *argument)
{
    static const script service = {.name = "soak", .play = live_on};
    soak *day = argument;
    current = day;
    stand_play(sim, &service, 2);
    tally_take(day->tally, sim);
}

bool swarm_soak(uint64_t hours)
{
    soak day = {.hours = hours, .tally = tally_create()};
    jzx_sim_search search;
    jzx_sim_outcome outcome = {.struct_size = sizeof outcome};
    printf("a service on two loops for %llu h\n", (unsigned long long)hours);
    jzx_sim_search_init(&search);
    search.name = "soak";
    search.scenario = play;
    search.argument = &day;
    search.config.steps_max = UINT64_MAX;
    search.config.switches = 16;
    search.seeds = 1;
    search.shrink_max = 0;
    search.run_limit_s = 3600;
    search.report = stdout;
    bool well = jzx_sim_explore(&search, &outcome) == JZX_OK && !outcome.failed;
    _Atomic(uint64_t) *counts = day.tally->counts;
    well &= figure("hours of the service", counts[HOURS], hours, hours);
    well &= figure("ticks of workers", counts[TICKS], 1, UINT64_MAX);
    well &= figure("workers that failed", counts[FAILURES], 1, UINT64_MAX);
    well &= figure("messages between loops", counts[REPORTS], 1, UINT64_MAX);
    well &= figure("clients served", counts[GUESTS_SERVED], 1, UINT64_MAX);
    well &= figure("bytes after the first hour", counts[FIRST_BYTES], 1, UINT64_MAX);
    well &= figure("bytes after the last", counts[LAST_BYTES], counts[FIRST_BYTES], counts[FIRST_BYTES]);
    well &= figure("hours at which it holds anything else", counts[DIFFERENT], 0, 0);
    well &= figure("points that its threads passed", outcome.steps, ANY);
    uint64_t loop_hours = counts[HOURS] * counts[LOOPS];
    well &= figure("hours of loop time per minute of CPU", loop_hours * 60000 / (counts[CPU_MS] + 1), 24, UINT64_MAX);
    tally_destroy(day.tally);
    return well;
}
