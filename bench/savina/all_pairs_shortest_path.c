/*
 * all_pairs_shortest_path.c: blocks of a matrix of distances are actors, which send one another their data after each step.
 *
 * The data of a step does not change and belongs to all who have a message with it: the last one frees it. A neighbour may be a
 * step ahead, never two, so there is room for the data of two steps.
 */
#include "savina/members.h"
#include "savina/savina.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { NODES = 300, SIDE = 50, ROWS = NODES / SIDE, BLOCKS = ROWS * ROWS, NEIGHBOURS = 2 * (ROWS - 1), WEIGHTS = 100 };
enum { TAG_DATA = SAVINA_OWN };

typedef struct tile {
    atomic_uint owners;
    uint64_t step; /* it is what this step begins with */
    uint64_t block;
    int64_t distance[SIDE][SIDE];
} tile;

struct collector {
    savina play;
    uint64_t each;
    uint64_t steps;
    uint64_t checksum;
    jzx_actor_id blocks[BLOCKS];
};

struct block {
    const jzx_actor_id *blocks; /* all of them, by number */
    jzx_actor_id collector;
    uint64_t number;
    uint64_t each;
    uint64_t step; /* to be done next */
    tile *own;
    tile *came[2][BLOCKS]; /* from neighbours, for even and odd steps */
    uint64_t came_count[2];
};

/* ---- the data ---- */

static tile *tile_make(uint64_t block, uint64_t step)
{
    tile *made = malloc(sizeof *made);
    BENCH_CHECK(made != NULL, "out of memory");
    atomic_init(&made->owners, 1);
    made->step = step;
    made->block = block;
    return made;
}

static void tile_release(tile *released)
{
    if (released != NULL && atomic_fetch_sub_explicit(&released->owners, 1, memory_order_acq_rel) == 1) {
        free(released);
    }
}

static void tile_drop(void *context, void *data, size_t size)
{
    (void)context;
    (void)size;
    tile_release(data);
}

static uint64_t tile_checksum(const tile *summed)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < SIDE; i++) {
        for (uint64_t j = 0; j < SIDE; j++) {
            uint64_t row = summed->block / ROWS * SIDE + i;
            uint64_t column = summed->block % ROWS * SIDE + j;
            sum += (NODES * row + column + 1) * (uint64_t)summed->distance[i][j];
        }
    }
    return sum;
}

/* ---- blocks ---- */

static void send_data(jzx_context *context, struct block *self, uint64_t to)
{
    jzx_message data = jzx_message_pointer(TAG_DATA, self->own, sizeof *self->own, tile_drop, NULL);
    atomic_fetch_add_explicit(&self->own->owners, 1, memory_order_relaxed);
    WORLD_CHECK(jzx_send(context, self->blocks[to], &data));
}

static void tell_neighbours(jzx_context *context, struct block *self)
{
    uint64_t row = self->number / ROWS;
    uint64_t column = self->number % ROWS;
    for (uint64_t i = 0; i < ROWS; i++) {
        if (i != row) {
            send_data(context, self, i * ROWS + column);
        }
        if (i != column) {
            send_data(context, self, row * ROWS + i);
        }
    }
}

/* The data of a block of this row or column, for this step. */
static const tile *data_of(const struct block *self, uint64_t number)
{
    return number == self->number ? self->own : self->came[self->step % 2][number];
}

static tile *relax(const struct block *self)
{
    uint64_t k = self->step % NODES;
    const tile *left = data_of(self, self->number / ROWS * ROWS + k / SIDE);
    const tile *above = data_of(self, k / SIDE * ROWS + self->number % ROWS);
    const int64_t *to = above->distance[k % SIDE];
    tile *next = tile_make(self->number, self->step + 1);
    for (int i = 0; i < SIDE; i++) {
        int64_t from = left->distance[i][k % SIDE];
        for (int j = 0; j < SIDE; j++) {
            int64_t through = from + to[j];
            int64_t direct = self->own->distance[i][j];
            next->distance[i][j] = through < direct ? through : direct;
        }
    }
    return next;
}

static void do_step(struct block *self)
{
    tile *next = relax(self);
    tile **came = self->came[self->step % 2];
    for (int i = 0; i < BLOCKS; i++) {
        tile_release(came[i]);
        came[i] = NULL;
    }
    self->came_count[self->step % 2] = 0;
    tile_release(self->own);
    self->own = next;
    self->step++;
}

/* Does all steps there is data for. */
static jzx_behavior_result go_on(jzx_context *context, struct block *self)
{
    while (self->came_count[self->step % 2] == NEIGHBOURS) {
        do_step(self);
        if (self->step == self->each) {
            SAVINA_SEND(context, self->collector, SAVINA_REPORT, self->step, tile_checksum(self->own));
            return JZX_BEHAVIOR_STOP;
        }
        tell_neighbours(context, self);
    }
    return JZX_BEHAVIOR_OK;
}

static void keep(struct block *self, tile *data)
{
    BENCH_CHECK(data->step == self->step || data->step == self->step + 1, "data of another step");
    tile **place = &self->came[data->step % 2][data->block];
    BENCH_CHECK(*place == NULL, "the same data twice");
    *place = data;
    self->came_count[data->step % 2]++;
}

static jzx_behavior_result block_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct block *self = state;
    switch (message->tag) {
    case SAVINA_START:
        self->collector = message->sender;
        tell_neighbours(context, self);
        return JZX_BEHAVIOR_OK;
    case TAG_DATA:
        keep(self, message->pointer.data);
        return go_on(context, self);
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

static void block_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    (void)context;
    (void)info;
    struct block *self = state;
    tile_release(self->own);
    for (int i = 0; i < BLOCKS; i++) {
        tile_release(self->came[0][i]);
        tile_release(self->came[1][i]);
    }
}

static jzx_behavior_result collector_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct collector *self = state;
    switch (message->tag) {
    case SAVINA_START:
        savina_begin(&self->play);
        savina_tell_all(context, self->blocks, BLOCKS, SAVINA_START);
        return JZX_BEHAVIOR_OK;
    case SAVINA_REPORT:
        self->steps += message->words[0];
        self->checksum += message->words[1];
        savina_reported(&self->play, self->each * BLOCKS);
        return JZX_BEHAVIOR_OK;
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

/* ---- the play ---- */

typedef int64_t matrix[NODES][NODES];

static void draw_graph(matrix graph)
{
    uint64_t random = NODES;
    for (int i = 0; i < NODES; i++) {
        graph[i][i] = 0;
        for (int j = i + 1; j < NODES; j++) {
            graph[i][j] = (int64_t)savina_below(&random, WEIGHTS) + 1;
            graph[j][i] = graph[i][j];
        }
    }
}

static tile *cut(matrix graph, uint64_t block)
{
    tile *made = tile_make(block, 0);
    for (uint64_t i = 0; i < SIDE; i++) {
        memcpy(made->distance[i], &graph[block / ROWS * SIDE + i][block % ROWS * SIDE], sizeof made->distance[i]);
    }
    return made;
}

/* What all steps make of the whole graph, without blocks. */
static uint64_t checksum_of(matrix graph, uint64_t steps)
{
    for (uint64_t step = 0; step < steps && step < NODES; step++) { /* after these nothing changes */
        for (int i = 0; i < NODES; i++) {
            for (int j = 0; j < NODES; j++) {
                int64_t through = graph[i][step] + graph[step][j];
                graph[i][j] = through < graph[i][j] ? through : graph[i][j];
            }
        }
    }
    uint64_t sum = 0;
    for (uint64_t i = 0; i < NODES * NODES; i++) {
        sum += (i + 1) * (uint64_t)graph[i / NODES][i % NODES];
    }
    return sum;
}

void savina_all_pairs_shortest_path(jzx_bench *bench, void *stage)
{
    struct collector collector = {.each = savina_each(bench, BLOCKS)};
    matrix *graph = malloc(sizeof *graph);
    BENCH_CHECK(graph != NULL, "out of memory");
    draw_graph(*graph);
    savina_open(&collector.play, bench, stage, NULL);
    collector.play.reports = BLOCKS;
    for (int i = 0; i < BLOCKS; i++) {
        uint64_t number = (uint64_t)i;
        struct block block = {.blocks = collector.blocks, .number = number, .each = collector.each};
        block.own = cut(*graph, number);
        jzx_spawn_options options = savina_options(block_behave, &block, sizeof block);
        options.fini = block_fini;
        collector.blocks[i] = savina_spawn(&collector.play, savina_loop(&collector.play, i), &options);
    }
    savina_run(&collector.play, world_spawn(&collector.play.world, 0, collector_behave, &collector));
    jzx_bench_prove(bench, "steps", collector.steps, collector.each * BLOCKS);
    jzx_bench_prove(bench, "checksum", collector.checksum, checksum_of(*graph, collector.each));
    free(graph);
}
