/*
 * support: what the tests of the public API share: memory that is counted, loops driven by the test, actors that record.
 *
 * A world is a runtime with its loops on counted memory. Its loops run on the test's thread, one turn each in
 * test_world_step(), so most tests see two loops without a second thread and without chance; test_world_start() gives
 * each loop a thread of its own instead. test_world_close() stops it all in order and asserts that no memory and no
 * descriptor is left. Asserts are made on the test's thread only.
 *
 *     test_world world;
 *     test_world_open(&world, 2, NULL);
 *     test_actor actor = {0};
 *     test_spawn(&world, 1, &actor);
 *     test_send(&world, &actor, 7);
 *     test_until(&world, actor.received == 1);
 *     test_world_close(&world);
 */
#ifndef TEST_SUPPORT_H
#define TEST_SUPPORT_H

#include <criterion/criterion.h>
#include <jzx/jzx.h>
#include <stdatomic.h>

/* ---- memory ---- */

/* Counts what an allocator gives, and fails the n-th call when told to. Any thread. */
typedef struct test_memory {
    _Atomic(size_t) live; /* bytes */
    _Atomic(size_t) peak;
    _Atomic(uint64_t) blocks;  /* not yet given back */
    _Atomic(uint64_t) calls;   /* of alloc */
    _Atomic(uint64_t) fail_at; /* the number of the call that fails, from 1; 0: none */
    _Atomic(uint64_t) failed;  /* calls that failed */
    _Atomic(uint64_t) wrong;   /* frees with another size, alignment or allocator than the block had */
    bool fail_after;           /* all calls from fail_at on fail */
} test_memory;

jzx_allocator test_memory_allocator(test_memory *memory);

/* Nothing is held and every free matched its alloc. */
void test_memory_assert_empty(const test_memory *memory);

/* ---- the clock ---- */

/* CLOCK_MONOTONIC as the library reads it, and that of the machine, which how long a test waits goes by. */
uint64_t test_now_ns(void);
uint64_t test_machine_ns(void);

/*
 * From here to the end of the test the clock moves by so much with each test_world_step(), by 1 ns each time it is read,
 * and else with test_clock_pass() only: what comes before a deadline and what after does not depend on what else the
 * machine does. Not for loops that have threads: those sleep by the machine's clock.
 */
void test_clock_steps(uint64_t ns);
void test_clock_pass(uint64_t ns);

/* ---- the process ---- */

unsigned test_fd_count(void); /* open descriptors */
unsigned test_thread_count(void);

/* Runs `fn` on another thread and waits for its end. */
void test_on_thread(void (*fn)(void *argument), void *argument);

/* ---- payloads by pointer ---- */

enum { TEST_LEDGER_ORDER = 256 };

/* What became of payloads: each is taken by a handler or dropped by its destructor. */
typedef struct test_ledger {
    _Atomic(uint64_t) made;
    _Atomic(uint64_t) taken;
    _Atomic(uint64_t) dropped;
    _Atomic(uint64_t) twice;           /* ended more than once */
    uint64_t order[TEST_LEDGER_ORDER]; /* numbers, from 0, in the order they were dropped (one thread) */
} test_ledger;

/* A message with a payload of `size` bytes, at least 8: its number. Frees itself when taken or dropped. */
jzx_message test_payload(test_ledger *ledger, uint32_t tag, size_t size);
uint64_t test_payload_take(test_ledger *ledger, const jzx_message *message); /* by a handler, or after a refusal */
uint64_t test_ledger_open(const test_ledger *ledger);                        /* neither taken nor dropped */

/* ---- a world ---- */

enum { TEST_LOOPS_MAX = 8 };

typedef struct test_world {
    test_memory memory[JZX_MEMORY_KINDS];
    jzx_config config;
    jzx_runtime *runtime;
    jzx_loop *loops[TEST_LOOPS_MAX];
    uint32_t loop_count;
    bool started; /* the loops have threads */
    bool ran;     /* a loop has run on this thread */
    bool closed[TEST_LOOPS_MAX];
    bool may_escalate;  /* a run may end with JZX_ERR_ESCALATED */
    uint32_t escalated; /* loops whose run did, on the test's thread */
    unsigned fds_before;
} test_world;

/*
 * Small limits, so that tests reach them and creation is quick. With JZX_TEST_OLDEST_KERNEL in the environment nothing
 * newer than the oldest kernel is used.
 */
void test_config(jzx_config *config);

/* Creates a runtime with `loops` loops from `config` (NULL: test_config()); allocators and loops_max are set here. */
void test_world_open(test_world *world, uint32_t loops, const jzx_config *config);

/* Starts a thread for each loop. */
void test_world_start(test_world *world);

/* One turn of each loop that has no thread, without sleeping. */
void test_world_step(test_world *world);

/* As many turns as bring everything under way to rest, on the test's thread: each loop had nothing to do twice. */
void test_world_settle(test_world *world);

/* Stops, waits until each loop has left, destroys; asserts that everything was given back. */
void test_world_close(test_world *world);

/* Sum of a counter over all loops: test_count(&world, offsetof(jzx_counters, sent)). */
uint64_t test_count(const test_world *world, size_t offset);

enum { TEST_PATIENCE_S = 20 };

/* Drives the world until `condition` holds; fails the test when that takes too long. */
#define test_until(world, condition)                                                            \
    do {                                                                                        \
        uint64_t until_deadline = test_machine_ns() + TEST_PATIENCE_S * 1000000000ull;          \
        while (!(condition)) {                                                                  \
            cr_assert_lt(test_machine_ns(), until_deadline, "never came true: %s", #condition); \
            test_world_step(world);                                                             \
        }                                                                                       \
    } while (0)

/* ---- actors ---- */

typedef struct test_actor test_actor;

/* What a test runs inside of a handler. */
typedef jzx_behavior_result (*test_do_fn)(jzx_context *context, test_actor *actor, void *argument);

enum { TEST_LOG = 256 };
#define TEST_TAG_DO 0xFFFEFFFFu /* carries a test_do_fn */

/* An actor that records what it gets. Zeroes are a fine start; the state of the actor is the test_actor itself. */
struct test_actor {
    /* Set by the test, before the spawn. */
    jzx_err init_result;
    jzx_behavior_result (*on)(jzx_context *context, test_actor *actor, const jzx_message *message); /* NULL: OK */
    jzx_err (*on_init)(jzx_context *context, test_actor *actor);
    void (*on_fini)(jzx_context *context, test_actor *actor, const jzx_exit_info *info);
    test_ledger *ledger; /* payloads that come are taken here; NULL: they are left to `on` */
    void *data;

    /* Written on the actor's loop. */
    jzx_actor_id id;
    _Atomic(uint32_t) inits;
    _Atomic(uint32_t) finis;
    _Atomic(uint32_t) received; /* all but TEST_TAG_DO, once neither yielded nor stashed */
    _Atomic(uint32_t) yields;
    jzx_message log[TEST_LOG]; /* the first of them */
    jzx_exit_info exit;        /* given to fini */
};

/* Its behavior, init and fini, to spawn it in a test's own way: `options->argument` is the test_actor. */
void test_actor_options(test_actor *actor, jzx_spawn_options *options);

/* Spawns it on a loop through the host's context, before the loops are started. */
void test_spawn(test_world *world, uint32_t loop, test_actor *actor);
void test_spawn_with(test_world *world, uint32_t loop, test_actor *actor, const jzx_spawn_options *options);

/* Runs `fn` in a handler of `actor` and returns when it has run. */
void test_do(test_world *world, test_actor *actor, test_do_fn fn, void *argument);

/* An empty message from the host, or from this thread if the loops are started; asserts that it was accepted. */
void test_send(test_world *world, const test_actor *actor, uint32_t tag);

/* Messages in the log with this tag, and the n-th of them from 0, or NULL. */
uint32_t test_tags(const test_actor *actor, uint32_t tag);
const jzx_message *test_tagged(const test_actor *actor, uint32_t tag, uint32_t nth);

/* ---- observers ---- */

typedef struct test_observer {
    uint32_t loop_starts;
    uint32_t loop_stops;
    uint32_t starts;
    uint32_t stops;
    uint32_t init_failures;
    uint32_t fulls;
    uint32_t slow;
    uint32_t dead[JZX_DROP_REASONS];
    jzx_actor_id full_target;
    jzx_actor_id dead_target;
    uint32_t dead_tag;
    uint32_t slow_tag;
    uint64_t slow_ns;
    jzx_exit_info exit;            /* of the last stop or failed init */
    char name[JZX_ACTOR_NAME_MAX]; /* of the last start */
} test_observer;

/* Counts what one loop reports. */
void test_observe(test_world *world, uint32_t loop, test_observer *observer);

#endif
