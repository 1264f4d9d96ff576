/*
 * link: two actors that end together, or hear of each other's end.
 *
 * Each side of a link is a record of its owner's loop. Between loops the sides speak by four signals, in lanes that keep
 * their order: LINK, UNLINK, LINK_EXIT, and LINK_NONE, the answer to a LINK that finds nobody or no room. On one loop both
 * records are made and undone at once.
 *
 * Owner thread only.
 *
 * Invariants
 *   K1  A pair of actors has at most one live record on each side. When nothing is under way both are there, or neither.
 *   K2  A live record ends in one way: by an unlink, by its owner's end, which the partner is told, or by one exit of the
 *       partner, which its owner is told.
 *   K3  No signal needs room: LINK and UNLINK go in the cell of `half`, a LINK that still waits becomes the UNLINK; the
 *       exit goes in the cell of `resource`, at the owner's end behind a LINK that waits, or the notice in the mailbox.
 *   K4  A notice of the partner's end takes its place behind the mail that came before it, like a DOWN (G2).
 *   K5  An end that a link causes is asked for like any other: nobody is torn down inside another's handler (E4).
 *
 * Links and unlinks of both sides may cross. So every LINK has a number, which its record keeps as `own` and the record
 * that it meets as `peer`. An UNLINK has both numbers of the record that it undoes, and counts
 *
 *   if its sender knew of this record (its `peer` is our `own`), or
 *   if this record is only here because of the LINK that is undone (`own` is our `peer`, and we have not asked).
 *
 * A link from the side that has not asked so far is one more LINK, since an UNLINK may be under way already; otherwise it
 * could undo what both sides asked for after it. A LINK_NONE counts by number, since room may have come meanwhile; an
 * exit by the pair, since ids are used once. tests/sim/link_model.py goes through all orders of up to four steps (link,
 * unlink, end) on each side and of the signals, with two refusals for want of room, and finds that K1 holds, that a link
 * lasts which nobody unlinks later, that an unlink ends one at rest, and that exactly one exit comes from a partner that
 * ends; it finds a broken order for every part of the rule that is left out.
 */
#include "sched/mailbox.h"

static jzx__link *find_next(jzx__map_node *node, jzx_actor_id owner, jzx_actor_id partner)
{
    for (; node != NULL; node = node->next) {
        jzx__link *link = jzx__container_of(node, jzx__link, by_pair);
        if (link->owner == owner && link->partner == partner) {
            return link;
        }
    }
    return NULL;
}

/* A record of this pair: a live one, or one whose notice is not yet handled. */
static jzx__link *find_any(jzx_loop *loop, jzx_actor_id owner, jzx_actor_id partner)
{
    return find_next(jzx__map_find(&loop->links_by_pair, jzx__pair_key(owner, partner)), owner, partner);
}

static jzx__link *find_live(jzx_loop *loop, jzx_actor_id owner, jzx_actor_id partner)
{
    jzx__link *link = find_any(loop, owner, partner);
    while (link != NULL && link->state != JZX__LINK_LIVE) {
        link = find_next(link->by_pair.next, owner, partner);
    }
    return link;
}

static bool is_local(const jzx_loop *loop, const jzx__link *link)
{
    return jzx__id_loop(link->partner) == loop->index;
}

/* ---- records ---- */

static jzx_err take(jzx_loop *loop, uint32_t slot, jzx__link **link)
{
    void *record;
    uint64_t number;
    jzx_err err = jzx__table_take(&loop->links, &record, &number);
    if (err == JZX_OK) {
        *link = record;
        jzx__resource_begin(loop, &(*link)->resource, JZX__RESOURCE_LINK, number, slot);
        (*link)->owner = jzx__public(loop, slot)->id;
        (*link)->state = JZX__LINK_RESERVED;
    }
    return err;
}

static void make_live(jzx_loop *loop, jzx__link *link, jzx_actor_id partner)
{
    JZX_ASSERT(link->state == JZX__LINK_RESERVED && find_live(loop, link->owner, partner) == NULL); /* K1 */
    link->partner = partner;
    link->own = ++loop->links_made;
    link->state = JZX__LINK_LIVE;
    link->half.target = link->resource.owner;
    link->half.kind = JZX__SUFFERED_LINK;
    jzx__suffered_list(&link->half, jzx__slot_cold(&loop->slots, link->resource.owner));
    jzx__map_add(&loop->links_by_pair, &link->by_pair, jzx__pair_key(link->owner, partner));
}

void jzx__link_expired(jzx_loop *loop, jzx__link *link)
{
    if (link->state == JZX__LINK_UNDONE && !link->sending && !link->resource.listed) {
        jzx__table_give(&loop->links, link->resource.number);
    }
}

/* Takes a record out of all that finds it. It goes with jzx__resource_free(), or when its cell has left. */
static void undo(jzx_loop *loop, jzx__link *link)
{
    if (link->state == JZX__LINK_LIVE) {
        jzx__suffered_unlist(&link->half);
    }
    if (link->state != JZX__LINK_RESERVED) {
        jzx__map_remove(&loop->links_by_pair, &link->by_pair);
    }
    jzx__resource_disown(&link->resource);
    link->state = JZX__LINK_UNDONE;
}

static void forget(jzx_loop *loop, jzx__link *link)
{
    undo(loop, link);
    jzx__resource_free(loop, &link->resource);
}

/* ---- signals out ---- */

static void send_signal(jzx_loop *loop, jzx__link *link, jzx__cell_kind kind, uint64_t reserved)
{
    JZX_ASSERT(!link->sending); /* K3 */
    jzx__cell *cell = &link->half.cell;
    cell->kind = (uint8_t)kind;
    cell->flags = JZX__FLAG_EMBEDDED;
    cell->sender = link->owner;
    cell->target = link->partner;
    cell->words[0] = link->own;
    cell->words[1] = link->peer;
    cell->words[2] = reserved;
    link->sending = true;
    jzx__route_signal(loop, jzx__id_loop(link->partner), cell, NULL);
}

/* LINK_NONE, in a record that has no other use, so that mail finds its cells (C2); a cell only if there is none left. */
static void send_none(jzx_loop *loop, const jzx__cell *content)
{
    void *record;
    uint64_t number;
    jzx__link *link = jzx__table_take(&loop->links, &record, &number) == JZX_OK ? record : NULL;
    jzx__cell *cell = link != NULL ? &link->half.cell : jzx__pool_take_inbound(&loop->pool);
    *cell = *content;
    cell->kind = JZX__CELL_LINK_NONE;
    cell->flags = link != NULL ? JZX__FLAG_EMBEDDED : 0;
    if (link != NULL) {
        link->state = JZX__LINK_UNDONE;
        link->sending = true;
    }
    jzx__route_signal(loop, jzx__id_loop(content->target), cell, NULL);
}

static void refuse(jzx_loop *loop, const jzx__cell *request, jzx_exit_kind kind)
{
    jzx__cell content = *request;
    content.tag = kind;
    content.sender = request->target;
    content.target = request->sender;
    content.words[2] = 0; /* that record was to be here, not there */
    send_none(loop, &content);
}

void jzx__link_node_left(jzx_loop *loop, jzx__cell *node)
{
    if (node->kind == JZX__CELL_LINK_EXIT) {
        jzx__link *link = (jzx__link *)(void *)node;
        uint32_t owner = link->resource.owner;
        link->resource.listed = false;
        link->state = JZX__LINK_UNDONE;
        jzx__link_expired(loop, link);
        jzx__life_notice_left(loop, owner);
        return;
    }
    jzx__link *link = jzx__container_of(node, jzx__link, half.cell);
    link->sending = false;
    jzx__link_expired(loop, link);
}

/* ---- the partner has ended, or there is none ---- */

static void queue_exit(jzx_loop *loop, jzx__link *link, const jzx_exit_info *exit)
{
    jzx__resource *resource = &link->resource;
    JZX_ASSERT(!resource->listed);
    jzx__suffered_unlist(&link->half);
    link->exit = *exit;
    link->state = JZX__LINK_EXITED;
    resource->cell.kind = JZX__CELL_EXIT;
    resource->listed = true;
    jzx__mail_stand(loop, resource->owner, &resource->cell); /* K4 */
}

static void take_exit(jzx_loop *loop, jzx__link *link, const jzx_exit_info *exit)
{
    if ((jzx__slot_hot(&loop->slots, link->resource.owner)->flags & JZX__SLOT_TRAP_EXIT) != 0) {
        queue_exit(loop, link, exit);
        return;
    }
    jzx_actor_id owner = link->owner;
    bool init = exit->kind == JZX_EXIT_INIT; /* not the owner's own */
    const jzx__cause cause = {init ? JZX_EXIT_FAIL : (uint8_t)exit->kind, exit->code, exit->id, exit->text};
    forget(loop, link);
    if (exit->kind != JZX_EXIT_NORMAL) {
        (void)jzx__life_end(loop, owner, &cause); /* K5 */
    }
}

static void take_none(jzx_loop *loop, jzx__link *link, jzx_exit_kind kind)
{
    jzx_exit_info exit = {.id = link->partner, .kind = kind};
    take_exit(loop, link, &exit);
}

void jzx__link_handled(jzx_loop *loop, jzx__link *link)
{
    JZX_ASSERT(link->state == JZX__LINK_EXITED);
    forget(loop, link);
}

/* ---- the owner asks ---- */

static jzx_err start_local(jzx_loop *loop, jzx__link *link, jzx_actor_id other)
{
    uint32_t index = jzx__slot_find(&loop->slots, other);
    jzx__link *back = NULL;
    if (index != JZX__SLOT_NONE) {
        jzx_err err = take(loop, index, &back);
        if (err != JZX_OK) {
            return err;
        }
        make_live(loop, back, link->owner);
        back->asked = true;
    }
    make_live(loop, link, other);
    link->asked = true;
    if (back == NULL) {
        take_none(loop, link, JZX_EXIT_NO_ACTOR);
    }
    return JZX_OK;
}

static void start_remote(jzx_loop *loop, jzx__link *link, jzx_actor_id other)
{
    make_live(loop, link, other);
    link->asked = true;
    /* A closed loop is asked all the same: mail of the partner may be on its way, and its answer comes behind that. */
    if (jzx__route_refusal(loop->runtime, other) == JZX_ERR_NO_SUCH_ACTOR) {
        take_none(loop, link, JZX_EXIT_NO_ACTOR);
    } else {
        send_signal(loop, link, JZX__CELL_LINK, 0);
    }
}

jzx_err jzx__link_start(jzx_context *context, jzx_actor_id other)
{
    jzx_loop *loop = context->loop;
    jzx__link *link = find_live(loop, context->self, other);
    if (link != NULL) {
        if (!link->asked) { /* the partner may have undone its own by now */
            link->asked = true;
            send_signal(loop, link, JZX__CELL_LINK, 0);
        }
        return JZX_OK;
    }
    jzx_err err = take(loop, context->slot, &link);
    if (err != JZX_OK) {
        return err;
    }
    if (jzx__id_loop(other) != loop->index) {
        start_remote(loop, link, other);
    } else if ((err = start_local(loop, link, other)) != JZX_OK) {
        forget(loop, link);
    }
    return err;
}

static void stop_live(jzx_loop *loop, jzx__link *link)
{
    if (is_local(loop, link)) {
        jzx__link *back = find_live(loop, link->partner, link->owner);
        JZX_ASSERT(back != NULL); /* K1 */
        forget(loop, back);
        forget(loop, link);
        return;
    }
    undo(loop, link);
    if (link->sending) { /* K3 */
        link->half.cell.kind = JZX__CELL_UNLINK;
        link->half.cell.words[1] = link->peer;
    } else {
        send_signal(loop, link, JZX__CELL_UNLINK, 0);
    }
}

void jzx__link_stop(jzx_loop *loop, jzx_actor_id owner, jzx_actor_id other)
{
    jzx__link *link;
    while ((link = find_any(loop, owner, other)) != NULL) {
        if (link->state == JZX__LINK_LIVE) {
            stop_live(loop, link);
        } else {
            forget(loop, link); /* its notice finds nothing when it comes out */
        }
    }
}

/* ---- spawned linked ---- */

jzx_err jzx__link_reserve(jzx_context *context, uint64_t *reserved)
{
    jzx__link *link;
    jzx_err err = take(context->loop, context->slot, &link);
    if (err == JZX_OK) {
        *reserved = link->resource.number;
    }
    return err;
}

/* A record of this loop that still waits for its LINK, or NULL. */
static jzx__link *find_reserved(jzx_loop *loop, uint64_t number)
{
    jzx__link *link = number != 0 ? jzx__table_find(&loop->links, number) : NULL;
    bool waits = link != NULL && link->resource.number == number && link->state == JZX__LINK_RESERVED;
    return waits ? link : NULL;
}

void jzx__link_release(jzx_loop *loop, uint64_t reserved)
{
    jzx__link *link = find_reserved(loop, reserved);
    if (link != NULL) {
        forget(loop, link);
    }
}

jzx_err jzx__link_spawned(jzx_loop *loop, uint32_t index, jzx_actor_id parent, uint64_t reserved)
{
    jzx__link *link;
    jzx_err err = take(loop, index, &link);
    if (err != JZX_OK) {
        return err;
    }
    if (jzx__id_loop(parent) == loop->index) {
        err = start_local(loop, link, parent);
        if (err != JZX_OK) {
            forget(loop, link);
        }
        return err;
    }
    make_live(loop, link, parent);
    link->asked = true;
    send_signal(loop, link, JZX__CELL_LINK, reserved);
    return JZX_OK;
}

void jzx__link_not_spawned(jzx_loop *loop, jzx_actor_id parent, uint64_t reserved)
{
    jzx__cell content = {.target = parent};
    content.words[2] = reserved;
    send_none(loop, &content);
}

/* ---- the partner's signals ---- */

void jzx__link_arrived(jzx_loop *loop, const jzx__cell *cell)
{
    uint32_t index = jzx__slot_find(&loop->slots, cell->target);
    if (index == JZX__SLOT_NONE) {
        bool closed = atomic_load_explicit(&loop->closed, memory_order_relaxed) != 0;
        refuse(loop, cell, closed ? JZX_EXIT_LOOP_CLOSED : JZX_EXIT_NO_ACTOR);
        return;
    }
    jzx__link *link = find_live(loop, cell->target, cell->sender);
    if (link != NULL) {
        jzx__link_release(loop, cell->words[2]);
    } else {
        link = find_reserved(loop, cell->words[2]);
        if (link == NULL && take(loop, index, &link) != JZX_OK) {
            refuse(loop, cell, JZX_EXIT_LIMIT);
            return;
        }
        make_live(loop, link, cell->sender);
    }
    link->peer = cell->words[0];
}

void jzx__link_none_arrived(jzx_loop *loop, const jzx__cell *cell)
{
    jzx__link_release(loop, cell->words[2]);
    jzx__link *link = find_live(loop, cell->target, cell->sender);
    if (link != NULL && link->own == cell->words[0]) {
        take_none(loop, link, (jzx_exit_kind)cell->tag);
    }
}

void jzx__link_exit_arrived(jzx_loop *loop, jzx_actor_id owner, const jzx_exit_info *exit)
{
    jzx__link *link = find_live(loop, owner, exit->id);
    if (link != NULL) {
        take_exit(loop, link, exit);
    }
}

void jzx__unlink_arrived(jzx_loop *loop, const jzx__cell *cell)
{
    jzx__link_release(loop, cell->words[2]);
    jzx__link *link = find_live(loop, cell->target, cell->sender);
    if (link != NULL && (cell->words[1] == link->own || (cell->words[0] == link->peer && !link->asked))) {
        forget(loop, link);
    }
}

/* ---- the owner ends ---- */

void jzx__link_let_go(jzx_loop *loop, jzx__link *link)
{
    if (link->state != JZX__LINK_LIVE) {
        forget(loop, link);
        return;
    }
    jzx__map_remove(&loop->links_by_pair, &link->by_pair);
    jzx__resource_disown(&link->resource);
    link->state = JZX__LINK_ENDING; /* `half` stays listed: the notices are sent from there */
}

void jzx__link_exit_send(jzx_loop *loop, jzx__link *link, const jzx_exit_info *exit)
{
    JZX_ASSERT(link->state == JZX__LINK_ENDING && !link->resource.listed);
    if (is_local(loop, link)) {
        jzx_actor_id partner = link->partner;
        link->state = JZX__LINK_UNDONE;
        jzx__link_expired(loop, link);
        jzx__link_exit_arrived(loop, partner, exit);
        return;
    }
    jzx__cell *cell = &link->resource.cell;
    cell->kind = JZX__CELL_LINK_EXIT;
    cell->flags = JZX__FLAG_EMBEDDED | JZX__FLAG_WIDE;
    jzx__exit_pack(cell, exit);
    cell->words[0] = link->partner;
    link->resource.listed = true;
    jzx__slot_cold(&loop->slots, link->resource.owner)->held_count++; /* the slot stays until this has left */
    jzx__route_signal(loop, jzx__id_loop(link->partner), cell, jzx__exit_record(exit));
}
