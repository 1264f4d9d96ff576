/*
 * plan_test: that a plan is all of a spec, in one block, and lives on when the spec and all it pointed to is gone.
 *
 * White-box: a plan has no public face of its own.
 */
#include "src/plan.h"
#include "tests/support/nothing.h"
#include "tests/support/support.h"

#include <stdlib.h>

/* A spec whose every byte can be scribbled over: nothing of it is static. */
typedef struct scratch {
    char names[6][JZX_CHILD_NAME_MAX];
    uint64_t argument[4];
    jzx_child_spec leaves[2];
    jzx_supervisor_spec inner;
    jzx_child_spec children[4];
    jzx_supervisor_spec root;
} scratch;

enum { PLAIN, FULL, NESTED, POINTER };

static jzx_child_spec worker(const char *name)
{
    jzx_child_spec spec;
    jzx_child_spec_init(&spec);
    spec.name = name;
    spec.init = no_init;
    spec.behavior = no_behavior;
    return spec;
}

/* A child with something in each field. */
static void fill(scratch *s, jzx_child_spec *spec)
{
    *spec = worker(strcpy(s->names[1], "full"));
    spec->restart = JZX_TRANSIENT;
    spec->placement = JZX_PLACE_LOOP;
    spec->mailbox_policy = JZX_MAILBOX_DROP_OLDEST;
    spec->significant = spec->keep_mail = spec->register_name = spec->trap_exit = true;
    spec->fini = no_fini;
    memcpy(s->argument, (uint64_t[]){1, 2, 3, 4}, sizeof s->argument);
    spec->argument = s->argument;
    spec->argument_size = sizeof s->argument - 1;
    spec->state_size = 40;
    spec->mailbox_cap = 3;
    spec->mailbox_bytes = 100;
    spec->place_loop = 1;
    spec->place_with = 5;
    spec->messages_per_turn = 7;
    spec->handler_limit_ns = 9;
    spec->limit_action = JZX_LIMIT_CANCEL;
    spec->shutdown_ns = 1234;
    spec->backoff = (jzx_backoff){JZX_BACKOFF_EXPONENTIAL, 30, 10, 1000, 1.5, 77};
}

static void make_spec(scratch *s)
{
    memset(s, 0, sizeof *s);
    s->children[PLAIN] = worker(strcpy(s->names[0], "a name of as many as 31 letters"));
    fill(s, &s->children[FULL]);
    s->children[POINTER] = worker(NULL);
    s->children[POINTER].argument = no_fini; /* stays where it is */
    s->children[POINTER].shutdown_ns = JZX_SHUTDOWN_BRUTAL;

    s->leaves[0] = worker(strcpy(s->names[2], "x"));
    s->leaves[1] = worker(strcpy(s->names[3], "y"));
    s->leaves[1].backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = 9};
    jzx_supervisor_spec_init(&s->inner);
    s->inner.strategy = JZX_REST_FOR_ONE;
    s->inner.intensity = JZX_INTENSITY_UNLIMITED;
    s->inner.period_ns = 22;
    s->inner.backoff = (jzx_backoff){.kind = JZX_BACKOFF_LINEAR, .initial_ns = 4, .max_ns = 40};
    s->inner.children = s->leaves;
    s->inner.child_count = 2;

    jzx_child_spec *nested = &s->children[NESTED];
    jzx_child_spec_init(nested);
    nested->name = strcpy(s->names[4], "nested");
    nested->type = JZX_SUPERVISOR;
    nested->restart = JZX_TEMPORARY;
    nested->placement = JZX_PLACE_LOOP;
    nested->place_loop = 1;
    nested->mailbox_cap = 5;
    nested->supervisor = &s->inner;

    jzx_supervisor_spec_init(&s->root);
    s->root.name = strcpy(s->names[5], "a name longer than 15 letters");
    s->root.strategy = JZX_ONE_FOR_ALL;
    s->root.auto_shutdown = JZX_AUTO_ALL_SIGNIFICANT;
    s->root.intensity = 11;
    s->root.period_ns = 111;
    s->root.children_max = 17;
    s->root.children = s->children;
    s->root.child_count = 4;
}

static jzx__plan *make_plan(test_world *world, scratch *s)
{
    jzx__plan *plan = NULL;
    cr_assert_eq(jzx__plan_check(world->runtime, &s->root, 1, NULL), JZX_SPEC_OK);
    cr_assert_eq(jzx__plan_make(world->runtime, &s->root, 1, &plan), JZX_OK);
    memset(s, 0xA5, sizeof *s);
    return plan;
}

Test(plan, a_supervisor_is_copied_and_the_spec_may_go, .timeout = 20)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    scratch s;
    make_spec(&s);
    jzx__plan *plan = make_plan(&world, &s);
    cr_expect_eq(plan->runtime, world.runtime);
    cr_expect_eq(plan->depth, 1);
    cr_expect_eq(plan->strategy, JZX_ONE_FOR_ALL);
    cr_expect_eq(plan->auto_shutdown, JZX_AUTO_ALL_SIGNIFICANT);
    cr_expect_eq(plan->intensity, 11);
    cr_expect_eq(plan->period_ns, 111);
    cr_expect_eq(plan->children_max, 17);
    cr_expect_eq(plan->backoff.kind, JZX_BACKOFF_NONE, "what a supervisor inherits is none");
    cr_expect_eq(plan->backoff.reset_ns, 111);
    cr_expect_str_eq(plan->name, "a name longer t");
    cr_expect_eq(plan->child_count, 4);
    cr_expect_eq(plan->failure.err, JZX_OK);
    cr_expect_eq(plan->failure.path.depth, 0);
    jzx__plan_free(plan);
    test_world_close(&world);
}

Test(plan, a_child_is_copied_field_by_field, .timeout = 20)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    scratch s;
    make_spec(&s);
    jzx__plan *plan = make_plan(&world, &s);
    const jzx__plan_child *full = &plan->children[FULL];
    const jzx_spawn_options *options = &full->options;
    cr_expect_str_eq(full->name, "full");
    cr_expect_eq(options->name, full->name, "the copy, not the user's");
    cr_expect_eq(full->type, JZX_WORKER);
    cr_expect_eq(full->restart, JZX_TRANSIENT);
    cr_expect(full->significant && full->keep_mail && full->register_name && full->options.trap_exit);
    cr_expect_eq(full->shutdown_ns, 1234);
    cr_expect_null(full->plan);
    cr_expect_eq(options->struct_size, sizeof *options);
    cr_expect_eq(options->init, no_init);
    cr_expect_eq(options->behavior, no_behavior);
    cr_expect_eq(options->fini, no_fini);
    cr_expect_eq(options->state_size, 40);
    cr_expect_eq(options->mailbox_cap, 3);
    cr_expect_eq(options->mailbox_bytes, 100);
    cr_expect_eq(options->messages_per_turn, 7);
    cr_expect_eq(options->handler_limit_ns, 9);
    cr_expect_eq(options->limit_action, JZX_LIMIT_CANCEL);
    cr_expect_eq(options->mailbox_policy, JZX_MAILBOX_DROP_OLDEST);
    cr_expect_eq(options->placement, JZX_PLACE_LOOP);
    cr_expect_eq(options->place_loop, 1);
    cr_expect_eq(options->place_with, 5);
    const jzx_backoff *b = &full->backoff;
    cr_expect(b->kind == JZX_BACKOFF_EXPONENTIAL && b->jitter == 30 && b->initial_ns == 10 && b->max_ns == 1000);
    cr_expect(b->factor == 1.5 && b->reset_ns == 77);
    cr_expect_not(plan->children[PLAIN].significant || plan->children[PLAIN].keep_mail);
    cr_expect_not(plan->children[PLAIN].register_name || plan->children[PLAIN].options.trap_exit);
    jzx__plan_free(plan);
    test_world_close(&world);
}

Test(plan, an_argument_with_a_size_is_copied_and_aligned_and_one_without_is_passed_on, .timeout = 20)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    scratch s;
    make_spec(&s);
    jzx__plan *plan = make_plan(&world, &s);
    const jzx__plan_child *full = &plan->children[FULL];
    cr_expect_eq(full->argument_size, 31);
    cr_expect_eq((uintptr_t)full->options.argument % _Alignof(max_align_t), 0);
    cr_expect_arr_eq(full->options.argument, ((uint64_t[]){1, 2, 3, 4}), 31);
    cr_expect_eq(plan->children[POINTER].argument_size, 0);
    cr_expect_eq(plan->children[POINTER].options.argument, (void *)no_fini);
    cr_expect_null(plan->children[PLAIN].options.argument);
    jzx__plan_free(plan);
    test_world_close(&world);
}

Test(plan, defaults_are_filled_in, .timeout = 20)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    scratch s;
    make_spec(&s);
    jzx__plan *plan = make_plan(&world, &s);
    cr_expect_eq(plan->children[PLAIN].shutdown_ns, 5000000000, "a worker has 5 s");
    cr_expect_eq(plan->children[NESTED].shutdown_ns, JZX_FOREVER, "a supervisor has what its children need");
    cr_expect_eq(plan->children[POINTER].shutdown_ns, JZX_SHUTDOWN_BRUTAL);
    cr_expect_str_eq(plan->children[PLAIN].name, "a name of as many as 31 letters");
    cr_expect_str_eq(plan->children[POINTER].name, "");
    cr_expect_null(plan->children[POINTER].options.name);
    cr_expect_eq(plan->children[NESTED].plan->children_max, 65536);
    jzx__plan_free(plan);
    test_world_close(&world);
}

Test(plan, a_backoff_that_inherits_is_that_of_its_own_supervisor, .timeout = 20)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    scratch s;
    make_spec(&s);
    jzx__plan *plan = make_plan(&world, &s);
    cr_expect_eq(plan->children[PLAIN].backoff.kind, JZX_BACKOFF_NONE);
    cr_expect_eq(plan->children[PLAIN].backoff.reset_ns, 111);
    cr_expect_eq(plan->children[NESTED].backoff.kind, JZX_BACKOFF_NONE, "as its siblings, not as its own children");
    const jzx__plan *inner = plan->children[NESTED].plan;
    cr_expect_eq(inner->backoff.kind, JZX_BACKOFF_LINEAR);
    cr_expect_eq(inner->backoff.reset_ns, 22);
    cr_expect_arr_eq(&inner->children[0].backoff, &inner->backoff, sizeof inner->backoff);
    cr_expect_eq(inner->children[1].backoff.kind, JZX_BACKOFF_CONSTANT);
    cr_expect_eq(inner->children[1].backoff.initial_ns, 9);
    cr_expect_eq(inner->children[1].backoff.reset_ns, 22, "of the period of its supervisor");
    jzx__plan_free(plan);
    test_world_close(&world);
}

Test(plan, N3_what_is_below_is_a_plan_of_its_own_in_the_same_block, .timeout = 20)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    scratch s;
    make_spec(&s);
    jzx__plan *plan = make_plan(&world, &s);
    const jzx__plan_child *nested = &plan->children[NESTED];
    jzx__plan *inner = nested->plan;
    cr_expect_eq(nested->type, JZX_SUPERVISOR);
    cr_expect_eq(nested->restart, JZX_TEMPORARY);
    cr_expect_eq(nested->options.argument, inner);
    cr_expect_eq(nested->options.placement, JZX_PLACE_LOOP);
    cr_expect_eq(nested->options.place_loop, 1);
    cr_expect_eq(nested->options.mailbox_cap, 5);
    cr_expect_str_eq(nested->options.name, "nested");
    cr_expect_eq(inner->depth, 2);
    cr_expect_eq(inner->runtime, world.runtime);
    cr_expect_eq(inner->strategy, JZX_REST_FOR_ONE);
    cr_expect_eq(inner->intensity, JZX_INTENSITY_UNLIMITED);
    cr_expect_eq(inner->period_ns, 22);
    cr_expect_eq(inner->child_count, 2);
    cr_expect_str_eq(inner->children[1].name, "y");
    cr_expect_eq(inner->size, 0);
    cr_expect_eq(world.memory[JZX_MEMORY_STATE].blocks, 1, "one block holds it all");
    cr_expect((char *)inner > (char *)plan && (char *)(inner + 1) <= (char *)plan + plan->size, "N1");
    jzx__plan_free(inner); /* nothing */
    cr_expect_eq(world.memory[JZX_MEMORY_STATE].blocks, 1);
    jzx__plan_free(plan);
    cr_expect_eq(world.memory[JZX_MEMORY_STATE].blocks, 0);
    jzx__plan_free(NULL);
    test_world_close(&world);
}

Test(plan, a_supervisor_with_a_display_name_shows_that, .timeout = 20)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    scratch s;
    make_spec(&s);
    s.inner.name = "shown";
    jzx__plan *plan = make_plan(&world, &s);
    cr_expect_str_eq(plan->children[NESTED].options.name, "shown");
    cr_expect_str_eq(plan->children[NESTED].name, "nested", "and is found by the other");
    jzx__plan_free(plan);
    test_world_close(&world);
}

Test(plan, no_children_are_fine, .timeout = 20)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    scratch s;
    make_spec(&s);
    s.root.child_count = 0;
    s.root.children = NULL;
    jzx__plan *plan = make_plan(&world, &s);
    cr_expect_eq(plan->child_count, 0);
    jzx__plan_free(plan);
    test_world_close(&world);
}

Test(plan, S82_without_memory_nothing_is_left, .timeout = 20)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    test_memory *memory = &world.memory[JZX_MEMORY_STATE];
    scratch s;
    make_spec(&s);
    jzx__plan *plan = (jzx__plan *)(void *)&s;
    memory->fail_at = memory->calls + 1;
    cr_assert_eq(jzx__plan_make(world.runtime, &s.root, 1, &plan), JZX_ERR_NO_MEMORY);
    memory->fail_at = memory->calls + 1;
    cr_assert_eq(jzx__plan_make_child(world.runtime, &s.children[NESTED], &plan), JZX_ERR_NO_MEMORY);
    cr_assert_eq(plan, (jzx__plan *)(void *)&s, "out parameters are written on success only");
    test_memory_assert_empty(memory);
    test_world_close(&world);
}

/* Each of these asks for 4 GiB, all of them the same. */
Test(plan, a_sum_of_sizes_that_nobody_has_is_asked_for_and_refused, .timeout = 20)
{
    enum { WIDTH = 1 << 16 };
    test_world world;
    test_world_open(&world, 1, NULL);
    test_memory *memory = &world.memory[JZX_MEMORY_STATE];
    jzx_child_spec *children = calloc(WIDTH, sizeof *children);
    for (int i = 0; i < WIDTH; i++) {
        children[i] = worker(NULL);
        children[i].argument = children;
        children[i].argument_size = UINT32_MAX;
    }
    jzx_supervisor_spec spec;
    jzx_supervisor_spec_init(&spec);
    spec.children = children;
    spec.child_count = WIDTH;
    jzx__plan *plan = NULL;
    uint64_t calls = memory->calls;
    memory->fail_at = calls + 1; /* as any would: a sanitizer does not let it be tried */
    cr_assert_eq(jzx__plan_make(world.runtime, &spec, 1, &plan), JZX_ERR_NO_MEMORY);
    cr_assert_eq(memory->calls, calls + 1);
    cr_assert_null(plan);
    free(children);
    test_world_close(&world);
}

/* ---- a child by itself ---- */

static jzx__plan *make_child(test_world *world, scratch *s, uint32_t which)
{
    jzx__plan *plan = NULL;
    cr_assert_eq(jzx__plan_make_child(world->runtime, &s->children[which], &plan), JZX_OK);
    memset(s, 0xA5, sizeof *s);
    return plan;
}

Test(plan, a_child_by_itself_is_a_plan_of_one, .timeout = 20)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    scratch s;
    make_spec(&s);
    jzx__plan *plan = make_child(&world, &s, FULL);
    cr_assert_eq(plan->runtime, world.runtime);
    cr_assert_eq(plan->child_count, 1);
    cr_assert_eq(plan->children_max, 1);
    cr_assert_str_eq(plan->children[0].options.name, "full");
    cr_assert_arr_eq(plan->children[0].options.argument, ((uint64_t[]){1, 2, 3, 4}), 31);
    cr_assert_eq(plan->children[0].backoff.kind, JZX_BACKOFF_EXPONENTIAL);
    jzx__plan_free(plan);
    test_memory_assert_empty(&world.memory[JZX_MEMORY_STATE]);
    test_world_close(&world);
}

Test(plan, a_child_that_joins_takes_backoff_and_depth_of_its_supervisor, .timeout = 20)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    scratch s;
    make_spec(&s);
    jzx__plan *root = make_plan(&world, &s);
    const jzx__plan *inner = root->children[NESTED].plan;

    make_spec(&s);
    jzx__plan *child = make_child(&world, &s, PLAIN);
    cr_assert_eq(child->children[0].backoff.kind, JZX_BACKOFF_INHERIT);
    cr_assert_eq(jzx__plan_join(child, inner), JZX_OK);
    cr_assert_arr_eq(&child->children[0].backoff, &inner->backoff, sizeof inner->backoff);
    jzx__plan_free(child);

    make_spec(&s);
    s.children[FULL].backoff.reset_ns = 0;
    child = make_child(&world, &s, FULL);
    cr_assert_eq(jzx__plan_join(child, inner), JZX_OK);
    cr_assert_eq(child->children[0].backoff.kind, JZX_BACKOFF_EXPONENTIAL, "its own");
    cr_assert_eq(child->children[0].backoff.reset_ns, 22);
    jzx__plan_free(child);

    make_spec(&s);
    child = make_child(&world, &s, NESTED);
    cr_assert_eq(jzx__plan_join(child, inner), JZX_OK);
    cr_assert_eq(child->children[0].plan->depth, 3);
    cr_assert_eq(child->children[0].plan->children[1].backoff.kind, JZX_BACKOFF_CONSTANT);
    jzx__plan_free(child);
    jzx__plan_free(root);
    test_world_close(&world);
}

Test(plan, N3_a_child_that_would_be_too_deep_stays_as_it_was, .timeout = 20)
{
    test_world world;
    test_world_open(&world, 2, NULL);
    scratch s;
    make_spec(&s);
    s.leaves[1] = s.children[NESTED];
    static jzx_supervisor_spec deepest;
    jzx_supervisor_spec_init(&deepest);
    s.leaves[1].supervisor = &deepest; /* the child, its plan, and one below it */
    jzx__plan *child = make_child(&world, &s, NESTED);
    jzx__plan supervisor = {.depth = JZX_TREE_DEPTH_MAX - 1, .period_ns = 3, .backoff = {.kind = JZX_BACKOFF_NONE}};
    cr_assert_eq(jzx__plan_join(child, &supervisor), JZX_ERR_TOO_DEEP);
    cr_assert_eq(child->children[0].backoff.kind, JZX_BACKOFF_INHERIT);
    cr_assert_eq(child->children[0].plan->depth, 1);
    supervisor.depth = JZX_TREE_DEPTH_MAX - 2;
    cr_assert_eq(jzx__plan_join(child, &supervisor), JZX_OK);
    cr_assert_eq(child->children[0].plan->depth, JZX_TREE_DEPTH_MAX - 1);
    cr_assert_eq(child->children[0].plan->children[1].plan->depth, JZX_TREE_DEPTH_MAX);
    jzx__plan_free(child);
    test_world_close(&world);
}
