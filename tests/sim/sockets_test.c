/*
 * sockets: the simulated network by itself, without a runtime: what its calls return and what polls say is what Linux does
 * with TCP over loopback, and each fault comes at its occasions.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "sim/machine.h"
#include "sim/net.h"

enum { PORT = 7000, EVERYTHING = -1 };
static const uint64_t SECOND = 1000000000;

static jzx_sim *sim;

static void set_up(void)
{
    cr_assert_eq(jzx_sim_create(1, NULL, &sim), JZX_OK);
}

static void tear_down(void)
{
    cr_assert_eq(jzx_sim_destroy(sim), JZX_OK);
}

/* Lets happen what happens in the next `ns`. */
static void pass(uint64_t ns)
{
    uint64_t until_ns = jzx__sim_clock(sim) + ns;
    for (;;) {
        uint64_t next_ns = jzx__sim_net_next_ns(sim);
        if (jzx__sim_net_step(sim)) {
            continue;
        }
        if (next_ns > until_ns) {
            break;
        }
        jzx__sim_clock_add(sim, next_ns - jzx__sim_clock(sim));
    }
    jzx__sim_clock_add(sim, until_ns - jzx__sim_clock(sim));
}

static void inject(jzx_sim_fault fault, uint64_t after, uint64_t times, uint64_t amount)
{
    jzx_sim_injection injection = {fault, after, times, amount};
    cr_assert_eq(jzx_sim_inject(sim, &injection), JZX_OK);
}

static struct sockaddr_in at_host(uint32_t host, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(host);
    return address;
}

static struct sockaddr_in at(uint16_t port)
{
    return at_host(INADDR_LOOPBACK, port);
}

static int open_one(void)
{
    int fd = jzx__sim_socket_open(sim, AF_INET);
    cr_assert_geq(fd, JZX__SIM_FD_FIRST);
    return fd;
}

static int option(int fd, int name)
{
    int on = 1;
    return jzx__sim_socket_option(sim, fd, SOL_SOCKET, name, &on, sizeof on);
}

static int bind_one(int fd, struct sockaddr_in address)
{
    return jzx__sim_socket_bind(sim, fd, (const struct sockaddr *)&address, sizeof address);
}

static int listener(uint16_t port, int backlog)
{
    int fd = open_one();
    cr_assert_eq(option(fd, SO_REUSEADDR), 0);
    cr_assert_eq(bind_one(fd, at(port)), 0);
    cr_assert_eq(jzx__sim_socket_listen(sim, fd, backlog), 0);
    return fd;
}

static int connect_to(int fd, struct sockaddr_in address)
{
    return jzx__sim_socket_connect(sim, fd, (const struct sockaddr *)&address, sizeof address);
}

/* A connection: the end that connected, and the one that was accepted. */
static void join(int fds[2])
{
    int listens = listener(PORT, 8);
    fds[0] = open_one();
    cr_assert_eq(connect_to(fds[0], at(PORT)), -EINPROGRESS);
    pass(SECOND);
    cr_assert_eq(connect_to(fds[0], at(PORT)), 0);
    fds[1] = jzx__sim_socket_accept(sim, listens);
    cr_assert_geq(fds[1], JZX__SIM_FD_FIRST);
    cr_assert_eq(jzx__sim_socket_close(sim, listens), 0);
}

static ssize_t send_text(int fd, const char *text)
{
    struct iovec part = {(void *)(uintptr_t)text, strlen(text)};
    return jzx__sim_socket_send(sim, fd, &part, 1);
}

static ssize_t receive(int fd)
{
    uint8_t bytes[64];
    return jzx__sim_socket_receive(sim, fd, bytes, sizeof bytes);
}

static int polled(int fd)
{
    return jzx__sim_socket_poll(sim, fd, POLLIN | POLLOUT | POLLRDHUP);
}

static void close_one(int fd)
{
    cr_assert_eq(jzx__sim_socket_close(sim, fd), 0);
}

static void abort_one(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    cr_assert_eq(jzx__sim_socket_option(sim, fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    close_one(fd);
}

static uint32_t connections(void)
{
    const jzx__sim_net *net = jzx__sim_net_of(sim);
    uint32_t count = 0;
    for (const jzx__list *node = net->connections.next; node != &net->connections; node = node->next) {
        count++;
    }
    return count;
}

TestSuite(sockets, .init = set_up, .fini = tear_down, .timeout = 60);

/* ---- numbers ---- */

Test(sockets, the_lowest_number_is_given_again)
{
    int a = open_one();
    int b = open_one();
    int c = open_one();
    cr_assert_eq(a, JZX__SIM_FD_FIRST);
    cr_assert_eq(b, a + 1);
    cr_assert_eq(c, b + 1);
    close_one(b);
    close_one(a);
    cr_assert_eq(open_one(), a);
    cr_assert_eq(open_one(), b);
    cr_assert_eq(open_one(), c + 1);
    cr_assert_eq(jzx__sim_fd_count(sim), 4);
    cr_assert_eq(jzx__sim_net_open(sim), 4);
}

Test(sockets, what_is_no_socket_is_refused)
{
    int nothing = jzx__sim_fd_open(sim, JZX__SIM_FD_NOTHING, NULL);
    int fd = open_one();
    close_one(fd);
    cr_assert_eq(receive(fd), -EBADF);
    cr_assert_eq(receive(nothing), -ENOTSOCK);
    cr_assert_eq(send_text(fd, "a"), -EBADF);
    cr_assert_eq(jzx__sim_socket_accept(sim, nothing), -ENOTSOCK);
    cr_assert_eq(jzx__sim_socket_listen(sim, fd, 1), -EBADF);
    cr_assert_eq(bind_one(fd, at(1)), -EBADF);
    cr_assert_eq(connect_to(nothing, at(1)), -ENOTSOCK);
    cr_assert_eq(jzx__sim_socket_shutdown(sim, fd, SHUT_RD), -EBADF);
    cr_assert_eq(jzx__sim_socket_close(sim, fd), -EBADF);
    cr_assert_eq(jzx__sim_socket_poll(sim, fd, POLLIN), POLLNVAL);
    cr_assert_eq(option(fd, SO_REUSEADDR), -EBADF);
    cr_assert_eq(jzx__sim_socket_open(sim, AF_UNIX), -EAFNOSUPPORT);
}

/* ---- addresses ---- */

Test(sockets, an_address_is_taken_once)
{
    int first = listener(PORT, 8);
    int plain = open_one();
    cr_assert_eq(bind_one(plain, at(PORT)), -EADDRINUSE);
    cr_assert_eq(option(plain, SO_REUSEADDR), 0);
    cr_assert_eq(bind_one(plain, at(PORT)), -EADDRINUSE); /* the other listens */
    cr_assert_eq(bind_one(plain, at_host(INADDR_ANY, PORT)), -EADDRINUSE);
    cr_assert_eq(bind_one(plain, at_host(0x7F000002, PORT)), 0); /* another host of ours */
    cr_assert_eq(bind_one(plain, at(PORT + 1)), -EINVAL);        /* it has an address */
    close_one(first);
    close_one(plain);
    int next = listener(PORT, 8);
    cr_assert_geq(next, 0);
}

Test(sockets, a_listener_that_is_shut_down_gives_its_port_to_who_asks_for_reuse)
{
    int first = listener(PORT, 8);
    cr_assert_eq(jzx__sim_socket_shutdown(sim, first, SHUT_WR), 0);
    int second = open_one();
    cr_assert_eq(option(second, SO_REUSEADDR), 0);
    cr_assert_eq(bind_one(second, at(PORT)), -EADDRINUSE); /* SHUT_WR does not end a listener */
    cr_assert_eq(jzx__sim_socket_shutdown(sim, first, SHUT_RDWR), 0);
    cr_assert_eq(jzx__sim_socket_accept(sim, first), -EINVAL);
    int plain = open_one();
    cr_assert_eq(bind_one(plain, at(PORT)), -EADDRINUSE);
    cr_assert_eq(bind_one(second, at(PORT)), 0);
    cr_assert_eq(jzx__sim_socket_listen(sim, second, 1), 0);
    cr_assert_eq(jzx__sim_socket_listen(sim, first, 1), -EADDRINUSE);
}

Test(sockets, port_0_is_the_lowest_free_one)
{
    struct sockaddr_in name;
    socklen_t size = sizeof name;
    int a = open_one();
    int b = open_one();
    cr_assert_eq(bind_one(a, at(0)), 0);
    cr_assert_eq(bind_one(b, at(0)), 0);
    cr_assert_eq(jzx__sim_socket_name(sim, a, (struct sockaddr *)&name, &size), 0);
    cr_assert_eq(size, sizeof name);
    uint16_t port = ntohs(name.sin_port);
    cr_assert_geq(port, 32768);
    cr_assert_eq(jzx__sim_socket_name(sim, b, (struct sockaddr *)&name, &size), 0);
    cr_assert_eq(ntohs(name.sin_port), port + 1);
    close_one(a);
    int c = open_one();
    cr_assert_eq(jzx__sim_socket_listen(sim, c, 1), 0); /* one without an address gets one */
    cr_assert_eq(jzx__sim_socket_name(sim, c, (struct sockaddr *)&name, &size), 0);
    cr_assert_eq(ntohs(name.sin_port), port);
}

Test(sockets, addresses_that_cannot_be_are_refused)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(1), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in four = at(1);
    int fd = open_one();
    cr_assert_eq(jzx__sim_socket_bind(sim, fd, (const struct sockaddr *)&six, sizeof six), -EAFNOSUPPORT);
    cr_assert_eq(jzx__sim_socket_bind(sim, fd, (const struct sockaddr *)&four, 4), -EINVAL);
    cr_assert_eq(jzx__sim_socket_bind(sim, fd, NULL, 0), -EINVAL);
    cr_assert_eq(bind_one(fd, at_host(0x08080808, 1)), -EADDRNOTAVAIL);
    cr_assert_eq(jzx__sim_socket_connect(sim, fd, (const struct sockaddr *)&six, sizeof six), -EAFNOSUPPORT);
    cr_assert_eq(jzx__sim_socket_connect(sim, fd, (const struct sockaddr *)&four, 2), -EINVAL);
}

Test(sockets, ipv6_and_wildcards_find_their_listeners)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
    struct sockaddr_in6 one = {.sin6_family = AF_INET6, .sin6_port = htons(PORT), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int wide = jzx__sim_socket_open(sim, AF_INET6);
    cr_assert_eq(jzx__sim_socket_bind(sim, wide, (const struct sockaddr *)&any, sizeof any), 0);
    cr_assert_eq(jzx__sim_socket_listen(sim, wide, 4), 0);
    int client = jzx__sim_socket_open(sim, AF_INET6);
    cr_assert_eq(jzx__sim_socket_connect(sim, client, (const struct sockaddr *)&one, sizeof one), -EINPROGRESS);
    int other = open_one();
    cr_assert_eq(connect_to(other, at(PORT)), -EINPROGRESS); /* of the other family: nobody */
    int self = jzx__sim_socket_open(sim, AF_INET6);
    cr_assert_eq(jzx__sim_socket_connect(sim, self, (const struct sockaddr *)&any, sizeof any), -EINPROGRESS);
    pass(SECOND);
    cr_assert_eq(jzx__sim_socket_connect(sim, client, (const struct sockaddr *)&one, sizeof one), 0);
    cr_assert_eq(jzx__sim_socket_connect(sim, self, (const struct sockaddr *)&any, sizeof any), 0);
    cr_assert_eq(connect_to(other, at(PORT)), -ECONNREFUSED);
    int accepted = jzx__sim_socket_accept(sim, wide);
    struct sockaddr_in6 name;
    socklen_t size = sizeof name;
    cr_assert_eq(jzx__sim_socket_name(sim, accepted, (struct sockaddr *)&name, &size), 0);
    cr_assert_eq(memcmp(&name.sin6_addr, &one.sin6_addr, sizeof one.sin6_addr), 0);
    cr_assert_geq(jzx__sim_socket_accept(sim, wide), 0);
    cr_assert_eq(jzx__sim_socket_accept(sim, wide), -EAGAIN);
}

Test(sockets, a_group_shares_connections_and_one_that_is_nearer_gets_all)
{
    int group[2];
    uint32_t got[3] = {0};
    for (int i = 0; i < 2; i++) {
        group[i] = open_one();
        cr_assert_eq(option(group[i], SO_REUSEPORT), 0);
        cr_assert_eq(bind_one(group[i], at_host(INADDR_ANY, PORT)), 0);
        cr_assert_eq(jzx__sim_socket_listen(sim, group[i], 100), 0);
    }
    for (int i = 0; i < 64; i++) {
        cr_assert_eq(connect_to(open_one(), at(PORT)), -EINPROGRESS);
    }
    pass(SECOND);
    for (int i = 0; i < 2; i++) {
        for (; jzx__sim_socket_accept(sim, group[i]) >= 0; got[i]++) {
        }
        cr_assert_gt(got[i], 10);
    }
    cr_assert_eq(got[0] + got[1], 64);
    int near = open_one();
    cr_assert_eq(option(near, SO_REUSEPORT), 0);
    cr_assert_eq(bind_one(near, at(PORT)), 0);
    cr_assert_eq(jzx__sim_socket_listen(sim, near, 100), 0);
    for (int i = 0; i < 16; i++) {
        cr_assert_eq(connect_to(open_one(), at(PORT)), -EINPROGRESS);
    }
    pass(SECOND);
    for (; jzx__sim_socket_accept(sim, near) >= 0; got[2]++) {
    }
    cr_assert_eq(got[2], 16);
}

/* ---- connecting ---- */

Test(sockets, a_connect_takes_a_round_trip)
{
    int listens = listener(PORT, 8);
    int fd = open_one();
    uint64_t start_ns = jzx__sim_clock(sim);
    cr_assert_eq(connect_to(fd, at(PORT)), -EINPROGRESS);
    cr_assert_eq(connect_to(fd, at(PORT)), -EALREADY);
    cr_assert_eq(polled(fd), 0);
    cr_assert_eq(send_text(fd, "early"), -EAGAIN);
    cr_assert_eq(receive(fd), -EAGAIN);
    pass(2 * 20000 - 1);
    cr_assert_eq(connect_to(fd, at(PORT)), -EALREADY);
    cr_assert_eq(polled(listens), 0);
    pass(2 * 100000);
    cr_assert_eq(polled(fd), POLLOUT);
    cr_assert_eq(connect_to(fd, at(PORT)), 0);
    cr_assert_eq(connect_to(fd, at(PORT)), -EISCONN);
    pass(100000);
    cr_assert_eq(polled(listens), POLLIN);
    cr_assert_leq(jzx__sim_clock(sim) - start_ns, 400000);
    cr_assert_eq(connect_to(listens, at(PORT)), -EISCONN);
    cr_assert_eq(send_text(listens, "a"), -EPIPE);
    cr_assert_eq(receive(listens), -ENOTCONN);
}

Test(sockets, a_connect_to_nobody_is_refused_and_may_be_tried_again)
{
    int fd = open_one();
    cr_assert_eq(polled(fd), POLLOUT | POLLHUP);
    cr_assert_eq(receive(fd), -ENOTCONN);
    cr_assert_eq(send_text(fd, "a"), -EPIPE);
    cr_assert_eq(jzx__sim_socket_shutdown(sim, fd, SHUT_RDWR), -ENOTCONN);
    cr_assert_eq(connect_to(fd, at(PORT)), -EINPROGRESS);
    pass(39999);
    cr_assert_eq(connect_to(fd, at(PORT)), -EALREADY);
    pass(SECOND);
    cr_assert_neq(polled(fd) & POLLERR, 0);
    cr_assert_eq(connect_to(fd, at(PORT)), -ECONNREFUSED);
    cr_assert_eq(connections(), 0);
    int listens = listener(PORT, 1);
    cr_assert_eq(connect_to(fd, at(PORT)), -EINPROGRESS);
    pass(SECOND);
    cr_assert_eq(connect_to(fd, at(PORT)), 0);
    cr_assert_geq(jzx__sim_socket_accept(sim, listens), 0);
}

Test(sockets, a_full_backlog_makes_connects_wait)
{
    int fds[4];
    int listens = listener(PORT, 1);
    for (int i = 0; i < 4; i++) {
        fds[i] = open_one();
        cr_assert_eq(connect_to(fds[i], at(PORT)), -EINPROGRESS);
    }
    pass(SECOND / 2);
    int done = 0;
    for (int i = 0; i < 4; i++) {
        done += connect_to(fds[i], at(PORT)) == 0 ? 1 : 0;
    }
    cr_assert_eq(done, 2); /* one more than asked for, as on Linux */
    cr_assert_geq(jzx__sim_socket_accept(sim, listens), 0);
    cr_assert_geq(jzx__sim_socket_accept(sim, listens), 0);
    cr_assert_eq(jzx__sim_socket_accept(sim, listens), -EAGAIN);
    pass(SECOND);
    for (int i = 0; i < 4; i++) {
        done += connect_to(fds[i], at(PORT)) == 0 ? 1 : 0;
    }
    cr_assert_eq(done, 4);
}

Test(sockets, a_connect_that_is_never_let_in_times_out)
{
    (void)listener(PORT, 0);
    cr_assert_eq(connect_to(open_one(), at(PORT)), -EINPROGRESS);
    pass(SECOND / 2);
    int fd = open_one();
    cr_assert_eq(connect_to(fd, at(PORT)), -EINPROGRESS);
    pass(126 * SECOND);
    cr_assert_eq(connect_to(fd, at(PORT)), -EALREADY);
    pass(2 * SECOND);
    cr_assert_eq(connect_to(fd, at(PORT)), -ETIMEDOUT);
}

Test(sockets, a_listener_that_closes_resets_who_waits)
{
    int listens = listener(PORT, 8);
    int early = open_one();
    cr_assert_eq(connect_to(early, at(PORT)), -EINPROGRESS);
    pass(SECOND);
    int late = open_one();
    cr_assert_eq(connect_to(late, at(PORT)), -EINPROGRESS);
    pass(100000); /* its SYN has come, and no more */
    close_one(listens);
    cr_assert_eq(connect_to(early, at(PORT)), 0);
    pass(SECOND);
    cr_assert_eq(receive(early), -ECONNRESET);
    int result = connect_to(late, at(PORT));
    cr_assert(result == -ECONNREFUSED || result == 0);
    if (result == 0) {
        cr_assert_eq(receive(late), -ECONNRESET);
    }
    close_one(early);
    close_one(late);
    pass(SECOND);
    cr_assert_eq(connections(), 0);
}

Test(sockets, who_closes_while_connecting_leaves_nothing)
{
    int listens = listener(PORT, 8);
    for (int ns = 0; ns < 300000; ns += 10000) {
        int fd = open_one();
        cr_assert_eq(connect_to(fd, at(PORT)), -EINPROGRESS);
        pass((uint64_t)ns);
        close_one(fd);
        pass(SECOND);
        int accepted = jzx__sim_socket_accept(sim, listens);
        if (accepted >= 0) { /* it was open already */
            cr_assert_eq(receive(accepted), 0);
            close_one(accepted);
            pass(SECOND);
        }
        cr_assert_eq(connections(), 0);
    }
    int fd = open_one();
    cr_assert_eq(connect_to(fd, at(PORT)), -EINPROGRESS);
    cr_assert_eq(jzx__sim_socket_shutdown(sim, fd, SHUT_RDWR), 0);
    cr_assert_eq(connect_to(fd, at(PORT)), -ECONNRESET);
    pass(SECOND);
    cr_assert_eq(connections(), 0);
}

/* ---- streams ---- */

Test(sockets, bytes_come_in_their_order_and_the_end_behind_them)
{
    int fds[2];
    char got[16] = {0};
    join(fds);
    cr_assert_eq(send_text(fds[0], "abc"), 3);
    cr_assert_eq(send_text(fds[0], "defg"), 4);
    cr_assert_eq(jzx__sim_socket_shutdown(sim, fds[0], SHUT_WR), 0);
    cr_assert_eq(send_text(fds[0], "x"), -EPIPE);
    cr_assert_eq(receive(fds[1]), -EAGAIN);
    cr_assert_eq(polled(fds[1]), POLLOUT);
    pass(19999);
    cr_assert_eq(receive(fds[1]), -EAGAIN);
    pass(SECOND);
    cr_assert_eq(polled(fds[1]), POLLIN | POLLOUT | POLLRDHUP);
    cr_assert_eq(jzx__sim_socket_receive(sim, fds[1], got, 2), 2);
    cr_assert_eq(jzx__sim_socket_receive(sim, fds[1], got + 2, 14), 5);
    cr_assert_str_eq(got, "abcdefg");
    cr_assert_eq(receive(fds[1]), 0);
    cr_assert_eq(receive(fds[1]), 0);
    cr_assert_eq(send_text(fds[1], "back"), 4); /* half closed: the other way is open */
    pass(SECOND);
    cr_assert_eq(receive(fds[0]), 4);
    close_one(fds[1]);
    pass(SECOND);
    cr_assert_eq(receive(fds[0]), 0);
    cr_assert_eq(polled(fds[0]), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
    cr_assert_eq(jzx__sim_socket_shutdown(sim, fds[0], SHUT_RDWR), -ENOTCONN);
    close_one(fds[0]);
    pass(SECOND);
    cr_assert_eq(connections(), 0);
}

Test(sockets, a_receive_that_shut_down_still_gets_what_comes)
{
    int fds[2];
    join(fds);
    cr_assert_eq(jzx__sim_socket_shutdown(sim, fds[1], SHUT_RD), 0);
    cr_assert_eq(receive(fds[1]), 0);
    cr_assert_eq(polled(fds[1]), POLLIN | POLLOUT | POLLRDHUP);
    cr_assert_eq(send_text(fds[0], "abc"), 3);
    pass(SECOND);
    cr_assert_eq(receive(fds[1]), 3);
    cr_assert_eq(receive(fds[1]), 0);
    cr_assert_eq(jzx__sim_socket_shutdown(sim, fds[1], 7), -EINVAL);
}

static uint8_t byte_at(uint64_t place)
{
    return (uint8_t)(place * 131 + (place >> 8));
}

/* Sends up to `size` bytes of the pattern from `place` on. */
static ssize_t send_pattern(int fd, uint64_t place, size_t size)
{
    uint8_t bytes[20000];
    for (size_t i = 0; i < size; i++) {
        bytes[i] = byte_at(place + i);
    }
    struct iovec parts[2] = {{bytes, size / 3}, {bytes + size / 3, size - size / 3}};
    return jzx__sim_socket_send(sim, fd, parts, 2);
}

static ssize_t receive_pattern(int fd, uint64_t place, size_t size)
{
    uint8_t bytes[20000];
    ssize_t got = jzx__sim_socket_receive(sim, fd, bytes, size);
    for (ssize_t i = 0; i < got; i++) {
        cr_assert_eq(bytes[i], byte_at(place + (uint64_t)i));
    }
    return got;
}

Test(sockets, a_sender_is_stopped_by_its_buffer_and_by_the_window)
{
    int fds[2];
    uint64_t sent = 0;
    join(fds);
    for (int rounds = 0; rounds < 3; rounds++) {
        ssize_t part;
        while ((part = send_pattern(fds[0], sent, 10000)) > 0) {
            sent += (uint64_t)part;
        }
        cr_assert_eq(part, -EAGAIN);
        cr_assert_eq(sent, rounds == 0 ? JZX__SIM_BUFFER : 2 * JZX__SIM_BUFFER);
        cr_assert_eq(polled(fds[0]) & POLLOUT, 0);
        pass(SECOND);
    }
    uint64_t got = 0;
    cr_assert_eq(receive_pattern(fds[1], 0, 1), 1); /* one byte of window is no reason to speak */
    got++;
    pass(SECOND);
    cr_assert_eq(polled(fds[0]) & POLLOUT, 0);
    while (got < sent) {
        ssize_t part = receive_pattern(fds[1], got, 7001);
        if (part == -EAGAIN) {
            pass(SECOND);
            continue;
        }
        cr_assert_gt(part, 0);
        got += (uint64_t)part;
    }
    pass(SECOND);
    cr_assert_eq(polled(fds[0]) & POLLOUT, POLLOUT);
    cr_assert_eq(jzx__sim_net_next_ns(sim), JZX__SIM_NEVER);
}

/* Anything, in any order: what arrives is what was sent, and nobody waits for ever. */
Test(sockets, long_streams_come_whole_both_ways_whatever_the_pieces)
{
    int fds[2];
    uint64_t sent[2] = {0, 0};
    uint64_t got[2] = {0, 0};
    const uint64_t whole = 3000000;
    join(fds);
    inject(JZX_SIM_RECV_SHORT, 10, 200, 0);
    inject(JZX_SIM_SEND_SHORT, 10, 200, 0);
    inject(JZX_SIM_NET_DELAY, 10, 30, 0);
    uint64_t idle = 0;
    while (got[0] < whole || got[1] < whole) {
        uint64_t before = sent[0] + sent[1] + got[0] + got[1];
        for (int i = 0; i < 2; i++) {
            uint64_t left = whole - sent[i];
            uint64_t size = jzx_sim_between(sim, 1, 20000);
            ssize_t done = left == 0 ? 0 : send_pattern(fds[i], sent[i], left < size ? left : size);
            sent[i] += done > 0 ? (uint64_t)done : 0;
            size = jzx_sim_between(sim, 1, 20000);
            done = receive_pattern(fds[i], got[i], size);
            got[i] += done > 0 ? (uint64_t)done : 0;
        }
        pass(jzx_sim_between(sim, 0, 20000));
        idle = sent[0] + sent[1] + got[0] + got[1] == before ? idle + 1 : 0;
        cr_assert_lt(idle, 1000000); /* the delays are of a second */
    }
    pass(SECOND);
    cr_assert_eq(receive(fds[0]), -EAGAIN);
    cr_assert_eq(jzx__sim_net_next_ns(sim), JZX__SIM_NEVER);
}

Test(sockets, what_is_queued_at_a_close_is_sent_as_the_other_reads)
{
    int fds[2];
    uint64_t sent = 0;
    uint64_t got = 0;
    join(fds);
    for (int i = 0; i < 2; i++) {
        for (ssize_t part; (part = send_pattern(fds[0], sent, 20000)) > 0;) {
            sent += (uint64_t)part;
        }
        pass(SECOND);
    }
    cr_assert_eq(sent, 2 * JZX__SIM_BUFFER);
    close_one(fds[0]);
    pass(SECOND);
    for (ssize_t part; (part = receive_pattern(fds[1], got, 20000)) != 0;) {
        cr_assert(part > 0 || part == -EAGAIN);
        got += part > 0 ? (uint64_t)part : 0;
        pass(SECOND);
    }
    cr_assert_eq(got, sent);
    close_one(fds[1]);
    pass(SECOND);
    cr_assert_eq(connections(), 0);
}

/* ---- resets ---- */

Test(sockets, an_abort_is_a_reset_behind_what_was_sent)
{
    int fds[2];
    join(fds);
    cr_assert_eq(send_text(fds[0], "abcd"), 4);
    abort_one(fds[0]);
    pass(SECOND);
    cr_assert_eq(polled(fds[1]), POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
    cr_assert_eq(receive(fds[1]), 4);
    cr_assert_eq(receive(fds[1]), -ECONNRESET); /* once */
    cr_assert_eq(receive(fds[1]), 0);
    cr_assert_eq(send_text(fds[1], "a"), -EPIPE);
    cr_assert_eq(polled(fds[1]), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
    cr_assert_eq(jzx__sim_socket_shutdown(sim, fds[1], SHUT_RDWR), -ENOTCONN);
    close_one(fds[1]);
    pass(SECOND);
    cr_assert_eq(connections(), 0);
}

Test(sockets, a_send_tells_of_a_reset_once_too)
{
    int fds[2];
    join(fds);
    abort_one(fds[0]);
    pass(SECOND);
    cr_assert_eq(send_text(fds[1], "a"), -ECONNRESET);
    cr_assert_eq(send_text(fds[1], "a"), -EPIPE);
    cr_assert_eq(receive(fds[1]), 0);
}

Test(sockets, a_close_with_data_unread_is_a_reset)
{
    int fds[2];
    join(fds);
    cr_assert_eq(send_text(fds[0], "abc"), 3);
    pass(SECOND);
    close_one(fds[1]);
    pass(SECOND);
    cr_assert_eq(receive(fds[0]), -ECONNRESET);
    close_one(fds[0]);
    join(fds);
    cr_assert_eq(send_text(fds[0], "abc"), 3);
    pass(SECOND);
    cr_assert_eq(jzx__sim_socket_receive(sim, fds[1], NULL, 100), 3); /* thrown away */
    close_one(fds[1]);
    pass(SECOND);
    cr_assert_eq(receive(fds[0]), 0);
}

Test(sockets, data_to_who_has_closed_is_answered_by_a_reset)
{
    int fds[2];
    join(fds);
    close_one(fds[0]);
    pass(SECOND);
    cr_assert_eq(receive(fds[1]), 0);
    cr_assert_eq(send_text(fds[1], "a"), 1);
    pass(SECOND);
    cr_assert_neq(polled(fds[1]) & POLLERR, 0);
    cr_assert_eq(receive(fds[1]), 0); /* the end had come before it */
    cr_assert_eq(send_text(fds[1], "a"), -EPIPE);
    close_one(fds[1]);
    pass(SECOND);
    cr_assert_eq(connections(), 0);
}

Test(sockets, both_may_close_at_once)
{
    int fds[2];
    join(fds);
    cr_assert_eq(send_text(fds[0], "to nobody"), 9);
    close_one(fds[0]);
    close_one(fds[1]);
    pass(SECOND);
    cr_assert_eq(connections(), 0);
    join(fds);
    close_one(fds[0]);
    close_one(fds[1]);
    pass(SECOND);
    cr_assert_eq(connections(), 0);
    cr_assert_eq(jzx__sim_net_open(sim), 0);
}

/* ---- faults ---- */

Test(sockets, fd_limit_meets_open_connect_and_accept)
{
    inject(JZX_SIM_FD_LIMIT, 0, 1, ENFILE);
    cr_assert_eq(jzx__sim_socket_open(sim, AF_INET), -ENFILE);
    int listens = listener(PORT, 4);
    int fd = open_one();
    inject(JZX_SIM_FD_LIMIT, 0, 1, 0);
    cr_assert_eq(connect_to(fd, at(PORT)), -ENOBUFS);
    cr_assert_eq(connect_to(fd, at(PORT)), -EINPROGRESS);
    uint64_t occasions = jzx_sim_occasions(sim, JZX_SIM_FD_LIMIT);
    cr_assert_eq(jzx__sim_socket_accept(sim, listens), -EAGAIN);
    pass(SECOND);
    cr_assert_eq(jzx_sim_occasions(sim, JZX_SIM_FD_LIMIT), occasions); /* there was none to accept */
    inject(JZX_SIM_FD_LIMIT, 0, 1, EMFILE);
    cr_assert_eq(jzx__sim_socket_accept(sim, listens), -EMFILE);
    cr_assert_geq(jzx__sim_socket_accept(sim, listens), 0); /* it has waited */
    cr_assert_eq(jzx_sim_injected(sim, JZX_SIM_FD_LIMIT), 3);
}

Test(sockets, address_taken_meets_bind_and_listen)
{
    int fd = open_one();
    inject(JZX_SIM_ADDRESS_TAKEN, 0, 1, 0);
    cr_assert_eq(bind_one(fd, at(PORT)), -EADDRINUSE);
    cr_assert_eq(bind_one(fd, at(PORT)), 0);
    inject(JZX_SIM_ADDRESS_TAKEN, 0, 1, 0);
    cr_assert_eq(jzx__sim_socket_listen(sim, fd, 1), -EADDRINUSE);
    cr_assert_eq(jzx__sim_socket_listen(sim, fd, 1), 0);
}

Test(sockets, accept_fails_takes_the_connection)
{
    int listens = listener(PORT, 4);
    int fd = open_one();
    cr_assert_eq(connect_to(fd, at(PORT)), -EINPROGRESS);
    pass(SECOND);
    inject(JZX_SIM_ACCEPT_FAILS, 0, 1, 0);
    cr_assert_eq(jzx__sim_socket_accept(sim, listens), -ECONNABORTED);
    cr_assert_eq(jzx__sim_socket_accept(sim, listens), -EAGAIN);
    pass(SECOND);
    cr_assert_eq(connect_to(fd, at(PORT)), 0);
    cr_assert_eq(receive(fd), -ECONNRESET);
}

Test(sockets, connect_fails_after_a_round_trip_or_at_once)
{
    (void)listener(PORT, 4);
    static const int errors[] = {ECONNREFUSED, ETIMEDOUT};
    for (int i = 0; i < 2; i++) {
        int fd = open_one();
        inject(JZX_SIM_CONNECT_FAILS, 0, 1, (uint64_t)errors[i]);
        cr_assert_eq(connect_to(fd, at(PORT)), -EINPROGRESS);
        pass(39999);
        cr_assert_eq(connect_to(fd, at(PORT)), -EALREADY);
        pass(SECOND);
        cr_assert_eq(connect_to(fd, at(PORT)), -errors[i]);
        close_one(fd);
    }
    int fd = open_one();
    inject(JZX_SIM_CONNECT_FAILS, 0, 1, ENETUNREACH);
    cr_assert_eq(connect_to(fd, at(PORT)), -ENETUNREACH);
    inject(JZX_SIM_CONNECT_FAILS, 0, 1, ECONNREFUSED);
    cr_assert_eq(connect_to(fd, at(PORT)), -EINPROGRESS);
    close_one(fd); /* before it has failed */
    pass(SECOND);
    cr_assert_eq(connections(), 0);
}

Test(sockets, short_transfers_leave_the_rest)
{
    int fds[2];
    join(fds);
    inject(JZX_SIM_SEND_SHORT, 0, 1, 3);
    cr_assert_eq(send_text(fds[0], "abcdef"), 3);
    cr_assert_eq(send_text(fds[0], "d"), 1); /* a byte is no occasion */
    cr_assert_eq(jzx_sim_occasions(sim, JZX_SIM_SEND_SHORT), 1);
    pass(SECOND);
    inject(JZX_SIM_RECV_SHORT, 0, 1, 0);
    ssize_t got = receive(fds[1]);
    cr_assert(got >= 1 && got <= 3);
    cr_assert_eq(receive(fds[1]), 4 - got);
    cr_assert_leq(jzx_sim_occasions(sim, JZX_SIM_RECV_SHORT), 2);
    inject(JZX_SIM_SEND_SHORT, 0, 1, 1000);
    cr_assert_eq(send_text(fds[0], "abc"), 3); /* no shorter than it is */
}

Test(sockets, a_reset_on_the_way_meets_both)
{
    int fds[2];
    join(fds);
    inject(JZX_SIM_RESET, 1, 1, 0);
    cr_assert_eq(send_text(fds[0], "abc"), 3);
    pass(SECOND);
    cr_assert_eq(send_text(fds[1], "def"), 3);
    cr_assert_eq(send_text(fds[1], "ghi"), 3);
    pass(SECOND);
    cr_assert_eq(receive(fds[1]), 3);
    cr_assert_eq(receive(fds[1]), -ECONNRESET);
    cr_assert_eq(receive(fds[0]), -ECONNRESET);
    cr_assert_eq(receive(fds[0]), 0);
    close_one(fds[0]);
    close_one(fds[1]);
    cr_assert_eq(connections(), 0);
    cr_assert_eq(jzx__sim_net_next_ns(sim), JZX__SIM_NEVER);
}

Test(sockets, epipe_ends_a_connection)
{
    int fds[2];
    join(fds);
    inject(JZX_SIM_EPIPE, 0, 1, 0);
    cr_assert_eq(send_text(fds[0], "abc"), -EPIPE);
    cr_assert_eq(send_text(fds[0], "abc"), -EPIPE);
    cr_assert_eq(receive(fds[0]), 0);
    pass(SECOND);
    cr_assert_eq(receive(fds[1]), -ECONNRESET);
}

Test(sockets, a_delay_keeps_the_order)
{
    int fds[2];
    join(fds);
    inject(JZX_SIM_NET_DELAY, 0, 1, 500000000);
    cr_assert_eq(send_text(fds[0], "abc"), 3);
    cr_assert_eq(send_text(fds[0], "def"), 3);
    pass(499999999);
    cr_assert_eq(receive(fds[1]), -EAGAIN);
    pass(200000);
    cr_assert_eq(receive(fds[1]), 6);
}

/* ---- many ---- */

Test(sockets, ten_thousand_connections_are_no_trouble)
{
    enum { MANY = 10000 };
    static int fds[MANY];
    static int accepted[MANY];
    int listens = listener(PORT, 4096);
    int count = 0;
    for (int i = 0; i < MANY; i++) {
        fds[i] = open_one();
        cr_assert_eq(connect_to(fds[i], at(PORT)), -EINPROGRESS);
        if (i % 1000 == 999) {
            pass(SECOND);
            for (int fd; (fd = jzx__sim_socket_accept(sim, listens)) >= 0;) {
                accepted[count++] = fd;
            }
        }
    }
    cr_assert_eq(count, MANY);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < MANY; i++) {
            cr_assert_eq(send_text(fds[i], "hello"), 5);
        }
        pass(SECOND);
        for (int i = 0; i < MANY; i++) {
            cr_assert_eq(receive(accepted[i]), 5);
        }
    }
    for (int i = 0; i < MANY; i++) {
        close_one(accepted[i]);
        close_one(fds[i]);
    }
    pass(SECOND);
    cr_assert_eq(connections(), 0);
    cr_assert_eq(jzx__sim_net_open(sim), 1);
}
