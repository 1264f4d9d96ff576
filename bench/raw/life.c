/* life.c: see life.h. In a file of its own, as a library is: no call of it is inlined into a bench. */
#include "raw/life.h"

#include "raw/run_queue.h"
#include "support/check.h"

#include <stdlib.h>

struct record {
    uint32_t generation;
    uint32_t next_free;
    void *state;
    bool (*handle)(void *state, const raw_cell *cell);
    void (*fini)(void *state);
    raw_cell *mail;
    uint64_t unused[11];
};
_Static_assert(sizeof(struct record) == 128, "the record of the raw side is 128 bytes");

struct raw_slab {
    struct record *records;
    raw_cell *cells;
    raw_run_queue run_queue;
    uint32_t lives_max;
    raw_cell *free_cells;
    uint32_t free_record;
};

static void *take_memory(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    BENCH_CHECK(memory != NULL, "out of memory");
    return memory;
}

raw_slab *raw_slab_open(uint32_t lives_max)
{
    raw_slab *slab = take_memory(1, sizeof *slab);
    slab->lives_max = lives_max;
    raw_run_queue_open(&slab->run_queue, lives_max);
    slab->records = take_memory(lives_max, sizeof *slab->records);
    slab->cells = take_memory(lives_max, sizeof *slab->cells);
    for (uint32_t i = 0; i < lives_max; i++) {
        slab->records[i].next_free = i + 1;
        slab->records[i].generation = 1;
        slab->cells[i].next = (uintptr_t)slab->free_cells;
        slab->free_cells = &slab->cells[i];
    }
    return slab;
}

void raw_slab_close(raw_slab *slab)
{
    raw_run_queue_close(&slab->run_queue);
    free(slab->records);
    free(slab->cells);
    free(slab);
}

uint64_t raw_slab_spawn(raw_slab *slab, const raw_behavior *behavior, void *argument)
{
    uint32_t index = slab->free_record;
    BENCH_CHECK(index != slab->lives_max, "the slab is empty");
    struct record *record = &slab->records[index];
    slab->free_record = record->next_free;
    record->handle = behavior->handle;
    record->fini = behavior->fini;
    record->mail = NULL;
    behavior->init(argument, &record->state);
    return (uint64_t)record->generation << 32 | index;
}

bool raw_slab_tell(raw_slab *slab, uint64_t id, uint32_t tag, const uint64_t words[4])
{
    struct record *record = &slab->records[(uint32_t)id];
    raw_cell *cell = slab->free_cells;
    if (record->generation != (uint32_t)(id >> 32) || cell == NULL) {
        return false;
    }
    slab->free_cells = (raw_cell *)(uintptr_t)cell->next;
    *cell = raw_cell_make(tag, words);
    record->mail = cell;
    raw_run_queue_add(&slab->run_queue, (uint32_t)id);
    return true;
}

static void end(raw_slab *slab, uint32_t index)
{
    struct record *record = &slab->records[index];
    record->fini(record->state);
    record->generation++;
    record->next_free = slab->free_record;
    slab->free_record = index;
}

void raw_slab_end(raw_slab *slab, uint64_t id)
{
    BENCH_CHECK(slab->records[(uint32_t)id].generation == (uint32_t)(id >> 32), "the id is stale");
    end(slab, (uint32_t)id);
}

bool raw_slab_run_one(raw_slab *slab)
{
    if (raw_run_queue_empty(&slab->run_queue)) {
        return false;
    }
    uint32_t index = raw_run_queue_take(&slab->run_queue);
    struct record *record = &slab->records[index];
    raw_cell *cell = record->mail;
    bool ended = record->handle(record->state, cell);
    cell->next = (uintptr_t)slab->free_cells;
    slab->free_cells = cell;
    if (ended) {
        end(slab, index);
    }
    return true;
}
