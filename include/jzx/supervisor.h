/*
 * jzx/supervisor.h: supervisors and their children.
 *
 * A supervisor is an actor of the runtime's own that starts children in order, restarts those that fail by a rule, stops
 * them in reverse, and gives up, which its own supervisor then treats as a failure, when they fail too often. Its rules
 * are those of OTP's supervisor (stdlib, supervisor.erl), with backoff. Children may live on any loop and may be
 * supervisors. The exit of a child cannot be lost: its place is made when the child is started.
 *
 * A supervisor started by the host is a root: when it ends in another way than NORMAL, SHUTDOWN or LOOP_CLOSED, because it
 * gave up, was killed or could not start its children, the runtime stops and each run returns JZX_ERR_ESCALATED. One
 * started by an actor is linked to it (jzx_link()): if the actor ends, as NORMAL too, so does the tree. Unlinked it is
 * nobody's, and ends with the runtime.
 *
 * What OTP does not say, or says otherwise:
 *   - A supervisor never blocks. While it starts or stops children one after the other, or does what a request asks of a
 *     child, exits of others and further requests wait, and are dealt with in their order; a word to end does not wait.
 *   - jzx_stop(), jzx_drain() and jzx_fail() end a supervisor when its children have been stopped in order; jzx_kill()
 *     when they have been killed. No child outlives its supervisor.
 *   - A group that is restarted is stopped first, then waits, then starts. While it waits its members are RESTARTING. To
 *     terminate the one whose failure it is restarted for calls the restart off, as in OTP: all of them rest. Groups count
 *     their failures in a row together; the delay is by the backoff of the child that failed.
 *   - A start that is cancelled, because the supervisor ends meanwhile, is a START_FAILED with JZX_ERR_CANCELLED.
 *   - When the loop of a child stops alone (jzx_loop_request_stop()), the child ends as LOOP_CLOSED. Placed by LEAST_LOADED it
 *     is started on another loop, else it rests; neither is counted in the intensity, nor restarts a group.
 *   - An exit as NORMAL of a child that was told to stop is no SHUTDOWN_ERROR.
 */
#ifndef JZX_SUPERVISOR_H
#define JZX_SUPERVISOR_H

#include <jzx/actor.h>

#ifdef __cplusplus
extern "C" {
#endif

#define JZX_TREE_DEPTH_MAX 32                 /* supervisors above one another, the root included */
#define JZX_CHILD_NAME_MAX 32                 /* bytes of a child's name with its final zero */
#define JZX_INTENSITY_UNLIMITED UINT32_MAX    /* restarts without end */
#define JZX_INTENSITY_MAX 1000000u            /* the largest number of restarts that is counted */
#define JZX_SHUTDOWN_BRUTAL (UINT64_MAX - 1)  /* killed at once, without being asked */
#define JZX_SHUTDOWN_DEFAULT (UINT64_MAX - 2) /* 5 s for a worker, JZX_FOREVER for a supervisor */
#define JZX_NO_CHILD UINT32_MAX               /* the index of nobody */

/** Who is restarted with a child that failed. */
typedef enum jzx_strategy {
    JZX_ONE_FOR_ONE = 0,  /* that child */
    JZX_ONE_FOR_ALL = 1,  /* all children: the others are stopped first, in reverse */
    JZX_REST_FOR_ONE = 2, /* it and those after it */
    JZX_DYNAMIC = 3,      /* that child; all are started from one template (OTP's simple_one_for_one) */
} jzx_strategy;

/** Which exits of a child are answered with a restart. */
typedef enum jzx_restart {
    JZX_PERMANENT = 0, /* each */
    JZX_TRANSIENT = 1, /* those that are neither NORMAL nor SHUTDOWN */
    JZX_TEMPORARY = 2, /* none; such a child is forgotten when it ends */
} jzx_restart;

typedef enum jzx_child_type {
    JZX_WORKER = 0,
    JZX_SUPERVISOR = 1,
} jzx_child_type;

/** When a supervisor ends by itself because significant children have ended without being restarted. */
typedef enum jzx_auto_shutdown {
    JZX_AUTO_NEVER = 0,
    JZX_AUTO_ANY_SIGNIFICANT = 1, /* after the first */
    JZX_AUTO_ALL_SIGNIFICANT = 2, /* after the last */
} jzx_auto_shutdown;

typedef enum jzx_backoff_kind {
    JZX_BACKOFF_INHERIT = 0,     /* the supervisor's; at a supervisor: none */
    JZX_BACKOFF_NONE = 1,        /* at once */
    JZX_BACKOFF_CONSTANT = 2,    /* initial, initial, ... */
    JZX_BACKOFF_LINEAR = 3,      /* initial, 2 * initial, ... up to max */
    JZX_BACKOFF_EXPONENTIAL = 4, /* initial, factor * initial, ... up to max */
} jzx_backoff_kind;

/** How long to wait before the n-th restart in a row. A group that is restarted together waits and counts once. */
typedef struct jzx_backoff {
    uint32_t kind;       /* jzx_backoff_kind */
    uint32_t jitter;     /* in thousandths, 0 to 1,000: a delay is drawn from [delay * (1 - jitter), delay] */
    uint64_t initial_ns; /* 1 and more, except for INHERIT and NONE */
    uint64_t max_ns;     /* initial_ns and more; used by LINEAR and EXPONENTIAL */
    double factor;       /* 1 to 1,000; used by EXPONENTIAL */
    uint64_t reset_ns;   /* a child that lived this long counts from 1 again; 0: the supervisor's period */
} jzx_backoff;

typedef struct jzx_supervisor_spec jzx_supervisor_spec;

/**
 * How to start, restart and stop a child. Begin with jzx_child_spec_init(). Copied with its name, its argument if that
 * has a size, and the whole spec of a supervisor.
 */
typedef struct jzx_child_spec {
    size_t struct_size;
    const char *name;       /* unique among its siblings, at most JZX_CHILD_NAME_MAX - 1 bytes; NULL = none */
    uint8_t type;           /* jzx_child_type */
    uint8_t restart;        /* jzx_restart */
    uint8_t placement;      /* jzx_placement; HERE is the supervisor's loop. LEAST_LOADED is asked anew at each start */
    uint8_t mailbox_policy; /* jzx_mailbox_policy */
    bool significant;       /* see jzx_auto_shutdown; not for a permanent child */
    bool
        keep_mail; /* what waits in the mailbox, requests too, and what is sent to its new id while it is down, is for the
                           next incarnation: as far as its mailbox holds it, and while it is restarted on the same loop. What
                           other loops and threads had sent to the ended one and is still on its way is a dead letter */
    bool register_name; /* it has its name in the registry (jzx/name.h) while it runs, not between two incarnations */
    bool trap_exit;     /* a worker is asked to stop by JZX_TAG_SYS_EXIT and ends when it returns STOP */
    jzx_init_fn init;   /* worker: required; makes a fresh state for each incarnation */
    jzx_behavior_fn behavior; /* worker: required */
    jzx_fini_fn fini;         /* worker: NULL = nothing to do */
    const void
        *argument; /* given to init; with argument_size init gets a copy of that many bytes, to read until it returns */
    uint32_t argument_size; /* 0: the pointer itself is passed on */
    uint32_t state_size;    /* as in jzx_spawn_options, as are the next */
    uint32_t mailbox_cap;
    uint32_t mailbox_bytes;
    uint32_t place_loop;
    jzx_actor_id place_with;
    uint16_t messages_per_turn;
    uint8_t limit_action;      /* worker */
    uint64_t handler_limit_ns; /* worker */
    uint64_t shutdown_ns; /* from the request to stop to the kill: 0 and more, JZX_FOREVER, or JZX_SHUTDOWN_BRUTAL to
                             kill without asking; default JZX_SHUTDOWN_DEFAULT */
    jzx_backoff backoff;
    const jzx_supervisor_spec *supervisor; /* of a child of type JZX_SUPERVISOR; else NULL */
} jzx_child_spec;

/** A supervisor. Begin with jzx_supervisor_spec_init(). Copied; may be on the stack, with all it points to. */
struct jzx_supervisor_spec {
    size_t struct_size;
    const char *name;      /* display name; NULL = none */
    uint8_t strategy;      /* jzx_strategy */
    uint8_t auto_shutdown; /* jzx_auto_shutdown */
    uint32_t intensity;    /* restarts allowed in `period_ns`, 0: none, to JZX_INTENSITY_MAX, or UNLIMITED; default 3 */
    uint64_t period_ns;    /* 1 and more; default 5 s. The window slides and is closed at both ends */
    jzx_backoff backoff;   /* of children that inherit theirs */
    uint32_t children_max; /* children at one time, those added later too; 0: no limit but the config's children_max */
    uint32_t child_count;  /* may be 0; with JZX_DYNAMIC 1: the template, which is not started */
    const jzx_child_spec *children;
};

/** What is wrong with a spec. */
typedef enum jzx_spec_fault {
    JZX_SPEC_OK = 0,
    JZX_SPEC_NULL,            /* the spec, or `children` with a child_count */
    JZX_SPEC_STRUCT_SIZE,     /* not begun with its init function */
    JZX_SPEC_STRATEGY,        /* no jzx_strategy */
    JZX_SPEC_AUTO_SHUTDOWN,   /* no jzx_auto_shutdown */
    JZX_SPEC_INTENSITY,       /* over JZX_INTENSITY_MAX, and not UNLIMITED */
    JZX_SPEC_PERIOD,          /* 0 */
    JZX_SPEC_CHILD_COUNT,     /* over children_max, or not one template */
    JZX_SPEC_TYPE,            /* no jzx_child_type */
    JZX_SPEC_RESTART,         /* no jzx_restart */
    JZX_SPEC_INIT,            /* a worker without init */
    JZX_SPEC_BEHAVIOR,        /* a worker without behavior */
    JZX_SPEC_NAME,            /* empty or too long */
    JZX_SPEC_DUPLICATE,       /* the name of a sibling */
    JZX_SPEC_REGISTER,        /* register_name without a name */
    JZX_SPEC_ARGUMENT,        /* argument_size without argument */
    JZX_SPEC_SHUTDOWN,        /* over a hundred years, and no JZX_SHUTDOWN_* or JZX_FOREVER */
    JZX_SPEC_PLACEMENT,       /* no jzx_placement */
    JZX_SPEC_LOOP,            /* the runtime has no loop `place_loop` */
    JZX_SPEC_PLACE_WITH,      /* not an id */
    JZX_SPEC_MAILBOX_POLICY,  /* no jzx_mailbox_policy */
    JZX_SPEC_MAILBOX_CAP,     /* over cells / 8 */
    JZX_SPEC_MAILBOX_BYTES,   /* below JZX_INLINE_MAX, and not 0 */
    JZX_SPEC_LIMIT_ACTION,    /* no jzx_limit_action */
    JZX_SPEC_SIGNIFICANT,     /* of a permanent child, or with JZX_AUTO_NEVER */
    JZX_SPEC_BACKOFF_KIND,    /* no jzx_backoff_kind */
    JZX_SPEC_BACKOFF_JITTER,  /* over 1,000 */
    JZX_SPEC_BACKOFF_INITIAL, /* 0, or over a hundred years */
    JZX_SPEC_BACKOFF_MAX,     /* below initial_ns, or over a hundred years */
    JZX_SPEC_BACKOFF_FACTOR,  /* not from 1 to 1,000 */
    JZX_SPEC_SUPERVISOR,      /* a supervisor without a spec, or a worker with one */
    JZX_SPEC_WORKER_FIELD,    /* a supervisor with what only workers have: init, argument, keep_mail, a limit, ... */
    JZX_SPEC_DEPTH,           /* deeper than JZX_TREE_DEPTH_MAX */
    JZX_SPEC_FAULTS
} jzx_spec_fault;

/** Where a spec is wrong, or which child did not start. */
typedef struct jzx_child_path {
    uint32_t depth;                     /* steps of `index` in use; 0: the supervisor itself */
    uint32_t index[JZX_TREE_DEPTH_MAX]; /* of the child at each level, from the top down */
} jzx_child_path;

/** Why a tree did not start: its deepest failure. */
typedef struct jzx_start_failure {
    int32_t err;                   /* jzx_err: INIT, NO_MEMORY, MAX_ACTORS, LIMIT, NAME_TAKEN, LOOP_CLOSED, ... */
    int32_t code;                  /* with JZX_ERR_INIT: what init returned */
    char name[JZX_CHILD_NAME_MAX]; /* of that child */
    jzx_child_path path;           /* to that child */
} jzx_start_failure;

typedef enum jzx_child_state {
    JZX_CHILD_STOPPED = 0,  /* has ended or was terminated, and is not restarted */
    JZX_CHILD_STARTING = 1, /* its first or next incarnation is being made */
    JZX_CHILD_RUNNING = 2,
    JZX_CHILD_STOPPING = 3,   /* told to stop, not yet gone */
    JZX_CHILD_RESTARTING = 4, /* waits for its backoff or its group */
} jzx_child_state;

/** One child, as listed by jzx_child_list(). */
typedef struct jzx_child_info {
    jzx_actor_id id; /* 0 unless STARTING, RUNNING or STOPPING */
    uint32_t index;
    uint32_t state;       /* jzx_child_state */
    uint32_t incarnation; /* of the last start that succeeded; 0: none */
    uint32_t restarts;    /* decided because it failed; not those for a sibling */
    uint8_t type;
    uint8_t restart;
    char name[JZX_CHILD_NAME_MAX];
} jzx_child_info;

/** As in OTP's count_children/1. */
typedef struct jzx_child_counts {
    uint32_t specs;       /* children, running or not */
    uint32_t active;      /* of those, RUNNING */
    uint32_t supervisors; /* of `specs` */
    uint32_t workers;     /* of `specs` */
} jzx_child_counts;

/** Names one child of a supervisor for as long as it is not deleted, over restarts. Opaque; 0 is never issued. */
typedef uint64_t jzx_child_ref;

/**
 * JZX_TAG_SYS_SUPERVISOR: the answer to a request of this header, with its `ref` in the message. Read it through
 * jzx_message_data(): valid until the handler returns.
 */
typedef struct jzx_supervisor_answer {
    int32_t err;         /* jzx_err */
    uint32_t count;      /* entries of `children` */
    jzx_actor_id id;     /* of the supervisor or child it is about; 0: none */
    jzx_child_ref child; /* 0: none */
    union {
        const jzx_child_info *children;   /* of jzx_child_list() and jzx_child_find() */
        const jzx_child_counts *counts;   /* of jzx_child_count() */
        const jzx_start_failure *failure; /* with JZX_ERR_START_FAILED; NULL if there was no memory for it, or the
                                              supervisor was told to end while it started */
    };
} jzx_supervisor_answer;

/** Which child a request means: jzx_child_at() or jzx_child_named(). */
typedef struct jzx_child_key {
    uint32_t index; /* JZX_NO_CHILD: by name */
    char name[JZX_CHILD_NAME_MAX];
} jzx_child_key;

/** What happened under a supervisor: one record each, no more and no fewer. */
typedef enum jzx_supervision_kind {
    JZX_SUPERVISION_STARTED = 0,        /* an incarnation runs; a supervisor: with all its children */
    JZX_SUPERVISION_STOPPED = 1,        /* an incarnation has ended: `exit` */
    JZX_SUPERVISION_RESTART = 2,        /* it was decided to restart, after `delay_ns` */
    JZX_SUPERVISION_START_FAILED = 3,   /* an incarnation could not be made: `err`, and `exit.code` of its init */
    JZX_SUPERVISION_SHUTDOWN_ERROR = 4, /* told to stop, it ended in another way, or had to be killed: `exit` */
    JZX_SUPERVISION_ESCALATED = 5,      /* one failure too many: the supervisor stops its children and ends */
} jzx_supervision_kind;

typedef struct jzx_supervision_event {
    uint32_t kind;           /* jzx_supervision_kind */
    int32_t err;             /* jzx_err, of START_FAILED */
    jzx_actor_id supervisor; /* 0 in the records about a supervisor without a supervisor */
    jzx_actor_id id;         /* of the incarnation; 0: none */
    uint64_t delay_ns;
    uint32_t child_index;      /* JZX_NO_CHILD in those records */
    uint32_t restarts;         /* of that child so far */
    const char *name;          /* of that child; "" = none */
    const jzx_exit_info *exit; /* of STOPPED, RESTART, START_FAILED, SHUTDOWN_ERROR and ESCALATED: the cause */
} jzx_supervision_event;

/** Fills a spec with zeroes, its size and the defaults named above. NULL is ignored. Thread: any. */
JZX_API void jzx_child_spec_init(jzx_child_spec *spec);
JZX_API void jzx_supervisor_spec_init(jzx_supervisor_spec *spec);

/**
 * Checks a spec and all those in it, in order. jzx_supervisor_start() and jzx_child_start() check the same.
 *
 * Thread:  any; the limits are those of the runtime of `context`.
 * Returns: JZX_SPEC_OK, or what is wrong first, with the way to it in *path (which may be NULL)
 */
JZX_API jzx_spec_fault jzx_supervisor_check(jzx_context *context, const jzx_supervisor_spec *spec,
                                            jzx_child_path *path);
JZX_API jzx_spec_fault jzx_child_check(jzx_context *context, const jzx_child_spec *spec, jzx_child_path *path);

/** One line of English for a fault, and what happened as one word. Thread: any. Returns: never NULL. */
JZX_API const char *jzx_spec_fault_text(jzx_spec_fault fault);
JZX_API const char *jzx_supervision_kind_text(uint32_t kind);

/**
 * Starts a supervisor on this loop: its children are started in order from the loop's next turn on. All are started or
 * none: if one cannot be, those before it are stopped in reverse and the supervisor ends with JZX_EXIT_START_FAILED.
 *
 * A child that is placed on a loop which does not run yet is started when that does.
 *
 * From the host it is a root, and *ref is not written: a failed start ends the runtime as an escalation does. From an actor it is
 * linked to that actor, and JZX_TAG_SYS_SUPERVISOR comes when all children are started, or with JZX_ERR_START_FAILED
 * when they are not; then the link breaks without an exit notice.
 *
 * Owns:    `spec` is copied, with all it points to but arguments without a size.
 * Thread:  the loop's, in a handler or through jzx_loop_context().
 * Returns: JZX_OK with *id and, to an actor, *ref (each may be NULL)
 *          JZX_ERR_INVALID_ARG  see jzx_supervisor_check()
 *          JZX_ERR_DUPLICATE    two children of one supervisor have one name
 *          JZX_ERR_TOO_DEEP     see JZX_SPEC_DEPTH
 *          JZX_ERR_LIMIT        children_max or links_max of the config, or this actor holds cells / 8 cells
 *          JZX_ERR_MAX_ACTORS, JZX_ERR_NO_MEMORY, JZX_ERR_WOULD_BLOCK (no cell for the answer),
 *          JZX_ERR_LOOP_CLOSED, JZX_ERR_STOPPING (in fini), JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_supervisor_start(jzx_context *context, const jzx_supervisor_spec *spec, jzx_actor_id *id,
                                     uint64_t *ref);

/**
 * Requests to the supervisor `supervisor`, on any loop. Each is answered once with JZX_TAG_SYS_SUPERVISOR and `ref`, in the
 * order in which that supervisor was asked. `err` of the answer, besides what is said at each:
 *
 *   JZX_ERR_NOT_A_SUPERVISOR  it is an actor of another kind
 *   JZX_ERR_STOPPING          it is ending
 *
 * and JZX_TAG_SYS_NO_ANSWER comes instead, as for jzx_request(), when it has ended or is about to.
 *
 * Thread:  the loop's, in a handler.
 * Returns: as jzx_request() without a deadline; JZX_ERR_INVALID_ARG, JZX_ERR_DUPLICATE and JZX_ERR_TOO_DEEP for a spec as
 *          jzx_supervisor_start(); JZX_ERR_NO_MEMORY
 *
 * jzx_child_start      adds a child behind the others and starts it; the answer has its id and its ref.
 *                      JZX_ERR_RUNNING: a child of that name runs, and `id` is its; JZX_ERR_DUPLICATE: there is one that
 *                      does not run; JZX_ERR_START_FAILED: nothing was added; JZX_ERR_LIMIT: children_max;
 *                      JZX_ERR_TOO_DEEP; JZX_ERR_INVALID_ARG: significant under JZX_AUTO_NEVER;
 *                      JZX_ERR_UNSUPPORTED: it is a JZX_DYNAMIC one
 * jzx_child_start_like the same from the template of a JZX_DYNAMIC supervisor, with `argument` (`size` bytes, copied) in
 *                      place of the template's if `size` is not 0; JZX_ERR_UNSUPPORTED for another strategy, or a template
 *                      of type JZX_SUPERVISOR with an argument. All have the template's name: use the index
 * jzx_child_terminate  stops a child as its spec says and keeps it stopped, also one that waits for its restart. One that
 *                      is stopped already is JZX_OK. A temporary child, and any of a JZX_DYNAMIC one, is then forgotten
 * jzx_child_restart    starts a stopped child: JZX_ERR_RUNNING, JZX_ERR_RESTARTING, JZX_ERR_START_FAILED (it stays stopped),
 *                      JZX_ERR_UNSUPPORTED (JZX_DYNAMIC)
 * jzx_child_delete     forgets a stopped child: JZX_ERR_RUNNING, JZX_ERR_RESTARTING, JZX_ERR_UNSUPPORTED (JZX_DYNAMIC)
 * jzx_child_find       one child: `children` has its entry
 * jzx_child_list       all children in the order of their start: `children` has `count` entries; takes time for each
 * jzx_child_count      `counts`
 *
 * Those with a key answer JZX_ERR_NOT_FOUND when there is no such child.
 */
JZX_API jzx_err jzx_child_start(jzx_context *context, jzx_actor_id supervisor, const jzx_child_spec *spec,
                                uint64_t *ref);
JZX_API jzx_err jzx_child_start_like(jzx_context *context, jzx_actor_id supervisor, const void *argument, size_t size,
                                     uint64_t *ref);
JZX_API jzx_err jzx_child_terminate(jzx_context *context, jzx_actor_id supervisor, jzx_child_key key, uint64_t *ref);
JZX_API jzx_err jzx_child_restart(jzx_context *context, jzx_actor_id supervisor, jzx_child_key key, uint64_t *ref);
JZX_API jzx_err jzx_child_delete(jzx_context *context, jzx_actor_id supervisor, jzx_child_key key, uint64_t *ref);
JZX_API jzx_err jzx_child_find(jzx_context *context, jzx_actor_id supervisor, jzx_child_key key, uint64_t *ref);
JZX_API jzx_err jzx_child_list(jzx_context *context, jzx_actor_id supervisor, uint64_t *ref);
JZX_API jzx_err jzx_child_count(jzx_context *context, jzx_actor_id supervisor, uint64_t *ref);

/** A key for those. A name that is NULL or too long finds no child. Thread: any. */
JZX_API jzx_child_key jzx_child_at(uint32_t index);
JZX_API jzx_child_key jzx_child_named(const char *name);

/**
 * The supervisor of the actor whose behavior, init or fini runs now; 0 if it has none. A JZX_TAG_SYS_EXIT from it asks to stop;
 * one from another id tells of a link. Thread: the loop's.
 */
JZX_API jzx_actor_id jzx_supervisor_of(const jzx_context *context);

/** The reference to the child whose behavior, init or fini runs now; 0 if it has no supervisor. Thread: the loop's. */
JZX_API jzx_child_ref jzx_child_self(const jzx_context *context);

/**
 * The id that a child has now. A child that is down has none, unless it keeps its mail: then it is that of the
 * incarnation to come, which takes messages already.
 *
 * Thread:  any.
 * Returns: JZX_OK with *id; JZX_ERR_NOT_RUNNING; JZX_ERR_NOT_FOUND (deleted, its supervisor has ended, or never issued);
 *          JZX_ERR_INVALID_ARG (NULL)
 */
JZX_API jzx_err jzx_child_id(const jzx_runtime *runtime, jzx_child_ref child, jzx_actor_id *id);

/** jzx_send() to the id that `child` has now. Owns, Thread: as jzx_send(). Returns: as both. */
JZX_API jzx_err jzx_child_send(jzx_context *context, jzx_child_ref child, const jzx_message *message);

/**
 * Why the runtime ended with JZX_ERR_ESCALATED: the exit of the first root supervisor that gave up and, if its tree did
 * not start, the failure (`failure->err` is JZX_OK else).
 *
 * Thread:  any, after a run has returned.
 * Returns: JZX_OK; JZX_ERR_NOT_FOUND if none did; JZX_ERR_INVALID_ARG (a NULL runtime; the others may be)
 */
JZX_API jzx_err jzx_runtime_escalation(const jzx_runtime *runtime, jzx_exit_info *exit, jzx_start_failure *failure);

#ifdef __cplusplus
}
#endif
#endif
