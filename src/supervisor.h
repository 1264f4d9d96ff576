/*
 * supervisor: what a supervisor is to the library: an actor whose state is a jzx__tree and whose behavior follows OTP's
 * supervisor (stdlib, supervisor.erl). supervisor.c decides when children start and stop, children.c keeps them, ask.c
 * answers requests.
 *
 * Everything happens in the supervisor's own handler, one event at a time: news of a child, a request, a word to end.
 *
 * Invariants
 *   W1  One thing at a time: while children are started or stopped one after the other, or a request waits for its child,
 *       exits of others are deferred, and looked at in the order they came, as if the supervisor had been blocked.
 *   W2  An exit is looked at once; a restart, of a child or of a group, is pending at most once.
 *   W3  Children start in order and stop in reverse, each only when the one before has answered. Those of a JZX_DYNAMIC
 *       supervisor stop all at once.
 *   W4  A supervisor ends only when none of its children has an incarnation.
 *   W5  The word to end goes before everything else: it waits for no restart, no request and no other child.
 */
#ifndef JZX__SUPERVISOR_H
#define JZX__SUPERVISOR_H

#include "src/internal.h"
#include "src/plan.h"
#include "src/restart.h"

typedef enum jzx__tree_mode {
    JZX__TREE_STARTING, /* for the first time, at `cursor` */
    JZX__TREE_STEADY,
    JZX__TREE_GROUP_STOP,  /* for a restart of `group` and those with it, at `cursor` */
    JZX__TREE_GROUP_WAIT,  /* they are stopped; `group` has the deadline */
    JZX__TREE_GROUP_START, /* they start again, at `cursor` */
    JZX__TREE_ENDING,      /* all stop, at `cursor` */
} jzx__tree_mode;

typedef struct jzx__ask jzx__ask;

typedef struct jzx__tree {
    jzx__supervisor base; /* first: sched/ knows it */
    jzx_loop *loop;
    jzx__plan *plan;
    jzx_start_failure *failure; /* of its start: where the supervisor above looks, or in the plan */
    bool own_plan;              /* nobody above holds it */
    uint8_t mode;               /* jzx__tree_mode */
    bool ready;                 /* all children have been started once */
    bool group_due;
    bool killing;       /* children are killed, not asked */
    jzx_actor_id owner; /* the actor that started it; 0: the host, or a supervisor */
    uint64_t token;     /* of the answer to it; 0: given */

    jzx__window window;
    jzx__row row; /* of the group */
    uint64_t delay_ns;

    jzx__list children; /* jzx__child.sibling, in the order of their start */
    uint32_t count;
    uint32_t active;      /* RUNNING */
    uint32_t alive;       /* with an incarnation, or on the way to one */
    uint32_t significant; /* significant ones that are not STOPPED */
    uint32_t supervisors;
    uint32_t next_index;
    jzx__child *cursor; /* NULL: past the end */
    jzx__child *group;  /* the child whose failure a group is restarted for */
    jzx__list deferred; /* jzx__child.pending (W1) */

    jzx__list asks; /* jzx__ask.node */
    jzx__ask *active_ask;
    jzx__child *active_child;

    jzx__cause end; /* ENDING: why; its text is `end_text` */
    char end_text[JZX_EXIT_TEXT_MAX];
} jzx__tree;

/* What makes a supervisor that the host or an actor starts. A nested one has its plan alone. */
typedef struct jzx__tree_start {
    jzx__plan *plan;
    jzx_actor_id owner;
    uint64_t token;
} jzx__tree_start;

/* supervisor.c */
void jzx__supervisor_options(jzx_spawn_options *options, jzx__plan *plan);
void jzx__tree_start_child(jzx__tree *tree, jzx__child *child);
bool jzx__tree_stop_child(jzx__tree *tree, jzx__child *child); /* true: it is down */
void jzx__tree_set_state(jzx__tree *tree, jzx__child *child, jzx_child_state state);
void jzx__tree_put_down(jzx__tree *tree, jzx__child *child); /* STOPPED, and its mail is for nobody */

/* children.c */
typedef struct jzx__child_source {
    const jzx__plan_child *plan;
    jzx__plan *own_plan;              /* becomes the child's */
    void *like;                       /* becomes the child's; jzx__block_free() */
    const jzx_spawn_options *options; /* NULL: the plan's */
} jzx__child_source;
jzx_err jzx__children_add(jzx__tree *tree, const jzx__child_source *source, jzx__child **child);
void jzx__children_forget(jzx__tree *tree, jzx__child *child);
void jzx__children_settle(jzx__child *child); /* a temporary one runs: what it was made from is needed no more */
jzx__child *jzx__children_find(const jzx__tree *tree, const jzx_child_key *key);
jzx__child *jzx__children_first(const jzx__tree *tree);
jzx__child *jzx__children_last(const jzx__tree *tree);
jzx__child *jzx__children_next(const jzx__tree *tree, const jzx__child *child); /* NULL: the last */
jzx__child *jzx__children_prev(const jzx__tree *tree, const jzx__child *child);
void jzx__children_describe(const jzx__child *child, jzx_child_info *info);

/* ask.c */
void jzx__ask_take(jzx__tree *tree, const jzx_message *message);
bool jzx__ask_next(jzx__tree *tree);                     /* begins the next request; false: none */
void jzx__ask_child(jzx__tree *tree, jzx__child *child); /* what the active one waited for has come */
void jzx__ask_start_failed(jzx__tree *tree, jzx__child *child, const jzx_start_failure *failure);
void jzx__ask_refuse_all(jzx__tree *tree); /* it is ending */
void jzx__ask_free_all(jzx__tree *tree);   /* without an answer */
/* Answers the actor that started the supervisor. */
void jzx__ask_owner(jzx__tree *tree, jzx_err err);

/* jzx_child_start_like() on a loop that the asker chooses; the argument is then required. */
#define JZX__PLACE_AS_TEMPLATE UINT32_MAX
jzx_err jzx__child_start_at(jzx_context *context, jzx_actor_id supervisor, const void *argument, size_t size,
                            uint32_t place_loop, uint64_t *ref);

/* Memory from the state allocator that any thread may free. */
void *jzx__block_make(jzx_runtime *runtime, size_t size);
void jzx__block_free(void *block); /* NULL: nothing */

#endif
