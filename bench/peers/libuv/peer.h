/* peer.h: one run of a workload, and what it says. bench/README.md has the lines. */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct peer_run {
    uint64_t count;
    uint64_t warm;
    uint64_t seed;
    int cpus[2];
    bool quiet; /* this is the warm-up */
} peer_run;

/* A line of the protocol, but not in the warm-up. */
void peer_say(const peer_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Says why this run means nothing, and ends it. */
void peer_invalid(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* The same for what can only be wrong with libuv or this program. */
void peer_check(bool condition, const char *what);

void echo_measure(const peer_run *run, uint32_t connections, uint32_t size);
void timers_measure(const peer_run *run, bool random);

#endif
