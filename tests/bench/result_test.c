/* result: what is written is what is read, and what is no result is told apart. */
#include "bench/harness/memory.h"
#include "bench/harness/result.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static char path[128];

static void make_folder(void)
{
    strcpy(folder, "/tmp/jzx-result-XXXXXX");
    cr_assert_neq(mkdtemp(folder), NULL);
    snprintf(path, sizeof path, "%s/result.json", folder);
}

static void remove_folder(void)
{
    unlink(path);
    cr_expect_eq(rmdir(folder), 0, "something is left in %s", folder);
}

TestSuite(result, .init = make_folder, .fini = remove_folder);

static void fill_side(bench_side_result *side)
{
    side->name = bench_copy("jzx");
    side->version = bench_copy("1 \"quoted\"");
    side->role = BENCH_ROLE_PEER;
    side->count = 500;
    side->figures = bench_new(sizeof *side->figures);
    side->figure_count = 1;
    side->figures[0] = (bench_figure){.name = bench_copy("time"), .unit = bench_copy("ns/message"), .count = 2};
    side->figures[0].values = bench_new(2 * sizeof(double));
    side->figures[0].values[0] = 0.1;
    side->figures[0].values[1] = 12345.678901234567;
    side->proofs = bench_new(sizeof *side->proofs);
    side->proof_count = 1;
    side->proofs[0] = (bench_value){.name = bench_copy("sum"), .exact = UINT64_MAX};
    side->counters = bench_new(sizeof *side->counters);
    side->counter_count = 1;
    side->counters[0] = (bench_value){.name = bench_copy("cycles"), .number = 1.5};
    side->histogram = bench_histogram_create();
    bench_histogram_add(side->histogram, 1000, 3);
}

static void fill(bench_result *result)
{
    *result = (bench_result){0};
    result->facts = bench_new(sizeof *result->facts);
    result->fact_count = 1;
    result->facts[0] = (bench_fact){.name = bench_copy("cpu"), .text = bench_copy("a good one")};
    result->workloads = bench_new(sizeof *result->workloads);
    result->workload_count = 1;
    bench_workload_result *workload = &result->workloads[0];
    workload->name = bench_copy("message/ping-pong");
    workload->about = bench_copy("to and fro");
    workload->count = 1000;
    workload->sides = bench_new(2 * sizeof *workload->sides);
    workload->side_count = 2;
    fill_side(&workload->sides[0]);
    workload->sides[1].name = bench_copy("raw");
    workload->sides[1].skipped = bench_copy("not here");
    workload->goals = bench_new(sizeof *workload->goals);
    workload->goal_count = 1;
    workload->goals[0] = (bench_goal_result){.figure = bench_copy("time"), .limit = 1.5};
}

static void expect_side(const bench_side_result *side)
{
    cr_expect_str_eq(side->version, "1 \"quoted\"");
    cr_expect_eq(side->count, 500);
    cr_assert_eq(side->figure_count, 1);
    cr_assert_eq(side->figures[0].count, 2);
    cr_expect_eq(side->figures[0].values[0], 0.1);
    cr_expect_eq(side->figures[0].values[1], 12345.678901234567);
    cr_expect_str_eq(side->figures[0].unit, "ns/message");
    cr_assert_eq(side->proof_count, 1);
    cr_expect_eq(side->proofs[0].exact, UINT64_MAX);
    cr_assert_eq(side->counter_count, 1);
    cr_expect_eq(side->counters[0].number, 1.5);
    cr_assert_neq(side->histogram, NULL);
    cr_expect_eq(bench_histogram_count(side->histogram), 3);
}

Test(result, what_is_written_is_read)
{
    bench_result result;
    fill(&result);
    cr_assert(bench_result_write(&result, path));
    bench_result_free(&result);
    cr_assert(bench_result_read(path, &result));
    cr_assert_eq(result.fact_count, 1);
    cr_expect_str_eq(result.facts[0].text, "a good one");
    const bench_workload_result *workload = bench_result_workload(&result, "message/ping-pong");
    cr_assert_neq(workload, NULL);
    cr_expect_eq(workload->count, 1000);
    cr_assert_eq(workload->goal_count, 1);
    cr_expect_eq(workload->goals[0].limit, 1.5);
    cr_expect_eq(workload->goals[0].against, NULL);
    const bench_side_result *side = bench_workload_side(workload, "jzx", BENCH_ROLE_PEER);
    cr_assert_neq(side, NULL);
    expect_side(side);
    cr_expect_eq(bench_workload_side(workload, "jzx", BENCH_ROLE_OWN), NULL);
    cr_expect_str_eq(bench_workload_side(workload, "raw", BENCH_ROLE_OWN)->skipped, "not here");
    bench_result_free(&result);
}

Test(result, a_file_that_was_there_is_replaced_as_a_whole)
{
    bench_result result;
    struct stat status;
    FILE *file = fopen(path, "w");
    cr_assert_neq(file, NULL);
    fputs("what was there before, which is longer than nothing", file);
    fclose(file);
    fill(&result);
    umask(022);
    cr_assert(bench_result_write(&result, path));
    bench_result_free(&result);
    cr_assert_eq(stat(path, &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0644);
    cr_assert(bench_result_read(path, &result));
    bench_result_free(&result);
}

/* ---- errors ---- */

static char said[4096];

/* Ends the redirection: what was said on standard error is in `said`. */
static void hear(void)
{
    fflush(stderr);
    FILE *file = cr_get_redirected_stderr();
    size_t size = fread(said, 1, sizeof said - 1, file);
    said[size] = '\0';
}

static void expect_refused(const char *text, const char *reason)
{
    bench_result result;
    FILE *file = fopen(path, "w");
    cr_assert_neq(file, NULL);
    fputs(text, file);
    fclose(file);
    bool good = bench_result_read(path, &result);
    hear();
    cr_expect_not(good, "this was read: %s", text);
    cr_expect_neq(strstr(said, path), NULL, "'%s' does not name the file", said);
    cr_expect_neq(strstr(said, reason), NULL, "'%s' is not in '%s'", reason, said);
    cr_expect_eq(result.facts, NULL);
    cr_expect_eq(result.workloads, NULL);
}

Test(result, a_file_that_cannot_be_written_is_told, .init = make_folder)
{
    bench_result result;
    char nowhere[256];
    snprintf(nowhere, sizeof nowhere, "%s/no/result.json", folder);
    cr_redirect_stderr();
    fill(&result);
    cr_expect_not(bench_result_write(&result, nowhere));
    hear();
    cr_expect_neq(strstr(said, "no/result.json: No such file or directory"), NULL, "%s", said);
    bench_result_free(&result);
}

/* `place` is in the result. The file that was there stays. */
static void expect_not_finite(const bench_result *result, double *place, const char *what)
{
    static const double values[] = {NAN, INFINITY, -INFINITY};
    double before = *place;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        *place = values[i];
        cr_expect_not(bench_result_write(result, path));
        hear();
        cr_expect_neq(strstr(said, what), NULL, "'%s' is not in '%s'", what, said);
        cr_expect_neq(strstr(said, path), NULL, "'%s' does not name the file", said);
    }
    *place = before;
}

Test(result, a_value_that_is_not_finite_is_told)
{
    bench_result result, written;
    cr_redirect_stderr();
    fill(&result);
    bench_workload_result *workload = &result.workloads[0];
    cr_assert(bench_result_write(&result, path));
    expect_not_finite(&result, &workload->sides[0].figures[0].values[1],
                      "message/ping-pong, jzx: 'time' is not a finite number");
    expect_not_finite(&result, &workload->sides[0].counters[0].number,
                      "message/ping-pong, jzx: 'cycles' is not a finite number");
    expect_not_finite(&result, &workload->goals[0].limit,
                      "message/ping-pong: the goal of 'time' is not a finite number");
    cr_assert(bench_result_read(path, &written));
    bench_result_free(&written);
    cr_expect(bench_result_write(&result, path));
    bench_result_free(&result);
}

Test(result, a_file_that_is_not_there_is_told)
{
    bench_result result;
    cr_redirect_stderr();
    cr_expect_not(bench_result_read("/no/such/file", &result));
    hear();
    cr_expect_neq(strstr(said, "/no/such/file: No such file or directory"), NULL, "%s", said);
    cr_expect_not(bench_result_read(folder, &result));
    hear();
    cr_expect_neq(strstr(said, "it cannot be read: Is a directory"), NULL, "%s", said);
}

#define HEAD "{\"format\": \"jzx-bench/1\", "
#define WORKLOAD HEAD "\"facts\": [], \"workloads\": [{\"name\": \"w\", \"about\": \"\", \"count\": 1, \"goals\": [], "
#define SIDE WORKLOAD "\"sides\": [{\"name\": \"s\", \"role\": \"own\", "

static const struct {
    const char *text;
    const char *reason;
} refused[] = {
    {"", "not JSON"},
    {"{", "not JSON: line 1"},
    {"{\"a\": 1, \"a\": 1}", "not JSON: line 1: duplicate object key"},
    {"[]", "it is JSON, but not a result of jzx-bench: no object"},
    {"{}", "the field 'format' is missing"},
    {"{\"format\": 1}", "the field 'format' is not a text"},
    {"{\"format\": \"jzx-bench/2\"}", "its format is 'jzx-bench/2'; this program reads 'jzx-bench/1'"},
    {HEAD "\"workloads\": []}", "the field 'facts' is missing"},
    {HEAD "\"facts\": []}", "the field 'workloads' is missing"},
    {HEAD "\"facts\": {}, \"workloads\": []}", "the field 'facts' is not an array"},
    {HEAD "\"facts\": [1], \"workloads\": []}", "the field 'facts' holds something that is not an object"},
    {HEAD "\"facts\": [{\"name\": \"cpu\"}], \"workloads\": []}", "the field 'text' is missing"},
    {HEAD "\"facts\": [], \"workloads\": [{}]}", "the field 'name' is missing"},
    {HEAD "\"facts\": [], \"workloads\": [{\"name\": \"w\", \"about\": \"\"}]}", "w: the field 'count' is missing"},
    {HEAD "\"facts\": [], \"workloads\": [{\"name\": \"w\", \"about\": \"\", \"count\": 1.5}]}",
     "w: the field 'count' is not a whole number"},
    {HEAD "\"facts\": [], \"workloads\": [{\"name\": \"w\", \"about\": \"\", \"count\": 0}]}",
     "w: the field 'count' is not above 0"},
    {WORKLOAD "\"sides\": [{\"name\": \"s\", \"role\": \"new\"}]}]}",
     "w: the field 'role' is 'new', which is none of those it can be"},
    {SIDE "\"proofs\": [], \"counters\": []}]}]}", "w: the field 'figures' is missing"},
    {SIDE "\"figures\": [{\"name\": \"time\", \"unit\": \"ns\", \"better\": \"up\", \"values\": [1]}]}]}]}",
     "w: the field 'better' is 'up'"},
    {SIDE "\"figures\": [{\"name\": \"time\", \"unit\": \"ns\", \"better\": \"lower\", \"values\": []}]}]}]}",
     "w: the field 'values' is empty"},
    {SIDE "\"figures\": [{\"name\": \"time\", \"unit\": \"ns\", \"better\": \"lower\", \"values\": [\"1\"]}]}]}]}",
     "w: the field 'values' holds something that is not a number"},
    {SIDE "\"figures\": [], \"proofs\": [{\"name\": \"sum\", \"value\": 5}]}]}]}",
     "w: the field 'value' is not a text"},
    {SIDE "\"figures\": [], \"proofs\": [{\"name\": \"sum\", \"value\": \"-5\"}]}]}]}",
     "w: the proof '-5' is not a whole number"},
    {SIDE "\"figures\": [], \"proofs\": [], \"counters\": [{\"name\": \"c\", \"value\": \"1\"}]}]}]}",
     "w: the field 'value' is not a number"},
    {SIDE "\"figures\": [], \"proofs\": [], \"counters\": [], \"latencies\": [[1]]}]}]}",
     "w: the field 'latencies' holds something that is not a value and a count"},
    {SIDE "\"figures\": [], \"proofs\": [], \"counters\": [], \"latencies\": [[1, 0]]}]}]}",
     "w: the field 'latencies' holds something that is not a value and a count"},
    {SIDE "\"invalid\": \"lost\", \"figures\": [{\"name\": \"time\", \"unit\": \"ns\", \"better\": \"lower\", "
          "\"values\": [1]}], \"proofs\": [], \"counters\": []}]}]}",
     "w: the side 's' is invalid and has figures"},
    {HEAD "\"facts\": [], \"workloads\": [{\"name\": \"w\", \"about\": \"\", \"count\": 1, \"sides\": [], "
          "\"goals\": [{\"figure\": \"time\"}]}]}",
     "w: the field 'limit' is missing"},
};

Test(result, each_error_has_its_words)
{
    cr_redirect_stderr();
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        expect_refused(refused[i].text, refused[i].reason);
    }
}
