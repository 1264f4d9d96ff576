/* tally: see swarm.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "tests/swarm/swarm.h"

tally *tally_create(void)
{
    void *memory = mmap(NULL, sizeof(tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        abort();
    }
    return memory;
}

void tally_destroy(tally *t)
{
    (void)munmap(t, sizeof *t);
}

void tally_take(tally *t, const jzx_sim *sim)
{
    t->runs++;
    for (unsigned i = 0; i < JZX_SIM_FAULTS; i++) {
        uint64_t injected = jzx_sim_injected(sim, (jzx_sim_fault)i);
        t->occasions[i] = jzx_sim_occasions(sim, (jzx_sim_fault)i);
        t->injected[i] += injected;
        t->runs_with[i] += injected != 0;
    }
}

bool figure(const char *what, uint64_t value, uint64_t least, uint64_t most)
{
    bool holds = value >= least && value <= most;
    printf("  %-52s %14" PRIu64, what, value);
    if (least > 0) {
        printf("  >= %" PRIu64, least);
    }
    if (most < UINT64_MAX) {
        printf("  <= %" PRIu64, most);
    }
    printf("%s\n", holds ? "" : "  DOES NOT HOLD");
    (void)fflush(stdout);
    return holds;
}

static double seconds(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

double cpu_seconds(void)
{
    struct rusage self;
    struct rusage children;
    (void)getrusage(RUSAGE_SELF, &self);
    (void)getrusage(RUSAGE_CHILDREN, &children);
    return seconds(&self.ru_utime) + seconds(&self.ru_stime) + seconds(&children.ru_utime) +
           seconds(&children.ru_stime);
}
