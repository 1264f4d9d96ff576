/* point: what is stored. A point is known by its series and time: a later one of the same takes the place of the first. */
#ifndef TSDB_POINT_H
#define TSDB_POINT_H

#include <stdint.h>
#include <string.h>

enum { SERIES_MAX = 24 }; /* bytes of a name with its final zeroes */

/* As it is in memory and in files, which are for machines like the one that wrote them. */
struct point {
    char series[SERIES_MAX]; /* padded with zeroes */
    int64_t time;
    double value;
    uint64_t number; /* of the append in its head, from 1 without a gap */
};

_Static_assert(sizeof(struct point) == 48, "a point in a file has 48 bytes");

static inline int point_compare_series(const struct point *left, const struct point *right)
{
    return memcmp(left->series, right->series, SERIES_MAX);
}

/* Series, then time, then number. */
static inline int point_compare(const void *left, const void *right)
{
    const struct point *a = left;
    const struct point *b = right;
    int order = point_compare_series(a, b);
    if (order == 0) {
        order = (a->time > b->time) - (a->time < b->time);
    }
    return order != 0 ? order : (a->number > b->number) - (a->number < b->number);
}

/* Does `next` take the place of `point`, which lies before it in the order above? */
static inline int point_replaced(const struct point *point, const struct point *next)
{
    return point->time == next->time && point_compare_series(point, next) == 0;
}

#endif
