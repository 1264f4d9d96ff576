/* bounded_buffer.c: a manager with a buffer between producers, whom it holds back when it is full, and consumers. */
#include "savina/members.h"
#include "savina/savina.h"

enum { PRODUCERS = 40, CONSUMERS = 40, BUFFER = 50, BUFFERED_MAX = BUFFER - PRODUCERS };
enum { COST = 25, DRAWS = 100 * COST };
enum { TAG_PRODUCE = SAVINA_OWN, TAG_ITEM, TAG_AVAILABLE };

struct manager {
    savina play;
    uint64_t each;
    uint64_t producing;     /* producers that have not reported */
    savina_queue items;     /* number and value */
    savina_queue waiting;   /* producers */
    savina_queue available; /* consumers */
    uint64_t produced;
    uint64_t consumed;
    uint64_t sum;
    jzx_actor_id producers[PRODUCERS];
    jzx_actor_id consumers[CONSUMERS];
};

struct producer {
    uint64_t each;
    uint64_t produced;
    double item;
};

struct consumer {
    uint64_t consumed;
    uint64_t sum;
    double own;
};

static double process(double item)
{
    uint64_t random = COST;
    for (int i = 0; i < DRAWS; i++) {
        item += log(fabs(savina_real(&random)) + 0.01);
    }
    return item;
}

/* ---- producers and consumers ---- */

static jzx_behavior_result producer_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct producer *self = state;
    if (self->produced == self->each) {
        SAVINA_SEND(context, message->sender, SAVINA_REPORT, self->produced, 0, 0);
        return JZX_BEHAVIOR_STOP;
    }
    self->item = process(self->item);
    SAVINA_SEND(context, message->sender, TAG_ITEM, self->produced, savina_bits(self->item));
    self->produced++;
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result consumer_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct consumer *self = state;
    if (message->tag == SAVINA_END) {
        SAVINA_SEND(context, message->sender, SAVINA_REPORT, 0, self->consumed, self->sum);
        return JZX_BEHAVIOR_STOP;
    }
    self->own = process(self->own + savina_double(message->words[1]));
    self->consumed++;
    self->sum += message->words[0];
    SAVINA_SEND(context, message->sender, TAG_AVAILABLE);
    return JZX_BEHAVIOR_OK;
}

/* ---- the manager ---- */

static void start(jzx_context *context, struct manager *self)
{
    for (int i = 0; i < CONSUMERS; i++) {
        savina_queue_add(&self->available, self->consumers[i], 0, 0, 0);
    }
    savina_begin(&self->play);
    savina_tell_all(context, self->producers, PRODUCERS, TAG_PRODUCE);
}

static void item_came(jzx_context *context, struct manager *self, const jzx_message *message)
{
    const uint64_t *consumer = savina_queue_take(&self->available);
    if (consumer != NULL) {
        SAVINA_SEND(context, consumer[0], TAG_ITEM, message->words[0], message->words[1]);
    } else {
        savina_queue_add(&self->items, message->words[0], message->words[1], 0, 0);
    }
    if (self->items.count >= BUFFERED_MAX) {
        savina_queue_add(&self->waiting, message->sender, 0, 0, 0);
    } else {
        SAVINA_SEND(context, message->sender, TAG_PRODUCE);
    }
}

static void consumer_came(jzx_context *context, struct manager *self, jzx_actor_id consumer)
{
    const uint64_t *item = savina_queue_take(&self->items);
    if (item == NULL) {
        savina_queue_add(&self->available, consumer, 0, 0, 0);
        return;
    }
    SAVINA_SEND(context, consumer, TAG_ITEM, item[0], item[1]);
    const uint64_t *producer = savina_queue_take(&self->waiting);
    if (producer != NULL) {
        SAVINA_SEND(context, producer[0], TAG_PRODUCE);
    }
}

static void report(struct manager *self, const jzx_message *message)
{
    self->produced += message->words[0];
    self->consumed += message->words[1];
    self->sum += message->words[2];
    if (self->producing > 0) {
        self->producing--;
    }
    savina_reported(&self->play, self->each * PRODUCERS);
}

static jzx_behavior_result manager_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct manager *self = state;
    switch (message->tag) {
    case SAVINA_START:
        start(context, self);
        return JZX_BEHAVIOR_OK;
    case TAG_ITEM:
        item_came(context, self, message);
        return JZX_BEHAVIOR_OK;
    case TAG_AVAILABLE:
        consumer_came(context, self, message->sender);
        break;
    case SAVINA_REPORT:
        report(self, message);
        break;
    default:
        return JZX_BEHAVIOR_FAIL;
    }
    if (self->producing == 0 && self->available.count == CONSUMERS) {
        self->available.count = 0; /* they are told once */
        savina_tell_all(context, self->consumers, CONSUMERS, SAVINA_END);
    }
    return JZX_BEHAVIOR_OK;
}

/* ---- the play ---- */

static void cast(struct manager *manager)
{
    for (int i = 0; i < PRODUCERS; i++) {
        struct producer producer = {.each = manager->each};
        jzx_spawn_options options = savina_options(producer_behave, &producer, sizeof producer);
        manager->producers[i] = savina_spawn(&manager->play, savina_loop(&manager->play, i), &options);
    }
    for (int i = 0; i < CONSUMERS; i++) {
        struct consumer consumer = {.consumed = 0};
        jzx_spawn_options options = savina_options(consumer_behave, &consumer, sizeof consumer);
        manager->consumers[i] = savina_spawn(&manager->play, savina_loop(&manager->play, i), &options);
    }
}

void savina_bounded_buffer(jzx_bench *bench, void *stage)
{
    struct manager manager = {.each = savina_each(bench, PRODUCERS), .producing = PRODUCERS};
    savina_open(&manager.play, bench, stage, NULL);
    manager.play.reports = PRODUCERS + CONSUMERS;
    cast(&manager);
    savina_run(&manager.play, world_spawn(&manager.play.world, 0, manager_behave, &manager));
    savina_queue_deinit(&manager.items);
    savina_queue_deinit(&manager.waiting);
    savina_queue_deinit(&manager.available);
    jzx_bench_prove(bench, "produced", manager.produced, manager.each * PRODUCERS);
    jzx_bench_prove(bench, "consumed", manager.consumed, manager.each * PRODUCERS);
    jzx_bench_prove(bench, "sum", manager.sum, PRODUCERS / 2 * manager.each * (manager.each - 1));
}
