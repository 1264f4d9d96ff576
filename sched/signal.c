/*
 * signal: what cannot be lost between actors: monitors, and notices that sending may go on.
 *
 * Owner thread only.
 *
 * Invariants
 *   G1  A monitor has a half with the watcher and, while the target lives, one with the target. Each half is its own
 *       node on the way to the other loop, so no signal needs room it does not have.
 *   G2  A DOWN takes its place in the watcher's mailbox when it arrives, behind the mail that came before it.
 *   G3  A monitor that is let go is found by no DOWN any more: its number is stale, or it is OVERTIME.
 *   G4  One resume record per asker and target; it ends with one notice, or with its asker.
 */
#include "sched/group_watch.h"
#include "sched/mailbox.h"
#include "sched/wait.h"

/* ---- resources of any kind ---- */

/* Where a loop has the records of a kind; 0 for those that are part of others. */
static const size_t tables[JZX__RESOURCE_KINDS] = {
    [JZX__RESOURCE_TIMER] = offsetof(jzx_loop, timers),
    [JZX__RESOURCE_MONITOR] = offsetof(jzx_loop, monitors),
    [JZX__RESOURCE_RESUME] = offsetof(jzx_loop, resumes),
    [JZX__RESOURCE_WATCH] = offsetof(jzx_loop, watches),
    [JZX__RESOURCE_SOCKET] = offsetof(jzx_loop, sockets),
    [JZX__RESOURCE_CHILD] = offsetof(jzx_loop, children),
    [JZX__RESOURCE_NAME] = offsetof(jzx_loop, names),
    [JZX__RESOURCE_LINK] = offsetof(jzx_loop, links),
    [JZX__RESOURCE_GROUP_WATCH] = offsetof(jzx_loop, group_watches),
    [JZX__RESOURCE_FLOW] = offsetof(jzx_loop, flows),
    [JZX__RESOURCE_WAITER] = offsetof(jzx_loop, waiters),
};

void jzx__resource_expired(jzx_loop *loop, jzx__cell *cell)
{
    jzx__resource *resource = (jzx__resource *)(void *)cell;
    JZX_ASSERT(resource->link == NULL && !resource->listed);
    if (resource->kind == JZX__RESOURCE_WATCH && !jzx__watch_idle(&((jzx__watch_record *)resource)->watch)) {
        return; /* R3: the last completion frees it */
    }
    if (resource->kind == JZX__RESOURCE_SOCKET && !((jzx__socket_record *)resource)->closed) {
        return; /* R3 */
    }
    if (resource->kind == JZX__RESOURCE_LINK) {
        jzx__link_expired(loop, (jzx__link *)resource);
        return;
    }
    if (resource->kind == JZX__RESOURCE_FLOW) {
        jzx__flow_expired(loop, (jzx__flow *)resource);
        return;
    }
    if (resource->kind == JZX__RESOURCE_CHILD && ((jzx__child *)resource)->out_listed) {
        return; /* B5 */
    }
    if (resource->kind == JZX__RESOURCE_MEMBER) {
        jzx__member_give(loop, (jzx__member *)resource);
        return;
    }
    JZX_ASSERT(tables[resource->kind] != 0);
    jzx__table_give((jzx__table *)(void *)((char *)loop + tables[resource->kind]), resource->number);
}

void jzx__resource_notify(jzx_loop *loop, jzx__resource *resource)
{
    if (!resource->listed && resource->link != NULL) {
        resource->listed = true;
        jzx__hot *hot = jzx__once(jzx__slot_hot(&loop->slots, resource->owner));
        jzx__urgent_notify(loop, resource->owner, hot, &resource->cell);
    }
}

void jzx__resource_free(jzx_loop *loop, jzx__resource *resource)
{
    if (resource->listed) {
        resource->cell.flags |= JZX__FLAG_OVERTIME;
    } else {
        jzx__resource_expired(loop, &resource->cell);
    }
}

void jzx__resource_let_go(jzx_loop *loop, jzx__resource *resource)
{
    switch ((jzx__resource_kind)resource->kind) {
    case JZX__RESOURCE_TIMER:
        jzx__timer_let_go(loop, (jzx__timer *)resource);
        break;
    case JZX__RESOURCE_MONITOR:
        jzx__monitor_let_go(loop, (jzx__monitor *)resource);
        break;
    case JZX__RESOURCE_RESUME:
        jzx__resume_let_go(loop, (jzx__resume *)resource);
        break;
    case JZX__RESOURCE_WATCH:
        jzx__watch_let_go(loop, (jzx__watch_record *)resource);
        break;
    case JZX__RESOURCE_SOCKET:
        jzx__socket_let_go(loop, (jzx__socket_record *)resource);
        break;
    case JZX__RESOURCE_NAME:
        jzx__name_let_go(loop, (jzx__name *)resource);
        break;
    case JZX__RESOURCE_CHILD:
        jzx__child_let_go(loop, (jzx__child *)resource);
        break;
    case JZX__RESOURCE_BOND:
        jzx__bond_let_go(loop, jzx__container_of(resource, jzx__bond, resource));
        break;
    case JZX__RESOURCE_SUPERVISOR:
        jzx__supervisor_let_go(loop, (jzx__supervisor *)resource);
        break;
    case JZX__RESOURCE_LINK:
        jzx__link_let_go(loop, (jzx__link *)resource);
        break;
    case JZX__RESOURCE_FLOW:
        jzx__flow_let_go(loop, (jzx__flow *)resource);
        break;
    case JZX__RESOURCE_MEMBER:
        jzx__member_let_go(loop, (jzx__member *)resource);
        break;
    case JZX__RESOURCE_GROUP_WATCH:
        jzx__group_watch_let_go(loop, (jzx__group_watch *)resource);
        break;
    case JZX__RESOURCE_WAITER:
        jzx__wait_let_go(loop, (jzx__waiter *)resource);
        break;
    case JZX__RESOURCE_KINDS:
        JZX_ASSERT(!"a kind of resource");
    }
}

void jzx__resource_begin(jzx_loop *loop, jzx__resource *resource, jzx__resource_kind kind, uint64_t number,
                         uint32_t owner)
{
    resource->number = (uint64_t)loop->index << 56 | number;
    resource->kind = (uint8_t)kind;
    resource->cell.flags = JZX__FLAG_EMBEDDED;
    jzx__resource_own(resource, jzx__once(jzx__slot_cold(&loop->slots, owner)), owner);
}

/* ---- monitors: the watcher's side ---- */

/* The DOWN takes its place behind the mail that came before it (G2). */
static void queue_down(jzx_loop *loop, jzx__monitor *monitor)
{
    jzx__resource *resource = &monitor->resource;
    JZX_ASSERT(!resource->listed && resource->link != NULL);
    resource->cell.kind = JZX__CELL_DOWN;
    resource->listed = true;
    jzx__mail_stand(loop, resource->owner, &resource->cell);
}

static void down_at_once(jzx_loop *loop, jzx__monitor *monitor, jzx_exit_kind kind)
{
    memset(&monitor->exit, 0, sizeof monitor->exit);
    monitor->exit.id = monitor->target;
    monitor->exit.kind = kind;
    queue_down(loop, monitor);
}

static void fill_request(jzx__monitor *monitor, jzx__cell_kind kind, jzx_actor_id watcher)
{
    jzx__cell *cell = &monitor->resource.cell;
    cell->kind = (uint8_t)kind;
    cell->target = monitor->target;
    cell->sender = watcher;
    cell->words[0] = monitor->resource.number;
}

/* The target's half. */
static jzx_err suffer(jzx_loop *loop, uint32_t target, uint64_t number)
{
    void *record;
    uint64_t own_number;
    jzx_err err = jzx__table_take(&loop->suffered, &record, &own_number);
    if (err != JZX_OK) {
        return err;
    }
    jzx__suffered *suffered = record;
    jzx__cold *cold = jzx__slot_cold(&loop->slots, target);
    suffered->target = target;
    jzx__suffered_list(suffered, cold);
    jzx__map_add(&loop->suffered_by_monitor, &suffered->by_monitor, number);
    return JZX_OK;
}

static void unlink_suffered(jzx_loop *loop, jzx__suffered *suffered)
{
    jzx__suffered_unlist(suffered);
    if (suffered->kind == JZX__SUFFERED_MONITOR) {
        jzx__map_remove(&loop->suffered_by_monitor, &suffered->by_monitor);
    }
}

static jzx_err start_local(jzx_loop *loop, jzx__monitor *monitor)
{
    uint32_t index = jzx__slot_find(&loop->slots, monitor->target);
    if (index == JZX__SLOT_NONE) {
        down_at_once(loop, monitor, JZX_EXIT_NO_ACTOR);
        return JZX_OK;
    }
    return suffer(loop, index, monitor->resource.number);
}

static void start_remote(jzx_loop *loop, jzx__monitor *monitor, jzx_actor_id watcher)
{
    /* A closed loop is asked all the same: mail of the target may be on its way, and its answer comes behind that. */
    if (jzx__route_refusal(loop->runtime, monitor->target) == JZX_ERR_NO_SUCH_ACTOR) {
        down_at_once(loop, monitor, JZX_EXIT_NO_ACTOR);
        return;
    }
    fill_request(monitor, JZX__CELL_MONITOR, watcher);
    monitor->resource.listed = true;
    jzx__route_signal(loop, jzx__id_loop(monitor->target), &monitor->resource.cell, NULL);
}

jzx_err jzx__monitor_start(jzx_context *context, jzx_actor_id target, uint64_t *number)
{
    jzx_loop *loop = context->loop;
    void *record;
    uint64_t taken;
    jzx_err err = jzx__table_take(&loop->monitors, &record, &taken);
    if (err != JZX_OK) {
        return err;
    }
    jzx__monitor *monitor = record;
    jzx__resource_begin(loop, &monitor->resource, JZX__RESOURCE_MONITOR, taken, context->slot);
    monitor->target = target;
    uint64_t made = monitor->resource.number;
    if (jzx__id_loop(target) != loop->index) {
        start_remote(loop, monitor, context->self);
    } else if ((err = start_local(loop, monitor)) != JZX_OK) {
        jzx__resource_disown(&monitor->resource);
        jzx__resource_expired(loop, &monitor->resource.cell);
        return err;
    }
    *number = made;
    return JZX_OK;
}

/* A monitor of this loop that is still wanted, or NULL (G3). */
static jzx__monitor *find_monitor(jzx_loop *loop, uint64_t number)
{
    jzx__monitor *monitor = jzx__table_find(&loop->monitors, number);
    bool valid = monitor != NULL && monitor->resource.number == number && monitor->resource.link != NULL;
    return valid ? monitor : NULL;
}

jzx_err jzx__monitor_stop(jzx_context *context, uint64_t number)
{
    jzx__monitor *monitor = find_monitor(context->loop, number);
    if (monitor == NULL || monitor->resource.owner != context->slot) {
        return JZX_ERR_NO_SUCH_MONITOR;
    }
    jzx__monitor_let_go(context->loop, monitor);
    return JZX_OK;
}

static void stop_at_target(jzx_loop *loop, jzx__monitor *monitor)
{
    jzx__resource *resource = &monitor->resource;
    if (jzx__id_loop(monitor->target) == loop->index) {
        jzx__map_node *node = jzx__map_find(&loop->suffered_by_monitor, resource->number);
        if (node != NULL) {
            jzx__suffered *suffered = jzx__container_of(node, jzx__suffered, by_monitor);
            unlink_suffered(loop, suffered);
            jzx__table_give(&loop->suffered, suffered->number);
        }
        jzx__resource_expired(loop, &resource->cell);
        return;
    }
    fill_request(monitor, JZX__CELL_DEMONITOR, 0);
    resource->listed = true;
    resource->cell.flags |= JZX__FLAG_OVERTIME; /* freed when the request has left */
    jzx__route_signal(loop, jzx__id_loop(monitor->target), &resource->cell, NULL);
}

void jzx__monitor_let_go(jzx_loop *loop, jzx__monitor *monitor)
{
    jzx__resource *resource = &monitor->resource;
    jzx__resource_disown(resource);
    if (!resource->listed && resource->cell.kind == JZX__CELL_DOWN) {
        jzx__resource_expired(loop, &resource->cell); /* dropped with the mail: the target has gone, or never was */
        return;
    }
    if (!resource->listed) {
        stop_at_target(loop, monitor);
        return;
    }
    if (resource->cell.kind == JZX__CELL_MONITOR) {
        resource->cell.kind = JZX__CELL_SKIP; /* it has not left yet: the target never hears of it */
    }
    resource->cell.flags |= JZX__FLAG_OVERTIME;
}

void jzx__down_arrived(jzx_loop *loop, uint64_t number, const jzx_exit_info *exit)
{
    jzx__monitor *monitor = find_monitor(loop, number);
    if (monitor == NULL) {
        return; /* it crossed a demonitor (G3) */
    }
    monitor->exit = *exit;
    queue_down(loop, monitor);
}

/* ---- monitors: the target's side ---- */

/*
 * A DOWN for a target that is not here, or cannot take the monitor. Its node is the half that the target would have had: of
 * the pool many could take the cells that mail must find (C2). A cell only if there are no more halves.
 */
static void refuse_monitor(jzx_loop *loop, const jzx__cell *request, jzx_exit_kind kind)
{
    void *record;
    uint64_t number;
    bool half = jzx__table_take(&loop->suffered, &record, &number) == JZX_OK;
    jzx__cell *first = half ? &((jzx__suffered *)record)->cell : jzx__pool_take_inbound(&loop->pool);
    first->kind = JZX__CELL_DOWN_NONE;
    first->flags = half ? JZX__FLAG_EMBEDDED : 0;
    first->tag = kind;
    first->target = request->target;
    first->sender = 0;
    first->words[0] = request->words[0];
    jzx__route_signal(loop, jzx__number_loop(request->words[0]), first, NULL);
}

void jzx__monitor_arrived(jzx_loop *loop, const jzx__cell *cell)
{
    uint32_t index = jzx__slot_find(&loop->slots, cell->target);
    if (index == JZX__SLOT_NONE) {
        bool closed = atomic_load_explicit(&loop->closed, memory_order_relaxed) != 0;
        refuse_monitor(loop, cell, closed ? JZX_EXIT_LOOP_CLOSED : JZX_EXIT_NO_ACTOR);
    } else if (suffer(loop, index, cell->words[0]) != JZX_OK) {
        refuse_monitor(loop, cell, JZX_EXIT_LIMIT);
    }
}

void jzx__demonitor_arrived(jzx_loop *loop, const jzx__cell *cell)
{
    jzx__map_node *node = jzx__map_find(&loop->suffered_by_monitor, cell->words[0]);
    if (node != NULL) {
        jzx__suffered *suffered = jzx__container_of(node, jzx__suffered, by_monitor);
        unlink_suffered(loop, suffered);
        jzx__table_give(&loop->suffered, suffered->number);
    }
}

void jzx__down_none_arrived(jzx_loop *loop, const jzx__cell *cell)
{
    jzx_exit_info exit = {.id = cell->target, .kind = cell->tag};
    jzx__down_arrived(loop, cell->words[0], &exit);
}

static void send_down(jzx_loop *loop, jzx__suffered *suffered, const jzx_exit_info *exit)
{
    uint64_t number = suffered->by_monitor.key;
    if (jzx__number_loop(number) == loop->index) {
        jzx__table_give(&loop->suffered, suffered->number);
        jzx__down_arrived(loop, number, exit);
        return;
    }
    jzx__cell *cell = &suffered->cell;
    cell->kind = JZX__CELL_DOWN;
    cell->flags = JZX__FLAG_EMBEDDED | JZX__FLAG_WIDE;
    jzx__exit_pack(cell, exit);
    cell->words[0] = number;
    jzx__slot_cold(&loop->slots, suffered->target)->held_count++; /* the slot stays until this has left */
    jzx__route_signal(loop, jzx__number_loop(number), cell, jzx__exit_record(exit));
}

void jzx__down_send_all(jzx_loop *loop, uint32_t index, const jzx_exit_info *exit)
{
    jzx__cold *cold = jzx__slot_cold(&loop->slots, index);
    while (cold->suffered != NULL) {
        jzx__suffered *suffered = cold->suffered;
        unlink_suffered(loop, suffered);
        if (suffered->kind == JZX__SUFFERED_CHILD) {
            jzx__bond_exit(loop, jzx__container_of(suffered, jzx__bond, half), exit);
        } else if (suffered->kind == JZX__SUFFERED_LINK) {
            jzx__link_exit_send(loop, jzx__container_of(suffered, jzx__link, half), exit);
        } else if (suffered->kind == JZX__SUFFERED_FLOW) {
            jzx__flow_exit_send(loop, jzx__container_of(suffered, jzx__flow, half), exit);
        } else {
            send_down(loop, suffered, exit);
        }
    }
}

void jzx__down_node_left(jzx_loop *loop, jzx__suffered *suffered)
{
    uint32_t target = suffered->target;
    jzx__table_give(&loop->suffered, suffered->number);
    jzx__life_notice_left(loop, target);
}

/* ---- resume notices: the asker's side ---- */

static jzx__resume *find_pair(jzx_loop *loop, jzx_actor_id asker, jzx_actor_id target)
{
    for (jzx__map_node *node = jzx__map_find(&loop->resumes_by_pair, jzx__pair_key(asker, target)); node != NULL;
         node = node->next) {
        jzx__resume *resume = jzx__container_of(node, jzx__resume, by_pair);
        if (resume->asker == asker && resume->target == target) {
            return resume;
        }
    }
    return NULL;
}

static void give_notice(jzx_loop *loop, jzx__resume *resume)
{
    resume->resource.cell.kind = JZX__CELL_RESUME;
    jzx__resource_notify(loop, &resume->resource);
}

static void ask_remote(jzx_loop *loop, jzx__resume *resume)
{
    jzx__lane *lane = loop->lanes_out[jzx__id_loop(resume->target)];
    if (!jzx__lane_has_room(lane)) {
        jzx__list_append(&lane->waiters, &resume->waiting);
        if (jzx__list_empty(&lane->dirty)) {
            jzx__list_append(&loop->dirty_lanes, &lane->dirty); /* flush_lane() looks at the waiters */
        }
        return;
    }
    jzx__cell *cell = &resume->resource.cell;
    cell->kind = JZX__CELL_RESUME_ASK;
    cell->target = resume->target;
    cell->sender = resume->asker;
    cell->words[0] = resume->resource.number;
    resume->resource.listed = true;
    jzx__route_signal(loop, jzx__id_loop(resume->target), cell, NULL);
}

static void ask(jzx_loop *loop, jzx__resume *resume)
{
    if (loop->pool.free_count <= loop->pool.inbound_max + 2) {
        jzx__pool_set_low(&loop->pool, true); /* so that recovering is noticed */
        jzx__list_append(&loop->pool.waiters, &resume->waiting);
    } else if (jzx__id_loop(resume->target) == loop->index) {
        jzx__cell cell = {.kind = JZX__CELL_RESUME_ASK, .target = resume->target, .sender = resume->asker};
        cell.words[0] = resume->resource.number;
        jzx__resume_ask_arrived(loop, &cell);
    } else if (jzx__route_refusal(loop->runtime, resume->target) == JZX_ERR_LOOP_CLOSED) {
        give_notice(loop, resume);
    } else {
        ask_remote(loop, resume);
    }
}

jzx_err jzx__resume_ask(jzx_context *context, jzx_actor_id target)
{
    jzx_loop *loop = context->loop;
    if (find_pair(loop, context->self, target) != NULL) {
        return JZX_OK; /* G4 */
    }
    void *record;
    uint64_t taken;
    jzx_err err = jzx__table_take(&loop->resumes, &record, &taken);
    if (err != JZX_OK) {
        return err;
    }
    jzx__resume *resume = record;
    jzx__resource_begin(loop, &resume->resource, JZX__RESOURCE_RESUME, taken, context->slot);
    jzx__list_init(&resume->waiting);
    resume->asker = context->self;
    resume->target = target;
    jzx__map_add(&loop->resumes_by_pair, &resume->by_pair, jzx__pair_key(resume->asker, target));
    ask(loop, resume);
    return JZX_OK;
}

void jzx__resume_arrived(jzx_loop *loop, uint64_t number)
{
    jzx__resume *resume = jzx__table_find(&loop->resumes, number);
    if (resume != NULL && resume->resource.number == number && resume->resource.link != NULL) {
        give_notice(loop, resume);
    }
}

void jzx__resume_let_go(jzx_loop *loop, jzx__resume *resume)
{
    jzx__map_remove(&loop->resumes_by_pair, &resume->by_pair);
    jzx__list_remove(&resume->waiting);
    jzx__resource_disown(&resume->resource);
    if (resume->resource.listed && resume->resource.cell.kind == JZX__CELL_RESUME_ASK) {
        resume->resource.cell.kind = JZX__CELL_SKIP;
    }
    jzx__resource_free(loop, &resume->resource);
}

/* Those that waited on this loop: for a lane, or for cells. */
void jzx__resume_wake_list(jzx_loop *loop, jzx__list *waiters)
{
    while (!jzx__list_empty(waiters)) {
        jzx__resume *resume = jzx__container_of(waiters->next, jzx__resume, waiting);
        jzx__list_remove(&resume->waiting);
        give_notice(loop, resume);
    }
}

/* ---- resume notices: the target's side ---- */

static void answer_resume(jzx_loop *loop, jzx__resume_wait *wait)
{
    uint64_t number = wait->cell.words[0];
    if (jzx__number_loop(number) == loop->index) {
        jzx__table_give(&loop->resume_waits, wait->number);
        jzx__resume_arrived(loop, number);
        return;
    }
    wait->cell.kind = JZX__CELL_RESUME;
    wait->cell.flags = JZX__FLAG_EMBEDDED;
    jzx__route_signal(loop, jzx__number_loop(number), &wait->cell, NULL);
}

/* The list that an asker for `target` must wait in, or NULL when it need not wait. */
static jzx__cell **wait_list(jzx_loop *loop, jzx_actor_id target, bool remote)
{
    if (remote && atomic_load_explicit(&loop->pool.low, memory_order_relaxed) != 0) {
        return &loop->cell_waiters;
    }
    uint32_t index = jzx__slot_find(&loop->slots, target);
    if (index == JZX__SLOT_NONE || jzx__public(loop, index)->state > JZX__RUNNING) {
        return NULL;
    }
    bool marked = (jzx__slot_hot(&loop->slots, index)->flags & JZX__SLOT_MARKED) != 0;
    return marked ? &jzx__slot_cold(&loop->slots, index)->waiters : NULL;
}

void jzx__resume_ask_arrived(jzx_loop *loop, const jzx__cell *cell)
{
    uint64_t number = cell->words[0];
    bool remote = jzx__number_loop(number) != loop->index;
    jzx__cell **list = wait_list(loop, cell->target, remote);
    if (list == NULL && !remote) {
        jzx__resume_arrived(loop, number);
        return;
    }
    void *record;
    uint64_t taken;
    if (jzx__table_take(&loop->resume_waits, &record, &taken) != JZX_OK) {
        /* No place to wait in: the notice comes early, and the asker, refused again, asks again. */
        if (!remote) {
            jzx__resume_arrived(loop, number);
            return;
        }
        jzx__cell *early = jzx__pool_take_inbound(&loop->pool);
        early->kind = JZX__CELL_RESUME;
        early->flags = 0;
        early->words[0] = number;
        jzx__route_signal(loop, jzx__number_loop(number), early, NULL);
        return;
    }
    jzx__resume_wait *wait = record;
    wait->cell = *cell;
    wait->cell.flags = JZX__FLAG_EMBEDDED;
    JZX_ASSERT(wait->number == taken);
    if (list == NULL) {
        answer_resume(loop, wait);
        return;
    }
    wait->cell.next = *list;
    *list = &wait->cell;
}

void jzx__resume_wake_mailbox(jzx_loop *loop, uint32_t index)
{
    jzx__cell **list = index == JZX__SLOT_NONE ? &loop->cell_waiters : &jzx__slot_cold(&loop->slots, index)->waiters;
    jzx__cell *cell = *list;
    *list = NULL;
    while (cell != NULL) {
        jzx__cell *next = cell->next;
        answer_resume(loop, (jzx__resume_wait *)(void *)cell);
        cell = next;
    }
}
