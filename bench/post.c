/*
 * post.c: what does a post from a foreign thread cost while the target runs?
 *
 * A thread that runs no loop posts to an actor of a lingering loop, each post retried while there is no room. From the
 * first handled message to the last.
 *
 * Raw: the multi-producer enqueue of 64-byte slots of a bare ck_ring of the same size, and its consumer.
 */
#include "pair.h"
#include "raw_actors.h"
#include "world.h"

#include <ck_pr.h>
#include <ck_ring.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

CK_RING_PROTOTYPE(slot, raw_cell)

enum { TAG_POST = 1, INBOX_SIZE = 1024, MAILBOX_CAP = 8192 };

struct letters {
    jzx_runtime *runtime;
    jzx_actor_id target;
    uint64_t total;
    uint64_t handled;
    uint64_t sum;
    uint64_t began_ns;
    uint64_t ended_ns;
    bool out_of_order;
};

/* Takes one letter at the target; says whether it is the last. */
static bool letters_take(struct letters *letters, const uint64_t *words)
{
    if (letters->handled == 0) {
        letters->began_ns = bench_now_ns();
    }
    letters->out_of_order |= words[0] != letters->handled;
    letters->sum += words[1];
    if (++letters->handled == letters->total) {
        letters->ended_ns = bench_now_ns();
        return true;
    }
    return false;
}

static double letters_result(const struct letters *letters)
{
    uint64_t total = letters->total;
    BENCH_CHECK(letters->handled == total, "not every post was handled");
    BENCH_CHECK(!letters->out_of_order, "posts came out of order");
    BENCH_CHECK(letters->sum == 3 * (total * (total - 1) / 2), "the payloads add up wrongly");
    return bench_per(letters->ended_ns - letters->began_ns, total);
}

/* ---- ours ---- */

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
    bench_pin(0);
    for (uint64_t i = 0; i < letters->total; i++) {
        uint64_t words[4] = {i, i * 3, 0, 0};
        jzx_message message = jzx_message_value(TAG_POST, words, sizeof words);
        jzx_err err;
        while ((err = jzx_post(letters->runtime, letters->target, &message)) != JZX_OK) {
            BENCH_CHECK(err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_MAILBOX_FULL, "post: %s", jzx_strerror(err));
            ck_pr_stall();
        }
    }
    return NULL;
}

static double post_ours(uint64_t total)
{
    struct letters letters = {.total = total};
    jzx_config config;
    jzx_config_init(&config);
    config.inbox_size = INBOX_SIZE;
    config.mailbox_cap = MAILBOX_CAP;
    struct world world;
    world_shape shape = world_shape_one(1);
    shape.linger_ns[0] = JZX_FOREVER;
    world_open(&world, &config, &shape);
    letters.runtime = world.runtime;
    letters.target = world_spawn(&world, 0, receive, &letters);
    pthread_t thread;
    BENCH_CHECK(pthread_create(&thread, NULL, post_all, &letters) == 0, "no thread");
    world_run(&world);
    pthread_join(thread, NULL);
    world_close(&world);
    return letters_result(&letters);
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
        uint64_t words[4] = {i, i * 3, 0, 0};
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

static double post_raw(uint64_t total)
{
    struct raw_letters *raw = aligned_alloc(128, (sizeof *raw + 127) / 128 * 128);
    BENCH_CHECK(raw != NULL, "out of memory");
    memset(raw, 0, sizeof *raw);
    raw->letters.total = total;
    ck_ring_init(&raw->ring, INBOX_SIZE);
    pair_run(raw_post, raw_receive, raw);
    double cost = letters_result(&raw->letters);
    free(raw);
    return cost;
}

static void run_post(const bench_run *run)
{
    static const char *const rows[] = {"post from a foreign thread, target running"};
    if (!bench_two_cpus(run, rows, 1)) {
        return;
    }
    uint64_t total = bench_scale(run, 3000000, 20000);
    bench_series ours = {.count = 0};
    bench_series raw = {.count = 0};
    for (int i = 0; i < run->repeat; i++) {
        bench_add(&ours, post_ours(total));
        bench_add(&raw, post_raw(total));
    }
    bench_report(run, rows[0], "ns/msg", &ours, &raw, (bench_target){BENCH_RATIO_AT_MOST, 1.5});
}

const struct bench bench_post = {"post", "a post from a foreign thread to a running loop", run_post};
