/*
 * allocations.c: a library of its own, for LD_PRELOAD, which counts what the processes ask of the C library's allocator.
 *
 * The counts lie in a file that JZX_BENCH_ALLOCATIONS names and that is mapped by all of them, so they are there however a
 * process ends, and one that runs a program in its place goes on counting. Nothing here is part of libjzx-bench.
 */
#include "allocations.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* glibc's own, by the names that it keeps for those who stand before them. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t align, size_t size);

static bench_allocations *counts;

static void count_one(void)
{
    if (counts != NULL) {
        atomic_fetch_add_explicit(&counts->calls, 1, memory_order_relaxed);
    }
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv(BENCH_ALLOCATIONS_FILE);
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) {
        return;
    }
    void *memory = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (memory != MAP_FAILED) {
        counts = memory;
    }
}

__attribute__((destructor)) static void end(void)
{
    if (counts != NULL) {
        atomic_fetch_add_explicit(&counts->ended, 1, memory_order_relaxed);
    }
}

EXPORT void *malloc(size_t size)
{
    count_one();
    return __libc_malloc(size);
}

EXPORT void *calloc(size_t count, size_t size)
{
    count_one();
    return __libc_calloc(count, size);
}

EXPORT void *realloc(void *memory, size_t size)
{
    count_one();
    return __libc_realloc(memory, size);
}

EXPORT void *memalign(size_t align, size_t size)
{
    count_one();
    return __libc_memalign(align, size);
}

EXPORT void *aligned_alloc(size_t align, size_t size)
{
    count_one();
    return __libc_memalign(align, size);
}

EXPORT int posix_memalign(void **memory, size_t align, size_t size)
{
    if (align % sizeof(void *) != 0 || align == 0 || (align & (align - 1)) != 0) {
        return EINVAL;
    }
    count_one();
    void *got = __libc_memalign(align, size);
    if (got == NULL) {
        return ENOMEM;
    }
    *memory = got;
    return 0;
}
