/* echo_server.c: see echo_server.h. */
#include "workloads/echo_server.h"

#include "support/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum { BACKLOG = 1024 };

static void *run_thread(void *argument)
{
    const echo_thread *thread = argument;
    thread->serve(&thread->server);
    return NULL;
}

void echo_server_start(echo_thread *thread, echo_serve_fn serve, const echo_server *server)
{
    *thread = (echo_thread){.serve = serve, .server = *server};
    BENCH_CHECK(pthread_create(&thread->id, NULL, run_thread, thread) == 0, "no thread");
}

void echo_server_join(const echo_thread *thread)
{
    BENCH_CHECK(pthread_join(thread->id, NULL) == 0, "the server's thread cannot be joined");
}

int echo_listen(const echo_server *server)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    BENCH_CHECK(fd >= 0, "the server has no socket: %s", strerror(errno));
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    BENCH_CHECK(bind(fd, (struct sockaddr *)&address, size) == 0, "the server cannot bind: %s", strerror(errno));
    BENCH_CHECK(listen(fd, BACKLOG) == 0, "the server cannot listen: %s", strerror(errno));
    BENCH_CHECK(getsockname(fd, (struct sockaddr *)&address, &size) == 0, "the server has no name");
    echo_client_port(server->client, ntohs(address.sin_port));
    return fd;
}
