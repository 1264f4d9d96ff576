/* base_test: what an assertion of the library says when it fails, and that the process ends there. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/base.h"
#include "tests/support/support.h"

/* The assertion fails in a child: what it wrote, and how it ended. */
static int fail_in_child(const char *what, char *text, size_t size)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        (void)dup2(ends[1], STDERR_FILENO);
        jzx__assert_failed(what, "there.c", 7);
    }
    close(ends[1]);
    size_t length = 0;
    for (ssize_t got; length < size - 1 && (got = read(ends[0], text + length, size - 1 - length)) > 0;) {
        length += (size_t)got;
    }
    text[length] = '\0';
    close(ends[0]);
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

Test(base, a_failed_assertion_says_where_and_aborts, .timeout = 20)
{
    char text[1024];
    cr_assert_eq(fail_in_child("two == 3", text, sizeof text), SIGABRT);
    cr_assert_str_eq(text, "libjzx: there.c:7: assertion failed: two == 3\n");
}

Test(base, a_fact_that_is_too_long_is_cut, .timeout = 20)
{
    char what[800];
    char text[1024];
    memset(what, 'w', sizeof what - 1);
    what[sizeof what - 1] = '\0';
    cr_assert_eq(fail_in_child(what, text, sizeof text), SIGABRT);
    cr_assert_eq(strlen(text), 511);
    cr_assert_eq(strncmp(text, "libjzx: there.c:7: assertion failed: www", 40), 0);
}

Test(base, a_fact_is_looked_at_once, .timeout = 20)
{
    unsigned looks = 0;
    JZX_ASSERT(++looks == 1);
    cr_assert_eq(looks, 1);
}
