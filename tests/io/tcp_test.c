/*
 * tcp_test: listeners and connections against a scripted backend. White-box.
 *
 * The backend here does nothing by itself: it holds the operations it was given, and the test says what each completes
 * with and when. So every order of completions can be had, no time passes, and no test waits for anything.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "io/tcp.h"
#include "tests/support/support.h"

enum {
    SOCKETS = 40,
    FLYING = 512,
    BUFFERS = 32,
    BUFFER_SIZE = 512,
    CHUNKS = 8,
    CHUNK_SIZE = 512,
    SEND_MAX = 4096,
};
static const uint64_t SECOND = 1000000000ull;

typedef struct party {
    jzx__socket socket;
    uint32_t index;
    uint32_t ready; /* calls of the upcall */
    uint32_t closed;
    uint64_t due_ns; /* JZX_FOREVER: none */
    int peer;        /* the other end of its socket pair, or -1 */
} party;

/* What an operation names: the vector of a gathered send is read at once, as the kernel does at the submission. */
typedef struct flight {
    struct iovec parts[8];
    size_t count;
} flight;

typedef struct world {
    jzx__backend base;
    jzx__sqe flying[FLYING]; /* in the order they were queued */
    flight flights[FLYING];
    uint32_t flying_count;
    uint32_t queued;     /* in all */
    uint32_t room;       /* operations that still find an entry */
    uint32_t room_after; /* what a submission makes of it */
    uint32_t submits;
    bool in_kernel[BUFFERS]; /* receive buffers */

    jzx__net net;
    jzx_config config;
    jzx_counters counters;
    test_memory memory;
    party parties[SOCKETS];
    uint32_t accept_failures;
    int accept_error;
    uint8_t wire[1 << 20]; /* what was sent, of all sockets */
    size_t wire_size;
} world;

static world *world_of(jzx__backend *backend)
{
    return jzx__container_of(backend, world, base);
}

static party *party_of(const jzx__socket *socket)
{
    return jzx__container_of((jzx__socket *)(uintptr_t)socket, party, socket);
}

/* ---- the backend ---- */

static bool flies(const world *w, uint64_t user_data)
{
    for (uint32_t i = 0; i < w->flying_count; i++) {
        if (w->flying[i].user_data == user_data) {
            return true;
        }
    }
    return false;
}

static flight flight_of(const jzx__sqe *sqe)
{
    flight f = {.count = sqe->op == JZX__OP_SEND};
    if (sqe->op == JZX__OP_SEND) {
        f.parts[0] = (struct iovec){.iov_base = (void *)(uintptr_t)sqe->addr, .iov_len = sqe->len};
    } else if (sqe->op == JZX__OP_SEND_PARTS) {
        const struct msghdr *header = sqe->addr;
        size_t total = 0;
        f.count = header->msg_iovlen;
        cr_assert(f.count >= 2 && f.count <= 8, "%zu parts", f.count);
        memcpy(f.parts, header->msg_iov, f.count * sizeof *f.parts);
        for (size_t i = 0; i < f.count; i++) {
            total += f.parts[i].iov_len;
        }
        cr_assert_eq(total, sqe->len);
    }
    return f;
}

static bool queue(jzx__backend *backend, const jzx__sqe *sqe)
{
    world *w = world_of(backend);
    if (w->room == 0) {
        return false;
    }
    cr_assert_not(flies(w, sqe->user_data), "two operations of one kind at a time"); /* N2 */
    cr_assert_lt(w->flying_count, FLYING);
    w->room--;
    w->queued++;
    w->flights[w->flying_count] = flight_of(sqe);
    w->flying[w->flying_count++] = *sqe;
    return true;
}

static jzx_err submit(jzx__backend *backend)
{
    world *w = world_of(backend);
    w->submits++;
    w->room = w->room_after;
    return JZX_OK;
}

static jzx_err buffers_register(jzx__backend *backend, void *base, uint32_t count, uint32_t size, int *os_error)
{
    (void)base;
    (void)size;
    (void)os_error;
    for (uint32_t i = 0; i < count; i++) {
        world_of(backend)->in_kernel[i] = true;
    }
    return JZX_OK;
}

static void buffer_give(jzx__backend *backend, uint32_t buffer)
{
    cr_assert_not(world_of(backend)->in_kernel[buffer], "buffer %u is given back twice", buffer); /* N6 */
    world_of(backend)->in_kernel[buffer] = true;
}

static const jzx__backend_ops OPS = {
    .queue = queue, .submit = submit, .buffers_register = buffers_register, .buffer_give = buffer_give};

/* ---- the layer above ---- */

static void on_ready(jzx__net *net, jzx__socket *socket)
{
    (void)net;
    party_of(socket)->ready++;
}

static void on_closed(jzx__net *net, jzx__socket *socket)
{
    party *p = party_of(socket);
    (void)net;
    p->closed++;
    memset(&p->socket, 0x5A, sizeof p->socket); /* N7: whoever looks at it again will stumble */
}

static void on_deadline(jzx__net *net, jzx__socket *socket, uint64_t due_ns)
{
    (void)net;
    party_of(socket)->due_ns = due_ns;
}

static uint64_t user_data(const jzx__socket *socket, jzx__socket_op op)
{
    return (uint64_t)party_of(socket)->index << 8 | op;
}

static void on_accept_failed(jzx__net *net, jzx__socket *socket, int error)
{
    (void)socket;
    world *w = jzx__container_of(net, world, net);
    w->accept_failures++;
    w->accept_error = error;
}

static const jzx__net_upcalls UPCALLS = {on_ready, on_closed, on_deadline, user_data, on_accept_failed};

/* ---- a world ---- */

static void open_as(world *w, uint32_t buffers, uint32_t accepted, uint32_t entries)
{
    memset(w, 0, sizeof *w);
    w->base.ops = &OPS;
    w->room = FLYING;
    w->room_after = FLYING;
    jzx_config_init(&w->config);
    w->config.ring_entries = entries;
    w->config.recv_buffers = buffers;
    w->config.recv_buffer_size = BUFFER_SIZE;
    w->config.send_chunks = CHUNKS;
    w->config.send_chunk_size = CHUNK_SIZE;
    w->config.sockets_max = accepted;
    for (unsigned i = 0; i < JZX_MEMORY_KINDS; i++) {
        w->config.allocators[i] = test_memory_allocator(&w->memory);
    }
    for (uint32_t i = 0; i < SOCKETS; i++) {
        w->parties[i] = (party){.index = i, .due_ns = JZX_FOREVER, .peer = -1};
    }
    jzx__net_init(&w->net, &w->base, &UPCALLS, &w->counters, &w->config);
    w->net.now_ns = 1000 * SECOND;
    int os_error = 0;
    cr_assert_eq(jzx__net_prepare(&w->net, &os_error), JZX_OK);
}

static void open_with(world *w, uint32_t buffers, uint32_t accepted)
{
    open_as(w, buffers, accepted, 1024);
}

static void open_world(world *w)
{
    open_with(w, BUFFERS, SOCKETS);
}

static jzx__socket_options options_of(const char *address, uint16_t port)
{
    jzx__socket_options options;
    memset(&options, 0, sizeof options);
    cr_assert_eq(jzx__address_parse(address, port, &options), 0);
    options.backlog = 16;
    options.connections_max = 1000;
    options.send_max = SEND_MAX;
    options.idle_ns = 60 * SECOND;
    options.connect_ns = 10 * SECOND;
    options.linger_ns = 5 * SECOND;
    return options;
}

static jzx__socket *listen_on(world *w, uint32_t index, uint32_t connections_max)
{
    jzx__socket_options options = options_of("127.0.0.1", 0);
    options.connections_max = connections_max;
    cr_assert_eq(jzx__socket_listen(&w->net, &w->parties[index].socket, &options), 0);
    jzx__net_flush(&w->net);
    return &w->parties[index].socket;
}

static jzx__socket *adopt_with(world *w, uint32_t index, const jzx__socket_options *options)
{
    int pair[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    w->parties[index].peer = pair[1];
    cr_assert_eq(jzx__socket_adopt(&w->net, &w->parties[index].socket, pair[0], options, true), 0);
    jzx__net_flush(&w->net);
    return &w->parties[index].socket;
}

static jzx__socket *adopt(world *w, uint32_t index)
{
    jzx__socket_options options = options_of("127.0.0.1", 0);
    return adopt_with(w, index, &options);
}

/* ---- completions ---- */

static uint32_t find_flying(const world *w, const jzx__socket *socket, jzx__socket_op op)
{
    for (uint32_t i = 0; i < w->flying_count; i++) {
        if (w->flying[i].user_data == user_data(socket, op)) {
            return i;
        }
    }
    return FLYING;
}

static bool flying(const world *w, const jzx__socket *socket, jzx__socket_op op)
{
    return find_flying(w, socket, op) != FLYING;
}

static void land(world *w, uint32_t place)
{
    memmove(&w->flying[place], &w->flying[place + 1], (w->flying_count - place - 1) * sizeof *w->flying);
    memmove(&w->flights[place], &w->flights[place + 1], (w->flying_count - place - 1) * sizeof *w->flights);
    w->flying_count--;
}

/* The kernel reads the data as late as it can: when the send completes (N1). */
static void put_on_wire(world *w, const flight *f, size_t size)
{
    for (size_t i = 0; size > 0; i++) {
        cr_assert_lt(i, f->count);
        size_t part = size < f->parts[i].iov_len ? size : f->parts[i].iov_len;
        memcpy(w->wire + w->wire_size, f->parts[i].iov_base, part);
        w->wire_size += part;
        size -= part;
    }
}

static void complete_cqe(world *w, jzx__socket *socket, jzx__socket_op op, jzx__cqe cqe)
{
    uint32_t place = find_flying(w, socket, op);
    cr_assert_neq(place, FLYING, "operation %d is not in flight", op);
    cqe.user_data = w->flying[place].user_data;
    if (op == JZX__SOCKET_SEND && cqe.res > 0) {
        cr_assert_leq((uint32_t)cqe.res, w->flying[place].len);
        put_on_wire(w, &w->flights[place], (size_t)cqe.res);
    }
    if (op == JZX__SOCKET_CLOSE) {
        close(w->flying[place].fd);
    }
    if ((cqe.flags & JZX__CQE_MORE) == 0) {
        land(w, place);
    }
    jzx__socket_complete(&w->net, socket, op, &cqe);
}

/* The terminal completion of an operation; then whatever follows is queued. */
static void end_op(world *w, jzx__socket *socket, jzx__socket_op op, int32_t res)
{
    complete_cqe(w, socket, op, (jzx__cqe){.res = res});
    jzx__net_flush(&w->net);
}

static void more_accepted(world *w, jzx__socket *listener)
{
    int fd = dup(w->net.reserve_fd);
    complete_cqe(w, listener, JZX__SOCKET_ACCEPT, (jzx__cqe){.res = fd, .flags = JZX__CQE_MORE});
}

static uint32_t take_from_kernel(world *w)
{
    for (uint32_t i = 0; i < w->config.recv_buffers; i++) {
        if (w->in_kernel[i]) {
            w->in_kernel[i] = false;
            return i;
        }
    }
    cr_assert(false, "the kernel has no buffer");
    return 0;
}

/* Data comes: `number` and nothing else. */
static void receive(world *w, jzx__socket *socket, uint32_t number, uint32_t flags)
{
    uint32_t buffer = take_from_kernel(w);
    memcpy(w->net.buffers + (size_t)buffer * BUFFER_SIZE, &number, sizeof number);
    complete_cqe(w, socket, JZX__SOCKET_RECV,
                 (jzx__cqe){.res = sizeof number, .flags = flags | JZX__CQE_BUFFER, .buffer = buffer});
}

/* Ends every operation in flight, as the kernel does when it is asked to, until a socket is closed. */
static void reap_all(world *w)
{
    jzx__net_flush(&w->net);
    while (w->flying_count > 0) {
        jzx__sqe sqe = w->flying[0];
        jzx__socket *socket = &w->parties[sqe.user_data >> 8].socket;
        jzx__socket_op op = (jzx__socket_op)(sqe.user_data & 0xff);
        bool ok = op == JZX__SOCKET_CANCEL || op == JZX__SOCKET_CLOSE;
        end_op(w, socket, op, ok ? 0 : -ECANCELED);
    }
}

static void give_all_kept(world *w, const uint32_t *kept, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        jzx__net_buffer_give(&w->net, kept[i]);
    }
}

static void close_world(world *w)
{
    for (uint32_t i = 0; i < SOCKETS; i++) {
        party *p = &w->parties[i];
        if (p->socket.want.next != NULL && p->closed == 0) {
            jzx__socket_close(&w->net, &p->socket, true);
        }
    }
    reap_all(w);
    for (uint32_t i = 0; i < SOCKETS; i++) {
        cr_assert_leq(w->parties[i].closed, 1, "closed twice");
        if (w->parties[i].peer >= 0) {
            close(w->parties[i].peer);
        }
    }
    cr_assert(jzx__list_empty(&w->net.wants) && jzx__list_empty(&w->net.starved) && jzx__list_empty(&w->net.chunkless));
    cr_assert_eq(w->net.buffers_out, 0, "%u receive buffers are lost", w->net.buffers_out);
    cr_assert_eq(w->net.chunks_out, 0, "%u chunks are lost", w->net.chunks_out);
    cr_assert_eq(w->net.segments_out, 0);
    for (uint32_t i = 0; i < w->config.recv_buffers; i++) {
        cr_assert(w->in_kernel[i]);
    }
    jzx__net_deinit(&w->net);
    test_memory_assert_empty(&w->memory);
}

/* Takes one event, which is of this kind. */
static jzx__socket_event take(world *w, jzx__socket *socket, jzx__socket_event_kind kind)
{
    jzx__socket_event event;
    memset(&event, 0xEE, sizeof event);
    cr_assert(jzx__socket_next(&w->net, socket, &event), "no event, though one of kind %d is due", kind);
    cr_assert_eq(event.kind, kind, "event %d instead of %d", event.kind, kind);
    return event;
}

static void take_data(world *w, jzx__socket *socket, uint32_t number)
{
    jzx__socket_event event = take(w, socket, JZX__SOCKET_DATA);
    uint32_t seen;
    cr_assert_eq(event.size, sizeof seen);
    memcpy(&seen, event.data, sizeof seen);
    cr_assert_eq(seen, number, "%u instead of %u", seen, number);
    jzx__net_buffer_give(&w->net, event.buffer);
}

static void take_closed(world *w, jzx__socket *socket, int error)
{
    jzx__socket_event event = take(w, socket, JZX__SOCKET_CLOSED);
    cr_assert_eq(event.error, error, "errno %d instead of %d", event.error, error);
    cr_assert_not(jzx__socket_has_event(socket), "something after the last event");
}

/* The deadline of a party comes. */
static void fall_due(world *w, uint32_t index)
{
    party *p = &w->parties[index];
    cr_assert_neq(p->due_ns, JZX_FOREVER);
    w->net.now_ns = p->due_ns > w->net.now_ns ? p->due_ns : w->net.now_ns;
    p->due_ns = JZX_FOREVER;
    jzx__socket_due(&w->net, &p->socket);
    jzx__net_flush(&w->net);
}

static void take_connection(world *w, jzx__socket *listener)
{
    jzx__socket_event event = take(w, listener, JZX__SOCKET_ACCEPTED);
    cr_assert_eq(close(event.fd), 0);
}

/* ---- room in the submission queue ---- */

Test(tcp, N3_what_finds_no_entry_is_wanted_and_queued_in_order, .timeout = 10)
{
    static world w;
    open_world(&w);
    w.room = 2;
    w.room_after = 0; /* the kernel is short of memory: submitting helps nothing */
    for (uint32_t i = 0; i < SOCKETS; i++) {
        adopt(&w, i);
    }
    cr_assert_eq(w.flying_count, 2);
    cr_assert_lt(w.submits, 64 * SOCKETS + 1, "a flush does not go on for ever");
    for (uint32_t i = 2; i < SOCKETS; i++) {
        w.room = 1;
        jzx__net_flush(&w.net);
        cr_assert_eq(w.flying_count, i + 1);
        cr_assert(flying(&w, &w.parties[i].socket, JZX__SOCKET_RECV), "not in order");
    }
    w.room_after = FLYING;
    close_world(&w);
}

Test(tcp, N3_a_submission_makes_room_within_one_flush, .timeout = 10)
{
    static world w;
    open_world(&w);
    w.room = 0;
    w.room_after = 3;
    for (uint32_t i = 0; i < SOCKETS; i++) {
        int pair[2];
        jzx__socket_options options = options_of("127.0.0.1", 0);
        cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        w.parties[i].peer = pair[1];
        cr_assert_eq(jzx__socket_adopt(&w.net, &w.parties[i].socket, pair[0], &options, true), 0);
    }
    jzx__net_flush(&w.net);
    cr_assert_eq(w.flying_count, SOCKETS);
    cr_assert_eq(w.submits, (SOCKETS + 2) / 3);
    close_world(&w);
}

Test(tcp, a_pause_and_a_hold_are_two, .timeout = 10)
{
    static world w;
    open_world(&w);
    w.room = 0; /* so that it does not read at once */
    w.room_after = 0;
    jzx__socket *socket = adopt(&w, 0);
    jzx__socket_pause(&w.net, socket, JZX__PAUSED_HELD);
    jzx__socket_read(&w.net, socket, JZX__PAUSED_BY_USER);
    w.room = FLYING;
    w.room_after = FLYING;
    jzx__net_flush(&w.net);
    cr_assert_eq(w.flying_count, 0, "held");
    jzx__socket_pause(&w.net, socket, JZX__PAUSED_BY_USER);
    jzx__socket_read(&w.net, socket, JZX__PAUSED_HELD);
    jzx__net_flush(&w.net);
    cr_assert_eq(w.flying_count, 0, "paused");
    jzx__socket_pause(&w.net, socket, JZX__PAUSED_HELD);
    jzx__socket_read(&w.net, socket, JZX__PAUSED_BY_USER);
    jzx__socket_read(&w.net, socket, JZX__PAUSED_HELD);
    jzx__net_flush(&w.net);
    cr_assert(flying(&w, socket, JZX__SOCKET_RECV));
    jzx__socket_pause(&w.net, socket, JZX__PAUSED_HELD);
    jzx__net_flush(&w.net);
    cr_assert(flying(&w, socket, JZX__SOCKET_CANCEL));
    close_world(&w);
}

Test(tcp, N3_what_is_not_wanted_any_more_is_not_queued, .timeout = 10)
{
    static world w;
    open_world(&w);
    w.room = 0;
    w.room_after = 0;
    jzx__socket *socket = adopt(&w, 0);
    jzx__socket_pause(&w.net, socket, JZX__PAUSED_BY_USER);
    w.room = FLYING;
    jzx__net_flush(&w.net);
    cr_assert_eq(w.flying_count, 0);
    jzx__socket_close(&w.net, socket, false);
    jzx__net_flush(&w.net);
    cr_assert(flying(&w, socket, JZX__SOCKET_CLOSE), "closed at once: nothing was in flight");
    w.room_after = FLYING;
    close_world(&w);
    cr_assert_eq(w.parties[0].closed, 1);
}

/* ---- listening ---- */

Test(tcp, N8_accepting_pauses_at_connections_max, .timeout = 10)
{
    static world w;
    open_world(&w);
    jzx__socket *listener = listen_on(&w, 0, 2);
    for (int i = 0; i < 5; i++) {
        more_accepted(&w, listener); /* the kernel had these before it saw the pause */
    }
    jzx__net_flush(&w.net);
    cr_assert(flying(&w, listener, JZX__SOCKET_CANCEL));
    take_connection(&w, listener);
    take_connection(&w, listener);
    cr_assert_not(jzx__socket_has_event(listener), "two are out");
    end_op(&w, listener, JZX__SOCKET_CANCEL, 0);
    end_op(&w, listener, JZX__SOCKET_ACCEPT, -ECANCELED);
    cr_assert_eq(w.flying_count, 0);
    for (int i = 0; i < 3; i++) {
        uint32_t ready = w.parties[0].ready;
        jzx__socket_child_closed(&w.net, listener);
        jzx__net_flush(&w.net);
        cr_assert_eq(w.parties[0].ready, ready + 1);
        take_connection(&w, listener);
        cr_assert_not(flying(&w, listener, JZX__SOCKET_ACCEPT), "two are out");
    }
    jzx__socket_child_closed(&w.net, listener);
    jzx__net_flush(&w.net);
    cr_assert(flying(&w, listener, JZX__SOCKET_ACCEPT), "one is out");
    close_world(&w);
    cr_assert_eq(w.accept_failures, 0);
}

Test(tcp, accepting_pauses_while_many_wait_to_be_taken, .timeout = 10)
{
    static world w;
    open_world(&w);
    jzx__socket *listener = listen_on(&w, 0, 1000);
    for (int i = 0; i < 20; i++) {
        more_accepted(&w, listener);
    }
    jzx__net_flush(&w.net);
    cr_assert(flying(&w, listener, JZX__SOCKET_CANCEL));
    end_op(&w, listener, JZX__SOCKET_ACCEPT, -ECANCELED);
    end_op(&w, listener, JZX__SOCKET_CANCEL, 0);
    for (int i = 0; i < 12; i++) {
        cr_assert_not(flying(&w, listener, JZX__SOCKET_ACCEPT));
        take_connection(&w, listener);
        jzx__net_flush(&w.net);
    }
    cr_assert(flying(&w, listener, JZX__SOCKET_ACCEPT), "half of them wait");
    for (int i = 0; i < 8; i++) {
        take_connection(&w, listener);
    }
    cr_assert_not(jzx__socket_has_event(listener));
    close_world(&w);
}

Test(tcp, P19_an_accept_that_fails_goes_on_or_rests_or_ends, .timeout = 10)
{
    static const struct {
        int error;
        char then; /* g: goes on, r: rests, e: ends */
    } CASES[] = {
        {ECONNABORTED, 'g'}, {EPROTO, 'g'}, {EINTR, 'g'},  {EAGAIN, 'g'},   {EPERM, 'g'},
        {ENETDOWN, 'g'},     {EMFILE, 'r'}, {ENFILE, 'r'}, {ENOMEM, 'r'},   {ENOBUFS, 'r'},
        {ELOOP, 'r'},        {EBADF, 'e'},  {EINVAL, 'e'}, {ENOTSOCK, 'e'},
    };
    for (size_t i = 0; i < JZX__COUNT(CASES); i++) {
        static world w;
        open_world(&w);
        jzx__socket *listener = listen_on(&w, 0, 1000);
        end_op(&w, listener, JZX__SOCKET_ACCEPT, -CASES[i].error);
        bool rests = CASES[i].then == 'r';
        cr_assert_eq(flying(&w, listener, JZX__SOCKET_ACCEPT), CASES[i].then == 'g', "errno %d", CASES[i].error);
        cr_assert_eq(w.accept_failures, rests);
        cr_assert_eq(w.parties[0].due_ns, rests ? w.net.now_ns + SECOND / 10 : JZX_FOREVER);
        if (rests) {
            cr_assert_eq(w.accept_error, CASES[i].error);
            fall_due(&w, 0);
            cr_assert(flying(&w, listener, JZX__SOCKET_ACCEPT), "it accepts again");
            cr_assert_eq(w.parties[0].due_ns, JZX_FOREVER);
        }
        if (CASES[i].then == 'e') {
            take_closed(&w, listener, CASES[i].error);
        }
        close_world(&w);
    }
}

Test(tcp, P19_without_descriptors_a_connection_is_turned_away_through_the_reserve, .timeout = 10)
{
    static world w;
    open_world(&w);
    jzx__socket *listener = listen_on(&w, 0, 1000);
    uint16_t port = 0;
    cr_assert_eq(jzx__socket_port(listener, &port), 0);
    jzx__socket_options to = options_of("127.0.0.1", port);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(client, (struct sockaddr *)&to.address, to.address_size), 0);
    cr_assert_geq(w.net.reserve_fd, 0);
    end_op(&w, listener, JZX__SOCKET_ACCEPT, -EMFILE);
    char byte;
    cr_assert_eq(read(client, &byte, 1), 0, "the client is told at once");
    cr_assert_geq(w.net.reserve_fd, 0, "the reserve is there for the next");
    close(client);
    close_world(&w);
}

Test(tcp, a_table_of_waiting_connections_that_is_full_closes_what_comes, .timeout = 10)
{
    static world w;
    open_with(&w, BUFFERS, 3);
    unsigned fds = test_fd_count();
    jzx__socket *listener = listen_on(&w, 0, 1000);
    for (int i = 0; i < 5; i++) {
        more_accepted(&w, listener);
    }
    cr_assert_eq(w.accept_failures, 2);
    cr_assert_eq(w.accept_error, ENOBUFS);
    for (int i = 0; i < 3; i++) {
        take_connection(&w, listener);
    }
    close_world(&w);
    cr_assert_eq(test_fd_count(), fds, "a connection is left open");
}

Test(tcp, connections_that_wait_are_closed_with_their_listener, .timeout = 10)
{
    static world w;
    open_world(&w);
    unsigned fds = test_fd_count();
    jzx__socket *listener = listen_on(&w, 0, 1000);
    for (int i = 0; i < 4; i++) {
        more_accepted(&w, listener);
    }
    jzx__socket_close(&w.net, listener, false);
    cr_assert_not(jzx__socket_has_event(listener));
    more_accepted(&w, listener); /* the cancel had not come to it */
    reap_all(&w);
    cr_assert_eq(w.parties[0].closed, 1);
    close_world(&w);
    cr_assert_eq(test_fd_count(), fds, "a connection is left open");
}

Test(tcp, a_paused_listener_accepts_nothing, .timeout = 10)
{
    static world w;
    open_world(&w);
    jzx__socket *listener = listen_on(&w, 0, 1000);
    jzx__socket_pause(&w.net, listener, JZX__PAUSED_BY_USER);
    jzx__net_flush(&w.net);
    end_op(&w, listener, JZX__SOCKET_CANCEL, 0);
    end_op(&w, listener, JZX__SOCKET_ACCEPT, -ECANCELED);
    cr_assert_eq(w.flying_count, 0);
    jzx__socket_read(&w.net, listener, JZX__PAUSED_BY_USER);
    jzx__net_flush(&w.net);
    cr_assert(flying(&w, listener, JZX__SOCKET_ACCEPT));
    close_world(&w);
}

/* ---- receiving ---- */

Test(tcp, data_comes_in_order_and_each_buffer_goes_back_once, .timeout = 10)
{
    static world w;
    open_world(&w);
    jzx__socket *socket = adopt(&w, 0);
    for (uint32_t round = 0; round < 50; round++) {
        receive(&w, socket, 2 * round, JZX__CQE_MORE);
        receive(&w, socket, 2 * round + 1, JZX__CQE_MORE);
        take_data(&w, socket, 2 * round);
        take_data(&w, socket, 2 * round + 1);
        cr_assert_not(jzx__socket_has_event(socket));
    }
    cr_assert_eq(w.queued, 1, "one multishot receive does it all");
    cr_assert_eq(w.counters.bytes_in, 100 * sizeof(uint32_t));
    close_world(&w);
}

Test(tcp, N5_reading_pauses_at_eight_buffers_and_resumes_at_four, .timeout = 10)
{
    static world w;
    open_world(&w);
    jzx__socket *socket = adopt(&w, 0);
    for (uint32_t i = 0; i < 8; i++) {
        receive(&w, socket, i, JZX__CQE_MORE);
    }
    jzx__net_flush(&w.net);
    cr_assert(flying(&w, socket, JZX__SOCKET_CANCEL));
    receive(&w, socket, 8, JZX__CQE_MORE); /* the kernel had it before it saw the cancel */
    end_op(&w, socket, JZX__SOCKET_RECV, -ECANCELED);
    end_op(&w, socket, JZX__SOCKET_CANCEL, 0);
    for (uint32_t i = 0; i < 5; i++) {
        cr_assert_eq(w.flying_count, 0);
        take_data(&w, socket, i);
        jzx__net_flush(&w.net);
    }
    cr_assert(flying(&w, socket, JZX__SOCKET_RECV), "four wait");
    for (uint32_t i = 5; i < 9; i++) {
        take_data(&w, socket, i);
    }
    close_world(&w);
}

Test(tcp, a_receive_is_not_begun_anew_before_its_cancel_has_ended, .timeout = 10)
{
    static world w;
    open_world(&w);
    jzx__socket *socket = adopt(&w, 0);
    jzx__socket_pause(&w.net, socket, JZX__PAUSED_BY_USER);
    jzx__net_flush(&w.net);
    jzx__socket_read(&w.net, socket, JZX__PAUSED_BY_USER);
    jzx__net_flush(&w.net);
    end_op(&w, socket, JZX__SOCKET_RECV, -ECANCELED);
    cr_assert_not(flying(&w, socket, JZX__SOCKET_RECV), "the cancel would hit the new one");
    end_op(&w, socket, JZX__SOCKET_CANCEL, -ENOENT);
    cr_assert(flying(&w, socket, JZX__SOCKET_RECV));
    close_world(&w);
}

Test(tcp, pause_delivers_what_had_come, .timeout = 10)
{
    static world w;
    open_world(&w);
    jzx__socket *socket = adopt(&w, 0);
    receive(&w, socket, 1, JZX__CQE_MORE);
    jzx__socket_pause(&w.net, socket, JZX__PAUSED_BY_USER);
    jzx__net_flush(&w.net);
    receive(&w, socket, 2, 0); /* crossed the cancel */
    end_op(&w, socket, JZX__SOCKET_CANCEL, -ENOENT);
    take_data(&w, socket, 1);
    take_data(&w, socket, 2);
    cr_assert_eq(w.flying_count, 0);
    jzx__socket_read(&w.net, socket, JZX__PAUSED_BY_USER);
    jzx__socket_read(&w.net, socket, JZX__PAUSED_BY_USER);
    jzx__net_flush(&w.net);
    cr_assert_eq(w.flying_count, 1);
    close_world(&w);
}

Test(tcp, no_buffer_is_a_pause_and_no_error, .timeout = 10)
{
    static world w;
    open_with(&w, 4, SOCKETS);
    uint32_t kept[4];
    jzx__socket *holder = adopt(&w, 0);
    for (uint32_t i = 0; i < 4; i++) {
        receive(&w, holder, i, JZX__CQE_MORE);
        kept[i] = take(&w, holder, JZX__SOCKET_DATA).buffer;
    }
    for (uint32_t i = 1; i < 6; i++) {
        end_op(&w, adopt(&w, i), JZX__SOCKET_RECV, -ENOBUFS);
        cr_assert_not(jzx__socket_has_event(&w.parties[i].socket));
        cr_assert_not(flying(&w, &w.parties[i].socket, JZX__SOCKET_RECV), "it would only fail again");
    }
    cr_assert_eq(w.counters.recv_starved, 5);
    jzx__net_buffer_give(&w.net, kept[0]);
    jzx__net_buffer_give(&w.net, kept[1]);
    jzx__net_flush(&w.net);
    for (uint32_t i = 1; i < 6; i++) {
        cr_assert_eq(flying(&w, &w.parties[i].socket, JZX__SOCKET_RECV), i <= 2, "two buffers, two oldest: %u", i);
    }
    jzx__socket_pause(&w.net, &w.parties[3].socket, JZX__PAUSED_BY_USER); /* one that rests may be paused and closed */
    jzx__socket_close(&w.net, &w.parties[4].socket, false);
    give_all_kept(&w, kept + 2, 2);
    jzx__net_flush(&w.net);
    cr_assert_not(flying(&w, &w.parties[3].socket, JZX__SOCKET_RECV));
    cr_assert(flying(&w, &w.parties[5].socket, JZX__SOCKET_RECV));
    close_world(&w);
}

Test(tcp, the_end_of_the_stream_is_told_once_and_sending_goes_on, .timeout = 10)
{
    static world w;
    open_world(&w);
    jzx__socket *socket = adopt(&w, 0);
    receive(&w, socket, 7, JZX__CQE_MORE);
    end_op(&w, socket, JZX__SOCKET_RECV, 0);
    take_data(&w, socket, 7);
    take(&w, socket, JZX__SOCKET_EOF);
    cr_assert_not(jzx__socket_has_event(socket));
    jzx__socket_read(&w.net, socket, JZX__PAUSED_BY_USER);
    jzx__net_flush(&w.net);
    cr_assert_eq(w.flying_count, 0, "nothing is read after the end");
    cr_assert_eq(jzx__socket_send_copy(&w.net, socket, "bye", 3), 0);
    jzx__net_flush(&w.net);
    end_op(&w, socket, JZX__SOCKET_SEND, 3);
    cr_assert_eq(w.wire_size, 3);
    end_op(&w, adopt(&w, 1), JZX__SOCKET_RECV, 0);
    close_world(&w);
}

Test(tcp, a_reset_comes_after_the_data_and_once, .timeout = 10)
{
    static world w;
    open_world(&w);
    jzx__socket *socket = adopt(&w, 0);
    cr_assert_eq(jzx__socket_send_copy(&w.net, socket, "lost", 4), 0);
    jzx__net_flush(&w.net);
    receive(&w, socket, 1, JZX__CQE_MORE);
    end_op(&w, socket, JZX__SOCKET_RECV, -ECONNRESET);
    end_op(&w, socket, JZX__SOCKET_SEND, -EPIPE);
    take_data(&w, socket, 1);
    take_closed(&w, socket, ECONNRESET);
    cr_assert_eq(jzx__socket_send_copy(&w.net, socket, "x", 1), -EPIPE);
    cr_assert_eq(w.parties[0].closed, 0, "the descriptor is kept until the owner lets go");
    jzx__socket_close(&w.net, socket, false);
    reap_all(&w);
    cr_assert_eq(w.parties[0].closed, 1);
    close_world(&w);
}

Test(tcp, a_receive_that_only_ended_is_begun_anew, .timeout = 10)
{
    static const int ERRORS[] = {ECANCELED, EINTR, EAGAIN};
    static world w;
    open_world(&w);
    jzx__socket *socket = adopt(&w, 0);
    for (size_t i = 0; i < JZX__COUNT(ERRORS); i++) {
        end_op(&w, socket, JZX__SOCKET_RECV, -ERRORS[i]);
        cr_assert(flying(&w, socket, JZX__SOCKET_RECV));
    }
    receive(&w, socket, 1, 0); /* completions overflowed: the last has data and is the last */
    jzx__net_flush(&w.net);
    cr_assert(flying(&w, socket, JZX__SOCKET_RECV));
    take_data(&w, socket, 1);
    cr_assert_not(jzx__socket_has_event(socket));
    close_world(&w);
}

/* ---- sending ---- */

typedef struct payloads {
    uint32_t dropped;
    void *last;
    size_t last_size;
} payloads;

static void drop_payload(void *context, void *data, size_t size)
{
    payloads *p = context;
    p->dropped++;
    p->last = data;
    p->last_size = size;
}

static uint8_t pattern(size_t i)
{
    return (uint8_t)(i * 7 + i / 251);
}

static void fill(uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        data[i] = pattern(i);
    }
}

static void assert_wire(const world *w, size_t size)
{
    cr_assert_eq(w->wire_size, size);
    for (size_t i = 0; i < size; i++) {
        cr_assert_eq(w->wire[i], pattern(i), "byte %zu of %zu", i, size);
    }
}

/* Lets the kernel take at most `most` bytes of each send until nothing is left to send. */
static void send_out(world *w, jzx__socket *socket, uint32_t most)
{
    jzx__net_flush(&w->net);
    uint32_t place;
    while ((place = find_flying(w, socket, JZX__SOCKET_SEND)) != FLYING) {
        uint32_t len = w->flying[place].len;
        end_op(w, socket, JZX__SOCKET_SEND, (int32_t)(len < most ? len : most));
    }
}

Test(tcp, copied_sends_leave_in_order_whatever_the_kernel_takes, .timeout = 10)
{
    static world w;
    static uint8_t data[3000];
    static const uint32_t MOST[] = {1, 7, 511, 512, 513, 100000};
    fill(data, sizeof data);
    for (size_t i = 0; i < JZX__COUNT(MOST); i++) {
        open_world(&w);
        jzx__socket *socket = adopt(&w, 0);
        for (size_t from = 0, part = 1; from < sizeof data; from += part, part = part * 3 % 700 + 1) {
            size_t size = sizeof data - from < part ? sizeof data - from : part;
            cr_assert_eq(jzx__socket_send_copy(&w.net, socket, data + from, size), 0);
            jzx__net_flush(&w.net); /* the first piece is in the kernel while more is appended behind it */
        }
        cr_assert_eq(socket->send_queued, sizeof data);
        send_out(&w, socket, MOST[i]);
        assert_wire(&w, sizeof data);
        cr_assert_eq(w.counters.bytes_out, sizeof data);
        cr_assert_eq(socket->send_queued, 0);
        close_world(&w);
    }
}

Test(tcp, what_is_queued_leaves_together, .timeout = 10)
{
    static world w;
    static uint8_t data[SEND_MAX];
    payloads p = {.dropped = 0};
    fill(data, sizeof data);
    open_world(&w);
    jzx__socket *socket = adopt(&w, 0);
    cr_assert_eq(jzx__socket_send_copy(&w.net, socket, data, 1200), 0);
    cr_assert_eq(jzx__socket_send_owned(&w.net, socket, data + 1200, 800, drop_payload, &p), 0);
    cr_assert_eq(jzx__socket_send_copy(&w.net, socket, data + 2000, 100), 0);
    uint32_t queued = w.queued;
    jzx__net_flush(&w.net);
    cr_assert_eq(w.queued, queued + 1);
    cr_assert_eq(w.flying[find_flying(&w, socket, JZX__SOCKET_SEND)].len, 2100);
    cr_assert_eq(jzx__socket_send_copy(&w.net, socket, data + 2100, 50), 0); /* behind what the kernel was told of */
    end_op(&w, socket, JZX__SOCKET_SEND, 2100);
    cr_assert_eq(p.dropped, 1);
    end_op(&w, socket, JZX__SOCKET_SEND, 50);
    assert_wire(&w, 2150);
    close_world(&w);
}

Test(tcp, N10_a_vector_is_not_written_over_while_its_entry_waits, .timeout = 10)
{
    static world w;
    enum { SENDERS = CHUNKS, ENTRIES = 2 }; /* two parts each: all the records there are */
    uint8_t data[2 * SENDERS];
    open_as(&w, BUFFERS, SOCKETS, ENTRIES);
    for (uint32_t i = 0; i < SENDERS; i++) {
        adopt(&w, i);
    }
    w.room = 0;
    w.room_after = 0;
    for (uint32_t i = 0; i < SENDERS; i++) {
        cr_assert_eq(jzx__socket_send_owned(&w.net, &w.parties[i].socket, data + 2 * i, 1, NULL, NULL), 0);
        cr_assert_eq(jzx__socket_send_owned(&w.net, &w.parties[i].socket, data + 2 * i + 1, 1, NULL, NULL), 0);
    }
    for (uint32_t from = 0; from < SENDERS; from += ENTRIES) {
        uint32_t first = w.flying_count;
        w.room = ENTRIES;
        jzx__net_flush(&w.net); /* two find an entry, the third tries in vain */
        cr_assert_eq(w.flying_count, first + ENTRIES);
        for (uint32_t i = 0; i < ENTRIES; i++) {
            const struct msghdr *header = w.flying[first + i].addr; /* now, at the submission, the kernel reads it */
            cr_assert_eq(header->msg_iov[0].iov_base, data + 2 * (from + i));
            cr_assert_eq(header->msg_iov[1].iov_base, data + 2 * (from + i) + 1);
        }
    }
    w.room_after = FLYING;
    close_world(&w);
}

Test(tcp, a_send_that_only_ended_is_begun_anew, .timeout = 10)
{
    static world w;
    open_world(&w);
    jzx__socket *socket = adopt(&w, 0);
    uint8_t data[10];
    fill(data, sizeof data);
    cr_assert_eq(jzx__socket_send_copy(&w.net, socket, data, sizeof data), 0);
    jzx__net_flush(&w.net);
    end_op(&w, socket, JZX__SOCKET_SEND, -EAGAIN);
    end_op(&w, socket, JZX__SOCKET_SEND, -EINTR);
    end_op(&w, socket, JZX__SOCKET_SEND, 4);
    end_op(&w, socket, JZX__SOCKET_SEND, -ECANCELED);
    send_out(&w, socket, 100);
    assert_wire(&w, sizeof data);
    cr_assert_not(jzx__socket_has_event(socket));
    close_world(&w);
}

Test(tcp, N5_N9_a_full_queue_refuses_and_tells_when_half_is_free, .timeout = 10)
{
    static world w;
    static uint8_t data[SEND_MAX];
    fill(data, sizeof data);
    open_world(&w);
    jzx__socket *socket = adopt(&w, 0);
    cr_assert_eq(jzx__socket_send_copy(&w.net, socket, data, SEND_MAX + 1), -EMSGSIZE);
    cr_assert_not(socket->drain_wanted, "what is never possible is no reason to wait");
    cr_assert_eq(jzx__socket_send_copy(&w.net, socket, data, SEND_MAX), 0);
    cr_assert_eq(jzx__socket_send_copy(&w.net, socket, data, 1), -EAGAIN);
    cr_assert_eq(jzx__socket_send_owned(&w.net, socket, data, 1, NULL, NULL), -EAGAIN);
    cr_assert_eq(socket->send_queued, SEND_MAX);
    jzx__net_flush(&w.net);
    for (uint32_t i = 0; i < SEND_MAX / CHUNK_SIZE; i++) {
        cr_assert_eq(jzx__socket_has_event(socket), i >= 4, "DRAINED when half is free: %u", i);
        end_op(&w, socket, JZX__SOCKET_SEND, CHUNK_SIZE);
    }
    take(&w, socket, JZX__SOCKET_DRAINED);
    cr_assert_not(jzx__socket_has_event(socket), "once");
    assert_wire(&w, SEND_MAX);
    close_world(&w);
}

Test(tcp, N9_who_was_refused_for_chunks_is_told_in_order, .timeout = 10)
{
    static world w;
    static uint8_t data[CHUNKS * CHUNK_SIZE];
    open_world(&w);
    jzx__socket *holder = adopt(&w, 0);
    jzx__socket *first = adopt(&w, 1);
    jzx__socket *second = adopt(&w, 2);
    cr_assert_eq(jzx__socket_send_copy(&w.net, holder, data, sizeof data), 0);
    cr_assert_eq(jzx__socket_send_copy(&w.net, first, data, 2 * CHUNK_SIZE), -EAGAIN);
    cr_assert_eq(jzx__socket_send_copy(&w.net, second, data, 1), -EAGAIN);
    jzx__net_flush(&w.net);
    end_op(&w, holder, JZX__SOCKET_SEND, CHUNK_SIZE);
    cr_assert_not(jzx__socket_has_event(first), "one chunk is not two");
    cr_assert_not(jzx__socket_has_event(second), "the first goes first");
    end_op(&w, holder, JZX__SOCKET_SEND, CHUNK_SIZE);
    take(&w, first, JZX__SOCKET_DRAINED);
    cr_assert_not(jzx__socket_has_event(second));
    end_op(&w, holder, JZX__SOCKET_SEND, CHUNK_SIZE);
    take(&w, second, JZX__SOCKET_DRAINED);
    cr_assert_eq(jzx__socket_send_copy(&w.net, first, data, 2 * CHUNK_SIZE), 0);
    cr_assert_eq(jzx__socket_send_copy(&w.net, second, data, 1), 0);
    cr_assert_eq(jzx__socket_send_copy(&w.net, first, data, sizeof data), -EAGAIN);
    jzx__socket_close(&w.net, first, true); /* one that waits may go */
    close_world(&w);
}

Test(tcp, N9_who_waits_behind_one_that_goes_is_told, .timeout = 10)
{
    static world w;
    static uint8_t data[CHUNKS * CHUNK_SIZE];
    open_world(&w);
    jzx__socket *holder = adopt(&w, 0);
    jzx__socket *greedy = adopt(&w, 1);
    jzx__socket *modest = adopt(&w, 2);
    cr_assert_eq(jzx__socket_send_copy(&w.net, holder, data, 5 * CHUNK_SIZE), 0);
    cr_assert_eq(jzx__socket_send_copy(&w.net, greedy, data, 8 * CHUNK_SIZE), -EAGAIN);
    cr_assert_eq(jzx__socket_send_copy(&w.net, modest, data, 4 * CHUNK_SIZE), -EAGAIN);
    jzx__net_flush(&w.net);
    end_op(&w, holder, JZX__SOCKET_SEND, CHUNK_SIZE);
    cr_assert_not(jzx__socket_has_event(modest));
    jzx__socket_close(&w.net, greedy, false);
    take(&w, modest, JZX__SOCKET_DRAINED);
    close_world(&w);
}

/* ---- payloads that are handed over ---- */

Test(tcp, N6_an_owned_payload_is_dropped_when_it_has_left, .timeout = 10)
{
    static world w;
    static uint8_t data[2000];
    payloads p = {.dropped = 0};
    fill(data, sizeof data);
    open_world(&w);
    jzx__socket *socket = adopt(&w, 0);
    cr_assert_eq(jzx__socket_send_copy(&w.net, socket, data, 100), 0);
    cr_assert_eq(jzx__socket_send_owned(&w.net, socket, data + 100, 900, drop_payload, &p), 0);
    cr_assert_eq(jzx__socket_send_owned(&w.net, socket, data + 1000, 500, NULL, NULL), 0);
    cr_assert_eq(jzx__socket_send_copy(&w.net, socket, data + 1500, 500), 0);
    jzx__net_flush(&w.net);
    end_op(&w, socket, JZX__SOCKET_SEND, 100);
    end_op(&w, socket, JZX__SOCKET_SEND, 899);
    cr_assert_eq(p.dropped, 0, "one byte is still to be read");
    end_op(&w, socket, JZX__SOCKET_SEND, 1);
    cr_assert_eq(p.dropped, 1);
    cr_assert_eq(p.last, data + 100);
    cr_assert_eq(p.last_size, 900, "the whole of it, not what was left");
    send_out(&w, socket, 10000);
    assert_wire(&w, sizeof data);
    cr_assert_eq(p.dropped, 1);
    close_world(&w);
}

Test(tcp, N1_N6_a_payload_in_the_kernel_is_dropped_only_after_its_completion, .timeout = 10)
{
    /* a: abort, r: reset seen by the receive, i: idle too long, g: closed and lingered too long */
    for (const char *how = "arig"; *how != 0; how++) {
        static world w;
        uint8_t data[100];
        payloads p = {.dropped = 0};
        fill(data, sizeof data);
        open_world(&w);
        jzx__socket *socket = adopt(&w, 0);
        for (int i = 0; i < 10; i++) { /* eight leave together */
            cr_assert_eq(jzx__socket_send_owned(&w.net, socket, data, sizeof data, drop_payload, &p), 0);
        }
        jzx__net_flush(&w.net);
        if (*how == 'a') {
            jzx__socket_close(&w.net, socket, true);
        } else if (*how == 'r') {
            end_op(&w, socket, JZX__SOCKET_RECV, -ECONNRESET);
        } else {
            if (*how == 'g') {
                jzx__socket_close(&w.net, socket, false);
                cr_assert_eq(w.parties[0].due_ns, w.net.now_ns + 5 * SECOND);
            }
            fall_due(&w, 0);
        }
        jzx__net_flush(&w.net);
        cr_assert_eq(p.dropped, 2, "%c: those that the kernel does not read go at once", *how);
        cr_assert(flying(&w, socket, JZX__SOCKET_CANCEL), "%c", *how);
        end_op(&w, socket, JZX__SOCKET_SEND, *how == 'a' ? 250 : -ECANCELED); /* two and a half of them */
        cr_assert_eq(p.dropped, 10, "%c", *how);
        close_world(&w);
        cr_assert_eq(p.dropped, 10, "%c", *how);
    }
}

Test(tcp, N6_a_send_that_fails_drops_all_and_closes, .timeout = 10)
{
    static world w;
    uint8_t data[100];
    payloads p = {.dropped = 0};
    fill(data, sizeof data);
    open_world(&w);
    jzx__socket *socket = adopt(&w, 0);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(jzx__socket_send_owned(&w.net, socket, data, sizeof data, drop_payload, &p), 0);
    }
    jzx__net_flush(&w.net);
    end_op(&w, socket, JZX__SOCKET_SEND, -EPIPE);
    cr_assert_eq(p.dropped, 3);
    take_closed(&w, socket, EPIPE);
    cr_assert_eq(jzx__socket_send_owned(&w.net, socket, data, sizeof data, drop_payload, &p), -EPIPE);
    cr_assert_eq(p.dropped, 3, "a refused payload is the caller's");
    close_world(&w);
}

Test(tcp, N9_owned_payloads_are_refused_when_records_run_out, .timeout = 10)
{
    static world w;
    uint8_t data[4];
    payloads p = {.dropped = 0};
    open_world(&w);
    jzx__socket *one = adopt(&w, 0);
    jzx__socket *two = adopt(&w, 1);
    for (uint32_t i = 0; i < 2 * CHUNKS; i++) {
        cr_assert_eq(jzx__socket_send_owned(&w.net, one, data, sizeof data, drop_payload, &p), 0);
    }
    cr_assert_eq(jzx__socket_send_owned(&w.net, two, data, sizeof data, drop_payload, &p), -EAGAIN);
    cr_assert_eq(jzx__socket_send_copy(&w.net, two, data, sizeof data), -EAGAIN, "a chunk needs a record too");
    jzx__net_flush(&w.net);
    end_op(&w, one, JZX__SOCKET_SEND, sizeof data);
    take(&w, two, JZX__SOCKET_DRAINED);
    cr_assert_eq(jzx__socket_send_owned(&w.net, two, data, sizeof data, drop_payload, &p), 0);
    close_world(&w);
    cr_assert_eq(p.dropped, 2 * CHUNKS + 1);
}

/* ---- closing ---- */

Test(tcp, N4_a_descriptor_is_closed_when_every_operation_has_ended, .timeout = 10)
{
    static world w;
    open_world(&w);
    jzx__socket *socket = adopt(&w, 0);
    cr_assert_eq(jzx__socket_send_copy(&w.net, socket, "last words", 10), 0);
    jzx__net_flush(&w.net);
    jzx__socket_close(&w.net, socket, false);
    jzx__socket_close(&w.net, socket, false); /* once is enough */
    jzx__net_flush(&w.net);
    cr_assert_eq(jzx__socket_send_copy(&w.net, socket, "more", 4), -EPIPE);
    receive(&w, socket, 1, JZX__CQE_MORE); /* nobody wants it: its buffer goes back */
    cr_assert_not(jzx__socket_has_event(socket));
    end_op(&w, socket, JZX__SOCKET_CANCEL, 0);
    end_op(&w, socket, JZX__SOCKET_RECV, -ECANCELED);
    cr_assert_not(flying(&w, socket, JZX__SOCKET_CLOSE));
    end_op(&w, socket, JZX__SOCKET_SEND, 10);
    cr_assert_eq(w.parties[0].due_ns, JZX_FOREVER);
    cr_assert(flying(&w, socket, JZX__SOCKET_CLOSE));
    end_op(&w, socket, JZX__SOCKET_CLOSE, 0);
    cr_assert_eq(w.parties[0].closed, 1);
    char text[16];
    cr_assert_eq(read(w.parties[0].peer, text, sizeof text), 0, "the descriptor is closed");
    close_world(&w);
}

Test(tcp, what_the_user_has_not_taken_goes_with_the_socket, .timeout = 10)
{
    static world w;
    open_world(&w);
    jzx__socket *socket = adopt(&w, 0);
    for (uint32_t i = 0; i < 5; i++) {
        receive(&w, socket, i, JZX__CQE_MORE);
    }
    end_op(&w, socket, JZX__SOCKET_RECV, 0);
    jzx__socket_close(&w.net, socket, false);
    cr_assert_eq(w.net.buffers_out, 0);
    cr_assert_not(jzx__socket_has_event(socket));
    close_world(&w);
}

Test(tcp, an_abort_overtakes_a_graceful_close, .timeout = 10)
{
    static world w;
    payloads p = {.dropped = 0};
    uint8_t data[10] = {0};
    open_world(&w);
    jzx__socket *socket = adopt(&w, 0);
    cr_assert_eq(jzx__socket_send_owned(&w.net, socket, data, sizeof data, drop_payload, &p), 0);
    jzx__socket_close(&w.net, socket, false);
    jzx__net_flush(&w.net);
    jzx__socket_close(&w.net, socket, true);
    reap_all(&w);
    cr_assert_eq(w.parties[0].closed, 1);
    cr_assert_eq(p.dropped, 1);
    close_world(&w);
}

/* ---- connecting and deadlines ---- */

static jzx__socket *begin_connect(world *w, uint32_t index)
{
    jzx__socket_options options = options_of("127.0.0.1", 9);
    cr_assert_eq(jzx__socket_connect(&w->net, &w->parties[index].socket, &options), 0);
    jzx__net_flush(&w->net);
    return &w->parties[index].socket;
}

Test(tcp, connect_tells_and_then_reads_and_sends, .timeout = 10)
{
    static world w;
    uint8_t data[10];
    fill(data, sizeof data);
    open_world(&w);
    jzx__socket *socket = begin_connect(&w, 0);
    cr_assert_eq(w.parties[0].due_ns, w.net.now_ns + 10 * SECOND);
    cr_assert_eq(jzx__socket_send_copy(&w.net, socket, data, sizeof data), 0, "queued until then");
    jzx__net_flush(&w.net);
    cr_assert_eq(w.flying_count, 1);
    end_op(&w, socket, JZX__SOCKET_CONNECT, -EINTR);
    cr_assert(flying(&w, socket, JZX__SOCKET_CONNECT));
    w.net.now_ns += SECOND;
    end_op(&w, socket, JZX__SOCKET_CONNECT, 0);
    take(&w, socket, JZX__SOCKET_CONNECTED);
    cr_assert_eq(w.parties[0].due_ns, w.net.now_ns + 60 * SECOND);
    cr_assert(flying(&w, socket, JZX__SOCKET_RECV));
    send_out(&w, socket, 100);
    assert_wire(&w, sizeof data);
    close_world(&w);
}

Test(tcp, connect_that_fails_or_takes_too_long_says_so, .timeout = 10)
{
    static world w;
    payloads p = {.dropped = 0};
    uint8_t data[10] = {0};
    open_world(&w);
    jzx__socket *refused = begin_connect(&w, 0);
    cr_assert_eq(jzx__socket_send_owned(&w.net, refused, data, sizeof data, drop_payload, &p), 0);
    end_op(&w, refused, JZX__SOCKET_CONNECT, -ECONNREFUSED);
    take_closed(&w, refused, ECONNREFUSED);
    cr_assert_eq(p.dropped, 1);
    jzx__socket *slow = begin_connect(&w, 1);
    fall_due(&w, 1);
    cr_assert(flying(&w, slow, JZX__SOCKET_CANCEL));
    take_closed(&w, slow, ETIMEDOUT);
    end_op(&w, slow, JZX__SOCKET_CONNECT, 0); /* it came after all, too late */
    cr_assert_not(jzx__socket_has_event(slow));
    jzx__socket *dropped = begin_connect(&w, 2);
    jzx__socket_close(&w.net, dropped, false);
    reap_all(&w);
    cr_assert_eq(w.parties[2].closed, 1);
    close_world(&w);
}

Test(tcp, an_idle_connection_ends_and_an_active_one_does_not, .timeout = 10)
{
    static world w;
    open_world(&w);
    jzx__socket *socket = adopt(&w, 0);
    uint64_t began = w.net.now_ns;
    uint64_t due = w.parties[0].due_ns;
    cr_assert_eq(due, began + 60 * SECOND);
    w.net.now_ns = began + 40 * SECOND;
    receive(&w, socket, 1, JZX__CQE_MORE);
    take_data(&w, socket, 1);
    cr_assert_eq(w.parties[0].due_ns, due, "activity costs no change of the deadline");
    fall_due(&w, 0);
    cr_assert_eq(w.parties[0].due_ns, began + 100 * SECOND, "60 s after the last byte");
    cr_assert_eq(jzx__socket_send_copy(&w.net, socket, "x", 1), 0);
    w.net.now_ns = began + 90 * SECOND;
    send_out(&w, socket, 1);
    fall_due(&w, 0);
    cr_assert_eq(w.parties[0].due_ns, began + 150 * SECOND, "a send is activity too");
    fall_due(&w, 0);
    cr_assert_eq(w.net.now_ns, began + 150 * SECOND);
    take_closed(&w, socket, ETIMEDOUT);
    cr_assert_eq(w.parties[0].due_ns, JZX_FOREVER);
    jzx__socket_options options = options_of("127.0.0.1", 0);
    options.idle_ns = JZX_FOREVER;
    adopt_with(&w, 1, &options);
    cr_assert_eq(w.parties[1].due_ns, JZX_FOREVER);
    close_world(&w);
}

/* ---- what begins, and what cannot ---- */

Test(tcp, addresses_are_numeric, .timeout = 10)
{
    jzx__socket_options options;
    memset(&options, 0, sizeof options);
    cr_assert_eq(jzx__address_parse("127.0.0.1", 1, &options), 0);
    cr_assert_eq(options.address_size, sizeof(struct sockaddr_in));
    cr_assert_eq(jzx__address_parse("::1", 1, &options), 0);
    cr_assert_eq(options.address_size, sizeof(struct sockaddr_in6));
    static const char *const BAD[] = {"", "localhost", "127.0.0.1:80", "256.0.0.1", "1.2.3", ":::", "127.0.0.1 "};
    for (size_t i = 0; i < JZX__COUNT(BAD); i++) {
        cr_assert_eq(jzx__address_parse(BAD[i], 1, &options), -EINVAL, "%s", BAD[i]);
    }
}

Test(tcp, what_cannot_begin_leaves_nothing, .timeout = 10)
{
    static world w;
    open_world(&w);
    jzx__socket *listener = listen_on(&w, 0, 10);
    uint16_t port = 0;
    cr_assert_eq(jzx__socket_port(listener, &port), 0);
    unsigned fds = test_fd_count();
    jzx__socket_options options = options_of("127.0.0.1", port);
    jzx__socket other;
    cr_assert_eq(jzx__socket_listen(&w.net, &other, &options), -EADDRINUSE);
    options = options_of("192.0.2.1", 0); /* not an address of this machine */
    cr_assert_eq(jzx__socket_listen(&w.net, &other, &options), -EADDRNOTAVAIL);
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int datagram = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(jzx__socket_adopt(&w.net, &other, file, &options, true), -ENOTSOCK);
    cr_assert_eq(jzx__socket_adopt(&w.net, &other, datagram, &options, true), -EINVAL);
    cr_assert_eq(jzx__socket_adopt(&w.net, &other, 999, &options, true), -EBADF);
    cr_assert_eq(close(file), 0);
    cr_assert_eq(close(datagram), 0);
    cr_assert_eq(test_fd_count(), fds);
    cr_assert_eq(w.flying_count, 1);
    close_world(&w);
}

Test(tcp, every_allocation_of_the_buffers_may_fail, .timeout = 10)
{
    static world w;
    uint64_t calls = 0;
    for (uint64_t fail_at = 1; fail_at == 1 || fail_at <= calls; fail_at++) {
        open_world(&w);
        calls = w.memory.calls;
        jzx__net_deinit(&w.net);
        w.memory = (test_memory){.fail_at = fail_at};
        int os_error = 0;
        cr_assert_eq(jzx__net_prepare(&w.net, &os_error), JZX_ERR_NO_MEMORY);
        cr_assert_eq(os_error, ENOMEM);
        test_memory_assert_empty(&w.memory);
        cr_assert_eq(jzx__net_prepare(&w.net, &os_error), JZX_OK, "the next try may succeed");
        close_world(&w);
    }
    cr_assert_gt(calls, 3);
}

/* ---- any order ---- */

static uint64_t rng;

static uint32_t any(uint32_t below)
{
    rng = rng * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(rng >> 33) % below;
}

typedef struct chaos {
    world w;
    payloads payloads;
    uint32_t handed; /* payloads accepted */
    uint32_t kept[BUFFERS];
    uint32_t kept_count;
    uint8_t data[SEND_MAX + 10];
} chaos;

static bool open_party(const party *p)
{
    return p->socket.want.next != NULL && p->closed == 0;
}

static void chaos_complete(chaos *c)
{
    static const int ERRORS[] = {ECANCELED, EINTR, EAGAIN, ECONNRESET, EPIPE, ETIMEDOUT};
    world *w = &c->w;
    if (w->flying_count == 0) {
        return;
    }
    jzx__sqe sqe = w->flying[any(w->flying_count)];
    jzx__socket *socket = &w->parties[sqe.user_data >> 8].socket;
    jzx__socket_op op = (jzx__socket_op)(sqe.user_data & 0xff);
    bool buffers = w->net.buffers_out < w->config.recv_buffers;
    if (op == JZX__SOCKET_RECV && any(4) != 0) {
        if (buffers) {
            receive(w, socket, any(1000), any(4) != 0 ? JZX__CQE_MORE : 0);
        } else {
            end_op(w, socket, op, -ENOBUFS);
        }
    } else if (op == JZX__SOCKET_SEND && any(8) != 0) {
        end_op(w, socket, op, 1 + (int32_t)any(sqe.len));
    } else if (op == JZX__SOCKET_CANCEL || op == JZX__SOCKET_CLOSE) {
        end_op(w, socket, op, any(2) != 0 ? 0 : -ENOENT);
    } else if (op == JZX__SOCKET_CONNECT && any(3) != 0) {
        end_op(w, socket, op, 0);
    } else if (op == JZX__SOCKET_RECV && any(3) == 0) {
        end_op(w, socket, op, 0);
    } else {
        end_op(w, socket, op, -ERRORS[any(JZX__COUNT(ERRORS))]);
    }
}

static void chaos_take(chaos *c, jzx__socket *socket)
{
    jzx__socket_event event;
    if (!jzx__socket_next(&c->w.net, socket, &event)) {
        return;
    }
    if (event.kind == JZX__SOCKET_DATA) {
        if (any(4) == 0 && c->kept_count < BUFFERS) {
            c->kept[c->kept_count++] = event.buffer;
        } else {
            jzx__net_buffer_give(&c->w.net, event.buffer);
        }
    } else if (event.kind == JZX__SOCKET_CLOSED) {
        jzx__socket_close(&c->w.net, socket, false);
    }
}

static void chaos_send(chaos *c, jzx__socket *socket)
{
    size_t size = 1 + any(any(3) == 0 ? SEND_MAX + 9 : 600);
    if (any(2) == 0) {
        (void)jzx__socket_send_copy(&c->w.net, socket, c->data, size);
    } else if (jzx__socket_send_owned(&c->w.net, socket, c->data, size, drop_payload, &c->payloads) == 0) {
        c->handed++;
    }
}

static void chaos_begin(chaos *c, uint32_t index)
{
    party *p = &c->w.parties[index];
    if (p->closed != 0) {
        if (p->peer >= 0) {
            close(p->peer);
        }
        *p = (party){.index = index, .due_ns = JZX_FOREVER, .peer = -1};
    }
    if (any(3) == 0) {
        begin_connect(&c->w, index);
    } else {
        adopt(&c->w, index);
    }
}

static void chaos_act(chaos *c, uint32_t index)
{
    world *w = &c->w;
    party *p = &w->parties[index];
    jzx__socket *socket = &p->socket;
    switch (any(9)) {
    case 0:
    case 1:
        chaos_take(c, socket);
        break;
    case 2:
    case 3:
        chaos_send(c, socket);
        break;
    case 4:
        jzx__socket_pause(&w->net, socket, JZX__PAUSED_BY_USER);
        break;
    case 5:
        jzx__socket_read(&w->net, socket, JZX__PAUSED_BY_USER);
        break;
    case 6:
        if (p->due_ns != JZX_FOREVER && any(8) == 0) {
            fall_due(w, index);
        }
        break;
    case 7:
        if (any(8) == 0) {
            jzx__socket_close(&w->net, socket, any(3) == 0);
        }
        break;
    default:
        if (c->kept_count > 0) {
            jzx__net_buffer_give(&w->net, c->kept[--c->kept_count]);
        }
    }
}

static void check_invariants(const chaos *c)
{
    const world *w = &c->w;
    for (uint32_t i = 0; i < 6; i++) {
        const party *p = &w->parties[i];
        if (!open_party(p)) {
            continue;
        }
        cr_assert_leq(p->socket.send_queued, SEND_MAX); /* N5 */
        cr_assert(p->socket.send_queued != 0 || p->socket.send_first == NULL);
        cr_assert(!p->socket.closing || !jzx__socket_has_event(&p->socket));
    }
    cr_assert_leq(c->payloads.dropped, c->handed); /* N6 */
}

/* Nothing that happens may leave a socket that waits for ever: each has something in flight, an event, or no wish. */
static void check_liveness(const chaos *c)
{
    const world *w = &c->w;
    for (uint32_t i = 0; i < 6; i++) {
        const jzx__socket *s = &w->parties[i].socket;
        if (!open_party(&w->parties[i]) || s->in_flight != 0 || jzx__socket_has_event(s)) {
            continue;
        }
        cr_assert_not(s->closing, "a closing socket waits for nothing");
        cr_assert(s->kind != JZX__SOCKET_CONNECTING, "nobody connects");
        cr_assert_null(s->send_first, "nobody sends");
        cr_assert(s->paused != 0 || s->eof || s->dead || s->full ||
                      !jzx__list_empty((jzx__list *)(uintptr_t)&s->starve),
                  "nobody reads");
    }
}

static void chaos_run(uint64_t seed)
{
    static chaos c;
    memset(&c, 0, sizeof c);
    rng = seed;
    open_with(&c.w, 8, SOCKETS);
    for (uint32_t step = 0; step < 600; step++) {
        uint32_t index = any(6);
        c.w.room = any(4) == 0 ? any(3) : FLYING;
        c.w.wire_size = 0;
        if (!open_party(&c.w.parties[index])) {
            chaos_begin(&c, index);
        } else if (any(2) == 0) {
            chaos_act(&c, index);
        } else {
            chaos_complete(&c);
        }
        if (any(3) == 0) {
            jzx__net_flush(&c.w.net);
            check_liveness(&c);
        }
        check_invariants(&c);
    }
    give_all_kept(&c.w, c.kept, c.kept_count);
    close_world(&c.w);
    cr_assert_eq(c.payloads.dropped, c.handed, "seed %lu: %u payloads of %u", (unsigned long)seed, c.payloads.dropped,
                 c.handed);
}

Test(tcp, any_order_of_calls_and_completions_keeps_the_invariants, .timeout = 60)
{
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        chaos_run(seed * 0x9E3779B97F4A7C15ull);
    }
}
