/* inbox: bounded, in order per thread, from one ring to the next; and a loop that takes only what it has cells for. */
#include "sched/inbox.h"
#include "sched/loop.h"
#include "tests/support/support.h"

#include <pthread.h>
#include <sched.h>

static jzx__cell numbered(uint64_t from, uint64_t number)
{
    jzx__cell cell = {.kind = JZX__CELL_MAIL};
    cell.words[0] = from;
    cell.words[1] = number;
    return cell;
}

static bool post(jzx__inbox *inbox, const jzx__cell *cell)
{
    unsigned int ticket = 0;
    jzx__cell *place = jzx__inbox_reserve(inbox, &ticket);
    if (place != NULL) {
        *place = *cell;
        jzx__inbox_publish(inbox, ticket);
    }
    return place != NULL;
}

Test(inbox, a_full_one_says_so_and_takes_again_after_a_take, .timeout = 10)
{
    for (int shared = 0; shared < 2; shared++) {
        test_memory memory = {0};
        jzx_allocator allocator = test_memory_allocator(&memory);
        jzx__inbox inbox;
        cr_assert_eq(jzx__inbox_init(&inbox, 8, shared != 0, &allocator), JZX_OK);
        cr_assert(jzx__inbox_empty(&inbox));
        uint64_t posted = 0;
        uint64_t taken = 0;
        for (int round = 0; round < 100; round++) {
            for (jzx__cell cell = numbered(0, posted); post(&inbox, &cell); cell = numbered(0, posted)) {
                posted++;
                cr_assert_leq(posted - taken, 8);
            }
            cr_assert_geq(posted - taken, 7, "a ring of 8 holds at least 7");
            cr_assert_not(jzx__inbox_empty(&inbox));
            jzx__cell cell;
            for (int i = 0; i <= round % 8 && jzx__inbox_take(&inbox, &cell); i++) {
                cr_assert_eq(cell.words[1], taken++);
            }
        }
        cr_assert_eq(jzx__inbox_head(&inbox), (uint32_t)taken);
        cr_assert_eq(jzx__inbox_tail(&inbox), (uint32_t)posted);
        jzx__inbox_deinit(&inbox);
        jzx__inbox_deinit(&inbox); /* twice is nothing */
        test_memory_assert_empty(&memory);
    }
}

Test(inbox, no_memory_is_said, .timeout = 10)
{
    test_memory memory = {0};
    atomic_store(&memory.fail_at, 1);
    jzx_allocator allocator = test_memory_allocator(&memory);
    jzx__inbox inbox;
    cr_assert_eq(jzx__inbox_init(&inbox, 8, true, &allocator), JZX_ERR_NO_MEMORY);
    jzx__inbox_deinit(&inbox);
    test_memory_assert_empty(&memory);
}

enum { WRITERS = 4, EACH = 20000 };

typedef struct writer {
    jzx__inbox *inbox;
    uint64_t from;
} writer;

static void *write_all(void *argument)
{
    const writer *me = argument;
    for (uint64_t i = 0; i < EACH; i++) {
        jzx__cell cell = numbered(me->from, i);
        while (!post(me->inbox, &cell)) {
            sched_yield();
        }
    }
    return NULL;
}

Test(inbox, keeps_the_order_of_each_of_four_threads, .timeout = 60)
{
    test_memory memory = {0};
    jzx_allocator allocator = test_memory_allocator(&memory);
    jzx__inbox inbox;
    cr_assert_eq(jzx__inbox_init(&inbox, 64, true, &allocator), JZX_OK);
    pthread_t threads[WRITERS];
    writer writers[WRITERS];
    for (uint64_t i = 0; i < WRITERS; i++) {
        writers[i] = (writer){&inbox, i};
        cr_assert_eq(pthread_create(&threads[i], NULL, write_all, &writers[i]), 0);
    }
    uint64_t next[WRITERS] = {0};
    uint64_t wrong = 0;
    for (uint64_t taken = 0; taken < WRITERS * EACH;) {
        jzx__cell cell;
        if (!jzx__inbox_take(&inbox, &cell)) {
            sched_yield();
            continue;
        }
        taken++;
        wrong += cell.words[1] != next[cell.words[0]]++;
    }
    for (int i = 0; i < WRITERS; i++) {
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    }
    cr_assert_eq(wrong, 0);
    cr_assert(jzx__inbox_empty(&inbox));
    cr_assert_eq(inbox.posted_taken, WRITERS * EACH);
    jzx__inbox_deinit(&inbox);
    test_memory_assert_empty(&memory);
}

/* ---- in a loop ---- */

typedef struct flood {
    test_world *world;
    jzx_actor_id to;
    uint64_t accepted;
    uint32_t posters;
} flood;

/* As many posters as there may be, each filled to its brim, before the loop looks. */
static void fill_posters(void *argument)
{
    flood *me = argument;
    jzx_poster *poster;
    while (jzx_poster_create(me->world->runtime, 4096, &poster) == JZX_OK) {
        me->posters++;
        jzx_message message = jzx_message_empty(1);
        while (jzx_poster_post(poster, me->to, &message) == JZX_OK) {
            me->accepted++;
        }
    }
}

static uint64_t handled(const test_world *world)
{
    return test_count(world, offsetof(jzx_counters, handled));
}

Test(inbox, posts_beyond_the_cells_wait_in_their_rings, .timeout = 60)
{
    jzx_config config;
    test_config(&config);
    config.cells = 4096;
    config.mailbox_cap = 512;
    test_world world;
    test_world_open(&world, 2, &config);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    flood f = {.world = &world, .to = actor.id};
    test_on_thread(fill_posters, &f);
    cr_assert_eq(f.posters, config.posters_max);
    cr_assert_gt(f.accepted, 4 * config.cells, "more than the loop has cells");
    test_until(&world, handled(&world) == f.accepted);
    cr_assert_eq(test_count(&world, offsetof(jzx_counters, posted)), f.accepted);
    test_world_close(&world);
}

/* Post 100 by the runtime's own way, then go on with a poster: the loop sees one sequence. */
typedef struct sequence {
    test_world *world;
    jzx_actor_id to;
    uint64_t next;
} sequence;

static void post_both_ways(void *argument)
{
    sequence *me = argument;
    jzx_message message;
    for (int i = 0; i < 100; i++) {
        message = jzx_message_value(1, &me->next, sizeof me->next);
        cr_assert_eq(jzx_post(me->world->runtime, me->to, &message), JZX_OK);
        me->next++;
    }
    jzx_poster *poster;
    cr_assert_eq(jzx_poster_create(me->world->runtime, 256, &poster), JZX_OK);
    for (int i = 0; i < 100; i++) {
        message = jzx_message_value(1, &me->next, sizeof me->next);
        cr_assert_eq(jzx_poster_post(poster, me->to, &message), JZX_OK);
        me->next++;
    }
}

Test(inbox, a_thread_that_changes_to_a_poster_keeps_its_order, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor actor = {0};
    test_spawn(&world, 0, &actor);
    sequence s = {.world = &world, .to = actor.id};
    test_on_thread(post_both_ways, &s);
    test_until(&world, actor.received == 200);
    for (uint64_t i = 0; i < 200; i++) {
        cr_assert_eq(actor.log[i].words[0], i);
    }
    test_world_close(&world);
}
