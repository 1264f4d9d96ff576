/*
 * child: the relation between a supervisor and each of its children, on one loop or across two. What to do with a child is
 * decided in src/supervisor.c; this carries it out and brings the news.
 *
 * A jzx__child is the supervisor's side, a record of its loop that stays while the supervisor knows the child; a jzx__bond
 * is the side of one incarnation, on the loop where that lives. Each has the cells that its signals travel in.
 *
 *   owner thread   everything, but
 *   any thread     jzx__child_now(), which reads `shared` of a child
 *
 * Invariants
 *   B1  A child has at most one incarnation: it is spawned only when the exit of the one before has come.
 *   B2  Each spawn is answered once: by FAILED, if there is no actor, or by STARTED and later one EXITED. A supervisor
 *       that started all its children says READY between them. In that order, however full the lanes are.
 *   B3  EXITED is told when fini has run, what the actor owned is let go and its id is stale (P5, P6), and it needs no room:
 *       its cell is in the bond.
 *   B4  A bond is the first of its slot's `suffered`, from before init until its notice has left.
 *   B5  The heir of a child that keeps its mail is a slot that has an id and a mailbox, and nothing that runs: the next
 *       incarnation is spawned into it, or it ends with the word that there will be none.
 *   B6  A child whose cell is under way stays until it has left, also when its supervisor is gone.
 */
#ifndef JZX__CHILD_H
#define JZX__CHILD_H

#include "sched/resource.h"
#include <jzx/supervisor.h>

/* What has happened to a child and its supervisor has not yet looked at. */
enum {
    JZX__NEWS_STARTED = 1u << 0, /* `id` is set */
    JZX__NEWS_READY = 1u << 1,
    JZX__NEWS_FAILED = 1u << 2, /* `err` says why */
    JZX__NEWS_EXITED = 1u << 3, /* `exit` says how */
    JZX__NEWS_DUE = 1u << 4,    /* its deadline has come, or jzx__child_go() */
};

/* Messages inside the library. Users can send none with such tags. */
#define JZX__TAG_CHILD 0xFFFFFF00u /* to a supervisor: news of the jzx__child at `data` */
#define JZX__TAG_SELF 0xFFFFFF01u  /* to a supervisor: its own notice */
#define JZX__TAG_ASK 0xFFFFFF02u   /* to a supervisor: a request of jzx/supervisor.h */

/* How to start an incarnation; read on the loop where it will live. */
typedef struct jzx__child_how {
    const jzx_spawn_options *options;
    const char *register_name;  /* NULL: it has none */
    jzx_start_failure *failure; /* of a supervisor: where it says which child it could not start */
    bool keep_mail;
} jzx__child_how;

typedef struct jzx__child {
    _Alignas(JZX__CACHE_LINE) jzx__resource resource; /* its cell brings the news to the supervisor */
    jzx__deadline deadline;
    uint32_t news;   /* JZX__NEWS_* */
    jzx__cell out;   /* to the child's loop: a spawn, or a request to end */
    bool out_listed; /* it waits in an overflow */
    bool spawn_next; /* a spawn waits for it */
    bool spawning;   /* B2: not yet answered */
    uint32_t to_loop;
    jzx_actor_id id;   /* of the incarnation; 0: none */
    jzx_actor_id heir; /* B5; 0: none */
    int32_t err;
    jzx_exit_info exit;
    bool held;         /* its spawn waits until its loop runs */
    jzx__list pending; /* held: in the loop's `held_spawns`; deferred: in the supervisor's list */
    jzx__child_how how;

    /* src/supervisor.c's. */
    struct jzx__supervisor *supervisor;
    jzx__list sibling;
    jzx__map_node by_index;
    jzx__map_node by_name;
    const struct jzx__plan_child *plan; /* NULL once a temporary worker of no plan but its own runs */
    struct jzx__plan *own_plan;         /* of one that was added */
    void *like;                         /* of one made from a template: its own options and argument */
    uint64_t row_ns;                    /* of its last restart, before jitter (src/restart.h) */
    uint32_t index;
    uint32_t incarnation;
    uint32_t restarts;
    uint8_t state; /* jzx_child_state */
    uint8_t type;
    uint8_t restart;
    bool significant;
    bool stop_wanted; /* as soon as its start is answered */
    bool killed;      /* its time to stop was over */
    bool deferred;    /* its exit has not been looked at */
    uint64_t shutdown_ns;
    char name[JZX_CHILD_NAME_MAX];

    /* Read by any thread; not cleared when the record is taken. */
    struct {
        _Atomic(uint64_t) number; /* 0: no child */
        _Atomic(uint64_t) id;     /* of the incarnation, or the heir; 0: none */
    } shared;
} jzx__child;
enum { JZX__CHILD_KEPT = sizeof(jzx__child) - offsetof(jzx__child, shared) };

typedef struct jzx__bond {
    _Alignas(JZX__CACHE_LINE) jzx__suffered half; /* B4; by_monitor.key = the child's number; its cell: signals out */
    jzx__resource resource;                       /* its cell is the request to stop, for one that traps exits */
    jzx_actor_id supervisor;
    uint32_t index;
    uint32_t incarnation;
    uint32_t restarts;
    uint32_t cap; /* of its mailbox: a slot that stops has forgotten */
    uint32_t bytes_cap;
    jzx_actor_id heir;
    char name[JZX_ACTOR_NAME_MAX];
    jzx_start_failure *failure; /* of the child->how */
    bool keep_mail;
    uint8_t tell; /* JZX__NEWS_* that wait for the cell */
    bool telling; /* the cell is in an overflow */
    bool asked;   /* to stop */
} jzx__bond;

/* The part of a supervisor's state that loops know; it begins the state. */
typedef struct jzx__supervisor {
    jzx__resource resource; /* its cell tells it to go on, or that it was told to end */
    jzx__list link;         /* in the loop's `roots` or `guests`, or in none */
    jzx_actor_id id;
    bool root;          /* it has no supervisor */
    uint8_t asked_kind; /* jzx_exit_kind it was told to end with; 0: none */
    int32_t asked_code;
    jzx_actor_id asked_origin;
    char asked_text[JZX_EXIT_TEXT_MAX];
} jzx__supervisor;

/* ---- the supervisor's side ---- */

/* A record for a child of the supervisor in this slot. LIMIT (children_max) or NO_MEMORY. */
jzx_err jzx__child_take(jzx_loop *loop, uint32_t supervisor, jzx__child **child);
void jzx__child_give(jzx_loop *loop, jzx__child *child); /* it has no incarnation, and none on the way */
void jzx__child_let_go(jzx_loop *loop, jzx__child *child);

/*
 * Spawns on `to_loop` by child->how. The news come later, also from this loop (B2); but who spawns here may look for STARTED at
 * once, which is not on its way before jzx__child_say().
 */
void jzx__child_spawn(jzx_loop *loop, jzx__child *child, uint32_t to_loop);
void jzx__child_say(jzx_loop *loop, jzx__child *child); /* the news that there are now */
/* Tells the incarnation to stop (SHUTDOWN) or ends it (KILLED). */
void jzx__child_end(jzx_loop *loop, jzx__child *child, jzx_exit_kind kind);
/* In place of a spawn: FAILED comes. */
void jzx__child_refuse(jzx_loop *loop, jzx__child *child, jzx_err err);
/* There will be no next incarnation, or not where its heir is. */
void jzx__child_disinherit(jzx_loop *loop, jzx__child *child);
/* Takes back a spawn that has not left this loop; true if its answer is FAILED now. */
bool jzx__child_undo(jzx_loop *loop, jzx__child *child);
void jzx__child_after(jzx_loop *loop, jzx__child *child, uint64_t due_ns); /* DUE comes at that time */
void jzx__child_go(jzx_loop *loop, jzx__child *child);                     /* DUE comes at once */
void jzx__child_no_deadline(jzx_loop *loop, jzx__child *child);
void jzx__child_due(jzx_loop *loop, jzx__deadline *node);
void jzx__child_arrived(jzx_loop *loop, const jzx__cell *cell, const jzx__cell *second);
void jzx__child_out_left(jzx_loop *loop, jzx__child *child);
/* Some loop that spawns are held back for has begun to run, or will not. */
bool jzx__child_held_ready(const jzx_loop *loop);
void jzx__child_send_held(jzx_loop *loop);
/* NOT_FOUND, NOT_RUNNING; any thread. */
jzx_err jzx__child_now(const jzx_loop *loop, uint64_t number, jzx_actor_id *id);

/* ---- the child's side ---- */

void jzx__bond_spawn_arrived(jzx_loop *loop, const jzx__cell *cell);
void jzx__bond_end_arrived(jzx_loop *loop, const jzx__cell *cell);
void jzx__bond_ready(jzx_loop *loop, uint32_t slot); /* the supervisor in this slot has started all its children */
void jzx__bond_exit(jzx_loop *loop, jzx__bond *bond, const jzx_exit_info *exit);
void jzx__bond_bequeath(jzx_loop *loop, uint32_t slot); /* of one that keeps its mail: to an heir, if there is room */
void jzx__bond_left(jzx_loop *loop, jzx__bond *bond);   /* its cell has been copied out */
void jzx__bond_let_go(jzx_loop *loop, jzx__bond *bond);
/* A child's place. One that returned STOP because it was asked to ends as SHUTDOWN. */
void jzx__bond_describe(const jzx__bond *bond, jzx_exit_info *exit);

/* Of one incarnation: what its bond is made from. */
typedef struct jzx__birth {
    jzx_actor_id supervisor;
    jzx_child_ref child;
    const jzx__child_how *how;
    uint32_t index;
    uint32_t incarnation;
    uint32_t restarts;
    jzx_actor_id heir; /* into which; 0: a slot of its own */
} jzx__birth;

jzx_err jzx__bond_begin(jzx_loop *loop, uint32_t slot, const jzx__birth *birth); /* LIMIT or NO_MEMORY */
void jzx__bond_undo(jzx_loop *loop, uint32_t slot);

static inline jzx__bond *jzx__bond_of(const jzx__cold *cold)
{
    return jzx__container_of(cold->suffered, jzx__bond, half); /* B4 */
}

/* ---- supervisors as actors ---- */

void jzx__supervisor_begin(jzx_loop *loop, jzx__supervisor *supervisor, uint32_t slot, bool root);
void jzx__supervisor_let_go(jzx_loop *loop, jzx__supervisor *supervisor);
void jzx__supervisor_nudge(jzx_loop *loop, jzx__supervisor *supervisor); /* a notice to itself */
/* Tells it to end; the first reason wins, but for a kill. */
void jzx__supervisor_ask(jzx_loop *loop, jzx__supervisor *supervisor, const jzx__cause *cause);
/* Asks the roots of this loop to end, one after the other, the last started first; when the loop closes, also those whose
 * supervisor is elsewhere. True when the loop has no supervisors. */
bool jzx__supervisors_stop(jzx_loop *loop, jzx_exit_kind kind);

#endif
