/*
 * restart: when children are restarted and killed, to the nanosecond: the clock of the world stands still while anybody can
 * run. OTP's cases, by their numbers, with the child on its supervisor's loop and on another.
 */
#include <criterion/criterion.h>

#include "tests/sim/two.h"

#define MS 1000000ull
#define S (1000 * MS)
#define DAY (86400 * S)

enum { TAG_FAIL = 1, EVENTS = 64, STEPS = 16, KIDS = 4 };

typedef struct told {
    uint32_t kind;
    uint32_t child;
    uint64_t at_ns; /* by the supervisor's loop, since the first start */
    uint64_t delay_ns;
    uint32_t exit_kind;
} told;

/* One supervisor, and what is done to it. */
typedef struct act {
    sim_two two;
    uint32_t kid_loop;
    jzx_supervisor_spec spec;
    jzx_child_spec children[KIDS];
    jzx_actor_id sup;
    jzx_child_ref refs[KIDS];
    uint64_t late_ns[KIDS]; /* how long after it is asked it stops; JZX_FOREVER: never */

    uint64_t fail_at[STEPS]; /* after the first start: child 0 fails */
    uint32_t fails;
    uint64_t stop_at; /* the runtime is asked to stop, if the supervisor has not ended by itself */

    uint64_t base_ns;
    told events[EVENTS];
    uint32_t event_count;
    uint32_t running; /* children */
    bool ended;
    jzx_err expected; /* of the runs */
} act;

static act *now_playing;

/* ---- children ---- */

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    uint64_t child = (uint64_t)(uintptr_t)argument;
    now_playing->refs[child] = jzx_child_self(context);
    *state = argument;
    return JZX_OK;
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    uint64_t late_ns = now_playing->late_ns[(uint64_t)(uintptr_t)state];
    if (message->tag == TAG_FAIL) {
        return JZX_BEHAVIOR_FAIL;
    }
    if (message->tag != JZX_TAG_SYS_EXIT || late_ns == 0) {
        return JZX_BEHAVIOR_STOP;
    }
    if (late_ns != JZX_FOREVER) {
        const jzx_message stop = jzx_message_empty(2);
        (void)jzx_timer_after(context, late_ns, &stop, NULL);
    }
    return JZX_BEHAVIOR_OK;
}

static void on_supervision(void *user, jzx_context *context, const jzx_supervision_event *event)
{
    act *a = user;
    a->running += event->kind == JZX_SUPERVISION_STARTED && event->supervisor != 0;
    a->running -= event->kind == JZX_SUPERVISION_STOPPED && event->supervisor != 0;
    a->ended = a->ended || (event->kind == JZX_SUPERVISION_STOPPED && event->supervisor == 0);
    if (event->supervisor == 0) {
        a->base_ns = event->kind == JZX_SUPERVISION_STARTED ? jzx_now_ns(context) : a->base_ns;
    } else if (a->event_count < EVENTS && a->base_ns != 0) {
        a->events[a->event_count++] = (told){.kind = event->kind,
                                             .child = event->child_index,
                                             .at_ns = jzx_now_ns(context) - a->base_ns,
                                             .delay_ns = event->delay_ns,
                                             .exit_kind = event->exit != NULL ? event->exit->kind : 0};
    }
}

/* ---- the play ---- */

static bool is_up(void *context)
{
    const act *a = context;
    return a->base_ns != 0;
}

static bool can_fail(void *context)
{
    const act *a = context;
    return a->running == a->spec.child_count || a->ended;
}

static void driver(void *argument)
{
    act *a = argument;
    jzx_sim *sim = a->two.sim;
    (void)jzx__sim_wait(sim, is_up, a, JZX_FOREVER);
    for (uint32_t i = 0; i < a->fails && !a->ended; i++) {
        uint64_t due_ns = a->base_ns + a->fail_at[i];
        (void)jzx__sim_wait(sim, can_fail, a, JZX_FOREVER);
        JZX_SIM_REQUIRE(sim, jzx_sim_now_ns(sim) <= due_ns);
        (void)jzx_sim_sleep(sim, due_ns - jzx_sim_now_ns(sim));
        jzx_actor_id id = 0;
        if (jzx_child_id(a->two.runtime, a->refs[0], &id) == JZX_OK) {
            const jzx_message fail = jzx_message_empty(TAG_FAIL);
            JZX_SIM_REQUIRE(sim, jzx_post(a->two.runtime, id, &fail) == JZX_OK);
        }
    }
    uint64_t stop_ns = a->base_ns + a->stop_at;
    if (stop_ns > jzx_sim_now_ns(sim)) {
        (void)jzx_sim_sleep(sim, stop_ns - jzx_sim_now_ns(sim));
    }
    (void)jzx_runtime_request_stop(a->two.runtime);
}

static void open_act(act *a, uint32_t kid_loop, uint32_t children)
{
    memset(a, 0, sizeof *a);
    now_playing = a;
    two_open(&a->two, 1);
    a->two.sim->config.tick_max_ns = 0;
    a->kid_loop = kid_loop;
    jzx_supervisor_spec_init(&a->spec);
    a->spec.children = a->children;
    a->spec.child_count = children;
    for (uint32_t i = 0; i < children; i++) {
        jzx_child_spec *child = &a->children[i];
        jzx_child_spec_init(child);
        child->init = init;
        child->behavior = behave;
        child->argument = (void *)(uintptr_t)i;
        child->placement = JZX_PLACE_LOOP;
        child->place_loop = kid_loop;
    }
}

static void play(act *a)
{
    const jzx_observer functions = {.struct_size = sizeof functions, .supervision = on_supervision};
    cr_assert_eq(jzx_observer_add(a->two.loops[0], &functions, a), JZX_OK);
    cr_assert_eq(jzx_supervisor_start(jzx_loop_context(a->two.loops[0]), &a->spec, &a->sup, NULL), JZX_OK);
    two_run(&a->two, 0);
    two_run(&a->two, 1);
    (void)jzx_sim_thread(a->two.sim, "driver", driver, a);
    bool well = jzx_sim_run(a->two.sim) == JZX_OK;
    cr_assert(well, "%s", jzx_sim_failure(a->two.sim));
    cr_assert_eq(a->two.results[0], a->expected, "%s", jzx_strerror(a->two.results[0]));
    cr_assert_eq(a->two.results[1], a->expected);
    cr_assert_eq(jzx_runtime_destroy(a->two.runtime), JZX_OK);
    cr_assert_eq(jzx_sim_check_end(a->two.sim), JZX_OK, "%s", jzx_sim_failure(a->two.sim));
    (void)jzx_sim_destroy(a->two.sim);
}

static const told *nth(const act *a, jzx_supervision_kind kind, uint32_t n)
{
    for (uint32_t i = 0; i < a->event_count; i++) {
        if (a->events[i].kind == (uint32_t)kind && n-- == 0) {
            return &a->events[i];
        }
    }
    return NULL;
}

static uint32_t count(const act *a, jzx_supervision_kind kind)
{
    uint32_t n = 0;
    while (nth(a, kind, n) != NULL) {
        n++;
    }
    return n;
}

/* ---- intensity ---- */

/* Child 0 fails at these times; all but the last are allowed, and that one only if `survives`. */
static void failures(uint32_t kid_loop, uint32_t intensity, uint64_t period_ns, const uint64_t *at, uint32_t fails,
                     bool survives)
{
    act a;
    open_act(&a, kid_loop, 1);
    a.spec.intensity = intensity;
    a.spec.period_ns = period_ns;
    memcpy(a.fail_at, at, fails * sizeof *at);
    a.fails = fails;
    a.stop_at = at[fails - 1] + 1;
    a.expected = survives ? JZX_OK : JZX_ERR_ESCALATED;
    play(&a);
    cr_assert_eq(count(&a, JZX_SUPERVISION_RESTART), fails - !survives);
    cr_assert_eq(count(&a, JZX_SUPERVISION_ESCALATED), !survives);
    for (uint32_t i = 0; i < fails; i++) {
        const told *stop = nth(&a, JZX_SUPERVISION_STOPPED, i);
        cr_assert_eq(stop->at_ns, at[i], "the exit %u was looked at %lu ns late", i,
                     (unsigned long)(stop->at_ns - at[i]));
    }
}

#define FAILURES(intensity, period, survives, ...)                                                   \
    do {                                                                                             \
        static const uint64_t at[] = {__VA_ARGS__};                                                  \
        for (uint32_t kid_loop = 0; kid_loop < 2; kid_loop++) {                                      \
            failures(kid_loop, intensity, period, at, (uint32_t)(sizeof at / sizeof *at), survives); \
        }                                                                                            \
    } while (0)

Test(restart, S33_the_window_is_closed, .timeout = 60)
{
    FAILURES(1, S, false, 5, 5 + S);
    FAILURES(1, S, true, 5, 5 + S + 1);
    FAILURES(1, 1, false, 5, 6);
    FAILURES(1, 1, true, 5, 7);
    FAILURES(3, S, false, 1 * MS, 2 * MS, 3 * MS, 1 * MS + S);
    FAILURES(3, S, true, 1 * MS, 2 * MS, 3 * MS, 1 * MS + S + 1);
}

Test(restart, S33_the_window_slides, .timeout = 60)
{
    /* No two windows next to each other, each with its own share: those would allow all of these. */
    FAILURES(2, S, true, 1, 600 * MS, 2 + S);
    FAILURES(2, S, false, 1, 600 * MS, 2 + S, 1300 * MS);
    FAILURES(2, S, true, 1, 600 * MS, 2 + S, 1600 * MS + 1);
    FAILURES(2, S, false, 900 * MS, 990 * MS, 1010 * MS);
}

Test(restart, S31_multiple_restarts, .timeout = 60)
{
    FAILURES(1, S, true, 1, 2100 * MS, 4200 * MS, 6300 * MS);
}

Test(restart, S94_a_pause_of_40_days, .timeout = 60)
{
    FAILURES(1, S, true, 1, 40 * DAY);
    FAILURES(1, S, false, 1, 40 * DAY, 40 * DAY + 1);
    FAILURES(1, 40 * DAY, false, 1, 40 * DAY + 1);
    FAILURES(1, 40 * DAY, true, 1, 40 * DAY + 2);
}

/* ---- backoff ---- */

/* Child 0 fails, and lives each time for `life_ns` before it fails again. */
static void delays(uint32_t kid_loop, const jzx_backoff *backoff, const uint64_t *life_ns, const uint64_t *expected,
                   uint32_t fails)
{
    act a;
    open_act(&a, kid_loop, 1);
    a.spec.intensity = JZX_INTENSITY_UNLIMITED;
    a.spec.backoff = *backoff;
    uint64_t at_ns = 0;
    for (uint32_t i = 0; i < fails; i++) {
        at_ns += life_ns[i];
        a.fail_at[i] = at_ns;
        at_ns += expected[i];
    }
    a.fails = fails;
    a.stop_at = at_ns + 1;
    play(&a);
    for (uint32_t i = 0; i < fails; i++) {
        const told *restart = nth(&a, JZX_SUPERVISION_RESTART, i);
        const told *start = nth(&a, JZX_SUPERVISION_STARTED, i);
        cr_assert(restart != NULL && start != NULL);
        cr_assert_eq(restart->delay_ns, expected[i], "delay %u: %lu", i, (unsigned long)restart->delay_ns);
        cr_assert_eq(start->at_ns - restart->at_ns, expected[i], "not a nanosecond earlier or later");
    }
}

static const uint64_t ONE_NS[8] = {1, 1, 1, 1, 1, 1, 1, 1};

static void eight_delays(const jzx_backoff *backoff, const uint64_t *expected)
{
    for (uint32_t kid_loop = 0; kid_loop < 2; kid_loop++) {
        delays(kid_loop, backoff, ONE_NS, expected, 8);
    }
}

Test(restart, S83_backoff, .timeout = 60)
{
    static const uint64_t none[8] = {0};
    static const uint64_t constant[8] = {100 * MS, 100 * MS, 100 * MS, 100 * MS,
                                         100 * MS, 100 * MS, 100 * MS, 100 * MS};
    static const uint64_t linear[8] = {100 * MS, 200 * MS, 300 * MS, 400 * MS, 500 * MS, 600 * MS, 700 * MS, 750 * MS};
    static const uint64_t exponential[8] = {100 * MS,  200 * MS,  400 * MS,  800 * MS,
                                            1600 * MS, 1600 * MS, 1600 * MS, 1600 * MS};
    eight_delays(&(jzx_backoff){.kind = JZX_BACKOFF_NONE}, none);
    eight_delays(&(jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = 100 * MS}, constant);
    eight_delays(&(jzx_backoff){.kind = JZX_BACKOFF_LINEAR, .initial_ns = 100 * MS, .max_ns = 750 * MS}, linear);
    eight_delays(
        &(jzx_backoff){.kind = JZX_BACKOFF_EXPONENTIAL, .initial_ns = 100 * MS, .max_ns = 1600 * MS, .factor = 2},
        exponential);
}

Test(restart, S84_a_child_that_lived_long_enough_begins_again, .timeout = 60)
{
    static const jzx_backoff backoff = {
        .kind = JZX_BACKOFF_EXPONENTIAL, .initial_ns = 100 * MS, .max_ns = 1600 * MS, .factor = 2, .reset_ns = 3 * S};
    static const uint64_t lives[6] = {1, 1, 3 * S - 1, 3 * S, 1, 3 * S};
    static const uint64_t expected[6] = {100 * MS, 200 * MS, 400 * MS, 100 * MS, 200 * MS, 100 * MS};
    jzx_backoff period = backoff; /* 0: the supervisor's period, 5 s */
    period.reset_ns = 0;
    static const uint64_t long_lives[4] = {1, 5 * S - 1, 5 * S, 1};
    static const uint64_t after[4] = {100 * MS, 200 * MS, 100 * MS, 200 * MS};
    for (uint32_t kid_loop = 0; kid_loop < 2; kid_loop++) {
        delays(kid_loop, &backoff, lives, expected, 6);
        delays(kid_loop, &period, long_lives, after, 4);
    }
}

/* ---- stops ---- */

/* From the runtime's stop to the end of each child. */
static void deadlines(uint32_t kid_loop, jzx_strategy strategy, const uint64_t *late_ns, uint64_t shutdown_ns,
                      const uint64_t *expected, const uint32_t *kinds, uint32_t children)
{
    act a;
    open_act(&a, kid_loop, children);
    a.spec.strategy = (uint8_t)strategy;
    for (uint32_t i = 0; i < children; i++) {
        a.children[i].trap_exit = true;
        a.children[i].shutdown_ns = shutdown_ns;
        a.late_ns[i] = late_ns[i];
    }
    a.stop_at = S;
    play(&a);
    for (uint32_t i = 0; i < children; i++) {
        const told *stop = nth(&a, JZX_SUPERVISION_STOPPED, children - 1 - i);
        cr_assert_not_null(stop);
        cr_assert_eq(stop->child, i);
        cr_assert_eq(stop->at_ns - S, expected[i], "child %u ended after %lu ns", i, (unsigned long)(stop->at_ns - S));
        cr_assert_eq(stop->exit_kind, kinds[i]);
    }
}

Test(restart, S13_killed_at_its_deadline, .timeout = 60)
{
    static const uint64_t late_ns[3] = {0, JZX_FOREVER, 999 * MS};
    static const uint64_t expected[3] = {1999 * MS, 1999 * MS, 999 * MS};
    static const uint32_t kinds[3] = {JZX_EXIT_SHUTDOWN, JZX_EXIT_KILLED, JZX_EXIT_SHUTDOWN};
    for (uint32_t kid_loop = 0; kid_loop < 2; kid_loop++) {
        deadlines(kid_loop, JZX_ONE_FOR_ONE, late_ns, S, expected, kinds, 3);
    }
}

Test(restart, P13_forever_and_brutal, .timeout = 60)
{
    static const uint64_t late_ns[2] = {3 * DAY, 2 * DAY};
    static const uint64_t expected[2] = {5 * DAY, 2 * DAY};
    static const uint32_t kinds[2] = {JZX_EXIT_SHUTDOWN, JZX_EXIT_SHUTDOWN};
    static const uint64_t at_once[2] = {0, 0};
    static const uint32_t killed[2] = {JZX_EXIT_KILLED, JZX_EXIT_KILLED};
    static const uint64_t five_seconds[2] = {10 * S, 5 * S};
    for (uint32_t kid_loop = 0; kid_loop < 2; kid_loop++) {
        deadlines(kid_loop, JZX_ONE_FOR_ONE, late_ns, JZX_FOREVER, expected, kinds, 2);
        deadlines(kid_loop, JZX_ONE_FOR_ONE, late_ns, JZX_SHUTDOWN_BRUTAL, at_once, killed, 2);
        deadlines(kid_loop, JZX_ONE_FOR_ONE, late_ns, JZX_SHUTDOWN_DEFAULT, five_seconds, killed, 2);
    }
}
