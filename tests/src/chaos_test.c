/*
 * chaos_test: actors that do anything to each other at random, and books that must balance.
 *
 * On the test's thread the loops take turns, so a failure replays from its seed. With threads the same actors meet for
 * real. What must hold: each payload ends once, each request has one answer, each monitor one DOWN or none after its
 * end, nothing comes that was not asked for, and in the end nothing is left.
 */
#include "tests/support/support.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLAYERS = 48, HELD = 16, TAG_PLAY = 1 };

/* Numbers an incarnation waits for. */
typedef struct held {
    uint64_t numbers[HELD];
    uint32_t count;
} held;

typedef struct game game;

/* One place in the game; its incarnations follow each other. */
typedef struct player {
    game *game;
    _Atomic(uint64_t) id; /* of the present incarnation, 0 between */
    uint32_t loop;
} player;

typedef struct incarnation {
    player *player;
    held asked; /* requests open */
    held to_answer;
    held monitors;
    held timers;
} incarnation;

struct game {
    player players[PLAYERS];
    test_ledger ledger;
    _Atomic(uint64_t) ops;
    _Atomic(uint64_t) lives;
    _Atomic(uint32_t) wrong; /* answers, DOWNs or timers that nobody waits for */
    _Atomic(uint32_t) odd;   /* errors that no call may give */
};

static bool hold(held *h, uint64_t number)
{
    if (h->count < HELD) {
        h->numbers[h->count++] = number;
        return true;
    }
    return false;
}

static bool let_go(held *h, uint64_t number)
{
    for (uint32_t i = 0; i < h->count; i++) {
        if (h->numbers[i] == number) {
            h->numbers[i] = h->numbers[--h->count];
            return true;
        }
    }
    return false;
}

static uint32_t roll(jzx_context *context, uint32_t sides)
{
    return (uint32_t)(jzx_random(context) % sides);
}

static player *someone(jzx_context *context, game *g)
{
    return &g->players[roll(context, PLAYERS)];
}

static void expect(game *g, jzx_err err, jzx_err a, jzx_err b, jzx_err c)
{
    bool room = err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_MAILBOX_FULL || err == JZX_ERR_LIMIT;
    if (err != JZX_OK && !room && err != JZX_ERR_LOOP_CLOSED && err != a && err != b && err != c) {
        atomic_fetch_add(&g->odd, 1);
    }
}

static jzx_err give(game *g, jzx_err err, jzx_message *message)
{
    if (err != JZX_OK) {
        (void)test_payload_take(&g->ledger, message);
    }
    return err;
}

/* ---- moves ---- */

static void move_send(jzx_context *context, incarnation *me)
{
    game *g = me->player->game;
    jzx_message message = test_payload(&g->ledger, TAG_PLAY, 16 + roll(context, 100));
    uint32_t flags = roll(context, 4) == 0 ? JZX_SEND_REPORT : 0;
    flags |= roll(context, 4) == 0 ? JZX_SEND_HIGH : 0;
    jzx_err err = give(g, jzx_send_with(context, someone(context, g)->id, &message, flags), &message);
    expect(g, err, JZX_ERR_NO_SUCH_ACTOR, JZX_ERR_STOPPING, JZX_OK);
    if (err == JZX_ERR_MAILBOX_FULL || err == JZX_ERR_WOULD_BLOCK) {
        uint64_t id = someone(context, g)->id;
        if (id != 0) {
            expect(g, jzx_resume(context, id), JZX_ERR_STOPPING, JZX_OK, JZX_OK); /* in fini */
        }
    }
}

static void move_request(jzx_context *context, incarnation *me)
{
    game *g = me->player->game;
    if (me->asked.count == HELD) {
        return;
    }
    uint64_t ref;
    jzx_message message = test_payload(&g->ledger, TAG_PLAY, 16);
    uint64_t timeout_ns = roll(context, 2) == 0 ? JZX_FOREVER : roll(context, 300000);
    jzx_err err = give(g, jzx_request(context, someone(context, g)->id, &message, timeout_ns, &ref), &message);
    expect(g, err, JZX_ERR_NO_SUCH_ACTOR, JZX_ERR_STOPPING, JZX_OK);
    if (err == JZX_OK) {
        (void)hold(&me->asked, ref);
    }
}

static void move_answer(jzx_context *context, incarnation *me)
{
    game *g = me->player->game;
    if (me->to_answer.count == 0) {
        return;
    }
    uint64_t ref = me->to_answer.numbers[roll(context, me->to_answer.count)];
    (void)let_go(&me->to_answer, ref);
    jzx_message message = test_payload(&g->ledger, TAG_PLAY, 16);
    jzx_err err = give(g, jzx_answer(context, ref, &message), &message);
    atomic_fetch_add(&g->odd, err != JZX_OK);
}

static void move_monitor(jzx_context *context, incarnation *me)
{
    game *g = me->player->game;
    uint64_t id = someone(context, g)->id;
    uint64_t number;
    if (me->monitors.count == HELD || (me->monitors.count > 0 && roll(context, 3) == 0)) {
        number = me->monitors.numbers[roll(context, me->monitors.count)];
        (void)let_go(&me->monitors, number);
        atomic_fetch_add(&g->odd, jzx_demonitor(context, number) != JZX_OK);
        atomic_fetch_add(&g->odd, jzx_demonitor(context, number) != JZX_ERR_NO_SUCH_MONITOR);
    } else if (id != 0) {
        jzx_err err = jzx_monitor(context, id, &number);
        expect(g, err, JZX_OK, JZX_OK, JZX_OK);
        if (err == JZX_OK) {
            (void)hold(&me->monitors, number);
        }
    }
}

static void move_timer(jzx_context *context, incarnation *me)
{
    game *g = me->player->game;
    uint64_t number;
    if (me->timers.count == HELD || (me->timers.count > 0 && roll(context, 3) == 0)) {
        number = me->timers.numbers[roll(context, me->timers.count)];
        (void)let_go(&me->timers, number);
        jzx_message back;
        bool mine = roll(context, 2) == 0;
        jzx_err err = jzx_timer_cancel(context, number, mine ? &back : NULL);
        atomic_fetch_add(&g->odd, err != JZX_OK);
        if (err == JZX_OK && mine) {
            (void)test_payload_take(&g->ledger, &back);
        }
        return;
    }
    jzx_message message = test_payload(&g->ledger, TAG_PLAY, 16);
    jzx_err err = give(g, jzx_timer_after(context, roll(context, 200000), &message, &number), &message);
    expect(g, err, JZX_OK, JZX_OK, JZX_OK);
    if (err == JZX_OK) {
        (void)hold(&me->timers, number);
    }
}

static void move_end(jzx_context *context, incarnation *me)
{
    game *g = me->player->game;
    uint64_t id = someone(context, g)->id;
    jzx_err err = JZX_OK;
    switch (roll(context, 4)) {
    case 0:
        err = jzx_stop(context, id);
        break;
    case 1:
        err = jzx_drain(context, id);
        break;
    case 2:
        err = jzx_kill(context, id);
        break;
    default:
        err = jzx_fail(context, id, 1, "at random");
    }
    expect(g, err, JZX_ERR_NO_SUCH_ACTOR, JZX_OK, JZX_OK);
}

static void fill_options(player *p, incarnation *next, jzx_spawn_options *options);

/* A new incarnation for a player of this loop that has none. */
static void move_spawn(jzx_context *context, incarnation *me)
{
    game *g = me->player->game;
    player *p = someone(context, g);
    if (p->loop != jzx_loop_index(jzx_context_loop(context)) || p->id != 0) {
        return;
    }
    jzx_spawn_options options;
    incarnation *next = calloc(1, sizeof *next);
    fill_options(p, next, &options);
    options.mailbox_cap = 1 + roll(context, 20);
    options.mailbox_policy = (uint8_t)roll(context, 3);
    jzx_err err = jzx_spawn(context, &options, NULL);
    expect(g, err, JZX_ERR_INIT, JZX_ERR_STOPPING, JZX_OK);
    if (err != JZX_OK) {
        free(next);
    }
}

static void move(jzx_context *context, incarnation *me)
{
    uint32_t what = roll(context, 100);
    atomic_fetch_add(&me->player->game->ops, 1);
    if (what < 40) {
        move_send(context, me);
    } else if (what < 55) {
        move_request(context, me);
    } else if (what < 65) {
        move_answer(context, me);
    } else if (what < 77) {
        move_monitor(context, me);
    } else if (what < 87) {
        move_timer(context, me);
    } else if (what < 90) {
        move_end(context, me);
    } else {
        move_spawn(context, me);
    }
}

/* ---- the actor ---- */

static jzx_err begin(jzx_context *context, void *argument, void **state)
{
    incarnation *me = argument;
    if (roll(context, 20) == 0) {
        return JZX_ERR_UNKNOWN;
    }
    atomic_store(&me->player->id, jzx_self(context));
    atomic_fetch_add(&me->player->game->lives, 1);
    move(context, me);
    *state = me;
    return JZX_OK;
}

static void end(jzx_context *context, void *state, const jzx_exit_info *info)
{
    (void)info;
    incarnation *me = state;
    if (roll(context, 2) == 0) {
        move_send(context, me);
        move_answer(context, me);
    }
    atomic_store(&me->player->id, 0);
    free(me);
}

static void take_in(incarnation *me, const jzx_message *message)
{
    game *g = me->player->game;
    bool known = true;
    if ((message->flags & JZX_MESSAGE_ANSWER) != 0) {
        known = let_go(&me->asked, message->ref);
    } else if ((message->flags & JZX_MESSAGE_TIMER) != 0) {
        known = let_go(&me->timers, message->ref);
    } else if (message->tag == JZX_TAG_SYS_DOWN) {
        jzx_down down;
        memcpy(&down, message->pointer.data, sizeof down);
        known = let_go(&me->monitors, down.monitor);
    } else if ((message->flags & JZX_MESSAGE_REQUEST) != 0) {
        (void)hold(&me->to_answer, message->ref); /* one too many is answered by the runtime in the end */
    }
    atomic_fetch_add(&g->wrong, !known);
}

static jzx_behavior_result play(jzx_context *context, void *state, const jzx_message *message)
{
    incarnation *me = state;
    game *g = me->player->game;
    bool signal = message->tag == JZX_TAG_SYS_DOWN || message->tag == JZX_TAG_SYS_RESUME ||
                  (message->flags & JZX_MESSAGE_TIMER) != 0;
    if (!signal && roll(context, 16) == 0) {
        return JZX_BEHAVIOR_YIELD;
    }
    take_in(me, message);
    uint32_t result = roll(context, 200);
    if (result == JZX_BEHAVIOR_UNHANDLED && (message->flags & JZX_MESSAGE_REQUEST) != 0) {
        (void)let_go(&me->to_answer, message->ref); /* the runtime answers it */
    }
    bool owned = (message->flags & (JZX_MESSAGE_POINTER | JZX_MESSAGE_LENT)) == JZX_MESSAGE_POINTER;
    if (owned && result != JZX_BEHAVIOR_UNHANDLED) {
        (void)test_payload_take(&g->ledger, message);
    }
    for (uint32_t i = roll(context, 4); i > 0; i--) {
        move(context, me);
    }
    bool back = result == JZX_BEHAVIOR_YIELD || result == JZX_BEHAVIOR_STASH; /* it has been taken in */
    return back || result > JZX_BEHAVIOR_STASH + 1 ? JZX_BEHAVIOR_OK : (jzx_behavior_result)result;
}

static void fill_options(player *p, incarnation *next, jzx_spawn_options *options)
{
    next->player = p;
    jzx_spawn_options_init(options);
    options->behavior = play;
    options->init = begin;
    options->fini = end;
    options->argument = next;
}

/* ---- the game ---- */

/* Each loop gets one more player that is never ended, spawns those that are missing and keeps the game going. */
static jzx_behavior_result referee(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    incarnation *me = actor->data;
    for (unsigned i = 0; i < 6; i++) {
        move_spawn(context, me);
        move_send(context, me);
    }
    jzx_message again = jzx_message_empty(TAG_PLAY);
    bool waits = message->tag == TAG_PLAY && jzx_timer_after(context, 20000, &again, NULL) == JZX_OK;
    if (!waits && message->tag == TAG_PLAY) {
        atomic_fetch_add(&me->player->game->odd, jzx_send(context, jzx_self(context), &again) != JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

static uint64_t fates(const test_world *world)
{
    uint64_t sum = test_count(world, offsetof(jzx_counters, handled));
    for (unsigned i = 0; i < JZX_DROP_REASONS; i++) {
        sum += test_count(world, offsetof(jzx_counters, dropped) + i * sizeof(uint64_t));
    }
    return sum;
}

/* The loops take turns at random, some many in a row, so that lanes and mailboxes of the others fill. */
static void step_at_random(test_world *world, uint64_t seed, const game *g, uint64_t ops)
{
    uint64_t state = seed * 0x9E3779B97F4A7C15ull | 1;
    uint64_t deadline_ns = test_now_ns() + TEST_PATIENCE_S * 1000000000ull;
    world->ran = true;
    while (g->ops < ops) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        jzx_loop *loop = world->loops[state % world->loop_count];
        for (uint64_t i = (state >> 32) % 16; i > 0; i--) {
            cr_assert_eq(jzx_loop_run_once(loop, 0), JZX_OK);
        }
        cr_assert_lt(test_now_ns(), deadline_ns, "seed %lu stands still", (unsigned long)seed);
    }
}

static void play_game(uint64_t seed, uint32_t loops, bool threads, uint64_t ops)
{
    jzx_config config;
    test_config(&config);
    config.seed = seed;
    config.cells = 4096;
    config.inbox_size = 16;
    config.lane_blocks = 2;
    config.mailbox_cap = 32;
    config.timers_max = 200;
    config.monitors_max = 100;
    config.resumes_max = 32;
    test_world world;
    test_world_open(&world, loops, &config);
    game *g = calloc(1, sizeof *g);
    test_actor referees[TEST_LOOPS_MAX] = {0};
    incarnation hands[TEST_LOOPS_MAX] = {0};
    for (uint32_t i = 0; i < PLAYERS; i++) {
        g->players[i].game = g;
        g->players[i].loop = i % loops;
    }
    for (uint32_t i = 0; i < loops; i++) {
        hands[i].player = &g->players[i];
        referees[i] = (test_actor){.on = referee, .data = &hands[i]};
        test_spawn(&world, i, &referees[i]);
        test_send(&world, &referees[i], TAG_PLAY);
    }
    if (threads) {
        test_world_start(&world);
        test_until(&world, g->ops >= ops);
    } else {
        step_at_random(&world, seed, g, ops);
    }
    cr_assert_eq(jzx_runtime_request_stop(world.runtime), JZX_OK);
    if (threads) {
        cr_assert_eq(jzx_runtime_shutdown(world.runtime, JZX_FOREVER, NULL), JZX_OK);
    } else {
        bool all;
        do {
            test_world_step(&world);
            all = true;
            for (uint32_t i = 0; i < loops; i++) {
                all &= world.closed[i];
            }
        } while (!all);
    }
    uint64_t came = test_count(&world, offsetof(jzx_counters, sent)) +
                    test_count(&world, offsetof(jzx_counters, posted));
    cr_assert_eq(came, fates(&world), "seed %lu: %lu came, %lu have met their fate", (unsigned long)seed,
                 (unsigned long)came, (unsigned long)fates(&world));
    test_world_close(&world);
    cr_assert_eq(g->wrong, 0, "seed %lu: %u came that nobody waited for", (unsigned long)seed, g->wrong);
    cr_assert_eq(g->odd, 0, "seed %lu: %u errors that no call may give", (unsigned long)seed, g->odd);
    cr_assert_eq(g->ledger.twice, 0, "seed %lu", (unsigned long)seed);
    cr_assert_eq(test_ledger_open(&g->ledger), 0, "seed %lu: %lu payloads have no fate", (unsigned long)seed,
                 (unsigned long)test_ledger_open(&g->ledger));
    cr_assert_gt(g->lives, PLAYERS);
    free(g);
}

/* JZX_TEST_SEEDS=1000-2000 plays those instead. */
static void seeds(uint64_t *first, uint64_t *last)
{
    const char *text = getenv("JZX_TEST_SEEDS");
    if (text != NULL) {
        cr_assert_eq(sscanf(text, "%" SCNu64 "-%" SCNu64, first, last), 2, "JZX_TEST_SEEDS=FIRST-LAST");
    }
}

Test(chaos, books_balance_whatever_actors_do_to_each_other, .timeout = 100)
{
    uint64_t first = 1;
    uint64_t last = 60;
    seeds(&first, &last);
    for (uint64_t seed = first; seed <= last; seed++) {
        play_game(seed, 1 + (uint32_t)(seed % 3), false, 4000);
    }
}

Test(chaos, books_balance_on_threads_too, .timeout = 100)
{
    uint64_t first = 1;
    uint64_t last = 12;
    seeds(&first, &last);
    for (uint64_t seed = first; seed <= last; seed++) {
        play_game(seed, 2 + (uint32_t)(seed % 2), true, 20000);
    }
}
