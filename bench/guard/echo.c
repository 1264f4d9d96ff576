/*
 * echo.c: what the library does for a request of a TCP echo. The client is this thread too, so that what has been sent is
 * there when the loop looks, and each request takes the same turns.
 */
#include "guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SIZE = 64 };

struct echo {
    struct guard *guard;
    uint16_t port;
};

static jzx_behavior_result serve(jzx_context *context, void *state, const jzx_message *message)
{
    struct echo *echo = state;
    if (message->tag == TAG_START) {
        jzx_tcp_options options;
        jzx_tcp_options_init(&options);
        jzx_socket_id listener = 0;
        GUARD_OK(jzx_tcp_listen(context, &options, &listener));
        GUARD_OK(jzx_tcp_port(context, listener, &echo->port));
        return JZX_BEHAVIOR_OK;
    }
    const jzx_tcp_event *event = jzx_message_data(message);
    GUARD_CHECK(message->tag == JZX_TAG_SYS_TCP);
    if (event->kind == JZX_TCP_ACCEPTED) {
        GUARD_OK(jzx_tcp_read(context, event->peer));
    } else if (event->kind == JZX_TCP_DATA) {
        GUARD_OK(jzx_tcp_send(context, event->socket, event->data, event->size));
    }
    return JZX_BEHAVIOR_OK;
}

static int connect_to(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    GUARD_CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

static void turn(struct guard *guard)
{
    GUARD_OK(jzx_loop_run_once(guard->loops[0], 0));
}

/* Turns until the whole reply is there, and two turns more: its completion is taken within this request. */
static void ask(struct guard *guard, int fd, uint64_t number)
{
    uint64_t request[SIZE / sizeof(uint64_t)] = {number, 2, 3, 4};
    uint64_t reply[SIZE / sizeof(uint64_t)] = {0};
    GUARD_CHECK(send(fd, request, sizeof request, MSG_NOSIGNAL) == SIZE);
    for (int i = 0; i < 4; i++) {
        turn(guard);
    }
    while (recv(fd, reply, sizeof reply, MSG_DONTWAIT | MSG_PEEK) < SIZE) {
        turn(guard);
    }
    GUARD_CHECK(recv(fd, reply, sizeof reply, 0) == SIZE && memcmp(request, reply, sizeof reply) == 0);
    guard->done++;
}

static void run_echo(uint64_t count)
{
    struct guard guard;
    guard_open(&guard, 1, count);
    struct echo echo = {.guard = &guard};
    guard_tell(&guard, guard_spawn(&guard, 0, serve, &echo), TAG_START);
    while (echo.port == 0) {
        turn(&guard);
    }
    int fd = connect_to(echo.port);
    while (guard.done < count) {
        ask(&guard, fd, guard.done);
    }
    close(fd);
    guard_close(&guard);
}

const guard_path guard_world_paths[] = {{"echo", run_echo, 3000}, {NULL, NULL, 0}};
