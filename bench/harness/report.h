/*
 * report: results of one folder, as a page and as Markdown.
 *
 *   report.c           the command: reads the folder, has all written
 *   report_tables.c    what stands in the tables, alike in both
 *   report_html.c      the page, by libxml2's xmlTextWriter; svg.c puts pictures into it
 *   report_notes.c     counters, versions, reasons and facts
 *   report_markdown.c  the same tables for docs/performance.md and the README
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "plot.h"
#include "result.h"
#include "table.h"

#include <libxml/xmlwriter.h>

typedef struct bench_report_file {
    char *path;
    bench_result result; /* its facts: the workloads are in the report */
} bench_report_file;

typedef struct bench_report {
    const char *title;
    bench_report_file *files;
    size_t file_count;
    bench_result all; /* workloads of all files */
    bench_plots plots;
    bool has_plots; /* gnuplot is there */
    char *plot_folder;
    char *command; /* that makes this page again */
} bench_report;

/* Marks of cells, which are classes of the page. */
extern const char bench_mark_good[], bench_mark_bad[], bench_mark_even[], bench_mark_note[];

/* What stands before the '/': its length. */
size_t bench_group_length(const char *workload);
/* What stands behind it; all of a name without one. */
const char *bench_workload_short_name(const char *workload);
/* Whether it is the first workload of its group. */
bool bench_group_begins(const bench_report *report, size_t workload);
bool bench_group_holds(const bench_report *report, size_t first, size_t workload);

/* What is said first, of all groups: "72 rows. Of those ...: first in 60, ... Goals: ...", to be freed. `behind` has the rows
 * in which a peer is ahead or a goal is missed. */
char *bench_report_standing(const bench_report *report, bench_table *behind);
/* The rows of the group that begins with the workload `first`. */
void bench_report_group(const bench_report *report, size_t first, bench_table *table);
/* What the kernel counted by operation. No rows if there is nothing. */
void bench_report_counters(const bench_report *report, size_t first, bench_table *table);
/* Versions of the sides, and what was skipped or invalid, and why. */
void bench_report_notes(const bench_report *report, size_t first, bench_table *table);

/* Facts of the first file, then of the others those that differ. */
void bench_report_facts(const bench_report *report, bench_table *table);

/* How to read a table: NULL ends it. */
extern const char *const bench_report_reading[];

/* False after a message. */
bool bench_report_html(const bench_report *report, const char *path);
bool bench_report_markdown(const bench_report *report, const char *path);
/* Replaces what stands between <!-- figures --> and <!-- /figures -->. */
bool bench_report_update(const bench_report *report, const char *path);

/* Writes the picture of a file into the page; `index` makes its names differ from those of others. */
bool bench_svg_inline(xmlTextWriterPtr writer, const char *path, const char *title, size_t index);

#endif
