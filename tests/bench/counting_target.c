/*
 * counting_target.c: a side that makes so many system calls and allocations an operation as its name says: "3-2", on two threads
 * "3-2-threads", of which each does half. Speaks the protocol of bench/README.md by itself, so that it can be linked statically.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct work {
    unsigned long count;
    unsigned calls;
    unsigned allocations;
};

static void *volatile kept;

/* One of each kind in turn. */
static void allocate(unsigned long number)
{
    void *memory = NULL;
    switch (number % 6) {
    case 0:
        memory = malloc(100);
        break;
    case 1:
        memory = calloc(3, 50);
        break;
    case 2:
        memory = realloc(NULL, 70);
        break;
    case 3:
        memory = aligned_alloc(64, 128);
        break;
    case 4:
        memory = memalign(64, 100);
        break;
    default:
        if (posix_memalign(&memory, 64, 100) != 0) {
            abort();
        }
    }
    kept = memory;
    free(kept);
}

static void *do_work(void *argument)
{
    const struct work *work = argument;
    unsigned long number = 0;
    for (unsigned long i = 0; i < work->count; i++) {
        for (unsigned j = 0; j < work->calls; j++) {
            syscall(SYS_getppid);
        }
        for (unsigned j = 0; j < work->allocations; j++) {
            allocate(number++);
        }
    }
    return NULL;
}

static void do_all(struct work work, int threads)
{
    pthread_t thread[2];
    work.count /= (unsigned long)threads;
    for (int i = 0; i < threads; i++) {
        pthread_create(&thread[i], NULL, do_work, &work);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(thread[i], NULL);
    }
}

int main(int argc, char **argv)
{
    struct work work = {0};
    if (argc < 5 || strcmp(argv[1], "measure") != 0 || sscanf(argv[4], "count=%lu", &work.count) != 1 ||
        sscanf(argv[3], "%u-%u", &work.calls, &work.allocations) != 2) {
        return 3;
    }
    do_all(work, strstr(argv[3], "threads") != NULL ? 2 : 1);
    printf("time time 1000 %lu\nproof operations %lu\n", work.count, work.count);
    if (strstr(argv[3], "load") != NULL) {
        printf("figure late-sends %% lower 0\n"); /* as an open-loop load says */
    }
    return 0;
}
