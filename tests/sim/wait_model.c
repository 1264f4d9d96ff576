/*
 * wait_model: exclusive waits, and how those that wait in a circle are found, on actors that can step.
 *
 *     wait_model every SHARE         every small graph of actors and calls, each in every order of what can happen; of the
 *                                    graphs one in SHARE
 *     wait_model drawn FIRST COUNT   graphs drawn from seeds FIRST and on, each in one drawn order, with deadlines,
 *                                    cancels and deaths in half of them
 *     wait_model without COUNT       each rule is left out in turn, and COUNT drawn graphs must show that it is needed
 *     wait_model show SEED           one drawn graph, told step by step
 *
 * An actor handles messages; a handler makes calls, exclusive or not, goes on when each has ended, and answers at last, or
 * hands its request on to another. While it waits exclusively an actor handles the end of its innermost wait, and requests of
 * that wait's chain. Loops are joined by lanes in order; in half of the runs a lane holds few cells, and what has no room
 * stands in an overflow, a probe in the one node that its sender has.
 *
 *   never late   when nothing can happen any more, nobody waits, but for one that is free to handle all its mail
 *   no phantom   a call that ends with DEADLOCK, or is refused with it, would never have ended: told by letting a copy of
 *                the actors, without probes and refusals, run to their rest in several orders
 *   one of all   it is the call of the largest actor of its circle, of which every other one would never have ended either
 *   bounded      no probe makes more than HOPS_MOST hops for each actor
 *
 * The truth is never asked of the rule that probes follow, only of what the actors do.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ACTORS = 10,
    LOOPS = 4,
    SCRIPTS = 32,
    OPS = 3,
    CALLS = 56,
    MAILS = 96,
    FLIGHTS = 96,
    WAITS = 8,
    HANDS = 12,     /* of a request from loop to loop */
    COPIES = 3,     /* of the actors, to tell whether a call would end */
    HOPS_MOST = 40, /* of a probe, for each actor: the graph may change before it as it goes */
    NONE = 255,
};

/* What can be left out, to see that it is needed. */
enum {
    RULE_TAKEN = 1 << 0,     /* a request that is being handled waits for its handler, whatever its chain */
    RULE_CHAIN = 1 << 1,     /* a request of the chain that the actor waits with is let through */
    RULE_RECORD = 1 << 2,    /* a call counts while its request is at its target */
    RULE_ENDED = 1 << 3,     /* a wait ends when its end arrives, not when that is handled */
    RULE_UNCOVERED = 1 << 4, /* looks once more when a wait is the innermost again */
    RULE_KEPT = 1 << 5,      /* looks once more when a request of the chain is kept */
    RULE_AGAIN = 1 << 6,     /* a probe that finds the node in use for another wait is made up for when it is free */
    RULE_POWERS = 1 << 7,    /* the mark moves to where the probe is after 1, 2, 4, 8, ... hops */
    RULE_LARGEST = 1 << 8,   /* and to each larger actor */
    RULE_CONFIRM = 1 << 9,   /* goes round once more, and must find the same calls */
    RULE_MET = 1 << 10,      /* looks when a request meets one that waits */
    RULE_LOCAL = 1 << 11,    /* and when a call was made to one who does, on the same loop */
    RULE_ANEW = 1 << 12,     /* a probe that could not confirm looks on */
    RULE_HOLDER = 1 << 13,   /* who waits is waited for by who has his request, not by whom he has asked */
    RULE_HANDED = 1 << 14,   /* looks when a request is handed on, on one loop, to one that waits */
    RULE_TRAIL = 1 << 15,    /* follows a request that was handed on to another loop */
    RULE_RELAY = 1 << 16,    /* also from one that it has left, where a probe waits for room as at its sender */
    RULES = 1 << 17,
};

static const char *const rule_names[] = {"taken", "chain",  "record",  "ended",   "uncovered", "kept",
                                         "again", "powers", "largest", "confirm", "met",       "local",
                                         "anew",  "holder", "handed",  "trail",   "relay"};

/* ---- graphs ---- */

enum {
    OP_WAIT,
    OP_CALL,
    OP_FORK,
    OP_HAND
}; /* exclusive; not; without waiting for the end at all; the request itself */

typedef struct op {
    uint8_t kind;
    uint8_t to;
    uint8_t script;
} op;

typedef struct script {
    uint8_t count;
    op ops[OPS];
} script;

typedef struct graph {
    uint8_t actors;
    uint8_t loops;
    uint8_t loop_of[ACTORS];
    uint8_t scripts;
    script script[SCRIPTS];
    uint8_t kicks; /* messages that begin it all */
    uint8_t kick_to[ACTORS * 2];
    uint8_t kick_script[ACTORS * 2];
    uint8_t lane_room;  /* cells of a lane; 0: no bound */
    uint8_t local_most; /* steps of a probe on one loop before others have their turn */
    uint8_t breaks;     /* deadlines, cancels and deaths that may happen */
    bool side_branches; /* there are OP_FORK */
    bool hands_on;      /* there are OP_HAND */
    bool pure;          /* there is nothing but OP_WAIT and those: then nobody is free and does not answer */
} graph;

/* ---- what happens ---- */

enum { AT_WAY = 1, AT_QUEUED, AT_TAKEN, AT_ANSWERED }; /* where the request is */
enum { ASKER_OPEN = 1, ASKER_ENDED, ASKER_OVER };      /* the caller: the end has come; and was handled */

/* A call, its request, and the handler of that: calls are never forgotten, so an index is its token. */
typedef struct call {
    uint8_t parent; /* whose handler made it, NONE: it is a message of a kick */
    uint8_t from;
    uint8_t first; /* whom it has asked */
    uint8_t to;    /* who has it, or will */
    uint8_t kind;
    uint8_t script;
    uint8_t chain;
    uint8_t hands;
    uint8_t trail[HANDS][2]; /* of each hand: from which loop, and to which */
    uint16_t listed;         /* of these, a bit each: a probe behind it stands in an overflow */
    uint8_t at;
    uint8_t asker;
    uint8_t pc;
    bool cancelled; /* known at the target */
} call;

/* Looks for a circle. Its mark is an actor's wait; the sum and the count are of the waits since then. */
typedef struct probe {
    uint8_t edge; /* the call it follows next */
    uint8_t mark;
    uint8_t mark_call;
    bool confirms;
    uint16_t hops;
    uint8_t count; /* confirming: hops still to go */
    uint8_t length;
    uint32_t sum;
    uint8_t truth;         /* told when it began to confirm: the mark's call would never end */
    uint8_t round[ACTORS]; /* the calls of the circle, for the checks alone */
} probe;

enum { FLY_REQUEST = 1, FLY_ANSWER, FLY_CANCEL, FLY_TRAIL_END, FLY_PROBE };

typedef struct flight {
    uint8_t kind;
    uint8_t from; /* loop */
    uint8_t to;
    uint8_t call;
    uint8_t hand; /* of a probe: the hand that it follows; NONE: it comes from who waits */
    bool out;     /* past the overflow */
    probe p;
} flight;

enum { MAIL_REQUEST = 1, MAIL_END };

typedef struct mail {
    uint8_t owner;
    uint8_t kind;
    uint8_t call;
} mail;

typedef struct actor {
    bool dead;
    bool listed;     /* its node is in use: in an overflow, or its own mailbox */
    uint8_t carries; /* the call whose edge the probe in the node follows */
    bool again;
    bool walks; /* the node is in the mailbox, with `walk` */
    uint8_t depth;
    uint8_t waits[WAITS];
    probe walk;
} actor;

typedef struct model {
    uint8_t calls;
    uint8_t mails;
    uint8_t flights;
    uint8_t breaks;
    bool blind; /* a copy without probes and refusals */
    actor actor[ACTORS];
    call call[CALLS];
    mail mail[MAILS];
    flight flight[FLIGHTS];
} model;

static const graph *g;
static uint32_t rules;
static uint64_t random_state;
static const char *wrong; /* what was found */
static bool telling;
static uint64_t found, refused, broken, hops_seen, copies_run;
static uint64_t half_stuck; /* runs in which some wait for one that waits for nobody and does not answer */

static uint32_t draw(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state * 0x2545F4914F6CDD1Dull >> 33) % below;
}

static bool keeps(uint32_t rule)
{
    return (rules & rule) != 0;
}

static void fail(const char *what)
{
    if (wrong == NULL) {
        wrong = what;
    }
}

#define TELL(m, ...)                  \
    do {                              \
        if (telling && !(m)->blind) { \
            printf(__VA_ARGS__);      \
        }                             \
    } while (0)

static uint32_t mix(uint8_t k)
{
    return (k + 1u) * 0x9E3779B1u ^ (k + 1u) << 7;
}

static bool ended(model *m, uint8_t k); /* the end of a call has come to its caller */
static void start(model *m, uint8_t v); /* a probe */
static bool would_end(const model *m, uint8_t k);

/* ---- mail and lanes ---- */

static void put_mail(model *m, uint8_t owner, uint8_t kind, uint8_t k)
{
    if (m->mails == MAILS) {
        abort();
    }
    m->mail[m->mails++] = (mail){owner, kind, k};
}

static void drop_mail(model *m, uint32_t i)
{
    memmove(&m->mail[i], &m->mail[i + 1], (--m->mails - i) * sizeof m->mail[0]);
    memset(&m->mail[m->mails], 0, sizeof m->mail[0]);
}

static void drop_flight(model *m, uint32_t i)
{
    memmove(&m->flight[i], &m->flight[i + 1], (--m->flights - i) * sizeof m->flight[0]);
    memset(&m->flight[m->flights], 0, sizeof m->flight[0]);
}

static bool has_room(const model *m, uint8_t from, uint8_t to)
{
    uint32_t out = 0;
    bool blocked = false;
    for (uint32_t i = 0; i < m->flights; i++) {
        const flight *f = &m->flight[i];
        if (f->from == from && f->to == to) {
            out += f->out;
            blocked |= !f->out;
        }
    }
    return g->lane_room == 0 || (!blocked && out < g->lane_room);
}

/* Sends; false: it stands in the overflow. */
static bool fly(model *m, uint8_t kind, uint8_t from, uint8_t to, uint8_t k, const probe *p)
{
    if (m->flights == FLIGHTS) {
        abort();
    }
    bool room = has_room(m, from, to);
    flight *f = &m->flight[m->flights++];
    *f = (flight){.kind = kind, .from = from, .to = to, .call = k, .hand = NONE};
    f->out = room;
    if (p != NULL) {
        f->p = *p;
    }
    return f->out;
}

/* ---- waits ---- */

static uint8_t loop_of(uint8_t a)
{
    return g->loop_of[a];
}

static bool top_ended(const model *m, uint8_t v)
{
    const call *c = &m->call[m->actor[v].waits[m->actor[v].depth - 1]];
    return keeps(RULE_ENDED) ? c->asker != ASKER_OPEN : c->asker == ASKER_OVER;
}

/* Would the request k wait until actor w, who waits with `chain`, goes on? */
static bool held_by(const model *m, uint8_t k, uint8_t chain)
{
    const call *c = &m->call[k];
    if (c->at == AT_TAKEN && keeps(RULE_TAKEN)) {
        return true;
    }
    return keeps(RULE_CHAIN) ? c->chain != chain : c->at != AT_TAKEN || !keeps(RULE_TAKEN);
}

static uint8_t holder_of(const call *c)
{
    return keeps(RULE_HOLDER) ? c->to : c->first;
}

/* The last hand of a request from this loop; NONE: there is none. */
static uint8_t hand_from(const call *c, uint8_t loop)
{
    for (uint8_t i = c->hands; i-- > 0;) {
        if (c->trail[i][0] == loop) {
            return i;
        }
    }
    return NONE;
}

/* Where is the request, for one who looks for it on this loop? There, or where it was handed on to; NONE: it has no trace. */
static uint8_t trace(const call *c, uint8_t loop)
{
    bool here = (c->at == AT_QUEUED || c->at == AT_TAKEN || !keeps(RULE_RECORD)) && loop_of(c->to) == loop;
    if (here) {
        return loop;
    }
    uint8_t hand = hand_from(c, loop);
    return hand == NONE ? NONE : c->trail[hand][1];
}

/* Does the call k wait for its holder's own wait? That one in *next. */
static bool blocked(const model *m, uint8_t k, uint8_t *next)
{
    const call *c = &m->call[k];
    const actor *w = &m->actor[holder_of(c)];
    if (w->depth == 0 || top_ended(m, holder_of(c))) {
        return false;
    }
    if (c->at != AT_QUEUED && c->at != AT_TAKEN && keeps(RULE_RECORD)) {
        return false;
    }
    *next = w->waits[w->depth - 1];
    return held_by(m, k, m->call[*next].chain);
}

/* A cancel has come to a loop. */
static void cancel_at(model *m, uint8_t k, uint8_t loop)
{
    uint8_t at = trace(&m->call[k], loop);
    if (at == loop) {
        m->call[k].cancelled = true;
    } else if (at != NONE) {
        (void)fly(m, FLY_CANCEL, loop, at, k, NULL);
    }
}

static void cancel(model *m, uint8_t k)
{
    const call *c = &m->call[k];
    if (loop_of(c->first) != loop_of(c->from)) {
        (void)fly(m, FLY_CANCEL, loop_of(c->from), loop_of(c->first), k, NULL);
    } else {
        cancel_at(m, k, loop_of(c->from));
    }
}

/* The end of a call that closed a circle. */
static void declare(model *m, const probe *p)
{
    uint8_t k = p->mark_call;
    found++;
    TELL(m, "  DEADLOCK: call %u of %u, %u in the circle\n", k, p->mark, p->length);
    if (g->breaks == 0 ? would_end(m, k) : p->truth == 0) {
        fail("a phantom");
    }
    for (uint32_t i = 0; i < p->length && i < ACTORS; i++) {
        if (m->call[p->round[i]].from > p->mark) {
            fail("not the largest of its circle");
        }
        if (g->breaks == 0 && would_end(m, p->round[i])) {
            fail("one of the circle would go on");
        }
    }
    ended(m, k);
    cancel(m, k);
}

/* The probe has come to the wait j of actor w. False when it is over. */
static bool visit(model *m, probe *p, uint8_t w, uint8_t j)
{
    p->hops++;
    if (p->hops > hops_seen && !m->blind) {
        hops_seen = p->hops;
    }
    if (p->hops > HOPS_MOST * g->actors) {
        fail("too many hops");
        return false;
    }
    if (p->confirms) {
        if (p->length - p->count < ACTORS) {
            p->round[p->length - p->count] = j;
        }
        p->sum -= mix(j);
        if (--p->count > 0) {
            return true;
        }
        if (p->sum == 0 && w == p->mark && j == p->mark_call) {
            declare(m, p);
            return false;
        }
        if (!keeps(RULE_ANEW)) {
            return false;
        }
        p->confirms = false; /* it may stand for others that found it in their way */
        p->mark = 0;
        p->mark_call = NONE;
    }
    if (w == p->mark && j == p->mark_call) {
        p->confirms = true;
        p->length = p->count;
        p->truth = g->breaks == 0 || !would_end(m, j);
        if (!keeps(RULE_CONFIRM)) {
            p->round[0] = j;
            p->length = 1;
            declare(m, p);
            return false;
        }
        return true;
    }
    bool larger = (w >= p->mark && keeps(RULE_LARGEST)) || p->mark_call == NONE;
    bool power = (p->hops & (p->hops - 1)) == 0 && keeps(RULE_POWERS);
    if (larger || power) {
        p->mark = w;
        p->mark_call = j;
        p->count = 0;
        p->sum = 0;
    }
    p->count++;
    p->sum += mix(j);
    return true;
}

/* From the wait p->edge on, as far as this loop goes. */
static void walk(model *m, probe p)
{
    for (uint32_t steps = 1;; steps++) {
        const call *c = &m->call[p.edge];
        actor *v = &m->actor[c->from];
        uint8_t own = loop_of(c->from);
        uint8_t at = loop_of(c->first) != own ? loop_of(c->first) : trace(c, own);
        bool away = at != own;
        if (at == NONE || (away && loop_of(c->first) == own && !keeps(RULE_TRAIL))) {
            return;
        }
        if (away || steps > g->local_most) {
            if (v->listed) {
                v->again |= v->carries != p.edge; /* else both have the same way before them: one will do */
                return;
            }
            v->carries = p.edge;
            if (away) {
                v->listed = !fly(m, FLY_PROBE, own, at, p.edge, &p);
            } else {
                v->listed = true;
                v->walks = true;
                v->walk = p;
            }
            return;
        }
        uint8_t next;
        if (!blocked(m, p.edge, &next) || !visit(m, &p, holder_of(c), next)) {
            return;
        }
        p.edge = next;
    }
}

/* A probe has come to a loop that its request has left. One that waits for room there already will do. */
static void relay(model *m, uint8_t k, uint8_t loop, const probe *p)
{
    call *c = &m->call[k];
    uint8_t hand = hand_from(c, loop);
    uint16_t bit = (uint16_t)(1u << hand);
    if (!keeps(RULE_RELAY) || (c->listed & bit) != 0) {
        return;
    }
    if (!fly(m, FLY_PROBE, loop, c->trail[hand][1], k, p)) {
        c->listed |= bit;
    }
    m->flight[m->flights - 1].hand = hand;
}

static void start(model *m, uint8_t v)
{
    const actor *a = &m->actor[v];
    if (m->blind || a->dead || a->depth == 0 || top_ended(m, v)) {
        return;
    }
    probe p;
    memset(&p, 0, sizeof p);
    p.edge = p.mark_call = a->waits[a->depth - 1];
    p.mark = v;
    p.count = 1;
    p.sum = mix(p.edge);
    walk(m, p);
}

static void node_left(model *m, uint8_t v)
{
    actor *a = &m->actor[v];
    a->listed = false;
    if (a->again) {
        a->again = false;
        if (keeps(RULE_AGAIN)) {
            start(m, v);
        }
    }
}

/* Would the exclusive call k close a circle on this loop? */
static bool closes(const model *m, uint8_t k)
{
    uint8_t a = m->call[k].from;
    uint8_t edge = k;
    for (uint32_t steps = 1;; steps++) {
        const call *c = &m->call[edge];
        bool here = edge == k || trace(c, loop_of(a)) == loop_of(a);
        if (loop_of(c->first) != loop_of(a) || !here || steps > g->local_most) {
            return false;
        }
        if (holder_of(c) == a) {
            return edge != k && held_by(m, edge, m->call[k].chain);
        }
        uint8_t next;
        const actor *w = &m->actor[c->to];
        if (edge == k) { /* not made yet: it would be queued there */
            if (w->depth == 0 || top_ended(m, c->to)) {
                return false;
            }
            next = w->waits[w->depth - 1];
            if (!held_by(m, k, m->call[next].chain)) {
                return false;
            }
        } else if (!blocked(m, edge, &next)) {
            return false;
        }
        edge = next;
    }
}

/* ---- actors ---- */

static void answer(model *m, uint8_t k)
{
    call *c = &m->call[k];
    c->at = AT_ANSWERED;
    if (c->parent == NONE) {
        return;
    }
    if (c->hands > 0) {
        (void)fly(m, FLY_TRAIL_END, loop_of(c->to), c->trail[c->hands - 1][0], k, NULL);
    }
    if (loop_of(c->from) == loop_of(c->to)) {
        ended(m, k);
    } else {
        (void)fly(m, FLY_ANSWER, loop_of(c->to), loop_of(c->from), k, NULL);
    }
}

static bool ended(model *m, uint8_t k)
{
    call *c = &m->call[k];
    if (c->asker != ASKER_OPEN) {
        return false; /* late */
    }
    c->asker = ASKER_ENDED;
    put_mail(m, c->from, MAIL_END, k);
    return true;
}

/* `looks`: whoever waits has done so before. */
static void request_arrived(model *m, uint8_t k, bool looks)
{
    call *c = &m->call[k];
    if (m->actor[c->to].dead) {
        answer(m, k);
        return;
    }
    c->at = AT_QUEUED;
    put_mail(m, c->to, MAIL_REQUEST, k);
    if (looks && c->kind == OP_WAIT && m->actor[c->to].depth > 0) {
        start(m, c->to);
    }
}

static void send_request(model *m, uint8_t k)
{
    call *c = &m->call[k];
    c->at = AT_WAY;
    c->asker = ASKER_OPEN;
    if (loop_of(c->from) == loop_of(c->to)) {
        request_arrived(m, k, false);
    } else {
        (void)fly(m, FLY_REQUEST, loop_of(c->from), loop_of(c->to), k, NULL);
    }
}

/* Another has it now, with what there is to do. */
static void hand_on(model *m, uint8_t k, const op *o)
{
    call *c = &m->call[k];
    uint8_t from = loop_of(c->to);
    if (c->cancelled || c->hands == HANDS) {
        answer(m, k);
        return;
    }
    TELL(m, "  %u hands on to %u: call %u\n", c->to, o->to, k);
    c->to = o->to;
    c->script = o->script;
    c->pc = 0;
    c->at = AT_WAY;
    if (loop_of(c->to) == from) {
        request_arrived(m, k, keeps(RULE_HANDED));
    } else {
        c->trail[c->hands][0] = from;
        c->trail[c->hands++][1] = loop_of(c->to);
        (void)fly(m, FLY_REQUEST, from, loop_of(c->to), k, NULL);
    }
}

/* Each call that is made for no other begins a chain. */
static void make_call(model *m, uint8_t parent, const op *o, uint8_t k)
{
    call *c = &m->call[k];
    memset(c, 0, sizeof *c);
    c->parent = parent;
    c->from = m->call[parent].to;
    c->first = o->to;
    c->to = o->to;
    c->kind = o->kind;
    c->script = o->script;
    c->chain = m->call[parent].parent == NONE ? k : m->call[parent].chain;
}

/* The call that was refused would never have ended. */
static void check_refusal(const model *m, uint8_t k)
{
    model copy = *m;
    copy.blind = true;
    send_request(&copy, k);
    actor *a = &copy.actor[copy.call[k].from];
    a->waits[a->depth++] = k;
    if (would_end(&copy, k)) {
        fail("refused, and would have ended");
    }
}

/* Makes an exclusive call. False when it is refused. */
static bool wait_for(model *m, uint8_t k)
{
    uint8_t v = m->call[k].from;
    actor *a = &m->actor[v];
    if (a->depth == WAITS) {
        m->call[k].at = AT_ANSWERED;
        m->call[k].asker = ASKER_OVER;
        return false;
    }
    if (!m->blind && closes(m, k)) {
        refused++;
        TELL(m, "  refused: call %u of %u to %u\n", k, v, m->call[k].to);
        check_refusal(m, k);
        m->call[k].at = AT_ANSWERED;
        m->call[k].asker = ASKER_OVER;
        return false;
    }
    send_request(m, k);
    a->waits[a->depth++] = k;
    if (loop_of(m->call[k].to) == loop_of(v) && keeps(RULE_LOCAL)) {
        start(m, v);
    }
    return true;
}

/* The handler of a request begins, or goes on after a call. */
static void go_on(model *m, uint8_t k)
{
    uint8_t v = m->call[k].to;
    const script *s = &g->script[m->call[k].script];
    while (m->call[k].pc < s->count) {
        const op *o = &s->ops[m->call[k].pc++];
        if (o->kind == OP_HAND) {
            if (m->call[k].parent == NONE) {
                continue; /* nobody has asked */
            }
            hand_on(m, k, o);
            return;
        }
        if (m->calls == CALLS) {
            continue; /* refused for want of cells */
        }
        uint8_t j = m->calls++;
        make_call(m, k, o, j);
        TELL(m, "  %u %s %u: call %u, chain %u\n", v, o->kind == OP_WAIT ? "waits for" : "calls", o->to, j,
             m->call[j].chain);
        if (o->kind == OP_WAIT) {
            if (wait_for(m, j)) {
                return;
            }
            continue;
        }
        send_request(m, j);
        if (o->kind == OP_CALL) {
            return;
        }
    }
    TELL(m, "  %u has answered call %u\n", v, k);
    answer(m, k);
}

/* What an actor may handle now: an index into the mail, or -1. */
static int admissible(const model *m, uint8_t v)
{
    const actor *a = &m->actor[v];
    uint8_t top = a->depth > 0 ? a->waits[a->depth - 1] : NONE;
    for (int i = 0; i < m->mails; i++) {
        const mail *one = &m->mail[i];
        if (one->owner != v) {
            continue;
        }
        bool chained = one->kind == MAIL_REQUEST && m->call[one->call].parent != NONE && top != NONE &&
                       m->call[one->call].chain == m->call[top].chain;
        if (top == NONE || chained || (one->kind == MAIL_END && one->call == top)) {
            return i;
        }
    }
    return -1;
}

static void handle_end(model *m, uint8_t v, uint8_t k)
{
    actor *a = &m->actor[v];
    call *c = &m->call[k];
    bool over = a->depth > 0 && a->waits[a->depth - 1] == k;
    c->asker = ASKER_OVER;
    if (over) {
        a->waits[--a->depth] = 0;
    }
    uint8_t before = a->depth;
    if (c->kind != OP_FORK && m->call[c->parent].at == AT_TAKEN) {
        go_on(m, c->parent);
    }
    if (over && a->depth > 0 && a->depth == before && keeps(RULE_UNCOVERED)) {
        start(m, v);
    }
}

static void handle_request(model *m, uint8_t v, uint8_t k)
{
    actor *a = &m->actor[v];
    call *c = &m->call[k];
    if (c->cancelled) {
        answer(m, k);
        return;
    }
    c->at = AT_TAKEN;
    uint8_t before = a->depth;
    go_on(m, k);
    if (a->depth > 0 && a->depth == before && c->at == AT_TAKEN && keeps(RULE_KEPT)) {
        start(m, v);
    }
}

static void run_actor(model *m, uint8_t v)
{
    actor *a = &m->actor[v];
    if (a->walks) {
        probe p = a->walk;
        bool valid = a->depth > 0 && a->waits[a->depth - 1] == p.edge && !top_ended(m, v);
        bool again = a->again;
        a->walks = a->listed = a->again = false;
        memset(&a->walk, 0, sizeof a->walk);
        if (again && keeps(RULE_AGAIN)) {
            start(m, v);
        } else if (valid) {
            walk(m, p);
        }
        return;
    }
    mail one = m->mail[admissible(m, v)];
    drop_mail(m, (uint32_t)admissible(m, v));
    TELL(m, "%u handles %s %u\n", v, one.kind == MAIL_END ? "the end of" : "request", one.call);
    if (one.kind == MAIL_END) {
        handle_end(m, v, one.call);
    } else {
        handle_request(m, v, one.call);
    }
}

static void die(model *m, uint8_t v)
{
    actor *a = &m->actor[v];
    TELL(m, "%u dies\n", v);
    a->dead = true;
    a->depth = 0;
    a->walks = false;
    a->again = false;
    for (uint32_t i = m->mails; i-- > 0;) {
        if (m->mail[i].owner == v) {
            drop_mail(m, i);
        }
    }
    for (uint8_t k = 0; k < m->calls; k++) {
        if (m->call[k].from == v && m->call[k].parent != NONE) {
            m->call[k].asker = ASKER_OVER;
        }
    }
    for (uint8_t k = 0; k < m->calls; k++) {
        if (m->call[k].to == v && (m->call[k].at == AT_QUEUED || m->call[k].at == AT_TAKEN)) {
            answer(m, k);
        }
    }
}

/* ---- what can happen next ---- */

enum { STEP_RUN = 1, STEP_ARRIVE, STEP_FLUSH };

typedef struct step {
    uint8_t kind;
    uint8_t of; /* an actor, or an index into the flights */
} step;

enum { STEPS = ACTORS + 2 * LOOPS * LOOPS };

static uint32_t list_steps(const model *m, step steps[STEPS])
{
    uint32_t count = 0;
    for (uint8_t v = 0; v < g->actors; v++) {
        if (!m->actor[v].dead && (m->actor[v].walks || admissible(m, v) >= 0)) {
            steps[count++] = (step){STEP_RUN, v};
        }
    }
    uint32_t out[LOOPS][LOOPS] = {{0}};
    bool waits[LOOPS][LOOPS] = {{false}};
    for (uint8_t i = 0; i < m->flights; i++) {
        const flight *f = &m->flight[i];
        if (f->out && out[f->from][f->to]++ == 0) {
            steps[count++] = (step){STEP_ARRIVE, i};
        }
    }
    for (uint8_t i = 0; i < m->flights; i++) {
        const flight *f = &m->flight[i];
        if (!f->out && !waits[f->from][f->to]) {
            waits[f->from][f->to] = true;
            if (out[f->from][f->to] < g->lane_room) {
                steps[count++] = (step){STEP_FLUSH, i};
            }
        }
    }
    return count;
}

static void arrive(model *m, uint8_t i)
{
    flight f = m->flight[i];
    drop_flight(m, i);
    call *c = &m->call[f.call];
    uint8_t next;
    uint8_t at = trace(c, f.to);
    switch (f.kind) {
    case FLY_REQUEST:
        request_arrived(m, f.call, keeps(RULE_MET));
        break;
    case FLY_ANSWER:
        ended(m, f.call);
        break;
    case FLY_CANCEL:
        cancel_at(m, f.call, f.to);
        break;
    case FLY_TRAIL_END:
        if (--c->hands > 0) {
            (void)fly(m, FLY_TRAIL_END, f.to, c->trail[c->hands - 1][0], f.call, NULL);
        }
        break;
    default:
        TELL(m, "a probe comes to %u by call %u\n", c->to, f.call);
        if (at != f.to && at != NONE) {
            relay(m, f.call, f.to, &f.p);
        } else if (at == f.to && blocked(m, f.call, &next) && visit(m, &f.p, holder_of(c), next)) {
            f.p.edge = next;
            walk(m, f.p);
        }
    }
}

static void take_step(model *m, step s)
{
    switch (s.kind) {
    case STEP_RUN:
        run_actor(m, s.of);
        break;
    case STEP_ARRIVE:
        arrive(m, s.of);
        break;
    default: {
        flight *f = &m->flight[s.of];
        f->out = true;
        if (f->kind == FLY_PROBE && f->hand == NONE) {
            node_left(m, m->call[f->call].from);
        } else if (f->kind == FLY_PROBE) {
            m->call[f->call].listed &= (uint16_t) ~(1u << f->hand);
        }
    }
    }
}

/* A deadline passes, a call is cancelled, or an actor dies. */
static void break_something(model *m)
{
    if (draw(4) == 0) {
        uint8_t v = (uint8_t)draw(g->actors);
        if (!m->actor[v].dead) {
            broken++;
            die(m, v);
        }
        return;
    }
    uint8_t k = (uint8_t)draw(m->calls);
    call *c = &m->call[k];
    if (c->parent == NONE || c->asker != ASKER_OPEN) {
        return;
    }
    broken++;
    bool late = draw(2) == 0;
    TELL(m, "call %u of %u %s\n", k, c->from, late ? "has come to its deadline" : "is cancelled");
    ended(m, k);
    if (late) {
        c->cancelled = true; /* each loop knows by itself */
    } else {
        cancel(m, k);
    }
}

/* ---- the truth ---- */

static void run_blindly(model *m)
{
    step steps[STEPS];
    uint32_t count;
    while ((count = list_steps(m, steps)) > 0) {
        take_step(m, steps[draw(count)]);
    }
}

/* Can the call k end, if nothing is done about circles? */
static bool would_end(const model *m, uint8_t k)
{
    uint64_t before = random_state;
    bool ends = false;
    for (uint32_t i = 0; i < COPIES && !ends; i++) {
        model copy = *m;
        copy.blind = true;
        for (uint32_t j = copy.flights; j-- > 0;) {
            if (copy.flight[j].kind == FLY_PROBE) {
                drop_flight(&copy, j);
            }
        }
        for (uint32_t v = 0; v < g->actors; v++) {
            copy.actor[v].walks = copy.actor[v].listed = copy.actor[v].again = false;
        }
        random_state = before + i * 0x9E3779B97F4A7C15ull + 1;
        run_blindly(&copy);
        copies_run++;
        ends = copy.call[k].asker != ASKER_OPEN;
    }
    random_state = before;
    return ends;
}

/* Does it wait, directly or through others, for one that waits for nobody? That one may answer when it likes. */
static bool waits_for_a_free_one(const model *m, uint8_t v)
{
    for (uint32_t i = 0; i < g->actors && m->actor[v].depth > 0; i++) {
        v = m->call[m->actor[v].waits[m->actor[v].depth - 1]].to;
    }
    return m->actor[v].depth == 0 && !g->pure;
}

static void check_rest(const model *m)
{
    bool stuck = false;
    for (uint8_t v = 0; v < g->actors; v++) {
        stuck |= m->actor[v].depth > 0;
        if (m->actor[v].depth > 0 && !waits_for_a_free_one(m, v)) {
            fail("somebody waits for ever");
        }
        if (m->actor[v].listed && !m->actor[v].dead) {
            fail("a node is in use");
        }
    }
    for (uint32_t k = 0; k < m->calls; k++) {
        const call *c = &m->call[k];
        if (!stuck && c->parent != NONE && c->asker != ASKER_OVER && !m->actor[c->from].dead) {
            fail("a call has no end");
        }
    }
    half_stuck += stuck;
}

static void begin(model *m)
{
    memset(m, 0, sizeof *m);
    for (uint8_t i = 0; i < g->kicks; i++) {
        call *c = &m->call[m->calls++];
        *c = (call){.parent = NONE, .from = NONE, .to = g->kick_to[i], .script = g->kick_script[i], .chain = NONE};
        c->first = c->to;
        c->at = AT_QUEUED;
        put_mail(m, c->to, MAIL_REQUEST, (uint8_t)(m->calls - 1));
    }
}

/* ---- drawn graphs ---- */

/* A circle of some actors in a drawn order, and who runs into it. */
static void draw_ring(graph *to)
{
    uint32_t members = 2 + draw(to->actors - 1u);
    uint8_t order[ACTORS];
    for (uint8_t i = 0; i < to->actors; i++) {
        uint32_t at = draw(i + 1u);
        order[i] = order[at];
        order[at] = i;
    }
    to->scripts = (uint8_t)(to->actors + 1);
    memset(&to->script[to->actors], 0, sizeof to->script[0]);
    for (uint32_t i = 0; i < to->actors; i++) {
        uint8_t next = i < members ? order[(i + 1) % members] : order[draw(i)];
        to->script[i] = (script){.count = (uint8_t)(1 + draw(2))};
        for (uint32_t j = 0; j < 2; j++) {
            to->script[i].ops[j] = (op){OP_WAIT, next, to->actors};
        }
        if (to->hands_on && draw(2) == 0) { /* by way of another */
            to->script[to->scripts] = (script){1, {{OP_HAND, next, to->actors}}};
            to->script[i].ops[0] = (op){OP_WAIT, (uint8_t)draw(to->actors), to->scripts++};
        }
        to->kick_to[i] = order[i];
        to->kick_script[i] = (uint8_t)i;
    }
    to->kicks = to->actors;
}

/* Handlers that call on: a script's calls run scripts behind it, so all comes to an end. */
static void draw_scripts(graph *to)
{
    to->scripts = (uint8_t)(2 + draw(12));
    for (uint8_t i = 0; i < to->scripts; i++) {
        script *s = &to->script[i];
        *s = (script){.count = (uint8_t)(i + 1 == to->scripts ? 0 : draw(OPS + 1))};
        for (uint8_t j = 0; j < s->count; j++) {
            uint32_t kind = draw(20);
            s->ops[j].kind = kind < 14 || to->pure ? OP_WAIT : kind < 18 || !to->side_branches ? OP_CALL : OP_FORK;
            if (to->hands_on && draw(4) == 0) {
                s->ops[j].kind = OP_HAND;
            }
            s->ops[j].to = (uint8_t)draw(to->actors);
            s->ops[j].script = (uint8_t)(i + 1 + draw((uint32_t)(to->scripts - i - 1)));
        }
    }
    to->kicks = (uint8_t)(1 + draw(to->actors * 2u));
    for (uint32_t i = 0; i < to->kicks; i++) {
        to->kick_to[i] = (uint8_t)draw(to->actors);
        to->kick_script[i] = (uint8_t)draw(to->scripts);
    }
}

static void draw_graph(graph *to)
{
    memset(to, 0, sizeof *to);
    to->actors = (uint8_t)(2 + draw(ACTORS - 1));
    to->loops = (uint8_t)(1 + draw(LOOPS));
    for (uint32_t i = 0; i < to->actors; i++) {
        to->loop_of[i] = (uint8_t)draw(to->loops);
    }
    to->lane_room = (uint8_t)(draw(2) == 0 ? 0 : 1 + draw(3));
    to->local_most = (uint8_t)(draw(3) == 0 ? 1 + draw(4) : 200);
    to->breaks = (uint8_t)(draw(2) == 0 ? 0 : 1 + draw(6));
    to->side_branches = draw(4) == 0;
    to->hands_on = draw(2) == 0;
    to->pure = draw(3) > 0;
    if (draw(3) == 0) {
        draw_ring(to);
    } else {
        draw_scripts(to);
    }
}

static void play_drawn(uint64_t seed)
{
    static graph drawn;
    random_state = (seed + 1) * 0x9E3779B97F4A7C15ull;
    for (uint32_t i = 0; i < 4; i++) {
        (void)draw(2);
    }
    draw_graph(&drawn);
    g = &drawn;
    model m;
    begin(&m);
    uint32_t slow[STEPS]; /* by actor, then by lane: how rarely it has its turn */
    for (uint32_t i = 0; i < STEPS; i++) {
        slow[i] = draw(3) == 0 ? 1 + draw(40) : 1;
    }
    m.breaks = drawn.breaks;
    step steps[STEPS];
    uint32_t count;
    while ((count = list_steps(&m, steps)) > 0 && wrong == NULL) {
        if (m.breaks > 0 && draw(24) == 0) {
            m.breaks--;
            break_something(&m);
            continue;
        }
        step s = steps[draw(count)];
        const flight *f = &m.flight[s.of % FLIGHTS];
        uint32_t place = s.kind == STEP_RUN ? s.of : (uint32_t)(ACTORS + f->from * LOOPS + f->to);
        if (draw(slow[place]) == 0) {
            take_step(&m, s);
        }
    }
    if (wrong == NULL) {
        check_rest(&m);
    }
}

/* ---- every small graph in every order ---- */

enum { SEEN_BITS = 22 };
static uint64_t *seen;
static uint64_t seen_epoch;
static uint32_t seen_count;
static uint64_t states;

static uint64_t hash_of(const model *m)
{
    uint64_t hash = seen_epoch * 0x9E3779B97F4A7C15ull;
    const uint8_t *bytes = (const uint8_t *)m;
    for (size_t i = 0; i + 8 <= sizeof *m; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, 8);
        if (word != 0) {
            hash = (hash ^ word ^ i << 40) * 0xD6E8FEB86659FD93ull;
            hash ^= hash >> 32;
        }
    }
    return hash == 0 ? 1 : hash;
}

/* Epochs make old entries strangers, so the table is emptied only now and then. */
static bool first_seen(const model *m)
{
    uint64_t hash = hash_of(m);
    uint64_t at = hash >> (64 - SEEN_BITS);
    while (seen[at] != 0) {
        if (seen[at] == hash) {
            return false;
        }
        at = (at + 1) & ((1u << SEEN_BITS) - 1);
    }
    seen[at] = hash;
    seen_count++;
    return true;
}

static void visit_all(const model *m)
{
    if (wrong != NULL || !first_seen(m)) {
        return;
    }
    states++;
    if (seen_count > (1u << SEEN_BITS) / 4 * 3) {
        fail("a graph with too many states");
        return;
    }
    step steps[STEPS];
    uint32_t count = list_steps(m, steps);
    if (count == 0) {
        check_rest(m);
    }
    for (uint32_t i = 0; i < count; i++) {
        model next = *m;
        take_step(&next, steps[i]);
        visit_all(&next);
    }
}

static void play_every(const graph *one)
{
    g = one;
    if (seen_count > (1u << SEEN_BITS) / 4) {
        memset(seen, 0, sizeof(uint64_t) << SEEN_BITS);
        seen_count = 0;
    }
    seen_epoch++;
    random_state = 88172645463325252ull;
    model m;
    begin(&m);
    visit_all(&m);
}

/* Every way for an actor to be kicked: not at all, or a path of one or two calls; how many there are. */
static uint32_t paths(uint32_t actors, uint32_t kinds)
{
    uint32_t hops = actors * kinds;
    return 1 + hops + hops * hops;
}

typedef struct every {
    uint32_t kinds;     /* of calls: OP_WAIT alone, or one more */
    uint32_t other;     /* that one */
    uint32_t kicked;    /* actors, of three */
    bool nested;        /* paths of two calls too */
    uint32_t lane_room; /* as in a graph */
} every;

/* The scripts of one path: its first call is the kick's, the second is made by who gets the first. */
static void add_path(graph *to, uint32_t path, uint8_t kicked, const every *of)
{
    const uint8_t kinds[] = {OP_WAIT, (uint8_t)of->other};
    uint32_t hops = to->actors * of->kinds;
    if (path == 0) {
        return;
    }
    path--;
    uint32_t first = path < hops ? path : (path - hops) / hops;
    uint8_t at = to->scripts;
    to->kick_to[to->kicks] = kicked;
    to->kick_script[to->kicks++] = at;
    to->scripts = (uint8_t)(to->scripts + 2);
    to->script[at] = (script){1, {{kinds[first / to->actors], (uint8_t)(first % to->actors), (uint8_t)(at + 1)}}};
    if (path >= hops) {
        uint32_t second = (path - hops) % hops;
        op o = {kinds[second / to->actors], (uint8_t)(second % to->actors), 0};
        to->script[at + 1] = (script){1, {o}};
    }
}

/* Three actors in all places on up to three loops. */
static uint64_t every_graph(const every *of, uint64_t share)
{
    static const uint8_t places[][3] = {{0, 0, 0}, {0, 0, 1}, {0, 1, 0}, {0, 1, 1}, {0, 1, 2}};
    uint64_t played = 0;
    uint32_t each = of->nested ? paths(3, of->kinds) : 1 + 3 * of->kinds;
    uint32_t all = each * each * (of->kicked == 3 ? each : 1);
    for (uint32_t p = 0; p < sizeof places / sizeof places[0]; p++) {
        for (uint32_t i = (uint32_t)(p % share); i < all && wrong == NULL; i += (uint32_t)share) {
            graph one;
            memset(&one, 0, sizeof one);
            one.actors = 3;
            one.loops = 3;
            memcpy(one.loop_of, places[p], sizeof places[p]);
            one.scripts = 1; /* the first has no calls */
            one.local_most = 200;
            one.pure = of->kinds == 1 || of->other == OP_HAND;
            one.lane_room = (uint8_t)of->lane_room;
            add_path(&one, i % each, 0, of);
            add_path(&one, i / each % each, 1, of);
            add_path(&one, i / each / each, 2, of);
            play_every(&one);
            played++;
        }
    }
    return played;
}

/* ---- */

static int report(const char *what, uint64_t played, uint64_t seed)
{
    printf("%s: %llu graphs, %llu told, %llu refused, %llu broken, %llu hops at most, %llu copies, %llu half stuck: ",
           what, (unsigned long long)played, (unsigned long long)found, (unsigned long long)refused,
           (unsigned long long)broken, (unsigned long long)hops_seen, (unsigned long long)copies_run,
           (unsigned long long)half_stuck);
    if (wrong != NULL) {
        printf("%s (seed %llu)\n", wrong, (unsigned long long)seed);
        return 1;
    }
    printf("all as it must be\n");
    return 0;
}

static int run_drawn(uint64_t first, uint64_t count)
{
    uint64_t seed = first;
    rules = RULES - 1;
    for (uint64_t i = 0; i < count; i++) {
        play_drawn(seed);
        if (wrong != NULL) {
            break;
        }
        seed++;
    }
    return report("drawn", seed - first, seed);
}

static int run_every(uint64_t share)
{
    rules = RULES - 1;
    seen = calloc((size_t)1 << SEEN_BITS, sizeof *seen);
    if (seen == NULL) {
        return 1;
    }
    static const every all[] = {{1, 0, 3, false, 0},      {1, 0, 3, false, 1},     {2, OP_CALL, 3, false, 0},
                                {1, 0, 2, true, 0},       {1, 0, 2, true, 1},      {2, OP_CALL, 2, true, 0},
                                {2, OP_HAND, 2, true, 0}, {2, OP_HAND, 2, true, 1}};
    uint64_t played = 0;
    for (uint32_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        played += every_graph(&all[i], share);
    }
    int result = report("every", played, 0);
    printf("%llu states\n", (unsigned long long)states);
    free(seen);
    return result;
}

static int run_without(uint64_t count)
{
    int result = 0;
    for (uint32_t i = 0; 1u << i < RULES; i++) {
        rules = (RULES - 1) & ~(1u << i);
        uint64_t seed = 0;
        for (wrong = NULL; seed < count && wrong == NULL; seed++) {
            play_drawn(seed);
        }
        printf("without '%s': %s (%llu graphs)\n", rule_names[i], wrong != NULL ? wrong : "NOTHING IS FOUND",
               (unsigned long long)seed);
        result |= wrong == NULL;
    }
    return result;
}

static uint64_t number(char *const argv[], int i)
{
    return argv[i] == NULL ? 0 : strtoull(argv[i], NULL, 10);
}

int main(int argc, char *argv[])
{
    const char *what = argc > 1 ? argv[1] : "";
    if (argc == 3 && strcmp(what, "every") == 0 && number(argv, 2) > 0) {
        return run_every(number(argv, 2));
    }
    if (argc == 4 && strcmp(what, "drawn") == 0) {
        return run_drawn(number(argv, 2), number(argv, 3));
    }
    if (argc == 3 && strcmp(what, "without") == 0) {
        return run_without(number(argv, 2));
    }
    if (argc == 3 && strcmp(what, "show") == 0) {
        telling = true;
        return run_drawn(number(argv, 2), 1);
    }
    fprintf(stderr, "usage: wait_model every SHARE | drawn FIRST COUNT | without COUNT | show SEED\n");
    return 2;
}
