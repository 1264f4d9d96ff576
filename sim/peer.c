/*
 * peer: the other end of connections, for tests: sockets without a descriptor, whose owner is told by callbacks.
 *
 * No fault is made for a peer: its calls do what they should. What happens to a connection on its way happens to both.
 *
 * Invariants
 *   E1  A peer's record lives as long as the machine, so that whoever still has it is told that it is gone.
 *   E2  After `closed`, a `connected` with an error, or jzx_sim_peer_reset(), there is no callback.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/tcp.h"
#include "sim/machine.h"
#include "sim/net.h"

enum { BACKLOG = 1 << 16 };

struct jzx_sim_peer {
    jzx__list all;
    jzx__list ready;
    jzx__sim_net *net;
    jzx__sim_socket *socket; /* NULL: gone */
    jzx_sim_peer_handler handler;
    void *user;
    bool connected; /* it was told */
    bool paused;
    bool ended; /* it was told of the other's end */
};

static jzx_sim_peer *make(jzx__sim_net *net, jzx__sim_socket *socket, const jzx_sim_peer_handler *handler, void *user)
{
    jzx_sim_peer *made = jzx__sim_own_alloc(sizeof *made);
    jzx__list_init(&made->all);
    jzx__list_init(&made->ready);
    jzx__list_append(&net->peers, &made->all);
    made->net = net;
    made->socket = socket;
    made->handler = *handler;
    made->user = user;
    socket->peer = made;
    return made;
}

static void forget(jzx_sim_peer *peer, bool reset)
{
    jzx__sim_socket *socket = peer->socket;
    peer->socket = NULL;
    jzx__list_remove(&peer->ready);
    if (socket != NULL) {
        socket->peer = NULL;
        jzx__sim_socket_give_up(peer->net, socket, reset);
    }
}

void jzx__sim_peers_destroy(jzx__sim_net *net)
{
    while (!jzx__list_empty(&net->peers)) {
        jzx_sim_peer *peer = jzx__container_of(net->peers.next, jzx_sim_peer, all);
        jzx__list_remove(&peer->all);
        free(peer);
    }
}

void jzx__sim_peer_touched(jzx__sim_net *net, jzx_sim_peer *peer)
{
    if (jzx__list_empty(&peer->ready)) {
        jzx__list_append(&net->peers_ready, &peer->ready);
    }
}

/* ---- callbacks. Each of these makes one, if it is time for it. ---- */

static bool tell_accepted(jzx_sim_peer *listener)
{
    jzx__sim_socket *socket = jzx__sim_socket_accept_next(listener->socket);
    if (socket == NULL) {
        return false;
    }
    jzx_sim_peer *peer = make(listener->net, socket, &listener->handler, listener->user);
    peer->connected = true;
    jzx__sim_peer_touched(listener->net, listener); /* more may wait */
    jzx__sim_peer_touched(listener->net, peer);
    if (listener->handler.accepted != NULL) {
        listener->handler.accepted(listener->user, listener, peer);
    }
    return true;
}

static bool tell_connected(jzx_sim_peer *peer)
{
    int error = peer->socket->error;
    if (peer->socket->state == JZX__SIM_SOCKET_CONNECTS) {
        return false;
    }
    if (peer->socket->state == JZX__SIM_SOCKET_FRESH) {
        forget(peer, false); /* E2 */
    } else {
        error = 0; /* an RST that came right behind is told as one */
        peer->connected = true;
        jzx__sim_peer_touched(peer->net, peer);
    }
    if (peer->handler.connected != NULL) {
        peer->handler.connected(peer->user, peer, error);
    }
    return true;
}

static bool tell_data(jzx_sim_peer *peer)
{
    uint8_t *bytes = peer->net->scratch;
    size_t size = jzx__sim_socket_unread(peer->socket);
    if (size == 0 || peer->paused) {
        return false;
    }
    size = size < sizeof peer->net->scratch ? size : sizeof peer->net->scratch;
    jzx__sim_socket_take(peer->net, peer->socket, bytes, size);
    jzx__sim_peer_touched(peer->net, peer);
    if (peer->handler.data != NULL) {
        peer->handler.data(peer->user, peer, bytes, size);
    }
    return true;
}

static bool tell_end(jzx_sim_peer *peer)
{
    if (peer->ended || !peer->socket->side->end_arrived || jzx__sim_socket_unread(peer->socket) > 0) {
        return false;
    }
    peer->ended = true;
    jzx__sim_peer_touched(peer->net, peer);
    if (peer->handler.end != NULL) {
        peer->handler.end(peer->user, peer);
    }
    return true;
}

static bool tell_closed(jzx_sim_peer *peer)
{
    const jzx__sim_side *side = peer->socket->side;
    bool reset = side->dead;
    if (!reset && !(peer->ended && side->end_acknowledged)) {
        return false;
    }
    forget(peer, false); /* E2 */
    if (peer->handler.closed != NULL) {
        peer->handler.closed(peer->user, peer, reset ? ECONNRESET : 0);
    }
    return true;
}

static bool tell(jzx_sim_peer *peer)
{
    if (peer->socket->state == JZX__SIM_SOCKET_LISTENS) {
        return tell_accepted(peer);
    }
    if (!peer->connected) {
        return tell_connected(peer);
    }
    return tell_data(peer) || tell_end(peer) || tell_closed(peer);
}

bool jzx__sim_peers_step(jzx__sim_net *net)
{
    while (!jzx__list_empty(&net->peers_ready)) {
        jzx_sim_peer *peer = jzx__container_of(net->peers_ready.next, jzx_sim_peer, ready);
        jzx__list_remove(&peer->ready);
        JZX_ASSERT(peer->socket != NULL);
        if (tell(peer)) {
            return true;
        }
    }
    return false;
}

/* ---- the public calls ---- */

static bool parse(const char *text, uint16_t port, jzx__sim_address *address)
{
    jzx__socket_options options;
    return port != 0 && text != NULL && jzx__address_parse(text, port, &options) == 0 &&
           jzx__sim_address_read((const struct sockaddr *)&options.address, options.address_size, address) == 0;
}

static bool valid(const jzx_sim *sim, const jzx_sim_peer_handler *handler, jzx_sim_peer **peer)
{
    return sim != NULL && sim == jzx__sim_machine && handler != NULL && handler->struct_size == sizeof *handler &&
           peer != NULL;
}

jzx_err jzx_sim_peer_connect(jzx_sim *sim, const char *address, uint16_t port, const jzx_sim_peer_handler *handler,
                             void *user, jzx_sim_peer **peer)
{
    jzx__sim_address target;
    if (!valid(sim, handler, peer) || !parse(address, port, &target)) {
        return JZX_ERR_INVALID_ARG;
    }
    jzx__sim_net *net = jzx__sim_net_of(sim);
    jzx__sim_socket *socket = jzx__sim_socket_make(net);
    socket->local.family = target.family;
    *peer = make(net, socket, handler, user);
    jzx__sim_connect_begin(net, socket, &target, 0);
    return JZX_OK;
}

jzx_err jzx_sim_peer_listen(jzx_sim *sim, const char *address, uint16_t port, const jzx_sim_peer_handler *handler,
                            void *user, jzx_sim_peer **peer)
{
    jzx__sim_address local;
    if (!valid(sim, handler, peer) || !parse(address, port, &local)) {
        return JZX_ERR_INVALID_ARG;
    }
    jzx__sim_net *net = jzx__sim_net_of(sim);
    jzx__sim_socket *socket = jzx__sim_socket_make(net);
    socket->reuse_address = true;
    if (jzx__sim_socket_bind_to(net, socket, &local) < 0 || jzx__sim_socket_listen_on(net, socket, BACKLOG) < 0) {
        jzx__sim_socket_give_up(net, socket, false);
        return JZX_ERR_ADDRESS_IN_USE;
    }
    *peer = make(net, socket, handler, user);
    return JZX_OK;
}

/* Its side, if it is connected and can send; NULL else. */
static jzx__sim_side *sends(const jzx_sim_peer *peer)
{
    jzx__sim_side *side = peer->socket == NULL ? NULL : peer->socket->side;
    return side == NULL || !side->open || side->dead || side->end_wanted ? NULL : side;
}

jzx_err jzx_sim_peer_send(jzx_sim_peer *peer, const void *data, size_t size)
{
    if (peer == NULL || (data == NULL && size > 0)) {
        return JZX_ERR_INVALID_ARG;
    }
    jzx__sim_side *side = sends(peer);
    if (side == NULL) {
        return JZX_ERR_NO_SUCH_SOCKET;
    }
    jzx__sim_side_write(side, data, size);
    jzx__sim_side_push(peer->net, side);
    return JZX_OK;
}

jzx_err jzx_sim_peer_pause(jzx_sim_peer *peer, bool paused)
{
    if (peer == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    if (peer->socket == NULL || peer->socket->state == JZX__SIM_SOCKET_LISTENS) {
        return JZX_ERR_NO_SUCH_SOCKET;
    }
    peer->paused = paused;
    jzx__sim_peer_touched(peer->net, peer);
    return JZX_OK;
}

jzx_err jzx_sim_peer_end(jzx_sim_peer *peer)
{
    if (peer == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    if (peer->socket != NULL && peer->socket->state == JZX__SIM_SOCKET_LISTENS) {
        forget(peer, false);
        return JZX_OK;
    }
    jzx__sim_side *side = sends(peer);
    if (side == NULL) {
        return JZX_ERR_NO_SUCH_SOCKET;
    }
    side->end_wanted = true;
    jzx__sim_side_push(peer->net, side);
    return JZX_OK;
}

jzx_err jzx_sim_peer_reset(jzx_sim_peer *peer)
{
    if (peer == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    if (peer->socket == NULL) {
        return JZX_ERR_NO_SUCH_SOCKET;
    }
    forget(peer, true);
    return JZX_OK;
}
