/*
 * blocks.h: the least a message in a stream from one thread to another can cost in plain C.
 *
 * A bare ck_ring carries pointers to blocks of 63 cells by value. The reader takes each cell out into its own pool and a
 * list, gives the block back over a second ring, then handles the list by an indirect call for the target of each cell.
 */
#ifndef RAW_BLOCKS_H
#define RAW_BLOCKS_H

#include "raw/cell.h"

#include <ck_ring.h>
#include <stdbool.h>

enum { RAW_BLOCK_CELLS = 63, RAW_BLOCKS = 256, RAW_POOL_CELLS = 1024 };

typedef struct raw_block {
    uint32_t count;
    raw_cell cells[RAW_BLOCK_CELLS] __attribute__((aligned(64)));
} raw_block;

/* Who handles the cells of a target. */
typedef struct raw_target {
    void (*handle)(void *state, const raw_cell *cell);
    void *state;
} raw_target;

/* From one thread to one other. */
typedef struct raw_lane {
    ck_ring_t there __attribute__((aligned(128)));
    ck_ring_t back __attribute__((aligned(128)));
    ck_ring_buffer_t there_buffer[RAW_BLOCKS * 2] __attribute__((aligned(128)));
    ck_ring_buffer_t back_buffer[RAW_BLOCKS * 2] __attribute__((aligned(128)));
    raw_block blocks[RAW_BLOCKS];
    raw_block *open __attribute__((aligned(128)));               /* the writer's; NULL: none */
    raw_cell pool[RAW_POOL_CELLS] __attribute__((aligned(128))); /* the reader's, as what follows */
    raw_cell *free_cells;
} raw_lane;

raw_lane *raw_lane_open(void);
void raw_lane_close(raw_lane *lane);

/* Writer: takes an empty block; false when none has come back yet. */
bool raw_lane_take_block(raw_lane *lane);

/* Writer: hands over what has been written. */
void raw_lane_publish(raw_lane *lane);

/* Writer: false when there is no room. */
static inline bool raw_lane_write(raw_lane *lane, uint64_t target, uint32_t tag, const uint64_t words[4])
{
    if (lane->open == NULL && !raw_lane_take_block(lane)) {
        return false;
    }
    raw_cell *cell = &lane->open->cells[lane->open->count++];
    *cell = raw_cell_make(tag, words);
    cell->target = target;
    if (lane->open->count == RAW_BLOCK_CELLS) {
        raw_lane_publish(lane);
    }
    return true;
}

/* Reader: handles the cells of a block, if there is one; the target of each is its place in `targets`. Their number. */
uint32_t raw_lane_read(raw_lane *lane, const raw_target *targets);

#endif
