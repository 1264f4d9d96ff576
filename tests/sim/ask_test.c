/*
 * ask: threads that ask, more of them than may at one time, with deadlines of every length; actors that answer at once, late,
 * not at all, let another answer, or end; a stop at any moment, and a runtime that is destroyed while threads are asleep in
 * it. Each ask comes to one end, with the answer to this very question; each payload, of a question or an answer, has one fate.
 */
#include <criterion/criterion.h>

#include "sched/loop.h"
#include "tests/sim/lot.h"
#include "tests/sim/seeds.h"

#include <jzx/jzx.h>
#include <stdio.h>
#include <string.h>

enum { LOOPS = 2, ASKERS = 4, ASKS = 24, SERVANTS = 3, KEPT = 6, TAG_ASK = 1, TAG_REPLY = 2, TAG_TICK = 3 };
enum { NUMBERS = ASKERS * ASKS };

typedef enum fate { OFFERED = 0, ACCEPTED, TAKEN, DROPPED } fate;

typedef struct play play;

typedef struct servant {
    play *play;
    uint64_t refs[KEPT]; /* 0: none */
    uint32_t numbers[KEPT];
} servant;

typedef struct asker {
    play *play;
    uint32_t index;
} asker;

struct play {
    jzx_sim *sim;
    jzx_runtime *runtime;
    jzx_loop *loops[LOOPS];
    uint32_t loop_count;
    servant servants[SERVANTS];
    jzx_actor_id ids[SERVANTS];
    asker askers[ASKERS];
    uint8_t questions[NUMBERS]; /* fate */
    uint8_t answers[NUMBERS];
    uint32_t inside; /* askers */
    bool closes;     /* a stop has begun, of one loop or of all */
    bool over;       /* nobody asks any more */
};

/* ---- payloads: only the place of a number is used, and what comes to it is noted ---- */

static void meets(play *p, uint8_t *fates, uint32_t number, fate to)
{
    JZX_SIM_REQUIRE(p->sim, number < NUMBERS && fates[number] < TAKEN);
    fates[number] = (uint8_t)to;
}

static void drop_question(void *context, void *data, size_t size)
{
    play *p = context;
    (void)size;
    meets(p, p->questions, (uint32_t)((uint8_t *)data - p->questions), DROPPED);
}

static void drop_answer(void *context, void *data, size_t size)
{
    play *p = context;
    (void)size;
    meets(p, p->answers, (uint32_t)((uint8_t *)data - p->answers), DROPPED);
}

/* ---- actors ---- */

static void answer(jzx_context *context, play *p, uint64_t ref, uint32_t number)
{
    bool pointer = sim_chance(p->sim, 512);
    jzx_message reply = pointer ? jzx_message_pointer(TAG_REPLY, &p->answers[number], 1, drop_answer, p)
                                : jzx_message_value(TAG_REPLY, &number, sizeof number);
    p->answers[number] = pointer ? ACCEPTED : OFFERED;
    JZX_SIM_REQUIRE(p->sim, jzx_answer(context, ref, &reply) == JZX_OK);
}

static void answer_kept(jzx_context *context, servant *self, uint32_t place)
{
    if (self->refs[place] != 0) {
        answer(context, self->play, self->refs[place], self->numbers[place]);
        self->refs[place] = 0;
    }
}

static jzx_behavior_result serve(jzx_context *context, void *state, const jzx_message *message)
{
    servant *self = state;
    play *p = self->play;
    uint32_t place = sim_below(p->sim, KEPT);
    if (message->tag == TAG_TICK) {
        answer_kept(context, self, place);
        return JZX_BEHAVIOR_OK;
    }
    JZX_SIM_REQUIRE(p->sim, (message->flags & JZX_MESSAGE_REQUEST) != 0 && message->sender == 0);
    if (sim_chance(p->sim, 60)) {
        return JZX_BEHAVIOR_UNHANDLED;
    }
    if (sim_chance(p->sim, 150) &&
        jzx_delegate(context, message->ref, p->ids[sim_below(p->sim, SERVANTS)], message) == JZX_OK) {
        return JZX_BEHAVIOR_OK; /* the question is another's to answer */
    }
    bool pointer = (message->flags & JZX_MESSAGE_POINTER) != 0;
    uint32_t number = pointer ? (uint32_t)((const uint8_t *)message->pointer.data - p->questions)
                              : (uint32_t)message->words[0];
    meets(p, p->questions, number, TAKEN);
    if (sim_chance(p->sim, 400)) {
        answer_kept(context, self, place);
        self->refs[place] = message->ref;
        self->numbers[place] = number;
    } else {
        answer(context, p, message->ref, number);
    }
    return sim_chance(p->sim, 20) ? JZX_BEHAVIOR_FAIL : JZX_BEHAVIOR_OK;
}

static jzx_err begin_to_serve(jzx_context *context, void *argument, void **state)
{
    servant *self = argument;
    jzx_message tick = jzx_message_empty(TAG_TICK);
    *state = self;
    return jzx_timer_every(context, 20000, JZX_TICKS_SKIP, &tick, NULL);
}

static void spawn_servants(play *p)
{
    for (uint32_t i = 0; i < SERVANTS; i++) {
        jzx_spawn_options options;
        jzx_spawn_options_init(&options);
        p->servants[i].play = p;
        options.init = begin_to_serve;
        options.behavior = serve;
        options.argument = &p->servants[i];
        options.mailbox_cap = sim_between(p->sim, 1, 4);
        options.mailbox_policy = (uint8_t)sim_below(p->sim, 3);
        jzx_context *host = jzx_loop_context(p->loops[i % p->loop_count]);
        JZX_SIM_REQUIRE(p->sim, jzx_spawn(host, &options, &p->ids[i]) == JZX_OK);
    }
}

/* ---- askers ---- */

static uint64_t draw_timeout(jzx_sim *sim)
{
    static const uint64_t most[] = {1, 1000, 30000, 1000000};
    return sim_chance(sim, 400) ? JZX_FOREVER : jzx_sim_between(sim, 0, most[sim_below(sim, 4)]);
}

static void check_end(play *p, uint32_t number, const jzx_message *reply, uint64_t due_ns)
{
    jzx_err err = jzx_answer_err(reply);
    JZX_SIM_REQUIRE(p->sim, reply->ref == 0 && (reply->flags & JZX_MESSAGE_ANSWER) != 0);
    switch (err) {
    case JZX_OK:
        JZX_SIM_REQUIRE(p->sim, reply->tag == TAG_REPLY);
        if ((reply->flags & JZX_MESSAGE_POINTER) != 0) {
            JZX_SIM_REQUIRE(p->sim, reply->pointer.data == &p->answers[number]);
            meets(p, p->answers, number, TAKEN);
        } else {
            JZX_SIM_REQUIRE(p->sim, reply->words[0] == number);
        }
        return;
    case JZX_ERR_TIMEOUT:
        JZX_SIM_REQUIRE(p->sim, jzx_sim_now_ns(p->sim) >= due_ns);
        return;
    case JZX_ERR_LOOP_CLOSED:
        JZX_SIM_REQUIRE(p->sim, p->closes);
        return;
    default:
        JZX_SIM_REQUIRE(p->sim, err == JZX_ERR_ENDED || err == JZX_ERR_NO_SUCH_ACTOR || err == JZX_ERR_STOPPING ||
                                    err == JZX_ERR_MAILBOX_FULL || err == JZX_ERR_UNHANDLED);
    }
}

static void ask(play *p, jzx_poster *poster, uint32_t number)
{
    jzx_actor_id to = p->ids[sim_below(p->sim, SERVANTS)];
    uint64_t timeout_ns = draw_timeout(p->sim);
    uint64_t due_ns = jzx__add_saturating(jzx_sim_now_ns(p->sim), timeout_ns);
    bool pointer = sim_chance(p->sim, 512);
    jzx_message question = pointer ? jzx_message_pointer(TAG_ASK, &p->questions[number], 1, drop_question, p)
                                   : jzx_message_value(TAG_ASK, &number, sizeof number);
    jzx_message reply;
    p->inside++;
    jzx_err err = poster != NULL ? jzx_poster_ask(poster, to, &question, timeout_ns, &reply)
                                 : jzx_ask(p->runtime, to, &question, timeout_ns, &reply);
    p->inside--;
    if (err == JZX_OK) {
        if (pointer && p->questions[number] == OFFERED) {
            p->questions[number] = ACCEPTED;
        }
        check_end(p, number, &reply, due_ns);
        return;
    }
    JZX_SIM_REQUIRE(p->sim, p->questions[number] == OFFERED);
    JZX_SIM_REQUIRE(p->sim, err == JZX_ERR_LIMIT || err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_MAILBOX_FULL ||
                                (err == JZX_ERR_LOOP_CLOSED && p->closes));
}

/* Between the look at `over` and jzx_ask() no other thread runs: who has not begun when it is over does not begin. */
static void ask_main(void *argument)
{
    asker *self = argument;
    play *p = self->play;
    jzx_poster *poster = NULL;
    if (!p->over && sim_chance(p->sim, 300)) {
        jzx_err err = jzx_poster_create(p->runtime, 4, &poster);
        JZX_SIM_REQUIRE(p->sim, err == JZX_OK || p->over);
    }
    for (uint32_t i = 0; i < ASKS && !p->over; i++) {
        ask(p, poster, self->index * ASKS + i);
        (void)jzx_sim_sleep(p->sim, jzx_sim_between(p->sim, 0, 20000));
    }
}

/* ---- the run ---- */

/* Y4, at each step. */
static bool records_are_counted(jzx_sim *sim, void *argument)
{
    const play *p = argument;
    (void)sim;
    if (p->runtime == NULL) {
        return true;
    }
    const jzx__askers *askers = &p->runtime->askers;
    uint32_t used = 0;
    for (uint32_t i = 0; i < askers->max; i++) {
        used += atomic_load(&askers->records[i].word) % 8 != 0;
    }
    uint32_t out = atomic_load(&askers->out) & 0x7FFFFFFF;
    return used <= out && out <= askers->max && out <= p->inside;
}

static void open_runtime(play *p)
{
    jzx_config config;
    jzx_config_init(&config);
    config.loops_max = p->loop_count;
    config.lane_blocks = 2;
    config.inbox_size = 4u << sim_below(p->sim, 3);
    config.cells = 2048;
    config.mailbox_cap = 16;
    config.actors_max = 16;
    config.posters_max = ASKERS;
    config.asks_max = sim_between(p->sim, 1, 3);
    config.oldest_kernel = sim_chance(p->sim, 300);
    JZX_SIM_REQUIRE(p->sim, jzx_runtime_create(&config, &p->runtime) == JZX_OK);
    for (uint32_t i = 0; i < p->loop_count; i++) {
        JZX_SIM_REQUIRE(p->sim, jzx_loop_create(p->runtime, NULL, &p->loops[i]) == JZX_OK);
    }
}

/* By a shutdown; or one waits for the loops and then for all who ask, so that those must hear of the end from the loops. */
static void end_loops(play *p)
{
    if (sim_chance(p->sim, 400)) {
        JZX_SIM_REQUIRE(p->sim, jzx_runtime_shutdown(p->runtime, JZX_FOREVER, NULL) == JZX_OK);
        return;
    }
    JZX_SIM_REQUIRE(p->sim, jzx_runtime_request_stop(p->runtime) == JZX_OK);
    if (sim_chance(p->sim, 512)) {
        for (uint32_t i = 0; i < p->loop_count; i++) {
            (void)jzx_loop_join(p->loops[i], NULL);
        }
        if (atomic_load(&p->runtime->left) > 0) { /* one ran */
            JZX_SIM_REQUIRE(p->sim, jzx_sim_run(p->sim) == JZX_OK);
        }
    }
}

static void check_fates(play *p)
{
    for (uint32_t i = 0; i < NUMBERS; i++) {
        JZX_SIM_REQUIRE(p->sim, p->questions[i] != ACCEPTED && p->answers[i] != ACCEPTED);
    }
}

static void crowd(jzx_sim *sim, void *argument)
{
    static play whole;
    play *p = &whole;
    (void)argument;
    memset(p, 0, sizeof *p);
    p->sim = sim;
    sim_lot(sim);
    p->loop_count = sim_between(sim, 1, LOOPS);
    open_runtime(p);
    spawn_servants(p);
    JZX_SIM_REQUIRE(sim, jzx_sim_check(sim, "records", records_are_counted, p) == JZX_OK);
    for (uint32_t i = 0; i < ASKERS; i++) {
        p->askers[i] = (asker){.play = p, .index = i};
        (void)jzx_sim_thread(sim, "asker", ask_main, &p->askers[i]);
    }
    if (sim_chance(sim, 200)) {
        (void)jzx_sim_advance(sim, sim_below(sim, 50000)); /* they ask before anybody runs */
    }
    for (uint32_t i = 0; i < p->loop_count; i++) {
        if (!sim_chance(sim, 150)) { /* the others never run */
            JZX_SIM_REQUIRE(sim, jzx_loop_start(p->loops[i]) == JZX_OK);
        }
    }
    jzx_sim_injection full = {.fault = JZX_SIM_INBOX_FULL, .after = sim_below(sim, 10), .times = sim_below(sim, 3)};
    (void)jzx_sim_inject(sim, &full);
    if (sim_chance(sim, 512)) { /* a thread that is anywhere when all ends */
        jzx_sim_injection stall = {
            .fault = JZX_SIM_STALL, .after = sim_below(sim, 3000), .times = 1, .amount = 5000000};
        (void)jzx_sim_inject(sim, &stall);
    }
    (void)jzx_sim_advance(sim, sim_below(sim, 1000000));
    if (sim_chance(sim, 200)) {
        p->closes = true;
        (void)jzx_loop_request_stop(p->loops[0]);
        (void)jzx_sim_advance(sim, sim_below(sim, 200000));
    }
    p->closes = true;
    p->over = true;
    end_loops(p);
    JZX_SIM_REQUIRE(sim, jzx_runtime_destroy(p->runtime) == JZX_OK);
    p->runtime = NULL;
    JZX_SIM_REQUIRE(sim, jzx_sim_run(sim) == JZX_OK);
    check_fates(p);
}

Test(ask, each_comes_to_one_end_whenever_the_stop_comes, .timeout = 600)
{
    seeds_play("ask", crowd);
}
