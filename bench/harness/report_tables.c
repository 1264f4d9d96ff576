#include "report.h"

#include "judge.h"
#include "memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char bench_mark_good[] = "good", bench_mark_bad[] = "bad", bench_mark_even[] = "even", bench_mark_note[] = "note";

const char *const bench_report_reading[] = {
    "Values are medians of all runs; none was left out. Each run is a process of its own, and those of all sides were "
    "made "
    "in shuffled turns.",
    "A ratio stands with its interval at 99 %: [from, to]. It is the median of the ratios of each run of one side to "
    "each "
    "of the other (Hodges and Lehmann), the interval that of Mann and Whitney.",
    "raw is the least that C can do the work with. ours / raw is in the unit of the row: for times, 1.5 means half as "
    "long "
    "again; for rates, 0.95 means 5 % fewer.",
    "best peer says how many times better ours is than the best other program of the row. Ours is first where no peer "
    "is "
    "better beyond the interval, and behind where one is: its whole interval is below 1. Names with -channels use "
    "channels, not actors.",
    "A value with * is of runs with fewer operations than ours, since that side is slower; how many stands below the "
    "table.",
    "noise is how far ours and its twin, the same program once more, came apart.",
    "A goal is met when the whole interval is within it, missed when the whole interval is beyond it, and open "
    "otherwise.",
    NULL,
};

/* ---- groups ---- */

size_t bench_group_length(const char *workload)
{
    return strcspn(workload, "/");
}

bool bench_group_holds(const bench_report *report, size_t first, size_t workload)
{
    const char *one = report->all.workloads[first].name, *other = report->all.workloads[workload].name;
    size_t length = bench_group_length(one);
    return bench_group_length(other) == length && strncmp(one, other, length) == 0;
}

bool bench_group_begins(const bench_report *report, size_t workload)
{
    for (size_t i = 0; i < workload; i++) {
        if (bench_group_holds(report, i, workload)) {
            return false;
        }
    }
    return true;
}

const char *bench_workload_short_name(const char *workload)
{
    size_t length = bench_group_length(workload);
    return workload[length] == '/' ? workload + length + 1 : workload;
}

/* ---- columns ---- */

enum { COLUMN_WORKLOAD, COLUMN_UNIT, COLUMN_OURS, COLUMN_NOISE, COLUMN_SIDES };

static const char *column_name(const bench_side_result *side)
{
    return side->role == BENCH_ROLE_OLD ? "old" : side->name;
}

static bool has_column(const bench_workload_result *workload, size_t side)
{
    return side > 0 && workload->sides[side].role != BENCH_ROLE_TWIN;
}

static size_t column_of(const bench_table *table, const char *name)
{
    size_t column = COLUMN_SIDES;
    while (column < table->columns && strcmp(table->heads[column], name) != 0) {
        column++;
    }
    return column;
}

/* Sides of this program first: the raw limit stands beside ours. */
static void side_heads(const bench_report *report, size_t first, bool peers, bench_table *table)
{
    for (size_t i = first; i < report->all.workload_count; i++) {
        const bench_workload_result *workload = &report->all.workloads[i];
        for (size_t k = 0; bench_group_holds(report, first, i) && k < workload->side_count; k++) {
            const bench_side_result *side = &workload->sides[k];
            if (has_column(workload, k) && (side->role == BENCH_ROLE_PEER) == peers &&
                column_of(table, column_name(side)) == table->columns) {
                bench_table_head(table, column_name(side));
            }
        }
    }
}

typedef struct places {
    size_t raw, peer, goals;
} places;

static places make_heads(const bench_report *report, size_t first, bench_table *table)
{
    bench_table_init(table);
    bench_table_head(table, "workload");
    bench_table_head(table, "unit");
    bench_table_head(table, "ours");
    bench_table_head(table, "noise");
    side_heads(report, first, false, table);
    places columns;
    columns.raw = bench_table_head(table, "ours / raw");
    columns.peer = bench_table_head(table, "best peer");
    columns.goals = bench_table_head(table, "goal");
    side_heads(report, first, true, table); /* last: where there are many of them, one has to scroll */
    return columns;
}

/* ---- cells ---- */

/* `after` stands behind it. */
static void set_value(bench_table *table, size_t column, const bench_figure *figure, const char *after)
{
    size_t word = strcspn(figure->unit, "/");
    bool is_rate = figure->unit[word] == '/' && strcmp(figure->unit + word, "/s") == 0;
    char *unit = bench_format("%.*s", (int)word, figure->unit);
    double median = bench_figure_median(figure);
    char *text = is_rate ? bench_number_text(median) : bench_value_text(median, unit);
    bench_table_set(table, column, NULL, "%s%s", text, after);
    free(unit);
    free(text);
}

static void set_sides(bench_table *table, const bench_workload_result *workload, const char *figure)
{
    for (size_t i = 0; i < workload->side_count; i++) {
        const bench_side_result *side = &workload->sides[i];
        const bench_figure *found = bench_judged_figure(side, figure);
        if (!has_column(workload, i)) {
            continue;
        }
        size_t column = column_of(table, column_name(side));
        if (found != NULL) {
            set_value(table, column, found, side->count != 0 ? "*" : "");
        } else if (side->invalid != NULL) {
            bench_table_set(table, column, bench_mark_bad, "invalid");
        } else if (side->skipped != NULL) {
            bench_table_set(table, column, bench_mark_note, "skipped");
        }
    }
}

static void set_raw(bench_table *table, size_t column, const bench_workload_result *workload, const bench_figure *ours)
{
    const bench_side_result *raw = bench_workload_raw(workload, ours->name);
    if (raw != NULL) {
        bench_ratio ratio = bench_figure_ratio(ours, bench_judged_figure(raw, ours->name));
        char *text = bench_ratio_text(&ratio);
        bench_table_set(table, column, NULL, "%s", text);
        free(text);
    }
}

/* Where another peer has the better median, but not beyond the interval, the one that is ahead is named. */
static bench_place set_peer(bench_table *table, size_t column, const bench_workload_result *workload,
                            const bench_figure *ours)
{
    static const char *const marks[] = {
        [BENCH_PLACE_OPEN] = bench_mark_even,
        [BENCH_PLACE_BEHIND] = bench_mark_bad,
        [BENCH_PLACE_FIRST] = bench_mark_even,
        [BENCH_PLACE_AHEAD] = bench_mark_good,
    };
    const bench_side_result *behind;
    bench_place place = bench_workload_verdict(workload, ours->name, &behind);
    const bench_side_result *peer = behind != NULL ? behind : bench_workload_peer(workload, ours->name);
    if (peer != NULL) {
        bench_ratio ratio = bench_figure_ratio(ours, bench_judged_figure(peer, ours->name));
        bench_ratio gain = bench_ratio_gain(&ratio, ours->better);
        char *text = bench_ratio_text(&gain);
        bench_table_set(table, column, marks[place], "%s × %s", text, peer->name);
        free(text);
    }
    return place;
}

/* ---- goals ---- */

static char *limit_text(const bench_goal_result *goal, const bench_figure *figure)
{
    bool lower = figure->better == JZX_BENCH_LOWER;
    char *text;
    if (goal->against == NULL) {
        char *value = bench_value_text(goal->limit, figure->unit);
        text = bench_format("%s %s", lower ? "≤" : "≥", value);
        free(value);
    } else if (strcmp(goal->against, "peers") == 0) {
        char *value = bench_number_text(lower ? 1 / goal->limit : goal->limit);
        text = bench_format("≥ %s × peers", value);
        free(value);
    } else {
        text = bench_format("%s %g %s", lower ? "≤" : "≥", goal->limit, goal->against);
    }
    return text;
}

/* How many rows there are, where a peer is ahead, which goals are met. */
struct standing {
    unsigned rows;
    unsigned peers, places[4];  /* those with peers, and how they came out */
    unsigned met, missed, open; /* goals */
};

static void count_goal(struct standing *standing, bench_reached reached)
{
    standing->met += reached == BENCH_MET;
    standing->missed += reached == BENCH_MISSED;
    standing->open += reached == BENCH_OPEN;
}

static const char *goal_mark(bool missed, bool open)
{
    return missed ? bench_mark_bad : open ? bench_mark_even : bench_mark_good;
}

/* All goals of this figure in one cell; whether one is missed. */
static bool set_goals(bench_table *table, size_t column, const bench_workload_result *workload,
                      const bench_figure *ours, struct standing *standing)
{
    static const char *const words[] = {"open", "met", "missed"};
    bool missed = false, open = false;
    char *all = bench_copy("");
    for (size_t i = 0; i < workload->goal_count; i++) {
        const bench_goal_result *goal = &workload->goals[i];
        if (strcmp(goal->figure, ours->name) != 0) {
            continue;
        }
        bench_reached reached = bench_goal_reached(workload, goal);
        char *limit = limit_text(goal, ours);
        bench_append(&all, "%s%s: %s", *all == '\0' ? "" : ", ", limit, words[reached]);
        free(limit);
        missed = missed || reached == BENCH_MISSED;
        open = open || reached == BENCH_OPEN;
        count_goal(standing, reached);
    }
    if (*all != '\0') {
        bench_table_set(table, column, goal_mark(missed, open), "%s", all);
    }
    free(all);
    return missed;
}

/* ---- rows ---- */

static void make_behind_heads(bench_table *behind)
{
    bench_table_init(behind);
    bench_table_head(behind, "workload");
    bench_table_head(behind, "ours / raw");
    bench_table_head(behind, "best peer");
    bench_table_head(behind, "goal");
}

static void copy_cell(bench_table *to, size_t column, const bench_table *from, size_t from_column)
{
    const bench_cell *cell = bench_table_cell(from, from->rows - 1, from_column);
    bench_table_set(to, column, cell->mark, "%s", cell->text);
}

static void behind_row(bench_table *behind, const bench_workload_result *workload, const bench_figure *ours,
                       const bench_table *table, places columns)
{
    bench_table_row(behind);
    bench_table_set(behind, 0, NULL, "%s, %s", workload->name, ours->name);
    copy_cell(behind, 1, table, columns.raw);
    copy_cell(behind, 2, table, columns.peer);
    copy_cell(behind, 3, table, columns.goals);
}

static void set_label(bench_table *table, const bench_workload_result *workload, const bench_figure *ours)
{
    bool is_time = strcmp(ours->name, "time") == 0;
    bench_table_row(table);
    bench_table_set(table, COLUMN_WORKLOAD, NULL, "%s%s%s", bench_workload_short_name(workload->name),
                    is_time ? "" : ", ", is_time ? "" : ours->name);
    bench_table_set(table, COLUMN_UNIT, bench_mark_note, "%s", ours->unit);
}

static void figure_row(bench_table *table, places columns, const bench_workload_result *workload,
                       const bench_figure *ours, struct standing *standing, bench_table *behind)
{
    double floor = bench_workload_floor(workload, ours->name);
    set_label(table, workload, ours);
    set_value(table, COLUMN_OURS, ours, "");
    if (floor >= 0) {
        bench_table_set(table, COLUMN_NOISE, bench_mark_note, "%.1f %%", floor * 100);
    }
    set_sides(table, workload, ours->name);
    set_raw(table, columns.raw, workload, ours);
    bench_place place = set_peer(table, columns.peer, workload, ours);
    bool missed = set_goals(table, columns.goals, workload, ours, standing);
    standing->rows++;
    standing->peers += bench_workload_peer(workload, ours->name) != NULL;
    standing->places[place]++;
    if (missed || place == BENCH_PLACE_BEHIND) {
        behind_row(behind, workload, ours, table, columns);
    }
}

static void missing_row(bench_table *table, const bench_workload_result *workload)
{
    const bench_side_result *first = bench_workload_first(workload);
    bool invalid = first != NULL && first->invalid != NULL;
    bench_table_row(table);
    bench_table_set(table, COLUMN_WORKLOAD, NULL, "%s", bench_workload_short_name(workload->name));
    bench_table_set(table, COLUMN_OURS, invalid ? bench_mark_bad : bench_mark_note, "%s",
                    invalid ? "invalid" : "skipped");
}

/* The rows of a group, which are counted in `standing`; `behind` gets those in which a peer is ahead or a goal is missed. */
static void fill_group(const bench_report *report, size_t first, bench_table *table, struct standing *standing,
                       bench_table *behind)
{
    places columns = make_heads(report, first, table);
    for (size_t i = first; i < report->all.workload_count; i++) {
        const bench_workload_result *workload = &report->all.workloads[i];
        const bench_side_result *own = bench_workload_first(workload);
        if (!bench_group_holds(report, first, i)) {
            continue;
        }
        if (own == NULL || own->figure_count == 0) {
            missing_row(table, workload);
        }
        for (size_t k = 0; own != NULL && k < own->figure_count; k++) {
            if (bench_judged_figure(own, own->figures[k].name) != NULL) {
                figure_row(table, columns, workload, &own->figures[k], standing, behind);
            }
        }
    }
}

void bench_report_group(const bench_report *report, size_t first, bench_table *table)
{
    struct standing standing = {0};
    bench_table behind;
    make_behind_heads(&behind);
    fill_group(report, first, table, &standing, &behind);
    bench_table_deinit(&behind);
}

char *bench_report_standing(const bench_report *report, bench_table *behind)
{
    struct standing all = {0};
    make_behind_heads(behind);
    for (size_t i = 0; i < report->all.workload_count; i++) {
        if (bench_group_begins(report, i)) {
            bench_table rows;
            fill_group(report, i, &rows, &all, behind);
            bench_table_deinit(&rows);
        }
    }
    unsigned ahead = all.places[BENCH_PLACE_AHEAD], first = ahead + all.places[BENCH_PLACE_FIRST];
    unsigned behind_count = all.places[BENCH_PLACE_BEHIND];
    return bench_format(
        "%u rows, %u with peers: first in %u of them (ahead of every peer in %u), behind in %u, too few "
        "runs to say in %u. Goals: %u met, %u missed, %u open.",
        all.rows, all.peers, first, ahead, behind_count, all.peers - first - behind_count, all.met, all.missed,
        all.open);
}
