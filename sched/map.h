/*
 * map: records found by a 64-bit key, chained through a node in each; the buckets are allocated once. Of those with one key
 * the one that was added last is found first. Owner thread only.
 */
#ifndef JZX__MAP_H
#define JZX__MAP_H

#include "io/base.h"
#include <jzx/runtime.h>

typedef struct jzx__map_node {
    struct jzx__map_node *next;
    uint64_t key;
} jzx__map_node;

typedef struct jzx__map {
    jzx__map_node **buckets;
    uint32_t bits;
    const jzx_allocator *allocator;
} jzx__map;

enum { JZX__MAP_NEAR_BITS = 3 }; /* keys that differ in these alone have their buckets in one cache line */

static inline uint32_t jzx__map_bits(uint32_t records_max)
{
    uint32_t bits = JZX__MAP_NEAR_BITS;
    while (bits < 31 && (1u << bits) < records_max) {
        bits++;
    }
    return bits;
}

static inline jzx_err jzx__map_init(jzx__map *map, uint32_t records_max, const jzx_allocator *allocator)
{
    map->bits = jzx__map_bits(records_max);
    map->allocator = allocator;
    size_t size = sizeof(void *) << map->bits;
    map->buckets = allocator->alloc(allocator->context, size, _Alignof(void *));
    if (map->buckets == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < (size_t)1 << map->bits; i++) {
        map->buckets[i] = NULL;
    }
    return JZX_OK;
}

static inline void jzx__map_deinit(jzx__map *map)
{
    if (map->buckets != NULL) {
        map->allocator->free(map->allocator->context, map->buckets, sizeof(void *) << map->bits, _Alignof(void *));
        map->buckets = NULL;
    }
}

/* Fibonacci hashing (Knuth, TAOCP vol. 3, 6.4). */
static inline jzx__map_node **jzx__map_bucket(const jzx__map *map, uint64_t key)
{
    uint64_t far = (key >> JZX__MAP_NEAR_BITS) * 0x9E3779B97F4A7C15ull >> (64 - map->bits);
    return &map->buckets[far ^ (key & ((1u << JZX__MAP_NEAR_BITS) - 1))];
}

static inline jzx__map_node *jzx__map_find(const jzx__map *map, uint64_t key)
{
    jzx__map_node *node = *jzx__map_bucket(map, key);
    while (node != NULL && node->key != key) {
        node = node->next;
    }
    return node;
}

static inline void jzx__map_add(jzx__map *map, jzx__map_node *node, uint64_t key)
{
    jzx__map_node **bucket = jzx__map_bucket(map, key);
    node->key = key;
    node->next = *bucket;
    *bucket = node;
}

static inline void jzx__map_remove(jzx__map *map, jzx__map_node *node)
{
    jzx__map_node **link = jzx__map_bucket(map, node->key);
    while (*link != node) {
        JZX_ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = node->next;
}

static inline uint64_t jzx__pair_key(uint64_t one, uint64_t other)
{
    return one ^ (other << 17 | other >> 47);
}

#endif
