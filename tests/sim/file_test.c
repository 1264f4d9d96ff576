/*
 * file: descriptors that actors watch and read and write by themselves, with the machine at their other end: what was fed
 * comes in its order and in pieces, the end behind it, and nothing that the real kernel buffers decides anything.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jzx/sim.h>

enum { SIZE = 100000, FILES_MAX = 64 };
static const uint64_t SECOND = 1000000000;

/* ---- an actor that copies what it reads ---- */

typedef struct reader {
    jzx_sim *sim;
    int fd;
    jzx_watch_id watch;
    uint32_t got;
    uint32_t events;
    uint32_t reads; /* read(2) that gave something */
    bool stops;     /* reads nothing more, and does not look */
    bool hung_up;
    bool echoes;
} reader;

static uint8_t byte_at(uint32_t place)
{
    return (uint8_t)(place * 131 + (place >> 8));
}

static void read_all(reader *self)
{
    uint8_t bytes[700];
    ssize_t got;
    while ((got = read(self->fd, bytes, sizeof bytes)) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            JZX_SIM_REQUIRE(self->sim, bytes[i] == byte_at(self->got + (uint32_t)i));
        }
        if (self->echoes) {
            JZX_SIM_REQUIRE(self->sim, write(self->fd, bytes, (size_t)got) == got);
        }
        self->got += (uint32_t)got;
        self->reads++;
    }
    JZX_SIM_REQUIRE(self->sim, got == 0 || errno == EAGAIN);
}

static jzx_behavior_result behavior(jzx_context *context, void *state, const jzx_message *message)
{
    reader *self = state;
    const jzx_io_event *event = message->tag == JZX_TAG_SYS_IO ? jzx_message_data(message) : NULL;
    if (event == NULL || self->stops) {
        return JZX_BEHAVIOR_OK;
    }
    self->events++;
    read_all(self);
    if ((event->readiness & JZX_IO_HANGUP) != 0) {
        self->hung_up = true;
        (void)jzx_unwatch(context, self->watch);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    reader *self = argument;
    *state = self;
    return jzx_watch(context, self->fd, JZX_IO_READ, &self->watch);
}

/* ---- a machine with it ---- */

static jzx_sim *sim;
static jzx_runtime *runtime;
static jzx_loop *loop;
static reader actor;

static void set_up(void)
{
    jzx_config config;
    jzx_spawn_options options;
    jzx_actor_id id;
    cr_assert_eq(jzx_sim_create(1, NULL, &sim), JZX_OK);
    jzx_config_init(&config);
    cr_assert_eq(jzx_runtime_create(&config, &runtime), JZX_OK);
    cr_assert_eq(jzx_loop_create(runtime, NULL, &loop), JZX_OK);
    actor = (reader){.sim = sim};
    cr_assert_eq(jzx_sim_file_open(sim, &actor.fd), JZX_OK);
    jzx_spawn_options_init(&options);
    options.behavior = behavior;
    options.init = init;
    options.argument = &actor;
    cr_assert_eq(jzx_spawn(jzx_loop_context(loop), &options, &id), JZX_OK);
    cr_assert_eq(jzx_loop_start(loop), JZX_OK);
}

static void tear_down(void)
{
    cr_assert_eq(jzx_runtime_shutdown(runtime, 10 * SECOND, NULL), JZX_OK);
    cr_assert_eq(jzx_runtime_destroy(runtime), JZX_OK);
    (void)close(actor.fd);
    jzx_err err = jzx_sim_check_end(sim);
    cr_assert_eq(err, JZX_OK, "%s", jzx_sim_failure(sim));
    cr_assert_eq(jzx_sim_destroy(sim), JZX_OK);
}

static void feed(uint32_t from, uint32_t size)
{
    static uint8_t bytes[SIZE];
    for (uint32_t i = 0; i < size; i++) {
        bytes[i] = byte_at(from + i);
    }
    cr_assert_eq(jzx_sim_file_feed(sim, actor.fd, bytes, size), JZX_OK);
}

TestSuite(file, .init = set_up, .fini = tear_down, .timeout = 60);

Test(file, what_is_fed_arrives_later_in_its_order_and_in_pieces)
{
    feed(0, SIZE);
    cr_assert_eq(jzx_sim_run_until_idle(sim), JZX_OK);
    cr_assert_eq(actor.got, 0);
    cr_assert_eq(jzx_sim_advance(sim, SECOND), JZX_OK);
    cr_assert_eq(actor.got, SIZE);
    cr_assert_gt(actor.events, 5);
    cr_assert_not(actor.hung_up);
    jzx_sim_injection injection = {JZX_SIM_RECV_SHORT, 0, 1, 3};
    cr_assert_eq(jzx_sim_inject(sim, &injection), JZX_OK);
    uint32_t before = actor.reads;
    feed(SIZE, 10);
    cr_assert_eq(jzx_sim_advance(sim, SECOND), JZX_OK);
    cr_assert_eq(actor.got, SIZE + 10);
    cr_assert_geq(actor.reads, before + 1);
    cr_assert_eq(jzx_sim_injected(sim, JZX_SIM_RECV_SHORT), 1);
}

Test(file, the_end_comes_behind_what_was_fed)
{
    feed(0, 50000);
    cr_assert_eq(jzx_sim_file_end(sim, actor.fd), JZX_OK);
    cr_assert_eq(jzx_sim_file_end(sim, actor.fd), JZX_OK);
    cr_assert_eq(jzx_sim_file_feed(sim, actor.fd, "a", 1), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_advance(sim, SECOND), JZX_OK);
    cr_assert_eq(actor.got, 50000);
    cr_assert(actor.hung_up);
}

Test(file, one_that_does_not_read_gets_a_window_and_no_more)
{
    actor.stops = true;
    feed(0, SIZE);
    cr_assert_eq(jzx_sim_advance(sim, SECOND), JZX_OK);
    cr_assert_eq(jzx_sim_advance_next(sim), JZX_ERR_NOT_FOUND); /* nothing more is to come by itactor */
    read_all(&actor);
    cr_assert_eq(actor.got, 16384);
    actor.stops = false;
    cr_assert_eq(jzx_sim_advance(sim, SECOND), JZX_OK);
    cr_assert_eq(actor.got, SIZE);
}

Test(file, what_is_written_can_be_taken_also_after_the_end)
{
    static uint8_t taken[SIZE];
    size_t size;
    size_t whole = 0;
    actor.echoes = true;
    feed(0, 30000);
    cr_assert_eq(jzx_sim_advance(sim, SECOND), JZX_OK);
    cr_assert_eq(jzx_sim_file_take(sim, actor.fd, taken, 100, &size), JZX_OK);
    cr_assert_eq(size, 100);
    whole += size;
    cr_assert_eq(jzx_sim_file_end(sim, actor.fd), JZX_OK);
    cr_assert_eq(jzx_sim_advance(sim, SECOND), JZX_OK);
    while (jzx_sim_file_take(sim, actor.fd, taken + whole, 7000, &size) == JZX_OK && size > 0) {
        whole += size;
    }
    cr_assert_eq(whole, 30000);
    for (uint32_t i = 0; i < whole; i++) {
        cr_assert_eq(taken[i], byte_at(i));
    }
}

Test(file, calls_refuse_what_is_wrong)
{
    size_t size = 7;
    int fd;
    cr_assert_eq(jzx_sim_file_open(NULL, &fd), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_file_open(sim, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_file_feed(NULL, actor.fd, "a", 1), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_file_feed(sim, actor.fd, NULL, 1), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_file_feed(sim, STDIN_FILENO, "a", 1), JZX_ERR_NOT_FOUND);
    cr_assert_eq(jzx_sim_file_end(NULL, actor.fd), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_file_end(sim, STDIN_FILENO), JZX_ERR_NOT_FOUND);
    cr_assert_eq(jzx_sim_file_take(NULL, actor.fd, &fd, 1, &size), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_file_take(sim, actor.fd, NULL, 1, &size), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_file_take(sim, actor.fd, &fd, 1, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_file_take(sim, STDIN_FILENO, &fd, 1, &size), JZX_ERR_NOT_FOUND);
    cr_assert_eq(size, 7);
}

Test(file, there_are_sixty_four_and_one_that_is_closed_makes_room)
{
    int fds[FILES_MAX];
    int one_more;
    for (int i = 1; i < FILES_MAX; i++) {
        cr_assert_eq(jzx_sim_file_open(sim, &fds[i]), JZX_OK);
    }
    cr_assert_eq(jzx_sim_file_open(sim, &one_more), JZX_ERR_LIMIT);
    cr_assert_eq(jzx_sim_file_feed(sim, fds[1], "late", 4), JZX_OK);
    (void)close(fds[1]);
    cr_assert_eq(jzx_sim_file_feed(sim, fds[1], "a", 1), JZX_ERR_NOT_FOUND);
    cr_assert_eq(jzx_sim_file_open(sim, &one_more), JZX_OK);
    cr_assert_eq(jzx_sim_advance(sim, SECOND), JZX_OK);
    char byte;
    cr_assert_eq(read(one_more, &byte, 1), -1); /* nothing of what was for the other */
    fds[1] = one_more;
    for (int i = 1; i < FILES_MAX; i++) {
        (void)close(fds[i]);
    }
}
