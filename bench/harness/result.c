/* result.c: what a result holds, and how it is let go. See result.h; result_read.c and result_write.c have the files. */
#include "result.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

static void free_figures(bench_figure *figures, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(figures[i].name);
        free(figures[i].unit);
        free(figures[i].values);
    }
    free(figures);
}

static void free_values(bench_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(values[i].name);
    }
    free(values);
}

void bench_side_free(bench_side_result *side)
{
    free(side->name);
    free(side->version);
    free(side->skipped);
    free(side->invalid);
    free_figures(side->figures, side->figure_count);
    free_values(side->proofs, side->proof_count);
    free_values(side->counters, side->counter_count);
    if (side->histogram != NULL) {
        bench_histogram_destroy(side->histogram);
    }
    *side = (bench_side_result){0};
}

static void free_workload(bench_workload_result *workload)
{
    free(workload->name);
    free(workload->about);
    for (size_t i = 0; i < workload->side_count; i++) {
        bench_side_free(&workload->sides[i]);
    }
    free(workload->sides);
    for (size_t i = 0; i < workload->goal_count; i++) {
        free(workload->goals[i].figure);
        free(workload->goals[i].against);
    }
    free(workload->goals);
}

void bench_result_free(bench_result *result)
{
    for (size_t i = 0; i < result->fact_count; i++) {
        free(result->facts[i].name);
        free(result->facts[i].text);
    }
    free(result->facts);
    for (size_t i = 0; i < result->workload_count; i++) {
        free_workload(&result->workloads[i]);
    }
    free(result->workloads);
    *result = (bench_result){0};
}

const bench_workload_result *bench_result_workload(const bench_result *result, const char *name)
{
    for (size_t i = 0; i < result->workload_count; i++) {
        if (strcmp(result->workloads[i].name, name) == 0) {
            return &result->workloads[i];
        }
    }
    return NULL;
}

const bench_side_result *bench_workload_side(const bench_workload_result *workload, const char *name, bench_role role)
{
    for (size_t i = 0; i < workload->side_count; i++) {
        if (workload->sides[i].role == role && strcmp(workload->sides[i].name, name) == 0) {
            return &workload->sides[i];
        }
    }
    return NULL;
}

bench_figure *bench_figure_find(bench_figure *figures, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(figures[i].name, name) == 0) {
            return &figures[i];
        }
    }
    return NULL;
}

bench_value *bench_value_find(bench_value *values, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(values[i].name, name) == 0) {
            return &values[i];
        }
    }
    return NULL;
}

const bench_figure *bench_side_figure(const bench_side_result *side, const char *name)
{
    return bench_figure_find(side->figures, side->figure_count, name);
}

void bench_fact_add(bench_result *result, const char *name, const char *text)
{
    result->facts = bench_more(result->facts, result->fact_count, sizeof *result->facts);
    result->facts[result->fact_count++] = (bench_fact){.name = bench_copy(name), .text = bench_copy(text)};
}

const char *bench_fact_get(const bench_result *result, const char *name)
{
    for (size_t i = 0; i < result->fact_count; i++) {
        if (strcmp(result->facts[i].name, name) == 0) {
            return result->facts[i].text;
        }
    }
    return NULL;
}
