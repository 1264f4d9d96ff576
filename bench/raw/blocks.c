/* blocks.c: see blocks.h. */
#include "raw/blocks.h"

#include "support/check.h"
#include "support/memory.h"

#include <stdlib.h>

/* There are fewer blocks than ring entries, so this is never refused. */
static void put_block(ck_ring_t *ring, ck_ring_buffer_t *buffer, raw_block *block)
{
    BENCH_CHECK(ck_ring_enqueue_spsc(ring, buffer, block), "the ring is full");
}

bool raw_lane_take_block(raw_lane *lane)
{
    void *block = NULL;
    if (!ck_ring_dequeue_spsc(&lane->back, lane->back_buffer, &block)) {
        return false;
    }
    lane->open = block;
    lane->open->count = 0;
    return true;
}

void raw_lane_publish(raw_lane *lane)
{
    if (lane->open != NULL) {
        put_block(&lane->there, lane->there_buffer, lane->open);
        lane->open = NULL;
    }
}

/* Cells are 64 bytes and linked by `next`, which holds the address of the following one. */
static raw_cell *next_cell(const raw_cell *cell)
{
    return (raw_cell *)(uintptr_t)cell->next;
}

/* Takes the cells out of a block into the pool, as a list. */
static raw_cell *unpack(raw_lane *lane, const raw_block *block)
{
    raw_cell *first = NULL;
    raw_cell *last = NULL;
    for (uint32_t i = 0; i < block->count; i++) {
        raw_cell *cell = lane->free_cells;
        lane->free_cells = next_cell(cell);
        *cell = block->cells[i];
        cell->next = 0;
        if (last == NULL) {
            first = cell;
        } else {
            last->next = (uintptr_t)cell;
        }
        last = cell;
    }
    return first;
}

uint32_t raw_lane_read(raw_lane *lane, const raw_target *targets)
{
    void *taken = NULL;
    if (!ck_ring_dequeue_spsc(&lane->there, lane->there_buffer, &taken)) {
        return 0;
    }
    raw_block *block = taken;
    uint32_t count = block->count;
    raw_cell *cell = unpack(lane, block);
    put_block(&lane->back, lane->back_buffer, block);
    while (cell != NULL) {
        raw_cell *next = next_cell(cell);
        const raw_target *target = &targets[cell->target];
        target->handle(target->state, cell);
        cell->next = (uintptr_t)lane->free_cells;
        lane->free_cells = cell;
        cell = next;
    }
    return count;
}

raw_lane *raw_lane_open(void)
{
    raw_lane *lane = bench_memory_take(sizeof *lane);
    ck_ring_init(&lane->there, RAW_BLOCKS * 2);
    ck_ring_init(&lane->back, RAW_BLOCKS * 2);
    for (int i = 0; i < RAW_BLOCKS; i++) {
        put_block(&lane->back, lane->back_buffer, &lane->blocks[i]);
    }
    for (int i = 0; i < RAW_POOL_CELLS; i++) {
        lane->pool[i].next = (uintptr_t)lane->free_cells;
        lane->free_cells = &lane->pool[i];
    }
    return lane;
}

void raw_lane_close(raw_lane *lane)
{
    free(lane);
}
