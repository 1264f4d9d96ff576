/*
 * post.c: what does a post from a foreign thread cost while the target runs?
 *
 * A thread that runs no loop posts to an actor of a lingering loop, each post retried while there is no room. From the
 * first handled message to the last.
 *
 * Raw: the multi-producer enqueue of 64-byte slots of a bare ck_ring of the same size, and its consumer.
 */
#include "raw/cell.h"
#include "support/affinity.h"
#include "support/memory.h"
#include "support/pair.h"
#include "support/world.h"
#include "workloads.h"

#include <ck_pr.h>
#include <ck_ring.h>
#include <pthread.h>
#include <stdlib.h>

CK_RING_PROTOTYPE(slot, raw_cell)

enum { TAG_POST = 1, INBOX_SIZE = 1024, MAILBOX_CAP = 8192 };

/* Written by the target's thread alone, but for what is set before. */
struct letters {
    jzx_bench *bench;
    jzx_runtime *runtime;
    jzx_actor_id target;
    uint64_t total;
    uint64_t handled __attribute__((aligned(128)));
    uint64_t sum;
};

/* Takes one letter at the target; says whether it is the last. */
static bool letters_take(struct letters *letters, const uint64_t *words)
{
    if (letters->handled == 0) {
        jzx_bench_begin(letters->bench);
    }
    BENCH_CHECK(words[0] == letters->handled, "post %llu came as the one after %llu", (unsigned long long)words[0],
                (unsigned long long)letters->handled);
    letters->sum += words[0];
    if (++letters->handled < letters->total) {
        return false;
    }
    jzx_bench_end(letters->bench, letters->total);
    return true;
}

static void letters_prove(const struct letters *letters)
{
    uint64_t total = letters->total;
    jzx_bench_prove(letters->bench, "messages", letters->handled, total);
    jzx_bench_prove(letters->bench, "sum", letters->sum, total * (total - 1) / 2);
}

/* ---- libjzx ---- */

static jzx_behavior_result receive(jzx_context *context, void *state, const jzx_message *message)
{
    struct letters *letters = state;
    (void)context;
    if (letters_take(letters, message->words)) {
        WORLD_CHECK(jzx_runtime_request_stop(letters->runtime));
    }
    return JZX_BEHAVIOR_OK;
}

static void *post_all(void *argument)
{
    struct letters *letters = argument;
    affinity_pin(jzx_bench_cpu(letters->bench, 1));
    for (uint64_t i = 0; i < letters->total; i++) {
        uint64_t words[4] = {i, 0, 0, 0};
        jzx_message message = jzx_message_value(TAG_POST, words, sizeof words);
        jzx_err err;
        while ((err = jzx_post(letters->runtime, letters->target, &message)) != JZX_OK) {
            BENCH_CHECK(err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_MAILBOX_FULL, "post: %s", jzx_strerror(err));
            ck_pr_stall();
        }
    }
    return NULL;
}

static void run_post(jzx_bench *bench, void *argument)
{
    (void)argument;
    world_need_cpus(bench, 2);
    struct letters letters = {.bench = bench, .total = jzx_bench_count(bench)};
    jzx_config config;
    jzx_config_init(&config);
    config.inbox_size = INBOX_SIZE;
    config.mailbox_cap = MAILBOX_CAP;
    config.linger_ns = JZX_FOREVER;
    struct world world;
    world_open(&world, bench, &config, 1);
    letters.runtime = world.runtime;
    letters.target = world_spawn(&world, 0, receive, &letters);
    pthread_t thread;
    BENCH_CHECK(pthread_create(&thread, NULL, post_all, &letters) == 0, "no thread");
    world_run(&world);
    pthread_join(thread, NULL);
    world_close(&world);
    letters_prove(&letters);
}

/* ---- raw ---- */

struct raw_letters {
    ck_ring_t ring __attribute__((aligned(128)));
    raw_cell slots[INBOX_SIZE] __attribute__((aligned(128)));
    struct letters letters;
};

static void raw_post(void *context)
{
    struct raw_letters *raw = context;
    for (uint64_t i = 0; i < raw->letters.total; i++) {
        uint64_t words[4] = {i, 0, 0, 0};
        raw_cell cell = raw_cell_make(TAG_POST, words);
        while (!ck_ring_enqueue_mpsc_slot(&raw->ring, raw->slots, &cell)) {
            ck_pr_stall();
        }
    }
}

static void raw_receive(void *context)
{
    struct raw_letters *raw = context;
    raw_cell cell;
    do {
        while (!ck_ring_dequeue_mpsc_slot(&raw->ring, raw->slots, &cell)) {
            ck_pr_stall();
        }
    } while (!letters_take(&raw->letters, cell.words));
}

static void run_raw(jzx_bench *bench, void *argument)
{
    (void)argument;
    world_need_cpus(bench, 2);
    struct raw_letters *raw = bench_memory_take(sizeof *raw);
    raw->letters.bench = bench;
    raw->letters.total = jzx_bench_count(bench);
    ck_ring_init(&raw->ring, INBOX_SIZE);
    pair_run(bench, raw_receive, raw_post, raw);
    letters_prove(&raw->letters);
    free(raw);
}

static const jzx_bench_goal goals[] = {{"time", "raw", 1.5}};

static const jzx_bench_side sides[] = {{"jzx", run_post, NULL}, {"raw", run_raw, NULL}};

static const jzx_bench_workload workloads[] = {
    {BENCH_WORKLOAD, .name = "message/post", .about = "a thread that runs no loop posts to an actor of a running one",
     .item = "message", .count = 3000000, .cpus = 2, BENCH_SIDES(sides), BENCH_GOALS(goals)},
};

const bench_group bench_post = BENCH_GROUP(workloads);
