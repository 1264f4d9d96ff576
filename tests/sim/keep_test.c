/*
 * keep: flows, plain mail and requests to children that keep their mail, over one to three loops. The children grant, or have
 * windows; they stash, yield, keep requests, refuse and close flows, fail, are stopped and killed; some starts fail. Their
 * next incarnations handle what they left: mail with credits of flows that are over. What must hold:
 *
 *   - each message is handled once, or a dead letter, whoever handles it
 *   - it comes with the flow of the incarnation that it was sent to
 *   - when it is calm both sides of each flow count the same credits: those granted less those spent, or more than half of the
 *     window; what a child has promised is what its flows have out, and nothing of flows that are over
 *   - then all credits can be spent, and come back
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "sched/annex.h"
#include "tests/sim/lot.h"
#include "tests/sim/seeds.h"

enum { LOOPS = 3, HEIRS = 3, SOURCES = 5, WORKS = 1024, GRANTS = 512, HOLDS = 4, ROUNDS = 3 };
enum { TAG_WORK = 1, TAG_TICK, TAG_ANSWER, TAG_SPEND };

typedef struct play play;

typedef struct work {
    bool asks;
    bool pointer;
    bool sent;
    bool dropped;
    uint32_t came;    /* handled, or dead */
    uint32_t ends;    /* of its request */
    jzx_flow_id flow; /* the receiver's; 0: plain */
} work;

/* A receiver's side of a flow, which is its own as long as it has it. */
typedef struct grants {
    jzx_flow_id flow;
    jzx_actor_id receiver;
    uint64_t granted;
    bool windowed; /* granted by itself too */
} grants;

/* A child through all its incarnations. */
typedef struct heir {
    play *play;
    uint32_t index;
    jzx_child_ref child;
    jzx_actor_id id;
    bool alive;
    bool ticks;
    uint32_t cap;
    uint64_t holds[HOLDS]; /* requests; 0: free */
} heir;

typedef struct source {
    play *play;
    jzx_actor_id id;
    uint32_t loop;
    bool alive;
    uint32_t actions; /* left */
    uint32_t to;
    jzx_flow_id flow; /* 0: none */
    uint64_t sent;    /* through it */
    bool waits;       /* for a resume notice */
    uint64_t refs[WORKS];
} source;

struct play {
    jzx_sim *sim;
    jzx_runtime *runtime;
    jzx_loop *loops[LOOPS];
    uint32_t loop_count;
    heir heirs[HEIRS];
    uint32_t heir_count;
    source sources[SOURCES];
    uint32_t source_count;
    work works[WORKS];
    uint32_t work_count;
    grants grants[GRANTS];
    uint32_t grants_count;
    uint32_t pause_ns;
    uint32_t mortality; /* of 1,024 messages and ticks */
    uint32_t stash;     /* of 1,024 messages */
    bool trouble;       /* somebody may end */
    bool calm;          /* nobody does any more, stashes, or sends unless told to */
};

/* ---- works ---- */

static work *work_of(play *w, const jzx_message *message)
{
    bool pointer = (message->flags & JZX_MESSAGE_POINTER) != 0;
    uint64_t number = pointer ? (uint64_t)(uintptr_t)message->pointer.data - 1 : message->words[0];
    JZX_SIM_REQUIRE(w->sim, number < w->work_count && (pointer || message->words[1] == ~number));
    work *k = &w->works[number];
    JZX_SIM_REQUIRE(w->sim, k->sent && k->pointer == pointer);
    return k;
}

static void drop(void *context, void *data, size_t size)
{
    play *w = context;
    work *k = &w->works[(uintptr_t)data - 1];
    JZX_SIM_REQUIRE(w->sim, size == 8 && k->pointer && !k->dropped && k->came == 1);
    k->dropped = true;
}

static void saw_dead(void *user, jzx_context *context, jzx_actor_id target, const jzx_message *message,
                     jzx_drop_reason reason)
{
    (void)context;
    (void)target;
    play *w = user;
    if (message->tag == TAG_WORK) {
        work *k = work_of(w, message);
        JZX_SIM_REQUIRE(w->sim, ++k->came == 1);
        JZX_SIM_REQUIRE(w->sim, k->flow == 0 || (reason != JZX_DROP_NEWEST && reason != JZX_DROP_OLDEST));
    }
}

/* ---- receivers ---- */

/* NULL: it is another's. */
static grants *grants_of(play *w, jzx_actor_id receiver, jzx_flow_id flow)
{
    for (uint32_t i = w->grants_count; i > 0; i--) {
        grants *g = &w->grants[i - 1];
        if (g->receiver == receiver && g->flow == flow) {
            return g;
        }
    }
    return NULL;
}

static void grant(const heir *self, jzx_context *context, grants *g)
{
    const play *w = self->play;
    bool window = w->calm || sim_chance(w->sim, 512);
    uint32_t credits = sim_between(w->sim, 1, 6);
    bool before = g->windowed;
    g->granted += window ? 0 : credits; /* they may be spent before the call returns */
    g->windowed |= window;
    jzx_err err = window ? jzx_flow_window(context, g->flow, credits) : jzx_flow_grant(context, g->flow, credits);
    if (err != JZX_OK) {
        g->windowed = before;
        g->granted -= window ? 0 : credits;
        bool late = err == JZX_ERR_NOT_FOUND || (err == JZX_ERR_INVALID_ARG && !window && before);
        JZX_SIM_REQUIRE(w->sim, late || err == JZX_ERR_NO_MEMORY);
    }
}

static jzx_behavior_result opened(const heir *self, jzx_context *context, const jzx_flow_opened *flow)
{
    play *w = self->play;
    JZX_SIM_REQUIRE(w->sim, flow->receives && w->grants_count < GRANTS);
    grants *g = &w->grants[w->grants_count++];
    *g = (grants){.flow = flow->flow, .receiver = self->id};
    if (w->trouble && sim_chance(w->sim, 60)) {
        return JZX_BEHAVIOR_UNHANDLED;
    }
    grant(self, context, g);
    if (w->trouble && sim_chance(w->sim, 60)) {
        (void)jzx_flow_close(context, flow->flow);
    }
    return JZX_BEHAVIOR_OK;
}

static void release(heir *self, jzx_context *context, uint32_t place)
{
    jzx_message answer = jzx_message_empty(TAG_ANSWER);
    uint64_t ref = self->holds[place];
    self->holds[place] = 0;
    if (ref != 0) {
        JZX_SIM_REQUIRE(self->play->sim, jzx_answer(context, ref, &answer) == JZX_OK);
    }
}

/* A tick gives back what was put aside. */
static void tick_later(heir *self, jzx_context *context)
{
    jzx_message message = jzx_message_empty(TAG_TICK);
    if (!self->ticks) {
        jzx_err err = jzx_timer_after(context, sim_below(self->play->sim, 2 * self->play->pause_ns), &message, NULL);
        self->ticks = err == JZX_OK;
    }
}

static void give_back(heir *self, jzx_context *context)
{
    for (uint32_t i = 0; i < HOLDS; i++) {
        release(self, context, i);
    }
    self->ticks = false;
    uint32_t stashed = jzx_stashed(context);
    bool some = !self->play->calm && stashed > 1 && sim_chance(self->play->sim, 300);
    JZX_SIM_REQUIRE(self->play->sim, (some ? jzx_unstash(context, 1) : jzx_unstash_all(context)) == JZX_OK);
    if (some) {
        tick_later(self, context);
    }
}

/* What it will not handle now; OK: it will. */
static jzx_behavior_result put_aside(heir *self, jzx_context *context)
{
    const play *w = self->play;
    if (w->calm || !sim_chance(w->sim, w->stash)) {
        return JZX_BEHAVIOR_OK;
    }
    if (sim_chance(w->sim, 300)) {
        return JZX_BEHAVIOR_YIELD;
    }
    bool fits = jzx__annex_of(context->loop, context->slot) != NULL && /* which may be refused, and then it fails */
                jzx_stashed(context) + 1 < jzx__slot_high_mark(self->cap);
    if (!fits) {
        return JZX_BEHAVIOR_OK;
    }
    tick_later(self, context);
    return self->ticks ? JZX_BEHAVIOR_STASH : JZX_BEHAVIOR_OK;
}

static jzx_behavior_result handle(heir *self, jzx_context *context, const jzx_message *message)
{
    play *w = self->play;
    jzx_behavior_result aside = put_aside(self, context);
    if (aside != JZX_BEHAVIOR_OK) {
        return aside;
    }
    work *k = work_of(w, message);
    JZX_SIM_REQUIRE(w->sim, ++k->came == 1);
    JZX_SIM_REQUIRE(w->sim, k->asks == ((message->flags & JZX_MESSAGE_REQUEST) != 0));
    JZX_SIM_REQUIRE(w->sim, (k->flow != 0) == ((message->flags & JZX_MESSAGE_FLOW) != 0));
    JZX_SIM_REQUIRE(w->sim, k->flow == 0 || k->asks || message->ref == k->flow);
    if (k->asks) {
        uint32_t place = sim_below(w->sim, HOLDS);
        release(self, context, place);
        self->holds[place] = message->ref;
        tick_later(self, context);
        if (w->calm || !self->ticks || sim_chance(w->sim, 512)) {
            release(self, context, place);
        }
    }
    grants *g = k->flow == 0 || sim_chance(w->sim, 700) ? NULL : grants_of(w, self->id, k->flow);
    if (g != NULL) {
        grant(self, context, g);
    }
    return w->trouble && sim_chance(w->sim, w->mortality) ? JZX_BEHAVIOR_FAIL : JZX_BEHAVIOR_OK;
}

static jzx_behavior_result heir_behave(jzx_context *context, void *state, const jzx_message *message)
{
    heir *self = state;
    jzx__sim_point("heir: handles");
    JZX_SIM_REQUIRE(self->play->sim, self->alive && jzx_self(context) == self->id);
    switch (message->tag) {
    case TAG_TICK:
        give_back(self, context);
        return JZX_BEHAVIOR_OK;
    case JZX_TAG_SYS_FLOW:
        return opened(self, context, jzx_message_data(message));
    case JZX_TAG_SYS_FLOW_ENDED:
        return JZX_BEHAVIOR_OK;
    default:
        JZX_SIM_REQUIRE(self->play->sim, message->tag == TAG_WORK);
        return handle(self, context, message);
    }
}

static jzx_err heir_init(jzx_context *context, void *argument, void **state)
{
    heir *self = *(heir **)argument;
    play *w = self->play;
    jzx__sim_point("heir: init");
    JZX_SIM_REQUIRE(w->sim, !self->alive);
    if (w->trouble && sim_chance(w->sim, w->mortality)) {
        return JZX_ERR_UNKNOWN;
    }
    *self = (heir){.play = w, .index = self->index, .cap = self->cap, .alive = true};
    self->child = jzx_child_self(context);
    self->id = jzx_self(context);
    *state = self;
    return JZX_OK;
}

static void heir_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    (void)context;
    (void)info;
    ((heir *)state)->alive = false;
}

/* ---- senders ---- */

static void request_ended(source *s, uint64_t ref)
{
    play *w = s->play;
    for (uint32_t i = 0; i < w->work_count; i++) {
        if (s->refs[i] == ref) {
            s->refs[i] = 0;
            JZX_SIM_REQUIRE(w->sim, w->works[i].asks && ++w->works[i].ends == 1);
            return;
        }
    }
    jzx_sim_fail(w->sim, "an answer to nothing that was asked");
}

/* Through its flow, or past it. */
static jzx_err send_work(source *s, jzx_context *context, uint32_t number, const jzx_message *message)
{
    play *w = s->play;
    work *k = &w->works[number];
    uint64_t in_ns = !w->calm && sim_chance(w->sim, 300) ? sim_below(w->sim, 100000) : JZX_FOREVER;
    jzx_actor_id to = 0;
    if (s->flow != 0 && (w->calm || sim_chance(w->sim, 800))) {
        const jzx__flow *record = jzx__table_find(&context->loop->flows, s->flow);
        k->flow = record->other;
        jzx_err err = k->asks ? jzx_flow_request(context, s->flow, message, in_ns, &s->refs[number])
                              : jzx_flow_send(context, s->flow, message);
        s->sent += err == JZX_OK;
        return err;
    }
    jzx_err err = jzx_child_id(w->runtime, w->heirs[s->to].child, &to);
    if (err != JZX_OK) {
        return err;
    }
    return k->asks ? jzx_request(context, to, message, in_ns, &s->refs[number]) : jzx_send(context, to, message);
}

static jzx_err give_work(source *s, jzx_context *context)
{
    play *w = s->play;
    if (w->work_count == WORKS) {
        return JZX_ERR_NO_CREDIT;
    }
    uint32_t number = w->work_count++;
    work *k = &w->works[number];
    *k = (work){.asks = sim_chance(w->sim, 300), .pointer = sim_chance(w->sim, 300), .sent = true};
    uint64_t words[2] = {number, ~(uint64_t)number};
    jzx_message message = k->pointer ? jzx_message_pointer(TAG_WORK, (void *)(uintptr_t)(number + 1), 8, drop, w)
                                     : jzx_message_value(TAG_WORK, words, sizeof words);
    jzx_err err = send_work(s, context, number, &message);
    if (err != JZX_OK) {
        JZX_SIM_REQUIRE(w->sim, k->came == 0);
        k->sent = false;
        s->refs[number] = 0;
    }
    return err;
}

static void check_refusal(const source *s, jzx_err err)
{
    bool gone = err == JZX_ERR_NO_SUCH_ACTOR || err == JZX_ERR_STOPPING || err == JZX_ERR_NOT_RUNNING ||
                err == JZX_ERR_NOT_FOUND || err == JZX_ERR_LOOP_CLOSED;
    bool full = err == JZX_ERR_MAILBOX_FULL || err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_NO_CREDIT ||
                err == JZX_ERR_LIMIT;
    if (err != JZX_OK && !gone && !full) {
        jzx_sim_fail(s->play->sim, "refused: %s", jzx_strerror(err));
    }
}

/* A flow to the child as it is, or will be; now and then another child. */
static void open_flow(source *s, jzx_context *context)
{
    const play *w = s->play;
    jzx_actor_id to = 0;
    if (jzx_child_id(w->runtime, w->heirs[s->to].child, &to) != JZX_OK) {
        return;
    }
    s->sent = 0;
    jzx_err err = jzx_flow_offer(context, to, &s->flow);
    JZX_SIM_REQUIRE(w->sim, err == JZX_OK || err == JZX_ERR_NO_MEMORY || err == JZX_ERR_LIMIT);
}

static void leave_flow(source *s, jzx_context *context)
{
    jzx_err err = jzx_flow_close(context, s->flow);
    if (err == JZX_OK) { /* else its end is on the way here */
        s->flow = 0;
        s->to = sim_below(s->play->sim, s->play->heir_count);
    }
}

static void end_somebody(const play *w, jzx_context *context)
{
    jzx_actor_id id = w->heirs[sim_below(w->sim, w->heir_count)].id;
    switch (sim_below(w->sim, 4)) {
    case 0:
        (void)jzx_kill(context, id);
        break;
    case 1:
        (void)jzx_stop(context, id);
        break;
    case 2:
        (void)jzx_drain(context, id);
        break;
    default:
        (void)jzx_fail(context, id, 5, "a text");
    }
}

static void act(source *s, jzx_context *context)
{
    const play *w = s->play;
    jzx_message next = jzx_message_empty(TAG_TICK);
    if (w->calm || s->actions == 0) {
        return;
    }
    s->actions--;
    if (s->flow == 0) {
        open_flow(s, context);
    } else if (sim_chance(w->sim, 30)) {
        leave_flow(s, context);
    }
    for (uint32_t i = sim_below(w->sim, 8); i > 0; i--) {
        check_refusal(s, give_work(s, context));
    }
    if (w->trouble && sim_chance(w->sim, w->mortality)) {
        end_somebody(w, context);
    }
    if (jzx_timer_after(context, sim_below(w->sim, w->pause_ns), &next, NULL) != JZX_OK) {
        s->actions = 0;
    }
}

/* All that there are, through a flow. */
static void spend(source *s, jzx_context *context)
{
    if (s->flow == 0) {
        open_flow(s, context);
        return;
    }
    jzx_err err;
    do {
        err = give_work(s, context);
    } while (err == JZX_OK);
    JZX_SIM_REQUIRE(s->play->sim, err == JZX_ERR_NO_CREDIT || err == JZX_ERR_WOULD_BLOCK);
}

static jzx_behavior_result source_behave(jzx_context *context, void *state, const jzx_message *message)
{
    source *s = state;
    jzx_flow_ended ended;
    jzx__sim_point("source: handles");
    switch (message->tag) {
    case TAG_TICK:
        act(s, context);
        break;
    case TAG_SPEND:
        spend(s, context);
        break;
    case TAG_ANSWER:
    case JZX_TAG_SYS_NO_ANSWER:
        request_ended(s, message->ref);
        break;
    case JZX_TAG_SYS_FLOW_ENDED:
        memcpy(&ended, jzx_message_data(message), sizeof ended);
        JZX_SIM_REQUIRE(s->play->sim, ended.flow == s->flow);
        s->flow = 0;
        break;
    default:
        JZX_SIM_REQUIRE(s->play->sim, message->tag == JZX_TAG_SYS_CREDIT);
    }
    return JZX_BEHAVIOR_OK;
}

static void source_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    source *s = state;
    (void)context;
    (void)info;
    s->alive = false;
    s->flow = 0;
}

/* ---- a run ---- */

static void open_play(play *w)
{
    jzx_sim *sim = w->sim;
    const jzx_observer observer = {.struct_size = sizeof observer, .dead_letter = saw_dead};
    w->loop_count = (uint32_t)jzx_sim_size(sim, "loops", 1, LOOPS);
    sim_open_loops(sim, w->loop_count, 32, &observer, w, &w->runtime, w->loops);
}

static void supervise(play *w)
{
    jzx_child_spec children[HEIRS];
    const heir *arguments[HEIRS];
    jzx_supervisor_spec spec;
    jzx_supervisor_spec_init(&spec);
    spec.intensity = JZX_INTENSITY_UNLIMITED;
    spec.strategy = (uint8_t)sim_below(w->sim, 3);
    spec.children = children;
    spec.child_count = w->heir_count = (uint32_t)jzx_sim_size(w->sim, "heirs", 1, HEIRS);
    for (uint32_t i = 0; i < w->heir_count; i++) {
        jzx_child_spec *child = &children[i];
        w->heirs[i] = (heir){.play = w, .index = i, .cap = sim_between(w->sim, 1, 12)};
        arguments[i] = &w->heirs[i];
        jzx_child_spec_init(child);
        child->init = heir_init;
        child->behavior = heir_behave;
        child->fini = heir_fini;
        child->argument = &arguments[i];
        child->argument_size = sizeof arguments[i];
        child->placement = JZX_PLACE_LOOP;
        child->place_loop = sim_below(w->sim, w->loop_count);
        child->mailbox_cap = w->heirs[i].cap;
        child->mailbox_policy = (uint8_t)(sim_chance(w->sim, 512) ? JZX_MAILBOX_REFUSE : sim_below(w->sim, 3));
        child->keep_mail = sim_chance(w->sim, 900);
        child->backoff.kind = sim_chance(w->sim, 512) ? JZX_BACKOFF_NONE : JZX_BACKOFF_CONSTANT;
        child->backoff.initial_ns = child->backoff.kind == JZX_BACKOFF_NONE ? 0 : 1 + sim_below(w->sim, 100000);
    }
    JZX_SIM_REQUIRE(w->sim, jzx_supervisor_start(jzx_loop_context(w->loops[0]), &spec, NULL, NULL) == JZX_OK);
}

static void spawn_sources(play *w)
{
    jzx_message tick = jzx_message_empty(TAG_TICK);
    uint32_t actions = (uint32_t)jzx_sim_size(w->sim, "actions", 1, 40);
    w->source_count = (uint32_t)jzx_sim_size(w->sim, "sources", 1, SOURCES);
    for (uint32_t i = 0; i < w->source_count; i++) {
        source *s = &w->sources[i];
        *s = (source){.play = w, .alive = true, .actions = actions, .to = sim_below(w->sim, w->heir_count)};
        s->loop = sim_below(w->sim, w->loop_count);
        jzx_spawn_options options;
        jzx_spawn_options_init(&options);
        options.behavior = source_behave;
        options.fini = source_fini;
        options.argument = s;
        jzx_context *host = jzx_loop_context(w->loops[s->loop]);
        JZX_SIM_REQUIRE(w->sim, jzx_spawn(host, &options, &s->id) == JZX_OK);
        JZX_SIM_REQUIRE(w->sim, jzx_send(host, s->id, &tick) == JZX_OK);
    }
}

static bool all_live(void *argument)
{
    const play *w = argument;
    for (uint32_t i = 0; i < w->heir_count; i++) {
        if (!w->heirs[i].alive) {
            return false;
        }
    }
    return true;
}

/* Until all have begun nothing fails: a tree that does not start stops the runtime. */
static void begin(play *w)
{
    for (uint32_t i = 0; i < w->loop_count; i++) {
        JZX_SIM_REQUIRE(w->sim, jzx_loop_start(w->loops[i]) == JZX_OK);
    }
    JZX_SIM_REQUIRE(w->sim, jzx_sim_run_until(w->sim, all_live, w, 1000000000) == JZX_OK);
    w->trouble = true;
}

/* Both sides of a flow. Returns what the receiver has promised. */
static uint32_t check_flow(play *w, const source *s)
{
    const heir *to = &w->heirs[s->to];
    const jzx_loop *there = w->loops[jzx_actor_loop(to->id)];
    const jzx__flow *sender = jzx__table_find(&w->loops[s->loop]->flows, s->flow);
    JZX_SIM_REQUIRE(w->sim, sender != NULL && sender->state == JZX__FLOW_LIVE && sender->peer == to->id);
    const jzx__flow *receiver = jzx__table_find(&there->flows, sender->other);
    JZX_SIM_REQUIRE(w->sim, receiver != NULL && receiver->state == JZX__FLOW_LIVE && receiver->peer == s->id);
    JZX_SIM_REQUIRE(w->sim, receiver->credits == sender->credits);
    const grants *g = grants_of(w, to->id, sender->other);
    JZX_SIM_REQUIRE(w->sim, g != NULL);
    JZX_SIM_REQUIRE(w->sim, g->windowed || sender->credits == g->granted - s->sent);
    uint32_t half = receiver->window - receiver->window / 2;
    JZX_SIM_REQUIRE(w->sim, receiver->window == 0 || receiver->credits + half > receiver->window);
    return receiver->credits > receiver->window ? receiver->credits : receiver->window;
}

static void check_rest(play *w)
{
    uint32_t promised[HEIRS] = {0};
    uint32_t flows = 0;
    uint32_t used = 0;
    for (uint32_t i = 0; i < w->source_count; i++) {
        const source *s = &w->sources[i];
        if (s->alive && s->flow != 0) {
            promised[s->to] += check_flow(w, s);
            flows++;
        }
    }
    for (uint32_t i = 0; i < w->heir_count; i++) {
        const heir *h = &w->heirs[i];
        const jzx_loop *loop = w->loops[jzx_actor_loop(h->id)];
        const jzx__annex *annex = jzx__annex_of(loop, jzx__slot_find(&loop->slots, h->id));
        JZX_SIM_REQUIRE(w->sim, promised[i] == (annex == NULL ? 0 : annex->flow_credits));
    }
    for (uint32_t i = 0; i < w->loop_count; i++) {
        const jzx_loop *loop = w->loops[i];
        used += loop->flows.used;
        JZX_SIM_REQUIRE(w->sim, loop->requests_timed == 0 && loop->pool.free_count == loop->pool.count);
    }
    JZX_SIM_REQUIRE(w->sim, used == 2 * flows);
}

static void become_calm(play *w)
{
    w->trouble = false;
    w->calm = true;
    JZX_SIM_REQUIRE(w->sim, jzx_sim_heal(w->sim) == JZX_OK);
    JZX_SIM_REQUIRE(w->sim, jzx_sim_advance(w->sim, 3000000000) == JZX_OK);
    JZX_SIM_REQUIRE(w->sim, all_live(w));
    check_rest(w);
}

/* The first time it may open its flow; in the end it has one, with credits unless it had them from before the calm. */
static void spend_all(play *w)
{
    jzx_message message = jzx_message_empty(TAG_SPEND);
    for (uint32_t i = 0; i < ROUNDS * w->source_count; i++) {
        const source *s = &w->sources[i % w->source_count];
        if (s->alive && w->work_count + 100 < WORKS) {
            JZX_SIM_REQUIRE(w->sim, jzx_post(w->runtime, s->id, &message) == JZX_OK);
            JZX_SIM_REQUIRE(w->sim, jzx_sim_advance(w->sim, 2000000) == JZX_OK && s->flow != 0);
            check_rest(w);
        }
    }
}

static void check_works(const play *w)
{
    for (uint32_t i = 0; i < w->work_count; i++) {
        const work *k = &w->works[i];
        if (k->came != k->sent) {
            jzx_sim_fail(w->sim, "work %u is lost", i);
        }
        JZX_SIM_REQUIRE(w->sim, !k->asks || !k->sent || k->ends <= 1);
    }
}

static void inherit(jzx_sim *sim, void *argument)
{
    static const sim_rate rates[] = {
        {JZX_SIM_CELLS, 3000},      {JZX_SIM_LANE_FULL, 6000}, {JZX_SIM_ALLOC, 3000},       {JZX_SIM_ACTOR_FAILS, 600},
        {JZX_SIM_INIT_FAILS, 6000}, {JZX_SIM_STALL, 30},       {JZX_SIM_WOKEN_LATE, 16000},
    };
    static const uint32_t pauses[] = {3000, 50000, 500000};
    static play whole;
    play *w = &whole;
    (void)argument;
    memset(w, 0, sizeof *w);
    w->sim = sim;
    sim_lot(sim);
    JZX_SIM_REQUIRE(sim, jzx_sim_hold(sim, true) == JZX_OK);
    open_play(w);
    w->mortality = sim_below(sim, 100);
    w->stash = sim_chance(sim, 700) ? sim_below(sim, 600) : 0;
    w->pause_ns = pauses[sim_below(sim, JZX__COUNT(pauses))];
    supervise(w);
    spawn_sources(w);
    begin(w);
    JZX_SIM_REQUIRE(sim, jzx_sim_hold(sim, false) == JZX_OK);
    sim_lot_rates(sim, rates, JZX__COUNT(rates));
    bool whole_play = !sim_chance(sim, 300);
    JZX_SIM_REQUIRE(sim, jzx_sim_advance(sim, whole_play ? 20000000 : sim_below(sim, 2000000)) == JZX_OK);
    if (whole_play) {
        become_calm(w);
        spend_all(w);
        check_works(w);
    } else if (sim_chance(sim, 512)) {
        JZX_SIM_REQUIRE(sim, jzx_loop_request_stop(w->loops[sim_below(sim, w->loop_count)]) == JZX_OK);
        JZX_SIM_REQUIRE(sim, jzx_sim_advance(sim, sim_below(sim, 200000)) == JZX_OK);
    }
    JZX_SIM_REQUIRE(sim, jzx_runtime_shutdown(w->runtime, JZX_FOREVER, NULL) == JZX_OK);
    JZX_SIM_REQUIRE(sim, jzx_runtime_destroy(w->runtime) == JZX_OK);
    check_works(w);
}

Test(keep, a_credit_comes_back_once_whoever_handles_its_message, .timeout = 600)
{
    seeds_play("keep", inherit);
}
