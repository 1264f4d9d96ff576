/* link_test: two that are linked end together, or one is told once, behind all that the other had sent it. */
#include "sched/loop.h"
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

static jzx_context *host_of(const test_world *world, uint32_t loop)
{
    return jzx_loop_context(world->loops[loop]);
}

/* EXIT is lent, so who traps copies it while it may. */
enum { EXITS = 64 };

typedef struct exits {
    uint32_t count;
    jzx_exit all[EXITS];
    uint32_t wrong;      /* not as jzx_exit is delivered */
    uint32_t mail;       /* other messages */
    uint32_t mail_first; /* of those, before the first EXIT */
} exits;

static jzx_behavior_result note_exit(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    exits *e = actor->data;
    if (message->tag != JZX_TAG_SYS_EXIT) {
        e->mail++;
        return JZX_BEHAVIOR_OK;
    }
    jzx_exit exit;
    memcpy(&exit, message->pointer.data, sizeof exit);
    e->wrong += message->flags != (JZX_MESSAGE_POINTER | JZX_MESSAGE_LENT) || message->size != sizeof exit ||
                message->sender != exit.from || exit.from != exit.exit.id;
    if (e->count == 0) {
        e->mail_first = e->mail;
    }
    if (e->count < EXITS) {
        e->all[e->count] = exit;
    }
    e->count++;
    return JZX_BEHAVIOR_OK;
}

static void spawn_trapping(test_world *world, uint32_t loop, test_actor *actor, exits *e)
{
    *e = (exits){0};
    actor->on = note_exit;
    actor->data = e;
    jzx_spawn_options options;
    test_actor_options(actor, &options);
    options.trap_exit = true;
    test_spawn_with(world, loop, actor, &options);
}

static jzx_behavior_result return_result(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)actor;
    return (jzx_behavior_result)message->tag;
}

typedef struct order {
    jzx_actor_id other;
    bool trap;
    jzx_err err;
} order;

static jzx_behavior_result do_link(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    order *o = argument;
    o->err = jzx_link(context, o->other);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result do_unlink(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    order *o = argument;
    o->err = jzx_unlink(context, o->other);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result do_trap(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    order *o = argument;
    o->err = jzx_trap_exit(context, o->trap);
    return JZX_BEHAVIOR_OK;
}

static jzx_err link_err(test_world *world, test_actor *actor, jzx_actor_id other)
{
    order o = {.other = other};
    test_do(world, actor, do_link, &o);
    return o.err;
}

static void link_to(test_world *world, test_actor *actor, jzx_actor_id other)
{
    jzx_err err = link_err(world, actor, other);
    cr_assert_eq(err, JZX_OK, "%s", jzx_strerror(err));
}

static void unlink_from(test_world *world, test_actor *actor, jzx_actor_id other)
{
    order o = {.other = other};
    test_do(world, actor, do_unlink, &o);
    cr_assert_eq(o.err, JZX_OK);
}

/* ---- each way to end ---- */

typedef enum way { STOPPED_ITSELF, FAILED, BAD_RESULT, FAILED_ITSELF, STOP, STOP_WITH, DRAIN, KILL, FAIL, WAYS } way;

static jzx_behavior_result fail_myself(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    (void)argument;
    return jzx_fail(context, jzx_self(context), -5, "mine") == JZX_OK ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_STOP;
}

static void end_it(test_world *world, test_actor *target, way how)
{
    jzx_context *host = host_of(world, jzx_actor_loop(target->id));
    switch (how) {
    case STOPPED_ITSELF:
    case FAILED:
        test_send(world, target, how == FAILED ? JZX_BEHAVIOR_FAIL : JZX_BEHAVIOR_STOP);
        break;
    case BAD_RESULT:
        test_send(world, target, 77);
        break;
    case FAILED_ITSELF:
        test_do(world, target, fail_myself, NULL);
        break;
    case STOP:
        cr_assert_eq(jzx_stop(host, target->id), JZX_OK);
        break;
    case STOP_WITH:
        cr_assert_eq(jzx_stop_with(host, target->id, 4, "enough"), JZX_OK);
        break;
    case DRAIN:
        cr_assert_eq(jzx_drain(host, target->id), JZX_OK);
        break;
    case KILL:
        cr_assert_eq(jzx_kill(host, target->id), JZX_OK);
        break;
    case FAIL:
    case WAYS:
        cr_assert_eq(jzx_fail(host, target->id, -9, "the reason"), JZX_OK);
        break;
    }
}

static const uint32_t kinds[WAYS] = {JZX_EXIT_NORMAL,   JZX_EXIT_FAIL,     JZX_EXIT_FAIL,
                                     JZX_EXIT_FAIL,     JZX_EXIT_SHUTDOWN, JZX_EXIT_SHUTDOWN,
                                     JZX_EXIT_SHUTDOWN, JZX_EXIT_KILLED,   JZX_EXIT_FAIL};

static void spawn_named(test_world *world, uint32_t loop, test_actor *actor, const char *name)
{
    jzx_spawn_options options;
    test_actor_options(actor, &options);
    options.name = name;
    test_spawn_with(world, loop, actor, &options);
}

static void one_end(way how, uint32_t place, bool trap, bool target_asks)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    exits e;
    test_actor other = {0};
    test_actor target = {.on = return_result};
    spawn_trapping(&world, 0, &other, &e);
    order o = {.trap = trap};
    test_do(&world, &other, do_trap, &o);
    spawn_named(&world, place, &target, "the target");
    if (target_asks) {
        link_to(&world, &target, other.id);
    } else {
        link_to(&world, &other, target.id);
    }
    test_world_settle(&world);
    cr_assert_eq(target.finis + other.finis, 0);
    end_it(&world, &target, how);
    test_until(&world, target.finis == 1);
    test_world_settle(&world);
    cr_assert_eq(target.exit.kind, kinds[how]);
    cr_assert_str_eq(target.exit.name, "the target");
    if (trap) {
        cr_assert_eq(e.count, 1);
        cr_assert_eq(e.wrong, 0);
        cr_assert_eq(e.all[0].from, target.id);
        cr_assert_eq(memcmp(&e.all[0].exit, &target.exit, sizeof target.exit), 0, "told what fini saw");
        cr_assert_eq(other.finis, 0);
    } else if (how == STOPPED_ITSELF) {
        cr_assert_eq(other.finis, 0, "a normal end is no reason to end");
    } else {
        cr_assert_eq(other.finis, 1);
        cr_assert_eq(other.exit.kind, kinds[how]);
        cr_assert_eq(other.exit.code, target.exit.code);
        cr_assert_str_eq(other.exit.text, target.exit.text);
        cr_assert_eq(other.exit.origin, target.id);
    }
    cr_assert_eq(e.count, trap);
    test_world_close(&world);
}

Test(link, each_way_to_end_reaches_the_other, .timeout = 60)
{
    for (unsigned how = 0; how < WAYS; how++) {
        for (unsigned n = 0; n < 8; n++) {
            one_end((way)how, n & 1, (n & 2) != 0, (n & 4) != 0);
        }
    }
}

Test(link, each_side_ends_with_the_other_on_threads, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    static test_actor actors[40];
    memset(actors, 0, sizeof actors);
    for (uint32_t i = 0; i < 40; i++) {
        actors[i].on = return_result;
        test_spawn(&world, i % 2, &actors[i]);
    }
    test_world_start(&world);
    for (uint32_t i = 0; i < 40; i += 4) {
        link_to(&world, &actors[i], actors[i + 1].id);     /* other loop */
        link_to(&world, &actors[i], actors[i + 2].id);     /* the same */
        link_to(&world, &actors[i + 3], actors[i + 2].id); /* other loop, asked from there */
    }
    for (uint32_t i = 0; i < 40; i += 4) {
        test_send(&world, &actors[i + i / 4 % 4], JZX_BEHAVIOR_FAIL);
    }
    for (uint32_t i = 0; i < 40; i++) {
        test_until(&world, actors[i].finis == 1);
        cr_assert_eq(actors[i].exit.kind, JZX_EXIT_FAIL);
        cr_assert_eq(actors[i].exit.code, JZX_EXIT_CODE_UNSPECIFIED);
    }
    test_world_close(&world);
}

/* ---- nobody there, no room ---- */

static void kill_and_wait(test_world *world, test_actor *actor)
{
    cr_assert_eq(jzx_kill(host_of(world, jzx_actor_loop(actor->id)), actor->id), JZX_OK);
    test_until(world, actor->finis == 1);
    test_world_settle(world);
}

Test(link, one_that_is_not_there_gives_NO_ACTOR, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    exits e;
    test_actor trapping = {0};
    test_actor dead[2] = {0};
    spawn_trapping(&world, 0, &trapping, &e);
    for (uint32_t i = 0; i < 2; i++) {
        test_spawn(&world, i, &dead[i]);
        kill_and_wait(&world, &dead[i]);
    }
    const jzx_actor_id ids[] = {dead[0].id,     dead[1].id, dead[0].id + 1,        dead[1].id + 5,
                                9ull << 56 | 1, UINT64_MAX, 0xFFFFFFull << 32 | 1, 1ull << 56 | 0xFFFFFFull << 32 | 1};
    for (uint32_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        link_to(&world, &trapping, ids[i]);
        link_to(&world, &trapping,
                ids[i]); /* remote: the same link; local: one more, to one that is known to be gone */
        test_world_settle(&world);
        cr_assert_geq(e.count, 1, "id %u", i);
        cr_assert_leq(e.count, 2, "id %u", i);
        cr_assert_eq(e.all[0].from, ids[i]);
        cr_assert_eq(e.all[0].exit.kind, JZX_EXIT_NO_ACTOR);
        cr_assert_eq(e.all[0].exit.origin, 0);
        cr_assert_eq(e.wrong, 0);
        e = (exits){0};
        test_actor plain = {0};
        test_spawn(&world, 0, &plain);
        link_to(&world, &plain, ids[i]);
        test_until(&world, plain.finis == 1);
        cr_assert_eq(plain.exit.kind, JZX_EXIT_NO_ACTOR);
        cr_assert_eq(plain.exit.origin, ids[i]);
    }
    test_world_close(&world);
}

Test(link, a_side_without_room_says_LIMIT, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.links_max = 2;
    test_world world;
    test_world_open(&world, 2, &config);
    exits e[4];
    test_actor actors[4] = {0};
    test_actor plain = {0};
    for (uint32_t i = 0; i < 3; i++) {
        spawn_trapping(&world, 0, &actors[i], &e[i]);
    }
    spawn_trapping(&world, 1, &actors[3], &e[3]);
    test_spawn(&world, 1, &plain);
    link_to(&world, &actors[0], actors[1].id);
    cr_assert_eq(link_err(&world, &actors[0], actors[2].id), JZX_ERR_LIMIT, "both places are used");
    cr_assert_eq(link_err(&world, &actors[0], actors[3].id), JZX_ERR_LIMIT);
    link_to(&world, &actors[3], actors[2].id);
    test_until(&world, e[3].count == 1);
    cr_assert_eq(e[3].all[0].exit.kind, JZX_EXIT_LIMIT);
    cr_assert_eq(e[3].all[0].from, actors[2].id);
    link_to(&world, &plain, actors[2].id);
    test_until(&world, plain.finis == 1);
    cr_assert_eq(plain.exit.kind, JZX_EXIT_LIMIT);
    cr_assert_eq(plain.exit.origin, actors[2].id);
    unlink_from(&world, &actors[1], actors[0].id);
    link_to(&world, &actors[3], actors[2].id); /* room that comes back is used again */
    test_world_settle(&world);
    kill_and_wait(&world, &actors[2]);
    cr_assert_eq(e[3].count, 2);
    cr_assert_eq(e[3].all[1].exit.kind, JZX_EXIT_KILLED);
    cr_assert_eq(e[0].count + e[1].count + e[2].count, 0);
    test_world_close(&world);
}

Test(link, one_place_is_not_enough_for_both_sides_of_one_loop, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.links_max = 1;
    test_world world;
    test_world_open(&world, 1, &config);
    test_actor actors[2] = {0};
    test_spawn(&world, 0, &actors[0]);
    test_spawn(&world, 0, &actors[1]);
    for (unsigned i = 0; i < 5; i++) {
        cr_assert_eq(link_err(&world, &actors[0], actors[1].id), JZX_ERR_LIMIT);
    }
    kill_and_wait(&world, &actors[1]);
    cr_assert_eq(actors[0].finis, 0);
    test_world_close(&world);
}

Test(link, without_memory_nothing_is_linked, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    exits e[2];
    test_actor actors[2] = {0};
    spawn_trapping(&world, 0, &actors[0], &e[0]);
    spawn_trapping(&world, 1, &actors[1], &e[1]);
    test_memory *metadata = &world.memory[JZX_MEMORY_METADATA];
    metadata->fail_at = metadata->calls + 1;
    cr_assert_eq(link_err(&world, &actors[0], actors[1].id), JZX_ERR_NO_MEMORY);
    cr_assert_eq(metadata->failed, 1);
    metadata->fail_at = metadata->calls + 2; /* the other side's */
    link_to(&world, &actors[0], actors[1].id);
    test_until(&world, e[0].count == 1);
    cr_assert_eq(metadata->failed, 2);
    cr_assert_eq(e[0].all[0].exit.kind, JZX_EXIT_LIMIT);
    link_to(&world, &actors[0], actors[1].id);
    test_world_settle(&world);
    kill_and_wait(&world, &actors[1]);
    cr_assert_eq(e[0].count, 2);
    cr_assert_eq(e[0].all[1].exit.kind, JZX_EXIT_KILLED);
    test_world_close(&world);
}

/* ---- arguments ---- */

static void use_in_fini(jzx_context *context, test_actor *actor, const jzx_exit_info *info)
{
    (void)info;
    jzx_err *errs = actor->data;
    const jzx_actor_id *other = (const jzx_actor_id *)actor->log[0].words;
    errs[0] = jzx_link(context, *other);
    errs[1] = jzx_unlink(context, *other);
    errs[2] = jzx_trap_exit(context, true);
}

Test(link, bad_arguments, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    cr_expect_eq(jzx_link(NULL, actor.id), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_unlink(NULL, actor.id), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_trap_exit(NULL, true), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_link(host_of(&world, 0), actor.id), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_unlink(host_of(&world, 0), actor.id), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_trap_exit(host_of(&world, 0), true), JZX_ERR_INVALID_ARG);
    const jzx_actor_id ids[] = {0, 1ull << 32, 1ull << 56};
    for (unsigned i = 0; i < 3; i++) {
        cr_expect_eq(link_err(&world, &actor, ids[i]), JZX_ERR_INVALID_ARG);
        unlink_from(&world, &actor, ids[i]);
    }
    link_to(&world, &actor, actor.id);
    unlink_from(&world, &actor, actor.id);
    unlink_from(&world, &actor, actor.id + 1);
    unlink_from(&world, &actor, UINT64_MAX);
    jzx_spawn_options options;
    test_actor child = {0};
    test_actor_options(&child, &options);
    options.link = true;
    cr_expect_eq(jzx_spawn(host_of(&world, 0), &options, NULL), JZX_ERR_INVALID_ARG, "the host cannot be linked to");
    test_world_settle(&world);
    cr_assert_eq(actor.finis, 0);
    test_world_close(&world);
}

static void use_elsewhere(void *argument)
{
    jzx_context *context = argument;
    cr_expect_eq(jzx_link(context, 1), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(jzx_unlink(context, 1), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(jzx_trap_exit(context, true), JZX_ERR_WRONG_THREAD);
}

Test(link, another_thread_is_refused, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_on_thread(use_elsewhere, host_of(&world, 0));
    test_world_close(&world);
}

Test(link, fini_may_unlink_but_not_link, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        exits e;
        jzx_err errs[3] = {1, 1, 1};
        test_actor other = {0};
        test_actor ending = {.on_fini = use_in_fini, .data = errs};
        spawn_trapping(&world, place, &other, &e);
        test_spawn(&world, 0, &ending);
        ending.log[0].words[0] = other.id;
        link_to(&world, &ending, other.id);
        test_world_settle(&world);
        kill_and_wait(&world, &ending);
        cr_assert_eq(errs[0], JZX_ERR_STOPPING);
        cr_assert_eq(errs[1], JZX_OK);
        cr_assert_eq(errs[2], JZX_OK);
        cr_assert_eq(e.count, 0, "it was undone before the end was told");
        test_world_close(&world);
    }
}

/* ---- linked once, unlinked for good ---- */

Test(link, linking_again_changes_nothing, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        exits e[2];
        test_actor actors[2] = {0};
        spawn_trapping(&world, 0, &actors[0], &e[0]);
        spawn_trapping(&world, place, &actors[1], &e[1]);
        for (unsigned i = 0; i < 3; i++) {
            link_to(&world, &actors[0], actors[1].id);
            link_to(&world, &actors[1], actors[0].id);
        }
        test_world_settle(&world);
        kill_and_wait(&world, &actors[1]);
        cr_assert_eq(e[0].count, 1);
        test_world_close(&world);
    }
}

static void unlink_before(uint32_t place, bool asker_unlinks, bool settle)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    exits e[2];
    test_actor actors[2] = {0};
    spawn_trapping(&world, 0, &actors[0], &e[0]);
    spawn_trapping(&world, place, &actors[1], &e[1]);
    for (unsigned round = 0; round < 2000; round++) { /* more than links_max: each record comes back */
        link_to(&world, &actors[0], actors[1].id);
        if (settle) {
            test_world_settle(&world);
        }
        unlink_from(&world, &actors[!asker_unlinks], actors[asker_unlinks].id);
    }
    test_world_settle(&world);
    if (!settle && !asker_unlinks) { /* the last LINK may have come behind the unlink */
        unlink_from(&world, &actors[1], actors[0].id);
        test_world_settle(&world);
    }
    kill_and_wait(&world, &actors[1]);
    cr_assert_eq(e[0].count, 0);
    test_world_close(&world);
}

Test(link, unlinked_means_no_exit, .timeout = 60)
{
    for (unsigned n = 0; n < 8; n++) {
        unlink_before(n & 1, (n & 2) != 0, (n & 4) != 0);
    }
}

/* Links to one that is gone, which queues EXIT at once, and unlinks in the same handler. */
static jzx_behavior_result unlink_with_exit_queued(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    order *o = actor->data;
    if (message->tag == 1) {
        o->err = jzx_link(context, o->other);
        o->err = o->err == JZX_OK ? jzx_link(context, o->other) : o->err;
        o->err = o->err == JZX_OK ? jzx_unlink(context, o->other) : o->err;
    }
    o->trap |= message->tag == JZX_TAG_SYS_EXIT;
    return JZX_BEHAVIOR_OK;
}

Test(link, an_exit_that_is_queued_already_is_taken_back, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor dead = {0};
    test_spawn(&world, 0, &dead);
    kill_and_wait(&world, &dead);
    order o = {.other = dead.id};
    test_actor actor = {.on = unlink_with_exit_queued, .data = &o};
    jzx_spawn_options options;
    test_actor_options(&actor, &options);
    options.trap_exit = true;
    test_spawn_with(&world, 0, &actor, &options);
    for (uint32_t i = 0; i < 2000; i++) {
        test_send(&world, &actor, 1);
        test_send(&world, &actor, 2);
        test_until(&world, actor.received == 2 * (i + 1));
        cr_assert_eq(o.err, JZX_OK, "round %u: %s", i, jzx_strerror(o.err));
    }
    cr_assert(!o.trap);
    test_world_close(&world);
}

Test(link, an_exit_that_crosses_an_unlink_is_dropped, .timeout = 60)
{
    for (unsigned trap = 0; trap < 2; trap++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        exits e;
        test_actor actor = {0};
        spawn_trapping(&world, 0, &actor, &e);
        uint32_t in_time = 0;
        for (unsigned round = 0; round < 300; round++) {
            order o = {.trap = trap != 0};
            test_do(&world, &actor, do_trap, &o);
            test_actor *target = calloc(1, sizeof *target);
            test_spawn(&world, 1, target);
            link_to(&world, &actor, target->id);
            test_world_settle(&world);
            /* The target ends and its EXIT leaves loop 1; loop 0 unlinks before it looks. */
            cr_assert_eq(jzx_kill(host_of(&world, 1), target->id), JZX_OK);
            cr_assert_eq(jzx_loop_run_once(world.loops[1], 0), JZX_OK);
            cr_assert_eq(target->finis, 1);
            uint32_t before = e.count;
            if (trap) {
                unlink_from(&world, &actor, target->id);
                in_time += e.count == before;
                before = e.count;
                test_world_settle(&world);
                cr_assert_eq(e.count, before, "round %u: none after the unlink", round);
            } else {
                test_until(&world, actor.finis == 1);
                actor.finis = 0;
                spawn_trapping(&world, 0, &actor, &e);
            }
            free(target);
        }
        cr_assert(!trap || in_time > 0 || e.count == 300);
        test_world_close(&world);
    }
}

/* ---- order ---- */

typedef struct last_words {
    jzx_actor_id to;
    uint32_t count; /* UINT32_MAX: as many as go */
    uint32_t sent;
    bool link;
} last_words;

static jzx_behavior_result speak_and_die(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    last_words *l = argument;
    jzx_message message = jzx_message_empty(5);
    while (l->sent < l->count && jzx_send(context, l->to, &message) == JZX_OK) {
        l->sent++;
    }
    if (l->link && jzx_link(context, l->to) != JZX_OK) {
        return JZX_BEHAVIOR_FAIL;
    }
    return JZX_BEHAVIOR_STOP;
}

static void words_before_exit(uint32_t place, uint32_t count, uint32_t lane_blocks, uint32_t cap, bool link_late)
{
    jzx_config config;
    test_config(&config);
    config.lane_blocks = lane_blocks;
    test_world world;
    test_world_open(&world, 2, &config);
    exits e = {0};
    test_actor listener = {.on = note_exit, .data = &e};
    jzx_spawn_options options;
    test_actor_options(&listener, &options);
    options.mailbox_cap = cap;
    options.trap_exit = true;
    test_spawn_with(&world, 0, &listener, &options);
    test_actor speaker = {0};
    test_spawn(&world, place, &speaker);
    if (!link_late) {
        link_to(&world, &listener, speaker.id);
        test_world_settle(&world);
    }
    last_words l = {.to = listener.id, .count = count, .link = link_late};
    test_do(&world, &speaker, speak_and_die, &l);
    test_until(&world, e.count == 1);
    cr_assert_gt(l.sent, 0);
    cr_assert_eq(e.mail_first, l.sent, "%u of %u messages came before EXIT", e.mail_first, l.sent);
    cr_assert_eq(e.all[0].exit.kind, JZX_EXIT_NORMAL);
    test_world_settle(&world);
    cr_assert_eq(e.mail, l.sent);
    cr_assert_eq(e.count, 1);
    test_world_close(&world);
}

Test(link, exit_comes_after_the_last_words_also_when_all_is_full, .timeout = 60)
{
    for (unsigned late = 0; late < 2; late++) { /* late: LINK and EXIT both wait in the overflow of a full lane */
        words_before_exit(0, 100, 4, 256, late);
        words_before_exit(1, 100, 4, 256, late);
        words_before_exit(0, UINT32_MAX, 4, 5, late);    /* a full mailbox here */
        words_before_exit(1, UINT32_MAX, 2, 1024, late); /* a full lane */
        words_before_exit(1, UINT32_MAX, 2, 1, late);    /* past the cap of the listener */
    }
}

/* With the lane full: links, unlinks and does so again, so that signals wait, change and are sent in one go. */
typedef struct busy {
    jzx_actor_id to;
    uint32_t rounds;
    uint32_t sent;
    bool linked; /* at the end */
    jzx_err err;
} busy;

static jzx_behavior_result fill_and_link(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    busy *b = argument;
    jzx_message message = jzx_message_empty(5);
    while (jzx_send(context, b->to, &message) == JZX_OK) {
        b->sent++;
    }
    for (uint32_t i = 0; i < b->rounds && b->err == JZX_OK; i++) {
        b->err = jzx_link(context, b->to);
        if (b->err == JZX_OK && (i + 1 < b->rounds || !b->linked)) {
            b->err = jzx_unlink(context, b->to);
        }
    }
    return JZX_BEHAVIOR_OK;
}

Test(link, signals_that_wait_for_a_full_lane_are_not_lost, .timeout = 60)
{
    for (unsigned linked = 0; linked < 2; linked++) {
        jzx_config config;
        test_config(&config);
        config.lane_blocks = 2;
        test_world world;
        test_world_open(&world, 2, &config);
        exits e[2];
        test_actor actors[2] = {0};
        spawn_trapping(&world, 0, &actors[0], &e[0]);
        spawn_trapping(&world, 1, &actors[1], &e[1]);
        for (unsigned round = 0; round < 20; round++) {
            busy b = {.to = actors[1].id, .rounds = 5, .linked = linked};
            test_do(&world, &actors[0], fill_and_link, &b);
            cr_assert_eq(b.err, JZX_OK);
            test_world_settle(&world);
        }
        kill_and_wait(&world, &actors[1]);
        cr_assert_eq(e[0].count, linked);
        test_world_close(&world);
    }
}

static jzx_behavior_result yield_always(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)actor;
    (void)message;
    return JZX_BEHAVIOR_YIELD;
}

Test(link, those_that_end_with_an_exit_in_a_full_mailbox_leave_nothing, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.links_max = 4;
    test_world world;
    test_world_open(&world, 2, &config);
    for (uint32_t round = 0; round < 40; round++) {
        test_actor *trapping = calloc(1, sizeof *trapping);
        test_actor *target = calloc(1, sizeof *target);
        jzx_spawn_options options;
        trapping->on = yield_always; /* so that what comes stays queued */
        test_actor_options(trapping, &options);
        options.mailbox_cap = 1;
        options.trap_exit = true;
        test_spawn_with(&world, 0, trapping, &options);
        test_spawn(&world, round % 2, target);
        link_to(&world, trapping, target->id);
        test_world_settle(&world);
        test_send(&world, trapping, 1);
        cr_assert_eq(jzx_kill(host_of(&world, round % 2), target->id), JZX_OK);
        test_until(&world, target->finis == 1);
        for (unsigned i = 0; i < 4; i++) {
            test_world_step(&world); /* the EXIT is in its mailbox */
        }
        cr_assert_eq(trapping->received, 0);
        cr_assert_eq(jzx_kill(host_of(&world, 0), trapping->id), JZX_OK);
        test_until(&world, trapping->finis == 1);
        test_world_settle(&world);
        free(trapping);
        free(target);
    }
    test_world_close(&world);
}

/* ---- both at once ---- */

static uint32_t records(const test_world *world, uint32_t loop)
{
    return world->loops[loop]->links.used;
}

typedef struct pair {
    test_world world;
    exits e[2];
    test_actor actors[2];
    test_actor couples[4]; /* linked to one another on each loop, so that places are few */
    uint64_t random;
} pair;

static uint32_t draw(pair *p, uint32_t below)
{
    p->random = p->random * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(p->random >> 33) % below;
}

static jzx_behavior_result do_fill(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    order *o = argument;
    jzx_message message = jzx_message_empty(5);
    while (jzx_send(context, o->other, &message) == JZX_OK) {
    }
    return JZX_BEHAVIOR_OK;
}

/* Runs `fn` in a turn of the actor's loop alone; the other loop sees nothing of it yet. False: the mailbox is full. */
static bool do_alone(test_world *world, test_actor *actor, test_do_fn fn, void *argument)
{
    _Atomic(bool) done = false;
    const struct {
        test_do_fn fn;
        void *argument;
        _Atomic(bool) *done;
    } errand = {fn, argument, &done};
    uint32_t loop = jzx_actor_loop(actor->id);
    jzx_message message = jzx_message_value(TEST_TAG_DO, &errand, sizeof errand);
    if (jzx_send(host_of(world, loop), actor->id, &message) != JZX_OK) {
        return false;
    }
    while (!done) {
        cr_assert_eq(jzx_loop_run_once(world->loops[loop], 0), JZX_OK);
    }
    return true;
}

static jzx_err one_step(pair *p, uint32_t who, test_do_fn fn)
{
    order o = {.other = p->actors[!who].id};
    return do_alone(&p->world, &p->actors[who], fn, &o) ? o.err : JZX_ERR_MAILBOX_FULL;
}

/* Random steps of both; *both_link says whether the last one of each that counts was a link. */
static void take_steps(pair *p, bool tight, bool *both_link)
{
    const test_do_fn fns[] = {do_link, do_link, do_unlink, do_unlink, do_fill, do_fill};
    test_do_fn last[2] = {NULL, NULL};
    for (uint32_t steps = 4 + draw(p, 16); steps > 0; steps--) {
        uint32_t who = draw(p, 2);
        test_do_fn fn = fns[draw(p, 6)];
        jzx_err err = one_step(p, who, fn);
        last[who] = err == JZX_OK && fn != do_fill ? fn : last[who];
        cr_assert(err == JZX_OK || err == JZX_ERR_MAILBOX_FULL || (tight && err == JZX_ERR_LIMIT));
    }
    *both_link = last[0] == do_link && last[1] == do_link;
}

static uint32_t random_steps(uint64_t seed, bool tight)
{
    static pair p;
    p = (pair){.random = seed};
    jzx_config config;
    test_config(&config);
    config.lane_blocks = 2;
    config.links_max = tight ? 3 : 1024;
    bool both_link;
    test_world_open(&p.world, 2, &config);
    spawn_trapping(&p.world, 0, &p.actors[0], &p.e[0]);
    spawn_trapping(&p.world, 1, &p.actors[1], &p.e[1]);
    for (uint32_t i = 0; i < 4; i++) {
        test_spawn(&p.world, i / 2, &p.couples[i]);
    }
    link_to(&p.world, &p.couples[0], p.couples[1].id);
    link_to(&p.world, &p.couples[2], p.couples[3].id);
    take_steps(&p, tight, &both_link);
    test_world_settle(&p.world);
    uint32_t linked = records(&p.world, 0) - 2;
    cr_assert_leq(linked, 1, "seed %lu", (unsigned long)seed);
    cr_assert_eq(linked, records(&p.world, 1) - 2, "seed %lu: one side only", (unsigned long)seed);
    cr_assert(linked == 1 || tight || !both_link, "seed %lu: a link was lost", (unsigned long)seed);
    uint32_t last = draw(&p, 2);
    uint32_t refused = p.e[!last].count;
    cr_assert(tight || refused == 0);
    kill_and_wait(&p.world, &p.actors[last]);
    cr_assert_eq(p.e[!last].count, refused + linked, "seed %lu", (unsigned long)seed);
    cr_assert_eq(records(&p.world, 0) + records(&p.world, 1), 4, "seed %lu: records stay", (unsigned long)seed);
    test_world_close(&p.world);
    return linked;
}

Test(link, K1_both_sides_are_alike_when_nothing_is_under_way, .timeout = 120)
{
    enum { SEEDS = 1500 };
    uint32_t linked = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        linked += random_steps(seed, seed % 3 == 0);
    }
    cr_assert(linked > SEEDS / 10 && linked < SEEDS - SEEDS / 10, "%u were linked at last", linked);
}

/* On threads signals truly cross: each side goes on by itself, with steps of its own choice. */
typedef struct runner {
    jzx_actor_id other;
    uint64_t random;
    _Atomic(uint32_t) left;
    uint32_t exits;
    uint32_t held; /* records of its loop, when asked at the end */
    jzx_err err;
} runner;

static jzx_behavior_result run_on(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    runner *r = actor->data;
    r->exits += message->tag == JZX_TAG_SYS_EXIT;
    if (message->tag != 1 || r->left == 0) {
        return JZX_BEHAVIOR_OK;
    }
    for (unsigned i = 0; i < 3; i++) {
        r->random = r->random * 6364136223846793005ull + 1442695040888963407ull;
        jzx_err err = (r->random >> 40 & 1) != 0 ? jzx_link(context, r->other) : jzx_unlink(context, r->other);
        r->err = r->err != JZX_OK ? r->err : err;
    }
    jzx_message again = jzx_message_empty(1);
    r->left--;
    return jzx_send(context, jzx_self(context), &again) == JZX_OK ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_FAIL;
}

static jzx_behavior_result look_at_records(jzx_context *context, test_actor *actor, void *argument)
{
    (void)argument;
    ((runner *)actor->data)->held = context->loop->links.used;
    return JZX_BEHAVIOR_OK;
}

static void run_both(uint64_t seed)
{
    jzx_config config;
    test_config(&config);
    config.links_max = 20000; /* all that is linked and undone may wait in an overflow */
    test_world world;
    test_world_open(&world, 2, &config);
    runner r[2] = {{.random = seed, .left = 3000}, {.random = ~seed, .left = 3000}};
    test_actor actors[2] = {0};
    for (uint32_t i = 0; i < 2; i++) {
        jzx_spawn_options options;
        actors[i].on = run_on;
        actors[i].data = &r[i];
        test_actor_options(&actors[i], &options);
        options.trap_exit = true;
        test_spawn_with(&world, i, &actors[i], &options);
    }
    r[0].other = actors[1].id;
    r[1].other = actors[0].id;
    test_world_start(&world);
    test_send(&world, &actors[0], 1);
    test_send(&world, &actors[1], 1);
    test_until(&world, r[0].left == 0 && r[1].left == 0);
    uint64_t deadline_ns = test_now_ns() + TEST_PATIENCE_S * 1000000000ull;
    /* What waits leaves while the loops go on; then both agree, and stay so. */
    for (unsigned agreed = 0; agreed < 30; agreed++) {
        test_do(&world, &actors[0], look_at_records, NULL);
        test_do(&world, &actors[1], look_at_records, NULL);
        agreed = r[0].held == r[1].held && r[0].held <= 1 ? agreed : 0;
        cr_assert_lt(test_now_ns(), deadline_ns, "seed %lu: %u and %u records", (unsigned long)seed, r[0].held,
                     r[1].held);
    }
    cr_assert_eq(r[0].exits + r[1].exits, 0, "one was told LIMIT, or that the other is gone");
    cr_assert(r[0].err == JZX_OK && r[1].err == JZX_OK);
    test_world_close(&world);
    cr_assert_leq(r[0].exits + r[1].exits, 1);
}

Test(link, K1_both_sides_are_alike_on_threads, .timeout = 120)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        run_both(seed);
    }
}

Test(link, both_may_link_at_once, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    static test_actor actors[2][200];
    static exits e[2][200];
    memset(actors, 0, sizeof actors);
    for (uint32_t i = 0; i < 200; i++) {
        spawn_trapping(&world, 0, &actors[0][i], &e[0][i]);
        spawn_trapping(&world, 1, &actors[1][i], &e[1][i]);
    }
    test_world_start(&world);
    for (uint32_t i = 0; i < 200; i++) {
        order o[2] = {{.other = actors[1][i].id}, {.other = actors[0][i].id}};
        test_do(&world, &actors[0][i], do_link, &o[0]);
        test_do(&world, &actors[1][i], do_link, &o[1]);
    }
    for (uint32_t i = 0; i < 200; i++) {
        unlink_from(&world, &actors[i % 2][i], actors[!(i % 2)][i].id);
        if (i % 3 != 0) {
            link_to(&world, &actors[i % 2][i], actors[!(i % 2)][i].id);
        }
    }
    test_world_close(&world);
    for (uint32_t i = 0; i < 200; i++) {
        cr_assert_leq(e[0][i].count, 1);
        cr_assert_leq(e[1][i].count, 1);
        cr_assert_eq(e[0][i].wrong + e[1][i].wrong, 0);
    }
}

/* ---- many ---- */

static void all_end(uint32_t loops, bool ring)
{
    enum { MANY = 1000 };
    jzx_config config;
    test_config(&config);
    config.links_max = 2 * MANY;
    config.actors_max = MANY;
    test_world world;
    test_world_open(&world, loops, &config);
    test_actor *actors = calloc(MANY, sizeof *actors);
    for (uint32_t i = 0; i < MANY; i++) {
        actors[i].on = return_result;
        test_spawn(&world, i % loops, &actors[i]);
    }
    for (uint32_t i = 0; i + !ring < MANY; i++) {
        link_to(&world, &actors[i], actors[(i + 1) % MANY].id);
    }
    test_world_settle(&world);
    end_it(&world, &actors[ring ? MANY / 3 : 0], FAIL);
    for (uint32_t i = 0; i < MANY; i++) {
        test_until(&world, actors[i].finis == 1);
        cr_assert_eq(actors[i].exit.kind, JZX_EXIT_FAIL);
        cr_assert_eq(actors[i].exit.code, -9);
        cr_assert_str_eq(actors[i].exit.text, "the reason");
    }
    test_world_settle(&world);
    test_world_close(&world);
    free(actors);
}

Test(link, a_chain_of_a_thousand_ends_from_one_end, .timeout = 120)
{
    all_end(1, false);
    all_end(2, false);
}

Test(link, a_ring_ends_as_a_whole, .timeout = 120)
{
    all_end(1, true);
    all_end(2, true);
    all_end(3, true);
}

Test(link, one_that_is_linked_to_many_tells_each_once, .timeout = 60)
{
    enum { MANY = 300 };
    test_world world;
    test_world_open(&world, 3, NULL);
    static test_actor actors[MANY];
    static exits e[MANY];
    memset(actors, 0, sizeof actors);
    test_actor hub = {0};
    test_spawn(&world, 1, &hub);
    for (uint32_t i = 0; i < MANY; i++) {
        spawn_trapping(&world, i % 3, &actors[i], &e[i]);
        link_to(&world, i % 2 == 0 ? &hub : &actors[i], i % 2 == 0 ? actors[i].id : hub.id);
    }
    test_world_settle(&world);
    end_it(&world, &hub, FAIL);
    for (uint32_t i = 0; i < MANY; i++) {
        test_until(&world, e[i].count == 1);
        cr_assert_eq(e[i].all[0].exit.code, -9);
        cr_assert_eq(e[i].all[0].from, hub.id);
    }
    test_world_settle(&world);
    for (uint32_t i = 0; i < MANY; i++) {
        cr_assert_eq(e[i].count, 1);
    }
    test_world_close(&world);
}

/* ---- traps ---- */

Test(link, traps_may_be_set_and_cleared, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        exits e;
        test_actor actor = {0};
        test_actor targets[3] = {0};
        spawn_trapping(&world, 0, &actor, &e);
        for (unsigned i = 0; i < 3; i++) {
            test_spawn(&world, place, &targets[i]);
            link_to(&world, &actor, targets[i].id);
        }
        test_world_settle(&world);
        kill_and_wait(&world, &targets[0]);
        cr_assert_eq(e.count, 1);
        cr_assert_eq(jzx_stop(host_of(&world, 0), actor.id), JZX_OK);
        test_until(&world, actor.finis == 1); /* a stop is not trapped */
        cr_assert_eq(actor.exit.kind, JZX_EXIT_SHUTDOWN);
        test_until(&world, targets[1].finis == 1 && targets[2].finis == 1);
        cr_assert_eq(targets[1].exit.origin, actor.id);
        cr_assert_eq(targets[1].exit.kind, JZX_EXIT_SHUTDOWN);
        test_world_close(&world);
    }
}

/* One that drains ends at once by a link, as by a kill. */
static jzx_behavior_result drain_slowly(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)actor;
    (void)message;
    return JZX_BEHAVIOR_YIELD;
}

Test(link, an_exit_overtakes_a_drain, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_actor draining = {.on = drain_slowly};
    test_actor target = {0};
    test_spawn(&world, 0, &draining);
    test_spawn(&world, 1, &target);
    link_to(&world, &draining, target.id);
    test_world_settle(&world);
    test_send(&world, &draining, 1);
    cr_assert_eq(jzx_drain(host_of(&world, 0), draining.id), JZX_OK);
    for (unsigned i = 0; i < 4; i++) {
        test_world_step(&world);
    }
    cr_assert_eq(draining.finis, 0);
    cr_assert_eq(jzx_kill(host_of(&world, 1), target.id), JZX_OK);
    test_until(&world, draining.finis == 1);
    cr_assert_eq(draining.exit.kind, JZX_EXIT_KILLED);
    cr_assert_eq(draining.exit.origin, target.id);
    test_world_close(&world);
}

/* ---- spawned linked ---- */

typedef struct birth {
    test_actor *child;
    uint32_t place;
    bool request;
    bool child_traps;
    jzx_err err;
    jzx_actor_id id;
    uint64_t ref;
} birth;

static jzx_behavior_result spawn_linked(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    birth *b = argument;
    jzx_spawn_options options;
    test_actor_options(b->child, &options);
    options.link = true;
    options.trap_exit = b->child_traps;
    options.placement = JZX_PLACE_LOOP;
    options.place_loop = b->place;
    b->err = b->request ? jzx_spawn_request(context, &options, &b->ref) : jzx_spawn(context, &options, &b->id);
    return JZX_BEHAVIOR_OK;
}

/* n: bit 0 elsewhere, bit 1 by request (always, elsewhere), bit 2 the parent ends, bit 3 before it is answered */
static void spawn_one(unsigned n)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    exits e[2] = {{0}};
    test_actor parent = {0};
    test_actor child = {.on = note_exit, .data = &e[1]};
    birth b = {.child = &child, .place = n & 1, .request = (n & 3) != 0, .child_traps = true};
    spawn_trapping(&world, 0, &parent, &e[0]);
    test_do(&world, &parent, spawn_linked, &b);
    cr_assert_eq(b.err, JZX_OK, "%s", jzx_strerror(b.err));
    bool early = (n & 8) != 0;
    if (!early) {
        test_until(&world, child.inits == 1);
        test_world_settle(&world);
    }
    if ((n & 4) != 0) {
        kill_and_wait(&world, &parent);
        test_until(&world, e[1].count == 1);
        uint32_t kind = e[1].all[0].exit.kind;
        cr_assert(kind == JZX_EXIT_KILLED || (early && kind == JZX_EXIT_NO_ACTOR), "kind %u", kind);
        cr_assert_eq(e[1].all[0].from, parent.id);
    } else {
        test_until(&world, child.inits == 1);
        kill_and_wait(&world, &child);
        cr_assert_eq(e[0].count, 1);
        cr_assert_eq(e[0].all[0].exit.kind, JZX_EXIT_KILLED);
        cr_assert_eq(e[0].all[0].from, child.id);
        cr_assert_eq(e[0].mail, b.request, "and the answer");
    }
    test_world_close(&world);
}

Test(link, spawned_linked_from_the_start, .timeout = 60)
{
    for (unsigned n = 0; n < 16; n++) {
        spawn_one(n);
    }
}

static jzx_err unlink_parent(jzx_context *context, test_actor *actor)
{
    return jzx_unlink(context, *(const jzx_actor_id *)actor->data);
}

Test(link, a_link_that_is_undone_before_it_has_left_gives_the_askers_side_back, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.lane_blocks = 2;
    test_world world;
    test_world_open(&world, 2, &config);
    exits e;
    test_actor parent = {0};
    test_actor child = {.on_init = unlink_parent, .data = &parent.id};
    spawn_trapping(&world, 0, &parent, &e);
    birth b = {.child = &child, .place = 1, .request = true};
    test_world_settle(&world);
    cr_assert(do_alone(&world, &parent, spawn_linked, &b));
    cr_assert_eq(b.err, JZX_OK);
    cr_assert_eq(records(&world, 0), 1);
    jzx_message message = jzx_message_empty(5);
    while (jzx_send(host_of(&world, 1), parent.id, &message) == JZX_OK) { /* so the LINK will wait */
    }
    while (child.inits == 0) {
        cr_assert_eq(jzx_loop_run_once(world.loops[1], 0), JZX_OK);
    }
    test_world_settle(&world);
    cr_assert_eq(records(&world, 0) + records(&world, 1), 0);
    kill_and_wait(&world, &child);
    cr_assert_eq(e.count, 0);
    test_world_close(&world);
}

static jzx_err unlink_parent_and_fail(jzx_context *context, test_actor *actor)
{
    (void)jzx_unlink(context, *(const jzx_actor_id *)actor->data);
    return actor->init_result;
}

static jzx_err only_fail(jzx_context *context, test_actor *actor)
{
    (void)context;
    return actor->init_result;
}

/* n: bit 0 elsewhere, bit 1 the init unlinks, bit 2 the init succeeds */
static void init_of_linked(unsigned n)
{
    jzx_config config;
    test_config(&config);
    config.links_max = 2;
    test_world world;
    test_world_open(&world, 2, &config);
    exits e;
    test_actor parent = {0};
    spawn_trapping(&world, 0, &parent, &e);
    for (unsigned round = 0; round < 20; round++) { /* each place comes back */
        test_actor *child = calloc(1, sizeof *child);
        child->on_init = (n & 2) != 0 ? unlink_parent_and_fail : only_fail;
        child->init_result = (n & 4) != 0 ? JZX_OK : JZX_ERR_NOT_FOUND;
        child->data = &parent.id;
        birth b = {.child = child, .place = n & 1, .request = true};
        test_do(&world, &parent, spawn_linked, &b);
        cr_assert_eq(b.err, JZX_OK, "round %u: %s", round, jzx_strerror(b.err));
        test_until(&world, child->inits == 1);
        test_world_settle(&world);
        cr_assert_eq(e.mail, round + 1);
        cr_assert_eq(e.count, 0, "round %u", round);
        if ((n & 4) != 0) {
            kill_and_wait(&world, child);
            cr_assert_eq(e.count, (n & 2) == 0);
            e.count = 0;
        }
        free(child);
    }
    test_world_close(&world);
}

Test(link, an_init_that_fails_breaks_the_link_without_notice, .timeout = 60)
{
    for (unsigned n = 0; n < 8; n++) {
        init_of_linked(n);
    }
}

static jzx_err link_and_fail(jzx_context *context, test_actor *actor)
{
    cr_assert_eq(jzx_link(context, *(const jzx_actor_id *)actor->data), JZX_OK);
    return JZX_ERR_NOT_FOUND;
}

/* What an init has linked itself to hears that it failed; one that ends with it has not failed in its own init. */
Test(link, an_init_that_links_and_fails_is_told, .timeout = 60)
{
    for (unsigned n = 0; n < 4; n++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        test_observer observer = {0};
        exits e;
        test_actor other = {0};
        spawn_trapping(&world, n & 1, &other, &e);
        order o = {.trap = (n & 2) != 0};
        test_do(&world, &other, do_trap, &o);
        test_observe(&world, n & 1, &observer);
        test_actor child = {.on_init = link_and_fail, .data = &other.id};
        jzx_spawn_options options;
        test_actor_options(&child, &options);
        cr_assert_eq(jzx_spawn(host_of(&world, 0), &options, NULL), JZX_ERR_INIT);
        test_until(&world, e.count == 1 || other.finis == 1);
        test_world_settle(&world);
        cr_assert_eq(e.count, o.trap);
        if (o.trap) {
            cr_assert_eq(e.all[0].exit.kind, JZX_EXIT_INIT);
            cr_assert_eq(e.all[0].exit.code, JZX_ERR_NOT_FOUND);
        } else {
            cr_assert_eq(other.exit.kind, JZX_EXIT_FAIL);
            cr_assert_eq(other.exit.code, JZX_ERR_NOT_FOUND);
            cr_assert_eq(other.exit.origin, child.id);
            cr_assert_eq(observer.stops, 1);
        }
        cr_assert_eq(observer.init_failures, (n & 1) == 0);
        test_world_close(&world);
    }
}

Test(link, a_spawn_without_room_for_the_link_leaves_nothing, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.links_max = 2;
    config.actors_max = 3;
    test_world world;
    test_world_open(&world, 2, &config);
    exits e;
    test_actor actors[4] = {0};
    test_actor child = {0};
    spawn_trapping(&world, 0, &actors[0], &e);
    test_spawn(&world, 1, &actors[1]);
    test_spawn(&world, 1, &actors[2]);
    link_to(&world, &actors[1], actors[2].id);
    birth b = {.child = &child, .place = 1, .request = true};
    for (unsigned round = 0; round < 5; round++) { /* the child's side */
        test_do(&world, &actors[0], spawn_linked, &b);
        cr_assert_eq(b.err, JZX_OK);
        test_world_settle(&world);
        cr_assert_eq(actors[0].received, round + 1);
        jzx_spawned spawned;
        memcpy(&spawned, actors[0].log[round].bytes, sizeof spawned);
        cr_assert_eq(spawned.err, JZX_ERR_LIMIT);
        cr_assert_eq(child.inits, 0);
    }
    unlink_from(&world, &actors[1], actors[2].id);
    test_spawn(&world, 1, &actors[3]);
    for (unsigned round = 5; round < 10; round++) { /* no room for the actor */
        test_do(&world, &actors[0], spawn_linked, &b);
        cr_assert_eq(b.err, JZX_OK);
        test_world_settle(&world);
        jzx_spawned spawned;
        memcpy(&spawned, actors[0].log[round].bytes, sizeof spawned);
        cr_assert_eq(spawned.err, JZX_ERR_MAX_ACTORS);
    }
    link_to(&world, &actors[0], actors[1].id);
    link_to(&world, &actors[0], actors[2].id);
    test_do(&world, &actors[0], spawn_linked, &b);
    cr_assert_eq(b.err, JZX_ERR_LIMIT, "the asker's side");
    b = (birth){.child = &child};
    test_do(&world, &actors[0], spawn_linked, &b);
    cr_assert_eq(b.err, JZX_ERR_LIMIT, "on one loop");
    cr_assert_eq(child.inits, 0);
    cr_assert_eq(e.count, 0);
    test_world_close(&world);
}

/* ---- stops ---- */

Test(link, a_loop_that_stops_gives_exit_and_later_LOOP_CLOSED, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    exits e;
    test_actor trapping = {0};
    spawn_trapping(&world, 0, &trapping, &e);
    test_actor plain = {0};
    test_spawn(&world, 0, &plain);
    test_actor late = {0};
    test_spawn(&world, 0, &late);
    test_actor target = {0};
    test_spawn(&world, 1, &target);
    link_to(&world, &trapping, target.id);
    link_to(&world, &plain, target.id);
    test_world_settle(&world);
    cr_assert_eq(jzx_loop_request_stop(world.loops[1]), JZX_OK);
    test_until(&world, e.count == 1 && plain.finis == 1);
    cr_assert_eq(e.all[0].exit.kind, target.exit.kind);
    cr_assert_eq(plain.exit.kind, target.exit.kind);
    cr_assert_eq(plain.exit.origin, target.id);
    link_to(&world, &trapping, target.id);
    test_until(&world, e.count == 2);
    cr_assert_eq(e.all[1].exit.kind, JZX_EXIT_LOOP_CLOSED);
    link_to(&world, &late, target.id);
    test_until(&world, late.finis == 1);
    cr_assert_eq(late.exit.kind, JZX_EXIT_LOOP_CLOSED);
    test_world_close(&world);
}

Test(link, a_stop_with_links_everywhere_ends, .timeout = 60)
{
    enum { ACTORS = 60 };
    for (unsigned n = 0; n < 4; n++) {
        test_world world;
        test_world_open(&world, 3, NULL);
        static test_actor actors[ACTORS];
        static exits e[ACTORS];
        memset(actors, 0, sizeof actors);
        for (uint32_t i = 0; i < ACTORS; i++) {
            if ((n & 2) != 0 && i % 2 == 0) {
                test_spawn(&world, i % 3, &actors[i]);
            } else {
                spawn_trapping(&world, i % 3, &actors[i], &e[i]);
            }
        }
        if ((n & 1) != 0) {
            test_world_start(&world);
        }
        for (uint32_t i = 0; i < ACTORS; i++) {
            link_to(&world, &actors[i], actors[(i + 1) % ACTORS].id);
            link_to(&world, &actors[i], actors[(i * 7 + 3) % ACTORS].id);
        }
        test_world_close(&world);
        for (uint32_t i = 0; i < ACTORS; i++) {
            cr_assert_eq(actors[i].finis, 1);
            cr_assert_eq(e[i].wrong, 0);
        }
    }
}

/* ---- supervisors that an actor has started ---- */

typedef struct tree {
    jzx_actor_id target; /* children link themselves to it */
    uint32_t starts;
    uint32_t finis;
    jzx_err err;
    jzx_err init;
    jzx_actor_id id;
    uint64_t ref;
} tree;

static jzx_err child_init(jzx_context *context, void *argument, void **state)
{
    tree *t = argument;
    *state = t;
    t->starts++;
    return t->target != 0 ? jzx_link(context, t->target) : t->init;
}

static jzx_behavior_result child_behavior(jzx_context *context, void *state, const jzx_message *message)
{
    (void)context;
    (void)state;
    (void)message;
    return JZX_BEHAVIOR_OK;
}

static void child_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    (void)context;
    (void)info;
    ((tree *)state)->finis++;
}

static jzx_behavior_result start_tree(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    tree *t = argument;
    jzx_child_spec child;
    jzx_supervisor_spec spec;
    jzx_child_spec_init(&child);
    jzx_supervisor_spec_init(&spec);
    child.init = child_init;
    child.behavior = child_behavior;
    child.fini = child_fini;
    child.argument = t;
    spec.intensity = 3;
    spec.children = &child;
    spec.child_count = 1;
    t->err = jzx_supervisor_start(context, &spec, &t->id, &t->ref);
    return JZX_BEHAVIOR_OK;
}

static void close_loop_of(test_world *world, test_actor *target)
{
    test_spawn(world, 1, target);
    cr_assert_eq(jzx_loop_request_stop(world->loops[1]), JZX_OK);
    test_until(world, target->finis == 1);
    test_world_settle(world);
}

Test(link, a_supervisor_that_gives_up_tells_the_actor_that_started_it, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    exits e;
    test_actor owner = {0};
    test_actor target = {0};
    spawn_trapping(&world, 0, &owner, &e);
    close_loop_of(&world, &target);
    tree t = {.target = target.id}; /* each child ends with LOOP_CLOSED, by a link: that is no move to another loop */
    test_do(&world, &owner, start_tree, &t);
    cr_assert_eq(t.err, JZX_OK);
    test_until(&world, e.count == 1);
    cr_assert_eq(e.all[0].from, t.id);
    cr_assert_eq(e.all[0].exit.kind, JZX_EXIT_ESCALATED);
    cr_assert_eq(t.starts, 4, "one start and three restarts");
    cr_assert_eq(t.finis, 4);
    test_world_close(&world);
}

Test(link, a_supervisor_that_does_not_start_breaks_the_link_without_notice, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    exits e;
    test_actor owner = {0};
    spawn_trapping(&world, 0, &owner, &e);
    tree t = {.init = JZX_ERR_NOT_FOUND};
    test_do(&world, &owner, start_tree, &t);
    cr_assert_eq(t.err, JZX_OK);
    test_until(&world, owner.received == 1);
    test_world_settle(&world);
    cr_assert_eq(owner.log[0].tag, JZX_TAG_SYS_SUPERVISOR);
    cr_assert_eq(e.count, 0);
    cr_assert_eq(records(&world, 0), 0);
    test_world_close(&world);
}

Test(link, a_supervisor_ends_with_the_actor_that_started_it, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor owner = {0};
    test_spawn(&world, 0, &owner);
    tree t = {0};
    test_do(&world, &owner, start_tree, &t);
    cr_assert_eq(t.err, JZX_OK);
    test_until(&world, t.starts == 1);
    test_world_settle(&world);
    kill_and_wait(&world, &owner);
    test_until(&world, t.finis == 1);
    test_world_settle(&world);
    cr_assert_eq(records(&world, 0), 0);
    test_world_close(&world);
}
