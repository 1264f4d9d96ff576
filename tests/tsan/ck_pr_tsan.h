/*
 * ck_pr_tsan: <ck_pr.h> in C11 atomics, for builds with ThreadSanitizer and for nothing else.
 *
 * ThreadSanitizer sees neither the inline assembly of ck nor any fence, so it calls every ring of ck a race. Included
 * before everything (-include), this header takes the place of <ck_pr.h>: a load acquires, a store releases, a
 * read-modify-write does both, and a fence binds only the compiler.
 *
 *   meson setup build-tsan -Db_sanitize=thread -Dc_args='-include <source>/tests/tsan/ck_pr_tsan.h'
 *
 * What it can show and what not
 *   1  It checks how libjzx uses the rings; the fences within ck, and of libjzx, it does not check.
 *   2  It is as strong as x86-64, so stronger than ck on machines with a weaker order.
 *   3  Only the spsc rings and the single-consumer end of the mpsc rings are clean: a multi-consumer dequeue copies a
 *      slot that may be written meanwhile, and is reported.
 *   4  A thread that waits for another gives its processor away: ck's multi-producer commit spins, and with more threads
 *      than processors under ThreadSanitizer that takes for ever.
 */
#ifndef CK_PR_H
#define CK_PR_H

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CK_PR_TSAN
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define CK_PR_TSAN
#endif

#if !defined(CK_PR_TSAN)

/* The checks of a build system compile without the sanitizer; only a use of ck without it is an error. */
#define ck_pr_load_uint(source) _Pragma("GCC error \"ck_pr_tsan.h is for -fsanitize=thread only\"") * (source)

#else

#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wtsan" /* fences: see 1 */
#endif

#include <ck_cc.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#define CK_PR_TSAN_TYPE(name, type)                                                                              \
    CK_CC_INLINE static type ck_pr_load_##name(const type *source)                                               \
    {                                                                                                            \
        return __atomic_load_n(source, __ATOMIC_ACQUIRE);                                                        \
    }                                                                                                            \
    CK_CC_INLINE static void ck_pr_store_##name(type *target, type value)                                        \
    {                                                                                                            \
        __atomic_store_n(target, value, __ATOMIC_RELEASE);                                                       \
    }                                                                                                            \
    CK_CC_INLINE static type ck_pr_fas_##name(type *target, type value)                                          \
    {                                                                                                            \
        return __atomic_exchange_n(target, value, __ATOMIC_ACQ_REL);                                             \
    }                                                                                                            \
    CK_CC_INLINE static type ck_pr_faa_##name(type *target, type delta)                                          \
    {                                                                                                            \
        return __atomic_fetch_add(target, delta, __ATOMIC_ACQ_REL);                                              \
    }                                                                                                            \
    CK_CC_INLINE static bool ck_pr_cas_##name(type *target, type expected, type value)                           \
    {                                                                                                            \
        return __atomic_compare_exchange_n(target, &expected, value, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE); \
    }                                                                                                            \
    CK_CC_INLINE static bool ck_pr_cas_##name##_value(type *target, type expected, type value, type *seen)       \
    {                                                                                                            \
        bool swapped = __atomic_compare_exchange_n(target, &expected, value, false, __ATOMIC_ACQ_REL,            \
                                                   __ATOMIC_ACQUIRE);                                            \
        *seen = expected;                                                                                        \
        return swapped;                                                                                          \
    }

CK_PR_TSAN_TYPE(8, uint8_t)
CK_PR_TSAN_TYPE(16, uint16_t)
CK_PR_TSAN_TYPE(32, uint32_t)
CK_PR_TSAN_TYPE(64, uint64_t)
CK_PR_TSAN_TYPE(int, int)
CK_PR_TSAN_TYPE(uint, unsigned int)

#define CK_PR_TSAN_FENCE(name)                        \
    CK_CC_INLINE static void ck_pr_fence_##name(void) \
    {                                                 \
        __asm__ __volatile__("" ::: "memory");        \
    }

CK_PR_TSAN_FENCE(load)
CK_PR_TSAN_FENCE(store)
CK_PR_TSAN_FENCE(store_atomic)
CK_PR_TSAN_FENCE(atomic)
CK_PR_TSAN_FENCE(memory)
CK_PR_TSAN_FENCE(acquire)
CK_PR_TSAN_FENCE(release)

CK_CC_INLINE static void ck_pr_barrier(void)
{
    __asm__ __volatile__("" ::: "memory");
}

CK_CC_INLINE static void ck_pr_stall(void)
{
    (void)sched_yield();
}

#endif
#endif
