/*
 * search: what the files that look for failures share.
 *
 *   explore.c  seeds, the environment, reports      shrink.c  a failure made smaller
 *   worker.c   processes that run a scenario        replay.c  a run as a line of text
 *
 * A run is a function of the program, the search and its plan, so that it can be made again in any process. All but a
 * replay are made in processes of their own, as a scenario may crash, hang or exit. What a run came to is in memory that is
 * shared with it, written as it goes: it is there whatever became of the process.
 *
 * Used outside of machines, and in none of their threads.
 *
 * Invariants
 *   X1  What the parent takes from its workers it takes in the order of seeds: an outcome does not depend on `jobs`, nor
 *       on who was faster.
 *   X2  No process outlives the call, nor its parent.
 */
#ifndef JZX__SIM_SEARCH_H
#define JZX__SIM_SEARCH_H

#include <sys/types.h>

#include "sim/fault.h"

enum { JZX__SIM_REPLAY_TEXT = 2048, JZX__SIM_FAILURE_TEXT = 512, JZX__SIM_SAID_TEXT = 4096 };

#define JZX__SIM_ALL_KINDS UINT64_MAX

/* What a run came to. */
typedef struct jzx__sim_run {
    uint64_t seed;
    bool failed;
    uint64_t steps;
    uint64_t loop_ns;
    uint64_t faults;
    uint64_t hash;
    char failure[JZX__SIM_FAILURE_TEXT];
    char said[JZX__SIM_SAID_TEXT]; /* the part of its error output that matters, when it broke off */
    jzx__sim_record record;
} jzx__sim_run;

/* ---- worker.c ---- */

typedef struct jzx__sim_worker {
    pid_t pid;
    int results;       /* what it has done, one jzx__sim_result after the other */
    int said;          /* its error output */
    jzx__sim_run *run; /* shared with it */
} jzx__sim_worker;

/* Of a run without a failure. */
typedef struct jzx__sim_result {
    uint64_t seed;
    uint64_t steps;
    uint64_t loop_ns;
    uint64_t faults;
    uint64_t hash;
} jzx__sim_result;

jzx__sim_run *jzx__sim_run_create(void); /* shared with who is forked; NULL: no memory */
void jzx__sim_run_destroy(jzx__sim_run *run);
/* Runs it here. With trace_report the newest part of its trace goes there, also when it crashes. */
void jzx__sim_run_here(const jzx_sim_search *search, const jzx__sim_plan *plan, jzx__sim_run *run, FILE *trace_report);

/* Begins with the plan's seed, and goes on in steps of `step`, `count` seeds in all. `run` is the caller's. */
jzx_err jzx__sim_worker_start(jzx__sim_worker *worker, const jzx_sim_search *search, const jzx__sim_plan *plan,
                              uint64_t step, uint64_t count, jzx__sim_run *run);
/* Waits for its next run. False: it failed, worker->run says how, and the worker is gone. */
bool jzx__sim_worker_next(jzx__sim_worker *worker, const jzx_sim_search *search, jzx__sim_result *result);
void jzx__sim_worker_stop(jzx__sim_worker *worker, bool finished); /* finished: it has nothing more to do */
/* One run in a process of its own. */
jzx_err jzx__sim_run_apart(const jzx_sim_search *search, const jzx__sim_plan *plan, jzx__sim_run *run);

/* ---- replay.c ---- */

void jzx__sim_plan_init(jzx__sim_plan *plan, uint64_t seed);
bool jzx__sim_plan_copy(jzx__sim_plan *plan, const jzx__sim_plan *from); /* false: no memory */
void jzx__sim_plan_deinit(jzx__sim_plan *plan);
/* Lists what the record holds. False: it holds not all, or no memory. */
bool jzx__sim_plan_list(jzx__sim_plan *plan, const jzx__sim_record *record);

/* False when it does not fit. */
bool jzx__sim_replay_write(char text[JZX__SIM_REPLAY_TEXT], const char *name, const jzx__sim_plan *plan);
bool jzx__sim_replay_is_for(const char *text, const char *name);
/* JZX_OK; JZX_ERR_INVALID_ARG, and `wrong` says what and where */
jzx_err jzx__sim_replay_read(const char *text, jzx__sim_plan *plan, char *wrong, size_t wrong_size);
bool jzx__sim_number_read(const char **at, uint64_t *number); /* decimal digits, all that are there */

/* ---- shrink.c ---- */

typedef struct jzx__sim_shrunk {
    uint32_t runs;
    bool again; /* it went the same way once more; else nothing was done */
    char text[JZX__SIM_REPLAY_TEXT];
    char how[512]; /* "faults 214 -> 2, orders 60 -> 5" */
} jzx__sim_shrunk;

/* `run` is the one that failed, and becomes the smaller one. */
jzx_err jzx__sim_shrink(const jzx_sim_search *search, jzx__sim_run *run, jzx__sim_shrunk *shrunk);

#endif
