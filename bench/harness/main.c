/* main.c: the commands of a program made with jzx/bench.h, and which of them is meant. */
#include "commands.h"

#include "memory.h"
#include "prove.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char about[] =
    "Runs workloads, each side of a workload many times in processes of their own, and compares what they cost.\n"
    "\v"
    "  list                  the workloads and their sides\n"
    "  run [NAME...]         measures and compares; alone: all workloads\n"
    "  compare OLD NEW       says what became faster or slower between two files of run --json\n"
    "  report DIR            makes one page of the results in a folder\n"
    "  prove                 shows that the harness sees what there is to see, and nothing else\n"
    "  measure NAME SIDE     one run, in this process\n"
    "\n"
    "COMMAND --help says more. The status is 0 when all is fine, 1 when a figure got worse, 2 when that cannot be "
    "said, "
    "3 when a run was invalid or an argument wrong.";

static const struct argp arguments = {.args_doc = "COMMAND [ARGUMENT...]", .doc = about};

int bench_list_main(const bench_suite *suite, int argc, char **argv)
{
    bool long_form = argc == 2 && strcmp(argv[1], "--about") == 0;
    if (argc > 1 && !long_form) {
        bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
        fprintf(help ? stdout : stderr,
                "usage: %s [--about]\n\nA line WORKLOAD SIDE for each; --about: what each is.\n", argv[0]);
        return help ? 0 : 3;
    }
    for (size_t i = 0; i < suite->count; i++) {
        const jzx_bench_workload *workload = &suite->workloads[i];
        if (long_form) {
            printf("%-30s %s\n", workload->name, workload->about);
            continue;
        }
        for (size_t j = 0; j < workload->side_count; j++) {
            printf("%s %s\n", workload->name, workload->sides[j].name);
        }
    }
    return fflush(stdout) == 0 ? 0 : 3;
}

static int dispatch(const bench_suite *suite, int argc, char **argv)
{
    const char *command = argv[0];
    char *name = bench_format("%s %s", program_invocation_short_name, command);
    int status;
    argv[0] = name;
    if (strcmp(command, "list") == 0) {
        status = bench_list_main(suite, argc, argv);
    } else if (strcmp(command, "measure") == 0) {
        status = bench_measure_main(argc > 1 && bench_prove_has(argv[1]) ? bench_prove_suite() : suite, argc, argv);
    } else if (strcmp(command, "run") == 0) {
        status = bench_run_main(suite, argc, argv);
    } else if (strcmp(command, "compare") == 0) {
        status = bench_compare_main(argc, argv);
    } else if (strcmp(command, "report") == 0) {
        status = bench_report_main(argc, argv);
    } else if (strcmp(command, "prove") == 0) {
        status = bench_prove_main(argc, argv);
    } else {
        bench_say("there is no command %s: list, run, compare, report, prove or measure", command);
        status = 3;
    }
    free(name);
    return status;
}

int jzx_bench_main(int argc, char **argv, const jzx_bench_workload *workloads, size_t count)
{
    bench_suite suite;
    int first;
    argp_err_exit_status = 3;
    argp_parse(&arguments, argc, argv, ARGP_IN_ORDER | ARGP_NO_ARGS, &first, NULL);
    if (first == argc) {
        argp_help(&arguments, stderr, ARGP_HELP_STD_USAGE, program_invocation_short_name);
        return 3;
    }
    bench_suite_init(&suite, workloads, count);
    int status = dispatch(&suite, argc - first, argv + first);
    bench_suite_deinit(&suite);
    return status;
}
