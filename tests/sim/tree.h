/*
 * tree: a tree of supervisors and a script of what befalls it, drawn from a seed, with all that must come of it.
 *
 * What is drawn is played on an oracle at once: a step whose outcome would hang on which of two things is a little
 * sooner is drawn again, so that a script has one outcome only. Times are of seconds and minutes, and TREE_MARGIN_NS
 * apart: it is for the world that plays it to stay well within that.
 */
#ifndef TESTS_TREE_H
#define TESTS_TREE_H

#include "tests/support/oracle.h"
#include "tests/sim/lot.h"

enum { TREE_STEPS = 40 };
#define TREE_SECOND 1000000000ull
#define TREE_MARGIN_NS (TREE_SECOND / 2)

typedef enum tree_action {
    TREE_NOTHING,
    TREE_END, /* with `kind` */
    TREE_TERMINATE,
    TREE_RESTART,
    TREE_DELETE,
    TREE_ADD,
} tree_action;

typedef struct tree_step {
    uint64_t at_ns; /* after the start */
    tree_action action;
    uint8_t node;
    jzx_exit_kind kind;
    uint8_t spoiled;  /* before that: a node whose next starts fail; ORACLE_NONE: none */
    uint32_t failing; /* so many */
    jzx_err err;      /* expected of a request */
} tree_step;

typedef struct sim_tree {
    oracle begin;   /* before the start: the specs alone */
    oracle settled; /* before the end */
    oracle end;     /* with all events */
    uint64_t end_ns;
    tree_step steps[TREE_STEPS];
    uint32_t step_count;
    bool starts;
    /* What the oracle need not know. */
    bool traps[ORACLE_NODES];
    uint8_t placement[ORACLE_NODES];
    uint8_t place_loop[ORACLE_NODES];
    char names[ORACLE_NODES][8];
} sim_tree;

/* `loops`: of the runtime. False, which is rare: no end was found that is clear. */
void tree_draw_specs(sim_tree *tree, jzx_sim *sim, uint32_t loops); /* a tree without a script */
bool tree_draw(sim_tree *tree, jzx_sim *sim, uint32_t loops);
void tree_free(sim_tree *tree);
void tree_print(const sim_tree *tree); /* to stderr */

/* All specs of a tree, and in `supervisors` that of each supervisor by its node. */
typedef struct tree_specs {
    /* Set by the test. */
    const sim_tree *tree;
    void (*fill)(void *context, uint8_t node, jzx_child_spec *spec); /* a worker's functions and argument */
    void *context;

    jzx_supervisor_spec supervisors[ORACLE_NODES];
    jzx_child_spec children[ORACLE_NODES];
} tree_specs;

void tree_specs_make(tree_specs *specs);
jzx_child_spec tree_spec_of(const tree_specs *specs, uint8_t node);

#endif
