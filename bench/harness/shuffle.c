/* shuffle.c: see shuffle.h. */
#include "shuffle.h"

uint64_t bench_shuffle_next(uint64_t *state)
{
    uint64_t mixed = *state += 0x9e3779b97f4a7c15;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31);
}

/* Below `limit`: what would make the lower numbers likelier is drawn again. */
static uint64_t below(uint64_t limit, uint64_t *state)
{
    uint64_t first = -limit % limit;
    uint64_t drawn;
    do {
        drawn = bench_shuffle_next(state);
    } while (drawn < first);
    return drawn % limit;
}

void bench_shuffle(size_t *items, size_t count, uint64_t *state)
{
    for (size_t left = count; left > 1; left--) {
        size_t other = below(left, state);
        size_t kept = items[left - 1];
        items[left - 1] = items[other];
        items[other] = kept;
    }
}
