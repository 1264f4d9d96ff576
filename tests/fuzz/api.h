/*
 * api: actors that do what an input says, for api_fuzz.c and completion_fuzz.c: each handler takes calls of the public API from
 * it, with arguments that are right, stale, of somebody else or wrong, and in the end what to return.
 *
 * All runs in one machine of the simulator, so on one real thread. What must hold, whatever is called:
 *
 *   payloads   one that was accepted is handled once or dropped once; one that was refused is still the caller's
 *   order      what one actor sent to another is handled in the order in which it was sent
 *   timers     none is early
 *   lives      each init that succeeded has one fini
 *   calls      one that was accepted ends once at most, in its caller; so do gatherings, and deliveries
 *   intakes    each hands a delivery out once to its owner, and to nobody once it is answered; who sent it hears such an answer
 *   threads    a context of another thread is refused
 */
#ifndef TESTS_FUZZ_API_H
#define TESTS_FUZZ_API_H

#include <jzx/sim.h>

#include "fuzz.h"

enum { API_LOOPS_MAX = 3, API_CALLS_MAX = 200, API_FILES_MAX = 4, API_KEPT = 16, API_PAIRS_MAX = 256, API_PORT = 7000 };

/* Things of one kind that calls gave out, the newest in place of the oldest. */
struct api_kept {
    uint64_t things[API_KEPT];
    uint32_t count; /* ever */
};

/* A handler that is being run. */
struct api_handling {
    struct api_state *state; /* NULL: it has none */
    uint64_t ref;            /* of the request it has; 0: none */
    bool answered;
};

/* Of an actor. */
struct api_state {
    uint64_t alive;
    jzx_drop_fn give_back; /* a receive buffer; NULL: none is kept */
    void *give_back_context;
    void *buffer;
    size_t buffer_size;
    jzx_router *router;
    jzx_deliverer *deliverer;
    jzx_intake *intake;
    uint32_t intake_number; /* tells it from others */
    bool works;             /* it is a worker of a pool */
};

/* The last message that was handled, of those from one actor to another. */
struct api_pair {
    uint64_t from;
    uint64_t to;
    uint64_t last;
    bool mixed; /* it has stashed some */
};

struct api {
    jzx_sim *sim;
    jzx_runtime *runtime;
    struct fuzz_input program;
    uint32_t calls; /* that may still be made */
    bool started;   /* until then one thread owns all loops */
    struct api_kept actors, refs, timers, monitors, watches, sockets, children, posters, flows;
    struct api_kept calls_made, scopes, gathers, members, deliveries;
    jzx_space *space; /* NULL: there was no memory for one */
    int files[API_FILES_MAX];
    uint32_t file_count;
    uint64_t sent; /* messages with a number */
    struct api_pair pairs[API_PAIRS_MAX];
    uint32_t pair_count;
    void *blocks[API_CALLS_MAX]; /* payloads not yet handled or dropped; the rest NULL */
    uint64_t lives;              /* inits without fini */
    uint64_t buffers_out;        /* receive buffers that are kept */
    bool kernel_lies;            /* some ends of the machine are its fault */
};

extern struct api api;

/* A number below `end`, or 0 when the input is used up. Never two in one expression: compilers order them differently. */
static inline uint32_t api_below(uint32_t end)
{
    return fuzz_below(&api.program, end);
}

uint64_t api_any(const struct api_kept *kept); /* one of them, or no such thing */

/* What is called: of the context of an actor or host, and of no loop at all. */
void api_call(jzx_context *context);
void api_call_outside(void);

/* ---- api_drive.c: the machine and what is outside of its threads ---- */

bool api_begin(uint64_t seed, const jzx_sim_config *config); /* a machine and, if true, a runtime with loops */
void api_start(void);                                        /* the loops */
void api_drive_peer(void);
void api_drive_file(void);
void api_drive_time(void);
bool api_stop(void);    /* of the runtime, which must work; false: the machine ended before, and was destroyed */
void api_abandon(void); /* of a machine that has failed: nothing runs in it any more */
void api_end(void);     /* of the machine, in which nothing may be left */

/* ---- api_asks.c ---- */

void api_asks_begin(void);
void api_ask(jzx_context *context, struct api_handling *handling);
void api_group(jzx_context *context);
void api_route(jzx_context *context, struct api_state *state);
void api_hand_on(jzx_context *context, struct api_handling *handling, const jzx_flow_id *flow); /* NULL: through none */
jzx_group api_any_group(void);
uint64_t api_deadline(jzx_context *context);

/* What a continuation does and returns; the payload of an answer is its own, unless it says UNHANDLED. NULL: there is none. */
jzx_behavior_result api_go_on(jzx_context *context, void *state, const jzx_message *answer);

/* ---- api_works.c ---- */

void api_works_begin(void);
void api_works_end(void); /* when no loop runs any more */
void api_pool(jzx_context *context);
void api_pool_told(const jzx_pool_info *info);
void api_deliver(jzx_context *context, struct api_state *state);
void api_take(jzx_context *context, struct api_state *state, const jzx_message *message); /* a JZX_TAG_SYS_DELIVERY */
void api_works_fini(jzx_context *context, struct api_state *state);

/* ---- api_calls.c ---- */

enum { API_TAG_PLAIN = 3 }; /* of what may overtake, or comes in another's name */

void api_call_with(jzx_context *context, struct api_handling *handling); /* NULL: none */
void api_keep(struct api_kept *kept, uint64_t thing);
uint64_t api_duration(void);
jzx_behavior_result api_any_result(void);

/* Options of an actor that does what the input says, and the spec of a pool's worker that does. */
void api_spawn_options(jzx_spawn_options *options);
void api_worker_spec(jzx_child_spec *spec);
const char *api_name(void);

void *api_payload(size_t size);
void api_payload_free(void *payload);

/* A message, and what to do when it was not accepted. */
void api_message(jzx_message *message, jzx_context *context);
void api_message_result(const jzx_message *message, jzx_err err);
void api_message_take(const jzx_message *message); /* which was handled */

#endif
