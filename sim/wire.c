/* wire: connections and the segments that fly between their sides; see net.h. */
#include "sim/net.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum {
    SYN = 1,
    SYN_BACK = 2, /* of who listens: open for who connects */
    OPEN = 4,     /* the answer to that */
    DATA = 8,
    FIN = 16,
    RST = 32,
    ACK = 64, /* nothing but news */
    TRIES_MAX = 6,
    ROOM_MIN = 256,
};
static const uint64_t RETRY_NS = 1000000000; /* of a SYN; then twice as long each time */
static const uint64_t DELAY_MAX_NS = 1000000000;

static jzx__sim_side *side_other(jzx__sim_side *side)
{
    jzx__sim_side *sides = side->connection->sides;
    return side == &sides[0] ? &sides[1] : &sides[0];
}

/* A number for the trace. */
static uint64_t side_number(const jzx__sim_side *side)
{
    return side->connection->serial * 2 + (side == &side->connection->sides[1] ? 1 : 0);
}

static uint64_t latency_ns(jzx__sim_net *net)
{
    const jzx_sim_config *config = jzx__sim_config_of(net->sim);
    return jzx__sim_between(net->sim, JZX__SIM_STREAM_NET, config->latency_min_ns, config->latency_max_ns);
}

/* ---- what flies ---- */

static jzx__sim_segment *segment_take(jzx__sim_net *net)
{
    jzx__sim_segment *segment = net->segment_free;
    if (segment == NULL) {
        return jzx__sim_own_alloc(sizeof *segment);
    }
    net->segment_free = segment->next;
    memset(segment, 0, sizeof *segment);
    return segment;
}

static void segment_give(jzx__sim_net *net, jzx__sim_segment *segment)
{
    segment->next = net->segment_free;
    net->segment_free = segment;
}

/* S3: every segment says all there is to say about what has come. */
static void segment_tell(jzx__sim_side *side, jzx__sim_segment *segment)
{
    segment->acknowledged = side->arrived;
    segment->window_end = side->read + JZX__SIM_BUFFER;
    segment->end_acknowledged = side->end_arrived;
    side->told_arrived = segment->acknowledged;
    side->told_window_end = segment->window_end;
    side->told_end = segment->end_acknowledged;
}

static void segment_send(jzx__sim_net *net, jzx__sim_side *side, uint8_t flags)
{
    jzx__sim_segment *segment = segment_take(net);
    uint64_t delay_ns = 0;
    uint64_t at_ns = jzx__add_saturating(jzx__sim_clock(net->sim), latency_ns(net));
    if ((flags & (SYN | DATA | FIN)) != 0 &&
        jzx__sim_fault_amount(net->sim, JZX_SIM_NET_DELAY, 1, DELAY_MAX_NS, &delay_ns)) {
        at_ns = jzx__add_saturating(at_ns, delay_ns);
    }
    segment->at_ns = side->last != NULL && side->last->at_ns > at_ns ? side->last->at_ns : at_ns; /* S1 */
    segment->flags = flags;
    segment->end = side->sent;
    segment_tell(side, segment);
    side->flight += (flags & DATA) != 0 ? 1 : 0;
    side->ack_flies = side->ack_flies || (flags & ACK) != 0;
    *(side->last != NULL ? &side->last->next : &side->first) = segment;
    side->last = segment;
    if (side->first == segment) {
        jzx__sim_due_add(&net->dues, &side->due, segment->at_ns);
    }
}

static jzx__sim_segment segment_pop(jzx__sim_net *net, jzx__sim_side *side)
{
    jzx__sim_segment *first = side->first;
    jzx__sim_segment segment = *first;
    side->first = first->next;
    if (side->first == NULL) {
        side->last = NULL;
    }
    side->flight -= (segment.flags & DATA) != 0 ? 1 : 0;
    side->ack_flies = side->ack_flies && (segment.flags & ACK) == 0;
    segment_give(net, first);
    return segment;
}

static void flight_forget(jzx__sim_net *net, jzx__sim_side *side)
{
    jzx__sim_due_remove(&net->dues, &side->due);
    while (side->first != NULL) {
        (void)segment_pop(net, side);
    }
}

void jzx__sim_side_push(jzx__sim_net *net, jzx__sim_side *side)
{
    while (side->open && !side->dead && side->flight < JZX__SIM_FLIGHT_MAX) {
        uint64_t size = side->written - side->sent;
        uint64_t allowed = side->window_end - side->sent;
        JZX_ASSERT(side->sent <= side->written && side->sent <= side->window_end); /* S2 */
        size = size < allowed ? size : allowed;
        size = size < JZX__SIM_SEGMENT_MAX ? size : JZX__SIM_SEGMENT_MAX;
        bool end = side->end_wanted && !side->end_sent && side->sent + size == side->written;
        if (size == 0 && !end) {
            return;
        }
        side->sent += size;
        side->end_sent = side->end_sent || end;
        segment_send(net, side, (uint8_t)((size > 0 ? DATA : 0) | (end ? FIN : 0)));
    }
}

/* A window that grows is news when the other side may soon come to its end. */
static bool has_news(const jzx__sim_side *side)
{
    uint64_t window_end = side->read + JZX__SIM_BUFFER;
    bool narrow = side->told_window_end - side->arrived < JZX__SIM_BUFFER / 2 && window_end > side->told_window_end;
    return side->arrived != side->told_arrived || side->end_arrived != side->told_end || narrow;
}

static void side_tell(jzx__sim_net *net, jzx__sim_side *side)
{
    if (side->open && !side->dead && !side->ack_flies && has_news(side)) {
        segment_send(net, side, ACK);
    }
}

/* ---- what was written ---- */

static void bytes_copy_in(jzx__sim_side *side, uint64_t place, const uint8_t *from, size_t size)
{
    size_t at = (size_t)place & (side->room - 1);
    size_t first = size < side->room - at ? size : side->room - at;
    memcpy(side->bytes + at, from, first);
    memcpy(side->bytes, from + first, size - first);
}

static void bytes_copy_out(const jzx__sim_side *side, uint64_t place, uint8_t *to, size_t size)
{
    size_t at = (size_t)place & (side->room - 1);
    size_t first = size < side->room - at ? size : side->room - at;
    memcpy(to, side->bytes + at, first);
    memcpy(to + first, side->bytes, size - first);
}

static void bytes_make_room(jzx__sim_side *side, uint64_t from, size_t need)
{
    size_t room = side->room == 0 ? ROOM_MIN : side->room;
    size_t kept = (size_t)(side->written - from);
    while (room < need) {
        room *= 2;
    }
    if (room == side->room) {
        return;
    }
    jzx__sim_side grown = {.bytes = jzx__sim_own_alloc(room), .room = room};
    for (size_t done = 0; done < kept;) {
        uint8_t some[4096];
        size_t part = kept - done < sizeof some ? kept - done : sizeof some;
        bytes_copy_out(side, from + done, some, part);
        bytes_copy_in(&grown, from + done, some, part);
        done += part;
    }
    free(side->bytes);
    side->bytes = grown.bytes;
    side->room = grown.room;
}

void jzx__sim_side_write(jzx__sim_side *side, const void *data, size_t size)
{
    uint64_t from = side_other(side)->read;
    JZX_ASSERT(!side->dead && !side->end_wanted);
    if (size > 0) {
        bytes_make_room(side, from, (size_t)(side->written - from) + size);
        bytes_copy_in(side, side->written, data, size);
        side->written += size;
    }
}

void jzx__sim_socket_take(jzx__sim_net *net, jzx__sim_socket *socket, void *to, size_t size)
{
    jzx__sim_side *side = socket->side;
    jzx__sim_side *from = side_other(side);
    JZX_ASSERT(size <= jzx__sim_socket_unread(socket));
    if (to != NULL && size > 0) {
        bytes_copy_out(from, side->read, to, size);
    }
    side->read += size;
    if (side->read == from->written) {
        free(from->bytes);
        from->bytes = NULL;
        from->room = 0;
    }
    side_tell(net, side);
}

/* ---- the end ---- */

void jzx__sim_connection_free(jzx__sim_net *net, jzx__sim_connection *connection)
{
    jzx__sim_due_remove(&net->dues, &connection->retry);
    for (int i = 0; i < 2; i++) {
        flight_forget(net, &connection->sides[i]);
        free(connection->sides[i].bytes);
    }
    jzx__list_remove(&connection->all);
    free(connection);
}

/* S4 */
static void settle(jzx__sim_net *net, jzx__sim_connection *connection)
{
    const jzx__sim_side *sides = connection->sides;
    if (!connection->busy && sides[0].socket == NULL && sides[1].socket == NULL && sides[0].first == NULL &&
        sides[1].first == NULL) {
        jzx__sim_connection_free(net, connection);
    }
}

void jzx__sim_side_abort(jzx__sim_net *net, jzx__sim_side *side)
{
    bool half_open = side == &side->connection->sides[0] && !side->open; /* it has nobody to tell yet */
    if (side->dead) {
        return;
    }
    if (!half_open) {
        jzx__sim_event(net->sim, "net: aborts", side_number(side), 0, 0);
        segment_send(net, side, RST);
        side->reset_sent = true;
    }
    side->dead = true;
}

void jzx__sim_side_leave(jzx__sim_net *net, jzx__sim_side *side)
{
    side->socket = NULL;
    if (side == &side->connection->sides[0]) {
        jzx__sim_due_remove(&net->dues, &side->connection->retry);
    }
    settle(net, side->connection);
}

void jzx__sim_connect_fail(jzx__sim_net *net, jzx__sim_socket *socket, int error)
{
    jzx__sim_side *side = socket->side;
    JZX_ASSERT(socket->state == JZX__SIM_SOCKET_CONNECTS);
    socket->state = JZX__SIM_SOCKET_FRESH;
    socket->side = NULL;
    socket->error = error;
    side->dead = true;
    jzx__sim_side_leave(net, side);
    jzx__sim_socket_touched(net, socket);
}

/* ---- arrivals ---- */

static void break_side(jzx__sim_net *net, jzx__sim_side *side)
{
    flight_forget(net, side);
    side->dead = true;
    if (side->socket != NULL) {
        side->socket->error = side->end_arrived ? EPIPE : ECONNRESET;
        jzx__sim_socket_touched(net, side->socket);
    }
}

static void reset_arrives(jzx__sim_net *net, jzx__sim_side *to)
{
    jzx__sim_socket *socket = to->socket;
    if (socket != NULL && socket->state == JZX__SIM_SOCKET_CONNECTS) {
        jzx__sim_connect_fail(net, socket, ECONNREFUSED);
    } else if (socket != NULL && !to->open) {
        to->dead = true;
        jzx__sim_socket_give_up(net, socket, false); /* nobody was told of it yet */
    } else {
        break_side(net, to);
    }
}

static void syn_arrives(jzx__sim_net *net, jzx__sim_connection *connection)
{
    jzx__sim_side *to = &connection->sides[1];
    jzx__sim_socket *listener = jzx__sim_listener_for(net, &connection->target);
    if (to->socket != NULL || to->open) {
        return; /* one that was sent again, and the first was only late */
    }
    if (listener == NULL) {
        jzx__sim_side_abort(net, to);
        return;
    }
    if (listener->waiting > listener->backlog) {
        jzx__sim_event(net->sim, "net: backlog full", connection->serial, listener->waiting, 0);
        return; /* it is asked again */
    }
    jzx__sim_socket *made = jzx__sim_socket_make(net);
    made->state = JZX__SIM_SOCKET_CONNECTED;
    made->local = connection->target;
    made->side = to;
    made->listener = listener;
    to->socket = made;
    listener->waiting++;
    jzx__list_append(&listener->handshakes, &made->wait);
    segment_send(net, to, SYN_BACK);
}

/* The handshake is over for `to`. */
static void opens(jzx__sim_net *net, jzx__sim_side *to, uint8_t flags)
{
    to->open = true;
    if ((flags & SYN_BACK) != 0) {
        jzx__sim_due_remove(&net->dues, &to->connection->retry);
        to->socket->state = JZX__SIM_SOCKET_CONNECTED;
        segment_send(net, to, OPEN);
        jzx__sim_socket_touched(net, to->socket);
        return;
    }
    jzx__list_remove(&to->socket->wait);
    jzx__list_append(&to->socket->listener->queue, &to->socket->wait);
    jzx__sim_socket_touched(net, to->socket->listener);
}

static void learn(jzx__sim_side *to, const jzx__sim_segment *segment)
{
    JZX_ASSERT(segment->acknowledged >= to->acknowledged && segment->acknowledged <= to->sent);
    JZX_ASSERT(segment->window_end >= to->window_end);
    to->acknowledged = segment->acknowledged;
    to->window_end = segment->window_end;
    to->end_acknowledged = segment->end_acknowledged;
}

static void data_arrives(jzx__sim_net *net, jzx__sim_side *to, const jzx__sim_segment *segment)
{
    if (jzx__sim_fault(net->sim, JZX_SIM_RESET)) {
        break_side(net, side_other(to));
        break_side(net, to);
    } else if (to->socket == NULL) {
        jzx__sim_side_abort(net, to); /* nobody will read it */
    } else {
        to->arrived = segment->end;
    }
}

static void deliver(jzx__sim_net *net, jzx__sim_side *to, const jzx__sim_segment *segment)
{
    jzx__sim_event(net->sim, "net: arrives", side_number(to), segment->flags, segment->end);
    if ((segment->flags & RST) != 0) {
        if (!to->dead) {
            reset_arrives(net, to);
        }
        return;
    }
    if (to->dead) {
        if (!to->reset_sent) {
            to->reset_sent = true;
            segment_send(net, to, RST);
        }
        return;
    }
    learn(to, segment);
    if ((segment->flags & SYN) != 0) {
        syn_arrives(net, to->connection);
        return;
    }
    if ((segment->flags & (SYN_BACK | OPEN)) != 0) {
        opens(net, to, segment->flags);
    }
    if ((segment->flags & DATA) != 0) {
        data_arrives(net, to, segment);
    }
    to->end_arrived = to->end_arrived || (!to->dead && (segment->flags & FIN) != 0);
}

static void segment_arrives(jzx__sim_net *net, jzx__sim_due *due)
{
    jzx__sim_side *from = jzx__container_of(due, jzx__sim_side, due);
    jzx__sim_side *to = side_other(from);
    jzx__sim_connection *connection = from->connection;
    jzx__sim_segment segment = segment_pop(net, from);
    if (from->first != NULL) {
        jzx__sim_due_add(&net->dues, &from->due, from->first->at_ns);
    }
    connection->busy = true;
    deliver(net, to, &segment);
    jzx__sim_side_push(net, to);
    side_tell(net, to);   /* behind what it has to send anyway, which tells the same */
    side_tell(net, from); /* S3: what flew is not under way any more */
    if (to->socket != NULL) {
        jzx__sim_socket_touched(net, to->socket);
    }
    connection->busy = false;
    settle(net, connection);
}

/* ---- connecting ---- */

static void retry(jzx__sim_net *net, jzx__sim_due *due)
{
    jzx__sim_connection *connection = jzx__container_of(due, jzx__sim_connection, retry);
    jzx__sim_side *from = &connection->sides[0];
    if (connection->outcome != 0) {
        jzx__sim_connect_fail(net, from->socket, connection->outcome);
    } else if (++connection->tries > TRIES_MAX) {
        jzx__sim_connect_fail(net, from->socket, ETIMEDOUT);
    } else {
        jzx__sim_due_add(&net->dues, due, jzx__add_saturating(jzx__sim_clock(net->sim), RETRY_NS << connection->tries));
        segment_send(net, from, SYN);
    }
}

/* Who connects to the wildcard means this machine. */
static jzx__sim_address meant(const jzx__sim_address *target)
{
    static const uint8_t loopback4[4] = {127, 0, 0, 1};
    static const uint8_t nobody[16];
    jzx__sim_address address = *target;
    if (memcmp(address.host, nobody, sizeof nobody) == 0) {
        if (address.family == AF_INET) {
            memcpy(address.host, loopback4, sizeof loopback4);
        } else {
            address.host[15] = 1;
        }
    }
    return address;
}

void jzx__sim_connect_begin(jzx__sim_net *net, jzx__sim_socket *socket, const jzx__sim_address *target, int outcome)
{
    jzx__sim_connection *made = jzx__sim_own_alloc(sizeof *made);
    jzx__list_init(&made->all);
    jzx__list_append(&net->connections, &made->all);
    made->serial = ++net->connected;
    made->target = meant(target);
    made->outcome = outcome;
    made->retry.happens = retry;
    for (int i = 0; i < 2; i++) {
        made->sides[i].connection = made;
        made->sides[i].due.happens = segment_arrives;
    }
    made->sides[0].socket = socket;
    socket->side = &made->sides[0];
    socket->state = JZX__SIM_SOCKET_CONNECTS;
    socket->told = false;
    jzx__sim_event(net->sim, "net: connects", made->serial, made->target.port, (uint64_t)outcome);
    uint64_t wait_ns = RETRY_NS;
    if (outcome != 0) {
        wait_ns = latency_ns(net);
        wait_ns += latency_ns(net);
    } else {
        segment_send(net, socket->side, SYN);
    }
    jzx__sim_due_add(&net->dues, &made->retry, jzx__add_saturating(jzx__sim_clock(net->sim), wait_ns));
}
