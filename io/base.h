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

/* The least power of two that is not below the number, which is at most 2^31. */
static inline uint32_t jzx__power_at_least(uint32_t number)
{
    uint32_t power = 1;
    while (power < number) {
        power *= 2;
    }
    return power;
}

/*
 * What only the simulation build of the library has (JZX__SIM; sim/): nothing in a production build.
 *
 *   JZX__SIM_POINT(where)                another thread may run here
 *   JZX__SIM_FAULT(FAULT)                true when the simulator wants JZX_SIM_FAULT to happen
 *   JZX__SIM_EVENT(loop, WHAT, a, b, c)  JZX__SIM_WHAT has happened: for the trace, and for the simulator's own books
 *   JZX__SIM_TURN(loop)                  a turn begins
 *   JZX__SIM_GONE(runtime)               its memory is about to be freed
 *   JZX__SIM_NO_KERNEL()                 true when nothing is simulated: there is no other kernel
 *   JZX__SIM_RUNS()                      true in a simulation
 */
#ifdef JZX__SIM
#include <jzx/sim.h>

typedef enum jzx__sim_what {
    JZX__SIM_SPAWN,  /* actor, parent, 0: it has its id, and its init comes */
    JZX__SIM_HANDLE, /* actor, sender, tag */
    JZX__SIM_END,    /* actor, kind, code: its fini has run */
    JZX__SIM_ARM,    /* timer, due, actor */
    JZX__SIM_FIRE,   /* timer, due, now */
    JZX__SIM_DISARM, /* timer, 0, 0 */
    JZX__SIM_QUEUE,  /* actor, 0, 0: it waits for its turn */
    JZX__SIM_RUN,    /* actor, 0, 0: it has it */
    JZX__SIM_WHATS
} jzx__sim_what;

void jzx__sim_point(const char *where);
void jzx__sim_assertion(const char *what, const char *file, int line); /* returns where no simulation is to fail */
bool jzx__sim_fault_here(jzx_sim_fault fault);
void jzx__sim_event_here(const jzx_loop *loop, jzx__sim_what what, uint64_t a, uint64_t b, uint64_t c);
void jzx__sim_turn(jzx_loop *loop);
void jzx__sim_gone(const jzx_runtime *runtime);
bool jzx__sim_no_kernel(void);
void jzx__sim_pause(void);       /* one that only looks again and again lets others run, and time pass */
uintptr_t jzx__sim_thread(void); /* 0 outside of the simulation's threads: then the real one counts */
#define JZX__SIM_POINT(where) jzx__sim_point(where)
#define JZX__SIM_FAULT(fault) jzx__sim_fault_here(JZX_SIM_##fault)
#define JZX__SIM_EVENT(loop, what, a, b, c) jzx__sim_event_here(loop, JZX__SIM_##what, a, b, c)
#define JZX__SIM_TURN(loop) jzx__sim_turn(loop)
#define JZX__SIM_GONE(runtime) jzx__sim_gone(runtime)
#define JZX__SIM_NO_KERNEL() jzx__sim_no_kernel()
#define JZX__SIM_RUNS() (!jzx__sim_no_kernel())
#else
#define JZX__SIM_POINT(where) ((void)0)
#define JZX__SIM_FAULT(fault) false
#define JZX__SIM_EVENT(loop, what, a, b, c) ((void)0)
#define JZX__SIM_TURN(loop) ((void)0)
#define JZX__SIM_GONE(runtime) ((void)0)
#define JZX__SIM_NO_KERNEL() false
#define JZX__SIM_RUNS() false
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
#if defined(JZX__SIM)
    jzx__sim_pause();
#elif defined(__x86_64__) || defined(__i386__)
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
#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
    __asm__("addq %1, %0" : "+m"(*counter) : "er"(amount)); /* what clang makes of the line below: gcc takes three */
#else
    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + amount, __ATOMIC_RELAXED);
#endif
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
