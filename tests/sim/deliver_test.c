/*
 * deliver: deliveries by name, by child and by id, over lanes that are full and mailboxes of one with every policy, to receivers
 * that answer at once, late or never, stash, fail, are killed and restarted at any moment, with an intake of their own or the one
 * before; from senders that cancel and end. Each delivery ends once; one that is accepted was taken and accepted by a receiver;
 * no intake hands one out again that its owner has, or that it has answered; and where receivers live, what has no deadline is
 * answered.
 */
#include <criterion/criterion.h>

#include "tests/sim/lot.h"
#include "tests/sim/seeds.h"

#include <jzx/jzx.h>
#include <stdio.h>
#include <string.h>

enum { LOOPS = 3, SOURCES = 4, POSTS = 2, ORDERS = 24, NUMBERS = SOURCES * ORDERS, KEPT = 4, REFUSED = 3 };
enum { TAG_ORDER = 1, TAG_TICK = 2, TICK_NS = 30000, LONGEST_NS = 4000000 };

typedef struct play play;

/* One delivery, as all sides have seen it. */
typedef struct order {
    bool made;
    bool cancelled;
    uint32_t ends;
    uint32_t accepted; /* answers that receivers gave */
    uint32_t refused;
    uint64_t key; /* the deliverer, once it was seen */
    uint64_t number;
    uint64_t deadline_ns;
    uint32_t retries_max;
    bool by_id;
    uint32_t taken_life[POSTS]; /* of the intake that handed it out last, and to which incarnation; 0: none */
    uint32_t taken_by[POSTS];
    uint32_t answered_life[POSTS];
} order;

/* A receiver through all its incarnations. */
typedef struct post {
    play *play;
    uint32_t index;
    char name[8];
    jzx_child_ref child;
    bool hands_on;
    uint32_t senders;
    jzx_intake *intake;
    uint32_t life; /* of the intake */
    uint32_t incarnation;
    jzx_delivery_key keys[KEPT];
    uint32_t numbers[KEPT]; /* + 1; 0: nothing is kept */
} post;

typedef struct source {
    play *play;
    uint32_t index;
    uint32_t capacity;
    jzx_deliverer *deliverer;
    uint32_t made;
    uint64_t deliveries[ORDERS]; /* as jzx_deliver() numbered them */
    bool over;
} source;

struct play {
    jzx_sim *sim;
    jzx_runtime *runtime;
    jzx_loop *loops[LOOPS];
    uint32_t loop_count;
    post posts[POSTS];
    source sources[SOURCES];
    jzx_actor_id ids[SOURCES];
    order orders[NUMBERS];
    uint32_t none; /* chances that a receiver does not answer, ends, ... of 1024 */
    uint32_t ending;
    bool calm; /* no receiver ends, forgets, or has no room for a sender: whoever waits long enough is answered */
    bool closes;
};

/* ---- receivers ---- */

static void note_answer(const post *self, uint32_t number, int32_t code)
{
    order *o = &self->play->orders[number];
    JZX_SIM_REQUIRE(self->play->sim, o->answered_life[self->index] != self->life);
    o->answered_life[self->index] = self->life;
    o->accepted += code == 0;
    o->refused += code != 0;
}

/* One that its deliverer has passed, or that was forgotten with it, is not answered. */
static void answer(jzx_context *context, const post *self, const jzx_delivery_key *key, uint32_t number, bool now)
{
    int32_t code = sim_chance(self->play->sim, 200) ? REFUSED : 0;
    jzx_err err = jzx_intake_answer(context, self->intake, key, code);
    JZX_SIM_REQUIRE(self->play->sim, err == JZX_OK || (!now && err == JZX_ERR_NO_SUCH_REQUEST));
    if (err == JZX_OK) {
        note_answer(self, number, code);
        JZX_SIM_REQUIRE(self->play->sim,
                        jzx_intake_answer(context, self->intake, key, code) == JZX_ERR_NO_SUCH_REQUEST);
    }
}

static void answer_kept(jzx_context *context, post *self, uint32_t place)
{
    if (self->numbers[place] != 0) {
        answer(context, self, &self->keys[place], self->numbers[place] - 1, false);
        self->numbers[place] = 0;
    }
}

static void check_taken(const post *self, const jzx_taken *taken, uint32_t number)
{
    const play *p = self->play;
    order *o = &self->play->orders[number];
    uint32_t index = self->index;
    JZX_SIM_REQUIRE(p->sim, taken->message.tag == TAG_ORDER && taken->message.sender == p->ids[number / ORDERS]);
    JZX_SIM_REQUIRE(p->sim, o->key == 0 || (o->key == taken->key.sender && o->number == taken->key.number));
    bool again = o->taken_life[index] == self->life && o->taken_by[index] == self->incarnation;
    JZX_SIM_REQUIRE(p->sim, !again && o->answered_life[index] != self->life);
    o->key = taken->key.sender;
    o->number = taken->key.number;
    o->taken_life[index] = self->life;
    o->taken_by[index] = self->incarnation;
}

static jzx_behavior_result handle(jzx_context *context, post *self, const jzx_taken *taken)
{
    play *p = self->play;
    uint64_t word;
    JZX_SIM_REQUIRE(p->sim, taken->message.size == sizeof word);
    memcpy(&word, jzx_message_data(&taken->message), sizeof word);
    JZX_SIM_REQUIRE(p->sim, word < NUMBERS);
    uint32_t number = (uint32_t)word;
    check_taken(self, taken, number);
    if (sim_chance(p->sim, p->ending)) {
        return JZX_BEHAVIOR_FAIL;
    }
    if (sim_chance(p->sim, 400)) {
        uint32_t place = sim_below(p->sim, KEPT);
        answer_kept(context, self, place);
        self->keys[place] = taken->key;
        self->numbers[place] = number + 1;
    } else if (!sim_chance(p->sim, p->none)) {
        answer(context, self, &taken->key, number, true);
    }
    return sim_chance(p->sim, p->ending) ? JZX_BEHAVIOR_FAIL : JZX_BEHAVIOR_OK;
}

static jzx_behavior_result receive(jzx_context *context, void *state, const jzx_message *message)
{
    post *self = state;
    const play *p = self->play;
    if (message->tag == TAG_TICK) {
        answer_kept(context, self, sim_below(p->sim, KEPT));
        JZX_SIM_REQUIRE(p->sim, jzx_unstash_all(context) == JZX_OK);
        return JZX_BEHAVIOR_OK;
    }
    if (jzx_stashed(context) == 0 && sim_chance(p->sim, 60)) {
        return JZX_BEHAVIOR_STASH; /* not ready: before it takes */
    }
    jzx_taken taken;
    jzx_err err = jzx_intake_take(context, self->intake, message, &taken);
    switch (err) {
    case JZX_OK:
        return handle(context, self, &taken);
    case JZX_ERR_DUPLICATE:
    case JZX_ERR_TIMEOUT:
        return JZX_BEHAVIOR_OK;
    default:
        JZX_SIM_REQUIRE(p->sim, err == JZX_ERR_LIMIT && self->senders < SOURCES);
        return JZX_BEHAVIOR_OK;
    }
}

static jzx_err begin_post(jzx_context *context, void *argument, void **state)
{
    post *self = *(post **)argument;
    jzx_message tick = jzx_message_empty(TAG_TICK);
    self->child = jzx_child_self(context);
    self->incarnation++;
    memset(self->numbers, 0, sizeof self->numbers);
    if (!self->hands_on) {
        self->life++;
        JZX_SIM_REQUIRE(self->play->sim, jzx_intake_create(context, self->senders, ORDERS, &self->intake) == JZX_OK);
    }
    *state = self;
    return jzx_timer_every(context, TICK_NS, JZX_TICKS_SKIP, &tick, NULL);
}

static void end_post(jzx_context *context, void *state, const jzx_exit_info *info)
{
    post *self = state;
    (void)context;
    (void)info;
    if (!self->hands_on) {
        jzx_intake_destroy(self->intake);
    }
}

/* ---- senders ---- */

static bool may_end_with(const play *p, const order *o, const jzx_delivered *delivered)
{
    switch (delivered->err) {
    case JZX_OK:
        return o->accepted > 0 && delivered->code == 0;
    case JZX_ERR_REFUSED:
        return o->refused > 0 && delivered->code == REFUSED;
    case JZX_ERR_UNDELIVERED:
        return delivered->attempts == o->retries_max + 1 && delivered->last != JZX_OK;
    case JZX_ERR_TIMEOUT:
        return jzx_sim_now_ns(p->sim) >= o->deadline_ns;
    case JZX_ERR_CANCELLED:
        return o->cancelled;
    case JZX_ERR_NO_SUCH_ACTOR:
    case JZX_ERR_ENDED:
    case JZX_ERR_STOPPING:
    case JZX_ERR_LOOP_CLOSED:
        return o->by_id || p->closes;
    case JZX_ERR_NOT_FOUND: /* the supervisor of the child */
        return p->closes;
    default: /* no cell to wait with: the fault of this run */
        return delivered->err == JZX_ERR_WOULD_BLOCK;
    }
}

static jzx_behavior_result done(jzx_context *context, void *state, void *argument, const jzx_delivered *delivered)
{
    source *self = state;
    const play *p = self->play;
    order *o = argument;
    (void)context;
    o->ends++;
    JZX_SIM_REQUIRE(p->sim, o->made && o->ends == 1 && !self->over);
    if (!may_end_with(p, o, delivered)) {
        jzx_sim_fail(p->sim, "delivery %d ended with %s after %u attempts, accepted %u", (int)(o - p->orders),
                     jzx_strerror(delivered->err), delivered->attempts, o->accepted);
    }
    JZX_SIM_REQUIRE(p->sim, delivered->attempts <= o->retries_max + 1 && delivered->attempts > 0);
    return JZX_BEHAVIOR_OK;
}

static jzx_addressee draw_to(const play *p, order *o)
{
    const post *to = &p->posts[sim_below(p->sim, POSTS)];
    jzx_actor_id id;
    o->by_id = false;
    if (to->child != 0 && sim_chance(p->sim, 300)) {
        return jzx_addressee_child(to->child);
    }
    if (sim_chance(p->sim, 200) && jzx_whereis(p->runtime, to->name, &id) == JZX_OK) {
        o->by_id = true;
        return jzx_addressee_id(id);
    }
    return jzx_addressee_name(to->name);
}

static void make_one(jzx_context *context, source *self)
{
    play *p = self->play;
    uint64_t number = self->index * ORDERS + self->made;
    order *o = &p->orders[number];
    jzx_deliver_options options;
    jzx_deliver_options_init(&options);
    options.retry_ns = jzx_sim_between(p->sim, 1, 60000);
    options.attempt_ns = sim_chance(p->sim, 512) ? JZX_FOREVER : jzx_sim_between(p->sim, 1, 100000);
    options.retries_max = sim_below(p->sim, 40);
    options.deadline_ns = jzx_clock_ns(context) + jzx_sim_between(p->sim, 1, LONGEST_NS);
    if (p->calm && sim_chance(p->sim, 512)) {
        options.attempt_ns = sim_chance(p->sim, 512) ? JZX_FOREVER : jzx_sim_between(p->sim, 2000000, 4000000);
        options.retries_max = 1u << 30;
        options.deadline_ns = JZX_FOREVER;
    }
    options.on_done = done;
    options.argument = o;
    o->deadline_ns = options.deadline_ns;
    o->retries_max = options.retries_max;
    jzx_addressee to = draw_to(p, o);
    jzx_message message = jzx_message_value(TAG_ORDER, &number, sizeof number);
    if (sim_chance(p->sim, 512)) {
        jzx_buffer *buffer;
        JZX_SIM_REQUIRE(p->sim, jzx_buffer_copy(p->runtime, &number, sizeof number, &buffer) == JZX_OK);
        message = jzx_message_buffer(TAG_ORDER, buffer);
    }
    o->made = true; /* another thread may see it before the call returns */
    jzx_err err = jzx_deliver(context, self->deliverer, &to, &message, &options, &self->deliveries[self->made]);
    if (err != JZX_OK) {
        o->made = false;
        jzx_buffer_unref(jzx_message_buffer_of(&message));
        bool gone = o->by_id || options.retries_max == 0 || p->closes;
        JZX_SIM_REQUIRE(p->sim, err == JZX_ERR_LIMIT || err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_TIMEOUT || gone);
        return;
    }
    self->made++;
}

static void cancel_one(jzx_context *context, source *self)
{
    play *p = self->play;
    uint32_t nth = sim_below(p->sim, self->made);
    order *o = &p->orders[self->index * ORDERS + nth];
    jzx_err err = self->made == 0 ? JZX_ERR_NO_SUCH_REQUEST
                                  : jzx_deliver_cancel(context, self->deliverer, self->deliveries[nth]);
    JZX_SIM_REQUIRE(p->sim, err == (self->made > 0 && o->ends == 0 ? JZX_OK : JZX_ERR_NO_SUCH_REQUEST));
    o->cancelled = o->cancelled || err == JZX_OK;
}

static void kill_one(jzx_context *context, const play *p)
{
    jzx_actor_id id;
    if (jzx_whereis(p->runtime, p->posts[sim_below(p->sim, POSTS)].name, &id) == JZX_OK) {
        (void)(sim_chance(p->sim, 512) ? jzx_kill(context, id) : jzx_fail(context, id, 1, NULL));
    }
}

static jzx_behavior_result trade_on(jzx_context *context, void *state, const jzx_message *message)
{
    source *self = state;
    play *p = self->play;
    if (message->tag != TAG_TICK) {
        return JZX_BEHAVIOR_OK;
    }
    for (uint32_t n = sim_below(p->sim, 3); n > 0 && self->made < ORDERS; n--) {
        make_one(context, self);
    }
    if (self->made < ORDERS && sim_chance(p->sim, 100)) { /* not those that are waited for */
        cancel_one(context, self);
    }
    if (sim_chance(p->sim, p->ending)) {
        kill_one(context, p);
    }
    return sim_chance(p->sim, p->ending / 16) ? JZX_BEHAVIOR_FAIL : JZX_BEHAVIOR_OK;
}

static jzx_err begin_source(jzx_context *context, void *argument, void **state)
{
    source *self = argument;
    jzx_message tick = jzx_message_empty(TAG_TICK);
    *state = self;
    JZX_SIM_REQUIRE(self->play->sim, jzx_deliverer_create(context, self->capacity, &self->deliverer) == JZX_OK);
    return jzx_timer_every(context, TICK_NS, JZX_TICKS_SKIP, &tick, NULL);
}

static void end_source(jzx_context *context, void *state, const jzx_exit_info *info)
{
    source *self = state;
    (void)info;
    self->over = true;
    JZX_SIM_REQUIRE(self->play->sim, jzx_deliverer_destroy(context, self->deliverer) == JZX_OK);
}

/* ---- the run ---- */

static void open_runtime(play *p)
{
    jzx_config config;
    jzx_config_init(&config);
    config.loops_max = p->loop_count;
    config.lane_blocks = 2;
    config.inbox_size = 16;
    config.cells = 4096;
    config.mailbox_cap = 16;
    config.actors_max = 16;
    config.oldest_kernel = sim_chance(p->sim, 300);
    JZX_SIM_REQUIRE(p->sim, jzx_runtime_create(&config, &p->runtime) == JZX_OK);
    for (uint32_t i = 0; i < p->loop_count; i++) {
        JZX_SIM_REQUIRE(p->sim, jzx_loop_create(p->runtime, NULL, &p->loops[i]) == JZX_OK);
    }
}

static void start_posts(play *p)
{
    static jzx_child_spec children[POSTS];
    static post *arguments[POSTS];
    for (uint32_t i = 0; i < POSTS; i++) {
        post *self = &p->posts[i];
        uint32_t loop = sim_below(p->sim, p->loop_count);
        *self = (post){.play = p, .index = i, .hands_on = sim_chance(p->sim, 512)};
        (void)snprintf(self->name, sizeof self->name, "post%u", i);
        self->senders = p->calm ? SOURCES : sim_between(p->sim, 1, SOURCES);
        arguments[i] = self;
        jzx_child_spec_init(&children[i]);
        children[i].name = self->name;
        children[i].register_name = true;
        children[i].init = begin_post;
        children[i].behavior = receive;
        children[i].fini = end_post;
        children[i].argument = &arguments[i];
        children[i].placement = JZX_PLACE_LOOP;
        children[i].place_loop = loop;
        children[i].mailbox_cap = sim_between(p->sim, 1, 4);
        children[i].mailbox_policy = (uint8_t)sim_below(p->sim, 3);
        children[i].keep_mail = sim_chance(p->sim, 512);
        if (self->hands_on) {
            self->life = 1;
            jzx_context *host = jzx_loop_context(p->loops[loop]);
            JZX_SIM_REQUIRE(p->sim, jzx_intake_create(host, self->senders, ORDERS, &self->intake) == JZX_OK);
        }
    }
    jzx_supervisor_spec spec;
    jzx_supervisor_spec_init(&spec);
    spec.intensity = JZX_INTENSITY_UNLIMITED;
    spec.child_count = POSTS;
    spec.children = children;
    JZX_SIM_REQUIRE(p->sim, jzx_supervisor_start(jzx_loop_context(p->loops[0]), &spec, NULL, NULL) == JZX_OK);
}

static void spawn_sources(play *p)
{
    for (uint32_t i = 0; i < SOURCES; i++) {
        jzx_spawn_options options;
        jzx_spawn_options_init(&options);
        p->sources[i] = (source){.play = p, .index = i, .capacity = sim_between(p->sim, 1, ORDERS)};
        options.init = begin_source;
        options.behavior = trade_on;
        options.fini = end_source;
        options.argument = &p->sources[i];
        jzx_context *host = jzx_loop_context(p->loops[i % p->loop_count]);
        JZX_SIM_REQUIRE(p->sim, jzx_spawn(host, &options, &p->ids[i]) == JZX_OK);
    }
}

/* A delivery has no end yet, and its sender lives. */
static bool is_open(const play *p)
{
    for (uint32_t i = 0; i < NUMBERS; i++) {
        const order *o = &p->orders[i];
        if (o->made && o->ends == 0 && !p->sources[i / ORDERS].over) {
            return true;
        }
    }
    return false;
}

static void trade(jzx_sim *sim, void *argument)
{
    static play whole;
    play *p = &whole;
    (void)argument;
    memset(p, 0, sizeof *p);
    p->sim = sim;
    sim_lot(sim);
    p->loop_count = sim_between(sim, 1, LOOPS);
    p->ending = sim_chance(sim, 300) ? 0 : sim_below(sim, 150);
    p->none = sim_chance(sim, 512) ? 0 : sim_below(sim, 300);
    p->calm = p->ending == 0 && p->none == 0;
    open_runtime(p);
    start_posts(p);
    spawn_sources(p);
    for (uint32_t i = 0; i < p->loop_count; i++) {
        JZX_SIM_REQUIRE(sim, jzx_loop_start(p->loops[i]) == JZX_OK);
    }
    for (uint32_t i = 0; i < 3; i++) {
        jzx_sim_injection full = {.fault = i == 0 ? JZX_SIM_CELLS : JZX_SIM_LANE_FULL,
                                  .after = sim_below(sim, 200),
                                  .times = sim_below(sim, 8)};
        (void)jzx_sim_inject(sim, &full);
    }
    (void)jzx_sim_advance(sim, sim_below(sim, 2000000));
    if (sim_chance(sim, 700)) { /* else the stop comes in the midst of them */
        for (uint32_t i = 0; i < 5000 && is_open(p); i++) {
            (void)jzx_sim_advance(sim, 1000000);
        }
        JZX_SIM_REQUIRE(sim, !is_open(p));
    }
    p->closes = true;
    JZX_SIM_REQUIRE(sim, jzx_runtime_shutdown(p->runtime, JZX_FOREVER, NULL) == JZX_OK);
    for (uint32_t i = 0; i < POSTS; i++) {
        if (p->posts[i].hands_on) {
            jzx_intake_destroy(p->posts[i].intake);
        }
    }
    JZX_SIM_REQUIRE(sim, jzx_runtime_destroy(p->runtime) == JZX_OK);
    JZX_SIM_REQUIRE(sim, jzx_sim_run(sim) == JZX_OK);
}

Test(deliver, CL06_each_ends_once_and_is_handed_out_once, .timeout = 600)
{
    seeds_play("deliver", trade);
}
