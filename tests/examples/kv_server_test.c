/*
 * kv_server: the program jzx-kv from outside, over sockets of its clients.
 *
 * Each test starts a server of its own on a free port, on two loops unless it says otherwise. JZX_KV names the program.
 */
#include <criterion/criterion.h>

#include "server.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 16, CLIENTS_MAX = 1000 };

/* ---- the server ---- */

static void collect(struct server *server, va_list more, const char *first, char **arguments)
{
    (void)server;
    int count = 0;
    arguments[count++] = (char *)"jzx-kv";
    for (const char *next = first; next != NULL && count < ARGUMENTS_MAX - 1; next = va_arg(more, const char *)) {
        arguments[count++] = (char *)(uintptr_t)next;
    }
    arguments[count] = NULL;
}

/* Starts a server with the arguments given, `--port 0` and two loops before them, and waits until it is ready. */
static void start(struct server *server, const char *first, ...)
{
    char *given[ARGUMENTS_MAX];
    char *arguments[ARGUMENTS_MAX + 4] = {(char *)"jzx-kv", (char *)"--port", (char *)"0", (char *)"--cpus",
                                          (char *)(uintptr_t)two_cpus()};
    va_list more;
    va_start(more, first);
    collect(server, more, first, given);
    va_end(more);
    for (int i = 1, to = 5; i < ARGUMENTS_MAX; i++, to++) {
        arguments[to] = given[i];
        if (given[i] == NULL) {
            break;
        }
    }
    start_with(server, "JZX_KV", arguments);
    wait_ready(server);
}

/* A number that stands behind a word in the last thing the server said. */
static long counter(const struct server *server, const char *word)
{
    const char *found = strstr(server->text, word);
    cr_assert_not_null(found, "no %s in: %s", word, server->text);
    return atol(found + strlen(word));
}

static void expect_refusal(int status, const char *message, const char *first, ...)
{
    struct server server;
    char *arguments[ARGUMENTS_MAX];
    va_list more;
    va_start(more, first);
    collect(&server, more, first, arguments);
    va_end(more);
    start_with(&server, "JZX_KV", arguments);
    cr_expect_eq(wait_end(&server), status, "%s %s: %s", first, arguments[2], server.text);
    cr_expect_not_null(strstr(server.text, message), "%s: %s", first, server.text);
}

static long resident_kb(const struct server *server)
{
    char path[64];
    char line[128];
    long kb = -1;
    snprintf(path, sizeof path, "/proc/%d/status", server->pid);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0) {
            kb = atol(line + 6);
        }
    }
    fclose(file);
    cr_assert_geq(kb, 0);
    return kb;
}

/* ---- a client ---- */

static int connect_many(const struct server *server, int *fds, int wanted)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int i = 0; i < wanted; i++) {
        fds[i] = connect_to(server);
    }
    return wanted;
}

static void close_many(const int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        close(fds[i]);
    }
}

/* A whole bulk reply, as text in `reply`. */
static void ask_bulk(int fd, const char *command, char *reply, size_t room)
{
    size_t got = 0;
    say(fd, command);
    for (;;) {
        reply[got] = 0;
        char *end = strstr(reply, "\r\n");
        if (end != NULL && got == (size_t)(end + 2 - reply) + (size_t)atol(reply + 1) + 2) {
            return;
        }
        size_t more = hear_some(fd, reply + got, room - 1 - got);
        cr_assert_gt(more, 0);
        got += more;
    }
}

static long info(int fd, const char *field)
{
    char reply[4096];
    ask_bulk(fd, "INFO\r\n", reply, sizeof reply);
    const char *found = strstr(reply, field);
    cr_assert_not_null(found, "no %s in INFO: %s", field, reply);
    return atol(found + strlen(field));
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool memory_is_plain = false; /* a sanitizer's own memory is in the figures */
#else
static const bool memory_is_plain = true;
#endif

/* ---- the command line ---- */

Test(kv_server, a_wrong_option_says_what_would_be_right, .timeout = 60)
{
    expect_refusal(2, "--port takes a number from 0 to 65535, not '65536'", "--port", "65536", NULL);
    expect_refusal(2, "--port takes a number from 0 to 65535, not '0x10'", "--port", "0x10", NULL);
    expect_refusal(2, "requires an argument", "--port", NULL);
    expect_refusal(2, "--cpus takes up to 255 CPU numbers like 0,1, not '0,'", "--cpus", "0,", NULL);
    expect_refusal(2, "--cpus takes up to 255 CPU numbers like 0,1, not ''", "--cpus", "", NULL);
    expect_refusal(2, "--cpus takes up to 255 CPU numbers like 0,1, not '-1'", "--cpus", "-1", NULL);
    expect_refusal(2, "--mailbox takes a number from 1 to 8192, not '0'", "--mailbox", "0", NULL);
    expect_refusal(2, "--linger-us takes a number", "--linger-us", "-5", NULL);
    expect_refusal(2, "--max-value takes a number", "--max-value", "1", NULL);
    expect_refusal(2, "--max-clients takes a number", "--max-clients", "0", NULL);
    expect_refusal(2, "--timeout takes a number", "--timeout", "soon", NULL);
    expect_refusal(2, "--call-timeout takes a number", "--call-timeout", "-1", NULL);
    expect_refusal(2, "--push-soft takes a number", "--push-soft", "8mb", NULL);
    expect_refusal(2, "--push-soft-time takes a number", "--push-soft-time", "", NULL);
    expect_refusal(2, "2 loops with 600 shards each are more than 1024", "--cpus", "0,0", "--shards-per-loop", "600",
                   NULL);
    expect_refusal(2, "--help lists the options", "--nosuch", NULL);
    expect_refusal(2, "'extra' is not an option", "extra", NULL);
    expect_refusal(0, "--mailbox N", "--help", NULL);
}

Test(kv_server, what_cannot_be_had_is_named, .timeout = 60)
{
    struct server server;
    char port[16];
    expect_refusal(1, "cannot create a loop on CPU 1000: the CPU does not exist or is not allowed", "--port", "0",
                   "--cpus", "1000", NULL);
    expect_refusal(1, "cannot listen on 192.0.2.1 port 6379: ", "--bind", "192.0.2.1", NULL);
    expect_refusal(1, "cannot listen on somewhere port 6379: invalid argument", "--bind", "somewhere", NULL);
    start(&server, NULL);
    snprintf(port, sizeof port, "%u", server.port);
    expect_refusal(1, "the address is in use", "--port", port, NULL);
    /* Both would share the port among loops, and so with each other. */
    expect_refusal(1, "the address is in use", "--port", port, "--cpus", two_cpus(), NULL);
    stop(&server);
}

/* ---- the protocol ---- */

Test(kv_server, commands_come_inline_pipelined_and_in_single_bytes, .timeout = 60)
{
    struct server server;
    start(&server, NULL);
    int fd = connect_to(&server);
    ask(fd, "PING\r\n", "+PONG\r\n");
    ask(fd, "\r\n\r\nset a 'one word'\n", "+OK\r\n");
    ask(fd, "GET a\r\n", "$8\r\none word\r\n");
    ask(fd, "ECHO \"\\x41\\n\"\r\n", "$2\r\nA\n\r\n");
    ask(fd, "*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\nDEL a b\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n",
        "+PONG\r\n$8\r\none word\r\n:1\r\n$-1\r\n");
    for (const char *at = "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$5\r\n12\r\n3\r\nINCR n\r\n"; *at != 0; at++) {
        say_bytes(fd, at, 1);
    }
    hear(fd, "+OK\r\n:1\r\n");
    ask(fd, "GET b\r\n", "$5\r\n12\r\n3\r\n");
    ask(fd, "QUIT\r\nPING\r\n", "+OK\r\n");
    hear_end(fd);
    stop(&server);
    cr_assert_eq(counter(&server, "dead letters "), 0);
}

Test(kv_server, malformed_input_gets_an_error_and_the_end, .timeout = 60)
{
    static const char *const cases[][2] = {
        {"*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
        {"*2000000\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
        {"*1\r\n$x\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
        {"*1\r\n$-5\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
        {"*1\r\nPING\r\n", "-ERR Protocol error: expected '$', got 'P'\r\n"},
        {"GET 'a\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"},
        {"PING\r\n*1\r\n:1\r\n", "+PONG\r\n-ERR Protocol error: expected '$', got ':'\r\n"},
    };
    struct server server;
    start(&server, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = connect_to(&server);
        ask(fd, cases[i][0], cases[i][1]);
        hear_end(fd);
    }
    int fd = connect_to(&server);
    char *line = malloc(70000);
    memset(line, 'a', 70000);
    say_bytes(fd, line, 70000);
    hear(fd, "-ERR Protocol error: too big inline request\r\n");
    close(fd);
    free(line);
    stop(&server);
}

Test(kv_server, a_value_over_the_limit_is_refused, .timeout = 60)
{
    struct server server;
    start(&server, "--max-value", "1000", NULL);
    char value[1001];
    memset(value, 'v', sizeof value);
    int fd = connect_to(&server);
    say(fd, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1000\r\n");
    say_bytes(fd, value, 1000);
    ask(fd, "\r\n", "+OK\r\n");
    ask(fd, "STRLEN a\r\n", ":1000\r\n");
    ask(fd, "CONFIG GET proto-max-bulk-len\r\n", "*2\r\n$18\r\nproto-max-bulk-len\r\n$4\r\n1000\r\n");
    /* Refused by its announced size, before it comes. */
    ask(fd, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1001\r\n", "-ERR Protocol error: invalid bulk length\r\n");
    hear_end(fd);
    stop(&server);
}

/* Asks for parameters, and hears these words and no others, in this order. */
static void expect_config(int fd, const char *patterns, const char *const *words)
{
    char command[128];
    char wanted[1024];
    int count = 0;
    int size = 0;
    while (words[count] != NULL) {
        count++;
    }
    size += snprintf(wanted, sizeof wanted, "*%d\r\n", count);
    for (int i = 0; i < count; i++) {
        size += snprintf(wanted + size, sizeof wanted - (size_t)size, "$%zu\r\n%s\r\n", strlen(words[i]), words[i]);
    }
    snprintf(command, sizeof command, "CONFIG GET %s\r\n", patterns);
    ask(fd, command, wanted);
}

Test(kv_server, config_tells_each_option, .timeout = 60)
{
    static const char *const cases[][3] = {
        {"--bind", "bind", "127.0.0.1"},
        {"--timeout", "timeout", "77"},
        {"--max-clients", "maxclients", "12"},
        {"--max-value", "proto-max-bulk-len", "1234"},
        {"--linger-us", "linger-us", "3"},
        {"--call-timeout", "call-timeout", "4321"},
        {"--mailbox", "mailbox", "99"},
        {"--shards-per-loop", "shards-per-loop", "2"},
        {"--subscriptions", "subscriptions", "1000"},
        {"--push-max", NULL, "30000"},
        {"--push-soft", NULL, "20000"},
        {"--push-soft-time", NULL, "5"},
    };
    enum { CASES = sizeof cases / sizeof cases[0] };
    char *arguments[2 * CASES + 7] = {"jzx-kv",          "--port", "0", "--cpus", (char *)(uintptr_t)two_cpus(),
                                      "--debug-listener"};
    for (size_t i = 0; i < CASES; i++) {
        arguments[6 + 2 * i] = (char *)(uintptr_t)cases[i][0];
        arguments[7 + 2 * i] = (char *)(uintptr_t)cases[i][2];
    }
    struct server server;
    start_with(&server, "JZX_KV", arguments);
    wait_ready(&server);
    int fd = connect_to(&server);
    for (size_t i = 0; i < CASES; i++) {
        if (cases[i][1] != NULL) {
            expect_config(fd, cases[i][1], (const char *[]){cases[i][1], cases[i][2], NULL});
        }
    }
    char port[8];
    snprintf(port, sizeof port, "%u", server.port);
    expect_config(fd, "port", (const char *[]){"port", port, NULL});
    expect_config(fd, "server_cpulist", (const char *[]){"server_cpulist", two_cpus(), NULL});
    expect_config(fd, "debug-listener", (const char *[]){"debug-listener", "yes", NULL});
    expect_config(
        fd, "client-output-buffer-limit",
        (const char *[]){"client-output-buffer-limit", "normal 0 0 0 slave 0 0 0 pubsub 30000 20000 5", NULL});
    /* Each pattern is for all names, in letters of any case, and no name is told twice. */
    expect_config(fd, "nosuch max[cb]LIEN?s TIMEOUT *time*t client-MAIL*[^b]",
                  (const char *[]){"timeout", "77", "maxclients", "12", "call-timeout", "4321", "client-mailbox",
                                   "4096", "client-mailbox-bytes", "67108864", NULL});
    close(fd);
    stop(&server);
}

Test(kv_server, config_tells_no_limit_as_zero, .timeout = 60)
{
    struct server server;
    start(&server, "--timeout", "0", "--call-timeout", "0", "--push-soft", "0", "--push-soft-time", "0", NULL);
    int fd = connect_to(&server);
    expect_config(fd, "*timeout client-output*",
                  (const char *[]){"timeout", "0", "client-output-buffer-limit",
                                   "normal 0 0 0 slave 0 0 0 pubsub 33554432 0 0", "call-timeout", "0", NULL});
    close(fd);
    stop(&server);
}

Test(kv_server, config_says_that_nothing_can_be_set, .timeout = 60)
{
    struct server server;
    start(&server, NULL, NULL);
    int fd = connect_to(&server);
    ask(fd, "CONFIG SET Timeout 1\r\n",
        "-ERR CONFIG SET failed (possibly related to argument 'Timeout') - can't set immutable config\r\n");
    ask(fd, "CONFIG SET call-timeout 1 nosuch 2\r\n",
        "-ERR CONFIG SET failed (possibly related to argument 'call-timeout') - can't set immutable config\r\n");
    ask(fd, "CONFIG SET time* 1\r\n", "-ERR Unknown option or number of arguments for CONFIG SET - 'time*'\r\n");
    ask(fd, "CONFIG SET timeout 1 port\r\n", "-ERR syntax error\r\n");
    ask(fd, "CONFIG SET timeout\r\n", "-ERR wrong number of arguments for 'config|set' command\r\n");
    expect_config(fd, "timeout", (const char *[]){"timeout", "0", NULL});
    close(fd);
    stop(&server);
}

Test(kv_server, a_client_over_the_limit_is_told_so, .timeout = 60)
{
    struct server server;
    start(&server, "--max-clients", "2", NULL);
    int first = connect_to(&server);
    int second = connect_to(&server);
    ask(first, "PING\r\n", "+PONG\r\n");
    ask(second, "PING\r\n", "+PONG\r\n");
    int third = connect_to(&server);
    hear(third, "-ERR max number of clients reached\r\n");
    hear_end(third);
    ask(second, "QUIT\r\n", "+OK\r\n");
    hear_end(second);
    while (info(first, "connected_clients:") != 1) {
        sched_yield();
    }
    second = connect_to(&server);
    ask(second, "PING\r\n", "+PONG\r\n");
    close(first);
    close(second);
    stop(&server);
}

Test(kv_server, more_clients_than_the_soft_limit_are_served, .timeout = 60)
{
    enum { CLIENTS = 200 };
    struct server server;
    int fds[CLIENTS];
    soft_descriptors = 64;
    start(&server, NULL);
    int count = connect_many(&server, fds, CLIENTS);
    for (int i = 0; i < count; i++) {
        ask(fds[i], "PING\r\n", "+PONG\r\n");
    }
    close_many(fds, count);
    stop(&server);
}

/* Where not even the hard limit allows that, those who come too late are served when others have gone. The loop turns one
 * away each time it finds no descriptor. */
Test(kv_server, clients_without_a_descriptor_wait_for_one, .timeout = 60)
{
    enum { CLIENTS = 100 };
    struct server server;
    int fds[CLIENTS];
    soft_descriptors = hard_descriptors = 64;
    start(&server, NULL);
    cr_expect_not_null(strstr(server.text, "64 descriptors are allowed"), "%s", server.text);
    int count = connect_many(&server, fds, CLIENTS);
    for (int i = 0; i < count; i++) {
        say(fds[i], "PING\r\n");
    }
    int answered = 0;
    int turned_away = 0;
    while (answered + turned_away < count) {
        struct pollfd polled[CLIENTS];
        for (int i = 0; i < count; i++) {
            polled[i] = (struct pollfd){fds[i], POLLIN, 0};
        }
        cr_assert_gt(poll(polled, CLIENTS, WAIT_MS), 0, "nobody is served after %d", answered);
        for (int i = 0; i < count; i++) {
            char reply[16] = "";
            if (polled[i].revents != 0) {
                bool end = hear_some(fds[i], reply, sizeof reply - 1) == 0;
                cr_expect(end || strcmp(reply, "+PONG\r\n") == 0, "%s", reply);
                answered += !end;
                turned_away += end;
                close(fds[i]);
                fds[i] = -1;
            }
        }
    }
    stop(&server);
    cr_expect_eq(counter(&server, "connections "), answered);
    cr_expect_geq(answered, CLIENTS - 20, "%d turned away", turned_away);
}

Test(kv_server, a_silent_client_is_closed_when_asked_for, .timeout = 60)
{
    struct server server;
    start(&server, "--timeout", "1", NULL);
    int fd = connect_to(&server);
    ask(fd, "PING\r\n", "+PONG\r\n");
    hear_end(fd);
    stop(&server);
}

/* ---- time ---- */

Test(kv_server, keys_expire_also_when_nobody_asks, .timeout = 60)
{
    enum { SIZE = 32 << 20 };
    struct server server;
    start(&server, "--max-value", "33554432", NULL);
    int fd = connect_to(&server);
    long before_kb = resident_kb(&server);
    char *value = malloc(SIZE);
    memset(value, 'v', SIZE);
    ask(fd, "SET short x PX 1\r\nSET always y\r\n", "+OK\r\n+OK\r\n");
    say(fd, "*5\r\n$3\r\nSET\r\n$1\r\na\r\n$33554432\r\n");
    say_bytes(fd, value, SIZE);
    ask(fd, "\r\n$2\r\nPX\r\n$4\r\n4000\r\n", "+OK\r\n"); /* time to look before it ends, on a busy machine too */
    if (memory_is_plain) {
        cr_assert_gt(resident_kb(&server), before_kb + SIZE / 1024 - 1024);
        /* No command touches the key: only the shard's timer can give the memory back. */
        while (resident_kb(&server) > before_kb + SIZE / 1024 / 2) {
            sched_yield();
        }
    }
    while (info(fd, "keys=") != 1) { /* `always` is left */
        sched_yield();
    }
    ask(fd, "GET a\r\n", "$-1\r\n");
    ask(fd, "EXISTS a short\r\n", ":0\r\n");
    ask(fd, "DBSIZE\r\n", ":1\r\n");
    free(value);
    close(fd);
    stop(&server);
}

/* ---- memory ---- */

Test(kv_server, idle_and_slow_clients_cost_little, .timeout = 60)
{
    struct server server;
    int fds[CLIENTS_MAX];
    start(&server, NULL);
    int other = connect_to(&server);
    ask(other, "PING\r\n", "+PONG\r\n");
    long before_kb = resident_kb(&server);
    int count = connect_many(&server, fds, CLIENTS_MAX);
    while (info(other, "connected_clients:") != count + 1) {
        sched_yield();
    }
    for (int i = 0; i < count; i++) {
        say(fds[i], "PING\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1000\r\nbegun");
    }
    for (int i = 0; i < count; i++) {
        hear(fds[i], "+PONG\r\n");
    }
    if (memory_is_plain) {
        /* 2 KB each at most, and the receive buffers, 4 MiB a loop, which are touched on the way. */
        cr_expect_lt(resident_kb(&server) - before_kb, 2L * count + 8 * 1024, "%ld KB for %d clients",
                     resident_kb(&server) - before_kb, count);
    }
    close_many(fds, count);
    close(other);
    stop(&server);
    cr_assert_eq(counter(&server, "dead letters "), 0);
}

Test(kv_server, clients_that_do_not_read_hold_bounded_memory, .timeout = 120)
{
    enum { CLIENTS = 50, VALUE = 50000, ROUNDS = 200 };
    struct server server;
    int fds[CLIENTS];
    char *value = malloc(VALUE);
    memset(value, 'v', VALUE);
    start(&server, NULL);
    int other = connect_to(&server);
    say(other, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$50000\r\n");
    say_bytes(other, value, VALUE);
    ask(other, "\r\n", "+OK\r\n");
    long before_kb = resident_kb(&server);
    int count = connect_many(&server, fds, CLIENTS);
    /* Each asks for 200 x 100 x 50,000 bytes, a gigabyte, as far as it can send. */
    char gets[100 * 7 + 1] = "";
    for (int i = 0; i < 100; i++) {
        memcpy(gets + i * 7, "GET a\r\n", 8);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < count; i++) {
            (void)!send(fds[i], gets, sizeof gets - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        }
        ask(other, "PING\r\n", "+PONG\r\n"); /* the server serves others meanwhile */
    }
    if (memory_is_plain) {
        /* For each client: replies of each shard, what is put together of them, the backlog; for all, send chunks. */
        cr_expect_lt(resident_kb(&server) - before_kb, 512L * CLIENTS + 64 * 1024, "%ld KB more",
                     resident_kb(&server) - before_kb);
    }
    /* One that begins to read after all gets what it asked for. */
    size_t got = 0;
    char *reply = malloc(VALUE);
    while (got < 100 * (VALUE + 10)) {
        size_t more = hear_some(fds[0], reply, VALUE);
        cr_assert_gt(more, 0);
        got += more;
    }
    free(reply);
    free(value);
    close_many(fds, count);
    close(other);
    stop(&server);
    cr_assert_eq(counter(&server, "dead letters "), 0);
}

/* ---- a shard that refuses ---- */

/* Clients that all send at once to shards whose mailbox takes one request. */
static void load_refusing(struct server *server)
{
    enum { CLIENTS = 100, ROUNDS = 20, INCREMENTS = 64 };
    int fds[CLIENTS];
    int count = connect_many(server, fds, CLIENTS);
    char command[64];
    char wanted[1024];
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < count; i++) {
            char batch[2048] = "";
            for (int n = 0; n < INCREMENTS; n++) {
                snprintf(command, sizeof command, "INCR key:%d:%d\r\n", i, n % 8);
                strcat(batch, command);
            }
            say(fds[i], batch);
        }
        for (int i = 0; i < count; i++) {
            wanted[0] = 0;
            for (int n = 0; n < INCREMENTS; n++) {
                snprintf(command, sizeof command, ":%d\r\n", round * INCREMENTS / 8 + n / 8 + 1);
                strcat(wanted, command);
            }
            hear(fds[i], wanted);
        }
    }
    cr_expect_gt(info(fds[0], "refused_requests:"), 0);
    cr_expect_gt(info(fds[0], "resume_notices:"), 0);
    close_many(fds, count);
    stop(server);
    cr_expect_gt(counter(server, "refused requests "), 0);
    cr_expect_gt(counter(server, "pauses "), 0);
    cr_expect_gt(counter(server, "resume notices "), 0);
    cr_assert_eq(counter(server, "dead letters "), 0);
}

Test(kv_server, a_refused_client_waits_and_loses_nothing, .timeout = 120)
{
    struct server server;
    start(&server, "--mailbox", "1", NULL);
    int fd = connect_to(&server);
    cr_expect_eq(info(fd, "loops:"), 2);
    cr_expect_eq(info(fd, "shards:"), 2);
    close(fd);
    load_refusing(&server);
}

/* That a mailbox refuses at all shows that requests go by message there too. */
Test(kv_server, one_loop_asks_its_shard_by_message_as_well, .timeout = 120)
{
    struct server server;
    char cpu[32];
    snprintf(cpu, sizeof cpu, "%.*s", (int)strcspn(two_cpus(), ","), two_cpus());
    start(&server, "--mailbox", "1", "--cpus", cpu, NULL);
    int fd = connect_to(&server);
    cr_expect_eq(info(fd, "loops:"), 1);
    close(fd);
    load_refusing(&server);
}

/* ---- faults on command ---- */

enum { KEYS = 64 };

static int shard_of(int fd, const char *key)
{
    char command[64];
    char reply[32] = "";
    snprintf(command, sizeof command, "DEBUG SHARD %s\r\n", key);
    say(fd, command);
    for (size_t got = 0; strchr(reply, '\n') == NULL;) {
        got += hear_some(fd, reply + got, sizeof reply - 1 - got);
    }
    cr_assert_eq(reply[0], ':', "%s", reply);
    return atoi(reply + 1);
}

/* One reply to GET of a value of one byte: the value, 0 for none, '-' for an error, which must be the right one. */
static char hear_value(int fd)
{
    char reply[64] = "";
    size_t got = 0;
    while (got < 5 || (reply[0] == '$' && reply[1] == '1' && got < 7) || (reply[0] == '-' && reply[got - 1] != '\n')) {
        got += hear_some(fd, reply + got, 1);
    }
    if (reply[0] == '-') {
        cr_assert_str_eq(reply, "-TRYAGAIN shard restarting\r\n");
        return '-';
    }
    return reply[1] == '1' ? reply[4] : 0;
}

static char get_value(int fd, int key)
{
    char command[32];
    snprintf(command, sizeof command, "GET k%d\r\n", key);
    say(fd, command);
    return hear_value(fd);
}

/* Keys k0 to k63 with values of one byte. Notes the shard of each. */
static void set_keys(int fd, int *shards)
{
    char key[32];
    char command[64];
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "k%d", i);
        snprintf(command, sizeof command, "SET k%d %c\r\n", i, 'A' + i % 26);
        ask(fd, command, "+OK\r\n");
        shards[i] = shard_of(fd, key);
    }
}

/* Waits until the shard of k0 answers. Meanwhile it refuses at once, and all others answer. */
static void wait_restarted(int fd, const int *shards)
{
    while (get_value(fd, 0) == '-') {
        for (int i = 0; i < KEYS; i++) {
            char value = get_value(fd, i);
            cr_assert(shards[i] == shards[0] || value == 'A' + i % 26, "k%d of shard %d: %c", i, shards[i], value);
        }
    }
}

Test(kv_server, a_shard_that_fails_costs_its_own_keys_only, .timeout = 60)
{
    struct server server;
    int shards[KEYS];
    start(&server, "--shards-per-loop", "4", NULL);
    int fd = connect_to(&server);
    set_keys(fd, shards);
    for (int round = 1; round <= 3; round++) {
        ask(fd, "DEBUG CRASH k0\r\n", "+OK\r\n");
        while (get_value(fd, 0) != '-') { /* it may live on another loop, which hears of it a little later */
        }
        wait_restarted(fd, shards);
        int lost = 0;
        for (int i = 0; i < KEYS; i++) {
            lost += shards[i] == shards[0];
            cr_assert_eq(get_value(fd, i), shards[i] == shards[0] ? 0 : 'A' + i % 26, "k%d", i);
        }
        cr_expect_gt(lost, 0);
        cr_expect_lt(lost, KEYS);
        cr_expect_eq(info(fd, "shard_restarts:"), round);
        cr_expect_geq(info(fd, "last_restart_us:"), 20000L << (round - 1), "the pause of restart %d", round);
        ask(fd, "SET k0 A\r\n", "+OK\r\n");
    }
    close(fd);
    stop(&server);
}

Test(kv_server, a_shard_that_is_down_is_an_error_in_each_command, .timeout = 60)
{
    struct server server;
    int shards[KEYS];
    char command[256];
    char wanted[256];
    int kept = 1;
    start(&server, "--shards-per-loop", "4", NULL);
    int fd = connect_to(&server);
    set_keys(fd, shards);
    while (shards[kept] == shards[0]) {
        kept++;
    }
    ask(fd, "DEBUG CRASH k0\r\n", "+OK\r\n");
    while (get_value(fd, 0) != '-') {
    }
    /* Restarts have a pause of 20 ms and more: all this comes before it ends. */
    snprintf(command, sizeof command,
             "MGET k0 k%d\r\nEXISTS k0 k%d\r\nMSET k0 1 k%d B\r\nDBSIZE\r\nFLUSHALL\r\nPING\r\n", kept, kept, kept);
    snprintf(wanted, sizeof wanted, "*2\r\n%s$1\r\n%c\r\n%s%s%s%s+PONG\r\n", "-TRYAGAIN shard restarting\r\n",
             'A' + kept % 26, "-TRYAGAIN shard restarting\r\n", "-TRYAGAIN shard restarting\r\n",
             "-TRYAGAIN shard restarting\r\n", "-TRYAGAIN shard restarting\r\n");
    ask(fd, command, wanted);
    cr_expect_eq(info(fd, "shards:"), 8);
    while (get_value(fd, 0) == '-') {
    }
    ask(fd, "DBSIZE\r\n", ":0\r\n"); /* the others were flushed */
    close(fd);
    stop(&server);
}

/* What is on its way to a shard when that fails, and what comes behind, is answered: done, lost, or without the keys. */
Test(kv_server, requests_under_way_to_a_failing_shard_are_answered, .timeout = 60)
{
    enum { CLIENTS = 20, GETS = 100 };
    struct server server;
    int shards[KEYS];
    int fds[CLIENTS];
    int refused = 0;
    char gets[GETS * 8 + 1] = "";
    start(&server, "--shards-per-loop", "4", NULL);
    int fd = connect_to(&server);
    set_keys(fd, shards);
    connect_many(&server, fds, CLIENTS);
    for (int i = 0; i < GETS; i++) {
        strcat(gets, "GET k0\r\n");
    }
    for (int i = 0; i < CLIENTS; i++) {
        say(fds[i], gets);
        if (i == CLIENTS / 2) {
            say(fd, "DEBUG CRASH k0\r\n");
        }
        say(fds[i], gets);
    }
    hear(fd, "+OK\r\n");
    for (int i = 0; i < CLIENTS; i++) {
        for (int n = 0; n < 2 * GETS; n++) {
            refused += hear_value(fds[i]) == '-';
        }
    }
    while (refused == 0 && get_value(fd, 0) != '-') { /* all of it was quicker than the request to fail */
    }
    close_many(fds, CLIENTS);
    wait_restarted(fd, shards);
    close(fd);
    stop(&server);
}

Test(kv_server, a_connection_that_fails_costs_only_itself, .timeout = 60)
{
    enum { CRASHES = 500 };
    struct server server;
    start(&server, NULL);
    int other = connect_to(&server);
    ask(other, "SET a 1\r\n", "+OK\r\n");
    for (int i = 0; i < CRASHES; i++) { /* far more than any intensity allows */
        int fd = connect_to(&server);
        say(fd, "PING\r\nDEBUG CRASH connection\r\nPING\r\n");
        if (i % 2 != 0) {
            hear(fd, "+PONG\r\n");
            hear_end(fd);
        } else {
            close(fd);
        }
        ask(other, "GET a\r\n", "$1\r\n1\r\n");
    }
    cr_expect_eq(info(other, "shard_restarts:"), 0);
    while (info(other, "connected_clients:") != 1) {
        sched_yield();
    }
    while (info(other, "total_connections_received:") != CRASHES + 1) {
        sched_yield();
    }
    close(other);
    stop(&server);
}

Test(kv_server, a_listener_that_fails_listens_again_and_its_clients_stay, .timeout = 60)
{
    struct server server;
    char cpu[32];
    snprintf(cpu, sizeof cpu, "%.*s", (int)strcspn(two_cpus(), ","), two_cpus());
    start(&server, "--cpus", cpu, "--debug-listener", NULL);
    int fd = connect_to(&server);
    for (int round = 0; round < 3; round++) {
        ask(fd, "DEBUG CRASH listener\r\n", "+OK\r\n");
        int later = -1;
        while (later < 0) { /* refused, or accepted by the one that fails and closed */
            later = try_connect(&server);
            char reply[8] = "";
            if (later >= 0 && (send(later, "PING\r\n", 6, MSG_NOSIGNAL) != 6 || hear_some(later, reply, 7) != 7)) {
                close(later);
                later = -1;
            }
        }
        ask(fd, "PING\r\n", "+PONG\r\n");
        close(later);
    }
    close(fd);
    stop(&server);
}

/* That the listener fails too often is for whoever runs the server: it ends, and says why. */
Test(kv_server, a_listener_that_fails_too_often_ends_the_server, .timeout = 60)
{
    struct server server;
    start(&server, "--debug-listener", NULL);
    int fd = connect_to(&server);
    char reply[64];
    do {
        (void)!send(fd, "DEBUG CRASH listener\r\n", 22, MSG_NOSIGNAL);
    } while (hear_some(fd, reply, sizeof reply) != 0);
    cr_expect_eq(wait_end(&server), 1);
    cr_expect_not_null(strstr(server.text, "failed too often"), "%s", server.text);
    close(fd);
}

/* Where that is not allowed it is a key like any other. */
Test(kv_server, no_client_can_spend_the_restarts_of_the_listener, .timeout = 60)
{
    struct server server;
    start(&server, NULL);
    int fd = connect_to(&server);
    for (int i = 0; i < 100; i++) {
        char reply[64];
        say(fd, "DEBUG CRASH listener\r\n");
        cr_assert_gt(hear_some(fd, reply, sizeof reply), 0);
    }
    int later = connect_to(&server);
    ask(later, "PING\r\n", "+PONG\r\n");
    close(later);
    close(fd);
    stop(&server);
}

/* Clients that come while it fails are served or let go, and none of their places is lost. */
Test(kv_server, a_listener_that_fails_forgets_no_client, .timeout = 60)
{
    enum { PLACES = 40, BURST = 30 };
    struct server server;
    int fds[PLACES];
    char reply[8];
    char cpu[32];
    snprintf(cpu, sizeof cpu, "%.*s", (int)strcspn(two_cpus(), ","), two_cpus());
    start(&server, "--cpus", cpu, "--max-clients", "40", "--debug-listener", NULL);
    int fd = connect_to(&server);
    for (int round = 0; round < 5; round++) {
        say(fd, "DEBUG CRASH listener\r\n"); /* handled between the first and the last of these */
        for (int i = 0; i < BURST; i++) {
            fds[i] = try_connect(&server);
        }
        hear(fd, "+OK\r\n");
        for (int i = 0; i < BURST; i++) {
            close(fds[i]);
        }
        for (bool up = false; !up;) {
            int later = try_connect(&server);
            up = later >= 0 && send(later, "PING\r\n", 6, MSG_NOSIGNAL) == 6 && hear_some(later, reply, 7) == 7;
            close(later);
        }
    }
    while (info(fd, "connected_clients:") != 1) {
        sched_yield();
    }
    for (int i = 1; i < PLACES; i++) {
        fds[i] = connect_to(&server);
        ask(fds[i], "PING\r\n", "+PONG\r\n");
    }
    int over = connect_to(&server);
    hear(over, "-ERR max number of clients reached\r\n");
    hear_end(over);
    close_many(fds + 1, PLACES - 1);
    close(fd);
    stop(&server);
}

/* ---- the end ---- */

/* Reads to the end of the connection: replies to INCR, whole and without a gap. Returns how many. */
static long hear_increments(int fd, long from)
{
    char data[65536];
    size_t kept = 0;
    long next = from;
    for (;;) {
        size_t more = hear_some(fd, data + kept, sizeof data - 1 - kept);
        if (more == 0) {
            break;
        }
        data[kept + more] = 0;
        char *at = data;
        for (char *end; (end = strstr(at, "\r\n")) != NULL; at = end + 2) {
            cr_assert_eq(at[0], ':');
            cr_assert_eq(atol(at + 1), ++next, "%.20s", at);
        }
        kept = strlen(at);
        memmove(data, at, kept);
    }
    cr_assert_eq(kept, 0, "half a reply at the end");
    return next - from;
}

Test(kv_server, sigterm_in_mid_pipeline_ends_in_order, .timeout = 60)
{
    enum { INCREMENTS = 20000 };
    struct server server;
    start(&server, NULL);
    int idle = connect_to(&server);
    int half = connect_to(&server);
    int busy = connect_to(&server);
    ask(idle, "PING\r\n", "+PONG\r\n");
    say(half, "*2\r\n$3\r\nGET\r\n$100\r\nbegun");
    while (info(idle, "connected_clients:") != 3) {
        sched_yield();
    }
    char *commands = malloc(INCREMENTS * 8 + 1);
    for (int i = 0; i < INCREMENTS; i++) {
        memcpy(commands + i * 8, "INCR n\r\n", 8);
    }
    pid_t writer = fork(); /* what is sent is more than the socket holds */
    cr_assert_geq(writer, 0);
    if (writer == 0) {
        for (size_t at = 0; at < INCREMENTS * 8;) {
            ssize_t sent = send(busy, commands + at, INCREMENTS * 8 - at, MSG_NOSIGNAL);
            if (sent <= 0) {
                break;
            }
            at += (size_t)sent;
        }
        _exit(0);
    }
    hear(busy, ":1\r\n");
    kill(server.pid, SIGTERM);
    long replies = 1 + hear_increments(busy, 1);
    hear_end(idle);
    hear_end(half);
    cr_assert_eq(wait_end(&server), 0, "%s", server.text);
    waitpid(writer, NULL, 0);
    cr_expect_eq(counter(&server, "connections "), 3);
    cr_expect_geq(counter(&server, "commands "), replies + 1);
    cr_assert_eq(counter(&server, "dead letters "), 0);
    free(commands);
    close(busy);
}

/* A client with replies that it does not read; the server is stopped by `signals`. Returns how long that took. */
static uint64_t stop_with_reader_away(const int *signals)
{
    struct server server;
    start(&server, NULL);
    int fd = connect_to(&server);
    char value[60000];
    memset(value, 'v', sizeof value);
    say(fd, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$60000\r\n");
    say_bytes(fd, value, sizeof value);
    ask(fd, "\r\n", "+OK\r\n");
    for (int i = 0; i < 2000; i++) {
        (void)!send(fd, "GET a\r\n", 7, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    struct pollfd polled = {fd, POLLIN, 0};
    cr_assert_eq(poll(&polled, 1, WAIT_MS), 1);
    struct timespec before;
    struct timespec after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    for (; *signals != 0; signals++) {
        kill(server.pid, *signals);
    }
    cr_assert_eq(wait_end(&server), 0, "%s", server.text);
    clock_gettime(CLOCK_MONOTONIC, &after);
    close(fd);
    return (uint64_t)(after.tv_sec - before.tv_sec) * 1000 + (uint64_t)(after.tv_nsec / 1000000) -
           (uint64_t)(before.tv_nsec / 1000000);
}

Test(kv_server, sigterm_does_not_wait_for_ever_for_one_that_does_not_read, .timeout = 60)
{
    static const int once[] = {SIGTERM, 0};
    static const int twice[] = {SIGTERM, SIGINT, 0};
    uint64_t patient_ms = stop_with_reader_away(once);
    uint64_t hasty_ms = stop_with_reader_away(twice);
    cr_expect_lt(hasty_ms + 1500, patient_ms, "%lu ms by two signals, %lu by one", hasty_ms, patient_ms);
}
