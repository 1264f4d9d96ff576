/* stage: see stage.h. */
#include "tests/sim/stage.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct loop_thread {
    stage *stage;
    uint32_t index;
} loop_thread;

/* ---- workers ---- */

static jzx_err worker_init(jzx_context *context, void *argument, void **state)
{
    role *self;
    memcpy(&self, argument, sizeof self);
    jzx__sim_point("worker init");
    if (self->failing > 0) {
        self->failing--;
        return JZX_ERR_UNKNOWN;
    }
    JZX_SIM_REQUIRE(self->stage->sim, self->alive == 0); /* never two incarnations */
    self->alive++;
    self->id = jzx_self(context);
    memcpy(*state, &self, sizeof self); /* of the runtime's, so that a start can fail for want of memory */
    return JZX_OK;
}

static jzx_behavior_result worker(jzx_context *context, void *state, const jzx_message *message)
{
    role *self = *(role *const *)state;
    jzx__sim_point("worker");
    if (message->tag == JZX_TAG_SYS_EXIT) {
        bool deaf = self->stage->tree.begin.nodes[self->node].deaf;
        return deaf ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_STOP;
    }
    switch ((jzx_exit_kind)message->tag) {
    case JZX_EXIT_NORMAL:
        return JZX_BEHAVIOR_STOP;
    case JZX_EXIT_SHUTDOWN:
        (void)jzx_stop(context, jzx_self(context));
        return JZX_BEHAVIOR_OK;
    case JZX_EXIT_KILLED:
        (void)jzx_kill(context, jzx_self(context));
        return JZX_BEHAVIOR_OK;
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

static void worker_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    role *self = *(role *const *)state;
    (void)context;
    (void)info;
    jzx__sim_point("worker fini");
    JZX_SIM_REQUIRE(self->stage->sim, self->alive == 1);
    self->alive--;
}

static void fill_worker(void *context, uint8_t node, jzx_child_spec *spec)
{
    stage *s = context;
    spec->init = worker_init;
    spec->behavior = worker;
    spec->fini = worker_fini;
    spec->argument = &s->arguments[node];
    spec->argument_size = sizeof s->arguments[node];
    spec->state_size = sizeof(role *);
}

/* ---- what is reported ---- */

static uint8_t node_of(const stage *s, const char *name)
{
    for (uint8_t i = 1; i < s->tree.begin.node_count; i++) {
        if (strcmp(s->tree.names[i], name) == 0) {
            return i;
        }
    }
    return 0; /* the root is nobody's child and has no name */
}

bool stage_is_dynamic(const stage *s, uint8_t node)
{
    return node != 0 && s->tree.begin.nodes[s->tree.begin.nodes[node].parent].strategy == JZX_DYNAMIC;
}

/* Those made from a template have its name: what tells them apart is the actor, and then their index. */
static uint8_t node_like(const stage *s, uint8_t like, const jzx_supervision_event *event)
{
    for (uint8_t i = 0; i < s->tree.begin.node_count; i++) {
        bool sibling = s->tree.begin.nodes[i].parent == s->tree.begin.nodes[like].parent;
        bool started = event->kind == JZX_SUPERVISION_STARTED && s->roles[i].id == event->id;
        if (sibling &&
            (started || (event->kind != JZX_SUPERVISION_STARTED && s->roles[i].index == event->child_index))) {
            return i;
        }
    }
    return s->adding; /* one that failed before it was reported */
}

/* A dynamic supervisor begins without children: indexes of those before are void. */
static void forget_children(stage *s, uint8_t node)
{
    for (uint8_t i = 0; i < s->tree.begin.node_count; i++) {
        if (s->tree.begin.nodes[i].parent == node && stage_is_dynamic(s, i)) {
            s->roles[i].index = JZX_NO_CHILD;
        }
    }
}

static void on_supervision(void *user, jzx_context *context, const jzx_supervision_event *event)
{
    stage *s = user;
    uint8_t node = node_of(s, event->name);
    if (stage_is_dynamic(s, node)) {
        node = node_like(s, node, event);
    }
    JZX_SIM_REQUIRE(s->sim, s->event_count < ORACLE_EVENTS);
    JZX_SIM_REQUIRE(s->sim, (event->supervisor == 0) == (node == 0));
    s->supervisors[s->event_count] = event->supervisor;
    oracle_event *seen = &s->events[s->event_count++];
    *seen = (oracle_event){.kind = event->kind,
                           .supervisor = s->tree.begin.nodes[node].parent,
                           .child = node,
                           .at_ns = jzx_now_ns(context) - s->began_ns};
    if (event->kind == JZX_SUPERVISION_STOPPED || event->kind == JZX_SUPERVISION_SHUTDOWN_ERROR) {
        JZX_SIM_REQUIRE(s->sim, event->exit != NULL);
        seen->exit_kind = event->exit->kind;
    }
    if (event->kind == JZX_SUPERVISION_RESTART) {
        seen->delay_ns = event->delay_ns;
    }
    char text[128];
    jzx_sim_note(s->sim, "seen under n%u: %s", seen->supervisor, stage_event_text(seen, text, sizeof text));
    s->stops[node] += event->kind == JZX_SUPERVISION_STOPPED;
    if (event->kind == JZX_SUPERVISION_STARTED) {
        s->starts[node]++;
        s->roles[node].id = event->id;
        s->roles[node].index = event->child_index;
        forget_children(s, node);
    }
}

/* ---- what befalls it ---- */

static jzx_err ask(stage *s, jzx_context *context, const tree_step *step, uint64_t *ref)
{
    jzx_actor_id supervisor = s->roles[s->tree.begin.nodes[step->node].parent].id;
    bool dynamic = stage_is_dynamic(s, step->node);
    jzx_child_key key = dynamic ? jzx_child_at(s->roles[step->node].index) : jzx_child_named(s->tree.names[step->node]);
    jzx_child_spec spec;
    switch (step->action) {
    case TREE_TERMINATE:
        return jzx_child_terminate(context, supervisor, key, ref);
    case TREE_RESTART:
        return jzx_child_restart(context, supervisor, key, ref);
    case TREE_DELETE:
        return jzx_child_delete(context, supervisor, key, ref);
    case TREE_ADD:
        if (dynamic) {
            s->adding = step->node;
            return jzx_child_start_like(context, supervisor, &s->arguments[step->node], sizeof(role *), ref);
        }
        spec = tree_spec_of(&s->specs, step->node);
        return jzx_child_start(context, supervisor, &spec, ref);
    default:
        return JZX_OK;
    }
}

static jzx_err end_node(stage *s, jzx_context *context, const tree_step *step)
{
    jzx_actor_id id = s->roles[step->node].id;
    if (s->tree.begin.nodes[step->node].type == JZX_SUPERVISOR) {
        return step->kind == JZX_EXIT_KILLED ? jzx_kill(context, id) : jzx_stop(context, id);
    }
    jzx_message message = jzx_message_empty(step->kind);
    return jzx_send(context, id, &message);
}

jzx_err stage_act(stage *s, jzx_context *context, const tree_step *step, uint64_t *ref)
{
    return step->action == TREE_END ? end_node(s, context, step) : ask(s, context, step, ref);
}

/* ---- life ---- */

stage *stage_open(jzx_sim *sim)
{
    stage *s = calloc(1, sizeof *s);
    s->events = malloc(ORACLE_EVENTS * sizeof *s->events);
    s->supervisors = malloc(ORACLE_EVENTS * sizeof *s->supervisors);
    s->sim = sim;
    sim_lot(sim);
    s->loop_count = (uint32_t)jzx_sim_size(sim, "loops", 1, STAGE_LOOPS);
    jzx_config *config = &s->config;
    jzx_config_init(config);
    config->loops_max = s->loop_count;
    config->lane_blocks = 4;
    config->inbox_size = 16;
    config->cells = 4096;
    config->mailbox_cap = 64;
    config->actors_max = 64;
    config->children_max = 64;
    config->timers_max = 64;
    return s;
}

static void make_runtime(stage *s)
{
    JZX_SIM_REQUIRE(s->sim, jzx_runtime_create(&s->config, &s->runtime) == JZX_OK);
    for (uint32_t i = 0; i < s->loop_count; i++) {
        JZX_SIM_REQUIRE(s->sim, jzx_loop_create(s->runtime, NULL, &s->loops[i]) == JZX_OK);
        jzx_observer observer = {.struct_size = sizeof observer, .supervision = on_supervision};
        JZX_SIM_REQUIRE(s->sim, jzx_observer_add(s->loops[i], &observer, s) == JZX_OK);
    }
}

void stage_begin(stage *s)
{
    make_runtime(s);
    s->began_ns = jzx_sim_now_ns(s->sim);
    for (uint8_t i = 0; i < s->tree.begin.node_count; i++) {
        s->roles[i] = (role){.stage = s, .node = i, .failing = s->tree.begin.nodes[i].failing, .index = JZX_NO_CHILD};
        s->arguments[i] = &s->roles[i];
    }
    s->specs = (tree_specs){.tree = &s->tree, .fill = fill_worker, .context = s};
    tree_specs_make(&s->specs);
    jzx_context *context = jzx_loop_context(s->loops[0]);
    JZX_SIM_REQUIRE(s->sim, jzx_supervisor_start(context, &s->specs.supervisors[0], NULL, NULL) == JZX_OK);
}

jzx_actor_id stage_spawn(stage *s, uint32_t loop, jzx_behavior_fn behavior, void *state)
{
    jzx_spawn_options options;
    jzx_actor_id id = 0;
    jzx_spawn_options_init(&options);
    options.behavior = behavior;
    options.argument = state;
    options.mailbox_policy = JZX_MAILBOX_DROP_NEWEST;
    JZX_SIM_REQUIRE(s->sim, jzx_spawn(jzx_loop_context(s->loops[loop]), &options, &id) == JZX_OK);
    return id;
}

static void run_loop(void *argument)
{
    loop_thread *thread = argument;
    thread->stage->results[thread->index] = jzx_loop_run(thread->stage->loops[thread->index]);
}

void stage_play(stage *s)
{
    loop_thread threads[STAGE_LOOPS];
    for (uint32_t i = 0; i < s->loop_count; i++) {
        threads[i] = (loop_thread){s, i};
        (void)jzx_sim_thread(s->sim, "loop", run_loop, &threads[i]);
    }
    JZX_SIM_REQUIRE(s->sim, jzx_sim_run(s->sim) == JZX_OK);
}

void stage_close(stage *s)
{
    tree_free(&s->tree);
    free(s->events);
    free(s->supervisors);
    free(s);
}

const char *stage_event_text(const oracle_event *event, char *text, size_t size)
{
    static const char *const kinds[] = {"STARTED", "STOPPED", "RESTART", "START_FAILED", "SHUTDOWN_ERROR", "ESCALATED"};
    if (event == NULL) {
        return "nothing";
    }
    (void)snprintf(text, size, "%s of n%u, exit %u, delay %.9f s, at %.9f s", kinds[event->kind], event->child,
                   event->exit_kind, (double)event->delay_ns / 1e9, (double)event->at_ns / 1e9);
    return text;
}
