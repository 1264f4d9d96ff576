/* heap.c: see heap.h. */
#include "raw/heap.h"

#include "support/check.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

enum { ARITY = 4 };

void raw_heap_open(raw_heap *heap, uint32_t size)
{
    heap->records = bench_memory_take(size * sizeof *heap->records);
    heap->entries = bench_memory_take(size * sizeof *heap->entries);
    for (uint32_t i = 0; i < size; i++) {
        heap->records[i].place = i + 1;
        heap->records[i].generation = 1;
    }
    heap->count = 0;
    heap->size = size;
    heap->free_record = 0;
}

void raw_heap_close(raw_heap *heap)
{
    free(heap->records);
    free(heap->entries);
}

static void put(raw_heap *heap, uint32_t place, struct raw_heap_entry entry)
{
    heap->entries[place] = entry;
    heap->records[entry.record].place = place;
}

static void sift_up(raw_heap *heap, uint32_t place, struct raw_heap_entry entry)
{
    while (place > 0) {
        uint32_t parent = (place - 1) / ARITY;
        if (heap->entries[parent].due_ns <= entry.due_ns) {
            break;
        }
        put(heap, place, heap->entries[parent]);
        place = parent;
    }
    put(heap, place, entry);
}

static void sift_down(raw_heap *heap, uint32_t place, struct raw_heap_entry entry)
{
    for (;;) {
        uint32_t first = place * ARITY + 1;
        if (first >= heap->count) {
            break;
        }
        uint32_t last = first + ARITY < heap->count ? first + ARITY : heap->count;
        uint32_t least = first;
        for (uint32_t child = first + 1; child < last; child++) {
            if (heap->entries[child].due_ns < heap->entries[least].due_ns) {
                least = child;
            }
        }
        if (heap->entries[least].due_ns >= entry.due_ns) {
            break;
        }
        put(heap, place, heap->entries[least]);
        place = least;
    }
    put(heap, place, entry);
}

static void remove_at(raw_heap *heap, uint32_t place)
{
    struct raw_heap_entry last = heap->entries[--heap->count];
    if (place == heap->count) {
        return;
    }
    if (place > 0 && heap->entries[(place - 1) / ARITY].due_ns > last.due_ns) {
        sift_up(heap, place, last);
    } else {
        sift_down(heap, place, last);
    }
}

static void free_record(raw_heap *heap, uint32_t record)
{
    heap->records[record].generation++;
    heap->records[record].place = heap->free_record;
    heap->free_record = record;
}

uint64_t raw_heap_start(raw_heap *heap, uint64_t due_ns, raw_timer_fn handle, void *state, const uint64_t words[4])
{
    BENCH_CHECK(heap->count < heap->size, "the heap is full");
    uint32_t record = heap->free_record;
    raw_timer *timer = &heap->records[record];
    heap->free_record = timer->place;
    timer->due_ns = due_ns;
    timer->handle = handle;
    timer->state = state;
    memcpy(timer->words, words, sizeof timer->words);
    sift_up(heap, heap->count++, (struct raw_heap_entry){due_ns, record});
    return (uint64_t)timer->generation << 32 | record;
}

int raw_heap_cancel(raw_heap *heap, uint64_t id)
{
    uint32_t record = (uint32_t)id;
    if (record >= heap->size || heap->records[record].generation != (uint32_t)(id >> 32)) {
        return -1;
    }
    remove_at(heap, heap->records[record].place);
    free_record(heap, record);
    return 0;
}

void raw_heap_expire(raw_heap *heap, uint64_t now_ns)
{
    while (heap->count > 0 && heap->entries[0].due_ns <= now_ns) {
        uint32_t record = heap->entries[0].record;
        raw_timer *timer = &heap->records[record];
        remove_at(heap, 0);
        timer->handle(timer->state, timer->words);
        free_record(heap, record);
    }
}
