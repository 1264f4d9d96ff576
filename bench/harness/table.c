#include "table.h"

#include "memory.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void bench_table_init(bench_table *table)
{
    memset(table, 0, sizeof(*table));
}

void bench_table_deinit(bench_table *table)
{
    for (size_t i = 0; i < table->columns; i++) {
        free(table->heads[i]);
    }
    for (size_t i = 0; i < table->rows * table->columns; i++) {
        free(table->cells[i].text);
    }
    free(table->heads);
    free(table->cells);
    bench_table_init(table);
}

size_t bench_table_head(bench_table *table, const char *text)
{
    if (table->rows > 0) {
        bench_fail("a column was added to a table that has rows");
    }
    table->heads = bench_more(table->heads, table->columns, sizeof(*table->heads));
    table->heads[table->columns] = bench_copy(text);
    return table->columns++;
}

void bench_table_row(bench_table *table)
{
    for (size_t i = 0; i < table->columns; i++) {
        size_t at = table->rows * table->columns + i;
        table->cells = bench_more(table->cells, at, sizeof(*table->cells));
        table->cells[at] = (bench_cell){.text = bench_copy("")};
    }
    table->rows++;
}

void bench_table_set(bench_table *table, size_t column, const char *mark, const char *format, ...)
{
    bench_cell *cell = &table->cells[(table->rows - 1) * table->columns + column];
    va_list arguments;
    char *text;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0) {
        bench_fail("no memory");
    }
    va_end(arguments);
    free(cell->text);
    *cell = (bench_cell){text, mark};
}

const bench_cell *bench_table_cell(const bench_table *table, size_t row, size_t column)
{
    return &table->cells[row * table->columns + column];
}

/* ---- as text ---- */

/* Characters, not bytes: what does not go on a character of UTF-8. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return width;
}

static size_t column_width(const bench_table *table, size_t column)
{
    size_t widest = width_of(table->heads[column]);
    for (size_t row = 0; row < table->rows; row++) {
        size_t width = width_of(bench_table_cell(table, row, column)->text);
        widest = width > widest ? width : widest;
    }
    return widest;
}

static void print_cell(const char *text, size_t column, size_t width, FILE *out)
{
    size_t blanks = width - width_of(text);
    if (column == 0) {
        fprintf(out, "%s%*s", text, (int)blanks, "");
    } else {
        fprintf(out, "  %*s%s", (int)blanks, "", text);
    }
}

void bench_table_print(const bench_table *table, FILE *out)
{
    for (size_t column = 0; column < table->columns; column++) {
        print_cell(table->heads[column], column, column_width(table, column), out);
    }
    fputc('\n', out);
    for (size_t row = 0; row < table->rows; row++) {
        for (size_t column = 0; column < table->columns; column++) {
            print_cell(bench_table_cell(table, row, column)->text, column, column_width(table, column), out);
        }
        fputc('\n', out);
    }
}

static void markdown_cell(const char *text, FILE *out)
{
    fputc(' ', out);
    for (; *text != '\0'; text++) {
        if (strchr("|\\`*_<", *text) != NULL) {
            fputc('\\', out);
        }
        fputc(*text == '\n' ? ' ' : *text, out);
    }
    fputs(" |", out);
}

void bench_table_markdown(const bench_table *table, FILE *out)
{
    fputc('|', out);
    for (size_t column = 0; column < table->columns; column++) {
        markdown_cell(table->heads[column], out);
    }
    fputs("\n|", out);
    for (size_t column = 0; column < table->columns; column++) {
        fputs(column == 0 ? "---|" : "---:|", out);
    }
    fputc('\n', out);
    for (size_t row = 0; row < table->rows; row++) {
        fputc('|', out);
        for (size_t column = 0; column < table->columns; column++) {
            markdown_cell(bench_table_cell(table, row, column)->text, out);
        }
        fputc('\n', out);
    }
}

/* ---- numbers ---- */

char *bench_number_text(double value)
{
    double size = fabs(value);
    if (!isfinite(value) || size == 0) {
        return bench_format("%g", value);
    }
    if (size >= 999.5) {
        char digits[64], *text = bench_new(96), *to = text;
        int count = snprintf(digits, sizeof(digits), "%.0f", value);
        for (int i = 0; i < count && i < 63; i++) {
            *to++ = digits[i];
            if ((count - i) % 3 == 1 && i + 1 < count && digits[i] != '-') {
                *to++ = ',';
            }
        }
        return text;
    }
    int decimals = 2 - (int)floor(log10(size));
    return bench_format("%.*f", decimals > 0 ? decimals : 0, value);
}

typedef struct scale {
    const char *unit; /* the least of them first */
    double step;      /* by the one before */
} scale;

static char *scaled(double value, const char *rest, const scale *scales, size_t from, size_t count)
{
    size_t at = from;
    while (at + 1 < count && fabs(value) >= (scales[at + 1].step < 1001 ? 1000 : 1024) * 1.0) {
        value /= scales[++at].step;
    }
    char *number = bench_number_text(value);
    char *text = bench_format("%s %s%s", number, scales[at].unit, rest);
    free(number);
    return text;
}

char *bench_value_text(double value, const char *unit)
{
    static const scale times[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000}, {"s", 1000}};
    static const scale sizes[] = {{"bytes", 1}, {"KiB", 1024}, {"MiB", 1024}, {"GiB", 1024}};
    size_t word = strcspn(unit, "/");
    for (size_t i = 0; i < 4; i++) {
        if (strlen(times[i].unit) == word && strncmp(unit, times[i].unit, word) == 0) {
            return scaled(value, unit + word, times, i, 4);
        }
        if (strlen(sizes[i].unit) == word && strncmp(unit, sizes[i].unit, word) == 0) {
            return scaled(value, unit + word, sizes, i, 4);
        }
    }
    char *number = bench_number_text(value);
    char *text = bench_format("%s %s", number, unit);
    free(number);
    return text;
}

/* Thousandths near 1, where they matter. */
static char *near_one(double value)
{
    return value >= 0.1 && value < 9.9995 ? bench_format("%.3f", value) : bench_number_text(value);
}

char *bench_ratio_text(const bench_ratio *ratio)
{
    if (isnan(ratio->estimate)) {
        return bench_copy("no ratio: below 0");
    }
    char *estimate = near_one(ratio->estimate), *low = near_one(ratio->low), *high = near_one(ratio->high);
    char *text = ratio->interval ? bench_format("%s [%s, %s]", estimate, low, high)
                                 : bench_format("%s [too few runs]", estimate);
    free(estimate);
    free(low);
    free(high);
    return text;
}
