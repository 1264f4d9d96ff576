/* process: what is said of a program that ends badly, hangs, writes without end, or leaves others behind. */
#include "bench/harness/measure.h"
#include "bench/harness/sample.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static char *reason;
static char *text;
static size_t size;

static bool run(const char *script, double limit_s)
{
    const char *arguments[] = {"sh", "-c", script, NULL};
    int cpus[BENCH_CPUS_MAX];
    free(reason);
    free(text);
    bench_cpus_allowed(cpus);
    text = bench_process_read(arguments, cpus, 1, limit_s, &size, &reason);
    return text != NULL;
}

static void expect_reason(const char *script, double limit_s, const char *wanted)
{
    cr_assert_not(run(script, limit_s), "%s", script);
    cr_expect_str_eq(reason, wanted, "%s", reason);
}

Test(process, what_it_writes_is_read, .timeout = 20)
{
    cr_assert(run("printf 'one\\ntwo'", 10), "%s", reason);
    cr_assert_eq(size, 7);
    cr_expect_eq(memcmp(text, "one\ntwo", 7), 0);
}

Test(process, much_is_read_too, .timeout = 20)
{
    cr_assert(run("head -c 3000000 /dev/zero", 10), "%s", reason);
    cr_expect_eq(size, 3000000);
}

Test(process, it_has_the_cpus_it_is_given, .timeout = 20)
{
    cr_assert(run("nproc", 10), "%s", reason);
    cr_assert_eq(size, 2);
    cr_expect_eq(memcmp(text, "1\n", 2), 0);
}

Test(process, it_reads_nothing, .timeout = 20)
{
    cr_assert(run("wc -c", 10), "%s", reason);
    cr_expect_eq(text[0], '0');
}

Test(process, another_status_than_0_is_told, .timeout = 20)
{
    expect_reason("exit 7", 10, "it ended with 7");
    expect_reason("echo first >&2; echo the reason >&2; exit 7", 10, "it ended with 7: the reason");
}

Test(process, a_signal_is_told, .timeout = 20)
{
    expect_reason("kill -SEGV $$", 10, "it was ended by signal 11 (Segmentation fault)");
}

Test(process, a_program_that_is_not_there_is_told, .timeout = 20)
{
    const char *arguments[] = {"/no/such/program", NULL};
    char *why = NULL;
    cr_assert_eq(bench_process_read(arguments, NULL, 0, 10, &size, &why), NULL);
    cr_expect_str_eq(why, "it ended with 127: cannot be started: /no/such/program: No such file or directory");
    free(why);
}

/* The time is enough for a shell to start and to say that, on a machine that is busy with other things too. */
Test(process, what_hangs_is_ended, .timeout = 60)
{
    expect_reason("echo waiting >&2; exec sleep 1000", 3, "it had not ended after 3 s: waiting");
}

Test(process, what_writes_without_end_is_ended, .timeout = 60)
{
    expect_reason("exec cat /dev/zero", 50, "it wrote more than 64 MiB");
}

/* Also when nobody has reaped it yet, one that was killed does not. */
static bool lives(pid_t pid)
{
    char path[64];
    char state[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    bool there = file != NULL && fgets(state, sizeof state, file) != NULL;
    if (file != NULL) {
        fclose(file);
    }
    return there && strstr(state, ") Z") == NULL;
}

/* The process it leaves holds the pipe open; it is killed, and nobody waits for it. */
Test(process, what_it_leaves_behind_is_killed, .timeout = 60)
{
    cr_assert(run("sleep 1000 & echo $!", 50), "%s", reason);
    pid_t left = (pid_t)strtol(text, NULL, 10);
    cr_assert_gt(left, 1);
    while (lives(left)) { /* it is told, and ends when it has a CPU to do so */
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
}
