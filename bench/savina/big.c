/* big.c: each of many actors sends pings to others at random and waits for each pong; many talk to many. */
#include "savina/members.h"
#include "savina/savina.h"

enum { ACTORS = 120 };
enum { TAG_PING = SAVINA_OWN, TAG_PONG, TAG_DONE };

struct sink {
    savina play;
    uint64_t each;
    uint64_t done; /* actors whose pings are all answered */
    uint64_t pings;
    uint64_t targets;
    jzx_actor_id actors[ACTORS];
};

struct pinger {
    const jzx_actor_id *actors; /* all of them, by number */
    jzx_actor_id sink;
    uint64_t number;
    uint64_t random;
    uint64_t left;   /* pings to send */
    uint64_t target; /* who is to answer the last one */
    uint64_t pings;  /* that came from others */
    uint64_t targets;
};

static void report(struct sink *sink, const jzx_message *message)
{
    sink->pings += message->words[0];
    sink->targets += message->words[1];
    savina_reported(&sink->play, sink->each * ACTORS);
}

static jzx_behavior_result sink_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct sink *sink = state;
    switch (message->tag) {
    case SAVINA_START:
        savina_begin(&sink->play);
        savina_tell_all(context, sink->actors, ACTORS, SAVINA_START);
        return JZX_BEHAVIOR_OK;
    case TAG_DONE:
        if (++sink->done == ACTORS) {
            savina_tell_all(context, sink->actors, ACTORS, SAVINA_END);
        }
        return JZX_BEHAVIOR_OK;
    case SAVINA_REPORT:
        report(sink, message);
        return JZX_BEHAVIOR_OK;
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

static void ping_next(jzx_context *context, struct pinger *self)
{
    if (self->left == 0) {
        SAVINA_SEND(context, self->sink, TAG_DONE);
        return;
    }
    self->left--;
    self->target = savina_below(&self->random, ACTORS);
    SAVINA_SEND(context, self->actors[self->target], TAG_PING, self->number);
}

static jzx_behavior_result pinger_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct pinger *self = state;
    switch (message->tag) {
    case SAVINA_START:
        self->sink = message->sender;
        ping_next(context, self);
        return JZX_BEHAVIOR_OK;
    case TAG_PING:
        self->pings++;
        self->targets += self->number;
        SAVINA_SEND(context, self->actors[message->words[0]], TAG_PONG, self->number);
        return JZX_BEHAVIOR_OK;
    case TAG_PONG:
        BENCH_CHECK(message->words[0] == self->target, "a pong from another than was asked");
        ping_next(context, self);
        return JZX_BEHAVIOR_OK;
    case SAVINA_END:
        SAVINA_SEND(context, self->sink, SAVINA_REPORT, self->pings, self->targets);
        return JZX_BEHAVIOR_STOP;
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

/* The sum of all targets that all actors draw. */
static uint64_t draw_all(uint64_t each)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < ACTORS; i++) {
        uint64_t random = i;
        for (uint64_t j = 0; j < each; j++) {
            sum += savina_below(&random, ACTORS);
        }
    }
    return sum;
}

void savina_big(jzx_bench *bench, void *stage)
{
    struct sink sink = {.each = savina_each(bench, ACTORS)};
    savina_open(&sink.play, bench, stage, NULL);
    sink.play.reports = ACTORS;
    for (int i = 0; i < ACTORS; i++) {
        uint64_t number = (uint64_t)i;
        struct pinger pinger = {.actors = sink.actors, .number = number, .random = number, .left = sink.each};
        jzx_spawn_options options = savina_options(pinger_behave, &pinger, sizeof pinger);
        sink.actors[i] = savina_spawn(&sink.play, savina_loop(&sink.play, i), &options);
    }
    savina_run(&sink.play, world_spawn(&sink.play.world, 0, sink_behave, &sink));
    jzx_bench_prove(bench, "pings", sink.pings, sink.each * ACTORS);
    jzx_bench_prove(bench, "targets", sink.targets, draw_all(sink.each));
}
