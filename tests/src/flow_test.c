/* flow_test: a sender sends as much as its receiver has granted, and each side hears once of the other's end. */
#include "sched/annex.h"
#include "tests/support/support.h"

#include <string.h>

static jzx_context *host_of(const test_world *world, uint32_t loop)
{
    return jzx_loop_context(world->loops[loop]);
}

/* ---- what an actor is told to do ---- */

typedef enum deed { OFFER, WANT, GRANT, WINDOW, SEND, REQUEST, DELEGATE, ANSWER, HAND_ON, CREDITS, CLOSE, PLAIN } deed;

typedef struct order {
    deed what;
    jzx_actor_id peer;
    jzx_flow_id flow;
    uint32_t number; /* of credits, or the tag of a message */
    uint32_t times;  /* messages; until one is refused */
    uint32_t done;
    uint64_t timeout_ns;
    uint64_t ref;   /* of a request */
    uint64_t *refs; /* of each, may be NULL */
    jzx_err err;
} order;

static jzx_err do_once(jzx_context *context, order *o)
{
    jzx_message message = jzx_message_value(o->number, &o->done, sizeof o->done);
    switch (o->what) {
    case OFFER:
        return jzx_flow_offer(context, o->peer, &o->flow);
    case WANT:
        return jzx_flow_want(context, o->peer, o->number, &o->flow);
    case GRANT:
        return jzx_flow_grant(context, o->flow, o->number);
    case WINDOW:
        return jzx_flow_window(context, o->flow, o->number);
    case SEND:
        return jzx_flow_send(context, o->flow, &message);
    case REQUEST:
        return jzx_flow_request(context, o->flow, &message, o->timeout_ns == 0 ? JZX_FOREVER : o->timeout_ns, &o->ref);
    case DELEGATE:
        return jzx_flow_delegate(context, o->flow, o->ref, &message);
    case ANSWER:
        return jzx_answer(context, o->ref, &message);
    case HAND_ON:
        return jzx_delegate(context, o->ref, o->peer, &message);
    case CREDITS:
        return jzx_flow_credits(context, o->flow, &o->number);
    case CLOSE:
        return jzx_flow_close(context, o->flow);
    case PLAIN:
        return jzx_send(context, o->peer, &message);
    }
    return JZX_ERR_UNKNOWN;
}

static jzx_behavior_result obey(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    order *o = argument;
    uint32_t times = o->times == 0 ? 1 : o->times;
    o->err = JZX_OK;
    while (o->done < times && o->err == JZX_OK) {
        o->err = do_once(context, o);
        if (o->refs != NULL && o->err == JZX_OK) {
            o->refs[o->done] = o->ref;
        }
        o->done += o->err == JZX_OK;
    }
    return JZX_BEHAVIOR_OK;
}

static order tell(test_world *world, test_actor *actor, order o)
{
    test_do(world, actor, obey, &o);
    return o;
}

static jzx_flow_id offer(test_world *world, test_actor *actor, jzx_actor_id peer)
{
    order o = tell(world, actor, (order){.what = OFFER, .peer = peer});
    cr_assert_eq(o.err, JZX_OK, "%s", jzx_strerror(o.err));
    cr_assert_neq(o.flow, 0);
    return o.flow;
}

static jzx_flow_id want(test_world *world, test_actor *actor, jzx_actor_id peer, uint32_t credits)
{
    order o = tell(world, actor, (order){.what = WANT, .peer = peer, .number = credits});
    cr_assert_eq(o.err, JZX_OK, "%s", jzx_strerror(o.err));
    cr_assert_neq(o.flow, 0);
    return o.flow;
}

static jzx_err about(test_world *world, test_actor *actor, deed what, jzx_flow_id flow, uint32_t number)
{
    return tell(world, actor, (order){.what = what, .flow = flow, .number = number}).err;
}

/* Sends until it is refused; how many went. */
static uint32_t flood(test_world *world, test_actor *actor, jzx_flow_id flow, uint32_t tag, jzx_err refusal)
{
    order o = tell(world, actor, (order){.what = SEND, .flow = flow, .number = tag, .times = UINT32_MAX});
    cr_assert_eq(o.err, refusal, "%s", jzx_strerror(o.err));
    return o.done;
}

static uint32_t credits_of(test_world *world, test_actor *actor, jzx_flow_id flow)
{
    order o = tell(world, actor, (order){.what = CREDITS, .flow = flow});
    cr_assert_eq(o.err, JZX_OK, "%s", jzx_strerror(o.err));
    return o.number;
}

/* ---- what it heard ---- */

static jzx_flow_opened opened(const test_actor *actor, uint32_t nth)
{
    const jzx_message *message = test_tagged(actor, JZX_TAG_SYS_FLOW, nth);
    jzx_flow_opened o;
    cr_assert_not_null(message, "no flow was opened with it");
    cr_assert_eq(message->size, sizeof o);
    cr_assert_eq(message->flags, 0);
    memcpy(&o, message->bytes, sizeof o);
    cr_assert_eq(message->sender, o.peer);
    return o;
}

static jzx_flow_ended ended(const test_actor *actor, uint32_t nth)
{
    const jzx_message *message = test_tagged(actor, JZX_TAG_SYS_FLOW_ENDED, nth);
    jzx_flow_ended e;
    cr_assert_not_null(message, "it was not told of an end");
    cr_assert_eq(message->size, sizeof e);
    cr_assert_eq(message->flags, 0);
    memcpy(&e, message->bytes, sizeof e);
    cr_assert_eq(message->sender, e.peer);
    return e;
}

static uint32_t credit(const test_actor *actor, uint32_t nth, jzx_flow_id flow)
{
    const jzx_message *message = test_tagged(actor, JZX_TAG_SYS_CREDIT, nth);
    jzx_flow_credit c;
    cr_assert_not_null(message, "it was not told of credits");
    cr_assert_eq(message->size, sizeof c);
    memcpy(&c, message->bytes, sizeof c);
    cr_assert_eq(c.flow, flow);
    return c.credits;
}

static uint32_t records(const test_world *world, uint32_t loop)
{
    return world->loops[loop]->flows.used;
}

/* Two actors, the first on loop 0 and the other on loop `place`, and a flow between them. */
typedef struct couple {
    test_world world;
    test_actor sender;
    test_actor receiver;
    jzx_flow_id out; /* the sender's side */
    jzx_flow_id in;
} couple;

static void open_couple(couple *c, uint32_t place, const jzx_config *config)
{
    memset(c, 0, sizeof *c);
    test_world_open(&c->world, 2, config);
    test_spawn(&c->world, 0, &c->sender);
    test_spawn(&c->world, place, &c->receiver);
}

/* Opened by the sender, or by the receiver, with no credits yet. */
static void connect_couple(couple *c, bool receiver_opens)
{
    if (receiver_opens) {
        c->in = want(&c->world, &c->receiver, c->sender.id, 0);
        test_world_settle(&c->world);
        c->out = opened(&c->sender, 0).flow;
    } else {
        c->out = offer(&c->world, &c->sender, c->receiver.id);
        test_world_settle(&c->world);
        c->in = opened(&c->receiver, 0).flow;
    }
}

static void close_couple(couple *c)
{
    test_world_settle(&c->world);
    test_world_close(&c->world);
}

/* Each case with both on one loop and on two, and opened from both sides. */
#define FLOW_TEST(name)                          \
    static void name(couple *c);                 \
    Test(flow, name, .timeout = 60)              \
    {                                            \
        static couple c;                         \
        for (uint32_t way = 0; way < 4; way++) { \
            open_couple(&c, way & 1, NULL);      \
            connect_couple(&c, (way & 2) != 0);  \
            name(&c);                            \
            close_couple(&c);                    \
        }                                        \
    }                                            \
    static void name(couple *c)

/* ---- credits ---- */

FLOW_TEST(as_many_messages_go_as_were_granted)
{
    cr_assert_eq(flood(&c->world, &c->sender, c->out, 5, JZX_ERR_NO_CREDIT), 0);
    cr_assert_eq(about(&c->world, &c->receiver, GRANT, c->in, 3), JZX_OK);
    test_world_settle(&c->world);
    cr_assert_eq(credit(&c->sender, 0, c->out), 3);
    cr_assert_eq(credits_of(&c->world, &c->sender, c->out), 3);
    cr_assert_eq(credits_of(&c->world, &c->receiver, c->in), 3);
    cr_assert_eq(flood(&c->world, &c->sender, c->out, 5, JZX_ERR_NO_CREDIT), 3);
    test_world_settle(&c->world);
    cr_assert_eq(test_tags(&c->receiver, 5), 3);
    for (uint32_t i = 0; i < 3; i++) {
        const jzx_message *message = test_tagged(&c->receiver, 5, i);
        cr_assert_eq(message->flags, (uint32_t)JZX_MESSAGE_FLOW);
        cr_assert_eq(message->ref, c->in);
        cr_assert_eq(message->sender, c->sender.id);
        cr_assert_eq(message->bytes[0], i);
    }
    cr_assert_eq(credits_of(&c->world, &c->receiver, c->in), 0, "they come back when they were handled");
    cr_assert_eq(test_tags(&c->sender, JZX_TAG_SYS_CREDIT), 1);
}

FLOW_TEST(credits_that_come_together_are_one_notice)
{
    /* Without having tried: who looks before it sends must be told too (F6). */
    for (uint32_t i = 1; i <= 3; i++) {
        cr_assert_eq(about(&c->world, &c->receiver, GRANT, c->in, i), JZX_OK);
    }
    test_world_settle(&c->world);
    uint32_t notices = test_tags(&c->sender, JZX_TAG_SYS_CREDIT);
    cr_assert_eq(notices, 1, "%u", notices);
    cr_assert_eq(credits_of(&c->world, &c->sender, c->out), 6);
    cr_assert_eq(flood(&c->world, &c->sender, c->out, 5, JZX_ERR_NO_CREDIT), 6);
    cr_assert_eq(about(&c->world, &c->receiver, GRANT, c->in, 1), JZX_OK);
    test_world_settle(&c->world);
    cr_assert_eq(test_tags(&c->sender, JZX_TAG_SYS_CREDIT), 2, "the count was 0 once more");
}

static jzx_behavior_result grant_twice_and_more(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    const jzx_flow_id flow = *(const jzx_flow_id *)argument;
    for (unsigned i = 0; i < 5; i++) {
        if (jzx_flow_grant(context, flow, 2) != JZX_OK) {
            return JZX_BEHAVIOR_FAIL;
        }
    }
    return JZX_BEHAVIOR_OK;
}

FLOW_TEST(grants_of_one_handler_add_up)
{
    test_do(&c->world, &c->receiver, grant_twice_and_more, &c->in);
    test_world_settle(&c->world);
    cr_assert_eq(credit(&c->sender, 0, c->out), 10);
    cr_assert_eq(test_tags(&c->sender, JZX_TAG_SYS_CREDIT), 1);
}

/* It spends what has come before it is told of it: then there is nothing to tell. */
static jzx_behavior_result spend_at_once(jzx_context *context, test_actor *actor, void *argument)
{
    couple *c = argument;
    (void)actor;
    uint32_t credits = 0;
    jzx_message message = jzx_message_empty(5);
    bool fine = jzx_flow_credits(context, c->out, &credits) == JZX_OK && credits == 1 &&
                jzx_flow_send(context, c->out, &message) == JZX_OK;
    return fine ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_FAIL;
}

static jzx_behavior_result grant_before_a_turn(jzx_context *context, test_actor *actor, void *argument)
{
    couple *c = argument;
    (void)actor;
    jzx_err err = jzx_flow_grant(context, c->in, 1);
    static _Atomic(bool) done;
    const struct {
        test_do_fn fn;
        void *argument;
        _Atomic(bool) *done;
    } errand = {spend_at_once, c, &done};
    jzx_message message = jzx_message_value(TEST_TAG_DO, &errand, sizeof errand);
    return err == JZX_OK && jzx_send(context, c->sender.id, &message) == JZX_OK ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_FAIL;
}

Test(flow, a_notice_says_nothing_when_its_credits_are_spent, .timeout = 60)
{
    static couple c;
    jzx_config config;
    test_config(&config);
    for (uint32_t place = 0; place < 2; place++) {
        open_couple(&c, place, &config);
        connect_couple(&c, false);
        /* Mail goes first if the turn before ended with a signal, so of many rounds both orders come up. */
        for (uint32_t round = 1; round <= 20; round++) {
            test_do(&c.world, &c.receiver, grant_before_a_turn, &c);
            test_world_settle(&c.world);
            cr_assert_eq(test_tags(&c.receiver, 5), round);
        }
        for (uint32_t i = 0; i < test_tags(&c.sender, JZX_TAG_SYS_CREDIT); i++) {
            cr_assert_eq(credit(&c.sender, i, c.out), 1, "never of none");
        }
        close_couple(&c);
    }
}

Test(flow, first_credits_come_with_the_flow, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        static couple c;
        open_couple(&c, place, NULL);
        c.in = want(&c.world, &c.receiver, c.sender.id, 4);
        test_world_settle(&c.world);
        jzx_flow_opened o = opened(&c.sender, 0);
        cr_assert_eq(o.credits, 4);
        cr_assert_eq(o.peer, c.receiver.id);
        cr_assert_not(o.receives);
        cr_assert_eq(flood(&c.world, &c.sender, o.flow, 6, JZX_ERR_NO_CREDIT), 4);
        test_world_settle(&c.world);
        cr_assert_eq(test_tags(&c.receiver, 6), 4);
        cr_assert_eq(test_tagged(&c.receiver, 6, 0)->ref, c.in);
        cr_assert_eq(test_tags(&c.sender, JZX_TAG_SYS_CREDIT), 0);
        cr_assert_eq(test_tags(&c.receiver, JZX_TAG_SYS_FLOW), 0, "who opens it is not told so");
        close_couple(&c);
    }
}

/* Credits granted before the other side has answered go with the answer, or behind it. */
static jzx_behavior_result want_and_grant(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    couple *c = argument;
    bool fine = jzx_flow_want(context, c->sender.id, 1, &c->in) == JZX_OK;
    fine = fine && jzx_flow_grant(context, c->in, 2) == JZX_OK && jzx_flow_window(context, c->in, 9) == JZX_OK;
    return fine ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_FAIL;
}

Test(flow, F2_credits_wait_until_the_flow_is_answered, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        static couple c;
        open_couple(&c, place, NULL);
        test_do(&c.world, &c.receiver, want_and_grant, &c);
        test_world_settle(&c.world);
        c.out = opened(&c.sender, 0).flow;
        cr_assert_eq(credits_of(&c.world, &c.sender, c.out), 9);
        cr_assert_eq(credits_of(&c.world, &c.receiver, c.in), 9);
        close_couple(&c);
    }
}

FLOW_TEST(one_order_with_other_messages)
{
    cr_assert_eq(about(&c->world, &c->receiver, GRANT, c->in, 50), JZX_OK);
    test_world_settle(&c->world);
    uint32_t before = c->receiver.received;
    for (uint32_t i = 0; i < 40; i++) {
        bool through = i % 3 != 0;
        order o = {.what = through ? SEND : PLAIN, .peer = c->receiver.id, .flow = c->out, .number = 100 + i};
        cr_assert_eq(tell(&c->world, &c->sender, o).err, JZX_OK);
    }
    test_world_settle(&c->world);
    for (uint32_t i = 0; i < 40; i++) {
        cr_assert_eq(c->receiver.log[before + i].tag, 100 + i);
        cr_assert_eq(c->receiver.log[before + i].ref, i % 3 != 0 ? c->in : 0);
    }
}

/* ---- windows ---- */

FLOW_TEST(a_window_gives_credits_back_in_halves)
{
    static const uint32_t windows[] = {1, 2, 3, 8};
    for (unsigned i = 0; i < sizeof windows / sizeof windows[0]; i++) {
        uint32_t window = windows[i];
        uint32_t half = window - window / 2;
        cr_assert_eq(about(&c->world, &c->receiver, WINDOW, c->in, window), JZX_OK);
        test_world_settle(&c->world);
        cr_assert_eq(credits_of(&c->world, &c->sender, c->out), window);
        order o = {.what = SEND, .flow = c->out, .number = 5, .times = half - 1};
        if (half > 1) {
            cr_assert_eq(tell(&c->world, &c->sender, o).done, half - 1);
            test_world_settle(&c->world);
            cr_assert_eq(credits_of(&c->world, &c->sender, c->out), window - half + 1, "less than half waits");
        }
        cr_assert_eq(about(&c->world, &c->sender, SEND, c->out, 5), JZX_OK);
        test_world_settle(&c->world);
        cr_assert_eq(credits_of(&c->world, &c->sender, c->out), window, "half of it came back");
        cr_assert_eq(credits_of(&c->world, &c->receiver, c->in), window);
    }
}

FLOW_TEST(a_window_counts_what_is_out)
{
    cr_assert_eq(about(&c->world, &c->receiver, GRANT, c->in, 10), JZX_OK);
    cr_assert_eq(about(&c->world, &c->receiver, WINDOW, c->in, 4), JZX_OK);
    cr_assert_eq(about(&c->world, &c->receiver, GRANT, c->in, 1), JZX_ERR_INVALID_ARG, "one of both");
    test_world_settle(&c->world);
    cr_assert_eq(flood(&c->world, &c->sender, c->out, 5, JZX_ERR_NO_CREDIT), 10);
    test_world_settle(&c->world);
    cr_assert_eq(test_tags(&c->receiver, 5), 10);
    cr_assert_eq(credits_of(&c->world, &c->sender, c->out), 4, "as many as the window from then on");
    cr_assert_eq(about(&c->world, &c->receiver, WINDOW, c->in, 0), JZX_OK);
    cr_assert_eq(flood(&c->world, &c->sender, c->out, 5, JZX_ERR_NO_CREDIT), 4, "what is out stays out");
    test_world_settle(&c->world);
    cr_assert_eq(credits_of(&c->world, &c->sender, c->out), 0);
    cr_assert_eq(about(&c->world, &c->receiver, GRANT, c->in, 1), JZX_OK);
}

static jzx_behavior_result yield_once(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    return message->tag == 5 && actor->yields % 2 == 0 ? JZX_BEHAVIOR_YIELD : JZX_BEHAVIOR_OK;
}

FLOW_TEST(a_credit_is_out_until_the_message_is_handled_at_last)
{
    c->receiver.on = yield_once;
    cr_assert_eq(about(&c->world, &c->receiver, WINDOW, c->in, 1), JZX_OK);
    test_world_settle(&c->world);
    for (uint32_t i = 1; i <= 4; i++) {
        c->receiver.yields = 0;
        cr_assert_eq(about(&c->world, &c->sender, SEND, c->out, 5), JZX_OK);
        test_world_settle(&c->world);
        cr_assert_eq(c->receiver.yields, 1);
        cr_assert_eq(test_tags(&c->receiver, 5), i);
        cr_assert_eq(test_tagged(&c->receiver, 5, i - 1)->ref, c->in);
        cr_assert_eq(test_tagged(&c->receiver, 5, i - 1)->flags, (uint32_t)JZX_MESSAGE_FLOW);
        cr_assert_eq(credits_of(&c->world, &c->sender, c->out), 1);
    }
}

static jzx_behavior_result handle_nothing(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)actor;
    return message->tag == 5 ? JZX_BEHAVIOR_UNHANDLED : JZX_BEHAVIOR_OK;
}

FLOW_TEST(what_is_unhandled_gives_its_credit_back_too)
{
    c->receiver.on = handle_nothing;
    cr_assert_eq(about(&c->world, &c->receiver, WINDOW, c->in, 1), JZX_OK);
    test_world_settle(&c->world);
    for (uint64_t i = 1; i <= 3; i++) {
        cr_assert_eq(about(&c->world, &c->sender, SEND, c->out, 5), JZX_OK);
        test_world_settle(&c->world);
        cr_assert_eq(test_count(&c->world, offsetof(jzx_counters, unhandled)), i);
        cr_assert_eq(credits_of(&c->world, &c->sender, c->out), 1);
    }
}

/* ---- a credit is room ---- */

static jzx_behavior_result never(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)actor;
    return message->tag >= JZX_TAG_RESERVED ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_YIELD;
}

static void with_credit_past_the_cap(uint32_t place, jzx_mailbox_policy policy)
{
    static couple c;
    memset(&c, 0, sizeof c);
    test_world_open(&c.world, 2, NULL);
    test_spawn(&c.world, 0, &c.sender);
    jzx_spawn_options options;
    test_actor_options(&c.receiver, &options);
    options.mailbox_cap = 1;
    options.mailbox_policy = (uint8_t)policy;
    test_spawn_with(&c.world, place, &c.receiver, &options);
    c.in = want(&c.world, &c.receiver, c.sender.id, 20);
    test_world_settle(&c.world);
    c.out = opened(&c.sender, 0).flow;
    c.receiver.on = never;
    order plain = {.what = PLAIN, .peer = c.receiver.id, .number = 7};
    cr_assert_eq(tell(&c.world, &c.sender, plain).err, JZX_OK);
    test_world_step(&c.world);
    cr_assert_eq(flood(&c.world, &c.sender, c.out, 8, JZX_ERR_NO_CREDIT), 20);
    for (unsigned i = 0; i < 5; i++) {
        test_world_step(&c.world);
    }
    for (unsigned i = 0; i < 30; i++) { /* nothing of these may push out what has a credit, nor go past the cap */
        jzx_err err = tell(&c.world, &c.sender, plain).err;
        cr_assert_eq(err, policy == JZX_MAILBOX_REFUSE ? JZX_ERR_MAILBOX_FULL : JZX_OK);
        test_world_step(&c.world);
    }
    c.receiver.on = NULL;
    test_world_settle(&c.world);
    cr_assert_eq(test_tags(&c.receiver, 8), 20);
    cr_assert_eq(test_tags(&c.receiver, 7), policy == JZX_MAILBOX_DROP_OLDEST ? 0 : 1);
    jzx_segment_slot *slot = &c.world.loops[place]->slots.public[jzx__id_index(c.receiver.id)];
    cr_assert_leq(slot->mailbox_peak, 22, "%u", slot->mailbox_peak);
    close_couple(&c);
}

Test(flow, mail_with_a_credit_passes_the_cap_and_is_dropped_by_no_policy, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        with_credit_past_the_cap(place, JZX_MAILBOX_REFUSE);
        with_credit_past_the_cap(place, JZX_MAILBOX_DROP_NEWEST);
        with_credit_past_the_cap(place, JZX_MAILBOX_DROP_OLDEST);
    }
}

/* Each grants the next one credit and passes on what it gets: mailboxes of one, and nobody ever waits for room. */
enum { RING = 12, ROUNDS = 50 };

typedef struct ring_seat {
    jzx_flow_id out;
    jzx_flow_id in;
    uint32_t held; /* messages to pass on */
    uint32_t passed;
    uint32_t full;
} ring_seat;

static void pass_on(jzx_context *context, ring_seat *seat)
{
    jzx_message message = jzx_message_empty(1);
    while (seat->held > 0) {
        jzx_err err = jzx_flow_send(context, seat->out, &message);
        if (err != JZX_OK) {
            seat->full += err != JZX_ERR_NO_CREDIT;
            return;
        }
        seat->held--;
        seat->passed++;
        (void)jzx_flow_grant(context, seat->in, 1);
    }
}

static jzx_behavior_result sit(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    ring_seat *seat = actor->data;
    switch (message->tag) {
    case 1:
        seat->held += seat->passed < ROUNDS;
        break;
    case JZX_TAG_SYS_FLOW: {
        jzx_flow_opened o;
        memcpy(&o, message->bytes, sizeof o);
        if (o.receives) {
            seat->in = o.flow;
            return jzx_flow_grant(context, o.flow, 1) == JZX_OK ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_FAIL;
        }
        break;
    }
    default:
        break;
    }
    pass_on(context, seat);
    return JZX_BEHAVIOR_OK;
}

/* All hold a message at the beginning, so each waits for the next one. */
static void go_round(uint32_t seats)
{
    static test_actor actors[RING];
    static ring_seat ring[RING];
    memset(actors, 0, sizeof actors);
    memset(ring, 0, sizeof ring);
    test_world world;
    jzx_config config;
    test_config(&config);
    config.mailbox_cap = 1;
    test_world_open(&world, 2, &config);
    for (uint32_t i = 0; i < seats; i++) {
        actors[i].on = sit;
        actors[i].data = &ring[i];
        test_spawn(&world, i % 2, &actors[i]);
    }
    for (uint32_t i = 0; i < seats; i++) {
        ring[i].out = offer(&world, &actors[i], actors[(i + 1) % seats].id);
        test_world_settle(&world);
        ring[i].held = 1;
    }
    for (uint32_t i = 0; i < seats; i++) {
        test_send(&world, &actors[i], 2);
        test_world_step(&world);
    }
    for (uint32_t i = 0; i < seats; i++) {
        test_until(&world, ring[i].passed >= ROUNDS);
        cr_assert_eq(ring[i].full, 0, "refused for another reason than credits");
    }
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, refused_full)), 0);
    test_world_close(&world);
}

Test(flow, two_with_mailboxes_of_one_grant_each_other_one_credit, .timeout = 60)
{
    go_round(2);
}

Test(flow, a_ring_of_mailboxes_of_one, .timeout = 60)
{
    for (uint32_t seats = 3; seats <= RING; seats++) {
        go_round(seats);
    }
}

/* ---- who does not want it ---- */

static jzx_behavior_result know_nothing(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)actor;
    return message->tag == JZX_TAG_SYS_FLOW ? JZX_BEHAVIOR_UNHANDLED : JZX_BEHAVIOR_OK;
}

static jzx_behavior_result close_it(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)actor;
    if (message->tag != JZX_TAG_SYS_FLOW) {
        return JZX_BEHAVIOR_OK;
    }
    jzx_flow_opened o;
    memcpy(&o, message->bytes, sizeof o);
    return jzx_flow_close(context, o.flow) == JZX_OK ? JZX_BEHAVIOR_UNHANDLED : JZX_BEHAVIOR_FAIL;
}

static void refused(uint32_t place, bool closes, bool wants)
{
    static couple c;
    open_couple(&c, place, NULL);
    c.receiver.on = closes ? close_it : know_nothing;
    jzx_flow_id flow = wants ? want(&c.world, &c.sender, c.receiver.id, 1) : offer(&c.world, &c.sender, c.receiver.id);
    test_world_settle(&c.world);
    jzx_flow_ended e = ended(&c.sender, 0);
    cr_assert_eq(e.flow, flow);
    cr_assert_eq(e.peer, c.receiver.id);
    cr_assert_eq(e.err, closes ? JZX_OK : JZX_ERR_UNHANDLED);
    cr_assert_eq(e.exit_kind, 0);
    cr_assert_eq(test_tags(&c.sender, JZX_TAG_SYS_FLOW_ENDED), 1);
    cr_assert_eq(test_tags(&c.receiver, JZX_TAG_SYS_FLOW_ENDED), 0, "it has refused it itself");
    cr_assert_eq(about(&c.world, &c.sender, CLOSE, flow, 0), JZX_ERR_NOT_FOUND);
    cr_assert_eq(records(&c.world, 0) + records(&c.world, 1), 0);
    cr_assert_eq(test_count(&c.world, offsetof(jzx_counters, unhandled)), 1);
    close_couple(&c);
}

static jzx_behavior_result leave_credits(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)actor;
    return message->tag == JZX_TAG_SYS_CREDIT ? JZX_BEHAVIOR_UNHANDLED : JZX_BEHAVIOR_OK;
}

FLOW_TEST(a_notice_of_credits_need_not_be_handled)
{
    c->sender.on = leave_credits;
    cr_assert_eq(about(&c->world, &c->receiver, GRANT, c->in, 3), JZX_OK);
    test_world_settle(&c->world);
    cr_assert_eq(test_tags(&c->sender, JZX_TAG_SYS_FLOW_ENDED), 0);
    cr_assert_eq(credits_of(&c->world, &c->sender, c->out), 3);
}

Test(flow, who_does_not_know_flows_refuses_them, .timeout = 60)
{
    for (uint32_t way = 0; way < 8; way++) {
        refused(way & 1, (way & 2) != 0, (way & 4) != 0);
    }
}

/* ---- ends ---- */

static jzx_behavior_result return_tag(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)actor;
    return message->tag < JZX_TAG_RESERVED ? (jzx_behavior_result)message->tag : JZX_BEHAVIOR_OK;
}

static void told_once(couple *c, const test_actor *told, jzx_flow_id flow, jzx_actor_id peer, jzx_err err,
                      uint32_t exit_kind)
{
    test_world_settle(&c->world);
    jzx_flow_ended e = ended(told, 0);
    cr_assert_eq(e.flow, flow);
    cr_assert_eq(e.peer, peer);
    cr_assert_eq(e.err, err, "%s", jzx_strerror((jzx_err)e.err));
    cr_assert_eq(e.exit_kind, exit_kind);
    cr_assert_eq(test_tags(told, JZX_TAG_SYS_FLOW_ENDED), 1);
    cr_assert_eq(records(&c->world, 0) + records(&c->world, 1), 0, "both records are gone");
}

FLOW_TEST(the_sender_closes)
{
    cr_assert_eq(about(&c->world, &c->receiver, GRANT, c->in, 5), JZX_OK);
    test_world_settle(&c->world);
    order o = {.what = SEND, .flow = c->out, .number = 9, .times = 3};
    cr_assert_eq(tell(&c->world, &c->sender, o).done, 3);
    cr_assert_eq(about(&c->world, &c->sender, CLOSE, c->out, 0), JZX_OK);
    cr_assert_eq(about(&c->world, &c->sender, CLOSE, c->out, 0), JZX_ERR_NOT_FOUND);
    cr_assert_eq(about(&c->world, &c->sender, SEND, c->out, 9), JZX_ERR_NOT_FOUND);
    told_once(c, &c->receiver, c->in, c->sender.id, JZX_OK, 0);
    cr_assert_eq(test_tags(&c->receiver, 9), 3, "what was accepted is handled");
    cr_assert_eq(test_tags(&c->sender, JZX_TAG_SYS_FLOW_ENDED), 0);
    cr_assert_eq(about(&c->world, &c->receiver, GRANT, c->in, 1), JZX_ERR_NOT_FOUND);
    cr_assert_eq(about(&c->world, &c->receiver, WINDOW, c->in, 1), JZX_ERR_NOT_FOUND);
    cr_assert_eq(about(&c->world, &c->receiver, CREDITS, c->in, 0), JZX_ERR_NOT_FOUND);
}

FLOW_TEST(the_receiver_closes)
{
    cr_assert_eq(about(&c->world, &c->receiver, GRANT, c->in, 5), JZX_OK);
    test_world_settle(&c->world);
    order o = {.what = SEND, .flow = c->out, .number = 9, .times = 3};
    c->receiver.on = never;
    cr_assert_eq(tell(&c->world, &c->sender, o).done, 3);
    c->receiver.on = NULL;
    cr_assert_eq(about(&c->world, &c->receiver, CLOSE, c->in, 0), JZX_OK);
    told_once(c, &c->sender, c->out, c->receiver.id, JZX_OK, 0);
    cr_assert_eq(test_tags(&c->receiver, 9), 3, "what was accepted is handled");
    cr_assert_eq(test_tagged(&c->receiver, 9, 2)->ref, c->in, "with the ref that it had");
    cr_assert_eq(about(&c->world, &c->sender, SEND, c->out, 9), JZX_ERR_NOT_FOUND);
    cr_assert_eq(test_tags(&c->receiver, JZX_TAG_SYS_FLOW_ENDED), 0);
}

/* A sender that closes while it is still to be told of credits: the notice says nothing any more (F3). */
static jzx_behavior_result close_out(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    couple *c = argument;
    return jzx_flow_close(context, c->out) == JZX_OK ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_FAIL;
}

static jzx_behavior_result grant_and_have_it_closed(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    couple *c = argument;
    static _Atomic(bool) done;
    const struct {
        test_do_fn fn;
        void *argument;
        _Atomic(bool) *done;
    } errand = {close_out, c, &done};
    jzx_message message = jzx_message_value(TEST_TAG_DO, &errand, sizeof errand);
    bool fine = jzx_send(context, c->sender.id, &message) == JZX_OK && jzx_flow_grant(context, c->in, 1) == JZX_OK;
    return fine ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_FAIL;
}

FLOW_TEST(a_notice_of_credits_that_waits_when_the_sender_closes)
{
    test_do(&c->world, &c->receiver, grant_and_have_it_closed, c);
    told_once(c, &c->receiver, c->in, c->sender.id, JZX_OK, 0);
    cr_assert_eq(test_tags(&c->sender, JZX_TAG_SYS_FLOW_ENDED), 0);
    cr_assert_leq(test_tags(&c->sender, JZX_TAG_SYS_CREDIT), 1);
}

/* The same way round: the receiver grants and closes in one handler, so the notice of credits becomes that of the end. */
static jzx_behavior_result grant_and_close(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    couple *c = argument;
    bool fine = jzx_flow_grant(context, c->in, 1) == JZX_OK && jzx_flow_close(context, c->in) == JZX_OK;
    return fine ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_FAIL;
}

FLOW_TEST(a_notice_of_credits_that_waits_when_the_receiver_closes)
{
    test_do(&c->world, &c->receiver, grant_and_close, c);
    told_once(c, &c->sender, c->out, c->receiver.id, JZX_OK, 0);
    cr_assert_eq(test_tags(&c->sender, JZX_TAG_SYS_CREDIT), 0);
}

FLOW_TEST(both_close_at_once)
{
    /* Without a turn in between, so that on two loops both ENDs cross. */
    order o[2] = {{.what = CLOSE, .flow = c->out}, {.what = CLOSE, .flow = c->in}};
    test_actor *actors[2] = {&c->sender, &c->receiver};
    _Atomic(bool) done[2] = {false, false};
    for (unsigned i = 0; i < 2; i++) {
        const struct {
            test_do_fn fn;
            void *argument;
            _Atomic(bool) *done;
        } errand = {obey, &o[i], &done[i]};
        jzx_message message = jzx_message_value(TEST_TAG_DO, &errand, sizeof errand);
        jzx_context *host = host_of(&c->world, jzx_actor_loop(actors[i]->id));
        cr_assert_eq(jzx_send(host, actors[i]->id, &message), JZX_OK);
    }
    test_world_settle(&c->world);
    cr_assert_eq(o[0].err, JZX_OK);
    cr_assert(o[1].err == JZX_OK || o[1].err == JZX_ERR_NOT_FOUND);
    cr_assert_leq(test_tags(&c->sender, JZX_TAG_SYS_FLOW_ENDED) + test_tags(&c->receiver, JZX_TAG_SYS_FLOW_ENDED), 1);
    cr_assert_eq(records(&c->world, 0) + records(&c->world, 1), 0);
}

typedef enum ending { RETURNS_STOP, FAILS, IS_STOPPED, IS_DRAINED, IS_KILLED, WAYS } ending;

static const uint32_t kinds[WAYS] = {JZX_EXIT_NORMAL, JZX_EXIT_FAIL, JZX_EXIT_SHUTDOWN, JZX_EXIT_SHUTDOWN,
                                     JZX_EXIT_KILLED};

static void end_it(test_world *world, test_actor *actor, ending how)
{
    jzx_context *host = host_of(world, jzx_actor_loop(actor->id));
    actor->on = return_tag;
    switch (how) {
    case RETURNS_STOP:
    case FAILS:
        test_send(world, actor, how == FAILS ? JZX_BEHAVIOR_FAIL : JZX_BEHAVIOR_STOP);
        break;
    case IS_STOPPED:
        cr_assert_eq(jzx_stop(host, actor->id), JZX_OK);
        break;
    case IS_DRAINED:
        cr_assert_eq(jzx_drain(host, actor->id), JZX_OK);
        break;
    default:
        cr_assert_eq(jzx_kill(host, actor->id), JZX_OK);
        break;
    }
    test_until(world, actor->finis == 1);
}

static void one_ends(uint32_t place, bool receiver_opens, bool receiver_ends, ending how)
{
    static couple c;
    open_couple(&c, place, NULL);
    connect_couple(&c, receiver_opens);
    cr_assert_eq(about(&c.world, &c.receiver, WINDOW, c.in, 4), JZX_OK);
    test_world_settle(&c.world);
    cr_assert_eq(about(&c.world, &c.sender, SEND, c.out, 0), JZX_OK);
    test_world_settle(&c.world);
    test_actor *ends = receiver_ends ? &c.receiver : &c.sender;
    const test_actor *told = receiver_ends ? &c.sender : &c.receiver;
    end_it(&c.world, ends, how);
    told_once(&c, told, receiver_ends ? c.out : c.in, ends->id, JZX_ERR_ENDED, kinds[how]);
    close_couple(&c);
}

Test(flow, each_way_to_end_is_told, .timeout = 60)
{
    for (unsigned how = 0; how < WAYS; how++) {
        for (uint32_t way = 0; way < 8; way++) {
            one_ends(way & 1, (way & 2) != 0, (way & 4) != 0, (ending)how);
        }
    }
}

/* F5: the end is behind the last message, though that waits and the end needs no room. */
static jzx_behavior_result say_last_words(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    couple *c = argument;
    jzx_message message = jzx_message_empty(9);
    while (jzx_flow_send(context, c->out, &message) == JZX_OK) {
    }
    return JZX_BEHAVIOR_STOP;
}

FLOW_TEST(F5_the_end_comes_behind_the_last_message)
{
    cr_assert_eq(about(&c->world, &c->receiver, GRANT, c->in, 40), JZX_OK);
    test_world_settle(&c->world);
    test_do(&c->world, &c->sender, say_last_words, c);
    told_once(c, &c->receiver, c->in, c->sender.id, JZX_ERR_ENDED, JZX_EXIT_NORMAL);
    cr_assert_eq(test_tags(&c->receiver, 9), 40);
    cr_assert_eq(c->receiver.log[c->receiver.received - 1].tag, JZX_TAG_SYS_FLOW_ENDED);
}

/* It is over before the other side has looked at it: that hears of both, in order. */
static jzx_behavior_result open_and_close(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    couple *c = argument;
    bool fine = jzx_flow_want(context, c->receiver.id, 2, &c->out) == JZX_OK &&
                jzx_flow_close(context, c->out) == JZX_OK && jzx_flow_close(context, c->out) == JZX_ERR_NOT_FOUND;
    return fine ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_FAIL;
}

static jzx_behavior_result open_and_stop(jzx_context *context, test_actor *actor, void *argument)
{
    jzx_behavior_result result = open_and_close(context, actor, argument);
    couple *c = argument;
    bool fine = result == JZX_BEHAVIOR_OK && jzx_flow_offer(context, c->receiver.id, &c->out) == JZX_OK;
    return fine ? JZX_BEHAVIOR_STOP : JZX_BEHAVIOR_FAIL;
}

Test(flow, F2_closed_before_it_is_answered, .timeout = 60)
{
    for (uint32_t way = 0; way < 4; way++) {
        static couple c;
        uint32_t flows = 1 + way / 2;
        open_couple(&c, way & 1, NULL);
        test_do(&c.world, &c.sender, way / 2 == 0 ? open_and_close : open_and_stop, &c);
        test_world_settle(&c.world);
        cr_assert_eq(c.receiver.received, 2 * flows);
        cr_assert_eq(test_tags(&c.receiver, JZX_TAG_SYS_FLOW), flows);
        for (uint32_t i = 0; i < flows; i++) {
            cr_assert_eq(ended(&c.receiver, i).flow, opened(&c.receiver, i).flow);
            cr_assert_eq(ended(&c.receiver, i).err, i == 0 ? JZX_OK : JZX_ERR_ENDED);
        }
        cr_assert_eq(records(&c.world, 0) + records(&c.world, 1), 0);
        close_couple(&c);
    }
}

/* ---- nobody there, no room ---- */

Test(flow, to_one_that_has_ended, .timeout = 60)
{
    for (uint32_t way = 0; way < 4; way++) {
        static couple c;
        open_couple(&c, way & 1, NULL);
        end_it(&c.world, &c.receiver, IS_KILLED);
        test_world_settle(&c.world);
        jzx_flow_id flow = way / 2 == 0 ? offer(&c.world, &c.sender, c.receiver.id)
                                        : want(&c.world, &c.sender, c.receiver.id, 3);
        told_once(&c, &c.sender, flow, c.receiver.id, JZX_ERR_NO_SUCH_ACTOR, 0);
        close_couple(&c);
    }
}

static const jzx_actor_id nobody = (jzx_actor_id)1 << 56 | (jzx_actor_id)0xFFFFFF << 32 | 1;

Test(flow, to_an_index_that_no_actor_has_had, .timeout = 60)
{
    static couple c;
    open_couple(&c, 1, NULL);
    jzx_flow_id flow = offer(&c.world, &c.sender, nobody);
    told_once(&c, &c.sender, flow, nobody, JZX_ERR_NO_SUCH_ACTOR, 0);
    close_couple(&c);
}

Test(flow, flows_max_here, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        static couple c;
        jzx_config config;
        test_config(&config);
        config.flows_max = 4;
        open_couple(&c, place, &config);
        uint32_t fit = place == 0 ? 2 : 4; /* on one loop it has both sides */
        jzx_flow_id flows[4];
        for (uint32_t i = 0; i < fit; i++) {
            flows[i] = offer(&c.world, &c.sender, c.receiver.id);
        }
        order o = {.what = OFFER, .peer = c.receiver.id};
        cr_assert_eq(tell(&c.world, &c.sender, o).err, JZX_ERR_LIMIT);
        o.what = WANT;
        cr_assert_eq(tell(&c.world, &c.sender, o).err, JZX_ERR_LIMIT);
        cr_assert_eq(about(&c.world, &c.sender, CLOSE, flows[0], 0), JZX_OK);
        test_world_settle(&c.world);
        (void)offer(&c.world, &c.sender, c.receiver.id);
        close_couple(&c);
    }
}

/* One record is left of an odd number: the peer's side finds none. */
Test(flow, flows_max_for_the_other_side_on_one_loop, .timeout = 60)
{
    static couple c;
    jzx_config config;
    test_config(&config);
    config.flows_max = 3;
    open_couple(&c, 0, &config);
    (void)offer(&c.world, &c.sender, c.receiver.id);
    order o = {.what = WANT, .peer = c.receiver.id, .number = 1};
    cr_assert_eq(tell(&c.world, &c.sender, o).err, JZX_ERR_LIMIT);
    cr_assert_eq(records(&c.world, 0), 2);
    close_couple(&c);
}

/*
 * F4: thousands that find no record there while the way back is full: each is told, and the cells that mail must find are
 * left alone.
 */
static jzx_behavior_result open_many(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    order *o = argument;
    while (o->done < o->times && (o->err = jzx_flow_offer(context, o->peer, &o->flow)) == JZX_OK) {
        o->done++;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result count_ends(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    uint32_t *counts = actor->data; /* of ends for want of room, of other ends, of all else */
    jzx_flow_ended e;
    memcpy(&e, message->bytes, sizeof e);
    counts[message->tag != JZX_TAG_SYS_FLOW_ENDED ? 2 : e.err == JZX_ERR_LIMIT ? 0 : 1]++;
    return JZX_BEHAVIOR_OK;
}

Test(flow, F4_flows_max_there_for_thousands, .timeout = 60)
{
    enum { MANY = 6000 };
    static couple c;
    jzx_config config;
    test_config(&config);
    config.flows_max = MANY;
    config.lane_blocks = 2;
    open_couple(&c, 1, &config);
    test_actor local = {0};
    uint32_t counts[3] = {0};
    test_spawn(&c.world, 1, &local);
    order fill = {.peer = local.id, .times = MANY / 2 - 1};
    test_do(&c.world, &c.receiver, open_many, &fill); /* leaves two */
    cr_assert_eq(fill.err, JZX_OK);
    test_world_settle(&c.world);
    cr_assert_eq(records(&c.world, 1), MANY - 2);
    c.sender.on = count_ends;
    c.sender.data = counts;
    order o = {.peer = c.receiver.id, .times = MANY};
    test_do(&c.world, &c.sender, open_many, &o);
    cr_assert_eq(o.err, JZX_OK);
    uint32_t least = UINT32_MAX;
    for (unsigned still = 0; still < 20; still++) {
        uint32_t before = counts[0];
        test_world_step(&c.world);
        uint32_t free_count = c.world.loops[1]->pool.free_count;
        least = free_count < least ? free_count : least;
        still = counts[0] != before ? 0 : still;
    }
    cr_assert_eq(counts[0], MANY - 2);
    cr_assert_eq(counts[1] + counts[2], 0);
    cr_assert_eq(least, c.world.loops[1]->pool.count, "no signal takes a cell: %u", least);
    cr_assert_eq(records(&c.world, 0), 2);
    cr_assert_eq(records(&c.world, 1), MANY);
    close_couple(&c);
}

FLOW_TEST(credits_have_their_limits)
{
    uint32_t most = c->world.config.cells / 8;
    cr_assert_eq(about(&c->world, &c->receiver, GRANT, c->in, most + 1), JZX_ERR_LIMIT);
    cr_assert_eq(about(&c->world, &c->receiver, GRANT, c->in, JZX_CREDITS_MAX), JZX_ERR_LIMIT);
    cr_assert_eq(about(&c->world, &c->receiver, GRANT, c->in, JZX_CREDITS_MAX + 1), JZX_ERR_TOO_BIG);
    cr_assert_eq(about(&c->world, &c->receiver, WINDOW, c->in, most + 1), JZX_ERR_LIMIT);
    cr_assert_eq(about(&c->world, &c->receiver, WINDOW, c->in, JZX_CREDITS_MAX + 1), JZX_ERR_TOO_BIG);
    cr_assert_eq(credits_of(&c->world, &c->receiver, c->in), 0, "none was added");
    cr_assert_eq(about(&c->world, &c->receiver, GRANT, c->in, most - 1), JZX_OK);
    cr_assert_eq(about(&c->world, &c->receiver, GRANT, c->in, JZX_CREDITS_MAX - most + 2), JZX_ERR_TOO_BIG);
    cr_assert_eq(about(&c->world, &c->receiver, GRANT, c->in, 1), JZX_OK);
    cr_assert_eq(about(&c->world, &c->receiver, GRANT, c->in, 1), JZX_ERR_LIMIT);
    /* Of all flows to one actor together. */
    order o = {.what = WANT, .peer = c->sender.id, .number = 1};
    cr_assert_eq(tell(&c->world, &c->receiver, o).err, JZX_ERR_LIMIT);
    o.number = JZX_CREDITS_MAX + 1;
    cr_assert_eq(tell(&c->world, &c->receiver, o).err, JZX_ERR_TOO_BIG);
    jzx_flow_id other = want(&c->world, &c->receiver, c->sender.id, 0);
    cr_assert_eq(about(&c->world, &c->receiver, WINDOW, other, 1), JZX_ERR_LIMIT);
    cr_assert_eq(about(&c->world, &c->receiver, CLOSE, c->in, 0), JZX_OK);
    cr_assert_eq(about(&c->world, &c->receiver, WINDOW, other, most), JZX_OK,
                 "that of a flow that is over is free again");
    cr_assert_eq(about(&c->world, &c->receiver, WINDOW, other, 3), JZX_OK);
    test_world_settle(&c->world);
    cr_assert_eq(credits_of(&c->world, &c->receiver, other), most, "what is out stays out");
}

Test(flow, annexes_max_is_a_limit_for_receivers, .timeout = 60)
{
    static couple c;
    jzx_config config;
    test_config(&config);
    config.annexes_max = 1;
    open_couple(&c, 1, &config);
    test_actor second = {0};
    test_spawn(&c.world, 1, &second);
    (void)want(&c.world, &c.receiver, c.sender.id, 1);
    order o = {.what = WANT, .peer = c.sender.id, .number = 1};
    cr_assert_eq(tell(&c.world, &second, o).err, JZX_ERR_LIMIT);
    jzx_flow_id flow = want(&c.world, &second, c.sender.id, 0);
    cr_assert_eq(about(&c.world, &second, GRANT, flow, 1), JZX_ERR_LIMIT);
    end_it(&c.world, &c.receiver, IS_KILLED);
    cr_assert_eq(about(&c.world, &second, GRANT, flow, 1), JZX_OK);
    close_couple(&c);
}

typedef struct service {
    jzx_actor_id peer;
    uint32_t window;
    uint64_t flow;
    jzx_err err;
} service;

static jzx_behavior_result be_served(jzx_context *context, test_actor *actor, void *argument)
{
    service *s = argument;
    (void)actor;
    s->err = jzx__flow_serve(context, s->peer, s->window, 0, &s->flow);
    return JZX_BEHAVIOR_OK;
}

/* What the other side cannot promise: said at once on one loop, as the end of the flow on two. */
static void expect_no_service(couple *c, uint32_t place, uint32_t window, jzx_err err)
{
    uint32_t before = test_tags(&c->sender, JZX_TAG_SYS_FLOW_ENDED);
    service s = {.peer = c->receiver.id, .window = window};
    test_do(&c->world, &c->sender, be_served, &s);
    cr_assert_eq(s.err, place == 0 ? err : JZX_OK, "%s", jzx_strerror(s.err));
    test_world_settle(&c->world);
    cr_assert_eq(test_tags(&c->sender, JZX_TAG_SYS_FLOW_ENDED), before + place);
    if (place == 1) {
        cr_assert_eq(ended(&c->sender, before).flow, s.flow);
        cr_assert_eq(ended(&c->sender, before).err, err == JZX_ERR_NO_MEMORY ? JZX_ERR_LIMIT : err);
    }
    cr_assert_eq(records(&c->world, 0) + records(&c->world, 1), 0);
}

static void without_memory(test_world *world, bool without)
{
    test_memory *memory = &world->memory[JZX_MEMORY_METADATA];
    memory->fail_after = true;
    memory->fail_at = without ? memory->calls + 1 : 0;
}

Test(flow, who_cannot_promise_does_not_serve, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        static couple c;
        open_couple(&c, place, NULL);
        (void)offer(&c.world, &c.sender, nobody); /* so that there are records, and no annexes */
        (void)offer(&c.world, &c.receiver, nobody);
        test_world_settle(&c.world);
        without_memory(&c.world, true);
        expect_no_service(&c, place, 1, JZX_ERR_NO_MEMORY);
        without_memory(&c.world, false);
        expect_no_service(&c, place, JZX_CREDITS_MAX + 1, JZX_ERR_TOO_BIG);
        expect_no_service(&c, place, c.world.config.cells / 8 + 1, JZX_ERR_LIMIT);
        close_couple(&c);
    }
}

Test(flow, no_memory, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        static couple c;
        open_couple(&c, place, NULL);
        without_memory(&c.world, true);
        order o = {.what = OFFER, .peer = c.receiver.id};
        cr_assert_eq(tell(&c.world, &c.sender, o).err, JZX_ERR_NO_MEMORY);
        without_memory(&c.world, false);
        (void)offer(&c.world, &c.sender, nobody); /* now this loop has records, and no other one */
        without_memory(&c.world, place == 1);
        c.out = offer(&c.world, &c.sender, c.receiver.id);
        test_world_settle(&c.world);
        without_memory(&c.world, false);
        cr_assert_eq(test_tags(&c.receiver, JZX_TAG_SYS_FLOW), 1 - place);
        cr_assert_eq(test_tags(&c.sender, JZX_TAG_SYS_FLOW_ENDED), 1 + place);
        cr_assert(place == 0 || (ended(&c.sender, 1).flow == c.out && ended(&c.sender, 1).err == JZX_ERR_LIMIT));
        close_couple(&c);
    }
}

/* No room in the lane, or no cell: the credit is not spent. */
Test(flow, a_message_that_finds_no_room_costs_no_credit, .timeout = 60)
{
    static couple c;
    jzx_config config;
    test_config(&config);
    config.lane_blocks = 2;
    config.mailbox_cap = 1024;
    open_couple(&c, 1, &config);
    c.in = want(&c.world, &c.receiver, c.sender.id, 1000);
    test_world_settle(&c.world);
    c.out = opened(&c.sender, 0).flow;
    uint32_t went = flood(&c.world, &c.sender, c.out, 5, JZX_ERR_WOULD_BLOCK);
    cr_assert(went > 0 && went < 1000, "%u", went);
    test_world_settle(&c.world);
    cr_assert_eq(credits_of(&c.world, &c.sender, c.out), 1000 - went);
    close_couple(&c);
}

/* ---- loops and actors that end ---- */

Test(flow, a_receiver_that_is_ending_takes_nothing_more, .timeout = 60)
{
    static couple c;
    open_couple(&c, 0, NULL);
    connect_couple(&c, false);
    cr_assert_eq(about(&c.world, &c.receiver, WINDOW, c.in, 2), JZX_OK);
    c.receiver.on = never;
    cr_assert_eq(about(&c.world, &c.sender, SEND, c.out, 5), JZX_OK);
    cr_assert_eq(jzx_drain(host_of(&c.world, 0), c.receiver.id), JZX_OK);
    cr_assert_eq(about(&c.world, &c.sender, SEND, c.out, 5), JZX_ERR_STOPPING);
    cr_assert_eq(credits_of(&c.world, &c.sender, c.out), 1, "not spent");
    c.receiver.on = NULL;
    told_once(&c, &c.sender, c.out, c.receiver.id, JZX_ERR_ENDED, JZX_EXIT_SHUTDOWN);
    cr_assert_eq(test_tags(&c.receiver, 5), 1);
    close_couple(&c);
}

Test(flow, a_loop_that_stops_alone, .timeout = 60)
{
    static couple c;
    open_couple(&c, 1, NULL);
    connect_couple(&c, false);
    cr_assert_eq(about(&c.world, &c.receiver, GRANT, c.in, 5), JZX_OK);
    test_world_settle(&c.world);
    cr_assert_eq(jzx_loop_request_stop(c.world.loops[1]), JZX_OK);
    while (atomic_load(&c.world.loops[1]->closed) == 0) {
        cr_assert_eq(jzx_loop_run_once(c.world.loops[1], 0), JZX_OK);
    }
    cr_assert_eq(about(&c.world, &c.sender, SEND, c.out, 5), JZX_ERR_LOOP_CLOSED);
    told_once(&c, &c.sender, c.out, c.receiver.id, JZX_ERR_ENDED, JZX_EXIT_LOOP_CLOSED);
    jzx_flow_id flow = offer(&c.world, &c.sender, c.receiver.id);
    test_world_settle(&c.world);
    cr_assert_eq(ended(&c.sender, 1).flow, flow);
    cr_assert_eq(ended(&c.sender, 1).err, JZX_ERR_LOOP_CLOSED);
    close_couple(&c);
}

/* The runtime stops with flows in all states; the world's ledger of memory says that nothing stays. */
Test(flow, a_stop_with_flows_open_opening_and_closing, .timeout = 60)
{
    for (uint32_t turns = 0; turns < 6; turns++) {
        static couple c;
        open_couple(&c, 1, NULL);
        connect_couple(&c, turns % 2 == 0);
        (void)offer(&c.world, &c.sender, c.receiver.id);
        (void)want(&c.world, &c.sender, c.receiver.id, 7);
        (void)want(&c.world, &c.receiver, c.sender.id, 7);
        test_do(&c.world, &c.sender, open_and_close, &c);
        for (uint32_t i = 0; i < turns; i++) {
            test_world_step(&c.world);
        }
        test_world_close(&c.world);
    }
}

static void fini_sends(jzx_context *context, test_actor *actor, const jzx_exit_info *info)
{
    (void)info;
    couple *c = actor->data;
    jzx_message message = jzx_message_empty(5);
    jzx_flow_id flow;
    uint32_t *wrong = &c->receiver.log[TEST_LOG - 1].tag; /* not used otherwise */
    *wrong = jzx_flow_send(context, c->out, &message) != JZX_OK;
    *wrong += jzx_flow_request(context, c->out, &message, JZX_FOREVER, NULL) != JZX_ERR_STOPPING;
    *wrong += jzx_flow_delegate(context, c->out, 1, &message) != JZX_ERR_STOPPING;
    *wrong += jzx_flow_offer(context, c->receiver.id, &flow) != JZX_ERR_STOPPING;
    *wrong += jzx_flow_want(context, c->receiver.id, 1, &flow) != JZX_ERR_STOPPING;
}

FLOW_TEST(fini_may_send_and_not_open)
{
    c->sender.on_fini = fini_sends;
    c->sender.data = c;
    cr_assert_eq(about(&c->world, &c->receiver, GRANT, c->in, 2), JZX_OK);
    test_world_settle(&c->world);
    end_it(&c->world, &c->sender, IS_STOPPED);
    told_once(c, &c->receiver, c->in, c->sender.id, JZX_ERR_ENDED, JZX_EXIT_SHUTDOWN);
    cr_assert_eq(test_tags(&c->receiver, 5), 1);
    cr_assert_eq(c->receiver.log[TEST_LOG - 1].tag, 0);
}

/* ---- restarts ---- */

static void restarted(uint32_t place, bool keep_mail)
{
    static couple c;
    open_couple(&c, 1 - place, NULL); /* its receiver is only a second actor here */
    test_actor child = {.on = never};
    jzx_spawn_options options;
    test_actor_options(&child, &options);
    jzx_child_spec spec;
    jzx_child_spec_init(&spec);
    spec.init = options.init;
    spec.behavior = options.behavior;
    spec.fini = options.fini;
    spec.argument = &child;
    spec.keep_mail = keep_mail;
    jzx_supervisor_spec supervisor;
    jzx_supervisor_spec_init(&supervisor);
    supervisor.child_count = 1;
    supervisor.children = &spec;
    jzx_actor_id id;
    cr_assert_eq(jzx_supervisor_start(host_of(&c.world, place), &supervisor, &id, NULL), JZX_OK);
    test_until(&c.world, child.inits == 1);
    jzx_actor_id first = child.id;
    c.out = offer(&c.world, &c.sender, first);
    test_world_settle(&c.world);
    c.in = opened(&child, 0).flow;
    cr_assert_eq(about(&c.world, &child, WINDOW, c.in, 4), JZX_OK);
    test_world_settle(&c.world);
    cr_assert_eq(flood(&c.world, &c.sender, c.out, 5, JZX_ERR_NO_CREDIT), 4);
    for (unsigned i = 0; i < 4; i++) {
        test_world_step(&c.world); /* they lie in its mailbox */
    }
    cr_assert_eq(jzx_fail(host_of(&c.world, place), first, -3, NULL), JZX_OK);
    test_until(&c.world, child.inits == 2);
    cr_assert_neq(child.id, first);
    child.on = NULL;
    test_world_settle(&c.world);
    jzx_flow_ended e = ended(&c.sender, 0);
    cr_assert_eq(e.flow, c.out);
    cr_assert_eq(e.peer, first);
    cr_assert_eq(e.err, JZX_ERR_ENDED);
    cr_assert_eq(e.exit_kind, JZX_EXIT_FAIL);
    cr_assert_eq(test_tags(&child, 5), keep_mail ? 4 : 0);
    if (keep_mail) {
        cr_assert_eq(test_tagged(&child, 5, 3)->ref, c.in, "of a flow that is over");
        cr_assert_eq(test_tagged(&child, 5, 3)->flags, (uint32_t)JZX_MESSAGE_FLOW);
    }
    cr_assert_eq(about(&c.world, &child, GRANT, c.in, 1), JZX_ERR_NOT_FOUND, "a restarted actor has no flows");
    cr_assert_eq(test_tags(&child, JZX_TAG_SYS_FLOW_ENDED), 0);
    cr_assert_eq(records(&c.world, 0) + records(&c.world, 1), 0);
    close_couple(&c);
}

Test(flow, who_is_restarted_has_no_flows, .timeout = 60)
{
    for (uint32_t way = 0; way < 4; way++) {
        restarted(way & 1, (way & 2) != 0);
    }
}

/* ---- arguments ---- */

FLOW_TEST(each_side_has_its_own_calls)
{
    cr_assert_eq(about(&c->world, &c->receiver, SEND, c->in, 5), JZX_ERR_INVALID_ARG);
    cr_assert_eq(about(&c->world, &c->receiver, REQUEST, c->in, 5), JZX_ERR_INVALID_ARG);
    cr_assert_eq(about(&c->world, &c->receiver, DELEGATE, c->in, 5), JZX_ERR_INVALID_ARG);
    cr_assert_eq(about(&c->world, &c->sender, REQUEST, c->out, 5), JZX_ERR_NO_CREDIT);
    cr_assert_eq(about(&c->world, &c->sender, DELEGATE, c->out, 5), JZX_ERR_NO_CREDIT);
    cr_assert_eq(about(&c->world, &c->sender, REQUEST, c->out, JZX_TAG_RESERVED), JZX_ERR_INVALID_ARG);
    cr_assert_eq(about(&c->world, &c->sender, DELEGATE, c->out, JZX_TAG_RESERVED), JZX_ERR_INVALID_ARG);
    cr_assert_eq(about(&c->world, &c->sender, GRANT, c->out, 1), JZX_ERR_INVALID_ARG);
    cr_assert_eq(about(&c->world, &c->sender, WINDOW, c->out, 1), JZX_ERR_INVALID_ARG);
    cr_assert_eq(about(&c->world, &c->receiver, GRANT, c->in, 0), JZX_ERR_INVALID_ARG);
    cr_assert_eq(about(&c->world, &c->sender, SEND, c->out, JZX_TAG_RESERVED), JZX_ERR_INVALID_ARG);
    cr_assert_eq(about(&c->world, &c->sender, SEND, c->out, JZX_TAG_SYS_FLOW), JZX_ERR_INVALID_ARG);
    /* Another's id, one of the future, and none. */
    static const deed deeds[] = {GRANT, WINDOW, SEND, REQUEST, DELEGATE, CREDITS, CLOSE};
    for (unsigned i = 0; i < sizeof deeds / sizeof deeds[0]; i++) {
        cr_assert_eq(about(&c->world, &c->sender, deeds[i], c->in, 1), JZX_ERR_NOT_FOUND);
        cr_assert_eq(about(&c->world, &c->receiver, deeds[i], c->out, 1), JZX_ERR_NOT_FOUND);
        cr_assert_eq(about(&c->world, &c->sender, deeds[i], c->out + 1, 1), JZX_ERR_NOT_FOUND);
        cr_assert_eq(about(&c->world, &c->sender, deeds[i], 0, 1), JZX_ERR_NOT_FOUND);
        cr_assert_eq(about(&c->world, &c->sender, deeds[i], UINT64_MAX, 1), JZX_ERR_NOT_FOUND);
    }
}

static jzx_behavior_result bad_arguments(jzx_context *context, test_actor *actor, void *argument)
{
    couple *c = argument;
    jzx_flow_id flow = 77;
    cr_expect_eq(jzx_flow_offer(context, c->receiver.id, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_flow_offer(context, actor->id, &flow), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_flow_offer(context, 0, &flow), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_flow_offer(context, (jzx_actor_id)9 << 56 | 1, &flow), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_flow_want(context, c->receiver.id, 1, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_flow_want(context, actor->id, 1, &flow), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_flow_want(context, 0, 1, &flow), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_flow_credits(context, c->out, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_flow_send(context, c->out, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_flow_request(context, c->out, NULL, JZX_FOREVER, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_flow_delegate(context, c->out, 1, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(flow, 77, "left as it was");
    return JZX_BEHAVIOR_OK;
}

static void each_call(jzx_context *context, jzx_err expected)
{
    jzx_flow_id flow = 0;
    uint32_t credits = 0;
    jzx_message message = jzx_message_empty(1);
    cr_expect_eq(jzx_flow_offer(context, 1, &flow), expected);
    cr_expect_eq(jzx_flow_want(context, 1, 1, &flow), expected);
    cr_expect_eq(jzx_flow_grant(context, 1, 1), expected);
    cr_expect_eq(jzx_flow_window(context, 1, 1), expected);
    cr_expect_eq(jzx_flow_send(context, 1, &message), expected);
    cr_expect_eq(jzx_flow_request(context, 1, &message, JZX_FOREVER, NULL), expected);
    cr_expect_eq(jzx_flow_delegate(context, 1, 1, &message), expected);
    cr_expect_eq(jzx_flow_credits(context, 1, &credits), expected);
    cr_expect_eq(jzx_flow_close(context, 1), expected);
}

static void from_another_thread(void *argument)
{
    each_call(argument, JZX_ERR_WRONG_THREAD);
}

FLOW_TEST(arguments_are_checked)
{
    test_do(&c->world, &c->sender, bad_arguments, c);
    each_call(NULL, JZX_ERR_INVALID_ARG);
    each_call(host_of(&c->world, 0), JZX_ERR_INVALID_ARG);
    test_on_thread(from_another_thread, host_of(&c->world, 0));
}

/* A message that was delivered may be passed on as it is. */
static jzx_behavior_result pass_it_on(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    const jzx_actor_id *to = actor->data;
    if (message->tag >= JZX_TAG_RESERVED) {
        return JZX_BEHAVIOR_OK;
    }
    return jzx_send(context, *to, message) == JZX_OK ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_FAIL;
}

FLOW_TEST(what_came_through_a_flow_may_be_passed_on)
{
    c->receiver.on = pass_it_on;
    c->receiver.data = &c->sender.id;
    cr_assert_eq(about(&c->world, &c->receiver, WINDOW, c->in, 2), JZX_OK);
    test_world_settle(&c->world);
    cr_assert_eq(about(&c->world, &c->sender, SEND, c->out, 5), JZX_OK);
    test_world_settle(&c->world);
    cr_assert_eq(c->receiver.finis, 0);
    cr_assert_eq(test_tags(&c->sender, 5), 1);
    cr_assert_eq(test_tagged(&c->sender, 5, 0)->flags, 0);
}

/* ---- requests ---- */

enum { WINDOW_4 = 4 };

/* Keeps what it is asked: its refs are in its log. */
static jzx_flow_id asked_in(couple *c)
{
    cr_assert_eq(about(&c->world, &c->receiver, WINDOW, c->in, WINDOW_4), JZX_OK);
    test_world_settle(&c->world);
    return c->out;
}

static order request_with(couple *c, uint32_t tag, uint64_t timeout_ns)
{
    order o = {.what = REQUEST, .flow = c->out, .number = tag, .timeout_ns = timeout_ns};
    return tell(&c->world, &c->sender, o);
}

static uint64_t request(couple *c, uint32_t tag)
{
    order o = request_with(c, tag, 0);
    cr_assert_eq(o.err, JZX_OK, "%s", jzx_strerror(o.err));
    cr_assert_neq(o.ref, 0);
    return o.ref;
}

/* Those of the window are all out. */
static void request_all(couple *c, uint64_t refs[WINDOW_4])
{
    order o = {.what = REQUEST, .flow = c->out, .number = 5, .times = UINT32_MAX, .refs = refs};
    o = tell(&c->world, &c->sender, o);
    cr_assert_eq(o.err, JZX_ERR_NO_CREDIT);
    cr_assert_eq(o.done, WINDOW_4);
    test_world_settle(&c->world);
}

static void answer_it(couple *c, uint32_t nth)
{
    order o = {.what = ANSWER, .ref = test_tagged(&c->receiver, 5, nth)->ref, .number = 6};
    cr_assert_eq(tell(&c->world, &c->receiver, o).err, JZX_OK);
    test_world_settle(&c->world);
}

/* All credits are where they were before the requests. */
static void balanced(couple *c)
{
    test_world_settle(&c->world);
    cr_assert_eq(credits_of(&c->world, &c->sender, c->out), WINDOW_4);
    cr_assert_eq(credits_of(&c->world, &c->receiver, c->in), WINDOW_4);
}

static uint32_t none_of(const test_actor *actor, jzx_drop_reason reason)
{
    uint32_t count = 0;
    const jzx_message *message;
    for (uint32_t i = 0; (message = test_tagged(actor, JZX_TAG_SYS_NO_ANSWER, i)) != NULL; i++) {
        jzx_no_answer none;
        memcpy(&none, message->bytes, sizeof none);
        count += none.reason == (uint32_t)reason;
    }
    return count;
}

static jzx_behavior_result answer_at_once(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)actor;
    jzx_message answer = jzx_message_empty(6);
    bool request = (message->flags & JZX_MESSAGE_REQUEST) != 0;
    return !request || jzx_answer(context, message->ref, &answer) == JZX_OK ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_FAIL;
}

FLOW_TEST(a_request_that_is_answered_in_its_handler)
{
    uint64_t refs[WINDOW_4];
    (void)asked_in(c);
    c->receiver.on = answer_at_once;
    for (uint32_t round = 0; round < 3; round++) {
        request_all(c, refs);
        balanced(c);
        cr_assert_eq(test_tags(&c->sender, 6), (round + 1) * WINDOW_4);
        for (uint32_t i = 0; i < WINDOW_4; i++) {
            const jzx_message *asked = test_tagged(&c->receiver, 5, round * WINDOW_4 + i);
            cr_assert_eq(asked->flags, (uint32_t)(JZX_MESSAGE_REQUEST | JZX_MESSAGE_FLOW));
            cr_assert_eq(asked->sender, c->sender.id);
            const jzx_message *answer = test_tagged(&c->sender, 6, round * WINDOW_4 + i);
            cr_assert_eq(answer->flags, (uint32_t)JZX_MESSAGE_ANSWER);
            cr_assert_eq(answer->ref, refs[i]);
        }
    }
}

FLOW_TEST(a_request_that_is_kept_keeps_its_credit)
{
    uint64_t refs[WINDOW_4];
    (void)asked_in(c);
    request_all(c, refs);
    cr_assert_eq(test_tags(&c->receiver, 5), WINDOW_4, "their handlers have returned");
    cr_assert_eq(credits_of(&c->world, &c->sender, c->out), 0);
    cr_assert_eq(credits_of(&c->world, &c->receiver, c->in), WINDOW_4, "all are out");
    answer_it(c, 1);
    cr_assert_eq(credits_of(&c->world, &c->receiver, c->in), WINDOW_4 - 1, "they travel in halves");
    answer_it(c, 3);
    cr_assert_eq(credits_of(&c->world, &c->receiver, c->in), WINDOW_4);
    cr_assert_eq(credits_of(&c->world, &c->sender, c->out), 2);
    answer_it(c, 0);
    answer_it(c, 2);
    balanced(c);
    cr_assert_eq(test_tags(&c->sender, 6), WINDOW_4);
}

FLOW_TEST(a_request_that_is_handed_on_gives_its_credit_back)
{
    uint64_t refs[WINDOW_4];
    static test_actor third;
    memset(&third, 0, sizeof third);
    test_spawn(&c->world, 1, &third);
    (void)asked_in(c);
    request_all(c, refs);
    for (uint32_t i = 0; i < WINDOW_4; i++) {
        order o = {.what = HAND_ON, .peer = third.id, .ref = test_tagged(&c->receiver, 5, i)->ref, .number = 5};
        cr_assert_eq(tell(&c->world, &c->receiver, o).err, JZX_OK);
    }
    balanced(c);
    cr_assert_eq(test_tags(&c->sender, 6), 0, "nobody has answered yet");
    for (uint32_t i = 0; i < WINDOW_4; i++) {
        const jzx_message *asked = test_tagged(&third, 5, i);
        cr_assert_eq(asked->flags, (uint32_t)JZX_MESSAGE_REQUEST, "it came to it through no flow");
        order o = {.what = ANSWER, .ref = asked->ref, .number = 6};
        cr_assert_eq(tell(&c->world, &third, o).err, JZX_OK);
    }
    balanced(c);
    cr_assert_eq(test_tags(&c->sender, 6), WINDOW_4);
    cr_assert_eq(test_tagged(&c->sender, 6, 0)->sender, third.id);
}

FLOW_TEST(a_request_that_is_not_for_its_receiver_gives_its_credit_back)
{
    uint64_t refs[WINDOW_4];
    (void)asked_in(c);
    c->receiver.on = handle_nothing;
    request_all(c, refs);
    balanced(c);
    cr_assert_eq(none_of(&c->sender, JZX_DROP_UNHANDLED), WINDOW_4);
}

FLOW_TEST(a_request_that_is_yielded_keeps_its_credit)
{
    (void)asked_in(c);
    c->receiver.on = yield_once;
    c->receiver.data = NULL;
    (void)request(c, 5);
    test_world_settle(&c->world);
    cr_assert_eq(c->receiver.yields, 1);
    cr_assert_eq(credits_of(&c->world, &c->receiver, c->in), WINDOW_4);
    answer_it(c, 0);
    cr_assert_eq(credits_of(&c->world, &c->receiver, c->in), WINDOW_4 - 1);
    (void)request(c, 5);
    test_world_settle(&c->world);
    answer_it(c, 1);
    balanced(c);
}

FLOW_TEST(the_receiver_of_requests_ends)
{
    uint64_t refs[WINDOW_4];
    (void)asked_in(c);
    request_all(c, refs);
    answer_it(c, 0);
    answer_it(c, 1);
    c->receiver.on = never;
    test_send(&c->world, &c->receiver, 7); /* what comes now stays in the mailbox */
    (void)request(c, 5);
    (void)request(c, 5);
    for (unsigned i = 0; i < 4; i++) {
        test_world_step(&c->world);
    }
    cr_assert_eq(test_tags(&c->receiver, 5), WINDOW_4);
    cr_assert_eq(jzx_kill(host_of(&c->world, jzx_actor_loop(c->receiver.id)), c->receiver.id), JZX_OK);
    told_once(c, &c->sender, c->out, c->receiver.id, JZX_ERR_ENDED, JZX_EXIT_KILLED);
    cr_assert_eq(none_of(&c->sender, JZX_DROP_ENDED), 4, "two that were kept, two that waited");
    cr_assert_eq(request_with(c, 5, 0).err, JZX_ERR_NOT_FOUND);
}

FLOW_TEST(who_asked_ends)
{
    uint64_t refs[WINDOW_4];
    (void)asked_in(c);
    request_all(c, refs);
    end_it(&c->world, &c->sender, IS_STOPPED);
    told_once(c, &c->receiver, c->in, c->sender.id, JZX_ERR_ENDED, JZX_EXIT_SHUTDOWN);
    for (uint32_t i = 0; i < WINDOW_4; i++) {
        answer_it(c, i); /* of a flow that is over */
    }
    cr_assert_eq(test_count(&c->world, offsetof(jzx_counters, dropped[JZX_DROP_LATE])), WINDOW_4);
}

/* Behind one that is yielded, until the deadline is over. */
FLOW_TEST(a_deadline_that_passes_before_its_turn_gives_the_credit_back)
{
    (void)asked_in(c);
    c->receiver.on = never;
    test_send(&c->world, &c->receiver, 7);
    test_until(&c->world, c->receiver.yields > 0);
    cr_assert_eq(request_with(c, 5, 1000000).err, JZX_OK);
    cr_assert_eq(request_with(c, 5, 1000000).err, JZX_OK);
    test_until(&c->world, none_of(&c->sender, JZX_DROP_DEADLINE) == 2);
    cr_assert_eq(credits_of(&c->world, &c->sender, c->out), WINDOW_4 - 2, "they are still in the mailbox");
    c->receiver.on = NULL;
    balanced(c);
    cr_assert_eq(test_tags(&c->receiver, 5), 0, "never handled");
    cr_assert_eq(test_tags(&c->sender, JZX_TAG_SYS_NO_ANSWER), 2);
}

/* A call to the sender, which hands it on through the flow: who called gives it up. */
static jzx_behavior_result on_end(jzx_context *context, void *state, void *argument, const jzx_result *result)
{
    (void)context;
    (void)state;
    *(jzx_err *)argument = result->err;
    return JZX_BEHAVIOR_OK;
}

typedef struct calling {
    jzx_actor_id to;
    uint64_t ref;
    jzx_err ended;
    jzx_err err;
} calling;

static jzx_behavior_result call_it(jzx_context *context, test_actor *actor, void *argument)
{
    calling *a = argument;
    (void)actor;
    jzx_call_options options;
    jzx_call_options_init(&options);
    options.on_answer = on_end;
    options.argument = &a->ended;
    jzx_message message = jzx_message_empty(5);
    a->ended = JZX_ERR_UNKNOWN;
    a->err = jzx_call_with(context, a->to, &message, &options, &a->ref);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result cancel_it(jzx_context *context, test_actor *actor, void *argument)
{
    calling *a = argument;
    (void)actor;
    a->err = jzx_call_cancel(context, a->ref);
    return JZX_BEHAVIOR_OK;
}

static void call_through(couple *c, test_actor *asker, calling *a)
{
    *a = (calling){.to = c->sender.id};
    test_do(&c->world, asker, call_it, a);
    cr_assert_eq(a->err, JZX_OK);
    test_until(&c->world, test_tags(&c->sender, 5) == 1);
    order o = {.what = DELEGATE, .flow = c->out, .ref = test_tagged(&c->sender, 5, 0)->ref, .number = 5};
    cr_assert_eq(tell(&c->world, &c->sender, o).err, JZX_OK);
    cr_assert_eq(tell(&c->world, &c->sender, o).err, JZX_ERR_NO_SUCH_REQUEST, "it is not its own any more");
    cr_assert_eq(credits_of(&c->world, &c->sender, c->out), WINDOW_4 - 1);
}

static test_actor *asker_of(couple *c)
{
    static test_actor asker;
    memset(&asker, 0, sizeof asker);
    test_spawn(&c->world, 0, &asker);
    (void)asked_in(c);
    return &asker;
}

FLOW_TEST(a_request_of_another_that_is_delegated_through_a_flow)
{
    test_actor *asker = asker_of(c);
    static calling a; /* its end is written when the call ends */
    call_through(c, asker, &a);
    test_world_settle(&c->world);
    const jzx_message *asked = test_tagged(&c->receiver, 5, 0);
    cr_assert_eq(asked->sender, asker->id, "who asked first");
    cr_assert_eq(asked->flags, (uint32_t)(JZX_MESSAGE_REQUEST | JZX_MESSAGE_FLOW));
    answer_it(c, 0);
    cr_assert_eq(a.ended, JZX_OK);
    cr_assert_eq(credits_of(&c->world, &c->receiver, c->in), WINDOW_4 - 1);
    (void)request(c, 5);
    test_world_settle(&c->world);
    answer_it(c, 1);
    balanced(c);
}

/* The cancel follows it, wherever the receiver is. */
FLOW_TEST(a_request_that_is_cancelled_gives_its_credit_back)
{
    test_actor *asker = asker_of(c);
    c->receiver.on = never;
    test_send(&c->world, &c->receiver, 7);
    test_until(&c->world, c->receiver.yields > 0);
    static calling a; /* its end is written when the call ends */
    call_through(c, asker, &a);
    test_do(&c->world, asker, cancel_it, &a);
    cr_assert_eq(a.err, JZX_OK);
    cr_assert_eq(a.ended, JZX_ERR_CANCELLED);
    c->receiver.on = NULL;
    test_world_settle(&c->world);
    cr_assert_eq(test_tags(&c->receiver, 5), 0, "it is not handled any more");
    cr_assert_eq(credits_of(&c->world, &c->receiver, c->in), WINDOW_4 - 1, "it came back");
    (void)request(c, 5);
    test_world_settle(&c->world);
    answer_it(c, 0);
    balanced(c);
}

/* No policy drops it, and the sender needs no room. */
static void requests_past_the_cap(uint32_t place, jzx_mailbox_policy policy)
{
    static couple c;
    memset(&c, 0, sizeof c);
    test_world_open(&c.world, 2, NULL);
    test_spawn(&c.world, 0, &c.sender);
    jzx_spawn_options options;
    test_actor_options(&c.receiver, &options);
    options.mailbox_cap = 1;
    options.mailbox_policy = (uint8_t)policy;
    test_spawn_with(&c.world, place, &c.receiver, &options);
    c.in = want(&c.world, &c.receiver, c.sender.id, 10);
    test_world_settle(&c.world);
    c.out = opened(&c.sender, 0).flow;
    c.receiver.on = never;
    order plain = {.what = PLAIN, .peer = c.receiver.id, .number = 7};
    cr_assert_eq(tell(&c.world, &c.sender, plain).err, JZX_OK);
    test_world_step(&c.world);
    for (uint32_t i = 0; i < 10; i++) {
        (void)request(&c, 5);
        test_world_step(&c.world);
        (void)tell(&c.world, &c.sender, plain);
    }
    c.receiver.on = answer_at_once;
    test_world_settle(&c.world);
    cr_assert_eq(test_tags(&c.sender, 6), 10);
    cr_assert_eq(test_tags(&c.sender, JZX_TAG_SYS_NO_ANSWER), 0);
    close_couple(&c);
}

Test(flow, a_request_with_a_credit_passes_the_cap_and_is_dropped_by_no_policy, .timeout = 60)
{
    for (uint32_t place = 0; place < 2; place++) {
        requests_past_the_cap(place, JZX_MAILBOX_REFUSE);
        requests_past_the_cap(place, JZX_MAILBOX_DROP_NEWEST);
        requests_past_the_cap(place, JZX_MAILBOX_DROP_OLDEST);
    }
}

/* No cell to hold for the answer, no timer for the deadline, no room in the lane: the credit is not spent. */
Test(flow, a_request_that_is_refused_costs_no_credit, .timeout = 60)
{
    static couple c;
    jzx_config config;
    test_config(&config);
    config.lane_blocks = 2;
    config.timers_max = 1;
    config.cells = 4096;
    open_couple(&c, 1, &config);
    c.in = want(&c.world, &c.receiver, c.sender.id, 500);
    test_world_settle(&c.world);
    c.out = opened(&c.sender, 0).flow;
    cr_assert_eq(request_with(&c, 5, 60000000000).err, JZX_OK);
    cr_assert_eq(request_with(&c, 5, 60000000000).err, JZX_ERR_LIMIT, "timers_max");
    cr_assert_eq(credits_of(&c.world, &c.sender, c.out), 499);
    order o = {.what = REQUEST, .flow = c.out, .number = 5, .times = UINT32_MAX};
    o = tell(&c.world, &c.sender, o);
    cr_assert_eq(o.err, JZX_ERR_WOULD_BLOCK, "%s", jzx_strerror(o.err));
    test_world_settle(&c.world);
    cr_assert_eq(credits_of(&c.world, &c.sender, c.out), 499 - o.done);
    do {
        o = tell(&c.world, &c.sender, (order){.what = REQUEST, .flow = c.out, .number = 5, .times = UINT32_MAX});
        test_world_settle(&c.world);
    } while (o.err == JZX_ERR_WOULD_BLOCK);
    cr_assert_eq(o.err, JZX_ERR_NO_CREDIT);
    close_couple(&c);
}

Test(flow, requests_to_one_that_is_ending_or_whose_loop_has_stopped, .timeout = 60)
{
    static couple c;
    open_couple(&c, 0, NULL);
    connect_couple(&c, false);
    cr_assert_eq(about(&c.world, &c.receiver, WINDOW, c.in, 2), JZX_OK);
    c.receiver.on = never;
    cr_assert_eq(about(&c.world, &c.sender, SEND, c.out, 5), JZX_OK);
    cr_assert_eq(jzx_drain(host_of(&c.world, 0), c.receiver.id), JZX_OK);
    cr_assert_eq(request_with(&c, 5, 0).err, JZX_ERR_STOPPING);
    cr_assert_eq(credits_of(&c.world, &c.sender, c.out), 1, "not spent");
    c.receiver.on = NULL;
    close_couple(&c);
    open_couple(&c, 1, NULL);
    connect_couple(&c, false);
    cr_assert_eq(about(&c.world, &c.receiver, GRANT, c.in, 5), JZX_OK);
    test_world_settle(&c.world);
    cr_assert_eq(jzx_loop_request_stop(c.world.loops[1]), JZX_OK);
    while (atomic_load(&c.world.loops[1]->closed) == 0) {
        cr_assert_eq(jzx_loop_run_once(c.world.loops[1], 0), JZX_OK);
    }
    cr_assert_eq(request_with(&c, 5, 0).err, JZX_ERR_LOOP_CLOSED);
    close_couple(&c);
}

/* ---- on threads ---- */

enum { STREAM = 100000 };

typedef struct stream {
    jzx_actor_id peer;
    jzx_flow_id flow;
    uint32_t moved;
    uint32_t wrong;
    _Atomic(bool) over;
} stream;

static jzx_behavior_result pump(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    stream *s = actor->data;
    (void)message;
    for (;;) {
        jzx_message next = jzx_message_value(1, &s->moved, sizeof s->moved);
        jzx_err err = s->moved == STREAM ? JZX_ERR_NO_CREDIT : jzx_flow_send(context, s->flow, &next);
        if (err == JZX_ERR_WOULD_BLOCK) {
            s->wrong += jzx_resume(context, s->peer) != JZX_OK;
        }
        if (err != JZX_OK) {
            s->wrong += err != JZX_ERR_NO_CREDIT && err != JZX_ERR_WOULD_BLOCK;
            return JZX_BEHAVIOR_OK;
        }
        s->moved++;
    }
}

static jzx_behavior_result begin_to_pump(jzx_context *context, test_actor *actor, void *argument)
{
    (void)context;
    actor->on = pump;
    actor->data = argument;
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result drink(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    stream *s = actor->data;
    if (message->tag == 1) {
        uint32_t number;
        memcpy(&number, message->bytes, sizeof number);
        s->wrong += number != s->moved || message->ref != s->flow;
        s->moved++;
        s->over = s->moved == STREAM;
    }
    return JZX_BEHAVIOR_OK;
}

Test(flow, a_stream_between_threads, .timeout = 120)
{
    static const uint32_t windows[] = {1, 7, 256};
    for (unsigned i = 0; i < 3; i++) {
        static couple c;
        stream out = {0};
        stream in = {0};
        jzx_config config;
        test_config(&config);
        config.mailbox_cap = 16;
        open_couple(&c, 1, &config);
        c.receiver.on = drink;
        c.receiver.data = &in;
        out.peer = c.receiver.id;
        test_world_start(&c.world);
        c.out = out.flow = offer(&c.world, &c.sender, c.receiver.id);
        test_until(&c.world, c.receiver.received == 1);
        c.in = in.flow = opened(&c.receiver, 0).flow;
        test_do(&c.world, &c.sender, begin_to_pump, &out);
        cr_assert_eq(about(&c.world, &c.receiver, WINDOW, c.in, windows[i]), JZX_OK);
        test_until(&c.world, in.over);
        test_world_close(&c.world);
        cr_assert_eq(in.moved, STREAM);
        cr_assert_eq(out.wrong + in.wrong, 0);
    }
}

/* Opens, grants, messages and ends of both sides that truly cross; in the end no loop has a record. */
enum { OPENS = 300 };

typedef struct walker {
    jzx_actor_id other;
    uint64_t random;
    _Atomic(uint32_t) *busy; /* walkers that have not yet opened as many as they must */
    _Atomic(bool) rests;
    jzx_flow_id flows[8]; /* those it knows of, 0: none */
    uint32_t opened;
    uint32_t ended;
    uint32_t wrong;
    uint32_t held; /* records of its loop, when asked */
} walker;

static uint32_t draw(walker *w, uint32_t below)
{
    w->random = w->random * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(w->random >> 33) % below;
}

static void remember(walker *w, jzx_context *context, jzx_flow_id flow)
{
    for (unsigned i = 0; i < 8; i++) {
        if (w->flows[i] == 0) {
            w->flows[i] = flow;
            return;
        }
    }
    jzx_err err = jzx_flow_close(context, flow);
    w->wrong += err != JZX_OK && err != JZX_ERR_NOT_FOUND;
}

static void forget(walker *w, jzx_flow_id flow)
{
    for (unsigned i = 0; i < 8; i++) {
        if (w->flows[i] == flow) {
            w->flows[i] = 0;
        }
    }
}

static void walk(walker *w, jzx_context *context)
{
    jzx_message message = jzx_message_empty(3);
    jzx_flow_id *flow = &w->flows[draw(w, 8)];
    uint32_t what = draw(w, 8);
    if (*flow == 0) {
        jzx_err err = draw(w, 2) == 0 ? jzx_flow_offer(context, w->other, flow)
                                      : jzx_flow_want(context, w->other, draw(w, 3), flow);
        w->wrong += err != JZX_OK && err != JZX_ERR_LIMIT;
        w->opened += err == JZX_OK;
    } else if (what == 0) {
        jzx_err err = jzx_flow_close(context, *flow);
        w->wrong += err != JZX_OK && err != JZX_ERR_NOT_FOUND; /* it has ended, and is still to be told */
        *flow = 0;
    } else if (what < 4) {
        (void)jzx_flow_send(context, *flow, &message);
    } else {
        (void)jzx_flow_grant(context, *flow, 1 + draw(w, 3));
    }
}

static jzx_behavior_result walk_on(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    walker *w = actor->data;
    if (message->tag == JZX_TAG_SYS_FLOW) {
        jzx_flow_opened o;
        memcpy(&o, message->bytes, sizeof o);
        remember(w, context, o.flow);
    } else if (message->tag == JZX_TAG_SYS_FLOW_ENDED) {
        jzx_flow_ended e;
        memcpy(&e, message->bytes, sizeof e);
        w->wrong += e.err != JZX_OK && e.err != JZX_ERR_LIMIT;
        forget(w, e.flow);
    } else if (message->tag == 1 && atomic_load(w->busy) == 0) {
        w->rests = true;
    } else if (message->tag == 1) {
        bool before = w->opened < OPENS;
        for (unsigned i = 0; i < 6; i++) {
            walk(w, context);
        }
        atomic_fetch_sub(w->busy, before && w->opened >= OPENS);
        jzx_message again = jzx_message_empty(1);
        w->wrong += jzx_send(context, jzx_self(context), &again) != JZX_OK;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result look_at_records(jzx_context *context, test_actor *actor, void *argument)
{
    (void)argument;
    ((walker *)actor->data)->held = context->loop->flows.used;
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result close_all(jzx_context *context, test_actor *actor, void *argument)
{
    (void)argument;
    walker *w = actor->data;
    for (unsigned i = 0; i < 8; i++) {
        if (w->flows[i] != 0) {
            (void)jzx_flow_close(context, w->flows[i]);
            w->flows[i] = 0;
        }
    }
    return JZX_BEHAVIOR_OK;
}

static void walk_both(uint64_t seed, uint32_t flows_max)
{
    test_world world;
    jzx_config config;
    test_config(&config);
    config.flows_max = flows_max;
    config.lane_blocks = 2;
    config.actors_per_turn = 1; /* so that each sees what the other does */
    config.messages_per_actor = 2;
    test_world_open(&world, 2, &config);
    _Atomic(uint32_t) busy = 2;
    walker w[2] = {{.random = seed, .busy = &busy}, {.random = ~seed, .busy = &busy}};
    test_actor actors[2] = {{.on = walk_on, .data = &w[0]}, {.on = walk_on, .data = &w[1]}};
    test_spawn(&world, 0, &actors[0]);
    test_spawn(&world, 1, &actors[1]);
    w[0].other = actors[1].id;
    w[1].other = actors[0].id;
    test_world_start(&world);
    test_send(&world, &actors[0], 1);
    test_send(&world, &actors[1], 1);
    test_until(&world, w[0].rests && w[1].rests);
    uint64_t deadline_ns = test_now_ns() + TEST_PATIENCE_S * 1000000000ull;
    do {
        test_do(&world, &actors[0], close_all, NULL);
        test_do(&world, &actors[1], close_all, NULL);
        test_do(&world, &actors[0], look_at_records, NULL);
        test_do(&world, &actors[1], look_at_records, NULL);
        cr_assert_lt(test_now_ns(), deadline_ns, "seed %lu: %u and %u records", (unsigned long)seed, w[0].held,
                     w[1].held);
    } while (w[0].held != 0 || w[1].held != 0);
    test_world_close(&world);
    cr_assert_eq(w[0].wrong + w[1].wrong, 0, "seed %lu", (unsigned long)seed);
}

Test(flow, F1_no_record_is_left_alone_on_threads, .timeout = 120)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        walk_both(seed, seed % 3 == 0 ? 6 : 1024);
    }
}
