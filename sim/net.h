/*
 * net: the simulated network, as net.c (sockets and their calls), wire.c (connections and what flies between their sides)
 * and peer.c (sockets without a descriptor, for tests) share it.
 *
 * A connection has two sides. Each sends segments that arrive after a latency, in their order; what a side knows of the
 * other it knows from segments. A side whose socket is closed goes on without it until all is told.
 *
 * Semantics are those of TCP on Linux: a FIN goes behind the data; a close with data unread, or with SO_LINGER of 0, is an
 * RST; data to a closed side is answered by one; what had arrived before an RST can still be read, then ECONNRESET is told
 * once. Nothing is lost on the way but a SYN that finds the queue of its listener full.
 *
 * Invariants
 *   S1  Segments of one side arrive in their order, and behind its RST comes nothing.
 *   S2  read <= arrived <= sent <= written of a stream; a side sends no further than the other has allowed, and a socket
 *       has no more than BUFFER bytes written that are not acknowledged. A peer may.
 *   S3  A side has at most one segment in flight that is only an acknowledgement, and while there is news for the other
 *       side one is in flight or about to be: so nobody waits for a window for ever.
 *   S4  A connection is freed when neither side has a socket and nothing flies.
 *   S5  Callbacks of peers run from jzx__sim_net_step() alone, one at a time, when no function of wire.c is running.
 */
#ifndef JZX__SIM_NET_H
#define JZX__SIM_NET_H

#include "io/list.h"
#include "sim/due.h"

enum {
    JZX__SIM_BUFFER = 65536,      /* of a sender and of a window, in bytes */
    JZX__SIM_SEGMENT_MAX = 16384, /* bytes */
    JZX__SIM_FLIGHT_MAX = 16,     /* segments with data, of one side */
    JZX__SIM_PORTS = 256,         /* lists of sockets that have a port */
};

typedef struct jzx__sim_socket jzx__sim_socket;
typedef struct jzx__sim_connection jzx__sim_connection;

typedef struct jzx__sim_address {
    sa_family_t family;
    uint16_t port;
    uint8_t host[16];
} jzx__sim_address;

typedef struct jzx__sim_segment {
    struct jzx__sim_segment *next;
    uint64_t at_ns;
    uint64_t end; /* place in the stream behind its data */
    uint64_t acknowledged;
    uint64_t window_end;
    uint8_t flags;
    bool end_acknowledged;
} jzx__sim_segment;

/* One side of a connection. Places are counted in bytes from the beginning of a stream. */
typedef struct jzx__sim_side {
    jzx__sim_connection *connection;
    jzx__sim_socket *socket; /* NULL: closed, or none yet */
    bool open;               /* the handshake is over, as far as it knows */
    bool dead;               /* an RST was sent or has come: it neither sends nor takes */
    bool reset_sent;

    /* what flies */
    jzx__sim_due due; /* the first of them arrives */
    jzx__sim_segment *first;
    jzx__sim_segment *last;
    uint32_t flight;
    bool ack_flies;

    /* its stream */
    uint8_t *bytes; /* a ring of `room` bytes: what was written and the other side has not read */
    size_t room;
    uint64_t written;
    uint64_t sent;
    uint64_t acknowledged;
    uint64_t window_end; /* the other side has allowed */
    bool end_wanted;     /* no more will be written */
    bool end_sent;
    bool end_acknowledged;

    /* the other's stream */
    uint64_t arrived;
    uint64_t read;
    bool end_arrived;
    uint64_t told_arrived; /* what the last segment has said of it */
    uint64_t told_window_end;
    bool told_end;
} jzx__sim_side;

struct jzx__sim_connection {
    jzx__list all;
    uint64_t serial;
    jzx__sim_side sides[2];  /* who connected, and who listened */
    jzx__sim_address target; /* where to */
    jzx__sim_due retry;      /* of the SYN */
    uint32_t tries;
    int outcome; /* an errno that the connect comes to, whatever is there; 0: none */
    bool busy;   /* a segment is being dealt with: not to be freed */
};

typedef enum jzx__sim_socket_state {
    JZX__SIM_SOCKET_FRESH, /* neither of the others; also a connect that failed */
    JZX__SIM_SOCKET_LISTENS,
    JZX__SIM_SOCKET_CONNECTS,
    JZX__SIM_SOCKET_CONNECTED,
} jzx__sim_socket_state;

struct jzx__sim_socket {
    jzx__list all;
    jzx__list port; /* in the list of its port, when bound */
    int fd;         /* -1: none: a peer's, or not accepted yet */
    jzx_sim_peer *peer;
    jzx__sim_socket_state state;
    jzx__sim_address local;
    bool bound;
    bool port_drawn; /* the port was not asked for */
    bool reuse_address;
    bool reuse_port;
    bool aborts;    /* SO_LINGER of 0 */
    bool read_shut; /* SHUT_RD */
    bool told;      /* how the connect went */
    int error;      /* told once */

    /* a listener's */
    uint32_t backlog;
    uint32_t waiting;     /* in both lists */
    jzx__list handshakes; /* those that are not open yet */
    jzx__list queue;      /* those that may be accepted */

    jzx__sim_socket *listener; /* whose list it is in */
    jzx__list wait;
    jzx__sim_side *side; /* of a connection; NULL unless it connects or is connected */
};

struct jzx__sim_net {
    jzx_sim *sim;
    jzx__sim_dues dues;
    jzx__list sockets;
    jzx__list connections;
    jzx__list ports[JZX__SIM_PORTS];
    uint16_t port_lowest; /* no lower ephemeral port is free */
    uint64_t connected;   /* connections ever */
    jzx__sim_segment *segment_free;
    bool steps; /* jzx__sim_net_step() is running */

    jzx__list peers;
    jzx__list peers_ready; /* those that may have something to be told */
    uint8_t scratch[JZX__SIM_SEGMENT_MAX];
};

/* ---- net.c ---- */

jzx__sim_socket *jzx__sim_socket_make(jzx__sim_net *net);
/* As the calls of their names, for sockets with or without a descriptor, and without faults. */
int jzx__sim_socket_bind_to(jzx__sim_net *net, jzx__sim_socket *socket, const jzx__sim_address *address);
int jzx__sim_socket_listen_on(jzx__sim_net *net, jzx__sim_socket *socket, uint32_t backlog);
jzx__sim_socket *jzx__sim_socket_accept_next(jzx__sim_socket *listener); /* NULL: there is none */
size_t jzx__sim_socket_unread(const jzx__sim_socket *socket);            /* bytes that may be received now */
void jzx__sim_socket_take(jzx__sim_net *net, jzx__sim_socket *socket, void *to, size_t size);
void jzx__sim_socket_give_up(jzx__sim_net *net, jzx__sim_socket *socket, bool reset); /* closes and frees it */
/* Something has happened that its owner may have waited for. */
void jzx__sim_socket_touched(jzx__sim_net *net, jzx__sim_socket *socket);
/* Who is to have a connection to the address; NULL: nobody. */
jzx__sim_socket *jzx__sim_listener_for(jzx__sim_net *net, const jzx__sim_address *address);
int jzx__sim_address_read(const struct sockaddr *from, socklen_t size, jzx__sim_address *address);

/* ---- wire.c ---- */

/* `outcome` is an errno that it comes to, or 0. The target's wildcard means this machine. */
void jzx__sim_connect_begin(jzx__sim_net *net, jzx__sim_socket *socket, const jzx__sim_address *target, int outcome);
void jzx__sim_connect_fail(jzx__sim_net *net, jzx__sim_socket *socket, int error);
void jzx__sim_side_write(jzx__sim_side *side, const void *data, size_t size); /* to be pushed */
void jzx__sim_side_push(jzx__sim_net *net, jzx__sim_side *side);              /* sends what may be sent */
void jzx__sim_side_abort(jzx__sim_net *net, jzx__sim_side *side);             /* sends an RST, and is dead */
void jzx__sim_side_leave(jzx__sim_net *net,
                         jzx__sim_side *side); /* its socket is closed; the connection may be gone then */
void jzx__sim_connection_free(jzx__sim_net *net, jzx__sim_connection *connection);

/* ---- peer.c ---- */

bool jzx__sim_peers_step(jzx__sim_net *net); /* one callback. False: there is none to be made */
void jzx__sim_peer_touched(jzx__sim_net *net, jzx_sim_peer *peer);
void jzx__sim_peers_destroy(jzx__sim_net *net);

#endif
