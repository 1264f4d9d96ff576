/* observe: observers and counters. */
#include "src/internal.h"

jzx_err jzx_observer_add(jzx_loop *loop, const jzx_observer *observer, void *user)
{
    if (loop == NULL || observer == NULL || observer->struct_size != sizeof *observer) {
        return JZX_ERR_INVALID_ARG;
    }
    if (!jzx__loop_owned(loop)) {
        return JZX_ERR_WRONG_THREAD;
    }
    if (loop->observer_count == loop->config->observers_max) {
        return JZX_ERR_LIMIT;
    }
    loop->observers[loop->observer_count++] = (jzx__observer_entry){*observer, user};
    return JZX_OK;
}

jzx_err jzx_observer_remove(jzx_loop *loop, void *user)
{
    if (loop == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    if (!jzx__loop_owned(loop)) {
        return JZX_ERR_WRONG_THREAD;
    }
    for (uint32_t i = 0; i < loop->observer_count; i++) {
        if (loop->observers[i].user == user) {
            loop->observer_count--;
            memmove(&loop->observers[i], &loop->observers[i + 1],
                    (loop->observer_count - i) * sizeof loop->observers[0]);
            return JZX_OK;
        }
    }
    return JZX_ERR_NOT_FOUND;
}

const char *jzx_handler_kind_text(uint32_t kind)
{
    static const char *const texts[] = {
        [JZX_HANDLER_MESSAGE] = "message",           [JZX_HANDLER_REQUEST] = "request", [JZX_HANDLER_NOTICE] = "notice",
        [JZX_HANDLER_CONTINUATION] = "continuation", [JZX_HANDLER_INIT] = "init",       [JZX_HANDLER_FINI] = "fini",
    };
    return kind < JZX__COUNT(texts) ? texts[kind] : "unknown";
}

static uint64_t seen(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* The turn is read before and after: what was read between belongs to it. */
static bool stalled(const jzx_loop *loop, uint64_t now_ns, uint64_t longer_ns, jzx_stall *stall)
{
    const jzx_segment_loop *segment = loop->segment;
    stall->loop = loop->index;
    stall->turn = seen(&segment->turn);
    uint64_t began_ns = seen(&segment->turn_began_ns);
    uint64_t aside = seen(&loop->aside.now);
    bool runs = aside > 0 && aside < JZX__ASIDE_OVER;
    uint64_t work = runs ? aside << 32 : seen(&loop->turn.work);
    stall->actor = runs ? seen(&loop->aside.id) : seen(&segment->running_id);
    stall->kind = jzx__handler_kind(work);
    stall->tag = (uint32_t)work;
    bool same = seen(&segment->turn) == stall->turn;
    stall->for_ns = now_ns > began_ns ? now_ns - began_ns : 0;
    return same && stall->actor != 0 && stall->for_ns > longer_ns;
}

jzx_err jzx_runtime_stalls(const jzx_runtime *runtime, uint64_t longer_ns, jzx_stall *stalls, uint32_t max,
                           uint32_t *count)
{
    if (runtime == NULL || count == NULL || (stalls == NULL && max > 0)) {
        return JZX_ERR_INVALID_ARG;
    }
    uint64_t now_ns = jzx__sys_now_ns();
    uint32_t found = 0;
    for (uint32_t i = 0; i < runtime->loop_count; i++) {
        jzx_stall stall;
        if (stalled(runtime->loops[i], now_ns, longer_ns, &stall)) {
            if (found < max) {
                stalls[found] = stall;
            }
            found++;
        }
    }
    *count = found;
    return JZX_OK;
}

jzx_err jzx_loop_stats(const jzx_loop *loop, jzx_counters *counters)
{
    if (loop == NULL || counters == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    const uint64_t *from = (const uint64_t *)(const void *)loop->counters;
    uint64_t *to = (uint64_t *)(void *)counters;
    for (size_t i = 0; i < sizeof *counters / sizeof *to; i++) {
        to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
    }
    return JZX_OK;
}
