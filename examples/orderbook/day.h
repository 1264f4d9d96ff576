/*
 * day: a day at the exchange, and how long its clients wait.
 *
 * Commands are due by a schedule that does not wait for answers. Latency counts from when one was due, not from when it was
 * sent, so a stall is seen in full (coordinated omission): to when its session hears its word, and to when a subscriber has
 * what it brought about. The clock is read at each of these.
 *
 * With two CPUs the loop of the exchange has one for itself and polls without sleeping, and the caller's thread sends from
 * another through a poster. With one, two that poll would starve each other: so that thread turns the loop itself, and
 * sends between two turns.
 */
#ifndef ORDERBOOK_DAY_H
#define ORDERBOOK_DAY_H

#include <stdint.h>

enum { DAY_INVALID = 3 };

struct settings {
    uint64_t symbols;
    uint64_t orders;
    uint64_t rate; /* orders in a second */
    uint64_t subscribers;
    uint64_t seed;
    int cpu;       /* of the loop */
    int other_cpu; /* of this thread; JZX_CPU_ANY: there is none, it turns the loop */
};

/*
 * Runs it and prints what came of it; what goes wrong is said on the standard error output.
 * Thread: the main one, which stays on other_cpu.
 * Returns: what main() should: 0; 1 failed; DAY_INVALID its own schedule was not kept, so latencies mean nothing
 */
int day_play(const struct settings *settings);

#endif
