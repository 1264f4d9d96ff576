/* memory: the points of a head that are in its log and in no segment yet, in the order in which they came. */
#ifndef TSDB_MEMORY_H
#define TSDB_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "point.h"

struct memory {
    struct point *points;
    size_t count;
    size_t capacity;
};

/* Makes room for so many more. */
bool memory_reserve(struct memory *memory, size_t more);

/* Adds a point, for which there is room. */
static inline void memory_add(struct memory *memory, const struct point *point)
{
    memory->points[memory->count++] = *point;
}

void memory_free(struct memory *memory);

/* Puts points into order and keeps of each series and time the last. Returns how many are left. */
size_t memory_sort(struct point *points, size_t count);

#endif
