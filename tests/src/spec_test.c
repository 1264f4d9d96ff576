/*
 * spec_test: every fault of a spec alone and where it is told to be, every good combination, and that looking takes
 * neither too long nor memory that stays.
 */
#include "src/plan.h"
#include "tests/support/nothing.h"
#include "tests/support/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define HUNDRED_YEARS (100ull * 36525 * 864 * 1000000000)

static jzx_child_spec worker(const char *name)
{
    jzx_child_spec spec;
    jzx_child_spec_init(&spec);
    spec.name = name;
    spec.init = no_init;
    spec.behavior = no_behavior;
    return spec;
}

static jzx_child_spec below(const char *name, const jzx_supervisor_spec *supervisor)
{
    jzx_child_spec spec;
    jzx_child_spec_init(&spec);
    spec.name = name;
    spec.type = JZX_SUPERVISOR;
    spec.supervisor = supervisor;
    return spec;
}

static jzx_supervisor_spec supervisor(const jzx_child_spec *children, uint32_t count)
{
    jzx_supervisor_spec spec;
    jzx_supervisor_spec_init(&spec);
    spec.children = children;
    spec.child_count = count;
    return spec;
}

static jzx_context *context_of(test_world *world)
{
    return jzx_loop_context(world->loops[0]);
}

/* ---- the init functions, keys and texts ---- */

Test(spec, init_gives_the_documented_numbers, .timeout = 20)
{
    jzx_supervisor_spec s;
    memset(&s, 0x77, sizeof s);
    jzx_supervisor_spec_init(&s);
    cr_expect_eq(s.struct_size, sizeof s);
    cr_expect_null(s.name);
    cr_expect_eq(s.strategy, JZX_ONE_FOR_ONE);
    cr_expect_eq(s.auto_shutdown, JZX_AUTO_NEVER);
    cr_expect_eq(s.intensity, 3);
    cr_expect_eq(s.period_ns, 5000000000);
    cr_expect_eq(s.backoff.kind, JZX_BACKOFF_INHERIT);
    cr_expect_eq(s.children_max, 0);
    cr_expect_eq(s.child_count, 0);
    cr_expect_null(s.children);

    jzx_child_spec c;
    memset(&c, 0x77, sizeof c);
    jzx_child_spec_init(&c);
    jzx_child_spec zeroes;
    memset(&zeroes, 0, sizeof zeroes);
    cr_expect_eq(c.struct_size, sizeof c);
    cr_expect_eq(c.shutdown_ns, JZX_SHUTDOWN_DEFAULT);
    c.struct_size = 0;
    c.shutdown_ns = 0;
    cr_expect_arr_eq(&c, &zeroes, sizeof c, "all else is zero: permanent, a worker, here, an inherited backoff");
    jzx_child_spec_init(NULL);
    jzx_supervisor_spec_init(NULL);
}

Test(spec, keys_hold_an_index_or_a_name, .timeout = 20)
{
    jzx_child_key key = jzx_child_at(7);
    cr_expect_eq(key.index, 7);
    cr_expect_str_eq(key.name, "");
    key = jzx_child_named("shard");
    cr_expect_eq(key.index, JZX_NO_CHILD);
    cr_expect_str_eq(key.name, "shard");
    key = jzx_child_named("1234567890123456789012345678901");
    cr_expect_str_eq(key.name, "1234567890123456789012345678901");
    static const char *const nobody[] = {NULL, "", "12345678901234567890123456789012",
                                         "a name that is much longer than any name of a child may be"};
    for (unsigned i = 0; i < sizeof nobody / sizeof nobody[0]; i++) {
        key = jzx_child_named(nobody[i]);
        cr_expect_eq(key.index, JZX_NO_CHILD);
        cr_expect_str_eq(key.name, "", "no child is found by an empty name");
    }
}

Test(spec, each_fault_has_a_text_of_its_own, .timeout = 20)
{
    for (int i = 0; i < JZX_SPEC_FAULTS; i++) {
        cr_assert_not_null(jzx_spec_fault_text(i), "fault %d", i);
        for (int j = 0; j < i; j++) {
            cr_assert_str_neq(jzx_spec_fault_text(i), jzx_spec_fault_text(j));
        }
    }
    cr_assert_str_eq(jzx_spec_fault_text(JZX_SPEC_FAULTS), "unknown fault");
    cr_assert_str_eq(jzx_spec_fault_text(-1), "unknown fault");
}

Test(spec, faults_become_three_errors, .timeout = 20)
{
    for (int i = 0; i < JZX_SPEC_FAULTS; i++) {
        jzx_err wanted = i == JZX_SPEC_OK          ? JZX_OK
                         : i == JZX_SPEC_DUPLICATE ? JZX_ERR_DUPLICATE
                         : i == JZX_SPEC_DEPTH     ? JZX_ERR_TOO_DEEP
                                                   : JZX_ERR_INVALID_ARG;
        cr_assert_eq(jzx__plan_error(i), wanted);
    }
}

/* ---- faults ---- */

/* A good tree, in which each case makes one thing wrong. */
typedef struct spec_tree {
    jzx_child_spec leaves[2];
    jzx_supervisor_spec inner;
    jzx_child_spec children[4];
    jzx_supervisor_spec root;
} spec_tree;

enum { LEAF = 1, NESTED = 2, WORKER = 3 }; /* places in the two arrays; NESTED and WORKER in children */

static void good_tree(spec_tree *t)
{
    t->leaves[0] = worker("a");
    t->leaves[1] = worker("b");
    t->inner = supervisor(t->leaves, 2);
    t->inner.auto_shutdown = JZX_AUTO_ANY_SIGNIFICANT;
    t->children[0] = worker("a");
    t->children[1] = worker(NULL);
    t->children[NESTED] = below("inner", &t->inner);
    t->children[WORKER] = worker(NULL);
    t->root = supervisor(t->children, 4);
}

static jzx_backoff grown(jzx_backoff_kind kind, uint64_t initial_ns, uint64_t max_ns, double factor)
{
    return (jzx_backoff){.kind = kind, .initial_ns = initial_ns, .max_ns = max_ns, .factor = factor};
}

static void expect_fault(test_world *world, const spec_tree *tree, jzx_spec_fault fault, const jzx_child_path *wanted,
                         const char *change)
{
    jzx_child_path path;
    memset(&path, 0x77, sizeof path);
    jzx_spec_fault found = jzx_supervisor_check(context_of(world), &tree->root, &path);
    cr_expect_eq(found, fault, "%s: %s", change, jzx_spec_fault_text(found));
    cr_expect_eq(jzx_supervisor_check(context_of(world), &tree->root, NULL), fault);
    cr_expect_eq(path.depth, wanted->depth, "%s: at depth %u", change, path.depth);
    for (uint32_t i = 0; i < path.depth && path.depth == wanted->depth; i++) {
        cr_expect_eq(path.index[i], wanted->index[i], "%s: step %u leads to %u", change, i, path.index[i]);
    }
}

/* After `change`, `fault` is found at the end of a way of `depth` steps. */
#define FAULT(fault, depth, first, second, change)              \
    do {                                                        \
        good_tree(&tree);                                       \
        change;                                                 \
        const jzx_child_path wanted = {depth, {first, second}}; \
        expect_fault(&world, &tree, fault, &wanted, #change);   \
    } while (0)

Test(spec, a_tree_without_faults_leaves_the_path_alone, .timeout = 20)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    spec_tree tree;
    good_tree(&tree);
    jzx_child_path path = {77, {77}};
    cr_assert_eq(jzx_supervisor_check(context_of(&world), &tree.root, &path), JZX_SPEC_OK);
    cr_assert_eq(path.depth, 77, "out parameters are written only when there is something to tell");
    cr_assert_eq(jzx_supervisor_check(context_of(&world), NULL, &path), JZX_SPEC_NULL);
    cr_assert_eq(path.depth, 0);
    cr_assert_eq(jzx_supervisor_check(NULL, &tree.root, NULL), JZX_SPEC_NULL);
    cr_assert_eq(jzx_child_check(context_of(&world), NULL, NULL), JZX_SPEC_NULL);
    cr_assert_eq(jzx_child_check(NULL, &tree.children[0], NULL), JZX_SPEC_NULL);
    test_world_close(&world);
}

Test(spec, S10_faults_of_supervisors_are_told_with_the_way_to_them, .timeout = 20)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    spec_tree tree;
    FAULT(JZX_SPEC_NULL, 0, 0, 0, tree.root.children = NULL);
    FAULT(JZX_SPEC_NULL, 1, 2, 0, tree.inner.children = NULL);
    FAULT(JZX_SPEC_STRUCT_SIZE, 0, 0, 0, tree.root.struct_size = 0);
    FAULT(JZX_SPEC_STRUCT_SIZE, 0, 0, 0, tree.root.struct_size -= 8);
    FAULT(JZX_SPEC_STRUCT_SIZE, 1, 2, 0, tree.inner.struct_size += 8);
    FAULT(JZX_SPEC_STRUCT_SIZE, 1, 0, 0, memset(&tree.children[0], 0, sizeof tree.children[0]));
    FAULT(JZX_SPEC_STRUCT_SIZE, 1, 1, 0, memset(&tree.children[1], 0xFF, sizeof tree.children[1]));
    FAULT(JZX_SPEC_STRUCT_SIZE, 2, 2, 1, tree.leaves[LEAF].struct_size = 1);
    FAULT(JZX_SPEC_STRATEGY, 0, 0, 0, tree.root.strategy = 4);
    FAULT(JZX_SPEC_STRATEGY, 1, 2, 0, tree.inner.strategy = 99);
    FAULT(JZX_SPEC_AUTO_SHUTDOWN, 0, 0, 0, tree.root.auto_shutdown = 3);
    FAULT(JZX_SPEC_AUTO_SHUTDOWN, 1, 2, 0, tree.inner.auto_shutdown = 255);
    FAULT(JZX_SPEC_INTENSITY, 0, 0, 0, tree.root.intensity = JZX_INTENSITY_MAX + 1);
    FAULT(JZX_SPEC_INTENSITY, 1, 2, 0, tree.inner.intensity = UINT32_MAX - 1);
    FAULT(JZX_SPEC_PERIOD, 0, 0, 0, tree.root.period_ns = 0);
    FAULT(JZX_SPEC_PERIOD, 1, 2, 0, tree.inner.period_ns = 0);
    FAULT(JZX_SPEC_CHILD_COUNT, 0, 0, 0, tree.root.children_max = 3);
    FAULT(JZX_SPEC_CHILD_COUNT, 0, 0, 0, tree.root.strategy = JZX_DYNAMIC);
    FAULT(JZX_SPEC_CHILD_COUNT, 0, 0, 0, (tree.root.strategy = JZX_DYNAMIC, tree.root.child_count = 0));
    FAULT(JZX_SPEC_CHILD_COUNT, 1, 2, 0, tree.inner.children_max = 1);
    test_world_close(&world);
}

Test(spec, S09_S11_faults_of_children_are_told_with_the_way_to_them, .timeout = 20)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    spec_tree tree;
    FAULT(JZX_SPEC_TYPE, 1, 0, 0, tree.children[0].type = 2);
    FAULT(JZX_SPEC_TYPE, 2, 2, 1, tree.leaves[LEAF].type = 99);
    FAULT(JZX_SPEC_RESTART, 1, 3, 0, tree.children[WORKER].restart = 3);
    FAULT(JZX_SPEC_RESTART, 1, 2, 0, tree.children[NESTED].restart = 99);
    FAULT(JZX_SPEC_INIT, 1, 3, 0, tree.children[WORKER].init = NULL);
    FAULT(JZX_SPEC_INIT, 2, 2, 0, tree.leaves[0].init = NULL);
    FAULT(JZX_SPEC_BEHAVIOR, 1, 3, 0, tree.children[WORKER].behavior = NULL);
    FAULT(JZX_SPEC_NAME, 1, 3, 0, tree.children[WORKER].name = "");
    FAULT(JZX_SPEC_NAME, 1, 3, 0, tree.children[WORKER].name = "12345678901234567890123456789012");
    FAULT(JZX_SPEC_NAME, 1, 2, 0, tree.children[NESTED].name = "");
    FAULT(JZX_SPEC_DUPLICATE, 1, 3, 0, tree.children[WORKER].name = "a");
    FAULT(JZX_SPEC_DUPLICATE, 1, 2, 0, tree.children[NESTED].name = "a");
    FAULT(JZX_SPEC_DUPLICATE, 2, 2, 1, tree.leaves[LEAF].name = "a");
    FAULT(JZX_SPEC_REGISTER, 1, 3, 0, tree.children[WORKER].register_name = true);
    FAULT(JZX_SPEC_ARGUMENT, 1, 3, 0, tree.children[WORKER].argument_size = 1);
    FAULT(JZX_SPEC_SHUTDOWN, 1, 3, 0, tree.children[WORKER].shutdown_ns = HUNDRED_YEARS + 1);
    FAULT(JZX_SPEC_SHUTDOWN, 1, 2, 0, tree.children[NESTED].shutdown_ns = JZX_SHUTDOWN_DEFAULT - 1);
    FAULT(JZX_SPEC_SHUTDOWN, 1, 3, 0, tree.children[WORKER].shutdown_ns = (uint64_t)-10);
    FAULT(JZX_SPEC_PLACEMENT, 1, 3, 0, tree.children[WORKER].placement = 4);
    FAULT(JZX_SPEC_PLACEMENT, 1, 2, 0, tree.children[NESTED].placement = 255);
    FAULT(JZX_SPEC_LOOP, 1, 3, 0,
          (tree.children[WORKER].placement = JZX_PLACE_LOOP, tree.children[WORKER].place_loop = 2));
    FAULT(JZX_SPEC_PLACE_WITH, 1, 3, 0, tree.children[WORKER].placement = JZX_PLACE_WITH);
    FAULT(JZX_SPEC_PLACE_WITH, 1, 3, 0,
          (tree.children[WORKER].placement = JZX_PLACE_WITH, tree.children[WORKER].place_with = UINT64_MAX));
    FAULT(JZX_SPEC_MAILBOX_POLICY, 1, 3, 0, tree.children[WORKER].mailbox_policy = 3);
    FAULT(JZX_SPEC_MAILBOX_CAP, 1, 3, 0, tree.children[WORKER].mailbox_cap = UINT32_MAX);
    FAULT(JZX_SPEC_MAILBOX_CAP, 1, 3, 0, tree.children[WORKER].mailbox_cap = world.config.cells / 8 + 1);
    FAULT(JZX_SPEC_MAILBOX_BYTES, 1, 3, 0, tree.children[WORKER].mailbox_bytes = 1);
    FAULT(JZX_SPEC_MAILBOX_BYTES, 1, 2, 0, tree.children[NESTED].mailbox_bytes = JZX_INLINE_MAX - 1);
    FAULT(JZX_SPEC_LIMIT_ACTION, 1, 3, 0, tree.children[WORKER].limit_action = JZX_LIMIT_FAIL + 1);
    FAULT(JZX_SPEC_LIMIT_ACTION, 1, 2, 0, tree.children[NESTED].limit_action = 255);
    FAULT(JZX_SPEC_SIGNIFICANT, 2, 2, 0, tree.leaves[0].significant = true);
    FAULT(JZX_SPEC_SIGNIFICANT, 1, 3, 0,
          (tree.children[WORKER].significant = true, tree.children[WORKER].restart = JZX_TRANSIENT));
    FAULT(JZX_SPEC_SUPERVISOR, 1, 2, 0, tree.children[NESTED].supervisor = NULL);
    FAULT(JZX_SPEC_SUPERVISOR, 1, 3, 0, tree.children[WORKER].supervisor = &tree.inner);
    FAULT(JZX_SPEC_WORKER_FIELD, 1, 2, 0, tree.children[NESTED].init = no_init);
    FAULT(JZX_SPEC_WORKER_FIELD, 1, 2, 0, tree.children[NESTED].behavior = no_behavior);
    FAULT(JZX_SPEC_WORKER_FIELD, 1, 2, 0, tree.children[NESTED].fini = no_fini);
    FAULT(JZX_SPEC_WORKER_FIELD, 1, 2, 0, tree.children[NESTED].argument = &tree);
    FAULT(JZX_SPEC_WORKER_FIELD, 1, 2, 0,
          (tree.children[NESTED].argument = &tree, tree.children[NESTED].argument_size = 1));
    FAULT(JZX_SPEC_WORKER_FIELD, 1, 2, 0, tree.children[NESTED].state_size = 1);
    FAULT(JZX_SPEC_WORKER_FIELD, 1, 2, 0, tree.children[NESTED].keep_mail = true);
    FAULT(JZX_SPEC_WORKER_FIELD, 1, 2, 0, tree.children[NESTED].trap_exit = true);
    FAULT(JZX_SPEC_WORKER_FIELD, 1, 2, 0, tree.children[NESTED].handler_limit_ns = 1);
    test_world_close(&world);
}

Test(spec, S09_faults_of_backoffs_are_told_with_the_way_to_them, .timeout = 20)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    spec_tree tree;
    FAULT(JZX_SPEC_BACKOFF_KIND, 0, 0, 0, tree.root.backoff.kind = 5);
    FAULT(JZX_SPEC_BACKOFF_KIND, 1, 3, 0, tree.children[WORKER].backoff.kind = UINT32_MAX);
    FAULT(JZX_SPEC_BACKOFF_JITTER, 0, 0, 0, tree.root.backoff.jitter = 1001);
    FAULT(JZX_SPEC_BACKOFF_JITTER, 1, 2, 0, tree.children[NESTED].backoff.jitter = UINT32_MAX);
    FAULT(JZX_SPEC_BACKOFF_INITIAL, 0, 0, 0, tree.root.backoff.kind = JZX_BACKOFF_CONSTANT);
    FAULT(JZX_SPEC_BACKOFF_INITIAL, 1, 3, 0, tree.children[WORKER].backoff = grown(JZX_BACKOFF_LINEAR, 0, 5, 2));
    FAULT(JZX_SPEC_BACKOFF_INITIAL, 1, 3, 0,
          tree.children[WORKER].backoff = grown(JZX_BACKOFF_CONSTANT, HUNDRED_YEARS + 1, 0, 0));
    FAULT(JZX_SPEC_BACKOFF_MAX, 0, 0, 0, tree.root.backoff = grown(JZX_BACKOFF_LINEAR, 5, 4, 2));
    FAULT(JZX_SPEC_BACKOFF_MAX, 1, 3, 0, tree.children[WORKER].backoff = grown(JZX_BACKOFF_EXPONENTIAL, 5, 0, 2));
    FAULT(JZX_SPEC_BACKOFF_MAX, 1, 3, 0,
          tree.children[WORKER].backoff = grown(JZX_BACKOFF_LINEAR, 5, HUNDRED_YEARS + 1, 2));
    FAULT(JZX_SPEC_BACKOFF_FACTOR, 0, 0, 0, tree.root.backoff = grown(JZX_BACKOFF_EXPONENTIAL, 5, 5, 0.999));
    FAULT(JZX_SPEC_BACKOFF_FACTOR, 1, 3, 0,
          tree.children[WORKER].backoff = grown(JZX_BACKOFF_EXPONENTIAL, 5, 5, 1000.001));
    FAULT(JZX_SPEC_BACKOFF_FACTOR, 1, 3, 0, tree.children[WORKER].backoff = grown(JZX_BACKOFF_EXPONENTIAL, 5, 5, NAN));
    FAULT(JZX_SPEC_BACKOFF_FACTOR, 1, 3, 0,
          tree.children[WORKER].backoff = grown(JZX_BACKOFF_EXPONENTIAL, 5, 5, INFINITY));
    test_world_close(&world);
}

/* Makes good what was wrong, and nothing else. */
static void put_right(jzx_child_spec *child, jzx_spec_fault fault)
{
    static const jzx_supervisor_spec none = {.struct_size = sizeof none, .period_ns = 1};
    jzx_child_spec good = below("name", &none);
    switch (fault) {
    case JZX_SPEC_STRUCT_SIZE:
        child->struct_size = good.struct_size;
        return;
    case JZX_SPEC_TYPE:
        child->type = good.type;
        return;
    case JZX_SPEC_RESTART:
        child->restart = JZX_PERMANENT;
        return;
    case JZX_SPEC_NAME:
        child->name = NULL;
        return;
    case JZX_SPEC_REGISTER:
        child->name = good.name;
        return;
    case JZX_SPEC_ARGUMENT:
        child->argument = child;
        return;
    case JZX_SPEC_SHUTDOWN:
        child->shutdown_ns = 0;
        return;
    case JZX_SPEC_PLACEMENT:
        child->placement = JZX_PLACE_WITH;
        return;
    case JZX_SPEC_PLACE_WITH:
        child->placement = JZX_PLACE_HERE;
        return;
    case JZX_SPEC_MAILBOX_POLICY:
        child->mailbox_policy = 0;
        return;
    case JZX_SPEC_MAILBOX_CAP:
        child->mailbox_cap = 0;
        child->mailbox_bytes = 31;
        return;
    case JZX_SPEC_MAILBOX_BYTES:
        child->mailbox_bytes = 0;
        return;
    case JZX_SPEC_LIMIT_ACTION:
        child->limit_action = JZX_LIMIT_FAIL;
        return;
    case JZX_SPEC_SIGNIFICANT:
        child->significant = false;
        return;
    case JZX_SPEC_BACKOFF_KIND:
        child->backoff.kind = JZX_BACKOFF_EXPONENTIAL;
        return;
    case JZX_SPEC_BACKOFF_JITTER:
        child->backoff.jitter = 0;
        return;
    case JZX_SPEC_BACKOFF_INITIAL:
        child->backoff.initial_ns = 5;
        child->backoff.max_ns = 4;
        child->backoff.factor = 0;
        return;
    case JZX_SPEC_BACKOFF_MAX:
        child->backoff.max_ns = 5;
        return;
    case JZX_SPEC_BACKOFF_FACTOR:
        child->backoff.factor = 1;
        return;
    case JZX_SPEC_SUPERVISOR:
        child->supervisor = good.supervisor;
        return;
    default:
        *child = good;
    }
}

/* All that is wrong at once: each is told when those before it are put right. */
Test(spec, faults_are_found_in_the_order_of_their_list, .timeout = 20)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    jzx_context *context = context_of(&world);
    jzx_child_spec child;
    memset(&child, 0x7F, sizeof child);
    child.name = "";
    child.init = NULL;
    child.behavior = NULL;
    child.significant = child.keep_mail = child.register_name = child.trap_exit = true;
    child.argument = NULL;
    child.supervisor = NULL;
    child.place_with = 0;
    jzx_spec_fault last = JZX_SPEC_OK;
    static const jzx_spec_fault order[] = {
        JZX_SPEC_STRUCT_SIZE,     JZX_SPEC_TYPE,           JZX_SPEC_RESTART,        JZX_SPEC_NAME,
        JZX_SPEC_REGISTER,        JZX_SPEC_ARGUMENT,       JZX_SPEC_SHUTDOWN,       JZX_SPEC_PLACEMENT,
        JZX_SPEC_PLACE_WITH,      JZX_SPEC_MAILBOX_POLICY, JZX_SPEC_MAILBOX_CAP,    JZX_SPEC_MAILBOX_BYTES,
        JZX_SPEC_LIMIT_ACTION,    JZX_SPEC_SIGNIFICANT,    JZX_SPEC_BACKOFF_KIND,   JZX_SPEC_BACKOFF_JITTER,
        JZX_SPEC_BACKOFF_INITIAL, JZX_SPEC_BACKOFF_MAX,    JZX_SPEC_BACKOFF_FACTOR, JZX_SPEC_SUPERVISOR,
        JZX_SPEC_WORKER_FIELD,
    };
    for (unsigned i = 0; i < sizeof order / sizeof order[0]; i++) {
        jzx_spec_fault fault = jzx_child_check(context, &child, NULL);
        cr_assert_eq(fault, order[i], "%s comes before %s", jzx_spec_fault_text(fault), jzx_spec_fault_text(order[i]));
        cr_assert_gt(fault, last, "the order is that of the enum");
        last = fault;
        put_right(&child, fault);
    }
    cr_assert_eq(jzx_child_check(context, &child, NULL), JZX_SPEC_OK);
    test_world_close(&world);
}

/* ---- what is good ---- */

/* Every combination of some values: digit i of a number runs through sizes[i]. */
static bool next_combination(uint8_t *digits, const uint8_t *sizes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (++digits[i] < sizes[i]) {
            return true;
        }
        digits[i] = 0;
    }
    return false;
}

static jzx_backoff typical_backoff(uint8_t kind)
{
    jzx_backoff b = {.kind = kind, .jitter = kind == JZX_BACKOFF_LINEAR ? 1000 : 0};
    if (kind > JZX_BACKOFF_NONE) {
        b.initial_ns = kind == JZX_BACKOFF_CONSTANT ? HUNDRED_YEARS : 1;
        b.max_ns = kind == JZX_BACKOFF_LINEAR ? 1 : HUNDRED_YEARS;
        b.factor = 1000;
    }
    return b;
}

Test(spec, S09_every_good_combination_of_a_worker_is_accepted, .timeout = 60)
{
    enum { RESTART, PLACE, POLICY, SIGNIFICANT, FLAGS, FINI, ARGUMENT, SHUTDOWN, BACKOFF, AUTO, CAP, BYTES, DIGITS };
    static const uint8_t sizes[DIGITS] = {3, 4, 3, 2, 8, 2, 3, 7, 5, 3, 3, 3};
    static const uint64_t shutdowns[] = {
        0, 1, 5000000000, HUNDRED_YEARS, JZX_SHUTDOWN_DEFAULT, JZX_SHUTDOWN_BRUTAL, JZX_FOREVER};
    test_world world;
    test_world_open(&world, 2, NULL);
    const uint32_t caps[] = {0, 1, world.config.cells / 8};
    static const uint32_t bytes[] = {0, JZX_INLINE_MAX, UINT32_MAX};
    uint8_t digits[DIGITS] = {0};
    uint32_t combinations = 0;
    do {
        jzx_child_spec spec = worker("name");
        spec.restart = digits[RESTART];
        spec.placement = digits[PLACE];
        spec.place_loop = 1;
        spec.place_with = (jzx_actor_id)1;
        spec.mailbox_policy = digits[POLICY];
        spec.significant = digits[SIGNIFICANT];
        spec.keep_mail = digits[FLAGS] & 1;
        spec.register_name = digits[FLAGS] >> 1 & 1;
        spec.trap_exit = digits[FLAGS] >> 2;
        spec.fini = digits[FINI] ? no_fini : NULL;
        spec.argument = digits[ARGUMENT] ? &spec : NULL;
        spec.argument_size = digits[ARGUMENT] == 2 ? sizeof spec : 0;
        spec.shutdown_ns = shutdowns[digits[SHUTDOWN]];
        spec.backoff = typical_backoff(digits[BACKOFF]);
        spec.mailbox_cap = caps[digits[CAP]];
        spec.mailbox_bytes = bytes[digits[BYTES]];
        bool good = !spec.significant || (spec.restart != JZX_PERMANENT && digits[AUTO] != JZX_AUTO_NEVER);
        jzx_spec_fault fault = jzx__plan_check_child(world.runtime, &spec, 1, digits[AUTO], NULL);
        cr_assert_eq(fault, good ? JZX_SPEC_OK : JZX_SPEC_SIGNIFICANT, "%s", jzx_spec_fault_text(fault));
        combinations++;
    } while (next_combination(digits, sizes, DIGITS));
    cr_assert_eq(combinations, 3 * 4 * 3 * 2 * 8 * 2 * 3 * 7 * 5 * 3 * 3 * 3);
    test_world_close(&world);
}

Test(spec, S09_S10_every_good_combination_of_a_supervisor_is_accepted, .timeout = 60)
{
    enum { STRATEGY, AUTO, INTENSITY, PERIOD, BACKOFF, MAX, COUNT, RESTART, PLACE, SHUTDOWN, NAME, DIGITS };
    static const uint8_t sizes[DIGITS] = {4, 3, 4, 2, 5, 3, 3, 3, 4, 4, 3};
    static const uint32_t intensities[] = {0, 1, JZX_INTENSITY_MAX, JZX_INTENSITY_UNLIMITED};
    static const uint64_t shutdowns[] = {0, JZX_SHUTDOWN_DEFAULT, JZX_SHUTDOWN_BRUTAL, JZX_FOREVER};
    static const uint32_t maxima[] = {0, 2, UINT32_MAX};
    static const char *const names[] = {NULL, "", "a display name of any length"};
    test_world world;
    test_world_open(&world, 2, NULL);
    jzx_child_spec leaves[2] = {worker("a"), worker("b")};
    uint8_t digits[DIGITS] = {0};
    do {
        jzx_supervisor_spec inner = supervisor(digits[COUNT] == 0 ? NULL : leaves, digits[COUNT]);
        inner.name = names[digits[NAME]];
        inner.strategy = digits[STRATEGY];
        inner.auto_shutdown = digits[AUTO];
        inner.intensity = intensities[digits[INTENSITY]];
        inner.period_ns = digits[PERIOD] ? UINT64_MAX : 1;
        inner.backoff = typical_backoff(digits[BACKOFF]);
        inner.children_max = maxima[digits[MAX]];
        jzx_child_spec child = below(NULL, &inner);
        child.restart = digits[RESTART];
        child.placement = digits[PLACE];
        child.place_loop = 1;
        child.place_with = (jzx_actor_id)1;
        child.shutdown_ns = shutdowns[digits[SHUTDOWN]];
        child.mailbox_cap = 1;
        child.mailbox_policy = digits[MAX];
        bool good = inner.strategy != JZX_DYNAMIC || inner.child_count == 1;
        jzx_spec_fault fault = jzx_child_check(context_of(&world), &child, NULL);
        cr_assert_eq(fault, good ? JZX_SPEC_OK : JZX_SPEC_CHILD_COUNT, "%s", jzx_spec_fault_text(fault));
    } while (next_combination(digits, sizes, DIGITS));
    test_world_close(&world);
}

Test(spec, a_child_without_its_supervisor_may_be_significant, .timeout = 20)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    jzx_child_spec spec = worker(NULL);
    spec.significant = true;
    cr_assert_eq(jzx_child_check(context_of(&world), &spec, NULL), JZX_SPEC_SIGNIFICANT, "it is permanent");
    spec.restart = JZX_TEMPORARY;
    cr_assert_eq(jzx_child_check(context_of(&world), &spec, NULL), JZX_SPEC_OK);
    cr_assert_eq(jzx__plan_check_child(world.runtime, &spec, 1, JZX_AUTO_NEVER, NULL), JZX_SPEC_SIGNIFICANT);
    test_world_close(&world);
}

/* ---- depth ---- */

/* A chain of `depth` supervisors; the last has a worker. */
typedef struct chain {
    jzx_supervisor_spec supervisors[JZX_TREE_DEPTH_MAX + 2];
    jzx_child_spec children[JZX_TREE_DEPTH_MAX + 2];
} chain;

static void make_chain(chain *c, uint32_t depth)
{
    for (uint32_t i = 0; i < depth; i++) {
        c->children[i] = i + 1 < depth ? below("next", &c->supervisors[i + 1]) : worker("last");
        c->supervisors[i] = supervisor(&c->children[i], 1);
    }
}

Test(spec, a_tree_may_be_as_deep_as_it_may, .timeout = 20)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    static chain c;
    jzx_child_path path;
    make_chain(&c, JZX_TREE_DEPTH_MAX);
    cr_assert_eq(jzx_supervisor_check(context_of(&world), &c.supervisors[0], NULL), JZX_SPEC_OK);
    cr_assert_eq(jzx__plan_check(world.runtime, &c.supervisors[0], 2, NULL), JZX_SPEC_DEPTH);
    c.children[JZX_TREE_DEPTH_MAX - 1].init = NULL;
    cr_assert_eq(jzx_supervisor_check(context_of(&world), &c.supervisors[0], &path), JZX_SPEC_INIT);
    cr_assert_eq(path.depth, JZX_TREE_DEPTH_MAX, "the longest way there is");

    make_chain(&c, JZX_TREE_DEPTH_MAX + 1);
    cr_assert_eq(jzx_supervisor_check(context_of(&world), &c.supervisors[0], &path), JZX_SPEC_DEPTH);
    cr_assert_eq(path.depth, JZX_TREE_DEPTH_MAX);
    cr_assert_eq(path.index[JZX_TREE_DEPTH_MAX - 1], 0);
    c.supervisors[JZX_TREE_DEPTH_MAX].period_ns = 0;
    cr_assert_eq(jzx_supervisor_check(context_of(&world), &c.supervisors[0], &path), JZX_SPEC_PERIOD,
                 "the depth is the last thing looked at");
    test_world_close(&world);
}

Test(spec, the_depth_of_a_child_counts_from_its_supervisor, .timeout = 20)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    static chain c;
    make_chain(&c, 2);
    jzx_child_spec child = below(NULL, &c.supervisors[0]);
    jzx_child_path path;
    cr_assert_eq(jzx__plan_check_child(world.runtime, &child, JZX_TREE_DEPTH_MAX - 2, 0, NULL), JZX_SPEC_OK);
    cr_assert_eq(jzx__plan_check_child(world.runtime, &child, JZX_TREE_DEPTH_MAX - 1, 0, &path), JZX_SPEC_DEPTH);
    cr_assert_eq(path.depth, 1, "the way begins at the child");
    make_chain(&c, JZX_TREE_DEPTH_MAX - 1);
    cr_assert_eq(jzx_child_check(context_of(&world), &child, NULL), JZX_SPEC_OK);
    make_chain(&c, JZX_TREE_DEPTH_MAX);
    cr_assert_eq(jzx_child_check(context_of(&world), &child, NULL), JZX_SPEC_DEPTH);
    child.type = 9;
    cr_assert_eq(jzx_child_check(context_of(&world), &child, &path), JZX_SPEC_TYPE);
    cr_assert_eq(path.depth, 0);
    test_world_close(&world);
}

Test(spec, a_spec_that_contains_itself_is_too_deep, .timeout = 20)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    jzx_supervisor_spec spec;
    jzx_child_spec children[3] = {worker("a"), below("b", &spec), below("c", &spec)};
    spec = supervisor(children, 3);
    jzx_child_path path;
    cr_assert_eq(jzx_supervisor_check(context_of(&world), &spec, &path), JZX_SPEC_DEPTH);
    cr_assert_eq(path.depth, JZX_TREE_DEPTH_MAX);
    cr_assert_eq(jzx_child_check(context_of(&world), &children[2], &path), JZX_SPEC_DEPTH);
    test_world_close(&world);
}

/* ---- names of siblings ---- */

enum { MANY = 100000 };

typedef struct crowd {
    jzx_child_spec *children;
    char (*names)[JZX_CHILD_NAME_MAX];
    jzx_supervisor_spec spec;
} crowd;

static void make_crowd(crowd *c, uint32_t count)
{
    c->children = calloc(count, sizeof *c->children);
    c->names = calloc(count, sizeof *c->names);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(c->names[i], sizeof c->names[i], "a child whose number is %u", i);
        c->children[i] = worker(c->names[i]);
    }
    c->spec = supervisor(c->children, count);
}

static void free_crowd(crowd *c)
{
    free(c->children);
    free(c->names);
}

/* Two of `count` children have one name: the second is found, wherever both are. */
static void assert_duplicate(test_world *world, crowd *c, uint32_t first, uint32_t second)
{
    jzx_child_path path = {0};
    memcpy(c->names[second], c->names[first], sizeof c->names[0]);
    cr_assert_eq(jzx_supervisor_check(context_of(world), &c->spec, &path), JZX_SPEC_DUPLICATE, "%u, %u", first, second);
    cr_assert_eq(path.depth, 1);
    cr_assert_eq(path.index[0], second);
    snprintf(c->names[second], sizeof c->names[0], "a child whose number is %u", second);
}

/* Around the sizes at which another way is taken, with memory and without. */
Test(spec, S11_the_first_duplicate_is_found_in_a_crowd_of_any_size, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_memory *memory = &world.memory[JZX_MEMORY_STATE];
    memory->fail_after = true;
    for (uint32_t count = 1; count < 1500; count += count < 250 || count > 260 ? 97 : 1) {
        crowd c;
        make_crowd(&c, count);
        for (uint32_t second = 1; second < count; second += 1 + second / 7) {
            for (uint32_t first = 0; first < second; first += 1 + first / 3) {
                memory->fail_at = 0;
                assert_duplicate(&world, &c, first, second);
                memory->fail_at = memory->calls + 1;
                assert_duplicate(&world, &c, first, second);
            }
        }
        memory->fail_at = memory->calls + 1;
        cr_assert_eq(jzx_supervisor_check(context_of(&world), &c.spec, NULL), JZX_SPEC_OK);
        memory->fail_at = 0;
        cr_assert_eq(jzx_supervisor_check(context_of(&world), &c.spec, NULL), JZX_SPEC_OK);
        free_crowd(&c);
    }
    cr_assert_gt(memory->failed, 0);
    test_memory_assert_empty(memory);
    test_world_close(&world);
}

Test(spec, S11_of_several_duplicates_the_first_is_told, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_memory *memory = &world.memory[JZX_MEMORY_STATE];
    memory->fail_after = true;
    crowd c;
    make_crowd(&c, 1000);
    memcpy(c.names[999], c.names[0], sizeof c.names[0]);
    memcpy(c.names[600], c.names[300], sizeof c.names[0]);
    memcpy(c.names[700], c.names[1], sizeof c.names[0]);
    for (int round = 0; round < 2; round++) {
        memory->fail_at = round == 0 ? 0 : memory->calls + 1;
        jzx_child_path path = {0};
        cr_assert_eq(jzx_supervisor_check(context_of(&world), &c.spec, &path), JZX_SPEC_DUPLICATE);
        cr_assert_eq(path.index[0], 600);
    }
    c.children[5].behavior = NULL;
    cr_assert_eq(jzx_supervisor_check(context_of(&world), &c.spec, NULL), JZX_SPEC_BEHAVIOR, "it comes before");
    c.children[5].behavior = no_behavior;
    c.children[400].struct_size = 0;
    c.children[401].name = (const char *)(uintptr_t)64; /* not even looked at */
    cr_assert_eq(jzx_supervisor_check(context_of(&world), &c.spec, NULL), JZX_SPEC_STRUCT_SIZE);
    free_crowd(&c);
    test_world_close(&world);
}

/* Of this thread: what others on the machine do is not in it. */
static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* To compare each with each would be five thousand million times: half a minute. */
Test(spec, S47_a_hundred_thousand_names_are_compared_in_a_moment, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    crowd c;
    make_crowd(&c, MANY);
    uint64_t began_ns = cpu_ns();
    cr_assert_eq(jzx_supervisor_check(context_of(&world), &c.spec, NULL), JZX_SPEC_OK);
    uint64_t took_ns = cpu_ns() - began_ns;
    cr_log_info("%u children: %lu us", MANY, (unsigned long)took_ns / 1000);
    cr_assert_lt(took_ns, 5000000000);
    assert_duplicate(&world, &c, 0, MANY - 1);
    free_crowd(&c);
    test_world_close(&world);
}

Test(spec, names_that_differ_in_their_last_byte_are_two, .timeout = 20)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    jzx_child_spec children[3] = {worker("1234567890123456789012345678901"), worker("1234567890123456789012345678902"),
                                  worker("123456789012345678901234567890")};
    jzx_supervisor_spec spec = supervisor(children, 3);
    cr_assert_eq(jzx_supervisor_check(context_of(&world), &spec, NULL), JZX_SPEC_OK);
    test_world_close(&world);
}
