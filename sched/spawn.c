/*
 * spawn: an actor's beginning, asked for on its own loop or on another.
 *
 * Owner thread only. E1 (life.c) begins here: an init that fails is followed by no fini.
 */
#include "sched/annex.h"
#include "sched/mailbox.h"

enum { NEST_MAX = 16 };

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

static uint16_t special_flags(const jzx_spawn_options *options)
{
    uint16_t flags = options->trap_exit ? JZX__SLOT_TRAP_EXIT : 0;
    switch ((jzx_mailbox_policy)options->mailbox_policy) {
    case JZX_MAILBOX_DROP_NEWEST:
        return flags | JZX__SLOT_DROP_NEWEST;
    case JZX_MAILBOX_DROP_OLDEST:
        return flags | JZX__SLOT_DROP_OLDEST;
    case JZX_MAILBOX_REFUSE:
        break;
    }
    return flags;
}

static void fill_slot(jzx_loop *loop, uint32_t index, jzx__hot *hot, const jzx_spawn_options *options,
                      jzx_actor_id parent)
{
    const jzx_config *config = loop->config;
    hot->behavior = options->behavior;
    hot->cap = options->mailbox_cap != 0 ? options->mailbox_cap : config->mailbox_cap;
    hot->bytes_cap = options->mailbox_bytes != 0 ? options->mailbox_bytes : config->mailbox_bytes;
    hot->per_turn = options->messages_per_turn != 0 ? options->messages_per_turn : (uint16_t)config->messages_per_actor;
    hot->flags |= special_flags(options);
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

static jzx_err run_init(jzx_loop *loop, uint32_t index, const jzx_spawn_options *options, uint32_t depth,
                        jzx_context *context)
{
    context->end = 0;
    if (options->init == NULL) {
        return JZX_OK;
    }
    jzx__context_init(context, loop, index);
    context->depth = depth;
    context->scope = 0;
    context->chain = 0;
    jzx__hot *hot = jzx__once(jzx__slot_hot(&loop->slots, index));
    void *state = hot->state;
    loop->inits++;
    jzx_actor_id around = loop->aside.id; /* an init that spawns, perhaps */
    uint64_t around_now = loop->aside.now;
    uint64_t began_ns = jzx__aside_begin(loop, context->self,
                                         loop->in_turn ? JZX_HANDLER_INIT : 0); /* a stall is a turn's */
    jzx_err err = JZX__SIM_FAULT(INIT_FAILS) ? JZX_ERR_INIT : options->init(context, options->argument, &state);
    loop->inits--;
    jzx__aside_end(loop, began_ns, JZX_HANDLER_INIT);
    if (jzx__unlikely(loop->inits > 0)) {
        jzx__aside_now(loop, around, around_now);
    }
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
        if ((hot->flags & JZX__SLOT_END_CELL) != 0) {
            jzx__cell_free(loop, hot->end);
            hot->flags &= (uint16_t)~JZX__SLOT_END_CELL;
        }
        jzx__public(loop, index)->state = JZX__STOPPING;
        hot->origin = jzx__public(loop, index)->id;
        hot->end_code = code;
        jzx__name_let_go_all(loop, index); /* who is told of the failure may register them anew */
        jzx__member_let_go_all(loop, index);
        return;
    }
    const jzx__cause cause = {.kind = JZX_EXIT_INIT, .code = code, .origin = jzx__public(loop, index)->id};
    jzx__life_exit(loop, index, &cause, 0);
}

/* What makes it a child, before its init: then it can be told from the start. Leaves nothing when it fails. */
static jzx_err begin_child(jzx_loop *loop, uint32_t index, const jzx__birth *birth)
{
    jzx_err err = jzx__bond_begin(loop, index, birth);
    if (err == JZX_OK && birth->how->register_name != NULL) {
        err = jzx__name_register(loop, index, birth->how->register_name);
        if (err != JZX_OK) {
            jzx__bond_undo(loop, index);
        }
    }
    return err;
}

/* What ties it to its parent: the one it is linked to, or a supervisor. */
static __attribute__((noinline)) jzx_err tie(jzx_loop *loop, uint32_t index, const jzx__parent *parent,
                                             const jzx__birth *birth)
{
    if (birth != NULL) {
        return begin_child(loop, index, birth); /* a child is not linked */
    }
    return jzx__link_spawned(loop, index, parent->id, parent->reserved);
}

static jzx_err prepare(jzx_loop *loop, uint32_t index, const jzx_spawn_options *options, const jzx__parent *parent,
                       const jzx__birth *birth)
{
    jzx__hot *hot = jzx__once(jzx__slot_hot(&loop->slots, index));
    jzx_err err = make_state(loop, hot, options);
    if (err != JZX_OK) {
        return err;
    }
    fill_slot(loop, index, hot, options, parent->id);
    if (options->handler_limit_ns != 0) {
        err = jzx__limit_set(loop, index, options);
    }
    if (err == JZX_OK && (birth != NULL || options->link)) {
        err = tie(loop, index, parent, birth);
    }
    if (err != JZX_OK) {
        jzx__free_state(loop, hot);
    }
    return err;
}

/* A slot of its own, or that of its heir (B5). */
static jzx_err take_slot(jzx_loop *loop, const jzx__birth *birth, uint32_t *index)
{
    if (birth == NULL || birth->heir == 0) {
        return jzx__slot_take(&loop->slots, index);
    }
    *index = jzx__slot_find(&loop->slots, birth->heir);
    JZX_ASSERT(*index != JZX__SLOT_NONE);
    return JZX_OK;
}

/* It stays the heir, if it was one. */
static void give_slot(jzx_loop *loop, uint32_t index)
{
    if ((jzx__slot_hot(&loop->slots, index)->flags & JZX__SLOT_HEIR) == 0) {
        if (jzx__slot_cold(&loop->slots, index)->annex != 0) {
            jzx__annex_let_go(loop, index);
        }
        jzx__slot_give(&loop->slots, index);
    }
}

/* From here on it is an actor, with the mail that was kept. */
static void inherit(jzx_loop *loop, uint32_t index)
{
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    hot->flags &= (uint16_t) ~(JZX__SLOT_HEIR | JZX__SLOT_QUEUED);
    if (hot->mail.first != NULL || hot->urgent_last != NULL) {
        jzx__schedule_hot(loop, index, hot);
    }
}

static jzx_err spawn(jzx_loop *loop, const jzx_spawn_options *options, const jzx__parent *parent,
                     const jzx__birth *birth, jzx_actor_id *id, int32_t *code)
{
    uint32_t index;
    if (parent->depth > NEST_MAX) {
        return JZX_ERR_LIMIT;
    }
    jzx_err err = take_slot(loop, birth, &index);
    if (err != JZX_OK) {
        return err;
    }
    err = prepare(loop, index, options, parent, birth);
    if (err != JZX_OK) {
        give_slot(loop, index);
        return err;
    }
    if (birth != NULL && birth->heir != 0) {
        inherit(loop, index);
    }
    if (loop->config->exit_when_idle) {
        atomic_fetch_add_explicit(&loop->runtime->live, 1, memory_order_relaxed);
    }
    jzx_actor_id own_id = jzx__public(loop, index)->id;
    JZX__SIM_EVENT(loop, SPAWN, own_id, parent->id, 0);
    jzx_context context;
    err = run_init(loop, index, options, parent->depth, &context);
    if (err != JZX_OK) {
        *code = (int32_t)err;
        if (options->link) {
            jzx__link_stop(loop, own_id, parent->id); /* who spawns is told by the error, or the answer */
        }
        stillborn(loop, index, (int32_t)err);
        return JZX_ERR_INIT;
    }
    jzx_segment_slot *public = jzx__public(loop, index);
    if (public->state == JZX__STARTING) {
        public->state = JZX__RUNNING;
    }
    jzx__count_add(&loop->counters->spawned, 1);
    if (jzx__observed(loop)) {
        jzx__observe_start(loop, own_id, public->name);
    }
    if (context.end != 0) {
        const jzx__cause cause = {context.end, context.code, own_id, context.text};
        (void)jzx__life_end(loop, own_id, &cause);
    }
    *id = own_id;
    return JZX_OK;
}

jzx_err jzx__spawn(jzx_loop *loop, const jzx_spawn_options *options, const jzx__parent *parent, jzx_actor_id *id,
                   int32_t *code)
{
    return spawn(loop, options, parent, NULL, id, code);
}

jzx_err jzx__spawn_child(jzx_loop *loop, const jzx__birth *birth, jzx_actor_id *id)
{
    int32_t code;
    const jzx__parent parent = {.id = birth->supervisor, .depth = 1};
    return spawn(loop, birth->how->options, &parent, birth, id, &code);
}

void jzx__spawn_request(jzx_loop *loop, const jzx_spawn_options *options, const jzx__parent *asker)
{
    jzx_spawned result = {.id = 0};
    result.err = jzx__loop_refuses(loop) ? JZX_ERR_LOOP_CLOSED
                                         : jzx__spawn(loop, options, asker, &result.id, &result.code);
    if (result.err != JZX_OK && result.err != JZX_ERR_INIT && asker->reserved != 0) {
        jzx__link_not_spawned(loop, asker->id, asker->reserved);
    }
    jzx_message message = jzx_message_value(JZX_TAG_SYS_SPAWNED, &result, sizeof result);
    jzx__cell *answer = jzx__pool_take_inbound(&loop->pool);
    jzx__cell_from_message(answer, &message, JZX__CELL_ANSWER);
    answer->target = asker->token;
    answer->sender = result.id;
    jzx__answer_route(loop, asker->id, answer);
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
    uint64_t reserved; /* 0: not linked */
    uint64_t handler_limit_ns;
    uint32_t mailbox_cap;
    uint16_t messages_per_turn;
    uint8_t mailbox_policy : 4;
    uint8_t limit_action : 4;
    bool trap_exit;
} spawn_second;
_Static_assert(sizeof(spawn_second) <= sizeof(jzx__cell) && offsetof(spawn_second, next) == offsetof(jzx__cell, next),
               "fits a cell, and waits in an overflow");

void jzx__spawn_pack(const jzx_spawn_options *options, const jzx__parent *asker, jzx__cell cells[2])
{
    spawn_first first = {
        .token = asker->token, .state_size = options->state_size, .mailbox_bytes = options->mailbox_bytes};
    if (options->name != NULL) {
        memcpy(first.name, options->name, strnlen(options->name, sizeof first.name - 1));
    }
    memcpy(cells[0].bytes, &first, sizeof first);
    cells[0].sender = asker->id;
    cells[0].kind = JZX__CELL_SPAWN;
    cells[0].flags = JZX__FLAG_WIDE;
    spawn_second second = {.behavior = options->behavior,
                           .init = options->init,
                           .fini = options->fini,
                           .argument = options->argument,
                           .reserved = asker->reserved,
                           .mailbox_cap = options->mailbox_cap,
                           .messages_per_turn = options->messages_per_turn,
                           .mailbox_policy = options->mailbox_policy & 0xFu,
                           .handler_limit_ns = options->handler_limit_ns,
                           .limit_action = options->limit_action & 0xFu,
                           .trap_exit = options->trap_exit};
    memcpy(&cells[1], &second, sizeof second);
}

void jzx__spawn_arrived(jzx_loop *loop, const jzx__cell *cell, const jzx__cell *second_cell)
{
    spawn_first first;
    spawn_second second;
    memcpy(&first, cell->bytes, sizeof first);
    memcpy(&second, second_cell, sizeof second);
    jzx_spawn_options options = {.behavior = second.behavior,
                                 .init = second.init,
                                 .fini = second.fini,
                                 .argument = second.argument,
                                 .state_size = first.state_size,
                                 .mailbox_cap = second.mailbox_cap,
                                 .mailbox_bytes = first.mailbox_bytes,
                                 .messages_per_turn = second.messages_per_turn,
                                 .mailbox_policy = second.mailbox_policy,
                                 .handler_limit_ns = second.handler_limit_ns,
                                 .limit_action = second.limit_action,
                                 .link = second.reserved != 0,
                                 .trap_exit = second.trap_exit,
                                 .name = first.name};
    const jzx__parent asker = {.id = cell->sender, .depth = 1, .token = first.token, .reserved = second.reserved};
    jzx__spawn_request(loop, &options, &asker);
    jzx__spawn_came(loop);
}
