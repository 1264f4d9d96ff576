/* table: cells of text in rows and columns, to be shown on a terminal, in Markdown, or in HTML (report_html.c). One thread. */
#ifndef BENCH_TABLE_H
#define BENCH_TABLE_H

#include "stats.h"

#include <stddef.h>
#include <stdio.h>

typedef struct bench_cell {
    char *text;
    const char *mark; /* a class of the style sheet, or NULL; not copied */
} bench_cell;

typedef struct bench_table {
    char **heads;
    size_t columns;
    bench_cell *cells; /* row after row */
    size_t rows;
} bench_table;

/* Heads are added first, with bench_table_head(); then rows. */
void bench_table_init(bench_table *table);
void bench_table_deinit(bench_table *table);

size_t bench_table_head(bench_table *table, const char *text); /* its column */
void bench_table_row(bench_table *table);

/* Into the last row. Cells not set are empty; one that is set again is replaced. */
void bench_table_set(bench_table *table, size_t column, const char *mark, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
const bench_cell *bench_table_cell(const bench_table *table, size_t row, size_t column);

/* The first column to the left, all others to the right. */
void bench_table_print(const bench_table *table, FILE *out);
void bench_table_markdown(const bench_table *table, FILE *out);

/* Three digits that count, with a comma between thousands; to be freed. */
char *bench_number_text(double value);
/* The same with its unit, in one that leaves one to four digits before the point (ns, us, ms, s; bytes, KiB, ...). */
char *bench_value_text(double value, const char *unit);
/* "1.420 [1.401, 1.452]", or "1.420 [too few runs]". */
char *bench_ratio_text(const bench_ratio *ratio);

#endif
