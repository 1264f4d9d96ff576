/*
 * storm: troublemakers on every loop end, kill, stop, add, delete and restart whatever is in a tree, again and again and at
 * once, while starts fail and memory runs short. Nothing here has one outcome; what must hold all the same:
 *
 *   - never two incarnations of one child
 *   - each request is answered once
 *   - a supervisor decides on as many restarts in a period as its intensity allows, and gives up at the next one, not before
 *   - no child is lost: when it has become calm, each permanent one runs whose supervisor does, unless it was stopped by
 *     request, and none is between two states
 *   - each incarnation that was told as started is told as stopped; no memory stays
 *
 * In some runs the runtime, or one loop, is stopped in the midst of it.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/seeds.h"
#include "tests/sim/stage.h"

enum { TROUBLEMAKERS = 4, TAG_TICK = 1, TAG_CALM = 2, TAG_NOISE = 3, CALM_UNITS = 20000 };

typedef struct storm storm;

typedef struct troublemaker {
    storm *storm;
    uint32_t ticks; /* to come */
    jzx_actor_id id;
} troublemaker;

struct storm {
    stage *stage;
    troublemaker makers[TROUBLEMAKERS];
    uint32_t maker_count;
    uint32_t busy;    /* of them */
    uint64_t unit_ns; /* a second of the tree */
    uint32_t actions; /* at most, in a tick */
    uint32_t noise;   /* messages in a tick, which fill the lanes */
    bool stops_all;   /* the runtime stops in the midst of it */
    bool stops_loop;  /* a loop does */
    uint32_t asked;
    uint32_t answered;
    uint32_t lists;
    bool calm;
    bool by_hand[ORACLE_NODES]; /* a request has stopped it, or the restart of its group */
    bool added[ORACLE_NODES];   /* of a dynamic supervisor: once is enough */
    uint32_t no_memory;         /* of 1,024 calls, how many fail */
    uint64_t live;              /* bytes */
};

/* ---- memory ---- */

static void *give(void *context, size_t size, size_t align)
{
    storm *t = context;
    void *memory = NULL;
    if (sim_chance(t->stage->sim, t->no_memory) || posix_memalign(&memory, align, size) != 0) {
        return NULL;
    }
    t->live += size;
    return memory;
}

static void take(void *context, void *memory, size_t size, size_t align)
{
    (void)align;
    ((storm *)context)->live -= size;
    free(memory);
}

/* ---- troublemakers ---- */

static bool draw_action(storm *t, tree_step *step)
{
    static const uint8_t actions[] = {TREE_END,       TREE_END,     TREE_END,    TREE_END, TREE_END,
                                      TREE_TERMINATE, TREE_RESTART, TREE_DELETE, TREE_ADD};
    static const uint8_t kinds[] = {JZX_EXIT_NORMAL, JZX_EXIT_SHUTDOWN, JZX_EXIT_FAIL, JZX_EXIT_FAIL, JZX_EXIT_KILLED};
    jzx_sim *sim = t->stage->sim;
    const oracle *o = &t->stage->tree.begin;
    step->action = actions[sim_below(sim, sizeof actions)];
    step->kind = kinds[sim_below(sim, sizeof kinds)];
    step->node = (uint8_t)sim_below(sim, o->node_count);
    const oracle_node *node = &o->nodes[step->node];
    if (step->node == 0 || t->stage->roles[node->parent].id == 0) {
        return false;
    }
    if (step->action == TREE_END) {
        bool seldom = node->type == JZX_SUPERVISOR && !sim_chance(sim, 100);
        return t->stage->roles[step->node].id != 0 && !seldom;
    }
    if (o->nodes[node->parent].strategy == JZX_DYNAMIC) {
        return step->action == TREE_ADD ? !t->added[step->node] : t->stage->roles[step->node].index != JZX_NO_CHILD;
    }
    return step->action != TREE_ADD || node->added;
}

/* Who may stay stopped from now on. */
static void note_hand(storm *t, const tree_step *step)
{
    const oracle *o = &t->stage->tree.begin;
    uint8_t parent = o->nodes[step->node].parent;
    t->added[step->node] |= step->action == TREE_ADD;
    if (step->action != TREE_TERMINATE) {
        return;
    }
    for (uint8_t i = 0; i < o->node_count; i++) {
        t->by_hand[i] |= i == step->node ||
                         (o->nodes[i].parent == parent && o->nodes[parent].strategy != JZX_ONE_FOR_ONE);
    }
}

static void act(storm *t, jzx_context *context)
{
    tree_step step = {0};
    uint64_t ref;
    if (!draw_action(t, &step)) {
        return;
    }
    jzx_err err = stage_act(t->stage, context, &step, &ref);
    if (err == JZX_OK && step.action != TREE_END) {
        t->asked++;
        note_hand(t, &step);
    }
    bool expected = err == JZX_OK || err == JZX_ERR_NO_SUCH_ACTOR || err == JZX_ERR_WOULD_BLOCK ||
                    err == JZX_ERR_STOPPING || err == JZX_ERR_MAILBOX_FULL || err == JZX_ERR_LIMIT ||
                    err == JZX_ERR_LOOP_CLOSED || (err == JZX_ERR_NO_MEMORY && t->no_memory > 0);
    if (!expected) {
        jzx_sim_fail(t->stage->sim, "action %d was refused: %s", (int)step.action, jzx_strerror(err));
    }
}

/* What the tree says to itself has to wait behind it. */
static void make_noise(storm *t, jzx_context *context)
{
    jzx_actor_id to = t->makers[sim_below(t->stage->sim, t->maker_count)].id;
    jzx_message message = jzx_message_empty(TAG_NOISE);
    for (uint32_t i = 0; i < t->noise && jzx_send(context, to, &message) == JZX_OK; i++) {
    }
}

static void spoil(storm *t)
{
    jzx_sim *sim = t->stage->sim;
    role *chosen = &t->stage->roles[sim_below(sim, t->stage->tree.begin.node_count)];
    chosen->failing = sim_between(sim, 0, sim_chance(sim, 900) ? 2 : 10);
}

static void rest(storm *t, jzx_context *context)
{
    jzx_message message = jzx_message_empty(TAG_TICK);
    uint64_t most_ns = sim_chance(t->stage->sim, 700) ? t->unit_ns : 20 * t->unit_ns;
    uint64_t delay_ns = jzx_sim_random(t->stage->sim) % (most_ns + 1);
    JZX_SIM_REQUIRE(t->stage->sim, jzx_timer_after(context, delay_ns, &message, NULL) == JZX_OK);
}

/* What lived on a loop that has stopped may fail again and again, for ever: nothing is waited for then. */
static uint64_t calm_ns(const storm *t)
{
    return (t->stops_loop ? 50 : CALM_UNITS) * t->unit_ns;
}

/* No more trouble: all that fails by itself has failed when the time is over. */
static void calm_down(storm *t, jzx_context *context)
{
    jzx_message message = jzx_message_empty(TAG_CALM);
    for (uint8_t i = 0; i < t->stage->tree.begin.node_count; i++) {
        t->stage->roles[i].failing = 0;
    }
    t->no_memory = 0;
    jzx_err err = jzx_timer_after(context, calm_ns(t), &message, NULL);
    JZX_SIM_REQUIRE(t->stage->sim, err == JZX_OK);
}

static void stop_something(storm *t)
{
    jzx_sim *sim = t->stage->sim;
    if (t->stops_loop && sim_chance(sim, 60)) {
        (void)jzx_loop_request_stop(t->stage->loops[sim_below(sim, t->stage->loop_count)]);
    }
    if (t->stops_all && sim_chance(sim, 60)) {
        (void)jzx_runtime_request_stop(t->stage->runtime);
    }
}

static void tick(troublemaker *self, jzx_context *context)
{
    storm *t = self->storm;
    uint32_t actions = sim_between(t->stage->sim, 1, t->actions);
    for (uint32_t i = 0; i < actions; i++) {
        make_noise(t, context);
        if (sim_chance(t->stage->sim, 120)) {
            spoil(t);
        }
        act(t, context);
    }
    stop_something(t);
    if (--self->ticks > 0) {
        rest(t, context);
    } else if (--t->busy == 0) {
        calm_down(t, context);
    }
}

/* ---- when it is calm ---- */

static void ask_for_lists(storm *t, jzx_context *context)
{
    const stage *s = t->stage;
    t->calm = true;
    JZX_SIM_REQUIRE(s->sim, t->answered == t->asked || t->stops_loop);
    for (uint8_t i = 0; i < s->tree.begin.node_count; i++) {
        if (s->tree.begin.nodes[i].type == JZX_SUPERVISOR && s->starts[i] > s->stops[i]) {
            uint64_t ref;
            JZX_SIM_REQUIRE(s->sim, jzx_child_list(context, s->roles[i].id, &ref) == JZX_OK);
            t->lists++;
        }
    }
    if (t->lists == 0) {
        (void)jzx_runtime_request_stop(s->runtime);
    }
}

static const jzx_child_info *entry_of(const stage *s, const jzx_supervisor_answer *answer, uint8_t node)
{
    for (uint32_t i = 0; i < answer->count; i++) {
        const jzx_child_info *child = &answer->children[i];
        if (stage_is_dynamic(s, node) ? child->index == s->roles[node].index
                                      : strcmp(child->name, s->tree.names[node]) == 0) {
            return child;
        }
    }
    return NULL;
}

static void check_child(const storm *t, uint8_t index, const jzx_child_info *child)
{
    const stage *s = t->stage;
    const oracle_node *node = &s->tree.begin.nodes[index];
    bool must_run = node->restart == JZX_PERMANENT && !node->added && !t->by_hand[index];
    bool up = s->starts[index] == s->stops[index] + 1 && (node->type == JZX_SUPERVISOR || s->roles[index].alive == 1);
    bool down = s->starts[index] == s->stops[index] && s->roles[index].alive == 0;
    if (child == NULL) {
        JZX_SIM_REQUIRE(s->sim, !must_run && down);
        return;
    }
    if (child->state != JZX_CHILD_RUNNING && (child->state != JZX_CHILD_STOPPED || must_run)) {
        jzx_sim_fail(s->sim, "n%u is in state %u when all is calm", index, child->state);
    }
    JZX_SIM_REQUIRE(s->sim, child->state == JZX_CHILD_RUNNING ? up : down);
    JZX_SIM_REQUIRE(s->sim, child->state != JZX_CHILD_RUNNING || child->id == s->roles[index].id);
}

static void check_list(storm *t, const jzx_supervisor_answer *answer)
{
    const stage *s = t->stage;
    JZX_SIM_REQUIRE(s->sim, answer->err == JZX_OK);
    for (uint8_t i = 1; i < s->tree.begin.node_count; i++) {
        uint8_t parent = s->tree.begin.nodes[i].parent;
        if (s->roles[parent].id == answer->id && s->starts[parent] > s->stops[parent]) {
            check_child(t, i, entry_of(s, answer, i));
        }
    }
}

static void take_answer(storm *t, const jzx_message *message)
{
    if (t->calm) {
        if (!t->stops_loop) {
            check_list(t, jzx_message_data(message));
        }
        if (--t->lists == 0) {
            (void)jzx_runtime_request_stop(t->stage->runtime);
        }
        return;
    }
    t->answered++;
    JZX_SIM_REQUIRE(t->stage->sim, t->answered <= t->asked);
}

static jzx_behavior_result make_trouble(jzx_context *context, void *state, const jzx_message *message)
{
    troublemaker *self = state;
    jzx__sim_point("troublemaker");
    switch (message->tag) {
    case TAG_TICK:
        tick(self, context);
        break;
    case TAG_NOISE:
        break;
    case TAG_CALM:
        ask_for_lists(self->storm, context);
        break;
    case JZX_TAG_SYS_SUPERVISOR:
        take_answer(self->storm, message);
        break;
    case JZX_TAG_SYS_NO_ANSWER: /* the supervisor has ended */
        JZX_SIM_REQUIRE(self->storm->stage->sim, !self->storm->calm || self->storm->stops_loop);
        self->storm->answered++;
        break;
    default:
        jzx_sim_fail(self->storm->stage->sim, "a troublemaker got the tag %x", message->tag);
    }
    return JZX_BEHAVIOR_OK;
}

/* ---- what was told ---- */

/* The restarts that the supervisor of an event decided on before it, in the period that ends with it. */
static uint32_t decided_before(const stage *s, uint32_t event, uint64_t period_ns)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < event; i++) {
        bool same = s->supervisors[i] == s->supervisors[event];
        count += same && s->events[i].kind == JZX_SUPERVISION_RESTART &&
                 s->events[event].at_ns - s->events[i].at_ns <= period_ns;
    }
    return count;
}

static void check_intensity(const stage *s)
{
    for (uint32_t i = 0; i < s->event_count; i++) {
        const oracle_event *event = &s->events[i];
        if (event->kind != JZX_SUPERVISION_RESTART && event->kind != JZX_SUPERVISION_ESCALATED) {
            continue;
        }
        const oracle_node *supervisor = &s->tree.begin.nodes[event->supervisor];
        uint32_t before = decided_before(s, i, supervisor->period_ns);
        if (event->kind == JZX_SUPERVISION_ESCALATED) {
            JZX_SIM_REQUIRE(s->sim, before == supervisor->intensity);
        } else {
            JZX_SIM_REQUIRE(s->sim, supervisor->intensity == JZX_INTENSITY_UNLIMITED || before < supervisor->intensity);
        }
    }
}

static void check_end(const storm *t)
{
    const stage *s = t->stage;
    if (!t->stops_loop) { /* a move to another loop is not counted (LOOP_CLOSED) */
        check_intensity(s);
    }
    for (uint8_t i = 0; i < s->tree.begin.node_count; i++) {
        if (s->roles[i].alive != 0 || s->starts[i] != s->stops[i]) {
            jzx_sim_fail(s->sim, "n%u started %u times and stopped %u times; %u live", i, s->starts[i], s->stops[i],
                         s->roles[i].alive);
        }
    }
    JZX_SIM_REQUIRE(s->sim, t->live == 0);
}

/* ---- a storm ---- */

static void scale(uint64_t *time_ns, uint64_t unit_ns)
{
    if (*time_ns < JZX_SHUTDOWN_DEFAULT && *time_ns != 0) {
        *time_ns = *time_ns / (TREE_SECOND / unit_ns) + 1;
    }
}

static void scale_backoff(jzx_backoff *backoff, uint64_t unit_ns, uint32_t jitter)
{
    scale(&backoff->initial_ns, unit_ns);
    scale(&backoff->max_ns, unit_ns);
    scale(&backoff->reset_ns, unit_ns);
    backoff->jitter = jitter;
}

/* Shorter, and with jitter, so that things meet. */
static void make_hectic(storm *t)
{
    jzx_sim *sim = t->stage->sim;
    oracle *o = &t->stage->tree.begin;
    for (uint8_t i = 0; i < o->node_count; i++) {
        oracle_node *node = &o->nodes[i];
        scale(&node->period_ns, t->unit_ns);
        scale(&node->shutdown_ns, t->unit_ns);
        scale_backoff(&node->backoff, t->unit_ns, sim_below(sim, 1001));
        scale_backoff(&node->for_children, t->unit_ns, sim_below(sim, 1001));
        if (t->stops_loop && node->intensity == JZX_INTENSITY_UNLIMITED) {
            node->intensity = 20; /* what lived on a loop that has stopped would fail for ever */
        }
    }
}

/* The root does not give up: it shall not all be over soon. */
static void make_lasting(oracle *o)
{
    o->nodes[0].intensity = JZX_INTENSITY_UNLIMITED;
    o->nodes[0].auto_shutdown = JZX_AUTO_NEVER;
    for (uint8_t i = 0; i < o->node_count; i++) {
        o->nodes[i].significant &= o->nodes[i].parent != 0;
    }
}

static void draw_storm(storm *t)
{
    static const uint64_t units[] = {1000, 20000, 1000000};
    jzx_sim *sim = t->stage->sim;
    t->unit_ns = units[sim_below(sim, 3)];
    t->actions = sim_chance(sim, 512) ? 2 : 8;
    t->noise = sim_chance(sim, 300) ? sim_below(sim, 400) : 0;
    t->stage->config.lane_blocks = t->noise > 0 ? 2 : 4;
    t->stops_all = sim_chance(sim, 200);
    t->stops_loop = sim_chance(sim, 150);
    t->maker_count = (uint32_t)jzx_sim_size(sim, "makers", 1, TROUBLEMAKERS);
    t->no_memory = sim_chance(sim, 300) ? sim_below(sim, 150) : 0;
    tree_draw_specs(&t->stage->tree, sim, t->stage->loop_count);
    if (sim_chance(sim, 900)) {
        make_lasting(&t->stage->tree.begin);
    }
    make_hectic(t);
    t->stage->config.allocators[JZX_MEMORY_STATE] = (jzx_allocator){give, take, t};
    sim->config.steps_max = 20000000;
}

static void begin(storm *t)
{
    stage *s = t->stage;
    uint32_t no_memory = t->no_memory;
    t->no_memory = 0; /* for the start from outside */
    stage_begin(s);
    t->no_memory = no_memory;
    t->busy = t->maker_count;
    uint32_t ticks = (uint32_t)jzx_sim_size(s->sim, "ticks", 1, 60);
    for (uint32_t i = 0; i < t->maker_count; i++) {
        t->makers[i] = (troublemaker){.storm = t, .ticks = sim_between(s->sim, 1, ticks)};
        uint32_t loop = sim_below(s->sim, s->loop_count);
        t->makers[i].id = stage_spawn(s, loop, make_trouble, &t->makers[i]);
        jzx_message message = jzx_message_empty(TAG_TICK);
        JZX_SIM_REQUIRE(s->sim, jzx_send(jzx_loop_context(s->loops[loop]), t->makers[i].id, &message) == JZX_OK);
    }
}

static void print(const storm *t)
{
    (void)fprintf(stderr, "unit %llu no_memory %u stops_all %d stops_loop %d loops %u\n",
                  (unsigned long long)t->unit_ns, t->no_memory, t->stops_all, t->stops_loop, t->stage->loop_count);
    tree_print(&t->stage->tree);
}

/* When the troublemakers went with their loop, nobody else stops what is left. */
static void close_late(void *argument)
{
    storm *t = argument;
    (void)jzx_sim_sleep(t->stage->sim, 2000 * t->unit_ns + 4 * calm_ns(t));
    (void)jzx_runtime_request_stop(t->stage->runtime);
}

static void blow(jzx_sim *sim, void *argument)
{
    (void)argument;
    storm *t = calloc(1, sizeof *t);
    stage *s = t->stage = stage_open(sim);
    draw_storm(t);
    if (getenv("JZX_SIM_REPLAY") != NULL) {
        print(t);
    }
    begin(t);
    (void)jzx_sim_thread(sim, "closer", close_late, t);
    stage_play(s);
    JZX_SIM_REQUIRE(sim, jzx_runtime_destroy(s->runtime) == JZX_OK);
    check_end(t);
    stage_close(s);
    free(t);
}

Test(storm, no_child_is_lost_whatever_happens_at_once, .timeout = 600)
{
    seeds_play("storm", blow);
}
