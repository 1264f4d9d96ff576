/* world: see world.h. */
#include "tests/support/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "io/base.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

enum { THREADS_MAX = 16, POLLS_IDLE = 6, STACK_SIZE = 256 * 1024, GUARD = 4096 };
static const uint64_t NEVER = UINT64_MAX;

typedef enum thread_state { READY, WAITING, ENDED } thread_state;

typedef struct sim_thread {
    sim_world *world;
    const char *name;
    void (*main)(void *argument);
    void *argument;
    ucontext_t context;
    char *stack;
    void *fake_stack; /* of the address sanitizer */
    thread_state state;
    uint32_t polls;  /* in a row, without passing a point: it only looks again and again */
    uint32_t frozen; /* switches to miss */
    bool (*ready)(void *context);
    void *ready_context;
    uint64_t deadline_ns;
} sim_thread;

struct sim_world {
    uint64_t seed;
    uint64_t random[2];
    world_pace pace;
    world_kernel kernel;
    sim_thread threads[THREADS_MAX];
    uint32_t thread_count;
    sim_thread *current;
    ucontext_t outside;
    void *outside_fake_stack;
    const void *outside_stack;
    size_t outside_stack_size;
    uint64_t now_ns;
    uint64_t poll_step_ns;
    uint64_t steps;
    uint64_t digest;
    bool trace;
    bool failed;
    char failure[512];
};

static sim_world *running; /* whose thread runs now */

/* Stacks outlive a world: making one costs more than a short run. */
static char *spare_stacks[THREADS_MAX];
static uint32_t spare_count;

static char *stack_take(void)
{
    if (spare_count > 0) {
        return spare_stacks[--spare_count];
    }
    char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED || mprotect(stack, GUARD, PROT_NONE) != 0) {
        abort();
    }
    return stack;
}

static void stack_give(char *stack)
{
    if (spare_count < THREADS_MAX) {
        spare_stacks[spare_count++] = stack;
    } else {
        munmap(stack, STACK_SIZE);
    }
}

/* ---- randomness: xoroshiro128+ by Blackman and Vigna, seeded through splitmix64 ---- */

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15ull);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ z >> 27) * 0x94D049BB133111EBull;
    return z ^ z >> 31;
}

uint64_t world_random(sim_world *world)
{
    uint64_t a = world->random[0];
    uint64_t b = world->random[1];
    uint64_t result = a + b;
    b ^= a;
    world->random[0] = (a << 24 | a >> 40) ^ b ^ b << 16;
    world->random[1] = b << 37 | b >> 27;
    return result;
}

uint32_t world_below(sim_world *world, uint32_t limit)
{
    return limit == 0 ? 0 : (uint32_t)((world_random(world) >> 32) * limit >> 32);
}

uint32_t world_between(sim_world *world, uint32_t least, uint32_t most)
{
    return least + world_below(world, most - least + 1);
}

bool world_chance(sim_world *world, uint32_t of_1024)
{
    return world_below(world, 1024) < of_1024;
}

/* ---- life ---- */

sim_world *world_create(uint64_t seed)
{
    static const uint32_t switches[] = {1024, 512, 128, 32, 8};
    static const uint32_t ticks[] = {20, 200, 2000};
    sim_world *world = calloc(1, sizeof *world);
    if (world == NULL) {
        abort();
    }
    world->seed = seed;
    uint64_t state = seed * 2 + 1;
    world->random[0] = splitmix(&state);
    world->random[1] = splitmix(&state);
    world->now_ns = 1000000000;
    world->pace.switches = switches[world_below(world, 5)];
    world->pace.freezes = world_below(world, 3) == 0 ? 0 : world_below(world, 64);
    world->pace.freeze_max = world_below(world, 2) == 0 ? 20 : 400;
    world->pace.tick_max_ns = ticks[world_below(world, 3)];
    world->pace.steps_max = 1000000;
    world->trace = getenv("JZX_TRACE") != NULL;
    return world;
}

void world_destroy(sim_world *world)
{
    for (uint32_t i = 0; i < world->thread_count; i++) {
        stack_give(world->threads[i].stack);
    }
    free(world);
}

world_pace *world_pace_of(sim_world *world)
{
    return &world->pace;
}

void world_kernel_set(sim_world *world, const world_kernel *kernel)
{
    world->kernel = *kernel;
}

uint64_t world_seed(const sim_world *world)
{
    return world->seed;
}

uint64_t world_now_ns(const sim_world *world)
{
    return world->now_ns;
}

uint64_t world_steps(const sim_world *world)
{
    return world->steps;
}

uint64_t world_digest(const sim_world *world)
{
    return world->digest;
}

bool world_inside(void)
{
    return running != NULL;
}

const char *world_failure(const sim_world *world)
{
    return world->failed ? world->failure : NULL;
}

/* ---- switching ---- */

static void switch_begins(void **fake_stack, const void *stack, size_t size)
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(fake_stack, stack, size);
#else
    (void)fake_stack;
    (void)stack;
    (void)size;
#endif
}

static void switch_ended(sim_world *world, void *fake_stack, bool from_outside)
{
#if defined(__SANITIZE_ADDRESS__)
    const void *stack;
    size_t size;
    __sanitizer_finish_switch_fiber(fake_stack, &stack, &size);
    if (from_outside) {
        world->outside_stack = stack;
        world->outside_stack_size = size;
    }
#else
    (void)world;
    (void)fake_stack;
    (void)from_outside;
#endif
}

/* swapcontext(), which the address sanitizer would warn of although switch_begins() tells it all. */
static void swap(ucontext_t *from, const ucontext_t *to)
{
    volatile bool back = false;
    if (getcontext(from) != 0) {
        abort();
    }
    if (!back) {
        back = true;
        setcontext(to);
        abort();
    }
}

/* Leaves the thread that runs for good, back to world_run(). */
static _Noreturn void leave(sim_world *world)
{
    running = NULL;
    world->current = NULL;
    switch_begins(NULL, world->outside_stack, world->outside_stack_size);
    setcontext(&world->outside);
    abort();
}

void world_fail(sim_world *world, const char *format, ...)
{
    if (!world->failed) {
        world->failed = true;
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(world->failure, sizeof world->failure, format, arguments);
        va_end(arguments);
    }
    if (running == world) {
        leave(world);
    }
}

static bool can_run(const sim_thread *thread, uint64_t now_ns)
{
    if (thread->state == WAITING) {
        return thread->deadline_ns <= now_ns || thread->ready(thread->ready_context);
    }
    return thread->state == READY;
}

/* One that can run, drawn by lot; those that only poll, or are frozen, come after the others. NULL: none. */
static sim_thread *draw(sim_world *world, bool *only_polling)
{
    sim_thread *candidates[THREADS_MAX];
    sim_thread *late[THREADS_MAX];
    uint32_t count = 0;
    uint32_t late_count = 0;
    bool awake = false;
    for (uint32_t i = 0; i < world->thread_count; i++) {
        sim_thread *thread = &world->threads[i];
        if (!can_run(thread, world->now_ns)) {
            continue;
        }
        awake |= thread->polls < POLLS_IDLE;
        if (thread->frozen > 0) {
            thread->frozen--;
            late[late_count++] = thread;
        } else {
            candidates[count++] = thread;
        }
    }
    *only_polling = !awake;
    if (count == 0) {
        count = late_count;
        memcpy(candidates, late, late_count * sizeof late[0]);
    }
    return count == 0 ? NULL : candidates[world_below(world, count)];
}

static bool all_ended(const sim_world *world)
{
    for (uint32_t i = 0; i < world->thread_count; i++) {
        if (world->threads[i].state != ENDED) {
            return false;
        }
    }
    return true;
}

static uint64_t next_event(const sim_world *world)
{
    uint64_t next_ns = world->kernel.next_ns != NULL ? world->kernel.next_ns(world->kernel.context) : NEVER;
    for (uint32_t i = 0; i < world->thread_count; i++) {
        const sim_thread *thread = &world->threads[i];
        if (thread->state == WAITING && thread->deadline_ns < next_ns) {
            next_ns = thread->deadline_ns;
        }
    }
    return next_ns;
}

static bool kernel_step(sim_world *world)
{
    return world->kernel.step != NULL && world->kernel.step(world->kernel.context);
}

static void deadlock(sim_world *world)
{
    char names[300];
    size_t used = 0;
    for (uint32_t i = 0; i < world->thread_count && used < sizeof names; i++) {
        if (world->threads[i].state != ENDED) {
            used += (size_t)snprintf(names + used, sizeof names - used, " %s", world->threads[i].name);
        }
    }
    world_fail(world, "nobody can go on; these wait for ever:%s", names);
}

/* Nobody can run, or all only poll: time moves on. */
static void pass_time(sim_world *world, bool polling)
{
    if (world->kernel.idle != NULL) {
        world->kernel.idle(world->kernel.context);
    }
    uint64_t next_ns = next_event(world);
    if (polling) {
        world->poll_step_ns = world->poll_step_ns == 0 ? 500 : world->poll_step_ns * 2;
        uint64_t step_ns = world->poll_step_ns < 1000000 ? world->poll_step_ns : 1000000;
        next_ns = next_ns < world->now_ns + step_ns ? next_ns : world->now_ns + step_ns;
    } else if (next_ns == NEVER) {
        deadlock(world);
    }
    world->now_ns = next_ns > world->now_ns ? next_ns : world->now_ns;
}

/* Who runs next; NULL when all have ended. Does not return after a failure inside. */
static sim_thread *choose(sim_world *world)
{
    for (;;) {
        bool only_polling;
        sim_thread *next = draw(world, &only_polling);
        if (next != NULL && !only_polling) {
            world->poll_step_ns = 0;
            return next;
        }
        if (next == NULL && all_ended(world)) {
            return NULL;
        }
        if (kernel_step(world)) {
            continue;
        }
        pass_time(world, next != NULL);
        if (world->failed || next != NULL) {
            return next;
        }
    }
}

static void go_to(sim_world *world, sim_thread *next)
{
    sim_thread *from = world->current;
    if (next == from) {
        return;
    }
    world->current = next;
    if (world->trace) {
        (void)fprintf(stderr, "%12llu      -> %s\n", (unsigned long long)world->now_ns, next->name);
    }
    switch_begins(&from->fake_stack, next->stack + GUARD, STACK_SIZE - GUARD);
    swap(&from->context, &next->context);
    switch_ended(world, from->fake_stack, false);
}

/* Something has happened: those that poll have to look again before it counts that nothing did. */
static void news(sim_world *world)
{
    for (uint32_t i = 0; i < world->thread_count; i++) {
        world->threads[i].polls = 0;
    }
}

static void took_step(sim_world *world)
{
    world->steps++;
    world->digest = (world->digest ^ (world->now_ns + (uint64_t)(world->current - world->threads))) * 0x100000001B3ull;
    if (world->steps > world->pace.steps_max) {
        world_fail(world, "no end after %llu steps, at %llu ns: something spins", (unsigned long long)world->steps,
                   (unsigned long long)world->now_ns);
    }
}

/* Lets another run, if the lot says so. */
static void pass_on(sim_world *world)
{
    sim_thread *self = world->current;
    if (world_chance(world, world->pace.freezes)) {
        self->frozen = 1 + world_below(world, world->pace.freeze_max);
        if (world_chance(world, 64)) {
            world->now_ns += world_below(world, 5000000); /* the thread was off its CPU for long */
        }
    }
    if (world_chance(world, 64)) {
        (void)kernel_step(world);
    }
    go_to(world, choose(world));
}

void world_point(const char *where)
{
    sim_world *world = running;
    if (world == NULL) {
        return;
    }
    took_step(world);
    news(world);
    if (world->trace) {
        (void)fprintf(stderr, "%12llu %s: %s\n", (unsigned long long)world->now_ns, world->current->name, where);
    }
    if (world_chance(world, world->pace.switches)) {
        pass_on(world);
    }
}

void world_yield(sim_world *world)
{
    took_step(world);
    news(world);
    pass_on(world);
}

void world_poll(sim_world *world)
{
    took_step(world);
    world->current->polls++;
    go_to(world, choose(world));
}

bool world_wait(sim_world *world, bool (*ready)(void *context), void *context, uint64_t deadline_ns)
{
    took_step(world);
    news(world);
    sim_thread *self = world->current;
    self->state = WAITING;
    self->ready = ready;
    self->ready_context = context;
    self->deadline_ns = deadline_ns;
    go_to(world, choose(world));
    self->state = READY;
    news(world);
    return ready(context);
}

static bool never(void *context)
{
    (void)context;
    return false;
}

void world_sleep(sim_world *world, uint64_t ns)
{
    (void)world_wait(world, never, NULL, world->now_ns + ns);
}

uint64_t world_clock_read(sim_world *world)
{
    if (world->pace.tick_max_ns != WORLD_STILL) {
        world->now_ns += 1 + world_below(world, world->pace.tick_max_ns);
    }
    return world->now_ns;
}

/* ---- threads ---- */

static void thread_main(unsigned high, unsigned low)
{
    sim_thread *self = (sim_thread *)((uintptr_t)high << 32 | low); /* makecontext() passes ints only */
    sim_world *world = self->world;
    switch_ended(world, NULL, world->outside_stack == NULL);
    self->main(self->argument);
    self->state = ENDED;
    news(world);
    sim_thread *next = choose(world);
    if (next == NULL || world->failed) {
        leave(world);
    }
    go_to(world, next);
    abort(); /* nobody comes back to a thread that has ended */
}

void world_start(sim_world *world, const char *name, void (*main)(void *argument), void *argument)
{
    if (world->thread_count == THREADS_MAX) {
        abort();
    }
    sim_thread *thread = &world->threads[world->thread_count];
    *thread = (struct sim_thread){.world = world, .name = name, .main = main, .argument = argument};
    thread->stack = stack_take();
    if (getcontext(&thread->context) != 0) {
        abort();
    }
    thread->context.uc_stack.ss_sp = thread->stack + GUARD;
    thread->context.uc_stack.ss_size = STACK_SIZE - GUARD;
    uintptr_t word = (uintptr_t)thread;
    makecontext(&thread->context, (void (*)(void))thread_main, 2, (unsigned)(word >> 32), (unsigned)word);
    world->thread_count++;
}

bool world_run(sim_world *world)
{
    sim_thread *first = world->failed ? NULL : choose(world);
    if (first != NULL && !world->failed) {
        world->current = first;
        running = world;
        switch_begins(&world->outside_fake_stack, first->stack + GUARD, STACK_SIZE - GUARD);
        swap(&world->outside, &first->context);
        switch_ended(world, world->outside_fake_stack, false);
        running = NULL;
    }
    return !world->failed;
}

/* ---- the hooks of the simulation build ---- */

void jzx__sim_point(const char *where)
{
    world_point(where);
}

uint64_t jzx__sim_now_ns(void)
{
    return world_clock_read(running);
}

typedef struct futex {
    _Atomic(uint32_t) *word;
    uint32_t value;
} futex;

static bool changed(void *context)
{
    const futex *wait = context;
    return atomic_load(wait->word) != wait->value;
}

void jzx__sim_wait(_Atomic(uint32_t) *word, uint32_t value, uint64_t deadline_ns)
{
    struct futex what = {word, value};
    (void)world_wait(running, changed, &what, deadline_ns);
}

uintptr_t jzx__sim_thread(void)
{
    return running == NULL ? 0 : (uintptr_t)running->current;
}
