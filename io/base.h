/*
 * base: what every file of libjzx may use: assertions that stay on in release, container_of, atomics by their order,
 * and the simulator's yield points.
 */
#ifndef JZX__BASE_H
#define JZX__BASE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Only a bug of ours fails an assertion: what the world or the caller may do wrong is an error code instead. */
_Noreturn void jzx__assert_failed(const char *what, const char *file, int line);
#define JZX_ASSERT(fact) (__builtin_expect(!!(fact), 1) ? (void)0 : jzx__assert_failed(#fact, __FILE__, __LINE__))

#define jzx__likely(fact) __builtin_expect(!!(fact), 1)
#define jzx__unlikely(fact) __builtin_expect(!!(fact), 0)
/* An address that is worked out once and then held: compilers else work out some again at each use. */
#define jzx__once(address)                     \
    __extension__({                            \
        __typeof__(address) once_ = (address); \
        __asm__("" : "+r"(once_));             \
        once_;                                 \
    })
#define jzx__container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
#define JZX__COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define JZX__CACHE_LINE 64

/*
 * A point at which the simulator may let another loop run. Compiled in only in the simulation build of the library
 * (JZX__SIM), where a test links the hook; nothing in a production build.
 */
#ifdef JZX__SIM
void jzx__sim_point(const char *where);
uintptr_t jzx__sim_thread(void); /* 0 when no simulation runs: then the real thread and clock count */
uint64_t jzx__sim_now_ns(void);
void jzx__sim_wait(_Atomic(uint32_t) *word, uint32_t value, uint64_t deadline_ns); /* as a futex wait */
#define JZX__SIM_POINT(where) jzx__sim_point(where)
#else
#define JZX__SIM_POINT(where) ((void)0)
#endif

/* A word that names the calling thread, without a system call. In a simulation each loop is its own thread. */
#include <pthread.h>
static inline uintptr_t jzx__thread_self(void)
{
#ifdef JZX__SIM
    uintptr_t fiber = jzx__sim_thread();
    if (fiber != 0) {
        return fiber;
    }
#endif
#if defined(__x86_64__) && !defined(__ILP32__)
    uintptr_t self; /* the thread pointer, which is what pthread_self() returns, without the call */
    __asm__("mov %%fs:0, %0" : "=r"(self));
    return self;
#else
    return (uintptr_t)pthread_self();
#endif
}

/* Tells the processor that this is a loop that waits. */
static inline void jzx__cpu_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Asks for a line to write to. Compilers use the instruction only where every processor has it; elsewhere it does nothing. */
static inline void jzx__prefetch_write(const void *line)
{
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)line));
#else
    __builtin_prefetch(line, 1);
#endif
}

/* A counter with one writer: others, also other processes, read it without tearing; no locked operation writes it. */
static inline void jzx__count_add(uint64_t *counter, uint64_t amount)
{
    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + amount, __ATOMIC_RELAXED);
}
static inline void jzx__count_set(uint64_t *counter, uint64_t value)
{
    __atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

static inline uint64_t jzx__add_saturating(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* The finalizer of splitmix64 (Steele, Lea, Flood, 2014): each bit of the value changes half of the result's. */
static inline uint64_t jzx__mix(uint64_t value)
{
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9ull;
    value = (value ^ value >> 27) * 0x94D049BB133111EBull;
    return value ^ value >> 31;
}

/* FNV-1a (Fowler, Noll, Vo). */
static inline uint64_t jzx__text_hash(const char *text)
{
    uint64_t hash = 0xCBF29CE484222325ull;
    for (; *text != '\0'; text++) {
        hash = (hash ^ (uint8_t)*text) * 0x100000001B3ull;
    }
    return hash;
}

#endif
