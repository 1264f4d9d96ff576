/* supervisor: how trees start, or do not: nothing is left of one that did not, and it is said which child and why. */
#include "tests/support/tree.h"

/* ---- starts ---- */

TREE_TEST(S01_start_normal)
{
    tree t;
    tree_open(&t, layout);
    tree_start(&t);
    tree_expect_counts(&t, 0, 0);
    tree_stop_sup(&t);
    tree_expect_ended(&t, JZX_EXIT_SHUTDOWN);
    tree_close(&t);
}

/* The host stops it by itself: SHUTDOWN is no escalation, and the runtime goes on. */
TREE_TEST(S01_what_is_stopped_is_stopped)
{
    tree t;
    tree_open(&t, layout);
    tree_add(&t, "a");
    tree_add(&t, "b");
    tree_start(&t);
    tree_expect_log(&t, "+a +b");
    tree_forget(&t);
    tree_stop_sup(&t);
    tree_expect_log(&t, "-b -a");
    tree_expect_ended(&t, JZX_EXIT_SHUTDOWN);
    test_actor other = {0};
    test_spawn(&t.world, 0, &other);
    test_send(&t.world, &other, 5);
    test_until(&t.world, other.received == 1);
    tree_expect_nobody(&t, t.sup);
    tree_close(&t);
}

/* The defaults of the specs are those of OTP. */
Test(supervisor, S08_defaults, .timeout = 30)
{
    jzx_child_spec child;
    jzx_supervisor_spec spec;
    memset(&child, 0xFF, sizeof child);
    memset(&spec, 0xFF, sizeof spec);
    jzx_child_spec_init(&child);
    jzx_supervisor_spec_init(&spec);
    jzx_child_spec_init(NULL);
    jzx_supervisor_spec_init(NULL);
    cr_assert_eq(child.struct_size, sizeof child);
    cr_assert_eq(child.restart, JZX_PERMANENT);
    cr_assert_eq(child.type, JZX_WORKER);
    cr_assert_eq(child.shutdown_ns, JZX_SHUTDOWN_DEFAULT);
    cr_assert_eq(child.significant, false);
    cr_assert_null(child.name);
    cr_assert_eq(spec.struct_size, sizeof spec);
    cr_assert_eq(spec.strategy, JZX_ONE_FOR_ONE);
    cr_assert_eq(spec.intensity, 3);
    cr_assert_eq(spec.period_ns, 5000000000);
    cr_assert_eq(spec.auto_shutdown, JZX_AUTO_NEVER);
    cr_assert_eq(spec.child_count, 0);
}

TREE_TEST(S08_only_what_is_required)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    jzx_init_fn init = a->spec->init;
    jzx_behavior_fn behavior = a->spec->behavior;
    jzx_fini_fn fini = a->spec->fini;
    jzx_child_spec_init(a->spec);
    a->spec->init = init;
    a->spec->behavior = behavior;
    a->spec->fini = fini;
    a->spec->argument = a;
    tree_start(&t);
    cr_assert_eq(jzx_actor_loop(a->id), t.sup_loop, "on its supervisor's loop");
    cr_assert_eq(tree_find(&t, t.sup, "nobody").err, JZX_ERR_NOT_FOUND);
    cr_assert_eq(tree_find(&t, t.sup, "").err, JZX_ERR_NOT_FOUND);
    cr_assert_eq(tree_find(&t, t.sup, NULL).err, JZX_ERR_NOT_FOUND);
    tree_answer answer = tree_find_at(&t, t.sup, 0);
    cr_assert_eq(answer.err, JZX_OK);
    cr_assert_eq(t.list[0].id, a->id);
    cr_assert_eq(t.list[0].restart, JZX_PERMANENT);
    cr_assert_eq(t.list[0].incarnation, 1);
    cr_assert_eq(t.list[0].restarts, 0);
    cr_assert_str_eq(t.list[0].name, "");
    tree_close(&t);
}

/* init gets the bytes of the argument at the start, however often it is started, not those that came to be since. */
static uint64_t seen_argument;
static jzx_err init_reads(jzx_context *context, void *argument, void **state)
{
    (void)context;
    (void)state;
    memcpy(&seen_argument, argument, sizeof seen_argument);
    return JZX_OK;
}

TREE_TEST(S08_arguments_are_copied)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    char name[] = "a";
    uint64_t argument = 0x1234567890abcdefull;
    a->spec->name = name;
    a->spec->init = init_reads;
    a->spec->fini = NULL;
    a->spec->argument = &argument;
    a->spec->argument_size = sizeof argument;
    a->spec->state_size = 64;
    cr_assert_eq(tree_try_start(&t), JZX_OK);
    argument = 0;
    name[0] = 'z';
    test_until(&t.world, tree_seen(&t, JZX_SUPERVISION_STARTED, "a") == 1);
    cr_assert_eq(seen_argument, 0x1234567890abcdefull);
    seen_argument = 0;
    tree_end(&t, tree_event_of(&t, JZX_SUPERVISION_STARTED, "a", 0)->event.id, TREE_KILL);
    test_until(&t.world, tree_seen(&t, JZX_SUPERVISION_STARTED, "a") == 2);
    cr_assert_eq(seen_argument, 0x1234567890abcdefull);
    tree_close(&t);
}

/* ---- starts that fail ---- */

/* The failure that `sup` told when it could not start. */
static void expect_start_failure(tree *t, jzx_err err, int32_t code, const char *name, uint32_t depth,
                                 const uint32_t *path)
{
    jzx_start_failure failure;
    jzx_exit_info exit;
    memset(&failure, 0, sizeof failure);
    if (t->layout == TREE_OWNED) {
        test_until(&t->world, t->request->done);
        cr_assert_eq(t->request->answer.err, JZX_ERR_START_FAILED);
        cr_assert_eq(t->request->answer.has_failure, true);
        failure = t->request->answer.failure;
        cr_assert_eq(t->exits, 0, "the link breaks without a notice");
        cr_assert_eq(jzx_runtime_escalation(t->world.runtime, NULL, NULL), JZX_ERR_NOT_FOUND);
        t->request = NULL;
    } else {
        jzx_actor_id root = t->layout == TREE_NESTED ? t->top : t->sup;
        test_until(&t->world, tree_end_of(t, root) != NULL);
        cr_assert_eq(jzx_runtime_escalation(t->world.runtime, &exit, &failure), JZX_OK);
        cr_assert_eq(exit.id, root);
        cr_assert_eq(exit.kind, (uint32_t)JZX_EXIT_START_FAILED);
        t->escalates = true;
    }
    uint32_t above = t->layout == TREE_NESTED ? 1 : 0;
    cr_assert_eq(failure.err, (int32_t)err, "%s", jzx_strerror((jzx_err)failure.err));
    cr_assert_eq(failure.code, code);
    cr_assert_str_eq(failure.name, name);
    cr_assert_eq(failure.path.depth, depth + above);
    for (uint32_t i = 0; i < depth; i++) {
        cr_assert_eq(failure.path.index[i + above], path[i]);
    }
}

/* In the layout OWNED the answer to the start is waited for like one to a request. */
static void start_to_fail(tree *t, tree_request *request)
{
    t->request = request;
    cr_assert_eq(tree_try_start(t), JZX_OK);
    request->ref = t->sup_ref;
    tree_settle(t);
}

/* Nothing failed, so there is no failure to tell of. */
Test(supervisor, S02_told_to_end_while_it_starts, .timeout = 120)
{
    tree t;
    tree_request request = {.ask = TREE_ASK_START};
    tree_open(&t, TREE_OWNED);
    tree_add(&t, "a");
    t.request = &request;
    cr_assert_eq(tree_try_start(&t), JZX_OK);
    request.ref = t.sup_ref;
    tree_end(&t, t.sup, TREE_SHUTDOWN);
    test_until(&t.world, request.done);
    cr_assert_eq(request.answer.err, JZX_ERR_START_FAILED);
    cr_assert_not(request.answer.has_failure);
    t.request = NULL;
    tree_close(&t);
}

TREE_TEST(S02_start_fail)
{
    tree t;
    tree_request request = {.ask = TREE_ASK_START};
    tree_open(&t, layout);
    tree_add(&t, "a");
    tree_kid *b = tree_add(&t, "b");
    tree_kid *c = tree_add(&t, "c");
    b->fail_inits = 1;
    b->init_result = (jzx_err)-1234;
    start_to_fail(&t, &request);
    expect_start_failure(&t, JZX_ERR_INIT, -1234, "b", 1, (uint32_t[]){1});
    tree_expect_log(&t, "+a !b -a");
    cr_assert_eq(c->inits, 0);
    cr_assert_eq(t.seen[JZX_SUPERVISION_RESTART], 0, "a first start is not tried again");
    cr_assert_eq(tree_seen(&t, JZX_SUPERVISION_START_FAILED, "b"), 1);
    tree_close(&t);
}

TREE_TEST(S02_the_first_fails)
{
    tree t;
    tree_request request = {.ask = TREE_ASK_START};
    tree_open(&t, layout);
    tree_add(&t, "a")->fail_inits = 1;
    tree_add(&t, "b");
    start_to_fail(&t, &request);
    expect_start_failure(&t, JZX_ERR_INIT, -77, "a", 1, (uint32_t[]){0});
    tree_expect_log(&t, "!a");
    tree_close(&t);
}

TREE_TEST(S63_the_deepest_cause)
{
    tree t;
    tree_request request = {.ask = TREE_ASK_START};
    jzx_supervisor_spec middle;
    jzx_supervisor_spec low;
    tree_open(&t, layout);
    tree_add(&t, "a");
    tree_kid *sup1 = tree_add(&t, "sup1");
    tree_kid *b = tree_spare(&t, "b");
    tree_kid *c = tree_spare(&t, "c");
    tree_kid *sup2 = tree_spare(&t, "sup2");
    tree_kid *d = tree_spare(&t, "d");
    tree_kid *e = tree_spare(&t, "e");
    (void)c;
    jzx_supervisor_spec_init(&middle);
    jzx_supervisor_spec_init(&low);
    tree_make_supervisor(sup2, &low, d->spec, 2);
    tree_make_supervisor(sup1, &middle, b->spec, 3);
    e->fail_inits = 1;
    e->init_result = (jzx_err)-99;
    start_to_fail(&t, &request);
    expect_start_failure(&t, JZX_ERR_INIT, -99, "e", 3, (uint32_t[]){1, 2, 1});
    tree_expect_log(&t, "+a +b +c +d !e -d -c -b -a");
    tree_close(&t);
}

/* The failure of another kind: no actor could be made. */
TREE_TEST(S02_no_room_for_a_child)
{
    tree t;
    tree_request request = {.ask = TREE_ASK_START};
    tree_prepare(&t, layout);
    t.config.children_max = 1;
    tree_open_world(&t);
    tree_add(&t, "a");
    tree_add(&t, "b");
    jzx_err err = tree_try_start(&t);
    (void)request;
    if (layout == TREE_NESTED) {
        cr_assert_eq(err, JZX_OK);
        test_until(&t.world, tree_end_of(&t, t.top) != NULL);
        jzx_start_failure failure;
        cr_assert_eq(jzx_runtime_escalation(t.world.runtime, NULL, &failure), JZX_OK);
        cr_assert_neq(failure.err, JZX_OK);
        t.escalates = true;
    } else {
        cr_assert_eq(err, JZX_ERR_LIMIT, "%s", jzx_strerror(err));
    }
    tree_expect_log(&t, "");
    tree_close(&t);
}

/* ---- children added later ---- */

TREE_TEST(S06_start_child_fails)
{
    tree t;
    tree_open(&t, layout);
    tree_add(&t, "a");
    tree_start(&t);
    tree_kid *b = tree_spare(&t, "b");
    b->fail_inits = 1;
    b->init_result = (jzx_err)-55;
    tree_answer answer = tree_child_start(&t, t.sup, b->spec);
    cr_assert_eq(answer.err, JZX_ERR_START_FAILED, "%s", jzx_strerror(answer.err));
    cr_assert_eq(answer.has_failure, true);
    cr_assert_eq(answer.failure.err, JZX_ERR_INIT);
    cr_assert_eq(answer.failure.code, -55);
    cr_assert_str_eq(answer.failure.name, "b");
    cr_assert_eq(answer.failure.path.depth, 1);
    tree_expect_counts(&t, 1, 1);
    tree_expect_gone(&t, "b");
    cr_assert_eq(t.seen[JZX_SUPERVISION_RESTART], 0);
    tree_expect_alive(&t);
    answer = tree_child_start(&t, t.sup, b->spec);
    cr_assert_eq(answer.err, JZX_OK, "it works the next time");
    cr_assert_eq(answer.id, b->id);
    cr_assert_eq(answer.child, b->ref);
    tree_expect_counts(&t, 2, 2);
    tree_close(&t);
}

/* A failed jzx_child_start() is not what an escalation that comes later is told to come from. */
TREE_TEST(S06_is_forgotten)
{
    tree t;
    tree_open(&t, layout);
    t.spec.intensity = 0;
    tree_kid *a = tree_add(&t, "a");
    tree_start(&t);
    tree_kid *b = tree_spare(&t, "b");
    b->fail_inits = 1;
    cr_assert_eq(tree_child_start(&t, t.sup, b->spec).err, JZX_ERR_START_FAILED);
    tree_die(&t, a, TREE_FAIL);
    tree_expect_ended(&t, JZX_EXIT_ESCALATED);
    if (layout == TREE_ONE_LOOP || layout == TREE_TWO_LOOPS) {
        jzx_start_failure failure;
        cr_assert_eq(jzx_runtime_escalation(t.world.runtime, NULL, &failure), JZX_OK);
        cr_assert_eq(failure.err, JZX_OK);
    }
    tree_close(&t);
}

TREE_TEST(S07_restart_child_fails)
{
    tree t;
    tree_open(&t, layout);
    t.spec.intensity = 0;
    tree_kid *a = tree_add(&t, "a");
    tree_start(&t);
    cr_assert_eq(tree_terminate(&t, t.sup, "a").err, JZX_OK);
    a->fail_inits = 1;
    tree_answer answer = tree_restart(&t, t.sup, "a");
    cr_assert_eq(answer.err, JZX_ERR_START_FAILED);
    cr_assert_eq(answer.has_failure, true);
    cr_assert_eq(answer.failure.err, JZX_ERR_INIT);
    tree_expect_state(&t, "a", JZX_CHILD_STOPPED);
    tree_expect_counts(&t, 1, 0);
    tree_expect_alive(&t); /* with intensity 0: nothing was counted */
    cr_assert_eq(tree_restart(&t, t.sup, "a").err, JZX_OK);
    tree_expect_counts(&t, 1, 1);
    tree_close(&t);
}

/* ---- bad specs ---- */

static jzx_err init_never(jzx_context *context, void *argument, void **state)
{
    (void)context;
    (void)state;
    ++*(uint32_t *)argument;
    return JZX_OK;
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    (void)context;
    (void)state;
    return message->tag == JZX_TAG_SYS_EXIT ? JZX_BEHAVIOR_STOP : JZX_BEHAVIOR_OK;
}

static uint32_t started;
static jzx_supervisor_spec other_spec;

static void good_child(jzx_child_spec *spec)
{
    jzx_child_spec_init(spec);
    spec->init = init_never;
    spec->behavior = behave;
    spec->argument = &started;
}

typedef void (*spoil_fn)(jzx_child_spec *spec);
typedef struct bad_child {
    spoil_fn spoil;
    jzx_spec_fault fault;
} bad_child;

#define SPOIL(name, statement)                     \
    static void spoil_##name(jzx_child_spec *spec) \
    {                                              \
        statement;                                 \
    }
SPOIL(size, spec->struct_size--)
SPOIL(init, spec->init = NULL)
SPOIL(behavior, spec->behavior = NULL)
SPOIL(restart, spec->restart = 99)
SPOIL(type, spec->type = 99)
SPOIL(shutdown, spec->shutdown_ns = JZX_SHUTDOWN_DEFAULT - 10)
SPOIL(name_empty, spec->name = "")
SPOIL(name_long, spec->name = "12345678901234567890123456789012")
SPOIL(register, spec->register_name = true)
SPOIL(argument, spec->argument = NULL; spec->argument_size = 1)
SPOIL(placement, spec->placement = 99)
SPOIL(loop, spec->placement = JZX_PLACE_LOOP; spec->place_loop = 2)
SPOIL(with, spec->placement = JZX_PLACE_WITH)
SPOIL(policy, spec->mailbox_policy = 99)
SPOIL(cap, spec->mailbox_cap = 1025)
SPOIL(bytes, spec->mailbox_bytes = 31)
SPOIL(significant, spec->significant = true)
SPOIL(backoff_kind, spec->backoff.kind = 99)
SPOIL(backoff_jitter, spec->backoff.jitter = 1001)
SPOIL(backoff_initial, spec->backoff.kind = JZX_BACKOFF_CONSTANT)
SPOIL(backoff_max, spec->backoff.kind = JZX_BACKOFF_LINEAR; spec->backoff.initial_ns = 2; spec->backoff.max_ns = 1)
SPOIL(backoff_factor, spec->backoff.kind = JZX_BACKOFF_EXPONENTIAL; spec->backoff.initial_ns = 1;
      spec->backoff.max_ns = 9)
SPOIL(supervisor, spec->supervisor = &other_spec)
SPOIL(no_supervisor, spec->type = JZX_SUPERVISOR; spec->init = NULL; spec->behavior = NULL; spec->argument = NULL)
SPOIL(worker_field, spec->type = JZX_SUPERVISOR; spec->supervisor = &other_spec)

static const bad_child BAD[] = {
    {spoil_size, JZX_SPEC_STRUCT_SIZE},
    {spoil_init, JZX_SPEC_INIT},
    {spoil_behavior, JZX_SPEC_BEHAVIOR},
    {spoil_restart, JZX_SPEC_RESTART},
    {spoil_type, JZX_SPEC_TYPE},
    {spoil_shutdown, JZX_SPEC_SHUTDOWN},
    {spoil_name_empty, JZX_SPEC_NAME},
    {spoil_name_long, JZX_SPEC_NAME},
    {spoil_register, JZX_SPEC_REGISTER},
    {spoil_argument, JZX_SPEC_ARGUMENT},
    {spoil_placement, JZX_SPEC_PLACEMENT},
    {spoil_loop, JZX_SPEC_LOOP},
    {spoil_with, JZX_SPEC_PLACE_WITH},
    {spoil_policy, JZX_SPEC_MAILBOX_POLICY},
    {spoil_cap, JZX_SPEC_MAILBOX_CAP},
    {spoil_bytes, JZX_SPEC_MAILBOX_BYTES},
    {spoil_significant, JZX_SPEC_SIGNIFICANT},
    {spoil_backoff_kind, JZX_SPEC_BACKOFF_KIND},
    {spoil_backoff_jitter, JZX_SPEC_BACKOFF_JITTER},
    {spoil_backoff_initial, JZX_SPEC_BACKOFF_INITIAL},
    {spoil_backoff_max, JZX_SPEC_BACKOFF_MAX},
    {spoil_backoff_factor, JZX_SPEC_BACKOFF_FACTOR},
    {spoil_supervisor, JZX_SPEC_SUPERVISOR},
    {spoil_no_supervisor, JZX_SPEC_SUPERVISOR},
    {spoil_worker_field, JZX_SPEC_WORKER_FIELD},
};

/* Each bad field is its own error by the check, and starts nothing by either way to start. */
TREE_TEST(S09_bad_child_specs)
{
    tree t;
    tree_open(&t, layout);
    tree_add(&t, "a");
    tree_start(&t);
    tree_forget(&t);
    started = 0;
    jzx_supervisor_spec_init(&other_spec);
    jzx_context *context = jzx_loop_context(t.world.loops[0]);
    uint64_t spawned = test_count(&t.world, offsetof(jzx_counters, spawned));
    for (unsigned i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        jzx_child_spec specs[2];
        good_child(&specs[0]);
        good_child(&specs[1]);
        BAD[i].spoil(&specs[1]);
        jzx_supervisor_spec spec;
        jzx_supervisor_spec_init(&spec);
        spec.children = specs;
        spec.child_count = 2;
        jzx_child_path path;
        jzx_spec_fault fault = jzx_supervisor_check(context, &spec, &path);
        cr_assert_eq(fault, BAD[i].fault, "bad spec %u: %s", i, jzx_spec_fault_text(fault));
        cr_assert_eq(path.depth, 1);
        cr_assert_eq(path.index[0], 1);
        jzx_actor_id id = 77;
        cr_assert_eq(jzx_supervisor_start(context, &spec, &id, NULL), JZX_ERR_INVALID_ARG);
        cr_assert_eq(id, 77, "untouched");
        if (BAD[i].fault != JZX_SPEC_SIGNIFICANT) {
            cr_assert_eq(jzx_child_check(context, &specs[1], NULL), BAD[i].fault);
        }
        cr_assert_eq(tree_child_start(&t, t.sup, &specs[1]).sent, JZX_ERR_INVALID_ARG, "bad spec %u", i);
    }
    cr_assert_eq(started, 0);
    cr_assert_eq(test_count(&t.world, offsetof(jzx_counters, spawned)), spawned);
    tree_expect_counts(&t, 1, 1);
    tree_close(&t);
}

/* significant is refused by a supervisor that never shuts down by itself, which only it can know. */
TREE_TEST(S09_significant_child_where_it_means_nothing)
{
    tree t;
    tree_open(&t, layout);
    tree_start(&t);
    tree_kid *a = tree_spare(&t, "a");
    a->spec->significant = true;
    a->spec->restart = JZX_TRANSIENT;
    tree_answer answer = tree_child_start(&t, t.sup, a->spec);
    cr_assert_eq(answer.sent, JZX_OK);
    cr_assert_eq(answer.err, JZX_ERR_INVALID_ARG);
    cr_assert_eq(a->inits, 0);
    tree_close(&t);
}

/* The full product of good values; shutdown 0 is good. */
Test(supervisor, S09_every_good_combination, .timeout = 120)
{
    static const uint64_t shutdowns[] = {0, 1, JZX_SHUTDOWN_BRUTAL, JZX_SHUTDOWN_DEFAULT, JZX_FOREVER, 1000};
    tree t;
    tree_open(&t, TREE_TWO_LOOPS);
    tree_start(&t);
    started = 0;
    uint32_t count = 0;
    for (unsigned i = 0; i < 3 * 4 * 3 * 6 * 5 * 2; i++) {
        jzx_child_spec spec;
        good_child(&spec);
        spec.restart = (uint8_t)(i % 3);
        spec.placement = (uint8_t)(i / 3 % 4);
        spec.place_with = t.boss.id;
        spec.mailbox_policy = (uint8_t)(i / 12 % 3);
        spec.shutdown_ns = shutdowns[i / 36 % 6];
        spec.backoff = (jzx_backoff){
            .kind = i / 216 % 5, .jitter = 1000, .initial_ns = 1, .max_ns = 1, .factor = 1, .reset_ns = 0};
        spec.trap_exit = i / 1080 % 2 == 1;
        cr_assert_eq(jzx_child_check(jzx_loop_context(t.world.loops[0]), &spec, NULL), JZX_SPEC_OK);
        tree_answer answer = tree_child_start(&t, t.sup, &spec);
        cr_assert_eq(answer.sent, JZX_OK, "%u: %s", i, jzx_strerror(answer.sent));
        cr_assert_eq(answer.err, JZX_OK, "%u: %s", i, jzx_strerror(answer.err));
        count++;
        tree_request again = {.ask = TREE_ASK_DELETE, .sup = t.sup, .key = jzx_child_at(i)};
        cr_assert_eq(tree_terminate_at(&t, t.sup, i).err, JZX_OK);
        tree_ask_begin(&t, &again);
        jzx_err err = tree_ask_end(&t, &again).err;
        cr_assert_eq(err, spec.restart == JZX_TEMPORARY ? JZX_ERR_NOT_FOUND : JZX_OK, "%s", jzx_strerror(err));
    }
    cr_assert_eq(started, count);
    tree_expect_counts(&t, 0, 0);
    tree_close(&t);
}

/* False: it is no fault of these fields. */
static bool spoil_flags(jzx_supervisor_spec *spec, unsigned which)
{
    switch (which) {
    case JZX_SPEC_STRUCT_SIZE:
        spec->struct_size++;
        break;
    case JZX_SPEC_NULL:
        spec->children = NULL;
        break;
    case JZX_SPEC_STRATEGY:
        spec->strategy = 99;
        break;
    case JZX_SPEC_AUTO_SHUTDOWN:
        spec->auto_shutdown = 99;
        break;
    case JZX_SPEC_INTENSITY:
        spec->intensity = JZX_INTENSITY_MAX + 1;
        break;
    case JZX_SPEC_PERIOD:
        spec->period_ns = 0;
        break;
    case JZX_SPEC_CHILD_COUNT:
        spec->children_max = 1;
        break;
    case JZX_SPEC_BACKOFF_KIND:
        spec->backoff.kind = 99;
        break;
    default:
        return false;
    }
    return true;
}

Test(supervisor, S10_bad_flags, .timeout = 30)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    jzx_context *context = jzx_loop_context(world.loops[0]);
    started = 0;
    for (unsigned fault = JZX_SPEC_OK; fault < JZX_SPEC_FAULTS; fault++) {
        jzx_child_spec children[2];
        good_child(&children[0]);
        good_child(&children[1]);
        jzx_supervisor_spec spec;
        jzx_supervisor_spec_init(&spec);
        spec.children = children;
        spec.child_count = 2;
        bool spoiled = spoil_flags(&spec, fault);
        jzx_spec_fault found = jzx_supervisor_check(context, &spec, NULL);
        cr_assert_eq(found, spoiled ? (jzx_spec_fault)fault : JZX_SPEC_OK, "%s", jzx_spec_fault_text(found));
        if (spoiled) {
            jzx_actor_id id = 5;
            cr_assert_eq(jzx_supervisor_start(context, &spec, &id, NULL), JZX_ERR_INVALID_ARG);
            cr_assert_eq(id, 5);
        }
    }
    cr_assert_eq(jzx_supervisor_start(context, NULL, NULL, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_supervisor_start(NULL, NULL, NULL, NULL), JZX_ERR_INVALID_ARG);
    cr_assert_eq(started, 0);
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, spawned)), 0);
    test_world_close(&world);
}

TREE_TEST(S11_duplicate_names)
{
    tree t;
    tree_open(&t, layout);
    tree_kid *a = tree_add(&t, "a");
    tree_add(&t, "b");
    tree_kid *again = tree_add(&t, "a2");
    again->spec->name = "a";
    jzx_child_path path;
    jzx_context *context = jzx_loop_context(t.world.loops[0]);
    cr_assert_eq(jzx_supervisor_check(context, &t.spec, &path), JZX_SPEC_DUPLICATE);
    cr_assert_eq(path.depth, 1);
    cr_assert_eq(path.index[0], 2);
    cr_assert_eq(tree_try_start(&t), JZX_ERR_DUPLICATE);
    cr_assert_eq(a->inits, 0);
    again->spec->name = "c";
    tree_start(&t);
    cr_assert_eq(a->inits, 1);
    tree_close(&t);
}

/* Siblings have names; cousins may share theirs, and none is no name. */
TREE_TEST(S11_the_same_name_elsewhere)
{
    tree t;
    jzx_supervisor_spec low;
    tree_open(&t, layout);
    tree_add(&t, "a");
    tree_kid *sup1 = tree_add(&t, "sup1");
    tree_add(&t, "n1")->spec->name = NULL;
    tree_add(&t, "n2")->spec->name = NULL;
    tree_kid *b = tree_spare(&t, "b");
    b->spec->name = "a";
    jzx_supervisor_spec_init(&low);
    tree_make_supervisor(sup1, &low, b->spec, 1);
    tree_start(&t);
    tree_expect_counts(&t, 4, 4);
    tree_close(&t);
}

/* ---- depth ---- */

static void chain(jzx_supervisor_spec *specs, jzx_child_spec *children, uint32_t depth)
{
    for (uint32_t i = 0; i < depth; i++) {
        jzx_supervisor_spec_init(&specs[i]);
        jzx_child_spec_init(&children[i]);
        children[i].type = JZX_SUPERVISOR;
        children[i].placement = JZX_PLACE_LOOP;
        children[i].place_loop = i % 2;
        specs[i].children = &children[i];
        specs[i].child_count = i + 1 < depth;
        if (i > 0) {
            children[i - 1].supervisor = &specs[i];
        }
    }
}

Test(supervisor, a_tree_may_be_so_deep_and_no_deeper, .timeout = 60)
{
    static jzx_supervisor_spec specs[JZX_TREE_DEPTH_MAX + 1];
    static jzx_child_spec children[JZX_TREE_DEPTH_MAX + 1];
    tree t;
    tree_open(&t, TREE_TWO_LOOPS);
    jzx_context *context = jzx_loop_context(t.world.loops[0]);
    chain(specs, children, JZX_TREE_DEPTH_MAX + 1);
    jzx_child_path path;
    cr_assert_eq(jzx_supervisor_check(context, &specs[0], &path), JZX_SPEC_DEPTH);
    cr_assert_eq(path.depth, JZX_TREE_DEPTH_MAX);
    cr_assert_eq(jzx_supervisor_start(context, &specs[0], NULL, NULL), JZX_ERR_TOO_DEEP);
    chain(specs, children, JZX_TREE_DEPTH_MAX);
    cr_assert_eq(jzx_supervisor_start(context, &specs[0], &t.sup, NULL), JZX_OK);
    tree_settle(&t);
    cr_assert_eq(t.seen[JZX_SUPERVISION_STARTED], JZX_TREE_DEPTH_MAX);
    /* Below the deepest there is no room for another, and the one that is asked says so. */
    jzx_actor_id deepest = tree_event_of(&t, JZX_SUPERVISION_STARTED, NULL, 0)->event.id;
    jzx_supervisor_spec low;
    jzx_child_spec child;
    jzx_supervisor_spec_init(&low);
    jzx_child_spec_init(&child);
    child.type = JZX_SUPERVISOR;
    child.supervisor = &low;
    cr_assert_eq(tree_child_start(&t, deepest, &child).err, JZX_ERR_TOO_DEEP);
    tree_kid *a = tree_spare(&t, "a");
    cr_assert_eq(tree_child_start(&t, deepest, a->spec).err, JZX_OK, "but for a worker");
    tree_stop_sup(&t);
    cr_assert_eq(a->alive, 0);
    tree_close(&t);
}

/* ---- where it cannot be started ---- */

static jzx_err fini_err;
static void start_in_fini(jzx_context *context, test_actor *actor, const jzx_exit_info *info)
{
    (void)info;
    fini_err = jzx_supervisor_start(context, actor->data, NULL, NULL);
}

static void start_on_wrong_thread(void *argument)
{
    tree *t = argument;
    jzx_err err = jzx_supervisor_start(jzx_loop_context(t->world.loops[0]), &t->spec, NULL, NULL);
    t->sup_ref = (uint64_t)(int64_t)err;
}

Test(supervisor, not_in_fini_nor_on_another_thread_nor_on_a_loop_that_stops, .timeout = 60)
{
    tree t;
    tree_open(&t, TREE_TWO_LOOPS);
    test_actor actor = {.on_fini = start_in_fini, .data = &t.spec};
    test_spawn(&t.world, 0, &actor);
    tree_settle(&t);
    test_on_thread(start_on_wrong_thread, &t);
    cr_assert_eq((jzx_err)(int64_t)t.sup_ref, JZX_ERR_WRONG_THREAD);
    tree_end(&t, actor.id, TREE_KILL);
    test_until(&t.world, actor.finis == 1);
    cr_assert_eq(fini_err, JZX_ERR_STOPPING);
    cr_assert_eq(jzx_loop_request_stop(t.world.loops[0]), JZX_OK);
    tree_settle(&t);
    cr_assert_eq(jzx_supervisor_start(jzx_loop_context(t.world.loops[0]), &t.spec, NULL, NULL), JZX_ERR_LOOP_CLOSED);
    cr_assert_eq(jzx_runtime_request_stop(t.world.runtime), JZX_OK);
    cr_assert_eq(jzx_supervisor_start(jzx_loop_context(t.world.loops[1]), &t.spec, NULL, NULL), JZX_ERR_LOOP_CLOSED);
    tree_close(&t);
}

/* A child's loop that has stopped: its start fails, and says so. */
Test(supervisor, a_child_on_a_loop_that_has_stopped, .timeout = 60)
{
    tree t;
    tree_open(&t, TREE_TWO_LOOPS);
    tree_add(&t, "a");
    tree_settle(&t);
    cr_assert_eq(jzx_loop_request_stop(t.world.loops[1]), JZX_OK);
    tree_settle(&t);
    cr_assert_eq(tree_try_start(&t), JZX_OK);
    test_until(&t.world, tree_end_of(&t, t.sup) != NULL);
    jzx_start_failure failure;
    cr_assert_eq(jzx_runtime_escalation(t.world.runtime, NULL, &failure), JZX_OK);
    cr_assert_eq(failure.err, JZX_ERR_LOOP_CLOSED, "%s", jzx_strerror((jzx_err)failure.err));
    cr_assert_str_eq(failure.name, "a");
    t.escalates = true;
    tree_close(&t);
}

/* Also when it is written before the loops run, or beside one that never runs. */
Test(supervisor, trees_of_loops_that_never_run, .timeout = 60)
{
    tree t;
    tree_open(&t, TREE_TWO_LOOPS);
    tree_kid *a = tree_add(&t, "a");
    cr_assert_eq(tree_try_start(&t), JZX_OK);
    tree_close(&t);
    cr_assert_eq(a->inits, 0);
}

/* ---- the result of the runs ---- */

/* Each loop's run says ESCALATED, on threads. */
Test(supervisor, P10_every_run_says_escalated, .timeout = 60)
{
    tree t;
    tree_open(&t, TREE_TWO_LOOPS);
    t.spec.intensity = 0;
    tree_kid *a = tree_add(&t, "a");
    a->spec->mailbox_cap = 4;
    cr_assert_eq(tree_try_start(&t), JZX_OK);
    a->dies_in_init = true;
    t.quiet = true;
    test_world_start(&t.world);
    for (uint32_t i = 0; i < 2; i++) {
        jzx_err result = JZX_OK;
        cr_assert_eq(jzx_loop_join(t.world.loops[i], &result), JZX_OK);
        cr_assert_eq(result, JZX_ERR_ESCALATED, "loop %u: %s", i, jzx_strerror(result));
    }
    jzx_exit_info exit;
    jzx_start_failure failure;
    cr_assert_eq(jzx_runtime_escalation(t.world.runtime, &exit, &failure), JZX_OK);
    cr_assert_eq(exit.kind, (uint32_t)JZX_EXIT_ESCALATED);
    cr_assert_eq(exit.id, t.sup);
    cr_assert_eq(exit.code, 42, "the cause is that of the child");
    cr_assert_str_eq(exit.text, "42");
    cr_assert_eq(exit.origin, a->id);
    cr_assert_eq(failure.err, JZX_OK);
    cr_assert_eq(jzx_runtime_escalation(NULL, &exit, &failure), JZX_ERR_INVALID_ARG);
    t.escalates = true;
    tree_close(&t);
}
