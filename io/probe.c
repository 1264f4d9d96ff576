/* probe: see probe.h. */
#include "io/probe.h"
#include "io/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the liburing headers of the oldest distribution that is built on. */
enum { REGISTER_SEND_MSG_RING = 31 };
static const uint32_t FEATURE_NO_IOWAIT = 1u << 17;

static const uint64_t CAP_IPC_LOCK_BIT = 1ull << 14;
static const uint64_t SECCOMP_FILTER = 2;

int jzx__probe_send_message(int ring_fd, uint64_t user_data)
{
    struct io_uring_sqe sqe;
    memset(&sqe, 0, sizeof sqe);
    sqe.opcode = IORING_OP_MSG_RING;
    sqe.fd = ring_fd;
    sqe.off = user_data;
    int saved = errno; /* a signal handler may be running */
    int result = jzx__sys_uring_register(-1, REGISTER_SEND_MSG_RING, &sqe, 1);
    errno = saved;
    return result < 0 ? result : 0;
}

void jzx__probe_features(int ring_fd, uint32_t ring_features, bool oldest_kernel, jzx__features *features)
{
    /* A disabled ring takes no message, and says so with an errno of its own: older kernels give EBADF for fd -1. */
    features->sync_message = !oldest_kernel && jzx__probe_send_message(ring_fd, 0) == -EBADFD;
    features->no_iowait = !oldest_kernel && (ring_features & FEATURE_NO_IOWAIT) != 0;
}

/* A number of /proc/self/status; `missing` when it cannot be read. */
static uint64_t status_number(const char *key, int base, uint64_t missing)
{
    char text[4096];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return missing;
    }
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0) {
        return missing;
    }
    text[length] = '\0';
    const char *found = strstr(text, key);
    return found == NULL ? missing : strtoull(found + strlen(key), NULL, base);
}

static bool memlock_limited(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return false;
    }
    return (status_number("\nCapEff:", 16, 0) & CAP_IPC_LOCK_BIT) == 0;
}

jzx_err jzx__probe_refusal(int os_error)
{
    switch (os_error) {
    case EPERM:
    case EACCES:
        /* kernel.io_uring_disabled, a seccomp profile or a security module: all are somebody's decision. */
        return JZX_ERR_URING_DENIED;
    case ENOSYS:
        /* Container profiles answer ENOSYS for what they forbid, so a filter makes a prohibition likelier than age. */
        return status_number("\nSeccomp:", 10, 0) == SECCOMP_FILTER ? JZX_ERR_URING_DENIED : JZX_ERR_URING_MISSING;
    case EINVAL:
        /* The set-up flags are those of 6.1: a kernel that does not know them is older. */
        return JZX_ERR_URING_MISSING;
    case ENOMEM:
        return memlock_limited() ? JZX_ERR_MEMLOCK : JZX_ERR_NO_MEMORY;
    case EMFILE:
    case ENFILE:
        return JZX_ERR_FD_LIMIT;
    default:
        return JZX_ERR_OS;
    }
}
