/*
 * pool: the queue of a pool, which hands work to workers and has as many of them as there is work for.
 *
 * The tree: a ONE_FOR_ALL supervisor of the workers' JZX_DYNAMIC supervisor and of the queue, all on one loop. The queue owns a
 * place for each worker that there may be; everything happens in its handler. What waits is its stash (sched/order.c).
 *
 * Invariants
 *   PL1  A worker has a place from before its start is asked for until its end for good is known: so there are never more than
 *        workers_max, whatever is on its way.
 *   PL2  A place that is UP and has credits is in the list of so many; every other one is in none. `best` is the highest list
 *        that is not empty, or 0. `held` is what all UP places lack of their windows.
 *   PL3  While anything is stashed no place has credits, but for a way to a worker that had no room.
 *   PL4  Who has a credit left unspent has no more work than the window less that credit; all of them: it is idle. So what is
 *        stopped for want of work has none, for its flow is closed in the same handler.
 */
#include <jzx/pool.h>

#include "sched/annex.h"
#include "src/supervisor.h"

#define TAG_CHECK 0xFFFFFF03u /* the queue's timer */
enum { CHECK_NS_MIN = 1000000 };

/* ---- workers ---- */

/* What a worker is made with: its own init and argument, and its place. */
typedef struct job {
    jzx_init_fn init;
    void *argument;
    bool copied; /* it is `bytes` */
    uint32_t place;
    jzx_group group; /* space NULL: none */
    _Alignas(max_align_t) uint8_t bytes[];
} job;

static jzx_err init_worker(jzx_context *context, void *argument, void **state)
{
    job *j = argument;
    if (j->group.space != NULL) {
        jzx_err err = jzx_group_join(context, &j->group, j->place, NULL, NULL, NULL);
        if (err != JZX_OK) {
            return err;
        }
    }
    return j->init(context, j->copied ? j->bytes : j->argument, state);
}

/* ---- the queue ---- */

typedef enum place_state {
    NONE,
    STARTING, /* `ask` waits for its supervisor's answer */
    DOWN,     /* it has no flow; the supervisor may be starting it again */
    OPENING,  /* its flow has no answer yet */
    UP,
    RETIRING, /* `ask` waits for its end */
    STATES,
} place_state;

typedef struct place {
    jzx__list node; /* in q->levels[credits] (PL2) */
    jzx_child_ref child;
    jzx_actor_id id;
    uint64_t flow;
    uint64_t ask;
    uint32_t credits;
    uint32_t loop; /* where it was put */
    uint8_t state;
} place;

/* What the queue is made with; lies in the plan of its supervisor, and so longer than the queue. */
typedef struct order {
    uint32_t workers_min;
    uint32_t workers_max;
    uint32_t per_worker;
    uint32_t grow_load;
    uint32_t shrink_load;
    uint64_t check_ns;
    uint64_t cooldown_ns;
    bool spreads; /* over the loops */
    size_t job_size;
    _Alignas(max_align_t) uint8_t job[];
} order;

typedef struct queue {
    const order *order;
    jzx_actor_id workers; /* their supervisor */
    const jzx__annex *annex;
    job *job;
    place *places;
    jzx__list *levels; /* per_worker + 1 of them; the first stays empty */
    uint32_t best;
    uint32_t in_state[STATES];
    uint64_t held;
    uint64_t changed_ns;
    bool armed; /* the timer */
    jzx_pool_info info;
} queue;

static void set_state(queue *q, place *p, place_state state)
{
    q->in_state[p->state]--;
    q->in_state[state]++;
    p->state = (uint8_t)state;
}

/* PL2 */
static void set_credits(queue *q, place *p, uint32_t credits)
{
    q->held += p->credits;
    q->held -= credits;
    p->credits = credits;
    jzx__list_remove(&p->node);
    if (credits > 0) {
        jzx__list_append(&q->levels[credits], &p->node);
        q->best = credits > q->best ? credits : q->best;
    }
    while (q->best > 0 && jzx__list_empty(&q->levels[q->best])) {
        q->best--;
    }
}

/* It takes work: all of its window is free. */
static void come_up(queue *q, place *p)
{
    set_state(q, p, UP);
    q->held += q->order->per_worker;
}

/* It takes no more; what it has is counted no more. */
static void go_from_up(queue *q, place *p, place_state state)
{
    set_credits(q, p, 0);
    q->held -= q->order->per_worker;
    set_state(q, p, state);
}

static place *first_free(const queue *q)
{
    return q->best == 0 ? NULL : jzx__container_of(q->levels[q->best].next, place, node);
}

/* The place of a flow that is there has its index in the record. */
static place *place_of(queue *q, const jzx_context *context, uint64_t flow)
{
    const jzx__flow *record = jzx__table_find(&context->loop->flows, flow);
    place *p = record == NULL ? NULL : &q->places[record->mark];
    return p != NULL && p->flow == flow && (p->state == OPENING || p->state == UP) ? p : NULL;
}

/* The same of one that has ended. */
static place *place_with_flow(queue *q, uint64_t flow)
{
    for (uint32_t i = 0; i < q->order->workers_max; i++) {
        place *p = &q->places[i];
        if (p->flow == flow && (p->state == OPENING || p->state == UP)) {
            return p;
        }
    }
    return NULL;
}

static place *place_that_asks(queue *q, uint64_t ask)
{
    for (uint32_t i = 0; i < q->order->workers_max; i++) {
        place *p = &q->places[i];
        if (p->ask == ask && (p->state == STARTING || p->state == RETIRING)) {
            return p;
        }
    }
    return NULL;
}

/* ---- handing on ---- */

/* The first free worker could not be given anything. True: another may. */
static bool try_another(queue *q, jzx_context *context, place *p, jzx_err err)
{
    if (err == JZX_ERR_WOULD_BLOCK) {
        (void)jzx_resume(context, p->id); /* should there be no room for that either, the next check is in time */
        return false;
    }
    bool gone = err == JZX_ERR_NOT_FOUND || err == JZX_ERR_STOPPING || err == JZX_ERR_LOOP_CLOSED;
    if (gone) {
        set_credits(q, p, 0); /* the end of its flow is on its way here */
    }
    return gone;
}

static void handed(queue *q, place *p)
{
    q->info.handed++;
    set_credits(q, p, p->credits - 1);
}

/* What waits goes before what comes. */
static void hand_stash(queue *q, jzx_context *context)
{
    place *p;
    while (q->annex->stashed > 0 && (p = first_free(q)) != NULL) {
        jzx_err err = jzx__stash_forward(context, p->flow);
        if (err == JZX_OK) {
            handed(q, p);
        } else if (err != JZX_ERR_NO_SUCH_REQUEST && !try_another(q, context, p, err)) {
            return;
        }
    }
}

/* The message of this handler, whose buffer loses a reference when that returns. */
static jzx_err hand_to(jzx_context *context, const place *p, const jzx_message *message)
{
    jzx_buffer *buffer = (message->flags & JZX_MESSAGE_LENT) != 0 ? jzx_message_buffer_of(message) : NULL;
    if (buffer != NULL) {
        (void)jzx_buffer_ref(buffer);
    }
    jzx_err err = (message->flags & JZX_MESSAGE_REQUEST) != 0
                      ? jzx__flow_delegate(context, p->flow, message->ref, message)
                      : jzx__flow_forward(context, p->flow, message);
    if (err != JZX_OK && buffer != NULL) {
        jzx_buffer_unref(buffer);
    }
    return err;
}

static jzx_behavior_result work(queue *q, jzx_context *context, const jzx_message *message)
{
    place *p = q->annex->stashed == 0 ? first_free(q) : NULL; /* PL3 */
    while (p != NULL) {
        jzx_err err = hand_to(context, p, message);
        if (err == JZX_OK) {
            handed(q, p);
            return JZX_BEHAVIOR_OK;
        }
        if (err == JZX_ERR_LIMIT || err == JZX_ERR_TIMEOUT || err == JZX_ERR_CANCELLED) {
            return JZX_BEHAVIOR_UNHANDLED; /* a request that may be handed on no more */
        }
        p = try_another(q, context, p, err) ? first_free(q) : NULL;
    }
    return JZX_BEHAVIOR_STASH;
}

/* ---- workers come and go ---- */

/* Its incarnation is `id`. */
static void serve(queue *q, jzx_context *context, place *p, jzx_actor_id id)
{
    p->id = id;
    p->loop = jzx_actor_loop(id);
    jzx_err err = jzx__flow_serve(context, id, q->order->per_worker, (uint32_t)(p - q->places), &p->flow);
    set_state(q, p, err == JZX_OK ? OPENING : DOWN); /* DOWN: the next check tries again */
}

/* Does another incarnation than `ended` run, or will there be none? */
static void look_for(queue *q, jzx_context *context, place *p, jzx_actor_id ended)
{
    jzx_actor_id id = 0;
    jzx_err err = jzx_child_id(context->loop->runtime, p->child, &id);
    if (err == JZX_OK && id != ended) {
        serve(q, context, p, id);
    } else if (err == JZX_ERR_NOT_FOUND) {
        set_state(q, p, NONE);
    }
}

/* The loop with the fewest workers of this pool; this one, if others have no fewer. */
static uint32_t loop_for_one(const queue *q, const jzx_loop *here)
{
    uint32_t workers[JZX_LOOPS_MAX] = {0};
    for (uint32_t i = 0; i < q->order->workers_max; i++) {
        workers[q->places[i].loop] += q->places[i].state != NONE;
    }
    uint32_t best = here->index;
    for (uint32_t i = 0; i < here->runtime->loop_count; i++) {
        if (workers[i] < workers[best] && !jzx__loop_refuses(here->runtime->loops[i])) {
            best = i;
        }
    }
    return best;
}

static void start_one(queue *q, jzx_context *context)
{
    uint32_t index = 0;
    while (q->places[index].state != NONE) {
        index++;
    }
    place *p = &q->places[index];
    uint32_t loop = q->order->spreads ? loop_for_one(q, context->loop) : JZX__PLACE_AS_TEMPLATE;
    q->job->place = index;
    jzx_err err = jzx__child_start_at(context, q->workers, q->job, q->order->job_size, loop, &p->ask);
    if (err == JZX_OK) {
        p->loop = loop;
        set_state(q, p, STARTING);
    }
}

/* One that has no work (PL4). */
static void stop_one(queue *q, jzx_context *context)
{
    place *p = first_free(q);
    const jzx__child *child = jzx__table_find(&context->loop->children, p->child);
    if (child == NULL) {
        return; /* it has ended, and its flow will say so */
    }
    jzx_err err = jzx_child_terminate(context, q->workers, jzx_child_at(child->index), &p->ask);
    if (err == JZX_OK) {
        (void)jzx__flow_close(context, p->flow);
        go_from_up(q, p, RETIRING);
        q->info.shrunk++;
        q->changed_ns = jzx_now_ns(context);
    }
}

/* ---- how many ---- */

static uint32_t waiting(const jzx_context *context)
{
    return jzx__public(context->loop, context->slot)->mailbox_length;
}

static uint32_t coming(const queue *q)
{
    return q->in_state[STARTING] + q->in_state[OPENING] + q->in_state[DOWN];
}

/* In thousandths of a message for each worker. */
static uint64_t load_of(const queue *q, const jzx_context *context)
{
    uint64_t workers = q->in_state[UP] + coming(q);
    return (waiting(context) + q->held) * 1000 / (workers == 0 ? 1 : workers);
}

static void grow_or_shrink(queue *q, jzx_context *context)
{
    const order *o = q->order;
    while (q->in_state[UP] + coming(q) < o->workers_min && q->in_state[NONE] > 0) {
        uint32_t before = q->in_state[STARTING];
        start_one(q, context);
        if (q->in_state[STARTING] == before) {
            return; /* no room to ask now */
        }
    }
    uint64_t load = load_of(q, context);
    if (load > o->grow_load && q->in_state[NONE] > 0) {
        start_one(q, context);
        q->changed_ns = jzx_now_ns(context);
    } else if (load < o->shrink_load && coming(q) == 0 && q->in_state[UP] > o->workers_min &&
               q->best == o->per_worker && jzx_now_ns(context) - q->changed_ns >= o->cooldown_ns) {
        stop_one(q, context);
    }
}

static void check(queue *q, jzx_context *context)
{
    for (uint32_t i = 0; i < q->order->workers_max && q->in_state[DOWN] > 0; i++) {
        if (q->places[i].state == DOWN) {
            look_for(q, context, &q->places[i], 0);
        }
    }
    grow_or_shrink(q, context);
    hand_stash(q, context);
}

/* A pool at its minimum, without work, looks at nothing. */
static bool at_rest(const queue *q, const jzx_context *context)
{
    return q->in_state[UP] == q->order->workers_min && coming(q) == 0 && q->held == 0 && waiting(context) == 0;
}

static void arm(queue *q, jzx_context *context, uint64_t delay_ns)
{
    jzx_message message = jzx_message_empty(TAG_CHECK);
    uint64_t due_ns = jzx__add_saturating(jzx_now_ns(context), delay_ns);
    q->armed = jzx__timer_start(context, due_ns, 0, JZX_TICKS_SKIP, &message, NULL) == JZX_OK;
}

/* ---- what the queue is told ---- */

static void credits_came(queue *q, jzx_context *context, const jzx_flow_credit *credit)
{
    place *p = place_of(q, context, credit->flow);
    if (p == NULL) {
        return;
    }
    if (p->state == OPENING) {
        come_up(q, p);
    }
    set_credits(q, p, credit->credits);
    hand_stash(q, context);
}

static void flow_ended(queue *q, jzx_context *context, const jzx_flow_ended *ended)
{
    place *p = place_with_flow(q, ended->flow);
    if (p == NULL) {
        return;
    }
    if (p->state == UP) {
        go_from_up(q, p, DOWN);
    } else {
        set_state(q, p, DOWN);
    }
    look_for(q, context, p, ended->peer);
}

static void answered(queue *q, jzx_context *context, uint64_t ask, const jzx_supervisor_answer *answer)
{
    place *p = place_that_asks(q, ask);
    if (p == NULL) {
        return;
    }
    p->ask = 0;
    if (p->state == RETIRING || answer == NULL || answer->err != JZX_OK) {
        set_state(q, p, NONE);
        return;
    }
    q->info.grown++;
    p->child = answer->child;
    set_state(q, p, DOWN);
    look_for(q, context, p, 0);
}

static void tell(queue *q, jzx_context *context, const jzx_message *request)
{
    jzx_pool_info info = q->info;
    info.workers = q->in_state[UP];
    info.starting = coming(q);
    info.waiting = waiting(context);
    for (uint32_t i = 0; i < q->order->workers_max; i++) {
        info.busy += q->places[i].state == UP && q->places[i].credits < q->order->per_worker;
    }
    jzx_message message = jzx_message_value(JZX_TAG_SYS_POOL, &info, sizeof info);
    (void)jzx__request_answer(context, request->ref, &message);
}
_Static_assert(sizeof(jzx_pool_info) <= JZX_INLINE_MAX, "an answer needs no memory");

static jzx_behavior_result take_notice(queue *q, jzx_context *context, const jzx_message *message)
{
    switch (message->tag) {
    case JZX_TAG_SYS_CREDIT:
        credits_came(q, context, jzx_message_data(message));
        return JZX_BEHAVIOR_OK;
    case JZX_TAG_SYS_FLOW_ENDED:
        flow_ended(q, context, jzx_message_data(message));
        return JZX_BEHAVIOR_OK;
    case JZX_TAG_SYS_SUPERVISOR:
        answered(q, context, message->ref, jzx_message_data(message));
        return JZX_BEHAVIOR_OK;
    case JZX_TAG_SYS_NO_ANSWER:
        answered(q, context, message->ref, NULL); /* their supervisor has ended, and with it this queue ends */
        return JZX_BEHAVIOR_OK;
    case JZX_TAG_SYS_RESUME:
        hand_stash(q, context);
        return JZX_BEHAVIOR_OK;
    case JZX_TAG_SYS_POOL:
        tell(q, context, message);
        return JZX_BEHAVIOR_OK;
    case TAG_CHECK:
        q->armed = false;
        check(q, context);
        return JZX_BEHAVIOR_OK;
    default:
        return JZX_BEHAVIOR_UNHANDLED;
    }
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    queue *q = state;
    bool notice = message->tag >= JZX_TAG_RESERVED;
    jzx_behavior_result result = notice ? take_notice(q, context, message) : work(q, context, message);
    if (!q->armed && !(result == JZX_BEHAVIOR_OK && at_rest(q, context))) {
        arm(q, context, q->order->check_ns);
    }
    return result;
}

/* ---- its life ---- */

static size_t queue_size(const order *o)
{
    return o->job_size + o->workers_max * sizeof(place) + (o->per_worker + 1) * sizeof(jzx__list);
}

static void fini_queue(jzx_context *context, void *state, const jzx_exit_info *exit)
{
    (void)exit;
    queue *q = state;
    jzx__release(context->loop, JZX_MEMORY_STATE, q->job, queue_size(q->order), _Alignof(max_align_t));
}

/* Their supervisor is the queue's elder sibling, on this loop. */
static jzx_actor_id workers_of(const jzx_context *context)
{
    const jzx_loop *loop = context->loop;
    uint32_t top = jzx__slot_find(&loop->slots, jzx_supervisor_of(context));
    JZX_ASSERT(top != JZX__SLOT_NONE);
    return jzx__children_first(jzx__slot_hot(&loop->slots, top)->state)->id;
}

static jzx_err init_queue(jzx_context *context, void *argument, void **state)
{
    queue *q = *state;
    jzx__annex *annex;
    jzx_err err = jzx__annex_make(context->loop, context->slot, &annex);
    if (err != JZX_OK) {
        return err;
    }
    q->order = argument;
    const order *o = q->order;
    q->job = jzx__allocate(context->loop, JZX_MEMORY_STATE, queue_size(o), _Alignof(max_align_t));
    if (q->job == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    annex->hoards = true;
    q->annex = annex;
    memset(q->job, 0, queue_size(o));
    memcpy(q->job, o->job, o->job_size);
    q->places = (place *)(void *)((uint8_t *)q->job + o->job_size);
    q->levels = (jzx__list *)(void *)(q->places + o->workers_max);
    for (uint32_t i = 0; i < o->workers_max; i++) {
        jzx__list_init(&q->places[i].node);
    }
    for (uint32_t i = 0; i <= o->per_worker; i++) {
        jzx__list_init(&q->levels[i]);
    }
    q->in_state[NONE] = o->workers_max;
    q->workers = workers_of(context);
    arm(q, context, 0);
    return JZX_OK;
}

/* ---- what is asked for ---- */

void jzx_pool_options_init(jzx_pool_options *options)
{
    if (options != NULL) {
        memset(options, 0, sizeof *options);
        options->struct_size = sizeof *options;
        options->workers_min = 1;
        options->workers_max = 1;
        options->per_worker = 1;
        options->grow_load = 1000;
        options->shrink_load = 100;
        options->check_ns = 10000000;
        options->cooldown_ns = 1000000000;
        options->intensity = 3;
        options->period_ns = 5000000000;
    }
}

static jzx_err check_options(jzx_context *context, const jzx_pool_options *options)
{
    if (options == NULL || options->struct_size != sizeof *options || options->name == NULL ||
        options->worker == NULL || options->workers_min == 0 || options->workers_min > options->workers_max ||
        options->workers_max > JZX_POOL_WORKERS_MAX || options->per_worker == 0 ||
        options->per_worker > JZX_POOL_PER_WORKER_MAX || options->grow_load <= options->shrink_load ||
        options->check_ns < CHECK_NS_MIN) {
        return JZX_ERR_INVALID_ARG;
    }
    const jzx_group *group = options->group;
    if (group != NULL && (group->size == 0 || group->space == NULL)) {
        return JZX_ERR_INVALID_ARG;
    }
    const jzx_child_spec *worker = options->worker;
    jzx_spec_fault fault = jzx_child_check(context, worker, NULL);
    if (fault != JZX_SPEC_OK) {
        return jzx__plan_error(fault);
    }
    return worker->type != JZX_WORKER || worker->keep_mail || worker->register_name ? JZX_ERR_INVALID_ARG : JZX_OK;
}

static size_t rounded(size_t size)
{
    return (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
}

static void fill_order(order *o, const jzx_pool_options *options)
{
    const jzx_child_spec *worker = options->worker;
    o->workers_min = options->workers_min;
    o->workers_max = options->workers_max;
    o->per_worker = options->per_worker;
    o->grow_load = options->grow_load;
    o->shrink_load = options->shrink_load;
    o->check_ns = options->check_ns;
    o->cooldown_ns = options->cooldown_ns;
    o->spreads = worker->placement == JZX_PLACE_LEAST_LOADED;
    o->job_size = rounded(sizeof(job) + worker->argument_size);
    job *j = (job *)(void *)o->job;
    j->init = worker->init;
    if (options->group != NULL) {
        j->group = *options->group;
    }
    j->argument = (void *)(uintptr_t)worker->argument;
    j->copied = worker->argument_size != 0;
    if (j->copied) {
        memcpy(j->bytes, worker->argument, worker->argument_size);
    }
}

static jzx_err start(jzx_context *context, const jzx_pool_options *options, order *o, size_t size, jzx_actor_id *id,
                     uint64_t *ref)
{
    jzx_child_spec worker = *options->worker;
    worker.init = init_worker;
    worker.argument = o->job;
    worker.argument_size = (uint32_t)o->job_size;
    jzx_supervisor_spec workers;
    jzx_supervisor_spec_init(&workers);
    workers.strategy = JZX_DYNAMIC;
    workers.intensity = options->intensity;
    workers.period_ns = options->period_ns;
    workers.children_max = options->workers_max;
    workers.child_count = 1;
    workers.children = &worker;
    jzx_child_spec children[2];
    jzx_child_spec_init(&children[0]);
    children[0].type = JZX_SUPERVISOR;
    children[0].supervisor = &workers;
    jzx_child_spec_init(&children[1]);
    children[1].name = options->name;
    children[1].register_name = true;
    children[1].init = init_queue;
    children[1].behavior = behave;
    children[1].fini = fini_queue;
    children[1].argument = o;
    children[1].argument_size = (uint32_t)size;
    children[1].state_size = sizeof(queue);
    children[1].mailbox_cap = options->queue_max;
    jzx_supervisor_spec top;
    jzx_supervisor_spec_init(&top);
    top.name = options->name;
    top.strategy = JZX_ONE_FOR_ALL;
    top.intensity = options->intensity;
    top.period_ns = options->period_ns;
    top.child_count = 2;
    top.children = children;
    return jzx_supervisor_start(context, &top, id, ref);
}

jzx_err jzx_pool_start(jzx_context *context, const jzx_pool_options *options, jzx_actor_id *id, uint64_t *ref)
{
    jzx_err err = jzx__check_context(context);
    if (err == JZX_OK) {
        err = check_options(context, options);
    }
    if (err != JZX_OK) {
        return err;
    }
    size_t size = sizeof(order) + rounded(sizeof(job) + options->worker->argument_size);
    order *o = jzx__block_make(context->loop->runtime, size);
    if (o == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    memset(o, 0, size);
    fill_order(o, options);
    err = start(context, options, o, size, id, ref);
    jzx__block_free(o);
    return err;
}

jzx_err jzx_pool_look(jzx_context *context, jzx_actor_id id, uint64_t timeout_ns, uint64_t *ref)
{
    jzx_err err = jzx__check_living(context);
    const jzx_message message = jzx_message_empty(JZX_TAG_SYS_POOL);
    return err == JZX_OK ? jzx__request_send(context, id, &message, timeout_ns, ref) : err;
}
