/* config: defaults, ranges and what a configuration can take at most. Pure: touches no runtime. */
#include "src/internal.h"

static void *default_alloc(void *context, size_t size, size_t align)
{
    (void)context;
    return jzx__sys_alloc(size, align);
}

static void default_free(void *context, void *memory, size_t size, size_t align)
{
    (void)context;
    (void)size;
    (void)align;
    jzx__sys_free(memory);
}

void jzx__config_allocators(jzx_config *config)
{
    for (unsigned i = 0; i < JZX_MEMORY_KINDS; i++) {
        if (config->allocators[i].alloc == NULL) {
            config->allocators[i] = (jzx_allocator){default_alloc, default_free, NULL};
        }
    }
}

void jzx_config_init(jzx_config *config)
{
    if (config == NULL) {
        return;
    }
    memset(config, 0, sizeof *config);
    config->struct_size = sizeof *config;
    config->loops_max = 2;
    config->actors_max = 65536;
    config->cells = 65536;
    config->inbox_size = 1024;
    config->posters_max = 16;
    config->timers_max = 65536;
    config->monitors_max = 65536;
    config->children_max = 65536;
    config->links_max = 65536;
    config->annexes_max = 16384;
    config->asks_max = 64;
    config->spaces_max = 16;
    config->group_watches_max = 64;
    config->flows_max = 16384;
    config->resumes_max = 4096;
    config->watches_max = 1024;
    config->sockets_max = 16384;
    config->observers_max = 4;
    config->names_max = 4096;
    config->mailbox_cap = 1024;
    config->mailbox_bytes = 1u << 30;
    config->messages_per_actor = 64;
    config->actors_per_turn = 1024;
    config->deliveries_per_turn = 1024;
    config->turn_ns = 50000;
    config->flush_ns = 20000;
    config->slow_handler_ns = 10000000;
    config->shield_max_ns = 5000000000;
    config->ring_entries = 1024;
    config->recv_buffers = 256;
    config->recv_buffer_size = 16384;
    config->send_chunks = 4096;
    config->send_chunk_size = 4096;
    config->restrict_ring = true;
}

void jzx_loop_config_init(const jzx_config *runtime_config, jzx_loop_config *config)
{
    if (config == NULL) {
        return;
    }
    memset(config, 0, sizeof *config);
    config->struct_size = sizeof *config;
    config->cpu = JZX_CPU_ANY;
    config->linger_ns = runtime_config != NULL ? runtime_config->linger_ns : 0;
}

static bool within(uint64_t value, uint64_t min, uint64_t max)
{
    return value >= min && value <= max;
}

static bool power_of_two(uint32_t value, uint32_t min, uint32_t max)
{
    return within(value, min, max) && (value & (value - 1)) == 0;
}

static bool allocators_valid(const jzx_config *config)
{
    for (unsigned i = 0; i < JZX_MEMORY_KINDS; i++) {
        const jzx_allocator *allocator = &config->allocators[i];
        if ((allocator->alloc == NULL) != (allocator->free == NULL)) {
            return false; /* all or nothing: memory of one must not meet the other's free */
        }
    }
    return true;
}

static bool limits_valid(const jzx_config *config)
{
    return within(config->loops_max, 1, JZX_LOOPS_MAX) && within(config->actors_max, 1, 16000000) &&
           within(config->cells, 256, (1u << 24) - 1) && power_of_two(config->inbox_size, 4, 65536) &&
           (config->lane_blocks == 0 || within(config->lane_blocks, 2, 4096)) &&
           within(config->posters_max, 1, 65536) && within(config->timers_max, 1, 1u << 23) &&
           within(config->monitors_max, 1, 1u << 23) && within(config->children_max, 1, 1u << 23) &&
           within(config->resumes_max, 1, 1u << 23) && within(config->watches_max, 1, 1u << 23) &&
           within(config->sockets_max, 1, 1u << 23) && within(config->observers_max, 1, 1024) &&
           within(config->names_max, 1, 1u << 23) && within(config->links_max, 1, 1u << 23) &&
           within(config->annexes_max, 1, 1u << 23) && within(config->asks_max, 1, JZX__ASKERS_MOST) &&
           within(config->spaces_max, 1, JZX_SPACES_MAX) && within(config->group_watches_max, 1, 1u << 23) &&
           within(config->flows_max, 1, 1u << 23);
}

static bool paces_valid(const jzx_config *config)
{
    return within(config->mailbox_cap, 1, config->cells / 8) && config->mailbox_bytes >= JZX_INLINE_MAX &&
           within(config->messages_per_actor, 1, UINT16_MAX) && config->actors_per_turn >= 1 &&
           config->deliveries_per_turn >= 1 && config->turn_ns >= 1000;
}

static bool io_valid(const jzx_config *config)
{
    return power_of_two(config->ring_entries, 8, 32768) && power_of_two(config->recv_buffers, 2, 32768) &&
           within(config->recv_buffer_size, 512, 1u << 20) && within(config->send_chunks, 1, 1u << 20) &&
           within(config->send_chunk_size, 512, 1u << 20);
}

uint32_t jzx__config_lane_blocks(const jzx_config *config)
{
    if (config->lane_blocks != 0) {
        return config->lane_blocks;
    }
    uint32_t peers = config->loops_max > 1 ? config->loops_max - 1 : 1;
    return 256 / peers < 2 ? 2 : 256 / peers;
}

uint32_t jzx__config_inbound_max(const jzx_config *config)
{
    uint64_t cells = (uint64_t)(config->loops_max - 1) * jzx__lane_capacity(jzx__config_lane_blocks(config)) +
                     config->inbox_size;
    return cells > UINT32_MAX / 4 ? UINT32_MAX / 4 : (uint32_t)cells;
}

jzx_err jzx__config_check(const jzx_config *config)
{
    if (config->struct_size != sizeof *config || !allocators_valid(config) || !limits_valid(config) ||
        !paces_valid(config) || !io_valid(config)) {
        return JZX_ERR_INVALID_ARG;
    }
    /* Accepted mail always finds a cell, and as many are left for the loop's own (C2). */
    return config->cells >= 2 * jzx__config_inbound_max(config) + 2 ? JZX_OK : JZX_ERR_INVALID_ARG;
}

static size_t page_round(size_t size)
{
    return (size + 4095) & ~(size_t)4095;
}

size_t jzx__config_segment_size(const jzx_config *config, jzx_segment_header *header)
{
    memset(header, 0, sizeof *header);
    header->magic = JZX_SEGMENT_MAGIC;
    header->header_size = sizeof *header;
    header->loop_struct_size = sizeof(jzx_segment_loop);
    header->slot_struct_size = sizeof(jzx_segment_slot);
    header->loops_max = config->loops_max;
    header->loops_offset = page_round(sizeof *header);
    header->slots_offset = page_round(sizeof(jzx_segment_loop));
    header->slots_max = (uint64_t)config->actors_max + JZX__SLOT_SPARE;
    header->loop_size = header->slots_offset + page_round(header->slots_max * sizeof(jzx_segment_slot));
    return header->loops_offset + config->loops_max * header->loop_size;
}

/* sum += count * size, unless it does not fit. */
static bool add_product(size_t *sum, size_t count, size_t size)
{
    size_t product;
    return !__builtin_mul_overflow(count, size, &product) && !__builtin_add_overflow(*sum, product, sum);
}

static bool add_posters(size_t *sum, const jzx_config *config)
{
    /* A poster's ring is as large as its maker says, at most 65,536 messages to each loop. */
    size_t each = sizeof(jzx_poster) + config->loops_max * (sizeof(jzx__inbox) + 65536 * sizeof(jzx__cell));
    return add_product(sum, config->posters_max, each + sizeof(void *));
}

jzx_err jzx_config_footprint(const jzx_config *config, jzx_footprint *footprint)
{
    if (config == NULL || footprint == NULL || footprint->struct_size != sizeof *footprint) {
        return JZX_ERR_INVALID_ARG;
    }
    jzx_err err = jzx__config_check(config);
    if (err != JZX_OK) {
        return err;
    }
    size_t loops = config->loops_max;
    jzx__backend_config backend = {.entries = config->ring_entries};
    jzx_segment_header header;
    jzx_footprint sums = {.struct_size = sizeof sums};
    sums.segment = jzx__config_segment_size(config, &header);
    sums.metadata = sizeof(jzx_runtime) + (loops + config->spaces_max) * sizeof(void *) +
                    jzx__names_size(config->names_max) + jzx__askers_size(config->asks_max);
    bool fits = add_product(&sums.metadata, loops, jzx__loop_size(config)) &&
                add_product(&sums.metadata, loops * loops, sizeof(jzx__lane)) &&
                add_product(&sums.metadata, loops * (loops - 1), jzx__lane_size(jzx__config_lane_blocks(config))) &&
                add_product(&sums.metadata, loops, jzx__uring_metadata_size(&backend)) &&
                add_posters(&sums.metadata, config) &&
                add_product(&sums.buffers, loops, jzx__net_buffer_size(config)) &&
                add_product(&sums.rings, loops, jzx__uring_ring_size(&backend));
    if (!fits) {
        return JZX_ERR_TOO_BIG;
    }
    *footprint = sums;
    return JZX_OK;
}
