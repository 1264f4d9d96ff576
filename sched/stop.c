/*
 * stop: how a runtime ends. All loops that run pass the phases together; whoever sees that all have reached one opens
 * the next and wakes the others.
 *
 *   any thread     jzx__stop_begin()
 *   owner thread   jzx__stop_step(), jzx__stop_left()
 *
 * Invariants
 *   Z1  A loop reports a phase only when its own work of that phase is done.
 *   Z2  The drain ends only after two rounds over all loops in which every lane's sent equals its received, every outbox
 *       was empty, and the totals did not move. (Mattern's two-wave termination detection, 1987.)
 *   Z3  A loop that never ran takes no part: it is closed when the stop begins, and torn down by who destroys it.
 */
#include "sched/loop.h"

enum { ENDS_PER_TURN = 256 };

void jzx__stop_begin(jzx_runtime *runtime)
{
    atomic_store_explicit(&runtime->stop, 1, memory_order_release);
    JZX__SIM_POINT("stop: begun");
    /* One running loop is enough: it opens the first phase and rings the others. One that a host drives may never. */
    jzx_loop *chosen = NULL;
    for (uint32_t i = 0; i < runtime->loop_count; i++) {
        jzx_loop *loop = runtime->loops[i];
        if (atomic_load_explicit(&loop->state, memory_order_acquire) == JZX__LOOP_RUNNING &&
            (chosen == NULL || __atomic_load_n(&chosen->hosted, __ATOMIC_RELAXED))) {
            chosen = loop;
        }
    }
    if (chosen != NULL) {
        jzx__wake(chosen);
    }
}

static void wake_others(jzx_loop *loop)
{
    for (uint32_t i = 0; i < loop->runtime->loop_count; i++) {
        if (i != loop->index &&
            atomic_load_explicit(&loop->runtime->loops[i]->state, memory_order_acquire) == JZX__LOOP_RUNNING) {
            jzx__ring_peer(loop, i);
        }
    }
}

/* Z3: what has not begun to run by now will not. */
static void close_loops_unrun(jzx_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->loop_count; i++) {
        jzx_loop *loop = runtime->loops[i];
        uint32_t created = JZX__LOOP_CREATED;
        if (atomic_compare_exchange_strong(&loop->state, &created, JZX__LOOP_LEFT)) {
            atomic_store_explicit(&loop->closed, 1, memory_order_release);
        }
    }
}

static bool all_reached(jzx_runtime *runtime, uint32_t phase)
{
    for (uint32_t i = 0; i < runtime->loop_count; i++) {
        jzx_loop *loop = runtime->loops[i];
        if (atomic_load_explicit(&loop->state, memory_order_acquire) == JZX__LOOP_RUNNING &&
            atomic_load(&loop->phase_reached) < phase) {
            return false;
        }
    }
    return true;
}

static void open_phase(jzx_loop *loop, uint32_t phase)
{
    uint32_t before = phase - 1;
    if (phase == JZX__PHASE_REFUSE) {
        /* Before the others go on: a loop takes part from the first phase or in none. */
        close_loops_unrun(loop->runtime);
    }
    if (atomic_compare_exchange_strong(&loop->runtime->phase, &before, phase)) {
        jzx_segment_header *header = (jzx_segment_header *)(void *)loop->runtime->segment;
        __atomic_store_n(&header->stopping, phase, __ATOMIC_RELAXED); /* for tools */
        JZX__SIM_POINT("stop: phase opened");
        wake_others(loop);
    }
}

static bool drain_totals(jzx_runtime *runtime, uint32_t round, uint64_t *total)
{
    uint64_t sent = 0;
    uint64_t received = 0;
    for (uint32_t i = 0; i < runtime->loop_count; i++) {
        jzx_loop *loop = runtime->loops[i];
        if (atomic_load_explicit(&loop->state, memory_order_acquire) != JZX__LOOP_RUNNING) {
            continue;
        }
        if (atomic_load_explicit(&loop->drain_round, memory_order_acquire) != round) {
            return false;
        }
        sent += atomic_load_explicit(&loop->drain_sent, memory_order_relaxed);
        received += atomic_load_explicit(&loop->drain_received, memory_order_relaxed);
    }
    *total = sent;
    return sent == received;
}

/* Weighs the current round once. True when the drain is over (Z2). */
static bool weigh(jzx_loop *loop)
{
    jzx_runtime *runtime = loop->runtime;
    uint32_t round = atomic_load(&runtime->round);
    uint64_t total;
    if (!drain_totals(runtime, round, &total)) {
        return false;
    }
    if (round > 1 && atomic_load(&runtime->round_sent) == total) {
        return true;
    }
    JZX__SIM_POINT("stop: weighed");
    atomic_store(&runtime->round_sent, total);
    atomic_store(&runtime->round, round + 1);
    wake_others(loop);
    return false;
}

/* One loop weighs at a time; one that comes meanwhile makes it look again, so no report goes unseen. */
static bool drain_over(jzx_loop *loop)
{
    _Atomic(uint32_t) *leader = &loop->runtime->leader;
    if (atomic_fetch_add(leader, 1) != 0) {
        return false;
    }
    uint32_t seen;
    bool over;
    do {
        seen = atomic_load(leader);
        over = weigh(loop);
        JZX__SIM_POINT("stop: looked");
    } while (!over && !atomic_compare_exchange_strong(leader, &seen, 0));
    return over; /* when it is over nobody needs to weigh again */
}

static bool quiet(const jzx_loop *loop)
{
    return jzx__runs_empty(&loop->runs) && jzx__list_empty(&loop->dirty_lanes) && loop->slots.live == 0;
}

/* Cells to and from the loops that take part. */
static void publish_totals(jzx_loop *loop, uint32_t round)
{
    uint64_t sent = 0;
    uint64_t received = 0;
    for (uint32_t i = 0; i < loop->runtime->loop_count; i++) {
        if (i != loop->index &&
            atomic_load_explicit(&loop->runtime->loops[i]->state, memory_order_acquire) == JZX__LOOP_RUNNING) {
            sent += loop->lanes_out[i]->cells_published;
            received += loop->lanes_in[i]->cells_taken;
        }
    }
    atomic_store_explicit(&loop->drain_sent, sent, memory_order_relaxed);
    JZX__SIM_POINT("stop: totals half written");
    atomic_store_explicit(&loop->drain_received, received, memory_order_relaxed);
    atomic_store_explicit(&loop->drain_round, round, memory_order_release);
}

static void drain_step(jzx_loop *loop)
{
    uint32_t round = atomic_load(&loop->runtime->round);
    if (quiet(loop) && !jzx__loop_incoming_mail(loop)) {
        publish_totals(loop, round);
    }
    if (drain_over(loop)) {
        open_phase(loop, JZX__PHASE_REAP);
    }
}

/* True when the kernel holds nothing of this loop's actors any more. */
static bool reaped(jzx_loop *loop)
{
    if (loop->result != JZX_OK) {
        return true; /* some completions will never come */
    }
    return loop->sockets.used == 0 && loop->watches.used == 0;
}

/* Does this loop's work of a phase; true when it is done (Z1). */
static bool phase_work(jzx_loop *loop, uint32_t phase)
{
    switch ((jzx__phase)phase) {
    case JZX__PHASE_REFUSE:
        return true; /* jzx_post() looks at the runtime's stop word */
    case JZX__PHASE_TREES:
        return jzx__supervisors_stop(loop, JZX_EXIT_SHUTDOWN);
    case JZX__PHASE_END:
        jzx__life_end_all(loop, JZX_EXIT_SHUTDOWN, ENDS_PER_TURN);
        return loop->end_cursor >= loop->slots.fresh && loop->slots.live == 0;
    case JZX__PHASE_DRAIN:
        drain_step(loop);
        return false; /* the round decides */
    case JZX__PHASE_REAP:
        return reaped(loop);
    default:
        return true;
    }
}

/* One loop that empties itself, while the runtime goes on. */
static void stop_alone(jzx_loop *loop)
{
    loop->leaving = true;
    if (atomic_load_explicit(&loop->closed, memory_order_relaxed) == 0) {
        if (!jzx__supervisors_stop(loop, JZX_EXIT_LOOP_CLOSED)) {
            return;
        }
        atomic_store_explicit(&loop->closed, 1, memory_order_release);
    }
    jzx__life_end_all(loop, JZX_EXIT_LOOP_CLOSED, ENDS_PER_TURN);
}

/* What others have asked of this loop. */
static void heed(jzx_loop *loop, uint32_t asked)
{
    if ((asked & JZX__ASKED_GROUPS) != 0) {
        /* Before the look, which then sees each change that was made before it was asked for (GW2). */
        atomic_fetch_and_explicit(&loop->asked, ~(uint32_t)JZX__ASKED_GROUPS, memory_order_acq_rel);
        JZX__SIM_POINT("groups: taken");
        jzx__group_watches_look(loop);
    }
    if ((asked & JZX__ASKED_STOP) != 0) {
        stop_alone(loop);
    }
}

bool jzx__stop_step(jzx_loop *loop)
{
    jzx_runtime *runtime = loop->runtime;
    uint32_t asked = atomic_load_explicit(&loop->asked, memory_order_acquire);
    if (jzx__unlikely(asked != 0)) {
        heed(loop, asked);
    }
    if (jzx__likely(atomic_load_explicit(&runtime->stop, memory_order_acquire) == 0)) {
        return false;
    }
    uint32_t phase = atomic_load_explicit(&runtime->phase, memory_order_acquire);
    if (phase == JZX__PHASE_RUN) {
        open_phase(loop, JZX__PHASE_REFUSE);
        phase = atomic_load_explicit(&runtime->phase, memory_order_acquire);
    }
    loop->phase_seen = phase;
    if (phase > loop->phase_done && phase_work(loop, phase)) {
        loop->phase_done = phase;
        JZX__SIM_POINT("stop: phase done");
        atomic_store(&loop->phase_reached, phase); /* sequentially consistent: of two, one sees both in all_reached() */
    }
    if (phase != JZX__PHASE_DRAIN && phase < JZX__PHASE_LEAVE && all_reached(runtime, phase)) {
        open_phase(loop, phase + 1);
    }
    return atomic_load_explicit(&runtime->phase, memory_order_acquire) == JZX__PHASE_LEAVE;
}

/* Is there a step of a stop that this loop has not yet looked at? Asked before it sleeps. */
bool jzx__stop_pending(const jzx_loop *loop)
{
    const jzx_runtime *runtime = loop->runtime;
    uint32_t asked = atomic_load_explicit(&loop->asked, memory_order_acquire);
    if ((asked & JZX__ASKED_GROUPS) != 0 || (asked != 0 && !loop->leaving)) {
        return true;
    }
    if (jzx__likely(atomic_load_explicit(&runtime->stop, memory_order_acquire) == 0)) {
        return false;
    }
    uint32_t phase = atomic_load_explicit(&runtime->phase, memory_order_acquire);
    if (phase == JZX__PHASE_DRAIN) {
        return quiet(loop) && atomic_load_explicit(&loop->drain_round, memory_order_relaxed) !=
                                  atomic_load_explicit(&runtime->round, memory_order_acquire);
    }
    return phase == JZX__PHASE_RUN || phase == JZX__PHASE_LEAVE || phase > loop->phase_seen;
}

bool jzx__stop_more(const jzx_loop *loop)
{
    bool ending = loop->phase_seen == JZX__PHASE_END || atomic_load_explicit(&loop->closed, memory_order_relaxed) != 0;
    return (ending && loop->end_cursor < loop->slots.fresh) || jzx__stop_pending(loop);
}

/*
 * The backend's own operations end last: one of them may be what other threads wake this loop by, and until all have opened
 * the last phase it may have to be woken.
 */
jzx_err jzx__stop_close(jzx_loop *loop)
{
    const jzx__backend_ops *ops = loop->backend->ops;
    jzx_err err = JZX_OK;
    while (err == JZX_OK && ops->close_begin(loop->backend)) {
        err = ops->wait(loop->backend, JZX_FOREVER);
        ops->reap(loop->backend, UINT32_MAX, jzx__socket_cqe, loop);
    }
    return err;
}

void jzx__stop_left(jzx_loop *loop)
{
    jzx_runtime *runtime = loop->runtime;
    atomic_store_explicit(&loop->closed, 1, memory_order_release);
    jzx__askers_close(&runtime->askers); /* no loop has an actor any more; what waits lies in an inbox, for good */
    atomic_store_explicit(&loop->state, JZX__LOOP_LEFT, memory_order_release);
    atomic_fetch_add_explicit(&runtime->left, 1, memory_order_release);
    jzx__sys_wake(&runtime->left);
}

bool jzx__loop_refuses(const jzx_loop *loop)
{
    return atomic_load_explicit(&loop->runtime->phase, memory_order_relaxed) >= JZX__PHASE_END ||
           jzx__loop_told_to_stop(loop) || atomic_load_explicit(&loop->closed, memory_order_relaxed) != 0;
}
