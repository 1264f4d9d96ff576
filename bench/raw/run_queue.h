/*
 * run_queue.h: the indexes of those that have something to do, first come first served.
 *
 * It has a place for each of them, and whoever adds one sees to it that each is in it once: it is never full.
 */
#ifndef RAW_RUN_QUEUE_H
#define RAW_RUN_QUEUE_H

#include "support/memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct raw_run_queue {
    uint32_t *places;
    uint32_t head;
    uint32_t tail;
    uint32_t mask;
} raw_run_queue;

static inline void raw_run_queue_open(raw_run_queue *queue, uint32_t count)
{
    uint32_t size = 1;
    while (size < count) {
        size *= 2;
    }
    *queue = (raw_run_queue){.places = bench_memory_take(size * sizeof *queue->places), .mask = size - 1};
}

static inline void raw_run_queue_close(raw_run_queue *queue)
{
    free(queue->places);
}

static inline bool raw_run_queue_empty(const raw_run_queue *queue)
{
    return queue->head == queue->tail;
}

static inline void raw_run_queue_add(raw_run_queue *queue, uint32_t index)
{
    queue->places[queue->tail++ & queue->mask] = index;
}

/* Of one that is not empty. */
static inline uint32_t raw_run_queue_take(raw_run_queue *queue)
{
    return queue->places[queue->head++ & queue->mask];
}

#endif
