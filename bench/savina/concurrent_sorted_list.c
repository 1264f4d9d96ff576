/* concurrent_sorted_list.c: workers add to a sorted linked list that one actor owns, look in it, and ask for its size. */
#include "savina/members.h"
#include "savina/savina.h"

#include <stdlib.h>

enum { WORKERS = 20, WRITE_PERCENT = 10, SIZE_PERCENT = 1, VALUES = 65536 };
enum { TAG_ADD = SAVINA_OWN, TAG_CONTAINS, TAG_SIZE, TAG_RESULT };

struct node {
    struct node *next;
    uint64_t value;
};

struct list {
    struct node *head;
    uint64_t adds;
    uint64_t lookups;
    uint64_t sizes;
};

struct master {
    savina play;
    uint64_t each;
    uint64_t working; /* workers that have not reported */
    uint64_t adds;
    uint64_t lookups;
    uint64_t sizes;
    uint64_t checksum;
    jzx_actor_id list;
    jzx_actor_id workers[WORKERS];
};

struct worker {
    jzx_actor_id master;
    jzx_actor_id list;
    uint64_t random;
    uint64_t left;
};

/* ---- the list ---- */

static void list_add(jzx_context *context, struct list *list, uint64_t value)
{
    struct node **at = &list->head;
    while (*at != NULL && (*at)->value <= value) {
        at = &(*at)->next;
    }
    struct node *node = jzx_alloc(context, sizeof *node);
    BENCH_CHECK(node != NULL, "out of memory");
    node->next = *at;
    node->value = value;
    *at = node;
}

static bool list_contains(const struct list *list, uint64_t value)
{
    const struct node *node = list->head;
    while (node != NULL && node->value != value) { /* as published: it does not stop at a greater one */
        node = node->next;
    }
    return node != NULL;
}

static uint64_t list_size(const struct list *list)
{
    uint64_t size = 0;
    for (const struct node *node = list->head; node != NULL; node = node->next) {
        size++;
    }
    return size;
}

static uint64_t list_checksum(const struct list *list)
{
    uint64_t sum = 0;
    uint64_t position = 0;
    for (const struct node *node = list->head; node != NULL; node = node->next) {
        sum += ++position * node->value;
    }
    return sum;
}

static void list_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    (void)info;
    struct list *list = state;
    while (list->head != NULL) {
        struct node *node = list->head;
        list->head = node->next;
        jzx_free(context, node, sizeof *node);
    }
}

static uint64_t list_handle(jzx_context *context, struct list *list, const jzx_message *message)
{
    switch (message->tag) {
    case TAG_ADD:
        list->adds++;
        list_add(context, list, message->words[0]);
        return message->words[0];
    case TAG_CONTAINS:
        list->lookups++;
        return list_contains(list, message->words[0]);
    default:
        list->sizes++;
        return list_size(list);
    }
}

static jzx_behavior_result list_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct list *list = state;
    if (message->tag == SAVINA_END) {
        uint64_t checksum = list_checksum(list);
        SAVINA_SEND(context, message->sender, SAVINA_REPORT, list->adds, list->lookups, list->sizes, checksum);
        return JZX_BEHAVIOR_STOP;
    }
    SAVINA_SEND(context, message->sender, TAG_RESULT, list_handle(context, list, message));
    return JZX_BEHAVIOR_OK;
}

/* ---- workers and master ---- */

/* What a worker asks next, and the value that goes with it. */
static uint32_t draw(uint64_t *random, uint64_t *value)
{
    uint64_t percent = savina_below(random, 100);
    if (percent < SIZE_PERCENT) {
        return TAG_SIZE;
    }
    *value = savina_next(random);
    return percent < SIZE_PERCENT + WRITE_PERCENT ? TAG_ADD : TAG_CONTAINS;
}

static jzx_behavior_result worker_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct worker *self = state;
    if (message->tag == SAVINA_START) {
        self->master = message->sender;
    }
    if (self->left == 0) {
        SAVINA_SEND(context, self->master, SAVINA_REPORT);
        return JZX_BEHAVIOR_STOP;
    }
    self->left--;
    uint64_t value = 0;
    uint32_t tag = draw(&self->random, &value);
    SAVINA_SEND(context, self->list, tag, value);
    return JZX_BEHAVIOR_OK;
}

static void report(jzx_context *context, struct master *master, const jzx_message *message)
{
    if (message->sender == master->list) {
        master->adds = message->words[0];
        master->lookups = message->words[1];
        master->sizes = message->words[2];
        master->checksum = message->words[3];
    } else if (--master->working == 0) {
        SAVINA_SEND(context, master->list, SAVINA_END);
    }
    savina_reported(&master->play, master->each * WORKERS);
}

static jzx_behavior_result master_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct master *master = state;
    switch (message->tag) {
    case SAVINA_START:
        savina_begin(&master->play);
        savina_tell_all(context, master->workers, WORKERS, SAVINA_START);
        return JZX_BEHAVIOR_OK;
    case SAVINA_REPORT:
        report(context, master, message);
        return JZX_BEHAVIOR_OK;
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

/* ---- the play ---- */

static uint64_t seed(uint64_t worker, uint64_t each)
{
    return worker + each + WRITE_PERCENT + SIZE_PERCENT;
}

/* How often each value is added, and how often each thing is asked, by all workers. */
static void draw_all(uint64_t each, uint64_t asked[TAG_RESULT], uint64_t added[VALUES])
{
    for (uint64_t i = 0; i < WORKERS; i++) {
        uint64_t random = seed(i, each);
        for (uint64_t j = 0; j < each; j++) {
            uint64_t value = 0;
            uint32_t tag = draw(&random, &value);
            asked[tag]++;
            added[value] += tag == TAG_ADD;
        }
    }
}

static void prove(jzx_bench *bench, const struct master *master)
{
    uint64_t asked[TAG_RESULT] = {0};
    uint64_t *added = calloc(VALUES, sizeof *added);
    BENCH_CHECK(added != NULL, "out of memory");
    draw_all(master->each, asked, added);
    uint64_t checksum = 0;
    uint64_t position = 0;
    for (uint64_t value = 0; value < VALUES; value++) {
        while (added[value]-- > 0) {
            checksum += ++position * value;
        }
    }
    free(added);
    jzx_bench_prove(bench, "adds", master->adds, asked[TAG_ADD]);
    jzx_bench_prove(bench, "sizes", master->sizes, asked[TAG_SIZE]);
    jzx_bench_prove(bench, "lookups", master->lookups, asked[TAG_CONTAINS]);
    jzx_bench_prove(bench, "checksum", master->checksum, checksum);
}

void savina_concurrent_sorted_list(jzx_bench *bench, void *loops)
{
    struct master master = {.each = savina_each(bench, WORKERS), .working = WORKERS};
    savina_open(&master.play, bench, loops, NULL);
    master.play.reports = WORKERS + 1;
    struct list list = {.head = NULL};
    jzx_spawn_options options = savina_options(list_behave, &list, sizeof list);
    options.fini = list_fini;
    master.list = savina_spawn(&master.play, 0, &options);
    for (int i = 0; i < WORKERS; i++) {
        struct worker worker = {.list = master.list, .random = seed((uint64_t)i, master.each), .left = master.each};
        options = savina_options(worker_behave, &worker, sizeof worker);
        master.workers[i] = savina_spawn(&master.play, savina_loop(&master.play, i), &options);
    }
    savina_run(&master.play, world_spawn(&master.play.world, 0, master_behave, &master));
    prove(bench, &master);
}
