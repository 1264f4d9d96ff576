/*
 * storm.c: supervision/storm-N: all N children of one supervisor fail at once; how long until all are back, for each? Without
 * backoff and without a limit.
 *
 * An actor sends each child a message, which makes it fail; the last init of a round tells it that all are back. A round
 * that is not measured goes first, so that no page is new. Each child counts its own incarnations, and all must have had the same
 * number of them.
 *
 * Raw: raw/life.h: N records that end at a message each, and are made again in the order of their ends.
 */
#include "raw/life.h"
#include "support/world.h"
#include "workloads.h"

#include <stdlib.h>

enum { TAG_ROUND = 1, TAG_FAIL = 2, OTHERS = 64, CHILDREN_MOST = 100000 };

struct storm;

/* One child over all of its incarnations. */
struct place {
    struct storm *storm;
    uint64_t id;
    uint64_t inits;
    uint64_t finis;
};

struct storm {
    jzx_bench *bench;
    jzx_runtime *runtime;
    jzx_actor_id caller;
    raw_slab *slab;
    struct place *places;
    struct place **ended; /* raw: in the order of their ends */
    uint32_t count;       /* of children */
    uint32_t ended_count;
    uint64_t rounds; /* measured ones */
    uint64_t round;
    uint64_t inits;
};

static struct storm storm_make(jzx_bench *bench, uint32_t count)
{
    struct storm storm = {.bench = bench, .count = count, .rounds = jzx_bench_count(bench) / count};
    storm.places = calloc(count, sizeof *storm.places);
    storm.ended = calloc(count, sizeof *storm.ended);
    BENCH_CHECK(storm.places != NULL && storm.ended != NULL, "out of memory");
    return storm;
}

/* All are back. Says whether they are to fail once more. */
static bool storm_goes_on(struct storm *storm)
{
    if (storm->round == 1) {
        jzx_bench_begin(storm->bench);
    }
    if (storm->round++ <= storm->rounds) {
        return true;
    }
    jzx_bench_end(storm->bench, storm->rounds * storm->count);
    return false;
}

/* Says whether it is the last one of its round. */
static bool place_begins(struct place *place)
{
    place->inits++;
    return ++place->storm->inits % place->storm->count == 0;
}

static void storm_finish(struct storm *storm)
{
    uint64_t rounds = storm->rounds + 1; /* with the first, which is not measured */
    for (uint32_t i = 0; i < storm->count; i++) {
        const struct place *place = &storm->places[i];
        BENCH_CHECK(place->inits == rounds + 1 && place->finis == rounds + 1, "child %u had %llu lives, not %llu", i,
                    (unsigned long long)place->inits, (unsigned long long)(rounds + 1));
    }
    jzx_bench_prove(storm->bench, "restarts", storm->inits - 2 * (uint64_t)storm->count, storm->rounds * storm->count);
    free(storm->places);
    free(storm->ended);
}

/* ---- libjzx ---- */

static jzx_err child_init(jzx_context *context, void *argument, void **state)
{
    struct place *place = argument;
    place->id = jzx_self(context);
    *state = place;
    if (!place_begins(place)) {
        return JZX_OK;
    }
    jzx_message round = jzx_message_empty(TAG_ROUND);
    return jzx_send(context, place->storm->caller, &round);
}

static jzx_behavior_result child(jzx_context *context, void *state, const jzx_message *message)
{
    (void)context, (void)state, (void)message;
    return JZX_BEHAVIOR_FAIL;
}

static void child_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    (void)context, (void)info;
    ((struct place *)state)->finis++;
}

static jzx_behavior_result caller(jzx_context *context, void *state, const jzx_message *message)
{
    struct storm *storm = state;
    (void)message;
    if (!storm_goes_on(storm)) {
        WORLD_CHECK(jzx_runtime_request_stop(storm->runtime));
        return JZX_BEHAVIOR_OK;
    }
    jzx_message fail = jzx_message_empty(TAG_FAIL);
    for (uint32_t i = 0; i < storm->count; i++) {
        WORLD_CHECK(jzx_send(context, storm->places[i].id, &fail));
    }
    return JZX_BEHAVIOR_OK;
}

static void start(struct world *world, struct storm *storm)
{
    jzx_child_spec *specs = calloc(storm->count, sizeof *specs);
    BENCH_CHECK(specs != NULL, "out of memory");
    for (uint32_t i = 0; i < storm->count; i++) {
        storm->places[i].storm = storm;
        jzx_child_spec_init(&specs[i]);
        specs[i].init = child_init;
        specs[i].behavior = child;
        specs[i].fini = child_fini;
        specs[i].argument = &storm->places[i];
    }
    world_supervise(world, JZX_ONE_FOR_ONE, specs, storm->count);
    free(specs);
}

static void run_jzx(jzx_bench *bench, void *argument)
{
    struct storm storm = storm_make(bench, *(const uint32_t *)argument);
    struct world world;
    jzx_config config;
    jzx_config_init(&config);
    if (storm.count + OTHERS > config.actors_max) {
        config.actors_max = storm.count + OTHERS;
        config.children_max = storm.count;
        config.cells = storm.count + storm.count / 2;
    }
    world_open(&world, bench, &config, 1);
    storm.runtime = world.runtime;
    storm.caller = world_spawn(&world, 0, caller, &storm);
    start(&world, &storm);
    world_run(&world);
    world_close(&world);
    storm_finish(&storm);
}

/* ---- raw ---- */

static void raw_init(void *argument, void **state)
{
    *state = argument;
    place_begins(argument);
}

static bool raw_child(void *state, const raw_cell *cell)
{
    (void)state, (void)cell;
    return true;
}

static void raw_fini(void *state)
{
    struct place *place = state;
    place->finis++;
    place->storm->ended[place->storm->ended_count++] = place;
}

/* Those that have ended are made again. */
static void raw_start(struct storm *storm)
{
    static const raw_behavior behavior = {raw_init, raw_child, raw_fini};
    for (uint32_t i = 0; i < storm->count; i++) {
        storm->ended[i]->id = raw_slab_spawn(storm->slab, &behavior, storm->ended[i]);
    }
    storm->ended_count = 0;
}

static void run_raw(jzx_bench *bench, void *argument)
{
    static const uint64_t words[4] = {0};
    struct storm storm = storm_make(bench, *(const uint32_t *)argument);
    storm.slab = raw_slab_open(storm.count);
    for (uint32_t i = 0; i < storm.count; i++) {
        storm.places[i].storm = &storm;
        storm.ended[i] = &storm.places[i];
    }
    raw_start(&storm);
    while (storm_goes_on(&storm)) {
        for (uint32_t i = 0; i < storm.count; i++) {
            BENCH_CHECK(raw_slab_tell(storm.slab, storm.places[i].id, TAG_FAIL, words), "the message was refused");
        }
        while (raw_slab_run_one(storm.slab)) {
        }
        raw_start(&storm);
    }
    for (uint32_t i = 0; i < storm.count; i++) {
        raw_slab_end(storm.slab, storm.places[i].id);
    }
    raw_slab_close(storm.slab);
    storm_finish(&storm);
}

/* ---- workloads ---- */

static uint32_t counts[] = {1, 10, 100, 1000, 10000, CHILDREN_MOST};
static const jzx_bench_goal goals[] = {BENCH_GOAL_PEERS("time")};

#define STORM_SIDES(place) \
    static const jzx_bench_side sides_##place[] = {{"jzx", run_jzx, &counts[place]}, {"raw", run_raw, &counts[place]}}

STORM_SIDES(0);
STORM_SIDES(1);
STORM_SIDES(2);
STORM_SIDES(3);
STORM_SIDES(4);
STORM_SIDES(5);

/* Each restarts as often, and so at least once. */
#define STORM(place, children, text)                                                                                \
    {                                                                                                               \
        BENCH_WORKLOAD, .name = "supervision/storm-" #children, .about = text, .item = "restart", .count = 1000000, \
                        .quick_count = (children) > 5000 ? (children) : 5000, .step = (children), .cpus = 1,        \
                        BENCH_SIDES(sides_##place), BENCH_GOALS(goals)                                              \
    }

static const jzx_bench_workload workloads[] = {
    STORM(0, 1, "the one child of a supervisor fails, and is restarted"),
    STORM(1, 10, "all 10 children of a supervisor fail at once, and are restarted"),
    STORM(2, 100, "all 100 children of a supervisor fail at once, and are restarted"),
    STORM(3, 1000, "all 1,000 children of a supervisor fail at once, and are restarted"),
    STORM(4, 10000, "all 10,000 children of a supervisor fail at once, and are restarted"),
    STORM(5, 100000, "all 100,000 children of a supervisor fail at once, and are restarted"),
};
const bench_group bench_storm = BENCH_GROUP(workloads);
