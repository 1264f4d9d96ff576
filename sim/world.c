/* world: see world.h. */
#undef _FORTIFY_SOURCE /* its longjmp() allows no jump to another stack */

#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "sim/machine.h"

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

enum { POLLS_IDLE = 6, STACK_SIZE = 256 * 1024, GUARD = 4096 };

typedef enum thread_state { FREE, READY, WAITING, ENDED } thread_state;

struct jzx__sim_thread_record {
    jzx_sim *sim;
    const char *name;
    void (*main)(void *argument);
    void *argument;
    jmp_buf context;
    ucontext_t entry;
    bool entered;
    bool joined; /* stays until somebody has seen its end */
    char *stack;
    void *fake_stack; /* of the address sanitizer */
    const void *asan_stack;
    size_t asan_size;
    thread_state state;
    uint32_t polls;      /* in a row, without passing a point: it only looks again and again */
    uint32_t frozen;     /* switches to miss */
    uint64_t stalled_ns; /* until then it does not run */
    bool (*ready)(void *context);
    void *ready_context;
    uint64_t deadline_ns;
};

typedef jzx__sim_thread_record thread;

/* Stacks outlive a machine: making one costs more than a short run. */
static char *spare_stacks[JZX__SIM_THREADS_MAX];
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
#ifdef WITH_ASAN
    __asan_unpoison_memory_region(stack + GUARD, STACK_SIZE - GUARD); /* of functions that never returned */
#endif
    if (spare_count < JZX__SIM_THREADS_MAX) {
        spare_stacks[spare_count++] = stack;
    } else {
        munmap(stack, STACK_SIZE);
    }
}

static uint64_t schedule(jzx_sim *sim, uint64_t below)
{
    return below <= 1 ? 0 : jzx__sim_between(sim, JZX__SIM_STREAM_SCHEDULE, 0, below - 1);
}

static bool schedule_chance(jzx_sim *sim, uint32_t of_1024)
{
    return of_1024 != 0 && jzx__sim_chance(sim, JZX__SIM_STREAM_SCHEDULE, of_1024);
}

/* ---- life ---- */

static void draw_pace(jzx_sim *sim)
{
    bool calm = jzx__sim_chance(sim, JZX__SIM_STREAM_CONFIG, 341);
    uint64_t freezes = jzx__sim_between(sim, JZX__SIM_STREAM_CONFIG, 0, 63);
    bool shortly = jzx__sim_chance(sim, JZX__SIM_STREAM_CONFIG, 512);
    sim->world.freezes = calm || sim->config.switches != JZX_SIM_DRAWN ? 0 : (uint32_t)freezes;
    sim->world.freeze_max = shortly ? 20 : 400;
}

void jzx__sim_world_init(jzx_sim *sim)
{
    jzx__sim_world *world = &sim->world;
    world->outside = jzx__sim_own_alloc(sizeof *world->outside);
    world->outside->sim = sim;
    world->outside->name = "outside";
    world->outside->entered = true;
    world->current = world->outside;
    world->now_ns = 1000000000;
    draw_pace(sim);
}

void jzx__sim_world_deinit(jzx_sim *sim)
{
    jzx__sim_world *world = &sim->world;
    for (uint32_t i = 0; i < world->thread_count; i++) {
        if (world->threads[i]->stack != NULL) {
            stack_give(world->threads[i]->stack);
        }
        free(world->threads[i]);
    }
    free(world->outside);
}

bool jzx__sim_inside(const jzx_sim *sim)
{
    return sim->world.current != sim->world.outside;
}

bool jzx__sim_thread_ended(const thread *one)
{
    return one->state == ENDED;
}

void jzx__sim_thread_forget(thread *one)
{
    JZX_ASSERT(one->state == ENDED && one->joined);
    one->joined = false;
    one->state = FREE;
}

void jzx__sim_thread_stall(thread *one, uint64_t until_ns)
{
    one->stalled_ns = one->stalled_ns > until_ns ? one->stalled_ns : until_ns;
}

uint32_t jzx__sim_threads_alive(const jzx_sim *sim)
{
    uint32_t alive = 0;
    for (uint32_t i = 0; i < sim->world.thread_count; i++) {
        alive += sim->world.threads[i]->state == READY || sim->world.threads[i]->state == WAITING;
    }
    return alive;
}

uint32_t jzx__sim_threads_unjoined(const jzx_sim *sim)
{
    uint32_t unjoined = 0;
    for (uint32_t i = 0; i < sim->world.thread_count; i++) {
        unjoined += sim->world.threads[i]->state == ENDED;
    }
    return unjoined;
}

/* ---- switching ---- */

static void switch_begins(thread *from, const thread *to)
{
#ifdef WITH_ASAN
    bool for_good = from->state == ENDED || from->state == FREE;
    bool outside = from == from->sim->world.outside;
    __sanitizer_start_switch_fiber(for_good && !outside ? NULL : &from->fake_stack, to->asan_stack, to->asan_size);
#else
    (void)from;
    (void)to;
#endif
}

/* On the stack of who was switched to. The first switch of all comes from outside, whose stack is known only then. */
static void switch_ended(thread *self, thread *outside)
{
#ifdef WITH_ASAN
    const void *stack;
    size_t size;
    __sanitizer_finish_switch_fiber(self->fake_stack, &stack, &size);
    if (outside != NULL && outside->asan_stack == NULL) {
        outside->asan_stack = stack;
        outside->asan_size = size;
    }
#else
    (void)self;
    (void)outside;
#endif
}

static void thread_main(unsigned high, unsigned low);

/* The thread that runs stops here until it is switched to again. */
static __attribute__((noinline)) void switch_to(jzx__sim_world *world, thread *to)
{
    thread *from = world->current;
    if (to == from) {
        return;
    }
    world->current = to;
    switch_begins(from, to);
    if (_setjmp(from->context) == 0) {
        if (to->entered) {
            _longjmp(to->context, 1);
        }
        to->entered = true;
        setcontext(&to->entry);
        abort();
    }
    switch_ended(from, NULL);
}

void jzx__sim_failed(jzx_sim *sim, const char *format, va_list arguments)
{
    jzx__sim_world *world = &sim->world;
    if (!sim->failed) {
        sim->failed = true;
        (void)vsnprintf(sim->failure, sizeof sim->failure, format, arguments);
    }
    world->end = JZX__SIM_FAILED;
    world->checking = false;
    if (world->current != world->outside) {
        switch_to(world, world->outside); /* W3: for good */
        abort();
    }
    if (world->escape != NULL) {
        _longjmp(*world->escape, 1);
    }
}

static bool can_run(const thread *one, uint64_t now_ns)
{
    if (one->stalled_ns > now_ns) {
        return false;
    }
    if (one->state == WAITING) {
        return one->deadline_ns <= now_ns || one->ready(one->ready_context);
    }
    return one->state == READY;
}

/* One that can run, drawn by lot; those that are frozen come after the others. NULL: none. */
static thread *draw(jzx_sim *sim, bool *only_polling)
{
    jzx__sim_world *world = &sim->world;
    thread *candidates[JZX__SIM_THREADS_MAX];
    thread *late[JZX__SIM_THREADS_MAX];
    uint32_t count = 0;
    uint32_t late_count = 0;
    bool awake = false;
    for (uint32_t i = 0; i < world->thread_count; i++) {
        thread *one = world->threads[i];
        if (!can_run(one, world->now_ns)) {
            continue;
        }
        awake |= one->polls < POLLS_IDLE;
        if (one->frozen > 0) {
            one->frozen--;
            late[late_count++] = one;
        } else {
            candidates[count++] = one;
        }
    }
    *only_polling = !awake;
    if (count == 0) {
        count = late_count;
        memcpy(candidates, late, late_count * sizeof late[0]);
    }
    return count == 0 ? NULL : candidates[schedule(sim, count)];
}

uint64_t jzx__sim_world_next_ns(const jzx_sim *sim)
{
    uint64_t next_ns = jzx__sim_kernel_next_ns(sim);
    for (uint32_t i = 0; i < sim->world.thread_count; i++) {
        const thread *one = sim->world.threads[i];
        uint64_t own_ns = one->state == WAITING ? one->deadline_ns : JZX__SIM_NEVER;
        if ((one->state == WAITING || one->state == READY) && one->stalled_ns > sim->world.now_ns) {
            own_ns = one->stalled_ns; /* before that its deadline does not matter */
        }
        next_ns = own_ns < next_ns ? own_ns : next_ns;
    }
    return next_ns;
}

static void deadlock(jzx_sim *sim)
{
    char names[300] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < sim->world.thread_count && used < sizeof names; i++) {
        const thread *one = sim->world.threads[i];
        if (one->state == WAITING || one->state == READY) {
            used += (size_t)snprintf(names + used, sizeof names - used, " %s", one->name);
        }
    }
    jzx_sim_fail(sim, "nobody can go on; these wait for ever:%s", names);
}

/* Nobody can run, or all only poll: time moves on, as far as this run may. False: it may not. */
static bool pass_time(jzx_sim *sim, bool polling)
{
    jzx__sim_world *world = &sim->world;
    uint64_t next_ns = jzx__sim_world_next_ns(sim);
    if (polling) {
        world->poll_step_ns = world->poll_step_ns == 0 ? 500 : world->poll_step_ns * 2;
        uint64_t step_ns = world->poll_step_ns < 1000000 ? world->poll_step_ns : 1000000;
        next_ns = next_ns < world->now_ns + step_ns ? next_ns : world->now_ns + step_ns;
    }
    if (next_ns > world->limit_ns || next_ns == JZX__SIM_NEVER) {
        if (world->limit_ns == JZX__SIM_NEVER) {
            deadlock(sim);
            return false;
        }
        world->now_ns = world->limit_ns > world->now_ns ? world->limit_ns : world->now_ns;
        world->end = JZX__SIM_LATE;
        return false;
    }
    uint64_t jump_ns;
    world->now_ns = next_ns > world->now_ns ? next_ns : world->now_ns;
    if (jzx__sim_fault_amount(sim, JZX_SIM_CLOCK_JUMP, 1000000, 60000000000ull, &jump_ns)) {
        world->now_ns += jump_ns;
    }
    return true;
}

static bool over(jzx_sim *sim)
{
    jzx__sim_world *world = &sim->world;
    if (world->end == JZX__SIM_RUNS && world->ready != NULL && world->ready(world->ready_context)) {
        world->end = JZX__SIM_READY;
    }
    if (world->end == JZX__SIM_RUNS && world->steps >= world->steps_end) {
        world->end = JZX__SIM_READY;
    }
    return world->end != JZX__SIM_RUNS;
}

/* Who runs next; outside when the run is over. */
static thread *choose(jzx_sim *sim)
{
    jzx__sim_world *world = &sim->world;
    while (!over(sim)) {
        bool only_polling;
        thread *next = draw(sim, &only_polling);
        if (next != NULL && !only_polling) {
            world->poll_step_ns = 0;
            return next;
        }
        if (next == NULL && jzx__sim_threads_alive(sim) == 0) {
            world->end = JZX__SIM_ENDED;
            continue;
        }
        if (jzx__sim_kernel_step(sim)) {
            continue;
        }
        if (sim->idle != NULL) {
            sim->idle(sim->idle_context);
        }
        if (pass_time(sim, next != NULL) && next != NULL) {
            return next;
        }
    }
    return world->outside;
}

static void go_on(jzx_sim *sim)
{
    thread *next = choose(sim);
    if (next != sim->world.current && next != sim->world.outside) {
        jzx__sim_event(sim, next->name, 0, 0, 0);
    }
    switch_to(&sim->world, next);
}

/* Something has happened: those that poll have to look again before it counts that nothing did. */
static void news(jzx__sim_world *world)
{
    for (uint32_t i = 0; i < world->thread_count; i++) {
        world->threads[i]->polls = 0;
    }
}

static void took_step(jzx_sim *sim)
{
    jzx__sim_world *world = &sim->world;
    world->steps++;
    if (world->steps > sim->config.steps_max) {
        jzx_sim_fail(sim, "no end after %llu steps, at %llu ns: something spins", (unsigned long long)world->steps,
                     (unsigned long long)world->now_ns);
    }
    world->checking = true;
    jzx__sim_checks_run(sim);
    world->checking = false;
}

/* Lets another run, if the lot says so. */
static void pass_on(jzx_sim *sim)
{
    jzx__sim_world *world = &sim->world;
    thread *self = world->current;
    uint64_t stall_ns;
    if (schedule_chance(sim, world->freezes)) {
        self->frozen = 1 + (uint32_t)schedule(sim, world->freeze_max);
    }
    if (jzx__sim_fault_amount(sim, JZX_SIM_STALL, 10000, 1000000000, &stall_ns)) {
        jzx__sim_thread_stall(self, world->now_ns + stall_ns);
    }
    if (schedule_chance(sim, 64)) {
        (void)jzx__sim_kernel_step(sim);
    }
    go_on(sim);
}

void jzx__sim_point(const char *where)
{
    jzx_sim *sim = jzx__sim_machine;
    if (sim == NULL || !jzx__sim_inside(sim) || sim->world.checking) {
        return;
    }
    took_step(sim);
    news(&sim->world);
    (void)where; /* read in a debugger: the trace would be all points */
    if (over(sim)) {
        switch_to(&sim->world, sim->world.outside);
    } else if (schedule_chance(sim, sim->faults.switches)) {
        pass_on(sim);
    }
}

void jzx__sim_pass(jzx_sim *sim)
{
    if (!jzx__sim_inside(sim)) {
        return;
    }
    took_step(sim);
    news(&sim->world);
    pass_on(sim);
}

void jzx__sim_poll(jzx_sim *sim)
{
    if (!jzx__sim_inside(sim)) {
        return;
    }
    took_step(sim);
    sim->world.current->polls++;
    go_on(sim);
}

static bool wait_outside(jzx_sim *sim, bool (*ready)(void *context), void *context, uint64_t deadline_ns)
{
    if (jzx__sim_world_run(sim, deadline_ns, ready, context, JZX__SIM_NEVER) == JZX__SIM_FAILED) {
        sim->world.now_ns = JZX__SIM_NEVER / 2 > deadline_ns ? deadline_ns : JZX__SIM_NEVER; /* nobody waits for it */
    }
    return ready(context);
}

bool jzx__sim_wait(jzx_sim *sim, bool (*ready)(void *context), void *context, uint64_t deadline_ns)
{
    jzx__sim_world *world = &sim->world;
    if (!jzx__sim_inside(sim)) {
        return wait_outside(sim, ready, context, deadline_ns);
    }
    took_step(sim);
    news(world);
    thread *self = world->current;
    self->state = WAITING;
    self->ready = ready;
    self->ready_context = context;
    self->deadline_ns = deadline_ns;
    uint64_t late_ns;
    if (jzx__sim_fault_amount(sim, JZX_SIM_WOKEN_LATE, 1000, 5000000, &late_ns)) {
        self->deadline_ns = jzx__add_saturating(deadline_ns, late_ns);
    }
    go_on(sim);
    self->state = READY;
    news(world);
    return ready(context);
}

uint64_t jzx__sim_clock(const jzx_sim *sim)
{
    return sim->world.now_ns;
}

uint64_t jzx__sim_clock_read(jzx_sim *sim)
{
    if (sim->config.tick_max_ns != 0) {
        sim->world.now_ns += jzx__sim_between(sim, JZX__SIM_STREAM_CLOCK, 1, sim->config.tick_max_ns);
    }
    return sim->world.now_ns;
}

void jzx__sim_clock_add(jzx_sim *sim, uint64_t ns)
{
    sim->world.now_ns = jzx__add_saturating(sim->world.now_ns, ns);
}

/* ---- threads ---- */

static void thread_main(unsigned high, unsigned low)
{
    thread *self = (thread *)((uintptr_t)high << 32 | low); /* makecontext() passes ints only */
    jzx_sim *sim = self->sim;
    switch_ended(self, sim->world.outside);
    self->main(self->argument);
    self->state = self->joined ? ENDED : FREE;
    news(&sim->world);
    switch_to(&sim->world, choose(sim));
    abort(); /* nobody comes back to a thread that has ended */
}

static __attribute__((noinline)) void make_entry(thread *one)
{
    if (getcontext(&one->entry) != 0) {
        abort();
    }
    one->entry.uc_stack.ss_sp = one->stack + GUARD;
    one->entry.uc_stack.ss_size = STACK_SIZE - GUARD;
    uintptr_t word = (uintptr_t)one;
    makecontext(&one->entry, (void (*)(void))thread_main, 2, (unsigned)(word >> 32), (unsigned)word);
}

static thread *record_take(jzx__sim_world *world)
{
    for (uint32_t i = 0; i < world->thread_count; i++) {
        if (world->threads[i]->state == FREE && world->threads[i] != world->current) {
            return world->threads[i];
        }
    }
    if (world->thread_count == JZX__SIM_THREADS_MAX) {
        return NULL;
    }
    thread *one = jzx__sim_own_alloc(sizeof *one);
    one->stack = stack_take();
    world->threads[world->thread_count++] = one;
    return one;
}

thread *jzx__sim_thread_start(jzx_sim *sim, const char *name, void (*main)(void *argument), void *argument, bool joined)
{
    thread *one = record_take(&sim->world);
    if (one == NULL) {
        return NULL;
    }
    *one = (thread){.sim = sim,
                    .stack = one->stack,
                    .name = name,
                    .main = main,
                    .argument = argument,
                    .joined = joined,
                    .state = READY};
    one->asan_stack = one->stack + GUARD;
    one->asan_size = STACK_SIZE - GUARD;
    make_entry(one);
    return one;
}

jzx__sim_end jzx__sim_world_run(jzx_sim *sim, uint64_t limit_ns, bool (*ready)(void *context), void *context,
                                uint64_t steps)
{
    jzx__sim_world *world = &sim->world;
    JZX_ASSERT(!jzx__sim_inside(sim));
    if (sim->failed) {
        return JZX__SIM_FAILED;
    }
    world->limit_ns = limit_ns;
    world->ready = ready;
    world->ready_context = context;
    world->steps_end = jzx__add_saturating(world->steps, steps);
    world->end = JZX__SIM_RUNS;
    go_on(sim);
    if (sim->failed && world->escape != NULL) {
        _longjmp(*world->escape, 1);
    }
    return world->end;
}

/* Names the thread that runs, so that each loop has its own. */
uintptr_t jzx__sim_thread(void)
{
    const jzx_sim *sim = jzx__sim_machine;
    return sim == NULL || !jzx__sim_inside(sim) ? 0 : (uintptr_t)sim->world.current;
}
