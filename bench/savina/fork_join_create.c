/* fork_join_create.c: many actors are made, each of which handles one message; their parent joins them. */
#include "savina/members.h"
#include "savina/savina.h"

enum { LIVE_MAX = 40000, CHECK_EVERY = 64, PARENTS_MAX = 2 };
enum { TAG_WORK = SAVINA_OWN, TAG_DONE };

struct root {
    savina play;
    uint64_t count;
    uint64_t actors;
    uint64_t sum;
    jzx_actor_id parents[PARENTS_MAX];
    size_t parent_count;
};

struct parent {
    jzx_actor_id root;
    uint64_t next; /* the child to make, */
    uint64_t step; /* the distance to the one after it, */
    uint64_t end;  /* and what no child's number reaches */
    uint64_t live_max;
    uint64_t live;
    uint64_t actors;
    uint64_t sum;
};

static jzx_behavior_result root_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct root *root = state;
    switch (message->tag) {
    case SAVINA_START:
        savina_begin(&root->play);
        savina_tell_all(context, root->parents, root->parent_count, SAVINA_START);
        return JZX_BEHAVIOR_OK;
    case SAVINA_REPORT:
        root->actors += message->words[0];
        root->sum += message->words[1];
        savina_reported(&root->play, root->count);
        return JZX_BEHAVIOR_OK;
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

static jzx_behavior_result child_behave(jzx_context *context, void *state, const jzx_message *message)
{
    (void)state;
    savina_sine(message->words[1]);
    SAVINA_SEND(context, message->sender, TAG_DONE, message->words[0]);
    return JZX_BEHAVIOR_STOP;
}

/* Makes the children of a round. Lets the first ones run when it has used up its share of the turn. */
static jzx_behavior_result fork_round(jzx_context *context, struct parent *parent)
{
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = child_behave;
    for (; parent->live < parent->live_max && parent->next < parent->end; parent->next += parent->step) {
        if (parent->live % CHECK_EVERY == CHECK_EVERY - 1 && jzx_should_yield(context)) {
            return JZX_BEHAVIOR_YIELD;
        }
        jzx_actor_id child;
        WORLD_CHECK(jzx_spawn(context, &options, &child));
        SAVINA_SEND(context, child, TAG_WORK, parent->next, savina_bits(SAVINA_ANGLE));
        parent->live++;
    }
    return JZX_BEHAVIOR_OK;
}

/* One child has done its work. After the last one of a round comes the next round, or the report. */
static jzx_behavior_result join_child(jzx_context *context, struct parent *parent, uint64_t number)
{
    parent->actors++;
    parent->sum += number;
    if (--parent->live > 0) {
        return JZX_BEHAVIOR_OK;
    }
    if (parent->next < parent->end) {
        SAVINA_SEND(context, jzx_self(context), SAVINA_START);
        return JZX_BEHAVIOR_OK;
    }
    SAVINA_SEND(context, parent->root, SAVINA_REPORT, parent->actors, parent->sum);
    return JZX_BEHAVIOR_STOP;
}

static jzx_behavior_result parent_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct parent *parent = state;
    switch (message->tag) {
    case SAVINA_START:
        if (parent->root == 0) {
            parent->root = message->sender;
        }
        return fork_round(context, parent);
    case TAG_DONE:
        return join_child(context, parent, message->words[0]);
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

void savina_fork_join_create(jzx_bench *bench, void *stage)
{
    struct root root = {.count = jzx_bench_count(bench), .parent_count = (size_t)((const savina_stage *)stage)->loops};
    jzx_config config;
    jzx_config_init(&config);
    config.cells = 8 * (LIVE_MAX + 1); /* a mailbox has room for an eighth of them: all that a round joins */
    config.actors_max = LIVE_MAX + 2;
    savina_open(&root.play, bench, stage, &config);
    root.play.reports = root.parent_count;
    for (size_t i = 0; i < root.parent_count; i++) {
        struct parent parent = {.next = i, .step = root.parent_count, .end = root.count};
        parent.live_max = LIVE_MAX / root.parent_count;
        jzx_spawn_options options = savina_options(parent_behave, &parent, sizeof parent);
        options.mailbox_cap = LIVE_MAX;
        root.parents[i] = savina_spawn(&root.play, (int)i, &options);
    }
    savina_run(&root.play, world_spawn(&root.play.world, 0, root_behave, &root));
    jzx_bench_prove(bench, "actors", root.actors, root.count);
    jzx_bench_prove(bench, "sum", root.sum, root.count * (root.count - 1) / 2);
}
