/* tree: see tree.h. */
#include "tests/sim/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH = 4, CHILDREN = 5, NODES = 32, TRIES = 6 };

static uint64_t seconds(jzx_sim *sim, uint32_t least, uint32_t most)
{
    return least * TREE_SECOND + jzx_sim_random(sim) % ((most - least) * TREE_SECOND);
}

/* ---- a tree ---- */

static jzx_backoff draw_backoff(jzx_sim *sim)
{
    jzx_backoff backoff = {.kind = sim_between(sim, JZX_BACKOFF_NONE, JZX_BACKOFF_EXPONENTIAL)};
    if (backoff.kind != JZX_BACKOFF_NONE) {
        backoff.initial_ns = seconds(sim, 3, 20);
        backoff.max_ns = backoff.initial_ns * sim_between(sim, 1, 6) + seconds(sim, 0, 3);
        backoff.factor = sim_between(sim, 1, 3);
    }
    backoff.reset_ns = sim_chance(sim, 512) ? 0 : seconds(sim, 20, 200);
    return backoff;
}

static void draw_supervisor(jzx_sim *sim, oracle_node *node)
{
    static const uint32_t intensities[] = {0, 1, 1, 2, 3, 5, 8, JZX_INTENSITY_UNLIMITED};
    node->type = JZX_SUPERVISOR;
    node->strategy = (uint8_t)sim_between(sim, JZX_ONE_FOR_ONE, JZX_DYNAMIC);
    node->auto_shutdown = (uint8_t)(sim_chance(sim, 512) ? JZX_AUTO_NEVER : sim_between(sim, 1, 2));
    node->intensity = intensities[sim_below(sim, 8)];
    node->period_ns = seconds(sim, 10, 300);
    node->for_children = draw_backoff(sim);
}

static void draw_child(jzx_sim *sim, oracle_node *node, const oracle_node *parent)
{
    static const uint8_t restarts[] = {JZX_PERMANENT, JZX_PERMANENT, JZX_PERMANENT, JZX_TRANSIENT, JZX_TEMPORARY};
    node->restart = restarts[sim_below(sim, 5)];
    node->significant = parent->auto_shutdown != JZX_AUTO_NEVER && node->restart != JZX_PERMANENT &&
                        sim_chance(sim, 512);
    node->shutdown_ns = JZX_SHUTDOWN_DEFAULT;
    if (sim_chance(sim, 100)) {
        node->shutdown_ns = JZX_SHUTDOWN_BRUTAL;
    } else if (node->type == JZX_WORKER && sim_chance(sim, 60)) {
        node->deaf = true;
        node->shutdown_ns = seconds(sim, 2, 5);
    }
    /* A group has one row of delays, whoever fails: there all children inherit. */
    if (parent->strategy == JZX_ONE_FOR_ONE && sim_chance(sim, 300)) {
        node->backoff = draw_backoff(sim);
    }
}

/* All children of a dynamic supervisor are made from one template, and none is there at its start. */
static void become_like(oracle_node *node, const oracle_node *first)
{
    if (first != NULL) {
        *node = *first;
    }
    node->added = true;
}

/* Adds the children of a supervisor, with all that is below each before the next. */
static void draw_children(jzx_sim *sim, oracle *o, uint8_t parent, uint32_t depth)
{
    uint32_t count = sim_between(sim, depth == 0 ? 1 : 0, CHILDREN);
    bool added = false;
    const oracle_node *first = NULL;
    for (uint32_t i = 0; i < count && o->node_count < NODES; i++) {
        uint8_t index = o->node_count++;
        oracle_node *node = &o->nodes[index];
        node->parent = parent;
        node->added = added;
        if (depth < DEPTH && o->nodes[parent].strategy != JZX_DYNAMIC && sim_chance(sim, 320)) {
            draw_supervisor(sim, node);
        }
        draw_child(sim, node, &o->nodes[parent]);
        if (o->nodes[parent].strategy == JZX_DYNAMIC) {
            become_like(node, first);
            first = first == NULL ? node : first;
        }
        if (node->type == JZX_SUPERVISOR) {
            draw_children(sim, o, index, depth + 1);
        }
        added |= sim_chance(sim, 200); /* the others come later, if at all */
    }
    if (o->nodes[parent].strategy == JZX_DYNAMIC && first == NULL) {
        o->nodes[parent].strategy = JZX_ONE_FOR_ONE; /* no template */
    }
}

void tree_draw_specs(sim_tree *tree, jzx_sim *sim, uint32_t loops)
{
    oracle *o = &tree->begin;
    memset(tree, 0, sizeof *tree);
    o->node_count = 1;
    o->nodes[0].parent = ORACLE_NONE;
    draw_supervisor(sim, &o->nodes[0]);
    o->nodes[0].intensity += o->nodes[0].intensity < 8 ? 2 : 0; /* scripts shall not all end soon */
    o->nodes[0].shutdown_ns = JZX_SHUTDOWN_DEFAULT;
    draw_children(sim, o, 0, 0);
    for (uint8_t i = 0; i < o->node_count; i++) {
        o->nodes[i].due_ns = JZX_FOREVER;
        o->nodes[i].failing = o->nodes[i].type == JZX_WORKER && sim_chance(sim, 8);
        tree->traps[i] = o->nodes[i].type == JZX_WORKER && (o->nodes[i].deaf || sim_chance(sim, 512));
        tree->placement[i] = (uint8_t)(sim_chance(sim, 512) ? JZX_PLACE_HERE : JZX_PLACE_LOOP);
        tree->place_loop[i] = (uint8_t)sim_below(sim, loops);
        (void)snprintf(tree->names[i], sizeof tree->names[i], "n%u", i);
    }
}

/* ---- a script ---- */

/* May this befall that node now? */
static bool fits(const oracle *o, const tree_step *step)
{
    const oracle_node *node = &o->nodes[step->node];
    if (step->node == 0 || o->nodes[node->parent].state != ORACLE_RUNNING) {
        return false;
    }
    switch (step->action) {
    case TREE_NOTHING:
        return true;
    case TREE_END:
        return node->state == ORACLE_RUNNING &&
               (node->type == JZX_WORKER || step->kind == JZX_EXIT_SHUTDOWN || step->kind == JZX_EXIT_KILLED);
    case TREE_ADD:
        if (o->nodes[node->parent].strategy == JZX_DYNAMIC) {
            return node->state == ORACLE_ABSENT; /* else there would be two of it */
        }
        return node->added || node->state != ORACLE_ABSENT;
    default:
        return true;
    }
}

static bool draw_step(jzx_sim *sim, const oracle *o, tree_step *step)
{
    static const uint8_t actions[] = {TREE_NOTHING, TREE_END, TREE_END,       TREE_END,     TREE_END,    TREE_END,
                                      TREE_END,     TREE_END, TREE_TERMINATE, TREE_RESTART, TREE_DELETE, TREE_ADD};
    static const uint8_t kinds[] = {JZX_EXIT_NORMAL, JZX_EXIT_SHUTDOWN, JZX_EXIT_FAIL,
                                    JZX_EXIT_FAIL,   JZX_EXIT_FAIL,     JZX_EXIT_KILLED};
    step->at_ns = o->now_ns + seconds(sim, 1, sim_chance(sim, 800) ? 10 : 400);
    for (int i = 0; i < 20; i++) {
        step->action = actions[sim_below(sim, sizeof actions)];
        step->kind = kinds[sim_below(sim, sizeof kinds)];
        step->node = (uint8_t)sim_below(sim, o->node_count);
        step->spoiled = ORACLE_NONE;
        step->failing = 0;
        if (sim_chance(sim, 400)) {
            step->spoiled = (uint8_t)sim_below(sim, o->node_count);
            step->failing = sim_between(sim, 0, sim_chance(sim, 800) ? 2 : 12);
        }
        bool spoils = step->spoiled == ORACLE_NONE || o->nodes[step->spoiled].type == JZX_WORKER;
        if (spoils && fits(o, step)) {
            return true;
        }
    }
    return false;
}

static jzx_err play_action(oracle *o, const tree_step *step)
{
    switch (step->action) {
    case TREE_NOTHING:
        break;
    case TREE_END:
        oracle_end(o, step->node, step->kind);
        break;
    case TREE_TERMINATE:
        return oracle_terminate(o, step->node);
    case TREE_RESTART:
        return oracle_restart(o, step->node);
    case TREE_DELETE:
        return oracle_delete(o, step->node);
    case TREE_ADD:
        return oracle_add(o, step->node);
    }
    return JZX_OK;
}

/* Time has passed until the step: false if it does not fit any more, or its outcome is not clear. */
static bool play_step(oracle *o, tree_step *step)
{
    oracle_go(o, step->at_ns);
    if (o->unclear || oracle_over(o) || !fits(o, step)) {
        return false;
    }
    if (step->spoiled != ORACLE_NONE) {
        o->nodes[step->spoiled].failing = step->failing;
    }
    step->err = play_action(o, step);
    return !o->unclear;
}

static bool play_end(sim_tree *tree, uint64_t at_ns)
{
    oracle_go(&tree->end, at_ns);
    tree->settled = tree->end;
    tree->end_ns = at_ns;
    if (!oracle_over(&tree->end)) {
        oracle_stop(&tree->end);
    }
    return !tree->end.unclear;
}

/* Draws until there is one that is clear; nothing has happened when there is none. */
static bool add_step(sim_tree *tree, jzx_sim *sim)
{
    oracle *o = &tree->end;
    oracle before = *o;
    for (int i = 0; i < TRIES; i++) {
        tree_step *step = &tree->steps[tree->step_count];
        if (draw_step(sim, o, step) && play_step(o, step)) {
            tree->step_count++;
            return true;
        }
        *o = before;
    }
    return false;
}

static bool add_end(sim_tree *tree, jzx_sim *sim)
{
    oracle before = tree->end;
    for (int i = 0; i < 10 * TRIES; i++) {
        if (play_end(tree, before.now_ns + seconds(sim, 1, 60))) {
            return true;
        }
        tree->end = before;
    }
    return false;
}

bool tree_draw(sim_tree *tree, jzx_sim *sim, uint32_t loops)
{
    tree_draw_specs(tree, sim, loops);
    tree->begin.margin_ns = TREE_MARGIN_NS;
    tree->end = tree->begin;
    tree->end.events = malloc(ORACLE_EVENTS * sizeof *tree->end.events);
    tree->starts = oracle_start(&tree->end);
    uint32_t wanted = sim_between(sim, 1, TREE_STEPS);
    while (tree->starts && !oracle_over(&tree->end) && tree->step_count < wanted && add_step(tree, sim)) {
    }
    return add_end(tree, sim);
}

void tree_free(sim_tree *tree)
{
    free(tree->end.events);
}

/* ---- its specs ---- */

static jzx_child_spec child_spec(const tree_specs *specs, uint8_t index)
{
    const sim_tree *tree = specs->tree;
    const oracle_node *node = &tree->begin.nodes[index];
    jzx_child_spec spec;
    jzx_child_spec_init(&spec);
    spec.name = tree->names[index];
    spec.type = node->type;
    spec.restart = node->restart;
    spec.significant = node->significant;
    spec.shutdown_ns = node->shutdown_ns;
    spec.backoff = node->backoff;
    spec.placement = tree->placement[index];
    spec.place_loop = tree->place_loop[index];
    if (node->type == JZX_SUPERVISOR) {
        spec.supervisor = &specs->supervisors[index];
    } else {
        spec.trap_exit = tree->traps[index];
        specs->fill(specs->context, index, &spec);
    }
    return spec;
}

void tree_specs_make(tree_specs *specs)
{
    const oracle *o = &specs->tree->begin;
    uint8_t used = 0; /* siblings lie side by side */
    for (uint8_t i = 0; i < o->node_count; i++) {
        jzx_supervisor_spec *spec = &specs->supervisors[i];
        const oracle_node *node = &o->nodes[i];
        jzx_supervisor_spec_init(spec);
        spec->strategy = node->strategy;
        spec->auto_shutdown = node->auto_shutdown;
        spec->intensity = node->intensity;
        spec->period_ns = node->type == JZX_SUPERVISOR ? node->period_ns : 1;
        spec->backoff = node->for_children;
        spec->children = &specs->children[used];
        for (uint8_t child = 0; child < o->node_count; child++) {
            bool template = node->strategy == JZX_DYNAMIC && spec->child_count == 0;
            if (o->nodes[child].parent == i && (template || !o->nodes[child].added)) {
                specs->children[used++] = child_spec(specs, child);
                spec->child_count++;
            }
        }
    }
}

jzx_child_spec tree_spec_of(const tree_specs *specs, uint8_t node)
{
    return child_spec(specs, node);
}

/* ---- for who looks for a mistake ---- */

static void print_node(const sim_tree *tree, uint8_t i)
{
    const oracle_node *node = &tree->begin.nodes[i];
    (void)fprintf(stderr, "n%u under n%u: %s, restart %u%s%s%s, shutdown %.9f s, placement %u on %u, failing %u\n", i,
                  node->parent, node->type == JZX_SUPERVISOR ? "supervisor" : "worker", node->restart,
                  node->significant ? ", significant" : "", node->added ? ", added" : "", node->deaf ? ", deaf" : "",
                  node->shutdown_ns >= JZX_SHUTDOWN_DEFAULT ? -1 : (double)node->shutdown_ns / 1e9, tree->placement[i],
                  tree->place_loop[i], node->failing);
    if (node->type == JZX_SUPERVISOR) {
        (void)fprintf(stderr, "    strategy %u, auto %u, intensity %u in %.9f s, backoff %u from %.9f s to %.9f s\n",
                      node->strategy, node->auto_shutdown, node->intensity, (double)node->period_ns / 1e9,
                      node->for_children.kind, (double)node->for_children.initial_ns / 1e9,
                      (double)node->for_children.max_ns / 1e9);
    }
}

void tree_print(const sim_tree *tree)
{
    static const char *const actions[] = {"nothing", "end", "terminate", "restart", "delete", "add"};
    for (uint8_t i = 0; i < tree->begin.node_count; i++) {
        print_node(tree, i);
    }
    for (uint32_t i = 0; i < tree->step_count; i++) {
        const tree_step *step = &tree->steps[i];
        (void)fprintf(stderr, "step %u at %.9f s: %s n%u (%u), the next %u of n%u fail: %s\n", i,
                      (double)step->at_ns / 1e9, actions[step->action], step->node, step->kind, step->failing,
                      step->spoiled, jzx_strerror(step->err));
    }
}
