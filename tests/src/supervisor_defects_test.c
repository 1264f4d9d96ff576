/* supervisor: what supervisors of other runtimes got wrong, each by the number of the defect, where no other test has it. */
#include "tests/support/tree.h"

#include <stdio.h>
#include <unistd.h>

/* One body, in each layout. */
#define DEFECT_TEST(name)                                                       \
    static void name(tree_layout layout);                                       \
    Test(supervisor_defects, name, .timeout = 120)                              \
    {                                                                           \
        for (unsigned layout = TREE_ONE_LOOP; layout <= TREE_OWNED; layout++) { \
            name((tree_layout)layout);                                          \
        }                                                                       \
    }                                                                           \
    static void name(tree_layout layout)

/* ---- nothing of the last one is left ---- */

enum { PAYLOADS = 3 };

/* What a child has taken when it dies, and its own functions. */
typedef struct belongings {
    tree *tree;
    jzx_init_fn init;
    int fd;
    test_ledger ledger;
    uint32_t failures; /* calls of its init that could not take something: it was not free yet */
    uint32_t looks;    /* of the observer */
    uint32_t left;     /* what it saw of one that had stopped */
} belongings;

static belongings own;

static jzx_err init_and_take(jzx_context *context, void *argument, void **state)
{
    jzx_watch_id watch;
    jzx_err err = own.init(context, argument, state);
    own.failures += jzx_register(context, "another name", jzx_self(context)) != JZX_OK;
    own.failures += jzx_watch(context, own.fd, JZX_IO_READ, &watch) != JZX_OK;
    for (unsigned i = 0; i < PAYLOADS; i++) {
        jzx_message message = test_payload(&own.ledger, 9, 16);
        own.failures += jzx_timer_after(context, TREE_HOUR_NS, &message, NULL) != JZX_OK;
    }
    return err;
}

static void look_what_is_left(void *user, jzx_context *context, const jzx_supervision_event *event)
{
    (void)context;
    belongings *b = user;
    jzx_actor_id id;
    if (event->kind == JZX_SUPERVISION_STOPPED && strcmp(event->name, "a") == 0) {
        b->looks++;
        b->left += test_ledger_open(&b->ledger) != 0;
        b->left += jzx_whereis(b->tree->world.runtime, "a", &id) == JZX_OK;
        b->left += jzx_whereis(b->tree->world.runtime, "another name", &id) == JZX_OK;
        b->left += b->tree->kids[0].alive != 0;
    }
}

static void die_with_belongings(tree *t, tree_kid *a, tree_death death)
{
    uint32_t inits = a->inits;
    jzx_context *context = jzx_loop_context(t->world.loops[t->kid_loop]);
    if (death < TREE_SHUTDOWN) {
        tree_kill_quietly(t, a, death);
    }
    for (unsigned i = 0; i < PAYLOADS; i++) {
        jzx_message message = test_payload(&own.ledger, 5, 64);
        cr_assert_eq(jzx_send(context, a->id, &message), JZX_OK);
    }
    if (death >= TREE_SHUTDOWN) {
        tree_kill_quietly(t, a, death);
    }
    test_until(&t->world, a->inits > inits);
    tree_settle(t);
}

/* P6: payloads, timers, names, the watch and the state are gone when the end is told, and before the next one begins. */
DEFECT_TEST(D34_an_end_is_told_when_all_is_let_go)
{
    tree t;
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    tree_prepare(&t, layout);
    t.config.timers_max = PAYLOADS; /* no room for those of two incarnations */
    tree_open_world(&t);
    t.spec.intensity = JZX_INTENSITY_UNLIMITED;
    tree_kid *a = tree_add(&t, "a");
    own = (belongings){.tree = &t, .init = a->spec->init, .fd = fds[0]};
    a->spec->init = init_and_take;
    a->spec->register_name = true;
    const jzx_observer functions = {.struct_size = sizeof functions, .supervision = look_what_is_left};
    cr_assert_eq(jzx_observer_add(t.world.loops[t.sup_loop], &functions, &own), JZX_OK);
    tree_start(&t);
    static const tree_death deaths[] = {TREE_FAIL, TREE_NORMAL, TREE_KILL, TREE_FAIL_BY, TREE_SHUTDOWN};
    for (unsigned i = 0; i < 5; i++) {
        die_with_belongings(&t, a, deaths[i]);
    }
    cr_assert_eq(own.looks, 5);
    cr_assert_eq(own.left, 0, "something was left %u times", own.left);
    cr_assert_eq(own.failures, 0, "something was not free %u times", own.failures);
    cr_assert_eq(own.ledger.dropped, 5 * 2 * PAYLOADS);
    tree_close(&t);
    cr_assert_eq(own.ledger.twice, 0);
    cr_assert_eq(close(fds[0]) + close(fds[1]), 0);
}

/* ---- siblings ---- */

/* Those that fail by themselves while their group is stopped keep their reasons, and are one failure with it. */
DEFECT_TEST(D33_siblings_that_fail_at_once_keep_their_reasons)
{
    static const char *const names[] = {"a", "b", "c"};
    tree t;
    tree_open(&t, layout);
    t.spec.strategy = JZX_ONE_FOR_ALL;
    for (unsigned i = 0; i < 3; i++) {
        tree_add(&t, names[i]);
    }
    tree_start(&t);
    for (unsigned i = 0; i < 3; i++) {
        tree_kill_quietly(&t, &t.kids[i], TREE_FAIL);
    }
    tree_settle(&t);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(tree_seen(&t, JZX_SUPERVISION_STOPPED, names[i]), 1);
        const tree_event *e = tree_event_of(&t, JZX_SUPERVISION_STOPPED, names[i], 0);
        cr_assert_eq(e->exit.kind, (uint32_t)JZX_EXIT_FAIL, "%s: %u", names[i], e->exit.kind);
        cr_assert_eq(e->exit.code, 42);
        cr_assert_eq(t.kids[i].inits, 2);
    }
    cr_assert_eq(t.seen[JZX_SUPERVISION_RESTART], 1, "one failure of one group");
    tree_expect_counts(&t, 3, 3);
    tree_close(&t);
}

/* Of a group only the one that failed has a restart to its name. */
DEFECT_TEST(D39_siblings_are_not_blamed)
{
    tree t;
    tree_open(&t, layout);
    t.spec.strategy = JZX_ONE_FOR_ALL;
    tree_kid *a = tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    tree_start(&t);
    tree_die(&t, a, TREE_FAIL);
    tree_die(&t, a, TREE_FAIL);
    cr_assert_eq(tree_list(&t, t.sup).count, 2);
    cr_assert_eq(t.list[0].restarts, 2);
    cr_assert_eq(t.list[0].incarnation, 3);
    cr_assert_eq(t.list[1].restarts, 0);
    cr_assert_eq(t.list[1].incarnation, 3);
    tree_stop_sup(&t);
    cr_assert_eq(a->exit.restarts, 2);
    cr_assert_eq(b->exit.restarts, 0);
    tree_close(&t);
}

/* A delay that is over while more of its group is being stopped starts nobody: the group waits anew when all are down. */
DEFECT_TEST(D35_nobody_starts_while_its_group_is_stopped)
{
    tree t;
    tree_open(&t, layout);
    t.spec.strategy = JZX_REST_FOR_ONE;
    t.spec.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = 200 * TREE_MS_NS};
    tree_kid *a = tree_add(&t, "a");
    tree_add(&t, "b");
    tree_start(&t);
    tree_kill_quietly(&t, a, TREE_FAIL);
    test_until(&t.world, t.seen[JZX_SUPERVISION_RESTART] == 1);
    tree_kid *slow = tree_spare(&t, "slow");
    tree_kid *last = tree_spare(&t, "last");
    slow->spec->trap_exit = true;
    slow->obedience = TREE_LATE;
    slow->late_ns = 300 * TREE_MS_NS;
    cr_assert_eq(tree_child_start(&t, t.sup, slow->spec).err, JZX_OK);
    cr_assert_eq(tree_child_start(&t, t.sup, last->spec).err, JZX_OK);
    if (a->inits == 1) { /* else the machine stood still for so long: nothing can be said */
        tree_forget(&t);
        tree_kill_quietly(&t, last, TREE_FAIL);
        test_until(&t.world, last->inits == 2);
        tree_expect_log(&t, "-last:fail ?slow -slow +a +b +slow +last");
    }
    tree_close(&t);
}

/* ---- backoff ---- */

/* A child can do without its supervisor's backoff, and with one of its own. */
DEFECT_TEST(D43_none_is_not_inherit)
{
    static const uint32_t kinds[] = {JZX_BACKOFF_INHERIT, JZX_BACKOFF_NONE, JZX_BACKOFF_CONSTANT};
    static const uint64_t delays[] = {TREE_HOUR_NS, 0, 2 * TREE_HOUR_NS};
    static const char *const names[] = {"a", "b", "c"};
    tree t;
    tree_open(&t, layout);
    t.spec.intensity = 3;
    t.spec.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = TREE_HOUR_NS};
    for (unsigned i = 0; i < 3; i++) {
        tree_kid *kid = tree_add(&t, names[i]);
        kid->spec->backoff = (jzx_backoff){.kind = kinds[i]};
        kid->spec->backoff.initial_ns = kinds[i] == JZX_BACKOFF_CONSTANT ? 2 * TREE_HOUR_NS : 0;
    }
    tree_start(&t);
    for (unsigned i = 0; i < 3; i++) {
        tree_die(&t, &t.kids[i], TREE_FAIL);
        cr_assert_eq(tree_event_of(&t, JZX_SUPERVISION_RESTART, names[i], 0)->event.delay_ns, delays[i]);
        tree_expect_state(&t, names[i], delays[i] == 0 ? JZX_CHILD_RUNNING : JZX_CHILD_RESTARTING);
    }
    tree_close(&t);
}

enum { DRAWS = 8 };

static void draw_delays(tree_layout layout, uint64_t seed, uint64_t delays[DRAWS])
{
    tree t;
    tree_prepare(&t, layout);
    t.config.seed = seed;
    tree_open_world(&t);
    t.spec.intensity = JZX_INTENSITY_UNLIMITED;
    t.spec.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = 100000, .jitter = 1000};
    tree_kid *a = tree_add(&t, "a");
    tree_start(&t);
    for (uint32_t i = 0; i < DRAWS; i++) {
        tree_kill_quietly(&t, a, TREE_FAIL);
        test_until(&t.world, a->inits == i + 2);
        tree_settle(&t);
        delays[i] = tree_event_of(&t, JZX_SUPERVISION_RESTART, "a", i)->event.delay_ns;
    }
    tree_close(&t);
}

/* Jitter is drawn from the loop's seed, so that a run can be played again. */
DEFECT_TEST(D42_jitter_is_of_the_seed)
{
    uint64_t first[DRAWS];
    uint64_t again[DRAWS];
    uint64_t other[DRAWS];
    draw_delays(layout, 7, first);
    draw_delays(layout, 7, again);
    draw_delays(layout, 8, other);
    cr_assert_eq(memcmp(first, again, sizeof first), 0);
    cr_assert_neq(memcmp(first, other, sizeof first), 0);
}

/* ---- state ---- */

enum { STATE = 256 };
static jzx_init_fn init_of_kid;
static uint32_t dirty;

/* Looks whether its state is fresh, and spoils it. */
static jzx_err init_in_fresh_state(jzx_context *context, void *argument, void **state)
{
    uint8_t *bytes = *state;
    for (unsigned i = 0; i < STATE; i++) {
        dirty += bytes[i] != 0;
    }
    memset(bytes, 0xAA, STATE);
    return init_of_kid(context, argument, state);
}

DEFECT_TEST(D46_each_incarnation_has_a_state_of_its_own)
{
    tree t;
    tree_open(&t, layout);
    t.spec.intensity = JZX_INTENSITY_UNLIMITED;
    tree_kid *a = tree_add(&t, "a");
    tree_give_state(a, STATE);
    init_of_kid = a->spec->init;
    a->spec->init = init_in_fresh_state;
    dirty = 0;
    tree_start(&t);
    static const tree_death deaths[] = {TREE_FAIL, TREE_KILL, TREE_NORMAL};
    for (unsigned i = 0; i < 3; i++) {
        tree_die(&t, a, deaths[i]);
        a->fail_inits = 1; /* and after one that has spoilt it and failed */
        tree_die(&t, a, deaths[i]);
    }
    cr_assert_eq(a->inits, 1 + 3 * 3);
    cr_assert_eq(dirty, 0);
    tree_close(&t);
}

/* ---- reasons ---- */

/* The first reason decides whether one is restarted, whatever comes after it. */
DEFECT_TEST(D48_the_first_reason_decides)
{
    static const tree_death ways[][2] = {{TREE_FAIL_BY, TREE_SHUTDOWN},
                                         {TREE_KILL, TREE_SHUTDOWN},
                                         {TREE_SHUTDOWN, TREE_FAIL_BY},
                                         {TREE_SHUTDOWN, TREE_KILL}};
    for (unsigned i = 0; i < 4; i++) {
        tree t;
        tree_open(&t, layout);
        tree_kid *a = tree_add(&t, "a");
        a->spec->restart = JZX_TRANSIENT;
        tree_start(&t);
        tree_kill_quietly(&t, a, ways[i][0]);
        tree_kill_quietly(&t, a, ways[i][1]);
        tree_settle(&t);
        cr_assert_eq(a->inits, i < 2 ? 2 : 1, "way %u", i);
        cr_assert_eq(t.seen[JZX_SUPERVISION_STOPPED], 1);
        tree_expect_counts(&t, 1, i < 2);
        tree_close(&t);
    }
}

/* How long it lived, and what it was doing. */
DEFECT_TEST(D49_the_exit_says_how_long_it_lived_and_in_which_message_it_failed)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    uint64_t began_ns = test_now_ns();
    tree_start(&t);
    tree_pass(&t, 5 * TREE_MS_NS);
    tree_die(&t, a, TREE_FAIL);
    uint64_t most_ns = test_now_ns() - began_ns;
    const jzx_exit_info *exit = &tree_event_of(&t, JZX_SUPERVISION_STOPPED, "a", 0)->exit;
    cr_assert_eq(exit->tag, TREE_DIE);
    cr_assert(exit->uptime_ns >= 4 * TREE_MS_NS && exit->uptime_ns <= most_ns, "%lu of %lu",
              (unsigned long)exit->uptime_ns, (unsigned long)most_ns);
    tree_die(&t, a, TREE_KILL);
    exit = &tree_event_of(&t, JZX_SUPERVISION_STOPPED, "a", 1)->exit;
    cr_assert_eq(exit->tag, 0);
    cr_assert_lt(exit->uptime_ns, most_ns + 20000000000ull);
    tree_close(&t);
}

/* ---- on purpose ---- */

static jzx_behavior_fn behavior_of_kid;
static jzx_actor_id asked_supervisor;
static bool and_restart;

/* With its mail it asks its own supervisor for its end. */
static jzx_behavior_result ask_for_own_end(jzx_context *context, void *state, const jzx_message *message)
{
    if (message->tag == TREE_MAIL) {
        jzx_child_key key = jzx_child_named("a");
        cr_assert_eq(jzx_child_terminate(context, asked_supervisor, key, NULL), JZX_OK);
        if (and_restart) {
            cr_assert_eq(jzx_child_restart(context, asked_supervisor, key, NULL), JZX_OK);
        }
    }
    return behavior_of_kid(context, state, message);
}

/* A permanent child can be stopped on purpose, even by itself: nobody waits for anybody (OTP: a deadlock). */
DEFECT_TEST(D51_a_permanent_child_asks_for_its_own_end)
{
    for (unsigned i = 0; i < 4; i++) {
        tree t;
        tree_open(&t, layout);
        t.spec.intensity = 0;
        tree_kid *a = tree_add(&t, "a");
        a->spec->trap_exit = i % 2 == 1;
        a->spec->shutdown_ns = JZX_FOREVER;
        behavior_of_kid = a->spec->behavior;
        a->spec->behavior = ask_for_own_end;
        tree_start(&t);
        asked_supervisor = t.sup;
        and_restart = i / 2 == 1;
        const jzx_message mail = jzx_message_empty(TREE_MAIL);
        cr_assert_eq(jzx_send(jzx_loop_context(t.world.loops[t.kid_loop]), a->id, &mail), JZX_OK);
        test_until(&t.world, a->finis == 1);
        tree_settle(&t);
        cr_assert_eq(a->inits, and_restart ? 2 : 1);
        tree_expect_state(&t, "a", and_restart ? JZX_CHILD_RUNNING : JZX_CHILD_STOPPED);
        cr_assert_eq(t.seen[JZX_SUPERVISION_RESTART], 0, "it is no failure");
        tree_close(&t);
    }
}

/* ---- specs ---- */

/* All that an added child is described by may go as soon as the call has returned. */
DEFECT_TEST(T18_the_spec_of_an_added_child_is_copied)
{
    tree t;
    tree_open(&t, layout);
    tree_start(&t);
    tree_kid *a = tree_spare(&t, "a");
    t.template_kid = a;
    tree_kid *argument = a;
    char name[] = "a";
    jzx_init_fn init = a->spec->init;
    tree_make_template(a); /* its init reads the pointer out of the bytes of the argument */
    t.spec.strategy = JZX_ONE_FOR_ONE;
    cr_assert_neq(a->spec->init, init);
    jzx_child_spec spec = *a->spec;
    spec.name = name;
    spec.argument = &argument;
    tree_request request = {.ask = TREE_ASK_START, .sup = t.sup, .spec = &spec};
    tree_ask_begin(&t, &request);
    memset(&spec, 0xEE, sizeof spec);
    memset(name, 'z', sizeof name - 1);
    argument = NULL;
    cr_assert_eq(tree_ask_end(&t, &request).err, JZX_OK);
    tree_die(&t, a, TREE_FAIL);
    cr_assert_eq(a->inits, 2, "also when it is restarted");
    tree_expect_state(&t, "a", JZX_CHILD_RUNNING);
    tree_close(&t);
}

/* ---- memory ---- */

enum { LIVES = 1000 };

static size_t live_bytes(const tree *t)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < JZX_MEMORY_KINDS; i++) {
        bytes += t->world.memory[i].live;
    }
    return bytes;
}

/* P15: whatever a child asks for, its restarts leave nothing, and all of it fits what the config says. */
DEFECT_TEST(D14_restarts_with_all_that_a_spec_can_ask_for_leave_nothing)
{
    tree t;
    tree_prepare(&t, layout);
    tree_open_world(&t);
    t.spec.intensity = JZX_INTENSITY_UNLIMITED;
    tree_kid *a = tree_add(&t, "a");
    tree_give_state(a, 1000);
    a->spec->keep_mail = true;
    a->spec->register_name = true;
    a->spec->trap_exit = true;
    tree_start(&t);
    t.quiet = true;
    size_t before = 0;
    jzx_context *context = jzx_loop_context(t.world.loops[t.kid_loop]);
    const jzx_message mail = jzx_message_empty(TREE_MAIL);
    for (unsigned i = 0; i < LIVES; i++) {
        tree_kill_quietly(&t, a, i % 2 == 0 ? TREE_FAIL : TREE_NORMAL);
        cr_assert_eq(jzx_send(context, a->id, &mail), JZX_OK);
        test_until(&t.world, a->mails == i + 1);
        before = i == LIVES / 10 ? live_bytes(&t) : before;
    }
    cr_assert_eq(a->inits, LIVES + 1);
    cr_assert_eq(live_bytes(&t), before);
    jzx_footprint footprint = {.struct_size = sizeof footprint};
    cr_assert_eq(jzx_config_footprint(&t.world.config, &footprint), JZX_OK);
    cr_assert_leq(t.world.memory[JZX_MEMORY_METADATA].peak, footprint.metadata);
    tree_close(&t);
}

/* What all children and links of a loop take, on both of its sides. */
static jzx_behavior_result link_with_all(jzx_context *context, test_actor *actor, void *argument)
{
    const tree *t = actor->data;
    uint32_t *links = argument;
    while (*links < t->config.links_max && jzx_link(context, t->list[*links].id) == JZX_OK) {
        ++*links;
    }
    return JZX_BEHAVIOR_OK;
}

static size_t footprint_of(const jzx_config *config)
{
    jzx_footprint footprint = {.struct_size = sizeof footprint};
    cr_assert_eq(jzx_config_footprint(config, &footprint), JZX_OK);
    return footprint.metadata;
}

/* P15: as many children and links as the config allows take no more than it says. */
Test(supervisor_defects, D14_all_children_and_links_fit_the_footprint, .timeout = 60)
{
    enum { FEW = 256, MANY = 4096 };
    tree t;
    tree_prepare(&t, TREE_ONE_LOOP);
    t.config.actors_max = MANY + 2;
    t.config.children_max = MANY;
    t.config.links_max = MANY;
    tree_open_world(&t);
    tree_kid *kid = tree_add(&t, "template");
    tree_make_template(kid);
    kid->spec->restart = JZX_TEMPORARY;
    tree_start(&t);
    t.quiet = true;
    size_t few = 0;
    for (uint32_t i = 0; i < MANY; i++) {
        few = i == FEW ? t.world.memory[JZX_MEMORY_METADATA].live : few;
        cr_assert_eq(tree_child_like(&t, kid).err, JZX_OK, "child %u", i);
        kid->alive = 0; /* many of one kid live */
    }
    tree_answer answer = tree_child_like(&t, kid);
    cr_assert_eq(answer.err, JZX_ERR_LIMIT, "%s", jzx_strerror(answer.err));
    cr_assert_eq(tree_list(&t, t.sup).count, MANY);
    uint32_t links = 0;
    test_do(&t.world, &t.boss, link_with_all, &links);
    tree_settle(&t);
    cr_assert_eq(links, MANY / 2, "each has two sides");
    jzx_config small = t.world.config;
    small.actors_max = small.children_max = small.links_max = FEW;
    size_t more = footprint_of(&t.world.config) - footprint_of(&small);
    size_t took = t.world.memory[JZX_MEMORY_METADATA].live - few;
    cr_log_info("%zu bytes of %zu", took, more);
    cr_assert_leq(took, more);
    cr_assert_leq(t.world.memory[JZX_MEMORY_METADATA].peak, footprint_of(&t.world.config));
    kid->alive = MANY;
    tree_close(&t);
}

/* P2: what cannot be sent to a child that is down is still the sender's. */
DEFECT_TEST(D88_a_payload_for_a_child_that_is_down_is_the_senders)
{
    tree t;
    test_ledger ledger = {0};
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    tree_start(&t);
    cr_assert_eq(tree_terminate(&t, t.sup, "a").err, JZX_OK);
    jzx_context *context = jzx_loop_context(t.world.loops[0]);
    jzx_message message = test_payload(&ledger, 5, 64);
    cr_assert_eq(jzx_child_send(context, a->ref, &message), JZX_ERR_NOT_RUNNING);
    cr_assert_eq(tree_delete(&t, t.sup, "a").err, JZX_OK);
    cr_assert_eq(jzx_child_send(context, a->ref, &message), JZX_ERR_NOT_FOUND);
    cr_assert_eq(ledger.dropped, 0);
    cr_assert_eq(test_payload_take(&ledger, &message), 0);
    tree_close(&t);
    cr_assert_eq(ledger.twice, 0);
}

/* ---- links with those above ---- */

static jzx_behavior_result hold_on_to_supervisor(jzx_context *context, void *state, const jzx_message *message)
{
    uint64_t monitor;
    if (message->tag == TREE_MAIL) {
        cr_assert_eq(jzx_link(context, asked_supervisor), JZX_OK);
        cr_assert_eq(jzx_monitor(context, asked_supervisor, &monitor), JZX_OK);
        if (and_restart) { /* here: and lets go again */
            cr_assert_eq(jzx_unlink(context, asked_supervisor), JZX_OK);
        }
    }
    return behavior_of_kid(context, state, message);
}

/* A child is restarted, once, and stopped in order, whatever else it has with its supervisor. */
DEFECT_TEST(D29_links_to_the_supervisor_change_nothing)
{
    for (unsigned i = 0; i < 4; i++) {
        tree t;
        tree_open(&t, layout);
        tree_kid *a = tree_add(&t, "a");
        tree_kid *b = tree_add(&t, "b");
        a->spec->trap_exit = i % 2 == 1;
        behavior_of_kid = a->spec->behavior;
        a->spec->behavior = hold_on_to_supervisor;
        tree_start(&t);
        asked_supervisor = t.sup;
        and_restart = i / 2 == 1;
        for (unsigned life = 0; life < 2; life++) {
            const jzx_message mail = jzx_message_empty(TREE_MAIL);
            cr_assert_eq(jzx_send(jzx_loop_context(t.world.loops[t.kid_loop]), a->id, &mail), JZX_OK);
            test_until(&t.world, a->mails == life + 1);
            tree_settle(&t);
            tree_die(&t, a, TREE_FAIL);
        }
        cr_assert_eq(t.seen[JZX_SUPERVISION_RESTART], 2);
        cr_assert_eq(b->inits, 1);
        tree_expect_counts(&t, 2, 2);
        tree_forget(&t);
        tree_stop_sup(&t);
        tree_expect_log(&t, i % 2 == 1 ? "-b ?a -a" : "-b -a");
        tree_close(&t);
    }
}

/* ---- no room ---- */

/* S96 on one loop: another actor has the slot when the child is to come back. It waits for it, and is not forgotten. */
Test(supervisor_defects, D17_no_slot_for_a_restart_on_its_own_loop, .timeout = 60)
{
    tree t;
    tree_prepare(&t, TREE_ONE_LOOP);
    t.config.actors_max = 4; /* the one that asks, the supervisor, its child, and one more */
    tree_open_world(&t);
    t.spec.intensity = JZX_INTENSITY_UNLIMITED;
    t.spec.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = 50 * TREE_MS_NS};
    tree_kid *a = tree_add(&t, "a");
    tree_start(&t);
    static test_actor fillers[2];
    memset(fillers, 0, sizeof fillers);
    test_spawn(&t.world, 0, &fillers[0]);
    tree_kill_quietly(&t, a, TREE_KILL);
    test_until(&t.world, a->alive == 0);
    tree_settle(&t);
    test_spawn(&t.world, 0, &fillers[1]);
    test_until(&t.world, tree_seen(&t, JZX_SUPERVISION_START_FAILED, "a") >= 2);
    cr_assert_eq(tree_event_of(&t, JZX_SUPERVISION_START_FAILED, "a", 0)->event.err, JZX_ERR_MAX_ACTORS);
    tree_end(&t, fillers[1].id, TREE_KILL);
    test_until(&t.world, a->alive == 1);
    tree_expect_counts(&t, 1, 1);
    tree_close(&t);
}
