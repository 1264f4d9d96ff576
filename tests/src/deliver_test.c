/*
 * deliver_test: deliveries end once and as their header says, and an intake hands each out once; on one loop and on two.
 */
#include "src/internal.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>

enum { MS = 1000000, SOON = 200000, KEPT = 64, CAPACITY = 4 };
enum { TAG_ORDER = 7, TAG_OTHER = 8 };

/* ---- who sends ---- */

typedef struct source {
    test_actor actor;
    jzx_deliverer *deliverer;
    uint32_t capacity;
    bool keeps; /* ends without destroying it: its fini does not */
    _Atomic(uint32_t) ended;
    jzx_delivered ends[KEPT];
    bool again;    /* on_done makes another one */
    bool nameless; /* without asking for its number */
    jzx_addressee to;
    jzx_deliver_options options;
    jzx_message message;
    uint64_t scope_ns; /* of a scope around it; 0: none */
    uint64_t scope;
    jzx_err err; /* of the last jzx_deliver() */
    uint64_t delivery;
} source;

static void deliver(jzx_context *context, source *s)
{
    s->err = jzx_deliver(context, s->deliverer, &s->to, &s->message, &s->options, s->nameless ? NULL : &s->delivery);
}

static jzx_behavior_result done(jzx_context *context, void *state, void *argument, const jzx_delivered *delivered)
{
    source *s = argument;
    cr_assert_eq(state, &s->actor);
    cr_assert_lt(s->ended, KEPT);
    s->ends[s->ended] = *delivered;
    s->ended++;
    if (s->again) {
        s->again = false;
        deliver(context, s);
    }
    return JZX_BEHAVIOR_UNHANDLED; /* means OK */
}

static jzx_err make_deliverer(jzx_context *context, test_actor *actor)
{
    source *s = actor->data;
    return jzx_deliverer_create(context, s->capacity, &s->deliverer);
}

static void end_deliverer(jzx_context *context, test_actor *actor, const jzx_exit_info *info)
{
    source *s = actor->data;
    (void)info;
    cr_assert_eq(jzx_deliverer_create(context, 1, &s->deliverer), JZX_ERR_STOPPING);
    cr_assert_eq(jzx_deliver(context, s->deliverer, &s->to, &s->message, &s->options, NULL), JZX_ERR_STOPPING);
    cr_assert_eq(jzx_deliverer_destroy(context, s->deliverer), JZX_OK);
}

static void open_source(test_world *world, uint32_t loop, source *s)
{
    memset(s, 0, sizeof *s);
    s->capacity = CAPACITY;
    s->actor.data = s;
    s->actor.on_init = make_deliverer;
    s->actor.on_fini = end_deliverer;
    s->to = jzx_addressee_name("sink");
    s->message = jzx_message_value(TAG_ORDER, &(uint64_t){77}, 8);
    jzx_deliver_options_init(&s->options);
    s->options.retry_ns = SOON;
    s->options.retries_max = 1000000;
    s->options.on_done = done;
    s->options.argument = s;
    test_spawn(world, loop, &s->actor);
}

static jzx_behavior_result do_deliver(jzx_context *context, test_actor *actor, void *argument)
{
    source *s = actor->data;
    (void)argument;
    if (s->scope_ns != 0) {
        cr_assert_eq(jzx_scope_open(context, s->scope_ns, &s->scope), JZX_OK);
    }
    deliver(context, s);
    return JZX_BEHAVIOR_OK;
}

static void send_one(test_world *world, source *s)
{
    test_do(world, &s->actor, do_deliver, NULL);
}

static void expect_end(const source *s, uint32_t nth, jzx_err err, int32_t code)
{
    cr_assert_lt(nth, s->ended);
    cr_expect_eq(s->ends[nth].err, err, "%s", jzx_strerror(s->ends[nth].err));
    cr_expect_eq(s->ends[nth].code, code);
}

/* One delivery, and how it ended. */
static void deliver_one(test_world *world, source *s, jzx_err err, int32_t code)
{
    uint32_t before = s->ended;
    send_one(world, s);
    cr_assert_eq(s->err, JZX_OK, "%s", jzx_strerror(s->err));
    test_until(world, s->ended == before + 1);
    cr_expect_eq(s->ends[before].delivery, s->delivery);
    expect_end(s, before, err, code);
    cr_expect_eq(jzx_deliverer_open(s->deliverer), 0);
}

/* ---- who receives ---- */

typedef enum manner {
    ANSWERS,     /* with `code` */
    KEEPS,       /* until it is told */
    FAILS,       /* takes, and fails without answering */
    FAILS_AFTER, /* answers, and fails */
    FORGETS,     /* takes, and returns */
} manner;

typedef struct sink {
    test_actor actor;
    jzx_intake *intake;
    bool lent; /* another one's intake: not made here, nor destroyed */
    uint32_t senders;
    uint32_t each;
    const char *name; /* registered by its init; NULL: none */
    manner manner;
    int32_t code;
    _Atomic(uint32_t) taken;
    jzx_delivery_key keys[KEPT];
    jzx_message messages[KEPT];
    char bytes[KEPT][8];        /* the beginning of each payload */
    uint64_t deadline_ns;       /* jzx_deadline() after the last take */
    _Atomic(uint32_t) said[64]; /* by jzx_err */
    jzx_err answered;
} sink;

static jzx_behavior_result handle(jzx_context *context, sink *s, const jzx_taken *taken)
{
    uint32_t n = s->taken;
    cr_assert_lt(n, KEPT);
    s->keys[n] = taken->key;
    s->messages[n] = taken->message;
    size_t size = taken->message.size < 8 ? taken->message.size : 8;
    memcpy(s->bytes[n], jzx_message_data(&taken->message), size);
    s->deadline_ns = jzx_deadline(context);
    s->taken++;
    if (s->manner == ANSWERS || s->manner == FAILS_AFTER) {
        s->answered = jzx_intake_answer(context, s->intake, &taken->key, s->code);
        cr_expect_eq(s->answered, JZX_OK);
    }
    return s->manner == FAILS || s->manner == FAILS_AFTER ? JZX_BEHAVIOR_FAIL : JZX_BEHAVIOR_OK;
}

static jzx_behavior_result receive(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    sink *s = actor->data;
    jzx_taken taken;
    jzx_err err = jzx_intake_take(context, s->intake, message, &taken);
    s->said[-(int)err]++;
    return err == JZX_OK ? handle(context, s, &taken) : JZX_BEHAVIOR_OK;
}

static jzx_err make_intake(jzx_context *context, test_actor *actor)
{
    sink *s = actor->data;
    jzx_err err = s->lent ? JZX_OK : jzx_intake_create(context, s->senders, s->each, &s->intake);
    if (err == JZX_OK && s->name != NULL) {
        err = jzx_register(context, s->name, jzx_self(context));
    }
    return err;
}

static void end_intake(jzx_context *context, test_actor *actor, const jzx_exit_info *info)
{
    sink *s = actor->data;
    jzx_taken taken;
    (void)info;
    cr_assert_eq(jzx_intake_take(context, s->intake, &s->messages[0], &taken), JZX_ERR_STOPPING);
    if (!s->lent) {
        jzx_intake_destroy(s->intake);
    }
}

static void prepare_sink(sink *s, const char *name)
{
    memset(s, 0, sizeof *s);
    s->senders = 2;
    s->each = CAPACITY;
    s->name = name;
    s->actor.data = s;
    s->actor.on = receive;
    s->actor.on_init = make_intake;
    s->actor.on_fini = end_intake;
}

static void open_sink(test_world *world, uint32_t loop, sink *s, const char *name)
{
    prepare_sink(s, name);
    test_spawn(world, loop, &s->actor);
}

typedef struct answer_word {
    uint32_t nth;
    int32_t code;
    jzx_err err;
} answer_word;

static jzx_behavior_result do_answer(jzx_context *context, test_actor *actor, void *argument)
{
    sink *s = actor->data;
    answer_word *word = argument;
    word->err = jzx_intake_answer(context, s->intake, &s->keys[word->nth], word->code);
    return JZX_BEHAVIOR_OK;
}

static jzx_err answer_kept(test_world *world, sink *s, uint32_t nth, int32_t code)
{
    answer_word word = {.nth = nth, .code = code};
    test_do(world, &s->actor, do_answer, &word);
    return word.err;
}

static jzx_context *host_of(const test_world *world, uint32_t loop)
{
    return jzx_loop_context(world->loops[loop]);
}

static void kill_and_wait(test_world *world, uint32_t loop, test_actor *actor)
{
    cr_assert_eq(jzx_kill(host_of(world, loop), actor->id), JZX_OK);
    test_until(world, actor->finis == 1);
}

static void wait_ns(test_world *world, uint64_t ns)
{
    uint64_t until_ns = test_now_ns() + ns;
    test_until(world, test_now_ns() >= until_ns);
}

/* ---- how they end ---- */

#define ON_ONE_LOOP_AND_TWO(world)                                                                               \
    for (uint32_t loops = 1; loops <= 2 && (test_world_open(world, loops, NULL), test_clock_steps(10000), true); \
         test_world_close(world), loops++)

Test(deliver, CL06_an_answer_accepts_or_refuses, .timeout = 60)
{
    static source from;
    static sink to;
    test_world world;
    ON_ONE_LOOP_AND_TWO(&world)
    {
        open_source(&world, 0, &from);
        open_sink(&world, loops - 1, &to, "sink");
        deliver_one(&world, &from, JZX_OK, 0);
        cr_expect_eq(from.ends[0].attempts, 1);
        cr_expect_eq(from.ends[0].last, JZX_OK);
        cr_expect_eq(to.messages[0].tag, TAG_ORDER);
        cr_expect_eq(to.messages[0].words[0], 77);
        cr_expect_eq(to.messages[0].sender, from.actor.id);
        cr_expect_eq(to.messages[0].ref, 0);
        cr_expect_eq(to.messages[0].flags, 0);
        cr_expect_eq(to.keys[0].number, from.delivery);
        cr_expect_eq(to.deadline_ns, JZX_FOREVER);
        to.code = -5;
        from.to = jzx_addressee_id(to.actor.id);
        from.options.deadline_ns = test_now_ns() + 3600ull * 1000 * MS;
        deliver_one(&world, &from, JZX_ERR_REFUSED, -5);
        cr_expect_eq(to.taken, 2);
        cr_expect_eq(to.keys[1].number, to.keys[0].number + 1);
        cr_expect_eq(to.keys[1].sender, to.keys[0].sender);
        cr_expect_eq(to.deadline_ns, JZX_FOREVER, "what is done for it belongs to no scope");
        from.nameless = true;
        send_one(&world, &from);
        test_until(&world, from.ended == 3);
        expect_end(&from, 2, JZX_ERR_REFUSED, -5);
    }
}

Test(deliver, CL06_a_buffer_is_handed_out_as_it_was_given, .timeout = 60)
{
    static source from;
    static sink to;
    test_world world;
    ON_ONE_LOOP_AND_TWO(&world)
    {
        open_source(&world, 0, &from);
        open_sink(&world, loops - 1, &to, NULL);
        to.manner = FORGETS;
        jzx_buffer *buffer;
        cr_assert_eq(jzx_buffer_copy(world.runtime, "0123456789", 10, &buffer), JZX_OK);
        from.message = jzx_message_buffer(TAG_OTHER, buffer);
        from.options.retries_max = 0;
        send_one(&world, &from);
        cr_assert_eq(from.err, JZX_ERR_NOT_FOUND, "the payload is still the caller's");
        from.to = jzx_addressee_id(to.actor.id);
        from.options.retries_max = 3;
        from.options.attempt_ns = SOON;
        deliver_one(&world, &from, JZX_ERR_UNDELIVERED, 0);
        cr_expect_eq(from.ends[0].attempts, 4);
        cr_expect_eq(from.ends[0].last, JZX_ERR_TIMEOUT);
        cr_assert_eq(to.taken, 1);
        cr_expect_eq(to.messages[0].tag, TAG_OTHER);
        cr_expect_eq(to.messages[0].size, 10);
        cr_expect_eq(to.messages[0].flags, JZX_MESSAGE_POINTER | JZX_MESSAGE_LENT);
        cr_expect_eq(memcmp(to.bytes[0], "01234567", 8), 0);
    }
}

static jzx_behavior_result does_not_know(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    (void)actor;
    return message->tag == JZX_TAG_SYS_DELIVERY ? JZX_BEHAVIOR_UNHANDLED : JZX_BEHAVIOR_OK;
}

static jzx_behavior_result answers_by_itself(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    if (message->tag == JZX_TAG_SYS_DELIVERY) {
        jzx_message answer = test_payload(actor->data, 1, 8);
        cr_expect_eq(jzx_answer(context, message->ref, &answer), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

/* By value, or with bytes that nobody destroys. */
static jzx_behavior_result answers_plainly(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    static char bytes[8];
    if (message->tag == JZX_TAG_SYS_DELIVERY) {
        jzx_message answer = actor->data == NULL ? jzx_message_empty(1)
                                                 : jzx_message_pointer(1, bytes, sizeof bytes, NULL, NULL);
        cr_expect_eq(jzx_answer(context, message->ref, &answer), JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

Test(deliver, CL06_one_that_takes_no_deliveries_refuses_them, .timeout = 60)
{
    static source from;
    test_world world;
    test_ledger ledger;
    test_actor stranger;
    test_actor meddler;
    test_actor plain;
    ON_ONE_LOOP_AND_TWO(&world)
    {
        ledger = (test_ledger){0};
        stranger = (test_actor){.on = does_not_know};
        meddler = (test_actor){.on = answers_by_itself, .data = &ledger};
        plain = (test_actor){.on = answers_plainly};
        open_source(&world, 0, &from);
        test_spawn(&world, loops - 1, &stranger);
        test_spawn(&world, loops - 1, &meddler);
        test_spawn(&world, loops - 1, &plain);
        for (uint64_t i = 0; i < 2; i++) {
            plain.data = (void *)(uintptr_t)i;
            from.to = jzx_addressee_id(plain.id);
            deliver_one(&world, &from, JZX_ERR_UNHANDLED, 0);
        }
        from.to = jzx_addressee_id(stranger.id);
        deliver_one(&world, &from, JZX_ERR_UNHANDLED, 0);
        from.to = jzx_addressee_id(meddler.id);
        deliver_one(&world, &from, JZX_ERR_UNHANDLED, 0);
        cr_expect_eq(test_ledger_open(&ledger), 0);
        cr_expect_eq(ledger.dropped, 1);
    }
}

Test(deliver, CL06_a_name_is_waited_for, .timeout = 60)
{
    static source from;
    static sink to;
    test_world world;
    ON_ONE_LOOP_AND_TWO(&world)
    {
        open_source(&world, 0, &from);
        send_one(&world, &from);
        cr_assert_eq(from.err, JZX_OK, "nobody has the name yet");
        wait_ns(&world, 3 * SOON);
        cr_assert_eq(from.ended, 0);
        open_sink(&world, loops - 1, &to, "sink");
        test_until(&world, from.ended == 1);
        expect_end(&from, 0, JZX_OK, 0);
        cr_expect_geq(from.ends[0].attempts, 2);
        cr_expect_eq(from.ends[0].last, JZX_ERR_NOT_FOUND);
    }
}

Test(deliver, CL06_retries_and_time_are_used_up, .timeout = 60)
{
    static source from;
    test_world world;
    test_world_open(&world, 1, NULL);
    test_clock_steps(10000);
    open_source(&world, 0, &from);
    from.options.retries_max = 2;
    deliver_one(&world, &from, JZX_ERR_UNDELIVERED, 0);
    cr_expect_eq(from.ends[0].attempts, 3);
    cr_expect_eq(from.ends[0].last, JZX_ERR_NOT_FOUND);
    from.options.retries_max = 1000000;
    from.options.deadline_ns = test_now_ns() + 5 * SOON;
    deliver_one(&world, &from, JZX_ERR_TIMEOUT, 0);
    cr_expect_geq(test_now_ns(), from.options.deadline_ns);
    send_one(&world, &from);
    cr_expect_eq(from.err, JZX_ERR_TIMEOUT, "it has passed already");
    from.options.deadline_ns = JZX_FOREVER;
    from.scope_ns = test_now_ns() + 5 * SOON;
    deliver_one(&world, &from, JZX_ERR_TIMEOUT, 0);
    cr_expect_eq(from.ended, 3);
    test_world_close(&world);
}

/* An id is of one incarnation: there is nobody to try again. */
Test(deliver, CL06_to_an_id_it_ends_with_that_actor, .timeout = 60)
{
    static source from;
    static sink to;
    test_world world;
    ON_ONE_LOOP_AND_TWO(&world)
    {
        open_source(&world, 0, &from);
        open_sink(&world, loops - 1, &to, NULL);
        from.to = jzx_addressee_id(to.actor.id);
        to.manner = FAILS;
        deliver_one(&world, &from, JZX_ERR_ENDED, 0);
        cr_expect_eq(from.ends[0].last, JZX_OK);
        if (loops == 1) {
            send_one(&world, &from);
            cr_expect_eq(from.err, JZX_ERR_NO_SUCH_ACTOR);
        } else {
            deliver_one(&world, &from, JZX_ERR_NO_SUCH_ACTOR, 0);
        }
    }
}

static jzx_behavior_result do_cancel(jzx_context *context, test_actor *actor, void *argument)
{
    source *s = actor->data;
    s->err = jzx_deliver_cancel(context, s->deliverer, *(uint64_t *)argument);
    return JZX_BEHAVIOR_OK;
}

static jzx_err cancel(test_world *world, source *s, uint64_t delivery)
{
    test_do(world, &s->actor, do_cancel, &delivery);
    return s->err;
}

static jzx_behavior_result do_cancel_scope(jzx_context *context, test_actor *actor, void *argument)
{
    source *s = actor->data;
    (void)argument;
    s->err = jzx_cancel(context, s->scope);
    return JZX_BEHAVIOR_OK;
}

Test(deliver, CL06_one_that_is_given_up_ends_as_cancelled, .timeout = 60)
{
    static source from;
    static sink to;
    test_world world;
    ON_ONE_LOOP_AND_TWO(&world)
    {
        open_source(&world, 0, &from);
        from.options.retry_ns = 3600ull * 1000 * MS;
        send_one(&world, &from); /* rests */
        uint64_t first = from.delivery;
        open_sink(&world, loops - 1, &to, "sink");
        to.manner = KEEPS;
        send_one(&world, &from); /* is kept */
        uint64_t second = from.delivery;
        test_until(&world, to.taken == 1);
        cr_expect_eq(cancel(&world, &from, first), JZX_OK);
        test_until(&world, from.ended == 1);
        cr_expect_eq(cancel(&world, &from, second), JZX_OK);
        test_until(&world, from.ended == 2);
        expect_end(&from, 0, JZX_ERR_CANCELLED, 0);
        expect_end(&from, 1, JZX_ERR_CANCELLED, 0);
        cr_expect_eq(from.ends[0].delivery, first);
        cr_expect_eq(cancel(&world, &from, first), JZX_ERR_NO_SUCH_REQUEST);
        cr_expect_eq(cancel(&world, &from, second + 1), JZX_ERR_NO_SUCH_REQUEST, "never made");
        cr_expect_eq(answer_kept(&world, &to, 0, 0), JZX_OK, "nobody waits for it");

        from.scope_ns = JZX_FOREVER;
        send_one(&world, &from);
        test_until(&world, to.taken == 2);
        test_do(&world, &from.actor, do_cancel_scope, NULL);
        test_until(&world, from.ended == 3);
        expect_end(&from, 2, JZX_ERR_CANCELLED, 0);
        cr_expect_eq(answer_kept(&world, &to, 1, 0), JZX_OK);
        cr_expect_eq(answer_kept(&world, &to, 0, 0), JZX_ERR_NO_SUCH_REQUEST);
    }
}

/* ---- attempts that follow one another ---- */

Test(deliver, CL06_an_attempt_before_the_answer_is_joined_and_one_after_it_gets_the_same, .timeout = 60)
{
    static source from;
    static sink to;
    test_world world;
    for (int32_t code = 0; code <= 9; code += 9) {
        jzx_err end = code == 0 ? JZX_OK : JZX_ERR_REFUSED;
        ON_ONE_LOOP_AND_TWO(&world)
        {
            open_source(&world, 0, &from);
            open_sink(&world, loops - 1, &to, "sink");
            to.manner = KEEPS;
            from.options.attempt_ns = 2 * MS;
            send_one(&world, &from);
            test_until(&world, to.said[-JZX_ERR_DUPLICATE] >= 2);
            cr_assert_eq(from.ended, 0);
            cr_assert_eq(answer_kept(&world, &to, 0, code), JZX_OK);
            test_until(&world, from.ended == 1);
            expect_end(&from, 0, end, code);
            cr_expect_geq(from.ends[0].attempts, 3);
            cr_expect_eq(to.taken, 1);
            cr_expect_eq(answer_kept(&world, &to, 0, code), JZX_ERR_NO_SUCH_REQUEST, "a second time");

            /* Answered when no attempt is open: the next one learns it. */
            from.options.attempt_ns = SOON;
            from.options.retry_ns = 20 * MS;
            uint32_t before = to.said[-JZX_ERR_DUPLICATE];
            send_one(&world, &from);
            test_until(&world, to.taken == 2);
            wait_ns(&world, 2 * SOON);
            cr_assert_eq(answer_kept(&world, &to, 1, code), JZX_OK);
            test_until(&world, from.ended == 2);
            expect_end(&from, 1, end, code);
            cr_expect_eq(to.taken, 2);
            cr_expect_geq(from.ends[1].attempts + (to.said[-JZX_ERR_DUPLICATE] == before), 2);
        }
    }
}

Test(deliver, CL06_those_open_are_within_the_capacity, .timeout = 60)
{
    static source from;
    static sink to;
    test_world world;
    ON_ONE_LOOP_AND_TWO(&world)
    {
        open_source(&world, 0, &from);
        open_sink(&world, loops - 1, &to, "sink");
        to.manner = KEEPS;
        for (uint32_t i = 0; i < CAPACITY; i++) {
            send_one(&world, &from);
            cr_assert_eq(from.err, JZX_OK);
        }
        cr_expect_eq(jzx_deliverer_open(from.deliverer), CAPACITY);
        send_one(&world, &from);
        cr_expect_eq(from.err, JZX_ERR_LIMIT);
        test_until(&world, to.taken == CAPACITY);
        cr_assert_eq(answer_kept(&world, &to, 1, 0), JZX_OK);
        test_until(&world, from.ended == 1);
        send_one(&world, &from);
        cr_expect_eq(from.err, JZX_ERR_LIMIT, "the oldest holds it up");
        from.again = true; /* from its on_done there is room */
        cr_assert_eq(answer_kept(&world, &to, 0, 0), JZX_OK);
        test_until(&world, from.ended == 2);
        cr_expect_eq(from.err, JZX_OK);
        send_one(&world, &from);
        cr_expect_eq(from.err, JZX_OK);
        send_one(&world, &from);
        cr_expect_eq(from.err, JZX_ERR_LIMIT);
        test_until(&world, to.taken == CAPACITY + 2);
        for (uint32_t i = 2; i < CAPACITY + 2; i++) {
            cr_expect_eq(answer_kept(&world, &to, i, 0), JZX_OK);
        }
        cr_expect_eq(answer_kept(&world, &to, 0, 0), JZX_ERR_NO_SUCH_REQUEST, "the deliverer has passed it");
        test_until(&world, from.ended == CAPACITY + 2);
        cr_expect_eq(jzx_deliverer_open(from.deliverer), 0);
    }
}

/* One that was taken, when its receiver has just ended: what its sender has left then decides whether there is a pause. */
static void end_without_a_pause(test_world *world, source *from, sink *to, jzx_err err)
{
    cr_assert_eq(from->err, JZX_OK);
    kill_and_wait(world, world->loop_count - 1, &to->actor);
    test_until(world, from->ended == 1);
    expect_end(from, 0, err, 0);
    cr_expect_eq(from->ends[0].last, JZX_ERR_ENDED);
    cr_expect_eq(from->ends[0].attempts, 1);
    cr_expect_eq(jzx_deliverer_open(from->deliverer), 0);
}

static jzx_behavior_result do_set_timer(jzx_context *context, test_actor *actor, void *argument)
{
    (void)actor;
    (void)argument;
    jzx_message message = jzx_message_empty(TAG_OTHER);
    cr_assert_eq(jzx_timer_after(context, 3600ull * 1000 * MS, &message, NULL), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

Test(deliver, CL06_without_a_timer_there_is_no_pause, .timeout = 60)
{
    static source from;
    static sink to;
    test_world world;
    jzx_config config;
    test_config(&config);
    config.timers_max = 1;
    for (uint32_t loops = 1; loops <= 2; loops++) {
        test_world_open(&world, loops, &config);
        open_source(&world, 0, &from);
        open_sink(&world, loops - 1, &to, "sink");
        to.manner = KEEPS;
        send_one(&world, &from);
        test_until(&world, to.taken == 1);
        test_do(&world, &from.actor, do_set_timer, NULL);
        end_without_a_pause(&world, &from, &to, JZX_ERR_LIMIT);
        test_world_close(&world);
    }
}

Test(deliver, CL06_without_a_cell_there_is_no_pause, .timeout = 60)
{
    static source from;
    static sink to;
    test_world world;
    ON_ONE_LOOP_AND_TWO(&world)
    {
        open_source(&world, 0, &from);
        open_sink(&world, loops - 1, &to, "sink");
        to.manner = KEEPS;
        send_one(&world, &from);
        test_until(&world, to.taken == 1);
        jzx__pool *pool = &world.loops[0]->pool;
        jzx__cell *all = NULL;
        for (jzx__cell *cell; (cell = jzx__pool_take(pool, 0)) != NULL; all = cell) {
            cell->next = all;
        }
        end_without_a_pause(&world, &from, &to, JZX_ERR_WOULD_BLOCK);
        for (jzx__cell *next; all != NULL; all = next) {
            next = all->next;
            jzx__pool_give(pool, all);
        }
        open_sink(&world, loops - 1, &to, "sink");
        send_one(&world, &from);
        test_until(&world, from.ended == 2);
        expect_end(&from, 1, JZX_OK, 0);
    }
}

/* ---- what an intake knows ---- */

Test(deliver, CL06_an_intake_refuses_deliverers_that_hold_more_than_it_remembers, .timeout = 60)
{
    static source from;
    static sink to;
    test_world world;
    test_world_open(&world, 1, NULL);
    open_source(&world, 0, &from);
    prepare_sink(&to, "sink");
    to.each = CAPACITY - 1;
    test_spawn(&world, 0, &to.actor);
    deliver_one(&world, &from, JZX_ERR_TOO_BIG, 0);
    cr_expect_eq(to.said[-JZX_ERR_TOO_BIG], 1);
    cr_expect_eq(to.taken, 0);
    test_world_close(&world);
}

/* A deliverer keeps its place until nothing of it can come any more: its actor has ended, or its time is over. */
Test(deliver, CL06_a_deliverer_that_is_over_makes_room, .timeout = 60)
{
    static source first;
    static source second;
    static source third;
    static sink to;
    test_world world;
    ON_ONE_LOOP_AND_TWO(&world)
    {
        open_source(&world, 0, &first);
        open_source(&world, loops - 1, &second);
        open_source(&world, 0, &third);
        prepare_sink(&to, "sink");
        to.senders = 1;
        test_spawn(&world, loops - 1, &to.actor);
        deliver_one(&world, &first, JZX_OK, 0);
        send_one(&world, &second);
        test_until(&world, to.said[-JZX_ERR_LIMIT] >= 2);
        cr_expect_eq(to.taken, 1);
        cr_expect_eq(second.ended, 0);
        kill_and_wait(&world, 0, &first.actor);
        test_until(&world, second.ended == 1);
        expect_end(&second, 0, JZX_OK, 0);
        cr_expect_eq(second.ends[0].last, JZX_ERR_LIMIT);
        cr_expect_eq(to.taken, 2);
        kill_and_wait(&world, loops - 1, &second.actor);

        third.options.deadline_ns = test_now_ns() + 50 * MS;
        deliver_one(&world, &third, JZX_OK, 0);
        source *fourth = &first;
        open_source(&world, 0, fourth);
        deliver_one(&world, fourth, JZX_OK, 0);
        cr_expect_geq(test_now_ns(), third.options.deadline_ns);
        cr_expect_eq(fourth->ends[0].last, JZX_ERR_LIMIT);
    }
}

/* What was handed out and not answered, of one that is forgotten: it cannot be answered, and the cell it held is free. */
Test(deliver, CL06_what_is_forgotten_with_its_deliverer_cannot_be_answered, .timeout = 60)
{
    static source first;
    static source second;
    static sink to;
    test_world world;
    test_world_open(&world, 1, NULL);
    open_source(&world, 0, &first);
    open_source(&world, 0, &second);
    prepare_sink(&to, "sink");
    to.senders = 1;
    to.manner = KEEPS;
    test_spawn(&world, 0, &to.actor);
    send_one(&world, &first);
    test_until(&world, to.taken == 1);
    kill_and_wait(&world, 0, &first.actor);
    send_one(&world, &second);
    test_until(&world, to.taken == 2);
    cr_expect_eq(answer_kept(&world, &to, 0, 0), JZX_ERR_NO_SUCH_REQUEST);
    cr_expect_eq(answer_kept(&world, &to, 1, 0), JZX_OK);
    test_until(&world, second.ended == 1);
    test_world_close(&world);
}

static jzx_behavior_result do_deliver_and_end(jzx_context *context, test_actor *actor, void *argument)
{
    (void)do_deliver(context, actor, argument);
    return JZX_BEHAVIOR_STOP;
}

/* A sender that ends takes its deliveries with it: what is on the way is not handed out, and on_done does not run. */
Test(deliver, CL06_a_sender_that_ends_takes_its_deliveries_with_it, .timeout = 60)
{
    static source from;
    static sink to;
    test_world world;
    ON_ONE_LOOP_AND_TWO(&world)
    {
        open_source(&world, 0, &from);
        open_sink(&world, loops - 1, &to, "sink");
        jzx_buffer *buffer;
        cr_assert_eq(jzx_buffer_copy(world.runtime, "bytes", 5, &buffer), JZX_OK);
        from.message = jzx_message_buffer(TAG_OTHER, buffer);
        test_do(&world, &from.actor, do_deliver_and_end, NULL);
        test_until(&world, from.actor.finis == 1);
        test_world_settle(&world);
        cr_expect_eq(from.err, JZX_OK);
        cr_expect_eq(from.ended, 0);
        cr_expect_eq(to.taken, 0);
    }
}

/* ---- receivers that end ---- */

/* With a new intake the next one is told again; with that of the one before, of what that had answered it is not. */
Test(deliver, CL06_a_receiver_that_ends_is_followed_by_another, .timeout = 60)
{
    static source from;
    static sink before;
    static sink after;
    test_world world;
    for (uint32_t handed_on = 0; handed_on < 2; handed_on++) {
        ON_ONE_LOOP_AND_TWO(&world)
        {
            open_source(&world, 0, &from);
            prepare_sink(&before, "sink");
            before.lent = true;
            cr_assert_eq(jzx_intake_create(host_of(&world, loops - 1), 2, CAPACITY, &before.intake), JZX_OK);
            jzx_intake *intake = before.intake;
            before.manner = KEEPS;
            test_spawn(&world, loops - 1, &before.actor);
            from.options.attempt_ns = SOON;
            from.options.retry_ns = 100 * MS; /* time for all that follows, or the outcome is the same */
            send_one(&world, &from);
            test_until(&world, before.taken == 1);
            send_one(&world, &from);
            test_until(&world, before.taken == 2);
            wait_ns(&world, 2 * SOON); /* the attempts are over */
            cr_assert_eq(answer_kept(&world, &before, 0, 0), JZX_OK);
            kill_and_wait(&world, loops - 1, &before.actor);

            prepare_sink(&after, "sink");
            after.lent = handed_on != 0;
            after.intake = intake;
            test_spawn(&world, loops - 1, &after.actor);
            test_until(&world, from.ended == 2);
            expect_end(&from, 0, JZX_OK, 0);
            expect_end(&from, 1, JZX_OK, 0);
            uint32_t told = 0; /* of the first once more */
            for (uint32_t i = 0; i < after.taken; i++) {
                told += after.keys[i].number == before.keys[0].number;
            }
            bool late = from.ends[0].attempts > 1; /* else it had heard of the answer in time */
            cr_expect_eq(told, handed_on == 0 && late ? 1 : 0);
            cr_expect_eq(after.taken, 1 + told, "the second was not answered");
            test_world_settle(&world);
            jzx_intake_destroy(intake);
            if (handed_on != 0) {
                after.intake = NULL;
            }
        }
    }
}

static jzx_behavior_result do_answer_again(jzx_context *context, test_actor *actor, void *argument)
{
    sink *other = argument;
    (void)actor;
    other->answered = jzx_intake_answer(context, other->intake, &other->keys[0], 0);
    return JZX_BEHAVIOR_OK;
}

/* ---- mailboxes that are full ---- */

Test(deliver, CL06_a_full_mailbox_is_tried_again, .timeout = 60)
{
    static source from[3];
    static sink to;
    test_world world;
    for (uint32_t policy = JZX_MAILBOX_REFUSE; policy <= JZX_MAILBOX_DROP_OLDEST; policy++) {
        ON_ONE_LOOP_AND_TWO(&world)
        {
            jzx_spawn_options options;
            prepare_sink(&to, "sink");
            to.senders = 3;
            test_actor_options(&to.actor, &options);
            options.mailbox_cap = 1;
            options.mailbox_policy = (uint8_t)policy;
            test_spawn_with(&world, loops - 1, &to.actor, &options);
            for (uint32_t i = 0; i < 3; i++) {
                open_source(&world, 0, &from[i]);
            }
            jzx_message token = jzx_message_empty(1);
            for (uint32_t i = 0; i < 3; i++) {
                for (uint32_t n = 0; n < CAPACITY; n++) {
                    (void)jzx_send(host_of(&world, loops - 1), to.actor.id, &token);
                    send_one(&world, &from[i]);
                    cr_assert_eq(from[i].err, JZX_OK);
                }
            }
            for (uint32_t i = 0; i < 3; i++) {
                test_until(&world, from[i].ended == CAPACITY);
                for (uint32_t n = 0; n < CAPACITY; n++) {
                    expect_end(&from[i], n, JZX_OK, 0);
                }
            }
            cr_expect_eq(to.taken, 3 * CAPACITY);
        }
    }
}

/* ---- what is refused ---- */

typedef struct refusals {
    source *from;
    sink *to;
    source *other;
} refusals;

static jzx_err try_deliver(jzx_context *context, const source *s, const jzx_addressee *to, const jzx_message *message,
                           const jzx_deliver_options *options)
{
    return jzx_deliver(context, s->deliverer, to, message, options, NULL);
}

static jzx_behavior_result do_refusals(jzx_context *context, test_actor *actor, void *argument)
{
    const refusals *r = argument;
    source *s = actor->data;
    jzx_deliverer *made = NULL;
    cr_expect_eq(jzx_deliverer_create(context, 0, &made), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_deliverer_create(context, JZX_DELIVERIES_MAX + 1, &made), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_deliverer_create(context, 1, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_deliverer_create(context, JZX_DELIVERIES_MAX, &made), JZX_OK);
    cr_expect_eq(jzx_deliverer_destroy(context, made), JZX_OK, "none are open");
    cr_expect_eq(jzx_deliverer_destroy(context, NULL), JZX_OK);
    cr_expect_eq(jzx_deliverer_destroy(context, r->other->deliverer), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_deliverer_open(NULL), 0);
    jzx_deliver_options_init(NULL);

    cr_expect_eq(try_deliver(context, r->other, &s->to, &s->message, &s->options), JZX_ERR_INVALID_ARG);
    cr_expect_eq(try_deliver(context, s, NULL, &s->message, &s->options), JZX_ERR_INVALID_ARG);
    cr_expect_eq(try_deliver(context, s, &s->to, NULL, &s->options), JZX_ERR_INVALID_ARG);
    cr_expect_eq(try_deliver(context, s, &s->to, &s->message, NULL), JZX_ERR_INVALID_ARG);
    jzx_addressee endless = {.id = 0};
    memset(endless.name, 'x', sizeof endless.name);
    cr_expect_eq(try_deliver(context, s, &endless, &s->message, &s->options), JZX_ERR_INVALID_ARG);
    const jzx_addressee nobodies[] = {
        jzx_addressee_id(1ull << 32), jzx_addressee_id(0),
        jzx_addressee_child(0),       jzx_addressee_name(NULL),
        jzx_addressee_name(""),       jzx_addressee_name("this name is one of those that are too long"),
        jzx_addressee_id(UINT64_MAX), {.id = s->actor.id, .name = "sink"},
    };
    for (size_t i = 0; i < sizeof nobodies / sizeof nobodies[0]; i++) {
        cr_expect_eq(try_deliver(context, s, &nobodies[i], &s->message, &s->options), JZX_ERR_INVALID_ARG, "%zu", i);
    }
    jzx_message reserved = jzx_message_empty(JZX_TAG_SYS_DELIVERY);
    jzx_message wide = jzx_message_value(1, NULL, 0);
    wide.size = JZX_INLINE_MAX + 1;
    char bytes[8];
    jzx_message owned = jzx_message_pointer(1, bytes, sizeof bytes, NULL, NULL);
    cr_expect_eq(try_deliver(context, s, &s->to, &reserved, &s->options), JZX_ERR_INVALID_ARG);
    cr_expect_eq(try_deliver(context, s, &s->to, &wide, &s->options), JZX_ERR_INVALID_ARG);
    cr_expect_eq(try_deliver(context, s, &s->to, &owned, &s->options), JZX_ERR_INVALID_ARG);
    for (uint32_t i = 0; i < 5; i++) {
        jzx_deliver_options options = s->options;
        options.struct_size -= i == 0 ? 8 : 0;
        options.retry_ns = i == 1 ? 0 : options.retry_ns;
        options.attempt_ns = i == 2 ? 0 : options.attempt_ns;
        options.on_done = i == 3 ? NULL : options.on_done;
        options.retries_max = i == 4 ? UINT32_MAX : options.retries_max;
        cr_expect_eq(try_deliver(context, s, &s->to, &s->message, &options), JZX_ERR_INVALID_ARG, "%u", i);
    }
    cr_expect_eq(jzx_deliver_cancel(context, NULL, 1), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_deliver_cancel(context, r->other->deliverer, 1), JZX_ERR_INVALID_ARG);

    jzx_intake *intake = NULL;
    jzx_taken taken;
    jzx_delivery_key key = {1, 1};
    cr_expect_eq(jzx_intake_create(context, 0, 1, &intake), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_intake_create(context, 1, 0, &intake), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_intake_create(context, JZX_SENDERS_MAX + 1, 1, &intake), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_intake_create(context, 1, JZX_DELIVERIES_MAX + 1, &intake), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_intake_create(context, 1, 1, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_intake_create(context, 1, 1, &intake), JZX_OK);
    cr_expect_eq(jzx_intake_take(context, NULL, &s->message, &taken), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_intake_take(context, intake, NULL, &taken), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_intake_take(context, intake, &s->message, NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_intake_take(context, r->to->intake, &s->message, &taken), JZX_ERR_INVALID_ARG, "another loop's");
    cr_expect_eq(jzx_intake_take(context, intake, &s->message, &taken), JZX_ERR_NOT_FOUND);
    cr_expect_eq(jzx_intake_take(context, intake, &reserved, &taken), JZX_ERR_NOT_FOUND);
    reserved.flags |= JZX_MESSAGE_REQUEST;
    cr_expect_eq(jzx_intake_take(context, intake, &reserved, &taken), JZX_ERR_NOT_FOUND, "it has no envelope");
    cr_expect_eq(jzx_intake_answer(context, intake, &key, 0), JZX_ERR_NO_SUCH_REQUEST);
    cr_expect_eq(jzx_intake_answer(context, intake, NULL, 0), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_intake_answer(context, NULL, &key, 0), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_intake_answer(context, r->to->intake, &key, 0), JZX_ERR_INVALID_ARG, "another loop's");
    jzx_intake_destroy(intake);
    jzx_intake_destroy(NULL);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result do_destroy(jzx_context *context, test_actor *actor, void *argument)
{
    source *s = actor->data;
    *(jzx_err *)argument = jzx_deliverer_destroy(context, s->deliverer);
    return JZX_BEHAVIOR_OK;
}

typedef struct elsewhere {
    jzx_context *context;
    source *from;
    sink *to;
} elsewhere;

static void from_a_wrong_thread(void *argument)
{
    elsewhere *e = argument;
    jzx_deliverer *deliverer;
    jzx_intake *intake;
    jzx_taken taken;
    jzx_delivery_key key = {1, 1};
    const source *s = e->from;
    cr_expect_eq(jzx_deliverer_create(e->context, 1, &deliverer), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(jzx_deliverer_destroy(e->context, s->deliverer), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(try_deliver(e->context, s, &s->to, &s->message, &s->options), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(jzx_deliver_cancel(e->context, s->deliverer, 1), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(jzx_intake_create(e->context, 1, 1, &intake), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(jzx_intake_take(e->context, e->to->intake, &s->message, &taken), JZX_ERR_WRONG_THREAD);
    cr_expect_eq(jzx_intake_answer(e->context, e->to->intake, &key, 0), JZX_ERR_WRONG_THREAD);
}

Test(deliver, CL06_each_error_that_the_header_names, .timeout = 60)
{
    static source from;
    static source other;
    static sink to;
    test_world world;
    test_world_open(&world, 2, NULL);
    open_source(&world, 0, &from);
    open_source(&world, 0, &other);
    open_sink(&world, 1, &to, NULL);
    refusals r = {&from, &to, &other};
    test_do(&world, &from.actor, do_refusals, &r);

    jzx_context *host = host_of(&world, 0);
    jzx_deliverer *deliverer;
    jzx_taken taken;
    jzx_delivery_key key = {1, 1};
    cr_expect_eq(jzx_deliverer_create(host, 1, &deliverer), JZX_ERR_INVALID_ARG);
    cr_expect_eq(try_deliver(host, &from, &from.to, &from.message, &from.options), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_deliver_cancel(host, from.deliverer, 1), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_deliverer_destroy(host, from.deliverer), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_intake_take(host_of(&world, 1), to.intake, &from.message, &taken), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_intake_answer(host_of(&world, 1), to.intake, &key, 0), JZX_ERR_INVALID_ARG);
    elsewhere e = {host, &from, &to};
    test_on_thread(from_a_wrong_thread, &e);

    from.options.retries_max = 0;
    send_one(&world, &from);
    cr_expect_eq(from.err, JZX_ERR_NOT_FOUND, "there is no other attempt");
    cr_expect_eq(from.ended, 0);
    from.to = jzx_addressee_child(((uint64_t)1 << 32) | 1); /* never issued */
    from.options.retries_max = 5;
    send_one(&world, &from);
    cr_expect(from.err == JZX_ERR_NOT_FOUND || from.err == JZX_ERR_INVALID_ARG);

    from.to = jzx_addressee_id(to.actor.id);
    to.manner = KEEPS;
    send_one(&world, &from);
    cr_assert_eq(from.err, JZX_OK);
    jzx_err err = JZX_OK;
    test_do(&world, &from.actor, do_destroy, &err);
    cr_expect_eq(err, JZX_ERR_BUSY);
    test_until(&world, to.taken == 1);
    static sink thief;
    open_sink(&world, 1, &thief, NULL);
    test_do(&world, &thief.actor, do_answer_again, &to);
    cr_expect_eq(to.answered, JZX_ERR_NO_SUCH_REQUEST, "not taken by that actor");
    cr_expect_eq(answer_kept(&world, &to, 0, 0), JZX_OK);
    test_until(&world, from.ended == 1);
    test_world_close(&world);
}

static jzx_behavior_result do_make(jzx_context *context, test_actor *actor, void *argument)
{
    source *s = actor->data;
    jzx_deliverer *deliverer;
    jzx_intake *intake;
    test_memory *memory = argument;
    memory->fail_at = memory->calls + 1;
    cr_expect_eq(jzx_deliverer_create(context, 1, &deliverer), JZX_ERR_NO_MEMORY);
    for (uint64_t nth = 1; nth <= 2; nth++) {
        memory->fail_at = memory->calls + nth;
        cr_expect_eq(jzx_intake_create(context, 1, 1, &intake), JZX_ERR_NO_MEMORY);
    }
    memory->fail_at = memory->calls + 1;
    deliver(context, s);
    cr_expect_eq(s->err, JZX_ERR_NO_MEMORY);
    cr_expect_eq(memory->failed, 4);
    memory->fail_at = 0;
    return JZX_BEHAVIOR_OK;
}

Test(deliver, CL06_memory_that_is_not_there, .timeout = 60)
{
    static source from;
    test_world world;
    test_world_open(&world, 1, NULL);
    open_source(&world, 0, &from);
    test_do(&world, &from.actor, do_make, &world.memory[JZX_MEMORY_STATE]);
    cr_expect_eq(jzx_deliverer_open(from.deliverer), 0);
    test_world_close(&world);
}

/* ---- on threads ---- */

static jzx_behavior_result deliver_on(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    if (message->tag == TAG_ORDER) {
        deliver(context, actor->data);
        cr_assert_eq(((source *)actor->data)->err, JZX_OK);
    }
    return JZX_BEHAVIOR_OK;
}

Test(deliver, CL06_each_loop_on_its_thread, .timeout = 60)
{
    static source from[2];
    static sink to;
    test_world world;
    test_world_open(&world, 2, NULL);
    for (uint32_t i = 0; i < 2; i++) {
        open_source(&world, i, &from[i]);
        from[i].actor.on = deliver_on;
        from[i].options.attempt_ns = 50000; /* many of them are late */
    }
    open_sink(&world, 1, &to, "sink");
    test_world_start(&world);
    for (uint32_t n = 0; n < 12; n++) {
        for (uint32_t i = 0; i < 2; i++) {
            test_send(&world, &from[i].actor, TAG_ORDER);
            test_until(&world, from[i].ended == n + 1);
            expect_end(&from[i], n, JZX_OK, 0);
        }
    }
    cr_expect_eq(to.taken, 24);
    test_world_close(&world);
}
