/* echo: a server of actors for what is tested against peers: one that listens, and one for each connection. */
#ifndef TESTS_ECHO_H
#define TESTS_ECHO_H

#include <jzx/sim.h>

/* Set up before echo_spawn(); what was seen is there to be read at any time. */
typedef struct echo {
    jzx_sim *sim; /* what the actors leave to the lot is drawn from it */
    uint16_t port;
    uint32_t send_max; /* of a connection; 0: the default */
    bool keeps;        /* sends buffers that it keeps back, now and then, instead of copies */

    jzx_err listening;   /* what jzx_tcp_listen() said */
    int listener_closed; /* the errno of a CLOSED of the listener; 0: none came */
    uint32_t accepted;
    uint32_t refused; /* that no actor could be spawned for */
    uint32_t ends;    /* of connections: EOF */
    uint32_t closed;  /* of connections: CLOSED */
    int closed_error; /* of the last one */
    uint64_t bytes;
} echo;

/* Spawns the one that listens on 127.0.0.1, with all others to come on the same loop. */
jzx_err echo_spawn(echo *server, jzx_loop *loop, jzx_actor_id *id);

#endif
