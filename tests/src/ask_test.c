/* ask_test: a foreign thread that asks sleeps until there is exactly one answer, from its target or from the runtime. */
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sched/loop.h"
#include "tests/support/support.h"

static const uint64_t MILLISECOND = 1000000;

enum { ASKING_MAX = 80, LATER_MAX = 80 };

static uint64_t dropped(const test_world *world, jzx_drop_reason reason)
{
    return test_count(world, offsetof(jzx_counters, dropped) + reason * sizeof(uint64_t));
}

/* ---- who asks: a thread each ---- */

typedef struct asking {
    jzx_runtime *runtime;
    jzx_actor_id to;
    const char *name;   /* or by name */
    jzx_poster *poster; /* or through one */
    jzx_message message;
    uint64_t timeout_ns;
    jzx_message answer;
    jzx_err err;
    _Atomic(bool) done;
    pthread_t thread;
} asking;

static void ask_here(void *argument)
{
    asking *a = argument;
    memset(&a->answer, 0x5A, sizeof a->answer);
    if (a->name != NULL) {
        a->err = jzx_ask_name(a->runtime, a->name, &a->message, a->timeout_ns, &a->answer);
    } else if (a->poster != NULL) {
        a->err = jzx_poster_ask(a->poster, a->to, &a->message, a->timeout_ns, &a->answer);
    } else {
        a->err = jzx_ask(a->runtime, a->to, &a->message, a->timeout_ns, &a->answer);
    }
    atomic_store(&a->done, true);
}

static void *ask_main(void *argument)
{
    ask_here(argument);
    return NULL;
}

static asking about(const test_world *world, const test_actor *to, jzx_message message, uint64_t timeout_ns)
{
    return (asking){.runtime = world->runtime, .to = to->id, .message = message, .timeout_ns = timeout_ns};
}

static void begin(asking *a)
{
    atomic_store(&a->done, false);
    cr_assert_eq(pthread_create(&a->thread, NULL, ask_main, a), 0);
}

static void join(asking *a)
{
    cr_assert_eq(pthread_join(a->thread, NULL), 0);
    cr_assert(atomic_load(&a->done));
}

/* What the asker has at its end: an answer of the target's own, or why there is none. */
static void end(test_world *world, asking *a, jzx_err expected)
{
    test_until(world, atomic_load(&a->done));
    join(a);
    cr_assert_eq(a->err, JZX_OK, "%s", jzx_strerror(a->err));
    cr_assert_eq(jzx_answer_err(&a->answer), expected, "%s", jzx_strerror(jzx_answer_err(&a->answer)));
    cr_assert_eq(a->answer.ref, 0);
    cr_assert_eq(a->answer.sender, a->to);
    if (expected != JZX_OK) {
        jzx_no_answer none;
        memcpy(&none, a->answer.bytes, sizeof none);
        cr_assert_eq(a->answer.flags, (uint32_t)JZX_MESSAGE_ANSWER);
        cr_assert_eq(a->answer.size, sizeof none);
        cr_assert_eq(none.target, a->to);
        cr_assert_eq(none.tag, a->message.tag);
    }
}

static void ask_once(test_world *world, asking *a, jzx_err expected)
{
    begin(a);
    end(world, a, expected);
}

/* It was refused: nothing was touched. */
static void refused(asking *a, jzx_err expected)
{
    jzx_message before = a->message;
    jzx_message untouched;
    memset(&untouched, 0x5A, sizeof untouched);
    test_on_thread(ask_here, a);
    cr_assert_eq(a->err, expected, "%s", jzx_strerror(a->err));
    cr_assert_eq(memcmp(&a->message, &before, sizeof before), 0);
    cr_assert_eq(memcmp(&a->answer, &untouched, sizeof untouched), 0);
}

/* ---- who is asked ---- */

typedef struct answerer {
    test_ledger *ledger; /* answers by pointer */
    bool later;
    bool yields;  /* once */
    bool blocked; /* yields always */
    jzx_behavior_result result;
    uint64_t refs[LATER_MAX]; /* of those to be answered later */
    _Atomic(uint32_t) held;
    jzx_err err;
} answerer;

static jzx_message reply_to(answerer *a, const jzx_message *message)
{
    return a->ledger != NULL ? test_payload(a->ledger, message->tag + 1000, 200)
                             : jzx_message_value(message->tag + 1000, message->bytes, message->size);
}

static jzx_behavior_result on_request(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    answerer *a = actor->data;
    if ((message->flags & JZX_MESSAGE_REQUEST) == 0) {
        return JZX_BEHAVIOR_OK;
    }
    if (a->yields || a->blocked) {
        a->yields = false;
        return JZX_BEHAVIOR_YIELD;
    }
    if (a->result != JZX_BEHAVIOR_OK) {
        return a->result;
    }
    if (a->later) {
        a->refs[atomic_load(&a->held)] = message->ref;
        atomic_fetch_add(&a->held, 1);
        return JZX_BEHAVIOR_OK;
    }
    jzx_message reply = reply_to(a, message);
    a->err = jzx_answer(context, message->ref, &reply);
    return JZX_BEHAVIOR_OK;
}

static void spawn_answerer(test_world *world, uint32_t loop, test_actor *actor, answerer *a)
{
    actor->on = on_request;
    actor->data = a;
    test_spawn(world, loop, actor);
}

static jzx_behavior_result answer_first(jzx_context *context, test_actor *actor, void *argument)
{
    answerer *a = actor->data;
    const jzx_message *reply = argument;
    a->err = jzx_answer(context, a->refs[0], reply);
    return JZX_BEHAVIOR_OK;
}

/* ---- answers ---- */

static void one_answer(uint32_t place, bool later, bool threads)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    answerer a = {.later = later, .yields = !later};
    test_actor target = {0};
    spawn_answerer(&world, place, &target, &a);
    if (threads) {
        test_world_start(&world);
    }
    uint64_t word = 12345;
    asking one = about(&world, &target, jzx_message_value(7, &word, 8), JZX_FOREVER);
    begin(&one);
    if (later) {
        test_until(&world, atomic_load(&a.held) == 1);
        cr_assert_not(atomic_load(&one.done));
        jzx_message reply = jzx_message_value(1007, &word, 8);
        test_do(&world, &target, answer_first, &reply);
        cr_assert_eq(a.err, JZX_OK);
        test_do(&world, &target, answer_first, &reply);
        cr_assert_eq(a.err, JZX_ERR_NO_SUCH_REQUEST, "answered before");
    }
    end(&world, &one, JZX_OK);
    cr_assert_eq(one.answer.tag, 1007);
    cr_assert_eq(one.answer.flags, (uint32_t)JZX_MESSAGE_ANSWER);
    cr_assert_eq(one.answer.size, 8);
    cr_assert_eq(one.answer.words[0], 12345);
    cr_assert_eq(target.log[0].flags, (uint32_t)JZX_MESSAGE_REQUEST);
    cr_assert_eq(target.log[0].sender, 0);
    cr_assert_neq(target.log[0].ref, 0);
    test_until(&world, test_count(&world, offsetof(jzx_counters, asks_answered)) == 1);
    test_world_close(&world);
}

Test(ask, one_question_one_answer, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        one_answer(place, false, false);
        one_answer(place, true, false);
        one_answer(place, false, true);
        one_answer(place, true, true);
    }
}

Test(ask, payloads_go_there_and_back, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        test_ledger ledger = {0};
        answerer a = {.ledger = &ledger};
        test_actor target = {.ledger = &ledger};
        spawn_answerer(&world, place, &target, &a);
        asking one = about(&world, &target, test_payload(&ledger, 3, 100), JZX_FOREVER);
        ask_once(&world, &one, JZX_OK);
        cr_assert_eq(one.answer.flags, (uint32_t)(JZX_MESSAGE_ANSWER | JZX_MESSAGE_POINTER));
        cr_assert_eq(one.answer.size, 200);
        cr_assert_eq(ledger.taken, 1);
        (void)test_payload_take(&ledger, &one.answer); /* the caller's */
        test_world_close(&world);
        cr_assert_eq(test_ledger_open(&ledger), 0);
        cr_assert_eq(ledger.twice, 0);
        cr_assert_eq(ledger.dropped, 0);
    }
}

static jzx_behavior_result answer_with_buffer(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    answerer *a = actor->data;
    jzx_buffer *buffer = jzx_message_buffer_of(message); /* lent: another reference goes back */
    jzx_message reply = jzx_message_buffer(77, jzx_buffer_ref(buffer));
    a->err = jzx_answer(context, message->ref, &reply);
    return JZX_BEHAVIOR_OK;
}

/* In time, or after the asker has gone: each message has its reference. */
Test(ask, a_buffer_goes_there_and_back, .timeout = 60)
{
    for (uint32_t late = 0; late < 2; late++) {
        test_world world;
        test_world_open(&world, 1, NULL);
        answerer a = {.err = JZX_ERR_UNKNOWN};
        test_actor target = {.on = answer_with_buffer, .data = &a};
        jzx_buffer *buffer;
        test_spawn(&world, 0, &target);
        cr_assert_eq(jzx_buffer_copy(world.runtime, "some bytes", 11, &buffer), JZX_OK);
        asking one = about(&world, &target, jzx_message_buffer(7, buffer), late == 1 ? 0 : JZX_FOREVER);
        begin(&one);
        if (late == 1) {
            join(&one);
            cr_assert_eq(jzx_answer_err(&one.answer), JZX_ERR_TIMEOUT);
            test_until(&world, a.err == JZX_OK);
            cr_assert_eq(dropped(&world, JZX_DROP_LATE), 1);
        } else {
            end(&world, &one, JZX_OK);
            cr_assert_eq(one.answer.flags, (uint32_t)(JZX_MESSAGE_ANSWER | JZX_MESSAGE_POINTER));
            cr_assert_eq(jzx_message_buffer_of(&one.answer), buffer);
            cr_assert_str_eq(jzx_buffer_data(buffer), "some bytes");
            jzx_buffer_unref(buffer);
        }
        test_world_close(&world); /* no memory is left */
    }
}

/* Hands the duty to answer on, with what it was asked. */
static jzx_behavior_result hand_on(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    const test_actor *other = actor->data;
    return jzx_delegate(context, message->ref, other->id, message) == JZX_OK ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_FAIL;
}

/* To another on the same loop, and on the other one; who answers it, or is not there any more. */
Test(ask, one_that_is_delegated_is_answered_by_the_other, .timeout = 60)
{
    for (uint32_t how = 0; how < 4; how++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        test_ledger ledger = {0};
        answerer a = {.ledger = &ledger, .result = how < 2 ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_FAIL};
        test_actor other = {.ledger = how < 2 ? &ledger : NULL};
        test_actor target = {.on = hand_on, .data = &other};
        spawn_answerer(&world, how % 2, &other, &a);
        test_spawn(&world, 0, &target);
        asking one = about(&world, &target, how < 2 ? test_payload(&ledger, 3, 100) : jzx_message_empty(3),
                           JZX_FOREVER);
        begin(&one);
        test_until(&world, atomic_load(&one.done));
        join(&one);
        cr_assert_eq(one.err, JZX_OK);
        cr_assert_eq(one.answer.sender, other.id);
        cr_assert_eq(other.log[0].sender, 0);
        if (how < 2) {
            cr_assert_eq(one.answer.tag, 1003);
            (void)test_payload_take(&ledger, &one.answer);
        } else {
            cr_assert_eq(jzx_answer_err(&one.answer), JZX_ERR_ENDED);
        }
        test_world_close(&world);
        cr_assert_eq(test_ledger_open(&ledger), 0);
    }
}

static jzx_behavior_result take_name(jzx_context *context, test_actor *actor, void *argument)
{
    *(jzx_err *)argument = jzx_register(context, "oracle", actor->id);
    return JZX_BEHAVIOR_OK;
}

Test(ask, by_name, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    answerer a = {0};
    test_actor target = {0};
    spawn_answerer(&world, 0, &target, &a);
    jzx_err err = JZX_ERR_UNKNOWN;
    test_do(&world, &target, take_name, &err);
    cr_assert_eq(err, JZX_OK);
    asking one = about(&world, &target, jzx_message_empty(4), JZX_FOREVER);
    one.name = "oracle";
    ask_once(&world, &one, JZX_OK);
    cr_assert_eq(one.answer.tag, 1004);
    one.name = "nobody";
    refused(&one, JZX_ERR_NOT_FOUND);
    one.name = "";
    refused(&one, JZX_ERR_INVALID_ARG);
    one.name = "oracle";
    one.runtime = NULL;
    refused(&one, JZX_ERR_INVALID_ARG);
    test_world_close(&world);
}

/* Posts three times through the poster and then asks through it. */
static void *post_then_ask(void *argument)
{
    asking *a = argument;
    for (uint32_t tag = 1; tag <= 3; tag++) {
        jzx_message message = jzx_message_empty(tag);
        (void)jzx_poster_post(a->poster, a->to, &message); /* that all came is seen at the target */
    }
    ask_here(a);
    return NULL;
}

Test(ask, I1_through_a_poster_it_keeps_its_order, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    answerer a = {0};
    test_actor target = {0};
    spawn_answerer(&world, 1, &target, &a);
    asking one = about(&world, &target, jzx_message_empty(4), JZX_FOREVER);
    cr_assert_eq(jzx_poster_create(world.runtime, 8, &one.poster), JZX_OK);
    cr_assert_eq(pthread_create(&one.thread, NULL, post_then_ask, &one), 0);
    end(&world, &one, JZX_OK);
    for (uint32_t i = 0; i < 4; i++) {
        cr_assert_eq(target.log[i].tag, i + 1);
    }
    test_world_close(&world);
}

/* ---- no answer ---- */

Test(ask, the_runtime_answers_for_one_that_is_not_there, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        test_ledger ledger = {0};
        test_actor dead = {0};
        test_spawn(&world, place, &dead);
        cr_assert_eq(jzx_kill(jzx_loop_context(world.loops[place]), dead.id), JZX_OK);
        test_until(&world, dead.finis == 1);
        asking one = about(&world, &dead, test_payload(&ledger, 3, 16), JZX_FOREVER);
        ask_once(&world, &one, JZX_ERR_NO_SUCH_ACTOR);
        cr_assert_eq(ledger.dropped, 1);
        cr_assert_eq(dropped(&world, JZX_DROP_NO_ACTOR), 1);
        test_world_close(&world);
    }
}

/* One request that it has taken, and one that is still in its mailbox. */
static void target_ends(uint32_t place, bool threads)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    answerer a = {.later = true};
    test_actor target = {0};
    spawn_answerer(&world, place, &target, &a);
    if (threads) {
        test_world_start(&world);
    }
    asking one = about(&world, &target, jzx_message_empty(9), JZX_FOREVER);
    begin(&one);
    test_until(&world, atomic_load(&a.held) == 1);
    a.result = JZX_BEHAVIOR_FAIL; /* the next one is its end */
    asking other = about(&world, &target, jzx_message_empty(10), JZX_FOREVER);
    begin(&other);
    end(&world, &one, JZX_ERR_ENDED);
    end(&world, &other, JZX_ERR_ENDED);
    test_world_close(&world);
}

Test(ask, Q2_the_runtime_answers_for_one_that_ends, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        target_ends(place, false);
        target_ends(place, true);
    }
}

Test(ask, the_runtime_answers_what_is_not_handled, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_ledger ledger = {0};
    answerer a = {.result = JZX_BEHAVIOR_UNHANDLED};
    test_actor target = {0};
    spawn_answerer(&world, 0, &target, &a);
    asking one = about(&world, &target, test_payload(&ledger, 3, 16), JZX_FOREVER);
    ask_once(&world, &one, JZX_ERR_UNHANDLED);
    cr_assert_eq(ledger.dropped, 1);
    test_world_close(&world);
}

/* A mailbox with one place: a request into it, and one more. */
static void mailbox_is_full(jzx_mailbox_policy policy)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    answerer a = {.blocked = true};
    test_actor target = {.on = on_request, .data = &a};
    jzx_spawn_options options;
    test_actor_options(&target, &options);
    options.mailbox_cap = 1;
    options.mailbox_policy = (uint8_t)policy;
    test_spawn_with(&world, 0, &target, &options);
    asking one = about(&world, &target, jzx_message_empty(1), JZX_FOREVER);
    begin(&one);
    test_until(&world, target.yields > 0);
    asking other = about(&world, &target, jzx_message_empty(2), JZX_FOREVER);
    if (policy == JZX_MAILBOX_REFUSE) {
        refused(&other, JZX_ERR_MAILBOX_FULL);
    } else {
        begin(&other);
        end(&world, policy == JZX_MAILBOX_DROP_NEWEST ? &other : &one, JZX_ERR_MAILBOX_FULL);
    }
    a.blocked = false;
    end(&world, policy == JZX_MAILBOX_DROP_OLDEST ? &other : &one, JZX_OK);
    test_world_close(&world);
}

Test(ask, what_a_full_mailbox_does_with_it, .timeout = 60)
{
    mailbox_is_full(JZX_MAILBOX_REFUSE);
    mailbox_is_full(JZX_MAILBOX_DROP_NEWEST);
    mailbox_is_full(JZX_MAILBOX_DROP_OLDEST);
}

Test(ask, Q3_an_actor_keeps_an_eighth_of_the_cells_at_most, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.cells = 256;
    config.inbox_size = 32;
    config.lane_blocks = 2;
    config.mailbox_cap = 32;
    test_world world;
    test_world_open(&world, 1, &config);
    static asking many[ASKING_MAX];
    answerer a = {.later = true};
    test_actor target = {0};
    spawn_answerer(&world, 0, &target, &a);
    const uint32_t most = config.cells / 8;
    for (uint32_t i = 0; i < most; i++) {
        many[i] = about(&world, &target, jzx_message_empty(1), JZX_FOREVER);
        begin(&many[i]);
        test_until(&world, atomic_load(&a.held) == i + 1);
    }
    asking one = about(&world, &target, jzx_message_empty(2), JZX_FOREVER);
    ask_once(&world, &one, JZX_ERR_LIMIT);
    cr_assert_eq(jzx_kill(jzx_loop_context(world.loops[0]), target.id), JZX_OK);
    for (uint32_t i = 0; i < most; i++) {
        end(&world, &many[i], JZX_ERR_ENDED);
    }
    test_world_close(&world);
}

/* ---- deadlines ---- */

Test(ask, a_deadline_is_an_end_and_a_later_answer_is_a_dead_letter, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        test_world world;
        test_world_open(&world, 2, NULL);
        test_ledger ledger = {0};
        answerer a = {.later = true};
        test_actor target = {.ledger = &ledger};
        spawn_answerer(&world, place, &target, &a);
        uint64_t began_ns = test_now_ns();
        asking one = about(&world, &target, test_payload(&ledger, 7, 100), 20 * MILLISECOND);
        ask_once(&world, &one, JZX_ERR_TIMEOUT);
        cr_assert_geq(test_now_ns() - began_ns, 20 * MILLISECOND);
        test_until(&world, atomic_load(&a.held) == 1);
        jzx_message reply = test_payload(&ledger, 8, 100);
        test_do(&world, &target, answer_first, &reply);
        cr_assert_eq(a.err, JZX_OK, "the actor cannot know");
        cr_assert_eq(ledger.dropped, 1);
        cr_assert_eq(dropped(&world, JZX_DROP_LATE), 1);
        a.later = false; /* the record is free for another, who hears nothing of that */
        asking next = about(&world, &target, jzx_message_empty(5), JZX_FOREVER);
        ask_once(&world, &next, JZX_OK);
        cr_assert_eq(next.answer.tag, 1005);
        test_world_close(&world);
        cr_assert_eq(test_ledger_open(&ledger), 0);
    }
}

Test(ask, without_any_time_it_is_sent_all_the_same, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    answerer a = {.later = true};
    test_actor target = {0};
    spawn_answerer(&world, 0, &target, &a);
    asking one = about(&world, &target, jzx_message_empty(7), 0);
    begin(&one);
    join(&one); /* though no loop has run yet */
    cr_assert_eq(one.err, JZX_OK);
    cr_assert_eq(jzx_answer_err(&one.answer), JZX_ERR_TIMEOUT);
    test_until(&world, atomic_load(&a.held) == 1);
    test_world_close(&world);
}

/* ---- limits ---- */

Test(ask, asks_max_threads_are_inside_at_one_time, .timeout = 60)
{
    for (uint32_t most = 1; most <= 3; most++) {
        jzx_config config;
        test_config(&config);
        config.asks_max = most;
        test_world world;
        test_world_open(&world, 1, &config);
        answerer a = {.later = true};
        test_actor target = {0};
        spawn_answerer(&world, 0, &target, &a);
        asking many[3];
        for (uint32_t round = 0; round < 3; round++) {
            uint32_t before = atomic_load(&a.held);
            for (uint32_t i = 0; i < most; i++) {
                many[i] = about(&world, &target, jzx_message_empty(1), JZX_FOREVER);
                begin(&many[i]);
            }
            test_until(&world, atomic_load(&a.held) == before + most);
            asking one = about(&world, &target, jzx_message_empty(2), JZX_FOREVER);
            refused(&one, JZX_ERR_LIMIT);
            a.refs[0] = a.refs[before];
            jzx_message reply = jzx_message_empty(1001);
            test_do(&world, &target, answer_first, &reply);
            test_until(&world, atomic_load(&many[0].done) || atomic_load(&many[most - 1].done) ||
                                   atomic_load(&many[most / 2].done));
            a.result = JZX_BEHAVIOR_UNHANDLED;
            ask_once(&world, &one, JZX_ERR_UNHANDLED); /* there is room again */
            a.result = JZX_BEHAVIOR_OK;
            for (uint32_t i = 1; i < most; i++) {
                a.refs[0] = a.refs[before + i];
                test_do(&world, &target, answer_first, &reply);
            }
            for (uint32_t i = 0; i < most; i++) {
                end(&world, &many[i], JZX_OK);
            }
        }
        test_world_close(&world);
    }
}

Test(ask, refusals_touch_nothing, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.inbox_size = 4;
    test_world world;
    test_world_open(&world, 1, &config);
    test_ledger ledger = {0};
    answerer a = {0};
    test_actor target = {0};
    spawn_answerer(&world, 0, &target, &a);
    asking one = about(&world, &target, test_payload(&ledger, 7, 100), JZX_FOREVER);
    one.to = 0;
    refused(&one, JZX_ERR_NO_SUCH_ACTOR);
    one.to = (uint64_t)7 << 56 | 1;
    refused(&one, JZX_ERR_NO_SUCH_ACTOR);
    one.to = target.id;
    one.runtime = NULL;
    refused(&one, JZX_ERR_INVALID_ARG);
    one.runtime = world.runtime;
    one.message.tag = JZX_TAG_SYS_DOWN;
    refused(&one, JZX_ERR_INVALID_ARG);
    one.message.tag = 7;
    jzx_message answer;
    cr_assert_eq(jzx_ask(world.runtime, target.id, NULL, 0, &answer), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_ask(world.runtime, target.id, &one.message, 0, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_poster_ask(NULL, target.id, &one.message, 0, &answer), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_answer_err(NULL), JZX_ERR_INVALID_ARG);
    for (uint32_t i = 0; i < 3; i++) { /* no loop has run: the inbox fills up */
        jzx_message filler = jzx_message_empty(1);
        cr_assert_eq(jzx_post(world.runtime, target.id, &filler), JZX_OK);
    }
    refused(&one, JZX_ERR_WOULD_BLOCK);
    test_until(&world, target.received == 3);
    for (uint32_t i = 0; i < config.asks_max; i++) { /* none of them has kept a record */
        asking next = about(&world, &target, jzx_message_empty(5), JZX_FOREVER);
        ask_once(&world, &next, JZX_OK);
    }
    (void)test_payload_take(&ledger, &one.message);
    test_world_close(&world);
    cr_assert_eq(ledger.dropped, 0);
}

/* ---- threads ---- */

static jzx_behavior_result ask_from_loop(jzx_context *context, test_actor *actor, void *argument)
{
    (void)context;
    (void)actor;
    ask_here(argument);
    return JZX_BEHAVIOR_OK;
}

Test(ask, not_on_a_thread_that_has_a_loop, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    answerer a = {0};
    test_actor target = {0};
    test_actor other = {0};
    spawn_answerer(&world, 0, &target, &a);
    test_spawn(&world, 1, &other);
    asking one = about(&world, &target, jzx_message_empty(5), JZX_FOREVER);
    ask_here(&one); /* the loops are this thread's, which would have to run them */
    cr_assert_eq(one.err, JZX_ERR_WRONG_THREAD);
    test_do(&world, &other, ask_from_loop, &one);
    cr_assert_eq(one.err, JZX_ERR_WRONG_THREAD);
    test_world_close(&world);
}

Test(ask, but_on_the_one_that_started_the_loops, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    answerer a = {0};
    test_actor target = {0};
    test_actor other = {0};
    spawn_answerer(&world, 0, &target, &a);
    test_spawn(&world, 1, &other);
    test_world_start(&world);
    asking one = about(&world, &target, jzx_message_empty(5), JZX_FOREVER);
    ask_here(&one);
    cr_assert_eq(one.err, JZX_OK);
    cr_assert_eq(one.answer.tag, 1005);
    test_do(&world, &other, ask_from_loop, &one);
    cr_assert_eq(one.err, JZX_ERR_WRONG_THREAD);
    test_world_close(&world);
}

Test(ask, not_in_a_child_process, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    answerer a = {0};
    test_actor target = {0};
    spawn_answerer(&world, 0, &target, &a);
    test_world_start(&world);
    asking one = about(&world, &target, jzx_message_empty(5), JZX_FOREVER);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        ask_here(&one);
        _exit(one.err == JZX_ERR_FORKED ? 0 : 1);
    }
    int status = 1;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ask_here(&one);
    cr_assert_eq(one.err, JZX_OK);
    test_world_close(&world);
}

/* ---- the end ---- */

/* Those asleep when the runtime stops hear of it: from the actor's end, or since the loop left without seeing it. */
static void a_stop_ends_it(bool threads)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    answerer answerers[2] = {{.later = true}, {.later = true}};
    test_actor targets[2] = {{0}};
    asking many[8];
    for (uint32_t i = 0; i < 2; i++) {
        spawn_answerer(&world, i, &targets[i], &answerers[i]);
    }
    if (threads) {
        test_world_start(&world);
    }
    for (uint32_t i = 0; i < 8; i++) {
        many[i] = about(&world, &targets[i % 2], jzx_message_empty(9), JZX_FOREVER);
        begin(&many[i]);
    }
    test_until(&world, atomic_load(&answerers[0].held) == 4 && atomic_load(&answerers[1].held) == 4);
    test_world_close(&world);
    for (uint32_t i = 0; i < 8; i++) {
        join(&many[i]);
        cr_assert_eq(many[i].err, JZX_OK);
        cr_assert_eq(jzx_answer_err(&many[i].answer), JZX_ERR_ENDED);
    }
}

Test(ask, a_stop_ends_all, .timeout = 60)
{
    a_stop_ends_it(false);
    a_stop_ends_it(true);
}

Test(ask, one_loop_that_stops_alone_answers_for_its_dead, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    answerer a = {.later = true};
    answerer at_once = {0};
    test_actor target = {0};
    test_actor other = {0};
    spawn_answerer(&world, 1, &target, &a);
    spawn_answerer(&world, 0, &other, &at_once);
    asking one = about(&world, &target, jzx_message_empty(9), JZX_FOREVER);
    begin(&one);
    test_until(&world, atomic_load(&a.held) == 1);
    cr_assert_eq(jzx_loop_request_stop(world.loops[1]), JZX_OK);
    end(&world, &one, JZX_ERR_ENDED);
    test_world_settle(&world);
    one = about(&world, &target, jzx_message_empty(9), JZX_FOREVER);
    refused(&one, JZX_ERR_LOOP_CLOSED);
    one = about(&world, &other, jzx_message_empty(5), JZX_FOREVER);
    ask_once(&world, &one, JZX_OK); /* the other loop goes on */
    test_world_close(&world);
}

static void count_drop(void *context, void *data, size_t size)
{
    (void)data;
    (void)size;
    ++*(uint32_t *)context;
}

/* Asks an actor of a loop that nobody runs: who ends the runtime must wake it, and may free nothing before it is out. */
static void never_run(bool shutdown)
{
    jzx_config config;
    test_config(&config);
    config.loops_max = 1;
    jzx_runtime *runtime;
    jzx_loop *loop;
    jzx_spawn_options options;
    jzx_actor_id id;
    uint32_t drops = 0;
    uint64_t payload = 7;
    test_actor target = {0};
    cr_assert_eq(jzx_runtime_create(&config, &runtime), JZX_OK);
    cr_assert_eq(jzx_loop_create(runtime, NULL, &loop), JZX_OK);
    test_actor_options(&target, &options);
    cr_assert_eq(jzx_spawn(jzx_loop_context(loop), &options, &id), JZX_OK);
    asking one = {.runtime = runtime, .to = id, .timeout_ns = JZX_FOREVER};
    one.message = jzx_message_pointer(9, &payload, sizeof payload, count_drop, &drops);
    begin(&one);
    while (jzx__inbox_tail(&loop->inbox) == 0) { /* white-box: its request is there, so it is inside */
        sched_yield();
    }
    if (shutdown) {
        cr_assert_eq(jzx_runtime_shutdown(runtime, JZX_FOREVER, NULL), JZX_OK);
        join(&one);
    }
    cr_assert_eq(jzx_runtime_destroy(runtime), JZX_OK);
    if (!shutdown) {
        join(&one);
    }
    cr_assert_eq(one.err, JZX_OK);
    cr_assert_eq(jzx_answer_err(&one.answer), JZX_ERR_ENDED);
    cr_assert_eq(drops, 1);
}

Test(ask, Y4_who_destroys_waits_until_all_are_out, .timeout = 60)
{
    for (uint32_t i = 0; i < 50; i++) {
        never_run(i % 2 == 0);
    }
}

/* Threads that ask all the time while it stops: each comes out, with a refusal or with an answer. */
typedef struct nag {
    jzx_runtime *runtime;
    jzx_actor_id to;
    uint64_t timeout_ns;
    uint32_t ends; /* of asks, refused or not */
    jzx_err last;
    pthread_t thread;
} nag;

static void *nag_main(void *argument)
{
    nag *me = argument;
    uint64_t number = 0;
    for (;;) {
        jzx_message message = jzx_message_value(7, &number, sizeof number);
        jzx_message answer;
        me->last = jzx_ask(me->runtime, me->to, &message, me->timeout_ns, &answer);
        if (me->last == JZX_ERR_LOOP_CLOSED) {
            return NULL;
        }
        if (me->last == JZX_OK && jzx_answer_err(&answer) == JZX_OK) {
            if (answer.tag != 1007 || answer.words[0] != number) {
                return NULL; /* another's */
            }
        }
        me->ends++;
        number++;
        if (me->last != JZX_OK) {
            sched_yield(); /* refused: the others are inside */
        }
    }
}

Test(ask, Y3_a_stop_in_the_middle_of_it_all, .timeout = 100)
{
    for (uint32_t round = 0; round < 20; round++) {
        jzx_config config;
        test_config(&config);
        config.asks_max = 3; /* of six */
        test_world world;
        test_world_open(&world, 2, &config);
        answerer answerers[2] = {{0}};
        test_actor targets[2] = {{0}};
        nag nags[6];
        for (uint32_t i = 0; i < 2; i++) {
            spawn_answerer(&world, i, &targets[i], &answerers[i]);
        }
        test_world_start(&world);
        for (uint32_t i = 0; i < 6; i++) {
            nags[i] = (nag){.runtime = world.runtime, .to = targets[i % 2].id};
            nags[i].timeout_ns = i < 3 ? JZX_FOREVER : (uint64_t)(i - 3) * 20000;
            cr_assert_eq(pthread_create(&nags[i].thread, NULL, nag_main, &nags[i]), 0);
        }
        test_until(&world, targets[0].received > 20 * round && targets[1].received > 20 * round);
        cr_assert_eq(jzx_runtime_shutdown(world.runtime, JZX_FOREVER, NULL), JZX_OK);
        uint32_t ends = 0; /* one thread alone may come too late for any */
        for (uint32_t i = 0; i < 6; i++) {
            cr_assert_eq(pthread_join(nags[i].thread, NULL), 0);
            cr_assert_eq(nags[i].last, JZX_ERR_LOOP_CLOSED);
            ends += nags[i].ends;
        }
        cr_assert_gt(ends, 0);
        test_world_close(&world);
    }
}
