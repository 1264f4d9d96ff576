/*
 * tsdb: what all actors of the time-series database know.
 *
 * Nobody holds the id of another: a part is found by its name when it is needed, so any of them may be restarted at any
 * time and nobody has to be told. A part that is down is JZX_ERR_NOT_FOUND, and a request that it took with it is answered
 * by the runtime.
 *
 * `struct tsdb` is written before the loops run and only read after, its counters aside.
 */
#ifndef TSDB_TSDB_H
#define TSDB_TSDB_H

#include <jzx/jzx.h>
#include <stdatomic.h>

#include "point.h"

enum {
    HEADS_MAX = 16,
    WORKERS = 2,           /* that merge, and as many that make indexes */
    BATCH_MAX = 256,       /* points of one append */
    RANGE_MAX = 4096,      /* points of one answer */
    CONNECTIONS_MAX = 256, /* clients at one time */
    NETWORK_LOOP = 0,
    FILE_LOOP = 1,
    LOOPS = 2,
    PATH_MAX_BYTES = 4096,
};

/* Requests, unless said otherwise. */
enum tsdb_tag {
    TSDB_APPEND = 1,  /* to a head: a tsdb_batch; answer: tsdb_status */
    TSDB_RANGE = 2,   /* to a head: a tsdb_query; answer: a tsdb_text, or tsdb_status */
    TSDB_FLUSH = 3,   /* to a head: its memory into a segment; answer: tsdb_status */
    TSDB_TIDY = 4,    /* to a head, a message: do what is due */
    TSDB_TEAR = 5,    /* to a head, a message: crash within an append */
    TSDB_SYNC = 6,    /* a timer of a head: the log is to be synced */
    TSDB_MERGE = 7,   /* to a merger: a tsdb_job; answer: tsdb_status */
    TSDB_INDEX = 8,   /* to an indexer: a tsdb_job; answer: tsdb_status */
    TSDB_PING = 9,    /* to each part: answer without content */
    TSDB_COUNT = 10,  /* to metrics, a message: a tsdb_count */
    TSDB_STATS = 11,  /* to metrics: answer a tsdb_text */
    TSDB_HEALTH = 12, /* to health: answer a tsdb_text */
    TSDB_TICK = 13,   /* timers of others */
    TSDB_ANSWER = 14, /* the tag of all answers */
};

enum tsdb_status {
    TSDB_DONE = 0,
    TSDB_BUSY = 1,    /* try again later */
    TSDB_DOWN = 2,    /* the part is being restarted: try again later */
    TSDB_FAILED = 3,  /* a file cannot be written or read */
    TSDB_DAMAGED = 4, /* a file is not as it was written */
};

struct tsdb_batch {
    uint32_t count;
    struct point points[BATCH_MAX]; /* without numbers */
};

struct tsdb_query { /* by value would be 40 bytes, which is too much */
    char series[SERIES_MAX];
    int64_t from;
    int64_t to;
};

struct tsdb_job {
    uint64_t first; /* numbers, as in folder.h */
    uint64_t last;
    uint32_t head;
};

/* Text for a client. */
struct tsdb_text {
    size_t size;
    char bytes[];
};

enum tsdb_metric {
    METRIC_POINTS,
    METRIC_BATCHES,
    METRIC_FLUSHES,
    METRIC_MERGES,
    METRIC_INDEXES,
    METRIC_RANGES,
    METRIC_REPLAYED,
    METRIC_RETIRED,
    METRICS
};

struct tsdb_count {
    uint32_t metric;
    uint32_t more;
};

struct tsdb_options {
    const char *folder;
    uint16_t port;
    uint32_t heads;
    uint32_t flush_points; /* in memory at which a head writes a segment */
    uint64_t sync_ns;      /* 0: before each acknowledgement; else at most so long after; JZX_FOREVER: never */
    int64_t retain;        /* time units behind the newest point; 0: for ever */
    uint32_t rate;         /* points a second of the generator; 0: none */
};

struct tsdb {
    struct tsdb_options options;
    jzx_runtime *runtime;
    uint16_t port; /* the listener's own: 0 before its first incarnation */
    /* Counted by the observers of both loops: metrics itself may be the part that is restarted. */
    _Atomic uint64_t supervised[JZX_SUPERVISION_ESCALATED + 1];
};

/* ---- names.c: who is who ---- */

/* "head-1" and the like, in `name`, which it returns. */
enum { NAME_MAX_BYTES = JZX_CHILD_NAME_MAX };
const char *tsdb_name(char name[NAME_MAX_BYTES], const char *part, uint32_t index);

/* The head a series belongs to. */
uint32_t tsdb_head_of(const struct tsdb *tsdb, const char series[SERIES_MAX]);

/* jzx_request() to a name; JZX_ERR_NOT_FOUND when that part is down. */
jzx_err tsdb_ask(jzx_context *context, const struct tsdb *tsdb, const char *name, const jzx_message *message,
                 uint64_t timeout_ns, uint64_t *ref);

/* Answers a request with a status, or with a text, which is the caller's no more. */
void tsdb_answer(jzx_context *context, const jzx_message *request, enum tsdb_status status);
void tsdb_answer_text(jzx_context *context, const jzx_message *request, struct tsdb_text *text);

/* The status in an answer; a request that was not answered is TSDB_DOWN. */
enum tsdb_status tsdb_status_of(const jzx_message *answer);

/* Tells metrics. What comes while it is down is not counted. */
void tsdb_tell_metrics(jzx_context *context, enum tsdb_metric metric, uint64_t more);

/* The path of a head's folder. */
void tsdb_head_path(const struct tsdb *tsdb, uint32_t head, char path[PATH_MAX_BYTES]);

/* Frees a payload made by malloc (jzx_drop_fn). */
void tsdb_drop(void *context, void *data, size_t size);

/* ---- what each actor is: its part of a child spec. `argument` of all of them is a tsdb_part. ---- */

struct tsdb_part {
    struct tsdb *tsdb;
    uint32_t index;
};

void tsdb_head_spec(jzx_child_spec *spec);
void tsdb_merger_spec(jzx_child_spec *spec);
void tsdb_indexer_spec(jzx_child_spec *spec);
void tsdb_metrics_spec(jzx_child_spec *spec);
void tsdb_health_spec(jzx_child_spec *spec);
void tsdb_upkeep_spec(jzx_child_spec *spec);
void tsdb_generator_spec(jzx_child_spec *spec);
void tsdb_listener_spec(jzx_child_spec *spec);
void tsdb_connection_spec(jzx_child_spec *spec);

/* ---- tree.c ---- */

/* Starts all of them. */
jzx_err tsdb_tree_start(struct tsdb *tsdb);

/* ---- dump.c ---- */

/* Prints all points in the files, each as "series time value", as they would be loaded. For a folder nobody uses. */
bool tsdb_dump(const struct tsdb *tsdb);

/* ---- metrics.c ---- */

/* Observes a loop for the metrics. */
jzx_err tsdb_observe(struct tsdb *tsdb, jzx_loop *loop);

#endif
