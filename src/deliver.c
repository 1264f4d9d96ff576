/*
 * deliver: deliveries, which are calls that are made again, and intakes, which know what came before.
 *
 * A deliverer and an intake are memory of the actor that made them; nobody but its loop's thread comes here. What travels is an
 * envelope: a jzx_buffer with the message and its key, one for all attempts.
 *
 *   attempt: a call whose continuation is on_answer()      pause: a gathering without calls, whose continuation is on_rest()
 *
 * Invariants
 *   DL1  An open delivery waits for one continuation, that of its attempt or of its pause, and goes from one to the other
 *        inside of it. So it ends once, and nothing of it comes after that.
 *   DL2  Those open have numbers in [floor, floor + capacity), and `floor` is the oldest of them. So each has a place by its
 *        number, here and at an intake that keeps `each` >= capacity; an intake knows of none below the floor it was told.
 *   DL3  A delivery that is over (its deadline has passed, its sender has ended) is never handed out; nor is one below the floor.
 *        Once over, for one intake, it is over for good: the clock of a loop and the ids of actors do not go back. So a
 *        sender of whom all is over may be forgotten.
 *   DL4  A place of an intake that is OPEN has the last attempt's request; those before it were answered, and nobody waits
 *        for them.
 */
#include "sched/buffer.h"
#include "sched/call.h"
#include "src/internal.h"
#include <jzx/deliver.h>

/* What is the same in all attempts. */
struct envelope {
    jzx_delivery_key key;
    uint64_t floor;       /* when it was made (DL2) */
    uint64_t deadline_ns; /* nobody waits for it after that */
    uint64_t capacity;
    jzx_message message; /* by value, or with the buffer that the envelope's holds */
};

/* The answer to an attempt. */
struct answer {
    int32_t err;  /* jzx_err */
    int32_t code; /* of the receiver, with JZX_ERR_REFUSED */
};

struct delivery {
    jzx_deliverer *deliverer;
    jzx_buffer *envelope; /* NULL: this place is free */
    uint64_t number;
    uint64_t waits; /* the call, or the gathering */
    jzx_addressee to;
    uint64_t retry_ns;
    uint64_t attempt_ns;
    uint64_t deadline_ns;
    jzx_delivered_fn on_done;
    void *argument;
    uint32_t retries_max;
    uint32_t attempts;
    int32_t last; /* jzx_err */
    bool rests;   /* `waits` is a gathering */
    bool cancelled;
};
_Static_assert(sizeof(struct delivery) == 136 && sizeof(struct envelope) == 104, "as jzx/deliver.h says");

struct jzx_deliverer {
    jzx_loop *loop;
    jzx_actor_id owner;
    uint64_t key;   /* jzx_delivery_key.sender */
    uint64_t next;  /* number */
    uint64_t floor; /* DL2 */
    uint32_t open;
    uint32_t capacity;
    struct delivery places[];
};

void jzx_deliver_options_init(jzx_deliver_options *options)
{
    if (options != NULL) {
        *options = (jzx_deliver_options){.struct_size = sizeof *options,
                                         .retry_ns = 100000000,
                                         .attempt_ns = JZX_FOREVER,
                                         .deadline_ns = JZX_FOREVER,
                                         .retries_max = 10};
    }
}

jzx_addressee jzx_addressee_id(jzx_actor_id id)
{
    return (jzx_addressee){.id = id};
}

jzx_addressee jzx_addressee_child(jzx_child_ref child)
{
    return (jzx_addressee){.child = child};
}

jzx_addressee jzx_addressee_name(const char *name)
{
    jzx_addressee to = {.id = 0};
    size_t length = name == NULL ? 0 : strnlen(name, sizeof to.name);
    if (length < sizeof to.name) { /* else none, which is refused */
        memcpy(to.name, name == NULL ? "" : name, length);
    }
    return to;
}

/* ---- the deliverer ---- */

static size_t deliverer_size(uint32_t capacity)
{
    return sizeof(jzx_deliverer) + capacity * sizeof(struct delivery);
}

jzx_err jzx_deliverer_create(jzx_context *context, uint32_t capacity, jzx_deliverer **out)
{
    jzx_err err = jzx__check_living(context);
    if (err != JZX_OK) {
        return err;
    }
    if (out == NULL || capacity == 0 || capacity > JZX_DELIVERIES_MAX) {
        return JZX_ERR_INVALID_ARG;
    }
    jzx_loop *loop = context->loop;
    jzx_deliverer *deliverer = jzx__allocate(loop, JZX_MEMORY_STATE, deliverer_size(capacity), _Alignof(jzx_deliverer));
    if (deliverer == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    memset(deliverer, 0, deliverer_size(capacity));
    *deliverer = (jzx_deliverer){.loop = loop, .owner = context->self, .next = 1, .floor = 1, .capacity = capacity};
    deliverer->key = (uint64_t)loop->index << 48 | ++loop->deliverers;
    *out = deliverer;
    return JZX_OK;
}

static jzx_err check_deliverer(const jzx_context *context, const jzx_deliverer *deliverer)
{
    jzx_err err = jzx__check_actor(context);
    bool own = err == JZX_OK && deliverer != NULL && deliverer->owner == context->self;
    return err == JZX_OK && !own ? JZX_ERR_INVALID_ARG : err;
}

jzx_err jzx_deliverer_destroy(jzx_context *context, jzx_deliverer *deliverer)
{
    if (deliverer == NULL) {
        return JZX_OK;
    }
    jzx_err err = check_deliverer(context, deliverer);
    if (err != JZX_OK) {
        return err;
    }
    if (deliverer->open > 0 && !context->ending) {
        return JZX_ERR_BUSY;
    }
    for (uint32_t i = 0; i < deliverer->capacity; i++) {
        jzx_buffer_unref(deliverer->places[i].envelope);
    }
    jzx__release(deliverer->loop, JZX_MEMORY_STATE, deliverer, deliverer_size(deliverer->capacity),
                 _Alignof(jzx_deliverer));
    return JZX_OK;
}

uint32_t jzx_deliverer_open(const jzx_deliverer *deliverer)
{
    return deliverer == NULL ? 0 : deliverer->open;
}

static const struct envelope *envelope_of(const jzx_buffer *buffer)
{
    return (const struct envelope *)(const void *)buffer->bytes;
}

/* An attempt's message: it shows the payload to whoever looks at dead letters, and counts as that. */
static jzx_message seal(jzx_buffer *buffer)
{
    const struct envelope *envelope = envelope_of(buffer);
    const void *data = jzx_message_data(&envelope->message);
    jzx_message message = jzx_message_buffer(JZX_TAG_SYS_DELIVERY, buffer);
    message.pointer.data = (void *)(uintptr_t)(data != NULL ? data : envelope);
    message.size = envelope->message.size;
    return message;
}

static jzx_err resolve(const jzx_context *context, const jzx_addressee *to, jzx_actor_id *id)
{
    if (to->id != 0) {
        *id = to->id;
        return JZX_OK;
    }
    return to->child != 0 ? jzx_child_id(context->loop->runtime, to->child, id)
                          : jzx_whereis(context->loop->runtime, to->name, id);
}

/* Whether another attempt may have a better end. */
static bool is_final(const jzx_addressee *to, jzx_err err)
{
    switch (err) {
    case JZX_ERR_NO_SUCH_ACTOR:
    case JZX_ERR_STOPPING:
    case JZX_ERR_ENDED:
    case JZX_ERR_LOOP_CLOSED:
        return to->id != 0;
    case JZX_ERR_NOT_FOUND:
        return to->child != 0;
    case JZX_ERR_NOT_RUNNING:
    case JZX_ERR_MAILBOX_FULL:
    case JZX_ERR_WOULD_BLOCK:
    case JZX_ERR_LIMIT:
    case JZX_ERR_TIMEOUT:
    case JZX_ERR_BUSY:
    case JZX_ERR_NO_MEMORY:
        return false;
    default:
        return true;
    }
}

static uint64_t nearer_ns(const jzx_context *context, uint64_t after_ns, uint64_t deadline_ns)
{
    uint64_t due_ns = jzx__add_saturating(context->loop->now_ns, after_ns);
    return due_ns < deadline_ns ? due_ns : deadline_ns;
}

static jzx_behavior_result on_answer(jzx_context *context, void *state, void *argument, const jzx_result *result);
static jzx_behavior_result on_rest(jzx_context *context, void *state, void *argument, const jzx_gathered *gathered);

/* After an attempt that failed. Returns why there is no other one; JZX_OK: it is waited for. */
static jzx_err rest(jzx_context *context, struct delivery *delivery, jzx_err failed)
{
    delivery->last = failed;
    if (delivery->attempts > delivery->retries_max) {
        return JZX_ERR_UNDELIVERED;
    }
    jzx_gather_options pause;
    jzx_gather_options_init(&pause);
    pause.deadline_ns = nearer_ns(context, delivery->retry_ns, delivery->deadline_ns);
    pause.on_done = on_rest;
    pause.argument = delivery;
    delivery->rests = true;
    return jzx__gather_begin(context, &pause, &delivery->waits);
}

/* The same of an attempt, which is made here. */
static jzx_err attempt(jzx_context *context, struct delivery *delivery)
{
    if (delivery->deadline_ns <= context->loop->now_ns) {
        return JZX_ERR_TIMEOUT;
    }
    const jzx_message message = seal(delivery->envelope);
    const jzx__call_order order = {.deadline_ns = nearer_ns(context, delivery->attempt_ns, delivery->deadline_ns),
                                   .on_answer = on_answer,
                                   .argument = delivery};
    jzx_actor_id id;
    jzx_err err = resolve(context, &delivery->to, &id);
    delivery->attempts++;
    delivery->rests = false;
    if (err == JZX_OK) {
        jzx_buffer_ref(delivery->envelope);
        err = jzx__call(context, id, &message, &order, &delivery->waits);
        if (err != JZX_OK) {
            jzx_buffer_unref(delivery->envelope);
        }
    }
    bool over = err == JZX_ERR_TIMEOUT || is_final(&delivery->to, err); /* refused as too late: its scope is over */
    return err == JZX_OK || over ? err : rest(context, delivery, err);
}

static void free_place(struct delivery *delivery)
{
    jzx_deliverer *deliverer = delivery->deliverer;
    jzx_buffer_unref(delivery->envelope);
    delivery->envelope = NULL;
    deliverer->open--;
    while (deliverer->floor < deliverer->next &&
           deliverer->places[deliverer->floor % deliverer->capacity].envelope == NULL) {
        deliverer->floor++; /* DL2 */
    }
}

/* Its place is free before on_done runs, which may make the next one. */
static jzx_behavior_result end(jzx_context *context, void *state, struct delivery *delivery, jzx_err err, int32_t code)
{
    const jzx_delivered delivered = {.delivery = delivery->number,
                                     .err = err,
                                     .code = code,
                                     .attempts = delivery->attempts,
                                     .last = (jzx_err)delivery->last};
    jzx_delivered_fn on_done = delivery->on_done;
    void *argument = delivery->argument;
    free_place(delivery);
    jzx_behavior_result result = on_done(context, state, argument, &delivered);
    return result == JZX_BEHAVIOR_UNHANDLED ? JZX_BEHAVIOR_OK : result; /* no payload of the user's is at stake */
}

/* What an attempt's answer says. Whoever answers by himself does not know what a delivery is. */
static struct answer read_answer(const jzx_message *message)
{
    struct answer answer = {.err = JZX_ERR_UNHANDLED};
    if (message->tag == JZX_TAG_SYS_DELIVERY) {
        memcpy(&answer, message->bytes, sizeof answer);
    } else if ((message->flags & (JZX_MESSAGE_POINTER | JZX_MESSAGE_LENT)) == JZX_MESSAGE_POINTER &&
               message->pointer.drop != NULL) {
        message->pointer.drop(message->pointer.drop_context, message->pointer.data, message->size);
    }
    return answer;
}

static jzx_behavior_result on_answer(jzx_context *context, void *state, void *argument, const jzx_result *result)
{
    struct delivery *delivery = argument;
    JZX_ASSERT(delivery->envelope != NULL && !delivery->rests && delivery->waits == result->ref); /* DL1 */
    struct answer answer = {.err = result->err};
    if (result->err == JZX_OK) {
        answer = read_answer(result->message);
    }
    jzx_err err = (jzx_err)answer.err;
    if (err != JZX_OK && !is_final(&delivery->to, err)) {
        err = delivery->cancelled ? JZX_ERR_CANCELLED : rest(context, delivery, err);
        if (err == JZX_OK) {
            return JZX_BEHAVIOR_OK;
        }
    }
    return end(context, state, delivery, err, answer.code);
}

/* Its pause is over. Nothing but its scope or jzx_deliver_cancel() cancels one. */
static jzx_behavior_result on_rest(jzx_context *context, void *state, void *argument, const jzx_gathered *gathered)
{
    struct delivery *delivery = argument;
    JZX_ASSERT(delivery->envelope != NULL && delivery->rests); /* DL1 */
    bool cancelled = delivery->cancelled || gathered->err == JZX_ERR_CANCELLED;
    jzx_err err = cancelled ? JZX_ERR_CANCELLED : attempt(context, delivery);
    return err == JZX_OK ? JZX_BEHAVIOR_OK : end(context, state, delivery, err, 0);
}

/* ---- making a delivery ---- */

static jzx_err check_to(const jzx_loop *loop, const jzx_addressee *to)
{
    if (to == NULL || (to->id != 0) + (to->child != 0) + (to->name[0] != '\0') != 1) {
        return JZX_ERR_INVALID_ARG;
    }
    uint64_t number = to->id | to->child;
    bool possible = number == 0 || ((uint32_t)number != 0 && jzx__id_loop(number) < loop->runtime->loop_count);
    return possible && memchr(to->name, '\0', sizeof to->name) != NULL ? JZX_OK : JZX_ERR_INVALID_ARG;
}

static jzx_err check_options(const jzx_deliver_options *options)
{
    bool valid = options != NULL && options->struct_size == sizeof *options && options->on_done != NULL &&
                 options->retry_ns != 0 && options->attempt_ns != 0 && options->retries_max != UINT32_MAX;
    return valid ? JZX_OK : JZX_ERR_INVALID_ARG;
}

static jzx_err check_payload(const jzx_message *message)
{
    jzx_err err = jzx__check_message(message);
    bool lasting = err == JZX_OK &&
                   ((message->flags & JZX_MESSAGE_POINTER) == 0 || (message->flags & JZX_MESSAGE_LENT) != 0);
    return lasting ? JZX_OK : JZX_ERR_INVALID_ARG;
}

static jzx_err make_envelope(const jzx_context *context, const jzx_deliverer *deliverer, const jzx_message *message,
                             uint64_t deadline_ns, jzx_buffer **buffer)
{
    void *bytes;
    jzx_err err = jzx_buffer_make(context->loop->runtime, sizeof(struct envelope), buffer, &bytes);
    if (err == JZX_OK) {
        struct envelope *envelope = bytes;
        *envelope = (struct envelope){.key = {.sender = deliverer->key, .number = deliverer->next},
                                      .floor = deliverer->floor,
                                      .deadline_ns = deadline_ns,
                                      .capacity = deliverer->capacity,
                                      .message = *message};
        envelope->message.flags &= (uint32_t)(JZX_MESSAGE_POINTER | JZX_MESSAGE_LENT);
        envelope->message.sender = context->self;
        envelope->message.ref = 0;
    }
    return err;
}

jzx_err jzx_deliver(jzx_context *context, jzx_deliverer *deliverer, const jzx_addressee *to, const jzx_message *message,
                    const jzx_deliver_options *options, uint64_t *number)
{
    jzx_err err = check_deliverer(context, deliverer);
    err = err == JZX_OK ? jzx__check_living(context) : err;
    err = err == JZX_OK ? check_to(context->loop, to) : err;
    err = err == JZX_OK ? check_options(options) : err;
    err = err == JZX_OK ? check_payload(message) : err;
    if (err == JZX_OK && deliverer->next - deliverer->floor >= deliverer->capacity) {
        err = JZX_ERR_LIMIT;
    }
    if (err != JZX_OK) {
        return err;
    }
    uint64_t scope_ns = jzx_deadline(context);
    struct delivery *delivery = &deliverer->places[deliverer->next % deliverer->capacity];
    JZX_ASSERT(delivery->envelope == NULL); /* DL2 */
    *delivery = (struct delivery){.deliverer = deliverer,
                                  .number = deliverer->next,
                                  .to = *to,
                                  .retry_ns = options->retry_ns,
                                  .attempt_ns = options->attempt_ns,
                                  .deadline_ns = options->deadline_ns < scope_ns ? options->deadline_ns : scope_ns,
                                  .on_done = options->on_done,
                                  .argument = options->argument,
                                  .retries_max = options->retries_max};
    jzx_buffer *envelope;
    err = make_envelope(context, deliverer, message, delivery->deadline_ns, &envelope);
    if (err != JZX_OK) {
        return err;
    }
    delivery->envelope = envelope;
    err = attempt(context, delivery);
    if (err != JZX_OK) {
        delivery->envelope = NULL;
        jzx_buffer_unref(envelope); /* it does not hold the payload yet */
        return err == JZX_ERR_UNDELIVERED ? (jzx_err)delivery->last : err;
    }
    envelope->inside = jzx_message_buffer_of(message);
    deliverer->next++;
    deliverer->open++;
    if (number != NULL) {
        *number = delivery->number;
    }
    return JZX_OK;
}

jzx_err jzx_deliver_cancel(jzx_context *context, jzx_deliverer *deliverer, uint64_t number)
{
    jzx_err err = check_deliverer(context, deliverer);
    if (err != JZX_OK) {
        return err;
    }
    struct delivery *delivery = &deliverer->places[number % deliverer->capacity];
    if (delivery->envelope == NULL || delivery->number != number) {
        return JZX_ERR_NO_SUCH_REQUEST;
    }
    delivery->cancelled = true;
    if (delivery->rests) {
        (void)jzx__gather_cancel(context, delivery->waits); /* unless its end is in the mailbox already */
    } else {
        (void)jzx__call_cancel(context, delivery->waits);
    }
    return JZX_OK;
}

/* ---- the intake ---- */

enum { LOOKED_AT_MAX = 256 }; /* deliverers that may be over, of which one is forgotten for another */

typedef enum place_state {
    PLACE_NEW = 0, /* nothing is known of it */
    PLACE_OPEN,    /* handed out */
    PLACE_ANSWERED,
} place_state;

struct place {
    uint64_t ref; /* OPEN: the request (DL4) */
    int32_t code; /* ANSWERED */
    uint32_t state;
};

struct sender {
    jzx__map_node by_key;
    jzx_actor_id actor;
    uint64_t floor;
    uint64_t deadline_ns; /* the latest */
};
_Static_assert(sizeof(struct sender) == 40 && sizeof(struct place) == 16, "as jzx/deliver.h says");

struct jzx_intake {
    jzx_loop *loop;
    jzx_actor_id owner; /* who took from it last */
    uint32_t senders_max;
    uint32_t each;
    uint32_t count; /* of senders, from the first */
    uint32_t hand;  /* where the next one that is over is looked for */
    jzx__map by_key;
    struct place *places; /* `each` for each sender */
    struct sender senders[];
};

static size_t places_at(uint32_t senders)
{
    size_t end = sizeof(jzx_intake) + senders * sizeof(struct sender);
    return (end + _Alignof(struct place) - 1) / _Alignof(struct place) * _Alignof(struct place);
}

static size_t intake_size(uint32_t senders, uint32_t each)
{
    return places_at(senders) + (size_t)senders * each * sizeof(struct place);
}

jzx_err jzx_intake_create(jzx_context *context, uint32_t senders, uint32_t each, jzx_intake **out)
{
    jzx_err err = jzx__check_context(context);
    if (err != JZX_OK) {
        return err;
    }
    if (out == NULL || senders == 0 || senders > JZX_SENDERS_MAX || each == 0 || each > JZX_DELIVERIES_MAX) {
        return JZX_ERR_INVALID_ARG;
    }
    jzx_loop *loop = context->loop;
    size_t size = intake_size(senders, each);
    jzx_intake *intake = jzx__allocate(loop, JZX_MEMORY_STATE, size, _Alignof(jzx_intake));
    if (intake == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    memset(intake, 0, size);
    *intake = (jzx_intake){.loop = loop, .senders_max = senders, .each = each};
    intake->places = (struct place *)(void *)((uint8_t *)intake + places_at(senders));
    err = jzx__map_init(&intake->by_key, senders, &loop->config->allocators[JZX_MEMORY_STATE]);
    if (err != JZX_OK) {
        jzx__release(loop, JZX_MEMORY_STATE, intake, size, _Alignof(jzx_intake));
        return err;
    }
    *out = intake;
    return JZX_OK;
}

void jzx_intake_destroy(jzx_intake *intake)
{
    if (intake != NULL) {
        jzx__map_deinit(&intake->by_key);
        jzx__release(intake->loop, JZX_MEMORY_STATE, intake, intake_size(intake->senders_max, intake->each),
                     _Alignof(jzx_intake));
    }
}

static struct place *place_of(const jzx_intake *intake, const struct sender *sender, uint64_t number)
{
    size_t index = (size_t)(sender - intake->senders);
    return &intake->places[index * intake->each + number % intake->each];
}

/* Nobody need wait for a request: what it asks is answered by others, or not wanted. */
static void answer(jzx_context *context, uint64_t ref, jzx_err err, int32_t code)
{
    const struct answer words = {.err = err, .code = code};
    jzx_message message = jzx_message_value(JZX_TAG_SYS_DELIVERY, &words, sizeof words);
    (void)jzx__request_answer(context, ref, &message); /* one that its handler has put back is gone */
}

static void answer_code(jzx_context *context, uint64_t ref, int32_t code)
{
    answer(context, ref, code == 0 ? JZX_OK : JZX_ERR_REFUSED, code);
}

static void forget(jzx_context *context, struct place *place)
{
    if (place->state == PLACE_OPEN) {
        answer(context, place->ref, JZX_ERR_BUSY, 0);
    }
    *place = (struct place){.state = PLACE_NEW};
}

/* The owner before has ended, and the runtime has answered what it had open. */
static void take_over(jzx_intake *intake, jzx_actor_id owner)
{
    for (size_t i = 0; i < (size_t)intake->count * intake->each; i++) {
        if (intake->places[i].state == PLACE_OPEN) {
            intake->places[i] = (struct place){.state = PLACE_NEW};
        }
    }
    intake->owner = owner;
}

/* An id names one actor for good, so one that has ended is seen as that by all that come later. */
static bool has_ended(const jzx_loop *here, jzx_actor_id id)
{
    return jzx__slot_length(&here->runtime->loops[jzx__id_loop(id)]->slots, id) == UINT32_MAX;
}

/* DL3 */
static bool is_over(const jzx_loop *loop, jzx_actor_id sender, uint64_t deadline_ns)
{
    return deadline_ns <= loop->now_ns || has_ended(loop, sender);
}

static struct sender *take_sender(jzx_context *context, jzx_intake *intake)
{
    if (intake->count < intake->senders_max) {
        return &intake->senders[intake->count++];
    }
    for (uint32_t i = 0; i < LOOKED_AT_MAX && i < intake->count; i++) {
        struct sender *sender = &intake->senders[intake->hand];
        intake->hand = (intake->hand + 1) % intake->count;
        if (is_over(intake->loop, sender->actor, sender->deadline_ns)) {
            jzx__map_remove(&intake->by_key, &sender->by_key);
            for (uint32_t number = 0; number < intake->each; number++) {
                forget(context, place_of(intake, sender, number));
            }
            return sender;
        }
    }
    return NULL;
}

static struct sender *find_sender(const jzx_intake *intake, uint64_t key)
{
    jzx__map_node *node = jzx__map_find(&intake->by_key, key);
    return node == NULL ? NULL : jzx__container_of(node, struct sender, by_key);
}

/* The deliverer of an envelope, as it is known from now on; NULL: there is no room. */
static struct sender *meet(jzx_context *context, jzx_intake *intake, const struct envelope *envelope)
{
    struct sender *sender = find_sender(intake, envelope->key.sender);
    if (sender == NULL) {
        sender = take_sender(context, intake);
        if (sender == NULL) {
            return NULL;
        }
        *sender = (struct sender){.actor = envelope->message.sender, .floor = envelope->floor};
        jzx__map_add(&intake->by_key, &sender->by_key, envelope->key.sender);
    }
    for (uint32_t i = 0; i < intake->each && sender->floor + i < envelope->floor; i++) {
        forget(context, place_of(intake, sender, sender->floor + i)); /* DL2 */
    }
    sender->floor = envelope->floor > sender->floor ? envelope->floor : sender->floor;
    sender->deadline_ns = envelope->deadline_ns > sender->deadline_ns ? envelope->deadline_ns : sender->deadline_ns;
    return sender;
}

/* Takes an attempt that is neither over nor of a deliverer which is not known. */
static jzx_err take_known(jzx_context *context, jzx_intake *intake, const struct sender *sender, uint64_t number,
                          uint64_t ref)
{
    if (number < sender->floor) {
        answer(context, ref, JZX_ERR_TIMEOUT, 0);
        return JZX_ERR_TIMEOUT;
    }
    JZX_ASSERT(number - sender->floor < intake->each); /* DL2 */
    struct place *place = place_of(intake, sender, number);
    switch ((place_state)place->state) {
    case PLACE_NEW:
        *place = (struct place){.ref = ref, .state = PLACE_OPEN};
        return JZX_OK;
    case PLACE_OPEN:
        answer(context, place->ref, JZX_ERR_BUSY, 0);
        place->ref = ref; /* DL4 */
        break;
    case PLACE_ANSWERED:
        answer_code(context, ref, place->code);
        break;
    }
    return JZX_ERR_DUPLICATE;
}

static jzx_err take(jzx_context *context, jzx_intake *intake, const struct envelope *envelope, uint64_t ref)
{
    if (intake->owner != context->self) {
        take_over(intake, context->self);
    }
    const struct sender *sender = NULL;
    jzx_err err = JZX_OK;
    if (is_over(context->loop, envelope->message.sender, envelope->deadline_ns)) {
        err = JZX_ERR_TIMEOUT;
    } else if (envelope->capacity > intake->each) {
        err = JZX_ERR_TOO_BIG;
    } else {
        sender = meet(context, intake, envelope);
        err = sender == NULL ? JZX_ERR_LIMIT : JZX_OK;
    }
    if (err != JZX_OK) {
        answer(context, ref, err, 0);
        return err;
    }
    return take_known(context, intake, sender, envelope->key.number, ref);
}

jzx_err jzx_intake_take(jzx_context *context, jzx_intake *intake, const jzx_message *message, jzx_taken *taken)
{
    jzx_err err = jzx__check_living(context);
    if (err != JZX_OK) {
        return err;
    }
    if (intake == NULL || message == NULL || taken == NULL || intake->loop != context->loop) {
        return JZX_ERR_INVALID_ARG;
    }
    const jzx_buffer *buffer = jzx_message_buffer_of(message);
    if (message->tag != JZX_TAG_SYS_DELIVERY || (message->flags & JZX_MESSAGE_REQUEST) == 0 || buffer == NULL) {
        return JZX_ERR_NOT_FOUND;
    }
    const struct envelope *envelope = envelope_of(buffer);
    err = take(context, intake, envelope, message->ref);
    if (err == JZX_OK) {
        taken->key = envelope->key;
        taken->message = envelope->message;
        context->scope = 0; /* of this attempt: another may be joined to it */
    }
    return err;
}

jzx_err jzx_intake_answer(jzx_context *context, jzx_intake *intake, const jzx_delivery_key *key, int32_t code)
{
    jzx_err err = jzx__check_actor(context);
    if (err != JZX_OK) {
        return err;
    }
    if (intake == NULL || key == NULL || intake->loop != context->loop) {
        return JZX_ERR_INVALID_ARG;
    }
    const struct sender *sender = find_sender(intake, key->sender);
    if (intake->owner != context->self || sender == NULL || key->number < sender->floor ||
        key->number - sender->floor >= intake->each) {
        return JZX_ERR_NO_SUCH_REQUEST;
    }
    struct place *place = place_of(intake, sender, key->number);
    if (place->state != PLACE_OPEN) {
        return JZX_ERR_NO_SUCH_REQUEST;
    }
    answer_code(context, place->ref, code);
    *place = (struct place){.code = code, .state = PLACE_ANSWERED};
    return JZX_OK;
}
