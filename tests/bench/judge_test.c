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

/* The place with erlang and go at these values, and in whom it is behind. */
static bench_place place_among(jzx_bench_better better, double erlang, double go, const bench_side_result **behind)
{
    make(better);
    used = 4;
    sides[4] = side("erlang", BENCH_ROLE_PEER, better, erlang);
    sides[5] = side("go", BENCH_ROLE_PEER, better, go);
    return bench_workload_verdict(&workload, "time", behind);
}

/* Values spread by 0.9 %, so a difference of 0.1 % cannot be told, and one of 2 % can, which the noise floor of 2 % would deny. */
Test(judge, first_is_where_no_peer_is_better_beyond_the_interval)
{
    const bench_side_result *behind;
    cr_expect_eq(place_among(JZX_BENCH_LOWER, 30, 20, &behind), BENCH_PLACE_AHEAD);
    cr_expect_eq(place_among(JZX_BENCH_LOWER, 30, 10.01, &behind), BENCH_PLACE_FIRST);
    cr_expect_eq(place_among(JZX_BENCH_LOWER, 30, 9.99, &behind), BENCH_PLACE_FIRST);
    cr_expect_null(behind);
    cr_expect_eq(place_among(JZX_BENCH_LOWER, 30, 9.8, &behind), BENCH_PLACE_BEHIND);
    cr_expect_str_eq(behind->name, "go");
    cr_expect_eq(place_among(JZX_BENCH_LOWER, 5, 9, &behind), BENCH_PLACE_BEHIND);
    cr_expect_str_eq(behind->name, "erlang");
    cr_expect_eq(place_among(JZX_BENCH_HIGHER, 1, 9.99, &behind), BENCH_PLACE_FIRST);
    cr_expect_eq(place_among(JZX_BENCH_HIGHER, 1, 9, &behind), BENCH_PLACE_AHEAD);
    cr_expect_eq(place_among(JZX_BENCH_HIGHER, 11, 12, &behind), BENCH_PLACE_BEHIND);
    cr_expect_str_eq(behind->name, "go");
}

/* The median of one peer is the best, but with this noise nothing can be said of it; another is surely better. */
Test(judge, behind_is_one_that_is_surely_better)
{
    const bench_side_result *behind;
    place_among(JZX_BENCH_LOWER, 9, 9, &behind);
    for (int i = 0; i < RUNS; i++) {
        values[4][i] = i < 6 ? 8 : 100;
    }
    cr_expect_str_eq(bench_workload_peer(&workload, "time")->name, "erlang");
    cr_expect_eq(bench_workload_verdict(&workload, "time", &behind), BENCH_PLACE_BEHIND);
    cr_expect_str_eq(behind->name, "go");
}

Test(judge, place_is_open_without_peers_or_runs)
{
    const bench_side_result *behind;
    make(JZX_BENCH_LOWER);
    cr_expect_eq(bench_workload_verdict(&workload, "p99", &behind), BENCH_PLACE_OPEN);
    workload.side_count = 4;
    cr_expect_eq(bench_workload_verdict(&workload, "time", &behind), BENCH_PLACE_OPEN);
    place_among(JZX_BENCH_LOWER, 1, 20, &behind);
    figures[5].count = 2; /* go: too few, though erlang is better */
    cr_expect_eq(bench_workload_verdict(&workload, "time", &behind), BENCH_PLACE_OPEN);
    cr_expect_null(behind);
    place_among(JZX_BENCH_LOWER, 1, 20, &behind);
    sides[0].skipped = "no such kernel";
    cr_expect_eq(bench_workload_verdict(&workload, "time", &behind), BENCH_PLACE_OPEN);
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
