/* restart: the restart decision and the backoff as pure functions; see restart.h. */
#include "src/restart.h"
#include "src/internal.h"

size_t jzx__window_size(uint32_t intensity)
{
    return intensity == JZX_INTENSITY_UNLIMITED ? 0 : intensity * sizeof(uint64_t);
}

void jzx__window_init(jzx__window *window, uint32_t intensity, uint64_t period_ns, uint64_t *times)
{
    JZX_ASSERT(intensity <= JZX_INTENSITY_MAX || intensity == JZX_INTENSITY_UNLIMITED);
    JZX_ASSERT((times != NULL) == (jzx__window_size(intensity) != 0));
    *window = (jzx__window){.times = times, .intensity = intensity, .period_ns = period_ns};
}

/*
 * Time does not go back, so of the last `intensity` restarts the oldest leaves the window first: when it has left, at
 * most intensity - 1 others are in it, and when it has not, all are (V1). Looking at that one is enough.
 */
bool jzx__window_allows(jzx__window *window, uint64_t now_ns)
{
    if (window->intensity == JZX_INTENSITY_UNLIMITED) {
        return true;
    }
    if (window->count < window->intensity) {
        window->times[window->count++] = now_ns;
        return true;
    }
    if (window->intensity == 0 || now_ns - window->times[window->first] <= window->period_ns) {
        return false;
    }
    window->times[window->first] = now_ns;
    window->first = window->first + 1 == window->intensity ? 0 : window->first + 1;
    return true;
}

static uint64_t next_linear(uint64_t last_ns, const jzx_backoff *backoff)
{
    if (last_ns >= backoff->max_ns || backoff->max_ns - last_ns <= backoff->initial_ns) {
        return backoff->max_ns;
    }
    return last_ns + backoff->initial_ns;
}

/* Rounded to whole nanoseconds; a factor over 1 that is lost by it still adds one. */
static uint64_t next_exponential(uint64_t last_ns, const jzx_backoff *backoff)
{
    double next = (double)last_ns * backoff->factor + 0.5;
    if (last_ns >= backoff->max_ns || next >= (double)backoff->max_ns) {
        return backoff->max_ns; /* before it is an integer: it may be one that no integer holds */
    }
    uint64_t next_ns = (uint64_t)next;
    return next_ns <= last_ns && backoff->factor > 1 ? last_ns + 1 : next_ns;
}

static uint64_t next_delay(uint64_t last_ns, const jzx_backoff *backoff)
{
    switch ((jzx_backoff_kind)backoff->kind) {
    case JZX_BACKOFF_INHERIT:
    case JZX_BACKOFF_NONE:
        return 0;
    case JZX_BACKOFF_CONSTANT:
        return backoff->initial_ns;
    case JZX_BACKOFF_LINEAR:
        return last_ns == 0 ? backoff->initial_ns : next_linear(last_ns, backoff);
    case JZX_BACKOFF_EXPONENTIAL:
        return last_ns == 0 ? backoff->initial_ns : next_exponential(last_ns, backoff);
    }
    return 0;
}

uint64_t jzx__row_next(jzx__row *row, const jzx_backoff *backoff, uint64_t uptime_ns, uint64_t random)
{
    JZX_ASSERT(backoff->jitter <= 1000);
    if (uptime_ns != 0 && uptime_ns >= backoff->reset_ns) {
        row->last_ns = 0;
    }
    uint64_t delay_ns = next_delay(row->last_ns, backoff);
    row->last_ns = delay_ns;
    uint64_t span_ns = delay_ns / 1000 * backoff->jitter + delay_ns % 1000 * backoff->jitter / 1000;
    /* The high half of the product: 0 to span_ns, each as often but for one in 2^64 / span_ns. */
    return delay_ns - (uint64_t)(((unsigned __int128)random * ((unsigned __int128)span_ns + 1)) >> 64);
}

bool jzx__restarts(jzx_restart restart, jzx_exit_kind kind)
{
    switch (restart) {
    case JZX_PERMANENT:
        return true;
    case JZX_TRANSIENT:
        return kind != JZX_EXIT_NORMAL && kind != JZX_EXIT_SHUTDOWN;
    case JZX_TEMPORARY:
        return false;
    }
    return false;
}
