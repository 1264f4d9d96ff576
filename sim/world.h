/*
 * world: threads that take turns on one real thread, in an order drawn from the seed, and a clock that moves only when
 * nobody can run, or by a few nanoseconds when it is read.
 *
 * A thread of the world is a coroutine. It runs until it comes to a point (jzx__sim_point()) or waits; then any other that
 * can run may go on. Outside, the code that called jzx_sim_run() or another of its kind, is a thread too, which is chosen
 * when the run that it asked for is over.
 *
 * Invariants
 *   W1  Only the current thread's stack is in use; `outside` is current whenever no run goes on.
 *   W2  Time moves in pass_time() and jzx__sim_clock_read() alone, by a jump or a stall, and never back.
 *   W3  After a failure no thread of the world runs again.
 */
#ifndef JZX__SIM_WORLD_H
#define JZX__SIM_WORLD_H

#include <setjmp.h>

#include "sim/inside.h"

enum { JZX__SIM_THREADS_MAX = 64 };

typedef struct jzx__sim_thread_record jzx__sim_thread_record;

/* Why a run has ended. */
typedef enum jzx__sim_end {
    JZX__SIM_RUNS,  /* it has not */
    JZX__SIM_ENDED, /* every thread has */
    JZX__SIM_LATE,  /* time may not pass any further */
    JZX__SIM_READY, /* what was waited for is there */
    JZX__SIM_FAILED,
} jzx__sim_end;

typedef struct jzx__sim_world {
    jzx__sim_thread_record *threads[JZX__SIM_THREADS_MAX];
    uint32_t thread_count;
    jzx__sim_thread_record *current;
    jzx__sim_thread_record *outside;
    uint64_t now_ns;
    uint64_t poll_step_ns;
    uint64_t steps;

    uint32_t freezes; /* of 1,024 switches, how many make the thread that ran miss some */
    uint32_t freeze_max;

    /* the run that goes on */
    uint64_t limit_ns;
    uint64_t steps_end;
    bool (*ready)(void *context);
    void *ready_context;
    jzx__sim_end end;

    bool checking;   /* a check runs: points do nothing */
    jmp_buf *escape; /* where a failure leads instead of back to outside; NULL: back */
} jzx__sim_world;

void jzx__sim_world_init(jzx_sim *sim);
void jzx__sim_world_deinit(jzx_sim *sim);

/* Runs until every thread has ended, `ready` (may be NULL) says so, the time would pass `limit_ns` (JZX__SIM_NEVER: a world
 * in which nobody can go on fails), or after `steps` points. From outside only. */
jzx__sim_end jzx__sim_world_run(jzx_sim *sim, uint64_t limit_ns, bool (*ready)(void *context), void *context,
                                uint64_t steps);

uint64_t jzx__sim_world_next_ns(const jzx_sim *sim); /* the next event's time; JZX__SIM_NEVER: none is to come */

/* NULL when there are too many. `main` may return; then the record is free for another, unless it is joined later. */
jzx__sim_thread_record *jzx__sim_thread_start(jzx_sim *sim, const char *name, void (*main)(void *argument),
                                              void *argument, bool joined);
bool jzx__sim_thread_ended(const jzx__sim_thread_record *thread);
void jzx__sim_thread_forget(jzx__sim_thread_record *thread); /* that was to be joined: it was */
uint32_t jzx__sim_threads_alive(const jzx_sim *sim);
uint32_t jzx__sim_threads_unjoined(const jzx_sim *sim); /* that have ended and are still known */
void jzx__sim_thread_stall(jzx__sim_thread_record *thread, uint64_t until_ns);

bool jzx__sim_inside(const jzx_sim *sim); /* does a thread of the world run? */
/* Waits for `ready`; false: the deadline came first. From outside it runs the world meanwhile. */
bool jzx__sim_wait(jzx_sim *sim, bool (*ready)(void *context), void *context, uint64_t deadline_ns);
void jzx__sim_pass(jzx_sim *sim);           /* lets others run, if they can */
void jzx__sim_poll(jzx_sim *sim);           /* for one that has nothing to do but look again: time moves if all do so */
uint64_t jzx__sim_clock_read(jzx_sim *sim); /* with the tick */
void jzx__sim_clock_add(jzx_sim *sim, uint64_t ns);

/* The first failure counts. Inside it does not return; outside it returns unless there is an escape. */
void jzx__sim_failed(jzx_sim *sim, const char *format, va_list arguments);

#endif
