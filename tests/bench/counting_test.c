/* counting: against programs of which it is known what they do. */
#include "bench/harness/counting.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bench_counting count(const char *program, const char *side)
{
    static const int cpus[] = {0};
    bench_counting counting;
    cr_assert_not_null(program);
    bench_command command = {
        .program = program,
        .workload = "counted",
        .side = side,
        .item = "operation",
        .count = 600,
        .cpus = cpus,
        .cpu_count = 1,
        .limit_s = 60,
    };
    bench_counting_run(&counting, &command, bench_counting_has_strace());
    return counting;
}

static void assert_counts(const char *side, double system_calls, double allocations)
{
    bench_counting counting = count(getenv("COUNTING_TARGET"), side);
    cr_assert_null(counting.no_system_calls, "%s: %s", side, counting.no_system_calls);
    cr_assert_null(counting.no_allocations, "%s: %s", side, counting.no_allocations);
    cr_assert_float_eq(counting.system_calls, system_calls, 0.005, "%s: %f", side, counting.system_calls);
    cr_assert_float_eq(counting.allocations, allocations, 0.0001, "%s: %f", side, counting.allocations);
    bench_counting_free(&counting);
}

Test(counting, gives_what_an_operation_takes, .timeout = 60)
{
    assert_counts("3-2", 3, 2);
    assert_counts("0-0", 0, 0);
    assert_counts("1-7", 1, 7);
}

Test(counting, counts_all_threads, .timeout = 60)
{
    assert_counts("3-2-threads", 3, 2);
}

Test(counting, says_when_the_allocator_is_not_the_c_librarys, .timeout = 60)
{
    bench_counting counting = count(getenv("COUNTING_STATIC"), "3-2");
    cr_assert_not_null(counting.no_allocations);
    cr_assert_not_null(strstr(counting.no_allocations, "allocator"), "%s", counting.no_allocations);
    cr_assert_null(counting.no_system_calls, "%s", counting.no_system_calls);
    cr_assert_float_eq(counting.system_calls, 3, 0.005, "%f", counting.system_calls);
    bench_counting_free(&counting);
}

Test(counting, leaves_out_the_calls_of_a_generator_that_polls, .timeout = 60)
{
    bench_counting counting = count(getenv("COUNTING_TARGET"), "3-2-load");
    cr_assert_not_null(strstr(counting.no_system_calls, "polls"), "%s", counting.no_system_calls);
    cr_assert_null(counting.no_allocations, "%s", counting.no_allocations);
    cr_assert_float_eq(counting.allocations, 2, 0.0001);
    bench_counting_free(&counting);
}

Test(counting, says_why_there_is_nothing_when_the_side_fails, .timeout = 60)
{
    bench_counting counting = count(getenv("COUNTING_TARGET"), "nonsense");
    cr_assert_not_null(strstr(counting.no_system_calls, "ended with 3"), "%s", counting.no_system_calls);
    cr_assert_str_eq(counting.no_allocations, counting.no_system_calls);
    cr_assert_eq(counting.system_calls, 0);
    bench_counting_free(&counting);
}

Test(counting, does_without_strace_and_says_so, .timeout = 60)
{
    char folder[] = "/tmp/counting-XXXXXX";
    char link[64];
    cr_assert_not_null(mkdtemp(folder));
    snprintf(link, sizeof link, "%s/env", folder);
    cr_assert_eq(symlink("/usr/bin/env", link), 0);
    setenv("PATH", folder, 1);
    bench_counting counting = count(getenv("COUNTING_TARGET"), "3-2");
    unlink(link);
    rmdir(folder);
    cr_assert_str_eq(counting.no_system_calls, "strace is not installed");
    cr_assert_null(counting.no_allocations, "%s", counting.no_allocations);
    cr_assert_float_eq(counting.allocations, 2, 0.0001);
    bench_counting_free(&counting);
}
