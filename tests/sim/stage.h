/*
 * stage: a runtime in a simulated world on which a tree of supervisors lives, with workers that end as they are told and
 * fail to start as often as they must, and a record of all that is reported under each supervisor.
 */
#ifndef TESTS_STAGE_H
#define TESTS_STAGE_H

#include "tests/sim/tree.h"
#include "tests/sim/lot.h"

enum { STAGE_LOOPS = 3 };

typedef struct stage stage;

/* What a worker is given: one for each node, through all its incarnations. A message's tag says how to end. */
typedef struct role {
    stage *stage;
    uint8_t node;
    uint32_t failing; /* starts to come that fail */
    uint32_t alive;   /* incarnations between init and fini */
    jzx_actor_id id;
    uint32_t index; /* among its siblings, as it was last reported */
} role;

struct stage {
    jzx_sim *sim;
    jzx_runtime *runtime;
    jzx_loop *loops[STAGE_LOOPS];
    jzx_err results[STAGE_LOOPS];
    uint32_t loop_count;
    jzx_config config; /* may be changed before stage_begin() */
    sim_tree tree;     /* drawn by the test */
    tree_specs specs;
    role roles[ORACLE_NODES];
    role *arguments[ORACLE_NODES];
    uint8_t adding; /* the node that a dynamic supervisor is asked to start */
    uint64_t began_ns;
    oracle_event *events;      /* as they came; at_ns counts from began_ns */
    jzx_actor_id *supervisors; /* of each event */
    uint32_t event_count;
    uint32_t starts[ORACLE_NODES]; /* STARTED records of each node, and STOPPED ones */
    uint32_t stops[ORACLE_NODES];
};

stage *stage_open(jzx_sim *sim);
/* The runtime, and the tree begins at the first turn. */
void stage_begin(stage *s);
jzx_actor_id stage_spawn(stage *s, uint32_t loop, jzx_behavior_fn behavior, void *state);
void stage_play(stage *s); /* until the runtime has stopped */
void stage_close(stage *s);

bool stage_is_dynamic(const stage *s, uint8_t node); /* its supervisor is */

/* Does an action to a node: a message, an end, or a request to its supervisor with *ref. */
jzx_err stage_act(stage *s, jzx_context *context, const tree_step *step, uint64_t *ref);

const char *stage_event_text(const oracle_event *event, char *text, size_t size);

#endif
