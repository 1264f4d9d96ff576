/*
 * tsdb: the time-series database from outside: what it has acknowledged is there, once, whatever has crashed.
 *
 * TSDB names the program. TSDB_SEED chooses other points and other faults.
 */
#include <criterion/criterion.h>

#include "server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { POINTS = 50000, SERIES = 12, BATCH = 50, HEADS = 3, LINE = 128, TEXT = 1 << 16 };

/* ---- the world ---- */

/* A point is known by its number, which is its time. */
enum { NOT_SENT, SENT, ACKNOWLEDGED };

struct world {
    struct server server;
    char folder[64];
    int fd; /* who puts */
    uint64_t random;
    int next;      /* the point to send next */
    int seen_down; /* replies that said that a head is down */
    int faults;
    uint8_t states[POINTS];
    uint8_t found[POINTS];
};

static struct world world;

static uint32_t draw(uint32_t below)
{
    world.random ^= world.random << 13;
    world.random ^= world.random >> 7;
    world.random ^= world.random << 17;
    return (uint32_t)(world.random >> 32) % below;
}

static double value_of(int point)
{
    return (double)point * 1.25 - 7;
}

static void run(const char *const *more)
{
    char *arguments[16] = {(char *)"tsdb", (char *)"--folder", world.folder};
    int count = 3;
    while (*more != NULL) {
        arguments[count++] = (char *)(uintptr_t)*more++;
    }
    start_with(&world.server, "TSDB", arguments);
}

/* Small segments, so that there is much to merge. */
static const char *const small[] = {"--heads", "3", "--flush", "200", "--sync", "20", NULL};

static void begin(const char *const *options)
{
    memset(&world, 0, sizeof world);
    const char *seed = getenv("TSDB_SEED");
    world.random = seed != NULL ? strtoull(seed, NULL, 10) * 2654435761u + 1 : 0x9E3779B97F4A7C15u;
    strcpy(world.folder, "/tmp/tsdb-test-XXXXXX");
    cr_assert_not_null(mkdtemp(world.folder));
    run(options);
    wait_ready(&world.server);
    world.fd = connect_to(&world.server);
}

static void end(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", world.folder);
    cr_assert_eq(system(command), 0);
}

/* ---- lines ---- */

/* What was received and not yet looked at. Empty when a whole reply was: then another connection may have its turn. */
static struct {
    int fd;
    size_t at;
    size_t size;
    char data[TEXT];
} received;

/* Receives a line, without its end. */
static void hear_line(int fd, char *line)
{
    size_t size = 0;
    cr_assert(received.at == received.size || received.fd == fd);
    received.fd = fd;
    for (;;) {
        if (received.at == received.size) {
            received.at = 0;
            received.size = hear_some(fd, received.data, sizeof received.data);
            cr_assert_gt(received.size, 0, "the connection ends after '%.*s'", (int)size, line);
        }
        cr_assert_lt(size, LINE - 1);
        line[size] = received.data[received.at++];
        if (line[size] == '\n') {
            line[size] = 0;
            return;
        }
        size++;
    }
}

/* A figure of STATS. */
static long stat_of(int fd, const char *name)
{
    char line[LINE];
    long value = -1;
    say(fd, "STATS\n");
    for (hear_line(fd, line); strcmp(line, "END") != 0; hear_line(fd, line)) {
        cr_assert_neq(strncmp(line, "AGAIN", 5), 0, "%s", line);
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ' ') {
            value = atol(line + strlen(name) + 1);
        }
    }
    return value;
}

/* ---- putting ---- */

static void send_batch(int count)
{
    char text[BATCH * LINE] = "";
    size_t size = 0;
    for (int i = 0; i < count; i++) {
        int point = world.next + i;
        size += (size_t)snprintf(text + size, sizeof text - size, "PUT s.%d %d %.17g\n", point % SERIES, point,
                                 value_of(point));
        world.states[point] = SENT;
    }
    world.next += count;
    say_bytes(world.fd, text, size);
}

/* Hears the replies to the last `count` points. No head but `down` may be down. Returns how many were not taken. */
static int hear_batch(int count, int down)
{
    char line[LINE];
    char allowed[LINE];
    int refused = 0;
    snprintf(allowed, sizeof allowed, "AGAIN head-%d is down", down);
    for (int i = 0; i < count; i++) {
        hear_line(world.fd, line);
        if (strcmp(line, "OK") == 0) {
            world.states[world.next - count + i] = ACKNOWLEDGED;
        } else {
            cr_assert_str_eq(line, allowed, "point %d, head %d was crashed: %s", world.next - count + i, down, line);
            refused++;
        }
    }
    world.seen_down += refused;
    return refused;
}

static void put(int count)
{
    while (count > 0) {
        int batch = count < BATCH ? count : BATCH;
        send_batch(batch);
        cr_assert_eq(hear_batch(batch, -1), 0);
        count -= batch;
    }
}

/* Until every series is taken again. */
static void put_until_up(int down)
{
    int refused = 1;
    while (refused != 0) {
        cr_assert_leq(world.next, POINTS - SERIES, "head %d does not come back", down);
        usleep(1000);
        send_batch(SERIES);
        refused = hear_batch(SERIES, down);
    }
}

/* ---- looking ---- */

/* Notes one line "time value" of a series. */
static void note(int series, const char *line)
{
    int point;
    double value;
    cr_assert_eq(sscanf(line, "%d %lf", &point, &value), 2, "%s", line);
    cr_assert(point >= 0 && point < POINTS && point % SERIES == series, "series %d: %s", series, line);
    cr_assert_neq(world.states[point], NOT_SENT, "point %d was never sent", point);
    cr_assert_eq(value, value_of(point), "point %d has value %g", point, value);
    world.found[point]++;
}

static void expect_all(const char *where)
{
    int found = 0;
    for (int i = 0; i < POINTS; i++) {
        cr_assert_leq(world.found[i], 1, "%s: point %d is there %d times", where, i, world.found[i]);
        cr_assert(world.states[i] != ACKNOWLEDGED || world.found[i] == 1, "%s: point %d was acknowledged and is lost",
                  where, i);
        found += world.found[i];
    }
    cr_assert_gt(found, 0);
    memset(world.found, 0, sizeof world.found);
}

/* Asks for a series until it has all. */
static void look_at_series(int fd, int series)
{
    char line[LINE];
    int from = 0;
    for (;;) {
        int last = -1;
        int count = 0;
        snprintf(line, sizeof line, "RANGE s.%d %d %d\n", series, from, POINTS);
        say(fd, line);
        for (hear_line(fd, line); line[0] >= '0' && line[0] <= '9'; hear_line(fd, line)) {
            note(series, line);
            cr_assert_gt(atoi(line), last, "not in order");
            last = atoi(line);
            count++;
        }
        if (strncmp(line, "END ", 4) == 0) {
            cr_assert_eq(atoi(line + 4), count);
            return;
        }
        cr_assert_eq(strncmp(line, "MORE ", 5), 0, "%s", line);
        from = last + 1;
    }
}

static void look_by_query(void)
{
    for (int series = 0; series < SERIES; series++) {
        look_at_series(world.fd, series);
    }
    expect_all("query");
}

/* Reads the files, by the program that knows them, while nobody serves them. */
static void look_at_files(void)
{
    char command[256];
    char line[LINE];
    snprintf(command, sizeof command, "%s --folder %s --heads %d --dump", getenv("TSDB"), world.folder, HEADS);
    FILE *dump = popen(command, "r");
    cr_assert_not_null(dump);
    while (fgets(line, sizeof line, dump) != NULL) {
        int series;
        int at;
        cr_assert_eq(sscanf(line, "s.%d %n", &series, &at), 1, "%s", line);
        note(series, line + at);
    }
    cr_assert_eq(pclose(dump), 0);
    expect_all("files");
}

/* ---- faults ---- */

/* Crashes a part on command and puts points at once. Heads that were not crashed take theirs. */
static void crash(const char *part, int head)
{
    char line[LINE] = "";
    int control = connect_to(&world.server);
    while (strcmp(line, "OK") != 0) { /* it may still be down from the last time */
        char command[LINE];
        snprintf(command, sizeof command, "CRASH %s\n", part);
        say(control, command);
        hear_line(control, line);
    }
    world.faults++;
    send_batch(BATCH);
    hear_batch(BATCH, head);
    if (head >= 0) {
        put_until_up(head);
    }
    close(control);
}

static void crash_something(void)
{
    static const char *const parts[] = {"merge 0", "merge 1", "index 0", "index 1", "metrics", "upkeep", "health"};
    char part[LINE];
    uint32_t which = draw(14);
    if (which < 7) {
        crash(parts[which], -1);
        return;
    }
    int head = (int)draw(HEADS);
    snprintf(part, sizeof part, "head %d%s", head, which < 10 ? " torn" : "");
    crash(part, head);
}

/* Kills the process while points are on their way, looks at its files, and starts it again. */
static void kill_process(void)
{
    int status;
    send_batch(BATCH);
    if (draw(2) == 0) {
        hear_batch(BATCH / 2, -1); /* of the wrong points: they are marked below */
        memset(world.states + world.next - BATCH, ACKNOWLEDGED, BATCH / 2);
        memset(world.states + world.next - BATCH / 2, SENT, BATCH / 2);
    }
    received.size = received.at = 0;
    kill(world.server.pid, SIGKILL);
    cr_assert_eq(waitpid(world.server.pid, &status, 0), world.server.pid);
    close(world.server.output);
    close(world.fd);
    look_at_files();
    run(small);
    wait_ready(&world.server);
    world.fd = connect_to(&world.server);
}

/* ---- tests ---- */

Test(tsdb, nothing_acknowledged_is_lost_whatever_crashes, .timeout = 120)
{
    begin(small);
    for (int round = 0; round < 30; round++) {
        put((int)draw(400));
        crash_something();
        if (round % 10 == 9) {
            look_by_query();
            kill_process();
            look_by_query();
        }
    }
    crash("listener", -1);
    int later = -1; /* it listens on the same port again */
    for (int tries = 0; later < 0 && tries < 1000; tries++) {
        later = try_connect(&world.server);
        usleep(later < 0 ? 5000 : 0);
    }
    cr_assert_geq(later, 0);
    look_at_series(later, 0);
    memset(world.found, 0, sizeof world.found);
    close(later);
    look_by_query();
    cr_expect_gt(world.seen_down, 0, "no head was seen down: the test shows little");
    cr_expect_gt(stat_of(world.fd, "restarts"), 0);
    stop(&world.server);
    look_at_files();
    end();
}

/* Four segments of a head are merged, which takes ten turns and more: the faults come in the middle of that. */
Test(tsdb, merges_that_are_cut_off_are_made_again, .timeout = 60)
{
    enum { ROUNDS = 3, SEGMENTS = 4, PART = 4000 };
    static const char *const by_hand[] = {"--flush", "100000", "--sync", "20", NULL};
    begin(by_hand);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < SEGMENTS; i++) {
            put(PART);
            ask(world.fd, "FLUSH\n", "OK\n");
        }
        ask(world.fd, "CRASH merge 0\nCRASH merge 1\n", "OK\nOK\n");
        for (int tries = 0; stat_of(world.fd, "merges") < (round + 1) * HEADS && tries < 2000; tries++) {
            usleep(5000);
        }
    }
    cr_expect_eq(stat_of(world.fd, "merges"), ROUNDS * HEADS);
    cr_expect_eq(stat_of(world.fd, "restarts"), 2 * ROUNDS);
    look_by_query();
    stop(&world.server);
    look_at_files();
    end();
}

Test(tsdb, memory_becomes_segments_that_are_merged_and_indexed, .timeout = 60)
{
    begin(small);
    put(12000);
    for (int tries = 0; stat_of(world.fd, "merges") < 12 && tries < 2000; tries++) {
        usleep(5000);
    }
    cr_expect_geq(stat_of(world.fd, "flushes"), 12000 / 200 - 2 * HEADS);
    cr_expect_geq(stat_of(world.fd, "merges"), 12);
    cr_expect_gt(stat_of(world.fd, "indexes"), 0);
    cr_expect_eq(stat_of(world.fd, "points"), 12000);
    cr_expect_eq(stat_of(world.fd, "restarts"), 0);
    look_by_query();
    ask(world.fd, "FLUSH\n", "OK\n");
    look_by_query();
    stop(&world.server);
    look_at_files();
    end();
}

Test(tsdb, each_command_gets_its_reply_and_nonsense_an_error, .timeout = 60)
{
    static const char *const synced[] = {"--sync", "0", NULL};
    begin(synced);
    ask(world.fd, "PUT a 1 1.5\nPUT a 2 2.5\nPUT a 1 3.5\nPUT a x 1\nPUT a 1\n",
        "OK\nOK\nOK\nERR PUT series time value\nERR PUT series time value\n");
    ask(world.fd, "RANGE a 0 10\n", "1 3.5\n2 2.5\nEND 2\n"); /* a later point takes the place of the first */
    ask(world.fd, "FLUSH\nPUT a 2 -1\nRANGE a 2 2\nRANGE a 3 9\n", "OK\nOK\n2 -1\nEND 1\nEND 0\n");
    ask(world.fd, "RANGE nobody 0 10\nRANGE a\nHELLO\n\n",
        "END 0\nERR RANGE series from to\nERR PUT, RANGE, FLUSH, STATS, HEALTH, CRASH or QUIT\n");
    ask(world.fd, "CRASH head 99\nCRASH merge 0 torn\n", "AGAIN head-99 is down\nERR CRASH part [number]\n");
    ask(world.fd, "PUT 123456789012345678901234 1 1\n", "ERR PUT series time value\n");
    char line[300];
    memset(line, 'x', sizeof line);
    say_bytes(world.fd, line, sizeof line);
    hear(world.fd, "ERR the line is too long\n");
    hear_end(world.fd);
    world.fd = connect_to(&world.server);
    say(world.fd, "PUT a 5 5\nQUIT\nPUT a 6 6\n");
    hear(world.fd, "OK\n");
    hear_end(world.fd);
    stop(&world.server);
    end();
}

/* The file in a head's folder whose name ends so; the first one. */
static bool find_file(const char *suffix, char *path, size_t size)
{
    for (int head = 0; head < HEADS; head++) {
        snprintf(path, size, "%s/head-%d", world.folder, head);
        DIR *names = opendir(path);
        cr_assert_not_null(names);
        for (const struct dirent *entry; (entry = readdir(names)) != NULL;) {
            size_t length = strlen(entry->d_name);
            if (length > 4 && strcmp(entry->d_name + length - 4, suffix) == 0) {
                snprintf(path, size, "%s/head-%d/%s", world.folder, head, entry->d_name);
                closedir(names);
                return true;
            }
        }
        closedir(names);
    }
    return false;
}

Test(tsdb, a_damaged_segment_is_said_and_not_served, .timeout = 60)
{
    static const char *const plain[] = {NULL};
    char path[512];
    begin(plain);
    ask(world.fd, "PUT a 1 1\nPUT a 2 2\nPUT a 3 3\nFLUSH\n", "OK\nOK\nOK\nOK\n");
    stop(&world.server);
    close(world.fd);
    if (find_file(".idx", path, sizeof path)) {
        unlink(path);
    }
    cr_assert(find_file(".seg", path, sizeof path));
    int fd = open(path, O_RDWR);
    cr_assert_eq(pwrite(fd, "x", 1, 48 + 48 + 33), 1); /* in a value */
    close(fd);
    run(plain);
    wait_ready(&world.server);
    world.fd = connect_to(&world.server);
    ask(world.fd, "RANGE a 0 9\nPUT a 4 4\n", "ERR head-0 has a damaged file\nOK\n");
    stop(&world.server);
    end();
}

Test(tsdb, old_segments_are_forgotten_when_asked_for, .timeout = 60)
{
    static const char *const forgetful[] = {"--retain", "1000", "--flush", "100", NULL};
    begin(forgetful);
    put(10000);
    for (int tries = 0; stat_of(world.fd, "retired") < 10 && tries < 2000; tries++) {
        usleep(5000);
    }
    cr_expect_geq(stat_of(world.fd, "retired"), 10);
    /* What is young enough is all there. */
    memset(world.states, SENT, 10000 - 1000);
    look_by_query();
    stop(&world.server);
    end();
}

Test(tsdb, health_tells_who_answers, .timeout = 60)
{
    char line[LINE];
    bool up[HEADS] = {false};
    int fresh = 0;
    begin(small);
    for (int tries = 0; fresh < HEADS && tries < 2000; tries++) {
        usleep(5000);
        say(world.fd, "HEALTH\n");
        for (hear_line(world.fd, line); strcmp(line, "END") != 0; hear_line(world.fd, line)) {
            int head;
            char state[LINE];
            if (sscanf(line, "head-%d %s", &head, state) == 2 && strcmp(state, "up") == 0 && !up[head]) {
                up[head] = true;
                fresh++;
            }
        }
    }
    cr_expect_eq(fresh, HEADS);
    stop(&world.server);
    end();
}

Test(tsdb, the_generator_puts_points_too, .timeout = 60)
{
    static const char *const generating[] = {"--generate", "5000", NULL};
    begin(generating);
    for (int tries = 0; stat_of(world.fd, "points") < 1000 && tries < 2000; tries++) {
        usleep(5000);
    }
    cr_expect_geq(stat_of(world.fd, "points"), 1000);
    stop(&world.server);
    end();
}

Test(tsdb, a_folder_has_one_user, .timeout = 60)
{
    static const char *const plain[] = {NULL};
    begin(plain);
    struct server first = world.server;
    run(plain);
    cr_expect_eq(wait_end(&world.server), 1);
    cr_expect_not_null(strstr(world.server.text, "another process uses it"), "%s", world.server.text);
    stop(&first);
    end();
}
