/*
 * setup: each thing that a runtime asks of the system to begin, refused once: rings, eventfds, what is registered with a
 * ring, memory. The call that needed it says so, or does without; and in the end nothing is left.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "tests/sim/lot.h"

enum { LOOPS = 2, OCCASIONS_MAX = 400 };

typedef struct trial {
    jzx_sim *sim;
    jzx_runtime *runtime;
    jzx_loop *loops[LOOPS];
    jzx_err errs[LOOPS]; /* of their first call that failed */
} trial;

/* A host with a loop of its own, which it runs also without a descriptor for it. */
static void run_hosted(void *argument)
{
    trial *t = argument;
    int fd = -1;
    t->errs[0] = jzx_loop_poll_fd(t->loops[0], &fd);
    jzx_err err = jzx_loop_run_once(t->loops[0], 1000);
    (void)jzx_runtime_request_stop(t->runtime);
    while (err == JZX_OK) {
        err = jzx_loop_run_once(t->loops[0], 0);
        jzx_sim_yield(t->sim);
    }
    t->errs[0] = err == JZX_ERR_LOOP_CLOSED ? t->errs[0] : err;
}

static void run_plainly(void *argument)
{
    trial *t = argument;
    t->errs[1] = jzx_loop_run(t->loops[1]);
    (void)jzx_runtime_request_stop(t->runtime);
}

static jzx_err begin(trial *t)
{
    jzx_config config;
    jzx_config_init(&config);
    config.actors_max = 16;
    config.cells = 2048;
    config.lane_blocks = 2;
    config.inbox_size = 16;
    config.mailbox_cap = 64;
    config.sockets_max = 4;
    config.recv_buffers = 4;
    jzx_err err = jzx_runtime_create(&config, &t->runtime);
    for (uint32_t i = 0; i < LOOPS && err == JZX_OK; i++) {
        err = jzx_loop_create(t->runtime, NULL, &t->loops[i]);
    }
    return err;
}

/* Whether the machine had an occasion for the fault at all. *said: the first error. */
static bool refuse_once(jzx_sim_fault fault, uint64_t after, uint64_t error, jzx_err *said)
{
    trial t = {.sim = sim_open_calm(1)};
    jzx_sim_injection injection = {fault, after, 1, error};
    cr_assert_eq(jzx_sim_inject(t.sim, &injection), JZX_OK);
    *said = begin(&t);
    if (*said == JZX_OK) {
        cr_assert_eq(jzx_sim_thread(t.sim, "host", run_hosted, &t), JZX_OK);
        cr_assert_eq(jzx_sim_thread(t.sim, "plain", run_plainly, &t), JZX_OK);
        cr_assert_eq(jzx_sim_run(t.sim), JZX_OK, "occasion %llu: %s", (unsigned long long)after,
                     jzx_sim_failure(t.sim));
        *said = t.errs[0] != JZX_OK ? t.errs[0] : t.errs[1];
    }
    if (t.runtime != NULL) {
        cr_assert_eq(jzx_runtime_destroy(t.runtime), JZX_OK, "occasion %llu", (unsigned long long)after);
    }
    bool had = jzx_sim_injected(t.sim, fault) != 0;
    cr_assert_eq(jzx_sim_check_end(t.sim), JZX_OK, "occasion %llu: %s", (unsigned long long)after,
                 jzx_sim_failure(t.sim));
    (void)jzx_sim_destroy(t.sim);
    return had;
}

static uint32_t refuse_each(jzx_sim_fault fault, uint64_t error, jzx_err expected)
{
    uint32_t refused = 0;
    jzx_err said = JZX_OK;
    for (uint64_t after = 0; refuse_once(fault, after, error, &said); after++) {
        cr_assert(said == expected || said == JZX_ERR_OS || said == JZX_OK, "occasion %llu: %s",
                  (unsigned long long)after, jzx_strerror(said));
        refused += said != JZX_OK;
        cr_assert_lt(after, OCCASIONS_MAX);
    }
    cr_assert_eq(said, JZX_OK, "without the fault: %s", jzx_strerror(said));
    return refused;
}

Test(setup, a_ring_or_what_belongs_to_it_is_refused, .timeout = 100)
{
    cr_assert_geq(refuse_each(JZX_SIM_SETUP, EMFILE, JZX_ERR_FD_LIMIT), 4);
    cr_assert_geq(refuse_each(JZX_SIM_SETUP, ENOMEM, JZX_ERR_NO_MEMORY), 4);
    cr_assert_geq(refuse_each(JZX_SIM_SETUP, EPERM, JZX_ERR_URING_DENIED), 4);
}

Test(setup, an_allocation_fails, .timeout = 100)
{
    cr_assert_geq(refuse_each(JZX_SIM_ALLOC, 0, JZX_ERR_NO_MEMORY), 10);
}
