/*
 * echo_client.c: see echo_client.h. On a ring with DEFER_TASKRUN; each request is a send and a receive of the whole reply,
 * submitted together.
 */
#include "echo_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SENT = UINT16_MAX };

struct connection {
    int fd;
    uint64_t number; /* of the request in flight: makes each payload differ from the last */
    uint8_t *request;
    uint8_t *reply;
};

struct client {
    const echo_load *load;
    int fd;
    struct io_uring ring;
    struct connection *connections;
    uint64_t to_send; /* of this part */
    uint64_t answered;
    int reply_tick; /* when the last reply came */
};

static volatile sig_atomic_t ticks;

/* ---- in the client's process ---- */

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Tells the other process and ends. */
__attribute__((noreturn, format(printf, 2, 3))) static void fail(const struct client *client, const char *format, ...)
{
    echo_mark mark = {.requests = 0};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(mark.error, sizeof mark.error, format, arguments);
    va_end(arguments);
    send(client->fd, &mark, sizeof mark, MSG_NOSIGNAL); /* if nobody is there, nobody needs to know */
    _exit(EXIT_FAILURE);
}

static void take_word(const struct client *client, void *word, size_t size)
{
    ssize_t got;
    while ((got = recv(client->fd, word, size, 0)) < 0 && errno == EINTR) {
    }
    if (got != (ssize_t)size) {
        fail(client, "the client was told nothing");
    }
}

static int open_connection(const struct client *client, uint16_t port)
{
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        fail(client, "the client cannot connect: %s", strerror(errno));
    }
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0) {
        fail(client, "no TCP_NODELAY: %s", strerror(errno));
    }
    return fd;
}

static struct io_uring_sqe *take_entry(struct client *client)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&client->ring);
    if (entry == NULL) {
        int result = io_uring_submit(&client->ring);
        if (result < 0) {
            fail(client, "the client cannot submit: %s", strerror(-result));
        }
        entry = io_uring_get_sqe(&client->ring);
    }
    if (entry == NULL) {
        fail(client, "the client's ring is full");
    }
    return entry;
}

static void ask(struct client *client, uint32_t index)
{
    struct connection *connection = &client->connections[index];
    uint32_t size = client->load->size;
    connection->number++;
    memcpy(connection->request, &connection->number, sizeof connection->number);
    memcpy(connection->request + size - sizeof connection->number, &connection->number, sizeof connection->number);

    struct io_uring_sqe *entry = take_entry(client);
    io_uring_prep_send(entry, connection->fd, connection->request, size, MSG_WAITALL | MSG_NOSIGNAL);
    io_uring_sqe_set_data64(entry, SENT);
    entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
    entry = take_entry(client);
    io_uring_prep_recv(entry, connection->fd, connection->reply, size, MSG_WAITALL);
    io_uring_sqe_set_data64(entry, index);
    client->to_send--;
}

static void open_ring(struct client *client)
{
    struct io_uring_params parameters = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
        .cq_entries = 4096,
    };
    int result = io_uring_queue_init_params(1024, &client->ring, &parameters);
    if (result != 0) {
        fail(client, "io_uring for the client: %s", strerror(-result));
    }
}

static void open_connections(struct client *client, uint16_t port)
{
    const echo_load *load = client->load;
    client->connections = calloc(load->connections, sizeof *client->connections);
    for (uint32_t i = 0; client->connections != NULL && i < load->connections; i++) {
        struct connection *connection = &client->connections[i];
        connection->fd = open_connection(client, port);
        connection->number = (uint64_t)i << 32;
        connection->request = malloc(load->size);
        connection->reply = malloc(load->size);
        if (connection->request == NULL || connection->reply == NULL) {
            fail(client, "out of memory");
        }
        memset(connection->request, (int)(i & 0xff), load->size);
    }
    if (client->connections == NULL) {
        fail(client, "out of memory");
    }
}

static void take_reply(struct client *client, const struct io_uring_cqe *completion)
{
    uint32_t size = client->load->size;
    if (completion->user_data == SENT) {
        fail(client, "a send of the client ended with %d", completion->res);
    }
    uint32_t index = (uint32_t)completion->user_data;
    struct connection *connection = &client->connections[index];
    if (completion->res != (int)size) {
        fail(client, "a reply of the server ended with %d in the place of %u", completion->res, size);
    }
    if (memcmp(connection->request, connection->reply, size) != 0) {
        fail(client, "an echo differs from what was sent");
    }
    client->answered++;
    if (client->to_send > 0) {
        ask(client, index);
    }
}

static void on_tick(int number)
{
    (void)number;
    ticks++;
}

/* Interrupts the waits from now on. */
static void start_ticks(const struct client *client)
{
    const struct sigaction action = {.sa_handler = on_tick};
    const struct timeval interval = {client->load->silence_s, 0};
    const struct itimerval timer = {interval, interval};
    if (sigaction(SIGALRM, &action, NULL) != 0 || setitimer(ITIMER_REAL, &timer, NULL) != 0) {
        fail(client, "no timer for the client: %s", strerror(errno));
    }
}

static void take_replies(struct client *client)
{
    int result = io_uring_submit_and_wait(&client->ring, 1);
    if (result < 0 && result != -EINTR) {
        fail(client, "the client cannot wait: %s", strerror(-result));
    }
    struct io_uring_cqe *completion;
    unsigned head;
    unsigned count = 0;
    io_uring_for_each_cqe(&client->ring, head, completion) {
        take_reply(client, completion);
        count++;
    }
    io_uring_cq_advance(&client->ring, count);
    if (count > 0) {
        client->reply_tick = ticks;
    } else if (ticks - client->reply_tick > 1) {
        fail(client, "no reply came for %d s", client->load->silence_s);
    }
}

/* So many requests over all connections, from the first to the last reply. */
static void run_part(struct client *client, uint64_t requests)
{
    client->reply_tick = ticks;
    client->to_send = requests;
    client->answered = 0;
    uint64_t began_ns = now_ns();
    for (uint32_t i = 0; i < client->load->connections && client->to_send > 0; i++) {
        ask(client, i);
    }
    while (client->answered < requests) {
        take_replies(client);
    }
    echo_mark mark = {client->answered, client->answered * client->load->size, now_ns() - began_ns, ""};
    if (send(client->fd, &mark, sizeof mark, MSG_NOSIGNAL) != (ssize_t)sizeof mark) {
        _exit(EXIT_FAILURE);
    }
}

static void run_client(struct client *client)
{
    cpu_set_t set;
    uint16_t port = 0;
    char go;
    CPU_ZERO(&set);
    CPU_SET((size_t)client->load->cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) {
        fail(client, "CPU %d for the client: %s", client->load->cpu, strerror(errno));
    }
    take_word(client, &port, sizeof port);
    open_ring(client);
    open_connections(client, port);
    start_ticks(client);
    run_part(client, client->load->warm_up);
    take_word(client, &go, sizeof go);
    run_part(client, client->load->requests);
    /* Ends here: the kernel closes the connections and the server sees them go. */
}

/* ---- in the other one ---- */

bool echo_client_start(echo_client *client, const echo_load *load)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[0]);
        run_client(&(struct client){.load = load, .fd = ends[1]});
        _exit(EXIT_SUCCESS);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return false;
    }
    *client = (echo_client){pid, ends[0]};
    return true;
}

/* A client that is no longer there has said why in a mark, or leaves none: that is seen where one is taken. */
void echo_client_port(const echo_client *client, uint16_t port)
{
    send(client->fd, &port, sizeof port, MSG_NOSIGNAL);
}

void echo_client_go(const echo_client *client)
{
    send(client->fd, "g", 1, MSG_NOSIGNAL);
}

echo_mark echo_client_take(const echo_client *client)
{
    echo_mark mark;
    ssize_t got;
    while ((got = recv(client->fd, &mark, sizeof mark, 0)) < 0 && errno == EINTR) {
    }
    if (got != (ssize_t)sizeof mark) {
        mark = (echo_mark){.error = "the client ended without a word"};
    }
    return mark;
}

void echo_client_end(const echo_client *client)
{
    int status;
    close(client->fd);
    while (waitpid(client->pid, &status, 0) < 0 && errno == EINTR) {
    }
}
