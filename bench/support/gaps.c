/* gaps.c: see gaps.h. */
#include "support/gaps.h"

#include "support/check.h"
#include "support/pair.h"

enum { GAPS_MAX = 65536, SPIN_NS = 200000000, SPIN_QUICK_NS = 5000000, LEAST_NS = 500, HALVINGS = 60 };

static const double late_share = 0.001;

struct spin {
    uint64_t length_ns;
    uint64_t took_ns;
    uint64_t largest_ns;
    uint32_t count;
    uint64_t gaps_ns[GAPS_MAX];
};

/* Of the two threads. */
static struct spin spins[2];

static void spin(struct spin *spin)
{
    uint64_t began_ns = jzx_bench_now_ns();
    uint64_t last_ns = began_ns;
    while (last_ns - began_ns < spin->length_ns) {
        uint64_t now_ns = jzx_bench_now_ns();
        uint64_t gap_ns = now_ns - last_ns;
        if (gap_ns >= LEAST_NS && spin->count < GAPS_MAX) {
            spin->gaps_ns[spin->count++] = gap_ns;
            spin->largest_ns = gap_ns > spin->largest_ns ? gap_ns : spin->largest_ns;
        }
        last_ns = now_ns;
    }
    spin->took_ns = last_ns - began_ns;
}

/* The part of all time from which it takes longer than this to the end of a gap. */
static double share_later(const struct spin *spin, double late_ns)
{
    double sum_ns = 0;
    for (uint32_t i = 0; i < spin->count; i++) {
        double gap_ns = (double)spin->gaps_ns[i];
        sum_ns += gap_ns > late_ns ? gap_ns - late_ns : 0;
    }
    return sum_ns / (double)spin->took_ns;
}

/* What is late by a random moment in a gap is late by the rest of it. By bisection: the share falls with the lateness. */
static double lateness_ns(const struct spin *spin)
{
    double low_ns = 0;
    double high_ns = (double)spin->largest_ns;
    for (int i = 0; i < HALVINGS; i++) {
        double middle_ns = (low_ns + high_ns) / 2;
        if (share_later(spin, middle_ns) > late_share) {
            low_ns = middle_ns;
        } else {
            high_ns = middle_ns;
        }
    }
    return high_ns;
}

static void spin_first(void *context)
{
    (void)context;
    spin(&spins[0]);
}

static void spin_second(void *context)
{
    (void)context;
    spin(&spins[1]);
}

void gaps_tell(jzx_bench *bench)
{
    double late_ns[2];
    for (int i = 0; i < 2; i++) {
        spins[i].length_ns = jzx_bench_quick(bench) ? SPIN_QUICK_NS : SPIN_NS;
        spins[i].largest_ns = 0;
        spins[i].count = 0;
    }
    pair_run(bench, spin_first, spin_second, NULL);
    for (int i = 0; i < 2; i++) {
        late_ns[i] = lateness_ns(&spins[i]);
    }
    uint64_t largest_ns = spins[0].largest_ns > spins[1].largest_ns ? spins[0].largest_ns : spins[1].largest_ns;
    jzx_bench_figure(bench, "machine-p99.9", "us", JZX_BENCH_LOWER,
                     (late_ns[0] > late_ns[1] ? late_ns[0] : late_ns[1]) / 1000);
    jzx_bench_figure(bench, "machine-max", "us", JZX_BENCH_LOWER, (double)largest_ns / 1000);
}
