/* fairness: a turn is bounded in all that it does, so a flood of one kind does not starve the others. */
#include "tests/support/support.h"

#include <sys/eventfd.h>
#include <unistd.h>

enum { TAG_TICK = 1, TAG_POST = 2, TAG_STOPPED = 3 };

/* ---- D67: floods ---- */

typedef struct flood {
    test_world *world;
    jzx_actor_id target;
    uint32_t accepted;
    jzx_err refused;
} flood;

static void post_until_refused(void *argument)
{
    flood *f = argument;
    jzx_message message = jzx_message_empty(TAG_POST);
    while ((f->refused = jzx_post(f->world->runtime, f->target, &message)) == JZX_OK) {
        f->accepted++;
    }
}

typedef struct witness {
    uint32_t posts;
    uint32_t posts_at_tick;
    uint32_t posts_at_ready;
} witness;

static jzx_behavior_result see(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    witness *seen = actor->data;
    if (message->tag == TAG_POST) {
        seen->posts++;
    } else if (message->tag == TAG_TICK) {
        seen->posts_at_tick = seen->posts;
    } else if (message->tag == JZX_TAG_SYS_IO) {
        seen->posts_at_ready = seen->posts;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result begin_watch_and_timer(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    jzx_message tick = jzx_message_empty(TAG_TICK);
    cr_assert_eq(jzx_timer_after(context, 0, &tick, NULL), JZX_OK);
    jzx_watch_id watch;
    cr_assert_eq(jzx_watch(context, *(int *)argument, JZX_IO_READ, &watch), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

Test(fairness, D60_D67_a_flood_of_posts_is_bounded_and_lets_timers_and_readiness_through, .timeout = 30)
{
    jzx_config config;
    test_config(&config);
    config.inbox_size = 4096;
    config.mailbox_cap = 8192;
    config.cells = 65536;
    int ready = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
    test_world world;
    test_world_open(&world, 1, &config);
    witness seen = {0};
    test_actor actor = {.on = see, .data = &seen};
    test_spawn(&world, 0, &actor);
    test_do(&world, &actor, begin_watch_and_timer, &ready);
    flood f = {.world = &world, .target = actor.id};
    test_on_thread(post_until_refused, &f);
    cr_assert_eq(f.refused, JZX_ERR_WOULD_BLOCK);
    cr_assert(f.accepted >= 4000 && f.accepted <= 4096, "%u posts were accepted", f.accepted);
    test_until(&world, seen.posts == f.accepted);
    cr_assert_lt(seen.posts_at_tick, f.accepted, "the timer waited for all of the posts");
    cr_assert_lt(seen.posts_at_ready, f.accepted, "the descriptor waited for all of the posts");
    test_world_close(&world);
    close(ready);
}

typedef struct crowd {
    uint32_t ended;
    uint64_t spin_ns;
} crowd;

static void leave_slowly(jzx_context *context, void *state, const jzx_exit_info *info)
{
    (void)context;
    (void)info;
    crowd *all = state;
    all->ended++;
    for (uint64_t until = test_now_ns() + all->spin_ns; test_now_ns() < until;) {
    }
}

static jzx_behavior_result stand(jzx_context *context, void *state, const jzx_message *message)
{
    (void)context;
    (void)state;
    (void)message;
    return JZX_BEHAVIOR_STOP;
}

/* Two ways to end: by what their handler returns, and from outside. Either counts against the time of the turn. */
static void end_a_crowd(bool from_outside)
{
    enum { CROWD = 500, SPIN_NS = 20000, TURN_NS = 50000 };
    jzx_config config;
    test_config(&config);
    config.actors_max = CROWD;
    config.turn_ns = TURN_NS;
    test_world world;
    test_world_open(&world, 1, &config);
    jzx_context *host = jzx_loop_context(world.loops[0]);
    crowd all = {.spin_ns = SPIN_NS};
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = stand;
    options.fini = leave_slowly;
    options.argument = &all;
    for (int i = 0; i < CROWD; i++) {
        jzx_actor_id id;
        cr_assert_eq(jzx_spawn(host, &options, &id), JZX_OK);
        jzx_message go = jzx_message_empty(TAG_POST);
        cr_assert_eq(from_outside ? jzx_stop(host, id) : jzx_send(host, id, &go), JZX_OK);
    }
    uint64_t turns_before = test_count(&world, offsetof(jzx_counters, turns));
    test_until(&world, all.ended == CROWD);
    uint64_t turns = test_count(&world, offsetof(jzx_counters, turns)) - turns_before;
    cr_assert_gt(turns, (uint64_t)CROWD * SPIN_NS / TURN_NS / 4, "%llu turns held it all", (unsigned long long)turns);
    test_world_close(&world);
}

Test(fairness, D67_a_mass_end_by_handlers_is_counted_against_the_turn, .timeout = 30)
{
    end_a_crowd(false);
}

Test(fairness, D67_a_mass_stop_from_outside_is_counted_against_the_turn, .timeout = 30)
{
    end_a_crowd(true);
}

/* ---- D28: nobody who has mail is forgotten ---- */

Test(fairness, D28_every_actor_that_has_mail_runs_however_many_there_are, .timeout = 30)
{
    enum { CROWD = 5000, ROUNDS = 3 };
    jzx_config config;
    test_config(&config);
    config.actors_max = CROWD;
    config.cells = 65536;
    test_world world;
    test_world_open(&world, 1, &config);
    test_actor *actors = calloc(CROWD, sizeof *actors);
    for (int i = 0; i < CROWD; i++) {
        test_spawn(&world, 0, &actors[i]);
    }
    for (int round = 1; round <= ROUNDS; round++) {
        for (int i = 0; i < CROWD; i++) {
            test_send(&world, &actors[(i * 7) % CROWD], TAG_POST);
        }
        test_world_settle(&world);
        for (int i = 0; i < CROWD; i++) {
            cr_assert_eq(actors[i].received, round, "actor %d", i);
        }
    }
    test_world_close(&world);
    free(actors);
}

/* ---- signals and mail take turns ---- */

enum { POSTS = 50 };

typedef struct restless {
    uint64_t spin_ns; /* that each handler takes */
    uint32_t ticks;
    uint32_t ticks_at[POSTS + 1]; /* when the n-th message was handled */
    uint32_t posts;
} restless;

static jzx_behavior_result tick_on(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    restless *r = actor->data;
    for (uint64_t until = test_now_ns() + r->spin_ns; test_now_ns() < until;) {
    }
    if (message->tag == TAG_POST) {
        r->ticks_at[++r->posts] = r->ticks;
        return JZX_BEHAVIOR_OK;
    }
    r->ticks++;
    return JZX_BEHAVIOR_OK;
}

/* A timer of its own that always has ticks to catch up with. */
static jzx_err begin_ticks(jzx_context *context, test_actor *actor)
{
    (void)actor;
    jzx_message tick = jzx_message_empty(TAG_TICK);
    return jzx_timer_every(context, 1000, JZX_TICKS_BURST, &tick, NULL);
}

/* With turns as short as one message each, for either reason. */
static void post_to_restless(uint16_t messages_per_turn, uint64_t spin_ns)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    restless r = {.spin_ns = spin_ns};
    test_actor actor = {.on = tick_on, .on_init = begin_ticks, .data = &r};
    jzx_spawn_options options;
    test_actor_options(&actor, &options);
    options.messages_per_turn = messages_per_turn;
    options.mailbox_cap = POSTS;
    test_spawn_with(&world, 0, &actor, &options);
    test_until(&world, r.ticks >= 10);
    for (int i = 0; i < POSTS; i++) {
        test_send(&world, &actor, TAG_POST);
    }
    test_until(&world, r.posts == POSTS || r.ticks > 20 * POSTS);
    cr_assert_eq(r.posts, POSTS, "%u messages were handled beside %u ticks", r.posts, r.ticks);
    for (int i = 2; i <= POSTS; i++) {
        cr_assert_leq(r.ticks_at[i] - r.ticks_at[i - 1], 1, "message %d waited for two ticks", i);
    }
    test_world_close(&world);
}

Test(fairness, mail_is_not_starved_by_signals_when_a_turn_is_one_message, .timeout = 60)
{
    post_to_restless(1, 5000);
}

Test(fairness, mail_is_not_starved_by_signals_when_each_handler_takes_the_whole_turn, .timeout = 60)
{
    post_to_restless(0, 200000);
}

/* ---- D79: empty is not over ---- */

Test(fairness, D79_a_loop_that_has_nothing_to_do_waits_for_other_threads, .timeout = 30)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    test_world_start(&world);
    for (uint32_t round = 1; round <= 5; round++) {
        /* Asleep, with nothing due and nothing watched. */
        test_until(&world, test_count(&world, offsetof(jzx_counters, parks)) >= round);
        test_send(&world, &actor, TAG_POST);
        test_until(&world, actor.received == round);
    }
    test_world_close(&world);
}
