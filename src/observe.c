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
