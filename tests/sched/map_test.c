/* map: against an array, with keys that meet in one bucket. */
#include "sched/map.h"
#include "tests/support/support.h"

#include <stdlib.h>

enum { NODES = 600, KEYS = 900 };

Test(map, agrees_with_an_array_over_random_use, .timeout = 30)
{
    test_memory memory = {0};
    jzx_allocator allocator = test_memory_allocator(&memory);
    jzx__map map;
    cr_assert_eq(jzx__map_init(&map, NODES, &allocator), JZX_OK);
    static jzx__map_node nodes[NODES];
    static jzx__map_node *by_key[KEYS]; /* the model */
    srand(99);
    uint32_t used = 0;
    jzx__map_node *spare[NODES];
    for (uint32_t i = 0; i < NODES; i++) {
        spare[i] = &nodes[i];
    }
    for (int i = 0; i < 50000; i++) {
        uint32_t key = (uint32_t)rand() % KEYS;
        jzx__map_node *found = jzx__map_find(&map, key * 64ull);
        cr_assert_eq(found, by_key[key], "round %d, key %u", i, key);
        if (found != NULL && rand() % 2 == 0) {
            jzx__map_remove(&map, found);
            by_key[key] = NULL;
            spare[--used] = found;
        } else if (found == NULL && used < NODES) {
            by_key[key] = spare[used++];
            jzx__map_add(&map, by_key[key], key * 64ull);
        }
    }
    cr_assert_gt(used, NODES / 2, "it was well filled at the end");
    jzx__map_deinit(&map);
    jzx__map_deinit(&map); /* twice is nothing */
    test_memory_assert_empty(&memory);
}

Test(map, nodes_of_one_bucket_are_told_apart, .timeout = 10)
{
    test_memory memory = {0};
    jzx_allocator allocator = test_memory_allocator(&memory);
    jzx__map map;
    cr_assert_eq(jzx__map_init(&map, 1, &allocator), JZX_OK);
    jzx__map_node nodes[40];
    for (uint64_t i = 0; i < 40; i++) {
        jzx__map_add(&map, &nodes[i], i);
    }
    for (uint64_t i = 0; i < 40; i += 2) { /* from the middle of chains */
        jzx__map_remove(&map, &nodes[i]);
    }
    for (uint64_t i = 0; i < 40; i++) {
        cr_assert_eq(jzx__map_find(&map, i), i % 2 == 0 ? NULL : &nodes[i]);
    }
    jzx__map_deinit(&map);
    test_memory_assert_empty(&memory);
}

Test(map, no_memory_is_said, .timeout = 10)
{
    test_memory memory = {0};
    atomic_store(&memory.fail_at, 1);
    jzx_allocator allocator = test_memory_allocator(&memory);
    jzx__map map;
    cr_assert_eq(jzx__map_init(&map, 100, &allocator), JZX_ERR_NO_MEMORY);
    jzx__map_deinit(&map);
    test_memory_assert_empty(&memory);
}
