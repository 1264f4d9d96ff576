#include <jzx/error.h>

const char *jzx_strerror(jzx_err err)
{
    switch (err) {
    case JZX_OK:
        return "ok";
    case JZX_ERR_UNKNOWN:
        return "unknown error";
    case JZX_ERR_NO_MEMORY:
        return "out of memory";
    case JZX_ERR_INVALID_ARG:
        return "invalid argument";
    case JZX_ERR_LOOP_CLOSED:
        return "the loop has stopped";
    case JZX_ERR_NO_SUCH_ACTOR:
        return "no such actor";
    case JZX_ERR_ACTOR_NOT_LOCAL:
        return "the actor lives on another loop";
    case JZX_ERR_MAILBOX_FULL:
        return "the mailbox is full";
    case JZX_ERR_TIMER_INVALID:
        return "no such timer";
    case JZX_ERR_IO_REG_FAILED:
        return "the descriptor cannot be watched";
    case JZX_ERR_IO_NOT_WATCHED:
        return "the descriptor is not watched";
    case JZX_ERR_MAX_ACTORS:
        return "the loop holds as many actors as it may";
    case JZX_ERR_WRONG_THREAD:
        return "called on the wrong thread";
    case JZX_ERR_WOULD_BLOCK:
        return "no room now";
    case JZX_ERR_TIMEOUT:
        return "timed out";
    case JZX_ERR_NAME_TAKEN:
        return "the name is taken";
    case JZX_ERR_NOT_FOUND:
        return "not found";
    case JZX_ERR_STOPPING:
        return "the actor is ending";
    case JZX_ERR_CANCELLED:
        return "cancelled";
    case JZX_ERR_DEADLOCK:
        return "would deadlock";
    case JZX_ERR_NO_CREDIT:
        return "no credit";
    case JZX_ERR_LIMIT:
        return "a configured limit is reached";
    case JZX_ERR_ESCALATED:
        return "a supervisor gave up";
    case JZX_ERR_UNSUPPORTED:
        return "not supported here";
    case JZX_ERR_BUSY:
        return "in use";
    case JZX_ERR_OS:
        return "a system call failed";
    case JZX_ERR_INIT:
        return "the actor's init failed";
    case JZX_ERR_MAX_LOOPS:
        return "the runtime has as many loops as it may";
    case JZX_ERR_NO_SUCH_REQUEST:
        return "no such request";
    case JZX_ERR_NO_SUCH_SOCKET:
        return "no such socket";
    case JZX_ERR_NO_SUCH_MONITOR:
        return "no such monitor";
    case JZX_ERR_URING_DENIED:
        return "io_uring is not permitted here (sysctl kernel.io_uring_disabled, or a seccomp filter)";
    case JZX_ERR_URING_MISSING:
        return "the kernel lacks io_uring or is older than 6.1";
    case JZX_ERR_MEMLOCK:
        return "RLIMIT_MEMLOCK is too small for io_uring";
    case JZX_ERR_NO_SUCH_CPU:
        return "the CPU does not exist or is not allowed to this process";
    case JZX_ERR_ADDRESS_IN_USE:
        return "the address is in use";
    case JZX_ERR_FD_LIMIT:
        return "no file descriptor is left";
    case JZX_ERR_KERNEL_LOST:
        return "the kernel lost a completion";
    case JZX_ERR_ALREADY_RUNNING:
        return "the loop is running already";
    case JZX_ERR_FORKED:
        return "the runtime belongs to the parent process";
    case JZX_ERR_TOO_BIG:
        return "too big";
    case JZX_ERR_NOT_A_SUPERVISOR:
        return "the actor is not a supervisor";
    case JZX_ERR_NOT_RUNNING:
        return "the child is not running";
    case JZX_ERR_RUNNING:
        return "the child is running";
    case JZX_ERR_RESTARTING:
        return "the child waits for its restart";
    case JZX_ERR_DUPLICATE:
        return "a sibling has the name";
    case JZX_ERR_START_FAILED:
        return "a child could not be started";
    case JZX_ERR_TOO_DEEP:
        return "the tree is too deep";
    case JZX_ERR_SIM_FAILED:
        return "what is simulated has failed";
    case JZX_ERR_ENDED:
        return "the actor ended without answering";
    case JZX_ERR_UNHANDLED:
        return "the actor does not handle such a request";
    case JZX_ERR_REFUSED:
        return "the receiver does not accept the delivery";
    case JZX_ERR_UNDELIVERED:
        return "every attempt of the delivery has failed";
    }
    return "unknown error code";
}
