/* top: what `jzx top` shows. */
#ifndef TOOLS_TOP_H
#define TOOLS_TOP_H

#include "view.h"

struct top_settings {
    unsigned long actors; /* shown at most */
    const char *file;     /* a segment kept in a file, or NULL: */
    long pid;             /* a process */
};

/* Shows it once. Ends the program when it cannot. */
void top(const struct top_settings *settings);

#endif
