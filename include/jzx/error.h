/* jzx/error.h: the error codes of libjzx. Part of the public C ABI; see jzx.h. */
#ifndef JZX_ERROR_H
#define JZX_ERROR_H

#include <jzx/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Every fallible call returns one of these: 0, or a negative code. Values never change and are never reused.
 * On an error out parameters are left as they were, and a payload that was offered is still the caller's.
 */
typedef enum jzx_err {
    JZX_OK = 0,
    JZX_ERR_UNKNOWN = -1,           /* should not happen; please report it */
    JZX_ERR_NO_MEMORY = -2,         /* an allocator returned NULL */
    JZX_ERR_INVALID_ARG = -3,       /* NULL, a value out of its range, or a reserved tag */
    JZX_ERR_LOOP_CLOSED = -4,       /* the loop or runtime no longer accepts work */
    JZX_ERR_NO_SUCH_ACTOR = -5,     /* the id was never issued, or its actor has ended */
    JZX_ERR_ACTOR_NOT_LOCAL = -6,   /* the call needs an actor of this loop; this one lives on another */
    JZX_ERR_MAILBOX_FULL = -7,      /* the target's mailbox refuses, or its loop has marked it full */
    JZX_ERR_TIMER_INVALID = -8,     /* the timer has fired, was cancelled, or is not this actor's */
    JZX_ERR_IO_REG_FAILED = -9,     /* the fd cannot be watched */
    JZX_ERR_IO_NOT_WATCHED = -10,   /* no such watch */
    JZX_ERR_MAX_ACTORS = -11,       /* the loop holds actors_max actors, or every index is used up */
    JZX_ERR_WRONG_THREAD = -12,     /* the call belongs to another thread */
    JZX_ERR_WOULD_BLOCK = -13,      /* a bounded queue has no room now; see jzx_resume() */
    JZX_ERR_TIMEOUT = -14,          /* the deadline passed first */
    JZX_ERR_NAME_TAKEN = -15,       /* an actor that lives has registered the name */
    JZX_ERR_NOT_FOUND = -16,        /* nothing of that name or number */
    JZX_ERR_STOPPING = -17,         /* the actor is ending and takes no more mail */
    JZX_ERR_CANCELLED = -18,        /* the operation was cancelled */
    JZX_ERR_DEADLOCK = -19,         /* actors wait for each other's answers in a circle */
    JZX_ERR_NO_CREDIT = -20,        /* the receiver has granted no more messages */
    JZX_ERR_LIMIT = -21,            /* a configured limit would be passed */
    JZX_ERR_ESCALATED = -22,        /* a root supervisor gave up: see jzx_runtime_escalation() */
    JZX_ERR_UNSUPPORTED = -23,      /* this kernel or build cannot do it */
    JZX_ERR_BUSY = -24,             /* in use: stop it first */
    JZX_ERR_OS = -25,               /* a system call failed; jzx_runtime_os_error() has its errno */
    JZX_ERR_INIT = -26,             /* the actor's init returned an error */
    JZX_ERR_MAX_LOOPS = -27,        /* the runtime holds loops_max loops */
    JZX_ERR_NO_SUCH_REQUEST = -28,  /* the request was answered, or its asker or deadline has gone */
    JZX_ERR_NO_SUCH_SOCKET = -29,   /* the socket is closed, or is not this actor's */
    JZX_ERR_NO_SUCH_MONITOR = -30,  /* the monitor has fired, was removed, or is not this actor's */
    JZX_ERR_URING_DENIED = -31,     /* io_uring is forbidden here: kernel.io_uring_disabled, or a seccomp profile */
    JZX_ERR_URING_MISSING = -32,    /* the kernel has no io_uring, or one too old (6.1 is needed) */
    JZX_ERR_MEMLOCK = -33,          /* RLIMIT_MEMLOCK is too small for the rings */
    JZX_ERR_NO_SUCH_CPU = -34,      /* the CPU does not exist, or this process may not run on it */
    JZX_ERR_ADDRESS_IN_USE = -35,   /* another socket has the address and port */
    JZX_ERR_FD_LIMIT = -36,         /* no file descriptor is left: RLIMIT_NOFILE or the system's limit */
    JZX_ERR_KERNEL_LOST = -37,      /* the kernel dropped a completion; the loop has ended */
    JZX_ERR_ALREADY_RUNNING = -38,  /* the loop is being run */
    JZX_ERR_FORKED = -39,           /* this is a child process; the runtime belongs to its parent */
    JZX_ERR_TOO_BIG = -40,          /* a size product does not fit in size_t, or a payload is over its limit */
    JZX_ERR_NOT_A_SUPERVISOR = -41, /* the actor is not a supervisor */
    JZX_ERR_NOT_RUNNING = -42,      /* the child has no incarnation now */
    JZX_ERR_RUNNING = -43,          /* the child has one */
    JZX_ERR_RESTARTING = -44,       /* the child waits for its restart */
    JZX_ERR_DUPLICATE = -45,        /* a sibling has the name */
    JZX_ERR_START_FAILED = -46,     /* a child could not be started */
    JZX_ERR_TOO_DEEP = -47,         /* more supervisors above one another than JZX_TREE_DEPTH_MAX */
    JZX_ERR_SIM_FAILED = -48,       /* what is simulated has failed: jzx_sim_failure() says how */
    JZX_ERR_ENDED = -49,            /* the actor that was asked has ended without answering */
    JZX_ERR_UNHANDLED = -50,        /* the actor that was asked does not know such a request */
    JZX_ERR_REFUSED = -51,          /* the receiver of a delivery does not accept it */
    JZX_ERR_UNDELIVERED = -52,      /* every attempt of a delivery has failed */
} jzx_err;

/**
 * Describes an error code in one line of English, without a newline.
 *
 * Owns:    the text is static.
 * Thread:  any; async-signal-safe.
 * Returns: never NULL; "unknown error code" for a value that is not a jzx_err.
 */
JZX_API const char *jzx_strerror(jzx_err err);

#ifdef __cplusplus
}
#endif
#endif
