/* sim: the public calls of jzx/sim.h about the machine, its life, its running and its checks. */
#include "sim/machine.h"

#include <stdlib.h>
#include <string.h>

#include "sched/loop.h"

jzx_sim *jzx__sim_machine;

/* ---- life ---- */

void jzx_sim_config_init(jzx_sim_config *config)
{
    if (config == NULL) {
        return;
    }
    memset(config, 0, sizeof *config);
    config->struct_size = sizeof *config;
    config->switches = JZX_SIM_DRAWN;
    config->latency_min_ns = 20000;
    config->latency_max_ns = 100000;
    config->ring_entries_max = 32768;
    config->steps_max = 10000000;
}

static bool config_valid(const jzx_sim_config *config)
{
    for (uint32_t i = 0; i < JZX_SIM_FAULTS; i++) {
        if (config->rates[i] > 65536 && config->rates[i] != JZX_SIM_DRAWN) {
            return false;
        }
    }
    return config->struct_size == sizeof *config && config->latency_min_ns <= config->latency_max_ns &&
           (config->switches <= 1024 || config->switches == JZX_SIM_DRAWN) && config->ring_entries_max >= 1 &&
           config->ring_entries_max <= 32768 && config->steps_max >= 1;
}

jzx_err jzx_sim_create(uint64_t seed, const jzx_sim_config *user_config, jzx_sim **out)
{
    jzx_sim_config config;
    jzx_sim_config_init(&config);
    if (user_config != NULL) {
        config = *user_config;
    }
    if (out == NULL || !config_valid(&config)) {
        return JZX_ERR_INVALID_ARG;
    }
    if (jzx__sim_machine != NULL) {
        return JZX_ERR_BUSY;
    }
    jzx_sim *sim = calloc(1, sizeof *sim);
    if (sim == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    sim->seed = seed;
    sim->config = config;
    jzx__sim_faults_init(&sim->faults, seed, &config);
    jzx__sim_trace_init(&sim->trace, &config);
    jzx__sim_world_init(sim);
    sim->memory = jzx__sim_memory_create();
    sim->books = jzx__sim_books_create();
    sim->fds = jzx__sim_fds_create();
    sim->net = jzx__sim_net_create(sim);
    jzx__sim_machine = sim;
    *out = sim;
    return JZX_OK;
}

jzx_err jzx_sim_destroy(jzx_sim *sim)
{
    if (sim == NULL || sim != jzx__sim_machine) {
        return JZX_ERR_INVALID_ARG;
    }
    if (jzx__sim_inside(sim)) {
        return JZX_ERR_BUSY;
    }
    jzx__sim_net_destroy(sim->net);
    jzx__sim_rings_destroy(sim);
    jzx__sim_fds_destroy(sim->fds);
    jzx__sim_books_destroy(sim->books);
    jzx__sim_memory_destroy(sim->memory);
    jzx__sim_world_deinit(sim);
    jzx__sim_trace_deinit(&sim->trace);
    jzx__sim_machine = NULL;
    free(sim);
    return JZX_OK;
}

jzx__sim_faults *jzx__sim_faults_of(jzx_sim *sim)
{
    return &sim->faults;
}

jzx__sim_trace *jzx__sim_trace_of(jzx_sim *sim)
{
    return &sim->trace;
}

jzx__sim_net *jzx__sim_net_of(jzx_sim *sim)
{
    return sim->net;
}

jzx__sim_fds *jzx__sim_fds_of(const jzx_sim *sim)
{
    return sim->fds;
}

const jzx_sim_config *jzx__sim_config_of(const jzx_sim *sim)
{
    return &sim->config;
}

jzx_err jzx_sim_check_end(jzx_sim *sim)
{
    if (sim == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    if (jzx__sim_inside(sim)) {
        return JZX_ERR_BUSY;
    }
    uint32_t threads = jzx__sim_threads_alive(sim);
    uint32_t unjoined = jzx__sim_threads_unjoined(sim);
    if (threads != 0) {
        jzx_sim_fail(sim, "at the end %u threads have not ended", threads);
    } else if (unjoined != 0) {
        jzx_sim_fail(sim, "at the end %u threads have ended and were not joined", unjoined);
    } else if (jzx__sim_memory_blocks(sim) != 0) {
        jzx_sim_fail(sim, "at the end %llu bytes in %llu blocks were not freed",
                     (unsigned long long)jzx__sim_memory_live(sim), (unsigned long long)jzx__sim_memory_blocks(sim));
    } else if (jzx__sim_fd_count(sim) != 0) {
        jzx_sim_fail(sim, "at the end %u descriptors are open", jzx__sim_fd_count(sim));
    } else if (jzx__sim_rings_busy(sim) != 0) {
        jzx_sim_fail(sim, "at the end %u operations are in flight", jzx__sim_rings_busy(sim));
    }
    return sim->failed ? JZX_ERR_SIM_FAILED : JZX_OK;
}

/* ---- running ---- */

static jzx_err refuse(const jzx_sim *sim)
{
    return sim == NULL || sim != jzx__sim_machine ? JZX_ERR_INVALID_ARG
           : jzx__sim_inside(sim)                 ? JZX_ERR_BUSY
           : sim->failed                          ? JZX_ERR_SIM_FAILED
                                                  : JZX_OK;
}

static jzx_err run(jzx_sim *sim, uint64_t limit_ns, bool (*ready)(void *argument), void *argument, uint64_t steps,
                   jzx__sim_end *end)
{
    jzx_err err = refuse(sim);
    if (err != JZX_OK) {
        return err;
    }
    *end = jzx__sim_world_run(sim, limit_ns, ready, argument, steps);
    return *end == JZX__SIM_FAILED ? JZX_ERR_SIM_FAILED : JZX_OK;
}

jzx_err jzx_sim_run(jzx_sim *sim)
{
    jzx__sim_end end;
    return run(sim, JZX__SIM_NEVER, NULL, NULL, JZX__SIM_NEVER, &end);
}

jzx_err jzx_sim_run_until_idle(jzx_sim *sim)
{
    jzx__sim_end end;
    return sim == NULL ? JZX_ERR_INVALID_ARG : run(sim, sim->world.now_ns, NULL, NULL, JZX__SIM_NEVER, &end);
}

jzx_err jzx_sim_advance(jzx_sim *sim, uint64_t ns)
{
    jzx__sim_end end = JZX__SIM_RUNS;
    if (sim == NULL || ns >= JZX__SIM_NEVER - sim->world.now_ns) {
        return JZX_ERR_INVALID_ARG;
    }
    uint64_t until_ns = sim->world.now_ns + ns;
    jzx_err err = run(sim, until_ns, NULL, NULL, JZX__SIM_NEVER, &end);
    if (err == JZX_OK && end == JZX__SIM_ENDED && sim->world.now_ns < until_ns) {
        sim->world.now_ns = until_ns;
    }
    return err;
}

jzx_err jzx_sim_advance_next(jzx_sim *sim)
{
    jzx_err err = jzx_sim_run_until_idle(sim);
    if (err != JZX_OK) {
        return err;
    }
    uint64_t next_ns = jzx__sim_world_next_ns(sim);
    if (next_ns == JZX__SIM_NEVER) {
        return JZX_ERR_NOT_FOUND;
    }
    return jzx_sim_advance(sim, next_ns > sim->world.now_ns ? next_ns - sim->world.now_ns : 0);
}

jzx_err jzx_sim_run_until(jzx_sim *sim, bool (*ready)(void *argument), void *argument, uint64_t timeout_ns)
{
    jzx__sim_end end = JZX__SIM_RUNS;
    if (sim == NULL || ready == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    uint64_t limit_ns = jzx__add_saturating(sim->world.now_ns, timeout_ns);
    jzx_err err = run(sim, limit_ns, ready, argument, JZX__SIM_NEVER, &end);
    return err != JZX_OK || end == JZX__SIM_READY || ready(argument) ? err : JZX_ERR_TIMEOUT;
}

jzx_err jzx_sim_step(jzx_sim *sim)
{
    jzx__sim_end end = JZX__SIM_RUNS;
    jzx_err err = sim == NULL ? JZX_ERR_INVALID_ARG : run(sim, sim->world.now_ns, NULL, NULL, 1, &end);
    return err != JZX_OK || end == JZX__SIM_READY ? err : JZX_ERR_NOT_FOUND;
}

uint64_t jzx_sim_now_ns(const jzx_sim *sim)
{
    return sim == NULL ? 0 : sim->world.now_ns;
}

uint64_t jzx_sim_seed(const jzx_sim *sim)
{
    return sim == NULL ? 0 : sim->seed;
}

uint64_t jzx_sim_steps(const jzx_sim *sim)
{
    return sim == NULL ? 0 : sim->world.steps;
}

/* ---- threads ---- */

jzx_err jzx_sim_thread(jzx_sim *sim, const char *name, void (*main)(void *argument), void *argument)
{
    if (sim == NULL || name == NULL || main == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    return jzx__sim_thread_start(sim, name, main, argument, false) != NULL ? JZX_OK : JZX_ERR_LIMIT;
}

static bool never(void *context)
{
    (void)context;
    return false;
}

jzx_err jzx_sim_sleep(jzx_sim *sim, uint64_t ns)
{
    if (sim == NULL || ns >= JZX__SIM_NEVER - sim->world.now_ns) {
        return JZX_ERR_INVALID_ARG;
    }
    if (!jzx__sim_inside(sim)) {
        return jzx_sim_advance(sim, ns);
    }
    (void)jzx__sim_wait(sim, never, NULL, sim->world.now_ns + ns);
    return JZX_OK;
}

void jzx_sim_yield(jzx_sim *sim)
{
    if (sim != NULL) {
        jzx__sim_pass(sim);
    }
}

typedef struct host {
    jzx_sim *sim;
    int fd;
} host;

static bool readable(void *context)
{
    const host *waits = context;
    return jzx__sim_event_readable(waits->sim, waits->fd);
}

jzx_err jzx_sim_host_wait(jzx_sim *sim, int fd, uint64_t timeout_ns)
{
    if (sim == NULL || jzx__sim_fd_kind_of(sim, fd) != JZX__SIM_FD_EVENT) {
        return JZX_ERR_INVALID_ARG;
    }
    host waits = {sim, fd};
    uint64_t deadline_ns = jzx__add_saturating(sim->world.now_ns, timeout_ns);
    return jzx__sim_wait(sim, readable, &waits, deadline_ns) ? JZX_OK : JZX_ERR_TIMEOUT;
}

/* The threads of loops have names that live as long as the program. */
const char *jzx__sim_loop_name(const void *loop)
{
    static const char *const names[] = {"loop 0",  "loop 1",  "loop 2",  "loop 3", "loop 4",  "loop 5",
                                        "loop 6",  "loop 7",  "loop 8",  "loop 9", "loop 10", "loop 11",
                                        "loop 12", "loop 13", "loop 14", "loop 15"};
    uint32_t index = ((const jzx_loop *)loop)->index;
    return index < JZX__COUNT(names) ? names[index] : "loop";
}

/* ---- ends on purpose ---- */

static jzx_err end_later(jzx_sim *sim, const jzx__sim_ending *ending)
{
    if (sim == NULL || ending->runtime == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    if (ending->actor == 0 || jzx_actor_loop(ending->actor) >= jzx_runtime_loop_count(ending->runtime)) {
        return JZX_ERR_NO_SUCH_ACTOR;
    }
    if (sim->ending_count == JZX__SIM_ENDS_MAX) {
        return JZX_ERR_LIMIT;
    }
    sim->endings[sim->ending_count++] = *ending;
    jzx__wake(ending->runtime->loops[jzx_actor_loop(ending->actor)]);
    return JZX_OK;
}

jzx_err jzx_sim_kill(jzx_sim *sim, jzx_runtime *runtime, jzx_actor_id actor)
{
    return end_later(sim, &(jzx__sim_ending){.runtime = runtime, .actor = actor});
}

jzx_err jzx_sim_fail_actor(jzx_sim *sim, jzx_runtime *runtime, jzx_actor_id actor, int32_t code)
{
    return end_later(sim, &(jzx__sim_ending){.runtime = runtime, .actor = actor, .fails = true, .code = code});
}

/* A turn begins: what was asked for its actors is done now. */
void jzx__sim_turn(jzx_loop *loop)
{
    jzx_sim *sim = jzx__sim_machine;
    uint32_t kept = 0;
    if (sim == NULL) {
        return;
    }
    jzx__sim_point("turn"); /* one that is never idle passes no other */
    for (uint32_t i = 0; i < sim->ending_count; i++) {
        jzx__sim_ending ending = sim->endings[i];
        if (ending.runtime != loop->runtime || jzx_actor_loop(ending.actor) != loop->index) {
            sim->endings[kept++] = ending;
        } else if (ending.fails) {
            (void)jzx_fail(&loop->host, ending.actor, ending.code, "simulated"); /* it may have ended meanwhile */
        } else {
            (void)jzx_kill(&loop->host, ending.actor);
        }
    }
    sim->ending_count = kept;
}

/* A runtime goes: what was asked for its actors is void, and its address may be another's later. */
void jzx__sim_gone(const jzx_runtime *runtime)
{
    jzx_sim *sim = jzx__sim_machine;
    uint32_t kept = 0;
    if (sim == NULL) {
        return;
    }
    for (uint32_t i = 0; i < sim->ending_count; i++) {
        if (sim->endings[i].runtime != runtime) {
            sim->endings[kept++] = sim->endings[i];
        }
    }
    sim->ending_count = kept;
    jzx__sim_books_gone(sim, runtime);
}

jzx_err jzx_sim_stall(jzx_sim *sim, const jzx_loop *loop, uint64_t ns)
{
    if (sim == NULL || loop == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    uintptr_t owner = atomic_load(&loop->owner);
    for (uint32_t i = 0; i < sim->world.thread_count; i++) {
        if ((uintptr_t)sim->world.threads[i] == owner) {
            jzx__sim_thread_stall(sim->world.threads[i], jzx__add_saturating(sim->world.now_ns, ns));
            return JZX_OK;
        }
    }
    return JZX_ERR_NOT_FOUND;
}

jzx_err jzx_sim_clock_jump(jzx_sim *sim, uint64_t ns)
{
    if (sim == NULL || ns >= JZX__SIM_NEVER - sim->world.now_ns) {
        return JZX_ERR_INVALID_ARG;
    }
    jzx__sim_clock_add(sim, ns);
    return JZX_OK;
}

/* ---- memory ---- */

static void *take(void *sim, size_t size, size_t align)
{
    return jzx__sim_memory_take(sim, size, align);
}

static void give(void *sim, void *memory, size_t size, size_t align)
{
    (void)align;
    jzx__sim_memory_give(sim, memory, size);
}

jzx_allocator jzx_sim_allocator(jzx_sim *sim)
{
    return (jzx_allocator){take, give, sim};
}

/* ---- checks ---- */

jzx_err jzx_sim_check(jzx_sim *sim, const char *name, bool (*holds)(jzx_sim *sim, void *argument), void *argument)
{
    if (sim == NULL || name == NULL || holds == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    if (sim->check_count == JZX__SIM_CHECKS_MAX) {
        return JZX_ERR_LIMIT;
    }
    sim->checks[sim->check_count++] = (jzx__sim_check){name, holds, argument};
    return JZX_OK;
}

void jzx__sim_checks_run(jzx_sim *sim)
{
    for (uint32_t i = 0; i < sim->check_count; i++) {
        if (!sim->checks[i].holds(sim, sim->checks[i].argument)) {
            jzx_sim_fail(sim, "check failed: %s", sim->checks[i].name);
        }
    }
}

void jzx_sim_fail(jzx_sim *sim, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    jzx__sim_failed(sim, format, arguments);
    va_end(arguments);
}

const char *jzx_sim_failure(const jzx_sim *sim)
{
    return sim != NULL && sim->failed ? sim->failure : NULL;
}

/* ---- hooks of the library's simulation build; see io/base.h ---- */

bool jzx__sim_no_kernel(void)
{
    return jzx__sim_machine == NULL;
}

bool jzx__sim_fault_here(jzx_sim_fault fault)
{
    return jzx__sim_machine != NULL && jzx__sim_fault(jzx__sim_machine, fault);
}

/* An assertion that fails in a machine is a failure of its run. Returns where there is none, or nobody to take it. */
void jzx__sim_assertion(const char *what, const char *file, int line)
{
    jzx_sim *sim = jzx__sim_machine;
    if (sim != NULL && (jzx__sim_inside(sim) || sim->world.escape != NULL)) {
        jzx_sim_fail(sim, "%s:%d: assertion failed: %s", file, line, what);
    }
}
