/*
 * machine: struct jzx_sim, and what its parts ask of one another beyond inside.h.
 */
#ifndef JZX__SIM_MACHINE_H
#define JZX__SIM_MACHINE_H

#include "sim/fault.h"
#include "sim/inside.h"
#include "sim/trace.h"
#include "sim/world.h"

enum { JZX__SIM_CHECKS_MAX = 16, JZX__SIM_ENDS_MAX = 256, JZX__SIM_RINGS_MAX = 256 };

typedef struct jzx__sim_ring jzx__sim_ring;
typedef struct jzx__sim_memory jzx__sim_memory;
typedef struct jzx__sim_books jzx__sim_books;

typedef struct jzx__sim_check {
    const char *name;
    bool (*holds)(jzx_sim *sim, void *argument);
    void *argument;
} jzx__sim_check;

/* What a thread of pthread_create() runs; until it does. */
typedef struct jzx__sim_start {
    void *(*main)(void *); /* NULL: free */
    void *argument;
} jzx__sim_start;

/* An actor that is to be killed, or to fail, in the next turn of its loop. */
typedef struct jzx__sim_ending {
    jzx_runtime *runtime;
    jzx_actor_id actor;
    bool fails;
    int32_t code;
} jzx__sim_ending;

struct jzx_sim {
    uint64_t seed;
    jzx_sim_config config;
    jzx__sim_world world;
    jzx__sim_faults faults;
    jzx__sim_trace trace;
    jzx__sim_memory *memory;
    jzx__sim_books *books;
    jzx__sim_net *net;
    jzx__sim_fds *fds;
    jzx__sim_ring *rings[JZX__SIM_RINGS_MAX]; /* that are open */
    uint32_t ring_count;
    uint32_t rings_made;
    bool touched; /* something happened that operations in flight may have waited for */
    jzx__sim_check checks[JZX__SIM_CHECKS_MAX];
    uint32_t check_count;
    jzx__sim_start starts[JZX__SIM_THREADS_MAX + 1]; /* the last is refused */
    jzx__sim_ending endings[JZX__SIM_ENDS_MAX];
    uint32_t ending_count;
    void (*idle)(void *context); /* of a test of the simulator's own: called when nobody can run */
    void *idle_context;
    bool failed;
    char failure[512];
};

extern jzx_sim *jzx__sim_machine; /* the one there is, or NULL */

/* sim.c */
void jzx__sim_checks_run(jzx_sim *sim);

/* kernel.c: all that moves by itself. step() carries out what is due now; true when anything was. */
bool jzx__sim_kernel_step(jzx_sim *sim);
uint64_t jzx__sim_kernel_next_ns(const jzx_sim *sim);

/* kernel.c: eventfds */
void jzx__sim_event_write(jzx_sim *sim, int fd, uint64_t count);
bool jzx__sim_event_readable(const jzx_sim *sim, int fd);
uint64_t jzx__sim_event_writes(const jzx_sim *sim, int fd); /* for an edge-triggered look */

/* memory.c */
jzx__sim_memory *jzx__sim_memory_create(void);
void jzx__sim_memory_destroy(jzx__sim_memory *memory); /* with every block that is left */
void *jzx__sim_memory_take(jzx_sim *sim, size_t size, size_t align);
/* `size` is what its owner says that it is; JZX__SIM_SIZE_UNKNOWN: says nothing. */
void jzx__sim_memory_give(jzx_sim *sim, void *block, size_t size);
#define JZX__SIM_SIZE_UNKNOWN SIZE_MAX
uint64_t jzx__sim_memory_live(const jzx_sim *sim); /* bytes */
uint64_t jzx__sim_memory_blocks(const jzx_sim *sim);

/* uring.c */
void jzx__sim_rings_destroy(jzx_sim *sim);
bool jzx__sim_rings_step(jzx_sim *sim);
uint64_t jzx__sim_rings_next_ns(const jzx_sim *sim);
uint32_t jzx__sim_rings_busy(const jzx_sim *sim); /* operations in flight, of all rings */
/* An operation in flight that names any of these bytes, in words; NULL: none. */
const char *jzx__sim_rings_use(const jzx_sim *sim, const void *memory, size_t size);
bool jzx__sim_rings_use_fd(const jzx_sim *sim, int fd);

/* books.c */
jzx__sim_books *jzx__sim_books_create(void);
void jzx__sim_books_destroy(jzx__sim_books *books);
void jzx__sim_books_gone(jzx_sim *sim, const jzx_runtime *runtime);

/* sim.c: the name of a loop's thread */
const char *jzx__sim_loop_name(const void *loop);

#endif
