/* measure.c: see measure.h. */
#include "measure.h"

#include "commands.h"
#include "counters.h"
#include "memory.h"
#include "number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: %s WORKLOAD SIDE [count=N] [warm=N] [cpus=A,B] [seed=N] [quick=0|1] [NAME=VALUE...]\n"
    "\n"
    "Does the work of one side once, in this process, and writes what it found, a line each\n"
    "(bench/README.md says which). For profilers, and for programs that compare.\n"
    "\n"
    "  count=N      operations; what the workload says if left out\n"
    "  warm=N       operations before that, to warm up; 0: none\n"
    "  cpus=A,B     confines itself to these CPUs\n"
    "  seed=N       for what is random\n"
    "  quick=0|1    whether it only matters that it runs\n"
    "  NAME=VALUE   an option of the workload\n";

/* What `measure` was asked beside the workload and the side. */
struct ask {
    uint64_t count; /* 0: not said */
    uint64_t warm;
    bool warm_said;
};

static uint64_t number_of(const char *name, const char *value)
{
    uint64_t number;
    if (!bench_number_parse(value, &number)) {
        bench_fail("%s=%s: not a whole number", name, value);
    }
    return number;
}

static void take_cpus(jzx_bench *bench, const char *value)
{
    bench->cpu_count = bench_cpus_parse(value, bench->cpus);
    if (bench->cpu_count < 1) {
        bench_fail("cpus=%s: not a list of CPUs", value);
    }
    if (!bench_cpus_confine(bench->cpus, bench->cpu_count)) {
        bench_fail("cpus=%s: %s", value, strerror(errno));
    }
}

static void take_argument(jzx_bench *bench, struct ask *ask, char *argument)
{
    const char *value = strchr(argument, '=');
    if (value == NULL || value == argument) {
        bench_fail("'%s' is not NAME=VALUE", argument);
    }
    value++;
    if (strncmp(argument, "count=", 6) == 0) {
        ask->count = number_of("count", value);
        if (ask->count == 0) {
            bench_fail("count=0: nothing to do");
        }
    } else if (strncmp(argument, "warm=", 5) == 0) {
        ask->warm = number_of("warm", value);
        ask->warm_said = true;
    } else if (strncmp(argument, "cpus=", 5) == 0) {
        take_cpus(bench, value);
    } else if (strncmp(argument, "seed=", 5) == 0) {
        bench->seed = number_of("seed", value);
    } else if (strncmp(argument, "quick=", 6) == 0) {
        bench->quick = number_of("quick", value) != 0;
    } else {
        bench->options[bench->option_count++] = argument;
    }
}

/* What was not said. */
static void complete(jzx_bench *bench, struct ask *ask)
{
    if (ask->count == 0) {
        ask->count = bench_suite_count(bench->workload, bench->quick);
    }
    if (!ask->warm_said) {
        ask->warm = bench_suite_warm(bench->workload, ask->count);
    }
    if (bench->cpu_count == 0) {
        bench->cpu_count = bench_cpus_allowed(bench->cpus);
    }
}

static void find_side(jzx_bench *bench, const bench_suite *suite, const char *workload, const char *side)
{
    bench->workload = bench_suite_find(suite, workload);
    if (bench->workload == NULL) {
        bench_fail("there is no workload %s; list shows those that there are", workload);
    }
    bench->side = bench_suite_side(bench->workload, side);
    if (bench->side == NULL) {
        bench_fail("workload %s has no side %s; list shows those that there are", workload, side);
    }
}

static void run_side(jzx_bench *bench, uint64_t count)
{
    bench->count = count;
    bench_found_init(bench);
    bench->side->run(bench, bench->side->argument);
}

int bench_measure_main(const bench_suite *suite, int argc, char **argv)
{
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0)) {
        printf(usage, argv[0]);
        return 0;
    }
    if (argc < 3) {
        fprintf(stderr, usage, argv[0]);
        return 3;
    }
    jzx_bench *bench = bench_new(sizeof *bench);
    struct ask ask = {0};
    bench->seed = 1;
    bench->options = bench_new((size_t)argc * sizeof *bench->options);
    find_side(bench, suite, argv[1], argv[2]);
    for (int i = 3; i < argc; i++) {
        take_argument(bench, &ask, argv[i]);
    }
    complete(bench, &ask);
    bench_counters_open();
    if (ask.warm > 0) {
        bench->warming = true;
        run_side(bench, ask.warm);
        bench_found_deinit(bench);
        bench->warming = false;
    }
    run_side(bench, ask.count);
    bench_found_write(bench);
    bench_found_deinit(bench);
    bench_counters_close();
    free(bench->options);
    free(bench);
    return 0;
}
