/* plan.c: runs what was chosen, block by block. See plan.h. */
#include "plan.h"

#include "collect.h"
#include "memory.h"
#include "progress.h"
#include "shuffle.h"

#include <stdlib.h>
#include <string.h>

/* A run of a block. */
struct turn {
    bench_row *row;
    bench_entry *entry;
};

bool bench_entry_open(const bench_entry *entry)
{
    return entry->result.invalid == NULL && entry->result.skipped == NULL;
}

bench_command bench_plan_command(const bench_plan *plan, const bench_row *row, const bench_entry *entry)
{
    const bench_settings *settings = plan->settings;
    uint64_t count = entry->result.count != 0 ? entry->result.count : row->count;
    return (bench_command){
        .program = entry->program,
        .workload = row->workload->name,
        .side = entry->result.name,
        .item = row->workload->item,
        .count = count,
        .warm = bench_suite_warm(row->workload, count),
        .seed = settings->seed,
        .quick = settings->quick,
        .cpus = settings->cpus,
        .cpu_count = row->cpu_count,
        .options = settings->options.items,
        .option_count = settings->options.count,
        .limit_s = settings->limit_s,
    };
}

static size_t list_turns(const bench_plan *plan, struct turn *turns)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->row_count; i++) {
        bench_row *row = &plan->rows[i];
        for (size_t j = 0; j < row->entry_count; j++) {
            if (bench_entry_open(&row->entries[j])) {
                turns[count++] = (struct turn){row, &row->entries[j]};
            }
        }
    }
    return count;
}

static size_t count_entries(const bench_plan *plan)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->row_count; i++) {
        count += plan->rows[i].entry_count;
    }
    return count;
}

/* A side with a count of its own is proved by a run of the first side with that count, whose times are not looked at. */
static void compare_turn(const bench_plan *plan, const struct turn *turn, uint64_t seed)
{
    bench_entry *first = &turn->row->entries[0];
    bench_entry reference = *first;
    if (turn->entry->result.count == 0 || !first->sampled) {
        bench_collect_compare(turn->entry, first);
        return;
    }
    bench_command command = bench_plan_command(plan, turn->row, first);
    command.seed = seed;
    command.count = turn->entry->result.count;
    command.warm = 0;
    bench_sample_run(&reference.sample, &command);
    bench_collect_compare(turn->entry, &reference);
    bench_side_free(&reference.sample);
}

/* Proofs are compared once all of the block are there, since the first side may have come last. */
static void collect_block(const bench_plan *plan, const struct turn *turns, size_t count, uint64_t seed)
{
    for (size_t i = 0; i < count; i++) {
        if (turns[i].entry != &turns[i].row->entries[0]) {
            compare_turn(plan, &turns[i], seed);
        }
    }
    for (size_t i = 0; i < count; i++) {
        bench_collect(turns[i].entry);
    }
}

static void run_block(const bench_plan *plan, uint64_t *random, bench_progress *progress, struct turn *turns,
                      size_t *order)
{
    size_t count = list_turns(plan, turns);
    uint64_t seed = bench_shuffle_next(random);
    for (size_t i = 0; i < count; i++) {
        order[i] = i;
    }
    bench_shuffle(order, count, random);
    for (size_t i = 0; i < count; i++) {
        const struct turn *turn = &turns[order[i]];
        bench_command command = bench_plan_command(plan, turn->row, turn->entry);
        command.seed = seed;
        bench_progress_step(progress, command.workload, command.side);
        bench_sample_run(&turn->entry->sample, &command);
        turn->entry->sampled = true;
    }
    collect_block(plan, turns, count, seed);
}

void bench_plan_run(bench_plan *plan)
{
    const bench_settings *settings = plan->settings;
    size_t room = count_entries(plan);
    struct turn *turns = bench_new((room + 1) * sizeof *turns);
    size_t *order = bench_new((room + 1) * sizeof *order);
    uint64_t random = settings->seed;
    bench_progress progress;
    bench_progress_init(&progress, room * settings->reps);
    for (unsigned i = 0; i < settings->reps; i++) {
        progress.done = room * i; /* what has become invalid is not run any more */
        run_block(plan, &random, &progress, turns, order);
    }
    bench_progress_end(&progress);
    free(order);
    free(turns);
}

/* Goals are those of the workload's first side: another one in its place, by --only, has none. */
static void give_goals(bench_workload_result *result, const bench_row *row)
{
    const jzx_bench_workload *workload = row->workload;
    if (strcmp(row->entries[0].result.name, workload->sides[0].name) != 0) {
        return;
    }
    result->goals = bench_new((workload->goal_count + 1) * sizeof *result->goals);
    result->goal_count = workload->goal_count;
    for (size_t i = 0; i < workload->goal_count; i++) {
        const jzx_bench_goal *goal = &workload->goals[i];
        result->goals[i] = (bench_goal_result){
            .figure = bench_copy(goal->figure),
            .against = goal->against != NULL ? bench_copy(goal->against) : NULL,
            .limit = goal->limit,
        };
    }
}

static void give_row(bench_workload_result *result, bench_row *row)
{
    *result = (bench_workload_result){
        .name = bench_copy(row->workload->name),
        .about = bench_copy(row->workload->about),
        .count = row->count,
        .sides = bench_new(row->entry_count * sizeof *result->sides),
        .side_count = row->entry_count,
    };
    give_goals(result, row);
    for (size_t i = 0; i < row->entry_count; i++) {
        bench_collect_end(&row->entries[i]);
        result->sides[i] = row->entries[i].result;
    }
    free(row->entries);
}

void bench_plan_end(bench_plan *plan, bench_result *result)
{
    result->workloads = bench_new((plan->row_count + 1) * sizeof *result->workloads);
    result->workload_count = plan->row_count;
    for (size_t i = 0; i < plan->row_count; i++) {
        give_row(&result->workloads[i], &plan->rows[i]);
    }
    free(plan->rows);
    *plan = (bench_plan){0};
}
