/*
 * clients: peers that come to an echo server, send, compare what comes back, and come again when they were turned away; and
 * an echo at the other end, for actors that connect.
 */
#ifndef TESTS_SWARM_CLIENTS_H
#define TESTS_SWARM_CLIENTS_H

#include <jzx/sim.h>

enum { CLIENTS_MAX = 16 };

typedef struct clients clients;

typedef struct client {
    clients *all;
    uint32_t index;
    jzx_sim_peer *peer; /* NULL: none now */
    bool connected;
    uint64_t since_ns;
    uint32_t size; /* bytes to send, and to get back */
    uint32_t sent;
    uint32_t got;
    bool served;
    bool resets; /* after half of it, once */
    bool stalls; /* does not read for a while */
    bool wrong;
} client;

struct clients {
    jzx_sim *sim;
    uint16_t port;
    uint32_t count;
    client each[CLIENTS_MAX];
    uint32_t served;
    uint32_t tries;
    uint64_t given_up_ns; /* one that is connected for so long without an end tries anew */
};

void clients_init(clients *all, jzx_sim *sim, uint16_t port, uint32_t count, uint32_t size);
/* Connects those that are not and have not been served, and gives up what hangs. True: all are served. */
bool clients_look(clients *all);
void clients_look_at(client *one); /* one alone */
/* Leaves: those that are connected reset. */
void clients_leave(clients *all);

uint8_t clients_byte(uint32_t who, uint32_t place);

/* An echo that listens. */
jzx_err echo_listen(jzx_sim *sim, uint16_t port, jzx_sim_peer **listener);

#endif
