/* child: both sides of the relation between a supervisor and a child. What always holds stands in child.h. */
#include "sched/call.h"
#include "sched/mailbox.h"

/* ---- the supervisor's side: records ---- */

jzx_err jzx__child_take(jzx_loop *loop, uint32_t supervisor, jzx__child **out)
{
    void *record;
    uint64_t number;
    jzx_err err = jzx__table_take(&loop->children, &record, &number);
    if (err != JZX_OK) {
        return err;
    }
    jzx__child *child = record;
    jzx__resource_begin(loop, &child->resource, JZX__RESOURCE_CHILD, number, supervisor);
    child->resource.cell.kind = JZX__CELL_CHILD;
    child->deadline.kind = JZX__DEADLINE_CHILD;
    jzx__list_init(&child->sibling);
    jzx__list_init(&child->pending);
    atomic_store_explicit(&child->shared.id, 0, memory_order_relaxed);
    atomic_store_explicit(&child->shared.number, child->resource.number, memory_order_release);
    *out = child;
    return JZX_OK;
}

void jzx__child_give(jzx_loop *loop, jzx__child *child)
{
    atomic_store_explicit(&child->shared.number, 0, memory_order_relaxed);
    atomic_store_explicit(&child->shared.id, 0, memory_order_release);
    jzx__child_no_deadline(loop, child);
    jzx__list_remove(&child->pending);
    jzx__resource_disown(&child->resource);
    jzx__resource_free(loop, &child->resource);
}

/* Its supervisor goes without having stopped it, because its loop has failed: nothing may stay behind. */
void jzx__child_let_go(jzx_loop *loop, jzx__child *child)
{
    if (child->id != 0) {
        jzx__child_end(loop, child, JZX_EXIT_KILLED);
    } else if (child->spawning) {
        (void)jzx__child_undo(loop, child);
    }
    jzx__child_disinherit(loop, child);
    jzx__child_give(loop, child);
}

jzx_err jzx__child_now(const jzx_loop *loop, uint64_t number, jzx_actor_id *id)
{
    const jzx__child *child = number != 0 ? jzx__table_peek(&loop->children, number) : NULL;
    if (child == NULL || atomic_load_explicit(&child->shared.number, memory_order_acquire) != number) {
        return JZX_ERR_NOT_FOUND;
    }
    uint64_t now = atomic_load_explicit(&child->shared.id, memory_order_acquire);
    /* Acquire above: if the record has been given to another child meanwhile, its number is seen to differ. */
    if (atomic_load_explicit(&child->shared.number, memory_order_relaxed) != number) {
        return JZX_ERR_NOT_FOUND;
    }
    if (now == 0) {
        return JZX_ERR_NOT_RUNNING;
    }
    *id = now;
    return JZX_OK;
}

static void set_id(jzx__child *child, jzx_actor_id id)
{
    child->id = id;
    atomic_store_explicit(&child->shared.id, id, memory_order_release);
}

/* ---- the supervisor's side: news ---- */

void jzx__child_say(jzx_loop *loop, jzx__child *child)
{
    if (child->news != 0) {
        jzx__resource_notify(loop, &child->resource);
    }
}

static void tell(jzx_loop *loop, jzx__child *child, uint32_t news)
{
    child->news |= news;
    jzx__child_say(loop, child);
}

static void answered(jzx__child *child)
{
    child->spawning = false;
    jzx__list_remove(&child->pending);
}

static void started(jzx__child *child, jzx_actor_id id)
{
    answered(child);
    child->heir = 0;
    set_id(child, id);
    child->news |= JZX__NEWS_STARTED;
}

static void failed(jzx_loop *loop, jzx__child *child, jzx_err err)
{
    answered(child);
    child->err = (int32_t)err;
    tell(loop, child, JZX__NEWS_FAILED);
}

static void exited(jzx_loop *loop, jzx__child *child, const jzx_exit_info *exit, jzx_actor_id heir)
{
    answered(child); /* an init that fails is told as an exit alone */
    set_id(child, 0);
    child->heir = heir;
    atomic_store_explicit(&child->shared.id, heir, memory_order_release);
    child->exit = *exit;
    tell(loop, child, JZX__NEWS_EXITED);
}

void jzx__child_after(jzx_loop *loop, jzx__child *child, uint64_t due_ns)
{
    jzx__child_no_deadline(loop, child);
    jzx__deadlines_add(&loop->deadlines, &child->deadline, due_ns);
}

void jzx__child_go(jzx_loop *loop, jzx__child *child)
{
    jzx__child_no_deadline(loop, child);
    tell(loop, child, JZX__NEWS_DUE);
}

void jzx__child_no_deadline(jzx_loop *loop, jzx__child *child)
{
    child->news &= ~(uint32_t)JZX__NEWS_DUE;
    if (jzx__deadline_set(&child->deadline)) {
        jzx__deadlines_remove(&loop->deadlines, &child->deadline);
    }
}

void jzx__child_due(jzx_loop *loop, jzx__deadline *node)
{
    tell(loop, jzx__container_of(node, jzx__child, deadline), JZX__NEWS_DUE);
}

/* A child that its supervisor still knows; NULL if that went with its loop (jzx__child_let_go). */
static jzx__child *find(jzx_loop *loop, uint64_t number)
{
    jzx__child *child = jzx__table_find(&loop->children, number);
    bool known = child != NULL && child->resource.number == number && child->resource.link != NULL;
    return known ? child : NULL;
}

void jzx__child_arrived(jzx_loop *loop, const jzx__cell *cell, const jzx__cell *second)
{
    jzx__child *child = find(loop, cell->words[0]);
    if (child == NULL) {
        return;
    }
    switch ((jzx__cell_kind)cell->kind) {
    case JZX__CELL_CHILD_STARTED:
        started(child, cell->sender);
        jzx__child_say(loop, child);
        break;
    case JZX__CELL_CHILD_READY:
        tell(loop, child, JZX__NEWS_READY);
        break;
    case JZX__CELL_CHILD_FAILED:
        failed(loop, child, (jzx_err)(int32_t)cell->tag);
        break;
    default: {
        JZX_ASSERT(cell->kind == JZX__CELL_CHILD_EXITED);
        jzx_exit_info exit = jzx__exit_unpack(cell, second);
        exit.supervisor = jzx__public(loop, child->resource.owner)->id;
        exited(loop, child, &exit, cell->sender);
    }
    }
}

/* ---- the supervisor's side: requests ---- */

static void send_out(jzx_loop *loop, jzx__child *child)
{
    child->out.flags = JZX__FLAG_EMBEDDED;
    child->out_listed = true;
    jzx__route_signal(loop, child->to_loop, &child->out, NULL);
}

static void spawn_remote(jzx_loop *loop, jzx__child *child)
{
    if (child->out_listed) {
        child->spawn_next = true; /* a request to the one before has not left yet */
        return;
    }
    child->out.kind = JZX__CELL_CHILD_SPAWN;
    child->out.tag = child->restarts;
    child->out.target = child->heir;
    child->out.sender = jzx__public(loop, child->resource.owner)->id;
    child->out.words[0] = child->resource.number;
    child->out.words[1] = (uint64_t)(uintptr_t)&child->how;
    child->out.words[2] = (uint64_t)(child->incarnation + 1) << 32 | child->index;
    jzx__spawn_coming(loop->runtime->loops[child->to_loop]);
    send_out(loop, child);
}

static void spawn_here(jzx_loop *loop, jzx__child *child)
{
    const jzx__birth birth = {.supervisor = jzx__public(loop, child->resource.owner)->id,
                              .child = child->resource.number,
                              .how = &child->how,
                              .index = child->index,
                              .incarnation = child->incarnation + 1,
                              .restarts = child->restarts,
                              .heir = child->heir};
    jzx_actor_id id;
    jzx_err err = jzx__loop_refuses(loop) ? JZX_ERR_LOOP_CLOSED : jzx__spawn_child(loop, &birth, &id);
    if (err == JZX_OK) {
        started(child, id);
    } else if (err != JZX_ERR_INIT) { /* of an init that failed the exit is told */
        failed(loop, child, err);
    }
}

/* To another loop: at once, or when that begins to run, so that until then it can be taken back. */
static void spawn_there(jzx_loop *loop, jzx__child *child)
{
    const jzx_loop *target = loop->runtime->loops[child->to_loop];
    if (atomic_load_explicit(&target->closed, memory_order_acquire) != 0) {
        failed(loop, child, JZX_ERR_LOOP_CLOSED);
    } else if (atomic_load_explicit(&target->state, memory_order_acquire) == JZX__LOOP_CREATED) {
        child->held = true;
        jzx__list_append(&loop->held_spawns, &child->pending);
        atomic_store(&loop->holds, 1); /* then its state is looked at once more, before this loop sleeps */
    } else {
        spawn_remote(loop, child);
    }
}

void jzx__child_spawn(jzx_loop *loop, jzx__child *child, uint32_t to_loop)
{
    JZX_ASSERT(child->id == 0 && !child->spawning); /* B1 */
    JZX_ASSERT((child->news & ~(uint32_t)JZX__NEWS_DUE) == 0);
    if (child->heir != 0 && jzx__id_loop(child->heir) != to_loop) {
        jzx__child_disinherit(loop, child);
    }
    child->to_loop = to_loop;
    child->spawning = true;
    if (to_loop == loop->index) {
        spawn_here(loop, child);
    } else {
        spawn_there(loop, child);
    }
    atomic_store(&loop->holds, !jzx__list_empty(&loop->held_spawns));
}

bool jzx__child_held_ready(const jzx_loop *loop)
{
    for (const jzx__list *node = loop->held_spawns.next; node != &loop->held_spawns; node = node->next) {
        const jzx__child *child = jzx__container_of(node, jzx__child, pending);
        if (atomic_load(&loop->runtime->loops[child->to_loop]->state) != JZX__LOOP_CREATED) {
            return true;
        }
    }
    return false;
}

void jzx__child_send_held(jzx_loop *loop)
{
    jzx__list held; /* those that go on waiting come into the list anew */
    jzx__list_init(&held);
    while (!jzx__list_empty(&loop->held_spawns)) {
        jzx__list *node = loop->held_spawns.next;
        jzx__list_remove(node);
        jzx__list_append(&held, node);
    }
    while (!jzx__list_empty(&held)) {
        jzx__child *child = jzx__container_of(held.next, jzx__child, pending);
        jzx__list_remove(&child->pending);
        child->held = false;
        spawn_there(loop, child);
    }
}

void jzx__child_refuse(jzx_loop *loop, jzx__child *child, jzx_err err)
{
    failed(loop, child, err);
}

bool jzx__child_undo(jzx_loop *loop, jzx__child *child)
{
    bool waits = child->held || child->spawn_next || (child->out_listed && child->out.kind == JZX__CELL_CHILD_SPAWN);
    if (!child->spawning || child->to_loop == loop->index || !waits) {
        return false;
    }
    child->held = false;
    child->spawn_next = false;
    if (child->out_listed && child->out.kind == JZX__CELL_CHILD_SPAWN) {
        child->out.kind = JZX__CELL_CHILD_END;
        child->out.target = 0; /* of nobody */
        atomic_fetch_sub_explicit(&loop->runtime->loops[child->to_loop]->coming, 1, memory_order_relaxed);
    }
    failed(loop, child, JZX_ERR_CANCELLED);
    return true;
}

static void end_here(jzx_loop *loop, jzx_actor_id id, jzx_exit_kind kind, jzx_actor_id origin);

static void end(jzx_loop *loop, jzx__child *child, jzx_actor_id id, jzx_exit_kind kind)
{
    jzx_actor_id origin = jzx__public(loop, child->resource.owner)->id;
    if (jzx__id_loop(id) == loop->index) {
        end_here(loop, id, kind, origin);
        return;
    }
    /* One that has not left yet becomes this one: a kill overtakes. */
    child->out.kind = JZX__CELL_CHILD_END;
    child->out.tag = kind;
    child->out.target = id;
    child->out.sender = origin;
    if (!child->out_listed) {
        send_out(loop, child);
    }
}

void jzx__child_end(jzx_loop *loop, jzx__child *child, jzx_exit_kind kind)
{
    JZX_ASSERT(child->id != 0);
    end(loop, child, child->id, kind);
}

void jzx__child_disinherit(jzx_loop *loop, jzx__child *child)
{
    JZX_ASSERT(child->heir == 0 || (child->id == 0 && !child->spawning)); /* B5 */
    if (child->heir != 0) {
        jzx_actor_id heir = child->heir;
        child->heir = 0;
        atomic_store_explicit(&child->shared.id, 0, memory_order_release);
        end(loop, child, heir, JZX_EXIT_KILLED);
    }
}

void jzx__child_out_left(jzx_loop *loop, jzx__child *child)
{
    child->out_listed = false;
    if (child->spawn_next) {
        child->spawn_next = false;
        spawn_remote(loop, child);
    } else if (child->resource.link == NULL && !child->resource.listed) {
        jzx__resource_expired(loop, &child->resource.cell); /* B6 */
    }
}

/* ---- the child's side ---- */

static void send_bond(jzx_loop *loop, jzx__bond *bond)
{
    uint32_t news = bond->tell & -bond->tell; /* the first of them (B2) */
    bond->tell &= (uint8_t)~news;
    jzx__cell *cell = &bond->half.cell;
    cell->flags = JZX__FLAG_EMBEDDED;
    cell->words[0] = bond->half.by_monitor.key;
    const void *record = NULL;
    if (news == JZX__NEWS_STARTED) {
        cell->kind = JZX__CELL_CHILD_STARTED;
        cell->sender = jzx__public(loop, bond->half.target)->id;
    } else if (news == JZX__NEWS_READY) {
        cell->kind = JZX__CELL_CHILD_READY;
    } else {
        JZX_ASSERT(news == JZX__NEWS_EXITED);
        cell->kind = JZX__CELL_CHILD_EXITED;
        cell->flags |= JZX__FLAG_WIDE;
        cell->target = jzx__slot_cold(&loop->slots, bond->half.target)->id;
        cell->sender = bond->heir; /* the supervisor knows itself */
        cell->words[1] = (uint64_t)bond->restarts << 32 | bond->index;
        memcpy(&cell->words[2], bond->name, sizeof bond->name);
        record = jzx__slot_hot(&loop->slots, bond->half.target);
    }
    bond->telling = true;
    jzx__route_signal(loop, jzx__number_loop(bond->half.by_monitor.key), cell, record);
}

static void bond_tell(jzx_loop *loop, jzx__bond *bond, uint32_t news)
{
    bond->tell |= (uint8_t)news;
    if (!bond->telling) {
        send_bond(loop, bond);
    }
}

void jzx__bond_left(jzx_loop *loop, jzx__bond *bond)
{
    bond->telling = false;
    if (bond->tell != 0) {
        send_bond(loop, bond);
    } else if (bond->half.cell.kind == JZX__CELL_CHILD_EXITED) {
        uint32_t slot = bond->half.target;
        jzx__table_give(&loop->bonds, bond->half.number);
        jzx__life_notice_left(loop, slot);
    }
}

jzx_err jzx__bond_begin(jzx_loop *loop, uint32_t slot, const jzx__birth *birth)
{
    void *record;
    uint64_t number;
    jzx_err err = jzx__table_take(&loop->bonds, &record, &number);
    if (err != JZX_OK) {
        return err;
    }
    jzx__bond *bond = record;
    bond->half.kind = JZX__SUFFERED_CHILD;
    bond->half.by_monitor.key = birth->child;
    bond->half.target = slot;
    jzx__suffered_list(&bond->half, jzx__slot_cold(&loop->slots, slot));
    bond->keep_mail = birth->how->keep_mail;
    bond->failure = birth->how->failure;
    bond->supervisor = birth->supervisor;
    bond->index = birth->index;
    bond->incarnation = birth->incarnation;
    bond->restarts = birth->restarts;
    bond->resource.cell.kind = JZX__CELL_ASKED;
    jzx__resource_begin(loop, &bond->resource, JZX__RESOURCE_BOND, number, slot);
    jzx__hot *hot = jzx__once(jzx__slot_hot(&loop->slots, slot));
    bond->cap = hot->cap;
    bond->bytes_cap = hot->bytes_cap;
    hot->flags |= JZX__SLOT_SUPERVISED;
    jzx_segment_slot *public = jzx__public(loop, slot);
    memcpy(bond->name, public->name, sizeof bond->name);
    public->incarnation = (uint16_t)birth->incarnation;
    return JZX_OK;
}

void jzx__bond_undo(jzx_loop *loop, uint32_t slot)
{
    jzx__bond *bond = jzx__bond_of(jzx__slot_cold(&loop->slots, slot));
    jzx__suffered_unlist(&bond->half);
    jzx__slot_hot(&loop->slots, slot)->flags &= (uint16_t)~JZX__SLOT_SUPERVISED;
    jzx__resource_disown(&bond->resource);
    jzx__table_give(&loop->bonds, bond->half.number);
}

void jzx__bond_let_go(jzx_loop *loop, jzx__bond *bond)
{
    (void)loop;
    jzx__resource_disown(&bond->resource); /* the bond stays for the exit (B3) */
}

void jzx__bond_exit(jzx_loop *loop, jzx__bond *bond, const jzx_exit_info *exit)
{
    uint64_t number = bond->half.by_monitor.key;
    if (jzx__number_loop(number) == loop->index) {
        jzx_actor_id bond_heir = bond->heir;
        jzx__table_give(&loop->bonds, bond->half.number);
        jzx__child *child = find(loop, number);
        if (child != NULL) {
            exited(loop, child, exit, bond_heir);
        }
        return;
    }
    jzx__slot_cold(&loop->slots, bond->half.target)->held_count++; /* the slot stays until this has left */
    bond_tell(loop, bond, JZX__NEWS_EXITED);
}

void jzx__bond_ready(jzx_loop *loop, uint32_t slot)
{
    jzx__bond *bond = jzx__bond_of(jzx__slot_cold(&loop->slots, slot));
    uint64_t number = bond->half.by_monitor.key;
    if (jzx__number_loop(number) != loop->index) {
        bond_tell(loop, bond, JZX__NEWS_READY);
        return;
    }
    jzx__child *child = find(loop, number);
    if (child != NULL) {
        tell(loop, child, JZX__NEWS_READY);
    }
}

void jzx__bond_describe(const jzx__bond *bond, jzx_exit_info *exit)
{
    if (bond->asked && exit->kind == JZX_EXIT_NORMAL) {
        exit->kind = JZX_EXIT_SHUTDOWN;
        exit->origin = bond->supervisor;
    }
    exit->supervisor = bond->supervisor;
    exit->child_index = bond->index;
    exit->incarnation = bond->incarnation;
    exit->restarts = bond->restarts;
}

/* Moves what is mail from one mailbox to another that is empty: signals and ends of calls were for the actor that ends. */
static void move_mail(jzx_loop *loop, uint32_t from, uint32_t to)
{
    jzx__hot *old = jzx__slot_hot(&loop->slots, from);
    jzx__queue signals = {NULL, NULL};
    jzx__cell *cell;
    while ((cell = jzx__queue_pop(&old->mail)) != NULL) {
        bool ends_call = (cell->flags & (JZX__FLAG_CALL | JZX__FLAG_REQUEST)) == JZX__FLAG_CALL;
        if (ends_call || (cell->flags & JZX__FLAG_EMBEDDED) != 0) {
            jzx__queue_push(&signals, cell);
            continue;
        }
        if ((cell->flags & JZX__FLAG_CALL) != 0) {
            jzx__called_move(loop, cell, to);
        }
        jzx__mail_left(loop, from, cell);
        jzx__mail_push(loop, to, cell);
    }
    old->mail = signals;
}

void jzx__bond_bequeath(jzx_loop *loop, uint32_t slot)
{
    jzx__bond *bond = jzx__bond_of(jzx__slot_cold(&loop->slots, slot));
    uint32_t heir;
    JZX_ASSERT(bond->keep_mail);
    if (jzx__loop_refuses(loop) || jzx__slot_take(&loop->slots, &heir) != JZX_OK) {
        return;
    }
    const jzx__hot *old = jzx__slot_hot(&loop->slots, slot);
    jzx__hot *hot = jzx__slot_hot(&loop->slots, heir);
    hot->cap = bond->cap;
    hot->high = jzx__slot_high_mark(hot->cap);
    hot->bytes_cap = bond->bytes_cap;
    hot->flags = (uint16_t)((old->flags & JZX__SLOT_DROPS) | JZX__SLOT_HEIR | JZX__SLOT_QUEUED);
    jzx_segment_slot *public = jzx__public(loop, heir);
    public->parent = bond->supervisor;
    memcpy(public->name, bond->name, sizeof public->name);
    move_mail(loop, slot, heir);
    bond->heir = public->id;
}

/* A spawn that made no actor. Its node is a bond, for the pool must keep its cells for mail (C2); a cell if there is none. */
static void refuse_spawn(jzx_loop *loop, uint64_t number, jzx_err err)
{
    void *record;
    uint64_t taken;
    bool bond = jzx__table_take(&loop->bonds, &record, &taken) == JZX_OK;
    jzx__cell *cell = bond ? &((jzx__bond *)record)->half.cell : jzx__pool_take_inbound(&loop->pool);
    cell->kind = JZX__CELL_CHILD_FAILED;
    cell->flags = bond ? JZX__FLAG_EMBEDDED : 0;
    cell->tag = (uint32_t)err;
    cell->target = 0;
    cell->sender = 0;
    cell->words[0] = number;
    jzx__route_signal(loop, jzx__number_loop(number), cell, NULL);
}

void jzx__bond_spawn_arrived(jzx_loop *loop, const jzx__cell *cell)
{
    jzx__birth birth = {.supervisor = cell->sender,
                        .child = cell->words[0],
                        .how = (const jzx__child_how *)(uintptr_t)cell->words[1],
                        .index = (uint32_t)cell->words[2],
                        .incarnation = (uint32_t)(cell->words[2] >> 32),
                        .restarts = cell->tag,
                        .heir = cell->target};
    jzx_actor_id id;
    jzx_err err = jzx__loop_refuses(loop) ? JZX_ERR_LOOP_CLOSED : jzx__spawn_child(loop, &birth, &id);
    if (err == JZX_OK) {
        bond_tell(loop, jzx__bond_of(jzx__slot_cold(&loop->slots, jzx__id_index(id))), JZX__NEWS_STARTED);
    } else if (err != JZX_ERR_INIT) {
        refuse_spawn(loop, birth.child, err);
    }
    jzx__spawn_came(loop);
}

/* Tells an actor of this loop to stop, in the way it wants to be told, or kills it. */
static void end_here(jzx_loop *loop, jzx_actor_id id, jzx_exit_kind kind, jzx_actor_id origin)
{
    uint32_t index = jzx__slot_find(&loop->slots, id);
    if (index == JZX__SLOT_NONE) {
        return; /* its exit is under way */
    }
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    if ((hot->flags & JZX__SLOT_HEIR) != 0) {
        const jzx__cause nobody = {.kind = (uint8_t)kind, .origin = origin};
        jzx__life_exit(loop, index, &nobody, 0); /* no actor: E4 does not concern it */
        return;
    }
    JZX_ASSERT((hot->flags & JZX__SLOT_SUPERVISED) != 0);
    jzx__bond *bond = jzx__bond_of(jzx__slot_cold(&loop->slots, index));
    bool traps = (hot->flags & JZX__SLOT_TRAP_EXIT) != 0 && (hot->flags & JZX__SLOT_SUPERVISOR) == 0;
    if (kind == JZX_EXIT_SHUTDOWN && traps) {
        if (!bond->asked) {
            bond->asked = true;
            jzx__resource_notify(loop, &bond->resource);
        }
        return;
    }
    const jzx__cause cause = {.kind = (uint8_t)kind, .origin = origin};
    (void)jzx__life_end(loop, id, &cause);
}

void jzx__bond_end_arrived(jzx_loop *loop, const jzx__cell *cell)
{
    end_here(loop, cell->target, (jzx_exit_kind)cell->tag, cell->sender);
}

/* ---- supervisors as actors ---- */

void jzx__supervisor_begin(jzx_loop *loop, jzx__supervisor *supervisor, uint32_t slot, bool root)
{
    supervisor->id = jzx__public(loop, slot)->id;
    supervisor->root = root;
    supervisor->resource.cell.kind = JZX__CELL_SUPERVISOR;
    jzx__resource_begin(loop, &supervisor->resource, JZX__RESOURCE_SUPERVISOR, 0, slot);
    jzx__list_init(&supervisor->link);
    if (root) {
        jzx__list_append(&loop->roots, &supervisor->link);
    } else if (jzx__id_loop(jzx__bond_of(jzx__slot_cold(&loop->slots, slot))->supervisor) != loop->index) {
        jzx__list_append(&loop->guests, &supervisor->link);
    }
    loop->supervisors++;
    jzx__slot_hot(&loop->slots, slot)->flags |= JZX__SLOT_SUPERVISOR;
    jzx__public(loop, slot)->flags |= JZX_SLOT_SUPERVISOR;
}

void jzx__supervisor_let_go(jzx_loop *loop, jzx__supervisor *supervisor)
{
    loop->supervisors--;
    jzx__list_remove(&supervisor->link);
    jzx__resource_disown(&supervisor->resource); /* it lies in the state */
}

void jzx__supervisor_nudge(jzx_loop *loop, jzx__supervisor *supervisor)
{
    jzx__resource_notify(loop, &supervisor->resource);
}

void jzx__supervisor_ask(jzx_loop *loop, jzx__supervisor *supervisor, const jzx__cause *cause)
{
    uint8_t kind = cause->kind == JZX__EXIT_DRAIN ? JZX_EXIT_SHUTDOWN : cause->kind;
    if (supervisor->asked_kind != 0 && (kind != JZX_EXIT_KILLED || supervisor->asked_kind == JZX_EXIT_KILLED)) {
        return;
    }
    supervisor->asked_kind = kind;
    supervisor->asked_code = cause->code;
    supervisor->asked_origin = cause->origin;
    jzx__text_copy(supervisor->asked_text, sizeof supervisor->asked_text, cause->text);
    if (supervisor->resource.link != NULL) {
        jzx__supervisor_nudge(loop, supervisor);
    }
}

/* The last of them; the next when it has gone. */
static void ask_last(jzx_loop *loop, const jzx__list *list, jzx_exit_kind kind)
{
    jzx__supervisor *supervisor = jzx__container_of(list->prev, jzx__supervisor, link);
    if (supervisor->asked_kind == 0) {
        const jzx__cause cause = {.kind = (uint8_t)kind};
        jzx__supervisor_ask(loop, supervisor, &cause);
    }
}

bool jzx__supervisors_stop(jzx_loop *loop, jzx_exit_kind kind)
{
    if (!jzx__list_empty(&loop->roots)) {
        ask_last(loop, &loop->roots, kind);
    } else if (kind == JZX_EXIT_LOOP_CLOSED && !jzx__list_empty(&loop->guests)) {
        ask_last(loop, &loop->guests, kind);
    }
    return loop->supervisors == 0;
}
