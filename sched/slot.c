#include "sched/slot.h"

#include <string.h>

static uint32_t chunks_max(uint32_t indexes_max)
{
    return (indexes_max + JZX__SLOT_CHUNK - 1) / JZX__SLOT_CHUNK;
}

size_t jzx__slots_size(uint32_t actors_max)
{
    size_t indexes = (size_t)actors_max + JZX__SLOT_SPARE;
    return chunks_max((uint32_t)indexes) * (sizeof(void *) + sizeof(jzx__slot_chunk)) + indexes;
}

jzx_err jzx__slots_init(jzx__slots *slots, jzx_segment_slot *public, uint32_t loop, uint32_t actors_max,
                        const jzx_allocator *allocator)
{
    memset(slots, 0, sizeof *slots);
    slots->public = public;
    slots->first = loop << 24;
    slots->actors_max = actors_max;
    slots->indexes_max = actors_max + JZX__SLOT_SPARE;
    slots->free_first = JZX__SLOT_NONE;
    slots->allocator = allocator;
    slots->chunks = allocator->alloc(allocator->context, chunks_max(slots->indexes_max) * sizeof(void *),
                                     _Alignof(void *));
    slots->full = allocator->alloc(allocator->context, slots->indexes_max, 1);
    if (slots->chunks == NULL || slots->full == NULL) {
        jzx__slots_deinit(slots);
        return JZX_ERR_NO_MEMORY;
    }
    memset((void *)slots->full, 0, slots->indexes_max);
    return JZX_OK;
}

void jzx__slots_deinit(jzx__slots *slots)
{
    const jzx_allocator *allocator = slots->allocator;
    if (slots->chunks != NULL) {
        for (uint32_t i = 0; i < slots->chunk_count; i++) {
            allocator->free(allocator->context, slots->chunks[i], sizeof(jzx__slot_chunk), JZX__CACHE_LINE);
        }
        allocator->free(allocator->context, slots->chunks, chunks_max(slots->indexes_max) * sizeof(void *),
                        _Alignof(void *));
    }
    if (slots->full != NULL) {
        allocator->free(allocator->context, (void *)slots->full, slots->indexes_max, 1);
    }
    memset(slots, 0, sizeof *slots);
}

static jzx_err grow(jzx__slots *slots)
{
    const jzx_allocator *allocator = slots->allocator;
    jzx__slot_chunk *chunk = allocator->alloc(allocator->context, sizeof *chunk, JZX__CACHE_LINE);
    if (chunk == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    slots->chunks[slots->chunk_count++] = chunk;
    return JZX_OK;
}

static jzx_err take_index(jzx__slots *slots, uint32_t *index)
{
    if (slots->live >= slots->actors_max) {
        return JZX_ERR_MAX_ACTORS;
    }
    if (slots->free_first != JZX__SLOT_NONE) {
        *index = slots->free_first;
        slots->free_first = jzx__slot_hot(slots, *index)->next_free;
        return JZX_OK;
    }
    if (slots->fresh == slots->indexes_max) {
        return JZX_ERR_MAX_ACTORS;
    }
    if (slots->fresh == slots->chunk_count * JZX__SLOT_CHUNK) {
        jzx_err err = grow(slots);
        if (err != JZX_OK) {
            return err;
        }
    }
    *index = slots->fresh++;
    jzx__slot_cold(slots, *index)->generation = 0;
    return JZX_OK;
}

jzx_err jzx__slot_take(jzx__slots *slots, uint32_t *index)
{
    uint32_t taken;
    jzx_err err = take_index(slots, &taken);
    if (err != JZX_OK) {
        return err;
    }
    jzx__cold *cold = jzx__once(jzx__slot_cold(slots, taken));
    uint32_t generation = cold->generation + 1;
    JZX_ASSERT(generation != 0); /* A1 */
    memset(jzx__slot_hot(slots, taken), 0, sizeof(jzx__hot));
    memset(cold, 0, sizeof *cold);
    cold->generation = generation;

    jzx_segment_slot *public = &slots->public[taken];
    JZX_ASSERT(public->id == 0 && public->state == JZX__FREE);
    JZX_ASSERT(public->mailbox_length == 0);
    /* All but id and mailbox_length, which are 0: other threads may be looking at them. */
    memset(&public->parent, 0, offsetof(jzx_segment_slot, mailbox_length) - offsetof(jzx_segment_slot, parent));
    memset(&public->mailbox_peak, 0, sizeof *public - offsetof(jzx_segment_slot, mailbox_peak));
    public->state = JZX__STARTING;
    jzx__count_set(&public->id, (uint64_t)(slots->first | taken) << 32 | generation);
    slots->live++;
    *index = taken;
    return JZX_OK;
}

void jzx__slot_give(jzx__slots *slots, uint32_t index)
{
    jzx_segment_slot *public = &slots->public[index];
    jzx__hot *hot = jzx__slot_hot(slots, index);
    JZX_ASSERT(public->state == JZX__DYING || public->state == JZX__STARTING);
    slots->live--;
    jzx__count_set(&public->id, 0);
    /* Release: pairs with the acquire in jzx__route_refusal() (A5). */
    atomic_store_explicit(&slots->full[index], 0, memory_order_release);
    if (jzx__slot_cold(slots, index)->generation == UINT32_MAX) {
        public->state = JZX__RETIRED; /* A1 */
        return;
    }
    public->state = JZX__FREE;
    hot->next_free = JZX__SLOT_NONE;
    if (slots->free_first == JZX__SLOT_NONE) {
        slots->free_first = index;
    } else {
        jzx__slot_hot(slots, slots->free_last)->next_free = index;
    }
    slots->free_last = index;
}
