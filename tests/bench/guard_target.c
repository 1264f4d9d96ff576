/* guard_target.c: a path of a known length, for the guard; GUARD_STEPS says how long. Answers like jzx-guard. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    const char *text = getenv("GUARD_STEPS");
    unsigned long steps = text != NULL ? strtoul(text, NULL, 10) : 1000;
    volatile uint64_t sum = 0;
    if (argc == 1) {
        puts("steps 100");
        return EXIT_SUCCESS;
    }
    if (strcmp(argv[1], "--compiler") == 0) {
        puts("a compiler 1.0");
        return EXIT_SUCCESS;
    }
    if (argc != 3 || steps == 0) {
        return 3;
    }
    unsigned long count = strtoul(argv[2], NULL, 10);
    for (unsigned long i = 0; i < count; i++) {
        for (unsigned long step = 0; step < steps; step++) {
            sum = sum + step;
        }
    }
    return EXIT_SUCCESS;
}
