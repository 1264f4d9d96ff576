/*
 * tsdb: a small time-series database, to show how a program is built as a tree of supervisors over real work on real files.
 *
 *   build/examples/tsdb/example-tsdb --folder /tmp/points --port 4000
 *   nc localhost 4000
 *
 * A client sends lines and gets a reply to each, in order. Text is a line "END" behind the rest:
 *
 *   PUT series time value        OK, when the point is in the log; AGAIN head-1 is down, while its head is restarted
 *   RANGE series from to         "time value" for each point, then END count, or MORE count: ask again from the last + 1
 *   FLUSH                        memory into segment files
 *   STATS, HEALTH                what was done; who answers
 *   CRASH part [number [torn]]   a fault on command: head 1, head 1 torn (within an append), merge, index 1, metrics, upkeep,
 *                                health, listener, generator
 *   QUIT
 *
 * Who is who: tree.c is the tree. What travels: a point from connection.c to the head of its series, into wal.c and
 * memory.c, then a segment.c; merger.c and indexer.c work on segments when heads ask them to; folder.h says why a crash at
 * any moment loses nothing that was acknowledged, and shows nothing twice. names.c is how the parts find each other.
 *
 * libjzx has no file operations yet, so those here are plain pread and fdatasync, and they block. A handler that blocks
 * holds up its whole loop: that is why all actors that touch files live on a loop of their own, and nobody else does.
 * Clients are on the other one, which never blocks: it goes on to accept, parse, and say who is down or late.
 */
#include "tsdb.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static struct tsdb tsdb; /* global for the signal handler */

static const char usage[] = "usage: example-tsdb [options]\n"
                            "  --folder PATH    where the files are (tsdb-files)\n"
                            "  --port P         listen on this port of 127.0.0.1 (0: any)\n"
                            "  --heads N        parts of the series, the same at each start (3)\n"
                            "  --flush N        points in memory before they become a segment (4096)\n"
                            "  --sync MS        the log is on the disk so long after an OK; 0: before it (0)\n"
                            "  --no-sync        whenever the system likes\n"
                            "  --retain T       forget segments so far behind the newest point (0: never)\n"
                            "  --generate N     make N points a second (0)\n"
                            "  --dump           print the points in the files, and end\n"
                            "It ends on SIGTERM or SIGINT.\n";

static const struct option option_names[] = {
    {"folder", required_argument, NULL, 'd'},
    {"port", required_argument, NULL, 'p'},
    {"heads", required_argument, NULL, 'h'},
    {"flush", required_argument, NULL, 'f'},
    {"sync", required_argument, NULL, 's'},
    {"no-sync", no_argument, NULL, 'n'},
    {"retain", required_argument, NULL, 'r'},
    {"generate", required_argument, NULL, 'g'},
    {"dump", no_argument, NULL, 'D'},
    {"help", no_argument, NULL, '?'},
    {NULL, 0, NULL, 0},
};

static uint64_t number(const char *text, uint64_t least, uint64_t most)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *end != 0 || *text < '0' || *text > '9' || value < least || value > most) {
        fprintf(stderr, "tsdb: '%s' is no number from %llu to %llu\n", text, (unsigned long long)least,
                (unsigned long long)most);
        exit(2);
    }
    return value;
}

static void set_option(struct tsdb_options *options, int name, bool *dump)
{
    switch (name) {
    case 'd':
        options->folder = optarg;
        break;
    case 'p':
        options->port = (uint16_t)number(optarg, 0, UINT16_MAX);
        break;
    case 'h':
        options->heads = (uint32_t)number(optarg, 1, HEADS_MAX);
        break;
    case 'f':
        options->flush_points = (uint32_t)number(optarg, 1, 1000000);
        break;
    case 's':
        options->sync_ns = number(optarg, 0, 3600000) * 1000000;
        break;
    case 'n':
        options->sync_ns = JZX_FOREVER;
        break;
    case 'r':
        options->retain = (int64_t)number(optarg, 0, INT64_MAX);
        break;
    case 'g':
        options->rate = (uint32_t)number(optarg, 0, 10000);
        break;
    case 'D':
        *dump = true;
        break;
    default:
        fputs(usage, stderr);
        exit(2);
    }
}

/* Two processes in one folder would each believe to be alone. */
static bool lock_folder(const char *path)
{
    if (mkdir(path, 0755) != 0 && errno != EEXIST) {
        fprintf(stderr, "tsdb: %s: %s\n", path, strerror(errno));
        return false;
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* open until the process ends, and with it the lock */
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0) {
        fprintf(stderr, "tsdb: %s: %s\n", path, errno == EWOULDBLOCK ? "another process uses it" : strerror(errno));
        return false;
    }
    return true;
}

static void on_signal(int signal_number)
{
    (void)signal_number;
    jzx_runtime_request_stop(tsdb.runtime); /* async-signal-safe */
}

static jzx_err set_up(void)
{
    jzx_config config;
    jzx_config_init(&config);
    config.loops_max = LOOPS;
    config.slow_handler_ns = 0; /* handlers of the loop of files take as long as the disk */
    jzx_err err = jzx_runtime_create(&config, &tsdb.runtime);
    for (int i = 0; i < LOOPS && err == JZX_OK; i++) {
        jzx_loop *loop;
        err = jzx_loop_create(tsdb.runtime, NULL, &loop);
        err = err != JZX_OK ? err : tsdb_observe(&tsdb, loop);
    }
    return err != JZX_OK ? err : tsdb_tree_start(&tsdb);
}

/* A tree that could not start, or failed too often, ends the runs: this says which part it was. */
static void explain(jzx_err err)
{
    jzx_exit_info exit;
    jzx_start_failure failure;
    fprintf(stderr, "tsdb: %s\n", jzx_strerror(err));
    if (err == JZX_ERR_ESCALATED && jzx_runtime_escalation(tsdb.runtime, &exit, &failure) == JZX_OK) {
        if (failure.err != JZX_OK) {
            fprintf(stderr, "tsdb: cannot start %s: %s\n", failure.name,
                    jzx_strerror(failure.err == JZX_ERR_INIT ? failure.code : failure.err));
        } else {
            fprintf(stderr, "tsdb: a part of it failed too often, the last time with '%s'\n", exit.text);
        }
    }
}

static jzx_err run(void)
{
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    signal(SIGPIPE, SIG_IGN);
    jzx_err err = jzx_loop_start(jzx_runtime_loop(tsdb.runtime, FILE_LOOP));
    err = err != JZX_OK ? err : jzx_loop_run(jzx_runtime_loop(tsdb.runtime, NETWORK_LOOP));
    jzx_err stopped = jzx_runtime_shutdown(tsdb.runtime, JZX_FOREVER, NULL);
    return err != JZX_OK ? err : stopped;
}

int main(int count, char **arguments)
{
    bool dump = false;
    int name;
    tsdb.options = (struct tsdb_options){.folder = "tsdb-files", .heads = 3, .flush_points = 4096};
    while ((name = getopt_long(count, arguments, "", option_names, NULL)) != -1) {
        set_option(&tsdb.options, name, &dump);
    }
    if (!lock_folder(tsdb.options.folder)) {
        return 1;
    }
    if (dump) {
        return tsdb_dump(&tsdb) ? 0 : 1;
    }
    jzx_err err = set_up();
    err = err != JZX_OK ? err : run();
    if (err != JZX_OK) {
        explain(err);
    }
    jzx_runtime_destroy(tsdb.runtime);
    return err == JZX_OK ? 0 : 1;
}
