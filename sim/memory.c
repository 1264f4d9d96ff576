/*
 * memory: the blocks of a machine.
 *
 * Every block is counted and known until it is freed, so that leaks show and an abandoned machine can be freed whole.
 *
 * Invariants
 *   M1  A block is freed once, and only when no operation in flight names its bytes (R3).
 *   M2  What is in a block that was not written is the same in every run, and not 0: who reads it is at least not lucky.
 */
#include "sim/machine.h"

#include <stdlib.h>
#include <string.h>

static const uint64_t MAGIC = 0x6A7A7873696D6D65ull;
enum { UNWRITTEN = 0xA5, GONE = 0xDD };

typedef struct block {
    struct block *next;
    struct block *last;
    void *raw;
    size_t size;
    uint64_t magic;
} block;

struct jzx__sim_memory {
    block *first;
    uint64_t live;
    uint64_t blocks;
};

void *jzx__sim_own_alloc(size_t size)
{
    void *memory = calloc(1, size == 0 ? 1 : size);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

void *jzx__sim_own_grow(void *items, uint32_t *room, uint32_t count, size_t size)
{
    if (count < *room) {
        return items;
    }
    *room = *room == 0 ? 32 : *room * 2;
    void *grown = realloc(items, *room * size);
    if (grown == NULL) {
        abort();
    }
    return grown;
}

jzx__sim_memory *jzx__sim_memory_create(void)
{
    return jzx__sim_own_alloc(sizeof(jzx__sim_memory));
}

void jzx__sim_memory_destroy(jzx__sim_memory *memory)
{
    while (memory->first != NULL) {
        block *next = memory->first->next;
        free(memory->first->raw);
        memory->first = next;
    }
    free(memory);
}

void *jzx__sim_memory_take(jzx_sim *sim, size_t size, size_t align)
{
    jzx__sim_memory *memory = sim->memory;
    size_t bound = align < _Alignof(max_align_t) ? _Alignof(max_align_t) : align;
    size_t head = (sizeof(block) + bound - 1) / bound * bound;
    void *raw;
    if (jzx__sim_fault(sim, JZX_SIM_ALLOC) || size > SIZE_MAX - head || posix_memalign(&raw, bound, head + size) != 0) {
        return NULL;
    }
    char *bytes = (char *)raw + head;
    block *made = (block *)(void *)(bytes - sizeof(block));
    *made = (block){.next = memory->first, .raw = raw, .size = size, .magic = MAGIC};
    if (memory->first != NULL) {
        memory->first->last = made;
    }
    memory->first = made;
    memory->live += size;
    memory->blocks++;
    memset(bytes, UNWRITTEN, size); /* M2 */
    return bytes;
}

void jzx__sim_memory_give(jzx_sim *sim, void *bytes, size_t size)
{
    jzx__sim_memory *memory = sim->memory;
    if (bytes == NULL) {
        return;
    }
    block *given = (block *)(void *)((char *)bytes - sizeof(block));
    if (given->magic != MAGIC) {
        jzx_sim_fail(sim, "memory is freed that was not allocated, or twice");
        return;
    }
    if (size != given->size && size != JZX__SIM_SIZE_UNKNOWN) {
        jzx_sim_fail(sim, "memory of %zu bytes is freed as %zu", given->size, size);
    }
    const char *use = jzx__sim_rings_use(sim, bytes, given->size);
    if (use != NULL) {
        jzx_sim_fail(sim, "memory of %zu bytes is freed while an operation is in flight that names it: %s", given->size,
                     use);
        return;
    }
    given->magic = 0;
    *(given->last != NULL ? &given->last->next : &memory->first) = given->next;
    if (given->next != NULL) {
        given->next->last = given->last;
    }
    memory->live -= given->size;
    memory->blocks--;
    memset(bytes, GONE, given->size); /* the next to have it takes nothing over, and who still reads it sees that */
    free(given->raw);
}

uint64_t jzx__sim_memory_live(const jzx_sim *sim)
{
    return sim->memory->live;
}

uint64_t jzx__sim_memory_blocks(const jzx_sim *sim)
{
    return sim->memory->blocks;
}
