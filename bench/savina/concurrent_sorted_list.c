/* concurrent_sorted_list.c: workers add to a sorted linked list that one actor owns, look in it, and ask for its size. */
#include "savina/concurrent.h"
#include "savina/members.h"

#include <stdlib.h>

enum { SIZE_PERCENT = 1, VALUES = 65536 };
enum { TAG_ADD = CONCURRENT_OWN, TAG_CONTAINS, TAG_SIZE, TAG_COUNT };

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
    SAVINA_SEND(context, message->sender, CONCURRENT_RESULT, list_handle(context, list, message));
    return JZX_BEHAVIOR_OK;
}

/* ---- the play ---- */

static concurrent_request draw(uint64_t *random)
{
    uint64_t percent = savina_below(random, 100);
    if (percent < SIZE_PERCENT) {
        return (concurrent_request){.tag = TAG_SIZE};
    }
    bool write = percent < SIZE_PERCENT + CONCURRENT_WRITE_PERCENT;
    return (concurrent_request){write ? TAG_ADD : TAG_CONTAINS, write, {savina_next(random)}};
}

struct expected {
    uint64_t asked[TAG_COUNT];
    uint64_t *added; /* how often each value is */
};

static void expect(void *context, const concurrent_request *request)
{
    struct expected *expected = context;
    expected->asked[request->tag]++;
    expected->added[request->words[0]] += request->write;
}

static uint64_t expected_checksum(const struct expected *expected)
{
    uint64_t sum = 0;
    uint64_t position = 0;
    for (uint64_t value = 0; value < VALUES; value++) {
        for (uint64_t i = 0; i < expected->added[value]; i++) {
            sum += ++position * value;
        }
    }
    return sum;
}

void savina_concurrent_sorted_list(jzx_bench *bench, void *stage)
{
    struct concurrent play = {.written = 0};
    struct expected expected = {.added = calloc(VALUES, sizeof *expected.added)};
    BENCH_CHECK(expected.added != NULL, "out of memory");
    concurrent_open(&play, bench, stage, CONCURRENT_WRITE_PERCENT + SIZE_PERCENT);
    struct list list = {.head = NULL};
    jzx_spawn_options options = savina_options(list_behave, &list, sizeof list);
    options.fini = list_fini;
    play.server = savina_spawn(&play.play, 0, &options);
    concurrent_run(&play, draw);
    concurrent_replay(&play, expect, &expected);
    jzx_bench_prove(bench, "adds", play.counts[0], expected.asked[TAG_ADD]);
    jzx_bench_prove(bench, "lookups", play.counts[1], expected.asked[TAG_CONTAINS]);
    jzx_bench_prove(bench, "sizes", play.counts[2], expected.asked[TAG_SIZE]);
    jzx_bench_prove(bench, "checksum", play.counts[3], expected_checksum(&expected));
    free(expected.added);
}
