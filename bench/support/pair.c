/* pair.c: see pair.h. */
#include "support/pair.h"

#include "support/affinity.h"
#include "support/check.h"

#include <pthread.h>

enum { THREADS_MAX = 64 };

struct member {
    void (*run)(void *context, int index);
    void *context;
    int index;
    int cpu;
    pthread_barrier_t *barrier;
};

static void *run_member(void *argument)
{
    struct member *member = argument;
    affinity_pin(member->cpu);
    pthread_barrier_wait(member->barrier);
    member->run(member->context, member->index);
    return NULL;
}

void pair_run_many(jzx_bench *bench, int count, void (*run)(void *context, int index), void *context)
{
    struct member members[THREADS_MAX];
    pthread_t threads[THREADS_MAX];
    pthread_barrier_t barrier;
    BENCH_CHECK(count <= THREADS_MAX, "%d threads, more than %d", count, THREADS_MAX);
    BENCH_CHECK(pthread_barrier_init(&barrier, NULL, (unsigned)count) == 0, "no barrier");
    for (int i = 0; i < count; i++) {
        members[i] = (struct member){run, context, i, jzx_bench_cpu(bench, i), &barrier};
        BENCH_CHECK(pthread_create(&threads[i], NULL, run_member, &members[i]) == 0, "no thread");
    }
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_barrier_destroy(&barrier);
}

struct halves {
    void (*run[2])(void *);
    void *context;
};

static void run_half(void *context, int index)
{
    const struct halves *halves = context;
    halves->run[index](halves->context);
}

void pair_run(jzx_bench *bench, void (*first)(void *), void (*second)(void *), void *context)
{
    struct halves halves = {{first, second}, context};
    pair_run_many(bench, 2, run_half, &halves);
}
