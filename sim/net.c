/* net: sockets, their addresses and their calls; see net.h. */
#include "sim/net.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { EPHEMERAL_FIRST = 32768, EPHEMERAL_LAST = 60999, EVENTS_MAX = 256, BACKLOG_MAX = 4096 };

/* ---- life ---- */

jzx__sim_net *jzx__sim_net_create(jzx_sim *sim)
{
    jzx__sim_net *net = jzx__sim_own_alloc(sizeof *net);
    net->sim = sim;
    net->port_lowest = EPHEMERAL_FIRST;
    jzx__list_init(&net->sockets);
    jzx__list_init(&net->connections);
    jzx__list_init(&net->peers);
    jzx__list_init(&net->peers_ready);
    for (int i = 0; i < JZX__SIM_PORTS; i++) {
        jzx__list_init(&net->ports[i]);
    }
    return net;
}

void jzx__sim_net_destroy(jzx__sim_net *net)
{
    while (!jzx__list_empty(&net->connections)) {
        jzx__sim_connection_free(net, jzx__container_of(net->connections.next, jzx__sim_connection, all));
    }
    while (!jzx__list_empty(&net->sockets)) {
        jzx__sim_socket *socket = jzx__container_of(net->sockets.next, jzx__sim_socket, all);
        jzx__list_remove(&socket->all);
        free(socket);
    }
    while (net->segment_free != NULL) {
        jzx__sim_segment *next = net->segment_free->next;
        free(net->segment_free);
        net->segment_free = next;
    }
    jzx__sim_peers_destroy(net);
    jzx__sim_dues_deinit(&net->dues);
    free(net);
}

jzx__sim_socket *jzx__sim_socket_make(jzx__sim_net *net)
{
    jzx__sim_socket *made = jzx__sim_own_alloc(sizeof *made);
    made->fd = -1;
    jzx__list_init(&made->all);
    jzx__list_init(&made->port);
    jzx__list_init(&made->handshakes);
    jzx__list_init(&made->queue);
    jzx__list_init(&made->wait);
    jzx__list_append(&net->sockets, &made->all);
    return made;
}

void jzx__sim_socket_touched(jzx__sim_net *net, jzx__sim_socket *socket)
{
    if (socket->peer != NULL) {
        jzx__sim_peer_touched(net, socket->peer);
    } else if (socket->fd >= 0) {
        jzx__sim_fd_touched(net->sim, socket->fd);
    }
}

/* NULL with -EBADF or -ENOTSOCK. */
static jzx__sim_socket *find(jzx_sim *sim, int fd, int *error)
{
    jzx__sim_socket *found = jzx__sim_fd_find(sim, fd, JZX__SIM_FD_SOCKET);
    *error = jzx__sim_fd_kind_of(sim, fd) == JZX__SIM_FD_FREE ? -EBADF : -ENOTSOCK;
    return found;
}

/* ---- addresses and ports ---- */

int jzx__sim_address_read(const struct sockaddr *from, socklen_t size, jzx__sim_address *address)
{
    memset(address, 0, sizeof *address);
    if (from == NULL || size < sizeof(sa_family_t)) {
        return -EINVAL;
    }
    address->family = from->sa_family;
    if (from->sa_family == AF_INET && size >= sizeof(struct sockaddr_in)) {
        const struct sockaddr_in *v4 = (const void *)from;
        address->port = ntohs(v4->sin_port);
        memcpy(address->host, &v4->sin_addr, sizeof v4->sin_addr);
        return 0;
    }
    if (from->sa_family == AF_INET6 && size >= sizeof(struct sockaddr_in6)) {
        const struct sockaddr_in6 *v6 = (const void *)from;
        address->port = ntohs(v6->sin6_port);
        memcpy(address->host, &v6->sin6_addr, sizeof v6->sin6_addr);
        return 0;
    }
    return from->sa_family == AF_INET || from->sa_family == AF_INET6 ? -EINVAL : -EAFNOSUPPORT;
}

static bool is_wildcard(const jzx__sim_address *address)
{
    static const uint8_t nobody[16];
    return memcmp(address->host, nobody, sizeof nobody) == 0;
}

static bool is_here(const jzx__sim_address *address)
{
    static const uint8_t loopback6[16] = {[15] = 1};
    return is_wildcard(address) || (address->family == AF_INET && address->host[0] == 127) ||
           (address->family == AF_INET6 && memcmp(address->host, loopback6, sizeof loopback6) == 0);
}

static bool same_host(const jzx__sim_address *a, const jzx__sim_address *b)
{
    return a->family == b->family && memcmp(a->host, b->host, sizeof a->host) == 0;
}

static bool overlap(const jzx__sim_address *a, const jzx__sim_address *b)
{
    return a->family == b->family && a->port == b->port && (same_host(a, b) || is_wildcard(a) || is_wildcard(b));
}

static jzx__list *port_list(jzx__sim_net *net, uint16_t port)
{
    return &net->ports[port % JZX__SIM_PORTS];
}

static jzx__sim_socket *of_port(jzx__list *node)
{
    return jzx__container_of(node, jzx__sim_socket, port);
}

/* As Linux has it: with SO_REUSEPORT all share an address, with SO_REUSEADDR those of which none listens. */
static bool may_share(const jzx__sim_socket *a, const jzx__sim_socket *b)
{
    bool listens = a->state == JZX__SIM_SOCKET_LISTENS || b->state == JZX__SIM_SOCKET_LISTENS;
    return (a->reuse_port && b->reuse_port) || (a->reuse_address && b->reuse_address && !listens);
}

static bool is_taken(jzx__sim_net *net, const jzx__sim_socket *by, const jzx__sim_address *address)
{
    jzx__list *list = port_list(net, address->port);
    for (jzx__list *node = list->next; node != list; node = node->next) {
        const jzx__sim_socket *other = of_port(node);
        if (other != by && overlap(&other->local, address) && !may_share(by, other)) {
            return true;
        }
    }
    return false;
}

static bool port_used(jzx__sim_net *net, uint16_t port)
{
    jzx__list *list = port_list(net, port);
    for (jzx__list *node = list->next; node != list; node = node->next) {
        if (of_port(node)->local.port == port) {
            return true;
        }
    }
    return false;
}

/* 0: none is free. */
static uint16_t port_draw(jzx__sim_net *net)
{
    while (net->port_lowest <= EPHEMERAL_LAST && port_used(net, net->port_lowest)) {
        net->port_lowest++;
    }
    return net->port_lowest <= EPHEMERAL_LAST ? net->port_lowest : 0;
}

static void unbind(jzx__sim_net *net, jzx__sim_socket *socket)
{
    if (!socket->bound) {
        return;
    }
    uint16_t port = socket->local.port;
    socket->bound = false;
    jzx__list_remove(&socket->port);
    if (port >= EPHEMERAL_FIRST && port < net->port_lowest) {
        net->port_lowest = port;
    }
}

int jzx__sim_socket_bind_to(jzx__sim_net *net, jzx__sim_socket *socket, const jzx__sim_address *address)
{
    jzx__sim_address local = *address;
    if (socket->bound || socket->state != JZX__SIM_SOCKET_FRESH) {
        return -EINVAL;
    }
    if (local.port == 0) {
        local.port = port_draw(net);
        if (local.port == 0) {
            return -EADDRINUSE;
        }
    } else if (is_taken(net, socket, &local)) {
        return -EADDRINUSE;
    }
    socket->local = local;
    socket->bound = true;
    socket->port_drawn = address->port == 0;
    jzx__list_append(port_list(net, local.port), &socket->port);
    return 0;
}

int jzx__sim_socket_listen_on(jzx__sim_net *net, jzx__sim_socket *socket, uint32_t backlog)
{
    if (socket->state != JZX__SIM_SOCKET_FRESH && socket->state != JZX__SIM_SOCKET_LISTENS) {
        return -EINVAL;
    }
    if (socket->state == JZX__SIM_SOCKET_FRESH && is_taken(net, socket, &socket->local)) {
        return -EADDRINUSE;
    }
    socket->state = JZX__SIM_SOCKET_LISTENS;
    socket->backlog = backlog;
    return 0;
}

jzx__sim_socket *jzx__sim_listener_for(jzx__sim_net *net, const jzx__sim_address *address)
{
    jzx__list *list = port_list(net, address->port);
    for (int wildcard = 0; wildcard < 2; wildcard++) {
        uint64_t count = 0;
        jzx__sim_socket *found = NULL;
        for (jzx__list *node = list->next; node != list; node = node->next) {
            jzx__sim_socket *one = of_port(node);
            bool serves = one->state == JZX__SIM_SOCKET_LISTENS && overlap(&one->local, address) &&
                          is_wildcard(&one->local) == (wildcard == 1);
            /* Each of a group is as likely to be the one that is kept. */
            if (serves && (++count == 1 || jzx__sim_between(net->sim, JZX__SIM_STREAM_NET, 1, count) == 1)) {
                found = one;
            }
        }
        if (found != NULL) {
            return found;
        }
    }
    return NULL;
}

/* ---- closing ---- */

/* Those that wait to be accepted are reset. */
static void stop_listening(jzx__sim_net *net, jzx__sim_socket *listener)
{
    while (!jzx__list_empty(&listener->handshakes)) {
        jzx__sim_socket_give_up(net, jzx__container_of(listener->handshakes.next, jzx__sim_socket, wait), true);
    }
    while (!jzx__list_empty(&listener->queue)) {
        jzx__sim_socket_give_up(net, jzx__container_of(listener->queue.next, jzx__sim_socket, wait), true);
    }
    JZX_ASSERT(listener->waiting == 0);
    listener->state = JZX__SIM_SOCKET_FRESH;
}

static void unqueue(jzx__sim_socket *socket)
{
    if (socket->listener != NULL) {
        jzx__list_remove(&socket->wait);
        socket->listener->waiting--;
        socket->listener = NULL;
    }
}

void jzx__sim_socket_give_up(jzx__sim_net *net, jzx__sim_socket *socket, bool reset)
{
    jzx__sim_side *side = socket->side;
    if (socket->state == JZX__SIM_SOCKET_LISTENS) {
        stop_listening(net, socket);
    } else if (socket->state == JZX__SIM_SOCKET_CONNECTS) {
        side->dead = true; /* what comes is answered by an RST */
    } else if (side != NULL && (reset || socket->aborts || jzx__sim_socket_unread(socket) > 0)) {
        jzx__sim_side_abort(net, side);
    } else if (side != NULL) {
        side->end_wanted = true;
        jzx__sim_side_push(net, side);
    }
    unqueue(socket);
    unbind(net, socket);
    jzx__list_remove(&socket->all);
    free(socket);
    if (side != NULL) {
        jzx__sim_side_leave(net, side);
    }
}

/* ---- the calls ---- */

int jzx__sim_socket_open(jzx_sim *sim, int family)
{
    static const int errors[] = {EMFILE, ENFILE, ENOBUFS};
    jzx__sim_net *net = jzx__sim_net_of(sim);
    int error;
    if (family != AF_INET && family != AF_INET6) {
        return -EAFNOSUPPORT;
    }
    if (jzx__sim_fault_errno(sim, JZX_SIM_FD_LIMIT, errors, JZX__COUNT(errors), &error)) {
        return -error;
    }
    jzx__sim_socket *made = jzx__sim_socket_make(net);
    made->local.family = (sa_family_t)family;
    made->fd = jzx__sim_fd_open(sim, JZX__SIM_FD_SOCKET, made);
    int fd = made->fd;
    if (fd < 0) {
        jzx__sim_socket_give_up(net, made, false);
    }
    return fd;
}

int jzx__sim_socket_bind(jzx_sim *sim, int fd, const struct sockaddr *address, socklen_t size)
{
    int error;
    jzx__sim_address local;
    jzx__sim_socket *socket = find(sim, fd, &error);
    if (socket == NULL) {
        return error;
    }
    error = jzx__sim_address_read(address, size, &local);
    if (error < 0) {
        return error;
    }
    if (local.family != socket->local.family) {
        return -EAFNOSUPPORT;
    }
    if (!is_here(&local)) {
        return -EADDRNOTAVAIL;
    }
    if (jzx__sim_fault(sim, JZX_SIM_ADDRESS_TAKEN)) {
        return -EADDRINUSE;
    }
    return jzx__sim_socket_bind_to(jzx__sim_net_of(sim), socket, &local);
}

/* One that has no address gets a free port, as a kernel does. */
static int bind_anywhere(jzx__sim_net *net, jzx__sim_socket *socket)
{
    jzx__sim_address anywhere = {.family = socket->local.family};
    return socket->bound ? 0 : jzx__sim_socket_bind_to(net, socket, &anywhere);
}

int jzx__sim_socket_listen(jzx_sim *sim, int fd, int backlog)
{
    int error;
    jzx__sim_net *net = jzx__sim_net_of(sim);
    jzx__sim_socket *socket = find(sim, fd, &error);
    if (socket == NULL) {
        return error;
    }
    if (socket->state == JZX__SIM_SOCKET_CONNECTS || socket->state == JZX__SIM_SOCKET_CONNECTED) {
        return -EINVAL;
    }
    if (jzx__sim_fault(sim, JZX_SIM_ADDRESS_TAKEN) || bind_anywhere(net, socket) < 0) {
        return -EADDRINUSE;
    }
    bool most = backlog < 0 || backlog > BACKLOG_MAX;
    return jzx__sim_socket_listen_on(net, socket, most ? BACKLOG_MAX : (uint32_t)backlog);
}

int jzx__sim_socket_name(jzx_sim *sim, int fd, struct sockaddr *address, socklen_t *size)
{
    int error;
    const jzx__sim_socket *socket = find(sim, fd, &error);
    if (socket == NULL) {
        return error;
    }
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(socket->local.port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(socket->local.port)};
    memcpy(&v4.sin_addr, socket->local.host, sizeof v4.sin_addr);
    memcpy(&v6.sin6_addr, socket->local.host, sizeof v6.sin6_addr);
    bool is_v4 = socket->local.family == AF_INET;
    socklen_t whole = is_v4 ? sizeof v4 : sizeof v6;
    memcpy(address, is_v4 ? (const void *)&v4 : (const void *)&v6, *size < whole ? *size : whole);
    *size = whole;
    return 0;
}

jzx__sim_socket *jzx__sim_socket_accept_next(jzx__sim_socket *listener)
{
    if (jzx__list_empty(&listener->queue)) {
        return NULL;
    }
    jzx__sim_socket *next = jzx__container_of(listener->queue.next, jzx__sim_socket, wait);
    unqueue(next);
    return next;
}

int jzx__sim_socket_accept(jzx_sim *sim, int fd)
{
    static const int errors[] = {EMFILE, ENFILE, ENOBUFS};
    int error;
    jzx__sim_net *net = jzx__sim_net_of(sim);
    jzx__sim_socket *listener = find(sim, fd, &error);
    if (listener == NULL) {
        return error;
    }
    if (listener->state != JZX__SIM_SOCKET_LISTENS) {
        return -EINVAL;
    }
    if (jzx__list_empty(&listener->queue)) {
        return -EAGAIN;
    }
    if (jzx__sim_fault_errno(sim, JZX_SIM_FD_LIMIT, errors, JZX__COUNT(errors), &error)) {
        return -error; /* it goes on waiting */
    }
    bool gone = jzx__sim_fault(sim, JZX_SIM_ACCEPT_FAILS);
    jzx__sim_socket *accepted = jzx__sim_socket_accept_next(listener);
    int number = gone ? -ECONNABORTED : jzx__sim_fd_open(sim, JZX__SIM_FD_SOCKET, accepted);
    if (number < 0) {
        jzx__sim_socket_give_up(net, accepted, true);
    } else {
        accepted->fd = number;
        jzx__sim_event(sim, "net: accepted", (uint64_t)(number - JZX__SIM_FD_FIRST), accepted->local.port, 0);
    }
    return number;
}

/* An error that is told once. */
static int take_error(jzx__sim_socket *socket)
{
    int error = socket->error;
    socket->error = 0;
    return error;
}

static int connect_begin(jzx__sim_net *net, jzx__sim_socket *socket, const jzx__sim_address *target)
{
    static const int limits[] = {ENOBUFS};
    static const int errors[] = {ECONNREFUSED, ETIMEDOUT, ENETUNREACH};
    int error;
    if (jzx__sim_fault_errno(net->sim, JZX_SIM_FD_LIMIT, limits, JZX__COUNT(limits), &error)) {
        return -error;
    }
    bool fails = jzx__sim_fault_errno(net->sim, JZX_SIM_CONNECT_FAILS, errors, JZX__COUNT(errors), &error);
    if (fails && error == ENETUNREACH) {
        return -error;
    }
    if (bind_anywhere(net, socket) < 0) {
        return -EADDRNOTAVAIL;
    }
    jzx__sim_connect_begin(net, socket, target, fails ? error : 0);
    return -EINPROGRESS;
}

int jzx__sim_socket_connect(jzx_sim *sim, int fd, const struct sockaddr *address, socklen_t size)
{
    int error;
    jzx__sim_address target;
    jzx__sim_socket *socket = find(sim, fd, &error);
    if (socket == NULL) {
        return error;
    }
    if (socket->state == JZX__SIM_SOCKET_CONNECTS) {
        return -EALREADY;
    }
    if (socket->state == JZX__SIM_SOCKET_CONNECTED && socket->side == &socket->side->connection->sides[0] &&
        !socket->told) {
        socket->told = true;
        return 0;
    }
    if (socket->state != JZX__SIM_SOCKET_FRESH) {
        return -EISCONN;
    }
    if (socket->error != 0) {
        return -take_error(socket);
    }
    error = jzx__sim_address_read(address, size, &target);
    if (error < 0) {
        return error;
    }
    if (target.family != socket->local.family) {
        return -EAFNOSUPPORT;
    }
    return connect_begin(jzx__sim_net_of(sim), socket, &target);
}

size_t jzx__sim_socket_unread(const jzx__sim_socket *socket)
{
    return socket->side == NULL ? 0 : (size_t)(socket->side->arrived - socket->side->read);
}

/* What a receive says that finds nothing to read: -errno, or 0 for the end. */
static int nothing_to_read(jzx__sim_socket *socket)
{
    const jzx__sim_side *side = socket->side;
    if (side != NULL && side->end_arrived) {
        return 0;
    }
    if (socket->error != 0) {
        return -take_error(socket);
    }
    if (socket->state == JZX__SIM_SOCKET_CONNECTS) {
        return -EAGAIN;
    }
    if (side == NULL) {
        return -ENOTCONN;
    }
    return side->dead || socket->read_shut ? 0 : -EAGAIN;
}

ssize_t jzx__sim_socket_receive(jzx_sim *sim, int fd, void *to, size_t room)
{
    int error;
    uint64_t amount;
    jzx__sim_socket *socket = find(sim, fd, &error);
    if (socket == NULL) {
        return error;
    }
    size_t size = jzx__sim_socket_unread(socket);
    if (size == 0) {
        return nothing_to_read(socket);
    }
    size = size < room ? size : room;
    if (to != NULL && size > 1 && jzx__sim_fault_amount(sim, JZX_SIM_RECV_SHORT, 1, size - 1, &amount)) {
        size = amount < size ? (size_t)amount : size;
    }
    jzx__sim_socket_take(jzx__sim_net_of(sim), socket, to, size);
    return (ssize_t)size;
}

/* What stands in the way of sending: -errno; 0: nothing. */
static int send_refused(jzx__sim_socket *socket)
{
    const jzx__sim_side *side = socket->side;
    if (socket->error != 0) {
        return -take_error(socket);
    }
    if (socket->state == JZX__SIM_SOCKET_CONNECTS) {
        return -EAGAIN;
    }
    if (side == NULL || side->dead || side->end_wanted) {
        return -EPIPE;
    }
    return side->written - side->acknowledged >= JZX__SIM_BUFFER ? -EAGAIN : 0;
}

/* How much of `size` bytes a send takes now. */
static size_t send_size(jzx_sim *sim, const jzx__sim_side *side, size_t size)
{
    uint64_t amount;
    uint64_t space = JZX__SIM_BUFFER - (side->written - side->acknowledged);
    size = size < space ? size : (size_t)space;
    if (size > 1 && jzx__sim_fault_amount(sim, JZX_SIM_SEND_SHORT, 1, size - 1, &amount)) {
        size = amount < size ? (size_t)amount : size;
    }
    return size;
}

ssize_t jzx__sim_socket_send(jzx_sim *sim, int fd, const struct iovec *parts, uint32_t count)
{
    int error;
    size_t size = 0;
    jzx__sim_net *net = jzx__sim_net_of(sim);
    jzx__sim_socket *socket = find(sim, fd, &error);
    if (socket == NULL) {
        return error;
    }
    error = send_refused(socket);
    for (uint32_t i = 0; i < count; i++) {
        size += parts[i].iov_len;
    }
    if (error < 0 || size == 0) {
        return error;
    }
    if (jzx__sim_fault(sim, JZX_SIM_EPIPE)) {
        jzx__sim_side_abort(net, socket->side);
        return -EPIPE;
    }
    size = send_size(sim, socket->side, size);
    size_t left = size;
    for (uint32_t i = 0; left > 0; i++) {
        size_t part = parts[i].iov_len < left ? parts[i].iov_len : left;
        jzx__sim_side_write(socket->side, parts[i].iov_base, part);
        left -= part;
    }
    jzx__sim_side_push(net, socket->side);
    return (ssize_t)size;
}

/* All bits that hold, as Linux has them. */
static unsigned readiness(const jzx__sim_socket *socket)
{
    const jzx__sim_side *side = socket->side;
    unsigned bits = socket->error != 0 ? POLLERR : 0;
    if (socket->state == JZX__SIM_SOCKET_LISTENS) {
        return bits | (jzx__list_empty(&socket->queue) ? 0 : POLLIN | POLLRDNORM);
    }
    if (socket->state == JZX__SIM_SOCKET_CONNECTS) {
        return bits;
    }
    bool over = side == NULL || side->dead;
    bool ended = side != NULL && (over || side->end_arrived || socket->read_shut);
    bool all_sent = over || side->end_wanted;
    bits |= ended || socket->error != 0 ? POLLIN | POLLRDNORM | POLLRDHUP : 0;
    bits |= jzx__sim_socket_unread(socket) > 0 ? POLLIN | POLLRDNORM : 0;
    bits |= over || (ended && all_sent) ? POLLHUP : 0;
    /* A third of the buffer must be free, so that a sender is not woken for a byte. */
    bool writable = all_sent || side->written - side->acknowledged <= JZX__SIM_BUFFER / 3 * 2;
    return bits | (writable ? POLLOUT | POLLWRNORM : 0);
}

short jzx__sim_socket_poll(jzx_sim *sim, int fd, short events)
{
    int error;
    const jzx__sim_socket *socket = find(sim, fd, &error);
    if (socket == NULL) {
        return POLLNVAL;
    }
    return (short)(readiness(socket) & ((unsigned)(unsigned short)events | POLLERR | POLLHUP));
}

int jzx__sim_socket_option(jzx_sim *sim, int fd, int level, int name, const void *value, socklen_t size)
{
    int error;
    int number;
    jzx__sim_socket *socket = find(sim, fd, &error);
    if (socket == NULL) {
        return error;
    }
    if (value == NULL || size < sizeof number) {
        return -EINVAL;
    }
    memcpy(&number, value, sizeof number);
    if (level == SOL_SOCKET && name == SO_REUSEADDR) {
        socket->reuse_address = number != 0;
    } else if (level == SOL_SOCKET && name == SO_REUSEPORT) {
        socket->reuse_port = number != 0;
    } else if (level == SOL_SOCKET && name == SO_LINGER && size >= sizeof(struct linger)) {
        struct linger linger;
        memcpy(&linger, value, sizeof linger);
        socket->aborts = linger.l_onoff != 0 && linger.l_linger == 0;
    }
    return 0; /* the others change nothing that can be seen here */
}

static int shutdown_connection(jzx__sim_net *net, jzx__sim_socket *socket, int how)
{
    jzx__sim_side *side = socket->side;
    bool all_over = side->dead || (side->end_arrived && side->end_acknowledged);
    if (all_over) {
        return -ENOTCONN;
    }
    socket->read_shut = socket->read_shut || how != SHUT_WR;
    if (how != SHUT_RD) {
        side->end_wanted = true;
        jzx__sim_side_push(net, side);
    }
    jzx__sim_socket_touched(net, socket);
    return 0;
}

int jzx__sim_socket_shutdown(jzx_sim *sim, int fd, int how)
{
    int error;
    jzx__sim_net *net = jzx__sim_net_of(sim);
    jzx__sim_socket *socket = find(sim, fd, &error);
    if (socket == NULL) {
        return error;
    }
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) {
        return -EINVAL;
    }
    switch (socket->state) {
    case JZX__SIM_SOCKET_FRESH:
        return -ENOTCONN;
    case JZX__SIM_SOCKET_CONNECTED:
        return shutdown_connection(net, socket, how);
    case JZX__SIM_SOCKET_CONNECTS:
        jzx__sim_connect_fail(net, socket, ECONNRESET);
        return 0;
    case JZX__SIM_SOCKET_LISTENS:
        if (how != SHUT_WR) {
            stop_listening(net, socket);
            if (socket->port_drawn) {
                unbind(net, socket);
            }
            jzx__sim_socket_touched(net, socket);
        }
        break;
    }
    return 0;
}

int jzx__sim_socket_close(jzx_sim *sim, int fd)
{
    int error;
    jzx__sim_socket *socket = find(sim, fd, &error);
    if (socket == NULL) {
        return error;
    }
    jzx__sim_fd_drop(sim, fd);
    jzx__sim_socket_give_up(jzx__sim_net_of(sim), socket, false);
    return 0;
}

/* ---- time ---- */

static bool event_step(jzx__sim_net *net)
{
    if (jzx__sim_peers_step(net)) {
        return true;
    }
    jzx__sim_due *first = jzx__sim_due_first(&net->dues);
    if (first == NULL || first->at_ns > jzx__sim_clock(net->sim)) {
        return false;
    }
    jzx__sim_due_remove(&net->dues, first);
    first->happens(net, first);
    return true;
}

bool jzx__sim_net_step(jzx_sim *sim)
{
    jzx__sim_net *net = jzx__sim_net_of(sim);
    if (net->steps) {
        return false; /* a peer's callback lets the machine run: S5 */
    }
    net->steps = true;
    bool moved = jzx__sim_files_step(sim);
    for (int i = 0; i < EVENTS_MAX && event_step(net); i++) {
        moved = true;
    }
    net->steps = false;
    return moved;
}

uint64_t jzx__sim_net_next_ns(const jzx_sim *sim)
{
    const jzx__sim_net *net = jzx__sim_net_of((jzx_sim *)(uintptr_t)sim);
    const jzx__sim_due *first = jzx__sim_due_first(&net->dues);
    uint64_t files_ns = jzx__sim_files_next_ns(sim);
    uint64_t next_ns = first == NULL ? JZX__SIM_NEVER : first->at_ns;
    if (!jzx__list_empty(&net->peers_ready)) {
        next_ns = jzx__sim_clock(sim);
    }
    return files_ns < next_ns ? files_ns : next_ns;
}

uint32_t jzx__sim_net_open(const jzx_sim *sim)
{
    const jzx__sim_net *net = jzx__sim_net_of((jzx_sim *)(uintptr_t)sim);
    uint32_t count = 0;
    for (const jzx__list *node = net->sockets.next; node != &net->sockets; node = node->next) {
        const jzx__sim_socket *socket = jzx__container_of(node, jzx__sim_socket, all);
        count += socket->fd >= 0 || socket->peer != NULL ? 1 : 0;
    }
    return count;
}
