/* cpus.c: sets of CPUs, as text and as the system has them. See measure.h. */
#include "measure.h"

#include "number.h"

#include <sched.h>
#include <string.h>

static bool cpu_add(int cpus[BENCH_CPUS_MAX], int *count, uint64_t cpu)
{
    if (cpu >= BENCH_CPUS_MAX || *count == BENCH_CPUS_MAX) {
        return false;
    }
    for (int i = 0; i < *count; i++) {
        if (cpus[i] == (int)cpu) {
            return false; /* twice */
        }
    }
    cpus[(*count)++] = (int)cpu;
    return true;
}

/* "3" or "3-5". */
static bool part_parse(char *part, int cpus[BENCH_CPUS_MAX], int *count)
{
    uint64_t first;
    uint64_t last;
    char *dash = strchr(part, '-');
    if (dash != NULL) {
        *dash = '\0';
    }
    if (!bench_number_parse(part, &first) || !bench_number_parse(dash != NULL ? dash + 1 : part, &last) ||
        last < first) {
        return false;
    }
    for (uint64_t cpu = first; cpu <= last; cpu++) {
        if (!cpu_add(cpus, count, cpu)) {
            return false;
        }
    }
    return true;
}

int bench_cpus_parse(const char *text, int cpus[BENCH_CPUS_MAX])
{
    char copy[4096];
    if (strlen(text) >= sizeof copy) {
        return -1;
    }
    strcpy(copy, text);
    int count = 0;
    char *rest = copy;
    char *part;
    while ((part = strsep(&rest, ",")) != NULL) {
        if (!part_parse(part, cpus, &count)) {
            return -1;
        }
    }
    return count;
}

int bench_cpus_allowed(int cpus[BENCH_CPUS_MAX])
{
    cpu_set_t set;
    int count = 0;
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        cpus[0] = 0; /* more than 1024 CPUs: the first of them will do */
        return 1;
    }
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET((size_t)cpu, &set)) {
            cpus[count++] = cpu;
        }
    }
    return count;
}

bool bench_cpus_confine(const int *cpus, int count)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int i = 0; i < count; i++) {
        CPU_SET((size_t)cpus[i], &set);
    }
    return sched_setaffinity(0, sizeof set, &set) == 0;
}
