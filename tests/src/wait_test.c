/* wait_test: exclusive calls: what an actor handles while it waits, and what becomes of those that wait in a circle. */
#include "sched/loop.h"
#include "tests/support/support.h"

#include <string.h>

enum { PLANS = 8, KEPT = 8, STEPS = 32, PAIR = 2 };

typedef enum move {
    ANSWER = 0, /* at once */
    KEEP,       /* the request is answered by order */
    WAIT,       /* calls exclusively, and answers when that has ended */
    CALL,       /* calls, and answers when that has ended */
    FORK,       /* calls without waiting for the end, and then waits for `then` */
    TWICE,      /* two exclusive calls in one handler */
    YIELDS,     /* waits, and gives its message back */
    STASHES,
    GATE,    /* yields until the player is open */
    LATER,   /* stashes it until the player waits */
    UNSTASH, /* takes all back, and answers */
    PUT_OFF, /* stashes what it is asked, which is kept all the same */
    CANCEL,  /* gives up its call number `tag`, and answers */
    GIVE_UP, /* waits, and gives that up at once */
    HAND_ON, /* the request is another's to answer */
} move;

typedef struct player player;

/* What a player does with a message of a tag below PLANS, from the host or from another player. */
typedef struct plan {
    move move;
    player *to;
    uint32_t tag;
    player *then;
    uint32_t then_tag;
    uint64_t patience_ns; /* from the call on; 0: for ever */
    bool high;            /* what it calls */
    bool fills;           /* the mailbox of `to`, of one message, before the call */
} plan;

/* A handler that is not done: whom it answers, and for which plan. */
typedef struct frame {
    player *player;
    uint32_t tag;
    uint64_t ref; /* 0: nobody asks */
} frame;

struct player {
    test_actor actor;
    plan plans[PLANS];
    frame frames[STEPS];
    uint32_t frame_count;
    uint64_t kept[KEPT];
    uint32_t kept_count;
    uint64_t calls[STEPS]; /* those that were made */
    uint32_t call_count;
    jzx_err refusal;     /* what the last one returned */
    jzx_err cancelled;   /* and jzx_call_cancel() */
    jzx_err errs[STEPS]; /* how its calls ended */
    uint32_t ends;
    jzx_cycle cycle;         /* of the last DEADLOCK, either way */
    jzx_cycle cycles[STEPS]; /* with which its calls ended */
    bool open;
    uint32_t waits;
    uint32_t handled[STEPS]; /* tags, of plans and other messages */
    uint32_t handled_count;
};

static void finish(jzx_context *context, const frame *f)
{
    if (f->ref != 0) {
        jzx_message answer = jzx_message_empty(f->tag + 100);
        (void)jzx_answer(context, f->ref, &answer);
    }
}

static jzx_behavior_result has_ended(jzx_context *context, void *state, void *argument, const jzx_result *result)
{
    frame *f = argument;
    player *p = f->player;
    cr_assert_eq(state, &p->actor);
    cr_assert_eq((result->err == JZX_OK), (result->message != NULL));
    cr_assert_eq((result->err == JZX_ERR_DEADLOCK), (result->cycle != NULL));
    if (result->cycle != NULL) {
        p->cycle = p->cycles[p->ends] = *result->cycle;
    }
    p->errs[p->ends++] = result->err;
    finish(context, f);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result is_forgotten(jzx_context *context, void *state, void *argument, const jzx_result *result)
{
    (void)context;
    (void)state;
    player *p = argument;
    p->errs[p->ends++] = result->err;
    return JZX_BEHAVIOR_OK;
}

static jzx_err call(jzx_context *context, player *p, bool exclusive, const player *to, uint32_t tag, frame *f)
{
    p->waits += exclusive;
    jzx_call_options options;
    jzx_call_options_init(&options);
    uint64_t patience_ns = p->plans[f->tag].patience_ns;
    options.deadline_ns = patience_ns != 0 ? jzx_now_ns(context) + patience_ns : JZX_FOREVER;
    options.exclusive = exclusive;
    options.high = p->plans[f->tag].high;
    options.on_answer = has_ended;
    options.argument = f;
    options.cycle = &p->cycle;
    jzx_message message = jzx_message_empty(20);
    cr_assert(!p->plans[f->tag].fills || jzx_send(context, to->actor.id, &message) == JZX_OK);
    message.tag = tag;
    p->refusal = jzx_call_with(context, to->actor.id, &message, &options, &p->calls[p->call_count % STEPS]);
    if (p->refusal != JZX_OK) {
        finish(context, f);
    } else {
        p->call_count++;
    }
    return p->refusal;
}

static jzx_behavior_result play(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    player *p = actor->data;
    move first = message->tag < PLANS ? p->plans[message->tag].move : ANSWER;
    if (first == GATE && !p->open) {
        return JZX_BEHAVIOR_YIELD;
    }
    if (first == LATER && p->waits == 0) {
        return JZX_BEHAVIOR_STASH;
    }
    p->handled[p->handled_count++ % STEPS] = message->tag;
    if (message->tag >= PLANS) {
        return JZX_BEHAVIOR_OK;
    }
    const plan *next = &p->plans[message->tag];
    frame *f = &p->frames[p->frame_count++ % STEPS];
    *f = (frame){p, message->tag, (message->flags & JZX_MESSAGE_REQUEST) != 0 ? message->ref : 0};
    switch (next->move) {
    case ANSWER:
    case LATER:
        finish(context, f);
        break;
    case KEEP:
        p->kept[p->kept_count++] = f->ref;
        break;
    case WAIT:
        (void)call(context, p, true, next->to, next->tag, f);
        break;
    case CALL:
        (void)call(context, p, false, next->to, next->tag, f);
        break;
    case FORK: {
        jzx_message forked = jzx_message_empty(next->tag);
        jzx_call_options options;
        jzx_call_options_init(&options);
        options.high = next->high;
        options.on_answer = is_forgotten;
        options.argument = p;
        cr_assert_eq(jzx_call_with(context, next->to->actor.id, &forked, &options, NULL), JZX_OK);
        (void)call(context, p, true, next->then, next->then_tag, f);
        break;
    }
    case TWICE:
        cr_assert_eq(call(context, p, true, next->to, next->tag, f), JZX_OK);
        cr_assert_eq(call(context, p, true, next->to, next->tag, &(frame){p, message->tag, 0}), JZX_ERR_INVALID_ARG);
        break;
    case YIELDS:
        cr_assert_eq(call(context, p, true, next->to, next->tag, f), JZX_OK);
        return JZX_BEHAVIOR_YIELD;
    case STASHES:
        cr_assert_eq(call(context, p, true, next->to, next->tag, f), JZX_OK);
        return JZX_BEHAVIOR_STASH;
    case GATE:
        break;
    case UNSTASH:
        cr_assert_eq(jzx_unstash_all(context), JZX_OK);
        finish(context, f);
        break;
    case PUT_OFF:
        p->kept[p->kept_count++] = f->ref;
        return JZX_BEHAVIOR_STASH;
    case CANCEL:
        p->cancelled = jzx_call_cancel(context, p->calls[next->tag]);
        finish(context, f);
        break;
    case GIVE_UP:
        cr_assert_eq(call(context, p, true, next->to, next->tag, f), JZX_OK);
        p->cancelled = jzx_call_cancel(context, p->calls[p->call_count - 1]);
        break;
    case HAND_ON: {
        jzx_message handed = jzx_message_empty(next->tag);
        cr_assert_eq(jzx_delegate(context, f->ref, next->to->actor.id, &handed), JZX_OK);
        break;
    }
    }
    return JZX_BEHAVIOR_OK;
}

/* ---- a world of them ---- */

/* Players live on loop 0, and on the other one of two where they are told. */
static void join(test_world *world, uint32_t loop, player *p)
{
    p->actor.on = play;
    p->actor.data = p;
    test_spawn(world, loop, &p->actor);
}

static void join_with(test_world *world, uint32_t loop, player *p, uint32_t cap, jzx_mailbox_policy policy)
{
    jzx_spawn_options options;
    p->actor.on = play;
    p->actor.data = p;
    test_actor_options(&p->actor, &options);
    options.mailbox_cap = cap;
    options.mailbox_policy = (uint8_t)policy;
    test_spawn_with(world, loop, &p->actor, &options);
}

static void kick(test_world *world, const player *p, uint32_t tag)
{
    test_send(world, &p->actor, tag);
}

static jzx_behavior_result answer_kept(jzx_context *context, test_actor *actor, void *argument)
{
    player *p = actor->data;
    (void)argument;
    jzx_message answer = jzx_message_empty(100);
    for (uint32_t i = 0; i < p->kept_count; i++) {
        (void)jzx_answer(context, p->kept[i], &answer);
    }
    p->kept_count = 0;
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result unstash(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    (void)argument;
    cr_assert_eq(jzx_unstash_all(context), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

static bool has_handled(const player *p, uint32_t tag)
{
    for (uint32_t i = 0; i < p->handled_count; i++) {
        if (p->handled[i] == tag) {
            return true;
        }
    }
    return false;
}

/* The circle as it was told: these, in this order. */
static void assert_cycle(const player *told, uint32_t count, player *const members[])
{
    cr_assert_eq(told->cycle.length, count);
    cr_assert_eq(told->cycle.listed, count < JZX_CYCLE_MAX ? count : JZX_CYCLE_MAX);
    for (uint32_t i = 0; i < told->cycle.listed; i++) {
        cr_assert_eq(told->cycle.ids[i], members[i]->actor.id, "place %u", i);
    }
}

#define EACH_PLACE(place) for (uint32_t place = 0; place < 2; place++)

/* ---- what waits, and what does not ---- */

Test(wait, all_else_waits_in_its_place, .timeout = 60)
{
    EACH_PLACE(place)
    {
        test_world world;
        test_world_open(&world, 2, NULL);
        player a = {.plans[1] = {WAIT, .tag = 1}};
        player b = {.plans[1] = {KEEP}};
        a.plans[1].to = &b;
        join(&world, 0, &a);
        join(&world, place, &b);
        kick(&world, &a, 1);
        test_until(&world, b.kept_count == 1);
        for (uint32_t tag = 20; tag < 25; tag++) {
            kick(&world, &a, tag);
        }
        test_world_settle(&world);
        cr_assert_eq(a.handled_count, 1, "it waits");
        test_do(&world, &b.actor, answer_kept, NULL);
        test_until(&world, a.handled_count == 6);
        cr_assert_eq(a.ends, 1);
        cr_assert_eq(a.errs[0], JZX_OK);
        for (uint32_t i = 0; i < 5; i++) {
            cr_assert_eq(a.handled[1 + i], 20 + i, "in order");
        }
        test_world_close(&world);
    }
}

static jzx_behavior_result set_timer(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    (void)argument;
    jzx_message tick = jzx_message_empty(30);
    cr_assert_eq(jzx_timer_after(context, 1, &tick, NULL), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

Test(wait, signals_wait_too, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    player a = {.plans[1] = {WAIT, .tag = 1}};
    player b = {.plans[1] = {KEEP}};
    a.plans[1].to = &b;
    join(&world, 0, &a);
    join(&world, 1, &b);
    test_do(&world, &a.actor, set_timer, NULL); /* due at once, maybe before it waits */
    a.handled_count = 0;
    kick(&world, &a, 1);
    test_until(&world, b.kept_count == 1);
    uint32_t before = a.handled_count;
    test_world_settle(&world);
    cr_assert_eq(a.handled_count, before);
    test_do(&world, &b.actor, answer_kept, NULL);
    test_until(&world, has_handled(&a, 30) && a.ends == 1);
    test_world_close(&world);
}

Test(wait, a_second_exclusive_call_in_one_handler_is_refused, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    player a = {.plans[1] = {TWICE, .tag = 1}};
    player b = {0};
    a.plans[1].to = &b;
    join(&world, 0, &a);
    join(&world, 0, &b);
    kick(&world, &a, 1);
    test_until(&world, a.ends == 1);
    cr_assert_eq(a.errs[0], JZX_OK);
    test_world_close(&world);
}

Test(wait, a_handler_that_waits_cannot_give_its_message_back, .timeout = 60)
{
    static const move moves[] = {YIELDS, STASHES};
    for (uint32_t i = 0; i < 2; i++) {
        test_world world;
        test_world_open(&world, 1, NULL);
        player a = {.plans[1] = {moves[i], .tag = 1}};
        player b = {0};
        a.plans[1].to = &b;
        join(&world, 0, &a);
        join(&world, 0, &b);
        kick(&world, &a, 1);
        test_until(&world, a.ends == 1);
        test_world_settle(&world);
        cr_assert_eq(a.handled_count, 1, "once");
        test_world_close(&world);
    }
}

/* ---- re-entry ---- */

static void ask_back(bool high)
{
    EACH_PLACE(place)
    {
        test_world world;
        test_world_open(&world, 2, NULL);
        player a = {.plans[1] = {WAIT, .tag = 1, .high = high}};
        player b = {.plans[1] = {WAIT, .tag = 2, .high = high}};
        a.plans[1].to = &b;
        b.plans[1].to = &a;
        join(&world, 0, &a);
        join(&world, place, &b);
        kick(&world, &a, 1);
        kick(&world, &a, 20);
        test_until(&world, a.ends == 1);
        cr_assert_eq(a.errs[0], JZX_OK);
        cr_assert_eq(b.errs[0], JZX_OK);
        cr_assert_eq(a.handled[1], 2, "past what came before");
        test_until(&world, has_handled(&a, 20));
        test_world_close(&world);
    }
}

Test(wait, who_is_asked_may_ask_back, .timeout = 60)
{
    ask_back(false);
    ask_back(true);
}

static void full_queue_of_one(jzx_mailbox_policy policy, bool high)
{
    EACH_PLACE(place)
    {
        test_world world;
        test_world_open(&world, 2, NULL);
        player a = {.plans[1] = {WAIT, .tag = 1}};
        player b = {.plans[1] = {KEEP}, .plans[3] = {WAIT, .tag = 2, .high = high}};
        player c = {.plans[1] = {WAIT, .tag = 3, .high = high}};
        a.plans[1].to = &c;
        c.plans[1].to = &b;
        b.plans[3].to = &a;
        join_with(&world, 0, &a, 1, policy);
        join_with(&world, place, &b, 1, policy);
        join_with(&world, place, &c, 1, policy);
        kick(&world, &a, 1);
        test_world_step(&world);
        jzx_message message = jzx_message_empty(20);
        while (jzx_send(jzx_loop_context(world.loops[0]), a.actor.id, &message) == JZX_OK) {
        }
        test_until(&world, a.ends == 1);
        cr_assert_eq(a.errs[0], JZX_OK);
        cr_assert_eq(b.errs[0], JZX_OK);
        cr_assert_eq(c.errs[0], JZX_OK);
        test_until(&world, has_handled(&a, 20));
        test_world_close(&world);
    }
}

Test(wait, a_queue_of_one_that_is_full_does_not_keep_the_chain_out, .timeout = 60)
{
    for (uint32_t high = 0; high < 2; high++) {
        full_queue_of_one(JZX_MAILBOX_REFUSE, high != 0);
    }
}

Test(wait, a_request_of_the_chain_that_was_there_before_comes_through, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    /* For r, d asks a and waits for b, who waits for a. Both requests are with a before it handles the first. */
    player r = {.plans[1] = {WAIT, .tag = 4}};
    player d = {.plans[4] = {FORK, .tag = 5, .then_tag = 1}};
    player b = {.plans[1] = {WAIT, .tag = 2}};
    player a = {.plans[5] = {WAIT, .tag = 1}};
    player c = {.plans[1] = {KEEP}};
    r.plans[1].to = &d;
    d.plans[4].to = &a;
    d.plans[4].then = &b;
    b.plans[1].to = &a;
    a.plans[5].to = &c;
    join(&world, 0, &r);
    join(&world, 0, &d);
    join(&world, 0, &b);
    join(&world, 1, &a);
    join(&world, 1, &c);
    kick(&world, &r, 1);
    test_until(&world, b.ends == 1);
    cr_assert_eq(b.errs[0], JZX_OK);
    cr_assert_eq(a.ends, 0);
    cr_assert_eq(a.handled[0], 5);
    cr_assert_eq(a.handled[1], 2);
    test_do(&world, &c.actor, answer_kept, NULL);
    test_until(&world, r.ends == 1 && a.ends == 1);
    cr_assert_eq(r.errs[0], JZX_OK);
    test_world_close(&world);
}

static void send_high(test_world *world, const player *p, uint32_t tag)
{
    jzx_message message = jzx_message_empty(tag);
    jzx_context *host = jzx_loop_context(world->loops[jzx_actor_loop(p->actor.id)]);
    cr_assert_eq(jzx_send_with(host, p->actor.id, &message, JZX_SEND_HIGH), JZX_OK);
}

/* Where somebody yields a world never rests. */
static void turns(test_world *world)
{
    for (uint32_t i = 0; i < 8; i++) {
        test_world_step(world);
    }
}

/*
 * For r, d asks a, and b, who asks a too. All is high, and with a before it handles the first, by which it waits for c: there
 * what is of the chain comes through, and what e asks waits in its place.
 */
Test(wait, high_requests_of_the_chain_that_were_there_before_come_through, .timeout = 60)
{
    EACH_PLACE(place)
    {
        test_world world;
        test_world_open(&world, 2, NULL);
        player r = {.plans[1] = {WAIT, .tag = 4}};
        player d = {.plans[4] = {FORK, .tag = 5, .then_tag = 1, .high = true}};
        player b = {.plans[1] = {WAIT, .tag = 2, .high = true}, .plans[7] = {GATE}};
        player e = {.plans[1] = {CALL, .tag = 6, .high = true}};
        player a = {.plans[5] = {WAIT, .tag = 1}, .plans[7] = {GATE}};
        player c = {.plans[1] = {KEEP}};
        r.plans[1].to = &d;
        d.plans[4].to = b.plans[1].to = e.plans[1].to = &a;
        d.plans[4].then = &b;
        a.plans[5].to = &c;
        join(&world, 0, &r);
        join(&world, 0, &d);
        join(&world, 0, &b);
        join(&world, 0, &e);
        join(&world, place, &a);
        join(&world, place, &c);
        send_high(&world, &a, 7);
        send_high(&world, &b, 7);
        kick(&world, &r, 1);
        turns(&world);
        kick(&world, &e, 1);
        turns(&world);
        b.open = true;
        turns(&world);
        send_high(&world, &a, 22);
        cr_assert_eq(a.handled_count, 0);
        a.open = true;
        test_until(&world, b.ends == 1);
        cr_assert_eq(b.errs[0], JZX_OK);
        send_high(&world, &a, 23);
        test_world_settle(&world);
        cr_assert_eq(a.handled_count, 3, "it waits");
        cr_assert_eq(e.ends, 0);
        test_do(&world, &c.actor, answer_kept, NULL);
        test_until(&world, r.ends == 1 && e.ends == 1 && has_handled(&a, 23));
        static const uint32_t order[] = {7, 5, 2, 6, 22, 23};
        for (uint32_t i = 0; i < sizeof order / sizeof *order; i++) {
            cr_assert_eq(a.handled[i], order[i], "the %u. is %u", i, a.handled[i]);
        }
        test_world_settle(&world);
        test_world_close(&world);
    }
}

/* For r, d asks b, who asks a, and then g, who asks a too. a stashes the first, and waits by the second. */
static void wait_with_a_stash(uint32_t place, bool high)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    player r = {.plans[1] = {WAIT, .tag = 4}};
    player d = {.plans[4] = {FORK, .tag = 1, .then_tag = 1}};
    player b = {.plans[1] = {WAIT, .tag = 2, .high = high}};
    player g = {.plans[1] = {WAIT, .tag = 5, .high = high}};
    player e = {.plans[1] = {CALL, .tag = 6, .high = high}};
    player a = {.plans[2] = {LATER}, .plans[5] = {WAIT, .tag = 1}, .plans[6] = {LATER}};
    player c = {.plans[1] = {KEEP}};
    r.plans[1].to = &d;
    d.plans[4].to = &b;
    d.plans[4].then = &g;
    b.plans[1].to = g.plans[1].to = e.plans[1].to = &a;
    a.plans[5].to = &c;
    join(&world, 0, &r);
    join(&world, 0, &d);
    join(&world, 0, &b);
    join(&world, 0, &g);
    join(&world, 0, &e);
    join(&world, place, &a);
    join(&world, place, &c);
    kick(&world, &e, 1);
    test_world_settle(&world);
    kick(&world, &r, 1);
    test_until(&world, b.ends == 1);
    cr_assert_eq(b.errs[0], JZX_OK);
    test_world_settle(&world);
    cr_assert_eq(a.handled_count, 2, "the other one is still stashed");
    cr_assert_eq(a.handled[0], 5);
    cr_assert_eq(a.handled[1], 2);
    test_do(&world, &c.actor, answer_kept, NULL);
    test_until(&world, r.ends == 1);
    cr_assert_eq(e.ends, 0);
    test_do(&world, &a.actor, unstash, NULL);
    test_until(&world, e.ends == 1);
    test_world_close(&world);
}

Test(wait, a_stashed_request_of_the_chain_comes_through, .timeout = 60)
{
    EACH_PLACE(place)
    {
        wait_with_a_stash(place, false);
        wait_with_a_stash(place, true);
    }
}

/* a waits for b, who asks a back, who asks b back, ...: eight waits of each at most. */
Test(wait, what_is_taken_back_in_a_wait_comes_after_it, .timeout = 60)
{
    EACH_PLACE(place)
    {
        test_world world;
        test_world_open(&world, 2, NULL);
        player a = {.plans[1] = {WAIT, .tag = 1}, .plans[2] = {UNSTASH}, .plans[3] = {LATER}};
        player b = {.plans[1] = {WAIT, .tag = 2}};
        a.plans[1].to = &b;
        b.plans[1].to = &a;
        join(&world, 0, &a);
        join(&world, place, &b);
        kick(&world, &a, 3);
        test_world_settle(&world);
        kick(&world, &a, 1);
        kick(&world, &a, 20);
        test_until(&world, a.ends == 1 && has_handled(&a, 20));
        static const uint32_t tags[] = {1, 2, 3, 20};
        cr_assert_eq(a.handled_count, 4);
        cr_assert_arr_eq(a.handled, tags, sizeof tags);
        test_world_close(&world);
    }
}

/* In the stash it would be in nobody's sight: it is kept, and so found to close the circle. */
Test(wait, who_waits_cannot_put_off_what_it_is_asked, .timeout = 60)
{
    EACH_PLACE(place)
    {
        test_world world;
        test_world_open(&world, 2, NULL);
        player a = {.plans[1] = {WAIT, .tag = 1}, .plans[2] = {PUT_OFF}};
        player b = {.plans[1] = {WAIT, .tag = 2}};
        a.plans[1].to = &b;
        b.plans[1].to = &a;
        join(&world, 0, &a);
        join(&world, place, &b);
        kick(&world, &a, 1);
        test_until(&world, a.kept_count == 1);
        test_world_settle(&world);
        test_do(&world, &a.actor, unstash, NULL);
        test_do(&world, &a.actor, answer_kept, NULL);
        test_until(&world, a.ends == 1 && b.ends == 1);
        cr_assert_eq((a.errs[0] == JZX_ERR_DEADLOCK) + (b.errs[0] == JZX_ERR_DEADLOCK), 1);
        cr_assert_eq(a.handled_count, 2, "once");
        test_world_close(&world);
    }
}

Test(wait, waits_lie_in_each_other_up_to_a_limit, .timeout = 60)
{
    EACH_PLACE(place)
    {
        test_world world;
        test_world_open(&world, 2, NULL);
        player a = {.plans[1] = {WAIT, .tag = 1}};
        player b = {.plans[1] = {WAIT, .tag = 1}};
        a.plans[1].to = &b;
        b.plans[1].to = &a;
        join(&world, 0, &a);
        join(&world, place, &b);
        kick(&world, &a, 1);
        test_until(&world, a.ends == JZX_WAITS_MAX);
        cr_assert_eq(a.refusal, JZX_ERR_LIMIT);
        cr_assert_eq(b.ends, JZX_WAITS_MAX);
        for (uint32_t i = 0; i < JZX_WAITS_MAX; i++) {
            cr_assert_eq(a.errs[i], JZX_OK);
        }
        test_world_close(&world);
    }
}

/* ---- circles ---- */

enum { LONGEST = 12 };

static void refuse_a_circle(uint32_t length)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    player ring[LONGEST] = {{.handled_count = 0}};
    player *members[LONGEST];
    for (uint32_t i = 0; i < length; i++) {
        ring[i].plans[1] = (plan){WAIT, .to = &ring[(i + 1) % length], .tag = 2};
        join(&world, 0, &ring[i]);
        members[i] = &ring[(length - 1 + i) % length];
    }
    for (uint32_t i = 0; i < length; i++) { /* each runs before its request is handled */
        kick(&world, &ring[i], 1);
    }
    test_until(&world, ring[0].ends == 1);
    cr_assert_eq(ring[length - 1].refusal, JZX_ERR_DEADLOCK);
    assert_cycle(&ring[length - 1], length, members);
    for (uint32_t i = 0; i + 1 < length; i++) {
        test_until(&world, ring[i].ends == 1);
        cr_assert_eq(ring[i].errs[0], JZX_OK);
    }
    cr_assert_eq(ring[length - 1].ends, 0);
    test_world_close(&world);
}

Test(wait, a_circle_of_one_loop_is_refused, .timeout = 60)
{
    for (uint32_t length = 2; length <= LONGEST; length++) { /* JZX_CYCLE_MAX is in the midst of them */
        refuse_a_circle(length);
    }
}

Test(wait, to_call_oneself_is_no_circle, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    player a = {.plans[1] = {WAIT, .tag = 2}};
    a.plans[1].to = &a;
    join(&world, 0, &a);
    kick(&world, &a, 1);
    test_until(&world, a.ends == 1);
    cr_assert_eq(a.errs[0], JZX_OK);
    test_world_close(&world);
}

/* The nested call of one that was asked: same chain, but the request is taken, so nobody goes on. */
Test(wait, a_circle_through_a_nested_call_is_refused, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    player a = {.plans[1] = {WAIT, .tag = 1}};
    player b = {.plans[1] = {WAIT, .tag = 2}};
    player c = {.plans[1] = {WAIT, .tag = 2}};
    a.plans[1].to = &b;
    b.plans[1].to = &c;
    c.plans[1].to = &a;
    join(&world, 0, &a);
    join(&world, 0, &b);
    join(&world, 0, &c);
    kick(&world, &a, 1);
    kick(&world, &b, 20);
    kick(&world, &c, 1); /* b's request comes behind it */
    test_until(&world, a.ends == 1);
    cr_assert_eq(c.refusal, JZX_ERR_DEADLOCK);
    player *members[] = {&c, &a, &b};
    assert_cycle(&c, 3, members);
    cr_assert_eq(a.errs[0], JZX_OK);
    test_world_close(&world);
}

static void circle_of_two(bool high)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    player a = {.plans[1] = {WAIT, .tag = 2, .high = high}, .plans[7] = {GATE}};
    player b = {.plans[1] = {WAIT, .tag = 2, .high = high}, .plans[7] = {GATE}};
    a.plans[1].to = &b;
    b.plans[1].to = &a;
    join(&world, 0, &a);
    join(&world, 1, &b);
    send_high(&world, &a, 7); /* or a high request would be answered before the other one waits */
    send_high(&world, &b, 7);
    kick(&world, &a, 1);
    kick(&world, &b, 1);
    turns(&world);
    a.open = b.open = true;
    test_until(&world, a.ends == 1 && b.ends == 1);
    cr_assert_eq(b.errs[0], JZX_ERR_DEADLOCK, "%s", jzx_strerror(b.errs[0]));
    player *members[] = {&b, &a};
    assert_cycle(&b, 2, members);
    cr_assert_eq(a.errs[0], JZX_OK);
    test_world_settle(&world);
    cr_assert_eq(a.ends + b.ends, 2);
    test_world_close(&world);
}

Test(wait, a_circle_across_loops_is_told_to_its_largest, .timeout = 60)
{
    circle_of_two(false);
    circle_of_two(true);
}

static void tell_a_circle(uint32_t length)
{
    test_world world;
    test_world_open(&world, 3, NULL);
    player ring[LONGEST] = {{.handled_count = 0}};
    player *members[LONGEST];
    for (uint32_t i = 0; i < length; i++) {
        ring[i].plans[1] = (plan){WAIT, .to = &ring[(i + 1) % length], .tag = 2};
        join(&world, i % 3, &ring[i]);
    }
    uint32_t largest = 0;
    for (uint32_t i = 0; i < length; i++) {
        largest = ring[i].actor.id > ring[largest].actor.id ? i : largest;
        kick(&world, &ring[i], 1);
    }
    for (uint32_t i = 0; i < length; i++) {
        members[i] = &ring[(largest + i) % length];
        test_until(&world, ring[i].ends == 1);
        cr_assert_eq(ring[i].errs[0], i == largest ? JZX_ERR_DEADLOCK : JZX_OK);
    }
    assert_cycle(&ring[largest], length, members);
    test_world_close(&world);
}

Test(wait, a_circle_across_loops_lists_as_many_as_fit, .timeout = 60)
{
    for (uint32_t length = 2; length <= LONGEST; length++) {
        tell_a_circle(length);
    }
}

/* b's request of the chain is taken by a, whose handler asks c without waiting: c's answer waits behind a's wait. */
static jzx_behavior_result fill_lane(jzx_context *context, test_actor *actor, void *argument)
{
    const player *to = argument;
    jzx_message message = jzx_message_empty(20);
    (void)actor;
    while (jzx_send(context, to->actor.id, &message) == JZX_OK) {
    }
    return JZX_BEHAVIOR_OK;
}

/* A call of a player that waits, who has no handler to do it in. */
static void give_up(test_world *world, const player *p, uint32_t number)
{
    jzx_context context;
    jzx__context_init(&context, world->loops[jzx_actor_loop(p->actor.id)], jzx__id_index(p->actor.id));
    cr_assert_eq(jzx_call_cancel(&context, p->calls[number]), JZX_OK);
}

/*
 * b waits for c, which waits for d, so a probe stands at c for the full lane to d. Then c waits for e instead, which waits for b:
 * its own probe finds its node away, and is made up for when that is back.
 */
Test(wait, W6_a_circle_is_found_by_who_was_busy_when_it_closed, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 3, NULL);
    test_actor filler = {0};
    player b = {.plans[1] = {WAIT, .tag = 2}, .plans[3] = {ANSWER}};
    player c = {.plans[1] = {WAIT, .tag = 1}, .plans[2] = {WAIT, .tag = 2}};
    player d = {.plans[1] = {KEEP}};
    player e = {.plans[1] = {WAIT, .tag = 3}, .plans[2] = {ANSWER}};
    b.plans[1].to = &c;
    c.plans[1].to = &d;
    c.plans[2].to = &e;
    e.plans[1].to = &b;
    test_spawn(&world, 0, &filler);
    join(&world, 0, &b);
    join(&world, 0, &c);
    join_with(&world, 1, &d, 1000, JZX_MAILBOX_REFUSE);
    join(&world, 2, &e);
    kick(&world, &c, 1);
    test_until(&world, d.kept_count == 1);
    test_world_settle(&world);
    world.closed[1] = true; /* it is not stepped from here on */
    test_do(&world, &filler, fill_lane, &d);
    kick(&world, &b, 1);
    test_until(&world, b.call_count == 1);
    kick(&world, &e, 1);
    test_until(&world, e.call_count == 1);
    test_world_settle(&world);
    give_up(&world, &c, 0);
    test_until(&world, c.call_count == 2);
    test_world_settle(&world);
    cr_expect_eq(b.ends + e.ends, 0, "nobody can know yet");
    world.closed[1] = false;
    test_until(&world, b.ends == 1 && c.ends == 2 && e.ends == 1);
    cr_expect_eq(c.errs[0], JZX_ERR_CANCELLED);
    int told = (b.errs[0] == JZX_ERR_DEADLOCK) + (c.errs[1] == JZX_ERR_DEADLOCK) + (e.errs[0] == JZX_ERR_DEADLOCK);
    cr_expect_eq(told, 1);
    test_do(&world, &d.actor, answer_kept, NULL);
    test_world_close(&world);
}

Test(wait, a_circle_closed_by_a_request_that_is_kept_is_told, .timeout = 60)
{
    EACH_PLACE(place)
    {
        test_world world;
        test_world_open(&world, 2, NULL);
        player a = {.plans[1] = {WAIT, .tag = 1}, .plans[2] = {CALL, .tag = 1}};
        player b = {.plans[1] = {WAIT, .tag = 2}};
        player c = {0};
        a.plans[1].to = &b;
        a.plans[2].to = &c;
        b.plans[1].to = &a;
        join(&world, 0, &a);
        join(&world, place, &b);
        join(&world, 0, &c);
        kick(&world, &a, 1);
        test_until(&world, a.ends == 2 && b.ends == 1);
        bool b_is_told = b.actor.id > a.actor.id;
        player *members[] = {b_is_told ? &b : &a, b_is_told ? &a : &b};
        assert_cycle(members[0], 2, members);
        cr_assert_eq(members[0]->errs[0], JZX_ERR_DEADLOCK);
        test_world_settle(&world);
        cr_assert_eq(a.ends + b.ends, 3);
        test_world_close(&world);
    }
}

/*
 * For r, a asks d, and waits for b, who comes to wait for a. What a is told then lies behind two requests of d, who is of its
 * chain: by the second a waits for c, who waits for it too. The end of that comes first, and each end shows its own circle.
 */
Test(wait, one_that_was_told_of_a_circle_and_waits_again_is_shown_each, .timeout = 60)
{
    EACH_PLACE(place)
    {
        test_world world;
        test_world_open(&world, 2, NULL);
        player a = {.plans[7] = {GATE}};
        player b = {.plans[1] = {WAIT, .to = &a, .tag = 4}, .plans[2] = {KEEP}};
        player c = {.plans[1] = {WAIT, .to = &a, .tag = 4}, .plans[2] = {KEEP}};
        player d = {.plans[1] = {FORK, .to = &a, .tag = 7, .then = &a, .then_tag = 3}};
        player r = {.plans[1] = {WAIT, .to = &a, .tag = 1}};
        a.plans[1] = (plan){FORK, .to = &d, .tag = 1, .then = &b, .then_tag = 2};
        a.plans[3] = (plan){WAIT, .to = &c, .tag = 2};
        join(&world, 0, &b);
        join(&world, 0, &c);
        join(&world, place, &d);
        join(&world, 0, &r);
        join(&world, 1, &a); /* the largest */
        kick(&world, &r, 1);
        test_until(&world, b.kept_count == 1 && d.waits == 1 && a.actor.yields > 0);
        kick(&world, &b, 1);
        kick(&world, &c, 1);
        turns(&world);
        cr_assert_eq(a.ends, 0);
        a.open = true;
        test_until(&world, a.ends == 3 && b.ends == 1 && c.ends == 1);
        const player *others[] = {&c, &b};
        for (uint32_t i = 0; i < 2; i++) {
            cr_assert_eq(a.errs[i], JZX_ERR_DEADLOCK);
            cr_assert_eq(a.cycles[i].length, 2);
            cr_assert_eq(a.cycles[i].ids[0], a.actor.id);
            cr_assert_eq(a.cycles[i].ids[1], others[i]->actor.id, "the %u. end names another circle", i);
        }
        test_world_close(&world);
    }
}

/* One more than a probe walks in one go. */
Test(wait, a_circle_of_one_loop_that_is_too_long_to_refuse_is_told, .timeout = 60)
{
    enum { MANY = 300 };
    static player ring[MANY];
    memset(ring, 0, sizeof ring);
    test_world world;
    test_world_open(&world, 1, NULL);
    uint32_t largest = 0;
    for (uint32_t i = 0; i < MANY; i++) {
        ring[i].plans[1] = (plan){WAIT, .to = &ring[(i + 1) % MANY], .tag = 2};
        join(&world, 0, &ring[i]);
        largest = ring[i].actor.id > ring[largest].actor.id ? i : largest;
    }
    for (uint32_t i = 0; i < MANY; i++) {
        kick(&world, &ring[i], 1);
    }
    for (uint32_t i = 0; i < MANY; i++) {
        test_until(&world, ring[i].ends == 1);
        cr_assert_eq(ring[i].errs[0], i == largest ? JZX_ERR_DEADLOCK : JZX_OK);
    }
    cr_assert_eq(ring[largest].cycle.length, MANY);
    cr_assert_eq(ring[largest].cycle.listed, JZX_CYCLE_MAX);
    test_world_close(&world);
}

/* ---- ends of those that wait ---- */

typedef enum ending { STOPS, KILLED, DRAINED, FAILS } ending;

static void end_it(test_world *world, const player *p, ending how)
{
    jzx_context *host = jzx_loop_context(world->loops[0]);
    switch (how) {
    case STOPS:
        cr_assert_eq(jzx_stop(host, p->actor.id), JZX_OK);
        break;
    case KILLED:
        cr_assert_eq(jzx_kill(host, p->actor.id), JZX_OK);
        break;
    case DRAINED:
        cr_assert_eq(jzx_drain(host, p->actor.id), JZX_OK);
        break;
    case FAILS:
        cr_assert_eq(jzx_fail(host, p->actor.id, 3, "fails"), JZX_OK);
        break;
    }
}

/* a waits for b, with mail and a request of c held back. */
static void ends_while_it_waits(uint32_t place, ending how)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    player a = {.plans[1] = {WAIT, .tag = 1}};
    player b = {.plans[1] = {KEEP}};
    player c = {.plans[1] = {CALL, .tag = 3}};
    a.plans[1].to = &b;
    c.plans[1].to = &a;
    join(&world, 0, &a);
    join(&world, place, &b);
    join(&world, place, &c);
    kick(&world, &a, 1);
    test_until(&world, b.kept_count == 1);
    kick(&world, &a, 20);
    kick(&world, &c, 1);
    test_until(&world, c.handled_count == 1);
    test_world_settle(&world);
    end_it(&world, &a, how);
    test_world_settle(&world);
    if (how == DRAINED) {
        cr_assert_eq(a.actor.finis, 0, "it waits, and drains then");
        test_do(&world, &b.actor, answer_kept, NULL);
        test_until(&world, a.actor.finis == 1);
        cr_assert_eq(a.ends, 1);
        cr_assert(has_handled(&a, 20) && has_handled(&a, 3));
        test_until(&world, c.ends == 1);
        cr_assert_eq(c.errs[0], JZX_OK);
    } else {
        cr_assert_eq(a.actor.finis, 1);
        cr_assert_eq(a.ends, 0);
        test_until(&world, c.ends == 1);
        cr_assert_eq(c.errs[0], JZX_ERR_ENDED);
        test_do(&world, &b.actor, answer_kept, NULL);
    }
    test_world_settle(&world);
    test_world_close(&world);
}

Test(wait, an_actor_that_waits_can_be_ended, .timeout = 60)
{
    EACH_PLACE(place)
    {
        ends_while_it_waits(place, STOPS);
        ends_while_it_waits(place, KILLED);
        ends_while_it_waits(place, DRAINED);
        ends_while_it_waits(place, FAILS);
    }
}

/* a waits for b, who asks it back; for that a waits for c, and b's wait is in a's hands. */
static void ends_while_it_waits_twice(uint32_t place, ending how)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    player a = {.plans[1] = {WAIT, .tag = 1}, .plans[2] = {WAIT, .tag = 1}};
    player b = {.plans[1] = {WAIT, .tag = 2}};
    player c = {.plans[1] = {KEEP}};
    a.plans[1].to = &b;
    a.plans[2].to = &c;
    b.plans[1].to = &a;
    join(&world, 0, &a);
    join(&world, place, &b);
    join(&world, 1, &c);
    kick(&world, &a, 1);
    test_until(&world, c.kept_count == 1);
    kick(&world, &a, 20);
    test_world_settle(&world);
    end_it(&world, &a, how);
    test_world_settle(&world);
    cr_assert_eq(a.actor.finis, how != DRAINED);
    test_do(&world, &c.actor, answer_kept, NULL);
    test_until(&world, a.actor.finis == 1 && b.ends == 1);
    cr_assert_eq(a.ends, how == DRAINED ? 2 : 0);
    cr_assert_eq(has_handled(&a, 20), how == DRAINED);
    /* The cancel of b's own request goes before the end of what it has asked, if b lives elsewhere. */
    cr_assert(how == DRAINED ? b.errs[0] == JZX_OK : b.errs[0] == JZX_ERR_ENDED || b.errs[0] == JZX_ERR_CANCELLED);
    test_world_settle(&world);
    test_world_close(&world);
}

Test(wait, an_actor_that_waits_twice_can_be_ended, .timeout = 60)
{
    EACH_PLACE(place)
    {
        ends_while_it_waits_twice(place, STOPS);
        ends_while_it_waits_twice(place, KILLED);
        ends_while_it_waits_twice(place, DRAINED);
        ends_while_it_waits_twice(place, FAILS);
    }
}

Test(wait, the_runtime_stops_with_actors_that_wait, .timeout = 60)
{
    EACH_PLACE(place)
    {
        test_world world;
        test_world_open(&world, 2, NULL);
        player a = {.plans[1] = {WAIT, .tag = 1}};
        player b = {.plans[1] = {KEEP}};
        a.plans[1].to = &b;
        join(&world, 0, &a);
        join(&world, place, &b);
        kick(&world, &a, 1);
        test_until(&world, b.kept_count == 1);
        kick(&world, &a, 20);
        test_world_close(&world);
        cr_assert_eq(a.actor.finis, 1);
    }
}

static void target_ends(uint32_t place, ending how)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    player a = {.plans[1] = {WAIT, .tag = 1}};
    player b = {.plans[1] = {KEEP}};
    a.plans[1].to = &b;
    join(&world, 0, &a);
    join(&world, place, &b);
    kick(&world, &a, 1);
    test_until(&world, b.kept_count == 1);
    kick(&world, &a, 20);
    end_it(&world, &b, how);
    test_until(&world, has_handled(&a, 20));
    cr_assert_eq(a.ends, 1);
    cr_assert_eq(a.errs[0], JZX_ERR_ENDED);
    test_world_close(&world);
}

Test(wait, the_end_of_who_is_waited_for_ends_the_wait, .timeout = 60)
{
    EACH_PLACE(place)
    {
        target_ends(place, STOPS);
        target_ends(place, KILLED);
        target_ends(place, DRAINED);
        target_ends(place, FAILS);
    }
}

/* On the caller's loop it is refused, and nobody waits; elsewhere it is found where the target was. */
Test(wait, one_that_has_ended_is_not_waited_for, .timeout = 60)
{
    EACH_PLACE(place)
    {
        test_world world;
        test_world_open(&world, 2, NULL);
        player a = {.plans[1] = {WAIT, .tag = 1}};
        player b = {0};
        a.plans[1].to = &b;
        join(&world, 0, &a);
        join(&world, place, &b);
        end_it(&world, &b, KILLED);
        test_until(&world, b.actor.finis == 1);
        kick(&world, &a, 1);
        kick(&world, &a, 20);
        test_until(&world, has_handled(&a, 20));
        cr_assert_eq(a.refusal, place == 0 ? JZX_ERR_NO_SUCH_ACTOR : JZX_OK);
        cr_assert_eq(a.ends, place);
        cr_assert_eq(a.errs[0], place == 0 ? JZX_OK : JZX_ERR_NO_SUCH_ACTOR);
        test_world_close(&world);
    }
}

/* The mailbox of b is full, and drops: the call is accepted, and on the same loop its end comes before it has returned. */
static void drops_what_is_waited_for(uint32_t place, jzx_mailbox_policy policy)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    player a = {.plans[1] = {WAIT, .tag = 1, .fills = true}};
    player b = {0};
    a.plans[1].to = &b;
    join(&world, 0, &a);
    join_with(&world, place, &b, 1, policy);
    kick(&world, &a, 1);
    kick(&world, &a, 20);
    test_until(&world, has_handled(&a, 20));
    cr_assert_eq(a.ends, 1, "before all else");
    test_world_settle(&world);
    bool dropped = place == 0 && policy == JZX_MAILBOX_DROP_NEWEST;
    if (dropped) {
        cr_assert_eq(a.errs[0], JZX_ERR_MAILBOX_FULL);
    }
    cr_assert_eq(has_handled(&b, 1), a.errs[0] == JZX_OK);
    test_world_close(&world);
}

Test(wait, a_request_that_is_dropped_at_once_ends_the_wait, .timeout = 60)
{
    EACH_PLACE(place)
    {
        drops_what_is_waited_for(place, JZX_MAILBOX_DROP_NEWEST);
        drops_what_is_waited_for(place, JZX_MAILBOX_DROP_OLDEST);
    }
}

/* As before, of the inner one of two waits. */
Test(wait, a_request_that_is_dropped_at_once_ends_the_inner_wait, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    player a = {.plans[1] = {WAIT, .tag = 1}, .plans[2] = {WAIT, .tag = 1, .fills = true}};
    player b = {.plans[1] = {WAIT, .tag = 2}};
    player full = {.plans[1] = {KEEP}};
    a.plans[1].to = &b;
    b.plans[1].to = &a;
    a.plans[2].to = &full;
    join(&world, 0, &a);
    join(&world, 1, &b);
    join_with(&world, 0, &full, 1, JZX_MAILBOX_DROP_NEWEST);
    kick(&world, &a, 1);
    test_until(&world, a.ends == 2);
    cr_assert_eq(a.errs[0], JZX_ERR_MAILBOX_FULL);
    cr_assert_eq(a.errs[1], JZX_OK);
    cr_assert_eq(b.errs[0], JZX_OK);
    test_world_close(&world);
}

/* ---- cancels ---- */

/* Only a handler of the chain can give up what its actor waits for. */
Test(wait, who_is_asked_back_may_give_up_the_wait, .timeout = 60)
{
    EACH_PLACE(place)
    {
        test_world world;
        test_world_open(&world, 2, NULL);
        player a = {.plans[1] = {WAIT, .tag = 1}, .plans[2] = {CANCEL, .tag = 0}};
        player b = {.plans[1] = {WAIT, .tag = 2}};
        a.plans[1].to = &b;
        b.plans[1].to = &a;
        join(&world, 0, &a);
        join(&world, place, &b);
        kick(&world, &a, 1);
        kick(&world, &a, 20);
        test_until(&world, has_handled(&a, 20));
        cr_assert_eq(a.cancelled, JZX_OK);
        cr_assert_eq(a.ends, 1);
        cr_assert_eq(a.errs[0], JZX_ERR_CANCELLED);
        test_until(&world, b.ends == 1);
        cr_assert(b.errs[0] == JZX_OK || b.errs[0] == JZX_ERR_CANCELLED); /* the answer, or the cancel, was first */
        test_world_settle(&world);
        cr_assert_eq(a.ends, 1);
        test_world_close(&world);
    }
}

Test(wait, a_call_that_is_given_up_at_once_is_waited_for_until_its_end_is_handled, .timeout = 60)
{
    EACH_PLACE(place)
    {
        test_world world;
        test_world_open(&world, 2, NULL);
        player a = {.plans[1] = {GIVE_UP, .tag = 1}};
        player b = {0};
        a.plans[1].to = &b;
        join(&world, 0, &a);
        join(&world, place, &b);
        kick(&world, &a, 1);
        kick(&world, &a, 20);
        test_until(&world, has_handled(&a, 20));
        cr_assert_eq(a.cancelled, JZX_OK);
        cr_assert_eq(a.ends, 1, "before all else");
        cr_assert_eq(a.errs[0], JZX_ERR_CANCELLED);
        test_world_settle(&world);
        cr_assert_eq(b.handled_count, 0, "not handled, but answered");
        test_world_close(&world);
    }
}

/* a waits for b, who asks it back; for that a waits for c, who asks it back: that gives up the first wait. */
Test(wait, the_end_of_an_outer_wait_is_put_aside, .timeout = 60)
{
    EACH_PLACE(place)
    {
        test_world world;
        test_world_open(&world, 2, NULL);
        player a = {.plans[1] = {WAIT, .tag = 1}, .plans[2] = {WAIT, .tag = 1}, .plans[3] = {CANCEL, .tag = 0}};
        player b = {.plans[1] = {WAIT, .tag = 2}};
        player c = {.plans[1] = {FORK, .tag = 3, .then_tag = 1}};
        player d = {.plans[1] = {KEEP}};
        a.plans[1].to = &b;
        a.plans[2].to = &c;
        b.plans[1].to = &a;
        c.plans[1].to = &a;
        c.plans[1].then = &d;
        join(&world, 0, &a);
        join(&world, place, &b);
        join(&world, place, &c);
        join(&world, place, &d);
        kick(&world, &a, 1);
        kick(&world, &a, 20);
        test_until(&world, has_handled(&a, 3) && d.kept_count == 1);
        test_world_settle(&world);
        cr_assert_eq(a.cancelled, JZX_OK);
        if (a.ends == 0) { /* the cancel came to the inner calls after they were made */
            test_do(&world, &d.actor, answer_kept, NULL);
        }
        test_until(&world, has_handled(&a, 20));
        cr_assert_eq(a.ends, 2);
        cr_assert_eq(a.errs[1], JZX_ERR_CANCELLED, "the outer one is last");
        test_world_settle(&world);
        test_world_close(&world);
    }
}

typedef struct scoped {
    player *target;
    uint64_t scope;
    jzx_err cancelled;
} scoped;

/* Waits in a scope of its own, which a handler of the chain cancels. */
static jzx_behavior_result waits_in_a_scope(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    player *p = actor->data;
    scoped *s = p->plans[1].to->actor.data;
    if (message->tag == 1) {
        cr_assert_eq(jzx_scope_open(context, JZX_FOREVER, &s->scope), JZX_OK);
        frame *f = &p->frames[p->frame_count++];
        *f = (frame){.player = p, .tag = 1};
        cr_assert_eq(call(context, p, true, s->target, 1, f), JZX_OK);
    } else if (message->tag == 2) {
        s->cancelled = jzx_cancel(context, s->scope);
    }
    p->handled[p->handled_count++ % STEPS] = message->tag;
    return JZX_BEHAVIOR_OK;
}

Test(wait, a_scope_that_is_cancelled_ends_the_wait_in_it, .timeout = 60)
{
    EACH_PLACE(place)
    {
        test_world world;
        test_world_open(&world, 2, NULL);
        player a = {.plans[1] = {WAIT}};
        player b = {.plans[1] = {WAIT, .tag = 2}};
        scoped s = {.target = &b, .cancelled = JZX_ERR_UNKNOWN};
        player holder = {.actor.data = &s};
        a.plans[1].to = &holder;
        b.plans[1].to = &a;
        join(&world, 0, &a);
        a.actor.on = waits_in_a_scope;
        join(&world, place, &b);
        kick(&world, &a, 1);
        kick(&world, &a, 20);
        test_until(&world, has_handled(&a, 20));
        cr_assert_eq(s.cancelled, JZX_OK);
        cr_assert_eq(a.ends, 1);
        cr_assert_eq(a.errs[0], JZX_ERR_CANCELLED);
        test_world_settle(&world);
        test_world_close(&world);
    }
}

/* ---- requests that are handed on ---- */

Test(wait, a_request_that_is_handed_on_is_waited_for, .timeout = 60)
{
    EACH_PLACE(place)
    {
        test_world world;
        test_world_open(&world, 2, NULL);
        player a = {.plans[1] = {WAIT, .tag = 1}};
        player b = {.plans[1] = {HAND_ON, .tag = 1}};
        player c = {.plans[1] = {KEEP}};
        a.plans[1].to = &b;
        b.plans[1].to = &c;
        join(&world, 0, &a);
        join(&world, place, &b);
        join(&world, 1, &c);
        kick(&world, &a, 1);
        kick(&world, &a, 20);
        test_until(&world, c.kept_count == 1);
        end_it(&world, &b, KILLED); /* it has nothing to do with it any more */
        test_world_settle(&world);
        cr_assert_not(has_handled(&a, 20));
        test_do(&world, &c.actor, answer_kept, NULL);
        test_until(&world, has_handled(&a, 20));
        cr_assert_eq(a.errs[0], JZX_OK);
        test_world_close(&world);
    }
}

Test(wait, who_is_handed_a_request_may_ask_back, .timeout = 60)
{
    EACH_PLACE(place)
    {
        test_world world;
        test_world_open(&world, 2, NULL);
        player a = {.plans[1] = {WAIT, .tag = 1}};
        player b = {.plans[1] = {HAND_ON, .tag = 1}};
        player c = {.plans[1] = {WAIT, .tag = 2}};
        a.plans[1].to = &b;
        b.plans[1].to = &c;
        c.plans[1].to = &a;
        join(&world, 0, &a);
        join(&world, 1, &b);
        join(&world, place, &c);
        kick(&world, &a, 1);
        kick(&world, &a, 20);
        test_until(&world, has_handled(&a, 20));
        cr_assert_eq(a.handled[1], 2, "past what came before");
        cr_assert_eq(a.errs[0], JZX_OK);
        cr_assert_eq(c.errs[0], JZX_OK);
        test_world_close(&world);
    }
}

/* a waits for b, who hands that on to c, and c waits for a. In all places on three loops. */
typedef struct handed {
    test_world world;
    player a;
    player b;
    player c;
} handed;

static void open_handed(handed *h, uint32_t place, move last)
{
    *h = (handed){.a.plans[1] = {WAIT, .to = &h->b, .tag = 1}};
    h->b.plans[1] = (plan){HAND_ON, .to = &h->c, .tag = 1};
    h->b.plans[7] = (plan){.move = GATE};
    h->c.plans[1] = (plan){.move = last};
    h->c.plans[3] = (plan){WAIT, .to = &h->a, .tag = 2};
    test_world_open(&h->world, 3, NULL);
    join(&h->world, 0, &h->a);
    join(&h->world, place % 3, &h->b);
    join(&h->world, place / 3, &h->c);
}

static void assert_told(const handed *h)
{
    bool c_is_told = h->c.actor.id > h->a.actor.id;
    const player *told = c_is_told ? &h->c : &h->a;
    const player *other = c_is_told ? &h->a : &h->c;
    cr_assert_eq(told->errs[0], JZX_ERR_DEADLOCK, "%s", jzx_strerror(told->errs[0]));
    cr_assert_eq(told->cycle.length, 2);
    cr_assert_eq(told->cycle.ids[0], told->actor.id);
    cr_assert_eq(told->cycle.ids[1], other->actor.id);
}

Test(wait, a_circle_through_a_request_that_was_handed_on_is_told, .timeout = 60)
{
    static handed h;
    for (uint32_t place = 0; place < 9; place++) {
        open_handed(&h, place, KEEP);
        kick(&h.world, &h.a, 1);
        test_until(&h.world, h.c.kept_count == 1);
        kick(&h.world, &h.c, 3);
        if (place == 0) { /* all of it is here */
            test_until(&h.world, h.c.refusal == JZX_ERR_DEADLOCK);
            cr_assert_eq(h.c.cycle.length, 2);
            cr_assert_eq(h.c.cycle.ids[0], h.c.actor.id);
            cr_assert_eq(h.c.cycle.ids[1], h.a.actor.id);
        } else {
            test_until(&h.world, h.a.ends + h.c.ends > 0);
            assert_told(&h);
        }
        test_do(&h.world, &h.c.actor, answer_kept, NULL);
        test_until(&h.world, h.a.ends == 1 && h.c.ends == (place != 0));
        test_world_settle(&h.world);
        test_world_close(&h.world);
    }
}

static uint64_t cells_used(const test_world *world)
{
    uint64_t all = (uint64_t)world->config.cells * world->loop_count;
    return all - test_count(world, offsetof(jzx_counters, cells_free));
}

/* Two of the asker, two where the request is, and on the loop between them three: where it went, and room for a probe. */
Test(wait, an_exclusive_call_that_was_handed_on_keeps_three_cells, .timeout = 60)
{
    static handed h;
    open_handed(&h, 1 + 2 * 3, KEEP);
    kick(&h.world, &h.a, 1);
    test_until(&h.world, h.c.kept_count == 1);
    test_world_settle(&h.world);
    cr_assert_eq(cells_used(&h.world), 2 + 3 + 2);
    test_do(&h.world, &h.c.actor, answer_kept, NULL);
    test_until(&h.world, h.a.ends == 1);
    test_world_settle(&h.world);
    cr_assert_eq(cells_used(&h.world), 0);
    test_world_close(&h.world);
}

Test(wait, a_circle_closed_by_handing_on_is_told, .timeout = 60)
{
    static handed h;
    for (uint32_t place = 0; place < 9; place++) {
        open_handed(&h, place, ANSWER);
        kick(&h.world, &h.b, 7);
        test_until(&h.world, h.b.actor.yields > 0);
        kick(&h.world, &h.a, 1);
        test_until(&h.world, h.a.waits == 1);
        kick(&h.world, &h.c, 3);
        test_until(&h.world, h.c.waits == 1);
        turns(&h.world);
        cr_assert_eq(h.a.ends + h.c.ends, 0);
        h.b.open = true;
        test_until(&h.world, h.a.ends == 1 && h.c.ends == 1);
        assert_told(&h);
        test_world_settle(&h.world);
        cr_assert_eq(h.a.errs[0] == JZX_OK, h.c.errs[0] == JZX_ERR_DEADLOCK);
        test_world_close(&h.world);
    }
}

static jzx_behavior_result cancel_it(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    *(jzx_err *)argument = jzx_call_cancel(context, ((player *)actor->data)->calls[0]);
    return JZX_BEHAVIOR_OK;
}

Test(wait, a_deadline_ends_the_wait, .timeout = 60)
{
    EACH_PLACE(place)
    {
        test_world world;
        test_world_open(&world, 2, NULL);
        test_clock_steps(10000);
        player a = {.plans[1] = {WAIT, .tag = 1}};
        player b = {.plans[1] = {KEEP}};
        a.plans[1].to = &b;
        a.plans[1].patience_ns = 5000000;
        join(&world, 0, &a);
        join(&world, place, &b);
        kick(&world, &a, 1);
        kick(&world, &a, 20);
        test_until(&world, has_handled(&a, 20));
        cr_assert_eq(a.ends, 1);
        cr_assert_eq(a.errs[0], JZX_ERR_TIMEOUT);
        jzx_err err = JZX_OK;
        test_do(&world, &a.actor, cancel_it, &err);
        cr_assert_eq(err, JZX_ERR_NO_SUCH_REQUEST);
        test_world_close(&world);
    }
}

/* ---- its supervisor, its shield, its heir ---- */

static jzx_behavior_result traps(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    if (message->tag == JZX_TAG_SYS_EXIT) {
        player *p = actor->data;
        frame *f = &p->frames[p->frame_count++ % STEPS];
        *f = (frame){.player = p, .tag = 7};
        cr_assert_eq(call(context, p, true, p->plans[7].to, 1, f), JZX_ERR_LIMIT, "this is not of its chain");
        p->handled[p->handled_count++ % STEPS] = message->tag;
        return JZX_BEHAVIOR_STOP;
    }
    return play(context, actor, message);
}

static jzx_err is_child(jzx_context *context, void *argument, void **state)
{
    player *p = *(player *const *)argument;
    *state = &p->actor;
    p->actor.id = jzx_self(context);
    p->actor.inits++;
    return JZX_OK;
}

static jzx_behavior_result child_behaves(jzx_context *context, void *state, const jzx_message *message)
{
    return traps(context, state, message);
}

static jzx_behavior_result plays_on(jzx_context *context, void *state, const jzx_message *message)
{
    return play(context, state, message);
}

static void child_ends(jzx_context *context, void *state, const jzx_exit_info *info)
{
    test_actor *actor = state;
    (void)context;
    actor->exit = *info;
    actor->finis++;
}

Test(wait, its_supervisor_s_word_to_stop_comes_through, .timeout = 60)
{
    EACH_PLACE(place)
    {
        test_world world;
        test_world_open(&world, 2, NULL);
        player a = {.plans[1] = {WAIT, .tag = 1}};
        player b = {.plans[1] = {KEEP}};
        player *argument = &a;
        a.plans[1].to = &b;
        a.plans[7].to = &b;
        a.actor.data = &a;
        join(&world, place, &b);
        jzx_child_spec child;
        jzx_child_spec_init(&child);
        child.init = is_child;
        child.behavior = child_behaves;
        child.fini = child_ends;
        child.argument = &argument;
        child.argument_size = sizeof argument;
        child.trap_exit = true;
        child.shutdown_ns = JZX_FOREVER;
        jzx_supervisor_spec spec;
        jzx_supervisor_spec_init(&spec);
        spec.children = &child;
        spec.child_count = 1;
        jzx_actor_id supervisor;
        jzx_context *host = jzx_loop_context(world.loops[0]);
        cr_assert_eq(jzx_supervisor_start(host, &spec, &supervisor, NULL), JZX_OK);
        test_until(&world, a.actor.inits == 1);
        jzx_message message = jzx_message_empty(1);
        cr_assert_eq(jzx_send(host, a.actor.id, &message), JZX_OK);
        test_until(&world, b.kept_count == 1);
        cr_assert_eq(jzx_stop(host, supervisor), JZX_OK);
        test_until(&world, a.actor.finis == 1);
        cr_assert(has_handled(&a, JZX_TAG_SYS_EXIT));
        test_world_close(&world);
    }
}

/* a waits for b, with mail and a request of c held back, and fails: the next one has both, or nobody has. */
static void restarted(uint32_t place, bool keep_mail)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    player a = {.plans[1] = {WAIT, .tag = 1}};
    player b = {.plans[1] = {KEEP}};
    player c = {.plans[1] = {CALL, .tag = 3}};
    player *argument = &a;
    a.plans[1].to = &b;
    a.actor.data = &a;
    a.actor.on = play;
    c.plans[1].to = &a;
    join(&world, 0, &b);
    join(&world, 1, &c);
    jzx_child_spec child;
    jzx_child_spec_init(&child);
    child.init = is_child;
    child.behavior = plays_on;
    child.fini = child_ends;
    child.argument = &argument;
    child.argument_size = sizeof argument;
    child.keep_mail = keep_mail;
    child.placement = JZX_PLACE_LOOP;
    child.place_loop = place;
    jzx_supervisor_spec spec;
    jzx_supervisor_spec_init(&spec);
    spec.children = &child;
    spec.child_count = 1;
    jzx_context *host = jzx_loop_context(world.loops[0]);
    cr_assert_eq(jzx_supervisor_start(host, &spec, NULL, NULL), JZX_OK);
    test_until(&world, a.actor.inits == 1);
    jzx_context *near = jzx_loop_context(world.loops[place]);
    jzx_message message = jzx_message_empty(1);
    cr_assert_eq(jzx_send(near, a.actor.id, &message), JZX_OK);
    test_until(&world, b.kept_count == 1);
    kick(&world, &c, 1);
    for (message.tag = 20; message.tag < 23; message.tag++) {
        cr_assert_eq(jzx_send(near, a.actor.id, &message), JZX_OK);
    }
    test_world_settle(&world);
    cr_assert_eq(a.handled_count, 1);
    cr_assert_eq(jzx_fail(near, a.actor.id, 1, ""), JZX_OK);
    test_until(&world, a.actor.inits == 2 && c.ends == 1);
    cr_assert_eq(c.errs[0], keep_mail ? JZX_OK : JZX_ERR_ENDED);
    test_do(&world, &b.actor, answer_kept, NULL); /* too late: the next one waits for nobody */
    test_world_settle(&world);
    cr_assert_eq(a.ends, 0);
    cr_assert_eq(a.handled_count, keep_mail ? 5 : 1);
    for (uint32_t tag = 20; keep_mail && tag < 23; tag++) {
        cr_assert(has_handled(&a, tag));
    }
    message.tag = 1;
    cr_assert_eq(jzx_send(near, a.actor.id, &message), JZX_OK);
    test_until(&world, b.kept_count == 1);
    test_do(&world, &b.actor, answer_kept, NULL);
    test_until(&world, a.ends == 1);
    cr_assert_eq(a.errs[0], JZX_OK);
    test_world_close(&world);
}

Test(wait, what_was_held_back_is_the_next_incarnation_s, .timeout = 60)
{
    EACH_PLACE(place)
    {
        restarted(place, true);
        restarted(place, false);
    }
}

/* c waits for a, whose next incarnation has that request, and waits for c. */
static void circle_through_a_restart(uint32_t place)
{
    static player a, c;
    test_world world;
    test_world_open(&world, 2, NULL);
    a = (player){.plans[1] = {WAIT, .to = &c, .tag = 2}, .plans[7] = {GATE}};
    c = (player){.plans[1] = {WAIT, .to = &a, .tag = 3}};
    player *argument = &a;
    a.actor.data = &a;
    a.actor.on = play;
    join(&world, 1, &c);
    jzx_child_spec child;
    jzx_child_spec_init(&child);
    child.init = is_child;
    child.behavior = plays_on;
    child.fini = child_ends;
    child.argument = &argument;
    child.argument_size = sizeof argument;
    child.keep_mail = true;
    child.placement = JZX_PLACE_LOOP;
    child.place_loop = place;
    jzx_supervisor_spec spec;
    jzx_supervisor_spec_init(&spec);
    spec.children = &child;
    spec.child_count = 1;
    jzx_context *near = jzx_loop_context(world.loops[place]);
    cr_assert_eq(jzx_supervisor_start(jzx_loop_context(world.loops[0]), &spec, NULL, NULL), JZX_OK);
    test_until(&world, a.actor.inits == 1);
    for (uint32_t i = 0; i < 2; i++) {
        jzx_message message = jzx_message_empty(i == 0 ? 7 : 1); /* what it is to do stands behind the gate */
        cr_assert_eq(jzx_send(near, a.actor.id, &message), JZX_OK);
    }
    kick(&world, &c, 1);
    test_until(&world, c.waits == 1);
    turns(&world);
    cr_assert_eq(jzx_fail(near, a.actor.id, 1, ""), JZX_OK);
    a.open = true;
    test_until(&world, a.actor.inits == 2 && a.waits == 1 && (a.refusal == JZX_ERR_DEADLOCK || a.ends + c.ends > 0));
    bool refused = place == 1; /* beside c */
    const player *told = refused || a.actor.id > c.actor.id ? &a : &c;
    cr_assert_eq(refused ? a.refusal : told->errs[0], JZX_ERR_DEADLOCK);
    cr_assert_eq(told->cycle.length, 2);
    cr_assert_eq(told->cycle.ids[0], told->actor.id);
    test_until(&world, c.ends == 1);
    test_world_settle(&world);
    test_world_close(&world);
}

Test(wait, a_circle_through_the_next_incarnation_is_told, .timeout = 60)
{
    EACH_PLACE(place)
    {
        circle_through_a_restart(place);
    }
}

static jzx_behavior_result shields(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    if (message->tag == 1) {
        cr_assert_eq(jzx_shield_enter(context), JZX_OK);
    } else if (message->tag == 20) {
        cr_assert_eq(jzx_shield_leave(context), JZX_OK);
    }
    return play(context, actor, message);
}

Test(wait, a_shield_keeps_one_that_waits, .timeout = 60)
{
    EACH_PLACE(place)
    {
        test_world world;
        test_world_open(&world, 2, NULL);
        player a = {.plans[1] = {WAIT, .tag = 1}};
        player b = {.plans[1] = {KEEP}};
        a.plans[1].to = &b;
        join(&world, 0, &a);
        a.actor.on = shields;
        join(&world, place, &b);
        kick(&world, &a, 1);
        test_until(&world, b.kept_count == 1);
        kick(&world, &a, 20);
        end_it(&world, &a, STOPS);
        test_world_settle(&world);
        cr_assert_eq(a.actor.finis, 0);
        test_do(&world, &b.actor, answer_kept, NULL);
        test_until(&world, a.actor.finis == 1);
        cr_assert_eq(a.errs[0], JZX_OK);
        cr_assert(has_handled(&a, 20));
        test_world_close(&world);
    }
}

/* ---- limits ---- */

Test(wait, annexes_are_limited, .timeout = 60)
{
    test_world world;
    jzx_config config;
    test_config(&config);
    config.annexes_max = 1;
    test_world_open(&world, 1, &config);
    player a = {.plans[1] = {WAIT, .tag = 1}};
    player b = {.plans[1] = {KEEP}};
    player c = {.plans[1] = {WAIT, .tag = 1}};
    a.plans[1].to = &b;
    c.plans[1].to = &b;
    join(&world, 0, &a);
    join(&world, 0, &b);
    join(&world, 0, &c);
    kick(&world, &a, 1);
    test_until(&world, b.kept_count == 1);
    kick(&world, &c, 1);
    test_until(&world, c.handled_count == 1);
    cr_assert_eq(c.refusal, JZX_ERR_LIMIT);
    kick(&world, &c, 20);
    test_until(&world, has_handled(&c, 20));
    test_world_close(&world);
}

/* The annex of an actor and what it waits with are made at its first exclusive call. */
Test(wait, without_memory_nobody_waits, .timeout = 60)
{
    uint32_t refused = 0;
    for (uint64_t more = 1; more <= 3; more++) {
        test_world world;
        test_world_open(&world, 1, NULL);
        player a = {.plans[1] = {WAIT, .tag = 1}};
        player b = {0};
        a.plans[1].to = &b;
        join(&world, 0, &a);
        join(&world, 0, &b);
        test_world_step(&world);
        for (uint32_t kind = 0; kind < JZX_MEMORY_KINDS; kind++) {
            world.memory[kind].fail_at = world.memory[kind].calls + more;
        }
        kick(&world, &a, 1);
        kick(&world, &a, 20);
        test_until(&world, has_handled(&a, 20));
        cr_assert(a.refusal == JZX_OK || a.refusal == JZX_ERR_NO_MEMORY);
        cr_assert_eq(a.ends, a.refusal == JZX_OK);
        refused += a.refusal == JZX_ERR_NO_MEMORY;
        kick(&world, &a, 1);
        test_until(&world, a.ends > 0);
        cr_assert_eq(a.errs[0], JZX_OK);
        test_world_close(&world);
    }
    cr_assert_eq(refused, 2);
}

/* ---- threads ---- */

enum { SEATS = 6, ROUNDS = 200 };

typedef struct seat {
    test_actor actor;
    const struct seat *next;
    _Atomic(uint32_t) *ends;
    _Atomic(uint32_t) *circles;
} seat;

static jzx_behavior_result round_is_over(jzx_context *context, void *state, void *argument, const jzx_result *result)
{
    seat *s = argument;
    (void)context;
    (void)state;
    if (result->err == JZX_ERR_DEADLOCK) {
        atomic_fetch_add(s->circles, 1);
    }
    atomic_fetch_add(s->ends, 1);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result wait_for_the_next(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    seat *s = actor->data;
    jzx_message empty = jzx_message_empty(2);
    if ((message->flags & JZX_MESSAGE_REQUEST) != 0) {
        (void)jzx_answer(context, message->ref, &empty);
        return JZX_BEHAVIOR_OK;
    }
    jzx_call_options options;
    jzx_call_options_init(&options);
    options.on_answer = round_is_over;
    options.argument = s;
    options.exclusive = true;
    if (jzx_call_with(context, s->next->actor.id, &empty, &options, NULL) != JZX_OK) {
        atomic_fetch_add(s->circles, 1); /* it was refused: the circle was closed on one loop */
        atomic_fetch_add(s->ends, 1);
    }
    return JZX_BEHAVIOR_OK;
}

/* Rings that close again and again, on threads: of each at most one is told, and all ends come. */
Test(wait, loops_on_threads_find_each_circle, .timeout = 120)
{
    for (uint32_t loops = 1; loops <= 3; loops++) {
        test_world world;
        test_world_open(&world, loops, NULL);
        _Atomic(uint32_t) ends = 0;
        _Atomic(uint32_t) circles = 0;
        seat seats[SEATS] = {{.ends = NULL}};
        for (uint32_t i = 0; i < SEATS; i++) {
            seats[i] = (seat){.next = &seats[(i + 1) % SEATS], .ends = &ends, .circles = &circles};
            seats[i].actor.on = wait_for_the_next;
            seats[i].actor.data = &seats[i];
            test_spawn(&world, i % loops, &seats[i].actor);
        }
        test_world_start(&world);
        for (uint32_t i = 0; i < SEATS; i++) {
            test_until(&world, seats[i].actor.inits == 1);
        }
        for (uint32_t round = 1; round <= ROUNDS; round++) {
            for (uint32_t i = 0; i < SEATS; i++) {
                test_send(&world, &seats[i].actor, 1);
            }
            test_until(&world, ends == round * SEATS);
            cr_assert_leq(circles, round);
        }
        test_world_close(&world);
    }
}
