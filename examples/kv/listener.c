/*
 * listener: accepts clients on one loop, and has an actor started for each there.
 *
 * Every loop listens on the same port (SO_REUSEPORT), so the kernel spreads the clients. The connections are children of a
 * supervisor beside this actor: it is asked for one, and when it is there it is given the socket. Until then nothing is
 * read from that. Whatever goes wrong on the way closes the socket.
 *
 * Invariant
 *   L1  Each accepted client has one place in server->clients: it is taken here when it is accepted, noted in
 *       loop->reserved, and from its init on it is the connection's.
 */
#include "server.h"

enum { CLIENTS_SPARE = 64 }; /* connections over the limit that can be told so at one time */

static const uint64_t CLOSE_NS = 2000000000u; /* for replies to leave after QUIT, or at the server's end */
static const uint64_t RETRY_NS = 1000000;

/* A client whose actor is not there yet. */
struct starting {
    uint64_t ref; /* of the request for it */
    jzx_socket_id peer;
};

struct listener {
    struct kv_loop *loop;
    jzx_socket_id socket;
    jzx_actor_id clients;      /* the supervisor of the connections */
    struct starting *starting; /* a ring, in the order in which they came, which is that of the answers */
    uint32_t first;
    uint32_t count;
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t asked;    /* of `count`, from the first on */
};

static struct starting *starting_at(const struct listener *listener, uint32_t index)
{
    return &listener->starting[(listener->first + index) & (listener->capacity - 1)];
}

static bool make_room(struct listener *listener)
{
    if (listener->count < listener->capacity) {
        return true;
    }
    uint32_t capacity = listener->capacity != 0 ? listener->capacity * 2 : 64;
    struct starting *starting = malloc(capacity * sizeof *starting);
    if (starting == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < listener->count; i++) {
        starting[i] = *starting_at(listener, i);
    }
    free(listener->starting);
    listener->starting = starting;
    listener->capacity = capacity;
    listener->first = 0;
    return true;
}

/* L1 */
static void take_place(struct listener *listener)
{
    atomic_fetch_add_explicit(&listener->loop->server->clients, 1, memory_order_relaxed);
    listener->loop->reserved++;
}

static void give_places(struct listener *listener, uint32_t count)
{
    atomic_fetch_sub_explicit(&listener->loop->server->clients, count, memory_order_relaxed);
    listener->loop->reserved -= count;
}

static void refuse(jzx_context *context, jzx_socket_id peer, const char *text)
{
    jzx_tcp_send(context, peer, text, strlen(text));
    jzx_tcp_close(context, peer);
}

/* Asks for actors as far as the supervisor takes it; the next answer, or a timer, goes on. */
static void ask_for_actors(jzx_context *context, struct listener *listener)
{
    struct kv_connection_start start = {listener->loop, jzx_self(context)};
    while (listener->asked < listener->count) {
        struct starting *starting = starting_at(listener, listener->asked);
        if (jzx_child_start_like(context, listener->clients, &start, sizeof start, &starting->ref) != JZX_OK) {
            jzx_message retry = jzx_message_empty(KV_TAG_RETRY);
            if (listener->asked == 0) {
                jzx_timer_after(context, RETRY_NS, &retry, NULL);
            }
            return;
        }
        listener->asked++;
    }
}

static void on_accepted(jzx_context *context, struct listener *listener, jzx_socket_id peer)
{
    struct kv_server *server = listener->loop->server;
    if (atomic_load_explicit(&server->clients, memory_order_relaxed) >= server->options.clients_max) {
        refuse(context, peer, "-ERR max number of clients reached\r\n");
    } else if (!make_room(listener)) {
        refuse(context, peer, "-ERR out of memory\r\n");
    } else {
        take_place(listener);
        *starting_at(listener, listener->count++) = (struct starting){0, peer};
        ask_for_actors(context, listener);
    }
}

/* The actor of the client that waits longest is there, or cannot be had. */
static void on_started(jzx_context *context, struct listener *listener, const jzx_message *message)
{
    const struct starting *starting = starting_at(listener, 0);
    if (listener->asked == 0 || starting->ref != message->ref) {
        return;
    }
    jzx_socket_id peer = starting->peer;
    const jzx_supervisor_answer *answer = jzx_message_data(message);
    listener->first++;
    listener->count--;
    listener->asked--;
    if (message->tag != JZX_TAG_SYS_SUPERVISOR || answer->err != JZX_OK) {
        give_places(listener, 1);
        refuse(context, peer, "-ERR out of memory\r\n");
    } else if (jzx_tcp_give(context, peer, answer->id) != JZX_OK) {
        jzx_tcp_close(context, peer);
        jzx_stop(context, answer->id);
    }
    ask_for_actors(context, listener);
}

static void on_leave(jzx_context *context, struct listener *listener)
{
    jzx_tcp_close(context, listener->socket);
    kv_connections_leave(listener->loop, context);
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct listener *listener = state;
    const jzx_tcp_event *event = jzx_message_data(message);
    switch (message->tag) {
    case JZX_TAG_SYS_TCP:
        if (event->kind == JZX_TCP_ACCEPTED) {
            on_accepted(context, listener, event->peer);
        }
        break;
    case JZX_TAG_SYS_SUPERVISOR:
    case JZX_TAG_SYS_NO_ANSWER:
        on_started(context, listener, message);
        break;
    case KV_TAG_RETRY:
        ask_for_actors(context, listener);
        break;
    case KV_TAG_LEAVE:
        on_leave(context, listener);
        break;
    default:
        return JZX_BEHAVIOR_UNHANDLED;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err listen_on_port(jzx_context *context, struct listener *listener)
{
    struct kv_server *server = listener->loop->server;
    jzx_tcp_options options;
    jzx_tcp_options_init(&options);
    options.address = server->options.address;
    options.port = server->port;
    options.reuse_port = server->options.loop_count > 1;
    options.connections_max = server->options.clients_max + CLIENTS_SPARE;
    options.idle_ns = JZX_FOREVER; /* connections do that, for a subscriber may be silent */
    options.linger_ns = CLOSE_NS;
    jzx_err err = jzx_tcp_listen(context, &options, &listener->socket);
    /* The next loops listen on the same one, and so do the next incarnations. They start later: no one else reads it. */
    return err != JZX_OK ? err : jzx_tcp_port(context, listener->socket, &server->port);
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    struct listener *listener = *state;
    struct kv_loop *loop = argument;
    char name[KV_NAME_MAX];
    listener->loop = loop;
    jzx_err err = jzx_whereis(loop->server->runtime, kv_clients_name(name, loop->index), &listener->clients);
    if (err == JZX_OK && !atomic_load_explicit(&loop->leaving, memory_order_relaxed)) {
        err = listen_on_port(context, listener);
    }
    if (err == JZX_OK) {
        loop->listener = jzx_self(context);
    }
    return err;
}

static void fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    (void)info;
    struct listener *listener = state;
    /* An actor that is started for it from now on ends at once; those that are there have no socket to wait for. */
    listener->loop->listener = 0;
    kv_connections_orphaned(listener->loop, context);
    give_places(listener, listener->loop->reserved);
    free(listener->starting);
}

void kv_listener_spec(jzx_child_spec *spec)
{
    spec->init = init;
    spec->behavior = behave;
    spec->fini = fini;
    spec->state_size = sizeof(struct listener);
}
