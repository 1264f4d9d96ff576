/* kernel: the system calls of io/sys.h that are about time, threads and descriptors, and what moves by itself. */
#include "sim/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "io/sys.h"

/* An eventfd. */
typedef struct event {
    uint64_t count;
    uint64_t writes; /* for an edge-triggered look */
} event;

static int fail_with(int error)
{
    errno = error;
    return -1;
}

/* A result that may be -errno, as libc gives it. */
static int result_of(int result)
{
    return result < 0 ? fail_with(-result) : result;
}

/* ---- time, random bits, memory ---- */

uint64_t jzx__sys_now_ns(void)
{
    return jzx__sim_machine == NULL ? 0 : jzx__sim_clock_read(jzx__sim_machine);
}

ssize_t jzx__sim_getrandom(void *bits, size_t size, unsigned flags)
{
    (void)flags;
    uint8_t *to = bits;
    for (size_t i = 0; i < size; i++) {
        to[i] = (uint8_t)jzx__sim_draw(jzx__sim_machine, JZX__SIM_STREAM_BITS);
    }
    return (ssize_t)size;
}

void *jzx__sys_alloc(size_t size, size_t align)
{
    return jzx__sim_machine == NULL ? NULL : jzx__sim_memory_take(jzx__sim_machine, size, align);
}

void jzx__sys_free(void *memory)
{
    JZX_ASSERT(jzx__sim_machine != NULL);
    jzx__sim_memory_give(jzx__sim_machine, memory, JZX__SIM_SIZE_UNKNOWN);
}

/* ---- threads ---- */

typedef struct futex {
    _Atomic(uint32_t) *word;
    uint32_t value;
} futex;

static bool changed(void *context)
{
    const futex *wait = context;
    return atomic_load(wait->word) != wait->value;
}

void jzx__sys_wake(_Atomic(uint32_t) *word)
{
    (void)word; /* who waits in jzx__sys_wait() looks at the word whenever others have run */
}

void jzx__sys_wait(_Atomic(uint32_t) *word, uint32_t value, uint64_t deadline_ns)
{
    futex wait = {word, value};
    (void)jzx__sim_wait(jzx__sim_machine, changed, &wait, deadline_ns);
}

static void run_thread(void *argument)
{
    jzx__sim_start *what = argument;
    jzx__sim_start taken = *what;
    what->main = NULL;
    (void)taken.main(taken.argument);
}

int jzx__sim_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *), void *argument)
{
    jzx_sim *sim = jzx__sim_machine;
    (void)attributes;
    if (jzx__sim_fault(sim, JZX_SIM_SETUP)) {
        return EAGAIN;
    }
    jzx__sim_start *what = sim->starts;
    while (what->main != NULL) { /* no more of them wait than there may be threads */
        what++;
    }
    *what = (jzx__sim_start){main, argument};
    jzx__sim_thread_record *made = jzx__sim_thread_start(sim, jzx__sim_loop_name(argument), run_thread, what, true);
    if (made == NULL) {
        what->main = NULL;
        return EAGAIN;
    }
    *thread = (pthread_t)(uintptr_t)made;
    return 0;
}

static bool has_ended(void *thread)
{
    return jzx__sim_thread_ended(thread);
}

int jzx__sim_pthread_join(pthread_t thread, void **result)
{
    jzx__sim_thread_record *record = (jzx__sim_thread_record *)(uintptr_t)thread;
    (void)result;
    if (!jzx__sim_wait(jzx__sim_machine, has_ended, record, JZX__SIM_NEVER)) {
        return EDEADLK;
    }
    jzx__sim_thread_forget(record);
    return 0;
}

pthread_t jzx__sim_pthread_self(void)
{
    return (pthread_t)jzx__sim_thread();
}

int jzx__sim_sched_yield(void)
{
    jzx__sim_poll(jzx__sim_machine); /* whom it waits for may be stalled: time has to pass */
    return 0;
}

void jzx__sim_pause(void)
{
    if (jzx__sim_machine != NULL) {
        jzx__sim_poll(jzx__sim_machine);
    }
}

/* ---- descriptors ---- */

int jzx__sys_open_nothing(void)
{
    return result_of(jzx__sim_fd_open(jzx__sim_machine, JZX__SIM_FD_NOTHING, NULL));
}

int jzx__sim_eventfd(unsigned count, int flags)
{
    static const int errors[] = {EMFILE, ENFILE, ENOMEM};
    jzx_sim *sim = jzx__sim_machine;
    int error;
    (void)flags;
    if (jzx__sim_fault_errno(sim, JZX_SIM_SETUP, errors, JZX__COUNT(errors), &error)) {
        return fail_with(error);
    }
    event *made = jzx__sim_own_alloc(sizeof *made);
    made->count = count;
    int fd = jzx__sim_fd_open(sim, JZX__SIM_FD_EVENT, made);
    if (fd < 0) {
        free(made);
    }
    return result_of(fd);
}

void jzx__sim_event_write(jzx_sim *sim, int fd, uint64_t count)
{
    event *to = jzx__sim_fd_find(sim, fd, JZX__SIM_FD_EVENT);
    if (to != NULL) {
        to->count += count;
        to->writes++;
        jzx__sim_fd_touched(sim, fd);
    }
}

bool jzx__sim_event_readable(const jzx_sim *sim, int fd)
{
    const event *from = jzx__sim_fd_find(sim, fd, JZX__SIM_FD_EVENT);
    return from != NULL && from->count != 0;
}

uint64_t jzx__sim_event_writes(const jzx_sim *sim, int fd)
{
    const event *from = jzx__sim_fd_find(sim, fd, JZX__SIM_FD_EVENT);
    return from == NULL ? 0 : from->writes;
}

ssize_t jzx__sim_read(int fd, void *to, size_t size)
{
    event *from = fd < JZX__SIM_FD_FIRST ? NULL : jzx__sim_fd_find(jzx__sim_machine, fd, JZX__SIM_FD_EVENT);
    if (fd < JZX__SIM_FD_FIRST) {
        return read(fd, to, size);
    }
    if (from == NULL) {
        return fail_with(EBADF);
    }
    jzx__sim_point("eventfd: before read");
    if (from->count == 0) {
        return fail_with(EAGAIN);
    }
    memcpy(to, &from->count, sizeof from->count);
    from->count = 0;
    return sizeof from->count;
}

ssize_t jzx__sim_write(int fd, const void *from, size_t size)
{
    if (fd < JZX__SIM_FD_FIRST) {
        return write(fd, from, size);
    }
    if (jzx__sim_fd_kind_of(jzx__sim_machine, fd) != JZX__SIM_FD_EVENT) {
        return fail_with(EBADF);
    }
    uint64_t count;
    memcpy(&count, from, sizeof count);
    jzx__sim_point("eventfd: before write");
    jzx__sim_event_write(jzx__sim_machine, fd, count);
    return (ssize_t)size;
}

int jzx__sim_close(int fd)
{
    jzx_sim *sim = jzx__sim_machine;
    if (fd < JZX__SIM_FD_FIRST) {
        return close(fd);
    }
    if (jzx__sim_rings_use_fd(sim, fd)) {
        jzx_sim_fail(sim, "descriptor %d is closed under an operation in flight", fd - JZX__SIM_FD_FIRST); /* R4 */
    }
    switch (jzx__sim_fd_kind_of(sim, fd)) {
    case JZX__SIM_FD_SOCKET:
        return result_of(jzx__sim_socket_close(sim, fd));
    case JZX__SIM_FD_EVENT:
        free(jzx__sim_fd_find(sim, fd, JZX__SIM_FD_EVENT));
        jzx__sim_fd_drop(sim, fd);
        return 0;
    case JZX__SIM_FD_NOTHING:
        jzx__sim_fd_drop(sim, fd);
        return 0;
    default:
        jzx_sim_fail(sim, "descriptor %d is closed and is not open", fd - JZX__SIM_FD_FIRST);
        return fail_with(EBADF);
    }
}

/* ---- sockets ---- */

int jzx__sim_socket(int family, int type, int protocol)
{
    (void)type;
    (void)protocol;
    return result_of(jzx__sim_socket_open(jzx__sim_machine, family));
}

int jzx__sim_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    return result_of(jzx__sim_socket_option(jzx__sim_machine, fd, level, name, value, size));
}

int jzx__sim_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    int number = 0;
    if (fd < JZX__SIM_FD_FIRST) {
        return getsockopt(fd, level, name, value, size);
    }
    if (jzx__sim_fd_kind_of(jzx__sim_machine, fd) != JZX__SIM_FD_SOCKET) {
        return fail_with(ENOTSOCK);
    }
    if (level != SOL_SOCKET || name != SO_TYPE) {
        return fail_with(ENOPROTOOPT);
    }
    number = SOCK_STREAM;
    memcpy(value, &number, sizeof number);
    *size = sizeof number;
    return 0;
}

int jzx__sim_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    return result_of(jzx__sim_socket_bind(jzx__sim_machine, fd, address, size));
}

int jzx__sim_listen(int fd, int backlog)
{
    return result_of(jzx__sim_socket_listen(jzx__sim_machine, fd, backlog));
}

int jzx__sim_getsockname(int fd, struct sockaddr *address, socklen_t *size)
{
    return result_of(jzx__sim_socket_name(jzx__sim_machine, fd, address, size));
}

int jzx__sim_shutdown(int fd, int how)
{
    return result_of(jzx__sim_socket_shutdown(jzx__sim_machine, fd, how));
}

int jzx__sim_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    (void)address;
    (void)size;
    (void)flags;
    return result_of(jzx__sim_socket_accept(jzx__sim_machine, fd));
}

bool jzx__sys_discard(int fd, size_t size)
{
    return jzx__sim_socket_receive(jzx__sim_machine, fd, NULL, size) > 0;
}

/* ---- what moves by itself ---- */

bool jzx__sim_kernel_step(jzx_sim *sim)
{
    bool moved = jzx__sim_net_step(sim);
    if (moved || sim->touched || jzx__sim_rings_next_ns(sim) <= jzx__sim_clock(sim)) {
        sim->touched = false;
        if (jzx__sim_rings_step(sim)) {
            moved = true;
            sim->touched = true; /* one result each: a stream may have more to give */
        }
    }
    return moved;
}

uint64_t jzx__sim_kernel_next_ns(const jzx_sim *sim)
{
    uint64_t net_ns = jzx__sim_net_next_ns(sim);
    uint64_t rings_ns = jzx__sim_rings_next_ns(sim);
    return net_ns < rings_ns ? net_ns : rings_ns;
}
