/* plan: a spec that was checked, copied into one block; see plan.h. What may be in a spec is in spec.c. */
#include "src/supervisor.h"

#define ALIGN _Alignof(max_align_t)

#define WORKER_SHUTDOWN_NS 5000000000ull

/* ---- how large ---- */

/* sum += size, rounded up so that whatever comes next is aligned; false when it does not fit. */
static bool add(size_t *sum, size_t size)
{
    size_t rounded;
    return !__builtin_add_overflow(size, ALIGN - 1, &rounded) &&
           !__builtin_add_overflow(*sum, rounded & ~(ALIGN - 1), sum);
}

static bool add_children(size_t *sum, const jzx_child_spec *children, uint32_t count);

static bool add_supervisor(size_t *sum, const jzx_supervisor_spec *spec)
{
    return add(sum, sizeof(jzx__plan)) && add_children(sum, spec->children, spec->child_count);
}

static bool add_children(size_t *sum, const jzx_child_spec *children, uint32_t count)
{
    bool fits = add(sum, count * sizeof(jzx__plan_child));
    for (uint32_t i = 0; i < count && fits; i++) {
        fits = add(sum, children[i].argument_size) &&
               (children[i].supervisor == NULL || add_supervisor(sum, children[i].supervisor));
    }
    return fits;
}

/* ---- the copy ---- */

/* Hands out the block from its start, in the order in which it was measured. */
typedef struct block {
    jzx_runtime *runtime;
    char *at;
    char *end;
} block;

static void *take(block *b, size_t size)
{
    void *taken = b->at;
    size_t rounded = (size + ALIGN - 1) & ~(ALIGN - 1);
    JZX_ASSERT(rounded <= (size_t)(b->end - b->at));
    b->at += rounded;
    return taken;
}

static void copy_name(char *to, size_t size, const char *from)
{
    size_t length = from == NULL ? 0 : strnlen(from, size - 1);
    memset(to, 0, size);
    if (length != 0) {
        memcpy(to, from, length);
    }
}

/* Of a child, or of the supervisor that children inherit from, whose period it may need. */
static jzx_backoff filled_backoff(const jzx_backoff *own, const jzx_backoff *inherited, uint64_t period_ns)
{
    jzx_backoff backoff = own->kind == JZX_BACKOFF_INHERIT ? *inherited : *own;
    if (backoff.kind == JZX_BACKOFF_INHERIT) {
        backoff.kind = JZX_BACKOFF_NONE;
    }
    if (backoff.reset_ns == 0) {
        backoff.reset_ns = period_ns;
    }
    return backoff;
}

static void copy_supervisor(block *b, jzx__plan *plan, const jzx_supervisor_spec *spec, uint32_t depth);

static void copy_options(block *b, jzx__plan_child *child, const jzx_child_spec *spec)
{
    jzx_spawn_options *options = &child->options;
    jzx_spawn_options_init(options);
    options->name = child->name[0] != '\0' ? child->name : NULL;
    options->behavior = spec->behavior;
    options->init = spec->init;
    options->fini = spec->fini;
    options->argument = (void *)(uintptr_t)spec->argument; /* init reads it; that it only reads is its promise */
    if (spec->argument_size != 0) {
        options->argument = memcpy(take(b, spec->argument_size), spec->argument, spec->argument_size);
    }
    options->state_size = spec->state_size;
    options->mailbox_cap = spec->mailbox_cap;
    options->mailbox_bytes = spec->mailbox_bytes;
    options->mailbox_policy = spec->mailbox_policy;
    options->messages_per_turn = spec->messages_per_turn;
    options->handler_limit_ns = spec->handler_limit_ns;
    options->limit_action = spec->limit_action;
    options->placement = spec->placement;
    options->place_loop = spec->place_loop;
    options->place_with = spec->place_with;
}

static uint64_t filled_shutdown(const jzx_child_spec *spec)
{
    if (spec->shutdown_ns != JZX_SHUTDOWN_DEFAULT) {
        return spec->shutdown_ns;
    }
    return spec->type == JZX_SUPERVISOR ? JZX_FOREVER : WORKER_SHUTDOWN_NS;
}

/* All but the backoff, which needs the supervisor. */
static void copy_child(block *b, jzx__plan_child *child, const jzx_child_spec *spec, uint32_t depth)
{
    copy_name(child->name, sizeof child->name, spec->name);
    copy_options(b, child, spec);
    child->shutdown_ns = filled_shutdown(spec);
    child->backoff = spec->backoff;
    child->argument_size = spec->argument_size;
    child->type = spec->type;
    child->restart = spec->restart;
    child->significant = spec->significant;
    child->keep_mail = spec->keep_mail;
    child->register_name = spec->register_name;
    child->options.trap_exit = spec->trap_exit;
    child->plan = NULL;
    if (spec->supervisor != NULL) {
        child->plan = take(b, sizeof *child->plan);
        copy_supervisor(b, child->plan, spec->supervisor, depth + 1);
        const char *name = child->plan->name[0] != '\0' ? child->plan->name : child->options.name;
        jzx__supervisor_options(&child->options, child->plan);
        child->options.name = name;
    }
}

static void copy_supervisor(block *b, jzx__plan *plan, const jzx_supervisor_spec *spec, uint32_t depth)
{
    memset(plan, 0, sizeof *plan);
    plan->runtime = b->runtime;
    plan->depth = depth;
    plan->strategy = spec->strategy;
    plan->auto_shutdown = spec->auto_shutdown;
    plan->intensity = spec->intensity;
    plan->period_ns = spec->period_ns;
    plan->children_max = spec->children_max != 0 ? spec->children_max : b->runtime->config.children_max;
    plan->backoff = filled_backoff(&spec->backoff, &spec->backoff, spec->period_ns);
    copy_name(plan->name, sizeof plan->name, spec->name);
    plan->child_count = spec->child_count;
    plan->children = take(b, spec->child_count * sizeof *plan->children);
    for (uint32_t i = 0; i < spec->child_count; i++) {
        jzx__plan_child *child = &plan->children[i];
        copy_child(b, child, &spec->children[i], depth);
        child->backoff = filled_backoff(&child->backoff, &plan->backoff, plan->period_ns);
    }
}

static jzx_err make_block(jzx_runtime *runtime, size_t size, block *b)
{
    const jzx_allocator *allocator = &runtime->config.allocators[JZX_MEMORY_STATE];
    char *memory = allocator->alloc(allocator->context, size, ALIGN);
    if (memory == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    *b = (block){runtime, memory, memory + size};
    return JZX_OK;
}

jzx_err jzx__plan_make(jzx_runtime *runtime, const jzx_supervisor_spec *spec, uint32_t depth, jzx__plan **plan)
{
    size_t size = 0;
    if (!add_supervisor(&size, spec)) {
        return JZX_ERR_TOO_BIG;
    }
    block b;
    jzx_err err = make_block(runtime, size, &b);
    if (err != JZX_OK) {
        return err;
    }
    jzx__plan *made = take(&b, sizeof *made);
    copy_supervisor(&b, made, spec, depth);
    JZX_ASSERT(b.at == b.end);
    made->size = size;
    *plan = made;
    return JZX_OK;
}

/* Depths in it are counted from the supervisor it has not yet: plan_join() adds that one's. */
jzx_err jzx__plan_make_child(jzx_runtime *runtime, const jzx_child_spec *spec, jzx__plan **plan)
{
    size_t size = 0;
    if (!add(&size, sizeof(jzx__plan)) || !add_children(&size, spec, 1)) {
        return JZX_ERR_TOO_BIG;
    }
    block b;
    jzx_err err = make_block(runtime, size, &b);
    if (err != JZX_OK) {
        return err;
    }
    jzx__plan *made = take(&b, sizeof *made);
    memset(made, 0, sizeof *made);
    made->runtime = runtime;
    made->size = size;
    made->children_max = 1;
    made->child_count = 1;
    made->children = take(&b, sizeof *made->children);
    copy_child(&b, made->children, spec, 0);
    JZX_ASSERT(b.at == b.end);
    *plan = made;
    return JZX_OK;
}

/* ---- a child that is added ---- */

static uint32_t deepest(const jzx__plan *plan)
{
    uint32_t depth = plan->depth;
    for (uint32_t i = 0; i < plan->child_count; i++) {
        if (plan->children[i].plan != NULL) {
            uint32_t below = deepest(plan->children[i].plan);
            depth = below > depth ? below : depth;
        }
    }
    return depth;
}

static void deepen(jzx__plan *plan, uint32_t by)
{
    plan->depth += by;
    for (uint32_t i = 0; i < plan->child_count; i++) {
        if (plan->children[i].plan != NULL) {
            deepen(plan->children[i].plan, by);
        }
    }
}

jzx_err jzx__plan_join(jzx__plan *child, const jzx__plan *supervisor)
{
    JZX_ASSERT(child->depth == 0 && child->child_count == 1);
    if (deepest(child) + supervisor->depth > JZX_TREE_DEPTH_MAX) {
        return JZX_ERR_TOO_DEEP;
    }
    deepen(child, supervisor->depth);
    jzx_backoff *backoff = &child->children[0].backoff;
    *backoff = filled_backoff(backoff, &supervisor->backoff, supervisor->period_ns);
    return JZX_OK;
}

void jzx__plan_free(jzx__plan *plan)
{
    if (plan != NULL && plan->size != 0) {
        const jzx_allocator *allocator = &plan->runtime->config.allocators[JZX_MEMORY_STATE];
        allocator->free(allocator->context, plan, plan->size, ALIGN);
    }
}
