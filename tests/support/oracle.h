/*
 * oracle: what supervisors must do, worked out a second time and in another way: a tree, a clock, and the rules of OTP's
 * supervisor with backoff, as jzx/supervisor.h states them. It shares no line with the library.
 *
 * Time here stands still while something happens: everything a step leads to is worked out before the next. So the
 * world that is compared must let one step settle before the next, with `margin_ns` to spare. Where the order of two
 * things would hang on less than that, `unclear` is set: what comes after it is no expectation.
 *
 * A node is a child as its spec describes it, through all its incarnations. An oracle is plain memory: a copy of it is
 * another one (all but `events`, of which event_count counts).
 */
#ifndef TESTS_ORACLE_H
#define TESTS_ORACLE_H

#include <jzx/supervisor.h>

enum { ORACLE_NODES = 48, ORACLE_TIMES = 64, ORACLE_EVENTS = 8192, ORACLE_NONE = 0xFF };

typedef enum oracle_state {
    ORACLE_ABSENT = 0, /* its supervisor does not know it */
    ORACLE_STOPPED = 1,
    ORACLE_RUNNING = 2,
    ORACLE_WAITING = 3, /* for its restart */
} oracle_state;

typedef struct oracle_node {
    /* Set by the test. */
    uint8_t parent; /* ORACLE_NONE: the root */
    uint8_t type;
    uint8_t restart;
    uint8_t strategy; /* of a supervisor, as are the next */
    uint8_t auto_shutdown;
    bool significant;
    bool added;               /* its supervisor does not begin with it */
    bool deaf;                /* it does not heed a request to stop: it is killed after shutdown_ns */
    uint64_t shutdown_ns;     /* JZX_SHUTDOWN_BRUTAL, or of one that is deaf */
    jzx_backoff backoff;      /* its own; without jitter, with a whole factor */
    jzx_backoff for_children; /* of those that inherit */
    uint32_t intensity;
    uint64_t period_ns;
    uint32_t failing; /* starts to come that fail */

    /* Of its incarnations. */
    uint8_t state;
    uint64_t since_ns;
    uint64_t due_ns;   /* the end of its delay: it, or the group from it on, is started then; JZX_FOREVER: none */
    uint32_t row;      /* restarts in a row, of its own */
    uint32_t restarts; /* decided for it, alone or with its group */
    uint8_t children[ORACLE_NODES];
    uint8_t child_count;
    uint32_t group_row;
    uint64_t times[ORACLE_TIMES]; /* of restarts that it allowed */
    uint32_t time_count;
} oracle_node;

typedef struct oracle_event {
    uint32_t kind;      /* jzx_supervision_kind */
    uint8_t supervisor; /* ORACLE_NONE: about the root */
    uint8_t child;      /* the node it is about */
    uint32_t exit_kind; /* of STOPPED and SHUTDOWN_ERROR */
    uint64_t delay_ns;  /* of RESTART */
    uint64_t at_ns;
} oracle_event;

typedef struct oracle {
    oracle_node nodes[ORACLE_NODES]; /* the root first, each after its parent, siblings in the order of their start */
    uint8_t node_count;
    uint64_t now_ns;
    uint64_t margin_ns;
    bool unclear;
    uint32_t event_count;
    oracle_event *events; /* ORACLE_EVENTS of them, the test's */
} oracle;

/* Each at now_ns. False: the root does not start. */
bool oracle_start(oracle *o);
void oracle_stop(oracle *o); /* the root is asked to stop */
/* Lets time pass, with what is due in it. */
void oracle_go(oracle *o, uint64_t until_ns);

/* One that runs ends by itself, or is stopped or killed by somebody. */
void oracle_end(oracle *o, uint8_t node, jzx_exit_kind kind);

/* Requests to the supervisor of `node`, which runs. Returns: the error of the answer. */
jzx_err oracle_add(oracle *o, uint8_t node);
jzx_err oracle_terminate(oracle *o, uint8_t node);
jzx_err oracle_restart(oracle *o, uint8_t node);
jzx_err oracle_delete(oracle *o, uint8_t node);

static inline bool oracle_over(const oracle *o)
{
    return o->nodes[0].state != ORACLE_RUNNING;
}

#endif
