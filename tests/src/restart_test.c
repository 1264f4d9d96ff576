/*
 * restart_test: the decision to restart against a list of times that is searched each time, and delays against tables.
 *
 * White-box: these functions have no other inputs than their arguments.
 */
#include "src/restart.h"
#include "tests/support/support.h"

#include <stdlib.h>

#define MS 1000000ull
#define DAY (86400 * 1000 * MS)
#define HUNDRED_YEARS (100ull * 36525 * 864 * 1000000000)

/* ---- the window ---- */

/* As it is promised: a list of all restarts that were allowed, and a count of those in [now - period, now]. */
typedef struct model {
    uint64_t *times;
    uint32_t count;
    uint32_t intensity;
    uint64_t period_ns;
} model;

static bool model_allows(model *m, uint64_t now_ns)
{
    uint64_t since_ns = now_ns > m->period_ns ? now_ns - m->period_ns : 0;
    uint32_t within = 1;
    for (uint32_t i = 0; i < m->count; i++) {
        within += m->times[i] >= since_ns;
    }
    if (m->intensity != JZX_INTENSITY_UNLIMITED && within > m->intensity) {
        return false;
    }
    m->times[m->count++] = now_ns;
    return true;
}

static void open_window(jzx__window *window, uint32_t intensity, uint64_t period_ns)
{
    size_t size = jzx__window_size(intensity);
    jzx__window_init(window, intensity, period_ns, size == 0 ? NULL : malloc(size));
}

static uint64_t next_random(uint64_t *state)
{
    *state += 0x9E3779B97F4A7C15;
    uint64_t x = *state;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
    return x ^ (x >> 31);
}

/* `count` decisions at times that often fall on the border of the window. */
static void compare(uint64_t seed, uint32_t intensity, uint64_t period_ns, uint32_t count)
{
    jzx__window window;
    open_window(&window, intensity, period_ns);
    model m = {calloc(count, sizeof(uint64_t)), 0, intensity, period_ns};
    uint64_t random = seed;
    uint64_t now_ns = next_random(&random) % 3 == 0 ? 0 : next_random(&random) % (HUNDRED_YEARS);
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_eq(jzx__window_allows(&window, now_ns), model_allows(&m, now_ns),
                     "seed %lu, intensity %u, period %lu: decision %u", (unsigned long)seed, intensity,
                     (unsigned long)period_ns, i);
        uint64_t kind = next_random(&random) % 4;
        uint64_t border = m.count == 0 ? now_ns : m.times[next_random(&random) % m.count] + period_ns;
        uint64_t jump = next_random(&random) % (2 * (period_ns / (intensity == 0 ? 1 : intensity)) + 2);
        now_ns += kind == 0 ? 0 : kind == 1 && border >= now_ns ? border - now_ns : kind == 2 ? jump : 1;
        now_ns += kind == 1 && next_random(&random) % 2;
    }
    free(m.times);
    free(window.times);
}

Test(restart, S30_S35_S36_the_window_is_that_of_a_searched_list, .timeout = 60)
{
    static const uint32_t intensities[] = {0, 1, 2, 3, 4, 5, 8, 100, JZX_INTENSITY_UNLIMITED};
    static const uint64_t periods[] = {1, 2, 7, 1000, 5000 * MS, DAY};
    for (uint64_t seed = 1; seed <= 60; seed++) {
        for (unsigned i = 0; i < sizeof intensities / sizeof intensities[0]; i++) {
            for (unsigned p = 0; p < sizeof periods / sizeof periods[0]; p++) {
                compare(seed, intensities[i], periods[p], 300);
            }
        }
    }
}

Test(restart, S30_two_of_two_and_the_third_is_refused, .timeout = 10)
{
    jzx__window window;
    open_window(&window, 2, 3600 * 1000 * MS);
    cr_assert(jzx__window_allows(&window, 10));
    cr_assert(jzx__window_allows(&window, 10));
    cr_assert_not(jzx__window_allows(&window, 10));
    cr_assert_not(jzx__window_allows(&window, 11), "a refusal changes nothing");
    free(window.times);
}

Test(restart, S31_one_a_period_goes_on_for_ever, .timeout = 10)
{
    jzx__window window;
    open_window(&window, 1, 1000 * MS);
    for (uint64_t now_ns = 0; now_ns < 100 * 2100 * MS; now_ns += 2100 * MS) {
        cr_assert(jzx__window_allows(&window, now_ns));
    }
    free(window.times);
}

Test(restart, S32_intensity_0_allows_none, .timeout = 10)
{
    jzx__window window;
    cr_assert_eq(jzx__window_size(0), 0);
    jzx__window_init(&window, 0, 1, NULL);
    for (uint64_t now_ns = 0; now_ns < 1000; now_ns += 9) {
        cr_assert_not(jzx__window_allows(&window, now_ns));
    }
}

Test(restart, S33_the_window_is_closed_at_both_ends, .timeout = 10)
{
    jzx__window window;
    open_window(&window, 1, 1000);
    cr_assert(jzx__window_allows(&window, 0));
    cr_assert_not(jzx__window_allows(&window, 1000));
    free(window.times);
    open_window(&window, 1, 1000);
    cr_assert(jzx__window_allows(&window, 0));
    cr_assert(jzx__window_allows(&window, 1001));
    free(window.times);
}

/* A tumbling window would allow twice as many around its border. */
Test(restart, S34_the_window_slides, .timeout = 10)
{
    jzx__window window;
    open_window(&window, 2, 1000);
    cr_assert(jzx__window_allows(&window, 900));
    cr_assert(jzx__window_allows(&window, 999));
    cr_assert_not(jzx__window_allows(&window, 1001));
    cr_assert_not(jzx__window_allows(&window, 1900));
    cr_assert(jzx__window_allows(&window, 1901));
    cr_assert_not(jzx__window_allows(&window, 1999));
    cr_assert(jzx__window_allows(&window, 2000));
    free(window.times);
}

Test(restart, S94_a_long_pause_empties_the_window, .timeout = 10)
{
    jzx__window window;
    open_window(&window, 3, 1000);
    for (int i = 0; i < 3; i++) {
        cr_assert(jzx__window_allows(&window, 500));
    }
    cr_assert_not(jzx__window_allows(&window, 501));
    for (int i = 0; i < 3; i++) {
        cr_assert(jzx__window_allows(&window, 500 + 40 * DAY));
    }
    cr_assert_not(jzx__window_allows(&window, 500 + 40 * DAY));
    free(window.times);
}

Test(restart, the_largest_intensity_is_exact_after_its_ring_has_turned, .timeout = 60)
{
    jzx__window window;
    cr_assert_eq(jzx__window_size(JZX_INTENSITY_MAX), JZX_INTENSITY_MAX * sizeof(uint64_t));
    open_window(&window, JZX_INTENSITY_MAX, JZX_INTENSITY_MAX - 1);
    for (uint64_t now_ns = 0; now_ns < JZX_INTENSITY_MAX; now_ns++) {
        cr_assert(jzx__window_allows(&window, now_ns));
    }
    cr_assert_not(jzx__window_allows(&window, JZX_INTENSITY_MAX - 1), "the first is at its edge");
    for (uint64_t now_ns = JZX_INTENSITY_MAX; now_ns < 3ull * JZX_INTENSITY_MAX; now_ns++) {
        cr_assert(jzx__window_allows(&window, now_ns));
        cr_assert_not(jzx__window_allows(&window, now_ns));
    }
    free(window.times);
}

Test(restart, unlimited_takes_no_memory_and_allows_all, .timeout = 10)
{
    jzx__window window;
    cr_assert_eq(jzx__window_size(JZX_INTENSITY_UNLIMITED), 0);
    jzx__window_init(&window, JZX_INTENSITY_UNLIMITED, 1, NULL);
    for (int i = 0; i < 1000000; i++) {
        cr_assert(jzx__window_allows(&window, 5));
    }
}

/* ---- delays ---- */

static jzx_backoff backoff(jzx_backoff_kind kind, uint64_t initial_ns, uint64_t max_ns, double factor)
{
    return (jzx_backoff){
        .kind = kind, .initial_ns = initial_ns, .max_ns = max_ns, .factor = factor, .reset_ns = 5000 * MS};
}

/* The first delays of a row of starts that fail at once. */
static void assert_delays(const jzx_backoff *b, const uint64_t *delays, unsigned count)
{
    jzx__row row = {0};
    for (unsigned i = 0; i < count; i++) {
        cr_assert_eq(jzx__row_next(&row, b, 0, UINT64_MAX), delays[i], "delay %u", i);
    }
}

#define ASSERT_DELAYS(b, ...)                                       \
    do {                                                            \
        const uint64_t wanted[] = {__VA_ARGS__};                    \
        assert_delays(b, wanted, sizeof wanted / sizeof wanted[0]); \
    } while (0)

Test(restart, S83_delays_are_those_of_the_table, .timeout = 10)
{
    jzx_backoff b = backoff(JZX_BACKOFF_NONE, 100 * MS, 1600 * MS, 2);
    ASSERT_DELAYS(&b, 0, 0, 0, 0, 0, 0, 0, 0);
    b.kind = JZX_BACKOFF_INHERIT; /* from nobody */
    ASSERT_DELAYS(&b, 0, 0);
    b.kind = JZX_BACKOFF_CONSTANT;
    b.max_ns = 0; /* not used */
    ASSERT_DELAYS(&b, 100 * MS, 100 * MS, 100 * MS, 100 * MS, 100 * MS, 100 * MS, 100 * MS, 100 * MS);
    b = backoff(JZX_BACKOFF_LINEAR, 100, 550, 0);
    ASSERT_DELAYS(&b, 100, 200, 300, 400, 500, 550, 550, 550);
    b = backoff(JZX_BACKOFF_LINEAR, 100, 300, 0);
    ASSERT_DELAYS(&b, 100, 200, 300, 300);
    b = backoff(JZX_BACKOFF_EXPONENTIAL, 100, 1600, 2);
    ASSERT_DELAYS(&b, 100, 200, 400, 800, 1600, 1600, 1600, 1600);
    b.max_ns = 1500;
    ASSERT_DELAYS(&b, 100, 200, 400, 800, 1500, 1500);
    b = backoff(JZX_BACKOFF_EXPONENTIAL, 100, 100, 2);
    ASSERT_DELAYS(&b, 100, 100);
    b = backoff(JZX_BACKOFF_EXPONENTIAL, 1000, 5000, 1.5);
    ASSERT_DELAYS(&b, 1000, 1500, 2250, 3375, 5000, 5000);
}

Test(restart, a_factor_is_rounded_but_one_over_1_never_stands_still, .timeout = 10)
{
    jzx_backoff b = backoff(JZX_BACKOFF_EXPONENTIAL, 100, 1000, 1.1);
    ASSERT_DELAYS(&b, 100, 110, 121, 133, 146, 161, 177);
    b = backoff(JZX_BACKOFF_EXPONENTIAL, 1, 6, 1.1);
    ASSERT_DELAYS(&b, 1, 2, 3, 4, 5, 6, 6);
    b.factor = 1;
    ASSERT_DELAYS(&b, 1, 1, 1);
    b = backoff(JZX_BACKOFF_EXPONENTIAL, 1, HUNDRED_YEARS, 1000);
    ASSERT_DELAYS(&b, 1, 1000, 1000000, 1000000000);
}

/* Delays only grow, never pass max, and never wrap, wherever in the row they are looked at. */
static void assert_saturates(jzx_backoff_kind kind, uint64_t max_ns, double factor)
{
    jzx_backoff b = backoff(kind, 1, max_ns, factor);
    for (int bit = 0; bit < 64; bit++) {
        for (int off = -1; off <= 1; off++) {
            jzx__row row = {(1ull << bit) + (unsigned long long)off};
            uint64_t last_ns = row.last_ns;
            if (last_ns == 0 || last_ns > max_ns) {
                continue;
            }
            uint64_t delay_ns = jzx__row_next(&row, &b, 0, UINT64_MAX);
            cr_assert_leq(delay_ns, max_ns);
            cr_assert(delay_ns > last_ns || delay_ns == max_ns);
            cr_assert_eq(row.last_ns, delay_ns);
        }
    }
    jzx__row row = {max_ns};
    cr_assert_eq(jzx__row_next(&row, &b, 0, UINT64_MAX), max_ns);
    row.last_ns = max_ns - 1;
    cr_assert_eq(jzx__row_next(&row, &b, 0, UINT64_MAX), max_ns);
    row.last_ns = UINT64_MAX; /* of a group whose last child may wait longer */
    cr_assert_eq(jzx__row_next(&row, &b, 0, UINT64_MAX), max_ns);
}

Test(restart, S83_delays_saturate_at_their_maximum_wherever_it_is, .timeout = 10)
{
    static const uint64_t maxima[] = {
        1,         2,          1000,           HUNDRED_YEARS, (1ull << 53) - 1, 1ull << 53, 1ull << 62, INT64_MAX - 1,
        INT64_MAX, 1ull << 63, UINT64_MAX - 1, UINT64_MAX};
    for (unsigned i = 0; i < sizeof maxima / sizeof maxima[0]; i++) {
        assert_saturates(JZX_BACKOFF_LINEAR, maxima[i], 0);
        assert_saturates(JZX_BACKOFF_EXPONENTIAL, maxima[i], 1.001);
        assert_saturates(JZX_BACKOFF_EXPONENTIAL, maxima[i], 2);
        assert_saturates(JZX_BACKOFF_EXPONENTIAL, maxima[i], 1000);
    }
}

/* The row after n decisions of a linear backoff is known without making them. */
Test(restart, S83_a_row_of_2_to_the_32_decisions_is_like_any, .timeout = 60)
{
    jzx_backoff b = backoff(JZX_BACKOFF_LINEAR, 10, UINT64_MAX, 0);
    jzx__row row = {10 * 0xFFFFFFFEull};
    cr_assert_eq(jzx__row_next(&row, &b, 0, 0), 10 * 0xFFFFFFFFull);
    cr_assert_eq(jzx__row_next(&row, &b, 0, 0), 10 * 0x100000000ull);
    cr_assert_eq(jzx__row_next(&row, &b, 0, 0), 10 * 0x100000001ull);
    b = backoff(JZX_BACKOFF_EXPONENTIAL, 1, 1600, 2);
    row = (jzx__row){0};
    for (uint32_t i = 0; i < 1u << 20; i++) {
        cr_assert_eq(jzx__row_next(&row, &b, 0, 0), i < 11 ? 1u << i : 1600);
    }
}

Test(restart, S84_a_child_that_lived_long_enough_counts_from_1, .timeout = 10)
{
    jzx_backoff b = backoff(JZX_BACKOFF_EXPONENTIAL, 100, 1600, 2);
    jzx__row row = {0};
    cr_assert_eq(jzx__row_next(&row, &b, 0, 0), 100);
    cr_assert_eq(jzx__row_next(&row, &b, b.reset_ns - 1, 0), 200);
    cr_assert_eq(jzx__row_next(&row, &b, b.reset_ns - 1, 0), 400);
    cr_assert_eq(jzx__row_next(&row, &b, b.reset_ns, 0), 100);
    cr_assert_eq(jzx__row_next(&row, &b, 1, 0), 200);
    cr_assert_eq(jzx__row_next(&row, &b, UINT64_MAX, 0), 100);
    cr_assert_eq(jzx__row_next(&row, &b, 0, 0), 200);
    b.kind = JZX_BACKOFF_LINEAR;
    cr_assert_eq(jzx__row_next(&row, &b, 0, 0), 300);
    cr_assert_eq(jzx__row_next(&row, &b, b.reset_ns, 0), 100);
}

/* ---- jitter ---- */

Test(restart, jitter_stays_in_its_bounds_and_reaches_them, .timeout = 10)
{
    uint64_t random = 7;
    for (uint32_t jitter = 0; jitter <= 1000; jitter += 125) {
        jzx_backoff b = backoff(JZX_BACKOFF_CONSTANT, 1000, 0, 0);
        b.jitter = jitter;
        uint64_t least = UINT64_MAX;
        uint64_t most = 0;
        for (int i = 0; i < 100000; i++) {
            jzx__row row = {0};
            uint64_t delay_ns = jzx__row_next(&row, &b, 0, next_random(&random));
            least = delay_ns < least ? delay_ns : least;
            most = delay_ns > most ? delay_ns : most;
        }
        cr_assert_eq(least, 1000 - jitter);
        cr_assert_eq(most, 1000);
    }
}

Test(restart, jitter_is_spread_evenly, .timeout = 10)
{
    enum { DELAY = 10, DRAWS = 110000 };
    uint32_t seen[DELAY + 1] = {0};
    uint64_t random = 3;
    jzx_backoff b = backoff(JZX_BACKOFF_CONSTANT, DELAY, 0, 0);
    b.jitter = 1000;
    for (int i = 0; i < DRAWS; i++) {
        jzx__row row = {0};
        seen[jzx__row_next(&row, &b, 0, next_random(&random))]++;
    }
    for (int i = 0; i <= DELAY; i++) {
        cr_assert(seen[i] > 9500 && seen[i] < 10500, "%d came %u times", i, seen[i]);
    }
}

/* What was drawn is not what the next delay grows from. */
Test(restart, jitter_does_not_shorten_the_row, .timeout = 10)
{
    jzx_backoff b = backoff(JZX_BACKOFF_EXPONENTIAL, 100, 1600, 2);
    b.jitter = 1000;
    jzx__row row = {0};
    for (uint64_t full = 100; full <= 1600; full *= 2) {
        cr_assert_eq(jzx__row_next(&row, &b, 0, UINT64_MAX), 0);
        cr_assert_eq(row.last_ns, full);
    }
    cr_assert_eq(jzx__row_next(&row, &b, 0, 0), 1600);
}

Test(restart, jitter_of_the_longest_delays_does_not_wrap, .timeout = 10)
{
    static const uint64_t longest[] = {HUNDRED_YEARS, INT64_MAX, UINT64_MAX};
    for (unsigned i = 0; i < sizeof longest / sizeof longest[0]; i++) {
        jzx_backoff b = backoff(JZX_BACKOFF_CONSTANT, longest[i], 0, 0);
        jzx__row row = {0};
        b.jitter = 1000;
        cr_assert_eq(jzx__row_next(&row, &b, 0, UINT64_MAX), 0);
        cr_assert_eq(jzx__row_next(&row, &b, 0, 0), longest[i]);
        b.jitter = 1;
        uint64_t least_ns = jzx__row_next(&row, &b, 0, UINT64_MAX);
        cr_assert_eq(least_ns, longest[i] - longest[i] / 1000);
    }
}

/* ---- which exits ---- */

Test(restart, each_kind_of_exit_by_each_kind_of_child, .timeout = 10)
{
    for (uint32_t kind = JZX_EXIT_NORMAL; kind <= JZX_EXIT_START_FAILED; kind++) {
        bool failed = kind != JZX_EXIT_NORMAL && kind != JZX_EXIT_SHUTDOWN;
        cr_expect(jzx__restarts(JZX_PERMANENT, kind));
        cr_expect_eq(jzx__restarts(JZX_TRANSIENT, kind), failed, "kind %u", kind);
        cr_expect_not(jzx__restarts(JZX_TEMPORARY, kind));
    }
}
