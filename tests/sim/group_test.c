/*
 * group: actors of two or three loops join groups, leave them and end while others broadcast, with small mailboxes, few
 * deliveries in a turn, and a kernel, cells and lanes that fail. Each member gets each broadcast, or its filter refuses it, or a
 * MISSED counts it; each sender's come in order; a watch knows in the end who is there.
 */
#include <criterion/criterion.h>

#include "sched/space.h"
#include "tests/sim/lot.h"
#include "tests/sim/seeds.h"

#include <string.h>

enum { LOOPS = 3, PLAYERS = 9, MEMBERSHIPS = 96, GROUPS = 3, TAG_TICK = 1, TAG_WORD, TAG_JOIN };

typedef struct play play;

/* One of a group, told apart by its tag, which is its index. Numbers of broadcasts begin at 1 for each sender. */
typedef struct membership {
    play *play;
    jzx_member_id number;
    uint32_t player;
    uint32_t group;
    uint32_t began; /* moments before and after it joined: others may do so meanwhile */
    uint32_t joined;
    bool open;
    bool calm;                /* nothing was under way when it joined */
    bool picky;               /* wants even numbers only */
    uint64_t base[PLAYERS];   /* of each sender's, what had been accepted by then */
    uint64_t spared[PLAYERS]; /* and of these what was for others only */
    uint64_t seen[PLAYERS];   /* the last that came */
    uint64_t asked[PLAYERS];  /* the last that its filter saw */
    uint64_t came;            /* numbers above the base: by message, */
    uint64_t refused;         /* by its filter, */
    uint64_t missed;          /* and by MISSED, which may also count some below */
} membership;

typedef struct player {
    play *play;
    jzx_actor_id id;
    uint32_t index;
    uint32_t loop;
    uint32_t actions; /* left */
    bool ended;
    bool speaks; /* is in the call of a broadcast */
    uint64_t accepted[GROUPS];
    uint64_t spared[GROUPS]; /* for others only */
} player;

/* What a watch has told. */
typedef struct onlooker {
    play *play;
    uint32_t group;
    jzx_actor_id in[MEMBERSHIPS];
    bool ended;
} onlooker;

struct play {
    jzx_sim *sim;
    jzx_runtime *runtime;
    jzx_loop *loops[LOOPS];
    uint32_t loop_count;
    jzx_group groups[GROUPS];
    player players[PLAYERS];
    uint32_t player_count;
    membership memberships[MEMBERSHIPS];
    uint32_t membership_count;
    uint32_t moments; /* counted */
    onlooker onlookers[LOOPS];
    bool requests;      /* broadcasts are asked to be answered */
    uint64_t under_way; /* and have not been */
    uint64_t reached;   /* as the answers say */
    uint64_t came;      /* messages of groups handled */
    uint32_t mortality; /* of 1,024 actions */
    uint32_t unrest;    /* of 1,024 actions, in how many somebody leaves, and joins */
    bool mortal;        /* somebody has ended */
};

static bool wants(void *context, const jzx_message *message)
{
    membership *m = context;
    uint64_t words[3];
    memcpy(words, jzx_message_data(message), sizeof words);
    uint64_t number = words[0];
    uint64_t sender = words[1];
    JZX_SIM_REQUIRE(m->play->sim, m->open && message->ref == (uint64_t)(m - m->play->memberships));
    JZX_SIM_REQUIRE(m->play->sim, number > m->asked[sender]);
    m->asked[sender] = number;
    bool wanted = number % 2 == 0;
    m->refused += !wanted && number > m->base[sender];
    return wanted;
}

/* Nothing is under way to a group, nor just being sent; *accepted: what has been. */
static bool is_calm(const play *w, uint32_t group, uint64_t *accepted)
{
    bool calm = true;
    *accepted = 0;
    for (uint32_t i = 0; i < w->player_count; i++) {
        calm &= !w->players[i].speaks;
        *accepted += w->players[i].accepted[group];
    }
    return calm && (*accepted == 0 || (w->requests && w->under_way == 0));
}

/* What others broadcast while it joins it may get or not: what is owed to it begins behind that. */
static void join(jzx_context *context, player *p)
{
    play *w = p->play;
    if (w->membership_count == MEMBERSHIPS) {
        return;
    }
    uint32_t index = w->membership_count++;
    membership *m = &w->memberships[index];
    *m = (membership){.play = w, .player = p->index, .group = sim_below(w->sim, GROUPS), .open = true};
    m->picky = sim_chance(w->sim, 256);
    m->began = ++w->moments;
    uint64_t before;
    uint64_t after;
    m->calm = is_calm(w, m->group, &before);
    jzx_err err = jzx_group_join(context, &w->groups[m->group], index, &m->number, m->picky ? wants : NULL, m);
    JZX_SIM_REQUIRE(w->sim, err == JZX_OK || err == JZX_ERR_STOPPING || err == JZX_ERR_LIMIT);
    m->open = err == JZX_OK;
    m->joined = ++w->moments;
    m->calm &= is_calm(w, m->group, &after) && before == after;
    for (uint32_t i = 0; i < w->player_count; i++) {
        m->base[i] = w->players[i].accepted[m->group] + w->players[i].speaks;
        m->spared[i] = w->players[i].spared[m->group];
    }
}

static void leave(jzx_context *context, player *p)
{
    play *w = p->play;
    for (uint32_t i = 0; i < w->membership_count; i++) {
        membership *m = &w->memberships[i];
        if (m->player == p->index && m->open) {
            m->open = false;
            jzx_err err = jzx_group_leave(context, m->number);
            /* Who drains has left already. */
            JZX_SIM_REQUIRE(w->sim, err == JZX_OK || err == JZX_ERR_NOT_FOUND);
        }
    }
}

static void broadcast(jzx_context *context, player *p)
{
    play *w = p->play;
    uint32_t group = sim_below(w->sim, GROUPS);
    bool others = sim_chance(w->sim, 200);
    uint64_t words[3] = {p->accepted[group] + 1, p->index, group};
    jzx_message message = jzx_message_value(TAG_WORD, words, sizeof words);
    jzx_buffer *buffer = NULL;
    if (sim_chance(w->sim, 300) && jzx_buffer_copy(w->runtime, words, sizeof words, &buffer) == JZX_OK) {
        message = jzx_message_buffer(TAG_WORD, buffer);
    }
    uint32_t flags = others ? JZX_BROADCAST_OTHERS : 0;
    p->speaks = true;
    jzx_err err = w->requests
                      ? jzx_broadcast_request(context, &w->groups[group], &message, flags, JZX_FOREVER, NULL, NULL)
                      : jzx_broadcast(context, &w->groups[group], &message, flags, NULL);
    p->speaks = false;
    if (err != JZX_OK) {
        jzx_buffer_unref(buffer);
    } else {
        p->accepted[group]++;
        p->spared[group] += others;
        w->under_way += w->requests;
    }
    bool known = err == JZX_OK || err == JZX_ERR_NOT_FOUND || err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_LIMIT;
    JZX_SIM_REQUIRE(w->sim, known);
}

static jzx_behavior_result act(jzx_context *context, player *p)
{
    play *w = p->play;
    if (p->actions == 0) {
        return JZX_BEHAVIOR_OK;
    }
    p->actions--;
    for (uint32_t i = sim_below(w->sim, 4); i > 0; i--) {
        broadcast(context, p);
    }
    if (sim_chance(w->sim, w->unrest)) {
        leave(context, p);
    }
    if (sim_chance(w->sim, w->unrest)) {
        join(context, p);
    }
    if (sim_chance(w->sim, w->mortality)) {
        if (sim_chance(w->sim, 512)) {
            return JZX_BEHAVIOR_FAIL;
        }
        (void)jzx_drain(context, p->id);
    }
    jzx_message tick = jzx_message_empty(TAG_TICK);
    jzx_err err = jzx_timer_after(context, sim_below(w->sim, 100000), &tick, NULL);
    JZX_SIM_REQUIRE(w->sim, err == JZX_OK || err == JZX_ERR_NO_MEMORY);
    return JZX_BEHAVIOR_OK;
}

static void heard(play *w, const jzx_message *message, const player *p)
{
    JZX_SIM_REQUIRE(w->sim, (message->flags & JZX_MESSAGE_GROUP) != 0 && message->ref < w->membership_count);
    membership *m = &w->memberships[message->ref];
    uint64_t words[3];
    memcpy(words, jzx_message_data(message), sizeof words);
    const player *sender = &w->players[words[1]];
    JZX_SIM_REQUIRE(w->sim, m->player == p->index && m->group == words[2] && message->sender == sender->id);
    JZX_SIM_REQUIRE(w->sim, words[0] > m->seen[words[1]]); /* once, and in order */
    JZX_SIM_REQUIRE(w->sim, !m->picky || words[0] % 2 == 0);
    JZX_SIM_REQUIRE(w->sim, !m->calm || words[0] > m->base[words[1]]);
    m->seen[words[1]] = words[0];
    m->came += words[0] > m->base[words[1]];
    w->came++;
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    player *p = state;
    play *w = p->play;
    if (message->tag == TAG_TICK) {
        return act(context, p);
    }
    if (message->tag == TAG_JOIN) {
        join(context, p);
    } else if (message->tag == TAG_WORD) {
        heard(w, message, p);
    } else if (message->tag == JZX_TAG_SYS_MISSED) {
        jzx_missed missed;
        memcpy(&missed, message->bytes, sizeof missed);
        JZX_SIM_REQUIRE(w->sim, missed.tag < w->membership_count && missed.count > 0);
        membership *m = &w->memberships[missed.tag];
        JZX_SIM_REQUIRE(w->sim, m->player == p->index && m->number == missed.member && m->open);
        m->missed += missed.count;
    } else if (message->tag == JZX_TAG_SYS_BROADCAST) {
        jzx_broadcast_answer answer;
        memcpy(&answer, message->bytes, sizeof answer);
        JZX_SIM_REQUIRE(w->sim, w->under_way > 0);
        w->under_way--;
        w->reached += answer.reached;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err begin(jzx_context *context, void *argument, void **state)
{
    player *p = argument;
    *state = p;
    p->id = jzx_self(context);
    for (uint32_t i = sim_below(p->play->sim, 3); i > 0; i--) {
        join(context, p);
    }
    jzx_message tick = jzx_message_empty(TAG_TICK);
    return jzx_timer_after(context, sim_below(p->play->sim, 100000), &tick, NULL);
}

static void end(jzx_context *context, void *state, const jzx_exit_info *info)
{
    player *p = state;
    play *w = p->play;
    (void)context;
    (void)info;
    p->ended = true;
    w->mortal = true;
    for (uint32_t i = 0; i < w->membership_count; i++) {
        w->memberships[i].open &= w->memberships[i].player != p->index;
    }
}

/* ---- onlookers ---- */

static jzx_behavior_result note(jzx_context *context, void *state, const jzx_message *message)
{
    onlooker *o = state;
    play *w = o->play;
    (void)context;
    if (message->tag == TAG_TICK) {
        uint64_t watch;
        jzx_err err = jzx_group_watch(context, &w->groups[o->group], &watch);
        o->ended = err != JZX_OK;
    } else if (message->tag == JZX_TAG_SYS_MEMBER) {
        jzx_member_notice notice;
        memcpy(&notice, message->bytes, sizeof notice);
        JZX_SIM_REQUIRE(w->sim, notice.tag < MEMBERSHIPS);
        JZX_SIM_REQUIRE(w->sim, o->in[notice.tag] == (notice.joined ? 0 : notice.id));
        JZX_SIM_REQUIRE(w->sim, w->memberships[notice.tag].group == o->group);
        o->in[notice.tag] = notice.joined ? notice.id : 0;
    }
    return JZX_BEHAVIOR_OK;
}

/* ---- a run ---- */

static jzx_actor_id spawn(play *w, uint32_t loop, jzx_behavior_fn behavior, jzx_init_fn init, jzx_fini_fn fini,
                          void *state, uint32_t cap)
{
    jzx_spawn_options options;
    jzx_actor_id id = 0;
    jzx_spawn_options_init(&options);
    options.behavior = behavior;
    options.init = init;
    options.fini = fini;
    options.argument = state;
    options.mailbox_cap = cap;
    JZX_SIM_REQUIRE(w->sim, jzx_spawn(jzx_loop_context(w->loops[loop]), &options, &id) == JZX_OK);
    return id;
}

static void open_play(play *w)
{
    jzx_sim *sim = w->sim;
    jzx_config config;
    jzx_config_init(&config);
    w->loop_count = sim_between(sim, 2, LOOPS);
    config.loops_max = w->loop_count;
    config.lane_blocks = 2;
    config.inbox_size = 16;
    config.cells = 4096;
    config.mailbox_cap = 64;
    config.actors_max = 32;
    config.deliveries_per_turn = sim_between(sim, 1, 4);
    config.group_watches_max = 4;
    JZX_SIM_REQUIRE(sim, jzx_runtime_create(&config, &w->runtime) == JZX_OK);
    for (uint32_t i = 0; i < w->loop_count; i++) {
        JZX_SIM_REQUIRE(sim, jzx_loop_create(w->runtime, NULL, &w->loops[i]) == JZX_OK);
    }
    jzx_space_options options;
    jzx_space *space = NULL;
    jzx_space_options_init(&options);
    options.groups_max = GROUPS;
    options.members_max = sim_between(sim, 8, 32);
    JZX_SIM_REQUIRE(sim, jzx_space_create(w->runtime, &options, &space) == JZX_OK);
    /* All of one home: one that comes back may find another in its place. */
    uint32_t name = 0;
    for (uint32_t i = 0; i < GROUPS; name++) {
        w->groups[i] = jzx_group_keyed(space, &name, sizeof name);
        i += (w->groups[i].hash & space->mask) == 0;
    }
}

static void cast_all(play *w)
{
    jzx_sim *sim = w->sim;
    w->requests = sim_chance(sim, 512);
    w->mortality = sim_chance(sim, 512) ? sim_below(sim, 100) : 0;
    w->unrest = sim_chance(sim, 512) ? 100 : 700;
    w->player_count = (uint32_t)jzx_sim_size(sim, "players", 2, PLAYERS);
    uint32_t actions = (uint32_t)jzx_sim_size(sim, "actions", 2, 30);
    for (uint32_t i = 0; i < w->player_count; i++) {
        player *p = &w->players[i];
        *p = (player){.play = w, .index = i, .loop = sim_below(sim, w->loop_count), .actions = actions};
    }
    for (uint32_t i = 0; i < w->player_count; i++) {
        (void)spawn(w, w->players[i].loop, behave, begin, end, &w->players[i], sim_between(sim, 1, 12));
    }
    for (uint32_t i = 0; i < w->loop_count; i++) {
        onlooker *o = &w->onlookers[i];
        *o = (onlooker){.play = w, .group = sim_below(sim, GROUPS)};
        jzx_actor_id id = spawn(w, i, note, NULL, NULL, o, 8);
        jzx_message tick = jzx_message_empty(TAG_TICK);
        JZX_SIM_REQUIRE(sim, jzx_send(jzx_loop_context(w->loops[i]), id, &tick) == JZX_OK);
    }
}

/* All that was accepted since it joined has come, been refused or missed; exactly, if nothing was under way then. */
static void check_membership(const play *w, const membership *m)
{
    uint64_t expected = 0;
    for (uint32_t i = 0; i < w->player_count; i++) {
        const player *sender = &w->players[i];
        expected += sender->accepted[m->group] < m->base[i] ? 0 : sender->accepted[m->group] - m->base[i];
        if (i == m->player) {
            expected -= sender->spared[m->group] - m->spared[i];
        }
    }
    uint64_t accounted = m->came + m->refused + m->missed;
    JZX_SIM_REQUIRE(w->sim, accounted >= expected);
    JZX_SIM_REQUIRE(w->sim, !m->calm || accounted == expected);
}

static void check_groups(const play *w)
{
    for (uint32_t g = 0; g < GROUPS; g++) {
        jzx_member members[MEMBERSHIPS];
        uint32_t count = 0;
        jzx_err err = jzx_group_members(&w->groups[g], members, MEMBERSHIPS, &count);
        JZX_SIM_REQUIRE(w->sim, err == (count == 0 ? JZX_ERR_NOT_FOUND : JZX_OK));
        uint32_t open = 0;
        for (uint32_t i = 0; i < w->membership_count; i++) {
            open += w->memberships[i].open && w->memberships[i].group == g;
        }
        JZX_SIM_REQUIRE(w->sim, open == count);
        for (uint32_t i = 0; i < count; i++) {
            const membership *m = &w->memberships[members[i].tag];
            JZX_SIM_REQUIRE(w->sim, m->open && w->players[m->player].id == members[i].id);
            JZX_SIM_REQUIRE(w->sim, i == 0 || w->memberships[members[i - 1].tag].began < m->joined); /* oldest first */
        }
    }
}

static void check_onlookers(const play *w)
{
    for (uint32_t l = 0; l < w->loop_count; l++) {
        const onlooker *o = &w->onlookers[l];
        for (uint32_t i = 0; i < w->membership_count && !o->ended; i++) {
            const membership *m = &w->memberships[i];
            bool in = m->open && m->group == o->group;
            JZX_SIM_REQUIRE(w->sim, o->in[i] == (in ? w->players[m->player].id : 0));
        }
    }
}

static void check_all(const play *w)
{
    check_groups(w);
    check_onlookers(w);
    for (uint32_t i = 0; i < w->membership_count; i++) {
        if (w->memberships[i].open) {
            check_membership(w, &w->memberships[i]);
        }
    }
    if (w->requests && !w->mortal) {
        JZX_SIM_REQUIRE(w->sim, w->under_way == 0);
        JZX_SIM_REQUIRE(w->sim, w->reached == w->came);
    }
}

/* Now and then, for a while. */
static void make_short(play *w, jzx_sim_fault fault)
{
    for (uint32_t i = sim_below(w->sim, 6); i > 0; i--) {
        jzx_sim_injection injection = {
            .fault = fault, .after = sim_below(w->sim, 1000), .times = sim_between(w->sim, 1, 30)};
        JZX_SIM_REQUIRE(w->sim, jzx_sim_inject(w->sim, &injection) == JZX_OK);
    }
}

/* When all sleep, somebody joins: nothing else wakes the others. */
static void join_last(play *w)
{
    const player *p = &w->players[sim_below(w->sim, w->player_count)];
    jzx_message message = jzx_message_empty(TAG_JOIN);
    (void)jzx_post(w->runtime, p->id, &message);
    JZX_SIM_REQUIRE(w->sim, jzx_sim_advance(w->sim, 1000000000) == JZX_OK);
}

static void crowd(jzx_sim *sim, void *argument)
{
    static play whole;
    play *w = &whole;
    (void)argument;
    memset(w, 0, sizeof *w);
    w->sim = sim;
    sim_lot(sim);
    JZX_SIM_REQUIRE(sim, jzx_sim_hold(sim, true) == JZX_OK);
    open_play(w);
    cast_all(w);
    JZX_SIM_REQUIRE(sim, jzx_sim_hold(sim, false) == JZX_OK);
    make_short(w, JZX_SIM_CELLS);
    make_short(w, JZX_SIM_LANE_FULL);
    for (uint32_t i = 0; i < w->loop_count; i++) {
        JZX_SIM_REQUIRE(sim, jzx_loop_start(w->loops[i]) == JZX_OK);
    }
    bool whole_play = !sim_chance(sim, 300);
    JZX_SIM_REQUIRE(sim, jzx_sim_advance(sim, whole_play ? 50000000 : sim_below(sim, 2000000)) == JZX_OK);
    if (whole_play) {
        JZX_SIM_REQUIRE(sim, jzx_sim_heal(sim) == JZX_OK);
        JZX_SIM_REQUIRE(sim, jzx_sim_advance(sim, 2000000000) == JZX_OK);
        check_all(w);
        join_last(w);
        check_all(w);
    } else if (sim_chance(sim, 512)) {
        JZX_SIM_REQUIRE(sim, jzx_loop_request_stop(w->loops[sim_below(sim, w->loop_count)]) == JZX_OK);
        JZX_SIM_REQUIRE(sim, jzx_sim_advance(sim, sim_below(sim, 200000)) == JZX_OK);
    }
    JZX_SIM_REQUIRE(sim, jzx_runtime_shutdown(w->runtime, JZX_FOREVER, NULL) == JZX_OK);
    JZX_SIM_REQUIRE(sim, jzx_runtime_destroy(w->runtime) == JZX_OK);
}

Test(group, each_member_gets_each_broadcast_or_is_told_that_it_missed_it, .timeout = 600)
{
    seeds_play("group", crowd);
}
