/*
 * trees: random trees of supervisors over two to four loops. Their workers fail to start, crash, end, are killed and refuse
 * to stop; askers start, stop, restart, delete and list children, end supervisors and start trees of their own; a loop may
 * stop alone, or never run. In some rounds tables and lanes are small, or memory is short. Whatever comes: each init has its
 * fini, each STARTED its STOPPED, each request its end, and a round ends with nothing left.
 *
 *   stress-trees [SEED [ROUNDS]]
 */
#include "stress.h"

enum {
    ROUNDS = 6,
    ROOTS_EACH = 2,  /* on each loop */
    ASKERS_EACH = 2, /* on each loop that runs */
    ACTS = 40,       /* of an asker */
    OPEN_MAX = 32,
    KNOWN = 64,       /* references and supervisors that all look for */
    QUIET_LIVES = 40, /* before this many, inits succeed and memory suffices, so that most trees come to stand */
    DEPTH_MAX = 4,
    WIDTH_MAX = 6,
    TREE_MAX = 16, /* supervisors that are specified at once */
    RECORDS = JZX_SUPERVISION_ESCALATED + 1,
    TAG_GO = 1,
    TAG_LAST = 2,
    TAG_NOISE = 3
};

typedef struct asker {
    uint32_t acts;
    uint32_t open_count;
    struct {
        uint64_t ref;
        jzx_actor_id to; /* 0: nobody, it was to start a tree */
    } open[OPEN_MAX];    /* in the order in which they were asked */
} asker;

/* What the observer of a loop was told. */
typedef struct tally {
    uint64_t records[RECORDS];
    uint64_t roots_failed;
    uint64_t balance; /* the sum of the ids that were STARTED less that of those STOPPED */
} tally;

static stress_world world;
static uint64_t round_seed;
static bool all_run; /* else some answers wait for a loop that never runs */
static tally tallies[STRESS_LOOPS_MAX];
static _Atomic(uint64_t) inits;
static _Atomic(uint64_t) finis;
static _Atomic(uint32_t) askers_left;
static _Atomic(uint32_t) threads_seeded;
static _Atomic(bool) memory_is_short;
static _Atomic(bool) one_stopped_alone;
static _Atomic(uint64_t) known_children[KNOWN];
static _Atomic(uint64_t) known_supervisors[KNOWN];
static const char letters[WIDTH_MAX + 2][4] = {"a", "b", "c", "d", "e", "f", "g", "h"};

/* ---- randomness of each thread ---- */

static _Thread_local uint64_t random_state;

static uint64_t roll(uint64_t sides)
{
    if (random_state == 0) {
        random_state = round_seed * 1000003 + atomic_fetch_add(&threads_seeded, 1) + 1;
    }
    return stress_random(&random_state) % sides;
}

static bool one_in(uint64_t sides)
{
    return roll(sides) == 0;
}

static void *alloc_or_not(void *context, size_t size, size_t align)
{
    if (atomic_load(&memory_is_short) && atomic_load(&inits) > QUIET_LIVES && one_in(8)) {
        return NULL;
    }
    return stress_alloc(context, size, align);
}

/* ---- workers ---- */

static void go_again(jzx_context *context)
{
    jzx_message go = jzx_message_empty(TAG_GO);
    jzx_err err = jzx_timer_after(context, roll(400000), &go, NULL);
    CHECK(err == JZX_OK || err == JZX_ERR_NO_MEMORY || err == JZX_ERR_LIMIT);
}

static void end_oneself(jzx_context *context)
{
    if (one_in(2)) {
        CHECK_OK(jzx_kill(context, jzx_self(context)));
    } else {
        CHECK_OK(jzx_fail(context, jzx_self(context), 3, "as it comes"));
    }
}

static jzx_err worker_init(jzx_context *context, void *argument, void **state)
{
    (void)state;
    CHECK(argument == NULL || memcmp(argument, letters, sizeof letters) == 0);
    if (atomic_load(&inits) > QUIET_LIVES && one_in(12)) {
        return JZX_ERR_NOT_FOUND;
    }
    atomic_fetch_add(&inits, 1);
    CHECK(jzx_child_self(context) != 0);
    atomic_store(&known_children[roll(KNOWN)], jzx_child_self(context));
    if (one_in(16)) {
        end_oneself(context);
    }
    go_again(context);
    return JZX_OK;
}

static void worker_fini(jzx_context *context, void *state, const jzx_exit_info *exit)
{
    (void)context;
    (void)state;
    CHECK(exit->supervisor != 0 && exit->incarnation != 0);
    atomic_fetch_add(&finis, 1);
}

static void make_noise(jzx_context *context)
{
    for (int i = 0; i < 300; i++) {
        jzx_message noise = stress_owned(TAG_NOISE, 0);
        if (jzx_child_send(context, atomic_load(&known_children[roll(KNOWN)]), &noise) != JZX_OK) {
            stress_refused(&noise);
        }
    }
}

static jzx_behavior_result work(jzx_context *context)
{
    jzx_message last = jzx_message_empty(TAG_LAST);
    switch (roll(16)) {
    case 0:
        return JZX_BEHAVIOR_FAIL;
    case 1:
        return JZX_BEHAVIOR_STOP;
    case 2:
        end_oneself(context);
        break;
    case 3:
        (void)jzx_child_send(context, atomic_load(&known_children[roll(KNOWN)]), &last);
        break;
    case 4:
        make_noise(context);
        break;
    default:
        break;
    }
    go_again(context);
    return JZX_BEHAVIOR_OK;
}

/* It may obey, fail, or take no notice until it is killed. */
static jzx_behavior_result asked_to_stop(jzx_context *context)
{
    if (one_in(4)) {
        end_oneself(context);
        return JZX_BEHAVIOR_OK;
    }
    return one_in(5) ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_STOP;
}

static jzx_behavior_result worker(jzx_context *context, void *state, const jzx_message *message)
{
    (void)state;
    switch (message->tag) {
    case TAG_GO:
        return work(context);
    case TAG_LAST:
        return one_in(3) ? JZX_BEHAVIOR_STOP : JZX_BEHAVIOR_OK;
    case TAG_NOISE:
        (void)stress_take(message);
        return JZX_BEHAVIOR_OK;
    case JZX_TAG_SYS_EXIT:
        return asked_to_stop(context);
    default:
        return JZX_BEHAVIOR_UNHANDLED;
    }
}

/* ---- specs ---- */

/* Those of one tree, until it is copied. */
static _Thread_local struct {
    uint32_t count;
    jzx_supervisor_spec supervisors[TREE_MAX];
    jzx_child_spec children[TREE_MAX][WIDTH_MAX];
} grove;

static const jzx_supervisor_spec *some_tree(uint32_t depth);

static uint64_t some_shutdown(void)
{
    const uint64_t times[] = {JZX_SHUTDOWN_BRUTAL, 0, roll(1000000), JZX_SHUTDOWN_DEFAULT};
    return times[roll(4)];
}

static void fill_worker(jzx_child_spec *spec)
{
    spec->init = worker_init;
    spec->behavior = worker;
    spec->fini = worker_fini;
    spec->trap_exit = one_in(2);
    if (spec->trap_exit && spec->shutdown_ns == JZX_SHUTDOWN_DEFAULT) {
        spec->shutdown_ns = 1000000; /* some take no notice */
    }
    spec->keep_mail = one_in(3);
    spec->register_name = spec->name != NULL && one_in(24); /* many have this name: some will not start */
    spec->mailbox_cap = one_in(2) ? 4 : 0;
    spec->mailbox_policy = (uint8_t)roll(3);
    if (one_in(3)) {
        spec->argument = letters;
        spec->argument_size = one_in(2) ? sizeof letters : 0;
    }
    spec->state_size = one_in(4) ? 64 : 0;
}

static void fill_child(jzx_child_spec *spec, const char *name, bool significant, uint32_t depth)
{
    jzx_child_spec_init(spec);
    spec->name = name;
    spec->restart = (uint8_t)roll(3);
    spec->significant = significant && spec->restart != JZX_PERMANENT && one_in(3);
    spec->placement = one_in(3) ? JZX_PLACE_HERE : one_in(3) ? JZX_PLACE_LEAST_LOADED : JZX_PLACE_LOOP;
    spec->place_loop = spec->placement == JZX_PLACE_LOOP ? (uint32_t)roll(world.count) : 0;
    spec->shutdown_ns = some_shutdown();
    if (depth < DEPTH_MAX && grove.count < TREE_MAX && one_in(3)) {
        spec->type = JZX_SUPERVISOR;
        spec->supervisor = some_tree(depth + 1);
    } else {
        fill_worker(spec);
    }
}

static jzx_backoff some_backoff(void)
{
    return (jzx_backoff){.kind = JZX_BACKOFF_NONE + (uint32_t)roll(4),
                         .jitter = (uint32_t)roll(1001),
                         .initial_ns = 1 + roll(400000),
                         .max_ns = 600000,
                         .factor = 1.5};
}

static const jzx_supervisor_spec *some_tree(uint32_t depth)
{
    uint32_t place = grove.count++;
    jzx_supervisor_spec *spec = &grove.supervisors[place];
    bool top = depth == 1;
    jzx_supervisor_spec_init(spec);
    spec->strategy = (uint8_t)roll(4);
    spec->intensity = top && !one_in(16) ? JZX_INTENSITY_UNLIMITED
                      : one_in(3)        ? (uint32_t)roll(4)
                                         : (uint32_t)roll(1000);
    spec->period_ns = 1 + roll(50000000);
    spec->auto_shutdown = !top && one_in(3) ? (uint8_t)roll(3) : JZX_AUTO_NEVER;
    spec->backoff = some_backoff();
    spec->child_count = spec->strategy == JZX_DYNAMIC ? 1 : (uint32_t)roll(WIDTH_MAX);
    spec->children = grove.children[place];
    for (uint32_t i = 0; i < spec->child_count; i++) {
        const char *name = spec->strategy == JZX_DYNAMIC ? NULL : letters[i];
        fill_child(&grove.children[place][i], name, spec->auto_shutdown != JZX_AUTO_NEVER, depth);
    }
    return spec;
}

/* ---- askers ---- */

static void learn_supervisor(jzx_actor_id id)
{
    atomic_store(&known_supervisors[roll(KNOWN)], id);
}

static jzx_err ask_to_start(jzx_context *context, jzx_actor_id to, uint64_t *ref)
{
    jzx_child_spec spec;
    switch (roll(3)) {
    case 0:
        grove.count = 0;
        fill_child(&spec, letters[roll(WIDTH_MAX + 2)], false, 2);
        return jzx_child_start(context, to, &spec, ref);
    case 1:
        return jzx_child_start_like(context, to, NULL, 0, ref);
    default:
        return jzx_child_start_like(context, to, letters, sizeof letters, ref);
    }
}

/* One request to a supervisor, or to what may have been one. */
static jzx_err ask(jzx_context *context, jzx_actor_id to, uint64_t *ref)
{
    jzx_child_key key = one_in(2) ? jzx_child_at((uint32_t)roll(8)) : jzx_child_named(letters[roll(WIDTH_MAX + 2)]);
    switch (roll(9)) {
    case 0:
        return jzx_child_terminate(context, to, key, ref);
    case 1:
        return jzx_child_restart(context, to, key, ref);
    case 2:
        return jzx_child_delete(context, to, key, ref);
    case 3:
        return jzx_child_find(context, to, key, ref);
    case 4:
        return jzx_child_list(context, to, ref);
    case 5:
        return jzx_child_count(context, to, ref);
    default:
        return ask_to_start(context, to, ref);
    }
}

static void keep_open(asker *me, jzx_err err, uint64_t ref, jzx_actor_id to)
{
    CHECK(err != JZX_ERR_INVALID_ARG && err != JZX_ERR_WRONG_THREAD && err != JZX_ERR_DUPLICATE);
    if (err == JZX_OK) {
        me->open[me->open_count].ref = ref;
        me->open[me->open_count++].to = to;
    }
}

static void start_tree(jzx_context *context, asker *me)
{
    jzx_actor_id id = 0;
    uint64_t ref = 0;
    grove.count = 0;
    jzx_err err = jzx_supervisor_start(context, some_tree(1), &id, &ref);
    keep_open(me, err, ref, 0);
    if (err == JZX_OK) {
        learn_supervisor(id);
    }
}

static void end_some(jzx_context *context, jzx_actor_id supervisor)
{
    jzx_actor_id child;
    switch (roll(48)) {
    case 0:
        (void)jzx_stop(context, supervisor);
        break;
    case 1:
        (void)jzx_kill(context, supervisor);
        break;
    case 2:
        (void)jzx_fail(context, supervisor, 1, "from outside");
        break;
    default:
        if (jzx_child_id(world.runtime, atomic_load(&known_children[roll(KNOWN)]), &child) == JZX_OK) {
            (void)jzx_kill(context, child);
        }
        break;
    }
}

static void act(jzx_context *context, asker *me)
{
    jzx_actor_id supervisor = atomic_load(&known_supervisors[roll(KNOWN)]);
    uint64_t ref = 0;
    if (one_in(4000)) {
        atomic_store(&one_stopped_alone, true);
        CHECK_OK(jzx_loop_request_stop(world.loops[roll(world.count)]));
    } else if (one_in(8000)) {
        CHECK_OK(jzx_runtime_request_stop(world.runtime));
    } else if (one_in(16)) {
        start_tree(context, me);
    } else if (one_in(16)) {
        end_some(context, supervisor);
    } else if (supervisor != 0) {
        jzx_err err = ask(context, supervisor, &ref);
        keep_open(me, err, ref, supervisor);
    }
}

static void check_answer(const jzx_supervisor_answer *answer)
{
    if (answer->err == JZX_ERR_START_FAILED && answer->failure != NULL) {
        CHECK(answer->failure->err != JZX_OK && answer->failure->path.depth >= 1);
    }
    for (uint32_t i = 0; answer->err == JZX_OK && i < answer->count; i++) {
        const jzx_child_info *child = &answer->children[i];
        CHECK(child->state <= JZX_CHILD_RESTARTING);
        CHECK(child->id == 0 || (child->state >= JZX_CHILD_STARTING && child->state <= JZX_CHILD_STOPPING));
        CHECK(i == 0 || child->index > child[-1].index);
    }
}

/* One request has ended, and it was open. What a supervisor answers, it answers in the order in which it was asked. */
static void close_request(asker *me, const jzx_message *message)
{
    uint32_t i = 0;
    while (i < me->open_count && me->open[i].ref != message->ref) {
        i++;
    }
    CHECK(i < me->open_count);
    if (message->tag == JZX_TAG_SYS_SUPERVISOR) {
        for (uint32_t before = 0; before < i; before++) {
            CHECK(me->open[before].to != me->open[i].to || me->open[i].to == 0);
        }
        check_answer(jzx_message_data(message));
    } else {
        CHECK(message->tag == JZX_TAG_SYS_NO_ANSWER);
    }
    me->open_count--;
    memmove(&me->open[i], &me->open[i + 1], (me->open_count - i) * sizeof me->open[0]);
}

static jzx_behavior_result asker_behave(jzx_context *context, void *state, const jzx_message *message)
{
    asker *me = state;
    if ((message->flags & JZX_MESSAGE_ANSWER) != 0) {
        close_request(me, message);
    } else if (message->tag == TAG_GO && me->acts < ACTS) {
        for (int i = 0; i < 4 && me->open_count < OPEN_MAX; i++) {
            act(context, me);
        }
        me->acts++;
        jzx_message go = jzx_message_empty(TAG_GO);
        if (jzx_timer_after(context, roll(400000), &go, NULL) != JZX_OK) {
            me->acts = ACTS;
        }
    }
    return me->acts == ACTS && (me->open_count == 0 || !all_run) ? JZX_BEHAVIOR_STOP : JZX_BEHAVIOR_OK;
}

static jzx_err asker_init(jzx_context *context, void *argument, void **state)
{
    (void)argument;
    (void)state;
    go_again(context);
    return JZX_OK;
}

/* The round ends with the last of them. */
static void asker_fini(jzx_context *context, void *state, const jzx_exit_info *exit)
{
    (void)context;
    (void)state;
    (void)exit;
    if (atomic_fetch_sub(&askers_left, 1) == 1) {
        CHECK_OK(jzx_runtime_request_stop(world.runtime));
    }
}

/* ---- a round ---- */

static void saw(void *user, jzx_context *context, const jzx_supervision_event *event)
{
    tally *mine = user;
    (void)context;
    CHECK(event->kind < RECORDS);
    CHECK((event->child_index == JZX_NO_CHILD) == (event->supervisor == 0));
    CHECK(event->exit != NULL || event->kind == JZX_SUPERVISION_STARTED);
    CHECK((event->kind == JZX_SUPERVISION_START_FAILED) == (event->err != JZX_OK));
    mine->records[event->kind]++;
    mine->roots_failed += event->supervisor == 0 && event->kind == JZX_SUPERVISION_START_FAILED;
    mine->balance += event->kind == JZX_SUPERVISION_STARTED ? event->id : 0;
    mine->balance -= event->kind == JZX_SUPERVISION_STOPPED ? event->id : 0;
    if (event->supervisor != 0 && one_in(4)) {
        learn_supervisor(event->supervisor);
    }
}

static void config_of_round(jzx_config *config)
{
    stress_config(config, 2 + (uint32_t)roll(STRESS_LOOPS_MAX - 1));
    config->mailbox_cap = 64;
    config->allocators[JZX_MEMORY_STATE].alloc = alloc_or_not;
    if (one_in(4)) {
        config->allocators[JZX_MEMORY_METADATA].alloc = alloc_or_not;
    }
    config->lane_blocks = one_in(2) ? 2 : 8;
    if (one_in(2)) {
        config->actors_max = 80 + (uint32_t)roll(200);
        config->children_max = 40 + (uint32_t)roll(100);
    }
    if (one_in(4)) {
        config->lane_blocks = 2;
        config->inbox_size = 8;
        config->cells = 1280;
        config->names_max = 4;
    }
}

static void populate(uint32_t loop, bool runs)
{
    jzx_context *context = jzx_loop_context(world.loops[loop]);
    for (uint32_t i = 0; i < ROOTS_EACH; i++) {
        jzx_actor_id id;
        grove.count = 0;
        jzx_err err = jzx_supervisor_start(context, some_tree(1), &id, NULL);
        CHECK(err == JZX_OK || err == JZX_ERR_LIMIT);
        if (err == JZX_OK && i > 0) {
            learn_supervisor(id); /* the others are left in peace */
        }
    }
    for (uint32_t i = 0; runs && i < ASKERS_EACH; i++) {
        jzx_spawn_options options;
        jzx_spawn_options_init(&options);
        options.behavior = asker_behave;
        options.init = asker_init;
        options.fini = asker_fini;
        options.state_size = sizeof(asker);
        CHECK_OK(jzx_spawn(context, &options, NULL));
        atomic_fetch_add(&askers_left, 1);
    }
}

static void set_up(uint32_t running)
{
    memset(tallies, 0, sizeof tallies);
    atomic_store(&inits, 0);
    atomic_store(&finis, 0);
    for (uint32_t i = 0; i < KNOWN; i++) {
        atomic_store(&known_children[i], 0);
        atomic_store(&known_supervisors[i], 0);
    }
    for (uint32_t i = 0; i < world.count; i++) {
        const jzx_observer observer = {.struct_size = sizeof observer, .supervision = saw};
        CHECK_OK(jzx_observer_add(world.loops[i], &observer, &tallies[i]));
        populate(i, i < running);
    }
}

static void check_records(void)
{
    CHECK(atomic_load(&inits) == atomic_load(&finis));
    for (uint32_t i = 0; i < world.count; i++) {
        const tally *seen = &tallies[i];
        jzx_counters counters;
        CHECK_OK(jzx_loop_stats(world.loops[i], &counters));
        CHECK(seen->records[JZX_SUPERVISION_STARTED] == seen->records[JZX_SUPERVISION_STOPPED]);
        CHECK(seen->balance == 0);
        CHECK(seen->records[JZX_SUPERVISION_RESTART] == counters.restarts);
        CHECK(seen->records[JZX_SUPERVISION_START_FAILED] == counters.start_failures + seen->roots_failed);
        CHECK(seen->records[JZX_SUPERVISION_ESCALATED] == counters.escalations);
    }
}

/* A loop that was stopped before it began does not start. */
static void run_loops(uint32_t running)
{
    bool started[STRESS_LOOPS_MAX] = {false};
    bool escalated = false;
    for (uint32_t i = 0; i < running; i++) {
        jzx_err err = jzx_loop_start(world.loops[i]);
        CHECK(err == JZX_OK || err == JZX_ERR_LOOP_CLOSED);
        started[i] = err == JZX_OK;
    }
    for (uint32_t i = 0; i < running; i++) {
        jzx_err err = JZX_OK;
        CHECK(!started[i] || jzx_loop_join(world.loops[i], &err) == JZX_OK);
        CHECK(err == JZX_OK || err == JZX_ERR_ESCALATED || err == JZX_ERR_LOOP_CLOSED);
        escalated = escalated || err == JZX_ERR_ESCALATED;
    }
    CHECK_OK(jzx_runtime_shutdown(world.runtime, JZX_FOREVER, NULL));
    CHECK(!escalated || jzx_runtime_escalation(world.runtime, NULL, NULL) == JZX_OK);
}

/* What was sent to a loop that never ran, or left before the others, is dropped when the runtime is destroyed. */
static bool all_ran_to_the_end(void)
{
    bool all = !atomic_load(&one_stopped_alone);
    for (uint32_t i = 0; i < world.count; i++) {
        jzx_counters counters;
        CHECK_OK(jzx_loop_stats(world.loops[i], &counters));
        all = all && counters.turns > 0;
    }
    return all;
}

static void round_of(uint64_t seed)
{
    round_seed = seed;
    random_state = 0;
    atomic_store(&threads_seeded, 0);
    atomic_store(&memory_is_short, false);
    atomic_store(&one_stopped_alone, false);
    (void)alarm(STRESS_ALARM_S);
    jzx_config config;
    config_of_round(&config);
    stress_open(&world, &config);
    uint32_t running = world.count - (one_in(5) ? 1 : 0);
    all_run = running == world.count;
    set_up(running);
    atomic_store(&memory_is_short, one_in(3));
    run_loops(running);
    check_records();
    if (all_ran_to_the_end()) {
        stress_balance(&world);
    }
    stress_close(&world);
}

int main(int argc, char **argv)
{
    uint64_t seed = stress_begin(argc, argv);
    uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 0) : ROUNDS;
    for (uint64_t i = 0; i < rounds; i++) {
        round_of(seed * 1000003 + i);
    }
    return 0;
}
