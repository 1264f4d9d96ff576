/* observe: tells each observer of a loop. Owner thread only; a branch when there is none. */
#include "sched/mailbox.h"

#define EACH(loop, hook, ...)                                              \
    for (uint32_t i = 0; i < (loop)->observer_count; i++) {                \
        const jzx__observer_entry *entry = &(loop)->observers[i];          \
        if (entry->observer.hook != NULL) {                                \
            entry->observer.hook(entry->user, &(loop)->host, __VA_ARGS__); \
        }                                                                  \
    }

void jzx__observe_loop(jzx_loop *loop, bool start)
{
    for (uint32_t i = 0; i < loop->observer_count; i++) {
        const jzx__observer_entry *entry = &loop->observers[i];
        void (*hook)(void *, jzx_context *) = start ? entry->observer.loop_start : entry->observer.loop_stop;
        if (hook != NULL) {
            hook(entry->user, &loop->host);
        }
    }
}

void jzx__observe_start(jzx_loop *loop, jzx_actor_id id, const char *name)
{
    EACH(loop, actor_start, id, name)
}

void jzx__observe_stop(jzx_loop *loop, const jzx_exit_info *info, const char *name)
{
    EACH(loop, actor_stop, info, name)
}

void jzx__observe_init_failed(jzx_loop *loop, const jzx_exit_info *info, const char *name)
{
    EACH(loop, actor_init_failed, info, name)
}

void jzx__observe_full(jzx_loop *loop, uint32_t index)
{
    jzx__hot *hot = jzx__slot_hot(&loop->slots, index);
    if ((hot->flags & JZX__SLOT_FULL_SEEN) == 0) {
        hot->flags |= JZX__SLOT_FULL_SEEN; /* until it falls to its low mark */
        EACH(loop, mailbox_full, jzx__public(loop, index)->id)
    }
}

void jzx__observe_dead(jzx_loop *loop, jzx_actor_id target, const jzx__cell *cell, jzx_drop_reason reason)
{
    if (loop->observer_count == 0 || loop->telling_dead) {
        return; /* of a letter that an observer wrote about a dead one: it would go on for ever */
    }
    jzx_message message;
    jzx__cell_to_message(cell, &message);
    loop->telling_dead = true;
    EACH(loop, dead_letter, target, &message, reason)
    loop->telling_dead = false;
}

/* ---- slow handlers ---- */

void jzx__observe_slow(jzx_loop *loop, jzx_actor_id id, uint64_t work, uint64_t took_ns)
{
    jzx_slow_handler slow = {.struct_size = sizeof slow, .id = id, .took_ns = took_ns, .tag = (uint32_t)work};
    slow.kind = jzx__handler_kind(work);
    jzx__count_add(&loop->counters->slow_handlers, 1);
    EACH(loop, slow_handler, &slow)
}

/* The clock, but for the time of inits and finis. */
static uint64_t own_ns(const jzx_loop *loop)
{
    return loop->backend->ops->now_ns(loop->backend) - loop->aside.timed_ns;
}

uint64_t jzx__aside_clock(const jzx_loop *loop)
{
    return loop->config->slow_handler_ns != 0 ? own_ns(loop) : 0;
}

/* The handler around it, if there is one, has not had this time. */
void jzx__aside_timed(jzx_loop *loop, uint64_t began_ns, jzx_handler_kind kind)
{
    uint64_t took_ns = own_ns(loop) - began_ns;
    loop->aside.window_ns = 0;
    loop->aside.timed_ns += took_ns;
    loop->window_began_ns += loop->window_began_ns != 0 ? took_ns : 0;
    if (took_ns >= loop->config->slow_handler_ns) {
        jzx__observe_slow(loop, loop->aside.id, (uint64_t)kind << 32, took_ns);
    }
}

void jzx__observe_supervision(jzx_loop *loop, const jzx_supervision_event *event)
{
    EACH(loop, supervision, event)
}

void jzx__observe_accept_failed(jzx_loop *loop, jzx_actor_id owner, int os_error)
{
    EACH(loop, accept_failed, owner, os_error)
}
