/*
 * echo.c: the TCP echo on libuv. One buffer for all connections, since what is read is written before the next read; what the
 * kernel does not take at once (uv_try_write()) is copied into a request of its own.
 *
 * The server has a thread on the second CPU, as uv_run() does not return while it serves.
 */
#include "peer.h"

#include "echo_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

enum { BACKLOG = 1024, BUFFER_SIZE = 65536, SILENCE_S = 10 };

struct server {
    const echo_client *client;
    uint32_t connections;
    uint32_t ended;
    int cpu;
    uv_loop_t loop;
    uv_tcp_t listener;
    char buffer[BUFFER_SIZE];
};

struct rest {
    uv_write_t request;
    char data[];
};

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void on_rest_written(uv_write_t *request, int status)
{
    (void)status; /* a client that has gone is seen by its read */
    free(request->data);
}

static void write_rest(uv_stream_t *stream, const char *data, size_t size)
{
    struct rest *rest = malloc(sizeof *rest + size);
    peer_check(rest != NULL, "malloc");
    memcpy(rest->data, data, size);
    rest->request.data = rest;
    uv_buf_t piece = uv_buf_init(rest->data, (unsigned)size);
    peer_check(uv_write(&rest->request, stream, &piece, 1, on_rest_written) == 0, "uv_write");
}

static void lend_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct server *server = handle->loop->data;
    (void)suggested;
    *buffer = uv_buf_init(server->buffer, sizeof server->buffer);
}

static void end_connection(uv_stream_t *stream)
{
    struct server *server = stream->loop->data;
    uv_close((uv_handle_t *)stream, on_closed);
    if (++server->ended == server->connections) {
        uv_close((uv_handle_t *)&server->listener, NULL);
    }
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    if (size < 0) {
        end_connection(stream);
        return;
    }
    uv_buf_t piece = uv_buf_init(buffer->base, (unsigned)size);
    int written = size > 0 ? uv_try_write(stream, &piece, 1) : 0;
    if (written == UV_EAGAIN) {
        written = 0;
    }
    if (written >= 0 && written < size) {
        write_rest(stream, buffer->base + written, (size_t)(size - written));
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    uv_tcp_t *connection = malloc(sizeof *connection);
    peer_check(status == 0 && connection != NULL, "a connection");
    uv_tcp_init(listener->loop, connection);
    peer_check(uv_accept(listener, (uv_stream_t *)connection) == 0, "uv_accept");
    uv_tcp_nodelay(connection, 1);
    peer_check(uv_read_start((uv_stream_t *)connection, lend_buffer, on_read) == 0, "uv_read_start");
}

static void listen_here(struct server *server)
{
    struct sockaddr_in address;
    int size = sizeof address;
    uv_ip4_addr("127.0.0.1", 0, &address);
    peer_check(uv_tcp_init(&server->loop, &server->listener) == 0, "uv_tcp_init");
    peer_check(uv_tcp_bind(&server->listener, (struct sockaddr *)&address, 0) == 0, "uv_tcp_bind");
    peer_check(uv_listen((uv_stream_t *)&server->listener, BACKLOG, on_connection) == 0, "uv_listen");
    peer_check(uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &size) == 0, "uv_tcp_getsockname");
    echo_client_port(server->client, ntohs(address.sin_port));
}

static void *serve(void *argument)
{
    struct server *server = argument;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)server->cpu, &set);
    peer_check(sched_setaffinity(0, sizeof set, &set) == 0, "the CPU of the server");
    peer_check(uv_loop_init(&server->loop) == 0, "uv_loop_init");
    server->loop.data = server;
    listen_here(server);
    uv_run(&server->loop, UV_RUN_DEFAULT); /* until the last connection and the listener are closed */
    peer_check(uv_loop_close(&server->loop) == 0, "uv_loop_close");
    return NULL;
}

static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static echo_mark take(const echo_client *client)
{
    echo_mark mark = echo_client_take(client);
    if (mark.error[0] != '\0') {
        peer_invalid("%s", mark.error);
    }
    return mark;
}

void echo_measure(const peer_run *run, uint32_t connections, uint32_t size)
{
    static struct server server;
    const echo_load load = {connections, size, run->count / 10 + connections, run->count, run->cpus[0], SILENCE_S};
    echo_client client;
    pthread_t thread;
    peer_check(echo_client_start(&client, &load), "the start of the client");
    server = (struct server){.client = &client, .connections = connections, .cpu = run->cpus[1]};
    peer_check(pthread_create(&thread, NULL, serve, &server) == 0, "pthread_create");
    take(&client);
    uint64_t cpu_began_ns = cpu_ns();
    echo_client_go(&client);
    echo_mark mark = take(&client);
    uint64_t cpu_took_ns = cpu_ns() - cpu_began_ns;
    echo_client_end(&client);
    pthread_join(thread, NULL);
    double requests = (double)mark.requests;
    peer_say(run, "time time %llu %llu", (unsigned long long)mark.took_ns, (unsigned long long)mark.requests);
    peer_say(run, "figure rate req/s higher %.9g", requests * 1e9 / (double)mark.took_ns);
    peer_say(run, "figure cpu us/req lower %.9g", (double)cpu_took_ns / requests / 1000);
    peer_say(run, "proof requests %llu", (unsigned long long)mark.requests);
    peer_say(run, "proof bytes %llu", (unsigned long long)mark.bytes);
}
