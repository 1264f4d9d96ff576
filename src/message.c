/* message: send, post, request, answer and ask. */
#include <unistd.h>

#include "sched/call.h"
#include "sched/mailbox.h"
#include "sched/spin.h"
#include "src/internal.h"

/* Any message by anyone. Outside of a turn the loop may have to be told. */
static jzx_err send_any(jzx_context *context, jzx_actor_id to, const jzx_message *message, uint32_t flags)
{
    if (context->slot != JZX__SLOT_NONE) {
        return jzx__send(context, to, message, flags, 0);
    }
    if (atomic_load_explicit(&context->loop->runtime->phase, memory_order_relaxed) >= JZX__PHASE_DRAIN) {
        return JZX_ERR_LOOP_CLOSED; /* nobody may be left who takes it */
    }
    jzx_err err = jzx__send(context, to, message, flags & JZX__FLAG_HIGH, 0); /* it has no mailbox for reports */
    jzx__loop_touch(context->loop);
    return err;
}

jzx_err jzx_send(jzx_context *context, jzx_actor_id to, const jzx_message *message)
{
    jzx_err err = jzx__check_context(context);
    if (jzx__likely(err == JZX_OK)) {
        err = jzx__check_message(message);
    }
    if (jzx__unlikely(err != JZX_OK)) {
        return err;
    }
    if (jzx__unlikely(message->flags != 0 || context->slot == JZX__SLOT_NONE)) {
        return send_any(context, to, message, 0);
    }
    return jzx__send_value(context, to, message, 0, 0);
}

jzx_err jzx_send_with(jzx_context *context, jzx_actor_id to, const jzx_message *message, uint32_t flags)
{
    jzx_err err = jzx__check_context(context);
    if (err == JZX_OK) {
        bool known = (flags & ~(uint32_t)(JZX_SEND_REPORT | JZX_SEND_HIGH)) == 0;
        err = known ? jzx__check_message(message) : JZX_ERR_INVALID_ARG;
    }
    if (err != JZX_OK) {
        return err;
    }
    uint32_t cell_flags = (flags & JZX_SEND_REPORT) != 0 ? JZX__FLAG_REPORT : 0;
    cell_flags |= (flags & JZX_SEND_HIGH) != 0 ? JZX__FLAG_HIGH : 0;
    return send_any(context, to, message, cell_flags);
}

jzx_err jzx_resume(jzx_context *context, jzx_actor_id to)
{
    jzx_err err = jzx__check_actor(context);
    if (err != JZX_OK) {
        return err;
    }
    if ((uint32_t)to == 0 || jzx__id_loop(to) >= context->loop->runtime->loop_count) {
        return JZX_ERR_INVALID_ARG;
    }
    return context->ending ? JZX_ERR_STOPPING : jzx__resume_ask(context, to);
}

jzx_err jzx_request(jzx_context *context, jzx_actor_id to, const jzx_message *message, uint64_t timeout_ns,
                    uint64_t *ref)
{
    jzx_err err = jzx__check_living(context);
    if (err == JZX_OK) {
        err = jzx__check_message(message);
    }
    return err == JZX_OK ? jzx__request_send(context, to, message, timeout_ns, ref) : err;
}

jzx_err jzx_answer(jzx_context *context, uint64_t ref, const jzx_message *message)
{
    jzx_err err = jzx__check_actor(context);
    if (err == JZX_OK) {
        err = jzx__check_message(message);
    }
    return err == JZX_OK ? jzx__request_answer(context, ref, message) : err;
}

/* ---- from threads that run no loop ---- */

static bool on_a_loop(const jzx_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->loop_count; i++) {
        const jzx_loop *loop = runtime->loops[i];
        if (atomic_load_explicit(&loop->state, memory_order_relaxed) == JZX__LOOP_RUNNING && jzx__loop_owned(loop)) {
            return true;
        }
    }
    return false;
}

jzx_err jzx__check_post(const jzx_runtime *runtime, const jzx_message *message)
{
    jzx_err err = jzx__check_message(message);
    if (err != JZX_OK) {
        return err;
    }
    if (on_a_loop(runtime)) {
        return JZX_ERR_WRONG_THREAD;
    }
    if (atomic_load_explicit(&runtime->stop, memory_order_acquire) != 0) {
        return JZX_ERR_LOOP_CLOSED;
    }
    return JZX_OK;
}

/* What refuses a post before it is tried. */
static jzx_err check_post(const jzx_runtime *runtime, jzx_actor_id to, const jzx_message *message)
{
    jzx_err err = jzx__check_post(runtime, message);
    return err == JZX_OK ? jzx__route_refusal(runtime, to) : err;
}

/* With a token it is a request. Inline, so that a post knows that it has none. */
static inline __attribute__((always_inline)) jzx_err post_to(jzx_loop *target, jzx__inbox *inbox, jzx_actor_id to,
                                                             const jzx_message *message, uint64_t token)
{
    unsigned int ticket = 0;
    JZX__SIM_POINT("post: before write");
    jzx__cell *cell = jzx__inbox_reserve(inbox, &ticket);
    if (cell == NULL) {
        return JZX_ERR_WOULD_BLOCK;
    }
    jzx__cell_from_message(cell, message, JZX__CELL_MAIL);
    if (token != 0) {
        cell->flags |= JZX__FLAG_REQUEST;
    }
    cell->token = token;
    cell->target = to;
    cell->sender = 0;
    jzx__inbox_publish(inbox, ticket);
    JZX__SIM_POINT("post: written");
    jzx__wake(target);
    return JZX_OK;
}

jzx_err jzx_post(jzx_runtime *runtime, jzx_actor_id to, const jzx_message *message)
{
    if (runtime == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    jzx_err err = check_post(runtime, to, message);
    if (err != JZX_OK) {
        return err;
    }
    jzx_loop *target = runtime->loops[jzx__id_loop(to)];
    return post_to(target, &target->inbox, to, message, 0);
}

static void *allocate(const jzx_runtime *runtime, size_t size, size_t align)
{
    const jzx_allocator *allocator = &runtime->config.allocators[JZX_MEMORY_METADATA];
    return allocator->alloc(allocator->context, size, align);
}

static void free_poster(const jzx_runtime *runtime, jzx_poster *poster, uint32_t made)
{
    const jzx_allocator *allocator = &runtime->config.allocators[JZX_MEMORY_METADATA];
    for (uint32_t i = 0; i < made; i++) {
        jzx__inbox_deinit(&poster->inboxes[i]);
    }
    if (poster->inboxes != NULL) {
        allocator->free(allocator->context, poster->inboxes, runtime->loop_count * sizeof(jzx__inbox),
                        _Alignof(jzx__inbox));
    }
    allocator->free(allocator->context, poster, sizeof *poster, _Alignof(jzx_poster));
}

static jzx_err make_poster(jzx_runtime *runtime, uint32_t size, jzx_poster **out)
{
    jzx_poster *poster = allocate(runtime, sizeof *poster, _Alignof(jzx_poster));
    if (poster == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    poster->runtime = runtime;
    poster->loop_count = runtime->loop_count;
    poster->inboxes = allocate(runtime, runtime->loop_count * sizeof(jzx__inbox), _Alignof(jzx__inbox));
    uint32_t made = 0;
    jzx_err err = poster->inboxes == NULL ? JZX_ERR_NO_MEMORY : JZX_OK;
    while (err == JZX_OK && made < runtime->loop_count) {
        err = jzx__inbox_init(&poster->inboxes[made], size, false, &runtime->config.allocators[JZX_MEMORY_METADATA]);
        if (err == JZX_OK) {
            poster->inboxes[made].after = jzx__inbox_tail(&runtime->loops[made]->inbox);
            made++;
        }
    }
    if (err != JZX_OK) {
        free_poster(runtime, poster, made);
        return err;
    }
    *out = poster;
    return JZX_OK;
}

jzx_err jzx_poster_create(jzx_runtime *runtime, uint32_t size, jzx_poster **out)
{
    if (runtime == NULL || out == NULL || size < 4 || size > 65536 || (size & (size - 1)) != 0) {
        return JZX_ERR_INVALID_ARG;
    }
    if (on_a_loop(runtime)) {
        return JZX_ERR_WRONG_THREAD;
    }
    if (atomic_load_explicit(&runtime->stop, memory_order_acquire) != 0) {
        return JZX_ERR_LOOP_CLOSED;
    }
    jzx__spin_lock(&runtime->poster_lock);
    uint32_t count = atomic_load_explicit(&runtime->poster_count, memory_order_relaxed);
    jzx_err err = JZX_ERR_LIMIT;
    if (count < runtime->config.posters_max) {
        err = make_poster(runtime, size, &runtime->posters[count]);
    }
    if (err == JZX_OK) {
        *out = runtime->posters[count];
        /* Release: pairs with the acquire in posters_made(). */
        atomic_store_explicit(&runtime->poster_count, count + 1, memory_order_release);
    }
    jzx__spin_unlock(&runtime->poster_lock);
    return err;
}

jzx_err jzx_poster_post(jzx_poster *poster, jzx_actor_id to, const jzx_message *message)
{
    if (poster == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    jzx_err err = check_post(poster->runtime, to, message);
    if (err != JZX_OK) {
        return err;
    }
    uint32_t loop = jzx__id_loop(to);
    return post_to(poster->runtime->loops[loop], &poster->inboxes[loop], to, message, 0);
}

/* ---- asking ---- */

/* A thread with a loop that has not begun to run would wait for itself. */
static bool has_a_loop(const jzx_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->loop_count; i++) {
        const jzx_loop *loop = runtime->loops[i];
        if (atomic_load_explicit(&loop->state, memory_order_relaxed) != JZX__LOOP_LEFT && jzx__loop_owned(loop)) {
            return true;
        }
    }
    return false;
}

static jzx_err check_ask(const jzx_runtime *runtime, jzx_actor_id to, const jzx_message *message,
                         const jzx_message *answer)
{
    if (answer == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    if (runtime->pid != (int)getpid()) {
        return JZX_ERR_FORKED; /* no loop of this process will answer */
    }
    jzx_err err = check_post(runtime, to, message);
    return err == JZX_OK && has_a_loop(runtime) ? JZX_ERR_WRONG_THREAD : err;
}

/* The runtime's word on a request that has no answer. */
static jzx_message no_answer(jzx_actor_id target, uint32_t tag, jzx_drop_reason reason)
{
    jzx_no_answer none = {.target = target, .tag = tag, .reason = reason};
    jzx_message message = jzx_message_value(JZX_TAG_SYS_NO_ANSWER, &none, sizeof none);
    message.flags = JZX_MESSAGE_ANSWER;
    message.sender = target;
    return message;
}

static jzx_err ask(jzx_runtime *runtime, jzx__inbox *inbox, jzx_actor_id to, const jzx_message *message,
                   uint64_t timeout_ns, jzx_message *answer)
{
    uint64_t deadline_ns = jzx__add_saturating(jzx__sys_now_ns(), timeout_ns);
    uint64_t token;
    jzx_err err = jzx__asker_take(&runtime->askers, &token);
    if (err != JZX_OK) {
        return err;
    }
    err = post_to(runtime->loops[jzx__id_loop(to)], inbox, to, message, token);
    if (err != JZX_OK) {
        jzx__asker_give(&runtime->askers, token);
        return err;
    }
    err = jzx__asker_wait(&runtime->askers, token, deadline_ns, answer);
    if (err != JZX_OK) {
        *answer = no_answer(to, message->tag, err == JZX_ERR_TIMEOUT ? JZX_DROP_DEADLINE : JZX_DROP_CLOSED);
    }
    return JZX_OK;
}

jzx_err jzx_ask(jzx_runtime *runtime, jzx_actor_id to, const jzx_message *message, uint64_t timeout_ns,
                jzx_message *answer)
{
    jzx_err err = runtime == NULL ? JZX_ERR_INVALID_ARG : check_ask(runtime, to, message, answer);
    return err == JZX_OK ? ask(runtime, &runtime->loops[jzx__id_loop(to)]->inbox, to, message, timeout_ns, answer)
                         : err;
}

jzx_err jzx_poster_ask(jzx_poster *poster, jzx_actor_id to, const jzx_message *message, uint64_t timeout_ns,
                       jzx_message *answer)
{
    jzx_err err = poster == NULL ? JZX_ERR_INVALID_ARG : check_ask(poster->runtime, to, message, answer);
    return err == JZX_OK ? ask(poster->runtime, &poster->inboxes[jzx__id_loop(to)], to, message, timeout_ns, answer)
                         : err;
}

jzx_err jzx_answer_err(const jzx_message *answer)
{
    if (answer == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    if (answer->tag != JZX_TAG_SYS_NO_ANSWER) {
        return JZX_OK;
    }
    jzx_no_answer none;
    memcpy(&none, answer->bytes, sizeof none);
    return jzx__call_err(none.reason);
}
