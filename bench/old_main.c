/* main.c: chooses the benches, runs each in a child, prints the table and writes the JSON. */
#include "bench.h"
#include "benches.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

/* A bench that takes longer hangs: its child is ended by SIGALRM. */
enum { LIMIT_S = 600, LIMIT_QUICK_S = 60 };

struct settings {
    bench_run run;
    const char *only;
    const char *json_path;
    bool list;
    bool in_process;
};

/* The rows of the whole run, in order. */
struct table {
    bench_row *rows;
    size_t count;
    size_t room;
};

static const struct bench *const all_benches[] = {
    &bench_local_pingpong, &bench_local_ring,   &bench_local_random, &bench_stream,   &bench_remote_pingpong,
    &bench_wake,           &bench_parked_trip,  &bench_turn_latency, &bench_post,     &bench_life,
    &bench_restart,        &bench_group,        &bench_crash,        &bench_children, &bench_idle_actor,
    &bench_timers,         &bench_lateness,     &bench_backoff,      &bench_echo,     &bench_kv,
    &bench_allocations,    &bench_idle_process,
};
enum { BENCH_COUNT = sizeof all_benches / sizeof all_benches[0] };

static const char usage[] =
    "usage: jzx-bench [options]\n"
    "  --list         names the benches and ends\n"
    "  --only NAME    runs the benches whose name contains NAME\n"
    "  --quick        small amounts of work: shows that all runs, measures little\n"
    "  --repeat N     repetitions of each side, 1 to 51; the median counts (5; 1 with --quick)\n"
    "  --json FILE    writes the rows to FILE\n"
    "  --kv PATH      the program jzx-kv (beside this one in the build folder)\n"
    "  --in-process   runs the benches in this process, for profilers; use with --only\n";

static void table_add(struct table *table, const bench_row *row)
{
    if (table->count == table->room) {
        table->room = table->room == 0 ? 64 : table->room * 2;
        table->rows = realloc(table->rows, table->room * sizeof *table->rows);
        BENCH_CHECK(table->rows != NULL, "out of memory");
    }
    table->rows[table->count++] = *row;
}

static void print_number(char *text, size_t size, double value)
{
    if (isnan(value) || isinf(value)) {
        snprintf(text, size, "-");
    } else if (fabs(value) < 10) {
        snprintf(text, size, "%.2f", value);
    } else if (fabs(value) < 1000) {
        snprintf(text, size, "%.1f", value);
    } else {
        snprintf(text, size, "%.0f", value);
    }
}

static const char *verdict(const bench_row *row)
{
    if (strcmp(row->target, "-") == 0) {
        return "-";
    }
    return row->met ? "yes" : "NO";
}

static void print_row(const bench_row *row)
{
    if (row->note[0] != '\0') {
        printf("%-52s skipped: %s\n", row->name, row->note);
        return;
    }
    char ours[32];
    char raw[32];
    char ratio[32];
    print_number(ours, sizeof ours, row->ours);
    print_number(raw, sizeof raw, row->raw);
    print_number(ratio, sizeof ratio, row->ratio);
    printf("%-52s %-10s %10s %10s %7s  %-9s %s\n", row->name, row->unit, ours, raw, ratio, row->target, verdict(row));
}

static void print_machine(void)
{
    char line[256];
    char model[256] = "unknown CPU";
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
            snprintf(model, sizeof model, "%s", colon + 2);
            model[strcspn(model, "\n")] = '\0';
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    struct utsname system;
    uname(&system);
    printf("%s, %ld cores, %s %s %s\n\n", model, sysconf(_SC_NPROCESSORS_ONLN), system.sysname, system.release,
           system.machine);
    printf("%-52s %-10s %10s %10s %7s  %-9s %s\n", "name", "unit", "ours", "raw", "ratio", "target", "met");
}

static void put_json_number(FILE *file, const char *key, double value)
{
    if (isnan(value) || isinf(value)) {
        fprintf(file, "\"%s\": null, ", key);
    } else {
        fprintf(file, "\"%s\": %.6g, ", key, value);
    }
}

/* The names hold nothing that JSON escapes. */
static bool write_json(const char *path, const struct table *table)
{
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        fprintf(stderr, "jzx-bench: %s: %s\n", path, strerror(errno));
        return false;
    }
    fputs("[\n", file);
    for (size_t i = 0; i < table->count; i++) {
        const bench_row *row = &table->rows[i];
        fprintf(file, "  {\"name\": \"%s\", \"unit\": \"%s\", ", row->name, row->unit);
        put_json_number(file, "ours", row->ours);
        put_json_number(file, "raw", row->raw);
        put_json_number(file, "ratio", row->ratio);
        fprintf(file, "\"target\": \"%s\", \"met\": %s}%s\n", row->target, row->met ? "true" : "false",
                i + 1 < table->count ? "," : "");
    }
    fputs("]\n", file);
    return fclose(file) == 0;
}

/* In the child. */
static void run_child(const struct bench *bench, bench_run *run, int row_fd)
{
    alarm(run->quick ? LIMIT_QUICK_S : LIMIT_S);
    run->row_fd = row_fd;
    bench->run(run);
}

static void take_rows(int fd, struct table *table)
{
    bench_row row;
    ssize_t got;
    while ((got = read(fd, &row, sizeof row)) != 0) {
        if (got == (ssize_t)sizeof row) {
            table_add(table, &row);
            print_row(&row);
            fflush(stdout);
        } else if (got < 0 && errno != EINTR) {
            break;
        }
    }
}

/* Says how a child ended when it did not end well. */
static bool child_ended_well(const struct bench *bench, pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS) {
        return true;
    }
    const char *reason = WIFSIGNALED(status)
                             ? (WTERMSIG(status) == SIGALRM ? "took too long" : strsignal(WTERMSIG(status)))
                             : "a check failed";
    printf("%-52s FAILED: %s\n", bench->name, reason);
    fflush(stdout);
    return false;
}

static bool run_bench(const struct bench *bench, const struct settings *settings, struct table *table)
{
    int ends[2];
    BENCH_CHECK(pipe2(ends, O_CLOEXEC) == 0, "pipe: %s", strerror(errno));
    bench_run run = settings->run;
    if (settings->in_process) {
        run_child(bench, &run, ends[1]);
        close(ends[1]);
        take_rows(ends[0], table);
        close(ends[0]);
        return true;
    }
    fflush(stdout);
    pid_t child = fork();
    BENCH_CHECK(child >= 0, "fork: %s", strerror(errno));
    if (child == 0) {
        close(ends[0]);
        run_child(bench, &run, ends[1]);
        _exit(EXIT_SUCCESS);
    }
    close(ends[1]);
    take_rows(ends[0], table);
    close(ends[0]);
    return child_ended_well(bench, child);
}

static int parse_repeat(const char *text)
{
    char *end = NULL;
    long value = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < 1 || value > BENCH_REPEAT_MAX) {
        fprintf(stderr, "jzx-bench: --repeat takes 1 to %d\n", BENCH_REPEAT_MAX);
        exit(EXIT_FAILURE);
    }
    return (int)value;
}

static struct settings parse_arguments(int argc, char **argv)
{
    static const struct option options[] = {
        {"list", no_argument, NULL, 'l'},
        {"only", required_argument, NULL, 'o'},
        {"quick", no_argument, NULL, 'q'},
        {"repeat", required_argument, NULL, 'r'},
        {"json", required_argument, NULL, 'j'},
        {"kv", required_argument, NULL, 'k'},
        {"in-process", no_argument, NULL, 'i'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct settings settings = {.run = {.row_fd = -1}};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'l':
            settings.list = true;
            break;
        case 'o':
            settings.only = optarg;
            break;
        case 'q':
            settings.run.quick = true;
            break;
        case 'r':
            settings.run.repeat = parse_repeat(optarg);
            break;
        case 'j':
            settings.json_path = optarg;
            break;
        case 'k':
            settings.run.kv_path = optarg;
            break;
        case 'i':
            settings.in_process = true;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(EXIT_SUCCESS);
        default:
            fputs(usage, stderr);
            exit(EXIT_FAILURE);
        }
    }
    if (settings.run.repeat == 0) {
        settings.run.repeat = settings.run.quick ? 1 : 5;
    }
    return settings;
}

int main(int argc, char **argv)
{
    struct settings settings = parse_arguments(argc, argv);
    if (settings.list) {
        for (int i = 0; i < BENCH_COUNT; i++) {
            printf("%-18s %s\n", all_benches[i]->name, all_benches[i]->question);
        }
        return EXIT_SUCCESS;
    }
    struct table table = {0};
    bool good = true;
    int chosen = 0;
    print_machine();
    for (int i = 0; i < BENCH_COUNT; i++) {
        if (settings.only == NULL || strstr(all_benches[i]->name, settings.only) != NULL) {
            chosen++;
            good = run_bench(all_benches[i], &settings, &table) && good;
        }
    }
    if (chosen == 0) {
        fprintf(stderr, "jzx-bench: no bench has \"%s\" in its name; --list shows them\n", settings.only);
        good = false;
    }
    if (settings.json_path != NULL) {
        good = write_json(settings.json_path, &table) && good;
    }
    free(table.rows);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
