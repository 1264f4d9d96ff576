/* concurrent.c: see concurrent.h. */
#include "savina/concurrent.h"

struct worker {
    jzx_actor_id master;
    jzx_actor_id server;
    concurrent_draw_fn draw;
    uint64_t random;
    uint64_t left;
    bool writing; /* the request that is under way is a write */
    uint64_t written;
};

void concurrent_open(struct concurrent *self, jzx_bench *bench, const savina_stage *stage, uint64_t percents)
{
    savina_open(&self->play, bench, stage, NULL);
    self->each = savina_each(bench, CONCURRENT_WORKERS);
    self->seed = self->each + percents;
    self->working = CONCURRENT_WORKERS;
    self->play.reports = CONCURRENT_WORKERS + 1; /* and the server's */
}

/* ---- workers ---- */

static jzx_behavior_result worker_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct worker *self = state;
    if (message->tag == SAVINA_START) {
        self->master = message->sender;
    } else if (self->writing) {
        self->written += message->words[0];
    }
    if (self->left == 0) {
        SAVINA_SEND(context, self->master, SAVINA_REPORT, self->written);
        return JZX_BEHAVIOR_STOP;
    }
    self->left--;
    concurrent_request request = self->draw(&self->random);
    self->writing = request.write;
    SAVINA_SEND(context, self->server, request.tag, request.words[0], request.words[1]);
    return JZX_BEHAVIOR_OK;
}

/* ---- the master ---- */

static void report(jzx_context *context, struct concurrent *self, const jzx_message *message)
{
    if (message->sender == self->server) {
        memcpy(self->counts, message->words, sizeof self->counts);
    } else {
        self->written += message->words[0];
        if (--self->working == 0) {
            SAVINA_SEND(context, self->server, SAVINA_END);
        }
    }
    savina_reported(&self->play, self->each * CONCURRENT_WORKERS);
}

static jzx_behavior_result master_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct concurrent *self = state;
    switch (message->tag) {
    case SAVINA_START:
        savina_begin(&self->play);
        savina_tell_all(context, self->workers, CONCURRENT_WORKERS, SAVINA_START);
        return JZX_BEHAVIOR_OK;
    case SAVINA_REPORT:
        report(context, self, message);
        return JZX_BEHAVIOR_OK;
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

/* ---- the play ---- */

void concurrent_run(struct concurrent *self, concurrent_draw_fn draw)
{
    self->draw = draw;
    for (int i = 0; i < CONCURRENT_WORKERS; i++) {
        struct worker worker = {.server = self->server, .draw = draw, .left = self->each};
        worker.random = self->seed + (uint64_t)i;
        jzx_spawn_options options = savina_options(worker_behave, &worker, sizeof worker);
        self->workers[i] = savina_spawn(&self->play, savina_loop(&self->play, i), &options);
    }
    savina_run(&self->play, world_spawn(&self->play.world, 0, master_behave, self));
}

void concurrent_replay(const struct concurrent *self, void (*each)(void *context, const concurrent_request *request),
                       void *context)
{
    for (uint64_t i = 0; i < CONCURRENT_WORKERS; i++) {
        uint64_t random = self->seed + i;
        for (uint64_t j = 0; j < self->each; j++) {
            concurrent_request request = self->draw(&random);
            each(context, &request);
        }
    }
}
