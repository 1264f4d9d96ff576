/* lot: see lot.h. */
#include "tests/sim/lot.h"

#include <criterion/criterion.h>

void sim_open_loops(jzx_sim *sim, uint32_t count, uint32_t actors_max, const jzx_observer *observer, void *user,
                    jzx_runtime **runtime, jzx_loop **loops)
{
    jzx_config config;
    jzx_config_init(&config);
    config.loops_max = count;
    config.lane_blocks = 2;
    config.inbox_size = 16;
    config.cells = 4096;
    config.mailbox_cap = 64;
    config.actors_max = actors_max;
    JZX_SIM_REQUIRE(sim, jzx_runtime_create(&config, runtime) == JZX_OK);
    for (uint32_t i = 0; i < count; i++) {
        JZX_SIM_REQUIRE(sim, jzx_loop_create(*runtime, NULL, &loops[i]) == JZX_OK);
        JZX_SIM_REQUIRE(sim, jzx_observer_add(loops[i], observer, user) == JZX_OK);
    }
}

bool sim_chance(jzx_sim *sim, uint32_t of_1024)
{
    return jzx_sim_between(sim, 0, 1023) < of_1024;
}

uint32_t sim_below(jzx_sim *sim, uint32_t limit)
{
    return limit == 0 ? 0 : (uint32_t)jzx_sim_between(sim, 0, limit - 1);
}

uint32_t sim_between(jzx_sim *sim, uint32_t least, uint32_t most)
{
    return (uint32_t)jzx_sim_between(sim, least, most);
}

void sim_lot_config(jzx_sim_config *config)
{
    static const jzx_sim_fault kinds[] = {
        JZX_SIM_SUBMIT_PART, JZX_SIM_WOKEN_EARLY, JZX_SIM_LATE,         JZX_SIM_DOORBELL,    JZX_SIM_MULTISHOT_END,
        JZX_SIM_SQ_FULL,     JZX_SIM_CQ_OVERFLOW, JZX_SIM_ENTER_EAGAIN, JZX_SIM_ENTER_EBUSY, JZX_SIM_ENTER_EINTR,
    };
    jzx_sim_config_init(config);
    for (size_t i = 0; i < JZX__COUNT(kinds); i++) {
        config->rates[kinds[i]] = JZX_SIM_DRAWN;
    }
}

void sim_lot(jzx_sim *sim)
{
    static const uint32_t entries[] = {1, 2, 3, 8, 64};
    static const uint64_t ticks[] = {20, 200, 2000};
    sim->config.tick_max_ns = ticks[sim_below(sim, 3)];
    sim->config.ring_entries_max = entries[sim_below(sim, 5)];
}

void sim_lot_rates(jzx_sim *sim, const sim_rate *rates, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sim->faults.rates[rates[i].fault] = sim_chance(sim, 512) ? 1 + sim_below(sim, rates[i].most) : 0;
    }
}

jzx_sim *sim_open_calm(uint64_t seed)
{
    jzx_sim_config config;
    jzx_sim *sim;
    jzx_sim_config_init(&config);
    config.switches = 1024;
    config.tick_max_ns = 200;
    config.ring_entries_max = 8;
    cr_assert_eq(jzx_sim_create(seed, &config, &sim), JZX_OK);
    return sim;
}

bool sim_ring_quiet(const jzx_sim *sim, uint32_t loop)
{
    const jzx__sim_ring *ring = sim->rings[loop];
    return ring->sq_head == ring->sq_tail && ring->cq_head == ring->cq_tail && ring->work.count == 0 &&
           ring->overflow.count == 0;
}

bool sim_ring_asleep(const jzx_sim *sim, uint32_t loop)
{
    return sim->rings[loop]->asleep;
}

bool sim_ring_lost(const jzx_sim *sim, uint32_t loop)
{
    return sim->rings[loop]->lost || sim->rings[loop]->broken;
}

uint64_t sim_ring_wakes(const jzx_sim *sim, uint32_t loop)
{
    return sim->rings[loop]->wakes;
}

typedef struct edge {
    const jzx_sim *sim;
    int fd;
    uint64_t seen;
} edge;

static bool written(void *context)
{
    const edge *waits = context;
    return jzx__sim_event_writes(waits->sim, waits->fd) != waits->seen;
}

void sim_host_wait_edge(jzx_sim *sim, int fd, uint64_t *seen)
{
    edge waits = {sim, fd, *seen};
    (void)jzx__sim_wait(sim, written, &waits, JZX_FOREVER);
    *seen = jzx__sim_event_writes(sim, fd);
}
