/* dining_philosophers.c: an arbitrator lends forks, two at a time; who does not get them asks again. */
#include "savina/members.h"
#include "savina/savina.h"

enum { PHILOSOPHERS = 20 };
enum { TAG_HUNGRY = SAVINA_OWN, TAG_EAT, TAG_DENIED, TAG_DONE };

struct arbitrator {
    savina play;
    uint64_t each;
    uint64_t meals;
    bool taken[PHILOSOPHERS]; /* the forks: that of the same number lies on the left */
    jzx_actor_id philosophers[PHILOSOPHERS];
};

struct philosopher {
    jzx_actor_id arbitrator;
    uint64_t number;
    uint64_t each;
    uint64_t meals;
};

static void lend(jzx_context *context, struct arbitrator *self, const jzx_message *message)
{
    uint64_t left = message->words[0];
    uint64_t right = (left + 1) % PHILOSOPHERS;
    bool denied = self->taken[left] || self->taken[right];
    if (!denied) {
        self->taken[left] = true;
        self->taken[right] = true;
    }
    SAVINA_SEND(context, message->sender, denied ? TAG_DENIED : TAG_EAT);
}

static void take_back(struct arbitrator *self, uint64_t left)
{
    uint64_t right = (left + 1) % PHILOSOPHERS;
    BENCH_CHECK(self->taken[left] && self->taken[right], "a fork comes back that was not taken");
    self->taken[left] = false;
    self->taken[right] = false;
}

static jzx_behavior_result arbitrator_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct arbitrator *self = state;
    switch (message->tag) {
    case SAVINA_START:
        savina_begin(&self->play);
        savina_tell_all(context, self->philosophers, PHILOSOPHERS, SAVINA_START);
        return JZX_BEHAVIOR_OK;
    case TAG_HUNGRY:
        lend(context, self, message);
        return JZX_BEHAVIOR_OK;
    case TAG_DONE:
        take_back(self, message->words[0]);
        return JZX_BEHAVIOR_OK;
    case SAVINA_REPORT:
        self->meals += message->words[0];
        savina_reported(&self->play, self->each * PHILOSOPHERS);
        return JZX_BEHAVIOR_OK;
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

static jzx_behavior_result eat(jzx_context *context, struct philosopher *self)
{
    self->meals++;
    SAVINA_SEND(context, self->arbitrator, TAG_DONE, self->number);
    if (self->meals < self->each) {
        SAVINA_SEND(context, jzx_self(context), SAVINA_START);
        return JZX_BEHAVIOR_OK;
    }
    SAVINA_SEND(context, self->arbitrator, SAVINA_REPORT, self->meals);
    return JZX_BEHAVIOR_STOP;
}

static jzx_behavior_result philosopher_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct philosopher *self = state;
    switch (message->tag) {
    case SAVINA_START:
        if (self->arbitrator == 0) {
            self->arbitrator = message->sender;
        }
        SAVINA_SEND(context, self->arbitrator, TAG_HUNGRY, self->number);
        return JZX_BEHAVIOR_OK;
    case TAG_DENIED:
        SAVINA_SEND(context, self->arbitrator, TAG_HUNGRY, self->number);
        return JZX_BEHAVIOR_OK;
    case TAG_EAT:
        return eat(context, self);
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

void savina_dining_philosophers(jzx_bench *bench, void *stage)
{
    struct arbitrator arbitrator = {.each = savina_each(bench, PHILOSOPHERS)};
    savina_open(&arbitrator.play, bench, stage, NULL);
    arbitrator.play.reports = PHILOSOPHERS;
    for (int i = 0; i < PHILOSOPHERS; i++) {
        struct philosopher philosopher = {.number = (uint64_t)i, .each = arbitrator.each};
        jzx_spawn_options options = savina_options(philosopher_behave, &philosopher, sizeof philosopher);
        arbitrator.philosophers[i] = savina_spawn(&arbitrator.play, savina_loop(&arbitrator.play, i), &options);
    }
    savina_run(&arbitrator.play, world_spawn(&arbitrator.play.world, 0, arbitrator_behave, &arbitrator));
    jzx_bench_prove(bench, "meals", arbitrator.meals, arbitrator.each * PHILOSOPHERS);
}
