/* base: how a failed assertion ends the process. */
#include "io/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The one line the library ever writes. No stdio stream: its lock may be held by the code that failed. */
_Noreturn void jzx__assert_failed(const char *what, const char *file, int line)
{
#ifdef JZX__SIM
    jzx__sim_assertion(what, file, line);
#endif
    char text[512];
    int length = snprintf(text, sizeof text, "libjzx: %s:%d: assertion failed: %s\n", file, line, what);
    if (length > 0) {
        size_t size = (size_t)length < sizeof text ? (size_t)length : sizeof text - 1;
        ssize_t written = write(STDERR_FILENO, text, size);
        (void)written;
    }
    abort();
}
