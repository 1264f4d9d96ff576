#include "sched/cell.h"

void jzx__pool_init(jzx__pool *pool, jzx__cell *cells, uint32_t count, uint32_t inbound_max)
{
    JZX_ASSERT(count < 1u << 24);
    JZX_ASSERT(count >= 2 * inbound_max + 2);
    pool->cells = cells;
    pool->free = NULL;
    pool->count = count;
    pool->free_count = count;
    pool->inbound_max = inbound_max;
    pool->scarce = inbound_max + 1;
    /* Twice what can arrive, but never more than half of the loop's own: some may be kept for long. */
    uint32_t half = inbound_max + (count - inbound_max) / 2;
    pool->plenty = half < 2 * inbound_max + 2 ? half : 2 * inbound_max + 2;
    pool->settled = 0;
    pool->touched = 0;
    pool->uses = 0;
    jzx__list_init(&pool->waiters);
    atomic_init(&pool->low, 0);
}

void jzx__pool_set_low(jzx__pool *pool, bool low)
{
    /* Release: pairs with the acquire in jzx__route_refusal(); written before lane room is given back (C2). */
    atomic_store_explicit(&pool->low, low, memory_order_release);
}
