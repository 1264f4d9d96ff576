/* load.c: see load.h and jzx/bench.h. */
#include "load.h"

#include "number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double second_ns = 1e9;

/* splitmix64 (Steele, Lea and Flood, 2014): any seed is as good as another. */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* From the one operation to the next. Between Poisson arrivals lie times that are distributed exponentially. */
static double draw_gap_ns(jzx_bench_load *load)
{
    double mean_ns = second_ns / load->rate;
    if (!load->poisson) {
        return mean_ns;
    }
    double above_zero = ((double)(draw(&load->random) >> 11) + 1) * 0x1p-53;
    return -log(above_zero) * mean_ns;
}

void bench_load_start(jzx_bench_load *load, double rate, bool poisson, uint64_t seed, uint64_t count, uint64_t now_ns)
{
    memset(load, 0, sizeof *load);
    load->rate = rate;
    load->poisson = poisson;
    load->random = seed;
    load->left = count;
    load->began_ns = now_ns;
    load->late_ns = JZX_BENCH_LATE_NS;
    load->due_ns = draw_gap_ns(load);
}

uint64_t jzx_bench_load_due(jzx_bench_load *load)
{
    if (load->left == 0) {
        return 0;
    }
    load->left--;
    load->last_ns = load->began_ns + (uint64_t)load->due_ns;
    load->due_ns += draw_gap_ns(load);
    return load->last_ns;
}

void bench_load_note(jzx_bench_load *load, uint64_t now_ns)
{
    uint64_t late_ns = now_ns > load->last_ns ? now_ns - load->last_ns : 0;
    load->late += late_ns > load->late_ns;
    load->worst_ns = late_ns > load->worst_ns ? late_ns : load->worst_ns;
    load->sent++;
    load->sent_ns = now_ns;
}

bool bench_load_behind(const jzx_bench_load *load)
{
    return load->late * 100 > load->sent * JZX_BENCH_LATE_PERCENT;
}

double bench_load_rate(const jzx_bench_load *load)
{
    return load->sent == 0 ? 0 : (double)load->sent * second_ns / (double)(load->sent_ns - load->began_ns);
}

const char *bench_load_choose(const char *rate, const char *load, double capacity, double share, double *chosen)
{
    double percent = share * 100;
    if (rate != NULL) {
        return bench_positive_parse(rate, chosen) ? NULL : "the rate is no number above 0";
    }
    if (load != NULL && !bench_positive_parse(load, &percent)) {
        return "the load is no number of percent above 0";
    }
    *chosen = capacity * percent / 100;
    return isfinite(*chosen) && *chosen > 0 ? NULL : "the capacity that was measured is no number above 0";
}

void jzx_bench_load_init(jzx_bench_load *load, jzx_bench *bench, double capacity, double share)
{
    const char *arrivals = jzx_bench_option(bench, "arrivals");
    bool poisson = arrivals != NULL && strcmp(arrivals, "poisson") == 0;
    if (arrivals != NULL && !poisson && strcmp(arrivals, "fixed") != 0) {
        jzx_bench_invalid(bench, "arrivals are fixed or poisson, not %s", arrivals);
    }
    double rate = 0;
    const char *wrong = bench_load_choose(jzx_bench_option(bench, "rate"), jzx_bench_option(bench, "load"), capacity,
                                          share, &rate);
    if (wrong != NULL) {
        jzx_bench_invalid(bench, "%s", wrong);
    }
    bench_load_start(load, rate, poisson, jzx_bench_seed(bench), jzx_bench_count(bench), jzx_bench_now_ns());
    load->bench = bench;
}

void jzx_bench_load_sent(jzx_bench_load *load)
{
    bench_load_note(load, jzx_bench_now_ns());
}

void jzx_bench_load_end(jzx_bench_load *load)
{
    jzx_bench *bench = load->bench;
    uint64_t count = jzx_bench_count(bench);
    if (load->sent != count) {
        jzx_bench_invalid(bench, "%llu of %llu operations of the schedule were sent", (unsigned long long)load->sent,
                          (unsigned long long)count);
    }
    double late_percent = (double)load->late * 100 / (double)load->sent;
    if (bench_load_behind(load) && !jzx_bench_quick(bench) && !bench_load_warming(bench)) {
        jzx_bench_invalid(bench,
                          BENCH_LOAD_BEHIND " its own schedule of %.0f a second: %.1f %% of the sends came more than "
                                            "%.0f us late",
                          load->rate, late_percent, (double)load->late_ns / 1000);
    }
    jzx_bench_figure(bench, "rate", "1/s", JZX_BENCH_HIGHER, bench_load_rate(load));
    jzx_bench_figure(bench, "late-sends", "%", JZX_BENCH_LOWER, late_percent);
    jzx_bench_figure(bench, "latest-send", "us", JZX_BENCH_LOWER, (double)load->worst_ns / 1000);
}
