/*
 * life: how an actor ends: what asks for it, and the exit. Its beginning is spawn.c, its turns are run.c.
 *
 * Owner thread only.
 *
 * Invariants
 *   E1  fini runs once for each init that succeeded, after the mail was destroyed and before anything the actor owns is
 *       let go.
 *   E2  The first reason wins: once a slot is stopping, later ends change nothing. A drain is no reason yet.
 *   E3  A notice of the exit is sent only when fini has run, what the actor owned is let go, and its id is stale (P6).
 *   E4  An actor is torn down only from the run queue, never inside another's handler.
 */
#include "sched/annex.h"
#include "sched/call.h"
#include "sched/mailbox.h"

void jzx__free_state(jzx_loop *loop, jzx__hot *hot)
{
    if ((hot->flags & JZX__SLOT_OWN_STATE) != 0) {
        char *memory = (char *)hot->state - JZX__STATE_PREFIX;
        size_t size;
        memcpy(&size, memory, sizeof size);
        jzx__release(loop, JZX_MEMORY_STATE, memory, size, JZX__STATE_PREFIX);
        hot->flags &= (uint16_t)~JZX__SLOT_OWN_STATE;
    }
}

/* ---- ends ---- */

/*
 * Makes a live slot stopping (E2, E4). With a text, origin and text are in `cell`, which is then the slot's; else NULL.
 * Everything but the text fits the slot, so that no end waits for a cell.
 */
static void set_stopping(jzx_loop *loop, uint32_t index, const jzx__cause *cause, jzx__cell *cell)
{
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    jzx__public(loop, index)->state = JZX__STOPPING;
    if (cell != NULL) {
        hot->flags |= JZX__SLOT_END_CELL;
        hot->end = cell;
    } else {
        hot->origin = cause->origin;
    }
    hot->end_kind = cause->kind;
    hot->end_code = cause->code;
    loop->turn.special = true; /* it may be the one that runs */
    jzx__schedule(loop, index);
}

static void fill_end(jzx__cell *cell, jzx_actor_id id, const jzx__cause *cause)
{
    jzx__end_cell *ending = (jzx__end_cell *)(void *)cell;
    ending->target = id;
    ending->origin = cause->origin;
    ending->code = cause->code;
    ending->end = cause->kind;
    ending->kind = JZX__CELL_END;
    ending->flags = 0;
    jzx__text_copy(ending->text, sizeof ending->text, cause->text);
}

void jzx__life_drain(jzx_loop *loop, uint32_t index)
{
    jzx__public(loop, index)->state = JZX__DRAINING;
    jzx__member_let_go_all(loop, index); /* so that nobody picks it for more work */
}

/* True when an end of this kind still changes something for a slot in this state. */
static bool end_counts(uint8_t state, uint8_t kind)
{
    return state < JZX__DRAINING || (state == JZX__DRAINING && kind != JZX__EXIT_DRAIN);
}

static void drain(jzx_loop *loop, uint32_t index)
{
    jzx__life_drain(loop, index);
    loop->turn.special = true;
    jzx__schedule(loop, index); /* an empty mailbox ends it at its next turn */
}

static jzx_err end_remote(jzx_loop *loop, jzx_actor_id id, const jzx__cause *cause)
{
    jzx_err err = jzx__route_refusal(loop->runtime, id);
    if (err == JZX_ERR_NO_SUCH_ACTOR || err == JZX_ERR_LOOP_CLOSED) {
        return err; /* full mailboxes and low cells do not refuse a request */
    }
    jzx__cell *cell = jzx__pool_take(&loop->pool, 1);
    if (cell == NULL) {
        return JZX_ERR_WOULD_BLOCK;
    }
    fill_end(cell, id, cause);
    jzx__route_signal(loop, jzx__id_loop(id), cell, NULL);
    return JZX_OK;
}

static void end_local(jzx_loop *loop, uint32_t index, const jzx__cause *cause)
{
    uint8_t state = jzx__public(loop, index)->state;
    if (!end_counts(state, cause->kind)) {
        return;
    }
    const jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    if ((hot->flags & JZX__SLOT_HEIR) != 0) {
        return; /* nobody is there to be ended: its supervisor decides */
    }
    if ((hot->flags & JZX__SLOT_SUPERVISOR) != 0) {
        jzx__supervisor_ask(loop, hot->state, cause); /* it ends itself when its children have ended */
        return;
    }
    if (jzx__shield_defers(loop, index, cause)) {
        return;
    }
    if (cause->kind == JZX__EXIT_DRAIN) {
        drain(loop, index);
        return;
    }
    jzx__cell *cell = cause->text != NULL && *cause->text != 0 ? jzx__pool_take(&loop->pool, 1) : NULL;
    if (cell != NULL) {
        fill_end(cell, jzx__public(loop, index)->id, cause);
    }
    set_stopping(loop, index, cause, cell);
}

jzx_err jzx__life_end(jzx_loop *loop, jzx_actor_id id, const jzx__cause *cause)
{
    if (jzx__id_loop(id) != loop->index) {
        return end_remote(loop, id, cause);
    }
    uint32_t index = jzx__slot_find(&loop->slots, id);
    if (index == JZX__SLOT_NONE) {
        return JZX_ERR_NO_SUCH_ACTOR;
    }
    if ((jzx__slot_hot(&loop->slots, index)->flags & JZX__SLOT_HEIR) != 0) {
        return JZX_ERR_NOT_RUNNING; /* nobody is there to be ended: its supervisor decides */
    }
    end_local(loop, index, cause);
    return JZX_OK;
}

void jzx__life_end_arrived(jzx_loop *loop, const jzx__cell *from)
{
    const jzx__end_cell *ending = (const jzx__end_cell *)(const void *)from;
    uint32_t index = jzx__slot_find(&loop->slots, ending->target);
    if (index != JZX__SLOT_NONE) {
        jzx__cause cause = {ending->end, ending->code, ending->origin, ending->text};
        end_local(loop, index, &cause);
    }
}

void jzx__life_end_all(jzx_loop *loop, jzx_exit_kind kind, uint32_t max)
{
    const jzx__cause cause = {.kind = (uint8_t)kind};
    while (loop->end_cursor < loop->slots.fresh && max-- > 0) {
        uint32_t index = loop->end_cursor++;
        uint8_t state = jzx__public(loop, index)->state;
        if (state == JZX__RUNNING || state == JZX__DRAINING) {
            if (!jzx__shield_defers(loop, index, &cause)) {
                set_stopping(loop, index, &cause, NULL);
            }
        } else if (state == JZX__STARTING && (jzx__slot_hot(&loop->slots, index)->flags & JZX__SLOT_HEIR) != 0) {
            jzx__life_exit(loop, index, &cause, 0); /* nobody will come into it */
        }
    }
}

/* ---- exit ---- */

/* Most actors end with an empty mailbox. */
static __attribute__((noinline)) void drop_all_mail(jzx_loop *loop, uint32_t index, jzx__hot *hot,
                                                    const jzx_exit_info *exit)
{
    jzx__cell *cell;
    while ((cell = jzx__queue_pop(&hot->mail)) != NULL) {
        if ((cell->flags & JZX__FLAG_EMBEDDED) != 0) {
            ((jzx__resource *)(void *)cell)->listed = false; /* a DOWN: it goes with its monitor */
            if ((cell->flags & JZX__FLAG_OVERTIME) != 0) {
                jzx__resource_expired(loop, cell);
            }
            continue;
        }
        jzx__mail_left(loop, index, cell);
        if ((cell->flags & JZX__FLAG_REQUEST) != 0) {
            jzx__request_refuse(loop, cell, exit->id, JZX_DROP_ENDED, exit);
        } else {
            jzx__route_dead(loop, cell, exit->id, JZX_DROP_ENDED);
            if ((cell->flags & JZX__FLAG_CALL) != 0) {
                jzx__call_forget(loop, cell);
            }
            jzx__cell_free(loop, cell);
        }
    }
}

static inline void drop_mail(jzx_loop *loop, uint32_t index, jzx__hot *hot, const jzx_exit_info *exit)
{
    if (hot->mail.first != NULL) {
        drop_all_mail(loop, index, hot, exit);
    }
}

static void drop_urgent(jzx_loop *loop, jzx__hot *hot)
{
    while (hot->urgent_last != NULL) {
        jzx__cell *cell = jzx__urgent_pop(hot);
        ((jzx__resource *)(void *)cell)->listed = false;
        if ((cell->flags & JZX__FLAG_OVERTIME) != 0) {
            jzx__resource_expired(loop, cell);
        }
    }
}

/* Most actors have nothing when they end. */
static inline bool has_anything(const jzx__hot *hot, const jzx__cold *cold)
{
    uint64_t cells = (uintptr_t)hot->mail.first | (uintptr_t)hot->urgent_last | cold->held;
    return (cells | (uintptr_t)cold->owned | (uintptr_t)cold->waiters | cold->annex) != 0;
}

static __attribute__((noinline)) void let_go_all(jzx_loop *loop, uint32_t index, jzx__hot *hot, jzx__cold *cold,
                                                 const jzx_exit_info *exit)
{
    drop_urgent(loop, hot);
    if (cold->held != 0) {
        jzx__request_cancel_all(loop, index);
    }
    drop_mail(loop, index, hot, exit); /* fini may have answered its own request */
    if (cold->held != 0) {
        jzx__request_let_go(loop, index, exit);
    }
    while (cold->owned != NULL) {
        jzx__resource_let_go(loop, cold->owned);
    }
    if (cold->waiters != NULL) {
        jzx__resume_wake_mailbox(loop, index);
    }
    drop_urgent(loop, hot); /* a resume notice for the cells that came free just now */
    if (cold->annex != 0) {
        jzx__annex_let_go(loop, index);
    }
    JZX_ASSERT(!has_anything(hot, cold));
}

static void run_fini(jzx_loop *loop, uint32_t index, const jzx__hot *hot, const jzx__cold *cold,
                     const jzx_exit_info *info)
{
    if (cold->fini != NULL && (hot->flags & (JZX__SLOT_STILLBORN | JZX__SLOT_HEIR)) == 0) {
        jzx_context context;
        jzx__context_init(&context, loop, index);
        context.ending = true;
        uint64_t began_ns = jzx__aside_begin(loop, info->id, JZX_HANDLER_FINI);
        cold->fini(&context, hot->state, info);
        jzx__aside_end(loop, began_ns, JZX_HANDLER_FINI);
    }
}

static void count_exit(jzx_loop *loop, const jzx_exit_info *info)
{
    if (info->kind == JZX_EXIT_INIT) {
        jzx__count_add(&loop->counters->init_failed, 1);
        jzx__observe_init_failed(loop, info, info->name);
    } else {
        jzx__count_add(&loop->counters->ended, 1);
        jzx__count_add(&loop->counters->failed, info->kind == JZX_EXIT_FAIL);
        if (jzx__observed(loop)) {
            jzx__observe_stop(loop, info, info->name);
        }
    }
    if (loop->config->exit_when_idle && atomic_fetch_sub_explicit(&loop->runtime->live, 1, memory_order_relaxed) == 1) {
        jzx__stop_begin(loop->runtime);
    }
}

/* The slot holds the exit info until the last notice has left. */
static void send_notices(jzx_loop *loop, uint32_t index, const jzx_exit_info *info)
{
    jzx__cold *cold = jzx__slot_cold(&loop->slots, index);
    cold->id = info->id;
    memcpy(jzx__slot_hot(&loop->slots, index), jzx__exit_record(info), sizeof(jzx__hot));
    cold->held_count = 1; /* ours, so that the slot stays until all notices are on their way */
    jzx__down_send_all(loop, index, info);
    jzx__life_notice_left(loop, index);
}

/* Of one that has an annex: all that it holds of mail is in its mailbox then (X3). */
static void gather_mail(jzx_loop *loop, uint32_t index, const jzx__hot *hot)
{
    if ((hot->flags & JZX__SLOT_WAITING) != 0) {
        jzx__wait_gather(loop, index);
    }
    jzx__order_gather(loop, index);
}

void jzx__life_exit(jzx_loop *loop, uint32_t index, const jzx__cause *cause, uint32_t tag)
{
    jzx__hot *hot = jzx__once(jzx__slot_hot(&loop->slots, index));
    jzx__cold *cold = jzx__once(jzx__slot_cold(&loop->slots, index));
    jzx_segment_slot *public = jzx__once(jzx__public(loop, index));
    jzx_exit_info info = {.id = public->id, .origin = cause->origin, .kind = cause->kind, .code = cause->code};
    info.tag = tag;
    info.uptime_ns = loop->now_ns - cold->started_ns;
    if (cause->text != NULL) {
        jzx__text_copy(info.text, sizeof info.text, cause->text);
    }
    memcpy(info.name, public->name, sizeof info.name);
    bool supervised = (hot->flags & JZX__SLOT_SUPERVISED) != 0;
    if (supervised) {
        jzx__bond_describe(jzx__bond_of(cold), &info);
    }

    public->state = JZX__STOPPING;
    hot->flags |= JZX__SLOT_QUEUED; /* A3: whatever its end sets free, it does not run again */
    if (cold->annex != 0) {
        gather_mail(loop, index, hot);
    }
    if (supervised && jzx__bond_of(cold)->keep_mail) {
        jzx__bond_bequeath(loop, index);
    }
    drop_mail(loop, index, hot, &info);
    run_fini(loop, index, hot, cold, &info); /* E1 */
    if (has_anything(hot, cold)) {
        let_go_all(loop, index, hot, cold, &info);
    }
    jzx__free_state(loop, hot);
    JZX_ASSERT(public->mailbox_length == 0);

    bool heir = (hot->flags & JZX__SLOT_HEIR) != 0;
    if (!heir) {
        JZX__SIM_EVENT(loop, END, info.id, info.kind, (uint32_t)info.code);
    }
    public->state = JZX__DYING;
    jzx__count_set(&public->id, 0); /* A4: stale from here on */
    if (cold->suffered == NULL) {
        jzx__slot_give(&loop->slots, index);
    } else {
        send_notices(loop, index, &info); /* E3 */
    }
    if (!heir) {
        count_exit(loop, &info);
    }
}

void jzx__life_notice_left(jzx_loop *loop, uint32_t index)
{
    jzx__cold *cold = jzx__slot_cold(&loop->slots, index);
    JZX_ASSERT(cold->held_count > 0);
    if (--cold->held_count == 0) {
        jzx__slot_give(&loop->slots, index);
    }
}

void jzx__life_finish(jzx_loop *loop, uint32_t index)
{
    const jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    bool stillborn = (hot->flags & JZX__SLOT_STILLBORN) != 0;
    jzx__cause cause = {.kind = stillborn ? JZX_EXIT_INIT : (uint8_t)hot->end_kind, .code = hot->end_code};
    char text[JZX_EXIT_TEXT_MAX];
    if ((hot->flags & JZX__SLOT_END_CELL) != 0) {
        const jzx__end_cell *ending = (const jzx__end_cell *)(const void *)hot->end;
        cause.origin = ending->origin;
        cause.text = memcpy(text, ending->text, sizeof text);
        jzx__cell_free(loop, hot->end);
    } else {
        cause.origin = hot->origin;
    }
    jzx__life_exit(loop, index, &cause, 0);
}
