/*
 * jzx/timer.h: timers. A timer belongs to the actor that started it, sends its message to that actor, and dies with it.
 *
 * Never early; a timer's message needs no mailbox room, so a full mailbox cannot lose it. Timers of one actor that are
 * due at the same time fire in the order they were started.
 */
#ifndef JZX_TIMER_H
#define JZX_TIMER_H

#include <jzx/message.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint64_t jzx_timer_id; /* opaque; 0 is never issued */

/** What a periodic timer does about ticks that passed while its actor or loop was busy. */
typedef enum jzx_missed_ticks {
    JZX_TICKS_SKIP = 0,  /* one message, then the next multiple of the period */
    JZX_TICKS_BURST = 1, /* one message for each of them, at once */
    JZX_TICKS_DELAY = 2, /* one message, then a full period from when it fired: this one drifts */
} jzx_missed_ticks;

/**
 * Starts a timer that fires once, `delay_ns` after now. 0 fires in the next turn.
 *
 * The delay counts from the clock at the call, not from the turn's start; a sum over UINT64_MAX means never.
 *
 * Owns:    as jzx_send(); the payload is the handler's when the timer fires, or the caller's again by cancel.
 * Thread:  the loop's, in a handler.
 * Returns: JZX_OK with *timer (which may be NULL); JZX_ERR_LIMIT (timers_max); JZX_ERR_NO_MEMORY; JZX_ERR_INVALID_ARG
 *          (NULL, a reserved tag, a size over the limit, the host's context); JZX_ERR_STOPPING (in fini); WRONG_THREAD
 */
JZX_API jzx_err jzx_timer_after(jzx_context *context, uint64_t delay_ns, const jzx_message *message,
                                jzx_timer_id *timer);

/** jzx_timer_after() with an absolute time of CLOCK_MONOTONIC; one that has passed fires in the next turn.
 *  Owns, Thread, Returns: as jzx_timer_after(). */
JZX_API jzx_err jzx_timer_at(jzx_context *context, uint64_t due_ns, const jzx_message *message, jzx_timer_id *timer);

/**
 * Starts a timer that fires at each multiple of `period_ns` from now, without drift.
 *
 * Owns:    on JZX_OK the payload is the timer's for life: each message lends it (JZX_MESSAGE_LENT), and its destructor
 *          runs when the actor ends. Cancel gives it back.
 * Thread:  the loop's, in a handler.
 * Returns: as jzx_timer_after(); JZX_ERR_INVALID_ARG also for a period of 0 or an unknown policy
 */
JZX_API jzx_err jzx_timer_every(jzx_context *context, uint64_t period_ns, jzx_missed_ticks missed,
                                const jzx_message *message, jzx_timer_id *timer);

/**
 * Cancels a timer. After JZX_OK its message is never handled, also if it was due already, and the payload is the
 * caller's: *message if that is not NULL, else it meets its destructor.
 *
 * Thread:  the loop's, in a handler.
 * Returns: JZX_OK; JZX_ERR_TIMER_INVALID (handled, cancelled, never started, or not this actor's); JZX_ERR_WRONG_THREAD
 */
JZX_API jzx_err jzx_timer_cancel(jzx_context *context, jzx_timer_id timer, jzx_message *message);

#ifdef __cplusplus
}
#endif
#endif
