/*
 * ask.c: what does it cost a thread that runs no loop to ask an actor and sleep until it is answered?
 *
 * The loop sleeps in the kernel whenever it has nothing to do, so a trip is two threads that each wake the other and sleep. They
 * have a CPU each. The side jzx-one-cpu has one for both, where the kernel likes to put two threads that nobody places.
 *
 * Raw: two threads and a word for each that it sleeps on (a futex).
 */
#include "support/affinity.h"
#include "support/pair.h"
#include "support/world.h"
#include "workloads.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TAG_QUESTION = 1, TAG_ANSWER = 2 };

/* What the asker counts, on both sides: an answer is one more than the question. */
struct questions {
    jzx_bench *bench;
    uint64_t total;
    uint64_t count;
    uint64_t sum;
};

static struct questions questions_make(jzx_bench *bench)
{
    return (struct questions){.bench = bench, .total = jzx_bench_count(bench)};
}

static void questions_take(struct questions *questions, uint64_t asked_ns, uint64_t answer)
{
    jzx_bench_latency(questions->bench, jzx_bench_now_ns() - asked_ns);
    questions->sum += answer;
    questions->count++;
}

static void questions_prove(const struct questions *questions)
{
    uint64_t total = questions->total;
    jzx_bench_prove(questions->bench, "trips", questions->count, total);
    jzx_bench_prove(questions->bench, "sum", questions->sum, total * (total + 1) / 2);
}

/* ---- libjzx ---- */

struct asker {
    struct questions questions;
    jzx_runtime *runtime;
    jzx_actor_id oracle;
    int cpu; /* index of that of the asker */
};

static jzx_behavior_result give_answer(jzx_context *context, void *state, const jzx_message *message)
{
    uint64_t value = message->words[0] + 1;
    jzx_message answer = jzx_message_value(TAG_ANSWER, &value, sizeof value);
    (void)state;
    WORLD_CHECK(jzx_answer(context, message->ref, &answer));
    return JZX_BEHAVIOR_OK;
}

static void *ask_all(void *argument)
{
    struct asker *asker = argument;
    struct questions *questions = &asker->questions;
    affinity_pin(jzx_bench_cpu(questions->bench, asker->cpu));
    for (uint64_t i = 0; i < questions->total; i++) {
        jzx_message question = jzx_message_value(TAG_QUESTION, &i, sizeof i);
        jzx_message answer;
        uint64_t asked_ns = jzx_bench_now_ns();
        WORLD_CHECK(jzx_ask(asker->runtime, asker->oracle, &question, JZX_FOREVER, &answer));
        WORLD_CHECK(jzx_answer_err(&answer));
        questions_take(questions, asked_ns, answer.words[0]);
    }
    WORLD_CHECK(jzx_runtime_request_stop(asker->runtime));
    return NULL;
}

static void run_ask(jzx_bench *bench, void *argument)
{
    world_need_cpus(bench, 2);
    struct asker asker = {.questions = questions_make(bench), .cpu = *(const int *)argument};
    struct world world;
    pthread_t thread;
    world_open(&world, bench, NULL, 1);
    asker.runtime = world.runtime;
    asker.oracle = world_spawn(&world, 0, give_answer, &asker);
    BENCH_CHECK(pthread_create(&thread, NULL, ask_all, &asker) == 0, "no thread");
    world_run(&world);
    pthread_join(thread, NULL);
    world_close(&world);
    questions_prove(&asker.questions);
}

/* ---- raw ---- */

/* A word is 0 while there is nothing in it. */
struct raw_side {
    uint32_t word __attribute__((aligned(128)));
    uint64_t value;
};

struct raw_ask {
    struct raw_side question;
    struct raw_side answer;
    struct questions questions;
};

static void raw_put(struct raw_side *side, uint64_t value)
{
    side->value = value;
    __atomic_store_n(&side->word, 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, &side->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static uint64_t raw_take(struct raw_side *side)
{
    while (__atomic_load_n(&side->word, __ATOMIC_ACQUIRE) == 0) {
        syscall(SYS_futex, &side->word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    }
    __atomic_store_n(&side->word, 0, __ATOMIC_RELAXED);
    return side->value;
}

static void raw_answer(void *context)
{
    struct raw_ask *raw = context;
    for (uint64_t i = 0; i < raw->questions.total; i++) {
        raw_put(&raw->answer, raw_take(&raw->question) + 1);
    }
}

static void raw_question(void *context)
{
    struct raw_ask *raw = context;
    for (uint64_t i = 0; i < raw->questions.total; i++) {
        uint64_t asked_ns = jzx_bench_now_ns();
        raw_put(&raw->question, i);
        questions_take(&raw->questions, asked_ns, raw_take(&raw->answer));
    }
}

static void run_raw(jzx_bench *bench, void *argument)
{
    (void)argument;
    world_need_cpus(bench, 2);
    struct raw_ask raw = {.questions = questions_make(bench)};
    pair_run(bench, raw_answer, raw_question, &raw);
    questions_prove(&raw.questions);
}

static int own_cpu = 1;
static int loop_cpu = 0;

static const jzx_bench_side sides[] = {
    {"jzx", run_ask, &own_cpu}, {"jzx-one-cpu", run_ask, &loop_cpu}, {"raw", run_raw, NULL}};

static const jzx_bench_workload workloads[] = {
    {BENCH_WORKLOAD, .name = "wake/ask", .about = "a thread that runs no loop asks, and sleeps until it is answered",
     .item = "trip", .count = 10000, .quick_count = 200, .cpus = 2, BENCH_SIDES(sides)},
};

const bench_group bench_ask = BENCH_GROUP(workloads);
