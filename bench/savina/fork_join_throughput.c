/* fork_join_throughput.c: one sends many messages to many, who compute a little; the mailboxes push back. */
#include "savina/members.h"
#include "savina/savina.h"

enum { SINKS = 60, MAILBOX_CAP = 256 };
enum { TAG_WORK = SAVINA_OWN };

struct source {
    savina play;
    uint64_t each;
    uint64_t next;      /* the message to send, */
    uint64_t next_sink; /* and to whom */
    uint64_t messages;
    uint64_t sum;
    jzx_actor_id sinks[SINKS];
};

struct sink {
    uint64_t left;
    uint64_t messages;
    uint64_t sum;
};

/* Says whether it was accepted. If not, this actor is told when to try again. */
static bool send_next(jzx_context *context, const struct source *source)
{
    jzx_actor_id sink = source->sinks[source->next_sink];
    jzx_message message = SAVINA_MESSAGE(TAG_WORK, source->next, savina_bits(SAVINA_ANGLE));
    jzx_err err = jzx_send(context, sink, &message);
    if (err == JZX_ERR_MAILBOX_FULL || err == JZX_ERR_WOULD_BLOCK) {
        WORLD_CHECK(jzx_resume(context, sink));
        return false;
    }
    WORLD_CHECK(err);
    return true;
}

static void send_on(jzx_context *context, struct source *source)
{
    for (; source->next < source->each; source->next++) {
        for (; source->next_sink < SINKS; source->next_sink++) {
            if (!send_next(context, source)) {
                return;
            }
        }
        source->next_sink = 0;
    }
}

static jzx_behavior_result source_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct source *source = state;
    switch (message->tag) {
    case SAVINA_START:
        savina_begin(&source->play);
        send_on(context, source);
        return JZX_BEHAVIOR_OK;
    case JZX_TAG_SYS_RESUME:
        send_on(context, source);
        return JZX_BEHAVIOR_OK;
    case SAVINA_REPORT:
        source->messages += message->words[0];
        source->sum += message->words[1];
        savina_reported(&source->play, source->each * SINKS);
        return JZX_BEHAVIOR_OK;
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

static jzx_behavior_result sink_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct sink *sink = state;
    savina_sine(message->words[1]);
    sink->messages++;
    sink->sum += message->words[0];
    if (sink->messages < sink->left) {
        return JZX_BEHAVIOR_OK;
    }
    SAVINA_SEND(context, message->sender, SAVINA_REPORT, sink->messages, sink->sum);
    return JZX_BEHAVIOR_STOP;
}

void savina_fork_join_throughput(jzx_bench *bench, void *stage)
{
    struct source source = {.each = savina_each(bench, SINKS)};
    savina_open(&source.play, bench, stage, NULL);
    source.play.reports = SINKS;
    for (int i = 0; i < SINKS; i++) {
        struct sink sink = {.left = source.each};
        jzx_spawn_options options = savina_options(sink_behave, &sink, sizeof sink);
        options.mailbox_cap = MAILBOX_CAP;
        source.sinks[i] = savina_spawn(&source.play, savina_loop(&source.play, i), &options);
    }
    savina_run(&source.play, world_spawn(&source.play.world, 0, source_behave, &source));
    jzx_bench_prove(bench, "messages", source.messages, SINKS * source.each);
    jzx_bench_prove(bench, "sum", source.sum, SINKS / 2 * source.each * (source.each - 1));
}
