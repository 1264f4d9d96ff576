/* flows: what players do with flows, and the books of it: each credit, each message through a flow, and each end. */
#include "tests/sim/play.h"

#include <jzx/jzx.h>

enum { SENDER = 0, RECEIVER = 1 };

static bool over(const sim_player *player)
{
    return player->life == LIFE_ENDED || player->life == LIFE_STILLBORN;
}

/* This side has it and has not heard of its end. */
static bool has(const sim_flow *flow, uint32_t side)
{
    return flow->met[side] && !flow->left[side] && !flow->told[side];
}

/* One that the player has, and its side of it; NULL: there is none. */
static sim_flow *some_flow(const sim_player *self, uint32_t *side)
{
    sim_play *play = self->play;
    uint32_t from = sim_below(play->sim, play->flow_count);
    for (uint32_t i = 0; i < play->flow_count; i++) {
        sim_flow *flow = &play->flows[(from + i) % play->flow_count];
        for (*side = SENDER; *side <= RECEIVER; ++*side) {
            if (flow->sides[*side] == self->index && has(flow, *side)) {
                return flow;
            }
        }
    }
    return NULL;
}

/* That of an id which the player was given. */
static sim_flow *flow_of(const sim_player *self, jzx_flow_id id, uint32_t *side)
{
    for (uint32_t i = 0; i < self->play->flow_count; i++) {
        sim_flow *flow = &self->play->flows[i];
        for (*side = SENDER; *side <= RECEIVER; ++*side) {
            if (flow->sides[*side] == self->index && flow->ids[*side] == id) {
                return flow;
            }
        }
    }
    jzx_sim_fail(self->play->sim, "player %u is told of a flow it has not", self->index);
    return NULL;
}

/* ---- what players do ---- */

static void open_flow(sim_player *self, jzx_context *context)
{
    sim_play *play = self->play;
    sim_player *target = &play->players[sim_below(play->sim, play->player_count)];
    if (target->id == 0 || target == self || play->flow_count == FLOWS) {
        return;
    }
    uint32_t side = sim_chance(play->sim, 512) ? RECEIVER : SENDER;
    uint32_t credits = side == RECEIVER ? sim_below(play->sim, 4) : 0;
    /* The other side may hear of it before the call returns. */
    sim_flow *flow = &play->flows[play->flow_count++];
    *flow = (sim_flow){.opener = (uint8_t)side, .granted = credits};
    flow->sides[side] = self->index;
    flow->sides[!side] = target->index;
    flow->met[side] = true;
    jzx_err err = side == RECEIVER ? jzx_flow_want(context, target->id, credits, &flow->ids[side])
                                   : jzx_flow_offer(context, target->id, &flow->ids[side]);
    if (err != JZX_OK) {
        flow->left[SENDER] = flow->left[RECEIVER] = true;
        JZX_SIM_REQUIRE(play->sim, err == JZX_ERR_LIMIT);
        JZX_SIM_REQUIRE(play->sim, play->knobs->flows_max != 0 || credits != 0);
    }
}

/* The library may know of an end before its player does. */
static void check_gone(const sim_play *play, const sim_flow *flow, uint32_t side, jzx_err err)
{
    const sim_player *other = &play->players[flow->sides[!side]];
    bool gone = flow->left[!side] || over(other) || (!flow->met[!side] && play->knobs->flows_max != 0) ||
                play->alone[other->loop] || play->stopping;
    JZX_SIM_REQUIRE(play->sim, err == JZX_ERR_NOT_FOUND && gone);
}

static void grant(sim_play *play, sim_flow *flow, jzx_context *context)
{
    uint32_t credits = 1 + sim_below(play->sim, 3);
    flow->granted += credits; /* they may be spent before the call returns */
    jzx_err err = jzx_flow_grant(context, flow->ids[RECEIVER], credits);
    if (err == JZX_OK) {
        return;
    }
    flow->granted -= credits;
    if (err == JZX_ERR_INVALID_ARG) {
        JZX_SIM_REQUIRE(play->sim, flow->windowed);
    } else if (err != JZX_ERR_LIMIT) {
        check_gone(play, flow, RECEIVER, err);
    }
}

static void window(sim_play *play, sim_flow *flow, jzx_context *context)
{
    bool before = flow->windowed;
    flow->windowed = true; /* from now on the library grants */
    jzx_err err = jzx_flow_window(context, flow->ids[RECEIVER], sim_below(play->sim, 6));
    if (err != JZX_OK) {
        flow->windowed = before;
    }
    if (err != JZX_OK && err != JZX_ERR_LIMIT) {
        check_gone(play, flow, RECEIVER, err);
    }
}

static void check_refusal(const sim_play *play, const sim_flow *flow, jzx_err err)
{
    const sim_player *target = &play->players[flow->sides[RECEIVER]];
    switch (err) {
    case JZX_ERR_NO_CREDIT:
    case JZX_ERR_WOULD_BLOCK:
    case JZX_ERR_STOPPING:
    case JZX_ERR_LIMIT: /* of what a sender of requests holds */
        break;
    case JZX_ERR_LOOP_CLOSED:
        JZX_SIM_REQUIRE(play->sim, play->stopping || play->alone[target->loop]);
        break;
    default:
        check_gone(play, flow, SENDER, err); /* never for a full mailbox */
    }
}

static jzx_err request(sim_player *self, const sim_flow *flow, jzx_context *context, const jzx_message *message,
                       open_request *asks)
{
    sim_play *play = self->play;
    uint64_t ref = 0;
    uint64_t timeout_ns = sim_chance(play->sim, 300) ? sim_below(play->sim, 100000) : JZX_FOREVER;
    jzx_err err = jzx_flow_request(context, flow->ids[SENDER], message, timeout_ns, &ref);
    *asks = (open_request){err == JZX_OK ? ref : 0, PLAYERS};
    return err;
}

static void say(sim_player *self, sim_flow *flow, jzx_context *context)
{
    sim_play *play = self->play;
    jzx_message message;
    open_request *asks = play->knobs->ask != 0 && sim_chance(play->sim, 300) ? player_request(self) : NULL;
    uint32_t number = books_offer(play, self->index, flow->sides[RECEIVER], asks != NULL ? TAG_ASK : TAG_SAY,
                                  sim_chance(play->sim, 400), &message);
    play->mails[number].flow = (uint32_t)(flow - play->flows) + 1;
    flow->sent++;
    flow->out++;
    jzx_err err = asks != NULL ? request(self, flow, context, &message, asks)
                               : jzx_flow_send(context, flow->ids[SENDER], &message);
    uint32_t credits = 0;
    if (err == JZX_OK) {
        JZX_SIM_REQUIRE(play->sim, flow->windowed || flow->sent <= flow->granted);
        JZX_SIM_REQUIRE(play->sim, jzx_flow_credits(context, flow->ids[SENDER], &credits) == JZX_OK);
        flow->informed &= credits != 0;
        return;
    }
    flow->sent--;
    flow->out--;
    books_refused(play, number);
    check_refusal(play, flow, err);
    if (err == JZX_ERR_NO_CREDIT) {
        JZX_SIM_REQUIRE(play->sim, jzx_flow_credits(context, flow->ids[SENDER], &credits) == JZX_OK && credits == 0);
    }
}

static void leave(sim_player *self, sim_flow *flow, uint32_t side, jzx_context *context)
{
    flow->left[side] = true;
    jzx_err err = jzx_flow_close(context, flow->ids[side]);
    self->vanished++;
    if (err != JZX_OK) {
        flow->left[side] = false; /* it is still to be told */
        check_gone(self->play, flow, side, err);
    }
}

void flows_act(sim_player *self, jzx_context *context)
{
    sim_play *play = self->play;
    uint32_t side;
    sim_flow *flow = sim_chance(play->sim, 200) ? NULL : some_flow(self, &side);
    if (flow == NULL) {
        open_flow(self, context);
    } else if (sim_chance(play->sim, 80)) {
        leave(self, flow, side, context);
    } else if (side == SENDER) {
        say(self, flow, context);
    } else if (sim_chance(play->sim, 150)) {
        window(play, flow, context);
    } else {
        grant(play, flow, context);
    }
}

void flows_last_word(sim_player *self, jzx_context *context)
{
    uint32_t side;
    sim_flow *flow = some_flow(self, &side);
    if (flow != NULL && side == SENDER) {
        say(self, flow, context);
    }
}

/* ---- what they hear ---- */

/* Which flow it is: its record has the number of the opener's side, which may not know that itself yet. */
static sim_flow *flow_opened(const sim_player *self, const jzx_context *context, const jzx_flow_opened *opened)
{
    sim_play *play = self->play;
    const jzx__flow *record = jzx__table_find(&context->loop->flows, opened->flow);
    JZX_SIM_REQUIRE(play->sim, record != NULL);
    sim_flow *unknown = NULL;
    for (uint32_t i = 0; i < play->flow_count; i++) {
        sim_flow *flow = &play->flows[i];
        uint32_t opener = flow->opener;
        bool these = flow->sides[!opener] == self->index && play->players[flow->sides[opener]].id == opened->peer;
        if (these && flow->ids[opener] == record->other) {
            return flow;
        }
        unknown = these && flow->ids[opener] == 0 && !flow->left[opener] ? flow : unknown;
    }
    JZX_SIM_REQUIRE(play->sim, unknown != NULL);
    return unknown;
}

jzx_behavior_result flows_opened(sim_player *self, const jzx_context *context, const jzx_flow_opened *opened)
{
    sim_flow *flow = flow_opened(self, context, opened);
    uint32_t side = !flow->opener;
    JZX_SIM_REQUIRE(self->play->sim, !flow->met[side] && opened->receives == (side == RECEIVER));
    JZX_SIM_REQUIRE(self->play->sim, opened->credits <= flow->granted || flow->windowed);
    flow->met[side] = true;
    flow->ids[side] = opened->flow;
    flow->informed = side == SENDER && opened->credits != 0;
    if (sim_chance(self->play->sim, 60)) {
        /* Over already, it is not there to be refused, and its end will be told. */
        uint32_t credits;
        bool refused = jzx_flow_credits((jzx_context *)(uintptr_t)context, opened->flow, &credits) == JZX_OK;
        flow->left[side] = refused;
        self->vanished += refused;
        return JZX_BEHAVIOR_UNHANDLED;
    }
    return JZX_BEHAVIOR_OK;
}

void flows_credit(const sim_player *self, const jzx_flow_credit *credit)
{
    uint32_t side = RECEIVER;
    sim_flow *flow = flow_of(self, credit->flow, &side);
    JZX_SIM_REQUIRE(self->play->sim, has(flow, side) && side == SENDER && credit->credits > 0);
    flow->informed = true;
}

static bool reason_given(const sim_play *play, const sim_flow *flow, uint32_t side, const jzx_flow_ended *ended)
{
    const sim_player *other = &play->players[flow->sides[!side]];
    switch (ended->err) {
    case JZX_OK:
    case JZX_ERR_UNHANDLED:
        return flow->left[!side] && ended->exit_kind == 0;
    case JZX_ERR_ENDED:
        return other->life == LIFE_STILLBORN ? ended->exit_kind == JZX_EXIT_INIT
                                             : other->life == LIFE_ENDED && ended->exit_kind == other->exit.kind;
    case JZX_ERR_NO_SUCH_ACTOR:
        return over(other) && !flow->met[!side];
    case JZX_ERR_LOOP_CLOSED:
        return (play->stopping || play->alone[other->loop]) && !flow->met[!side];
    case JZX_ERR_LIMIT:
        return play->knobs->flows_max != 0 && !flow->met[!side];
    default:
        return false;
    }
}

void flows_ended(const sim_player *self, const jzx_flow_ended *ended)
{
    sim_play *play = self->play;
    uint32_t side = SENDER;
    sim_flow *flow = flow_of(self, ended->flow, &side);
    JZX_SIM_REQUIRE(play->sim, has(flow, side)); /* told once, and not of one that it has left */
    JZX_SIM_REQUIRE(play->sim, ended->peer == play->players[flow->sides[!side]].id);
    if (!reason_given(play, flow, side, ended)) {
        jzx_sim_fail(play->sim, "player %u is told that a flow has ended for a reason nobody gave: %s", self->index,
                     jzx_strerror((jzx_err)ended->err));
    }
    if (side == RECEIVER && flow->out != 0) {
        jzx_sim_fail(play->sim, "the end of a flow came to player %u before %u of its messages", self->index,
                     flow->out);
    }
    bool behind = ended->err != JZX_ERR_ENDED || play->pair_open[flow->sides[!side]][self->index] == 0;
    JZX_SIM_REQUIRE(play->sim, behind); /* all mail of one that has ended */
    flow->told[side] = true;
}

void flows_handled(sim_play *play, const sim_mail *mail, const jzx_message *message)
{
    if (mail->flow == 0) {
        JZX_SIM_REQUIRE(play->sim, (message->flags & JZX_MESSAGE_FLOW) == 0);
        return;
    }
    sim_flow *flow = &play->flows[mail->flow - 1];
    bool request = (message->flags & JZX_MESSAGE_REQUEST) != 0; /* whose ref is its own */
    JZX_SIM_REQUIRE(play->sim, (message->flags & JZX_MESSAGE_FLOW) != 0);
    JZX_SIM_REQUIRE(play->sim, request || message->ref == flow->ids[RECEIVER]);
    flow->handled++;
    flow->out -= !mail->stashed;
}

void flows_stashed(sim_play *play, const sim_mail *mail)
{
    if (mail->flow != 0) {
        play->flows[mail->flow - 1].out--;
    }
}

void flows_dead(sim_play *play, const sim_mail *mail, jzx_drop_reason reason)
{
    if (mail->flow != 0) {
        JZX_SIM_REQUIRE(play->sim, reason != JZX_DROP_NEWEST && reason != JZX_DROP_OLDEST); /* by no policy */
        bool refused = reason == JZX_DROP_DEADLINE ||
                       reason == JZX_DROP_LIMIT; /* a request, in the place of its turn */
        play->flows[mail->flow - 1].out -= !mail->stashed;
        play->flows[mail->flow - 1].handled += refused;
        play->players[mail->to].vanished += refused;
    }
}

void flows_left(const sim_player *player)
{
    for (uint32_t i = 0; i < player->play->flow_count; i++) {
        sim_flow *flow = &player->play->flows[i];
        for (uint32_t side = SENDER; side <= RECEIVER; side++) {
            flow->left[side] |= flow->sides[side] == player->index;
        }
    }
}

/* ---- what is still to come, and what must be at rest ---- */

const char *flows_open(const sim_play *play)
{
    for (uint32_t i = 0; i < play->flow_count; i++) {
        const sim_flow *flow = &play->flows[i];
        for (uint32_t side = SENDER; side <= RECEIVER; side++) {
            bool waits = has(flow, side) && play->players[flow->sides[side]].life == LIFE_ALIVE;
            if (waits && flow->left[!side]) {
                return "the end of a flow";
            }
            if (waits && !flow->met[!side]) {
                return "an answer to a flow";
            }
        }
    }
    return NULL;
}

static const jzx__flow *record_of(const sim_play *play, const sim_flow *flow, uint32_t side)
{
    const jzx_loop *loop = play->loops[play->players[flow->sides[side]].loop].loop;
    const jzx__flow *record = jzx__table_find(&loop->flows, flow->ids[side]);
    JZX_SIM_REQUIRE(play->sim, record != NULL && record->state == JZX__FLOW_LIVE);
    return record;
}

/* What a receiver has promised is what its flows have out, and their windows are more than half full. */
static void check_promises(const sim_play *play, const sim_player *receiver)
{
    const jzx_loop *loop = play->loops[receiver->loop].loop;
    const jzx__annex *annex = jzx__annex_of(loop, jzx__slot_find(&loop->slots, receiver->id));
    uint64_t promised = 0;
    for (uint32_t i = 0; i < play->flow_count; i++) {
        const sim_flow *flow = &play->flows[i];
        if (flow->sides[RECEIVER] == receiver->index && has(flow, SENDER) && has(flow, RECEIVER)) {
            const jzx__flow *record = record_of(play, flow, RECEIVER);
            uint32_t half = record->window - record->window / 2;
            JZX_SIM_REQUIRE(play->sim, record->window == 0 || record->credits + half > record->window);
            promised += record->credits > record->window ? record->credits : record->window;
        }
    }
    JZX_SIM_REQUIRE(play->sim, promised == (annex == NULL ? 0 : annex->flow_credits));
}

static void check_flow(const sim_play *play, const sim_flow *flow)
{
    uint32_t credits = record_of(play, flow, SENDER)->credits;
    JZX_SIM_REQUIRE(play->sim, record_of(play, flow, RECEIVER)->credits == credits);
    JZX_SIM_REQUIRE(play->sim, flow->handled == flow->sent && flow->out == 0);
    JZX_SIM_REQUIRE(play->sim, flow->windowed || credits == flow->granted - flow->sent);
    JZX_SIM_REQUIRE(play->sim, flow->informed == (credits != 0));
}

void flows_rest(const sim_play *play)
{
    uint32_t records[LOOPS] = {0};
    for (uint32_t i = 0; i < play->flow_count; i++) {
        const sim_flow *flow = &play->flows[i];
        if (has(flow, SENDER) && has(flow, RECEIVER)) {
            check_flow(play, flow);
            records[play->players[flow->sides[SENDER]].loop]++;
            records[play->players[flow->sides[RECEIVER]].loop]++;
        }
    }
    for (uint32_t i = 0; i < play->loop_count; i++) {
        JZX_SIM_REQUIRE(play->sim, play->loops[i].loop->flows.used == records[i]);
    }
    for (uint32_t i = 0; i < play->player_count; i++) {
        if (play->players[i].life == LIFE_ALIVE) {
            check_promises(play, &play->players[i]);
        }
    }
}
