/* monitor_test: who watches is told once, after all that the watched one had sent. */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

static jzx_context *host_of(const test_world *world, uint32_t loop)
{
    return jzx_loop_context(world->loops[loop]);
}

/* DOWN is lent, so a watcher copies it while it may. */
enum { DOWNS = 64 };

typedef struct downs {
    uint32_t count;
    jzx_down all[DOWNS];
    uint32_t wrong;      /* not as jzx_down is delivered */
    uint32_t mail_first; /* other messages handled before the first DOWN */
    uint32_t mail;
} downs;

static jzx_behavior_result note_down(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    downs *d = actor->data;
    if (message->tag != JZX_TAG_SYS_DOWN) {
        d->mail++;
        return JZX_BEHAVIOR_OK;
    }
    jzx_down down;
    memcpy(&down, message->pointer.data, sizeof down);
    d->wrong += message->flags != (JZX_MESSAGE_POINTER | JZX_MESSAGE_LENT) || message->size != sizeof down ||
                message->sender != down.exit.id;
    if (d->count == 0) {
        d->mail_first = d->mail;
    }
    if (d->count < DOWNS) {
        d->all[d->count] = down;
    }
    d->count++;
    return JZX_BEHAVIOR_OK;
}

static void spawn_watcher(test_world *world, uint32_t loop, test_actor *actor, downs *d)
{
    *d = (downs){0};
    actor->on = note_down;
    actor->data = d;
    test_spawn(world, loop, actor);
}

typedef struct watch {
    jzx_actor_id target;
    uint64_t monitor;
    jzx_err err;
    uint32_t count; /* monitors to start, 0: one */
} watch;

static jzx_behavior_result start_watch(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    watch *w = argument;
    for (uint32_t i = 0; i < (w->count == 0 ? 1 : w->count); i++) {
        w->err = jzx_monitor(context, w->target, &w->monitor);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result end_watch(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    watch *w = argument;
    w->err = jzx_demonitor(context, w->monitor);
    return JZX_BEHAVIOR_OK;
}

static watch watch_it(test_world *world, test_actor *watcher, jzx_actor_id target)
{
    watch w = {.target = target};
    test_do(world, watcher, start_watch, &w);
    cr_assert_eq(w.err, JZX_OK, "%s", jzx_strerror(w.err));
    return w;
}

static jzx_behavior_result return_result(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)actor;
    return (jzx_behavior_result)message->tag;
}

/* ---- what DOWN says ---- */

static void expect_down(const downs *d, uint32_t nth, const watch *w, uint32_t kind)
{
    cr_assert_gt(d->count, nth);
    cr_assert_eq(d->wrong, 0);
    cr_assert_eq(d->all[nth].monitor, w->monitor);
    cr_assert_eq(d->all[nth].exit.id, w->target);
    cr_assert_eq(d->all[nth].exit.kind, kind, "kind %u, not %u", d->all[nth].exit.kind, kind);
}

/* One target ended in each way, watched from loop 0. */
static void each_end(uint32_t place, bool threads)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    downs d;
    test_actor watcher = {0};
    test_actor targets[6] = {0};
    spawn_watcher(&world, 0, &watcher, &d);
    for (unsigned i = 0; i < 6; i++) {
        targets[i].on = return_result;
        test_spawn(&world, place, &targets[i]);
    }
    watch watches[6];
    if (!threads) {
        for (unsigned i = 0; i < 6; i++) {
            watches[i] = watch_it(&world, &watcher, targets[i].id);
        }
        test_world_settle(&world);
    }
    cr_assert_eq(jzx_stop(host_of(&world, place), targets[3].id), JZX_OK);
    cr_assert_eq(jzx_kill(host_of(&world, place), targets[4].id), JZX_OK);
    cr_assert_eq(jzx_fail(host_of(&world, place), targets[5].id, -9, "the reason"), JZX_OK);
    if (threads) {
        test_world_start(&world);
        test_until(&world, targets[5].finis == 1);
        for (unsigned i = 0; i < 6; i++) {
            watches[i] = watch_it(&world, &watcher, targets[i].id);
        }
    }
    test_send(&world, &targets[0], JZX_BEHAVIOR_STOP);
    test_send(&world, &targets[1], JZX_BEHAVIOR_FAIL);
    test_send(&world, &targets[2], 77);
    test_until(&world, watcher.received == 6);
    const uint32_t kinds[6] = {JZX_EXIT_NORMAL,   JZX_EXIT_FAIL,   JZX_EXIT_FAIL,
                               JZX_EXIT_SHUTDOWN, JZX_EXIT_KILLED, JZX_EXIT_FAIL};
    for (unsigned i = 0; i < 6; i++) {
        uint32_t nth = 0;
        while (nth < 6 && d.all[nth].monitor != watches[i].monitor) {
            nth++;
        }
        cr_assert_lt(nth, 6, "no DOWN for target %u", i);
        bool gone = threads && i >= 3;
        expect_down(&d, nth, &watches[i], gone ? JZX_EXIT_NO_ACTOR : kinds[i]);
        const jzx_exit_info *info = &d.all[nth].exit;
        if (!gone) {
            cr_assert_eq(memcmp(info, &targets[i].exit, sizeof *info), 0, "the watcher sees what fini saw");
        }
        cr_assert_eq(info->tag, i == 0 ? JZX_BEHAVIOR_STOP : i == 1 ? JZX_BEHAVIOR_FAIL : i == 2 ? 77 : 0);
    }
    test_world_close(&world);
}

Test(monitor, D49_down_says_how_it_ended, .timeout = 60)
{
    each_end(0, false);
    each_end(1, false);
    each_end(1, true);
}

/* ---- who ended it ---- */

typedef enum way {
    RETURNS_STOP,
    RETURNS_FAIL,
    FAILS_ITSELF,
    STOPS_ITSELF,
    STOP,
    STOP_WITH,
    DRAIN,
    KILL,
    FAIL,
    WAYS
} way;

typedef struct deed {
    jzx_actor_id target;
    way how;
    jzx_err err;
} deed;

static jzx_err do_deed(jzx_context *context, const deed *d)
{
    switch (d->how) {
    case STOPS_ITSELF:
        return jzx_stop_with(context, d->target, 7, "done");
    case STOP:
        return jzx_stop(context, d->target);
    case STOP_WITH:
        return jzx_stop_with(context, d->target, -3, "a text that is longer than there is room for it");
    case DRAIN:
        return jzx_drain(context, d->target);
    case KILL:
        return jzx_kill(context, d->target);
    case FAILS_ITSELF:
    case FAIL:
    case RETURNS_STOP:
    case RETURNS_FAIL:
    case WAYS:
        break;
    }
    return jzx_fail(context, d->target, 5, "why");
}

static jzx_behavior_result ask_deed(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    deed *d = argument;
    d->err = do_deed(context, d);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result ask_own_deed(jzx_context *context, test_actor *actor, void *argument)
{
    deed *d = argument;
    if (d->how == RETURNS_STOP || d->how == RETURNS_FAIL) {
        return d->how == RETURNS_STOP ? JZX_BEHAVIOR_STOP : JZX_BEHAVIOR_FAIL;
    }
    return ask_deed(context, actor, argument);
}

static const struct {
    uint32_t kind;
    int32_t code;
    const char *text;
} ends[WAYS] = {
    [RETURNS_STOP] = {JZX_EXIT_NORMAL, 0, ""},
    [RETURNS_FAIL] = {JZX_EXIT_FAIL, JZX_EXIT_CODE_UNSPECIFIED, ""},
    [FAILS_ITSELF] = {JZX_EXIT_FAIL, 5, "why"},
    [STOPS_ITSELF] = {JZX_EXIT_SHUTDOWN, 7, "done"},
    [STOP] = {JZX_EXIT_SHUTDOWN, 0, ""},
    [STOP_WITH] = {JZX_EXIT_SHUTDOWN, -3, "a text that is longer than ther"},
    [DRAIN] = {JZX_EXIT_SHUTDOWN, 0, ""},
    [KILL] = {JZX_EXIT_KILLED, 0, ""},
    [FAIL] = {JZX_EXIT_FAIL, 5, "why"},
};

/* Ended by an actor of loop `from`, or, with 2, by the host; watched from loop 0. */
static void who_ended_it(way how, uint32_t place, uint32_t from)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    downs d;
    test_actor watcher = {0};
    test_actor ender = {0};
    test_actor target = {0};
    jzx_spawn_options options;
    test_actor_options(&target, &options);
    options.name = "a name too long for it";
    spawn_watcher(&world, 0, &watcher, &d);
    test_spawn(&world, from % 2, &ender);
    test_spawn_with(&world, place, &target, &options);
    watch w = watch_it(&world, &watcher, target.id);
    test_world_settle(&world);
    deed asked = {.target = target.id, .how = how};
    bool itself = how <= STOPS_ITSELF;
    if (itself) {
        test_do(&world, &target, ask_own_deed, &asked);
    } else if (from == 2) {
        asked.err = do_deed(host_of(&world, place), &asked);
    } else {
        test_do(&world, &ender, ask_deed, &asked);
    }
    cr_assert_eq(asked.err, JZX_OK);
    test_until(&world, d.count == 1);
    expect_down(&d, 0, &w, ends[how].kind);
    const jzx_exit_info *info = &d.all[0].exit;
    cr_assert_eq(memcmp(info, &target.exit, sizeof *info), 0, "the watcher sees what fini saw");
    jzx_actor_id origin = itself || how == DRAIN ? target.id : from == 2 ? 0 : ender.id;
    cr_assert_eq(info->origin, origin, "way %u, on loop %u, from %u: origin %lx", how, place, from,
                 (unsigned long)info->origin);
    cr_assert_eq(info->code, ends[how].code);
    cr_assert_str_eq(info->text, ends[how].text);
    cr_assert_str_eq(info->name, "a name too long");
    cr_assert_eq(info->supervisor, 0);
    cr_assert_eq(info->incarnation + info->child_index + info->restarts, 0);
    test_world_close(&world);
}

Test(monitor, exit_info_says_who_ended_it_and_which_it_was, .timeout = 60)
{
    for (unsigned how = 0; how < WAYS; how++) {
        for (uint32_t n = 0; n < 6; n++) {
            who_ended_it((way)how, n % 2, n / 2);
        }
    }
}

/* Without a cell for the text the end goes on; who asked for it is known all the same. */
static jzx_behavior_result take_all_cells(jzx_context *context, test_actor *actor, void *argument)
{
    deed *d = argument;
    jzx_message message = jzx_message_empty(1);
    const jzx_actor_id *sinks = actor->data;
    for (uint32_t i = 0; i < 8; i++) {
        while (jzx_send(context, sinks[i], &message) == JZX_OK) {
        }
    }
    d->err = do_deed(context, d);
    return JZX_BEHAVIOR_OK;
}

Test(monitor, exit_info_without_a_cell_for_its_text, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    test_world world;
    test_world_open(&world, 1, &config);
    test_actor sinks[8] = {0};
    test_actor target = {0};
    jzx_actor_id ids[8];
    for (unsigned i = 0; i < 8; i++) {
        jzx_spawn_options options;
        test_actor_options(&sinks[i], &options);
        options.mailbox_cap = config.cells / 8;
        test_spawn_with(&world, 0, &sinks[i], &options);
        ids[i] = sinks[i].id;
    }
    test_actor ender = {.data = ids};
    test_spawn(&world, 0, &ender);
    test_spawn(&world, 0, &target);
    deed asked = {.target = target.id, .how = FAIL};
    test_do(&world, &ender, take_all_cells, &asked);
    cr_assert_eq(asked.err, JZX_OK);
    test_until(&world, target.finis == 1);
    cr_assert_eq(target.exit.kind, JZX_EXIT_FAIL);
    cr_assert_eq(target.exit.code, 5);
    cr_assert_eq(target.exit.origin, ender.id);
    cr_assert_str_eq(target.exit.text, "", "it has no cell");
    test_world_close(&world);
}

Test(monitor, exit_info_of_an_init_that_fails, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_observer observer = {0};
    test_observe(&world, 0, &observer);
    test_actor target = {.init_result = JZX_ERR_NOT_FOUND};
    jzx_spawn_options options;
    test_actor_options(&target, &options);
    options.name = "stillborn";
    cr_assert_eq(jzx_spawn(host_of(&world, 0), &options, NULL), JZX_ERR_INIT);
    test_world_settle(&world);
    cr_assert_eq(observer.init_failures, 1);
    cr_assert_eq(observer.exit.kind, JZX_EXIT_INIT);
    cr_assert_eq(observer.exit.code, JZX_ERR_NOT_FOUND);
    cr_assert_eq(observer.exit.origin, target.id);
    cr_assert_str_eq(observer.exit.name, "stillborn");
    test_world_close(&world);
}

Test(monitor, one_that_is_not_there_gives_NO_ACTOR, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    downs d;
    test_actor watcher = {0};
    test_actor dead[2] = {0};
    spawn_watcher(&world, 0, &watcher, &d);
    for (uint32_t i = 0; i < 2; i++) {
        test_spawn(&world, i, &dead[i]);
        cr_assert_eq(jzx_kill(host_of(&world, i), dead[i].id), JZX_OK);
        test_until(&world, dead[i].finis == 1);
    }
    const jzx_actor_id ids[] = {dead[0].id,     dead[1].id, dead[0].id + 1,        dead[1].id + 5,
                                9ull << 56 | 1, UINT64_MAX, 0xFFFFFFull << 32 | 1, 1ull << 56 | 0xFFFFFFull << 32 | 1};
    for (uint32_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        watch w = watch_it(&world, &watcher, ids[i]);
        test_until(&world, d.count == i + 1);
        expect_down(&d, i, &w, JZX_EXIT_NO_ACTOR);
        cr_assert_eq(d.all[i].exit.uptime_ns, 0);
        cr_assert_eq(d.all[i].exit.text[0], 0);
    }
    test_world_close(&world);
}

Test(monitor, M01_bad_arguments, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    uint64_t monitor = 7;
    cr_expect_eq(jzx_monitor(NULL, actor.id, &monitor), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_demonitor(NULL, 1), JZX_ERR_INVALID_ARG);
    const jzx_actor_id ids[] = {0, 1ull << 32, 1ull << 56};
    for (unsigned i = 0; i < 3; i++) {
        watch w = {.target = ids[i], .monitor = 7};
        test_do(&world, &actor, start_watch, &w);
        cr_expect_eq(w.err, JZX_ERR_INVALID_ARG);
        cr_expect_eq(w.monitor, 7);
    }
    const uint64_t numbers[] = {0, 1, UINT64_MAX, 1ull << 32 | 1, 1ull << 56 | 1, 7ull << 56 | 1};
    for (unsigned i = 0; i < 6; i++) {
        watch w = {.monitor = numbers[i]};
        test_do(&world, &actor, end_watch, &w);
        cr_expect_eq(w.err, JZX_ERR_NO_SUCH_MONITOR, "%lx", (unsigned long)numbers[i]);
    }
    cr_assert_eq(monitor, 7);
    test_world_close(&world);
}

static jzx_behavior_result no_place_for_it(jzx_context *context, test_actor *actor, void *argument)
{
    watch *w = argument;
    (void)actor;
    w->err = jzx_monitor(context, w->target, NULL);
    return JZX_BEHAVIOR_OK;
}

Test(monitor, M01_the_number_must_have_a_place, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    watch w = {.target = actor.id};
    test_do(&world, &actor, no_place_for_it, &w);
    cr_assert_eq(w.err, JZX_ERR_INVALID_ARG);
    test_world_close(&world);
}

/* ---- order and release ---- */

typedef struct last_words {
    jzx_actor_id to;
    uint32_t count; /* UINT32_MAX: as many as go */
    uint32_t sent;
} last_words;

static jzx_behavior_result speak_and_die(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    last_words *l = argument;
    jzx_message message = jzx_message_empty(5);
    while (l->sent < l->count && jzx_send(context, l->to, &message) == JZX_OK) {
        l->sent++;
    }
    return JZX_BEHAVIOR_STOP;
}

static void words_before_down(uint32_t place, uint32_t count, uint32_t lane_blocks, uint32_t cap)
{
    jzx_config config;
    test_config(&config);
    config.lane_blocks = lane_blocks;
    test_world world;
    test_world_open(&world, 2, &config);
    downs d;
    test_actor watcher = {.on = note_down, .data = &d};
    d = (downs){0};
    jzx_spawn_options options;
    test_actor_options(&watcher, &options);
    options.mailbox_cap = cap;
    test_spawn_with(&world, 0, &watcher, &options);
    test_actor speaker = {0};
    test_spawn(&world, place, &speaker);
    watch w = watch_it(&world, &watcher, speaker.id);
    test_world_settle(&world);
    last_words l = {.to = watcher.id, .count = count};
    test_do(&world, &speaker, speak_and_die, &l);
    test_until(&world, d.count == 1);
    cr_assert_gt(l.sent, 0);
    cr_assert_eq(d.mail_first, l.sent, "%u of %u messages came before DOWN", d.mail_first, l.sent);
    expect_down(&d, 0, &w, JZX_EXIT_NORMAL);
    test_world_settle(&world);
    cr_assert_eq(d.mail, l.sent);
    cr_assert_eq(d.count, 1);
    test_world_close(&world);
}

Test(monitor, P1_down_comes_after_the_last_words_also_when_all_is_full, .timeout = 60)
{
    words_before_down(0, 100, 4, 256);
    words_before_down(1, 100, 4, 256);
    words_before_down(0, UINT32_MAX, 4, 5);    /* a full mailbox here */
    words_before_down(1, UINT32_MAX, 2, 1024); /* a full lane: DOWN waits in its overflow */
    words_before_down(1, UINT32_MAX, 2, 1);    /* past the cap of the watcher */
}

typedef struct released {
    test_ledger *ledger;
    test_actor *target;
    uint64_t dropped;
    uint32_t finis;
    jzx_err send;
} released;

static jzx_behavior_result look_at_remains(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    released *r = actor->data;
    if (message->tag == JZX_TAG_SYS_DOWN) {
        jzx_message again = jzx_message_empty(1);
        r->dropped = r->ledger->dropped;
        r->finis = r->target->finis;
        r->send = jzx_send(context, r->target->id, &again);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err take_timer(jzx_context *context, test_actor *actor)
{
    jzx_message message = test_payload(actor->ledger, 1, 16);
    return jzx_timer_after(context, JZX_FOREVER, &message, NULL);
}

Test(monitor, P6_down_comes_when_everything_is_released, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_ledger ledger = {0};
    test_actor target = {.ledger = &ledger, .on_init = take_timer};
    released r = {.ledger = &ledger, .target = &target};
    test_actor watcher = {.on = look_at_remains, .data = &r};
    test_spawn(&world, 0, &watcher);
    test_spawn(&world, 0, &target);
    (void)watch_it(&world, &watcher, target.id);
    for (unsigned i = 0; i < 3; i++) {
        jzx_message message = test_payload(&ledger, 1, 16);
        cr_assert_eq(jzx_send(host_of(&world, 0), target.id, &message), JZX_OK);
    }
    cr_assert_eq(jzx_kill(host_of(&world, 0), target.id), JZX_OK);
    test_until(&world, watcher.received == 1);
    cr_assert_eq(r.dropped, 4, "its mail and the payload of its timer");
    cr_assert_eq(r.finis, 1);
    cr_assert_eq(r.send, JZX_ERR_NO_SUCH_ACTOR);
    test_world_close(&world);
}

/* ---- demonitor ---- */

Test(monitor, demonitor_means_no_down, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        downs d[2];
        test_actor watchers[2] = {0};
        spawn_watcher(&world, 0, &watchers[0], &d[0]);
        spawn_watcher(&world, 0, &watchers[1], &d[1]);
        test_actor target = {0};
        test_spawn(&world, place, &target);
        watch w[2] = {watch_it(&world, &watchers[0], target.id), watch_it(&world, &watchers[1], target.id)};
        cr_assert_neq(w[0].monitor, w[1].monitor);
        uint64_t mine = w[0].monitor;
        w[0].monitor = w[1].monitor;
        test_do(&world, &watchers[0], end_watch, &w[0]);
        cr_assert_eq(w[0].err, JZX_ERR_NO_SUCH_MONITOR, "another's");
        w[0].monitor = mine;
        test_do(&world, &watchers[0], end_watch, &w[0]);
        cr_assert_eq(w[0].err, JZX_OK);
        test_do(&world, &watchers[0], end_watch, &w[0]);
        cr_assert_eq(w[0].err, JZX_ERR_NO_SUCH_MONITOR, "removed before");
        test_world_settle(&world);
        cr_assert_eq(jzx_kill(host_of(&world, place), target.id), JZX_OK);
        test_until(&world, d[1].count == 1);
        test_world_settle(&world);
        cr_assert_eq(d[0].count, 0);
        test_do(&world, &watchers[1], end_watch, &w[1]);
        cr_assert_eq(w[1].err, JZX_ERR_NO_SUCH_MONITOR, "it has fired");
        test_world_close(&world);
    }
}

/* Watches one that is gone, which queues DOWN at once, and takes the monitor back in the same handler. */
static jzx_behavior_result demonitor_with_down_queued(jzx_context *context, test_actor *actor,
                                                      const jzx_message *message)
{
    watch *w = actor->data;
    if (message->tag == 1) {
        w->err = jzx_monitor(context, w->target, &w->monitor);
        if (w->err == JZX_OK) {
            w->err = jzx_demonitor(context, w->monitor);
        }
    }
    w->count += message->tag == JZX_TAG_SYS_DOWN;
    return JZX_BEHAVIOR_OK;
}

Test(monitor, G3_a_down_that_is_queued_already_is_taken_back, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor dead = {0};
    test_spawn(&world, 0, &dead);
    cr_assert_eq(jzx_kill(host_of(&world, 0), dead.id), JZX_OK);
    test_until(&world, dead.finis == 1);
    watch w = {.target = dead.id};
    test_actor watcher = {.on = demonitor_with_down_queued, .data = &w};
    test_spawn(&world, 0, &watcher);
    for (uint32_t i = 0; i < 2000; i++) { /* more than monitors_max: each record comes back */
        test_send(&world, &watcher, 1);
        test_send(&world, &watcher, 2);
        test_until(&world, watcher.received == 2 * (i + 1));
        cr_assert_eq(w.err, JZX_OK, "round %u: %s", i, jzx_strerror(w.err));
    }
    cr_assert_eq(w.count, 0);
    test_world_close(&world);
}

Test(monitor, G3_a_down_that_crosses_a_demonitor_is_dropped, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    downs d;
    test_actor watcher = {0};
    spawn_watcher(&world, 0, &watcher, &d);
    for (unsigned round = 0; round < 300; round++) {
        test_actor *target = calloc(1, sizeof *target);
        test_spawn(&world, 1, target);
        watch w = watch_it(&world, &watcher, target->id);
        test_world_settle(&world);
        /* The target ends and its DOWN leaves loop 1; loop 0 removes the monitor before it looks. */
        cr_assert_eq(jzx_kill(host_of(&world, 1), target->id), JZX_OK);
        cr_assert_eq(jzx_loop_run_once(world.loops[1], 0), JZX_OK);
        cr_assert_eq(target->finis, 1);
        test_do(&world, &watcher, end_watch, &w);
        bool in_time = w.err == JZX_OK;
        test_world_settle(&world);
        cr_assert_eq(d.count, in_time ? 0 : 1, "round %u", round);
        d.count = 0;
        free(target);
    }
    test_world_close(&world);
}

/* ---- many ---- */

Test(monitor, many_watch_one_from_all_loops, .timeout = 60)
{
    enum { WATCHERS = 300 };
    test_world world;
    test_world_open(&world, 3, NULL);
    static test_actor watchers[WATCHERS];
    static downs d[WATCHERS];
    test_actor target = {0};
    test_spawn(&world, 1, &target);
    for (uint32_t i = 0; i < WATCHERS; i++) {
        spawn_watcher(&world, i % 3, &watchers[i], &d[i]);
        (void)watch_it(&world, &watchers[i], target.id);
    }
    test_world_settle(&world);
    cr_assert_eq(jzx_fail(host_of(&world, 1), target.id, 3, "x"), JZX_OK);
    for (uint32_t i = 0; i < WATCHERS; i++) {
        test_until(&world, d[i].count == 1);
        cr_assert_eq(d[i].all[0].exit.kind, JZX_EXIT_FAIL);
        cr_assert_eq(d[i].all[0].exit.code, 3);
    }
    test_world_settle(&world);
    test_actor next = {0};
    test_spawn(&world, 1, &next);
    cr_assert_eq(jzx_send(host_of(&world, 1), target.id, &(jzx_message){.tag = 1}), JZX_ERR_NO_SUCH_ACTOR);
    test_world_close(&world);
}

Test(monitor, one_watches_many_and_each_monitor_counts, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    downs d;
    test_actor watcher = {0};
    spawn_watcher(&world, 0, &watcher, &d);
    test_actor targets[20] = {0};
    for (uint32_t i = 0; i < 20; i++) {
        test_spawn(&world, i % 2, &targets[i]);
        watch w = {.target = targets[i].id, .count = 3};
        test_do(&world, &watcher, start_watch, &w);
        cr_assert_eq(w.err, JZX_OK);
    }
    test_world_settle(&world);
    for (uint32_t i = 0; i < 20; i++) {
        cr_assert_eq(jzx_kill(host_of(&world, i % 2), targets[i].id), JZX_OK);
    }
    test_until(&world, d.count == 60);
    test_world_settle(&world);
    cr_assert_eq(d.count, 60, "three monitors of each, three DOWNs");
    for (uint32_t i = 0; i < 60; i++) {
        for (uint32_t k = 0; k < i; k++) {
            cr_assert_neq(d.all[i].monitor, d.all[k].monitor);
        }
    }
    test_world_close(&world);
}

Test(monitor, watchers_that_die_first_leave_nothing_behind, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.monitors_max = 8;
    test_world world;
    test_world_open(&world, 2, &config);
    test_actor targets[2] = {0};
    test_spawn(&world, 0, &targets[0]);
    test_spawn(&world, 1, &targets[1]);
    for (uint32_t round = 0; round < 50; round++) { /* both halves of 8 places each are used again and again */
        downs d;
        test_actor *watcher = calloc(1, sizeof *watcher);
        spawn_watcher(&world, 0, watcher, &d);
        watch w = {.target = targets[round % 2].id, .count = 8};
        test_do(&world, watcher, start_watch, &w);
        cr_assert_eq(w.err, JZX_OK, "round %u: %s", round, jzx_strerror(w.err));
        cr_assert_eq(jzx_kill(host_of(&world, 0), watcher->id), JZX_OK);
        test_until(&world, watcher->finis == 1);
        test_world_settle(&world);
        cr_assert_eq(d.count, 0);
        free(watcher);
    }
    test_world_close(&world);
}

static jzx_behavior_result watch_and_stop(jzx_context *context, test_actor *actor, void *argument)
{
    (void)start_watch(context, actor, argument);
    return JZX_BEHAVIOR_STOP;
}

/* The DOWN is queued at once, and dropped with the mail: there is no loop that could be told of the end of the monitor. */
Test(monitor, a_watcher_of_nobody_that_dies_first_tells_no_loop, .timeout = 60)
{
    static const jzx_actor_id nobody[] = {UINT64_MAX, 77ull << 56 | 1, 2ull << 56 | 1ull << 32 | 1, 1};
    jzx_config config;
    test_config(&config);
    config.monitors_max = 2;
    test_world world;
    test_world_open(&world, 2, &config);
    for (uint32_t round = 0; round < 20; round++) {
        test_actor watcher = {0};
        test_spawn(&world, round % 2, &watcher);
        watch w = {.target = nobody[round % 4], .count = 2};
        test_do(&world, &watcher, watch_and_stop, &w);
        cr_assert_eq(w.err, JZX_OK, "round %u: %s", round, jzx_strerror(w.err));
        test_until(&world, watcher.finis == 1);
    }
    test_world_close(&world);
}

static jzx_behavior_result yield_always(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)actor;
    (void)message;
    return JZX_BEHAVIOR_YIELD;
}

Test(monitor, D13_watchers_that_die_with_a_down_in_a_full_mailbox, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.monitors_max = 4;
    test_world world;
    test_world_open(&world, 2, &config);
    for (uint32_t round = 0; round < 40; round++) {
        test_actor *watcher = calloc(1, sizeof *watcher);
        test_actor *target = calloc(1, sizeof *target);
        jzx_spawn_options options;
        watcher->on = yield_always; /* so that what comes stays queued */
        test_actor_options(watcher, &options);
        options.mailbox_cap = 1;
        test_spawn_with(&world, 0, watcher, &options);
        test_spawn(&world, round % 2, target);
        watch w = {.target = target->id, .count = 4};
        test_do(&world, watcher, start_watch, &w);
        cr_assert_eq(w.err, JZX_OK, "round %u: %s", round, jzx_strerror(w.err));
        test_world_settle(&world);
        test_send(&world, watcher, 1);
        cr_assert_eq(jzx_kill(host_of(&world, round % 2), target->id), JZX_OK);
        test_until(&world, target->finis == 1);
        for (unsigned i = 0; i < 4; i++) {
            test_world_step(&world); /* the DOWNs are in its mailbox */
        }
        cr_assert_gt(watcher->yields, 0);
        cr_assert_eq(watcher->received, 0);
        cr_assert_eq(jzx_kill(host_of(&world, 0), watcher->id), JZX_OK);
        test_until(&world, watcher->finis == 1);
        test_world_settle(&world);
        free(watcher);
        free(target);
    }
    test_world_close(&world);
}

static jzx_behavior_result watch_myself(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    watch *w = argument;
    w->err = jzx_monitor(context, jzx_self(context), &w->monitor);
    return JZX_BEHAVIOR_OK;
}

Test(monitor, one_that_watches_itself_is_not_told, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    downs d;
    test_actor actor = {0};
    spawn_watcher(&world, 0, &actor, &d);
    watch w = {0};
    test_do(&world, &actor, watch_myself, &w);
    cr_assert_eq(w.err, JZX_OK);
    cr_assert_eq(jzx_kill(host_of(&world, 0), actor.id), JZX_OK);
    test_until(&world, actor.finis == 1);
    test_world_settle(&world);
    cr_assert_eq(d.count, 0);
    test_world_close(&world);
}

/* ---- limits ---- */

Test(monitor, a_target_without_room_for_one_more_says_LIMIT, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.monitors_max = 2;
    test_world world;
    test_world_open(&world, 3, &config);
    downs d[3];
    test_actor watchers[3] = {0};
    test_actor target = {0};
    test_spawn(&world, 1, &target);
    for (uint32_t i = 0; i < 3; i++) {
        spawn_watcher(&world, i, &watchers[i], &d[i]);
    }
    watch w = {.target = target.id, .count = 2};
    test_do(&world, &watchers[0], start_watch, &w);
    test_world_settle(&world);
    cr_assert_eq(w.err, JZX_OK);
    w.count = 1;
    test_do(&world, &watchers[0], start_watch, &w);
    cr_assert_eq(w.err, JZX_ERR_LIMIT, "the watcher's own loop");
    w.monitor = 7;
    test_do(&world, &watchers[1], start_watch, &w);
    cr_assert_eq(w.err, JZX_ERR_LIMIT, "the target's loop, which is the watcher's");
    cr_assert_eq(w.monitor, 7);
    w = watch_it(&world, &watchers[2], target.id);
    test_until(&world, d[2].count == 1);
    expect_down(&d[2], 0, &w, JZX_EXIT_LIMIT);
    cr_assert_eq(target.finis, 0);
    /* Room that comes back is used again. */
    cr_assert_eq(jzx_kill(host_of(&world, 0), watchers[0].id), JZX_OK);
    test_until(&world, watchers[0].finis == 1);
    test_world_settle(&world);
    (void)watch_it(&world, &watchers[1], target.id);
    (void)watch_it(&world, &watchers[2], target.id);
    test_world_settle(&world);
    cr_assert_eq(jzx_kill(host_of(&world, 1), target.id), JZX_OK);
    test_until(&world, d[1].count == 1 && d[2].count == 2);
    cr_assert_eq(d[2].all[1].exit.kind, JZX_EXIT_KILLED);
    test_world_close(&world);
}

/* ---- stops ---- */

Test(monitor, a_loop_that_stops_gives_down_and_later_LOOP_CLOSED, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    downs d;
    test_actor watcher = {0};
    spawn_watcher(&world, 0, &watcher, &d);
    test_actor target = {0};
    test_spawn(&world, 1, &target);
    watch before = watch_it(&world, &watcher, target.id);
    test_world_settle(&world);
    cr_assert_eq(jzx_loop_request_stop(world.loops[1]), JZX_OK);
    test_until(&world, d.count == 1);
    expect_down(&d, 0, &before, JZX_EXIT_LOOP_CLOSED);
    watch after = watch_it(&world, &watcher, target.id);
    test_until(&world, d.count == 2);
    expect_down(&d, 1, &after, JZX_EXIT_LOOP_CLOSED);
    test_world_close(&world);
}

Test(monitor, a_stop_with_monitors_everywhere_ends, .timeout = 60)
{
    enum { ACTORS = 60 };
    for (unsigned threads = 0; threads < 2; threads++) {
        test_world world;
        test_world_open(&world, 3, NULL);
        static test_actor actors[ACTORS];
        static downs d[ACTORS];
        memset(actors, 0, sizeof actors);
        for (uint32_t i = 0; i < ACTORS; i++) {
            spawn_watcher(&world, i % 3, &actors[i], &d[i]);
        }
        if (threads) {
            test_world_start(&world);
        }
        for (uint32_t i = 0; i < ACTORS; i++) {
            (void)watch_it(&world, &actors[i], actors[(i + 1) % ACTORS].id);
            (void)watch_it(&world, &actors[i], actors[(i * 7 + 3) % ACTORS].id);
        }
        test_world_close(&world);
        for (uint32_t i = 0; i < ACTORS; i++) {
            cr_assert_eq(actors[i].finis, 1);
            cr_assert_leq(d[i].count, 2);
            cr_assert_eq(d[i].wrong, 0);
        }
    }
}
