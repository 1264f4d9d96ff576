/* orderbook: options, and which CPUs. See day.h for what it does then, and exchange.h for the exchange. */
#include "day.h"

#include "exchange.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
    "usage: example-orderbook [options]\n"
    "  --symbols N      that are traded, 1 to 16 (4)\n"
    "  --orders N       that are sent, 1 to 100000000 (200000)\n"
    "  --rate N         orders in a second, 1 to 10000000 (100000)\n"
    "  --subscribers N  to market data: one of all symbols, the others of one each, 1 to 16 (4)\n"
    "  --seed N         of the orders: the same seed has the same trades (1)\n"
    "  --cpu N          for the loop of the exchange (the last one that it may use)\n"
    "  --help           this text\n"
    "It ends with 3 if it was itself too late with its orders: then latencies mean nothing.\n";

static const struct option option_names[] = {
    {"symbols", required_argument, NULL, 'y'}, {"orders", required_argument, NULL, 'o'},
    {"rate", required_argument, NULL, 'r'},    {"subscribers", required_argument, NULL, 'u'},
    {"seed", required_argument, NULL, 's'},    {"cpu", required_argument, NULL, 'c'},
    {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
};

static bool parse_number(const char *name, const char *text, uint64_t least, uint64_t most, uint64_t *value)
{
    char *end;
    errno = 0;
    uint64_t number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != 0 || errno != 0 || number < least || number > most) {
        fprintf(stderr, "orderbook: --%s takes a number from %" PRIu64 " to %" PRIu64 ", not '%s'\n", name, least, most,
                text);
        return false;
    }
    *value = number;
    return true;
}

static bool set_option(struct settings *settings, int name, const char *text)
{
    uint64_t cpu = 0;
    bool good = false;
    switch (name) {
    case 'y':
        return parse_number("symbols", text, 1, SYMBOLS_MAX, &settings->symbols);
    case 'o':
        return parse_number("orders", text, 1, 100000000, &settings->orders);
    case 'r':
        return parse_number("rate", text, 1, 10000000, &settings->rate);
    case 'u':
        return parse_number("subscribers", text, 1, SUBSCRIBERS_MAX, &settings->subscribers);
    case 's':
        return parse_number("seed", text, 0, UINT64_MAX - 1, &settings->seed);
    case 'c':
        good = parse_number("cpu", text, 0, CPU_SETSIZE - 1, &cpu);
        settings->cpu = good ? (int)cpu : settings->cpu;
        return good;
    default:
        return false; /* getopt has said why */
    }
}

/* The loop's, if none was asked for, is the last one; this thread's is the first other one, if there is one. */
static void choose_cpus(struct settings *settings)
{
    cpu_set_t all;
    settings->other_cpu = JZX_CPU_ANY;
    if (sched_getaffinity(0, sizeof all, &all) != 0) {
        return;
    }
    for (size_t i = CPU_SETSIZE; settings->cpu == JZX_CPU_ANY && i-- > 0;) {
        settings->cpu = CPU_ISSET(i, &all) ? (int)i : JZX_CPU_ANY;
    }
    for (size_t i = CPU_SETSIZE; i-- > 0;) {
        settings->other_cpu = CPU_ISSET(i, &all) && (int)i != settings->cpu ? (int)i : settings->other_cpu;
    }
}

/* What a wrong command line deserves is said here. */
static bool parse_options(int count, char **arguments, struct settings *settings)
{
    *settings = (struct settings){
        .symbols = 4, .orders = 200000, .rate = 100000, .subscribers = 4, .seed = 1, .cpu = JZX_CPU_ANY};
    int name;
    while ((name = getopt_long(count, arguments, "", option_names, NULL)) != -1) {
        if (name == 'h') {
            fputs(usage, stdout);
            exit(0);
        }
        if (!set_option(settings, name, optarg)) {
            return false;
        }
    }
    if (optind != count) {
        fprintf(stderr, "orderbook: '%s' is not an option\n", arguments[optind]);
        return false;
    }
    choose_cpus(settings);
    return true;
}

int main(int count, char **arguments)
{
    struct settings settings;
    if (!parse_options(count, arguments, &settings)) {
        fputs("orderbook: --help lists the options\n", stderr);
        return 2;
    }
    return day_play(&settings);
}
