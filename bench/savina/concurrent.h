/*
 * concurrent.h: what concurrent-dictionary and concurrent-sorted-list share: a master, and workers who ask one server each time they
 * have its answer to the last request.
 *
 * The server answers requests with CONCURRENT_RESULT and a word, and SAVINA_END with a report of up to four words.
 */
#ifndef BENCH_SAVINA_CONCURRENT_H
#define BENCH_SAVINA_CONCURRENT_H

#include "savina/savina.h"

enum { CONCURRENT_WORKERS = 20, CONCURRENT_WRITE_PERCENT = 10, CONCURRENT_COUNTS = 4 };
enum { CONCURRENT_RESULT = SAVINA_OWN, CONCURRENT_OWN /* the first tag of a member's own */ };

typedef struct concurrent_request {
    uint32_t tag;
    bool write; /* its answer is added up */
    uint64_t words[2];
} concurrent_request;

/* Draws what a worker asks next. */
typedef concurrent_request (*concurrent_draw_fn)(uint64_t *random);

struct concurrent {
    savina play;
    concurrent_draw_fn draw;
    uint64_t seed; /* of worker 0; that of the next one is greater by one */
    uint64_t each;
    uint64_t working;                   /* workers that have not reported */
    uint64_t written;                   /* the answers to writes, added up */
    uint64_t counts[CONCURRENT_COUNTS]; /* what the server has reported */
    jzx_actor_id server;
    jzx_actor_id workers[CONCURRENT_WORKERS];
};

/* The stage and the sizes. `percents` is what the suite adds to the number of requests to seed worker 0. */
void concurrent_open(struct concurrent *self, jzx_bench *bench, const savina_stage *stage, uint64_t percents);

/* Spawns the workers and the master, runs, and takes the stage down. The server is there already. */
void concurrent_run(struct concurrent *self, concurrent_draw_fn draw);

/* Calls `each` for every request that is drawn, worker by worker, with `context`. */
void concurrent_replay(const struct concurrent *self, void (*each)(void *context, const concurrent_request *request),
                       void *context);

#endif
