#include "sched/fanout.h"
#include "sched/buffer.h"
#include "sched/mailbox.h"
#include "sched/space.h"

/* ---- one loop's members ---- */

static uint32_t deliveries_left(jzx_loop *loop, jzx__lane *lane)
{
    if (lane->fanned_in != loop->segment->turn) {
        lane->fanned_in = loop->segment->turn;
        lane->deliveries = loop->config->deliveries_per_turn;
    }
    return lane->deliveries;
}

/* The mail that each member gets, of a cell that has the message. */
static void begin(jzx_loop *loop, jzx__fanout *fanout, jzx_space *space, uint32_t place, uint32_t generation)
{
    uint32_t first = jzx__space_here(space, loop->index, place)->first;
    fanout->space = space;
    fanout->mail.kind = JZX__CELL_MAIL;
    fanout->mail.flags = (uint16_t)((fanout->mail.flags & (JZX__FLAG_POINTER | JZX__FLAG_LEND)) | JZX__FLAG_GROUP);
    fanout->mark = loop->members_joined;
    fanout->tally = (jzx__tally){0, 0, 0};
    /* GS5: of another group by now, if it is of another generation. */
    fanout->cursor = first != 0 && space->members[first - 1].generation == generation ? first : 0;
    jzx__list_init(&fanout->node);
    jzx__list_append(&loop->fanouts, &fanout->node);
}

static void miss(jzx_loop *loop, jzx__member *member)
{
    jzx__resource *resource = &member->resource;
    jzx__count_add(&loop->counters->missed, 1);
    member->missed++;
    if (!resource->listed) {
        resource->cell.kind = JZX__CELL_MISSED;
        resource->listed = true;
        jzx__mail_stand(loop, resource->owner, &resource->cell);
    }
}

static __attribute__((noinline)) bool wants(const jzx__fanout *fanout, const jzx__member *member)
{
    jzx_message message;
    jzx__cell_to_message(&fanout->mail, &message);
    message.flags |= JZX_MESSAGE_GROUP;
    message.ref = member->tag;
    return member->filter(member->filter_context, &message);
}

/* A reference for the mailbox first: whoever drops it there may do so at once. */
static inline bool offer(jzx_loop *loop, uint32_t index, const jzx__cell *mail, uint64_t tag)
{
    jzx_buffer *buffer = (mail->flags & JZX__FLAG_POINTER) != 0 ? mail->pointer.drop_context : NULL;
    if (buffer != NULL) {
        jzx__buffer_ref(buffer);
    }
    bool taken = jzx__mail_offer(loop, index, mail, tag);
    if (!taken && buffer != NULL) {
        jzx__buffer_unref(buffer);
    }
    return taken;
}

/* GB3 */
static inline void visit(jzx_loop *loop, jzx__fanout *fanout, jzx__member *member)
{
    uint32_t index = member->resource.owner;
    const jzx_segment_slot *public = jzx__public(loop, index);
    if (public->id == fanout->spared) {
        return;
    }
    if (jzx__unlikely(public->state > JZX__RUNNING)) {
        fanout->tally.missed++; /* it ends: there is nobody to be told */
    } else if (member->filter != NULL && !wants(fanout, member)) {
        fanout->tally.filtered++;
    } else if (jzx__likely(offer(loop, index, &fanout->mail, member->tag))) {
        fanout->tally.reached++;
    } else {
        fanout->tally.missed++;
        miss(loop, member);
    }
}

/* Visits at most *left members. True when all have been. */
static bool fan_out(jzx_loop *loop, jzx__fanout *fanout, uint32_t *left)
{
    while (fanout->cursor != 0) {
        jzx__member *member = &fanout->space->members[fanout->cursor - 1];
        if (member->joined > fanout->mark) {
            break;
        }
        if (*left == 0) {
            return false;
        }
        --*left;
        fanout->cursor = member->after; /* before the visit: whatever that brings about, this one is done (GB2) */
        visit(loop, fanout, member);
    }
    return true;
}

void jzx__fanout_drop(jzx__fanout *fanout)
{
    jzx__list_remove(&fanout->node);
    jzx__cell_drop_payload(&fanout->mail); /* GB5 */
}

static void tell_done(jzx_loop *loop, const jzx__fanout *fanout, uint32_t to_loop)
{
    jzx__cell *cell = fanout->done;
    cell->words[0] = fanout->tally.reached;
    cell->words[1] = fanout->tally.missed;
    cell->words[2] = fanout->tally.filtered;
    jzx__route_signal(loop, to_loop, cell, NULL);
}

/* ---- what comes through a lane ---- */

bool jzx__fanout_go_on(jzx_loop *loop, jzx__lane *lane)
{
    jzx__fanout *fanout = &lane->fanout;
    (void)deliveries_left(loop, lane);
    if (!fan_out(loop, fanout, &lane->deliveries)) {
        return false;
    }
    jzx__fanout_drop(fanout);
    if (fanout->done != NULL) {
        tell_done(loop, fanout, lane->from);
    }
    return true;
}

/* What will tell the sender's loop. Who asks so was refused while cells were low, as with mail: so there is one (C2). */
static jzx__cell *take_done(jzx_loop *loop, const jzx__cell *cell)
{
    jzx__cell *done = jzx__pool_take_inbound(&loop->pool);
    done->kind = JZX__CELL_BROADCAST_DONE;
    done->flags = 0;
    done->tag = 0;
    done->sender = 0;
    done->target = cell->token;
    return done;
}

/*
 * In transit the target is the group: space, place of the entry, generation. The sender names its loop also when it is
 * the host, who is nobody to those who get the message.
 */
void jzx__broadcast_arrived(jzx_loop *loop, const jzx__cell *cell)
{
    jzx__lane *lane = loop->lanes_in[jzx__id_loop(cell->sender)];
    jzx__fanout *fanout = &lane->fanout;
    jzx_space *space = jzx__space_of(loop->runtime->spaces, cell->target);
    fanout->mail = *cell;
    fanout->mail.sender = (uint32_t)cell->sender == 0 ? 0 : cell->sender;
    fanout->spared = 0; /* it is on the sender's loop */
    fanout->done = (cell->flags & JZX__FLAG_REQUEST) != 0 ? take_done(loop, cell) : NULL;
    begin(loop, fanout, space, jzx__number_index(cell->target), (uint32_t)cell->target);
    if (!jzx__fanout_go_on(loop, lane)) {
        loop->run_end = 0;
    }
}

void jzx__fanouts_pass(jzx_loop *loop, const jzx_space *space, const jzx__member *member)
{
    uint32_t place = (uint32_t)(member - space->members) + 1;
    for (jzx__list *node = loop->fanouts.next; node != &loop->fanouts; node = node->next) {
        jzx__fanout *fanout = jzx__container_of(node, jzx__fanout, node);
        if (fanout->space == space && fanout->cursor == place) {
            fanout->cursor = member->after;
        }
    }
}

/* ---- what is sent ---- */

/* A place in the lane to a loop: WOULD_BLOCK, or LOOP_CLOSED when it has nobody left to reach. */
static jzx_err reserve(jzx_loop *loop, uint32_t to_loop)
{
    bool room = jzx__route_reserve(loop, to_loop) != NULL;
    /* The bytes are read after room was taken: whoever gave the room back had written them before. */
    jzx_err err = jzx__route_takes(loop->runtime->loops[to_loop]);
    if (room && err != JZX_OK) {
        jzx__route_unreserve(loop, to_loop);
    }
    return err == JZX_OK && !room ? JZX_ERR_WOULD_BLOCK : err;
}

static void unreserve_before(jzx_loop *loop, const jzx__group_view *view, uint32_t end)
{
    for (uint32_t i = 0; i < end; i++) {
        if (i != loop->index && jzx__view_has(view, i)) {
            jzx__route_unreserve(loop, i);
        }
    }
}

/* Places in all lanes, or none (GB1). Takes loops that are closed out of the view; *loops: how many others are in it. */
static jzx_err reserve_all(jzx_loop *loop, jzx__group_view *view, uint32_t *loops, uint32_t *busy)
{
    *loops = 0;
    for (uint32_t i = 0; i < loop->runtime->loop_count; i++) {
        if (i == loop->index || !jzx__view_has(view, i)) {
            continue;
        }
        jzx_err err = reserve(loop, i);
        if (err == JZX_ERR_LOOP_CLOSED) {
            view->loops[i / 64] &= ~(1ull << i % 64);
            continue;
        }
        if (err != JZX_OK) {
            unreserve_before(loop, view, i);
            *busy = i;
            return err;
        }
        ++*loops;
    }
    return JZX_OK;
}

/* One reference of a buffer goes with each. */
static void send_all(jzx_loop *loop, const jzx__group_view *view, const jzx__cell *cell)
{
    jzx_buffer *buffer = (cell->flags & JZX__FLAG_POINTER) != 0 ? cell->pointer.drop_context : NULL;
    for (uint32_t i = 0; i < loop->runtime->loop_count; i++) {
        if (i != loop->index && jzx__view_has(view, i)) {
            if (buffer != NULL) {
                jzx__buffer_ref(buffer);
            }
            jzx__route_fill(loop, i, cell);
        }
    }
}

static uint64_t group_number(const jzx_space *space, const jzx__group_view *view)
{
    return (uint64_t)space->index << 56 | (uint64_t)view->place << 32 | view->generation;
}

static void fan_out_here(jzx_context *context, const jzx_group *group, const jzx__group_view *view,
                         const jzx__cell *cell, bool others, jzx__tally *tally)
{
    jzx_loop *loop = context->loop;
    jzx__fanout fanout = {.mail = *cell, .spared = others ? context->self : 0};
    uint32_t all = UINT32_MAX;
    fanout.mail.sender = context->self;
    begin(loop, &fanout, group->space, view->place, view->generation);
    (void)fan_out(loop, &fanout, &all);
    jzx__fanout_drop(&fanout);
    *tally = fanout.tally;
}

jzx_err jzx__broadcast(jzx_context *context, const jzx_group *group, const jzx_message *message, bool others,
                       uint64_t token, uint32_t *loops, jzx__tally *own, uint32_t *busy)
{
    jzx_loop *loop = context->loop;
    jzx__group_view view;
    if (!jzx__space_look(group, &view)) {
        return JZX_ERR_NOT_FOUND;
    }
    bool here = jzx__view_has(&view, loop->index);
    if (here && jzx__pool_scarce(&loop->pool)) {
        *busy = loop->index;
        jzx__count_add(&loop->counters->refused_block, 1);
        return JZX_ERR_WOULD_BLOCK;
    }
    jzx_err err = reserve_all(loop, &view, loops, busy);
    if (err == JZX_OK && *loops == 0 && !here) {
        err = JZX_ERR_NOT_FOUND; /* nobody but those who end with their loop */
    }
    if (err != JZX_OK) {
        jzx__count_add(&loop->counters->refused_block, err == JZX_ERR_WOULD_BLOCK);
        return err;
    }
    jzx__cell cell;
    jzx__cell_from_message(&cell, message, JZX__CELL_BROADCAST);
    cell.flags |= token != 0 ? JZX__FLAG_REQUEST : 0;
    cell.token = token;
    cell.target = group_number(group->space, &view);
    cell.sender = context->self != 0 ? context->self : (uint64_t)loop->index << 56;
    send_all(loop, &view, &cell);
    fan_out_here(context, group, &view, &cell, others, own); /* also when nobody is: the caller's reference goes */
    return JZX_OK;
}
