/* loop: running a loop on a thread of the host or of the library. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "sched/annex.h"
#include "src/internal.h"

/* Both words are written by who runs the loop; others ask only to say which mistake their call is. */
static bool is_running(const jzx_loop *loop)
{
    return __atomic_load_n(&loop->running, __ATOMIC_RELAXED);
}

static void set_running(jzx_loop *loop, bool running)
{
    __atomic_store_n(&loop->running, running, __ATOMIC_RELAXED);
}

static bool stopped(const jzx_loop *loop)
{
    return atomic_load_explicit(&loop->runtime->stop, memory_order_acquire) != 0;
}

/* A stop was asked for before this loop ran for the first time. */
static void end_unrun(jzx_loop *loop)
{
    uint32_t created = JZX__LOOP_CREATED;
    if (!atomic_compare_exchange_strong(&loop->state, &created, JZX__LOOP_LEFT)) {
        /* Another loop has closed it already; it is this thread's all the same. */
        JZX_ASSERT(created == JZX__LOOP_LEFT);
    }
    jzx__loop_teardown(loop);
    jzx__count_set(&loop->segment->state, JZX__LOOP_LEFT);
}

/* What a run tells of a runtime that has stopped in order. */
static jzx_err outcome(const jzx_loop *loop)
{
    return jzx_runtime_escalation(loop->runtime, NULL, NULL) == JZX_OK ? JZX_ERR_ESCALATED : JZX_OK;
}

/* The first run, by the one thread that has taken `entered`. */
static jzx_err first_run(jzx_loop *loop, bool *unrun)
{
    jzx_err err = stopped(loop) ? JZX_ERR_LOOP_CLOSED : jzx__loop_enter(loop);
    if (err == JZX_ERR_LOOP_CLOSED) {
        end_unrun(loop);
        *unrun = true;
        return outcome(loop);
    }
    if (err != JZX_OK) {
        /* It may be tried again, or is torn down at the end. */
        __atomic_store_n(&loop->entered, false, __ATOMIC_RELEASE);
    }
    return err;
}

/* At the start of every way to run a loop. With `*unrun` a stop came first, and the loop has been torn down here. */
static jzx_err begin_run(jzx_loop *loop, bool *unrun)
{
    *unrun = false;
    if (loop == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    if (loop->runtime->pid != (int)getpid()) {
        return JZX_ERR_FORKED;
    }
    uint32_t state = atomic_load_explicit(&loop->state, memory_order_acquire);
    if (state == JZX__LOOP_RUNNING) {
        return is_running(loop) ? JZX_ERR_ALREADY_RUNNING : jzx__loop_owned(loop) ? JZX_OK : JZX_ERR_WRONG_THREAD;
    }
    if (!__atomic_exchange_n(&loop->entered, true, __ATOMIC_ACQ_REL)) {
        return first_run(loop, unrun);
    }
    return state == JZX__LOOP_LEFT ? JZX_ERR_LOOP_CLOSED : JZX_ERR_ALREADY_RUNNING; /* another thread is beginning it */
}

static void leave(jzx_loop *loop)
{
    jzx__observe_loop(loop, false);
    if (jzx__park_pay(loop) != JZX_OK) { /* the last phase was perhaps opened here: the others must hear of it */
        jzx__park_ring_failed(loop);
    }
    if (loop->result == JZX_OK) {
        loop->result = jzx__stop_close(loop);
    }
    if (loop->result == JZX_OK) {
        loop->result = outcome(loop);
    }
    jzx__count_set(&loop->segment->state, JZX__LOOP_LEFT);
    jzx__stop_left(loop);
}

/* One turn, and what an enter that failed means. False when the loop has left. */
static bool turn(jzx_loop *loop, bool *more)
{
    *more = jzx__loop_turn(loop);
    if (loop->failed != JZX_OK && loop->result == JZX_OK) {
        loop->result = loop->failed;
        jzx__park_ring_failed(loop);
        (void)jzx_runtime_request_stop(loop->runtime);
    }
    loop->failed = JZX_OK;
    if (loop->leave) {
        leave(loop);
        return false;
    }
    return true;
}

static uint64_t next_deadline(const jzx_loop *loop)
{
    return jzx__deadlines_next_ns(&loop->deadlines);
}

static jzx_err run_to_the_end(jzx_loop *loop)
{
    set_running(loop, true);
    bool more = false;
    while (turn(loop, &more)) {
        if (!more) {
            jzx__loop_note(loop, jzx__park(loop, next_deadline(loop)));
        }
    }
    set_running(loop, false);
    return loop->result;
}

jzx_err jzx_loop_run(jzx_loop *loop)
{
    bool unrun;
    jzx_err err = begin_run(loop, &unrun);
    return err != JZX_OK || unrun ? err : run_to_the_end(loop);
}

/* What stays dirty after a flush waits for room, as it does in jzx__park(). */
static bool idle(jzx_loop *loop)
{
    jzx__route_flush(loop); /* what the host itself has sent */
    return !loop->unseen && jzx__runs_empty(&loop->runs) && !jzx__loop_incoming(loop) &&
           !loop->backend->ops->busy(loop->backend) && !jzx__stop_more(loop);
}

jzx_err jzx_loop_run_once(jzx_loop *loop, uint64_t timeout_ns)
{
    bool unrun;
    jzx_err err = begin_run(loop, &unrun);
    if (err != JZX_OK || unrun) {
        return unrun ? JZX_ERR_LOOP_CLOSED : err;
    }
    set_running(loop, true);
    if (loop->hosted) {
        loop->host_asleep = false;
        atomic_exchange_explicit(&loop->parked, 0, memory_order_acq_rel);
        loop->backend->ops->host_awake(loop->backend);
    }
    if (timeout_ns > 0 && idle(loop)) {
        uint64_t until_ns = jzx__add_saturating(jzx__loop_clock(loop), timeout_ns);
        uint64_t next_ns = next_deadline(loop);
        jzx__loop_note(loop, jzx__park(loop, next_ns < until_ns ? next_ns : until_ns));
    }
    bool more;
    bool here = turn(loop, &more);
    (void)jzx__loop_clock(loop); /* what comes after is the caller's time, not a handler's */
    if (here && loop->hosted) {
        jzx__park_host(loop);
    } else if (here && loop->failed == JZX_OK) {
        /* Nobody knows when the next turn comes: others must not sleep until then. */
        loop->failed = jzx__park_pay(loop);
    }
    set_running(loop, false);
    if (!here) {
        return loop->result == JZX_OK ? JZX_ERR_LOOP_CLOSED : loop->result;
    }
    return JZX_OK;
}

jzx_err jzx_loop_poll_fd(jzx_loop *loop, int *fd)
{
    if (fd == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    bool unrun;
    jzx_err err = begin_run(loop, &unrun);
    if (err != JZX_OK || unrun) {
        return unrun ? JZX_ERR_LOOP_CLOSED : err;
    }
    int made = loop->backend->ops->host_fd(loop->backend);
    if (made < 0) {
        atomic_store_explicit(&loop->runtime->os_error, -made, memory_order_relaxed);
        return made == -EMFILE || made == -ENFILE ? JZX_ERR_FD_LIMIT : JZX_ERR_OS;
    }
    if (!loop->hosted) {
        __atomic_store_n(&loop->hosted, true, __ATOMIC_RELAXED); /* a stop asks, on any thread */
        jzx__park_host(loop);                                    /* what came before is seen at once */
    }
    *fd = made;
    return JZX_OK;
}

static void *thread_main(void *argument)
{
    jzx_loop *loop = argument;
    char name[16];
    (void)snprintf(name, sizeof name, "jzx-%u", loop->index);
    (void)pthread_setname_np(pthread_self(), name);
    bool unrun = false;
    jzx_err err = first_run(loop, &unrun);
    loop->thread_result = err != JZX_OK || unrun ? err : run_to_the_end(loop);
    return NULL;
}

jzx_err jzx_loop_start(jzx_loop *loop)
{
    if (loop == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    if (loop->runtime->pid != (int)getpid()) {
        return JZX_ERR_FORKED;
    }
    uint32_t state = atomic_load_explicit(&loop->state, memory_order_acquire);
    if (loop->has_thread || state == JZX__LOOP_RUNNING) {
        return JZX_ERR_ALREADY_RUNNING;
    }
    if (state == JZX__LOOP_LEFT) {
        return JZX_ERR_LOOP_CLOSED;
    }
    /* Taken here and not on the new thread, so that from now on no other thread can run it first. */
    if (__atomic_exchange_n(&loop->entered, true, __ATOMIC_ACQ_REL)) {
        return JZX_ERR_ALREADY_RUNNING;
    }
    /* Nor use it: from here on it is the new thread's (O1), which may begin at once. */
    uintptr_t maker = atomic_exchange_explicit(&loop->owner, 0, memory_order_relaxed);
    int error = pthread_create(&loop->thread, NULL, thread_main, loop);
    if (error != 0) {
        atomic_store_explicit(&loop->owner, maker, memory_order_relaxed);
        __atomic_store_n(&loop->entered, false, __ATOMIC_RELEASE);
        atomic_store_explicit(&loop->runtime->os_error, error, memory_order_relaxed);
        return JZX_ERR_OS;
    }
    loop->has_thread = true;
    return JZX_OK;
}

jzx_err jzx_loop_join(jzx_loop *loop, jzx_err *result)
{
    if (loop == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    if (!loop->has_thread) {
        return JZX_ERR_NOT_FOUND;
    }
    for (uint32_t i = 0; i < loop->runtime->loop_count; i++) {
        const jzx_loop *here = loop->runtime->loops[i];
        bool ours = here->has_thread && pthread_equal(here->thread, pthread_self()) != 0;
        if (ours || (jzx__loop_owned(here) && is_running(here))) {
            return JZX_ERR_WRONG_THREAD; /* that loop cannot stop while it waits */
        }
    }
    pthread_join(loop->thread, NULL);
    loop->has_thread = false;
    if (result != NULL) {
        *result = loop->thread_result;
    }
    return JZX_OK;
}

jzx_err jzx_loop_request_stop(jzx_loop *loop)
{
    if (loop == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    uint32_t before = atomic_fetch_or_explicit(&loop->asked, JZX__ASKED_STOP, memory_order_acq_rel);
    if ((before & JZX__ASKED_STOP) == 0) {
        jzx__wake(loop);
    }
    return JZX_OK;
}

uint32_t jzx_loop_index(const jzx_loop *loop)
{
    return loop == NULL ? UINT32_MAX : loop->index;
}

jzx_runtime *jzx_loop_runtime(const jzx_loop *loop)
{
    return loop == NULL ? NULL : loop->runtime;
}

jzx_context *jzx_loop_context(jzx_loop *loop)
{
    return loop == NULL ? NULL : &loop->host;
}

jzx_loop *jzx_context_loop(const jzx_context *context)
{
    return context == NULL ? NULL : context->loop;
}

jzx_actor_id jzx_self(const jzx_context *context)
{
    return context == NULL ? 0 : context->self;
}

uint64_t jzx_now_ns(const jzx_context *context)
{
    return jzx__check_context(context) == JZX_OK ? context->loop->now_ns : 0;
}

uint64_t jzx_clock_ns(const jzx_context *context)
{
    return jzx__check_context(context) == JZX_OK ? context->loop->backend->ops->now_ns(context->loop->backend) : 0;
}

uint64_t jzx_random(jzx_context *context)
{
    return jzx__check_context(context) == JZX_OK ? jzx__loop_random(context->loop) : 0;
}

bool jzx_should_yield(const jzx_context *context)
{
    if (jzx__check_context(context) != JZX_OK) {
        return false;
    }
    jzx_loop *loop = context->loop;
    if (jzx__likely(loop->pace.left > 1 && jzx__pace_is_of(&loop->pace, loop))) {
        loop->pace.left--;
        return false;
    }
    return jzx__order_over(loop);
}

void *jzx_alloc(jzx_context *context, size_t size)
{
    if (jzx__check_context(context) != JZX_OK || size == 0) {
        return NULL;
    }
    return jzx__allocate(context->loop, JZX_MEMORY_STATE, size, _Alignof(max_align_t));
}

void jzx_free(jzx_context *context, void *memory, size_t size)
{
    if (jzx__check_context(context) == JZX_OK) {
        jzx__release(context->loop, JZX_MEMORY_STATE, memory, size, _Alignof(max_align_t));
    }
}
