/* scripts_io: plays about TCP, watched descriptors, hosts with a loop of their own, and foreign threads. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/swarm/clients.h"
#include "tests/swarm/script.h"

enum { GO = 1, SAY, TICK, CLOSE };
enum { MS = 1000000, HELD = 8192, LOOKS = 300 };

/* ---- an echo server of actors ---- */

/* What it could not send back yet. */
typedef struct held {
    uint8_t bytes[HELD];
    uint32_t size;
    bool paused;
    bool ended; /* the client sends no more: closed when all is sent back */
} held;

static void held_begin(part *self, jzx_context *context)
{
    (void)context;
    if (self->data == NULL) {
        self->data = calloc(1, sizeof(held));
    }
    memset(self->data, 0, sizeof(held));
    self->socket = 0;
}

static void send_back(part *self, jzx_context *context)
{
    held *h = self->data;
    while (h->size > 0) {
        uint32_t size = h->size < 900 ? h->size : 900;
        jzx_err err = jzx_tcp_send(context, self->socket, h->bytes, size);
        if (err == JZX_ERR_WOULD_BLOCK) {
            break; /* DRAINED follows */
        }
        if (!STAND_OK(self->stand, err)) {
            return;
        }
        memmove(h->bytes, h->bytes + size, h->size - size);
        h->size -= size;
    }
    if (h->paused && h->size == 0) {
        h->paused = jzx_tcp_read(context, self->socket) != JZX_OK;
    }
    if (h->ended && h->size == 0) {
        (void)jzx_tcp_close(context, self->socket);
        self->socket = 0;
    }
}

static void hold(part *self, jzx_context *context, const jzx_tcp_event *event)
{
    held *h = self->data;
    JZX_SIM_REQUIRE(self->stand->sim, event->size <= HELD - h->size);
    memcpy(h->bytes + h->size, event->data, event->size);
    h->size += (uint32_t)event->size;
    if (h->size > 2048 && !h->paused) {
        h->paused = jzx_tcp_pause(context, event->socket) == JZX_OK;
    }
}

/* One connection's actor. */
static jzx_behavior_result echo(part *self, jzx_context *context, const jzx_message *message)
{
    if (message->tag != JZX_TAG_SYS_TCP) {
        return JZX_BEHAVIOR_OK;
    }
    const jzx_tcp_event *event = jzx_message_data(message);
    self->socket = event->socket;
    switch ((jzx_tcp_event_kind)event->kind) {
    case JZX_TCP_DATA:
        hold(self, context, event);
        send_back(self, context);
        break;
    case JZX_TCP_DRAINED:
        send_back(self, context);
        break;
    case JZX_TCP_EOF:
        ((held *)self->data)->ended = true;
        send_back(self, context);
        break;
    case JZX_TCP_CLOSED:
        self->socket = 0;
        break;
    default:
        jzx_sim_fail(self->stand->sim, "an event nobody asked for: %u", event->kind);
    }
    return self->socket == 0 ? JZX_BEHAVIOR_STOP : JZX_BEHAVIOR_OK;
}

/* Spawns an actor for a connection, in a part whose actor has ended. */
static void welcome(part *self, jzx_context *context, jzx_socket_id peer)
{
    stand *s = self->stand;
    jzx_spawn_options options;
    part *one = NULL;
    for (uint32_t i = 0; i < s->part_count && one == NULL; i++) {
        one = s->parts[i].on == echo && s->parts[i].alive == 0 ? &s->parts[i] : NULL;
    }
    if (one == NULL && s->part_count < STAND_PARTS) {
        one = stand_part(s, echo);
        one->begin = held_begin;
    }
    jzx_actor_id id;
    if (one != NULL) {
        part_options(one, &options);
        if (STAND_OK(s, jzx_spawn(context, &options, &id)) && STAND_OK(s, jzx_tcp_give(context, peer, id))) {
            return;
        }
    }
    (void)jzx_tcp_close(context, peer);
}

static void listen_now(part *self, jzx_context *context)
{
    jzx_tcp_options options;
    jzx_tcp_options_init(&options);
    options.port = STAND_PORT;
    options.connections_max = self->a != 0 ? (uint32_t)self->a : 10;
    options.idle_ns = self->b != 0 ? self->b : options.idle_ns;
    options.reuse_port = self->c != 0;
    options.linger_ns = 50 * MS;
    if (!STAND_OK(self->stand, jzx_tcp_listen(context, &options, &self->socket))) {
        part_retry(self, context, 10 * MS, TICK);
        return;
    }
    uint16_t port = 0;
    JZX_SIM_REQUIRE(self->stand->sim, jzx_tcp_port(context, self->socket, &port) == JZX_OK && port == STAND_PORT);
}

static jzx_behavior_result server(part *self, jzx_context *context, const jzx_message *message)
{
    if (message->tag == TICK) {
        listen_now(self, context);
    } else if (message->tag == JZX_TAG_SYS_TCP) {
        const jzx_tcp_event *event = jzx_message_data(message);
        if (event->kind == JZX_TCP_ACCEPTED) {
            welcome(self, context, event->peer);
        } else if (event->kind == JZX_TCP_CLOSED) { /* the listener itself */
            part_retry(self, context, 10 * MS, TICK);
        }
    } else if (message->tag == CLOSE) {
        (void)jzx_tcp_close(context, self->socket);
    }
    return JZX_BEHAVIOR_OK;
}

/* Its clients, who come until they are served. */
static void clients_main(void *argument)
{
    stand *s = argument;
    clients *all = s->parts[0].data;
    for (uint32_t i = 0; i < LOOKS && !clients_look(all) && all->tries < 500; i++) {
        (void)jzx_sim_sleep(s->sim, 5 * MS);
    }
    if (all->served == all->count) {
        s->goals = 0;
    }
    clients_leave(all);
    free(all);
    s->parts[0].data = NULL;
    stand_thread_ends(s);
}

static clients *invite(stand *s, uint32_t count, uint32_t size)
{
    clients *all = calloc(1, sizeof *all);
    if (all == NULL) {
        abort();
    }
    clients_init(all, s->sim, STAND_PORT, count, size);
    part *holder = stand_part(s, server); /* the first: nobody's */
    JZX_SIM_REQUIRE(s->sim, holder == &s->parts[0]);
    holder->data = all;
    s->goals = 1;
    return all;
}

static jzx_behavior_result caller(part *self, jzx_context *context, const jzx_message *message);

static void free_helds(stand *s)
{
    for (uint32_t i = 0; i < s->part_count; i++) {
        if (s->parts[i].on == echo || s->parts[i].on == caller) {
            free(s->parts[i].data);
            s->parts[i].data = NULL;
        }
    }
}

static void serve(stand *s)
{
    stand_start(s);
    stand_thread(s, clients_main);
    s->at_end = free_helds;
}

static void echo_server(stand *s)
{
    (void)invite(s, 3, 1500);
    part *one = stand_spawn(s, 0, server);
    stand_poke(s, one, TICK);
    serve(s);
}

static void echo_crowd(stand *s)
{
    clients *all = invite(s, 6, 5000);
    part *one = stand_spawn(s, 1, server);
    all->each[1].stalls = true;
    all->each[2].resets = true;
    all->each[4].resets = true;
    s->rude = true;
    if (one != NULL) {
        one->a = 2; /* connections at one time */
    }
    stand_poke(s, one, TICK);
    serve(s);
}

/* Under a supervisor, one on each loop at one port. */
static void listen_in_init(part *self, jzx_context *context)
{
    self->c = 1;
    listen_now(self, context);
}

part *script_server(stand *s, jzx_child_spec *child, const char *name, uint32_t loop)
{
    part *one = stand_part(s, server);
    one->begin = listen_in_init;
    part_child(one, child, name, JZX_PERMANENT);
    child->placement = JZX_PLACE_LOOP;
    child->place_loop = loop;
    return one;
}

void script_server_ends(stand *s)
{
    free_helds(s);
}

static void echo_supervised(stand *s)
{
    jzx_supervisor_spec spec;
    jzx_child_spec children[2];
    static const char *const names[] = {"server-0", "server-1"};
    (void)invite(s, 4, 800);
    jzx_supervisor_spec_init(&spec);
    spec.children = children;
    spec.child_count = s->loop_count > 1 ? 2 : 1;
    for (uint32_t i = 0; i < spec.child_count; i++) {
        (void)script_server(s, &children[i], names[i], i);
    }
    (void)STAND_OK(s, jzx_supervisor_start(jzx_loop_context(stand_loop(s, 0)), &spec, NULL, NULL));
    serve(s);
}

static void stopped_while_it_serves(stand *s)
{
    s->rude = true;
    (void)invite(s, 4, 20000);
    stand_poke(s, stand_spawn(s, 0, server), TICK);
    serve(s);
    (void)jzx_sim_advance(s->sim, 1500000);
    s->goals = 0;
}

static void idle_clients(stand *s)
{
    s->rude = true; /* those that are closed for being idle come too late */
    clients *all = invite(s, 3, 40000);
    part *one = stand_spawn(s, 0, server);
    all->each[0].stalls = true;
    if (one != NULL) {
        one->b = 300 * MS; /* idle_ns */
    }
    stand_poke(s, one, TICK);
    serve(s);
}

/* ---- a client of actors ---- */

enum { STREAM = 9000 };

typedef struct stream {
    uint32_t sent;
    uint32_t got;
    bool blocked;
} stream;

static void free_bytes(void *context, void *data, size_t size)
{
    stand *s = context;
    (void)size;
    s->payloads_gone++;
    free(data);
}

static jzx_err send_piece(part *self, jzx_context *context, stream *st, uint32_t size)
{
    stand *s = self->stand;
    uint8_t *bytes = malloc(size);
    if (bytes == NULL) {
        abort();
    }
    for (uint32_t i = 0; i < size; i++) {
        bytes[i] = clients_byte(self->index, st->sent + i);
    }
    jzx_err err;
    if (st->sent % 2 == 0) {
        s->payloads_made++;
        err = jzx_tcp_send_owned(context, self->socket, bytes, size, free_bytes, s);
        if (err != JZX_OK) {
            free_bytes(s, bytes, size);
        }
        return err;
    }
    err = jzx_tcp_send(context, self->socket, bytes, size);
    free(bytes);
    return err;
}

static void send_on(part *self, jzx_context *context)
{
    stream *st = self->data;
    while (!st->blocked && st->sent < STREAM) {
        uint32_t size = STREAM - st->sent < 701 ? STREAM - st->sent : 701;
        jzx_err err = send_piece(self, context, st, size);
        st->blocked = err == JZX_ERR_WOULD_BLOCK;
        if (!st->blocked && !STAND_OK(self->stand, err)) {
            return;
        }
        st->sent += err == JZX_OK ? size : 0;
    }
}

static void connect_now(part *self, jzx_context *context)
{
    jzx_tcp_options options;
    jzx_tcp_options_init(&options);
    options.port = (uint16_t)(self->a != 0 ? self->a : STAND_PORT);
    options.send_max = 4000;
    options.connect_ns = 500 * MS;
    memset(self->data, 0, sizeof(stream));
    if (!STAND_OK(self->stand, jzx_tcp_connect(context, &options, &self->socket))) {
        part_retry(self, context, 5 * MS, TICK);
    }
}

static void compare(part *self, const jzx_tcp_event *event)
{
    stream *st = self->data;
    for (size_t i = 0; i < event->size; i++) {
        JZX_SIM_REQUIRE(self->stand->sim, event->data[i] == clients_byte(self->index, st->got + (uint32_t)i));
    }
    st->got += (uint32_t)event->size;
}

static void stream_event(part *self, jzx_context *context, const jzx_tcp_event *event)
{
    stream *st = self->data;
    switch ((jzx_tcp_event_kind)event->kind) {
    case JZX_TCP_CONNECTED:
        send_on(self, context);
        break;
    case JZX_TCP_DRAINED:
        st->blocked = false;
        send_on(self, context);
        break;
    case JZX_TCP_DATA:
        compare(self, event);
        if (st->got == STREAM) {
            (void)jzx_tcp_close(context, self->socket);
            stand_goal(self->stand);
        }
        break;
    case JZX_TCP_EOF:
        (void)jzx_tcp_close(context, self->socket);
        part_retry(self, context, 5 * MS, TICK);
        break;
    default:
        part_retry(self, context, 5 * MS, TICK); /* CLOSED: once more */
    }
}

static jzx_behavior_result caller(part *self, jzx_context *context, const jzx_message *message)
{
    if (message->tag == GO || message->tag == TICK) {
        connect_now(self, context);
    } else if (message->tag == JZX_TAG_SYS_TCP) {
        stream_event(self, context, jzx_message_data(message));
    }
    return JZX_BEHAVIOR_OK;
}

static void free_streams(stand *s)
{
    for (uint32_t i = 0; i < s->part_count; i++) {
        free(s->parts[i].data);
        s->parts[i].data = NULL;
    }
}

static void connect_in_init(part *self, jzx_context *context)
{
    if (self->data == NULL) {
        self->data = calloc(1, sizeof(stream));
    }
    connect_now(self, context);
}

part *script_caller(stand *s, jzx_child_spec *child, uint32_t loop, uint16_t port)
{
    part *one = stand_part(s, caller);
    one->begin = connect_in_init;
    one->a = port;
    part_child(one, child, NULL, JZX_PERMANENT);
    child->placement = JZX_PLACE_LOOP;
    child->place_loop = loop;
    return one;
}

static void connects(stand *s)
{
    jzx_sim_peer *listener;
    JZX_SIM_REQUIRE(s->sim, echo_listen(s->sim, STAND_PORT, &listener) == JZX_OK);
    s->goals = 2;
    for (uint32_t i = 0; i < 2; i++) {
        part *one = stand_spawn(s, i, caller);
        if (one != NULL) {
            one->data = calloc(1, sizeof(stream));
            stand_poke(s, one, GO);
        }
    }
    stand_start(s);
    s->at_end = free_streams;
}

static void connects_to_nobody(stand *s)
{
    part *one = stand_spawn(s, 0, caller);
    s->goals = 1;
    if (one != NULL) {
        one->data = calloc(1, sizeof(stream));
        stand_poke(s, one, GO);
    }
    stand_start(s);
    s->at_end = free_streams;
    (void)jzx_sim_advance(s->sim, 30 * MS);
    jzx_sim_peer *listener;
    JZX_SIM_REQUIRE(s->sim, echo_listen(s->sim, STAND_PORT, &listener) == JZX_OK);
}

/* Both ends are actors. */
static void actors_on_both_ends(stand *s)
{
    s->goals = 1;
    stand_poke(s, stand_spawn(s, 0, server), TICK);
    part *one = stand_spawn(s, 1, caller);
    if (one != NULL) {
        one->data = calloc(1, sizeof(stream));
        stand_poke(s, one, GO);
    }
    stand_start(s);
    s->at_end = free_streams;
}

/* ---- kept buffers ---- */

static jzx_behavior_result keeping_echo(part *self, jzx_context *context, const jzx_message *message)
{
    stand *s = self->stand;
    const jzx_tcp_event *event = jzx_message_data(message);
    jzx_drop_fn drop;
    void *drop_context;
    if (message->tag != JZX_TAG_SYS_TCP) {
        if (message->tag == TICK) {
            listen_now(self, context);
        }
        return JZX_BEHAVIOR_OK;
    }
    if (event->kind == JZX_TCP_ACCEPTED) {
        (void)STAND_OK(s, jzx_tcp_read(context, event->peer));
    } else if (event->kind == JZX_TCP_DATA) {
        if (!STAND_OK(s, jzx_tcp_keep(context, &drop, &drop_context))) {
            return JZX_BEHAVIOR_OK;
        }
        jzx_err err = jzx_tcp_send_owned(context, event->socket, (void *)(uintptr_t)event->data, event->size, drop,
                                         drop_context);
        if (err != JZX_OK) {
            drop(drop_context, (void *)(uintptr_t)event->data, event->size);
            (void)STAND_OK(s, err);
        }
    } else if (event->kind == JZX_TCP_EOF) {
        (void)STAND_OK(s, jzx_tcp_close(context, event->socket));
    } else if (event->kind == JZX_TCP_CLOSED && event->socket == self->socket) {
        part_retry(self, context, 10 * MS, TICK);
    }
    return JZX_BEHAVIOR_OK;
}

static void kept_buffers(stand *s)
{
    (void)invite(s, 3, 3000);
    part *one = stand_spawn(s, 0, keeping_echo);
    stand_poke(s, one, TICK);
    serve(s);
}

/* ---- watched descriptors ---- */

static jzx_behavior_result file_reader(part *self, jzx_context *context, const jzx_message *message)
{
    stand *s = self->stand;
    uint8_t bytes[64];
    ssize_t size = 0;
    if (message->tag == GO) {
        if (!STAND_OK(s, jzx_watch(context, (int)self->a, JZX_IO_READ, &self->timer))) {
            part_later(self, context, MS, GO);
        }
        return JZX_BEHAVIOR_OK;
    }
    if (message->tag != JZX_TAG_SYS_IO) {
        return JZX_BEHAVIOR_OK;
    }
    const jzx_io_event *event = jzx_message_data(message);
    if (event->ended) {
        part_later(self, context, MS, GO); /* what is there is told anew */
        return JZX_BEHAVIOR_OK;
    }
    while ((size = read((int)self->a, bytes, sizeof bytes)) > 0) {
        self->b += (uint64_t)size;
    }
    if (size == 0) {
        JZX_SIM_REQUIRE(s->sim, self->b == self->c);
        JZX_SIM_REQUIRE(s->sim, jzx_unwatch(context, self->timer) == JZX_OK);
        stand_goal(s);
    }
    return JZX_BEHAVIOR_OK;
}

static void close_files(stand *s)
{
    for (uint32_t i = 0; i < s->part_count; i++) {
        if (s->parts[i].on == file_reader && s->parts[i].c != 0) {
            (void)close((int)s->parts[i].a);
        }
    }
}

static void watches(stand *s)
{
    static const uint8_t bytes[1000] = {1};
    s->at_end = close_files;
    for (uint32_t i = 0; i < 2; i++) {
        int fd;
        part *one = stand_spawn(s, i, file_reader);
        if (one == NULL || jzx_sim_file_open(s->sim, &fd) != JZX_OK) {
            continue;
        }
        one->a = (uint64_t)fd;
        one->c = sizeof bytes;
        s->goals++;
        stand_poke(s, one, GO);
        JZX_SIM_REQUIRE(s->sim, jzx_sim_file_feed(s->sim, fd, bytes, sizeof bytes) == JZX_OK);
        JZX_SIM_REQUIRE(s->sim, jzx_sim_file_end(s->sim, fd) == JZX_OK);
    }
    stand_start(s);
}

/* ---- hosts and foreign threads ---- */

static jzx_behavior_result taker(part *self, jzx_context *context, const jzx_message *message)
{
    (void)context;
    if (message->tag == SAY) {
        JZX_SIM_REQUIRE(self->stand->sim, stand_took(self->stand, message) == self->a++);
        stand_goal(self->stand);
    }
    return JZX_BEHAVIOR_OK;
}

enum { POSTS = 40, POSTS_TRIED = 2000 };

static void post_all(stand *s, part *to, jzx_poster *poster)
{
    for (uint64_t i = 0, tries = 0; i < POSTS && tries < POSTS_TRIED; tries++) {
        jzx_message message = stand_payload(s, SAY, i);
        jzx_err err = poster == NULL ? jzx_post(s->runtime, to->id, &message)
                                     : jzx_poster_post(poster, to->id, &message);
        if (err == JZX_OK) {
            i++;
            continue;
        }
        stand_unsent(s, &message);
        if (err != JZX_ERR_WOULD_BLOCK && err != JZX_ERR_MAILBOX_FULL) {
            if (err != JZX_ERR_LOOP_CLOSED) {
                (void)STAND_OK(s, err);
            }
            return;
        }
        (void)jzx_sim_sleep(s->sim, 10000);
    }
}

static void plain_poster(void *argument)
{
    stand *s = argument;
    post_all(s, &s->parts[0], NULL);
    stand_thread_ends(s);
}

static void own_poster(void *argument)
{
    stand *s = argument;
    jzx_poster *poster;
    if (STAND_OK(s, jzx_poster_create(s->runtime, 8, &poster))) {
        post_all(s, &s->parts[1], poster);
    } else {
        s->goals = 0;
    }
    stand_thread_ends(s);
}

static void posters(stand *s)
{
    s->goals = 2 * POSTS;
    part *first = stand_spawn(s, 0, taker);
    part *second = stand_spawn(s, 1, taker);
    stand_start(s);
    if (first != NULL && second != NULL) {
        stand_thread(s, plain_poster);
        stand_thread(s, own_poster);
    } else {
        s->goals = 0;
    }
}

static void host_loop(stand *s)
{
    s->goals = POSTS;
    part *one = stand_spawn(s, 0, taker);
    stand_drive(s, 0);
    stand_start(s);
    if (one != NULL) {
        stand_thread(s, plain_poster);
    }
}

static void host_of_a_server(stand *s)
{
    (void)invite(s, 2, 900);
    stand_poke(s, stand_spawn(s, 0, server), TICK);
    stand_drive(s, 0);
    serve(s);
}

const script scripts_of_io[] = {
    {.name = "echo-server", .play = echo_server},
    {.name = "echo-crowd", .play = echo_crowd},
    {.name = "echo-supervised", .play = echo_supervised},
    {.name = "stopped-while-it-serves", .play = stopped_while_it_serves},
    {.name = "idle-clients", .play = idle_clients},
    {.name = "connects", .play = connects},
    {.name = "connects-to-nobody", .play = connects_to_nobody},
    {.name = "actors-on-both-ends", .play = actors_on_both_ends},
    {.name = "kept-buffers", .play = kept_buffers},
    {.name = "watches", .play = watches},
    {.name = "posters", .play = posters},
    {.name = "host-loop", .play = host_loop},
    {.name = "host-of-a-server", .play = host_of_a_server},
};
const uint32_t scripts_of_io_count = sizeof scripts_of_io / sizeof scripts_of_io[0];

const script *script_at(uint32_t index)
{
    if (index < scripts_of_actors_count) {
        return &scripts_of_actors[index];
    }
    index -= scripts_of_actors_count;
    if (index < scripts_of_trees_count) {
        return &scripts_of_trees[index];
    }
    index -= scripts_of_trees_count;
    return index < scripts_of_io_count ? &scripts_of_io[index] : NULL;
}
