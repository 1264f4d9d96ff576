/*
 * inside: what the files of the simulator share. See jzx/sim.h for what it is.
 *
 *   world.c    threads, turns, time
 *   fault.c    draws and faults              trace.c   events and their hash
 *   memory.c   blocks                        books.c   what must hold of events, whatever runs
 *   file.c     descriptors                   kernel.c  system calls that are about none of the others
 *   uring.c    rings                         ops.c     operations in flight
 *   net.c      sockets                       wire.c    connections, and what flies on them
 *   due.c      what happens at a time        peer.c    the other end of connections
 *   sim.c      the public calls              explore.c, shrink.c, search.h  searching
 *   worker.c   a seed in a process of its own  replay.c  the line that plays one again
 *
 * All of it runs on one real thread. What the simulator itself needs it takes from malloc and aborts without: the
 * machine's memory is memory.c's.
 */
#ifndef JZX__SIM_INSIDE_H
#define JZX__SIM_INSIDE_H

#ifndef JZX__SYS_REAL
#define JZX__SYS_REAL /* io/sys.h */
#endif

#include <jzx/sim.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "io/base.h"

#define JZX__SIM_NEVER UINT64_MAX

/* ---- draws: fault.c. Each stream is independent of how often others are drawn from. ---- */

typedef enum jzx__sim_stream {
    JZX__SIM_STREAM_CONFIG,   /* how the machine is */
    JZX__SIM_STREAM_SCHEDULE, /* who runs */
    JZX__SIM_STREAM_CLOCK,
    JZX__SIM_STREAM_KERNEL, /* order of completions, and all that a kernel is free to do */
    JZX__SIM_STREAM_NET,    /* latency */
    JZX__SIM_STREAM_BITS,   /* what getrandom() gives */
    JZX__SIM_STREAM_USER,   /* jzx_sim_random() */
    JZX__SIM_STREAM_AMOUNT, /* of faults */
    JZX__SIM_STREAMS
} jzx__sim_stream;

uint64_t jzx__sim_draw(jzx_sim *sim, jzx__sim_stream stream);
uint64_t jzx__sim_between(jzx_sim *sim, jzx__sim_stream stream, uint64_t least, uint64_t most); /* both can be drawn */
bool jzx__sim_chance(jzx_sim *sim, jzx__sim_stream stream, uint32_t of_1024);

/*
 * An occasion for the fault: does it have it? *amount (may be NULL) is then the one that was scripted, or the one that was
 * drawn between least and most. Written to the trace when it has.
 */
bool jzx__sim_fault(jzx_sim *sim, jzx_sim_fault fault);
bool jzx__sim_fault_amount(jzx_sim *sim, jzx_sim_fault fault, uint64_t least, uint64_t most, uint64_t *amount);
/* For faults that are an errno: the scripted one, or one of `errors` (count of them), drawn. */
bool jzx__sim_fault_errno(jzx_sim *sim, jzx_sim_fault fault, const int *errors, uint32_t count, int *error);

/* ---- trace: trace.c ---- */

/* One event: a word for what, and up to three numbers. Never an address, nor a real descriptor. */
void jzx__sim_event(jzx_sim *sim, const char *what, uint64_t a, uint64_t b, uint64_t c);

/* ---- the machine's clock, and memory of the simulator itself (aborts when there is none) ---- */

uint64_t jzx__sim_clock(const jzx_sim *sim);                                       /* as it stands: no tick */
void *jzx__sim_own_alloc(size_t size);                                             /* zeroed */
void *jzx__sim_own_grow(void *items, uint32_t *room, uint32_t count, size_t size); /* room for one more than count */

/* ---- descriptors: file.c. Numbers from JZX__SIM_FD_FIRST; the lowest free one is given, as a kernel does. ---- */

enum { JZX__SIM_FD_FIRST = 1 << 20 };

typedef enum jzx__sim_fd_kind {
    JZX__SIM_FD_FREE = 0,
    JZX__SIM_FD_RING,
    JZX__SIM_FD_EVENT, /* an eventfd */
    JZX__SIM_FD_SOCKET,
    JZX__SIM_FD_NOTHING, /* /dev/null */
} jzx__sim_fd_kind;

typedef struct jzx__sim_fds jzx__sim_fds;

jzx__sim_fds *jzx__sim_fds_create(void);
void jzx__sim_fds_destroy(jzx__sim_fds *fds);      /* and what is still open */
jzx__sim_fds *jzx__sim_fds_of(const jzx_sim *sim); /* sim.c */
int jzx__sim_fd_open(jzx_sim *sim, jzx__sim_fd_kind kind, void *object);
void *jzx__sim_fd_find(const jzx_sim *sim, int fd, jzx__sim_fd_kind kind); /* NULL: not open, or of another kind */
jzx__sim_fd_kind jzx__sim_fd_kind_of(const jzx_sim *sim, int fd);          /* FREE also for a real descriptor */
void jzx__sim_fd_drop(jzx_sim *sim, int fd);    /* its number is free; the object is the caller's */
uint32_t jzx__sim_fd_count(const jzx_sim *sim); /* of jzx_sim_file_open() too */
/* What was fed to files and is due now arrives; net.c asks. */
bool jzx__sim_files_step(jzx_sim *sim);
uint64_t jzx__sim_files_next_ns(const jzx_sim *sim);

const jzx_sim_config *jzx__sim_config_of(const jzx_sim *sim); /* sim.c */
void jzx__sim_fd_touched(jzx_sim *sim, int fd); /* uring.c: what waits for the descriptor has to look again */

/* ---- sockets: net.c. All return -errno on failure, and never block: -EAGAIN. ---- */

typedef struct jzx__sim_net jzx__sim_net;

jzx__sim_net *jzx__sim_net_create(jzx_sim *sim);
void jzx__sim_net_destroy(jzx__sim_net *net);
jzx__sim_net *jzx__sim_net_of(jzx_sim *sim); /* sim.c */

int jzx__sim_socket_open(jzx_sim *sim, int family);                                             /* a stream's; fd */
int jzx__sim_socket_bind(jzx_sim *sim, int fd, const struct sockaddr *address, socklen_t size); /* port 0: a free one */
int jzx__sim_socket_listen(jzx_sim *sim, int fd, int backlog);
int jzx__sim_socket_name(jzx_sim *sim, int fd, struct sockaddr *address, socklen_t *size);
int jzx__sim_socket_accept(jzx_sim *sim, int fd); /* fd of the connection */
/* Begins, and when it has begun says how it went: 0, -EINPROGRESS (not known yet), or what went wrong. */
int jzx__sim_socket_connect(jzx_sim *sim, int fd, const struct sockaddr *address, socklen_t size);
ssize_t jzx__sim_socket_receive(jzx_sim *sim, int fd, void *to, size_t room); /* to NULL: throws away; 0: the end */
ssize_t jzx__sim_socket_send(jzx_sim *sim, int fd, const struct iovec *parts, uint32_t count);
short jzx__sim_socket_poll(jzx_sim *sim, int fd, short events); /* POLL* bits */
int jzx__sim_socket_option(jzx_sim *sim, int fd, int level, int name, const void *value, socklen_t size);
int jzx__sim_socket_shutdown(jzx_sim *sim, int fd, int how);
int jzx__sim_socket_close(jzx_sim *sim, int fd); /* the number too */

/* Carries out what is due now: segments that arrive, peers' callbacks. True when anything was. */
bool jzx__sim_net_step(jzx_sim *sim);
uint64_t jzx__sim_net_next_ns(const jzx_sim *sim);
uint32_t jzx__sim_net_open(const jzx_sim *sim); /* sockets and peers that are not gone */

#endif
