/*
 * runner: main() of a test program under ThreadSanitizer. Runs each test in a process of its own, and
 * fails if one of them failed, hung, or ended with a race reported. A name as an argument runs that test alone.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SKIPPED = 77, SLOWER = 5, TIMEOUT_S = 60 };

static cr_test *tests; /* in the order they are added */
static _Atomic(bool) failed;

void cr_add(cr_test *test)
{
    cr_test **last = &tests;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = test;
}

static void say(const char *format, va_list arguments)
{
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
}

void cr_failed(bool go_on, const char *file, int line, const char *what, const char *format, ...)
{
    (void)fprintf(stderr, "%s:%d: not true: %s", file, line, what);
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    atomic_store(&failed, true);
    if (!go_on) {
        _exit(1);
    }
}

void cr_log_info(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
}

void cr_skip_test(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    exit(SKIPPED);
}

static void *nothing(void *argument)
{
    return argument;
}

/* In the process of the test. */
static int run_here(const cr_test *test)
{
    /* ThreadSanitizer makes a thread for itself beside the first one: some tests count threads. */
    pthread_t first;
    if (pthread_create(&first, NULL, nothing, NULL) != 0 || pthread_join(first, NULL) != 0) {
        return 1;
    }
    double timeout = test->options.timeout > 0 ? test->options.timeout : TIMEOUT_S;
    (void)alarm((unsigned)(SLOWER * timeout));
    test->body();
    return atomic_load(&failed) ? 1 : 0;
}

static bool run_apart(const cr_test *test)
{
    pid_t child = fork();
    if (child == 0) {
        exit(run_here(test));
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        return false;
    }
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == SKIPPED)) {
        return true;
    }
    (void)fprintf(stderr, "FAIL %s::%s: %s %d\n", test->suite, test->name,
                  WIFSIGNALED(status) ? "signal" : "exit status",
                  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return false;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    unsigned failures = 0;
    for (const cr_test *test = tests; test != NULL; test = test->next) {
        if (argc < 2 || strcmp(argv[1], test->name) == 0) {
            count++;
            failures += !run_apart(test);
        }
    }
    (void)printf("%u tests, %u failed\n", count, failures);
    return failures != 0 || count == 0;
}
