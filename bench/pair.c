/* pair.c: see pair.h. */
#include "pair.h"

#include "bench.h"

#include <pthread.h>

struct half {
    void (*run)(void *);
    void *context;
    int cpu;
    pthread_barrier_t *barrier;
};

static void *run_half(void *argument)
{
    struct half *half = argument;
    bench_pin(half->cpu);
    pthread_barrier_wait(half->barrier);
    half->run(half->context);
    return NULL;
}

void pair_run(void (*first)(void *), void (*second)(void *), void *context)
{
    pthread_barrier_t barrier;
    BENCH_CHECK(pthread_barrier_init(&barrier, NULL, 2) == 0, "no barrier");
    struct half halves[2] = {{first, context, 0, &barrier}, {second, context, 1, &barrier}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        BENCH_CHECK(pthread_create(&threads[i], NULL, run_half, &halves[i]) == 0, "no thread");
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_barrier_destroy(&barrier);
}
