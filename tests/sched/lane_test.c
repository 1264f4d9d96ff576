/* lane: order across blocks, single cells and a full ring; every block comes back. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "sched/lane.h"

static void *get(void *context, size_t size, size_t align)
{
    (void)context;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void put(void *context, void *memory, size_t size, size_t align)
{
    (void)context;
    (void)size;
    (void)align;
    free(memory);
}

static const jzx_allocator allocator = {get, put, NULL};

/* Takes everything there is and checks that it goes on from `*next`. */
static void take_all(jzx__lane *lane, uint64_t *next)
{
    jzx__cell single;
    jzx__cell *cells;
    jzx__block *block;
    uint32_t count;
    while ((count = jzx__lane_take(lane, &single, &cells, &block)) > 0) {
        for (uint32_t i = 0; i < count; i++) {
            cr_assert_eq(cells[i].words[0], (*next)++);
        }
        if (block != NULL) {
            jzx__lane_block_done(lane, block);
        }
    }
}

static jzx__cell *write_one(jzx__lane *lane, bool *published)
{
    jzx__cell *cell = jzx__lane_write(lane, 1);
    return cell != NULL ? cell : jzx__lane_write_next(lane, 1, published);
}

Test(lane, keeps_order_over_random_flushes, .timeout = 30)
{
    for (unsigned seed = 1; seed <= 50; seed++) {
        jzx__lane lane;
        srand(seed);
        cr_assert_eq(jzx__lane_init(&lane, 0, 1, 2 + (uint32_t)rand() % 7, &allocator), JZX_OK);
        uint64_t written = 0;
        uint64_t taken = 0;
        for (int i = 0; i < 20000; i++) {
            bool published = false;
            jzx__cell *cell = write_one(&lane, &published);
            if (cell != NULL) {
                *cell = (jzx__cell){.kind = JZX__CELL_MAIL};
                cell->words[0] = written++;
            }
            if (rand() % 40 == 0) {
                (void)jzx__lane_publish(&lane);
            }
            if (rand() % 100 == 0) {
                take_all(&lane, &taken);
            }
        }
        (void)jzx__lane_publish(&lane);
        take_all(&lane, &taken);
        cr_assert_eq(written, taken, "seed %u", seed);
        cr_assert_eq(lane.cells_published, lane.cells_taken);
        jzx__lane_deinit(&lane);
    }
}

Test(lane, a_full_lane_says_so_and_recovers, .timeout = 10)
{
    jzx__lane lane;
    cr_assert_eq(jzx__lane_init(&lane, 0, 1, 2, &allocator), JZX_OK);
    bool published = false;
    uint64_t written = 0;
    jzx__cell *cell;
    while ((cell = write_one(&lane, &published)) != NULL) {
        *cell = (jzx__cell){.kind = JZX__CELL_MAIL};
        cell->words[0] = written++;
    }
    cr_assert_eq(written, 2 * JZX__BLOCK_CELLS);
    cr_assert_not(jzx__lane_has_room(&lane));
    (void)jzx__lane_publish(&lane);
    uint64_t taken = 0;
    take_all(&lane, &taken);
    cr_assert_eq(taken, written);
    cr_assert(jzx__lane_has_room(&lane));
    cr_assert_not_null(write_one(&lane, &published));
    jzx__lane_deinit(&lane);
}

Test(lane, no_more_cells_are_on_the_way_than_its_capacity, .timeout = 10)
{
    jzx__lane lane;
    cr_assert_eq(jzx__lane_init(&lane, 0, 1, 4, &allocator), JZX_OK);
    uint32_t sent = 0;
    for (;;) { /* one by one: the most that entries and blocks can hold */
        bool published = false;
        jzx__cell *cell = write_one(&lane, &published);
        if (cell == NULL) {
            break;
        }
        *cell = (jzx__cell){.kind = JZX__CELL_MAIL};
        (void)jzx__lane_publish(&lane);
        sent++;
    }
    cr_assert_leq(sent, jzx__lane_capacity(4));
    jzx__lane_deinit(&lane);
}

Test(lane, each_allocation_may_fail, .timeout = 10)
{
    jzx__lane lane;
    cr_assert_eq(jzx__lane_init(&lane, 0, 1, 2, &allocator), JZX_OK);
    jzx__lane_deinit(&lane);
    jzx__lane_deinit(&lane); /* twice is nothing */
}
