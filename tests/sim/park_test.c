/*
 * park: loops that sleep all the time and are woken by messages, posts, timers and descriptors at any moment, by
 * doorbells that fail or find no submission entry. No wake-up is lost (also for hosts, level and edge), and nobody spins.
 */
#include <criterion/criterion.h>

#include "tests/sim/cast.h"
#include "tests/sim/seeds.h"
#include "tests/sim/two.h"

static void sleepers(jzx_sim *sim, void *argument)
{
    static const cast_knobs knobs = {
        .loops_least = 1,
        .loops_most = 4,
        .players_least = 1,
        .players_most = 6,
        .ticks_most = 12,
        .actions_most = 2,
        .pause_max_ns = 300000,
        .spare_cells = 600,
        .strangers_most = 3,
        .posts_most = 12,
        .cap_most = 8,
        .hosts = 400,
        .lingers = 200,
        .watches = 300,
        .say = 800,
        .ask = 150,
        .timer = 100,
        .monitor = 20,
    };
    (void)argument;
    cast_play(sim, &knobs);
}

Test(park, no_wake_up_is_lost_and_nobody_spins, .timeout = 600)
{
    seeds_play("park", sleepers);
}

static uint64_t digest_of(uint64_t seed)
{
    static const cast_knobs knobs = {
        .loops_least = 3,
        .loops_most = 3,
        .players_least = 4,
        .players_most = 6,
        .ticks_most = 8,
        .actions_most = 4,
        .pause_max_ns = 100000,
        .spare_cells = 600,
        .strangers_most = 3,
        .posts_most = 12,
        .cap_most = 8,
        .hosts = 400,
        .lingers = 200,
        .watches = 300,
        .say = 800,
        .ask = 150,
        .timer = 100,
        .monitor = 20,
    };
    jzx_sim *sim;
    jzx_sim_config config;
    sim_lot_config(&config);
    cr_assert_eq(jzx_sim_create(seed, &config, &sim), JZX_OK);
    cast_play(sim, &knobs);
    cr_assert_null(jzx_sim_failure(sim), "%s", jzx_sim_failure(sim));
    uint64_t digest = jzx_sim_trace_hash(sim);
    cr_assert_eq(jzx_sim_destroy(sim), JZX_OK);
    return digest;
}

Test(park, D85_a_seed_gives_the_same_run_each_time, .timeout = 60)
{
    uint64_t other = digest_of(1000);
    for (uint64_t seed = 1; seed <= 50; seed++) {
        uint64_t digest = digest_of(seed);
        cr_assert_eq(digest_of(seed), digest, "seed %llu", (unsigned long long)seed);
        cr_assert_neq(digest, other);
    }
}

/* ---- a doorbell that failed, and a loop that never sleeps ---- */

typedef struct busy_case {
    sim_two two;
    jzx_actor_id sleeper;
    bool told;
    bool heard;
    bool enough;
} busy_case;

/* Always has mail from itself; tells the sleeper once. */
static jzx_behavior_result never_rests(jzx_context *context, void *state, const jzx_message *message)
{
    busy_case *busy = state;
    jzx_message next = jzx_message_empty(1);
    (void)message;
    jzx__sim_point("never rests");
    if (!busy->told) {
        busy->told = true;
        JZX_SIM_REQUIRE(busy->two.sim, jzx_send(context, busy->sleeper, &next) == JZX_OK);
    }
    if (!busy->enough) {
        JZX_SIM_REQUIRE(busy->two.sim, jzx_send(context, jzx_self(context), &next) == JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result hears(jzx_context *context, void *state, const jzx_message *message)
{
    (void)context;
    (void)message;
    ((busy_case *)state)->heard = true;
    return JZX_BEHAVIOR_OK;
}

static bool has_heard(void *context)
{
    return ((const busy_case *)context)->heard;
}

static void heals(void *argument)
{
    busy_case *busy = argument;
    (void)jzx_sim_sleep(busy->two.sim, 200000);
    JZX_SIM_REQUIRE(busy->two.sim, busy->told && !busy->heard); /* each doorbell failed so far */
    busy->two.sim->faults.rates[JZX_SIM_DOORBELL] = 0;
    JZX_SIM_REQUIRE(busy->two.sim,
                    jzx__sim_wait(busy->two.sim, has_heard, busy, jzx_sim_now_ns(busy->two.sim) + 200000));
    busy->enough = true;
    JZX_SIM_REQUIRE(busy->two.sim, jzx_runtime_request_stop(busy->two.runtime) == JZX_OK);
}

Test(park, a_doorbell_that_failed_is_repeated_by_a_loop_that_never_sleeps, .timeout = 60)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        busy_case busy = {.told = false};
        two_open(&busy.two, seed);
        busy.two.sim->faults.rates[JZX_SIM_DOORBELL] = 65536;
        jzx_actor_id busy_id = two_spawn(&busy.two, 0, never_rests, &busy);
        busy.sleeper = two_spawn(&busy.two, 1, hears, &busy);
        jzx_message first = jzx_message_empty(1);
        cr_assert_eq(jzx_send(jzx_loop_context(busy.two.loops[0]), busy_id, &first), JZX_OK);
        two_run(&busy.two, 0);
        two_run(&busy.two, 1);
        (void)jzx_sim_thread(busy.two.sim, "healer", heals, &busy);
        two_close(&busy.two);
    }
}

static void ignore(void *context, const jzx__cqe *cqe)
{
    (void)context;
    (void)cqe;
}

/* White-box: the backend of one loop, asked as park.c asks it. */
Test(park, U6_a_flag_is_not_old_after_an_enter_that_did_not_look, .timeout = 10)
{
    sim_two two;
    int fd;
    two_open(&two, 1);
    cr_assert_eq(jzx_loop_poll_fd(two.loops[0], &fd), JZX_OK);
    jzx__backend *backend = two.loops[0]->backend;
    const jzx__backend_ops *ops = backend->ops;
    ops->host_awake(backend);
    jzx_sim_injection stale = {.fault = JZX_SIM_LATE, .times = 1};
    cr_assert_eq(jzx_sim_inject(two.sim, &stale), JZX_OK);
    ops->wake(backend);
    cr_assert_eq(ops->submit(backend), JZX_OK); /* brings the wake in, and leaves its flag standing */
    (void)ops->reap(backend, UINT32_MAX, ignore, NULL);
    for (int i = 0; i < 16 && ops->busy(backend); i++) {
        cr_assert_eq(ops->submit(backend), JZX_OK);
    }
    cr_assert_not(ops->busy(backend), "nothing comes of it: the flag is old");
    ops->wake(backend);
    jzx_sim_injection busy = {.fault = JZX_SIM_ENTER_EBUSY, .times = 1};
    cr_assert_eq(jzx_sim_inject(two.sim, &busy), JZX_OK);
    ops->host_sleep(backend, JZX_FOREVER);
    cr_assert_eq(jzx_sim_injected(two.sim, JZX_SIM_ENTER_EBUSY), 1);
    cr_assert(ops->busy(backend), "the wake is still in the ring: the host must not sleep");
    cr_assert_eq(jzx_sim_destroy(two.sim), JZX_OK);
}
