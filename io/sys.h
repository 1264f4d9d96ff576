/*
 * sys: every call of the system that libjzx makes and whose outcome is the world's: time, memory, threads, sockets, rings.
 *
 * In a production build it adds a few calls that libc has not, and that is all.
 * In the simulation build (JZX__SIM) each of these names means the simulator's (sim/), and it is the only place where the
 * simulator comes in: code above says what it says in production. So the seam costs nothing, and io/uring.c is simulated
 * with the rest.
 *
 * What is not here stays the real system's in a simulation too: /proc, the shared segment, epoll's word on a descriptor.
 */
#ifndef JZX__SYS_H
#define JZX__SYS_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "io/base.h"

#ifndef JZX__SIM

/* Memory where no allocator was given. NULL when there is none. */
static inline void *jzx__sys_alloc(size_t size, size_t align)
{
    if (align <= _Alignof(max_align_t)) {
        return malloc(size == 0 ? 1 : size);
    }
    void *memory;
    return posix_memalign(&memory, align, size) == 0 ? memory : NULL;
}
static inline void jzx__sys_free(void *memory)
{
    free(memory);
}

/* Sleeps while *word is `value`, at most until the deadline (CLOCK_MONOTONIC; UINT64_MAX: none). Also returns for nothing. */
static inline void jzx__sys_wait(_Atomic(uint32_t) *word, uint32_t value, uint64_t deadline_ns)
{
    struct timespec until = {(time_t)(deadline_ns / 1000000000u), (long)(deadline_ns % 1000000000u)};
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value, deadline_ns == UINT64_MAX ? NULL : &until, NULL,
            FUTEX_BITSET_MATCH_ANY);
}

/* Wakes all that sleep on the word. */
static inline void jzx__sys_wake(_Atomic(uint32_t) *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* CLOCK_MONOTONIC. */
static inline uint64_t jzx__sys_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A descriptor that is only there to be given up later. -1 with errno. */
static inline int jzx__sys_open_nothing(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Throws away what a socket has received, at most `size` bytes. False when there was nothing. */
static inline bool jzx__sys_discard(int fd, size_t size)
{
    /* Nothing is written anywhere. The sanitizers do not know that of recv(), so they are not asked. */
    return syscall(SYS_recvfrom, fd, NULL, size, MSG_TRUNC | MSG_DONTWAIT, NULL, NULL) > 0;
}

/* io_uring_register() without a ring, or with one of liburing's. -errno. */
static inline int jzx__sys_uring_register(int ring_fd, unsigned opcode, const void *argument, unsigned count)
{
    long result = syscall(__NR_io_uring_register, ring_fd, opcode, argument, count);
    return result < 0 ? -errno : (int)result;
}

#else

/* Whatever declares one of these names must have done so before the name means something else. */
#include <liburing.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/random.h>

void jzx__sys_wait(_Atomic(uint32_t) *word, uint32_t value, uint64_t deadline_ns);
void jzx__sys_wake(_Atomic(uint32_t) *word);
uint64_t jzx__sys_now_ns(void);
bool jzx__sys_discard(int fd, size_t size);
int jzx__sys_uring_register(int ring_fd, unsigned opcode, const void *argument, unsigned count);

ssize_t jzx__sim_getrandom(void *bits, size_t size, unsigned flags);
void *jzx__sys_alloc(size_t size, size_t align);
void jzx__sys_free(void *memory);

int jzx__sim_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *), void *argument);
int jzx__sim_pthread_join(pthread_t thread, void **result);
pthread_t jzx__sim_pthread_self(void);
int jzx__sim_sched_yield(void);

int jzx__sim_eventfd(unsigned count, int flags);
int jzx__sys_open_nothing(void);
ssize_t jzx__sim_read(int fd, void *to, size_t size);
ssize_t jzx__sim_write(int fd, const void *from, size_t size);
int jzx__sim_close(int fd);

int jzx__sim_socket(int family, int type, int protocol);
int jzx__sim_setsockopt(int fd, int level, int name, const void *value, socklen_t size);
int jzx__sim_getsockopt(int fd, int level, int name, void *value, socklen_t *size);
int jzx__sim_bind(int fd, const struct sockaddr *address, socklen_t size);
int jzx__sim_listen(int fd, int backlog);
int jzx__sim_getsockname(int fd, struct sockaddr *address, socklen_t *size);
int jzx__sim_shutdown(int fd, int how);
int jzx__sim_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);

int jzx__sim_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *params);
void jzx__sim_queue_exit(struct io_uring *ring);
int jzx__sim_ring_dontfork(struct io_uring *ring);
int jzx__sim_enter2(unsigned fd, unsigned to_submit, unsigned wait_for, unsigned flags, void *argument, size_t size);
int jzx__sim_register_ring_fd(struct io_uring *ring);
int jzx__sim_unregister_ring_fd(struct io_uring *ring);
int jzx__sim_register_iowq_max_workers(struct io_uring *ring, unsigned *values);
int jzx__sim_register_buf_ring(struct io_uring *ring, struct io_uring_buf_reg *what, unsigned flags);
int jzx__sim_register_eventfd(struct io_uring *ring, int fd);
int jzx__sim_unregister_eventfd(struct io_uring *ring);

#ifndef JZX__SYS_REAL /* the simulator itself, and its tests, mean the real ones */

#define getrandom(bits, size, flags) jzx__sim_getrandom(bits, size, flags)

#define pthread_create(thread, attributes, main, argument) jzx__sim_pthread_create(thread, attributes, main, argument)
#define pthread_join(thread, result) jzx__sim_pthread_join(thread, result)
#define pthread_self() jzx__sim_pthread_self()
#define pthread_setname_np(thread, name) ((void)(thread), (void)(name), 0)
#define pthread_setaffinity_np(thread, size, set) ((void)(thread), (void)(set), 0)
#define sched_yield() jzx__sim_sched_yield()

#define eventfd(count, flags) jzx__sim_eventfd(count, flags)
#define read(fd, to, size) jzx__sim_read(fd, to, size)
#define write(fd, from, size) jzx__sim_write(fd, from, size)
#define close(fd) jzx__sim_close(fd)

#define socket(family, type, protocol) jzx__sim_socket(family, type, protocol)
#define setsockopt(fd, level, name, value, size) jzx__sim_setsockopt(fd, level, name, value, size)
#define getsockopt(fd, level, name, value, size) jzx__sim_getsockopt(fd, level, name, value, size)
#define bind(fd, address, size) jzx__sim_bind(fd, address, size)
#define listen(fd, backlog) jzx__sim_listen(fd, backlog)
#define getsockname(fd, address, size) jzx__sim_getsockname(fd, address, size)
#define shutdown(fd, how) jzx__sim_shutdown(fd, how)
#define accept4(fd, address, size, flags) jzx__sim_accept4(fd, address, size, flags)

#define io_uring_queue_init_params(entries, ring, params) jzx__sim_queue_init_params(entries, ring, params)
#define io_uring_queue_exit(ring) jzx__sim_queue_exit(ring)
#define io_uring_ring_dontfork(ring) jzx__sim_ring_dontfork(ring)
#define io_uring_enter2(fd, submit, wait, flags, argument, size) \
    jzx__sim_enter2(fd, submit, wait, flags, argument, size)
#define io_uring_register_ring_fd(ring) jzx__sim_register_ring_fd(ring)
#define io_uring_unregister_ring_fd(ring) jzx__sim_unregister_ring_fd(ring)
#define io_uring_register_iowq_max_workers(ring, values) jzx__sim_register_iowq_max_workers(ring, values)
#define io_uring_register_buf_ring(ring, what, flags) jzx__sim_register_buf_ring(ring, what, flags)
#define io_uring_register_eventfd(ring, fd) jzx__sim_register_eventfd(ring, fd)
#define io_uring_unregister_eventfd(ring) jzx__sim_unregister_eventfd(ring)

#endif
#endif
#endif
