#include "memory.h"

#include <stdlib.h>

bool memory_reserve(struct memory *memory, size_t more)
{
    size_t capacity = memory->capacity != 0 ? memory->capacity : 1024;
    while (capacity - memory->count < more) {
        capacity *= 2;
    }
    if (capacity == memory->capacity) {
        return true;
    }
    struct point *points = realloc(memory->points, capacity * sizeof *points);
    if (points == NULL) {
        return false;
    }
    memory->points = points;
    memory->capacity = capacity;
    return true;
}

void memory_free(struct memory *memory)
{
    free(memory->points);
    *memory = (struct memory){0};
}

size_t memory_sort(struct point *points, size_t count)
{
    qsort(points, count, sizeof *points, point_compare);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (i + 1 == count || !point_replaced(&points[i], &points[i + 1])) {
            points[kept++] = points[i];
        }
    }
    return kept;
}
