/* resident.c: see resident.h. */
#include "support/resident.h"

#include "support/check.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

enum { LARGE_BYTES = 128 * 1024 };

void resident_settle(jzx_bench *bench)
{
    /* Said at all, it no longer grows by itself. */
    if (mallopt(M_MMAP_THRESHOLD, LARGE_BYTES) != 1) {
        jzx_bench_skip(bench, "malloc takes no M_MMAP_THRESHOLD, so what is resident says nothing");
    }
    malloc_trim(0);
}

uint64_t resident_bytes(void)
{
    unsigned long size = 0;
    unsigned long resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    BENCH_CHECK(file != NULL && fscanf(file, "%lu %lu", &size, &resident) == 2, "/proc/self/statm cannot be read");
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}
