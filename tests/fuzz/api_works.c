/* api_works: see api.h: pools of workers, and deliveries. */
#include "api.h"

/* ---- pools ---- */

enum { WORKERS_MAX = 4, NAMES = 2, FAULTS = 7 };

static const char *const names[NAMES] = {"a", "b"}; /* of pools, most of them */

/* Good ones, but for the fault. */
static void pool_options(jzx_pool_options *options, jzx_child_spec *worker, uint32_t fault)
{
    static const uint64_t times[] = {1000000, 20000000, 1000000000};
    jzx_pool_options_init(options);
    api_worker_spec(worker);
    options->worker = worker;
    options->name = fault == 1 ? api_name() : names[api_below(NAMES)];
    options->workers_max = 1 + api_below(WORKERS_MAX);
    options->workers_min = 1 + api_below(options->workers_max);
    options->per_worker = 1 + api_below(3);
    options->queue_max = api_below(4) * 3;
    options->shrink_load = 1 + api_below(2) * 400;
    options->grow_load = options->shrink_load + 1 + api_below(4) * 500;
    options->check_ns = times[api_below(3)];
    options->cooldown_ns = times[api_below(3)];
    options->intensity = api_below(6);
    options->period_ns = 1000000000;
    options->worker = fault == 2 ? NULL : worker;
    options->workers_min = fault == 3 ? 0 : options->workers_min;
    options->workers_max = fault == 4 ? options->workers_min - 1 : options->workers_max;
    options->per_worker = fault == 5 ? 0 : options->per_worker;
    options->grow_load = fault == 6 ? options->shrink_load : options->grow_load;
    options->check_ns = fault == 7 ? 0 : options->check_ns;
}

static void start_pool(jzx_context *context)
{
    jzx_pool_options options;
    jzx_child_spec worker;
    jzx_actor_id id;
    uint64_t ref;
    uint32_t fault = api_below(32);
    jzx_group group = api_any_group();
    pool_options(&options, &worker, fault);
    options.group = api_below(4) == 3 ? &group : NULL;
    jzx_err err = jzx_pool_start(context, &options, &id, &ref);
    FUZZ_REQUIRE(err != JZX_OK || fault < 2 || fault > FAULTS);
    memset(&worker, 0xA5, sizeof worker); /* it was copied */
    if (err == JZX_OK) {
        api_keep(&api.actors, id);
    }
}

/* Several messages, so that some wait. */
static void give_work(jzx_context *context, jzx_actor_id queue)
{
    jzx_message message;
    uint64_t ref = 0;
    for (uint32_t count = 1 + api_below(6); count > 0 && api.calls > 0; count--, api.calls--) {
        bool asks = api_below(2) == 1;
        uint64_t timeout_ns = asks ? api_duration() : 0;
        api_message(&message, context);
        jzx_err err = asks ? jzx_request(context, queue, &message, timeout_ns, &ref)
                           : jzx_send(context, queue, &message);
        api_message_result(&message, err);
    }
}

void api_pool(jzx_context *context)
{
    uint64_t ref;
    jzx_actor_id queue;
    bool there = jzx_whereis(api.runtime, names[api_below(NAMES)], &queue) == JZX_OK; /* or whoever has its name */
    uint32_t what = api_below(8);
    if (!there || what == 0) {
        start_pool(context);
    } else if (what == 1) {
        (void)jzx_pool_look(context, queue, api_duration(), &ref);
    } else {
        api_keep(&api.actors, queue);
        give_work(context, queue);
    }
}

void api_pool_told(const jzx_pool_info *info)
{
    FUZZ_REQUIRE(info->busy <= info->workers && info->workers + info->starting <= WORKERS_MAX);
    FUZZ_REQUIRE(info->shrunk <= info->grown);
}

/* ---- deliveries: what is known of them ---- */

enum { TAG_DELIVERED = API_TAG_PLAIN + 1, CODES = 3, CAPACITY_MAX = 4, HANDED_MAX = 512, LEFT_MAX = 8 };

/* One that was made: it ends once, in its sender. */
struct made {
    uint64_t sender;
    uint64_t number;
    uint32_t retries_max;
    uint32_t ends;
    uint32_t answers; /* a bit for each code that an intake was given for it */
};

/* One that an intake has handed out: once to each owner, and to none any more when it is answered. */
struct handed {
    uint32_t intake;
    jzx_delivery_key key;
    uint64_t owner;
    struct made *made; /* NULL: its payload does not say */
    bool answered;
};

/* An intake that its owner has left for the next one. */
struct left {
    jzx_intake *intake; /* NULL: none */
    const jzx_loop *loop;
    uint32_t number;
};

static struct {
    struct made made[API_CALLS_MAX];
    uint32_t made_count;
    struct handed handed[HANDED_MAX]; /* the first ones */
    uint32_t handed_count;
    struct left left[LEFT_MAX];
    uint32_t intakes; /* ever */
} works;

void api_works_begin(void)
{
    memset(&works, 0, sizeof works);
}

void api_works_end(void)
{
    for (uint32_t i = 0; i < LEFT_MAX; i++) {
        jzx_intake_destroy(works.left[i].intake);
    }
}

/* ---- the sender ---- */

static jzx_behavior_result on_done(jzx_context *context, void *state, void *argument, const jzx_delivered *delivered)
{
    struct made *one = argument;
    FUZZ_REQUIRE(one->sender == jzx_self(context) && one->ends++ == 0 && one->number == delivered->delivery);
    FUZZ_REQUIRE(delivered->attempts >= 1 && delivered->attempts <= one->retries_max + 1);
    FUZZ_REQUIRE(delivered->err != JZX_ERR_UNDELIVERED || delivered->attempts == one->retries_max + 1);
    FUZZ_REQUIRE(delivered->err != JZX_ERR_UNDELIVERED || delivered->last != JZX_OK);
    FUZZ_REQUIRE((delivered->err == JZX_ERR_REFUSED) == (delivered->code != 0));
    if (delivered->err == JZX_OK || delivered->err == JZX_ERR_REFUSED) {
        FUZZ_REQUIRE(delivered->code >= 0 && (one->answers & 1u << delivered->code) != 0);
    }
    return api_go_on(context, state, NULL);
}

static jzx_addressee any_addressee(void)
{
    switch (api_below(4)) {
    case 0:
    case 1:
        return jzx_addressee_id(api_any(&api.actors));
    case 2:
        return jzx_addressee_child(api_any(&api.children));
    default:
        return jzx_addressee_name(api_below(8) == 7 ? api_name() : names[api_below(NAMES)]);
    }
}

static void any_options(jzx_context *context, jzx_deliver_options *options)
{
    static const uint64_t times[] = {1000000, 20000000, 1000000000};
    jzx_deliver_options_init(options);
    options->retry_ns = times[api_below(3)];
    options->attempt_ns = api_below(2) == 0 ? JZX_FOREVER : times[api_below(3)];
    options->deadline_ns = api_below(2) == 0 ? JZX_FOREVER : api_deadline(context);
    options->retries_max = api_below(4);
    options->on_done = on_done;
}

/* By value or in a buffer; it says where it is in works.made. */
static jzx_message delivery_of(uint32_t index)
{
    jzx_buffer *buffer;
    void *bytes;
    if (api_below(3) == 0 && jzx_buffer_make(api.runtime, sizeof index, &buffer, &bytes) == JZX_OK) {
        memcpy(bytes, &index, sizeof index);
        return jzx_message_buffer(TAG_DELIVERED, buffer);
    }
    return jzx_message_value(TAG_DELIVERED, &index, sizeof index);
}

static void deliver(jzx_context *context, struct api_state *state)
{
    jzx_deliver_options options;
    struct made *one = &works.made[works.made_count];
    FUZZ_REQUIRE(works.made_count < API_CALLS_MAX); /* each call of the API makes one at most */
    any_options(context, &options);
    jzx_addressee to = any_addressee();
    jzx_message message = delivery_of(works.made_count++);
    *one = (struct made){.sender = jzx_self(context), .retries_max = options.retries_max};
    options.argument = one;
    jzx_err err = jzx_deliver(context, state->deliverer, &to, &message, &options, &one->number);
    if (err == JZX_OK) {
        api_keep(&api.deliveries, one->number);
    } else {
        jzx_buffer_unref(jzx_message_buffer_of(&message));
    }
}

/* What is refused. */
static void deliver_badly(jzx_context *context, const struct api_state *state)
{
    jzx_message message;
    jzx_deliver_options options;
    uint32_t fault = api_below(3);
    any_options(context, &options);
    options.on_done = fault == 0 ? NULL : on_done;
    options.retry_ns = fault == 1 ? 0 : options.retry_ns;
    options.attempt_ns = fault == 2 ? 0 : options.attempt_ns;
    jzx_addressee to = any_addressee();
    api_message(&message, context);
    jzx_err err = jzx_deliver(context, state->deliverer, &to, &message, &options, NULL);
    FUZZ_REQUIRE(err != JZX_OK);
    api_message_result(&message, err);
}

/* ---- the receiver ---- */

/* A new one, or one that was left on this loop. */
static void make_intake(jzx_context *context, struct api_state *state)
{
    if (api_below(4) != 1) {
        for (uint32_t i = 0; i < LEFT_MAX; i++) {
            struct left *left = &works.left[i];
            if (left->intake != NULL && left->loop == jzx_context_loop(context)) {
                state->intake = left->intake;
                state->intake_number = left->number;
                left->intake = NULL;
                return;
            }
        }
    }
    uint32_t senders = 1 + api_below(2);
    uint32_t each = CAPACITY_MAX - api_below(2);
    if (jzx_intake_create(context, senders, each, &state->intake) == JZX_OK) {
        state->intake_number = ++works.intakes;
    }
}

static void answer(jzx_context *context, const struct api_state *state, struct handed *handed)
{
    uint32_t code = api_below(CODES);
    if (jzx_intake_answer(context, state->intake, &handed->key, (int32_t)code) != JZX_OK) {
        return;
    }
    FUZZ_REQUIRE(handed->intake == state->intake_number && handed->owner == jzx_self(context) && !handed->answered);
    handed->answered = true;
    if (handed->made != NULL) {
        handed->made->answers |= 1u << code;
    }
}

static struct made *made_by(const jzx_message *message)
{
    uint32_t index;
    FUZZ_REQUIRE(message->tag == TAG_DELIVERED && message->size == sizeof index && message->ref == 0);
    memcpy(&index, jzx_message_data(message), sizeof index);
    FUZZ_REQUIRE(index < works.made_count && works.made[index].sender == message->sender);
    return &works.made[index];
}

static void note_handed(jzx_context *context, const struct api_state *state, const jzx_taken *taken)
{
    for (uint32_t i = 0; i < works.handed_count; i++) {
        const struct handed *before = &works.handed[i];
        bool same = before->intake == state->intake_number && before->key.sender == taken->key.sender &&
                    before->key.number == taken->key.number;
        FUZZ_REQUIRE(!same || (!before->answered && before->owner != jzx_self(context)));
    }
    struct made *made = made_by(&taken->message);
    if (works.handed_count == HANDED_MAX) {
        return;
    }
    struct handed *handed = &works.handed[works.handed_count++];
    *handed = (struct handed){
        .intake = state->intake_number, .key = taken->key, .owner = jzx_self(context), .made = made};
    if (api_below(3) == 0) {
        answer(context, state, handed);
    }
}

void api_take(jzx_context *context, struct api_state *state, const jzx_message *message)
{
    jzx_taken taken;
    if (state->intake == NULL && api_below(4) != 3) {
        make_intake(context, state);
    }
    if (jzx_intake_take(context, state->intake, message, &taken) == JZX_OK) {
        note_handed(context, state, &taken);
    }
}

/* One that was handed out, to this actor or another, or a key of nothing. */
static void answer_any(jzx_context *context, const struct api_state *state)
{
    uint32_t nth = api_below(8);
    if (nth < works.handed_count) {
        answer(context, state, &works.handed[works.handed_count - 1 - nth]);
    } else {
        const jzx_delivery_key key = {.sender = api_below(4), .number = api_below(4)};
        (void)jzx_intake_answer(context, state->intake, &key, 0); /* whatever it says */
    }
}

/* ---- both ---- */

void api_deliver(jzx_context *context, struct api_state *state)
{
    if (state->deliverer == NULL) {
        (void)jzx_deliverer_create(context, CAPACITY_MAX - api_below(CAPACITY_MAX + 1), &state->deliverer);
    }
    switch (api_below(10)) {
    case 0:
        if (jzx_deliverer_destroy(context, state->deliverer) == JZX_OK) {
            state->deliverer = NULL;
        }
        break;
    case 1:
        (void)jzx_deliver_cancel(context, state->deliverer, api_any(&api.deliveries));
        break;
    case 2:
        deliver_badly(context, state);
        break;
    case 3:
    case 4:
        answer_any(context, state);
        break;
    case 5:
        FUZZ_REQUIRE(jzx_deliverer_open(state->deliverer) <= CAPACITY_MAX);
        break;
    default:
        deliver(context, state);
        break;
    }
}

void api_works_fini(jzx_context *context, struct api_state *state)
{
    FUZZ_REQUIRE(jzx_deliverer_destroy(context, state->deliverer) == JZX_OK);
    for (uint32_t i = 0; state->intake != NULL && i < LEFT_MAX && api_below(2) == 1; i++) {
        if (works.left[i].intake == NULL) {
            works.left[i] = (struct left){state->intake, jzx_context_loop(context), state->intake_number};
            return;
        }
    }
    jzx_intake_destroy(state->intake);
}
