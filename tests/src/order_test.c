/*
 * order: priorities, the stash, become, progress, limits of handlers, and loops that are seen to stall. Where two actors
 * matter, once on one loop and once on two.
 */
#include "tests/support/support.h"

#include "sched/annex.h"
#include "src/internal.h"

#include <stdlib.h>
#include <string.h>

enum { TAG_GO = 900, TAG_TICK = 901, MS = 1000000 };

static uint64_t dropped(const test_world *world, jzx_drop_reason reason)
{
    return test_count(world, offsetof(jzx_counters, dropped) + reason * sizeof(uint64_t));
}

static jzx_context *host_of(const test_world *world, uint32_t loop)
{
    return jzx_loop_context(world->loops[loop]);
}

static uint32_t length_of(const test_world *world, const test_actor *actor)
{
    const jzx_loop *loop = world->loops[jzx_actor_loop(actor->id)];
    return jzx__public(loop, jzx__id_index(actor->id))->mailbox_length;
}

/* Every accepted message has met its fate. */
static void assert_settled(const test_world *world)
{
    for (uint32_t i = 0; i < world->loop_count; i++) {
        jzx_counters counters;
        cr_assert_eq(jzx_loop_stats(world->loops[i], &counters), JZX_OK);
        cr_assert_eq(counters.queued, 0, "%llu messages of loop %u", (unsigned long long)counters.queued, i);
    }
}

/* Two actors, `to` on the last of the loops. */
typedef struct pair {
    test_world world;
    test_actor from;
    test_actor to;
} pair;

static void pair_open(pair *p, uint32_t loops, const jzx_config *config)
{
    test_world_open(&p->world, loops, config);
    test_spawn(&p->world, 0, &p->from);
}

static void pair_spawn(pair *p, const jzx_spawn_options *options)
{
    jzx_spawn_options own;
    if (options == NULL) {
        test_actor_options(&p->to, &own);
        options = &own;
    }
    test_spawn_with(&p->world, p->world.loop_count - 1, &p->to, options);
}

static void pair_stop(pair *p, test_actor *actor)
{
    if (actor->id != 0 && actor->finis == 0) {
        cr_assert_eq(jzx_stop(host_of(&p->world, jzx_actor_loop(actor->id)), actor->id), JZX_OK);
        test_until(&p->world, actor->finis == 1);
    }
}

static void pair_close(pair *p)
{
    pair_stop(p, &p->to);
    pair_stop(p, &p->from);
    test_world_settle(&p->world);
    assert_settled(&p->world);
    test_world_close(&p->world);
}

/*
 * Sends one message after the other in one handler, as the letters say: n normal, h high, N and H the same with a payload,
 * r a request, c and C a call of normal and of high priority, s ends the sender. Tags count from 1.
 */
typedef struct letters {
    const char *what;
    jzx_actor_id to;
    test_ledger *ledger;
    jzx_err errs[TEST_LOG];
    jzx_behavior_result result;
} letters;

static jzx_message letter(const letters *l, uint32_t i)
{
    bool pointer = l->what[i] == 'N' || l->what[i] == 'H';
    return pointer ? test_payload(l->ledger, i + 1, 16) : jzx_message_empty(i + 1);
}

/* How often the calls of an actor have ended so, if it counts that. */
static jzx_behavior_result count_end(jzx_context *context, void *state, void *argument, const jzx_result *result)
{
    test_actor *actor = state;
    (void)context;
    (void)argument;
    if (actor->data != NULL) {
        ((uint32_t *)actor->data)[-result->err]++;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err write_call(jzx_context *context, jzx_actor_id to, const jzx_message *message, bool high)
{
    jzx_call_options options;
    jzx_call_options_init(&options);
    options.on_answer = count_end;
    options.high = high;
    return jzx_call_with(context, to, message, &options, NULL);
}

static jzx_err write_letter(jzx_context *context, jzx_actor_id to, const jzx_message *message, char what)
{
    if (what == 'r') {
        return jzx_request(context, to, message, JZX_FOREVER, NULL);
    }
    if (what == 'c' || what == 'C') {
        return write_call(context, to, message, what == 'C');
    }
    return jzx_send_with(context, to, message, what == 'h' || what == 'H' ? JZX_SEND_HIGH : 0);
}

static jzx_behavior_result write_letters(jzx_context *context, test_actor *actor, void *argument)
{
    letters *l = argument;
    (void)actor;
    for (uint32_t i = 0; l->what[i] != '\0'; i++) {
        jzx_message message = letter(l, i);
        if (l->what[i] == 's') {
            return JZX_BEHAVIOR_STOP;
        }
        l->errs[i] = write_letter(context, l->to, &message, l->what[i]);
        if (l->errs[i] != JZX_OK && (message.flags & JZX_MESSAGE_POINTER) != 0) {
            (void)test_payload_take(l->ledger, &message);
        }
    }
    return JZX_BEHAVIOR_OK;
}

static void send_letters(pair *p, const char *what)
{
    letters l = {.what = what, .to = p->to.id, .ledger = p->to.ledger};
    test_do(&p->world, &p->from, write_letters, &l);
    for (uint32_t i = 0; what[i] != '\0' && what[i] != 's'; i++) {
        cr_assert_eq(l.errs[i], JZX_OK, "letter %u: %s", i, jzx_strerror(l.errs[i]));
    }
}

/* The same at once, by the host of the receiver's loop, before anybody runs. */
static void host_letters(pair *p, const char *what)
{
    jzx_context *host = host_of(&p->world, jzx_actor_loop(p->to.id));
    letters l = {.what = what, .to = p->to.id, .ledger = p->to.ledger};
    for (uint32_t i = 0; what[i] != '\0'; i++) {
        jzx_message message = letter(&l, i);
        bool high = what[i] == 'h' || what[i] == 'H';
        cr_assert_eq(jzx_send_with(host, p->to.id, &message, high ? JZX_SEND_HIGH : 0), JZX_OK);
    }
}

/* The tags that came, in order. */
static void assert_came(pair *p, const uint32_t *tags, uint32_t count)
{
    test_until(&p->world, p->to.received >= count);
    test_world_settle(&p->world);
    cr_assert_eq(p->to.received, count, "%u came", p->to.received);
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_eq(p->to.log[i].tag, tags[i], "message %u has tag %u, not %u", i, p->to.log[i].tag, tags[i]);
    }
}

#define CAME(p, ...)                                                     \
    do {                                                                 \
        const uint32_t tags_[] = {__VA_ARGS__};                          \
        assert_came(p, tags_, (uint32_t)(sizeof tags_ / sizeof *tags_)); \
    } while (0)

/* ---- high mail ---- */

static void high_takes_turns(uint32_t loops)
{
    pair p = {0};
    pair_open(&p, loops, NULL);
    pair_spawn(&p, NULL);
    send_letters(&p, "nnnnhhh");
    CAME(&p, 5, 1, 6, 2, 7, 3, 4);
    p.to.received = 0;
    send_letters(&p, "nccnChC"); /* requests of calls are mail like any other */
    CAME(&p, 5, 1, 6, 2, 7, 3, 4);
    pair_close(&p);
}

Test(order, MB08_high_mail_takes_turns_with_normal_mail, .timeout = 60)
{
    high_takes_turns(1);
    high_takes_turns(2);
}

/* A flood of each: neither comes twice while the other waits, and each keeps its order. */
static void flood(uint32_t loops, uint16_t per_turn, const char kinds[2])
{
    enum { EACH = 50 };
    char what[2 * EACH + 1] = {0};
    memset(what, kinds[0], EACH);
    memset(what + EACH, kinds[1], EACH);
    pair p = {0};
    pair_open(&p, loops, NULL);
    jzx_spawn_options options;
    test_actor_options(&p.to, &options);
    options.messages_per_turn = per_turn;
    options.mailbox_cap = 2 * EACH;
    pair_spawn(&p, &options);
    send_letters(&p, what);
    test_until(&p.world, p.to.received == 2 * EACH);
    uint32_t normal = 0;
    uint32_t high = EACH;
    for (uint32_t i = 0; i < 2 * EACH; i++) {
        uint32_t tag = p.to.log[i].tag;
        uint32_t *last = tag > EACH ? &high : &normal;
        cr_assert_eq(tag, ++*last, "in the order of its priority");
        uint32_t behind = normal > high - EACH ? normal - (high - EACH) : high - EACH - normal;
        cr_assert_leq(behind, 1, "%u normal and %u high ones", normal, high - EACH);
    }
    pair_close(&p);
}

Test(order, MB08_neither_priority_starves_the_other, .timeout = 60)
{
    for (uint32_t loops = 1; loops <= 2; loops++) {
        flood(loops, 0, "nh");
        flood(loops, 1, "nh"); /* whose turn it is outlives a turn of the actor */
        flood(loops, 3, "nh");
        flood(loops, 0, "cC");
        flood(loops, 1, "cC");
        flood(loops, 1, "nC");
    }
}

typedef struct endless {
    uint32_t high;
    uint32_t high_at_tick;
    uint32_t high_at_normal;
    bool ticked;
} endless;

/* Sends itself another one of high priority each time. */
static jzx_behavior_result go_on_for_ever(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    endless *e = actor->data;
    jzx_message next = jzx_message_empty(TAG_GO);
    if (message->tag == TAG_TICK) {
        e->ticked = true;
        e->high_at_tick = e->high;
    } else if (message->tag == 1) {
        e->high_at_normal = e->high;
    } else if (!e->ticked || e->high_at_normal == 0) {
        e->high++;
        cr_assert_eq(jzx_send_with(context, actor->id, &next, JZX_SEND_HIGH), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result begin_endless(jzx_context *context, test_actor *actor, void *argument)
{
    jzx_message high = jzx_message_empty(TAG_GO);
    jzx_message normal = jzx_message_empty(1);
    jzx_message tick = jzx_message_empty(TAG_TICK);
    (void)argument;
    cr_assert_eq(jzx_send_with(context, actor->id, &high, JZX_SEND_HIGH), JZX_OK);
    cr_assert_eq(jzx_send(context, actor->id, &normal), JZX_OK);
    cr_assert_eq(jzx_timer_after(context, 0, &tick, NULL), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

Test(order, SC15_signals_and_mail_come_through_an_endless_row_of_high_mail, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    endless e = {0};
    test_actor actor = {.on = go_on_for_ever, .data = &e};
    test_spawn(&world, 0, &actor);
    test_do(&world, &actor, begin_endless, NULL);
    test_until(&world, e.ticked && e.high_at_normal != 0);
    cr_assert_leq(e.high_at_normal, 2);
    test_world_settle(&world);
    assert_settled(&world);
    test_world_close(&world);
}

static jzx_behavior_result watch_it(jzx_context *context, test_actor *actor, void *argument)
{
    uint64_t monitor;
    (void)actor;
    cr_assert_eq(jzx_monitor(context, *(jzx_actor_id *)argument, &monitor), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result link_it(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    cr_assert_eq(jzx_trap_exit(context, true), JZX_OK);
    cr_assert_eq(jzx_link(context, *(jzx_actor_id *)argument), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

/* Its last words, high ones too, come before the word that it has ended. */
static void end_after_high(uint32_t loops, bool link, uint16_t per_turn)
{
    pair p = {0};
    pair_open(&p, loops, NULL);
    jzx_spawn_options options;
    test_actor_options(&p.to, &options);
    options.messages_per_turn = per_turn;
    pair_spawn(&p, &options);
    test_do(&p.world, &p.to, link ? link_it : watch_it, &p.from.id);
    test_world_settle(&p.world);
    send_letters(&p, "nhhhhhs");
    CAME(&p, 2, 1, 3, 4, 5, 6, link ? JZX_TAG_SYS_EXIT : JZX_TAG_SYS_DOWN);
    pair_close(&p);
}

Test(order, nothing_that_an_actor_has_sent_comes_after_the_word_of_its_end, .timeout = 60)
{
    for (uint32_t loops = 1; loops <= 2; loops++) {
        for (uint16_t per_turn = 0; per_turn < 3; per_turn++) {
            end_after_high(loops, false, per_turn);
            end_after_high(loops, true, per_turn);
        }
    }
}

/* High mail that comes after the DOWN goes on taking turns with it: the DOWN is not put off for ever. */
static jzx_behavior_result high_until_down(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    endless *e = actor->data;
    jzx_message next = jzx_message_empty(TAG_GO);
    if (message->tag == JZX_TAG_SYS_DOWN) {
        e->ticked = true;
    } else if (!e->ticked) {
        e->high++;
        cr_assert_eq(jzx_send_with(context, actor->id, &next, JZX_SEND_HIGH), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

Test(order, a_DOWN_waits_only_for_the_high_mail_that_was_before_it, .timeout = 60)
{
    pair p = {0};
    endless e = {0};
    p.to = (test_actor){.on = high_until_down, .data = &e};
    pair_open(&p, 1, NULL);
    pair_spawn(&p, NULL);
    test_do(&p.world, &p.to, watch_it, &p.from.id);
    send_letters(&p, "hs");
    test_until(&p.world, e.ticked);
    cr_assert_leq(e.high, 8, "%u", e.high);
    pair_close(&p);
}

/* ---- high mail and full mailboxes ---- */

static jzx_behavior_result gated(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)message;
    return actor->data == NULL ? JZX_BEHAVIOR_YIELD : JZX_BEHAVIOR_OK;
}

static void spawn_gated(pair *p, uint32_t cap, jzx_mailbox_policy policy)
{
    jzx_spawn_options options;
    p->to.on = gated;
    test_actor_options(&p->to, &options);
    options.mailbox_cap = cap;
    options.mailbox_policy = (uint8_t)policy;
    pair_spawn(p, &options);
}

Test(order, MB08_a_full_mailbox_refuses_high_mail_too, .timeout = 60)
{
    pair p = {0};
    pair_open(&p, 1, NULL);
    spawn_gated(&p, 2, JZX_MAILBOX_REFUSE);
    letters l = {.what = "hnh", .to = p.to.id};
    test_do(&p.world, &p.from, write_letters, &l);
    cr_assert_eq(l.errs[2], JZX_ERR_MAILBOX_FULL);
    cr_assert_eq(length_of(&p.world, &p.to), 2);
    letters call = {.what = "C", .to = p.to.id};
    test_do(&p.world, &p.from, write_letters, &call);
    cr_assert_eq(call.errs[0], JZX_ERR_MAILBOX_FULL);
    p.to.data = &p;
    test_until(&p.world, p.to.received == 2);
    pair_close(&p);
}

/* What is to be dropped is normal mail; if there is none a mailbox must not grow for all that. */
static void drop_oldest(uint32_t loops)
{
    test_ledger ledger = {0};
    pair p = {0};
    p.to.ledger = &ledger;
    pair_open(&p, loops, NULL);
    spawn_gated(&p, 3, JZX_MAILBOX_DROP_OLDEST);
    send_letters(&p, "NHHHHNH");
    test_until(&p.world, dropped(&p.world, JZX_DROP_OLDEST) + dropped(&p.world, JZX_DROP_NEWEST) == 4);
    cr_assert_eq(length_of(&p.world, &p.to), 3);
    cr_assert_eq(dropped(&p.world, JZX_DROP_OLDEST), 1, "the only normal one: 1");
    cr_assert_eq(dropped(&p.world, JZX_DROP_NEWEST), 3, "5, 6 and 7, for there is no other normal one");
    p.to.data = &p;
    CAME(&p, 2, 3, 4);
    pair_close(&p);
    cr_assert_eq(test_ledger_open(&ledger), 0);
    cr_assert_eq(ledger.twice, 0);
}

Test(order, MB03_drop_oldest_spares_high_mail_and_keeps_to_the_cap, .timeout = 60)
{
    drop_oldest(1);
    drop_oldest(2);
}

/* The same of calls, which are answered so. */
static void drop_calls(uint32_t loops, jzx_mailbox_policy policy)
{
    uint32_t ends[512] = {0};
    pair p = {.from.data = ends};
    pair_open(&p, loops, NULL);
    spawn_gated(&p, 3, policy);
    send_letters(&p, "cCCCcC");
    test_until(&p.world, ends[-JZX_ERR_MAILBOX_FULL] == 3);
    cr_assert_eq(length_of(&p.world, &p.to), 3);
    p.to.data = &p;
    if (policy == JZX_MAILBOX_DROP_OLDEST) {
        CAME(&p, 2, 3, 4);
    }
    test_until(&p.world, p.to.received == 3);
    pair_stop(&p, &p.to);
    test_until(&p.world, ends[-JZX_ERR_ENDED] == 3);
    pair_close(&p);
}

Test(order, a_call_that_a_policy_drops_is_answered_of_whatever_priority, .timeout = 60)
{
    for (uint32_t loops = 1; loops <= 2; loops++) {
        drop_calls(loops, JZX_MAILBOX_DROP_OLDEST);
        drop_calls(loops, JZX_MAILBOX_DROP_NEWEST);
    }
}

/* What is queued when its actor is ended is answered, from whichever queue. */
static void end_with_calls(uint32_t loops)
{
    uint32_t ends[512] = {0};
    pair p = {.from.data = ends};
    pair_open(&p, loops, NULL);
    spawn_gated(&p, 8, JZX_MAILBOX_REFUSE);
    send_letters(&p, "cCC");
    test_until(&p.world, length_of(&p.world, &p.to) == 3);
    cr_assert_eq(jzx_kill(host_of(&p.world, loops - 1), p.to.id), JZX_OK);
    test_until(&p.world, ends[-JZX_ERR_ENDED] == 3);
    pair_close(&p);
}

Test(order, the_end_answers_high_calls_too, .timeout = 60)
{
    end_with_calls(1);
    end_with_calls(2);
}

Test(order, MB02_drop_newest_drops_the_high_newcomer, .timeout = 60)
{
    pair p = {0};
    pair_open(&p, 1, NULL);
    spawn_gated(&p, 2, JZX_MAILBOX_DROP_NEWEST);
    send_letters(&p, "nnhh");
    cr_assert_eq(dropped(&p.world, JZX_DROP_NEWEST), 2);
    p.to.data = &p;
    CAME(&p, 1, 2);
    pair_close(&p);
}

/* ---- high mail that is yielded, asked, and left behind ---- */

static jzx_behavior_result yield_first(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    return message->tag == 2 && actor->yields < 2 ? JZX_BEHAVIOR_YIELD : JZX_BEHAVIOR_OK;
}

static void yield_high(uint32_t loops, const char *what)
{
    pair p = {0};
    p.to.on = yield_first;
    pair_open(&p, loops, NULL);
    pair_spawn(&p, NULL);
    send_letters(&p, what);
    /* 2 is put back in front of 3; 1 and 4 have their turns while it is repeated. */
    CAME(&p, 1, 4, 2, 3, 5);
    pair_close(&p);
}

Test(order, a_yielded_high_message_comes_before_the_next_high_one, .timeout = 60)
{
    for (uint32_t loops = 1; loops <= 2; loops++) {
        yield_high(loops, "nhhnh");
        yield_high(loops, "nCCnC");
    }
}

static jzx_behavior_result answer_all(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)actor;
    jzx_message answer = jzx_message_empty(message->tag + 100);
    if ((message->flags & JZX_MESSAGE_REQUEST) != 0) {
        cr_assert_eq(jzx_answer(context, message->ref, &answer), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

static void end_with_high(uint32_t loops, bool drain)
{
    test_ledger ledger = {0};
    pair p = {0};
    p.to.ledger = &ledger;
    pair_open(&p, loops, NULL);
    pair_spawn(&p, NULL);
    host_letters(&p, "NHnhN");
    jzx_context *host = host_of(&p.world, loops - 1);
    cr_assert_eq(drain ? jzx_drain(host, p.to.id) : jzx_kill(host, p.to.id), JZX_OK);
    test_until(&p.world, p.to.finis == 1);
    cr_assert_eq(p.to.received, drain ? 5 : 0, "%u were handled", p.to.received);
    cr_assert_eq(dropped(&p.world, JZX_DROP_ENDED), drain ? 0 : 5);
    pair_close(&p);
    cr_assert_eq(test_ledger_open(&ledger), 0);
    cr_assert_eq(ledger.twice, 0);
}

Test(order, an_end_meets_high_mail_as_other_mail_and_a_drain_handles_it, .timeout = 60)
{
    for (uint32_t loops = 1; loops <= 2; loops++) {
        end_with_high(loops, false);
        end_with_high(loops, true);
    }
}

Test(order, a_drain_does_not_overlook_high_mail_alone, .timeout = 60)
{
    pair p = {0};
    pair_open(&p, 1, NULL);
    pair_spawn(&p, NULL);
    host_letters(&p, "hh");
    cr_assert_eq(jzx_drain(host_of(&p.world, 0), p.to.id), JZX_OK);
    test_until(&p.world, p.to.finis == 1);
    cr_assert_eq(p.to.received, 2);
    cr_assert_eq(p.to.exit.kind, JZX_EXIT_SHUTDOWN);
    pair_close(&p);
}

/* ---- the stash ---- */

/* Stashes everything until it is told to go (TAG_GO, whose first word says how many come back). */
static jzx_behavior_result stash_until_go(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    if (message->tag == TAG_GO) {
        uint32_t count = (uint32_t)message->words[0];
        cr_assert_eq(count == UINT32_MAX ? jzx_unstash_all(context) : jzx_unstash(context, count), JZX_OK);
        actor->data = count == 0 ? NULL : actor;
        return JZX_BEHAVIOR_OK;
    }
    if (actor->data == NULL) {
        return JZX_BEHAVIOR_STASH;
    }
    return answer_all(context, actor, message);
}

static void tell_go(pair *p, uint64_t count)
{
    jzx_message go = jzx_message_value(TAG_GO, &count, sizeof count);
    uint32_t loop = p->world.loop_count - 1;
    cr_assert_eq(jzx_send_with(host_of(&p->world, loop), p->to.id, &go, JZX_SEND_HIGH), JZX_OK);
}

static jzx_behavior_result count_stashed(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    *(uint32_t *)argument = jzx_stashed(context);
    return JZX_BEHAVIOR_OK;
}

static uint32_t stashed(pair *p)
{
    uint32_t count = UINT32_MAX;
    test_do(&p->world, &p->to, count_stashed, &count);
    return count;
}

static void stash_and_return(uint32_t loops)
{
    test_ledger ledger = {0};
    pair p = {0};
    p.to = (test_actor){.on = stash_until_go, .ledger = &ledger};
    pair_open(&p, loops, NULL);
    pair_spawn(&p, NULL);
    send_letters(&p, "nNrNh");
    test_world_settle(&p.world);
    cr_assert_eq(p.to.received, 0);
    cr_assert_eq(stashed(&p), 5);
    cr_assert_eq(length_of(&p.world, &p.to), 5, "they count");
    cr_assert_eq(test_count(&p.world, offsetof(jzx_counters, yields)), 0);
    tell_go(&p, UINT32_MAX);
    /* The high one was the first to come, and to be stashed; then it is normal. */
    CAME(&p, TAG_GO, 5, 1, 2, 3, 4);
    test_until(&p.world, p.from.received == 1);
    cr_assert_eq(p.from.log[0].tag, 103, "the answer to what was stashed");
    cr_assert_eq(stashed(&p), 0);
    pair_close(&p);
    cr_assert_eq(test_ledger_open(&ledger), 0);
    cr_assert_eq(ledger.twice, 0);
    cr_assert_eq(ledger.dropped, 0);
}

Test(order, CL09_what_is_stashed_comes_back_in_order, .timeout = 60)
{
    stash_and_return(1);
    stash_and_return(2);
}

/* A batch goes on behind a stashed message: so many take one turn of the actor, not one each. */
Test(order, CL09_stashing_does_not_end_the_turn_of_an_actor, .timeout = 60)
{
    enum { COUNT = 40 };
    char what[COUNT + 1] = {0};
    memset(what, 'n', COUNT);
    jzx_config config;
    test_config(&config);
    config.actors_per_turn = 1;
    pair p = {0};
    p.to.on = stash_until_go;
    pair_open(&p, 1, &config);
    pair_spawn(&p, NULL);
    host_letters(&p, what);
    test_world_step(&p.world);
    const jzx_loop *loop = p.world.loops[0];
    cr_assert_eq(jzx__annex_of(loop, jzx__id_index(p.to.id))->stashed, COUNT);
    cr_assert_eq(test_count(&p.world, offsetof(jzx_counters, handled)), 0, "none of them counts as handled");
    pair_close(&p);
}

/* One at a time: what comes back is in front of what is new. */
static void unstash_some(uint32_t loops)
{
    pair p = {0};
    p.to.on = stash_until_go;
    pair_open(&p, loops, NULL);
    pair_spawn(&p, NULL);
    send_letters(&p, "nnnn");
    test_world_settle(&p.world);
    tell_go(&p, 0);
    test_world_settle(&p.world);
    cr_assert_eq(stashed(&p), 4, "none came back");
    tell_go(&p, 1);
    CAME(&p, TAG_GO, TAG_GO, 1);
    cr_assert_eq(stashed(&p), 3);
    tell_go(&p, 2);
    CAME(&p, TAG_GO, TAG_GO, 1, TAG_GO, 2, 3);
    cr_assert_eq(stashed(&p), 1);
    tell_go(&p, 7);
    CAME(&p, TAG_GO, TAG_GO, 1, TAG_GO, 2, 3, TAG_GO, 4);
    cr_assert_eq(stashed(&p), 0);
    tell_go(&p, 7);
    CAME(&p, TAG_GO, TAG_GO, 1, TAG_GO, 2, 3, TAG_GO, 4, TAG_GO);
    pair_close(&p);
}

Test(order, CL09_some_of_the_stash_comes_back, .timeout = 60)
{
    unstash_some(1);
    unstash_some(2);
}

/* Unstashes and stashes the message that told it so, or yields it. */
static jzx_behavior_result unstash_and_put_back(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    if (actor->data == NULL) {
        if (message->tag != 3) {
            return JZX_BEHAVIOR_STASH;
        }
        cr_assert_eq(jzx_unstash_all(context), JZX_OK);
        actor->data = actor;
        return JZX_BEHAVIOR_YIELD;
    }
    return JZX_BEHAVIOR_OK;
}

Test(order, a_message_that_unstashes_and_yields_comes_first, .timeout = 60)
{
    pair p = {0};
    p.to.on = unstash_and_put_back;
    pair_open(&p, 1, NULL);
    pair_spawn(&p, NULL);
    send_letters(&p, "nnnn");
    CAME(&p, 3, 1, 2, 4);
    pair_close(&p);
}

/* `most`: three quarters of the cap, from which on other loops hold it for full. */
static void fill_stash(uint32_t loops, uint32_t cap, uint32_t most)
{
    test_ledger ledger = {0};
    pair p = {0};
    p.to = (test_actor){.on = stash_until_go, .ledger = &ledger};
    pair_open(&p, loops, NULL);
    jzx_spawn_options options;
    test_actor_options(&p.to, &options);
    options.mailbox_cap = cap;
    pair_spawn(&p, &options);
    for (uint32_t i = 0; i < most; i++) {
        cr_assert_eq(p.to.finis, 0, "%u do not fill it", i);
        send_letters(&p, "N");
        test_world_settle(&p.world);
    }
    cr_assert_eq(p.to.finis, 1);
    cr_assert_eq(p.to.exit.kind, JZX_EXIT_FAIL);
    cr_assert_eq(p.to.exit.code, JZX_EXIT_CODE_LIMIT);
    cr_assert_str_eq(p.to.exit.text, "the stash is full");
    cr_assert_eq(dropped(&p.world, JZX_DROP_ENDED), most - 1);
    pair_close(&p);
    cr_assert_eq(test_ledger_open(&ledger), 0);
    cr_assert_eq(ledger.twice, 0);
}

Test(order, CL09_a_stash_that_fills_the_mailbox_is_a_failure, .timeout = 60)
{
    for (uint32_t loops = 1; loops <= 2; loops++) {
        fill_stash(loops, 1, 1);
        fill_stash(loops, 2, 2);
        fill_stash(loops, 5, 4);
        fill_stash(loops, 40, 30);
    }
}

/* Below that, what is stashed keeps others out; and with drop-oldest the newcomers go. */
Test(order, CL09_stashed_mail_fills_the_mailbox, .timeout = 60)
{
    for (unsigned way = 0; way < 2; way++) {
        pair p = {0};
        pair_open(&p, 1, NULL);
        p.to.on = stash_until_go;
        jzx_spawn_options options;
        test_actor_options(&p.to, &options);
        options.mailbox_cap = 3;
        options.mailbox_policy = way == 0 ? JZX_MAILBOX_REFUSE : JZX_MAILBOX_DROP_OLDEST;
        pair_spawn(&p, &options);
        send_letters(&p, "nn");
        test_world_settle(&p.world);
        letters l = {.what = "hhh", .to = p.to.id};
        p.to.data = &p;
        test_do(&p.world, &p.from, write_letters, &l);
        test_world_settle(&p.world);
        cr_assert_eq(l.errs[0], JZX_OK);
        cr_assert_eq(l.errs[1], way == 0 ? JZX_ERR_MAILBOX_FULL : JZX_OK);
        cr_assert_eq(dropped(&p.world, JZX_DROP_NEWEST), way == 0 ? 0 : 2);
        cr_assert_eq(dropped(&p.world, JZX_DROP_OLDEST), 0, "a stashed message is not dropped for a new one");
        cr_assert_eq(p.to.received, 1);
        cr_assert_eq(stashed(&p), 2);
        pair_close(&p);
    }
}

static void end_with_stash(uint32_t loops, bool drain)
{
    test_ledger ledger = {0};
    pair p = {0};
    p.to = (test_actor){.on = stash_until_go, .ledger = &ledger};
    pair_open(&p, loops, NULL);
    pair_spawn(&p, NULL);
    send_letters(&p, "NrNn");
    test_world_settle(&p.world);
    jzx_context *host = host_of(&p.world, loops - 1);
    cr_assert_eq(drain ? jzx_drain(host, p.to.id) : jzx_stop(host, p.to.id), JZX_OK);
    test_until(&p.world, p.from.received == 1);
    cr_assert_eq(p.to.finis, 1, "a drain does not wait for it either");
    cr_assert_eq(p.from.log[0].tag, JZX_TAG_SYS_NO_ANSWER);
    const jzx_no_answer *none = jzx_message_data(&p.from.log[0]);
    cr_assert_eq(none->reason, JZX_DROP_ENDED);
    cr_assert_eq(dropped(&p.world, JZX_DROP_ENDED), 4);
    pair_close(&p);
    cr_assert_eq(test_ledger_open(&ledger), 0);
    cr_assert_eq(ledger.twice, 0);
    cr_assert_eq(ledger.dropped, 2);
}

Test(order, CL09_what_is_stashed_ends_with_its_actor, .timeout = 60)
{
    for (uint32_t loops = 1; loops <= 2; loops++) {
        end_with_stash(loops, false);
        end_with_stash(loops, true);
    }
}

static jzx_behavior_result stash_and_end(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    if (message->tag == 2) {
        cr_assert_eq(jzx_kill(context, actor->id), JZX_OK);
    }
    if (message->tag == 2 && (message->flags & JZX_MESSAGE_POINTER) != 0) {
        return JZX_BEHAVIOR_STASH; /* for nobody: it ends */
    }
    return message->tag == 3 ? JZX_BEHAVIOR_STASH : JZX_BEHAVIOR_OK;
}

Test(order, a_message_stashed_by_one_that_ends_meets_its_destructor, .timeout = 60)
{
    test_ledger ledger = {0};
    pair p = {0};
    p.to = (test_actor){.on = stash_and_end, .ledger = &ledger};
    pair_open(&p, 1, NULL);
    pair_spawn(&p, NULL);
    send_letters(&p, "nNN");
    test_until(&p.world, p.to.finis == 1);
    cr_assert_eq(ledger.dropped, 2);
    cr_assert_eq(p.to.exit.kind, JZX_EXIT_KILLED);
    pair_close(&p);
    cr_assert_eq(test_ledger_open(&ledger), 0);
}

static jzx_behavior_result answer_and_stash(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)answer_all(context, actor, message);
    return JZX_BEHAVIOR_STASH;
}

Test(order, what_has_been_answered_cannot_be_stashed, .timeout = 60)
{
    pair p = {0};
    p.to.on = answer_and_stash;
    pair_open(&p, 1, NULL);
    pair_spawn(&p, NULL);
    send_letters(&p, "r");
    test_until(&p.world, p.from.received == 1);
    test_world_settle(&p.world);
    cr_assert_eq(stashed(&p), 0);
    pair_close(&p);
}

static jzx_behavior_result stash_ticks(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    *(uint32_t *)actor->data += message->tag == TAG_TICK;
    return JZX_BEHAVIOR_STASH;
}

static jzx_behavior_result begin_tick(jzx_context *context, test_actor *actor, void *argument)
{
    jzx_message tick = jzx_message_empty(TAG_TICK);
    (void)actor;
    (void)argument;
    cr_assert_eq(jzx_timer_after(context, 0, &tick, NULL), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

Test(order, a_signal_is_not_stashed, .timeout = 60)
{
    pair p = {0};
    uint32_t ticks = 0;
    p.to = (test_actor){.on = stash_ticks, .data = &ticks};
    pair_open(&p, 1, NULL);
    pair_spawn(&p, NULL);
    test_do(&p.world, &p.to, begin_tick, NULL);
    test_until(&p.world, ticks == 1);
    test_world_settle(&p.world);
    cr_assert_eq(ticks, 1);
    cr_assert_eq(stashed(&p), 0);
    cr_assert_eq(p.to.finis, 0);
    pair_close(&p);
}

/* ---- the next incarnation ---- */

typedef struct heir {
    test_ledger ledger;
    uint32_t incarnations;
    uint32_t tags[16];
    uint32_t count;
    jzx_actor_id id;
    jzx_child_ref ref;
    test_world *world;
} heir;

static jzx_err heir_init(jzx_context *context, void *argument, void **state)
{
    heir *h = *(heir **)argument;
    h->incarnations++;
    h->id = jzx_self(context);
    h->ref = jzx_child_self(context);
    *state = h;
    return JZX_OK;
}

/* The first incarnation stashes 1 and 2, keeps the rest waiting, and fails at TAG_GO. */
static jzx_behavior_result heir_behave(jzx_context *context, void *state, const jzx_message *message)
{
    heir *h = state;
    (void)context;
    if (h->incarnations == 1) {
        if (message->tag == TAG_GO) {
            return JZX_BEHAVIOR_FAIL;
        }
        return message->tag <= 2 ? JZX_BEHAVIOR_STASH : JZX_BEHAVIOR_YIELD;
    }
    h->tags[h->count++] = message->tag;
    if ((message->flags & JZX_MESSAGE_POINTER) != 0) {
        (void)test_payload_take(&h->ledger, message);
    }
    return JZX_BEHAVIOR_OK;
}

static void send_to(heir *h, jzx_actor_id to, uint32_t tag, uint32_t flags)
{
    jzx_message message = tag == TAG_GO ? jzx_message_empty(tag) : test_payload(&h->ledger, tag, 16);
    jzx_err err = jzx_send_with(host_of(h->world, jzx_actor_loop(to)), to, &message, flags);
    cr_assert_eq(err, JZX_OK, "tag %u: %s", tag, jzx_strerror(err));
}

static void bequeath(uint32_t loops)
{
    test_world world;
    test_world_open(&world, loops, NULL);
    heir h = {.world = &world};
    heir *argument = &h;
    jzx_child_spec child;
    jzx_child_spec_init(&child);
    child.init = heir_init;
    child.behavior = heir_behave;
    child.argument = &argument;
    child.argument_size = sizeof argument;
    child.keep_mail = true;
    child.placement = JZX_PLACE_LOOP;
    child.place_loop = loops - 1;
    child.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = 500 * MS};
    jzx_supervisor_spec spec;
    jzx_supervisor_spec_init(&spec);
    spec.child_count = 1;
    spec.children = &child;
    cr_assert_eq(jzx_supervisor_start(host_of(&world, 0), &spec, NULL, NULL), JZX_OK);
    test_until(&world, h.incarnations == 1);
    send_to(&h, h.id, 1, 0);
    send_to(&h, h.id, 2, JZX_SEND_HIGH);
    test_world_settle(&world);
    send_to(&h, h.id, TAG_GO, JZX_SEND_HIGH);
    send_to(&h, h.id, 3, 0);
    send_to(&h, h.id, 4, JZX_SEND_HIGH);
    jzx_actor_id next = 0;
    test_until(&world, jzx_child_id(world.runtime, h.ref, &next) == JZX_OK && next != h.id);
    cr_assert_eq(h.incarnations, 1);
    send_to(&h, next, 5, 0);
    send_to(&h, next, 6, JZX_SEND_HIGH); /* to one who is to come: of high priority, too */
    test_until(&world, h.count == 6);
    /* 6 takes turns with what was kept: 4, which was high; the stash, into which 2 came first; the rest. */
    const uint32_t expected[] = {6, 4, 2, 1, 3, 5};
    for (unsigned i = 0; i < 6; i++) {
        cr_assert_eq(h.tags[i], expected[i], "message %u is %u", i, h.tags[i]);
    }
    cr_assert_eq(h.incarnations, 2);
    test_world_close(&world);
    cr_assert_eq(test_ledger_open(&h.ledger), 0);
    cr_assert_eq(h.ledger.twice, 0);
    cr_assert_eq(h.ledger.dropped, 0);
}

Test(order, high_mail_and_the_stash_go_to_the_next_incarnation, .timeout = 60)
{
    bequeath(1);
    bequeath(2);
}

/* One who never comes: its high mail meets its destructor. */
Test(order, high_mail_to_one_who_never_comes_is_destroyed, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    heir h = {.world = &world};
    heir *argument = &h;
    jzx_child_spec child;
    jzx_child_spec_init(&child);
    child.init = heir_init;
    child.behavior = heir_behave;
    child.argument = &argument;
    child.argument_size = sizeof argument;
    child.keep_mail = true;
    child.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = 3600 * 1000ull * MS};
    jzx_supervisor_spec spec;
    jzx_supervisor_spec_init(&spec);
    spec.child_count = 1;
    spec.children = &child;
    jzx_actor_id supervisor;
    cr_assert_eq(jzx_supervisor_start(host_of(&world, 0), &spec, &supervisor, NULL), JZX_OK);
    test_until(&world, h.incarnations == 1);
    send_to(&h, h.id, TAG_GO, 0);
    jzx_actor_id next = 0;
    test_until(&world, jzx_child_id(world.runtime, h.ref, &next) == JZX_OK && next != h.id);
    send_to(&h, next, 1, JZX_SEND_HIGH);
    send_to(&h, next, 2, JZX_SEND_HIGH);
    send_to(&h, next, 3, 0);
    test_world_close(&world);
    cr_assert_eq(h.ledger.dropped, 3);
    cr_assert_eq(h.ledger.twice, 0);
}

/* ---- become ---- */

typedef struct mood {
    uint32_t calm;
    uint32_t angry;
    jzx_err errs[JZX_BECOME_MAX + 2];
} mood;

enum { TAG_ANGER = 1, TAG_CALM = 2, TAG_COUNT = 3, TAG_DEEP = 4 };

static jzx_behavior_result angry(jzx_context *context, void *state, const jzx_message *message)
{
    mood *m = ((test_actor *)state)->data;
    if (message->tag == TAG_CALM) {
        m->errs[0] = jzx_unbecome(context);
    } else if (message->tag == TAG_DEEP) {
        for (uint32_t i = 0; i <= JZX_BECOME_MAX; i++) {
            m->errs[i] = jzx_become(context, angry);
        }
    } else {
        m->angry++;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result calm(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    mood *m = actor->data;
    if (message->tag == TAG_ANGER) {
        m->errs[0] = jzx_become(context, angry);
    } else if (message->tag == TAG_CALM) {
        m->errs[0] = jzx_unbecome(context);
    } else {
        m->calm++;
    }
    return JZX_BEHAVIOR_OK;
}

static void become(uint64_t limit_ns)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    mood m = {0};
    test_actor actor = {.on = calm, .data = &m};
    jzx_spawn_options options;
    test_actor_options(&actor, &options);
    options.handler_limit_ns = limit_ns;
    test_spawn_with(&world, 0, &actor, &options);
    m.errs[0] = JZX_OK;
    test_send(&world, &actor, TAG_CALM);
    test_world_settle(&world);
    cr_assert_eq(m.errs[0], JZX_ERR_INVALID_ARG, "there is none put aside");
    test_send(&world, &actor, TAG_COUNT);
    test_send(&world, &actor, TAG_ANGER);
    test_send(&world, &actor, TAG_COUNT);
    test_world_settle(&world);
    cr_assert(m.calm == 1 && m.angry == 1 && m.errs[0] == JZX_OK);
    test_send(&world, &actor, TAG_DEEP);
    test_world_settle(&world);
    for (uint32_t i = 0; i <= JZX_BECOME_MAX; i++) {
        cr_assert_eq(m.errs[i], i + 1 < JZX_BECOME_MAX ? JZX_OK : JZX_ERR_LIMIT, "%u", i);
    }
    for (uint32_t i = 0; i < JZX_BECOME_MAX; i++) {
        test_send(&world, &actor, TAG_COUNT);
        test_send(&world, &actor, TAG_CALM);
        test_world_settle(&world);
        cr_assert_eq(m.errs[0], JZX_OK);
    }
    cr_assert_eq(m.angry, 1 + JZX_BECOME_MAX);
    test_send(&world, &actor, TAG_COUNT);
    test_world_settle(&world);
    cr_assert_eq(m.calm, 2);
    test_world_close(&world);
}

Test(order, CL08_behaviors_are_put_aside_and_taken_back, .timeout = 60)
{
    become(0);
    become(JZX_FOREVER - 1);
}

typedef struct refusals {
    jzx_err become;
    jzx_err unbecome;
    jzx_err unstash;
    jzx_err null;
    uint32_t stashed;
    uint64_t *progress;
} refusals;

static void try_all(jzx_context *context, refusals *r)
{
    jzx_message message = jzx_message_empty(1);
    r->become = jzx_become(context, angry);
    r->unbecome = jzx_unbecome(context);
    r->unstash = jzx_unstash_all(context);
    r->null = jzx_become(context, NULL);
    r->stashed = jzx_stashed(context);
    r->progress = jzx_progress(context, &message);
}

static jzx_err try_in_init(jzx_context *context, test_actor *actor)
{
    try_all(context, actor->data);
    return JZX_OK;
}

static void try_in_fini(jzx_context *context, test_actor *actor, const jzx_exit_info *info)
{
    (void)info;
    try_all(context, actor->data);
}

typedef struct elsewhere {
    jzx_context *context;
    refusals refusals;
} elsewhere;

static void try_elsewhere(void *argument)
{
    elsewhere *e = argument;
    try_all(e->context, &e->refusals);
}

static jzx_err kill_the_spawner(jzx_context *context, test_actor *actor)
{
    return jzx_kill(context, *(jzx_actor_id *)actor->data);
}

/* Its handler runs, and it has met its end already. */
static jzx_behavior_result be_killed_by_a_child(jzx_context *context, test_actor *actor, void *argument)
{
    test_actor *child = argument;
    jzx_spawn_options options;
    child->on_init = kill_the_spawner;
    child->data = &actor->id;
    test_actor_options(child, &options);
    cr_expect_eq(jzx_spawn(context, &options, &child->id), JZX_OK);
    try_all(context, actor->data);
    return JZX_BEHAVIOR_OK;
}

Test(order, who_was_killed_in_its_handler_has_no_behavior, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    refusals r = {0};
    test_actor actor = {.data = &r};
    test_actor child = {0};
    test_spawn(&world, 0, &actor);
    test_do(&world, &actor, be_killed_by_a_child, &child);
    test_until(&world, actor.finis == 1);
    cr_expect_eq(r.become, JZX_ERR_STOPPING);
    cr_expect_eq(r.unbecome, JZX_ERR_STOPPING);
    cr_expect_eq(actor.exit.kind, JZX_EXIT_KILLED);
    test_world_close(&world);
}

Test(order, who_may_not_become_or_unstash, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    refusals r;
    try_all(NULL, &r);
    cr_assert(r.become == JZX_ERR_INVALID_ARG && r.unbecome == JZX_ERR_INVALID_ARG && r.unstash == JZX_ERR_INVALID_ARG);
    cr_assert(r.stashed == 0 && r.progress == NULL);
    try_all(host_of(&world, 0), &r);
    cr_assert(r.become == JZX_ERR_INVALID_ARG && r.unbecome == JZX_ERR_INVALID_ARG && r.unstash == JZX_ERR_INVALID_ARG);
    cr_assert(r.stashed == 0 && r.progress == NULL);
    elsewhere e = {.context = host_of(&world, 0)};
    test_on_thread(try_elsewhere, &e);
    cr_assert(e.refusals.become == JZX_ERR_WRONG_THREAD && e.refusals.unbecome == JZX_ERR_WRONG_THREAD);
    cr_assert(e.refusals.unstash == JZX_ERR_WRONG_THREAD && e.refusals.stashed == 0 && e.refusals.progress == NULL);
    test_actor actor = {.on_init = try_in_init, .data = &r};
    test_spawn(&world, 0, &actor);
    cr_assert(r.become == JZX_OK && r.unbecome == JZX_OK && r.unstash == JZX_OK && r.null == JZX_ERR_INVALID_ARG);
    cr_assert_null(r.progress);
    actor.on_fini = try_in_fini;
    cr_assert_eq(jzx_stop(host_of(&world, 0), actor.id), JZX_OK);
    test_until(&world, actor.finis == 1);
    cr_assert(r.become == JZX_ERR_STOPPING && r.unbecome == JZX_ERR_STOPPING && r.unstash == JZX_ERR_STOPPING);
    cr_assert_null(r.progress);
    test_world_close(&world);
}

/* Becomes angry in init, and is so from its first message on. */
static jzx_err begin_angry(jzx_context *context, test_actor *actor)
{
    (void)actor;
    return jzx_become(context, angry);
}

static jzx_err become_and_fail(jzx_context *context, test_actor *actor)
{
    (void)actor;
    cr_assert_eq(jzx_become(context, angry), JZX_OK);
    return JZX_ERR_UNKNOWN;
}

Test(order, CL08_become_in_init, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    mood m = {0};
    test_actor actor = {.on = calm, .on_init = begin_angry, .data = &m};
    test_spawn(&world, 0, &actor);
    test_send(&world, &actor, TAG_COUNT);
    test_world_settle(&world);
    cr_assert(m.angry == 1 && m.calm == 0);
    test_actor stillborn = {.on_init = become_and_fail};
    jzx_spawn_options options;
    test_actor_options(&stillborn, &options);
    cr_assert_eq(jzx_spawn(host_of(&world, 0), &options, NULL), JZX_ERR_INIT);
    cr_assert_eq(world.loops[0]->annexes.used, 1, "its annex is given back");
    test_world_close(&world);
}

/* ---- behaviors one after the other ---- */

static jzx_behavior_result only_one(jzx_context *context, void *state, const jzx_message *message)
{
    (void)context;
    (void)state;
    return message->tag == 1 ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_UNHANDLED;
}

static jzx_behavior_result only_two(jzx_context *context, void *state, const jzx_message *message)
{
    (void)context;
    (void)state;
    return message->tag == 2 ? JZX_BEHAVIOR_STOP : JZX_BEHAVIOR_UNHANDLED;
}

static jzx_behavior_result one_or_two(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    static const jzx_behavior_fn both[] = {only_one, only_two};
    return jzx_behave_first(context, actor, message, both, 2);
}

Test(order, CL11_the_first_behavior_that_knows_a_message_decides, .timeout = 60)
{
    pair p = {0};
    p.to.on = one_or_two;
    pair_open(&p, 1, NULL);
    pair_spawn(&p, NULL);
    jzx_message message = jzx_message_empty(3);
    cr_assert_eq(jzx_behave_first(NULL, NULL, &message, NULL, 0), JZX_BEHAVIOR_UNHANDLED);
    test_send(&p.world, &p.to, 3);
    test_send(&p.world, &p.to, 1);
    test_world_settle(&p.world);
    cr_assert_eq(test_count(&p.world, offsetof(jzx_counters, unhandled)), 1);
    cr_assert_eq(p.to.finis, 0);
    test_send(&p.world, &p.to, 2);
    test_until(&p.world, p.to.finis == 1);
    cr_assert_eq(p.to.exit.kind, JZX_EXIT_NORMAL);
    pair_close(&p);
}

/* ---- progress ---- */

enum { STEPS = 5 };

/* Works in steps, one each time it is called; each message begins at 0. */
static jzx_behavior_result work_in_steps(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    uint64_t *progress = jzx_progress(context, message);
    uint32_t *none = actor->data;
    if (progress == NULL) {
        ++*none;
        return JZX_BEHAVIOR_OK;
    }
    cr_assert_eq(jzx_progress(context, message), progress);
    if (++*progress < STEPS) {
        return JZX_BEHAVIOR_YIELD;
    }
    return answer_all(context, actor, message);
}

static void progress_of(uint32_t loops, const char *what, uint32_t yields, uint32_t without)
{
    test_ledger ledger = {0};
    uint32_t none = 0;
    pair p = {0};
    p.to = (test_actor){.on = work_in_steps, .ledger = &ledger, .data = &none};
    pair_open(&p, loops, NULL);
    pair_spawn(&p, NULL);
    send_letters(&p, what);
    uint32_t count = (uint32_t)strlen(what);
    test_until(&p.world, p.to.received == count);
    cr_assert_eq(p.to.yields, yields, "%s: %u yields", what, p.to.yields);
    cr_assert_eq(none, without, "%s: %u without", what, none);
    pair_close(&p);
    cr_assert_eq(test_ledger_open(&ledger), 0);
}

Test(order, SC08_progress_stays_with_a_yielded_message, .timeout = 60)
{
    for (uint32_t loops = 1; loops <= 2; loops++) {
        progress_of(loops, "n", STEPS - 1, 0);
        progress_of(loops, "nnn", 3 * (STEPS - 1), 0);
        progress_of(loops, "NrN", 3 * (STEPS - 1), 0);
        progress_of(loops, "h", STEPS - 1, 0);
        /* The high one goes first and has the word; the normal ones that have their turn meanwhile have none. */
        progress_of(loops, "nnh", STEPS - 1, 2);
    }
}

/* Of what is not the message in hand as its handler got it there is no progress. */
static jzx_behavior_result ask_for_others(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    const jzx_loop *loop = jzx_context_loop(context);
    jzx_message copy = *message;
    uint32_t *handled = actor->data;
    if ((message->flags & JZX_MESSAGE_REQUEST) != 0) {
        cr_expect_not_null(jzx_progress(context, message));
        cr_expect_eq(jzx_answer(context, message->ref, &copy), JZX_OK);
        cr_expect_null(jzx_progress(context, message), "it is answered");
    } else {
        cr_expect_null(jzx_progress(context, &copy));
        cr_expect_null(jzx_progress(context, (const jzx_message *)(const void *)((const char *)message + 8)));
        cr_expect_null(jzx_progress(context, (const jzx_message *)(const void *)&loop->pool.cells[loop->pool.count]));
    }
    ++*handled;
    return JZX_BEHAVIOR_OK;
}

Test(order, SC08_progress_is_of_the_message_in_hand, .timeout = 60)
{
    uint32_t handled = 0;
    pair p = {0};
    p.to = (test_actor){.on = ask_for_others, .data = &handled};
    pair_open(&p, 1, NULL);
    pair_spawn(&p, NULL);
    send_letters(&p, "nr");
    test_until(&p.world, handled == 2);
    pair_close(&p);
}

/* While a request is put back with the word, its actor comes to hold all that it may: there is no room to keep that request. */
static jzx_behavior_result hold_all(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    uint64_t *seen = actor->data;
    uint64_t scope;
    if (message->tag == TAG_GO) {
        while (jzx_scope_open(context, JZX_FOREVER, &scope) == JZX_OK) {
        }
        return JZX_BEHAVIOR_OK;
    }
    uint64_t *progress = jzx_progress(context, message);
    cr_assert_not_null(progress);
    seen[0] = *progress;
    *progress = 7;
    seen[1]++;
    return (message->flags & JZX_MESSAGE_REQUEST) != 0 ? JZX_BEHAVIOR_YIELD : JZX_BEHAVIOR_OK;
}

Test(order, SC08_a_request_that_cannot_go_on_gives_the_word_back, .timeout = 60)
{
    for (uint32_t loops = 1; loops <= 2; loops++) {
        uint64_t seen[2] = {0};
        pair p = {0};
        p.to = (test_actor){.on = hold_all, .data = seen};
        pair_open(&p, loops, NULL);
        pair_spawn(&p, NULL);
        send_letters(&p, "r");
        test_until(&p.world, seen[1] >= 2);
        cr_expect_eq(seen[0], 7);
        jzx_message message = jzx_message_empty(TAG_GO);
        cr_assert_eq(jzx_send_with(host_of(&p.world, loops - 1), p.to.id, &message, JZX_SEND_HIGH), JZX_OK);
        test_until(&p.world, test_tags(&p.from, JZX_TAG_SYS_NO_ANSWER) == 1);
        jzx_no_answer none;
        memcpy(&none, test_tagged(&p.from, JZX_TAG_SYS_NO_ANSWER, 0)->bytes, sizeof none);
        cr_expect_eq(none.reason, JZX_DROP_LIMIT);
        uint64_t before = seen[1];
        test_send(&p.world, &p.to, TAG_TICK);
        test_until(&p.world, seen[1] > before);
        cr_expect_eq(seen[0], 0, "another's progress");
        pair_close(&p);
    }
}

/* Who has the word when it is dropped, stashed or ends leaves it free. */
static jzx_behavior_result leave_the_word(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    uint64_t *progress = jzx_progress(context, message);
    uint64_t *seen = actor->data;
    cr_assert_not_null(progress);
    seen[0] = *progress;
    *progress += 10;
    switch (message->tag) {
    case 1:
        return seen[1]++ == 0 ? JZX_BEHAVIOR_YIELD : JZX_BEHAVIOR_STASH;
    case 2:
        return JZX_BEHAVIOR_UNHANDLED;
    default:
        return JZX_BEHAVIOR_OK;
    }
}

Test(order, SC08_the_progress_word_is_free_again, .timeout = 60)
{
    uint64_t seen[2] = {0};
    pair p = {0};
    p.to = (test_actor){.on = leave_the_word, .data = seen};
    pair_open(&p, 1, NULL);
    pair_spawn(&p, NULL);
    send_letters(&p, "n");
    test_world_settle(&p.world);
    cr_assert(seen[0] == 10 && seen[1] == 2, "yielded with 10, then stashed");
    for (unsigned i = 0; i < 3; i++) {
        jzx_message message = jzx_message_empty(2 + i % 2);
        cr_assert_eq(jzx_send(host_of(&p.world, 0), p.to.id, &message), JZX_OK);
        test_world_settle(&p.world);
        cr_assert_eq(seen[0], 0, "message %u began with %llu", i, (unsigned long long)seen[0]);
    }
    pair_close(&p);
}

/* A gated one that holds the word, under drop-oldest. */
static jzx_behavior_result hold_the_word(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    uint64_t *progress = jzx_progress(context, message);
    uint64_t *seen = actor->data;
    cr_assert_not_null(progress);
    seen[message->tag] = *progress;
    *progress = 7;
    return message->tag == 9 ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_YIELD;
}

Test(order, SC08_a_message_that_is_dropped_gives_the_word_back, .timeout = 60)
{
    uint64_t seen[10] = {0};
    pair p = {0};
    p.to = (test_actor){.on = hold_the_word, .data = seen};
    pair_open(&p, 1, NULL);
    jzx_spawn_options options;
    test_actor_options(&p.to, &options);
    options.mailbox_cap = 1;
    options.mailbox_policy = JZX_MAILBOX_DROP_OLDEST;
    pair_spawn(&p, &options);
    test_send(&p.world, &p.to, 1);
    test_until(&p.world, seen[1] == 7);
    test_send(&p.world, &p.to, 9);
    test_until(&p.world, p.to.received == 1);
    cr_assert_eq(seen[9], 0);
    cr_assert_eq(dropped(&p.world, JZX_DROP_OLDEST), 1);
    seen[1] = 0;
    test_send(&p.world, &p.to, 1);
    test_until(&p.world, seen[1] == 7);
    pair_close(&p); /* and one that waits with the word ends with its actor */
}

/* ---- a clock that moves by hand, and counts who looks ---- */

static const jzx__backend_ops *true_ops;
static jzx__backend_ops hand_ops;
static uint64_t hand_ns;
static uint64_t looks;

static uint64_t look_at_hand(jzx__backend *backend)
{
    (void)backend;
    looks++;
    return hand_ns;
}

static void clock_by_hand(jzx_loop *loop)
{
    true_ops = loop->backend->ops;
    hand_ops = *true_ops;
    hand_ops.now_ns = look_at_hand;
    hand_ns = true_ops->now_ns(loop->backend);
    loop->backend->ops = &hand_ops;
}

/* The true one may be behind. */
static void clock_by_itself(jzx_loop *loop)
{
    loop->backend->ops = true_ops;
    loop->now_ns = 0;
    loop->window_began_ns = 0;
}

/* ---- limits of handlers ---- */

enum { LIMIT_NS = 200000 };

typedef struct slow {
    uint64_t spin_ns;
    uint32_t yields; /* jzx_should_yield() said so before spin_ns were over */
    bool cancelled;  /* jzx_cancelled(), then */
    bool cancelled_at_first;
    bool shields;                                             /* the handler is in a shield */
    jzx_err (*ends)(jzx_context *context, jzx_actor_id self); /* what the handler calls first; NULL: nothing */
    uint32_t handled;
    jzx_behavior_result result;
} slow;

static jzx_behavior_result spin(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    slow *s = actor->data;
    (void)message;
    s->handled++;
    s->cancelled_at_first = jzx_cancelled(context);
    if (s->shields) {
        cr_assert_eq(jzx_shield_enter(context), JZX_OK);
    }
    if (s->ends != NULL) {
        cr_assert_eq(s->ends(context, actor->id), JZX_OK);
    }
    for (uint64_t until_ns = hand_ns + s->spin_ns; hand_ns < until_ns; hand_ns += 1000) {
        if (s->spin_ns > 2 * LIMIT_NS && jzx_should_yield(context)) {
            s->yields++;
            s->cancelled = jzx_cancelled(context);
            break;
        }
    }
    return s->result;
}

typedef struct limited {
    test_world world;
    test_observer observer;
    slow slow;
    test_actor actor;
} limited;

static void limited_open(limited *t, jzx_limit_action action, bool measure, uint64_t slow_ns)
{
    jzx_config config;
    test_config(&config);
    config.turn_ns = JZX_FOREVER;
    config.measure_handlers = measure;
    config.slow_handler_ns = slow_ns;
    *t = (limited){0};
    test_world_open(&t->world, 1, &config);
    test_observe(&t->world, 0, &t->observer);
    t->actor = (test_actor){.on = spin, .data = &t->slow};
    jzx_spawn_options options;
    test_actor_options(&t->actor, &options);
    options.handler_limit_ns = LIMIT_NS;
    options.limit_action = (uint8_t)action;
    test_spawn_with(&t->world, 0, &t->actor, &options);
    clock_by_hand(t->world.loops[0]);
}

static void limited_close(limited *t)
{
    clock_by_itself(t->world.loops[0]);
    test_world_close(&t->world);
}

static void limited_send(limited *t, uint64_t spin_ns)
{
    uint32_t before = t->slow.handled;
    t->slow.spin_ns = spin_ns;
    test_send(&t->world, &t->actor, 5);
    test_until(&t->world, t->slow.handled > before);
    test_world_settle(&t->world);
}

Test(order, SC03_a_handler_over_its_limit_is_counted_and_reported_once, .timeout = 60)
{
    for (unsigned way = 0; way < 4; way++) {
        limited t;
        limited_open(&t, JZX_LIMIT_WARN, (way & 1) != 0, (way & 2) != 0 ? LIMIT_NS / 2 : 0);
        limited_send(&t, LIMIT_NS + LIMIT_NS / 2);
        cr_assert_eq(test_count(&t.world, offsetof(jzx_counters, limits_passed)), 1);
        cr_assert_eq(t.observer.slow, 1, "way %u: %u reports", way, t.observer.slow);
        cr_assert_eq(t.observer.slow_tag, 5);
        cr_assert_eq(t.observer.slow_ns, LIMIT_NS + LIMIT_NS / 2);
        cr_assert_eq(t.actor.finis, 0);
        limited_send(&t, LIMIT_NS);
        cr_assert_eq(test_count(&t.world, offsetof(jzx_counters, limits_passed)), 1, "so long it may take");
        limited_close(&t);
    }
}

Test(order, SC03_a_handler_over_its_limit_is_told_so, .timeout = 60)
{
    limited t;
    limited_open(&t, JZX_LIMIT_CANCEL, false, 0);
    limited_send(&t, 10000ull * MS);
    cr_assert_eq(t.slow.yields, 1);
    cr_assert(t.slow.cancelled && !t.slow.cancelled_at_first);
    cr_assert_eq(test_count(&t.world, offsetof(jzx_counters, limits_passed)), 1);
    cr_assert_eq(t.actor.finis, 0);
    cr_assert_eq(t.world.loops[0]->cancel_at_ns, JZX_FOREVER, "of that handler only");
    limited_close(&t);
}

Test(order, SC03_a_shield_holds_off_that_cancel_too, .timeout = 60)
{
    limited t;
    limited_open(&t, JZX_LIMIT_CANCEL, false, 0);
    t.slow.shields = true;
    limited_send(&t, 10000ull * MS);
    cr_assert_eq(t.slow.yields, 1);
    cr_assert_not(t.slow.cancelled);
    limited_close(&t);
}

static jzx_err fail_by_itself(jzx_context *context, jzx_actor_id self)
{
    return jzx_fail(context, self, 77, "its own");
}

/* Of an end that the handler has asked for itself nothing is taken back; a drain is no end yet. */
Test(order, SC03_the_first_failure_counts, .timeout = 60)
{
    static jzx_err (*const ends[])(jzx_context *, jzx_actor_id) = {fail_by_itself, jzx_drain};
    for (unsigned i = 0; i < 2; i++) {
        limited t;
        limited_open(&t, JZX_LIMIT_FAIL, false, 0);
        t.slow.ends = ends[i];
        limited_send(&t, LIMIT_NS + LIMIT_NS / 2);
        cr_assert_eq(t.actor.finis, 1);
        cr_assert_eq(t.actor.exit.kind, JZX_EXIT_FAIL);
        cr_assert_eq(t.actor.exit.code, i == 0 ? 77 : JZX_EXIT_CODE_LIMIT);
        cr_assert_str_eq(t.actor.exit.text, i == 0 ? "its own" : "handler_limit_ns");
        limited_close(&t);
    }
}

static jzx_behavior_result take_long(jzx_context *context, void *state, void *argument, const jzx_result *result)
{
    slow *s = argument;
    (void)context;
    (void)state;
    cr_assert_eq(result->err, JZX_OK);
    hand_ns += s->spin_ns;
    s->handled++;
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result ask_and_take_long(jzx_context *context, test_actor *actor, void *argument)
{
    limited *t = argument;
    jzx_message message = jzx_message_empty(3);
    (void)actor;
    t->slow.spin_ns = LIMIT_NS + LIMIT_NS / 2;
    cr_assert_eq(jzx_call(context, *(jzx_actor_id *)t->actor.data, &message, JZX_FOREVER, take_long, &t->slow), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result answer_at_once(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    jzx_message answer = jzx_message_empty(4);
    (void)actor;
    cr_assert_eq(jzx_answer(context, message->ref, &answer), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

Test(order, SC03_a_continuation_over_the_limit_is_a_handler_over_it, .timeout = 60)
{
    for (unsigned action = JZX_LIMIT_WARN; action <= JZX_LIMIT_FAIL; action++) {
        limited t;
        limited_open(&t, (jzx_limit_action)action, false, 0);
        test_actor target = {.on = answer_at_once};
        test_spawn(&t.world, 0, &target);
        t.actor.on = NULL;
        t.actor.data = &target.id;
        test_do(&t.world, &t.actor, ask_and_take_long, &t);
        test_until(&t.world, t.slow.handled == 1);
        test_world_settle(&t.world);
        cr_assert_eq(test_count(&t.world, offsetof(jzx_counters, limits_passed)), 1);
        cr_assert_eq(t.actor.finis, action == JZX_LIMIT_FAIL);
        cr_assert(t.actor.finis == 0 || t.actor.exit.code == JZX_EXIT_CODE_LIMIT);
        limited_close(&t);
    }
}

Test(order, SC03_a_handler_over_its_limit_fails, .timeout = 60)
{
    static const jzx_behavior_result results[] = {JZX_BEHAVIOR_OK,    JZX_BEHAVIOR_STOP,      JZX_BEHAVIOR_YIELD,
                                                  JZX_BEHAVIOR_STASH, JZX_BEHAVIOR_UNHANDLED, JZX_BEHAVIOR_FAIL};
    for (unsigned i = 0; i < sizeof results / sizeof *results; i++) {
        limited t;
        limited_open(&t, JZX_LIMIT_FAIL, false, 0);
        t.slow.result = results[i];
        limited_send(&t, LIMIT_NS + LIMIT_NS / 2);
        cr_assert_eq(t.actor.finis, 1);
        cr_assert_eq(t.actor.exit.kind, JZX_EXIT_FAIL);
        cr_assert_eq(t.actor.exit.code, JZX_EXIT_CODE_LIMIT, "result %u gives %d", results[i], t.actor.exit.code);
        cr_assert_str_eq(t.actor.exit.text, "handler_limit_ns");
        cr_assert_eq(t.actor.exit.tag, 5);
        assert_settled(&t.world);
        limited_close(&t);
    }
}

Test(order, SC03_one_within_its_limit_is_left_alone, .timeout = 60)
{
    for (unsigned action = JZX_LIMIT_WARN; action <= JZX_LIMIT_FAIL; action++) {
        jzx_config config;
        test_config(&config);
        test_world world;
        test_world_open(&world, 1, &config);
        slow s = {0};
        test_actor actor = {.on = spin, .data = &s};
        jzx_spawn_options options;
        test_actor_options(&actor, &options);
        options.handler_limit_ns = JZX_FOREVER;
        options.limit_action = (uint8_t)action;
        test_spawn_with(&world, 0, &actor, &options);
        test_send(&world, &actor, 5);
        test_world_settle(&world);
        cr_assert_eq(s.handled, 1);
        cr_assert_eq(actor.finis, 0);
        cr_assert_eq(test_count(&world, offsetof(jzx_counters, limits_passed)), 0);
        test_world_close(&world);
    }
}

/* ---- limits of what there is ---- */

static jzx_behavior_result keep_result(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    if (message->tag == JZX_TAG_SYS_SPAWNED) {
        *(jzx_spawned *)actor->data = *(const jzx_spawned *)jzx_message_data(message);
    }
    return JZX_BEHAVIOR_OK;
}

typedef struct spawn_there {
    jzx_spawn_options *options;
    jzx_err err;
} spawn_there;

static jzx_behavior_result ask_for_spawn(jzx_context *context, test_actor *actor, void *argument)
{
    spawn_there *s = argument;
    (void)actor;
    s->err = jzx_spawn_request(context, s->options, NULL);
    return JZX_BEHAVIOR_OK;
}

Test(order, an_annex_that_cannot_be_had, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.annexes_max = 1;
    pair p = {0};
    jzx_spawned answer = {.err = JZX_OK};
    p.from = (test_actor){.on = keep_result, .data = &answer};
    p.to.on = stash_until_go;
    pair_open(&p, 2, &config);
    pair_spawn(&p, NULL);
    mood m = {0};
    test_actor first = {.on = calm, .data = &m};
    test_actor second = {.on = calm, .data = &m};
    test_spawn(&p.world, 1, &first);
    test_spawn(&p.world, 1, &second);
    test_send(&p.world, &first, TAG_ANGER);
    test_world_settle(&p.world);
    cr_assert_eq(m.errs[0], JZX_OK);
    test_send(&p.world, &second, TAG_ANGER);
    test_world_settle(&p.world);
    cr_assert_eq(m.errs[0], JZX_ERR_LIMIT);
    uint32_t none = 0;
    test_actor wordless = {.on = work_in_steps, .data = &none};
    test_spawn(&p.world, 1, &wordless);
    test_send(&p.world, &wordless, 1);
    test_world_settle(&p.world);
    cr_assert_eq(none, 1, "nor is there room for its progress");

    test_actor limited_one = {0};
    jzx_spawn_options options;
    test_actor_options(&limited_one, &options);
    options.handler_limit_ns = 1;
    cr_assert_eq(jzx_spawn(host_of(&p.world, 1), &options, NULL), JZX_ERR_LIMIT);
    options.state_size = 32;
    cr_assert_eq(jzx_spawn(host_of(&p.world, 1), &options, NULL), JZX_ERR_LIMIT, "its state is given back");
    options.placement = JZX_PLACE_LOOP;
    options.place_loop = 1;
    options.link = true;
    spawn_there there = {.options = &options};
    test_do(&p.world, &p.from, ask_for_spawn, &there);
    cr_assert_eq(there.err, JZX_OK);
    test_until(&p.world, p.from.received == 1);
    cr_assert_eq(answer.err, JZX_ERR_LIMIT);
    cr_assert_eq(limited_one.inits, 0);

    send_letters(&p, "nhC");
    test_until(&p.world, p.to.finis == 1);
    cr_assert_eq(test_count(&p.world, offsetof(jzx_counters, high_as_normal)), 2);
    cr_assert_eq(p.to.exit.code, JZX_EXIT_CODE_LIMIT);
    cr_assert_str_eq(p.to.exit.text, "no annex for a stash");
    cr_assert_eq(dropped(&p.world, JZX_DROP_ENDED), 2);

    cr_assert_eq(jzx_stop(host_of(&p.world, 1), first.id), JZX_OK);
    test_until(&p.world, first.finis == 1);
    test_send(&p.world, &second, TAG_ANGER);
    test_world_settle(&p.world);
    cr_assert_eq(m.errs[0], JZX_OK, "it is free again");
    pair_close(&p);
}

enum { ANNEXES = 8 };

/* Limited ones, linked until there are no links left, and then alone. */
static jzx_behavior_result spawn_limited(jzx_context *context, test_actor *actor, void *argument)
{
    test_actor *children = argument;
    uint32_t *count = actor->data; /* linked, and in all */
    jzx_spawn_options options;
    for (uint32_t linked = 0; linked < 2; linked++) {
        jzx_err err = JZX_OK;
        do {
            cr_assert_leq(count[1], ANNEXES);
            test_actor_options(&children[count[1]], &options);
            options.handler_limit_ns = JZX_FOREVER;
            options.link = linked == 0;
            err = jzx_spawn(context, &options, &children[count[1]].id);
            count[1] += err == JZX_OK;
        } while (err == JZX_OK);
        cr_assert_eq(err, JZX_ERR_LIMIT);
        count[0] = linked == 0 ? count[1] : count[0];
    }
    return JZX_BEHAVIOR_OK;
}

Test(order, a_spawn_that_fails_for_want_of_a_link_gives_its_annex_back, .timeout = 60)
{
    static test_actor children[ANNEXES + 1];
    jzx_config config;
    test_config(&config);
    config.annexes_max = ANNEXES;
    config.links_max = 4;
    test_world world;
    test_world_open(&world, 1, &config);
    uint32_t count[2] = {0};
    test_actor actor = {.data = count};
    test_spawn(&world, 0, &actor);
    test_do(&world, &actor, spawn_limited, children);
    cr_assert(count[0] > 0 && count[0] < ANNEXES);
    cr_assert_eq(count[1], ANNEXES);
    test_world_close(&world);
}

Test(order, SC03_a_limit_travels_with_a_spawn, .timeout = 60)
{
    pair p = {0};
    jzx_spawned answer = {.err = JZX_ERR_UNKNOWN};
    p.from = (test_actor){.on = keep_result, .data = &answer};
    pair_open(&p, 2, NULL);
    slow s = {.spin_ns = LIMIT_NS + LIMIT_NS / 2};
    p.to = (test_actor){.on = spin, .data = &s};
    jzx_spawn_options options;
    test_actor_options(&p.to, &options);
    options.handler_limit_ns = LIMIT_NS;
    options.limit_action = JZX_LIMIT_FAIL;
    options.mailbox_policy = JZX_MAILBOX_DROP_OLDEST;
    options.placement = JZX_PLACE_LOOP;
    options.place_loop = 1;
    spawn_there there = {.options = &options};
    test_do(&p.world, &p.from, ask_for_spawn, &there);
    test_until(&p.world, p.from.received == 1);
    cr_assert_eq(answer.err, JZX_OK);
    clock_by_hand(p.world.loops[1]);
    test_send(&p.world, &p.to, 5);
    test_until(&p.world, p.to.finis == 1);
    clock_by_itself(p.world.loops[1]);
    cr_assert_eq(p.to.exit.code, JZX_EXIT_CODE_LIMIT);
    options.limit_action = JZX_LIMIT_FAIL + 1;
    cr_assert_eq(jzx_spawn(host_of(&p.world, 1), &options, NULL), JZX_ERR_INVALID_ARG);
    pair_close(&p);
}

Test(order, MB04_an_unbounded_mailbox_is_for_simulations, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actor = {0};
    jzx_spawn_options options;
    test_actor_options(&actor, &options);
    options.mailbox_cap = JZX_MAILBOX_UNBOUNDED;
    cr_assert_eq(jzx_spawn(host_of(&world, 0), &options, NULL), JZX_ERR_INVALID_ARG);
    test_world_close(&world);
}

Test(order, unknown_flags_are_refused, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    jzx_message message = jzx_message_empty(1);
    cr_assert_eq(jzx_send_with(host_of(&world, 0), actor.id, &message, JZX_SEND_HIGH << 1), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_send_with(host_of(&world, 0), actor.id, &message, JZX_SEND_HIGH | JZX_SEND_REPORT), JZX_OK);
    test_until(&world, actor.received == 1);
    test_world_close(&world);
}

/* ---- should_yield ---- */

typedef struct paced {
    uint64_t calls;
    uint64_t step_ns; /* of the clock between two calls */
    uint64_t looked;
    uint64_t said_at; /* the call that was told to yield; 0: none */
    uint64_t began_ns;
    uint64_t ended_ns;
} paced;

static jzx_behavior_result pace(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    paced *p = actor->data;
    (void)message;
    looks = 0;
    p->said_at = 0;
    p->began_ns = hand_ns;
    for (uint64_t i = 1; i <= p->calls && p->said_at == 0; i++) {
        hand_ns += p->step_ns;
        p->said_at = jzx_should_yield(context) ? i : 0;
    }
    p->ended_ns = hand_ns;
    p->looked = looks;
    return JZX_BEHAVIOR_OK;
}

Test(order, SC08_a_long_handler_looks_at_the_clock_seldom_and_in_time, .timeout = 60)
{
    enum { CALLS = 100000 };
    const uint64_t turn_ns = 100000ull * MS;
    jzx_config config;
    test_config(&config);
    config.turn_ns = turn_ns;
    test_world world;
    test_world_open(&world, 1, &config);
    paced p = {.calls = CALLS};
    test_actor actor = {.on = pace, .data = &p};
    test_spawn(&world, 0, &actor);
    clock_by_hand(world.loops[0]);

    test_send(&world, &actor, 1);
    test_until(&world, actor.received == 1);
    cr_assert_eq(p.said_at, 0);
    cr_assert_leq(p.looked, CALLS / 128 + 16, "%llu looks", (unsigned long long)p.looked);

    /* One that is slow between its calls, right after: it is not served by the pace of the one before. */
    p.step_ns = turn_ns / 10;
    test_send(&world, &actor, 1);
    test_until(&world, actor.received == 2);
    cr_assert(p.said_at >= 9 && p.said_at <= 10, "call %llu", (unsigned long long)p.said_at);

    /* And one between: the turn is over by an eighth of it at the most. */
    p.step_ns = turn_ns / 5000;
    test_send(&world, &actor, 1);
    test_until(&world, actor.received == 3);
    cr_assert_neq(p.said_at, 0);
    cr_assert_leq(p.ended_ns - p.began_ns, turn_ns + turn_ns / 8);
    cr_assert_leq(p.looked, 5000 / 16, "%llu looks", (unsigned long long)p.looked);
    clock_by_itself(world.loops[0]);
    test_world_close(&world);
}

/* ---- loops that stall ---- */

typedef struct stuck {
    _Atomic(bool) entered;
    _Atomic(bool) released;
} stuck;

static jzx_behavior_result stick(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    stuck *s = actor->data;
    (void)context;
    if (message->tag == TAG_GO) {
        s->entered = true;
        while (!s->released) {
            jzx__cpu_pause();
        }
    }
    return JZX_BEHAVIOR_OK;
}

Test(order, SC05_a_handler_that_does_not_return_is_seen_from_another_thread, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    stuck s = {0};
    test_actor actor = {.on = stick, .data = &s};
    test_actor other = {0};
    test_spawn(&world, 1, &actor);
    test_spawn(&world, 0, &other);
    jzx_stall stalls[2];
    uint32_t count = 7;
    cr_assert_eq(jzx_runtime_stalls(NULL, 0, stalls, 2, &count), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_runtime_stalls(world.runtime, 0, stalls, 2, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_runtime_stalls(world.runtime, 0, NULL, 2, &count), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_runtime_stalls(world.runtime, 0, stalls, 2, &count), JZX_OK);
    cr_assert_eq(count, 0, "nothing runs");
    test_world_start(&world);
    test_send(&world, &actor, TAG_GO);
    test_until(&world, s.entered);
    cr_assert_eq(jzx_runtime_stalls(world.runtime, 3600 * 1000ull * MS, stalls, 2, &count), JZX_OK);
    cr_assert_eq(count, 0, "not for an hour");
    do {
        cr_assert_eq(jzx_runtime_stalls(world.runtime, 2 * MS, stalls, 2, &count), JZX_OK);
    } while (count == 0);
    cr_assert_eq(count, 1);
    cr_assert_eq(stalls[0].loop, 1);
    cr_assert_eq(stalls[0].actor, actor.id);
    cr_assert_eq(stalls[0].tag, TAG_GO);
    cr_assert_eq(stalls[0].kind, JZX_HANDLER_MESSAGE);
    cr_assert_gt(stalls[0].for_ns, 2 * MS);
    uint64_t turn = stalls[0].turn;
    cr_assert_eq(jzx_runtime_stalls(world.runtime, 2 * MS, NULL, 0, &count), JZX_OK);
    cr_assert_eq(count, 1, "counted, though there is no room to list it");
    cr_assert_eq(jzx_runtime_stalls(world.runtime, 2 * MS, stalls, 2, &count), JZX_OK);
    cr_assert_eq(stalls[0].turn, turn, "still the same turn");
    s.released = true;
    test_until(&world, actor.received == 1);
    do {
        cr_assert_eq(jzx_runtime_stalls(world.runtime, 2 * MS, stalls, 2, &count), JZX_OK);
    } while (count != 0);
    test_world_close(&world);
}

/* Each one who sticks waits until so many have been let go. */
typedef struct sticks {
    _Atomic(uint32_t) entered;
    _Atomic(uint32_t) released;
} sticks;

static void stick_at(test_actor *actor)
{
    sticks *s = actor->data;
    for (uint32_t number = ++s->entered; s->released < number;) {
        jzx__cpu_pause();
    }
}

static jzx_err stick_in_init(jzx_context *context, test_actor *actor)
{
    (void)context;
    stick_at(actor);
    return JZX_OK;
}

static void stick_in_fini(jzx_context *context, test_actor *actor, const jzx_exit_info *info)
{
    (void)context;
    (void)info;
    stick_at(actor);
}

static jzx_behavior_result stick_in_all(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    if (message->tag == TAG_GO && (message->flags & JZX_MESSAGE_REQUEST) != 0) {
        stick_at(actor);
        jzx_message answer = jzx_message_empty(TAG_GO);
        cr_assert_eq(jzx_answer(context, message->ref, &answer), JZX_OK);
    } else if (message->tag == TAG_GO) {
        stick_at(actor);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result stick_in_end(jzx_context *context, void *state, void *argument, const jzx_result *result)
{
    (void)context;
    (void)state;
    (void)result;
    stick_at(argument);
    return JZX_BEHAVIOR_OK;
}

/* Waits until the next one is in there, sees it as one of that kind, and lets it go on. */
static void expect_stall(test_world *world, sticks *s, jzx_handler_kind kind, const jzx_actor_id *id, uint32_t tag)
{
    uint32_t number = s->released + 1;
    const jzx_stall *stall = NULL;
    jzx_stall stalls[2];
    test_until(world, s->entered == number);
    while (stall == NULL) { /* the other loop may be in a handler for long too, when this machine is busy */
        uint32_t count = 0;
        cr_assert_eq(jzx_runtime_stalls(world->runtime, MS, stalls, 2, &count), JZX_OK);
        for (uint32_t i = 0; i < count && stall == NULL; i++) {
            stall = stalls[i].actor == *id ? &stalls[i] : NULL;
        }
    }
    cr_expect_eq(stall->kind, kind, "%s", jzx_handler_kind_text(stall->kind));
    cr_expect_eq(stall->tag, tag);
    s->released = number;
}

typedef struct stall_way {
    test_actor *target;
    test_actor *child;
} stall_way;

static jzx_behavior_result ask_to_stick(jzx_context *context, test_actor *actor, void *argument)
{
    const stall_way *way = argument;
    jzx_message go = jzx_message_empty(TAG_GO);
    (void)actor;
    cr_assert_eq(jzx_call(context, way->target->id, &go, JZX_FOREVER, stick_in_end, way->target), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result time_to_stick(jzx_context *context, test_actor *actor, void *argument)
{
    jzx_message go = jzx_message_empty(TAG_GO);
    (void)actor;
    (void)argument;
    cr_assert_eq(jzx_timer_after(context, 0, &go, NULL), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result spawn_to_stick(jzx_context *context, test_actor *actor, void *argument)
{
    const stall_way *way = argument;
    jzx_spawn_options options;
    test_actor_options(way->child, &options);
    options.placement = JZX_PLACE_LOOP;
    options.place_loop = 1;
    (void)actor;
    cr_assert_eq(jzx_spawn_request(context, &options, NULL), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

Test(order, SC04_a_loop_that_stalls_tells_the_kind_of_handler, .timeout = 60)
{
    test_world world;
    sticks s = {0};
    test_world_open(&world, 2, NULL);
    test_actor target = {.on = stick_in_all, .data = &s};
    test_actor asker = {0};
    test_actor child = {.on_init = stick_in_init, .on_fini = stick_in_fini, .data = &s};
    test_spawn(&world, 1, &target);
    test_spawn(&world, 0, &asker);
    test_world_start(&world);
    stall_way way = {&target, &child};
    test_do(&world, &asker, ask_to_stick, &way);
    expect_stall(&world, &s, JZX_HANDLER_REQUEST, &target.id, TAG_GO);
    expect_stall(&world, &s, JZX_HANDLER_CONTINUATION, &asker.id, TAG_GO);
    test_do(&world, &target, time_to_stick, NULL);
    expect_stall(&world, &s, JZX_HANDLER_NOTICE, &target.id, TAG_GO);
    test_do(&world, &asker, spawn_to_stick, &way);
    expect_stall(&world, &s, JZX_HANDLER_INIT, &child.id, 0);
    test_until(&world, child.inits == 1);
    jzx_actor_id id = child.id;
    cr_assert_eq(jzx_runtime_request_stop(world.runtime), JZX_OK);
    expect_stall(&world, &s, JZX_HANDLER_FINI, &id, 0);
    test_until(&world, child.finis == 1);
    test_world_close(&world);
}
