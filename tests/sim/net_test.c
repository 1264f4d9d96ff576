/*
 * net: streams between actors of two loops, over a kernel that moves bytes in pieces, completes in any order, cancels
 * late, runs out of buffers and resets. What arrives is what was sent, from its beginning; each payload is dropped once;
 * every descriptor is closed, also when actors end and the runtime stops in the middle.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jzx/jzx.h>

#include "tests/sim/seeds.h"
#include "tests/support/fake.h"
#include "tests/support/world.h"

enum { PAIRS = 3, PIECE_MAX = 900, TAG_GO = 1, TAG_TOGGLE = 2 };

typedef struct net_play net_play;

/* One end of a pair: a client that sends and compares what comes back, or an echo. */
typedef struct net_end {
    net_play *play;
    bool echo;
    int fd;
    jzx_actor_id id;
    jzx_socket_id socket; /* 0: gone */
    uint32_t size;        /* client: bytes to send */
    uint32_t sent;
    uint32_t got;
    bool paused;
    bool refused;       /* waits for DRAINED */
    bool over;          /* CLOSED was seen, or it has closed */
    uint8_t held[8192]; /* echo: what it could not yet send back */
    uint32_t held_size;
} net_end;

struct net_play {
    jzx_sim *sim;
    fake_kernel *kernel;
    jzx_runtime *runtime;
    jzx_loop *loops[2];
    net_end ends[2 * PAIRS];
    uint32_t end_count;
    uint32_t owned;   /* payloads handed over */
    uint32_t dropped; /* and destroyed */
    bool hostile;     /* errors, ends and an early stop are drawn */
    bool done;
};

static uint8_t byte_at(uint32_t place)
{
    return (uint8_t)(place * 131 + (place >> 8));
}

static void give_back(void *context, void *data, size_t size)
{
    (void)size;
    ((net_play *)context)->dropped++;
    free(data);
}

static void close_end(jzx_context *context, net_end *end)
{
    if (end->socket != 0) {
        JZX_SIM_REQUIRE(end->play->sim, jzx_tcp_close(context, end->socket) == JZX_OK);
        end->socket = 0;
        end->over = true;
    }
}

static jzx_err send_piece(jzx_context *context, net_end *end, const uint8_t *bytes, uint32_t size)
{
    net_play *play = end->play;
    if (sim_chance(play->sim, 512)) {
        return jzx_tcp_send(context, end->socket, bytes, size);
    }
    uint8_t *copy = malloc(size);
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, bytes, size);
    jzx_err err = jzx_tcp_send_owned(context, end->socket, copy, size, give_back, play);
    if (err == JZX_OK) {
        play->owned++;
    } else {
        free(copy); /* still ours */
    }
    return err;
}

static void check_sent(net_end *end, jzx_err err)
{
    end->refused = err != JZX_OK;
    bool known = err == JZX_OK || err == JZX_ERR_WOULD_BLOCK;
    bool dead = err == JZX_ERR_NO_SUCH_SOCKET && end->play->hostile; /* CLOSED is on its way */
    if (!known && !dead) {
        jzx_sim_fail(end->play->sim, "a send says %s", jzx_strerror(err));
    }
}

static void send_more(jzx_context *context, net_end *end)
{
    uint32_t pieces = sim_between(end->play->sim, 1, 8);
    while (end->socket != 0 && !end->refused && end->sent < end->size && pieces-- > 0) {
        uint8_t bytes[PIECE_MAX];
        uint32_t left = end->size - end->sent;
        uint32_t size = sim_between(end->play->sim, 1, left < PIECE_MAX ? left : PIECE_MAX);
        for (uint32_t i = 0; i < size; i++) {
            bytes[i] = byte_at(end->sent + i);
        }
        jzx_err err = send_piece(context, end, bytes, size);
        check_sent(end, err);
        end->sent += err == JZX_OK ? size : 0;
    }
}

/* Sends back what is held; reading goes on when there is room for another buffer. */
static void send_back(jzx_context *context, net_end *end)
{
    uint32_t done = 0;
    while (end->socket != 0 && !end->refused && done < end->held_size) {
        uint32_t size = end->held_size - done < PIECE_MAX ? end->held_size - done : PIECE_MAX;
        jzx_err err = send_piece(context, end, end->held + done, size);
        check_sent(end, err);
        done += err == JZX_OK ? size : 0;
    }
    memmove(end->held, end->held + done, end->held_size - done);
    end->held_size -= done;
    if (end->paused && end->held_size == 0 && end->socket != 0) {
        end->paused = jzx_tcp_read(context, end->socket) != JZX_OK;
    }
}

static void echo_data(jzx_context *context, net_end *end, const jzx_tcp_event *event)
{
    JZX_SIM_REQUIRE(end->play->sim, event->size <= sizeof end->held - end->held_size);
    memcpy(end->held + end->held_size, event->data, event->size);
    end->held_size += (uint32_t)event->size;
    send_back(context, end);
    if (end->held_size > 2048 && !end->paused && end->socket != 0) {
        end->paused = jzx_tcp_pause(context, end->socket) == JZX_OK;
    }
}

static void compare_data(jzx_context *context, net_end *end, const jzx_tcp_event *event)
{
    for (size_t i = 0; i < event->size; i++) {
        if (end->got + i >= end->sent || event->data[i] != byte_at(end->got + (uint32_t)i)) {
            jzx_sim_fail(end->play->sim, "byte %zu of a stream came back wrong", end->got + i);
        }
    }
    end->got += (uint32_t)event->size;
    if (end->got == end->size) {
        close_end(context, end);
    }
}

static void stream_event(jzx_context *context, net_end *end, const jzx_tcp_event *event)
{
    JZX_SIM_REQUIRE(end->play->sim, event->socket == end->socket && !end->over); /* nothing after the last */
    switch ((jzx_tcp_event_kind)event->kind) {
    case JZX_TCP_DATA:
        if (end->echo) {
            echo_data(context, end, event);
        } else {
            compare_data(context, end, event);
        }
        break;
    case JZX_TCP_DRAINED:
        end->refused = false;
        if (end->echo) {
            send_back(context, end);
        }
        break;
    case JZX_TCP_EOF:
        JZX_SIM_REQUIRE(end->play->sim, end->echo || end->play->hostile);
        close_end(context, end);
        break;
    case JZX_TCP_CLOSED:
        JZX_SIM_REQUIRE(end->play->sim, end->play->hostile);
        end->over = true;
        end->socket = 0;
        break;
    default:
        jzx_sim_fail(end->play->sim, "an event nobody asked for: %u", event->kind);
    }
}

static void again(jzx_context *context, net_end *end)
{
    jzx_message go = jzx_message_empty(TAG_GO);
    uint64_t pause_ns = sim_below(end->play->sim, 30000);
    JZX_SIM_REQUIRE(end->play->sim, jzx_timer_after(context, pause_ns, &go, NULL) == JZX_OK);
}

static jzx_behavior_result behavior(jzx_context *context, void *state, const jzx_message *message)
{
    net_end *end = state;
    jzx__sim_point("stream: handles");
    if (message->tag == JZX_TAG_SYS_TCP) {
        stream_event(context, end, jzx_message_data(message));
        return JZX_BEHAVIOR_OK;
    }
    if (end->echo || end->socket == 0) {
        return JZX_BEHAVIOR_OK;
    }
    send_more(context, end);
    if (end->paused || sim_chance(end->play->sim, 200)) { /* reads with interruptions */
        jzx_err err = end->paused ? jzx_tcp_read(context, end->socket) : jzx_tcp_pause(context, end->socket);
        end->paused = !end->paused && err == JZX_OK;
    }
    if (end->play->hostile && sim_chance(end->play->sim, 20)) {
        return JZX_BEHAVIOR_STOP;
    }
    again(context, end);
    return JZX_BEHAVIOR_OK;
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    net_end *end = argument;
    jzx_tcp_options options;
    *state = end;
    jzx_tcp_options_init(&options);
    options.no_delay = false;
    options.send_max = sim_between(end->play->sim, 1000, 6000);
    options.idle_ns = JZX_FOREVER;
    options.linger_ns = sim_below(end->play->sim, 100000);
    JZX_SIM_REQUIRE(end->play->sim, jzx_tcp_adopt(context, end->fd, &options, &end->socket) == JZX_OK);
    if (!end->echo) {
        again(context, end);
    }
    return JZX_OK;
}

static void make_end(net_play *play, int fd, bool echo)
{
    net_end *end = &play->ends[play->end_count++];
    *end = (net_end){.play = play, .echo = echo, .fd = fd};
    end->size = echo ? 0 : sim_between(play->sim, 1, 20000);
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = behavior;
    options.init = init;
    options.argument = end;
    jzx_context *context = jzx_loop_context(play->loops[sim_below(play->sim, 2)]);
    JZX_SIM_REQUIRE(play->sim, jzx_spawn(context, &options, &end->id) == JZX_OK);
}

static void run_loop(void *argument)
{
    if (jzx_loop_run(argument) != JZX_OK) {
        abort();
    }
}

static bool all_came_back(void *context)
{
    const net_play *play = context;
    for (uint32_t i = 0; i < play->end_count; i++) {
        if (!play->ends[i].over) {
            return false;
        }
    }
    return true;
}

static void judge(void *argument)
{
    net_play *play = argument;
    if (play->hostile) {
        (void)jzx_sim_sleep(play->sim, sim_below(play->sim, 2000000));
    } else {
        uint64_t deadline_ns = jzx_sim_now_ns(play->sim) + 10000000000ull;
        if (!jzx__sim_wait(play->sim, all_came_back, play, deadline_ns)) {
            jzx_sim_fail(play->sim, "a stream stands still");
        }
    }
    JZX_SIM_REQUIRE(play->sim, jzx_runtime_request_stop(play->runtime) == JZX_OK);
}

static void set_up(net_play *play)
{
    jzx_config config;
    jzx_config_init(&config);
    config.lane_blocks = 2;
    config.inbox_size = 16;
    config.cells = 1024;
    config.mailbox_cap = 32;
    config.actors_max = 16;
    config.sockets_max = 8;
    config.recv_buffers = 2u << sim_below(play->sim, 3);
    config.recv_buffer_size = 512;
    config.send_chunks = sim_between(play->sim, 2, 16);
    config.send_chunk_size = 512;
    JZX_SIM_REQUIRE(play->sim, fake_runtime_create(play->kernel, &config, &play->runtime) == JZX_OK);
    for (int i = 0; i < 2; i++) {
        JZX_SIM_REQUIRE(play->sim, jzx_loop_create(play->runtime, NULL, &play->loops[i]) == JZX_OK);
    }
    fake_faults_of(play->kernel)->io_fails = play->hostile ? sim_below(play->sim, 20) : 0;
    uint32_t pairs = sim_between(play->sim, 1, PAIRS);
    for (uint32_t i = 0; i < pairs; i++) {
        int fds[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) {
            abort();
        }
        make_end(play, fds[0], false);
        make_end(play, fds[1], true);
    }
    (void)jzx_sim_thread(play->sim, "loop 0", run_loop, play->loops[0]);
    (void)jzx_sim_thread(play->sim, "loop 1", run_loop, play->loops[1]);
    (void)jzx_sim_thread(play->sim, "judge", judge, play);
}

static void look_back(net_play *play)
{
    JZX_SIM_REQUIRE(play->sim, jzx_runtime_destroy(play->runtime) == JZX_OK);
    JZX_SIM_REQUIRE(play->sim, play->owned == play->dropped);
    for (uint32_t i = 0; i < play->end_count; i++) {
        const net_end *end = &play->ends[i];
        JZX_SIM_REQUIRE(play->sim, fcntl(end->fd, F_GETFD) == -1 && errno == EBADF);
        JZX_SIM_REQUIRE(play->sim, play->hostile || end->echo || end->got == end->size);
    }
}

static const char *streams(uint64_t seed)
{
    static char failure[512];
    net_play *play = calloc(1, sizeof *play);
    if (play == NULL) {
        abort();
    }
    play->sim = world_create(seed);
    play->kernel = fake_create(play->sim, NULL, NULL);
    play->hostile = seed % 2 == 0;
    set_up(play);
    if (jzx_sim_run(play->sim)) {
        look_back(play);
    }
    if (jzx_sim_failure(play->sim) != NULL) {
        (void)snprintf(failure, sizeof failure, "%s", jzx_sim_failure(play->sim));
        return failure;
    }
    fake_destroy(play->kernel);
    (void)jzx_sim_destroy(play->sim);
    free(play);
    return NULL;
}

Test(net, streams_come_back_whole_and_nothing_stays_open, .timeout = 600)
{
    seeds_play("net", streams);
}
