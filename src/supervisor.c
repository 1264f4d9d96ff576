/* supervisor: when children start, stop and start again. What always holds stands in supervisor.h. */
#include "src/supervisor.h"

enum { STEPS_MAX = 64 }; /* children looked at in one go, before others have their turn */

/* ---- what observers are told ---- */

static void observe(jzx__tree *tree, jzx_supervision_kind kind, const jzx__child *child, const jzx_exit_info *exit,
                    jzx_err err, uint64_t delay_ns)
{
    if (!jzx__observed(tree->loop)) {
        return;
    }
    const jzx_supervision_event event = {.kind = kind,
                                         .err = (int32_t)err,
                                         .supervisor = tree->base.id,
                                         .id = exit != NULL     ? exit->id
                                               : child->id != 0 ? child->id
                                                                : child->exit.id,
                                         .delay_ns = delay_ns,
                                         .child_index = child->index,
                                         .restarts = child->restarts,
                                         .name = child->name,
                                         .exit = exit};
    jzx__observe_supervision(tree->loop, &event);
}

/* The same about one that nobody supervises. */
static void observe_root(jzx__tree *tree, jzx_supervision_kind kind, const jzx_exit_info *exit, jzx_err err)
{
    const jzx_supervision_event event = {.kind = kind,
                                         .err = (int32_t)err,
                                         .id = tree->base.id,
                                         .child_index = JZX_NO_CHILD,
                                         .name = tree->plan->name,
                                         .exit = exit};
    jzx__observe_supervision(tree->loop, &event);
}

/* ---- one child ---- */

void jzx__tree_set_state(jzx__tree *tree, jzx__child *child, jzx_child_state state)
{
    tree->active += state == JZX_CHILD_RUNNING;
    tree->active -= child->state == JZX_CHILD_RUNNING;
    if (child->significant) {
        tree->significant += state != JZX_CHILD_STOPPED;
        tree->significant -= child->state != JZX_CHILD_STOPPED;
    }
    child->state = (uint8_t)state;
}

void jzx__tree_put_down(jzx__tree *tree, jzx__child *child)
{
    jzx__tree_set_state(tree, child, JZX_CHILD_STOPPED);
    jzx__child_disinherit(tree->loop, child);
}

/* Its exit waits to be looked at (W1). Until then it may still be restarted, so it counts if it is significant. */
static void defer(jzx__tree *tree, jzx__child *child)
{
    jzx__tree_set_state(tree, child, JZX_CHILD_STOPPED);
    tree->significant += child->significant;
    child->deferred = true;
    jzx__list_append(&tree->deferred, &child->pending);
}

static void recall(jzx__tree *tree, jzx__child *child)
{
    tree->significant -= child->significant;
    child->deferred = false;
    jzx__list_remove(&child->pending);
}

static void start(jzx__tree *tree, jzx__child *child)
{
    uint32_t to_loop;
    jzx__tree_set_state(tree, child, JZX_CHILD_STARTING);
    child->stop_wanted = false;
    child->killed = false;
    tree->alive++;
    jzx_err err = jzx__place(tree->loop, child->how.options, &to_loop);
    if (err != JZX_OK) {
        jzx__child_refuse(tree->loop, child, err);
    } else {
        jzx__child_spawn(tree->loop, child, to_loop);
    }
}

void jzx__tree_start_child(jzx__tree *tree, jzx__child *child)
{
    start(tree, child);
    jzx__child_say(tree->loop, child);
}

/* From the clock, not from the turn's start: no pause and no time to stop is too short by what the turn has taken. */
static uint64_t from_now(const jzx__tree *tree, uint64_t delay_ns)
{
    return jzx__add_saturating(tree->loop->backend->ops->now_ns(tree->loop->backend), delay_ns);
}

/* Tells an incarnation to stop, and until when. */
static void tell_to_stop(jzx__tree *tree, jzx__child *child)
{
    if (child->id == 0) {
        return; /* its exit is waiting to be looked at */
    }
    if (tree->killing || child->shutdown_ns == JZX_SHUTDOWN_BRUTAL) {
        child->killed = true;
        jzx__child_no_deadline(tree->loop, child);
        jzx__child_end(tree->loop, child, JZX_EXIT_KILLED);
        return;
    }
    jzx__child_end(tree->loop, child, JZX_EXIT_SHUTDOWN);
    if (child->shutdown_ns != JZX_FOREVER) {
        jzx__child_after(tree->loop, child, from_now(tree, child->shutdown_ns));
    }
}

static void stop_starting(jzx__tree *tree, jzx__child *child)
{
    child->stop_wanted = true; /* done when its start has been answered */
    if (child->id != 0 && child->type == JZX_SUPERVISOR) {
        tell_to_stop(tree, child); /* that may take long */
    } else {
        (void)jzx__child_undo(tree->loop, child);
    }
}

/* It has been asked, and now all are killed. */
static void kill_too(jzx__tree *tree, jzx__child *child)
{
    if (tree->killing && !child->killed) {
        tell_to_stop(tree, child);
    }
}

bool jzx__tree_stop_child(jzx__tree *tree, jzx__child *child)
{
    switch ((jzx_child_state)child->state) {
    case JZX_CHILD_RUNNING:
        jzx__tree_set_state(tree, child, JZX_CHILD_STOPPING);
        tell_to_stop(tree, child);
        return false;
    case JZX_CHILD_STARTING:
        if (!child->stop_wanted) {
            stop_starting(tree, child);
        }
        kill_too(tree, child);
        return false;
    case JZX_CHILD_STOPPING:
        kill_too(tree, child);
        return false;
    case JZX_CHILD_RESTARTING:
        jzx__child_no_deadline(tree->loop, child);
        jzx__tree_set_state(tree, child, JZX_CHILD_STOPPED);
        return true;
    case JZX_CHILD_STOPPED:
        if (child->deferred) { /* it ended by itself before it was told to (W1) */
            recall(tree, child);
            observe(tree, JZX_SUPERVISION_STOPPED, child, &child->exit, JZX_OK, 0);
        }
        return true;
    }
    JZX_ASSERT(!"a state of a child");
    return true;
}

/* ---- ending ---- */

static void begin_end(jzx__tree *tree, uint8_t kind, int32_t code, jzx_actor_id origin, const char *text)
{
    if (tree->mode == JZX__TREE_ENDING) {
        return; /* the first reason wins */
    }
    tree->mode = JZX__TREE_ENDING;
    tree->cursor = jzx__children_last(tree);
    jzx__text_copy(tree->end_text, sizeof tree->end_text, text);
    tree->end = (jzx__cause){kind, code, origin, tree->end_text};
    jzx__ask_refuse_all(tree);
}

static void begin_kill(jzx__tree *tree)
{
    if (tree->killing) {
        return;
    }
    tree->killing = true;
    tree->end.kind = JZX_EXIT_KILLED;
    tree->end.origin = tree->base.asked_origin;
    if (tree->plan->strategy == JZX_DYNAMIC) {
        tree->cursor = jzx__children_last(tree); /* once more: all of them may have been asked */
    }
}

/* It was told to end (W5). */
static void look_if_asked(jzx__tree *tree)
{
    const jzx__supervisor *base = &tree->base;
    if (base->asked_kind == 0) {
        return;
    }
    begin_end(tree, base->asked_kind, base->asked_code, base->asked_origin, base->asked_text);
    if (base->asked_kind == JZX_EXIT_KILLED) {
        begin_kill(tree);
    }
}

static void escalate(jzx__tree *tree, const jzx__child *child, const jzx_exit_info *exit)
{
    jzx__count_add(&tree->loop->counters->escalations, 1);
    observe(tree, JZX_SUPERVISION_ESCALATED, child, exit, JZX_OK, 0);
    begin_end(tree, JZX_EXIT_ESCALATED, exit->code, exit->id, exit->text);
}

/* ---- restarting ---- */

static bool restarts_groups(const jzx__tree *tree)
{
    return tree->plan->strategy == JZX_ONE_FOR_ALL || tree->plan->strategy == JZX_REST_FOR_ONE;
}

/* Is the child restarted with `group`? */
static bool in_group(const jzx__tree *tree, const jzx__child *child)
{
    return tree->plan->strategy == JZX_ONE_FOR_ALL || child->index >= tree->group->index;
}

static void arm(jzx__tree *tree, jzx__child *child, uint64_t delay_ns)
{
    if (delay_ns == 0) {
        jzx__child_go(tree->loop, child);
    } else {
        jzx__child_after(tree->loop, child, from_now(tree, delay_ns));
    }
}

static void up(jzx__tree *tree, jzx__child *child)
{
    jzx__tree_set_state(tree, child, JZX_CHILD_RUNNING);
    child->incarnation++;
    observe(tree, JZX_SUPERVISION_STARTED, child, NULL, JZX_OK, 0);
    if (child->stop_wanted) {
        (void)jzx__tree_stop_child(tree, child);
    } else if (tree->active_child == child) {
        jzx__ask_child(tree, child);
    }
    jzx__children_settle(child);
}

/*
 * At once if it need not wait: when a failure was looked at, its restart has begun, as in OTP. And is over, of a worker of this loop:
 * it is up before any other news are looked at, and none of it need come.
 */
static void restart_alone(jzx__tree *tree, jzx__child *child, uint64_t delay_ns)
{
    if (delay_ns != 0 || tree->base.asked_kind != 0) { /* W5 */
        arm(tree, child, delay_ns);
        return;
    }
    start(tree, child);
    if (child->news == JZX__NEWS_STARTED && child->type == JZX_WORKER) {
        child->news = 0;
        up(tree, child);
    } else {
        jzx__child_say(tree->loop, child);
    }
}

/* It will be restarted, alone or with its group. */
static void plan_restart(jzx__tree *tree, jzx__child *child, const jzx_exit_info *exit, uint64_t delay_ns)
{
    child->restarts++;
    jzx__count_add(&tree->loop->counters->restarts, 1);
    observe(tree, JZX_SUPERVISION_RESTART, child, exit, JZX_OK, delay_ns);
    jzx__tree_set_state(tree, child, JZX_CHILD_RESTARTING);
    if (!restarts_groups(tree)) {
        restart_alone(tree, child, delay_ns);
        return;
    }
    if (tree->group != NULL) {
        jzx__child_no_deadline(tree->loop, tree->group); /* W2 */
    }
    if (tree->mode != JZX__TREE_GROUP_WAIT || !in_group(tree, child)) {
        tree->group = child; /* but one that waits already and has this child in it stays */
    }
    tree->group_due = false;
    tree->delay_ns = delay_ns;
    tree->cursor = jzx__children_last(tree);
    tree->mode = JZX__TREE_GROUP_STOP;
}

/* One failure is one decision, however many children it concerns (P9). */
static void decide(jzx__tree *tree, jzx__child *child, const jzx_exit_info *exit, uint64_t uptime_ns)
{
    if (!jzx__window_allows(&tree->window, tree->loop->now_ns)) {
        escalate(tree, child, exit);
        return;
    }
    jzx__row row = {child->row_ns};
    bool group = restarts_groups(tree);
    uint64_t delay_ns = jzx__row_next(group ? &tree->row : &row, &child->plan->backoff, uptime_ns,
                                      jzx__loop_random(tree->loop));
    child->row_ns = row.last_ns;
    plan_restart(tree, child, exit, delay_ns);
}

static bool can_move(const jzx__tree *tree, const jzx__child *child)
{
    uint32_t to_loop;
    return child->how.options->placement == JZX_PLACE_LEAST_LOADED &&
           jzx__place(tree->loop, child->how.options, &to_loop) == JZX_OK &&
           !jzx__loop_told_to_stop(tree->loop->runtime->loops[to_loop]);
}

static void end_if_significant(jzx__tree *tree, bool significant)
{
    bool over = tree->plan->auto_shutdown == JZX_AUTO_ANY_SIGNIFICANT ||
                (tree->plan->auto_shutdown == JZX_AUTO_ALL_SIGNIFICANT && tree->significant == 0);
    if (significant && over) {
        begin_end(tree, JZX_EXIT_SHUTDOWN, 0, tree->base.id, NULL);
    }
}

/* It has ended for good. */
static void rest(jzx__tree *tree, jzx__child *child, bool forget)
{
    bool significant = child->significant;
    jzx__tree_put_down(tree, child);
    if (forget) {
        jzx__children_forget(tree, child);
    }
    end_if_significant(tree, significant);
}

/* Its loop has closed; not just that of one it was linked to. */
static bool lost_its_loop(const jzx__tree *tree, const jzx_exit_info *exit)
{
    const jzx_loop *loop = tree->loop->runtime->loops[jzx__id_loop(exit->id)];
    return exit->kind == JZX_EXIT_LOOP_CLOSED && atomic_load_explicit(&loop->closed, memory_order_acquire) != 0;
}

/* A child has ended by itself. */
static void exit_by_itself(jzx__tree *tree, jzx__child *child)
{
    const jzx_exit_info exit = child->exit;
    jzx__tree_set_state(tree, child, JZX_CHILD_STOPPED);
    observe(tree, JZX_SUPERVISION_STOPPED, child, &exit, JZX_OK, 0);
    bool again = jzx__restarts((jzx_restart)child->restart, (jzx_exit_kind)exit.kind);
    if (lost_its_loop(tree, &exit) && child->restart != JZX_TEMPORARY) {
        if (can_move(tree, child)) {
            plan_restart(tree, child, &exit, 0); /* not its fault: it is not counted */
            return;
        }
        again = false;
    }
    if (again) {
        decide(tree, child, &exit, exit.uptime_ns);
        return;
    }
    rest(tree, child, child->restart == JZX_TEMPORARY || tree->plan->strategy == JZX_DYNAMIC);
}

/* ---- news of children ---- */

/* The way to the deepest failure: what is below, if the child is a supervisor that told it, with this child before it. */
static void note_failure(const jzx__child *child, jzx_err err, int32_t code, jzx_start_failure *failure)
{
    const jzx_start_failure *below = child->how.failure;
    memset(failure, 0, sizeof *failure);
    if (err == JZX_ERR_START_FAILED && below != NULL && below->err != JZX_OK) {
        *failure = *below;
        memcpy(&failure->path.index[1], below->path.index, sizeof below->path.index - sizeof below->path.index[0]);
        failure->path.depth = below->path.depth < JZX_TREE_DEPTH_MAX ? below->path.depth + 1 : below->path.depth;
    } else {
        failure->err = (int32_t)err;
        failure->code = code;
        failure->path.depth = 1;
        memcpy(failure->name, child->name, sizeof failure->name);
    }
    failure->path.index[0] = child->index;
}

/* Of those that stop all at once each goes when it is down. */
static void forget_at_end(jzx__tree *tree, jzx__child *child)
{
    if (tree->mode == JZX__TREE_ENDING && tree->plan->strategy == JZX_DYNAMIC && tree->cursor != child) {
        jzx__children_forget(tree, child);
    }
}

static void start_failed(jzx__tree *tree, jzx__child *child, const jzx_exit_info *exit, jzx_err err)
{
    jzx__count_add(&tree->loop->counters->start_failures, 1);
    observe(tree, JZX_SUPERVISION_START_FAILED, child, exit, err, 0);
    jzx__tree_set_state(tree, child, JZX_CHILD_STOPPED);
    if (tree->active_child == child) {
        jzx_start_failure failure;
        note_failure(child, err, exit->code, &failure);
        jzx__ask_start_failed(tree, child, &failure);
    } else if (tree->mode == JZX__TREE_STARTING) {
        note_failure(child, err, exit->code, tree->failure);
        begin_end(tree, JZX_EXIT_START_FAILED, (int32_t)err, child->exit.id, child->name);
    } else if (child->stop_wanted || tree->mode == JZX__TREE_ENDING) {
        forget_at_end(tree, child);
    } else if (err == JZX_ERR_LOOP_CLOSED) { /* its loop has stopped, and it may live on no other */
        tree->cursor = tree->cursor == child ? jzx__children_next(tree, child) : tree->cursor;
        rest(tree, child, tree->plan->strategy == JZX_DYNAMIC);
    } else {
        decide(tree, child, exit, 0); /* each attempt that fails is one more (P9) */
    }
}

/* No actor was made. */
static void on_failed(jzx__tree *tree, jzx__child *child)
{
    tree->alive--;
    const jzx_exit_info nobody = {.kind = JZX_EXIT_INIT,
                                  .code = child->err,
                                  .incarnation = child->incarnation + 1,
                                  .supervisor = tree->base.id,
                                  .child_index = child->index,
                                  .restarts = child->restarts};
    start_failed(tree, child, &nobody, (jzx_err)child->err);
}

static jzx_err start_error(const jzx__child *child)
{
    if (child->exit.kind == JZX_EXIT_INIT) {
        return JZX_ERR_INIT;
    }
    return child->stop_wanted ? JZX_ERR_CANCELLED : JZX_ERR_START_FAILED;
}

/* Told to stop, it has. */
static void stopped(jzx__tree *tree, jzx__child *child)
{
    observe(tree, JZX_SUPERVISION_STOPPED, child, &child->exit, JZX_OK, 0);
    uint32_t kind = child->exit.kind;
    bool obeyed = kind == JZX_EXIT_SHUTDOWN || kind == JZX_EXIT_NORMAL || kind == JZX_EXIT_LOOP_CLOSED ||
                  (kind == JZX_EXIT_KILLED && (tree->killing || child->shutdown_ns == JZX_SHUTDOWN_BRUTAL));
    if (!obeyed) {
        observe(tree, JZX_SUPERVISION_SHUTDOWN_ERROR, child, &child->exit, JZX_OK, 0);
    }
    jzx__tree_set_state(tree, child, JZX_CHILD_STOPPED);
    if (tree->active_child == child) {
        jzx__ask_child(tree, child);
    } else {
        forget_at_end(tree, child);
    }
}

/* Must its exit wait until what is under way has come to its end (W1)? */
static bool defers(const jzx__tree *tree, const jzx__child *child)
{
    switch ((jzx__tree_mode)tree->mode) {
    case JZX__TREE_STARTING:
    case JZX__TREE_GROUP_START:
        return true;
    case JZX__TREE_GROUP_STOP:
        return !in_group(tree, child);
    case JZX__TREE_STEADY:
    case JZX__TREE_GROUP_WAIT:
        return tree->active_child != NULL && tree->active_child != child;
    case JZX__TREE_ENDING:
        return false;
    }
    return false;
}

static void on_exited(jzx__tree *tree, jzx__child *child)
{
    tree->alive--;
    jzx__child_no_deadline(tree->loop, child);
    switch ((jzx_child_state)child->state) {
    case JZX_CHILD_STARTING:
        start_failed(tree, child, &child->exit, start_error(child));
        return;
    case JZX_CHILD_STOPPING:
        stopped(tree, child);
        return;
    default:
        break;
    }
    JZX_ASSERT(child->state == JZX_CHILD_RUNNING);
    if (defers(tree, child)) {
        defer(tree, child);
    } else if (tree->mode == JZX__TREE_GROUP_STOP || tree->mode == JZX__TREE_ENDING) {
        observe(tree, JZX_SUPERVISION_STOPPED, child, &child->exit, JZX_OK, 0); /* it would have been told to */
        jzx__tree_set_state(tree, child, JZX_CHILD_STOPPED);
        forget_at_end(tree, child);
    } else {
        exit_by_itself(tree, child);
    }
}

static void on_due(jzx__tree *tree, jzx__child *child)
{
    if (child->state == JZX_CHILD_RESTARTING && tree->mode == JZX__TREE_ENDING) {
        return; /* W5: it will be found stopped */
    }
    if (child->state == JZX_CHILD_RESTARTING && child == tree->group && tree->mode == JZX__TREE_GROUP_WAIT) {
        tree->group_due = true;
    } else if (child->state == JZX_CHILD_RESTARTING) {
        jzx__tree_start_child(tree, child);
    } else if (child->id != 0 && (child->state == JZX_CHILD_STOPPING || child->stop_wanted)) {
        child->killed = true; /* its time is over */
        jzx__child_end(tree->loop, child, JZX_EXIT_KILLED);
    }
}

static void on_news(jzx__tree *tree, jzx__child *child)
{
    uint32_t news = child->news;
    child->news = 0;
    if ((news & JZX__NEWS_STARTED) != 0) {
        if (child->type == JZX_WORKER) {
            up(tree, child);
        } else if (child->stop_wanted) {
            tell_to_stop(tree, child);
        }
    }
    if ((news & JZX__NEWS_READY) != 0 && child->state == JZX_CHILD_STARTING) {
        up(tree, child);
    }
    if ((news & JZX__NEWS_FAILED) != 0) {
        on_failed(tree, child);
    } else if ((news & JZX__NEWS_EXITED) != 0) {
        on_exited(tree, child);
    } else if ((news & JZX__NEWS_DUE) != 0) {
        on_due(tree, child);
    }
}

/* ---- one after the other ---- */

/* Starts what is to be started, one at a time. True when all are up. */
static bool start_next(jzx__tree *tree)
{
    for (uint32_t steps = 0; tree->cursor != NULL; tree->cursor = jzx__children_next(tree, tree->cursor)) {
        if (tree->cursor->state == JZX_CHILD_STARTING) {
            return false;
        }
        if (tree->cursor->state != JZX_CHILD_RUNNING && !tree->cursor->deferred) {
            jzx__tree_start_child(tree, tree->cursor);
            return false;
        }
        if (++steps == STEPS_MAX) {
            jzx__supervisor_nudge(tree->loop, &tree->base);
            return false;
        }
    }
    return true;
}

/* A member of a group is down: it comes back with the group, or never. */
static void await_group(jzx__tree *tree, jzx__child *child)
{
    if (child->restart == JZX_TEMPORARY) {
        jzx__children_forget(tree, child);
    } else {
        jzx__tree_set_state(tree, child, JZX_CHILD_RESTARTING);
    }
}

/* Stops what is to be stopped: in reverse, each when the one after it is down, or all at once (W3). True: all are. */
static bool stop_next(jzx__tree *tree)
{
    bool group = tree->mode == JZX__TREE_GROUP_STOP;
    bool at_once = tree->plan->strategy == JZX_DYNAMIC;
    for (uint32_t steps = 0; tree->cursor != NULL && (!group || in_group(tree, tree->cursor));) {
        jzx__child *child = tree->cursor;
        bool down = jzx__tree_stop_child(tree, child);
        if (!down && !at_once) {
            return false;
        }
        tree->cursor = jzx__children_prev(tree, child);
        if (group) {
            await_group(tree, child);
        } else if (down) {
            jzx__children_forget(tree, child);
        }
        if (++steps == STEPS_MAX) {
            jzx__supervisor_nudge(tree->loop, &tree->base);
            return false;
        }
    }
    return !at_once || tree->alive == 0;
}

static void become_ready(jzx__tree *tree)
{
    tree->ready = true;
    if ((jzx__slot_hot(&tree->loop->slots, tree->base.resource.owner)->flags & JZX__SLOT_SUPERVISED) != 0) {
        jzx__bond_ready(tree->loop, tree->base.resource.owner);
        return;
    }
    observe_root(tree, JZX_SUPERVISION_STARTED, NULL, JZX_OK);
    jzx__ask_owner(tree, JZX_OK);
}

/* The next exit that had to wait. */
static bool look_at_deferred(jzx__tree *tree)
{
    if (jzx__list_empty(&tree->deferred)) {
        return false;
    }
    jzx__child *child = jzx__container_of(tree->deferred.next, jzx__child, pending);
    recall(tree, child);
    exit_by_itself(tree, child);
    return true;
}

static void start_group(jzx__tree *tree)
{
    tree->mode = JZX__TREE_GROUP_START;
    tree->cursor = tree->plan->strategy == JZX_ONE_FOR_ALL ? jzx__children_first(tree) : tree->group;
}

/* When nothing is under way: what waited, in its order. False: nothing does. */
static bool look_around(jzx__tree *tree)
{
    if (tree->active_child != NULL) {
        return false;
    }
    if (look_at_deferred(tree)) {
        return true;
    }
    if (tree->mode == JZX__TREE_GROUP_WAIT && tree->group_due) {
        start_group(tree);
        return true;
    }
    if (jzx__ask_next(tree)) {
        jzx__supervisor_nudge(tree->loop, &tree->base); /* one in each handler: a list may be long */
    }
    return tree->mode != JZX__TREE_STEADY && tree->mode != JZX__TREE_GROUP_WAIT;
}

/* Goes on until it must wait. True: the end has come (W4). */
static bool advance(jzx__tree *tree)
{
    for (uint32_t steps = 0; steps < STEPS_MAX; steps++) {
        switch ((jzx__tree_mode)tree->mode) {
        case JZX__TREE_STARTING:
            if (!start_next(tree)) {
                return false;
            }
            tree->mode = JZX__TREE_STEADY;
            become_ready(tree);
            break;
        case JZX__TREE_GROUP_START:
            if (!start_next(tree)) {
                return false;
            }
            tree->mode = JZX__TREE_STEADY;
            tree->group = NULL;
            break;
        case JZX__TREE_GROUP_STOP:
            if (!stop_next(tree)) {
                return false;
            }
            tree->mode = JZX__TREE_GROUP_WAIT;
            tree->cursor = NULL;
            arm(tree, tree->group, tree->delay_ns);
            break;
        case JZX__TREE_STEADY:
        case JZX__TREE_GROUP_WAIT:
            if (!look_around(tree)) {
                return false;
            }
            break;
        case JZX__TREE_ENDING:
            return stop_next(tree);
        }
    }
    jzx__supervisor_nudge(tree->loop, &tree->base);
    return false;
}

/* ---- the actor ---- */

/* The one it is linked to, which started it, has ended. */
static void owner_ended(jzx__tree *tree, const jzx_exit *exit)
{
    if (exit->from == tree->owner) {
        begin_end(tree, JZX_EXIT_SHUTDOWN, 0, exit->from, NULL);
    }
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    jzx__tree *tree = state;
    switch (message->tag) {
    case JZX__TAG_CHILD:
        on_news(tree, message->pointer.data);
        break;
    case JZX__TAG_SELF:
        break;
    case JZX__TAG_ASK:
        jzx__ask_take(tree, message);
        break;
    case JZX_TAG_SYS_EXIT:
        owner_ended(tree, jzx_message_data(message));
        break;
    default:
        return JZX_BEHAVIOR_UNHANDLED;
    }
    look_if_asked(tree);
    if (advance(tree)) {
        context->end = tree->end.kind;
        context->code = tree->end.code;
        context->origin = tree->end.origin;
        jzx__text_copy(context->text, sizeof context->text, tree->end_text);
        context->special = true;
    }
    return JZX_BEHAVIOR_OK;
}

/* Nobody is above: how it ended concerns the runtime. */
static void root_ended(jzx__tree *tree, const jzx_exit_info *exit)
{
    if (tree->ready) {
        observe_root(tree, JZX_SUPERVISION_STOPPED, exit, JZX_OK);
    } else {
        observe_root(tree, JZX_SUPERVISION_START_FAILED, exit, JZX_ERR_START_FAILED);
    }
    bool wanted = exit->kind == JZX_EXIT_NORMAL || exit->kind == JZX_EXIT_SHUTDOWN ||
                  exit->kind == JZX_EXIT_LOOP_CLOSED;
    if (tree->owner != 0) {
        if (!tree->ready) {
            jzx__link_stop(tree->loop, tree->base.id, tree->owner); /* the answer says it all */
        }
        jzx__ask_owner(tree, JZX_ERR_START_FAILED); /* unless it was answered when all had started */
    } else if (!wanted) {
        jzx__runtime_escalate(tree->loop->runtime, exit, tree->failure);
    }
}

static void deinit(jzx__tree *tree)
{
    jzx__ask_free_all(tree);
    while (tree->count > 0) {
        tree->cursor = NULL;
        jzx__children_forget(tree, jzx__children_last(tree));
    }
    jzx__release(tree->loop, JZX_MEMORY_STATE, tree->window.times, jzx__window_size(tree->window.intensity),
                 _Alignof(uint64_t));
    if (tree->own_plan) {
        jzx__plan_free(tree->plan);
    }
}

static void fini(jzx_context *context, void *state, const jzx_exit_info *exit)
{
    (void)context;
    jzx__tree *tree = state;
    JZX_ASSERT(tree->alive == 0); /* W4 */
    if (tree->base.root) {
        root_ended(tree, exit);
    }
    deinit(tree);
}

static jzx_err fill(jzx__tree *tree)
{
    const jzx__plan *plan = tree->plan;
    uint64_t *times = NULL;
    if (jzx__window_size(plan->intensity) != 0) {
        times = jzx__allocate(tree->loop, JZX_MEMORY_STATE, jzx__window_size(plan->intensity), _Alignof(uint64_t));
        if (times == NULL) {
            return JZX_ERR_NO_MEMORY;
        }
    }
    jzx__window_init(&tree->window, plan->intensity, plan->period_ns, times);
    for (uint32_t i = 0; plan->strategy != JZX_DYNAMIC && i < plan->child_count; i++) {
        jzx__child *child;
        jzx_err err = jzx__children_add(tree, &(jzx__child_source){.plan = &plan->children[i]}, &child);
        if (err != JZX_OK) {
            return err;
        }
    }
    return JZX_OK;
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    jzx__tree *tree = *state;
    jzx_loop *loop = context->loop;
    bool root = (jzx__slot_hot(&loop->slots, context->slot)->flags & JZX__SLOT_SUPERVISED) == 0;
    tree->loop = loop;
    jzx__list_init(&tree->children);
    jzx__list_init(&tree->deferred);
    jzx__list_init(&tree->asks);
    tree->plan = argument;
    if (root) {
        const jzx__tree_start *start = argument;
        tree->plan = start->plan;
        tree->owner = start->owner;
        tree->token = start->token;
    }
    tree->failure = root ? &tree->plan->failure : jzx__bond_of(jzx__slot_cold(&loop->slots, context->slot))->failure;
    memset(tree->failure, 0, sizeof *tree->failure);
    jzx__supervisor_begin(loop, &tree->base, context->slot, root);
    jzx_err err = fill(tree);
    if (err != JZX_OK) {
        deinit(tree); /* the plan is still the starter's */
        return err;
    }
    tree->own_plan = root;
    tree->cursor = jzx__children_first(tree);
    jzx__supervisor_nudge(loop, &tree->base);
    return JZX_OK;
}

void jzx__supervisor_options(jzx_spawn_options *options, jzx__plan *plan)
{
    options->struct_size = sizeof *options;
    options->behavior = behave;
    options->init = init;
    options->fini = fini;
    options->argument = plan;
    options->state_size = sizeof(jzx__tree);
    options->trap_exit = true;
    options->name = plan->name;
}
