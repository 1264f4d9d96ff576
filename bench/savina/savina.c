/* savina.c: see savina.h. */
#include "savina/savina.h"

#include <stdlib.h>

enum {
    STATE_DISTANCE = 64, /* a cache line, between the states of neighbours, who may live on different loops */
    QUEUE_SIZE_FIRST = 16,
};

void savina_open(savina *play, jzx_bench *bench, const savina_stage *stage, const jzx_config *config)
{
    jzx_config own;
    jzx_config_init(&own);
    if (config != NULL) {
        own = *config;
    }
    own.linger_ns = stage->loops > 1 && !stage->parks ? JZX_FOREVER : 0;
    play->bench = bench;
    play->reports = 0;
    world_need_cpus(bench, stage->loops);
    world_open(&play->world, bench, &own, stage->loops);
}

int savina_loop(const savina *play, int index)
{
    return (index + 1) % play->world.loop_count;
}

typedef struct first_state {
    const void *state;
    size_t size;
} first_state;

static jzx_err copy_state(jzx_context *context, void *argument, void **state)
{
    (void)context;
    const first_state *first = argument;
    memcpy(*state, first->state, first->size);
    return JZX_OK;
}

jzx_spawn_options savina_options(jzx_behavior_fn behavior, const void *state, size_t size)
{
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = behavior;
    options.argument = (void *)(uintptr_t)state; /* read only */
    options.state_size = (uint32_t)size;
    return options;
}

jzx_actor_id savina_spawn(const savina *play, int loop, const jzx_spawn_options *options)
{
    first_state first = {.state = options->argument, .size = options->state_size};
    jzx_spawn_options copying = *options;
    copying.init = copy_state;
    copying.argument = &first;
    copying.state_size += STATE_DISTANCE;
    jzx_actor_id id = 0;
    WORLD_CHECK(jzx_spawn(jzx_loop_context(play->world.loops[loop]), &copying, &id));
    return id;
}

void savina_run(savina *play, jzx_actor_id center)
{
    world_tell(&play->world, center, SAVINA_START);
    world_run(&play->world);
    world_close(&play->world);
}

void savina_begin(savina *play)
{
    jzx_bench_begin(play->bench);
}

void savina_reported(savina *play, uint64_t operations)
{
    BENCH_CHECK(play->reports > 0, "a report that nobody waits for");
    if (--play->reports == 0) {
        jzx_bench_end(play->bench, operations);
        WORLD_CHECK(jzx_runtime_request_stop(play->world.runtime));
    }
}

uint64_t savina_each(const jzx_bench *bench, uint64_t actors)
{
    uint64_t each = jzx_bench_count(bench) / actors;
    return each > 0 ? each : 1;
}

void savina_tell_all(jzx_context *context, const jzx_actor_id *ids, size_t count, uint32_t tag)
{
    for (size_t i = 0; i < count; i++) {
        SAVINA_SEND(context, ids[i], tag);
    }
}

static void grow(savina_queue *queue)
{
    size_t size = queue->size == 0 ? QUEUE_SIZE_FIRST : queue->size * 2;
    uint64_t(*items)[4] = calloc(size, sizeof *items);
    BENCH_CHECK(items != NULL, "out of memory");
    for (size_t i = 0; i < queue->count; i++) {
        memcpy(items[i], queue->items[(queue->first + i) & (queue->size - 1)], sizeof *items);
    }
    free(queue->items);
    queue->items = items;
    queue->size = size;
    queue->first = 0;
}

void savina_queue_add(savina_queue *queue, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    if (queue->count == queue->size) {
        grow(queue);
    }
    uint64_t *item = queue->items[(queue->first + queue->count++) & (queue->size - 1)];
    item[0] = a;
    item[1] = b;
    item[2] = c;
    item[3] = d;
}

const uint64_t *savina_queue_take(savina_queue *queue)
{
    if (queue->count == 0) {
        return NULL;
    }
    const uint64_t *item = queue->items[queue->first];
    queue->first = (queue->first + 1) & (queue->size - 1);
    queue->count--;
    return item;
}

void savina_queue_deinit(savina_queue *queue)
{
    free(queue->items);
}
