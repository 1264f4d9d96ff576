/*
 * jzx/io.h: readiness of file descriptors that others opened. For TCP see net.h, which needs no readiness.
 *
 * Edge by edge and coalesced: at most one event of a watch is waiting for its actor, and it holds every kind of
 * readiness seen since the last one. An event may be stale: read until EAGAIN. (io_uring multishot POLL_ADD.)
 */
#ifndef JZX_IO_H
#define JZX_IO_H

#include <jzx/message.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint64_t jzx_watch_id; /* opaque, with a generation: a descriptor number used again is another watch */

enum {
    JZX_IO_READ = 1u << 0,
    JZX_IO_WRITE = 1u << 1,
    JZX_IO_PRIORITY = 1u << 2, /* POLLPRI */
    JZX_IO_ERROR = 1u << 3,    /* always reported; cannot be asked for */
    JZX_IO_HANGUP = 1u << 4,   /* always reported; cannot be asked for */
};

/** JZX_TAG_SYS_IO: a watched descriptor is ready, or its watch has ended (ended = true: no more events come). */
typedef struct jzx_io_event {
    jzx_watch_id watch;
    int32_t fd;
    uint32_t readiness; /* JZX_IO_* */
    int32_t error;      /* with `ended`: the errno that ended the watch, or 0 */
    bool ended;
} jzx_io_event;

/**
 * Watches `fd` for this actor until jzx_unwatch() or the actor's end. The descriptor stays the caller's and is never
 * closed here. Unwatch before closing it: the kernel goes on reporting the old file otherwise, though never to a newer
 * watch on the same number.
 *
 * Thread:  the loop's, in a handler.
 * Returns: JZX_OK with *watch; JZX_ERR_INVALID_ARG (fd < 0, no or unknown interest, the host's context);
 *          JZX_ERR_IO_REG_FAILED (the descriptor is not open; jzx_runtime_os_error()); JZX_ERR_LIMIT (watches_max);
 *          JZX_ERR_NO_MEMORY; JZX_ERR_STOPPING (in fini); JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_watch(jzx_context *context, int fd, uint32_t interest, jzx_watch_id *watch);

/**
 * Ends a watch: no event of it is handled after this call, also one that is queued.
 *
 * Thread:  the loop's, in a handler.
 * Returns: JZX_OK; JZX_ERR_IO_NOT_WATCHED (ended before, or not this actor's); JZX_ERR_INVALID_ARG (the host's
 *          context); JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_unwatch(jzx_context *context, jzx_watch_id watch);

#ifdef __cplusplus
}
#endif
#endif
