/*
 * compare.c: what became faster or slower between two files of results.
 *
 * A file knows how far twins came apart while it was made, not what changed in the machine since the other was made.
 * `run --against` takes both in turns, and is to be preferred where the old program still exists.
 */
#include "commands.h"

#include "judge.h"
#include "memory.h"
#include "number.h"
#include "table.h"

#include <argp.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct compare_request {
    const char *paths[2];
    unsigned path_count;
    const char *figure; /* NULL: all */
    double resolution;
    bool force;
} compare_request;

typedef struct comparison {
    const compare_request *request;
    bench_result old, new;
    bench_table table, single;
    unsigned differ;   /* what makes the files no match */
    unsigned no_twins; /* rows without a noise floor */
    unsigned verdicts[4];
    unsigned slower_own, open_own, invalid;
} comparison;

/* ---- whether they can be compared at all ---- */

/* Facts that are free to differ: what is compared, and when. Every other says what was measured on, or with. */
static bool may_differ(const char *fact)
{
    static const char *const names[] = {"commit", "date", "command", "seed", "version", "load", "counting"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(fact, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void compare_facts(comparison *c)
{
    for (size_t i = 0; i < c->old.fact_count; i++) {
        const bench_fact *fact = &c->old.facts[i];
        const char *other = bench_fact_get(&c->new, fact->name);
        if (!may_differ(fact->name) && (other == NULL || strcmp(other, fact->text) != 0)) {
            bench_say("%s differs: %s, then %s", fact->name, fact->text, other == NULL ? "not said" : other);
            c->differ++;
        }
    }
    for (size_t i = 0; i < c->new.fact_count; i++) {
        const bench_fact *fact = &c->new.facts[i];
        if (!may_differ(fact->name) && bench_fact_get(&c->old, fact->name) == NULL) {
            bench_say("%s differs: not said, then %s", fact->name, fact->text);
            c->differ++;
        }
    }
}

static void compare_counts(comparison *c, const bench_workload_result *old, const bench_workload_result *new)
{
    if (old->count != new->count) {
        bench_say("%s: the count differs: %llu, then %llu", old->name, (unsigned long long)old->count,
                  (unsigned long long)new->count);
        c->differ++;
    }
}

/* ---- rows ---- */

static void single_row(comparison *c, const char *which, const char *workload, const char *side, const char *figure)
{
    bench_table_row(&c->single);
    bench_table_set(&c->single, 0, NULL, "%s", workload);
    bench_table_set(&c->single, 1, NULL, "%s", side);
    bench_table_set(&c->single, 2, NULL, "%s", figure);
    bench_table_set(&c->single, 3, NULL, "%s", which);
}

static double floor_of(comparison *c, const bench_workload_result *old, const bench_workload_result *new,
                       const char *figure)
{
    double before = bench_workload_floor(old, figure);
    double now = bench_workload_floor(new, figure);
    c->no_twins += before < 0 || now < 0;
    return fmax(fmax(before, now), 0);
}

static void set_value(comparison *c, size_t column, const bench_figure *figure)
{
    char *text = bench_value_text(bench_figure_median(figure), figure->unit);
    bench_table_set(&c->table, column, NULL, "%s", text);
    free(text);
}

static void count_verdict(comparison *c, bench_role role, bench_verdict verdict)
{
    c->verdicts[verdict]++;
    c->slower_own += role == BENCH_ROLE_OWN && verdict == BENCH_SLOWER;
    c->open_own += role == BENCH_ROLE_OWN && verdict == BENCH_INCONCLUSIVE;
}

static void figure_row(comparison *c, const bench_workload_result *workloads[2], const bench_side_result *side,
                       const bench_figure *old, const bench_figure *new)
{
    bench_ratio ratio = bench_figure_ratio(new, old);
    double floor = floor_of(c, workloads[0], workloads[1], old->name);
    bench_verdict verdict = bench_judge(&ratio, floor, c->request->resolution, old->better);
    char *ratio_text = bench_ratio_text(&ratio);
    bench_table_row(&c->table);
    bench_table_set(&c->table, 0, NULL, "%s", workloads[0]->name);
    bench_table_set(&c->table, 1, NULL, "%s", side->name);
    bench_table_set(&c->table, 2, NULL, "%s", old->name);
    set_value(c, 3, old);
    set_value(c, 4, new);
    bench_table_set(&c->table, 5, NULL, "%s", ratio_text);
    bench_table_set(&c->table, 6, NULL, "%.2f %%", floor * 100);
    bench_table_set(&c->table, 7, NULL, "%s", bench_verdict_text(verdict));
    count_verdict(c, side->role, verdict);
    free(ratio_text);
}

static bool is_wanted(const comparison *c, const bench_figure *figure)
{
    return c->request->figure == NULL || strcmp(c->request->figure, figure->name) == 0;
}

/* Those of `here` that `there` lacks. */
static void single_figures(comparison *c, const char *which, const char *workload, const bench_side_result *here,
                           const bench_side_result *there)
{
    for (size_t i = 0; i < here->figure_count; i++) {
        const char *name = here->figures[i].name;
        if (is_wanted(c, &here->figures[i]) && bench_judged_figure(there, name) == NULL) {
            single_row(c, which, workload, here->name, name);
        }
    }
}

static bool is_valid(comparison *c, const char *workload, const bench_side_result *side, const char *path)
{
    if (side->invalid != NULL) {
        bench_say("%s, %s: invalid in %s: %s", workload, side->name, path, side->invalid);
        c->invalid++;
    }
    return side->invalid == NULL && side->skipped == NULL;
}

static void compare_sides(comparison *c, const bench_workload_result *workloads[2], const bench_side_result *old,
                          const bench_side_result *new)
{
    bool valid = is_valid(c, workloads[0]->name, old, c->request->paths[0]);
    valid = is_valid(c, workloads[0]->name, new, c->request->paths[1]) && valid;
    if (valid) {
        for (size_t i = 0; i < old->figure_count; i++) {
            const bench_figure *figure = bench_judged_figure(new, old->figures[i].name);
            if (is_wanted(c, &old->figures[i]) && figure != NULL && old->figures[i].count > 0) {
                figure_row(c, workloads, old, &old->figures[i], figure);
            }
        }
    }
    single_figures(c, "old only", workloads[0]->name, old, new);
    single_figures(c, "new only", workloads[0]->name, new, old);
}

static bool is_compared(const bench_side_result *side)
{
    return side->role == BENCH_ROLE_OWN || side->role == BENCH_ROLE_PEER;
}

static void single_sides(comparison *c, const char *which, const bench_workload_result *here,
                         const bench_workload_result *there)
{
    for (size_t i = 0; i < here->side_count; i++) {
        const bench_side_result *side = &here->sides[i];
        if (is_compared(side) && (there == NULL || bench_workload_side(there, side->name, side->role) == NULL)) {
            single_row(c, which, here->name, side->name, "");
        }
    }
}

static void compare_workloads(comparison *c, const bench_workload_result *old, const bench_workload_result *new)
{
    const bench_workload_result *workloads[2] = {old, new};
    compare_counts(c, old, new);
    for (size_t i = 0; i < old->side_count; i++) {
        const bench_side_result *side = &old->sides[i];
        const bench_side_result *other = bench_workload_side(new, side->name, side->role);
        if (is_compared(side) && other != NULL) {
            compare_sides(c, workloads, side, other);
        }
    }
    single_sides(c, "old only", old, new);
    single_sides(c, "new only", new, old);
}

static void compare_all(comparison *c)
{
    for (size_t i = 0; i < c->old.workload_count; i++) {
        const bench_workload_result *old = &c->old.workloads[i], *new = bench_result_workload(&c->new, old->name);
        if (new != NULL) {
            compare_workloads(c, old, new);
        } else {
            single_sides(c, "old only", old, NULL);
        }
    }
    for (size_t i = 0; i < c->new.workload_count; i++) {
        if (bench_result_workload(&c->old, c->new.workloads[i].name) == NULL) {
            single_sides(c, "new only", &c->new.workloads[i], NULL);
        }
    }
}

/* ---- what is said in the end ---- */

static void print(const comparison *c)
{
    if (c->table.rows > 0) {
        bench_table_print(&c->table, stdout);
    }
    if (c->single.rows > 0) {
        puts("\nNot in both:");
        bench_table_print(&c->single, stdout);
    }
    printf("\n%zu rows: %u slower, %u faster, %u without a difference, %u inconclusive. By chance alone, up to %.0f "
           "would be called slower or faster.\n",
           c->table.rows, c->verdicts[BENCH_SLOWER], c->verdicts[BENCH_FASTER], c->verdicts[BENCH_SAME],
           c->verdicts[BENCH_INCONCLUSIVE], ceil((double)c->table.rows * (1 - BENCH_CONFIDENCE)));
    if (c->no_twins > 0) {
        printf("%u of them have no noise floor in one of the files: they were made without a twin.\n", c->no_twins);
    }
}

static int status_of(const comparison *c)
{
    if (c->invalid > 0) {
        return 3;
    }
    if (c->differ > 0 && !c->request->force) {
        bench_say("these files do not compare (above); --force compares all the same");
        return 3;
    }
    if (c->table.rows == 0) {
        bench_say("there is nothing in both files to compare");
        return 3;
    }
    return c->slower_own > 0 ? 1 : c->open_own > 0 ? 2 : 0;
}

static void make_tables(comparison *c)
{
    static const char *const heads[] = {"workload", "side", "figure", "old", "new", "new / old", "floor", "verdict"};
    static const char *const single_heads[] = {"workload", "side", "figure", "where"};
    bench_table_init(&c->table);
    bench_table_init(&c->single);
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        bench_table_head(&c->table, heads[i]);
    }
    for (size_t i = 0; i < sizeof(single_heads) / sizeof(single_heads[0]); i++) {
        bench_table_head(&c->single, single_heads[i]);
    }
}

static int compare(const compare_request *request)
{
    comparison c = {.request = request};
    if (!bench_result_read(request->paths[0], &c.old)) {
        return 3;
    }
    if (!bench_result_read(request->paths[1], &c.new)) {
        bench_result_free(&c.old);
        return 3;
    }
    make_tables(&c);
    compare_facts(&c);
    compare_all(&c);
    print(&c);
    int status = status_of(&c);
    bench_table_deinit(&c.table);
    bench_table_deinit(&c.single);
    bench_result_free(&c.old);
    bench_result_free(&c.new);
    return status;
}

/* ---- arguments ---- */

enum { OPTION_RESOLUTION = 256, OPTION_FIGURE, OPTION_FORCE };

static const struct argp_option options[] = {
    {"resolution", OPTION_RESOLUTION, "PCT", 0, "\"no difference\" means that it is below this; 5", 0},
    {"figure", OPTION_FIGURE, "NAME", 0, "only this figure: time, p99, ...", 0},
    {"force", OPTION_FORCE, NULL, 0, "compare although machine, compiler, flags or counts differ", 0},
    {0},
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    compare_request *request = state->input;
    double percent;
    switch (key) {
    case OPTION_RESOLUTION:
        if (!bench_positive_parse(text, &percent) || percent > 100) {
            argp_error(state, "--resolution is a percentage above 0 and up to 100, not %s", text);
        }
        request->resolution = percent / 100;
        return 0;
    case OPTION_FIGURE:
        request->figure = text;
        return 0;
    case OPTION_FORCE:
        request->force = true;
        return 0;
    case ARGP_KEY_ARG:
        if (request->path_count == 2) {
            argp_error(state, "two files are compared, not more: %s", text);
        }
        request->paths[request->path_count++] = text;
        return 0;
    case ARGP_KEY_END:
        if (request->path_count < 2) {
            argp_error(state, "two files are compared");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp arguments = {
    .options = options,
    .parser = parse,
    .args_doc = "OLD.json NEW.json",
    .doc =
        "Says what became slower or faster from OLD to NEW: the ratio of the two, its interval at 99 %, the noise "
        "floor "
        "and the verdict, for each side and figure that both have.\v"
        "The status is 0 when nothing of this program became slower, 1 when something did, 2 when that cannot be said "
        "of something, 3 when the files do not compare or a run in them is invalid.",
};

int bench_compare_main(int argc, char **argv)
{
    compare_request request = {.resolution = BENCH_RESOLUTION};
    argp_parse(&arguments, argc, argv, 0, NULL, &request);
    return compare(&request);
}
