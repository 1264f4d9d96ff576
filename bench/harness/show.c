/* show.c: see show.h. */
#include "show.h"

#include "judge.h"
#include "memory.h"
#include "table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 100 };
enum { SIDE, MEDIAN, QUARTILES, RATIO, VERDICT };

/* ---- what can be said ---- */

static bench_verdict verdict_of(const bench_workload_result *workload, const bench_figure *first,
                                const bench_figure *other)
{
    double floor = bench_workload_floor(workload, first->name);
    bench_ratio ratio = bench_figure_ratio(first, other);
    return bench_judge(&ratio, floor < 0 ? 0 : floor, BENCH_RESOLUTION, first->better);
}

/* ---- the lines of one figure ---- */

static const char *side_name(const bench_side_result *side)
{
    return side->role == BENCH_ROLE_OLD ? "(before)" : side->name;
}

static void set_values(bench_table *table, const bench_figure *figure)
{
    bench_spread spread = bench_spread_of(figure->values, figure->count);
    char *median = bench_number_text(spread.median);
    char *lower = bench_number_text(spread.lower);
    char *upper = bench_number_text(spread.upper);
    bench_table_set(table, MEDIAN, NULL, "%s", median);
    bench_table_set(table, QUARTILES, NULL, "%s .. %s", lower, upper);
    free(median);
    free(lower);
    free(upper);
}

static void set_ratio(bench_table *table, const bench_workload_result *workload, const bench_figure *first,
                      const bench_figure *other)
{
    bench_ratio ratio = bench_figure_ratio(first, other);
    char *text = bench_ratio_text(&ratio);
    bench_table_set(table, RATIO, NULL, "%s", text);
    bench_table_set(table, VERDICT, NULL, "%s", bench_verdict_text(verdict_of(workload, first, other)));
    free(text);
}

static void add_heads(bench_table *table, const char *first)
{
    char *ratio = bench_format("%s / it [99 %%]", first);
    char *verdict = bench_format("%s is", first);
    bench_table_head(table, "");
    bench_table_head(table, "median");
    bench_table_head(table, "quartiles");
    bench_table_head(table, ratio);
    bench_table_head(table, verdict);
    free(ratio);
    free(verdict);
}

static void show_sides(const bench_workload_result *workload, const bench_figure *first, FILE *out)
{
    bench_table table;
    bench_table_init(&table);
    add_heads(&table, workload->sides[0].name);
    for (size_t i = 0; i < workload->side_count; i++) {
        const bench_side_result *side = &workload->sides[i];
        const bench_figure *figure = bench_judged_figure(side, first->name);
        if (figure == NULL || side->role == BENCH_ROLE_TWIN) {
            continue;
        }
        bench_table_row(&table);
        bench_table_set(&table, SIDE, NULL, "    %s", side_name(side));
        set_values(&table, figure);
        if (i > 0) {
            set_ratio(&table, workload, first, figure);
        }
    }
    bench_table_print(&table, out);
    bench_table_deinit(&table);
}

/* "raw 1.69 [1.66, 1.73]" */
static void show_against(const char *what, const bench_figure *first, const bench_side_result *side, FILE *out)
{
    bench_ratio ratio = bench_figure_ratio(first, bench_judged_figure(side, first->name));
    char *text = bench_ratio_text(&ratio);
    fprintf(out, "    to %s (%s): %s\n", what, side->name, text);
    free(text);
}

static void show_place(const bench_workload_result *workload, const bench_figure *first, FILE *out)
{
    const bench_side_result *raw = bench_workload_raw(workload, first->name);
    const bench_side_result *peer = bench_workload_peer(workload, first->name);
    const bench_side_result *behind = NULL;
    if (raw != NULL) {
        show_against("the raw limit", first, raw, out);
    }
    if (peer == NULL) {
        return;
    }
    show_against("the best peer", first, peer, out);
    switch (bench_workload_verdict(workload, first->name, &behind)) {
    case BENCH_PLACE_AHEAD:
        fputs("    first: better than every peer\n", out);
        break;
    case BENCH_PLACE_FIRST:
        fputs("    first: no peer is better\n", out);
        break;
    case BENCH_PLACE_BEHIND:
        fprintf(out, "    NOT first: %s is better\n", behind->name);
        break;
    case BENCH_PLACE_OPEN:
        fputs("    too few runs to say who is first\n", out);
        break;
    }
}

static void show_goal(const bench_workload_result *workload, const bench_goal_result *goal, jzx_bench_better better,
                      FILE *out)
{
    static const char *const words[] = {
        [BENCH_OPEN] = "cannot be said", [BENCH_MET] = "met", [BENCH_MISSED] = "MISSED"};
    bench_ratio ratio;
    char *limit = bench_number_text(goal->limit);
    fprintf(out, "    goal: %s%s at %s %s: ", goal->against != NULL ? "ratio to " : "it",
            goal->against != NULL ? goal->against : "", better == JZX_BENCH_LOWER ? "most" : "least", limit);
    if (bench_goal_ratio(workload, goal, &ratio)) {
        fprintf(out, "%s\n", words[bench_goal_reached(workload, goal)]);
    } else {
        fputs("cannot be said, there is nothing to compare with\n", out);
    }
    free(limit);
}

static void show_figure(const bench_workload_result *workload, const bench_figure *first, FILE *out)
{
    double floor = bench_workload_floor(workload, first->name);
    fprintf(out, "  %s, %s, %s is better", first->name, first->unit,
            first->better == JZX_BENCH_LOWER ? "lower" : "higher");
    if (floor >= 0 && first->count > 1) {
        fprintf(out, "; noise floor %.1f %%", floor * 100);
    }
    fputc('\n', out);
    show_sides(workload, first, out);
    show_place(workload, first, out);
    for (size_t i = 0; i < workload->goal_count; i++) {
        if (strcmp(workload->goals[i].figure, first->name) == 0) {
            show_goal(workload, &workload->goals[i], first->better, out);
        }
    }
}

/* ---- the rest of a workload ---- */

static void show_absent(const bench_workload_result *workload, FILE *out)
{
    static const char *const roles[] = {
        [BENCH_ROLE_OWN] = "",
        [BENCH_ROLE_TWIN] = " (its twin)",
        [BENCH_ROLE_PEER] = "",
        [BENCH_ROLE_OLD] = " (before)",
    };
    for (size_t i = 0; i < workload->side_count; i++) {
        const bench_side_result *side = &workload->sides[i];
        if (side->invalid != NULL) {
            fprintf(out, "  %s%s INVALID: %s\n", side->name, roles[side->role], side->invalid);
        } else if (side->skipped != NULL && side->role != BENCH_ROLE_TWIN) {
            fprintf(out, "  %s%s skipped: %s\n", side->name, roles[side->role], side->skipped);
        }
    }
}

static void show_versions(const bench_workload_result *workload, FILE *out)
{
    for (size_t i = 0; i < workload->side_count; i++) {
        const bench_side_result *side = &workload->sides[i];
        if (side->role != BENCH_ROLE_PEER || side->figure_count == 0) {
            continue;
        }
        fprintf(out, "  %s: %s", side->name, side->version != NULL ? side->version : "of no known version");
        if (side->count != 0) {
            fprintf(out, ", %" PRIu64 " each", side->count);
        }
        fputc('\n', out);
    }
}

static void show_counters(const bench_side_result *side, FILE *out)
{
    size_t column = WIDTH;
    for (size_t i = 0; i < side->counter_count; i++) {
        char *number = bench_number_text(side->counters[i].number);
        char *text = bench_format("%s %s", side->counters[i].name, number);
        if (column + strlen(text) + 2 > WIDTH) {
            fprintf(out, "%s  by operation of %s: %s", i > 0 ? "\n" : "", side->name, text);
            column = 19 + strlen(side->name) + strlen(text);
        } else {
            fprintf(out, ", %s", text);
            column += 2 + strlen(text);
        }
        free(text);
        free(number);
    }
    if (side->counter_count > 0) {
        fputc('\n', out);
    }
}

static void show_workload(const bench_workload_result *workload, FILE *out)
{
    const bench_side_result *first = bench_workload_first(workload);
    size_t runs = first->figure_count > 0 ? first->figures[0].count : 0;
    bool fits = strlen(workload->name) + strlen(workload->about) + 2 <= WIDTH;
    fprintf(out, "\n%s%s%s\n", workload->name, fits ? ": " : "\n  ", workload->about);
    if (runs > 0) {
        fprintf(out, "  %zu run%s of %" PRIu64 " each\n", runs, runs == 1 ? "" : "s", workload->count);
    }
    show_versions(workload, out);
    show_absent(workload, out);
    for (size_t i = 0; i < first->figure_count; i++) {
        show_figure(workload, &first->figures[i], out);
    }
    show_counters(first, out);
}

void bench_show(const bench_result *result, FILE *out)
{
    for (size_t i = 0; i < result->fact_count; i++) {
        fprintf(out, "%-12s %s\n", result->facts[i].name, result->facts[i].text);
    }
    for (size_t i = 0; i < result->workload_count; i++) {
        show_workload(&result->workloads[i], out);
    }
}

/* ---- what it comes to ---- */

static const bench_side_result *old_side(const bench_workload_result *workload)
{
    for (size_t i = 0; i < workload->side_count; i++) {
        if (workload->sides[i].role == BENCH_ROLE_OLD) {
            return &workload->sides[i];
        }
    }
    return NULL;
}

static void judge_workload(const bench_workload_result *workload, bool *invalid, bool *worse, bool *open)
{
    const bench_side_result *first = bench_workload_first(workload);
    const bench_side_result *old = old_side(workload);
    for (size_t i = 0; i < workload->side_count; i++) {
        *invalid = *invalid || workload->sides[i].invalid != NULL;
    }
    for (size_t i = 0; old != NULL && i < first->figure_count; i++) {
        const bench_figure *before = bench_judged_figure(old, first->figures[i].name);
        bench_verdict verdict = before != NULL ? verdict_of(workload, &first->figures[i], before) : BENCH_INCONCLUSIVE;
        *worse = *worse || verdict == BENCH_SLOWER;
        *open = *open || verdict == BENCH_INCONCLUSIVE;
    }
}

int bench_show_status(const bench_result *result)
{
    bool invalid = false;
    bool worse = false;
    bool open = false;
    for (size_t i = 0; i < result->workload_count; i++) {
        judge_workload(&result->workloads[i], &invalid, &worse, &open);
    }
    return invalid ? 3 : worse ? 1 : open ? 2 : 0;
}
