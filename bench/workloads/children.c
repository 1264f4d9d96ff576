/*
 * children.c: what does each of many children of a supervisor cost that starts them in order, lists them for a request, and
 * stops them in reverse?
 *
 *   supervision/children   does a supervisor with 100,000 pay more for each than one with 1,000, within the same limits?
 *   supervision/shutdown   100,000 children are stopped because their supervisor ends
 *
 * Two rounds go first, so that no page is new: what is freed in the first one goes back to the system.
 *
 * Raw, of the shutdown: raw/life.h: 100,000 records ended in reverse.
 */
#include "raw/life.h"
#include "support/world.h"
#include "workloads.h"

#include <stdlib.h>

enum { TAG_GO = 1, MANY = 100000, FEW = 1000, SETTLING = 2 };

enum step { STEP_START, STEP_LIST, STEP_STOP, STEPS };

/* What the actor that starts supervisors knows. */
struct nursery {
    jzx_runtime *runtime;
    jzx_child_spec *specs;
    uint32_t count;
    uint64_t rounds; /* those that are timed */
    uint64_t round;
    enum step step;
    jzx_actor_id supervisor;
    uint64_t began_ns;
    uint64_t took_ns[STEPS];
    uint64_t inits;
    uint64_t finis;
};

/* ---- libjzx ---- */

static jzx_err child_init(jzx_context *context, void *argument, void **state)
{
    struct nursery *nursery = argument;
    (void)context;
    nursery->inits++;
    *state = nursery;
    return JZX_OK;
}

static jzx_behavior_result child(jzx_context *context, void *state, const jzx_message *message)
{
    (void)context, (void)state, (void)message;
    return JZX_BEHAVIOR_UNHANDLED;
}

static void child_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    struct nursery *nursery = state;
    (void)context;
    BENCH_CHECK(info->kind == JZX_EXIT_SHUTDOWN, "a child ended with %u", info->kind);
    nursery->finis++;
}

/* Asks for one step; what answers it comes as a message. */
static void begin(jzx_context *context, struct nursery *nursery, enum step step)
{
    nursery->step = step;
    nursery->began_ns = jzx_bench_now_ns();
    if (step == STEP_LIST) {
        WORLD_CHECK(jzx_child_list(context, nursery->supervisor, NULL));
    } else if (step == STEP_STOP) {
        WORLD_CHECK(jzx_stop(context, nursery->supervisor));
    } else {
        jzx_supervisor_spec spec;
        jzx_supervisor_spec_init(&spec);
        spec.child_count = nursery->count;
        spec.children = nursery->specs;
        WORLD_CHECK(jzx_supervisor_start(context, &spec, &nursery->supervisor, NULL));
    }
}

static void check_list(const struct nursery *nursery, const jzx_supervisor_answer *answer)
{
    BENCH_CHECK(answer->count == nursery->count, "%u children were listed", answer->count);
    for (uint32_t i = 0; i < answer->count; i++) {
        const jzx_child_info *info = &answer->children[i];
        BENCH_CHECK(info->index == i && info->id != 0 && info->state == JZX_CHILD_RUNNING, "child %u does not run", i);
    }
}

/* A step has been done: its time, and whether it was. */
static void end(struct nursery *nursery, const jzx_message *message)
{
    if (nursery->round >= SETTLING) {
        nursery->took_ns[nursery->step] += jzx_bench_now_ns() - nursery->began_ns;
    }
    uint64_t lives = nursery->count * (nursery->round + 1);
    BENCH_CHECK(nursery->inits == lives, "%llu children were started", (unsigned long long)nursery->inits);
    if (nursery->step == STEP_STOP) {
        BENCH_CHECK(message->tag == JZX_TAG_SYS_EXIT, "no exit but tag %u", message->tag);
        BENCH_CHECK(nursery->finis == lives, "%llu children were stopped", (unsigned long long)nursery->finis);
        return;
    }
    BENCH_CHECK(message->tag == JZX_TAG_SYS_SUPERVISOR, "no answer but tag %u", message->tag);
    const jzx_supervisor_answer *answer = jzx_message_data(message);
    WORLD_CHECK(answer->err);
    if (nursery->step == STEP_LIST) {
        check_list(nursery, answer);
    }
}

static jzx_behavior_result starter(jzx_context *context, void *state, const jzx_message *message)
{
    struct nursery *nursery = state;
    if (message->tag == TAG_GO) {
        begin(context, nursery, STEP_START);
        return JZX_BEHAVIOR_OK;
    }
    end(nursery, message);
    if (nursery->step != STEP_STOP) {
        begin(context, nursery, nursery->step + 1);
    } else if (++nursery->round < SETTLING + nursery->rounds) {
        begin(context, nursery, STEP_START);
    } else {
        WORLD_CHECK(jzx_runtime_request_stop(nursery->runtime));
    }
    return JZX_BEHAVIOR_OK;
}

static void fill_specs(struct nursery *nursery)
{
    nursery->specs = calloc(nursery->count, sizeof *nursery->specs);
    BENCH_CHECK(nursery->specs != NULL, "out of memory");
    for (uint32_t i = 0; i < nursery->count; i++) {
        jzx_child_spec *spec = &nursery->specs[i];
        jzx_child_spec_init(spec);
        spec->init = child_init;
        spec->behavior = child;
        spec->fini = child_fini;
        spec->argument = nursery;
    }
}

static jzx_actor_id spawn_starter(const struct world *world, struct nursery *nursery)
{
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = starter;
    options.argument = nursery;
    options.trap_exit = true; /* it is linked to the supervisors it starts */
    jzx_actor_id id = 0;
    WORLD_CHECK(jzx_spawn(jzx_loop_context(world->loops[0]), &options, &id));
    return id;
}

/* As many rounds as make the count of children, with the limits of 100,000. */
static void raise_all(jzx_bench *bench, struct nursery *nursery)
{
    fill_specs(nursery);
    jzx_config config;
    jzx_config_init(&config);
    config.children_max = MANY;
    config.actors_max = MANY + 16;
    struct world world;
    world_open(&world, bench, &config, 1);
    nursery->runtime = world.runtime;
    world_tell(&world, spawn_starter(&world, nursery), TAG_GO);
    world_run(&world);
    world_close(&world);
    free(nursery->specs);
}

static struct nursery nursery_make(const jzx_bench *bench, uint32_t count)
{
    return (struct nursery){.count = count, .rounds = jzx_bench_count(bench) / count};
}

static void nursery_finish(const struct nursery *nursery, jzx_bench *bench)
{
    uint64_t settling = SETTLING * (uint64_t)nursery->count;
    BENCH_CHECK(nursery->inits == nursery->finis, "not every child has ended");
    jzx_bench_prove(bench, "children", nursery->finis - settling, jzx_bench_count(bench));
}

static void run_steps(jzx_bench *bench, void *argument)
{
    struct nursery nursery = nursery_make(bench, *(const uint32_t *)argument);
    raise_all(bench, &nursery);
    jzx_bench_time(bench, "start", nursery.took_ns[STEP_START], jzx_bench_count(bench));
    jzx_bench_time(bench, "list", nursery.took_ns[STEP_LIST], jzx_bench_count(bench));
    jzx_bench_time(bench, "stop", nursery.took_ns[STEP_STOP], jzx_bench_count(bench));
    nursery_finish(&nursery, bench);
}

static void run_shutdown(jzx_bench *bench, void *argument)
{
    (void)argument;
    struct nursery nursery = nursery_make(bench, MANY);
    raise_all(bench, &nursery);
    jzx_bench_time(bench, "time", nursery.took_ns[STEP_STOP], jzx_bench_count(bench));
    nursery_finish(&nursery, bench);
}

/* ---- raw ---- */

static void raw_init(void *argument, void **state)
{
    struct nursery *nursery = argument;
    nursery->inits++;
    *state = nursery;
}

static bool raw_child(void *state, const raw_cell *cell)
{
    (void)state, (void)cell;
    return false;
}

static void raw_fini(void *state)
{
    struct nursery *nursery = state;
    nursery->finis++;
}

/* One round; how long it took to end them. */
static uint64_t raw_round(raw_slab *slab, struct nursery *nursery, uint64_t *ids)
{
    static const raw_behavior behavior = {raw_init, raw_child, raw_fini};
    for (uint32_t i = 0; i < nursery->count; i++) {
        ids[i] = raw_slab_spawn(slab, &behavior, nursery);
    }
    uint64_t began_ns = jzx_bench_now_ns();
    for (uint32_t i = nursery->count; i-- > 0;) {
        raw_slab_end(slab, ids[i]);
    }
    return jzx_bench_now_ns() - began_ns;
}

static void run_raw_shutdown(jzx_bench *bench, void *argument)
{
    (void)argument;
    struct nursery nursery = nursery_make(bench, MANY);
    raw_slab *slab = raw_slab_open(MANY);
    uint64_t *ids = calloc(MANY, sizeof *ids);
    BENCH_CHECK(ids != NULL, "out of memory");
    uint64_t took_ns = 0;
    for (uint64_t round = 0; round < SETTLING + nursery.rounds; round++) {
        uint64_t round_ns = raw_round(slab, &nursery, ids);
        took_ns += round >= SETTLING ? round_ns : 0;
    }
    free(ids);
    raw_slab_close(slab);
    jzx_bench_time(bench, "time", took_ns, jzx_bench_count(bench));
    nursery_finish(&nursery, bench);
}

/* ---- workloads ---- */

static uint32_t many = MANY;
static uint32_t few = FEW;
static const jzx_bench_side sides[] = {{"jzx", run_steps, &many}, {"jzx-1000", run_steps, &few}};
static const jzx_bench_side sides_shutdown[] = {{"jzx", run_shutdown, NULL}, {"raw", run_raw_shutdown, NULL}};
static const jzx_bench_goal goals[] = {{"start", "jzx-1000", 2}, {"list", "jzx-1000", 2}, {"stop", "jzx-1000", 2}};
static const jzx_bench_goal goals_shutdown[] = {BENCH_GOAL_PEERS("time")};

static const jzx_bench_workload workloads[] = {
    {
        BENCH_WORKLOAD,
        .name = "supervision/children",
        .about = "start, list and stop of 100,000 children of one supervisor, beside 1,000",
        .item = "child",
        .count = 500000,
        .quick_count = MANY,
        .step = MANY,
        .cpus = 1,
        BENCH_SIDES(sides),
        BENCH_GOALS(goals),
    },
    {
        BENCH_WORKLOAD,
        .name = "supervision/shutdown",
        .about = "100,000 children of one supervisor are stopped in order by its end",
        .item = "child",
        .count = 500000,
        .quick_count = MANY,
        .step = MANY,
        .cpus = 1,
        BENCH_SIDES(sides_shutdown),
        BENCH_GOALS(goals_shutdown),
    },
};
const bench_group bench_children = BENCH_GROUP(workloads);
