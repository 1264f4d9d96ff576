/* io: readiness of foreign descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "src/internal.h"

static uint32_t events_of(uint32_t interest)
{
    return ((interest & JZX_IO_READ) != 0 ? POLLIN | POLLRDHUP : 0u) | ((interest & JZX_IO_WRITE) != 0 ? POLLOUT : 0u) |
           ((interest & JZX_IO_PRIORITY) != 0 ? POLLPRI : 0u);
}

jzx_err jzx_watch(jzx_context *context, int fd, uint32_t interest, jzx_watch_id *watch)
{
    const uint32_t all = JZX_IO_READ | JZX_IO_WRITE | JZX_IO_PRIORITY;
    jzx_err err = jzx__check_living(context);
    if (err != JZX_OK) {
        return err;
    }
    if (fd < 0 || interest == 0 || (interest & ~all) != 0 || watch == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    if (fcntl(fd, F_GETFD) < 0) {
        atomic_store_explicit(&context->loop->runtime->os_error, errno, memory_order_relaxed);
        return JZX_ERR_IO_REG_FAILED;
    }
    return jzx__watch_start(context, fd, events_of(interest), watch);
}

jzx_err jzx_unwatch(jzx_context *context, jzx_watch_id watch)
{
    jzx_err err = jzx__check_actor(context);
    return err == JZX_OK ? jzx__watch_stop(context, watch) : err;
}
