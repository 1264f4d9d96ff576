/*
 * park: when a loop sleeps and who wakes it.
 *
 *   owner         jzx__park(), jzx__park_host(); jzx__ring_peer(), jzx__park_gave() for other loops
 *   any thread    jzx__wake()
 *
 * Invariants
 *   P1  No wake-up is lost. A sender publishes, then takes the reader's `parked` by exchange; the reader sets `parked` by
 *       exchange, then looks one last time at everything that could have come. Both are read-modify-writes on one word,
 *       so one of the two sees the other.
 *   P2  The same holds for room that a reader gives back: the writer parks with 2, then looks at the room; the reader
 *       gives back, then reads `parked`, once a turn. A fence on each side stands between the two: these are different
 *       words, and processors other than x86-64 let the second pass the first.
 *   P3  A doorbell that could not be queued, or failed, is owed; a loop that owes one does not sleep.
 */
#include "sched/loop.h"

static void doorbell(jzx_loop *loop, uint32_t peer)
{
    jzx_loop *target = loop->runtime->loops[peer];
    if (jzx__unlikely(!loop->enabled || loop->result != JZX_OK)) {
        target->backend->ops->wake(target->backend); /* this loop's ring submits nothing: not yet, or not any more */
        return;
    }
    if (loop->backend->ops->doorbell(loop->backend, target->backend, peer)) {
        loop->doorbells = true;
        jzx__count_add(&loop->counters->wakes_sent, 1);
    } else if (!loop->owed[peer]) {
        loop->owed[peer] = 1; /* P3 */
        loop->owed_count++;
    }
}

void jzx__ring_peer(jzx_loop *loop, uint32_t peer)
{
    jzx_loop *target = loop->runtime->loops[peer];
    JZX__SIM_POINT("park: before ring");
    /* Acquire-release: orders the publication before it with the reader's exchange in jzx__park() (P1). */
    if (atomic_exchange_explicit(&target->parked, 0, memory_order_acq_rel) != 0) {
        doorbell(loop, peer);
    }
}

static void ring_if_wants_room(jzx_loop *loop, uint32_t peer)
{
    jzx_loop *target = loop->runtime->loops[peer];
    if (atomic_load_explicit(&target->parked, memory_order_relaxed) == 2 &&
        atomic_exchange_explicit(&target->parked, 0, memory_order_acq_rel) != 0) {
        doorbell(loop, peer);
    }
}

void jzx__park_gave(jzx_loop *loop)
{
    if (!loop->gave) {
        return;
    }
    loop->gave = false;
    atomic_thread_fence(memory_order_seq_cst); /* P2: partners are the fences in jzx__park() and jzx__park_host() */
    JZX__SIM_POINT("park: gave back");
    for (uint32_t i = 0; i < loop->runtime->loop_count; i++) {
        if (i != loop->index && loop->lanes_in[i]->gave) {
            loop->lanes_in[i]->gave = false;
            ring_if_wants_room(loop, i);
        }
    }
}

void jzx__wake(jzx_loop *loop)
{
    JZX__SIM_POINT("park: before wake");
    if (atomic_exchange_explicit(&loop->parked, 0, memory_order_acq_rel) != 0) { /* P1 */
        loop->backend->ops->wake(loop->backend);
    }
}

void jzx__park_pay_owed(jzx_loop *loop)
{
    for (uint32_t peer = 0; loop->owed_count > 0 && peer < loop->runtime->loop_count; peer++) {
        if (loop->owed[peer]) {
            loop->owed[peer] = 0;
            loop->owed_count--;
            doorbell(loop, peer);
        }
    }
}

void jzx__park_ring_failed(jzx_loop *loop)
{
    for (uint32_t i = 0; i < loop->runtime->loop_count; i++) {
        jzx_loop *other = loop->runtime->loops[i];
        if (other != loop && atomic_load_explicit(&other->state, memory_order_acquire) == JZX__LOOP_RUNNING) {
            other->backend->ops->wake(other->backend); /* P3: its doorbell may lie in the queue that failed */
        }
    }
}

jzx_err jzx__park_pay(jzx_loop *loop)
{
    const jzx__backend_ops *ops = loop->backend->ops;
    jzx_err err;
    loop->unseen = ops->busy(loop->backend);
    do {
        jzx__park_pay_owed(loop);
        err = ops->submit(loop->backend);
        (void)ops->reap(loop->backend, UINT32_MAX, jzx__socket_cqe, loop); /* one that failed is owed again */
    } while (err == JZX_OK && (loop->owed_count > 0 || ops->busy(loop->backend)));
    return err;
}

static uint32_t parked_word(const jzx_loop *loop)
{
    return jzx__list_empty(&loop->dirty_lanes) ? 1 : 2; /* what stays dirty after a flush waits for room */
}

/* Watches for work without sleeping. True when some has come. */
static bool linger(jzx_loop *loop, uint64_t deadline_ns)
{
    const jzx__backend_ops *ops = loop->backend->ops;
    uint64_t until_ns = jzx__add_saturating(jzx__loop_clock(loop), loop->linger_ns);
    for (uint32_t round = 1;; round++) {
        if (jzx__loop_incoming(loop) || ops->busy(loop->backend)) {
            loop->clock_read = true;
            return true;
        }
        /* The clock costs more than a look at the lanes, and nothing here needs it to the nanosecond. */
        if (round % 16 == 0) {
            uint64_t now_ns = jzx__loop_clock(loop);
            if (now_ns >= deadline_ns) {
                return true;
            }
            if (now_ns >= until_ns) {
                return false;
            }
        }
        jzx__cpu_pause();
    }
}

jzx_err jzx__park(jzx_loop *loop, uint64_t deadline_ns)
{
    jzx__park_pay_owed(loop);
    if (loop->linger_ns != 0 && linger(loop, deadline_ns)) {
        return JZX_OK;
    }
    if (loop->owed_count > 0) {
        return loop->backend->ops->submit(loop->backend); /* P3 */
    }
    (void)jzx__loop_clock(loop); /* what comes after is sleep, not the work of a handler */
    jzx_err err = JZX_OK;
    JZX__SIM_POINT("park: before set");
    uint32_t word = parked_word(loop);
    atomic_exchange_explicit(&loop->parked, word, memory_order_acq_rel); /* P1 */
    if (word == 2) {
        atomic_thread_fence(memory_order_seq_cst); /* P2: partner is the fence in jzx__park_gave() */
    }
    JZX__SIM_POINT("park: set");
    if (!jzx__loop_incoming(loop)) {
        jzx__count_set(&loop->segment->parked, 1);
        jzx__count_add(&loop->counters->parks, 1);
        err = loop->backend->ops->wait(loop->backend, deadline_ns);
        jzx__count_set(&loop->segment->parked, 0);
    }
    atomic_exchange_explicit(&loop->parked, 0, memory_order_acq_rel);
    return err;
}

void jzx__park_host(jzx_loop *loop)
{
    const jzx__backend_ops *ops = loop->backend->ops;
    jzx__route_flush(loop); /* what the host itself has sent, before the first turn too */
    jzx__park_pay_owed(loop);
    jzx__loop_note(loop, ops->submit(loop->backend));
    loop->host_asleep = true;
    atomic_exchange_explicit(&loop->parked, parked_word(loop), memory_order_acq_rel); /* P1 */
    JZX__SIM_POINT("park: host set");
    ops->host_sleep(loop->backend, jzx__deadlines_next_ns(&loop->deadlines));
    atomic_thread_fence(memory_order_seq_cst); /* the notification is on before the last look */
    if (jzx__loop_incoming(loop) || jzx__stop_more(loop) || !jzx__runs_empty(&loop->runs) || loop->owed_count > 0 ||
        ops->busy(loop->backend) || jzx__deadlines_next_ns(&loop->deadlines) <= ops->now_ns(loop->backend)) {
        atomic_exchange_explicit(&loop->parked, 0, memory_order_acq_rel);
        jzx__loop_touch(loop);
    }
}
