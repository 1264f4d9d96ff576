/* echo_client: what it says of servers that do as they should, and of those that do not. */
#include "bench/workloads/echo_client.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SIZE = 64, WARM_UP = 3, REQUESTS = 20, WRONG_AT = 10 };

/* A server of one connection; what it does with the request number WRONG_AT. */
typedef enum server_fault {
    FAULT_NONE,
    FAULT_CHANGES, /* one byte */
    FAULT_CUTS,    /* answers half and ends */
    FAULT_ENDS,
    FAULT_IS_SILENT,
} server_fault;

struct server {
    int listener;
    server_fault fault;
};

static int listen_here(uint16_t *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert(bind(fd, (struct sockaddr *)&address, size) == 0 && listen(fd, 1) == 0);
    cr_assert(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* How much of a request is answered; what is 0 ends the connection. */
static size_t answer(server_fault fault, uint8_t *request)
{
    if (fault == FAULT_CHANGES) {
        request[SIZE / 2] ^= 1;
    }
    return fault == FAULT_CUTS ? SIZE / 2 : fault == FAULT_ENDS ? 0 : SIZE;
}

static void *serve(void *argument)
{
    const struct server *server = argument;
    uint8_t request[SIZE];
    int fd = accept(server->listener, NULL, NULL);
    for (int number = 1; recv(fd, request, SIZE, MSG_WAITALL) == SIZE; number++) {
        server_fault fault = number == WRONG_AT ? server->fault : FAULT_NONE;
        size_t size = answer(fault, request);
        if (fault != FAULT_IS_SILENT) {
            send(fd, request, size, MSG_NOSIGNAL);
        }
        if (size < SIZE) {
            break;
        }
    }
    close(fd);
    return NULL;
}

static int any_cpu(void)
{
    cpu_set_t set;
    cr_assert_eq(sched_getaffinity(0, sizeof set, &set), 0);
    int cpu = 0;
    while (!CPU_ISSET((size_t)cpu, &set)) {
        cpu++;
    }
    return cpu;
}

/* The mark of the measured part. */
static echo_mark load_server(server_fault fault)
{
    const echo_load load = {
        .connections = 1, .size = SIZE, .warm_up = WARM_UP, .requests = REQUESTS, .cpu = any_cpu(), .silence_s = 1};
    echo_client client;
    uint16_t port;
    pthread_t thread;
    cr_assert(echo_client_start(&client, &load));
    struct server server = {listen_here(&port), fault};
    cr_assert_eq(pthread_create(&thread, NULL, serve, &server), 0);
    echo_client_port(&client, port);
    echo_mark mark = echo_client_take(&client);
    cr_assert_str_empty(mark.error);
    cr_assert_eq(mark.requests, WARM_UP);
    echo_client_go(&client);
    mark = echo_client_take(&client);
    echo_client_end(&client);
    pthread_join(thread, NULL);
    close(server.listener);
    return mark;
}

Test(echo_client, counts_what_was_answered)
{
    echo_mark mark = load_server(FAULT_NONE);
    cr_assert_str_empty(mark.error);
    cr_assert_eq(mark.requests, REQUESTS);
    cr_assert_eq(mark.bytes, REQUESTS * SIZE);
    cr_assert(mark.took_ns > 0);
}

Test(echo_client, refuses_a_reply_that_differs_in_one_bit)
{
    cr_assert_str_eq(load_server(FAULT_CHANGES).error, "an echo differs from what was sent");
}

Test(echo_client, refuses_a_reply_that_is_cut)
{
    cr_assert_str_eq(load_server(FAULT_CUTS).error, "a reply of the server ended with 32 in the place of 64");
}

Test(echo_client, refuses_a_connection_that_ends)
{
    cr_assert_str_eq(load_server(FAULT_ENDS).error, "a reply of the server ended with 0 in the place of 64");
}

Test(echo_client, refuses_a_server_that_is_silent)
{
    cr_assert_str_eq(load_server(FAULT_IS_SILENT).error, "no reply came for 1 s");
}

Test(echo_client, says_that_nobody_listens)
{
    const echo_load load = {.connections = 1, .size = SIZE, .warm_up = 1, .requests = 1, .cpu = any_cpu()};
    echo_client client;
    uint16_t port;
    cr_assert(echo_client_start(&client, &load));
    close(listen_here(&port));
    echo_client_port(&client, port);
    cr_assert_str_eq(echo_client_take(&client).error, "the client cannot connect: Connection refused");
    echo_client_end(&client);
}

Test(echo_client, says_that_the_cpu_cannot_be_had)
{
    const echo_load load = {.connections = 1, .size = SIZE, .warm_up = 1, .requests = 1, .cpu = CPU_SETSIZE - 1};
    echo_client client;
    cr_assert(echo_client_start(&client, &load));
    cr_assert_str_eq(echo_client_take(&client).error, "CPU 1023 for the client: Invalid argument");
    echo_client_end(&client);
}
