/*
 * supervisor: trees and scripts drawn from a seed, played by the library on one loop or more, and by the oracle. What is
 * reported under each supervisor, in which order and when, each answer, and what is there at the end, must be the same.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/seeds.h"
#include "tests/sim/stage.h"

enum { TAG_BEGIN = 1, TAG_STEP = 2, TAG_END = 3 };

/* The director: an actor beside the tree that does what the script says. */
typedef struct show {
    stage *stage;
    uint32_t next_step;
    uint64_t asked; /* the request of the last step, until it is answered */
    bool ended;
    uint32_t lists; /* asked for at the end */
} show;

static void next_timer(show *s, jzx_context *context)
{
    bool more = s->next_step < s->stage->tree.step_count;
    uint64_t at_ns = more ? s->stage->tree.steps[s->next_step].at_ns : s->stage->tree.end_ns;
    jzx_message message = jzx_message_empty(more ? TAG_STEP : TAG_END);
    JZX_SIM_REQUIRE(s->stage->sim, jzx_timer_at(context, s->stage->began_ns + at_ns, &message, NULL) == JZX_OK);
}

static void do_step(show *s, jzx_context *context)
{
    const tree_step *step = &s->stage->tree.steps[s->next_step++];
    JZX_SIM_REQUIRE(s->stage->sim, s->asked == 0); /* the last one was answered */
    if (step->spoiled != ORACLE_NONE) {
        s->stage->roles[step->spoiled].failing = step->failing;
    }
    jzx_err err = stage_act(s->stage, context, step, &s->asked);
    if (err != JZX_OK) {
        jzx_sim_fail(s->stage->sim, "step %u could not be done: %s", s->next_step - 1, jzx_strerror(err));
    }
    next_timer(s, context);
}

/* A list of the children of each supervisor that runs; when they have come, the end. */
static void begin_end(show *s, jzx_context *context)
{
    const oracle *o = &s->stage->tree.settled;
    s->ended = true;
    for (uint8_t i = 0; i < o->node_count; i++) {
        if (o->nodes[i].type == JZX_SUPERVISOR && o->nodes[i].state == ORACLE_RUNNING) {
            uint64_t ref;
            JZX_SIM_REQUIRE(s->stage->sim, jzx_child_list(context, s->stage->roles[i].id, &ref) == JZX_OK);
            s->lists++;
        }
    }
    if (s->lists == 0) {
        (void)jzx_runtime_request_stop(s->stage->runtime);
    }
}

static void check_list(show *s, const jzx_supervisor_answer *answer)
{
    static const uint32_t states[] = {[ORACLE_STOPPED] = JZX_CHILD_STOPPED,
                                      [ORACLE_RUNNING] = JZX_CHILD_RUNNING,
                                      [ORACLE_WAITING] = JZX_CHILD_RESTARTING};
    const oracle *o = &s->stage->tree.settled;
    uint8_t supervisor = 0;
    for (uint8_t i = 0; i < o->node_count; i++) {
        supervisor = o->nodes[i].state == ORACLE_RUNNING && s->stage->roles[i].id == answer->id ? i : supervisor;
    }
    const oracle_node *node = &o->nodes[supervisor];
    JZX_SIM_REQUIRE(s->stage->sim, answer->err == JZX_OK && answer->count == node->child_count);
    for (uint32_t i = 0; i < node->child_count; i++) {
        const jzx_child_info *child = &answer->children[i];
        const oracle_node *expected = &o->nodes[node->children[i]];
        const role *expected_role = &s->stage->roles[node->children[i]];
        if (child->index != expected_role->index || child->state != states[expected->state] ||
            child->restarts != expected->restarts ||
            child->id != (child->state == JZX_CHILD_RUNNING ? expected_role->id : 0)) {
            jzx_sim_fail(s->stage->sim,
                         "child %u under n%u is %s in state %u after %u restarts, not n%u in %u after %u", i,
                         supervisor, child->name, child->state, child->restarts, node->children[i],
                         states[expected->state], expected->restarts);
        }
    }
}

static void take_answer(show *s, const jzx_message *message)
{
    const jzx_supervisor_answer *answer = jzx_message_data(message);
    if (s->ended) {
        check_list(s, answer);
        if (--s->lists == 0) {
            (void)jzx_runtime_request_stop(s->stage->runtime);
        }
        return;
    }
    const tree_step *step = &s->stage->tree.steps[s->next_step - 1];
    JZX_SIM_REQUIRE(s->stage->sim, message->ref == s->asked);
    s->asked = 0;
    if (answer->err != step->err) {
        jzx_sim_fail(s->stage->sim, "step %u was answered with %s, not %s", s->next_step - 1, jzx_strerror(answer->err),
                     jzx_strerror(step->err));
    }
}

static jzx_behavior_result direct(jzx_context *context, void *state, const jzx_message *message)
{
    show *s = state;
    jzx__sim_point("director");
    switch (message->tag) {
    case TAG_BEGIN:
        next_timer(s, context);
        break;
    case TAG_STEP:
        do_step(s, context);
        break;
    case TAG_END:
        begin_end(s, context);
        break;
    case JZX_TAG_SYS_SUPERVISOR:
        take_answer(s, message);
        break;
    default:
        jzx_sim_fail(s->stage->sim, "the director got the tag %x", message->tag);
    }
    return JZX_BEHAVIOR_OK;
}

/* ---- what must be equal ---- */

/* The next event under one supervisor, of one child or of any (ORACLE_NONE), from `at` on, or NULL. */
static const oracle_event *next_of(const oracle_event *events, uint32_t count, uint8_t supervisor, uint8_t child,
                                   uint32_t *at)
{
    while (*at < count &&
           (events[*at].supervisor != supervisor || (child != ORACLE_NONE && events[*at].child != child))) {
        ++*at;
    }
    return *at < count ? &events[(*at)++] : NULL;
}

static bool same(const oracle_event *a, const oracle_event *b)
{
    uint64_t apart_ns = a->at_ns > b->at_ns ? a->at_ns - b->at_ns : b->at_ns - a->at_ns;
    return a->kind == b->kind && a->child == b->child && a->exit_kind == b->exit_kind && a->delay_ns == b->delay_ns &&
           apart_ns < TREE_MARGIN_NS;
}

static void compare_under(stage *s, uint8_t supervisor, uint8_t child)
{
    uint32_t at = 0;
    uint32_t expected_at = 0;
    for (uint32_t i = 0;; i++) {
        const oracle_event *seen = next_of(s->events, s->event_count, supervisor, child, &at);
        const oracle_event *expected = next_of(s->tree.end.events, s->tree.end.event_count, supervisor, child,
                                               &expected_at);
        if (seen == NULL && expected == NULL) {
            return;
        }
        if (seen == NULL || expected == NULL || !same(seen, expected)) {
            char seen_text[128];
            char expected_text[128];
            jzx_sim_fail(s->sim, "record %u under n%u is %s; expected: %s", i, supervisor,
                         stage_event_text(seen, seen_text, sizeof seen_text),
                         stage_event_text(expected, expected_text, sizeof expected_text));
            return;
        }
    }
}

static void compare(stage *s)
{
    compare_under(s, ORACLE_NONE, ORACLE_NONE);
    for (uint8_t i = 0; i < s->tree.begin.node_count; i++) {
        if (stage_is_dynamic(s, i)) { /* who of them stops first is open */
            compare_under(s, s->tree.begin.nodes[i].parent, i);
        } else if (s->tree.begin.nodes[i].type == JZX_SUPERVISOR && s->tree.begin.nodes[i].strategy != JZX_DYNAMIC) {
            compare_under(s, i, ORACLE_NONE);
        }
        JZX_SIM_REQUIRE(s->sim, s->roles[i].alive == 0);
    }
    bool escalated = false;
    for (uint32_t i = 0; i < s->tree.end.event_count; i++) {
        const oracle_event *event = &s->tree.end.events[i];
        escalated |= event->kind == JZX_SUPERVISION_ESCALATED && event->supervisor == 0;
    }
    jzx_err expected = escalated || !s->tree.starts ? JZX_ERR_ESCALATED : JZX_OK;
    for (uint32_t i = 0; i < s->loop_count; i++) {
        if (s->results[i] != expected) {
            jzx_sim_fail(s->sim, "loop %u ended with %s, not %s", i, jzx_strerror(s->results[i]),
                         jzx_strerror(expected));
        }
    }
}

static void print(const stage *s)
{
    char text[128];
    tree_print(&s->tree);
    for (uint32_t i = 0; i < s->tree.end.event_count; i++) {
        (void)fprintf(stderr, "expected under n%u: %s\n", s->tree.end.events[i].supervisor,
                      stage_event_text(&s->tree.end.events[i], text, sizeof text));
    }
}

static void exact(jzx_sim *sim, void *argument)
{
    (void)argument;
    stage *s = stage_open(sim);
    show director = {.stage = s};
    if (tree_draw(&s->tree, sim, s->loop_count)) {
        if (getenv("JZX_SIM_REPLAY") != NULL) {
            print(s);
        }
        stage_begin(s);
        jzx_actor_id id = stage_spawn(s, 0, direct, &director);
        jzx_message begin = jzx_message_empty(TAG_BEGIN);
        JZX_SIM_REQUIRE(sim, jzx_send(jzx_loop_context(s->loops[0]), id, &begin) == JZX_OK);
        stage_play(s);
        compare(s);
        JZX_SIM_REQUIRE(sim, jzx_runtime_destroy(s->runtime) == JZX_OK);
    }
    stage_close(s);
}

Test(supervisor, B14_a_tree_does_what_the_oracle_says, .timeout = 600)
{
    seeds_play("supervisor", exact);
}
