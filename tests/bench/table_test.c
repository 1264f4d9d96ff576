/* table_test: numbers as text, and tables as a terminal and Markdown show them. */
#include "bench/harness/table.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void says(char *text, const char *wanted)
{
    cr_expect_str_eq(text, wanted);
    free(text);
}

Test(table, three_digits_count)
{
    says(bench_number_text(0), "0");
    says(bench_number_text(0.012345), "0.0123");
    says(bench_number_text(1.2345), "1.23");
    says(bench_number_text(12.345), "12.3");
    says(bench_number_text(123.45), "123");
    says(bench_number_text(999.4), "999");
    says(bench_number_text(1234.5), "1,234");
    says(bench_number_text(1234567), "1,234,567");
    says(bench_number_text(-1234567), "-1,234,567");
    says(bench_number_text(-1.5), "-1.50");
    says(bench_number_text(INFINITY), "inf");
}

Test(table, units_go_up_with_the_value)
{
    says(bench_value_text(12, "ns/message"), "12.0 ns/message");
    says(bench_value_text(999, "ns"), "999 ns");
    says(bench_value_text(1500, "ns"), "1.50 us");
    says(bench_value_text(2e9, "ns"), "2.00 s");
    says(bench_value_text(1500, "us"), "1.50 ms");
    says(bench_value_text(1536, "bytes"), "1.50 KiB");
    says(bench_value_text(290000, "requests/s"), "290,000 requests/s");
}

Test(table, ratios_have_thousandths_near_one)
{
    bench_ratio ratio = {true, 1.0021, 0.99, 1.01}, few = {false, 11.7, 0, INFINITY}, none = {false, NAN, 0, INFINITY};
    says(bench_ratio_text(&ratio), "1.002 [0.990, 1.010]");
    says(bench_ratio_text(&few), "11.7 [too few runs]");
    says(bench_ratio_text(&none), "no ratio: below 0");
}

static char *shown(const bench_table *table, void (*show)(const bench_table *, FILE *))
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    show(table, out);
    fclose(out);
    return text;
}

Test(table, both_ways_to_show_it)
{
    bench_table table;
    bench_table_init(&table);
    bench_table_head(&table, "name");
    size_t value = bench_table_head(&table, "value");
    bench_table_row(&table);
    bench_table_set(&table, 0, NULL, "%s", "a|b");
    bench_table_set(&table, value, NULL, "old");
    bench_table_set(&table, value, "good", "≤ %d", 5);
    bench_table_row(&table);
    cr_expect_str_eq(bench_table_cell(&table, 0, value)->mark, "good");
    says(shown(&table, bench_table_print), "name  value\na|b     ≤ 5\n           \n");
    says(shown(&table, bench_table_markdown), "| name | value |\n|---|---:|\n| a\\|b | ≤ 5 |\n|  |  |\n");
    bench_table_deinit(&table);
    cr_expect_eq(table.rows, 0);
}
