#include "sched/inbox.h"

#include <string.h>

CK_RING_PROTOTYPE(post, jzx__cell)

jzx_err jzx__inbox_init(jzx__inbox *inbox, uint32_t size, bool shared, const jzx_allocator *allocator)
{
    memset(inbox, 0, sizeof *inbox);
    inbox->allocator = allocator;
    inbox->size = size;
    inbox->shared = shared;
    inbox->open = shared;
    inbox->entries = allocator->alloc(allocator->context, size * sizeof(jzx__cell), JZX__CACHE_LINE);
    if (inbox->entries == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    ck_ring_init(&inbox->ring, size);
    return JZX_OK;
}

void jzx__inbox_deinit(jzx__inbox *inbox)
{
    if (inbox->entries != NULL) {
        inbox->allocator->free(inbox->allocator->context, inbox->entries, inbox->size * sizeof(jzx__cell),
                               JZX__CACHE_LINE);
        inbox->entries = NULL;
    }
}

bool jzx__inbox_post(jzx__inbox *inbox, jzx__cell *cell)
{
    return inbox->shared ? ck_ring_enqueue_mpsc_post(&inbox->ring, inbox->entries, cell)
                         : ck_ring_enqueue_spsc_post(&inbox->ring, inbox->entries, cell);
}

bool jzx__inbox_take(jzx__inbox *inbox, jzx__cell *cell)
{
    bool took = inbox->shared ? ck_ring_dequeue_mpsc_post(&inbox->ring, inbox->entries, cell)
                              : ck_ring_dequeue_spsc_post(&inbox->ring, inbox->entries, cell);
    inbox->posted_taken += took;
    return took;
}

bool jzx__inbox_empty(const jzx__inbox *inbox)
{
    return ck_ring_size(&inbox->ring) == 0;
}

uint32_t jzx__inbox_tail(const jzx__inbox *inbox)
{
    return ck_pr_load_uint(&inbox->ring.p_tail);
}

uint32_t jzx__inbox_head(const jzx__inbox *inbox)
{
    return ck_pr_load_uint(&inbox->ring.c_head);
}
