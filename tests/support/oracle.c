/* oracle: see oracle.h. Written from OTP's supervisor(3) and supervisor.erl, and from jzx/supervisor.h. */
#include "tests/support/oracle.h"

#include <string.h>

static void ended(oracle *o, uint8_t node, jzx_exit_kind kind);
static bool start(oracle *o, uint8_t node);

static void tell(oracle *o, jzx_supervision_kind kind, uint8_t node, uint32_t exit_kind, uint64_t delay_ns)
{
    o->unclear |= o->event_count == ORACLE_EVENTS - 1;
    o->events[o->event_count] = (oracle_event){kind, o->nodes[node].parent, node, exit_kind, delay_ns, o->now_ns};
    o->event_count += o->event_count < ORACLE_EVENTS - 1;
}

/* Two times that come too near to one another to say which is first. */
static void keep_apart(oracle *o, uint64_t a_ns, uint64_t b_ns)
{
    o->unclear |= (a_ns > b_ns ? a_ns - b_ns : b_ns - a_ns) < o->margin_ns;
}

/* ---- children of a supervisor ---- */

static uint32_t place_of(const oracle_node *supervisor, uint8_t node)
{
    uint32_t i = 0;
    while (i < supervisor->child_count && supervisor->children[i] != node) {
        i++;
    }
    return i;
}

static void forget(oracle *o, uint8_t node)
{
    oracle_node *supervisor = &o->nodes[o->nodes[node].parent];
    uint32_t i = place_of(supervisor, node);
    supervisor->child_count--;
    memmove(&supervisor->children[i], &supervisor->children[i + 1], supervisor->child_count - i);
    o->nodes[node].state = ORACLE_ABSENT;
}

/* Once it is down, its supervisor knows it no more. */
static bool fleeting(const oracle *o, uint8_t node)
{
    return o->nodes[node].restart == JZX_TEMPORARY || o->nodes[o->nodes[node].parent].strategy == JZX_DYNAMIC;
}

static void take_on(oracle *o, uint8_t node)
{
    oracle_node *child = &o->nodes[node];
    oracle_node *supervisor = &o->nodes[child->parent];
    supervisor->children[supervisor->child_count++] = node;
    child->state = ORACLE_STOPPED;
    child->due_ns = JZX_FOREVER;
    child->row = 0;
    child->restarts = 0;
}

/* ---- stop ---- */

static void stop_children(oracle *o, uint8_t node, bool kill);

/* It is told to stop by its supervisor, and has. A temporary one is still there, stopped. */
static void stop(oracle *o, uint8_t node, bool kill)
{
    oracle_node *child = &o->nodes[node];
    bool ran = child->state == ORACLE_RUNNING;
    bool brutal = kill || child->shutdown_ns == JZX_SHUTDOWN_BRUTAL;
    bool late = !brutal && child->deaf;
    child->state = ORACLE_STOPPED;
    child->due_ns = JZX_FOREVER;
    if (!ran) {
        return;
    }
    stop_children(o, node, brutal); /* of a worker: none */
    if (late) {
        o->now_ns += child->shutdown_ns;
        for (uint8_t i = 0; i < o->node_count; i++) {
            o->unclear |= o->nodes[i].due_ns < o->now_ns + o->margin_ns;
        }
    }
    tell(o, JZX_SUPERVISION_STOPPED, node, brutal || late ? JZX_EXIT_KILLED : JZX_EXIT_SHUTDOWN, 0);
    if (late) {
        tell(o, JZX_SUPERVISION_SHUTDOWN_ERROR, node, JZX_EXIT_KILLED, 0);
    }
}

/* In reverse, one after the other; those of a dynamic one all at once. */
static void stop_children(oracle *o, uint8_t node, bool kill)
{
    uint64_t began_ns = o->now_ns;
    uint64_t last_ns = o->now_ns;
    for (uint32_t i = o->nodes[node].child_count; i-- > 0;) {
        o->now_ns = o->nodes[node].strategy == JZX_DYNAMIC ? began_ns : o->now_ns;
        stop(o, o->nodes[node].children[i], kill);
        last_ns = o->now_ns > last_ns ? o->now_ns : last_ns;
    }
    o->now_ns = last_ns;
}

/* It ends by itself, a supervisor when its children have. */
void oracle_end(oracle *o, uint8_t node, jzx_exit_kind kind)
{
    stop_children(o, node, kind == JZX_EXIT_KILLED);
    ended(o, node, kind);
}

/* ---- start ---- */

/* All or none. */
static bool start_all(oracle *o, uint8_t node)
{
    oracle_node *supervisor = &o->nodes[node];
    supervisor->child_count = 0;
    supervisor->time_count = 0;
    supervisor->group_row = 0;
    for (uint8_t i = 0; i < o->node_count; i++) {
        if (o->nodes[i].parent == node && !o->nodes[i].added) {
            take_on(o, i);
        } else if (o->nodes[i].parent == node) {
            o->nodes[i].state = ORACLE_ABSENT;
        }
    }
    for (uint32_t i = 0; i < supervisor->child_count; i++) {
        if (!start(o, supervisor->children[i])) {
            stop_children(o, node, false);
            return false;
        }
    }
    return true;
}

static bool start(oracle *o, uint8_t node)
{
    oracle_node *child = &o->nodes[node];
    child->due_ns = JZX_FOREVER;
    bool fails = child->failing > 0;
    child->failing -= fails;
    if (fails || (child->type == JZX_SUPERVISOR && !start_all(o, node))) {
        child->state = ORACLE_STOPPED;
        tell(o, JZX_SUPERVISION_START_FAILED, node, 0, 0);
        return false;
    }
    child->state = ORACLE_RUNNING;
    child->since_ns = o->now_ns;
    tell(o, JZX_SUPERVISION_STARTED, node, 0, 0);
    return true;
}

/* ---- restart ---- */

/* One failure more: are there at most `intensity` in the closed window that ends now? */
static bool allowed(oracle *o, oracle_node *supervisor)
{
    uint32_t within = 1;
    for (uint32_t i = 0; i < supervisor->time_count; i++) {
        keep_apart(o, o->now_ns, supervisor->times[i] + supervisor->period_ns);
        within += o->now_ns <= supervisor->times[i] + supervisor->period_ns;
    }
    bool is_allowed = supervisor->intensity == JZX_INTENSITY_UNLIMITED || within <= supervisor->intensity;
    if (is_allowed) {
        o->unclear |= supervisor->time_count == ORACLE_TIMES - 1;
        supervisor->times[supervisor->time_count] = o->now_ns;
        supervisor->time_count += supervisor->time_count < ORACLE_TIMES - 1;
    }
    return is_allowed;
}

/* The n-th delay of a row. */
static uint64_t delay_of(const jzx_backoff *backoff, uint32_t n)
{
    uint64_t delay_ns = backoff->kind >= JZX_BACKOFF_CONSTANT ? backoff->initial_ns : 0;
    uint64_t most_ns = backoff->kind > JZX_BACKOFF_CONSTANT ? backoff->max_ns : delay_ns;
    bool linear = backoff->kind == JZX_BACKOFF_LINEAR;
    while (--n > 0 && delay_ns < most_ns) {
        delay_ns = linear ? delay_ns + backoff->initial_ns : delay_ns * (uint64_t)backoff->factor;
    }
    return delay_ns < most_ns ? delay_ns : most_ns;
}

static uint64_t next_delay(oracle *o, const oracle_node *supervisor, const jzx_backoff *own, uint32_t *row,
                           uint64_t uptime_ns)
{
    const jzx_backoff *backoff = own->kind == JZX_BACKOFF_INHERIT ? &supervisor->for_children : own;
    uint64_t reset_ns = backoff->reset_ns != 0 ? backoff->reset_ns : supervisor->period_ns;
    keep_apart(o, uptime_ns, reset_ns);
    *row = uptime_ns >= reset_ns ? 1 : *row + 1;
    return delay_of(backoff, *row);
}

static bool alone(const oracle_node *supervisor)
{
    return supervisor->strategy == JZX_ONE_FOR_ONE || supervisor->strategy == JZX_DYNAMIC;
}

/* Those that are restarted with a child: from ... */
static uint32_t group_begin(const oracle_node *supervisor, uint8_t node)
{
    return supervisor->strategy == JZX_ONE_FOR_ALL ? 0 : place_of(supervisor, node);
}

/* ... to, which is not one of them. */
static uint32_t group_end(const oracle_node *supervisor, uint8_t node)
{
    return alone(supervisor) ? place_of(supervisor, node) + 1 : supervisor->child_count;
}

/* Whose group waits for its restart. */
static uint8_t pending(const oracle *o, const oracle_node *supervisor)
{
    for (uint32_t i = 0; i < supervisor->child_count && !alone(supervisor); i++) {
        if (o->nodes[supervisor->children[i]].due_ns != JZX_FOREVER) {
            return supervisor->children[i];
        }
    }
    return ORACLE_NONE;
}

/* Those of the group that run are stopped, in reverse; all that are not temporary wait. */
static void gather(oracle *o, oracle_node *supervisor, uint8_t node)
{
    for (uint32_t i = group_end(supervisor, node); i-- > group_begin(supervisor, node);) {
        uint8_t member = supervisor->children[i];
        stop(o, member, false);
        if (o->nodes[member].restart == JZX_TEMPORARY) {
            forget(o, member);
        } else {
            o->nodes[member].state = ORACLE_WAITING;
        }
    }
}

static void decide(oracle *o, uint8_t node, uint64_t uptime_ns);

/* The delay is over: those of the group that do not run, in the order of their start. */
static void attempt(oracle *o, uint8_t node)
{
    const oracle_node *supervisor = &o->nodes[o->nodes[node].parent];
    o->nodes[node].due_ns = JZX_FOREVER;
    for (uint32_t i = group_begin(supervisor, node); i < group_end(supervisor, node); i++) {
        uint8_t member = supervisor->children[i];
        if (o->nodes[member].state != ORACLE_RUNNING && !start(o, member)) {
            decide(o, member, 0);
            return;
        }
    }
}

/* A child has failed, or failed to start: it is restarted, or its supervisor gives up. */
static void decide(oracle *o, uint8_t node, uint64_t uptime_ns)
{
    oracle_node *child = &o->nodes[node];
    oracle_node *supervisor = &o->nodes[child->parent];
    if (!allowed(o, supervisor)) {
        tell(o, JZX_SUPERVISION_ESCALATED, node, 0, 0);
        oracle_end(o, child->parent, JZX_EXIT_ESCALATED);
        return;
    }
    uint32_t *row = alone(supervisor) ? &child->row : &supervisor->group_row;
    uint64_t delay_ns = next_delay(o, supervisor, &child->backoff, row, uptime_ns);
    tell(o, JZX_SUPERVISION_RESTART, node, 0, delay_ns);
    child->restarts++;
    /* One restart is pending: that of a group that waits already, if this child is in it. */
    uint8_t waiting = pending(o, supervisor);
    if (waiting != ORACLE_NONE && group_begin(supervisor, waiting) <= group_begin(supervisor, node)) {
        node = waiting;
    }
    gather(o, supervisor, node);
    o->nodes[node].due_ns = o->now_ns + delay_ns;
    if (delay_ns == 0) {
        attempt(o, node);
    }
}

/* ---- the end of a child that nobody asked for above it ---- */

/* Does its supervisor end with it? */
static bool shuts_down(const oracle *o, uint8_t node)
{
    const oracle_node *supervisor = &o->nodes[o->nodes[node].parent];
    uint32_t others = 0;
    for (uint32_t i = 0; i < supervisor->child_count; i++) {
        const oracle_node *sibling = &o->nodes[supervisor->children[i]];
        others += sibling->significant && sibling->state != ORACLE_STOPPED;
    }
    return o->nodes[node].significant && (supervisor->auto_shutdown == JZX_AUTO_ANY_SIGNIFICANT || others == 0);
}

static void ended(oracle *o, uint8_t node, jzx_exit_kind kind)
{
    oracle_node *child = &o->nodes[node];
    uint64_t uptime_ns = o->now_ns - child->since_ns;
    child->state = ORACLE_STOPPED;
    tell(o, JZX_SUPERVISION_STOPPED, node, kind, 0);
    if (child->parent == ORACLE_NONE) {
        return;
    }
    bool well = kind == JZX_EXIT_NORMAL || kind == JZX_EXIT_SHUTDOWN;
    if (child->restart == JZX_PERMANENT || (child->restart == JZX_TRANSIENT && !well)) {
        decide(o, node, uptime_ns);
        return;
    }
    bool down = shuts_down(o, node);
    if (fleeting(o, node)) {
        forget(o, node);
    }
    if (down) {
        oracle_end(o, child->parent, JZX_EXIT_SHUTDOWN);
    }
}

bool oracle_start(oracle *o)
{
    return start(o, 0);
}

void oracle_stop(oracle *o)
{
    stop(o, 0, false);
}

void oracle_go(oracle *o, uint64_t until_ns)
{
    for (;;) {
        uint8_t first = 0;
        for (uint8_t i = 0; i < o->node_count; i++) {
            o->unclear |= o->nodes[i].due_ns < o->now_ns + o->margin_ns;
            first = o->nodes[i].due_ns < o->nodes[first].due_ns ? i : first;
        }
        keep_apart(o, until_ns, o->nodes[first].due_ns);
        if (o->nodes[first].due_ns > until_ns || o->unclear) {
            break;
        }
        o->now_ns = o->nodes[first].due_ns;
        attempt(o, first);
    }
    o->unclear |= o->now_ns + o->margin_ns > until_ns;
    o->now_ns = until_ns;
}

jzx_err oracle_add(oracle *o, uint8_t node)
{
    oracle_node *child = &o->nodes[node];
    if (child->state != ORACLE_ABSENT) {
        return child->state == ORACLE_RUNNING ? JZX_ERR_RUNNING : JZX_ERR_DUPLICATE;
    }
    take_on(o, node);
    if (!start(o, node)) {
        forget(o, node);
        return JZX_ERR_START_FAILED;
    }
    return JZX_OK;
}

/* With the child whose failure it was for, the restart of a whole group is off. */
jzx_err oracle_terminate(oracle *o, uint8_t node)
{
    if (o->nodes[node].state == ORACLE_ABSENT) {
        return JZX_ERR_NOT_FOUND;
    }
    const oracle_node *supervisor = &o->nodes[o->nodes[node].parent];
    for (uint32_t i = 0; i < supervisor->child_count && pending(o, supervisor) == node; i++) {
        oracle_node *member = &o->nodes[supervisor->children[i]];
        member->state = member->state == ORACLE_WAITING ? ORACLE_STOPPED : member->state;
    }
    stop(o, node, false);
    if (fleeting(o, node)) {
        forget(o, node);
    }
    return JZX_OK;
}

/* What a request that needs a stopped child says to any other. */
static jzx_err unless_stopped(const oracle *o, uint8_t node)
{
    static const jzx_err errors[] = {[ORACLE_ABSENT] = JZX_ERR_NOT_FOUND,
                                     [ORACLE_STOPPED] = JZX_OK,
                                     [ORACLE_RUNNING] = JZX_ERR_RUNNING,
                                     [ORACLE_WAITING] = JZX_ERR_RESTARTING};
    const oracle_node *child = &o->nodes[node];
    bool dynamic = o->nodes[child->parent].strategy == JZX_DYNAMIC; /* none of its children is ever stopped */
    return dynamic && child->state != ORACLE_ABSENT ? JZX_ERR_UNSUPPORTED : errors[child->state];
}

jzx_err oracle_restart(oracle *o, uint8_t node)
{
    jzx_err err = unless_stopped(o, node);
    return err != JZX_OK || start(o, node) ? err : JZX_ERR_START_FAILED;
}

jzx_err oracle_delete(oracle *o, uint8_t node)
{
    jzx_err err = unless_stopped(o, node);
    if (err == JZX_OK) {
        forget(o, node);
    }
    return err;
}
