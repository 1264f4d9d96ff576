/*
 * kv_gather: commands on many keys when a shard does not answer in time.
 *
 * Each test starts jzx-kv on two loops with one shard each, and stops the thread of one of them, as a debugger does. So that
 * shard takes no message and answers nothing, for as long as the test likes, while the other loop serves its clients.
 * JZX_KV names the program.
 */
#include <criterion/criterion.h>

#include "server.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLIENTS = 32, STOPPED = 0, SERVED = 1 }; /* shards, of the loops that are stopped and not */

#define DEADLINE_MS "200" /* long enough for shards that run, on a busy machine too */
#define OVERDUE "-TIMEOUT a shard did not answer in time\r\n"
#define TORN_SET "-TIMEOUT some keys may be set\r\n"
#define TORN_DELETED "-TIMEOUT some keys may be deleted\r\n"

struct world {
    struct server server;
    int fds[CLIENTS];
    int fd;           /* of a client on the loop that goes on */
    char keys[2][16]; /* one of each shard */
};

/* Says commands in which @ is the key of the shard that is stopped, and # of the one that is not. */
static void say_keys(struct world *world, const char *commands)
{
    char text[1024];
    size_t size = 0;
    for (; *commands != 0; commands++) {
        const char *key = *commands == '@' ? world->keys[STOPPED] : *commands == '#' ? world->keys[SERVED] : NULL;
        size += key != NULL ? (size_t)sprintf(text + size, "%s", key) : (size_t)sprintf(text + size, "%c", *commands);
        cr_assert_lt(size, sizeof text - sizeof world->keys[0]);
    }
    say(world->fd, text);
}

static void ask_keys(struct world *world, const char *commands, const char *wanted)
{
    say_keys(world, commands);
    hear(world->fd, wanted);
}

static void open_world(struct world *world, const char *call_timeout, const char *mailbox)
{
    const char *arguments[] = {"jzx-kv",         "--port",     "0",         "--cpus", two_cpus(),
                               "--call-timeout", call_timeout, "--mailbox", mailbox,  NULL};
    memset(world, 0, sizeof *world);
    start_with(&world->server, "JZX_KV", (char *const *)(uintptr_t)arguments);
    wait_ready(&world->server);
    for (int i = 0; i < CLIENTS; i++) {
        world->fds[i] = connect_to(&world->server);
        ask(world->fds[i], "PING\r\n", "+PONG\r\n");
    }
    for (int i = 0; world->keys[STOPPED][0] == 0 || world->keys[SERVED][0] == 0; i++) {
        char command[32];
        char reply[8] = "";
        snprintf(command, sizeof command, "DEBUG SHARD k%d\r\n", i);
        say(world->fds[0], command);
        for (size_t got = 0; got < 4;) {
            got += hear_some(world->fds[0], reply + got, 4 - got);
        }
        snprintf(world->keys[reply[1] - '0'], sizeof world->keys[0], "k%d", i);
    }
    world->fd = world->fds[0];
    ask_keys(world, "SET @ 1\r\nSET # 2\r\n", "+OK\r\n+OK\r\n");
}

static void close_world(struct world *world)
{
    for (int i = 0; i < CLIENTS; i++) {
        if (world->fds[i] >= 0) {
            close(world->fds[i]);
        }
    }
    stop(&world->server);
}

/* The first loop runs on the first thread. Skips the test where a process may not trace its child. */
static void stop_loop(struct world *world)
{
    struct pollfd polled[CLIENTS];
    if (ptrace(PTRACE_SEIZE, world->server.pid, NULL, NULL) != 0) {
        cr_skip_test("ptrace: %s", strerror(errno));
    }
    cr_assert_eq(ptrace(PTRACE_INTERRUPT, world->server.pid, NULL, NULL), 0);
    cr_assert_eq(waitpid(world->server.pid, NULL, __WALL), world->server.pid);
    for (int i = 0; i < CLIENTS; i++) {
        say(world->fds[i], "PING\r\n");
        polled[i] = (struct pollfd){world->fds[i], POLLIN, 0};
    }
    cr_assert_gt(poll(polled, CLIENTS, WAIT_MS), 0, "no client is on the loop that goes on");
    int served = 0;
    while (polled[served].revents == 0) {
        served++;
    }
    world->fd = world->fds[served];
    hear(world->fd, "+PONG\r\n");
}

static void resume_loop(struct world *world)
{
    cr_assert_eq(ptrace(PTRACE_DETACH, world->server.pid, NULL, NULL), 0);
}

static long call_timeouts(struct world *world)
{
    char reply[4096];
    size_t got = 0;
    const char *found;
    say(world->fd, "INFO\r\n");
    do {
        size_t more = hear_some(world->fd, reply + got, sizeof reply - 1 - got);
        cr_assert_gt(more, 0);
        got += more;
        reply[got] = 0;
    } while (got != strcspn(reply, "\n") + 1 + (size_t)atol(reply + 1) + 2);
    cr_assert_not_null(found = strstr(reply, "call_timeouts:"));
    return atol(found + strlen("call_timeouts:"));
}

Test(kv_gather, a_shard_that_does_not_answer_in_time_is_an_error, .timeout = 60)
{
    static struct world world;
    open_world(&world, DEADLINE_MS, "1024");
    stop_loop(&world);
    ask_keys(&world, "MGET # @ #\r\n", "*3\r\n$1\r\n2\r\n" OVERDUE "$1\r\n2\r\n");
    resume_loop(&world);
    ask_keys(&world, "GET @\r\nGET #\r\n", "$1\r\n1\r\n$1\r\n2\r\n");
    close_world(&world);
}

Test(kv_gather, each_command_says_what_it_may_have_done, .timeout = 60)
{
    static struct world world;
    open_world(&world, DEADLINE_MS, "1024");
    stop_loop(&world);
    long before = call_timeouts(&world); /* it asks all shards as well */
    ask_keys(&world, "MSET @ 3 # 4\r\n", TORN_SET);
    ask_keys(&world, "EXISTS @ #\r\n", OVERDUE);
    ask_keys(&world, "TOUCH # @\r\n", OVERDUE);
    ask_keys(&world, "DBSIZE\r\n", OVERDUE);
    ask_keys(&world, "DEL # @\r\n", TORN_DELETED);
    ask_keys(&world, "UNLINK # @\r\n", TORN_DELETED);
    ask_keys(&world, "FLUSHALL\r\n", TORN_DELETED);
    ask_keys(&world, "MSET # 5 # 6\r\nMGET # #\r\n", "+OK\r\n*2\r\n$1\r\n6\r\n$1\r\n6\r\n"); /* not of that shard */
    cr_assert_eq(call_timeouts(&world), before + 8);
    resume_loop(&world);
    ask_keys(&world, "GET @\r\n", "$1\r\n1\r\n"); /* what waited there when its time was up is never done */
    close_world(&world);
}

Test(kv_gather, replies_of_a_pipeline_keep_their_order_and_places, .timeout = 60)
{
    static struct world world;
    open_world(&world, DEADLINE_MS, "1024");
    stop_loop(&world);
    ask_keys(&world, "PING a\r\nINCR #\r\nMSET @ 7 # 8\r\nGET @\r\nGET #\r\nMGET @ #\r\nPING b\r\n",
             "$1\r\na\r\n:3\r\n" TORN_SET OVERDUE "$1\r\n8\r\n*2\r\n" OVERDUE "$1\r\n8\r\n$1\r\nb\r\n");
    resume_loop(&world);
    close_world(&world);
}

/* What comes after a deadline is done after what came before it, and waits for its shard if it has no deadline. */
Test(kv_gather, later_commands_come_after, .timeout = 60)
{
    static struct world world;
    open_world(&world, DEADLINE_MS, "1024");
    stop_loop(&world);
    ask_keys(&world, "MSET @ 3 # 4\r\n", TORN_SET);
    say_keys(&world, "INCR @\r\nGET @\r\nGET #\r\n");
    resume_loop(&world);
    hear(world.fd, ":2\r\n$1\r\n2\r\n$1\r\n4\r\n");
    close_world(&world);
}

/* No deadline: as long as it takes. */
Test(kv_gather, without_a_deadline_it_waits, .timeout = 60)
{
    static struct world world;
    open_world(&world, "0", "1024");
    stop_loop(&world);
    say_keys(&world, "MGET @ #\r\n");
    struct pollfd polled = {world.fd, POLLIN, 0};
    cr_assert_eq(poll(&polled, 1, 100), 0, "it is answered without the shard");
    resume_loop(&world);
    hear(world.fd, "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
    close_world(&world);
}

/* A client that goes while its shard is stopped: what it asked for is given back, and the server ends in order. */
Test(kv_gather, a_client_may_go_before_the_end, .timeout = 60)
{
    static struct world world;
    open_world(&world, DEADLINE_MS, "1024");
    stop_loop(&world);
    int fd = world.fd;
    for (int i = 0; i < CLIENTS; i++) {
        world.fd = world.fds[i];
        say_keys(&world, "MSET @ 5 # 5\r\nMGET @ #\r\n");
        close(world.fds[i]);
        world.fds[i] = -1;
    }
    world.fd = fd;
    resume_loop(&world);
    close_world(&world);
}

/* Deadlines as near as answers, and shards that refuse: each reply is whole, and one of the two that it may be. */
Test(kv_gather, answers_and_deadlines_that_race_lose_nothing, .timeout = 100)
{
    enum { ROUNDS = 100, VALUE = 20000 };
    static struct world world;
    open_world(&world, "1", "1");
    char *value = malloc(VALUE + 1);
    memset(value, 'v', VALUE);
    value[VALUE] = 0;
    for (int i = 0; i < ROUNDS; i++) {
        for (int k = 0; k < CLIENTS; k++) {
            say(world.fds[k], "MSET ");
            say(world.fds[k], world.keys[STOPPED]);
            say(world.fds[k], " ");
            say(world.fds[k], value);
            say(world.fds[k], " ");
            say(world.fds[k], world.keys[SERVED]);
            say(world.fds[k], " 1\r\nPING\r\n");
        }
        for (int k = 0; k < CLIENTS; k++) {
            char reply[64] = "";
            for (size_t got = 0; strstr(reply, "+PONG\r\n") == NULL; got = strlen(reply)) {
                cr_assert_gt(hear_some(world.fds[k], reply + got, sizeof reply - 1 - got), 0);
            }
            cr_assert(strcmp(reply, "+OK\r\n+PONG\r\n") == 0 || strcmp(reply, TORN_SET "+PONG\r\n") == 0, "%s", reply);
        }
    }
    free(value);
    ask_keys(&world, "GET #\r\n", "$1\r\n1\r\n");
    close_world(&world);
    cr_assert_null(strstr(world.server.text, "refused requests 0,"), "no shard has refused: %s", world.server.text);
}
