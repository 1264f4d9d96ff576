/* cell: a message in a cell and back, the pool and what it keeps for arrivals, the queue. */
#include "sched/cell.h"
#include "tests/support/support.h"

#include <stdlib.h>

enum { CELLS = 64, INBOUND = 20 };

static void pool_open(jzx__pool *pool)
{
    jzx__cell *cells = aligned_alloc(JZX__CACHE_LINE, CELLS * sizeof *cells);
    cr_assert_not_null(cells);
    memset(cells, 0xA5, CELLS * sizeof *cells);
    jzx__pool_init(pool, cells, CELLS, INBOUND);
}

Test(cell, a_loop_leaves_as_many_cells_as_can_arrive, .timeout = 10)
{
    jzx__pool pool;
    pool_open(&pool);
    uint32_t taken = 0;
    jzx__cell *own[CELLS];
    while ((own[taken] = jzx__pool_take(&pool, 1)) != NULL) {
        taken++;
    }
    cr_assert_geq(pool.free_count, INBOUND);
    cr_assert_eq(taken + pool.free_count, CELLS);
    cr_assert(atomic_load(&pool.low), "senders elsewhere see that cells are few");
    for (uint32_t i = 0; i < INBOUND; i++) { /* what was on its way still finds its cells */
        cr_assert_not_null(jzx__pool_take_inbound(&pool));
    }
    cr_assert_null(jzx__pool_take(&pool, 1));
    free(pool.cells);
}

Test(cell, what_arrives_says_low_before_the_last_kept_cell, .timeout = 10)
{
    jzx__pool pool;
    pool_open(&pool);
    while (!atomic_load(&pool.low)) {
        (void)jzx__pool_take_inbound(&pool);
    }
    cr_assert_geq(pool.free_count, INBOUND, "all that may be on its way when it is said still fits");
    free(pool.cells);
}

Test(cell, it_is_low_until_cells_are_plenty_again, .timeout = 10)
{
    jzx__pool pool;
    pool_open(&pool);
    jzx__cell *own[CELLS];
    uint32_t taken = 0;
    while ((own[taken] = jzx__pool_take(&pool, 1)) != NULL) {
        taken++;
    }
    while (!jzx__pool_recovered(&pool)) {
        cr_assert_gt(taken, 0, "it recovers before all are back");
        jzx__pool_give(&pool, own[--taken]);
    }
    cr_assert_geq(pool.free_count, 2 * INBOUND);
    jzx__pool_set_low(&pool, false);
    cr_assert_not(jzx__pool_recovered(&pool), "once only");
    free(pool.cells);
}

Test(cell, numbers_tell_two_uses_of_a_cell_apart, .timeout = 10)
{
    jzx__pool pool;
    pool_open(&pool);
    jzx__cell *cell = jzx__pool_take(&pool, 1);
    uint64_t first = jzx__pool_number(&pool, cell);
    cr_assert_eq(jzx__pool_find(&pool, first), cell);
    jzx__pool_give(&pool, cell);
    cr_assert_eq(jzx__pool_take(&pool, 1), cell);
    uint64_t second = jzx__pool_number(&pool, cell);
    cr_assert_neq(first, second);
    cr_assert_eq(jzx__pool_find(&pool, second), cell);
    cr_assert_null(jzx__pool_find(&pool, UINT64_MAX), "no such cell");
    cr_assert_null(jzx__pool_find(&pool, (uint64_t)(CELLS - 1) << 40), "a cell that was never used");
    free(pool.cells);
}

static uint32_t drops;

static void count_drop(void *context, void *data, size_t size)
{
    (void)context;
    (void)data;
    (void)size;
    drops++;
}

Test(cell, a_message_comes_out_as_it_went_in, .timeout = 10)
{
    uint8_t bytes[JZX_INLINE_MAX];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(200 - i);
    }
    for (size_t size = 0; size <= JZX_INLINE_MAX; size++) {
        jzx_message in = jzx_message_value(42, bytes, size);
        jzx__cell cell;
        memset(&cell, 0xFF, sizeof cell);
        jzx__cell_from_message(&cell, &in, JZX__CELL_MAIL);
        cell.sender = 17;
        jzx_message out;
        jzx__cell_to_message(&cell, &out);
        cr_assert(out.tag == 42 && out.sender == 17 && out.size == size && out.flags == 0 && out.ref == 0);
        cr_assert_eq(memcmp(out.bytes, bytes, size), 0);
        jzx__cell copy = cell;
        uint32_t head = jzx__cell_open(&copy);
        cr_assert_eq(head, cell.head);
        cr_assert(copy.message.size == size && copy.message.tag == 42 && copy.message.flags == 0);
    }
    jzx_message in = jzx_message_pointer(43, bytes, 1ull << 40, count_drop, &drops);
    jzx__cell cell;
    memset(&cell, 0xFF, sizeof cell);
    jzx__cell_from_message(&cell, &in, JZX__CELL_MAIL);
    jzx_message out;
    jzx__cell_to_message(&cell, &out);
    cr_assert(out.flags == JZX_MESSAGE_POINTER && out.size == 1ull << 40 && out.pointer.data == bytes &&
              out.pointer.drop == count_drop && out.pointer.drop_context == &drops);
}

Test(cell, only_an_owned_payload_with_a_destructor_is_dropped, .timeout = 10)
{
    int data = 0;
    jzx_message with = jzx_message_pointer(1, &data, sizeof data, count_drop, NULL);
    jzx_message without = jzx_message_pointer(1, &data, sizeof data, NULL, NULL);
    jzx_message value = jzx_message_value(1, &with, JZX_INLINE_MAX); /* bytes that look like one */
    jzx__cell cell;
    drops = 0;
    jzx__cell_from_message(&cell, &without, JZX__CELL_MAIL);
    jzx__cell_drop_payload(&cell);
    jzx__cell_from_message(&cell, &value, JZX__CELL_MAIL);
    jzx__cell_drop_payload(&cell);
    jzx__cell_from_message(&cell, &with, JZX__CELL_MAIL);
    cell.flags |= JZX__FLAG_LENT;
    jzx__cell_drop_payload(&cell);
    cr_assert_eq(drops, 0);
    cell.flags &= (uint16_t)~JZX__FLAG_LENT;
    jzx__cell_drop_payload(&cell);
    cr_assert_eq(drops, 1);
}

Test(cell, a_queue_is_first_in_first_out_also_after_a_return_to_its_front, .timeout = 10)
{
    jzx__queue queue = {NULL, NULL};
    jzx__cell cells[4];
    cr_assert_null(jzx__queue_pop(&queue));
    jzx__queue_push_front(&queue, &cells[1]); /* into an empty one */
    jzx__queue_push(&queue, &cells[2]);
    jzx__queue_push_front(&queue, &cells[0]);
    jzx__queue_push(&queue, &cells[3]);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(jzx__queue_pop(&queue), &cells[i]);
    }
    cr_assert_null(jzx__queue_pop(&queue));
    jzx__queue_push(&queue, &cells[0]);
    cr_assert_eq(jzx__queue_pop(&queue), &cells[0]);
    cr_assert_null(queue.first);
}
