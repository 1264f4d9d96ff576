/*
 * jzx.h: everything of libjzx, an actor runtime on explicit io_uring loops.
 *
 * The parts, each a header of its own:
 *   error.h    error codes                       timer.h    timers of an actor
 *   runtime.h  configuration, runtime, loops     io.h       readiness of foreign file descriptors
 *   actor.h    spawn, stop, monitor, link        net.h      TCP by completion
 *   message.h  send, post, request, answer, ask  observe.h  observers, counters, the shared segment
 *   name.h     names of actors                   supervisor.h  supervisors and their children
 *   buffer.h   payloads that many read           router.h   which one of several actors
 *   call.h     calls, deadlines, scopes, gathering   group.h    groups, topics, broadcasts
 *   order.h    priorities, stash, become         typed.h    messages of a struct each; not included here
 *   flow.h     sending as much as was asked for      deliver.h  messages sent until one accepts them
 *
 * Rules that hold throughout:
 *   - A call that takes a jzx_context belongs to the thread of the context's loop; elsewhere it returns
 *     JZX_ERR_WRONG_THREAD and does nothing.
 *   - Callable from any thread: jzx_runtime_request_stop(), jzx_loop_request_stop(), jzx_loop_stats(), jzx_whereis(),
 *     jzx_child_id(), jzx_runtime_escalation(), jzx_runtime_stalls(), jzx_strerror(), jzx_answer_err(), jzx_buffer_*(),
 *     jzx_space_*(), jzx_group_count(), jzx_group_members(); from any that runs no loop: jzx_post(), jzx_post_name(), posters,
 *     jzx_ask(), jzx_ask_name(), jzx_runtime_shutdown(), jzx_loop_join(). Async-signal-safe: the two request_stop calls and
 *     jzx_strerror().
 *   - After fork() the child must not use the runtime. Creating, running, starting, shutting down and destroying say
 *     JZX_ERR_FORKED there; other calls may end the child, and never harm the parent.
 *   - Structs that may grow begin with `struct_size`, set by their init function.
 *   - Times are nanoseconds of CLOCK_MONOTONIC unless a comment says otherwise.
 */
#ifndef JZX_JZX_H
#define JZX_JZX_H

#include <jzx/error.h>
#include <jzx/export.h>
#include <jzx/runtime.h>
#include <jzx/message.h>
#include <jzx/buffer.h>
#include <jzx/flow.h>
#include <jzx/group.h>
#include <jzx/actor.h>
#include <jzx/call.h>
#include <jzx/order.h>
#include <jzx/name.h>
#include <jzx/supervisor.h>
#include <jzx/timer.h>
#include <jzx/io.h>
#include <jzx/net.h>
#include <jzx/observe.h>
#include <jzx/pool.h>
#include <jzx/router.h>
#include <jzx/deliver.h>

#endif
