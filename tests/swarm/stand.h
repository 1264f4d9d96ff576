/*
 * stand: a runtime on a machine, a few actors whose behaviors a script gives, and books that say what must have come of it
 * whatever was injected: each payload met one fate, each init has its fini, nobody runs twice, and a call failed only in a
 * way that something injected explains.
 *
 * A script (script.h) sets its parts up, starts the loops and says how many goals there are. When nothing went wrong that
 * actors can tell, all goals must be reached.
 */
#ifndef TESTS_SWARM_STAND_H
#define TESTS_SWARM_STAND_H

#include <jzx/sim.h>

enum { STAND_LOOPS = 4, STAND_PARTS = 48, STAND_PORT = 4000 };

typedef struct stand stand;
typedef struct part part;

typedef jzx_behavior_result (*part_fn)(part *self, jzx_context *context, const jzx_message *message);

/* One actor, through all its incarnations. */
struct part {
    stand *stand;
    part_fn on;
    void (*begin)(part *self, jzx_context *context); /* in its init; may be NULL */
    jzx_actor_id id;
    uint32_t index;
    uint32_t alive; /* incarnations between init and fini: 0 or 1 */
    uint32_t inits;
    uint32_t failing; /* inits to come that fail */
    /* The script's own. */
    part *other;
    uint64_t a, b, c;
    jzx_socket_id socket;
    jzx_timer_id timer;
    void *data;
};

typedef struct script {
    const char *name;
    void (*play)(stand *s);      /* sets up; then the loops run until the goals are reached */
    jzx_err result;              /* of the loops: JZX_OK or JZX_ERR_ESCALATED */
    void (*configure)(stand *s); /* changes the config; may be NULL */
    uint32_t tries;              /* more, when the runtime cannot be made */
} script;

struct stand {
    jzx_sim *sim;
    const script *script;
    jzx_config config;
    jzx_runtime *runtime;
    jzx_loop *loops[STAND_LOOPS];
    uint32_t loop_count;
    uint32_t begun; /* loops that were started or are driven */
    bool driven[STAND_LOOPS];
    jzx_err results[STAND_LOOPS];
    part parts[STAND_PARTS];
    uint32_t part_count;
    uint64_t goals; /* still to be reached */
    uint64_t payloads_made;
    uint64_t payloads_gone;
    uint64_t threads;         /* of the script, that have not ended */
    bool closing;             /* it was asked to stop */
    bool may_escalate;        /* a loop was stopped alone */
    bool rude;                /* some clients reset their connections */
    void *user;               /* the script's */
    void (*at_end)(stand *s); /* gives back what the script holds; may be NULL */
};

/* The whole of it. `loops`: 1 to STAND_LOOPS. */
void stand_play(jzx_sim *sim, const script *what, uint32_t loops);

/* Was anything injected that actors or the caller may tell? */
bool stand_disturbed(const stand *s);
/* True for JZX_OK. What nothing explains fails the run. */
bool stand_ok(stand *s, jzx_err err);
#define STAND_OK(s, call) stand_ok_at((s), (call), #call, __LINE__)
bool stand_ok_at(stand *s, jzx_err err, const char *what, int line);

/* Loop `which`, modulo those that there are. */
jzx_loop *stand_loop(const stand *s, uint32_t which);
part *stand_part(stand *s, part_fn on);                   /* not spawned */
part *stand_spawn(stand *s, uint32_t loop, part_fn on);   /* by the host; NULL: refused */
void part_options(part *one, jzx_spawn_options *options); /* for a spawn by an actor */
void part_child(part *one, jzx_child_spec *child, const char *name, jzx_restart restart); /* for a supervisor */
void stand_poke(stand *s, const part *one, uint32_t tag); /* by the host, before the start */
void stand_start(stand *s);                               /* all loops, on their threads */
void stand_drive(stand *s, uint32_t loop);                /* by a host that polls */
void stand_thread(stand *s, void (*main)(void *stand));   /* it calls stand_thread_ends() at its end */
void stand_thread_ends(stand *s);
void stand_goal(stand *s);

/* A message that carries memory, which is to be destroyed once. */
jzx_message stand_payload(stand *s, uint32_t tag, uint64_t number);
void stand_unsent(stand *s, jzx_message *message); /* it was refused */
uint64_t stand_took(stand *s, const jzx_message *message);
void stand_drop(void *stand, void *data, size_t size);
/* As jzx_send() of such a one. */
bool part_say(part *self, jzx_context *context, jzx_actor_id to, uint32_t tag, uint64_t number);
/* A message to itself after a time. */
void part_later(part *self, jzx_context *context, uint64_t delay_ns, uint32_t tag);
/* The same, for what has to be done again; without a timer it fails, so that its supervisor begins anew. */
void part_retry(part *self, jzx_context *context, uint64_t delay_ns, uint32_t tag);

#endif
