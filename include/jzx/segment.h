/*
 * jzx/segment.h: the shared segment, for tools that look at a runtime from another process.
 *
 * A memfd named "jzx-segment" (or the file named by segment_path), written by the runtime alone, sealed against
 * any other writer. It starts with a jzx_segment_header; loop i's part starts at loops_offset + i * loop_size: one
 * jzx_segment_loop, then slots_max times jzx_segment_slot at slots_offset within the part. Fields are single words with
 * one writer, read without tearing; a reader compares a slot's id before and after.
 */
#ifndef JZX_SEGMENT_H
#define JZX_SEGMENT_H

#include <stdint.h>

#define JZX_SEGMENT_MAGIC 0x3130474553585A4AULL /* "JZXSEG01" */
#define JZX_SEGMENT_NAME "jzx-segment"

typedef struct jzx_segment_header {
    uint64_t magic;
    uint32_t header_size; /* sizeof(jzx_segment_header) of the writer */
    uint32_t loop_struct_size;
    uint32_t slot_struct_size;
    uint32_t loops_max;
    uint64_t loops_offset;
    uint64_t loop_size;
    uint64_t slots_offset;
    uint64_t slots_max;
    uint64_t created_ns; /* CLOCK_MONOTONIC */
    int64_t pid;
    uint32_t loop_count; /* loops created so far */
    uint32_t stopping;   /* the phase of the stop, 0 while running */
} jzx_segment_header;

/** What a loop counts. Each word only grows, unless it is called a gauge. */
typedef struct jzx_counters {
    uint64_t turns;
    uint64_t parks;       /* sleeps in the kernel */
    uint64_t enters;      /* system calls of the loop */
    uint64_t wakes_sent;  /* doorbells to other loops */
    uint64_t sent;        /* messages accepted here: sends, answers, dead-letter reports */
    uint64_t posted;      /* messages taken from foreign threads */
    uint64_t handled;     /* messages a behavior was called with, signals aside */
    uint64_t signals;     /* timers, readiness, TCP events, DOWN, RESUME given to behaviors */
    uint64_t dropped[16]; /* by jzx_drop_reason; the last ones: room for more */
    uint64_t unhandled;
    uint64_t refused_full;  /* sends refused: mailbox full */
    uint64_t refused_block; /* sends refused: no cell or lane room */
    uint64_t lane_sent;     /* cells published to other loops */
    uint64_t lane_received; /* cells taken from other loops */
    uint64_t mail_in;       /* mail and answers taken from other loops */
    uint64_t mail_out;      /* mail and answers put into lanes */
    uint64_t spawned;
    uint64_t ended;
    uint64_t failed; /* of those: kind FAIL */
    uint64_t init_failed;
    uint64_t slow_handlers;
    uint64_t yields;
    uint64_t timers_fired;
    uint64_t accepted;
    uint64_t accept_failures;
    uint64_t connections_closed;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t recv_starved; /* receives that ended for want of a buffer */
    uint64_t stale_completions;
    uint64_t restarts;       /* decided by supervisors */
    uint64_t start_failures; /* of children */
    uint64_t escalations;    /* supervisors that gave up */
    uint64_t actors;         /* gauge */
    uint64_t queued;         /* gauge: messages in mailboxes */
    uint64_t cells_free;     /* gauge */
    uint64_t timers;         /* gauge */
    uint64_t sockets;        /* gauge */
    uint64_t watches;        /* gauge */
    uint64_t children;       /* gauge: of supervisors of this loop */
    uint64_t asks_answered;  /* requests of jzx_ask() whose answer came in time; not in `sent` */
    uint64_t missed;         /* broadcasts that a member of a group could not take */
    uint64_t limits_passed;  /* handlers that took longer than their actor's handler_limit_ns */
    uint64_t high_as_normal; /* messages of high priority that found no annex (annexes_max) */
    uint64_t reserved[8];    /* 0: room for more, so that jzx_loop_stats() never writes past a caller's struct */
} jzx_counters;

typedef struct jzx_segment_loop {
    uint64_t index;
    uint64_t thread_id; /* gettid() of its thread, 0 before the first run */
    uint64_t state;     /* 0 created, 1 running, 2 left */
    uint64_t turn;      /* the heartbeat: number of the turn */
    uint64_t turn_began_ns;
    uint64_t parked;           /* 1 while asleep in the kernel */
    uint64_t running_id;       /* actor in its handler, 0 between */
    uint64_t running_since_ns; /* when the turn gave it the thread; only with measure_handlers */
    uint64_t reserved[8];
    jzx_counters counters;
} jzx_segment_loop;

/** The public half of an actor's slot. */
typedef struct jzx_segment_slot {
    uint64_t id; /* 0 while the slot is free */
    uint64_t parent;
    uint64_t handled;
    uint64_t busy_ns; /* with measure_handlers */
    char name[16];
    uint32_t mailbox_length;
    uint32_t mailbox_peak;
    uint32_t last_tag;
    uint16_t incarnation;
    uint8_t state; /* 0 free, 1 starting, 2 running, 3 draining, 4 stopping, 5 dying, 6 retired */
    uint8_t flags; /* JZX_SLOT_* */
} jzx_segment_slot;

#define JZX_SLOT_SUPERVISOR 1u /* a supervisor */

#endif
