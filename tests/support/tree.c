#include "tests/support/tree.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the log ---- */

static void put(tree *t, const char *text)
{
    size_t size = strlen(text);
    if (!t->quiet && t->log_size + size + 2 < sizeof t->log) {
        if (t->log_size > 0) {
            t->log[t->log_size++] = ' ';
        }
        memcpy(t->log + t->log_size, text, size + 1);
        t->log_size += size;
    }
}

static void put_about(tree *t, char what, const char *name, const char *how)
{
    char entry[64];
    (void)snprintf(entry, sizeof entry, "%c%s%s", what, name, how);
    put(t, entry);
}

static const char *how_of(uint32_t kind)
{
    switch (kind) {
    case JZX_EXIT_SHUTDOWN:
        return "";
    case JZX_EXIT_NORMAL:
        return ":normal";
    case JZX_EXIT_FAIL:
        return ":fail";
    case JZX_EXIT_KILLED:
        return ":killed";
    case JZX_EXIT_LOOP_CLOSED:
        return ":closed";
    case JZX_EXIT_ESCALATED:
        return ":escalated";
    case JZX_EXIT_START_FAILED:
        return ":start_failed";
    default:
        return ":unknown";
    }
}

/* ---- children ---- */

enum { KID_SELF = 1002, KID_LATE = 1003 };

static jzx_err kid_init(jzx_context *context, void *argument, void **state)
{
    tree_kid *kid = argument;
    *state = kid;
    __atomic_store_n(&kid->inits, kid->inits + 1, __ATOMIC_RELEASE); /* a test looks at it, and at ref */
    if (kid->fail_inits > 0) {
        kid->fail_inits -= kid->fail_inits != UINT32_MAX;
        kid->failed_inits++;
        put_about(kid->tree, '!', kid->name, "");
        return kid->init_result != JZX_OK ? kid->init_result : (jzx_err)-77;
    }
    kid->id = jzx_self(context);
    __atomic_store_n(&kid->ref, jzx_child_self(context), __ATOMIC_RELEASE);
    kid->tree->twice += kid->alive != 0;
    kid->alive++;
    put_about(kid->tree, '+', kid->name, "");
    if (kid->dies_in_init) {
        (void)jzx_fail(context, kid->id, 42, "42");
    }
    return JZX_OK;
}

/* From a template the argument is a copy of the pointer. */
static jzx_err kid_init_like(jzx_context *context, void *argument, void **state)
{
    tree_kid *kid;
    memcpy(&kid, argument, sizeof(void *));
    return kid_init(context, kid, state);
}

static void kid_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    (void)context;
    tree_kid *kid = state;
    kid->finis++;
    kid->alive--;
    kid->exit = *info;
    put_about(kid->tree, '-', kid->name, how_of(info->kind));
}

static jzx_behavior_result kid_asked(jzx_context *context, tree_kid *kid)
{
    kid->asked++;
    put_about(kid->tree, '?', kid->name, "");
    jzx_message message = jzx_message_empty(kid->obedience == TREE_LATE ? KID_LATE : KID_SELF);
    switch (kid->obedience) {
    case TREE_OBEYS:
        return JZX_BEHAVIOR_STOP;
    case TREE_IGNORES:
        (void)jzx_send(context, jzx_self(context), &message);
        return JZX_BEHAVIOR_OK;
    case TREE_LATE:
        (void)jzx_timer_after(context, kid->late_ns, &message, NULL);
        return JZX_BEHAVIOR_OK;
    case TREE_REFUSES:
        return JZX_BEHAVIOR_FAIL;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result kid_die(jzx_context *context, tree_death death)
{
    switch (death) {
    case TREE_NORMAL:
        return JZX_BEHAVIOR_STOP;
    case TREE_FAIL:
        (void)jzx_fail(context, jzx_self(context), 42, "42");
        return JZX_BEHAVIOR_FAIL;
    case TREE_FAIL_BARE:
        return JZX_BEHAVIOR_FAIL;
    default:
        return (jzx_behavior_result)77;
    }
}

static jzx_behavior_result kid_behavior(jzx_context *context, void *state, const jzx_message *message)
{
    tree_kid *kid = state;
    switch (message->tag) {
    case TREE_DIE:
        return kid_die(context, (tree_death)message->words[0]);
    case KID_SELF:
        (void)jzx_send(context, jzx_self(context), message);
        return JZX_BEHAVIOR_OK;
    case KID_LATE:
        return JZX_BEHAVIOR_STOP;
    case JZX_TAG_SYS_EXIT:
        return kid_asked(context, kid);
    case TREE_MAIL:
        kid->mails++;
        return JZX_BEHAVIOR_OK;
    default:
        return JZX_BEHAVIOR_UNHANDLED;
    }
}

/* With a state by the runtime: the pointer to the kid is in it. */
static tree_kid *kid_in(void *state)
{
    tree_kid *kid;
    memcpy(&kid, state, sizeof(void *));
    return kid;
}

static jzx_err kid_init_state(jzx_context *context, void *argument, void **state)
{
    memcpy(*state, &argument, sizeof argument);
    return kid_init(context, argument, &argument);
}

static void kid_fini_state(jzx_context *context, void *state, const jzx_exit_info *info)
{
    kid_fini(context, kid_in(state), info);
}

static jzx_behavior_result kid_behavior_state(jzx_context *context, void *state, const jzx_message *message)
{
    return kid_behavior(context, kid_in(state), message);
}

/* ---- observers ---- */

static tree_kid *kid_named(tree *t, const char *name)
{
    for (uint32_t i = 0; i < t->kid_count && *name != 0; i++) {
        if (strcmp(t->kids[i].name, name) == 0) {
            return &t->kids[i];
        }
    }
    return NULL;
}

static void on_supervision(void *user, jzx_context *context, const jzx_supervision_event *event)
{
    (void)context;
    tree *t = user;
    t->seen[event->kind]++;
    if (t->quiet) {
        return;
    }
    const tree_kid *kid = kid_named(t, event->name);
    if (event->kind == JZX_SUPERVISION_STOPPED && kid != NULL && kid->id == event->id && kid->alive != 0) {
        t->early++;
    }
    if (t->event_count < TREE_EVENTS) {
        tree_event *record = &t->events[t->event_count++];
        record->event = *event;
        (void)snprintf(record->name, sizeof record->name, "%s", event->name);
        record->has_exit = event->exit != NULL;
        if (record->has_exit) {
            record->exit = *event->exit;
        }
        record->event.name = NULL;
        record->event.exit = NULL;
    }
}

static void on_stop(void *user, jzx_context *context, const jzx_exit_info *info, const char *name)
{
    (void)context;
    (void)name;
    tree *t = user;
    if (t->end_count < TREE_ENDS && !(t->quiet && info->id != t->sup)) {
        t->ends[t->end_count++] = *info;
    }
}

static void observe(tree *t)
{
    const jzx_observer functions = {
        .struct_size = sizeof functions, .actor_stop = on_stop, .supervision = on_supervision};
    for (uint32_t i = 0; i < t->world.loop_count; i++) {
        cr_assert_eq(jzx_observer_add(t->world.loops[i], &functions, t), JZX_OK);
    }
}

/* ---- the boss ---- */

static void keep_list(tree *t, const jzx_supervisor_answer *answer)
{
    if (answer->count > t->list_room) {
        t->list = realloc(t->list, answer->count * sizeof *t->list);
        cr_assert_not_null(t->list);
        t->list_room = answer->count;
    }
    memcpy(t->list, answer->children, answer->count * sizeof *t->list);
}

static void take_answer(tree *t, const jzx_supervisor_answer *from, tree_request *request)
{
    tree_answer *to = &request->answer;
    to->err = (jzx_err)from->err;
    to->count = from->count;
    to->id = from->id;
    to->child = from->child;
    if (from->err == JZX_ERR_START_FAILED && from->failure != NULL) {
        to->has_failure = true;
        to->failure = *from->failure;
    }
    if (from->err == JZX_OK && from->count > 0) {
        keep_list(t, from);
    }
    if (from->err == JZX_OK && request->ask == TREE_ASK_COUNT) {
        to->counts = *from->counts;
    }
    request->done = true;
}

static jzx_behavior_result boss_on(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    (void)context;
    tree *t = actor->data;
    tree_request *request = t->request;
    if (message->tag == JZX_TAG_SYS_EXIT) {
        t->exits++;
        t->exit = ((const jzx_exit *)jzx_message_data(message))->exit;
    } else if (message->tag == JZX_TAG_SYS_SUPERVISOR || message->tag == JZX_TAG_SYS_NO_ANSWER) {
        t->answers++;
        if (request == NULL || request->ref != message->ref) {
            return JZX_BEHAVIOR_OK;
        }
        if (message->tag == JZX_TAG_SYS_SUPERVISOR) {
            take_answer(t, jzx_message_data(message), request);
            return JZX_BEHAVIOR_OK;
        }
        jzx_no_answer none;
        memcpy(&none, message->bytes, sizeof none);
        request->answer.no_answer = true;
        request->answer.reason = none.reason;
        request->done = true;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err call(jzx_context *context, tree_request *r)
{
    switch (r->ask) {
    case TREE_ASK_START:
        return jzx_child_start(context, r->sup, r->spec, &r->ref);
    case TREE_ASK_START_LIKE:
        return jzx_child_start_like(context, r->sup, r->argument, r->size, &r->ref);
    case TREE_ASK_TERMINATE:
        return jzx_child_terminate(context, r->sup, r->key, &r->ref);
    case TREE_ASK_RESTART:
        return jzx_child_restart(context, r->sup, r->key, &r->ref);
    case TREE_ASK_DELETE:
        return jzx_child_delete(context, r->sup, r->key, &r->ref);
    case TREE_ASK_FIND:
        return jzx_child_find(context, r->sup, r->key, &r->ref);
    case TREE_ASK_LIST:
        return jzx_child_list(context, r->sup, &r->ref);
    case TREE_ASK_COUNT:
        return jzx_child_count(context, r->sup, &r->ref);
    }
    return JZX_ERR_UNKNOWN;
}

static jzx_behavior_result ask_now(jzx_context *context, test_actor *actor, void *argument)
{
    tree_request *r = argument;
    ((tree *)actor->data)->request = r;
    r->answer.sent = call(context, r);
    r->answer.err = r->answer.sent;
    return JZX_BEHAVIOR_OK;
}

void tree_ask_begin(tree *t, tree_request *request)
{
    request->done = false;
    memset(&request->answer, 0, sizeof request->answer);
    test_do(&t->world, &t->boss, ask_now, request);
}

tree_answer tree_ask_end(tree *t, tree_request *request)
{
    if (request->answer.sent == JZX_OK) {
        test_until(&t->world, request->done);
    }
    t->request = NULL;
    return request->answer;
}

static tree_answer ask(tree *t, tree_request request)
{
    tree_ask_begin(t, &request);
    return tree_ask_end(t, &request);
}

tree_answer tree_child_start(tree *t, jzx_actor_id sup, const jzx_child_spec *spec)
{
    return ask(t, (tree_request){.ask = TREE_ASK_START, .sup = sup, .spec = spec});
}

tree_answer tree_child_start_like(tree *t, jzx_actor_id sup, const void *argument, size_t size)
{
    return ask(t, (tree_request){.ask = TREE_ASK_START_LIKE, .sup = sup, .argument = argument, .size = size});
}

tree_answer tree_child_like(tree *t, tree_kid *kid)
{
    return tree_child_start_like(t, t->sup, &kid, sizeof(void *));
}

tree_answer tree_terminate(tree *t, jzx_actor_id sup, const char *name)
{
    return ask(t, (tree_request){.ask = TREE_ASK_TERMINATE, .sup = sup, .key = jzx_child_named(name)});
}

tree_answer tree_restart(tree *t, jzx_actor_id sup, const char *name)
{
    return ask(t, (tree_request){.ask = TREE_ASK_RESTART, .sup = sup, .key = jzx_child_named(name)});
}

tree_answer tree_delete(tree *t, jzx_actor_id sup, const char *name)
{
    return ask(t, (tree_request){.ask = TREE_ASK_DELETE, .sup = sup, .key = jzx_child_named(name)});
}

tree_answer tree_find(tree *t, jzx_actor_id sup, const char *name)
{
    return ask(t, (tree_request){.ask = TREE_ASK_FIND, .sup = sup, .key = jzx_child_named(name)});
}

tree_answer tree_list(tree *t, jzx_actor_id sup)
{
    return ask(t, (tree_request){.ask = TREE_ASK_LIST, .sup = sup});
}

tree_answer tree_count(tree *t, jzx_actor_id sup)
{
    return ask(t, (tree_request){.ask = TREE_ASK_COUNT, .sup = sup});
}

tree_answer tree_terminate_at(tree *t, jzx_actor_id sup, uint32_t index)
{
    return ask(t, (tree_request){.ask = TREE_ASK_TERMINATE, .sup = sup, .key = jzx_child_at(index)});
}

tree_answer tree_find_at(tree *t, jzx_actor_id sup, uint32_t index)
{
    return ask(t, (tree_request){.ask = TREE_ASK_FIND, .sup = sup, .key = jzx_child_at(index)});
}

/* ---- a tree ---- */

void tree_prepare(tree *t, tree_layout layout)
{
    memset(t, 0, sizeof *t);
    t->layout = layout;
    t->sup_loop = layout == TREE_NESTED ? 1 : 0;
    t->kid_loop = layout == TREE_TWO_LOOPS || layout == TREE_OWNED ? 1 : 0;
    test_config(&t->config);
    jzx_supervisor_spec_init(&t->spec);
    t->spec.intensity = 2;
    t->spec.period_ns = TREE_HOUR_NS;
    t->spec.children = t->specs;
}

void tree_open_world(tree *t)
{
    test_world_open(&t->world, t->layout == TREE_ONE_LOOP ? 1 : 2, &t->config);
    t->world.may_escalate = true; /* tree_close() looks */
    observe(t);
    t->boss.on = boss_on;
    t->boss.data = t;
    jzx_spawn_options options;
    test_actor_options(&t->boss, &options);
    options.trap_exit = true;
    options.name = "boss";
    test_spawn_with(&t->world, t->layout == TREE_TWO_LOOPS ? 1 : 0, &t->boss, &options);
}

void tree_open(tree *t, tree_layout layout)
{
    tree_prepare(t, layout);
    tree_open_world(t);
}

tree_kid *tree_spare(tree *t, const char *name)
{
    cr_assert_lt(t->kid_count, TREE_KIDS);
    tree_kid *kid = &t->kids[t->kid_count];
    jzx_child_spec *spec = &t->specs[t->kid_count++];
    *kid = (tree_kid){.tree = t, .spec = spec, .name = name};
    jzx_child_spec_init(spec);
    spec->name = name;
    spec->init = kid_init;
    spec->behavior = kid_behavior;
    spec->fini = kid_fini;
    spec->argument = kid;
    spec->placement = JZX_PLACE_LOOP;
    spec->place_loop = t->kid_loop;
    return kid;
}

tree_kid *tree_add(tree *t, const char *name)
{
    cr_assert_eq(t->spec.child_count, t->kid_count, "children of the spec first");
    t->spec.child_count++;
    return tree_spare(t, name);
}

void tree_make_supervisor(tree_kid *kid, jzx_supervisor_spec *spec, jzx_child_spec *children, uint32_t count)
{
    jzx_child_spec *child = kid->spec;
    child->type = JZX_SUPERVISOR;
    child->init = NULL;
    child->behavior = NULL;
    child->fini = NULL;
    child->argument = NULL;
    child->supervisor = spec;
    spec->children = children;
    spec->child_count = count;
}

void tree_give_state(tree_kid *kid, uint32_t size)
{
    cr_assert_geq(size, sizeof(void *));
    kid->spec->state_size = size;
    kid->spec->init = kid_init_state;
    kid->spec->behavior = kid_behavior_state;
    kid->spec->fini = kid_fini_state;
}

void tree_make_template(tree_kid *kid)
{
    kid->tree->spec.strategy = JZX_DYNAMIC;
    kid->tree->template_kid = kid;
    kid->spec->name = NULL;
    kid->spec->init = kid_init_like;
    kid->spec->argument = &kid->tree->template_kid;
    kid->spec->argument_size = sizeof(void *);
}

static jzx_behavior_result start_owned(jzx_context *context, test_actor *actor, void *argument)
{
    tree *t = actor->data;
    *(jzx_err *)argument = jzx_supervisor_start(context, &t->spec, &t->sup, &t->sup_ref);
    return JZX_BEHAVIOR_OK;
}

static void fill_top(tree *t)
{
    jzx_child_spec_init(&t->top_child);
    t->top_child.name = "sup";
    t->top_child.type = JZX_SUPERVISOR;
    t->top_child.restart = JZX_TEMPORARY;
    t->top_child.placement = JZX_PLACE_LOOP;
    t->top_child.place_loop = 1;
    t->top_child.supervisor = &t->spec;
    jzx_supervisor_spec_init(&t->top_spec);
    t->top_spec.name = "top";
    t->top_spec.intensity = JZX_INTENSITY_UNLIMITED;
    t->top_spec.child_count = 1;
    t->top_spec.children = &t->top_child;
}

jzx_err tree_try_start(tree *t)
{
    jzx_context *context = jzx_loop_context(t->world.loops[0]);
    jzx_err err = JZX_ERR_UNKNOWN;
    switch (t->layout) {
    case TREE_ONE_LOOP:
    case TREE_TWO_LOOPS:
        return jzx_supervisor_start(context, &t->spec, &t->sup, NULL);
    case TREE_NESTED:
        fill_top(t);
        return jzx_supervisor_start(context, &t->top_spec, &t->top, NULL);
    case TREE_OWNED:
        test_do(&t->world, &t->boss, start_owned, &err);
        return err;
    }
    return err;
}

void tree_start(tree *t)
{
    test_clock_steps(1000000);
    jzx_err err = tree_try_start(t);
    cr_assert_eq(err, JZX_OK, "no supervisor: %s", jzx_strerror(err));
    if (t->layout == TREE_NESTED) {
        test_until(&t->world, tree_seen(t, JZX_SUPERVISION_STARTED, "sup") == 1);
        t->sup = tree_event_of(t, JZX_SUPERVISION_STARTED, "sup", 0)->event.id;
    }
    tree_settle(t);
    cr_assert_neq(t->sup, 0);
    cr_assert_eq(t->seen[JZX_SUPERVISION_START_FAILED], 0, "a child did not start");
    cr_assert_eq(tree_count(t, t->sup).err, JZX_OK);
}

void tree_settle(tree *t)
{
    test_world_settle(&t->world);
}

void tree_pass(tree *t, uint64_t time_ns)
{
    uint64_t until_ns = test_now_ns() + time_ns;
    test_until(&t->world, test_now_ns() >= until_ns);
}

void tree_end(tree *t, jzx_actor_id id, tree_death death)
{
    jzx_context *context = jzx_loop_context(t->world.loops[jzx_actor_loop(id)]);
    jzx_err err = death == TREE_SHUTDOWN        ? jzx_stop(context, id)
                  : death == TREE_SHUTDOWN_CODE ? jzx_stop_with(context, id, 7, "seven")
                  : death == TREE_FAIL_BY       ? jzx_fail(context, id, 43, "43")
                                                : jzx_kill(context, id);
    cr_assert_eq(err, JZX_OK, "%s", jzx_strerror(err));
}

void tree_kill_quietly(tree *t, tree_kid *kid, tree_death death)
{
    if (death >= TREE_SHUTDOWN) {
        tree_end(t, kid->id, death);
        return;
    }
    uint64_t word = (uint64_t)death;
    jzx_message message = jzx_message_value(TREE_DIE, &word, sizeof word);
    jzx_err err = jzx_send(jzx_loop_context(t->world.loops[jzx_actor_loop(kid->id)]), kid->id, &message);
    cr_assert_eq(err, JZX_OK, "%s cannot be told to die: %s", kid->name, jzx_strerror(err));
}

void tree_die(tree *t, tree_kid *kid, tree_death death)
{
    uint32_t finis = kid->finis;
    tree_kill_quietly(t, kid, death);
    test_until(&t->world, kid->finis > finis);
    tree_settle(t);
}

void tree_stop_sup(tree *t)
{
    tree_end(t, t->sup, TREE_SHUTDOWN);
    test_until(&t->world, tree_end_of(t, t->sup) != NULL);
    tree_settle(t);
}

static void check_kids(const tree *t)
{
    for (uint32_t i = 0; i < t->kid_count; i++) {
        const tree_kid *kid = &t->kids[i];
        cr_assert_eq(kid->alive, 0, "%s lives on", kid->name);
        cr_assert_eq(kid->inits, kid->finis + kid->failed_inits, "%s: %u starts, %u ends, %u failures", kid->name,
                     kid->inits, kid->finis, kid->failed_inits);
    }
}

void tree_close(tree *t)
{
    bool escalated = jzx_runtime_escalation(t->world.runtime, NULL, NULL) == JZX_OK;
    cr_assert_eq(escalated, t->escalates, "%s", escalated ? "a root gave up" : "no root gave up");
    test_world_close(&t->world);
    cr_assert_eq(t->world.escalated, escalated && !t->world.started ? t->world.loop_count : 0, "each run says so");
    check_kids(t);
    cr_assert_eq(t->twice, 0, "two incarnations lived at a time");
    cr_assert_eq(t->early, 0, "an end was told before fini");
    cr_assert_eq(t->seen[JZX_SUPERVISION_STARTED], t->seen[JZX_SUPERVISION_STOPPED], "%u starts told, %u ends",
                 t->seen[JZX_SUPERVISION_STARTED], t->seen[JZX_SUPERVISION_STOPPED]);
    free(t->list);
}

/* ---- what is expected ---- */

void tree_expect_log(tree *t, const char *log)
{
    cr_assert_str_eq(t->log, log, "expected: %s\n     was: %s", log, t->log);
}

void tree_forget(tree *t)
{
    t->log_size = 0;
    t->log[0] = 0;
}

void tree_expect_counts(tree *t, uint32_t specs, uint32_t active)
{
    tree_answer answer = tree_count(t, t->sup);
    cr_assert_eq(answer.err, JZX_OK, "%s", jzx_strerror(answer.err));
    cr_assert_eq(answer.counts.specs, specs, "%u specs, not %u", answer.counts.specs, specs);
    cr_assert_eq(answer.counts.active, active, "%u active, not %u", answer.counts.active, active);
    cr_assert_eq(answer.counts.supervisors + answer.counts.workers, specs);
    tree_answer list = tree_list(t, t->sup);
    cr_assert_eq(list.err, JZX_OK);
    cr_assert_eq(list.count, specs);
    uint32_t running = 0;
    for (uint32_t i = 0; i < list.count; i++) {
        running += t->list[i].state == JZX_CHILD_RUNNING;
        cr_assert(i == 0 || t->list[i].index > t->list[i - 1].index, "in the order of their start");
    }
    cr_assert_eq(running, active);
}

void tree_expect_state(tree *t, const char *name, jzx_child_state state)
{
    tree_answer answer = tree_find(t, t->sup, name);
    cr_assert_eq(answer.err, JZX_OK, "%s: %s", name, jzx_strerror(answer.err));
    cr_assert_eq(answer.count, 1);
    cr_assert_str_eq(t->list[0].name, name);
    cr_assert_eq(t->list[0].state, state, "%s is in state %u, not %u", name, t->list[0].state, state);
    bool has_id = state == JZX_CHILD_RUNNING || state == JZX_CHILD_STARTING || state == JZX_CHILD_STOPPING;
    cr_assert(has_id || t->list[0].id == 0);
    if (state == JZX_CHILD_RUNNING) {
        cr_assert_neq(t->list[0].id, 0);
    }
    cr_assert_eq(answer.id, t->list[0].id);
}

void tree_expect_gone(tree *t, const char *name)
{
    cr_assert_eq(tree_find(t, t->sup, name).err, JZX_ERR_NOT_FOUND, "%s is still known", name);
}

void tree_expect_alive(tree *t)
{
    cr_assert_eq(tree_count(t, t->sup).err, JZX_OK);
    cr_assert_null(tree_end_of(t, t->sup));
}

void tree_expect_nobody(tree *t, jzx_actor_id id)
{
    tree_answer answer = tree_count(t, id);
    cr_assert(answer.sent == JZX_ERR_NO_SUCH_ACTOR || answer.no_answer);
}

/* A root that gave up has stopped the runtime; the owner of one has been told; one with a supervisor is just gone. */
static void expect_consequence(tree *t, jzx_exit_kind kind)
{
    jzx_exit_info exit;
    bool root = t->layout == TREE_ONE_LOOP || t->layout == TREE_TWO_LOOPS;
    bool unwanted = kind != JZX_EXIT_NORMAL && kind != JZX_EXIT_SHUTDOWN && kind != JZX_EXIT_LOOP_CLOSED;
    if (root && unwanted) {
        cr_assert_eq(jzx_runtime_escalation(t->world.runtime, &exit, NULL), JZX_OK);
        cr_assert_eq(exit.kind, (uint32_t)kind);
        cr_assert_eq(exit.id, t->sup);
        t->escalates = true;
        return;
    }
    cr_assert_eq(jzx_runtime_escalation(t->world.runtime, NULL, NULL), JZX_ERR_NOT_FOUND);
    if (t->layout == TREE_OWNED) {
        test_until(&t->world, t->exits == 1);
        cr_assert_eq(t->exit.kind, (uint32_t)kind);
        cr_assert_eq(t->exit.id, t->sup);
    }
}

void tree_expect_ended(tree *t, jzx_exit_kind kind)
{
    test_until(&t->world, tree_end_of(t, t->sup) != NULL);
    const jzx_exit_info *exit = tree_end_of(t, t->sup);
    cr_assert_eq(exit->kind, (uint32_t)kind, "it ended as %u, not %u", exit->kind, kind);
    expect_consequence(t, kind);
}

const jzx_exit_info *tree_end_of(const tree *t, jzx_actor_id id)
{
    for (uint32_t i = 0; i < t->end_count; i++) {
        if (t->ends[i].id == id) {
            return &t->ends[i];
        }
    }
    return NULL;
}

const tree_event *tree_event_of(const tree *t, jzx_supervision_kind kind, const char *name, uint32_t nth)
{
    for (uint32_t i = 0; i < t->event_count; i++) {
        const tree_event *e = &t->events[i];
        if (e->event.kind == (uint32_t)kind && (name == NULL || strcmp(e->name, name) == 0) && nth-- == 0) {
            return e;
        }
    }
    return NULL;
}

uint32_t tree_seen(const tree *t, jzx_supervision_kind kind, const char *name)
{
    uint32_t count = 0;
    while (tree_event_of(t, kind, name, count) != NULL) {
        count++;
    }
    return count;
}

/* ---- memory that fails ---- */

void tree_fail_memory(tree *t, jzx_memory kind, uint64_t nth, bool after)
{
    test_memory *memory = &t->world.memory[kind];
    memory->fail_after = after;
    atomic_store(&memory->fail_at, nth == 0 ? 0 : atomic_load(&memory->calls) + nth);
}

uint64_t tree_failed_memory(const tree *t)
{
    uint64_t failed = 0;
    for (unsigned i = 0; i < JZX_MEMORY_KINDS; i++) {
        failed += t->world.memory[i].failed;
    }
    return failed;
}
