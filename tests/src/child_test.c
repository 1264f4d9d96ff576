/*
 * The relation between a supervisor and its children where it is not what tests of supervisors look at: loops that do not
 * run yet, and a kill that overtakes a request to stop.
 */
#include "tests/support/support.h"

typedef struct held {
    test_world w;
    jzx_actor_id root;
    _Atomic(uint32_t) inits;
    uint32_t kinds[JZX_SUPERVISION_ESCALATED + 1];
    int32_t err;
} held;

static jzx_err count_init(jzx_context *context, void *argument, void **state)
{
    (void)context;
    (void)state;
    (*(_Atomic(uint32_t) *)argument)++;
    return JZX_OK;
}

static jzx_behavior_result ignore(jzx_context *context, void *state, const jzx_message *message)
{
    (void)context;
    (void)state;
    (void)message;
    return JZX_BEHAVIOR_OK;
}

static void saw(void *user, jzx_context *context, const jzx_supervision_event *event)
{
    (void)context;
    held *h = user;
    h->kinds[event->kind]++;
    if (event->kind == JZX_SUPERVISION_START_FAILED && event->supervisor != 0) {
        h->err = event->err;
    }
}

/* A root on loop 0 with one child for loop 1. Only loop 0 is run. */
static void open_held(held *h)
{
    test_world_open(&h->w, 2, NULL);
    const jzx_observer observer = {.struct_size = sizeof observer, .supervision = saw};
    cr_assert_eq(jzx_observer_add(h->w.loops[0], &observer, h), JZX_OK);
    jzx_child_spec child;
    jzx_child_spec_init(&child);
    child.init = count_init;
    child.behavior = ignore;
    child.argument = &h->inits;
    child.placement = JZX_PLACE_LOOP;
    child.place_loop = 1;
    jzx_supervisor_spec root;
    jzx_supervisor_spec_init(&root);
    root.child_count = 1;
    root.children = &child;
    cr_assert_eq(jzx_supervisor_start(jzx_loop_context(h->w.loops[0]), &root, &h->root, NULL), JZX_OK);
    for (unsigned i = 0; i < 20; i++) {
        cr_assert_eq(jzx_loop_run_once(h->w.loops[0], 0), JZX_OK);
    }
    h->w.ran = true;
    cr_assert_eq(h->inits, 0);
    cr_assert_eq(h->kinds[JZX_SUPERVISION_STARTED], 0);
}

/* Of a world that has stopped. */
static void destroy(test_world *w)
{
    cr_assert_eq(jzx_runtime_destroy(w->runtime), JZX_OK);
    for (unsigned i = 0; i < JZX_MEMORY_KINDS; i++) {
        test_memory_assert_empty(&w->memory[i]);
    }
}

Test(child, P12_one_that_waits_for_its_loop_holds_nobody_up, .timeout = 60)
{
    held h = {.root = 0};
    open_held(&h);
    cr_assert_eq(jzx_stop(jzx_loop_context(h.w.loops[0]), h.root), JZX_OK);
    for (unsigned i = 0; i < 20; i++) {
        cr_assert_eq(jzx_loop_run_once(h.w.loops[0], 0), JZX_OK);
    }
    cr_assert_eq(h.kinds[JZX_SUPERVISION_START_FAILED], 2, "the child's and the root's");
    cr_assert_eq(h.err, JZX_ERR_CANCELLED);
    cr_assert_eq(jzx_stop(jzx_loop_context(h.w.loops[0]), h.root), JZX_ERR_NO_SUCH_ACTOR);
    test_world_settle(&h.w); /* now loop 1 runs too */
    cr_assert_eq(h.inits, 0, "what was taken back is not started");
    test_world_close(&h.w);
}

Test(child, one_that_waits_is_started_when_its_loop_runs, .timeout = 60)
{
    held h = {.root = 0};
    open_held(&h);
    test_until(&h.w, h.kinds[JZX_SUPERVISION_STARTED] == 2);
    cr_assert_eq(h.inits, 1);
    test_world_close(&h.w);
    cr_assert_eq(h.kinds[JZX_SUPERVISION_STOPPED], 2);
}

Test(child, one_whose_loop_never_runs_does_not_hold_up_the_stop, .timeout = 60)
{
    held h = {.root = 0};
    open_held(&h);
    test_world_close(&h.w);
    cr_assert_eq(h.inits, 0);
    cr_assert_eq(h.kinds[JZX_SUPERVISION_START_FAILED], 2);
}

Test(child, a_sleeping_supervisor_is_woken_by_the_loop_it_waits_for, .timeout = 60)
{
    held h = {.root = 0};
    open_held(&h);
    cr_assert_eq(jzx_loop_start(h.w.loops[1]), JZX_OK);
    uint64_t deadline_ns = test_now_ns() + TEST_PATIENCE_S * 1000000000ull;
    while (h.kinds[JZX_SUPERVISION_STARTED] < 2) { /* each wait ends by a doorbell, not by its time */
        uint64_t began_ns = test_now_ns();
        cr_assert_lt(began_ns, deadline_ns);
        cr_assert_eq(jzx_loop_run_once(h.w.loops[0], 10000000000), JZX_OK);
        cr_assert_lt(test_now_ns() - began_ns, 9000000000);
    }
    cr_assert_eq(jzx_runtime_request_stop(h.w.runtime), JZX_OK);
    while (jzx_loop_run_once(h.w.loops[0], 1000000) == JZX_OK) {
    }
    destroy(&h.w);
}

/* ---- a kill that overtakes ---- */

typedef struct deaf {
    test_world w;
    jzx_actor_id root;
    _Atomic(uint32_t) asked;
    _Atomic(uint32_t) kind; /* it ended with */
} deaf;

static jzx_err deaf_init(jzx_context *context, void *argument, void **state)
{
    (void)context;
    *state = argument;
    return JZX_OK;
}

static jzx_behavior_result deaf_behave(jzx_context *context, void *state, const jzx_message *message)
{
    (void)context;
    deaf *d = state;
    d->asked += message->tag == JZX_TAG_SYS_EXIT;
    return JZX_BEHAVIOR_OK; /* and goes on */
}

static void deaf_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    (void)context;
    ((deaf *)state)->kind = info->kind;
}

static void overtake(uint32_t loop)
{
    deaf d = {.root = 0};
    test_world_open(&d.w, loop + 1, NULL);
    jzx_child_spec child;
    jzx_child_spec_init(&child);
    child.init = deaf_init;
    child.behavior = deaf_behave;
    child.fini = deaf_fini;
    child.argument = &d;
    child.trap_exit = true;
    child.shutdown_ns = JZX_FOREVER;
    child.placement = JZX_PLACE_LOOP;
    child.place_loop = loop;
    jzx_supervisor_spec inner;
    jzx_supervisor_spec_init(&inner);
    inner.child_count = 1;
    inner.children = &child;
    jzx_child_spec middle;
    jzx_child_spec_init(&middle);
    middle.type = JZX_SUPERVISOR;
    middle.supervisor = &inner;
    jzx_supervisor_spec root = inner;
    root.children = &middle;
    cr_assert_eq(jzx_supervisor_start(jzx_loop_context(d.w.loops[0]), &root, &d.root, NULL), JZX_OK);
    test_world_settle(&d.w);
    cr_assert_eq(jzx_stop(jzx_loop_context(d.w.loops[0]), d.root), JZX_OK);
    test_until(&d.w, d.asked == 1);
    test_world_settle(&d.w);
    cr_assert_eq(d.kind, 0, "it was asked and need not hurry");
    cr_assert_eq(jzx_kill(jzx_loop_context(d.w.loops[0]), d.root), JZX_OK);
    bool left[2] = {false, loop == 0};
    while (!left[0] || !left[1]) { /* the kill of a root ends the runtime */
        for (uint32_t i = 0; i <= loop; i++) {
            jzx_err err = left[i] ? JZX_OK : jzx_loop_run_once(d.w.loops[i], 0);
            cr_assert(err == JZX_OK || err == JZX_ERR_ESCALATED);
            left[i] |= err == JZX_ERR_ESCALATED;
        }
    }
    cr_assert_eq(d.kind, JZX_EXIT_KILLED);
    cr_assert_eq(d.asked, 1);
    destroy(&d.w);
}

Test(child, a_kill_overtakes_a_request_to_stop, .timeout = 60)
{
    overtake(0);
}

Test(child, a_kill_overtakes_a_request_to_stop_on_two_loops, .timeout = 60)
{
    overtake(1);
}
