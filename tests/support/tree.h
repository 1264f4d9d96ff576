/*
 * tree: what the tests of supervisors share: a supervisor with children that record, one that asks it, and the log of it all.
 *
 * A tree is a world with one supervisor under test, `sup`. Where it and its children live is the layout; TREE_TEST() makes
 * of one body a test for each. Children are tree_kids: each logs its starts, requests to stop and ends. All loops run on
 * the test's thread, and from tree_start() on a turn of theirs takes 1 ms, whatever the machine does.
 *
 *     TREE_TEST(S27_one_for_one)
 *     {
 *         tree t;
 *         tree_open(&t, layout);
 *         tree_kid *a = tree_add(&t, "a");
 *         tree_add(&t, "b");
 *         tree_start(&t);
 *         tree_die(&t, a, TREE_FAIL);
 *         tree_expect_log(&t, "+a +b -a:fail +a");
 *         tree_close(&t);
 *     }
 *
 * tree_close() asserts, besides what test_world_close() does, that each incarnation had one start and one end, that no two
 * of one child lived at a time, that observers were told of each, and that no end was told before fini had run.
 */
#ifndef TEST_TREE_H
#define TEST_TREE_H

#include "tests/support/support.h"

typedef enum tree_layout {
    TREE_ONE_LOOP,  /* all on one loop */
    TREE_TWO_LOOPS, /* the supervisor on loop 0; its children, and who asks it, on loop 1 */
    TREE_NESTED,    /* on loop 1, below one on loop 0; its children, and who asks it, on loop 0 */
    TREE_OWNED,     /* started by an actor on loop 0, which traps exits; its children on loop 1 */
} tree_layout;

/* In all layouts but OWNED the supervisor has been started by the host or by a supervisor. */
#define TREE_TEST(name)                                \
    static void name(tree_layout layout);              \
    Test(supervisor, name, .timeout = 120)             \
    {                                                  \
        name(TREE_ONE_LOOP);                           \
    }                                                  \
    Test(supervisor, name##_two_loops, .timeout = 120) \
    {                                                  \
        name(TREE_TWO_LOOPS);                          \
    }                                                  \
    Test(supervisor, name##_nested, .timeout = 120)    \
    {                                                  \
        name(TREE_NESTED);                             \
    }                                                  \
    Test(supervisor, name##_owned, .timeout = 120)     \
    {                                                  \
        name(TREE_OWNED);                              \
    }                                                  \
    static void name(tree_layout layout)

#define TREE_HOUR_NS (3600 * 1000000000ull)
#define TREE_MS_NS 1000000ull

typedef enum tree_death {
    TREE_NORMAL,        /* returns STOP */
    TREE_FAIL,          /* jzx_fail() on itself with code 42 and text "42" */
    TREE_FAIL_BARE,     /* returns FAIL */
    TREE_BAD_RESULT,    /* returns no jzx_behavior_result */
    TREE_SHUTDOWN,      /* jzx_stop() */
    TREE_SHUTDOWN_CODE, /* jzx_stop_with() 7, "seven" */
    TREE_FAIL_BY,       /* jzx_fail() by the host, with code 43 and text "43" */
    TREE_KILL,          /* jzx_kill() */
} tree_death;

/* What a child that traps exits does when it is asked to stop. */
typedef enum tree_obedience {
    TREE_OBEYS,
    TREE_IGNORES, /* and goes on mailing itself */
    TREE_LATE,    /* returns STOP after late_ns */
    TREE_REFUSES, /* returns FAIL */
} tree_obedience;

typedef struct tree tree;

typedef struct tree_kid {
    tree *tree;
    jzx_child_spec *spec; /* change it before tree_start() */
    const char *name;

    jzx_err init_result; /* what init returns while fail_inits is not 0 */
    uint32_t fail_inits; /* the next inits that fail; UINT32_MAX: all */
    tree_obedience obedience;
    uint64_t late_ns;
    bool dies_in_init; /* its init asks jzx_fail() for itself, and succeeds */

    jzx_actor_id id; /* of the last incarnation */
    jzx_child_ref ref;
    uint32_t inits; /* calls of init */
    uint32_t failed_inits;
    uint32_t finis;
    uint32_t asked;
    uint32_t mails; /* TREE_MAIL that came */
    int alive;
    jzx_exit_info exit; /* given to the last fini */
} tree_kid;

#define TREE_MAIL 1000u /* is counted */
#define TREE_DIE 1001u  /* with a tree_death in its first word: returns STOP or fails */

enum { TREE_KIDS = 128, TREE_LOG = 8192, TREE_ENDS = 512, TREE_EVENTS = 512 };
enum { TREE_EVENT_KINDS = JZX_SUPERVISION_ESCALATED + 1 };

/* An observer was told it. */
typedef struct tree_event {
    jzx_supervision_event event; /* without its pointers */
    char name[JZX_CHILD_NAME_MAX];
    jzx_exit_info exit;
    bool has_exit;
} tree_event;

/* The answer to a request, or why there is none. */
typedef struct tree_answer {
    jzx_err sent; /* what the call returned; if it is not OK, `err` too, and there is no answer */
    bool no_answer;
    uint32_t reason; /* jzx_drop_reason, with no_answer */
    jzx_err err;
    uint32_t count;
    jzx_actor_id id;
    jzx_child_ref child;
    bool has_failure;
    jzx_start_failure failure;
    jzx_child_counts counts;
} tree_answer;

struct tree {
    test_world world;
    tree_layout layout;
    jzx_config config; /* tree_prepare() fills it */
    uint32_t sup_loop;
    uint32_t kid_loop;

    jzx_supervisor_spec spec; /* of `sup`: one_for_one, 2 in an hour */
    jzx_child_spec specs[TREE_KIDS];
    tree_kid kids[TREE_KIDS];
    uint32_t kid_count;
    jzx_actor_id sup;
    uint64_t sup_ref; /* OWNED: of the answer to its start */
    bool escalates;   /* the runtime may end with ESCALATED */

    jzx_supervisor_spec top_spec; /* NESTED: one_for_one, never gives up; `sup` is its temporary child "sup" */
    jzx_child_spec top_child;
    jzx_actor_id top;

    test_actor boss; /* asks; OWNED: has started `sup` */
    bool boss_ended;
    struct tree_request *request; /* what it waits for */
    uint32_t answers;
    uint32_t exits; /* JZX_TAG_SYS_EXIT that came */
    jzx_exit_info exit;

    bool quiet; /* nothing is logged, only counted */
    tree_kid *template_kid;
    char log[TREE_LOG];
    size_t log_size;

    uint32_t seen[TREE_EVENT_KINDS];
    tree_event events[TREE_EVENTS]; /* the first of them */
    uint32_t event_count;
    jzx_exit_info ends[TREE_ENDS]; /* of all actors */
    uint32_t end_count;
    uint32_t early; /* ends told before fini */
    uint32_t twice; /* two incarnations at a time */

    jzx_child_info *list; /* of the last answer that had one */
    uint32_t list_room;
};

/* ---- before the start ---- */

/* tree_open() in two steps, for those that change t->config between them. */
void tree_prepare(tree *t, tree_layout layout);
void tree_open_world(tree *t);
void tree_open(tree *t, tree_layout layout);

/* A child of `sup`: permanent, does not trap exits, on the layout's loop for children. */
tree_kid *tree_add(tree *t, const char *name);
/* One that is not in the spec: kid->spec is for jzx_child_start(). */
tree_kid *tree_spare(tree *t, const char *name);
/* `kid` is a supervisor of these children instead, without recording. They must have been made by tree_spare(). */
void tree_make_supervisor(tree_kid *kid, jzx_supervisor_spec *spec, jzx_child_spec *children, uint32_t count);

/* The runtime makes its state, of so many bytes, for each incarnation. */
void tree_give_state(tree_kid *kid, uint32_t size);
/* `kid` is the template of a JZX_DYNAMIC `sup`: tree_child_like() starts others from it. */
void tree_make_template(tree_kid *kid);

/* Starts `sup` and waits until it has been started. */
void tree_start(tree *t);
/* The same without waiting, and without assertion. */
jzx_err tree_try_start(tree *t);

/* ---- what happens ---- */

void tree_die(tree *t, tree_kid *kid, tree_death death); /* and waits until all is at rest */
void tree_kill_quietly(tree *t, tree_kid *kid, tree_death death);
void tree_end(tree *t, jzx_actor_id id, tree_death death); /* SHUTDOWN, SHUTDOWN_CODE, FAIL_BY, KILL */
void tree_settle(tree *t);
void tree_pass(tree *t, uint64_t time_ns); /* so long */
void tree_stop_sup(tree *t);               /* and waits for its end */
void tree_close(tree *t);

/* ---- requests, made by the boss; each waits for its answer ---- */

tree_answer tree_child_start(tree *t, jzx_actor_id sup, const jzx_child_spec *spec);
tree_answer tree_child_start_like(tree *t, jzx_actor_id sup, const void *argument, size_t size);
tree_answer tree_child_like(tree *t, tree_kid *kid); /* from the template, as this one */
tree_answer tree_terminate(tree *t, jzx_actor_id sup, const char *name);
tree_answer tree_restart(tree *t, jzx_actor_id sup, const char *name);
tree_answer tree_delete(tree *t, jzx_actor_id sup, const char *name);
tree_answer tree_find(tree *t, jzx_actor_id sup, const char *name);
tree_answer tree_list(tree *t, jzx_actor_id sup);
tree_answer tree_count(tree *t, jzx_actor_id sup);
tree_answer tree_terminate_at(tree *t, jzx_actor_id sup, uint32_t index);
tree_answer tree_find_at(tree *t, jzx_actor_id sup, uint32_t index);

typedef enum tree_ask {
    TREE_ASK_START,
    TREE_ASK_START_LIKE,
    TREE_ASK_TERMINATE,
    TREE_ASK_RESTART,
    TREE_ASK_DELETE,
    TREE_ASK_FIND,
    TREE_ASK_LIST,
    TREE_ASK_COUNT,
} tree_ask;

/* One of them in flight: tree_ask_begin(), then tree_ask_end() waits for it. One at a time. */
typedef struct tree_request {
    tree_ask ask;
    jzx_actor_id sup;
    const jzx_child_spec *spec;
    const void *argument;
    size_t size;
    jzx_child_key key;
    uint64_t ref;
    bool done;
    tree_answer answer;
} tree_request;
void tree_ask_begin(tree *t, tree_request *request);
tree_answer tree_ask_end(tree *t, tree_request *request);

/* ---- what is expected ---- */

/*
 * What has happened since the last tree_forget(), in its order: +a it started, !a its init failed, ?a it was asked to stop,
 * -a it ended as SHUTDOWN, -a:how it ended in another way: normal, fail, killed, closed, escalated.
 */
void tree_expect_log(tree *t, const char *log);
void tree_forget(tree *t);
void tree_expect_counts(tree *t, uint32_t specs, uint32_t active);
void tree_expect_state(tree *t, const char *name, jzx_child_state state);
void tree_expect_gone(tree *t, const char *name);  /* NOT_FOUND */
void tree_expect_alive(tree *t);                   /* `sup` answers */
void tree_expect_nobody(tree *t, jzx_actor_id id); /* no actor answers to it */
/* `sup` has ended in this way. */
void tree_expect_ended(tree *t, jzx_exit_kind kind);
const jzx_exit_info *tree_end_of(const tree *t, jzx_actor_id id); /* NULL: it has not ended */
/* How many events of a kind, about a child of this name (NULL: any; "": none). */
uint32_t tree_seen(const tree *t, jzx_supervision_kind kind, const char *name);
const tree_event *tree_event_of(const tree *t, jzx_supervision_kind kind, const char *name, uint32_t nth);

/* ---- memory that fails ---- */

/* From now on: the n-th allocation of this kind fails, and with `after` all that follow. 0: none. */
void tree_fail_memory(tree *t, jzx_memory kind, uint64_t nth, bool after);
uint64_t tree_failed_memory(const tree *t);

#endif
