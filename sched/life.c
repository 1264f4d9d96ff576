/*
 * life: an actor from spawn to exit, and its turn.
 *
 * Owner thread only.
 *
 * Invariants
 *   E1  fini runs once for each init that succeeded, after the mail was destroyed and before anything the actor owns is
 *       let go.
 *   E2  The first reason wins: once a slot is stopping, later ends change nothing. A drain is no reason yet.
 *   E3  A notice of the exit is sent only when fini has run, what the actor owned is let go, and its id is stale (P6).
 *   E4  An actor is torn down only from the run queue, never inside another's handler.
 */
#include "sched/mailbox.h"

enum { NEST_MAX = 16 };

static void context_init(jzx_context *context, jzx_loop *loop, uint32_t index)
{
    context->loop = loop;
    context->self = jzx__public(loop, index)->id;
    context->slot = index;
    context->depth = 0;
    context->ending = false;
    context->tag = 0;
    context->special = false;
    context->answered = false;
    context->handling = NULL;
    context->end = 0; /* code and text are set with it */
    context->buffer = JZX__NO_BUFFER;
}

static void copy_text(char *to, size_t size, const char *from)
{
    size_t length = from == NULL ? 0 : strnlen(from, size - 1);
    if (length != 0) {
        memcpy(to, from, length);
    }
    memset(to + length, 0, size - length);
}

/* ---- spawn ---- */

static jzx_err make_state(jzx_loop *loop, jzx__hot *hot, const jzx_spawn_options *options)
{
    hot->state = options->argument;
    if (options->state_size == 0) {
        return JZX_OK;
    }
    size_t size = (size_t)options->state_size + JZX__STATE_PREFIX;
    char *memory = jzx__allocate(loop, JZX_MEMORY_STATE, size, JZX__STATE_PREFIX);
    if (memory == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    memset(memory, 0, size);
    memcpy(memory, &size, sizeof size);
    hot->state = memory + JZX__STATE_PREFIX;
    hot->flags |= JZX__SLOT_OWN_STATE;
    return JZX_OK;
}

static void free_state(jzx_loop *loop, jzx__hot *hot)
{
    if ((hot->flags & JZX__SLOT_OWN_STATE) != 0) {
        char *memory = (char *)hot->state - JZX__STATE_PREFIX;
        size_t size;
        memcpy(&size, memory, sizeof size);
        jzx__release(loop, JZX_MEMORY_STATE, memory, size, JZX__STATE_PREFIX);
    }
}

static void fill_slot(jzx_loop *loop, uint32_t index, const jzx_spawn_options *options, jzx_actor_id parent)
{
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    const jzx_config *config = loop->config;
    hot->behavior = options->behavior;
    hot->cap = options->mailbox_cap != 0 ? options->mailbox_cap : config->mailbox_cap;
    hot->bytes_cap = options->mailbox_bytes != 0 ? options->mailbox_bytes : config->mailbox_bytes;
    hot->per_turn = options->messages_per_turn != 0 ? options->messages_per_turn : (uint16_t)config->messages_per_actor;
    hot->policy = options->mailbox_policy;
    hot->high = jzx__slot_high_mark(hot->cap);
    jzx__cold *cold = jzx__slot_cold(&loop->slots, index);
    cold->fini = options->fini;
    cold->started_ns = loop->now_ns;
    jzx_segment_slot *public = jzx__public(loop, index);
    public->parent = parent;
    if (options->name != NULL) {
        memcpy(public->name, options->name, strnlen(options->name, sizeof public->name - 1));
    }
}

static jzx_err run_init(jzx_loop *loop, uint32_t index, const jzx_spawn_options *options, uint32_t depth, jzx_context *context)
{
    context_init(context, loop, index);
    context->depth = depth;
    if (options->init == NULL) {
        return JZX_OK;
    }
    void *state = jzx__slot_hot(&loop->slots, index)->state;
    jzx_err err = options->init(context, options->argument, &state);
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    if (err == JZX_OK && (hot->flags & JZX__SLOT_OWN_STATE) == 0) {
        hot->state = state;
    }
    return err;
}

/* After an init that failed: the slot goes, now or when it comes out of the run queue (A3). */
static void stillborn(jzx_loop *loop, uint32_t index, int32_t code)
{
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    hot->flags |= JZX__SLOT_STILLBORN;
    if ((hot->flags & JZX__SLOT_QUEUED) != 0) {
        if (jzx__public(loop, index)->state == JZX__STOPPING && hot->end != NULL) {
            jzx__cell_free(loop, hot->end);
        }
        jzx__public(loop, index)->state = JZX__STOPPING;
        hot->end = NULL;
        hot->end_code = code;
        return;
    }
    jzx__life_exit(loop, index, JZX_EXIT_INIT, code, NULL, 0);
}

jzx_err jzx__life_spawn(jzx_loop *loop, const jzx_spawn_options *options, jzx_actor_id parent, uint32_t depth,
                        jzx_actor_id *id, int32_t *code)
{
    uint32_t index;
    if (depth > NEST_MAX) {
        return JZX_ERR_LIMIT;
    }
    jzx_err err = jzx__slot_take(&loop->slots, &index);
    if (err != JZX_OK) {
        return err;
    }
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    err = make_state(loop, hot, options);
    if (err != JZX_OK) {
        jzx__slot_give(&loop->slots, index);
        return err;
    }
    fill_slot(loop, index, options, parent);
    if (loop->config->exit_when_idle) {
        atomic_fetch_add_explicit(&loop->runtime->live, 1, memory_order_relaxed);
    }
    jzx_actor_id own_id = jzx__public(loop, index)->id;
    jzx_context context;
    err = run_init(loop, index, options, depth, &context);
    if (err != JZX_OK) {
        *code = (int32_t)err;
        stillborn(loop, index, (int32_t)err);
        return JZX_ERR_INIT;
    }
    jzx_segment_slot *public = jzx__public(loop, index);
    if (public->state == JZX__STARTING) {
        public->state = JZX__RUNNING;
    }
    jzx__count_add(&loop->counters->spawned, 1);
    jzx__observe_start(loop, own_id, public->name);
    if (context.end != 0) {
        (void)jzx__life_end(loop, own_id, (jzx__end)context.end, context.code, context.text);
    }
    *id = own_id;
    return JZX_OK;
}

void jzx__life_spawn_request(jzx_loop *loop, const jzx_spawn_options *options, jzx_actor_id asker, uint32_t depth,
                             uint64_t token)
{
    jzx_spawned result = {.id = 0};
    result.err = jzx__loop_refuses(loop) ? JZX_ERR_LOOP_CLOSED
                                         : jzx__life_spawn(loop, options, asker, depth, &result.id, &result.code);
    jzx_message message = jzx_message_value(JZX_TAG_SYS_SPAWNED, &result, sizeof result);
    jzx__cell *answer = jzx__pool_take_inbound(&loop->pool);
    jzx__cell_from_message(answer, &message, JZX__CELL_ANSWER);
    answer->target = token;
    answer->sender = result.id;
    jzx__answer_route(loop, asker, answer);
}

/* How a spawn travels: name, sizes and token in the first cell, pointers in the second. */
typedef struct spawn_first {
    uint64_t token;
    char name[JZX_ACTOR_NAME_MAX];
    uint32_t state_size;
    uint32_t mailbox_bytes;
} spawn_first;
_Static_assert(sizeof(spawn_first) == JZX_INLINE_MAX, "fits the payload of a cell");

typedef struct spawn_second {
    jzx_behavior_fn behavior;
    jzx_init_fn init;
    jzx_fini_fn fini;
    struct jzx__cell *next; /* of the overflow */
    void *argument;
    uint32_t mailbox_cap;
    uint16_t messages_per_turn;
    uint8_t mailbox_policy;
} spawn_second;
_Static_assert(sizeof(spawn_second) <= sizeof(jzx__cell) &&
                   offsetof(spawn_second, next) == offsetof(jzx__cell, next),
               "fits a cell, and waits in an overflow");

void jzx__life_spawn_pack(const jzx_spawn_options *options, uint64_t token, jzx__cell cells[2])
{
    spawn_first first = {.token = token, .state_size = options->state_size, .mailbox_bytes = options->mailbox_bytes};
    if (options->name != NULL) {
        memcpy(first.name, options->name, strnlen(options->name, sizeof first.name - 1));
    }
    memcpy(cells[0].bytes, &first, sizeof first);
    cells[0].kind = JZX__CELL_SPAWN;
    cells[0].flags = JZX__FLAG_WIDE;
    spawn_second second = {.behavior = options->behavior, .init = options->init, .fini = options->fini,
                           .argument = options->argument, .mailbox_cap = options->mailbox_cap,
                           .messages_per_turn = options->messages_per_turn, .mailbox_policy = options->mailbox_policy};
    memcpy(&cells[1], &second, sizeof second);
}

void jzx__life_spawn_arrived(jzx_loop *loop, const jzx__cell *cell, const jzx__cell *second_cell)
{
    spawn_first first;
    spawn_second second;
    memcpy(&first, cell->bytes, sizeof first);
    memcpy(&second, second_cell, sizeof second);
    jzx_spawn_options options = {.behavior = second.behavior, .init = second.init, .fini = second.fini,
                        .argument = second.argument, .state_size = first.state_size,
                        .mailbox_cap = second.mailbox_cap, .mailbox_bytes = first.mailbox_bytes,
                        .messages_per_turn = second.messages_per_turn, .mailbox_policy = second.mailbox_policy, .name = first.name};
    jzx__life_spawn_request(loop, &options, cell->sender, 1, first.token);
}

/* ---- ends ---- */

static jzx_exit_kind exit_kind_of(uint32_t end)
{
    return end == JZX__END_KILL ? JZX_EXIT_KILLED : end == JZX__END_FAIL ? JZX_EXIT_FAIL : JZX_EXIT_SHUTDOWN;
}

/*
 * Makes a live slot stopping (E2, E4). The text of a failure is in `cell`, which is then the slot's; NULL when there is none.
 * Everything else is in the slot, so that no end waits for a cell.
 */
static void set_stopping(jzx_loop *loop, uint32_t index, jzx__end end, int32_t code, jzx__cell *cell)
{
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    jzx__public(loop, index)->state = JZX__STOPPING;
    hot->end = cell;
    hot->end_kind = (uint16_t)end;
    hot->end_code = code;
    loop->turn.special = true; /* it may be the one that runs */
    jzx__schedule(loop, index);
}

static void fill_end(jzx__cell *cell, jzx_actor_id id, jzx__end end, int32_t code, const char *text)
{
    char whole[JZX_EXIT_TEXT_MAX];
    copy_text(whole, sizeof whole, text);
    jzx__end_cell *ending = (jzx__end_cell *)(void *)cell;
    ending->target = id;
    ending->code = code;
    ending->end = (uint8_t)end;
    ending->kind = JZX__CELL_END;
    ending->flags = 0;
    memcpy(ending->text_head, whole, sizeof ending->text_head);
    memcpy(ending->text_tail, whole + sizeof ending->text_head, sizeof ending->text_tail);
}

/* True when `end` still changes something for a slot in this state. */
static bool end_counts(uint8_t state, uint8_t end)
{
    return state < JZX__DRAINING || (state == JZX__DRAINING && end != JZX__END_DRAIN);
}

static void drain(jzx_loop *loop, uint32_t index)
{
    jzx__public(loop, index)->state = JZX__DRAINING;
    loop->turn.special = true;
    jzx__schedule(loop, index); /* an empty mailbox ends it at its next turn */
}

static jzx_err end_remote(jzx_loop *loop, jzx_actor_id id, jzx__end end, int32_t code, const char *text)
{
    jzx_err err = jzx__route_refusal(loop->runtime, id);
    if (err == JZX_ERR_NO_SUCH_ACTOR || err == JZX_ERR_LOOP_CLOSED) {
        return err; /* full mailboxes and low cells do not refuse a request */
    }
    jzx__cell *cell = jzx__pool_take(&loop->pool, 1);
    if (cell == NULL) {
        return JZX_ERR_WOULD_BLOCK;
    }
    fill_end(cell, id, end, code, text);
    jzx__route_signal(loop, jzx__id_loop(id), cell, NULL);
    return JZX_OK;
}

jzx_err jzx__life_end(jzx_loop *loop, jzx_actor_id id, jzx__end end, int32_t code, const char *text)
{
    if (jzx__id_loop(id) != loop->index) {
        return end_remote(loop, id, end, code, text);
    }
    uint32_t index = jzx__slot_find(&loop->slots, id);
    if (index == JZX__SLOT_NONE) {
        return JZX_ERR_NO_SUCH_ACTOR;
    }
    uint8_t state = jzx__public(loop, index)->state;
    if (!end_counts(state, (uint8_t)end)) {
        return JZX_OK;
    }
    if (end == JZX__END_DRAIN && state == JZX__RUNNING) {
        drain(loop, index);
        return JZX_OK;
    }
    jzx__cell *cell = text != NULL && *text != 0 ? jzx__pool_take(&loop->pool, 1) : NULL;
    if (cell != NULL) {
        fill_end(cell, id, end, code, text);
    }
    set_stopping(loop, index, end, code, cell);
    return JZX_OK;
}

void jzx__life_end_arrived(jzx_loop *loop, const jzx__cell *from)
{
    const jzx__end_cell *ending = (const jzx__end_cell *)(const void *)from;
    uint32_t index = jzx__slot_find(&loop->slots, ending->target);
    if (index == JZX__SLOT_NONE || !end_counts(jzx__public(loop, index)->state, ending->end)) {
        return;
    }
    if (ending->end == JZX__END_DRAIN) {
        drain(loop, index);
        return;
    }
    jzx__cell *cell = ending->text_head[0] != 0 ? jzx__pool_take(&loop->pool, 1) : NULL;
    if (cell != NULL) {
        memcpy(cell, ending, sizeof *ending);
    }
    set_stopping(loop, index, (jzx__end)ending->end, ending->code, cell);
}

void jzx__life_end_all(jzx_loop *loop, uint32_t max)
{
    while (loop->end_cursor < loop->slots.fresh && max-- > 0) {
        uint32_t index = loop->end_cursor++;
        uint8_t state = jzx__public(loop, index)->state;
        if (state == JZX__RUNNING || state == JZX__DRAINING) {
            set_stopping(loop, index, JZX__END_STOP, 0, NULL);
        }
    }
}

/* ---- exit ---- */

static void drop_mail(jzx_loop *loop, uint32_t index)
{
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    jzx_actor_id id = jzx__public(loop, index)->id;
    jzx__cell *cell;
    while ((cell = jzx__queue_pop(&hot->mail)) != NULL) {
        if ((cell->flags & JZX__FLAG_EMBEDDED) != 0) {
            ((jzx__resource *)(void *)cell)->listed = false; /* a DOWN: it goes with its monitor */
            if ((cell->flags & JZX__FLAG_OVERTIME) != 0) {
                jzx__resource_expired(loop, cell);
            }
            continue;
        }
        jzx__mail_left(loop, index, cell);
        if ((cell->flags & JZX__FLAG_REQUEST) != 0) {
            jzx__request_refuse(loop, cell, id, JZX_DROP_ENDED);
        } else {
            jzx__route_dead(loop, cell, id, JZX_DROP_ENDED);
            jzx__cell_free(loop, cell);
        }
    }
}

static void drop_urgent(jzx_loop *loop, jzx__hot *hot)
{
    while (hot->urgent_last != NULL) {
        jzx__cell *cell = jzx__urgent_pop(hot);
        ((jzx__resource *)(void *)cell)->listed = false;
        if ((cell->flags & JZX__FLAG_OVERTIME) != 0) {
            jzx__resource_expired(loop, cell);
        }
    }
}

static void let_go_all(jzx_loop *loop, uint32_t index)
{
    jzx__cold *cold = jzx__slot_cold(&loop->slots, index);
    drop_urgent(loop, jzx__slot_hot(&loop->slots, index));
    if (cold->held != NULL) {
        jzx__request_cancel_all(loop, index);
    }
    drop_mail(loop, index); /* fini may have answered its own request */
    if (cold->held != NULL) {
        jzx__request_let_go(loop, index);
    }
    while (cold->owned != NULL) {
        jzx__resource_let_go(loop, cold->owned);
    }
    if (cold->waiters != NULL) {
        jzx__resume_wake_mailbox(loop, index);
    }
    drop_urgent(loop, jzx__slot_hot(&loop->slots, index)); /* a resume notice for the cells that came free just now */
}

static void run_fini(jzx_loop *loop, uint32_t index, const jzx_exit_info *info)
{
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    jzx__cold *cold = jzx__slot_cold(&loop->slots, index);
    if (cold->fini != NULL && (hot->flags & JZX__SLOT_STILLBORN) == 0) {
        jzx_context context;
        context_init(&context, loop, index);
        context.ending = true;
        cold->fini(&context, hot->state, info);
    }
}

static void count_exit(jzx_loop *loop, const jzx_exit_info *info, const char *name)
{
    if (info->kind == JZX_EXIT_INIT) {
        jzx__count_add(&loop->counters->init_failed, 1);
        jzx__observe_init_failed(loop, info, name);
    } else {
        jzx__count_add(&loop->counters->ended, 1);
        jzx__count_add(&loop->counters->failed, info->kind == JZX_EXIT_FAIL);
        jzx__observe_stop(loop, info, name);
    }
    if (loop->config->exit_when_idle &&
        atomic_fetch_sub_explicit(&loop->runtime->live, 1, memory_order_relaxed) == 1) {
        jzx__stop_begin(loop->runtime);
    }
}

/* The slot holds the exit info until the last notice has left. */
static void send_notices(jzx_loop *loop, uint32_t index, const jzx_exit_info *info)
{
    jzx__cold *cold = jzx__slot_cold(&loop->slots, index);
    cold->id = info->id;
    memcpy(jzx__slot_hot(&loop->slots, index), (const char *)info + sizeof info->id, sizeof(jzx__hot));
    cold->held_count = 1; /* ours, so that the slot stays until all notices are on their way */
    jzx__down_send_all(loop, index, info);
    jzx__life_notice_left(loop, index);
}

void jzx__life_exit(jzx_loop *loop, uint32_t index, jzx_exit_kind kind, int32_t code, const char *text, uint32_t tag)
{
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    jzx__cold *cold = jzx__slot_cold(&loop->slots, index);
    jzx_segment_slot *public = jzx__public(loop, index);
    jzx_exit_info info = {.id = public->id, .kind = kind, .code = code, .tag = tag};
    info.uptime_ns = loop->now_ns - cold->started_ns;
    copy_text(info.text, sizeof info.text, text);
    char name[JZX_ACTOR_NAME_MAX];
    memcpy(name, public->name, sizeof name);

    public->state = JZX__STOPPING;
    hot->flags |= JZX__SLOT_QUEUED; /* A3: whatever its end sets free, it does not run again */
    drop_mail(loop, index);
    run_fini(loop, index, &info); /* E1 */
    let_go_all(loop, index);
    free_state(loop, hot);
    JZX_ASSERT(public->mailbox_length == 0 && cold->held == NULL && cold->owned == NULL && cold->waiters == NULL);

    public->state = JZX__DYING;
    jzx__count_set(&public->id, 0); /* A4: stale from here on */
    if (cold->suffered == NULL) {
        jzx__slot_give(&loop->slots, index);
    } else {
        send_notices(loop, index, &info); /* E3 */
    }
    count_exit(loop, &info, name);
}

void jzx__life_notice_left(jzx_loop *loop, uint32_t index)
{
    jzx__cold *cold = jzx__slot_cold(&loop->slots, index);
    JZX_ASSERT(cold->held_count > 0);
    if (--cold->held_count == 0) {
        jzx__slot_give(&loop->slots, index);
    }
}

/* ---- the turn of one actor ---- */

static __attribute__((noinline)) void finish_stopping(jzx_loop *loop, uint32_t index)
{
    const jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    jzx_exit_kind kind = (hot->flags & JZX__SLOT_STILLBORN) != 0 ? JZX_EXIT_INIT : exit_kind_of(hot->end_kind);
    char text[JZX_EXIT_TEXT_MAX] = "";
    if (hot->end != NULL) {
        const jzx__end_cell *ending = (const jzx__end_cell *)(const void *)hot->end;
        memcpy(text, ending->text_head, sizeof ending->text_head);
        memcpy(text + sizeof ending->text_head, ending->text_tail, sizeof ending->text_tail);
        jzx__cell_free(loop, hot->end);
    }
    jzx__life_exit(loop, index, kind, hot->end_code, text, 0);
}

/* What the handler asked for itself comes first, then what it returned. True: the actor has ended. */
static bool end_after(jzx_context *context, jzx_behavior_result result)
{
    jzx_loop *loop = context->loop;
    uint32_t index = context->slot;
    if (jzx__public(loop, index)->state == JZX__STOPPING) {
        return false; /* another ended it meanwhile; it is in the run queue for that (E2) */
    }
    if (context->end != 0 && context->end != JZX__END_DRAIN) {
        jzx__life_exit(loop, index, exit_kind_of(context->end), context->code, context->text, context->tag);
        return true;
    }
    if (context->end == JZX__END_DRAIN) {
        jzx__public(loop, index)->state = JZX__DRAINING;
    }
    if (result == JZX_BEHAVIOR_STOP) {
        jzx__life_exit(loop, index, JZX_EXIT_NORMAL, 0, NULL, context->tag);
        return true;
    }
    if (result == JZX_BEHAVIOR_OK || result == JZX_BEHAVIOR_YIELD || result == JZX_BEHAVIOR_UNHANDLED) {
        return false;
    }
    int32_t code = result == JZX_BEHAVIOR_FAIL ? JZX_EXIT_CODE_UNSPECIFIED : JZX_EXIT_CODE_BAD_RESULT;
    jzx__life_exit(loop, index, JZX_EXIT_FAIL, code, NULL, context->tag);
    return true;
}

typedef enum step {
    STEP_ON,      /* go on with the next */
    STEP_YIELDED, /* its turn is over, there is more */
    STEP_REFUSED, /* the same, and the message is back in the mailbox */
    STEP_ENDED,   /* the actor has ended */
} step;

/* With the clock read around the handler. */
static __attribute__((noinline)) jzx_behavior_result call_measured(jzx_context *context, const jzx__hot *hot,
                                                                   const jzx_message *message)
{
    jzx_loop *loop = context->loop;
    uint64_t began = loop->backend->ops->now_ns(loop->backend);
    jzx__count_set(&loop->segment->running_since_ns, began);
    jzx_behavior_result result = hot->behavior(context, hot->state, message);
    uint64_t took = loop->backend->ops->now_ns(loop->backend) - began;
    jzx__count_add(&jzx__public(loop, context->slot)->busy_ns, took);
    if (took >= loop->config->slow_handler_ns && loop->config->slow_handler_ns != 0) {
        jzx__observe_slow(loop, context->self, message->tag, took);
    }
    return result;
}

static inline jzx_behavior_result call(jzx_context *context, const jzx__hot *hot, const jzx_message *message)
{
    context->tag = message->tag;
    if (jzx__likely(!context->loop->measure)) {
        return hot->behavior(context, hot->state, message);
    }
    return call_measured(context, hot, message);
}

static jzx_behavior_result call_signal(jzx_context *context, const jzx_message *message)
{
    return call(context, jzx__slot_hot(&context->loop->slots, context->slot), message);
}

/* Puts a message back in front, to be handled again. `head` is what its cell had before. */
static void unhandle(jzx_loop *loop, jzx_context *context, jzx__cell *cell, uint32_t head, const jzx_message *message)
{
    jzx__hot *hot = jzx__slot_hot(&loop->slots, context->slot);
    jzx_segment_slot *public = jzx__public(loop, context->slot);
    if (context->handling != NULL) {
        jzx__request_unkeep(loop, context->slot, cell);
        jzx__words_copy(cell->words, message->words);
        if ((cell->flags & JZX__FLAG_POINTER) != 0) {
            cell->pointer.size = message->size;
        }
    } else {
        cell->head = head;
    }
    jzx__queue_push_front(&hot->mail, cell);
    public->mailbox_length++;
    if (public->mailbox_length >= jzx__slot_high_mark(hot->cap) && (hot->flags & JZX__SLOT_MARKED) == 0) {
        jzx__mailbox_mark(loop, context->slot, hot); /* it fell to the low mark only while this was being handled */
    }
    if ((cell->flags & JZX__FLAG_POINTER) != 0) {
        hot->bytes += cell->pointer.size;
    }
    jzx__count_add(&loop->counters->yields, 1);
}

static void unhandled(jzx_loop *loop, const jzx_message *message)
{
    jzx__count_add(&loop->counters->unhandled, 1);
    if ((message->flags & (JZX_MESSAGE_POINTER | JZX_MESSAGE_LENT)) == JZX_MESSAGE_POINTER &&
        message->pointer.drop != NULL) {
        message->pointer.drop(message->pointer.drop_context, message->pointer.data, message->size);
    }
}

/* The uncommon ways a handler of mail may return. */
static __attribute__((noinline)) step after_mail(jzx_context *context, jzx__cell *cell, uint32_t head,
                                                 const jzx_message *message, jzx_behavior_result result)
{
    jzx_loop *loop = context->loop;
    bool kept = context->handling != NULL; /* by the actor, or consumed by its answer */
    bool goes_on = (context->end == 0 || context->end == JZX__END_DRAIN) && /* a drain handles what it has */
                   jzx__public(loop, context->slot)->state != JZX__STOPPING;
    if (result == JZX_BEHAVIOR_YIELD && !context->answered && goes_on) {
        if (context->end == JZX__END_DRAIN) {
            jzx__public(loop, context->slot)->state = JZX__DRAINING;
            context->end = 0;
        }
        unhandle(loop, context, cell, head, message);
        context->handling = NULL;
        context->special = false;
        return STEP_REFUSED;
    }
    if (result == JZX_BEHAVIOR_YIELD && !context->answered) { /* it ends: nobody will handle the rest */
        unhandled(loop, message);
    }
    if (result == JZX_BEHAVIOR_UNHANDLED) {
        unhandled(loop, message);
        if (kept && !context->answered) {
            jzx__request_give_up(loop, context->slot, cell, JZX_DROP_UNHANDLED);
        }
    }
    if (!kept) {
        jzx__cell_free(loop, cell);
    }
    context->handling = NULL;
    context->answered = false;
    context->special = false;
    if (end_after(context, result)) {
        return STEP_ENDED;
    }
    context->end = 0;
    return jzx__public(loop, context->slot)->state == JZX__STOPPING ? STEP_YIELDED : STEP_ON;
}

/* A request: its cell is kept for the answer, so the handler gets a copy. */
static __attribute__((noinline)) step run_request(jzx_context *context, jzx__hot *hot, jzx__cell *cell)
{
    jzx_message message;
    jzx__cell_to_message(cell, &message);
    message.flags |= JZX_MESSAGE_REQUEST;
    message.ref = jzx__request_keep(context->loop, context->slot, cell);
    context->handling = cell;
    context->special = true;
    return after_mail(context, cell, cell->head, &message, call(context, hot, &message));
}

/* Mail that is no plain message: by pointer, an answer, a request, or to be reported. */
static __attribute__((noinline)) step run_mail(jzx_context *context, jzx__hot *hot, jzx_segment_slot *public,
                                               jzx__cell *cell)
{
    jzx_loop *loop = context->loop;
    jzx__mailbox_left(loop, context->slot, hot, public, cell);
    public->last_tag = cell->tag;
    if ((cell->flags & JZX__FLAG_REQUEST) != 0) {
        return run_request(context, hot, cell);
    }
    uint32_t head = jzx__cell_open(cell);
    return after_mail(context, cell, head, &cell->message, call(context, hot, &cell->message));
}

/* The common case of run_mail(): a plain message whose handler returns OK and asks for nothing special. */
static inline step run_plain(jzx_loop *loop, jzx__hot *hot, jzx_segment_slot *public, jzx__cell *cell)
{
    jzx_context *context = &loop->turn;
    jzx__mailbox_shorter(loop, context->slot, hot, public);
    public->last_tag = cell->tag;
    uint32_t head = jzx__cell_open_plain(cell);
    jzx_behavior_result result = call(context, hot, &cell->message);
    if (jzx__likely(result == JZX_BEHAVIOR_OK && !context->special)) {
        jzx__cell_free(loop, cell);
        return STEP_ON;
    }
    return after_mail(context, cell, head, &cell->message, result);
}

/* After the handler of a signal: a signal is never yielded or put back. */
static step after_signal(jzx_context *context, jzx_behavior_result result)
{
    if (result == JZX_BEHAVIOR_UNHANDLED) {
        jzx__count_add(&context->loop->counters->unhandled, 1);
    }
    context->special = false;
    if (jzx__unlikely(end_after(context, result))) {
        return STEP_ENDED;
    }
    context->end = 0;
    return jzx__public(context->loop, context->slot)->state == JZX__STOPPING ? STEP_YIELDED : STEP_ON;
}

static step run_down(jzx_context *context, jzx__cell *cell)
{
    jzx__monitor *monitor = (jzx__monitor *)(void *)cell;
    jzx_down down = {.monitor = monitor->resource.number, .exit = monitor->exit};
    jzx__resource_disown(&monitor->resource);
    jzx__table_give(&context->loop->monitors, monitor->resource.number);
    jzx_message message = jzx_message_pointer(JZX_TAG_SYS_DOWN, &down, sizeof down, NULL, NULL);
    message.flags |= JZX_MESSAGE_LENT;
    message.sender = down.exit.id;
    return after_signal(context, call_signal(context, &message));
}

static step run_resume(jzx_context *context, jzx__cell *cell)
{
    jzx__resume *resume = (jzx__resume *)(void *)cell;
    jzx_resumed resumed = {.target = resume->target};
    jzx__map_remove(&context->loop->resumes_by_pair, &resume->by_pair);
    jzx__resource_disown(&resume->resource);
    jzx__table_give(&context->loop->resumes, resume->resource.number);
    jzx_message message = jzx_message_value(JZX_TAG_SYS_RESUME, &resumed, sizeof resumed);
    return after_signal(context, call_signal(context, &message));
}

/*
 * A timer's own message. The record may go inside the handler, by cancel, so what comes after looks it up again. A
 * payload that was handed over and not taken, because UNHANDLED, is destroyed.
 */
static step run_timer(jzx_context *context, jzx__cell *cell)
{
    jzx_loop *loop = context->loop;
    jzx__timer *timer = (jzx__timer *)(void *)cell;
    jzx_message message;
    jzx__timer_message(loop, timer, &message);
    jzx__timer_handled(loop, context->slot, timer);
    jzx_behavior_result result = call_signal(context, &message);
    if (result == JZX_BEHAVIOR_UNHANDLED) {
        unhandled(loop, &message);
        result = JZX_BEHAVIOR_OK;
    }
    return after_signal(context, result);
}

static step run_watch(jzx_context *context, jzx__cell *cell)
{
    jzx__watch_record *record = (jzx__watch_record *)(void *)cell;
    uint64_t number = record->resource.number;
    jzx_message message;
    jzx__watch_event_message(context->loop, record, &message);
    jzx_behavior_result result = call_signal(context, &message);
    jzx__watch_event_done(context->loop, number);
    return after_signal(context, result);
}

static step run_socket(jzx_context *context, jzx__cell *cell)
{
    jzx__socket_record *record = (jzx__socket_record *)(void *)cell;
    uint64_t number = record->resource.number;
    jzx_message message;
    uint64_t event[8]; /* room for a jzx_tcp_event */
    if (!jzx__socket_event_message(context, record, &message, event)) {
        /* An observer, told of an accept that failed, may have ended it. */
        return jzx__public(context->loop, context->slot)->state == JZX__STOPPING ? STEP_YIELDED : STEP_ON;
    }
    jzx_behavior_result result = call_signal(context, &message);
    jzx__socket_event_done(context, number);
    return after_signal(context, result);
}

static __attribute__((noinline)) step run_signal(jzx_context *context, jzx__cell *cell)
{
    jzx__resource *resource = (jzx__resource *)(void *)cell;
    resource->listed = false;
    if ((cell->flags & JZX__FLAG_OVERTIME) != 0) {
        jzx__resource_expired(context->loop, cell); /* R2 */
        return STEP_ON;
    }
    jzx__count_add(&context->loop->counters->signals, 1);
    switch ((jzx__cell_kind)cell->kind) {
    case JZX__CELL_DOWN:
        return run_down(context, cell);
    case JZX__CELL_RESUME:
        return run_resume(context, cell);
    case JZX__CELL_TIMER:
        return run_timer(context, cell);
    case JZX__CELL_WATCH:
        return run_watch(context, cell);
    case JZX__CELL_SOCKET:
        return run_socket(context, cell);
    default:
        JZX_ASSERT(!"a cell that is no signal");
        return STEP_ON;
    }
}

/* After its turn an actor goes to the end of the queue, or rests, or has drained. */
static inline void done(jzx_loop *loop, uint32_t index, jzx__hot *hot, jzx_segment_slot *public)
{
    hot->flags &= (uint8_t)~JZX__SLOT_QUEUED;
    if (jzx__unlikely(public->state == JZX__DRAINING && hot->mail.first == NULL)) {
        jzx__life_exit(loop, index, JZX_EXIT_SHUTDOWN, 0, NULL, 0);
    } else if (hot->mail.first != NULL || hot->urgent_last != NULL || jzx__unlikely(public->state == JZX__STOPPING)) {
        jzx__schedule_hot(loop, index, hot);
    }
}

/* One look at the clock in a while. True when there was one: observers may have ended any actor meanwhile. */
static inline bool check_now_and_then(jzx_loop *loop)
{
    if (jzx__unlikely(--loop->check_in == 0)) {
        jzx__loop_check(loop);
        return true;
    }
    return false;
}

/* Urgent ones and mail take turns, so neither starves the other (P22). */
static inline bool urgent_is_next(const jzx__hot *hot, bool *mails_turn)
{
    if (jzx__likely(hot->urgent_last == NULL)) {
        return false;
    }
    *mails_turn = !*mails_turn && hot->mail.first != NULL;
    return !*mails_turn;
}

static inline step run_first(jzx_loop *loop, jzx__hot *hot, jzx_segment_slot *public, uint64_t *handled)
{
    jzx__cell *cell = jzx__queue_pop(&hot->mail);
    step next;
    if (jzx__likely(jzx__cell_is_plain(cell))) {
        next = run_plain(loop, hot, public, cell);
    } else if (cell->kind <= JZX__CELL_ANSWER) {
        next = run_mail(&loop->turn, hot, public, cell);
    } else {
        return run_signal(&loop->turn, cell);
    }
    *handled += next != STEP_REFUSED;
    return next;
}

/* Runs at most a turn of messages and signals; *handled counts the messages. False when the actor has ended. */
static inline bool run_batch(jzx_loop *loop, jzx__hot *hot, jzx_segment_slot *public, uint64_t *handled)
{
    bool mails_turn = true; /* the urgent ones begin */
    uint32_t budget = hot->per_turn;
    while (hot->mail.first != NULL || hot->urgent_last != NULL) {
        step next;
        if (jzx__unlikely(urgent_is_next(hot, &mails_turn))) {
            next = run_signal(&loop->turn, jzx__urgent_pop(hot));
        } else {
            next = run_first(loop, hot, public, handled);
        }
        bool checked = check_now_and_then(loop);
        if (jzx__unlikely(next != STEP_ON)) {
            loop->turn.end = 0;
            return next != STEP_ENDED;
        }
        if (jzx__unlikely(checked) && public->state == JZX__STOPPING) {
            return true;
        }
        if (--budget == 0 || loop->turn_over) {
            break;
        }
    }
    return true;
}

/* Gives the first actor of the run queue its turn. */
static inline void run_actor(jzx_loop *loop)
{
    uint32_t index = jzx__runs_pop(&loop->runs);
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    jzx_segment_slot *public = jzx__public(loop, index);
    if (jzx__unlikely(public->state == JZX__STOPPING)) {
        finish_stopping(loop, index); /* still QUEUED: a cell it frees may bring it a notice, which must not schedule it */
        (void)check_now_and_then(loop); /* an end takes its part of the turn too */
        return;
    }
    loop->turn.self = public->id;
    loop->turn.slot = index;
    loop->turn.special = public->state != JZX__RUNNING;
    jzx__count_set(&loop->segment->running_id, public->id);
    uint64_t handled = 0;
    bool alive = run_batch(loop, hot, public, &handled);
    jzx__count_add(&loop->counters->handled, handled);
    if (jzx__likely(alive)) {
        jzx__count_add(&public->handled, handled);
        done(loop, index, hot, public);
    }
}

void jzx__life_run(jzx_loop *loop, uint32_t actors)
{
    while (actors-- > 0 && !loop->turn_over && !jzx__runs_empty(&loop->runs)) {
        run_actor(loop);
    }
}
