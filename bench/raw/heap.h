/*
 * heap.h: timers in plain C, the least they can cost: a 4-ary heap of (due, record) with the place of each record in
 * the record, so that a cancel finds it at once. A record is 64 bytes: when, whom to call, and 32 bytes of payload.
 */
#ifndef RAW_HEAP_H
#define RAW_HEAP_H

#include <stdint.h>

typedef void (*raw_timer_fn)(void *state, const uint64_t words[4]);

typedef struct raw_timer {
    uint64_t due_ns;
    uint32_t place; /* in the heap, or the next free record */
    uint32_t generation;
    raw_timer_fn handle;
    void *state;
    uint64_t words[4];
} raw_timer;
_Static_assert(sizeof(raw_timer) == 64, "a record is one cache line");

struct raw_heap_entry {
    uint64_t due_ns;
    uint32_t record;
};

typedef struct raw_heap {
    raw_timer *records;
    struct raw_heap_entry *entries;
    uint32_t count;
    uint32_t size;
    uint32_t free_record;
} raw_heap;

void raw_heap_open(raw_heap *heap, uint32_t size);
void raw_heap_close(raw_heap *heap);

/* Starts a timer and tells its id; there must be room. */
uint64_t raw_heap_start(raw_heap *heap, uint64_t due_ns, raw_timer_fn handle, void *state, const uint64_t words[4]);

/* Returns 0, or -1 when the id is stale. */
int raw_heap_cancel(raw_heap *heap, uint64_t id);

/* Calls and frees every timer due at `now_ns`, in order. */
void raw_heap_expire(raw_heap *heap, uint64_t now_ns);

#endif
