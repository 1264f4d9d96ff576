/* judge_test: who is judged against whom, and when a goal is met. */
#include "bench/harness/judge.h"

#include <criterion/criterion.h>
#include <math.h>

#define RUNS 10

/* Ten values a percent and less around one: their median is it. */
static double values[16][RUNS];
static bench_figure figures[16];
static unsigned used;

static bench_side_result side(char *name, bench_role role, jzx_bench_better better, double value)
{
    for (int i = 0; i < RUNS; i++) {
        values[used][i] = value * (1 + 0.001 * (i - 4.5));
    }
    figures[used] = (bench_figure){"time", "ns/message", better, values[used], RUNS};
    return (bench_side_result){.name = name, .role = role, .figures = &figures[used++], .figure_count = 1};
}

/* Ours 10, raw limits 8 and 7, peers 30, 20 and one that is invalid. */
static bench_side_result sides[7];
static bench_workload_result workload;

static void make(jzx_bench_better better)
{
    used = 0;
    sides[0] = side("jzx", BENCH_ROLE_OWN, better, 10);
    sides[1] = side("jzx", BENCH_ROLE_TWIN, better, 10.2);
    sides[2] = side("raw", BENCH_ROLE_OWN, better, 8);
    sides[3] = side("raw-batched", BENCH_ROLE_OWN, better, 7);
    sides[4] = side("erlang", BENCH_ROLE_PEER, better, 30);
    sides[5] = side("go", BENCH_ROLE_PEER, better, 20);
    sides[6] = side("caf", BENCH_ROLE_PEER, better, 1);
    sides[6].invalid = "it lost something";
    workload = (bench_workload_result){.name = "message/ring", .sides = sides, .side_count = 7};
}

static bench_reached reached(char *against, double limit)
{
    bench_goal_result goal = {"time", against, limit};
    return bench_goal_reached(&workload, &goal);
}

Test(judge, best_of_several_is_by_the_direction_of_the_figure)
{
    make(JZX_BENCH_LOWER);
    cr_expect_str_eq(bench_workload_raw(&workload, "time")->name, "raw-batched");
    cr_expect_str_eq(bench_workload_peer(&workload, "time")->name, "go");
    make(JZX_BENCH_HIGHER);
    cr_expect_str_eq(bench_workload_raw(&workload, "time")->name, "raw");
    cr_expect_str_eq(bench_workload_peer(&workload, "time")->name, "erlang");
}

Test(judge, invalid_and_absent_take_no_part)
{
    make(JZX_BENCH_LOWER);
    cr_expect_null(bench_judged_figure(&sides[6], "time"));
    cr_expect_null(bench_judged_figure(&sides[0], "p99"));
    cr_expect_null(bench_judged_figure(NULL, "time"));
    cr_expect_null(bench_workload_peer(&workload, "p99"));
    sides[0].skipped = "no such kernel";
    cr_expect_eq(reached("raw", 100), BENCH_OPEN);
}

Test(judge, floor_is_how_far_the_twin_is)
{
    make(JZX_BENCH_LOWER);
    cr_expect(fabs(bench_workload_floor(&workload, "time") - 0.02) < 1e-3);
    cr_expect(bench_workload_floor(&workload, "p99") < 0);
    values[1][0] = -1;
    cr_expect(bench_workload_floor(&workload, "time") < 0, "a value below 0 has no ratio");
    workload.side_count = 1;
    cr_expect(bench_workload_floor(&workload, "time") < 0, "no twin");
}

Test(judge, goals_of_a_cost)
{
    make(JZX_BENCH_LOWER);
    cr_expect_eq(reached("raw", 1.3), BENCH_MET);
    cr_expect_eq(reached("raw", 1.2), BENCH_MISSED);
    cr_expect_eq(reached("raw", 1.25), BENCH_OPEN);
    cr_expect_eq(reached("peers", 0.6), BENCH_MET); /* against go, which is the best */
    cr_expect_eq(reached("peers", 0.4), BENCH_MISSED);
    cr_expect_eq(reached(NULL, 11), BENCH_MET);
    cr_expect_eq(reached(NULL, 9), BENCH_MISSED);
    cr_expect_eq(reached(NULL, 10), BENCH_OPEN);
    cr_expect_eq(reached("nobody", 10), BENCH_OPEN);
}

Test(judge, goals_of_a_rate)
{
    make(JZX_BENCH_HIGHER);
    cr_expect_eq(reached("raw", 1.2), BENCH_MET);
    cr_expect_eq(reached("raw", 1.3), BENCH_MISSED);
    cr_expect_eq(reached("peers", 0.3), BENCH_MET); /* against erlang, which is the best */
    cr_expect_eq(reached("peers", 0.4), BENCH_MISSED);
    cr_expect_eq(reached(NULL, 9), BENCH_MET);
    cr_expect_eq(reached(NULL, 11), BENCH_MISSED);
}

Test(judge, gain_says_how_many_times_better)
{
    bench_ratio ratio = {true, 0.5, 0.4, 0.8};
    bench_ratio gain = bench_ratio_gain(&ratio, JZX_BENCH_LOWER);
    cr_expect_eq(gain.estimate, 2);
    cr_expect_eq(gain.low, 1.25);
    cr_expect_eq(gain.high, 2.5);
    cr_expect_eq(bench_ratio_gain(&ratio, JZX_BENCH_HIGHER).estimate, 0.5);
}
