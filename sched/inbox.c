#include "sched/inbox.h"

#include <sched.h>
#include <string.h>

#include "io/sys.h"

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

enum { LOOKS_BEFORE_YIELD = 64 };

/*
 * Places are published in the order they were taken. ck_ring waits for its turn by spinning, which is right while those
 * before run: but where threads outnumber processors each could spin out its time slice for one that is not running, and
 * no post would be faster than that again. So the wait is done here first, and gives way.
 */
static void wait_for_turn(const jzx__inbox *inbox, unsigned int ticket)
{
    uint32_t looks = 0;
    while (ck_pr_load_uint(&inbox->ring.p_tail) != ticket) {
        if (++looks < LOOKS_BEFORE_YIELD) {
            ck_pr_stall();
        } else {
            sched_yield();
        }
    }
}

jzx__cell *jzx__inbox_reserve(jzx__inbox *inbox, unsigned int *ticket)
{
    if (JZX__SIM_FAULT(INBOX_FULL)) {
        return NULL;
    }
    return inbox->shared ? ck_ring_enqueue_reserve_mpsc_post(&inbox->ring, inbox->entries, ticket)
                         : ck_ring_enqueue_reserve_spsc_post(&inbox->ring, inbox->entries);
}

void jzx__inbox_publish(jzx__inbox *inbox, unsigned int ticket)
{
    if (inbox->shared) {
        wait_for_turn(inbox, ticket);
        ck_ring_enqueue_commit_mpsc(&inbox->ring, ticket);
    } else {
        ck_ring_enqueue_commit_spsc(&inbox->ring);
    }
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
