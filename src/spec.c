/*
 * spec: what a spec of a supervisor or child may hold, and the way to what is wrong in it.
 *
 * A supervisor is looked at before its children, these in order, each with all that is below it before the next. What is
 * wrong with one of them is looked for in the order of jzx_spec_fault, so nothing is read that was not found sound: a
 * struct of another size is not looked into. A spec that contains itself gets too deep (JZX_TREE_DEPTH_MAX), as the
 * recursion then does too.
 */
#include "src/internal.h"
#include "src/plan.h"

/* A hundred years: far enough, and what adds a few of them to a clock does not wrap. */
#define LONGEST_NS (100ull * 36525 * 864 * 1000000000)

/* What the whole check needs. `path` leads to where it is now. */
typedef struct checker {
    const jzx_runtime *runtime;
    jzx_child_path path;
} checker;

void jzx_child_spec_init(jzx_child_spec *spec)
{
    if (spec != NULL) {
        memset(spec, 0, sizeof *spec);
        spec->struct_size = sizeof *spec;
        spec->shutdown_ns = JZX_SHUTDOWN_DEFAULT;
    }
}

void jzx_supervisor_spec_init(jzx_supervisor_spec *spec)
{
    if (spec != NULL) {
        memset(spec, 0, sizeof *spec);
        spec->struct_size = sizeof *spec;
        spec->intensity = 3;
        spec->period_ns = 5000000000;
    }
}

jzx_child_key jzx_child_at(uint32_t index)
{
    return (jzx_child_key){.index = index};
}

jzx_child_key jzx_child_named(const char *name)
{
    jzx_child_key key = {.index = JZX_NO_CHILD};
    if (name != NULL && strnlen(name, JZX_CHILD_NAME_MAX) < JZX_CHILD_NAME_MAX) {
        memcpy(key.name, name, strlen(name));
    }
    return key;
}

/* ---- two children of one name ---- */

enum { BATCH = 256 }; /* children looked at together when there is no memory for all */

/* Indexes of children by their names, and one; 0: free. Twice as many places as children, and a power of two. */
typedef struct name_set {
    const jzx_child_spec *children;
    uint32_t *places;
    size_t mask;
} name_set;

static size_t name_hash(const char *name)
{
    uint64_t hash = jzx__text_hash(name);
    return (size_t)(hash ^ hash >> 32);
}

/* The place of a name, or the free one where it would be. */
static uint32_t *name_place(const name_set *set, const char *name)
{
    size_t at = name_hash(name) & set->mask;
    while (set->places[at] != 0 && strcmp(set->children[set->places[at] - 1].name, name) != 0) {
        at = (at + 1) & set->mask;
    }
    return &set->places[at];
}

static bool has_name(const jzx_child_spec *child)
{
    return child->name != NULL && strnlen(child->name, JZX_CHILD_NAME_MAX) < JZX_CHILD_NAME_MAX;
}

/* The first of `count` children that has the name of one of those from `from` to `to` before it, or `count`. */
static uint32_t duplicate_of(const name_set *set, uint32_t from, uint32_t to, uint32_t count)
{
    for (uint32_t i = from; i < count; i++) {
        if (!has_name(&set->children[i])) {
            continue;
        }
        uint32_t *place = name_place(set, set->children[i].name);
        if (*place != 0) {
            return i;
        }
        if (i < to) {
            *place = i + 1;
        }
    }
    return count;
}

/* The same of all, a batch at a time. */
static uint32_t duplicate_in(name_set *set, uint32_t batch, uint32_t count)
{
    uint32_t first = count;
    for (uint32_t from = 0; from < first; from = batch < first - from ? from + batch : first) {
        memset(set->places, 0, (set->mask + 1) * sizeof *set->places);
        first = duplicate_of(set, from, batch < first - from ? from + batch : first, first);
    }
    return first;
}

/*
 * The index of the first child with the name of one before it, or `count`. One pass when there is memory for all the names,
 * or few of them; else one for each batch, which a start without memory can bear, for it fails next.
 */
static uint32_t first_duplicate(const checker *check, const jzx_child_spec *children, uint32_t count)
{
    const jzx_allocator *allocator = &check->runtime->config.allocators[JZX_MEMORY_STATE];
    uint32_t few[2 * BATCH];
    name_set set = {children, few, 2 * BATCH - 1};
    if (count <= BATCH) {
        return duplicate_in(&set, BATCH, count);
    }
    size_t places = 4 * BATCH;
    while (places < 2 * (size_t)count) {
        places *= 2;
    }
    uint32_t *many = allocator->alloc(allocator->context, places * sizeof *many, _Alignof(void *));
    if (many == NULL) {
        return duplicate_in(&set, BATCH, count);
    }
    set.places = many;
    set.mask = places - 1;
    uint32_t first = duplicate_in(&set, count, count);
    allocator->free(allocator->context, many, places * sizeof *many, _Alignof(void *));
    return first;
}

/* ---- one spec ---- */

static jzx_spec_fault check_backoff(const jzx_backoff *backoff)
{
    bool grows = backoff->kind == JZX_BACKOFF_LINEAR || backoff->kind == JZX_BACKOFF_EXPONENTIAL;
    bool waits = grows || backoff->kind == JZX_BACKOFF_CONSTANT;
    if (backoff->kind > JZX_BACKOFF_EXPONENTIAL) {
        return JZX_SPEC_BACKOFF_KIND;
    }
    if (backoff->jitter > 1000) {
        return JZX_SPEC_BACKOFF_JITTER;
    }
    if (waits && (backoff->initial_ns == 0 || backoff->initial_ns > LONGEST_NS)) {
        return JZX_SPEC_BACKOFF_INITIAL;
    }
    if (grows && (backoff->max_ns < backoff->initial_ns || backoff->max_ns > LONGEST_NS)) {
        return JZX_SPEC_BACKOFF_MAX;
    }
    bool factor_valid = backoff->factor >= 1 && backoff->factor <= 1000; /* not so for a NaN */
    if (backoff->kind == JZX_BACKOFF_EXPONENTIAL && !factor_valid) {
        return JZX_SPEC_BACKOFF_FACTOR;
    }
    return JZX_SPEC_OK;
}

static jzx_spec_fault check_flags(const jzx_supervisor_spec *spec)
{
    if (spec->strategy > JZX_DYNAMIC) {
        return JZX_SPEC_STRATEGY;
    }
    if (spec->auto_shutdown > JZX_AUTO_ALL_SIGNIFICANT) {
        return JZX_SPEC_AUTO_SHUTDOWN;
    }
    if (spec->intensity > JZX_INTENSITY_MAX && spec->intensity != JZX_INTENSITY_UNLIMITED) {
        return JZX_SPEC_INTENSITY;
    }
    if (spec->period_ns == 0) {
        return JZX_SPEC_PERIOD;
    }
    if ((spec->children_max != 0 && spec->child_count > spec->children_max) ||
        (spec->strategy == JZX_DYNAMIC && spec->child_count != 1)) {
        return JZX_SPEC_CHILD_COUNT;
    }
    return check_backoff(&spec->backoff);
}

/* Who it is. `duplicate`: a sibling before it has its name. */
static jzx_spec_fault check_name(const jzx_child_spec *spec, bool duplicate)
{
    if (spec->name != NULL && (spec->name[0] == '\0' || !has_name(spec))) {
        return JZX_SPEC_NAME;
    }
    if (duplicate) {
        return JZX_SPEC_DUPLICATE;
    }
    return spec->register_name && spec->name == NULL ? JZX_SPEC_REGISTER : JZX_SPEC_OK;
}

static jzx_spec_fault check_kind(const jzx_child_spec *spec)
{
    if (spec->type > JZX_SUPERVISOR) {
        return JZX_SPEC_TYPE;
    }
    if (spec->restart > JZX_TEMPORARY) {
        return JZX_SPEC_RESTART;
    }
    if (spec->type == JZX_WORKER && spec->init == NULL) {
        return JZX_SPEC_INIT;
    }
    return spec->type == JZX_WORKER && spec->behavior == NULL ? JZX_SPEC_BEHAVIOR : JZX_SPEC_OK;
}

static jzx_spec_fault check_place(const jzx_runtime *runtime, const jzx_child_spec *spec)
{
    if (spec->placement > JZX_PLACE_LEAST_LOADED) {
        return JZX_SPEC_PLACEMENT;
    }
    if (spec->placement == JZX_PLACE_LOOP && spec->place_loop >= runtime->loop_count) {
        return JZX_SPEC_LOOP;
    }
    bool known = (uint32_t)spec->place_with != 0 && jzx__id_loop(spec->place_with) < runtime->loop_count;
    return spec->placement == JZX_PLACE_WITH && !known ? JZX_SPEC_PLACE_WITH : JZX_SPEC_OK;
}

static jzx_spec_fault check_mailbox(const jzx_runtime *runtime, const jzx_child_spec *spec)
{
    if (spec->mailbox_policy > JZX_MAILBOX_DROP_OLDEST) {
        return JZX_SPEC_MAILBOX_POLICY;
    }
    if (!jzx__cap_valid(&runtime->config, spec->mailbox_cap)) {
        return JZX_SPEC_MAILBOX_CAP;
    }
    if (spec->mailbox_bytes != 0 && spec->mailbox_bytes < JZX_INLINE_MAX) {
        return JZX_SPEC_MAILBOX_BYTES;
    }
    return spec->limit_action > JZX_LIMIT_FAIL ? JZX_SPEC_LIMIT_ACTION : JZX_SPEC_OK;
}

/* Of a supervisor the library makes the state, and no mail of it is for its next incarnation. */
static bool has_worker_field(const jzx_child_spec *spec)
{
    return spec->init != NULL || spec->behavior != NULL || spec->fini != NULL || spec->argument != NULL ||
           spec->argument_size != 0 || spec->state_size != 0 || spec->keep_mail || spec->trap_exit ||
           spec->handler_limit_ns != 0;
}

static jzx_spec_fault check_type(const jzx_child_spec *spec)
{
    if ((spec->type == JZX_SUPERVISOR) != (spec->supervisor != NULL)) {
        return JZX_SPEC_SUPERVISOR;
    }
    return spec->type == JZX_SUPERVISOR && has_worker_field(spec) ? JZX_SPEC_WORKER_FIELD : JZX_SPEC_OK;
}

static jzx_spec_fault check_life(const jzx_child_spec *spec)
{
    if (spec->argument_size != 0 && spec->argument == NULL) {
        return JZX_SPEC_ARGUMENT;
    }
    bool named = spec->shutdown_ns >= JZX_SHUTDOWN_DEFAULT; /* the three and JZX_FOREVER are the largest there are */
    return spec->shutdown_ns > LONGEST_NS && !named ? JZX_SPEC_SHUTDOWN : JZX_SPEC_OK;
}

_Static_assert(JZX_SHUTDOWN_DEFAULT + 1 == JZX_SHUTDOWN_BRUTAL && JZX_SHUTDOWN_BRUTAL + 1 == JZX_FOREVER,
               "check_life()");

/* All of a child but what is below it. */
static jzx_spec_fault check_child(const jzx_runtime *runtime, const jzx_child_spec *spec, uint32_t auto_shutdown,
                                  bool duplicate)
{
    if (spec->struct_size != sizeof *spec) {
        return JZX_SPEC_STRUCT_SIZE;
    }
    jzx_spec_fault fault = check_kind(spec);
    if (fault == JZX_SPEC_OK) {
        fault = check_name(spec, duplicate);
    }
    if (fault == JZX_SPEC_OK) {
        fault = check_life(spec);
    }
    if (fault == JZX_SPEC_OK) {
        fault = check_place(runtime, spec);
    }
    if (fault == JZX_SPEC_OK) {
        fault = check_mailbox(runtime, spec);
    }
    if (fault == JZX_SPEC_OK && spec->significant &&
        (spec->restart == JZX_PERMANENT || auto_shutdown == JZX_AUTO_NEVER)) {
        fault = JZX_SPEC_SIGNIFICANT;
    }
    if (fault == JZX_SPEC_OK) {
        fault = check_backoff(&spec->backoff);
    }
    return fault == JZX_SPEC_OK ? check_type(spec) : fault;
}

/* ---- a tree of them ---- */

static jzx_spec_fault check_supervisor(checker *check, const jzx_supervisor_spec *spec, uint32_t depth);

static jzx_spec_fault check_below(checker *check, const jzx_child_spec *spec, uint32_t depth)
{
    return spec->type == JZX_SUPERVISOR ? check_supervisor(check, spec->supervisor, depth) : JZX_SPEC_OK;
}

/* How many children begin with their size, up to the first that does not: the names of the others are not looked at. */
static uint32_t begun(const jzx_supervisor_spec *spec)
{
    uint32_t count = 0;
    while (count < spec->child_count && spec->children[count].struct_size == sizeof *spec->children) {
        count++;
    }
    return count;
}

static jzx_spec_fault check_children(checker *check, const jzx_supervisor_spec *spec, uint32_t depth)
{
    uint32_t duplicate = first_duplicate(check, spec->children, begun(spec));
    uint32_t level = check->path.depth++;
    for (uint32_t i = 0; i < spec->child_count; i++) {
        const jzx_child_spec *child = &spec->children[i];
        check->path.index[level] = i;
        jzx_spec_fault fault = check_child(check->runtime, child, spec->auto_shutdown, i == duplicate);
        if (fault == JZX_SPEC_OK) {
            fault = check_below(check, child, depth + 1);
        }
        if (fault != JZX_SPEC_OK) {
            return fault;
        }
    }
    check->path.depth--;
    return JZX_SPEC_OK;
}

static jzx_spec_fault check_supervisor(checker *check, const jzx_supervisor_spec *spec, uint32_t depth)
{
    if (spec == NULL || (spec->struct_size == sizeof *spec && spec->child_count != 0 && spec->children == NULL)) {
        return JZX_SPEC_NULL;
    }
    if (spec->struct_size != sizeof *spec) {
        return JZX_SPEC_STRUCT_SIZE;
    }
    jzx_spec_fault fault = check_flags(spec);
    if (fault == JZX_SPEC_OK && depth > JZX_TREE_DEPTH_MAX) {
        fault = JZX_SPEC_DEPTH;
    }
    return fault == JZX_SPEC_OK ? check_children(check, spec, depth) : fault;
}

static jzx_spec_fault checked(const checker *check, jzx_spec_fault fault, jzx_child_path *path)
{
    if (fault != JZX_SPEC_OK && path != NULL) {
        *path = check->path;
    }
    return fault;
}

jzx_spec_fault jzx__plan_check(const jzx_runtime *runtime, const jzx_supervisor_spec *spec, uint32_t depth,
                               jzx_child_path *path)
{
    checker check = {.runtime = runtime};
    return checked(&check, check_supervisor(&check, spec, depth), path);
}

jzx_spec_fault jzx__plan_check_child(const jzx_runtime *runtime, const jzx_child_spec *spec, uint32_t depth,
                                     uint32_t auto_shutdown, jzx_child_path *path)
{
    checker check = {.runtime = runtime};
    jzx_spec_fault fault = spec == NULL ? JZX_SPEC_NULL : check_child(runtime, spec, auto_shutdown, false);
    if (fault == JZX_SPEC_OK) {
        fault = check_below(&check, spec, depth + 1);
    }
    return checked(&check, fault, path);
}

jzx_err jzx__plan_error(jzx_spec_fault fault)
{
    switch (fault) {
    case JZX_SPEC_OK:
        return JZX_OK;
    case JZX_SPEC_DUPLICATE:
        return JZX_ERR_DUPLICATE;
    case JZX_SPEC_DEPTH:
        return JZX_ERR_TOO_DEEP;
    default:
        return JZX_ERR_INVALID_ARG;
    }
}

jzx_spec_fault jzx_supervisor_check(jzx_context *context, const jzx_supervisor_spec *spec, jzx_child_path *path)
{
    return context == NULL ? JZX_SPEC_NULL : jzx__plan_check(context->loop->runtime, spec, 1, path);
}

jzx_spec_fault jzx_child_check(jzx_context *context, const jzx_child_spec *spec, jzx_child_path *path)
{
    /* Under which supervisor it will be is not known: the one that allows the most. */
    return context == NULL ? JZX_SPEC_NULL
                           : jzx__plan_check_child(context->loop->runtime, spec, 1, JZX_AUTO_ANY_SIGNIFICANT, path);
}

const char *jzx_spec_fault_text(jzx_spec_fault fault)
{
    static const char *const texts[JZX_SPEC_FAULTS] = {
        [JZX_SPEC_OK] = "ok",
        [JZX_SPEC_NULL] = "no spec, or children that are not there",
        [JZX_SPEC_STRUCT_SIZE] = "the spec was not begun with its init function",
        [JZX_SPEC_STRATEGY] = "no such strategy",
        [JZX_SPEC_AUTO_SHUTDOWN] = "no such auto_shutdown",
        [JZX_SPEC_INTENSITY] = "the intensity is over 1,000,000 and not JZX_INTENSITY_UNLIMITED",
        [JZX_SPEC_PERIOD] = "the period is 0",
        [JZX_SPEC_CHILD_COUNT] = "more children than children_max, or a dynamic supervisor without its one template",
        [JZX_SPEC_TYPE] = "no such type of child",
        [JZX_SPEC_RESTART] = "no such restart",
        [JZX_SPEC_INIT] = "a worker without init",
        [JZX_SPEC_BEHAVIOR] = "a worker without behavior",
        [JZX_SPEC_NAME] = "the name is empty or over 31 bytes",
        [JZX_SPEC_DUPLICATE] = "a sibling has the name",
        [JZX_SPEC_REGISTER] = "register_name without a name",
        [JZX_SPEC_ARGUMENT] = "argument_size without an argument",
        [JZX_SPEC_SHUTDOWN] = "the shutdown time is over a hundred years",
        [JZX_SPEC_PLACEMENT] = "no such placement",
        [JZX_SPEC_LOOP] = "the runtime has no such loop",
        [JZX_SPEC_PLACE_WITH] = "place_with is no id of this runtime",
        [JZX_SPEC_MAILBOX_POLICY] = "no such mailbox policy",
        [JZX_SPEC_MAILBOX_CAP] = "the mailbox is over an eighth of the cells",
        [JZX_SPEC_MAILBOX_BYTES] = "the mailbox's bytes are below 32",
        [JZX_SPEC_LIMIT_ACTION] = "no such action for a handler over its limit",
        [JZX_SPEC_SIGNIFICANT] = "significant, but permanent, or under a supervisor without auto_shutdown",
        [JZX_SPEC_BACKOFF_KIND] = "no such backoff",
        [JZX_SPEC_BACKOFF_JITTER] = "the backoff's jitter is over 1,000 thousandths",
        [JZX_SPEC_BACKOFF_INITIAL] = "the backoff's initial_ns is 0 or over a hundred years",
        [JZX_SPEC_BACKOFF_MAX] = "the backoff's max_ns is below initial_ns or over a hundred years",
        [JZX_SPEC_BACKOFF_FACTOR] = "the backoff's factor is not from 1 to 1,000",
        [JZX_SPEC_SUPERVISOR] = "a supervisor without a spec, or a worker with one",
        [JZX_SPEC_WORKER_FIELD] = "a supervisor with a field that only workers have",
        [JZX_SPEC_DEPTH] = "the tree is too deep",
    };
    return (unsigned)fault < JZX_SPEC_FAULTS ? texts[fault] : "unknown fault";
}

const char *jzx_supervision_kind_text(uint32_t kind)
{
    static const char *const texts[] = {"started", "stopped", "restart", "start failed", "shutdown error", "escalated"};
    return kind < JZX__COUNT(texts) ? texts[kind] : "unknown";
}
