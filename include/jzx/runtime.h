/*
 * jzx/runtime.h: configuration, the runtime and its loops.
 *
 * A runtime is a set of loops. A loop is one scheduler: one thread, one io_uring, its own actors and their memory.
 * The library starts a thread only in jzx_loop_start(), has no globals, installs no signal handler and prints nothing but
 * the line of an assertion that failed, before it aborts.
 */
#ifndef JZX_RUNTIME_H
#define JZX_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jzx/error.h>
#include <jzx/export.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct jzx_runtime jzx_runtime; /* the loops of one process that know each other */
typedef struct jzx_loop jzx_loop;       /* one scheduler */
typedef struct jzx_context jzx_context; /* whose turn it is on a loop: an actor's, or the host's */

/** Names one actor for the whole life of its runtime. 0 is never issued; an id is never issued twice. Opaque. */
typedef uint64_t jzx_actor_id;

#define JZX_FOREVER UINT64_MAX /* a duration or deadline that never comes */
#define JZX_CPU_ANY (-1)       /* a loop whose thread is not pinned */
#define JZX_LOOPS_MAX 255      /* more loops than this cannot be asked for */
#define JZX_SPACES_MAX 255     /* nor more spaces (jzx/group.h) */

/**
 * Where memory comes from. Blocks are never resized; `size` and `align` given to `free` are those given to `alloc`. `align`
 * is a power of two and at least that of a pointer, as posix_memalign() wants it.
 * Called on the thread that creates or destroys the runtime, on the thread of the loop that needs the memory, and that of
 * the state on each that makes a jzx_buffer or gives its last reference up: an allocator shared by loops must be
 * thread-safe.
 */
typedef struct jzx_allocator {
    void *(*alloc)(void *context, size_t size, size_t align); /* NULL when there is none */
    void (*free)(void *context, void *memory, size_t size, size_t align);
    void *context;
} jzx_allocator;

typedef enum jzx_memory {
    JZX_MEMORY_METADATA = 0, /* slots, cells, lanes, timers, sockets */
    JZX_MEMORY_STATE = 1,    /* actor states asked for by state_size, jzx_alloc(), and jzx_buffer */
    JZX_MEMORY_BUFFER = 2,   /* what the kernel reads and writes: receive buffers, send chunks */
    JZX_MEMORY_KINDS = 3
} jzx_memory;

/** How a runtime is built. Begin with jzx_config_init(); every limit is a number, and each is per loop unless said. */
typedef struct jzx_config {
    size_t struct_size; /* set by jzx_config_init() */

    jzx_allocator allocators[JZX_MEMORY_KINDS]; /* each all zero (malloc), or with both functions set */

    uint32_t loops_max;   /* loops of the runtime, 1 to JZX_LOOPS_MAX; default 2 */
    uint32_t actors_max;  /* live actors, 1 to 16,000,000; default 65,536 */
    uint32_t cells;       /* messages queued at one time, 256 to 16,777,215; default 65,536 */
    uint32_t lane_blocks; /* 4 KiB blocks from this loop to each other, 2 to 4,096; default max(2, 256 / (loops - 1)) */
    uint32_t inbox_size;  /* messages from foreign threads not yet taken, a power of two, 4 to 65,536, one place of
                                  which stays free; default 1,024 */
    uint32_t posters_max; /* foreign threads with an inbox of their own, of the runtime; default 16 */
    uint32_t timers_max;  /* timers and deadlines; default 65,536 */
    uint32_t monitors_max;      /* monitors held, and as many again suffered; default 65,536 */
    uint32_t children_max;      /* children of supervisors of the loop, and as many that live on it; default 65,536 */
    uint32_t links_max;         /* sides of links between actors, those being undone too; default 65,536 */
    uint32_t asks_max;          /* foreign threads in jzx_ask() at one time, of the runtime, 1 to 4,096; default 64 */
    uint32_t annexes_max;       /* actors that use shields (jzx/call.h) or grant credits; default 16,384 */
    uint32_t flows_max;         /* sides of flows, those being ended too; default 16,384 */
    uint32_t spaces_max;        /* spaces of groups, of the runtime, 1 to JZX_SPACES_MAX; default 16 */
    uint32_t group_watches_max; /* watches of groups; default 64 */
    uint32_t resumes_max;       /* resume notices asked for and not yet given; default 4,096 */
    uint32_t watches_max;       /* watched file descriptors; default 1,024 */
    uint32_t sockets_max;       /* listeners and connections; default 16,384 */
    uint32_t observers_max;     /* observers; default 4 */
    uint32_t names_max;         /* registered names, of the runtime, 1 to 8,388,608; default 4,096 */

    uint32_t mailbox_cap;   /* an actor's mailbox when its spawn options say 0; default 1,024; at most cells / 8 */
    uint32_t mailbox_bytes; /* bytes of payloads by pointer in one mailbox when the options say 0; 32 and more;
                                  default 1 GiB */

    uint32_t messages_per_actor;  /* messages an actor handles before the next one's turn; default 64 */
    uint32_t actors_per_turn;     /* actors run in one turn; default 1,024 */
    uint32_t deliveries_per_turn; /* members that broadcasts from one other loop reach in one turn; default 1,024 */
    uint64_t turn_ns;   /* a turn ends after this long; looked at every 8 messages; 1,000 and more; default 50,000 */
    uint64_t flush_ns;  /* mail to another loop waits no longer than this in mid-turn; default 20,000 */
    uint64_t linger_ns; /* how long an idle loop polls before it sleeps; 0 default; JZX_FOREVER = never sleep */
    uint64_t slow_handler_ns; /* a handler that took longer is reported; default 10,000,000; 0 = off */
    uint64_t shield_max_ns;   /* a stop waits for a shield (jzx/call.h) at most so long; default 5,000,000,000 */
    bool measure_handlers;    /* read the clock around each handler: exact busy time and slow-handler reports */
    bool exit_when_idle;      /* stop the runtime when its last actor ends; default false */

    uint32_t ring_entries; /* submission entries, a power of two, 8 to 32,768; default 1,024; completions: 4 times */
    uint32_t recv_buffers; /* receive buffers, a power of two, 2 to 32,768; default 256 */
    uint32_t recv_buffer_size; /* bytes of one, 512 to 1 MiB; default 16,384 */
    uint32_t send_chunks;      /* chunks for copied sends, 1 to 1,048,576; default 4,096 */
    uint32_t send_chunk_size;  /* bytes of one, 512 to 1 MiB; default 4,096 */
    bool restrict_ring;        /* allow the ring only the operations libjzx uses; default true */
    bool oldest_kernel;        /* use nothing newer than Linux 6.1, as if the kernel had it not; for tests */

    uint64_t seed;            /* of jzx_random(); 0 = from the kernel */
    const char *segment_path; /* file that holds the shared segment; NULL = an unnamed memfd; read during create only */
} jzx_config;

/** How one loop is built. Begin with jzx_loop_config_init(). */
typedef struct jzx_loop_config {
    size_t struct_size; /* set by jzx_loop_config_init() */
    int cpu; /* CPU its thread is pinned to when it first runs, one that the main thread may use; or JZX_CPU_ANY */
    uint64_t linger_ns; /* as in jzx_config, which gives the default */
} jzx_loop_config;

/** The most memory a runtime of a configuration can take, in bytes, actor states, message payloads and spaces aside. */
typedef struct jzx_footprint {
    size_t struct_size; /* set by the caller: sizeof(jzx_footprint) */
    size_t metadata;    /* from the metadata allocator, all loops */
    size_t buffers;     /* from the buffer allocator, all loops */
    size_t segment;     /* of the shared segment, mapped once */
    size_t rings;       /* io_uring rings, by the kernel */
} jzx_footprint;

/** Fills `config` with the defaults above. Thread: any. NULL is ignored. */
JZX_API void jzx_config_init(jzx_config *config);

/** Fills `config`: no CPU, and the linger of `runtime_config` (0 for NULL). Thread: any. NULL is ignored. */
JZX_API void jzx_loop_config_init(const jzx_config *runtime_config, jzx_loop_config *config);

/**
 * Computes what a runtime of `config` with all its loops can take at most.
 *
 * Thread:  any.
 * Returns: JZX_OK; JZX_ERR_INVALID_ARG for a field out of range; JZX_ERR_TOO_BIG when a sum passes SIZE_MAX
 */
JZX_API jzx_err jzx_config_footprint(const jzx_config *config, jzx_footprint *footprint);

/**
 * Creates a runtime without loops. `config` is copied; NULL means the defaults.
 *
 * Owns:    the caller owns *runtime and ends it with jzx_runtime_destroy().
 * Thread:  any.
 * Returns: JZX_OK
 *          JZX_ERR_INVALID_ARG  a field out of range, a half-filled allocator, or `cells` too few for the lanes
 *          JZX_ERR_TOO_BIG      the sizes do not fit
 *          JZX_ERR_NO_MEMORY    an allocator, or the kernel for the segment
 *          JZX_ERR_FD_LIMIT     no descriptor left
 *          JZX_ERR_OS           the segment's file cannot be made
 */
JZX_API jzx_err jzx_runtime_create(const jzx_config *config, jzx_runtime **runtime);

/**
 * Destroys a runtime and its loops. A runtime whose loops never ran is torn down here, with the fini of each actor and
 * the destructor of each payload; one that ran must have been stopped first. NULL is JZX_OK.
 *
 * Thread:  any, while no other thread uses the runtime, but for those that sleep in jzx_ask(): it wakes them and waits
 *          until they have come out. Joins threads that jzx_loop_start() began.
 * Returns: JZX_OK; JZX_ERR_BUSY while a loop runs or was run or started and not yet stopped, or inside a handler; FORKED
 */
JZX_API jzx_err jzx_runtime_destroy(jzx_runtime *runtime);

/**
 * Asks all loops to stop in order: outside work is refused, actors end, mail is drained, operations are cancelled and
 * reaped, and each run call returns. Idempotent; before the first run it makes the first run return at once.
 *
 * Thread:  any; async-signal-safe: one atomic store and one system call.
 * Returns: JZX_OK; JZX_ERR_INVALID_ARG for NULL
 */
JZX_API jzx_err jzx_runtime_request_stop(jzx_runtime *runtime);

/**
 * Requests a stop and waits until every loop has left. Loops that never ran are torn down here; a loop whose host must
 * drive it is waited for. That a loop has left does not say that a thread of yours has come out of the call that ran it:
 * join such threads before jzx_runtime_destroy(), which waits for those of jzx_loop_start() only.
 *
 * Units:   `timeout_ns` from now; JZX_FOREVER to wait without end. `stuck_loop` may be NULL.
 * Thread:  one that runs no loop of this runtime.
 * Returns: JZX_OK
 *          JZX_ERR_TIMEOUT       *stuck_loop is the index of a loop that has not left; nothing of it was freed
 *          JZX_ERR_WRONG_THREAD  called on a loop's thread while it runs
 *          JZX_ERR_FORKED        in a child process
 */
JZX_API jzx_err jzx_runtime_shutdown(jzx_runtime *runtime, uint64_t timeout_ns, uint32_t *stuck_loop);

/** The errno behind the last JZX_ERR_OS, IO_REG_FAILED or URING_* of this runtime, or 0. Thread: any. */
JZX_API int jzx_runtime_os_error(const jzx_runtime *runtime);

/** The loops created so far. Thread: any. */
JZX_API uint32_t jzx_runtime_loop_count(const jzx_runtime *runtime);

/** The loop with an index, or NULL. Thread: any. */
JZX_API jzx_loop *jzx_runtime_loop(jzx_runtime *runtime, uint32_t index);

/**
 * Creates a loop with its io_uring, disabled until it is run. All loops are created before the first one runs. The
 * creating thread owns the loop until then, and may spawn and send through jzx_loop_context(). `config` is copied; NULL
 * means the defaults.
 *
 * Owns:    the loop is the runtime's and ends with it.
 * Thread:  any, one at a time.
 * Returns: JZX_OK
 *          JZX_ERR_MAX_LOOPS      the runtime has loops_max loops
 *          JZX_ERR_BUSY           a loop of the runtime has run already, or a poster was made
 *          JZX_ERR_NO_SUCH_CPU    the CPU cannot be had
 *          JZX_ERR_NO_MEMORY, JZX_ERR_FD_LIMIT, JZX_ERR_MEMLOCK, JZX_ERR_URING_DENIED, JZX_ERR_URING_MISSING,
 *          JZX_ERR_OS, JZX_ERR_INVALID_ARG, JZX_ERR_FORKED
 */
JZX_API jzx_err jzx_loop_create(jzx_runtime *runtime, const jzx_loop_config *config, jzx_loop **loop);

/**
 * Runs the loop on this thread, which owns it from then on, until the runtime stops.
 *
 * Thread:  any for the first run, from then on the same.
 * Returns: JZX_OK                   stopped in order
 *          JZX_ERR_INVALID_ARG      NULL
 *          JZX_ERR_ALREADY_RUNNING  nested, or on two threads
 *          JZX_ERR_WRONG_THREAD     bound to another thread
 *          JZX_ERR_LOOP_CLOSED      it has left before
 *          JZX_ERR_NO_SUCH_CPU      pinning failed
 *          JZX_ERR_KERNEL_LOST      the kernel lost a completion; the loop was torn down
 *          JZX_ERR_OS               the ring cannot be enabled, or an enter failed; the loop was torn down
 *          JZX_ERR_ESCALATED        stopped because a root supervisor gave up: see jzx_runtime_escalation()
 *          JZX_ERR_FORKED           in a child process
 */
JZX_API jzx_err jzx_loop_run(jzx_loop *loop);

/**
 * Runs one turn, and sleeps before it for at most `timeout_ns` if nothing is to do. For hosts with a loop of their own.
 *
 * Units:   0 does not sleep; JZX_FOREVER sleeps until something comes.
 * Thread:  as jzx_loop_run().
 * Returns: as jzx_loop_run(); JZX_ERR_LOOP_CLOSED or JZX_ERR_ESCALATED once the loop has stopped and left: do not
 *          call it again
 */
JZX_API jzx_err jzx_loop_run_once(jzx_loop *loop, uint64_t timeout_ns);

/**
 * Runs the loop on a thread that the library starts for it, named "jzx-<index>" and pinned if the loop has a CPU. From
 * this call on the loop is that thread's.
 *
 * Thread:  any, one at a time.
 * Returns: JZX_OK; JZX_ERR_ALREADY_RUNNING (started before, or bound to a thread); JZX_ERR_LOOP_CLOSED;
 *          JZX_ERR_OS (no thread); JZX_ERR_FORKED. What setting up on that thread meets is the result of the join.
 */
JZX_API jzx_err jzx_loop_start(jzx_loop *loop);

/**
 * Waits for the thread of jzx_loop_start() to end and gives the result of its run.
 *
 * Thread:  one that runs no loop of this runtime, one at a time.
 * Returns: JZX_OK with *result (which may be NULL); JZX_ERR_NOT_FOUND if the loop has no such thread; JZX_ERR_WRONG_THREAD
 *          on a thread that runs a loop of the runtime; JZX_ERR_INVALID_ARG
 */
JZX_API jzx_err jzx_loop_join(jzx_loop *loop, jzx_err *result);

/**
 * Gives a descriptor that is readable, level and edge, whenever jzx_loop_run_once(loop, 0) has work to do. The thread
 * that calls it owns the loop from then on. Do not read from it and do not close it: it is the runtime's.
 *
 * Thread:  as jzx_loop_run().
 * Returns: JZX_OK with *fd; JZX_ERR_INVALID_ARG; JZX_ERR_WRONG_THREAD; JZX_ERR_ALREADY_RUNNING (in a handler);
 *          JZX_ERR_LOOP_CLOSED; JZX_ERR_FD_LIMIT; JZX_ERR_OS; JZX_ERR_FORKED
 */
JZX_API jzx_err jzx_loop_poll_fd(jzx_loop *loop, int *fd);

/**
 * Asks this one loop to empty itself: its actors end, spawns on it are refused, mail to it is a dead letter. Its run
 * call returns when the runtime stops. Idempotent.
 *
 * Thread:  any; async-signal-safe.
 * Returns: JZX_OK; JZX_ERR_INVALID_ARG for NULL
 */
JZX_API jzx_err jzx_loop_request_stop(jzx_loop *loop);

/** The index of a loop in its runtime, from 0. Thread: any. */
JZX_API uint32_t jzx_loop_index(const jzx_loop *loop);

/** The runtime of a loop. Thread: any. */
JZX_API jzx_runtime *jzx_loop_runtime(const jzx_loop *loop);

/**
 * The context of the host: what the owner thread uses outside of handlers to spawn and send. Its actor id is 0, so it
 * cannot receive: calls that answer with a message return JZX_ERR_INVALID_ARG.
 *
 * Thread:  any may ask; only the owner may use it. Returns NULL for NULL.
 */
JZX_API jzx_context *jzx_loop_context(jzx_loop *loop);

/** The loop of a context. Thread: the loop's. */
JZX_API jzx_loop *jzx_context_loop(const jzx_context *context);

/** The actor whose turn it is, or 0 for the host. Thread: the loop's. */
JZX_API jzx_actor_id jzx_self(const jzx_context *context);

/** Nanoseconds of CLOCK_MONOTONIC, read at most once a turn; jzx_clock_ns() reads it now.
 *  Thread: the loop's; 0 elsewhere. */
JZX_API uint64_t jzx_now_ns(const jzx_context *context);
JZX_API uint64_t jzx_clock_ns(const jzx_context *context);

/** 64 random bits from the loop's own generator (xoshiro256**, seeded by the config).
 *  Thread: the loop's; 0 elsewhere. */
JZX_API uint64_t jzx_random(jzx_context *context);

/**
 * Whether this actor has used up its share of the turn, or its handler_limit_ns with JZX_LIMIT_CANCEL: a long handler then
 * returns JZX_BEHAVIOR_YIELD. Cheap enough for each step of a long loop: it looks at the clock only as often as the pace of
 * the calls demands, at most 128 calls apart, so it may be late by about an eighth of a turn. Thread: the loop's.
 */
JZX_API bool jzx_should_yield(const jzx_context *context);

/**
 * Memory of the state allocator, for states and payloads, aligned for every type; freed with the size it was asked for.
 *
 * Units:   `size` in bytes; 0 gives NULL. Freeing NULL does nothing.
 * Owns:    the caller, until jzx_free() on this loop.
 * Thread:  the loop's; elsewhere jzx_alloc() gives NULL and jzx_free() does nothing.
 * Returns: NULL when there is none
 */
JZX_API void *jzx_alloc(jzx_context *context, size_t size);
JZX_API void jzx_free(jzx_context *context, void *memory, size_t size);

#ifdef __cplusplus
}
#endif
#endif
