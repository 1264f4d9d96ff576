/* benches.h: every bench there is; main.c runs them in this order. */
#ifndef BENCHES_H
#define BENCHES_H

#include "bench.h"

extern const struct bench bench_local_pingpong;  /* local.c */
extern const struct bench bench_local_ring;      /* local.c */
extern const struct bench bench_local_random;    /* local.c */
extern const struct bench bench_stream;          /* stream.c */
extern const struct bench bench_remote_pingpong; /* remote_pingpong.c */
extern const struct bench bench_wake;            /* wake.c */
extern const struct bench bench_parked_trip;     /* wake.c */
extern const struct bench bench_turn_latency;    /* turn_latency.c */
extern const struct bench bench_post;            /* post.c */
extern const struct bench bench_life;            /* life.c */
extern const struct bench bench_restart;         /* restart.c */
extern const struct bench bench_group;           /* group.c */
extern const struct bench bench_crash;           /* crash.c */
extern const struct bench bench_children;        /* children.c */
extern const struct bench bench_idle_actor;      /* idle.c */
extern const struct bench bench_timers;          /* timers.c */
extern const struct bench bench_lateness;        /* lateness.c */
extern const struct bench bench_backoff;         /* lateness.c */
extern const struct bench bench_echo;            /* echo.c */
extern const struct bench bench_kv;              /* kv.c */
extern const struct bench bench_allocations;     /* allocations.c */
extern const struct bench bench_idle_process;    /* idle.c */

#endif
