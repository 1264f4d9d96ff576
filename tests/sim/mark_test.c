/*
 * mark: connections that pause while the mailbox of their actor is marked full. Two actors mail themselves what they read, in
 * pieces, with mailboxes for a few; they give each other connections, and pause them for reasons of their own. All that was
 * sent is read, in order, and handled; and at each step a connection is held only while its owner's mailbox is marked.
 */
#include <criterion/criterion.h>

#include "sched/loop.h"
#include "tests/sim/lot.h"
#include "tests/sim/seeds.h"

#include <jzx/jzx.h>
#include <jzx/sim.h>
#include <string.h>

enum { READERS = 2, STREAMS = 4, SIZE_MOST = 6000, PIECE = 64, PORT = 9000, TAG_PIECE = 1, TAG_READ = 2 };
static const uint64_t SECOND = 1000000000;

typedef struct play play;

typedef struct reader {
    play *play;
    jzx_actor_id id;
    uint32_t owed[STREAMS]; /* bytes read, and not yet mailed */
} reader;

typedef struct stream {
    play *play;
    jzx_sim_peer *peer;
    jzx_socket_id socket;
    uint32_t size;
    uint32_t sent;
    uint32_t seen;
    uint32_t handled;
    bool ended;
} stream;

struct play {
    jzx_sim *sim;
    jzx_runtime *runtime;
    jzx_loop *loop;
    reader readers[READERS];
    stream streams[STREAMS];
    uint32_t stream_count;
    uint32_t accepted;
};

static uint8_t byte_at(const stream *s, uint32_t place)
{
    return (uint8_t)(place * 131 + (place >> 8) + (uint32_t)(s - s->play->streams) * 7);
}

/* ---- the readers ---- */

static stream *find(play *p, jzx_socket_id socket)
{
    for (uint32_t i = 0; i < p->stream_count; i++) {
        if (p->streams[i].socket == socket) {
            return &p->streams[i];
        }
    }
    return NULL;
}

static void mail(jzx_context *context, reader *self, uint32_t index)
{
    while (self->owed[index] > 0) {
        uint32_t words[] = {index, self->owed[index] < PIECE ? self->owed[index] : PIECE};
        jzx_message message = jzx_message_value(TAG_PIECE, words, sizeof words);
        jzx_err err = jzx_send(context, self->id, &message);
        if (err != JZX_OK) {
            JZX_SIM_REQUIRE(self->play->sim, err == JZX_ERR_MAILBOX_FULL);
            JZX_SIM_REQUIRE(self->play->sim, jzx_resume(context, self->id) == JZX_OK);
            return;
        }
        self->owed[index] -= words[1];
    }
}

static void on_data(jzx_context *context, reader *self, const jzx_tcp_event *event)
{
    play *p = self->play;
    stream *s = find(p, event->socket);
    JZX_SIM_REQUIRE(p->sim, s != NULL);
    for (size_t i = 0; i < event->size; i++) {
        JZX_SIM_REQUIRE(p->sim, event->data[i] == byte_at(s, s->seen++));
    }
    uint32_t index = (uint32_t)(s - p->streams);
    self->owed[index] += (uint32_t)event->size;
    mail(context, self, index);
    if (sim_chance(p->sim, 100)) {
        jzx_message again = jzx_message_value(TAG_READ, &s->socket, sizeof s->socket);
        JZX_SIM_REQUIRE(p->sim, jzx_tcp_pause(context, s->socket) == JZX_OK);
        JZX_SIM_REQUIRE(p->sim, jzx_timer_after(context, sim_below(p->sim, 100000), &again, NULL) == JZX_OK);
    } else if (sim_chance(p->sim, 100)) {
        JZX_SIM_REQUIRE(p->sim, jzx_tcp_give(context, s->socket, p->readers[sim_below(p->sim, READERS)].id) == JZX_OK);
    }
}

/* Streams are told apart by the order in which they are accepted: all begin before any sends. */
static void on_accepted(jzx_context *context, play *p, const jzx_tcp_event *event)
{
    JZX_SIM_REQUIRE(p->sim, p->accepted < p->stream_count);
    p->streams[p->accepted++].socket = event->peer;
    if (p->accepted == p->stream_count) {
        for (uint32_t i = 0; i < p->stream_count; i++) {
            JZX_SIM_REQUIRE(p->sim, jzx_tcp_give(context, p->streams[i].socket, p->readers[i % READERS].id) == JZX_OK);
        }
    }
}

static void on_tcp(jzx_context *context, reader *self, const jzx_tcp_event *event)
{
    play *p = self->play;
    switch ((jzx_tcp_event_kind)event->kind) {
    case JZX_TCP_ACCEPTED:
        on_accepted(context, p, event);
        break;
    case JZX_TCP_DATA:
        on_data(context, self, event);
        break;
    case JZX_TCP_EOF:
        find(p, event->socket)->ended = true;
        (void)jzx_tcp_close(context, event->socket);
        break;
    default:
        jzx_sim_fail(p->sim, "event %u, error %d", event->kind, event->error);
    }
}

static jzx_behavior_result read_all(jzx_context *context, void *state, const jzx_message *message)
{
    reader *self = state;
    uint32_t words[2];
    switch (message->tag) {
    case JZX_TAG_SYS_TCP:
        on_tcp(context, self, jzx_message_data(message));
        break;
    case TAG_PIECE:
        memcpy(words, message->bytes, sizeof words);
        self->play->streams[words[0]].handled += words[1];
        break;
    case TAG_READ:
        (void)jzx_tcp_read(context, message->words[0]); /* it may be another's now, or closed */
        break;
    case JZX_TAG_SYS_RESUME:
        for (uint32_t i = 0; i < STREAMS; i++) {
            mail(context, self, i);
        }
        break;
    default:
        return JZX_BEHAVIOR_UNHANDLED;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    reader *self = argument;
    *state = self;
    self->id = jzx_self(context);
    if (self != self->play->readers) {
        return JZX_OK;
    }
    jzx_tcp_options options;
    jzx_socket_id listener;
    jzx_tcp_options_init(&options);
    options.port = PORT;
    options.idle_ns = JZX_FOREVER;
    options.pause_at_high_mark = true;
    return jzx_tcp_listen(context, &options, &listener);
}

/* ---- the other end ---- */

static void send_all(stream *s)
{
    uint8_t bytes[SIZE_MOST];
    while (s->sent < s->size) {
        uint32_t size = 1 + sim_below(s->play->sim, s->size - s->sent);
        for (uint32_t i = 0; i < size; i++) {
            bytes[i] = byte_at(s, s->sent + i);
        }
        JZX_SIM_REQUIRE(s->play->sim, jzx_sim_peer_send(s->peer, bytes, size) == JZX_OK);
        s->sent += size;
    }
    JZX_SIM_REQUIRE(s->play->sim, jzx_sim_peer_end(s->peer) == JZX_OK);
}

static bool all_accepted(void *argument)
{
    const play *p = argument;
    return p->accepted == p->stream_count;
}

static bool all_ended(void *argument)
{
    const play *p = argument;
    for (uint32_t i = 0; i < p->stream_count; i++) {
        if (!p->streams[i].ended || p->streams[i].handled != p->streams[i].size) {
            return false;
        }
    }
    return true;
}

/* X4, at each step. */
static bool held_is_marked(jzx_sim *sim, void *argument)
{
    const play *p = argument;
    (void)sim;
    if (p->runtime == NULL) {
        return true;
    }
    const jzx_loop *loop = p->loop;
    uint32_t held = 0;
    for (uint32_t i = 0; i < loop->sockets.fresh; i++) {
        const jzx__socket_record *record = jzx__table_at(&loop->sockets, i);
        if (jzx__number_index(record->resource.number) == i && !record->closed && jzx__socket_held(&record->socket)) {
            held++;
            if ((jzx__slot_hot(&loop->slots, record->resource.owner)->flags & JZX__SLOT_MARKED) == 0) {
                return false;
            }
        }
    }
    return held == loop->sockets_held_count;
}

/* ---- the run ---- */

static void open_runtime(play *p)
{
    jzx_config config;
    jzx_config_init(&config);
    config.loops_max = 1;
    config.inbox_size = 16;
    config.cells = 1024;
    config.actors_max = 16;
    config.sockets_max = 16;
    config.mailbox_cap = 16;
    config.recv_buffers = 2u << sim_below(p->sim, 4);
    config.recv_buffer_size = 512;
    config.messages_per_actor = sim_between(p->sim, 1, 16);
    JZX_SIM_REQUIRE(p->sim, jzx_runtime_create(&config, &p->runtime) == JZX_OK);
    JZX_SIM_REQUIRE(p->sim, jzx_loop_create(p->runtime, NULL, &p->loop) == JZX_OK);
    for (uint32_t i = 0; i < READERS; i++) {
        jzx_spawn_options options;
        jzx_spawn_options_init(&options);
        p->readers[i].play = p;
        options.init = init;
        options.behavior = read_all;
        options.argument = &p->readers[i];
        options.mailbox_cap = sim_between(p->sim, 1, 12);
        JZX_SIM_REQUIRE(p->sim, jzx_spawn(jzx_loop_context(p->loop), &options, NULL) == JZX_OK);
    }
    JZX_SIM_REQUIRE(p->sim, jzx_loop_start(p->loop) == JZX_OK);
}

static void crowd(jzx_sim *sim, void *argument)
{
    static const jzx_sim_peer_handler handler = {.struct_size = sizeof handler};
    static play whole;
    play *p = &whole;
    (void)argument;
    memset(p, 0, sizeof *p);
    p->sim = sim;
    sim_lot(sim);
    open_runtime(p);
    JZX_SIM_REQUIRE(sim, jzx_sim_check(sim, "held", held_is_marked, p) == JZX_OK);
    p->stream_count = sim_between(sim, 1, STREAMS);
    for (uint32_t i = 0; i < p->stream_count; i++) {
        stream *s = &p->streams[i];
        s->play = p;
        s->size = sim_below(sim, SIZE_MOST);
        JZX_SIM_REQUIRE(sim, jzx_sim_peer_connect(sim, "127.0.0.1", PORT, &handler, s, &s->peer) == JZX_OK);
        JZX_SIM_REQUIRE(sim, jzx_sim_advance(sim, SECOND) == JZX_OK); /* one after another: known by their order */
    }
    JZX_SIM_REQUIRE(sim, jzx_sim_run_until(sim, all_accepted, p, 100 * SECOND) == JZX_OK);
    jzx_sim_injection shorts = {.fault = JZX_SIM_RECV_SHORT, .times = sim_below(sim, 100)};
    (void)jzx_sim_inject(sim, &shorts);
    for (uint32_t i = 0; i < p->stream_count; i++) {
        send_all(&p->streams[i]);
    }
    if (sim_chance(sim, 900)) {
        JZX_SIM_REQUIRE(sim, jzx_sim_run_until(sim, all_ended, p, 1000 * SECOND) == JZX_OK);
    } else {
        (void)jzx_sim_advance(sim, sim_below(sim, 1000000)); /* a stop while some are held */
    }
    JZX_SIM_REQUIRE(sim, jzx_runtime_shutdown(p->runtime, JZX_FOREVER, NULL) == JZX_OK);
    jzx_runtime *runtime = p->runtime;
    p->runtime = NULL;
    JZX_SIM_REQUIRE(sim, jzx_runtime_destroy(runtime) == JZX_OK);
}

Test(mark, X4_all_is_read_and_handled_and_nothing_is_held_without_a_mark, .timeout = 600)
{
    seeds_play("mark", crowd);
}
