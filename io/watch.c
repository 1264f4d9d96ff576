/* watch: see watch.h. */
#include "io/watch.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/tcp.h"

static bool queue_poll(jzx__net *net, jzx__watch *watch)
{
    jzx__sqe sqe = {.op = JZX__OP_POLL, .fd = watch->fd, .arg = watch->events, .user_data = watch->user_poll};
    watch->polling = net->backend->ops->queue(net->backend, &sqe);
    return watch->polling;
}

static bool queue_cancel(jzx__net *net, jzx__watch *watch)
{
    jzx__sqe sqe = {.op = JZX__OP_CANCEL, .fd = -1, .target = watch->user_poll, .user_data = watch->user_cancel};
    watch->cancelling = net->backend->ops->queue(net->backend, &sqe);
    watch->cancelled = watch->cancelling;
    return watch->cancelling;
}

bool jzx__watch_prepare(jzx__net *net, jzx__watch *watch)
{
    if (watch->ending) {
        return !watch->polling || watch->cancelled || queue_cancel(net, watch); /* W1 */
    }
    return watch->polling || watch->ended || queue_poll(net, watch);
}

/* Queues what the watch needs, or remembers it. */
static void settle(jzx__net *net, jzx__watch *watch)
{
    bool listed = !jzx__list_empty(&watch->want);
    bool prepared = jzx__watch_prepare(net, watch);
    if (prepared && listed) {
        jzx__list_remove(&watch->want);
    } else if (!prepared && !listed) {
        jzx__list_append(&net->watch_wants, &watch->want);
    }
}

void jzx__watch_begin(jzx__net *net, jzx__watch *watch, int fd, uint32_t events)
{
    jzx__list_init(&watch->want);
    watch->fd = fd;
    watch->events = events;
    watch->seen = 0;
    watch->error = 0;
    watch->polling = false;
    watch->cancelling = false;
    watch->cancelled = false;
    watch->ending = false;
    watch->ended = false;
    settle(net, watch);
}

void jzx__watch_end(jzx__net *net, jzx__watch *watch)
{
    watch->ending = true; /* W2 */
    settle(net, watch);
}

/*
 * A file without a wait queue is always ready: its poll completes at once, and would each time it is asked for. The type
 * does not tell (/dev/null has none, /proc/self/mounts has one); epoll does, it takes no such file.
 */
static bool always_ready(int fd)
{
    struct epoll_event event = {.events = 0};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) {
        struct stat about; /* out of descriptors: the best guess */
        return fstat(fd, &about) == 0 && (S_ISREG(about.st_mode) || S_ISDIR(about.st_mode) || S_ISBLK(about.st_mode));
    }
    bool refused = epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0 && errno == EPERM;
    close(epoll);
    return refused;
}

bool jzx__watch_complete(jzx__net *net, jzx__watch *watch, const jzx__cqe *cqe)
{
    if (cqe->user_data == watch->user_cancel) {
        JZX_ASSERT(watch->cancelling);
        watch->cancelling = false;
        return false;
    }
    JZX_ASSERT(watch->polling);
    watch->polling = (cqe->flags & JZX__CQE_MORE) != 0;
    if (watch->ending) {
        settle(net, watch); /* a cancel that still waited for room is not needed any more */
        return false;       /* W2 */
    }
    if (cqe->res < 0) {
        watch->error = -cqe->res;
        watch->ended = true;
        return true;
    }
    watch->seen |= (uint32_t)cqe->res;
    if (!watch->polling) {
        /* It ended because completions overflowed, and is asked for again, unless it can tell nothing new. */
        watch->ended = always_ready(watch->fd);
        settle(net, watch);
    }
    return true;
}
