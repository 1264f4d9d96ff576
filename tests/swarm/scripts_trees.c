/* scripts_trees: plays about supervisors. */
#include "tests/swarm/script.h"

#include <string.h>

enum { GO = 1, FAIL, TICK, END };
enum { MS = 1000000 };

/* A child: fails when it is told so, and reaches a goal each time it begins. */
static jzx_behavior_result worker(part *self, jzx_context *context, const jzx_message *message)
{
    (void)context;
    (void)self;
    return message->tag == FAIL               ? JZX_BEHAVIOR_FAIL
           : message->tag == END              ? JZX_BEHAVIOR_STOP
           : message->tag == JZX_TAG_SYS_EXIT ? JZX_BEHAVIOR_STOP
                                              : JZX_BEHAVIOR_OK;
}

static void began(part *self, jzx_context *context)
{
    (void)context;
    stand_goal(self->stand);
}

/* Fails by itself, so often. */
static void began_to_fail(part *self, jzx_context *context)
{
    stand_goal(self->stand);
    if (self->inits <= self->a) {
        part_later(self, context, MS, FAIL);
    }
}

enum { KIDS = 3 };

typedef struct plan {
    jzx_supervisor_spec spec;
    jzx_child_spec children[KIDS + 1];
} plan;

static void plan_make(stand *s, plan *p, jzx_strategy strategy)
{
    static const char *const names[] = {"kid-0", "kid-1", "kid-2"};
    jzx_supervisor_spec_init(&p->spec);
    p->spec.strategy = (uint8_t)strategy;
    p->spec.children = p->children;
    p->spec.child_count = KIDS;
    p->spec.intensity = 20;
    for (uint32_t i = 0; i < KIDS; i++) {
        part *kid = stand_part(s, worker);
        kid->begin = began;
        part_child(kid, &p->children[i], names[i], JZX_PERMANENT);
        p->children[i].placement = JZX_PLACE_LOOP;
        p->children[i].place_loop = i % s->loop_count;
        p->children[i].state_size = 0;
    }
}

static void root(stand *s, const plan *p)
{
    (void)STAND_OK(s, jzx_supervisor_start(jzx_loop_context(stand_loop(s, 0)), &p->spec, NULL, NULL));
    stand_start(s);
}

static void one_for_one(stand *s)
{
    plan p;
    plan_make(s, &p, JZX_ONE_FOR_ONE);
    s->parts[1].begin = began_to_fail;
    s->parts[1].a = 3;
    s->goals = KIDS + 3;
    root(s, &p);
}

static void one_for_all(stand *s)
{
    plan p;
    plan_make(s, &p, JZX_ONE_FOR_ALL);
    s->parts[1].begin = began_to_fail;
    s->parts[1].a = 2;
    p.spec.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = 2 * MS};
    s->goals = 3 * KIDS;
    root(s, &p);
}

static void rest_for_one(stand *s)
{
    plan p;
    plan_make(s, &p, JZX_REST_FOR_ONE);
    s->parts[1].begin = began_to_fail;
    s->parts[1].a = 2;
    p.children[2].trap_exit = true;
    p.children[2].shutdown_ns = 5 * MS;
    s->goals = KIDS + 2 * (KIDS - 1);
    root(s, &p);
}

static void starts_that_fail(stand *s)
{
    plan p;
    plan_make(s, &p, JZX_ONE_FOR_ONE);
    s->parts[2].begin = began_to_fail;
    s->parts[2].a = 1;
    s->goals = KIDS;
    root(s, &p);
    (void)jzx_sim_run_until_idle(s->sim);
    s->parts[2].failing = 2; /* of the restarts */
    s->goals++;
}

static void escalation(stand *s)
{
    plan p;
    plan_make(s, &p, JZX_ONE_FOR_ONE);
    p.spec.intensity = 2;
    s->parts[0].begin = began_to_fail;
    s->parts[0].a = 100;
    s->goals = KIDS + 2;
    root(s, &p);
    (void)jzx_sim_advance(s->sim, 100 * MS);
}

/* A tree of three levels; the middle one gives up once, and is restarted. */
static void nested(stand *s)
{
    plan outer;
    plan middle;
    plan inner;
    plan_make(s, &outer, JZX_ONE_FOR_ONE);
    plan_make(s, &middle, JZX_ONE_FOR_ALL);
    plan_make(s, &inner, JZX_ONE_FOR_ONE);
    jzx_child_spec_init(&outer.children[KIDS]);
    outer.children[KIDS].type = JZX_SUPERVISOR;
    outer.children[KIDS].name = "middle";
    outer.children[KIDS].supervisor = &middle.spec;
    outer.children[KIDS].placement = JZX_PLACE_LOOP;
    outer.children[KIDS].place_loop = s->loop_count - 1;
    outer.spec.child_count = KIDS + 1;
    middle.children[KIDS] = outer.children[KIDS];
    middle.children[KIDS].name = "inner";
    middle.children[KIDS].supervisor = &inner.spec;
    middle.spec.child_count = KIDS + 1;
    inner.spec.intensity = 0;
    s->parts[7].begin = began_to_fail;
    s->parts[7].a = 1;
    s->goals = 3 * KIDS + 2 * KIDS;
    root(s, &outer);
}

/* One keeps its mail and its name over a restart. */
static jzx_behavior_result keeper(part *self, jzx_context *context, const jzx_message *message)
{
    (void)context;
    if (message->tag == TICK) {
        (void)stand_took(self->stand, message);
        stand_goal(self->stand);
    }
    return message->tag == FAIL ? JZX_BEHAVIOR_FAIL : JZX_BEHAVIOR_OK;
}

static jzx_behavior_result sender_to_child(part *self, jzx_context *context, const jzx_message *message)
{
    stand *s = self->stand;
    jzx_actor_id id;
    if (message->tag != GO) {
        return JZX_BEHAVIOR_OK;
    }
    if (jzx_whereis(s->runtime, "kid-0", &id) != JZX_OK) {
        part_later(self, context, MS, GO); /* not started yet */
        return JZX_BEHAVIOR_OK;
    }
    jzx_message fail = jzx_message_empty(FAIL);
    (void)STAND_OK(s, jzx_send(context, id, &fail));
    (void)part_say(self, context, id, TICK, 1);
    (void)part_say(self, context, id, TICK, 2);
    return JZX_BEHAVIOR_OK;
}

static void keeps_mail(stand *s)
{
    plan p;
    plan_make(s, &p, JZX_ONE_FOR_ONE);
    s->parts[0].on = keeper;
    s->parts[0].begin = NULL;
    p.children[0].keep_mail = true;
    p.children[0].register_name = true;
    s->goals = KIDS - 1 + 2;
    stand_poke(s, stand_spawn(s, 0, sender_to_child), GO);
    root(s, &p);
}

/* ---- requests to a supervisor ---- */

typedef enum request { START, LIST, COUNT, FIND, TERMINATE, RESTART, TERMINATE_AGAIN, DELETE, REQUESTS } request;

static jzx_err ask(part *self, jzx_context *context, request what)
{
    stand *s = self->stand;
    jzx_child_spec child;
    jzx_child_key key = jzx_child_named("added");
    switch (what) {
    case START:
        part_child(self->other, &child, "added", JZX_TRANSIENT);
        child.register_name = true;
        child.placement = JZX_PLACE_LEAST_LOADED;
        return jzx_child_start(context, self->a, &child, NULL);
    case LIST:
        return jzx_child_list(context, self->a, NULL);
    case COUNT:
        return jzx_child_count(context, self->a, NULL);
    case FIND:
        return jzx_child_find(context, self->a, key, NULL);
    case TERMINATE:
    case TERMINATE_AGAIN:
        return jzx_child_terminate(context, self->a, key, NULL);
    case RESTART:
        return jzx_child_restart(context, self->a, key, NULL);
    default:
        (void)s;
        return jzx_child_delete(context, self->a, key, NULL);
    }
}

static void go_on(part *self, jzx_context *context)
{
    while (self->b < REQUESTS && !STAND_OK(self->stand, ask(self, context, (request)self->b))) {
        self->b++;
    }
    if (self->b == REQUESTS) {
        stand_goal(self->stand);
    }
}

static jzx_behavior_result administrator(part *self, jzx_context *context, const jzx_message *message)
{
    stand *s = self->stand;
    if (message->tag == GO) {
        plan p;
        jzx_actor_id id;
        plan_make(s, &p, JZX_ONE_FOR_ONE);
        self->b = REQUESTS;
        if (STAND_OK(s, jzx_trap_exit(context, true)) &&
            STAND_OK(s, jzx_supervisor_start(context, &p.spec, &id, NULL))) {
            self->a = id;
            self->b = UINT64_MAX; /* the next is the first request */
        } else {
            stand_goal(s);
        }
    } else if (message->tag == JZX_TAG_SYS_SUPERVISOR) {
        const jzx_supervisor_answer *answer = jzx_message_data(message);
        JZX_SIM_REQUIRE(s->sim, answer->err == JZX_OK || stand_disturbed(s));
        self->b++;
        go_on(self, context);
    } else if (message->tag == JZX_TAG_SYS_NO_ANSWER || message->tag == JZX_TAG_SYS_EXIT) {
        JZX_SIM_REQUIRE(s->sim, s->goals == 0 || stand_disturbed(s)); /* or it is all over */
        s->goals = 0;
    }
    return JZX_BEHAVIOR_OK;
}

static void administration(stand *s)
{
    part *one = stand_spawn(s, 1, administrator);
    s->goals = KIDS + 1;
    if (one != NULL) {
        one->other = stand_part(s, worker);
        stand_poke(s, one, GO);
    }
    stand_start(s);
}

/* Many alike. */
static jzx_behavior_result hirer(part *self, jzx_context *context, const jzx_message *message)
{
    stand *s = self->stand;
    if (message->tag == GO) {
        jzx_supervisor_spec spec;
        jzx_child_spec template;
        jzx_actor_id id;
        jzx_supervisor_spec_init(&spec);
        part_child(self->other, &template, NULL, JZX_TEMPORARY);
        spec.strategy = JZX_DYNAMIC;
        spec.children = &template;
        spec.child_count = 1;
        self->b = 5;
        if (STAND_OK(s, jzx_supervisor_start(context, &spec, &id, NULL))) {
            self->a = id;
        } else {
            s->goals = 0;
        }
    } else if (message->tag == JZX_TAG_SYS_SUPERVISOR) {
        const jzx_supervisor_answer *answer = jzx_message_data(message);
        JZX_SIM_REQUIRE(s->sim, answer->err == JZX_OK || stand_disturbed(s));
        if (--self->b > 0) {
            part *fresh = stand_part(s, worker);
            (void)fresh;
            /* one incarnation of a part at a time: each is another's */
            jzx_err err = self->b % 2 == 0
                              ? jzx_child_start_like(context, self->a, NULL, 0, NULL)
                              : jzx_child_terminate(context, self->a, jzx_child_at((uint32_t)self->c++), NULL);
            if (!STAND_OK(s, err)) {
                s->goals = 0;
            }
        }
        stand_goal(s);
    } else if (message->tag == JZX_TAG_SYS_NO_ANSWER) {
        JZX_SIM_REQUIRE(s->sim, stand_disturbed(s));
        s->goals = 0;
    }
    return JZX_BEHAVIOR_OK;
}

static void dynamic(stand *s)
{
    part *one = stand_spawn(s, 0, hirer);
    s->goals = 5;
    if (one != NULL) {
        one->other = stand_part(s, worker);
        stand_poke(s, one, GO);
    }
    stand_start(s);
}

/* Children that are significant end the tree. */
static void significant(stand *s)
{
    plan p;
    plan_make(s, &p, JZX_ONE_FOR_ONE);
    p.spec.auto_shutdown = JZX_AUTO_ANY_SIGNIFICANT;
    p.children[1].significant = true;
    p.children[1].restart = JZX_TRANSIENT;
    s->goals = KIDS;
    root(s, &p);
    (void)jzx_sim_run_until_idle(s->sim);
    if (s->parts[1].alive == 1) {
        jzx_message end = jzx_message_empty(END);
        (void)STAND_OK(s, jzx_post(s->runtime, s->parts[1].id, &end));
        (void)jzx_sim_advance(s->sim, MS);
        JZX_SIM_REQUIRE(s->sim, s->parts[0].alive == 0 || stand_disturbed(s));
    }
}

const script scripts_of_trees[] = {
    {.name = "one-for-one", .play = one_for_one},
    {.name = "one-for-all", .play = one_for_all},
    {.name = "rest-for-one", .play = rest_for_one},
    {.name = "starts-that-fail", .play = starts_that_fail},
    {.name = "escalation", .play = escalation, .result = JZX_ERR_ESCALATED},
    {.name = "nested", .play = nested},
    {.name = "keeps-mail", .play = keeps_mail},
    {.name = "administration", .play = administration},
    {.name = "dynamic", .play = dynamic},
    {.name = "significant", .play = significant},
};
const uint32_t scripts_of_trees_count = sizeof scripts_of_trees / sizeof scripts_of_trees[0];
