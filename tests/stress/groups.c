/*
 * groups: players on three loops join groups, leave them, broadcast by value and by buffer, and end in every way, each replaced
 * as soon as its head hears of it, while others watch, and foreign threads look who is there. What one has sent comes once and
 * in order; who has ended is in no group when that is heard; a group that somebody stays in is found by each search.
 */
#include "heads.h"

enum { LOOPS = 3, LIVES_EACH = 1500, GROUPS = 5, HELD = 8, STAYING = LOOPS, LOOKERS = 2, TAG_ACT = 2, TAG_WORD = 3 };

typedef struct held {
    jzx_member_id member; /* 0: none */
    uint32_t group;
    uint32_t life[STRESS_HEADS];
    uint64_t last[STRESS_HEADS];
} held;

typedef struct player {
    uint64_t random;
    jzx_actor_id id;
    uint32_t head;
    uint32_t life;
    uint32_t acts;
    uint64_t sent[GROUPS];
    held held[HELD];
} player;

static stress_world world;
static stress_heads heads;
static _Atomic(uint32_t) lives[STRESS_HEADS]; /* of the player that each head has now */
static jzx_group own[STRESS_HEADS];           /* that player is in it as long as it lives */
static jzx_space *space;
static jzx_group groups[GROUPS]; /* the first STAYING have one who stays */
static _Atomic(uint64_t) heard;
static _Atomic(uint64_t) missed;
static _Atomic(uint64_t) noticed;

/* ---- players ---- */

static void join(jzx_context *context, player *me)
{
    uint32_t place = (uint32_t)(stress_random(&me->random) % HELD);
    held *mine = &me->held[place];
    if (mine->member != 0) {
        CHECK_OK(jzx_group_leave(context, mine->member));
        mine->member = 0;
        return;
    }
    memset(mine, 0, sizeof *mine);
    mine->group = (uint32_t)(stress_random(&me->random) % GROUPS);
    jzx_err err = jzx_group_join(context, &groups[mine->group], place, &mine->member, NULL, NULL);
    CHECK(err == JZX_OK || err == JZX_ERR_LIMIT || err == JZX_ERR_STOPPING);
}

static void say(jzx_context *context, player *me)
{
    uint32_t group = (uint32_t)(stress_random(&me->random) % GROUPS);
    uint64_t words[4] = {me->head, me->life, me->sent[group] + 1, group};
    jzx_message message = jzx_message_value(TAG_WORD, words, sizeof words);
    jzx_buffer *buffer = NULL;
    if (stress_random(&me->random) % 2 == 0) {
        CHECK_OK(jzx_buffer_copy(world.runtime, words, sizeof words, &buffer));
        message = jzx_message_buffer(TAG_WORD, buffer);
    }
    jzx_err err = stress_random(&me->random) % 4 != 0
                      ? jzx_broadcast(context, &groups[group], &message, 0, NULL)
                      : jzx_broadcast_request(context, &groups[group], &message, JZX_BROADCAST_OTHERS, JZX_FOREVER,
                                              NULL, NULL);
    if (err == JZX_OK) {
        me->sent[group]++;
        return;
    }
    CHECK(err == JZX_ERR_NOT_FOUND || err == JZX_ERR_WOULD_BLOCK);
    jzx_buffer_unref(buffer);
}

static void hear(player *me, const jzx_message *message)
{
    uint64_t words[4];
    CHECK((message->flags & JZX_MESSAGE_GROUP) != 0 && message->ref < HELD);
    memcpy(words, jzx_message_data(message), sizeof words);
    held *mine = &me->held[message->ref];
    atomic_fetch_add_explicit(&heard, 1, memory_order_relaxed);
    if (mine->member == 0 || mine->group != words[3] || words[1] < mine->life[words[0]]) {
        return; /* of a membership before; or an earlier life, by another way */
    }
    CHECK(words[1] > mine->life[words[0]] || words[2] > mine->last[words[0]]);
    mine->life[words[0]] = (uint32_t)words[1];
    mine->last[words[0]] = words[2];
}

static jzx_err player_init(jzx_context *context, void *argument, void **state)
{
    player *me = *state;
    const stress_head *mine = argument;
    uint64_t watch;
    me->id = jzx_self(context);
    me->head = mine->index;
    me->life = atomic_fetch_add(&lives[me->head], 1) + 1;
    me->random = me->id * 0x9E3779B97F4A7C15u;
    uint32_t count = 1;
    CHECK_OK(jzx_group_count(&own[me->head], &count));
    CHECK(count == 0); /* its predecessor, whose DOWN was handled */
    CHECK_OK(jzx_group_join(context, &own[me->head], HELD - 1, NULL, NULL, NULL));
    jzx_err err = jzx_group_watch(context, &groups[me->head % GROUPS], &watch);
    CHECK(err == JZX_OK || err == JZX_ERR_LIMIT);
    for (int i = 0; i < 4; i++) {
        join(context, me);
    }
    if (stress_random(&me->random) % 8 == 0) {
        return JZX_ERR_NOT_FOUND;
    }
    jzx_message act = jzx_message_empty(TAG_ACT);
    err = jzx_send(context, me->id, &act);
    CHECK(err == JZX_OK || err == JZX_ERR_WOULD_BLOCK);
    return err == JZX_OK ? JZX_OK : JZX_ERR_NOT_FOUND;
}

static jzx_behavior_result end_somehow(jzx_context *context, player *me)
{
    switch (stress_random(&me->random) % 4) {
    case 0:
        return JZX_BEHAVIOR_STOP;
    case 1:
        return JZX_BEHAVIOR_FAIL;
    case 2:
        CHECK_OK(jzx_kill(context, me->id));
        break;
    default:
        CHECK_OK(jzx_drain(context, me->id));
        break;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result act(jzx_context *context, player *me)
{
    for (int i = 0; i < 3; i++) {
        say(context, me);
        join(context, me);
    }
    if (++me->acts > stress_random(&me->random) % 24) {
        return end_somehow(context, me);
    }
    jzx_message again = jzx_message_empty(TAG_ACT);
    jzx_err err = jzx_send(context, me->id, &again);
    CHECK(err == JZX_OK || err == JZX_ERR_MAILBOX_FULL || err == JZX_ERR_WOULD_BLOCK);
    return err == JZX_OK ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_STOP;
}

static jzx_behavior_result player_behave(jzx_context *context, void *state, const jzx_message *message)
{
    player *me = state;
    switch (message->tag) {
    case TAG_ACT:
        return act(context, me);
    case TAG_WORD:
        hear(me, message);
        return JZX_BEHAVIOR_OK;
    case JZX_TAG_SYS_MISSED:
        atomic_fetch_add_explicit(&missed, 1, memory_order_relaxed);
        return JZX_BEHAVIOR_OK;
    case JZX_TAG_SYS_MEMBER:
        atomic_fetch_add_explicit(&noticed, 1, memory_order_relaxed);
        return JZX_BEHAVIOR_OK;
    default:
        return JZX_BEHAVIOR_OK; /* the answer to a broadcast */
    }
}

static jzx_err stay_init(jzx_context *context, void *argument, void **state)
{
    *state = argument;
    return jzx_group_join(context, argument, 0, NULL, NULL, NULL);
}

/* ---- threads without a loop ---- */

static void *look(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    while (!atomic_load(&heads.over)) {
        uint32_t which = (uint32_t)(stress_random(&random) % GROUPS);
        jzx_member members[64];
        uint32_t count = 0;
        CHECK_OK(jzx_group_count(&groups[which], &count));
        CHECK(count > 0 || which >= STAYING || atomic_load(&heads.over)); /* nothing but the stop ends those who stay */
        jzx_err err = jzx_group_members(&groups[which], members, 64, &count);
        CHECK(err == JZX_OK || (err == JZX_ERR_NOT_FOUND && (which >= STAYING || atomic_load(&heads.over))));
        for (uint32_t i = 0; err == JZX_OK && i < count && i < 64; i++) {
            CHECK(jzx_actor_loop(members[i].id) < LOOPS && members[i].tag < HELD);
        }
        jzx_group found[4];
        CHECK_OK(jzx_space_groups(space, found, 4, &count));
        sched_yield();
    }
    return NULL;
}

static void set_up(uint64_t seed)
{
    jzx_config config;
    stress_config(&config, LOOPS);
    config.deliveries_per_turn = 3;
    config.group_watches_max = 4;
    stress_open(&world, &config);
    jzx_space_options options;
    jzx_space_options_init(&options);
    options.groups_max = GROUPS + STRESS_HEADS;
    options.members_max = 256;
    CHECK_OK(jzx_space_create(world.runtime, &options, &space));
    for (uint32_t i = 0; i < GROUPS; i++) {
        groups[i] = jzx_group_keyed(space, &i, sizeof i);
    }
    for (uint32_t i = 0; i < STAYING; i++) {
        jzx_spawn_options spawn;
        jzx_actor_id id = 0;
        jzx_spawn_options_init(&spawn);
        spawn.behavior = stress_stay;
        spawn.init = stay_init;
        spawn.argument = &groups[i];
        CHECK_OK(jzx_spawn(jzx_loop_context(world.loops[i % LOOPS]), &spawn, &id));
    }
    for (uint32_t i = 0; i < STRESS_HEADS; i++) {
        uint64_t name = 100 + i;
        own[i] = jzx_group_keyed(space, &name, sizeof name);
    }
    jzx_spawn_options_init(&heads.options);
    heads.options.behavior = player_behave;
    heads.options.init = player_init;
    heads.options.state_size = sizeof(player);
    heads.options.mailbox_cap = 16;
    heads.lives_each = LIVES_EACH;
    stress_heads_begin(&heads, &world, seed);
}

int main(int argc, char **argv)
{
    uint64_t seed = stress_begin(argc, argv);
    pthread_t threads[LOOKERS];
    set_up(seed);
    for (uint32_t i = 0; i < LOOKERS; i++) {
        CHECK(pthread_create(&threads[i], NULL, look, (void *)(uintptr_t)(seed + 100 + i)) == 0);
    }
    stress_start(&world, 1);
    CHECK_OK(jzx_loop_run(world.loops[0]));
    CHECK_OK(jzx_runtime_shutdown(world.runtime, JZX_FOREVER, NULL));
    for (uint32_t i = 0; i < LOOKERS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    for (uint32_t i = 0; i < GROUPS; i++) {
        uint32_t count = 1;
        CHECK_OK(jzx_group_count(&groups[i], &count));
        CHECK(count == 0);
    }
    CHECK(atomic_load(&heard) > 0 && atomic_load(&missed) > 0 && atomic_load(&noticed) > 0);
    stress_balance(&world);
    stress_close(&world);
    return 0;
}
