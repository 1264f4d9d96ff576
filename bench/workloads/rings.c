/*
 * rings.c: how much memory do the rings between N loops take, of which there are N x (N - 1)?
 *
 * Computed from the config. A lane has B blocks of 4 KiB, a ring of the next power of two above 2 B entries of 64 bytes, at
 * least 64, a ring of the next power of two above B pointers for the blocks that come back, and a head of some cache
 * lines; each loop has two pointers and a byte for every other. Counted by the allocators of the runtime: what one of N
 * loops allocates beyond N times that of one loop. That both agree to the byte is the proof. Measured: resident memory,
 * the same way. Nothing runs, so any machine can do it.
 */
#include "sched/lane.h" /* white box: the size of a head */
#include "support/counting.h"
#include "support/resident.h"
#include "support/world.h"
#include "workloads.h"

enum {
    BLOCK_BYTES = 4096,
    ENTRY_BYTES = 64,
    ENTRIES_MIN = 64,
    BLOCKS_OF_LOOP = 256,
    BLOCKS_MIN = 2,
    ACTORS_MAX = 1024
};

/* Bytes that a runtime has taken, by its allocators and in all. */
struct taken {
    uint64_t counted;
    uint64_t resident;
};

/* Before it has loops, and for them. */
struct stages {
    struct taken before;
    struct taken loops;
};

static uint64_t power_above(uint64_t value)
{
    uint64_t power = 1;
    while (power <= value) {
        power *= 2;
    }
    return power;
}

/* The default of lane_blocks. */
static uint64_t lane_blocks(uint64_t loops)
{
    uint64_t peers = loops > 1 ? loops - 1 : 1;
    return BLOCKS_OF_LOOP / peers < BLOCKS_MIN ? BLOCKS_MIN : BLOCKS_OF_LOOP / peers;
}

static uint64_t lane_bytes(uint64_t blocks)
{
    uint64_t entries = power_above(2 * blocks) < ENTRIES_MIN ? ENTRIES_MIN : power_above(2 * blocks);
    return entries * ENTRY_BYTES + power_above(blocks) * sizeof(void *) + blocks * BLOCK_BYTES;
}

/* The table of heads has a place for each pair, also of a loop with itself. */
static uint64_t rings_bytes(uint64_t loops)
{
    uint64_t lanes = loops * (loops - 1);
    uint64_t places = 2 * sizeof(void *) + 1;
    uint64_t heads = (loops * loops - 1) * sizeof(jzx__lane) + (loops - 1) * sizeof(jzx_loop *);
    return lanes * (lane_bytes(lane_blocks(loops)) + places) + heads;
}

static struct taken take(const counting *memory)
{
    return (struct taken){counting_bytes(memory), resident_bytes()};
}

static struct taken taken_since(const counting *memory, struct taken before)
{
    struct taken now = take(memory);
    return (struct taken){now.counted - before.counted, now.resident - before.resident};
}

static struct stages take_loops(jzx_bench *bench, int loops)
{
    counting memory;
    jzx_config config;
    jzx_config_init(&config);
    counting_begin(&memory, &config);
    config.actors_max = ACTORS_MAX;
    resident_settle(bench);
    struct taken start = take(&memory);
    struct world world;
    world_create(&world, &config, loops);
    struct stages stages = {.before = taken_since(&memory, start)};
    start = take(&memory);
    for (int i = 0; i < loops; i++) {
        world_add_loop(&world, bench, 0);
    }
    stages.loops = taken_since(&memory, start);
    world_close(&world);
    BENCH_CHECK(counting_bytes(&memory) == 0, "%llu bytes were not given back",
                (unsigned long long)counting_bytes(&memory));
    return stages;
}

static void run_rings(jzx_bench *bench, void *argument)
{
    const int *count = argument;
    uint64_t loops = (uint64_t)*count;
    struct stages one = take_loops(bench, 1);
    struct stages all = take_loops(bench, *count);
    uint64_t computed = rings_bytes(loops);
    uint64_t counted = all.before.counted - one.before.counted + all.loops.counted - loops * one.loops.counted;
    /* What was resident before may go, so this may be less than nothing. */
    int64_t resident = (int64_t)(all.before.resident - one.before.resident + all.loops.resident) -
                       (int64_t)(loops * one.loops.resident);
    jzx_bench_prove(bench, "bytes", counted, computed);
    jzx_bench_figure(bench, "computed", "KiB", JZX_BENCH_LOWER, (double)computed / 1024);
    jzx_bench_figure(bench, "counted", "KiB", JZX_BENCH_LOWER, (double)counted / 1024);
    jzx_bench_figure(bench, "resident", "KiB", JZX_BENCH_LOWER, (double)resident / 1024);
}

static int loop_counts[] = {1, 2, 4, 8, 16, 32, 64};

static const jzx_bench_side sides[][1] = {
    {{"jzx", run_rings, &loop_counts[0]}}, {{"jzx", run_rings, &loop_counts[1]}}, {{"jzx", run_rings, &loop_counts[2]}},
    {{"jzx", run_rings, &loop_counts[3]}}, {{"jzx", run_rings, &loop_counts[4]}}, {{"jzx", run_rings, &loop_counts[5]}},
    {{"jzx", run_rings, &loop_counts[6]}},
};

#define RINGS(n, index)                                                                                       \
    {                                                                                                         \
        BENCH_WORKLOAD, .name = "scale/rings-" #n, .about = "memory of the rings between " #n " loops",       \
                        .item = "byte", .count = 1, .fixed_count = true, .cpus = 1, BENCH_SIDES(sides[index]) \
    }

static const jzx_bench_workload workloads[] = {
    RINGS(1, 0), RINGS(2, 1), RINGS(4, 2), RINGS(8, 3), RINGS(16, 4), RINGS(32, 5), RINGS(64, 6),
};

const bench_group bench_rings = BENCH_GROUP(workloads);
