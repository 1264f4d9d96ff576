/* affinity.c: see affinity.h. */
#include "support/affinity.h"

#include "support/check.h"

void affinity_pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    BENCH_CHECK(sched_setaffinity(0, sizeof set, &set) == 0, "cannot run on CPU %d", cpu);
}

cpu_set_t affinity_keep(void)
{
    cpu_set_t kept;
    BENCH_CHECK(sched_getaffinity(0, sizeof kept, &kept) == 0, "no affinity");
    return kept;
}

void affinity_restore(const cpu_set_t *kept)
{
    BENCH_CHECK(sched_setaffinity(0, sizeof *kept, kept) == 0, "the affinity cannot be set back");
}
