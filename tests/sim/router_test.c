/*
 * router: clients of one to three loops send and ask by routers of every kind, over a group, over children, and over ids that
 * they add and remove, while workers leave and join, fail, drain, are killed and restarted, with small mailboxes of every
 * policy, cells, lanes, memory and kernel failing; clients fail too, and make their router anew. What must hold:
 *
 *   - each message that was routed is handled once or a dead letter; one that was refused is its sender's
 *   - only a member handles it; by JZX_ROUTE_HASH a key has one owner among the same workers, whoever asks, and keeps it
 *     among fewer while that one is there
 *   - each request ends once, while its asker lives
 *   - when it is calm each router knows all workers, goes round them in turn, and by broadcast reaches each
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "sched/loop.h"
#include "sched/space.h"
#include "tests/sim/lot.h"
#include "tests/sim/seeds.h"

enum { LOOPS = 3, CLIENTS = 6, WORKERS = 6, WORKS = 2048, KEYS = 8, HOLDS = 4, ROUNDS = 3, SLICES = 20 };
enum { TAG_WORK = 1, TAG_TICK, TAG_ANSWER, TAG_JOIN, TAG_ROUTE };

typedef struct play play;

/* What a router chooses among. */
typedef enum over { OVER_GROUP, OVER_CHILDREN, OVER_IDS } over;

#define UNKNOWN UINT32_MAX

/* One message, through all its copies. Sets of workers have a bit for each. */
typedef struct work {
    uint8_t key;
    bool asks;
    bool pointer;
    uint32_t client;
    uint32_t incarnation; /* of it */
    uint32_t routed;      /* copies that were accepted; UNKNOWN: by a broadcast over a group */
    uint32_t handled;
    uint32_t dead;
    uint32_t dropped;
    uint32_t ends;
    uint32_t among; /* who may handle it; 0: that changed while it was routed */
    uint32_t by;    /* who has */
} work;

/* Through all its incarnations. */
typedef struct worker {
    play *play;
    uint32_t index; /* and its tag */
    jzx_child_ref child;
    jzx_actor_id id;
    bool alive;
    bool joined;
    jzx_member_id member;
    uint64_t holds[HOLDS]; /* requests; 0: free */
} worker;

typedef struct client {
    play *play;
    uint32_t index;
    uint32_t incarnation;
    bool alive;
    uint8_t strategy;
    over over;
    jzx_router *router;
    uint32_t added; /* workers, if it is not over a group */
    jzx_actor_id ids[WORKERS];
    jzx_actor_id id;
    uint32_t actions; /* left */
    uint64_t refs[WORKS];
    bool settled; /* it is calm, and all who live are added */
} client;

struct play {
    jzx_sim *sim;
    jzx_runtime *runtime;
    jzx_loop *loops[LOOPS];
    uint32_t loop_count;
    uint32_t stopped; /* a loop; LOOPS: none */
    jzx_group group;
    worker workers[WORKERS];
    uint32_t worker_count;
    client clients[CLIENTS];
    uint32_t client_count;
    work works[WORKS];
    uint32_t work_count;
    uint32_t payloads;                   /* that live */
    uint8_t owners[1u << WORKERS][KEYS]; /* of a key among a set of workers: one's index + 1; 0: nobody has asked */
    uint32_t mortality;                  /* of 1,024 works and ticks */
    uint32_t unrest;                     /* of 1,024 works, after how many a worker leaves, or joins */
    uint32_t pause_ns;                   /* between two ticks of a client, at most */
    bool trouble;                        /* somebody may end */
    bool calm;                           /* nobody does any more, nor routes unless he is told to */
};

/* ---- works ---- */

static work *work_of(play *w, const jzx_message *message)
{
    uint64_t words[2];
    JZX_SIM_REQUIRE(w->sim, message->size == sizeof words);
    memcpy(words, jzx_message_data(message), sizeof words);
    JZX_SIM_REQUIRE(w->sim, words[0] < w->work_count && words[1] == ~words[0]);
    work *k = &w->works[words[0]];
    JZX_SIM_REQUIRE(w->sim, k->routed != 0);
    return k;
}

static void drop(void *context, void *data, size_t size)
{
    play *w = context;
    const jzx_message message = {.size = size, .flags = JZX_MESSAGE_POINTER, .pointer = {.data = data}};
    work *k = work_of(w, &message);
    JZX_SIM_REQUIRE(w->sim, k->pointer && k->handled == 0);
    k->dropped++;
    w->payloads--;
    free(data);
}

static void saw_dead(void *user, jzx_context *context, jzx_actor_id target, const jzx_message *message,
                     jzx_drop_reason reason)
{
    (void)context;
    (void)target;
    (void)reason;
    if (message->tag == TAG_WORK) {
        work_of(user, message)->dead++;
    }
}

static uint64_t key_of(void *context, const jzx_message *message)
{
    uint64_t words[2];
    memcpy(words, jzx_message_data(message), sizeof words);
    return ((const play *)context)->works[words[0]].key;
}

static void draw_work(play *w, work *k, jzx_message *message)
{
    uint64_t number = (uint64_t)(k - w->works);
    uint64_t words[2] = {number, ~number};
    jzx_buffer *buffer = NULL;
    void *payload;
    switch (sim_below(w->sim, 4)) {
    case 0:
        k->pointer = true;
        payload = malloc(sizeof words);
        memcpy(payload, words, sizeof words);
        *message = jzx_message_pointer(TAG_WORK, payload, sizeof words, drop, w);
        w->payloads++;
        return;
    case 1:
        if (jzx_buffer_copy(w->runtime, words, sizeof words, &buffer) == JZX_OK) {
            *message = jzx_message_buffer(TAG_WORK, buffer);
            return;
        }
        break;
    default:
        break;
    }
    *message = jzx_message_value(TAG_WORK, words, sizeof words);
}

/* It is the sender's again, or the handler's. */
static void give_up(play *w, const work *k, const jzx_message *message)
{
    if (k->pointer) {
        w->payloads--;
        free(message->pointer.data);
    }
}

/* ---- workers ---- */

static void join(worker *self, jzx_context *context)
{
    play *w = self->play;
    jzx_err err = jzx_group_join(context, &w->group, self->index, &self->member, NULL, NULL);
    JZX_SIM_REQUIRE(w->sim, err == JZX_OK || err == JZX_ERR_STOPPING);
    self->joined = err == JZX_OK;
}

static void leave(worker *self, jzx_context *context)
{
    jzx_err err = jzx_group_leave(context, self->member);
    JZX_SIM_REQUIRE(self->play->sim, err == JZX_OK || err == JZX_ERR_NOT_FOUND); /* who drains has left already */
    self->joined = false;
}

static jzx_err worker_init(jzx_context *context, void *argument, void **state)
{
    worker *self = *(worker **)argument;
    play *w = self->play;
    jzx__sim_point("worker: init");
    JZX_SIM_REQUIRE(w->sim, !self->alive);
    *self = (worker){.play = w, .index = self->index, .child = jzx_child_self(context), .id = jzx_self(context)};
    if (w->trouble && sim_chance(w->sim, w->mortality / 4)) {
        return JZX_ERR_UNKNOWN;
    }
    if (!w->trouble || sim_chance(w->sim, 900)) {
        join(self, context);
    }
    self->alive = true;
    *state = self;
    return JZX_OK;
}

static void worker_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    worker *self = state;
    (void)context;
    (void)info;
    self->alive = false;
    self->joined = false;
}

static void release(worker *self, jzx_context *context, uint32_t place)
{
    jzx_message answer = jzx_message_empty(TAG_ANSWER);
    uint64_t ref = self->holds[place];
    self->holds[place] = 0;
    if (ref != 0) {
        JZX_SIM_REQUIRE(self->play->sim, jzx_answer(context, ref, &answer) == JZX_OK);
    }
}

static void hold(worker *self, jzx_context *context, uint64_t ref)
{
    uint32_t place = sim_below(self->play->sim, HOLDS);
    release(self, context, place);
    self->holds[place] = ref;
    if (self->play->calm || sim_chance(self->play->sim, 512)) {
        release(self, context, place);
    }
}

static jzx_behavior_result worker_behave(jzx_context *context, void *state, const jzx_message *message)
{
    worker *self = state;
    play *w = self->play;
    jzx__sim_point("worker: handles");
    if (message->tag == TAG_JOIN) {
        for (uint32_t i = 0; i < HOLDS; i++) {
            release(self, context, i);
        }
        if (!self->joined) {
            join(self, context);
        }
        return JZX_BEHAVIOR_OK;
    }
    if (message->tag == JZX_TAG_SYS_MISSED) {
        return JZX_BEHAVIOR_OK; /* tests/sim/group_test.c has these */
    }
    JZX_SIM_REQUIRE(w->sim, message->tag == TAG_WORK && self->alive);
    work *k = work_of(w, message);
    k->handled++;
    k->by |= 1u << self->index;
    give_up(w, k, message);
    JZX_SIM_REQUIRE(w->sim, k->asks == ((message->flags & JZX_MESSAGE_REQUEST) != 0));
    if (k->asks) {
        hold(self, context, message->ref);
    }
    bool turns = w->trouble && sim_chance(w->sim, w->unrest);
    for (uint32_t i = turns ? sim_between(w->sim, 1, 8) : 0; i > 0; i--) {
        (self->joined ? leave : join)(self, context);
    }
    return w->trouble && sim_chance(w->sim, w->mortality) ? JZX_BEHAVIOR_FAIL : JZX_BEHAVIOR_OK;
}

/* ---- clients ---- */

static uint32_t version_of(const play *w)
{
    return atomic_load_explicit(&w->group.space->version, memory_order_relaxed);
}

/* Whom the router has now, and their ids. */
static uint32_t members_of(const client *c, jzx_actor_id *ids)
{
    const play *w = c->play;
    if (c->over == OVER_GROUP) {
        jzx_member members[WORKERS];
        uint32_t count = 0;
        uint32_t set = 0;
        (void)jzx_group_members(&w->group, members, WORKERS, &count);
        JZX_SIM_REQUIRE(w->sim, count <= WORKERS);
        for (uint32_t i = 0; i < count; i++) {
            JZX_SIM_REQUIRE(w->sim, (set >> members[i].tag & 1) == 0);
            ids[members[i].tag] = members[i].id;
            set |= 1u << members[i].tag;
        }
        return set;
    }
    memcpy(ids, c->ids, sizeof c->ids);
    for (uint32_t i = 0; i < WORKERS && c->over == OVER_CHILDREN; i++) {
        ids[i] = 0;
        (void)jzx_child_id(w->runtime, w->workers[i].child, &ids[i]);
    }
    return c->added;
}

/* Asks the router for one, who must be a member if these have not changed. Returns it as a set; 0: it is unknown. */
static uint32_t pick(client *c, jzx_context *context, const jzx_message *message, uint32_t version)
{
    const play *w = c->play;
    jzx_actor_id ids[WORKERS] = {0};
    jzx_actor_id id = 0;
    uint32_t set = members_of(c, ids);
    jzx_err err = jzx_router_pick(context, c->router, message, &id);
    bool still = c->over != OVER_GROUP || version_of(w) == version;
    if (err == JZX_ERR_NOT_FOUND) {
        JZX_SIM_REQUIRE(w->sim, !still || set == 0);
        return 0;
    }
    JZX_SIM_REQUIRE(w->sim, err == JZX_OK || err == JZX_ERR_NO_SUCH_ACTOR || err == JZX_ERR_NOT_RUNNING);
    for (uint32_t i = 0; i < WORKERS && err == JZX_OK && still; i++) {
        if ((set >> i & 1) != 0 && ids[i] == id) {
            return 1u << i;
        }
    }
    JZX_SIM_REQUIRE(w->sim, err != JZX_OK || !still || c->over == OVER_CHILDREN); /* one of these is another one now */
    return 0;
}

/* It is the one owner of a key among these. */
static void note_owner(play *w, uint32_t set, uint32_t key, uint32_t owner)
{
    uint8_t *known = &w->owners[set][key];
    uint32_t index = (uint32_t)__builtin_ctz(owner);
    if (*known != 0 && *known != index + 1) {
        jzx_sim_fail(w->sim, "key %u among %x has the owners %u and %u", key, set, *known - 1u, index);
    }
    *known = (uint8_t)(index + 1);
}

/* Who may handle what is routed now; 0: that is unknown. */
static uint32_t foresee(client *c, jzx_context *context, const jzx_message *message, const work *k, uint32_t version)
{
    play *w = c->play;
    jzx_actor_id ids[WORKERS];
    uint32_t set = members_of(c, ids);
    bool hash = c->strategy == JZX_ROUTE_HASH;
    if (!hash && (w->calm || c->strategy == JZX_ROUTE_BROADCAST || sim_chance(w->sim, 700))) {
        return set;
    }
    uint32_t picked = pick(c, context, message, version);
    if (hash && picked != 0) {
        note_owner(w, set, k->key, picked);
    }
    return hash ? picked : set;
}

static jzx_err deliver(client *c, jzx_context *context, const jzx_message *message, work *k, uint32_t *accepted)
{
    const play *w = c->play;
    if (!k->asks) {
        return jzx_router_send(context, c->router, message, accepted);
    }
    uint64_t in_ns = !w->calm && sim_chance(w->sim, 300) ? sim_below(w->sim, 3000000) : JZX_FOREVER;
    *accepted = 1;
    return jzx_router_request(context, c->router, message, in_ns, &c->refs[k - w->works]);
}

static void check_refusal(const client *c, const work *k, jzx_err err, bool still)
{
    jzx_sim *sim = c->play->sim;
    switch (err) {
    case JZX_ERR_NOT_FOUND:
        JZX_SIM_REQUIRE(sim, !still || k->among == 0);
        break;
    case JZX_ERR_NOT_RUNNING:
        JZX_SIM_REQUIRE(sim, c->over == OVER_CHILDREN);
        break;
    case JZX_ERR_INVALID_ARG:
        JZX_SIM_REQUIRE(sim, k->pointer && c->strategy == JZX_ROUTE_BROADCAST); /* it has one owner */
        break;
    case JZX_ERR_MAILBOX_FULL:
    case JZX_ERR_WOULD_BLOCK:
    case JZX_ERR_NO_SUCH_ACTOR:
    case JZX_ERR_STOPPING:
    case JZX_ERR_LOOP_CLOSED:
    case JZX_ERR_LIMIT:
        break;
    default:
        jzx_sim_fail(sim, "client %u is refused: %s", c->index, jzx_strerror(err));
    }
}

static void route(client *c, jzx_context *context)
{
    play *w = c->play;
    if (w->work_count == WORKS) {
        return;
    }
    work *k = &w->works[w->work_count++];
    jzx_message message;
    uint32_t accepted = UNKNOWN;
    *k = (work){.client = c->index, .incarnation = c->incarnation, .routed = UNKNOWN};
    k->key = (uint8_t)sim_below(w->sim, KEYS);
    k->asks = c->strategy != JZX_ROUTE_BROADCAST && sim_chance(w->sim, 400);
    draw_work(w, k, &message);
    uint32_t version = version_of(w);
    k->among = foresee(c, context, &message, k, version);
    jzx_err err = deliver(c, context, &message, k, &accepted);
    bool broadcast = c->over == OVER_GROUP && c->strategy == JZX_ROUTE_BROADCAST; /* which asks for no version */
    bool still = c->over != OVER_GROUP || (version_of(w) == version && !broadcast);
    if (err == JZX_OK) {
        k->routed = broadcast ? UNKNOWN : accepted;
        k->among = still ? k->among : 0;
        /* Counted before it was broadcast, all may have been about to leave, or nobody to join yet. */
        JZX_SIM_REQUIRE(w->sim, (accepted > 0 || broadcast) && accepted <= WORKERS);
        return;
    }
    check_refusal(c, k, err, still);
    JZX_SIM_REQUIRE(w->sim, k->handled + k->dead + k->dropped == 0 && accepted == (k->asks ? 1 : UNKNOWN));
    k->routed = 0;
    c->refs[k - w->works] = 0;
    give_up(w, k, &message);
    jzx_buffer_unref(jzx_message_buffer_of(&message));
}

static void add_or_remove(client *c, uint32_t index)
{
    const play *w = c->play;
    const worker *one = &w->workers[index];
    if ((c->added >> index & 1) != 0) {
        JZX_SIM_REQUIRE(w->sim, jzx_router_remove(c->router, index) == JZX_OK);
        c->added &= ~(1u << index);
    } else if (one->child != 0) {
        c->ids[index] = one->id;
        JZX_SIM_REQUIRE(w->sim, (c->over == OVER_IDS ? jzx_router_add(c->router, index, one->id)
                                                     : jzx_router_add_child(c->router, index, one->child)) == JZX_OK);
        c->added |= 1u << index;
    }
}

static void end_somebody(const play *w, jzx_context *context)
{
    jzx_actor_id id = w->workers[sim_below(w->sim, w->worker_count)].id;
    switch (id == 0 ? 4 : sim_below(w->sim, 4)) {
    case 0:
        (void)jzx_kill(context, id);
        break;
    case 1:
        (void)jzx_stop(context, id);
        break;
    case 2:
        (void)jzx_drain(context, id);
        break;
    case 3:
        (void)jzx_fail(context, id, 5, "a text");
        break;
    default:
        break;
    }
}

static uint32_t alive_of(const play *w)
{
    uint32_t set = 0;
    for (uint32_t i = 0; i < w->worker_count; i++) {
        set |= (uint32_t)w->workers[i].alive << i;
    }
    return set;
}

/* Adds all who live, as they are now. */
static void settle(client *c)
{
    uint32_t alive = alive_of(c->play);
    for (uint32_t i = 0; i < WORKERS && c->over != OVER_GROUP; i++) {
        if ((c->added >> i & 1) != 0) {
            add_or_remove(c, i);
        }
        if ((alive >> i & 1) != 0) {
            add_or_remove(c, i);
        }
    }
    c->settled = true;
}

static jzx_err tick_later(const client *c, jzx_context *context)
{
    jzx_message next = jzx_message_empty(TAG_TICK);
    bool done = c->play->calm || c->actions == 0;
    return done ? JZX_OK : jzx_timer_after(context, sim_below(c->play->sim, c->play->pause_ns), &next, NULL);
}

static jzx_behavior_result tick(client *c, jzx_context *context)
{
    play *w = c->play;
    if (w->calm || c->actions == 0) {
        return JZX_BEHAVIOR_OK;
    }
    c->actions--;
    if (c->over != OVER_GROUP && sim_chance(w->sim, 600)) {
        add_or_remove(c, sim_below(w->sim, w->worker_count));
    }
    for (uint32_t i = sim_below(w->sim, 6); i > 0; i--) {
        route(c, context);
    }
    if (w->trouble && sim_chance(w->sim, w->mortality)) {
        end_somebody(w, context);
    }
    jzx_err err = tick_later(c, context);
    JZX_SIM_REQUIRE(w->sim, err == JZX_OK || err == JZX_ERR_NO_MEMORY);
    return err == JZX_OK ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_FAIL;
}

static void request_ended(client *c, uint64_t ref)
{
    play *w = c->play;
    for (uint32_t i = 0; i < w->work_count; i++) {
        if (c->refs[i] == ref) {
            c->refs[i] = 0;
            JZX_SIM_REQUIRE(w->sim, w->works[i].asks && ++w->works[i].ends == 1);
            return;
        }
    }
    jzx_sim_fail(w->sim, "client %u got an answer to nothing it asks", c->index);
}

static jzx_behavior_result client_behave(jzx_context *context, void *state, const jzx_message *message)
{
    client *c = state;
    jzx__sim_point("client: handles");
    switch (message->tag) {
    case TAG_TICK:
        return tick(c, context);
    case TAG_ROUTE:
        if (!c->settled) {
            settle(c);
        }
        JZX_SIM_REQUIRE(c->play->sim, jzx_router_count(c->router) == (uint32_t)__builtin_popcount(alive_of(c->play)));
        route(c, context);
        break;
    case TAG_ANSWER:
    case JZX_TAG_SYS_NO_ANSWER:
        request_ended(c, message->ref);
        break;
    default:
        jzx_sim_fail(c->play->sim, "client %u got the tag %x", c->index, message->tag);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err client_init(jzx_context *context, void *argument, void **state)
{
    client *c = *(client **)argument;
    const play *w = c->play;
    jzx_router_options options;
    JZX_SIM_REQUIRE(w->sim, !c->alive);
    c->incarnation++;
    c->added = 0;
    c->id = jzx_self(context);
    memset(c->refs, 0, sizeof c->refs);
    jzx_router_options_init(&options);
    options.strategy = c->strategy;
    options.group = c->over == OVER_GROUP ? &w->group : NULL;
    options.members_max = WORKERS;
    options.key = key_of;
    options.key_context = (void *)(uintptr_t)w;
    jzx_err err = tick_later(c, context);
    if (err == JZX_OK) {
        err = jzx_router_create(context, &options, &c->router);
    }
    JZX_SIM_REQUIRE(w->sim, err == JZX_OK || err == JZX_ERR_NO_MEMORY);
    c->alive = err == JZX_OK;
    *state = c;
    return err;
}

static void client_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    client *c = state;
    (void)context;
    (void)info;
    jzx_router_destroy(c->router);
    c->alive = false;
}

/* ---- a run ---- */

static void open_play(play *w)
{
    jzx_sim *sim = w->sim;
    const jzx_observer observer = {.struct_size = sizeof observer, .dead_letter = saw_dead};
    w->loop_count = (uint32_t)jzx_sim_size(sim, "loops", 1, LOOPS);
    w->stopped = LOOPS;
    sim_open_loops(sim, w->loop_count, 32, &observer, w, &w->runtime, w->loops);
    jzx_space *space = NULL;
    JZX_SIM_REQUIRE(sim, jzx_space_create(w->runtime, NULL, &space) == JZX_OK);
    w->group = jzx_group_named(space, "workers");
}

static void draw_child(const play *w, jzx_child_spec *child)
{
    jzx_child_spec_init(child);
    child->argument_size = sizeof(void *);
    child->placement = sim_chance(w->sim, 200) ? JZX_PLACE_LEAST_LOADED : JZX_PLACE_LOOP;
    child->place_loop = sim_below(w->sim, w->loop_count);
    child->shutdown_ns = 10000000;
    child->backoff.kind = sim_chance(w->sim, 512) ? JZX_BACKOFF_NONE : JZX_BACKOFF_CONSTANT;
    child->backoff.initial_ns = child->backoff.kind == JZX_BACKOFF_NONE ? 0 : 1 + sim_below(w->sim, 1000000);
}

static void supervise(const play *w, const jzx_child_spec *children, uint32_t count, uint8_t strategy)
{
    jzx_supervisor_spec spec;
    jzx_supervisor_spec_init(&spec);
    spec.intensity = JZX_INTENSITY_UNLIMITED;
    spec.strategy = strategy;
    spec.children = children;
    spec.child_count = count;
    JZX_SIM_REQUIRE(w->sim, jzx_supervisor_start(jzx_loop_context(w->loops[0]), &spec, NULL, NULL) == JZX_OK);
}

static void supervise_workers(play *w)
{
    jzx_child_spec children[WORKERS];
    const worker *arguments[WORKERS];
    w->worker_count = (uint32_t)jzx_sim_size(w->sim, "workers", 1, WORKERS);
    for (uint32_t i = 0; i < w->worker_count; i++) {
        jzx_child_spec *child = &children[i];
        w->workers[i] = (worker){.play = w, .index = i};
        arguments[i] = &w->workers[i];
        draw_child(w, child);
        child->init = worker_init;
        child->behavior = worker_behave;
        child->fini = worker_fini;
        child->argument = &arguments[i];
        child->mailbox_cap = sim_between(w->sim, 1, 6);
        child->mailbox_policy = (uint8_t)(sim_chance(w->sim, 512) ? JZX_MAILBOX_REFUSE : sim_below(w->sim, 3));
        child->keep_mail = sim_chance(w->sim, 300);
    }
    supervise(w, children, w->worker_count, (uint8_t)sim_below(w->sim, 3));
}

static void supervise_clients(play *w)
{
    jzx_child_spec children[CLIENTS];
    const client *arguments[CLIENTS];
    uint32_t actions = (uint32_t)jzx_sim_size(w->sim, "actions", 1, 40);
    w->client_count = (uint32_t)jzx_sim_size(w->sim, "clients", 1, CLIENTS);
    for (uint32_t i = 0; i < w->client_count; i++) {
        jzx_child_spec *child = &children[i];
        client *c = &w->clients[i];
        *c = (client){.play = w, .index = i, .actions = actions, .over = OVER_GROUP};
        if (sim_chance(w->sim, 512)) {
            c->over = sim_chance(w->sim, 512) ? OVER_CHILDREN : OVER_IDS;
        }
        c->strategy = (uint8_t)sim_below(w->sim, JZX_ROUTE_BROADCAST + 1);
        arguments[i] = c;
        draw_child(w, child);
        child->init = client_init;
        child->behavior = client_behave;
        child->fini = client_fini;
        child->argument = &arguments[i];
    }
    supervise(w, children, w->client_count, JZX_ONE_FOR_ONE);
}

static void post(const play *w, jzx_actor_id id, uint32_t tag)
{
    jzx_message message = jzx_message_empty(tag);
    (void)jzx_post(w->runtime, id, &message);
}

static bool all_live(void *argument)
{
    const play *w = argument;
    uint32_t clients = 0;
    for (uint32_t i = 0; i < w->client_count; i++) {
        clients += w->clients[i].alive;
    }
    return clients == w->client_count && (uint32_t)__builtin_popcount(alive_of(w)) == w->worker_count;
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

/* Works, while somebody outside calls workers back into the group. */
static void toil(play *w, uint64_t slice_ns)
{
    for (uint32_t i = 0; i < SLICES; i++) {
        JZX_SIM_REQUIRE(w->sim, jzx_sim_advance(w->sim, slice_ns) == JZX_OK);
        post(w, w->workers[sim_below(w->sim, w->worker_count)].id, TAG_JOIN);
        if (i == SLICES / 2 && w->loop_count > 1 && sim_chance(w->sim, 200)) {
            w->stopped = sim_between(w->sim, 1, w->loop_count - 1);
            JZX_SIM_REQUIRE(w->sim, jzx_loop_request_stop(w->loops[w->stopped]) == JZX_OK);
        }
    }
}

/* All who may live do, are in the group, and owe no answer. */
static void become_calm(play *w)
{
    w->trouble = false;
    w->calm = true;
    JZX_SIM_REQUIRE(w->sim, jzx_sim_heal(w->sim) == JZX_OK);
    JZX_SIM_REQUIRE(w->sim, jzx_sim_advance(w->sim, 3000000000) == JZX_OK);
    for (uint32_t i = 0; i < w->worker_count; i++) {
        const worker *one = &w->workers[i];
        JZX_SIM_REQUIRE(w->sim, one->alive || w->stopped != LOOPS);
        if (one->alive) {
            post(w, one->id, TAG_JOIN);
            JZX_SIM_REQUIRE(w->sim, jzx_sim_advance(w->sim, 1000000) == JZX_OK);
            JZX_SIM_REQUIRE(w->sim, one->joined);
        }
    }
}

/* One message after the other, to mailboxes that are empty. */
static void go_round(play *w, client *c)
{
    uint32_t alive = alive_of(w);
    uint32_t before = 0;
    for (uint32_t i = 0; i < ROUNDS * WORKERS && w->work_count < WORKS; i++) {
        const work *k = &w->works[w->work_count];
        post(w, c->id, TAG_ROUTE);
        JZX_SIM_REQUIRE(w->sim, jzx_sim_advance(w->sim, 1000000) == JZX_OK && k->incarnation == c->incarnation);
        bool all = c->strategy == JZX_ROUTE_BROADCAST;
        if (alive == 0 || (all && k->pointer)) {
            JZX_SIM_REQUIRE(w->sim, k->routed == 0);
            continue;
        }
        JZX_SIM_REQUIRE(w->sim, k->handled == (all ? (uint32_t)__builtin_popcount(alive) : 1));
        JZX_SIM_REQUIRE(w->sim, all ? k->by == alive : (k->by & alive) != 0);
        if (c->strategy == JZX_ROUTE_ROUND_ROBIN || c->strategy == JZX_ROUTE_SMALLEST) {
            uint32_t behind = alive & ~(2 * before - 1);
            uint32_t next = behind != 0 ? behind & -behind : alive & -alive;
            JZX_SIM_REQUIRE(w->sim, before == 0 || k->by == next);
            before = k->by;
        }
    }
}

static void check_works(const play *w)
{
    for (uint32_t i = 0; i < w->work_count; i++) {
        const work *k = &w->works[i];
        if (k->routed != UNKNOWN && k->handled + k->dead != k->routed) {
            jzx_sim_fail(w->sim, "work %u of client %u: %u routed, %u handled, %u dead", i, k->client, k->routed,
                         k->handled, k->dead);
        }
        JZX_SIM_REQUIRE(w->sim, k->dropped == (k->pointer ? k->dead : 0));
        JZX_SIM_REQUIRE(w->sim, k->among == 0 || (k->by & ~k->among) == 0);
        const client *c = &w->clients[k->client];
        if (k->asks && k->routed == 1 && k->ends != 1 && c->alive && c->incarnation == k->incarnation) {
            jzx_sim_fail(w->sim, "request %u of client %u has no end", i, k->client);
        }
    }
}

/* Who owns a key owns it among fewer too. */
static void check_owners(const play *w)
{
    for (uint32_t set = 1; set < 1u << WORKERS; set++) {
        for (uint32_t part = (set - 1) & set; part != 0; part = (part - 1) & set) {
            for (uint32_t key = 0; key < KEYS; key++) {
                uint32_t owner = w->owners[set][key];
                uint32_t then = w->owners[part][key];
                bool there = owner != 0 && (part >> (owner - 1) & 1) != 0;
                JZX_SIM_REQUIRE(w->sim, !there || then == 0 || then == owner);
            }
        }
    }
}

static void check_rest(const play *w)
{
    for (uint32_t i = 0; i < w->loop_count; i++) {
        const jzx_loop *loop = w->loops[i];
        JZX_SIM_REQUIRE(w->sim, loop->requests_timed == 0);
        JZX_SIM_REQUIRE(w->sim, i == w->stopped || loop->pool.free_count == loop->pool.count);
    }
    uint32_t count = 0;
    JZX_SIM_REQUIRE(w->sim, jzx_group_count(&w->group, &count) == JZX_OK);
    JZX_SIM_REQUIRE(w->sim, count == (uint32_t)__builtin_popcount(alive_of(w)));
}

static void crowd(jzx_sim *sim, void *argument)
{
    static const sim_rate rates[] = {
        {JZX_SIM_CELLS, 3000}, {JZX_SIM_LANE_FULL, 6000},   {JZX_SIM_INBOX_FULL, 6000},
        {JZX_SIM_ALLOC, 3000}, {JZX_SIM_ACTOR_FAILS, 1000}, {JZX_SIM_INIT_FAILS, 3000},
        {JZX_SIM_STALL, 30},   {JZX_SIM_WOKEN_LATE, 16000}, {JZX_SIM_CLOCK_JUMP, 30},
    };
    static const uint32_t pauses[] = {3000, 100000, 2000000};
    static play whole;
    play *w = &whole;
    (void)argument;
    memset(w, 0, sizeof *w);
    w->sim = sim;
    sim_lot(sim);
    JZX_SIM_REQUIRE(sim, jzx_sim_hold(sim, true) == JZX_OK);
    open_play(w);
    w->mortality = sim_chance(sim, 512) ? sim_below(sim, 150) : 0;
    w->unrest = sim_chance(sim, 512) ? sim_below(sim, 1024) : 0;
    w->pause_ns = pauses[sim_below(sim, JZX__COUNT(pauses))];
    supervise_workers(w);
    supervise_clients(w);
    begin(w);
    JZX_SIM_REQUIRE(sim, jzx_sim_hold(sim, false) == JZX_OK);
    sim_lot_rates(sim, rates, JZX__COUNT(rates));
    bool whole_play = !sim_chance(sim, 300);
    if (!whole_play && sim_chance(sim, 300)) { /* the kernel gives a loop up */
        jzx_sim_injection lost = {.fault = JZX_SIM_ENTER_FAILS, .after = sim_below(sim, 1000), .times = 1};
        JZX_SIM_REQUIRE(sim, jzx_sim_inject(sim, &lost) == JZX_OK);
    }
    toil(w, whole_play ? 4000000 : sim_below(sim, 1500000));
    if (whole_play) {
        become_calm(w);
        for (uint32_t i = 0; i < w->client_count; i++) {
            if (w->clients[i].alive) {
                go_round(w, &w->clients[i]);
            }
        }
        check_works(w);
        check_rest(w);
    }
    JZX_SIM_REQUIRE(sim, jzx_runtime_shutdown(w->runtime, JZX_FOREVER, NULL) == JZX_OK);
    JZX_SIM_REQUIRE(sim, jzx_runtime_destroy(w->runtime) == JZX_OK);
    check_works(w);
    check_owners(w);
    JZX_SIM_REQUIRE(sim, w->payloads == 0);
}

Test(router, each_message_goes_to_one_member_and_each_key_to_its_owner, .timeout = 600)
{
    seeds_play("router", crowd);
}
