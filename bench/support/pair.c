/* pair.c: see pair.h. */
#include "support/pair.h"

#include "support/check.h"

#include <pthread.h>
#include <sched.h>

struct half {
    void (*run)(void *);
    void *context;
    int cpu;
    pthread_barrier_t *barrier;
};

void pair_pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    BENCH_CHECK(sched_setaffinity(0, sizeof set, &set) == 0, "cannot run on CPU %d", cpu);
}

static void *run_half(void *argument)
{
    struct half *half = argument;
    pair_pin(half->cpu);
    pthread_barrier_wait(half->barrier);
    half->run(half->context);
    return NULL;
}

void pair_run(jzx_bench *bench, void (*first)(void *), void (*second)(void *), void *context)
{
    pthread_barrier_t barrier;
    BENCH_CHECK(pthread_barrier_init(&barrier, NULL, 2) == 0, "no barrier");
    struct half halves[2] = {
        {first, context, jzx_bench_cpu(bench, 0), &barrier},
        {second, context, jzx_bench_cpu(bench, 1), &barrier},
    };
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        BENCH_CHECK(pthread_create(&threads[i], NULL, run_half, &halves[i]) == 0, "no thread");
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_barrier_destroy(&barrier);
}
