/* ask: requests to supervisors: how they are made, on any loop, and how they are answered. */
#include "src/supervisor.h"

enum { AHEAD = 16 };

typedef enum ask_kind {
    ASK_START,
    ASK_START_LIKE,
    ASK_TERMINATE,
    ASK_RESTART,
    ASK_DELETE,
    ASK_FIND,
    ASK_LIST,
    ASK_COUNT,
} ask_kind;

/* A request, in a block of its own that travels with the message. */
struct jzx__ask {
    jzx__list node; /* tree->asks */
    uint8_t kind;   /* ask_kind */
    uint64_t ref;
    jzx_child_key key;
    jzx__plan *plan;           /* START: of the child; NULL once it is the child's */
    bool like;                 /* the block is the child's `like` from now on */
    jzx_spawn_options options; /* START_LIKE: the template's, with this argument, */
    uint32_t place_loop;       /* and on this loop; JZX__PLACE_AS_TEMPLATE: as that says */
    uint32_t argument_size;
    _Alignas(max_align_t) uint8_t argument[];
};

/* ---- blocks ---- */

typedef struct block_head {
    jzx_runtime *runtime;
    size_t size;
} block_head;
_Static_assert(sizeof(block_head) % _Alignof(max_align_t) == 0, "what follows is aligned for everything");

void *jzx__block_make(jzx_runtime *runtime, size_t size)
{
    const jzx_allocator *allocator = &runtime->config.allocators[JZX_MEMORY_STATE];
    block_head *head = allocator->alloc(allocator->context, sizeof *head + size, _Alignof(max_align_t));
    if (head == NULL) {
        return NULL;
    }
    head->runtime = runtime;
    head->size = sizeof *head + size;
    return head + 1;
}

void jzx__block_free(void *block)
{
    if (block != NULL) {
        block_head *head = (block_head *)block - 1;
        const jzx_allocator *allocator = &head->runtime->config.allocators[JZX_MEMORY_STATE];
        allocator->free(allocator->context, head, head->size, _Alignof(max_align_t));
    }
}

static void drop_block(void *context, void *data, size_t size)
{
    (void)context;
    (void)size;
    jzx__block_free(data);
}

static void free_ask(jzx__ask *ask)
{
    jzx__plan_free(ask->plan);
    if (!ask->like) {
        jzx__block_free(ask);
    }
}

static void drop_ask(void *context, void *data, size_t size)
{
    (void)context;
    (void)size;
    free_ask(data);
}

/* ---- answers ---- */

/* With `size` bytes behind the answer, which `block` begins with; NULL: the answer alone. */
static void answer_with(jzx__tree *tree, const jzx__ask *ask, const jzx_supervisor_answer *answer, void *block,
                        size_t size)
{
    jzx_message message;
    if (block == NULL) {
        message = jzx_message_value(JZX_TAG_SYS_SUPERVISOR, answer, sizeof *answer);
    } else {
        memcpy(block, answer, sizeof *answer);
        message = jzx_message_pointer(JZX_TAG_SYS_SUPERVISOR, block, size, drop_block, NULL);
        message.flags |= JZX_MESSAGE_LENT;
    }
    jzx_context context;
    jzx__context_init(&context, tree->loop, tree->base.resource.owner);
    jzx_err err = jzx__request_answer(&context, ask->ref, &message);
    JZX_ASSERT(err == JZX_OK); /* it was kept for this */
}
_Static_assert(sizeof(jzx_supervisor_answer) <= JZX_INLINE_MAX, "an answer needs no memory");

static void answer(jzx__tree *tree, const jzx__ask *ask, jzx_err err, const jzx__child *child)
{
    jzx_supervisor_answer content = {.err = (int32_t)err};
    if (child != NULL) {
        content.id = child->id != 0 || err != JZX_OK ? child->id : child->exit.id; /* it may have ended already */
        content.child = child->resource.number;
    }
    answer_with(tree, ask, &content, NULL, 0);
}

/* The last word on a request. */
static void conclude(jzx__tree *tree, jzx__ask *ask, jzx_err err, const jzx__child *child)
{
    answer(tree, ask, err, child);
    free_ask(ask);
}

/* An answer with what a start met, as far as there is memory for it. */
static jzx_supervisor_answer *failure_block(jzx__tree *tree, const jzx_start_failure *failure,
                                            jzx_supervisor_answer *content, size_t *size)
{
    *size = sizeof *content + sizeof(jzx_start_failure);
    jzx_supervisor_answer *block = jzx__block_make(tree->loop->runtime, *size);
    if (block != NULL) {
        memcpy(block + 1, failure, sizeof *failure);
        content->failure = (const jzx_start_failure *)(const void *)(block + 1);
    }
    return block;
}

void jzx__ask_owner(jzx__tree *tree, jzx_err err)
{
    if (tree->token == 0) {
        return;
    }
    jzx_supervisor_answer content = {.err = (int32_t)err, .id = err == JZX_OK ? tree->base.id : 0};
    jzx_message message = jzx_message_value(JZX_TAG_SYS_SUPERVISOR, &content, sizeof content);
    size_t size;
    bool failed = err != JZX_OK && tree->failure->err != JZX_OK; /* else it was told to end */
    void *block = failed ? failure_block(tree, tree->failure, &content, &size) : NULL;
    if (block != NULL) {
        memcpy(block, &content, sizeof content);
        message = jzx_message_pointer(JZX_TAG_SYS_SUPERVISOR, block, size, drop_block, NULL);
        message.flags |= JZX_MESSAGE_LENT;
    }
    jzx__cell cell = {.target = 0};
    jzx__cell_from_message(&cell, &message, JZX__CELL_ANSWER);
    cell.target = tree->token;
    cell.sender = tree->base.id;
    tree->token = 0;
    jzx__count_add(&tree->loop->counters->sent, 1);
    jzx__answer_arrived(tree->loop, &cell); /* it lives on this loop */
}

/* ---- requests that a child must do something for ---- */

static void finish(jzx__tree *tree)
{
    jzx__ask *ask = tree->active_ask;
    tree->active_ask = NULL;
    tree->active_child = NULL;
    free_ask(ask);
}

void jzx__ask_child(jzx__tree *tree, jzx__child *child)
{
    const jzx__ask *ask = tree->active_ask;
    bool terminated = ask->kind == ASK_TERMINATE;
    answer(tree, ask, JZX_OK, child);
    finish(tree);
    if (terminated) {
        jzx__child_disinherit(tree->loop, child);
    }
    if (terminated && (child->restart == JZX_TEMPORARY || tree->plan->strategy == JZX_DYNAMIC)) {
        jzx__children_forget(tree, child);
    }
}

void jzx__ask_start_failed(jzx__tree *tree, jzx__child *child, const jzx_start_failure *failure)
{
    const jzx__ask *ask = tree->active_ask;
    if (ask->kind == ASK_TERMINATE) { /* it was on its way to be started */
        jzx__ask_child(tree, child);
        return;
    }
    jzx_supervisor_answer content = {.err = JZX_ERR_START_FAILED};
    size_t size = 0;
    void *block = failure_block(tree, failure, &content, &size);
    answer_with(tree, ask, &content, block, size);
    bool added = ask->kind != ASK_RESTART;
    finish(tree);
    jzx__tree_put_down(tree, child);
    if (added || child->restart == JZX_TEMPORARY) {
        jzx__children_forget(tree, child);
    }
}

/* The answer comes when the child has. */
static void wait_for(jzx__tree *tree, jzx__ask *ask, jzx__child *child)
{
    tree->active_ask = ask;
    tree->active_child = child;
}

static void start_added(jzx__tree *tree, jzx__ask *ask, const jzx__child_source *source)
{
    jzx__child *child;
    jzx_err err = jzx__children_add(tree, source, &child);
    if (err != JZX_OK) {
        answer(tree, ask, err, NULL);
        ask->like = false;
        free_ask(ask);
        return;
    }
    ask->plan = NULL;
    wait_for(tree, ask, child);
    jzx__tree_start_child(tree, child);
}

static void ask_start(jzx__tree *tree, jzx__ask *ask)
{
    const jzx__plan_child *plan = &ask->plan->children[0];
    jzx_child_key key = {.index = JZX_NO_CHILD};
    memcpy(key.name, plan->name, sizeof key.name);
    const jzx__child *same = jzx__children_find(tree, &key);
    jzx_err err = JZX_OK;
    if (tree->plan->strategy == JZX_DYNAMIC) {
        err = JZX_ERR_UNSUPPORTED;
    } else if (same != NULL) {
        err = same->id != 0 ? JZX_ERR_RUNNING : JZX_ERR_DUPLICATE;
    } else if (plan->significant && tree->plan->auto_shutdown == JZX_AUTO_NEVER) {
        err = JZX_ERR_INVALID_ARG;
    } else {
        err = jzx__plan_join(ask->plan, tree->plan);
    }
    if (err != JZX_OK) {
        conclude(tree, ask, err, same);
        return;
    }
    start_added(tree, ask, &(jzx__child_source){.plan = plan, .own_plan = ask->plan});
}

static void ask_start_like(jzx__tree *tree, jzx__ask *ask)
{
    const jzx__plan_child *template = &tree->plan->children[0];
    if (tree->plan->strategy != JZX_DYNAMIC || (template->type == JZX_SUPERVISOR && ask->argument_size != 0)) {
        conclude(tree, ask, JZX_ERR_UNSUPPORTED, NULL);
        return;
    }
    jzx__child_source source = {.plan = template};
    if (ask->argument_size != 0) {
        ask->options = template->options;
        ask->options.argument = ask->argument;
        if (ask->place_loop != JZX__PLACE_AS_TEMPLATE) {
            ask->options.placement = JZX_PLACE_LOOP;
            ask->options.place_loop = ask->place_loop;
        }
        ask->like = true;
        source.like = ask;
        source.options = &ask->options;
    }
    start_added(tree, ask, &source);
}

static void ask_terminate(jzx__tree *tree, jzx__ask *ask, jzx__child *child)
{
    if (tree->mode == JZX__TREE_GROUP_WAIT && tree->group == child) {
        jzx__child_no_deadline(tree->loop, child); /* with it the restart of its group is off, as in OTP */
        tree->mode = JZX__TREE_STEADY;
        tree->group = NULL;
        for (jzx__child *other = jzx__children_first(tree); other != NULL; other = jzx__children_next(tree, other)) {
            if (other->state == JZX_CHILD_RESTARTING) {
                jzx__tree_put_down(tree, other);
            }
        }
    }
    wait_for(tree, ask, child);
    if (jzx__tree_stop_child(tree, child)) {
        jzx__ask_child(tree, child);
    }
}

/* Why a child that must be stopped for it cannot be restarted or deleted, or JZX_OK. */
static jzx_err check_stopped(const jzx__tree *tree, const jzx__child *child)
{
    if (tree->plan->strategy == JZX_DYNAMIC) {
        return JZX_ERR_UNSUPPORTED;
    }
    if (child->state == JZX_CHILD_STOPPED) {
        return JZX_OK;
    }
    return child->id != 0 ? JZX_ERR_RUNNING : JZX_ERR_RESTARTING;
}

static void ask_restart(jzx__tree *tree, jzx__ask *ask, jzx__child *child)
{
    jzx_err err = check_stopped(tree, child);
    if (err != JZX_OK) {
        conclude(tree, ask, err, child);
        return;
    }
    wait_for(tree, ask, child);
    jzx__tree_start_child(tree, child);
}

static void ask_delete(jzx__tree *tree, jzx__ask *ask, jzx__child *child)
{
    jzx_err err = check_stopped(tree, child);
    if (err != JZX_OK) {
        conclude(tree, ask, err, child);
        return;
    }
    conclude(tree, ask, JZX_OK, NULL);
    jzx__children_forget(tree, child);
}

/* ---- requests that only look ---- */

/* Asks for what a list tells of a child some places on: siblings mostly lie in a row. */
static void ask_ahead(const jzx__child *child)
{
    __builtin_prefetch(&child[AHEAD].id);
    __builtin_prefetch(&child[AHEAD].sibling);
    __builtin_prefetch(&child[AHEAD].index);
}

static void answer_list(jzx__tree *tree, jzx__ask *ask, const jzx__child *only)
{
    uint32_t count = only != NULL ? 1 : tree->count;
    size_t size = sizeof(jzx_supervisor_answer) + count * sizeof(jzx_child_info);
    jzx_supervisor_answer *block = jzx__block_make(tree->loop->runtime, size);
    jzx_supervisor_answer content = {.err = block != NULL ? JZX_OK : JZX_ERR_NO_MEMORY};
    if (block != NULL) {
        jzx_child_info *list = (jzx_child_info *)(void *)(block + 1);
        const jzx__child *child = only != NULL ? only : jzx__children_first(tree);
        for (uint32_t i = 0; i < count; i++, child = jzx__children_next(tree, child)) {
            ask_ahead(child);
            jzx__children_describe(child, &list[i]);
        }
        content.count = count;
        content.children = list;
        content.id = only != NULL ? only->id : tree->base.id;
        content.child = only != NULL ? only->resource.number : 0;
    }
    answer_with(tree, ask, &content, block, size);
    free_ask(ask);
}

static void answer_counts(jzx__tree *tree, jzx__ask *ask)
{
    size_t size = sizeof(jzx_supervisor_answer) + sizeof(jzx_child_counts);
    jzx_supervisor_answer *block = jzx__block_make(tree->loop->runtime, size);
    jzx_supervisor_answer content = {.err = block != NULL ? JZX_OK : JZX_ERR_NO_MEMORY, .id = tree->base.id};
    if (block != NULL) {
        jzx_child_counts *counts = (jzx_child_counts *)(void *)(block + 1);
        *counts = (jzx_child_counts){tree->count, tree->active, tree->supervisors, tree->count - tree->supervisors};
        content.counts = counts;
    }
    answer_with(tree, ask, &content, block, size);
    free_ask(ask);
}

/* ---- the supervisor's side ---- */

static void run(jzx__tree *tree, jzx__ask *ask)
{
    bool keyed = ask->kind >= ASK_TERMINATE && ask->kind <= ASK_FIND;
    jzx__child *child = keyed ? jzx__children_find(tree, &ask->key) : NULL;
    if (keyed && child == NULL) {
        conclude(tree, ask, JZX_ERR_NOT_FOUND, NULL);
        return;
    }
    switch ((ask_kind)ask->kind) {
    case ASK_START:
        ask_start(tree, ask);
        break;
    case ASK_START_LIKE:
        ask_start_like(tree, ask);
        break;
    case ASK_TERMINATE:
        ask_terminate(tree, ask, child);
        break;
    case ASK_RESTART:
        ask_restart(tree, ask, child);
        break;
    case ASK_DELETE:
        ask_delete(tree, ask, child);
        break;
    case ASK_FIND:
        answer_list(tree, ask, child);
        break;
    case ASK_LIST:
        answer_list(tree, ask, NULL);
        break;
    case ASK_COUNT:
        answer_counts(tree, ask);
        break;
    }
}

void jzx__ask_take(jzx__tree *tree, const jzx_message *message)
{
    jzx__ask *ask = message->pointer.data;
    ask->ref = message->ref;
    if (tree->mode == JZX__TREE_ENDING) {
        conclude(tree, ask, JZX_ERR_STOPPING, NULL);
        return;
    }
    jzx__list_append(&tree->asks, &ask->node);
}

static jzx__ask *take_first(jzx__tree *tree)
{
    if (jzx__list_empty(&tree->asks)) {
        return NULL;
    }
    jzx__ask *ask = jzx__container_of(tree->asks.next, jzx__ask, node);
    jzx__list_remove(&ask->node);
    return ask;
}

bool jzx__ask_next(jzx__tree *tree)
{
    jzx__ask *ask = take_first(tree);
    if (ask != NULL) {
        run(tree, ask);
    }
    return ask != NULL;
}

void jzx__ask_refuse_all(jzx__tree *tree)
{
    if (tree->active_ask != NULL) {
        answer(tree, tree->active_ask, JZX_ERR_STOPPING, NULL);
        finish(tree);
    }
    for (jzx__ask *ask = take_first(tree); ask != NULL; ask = take_first(tree)) {
        conclude(tree, ask, JZX_ERR_STOPPING, NULL);
    }
}

void jzx__ask_free_all(jzx__tree *tree)
{
    if (tree->active_ask != NULL) {
        finish(tree); /* the runtime answers what is kept */
    }
    for (jzx__ask *ask = take_first(tree); ask != NULL; ask = take_first(tree)) {
        free_ask(ask);
    }
}

/* ---- the asker's side ---- */

static jzx_err make(jzx_context *context, ask_kind kind, size_t argument_size, jzx__ask **out)
{
    jzx_err err = jzx__check_living(context);
    if (err != JZX_OK) {
        return err;
    }
    if (argument_size > UINT32_MAX) {
        return JZX_ERR_TOO_BIG;
    }
    jzx__ask *ask = jzx__block_make(context->loop->runtime, sizeof *ask + argument_size);
    if (ask == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    memset(ask, 0, sizeof *ask);
    jzx__list_init(&ask->node);
    ask->kind = (uint8_t)kind;
    ask->argument_size = (uint32_t)argument_size;
    *out = ask;
    return JZX_OK;
}

static jzx_err send_ask(jzx_context *context, jzx_actor_id supervisor, jzx__ask *ask, uint64_t *ref)
{
    jzx_message message = jzx_message_pointer(JZX__TAG_ASK, ask, sizeof *ask, drop_ask, NULL);
    jzx_err err = jzx__request_send(context, supervisor, &message, JZX_FOREVER, ref);
    if (err != JZX_OK) {
        free_ask(ask);
    }
    return err;
}

static jzx_err send_plain(jzx_context *context, jzx_actor_id supervisor, ask_kind kind, const jzx_child_key *key,
                          uint64_t *ref)
{
    jzx__ask *ask;
    jzx_err err = make(context, kind, 0, &ask);
    if (err != JZX_OK) {
        return err;
    }
    if (key != NULL) {
        ask->key = *key;
        ask->key.name[sizeof ask->key.name - 1] = 0;
    }
    return send_ask(context, supervisor, ask, ref);
}

jzx_err jzx_child_start(jzx_context *context, jzx_actor_id supervisor, const jzx_child_spec *spec, uint64_t *ref)
{
    jzx_err err = jzx__check_living(context);
    if (err != JZX_OK) {
        return err;
    }
    jzx_runtime *runtime = context->loop->runtime;
    err = jzx__plan_error(jzx__plan_check_child(runtime, spec, 1, JZX_AUTO_ANY_SIGNIFICANT, NULL));
    if (err != JZX_OK) {
        return err;
    }
    jzx__ask *ask;
    err = make(context, ASK_START, 0, &ask);
    if (err != JZX_OK) {
        return err;
    }
    err = jzx__plan_make_child(runtime, spec, &ask->plan);
    if (err != JZX_OK) {
        free_ask(ask);
        return err;
    }
    return send_ask(context, supervisor, ask, ref);
}

jzx_err jzx_child_start_like(jzx_context *context, jzx_actor_id supervisor, const void *argument, size_t size,
                             uint64_t *ref)
{
    return jzx__child_start_at(context, supervisor, argument, size, JZX__PLACE_AS_TEMPLATE, ref);
}

jzx_err jzx__child_start_at(jzx_context *context, jzx_actor_id supervisor, const void *argument, size_t size,
                            uint32_t place_loop, uint64_t *ref)
{
    if (argument == NULL && size != 0) {
        return JZX_ERR_INVALID_ARG;
    }
    jzx__ask *ask;
    jzx_err err = make(context, ASK_START_LIKE, size, &ask);
    if (err != JZX_OK) {
        return err;
    }
    if (size != 0) {
        memcpy(ask->argument, argument, size);
    }
    ask->place_loop = place_loop;
    return send_ask(context, supervisor, ask, ref);
}

jzx_err jzx_child_terminate(jzx_context *context, jzx_actor_id supervisor, jzx_child_key key, uint64_t *ref)
{
    return send_plain(context, supervisor, ASK_TERMINATE, &key, ref);
}

jzx_err jzx_child_restart(jzx_context *context, jzx_actor_id supervisor, jzx_child_key key, uint64_t *ref)
{
    return send_plain(context, supervisor, ASK_RESTART, &key, ref);
}

jzx_err jzx_child_delete(jzx_context *context, jzx_actor_id supervisor, jzx_child_key key, uint64_t *ref)
{
    return send_plain(context, supervisor, ASK_DELETE, &key, ref);
}

jzx_err jzx_child_find(jzx_context *context, jzx_actor_id supervisor, jzx_child_key key, uint64_t *ref)
{
    return send_plain(context, supervisor, ASK_FIND, &key, ref);
}

jzx_err jzx_child_list(jzx_context *context, jzx_actor_id supervisor, uint64_t *ref)
{
    return send_plain(context, supervisor, ASK_LIST, NULL, ref);
}

jzx_err jzx_child_count(jzx_context *context, jzx_actor_id supervisor, uint64_t *ref)
{
    return send_plain(context, supervisor, ASK_COUNT, NULL, ref);
}

/* ---- starting a supervisor ---- */

static jzx_err start(jzx_context *context, jzx__tree_start *tree_start, jzx_actor_id *id)
{
    jzx_spawn_options options = {0};
    jzx__supervisor_options(&options, tree_start->plan);
    options.argument = tree_start;
    options.link = tree_start->owner != 0;
    int32_t code = 0;
    const jzx__parent parent = {.id = context->self, .depth = context->depth + 1};
    jzx_err err = jzx__spawn(context->loop, &options, &parent, id, &code);
    jzx__loop_touch(context->loop);
    return err == JZX_ERR_INIT ? (jzx_err)code : err;
}

static jzx_err start_from_actor(jzx_context *context, jzx__tree_start *tree_start, jzx_actor_id *id, uint64_t *ref)
{
    jzx__cell *reserved;
    jzx_err err = jzx__request_reserve(context, 0, JZX_FOREVER, 1, &reserved);
    if (err != JZX_OK) {
        return err;
    }
    tree_start->owner = context->self;
    tree_start->token = reserved->target;
    err = start(context, tree_start, id);
    return jzx__request_sent(context->loop, reserved, tree_start->token, err, ref);
}

jzx_err jzx_supervisor_start(jzx_context *context, const jzx_supervisor_spec *spec, jzx_actor_id *id, uint64_t *ref)
{
    jzx_err err = jzx__check_context(context);
    if (err != JZX_OK) {
        return err;
    }
    jzx_runtime *runtime = context->loop->runtime;
    err = jzx__plan_error(jzx__plan_check(runtime, spec, 1, NULL));
    if (err != JZX_OK) {
        return err;
    }
    if (context->ending) {
        return JZX_ERR_STOPPING;
    }
    if (jzx__loop_refuses(context->loop) || atomic_load_explicit(&runtime->stop, memory_order_relaxed) != 0) {
        return JZX_ERR_LOOP_CLOSED;
    }
    jzx__tree_start tree_start = {0};
    err = jzx__plan_make(runtime, spec, 1, &tree_start.plan);
    if (err != JZX_OK) {
        return err;
    }
    jzx_actor_id started;
    err = context->slot != JZX__SLOT_NONE ? start_from_actor(context, &tree_start, &started, ref)
                                          : start(context, &tree_start, &started);
    if (err != JZX_OK) {
        jzx__plan_free(tree_start.plan);
    } else if (id != NULL) {
        *id = started;
    }
    return err;
}

/* ---- references ---- */

static const jzx__bond *own_bond(const jzx_context *context)
{
    if (jzx__check_actor(context) != JZX_OK ||
        (jzx__slot_hot(&context->loop->slots, context->slot)->flags & JZX__SLOT_SUPERVISED) == 0) {
        return NULL;
    }
    return jzx__bond_of(jzx__slot_cold(&context->loop->slots, context->slot));
}

jzx_actor_id jzx_supervisor_of(const jzx_context *context)
{
    const jzx__bond *bond = own_bond(context);
    return bond != NULL ? bond->supervisor : 0;
}

jzx_child_ref jzx_child_self(const jzx_context *context)
{
    const jzx__bond *bond = own_bond(context);
    return bond != NULL ? bond->half.by_monitor.key : 0;
}

jzx_err jzx_child_id(const jzx_runtime *runtime, jzx_child_ref child, jzx_actor_id *id)
{
    if (runtime == NULL || id == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    uint32_t loop = jzx__number_loop(child);
    return loop < runtime->loop_count ? jzx__child_now(runtime->loops[loop], child, id) : JZX_ERR_NOT_FOUND;
}

jzx_err jzx_child_send(jzx_context *context, jzx_child_ref child, const jzx_message *message)
{
    jzx_err err = jzx__check_context(context);
    if (err != JZX_OK) {
        return err;
    }
    jzx_actor_id id;
    err = jzx_child_id(context->loop->runtime, child, &id);
    return err == JZX_OK ? jzx_send(context, id, message) : err;
}
