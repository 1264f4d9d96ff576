/* main: jzx-swarm. See swarm.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/swarm/swarm.h"

static int usage(void)
{
    fputs("usage: jzx-swarm COMMAND [NUMBER]\n"
          "  seeds [N]        N seeds of all scenarios (10000)\n"
          "  twins [N]        a hash for each scenario over N seeds (300), for a comparison with another build\n"
          "  soak [HOURS]     a day of a service (24)\n"
          "  allocations [S]  each allocation fails; only each S-th of them (1)\n"
          "  errors [S]       each I/O error happens; only each S-th of them (1)\n",
          stderr);
    return 2;
}

static bool number_of(int count, char **words, uint64_t otherwise, uint64_t *number)
{
    char *end = NULL;
    *number = otherwise;
    if (count > 2) {
        *number = strtoull(words[2], &end, 10);
        return *words[2] >= '1' && *words[2] <= '9' && *end == '\0' && count == 3;
    }
    return true;
}

int main(int count, char **words)
{
    static const struct {
        const char *name;
        uint64_t number;
    } commands[] = {{"seeds", 10000}, {"twins", 300}, {"soak", 24}, {"allocations", 1}, {"errors", 1}};
    uint32_t command = 0;
    uint64_t number = 0;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    while (count > 1 && command < 5 && strcmp(words[1], commands[command].name) != 0) {
        command++;
    }
    if (count < 2 || command == 5 || !number_of(count, words, commands[command].number, &number)) {
        return usage();
    }
    double before = cpu_seconds();
    bool well = command == 0   ? swarm_seeds(number, false)
                : command == 1 ? swarm_seeds(number, true)
                : command == 2 ? swarm_soak(number)
                : command == 3 ? swarm_allocations(number)
                               : swarm_errors(number);
    if (command != 1) {
        printf("  %-52s %14.1f\n", "CPU seconds", cpu_seconds() - before);
    }
    return well ? 0 : 1;
}
