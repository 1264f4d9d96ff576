/* chameneos.c: creatures that meet in pairs at a mall and change colour; many actors contend for one mailbox. */
#include "savina/members.h"
#include "savina/savina.h"

enum { CHAMENEOS = 100, COLOURS = 3 };
enum { TAG_MEET = SAVINA_OWN, TAG_CHANGE, TAG_EXIT };

struct mall {
    savina play;
    uint64_t count;
    uint64_t left;        /* meetings to come */
    jzx_actor_id waiting; /* for another to meet, or 0 */
    uint64_t meetings;    /* as the chameneos have counted them */
    jzx_actor_id chameneos[CHAMENEOS];
};

struct chameneo {
    jzx_actor_id mall;
    uint64_t colour;
    uint64_t meetings;
};

static void mall_meet(jzx_context *context, struct mall *mall, const jzx_message *message)
{
    if (mall->left == 0) {
        SAVINA_SEND(context, message->sender, TAG_EXIT);
    } else if (mall->waiting == 0) {
        mall->waiting = message->sender;
    } else {
        mall->left--;
        SAVINA_SEND(context, mall->waiting, TAG_MEET, message->words[0], message->sender);
        mall->waiting = 0;
    }
}

static jzx_behavior_result mall_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct mall *mall = state;
    switch (message->tag) {
    case SAVINA_START:
        savina_begin(&mall->play);
        savina_tell_all(context, mall->chameneos, CHAMENEOS, SAVINA_START);
        return JZX_BEHAVIOR_OK;
    case TAG_MEET:
        mall_meet(context, mall, message);
        return JZX_BEHAVIOR_OK;
    case SAVINA_REPORT:
        mall->meetings += message->words[0];
        savina_reported(&mall->play, mall->count);
        return JZX_BEHAVIOR_OK;
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

static uint64_t complement(uint64_t one, uint64_t other)
{
    return one == other ? one : COLOURS - one - other;
}

static void chameneo_met(jzx_context *context, struct chameneo *self, uint64_t colour)
{
    self->colour = colour;
    self->meetings++;
    SAVINA_SEND(context, self->mall, TAG_MEET, self->colour);
}

static jzx_behavior_result chameneo_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct chameneo *self = state;
    switch (message->tag) {
    case SAVINA_START:
        self->mall = message->sender;
        SAVINA_SEND(context, self->mall, TAG_MEET, self->colour);
        return JZX_BEHAVIOR_OK;
    case TAG_MEET: { /* the mall sends on what the second of a pair has sent it */
        uint64_t colour = complement(self->colour, message->words[0]);
        SAVINA_SEND(context, message->words[1], TAG_CHANGE, colour);
        chameneo_met(context, self, colour);
        return JZX_BEHAVIOR_OK;
    }
    case TAG_CHANGE:
        chameneo_met(context, self, message->words[0]);
        return JZX_BEHAVIOR_OK;
    case TAG_EXIT:
        SAVINA_SEND(context, self->mall, SAVINA_REPORT, self->meetings);
        return JZX_BEHAVIOR_STOP;
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

void savina_chameneos(jzx_bench *bench, void *stage)
{
    uint64_t count = jzx_bench_count(bench);
    struct mall mall = {.count = count, .left = count};
    savina_open(&mall.play, bench, stage, NULL);
    mall.play.reports = CHAMENEOS;
    for (int i = 0; i < CHAMENEOS; i++) {
        struct chameneo chameneo = {.colour = (uint64_t)i % COLOURS};
        jzx_spawn_options options = savina_options(chameneo_behave, &chameneo, sizeof chameneo);
        mall.chameneos[i] = savina_spawn(&mall.play, savina_loop(&mall.play, i), &options);
    }
    savina_run(&mall.play, world_spawn(&mall.play.world, 0, mall_behave, &mall));
    jzx_bench_prove(bench, "meetings", mall.meetings, 2 * count);
}
