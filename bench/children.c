/*
 * children.c: does a supervisor with 100,000 children pay more for each than one with 1,000? Started in order, listed by a
 * request, stopped in reverse.
 *
 * The column "raw" is the supervisor with 1,000; all limits are the same. Two rounds go first, so that no page is new: what is
freed in the first one goes back to the system.
 */
#include "world.h"

#include <stdlib.h>

enum { TAG_GO = 1, FEW = 1000, ROUNDS_FEW = 20, WARM_UP = 2 };

enum step { STEP_START, STEP_LIST, STEP_STOP, STEPS };

/* What the actor that starts supervisors knows. */
struct nursery {
    jzx_runtime *runtime;
    jzx_child_spec *specs;
    uint32_t count;
    uint32_t rounds; /* those that are timed */
    uint32_t round;
    enum step step;
    jzx_actor_id supervisor;
    uint64_t began_ns;
    uint64_t took_ns[STEPS];
    uint64_t inits;
    uint64_t finis;
};

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
    nursery->began_ns = bench_now_ns();
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
    if (nursery->round >= WARM_UP) {
        nursery->took_ns[nursery->step] += bench_now_ns() - nursery->began_ns;
    }
    uint64_t lives = (uint64_t)nursery->count * (nursery->round + 1);
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
    } else if (++nursery->round < WARM_UP + nursery->rounds) {
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

/* Adds the time of each step for each child to `series`. */
static void measure(uint32_t count, uint32_t rounds, uint32_t children_max, bench_series *series)
{
    struct nursery nursery = {.count = count, .rounds = rounds};
    fill_specs(&nursery);
    jzx_config config;
    jzx_config_init(&config);
    config.children_max = children_max;
    config.actors_max = children_max + 16;
    struct world world;
    world_shape shape = world_shape_one(bench_cpu());
    world_open(&world, &config, &shape);
    nursery.runtime = world.runtime;
    world_tell(&world, spawn_starter(&world, &nursery), TAG_GO);
    world_run(&world);
    world_close(&world);
    free(nursery.specs);
    for (int step = 0; step < STEPS; step++) {
        bench_add(&series[step], bench_per(nursery.took_ns[step], (uint64_t)count * rounds));
    }
}

static void run_children(const bench_run *run)
{
    static const char *const rows[STEPS] = {"start of 100,000 children, beside 1,000",
                                            "list of 100,000 children, beside 1,000",
                                            "stop of 100,000 children, beside 1,000"};
    uint32_t many = (uint32_t)bench_scale(run, 100000, 5000);
    bench_series series_many[STEPS] = {{.count = 0}};
    bench_series series_few[STEPS] = {{.count = 0}};
    bench_pin(bench_cpu());
    for (int i = 0; i < run->repeat; i++) {
        measure(many, 1, many, series_many);
        measure(FEW, ROUNDS_FEW, many, series_few);
    }
    for (int step = 0; step < STEPS; step++) {
        bench_report(run, rows[step], "ns/child", &series_many[step], &series_few[step],
                     (bench_target){BENCH_RATIO_AT_MOST, 2.0});
    }
}

const struct bench bench_children = {"children", "start, list and stop of 100,000 children of one supervisor",
                                     run_children};
