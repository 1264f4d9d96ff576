/* clients: see clients.h. */
#include "tests/swarm/clients.h"

#include <string.h>

enum { PIECE = 700 };

uint8_t clients_byte(uint32_t who, uint32_t place)
{
    return (uint8_t)(who * 31 + place * 7 + (place >> 8));
}

static void send_some(client *self)
{
    uint8_t bytes[PIECE];
    uint32_t size = self->size - self->sent < PIECE ? self->size - self->sent : PIECE;
    for (uint32_t i = 0; i < size; i++) {
        bytes[i] = clients_byte(self->index, self->sent + i);
    }
    if (size > 0 && jzx_sim_peer_send(self->peer, bytes, size) == JZX_OK) {
        self->sent += size;
    }
}

static void connected(void *user, jzx_sim_peer *peer, int error)
{
    client *self = user;
    if (self->peer != peer) {
        return;
    }
    self->connected = error == 0;
    if (error != 0) {
        self->peer = NULL;
        return;
    }
    send_some(self);
    send_some(self);
}

static void data(void *user, jzx_sim_peer *peer, const void *bytes, size_t size)
{
    client *self = user;
    const uint8_t *got = bytes;
    if (self->peer != peer) {
        return;
    }
    for (size_t i = 0; i < size; i++) {
        if (self->got + i >= self->sent || got[i] != clients_byte(self->index, self->got + (uint32_t)i)) {
            jzx_sim_fail(self->all->sim, "client %u: byte %zu of its echo is wrong", self->index, self->got + i);
            return;
        }
    }
    self->got += (uint32_t)size;
    if (self->resets && self->got > self->size / 2) {
        self->resets = false;
        self->peer = NULL;
        (void)jzx_sim_peer_reset(peer);
        return;
    }
    if (self->got == self->size) {
        self->served = true;
        self->all->served++;
        self->peer = NULL;
        (void)jzx_sim_peer_end(peer);
        return;
    }
    send_some(self);
}

static void end(void *user, jzx_sim_peer *peer)
{
    client *self = user;
    if (self->peer == peer) { /* too early */
        self->peer = NULL;
    }
    (void)jzx_sim_peer_end(peer);
}

static void closed(void *user, jzx_sim_peer *peer, int error)
{
    client *self = user;
    (void)error;
    if (self->peer == peer) {
        self->peer = NULL;
    }
}

static const jzx_sim_peer_handler client_handler = {
    .struct_size = sizeof client_handler, .connected = connected, .data = data, .end = end, .closed = closed};

void clients_init(clients *all, jzx_sim *sim, uint16_t port, uint32_t count, uint32_t size)
{
    memset(all, 0, sizeof *all);
    all->sim = sim;
    all->port = port;
    all->count = count;
    all->given_up_ns = 2000000000;
    for (uint32_t i = 0; i < count; i++) {
        all->each[i] = (client){.all = all, .index = i, .size = size + i * 17};
    }
}

void clients_look_at(client *self)
{
    clients *all = self->all;
    uint64_t now_ns = jzx_sim_now_ns(all->sim);
    if (self->peer != NULL && now_ns - self->since_ns > all->given_up_ns) {
        jzx_sim_peer *hangs = self->peer;
        self->peer = NULL;
        (void)jzx_sim_peer_reset(hangs);
    }
    if (self->peer != NULL) {
        bool rests = self->stalls && self->connected && now_ns - self->since_ns < 20000000;
        (void)jzx_sim_peer_pause(self->peer, rests);
        return;
    }
    self->connected = false;
    self->sent = 0;
    self->got = 0;
    self->since_ns = now_ns;
    all->tries++;
    (void)jzx_sim_peer_connect(all->sim, "127.0.0.1", all->port, &client_handler, self, &self->peer);
}

bool clients_look(clients *all)
{
    for (uint32_t i = 0; i < all->count; i++) {
        if (!all->each[i].served) {
            clients_look_at(&all->each[i]);
        }
    }
    return all->served == all->count;
}

void clients_leave(clients *all)
{
    for (uint32_t i = 0; i < all->count; i++) {
        jzx_sim_peer *peer = all->each[i].peer;
        all->each[i].peer = NULL;
        if (peer != NULL) {
            (void)jzx_sim_peer_reset(peer);
        }
    }
}

/* ---- the echo ---- */

static void echo_data(void *user, jzx_sim_peer *peer, const void *bytes, size_t size)
{
    (void)user;
    (void)jzx_sim_peer_send(peer, bytes, size);
}

static void echo_end(void *user, jzx_sim_peer *peer)
{
    (void)user;
    (void)jzx_sim_peer_end(peer);
}

jzx_err echo_listen(jzx_sim *sim, uint16_t port, jzx_sim_peer **listener)
{
    static const jzx_sim_peer_handler handler = {.struct_size = sizeof handler, .data = echo_data, .end = echo_end};
    return jzx_sim_peer_listen(sim, "127.0.0.1", port, &handler, NULL, listener);
}
