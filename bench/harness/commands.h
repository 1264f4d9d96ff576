/*
 * commands.h: what jzx-bench can be told to do. Each gets the arguments from its own name on ("jzx-bench run" stands in
 * argv[0]) and returns the status of the program.
 */
#ifndef BENCH_COMMANDS_H
#define BENCH_COMMANDS_H

#include "suite.h"

int bench_list_main(const bench_suite *suite, int argc, char **argv);
int bench_measure_main(const bench_suite *suite, int argc, char **argv);
int bench_run_main(const bench_suite *suite, int argc, char **argv);

int bench_compare_main(int argc, char **argv);
int bench_report_main(int argc, char **argv);
int bench_prove_main(int argc, char **argv);

#endif
