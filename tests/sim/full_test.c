/*
 * full: full queues cannot deadlock. A ring of actors with mailboxes of one, on one to four loops whose lanes hold little, in
 * which each does everything that there is, at once: it calls others, waits for some of them exclusively, passes messages on
 * through flows of one credit, broadcasts to a group that all are in, and sends what is refused most of the time. Replies,
 * credits and signals need no room in a mailbox, so in the end, with or without deaths and deadlines:
 *
 *   - each call and each broadcast that was accepted has ended in its caller, or its caller has ended
 *   - who was refused and asked to be told of room was told
 *   - each flow whose actors live has brought all there was to bring
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/lot.h"
#include "tests/sim/seeds.h"

enum { SEATS = 8, LOOPS = 4, ROUNDS = 12, TICKS = 10, CALLS = 2000, KEPT = 32 };
enum { TAG_BEGIN = 1, TAG_TICK, TAG_ASK, TAG_NOISE, TAG_PASS, TAG_ANSWER };
static const uint64_t MS = 1000000;

typedef struct play play;
typedef struct seat seat;

/* A call, and which request is answered when it ends. */
typedef struct asked {
    seat *caller;
    uint64_t ref; /* 0: none */
    bool ended;
} asked;

struct seat {
    play *play;
    uint32_t index;
    jzx_actor_id id;
    bool over;
    uint32_t ticks;
    uint64_t kept[KEPT];
    uint32_t kept_count;
    jzx_flow_id out;
    jzx_flow_id in;
    uint32_t sent;       /* through its flow */
    uint32_t got;        /* through the one that comes to it */
    uint32_t broadcasts; /* requests that are not answered */
    bool resumes[SEATS]; /* it is to be told of room at these */
    jzx_member_id member;
};

struct play {
    jzx_sim *sim;
    jzx_runtime *runtime;
    jzx_loop *loops[LOOPS];
    uint32_t loop_count;
    uint32_t seat_count;
    seat seats[SEATS];
    jzx_group group;
    asked calls[CALLS];
    uint32_t call_count;
    uint32_t deadlines; /* of 1,024 */
    uint32_t deaths;
};

static seat *after(const seat *self)
{
    return &self->play->seats[(self->index + 1) % self->play->seat_count];
}

static seat *any_seat(play *p)
{
    return &p->seats[sim_below(p->sim, p->seat_count)];
}

/* ---- what is refused ---- */

static void ask_for_room(seat *self, jzx_context *context, const seat *at)
{
    jzx_err err = jzx_resume(context, at->id);
    JZX_SIM_REQUIRE(self->play->sim, err == JZX_OK || at->over || err == JZX_ERR_LIMIT || err == JZX_ERR_STOPPING ||
                                         err == JZX_ERR_NO_SUCH_ACTOR);
    self->resumes[at->index] |= err == JZX_OK;
}

static void has_room(seat *self, const jzx_resumed *resumed)
{
    for (uint32_t i = 0; i < self->play->seat_count; i++) {
        self->resumes[i] &= self->play->seats[i].id != resumed->target;
    }
}

static void make_noise(seat *self, jzx_context *context)
{
    jzx_message message = jzx_message_empty(TAG_NOISE);
    for (uint32_t i = sim_below(self->play->sim, 8); i > 0; i--) {
        const seat *to = any_seat(self->play);
        jzx_err err = jzx_send_with(context, to->id, &message, sim_chance(self->play->sim, 300) ? JZX_SEND_HIGH : 0);
        if (err == JZX_ERR_MAILBOX_FULL && sim_chance(self->play->sim, 300)) {
            ask_for_room(self, context, to);
        }
    }
}

/* ---- flows ---- */

static void pass_on(seat *self, jzx_context *context)
{
    jzx_message message = jzx_message_empty(TAG_PASS);
    while (self->out != 0 && self->sent < ROUNDS) {
        jzx_err err = jzx_flow_send(context, self->out, &message);
        if (err == JZX_ERR_WOULD_BLOCK) {
            ask_for_room(self, context, after(self));
        }
        if (err != JZX_OK) {
            bool known = err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_NO_CREDIT || self->play->deaths > 0;
            JZX_SIM_REQUIRE(self->play->sim, known); /* never for a full mailbox */
            return;
        }
        self->sent++;
    }
}

/* ---- calls ---- */

static void call(seat *self, jzx_context *context, bool exclusive, uint64_t ref);

static void answer(const seat *self, jzx_context *context, uint64_t ref)
{
    jzx_message message = jzx_message_empty(TAG_ANSWER);
    jzx_err err = jzx_answer(context, ref, &message);
    JZX_SIM_REQUIRE(self->play->sim, err == JZX_OK);
}

static jzx_behavior_result has_ended(jzx_context *context, void *state, void *argument, const jzx_result *result)
{
    asked *one = argument;
    seat *self = state;
    play *p = self->play;
    JZX_SIM_REQUIRE(p->sim, one->caller == self && !one->ended && !self->over);
    bool known = result->err == JZX_OK || result->err == JZX_ERR_DEADLOCK || result->err == JZX_ERR_CANCELLED ||
                 result->err == JZX_ERR_MAILBOX_FULL || p->deadlines > 0 || p->deaths > 0;
    JZX_SIM_REQUIRE(p->sim, known);
    one->ended = true;
    if (one->ref != 0) {
        answer(self, context, one->ref);
    }
    pass_on(self, context);
    return JZX_BEHAVIOR_OK;
}

/* What it is asked for must not wait for one that is not exclusive: nobody would find that circle. */
static void call(seat *self, jzx_context *context, bool exclusive, uint64_t ref)
{
    play *p = self->play;
    jzx_call_options options;
    jzx_message message = jzx_message_empty(TAG_ASK);
    asked *one = &p->calls[p->call_count];
    *one = (asked){.caller = self, .ref = ref};
    jzx_call_options_init(&options);
    options.on_answer = has_ended;
    options.argument = one;
    options.exclusive = exclusive;
    options.high = sim_chance(p->sim, 200);
    if (sim_chance(p->sim, p->deadlines)) {
        options.deadline_ns = jzx_clock_ns(context) + jzx_sim_between(p->sim, 1, MS);
    }
    bool full = p->call_count == CALLS;
    jzx_err err = full ? JZX_ERR_LIMIT : jzx_call_with(context, any_seat(p)->id, &message, &options, NULL);
    p->call_count += err == JZX_OK;
    if (err != JZX_OK && ref != 0) {
        answer(self, context, ref);
    }
}

static void is_asked(seat *self, jzx_context *context, uint64_t ref)
{
    uint32_t how = sim_below(self->play->sim, 8);
    if (how < 2 && self->kept_count < KEPT && self->ticks > 0) {
        self->kept[self->kept_count++] = ref;
    } else if (how < 5) {
        call(self, context, true, ref);
    } else {
        answer(self, context, ref);
    }
}

/* ---- the group ---- */

static void broadcast(seat *self, jzx_context *context)
{
    jzx_message message = jzx_message_empty(TAG_NOISE);
    uint64_t ref;
    jzx_err err = jzx_broadcast_request(context, &self->play->group, &message, 0, JZX_FOREVER, &ref, NULL);
    self->broadcasts += err == JZX_OK;
}

/* ---- handlers ---- */

static void tick(seat *self, jzx_context *context)
{
    play *p = self->play;
    jzx_message message = jzx_message_empty(TAG_TICK);
    if (--self->ticks > 0) {
        JZX_SIM_REQUIRE(p->sim, jzx_timer_after(context, jzx_sim_between(p->sim, 0, 50000), &message, NULL) == JZX_OK);
    }
    while (self->kept_count > 0) { /* with the last tick all are answered */
        answer(self, context, self->kept[--self->kept_count]);
    }
    make_noise(self, context);
    pass_on(self, context);
    if (sim_chance(p->sim, 300)) {
        broadcast(self, context);
    }
    for (uint32_t i = sim_below(p->sim, 3); i > 0; i--) {
        call(self, context, false, 0);
    }
    if (sim_chance(p->sim, 600)) {
        call(self, context, true, 0);
    }
}

static void begin(seat *self, jzx_context *context)
{
    jzx_sim *sim = self->play->sim;
    jzx_message message = jzx_message_empty(TAG_TICK);
    JZX_SIM_REQUIRE(sim, jzx_group_join(context, &self->play->group, self->index, &self->member, NULL, NULL) == JZX_OK);
    jzx_err err = jzx_flow_offer(context, after(self)->id, &self->out);
    JZX_SIM_REQUIRE(sim, err == JZX_OK || self->play->deaths > 0);
    JZX_SIM_REQUIRE(sim, jzx_timer_after(context, jzx_sim_between(sim, 0, 50000), &message, NULL) == JZX_OK);
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    seat *self = state;
    jzx_sim *sim = self->play->sim;
    switch (message->tag) {
    case TAG_BEGIN:
        begin(self, context);
        break;
    case TAG_TICK:
        tick(self, context);
        break;
    case TAG_ASK:
        is_asked(self, context, message->ref);
        break;
    case TAG_PASS:
        self->got++;
        (void)jzx_flow_grant(context, self->in, 1); /* its sender may have ended */
        break;
    case JZX_TAG_SYS_FLOW: {
        const jzx_flow_opened *opened = jzx_message_data(message);
        self->in = opened->flow;
        (void)jzx_flow_grant(context, self->in, 1);
        break;
    }
    case JZX_TAG_SYS_FLOW_ENDED: {
        const jzx_flow_ended *ended = jzx_message_data(message);
        self->out = self->out == ended->flow ? 0 : self->out;
        break;
    }
    case JZX_TAG_SYS_RESUME:
        has_room(self, jzx_message_data(message));
        break;
    case JZX_TAG_SYS_BROADCAST:
        JZX_SIM_REQUIRE(sim, self->broadcasts > 0);
        self->broadcasts--;
        break;
    default:
        break;
    }
    pass_on(self, context);
    return JZX_BEHAVIOR_OK;
}

static void on_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    (void)context;
    (void)info;
    ((seat *)state)->over = true;
}

/* ---- the play ---- */

static void set_up(play *p)
{
    jzx_config config;
    jzx_space *space;
    jzx_config_init(&config);
    config.lane_blocks = 2;
    config.inbox_size = 8;
    config.cells = 8192;
    config.mailbox_cap = 1;
    config.actors_max = 32;
    config.loops_max = LOOPS;
    config.messages_per_actor = 1 + sim_below(p->sim, 4);
    JZX_SIM_REQUIRE(p->sim, jzx_runtime_create(&config, &p->runtime) == JZX_OK);
    JZX_SIM_REQUIRE(p->sim, jzx_space_create(p->runtime, NULL, &space) == JZX_OK);
    p->group = jzx_group_named(space, "all");
    p->loop_count = sim_between(p->sim, 1, LOOPS);
    for (uint32_t i = 0; i < p->loop_count; i++) {
        JZX_SIM_REQUIRE(p->sim, jzx_loop_create(p->runtime, NULL, &p->loops[i]) == JZX_OK);
    }
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = behave;
    options.fini = on_fini;
    for (uint32_t i = 0; i < p->seat_count; i++) {
        seat *one = &p->seats[i];
        *one = (seat){.play = p, .index = i, .ticks = (uint32_t)jzx_sim_size(p->sim, "ticks", 1, TICKS)};
        options.argument = one;
        jzx_context *host = jzx_loop_context(p->loops[sim_below(p->sim, p->loop_count)]);
        JZX_SIM_REQUIRE(p->sim, jzx_spawn(host, &options, &one->id) == JZX_OK);
    }
    jzx_message message = jzx_message_empty(TAG_BEGIN);
    for (uint32_t i = 0; i < p->seat_count; i++) {
        jzx_actor_id id = p->seats[i].id;
        JZX_SIM_REQUIRE(p->sim, jzx_send(jzx_loop_context(p->loops[jzx_actor_loop(id)]), id, &message) == JZX_OK);
    }
}

static void end_some(play *p)
{
    for (uint32_t i = 0; i < p->deaths; i++) {
        (void)jzx_sim_advance(p->sim, jzx_sim_between(p->sim, 0, MS / 2));
        if (sim_chance(p->sim, 512)) {
            (void)jzx_sim_kill(p->sim, p->runtime, any_seat(p)->id);
        } else {
            (void)jzx_sim_fail_actor(p->sim, p->runtime, any_seat(p)->id, 3);
        }
    }
}

static void check_rest(const play *p)
{
    for (uint32_t i = 0; i < p->call_count; i++) {
        if (!p->calls[i].ended && !p->calls[i].caller->over) {
            jzx_sim_fail(p->sim, "player %u: call %u has no end", p->calls[i].caller->index, i);
        }
    }
    for (uint32_t i = 0; i < p->seat_count; i++) {
        const seat *one = &p->seats[i];
        if (one->over) {
            continue;
        }
        JZX_SIM_REQUIRE(p->sim, one->ticks == 0 && one->kept_count == 0);
        JZX_SIM_REQUIRE(p->sim, one->broadcasts == 0);
        for (uint32_t to = 0; to < p->seat_count; to++) {
            JZX_SIM_REQUIRE(p->sim, !one->resumes[to]);
        }
        JZX_SIM_REQUIRE(p->sim, after(one)->over || (one->sent == ROUNDS && after(one)->got == ROUNDS));
    }
}

static void full(jzx_sim *sim, void *argument)
{
    play *p = calloc(1, sizeof *p);
    (void)argument;
    JZX_SIM_REQUIRE(sim, p != NULL);
    p->sim = sim;
    sim_lot(sim);
    p->seat_count = (uint32_t)jzx_sim_size(sim, "seats", 2, SEATS);
    p->deadlines = sim_chance(sim, 600) ? 0 : sim_below(sim, 400);
    p->deaths = sim_chance(sim, 600) ? 0 : sim_below(sim, 4);
    set_up(p);
    for (uint32_t i = 0; i < p->loop_count; i++) {
        JZX_SIM_REQUIRE(sim, jzx_loop_start(p->loops[i]) == JZX_OK);
    }
    end_some(p);
    JZX_SIM_REQUIRE(sim, jzx_sim_advance(sim, 1000 * MS) == JZX_OK);
    check_rest(p);
    JZX_SIM_REQUIRE(sim, jzx_runtime_shutdown(p->runtime, 100000 * MS, NULL) == JZX_OK);
    JZX_SIM_REQUIRE(sim, jzx_runtime_destroy(p->runtime) == JZX_OK);
    free(p);
}

Test(full, queues_of_one_cannot_deadlock, .timeout = 600)
{
    seeds_play("full", full);
}
