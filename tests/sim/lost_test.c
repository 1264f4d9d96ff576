/*
 * lost: a loop whose kernel gives up, at each of its enters in turn: a completion is lost, or an error comes that nobody
 * expects. It ends its actors there, whatever they were at: a tree in the middle of a restart, requests to its supervisor,
 * a timer, sockets. The other loop goes on and stops in order, and nothing is left.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "tests/sim/lot.h"

enum { LOOPS = 2, ENTERS = 40, PORT = 7000, TAG_TICK = 1 };
static const uint64_t MS = 1000000;

typedef struct worker {
    uint32_t alive; /* incarnations between init and fini */
    uint32_t ticks;
} worker;

typedef struct play {
    jzx_sim *sim;
    jzx_runtime *runtime;
    jzx_loop *loops[LOOPS];
    jzx_err results[LOOPS];
    jzx_actor_id root;
    worker workers[3];
    uint32_t asked;
} play;

/* ---- the tree: a worker here, a worker on the other loop, a supervisor with a worker ---- */

static jzx_err worker_init(jzx_context *context, void *argument, void **state)
{
    worker *w = *state = *(worker *const *)argument;
    jzx_message tick = jzx_message_empty(TAG_TICK);
    jzx_err err = jzx_timer_every(context, MS, JZX_TICKS_SKIP, &tick, NULL);
    w->alive += err == JZX_OK;
    return err;
}

static jzx_behavior_result worker_behave(jzx_context *context, void *state, const jzx_message *message)
{
    worker *w = state;
    (void)context;
    (void)message;
    return ++w->ticks % 3 == 0 ? JZX_BEHAVIOR_FAIL : JZX_BEHAVIOR_OK;
}

static void worker_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    worker *w = state;
    (void)context;
    (void)info;
    w->alive--;
}

static jzx_child_spec worker_spec(worker *const *w, const char *name, uint32_t loop)
{
    jzx_child_spec spec;
    jzx_child_spec_init(&spec);
    spec.name = name;
    spec.init = worker_init;
    spec.behavior = worker_behave;
    spec.fini = worker_fini;
    spec.argument = w;
    spec.argument_size = sizeof *w;
    spec.placement = JZX_PLACE_LOOP;
    spec.place_loop = loop;
    return spec;
}

static void start_tree(play *p)
{
    worker *const each[] = {&p->workers[0], &p->workers[1], &p->workers[2]};
    jzx_supervisor_spec below;
    jzx_supervisor_spec_init(&below);
    jzx_child_spec leaf = worker_spec(&each[2], "leaf", 0);
    below.children = &leaf;
    below.child_count = 1;
    below.intensity = JZX_INTENSITY_UNLIMITED;
    jzx_child_spec children[3] = {worker_spec(&each[0], "here", 0), worker_spec(&each[1], "there", 1)};
    jzx_child_spec_init(&children[2]);
    children[2].name = "below";
    children[2].type = JZX_SUPERVISOR;
    children[2].supervisor = &below;
    jzx_supervisor_spec root;
    jzx_supervisor_spec_init(&root);
    root.strategy = JZX_ONE_FOR_ALL;
    root.intensity = JZX_INTENSITY_UNLIMITED;
    root.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = MS};
    root.children = children;
    root.child_count = 3;
    cr_assert_eq(jzx_supervisor_start(jzx_loop_context(p->loops[0]), &root, &p->root, NULL), JZX_OK);
}

/* ---- who asks its supervisor all the time, and talks to itself by TCP ---- */

static void ask(jzx_context *context, play *p)
{
    uint64_t ref;
    jzx_child_key key = jzx_child_named(p->asked % 2 == 0 ? "here" : "there");
    switch (p->asked++ % 3) {
    case 0:
        (void)jzx_child_terminate(context, p->root, key, &ref);
        break;
    case 1:
        (void)jzx_child_restart(context, p->root, key, &ref);
        break;
    default:
        (void)jzx_child_list(context, p->root, &ref);
        break;
    }
}

static void on_socket(jzx_context *context, const jzx_tcp_event *event)
{
    static uint8_t bytes[20000];
    if (event->kind == JZX_TCP_ACCEPTED) {
        (void)jzx_tcp_send(context, event->peer, bytes, sizeof bytes);
    } else if (event->kind == JZX_TCP_CONNECTED || event->kind == JZX_TCP_DATA) {
        (void)jzx_tcp_send(context, event->socket, bytes, 100);
    }
}

static jzx_behavior_result asker_behave(jzx_context *context, void *state, const jzx_message *message)
{
    play *p = state;
    jzx_socket_id socket;
    jzx_tcp_options options;
    jzx_tcp_options_init(&options);
    options.port = PORT;
    if (message->tag == JZX_TAG_SYS_TCP) {
        on_socket(context, jzx_message_data(message));
        return JZX_BEHAVIOR_OK;
    }
    if (message->tag == TAG_TICK) {
        jzx_message tick = jzx_message_empty(TAG_TICK);
        if (p->asked == 0) {
            (void)jzx_tcp_listen(context, &options, &socket);
        }
        (void)jzx_tcp_connect(context, &options, &socket);
        (void)jzx_timer_after(context, MS, &tick, NULL);
        ask(context, p);
        ask(context, p);
    }
    return JZX_BEHAVIOR_OK;
}

static void start_asker(play *p)
{
    jzx_spawn_options options;
    jzx_actor_id id;
    jzx_message tick = jzx_message_empty(TAG_TICK);
    jzx_spawn_options_init(&options);
    options.behavior = asker_behave;
    options.argument = p;
    cr_assert_eq(jzx_spawn(jzx_loop_context(p->loops[0]), &options, &id), JZX_OK);
    cr_assert_eq(jzx_send(jzx_loop_context(p->loops[0]), id, &tick), JZX_OK);
}

/* ---- the machine ---- */

static void run_0(void *argument)
{
    play *p = argument;
    p->results[0] = jzx_loop_run(p->loops[0]);
}

static void run_1(void *argument)
{
    play *p = argument;
    p->results[1] = jzx_loop_run(p->loops[1]);
}

static void stop(void *argument)
{
    play *p = argument;
    (void)jzx_sim_sleep(p->sim, 10 * MS);
    (void)jzx_runtime_request_stop(p->runtime);
}

static void open_runtime(play *p)
{
    jzx_config config;
    jzx_config_init(&config);
    config.actors_max = 64;
    config.cells = 2048;
    config.mailbox_cap = 64;
    config.lane_blocks = 2;
    config.inbox_size = 16;
    config.sockets_max = 64;
    config.recv_buffers = 4;
    cr_assert_eq(jzx_runtime_create(&config, &p->runtime), JZX_OK);
    for (uint32_t i = 0; i < LOOPS; i++) {
        cr_assert_eq(jzx_loop_create(p->runtime, NULL, &p->loops[i]), JZX_OK);
    }
}

/* Returns whether a loop was lost. */
static bool lose(uint64_t seed, uint64_t after, int error, jzx_err expected)
{
    play p = {.sim = sim_open_calm(seed)};
    open_runtime(&p);
    start_tree(&p);
    start_asker(&p);
    jzx_sim_injection injection = {JZX_SIM_ENTER_FAILS, after, 1, (uint64_t)error};
    cr_assert_eq(jzx_sim_inject(p.sim, &injection), JZX_OK);
    cr_assert_eq(jzx_sim_thread(p.sim, "loop 0", run_0, &p), JZX_OK);
    cr_assert_eq(jzx_sim_thread(p.sim, "loop 1", run_1, &p), JZX_OK);
    cr_assert_eq(jzx_sim_thread(p.sim, "stop", stop, &p), JZX_OK);
    jzx_err err = jzx_sim_run(p.sim);
    cr_assert_eq(err, JZX_OK, "enter %llu: %s", (unsigned long long)after, jzx_sim_failure(p.sim));
    bool lost = jzx_sim_injected(p.sim, JZX_SIM_ENTER_FAILS) != 0;
    for (uint32_t i = 0; i < LOOPS; i++) {
        cr_assert(p.results[i] == JZX_OK || (lost && p.results[i] == expected), "enter %llu: loop %u: %s",
                  (unsigned long long)after, i, jzx_strerror(p.results[i]));
    }
    cr_assert(!lost || p.results[0] == expected || p.results[1] == expected, "enter %llu: nobody says so",
              (unsigned long long)after);
    cr_assert_eq(jzx_runtime_destroy(p.runtime), JZX_OK);
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert_eq(p.workers[i].alive, 0, "enter %llu: each init has its fini", (unsigned long long)after);
    }
    cr_assert_eq(jzx_sim_check_end(p.sim), JZX_OK, "enter %llu: %s", (unsigned long long)after, jzx_sim_failure(p.sim));
    (void)jzx_sim_destroy(p.sim);
    return lost;
}

static void lose_at_each(int error, jzx_err expected)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        for (uint64_t after = 0; after < ENTERS; after++) {
            cr_assert(lose(seed, after, error, expected), "there was no enter %llu", (unsigned long long)after);
        }
    }
}

Test(lost, a_completion_is_lost_at_each_enter, .timeout = 100)
{
    lose_at_each(EBADR, JZX_ERR_KERNEL_LOST);
}

Test(lost, an_error_that_nobody_expects_at_each_enter, .timeout = 100)
{
    lose_at_each(ENXIO, JZX_ERR_OS);
}

Test(lost, without_a_fault_all_is_well, .timeout = 100)
{
    cr_assert_not(lose(1, UINT64_MAX / 2, EBADR, JZX_OK));
}
