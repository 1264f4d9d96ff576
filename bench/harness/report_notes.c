/* report_notes.c: what stands below the tables of a report: counters, versions, reasons, facts. */
#include "report.h"

#include "memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- counters ---- */

static size_t counter_column(const bench_table *table, const char *name)
{
    size_t column = 2;
    while (column < table->columns && strcmp(table->heads[column], name) != 0) {
        column++;
    }
    return column;
}

static void counter_heads(const bench_workload_result *workload, bench_table *table)
{
    for (size_t i = 0; i < workload->side_count; i++) {
        const bench_side_result *side = &workload->sides[i];
        for (size_t k = 0; k < side->counter_count; k++) {
            if (counter_column(table, side->counters[k].name) == table->columns) {
                bench_table_head(table, side->counters[k].name);
            }
        }
    }
}

static void counter_rows(const bench_workload_result *workload, bench_table *table)
{
    for (size_t i = 0; i < workload->side_count; i++) {
        const bench_side_result *side = &workload->sides[i];
        if (side->counter_count == 0 || side->role == BENCH_ROLE_TWIN) {
            continue;
        }
        bench_table_row(table);
        bench_table_set(table, 0, NULL, "%s", workload->name);
        bench_table_set(table, 1, NULL, "%s", side->name);
        for (size_t k = 0; k < side->counter_count; k++) {
            char *text = bench_number_text(side->counters[k].number);
            bench_table_set(table, counter_column(table, side->counters[k].name), NULL, "%s", text);
            free(text);
        }
    }
}

void bench_report_counters(const bench_report *report, size_t first, bench_table *table)
{
    bench_table_init(table);
    bench_table_head(table, "workload");
    bench_table_head(table, "side");
    for (size_t i = first; i < report->all.workload_count; i++) {
        if (bench_group_holds(report, first, i)) {
            counter_heads(&report->all.workloads[i], table);
        }
    }
    for (size_t i = first; i < report->all.workload_count; i++) {
        if (bench_group_holds(report, first, i)) {
            counter_rows(&report->all.workloads[i], table);
        }
    }
}

/* ---- versions and reasons ---- */

static void note(bench_table *table, const char *who, const char *mark, const char *what)
{
    for (size_t row = 0; row < table->rows; row++) {
        if (strcmp(bench_table_cell(table, row, 0)->text, who) == 0 &&
            strcmp(bench_table_cell(table, row, 1)->text, what) == 0) {
            return;
        }
    }
    bench_table_row(table);
    bench_table_set(table, 0, NULL, "%s", who);
    bench_table_set(table, 1, mark, "%s", what);
}

/* "fewer operations a run: ring 20,000 of 800,000, ..." of all workloads of the group in which it has a count of its own. */
static void note_counts(const bench_report *report, size_t first, const char *name, bench_table *table)
{
    char *all = bench_copy("");
    for (size_t i = first; i < report->all.workload_count; i++) {
        const bench_workload_result *workload = &report->all.workloads[i];
        const bench_side_result *side = bench_workload_side(workload, name, BENCH_ROLE_PEER);
        if (!bench_group_holds(report, first, i) || side == NULL || side->count == 0 || side->figure_count == 0) {
            continue;
        }
        bench_append(&all, "%s%s %" PRIu64 " of %" PRIu64, *all == '\0' ? "fewer operations a run: " : ", ",
                     bench_workload_short_name(workload->name), side->count, workload->count);
    }
    if (*all != '\0') {
        note(table, name, NULL, all);
    }
    free(all);
}

void bench_report_notes(const bench_report *report, size_t first, bench_table *table)
{
    bench_table_init(table);
    bench_table_head(table, "side");
    bench_table_head(table, "what to know");
    for (size_t i = first; i < report->all.workload_count; i++) {
        const bench_workload_result *workload = &report->all.workloads[i];
        for (size_t k = 0; bench_group_holds(report, first, i) && k < workload->side_count; k++) {
            const bench_side_result *side = &workload->sides[k];
            if (side->invalid != NULL) {
                char *who = bench_format("%s, %s", workload->name, side->name);
                char *what = bench_format("invalid: %s", side->invalid);
                note(table, who, bench_mark_bad, what);
                free(who);
                free(what);
            } else if (side->skipped != NULL) {
                note(table, side->name, bench_mark_note, side->skipped);
            } else if (side->role == BENCH_ROLE_PEER) {
                note(table, side->name, NULL, side->version != NULL ? side->version : "of no known version");
                note_counts(report, first, side->name, table);
            }
        }
    }
}

/* ---- facts ---- */

static bool is_known(const bench_report *report, const bench_fact *fact)
{
    const bench_result *known = &report->files[0].result;
    for (size_t i = 0; i < known->fact_count; i++) {
        if (strcmp(known->facts[i].name, fact->name) == 0 && strcmp(known->facts[i].text, fact->text) == 0) {
            return true;
        }
    }
    return false;
}

void bench_report_facts(const bench_report *report, bench_table *table)
{
    bench_table_init(table);
    bench_table_head(table, "what");
    bench_table_head(table, "is");
    for (size_t i = 0; i < report->file_count; i++) {
        const bench_report_file *file = &report->files[i];
        const char *name = strrchr(file->path, '/') == NULL ? file->path : strrchr(file->path, '/') + 1;
        for (size_t k = 0; k < file->result.fact_count; k++) {
            const bench_fact *fact = &file->result.facts[k];
            if (i > 0 && is_known(report, fact)) {
                continue;
            }
            bench_table_row(table);
            bench_table_set(table, 0, NULL, "%s%s%s%s", fact->name, i > 0 ? " (" : "", i > 0 ? name : "",
                            i > 0 ? ")" : "");
            bench_table_set(table, 1, NULL, "%s", fact->text);
        }
    }
}
