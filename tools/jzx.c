/*
 * jzx: looks at a running libjzx process from outside, by the segment it shares (jzx/segment.h). Reads only, and
 * nothing in the process notices: it works as well when that is busy, stopped by a debugger, stuck, or dead.
 */
#include "top.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ACTORS_DEFAULT = 10,
    ACTORS_LIMIT = 10000,
    PID_LIMIT = 4194304, /* of the kernel */
    EXIT_USAGE = 2,
};

static const char usage[] = "usage: jzx top --once [--actors N] PID\n"
                            "       jzx top --once [--actors N] --file SEGMENT\n"
                            "       jzx --help | --version\n"
                            "\n"
                            "Shows the loops of a libjzx process and its busiest actors.\n"
                            "  --once       one look (the only way for now)\n"
                            "  --actors N   how many actors to show (10)\n"
                            "  --file PATH  a segment in a file (segment_path), also of a process that has ended\n";

static void __attribute__((noreturn)) fail_usage(const char *why)
{
    fprintf(stderr, "jzx: %s\n%s", why, usage);
    exit(EXIT_USAGE);
}

static unsigned long parse_number(const char *text, unsigned long max, const char *what)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 || value == 0 || value > max) {
        char why[128];
        snprintf(why, sizeof why, "%s is a number from 1 to %lu", what, max);
        fail_usage(why);
    }
    return value;
}

static int run_top(int argc, char **argv)
{
    static const struct option options[] = {
        {"once", no_argument, NULL, 'o'},
        {"actors", required_argument, NULL, 'a'},
        {"file", required_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct top_settings settings = {.actors = ACTORS_DEFAULT};
    bool once = false;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'o':
            once = true;
            break;
        case 'a':
            settings.actors = parse_number(optarg, ACTORS_LIMIT, "--actors");
            break;
        case 'f':
            settings.file = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        default:
            fputs(usage, stderr);
            return EXIT_USAGE;
        }
    }
    if (!once) {
        fail_usage("--once is missing");
    }
    if (argc - optind != (settings.file == NULL ? 1 : 0)) {
        fail_usage("one PID, or --file, is needed");
    }
    if (settings.file == NULL) {
        settings.pid = (long)parse_number(argv[optind], PID_LIMIT, "PID");
    }
    top(&settings);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fail_usage("no command");
    }
    if (strcmp(argv[1], "top") == 0) {
        return run_top(argc - 1, argv + 1);
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("jzx %s\n", JZX_VERSION);
        return EXIT_SUCCESS;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        fputs(usage, stdout);
        return EXIT_SUCCESS;
    }
    fail_usage("no such command");
}
