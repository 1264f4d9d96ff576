#include "sched/wait.h"
#include "sched/annex.h"
#include "sched/call.h"
#include "sched/mailbox.h"

enum {
    STEPS_MAX = 256,    /* of a walk on one loop in one go (O2) */
    HOPS_MAX = 1 << 20, /* of a probe: enough for a circle of 100,000 */
};

static jzx__waiter *waiter_of(const jzx_loop *loop, uint32_t index)
{
    const jzx__annex *annex = jzx__annex_of(loop, index);
    return annex == NULL ? NULL : annex->waiter;
}

static jzx__wait *top_of(jzx__waiter *waiter)
{
    JZX_ASSERT(waiter->depth > 0);
    return &waiter->waits[waiter->depth - 1];
}

bool jzx__wait_is_chained(jzx_loop *loop, const jzx__cell *cell, uint64_t chain)
{
    return cell->kind == JZX__CELL_MAIL && (cell->flags & JZX__FLAG_REQUEST) != 0 &&
           (cell->flags & JZX__FLAG_CALL) != 0 && jzx__called_of(loop, cell)->chain == chain;
}

bool jzx__wait_lets_in(jzx_loop *loop, uint32_t index, const jzx__cell *cell)
{
    bool waits = (jzx__slot_hot(&loop->slots, index)->flags & JZX__SLOT_WAITING) != 0;
    return waits && jzx__wait_is_chained(loop, cell, waiter_of(loop, index)->chain);
}

bool jzx__wait_admits(const jzx_loop *loop, uint32_t index, uint64_t chain)
{
    return (jzx__slot_hot(&loop->slots, index)->flags & JZX__SLOT_WAITING) != 0 &&
           waiter_of(loop, index)->chain == chain;
}

/* ---- edges ---- */

/* An edge, and what a probe has seen on its way to it. */
typedef struct probe {
    uint64_t token; /* of the call whose actor waits */
    uint32_t from;  /* loop of that actor */
    uint32_t at;    /* loop on which its request is looked for */
    uint32_t hops;
    jzx_actor_id mark;
    uint64_t mark_token;
    uint64_t sum;    /* of the waits since the mark; confirming: what is left of it */
    uint32_t count;  /* of them; confirming: hops to go */
    uint32_t length; /* confirming: of the circle; else 0 */
    jzx_actor_id ids[JZX_CYCLE_MAX];
} probe;

/* The waiter of a slot of this loop, if its actor waits and the end has not come (W3). */
static jzx__waiter *waiting(jzx_loop *loop, uint32_t index)
{
    if (index == JZX__SLOT_NONE || (jzx__slot_hot(&loop->slots, index)->flags & JZX__SLOT_WAITING) == 0) {
        return NULL;
    }
    jzx__waiter *waiter = waiter_of(loop, index);
    return top_of(waiter)->ended ? NULL : waiter;
}

/* Must this request wait for a wait of `chain`, of the one who has it? */
static bool must_wait(const jzx_loop *loop, const jzx__called *called, uint64_t chain)
{
    return called->chain != chain || jzx__pool_at(&loop->pool, called->mail)->kind == JZX__CELL_KEPT;
}

/* Who blocks an edge whose request is here, or NULL. */
static jzx__waiter *blocking(jzx_loop *loop, const jzx__called *called)
{
    jzx__waiter *waiter = waiting(loop, called->owner);
    return waiter != NULL && must_wait(loop, called, waiter->chain) ? waiter : NULL;
}

static void take_edge(const jzx_loop *loop, jzx__waiter *waiter, probe *edge)
{
    const jzx__wait *top = top_of(waiter);
    edge->token = top->token;
    edge->at = top->at;
    edge->from = loop->index;
}

static void add_id(jzx_cycle *cycle, jzx_actor_id id)
{
    if (cycle->length++ < JZX_CYCLE_MAX) {
        cycle->ids[cycle->listed++] = id;
    }
}

/* Would a call of `self` to `to` close a circle of this loop? Each step is one that a probe would make. */
static bool closes(jzx_loop *loop, jzx_actor_id self, jzx_actor_id to, uint64_t chain, jzx_cycle *cycle)
{
    *cycle = (jzx_cycle){0};
    add_id(cycle, self);
    jzx__waiter *waiter = jzx__id_loop(to) == loop->index ? waiting(loop, jzx__slot_find(&loop->slots, to)) : NULL;
    if (waiter == NULL || waiter->chain == chain) {
        return false;
    }
    for (uint32_t steps = 1; steps < STEPS_MAX && waiter != NULL; steps++) {
        add_id(cycle, jzx__public(loop, waiter->resource.owner)->id);
        const jzx__wait *top = top_of(waiter);
        const jzx__cell *cell = top->at == loop->index ? jzx__called_find(loop, loop->index, top->token) : NULL;
        if (cell == NULL || cell->kind != JZX__CELL_CALLED) {
            return false;
        }
        const jzx__called *called = (const jzx__called *)(const void *)cell;
        if (called->owner == jzx__id_index(self)) {
            return must_wait(loop, called, chain);
        }
        waiter = blocking(loop, called);
    }
    return false;
}

/* ---- probes ---- */

static uint64_t mix(jzx_actor_id id, uint64_t token)
{
    uint64_t mixed = (id ^ token * 0x9E3779B97F4A7C15ull) * 0xD6E8FEB86659FD93ull;
    return mixed ^ mixed >> 32;
}

static void pack(const probe *p, jzx__cell *cell)
{
    cell->kind = JZX__CELL_PROBE;
    cell->flags = p->length != 0 ? JZX__FLAG_EMBEDDED | JZX__FLAG_WIDE : JZX__FLAG_EMBEDDED;
    cell->size = (uint8_t)p->from;
    cell->tag = p->hops;
    cell->sender = p->mark;
    cell->target = p->at;
    cell->words[0] = p->token;
    cell->words[1] = p->mark_token;
    cell->words[2] = p->sum;
    cell->words[3] = (uint64_t)p->length << 32 | p->count;
}

static void unpack(const jzx__cell *cell, const void *ids, probe *p)
{
    *p = (probe){.token = cell->words[0], .at = (uint32_t)cell->target, .from = cell->size, .hops = cell->tag};
    p->mark = cell->sender;
    p->mark_token = cell->words[1];
    p->sum = cell->words[2];
    p->count = (uint32_t)cell->words[3];
    p->length = (uint32_t)(cell->words[3] >> 32);
    if (p->length != 0) {
        memcpy(p->ids, ids, sizeof p->ids);
        p->ids[0] = p->mark;
    }
}

/* The circle was there, and this is the largest of it. */
static void tell(jzx_loop *loop, jzx__waiter *waiter, const probe *p)
{
    memcpy(top_of(waiter)->ids, p->ids, sizeof p->ids);
    top_of(waiter)->length = p->length;
    jzx_actor_id self = jzx__public(loop, waiter->resource.owner)->id;
    jzx__cell *calling = jzx__request_calling(loop, p->mark_token, self);
    JZX_ASSERT(calling != NULL);
    jzx__call_end(loop, (jzx__calling *)(void *)calling, JZX_DROP_DEADLOCK);
    JZX_ASSERT(top_of(waiter)->ended);
}

/* The mark is set to where the probe is. */
static void set_mark(probe *p, jzx_actor_id id, uint64_t token)
{
    p->mark = id;
    p->mark_token = token;
    p->sum = mix(id, token);
    p->count = 1;
    p->length = 0;
}

/* One more of the second round. False when it is over. */
static bool confirm(jzx_loop *loop, probe *p, jzx__waiter *waiter, jzx_actor_id id, uint64_t token)
{
    uint32_t place = p->length - p->count + 1;
    if (place < p->length && place < JZX_CYCLE_MAX) {
        p->ids[place] = id;
    }
    p->sum -= mix(id, token);
    if (--p->count > 0) {
        return true;
    }
    if (p->sum == 0 && id == p->mark && token == p->mark_token) {
        tell(loop, waiter, p);
        return false;
    }
    set_mark(p, id, token); /* it looks on, for it may stand for others that found it in their way (W6) */
    return true;
}

/* A probe has come to a wait. False when it is over. */
static bool visit(jzx_loop *loop, probe *p, jzx__waiter *waiter)
{
    jzx_actor_id id = jzx__public(loop, waiter->resource.owner)->id;
    uint64_t token = top_of(waiter)->token;
    if (++p->hops > HOPS_MAX) {
        return false;
    }
    if (p->length != 0) {
        return confirm(loop, p, waiter, id, token);
    }
    if (id == p->mark && token == p->mark_token) {
        p->length = p->count;
        p->ids[0] = id;
        return true;
    }
    if (id >= p->mark || (p->hops & (p->hops - 1)) == 0) {
        set_mark(p, id, token);
    } else {
        p->sum += mix(id, token);
        p->count++;
    }
    return true;
}

/* Takes a probe on from one that waits: to another loop, or to this actor's next turn. */
static void forward(jzx_loop *loop, jzx__waiter *waiter, const probe *p)
{
    jzx__resource *resource = &waiter->resource;
    if (resource->listed) {
        /* Where both follow one edge they have the same way before them, and one will do. */
        waiter->again |= resource->cell.words[0] != p->token; /* W6 */
        return;
    }
    pack(p, &resource->cell);
    if (p->length != 0) {
        memcpy(waiter->ids, p->ids, sizeof waiter->ids);
    }
    if (p->at == loop->index) {
        jzx__resource_notify(loop, resource);
        return;
    }
    resource->listed = true;
    jzx__route_signal(loop, p->at, &resource->cell, waiter->ids);
}

/* Takes a probe on that has come to a loop which the request has left. Its cell says of which trail it is. */
static void relay(jzx_loop *loop, jzx__trail *trail, const probe *p)
{
    JZX_ASSERT(trail->probe != 0);
    if (trail->carries) {
        return; /* W6 */
    }
    jzx__cell *cell = jzx__pool_at(&loop->pool, trail->probe - 1);
    jzx__cell *ids = jzx__pool_at(&loop->pool, trail->ids);
    pack(p, cell);
    cell->target |= (jzx__pool_index(&loop->pool, (jzx__cell *)(void *)trail) + 1ull) << 32;
    /* Its head stays that of a cell, for numbers may name it still (C3): the first of the ids is the mark. */
    memcpy((uint8_t *)ids + sizeof p->ids[0], &p->ids[1], sizeof p->ids - sizeof p->ids[0]);
    trail->carries = true;
    jzx__route_signal(loop, p->at, cell, ids);
}

/* Follows the edges as far as they lie on this loop. `waiter` is who waits with the first one, if it is here. */
static void follow(jzx_loop *loop, probe *p, jzx__waiter *waiter)
{
    for (uint32_t steps = 0; steps < STEPS_MAX && p->at == loop->index; steps++) {
        jzx__cell *last = jzx__called_find(loop, p->from, p->token);
        if (last == NULL) {
            return;
        }
        if (last->kind != JZX__CELL_CALLED) {
            jzx__trail *trail = (jzx__trail *)(void *)last;
            p->at = trail->to; /* W5 */
            if (waiter == NULL) {
                relay(loop, trail, p);
                return;
            }
            break;
        }
        waiter = blocking(loop, (const jzx__called *)(const void *)last);
        if (waiter == NULL || !visit(loop, p, waiter)) {
            return;
        }
        take_edge(loop, waiter, p);
    }
    forward(loop, waiter, p);
}

/* Begins one at a waiter, if it waits. */
static void start(jzx_loop *loop, jzx__waiter *waiter)
{
    if (waiter->depth == 0 || top_of(waiter)->ended) {
        return;
    }
    probe p = {.hops = 0};
    set_mark(&p, jzx__public(loop, waiter->resource.owner)->id, top_of(waiter)->token);
    take_edge(loop, waiter, &p);
    follow(loop, &p, waiter);
}

void jzx__probe_arrived(jzx_loop *loop, const jzx__cell *cell, const jzx__cell *second)
{
    probe p;
    unpack(cell, second, &p);
    JZX_ASSERT(p.at == loop->index);
    follow(loop, &p, NULL);
}

static jzx__waiter *waiter_at(jzx__cell *cell)
{
    return jzx__container_of((jzx__resource *)(void *)cell, jzx__waiter, resource);
}

void jzx__probe_goes_on(jzx_loop *loop, jzx__cell *cell)
{
    jzx__waiter *waiter = waiter_at(cell);
    probe p;
    unpack(cell, waiter->ids, &p);
    if (waiter->again) {
        waiter->again = false;
        start(loop, waiter); /* W6 */
    } else if (waiter->depth > 0 && !top_of(waiter)->ended && top_of(waiter)->token == p.token) {
        follow(loop, &p, waiter);
    }
}

/* The trail whose probe this is, or NULL: a waiter's. */
static jzx__trail *trail_of(const jzx_loop *loop, const jzx__cell *cell)
{
    uint64_t place = cell->target >> 32;
    return place == 0 ? NULL : (jzx__trail *)(void *)jzx__pool_at(&loop->pool, (uint32_t)(place - 1));
}

void jzx__probe_node_left(jzx_loop *loop, jzx__cell *cell)
{
    jzx__trail *trail = trail_of(loop, cell);
    if (trail != NULL) {
        jzx__trail_probe_left(loop, trail);
        return;
    }
    jzx__waiter *waiter = waiter_at(cell);
    waiter->resource.listed = false;
    if ((cell->flags & JZX__FLAG_OVERTIME) != 0) {
        jzx__resource_expired(loop, cell); /* R2 */
    } else if (waiter->again) {
        waiter->again = false;
        start(loop, waiter); /* W6 */
    }
}

const void *jzx__probe_second(const jzx_loop *loop, const jzx__cell *cell)
{
    const jzx__trail *trail = trail_of(loop, cell);
    if (trail != NULL) {
        return jzx__pool_at(&loop->pool, trail->ids);
    }
    return ((const jzx__waiter *)(const void *)cell)->ids;
}
_Static_assert(offsetof(jzx__waiter, resource) == 0 && offsetof(jzx__resource, cell) == 0,
               "a probe is a waiter's cell");

/* ---- begin ---- */

static jzx_err make_waiter(jzx_loop *loop, uint32_t index)
{
    jzx__annex *annex;
    jzx_err err = jzx__annex_make(loop, index, &annex);
    if (err != JZX_OK || annex->waiter != NULL) {
        return err;
    }
    void *record;
    uint64_t number;
    err = jzx__table_take(&loop->waiters, &record, &number);
    if (err == JZX_OK) {
        annex->waiter = record;
        jzx__resource_begin(loop, &annex->waiter->resource, JZX__RESOURCE_WAITER, number, index);
    }
    return err;
}

jzx_err jzx__wait_refusal(jzx_context *context, jzx_actor_id to, uint64_t chain, jzx_cycle *cycle)
{
    jzx_loop *loop = context->loop;
    if (context->waited) {
        return JZX_ERR_INVALID_ARG;
    }
    jzx_err err = make_waiter(loop, context->slot);
    if (err != JZX_OK) {
        return err;
    }
    const jzx__waiter *waiter = waiter_of(loop, context->slot);
    if (waiter->depth == JZX_WAITS_MAX || (waiter->depth > 0 && waiter->chain != chain)) {
        return JZX_ERR_LIMIT; /* W1 */
    }
    jzx_cycle found;
    if (!closes(loop, context->self, to, chain, &found)) {
        return JZX_OK;
    }
    if (cycle != NULL) {
        *cycle = found;
    }
    return JZX_ERR_DEADLOCK;
}

/* Moves what is of the chain from one queue to the end of another, in order. */
static void move_chained(jzx_loop *loop, jzx__queue *from, uint64_t chain, jzx__queue *to)
{
    jzx__queue rest = {NULL, NULL};
    jzx__cell *cell;
    while ((cell = jzx__queue_pop(from)) != NULL) {
        jzx__queue_push(jzx__wait_is_chained(loop, cell, chain) ? to : &rest, cell);
    }
    *from = rest;
}

/* W2: from now on what comes is held back. What has come and may be handled stays, also from high mail and the stash. */
static void hold_back(jzx_loop *loop, uint32_t index, jzx__waiter *waiter)
{
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    jzx__cell *urgent_last = hot->urgent_last;
    waiter->mail = hot->mail;
    hot->mail = (jzx__queue){NULL, NULL};
    hot->urgent_last = NULL;
    hot->high = 0;
    hot->flags |= JZX__SLOT_WAITING;
    jzx__queue chained = {NULL, NULL};
    jzx__order_take(loop, index, waiter->chain, &chained);
    move_chained(loop, &waiter->mail, waiter->chain, &chained);
    hot->mail = chained;
    while (urgent_last != NULL) {
        jzx__wait_push_urgent(loop, index, jzx__circle_pop(&urgent_last));
    }
}

/* Takes the end of a call out of a queue. */
static jzx__cell *take_end(jzx_loop *loop, jzx__queue *from, uint64_t token)
{
    jzx__queue rest = {NULL, NULL};
    jzx__cell *end = NULL;
    jzx__cell *cell;
    while ((cell = jzx__queue_pop(from)) != NULL) {
        if (cell->kind == JZX__CELL_ANSWER && jzx__call_token(loop, cell) == token) {
            JZX_ASSERT(end == NULL);
            end = cell;
        } else {
            jzx__queue_push(&rest, cell);
        }
    }
    JZX_ASSERT(end != NULL);
    *from = rest;
    return end;
}

void jzx__wait_begin(jzx_context *context, jzx_actor_id to, uint64_t token, uint64_t chain)
{
    jzx_loop *loop = context->loop;
    jzx__waiter *waiter = waiter_of(loop, context->slot);
    JZX_ASSERT(waiter != NULL && waiter->depth < JZX_WAITS_MAX);
    jzx__queue *mail = &jzx__slot_hot(&loop->slots, context->slot)->mail;
    if (waiter->depth > 0 && top_of(waiter)->ended) {
        top_of(waiter)->aside = take_end(loop, mail, top_of(waiter)->token); /* W1 */
    }
    jzx__wait *wait = &waiter->waits[waiter->depth++];
    wait->token = token;
    wait->at = jzx__id_loop(to);
    wait->aside = NULL;
    wait->ended = false;
    waiter->looks = false;
    context->waited = true;
    context->special = true;
    if (waiter->depth == 1) {
        waiter->chain = chain;
        hold_back(loop, context->slot, waiter);
    }
    JZX_ASSERT(waiter->chain == chain); /* W1 */
    if (jzx__request_calling(loop, token, context->self) == NULL) {
        /* A full mailbox of this loop has dropped the request: the end came before the wait, as mail like any other. */
        jzx__queue_push(mail, take_end(loop, &waiter->mail, token));
        wait->ended = true; /* W3 */
    }
    if (jzx__id_loop(to) == loop->index) {
        start(loop, waiter); /* its request met the target before it waited */
    }
}

void jzx__wait_met(jzx_loop *loop, uint32_t index, uint64_t chain)
{
    if ((jzx__slot_hot(&loop->slots, index)->flags & JZX__SLOT_WAITING) != 0 && !jzx__wait_admits(loop, index, chain)) {
        start(loop, waiter_of(loop, index)); /* W4 */
    }
}

/* ---- what comes ---- */

static jzx__wait *find_wait(jzx__waiter *waiter, uint64_t token)
{
    for (uint32_t i = waiter->depth; i-- > 0;) {
        if (waiter->waits[i].token == token) {
            return &waiter->waits[i];
        }
    }
    return NULL;
}

void jzx__wait_push(jzx_loop *loop, uint32_t index, jzx__cell *cell)
{
    jzx__waiter *waiter = waiter_of(loop, index);
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    bool admitted = jzx__wait_is_chained(loop, cell, waiter->chain);
    if (cell->kind == JZX__CELL_ANSWER) {
        jzx__wait *wait = find_wait(waiter, jzx__call_token(loop, cell));
        if (wait != NULL) {
            wait->ended = true; /* W3 */
            admitted = wait == top_of(waiter);
            wait->aside = admitted ? NULL : cell; /* W1 */
        }
        if (wait != NULL && !admitted) {
            jzx__mailbox_longer(loop, index, hot, jzx__public(loop, index), cell);
            return;
        }
    }
    jzx__queue_push(admitted ? &hot->mail : &waiter->mail, cell);
    jzx__mailbox_longer(loop, index, hot, jzx__public(loop, index), cell);
    if (admitted) {
        jzx__schedule_hot(loop, index, hot);
    }
}

void jzx__wait_push_urgent(jzx_loop *loop, uint32_t index, jzx__cell *cell)
{
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    if (cell->kind == JZX__CELL_ASKED || cell->kind == JZX__CELL_PROBE) {
        jzx__urgent_push(hot, cell);
        jzx__schedule_hot(loop, index, hot);
    } else {
        jzx__circle_push(&waiter_of(loop, index)->urgent_last, cell);
    }
}

jzx__queue *jzx__wait_mail(jzx_loop *loop, uint32_t index)
{
    return &waiter_of(loop, index)->mail;
}

/* ---- ends ---- */

/* The actor waits no more: what was held back comes behind what was not. */
static void release(jzx_loop *loop, uint32_t index, jzx__waiter *waiter)
{
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    hot->flags &= (uint16_t)~JZX__SLOT_WAITING;
    hot->high = (hot->flags & JZX__SLOT_MARKED) != 0 ? hot->cap + 1 : jzx__slot_high_mark(hot->cap);
    jzx__queue_prepend(&waiter->mail, &hot->mail);
    hot->mail = waiter->mail;
    waiter->mail = (jzx__queue){NULL, NULL};
    if (waiter->urgent_last != NULL) {
        if (hot->urgent_last != NULL) {
            jzx__cell *first = hot->urgent_last->next;
            hot->urgent_last->next = waiter->urgent_last->next;
            waiter->urgent_last->next = first;
        }
        hot->urgent_last = waiter->urgent_last;
        waiter->urgent_last = NULL;
    }
    if (hot->mail.first != NULL || hot->urgent_last != NULL) {
        jzx__schedule_hot(loop, index, hot);
    }
}

/* What the continuation is shown. */
static void show_cycle(jzx_loop *loop, const jzx__wait *wait)
{
    loop->cycle = (jzx_cycle){.length = wait->length};
    loop->cycle.listed = wait->length < JZX_CYCLE_MAX ? wait->length : JZX_CYCLE_MAX;
    memcpy(loop->cycle.ids, wait->ids, loop->cycle.listed * sizeof wait->ids[0]);
}

void jzx__wait_end(jzx_loop *loop, uint32_t index, const jzx__cell *cell)
{
    jzx__waiter *waiter = waiter_of(loop, index);
    JZX_ASSERT(top_of(waiter)->token == jzx__call_token(loop, cell) && top_of(waiter)->ended); /* W1 */
    const jzx__calling *ended = (const jzx__calling *)(const void *)cell;
    if ((cell->flags & JZX__FLAG_ENDED) != 0 && ended->reason == JZX_DROP_DEADLOCK) {
        show_cycle(loop, top_of(waiter));
    }
    waiter->depth--;
    if (waiter->depth == 0) {
        release(loop, index, waiter);
        return;
    }
    waiter->looks = true;
    jzx__wait *top = top_of(waiter);
    if (top->aside != NULL) {
        jzx__queue_push_front(&jzx__slot_hot(&loop->slots, index)->mail, top->aside);
        top->aside = NULL;
    }
}

void jzx__wait_after(jzx_context *context, bool kept)
{
    jzx__waiter *waiter = waiter_of(context->loop, context->slot);
    if (!context->waited && (kept || waiter->looks)) {
        start(context->loop, waiter); /* W4 */
    }
    waiter->looks = false;
}

void jzx__wait_gather(jzx_loop *loop, uint32_t index)
{
    jzx__waiter *waiter = waiter_of(loop, index);
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    for (uint32_t i = 0; i < waiter->depth; i++) {
        if (waiter->waits[i].aside != NULL) {
            jzx__queue_push_front(&hot->mail, waiter->waits[i].aside);
        }
    }
    waiter->depth = 0;
    waiter->again = false;
    release(loop, index, waiter);
}

void jzx__wait_let_go(jzx_loop *loop, jzx__waiter *waiter)
{
    JZX_ASSERT(waiter->depth == 0);
    jzx__annex_of(loop, waiter->resource.owner)->waiter = NULL;
    jzx__resource_disown(&waiter->resource);
    jzx__resource_free(loop, &waiter->resource);
}
