/* pair.h: two pinned threads, for the raw sides of benches across two loops. */
#ifndef PAIR_H
#define PAIR_H

/* Runs `first` on CPU 0 and `second` on CPU 1, both at once, and returns when both have. */
void pair_run(void (*first)(void *), void (*second)(void *), void *context);

#endif
