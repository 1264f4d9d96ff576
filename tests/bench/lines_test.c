/* lines: what a run may write, and what is said of each line that it may not. */
#include "bench/harness/lines.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bench_side_result sample;

static void read_bytes(const char *bytes, size_t size)
{
    char *copy = malloc(size + 1);
    cr_assert_neq(copy, NULL);
    memcpy(copy, bytes, size);
    copy[size] = '\0';
    bench_side_free(&sample);
    bench_lines_read(&sample, "message", copy, size);
    free(copy);
}

static void read_text(const char *text)
{
    read_bytes(text, strlen(text));
}

static void expect_invalid(const char *text, const char *reason)
{
    read_text(text);
    cr_assert_neq(sample.invalid, NULL, "'%s' was taken for valid", text);
    cr_expect_str_eq(sample.invalid, reason, "'%s': %s", text, sample.invalid);
    cr_expect_eq(sample.figure_count, 0, "'%s': it is invalid and has figures", text);
    cr_expect_eq(sample.proof_count, 0);
    cr_expect_eq(sample.histogram, NULL);
}

#define GOOD "time time 500 100\nproof messages 100\n"

Test(lines, a_run_is_read)
{
    read_text("version Erlang/OTP 25.2.3\ntime time 500 100\nfigure rate 1/s higher 12.5e3\nproof messages 100\n"
              "proof sum 18446744073709551615\ncounter instructions 85.5\n");
    cr_assert_eq(sample.invalid, NULL, "%s", sample.invalid);
    cr_expect_str_eq(sample.version, "Erlang/OTP 25.2.3");
    const bench_figure *time = bench_side_figure(&sample, "time");
    cr_assert_neq(time, NULL);
    cr_expect_eq(time->count, 1);
    cr_expect_eq(time->values[0], 5);
    cr_expect_str_eq(time->unit, "ns/message");
    cr_expect_eq(time->better, JZX_BENCH_LOWER);
    const bench_figure *rate = bench_side_figure(&sample, "rate");
    cr_assert_neq(rate, NULL);
    cr_expect_eq(rate->values[0], 12500);
    cr_expect_str_eq(rate->unit, "1/s");
    cr_expect_eq(rate->better, JZX_BENCH_HIGHER);
    cr_assert_eq(sample.proof_count, 2);
    cr_expect_eq(sample.proofs[1].exact, UINT64_MAX);
    cr_assert_eq(sample.counter_count, 1);
    cr_expect_eq(sample.counters[0].number, 85.5);
    bench_side_free(&sample);
}

Test(lines, latencies_become_percentiles)
{
    read_text("proof messages 100\nlatency 1000 98\nlatency 2000 1\nlatency 1500 1\n");
    cr_assert_eq(sample.invalid, NULL, "%s", sample.invalid);
    cr_assert_eq(sample.figure_count, 5);
    cr_expect_eq(bench_histogram_count(sample.histogram), 100);
    cr_expect_eq(bench_side_figure(&sample, "p50")->values[0], 1);
    cr_expect_eq(bench_side_figure(&sample, "p99")->values[0], 1.5);
    cr_expect_eq(bench_side_figure(&sample, "max")->values[0], 2);
    cr_expect_str_eq(bench_side_figure(&sample, "max")->unit, "us");
    bench_side_free(&sample);
}

Test(lines, a_skip_is_all_there_is)
{
    read_text(GOOD "skip no such kernel here\n");
    cr_expect_eq(sample.invalid, NULL);
    cr_expect_str_eq(sample.skipped, "no such kernel here");
    cr_expect_eq(sample.figure_count, 0);
    cr_expect_eq(sample.proof_count, 0);
    bench_side_free(&sample);
}

Test(lines, what_says_that_it_is_invalid_is)
{
    expect_invalid(GOOD "invalid one was lost\n", "one was lost");
    expect_invalid(GOOD "skip no\ninvalid one was lost\n", "one was lost");
}

Test(lines, what_says_too_little_is_invalid)
{
    expect_invalid("", "it wrote nothing");
    expect_invalid("time time 500 100\n", "it proves nothing");
    expect_invalid("proof messages 100\n", "it has no figure");
    expect_invalid("version 1\n", "it proves nothing");
}

static const struct bad {
    const char *line;
    const char *reason; /* behind "line 3 of what it wrote: " */
} bad_lines[] = {
    {"", "not of the protocol: ''"},
    {"hello", "not of the protocol: 'hello'"},
    {"times time 1 1", "not of the protocol: 'times time 1 1'"},
    {" proof sum 1", "not of the protocol: ' proof sum 1'"},
    {"Proof sum 1", "not of the protocol: 'Proof sum 1'"},
    {"version", "it says nothing: 'version'"},
    {"version ", "it says nothing: 'version'"},
    {"skip", "it says nothing: 'skip'"},
    {"invalid", "it says nothing: 'invalid'"},
    {"time other 500", "too many or too few words: 'time'"},
    {"time other 500 100 1", "too many or too few words: 'time'"},
    {"time other 500 100 1 2 3", "too many or too few words: 'time'"},
    {"time other  500", "two blanks, or one at the end: 'time'"},
    {"time other 5e2 100", "not a whole number of 64 bits: '5e2'"},
    {"time other -500 100", "not a whole number of 64 bits: '-500'"},
    {"time other 500 0x10", "not a whole number of 64 bits: '0x10'"},
    {"time other 0 100", "a time needs nanoseconds and operations above 0: 'other'"},
    {"time other 500 0", "a time needs nanoseconds and operations above 0: 'other'"},
    {"time time 500 100", "a figure of that name was there before: 'time'"},
    {"figure rate 1/s higher", "too many or too few words: 'figure'"},
    {"figure rate a second higher 5", "too many or too few words: 'figure'"},
    {"figure rate 1/s faster 5", "neither lower nor higher: 'faster'"},
    {"figure rate 1/s higher fast", "not a finite number: 'fast'"},
    {"figure rate 1/s higher nan", "not a finite number: 'nan'"},
    {"figure rate 1/s higher inf", "not a finite number: 'inf'"},
    {"figure rate 1/s higher 1e999", "not a finite number: '1e999'"},
    {"figure rate 1/s higher 5,0", "not a finite number: '5,0'"},
    {"figure rate 1/s higher 1e", "not a finite number: '1e'"},
    {"figure time 1/s higher 5", "a figure of that name was there before: 'time'"},
    {"proof sum", "too many or too few words: 'proof'"},
    {"proof sum ", "two blanks, or one at the end: 'proof'"},
    {"proof sum 1.0", "not a whole number of 64 bits: '1.0'"},
    {"proof sum -1", "not a whole number of 64 bits: '-1'"},
    {"proof sum 18446744073709551616", "not a whole number of 64 bits: '18446744073709551616'"},
    {"proof messages 100", "that was there before: 'messages'"},
    {"counter cycles", "too many or too few words: 'counter'"},
    {"counter cycles -1", "not a finite number of 0 or more: '-1'"},
    {"counter cycles many", "not a finite number of 0 or more: 'many'"},
    {"latency 5", "too many or too few words: 'latency'"},
    {"latency 5 0", "a bucket that holds nothing: '0'"},
    {"latency 5.5 1", "not a whole number of 64 bits: '5.5'"},
    {"latency 5 x", "not a whole number of 64 bits: 'x'"},
};

Test(lines, each_malformed_line_has_its_reason)
{
    for (size_t i = 0; i < sizeof bad_lines / sizeof bad_lines[0]; i++) {
        char text[256];
        char reason[256];
        snprintf(text, sizeof text, GOOD "%s\n", bad_lines[i].line);
        snprintf(reason, sizeof reason, "line 3 of what it wrote: %s", bad_lines[i].reason);
        expect_invalid(text, reason);
    }
}

Test(lines, what_is_told_twice_is_invalid)
{
    expect_invalid("version 1\nversion 2\n" GOOD, "line 2 of what it wrote: that was there before: 'version'");
    expect_invalid("counter cycles 1\ncounter cycles 1\n" GOOD,
                   "line 2 of what it wrote: that was there before: 'cycles'");
    expect_invalid("figure p50 us lower 1\nproof messages 1\nlatency 5 1\n",
                   "it has latencies and a figure of its own called p50");
}

Test(lines, bytes_that_are_no_text_are_invalid)
{
    expect_invalid(GOOD "proof sum 1", "line 3 of what it wrote does not end");
    expect_invalid("proof\tsum 1\n", "line 1 of what it wrote has a control character");
    expect_invalid("proof sum 1\r\n", "line 1 of what it wrote has a control character");
    read_bytes("proof sum 1\0\n", 13);
    cr_assert_neq(sample.invalid, NULL);
    cr_expect_str_eq(sample.invalid, "line 1 of what it wrote has a control character");
    bench_side_free(&sample);
}
