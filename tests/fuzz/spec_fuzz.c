/*
 * spec_fuzz: bytes -> specs of supervisors and children, and what src/spec.c and src/plan.c make of them.
 *
 * A pool of sound specs is changed field by field, so that each input is nearly right. A naive check, which goes through the
 * faults in the order in which jzx/supervisor.h lists them, says what is wrong first and where. What is accepted is made
 * into a plan; the specs are then scribbled over and freed, and the plan must equal them as they are built a second time. An
 * allocation may fail, and nothing may be left at the end.
 *
 *   input   failing allocation u8, 0: none | loops u8 | cells u8 | depth u8 | auto_shutdown u8 | supervisors u8 |
 *           children u16 | edits
 *   edit    supervisor or children u8 | which u16 | how many u16 | field u8 | value: u8, and if that is 255 a u64
 *
 * White-box, and without a loop: nothing here runs.
 */
#include "fuzz.h"
#include "src/plan.h"
#include "tests/support/nothing.h"

#include <math.h>

enum { SUPERVISORS_MAX = 40, CHILDREN_MAX = 700, NAME_BYTES = 40, ARGUMENT_MAX = 64, VISITS_MAX = 4000 };

#define HUNDRED_YEARS (100ull * 36525 * 864 * 1000000000)

/* ---- what is counted ---- */

struct counted {
    uint64_t calls;
    uint64_t fail_at;
    uint64_t blocks;
    uint64_t bytes;
};

static void *take(void *context, size_t size, size_t align)
{
    struct counted *counted = context;
    void *memory;
    if (++counted->calls == counted->fail_at || posix_memalign(&memory, align, size) != 0) {
        return NULL;
    }
    counted->blocks++;
    counted->bytes += size;
    return memory;
}

static void give(void *context, void *memory, size_t size, size_t align)
{
    struct counted *counted = context;
    (void)align;
    counted->blocks--;
    counted->bytes -= size;
    free(memory);
}

/* ---- specs ---- */

struct pool {
    uint32_t supervisor_count;
    uint32_t child_count; /* at least one for each supervisor */
    jzx_supervisor_spec supervisors[SUPERVISORS_MAX];
    uint8_t argument[ARGUMENT_MAX];
    char name_of_supervisor[NAME_BYTES];
    char (*names)[NAME_BYTES];
    jzx_child_spec *children;
};

/* Numbers at the limits of some field. */
static const uint64_t limits[] = {
    0,
    1,
    2,
    3,
    4,
    5,
    8,
    31,
    32,
    33,
    64,
    999,
    1000,
    1001,
    8192,
    8193,
    JZX_INTENSITY_MAX,
    JZX_INTENSITY_MAX + 1,
    UINT32_MAX - 1,
    UINT32_MAX,
    1ull << 32,
    1ull << 56 | 1,
    2ull << 56 | 7,
    HUNDRED_YEARS - 1,
    HUNDRED_YEARS,
    HUNDRED_YEARS + 1,
    JZX_SHUTDOWN_DEFAULT - 1,
    JZX_SHUTDOWN_DEFAULT,
    JZX_SHUTDOWN_BRUTAL,
    JZX_FOREVER,
};

static uint64_t any_value(struct fuzz_input *input)
{
    uint8_t which = fuzz_u8(input);
    return which == 255 ? fuzz_u64(input) : limits[which % (sizeof limits / sizeof limits[0])];
}

static double any_factor(uint64_t value)
{
    static const double factors[] = {0, 0.5, 1, 1.5, 1000, 1000.5, -1, INFINITY, -INFINITY, NAN};
    return factors[value % (sizeof factors / sizeof factors[0])];
}

enum { SUPERVISOR_FIELDS = 15 };

static void edit_supervisor(struct pool *pool, jzx_supervisor_spec *spec, uint32_t field, uint64_t value)
{
    switch (field) {
    case 0:
        spec->struct_size = value % 2 != 0 ? sizeof *spec : value;
        break;
    case 1:
        spec->strategy = (uint8_t)value;
        break;
    case 2:
        spec->auto_shutdown = (uint8_t)value;
        break;
    case 3:
        spec->intensity = (uint32_t)value;
        break;
    case 4:
        spec->period_ns = value;
        break;
    case 5:
        spec->children_max = (uint32_t)value;
        break;
    case 6:
        spec->child_count = (uint32_t)(value % (pool->child_count + 1));
        break;
    case 7:
        spec->children = &pool->children[value % pool->child_count];
        break;
    case 8:
        spec->children = value % 4 == 0 ? NULL : spec->children;
        break;
    case 9:
        spec->backoff.kind = (uint32_t)value;
        break;
    case 10:
        spec->backoff.jitter = (uint32_t)value;
        break;
    case 11:
        spec->backoff.initial_ns = value;
        break;
    case 12:
        spec->backoff.max_ns = value;
        break;
    case 13:
        spec->backoff.factor = any_factor(value);
        break;
    default:
        spec->backoff.reset_ns = value;
        spec->name = value % 2 != 0 ? pool->name_of_supervisor : NULL;
        break;
    }
}

/* Names as long as they may be, too long, empty, of this child alone, of many. */
static const char *any_name(struct pool *pool, uint32_t index, uint64_t value)
{
    char *name = pool->names[index];
    if (value == 0) {
        return NULL;
    }
    if (value == 1 || value == 2) {
        snprintf(name, NAME_BYTES, "child %u", value == 1 ? index : 7);
    } else if (value == 3) {
        snprintf(name, NAME_BYTES, "%u", index % 256);
    } else {
        memset(name, 'n', NAME_BYTES - 1);
        name[value % NAME_BYTES] = 0;
    }
    return name;
}

enum { CHILD_FIELDS = 32 };

static void edit_child_limits(jzx_child_spec *spec, uint32_t field, uint64_t value)
{
    switch (field) {
    case 16:
        spec->argument_size = (uint32_t)value;
        break;
    case 17:
        spec->state_size = (uint32_t)value;
        break;
    case 18:
        spec->mailbox_cap = (uint32_t)value;
        break;
    case 19:
        spec->mailbox_bytes = (uint32_t)value;
        break;
    case 20:
        spec->place_loop = (uint32_t)value;
        break;
    case 21:
        spec->place_with = value;
        break;
    case 22:
        spec->messages_per_turn = (uint16_t)value;
        break;
    case 23:
        spec->shutdown_ns = value;
        break;
    case 24:
        spec->backoff.kind = (uint32_t)value;
        break;
    case 25:
        spec->backoff.jitter = (uint32_t)value;
        break;
    case 26:
        spec->backoff.initial_ns = value;
        break;
    case 27:
        spec->backoff.max_ns = value;
        break;
    case 28:
        spec->backoff.factor = any_factor(value);
        break;
    case 29:
        spec->limit_action = (uint8_t)value;
        break;
    case 30:
        spec->handler_limit_ns = value;
        break;
    default:
        spec->backoff.reset_ns = value;
        break;
    }
}

static void edit_child(struct pool *pool, uint32_t index, uint32_t field, uint64_t value)
{
    jzx_child_spec *spec = &pool->children[index];
    switch (field) {
    case 0: /* a supervisor, as it should be */
        jzx_child_spec_init(spec);
        spec->type = JZX_SUPERVISOR;
        spec->supervisor = &pool->supervisors[value % pool->supervisor_count];
        break;
    case 1:
        spec->supervisor = value == 0 ? NULL : &pool->supervisors[value % pool->supervisor_count];
        break;
    case 2:
        spec->struct_size = value % 2 != 0 ? sizeof *spec : value;
        break;
    case 3:
        spec->name = any_name(pool, index, value);
        break;
    case 4:
        spec->type = (uint8_t)value;
        break;
    case 5:
        spec->restart = (uint8_t)value;
        break;
    case 6:
        spec->placement = (uint8_t)value;
        break;
    case 7:
        spec->mailbox_policy = (uint8_t)value;
        break;
    case 8:
        spec->significant = value % 2 != 0;
        break;
    case 9:
        spec->keep_mail = value % 2 != 0;
        break;
    case 10:
        spec->register_name = value % 2 != 0;
        break;
    case 11:
        spec->trap_exit = value % 2 != 0;
        break;
    case 12:
        spec->init = value % 2 != 0 ? no_init : NULL;
        break;
    case 13:
        spec->behavior = value % 2 != 0 ? no_behavior : NULL;
        break;
    case 14:
        spec->fini = value % 2 != 0 ? no_fini : NULL;
        break;
    case 15:
        spec->argument = value % 2 != 0 ? pool->argument : NULL;
        break;
    default:
        edit_child_limits(spec, field, value);
        break;
    }
}

static void edit(struct pool *pool, struct fuzz_input *input)
{
    bool of_supervisor = fuzz_u8(input) % 4 == 0;
    uint32_t which = fuzz_u16(input);
    uint32_t count = fuzz_u16(input);
    uint32_t field = fuzz_u8(input);
    uint64_t value = any_value(input);
    if (of_supervisor) {
        edit_supervisor(pool, &pool->supervisors[which % pool->supervisor_count], field % SUPERVISOR_FIELDS, value);
        return;
    }
    which %= pool->child_count;
    count = 1 + count % (pool->child_count - which);
    for (uint32_t i = which; i < which + count; i++) {
        edit_child(pool, i, field % CHILD_FIELDS, value);
    }
}

/* What no caller may do: say that there is more behind a pointer than there is. */
static void keep_promises(struct pool *pool)
{
    for (uint32_t i = 0; i < pool->child_count; i++) {
        jzx_child_spec *child = &pool->children[i];
        if (child->argument != NULL && child->argument_size > ARGUMENT_MAX) {
            child->argument_size = ARGUMENT_MAX;
        }
    }
    for (uint32_t i = 0; i < pool->supervisor_count; i++) {
        jzx_supervisor_spec *spec = &pool->supervisors[i];
        uint32_t there = UINT32_MAX;
        if (spec->children != NULL) {
            there = pool->child_count - (uint32_t)(spec->children - pool->children);
        }
        spec->child_count = spec->child_count < there ? spec->child_count : there;
    }
}

static struct pool *make_pool(uint32_t supervisors, uint32_t children)
{
    struct pool *pool = calloc(1, sizeof *pool);
    FUZZ_REQUIRE(pool != NULL);
    pool->supervisor_count = supervisors;
    pool->child_count = children;
    pool->names = calloc(children, sizeof *pool->names);
    pool->children = calloc(children, sizeof *pool->children);
    FUZZ_REQUIRE(pool->names != NULL && pool->children != NULL);
    return pool;
}

static void free_pool(struct pool *pool)
{
    free(pool->names);
    free(pool->children);
    free(pool);
}

static void scribble(struct pool *pool)
{
    memset(pool->names, 0xA5, pool->child_count * sizeof *pool->names);
    memset(pool->children, 0xA5, pool->child_count * sizeof *pool->children);
    memset(pool->supervisors, 0xA5, sizeof pool->supervisors);
    memset(pool->argument, 0xA5, sizeof pool->argument);
    free_pool(pool);
}

/* The first supervisor has all children but one for each other, which have that one. */
static struct pool *build(struct fuzz_input input)
{
    uint32_t supervisors = 1 + fuzz_below(&input, SUPERVISORS_MAX);
    struct pool *pool = make_pool(supervisors, supervisors + fuzz_u16(&input) % CHILDREN_MAX);
    strcpy(pool->name_of_supervisor, "longer than an actor's may be");
    for (uint32_t i = 0; i < sizeof pool->argument; i++) {
        pool->argument[i] = (uint8_t)(i * 7);
    }
    for (uint32_t i = 0; i < pool->child_count; i++) {
        jzx_child_spec_init(&pool->children[i]);
        pool->children[i].init = no_init;
        pool->children[i].behavior = no_behavior;
    }
    for (uint32_t i = 0; i < supervisors; i++) {
        uint32_t first = i == 0 ? 0 : pool->child_count - i;
        jzx_supervisor_spec_init(&pool->supervisors[i]);
        pool->supervisors[i].children = &pool->children[first];
        pool->supervisors[i].child_count = i == 0 ? pool->child_count - supervisors + 1 : 1;
    }
    while (input.left > 0) {
        edit(pool, &input);
    }
    keep_promises(pool);
    return pool;
}

/* ---- the naive check ---- */

struct place {
    const jzx_runtime *runtime;
    uint32_t depth;         /* of the supervisor, or of the one the child is under */
    uint32_t auto_shutdown; /* of the one the child is under */
    const jzx_child_spec *siblings;
    uint32_t index;
};

static bool same_name(const jzx_child_spec *a, const jzx_child_spec *b)
{
    return a->name != NULL && b->name != NULL && strcmp(a->name, b->name) == 0;
}

static bool backoff_has(const jzx_backoff *backoff, jzx_spec_fault fault)
{
    bool linear = backoff->kind == JZX_BACKOFF_LINEAR;
    bool exponential = backoff->kind == JZX_BACKOFF_EXPONENTIAL;
    bool constant = backoff->kind == JZX_BACKOFF_CONSTANT;
    switch ((int)fault) {
    case JZX_SPEC_BACKOFF_KIND:
        return backoff->kind > 4;
    case JZX_SPEC_BACKOFF_JITTER:
        return backoff->jitter > 1000;
    case JZX_SPEC_BACKOFF_INITIAL:
        return (constant || linear || exponential) && (backoff->initial_ns == 0 || backoff->initial_ns > HUNDRED_YEARS);
    case JZX_SPEC_BACKOFF_MAX:
        return (linear || exponential) && (backoff->max_ns < backoff->initial_ns || backoff->max_ns > HUNDRED_YEARS);
    case JZX_SPEC_BACKOFF_FACTOR:
        return exponential && !(backoff->factor >= 1 && backoff->factor <= 1000);
    default:
        return false;
    }
}

static bool supervisor_has(const jzx_supervisor_spec *spec, const struct place *place, jzx_spec_fault fault)
{
    switch ((int)fault) {
    case JZX_SPEC_STRUCT_SIZE:
        return spec->struct_size != sizeof *spec;
    case JZX_SPEC_STRATEGY:
        return spec->strategy > 3;
    case JZX_SPEC_AUTO_SHUTDOWN:
        return spec->auto_shutdown > 2;
    case JZX_SPEC_INTENSITY:
        return spec->intensity > 1000000 && spec->intensity != UINT32_MAX;
    case JZX_SPEC_PERIOD:
        return spec->period_ns == 0;
    case JZX_SPEC_CHILD_COUNT:
        return (spec->children_max != 0 && spec->child_count > spec->children_max) ||
               (spec->strategy == JZX_DYNAMIC && spec->child_count != 1);
    case JZX_SPEC_DEPTH:
        return place->depth > JZX_TREE_DEPTH_MAX;
    default:
        return backoff_has(&spec->backoff, fault);
    }
}

static bool is_duplicate(const jzx_child_spec *spec, const struct place *place)
{
    for (uint32_t i = 0; place->siblings != NULL && i < place->index; i++) {
        if (same_name(&place->siblings[i], spec)) {
            return true;
        }
    }
    return false;
}

static bool child_lives_wrong(const jzx_child_spec *spec, const struct place *place, jzx_spec_fault fault)
{
    const jzx_runtime *runtime = place->runtime;
    switch ((int)fault) {
    case JZX_SPEC_PLACEMENT:
        return spec->placement > 3;
    case JZX_SPEC_LOOP:
        return spec->placement == JZX_PLACE_LOOP && spec->place_loop >= runtime->loop_count;
    case JZX_SPEC_PLACE_WITH:
        return spec->placement == JZX_PLACE_WITH &&
               (spec->place_with % (1ull << 32) == 0 || spec->place_with / (1ull << 56) >= runtime->loop_count);
    case JZX_SPEC_MAILBOX_POLICY:
        return spec->mailbox_policy > 2;
    case JZX_SPEC_MAILBOX_CAP:
        return (uint64_t)spec->mailbox_cap * 8 > runtime->config.cells / 8 * 8;
    case JZX_SPEC_MAILBOX_BYTES:
        return spec->mailbox_bytes > 0 && spec->mailbox_bytes < JZX_INLINE_MAX;
    case JZX_SPEC_LIMIT_ACTION:
        return spec->limit_action > 2;
    case JZX_SPEC_SIGNIFICANT:
        return spec->significant && (spec->restart == JZX_PERMANENT || place->auto_shutdown == JZX_AUTO_NEVER);
    case JZX_SPEC_SUPERVISOR:
        return spec->type == JZX_WORKER ? spec->supervisor != NULL : spec->supervisor == NULL;
    case JZX_SPEC_WORKER_FIELD:
        return spec->type == JZX_SUPERVISOR &&
               (spec->init != NULL || spec->behavior != NULL || spec->fini != NULL || spec->argument != NULL ||
                spec->argument_size > 0 || spec->state_size > 0 || spec->keep_mail || spec->trap_exit ||
                spec->handler_limit_ns > 0);
    default:
        return backoff_has(&spec->backoff, fault);
    }
}

static bool child_has(const jzx_child_spec *spec, const struct place *place, jzx_spec_fault fault)
{
    switch ((int)fault) {
    case JZX_SPEC_STRUCT_SIZE:
        return spec->struct_size != sizeof *spec;
    case JZX_SPEC_TYPE:
        return spec->type > 1;
    case JZX_SPEC_RESTART:
        return spec->restart > 2;
    case JZX_SPEC_INIT:
        return spec->type == JZX_WORKER && spec->init == NULL;
    case JZX_SPEC_BEHAVIOR:
        return spec->type == JZX_WORKER && spec->behavior == NULL;
    case JZX_SPEC_NAME:
        return spec->name != NULL && (strlen(spec->name) == 0 || strlen(spec->name) >= JZX_CHILD_NAME_MAX);
    case JZX_SPEC_DUPLICATE:
        return is_duplicate(spec, place);
    case JZX_SPEC_REGISTER:
        return spec->register_name && spec->name == NULL;
    case JZX_SPEC_ARGUMENT:
        return spec->argument == NULL && spec->argument_size > 0;
    case JZX_SPEC_SHUTDOWN:
        return spec->shutdown_ns > HUNDRED_YEARS && spec->shutdown_ns != JZX_FOREVER &&
               spec->shutdown_ns != JZX_SHUTDOWN_BRUTAL && spec->shutdown_ns != JZX_SHUTDOWN_DEFAULT;
    default:
        return child_lives_wrong(spec, place, fault);
    }
}

struct naive {
    const jzx_runtime *runtime;
    jzx_child_path path;
    uint32_t visits;
};

static jzx_spec_fault naive_child(struct naive *naive, const jzx_child_spec *spec, const struct place *place);

/* Who says NULL, or has a size that is wrong, is not looked at any further: hence the two first. */
static jzx_spec_fault naive_supervisor(struct naive *naive, const jzx_supervisor_spec *spec, uint32_t depth)
{
    struct place place = {.runtime = naive->runtime, .depth = depth};
    if (spec == NULL || (spec->struct_size == sizeof *spec && spec->child_count > 0 && spec->children == NULL)) {
        return JZX_SPEC_NULL;
    }
    for (int fault = JZX_SPEC_STRUCT_SIZE; fault < JZX_SPEC_FAULTS; fault++) {
        if (supervisor_has(spec, &place, (jzx_spec_fault)fault)) {
            return (jzx_spec_fault)fault;
        }
    }
    place.auto_shutdown = spec->auto_shutdown;
    place.siblings = spec->children;
    uint32_t level = naive->path.depth++;
    for (place.index = 0; place.index < spec->child_count && naive->visits < VISITS_MAX; place.index++) {
        naive->path.index[level] = place.index;
        jzx_spec_fault fault = naive_child(naive, &spec->children[place.index], &place);
        if (fault != JZX_SPEC_OK) {
            return fault;
        }
    }
    naive->path.depth--;
    return JZX_SPEC_OK;
}

static jzx_spec_fault naive_child(struct naive *naive, const jzx_child_spec *spec, const struct place *place)
{
    naive->visits++;
    for (int fault = JZX_SPEC_STRUCT_SIZE; fault < JZX_SPEC_FAULTS; fault++) {
        if (child_has(spec, place, (jzx_spec_fault)fault)) {
            return (jzx_spec_fault)fault;
        }
    }
    return spec->type == JZX_SUPERVISOR ? naive_supervisor(naive, spec->supervisor, place->depth + 1) : JZX_SPEC_OK;
}

/* ---- the plan ---- */

/* N1 */
static void require_inside(const jzx__plan *root, const void *pointer, size_t size)
{
    const char *begin = (const char *)root;
    const char *at = pointer;
    FUZZ_REQUIRE(at >= begin && at + size <= begin + root->size);
}

static void require_backoff(const jzx_backoff *backoff, const jzx_backoff *own, const jzx_supervisor_spec *above)
{
    jzx_backoff wanted = *own;
    uint64_t period_ns = above != NULL ? above->period_ns : 0;
    if (wanted.kind == JZX_BACKOFF_INHERIT && above != NULL) {
        wanted = above->backoff;
        wanted.kind = wanted.kind == JZX_BACKOFF_INHERIT ? JZX_BACKOFF_NONE : wanted.kind;
    }
    if (wanted.reset_ns == 0) {
        wanted.reset_ns = period_ns;
    }
    FUZZ_REQUIRE(backoff->kind == wanted.kind && backoff->jitter == wanted.jitter);
    FUZZ_REQUIRE(backoff->initial_ns == wanted.initial_ns && backoff->max_ns == wanted.max_ns);
    FUZZ_REQUIRE(memcmp(&backoff->factor, &wanted.factor, sizeof wanted.factor) == 0); /* a NaN is one too */
    FUZZ_REQUIRE(backoff->reset_ns == wanted.reset_ns);
}

static void require_plan(const jzx__plan *root, const jzx__plan *plan, const jzx_supervisor_spec *spec, uint32_t depth);

static void require_worker(const jzx__plan *root, const jzx__plan_child *child, const jzx_child_spec *spec)
{
    const jzx_spawn_options *options = &child->options;
    FUZZ_REQUIRE(child->plan == NULL);
    FUZZ_REQUIRE(options->init == spec->init && options->behavior == spec->behavior && options->fini == spec->fini);
    FUZZ_REQUIRE(options->state_size == spec->state_size && options->trap_exit == spec->trap_exit);
    FUZZ_REQUIRE(spec->name == NULL ? options->name == NULL : options->name == child->name);
    if (spec->argument_size == 0) {
        FUZZ_REQUIRE((options->argument == NULL) == (spec->argument == NULL));
    } else {
        FUZZ_REQUIRE((uintptr_t)options->argument % _Alignof(max_align_t) == 0);
        require_inside(root, options->argument, spec->argument_size);
        FUZZ_REQUIRE(memcmp(options->argument, spec->argument, spec->argument_size) == 0);
    }
}

/* `above`: NULL when the child has not joined its supervisor. */
static void require_child(const jzx__plan *root, const jzx__plan_child *child, const jzx_child_spec *spec,
                          const jzx_supervisor_spec *above, uint32_t depth)
{
    const jzx_spawn_options *options = &child->options;
    uint64_t shutdown_ns = spec->type == JZX_SUPERVISOR ? JZX_FOREVER : 5000000000;
    FUZZ_REQUIRE(strcmp(child->name, spec->name != NULL ? spec->name : "") == 0);
    FUZZ_REQUIRE(child->type == spec->type && child->restart == spec->restart);
    FUZZ_REQUIRE(child->significant == spec->significant && child->keep_mail == spec->keep_mail);
    FUZZ_REQUIRE(child->register_name == spec->register_name && child->argument_size == spec->argument_size);
    FUZZ_REQUIRE(child->shutdown_ns == (spec->shutdown_ns == JZX_SHUTDOWN_DEFAULT ? shutdown_ns : spec->shutdown_ns));
    FUZZ_REQUIRE(options->struct_size == sizeof *options && !options->link);
    FUZZ_REQUIRE(options->mailbox_cap == spec->mailbox_cap && options->mailbox_bytes == spec->mailbox_bytes);
    FUZZ_REQUIRE(options->mailbox_policy == spec->mailbox_policy && options->placement == spec->placement);
    FUZZ_REQUIRE(options->place_loop == spec->place_loop && options->place_with == spec->place_with);
    FUZZ_REQUIRE(options->messages_per_turn == spec->messages_per_turn);
    FUZZ_REQUIRE(options->handler_limit_ns == spec->handler_limit_ns && options->limit_action == spec->limit_action);
    require_backoff(&child->backoff, &spec->backoff, above);
    if (spec->type == JZX_SUPERVISOR) {
        FUZZ_REQUIRE(child->plan != NULL && options->argument == child->plan);
        FUZZ_REQUIRE(options->trap_exit && options->behavior != NULL && options->state_size != 0);
        require_plan(root, child->plan, spec->supervisor, depth + 1);
    } else {
        require_worker(root, child, spec);
    }
}

static void require_plan(const jzx__plan *root, const jzx__plan *plan, const jzx_supervisor_spec *spec, uint32_t depth)
{
    jzx_backoff backoff = spec->backoff;
    backoff.kind = backoff.kind == JZX_BACKOFF_INHERIT ? JZX_BACKOFF_NONE : backoff.kind;
    require_inside(root, plan, sizeof *plan);
    require_inside(root, plan->children, plan->child_count * sizeof *plan->children);
    FUZZ_REQUIRE(plan->runtime == root->runtime && plan->depth == depth);
    FUZZ_REQUIRE(plan == root || plan->size == 0);
    FUZZ_REQUIRE(plan->strategy == spec->strategy && plan->auto_shutdown == spec->auto_shutdown);
    FUZZ_REQUIRE(plan->intensity == spec->intensity && plan->period_ns == spec->period_ns);
    FUZZ_REQUIRE(plan->children_max != 0);
    FUZZ_REQUIRE(spec->children_max == 0 || plan->children_max == spec->children_max);
    FUZZ_REQUIRE(strncmp(plan->name, spec->name != NULL ? spec->name : "", sizeof plan->name - 1) == 0);
    FUZZ_REQUIRE(plan->name[sizeof plan->name - 1] == 0);
    require_backoff(&plan->backoff, &backoff, spec);
    FUZZ_REQUIRE(plan->child_count == spec->child_count);
    for (uint32_t i = 0; i < spec->child_count; i++) {
        require_child(root, &plan->children[i], &spec->children[i], spec, depth);
    }
}

/* ---- both ---- */

static void require_path(const jzx_child_path *path, const jzx_child_path *wanted)
{
    FUZZ_REQUIRE(path->depth == wanted->depth && path->depth <= JZX_TREE_DEPTH_MAX);
    for (uint32_t i = 0; i < path->depth; i++) {
        FUZZ_REQUIRE(path->index[i] == wanted->index[i]);
    }
}

struct subject {
    jzx_runtime *runtime;
    struct counted *counted;
    struct fuzz_input input;
    uint32_t depth;
    uint32_t auto_shutdown;
};

/* Each of these is done with a pool of its own, and frees it. Is there more to do? */

static bool try_tree(const struct subject *subject)
{
    struct pool *pool = build(subject->input);
    struct naive naive = {.runtime = subject->runtime};
    jzx_child_path path = {.depth = 77};
    jzx__plan *plan = NULL;
    jzx_spec_fault wanted = naive_supervisor(&naive, pool->supervisors, subject->depth);
    if (naive.visits >= VISITS_MAX) {
        free_pool(pool);
        return false;
    }
    jzx_spec_fault fault = jzx__plan_check(subject->runtime, pool->supervisors, subject->depth, &path);
    FUZZ_REQUIRE(fault == wanted);
    FUZZ_REQUIRE(subject->counted->blocks == 0);
    if (fault != JZX_SPEC_OK) {
        require_path(&path, &naive.path);
        free_pool(pool);
        return true;
    }
    FUZZ_REQUIRE(path.depth == 77);
    jzx_err err = jzx__plan_make(subject->runtime, pool->supervisors, subject->depth, &plan);
    scribble(pool);
    FUZZ_REQUIRE(err == JZX_OK || err == JZX_ERR_NO_MEMORY);
    FUZZ_REQUIRE((plan != NULL) == (err == JZX_OK) && subject->counted->blocks == (plan != NULL));
    if (plan != NULL) {
        pool = build(subject->input);
        require_plan(plan, plan, pool->supervisors, subject->depth);
        free_pool(pool);
        jzx__plan_free(plan);
    }
    FUZZ_REQUIRE(subject->counted->blocks == 0 && subject->counted->bytes == 0);
    return true;
}

static uint32_t levels(const jzx_child_spec *child)
{
    uint32_t most = 0;
    for (uint32_t i = 0; child->type == JZX_SUPERVISOR && i < child->supervisor->child_count; i++) {
        uint32_t below = levels(&child->supervisor->children[i]);
        most = below > most ? below : most;
    }
    return most + (child->type == JZX_SUPERVISOR);
}

/* Gives a plan of one child to a supervisor, somewhere in a tree. */
static void join(const struct subject *subject, jzx__plan *plan, const struct pool *pool)
{
    jzx__plan above = {.depth = subject->depth, .period_ns = 3, .backoff = {.kind = JZX_BACKOFF_NONE, .reset_ns = 3}};
    const jzx_supervisor_spec spec = {.period_ns = 3, .backoff = above.backoff};
    bool fits = levels(pool->children) + subject->depth <= JZX_TREE_DEPTH_MAX;
    require_child(plan, plan->children, pool->children, NULL, 0);
    FUZZ_REQUIRE(jzx__plan_join(plan, &above) == (fits ? JZX_OK : JZX_ERR_TOO_DEEP));
    require_child(plan, plan->children, pool->children, fits ? &spec : NULL, fits ? subject->depth : 0);
}

static void try_child(const struct subject *subject)
{
    struct pool *pool = build(subject->input);
    struct naive naive = {.runtime = subject->runtime};
    struct place place = {subject->runtime, subject->depth, subject->auto_shutdown, NULL, 0};
    jzx_child_path path = {.depth = 77};
    jzx__plan *plan = NULL;
    jzx_spec_fault wanted = naive_child(&naive, pool->children, &place);
    if (naive.visits >= VISITS_MAX) {
        free_pool(pool);
        return;
    }
    FUZZ_REQUIRE(jzx__plan_check_child(subject->runtime, pool->children, subject->depth, subject->auto_shutdown,
                                       &path) == wanted);
    if (wanted != JZX_SPEC_OK) {
        require_path(&path, &naive.path);
    } else if (jzx__plan_make_child(subject->runtime, pool->children, &plan) == JZX_OK) {
        join(subject, plan, pool);
        jzx__plan_free(plan);
    }
    free_pool(pool);
    FUZZ_REQUIRE(subject->counted->blocks == 0 && subject->counted->bytes == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static jzx_runtime runtime;
    static const uint32_t cells[] = {256, 65536, 16777215};
    struct fuzz_input input = {data, size};
    struct counted counted = {.fail_at = fuzz_u8(&input)};
    memset(&runtime, 0, sizeof runtime);
    jzx_config_init(&runtime.config);
    runtime.loop_count = 1 + fuzz_below(&input, 3);
    runtime.config.cells = cells[fuzz_below(&input, 3)];
    runtime.config.children_max = 65536;
    for (int i = 0; i < JZX_MEMORY_KINDS; i++) {
        runtime.config.allocators[i] = (jzx_allocator){take, give, &counted};
    }
    struct subject subject = {.runtime = &runtime, .counted = &counted};
    subject.depth = 1 + fuzz_below(&input, JZX_TREE_DEPTH_MAX);
    subject.auto_shutdown = fuzz_below(&input, 3);
    subject.input = input;
    if (try_tree(&subject)) {
        try_child(&subject);
    }
    return 0;
}
