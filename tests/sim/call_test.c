/*
 * call: trees of calls over one to three loops: actors ask each other, and others again for that, gather, open scopes, give
 * up, hand on, keep what they are asked, wait exclusively, shield themselves and end in every way, while cells and lanes run
 * out. Some are children of a supervisor, which restarts them, with their mail or without, or gives up. In some runs one loop
 * stops alone, in the midst of it. Then it becomes calm: nothing new is asked, and what was kept is answered. What must hold:
 *
 *   - each call that was accepted ends once, in a handler of its caller, or its caller has ended
 *   - a call that was made for another has no later deadline than that
 *   - a request that nobody answers is wanted, or it can be seen that it is not, however often it was handed on
 *   - a gathering is decided once, and its sums add up
 *   - when it is calm no message is queued, and each cell is free again, on a loop that has stopped too, where nobody lives
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "sched/call.h"
#include "sim/machine.h"
#include "tests/sim/lot.h"
#include "tests/sim/seeds.h"

enum {
    LOOPS = 3,
    ACTORS = 12,
    CALLS = 6000,
    KEPT = 16,
    OPEN = 16,
    TAG_TICK = 1,
    TAG_ASK = 2,
    TAG_CALM = 3,
    TAG_ANSWER = 4
};

typedef struct play play;

typedef struct made {
    play *play;
    uint16_t caller;
    uint16_t ends;
    uint32_t incarnation; /* of the caller */
    bool gather;
    uint32_t on_each; /* of a gathering */
    uint64_t ref;     /* what is answered when it ends; 0: nothing */
} made;

typedef struct actor {
    play *play;
    uint16_t index;
    uint32_t loop;
    jzx_actor_id id;
    bool alive;
    bool calm; /* has been told so; a mailbox may drop it */
    uint32_t incarnation;
    uint32_t ticks;
    uint32_t yields; /* to come, of the message that is handled */
    uint32_t shields;
    uint64_t kept[KEPT]; /* requests; 0: free */
    uint64_t scopes[OPEN];
    uint64_t calls[OPEN]; /* the last that were made, ended or not */
    uint64_t gathers[OPEN];
} actor;

struct play {
    jzx_sim *sim;
    jzx_config config;
    jzx_runtime *runtime;
    jzx_loop *loops[LOOPS];
    uint32_t loop_count;
    actor actors[ACTORS];
    uint32_t actor_count;
    made *made;
    uint32_t made_count;
    uint32_t payloads; /* that live */
    uint32_t ends_of_1024;
    jzx_actor_id supervisor; /* of the last ones; 0: none is */
    uint32_t first_child;
    uint64_t short_ns;
    uint32_t stopped; /* a loop, alone; LOOPS: none */
    bool calm;
};

/* ---- payloads ---- */

static void drop_payload(void *context, void *data, size_t size)
{
    play *p = context;
    (void)size;
    p->payloads--;
    free(data);
}

static jzx_message draw_message(play *p, uint32_t tag)
{
    if (sim_chance(p->sim, 768)) {
        return jzx_message_empty(tag);
    }
    void *data = malloc(16);
    p->payloads++;
    return jzx_message_pointer(tag, data, 16, drop_payload, p);
}

static void take(play *p, const jzx_message *message)
{
    if ((message->flags & JZX_MESSAGE_POINTER) != 0 && message->pointer.data != NULL) {
        drop_payload(p, message->pointer.data, message->size);
    }
}

/* ---- calling ---- */

static uint64_t draw_deadline(play *p, const jzx_context *context)
{
    uint32_t which = sim_below(p->sim, 4);
    if (which == 0) {
        return jzx_now_ns(context) + sim_below(p->sim, (uint32_t)p->short_ns);
    }
    return which == 1 ? jzx_now_ns(context) + 1000000000 : JZX_FOREVER;
}

static jzx_actor_id draw_target(play *p)
{
    return p->actors[sim_below(p->sim, p->actor_count)].id;
}

static made *note(actor *self, uint64_t ref)
{
    play *p = self->play;
    JZX_SIM_REQUIRE(p->sim, p->made_count < CALLS);
    made *m = &p->made[p->made_count++];
    *m = (made){.play = p, .caller = self->index, .ref = ref, .incarnation = self->incarnation};
    return m;
}

static void expect(play *p, jzx_err err)
{
    bool known = err == JZX_OK || err == JZX_ERR_TIMEOUT || err == JZX_ERR_CANCELLED || err == JZX_ERR_NO_SUCH_ACTOR ||
                 err == JZX_ERR_STOPPING || err == JZX_ERR_MAILBOX_FULL || err == JZX_ERR_WOULD_BLOCK ||
                 err == JZX_ERR_LIMIT || err == JZX_ERR_LOOP_CLOSED || err == JZX_ERR_NO_SUCH_REQUEST;
    if (!known) {
        jzx_sim_fail(p->sim, "refused: %s", jzx_strerror(err));
    }
}

static void answer(actor *self, jzx_context *context, uint64_t ref)
{
    play *p = self->play;
    jzx_message message = draw_message(p, TAG_ANSWER);
    jzx_err err = ref == 0 ? JZX_ERR_NO_SUCH_REQUEST : jzx_answer(context, ref, &message);
    JZX_SIM_REQUIRE(p->sim, err == JZX_OK || err == JZX_ERR_NO_SUCH_REQUEST);
    if (err != JZX_OK) {
        take(p, &message);
    }
}

static void keep(actor *self, jzx_context *context, uint64_t ref)
{
    for (unsigned i = 0; i < KEPT; i++) {
        if (self->kept[i] == 0) {
            self->kept[i] = ref;
            return;
        }
    }
    answer(self, context, ref);
}

static jzx_behavior_result act(actor *self, jzx_context *context);

/* The caller is the one whose state it is, and it has not ended. */
static void check_end(actor *self, made *m, const jzx_result *result)
{
    play *p = self->play;
    JZX_SIM_REQUIRE(p->sim, m->caller == self->index && self->alive && m->incarnation == self->incarnation);
    JZX_SIM_REQUIRE(p->sim, m->ends == 0);
    JZX_SIM_REQUIRE(p->sim, (result->err == JZX_OK) == (result->message != NULL));
    JZX_SIM_REQUIRE(p->sim, (result->err == JZX_OK) == (result->none == NULL));
    JZX_SIM_REQUIRE(p->sim, result->err != JZX_ERR_UNKNOWN);
    bool exit = result->none != NULL && result->none->exit_kind != 0;
    JZX_SIM_REQUIRE(p->sim, !exit || result->err == JZX_ERR_ENDED);
    m->ends++;
}

static jzx_behavior_result on_answer(jzx_context *context, void *state, void *argument, const jzx_result *result)
{
    actor *self = state;
    made *m = argument;
    check_end(self, m, result);
    if (result->message != NULL) {
        take(self->play, result->message);
    }
    if (m->ref != 0) {
        answer(self, context, m->ref);
    }
    return act(self, context);
}

static void call(actor *self, jzx_context *context, uint64_t ref)
{
    play *p = self->play;
    jzx_message message = draw_message(p, TAG_ASK);
    jzx_call_options options;
    jzx_call_options_init(&options);
    options.deadline_ns = draw_deadline(p, context);
    options.high = sim_chance(p->sim, 300);
    options.on_answer = on_answer;
    options.argument = note(self, ref);
    options.high = sim_chance(p->sim, 150);
    options.exclusive = sim_chance(p->sim, 250);
    if (options.exclusive && options.deadline_ns == JZX_FOREVER) {
        options.deadline_ns = jzx_now_ns(context) + 1000000000; /* it may wait for one that waits in another way */
    }
    uint64_t *at = &self->calls[sim_below(p->sim, OPEN)];
    jzx_err err = jzx_call_with(context, draw_target(p), &message, &options, at);
    if (!options.exclusive || (err != JZX_ERR_DEADLOCK && err != JZX_ERR_INVALID_ARG)) {
        expect(p, err);
    }
    if (err != JZX_OK) {
        p->made_count--; /* it was the last one noted */
        take(p, &message);
        if (ref != 0) {
            answer(self, context, ref);
        }
    }
}

/* ---- gathering ---- */

static jzx_behavior_result on_each(jzx_context *context, void *state, void *argument, uint32_t index,
                                   const jzx_result *result)
{
    actor *self = state;
    made *m = argument;
    (void)context;
    (void)index;
    JZX_SIM_REQUIRE(self->play->sim, m->caller == self->index && m->incarnation == self->incarnation && m->ends == 0);
    m->on_each++;
    if (result->message != NULL) {
        take(self->play, result->message);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result on_done(jzx_context *context, void *state, void *argument, const jzx_gathered *gathered)
{
    actor *self = state;
    made *m = argument;
    play *p = self->play;
    JZX_SIM_REQUIRE(p->sim, m->caller == self->index && m->incarnation == self->incarnation);
    JZX_SIM_REQUIRE(p->sim, self->alive && m->ends == 0);
    JZX_SIM_REQUIRE(p->sim, m->on_each == gathered->answered + gathered->failed);
    JZX_SIM_REQUIRE(p->sim, gathered->calls == gathered->answered + gathered->failed + gathered->cancelled);
    m->ends++;
    return act(self, context);
}

static void gather(actor *self, jzx_context *context)
{
    play *p = self->play;
    jzx_gather_options options;
    uint32_t calls = sim_between(p->sim, 0, 5);
    jzx_gather_options_init(&options);
    options.deadline_ns = draw_deadline(p, context);
    options.need = sim_chance(p->sim, 300) ? JZX_NEED_ALL : sim_between(p->sim, JZX_NEED_NONE, 5);
    options.on_each = on_each;
    options.on_done = on_done;
    options.argument = note(self, 0);
    p->made[p->made_count - 1].gather = true;
    uint64_t *at = &self->gathers[sim_below(p->sim, OPEN)];
    (void)jzx_gather_cancel(context, *at); /* it may be one whose end was never said */
    jzx_err err = jzx_gather_begin(context, &options, at);
    expect(p, err);
    if (err != JZX_OK) {
        p->made_count--;
        return;
    }
    for (uint32_t i = 0; i < calls; i++) {
        jzx_message message = draw_message(p, TAG_ASK);
        err = jzx_gather_call(context, *at, draw_target(p), &message, i);
        expect(p, err);
        if (err != JZX_OK) {
            take(p, &message);
        }
    }
    if (sim_chance(p->sim, 900)) {
        (void)jzx_gather_end(context, *at);
    }
}

/* ---- what an actor does ---- */

static void open_scope(actor *self, jzx_context *context)
{
    uint64_t *at = &self->scopes[sim_below(self->play->sim, OPEN)];
    if (*at == 0) {
        jzx_err err = jzx_scope_open(context, draw_deadline(self->play, context), at);
        JZX_SIM_REQUIRE(self->play->sim, err == JZX_OK || err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_LIMIT);
    }
}

static void end_scope(actor *self, jzx_context *context, uint64_t *at, bool close)
{
    if (*at != 0) {
        jzx_err err = close ? jzx_scope_close(context, *at) : jzx_cancel(context, *at);
        JZX_SIM_REQUIRE(self->play->sim, err == JZX_OK);
        *at = close ? 0 : *at;
    }
}

static void hand_on(actor *self, jzx_context *context, uint64_t ref)
{
    play *p = self->play;
    jzx_message message = draw_message(p, TAG_ASK);
    jzx_err err = jzx_delegate(context, ref, draw_target(p), &message);
    expect(p, err);
    if (err != JZX_OK) {
        take(p, &message);
        answer(self, context, ref);
    }
}

static void shield(actor *self, jzx_context *context)
{
    if (self->shields > 0 && sim_chance(self->play->sim, 600)) {
        (void)jzx_shield_leave(context); /* it may be void after shield_max_ns */
        self->shields--;
    } else if (jzx_shield_enter(context) == JZX_OK) {
        self->shields++;
    }
}

static void end_somebody(play *p, jzx_context *context)
{
    jzx_actor_id id = p->supervisor != 0 && sim_chance(p->sim, 50) ? p->supervisor : draw_target(p);
    switch (sim_below(p->sim, 4)) {
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

static uint64_t take_kept(actor *self)
{
    uint64_t *at = &self->kept[sim_below(self->play->sim, KEPT)];
    uint64_t ref = *at;
    *at = 0;
    return ref;
}

/* One thing, or none. */
static void act_once(actor *self, jzx_context *context)
{
    play *p = self->play;
    uint64_t ref;
    uint32_t at;
    switch (sim_below(p->sim, 12)) {
    case 0:
    case 1:
        call(self, context, 0);
        break;
    case 2:
        gather(self, context);
        break;
    case 3:
        open_scope(self, context);
        break;
    case 4:
        at = sim_below(p->sim, OPEN);
        end_scope(self, context, &self->scopes[at], sim_chance(p->sim, 512));
        break;
    case 5:
        (void)jzx_call_cancel(context, self->calls[sim_below(p->sim, OPEN)]);
        break;
    case 6:
        (void)jzx_gather_cancel(context, self->gathers[sim_below(p->sim, OPEN)]);
        break;
    case 7:
        answer(self, context, take_kept(self));
        break;
    case 8:
        ref = take_kept(self);
        if (ref != 0) {
            hand_on(self, context, ref);
        }
        break;
    case 9:
        shield(self, context);
        break;
    case 10:
        if (sim_chance(p->sim, p->ends_of_1024)) {
            end_somebody(p, context);
        }
        break;
    default:
        break;
    }
}

static jzx_behavior_result act(actor *self, jzx_context *context)
{
    play *p = self->play;
    if (p->calm || p->made_count + 64 > CALLS) {
        return JZX_BEHAVIOR_OK;
    }
    /* On average less than one call for each that ends: trees of them do not grow for ever. */
    if (sim_chance(p->sim, 600)) {
        act_once(self, context);
    }
    return sim_chance(p->sim, p->ends_of_1024 / 8) ? JZX_BEHAVIOR_STOP : JZX_BEHAVIOR_OK;
}

static jzx_behavior_result asked(actor *self, jzx_context *context, const jzx_message *message)
{
    play *p = self->play;
    if (!p->calm && self->yields == 0 && sim_chance(p->sim, 150)) {
        self->yields = sim_between(p->sim, 1, 20);
    }
    if (self->yields > 0 && --self->yields > 0 && !jzx_cancelled(context)) {
        return JZX_BEHAVIOR_YIELD;
    }
    self->yields = 0;
    if (sim_chance(p->sim, 30)) {
        return JZX_BEHAVIOR_UNHANDLED; /* the payload meets its destructor */
    }
    take(p, message);
    if (p->calm) {
        answer(self, context, message->ref);
        return JZX_BEHAVIOR_OK;
    }
    bool full = p->made_count + 64 > CALLS;
    switch (full ? 0 : sim_below(p->sim, 6)) {
    case 0:
        answer(self, context, message->ref);
        break;
    case 1:
        hand_on(self, context, message->ref);
        break;
    case 2:
        keep(self, context, message->ref);
        break;
    case 3:
        answer(self, context, message->ref);
        call(self, context, 0); /* for nobody any more */
        break;
    default:
        call(self, context, message->ref);
    }
    return act(self, context);
}

static void rest(actor *self, jzx_context *context)
{
    jzx_message message = jzx_message_empty(TAG_TICK);
    if (self->ticks-- > 1) {
        (void)jzx_timer_after(context, sim_below(self->play->sim, 100000), &message, NULL);
    }
}

/* Gives back what it has. */
static void calm_down(actor *self, jzx_context *context)
{
    for (unsigned i = 0; i < OPEN; i++) {
        end_scope(self, context, &self->scopes[i], true);
        (void)jzx_gather_cancel(context, self->gathers[i]);
        (void)jzx_call_cancel(context, self->calls[i]);
    }
    for (unsigned i = 0; i < KEPT; i++) {
        answer(self, context, self->kept[i]);
        self->kept[i] = 0;
    }
    while (jzx_shield_leave(context) == JZX_OK) {
    }
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    actor *self = state;
    play *p = self->play;
    if (message->tag == TAG_ASK) {
        return asked(self, context, message);
    }
    if (message->tag == TAG_CALM) {
        self->calm = true;
        calm_down(self, context);
        return JZX_BEHAVIOR_OK;
    }
    if (message->tag != TAG_TICK || p->calm) {
        return JZX_BEHAVIOR_OK;
    }
    rest(self, context);
    jzx_behavior_result said = JZX_BEHAVIOR_OK;
    for (uint32_t i = sim_between(p->sim, 1, 4); i > 0 && said == JZX_BEHAVIOR_OK; i--) {
        said = act(self, context);
    }
    return said;
}

static void on_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    (void)context;
    (void)info;
    ((actor *)state)->alive = false;
}

/* ---- the run ---- */

static void spawn(play *p, uint32_t index)
{
    actor *a = &p->actors[index];
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    *a = (actor){
        .play = p, .index = (uint16_t)index, .alive = true, .ticks = (uint32_t)jzx_sim_size(p->sim, "ticks", 1, 40)};
    a->loop = sim_below(p->sim, p->loop_count);
    options.behavior = behave;
    options.fini = on_fini;
    options.argument = a;
    options.mailbox_cap = sim_between(p->sim, 1, 24);
    options.mailbox_policy = (uint8_t)(sim_chance(p->sim, 700) ? JZX_MAILBOX_REFUSE : sim_below(p->sim, 3));
    JZX_SIM_REQUIRE(p->sim, jzx_spawn(jzx_loop_context(p->loops[a->loop]), &options, &a->id) == JZX_OK);
    jzx_message message = jzx_message_empty(TAG_TICK);
    JZX_SIM_REQUIRE(p->sim, jzx_send(jzx_loop_context(p->loops[a->loop]), a->id, &message) == JZX_OK);
}

/* A child begins, again maybe: what it had is gone. */
static jzx_err child_init(jzx_context *context, void *argument, void **state)
{
    actor *a = *(actor **)argument;
    play *p = a->play;
    jzx_message message = jzx_message_empty(TAG_TICK);
    JZX_SIM_REQUIRE(p->sim, !a->alive);
    *a = (actor){.play = p, .index = a->index, .loop = a->loop, .ticks = a->ticks, .incarnation = a->incarnation + 1};
    a->id = jzx_self(context);
    if (sim_chance(p->sim, 50) && !p->calm) {
        return JZX_ERR_UNKNOWN;
    }
    a->alive = true;
    (void)jzx_timer_after(context, 0, &message, NULL);
    *state = a;
    return JZX_OK;
}

/* The last of the actors are its children. */
static void supervise(play *p)
{
    jzx_child_spec children[ACTORS];
    const actor *arguments[ACTORS];
    jzx_supervisor_spec spec;
    jzx_supervisor_spec_init(&spec);
    spec.children = children;
    spec.child_count = p->actor_count - p->first_child;
    spec.strategy = (uint8_t)sim_below(p->sim, 3);
    spec.intensity = sim_chance(p->sim, 300) ? sim_below(p->sim, 3) : 1000;
    spec.period_ns = 1000000000;
    for (uint32_t i = 0; i < spec.child_count; i++) {
        actor *a = &p->actors[p->first_child + i];
        jzx_child_spec *child = &children[i];
        *a = (actor){.play = p, .index = (uint16_t)(p->first_child + i)};
        a->ticks = (uint32_t)jzx_sim_size(p->sim, "ticks", 1, 40);
        a->loop = sim_below(p->sim, p->loop_count);
        arguments[i] = a;
        jzx_child_spec_init(child);
        child->init = child_init;
        child->behavior = behave;
        child->fini = on_fini;
        child->argument = &arguments[i];
        child->argument_size = sizeof arguments[i];
        child->mailbox_cap = sim_between(p->sim, 1, 24);
        child->mailbox_policy = (uint8_t)(sim_chance(p->sim, 700) ? JZX_MAILBOX_REFUSE : sim_below(p->sim, 3));
        child->placement = JZX_PLACE_LOOP;
        child->place_loop = a->loop;
        child->keep_mail = sim_chance(p->sim, 512);
        child->restart = (uint8_t)(sim_chance(p->sim, 700) ? JZX_PERMANENT : JZX_TRANSIENT);
        child->shutdown_ns = 10000000;
    }
    jzx_context *host = jzx_loop_context(p->loops[sim_below(p->sim, p->loop_count)]);
    JZX_SIM_REQUIRE(p->sim, jzx_supervisor_start(host, &spec, &p->supervisor, NULL) == JZX_OK);
}

static void begin(play *p)
{
    static const uint32_t lengths[] = {2000, 50000, 1000000};
    p->loop_count = (uint32_t)jzx_sim_size(p->sim, "loops", 1, LOOPS);
    p->actor_count = (uint32_t)jzx_sim_size(p->sim, "actors", 2, ACTORS);
    p->ends_of_1024 = sim_chance(p->sim, 300) ? 0 : sim_below(p->sim, 300);
    p->short_ns = lengths[sim_below(p->sim, 3)];
    jzx_config *config = &p->config;
    jzx_config_init(config);
    config->loops_max = p->loop_count;
    config->lane_blocks = 2;
    config->inbox_size = 16;
    config->cells = sim_chance(p->sim, 500) ? 1024 : 4096;
    config->mailbox_cap = 24;
    config->actors_max = 64;
    config->timers_max = sim_chance(p->sim, 800) ? 1024 : 8;
    config->annexes_max = sim_chance(p->sim, 800) ? 64 : 2;
    config->shield_max_ns = 5000000;
    JZX_SIM_REQUIRE(p->sim, jzx_runtime_create(config, &p->runtime) == JZX_OK);
    for (uint32_t i = 0; i < p->loop_count; i++) {
        JZX_SIM_REQUIRE(p->sim, jzx_loop_create(p->runtime, NULL, &p->loops[i]) == JZX_OK);
    }
    p->first_child = sim_chance(p->sim, 512) ? p->actor_count : sim_below(p->sim, p->actor_count);
    for (uint32_t i = 0; i < p->first_child; i++) {
        spawn(p, i);
    }
    if (p->first_child < p->actor_count) {
        supervise(p);
    }
    static const jzx_sim_fault faults[] = {JZX_SIM_CELLS, JZX_SIM_LANE_FULL, JZX_SIM_ACTOR_FAILS, JZX_SIM_STALL};
    for (size_t i = 0; i < JZX__COUNT(faults); i++) {
        p->sim->faults.rates[faults[i]] = sim_chance(p->sim, 400) ? sim_below(p->sim, i < 2 ? 6000 : 300) : 0;
    }
    for (uint32_t i = 0; i < p->loop_count; i++) {
        JZX_SIM_REQUIRE(p->sim, jzx_loop_start(p->loops[i]) == JZX_OK);
    }
}

/* False: it cannot be told, for its loop has no cells left but those for arrivals, and the others are what it would give back. */
static bool tell_calm(play *p, const actor *a)
{
    jzx_message message = jzx_message_empty(TAG_CALM);
    jzx_err err = JZX_OK;
    for (uint32_t i = 0; a->alive && !a->calm && jzx_sim_failure(p->sim) == NULL; i++) {
        if (i >= 1000 && err == JZX_ERR_WOULD_BLOCK) {
            const jzx__pool *pool = &p->loops[a->loop]->pool;
            JZX_SIM_REQUIRE(p->sim, pool->free_count <= pool->scarce);
            return false;
        }
        err = jzx_post(p->runtime, a->id, &message);
        (void)jzx_sim_advance(p->sim, 1000000);
    }
    return true;
}

/* A request that is not answered: its call is open, or it was cancelled or has passed its deadline. */
static bool is_settled(const play *p, const jzx__pool *pool, const jzx__called *called)
{
    jzx_actor_id asker = jzx__pool_at(pool, called->mail)->sender;
    jzx_loop *loop = p->loops[jzx__id_loop(asker)];
    uint64_t token = jzx__pair_key(called->by_token.key, jzx__id_loop(asker) + 1);
    bool over = (called->scope.flags & JZX__CALL_CANCELLED) != 0 || called->scope.deadline_ns <= loop->now_ns;
    return over || jzx__request_calling(loop, token, asker) != NULL;
}

static void check_kept(const play *p)
{
    for (uint32_t i = 0; i < p->loop_count; i++) {
        const jzx__pool *pool = &p->loops[i]->pool;
        for (uint32_t at = 0; at < pool->touched; at++) {
            const jzx__called *called = (const void *)jzx__pool_at(pool, at);
            JZX_SIM_REQUIRE(p->sim, called->scope.kind != JZX__CELL_CALLED || is_settled(p, pool, called));
        }
    }
}

/* All that is left to do is done, and nothing is lost. */
static void become_calm(play *p)
{
    p->calm = true;
    (void)jzx_sim_heal(p->sim);
    (void)jzx_sim_advance(p->sim, 100000000); /* what yields is done with it, and mailboxes have room */
    if (sim_chance(p->sim, 512)) {
        (void)jzx_sim_advance(p->sim, 2000000000); /* no loop is stalled any more */
        check_kept(p);
    }
    for (uint32_t i = 0; i < p->actor_count; i++) {
        if (!tell_calm(p, &p->actors[i])) {
            return;
        }
    }
    (void)jzx_sim_advance(p->sim, 3000000000u); /* longer than any deadline */
    for (uint32_t i = 0; i < p->loop_count && jzx_sim_failure(p->sim) == NULL; i++) {
        jzx_counters counters;
        JZX_SIM_REQUIRE(p->sim, jzx_loop_stats(p->loops[i], &counters) == JZX_OK);
        if (counters.queued != 0 || counters.cells_free != p->config.cells) {
            jzx_sim_fail(p->sim, "loop %u: %llu queued, %llu cells free of %u", i, (unsigned long long)counters.queued,
                         (unsigned long long)counters.cells_free, p->config.cells);
        }
    }
    for (uint32_t i = 0; i < p->actor_count; i++) {
        JZX_SIM_REQUIRE(p->sim, !p->actors[i].alive || p->actors[i].loop != p->stopped);
    }
    for (uint32_t i = 0; i < p->made_count; i++) {
        const made *m = &p->made[i];
        bool there = p->actors[m->caller].alive && p->actors[m->caller].incarnation == m->incarnation;
        if (m->ends != 1 && there) {
            jzx_sim_fail(p->sim, "%s %u of %u, of actor %u, has ended %u times", m->gather ? "gathering" : "call", i,
                         p->made_count, m->caller, m->ends);
        }
    }
}

/* One of the loops stops, with calls under way from it, to it and on it. */
static void stop_one(play *p)
{
    p->stopped = sim_below(p->sim, p->loop_count);
    JZX_SIM_REQUIRE(p->sim, jzx_loop_request_stop(p->loops[p->stopped]) == JZX_OK);
    (void)jzx_sim_advance(p->sim, sim_below(p->sim, 5000000));
}

static void trees(jzx_sim *sim, void *argument)
{
    (void)argument;
    play *p = calloc(1, sizeof *p);
    p->made = calloc(CALLS, sizeof *p->made);
    p->sim = sim;
    sim_lot(sim);
    p->stopped = LOOPS;
    begin(p);
    bool stops = p->loop_count > 1 && sim_chance(sim, 250);
    uint32_t most_ns = stops ? 2000000 : 20000000;
    (void)jzx_sim_advance(sim, sim_chance(sim, 800) ? most_ns : sim_below(sim, 300000)); /* also into the midst of it */
    if (stops) {
        stop_one(p);
    }
    if (sim_chance(sim, 850)) {
        become_calm(p);
    }
    if (jzx_sim_failure(sim) == NULL) {
        JZX_SIM_REQUIRE(sim, jzx_runtime_shutdown(p->runtime, JZX_FOREVER, NULL) == JZX_OK);
        JZX_SIM_REQUIRE(sim, jzx_runtime_destroy(p->runtime) == JZX_OK);
        JZX_SIM_REQUIRE(sim, p->payloads == 0);
    }
    free(p->made);
    free(p);
}

Test(call, each_ends_once_and_no_cell_is_lost, .timeout = 600)
{
    seeds_play("call", trees);
}
