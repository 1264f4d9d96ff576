#include "sched/annex.h"
#include "sched/call.h"
#include "sched/group_watch.h"
#include "sched/wait.h"

#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    CHECK_MOST = 32,       /* messages between two looks at the clock */
    CHECK_NS = 1000,       /* and the time, while that leaves one message: a look costs a fortieth of it */
    REAP_PER_TURN = 4096,  /* completions */
    TAKES_PER_LANE = 16,   /* entries of one lane in one turn */
    POSTS_PER_TURN = 256,  /* messages of one inbox */
    FIRES_PER_TURN = 1024, /* deadlines */
};

/* ---- set-up ---- */

/* xoshiro256** by Blackman and Vigna (2018), seeded through splitmix64. */
static uint64_t splitmix(uint64_t *state)
{
    *state += 0x9E3779B97F4A7C15ull;
    return jzx__mix(*state);
}

static uint64_t rotate(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

uint64_t jzx__loop_random(jzx_loop *loop)
{
    uint64_t *s = loop->random;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

static void seed(jzx_loop *loop)
{
    const jzx_config *config = loop->config;
    uint64_t state = config->seed != 0 ? config->seed + loop->index : loop->backend->ops->random(loop->backend);
    for (unsigned i = 0; i < JZX__COUNT(loop->random); i++) {
        loop->random[i] = splitmix(&state);
    }
}

/* Tables and maps of a loop, each in one place for making and counting them. */
typedef struct loop_table {
    jzx__table *table;
    size_t size;
    size_t number_at;
    uint32_t max;
} loop_table;

typedef struct loop_map {
    jzx__map *map;
    uint32_t max;
} loop_map;

enum { LOOP_TABLES = 15, LOOP_MAPS = 7 };

static void list_tables(jzx_loop *loop, const jzx_config *config, loop_table tables[LOOP_TABLES])
{
    const loop_table list[LOOP_TABLES] = {
        {&loop->timers, sizeof(jzx__timer), offsetof(jzx__resource, number), config->timers_max},
        {&loop->monitors, sizeof(jzx__monitor), offsetof(jzx__resource, number), config->monitors_max},
        {&loop->suffered, sizeof(jzx__suffered), offsetof(jzx__suffered, number), config->monitors_max},
        {&loop->resumes, sizeof(jzx__resume), offsetof(jzx__resource, number), config->resumes_max},
        {&loop->resume_waits, sizeof(jzx__resume_wait), offsetof(jzx__resume_wait, number), config->resumes_max},
        {&loop->watches, sizeof(jzx__watch_record), offsetof(jzx__resource, number), config->watches_max},
        {&loop->sockets, sizeof(jzx__socket_record), offsetof(jzx__resource, number), config->sockets_max},
        {&loop->names, sizeof(jzx__name), offsetof(jzx__resource, number), config->names_max},
        {&loop->children, sizeof(jzx__child), offsetof(jzx__resource, number), config->children_max},
        {&loop->bonds, sizeof(jzx__bond), offsetof(jzx__bond, half.number), config->children_max},
        {&loop->links, sizeof(jzx__link), offsetof(jzx__resource, number), config->links_max},
        {&loop->annexes, sizeof(jzx__annex), offsetof(jzx__annex, number), config->annexes_max},
        {&loop->group_watches, sizeof(jzx__group_watch), offsetof(jzx__resource, number), config->group_watches_max},
        {&loop->flows, sizeof(jzx__flow), offsetof(jzx__resource, number), config->flows_max},
        {&loop->waiters, sizeof(jzx__waiter), offsetof(jzx__waiter, resource.number), config->annexes_max},
    };
    memcpy(tables, list, sizeof list);
}

static void list_maps(jzx_loop *loop, const jzx_config *config, loop_map maps[LOOP_MAPS])
{
    const loop_map list[LOOP_MAPS] = {
        {&loop->suffered_by_monitor, config->monitors_max},
        {&loop->resumes_by_pair, config->resumes_max},
        {&loop->children_by_key, config->children_max},
        {&loop->children_by_name, config->children_max},
        {&loop->links_by_pair, config->links_max},
        {&loop->sockets_held, config->sockets_max},
        {&loop->called, config->cells / 4},
    };
    memcpy(maps, list, sizeof list);
}

static jzx_err make_tables(jzx_loop *loop)
{
    const jzx_allocator *allocator = &loop->config->allocators[JZX_MEMORY_METADATA];
    loop_table tables[LOOP_TABLES];
    loop_map maps[LOOP_MAPS];
    list_tables(loop, loop->config, tables);
    list_maps(loop, loop->config, maps);
    jzx_err err = JZX_OK;
    for (unsigned i = 0; i < LOOP_TABLES && err == JZX_OK; i++) {
        err = jzx__table_init(tables[i].table, tables[i].size, tables[i].number_at, tables[i].max, allocator);
    }
    for (unsigned i = 0; i < LOOP_MAPS && err == JZX_OK; i++) {
        err = jzx__map_init(maps[i].map, maps[i].max, allocator);
    }
    loop->children.kept = JZX__CHILD_KEPT;
    return err;
}

static void free_tables(jzx_loop *loop)
{
    loop_table tables[LOOP_TABLES];
    loop_map maps[LOOP_MAPS];
    list_tables(loop, loop->config, tables);
    list_maps(loop, loop->config, maps);
    for (unsigned i = 0; i < LOOP_TABLES; i++) {
        if (tables[i].table->allocator != NULL) {
            jzx__table_deinit(tables[i].table);
        }
    }
    for (unsigned i = 0; i < LOOP_MAPS; i++) {
        jzx__map_deinit(maps[i].map);
    }
}

static uint32_t deadlines_max(const jzx_config *config)
{
    return config->timers_max + config->sockets_max + config->children_max + config->annexes_max;
}

/* Blocks of plain memory a loop holds, in one place for getting, giving back and counting them. */
typedef struct loop_block {
    void **place;
    size_t size;
    size_t align;
} loop_block;

enum { LOOP_BLOCKS = 7 };

static void list_blocks(jzx_loop *loop, const jzx_config *config, loop_block blocks[LOOP_BLOCKS])
{
    size_t loops = config->loops_max;
    const loop_block list[LOOP_BLOCKS] = {
        {(void **)&loop->pool.cells, (size_t)config->cells * sizeof(jzx__cell), JZX__CACHE_LINE},
        {(void **)&loop->deadlines.entries, deadlines_max(config) * sizeof(jzx__deadline_entry), JZX__CACHE_LINE},
        {(void **)&loop->lanes_out, loops * sizeof(void *), _Alignof(void *)},
        {(void **)&loop->lanes_in, loops * sizeof(void *), _Alignof(void *)},
        {(void **)&loop->observers, config->observers_max * sizeof(jzx__observer_entry), _Alignof(void *)},
        {(void **)&loop->owed, loops, 1},
        {(void **)&loop->runs.places, jzx__runs_size(config->actors_max) * sizeof(uint32_t), _Alignof(uint32_t)},
    };
    memcpy(blocks, list, sizeof list);
}

static jzx_err make_blocks(jzx_loop *loop)
{
    loop_block blocks[LOOP_BLOCKS];
    list_blocks(loop, loop->config, blocks);
    for (unsigned i = 0; i < LOOP_BLOCKS; i++) {
        void *memory = jzx__allocate(loop, JZX_MEMORY_METADATA, blocks[i].size, blocks[i].align);
        if (memory == NULL) {
            return JZX_ERR_NO_MEMORY;
        }
        if (blocks[i].align < JZX__CACHE_LINE) {
            memset(memory, 0, blocks[i].size); /* free_lanes() looks for lanes, also when there are none yet */
        }
        *blocks[i].place = memory;
    }
    return JZX_OK;
}

static void free_blocks(jzx_loop *loop)
{
    loop_block blocks[LOOP_BLOCKS];
    list_blocks(loop, loop->config, blocks);
    for (unsigned i = 0; i < LOOP_BLOCKS; i++) {
        jzx__release(loop, JZX_MEMORY_METADATA, *blocks[i].place, blocks[i].size, blocks[i].align);
    }
}

size_t jzx__loop_size(const jzx_config *config)
{
    jzx_loop nothing;
    loop_block blocks[LOOP_BLOCKS];
    list_blocks(&nothing, config, blocks);
    size_t size = sizeof(jzx_loop);
    for (unsigned i = 0; i < LOOP_BLOCKS; i++) {
        size += blocks[i].size;
    }
    size += jzx__slots_size(config->actors_max) + config->inbox_size * sizeof(jzx__cell);
    loop_table tables[LOOP_TABLES];
    list_tables(&nothing, config, tables);
    for (unsigned i = 0; i < LOOP_TABLES; i++) {
        size += jzx__table_size(tables[i].size, tables[i].max);
    }
    loop_map maps[LOOP_MAPS];
    list_maps(&nothing, config, maps);
    for (unsigned i = 0; i < LOOP_MAPS; i++) {
        size += sizeof(void *) << jzx__map_bits(maps[i].max);
    }
    return size + jzx__net_metadata_size(config);
}

/* The lanes between this loop and those made before it. */
static jzx_err make_lanes(jzx_loop *loop)
{
    jzx_runtime *runtime = loop->runtime;
    uint32_t loops = runtime->config.loops_max;
    const jzx_allocator *allocator = &loop->config->allocators[JZX_MEMORY_METADATA];
    for (uint32_t i = 0; i < loop->index; i++) {
        jzx_loop *other = runtime->loops[i];
        jzx__lane *out = &runtime->lanes[loop->index * loops + i];
        jzx__lane *in = &runtime->lanes[i * loops + loop->index];
        jzx_err err = jzx__lane_init(out, loop->index, i, runtime->config.lane_blocks, allocator);
        if (err == JZX_OK) {
            loop->lanes_out[i] = out;
            err = jzx__lane_init(in, i, loop->index, runtime->config.lane_blocks, allocator);
        }
        if (err != JZX_OK) {
            return err;
        }
        loop->lanes_in[i] = in;
        other->lanes_out[loop->index] = in;
        other->lanes_in[loop->index] = out;
    }
    return JZX_OK;
}

static void free_lanes(jzx_loop *loop)
{
    /* Each pair of lanes goes with the later of its loops, which made it. */
    for (uint32_t i = 0; loop->lanes_out != NULL && loop->lanes_in != NULL && i < loop->index; i++) {
        if (loop->lanes_out[i] != NULL) {
            jzx__lane_deinit(loop->lanes_out[i]);
            loop->runtime->loops[i]->lanes_in[loop->index] = NULL;
        }
        if (loop->lanes_in[i] != NULL) {
            jzx__lane_deinit(loop->lanes_in[i]);
            loop->runtime->loops[i]->lanes_out[loop->index] = NULL;
        }
    }
}

static jzx_err make_backend(jzx_loop *loop)
{
    const jzx_config *config = loop->config;
    jzx__backend_config backend = {.entries = config->ring_entries,
                                   .restricted = config->restrict_ring,
                                   .oldest_kernel = config->oldest_kernel,
                                   .enters = &loop->counters->enters,
                                   .allocator = &loop->config->allocators[JZX_MEMORY_METADATA]};
    return jzx__uring_make(&backend, &loop->backend, &loop->os_error);
}

static void init_plain(jzx_loop *loop)
{
    jzx_runtime *runtime = loop->runtime;
    uint8_t *part = runtime->segment + ((jzx_segment_header *)(void *)runtime->segment)->loops_offset +
                    loop->index * ((jzx_segment_header *)(void *)runtime->segment)->loop_size;
    loop->segment = (jzx_segment_loop *)(void *)part;
    memset(loop->segment, 0, sizeof *loop->segment); /* a create that failed may have left something */
    loop->segment->index = loop->index;
    loop->counters = &loop->segment->counters;
    loop->cancel_at_ns = JZX_FOREVER;
    loop->check_every = 1;
    loop->check_in = 1;
    jzx__list_init(&loop->dirty_lanes);
    jzx__list_init(&loop->fanouts);
    jzx__list_init(&loop->group_watching);
    jzx__list_init(&loop->roots);
    jzx__list_init(&loop->guests);
    jzx__list_init(&loop->held_spawns);
    loop->measure = loop->config->measure_handlers;
    loop->host = (jzx_context){.loop = loop, .slot = JZX__SLOT_NONE, .buffer = JZX__NO_BUFFER};
    loop->turn = loop->host;
    atomic_init(&loop->owner, jzx__thread_self()); /* O1 */
}

static jzx_err init_parts(jzx_loop *loop)
{
    const jzx_config *config = loop->config;
    const jzx_allocator *allocator = &loop->config->allocators[JZX_MEMORY_METADATA];
    jzx_segment_header *header = (jzx_segment_header *)(void *)loop->runtime->segment;
    jzx_segment_slot *slots = (jzx_segment_slot *)(void *)((uint8_t *)loop->segment + header->slots_offset);
    jzx_err err = make_blocks(loop);
    if (err == JZX_OK) {
        loop->runs.mask = jzx__runs_size(config->actors_max) - 1;
        jzx__pool_init(&loop->pool, loop->pool.cells, config->cells, loop->runtime->inbound_max);
        loop->deadlines.max = deadlines_max(config);
        err = jzx__slots_init(&loop->slots, slots, loop->index, config->actors_max, allocator);
    }
    if (err == JZX_OK) {
        err = jzx__inbox_init(&loop->inbox, config->inbox_size, true, allocator);
    }
    if (err == JZX_OK) {
        err = make_tables(loop);
    }
    if (err == JZX_OK) {
        err = make_lanes(loop);
    }
    return err == JZX_OK ? make_backend(loop) : err;
}

jzx_err jzx__loop_make(jzx_runtime *runtime, const jzx_loop_config *config, jzx_loop **out)
{
    const jzx_allocator *allocator = &runtime->config.allocators[JZX_MEMORY_METADATA];
    jzx_loop *loop = allocator->alloc(allocator->context, sizeof *loop, _Alignof(jzx_loop));
    if (loop == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    memset(loop, 0, sizeof *loop);
    loop->runtime = runtime;
    loop->config = &runtime->config;
    loop->index = runtime->loop_count;
    loop->cpu = config->cpu;
    loop->linger_ns = config->linger_ns;
    init_plain(loop);
    jzx_err err = init_parts(loop);
    if (err != JZX_OK) {
        atomic_store_explicit(&runtime->os_error, loop->os_error, memory_order_relaxed);
        jzx__loop_free(loop);
        return err;
    }
    seed(loop);
    jzx__net_init(&loop->net, loop->backend, &jzx__socket_upcalls, loop->counters, loop->config);
    loop->now_ns = loop->backend->ops->now_ns(loop->backend);
    *out = loop;
    return JZX_OK;
}

void jzx__loop_free(jzx_loop *loop)
{
    jzx__socket_abandon_all(loop);
    if (loop->backend != NULL) {
        loop->backend->ops->destroy(loop->backend);
    }
    if (loop->net_ready) {
        jzx__net_deinit(&loop->net);
    }
    free_lanes(loop);
    free_tables(loop);
    jzx__inbox_deinit(&loop->inbox);
    if (loop->slots.allocator != NULL) {
        jzx__slots_deinit(&loop->slots);
    }
    free_blocks(loop);
    const jzx_allocator allocator = loop->config->allocators[JZX_MEMORY_METADATA];
    allocator.free(allocator.context, loop, sizeof *loop, _Alignof(jzx_loop));
}

static jzx_err pin(const jzx_loop *loop)
{
    if (loop->cpu == JZX_CPU_ANY) {
        return JZX_OK;
    }
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((unsigned)loop->cpu, &set);
    return pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0 ? JZX_OK : JZX_ERR_NO_SUCH_CPU;
}

static void wake_holders(const jzx_loop *loop)
{
    for (uint32_t i = 0; i < loop->runtime->loop_count; i++) {
        jzx_loop *other = loop->runtime->loops[i];
        if (other != loop && atomic_load(&other->holds) != 0) { /* sequentially consistent: jzx__child_held_ready() */
            jzx__wake(other);
        }
    }
}

jzx_err jzx__loop_enter(jzx_loop *loop)
{
    uint32_t created = JZX__LOOP_CREATED;
    jzx_err err = pin(loop);
    if (err != JZX_OK) {
        return err;
    }
    atomic_store_explicit(&loop->owner, jzx__thread_self(), memory_order_relaxed); /* O1 */
    err = loop->backend->ops->enable(loop->backend, &loop->os_error);
    if (err != JZX_OK) {
        atomic_store_explicit(&loop->runtime->os_error, loop->os_error, memory_order_relaxed);
        return err;
    }
    loop->enabled = true;
    atomic_store_explicit(&loop->runtime->ran, 1, memory_order_relaxed);
    if (!atomic_compare_exchange_strong(&loop->state, &created, JZX__LOOP_RUNNING)) {
        return JZX_ERR_LOOP_CLOSED; /* a stop began first (Z3) */
    }
    jzx__count_set(&loop->segment->thread_id, (uint64_t)syscall(SYS_gettid));
    jzx__count_set(&loop->segment->state, JZX__LOOP_RUNNING);
    wake_holders(loop); /* of spawns for this loop */
    jzx__observe_loop(loop, true);
    return JZX_OK;
}

/* ---- what has come ---- */

static uint32_t posters_made(const jzx_loop *loop)
{
    /* Acquire: pairs with the release that published the poster. */
    return atomic_load_explicit(&loop->runtime->poster_count, memory_order_acquire);
}

/*
 * Whether a post may be taken: not from the cells kept for what the lanes can still bring (C2). Posts wait in their
 * rings meanwhile; all of them together can be more than the cells.
 */
static bool posts_fit(const jzx_loop *loop)
{
    return loop->pool.free_count > loop->pool.inbound_max - loop->inbox.size;
}

static bool posts_wait(const jzx_loop *loop)
{
    if (!posts_fit(loop)) {
        return false; /* the turn that gives cells back will look again */
    }
    if (!jzx__inbox_empty(&loop->inbox)) {
        return true;
    }
    for (uint32_t i = 0; i < posters_made(loop); i++) {
        if (!jzx__inbox_empty(&loop->runtime->posters[i]->inboxes[loop->index])) {
            return true;
        }
    }
    return false;
}

bool jzx__loop_incoming_mail(const jzx_loop *loop)
{
    for (uint32_t i = 0; i < loop->runtime->loop_count; i++) {
        if (loop->lanes_in[i] != NULL && !jzx__lane_empty(loop->lanes_in[i])) {
            return true;
        }
    }
    return !jzx__list_empty(&loop->fanouts) || posts_wait(loop); /* GB4 */
}

static bool room_returned(const jzx_loop *loop)
{
    for (const jzx__list *node = loop->dirty_lanes.next; node != &loop->dirty_lanes; node = node->next) {
        if (jzx__lane_returned(jzx__container_of(node, jzx__lane, dirty))) {
            return true;
        }
    }
    return false;
}

bool jzx__loop_incoming(const jzx_loop *loop)
{
    return jzx__loop_incoming_mail(loop) || room_returned(loop) || jzx__stop_pending(loop) ||
           jzx__unlikely(jzx__child_held_ready(loop));
}

void jzx__loop_touch(jzx_loop *loop)
{
    if (loop->host_asleep && !loop->in_turn) {
        loop->host_asleep = false;
        loop->backend->ops->host_ring(loop->backend);
    }
}

/* Returns how many were delivered: fewer than all only if a broadcast stays in hand. */
static uint32_t deliver_run(jzx_loop *loop, const jzx__cell *cells, uint32_t count)
{
    uint64_t mail = 0;
    uint32_t i;
    loop->run_end = count;
    for (i = 0; i < loop->run_end; i++) {
        const jzx__cell *cell = &cells[i];
        bool wide = (cell->flags & JZX__FLAG_WIDE) != 0;
        mail += jzx__cell_is_mail(cell);
        jzx__route_arrived(loop, cell, wide ? &cells[i + 1] : NULL);
        i += wide;
    }
    jzx__count_add(&loop->counters->mail_in, mail);
    return i;
}

/* What was taken behind a broadcast waits for it. */
static void hold(jzx__lane *lane, jzx__cell *rest, uint32_t count, jzx__block *block)
{
    JZX_ASSERT(jzx__lane_held(lane) && (count == 0 || block != NULL));
    lane->rest = rest;
    lane->rest_count = count;
    lane->rest_block = block;
}

/* The broadcast is finished: now the others, of which one may have to be held again. */
static void deliver_rest(jzx_loop *loop, jzx__lane *lane)
{
    jzx__block *block = lane->rest_block;
    uint32_t done = lane->rest_count == 0 ? 0 : deliver_run(loop, lane->rest, lane->rest_count);
    if (jzx__lane_held(lane)) {
        hold(lane, lane->rest + done, lane->rest_count - done, block);
        return;
    }
    lane->rest_block = NULL;
    lane->rest_count = 0;
    if (block != NULL) {
        jzx__lane_block_done(lane, block);
        lane->gave = true;
        loop->gave = true;
    }
}

static void go_on(jzx_loop *loop)
{
    for (uint32_t i = 0; i < loop->runtime->loop_count; i++) {
        jzx__lane *lane = loop->lanes_in[i];
        if (lane != NULL && jzx__lane_held(lane) && jzx__fanout_go_on(loop, lane)) {
            deliver_rest(loop, lane);
        }
    }
}

static void drain_lane(jzx_loop *loop, jzx__lane *lane)
{
    jzx__cell single;
    jzx__cell *cells;
    jzx__block *block;
    if (jzx__unlikely(jzx__lane_held(lane))) {
        return;
    }
    for (uint32_t i = 0; i < TAKES_PER_LANE && (i == 0 || !jzx__lane_empty(lane)); i++) {
        uint32_t count = jzx__lane_take(lane, &single, &cells, &block);
        if (count == 0) {
            break;
        }
        lane->gave = true;
        uint32_t done = deliver_run(loop, cells, count);
        if (jzx__unlikely(loop->run_end == 0)) {
            hold(lane, cells + done, count - done, block);
            break;
        }
        if (block != NULL) {
            jzx__lane_block_done(lane, block);
        }
    }
    loop->gave = true;
}

static void drain_inbox(jzx_loop *loop, jzx__inbox *inbox)
{
    jzx__cell cell;
    uint32_t count = 0;
    while (count < POSTS_PER_TURN && posts_fit(loop) && jzx__inbox_take(inbox, &cell)) {
        count++;
        jzx__route_arrived(loop, &cell, NULL);
    }
    if (count != 0) {
        jzx__count_add(&loop->counters->posted, count);
    }
}

static void drain_posters(jzx_loop *loop)
{
    uint32_t count = posters_made(loop);
    for (uint32_t i = 0; i < count; i++) {
        jzx__inbox *inbox = &loop->runtime->posters[i]->inboxes[loop->index];
        if (jzx__inbox_empty(inbox)) {
            continue;
        }
        if (!inbox->open && (int32_t)(jzx__inbox_head(&loop->inbox) - inbox->after) >= 0) {
            inbox->open = true; /* I1 */
        }
        if (inbox->open) {
            drain_inbox(loop, inbox);
        }
    }
}

static void drain(jzx_loop *loop)
{
    uint32_t lanes = loop->runtime->loop_count;
    if (jzx__unlikely(!jzx__list_empty(&loop->fanouts))) {
        go_on(loop);
    }
    for (uint32_t i = 0; i < lanes; i++) {
        jzx__lane *lane = loop->lanes_in[i];
        if (lane != NULL && !jzx__lane_empty(lane)) {
            drain_lane(loop, lane);
        }
    }
    if (!jzx__inbox_empty(&loop->inbox)) {
        drain_inbox(loop, &loop->inbox);
    }
    JZX__SIM_POINT("drain: before posters");
    drain_posters(loop);
}

static void fire(jzx_loop *loop)
{
    for (uint32_t i = 0; i < FIRES_PER_TURN; i++) {
        uint64_t due_ns;
        jzx__deadline *node = jzx__deadlines_pop_due(&loop->deadlines, loop->now_ns, &due_ns);
        if (node == NULL) {
            return;
        }
        switch ((jzx__deadline_kind)node->kind) {
        case JZX__DEADLINE_TIMER:
            jzx__timer_due(loop, node, due_ns);
            break;
        case JZX__DEADLINE_REQUEST:
            jzx__request_due(loop, node);
            break;
        case JZX__DEADLINE_SOCKET:
            jzx__socket_due_node(loop, node);
            break;
        case JZX__DEADLINE_CHILD:
            jzx__child_due(loop, node);
            break;
        case JZX__DEADLINE_SHIELD:
            jzx__shield_due(loop, node);
            break;
        }
    }
}

/* ---- the turn ---- */

/*
 * Judges the handlers since the last reading of the clock: one of them, at most CHECK_MOST, may have been slow. An init or
 * a fini among them is the likelier one, for the clock is read seldom where handlers are fast.
 */
static void judge_window(jzx_loop *loop, uint64_t now_ns)
{
    uint64_t began_ns = loop->window_began_ns;
    if (began_ns != 0 && !loop->measure && loop->config->slow_handler_ns != 0 &&
        now_ns - began_ns >= loop->config->slow_handler_ns) {
        bool aside = loop->aside.window_ns == began_ns;
        jzx__observe_slow(loop, aside ? loop->aside.id : loop->turn.self,
                          aside ? (loop->aside.now & (JZX__ASIDE_OVER - 1)) << 32 : loop->turn.work, now_ns - began_ns);
    }
    loop->window_began_ns = 0;
}

uint64_t jzx__loop_clock(jzx_loop *loop)
{
    uint64_t now_ns = loop->backend->ops->now_ns(loop->backend);
    JZX_ASSERT(now_ns >= loop->now_ns);
    judge_window(loop, now_ns);
    loop->now_ns = now_ns;
    return now_ns;
}

/* Fast handlers are looked at seldom, slow ones after each message. */
static void adapt_check(jzx_loop *loop, uint64_t window_ns)
{
    if (window_ns < CHECK_NS) {
        loop->check_every = loop->check_every < CHECK_MOST ? loop->check_every * 2 : CHECK_MOST;
    } else if (window_ns > 4 * CHECK_NS) {
        loop->check_every = loop->check_every > 1 ? loop->check_every / 2 : 1;
    }
    loop->check_in = loop->check_every;
}

void jzx__loop_check(jzx_loop *loop)
{
    uint64_t began_ns = loop->now_ns;
    uint64_t now_ns = jzx__loop_clock(loop);
    adapt_check(loop, now_ns - began_ns);
    loop->window_began_ns = now_ns;
    if (now_ns >= loop->turn_end_ns) {
        loop->turn_over = true;
        return; /* what is to be flushed is flushed at the end of the turn */
    }
    if (!jzx__list_empty(&loop->dirty_lanes)) {
        jzx__route_flush_aged(loop);
    }
    if (loop->doorbells) {
        loop->doorbells = false;
        jzx__loop_note(loop, loop->backend->ops->submit(loop->backend));
    }
}

static void run_actors(jzx_loop *loop)
{
    loop->turn_over = false;
    loop->window_began_ns = !jzx__runs_empty(&loop->runs) ? loop->now_ns : 0;
    jzx__run_actors(loop, loop->config->actors_per_turn);
    jzx__count_set(&loop->segment->running_id, 0);
}

/* What was accepted for this loop and has not met its fate. */
static uint64_t queued(const jzx_counters *counters)
{
    uint64_t in = counters->sent - counters->mail_out + counters->mail_in + counters->posted;
    uint64_t gone = counters->handled;
    for (unsigned i = 0; i < JZX_DROP_REASONS; i++) {
        gone += counters->dropped[i];
    }
    return in - gone;
}

static void count_lanes(jzx_loop *loop)
{
    uint64_t sent = 0;
    uint64_t received = 0;
    for (uint32_t i = 0; i < loop->runtime->loop_count; i++) {
        if (i != loop->index) {
            sent += loop->lanes_out[i]->cells_published;
            received += loop->lanes_in[i]->cells_taken;
        }
    }
    jzx__count_set(&loop->counters->lane_sent, sent);
    jzx__count_set(&loop->counters->lane_received, received);
}

void jzx__loop_count(jzx_loop *loop)
{
    jzx_counters *counters = loop->counters;
    count_lanes(loop);
    jzx__count_set(&counters->actors, loop->slots.live);
    jzx__count_set(&counters->queued, queued(counters));
    jzx__count_set(&counters->cells_free, loop->pool.free_count);
    jzx__count_set(&counters->timers, loop->timers.used);
    jzx__count_set(&counters->sockets, loop->sockets.used);
    jzx__count_set(&counters->watches, loop->watches.used);
    jzx__count_set(&counters->children, loop->children.used);
}

static void begin_turn(jzx_loop *loop)
{
    uint64_t now_ns = loop->clock_read ? loop->now_ns : jzx__loop_clock(loop);
    loop->clock_read = false;
    loop->net.now_ns = now_ns;
    loop->turn_end_ns = jzx__add_saturating(now_ns, loop->config->turn_ns);
    jzx__count_set(&loop->segment->turn_began_ns, now_ns);
    jzx__count_add(&loop->segment->turn, 1);
    jzx__count_add(&loop->counters->turns, 1);
}

static void bring_in(jzx_loop *loop)
{
    if (jzx__unlikely(loop->owed_count > 0)) {
        jzx__park_pay_owed(loop); /* a loop that is never idle does not park, and its peers wait all the same */
    }
    loop->unseen = false;
    const jzx__backend_ops *ops = loop->backend->ops;
    bool behind = loop->turn_over && !jzx__runs_empty(&loop->runs);
    loop->caught_up = behind && !loop->caught_up;
    loop->doorbells = false;
    jzx__loop_note(loop, loop->caught_up ? ops->send_off(loop->backend) : ops->submit(loop->backend));
    ops->reap(loop->backend, REAP_PER_TURN, jzx__socket_cqe, loop);
}

bool jzx__loop_turn(jzx_loop *loop)
{
    JZX_ASSERT(jzx__loop_owned(loop));
    JZX_ASSERT(!loop->in_turn);
    loop->in_turn = true;
    JZX__SIM_TURN(loop);
    begin_turn(loop);
    bring_in(loop);
    drain(loop);
    if (jzx__deadlines_next_ns(&loop->deadlines) <= loop->now_ns) {
        fire(loop);
    }
    if (jzx__unlikely(!jzx__list_empty(&loop->held_spawns))) {
        jzx__child_send_held(loop);
    }
    if (jzx__unlikely(loop->cancelling != 0)) {
        jzx__scope_cancel_some(loop);
    }
    run_actors(loop);
    if (jzx__unlikely(loop->pool.free_count < loop->pool.plenty)) {
        jzx__pool_settle(loop);
    }
    jzx__route_flush(loop); /* O2 */
    jzx__loop_note(loop, jzx__net_flush(&loop->net));
    jzx__park_gave(loop);
    loop->leave = jzx__stop_step(loop);
    jzx__loop_count(loop);
    loop->in_turn = false;
    return loop->leave || loop->failed != JZX_OK || !jzx__runs_empty(&loop->runs) || loop->cancelling != 0 ||
           jzx__stop_more(loop);
}

/*
 * Lets the kernel give back what inits have begun, and what the ring itself has if a stop came just after it was enabled. If
 * it never was, and has to be, this thread does it now.
 */
static void reap_unrun(jzx_loop *loop)
{
    const jzx__backend_ops *ops = loop->backend->ops;
    if (!loop->enabled && loop->sockets.used == 0 && loop->watches.used == 0) {
        return;
    }
    if (!loop->enabled && ops->enable(loop->backend, &loop->os_error) != JZX_OK) {
        return;
    }
    while (loop->sockets.used > 0 || loop->watches.used > 0) {
        loop->now_ns = ops->now_ns(loop->backend);
        loop->net.now_ns = loop->now_ns;
        fire(loop);
        /* A ring that has failed may have left what ends the others unsubmitted. */
        if (jzx__net_flush(&loop->net) != JZX_OK ||
            ops->wait(loop->backend, jzx__deadlines_next_ns(&loop->deadlines)) != JZX_OK) {
            return;
        }
        ops->reap(loop->backend, REAP_PER_TURN, jzx__socket_cqe, loop);
    }
    (void)jzx__stop_close(loop); /* it fails when the ring has: then nothing of it can be waited for */
}

/* Ends everything of a loop that has not run and will not. */
void jzx__loop_teardown(jzx_loop *loop)
{
    atomic_store_explicit(&loop->closed, 1, memory_order_release);
    atomic_store_explicit(&loop->owner, jzx__thread_self(), memory_order_relaxed);
    loop->in_turn = true;
    loop->turn_end_ns = JZX_FOREVER;
    do {
        drain(loop);
        jzx__life_end_all(loop, JZX_EXIT_SHUTDOWN, UINT32_MAX);
        run_actors(loop);
        jzx__route_flush(loop);
        jzx__park_gave(loop);
    } while (!jzx__runs_empty(&loop->runs) || jzx__loop_incoming_mail(loop));
    if (loop->enabled) {
        (void)jzx__park_pay(loop); /* others hear of what went to them */
    }
    reap_unrun(loop);
    loop->in_turn = false;
    jzx__loop_count(loop);
}
