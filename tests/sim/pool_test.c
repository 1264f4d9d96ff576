/*
 * pool: clients of one to four loops send and ask work of a pool, with short waits in its queue, while workers, the queue,
 * clients and loops end, cells, lanes and memory fail, and the kernel does as it likes. Each work has one fate, each request
 * one end unless its client ended; there are never more workers than there may be, and none has more than it may; with nothing
 * to do the pool goes back to its least, and then nothing of it is left over.
 */
#include <criterion/criterion.h>

#include "sched/annex.h"
#include "tests/sim/lot.h"
#include "tests/sim/seeds.h"

#include <string.h>

enum { LOOPS = 4, CLIENTS = 5, WORKERS = 8, HANDS = 2048, WORKS = 1024, HOLDS = 8, CALLS = 4 };
enum { TAG_WORK = 1, TAG_TICK, TAG_ANSWER, TAG_RELEASE };

typedef struct play play;

typedef enum fate { NOT_SENT = 0, OUT, HANDLED, DEAD } fate;

typedef struct work {
    uint8_t fate;
    bool pointer;
    bool dropped;
    bool asks;
    uint32_t ends; /* of its request */
    uint32_t client;
} work;

/* One incarnation of a worker. */
typedef struct hand {
    play *play;
    jzx_actor_id id;
    bool alive;
    uint64_t refs[HOLDS];
    uint32_t holds;
} hand;

typedef struct client {
    play *play;
    uint32_t index;
    uint32_t loop;
    uint32_t actions; /* left */
    bool waits;       /* for a resume notice */
    bool over;        /* it has ended */
    uint64_t refs[WORKS];
    uint64_t calls[CALLS];
    uint32_t call_count;
} client;

struct play {
    jzx_sim *sim;
    jzx_runtime *runtime;
    jzx_loop *loops[LOOPS];
    uint32_t loop_count;
    jzx_pool_options options;
    jzx_child_spec worker;
    jzx_group group;
    play *self;
    jzx_actor_id pool;
    client clients[CLIENTS];
    uint32_t client_count;
    work works[WORKS];
    uint32_t work_count;
    hand hands[HANDS];
    uint32_t hand_count;
    uint32_t alive;
    uint32_t mortality;  /* of 1,024 works and ticks */
    uint32_t patience;   /* of 1,024 requests, how many are kept */
    bool calm;           /* nobody ends any more */
    uint64_t changed_ns; /* when a worker last came or went */
    bool tides;          /* each change must come late enough */
};

static jzx_actor_id queue_of(const play *w)
{
    jzx_actor_id id = 0;
    (void)jzx_whereis(w->runtime, "pool", &id);
    return id;
}

/* ---- works ---- */

static uint32_t number_of(const play *w, const jzx_message *message)
{
    bool pointer = (message->flags & JZX_MESSAGE_POINTER) != 0;
    uint64_t number = pointer ? (uint64_t)(uintptr_t)message->pointer.data - 1 : message->words[0];
    JZX_SIM_REQUIRE(w->sim, number < w->work_count && w->works[number].pointer == pointer);
    JZX_SIM_REQUIRE(w->sim, pointer || message->words[1] == ~number);
    return (uint32_t)number;
}

static void drop(void *context, void *data, size_t size)
{
    play *w = context;
    work *k = &w->works[(uintptr_t)data - 1];
    JZX_SIM_REQUIRE(w->sim, size == 8 && k->pointer && !k->dropped && k->fate == DEAD);
    k->dropped = true;
}

static void saw_dead(void *user, jzx_context *context, jzx_actor_id target, const jzx_message *message,
                     jzx_drop_reason reason)
{
    (void)context;
    (void)target;
    (void)reason;
    play *w = user;
    if (message->tag == TAG_WORK) {
        work *k = &w->works[number_of(w, message)];
        JZX_SIM_REQUIRE(w->sim, k->fate == OUT);
        k->fate = DEAD;
    }
}

/* ---- workers ---- */

static jzx_err hand_init(jzx_context *context, void *argument, void **state)
{
    play *w = *(play **)argument;
    jzx__sim_point("hand: init");
    if (!w->calm && sim_chance(w->sim, w->mortality / 4)) {
        return JZX_ERR_UNKNOWN;
    }
    JZX_SIM_REQUIRE(w->sim, w->hand_count < HANDS);
    hand *h = &w->hands[w->hand_count++];
    *h = (hand){.play = w, .id = jzx_self(context), .alive = true};
    w->alive++;
    w->changed_ns = jzx_sim_now_ns(w->sim);
    JZX_SIM_REQUIRE(w->sim, w->alive <= w->options.workers_max);
    *state = h;
    return JZX_OK;
}

static void hand_fini(jzx_context *context, void *state, const jzx_exit_info *exit)
{
    (void)context;
    hand *h = state;
    play *w = h->play;
    enum { SLACK_NS = 10000000 };
    h->alive = false;
    w->alive--;
    uint64_t now_ns = jzx_sim_now_ns(w->sim);
    if (w->tides && exit->kind == JZX_EXIT_SHUTDOWN) {
        JZX_SIM_REQUIRE(w->sim, h->holds == 0); /* it had no work */
        JZX_SIM_REQUIRE(w->sim, now_ns - w->changed_ns + SLACK_NS >= w->options.cooldown_ns);
    }
    w->changed_ns = now_ns;
}

static void release(hand *h, jzx_context *context)
{
    jzx_message answer = jzx_message_empty(TAG_ANSWER);
    JZX_SIM_REQUIRE(h->play->sim, jzx_answer(context, h->refs[--h->holds], &answer) == JZX_OK);
}

static jzx_behavior_result hand_behave(jzx_context *context, void *state, const jzx_message *message)
{
    hand *h = state;
    play *w = h->play;
    jzx__sim_point("hand: handles");
    if (message->tag == TAG_RELEASE) {
        release(h, context);
        return JZX_BEHAVIOR_OK;
    }
    JZX_SIM_REQUIRE(w->sim, message->tag == TAG_WORK && (message->flags & JZX_MESSAGE_FLOW) != 0);
    work *k = &w->works[number_of(w, message)];
    JZX_SIM_REQUIRE(w->sim, k->fate == OUT);
    k->fate = HANDLED;
    bool asks = (message->flags & JZX_MESSAGE_REQUEST) != 0;
    JZX_SIM_REQUIRE(w->sim, asks == k->asks && h->holds < w->options.per_worker);
    bool fails = !w->calm && sim_chance(w->sim, w->mortality);
    if (asks && !fails) {
        h->refs[h->holds++] = message->ref;
        jzx_message later = jzx_message_empty(TAG_RELEASE);
        bool keeps = sim_chance(w->sim, w->patience) &&
                     jzx_timer_after(context, sim_below(w->sim, 3000000), &later, NULL) == JZX_OK;
        if (!keeps) {
            release(h, context);
        }
    }
    return fails ? JZX_BEHAVIOR_FAIL : JZX_BEHAVIOR_OK;
}

/* ---- clients ---- */

static void request_ended(client *c, uint32_t number)
{
    work *k = &c->play->works[number];
    JZX_SIM_REQUIRE(c->play->sim, k->asks && k->client == c->index && k->fate != NOT_SENT && ++k->ends == 1);
}

static jzx_behavior_result call_ended(jzx_context *context, void *state, void *argument, const jzx_result *result)
{
    (void)context;
    (void)result;
    request_ended(state, (uint32_t)(uintptr_t)argument);
    return JZX_BEHAVIOR_OK;
}

static void ended_by_ref(client *c, uint64_t ref)
{
    for (uint32_t i = 0; i < c->play->work_count; i++) {
        if (c->refs[i] == ref) {
            c->refs[i] = 0;
            request_ended(c, i);
            return;
        }
    }
    jzx_sim_fail(c->play->sim, "client %u got an answer to nothing it asks", c->index);
}

static jzx_err send_work(client *c, jzx_context *context, jzx_actor_id to, uint32_t number, const jzx_message *message)
{
    play *w = c->play;
    uint64_t in_ns = sim_chance(w->sim, 300) ? sim_below(w->sim, 3000000) : JZX_FOREVER;
    if (!w->works[number].asks) {
        return jzx_send(context, to, message);
    }
    if (sim_chance(w->sim, 512)) {
        return jzx_request(context, to, message, in_ns, &c->refs[number]);
    }
    jzx_call_options options;
    jzx_call_options_init(&options);
    options.on_answer = call_ended;
    options.argument = (void *)(uintptr_t)number;
    options.deadline_ns = in_ns == JZX_FOREVER ? in_ns : jzx_now_ns(context) + in_ns;
    return jzx_call_with(context, to, message, &options, &c->calls[c->call_count++ % CALLS]);
}

static void give_work(client *c, jzx_context *context)
{
    play *w = c->play;
    jzx_actor_id to = queue_of(w);
    if (to == 0 || w->work_count == WORKS || c->waits) {
        return;
    }
    uint32_t number = w->work_count++;
    work *k = &w->works[number];
    *k = (work){.client = c->index, .asks = sim_chance(w->sim, 512), .pointer = sim_chance(w->sim, 300), .fate = OUT};
    uint64_t words[2] = {number, ~(uint64_t)number};
    jzx_message message = k->pointer ? jzx_message_pointer(TAG_WORK, (void *)(uintptr_t)(number + 1), 8, drop, w)
                                     : jzx_message_value(TAG_WORK, words, sizeof words);
    jzx_err err = send_work(c, context, to, number, &message);
    if (err == JZX_OK) {
        return;
    }
    k->fate = NOT_SENT;
    c->refs[number] = 0;
    if (err == JZX_ERR_MAILBOX_FULL || err == JZX_ERR_WOULD_BLOCK) {
        c->waits = jzx_resume(context, to) == JZX_OK;
    } else {
        bool gone = err == JZX_ERR_NO_SUCH_ACTOR || err == JZX_ERR_STOPPING || err == JZX_ERR_LOOP_CLOSED;
        JZX_SIM_REQUIRE(w->sim, gone || err == JZX_ERR_TIMEOUT || err == JZX_ERR_LIMIT || err == JZX_ERR_NO_MEMORY);
    }
}

static void make_trouble(play *w, jzx_context *context)
{
    if (w->calm || !sim_chance(w->sim, w->mortality)) {
        return;
    }
    jzx_actor_id queue = queue_of(w);
    if (sim_chance(w->sim, 200) && queue != 0) {
        (void)jzx_kill(context, queue);
    } else if (w->hand_count > 0) {
        const hand *h = &w->hands[w->hand_count - 1 - sim_below(w->sim, w->hand_count) % WORKERS % w->hand_count];
        (void)(sim_chance(w->sim, 512) ? jzx_kill(context, h->id) : jzx_stop(context, h->id));
    }
}

static void tick(client *c, jzx_context *context)
{
    play *w = c->play;
    for (uint32_t i = sim_below(w->sim, 6); i > 0; i--) {
        give_work(c, context);
    }
    if (c->call_count > 0 && sim_chance(w->sim, 200)) {
        (void)jzx_call_cancel(context, c->calls[sim_below(w->sim, c->call_count < CALLS ? c->call_count : CALLS)]);
    }
    make_trouble(w, context);
    if (--c->actions > 0) {
        jzx_message next = jzx_message_empty(TAG_TICK);
        jzx_err err = jzx_timer_after(context, sim_below(w->sim, 2000000), &next, NULL);
        JZX_SIM_REQUIRE(w->sim, err == JZX_OK || err == JZX_ERR_NO_MEMORY); /* then it was the last */
    }
}

static jzx_behavior_result client_behave(jzx_context *context, void *state, const jzx_message *message)
{
    client *c = state;
    jzx__sim_point("client: handles");
    switch (message->tag) {
    case TAG_TICK:
        tick(c, context);
        break;
    case TAG_ANSWER:
    case JZX_TAG_SYS_NO_ANSWER:
        ended_by_ref(c, message->ref);
        break;
    case JZX_TAG_SYS_RESUME:
        c->waits = false;
        break;
    default:
        jzx_sim_fail(c->play->sim, "client %u got the tag %x", c->index, message->tag);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err client_init(jzx_context *context, void *argument, void **state)
{
    client *c = argument;
    *state = c;
    jzx_message next = jzx_message_empty(TAG_TICK);
    return c->actions == 0 ? JZX_OK : jzx_timer_after(context, sim_below(c->play->sim, 1000000), &next, NULL);
}

static void client_fini(jzx_context *context, void *state, const jzx_exit_info *exit)
{
    (void)context;
    (void)exit;
    ((client *)state)->over = true;
}

/* ---- a run ---- */

static void open_play(play *w)
{
    jzx_sim *sim = w->sim;
    const jzx_observer observer = {.struct_size = sizeof observer, .dead_letter = saw_dead};
    w->loop_count = sim_between(sim, 1, LOOPS);
    sim_open_loops(sim, w->loop_count, 64, &observer, w, &w->runtime, w->loops);
}

static void draw_options(play *w)
{
    jzx_sim *sim = w->sim;
    jzx_pool_options *o = &w->options;
    jzx_child_spec_init(&w->worker);
    w->self = w;
    w->worker.init = hand_init;
    w->worker.behavior = hand_behave;
    w->worker.fini = hand_fini;
    w->worker.argument = &w->self;
    w->worker.argument_size = sizeof w->self;
    w->worker.placement = JZX_PLACE_LEAST_LOADED;
    w->worker.restart = (uint8_t)sim_below(sim, 3);
    jzx_pool_options_init(o);
    o->name = "pool";
    o->worker = &w->worker;
    o->workers_max = sim_between(sim, 1, WORKERS);
    o->workers_min = sim_between(sim, 1, o->workers_max);
    o->per_worker = sim_between(sim, 1, 4);
    o->queue_max = sim_between(sim, 2, 24);
    o->shrink_load = sim_between(sim, 1, 500);
    o->grow_load = o->shrink_load + sim_between(sim, 1, 3000);
    o->check_ns = 1000000;
    o->cooldown_ns = sim_below(sim, 20000000);
    o->intensity = JZX_INTENSITY_UNLIMITED;
    if (sim_chance(sim, 512)) {
        jzx_space *space = NULL;
        JZX_SIM_REQUIRE(sim, jzx_space_create(w->runtime, NULL, &space) == JZX_OK);
        w->group = jzx_group_named(space, "hands");
        o->group = &w->group;
    }
}

static void begin(play *w)
{
    jzx_sim *sim = w->sim;
    jzx_loop *home = w->loops[sim_below(sim, w->loop_count)];
    jzx_err err = jzx_pool_start(jzx_loop_context(home), &w->options, &w->pool, NULL);
    JZX_SIM_REQUIRE(sim, err == JZX_OK);
    w->client_count = (uint32_t)jzx_sim_size(sim, "clients", 1, CLIENTS);
    uint32_t actions = (uint32_t)jzx_sim_size(sim, "actions", 1, 20);
    for (uint32_t i = 0; i < w->client_count; i++) {
        client *c = &w->clients[i];
        *c = (client){.play = w, .index = i, .loop = sim_below(sim, w->loop_count), .actions = actions};
        jzx_spawn_options options;
        jzx_spawn_options_init(&options);
        options.behavior = client_behave;
        options.init = client_init;
        options.fini = client_fini;
        options.argument = c;
        jzx_actor_id id;
        JZX_SIM_REQUIRE(sim, jzx_spawn(jzx_loop_context(w->loops[c->loop]), &options, &id) == JZX_OK);
    }
}

static void check_works(const play *w)
{
    for (uint32_t i = 0; i < w->work_count; i++) {
        const work *k = &w->works[i];
        if (k->fate == OUT) {
            jzx_sim_fail(w->sim, "work %u of client %u is lost", i, k->client);
        }
        JZX_SIM_REQUIRE(w->sim, k->dropped == (k->pointer && k->fate == DEAD));
        if (k->asks && k->fate != NOT_SENT && k->ends != 1 && !w->clients[k->client].over) {
            jzx_sim_fail(w->sim, "request %u of client %u has no end", i, k->client);
        }
    }
}

/* A pool at its least, with nothing to do. */
static void check_rest(const play *w)
{
    check_works(w);
    if (w->alive != w->options.workers_min) {
        jzx_sim_fail(w->sim, "%u workers, not %u", w->alive, w->options.workers_min);
    }
    JZX_SIM_REQUIRE(w->sim, queue_of(w) != 0);
    uint32_t flows = 0;
    for (uint32_t i = 0; i < w->loop_count; i++) {
        const jzx_loop *loop = w->loops[i];
        flows += loop->flows.used;
        JZX_SIM_REQUIRE(w->sim, loop->timers.used == 0 && loop->requests_timed == 0);
        JZX_SIM_REQUIRE(w->sim, loop->pool.free_count == loop->pool.count);
    }
    JZX_SIM_REQUIRE(w->sim, flows == 2 * w->options.workers_min);
    if (w->options.group != NULL) {
        uint32_t count = 0;
        JZX_SIM_REQUIRE(w->sim, jzx_group_count(w->options.group, &count) == JZX_OK);
        JZX_SIM_REQUIRE(w->sim, count == w->options.workers_min);
    }
}

/* Now and then, for a while. */
static void make_short(const play *w, jzx_sim_fault fault)
{
    for (uint32_t i = sim_below(w->sim, 6); i > 0; i--) {
        jzx_sim_injection injection = {
            .fault = fault, .after = sim_below(w->sim, 1000), .times = sim_between(w->sim, 1, 30)};
        JZX_SIM_REQUIRE(w->sim, jzx_sim_inject(w->sim, &injection) == JZX_OK);
    }
}

static bool has_begun(void *argument)
{
    const play *w = argument;
    return w->alive == w->options.workers_min;
}

/* When it has begun: a tree that does not start stops the runtime. */
static void make_trouble_of_all_kinds(play *w)
{
    static const sim_rate rates[] = {
        {JZX_SIM_CELLS, 3000},      {JZX_SIM_LANE_FULL, 6000}, {JZX_SIM_ALLOC, 3000},       {JZX_SIM_ACTOR_FAILS, 600},
        {JZX_SIM_INIT_FAILS, 3000}, {JZX_SIM_STALL, 30},       {JZX_SIM_WOKEN_LATE, 16000},
    };
    JZX_SIM_REQUIRE(w->sim, jzx_sim_run_until(w->sim, has_begun, w, 1000000000) == JZX_OK);
    sim_lot_rates(w->sim, rates, JZX__COUNT(rates));
}

/* It has slept: one more work must wake it. */
static void give_last(play *w)
{
    uint32_t number = w->work_count < WORKS ? w->work_count++ : WORKS - 1;
    w->works[number] = (work){.fate = OUT};
    uint64_t words[2] = {number, ~(uint64_t)number};
    jzx_message message = jzx_message_value(TAG_WORK, words, sizeof words);
    JZX_SIM_REQUIRE(w->sim, jzx_post(w->runtime, queue_of(w), &message) == JZX_OK);
    JZX_SIM_REQUIRE(w->sim, jzx_sim_advance(w->sim, 1000000000) == JZX_OK);
    JZX_SIM_REQUIRE(w->sim, w->works[number].fate == HANDLED);
}

static void close_play(play *w)
{
    JZX_SIM_REQUIRE(w->sim, jzx_runtime_shutdown(w->runtime, JZX_FOREVER, NULL) == JZX_OK);
    JZX_SIM_REQUIRE(w->sim, jzx_runtime_destroy(w->runtime) == JZX_OK);
    JZX_SIM_REQUIRE(w->sim, w->alive == 0);
}

static play *new_play(jzx_sim *sim)
{
    static play whole;
    memset(&whole, 0, sizeof whole);
    whole.sim = sim;
    sim_lot(sim);
    return &whole;
}

static void start_all(const play *w)
{
    for (uint32_t i = 0; i < w->loop_count; i++) {
        JZX_SIM_REQUIRE(w->sim, jzx_loop_start(w->loops[i]) == JZX_OK);
    }
}

static void toil(jzx_sim *sim, void *argument)
{
    (void)argument;
    play *w = new_play(sim);
    JZX_SIM_REQUIRE(sim, jzx_sim_hold(sim, true) == JZX_OK);
    open_play(w);
    draw_options(w);
    w->mortality = sim_chance(sim, 512) ? sim_below(sim, 150) : 0;
    w->patience = sim_below(sim, 1024);
    begin(w);
    JZX_SIM_REQUIRE(sim, jzx_sim_hold(sim, false) == JZX_OK);
    make_short(w, JZX_SIM_CELLS);
    make_short(w, JZX_SIM_LANE_FULL);
    start_all(w);
    if (sim_chance(sim, 700)) {
        make_trouble_of_all_kinds(w);
    }
    bool whole_play = !sim_chance(sim, 300);
    JZX_SIM_REQUIRE(sim, jzx_sim_advance(sim, whole_play ? 80000000 : sim_below(sim, 30000000)) == JZX_OK);
    if (whole_play) {
        w->calm = true;
        JZX_SIM_REQUIRE(sim, jzx_sim_heal(sim) == JZX_OK);
        JZX_SIM_REQUIRE(sim, jzx_sim_advance(sim, 2000000000) == JZX_OK);
        check_rest(w);
        give_last(w);
        check_rest(w);
    } else if (sim_chance(sim, 512)) {
        JZX_SIM_REQUIRE(sim, jzx_loop_request_stop(w->loops[sim_below(sim, w->loop_count)]) == JZX_OK);
        JZX_SIM_REQUIRE(sim, jzx_sim_advance(sim, sim_below(sim, 20000000)) == JZX_OK);
    }
    close_play(w);
}

Test(pool, each_work_has_one_fate_and_there_are_never_too_many_workers, .timeout = 600)
{
    seeds_play("pool", toil);
}

/* A flood of requests that are kept a while, then nothing: it grows at once, and shrinks one by one. */
static void tide(jzx_sim *sim, void *argument)
{
    (void)argument;
    play *w = new_play(sim);
    JZX_SIM_REQUIRE(sim, jzx_sim_hold(sim, true) == JZX_OK);
    open_play(w);
    draw_options(w);
    w->options.workers_min = sim_between(sim, 1, 3);
    w->options.workers_max = w->options.workers_min + sim_between(sim, 1, 5);
    w->options.cooldown_ns = 100000000;
    w->options.per_worker = sim_between(sim, 1, 4);
    w->options.queue_max = 200;
    w->options.shrink_load = sim_between(sim, 1, 2000); /* over 1,000 although all may have work */
    w->options.grow_load = w->options.shrink_load + sim_between(sim, 1, 1000);
    w->patience = 1024;
    w->tides = true;
    begin(w);
    for (uint32_t i = 0; i < w->client_count; i++) {
        w->clients[i].actions = 1 + 100 / w->client_count;
    }
    JZX_SIM_REQUIRE(sim, jzx_sim_hold(sim, false) == JZX_OK);
    start_all(w);
    JZX_SIM_REQUIRE(sim, jzx_sim_advance(sim, 5000000000) == JZX_OK);
    w->tides = false;
    check_rest(w);
    close_play(w);
}

Test(pool, it_shrinks_when_its_cooldown_is_over_and_not_before, .timeout = 600)
{
    seeds_play("tide", tide);
}
