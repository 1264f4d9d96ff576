/* spin: the lock of a short critical section that threads of several loops, and others, take in turns. */
#ifndef JZX__SPIN_H
#define JZX__SPIN_H

#include "io/base.h"

#include <sched.h>

enum { JZX__LOOKS_BEFORE_YIELD = 64 };

static inline void jzx__spin_lock(_Atomic(uint32_t) *lock)
{
    uint32_t looks = 0;
    while (atomic_exchange_explicit(lock, 1, memory_order_acquire) != 0) {
        jzx__cpu_pause();
        if (++looks >= JZX__LOOKS_BEFORE_YIELD) {
            sched_yield(); /* the one that has it may wait for this processor */
        }
    }
}

static inline void jzx__spin_unlock(_Atomic(uint32_t) *lock)
{
    atomic_store_explicit(lock, 0, memory_order_release);
}

#endif
