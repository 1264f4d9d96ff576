/* cigarette_smokers.c: an arbiter tells one of many at random to smoke, which keeps that one busy after it has answered. */
#include "savina/members.h"
#include "savina/savina.h"

enum { SMOKERS = 200, BUSY_MIN = 10, BUSY_RANGE = 1000 };
enum { TAG_SMOKE = SAVINA_OWN, TAG_SMOKING };

struct arbiter {
    savina play;
    uint64_t count;
    uint64_t rounds; /* that have begun */
    uint64_t random;
    uint64_t smokes;
    uint64_t work;
    jzx_actor_id smokers[SMOKERS];
};

struct smoker {
    uint64_t smokes;
    uint64_t work;
};

static void begin_round(jzx_context *context, struct arbiter *arbiter)
{
    uint64_t smoker = savina_below(&arbiter->random, SMOKERS);
    uint64_t period = savina_below(&arbiter->random, BUSY_RANGE) + BUSY_MIN;
    SAVINA_SEND(context, arbiter->smokers[smoker], TAG_SMOKE, period);
}

static jzx_behavior_result arbiter_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct arbiter *arbiter = state;
    switch (message->tag) {
    case SAVINA_START:
        savina_begin(&arbiter->play);
        begin_round(context, arbiter);
        return JZX_BEHAVIOR_OK;
    case TAG_SMOKING:
        if (++arbiter->rounds < arbiter->count) {
            begin_round(context, arbiter);
        } else {
            savina_tell_all(context, arbiter->smokers, SMOKERS, SAVINA_END);
        }
        return JZX_BEHAVIOR_OK;
    case SAVINA_REPORT:
        arbiter->smokes += message->words[0];
        arbiter->work += message->words[1];
        savina_reported(&arbiter->play, arbiter->count);
        return JZX_BEHAVIOR_OK;
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

static jzx_behavior_result smoker_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct smoker *smoker = state;
    switch (message->tag) {
    case TAG_SMOKE:
        SAVINA_SEND(context, message->sender, TAG_SMOKING);
        smoker->smokes++;
        smoker->work += savina_busy(message->words[0]);
        return JZX_BEHAVIOR_OK;
    case SAVINA_END:
        SAVINA_SEND(context, message->sender, SAVINA_REPORT, smoker->smokes, smoker->work);
        return JZX_BEHAVIOR_STOP;
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

/* The work of all rounds. */
static uint64_t work_of(uint64_t count)
{
    uint64_t random = count * SMOKERS;
    uint64_t work = 0;
    for (uint64_t i = 0; i < count; i++) {
        savina_below(&random, SMOKERS);
        work += savina_busy(savina_below(&random, BUSY_RANGE) + BUSY_MIN);
    }
    return work;
}

void savina_cigarette_smokers(jzx_bench *bench, void *stage)
{
    uint64_t count = jzx_bench_count(bench);
    struct arbiter arbiter = {.count = count, .random = count * SMOKERS};
    savina_open(&arbiter.play, bench, stage, NULL);
    arbiter.play.reports = SMOKERS;
    for (int i = 0; i < SMOKERS; i++) {
        struct smoker smoker = {.smokes = 0};
        jzx_spawn_options options = savina_options(smoker_behave, &smoker, sizeof smoker);
        arbiter.smokers[i] = savina_spawn(&arbiter.play, savina_loop(&arbiter.play, i), &options);
    }
    savina_run(&arbiter.play, world_spawn(&arbiter.play.world, 0, arbiter_behave, &arbiter));
    jzx_bench_prove(bench, "smokes", arbiter.smokes, count);
    jzx_bench_prove(bench, "work", arbiter.work, work_of(count));
}
