#include "sched/lane.h"

#include <string.h>

CK_RING_PROTOTYPE(cell, jzx__cell)

static uint32_t power_above(uint32_t value)
{
    uint32_t power = 1;
    while (power <= value) {
        power *= 2;
    }
    return power;
}

static uint32_t ring_size(uint32_t block_count)
{
    uint32_t size = power_above(2 * block_count);
    return size < 64 ? 64 : size;
}

size_t jzx__lane_size(uint32_t block_count)
{
    return ring_size(block_count) * sizeof(jzx__cell) + power_above(block_count) * sizeof(ck_ring_buffer_t) +
           block_count * sizeof(jzx__block);
}

uint32_t jzx__lane_capacity(uint32_t block_count)
{
    /* Entries that are not set aside for a block can each hold one cell (L4). */
    return block_count * JZX__BLOCK_CELLS + (ring_size(block_count) - 1 - block_count);
}

jzx_err jzx__lane_init(jzx__lane *lane, uint32_t from, uint32_t to, uint32_t block_count,
                       const jzx_allocator *allocator)
{
    memset(lane, 0, sizeof *lane);
    lane->allocator = allocator;
    lane->from = from;
    lane->to = to;
    lane->block_count = block_count;
    lane->ring_size = ring_size(block_count);
    void *context = allocator->context;
    lane->entries = allocator->alloc(context, lane->ring_size * sizeof(jzx__cell), JZX__CACHE_LINE);
    lane->returns = allocator->alloc(context, power_above(block_count) * sizeof(ck_ring_buffer_t), JZX__CACHE_LINE);
    lane->blocks = allocator->alloc(context, block_count * sizeof(jzx__block), sizeof(jzx__block));
    if (lane->entries == NULL || lane->returns == NULL || lane->blocks == NULL) {
        jzx__lane_deinit(lane);
        return JZX_ERR_NO_MEMORY;
    }
    ck_ring_init(&lane->ring, lane->ring_size);
    ck_ring_init(&lane->back, power_above(block_count));
    for (uint32_t i = block_count; i > 0; i--) {
        lane->blocks[i - 1].next_free = lane->free;
        lane->free = &lane->blocks[i - 1];
    }
    lane->free_count = block_count;
    jzx__list_init(&lane->waiters);
    jzx__list_init(&lane->opens);
    jzx__list_init(&lane->dirty);
    jzx__list_init(&lane->fanout.node);
    lane->fanned_in = UINT64_MAX;
    return JZX_OK;
}

void jzx__lane_deinit(jzx__lane *lane)
{
    const jzx_allocator *allocator = lane->allocator;
    void *context = allocator->context;
    if (lane->entries != NULL) {
        allocator->free(context, lane->entries, lane->ring_size * sizeof(jzx__cell), JZX__CACHE_LINE);
    }
    if (lane->returns != NULL) {
        allocator->free(context, lane->returns, power_above(lane->block_count) * sizeof(ck_ring_buffer_t),
                        JZX__CACHE_LINE);
    }
    if (lane->blocks != NULL) {
        allocator->free(context, lane->blocks, lane->block_count * sizeof(jzx__block), sizeof(jzx__block));
    }
    lane->entries = NULL;
    lane->returns = NULL;
    lane->blocks = NULL;
}

/* L2: takes what the reader gave back, then the last one freed, which is the likeliest to be in the cache. */
static jzx__block *take_free(jzx__lane *lane)
{
    void *returned = NULL;
    if (lane->free == NULL) {
        while (ck_ring_dequeue_spsc(&lane->back, lane->returns, &returned)) {
            jzx__block *block = returned;
            block->next_free = lane->free;
            lane->free = block;
            lane->free_count++;
        }
    }
    jzx__block *block = lane->free;
    if (block != NULL) {
        lane->free = block->next_free;
        lane->free_count--;
    }
    return block;
}

static void publish_entry(jzx__lane *lane, jzx__cell *entry)
{
    JZX__SIM_POINT("lane: before publish");
    bool fits = ck_ring_enqueue_spsc_cell(&lane->ring, lane->entries, entry);
    JZX_ASSERT(fits); /* L4 */
    JZX__SIM_POINT("lane: published");
}

static bool single_fits(const jzx__lane *lane)
{
    return ck_ring_size(&lane->ring) + lane->block_count < lane->ring_size - 1; /* L4 */
}

bool jzx__lane_publish(jzx__lane *lane)
{
    if (lane->open_count == 0) {
        return false;
    }
    lane->cells_published += lane->open_count;
    if (lane->open_count == 1 && single_fits(lane)) {
        publish_entry(lane, &lane->open->cells[0]);
        lane->open_count = 0; /* the block stays open */
        return true;
    }
    jzx__cell entry = {.kind = JZX__CELL_BLOCK};
    entry.words[0] = (uint64_t)(uintptr_t)lane->open;
    entry.words[1] = lane->open_count;
    lane->open = NULL;
    lane->open_count = 0;
    publish_entry(lane, &entry);
    return true;
}

jzx__cell *jzx__lane_write_next(jzx__lane *lane, uint32_t count, bool *published)
{
    if (lane->open != NULL) {
        *published |= jzx__lane_publish(lane);
    }
    if (lane->open == NULL) {
        lane->open = take_free(lane);
        lane->open_count = 0;
    }
    if (lane->open == NULL) {
        return NULL;
    }
    for (uint32_t i = 1; i < JZX__WRITE_AHEAD; i++) {
        jzx__prefetch_write(&lane->open->cells[i]);
    }
    lane->open_count += count;
    return &lane->open->cells[lane->open_count - count];
}

bool jzx__lane_has_room(jzx__lane *lane)
{
    if (jzx__lane_blocked(lane)) {
        return false;
    }
    return (lane->open != NULL && lane->open_count + 2 <= JZX__BLOCK_CELLS) || lane->free != NULL ||
           jzx__lane_returned(lane);
}

uint32_t jzx__lane_take(jzx__lane *lane, jzx__cell *single, jzx__cell **cells, jzx__block **block)
{
    if (!ck_ring_dequeue_spsc_cell(&lane->ring, lane->entries, single)) {
        return 0;
    }
    uint32_t count = 1;
    *cells = single;
    *block = NULL;
    if (single->kind == JZX__CELL_BLOCK) {
        *block = (jzx__block *)(uintptr_t)single->words[0];
        count = (uint32_t)single->words[1];
        *cells = (*block)->cells;
        JZX_ASSERT(count > 0 && count <= JZX__BLOCK_CELLS);
    }
    lane->cells_taken += count;
    return count;
}

void jzx__lane_block_done(jzx__lane *lane, jzx__block *block)
{
    JZX__SIM_POINT("lane: before give back");
    bool fits = ck_ring_enqueue_spsc(&lane->back, lane->returns, block);
    JZX_ASSERT(fits); /* L2: the way back has room for all */
}
