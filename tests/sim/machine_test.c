/*
 * machine_test: a simulated machine as its user has it: time, turns, what goes wrong on purpose, checks and ends. Public
 * calls only.
 */
#include <criterion/criterion.h>
#include <jzx/sim.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_COUNT = 1, TAG_TICK, TAG_SELF };
static const uint64_t MILLISECOND = 1000000;

typedef struct counter {
    jzx_actor_id id;
    uint32_t handled;
    uint64_t last_ns;   /* when it handled the last one */
    uint64_t timer_ns;  /* of a timer begun in init; 0: none */
    uint64_t period_ns; /* the same, periodic */
    bool mails_itself;
    uint32_t finis;
    jzx_exit_info exit;
} counter;

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    counter *c = state;
    c->handled++;
    c->last_ns = jzx_now_ns(context);
    if (c->mails_itself) {
        jzx_message again = jzx_message_empty(TAG_SELF);
        (void)jzx_send(context, c->id, &again);
    }
    (void)message;
    return JZX_BEHAVIOR_OK;
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    counter *c = argument;
    jzx_message tick = jzx_message_empty(TAG_TICK);
    *state = c;
    if (c->timer_ns != 0) {
        return jzx_timer_after(context, c->timer_ns, &tick, NULL);
    }
    return c->period_ns != 0 ? jzx_timer_every(context, c->period_ns, JZX_TICKS_SKIP, &tick, NULL) : JZX_OK;
}

static void fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    counter *c = state;
    (void)context;
    c->finis++;
    c->exit = *info;
}

typedef struct machine {
    jzx_sim *sim;
    jzx_runtime *runtime;
    jzx_loop *loops[2];
} machine;

static void make_runtime(machine *m)
{
    jzx_config config;
    jzx_config_init(&config);
    config.actors_max = 64;
    config.timers_max = 64;
    cr_assert_eq(jzx_runtime_create(&config, &m->runtime), JZX_OK);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(jzx_loop_create(m->runtime, NULL, &m->loops[i]), JZX_OK);
    }
}

static machine open_with(uint64_t seed, const jzx_sim_config *config)
{
    machine m = {NULL};
    cr_assert_eq(jzx_sim_create(seed, config, &m.sim), JZX_OK);
    make_runtime(&m);
    return m;
}

static machine open_machine(void)
{
    return open_with(1, NULL);
}

static void spawn(machine *m, uint32_t loop, counter *c)
{
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = behave;
    options.init = init;
    options.fini = fini;
    options.argument = c;
    cr_assert_eq(jzx_spawn(jzx_loop_context(m->loops[loop]), &options, &c->id), JZX_OK);
}

static void start(machine *m)
{
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(jzx_loop_start(m->loops[i]), JZX_OK);
    }
}

static void post(machine *m, const counter *c)
{
    jzx_message message = jzx_message_empty(TAG_COUNT);
    cr_assert_eq(jzx_post(m->runtime, c->id, &message), JZX_OK);
}

static void close_machine(machine *m)
{
    cr_assert_eq(jzx_runtime_request_stop(m->runtime), JZX_OK);
    cr_assert_eq(jzx_runtime_destroy(m->runtime), JZX_OK, "%s", jzx_sim_failure(m->sim));
    cr_assert_eq(jzx_sim_check_end(m->sim), JZX_OK, "%s", jzx_sim_failure(m->sim));
    cr_assert_eq(jzx_sim_destroy(m->sim), JZX_OK);
}

/* ---- time ---- */

Test(machine, what_needs_no_time_happens_without_any, .timeout = 10)
{
    machine m = open_machine();
    counter c = {.timer_ns = MILLISECOND};
    spawn(&m, 1, &c);
    start(&m);
    post(&m, &c);
    uint64_t now_ns = jzx_sim_now_ns(m.sim);
    cr_assert_eq(jzx_sim_run_until_idle(m.sim), JZX_OK);
    cr_assert_eq(c.handled, 1);
    cr_assert_eq(jzx_sim_now_ns(m.sim), now_ns);
    cr_assert_gt(jzx_sim_steps(m.sim), 0);
    close_machine(&m);
}

Test(machine, time_moves_as_far_as_it_is_told_and_timers_are_exact, .timeout = 10)
{
    machine m = open_machine();
    counter c = {.timer_ns = MILLISECOND};
    uint64_t began_ns = jzx_sim_now_ns(m.sim);
    spawn(&m, 0, &c);
    start(&m);
    cr_assert_eq(jzx_sim_advance(m.sim, MILLISECOND - 1), JZX_OK);
    cr_assert_eq(c.handled, 0);
    cr_assert_eq(jzx_sim_advance(m.sim, 1), JZX_OK);
    cr_assert_eq(c.handled, 1);
    cr_assert_eq(c.last_ns, began_ns + MILLISECOND);
    cr_assert_eq(jzx_sim_now_ns(m.sim), began_ns + MILLISECOND);
    cr_assert_eq(jzx_sim_sleep(m.sim, 5), JZX_OK, "from outside it advances");
    cr_assert_eq(jzx_sim_now_ns(m.sim), began_ns + MILLISECOND + 5);
    cr_assert_eq(jzx_sim_advance(m.sim, UINT64_MAX), JZX_ERR_INVALID_ARG, "no time comes behind the last");
    close_machine(&m);
}

Test(machine, the_next_event_is_gone_to, .timeout = 10)
{
    machine m = open_machine();
    counter early = {.timer_ns = 3 * MILLISECOND};
    counter late = {.timer_ns = 3600000 * MILLISECOND};
    uint64_t began_ns = jzx_sim_now_ns(m.sim);
    spawn(&m, 0, &late);
    spawn(&m, 1, &early);
    start(&m);
    cr_assert_eq(jzx_sim_advance_next(m.sim), JZX_OK);
    cr_assert_eq(early.handled, 1);
    cr_assert_eq(late.handled, 0);
    cr_assert_eq(jzx_sim_now_ns(m.sim), began_ns + 3 * MILLISECOND);
    cr_assert_eq(jzx_sim_advance_next(m.sim), JZX_OK);
    cr_assert_eq(late.handled, 1);
    cr_assert_eq(late.last_ns, began_ns + 3600000 * MILLISECOND);
    cr_assert_eq(jzx_sim_advance_next(m.sim), JZX_ERR_NOT_FOUND, "nothing is to come");
    close_machine(&m);
}

static bool three(void *argument)
{
    return ((counter *)argument)->handled >= 3;
}

Test(machine, a_run_ends_when_what_it_waits_for_is_there_or_its_time_is_over, .timeout = 10)
{
    machine m = open_machine();
    counter c = {.period_ns = MILLISECOND};
    uint64_t began_ns = jzx_sim_now_ns(m.sim);
    spawn(&m, 0, &c);
    start(&m);
    cr_assert_eq(jzx_sim_run_until(m.sim, three, &c, 2 * MILLISECOND), JZX_ERR_TIMEOUT);
    cr_assert_eq(c.handled, 2);
    cr_assert_eq(jzx_sim_now_ns(m.sim), began_ns + 2 * MILLISECOND);
    cr_assert_eq(jzx_sim_run_until(m.sim, three, &c, JZX_FOREVER), JZX_OK);
    cr_assert_eq(c.handled, 3);
    cr_assert_eq(jzx_sim_run_until(m.sim, three, &c, 0), JZX_OK, "it is there already");
    close_machine(&m);
}

Test(machine, a_step_is_one_point_of_one_thread, .timeout = 10)
{
    machine m = open_machine();
    counter c = {.handled = 0};
    spawn(&m, 0, &c);
    start(&m);
    post(&m, &c);
    uint64_t steps = jzx_sim_steps(m.sim);
    while (c.handled == 0) {
        cr_assert_eq(jzx_sim_step(m.sim), JZX_OK);
        cr_assert_eq(jzx_sim_steps(m.sim), ++steps);
    }
    cr_assert_eq(jzx_sim_run_until_idle(m.sim), JZX_OK);
    cr_assert_eq(jzx_sim_step(m.sim), JZX_ERR_NOT_FOUND, "none can run now");
    close_machine(&m);
}

Test(machine, an_hour_of_a_ticking_service_takes_no_time, .timeout = 20)
{
    machine m = open_machine();
    counter c = {.period_ns = 100 * MILLISECOND};
    spawn(&m, 0, &c);
    start(&m);
    cr_assert_eq(jzx_sim_advance(m.sim, 3600000 * MILLISECOND), JZX_OK);
    cr_assert_eq(c.handled, 36000);
    close_machine(&m);
}

/* ---- what goes wrong, on purpose ---- */

Test(machine, an_actor_is_killed_or_fails_as_told, .timeout = 10)
{
    machine m = open_machine();
    counter killed = {.handled = 0};
    counter failed = {.handled = 0};
    spawn(&m, 0, &killed);
    spawn(&m, 1, &failed);
    start(&m);
    cr_assert_eq(jzx_sim_run_until_idle(m.sim), JZX_OK);
    cr_assert_eq(jzx_sim_kill(m.sim, m.runtime, killed.id), JZX_OK);
    cr_assert_eq(jzx_sim_fail_actor(m.sim, m.runtime, failed.id, 42), JZX_OK);
    cr_assert_eq(jzx_sim_run_until_idle(m.sim), JZX_OK);
    cr_assert_eq(killed.finis, 1);
    cr_assert_eq(killed.exit.kind, JZX_EXIT_KILLED);
    cr_assert_eq(failed.finis, 1);
    cr_assert_eq(failed.exit.kind, JZX_EXIT_FAIL);
    cr_assert_eq(failed.exit.code, 42);
    cr_assert_eq(jzx_sim_kill(m.sim, m.runtime, 77ull << 56 | 1), JZX_ERR_NO_SUCH_ACTOR);
    cr_assert_eq(jzx_sim_kill(m.sim, m.runtime, killed.id), JZX_OK, "that it has ended is seen on its loop");
    close_machine(&m);
}

Test(machine, ends_that_wait_for_their_turn_are_limited, .timeout = 10)
{
    machine m = open_machine();
    counter c = {.handled = 0};
    spawn(&m, 0, &c);
    for (int i = 0; i < 256; i++) {
        cr_assert_eq(jzx_sim_kill(m.sim, m.runtime, c.id), JZX_OK);
    }
    cr_assert_eq(jzx_sim_kill(m.sim, m.runtime, c.id), JZX_ERR_LIMIT);
    start(&m);
    cr_assert_eq(jzx_sim_run_until_idle(m.sim), JZX_OK);
    cr_assert_eq(c.finis, 1);
    close_machine(&m);
}

Test(machine, a_stalled_loop_does_not_run_and_others_do, .timeout = 10)
{
    machine m = open_machine();
    counter stalled = {.handled = 0};
    counter other = {.handled = 0};
    spawn(&m, 0, &stalled);
    spawn(&m, 1, &other);
    cr_assert_eq(jzx_sim_stall(m.sim, m.loops[0], 1), JZX_ERR_NOT_FOUND, "it has no thread yet");
    start(&m);
    cr_assert_eq(jzx_sim_run_until_idle(m.sim), JZX_OK);
    uint64_t began_ns = jzx_sim_now_ns(m.sim);
    cr_assert_eq(jzx_sim_stall(m.sim, m.loops[0], 10 * MILLISECOND), JZX_OK);
    post(&m, &stalled);
    post(&m, &other);
    cr_assert_eq(jzx_sim_advance(m.sim, 10 * MILLISECOND - 1), JZX_OK);
    cr_assert_eq(other.handled, 1);
    cr_assert_eq(stalled.handled, 0);
    cr_assert_eq(jzx_sim_advance(m.sim, 1), JZX_OK);
    cr_assert_eq(stalled.handled, 1);
    cr_assert_eq(stalled.last_ns, began_ns + 10 * MILLISECOND);
    close_machine(&m);
}

Test(machine, after_a_jump_of_the_clock_a_periodic_timer_fires_once_and_keeps_its_beat, .timeout = 10)
{
    machine m = open_machine();
    counter c = {.period_ns = MILLISECOND};
    uint64_t began_ns = jzx_sim_now_ns(m.sim);
    spawn(&m, 0, &c);
    start(&m);
    cr_assert_eq(jzx_sim_run_until_idle(m.sim), JZX_OK);
    cr_assert_eq(jzx_sim_clock_jump(m.sim, 86400000 * MILLISECOND + 5), JZX_OK);
    cr_assert_eq(jzx_sim_run_until_idle(m.sim), JZX_OK);
    cr_assert_eq(c.handled, 1);
    cr_assert_eq(jzx_sim_advance_next(m.sim), JZX_OK);
    cr_assert_eq(c.handled, 2);
    cr_assert_eq((c.last_ns - began_ns) % MILLISECOND, 0);
    cr_assert_eq(jzx_sim_clock_jump(m.sim, UINT64_MAX), JZX_ERR_INVALID_ARG);
    close_machine(&m);
}

/* ---- checks and failures ---- */

static bool under_five(jzx_sim *sim, void *argument)
{
    (void)sim;
    return ((counter *)argument)->handled < 5;
}

Test(machine, a_check_that_fails_ends_the_run_at_that_step, .timeout = 10)
{
    machine m = open_machine();
    counter c = {.period_ns = MILLISECOND};
    uint64_t began_ns = jzx_sim_now_ns(m.sim);
    spawn(&m, 0, &c);
    start(&m);
    cr_assert_eq(jzx_sim_check(m.sim, "fewer than five", under_five, &c), JZX_OK);
    cr_assert_eq(jzx_sim_advance(m.sim, 4 * MILLISECOND), JZX_OK);
    cr_assert_null(jzx_sim_failure(m.sim));
    cr_assert_eq(jzx_sim_advance(m.sim, 4 * MILLISECOND), JZX_ERR_SIM_FAILED);
    cr_assert_eq(c.handled, 5);
    cr_assert_eq(jzx_sim_now_ns(m.sim), began_ns + 5 * MILLISECOND);
    cr_assert_str_eq(jzx_sim_failure(m.sim), "check failed: fewer than five");
    cr_assert_eq(jzx_sim_run(m.sim), JZX_ERR_SIM_FAILED, "nothing runs any more");
    cr_assert_eq(jzx_sim_check_end(m.sim), JZX_ERR_SIM_FAILED);
    cr_assert_eq(jzx_sim_destroy(m.sim), JZX_OK, "it takes along what cannot be destroyed");
}

Test(machine, checks_are_limited, .timeout = 10)
{
    machine m = open_machine();
    counter c = {.handled = 0};
    for (int i = 0; i < 16; i++) {
        cr_assert_eq(jzx_sim_check(m.sim, "one of many", under_five, &c), JZX_OK);
    }
    cr_assert_eq(jzx_sim_check(m.sim, "one too many", under_five, &c), JZX_ERR_LIMIT);
    close_machine(&m);
}

static bool never(void *context)
{
    (void)context;
    return false;
}

static void posts_to_nobody(void *argument)
{
    machine *m = argument;
    jzx_sim_fail(m->sim, "this thread has %d faults", 3);
    abort(); /* it does not return */
}

Test(machine, a_thread_that_fails_does_not_go_on_and_the_first_failure_counts, .timeout = 10)
{
    machine m = open_machine();
    cr_assert_eq(jzx_sim_thread(m.sim, "faulty", posts_to_nobody, &m), JZX_OK);
    cr_assert_eq(jzx_sim_run_until(m.sim, never, NULL, MILLISECOND), JZX_ERR_SIM_FAILED);
    jzx_sim_fail(m.sim, "another");
    cr_assert_str_eq(jzx_sim_failure(m.sim), "this thread has 3 faults");
    cr_assert_eq(jzx_sim_destroy(m.sim), JZX_OK);
}

Test(machine, threads_that_wait_for_ever_are_a_failure_and_named, .timeout = 10)
{
    machine m = open_machine();
    start(&m);
    cr_assert_eq(jzx_sim_run(m.sim), JZX_ERR_SIM_FAILED);
    cr_assert_str_eq(jzx_sim_failure(m.sim), "nobody can go on; these wait for ever: loop 0 loop 1");
    cr_assert_eq(jzx_sim_destroy(m.sim), JZX_OK);
}

Test(machine, what_spins_is_a_failure, .timeout = 10)
{
    jzx_sim_config config;
    jzx_sim_config_init(&config);
    config.steps_max = 10000;
    config.tick_max_ns = 10000; /* a turn of a loop that is never idle ends when its time is over */
    machine m = open_with(1, &config);
    counter c = {.mails_itself = true};
    spawn(&m, 0, &c);
    start(&m);
    post(&m, &c);
    cr_assert_eq(jzx_sim_run_until_idle(m.sim), JZX_ERR_SIM_FAILED);
    cr_assert_neq(strstr(jzx_sim_failure(m.sim), "no end after 10001 steps"), NULL, "%s", jzx_sim_failure(m.sim));
    cr_assert_eq(jzx_sim_destroy(m.sim), JZX_OK);
}

/* ---- the end ---- */

static void says(machine *m, const char *what)
{
    cr_assert_eq(jzx_sim_check_end(m->sim), JZX_ERR_SIM_FAILED);
    cr_assert_neq(strstr(jzx_sim_failure(m->sim), what), NULL, "%s", jzx_sim_failure(m->sim));
    cr_assert_eq(jzx_sim_destroy(m->sim), JZX_OK);
}

Test(machine, what_is_left_at_the_end_is_named, .timeout = 10)
{
    machine m = open_machine();
    start(&m);
    cr_assert_eq(jzx_sim_run_until_idle(m.sim), JZX_OK);
    says(&m, "2 threads have not ended");

    m = open_machine();
    says(&m, "bytes in");

    cr_assert_eq(jzx_sim_create(1, NULL, &m.sim), JZX_OK);
    jzx_allocator allocator = jzx_sim_allocator(m.sim);
    void *kept = allocator.alloc(allocator.context, 100, 64);
    cr_assert_not_null(kept);
    cr_assert_eq((uintptr_t)kept % 64, 0);
    says(&m, "100 bytes in 1 blocks");

    cr_assert_eq(jzx_sim_create(1, NULL, &m.sim), JZX_OK);
    int fd;
    cr_assert_eq(jzx_sim_file_open(m.sim, &fd), JZX_OK);
    says(&m, "1 descriptors are open");
}

Test(machine, a_block_freed_twice_is_a_failure, .timeout = 10)
{
    machine m;
    cr_assert_eq(jzx_sim_create(1, NULL, &m.sim), JZX_OK);
    jzx_allocator allocator = jzx_sim_allocator(m.sim);
    char *block = allocator.alloc(allocator.context, 1000, 16);
    cr_assert_not_null(block);
    allocator.free(allocator.context, NULL, 0, 16);
    cr_assert_null(jzx_sim_failure(m.sim), "NULL is nothing");
    static char never_allocated[256];
    allocator.free(allocator.context, never_allocated + 128, 16, 16);
    cr_assert_not_null(jzx_sim_failure(m.sim));
    cr_assert_eq(jzx_sim_destroy(m.sim), JZX_OK);
}

/* ---- one seed, one run ---- */

static uint64_t hash_of(uint64_t seed, const char *note, char *text, size_t size)
{
    jzx_sim_config config;
    jzx_sim_config_init(&config);
    config.trace_max = text == NULL ? 0 : size;
    machine m = open_with(seed, &config);
    counter a = {.period_ns = MILLISECOND};
    counter b = {.period_ns = 700000};
    spawn(&m, 0, &a);
    spawn(&m, 1, &b);
    start(&m);
    jzx_sim_note(m.sim, "%s", note);
    for (int i = 0; i < 20; i++) {
        post(&m, &a);
        post(&m, &b);
        cr_assert_eq(jzx_sim_advance(m.sim, MILLISECOND), JZX_OK);
    }
    if (text != NULL) {
        const char *kept = jzx_sim_trace_text(m.sim);
        cr_assert_leq(strlen(kept), size - 1);
        memcpy(text, kept, strlen(kept) + 1);
    }
    uint64_t hash = jzx_sim_trace_hash(m.sim);
    close_machine(&m);
    return hash;
}

Test(machine, a_seed_is_one_run_and_another_is_another, .timeout = 20)
{
    static char text[4096];
    uint64_t hash = hash_of(1, "here", NULL, 0);
    cr_assert_eq(hash_of(1, "here", NULL, 0), hash);
    cr_assert_eq(hash_of(1, "here", text, sizeof text), hash, "text changes nothing");
    cr_assert_neq(strstr(text, "handle"), NULL);
    cr_assert_neq(hash_of(2, "here", NULL, 0), hash);
    cr_assert_neq(hash_of(1, "there", NULL, 0), hash);
}

/* ---- threads of the machine ---- */

typedef struct sleeper {
    jzx_sim *sim;
    uint64_t sleep_ns;
    uint64_t woke_ns;
    jzx_err nested;
} sleeper;

static void sleeps(void *argument)
{
    sleeper *s = argument;
    jzx_sim_yield(s->sim);
    s->nested = jzx_sim_run(s->sim);
    (void)jzx_sim_sleep(s->sim, s->sleep_ns);
    s->woke_ns = jzx_sim_now_ns(s->sim);
}

Test(machine, threads_sleep_as_long_as_they_say_and_run_nothing_themselves, .timeout = 10)
{
    jzx_sim *sim;
    sleeper sleepers[64];
    cr_assert_eq(jzx_sim_create(1, NULL, &sim), JZX_OK);
    uint64_t began_ns = jzx_sim_now_ns(sim);
    for (uint64_t i = 0; i < 64; i++) {
        sleepers[i] = (sleeper){.sim = sim, .sleep_ns = i * MILLISECOND, .nested = JZX_OK};
        cr_assert_eq(jzx_sim_thread(sim, "sleeper", sleeps, &sleepers[i]), JZX_OK);
    }
    cr_assert_eq(jzx_sim_thread(sim, "one too many", sleeps, &sleepers[0]), JZX_ERR_LIMIT);
    cr_assert_eq(jzx_sim_run(sim), JZX_OK);
    for (uint64_t i = 0; i < 64; i++) {
        cr_assert_eq(sleepers[i].woke_ns, began_ns + i * MILLISECOND);
        cr_assert_eq(sleepers[i].nested, JZX_ERR_BUSY);
    }
    cr_assert_eq(jzx_sim_thread(sim, "a place that is free again", sleeps, &sleepers[0]), JZX_OK);
    cr_assert_eq(jzx_sim_run(sim), JZX_OK);
    cr_assert_eq(jzx_sim_check_end(sim), JZX_OK);
    cr_assert_eq(jzx_sim_destroy(sim), JZX_OK);
}

typedef struct host {
    machine *m;
    uint32_t rounds;
    uint32_t timeouts;
    jzx_err bad;
} host;

static void hosts(void *argument)
{
    host *h = argument;
    int fd;
    cr_assert_eq(jzx_loop_poll_fd(h->m->loops[0], &fd), JZX_OK);
    h->bad = jzx_sim_host_wait(h->m->sim, 0, 0);
    while (jzx_loop_run_once(h->m->loops[0], 0) == JZX_OK) {
        h->rounds++;
        h->timeouts += jzx_sim_host_wait(h->m->sim, fd, 5 * MILLISECOND) == JZX_ERR_TIMEOUT;
    }
}

Test(machine, a_host_sleeps_on_the_descriptor_of_its_loop, .timeout = 10)
{
    machine m = open_machine();
    counter c = {.period_ns = 2 * MILLISECOND};
    host h = {.m = &m};
    spawn(&m, 0, &c);
    cr_assert_eq(jzx_sim_thread(m.sim, "host", hosts, &h), JZX_OK);
    cr_assert_eq(jzx_loop_start(m.loops[1]), JZX_OK);
    cr_assert_eq(jzx_sim_advance(m.sim, 20 * MILLISECOND), JZX_OK);
    cr_assert_eq(c.handled, 10);
    cr_assert_eq(h.timeouts, 0);
    cr_assert_lt(h.rounds, 100);
    cr_assert_eq(h.bad, JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_runtime_request_stop(m.runtime), JZX_OK);
    cr_assert_eq(jzx_sim_run(m.sim), JZX_OK);
    close_machine(&m);
}

/* ---- bad arguments ---- */

Test(machine, there_is_one_machine_at_a_time_and_no_kernel_without, .timeout = 10)
{
    jzx_sim *sim;
    jzx_sim *second = NULL;
    jzx_runtime *runtime = NULL;
    cr_assert_eq(jzx_runtime_create(NULL, &runtime), JZX_ERR_URING_MISSING);
    cr_assert_null(runtime);
    cr_assert_eq(jzx_sim_create(1, NULL, &sim), JZX_OK);
    cr_assert_eq(jzx_sim_create(2, NULL, &second), JZX_ERR_BUSY);
    cr_assert_null(second);
    cr_assert_eq(jzx_sim_destroy(sim), JZX_OK);
    cr_assert_eq(jzx_sim_create(2, NULL, &sim), JZX_OK);
    cr_assert_eq(jzx_sim_seed(sim), 2);
    cr_assert_eq(jzx_sim_destroy(sim), JZX_OK);
}

static void refuses(const jzx_sim_config *config)
{
    jzx_sim *sim = NULL;
    cr_assert_eq(jzx_sim_create(1, config, &sim), JZX_ERR_INVALID_ARG);
    cr_assert_null(sim);
}

Test(machine, each_bad_field_of_a_config_is_refused, .timeout = 10)
{
    jzx_sim_config good;
    jzx_sim_config_init(NULL);
    jzx_sim_config_init(&good);
    jzx_sim_config bad = good;
    bad.struct_size--;
    refuses(&bad);
    bad = good;
    bad.rates[JZX_SIM_FAULTS - 1] = 65537;
    refuses(&bad);
    bad = good;
    bad.switches = 1025;
    refuses(&bad);
    bad = good;
    bad.latency_min_ns = bad.latency_max_ns + 1;
    refuses(&bad);
    bad = good;
    bad.ring_entries_max = 0;
    refuses(&bad);
    bad.ring_entries_max = 32769;
    refuses(&bad);
    bad = good;
    bad.steps_max = 0;
    refuses(&bad);
    cr_assert_eq(jzx_sim_create(1, &good, NULL), JZX_ERR_INVALID_ARG);
}

Test(machine, no_machine_is_refused_by_each_call, .timeout = 10)
{
    cr_assert_eq(jzx_sim_destroy(NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_check_end(NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_run(NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_run_until_idle(NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_advance(NULL, 1), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_advance_next(NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_run_until(NULL, never, NULL, 1), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_step(NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_thread(NULL, "x", sleeps, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_sleep(NULL, 1), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_host_wait(NULL, 3, 1), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_kill(NULL, NULL, 1), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_fail_actor(NULL, NULL, 1, 1), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_stall(NULL, NULL, 1), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_clock_jump(NULL, 1), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_check(NULL, "x", under_five, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_null(jzx_sim_failure(NULL));
    cr_assert_eq(jzx_sim_now_ns(NULL), 0);
    cr_assert_eq(jzx_sim_steps(NULL), 0);
    cr_assert_eq(jzx_sim_seed(NULL), 0);
}
