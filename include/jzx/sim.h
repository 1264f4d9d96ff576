/*
 * jzx/sim.h: deterministic simulation. Link libjzx-sim instead of libjzx: it is the same runtime on a simulated kernel.
 *
 * A simulation is a machine in one real thread: its threads take turns in an order drawn from a seed, its clock moves only
 * when nothing else can happen, its kernel has rings, sockets and descriptors of its own and fails as it is told or as
 * the seed says. Whatever creates and runs a runtime in production does so here, unchanged: jzx_runtime_create(),
 * jzx_loop_create(), jzx_loop_start(), jzx_post(). The same seed gives the same run, to the byte, on every machine and
 * with every compiler.
 *
 *   jzx_sim_create(7, NULL, &sim);            the machine
 *   jzx_runtime_create(&config, &runtime);    what is tested, as everywhere
 *   jzx_loop_start(loop);                     a thread of the machine
 *   jzx_sim_advance(sim, 10000000);           10 ms pass
 *   jzx_runtime_destroy(runtime);
 *   jzx_sim_check_end(sim);                   everything was given back
 *   jzx_sim_destroy(sim);
 *
 * One simulation at a time in a process; all calls from the real thread that created it. A runtime must be created after
 * the simulation and destroyed before it (without one, jzx_runtime_create() returns JZX_ERR_URING_MISSING here). "Outside"
 * is the code that is in no thread of the machine: a test's own. What blocks in production (jzx_runtime_shutdown(),
 * jzx_runtime_destroy() of a started loop) lets the machine run when it is called from outside.
 *
 * Docs: docs/testing.md.
 */
#ifndef JZX_SIM_H
#define JZX_SIM_H

#include <stdio.h>

#include <jzx/jzx.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct jzx_sim jzx_sim;

/* ---- faults ---- */

/**
 * What can go wrong. Each has occasions: moments at which it could happen, counted from 1 for each kind on its own. Whether
 * an occasion has its fault depends on the seed, the kind and that count alone, or on jzx_sim_inject().
 */
typedef enum jzx_sim_fault {
    /* memory and limits */
    JZX_SIM_ALLOC = 0,  /* an allocation returns NULL */
    JZX_SIM_CELLS,      /* the loop has no free cell for a message of a handler */
    JZX_SIM_LANE_FULL,  /* a lane to another loop has no room for mail */
    JZX_SIM_INBOX_FULL, /* an inbox has no room for a post */
    /* io_uring */
    JZX_SIM_SETUP,        /* making a ring, an eventfd or a thread, or registering with one fails: EMFILE, EPERM, ... */
    JZX_SIM_SQ_FULL,      /* no submission entry is free */
    JZX_SIM_SUBMIT_PART,  /* an enter takes a part of the queue */
    JZX_SIM_ENTER_EAGAIN, /* an enter returns EAGAIN: no memory for a request */
    JZX_SIM_ENTER_EBUSY,  /* an enter returns EBUSY: completions must be reaped first */
    JZX_SIM_ENTER_EINTR,  /* an enter returns EINTR: a signal */
    JZX_SIM_ENTER_FAILS,  /* an enter returns EBADR (a completion is lost) or an error that nobody expects */
    JZX_SIM_CQ_OVERFLOW,  /* a completion finds no room in the ring, and comes with a later enter */
    JZX_SIM_LATE,         /* an enter leaves completions for the next */
    JZX_SIM_MULTISHOT_END, /* a multishot operation ends with a result that others of its kind follow */
    JZX_SIM_DOORBELL,      /* a message to another ring fails with ENOMEM */
    JZX_SIM_OP_FAILS,      /* an operation ends with EIO, ENOMEM, EINTR or ECANCELED */
    /* time and threads */
    JZX_SIM_WOKEN_EARLY, /* a sleep ends for nothing */
    JZX_SIM_WOKEN_LATE,  /* a sleep ends up to 5 ms too late */
    JZX_SIM_STALL,       /* a thread does not run for up to a second */
    JZX_SIM_CLOCK_JUMP,  /* the clock moves on by up to a minute at once: the machine slept */
    /* TCP */
    JZX_SIM_FD_LIMIT,      /* a socket, an accept or a connect meets EMFILE, ENFILE or ENOBUFS */
    JZX_SIM_ADDRESS_TAKEN, /* a bind or listen meets EADDRINUSE */
    JZX_SIM_ACCEPT_FAILS,  /* an accepted connection is gone already: ECONNABORTED */
    JZX_SIM_CONNECT_FAILS, /* a connect ends with ECONNREFUSED, ETIMEDOUT or ENETUNREACH */
    JZX_SIM_RECV_SHORT,    /* a receive moves only a part of what is there, down to a byte */
    JZX_SIM_SEND_SHORT,    /* a send moves only a part */
    JZX_SIM_RECV_NOBUFS,   /* a receive finds no buffer */
    JZX_SIM_RESET,         /* the connection ends with ECONNRESET for both sides */
    JZX_SIM_EPIPE,         /* a send ends with EPIPE */
    JZX_SIM_NET_DELAY,     /* what is sent takes up to a second longer */
    /* actors */
    JZX_SIM_ACTOR_FAILS, /* a handler's result is replaced by a failure */
    JZX_SIM_INIT_FAILS,  /* an init is replaced by one that returns JZX_ERR_INIT; a supervisor's own too */
    JZX_SIM_FAULTS       /* how many there are */
} jzx_sim_fault;

/** "alloc", "lane-full", ...; NULL for a number that is none. Thread: any. */
JZX_API const char *jzx_sim_fault_name(jzx_sim_fault fault);

/* ---- life ---- */

#define JZX_SIM_DRAWN UINT32_MAX /* of a config's field: drawn from the seed */

/** How a machine behaves. Begin with jzx_sim_config_init(). */
typedef struct jzx_sim_config {
    size_t struct_size;             /* set by jzx_sim_config_init() */
    uint32_t rates[JZX_SIM_FAULTS]; /* of 65,536 occasions, how many have the fault, or JZX_SIM_DRAWN: about half of
                                       those that are drawn are 0; default 0 */
    bool swarm;                     /* draw each rate that is 0 */
    uint32_t switches;              /* of 1,024 points a thread passes, how many let another run; default drawn */
    uint64_t tick_max_ns;           /* each reading of the clock moves it on by 1 to this; 0, the default: not at all */
    uint64_t latency_min_ns;        /* of the network, one way; default 20,000 */
    uint64_t latency_max_ns;        /* default 100,000 */
    uint32_t ring_entries_max;      /* submission entries of a ring, whatever is asked for; default 32,768 */
    uint64_t steps_max;             /* more points than this are a failure: something spins; default 10,000,000 */
    uint64_t trace_max;             /* bytes of trace text kept, the newest; 0, the default: only the hash */
} jzx_sim_config;

/** Fills `config` with the defaults above. NULL is ignored. Thread: any. */
JZX_API void jzx_sim_config_init(jzx_sim_config *config);

/**
 * Makes a machine at time 1 s with no thread in it. `config` may be NULL.
 *
 * Returns: JZX_OK with *sim; JZX_ERR_INVALID_ARG; JZX_ERR_BUSY (there is one already); JZX_ERR_NO_MEMORY
 */
JZX_API jzx_err jzx_sim_create(uint64_t seed, const jzx_sim_config *config, jzx_sim **sim);

/**
 * Frees the machine and all that was allocated from it, also by runtimes that were not destroyed: after a failure they
 * cannot be. From outside only. Returns: JZX_OK; JZX_ERR_INVALID_ARG; JZX_ERR_BUSY (from inside)
 */
JZX_API jzx_err jzx_sim_destroy(jzx_sim *sim);

/**
 * What must hold at the end: no thread, no live byte, no open descriptor, no operation in flight.
 *
 * Returns: JZX_OK; JZX_ERR_SIM_FAILED, and jzx_sim_failure() says what is left; JZX_ERR_INVALID_ARG; JZX_ERR_BUSY (from
 *          inside)
 */
JZX_API jzx_err jzx_sim_check_end(jzx_sim *sim);

/* ---- running; from outside only, but for jzx_sim_sleep() ---- */

/**
 * Runs until every thread has ended, time moving as it must.
 *
 * Returns: JZX_OK; JZX_ERR_SIM_FAILED (a check, an assertion, a deadlock, too many steps: jzx_sim_failure()), and then
 *          nothing runs any more; JZX_ERR_BUSY (from inside); JZX_ERR_INVALID_ARG
 */
JZX_API jzx_err jzx_sim_run(jzx_sim *sim);
/** Runs what can happen without time passing: until all threads sleep, or only look again and again for what does not
 *  come. Returns: as jzx_sim_run() */
JZX_API jzx_err jzx_sim_run_until_idle(jzx_sim *sim);
/** Runs everything that happens in the next `ns`, and then stands at that time. Returns: as jzx_sim_run() */
JZX_API jzx_err jzx_sim_advance(jzx_sim *sim, uint64_t ns);
/** Moves to the time of the next event (a timer, a packet, a sleep's end), and runs what happens at it.
 *  Returns: as jzx_sim_run(); JZX_ERR_NOT_FOUND (nothing is to come) */
JZX_API jzx_err jzx_sim_advance_next(jzx_sim *sim);
/** Runs until `ready` says so, asked after each step, at most `timeout_ns` of simulated time. It looks at the program's memory
 *  and calls nothing of the library, since such a call may be a step itself.
 *  Returns: as jzx_sim_run(); JZX_ERR_TIMEOUT */
JZX_API jzx_err jzx_sim_run_until(jzx_sim *sim, bool (*ready)(void *argument), void *argument, uint64_t timeout_ns);
/** Runs one thread from one point to its next. Returns: as jzx_sim_run(); JZX_ERR_NOT_FOUND (none can run now) */
JZX_API jzx_err jzx_sim_step(jzx_sim *sim);

JZX_API uint64_t jzx_sim_now_ns(const jzx_sim *sim);
JZX_API uint64_t jzx_sim_seed(const jzx_sim *sim);
JZX_API uint64_t jzx_sim_steps(const jzx_sim *sim); /* points passed so far */

/* ---- threads of the machine that are not loops ---- */

/** Starts a thread: one that posts, or a host that drives a loop by jzx_loop_run() or jzx_loop_run_once(). `name` stays
 *  the caller's and must live as long. Returns: JZX_OK; JZX_ERR_LIMIT (64 threads); JZX_ERR_INVALID_ARG */
JZX_API jzx_err jzx_sim_thread(jzx_sim *sim, const char *name, void (*main)(void *argument), void *argument);
/** Sleeps, in a thread of the machine; from outside as jzx_sim_advance(). */
JZX_API jzx_err jzx_sim_sleep(jzx_sim *sim, uint64_t ns);
/** Lets others run, in a thread of the machine. */
JZX_API void jzx_sim_yield(jzx_sim *sim);
/** What a host does with the descriptor of jzx_loop_poll_fd(): sleeps until it is readable. In a thread of the machine.
 *  Returns: JZX_OK; JZX_ERR_TIMEOUT; JZX_ERR_INVALID_ARG (no such descriptor) */
JZX_API jzx_err jzx_sim_host_wait(jzx_sim *sim, int fd, uint64_t timeout_ns);

/* ---- what goes wrong, on purpose ---- */

typedef struct jzx_sim_injection {
    jzx_sim_fault fault;
    uint64_t after;  /* occasions from now on that are spared first */
    uint64_t times;  /* then so many have it; UINT64_MAX: all */
    uint64_t amount; /* STALL, CLOCK_JUMP, WOKEN_LATE, NET_DELAY: ns; RECV_SHORT, SEND_SHORT: bytes; OP_FAILS, SETUP,
                        ENTER_FAILS, FD_LIMIT, CONNECT_FAILS: errno; 0: drawn from the seed */
} jzx_sim_injection;

/** Scripts faults, beside those of the rates. Copied. From inside or outside.
 *  Returns: JZX_OK; JZX_ERR_INVALID_ARG; JZX_ERR_LIMIT (256 at one time) */
JZX_API jzx_err jzx_sim_inject(jzx_sim *sim, const jzx_sim_injection *injection);
/** While held, no rate counts, though occasions do: what is tested can be set up in peace. Scripted faults still happen. */
JZX_API jzx_err jzx_sim_hold(jzx_sim *sim, bool held);
/** Takes every scripted fault back and sets all rates to 0: from here on the machine is healthy. */
JZX_API jzx_err jzx_sim_heal(jzx_sim *sim);
JZX_API uint64_t jzx_sim_occasions(const jzx_sim *sim, jzx_sim_fault fault);
JZX_API uint64_t jzx_sim_injected(const jzx_sim *sim, jzx_sim_fault fault); /* how many of them had it */

/** Kills an actor, or makes it fail with `code`, at the next turn of its loop. From inside or outside.
 *  Returns: JZX_OK; JZX_ERR_NO_SUCH_ACTOR; JZX_ERR_LIMIT (256 wait for their turn); JZX_ERR_INVALID_ARG */
JZX_API jzx_err jzx_sim_kill(jzx_sim *sim, jzx_runtime *runtime, jzx_actor_id actor);
JZX_API jzx_err jzx_sim_fail_actor(jzx_sim *sim, jzx_runtime *runtime, jzx_actor_id actor, int32_t code);
/** The loop's thread does not run for so long. Returns: JZX_OK; JZX_ERR_INVALID_ARG; JZX_ERR_NOT_FOUND (no thread) */
JZX_API jzx_err jzx_sim_stall(jzx_sim *sim, const jzx_loop *loop, uint64_t ns);
/** The clock moves on at once, with nothing happening in between: the machine was suspended. */
JZX_API jzx_err jzx_sim_clock_jump(jzx_sim *sim, uint64_t ns);

/** Memory of the machine: counted, freed with it, and with the fault JZX_SIM_ALLOC. The runtime's default here; for what
 *  else is tested. */
JZX_API jzx_allocator jzx_sim_allocator(jzx_sim *sim);

/* ---- choices ---- */

JZX_API uint64_t jzx_sim_random(jzx_sim *sim);
JZX_API uint64_t jzx_sim_between(jzx_sim *sim, uint64_t least, uint64_t most); /* both can be drawn */
/** A number of things (actors, orders, steps) drawn from the seed by its name, which a search makes smaller when it
 *  shrinks a failure. `name` is a word of a-z, 0-9 and '_'; the same name gives the same number. */
JZX_API uint64_t jzx_sim_size(jzx_sim *sim, const char *name, uint64_t least, uint64_t most);

/* ---- checks ---- */

/** Called after each step, on the real thread's own time: no call that sends or blocks. False is a failure.
 *  Returns: JZX_OK; JZX_ERR_LIMIT (16 checks); JZX_ERR_INVALID_ARG */
JZX_API jzx_err jzx_sim_check(jzx_sim *sim, const char *name, bool (*holds)(jzx_sim *sim, void *argument),
                              void *argument);
/** Ends the run with a failure. Inside a thread of the machine it does not return. The first one counts. */
JZX_API void jzx_sim_fail(jzx_sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** What failed first, or NULL. The machine's. */
JZX_API const char *jzx_sim_failure(const jzx_sim *sim);
#define JZX_SIM_REQUIRE(sim, fact)                                             \
    do {                                                                       \
        if (!(fact)) {                                                         \
            jzx_sim_fail(sim, "%s:%d: not so: %s", __FILE__, __LINE__, #fact); \
        }                                                                      \
    } while (0)

/* ---- the trace ---- */

/** Of every event so far: who ran, what was spawned, handled, ended, completed, injected, and jzx_sim_note(). Equal for two
 *  runs of one seed, whatever the compiler. */
JZX_API uint64_t jzx_sim_trace_hash(const jzx_sim *sim);
/** The newest lines, as far as trace_max goes; "" without it. The machine's, until the next call. */
JZX_API const char *jzx_sim_trace_text(jzx_sim *sim);
JZX_API void jzx_sim_note(jzx_sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- the other end of connections ---- */

typedef struct jzx_sim_peer jzx_sim_peer; /* a listener or one end of a connection that no actor owns; the machine's */

/**
 * What a peer does; each may be NULL. Copied. Called in events of the machine, in no thread and one at a time: they may use
 * peers, this one too, and not the runtime. No fault of a call is made for a peer: it connects, accepts, reads and writes
 * as it should. What happens on the way (JZX_SIM_RESET, JZX_SIM_NET_DELAY) happens to both ends.
 */
typedef struct jzx_sim_peer_handler {
    size_t struct_size; /* sizeof(jzx_sim_peer_handler) */
    void (*accepted)(void *user, jzx_sim_peer *listener,
                     jzx_sim_peer *peer);                         /* it has the listener's handler and user */
    void (*connected)(void *user, jzx_sim_peer *peer, int error); /* 0, or an errno: then it is gone */
    void (*data)(void *user, jzx_sim_peer *peer, const void *data, size_t size); /* to be copied */
    void (*end)(void *user, jzx_sim_peer *peer);                                 /* the other side sends no more */
    void (*closed)(void *user, jzx_sim_peer *peer, int error); /* the last: 0, when both sides have ended and all has
                                                                  arrived, or ECONNRESET; then it is gone */
} jzx_sim_peer_handler;

/** Connects to a listener of the machine: an actor's or a peer's. `address` as in jzx_tcp_options; `port` is not 0. The
 *  outcome comes as `connected`. Returns: JZX_OK with *peer; JZX_ERR_INVALID_ARG */
JZX_API jzx_err jzx_sim_peer_connect(jzx_sim *sim, const char *address, uint16_t port,
                                     const jzx_sim_peer_handler *handler, void *user, jzx_sim_peer **peer);
/** Listens, for actors that connect, at any address. Returns: as jzx_sim_peer_connect(); JZX_ERR_ADDRESS_IN_USE */
JZX_API jzx_err jzx_sim_peer_listen(jzx_sim *sim, const char *address, uint16_t port,
                                    const jzx_sim_peer_handler *handler, void *user, jzx_sim_peer **peer);

/*
 * The rest return JZX_OK; JZX_ERR_INVALID_ARG; JZX_ERR_NO_SUCH_SOCKET: it is gone, or not connected yet, or, to send, has
 * ended. A peer that is gone may still be named in a call until the machine is destroyed.
 */

/** Sends all of it, as the other side reads. Copied. */
JZX_API jzx_err jzx_sim_peer_send(jzx_sim_peer *peer, const void *data, size_t size);
/** Reads nothing while it is paused: the other side's sends fill up. Also while it connects. */
JZX_API jzx_err jzx_sim_peer_pause(jzx_sim_peer *peer, bool paused);
/** Sends what is queued and no more (FIN). A listener closes: who waits to be accepted is reset. */
JZX_API jzx_err jzx_sim_peer_end(jzx_sim_peer *peer);
/** RST: gone after this, without a callback. A listener closes; what connects gives up. */
JZX_API jzx_err jzx_sim_peer_reset(jzx_sim_peer *peer);

/* ---- descriptors ---- */

/**
 * Makes a descriptor for jzx_watch(), as a pipe's or a device's: a real one, non-blocking, that actors read(2) and write(2).
 * What the machine puts in with jzx_sim_file_feed() arrives later and in pieces, as the seed and JZX_SIM_RECV_SHORT say.
 *
 * Owns:    the descriptor is the caller's to close, after jzx_unwatch().
 * Returns: JZX_OK with *fd; JZX_ERR_INVALID_ARG; JZX_ERR_FD_LIMIT; JZX_ERR_LIMIT (64 at one time)
 */
JZX_API jzx_err jzx_sim_file_open(jzx_sim *sim, int *fd);
/** Copied. Returns: JZX_OK; JZX_ERR_NOT_FOUND (no such descriptor, or it was closed); JZX_ERR_INVALID_ARG (also after
 *  jzx_sim_file_end()) */
JZX_API jzx_err jzx_sim_file_feed(jzx_sim *sim, int fd, const void *data, size_t size);
/** What actors wrote, up to `room` bytes of it. Returns: JZX_OK with *size, which may be 0; JZX_ERR_NOT_FOUND; INVALID_ARG */
JZX_API jzx_err jzx_sim_file_take(jzx_sim *sim, int fd, void *data, size_t room, size_t *size);
/** End of file behind what was fed: JZX_IO_HANGUP. Returns: JZX_OK; JZX_ERR_NOT_FOUND; JZX_ERR_INVALID_ARG */
JZX_API jzx_err jzx_sim_file_end(jzx_sim *sim, int fd);

/* ---- searching ---- */

/** One run: builds what is tested on the machine, runs it, and checks. What fails is told by jzx_sim_fail(), by a check,
 *  by an assertion that fails, or by a crash, and ends it at once: what it holds is left. jzx_sim_check_end() is called
 *  after it. It must depend on nothing but the machine and what `argument` was when the search began. */
typedef void (*jzx_sim_scenario_fn)(jzx_sim *sim, void *argument);

typedef struct jzx_sim_search {
    size_t struct_size; /* set by jzx_sim_search_init() */
    const char *name;   /* of the scenario: a word of a-z, 0-9, '_' and '-' */
    jzx_sim_scenario_fn scenario;
    void *argument;
    jzx_sim_config config;
    uint64_t seed_first;  /* default 1 */
    uint64_t seeds;       /* how many; default 1,000 */
    uint32_t jobs;        /* processes at one time; 0, the default: one for each CPU */
    uint32_t shrink_max;  /* runs spent on making a failure smaller; default 500; 0: none */
    uint32_t run_limit_s; /* CPU seconds of one run, which then counts as hanging; default 60 */
    const char *command;  /* how this program was started, for the line that replays; NULL: the kernel says */
    FILE *report;         /* gets failures, how to replay them, and the trace of a replay; NULL: nobody */
} jzx_sim_search;

typedef struct jzx_sim_outcome {
    size_t struct_size; /* sizeof(jzx_sim_outcome) */
    uint64_t runs;
    uint64_t steps;   /* of all runs */
    uint64_t loop_ns; /* simulated time of all runs */
    uint64_t faults;  /* injected, of all runs */
    uint64_t hash;    /* of the trace hashes of all runs, in the order of seeds */
    bool failed;      /* the rest is of the lowest seed that failed, after shrinking */
    uint64_t seed;
    uint64_t failed_steps;  /* points it passed */
    uint32_t failed_faults; /* faults it needs */
    char failure[512];
    char replay[2048]; /* for JZX_SIM_REPLAY */
} jzx_sim_outcome;

JZX_API void jzx_sim_search_init(jzx_sim_search *search);

/**
 * Runs a scenario with one seed after another, each in a process of its own kind, until all are done or one fails, and
 * makes a failure smaller: fewer faults, smaller sizes, fewer switches of threads, as long as it still fails in the same
 * way. That is: with the same text up to the first ": ", not counting its numbers but those of a line ("file.c:88"); for
 * a crash, with the same whole text.
 *
 * What a scenario writes to its error output is kept for the report of a crash, and not seen otherwise; that of a replay is.
 *
 * The environment overrides: JZX_SIM_REPLAY=... runs that one, in this process, and reports its trace; JZX_SIM_SEED=n runs
 * that seed only; JZX_SIM_SEEDS=n sets how many; JZX_SIM_SHRINK=n sets shrink_max. A replay of another scenario's name
 * runs nothing.
 *
 * Returns: JZX_OK, also when a run failed: see outcome->failed; JZX_ERR_INVALID_ARG (also for what the environment says:
 *          the report has why); JZX_ERR_BUSY (there is a machine); JZX_ERR_OS (no process could be made);
 *          JZX_ERR_NO_MEMORY. On an error the outcome is as it was.
 */
JZX_API jzx_err jzx_sim_explore(const jzx_sim_search *search, jzx_sim_outcome *outcome);

#ifdef __cplusplus
}
#endif
#endif
