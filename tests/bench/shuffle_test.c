/* shuffle: the same order for the same seed, and each order as often as each other. */
#include "bench/harness/shuffle.h"

#include <criterion/criterion.h>
#include <string.h>

enum { ITEMS = 30 };

static void fill(size_t *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        items[i] = i;
    }
}

Test(shuffle, is_the_same_for_the_same_seed)
{
    size_t one[ITEMS];
    size_t other[ITEMS];
    uint64_t seed = 7;
    uint64_t again = 7;
    fill(one, ITEMS);
    fill(other, ITEMS);
    bench_shuffle(one, ITEMS, &seed);
    bench_shuffle(other, ITEMS, &again);
    cr_expect_eq(memcmp(one, other, sizeof one), 0);
    cr_expect_eq(seed, again);
    bench_shuffle(other, ITEMS, &again);
    cr_expect_neq(memcmp(one, other, sizeof one), 0);
}

Test(shuffle, keeps_each_once)
{
    size_t items[ITEMS];
    bool seen[ITEMS] = {false};
    uint64_t seed = 1;
    fill(items, ITEMS);
    bench_shuffle(items, ITEMS, &seed);
    for (size_t i = 0; i < ITEMS; i++) {
        cr_assert_lt(items[i], ITEMS);
        cr_expect_not(seen[items[i]]);
        seen[items[i]] = true;
    }
}

/* Six orders of three, 10,000 each to be expected: 91 is the standard deviation. */
Test(shuffle, makes_every_order_alike_often)
{
    size_t counts[27] = {0};
    uint64_t seed = 3;
    for (int i = 0; i < 60000; i++) {
        size_t items[3] = {0, 1, 2};
        bench_shuffle(items, 3, &seed);
        counts[items[0] * 9 + items[1] * 3 + items[2]]++;
    }
    size_t orders = 0;
    for (size_t i = 0; i < 27; i++) {
        orders += counts[i] != 0;
        cr_expect(counts[i] == 0 || (counts[i] > 9500 && counts[i] < 10500), "%zu times", counts[i]);
    }
    cr_expect_eq(orders, 6);
}

Test(shuffle, of_nothing_and_of_one_is_no_work)
{
    size_t one = 0;
    uint64_t seed = 1;
    bench_shuffle(NULL, 0, &seed);
    bench_shuffle(&one, 1, &seed);
    cr_expect_eq(one, 0);
    cr_expect_eq(seed, 1);
}

/* The first number that splitmix64 gives for the seed 0, as its author has published it. */
Test(shuffle, draws_by_splitmix64)
{
    uint64_t seed = 0;
    cr_expect_eq(bench_shuffle_next(&seed), 0xe220a8397b1dcdaf);
}
