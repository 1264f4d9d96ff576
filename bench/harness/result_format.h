/* result_format.h: what result_write.c and result_read.c must agree on. */
#ifndef BENCH_RESULT_FORMAT_H
#define BENCH_RESULT_FORMAT_H

/* Counted up when a reader of the old would misread the new. */
#define BENCH_RESULT_FORMAT "jzx-bench/1"

enum { BENCH_ROLE_COUNT = 4 };
extern const char *const bench_role_names[BENCH_ROLE_COUNT]; /* by bench_role */
extern const char *const bench_better_names[2];              /* by jzx_bench_better */

#endif
