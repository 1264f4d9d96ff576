/* player: an actor that does by lot what actors may do, and the strangers that post to them. */
#include "tests/sim/play.h"

#include <unistd.h>

#include <jzx/jzx.h>

/* Any that ever was; ended ones too, for stale ids. NULL when there is none. */
static sim_player *somebody(sim_play *play)
{
    sim_player *player = &play->players[sim_below(play->sim, play->player_count)];
    return player->id == 0 ? NULL : player;
}

static bool over(const sim_player *player)
{
    return player->life == LIFE_ENDED || player->life == LIFE_STILLBORN;
}

/* What a call to another may answer, whatever it asked. */
static void check_refusal(sim_play *play, const sim_player *target, jzx_err err)
{
    switch (err) {
    case JZX_ERR_NO_SUCH_ACTOR:
        JZX_SIM_REQUIRE(play->sim, over(target));
        break;
    case JZX_ERR_LOOP_CLOSED:
        JZX_SIM_REQUIRE(play->sim, play->stopping || play->alone[target->loop]);
        break;
    case JZX_ERR_MAILBOX_FULL:
    case JZX_ERR_WOULD_BLOCK:
    case JZX_ERR_STOPPING:
    case JZX_ERR_LIMIT:
        break;
    default:
        jzx_sim_fail(play->sim, "unexpected: %s", jzx_strerror(err));
    }
}

open_request *player_request(sim_player *self)
{
    for (uint32_t i = 0; i < OPEN_MAX; i++) {
        if (self->requests[i].ref == 0) {
            return &self->requests[i];
        }
    }
    return NULL;
}

/* ---- what players do ---- */

static void say(sim_player *self, jzx_context *context, bool ask)
{
    sim_play *play = self->play;
    sim_player *target = somebody(play);
    open_request *request = ask ? player_request(self) : NULL;
    if (target == NULL || (ask && request == NULL)) {
        return;
    }
    if (self->waiting[target->index]) {
        bool again = self->life == LIFE_ALIVE && sim_chance(play->sim, 200);
        JZX_SIM_REQUIRE(play->sim, !again || jzx_resume(context, target->id) == JZX_OK); /* changes nothing */
        return;
    }
    jzx_message message;
    bool pointer = sim_chance(play->sim, 400);
    uint32_t number = books_offer(play, self->index, target->index, ask ? TAG_ASK : TAG_SAY, pointer, &message);
    jzx_err err;
    if (ask) {
        uint64_t timeout_ns = sim_chance(play->sim, 300) ? sim_below(play->sim, 100000) : JZX_FOREVER;
        uint64_t ref = 0;
        err = jzx_request(context, target->id, &message, timeout_ns, &ref);
        *request = (open_request){err == JZX_OK ? ref : 0, PLAYERS};
    } else {
        uint32_t flags = sim_chance(play->sim, 100) ? JZX_SEND_REPORT : 0;
        if (play->knobs->high != 0 && sim_chance(play->sim, play->knobs->high)) {
            books_high(play, number);
            flags |= JZX_SEND_HIGH;
        }
        err = jzx_send_with(context, target->id, &message, flags);
    }
    if (err == JZX_OK) {
        return;
    }
    books_refused(play, number);
    check_refusal(play, target, err);
    if ((err == JZX_ERR_MAILBOX_FULL || err == JZX_ERR_WOULD_BLOCK) && self->life == LIFE_ALIVE) {
        jzx_err asked = jzx_resume(context, target->id);
        self->waiting[target->index] = asked == JZX_OK;
        JZX_SIM_REQUIRE(play->sim, asked == JZX_OK || (asked == JZX_ERR_LIMIT && play->knobs->resumes_max != 0));
    }
}

static void answer(sim_player *self, jzx_context *context, uint64_t ref, sim_player *asker)
{
    sim_play *play = self->play;
    jzx_message message;
    (void)books_offer(play, self->index, asker->index, TAG_REPLY, sim_chance(play->sim, 400), &message);
    jzx_err err = jzx_answer(context, ref, &message);
    JZX_SIM_REQUIRE(play->sim, err == JZX_OK); /* never refused */
}

static void answer_kept(sim_player *self, jzx_context *context)
{
    for (uint32_t i = 0; i < KEPT; i++) {
        if (self->kept[i] != 0) {
            sim_player *asker = &self->play->players[self->kept[i] >> 56];
            uint64_t ref = self->kept[i] & 0x00FFFFFFFFFFFFFFull;
            self->kept[i] = 0;
            /* The asker is kept in the top byte: a ref is a cell's index of 24 bits and a count of 40. */
            answer(self, context, ref, asker);
        }
    }
}

static void monitor(sim_player *self, jzx_context *context)
{
    sim_play *play = self->play;
    sim_player *target = somebody(play);
    for (uint32_t i = 0; target != NULL && i < OPEN_MAX; i++) {
        if (self->monitors[i].number == 0) {
            uint64_t number;
            jzx_err err = jzx_monitor(context, target->id, &number);
            if (err == JZX_OK) {
                self->monitors[i] = (open_monitor){number, target->index};
            } else {
                JZX_SIM_REQUIRE(play->sim, err == JZX_ERR_LIMIT && play->knobs->monitors_max != 0);
            }
            return;
        }
    }
}

static void demonitor(sim_player *self, jzx_context *context)
{
    open_monitor *monitor = &self->monitors[sim_below(self->play->sim, OPEN_MAX)];
    if (monitor->number == 0) {
        JZX_SIM_REQUIRE(self->play->sim, jzx_demonitor(context, 0) == JZX_ERR_NO_SUCH_MONITOR);
        return;
    }
    JZX_SIM_REQUIRE(self->play->sim, jzx_demonitor(context, monitor->number) == JZX_OK);
    JZX_SIM_REQUIRE(self->play->sim, jzx_demonitor(context, monitor->number) == JZX_ERR_NO_SUCH_MONITOR);
    monitor->number = 0;
    self->vanished++;
}

/* Whether an end that this loop asks for now is the one that counts: no other has come before. */
static bool can_still_end(const jzx_context *context, const sim_player *target)
{
    const jzx_loop *loop = context->loop;
    if (jzx__id_loop(target->id) != loop->index) {
        return false;
    }
    uint32_t index = jzx__slot_find(&loop->slots, target->id);
    return index != JZX__SLOT_NONE && jzx__public(loop, index)->state < JZX__STOPPING;
}

static void end_other(sim_player *self, jzx_context *context)
{
    sim_play *play = self->play;
    sim_player *target = somebody(play);
    if (target == NULL) {
        return;
    }
    jzx_err err;
    uint32_t before = target->asked; /* it may end before the call returns */
    bool first = target != self && can_still_end(context, target);
    uint32_t lot = sim_below(play->sim, 4);
    static const uint32_t kinds[] = {JZX_EXIT_SHUTDOWN, 0, JZX_EXIT_KILLED, JZX_EXIT_FAIL};
    switch (lot) {
    case 0:
        target->asked |= 1u << JZX_EXIT_SHUTDOWN;
        err = jzx_stop(context, target->id);
        break;
    case 1:
        target->asked |= 1u << JZX_EXIT_SHUTDOWN;
        err = jzx_drain(context, target->id);
        break;
    case 2:
        target->asked |= 1u << JZX_EXIT_KILLED;
        err = jzx_kill(context, target->id);
        break;
    default:
        target->asked |= 1u << JZX_EXIT_FAIL;
        err = jzx_fail(context, target->id, (int32_t)self->index, "because another said so, in many words");
        break;
    }
    if (err != JZX_OK) {
        target->asked = before;
        check_refusal(play, target, err);
    } else if (first) {
        target->fixed = kinds[lot]; /* a drain is no reason yet */
    }
}

static void spawn(sim_player *self, jzx_context *context)
{
    sim_play *play = self->play;
    open_request *request = player_request(self);
    sim_player *child = request == NULL ? NULL : player_new(play);
    if (child == NULL) {
        return;
    }
    jzx_spawn_options options;
    player_options(child, &options);
    child->fails = sim_chance(play->sim, 150);
    child->loop = sim_below(play->sim, play->loop_count);
    if (play->knobs->link != 0 && sim_chance(play->sim, 400)) {
        options.link = true;
        child->born_linked = true;
        child->asker = self->index;
        books_link(self, child);
    }
    if (child->loop == context->loop->index && sim_chance(play->sim, 512)) {
        jzx_actor_id id = 0;
        jzx_err err = jzx_spawn(context, &options, &id);
        if (err == JZX_OK) {
            JZX_SIM_REQUIRE(play->sim, id == child->id);
        } else if (err != JZX_ERR_INIT) {
            child->life = LIFE_STILLBORN;
            JZX_SIM_REQUIRE(play->sim, err == JZX_ERR_LOOP_CLOSED || err == JZX_ERR_LIMIT || err == JZX_ERR_STOPPING);
        }
        self->linked[child->index] &= err == JZX_OK;
        child->asker = PLAYERS;
        return;
    }
    options.placement = JZX_PLACE_LOOP;
    options.place_loop = child->loop;
    uint64_t ref = 0;
    jzx_err err = jzx_spawn_request(context, &options, &ref);
    *request = (open_request){err == JZX_OK ? ref : 0, child->index};
    child->asker = self->index;
    if (err != JZX_OK) {
        self->linked[child->index] = false;
        child->life = LIFE_STILLBORN;
        check_refusal(play, child, err);
    }
}

/* A timer with a payload; the one before is cancelled, and gives its payload back if it was not too late. */
static void alarm_set(sim_player *self, jzx_context *context)
{
    sim_play *play = self->play;
    jzx_message message;
    if (self->alarm != 0) {
        jzx_err err = jzx_timer_cancel(context, self->alarm, &message);
        JZX_SIM_REQUIRE(play->sim, err == JZX_OK); /* handled ones clear `alarm` */
        JZX_SIM_REQUIRE(play->sim, books_number(&message) == self->alarm_mail);
        books_refused(play, self->alarm_mail);
        self->alarm = 0;
    }
    uint64_t delay_ns = sim_below(play->sim, 200000);
    uint32_t number = books_offer(play, self->index, self->index, TAG_ALARM, true, &message);
    self->alarm_due_ns = jzx_clock_ns(context) + delay_ns;
    self->alarm_mail = number;
    if (jzx_timer_after(context, delay_ns, &message, &self->alarm) != JZX_OK) {
        self->alarm = 0;
        books_refused(play, number);
    }
}

/* Takes a name or gives one up. */
static void name(sim_player *self, jzx_context *context)
{
    sim_play *play = self->play;
    uint32_t which = sim_below(play->sim, NAMES);
    const char *text = books_name(which);
    if (play->holders[which] == self) {
        play->holders[which] = NULL;
        JZX_SIM_REQUIRE(play->sim, jzx_unregister(context, text) == JZX_OK);
        return;
    }
    jzx_err err = jzx_register(context, text, self->id);
    if (err == JZX_OK) {
        jzx_actor_id id = 0;
        JZX_SIM_REQUIRE(play->sim, play->holders[which] == NULL);
        play->holders[which] = self;
        JZX_SIM_REQUIRE(play->sim, jzx_whereis(play->runtime, text, &id) == JZX_OK && id == self->id);
    } else {
        JZX_SIM_REQUIRE(play->sim, err == JZX_ERR_NAME_TAKEN || err == JZX_ERR_LIMIT || err == JZX_ERR_STOPPING);
    }
}

/* Links or unlinks; often the one with whom it did so before, and that one too, so that the two ways of it cross. */
static void link_or_not(sim_player *self, jzx_context *context)
{
    sim_play *play = self->play;
    sim_player *target = sim_chance(play->sim, 400) ? &play->players[self->courted] : somebody(play);
    if (target == NULL || target == self || target->id == 0) {
        return;
    }
    self->courted = target->index;
    target->courted = self->index;
    if (sim_chance(play->sim, 400)) {
        self->linked[target->index] = false;
        self->has_unlinked[target->index] = true;
        self->vanished += 1 + self->exits[target->index]; /* one that has ended is told of by each link made since */
        self->exits[target->index] = 0;
        JZX_SIM_REQUIRE(play->sim, jzx_unlink(context, target->id) == JZX_OK);
        return;
    }
    bool before = self->linked[target->index];
    books_link(self, target); /* its end may come before the call returns */
    jzx_err err = jzx_link(context, target->id);
    if (err != JZX_OK) {
        self->linked[target->index] = before;
        JZX_SIM_REQUIRE(play->sim, err == JZX_ERR_LIMIT && play->knobs->links_max != 0);
    }
}

/* Its own end: a result to return, or a call that takes effect when the handler returns. */
static jzx_behavior_result end_self(sim_player *self, jzx_context *context)
{
    switch (sim_below(self->play->sim, 6)) {
    case 0:
        self->asked |= 1u << JZX_EXIT_NORMAL;
        return JZX_BEHAVIOR_STOP;
    case 1:
        self->asked |= 1u << JZX_EXIT_FAIL;
        return JZX_BEHAVIOR_FAIL;
    case 2:
        self->asked |= 1u << JZX_EXIT_FAIL;
        return (jzx_behavior_result)77;
    case 3:
        self->asked |= 1u << JZX_EXIT_SHUTDOWN;
        JZX_SIM_REQUIRE(self->play->sim, jzx_stop(context, self->id) == JZX_OK);
        return JZX_BEHAVIOR_OK;
    case 4:
        self->asked |= 1u << JZX_EXIT_SHUTDOWN;
        JZX_SIM_REQUIRE(self->play->sim, jzx_drain(context, self->id) == JZX_OK);
        return JZX_BEHAVIOR_OK;
    default:
        self->asked |= 1u << JZX_EXIT_KILLED;
        JZX_SIM_REQUIRE(self->play->sim, jzx_kill(context, self->id) == JZX_OK);
        return JZX_BEHAVIOR_OK;
    }
}

static jzx_behavior_result act(sim_player *self, jzx_context *context)
{
    sim_play *play = self->play;
    const cast_knobs *knobs = play->knobs;
    const uint32_t weights[] = {knobs->say,       knobs->ask,       knobs->spawn,    knobs->monitor,
                                knobs->demonitor, knobs->end_other, knobs->end_self, knobs->timer,
                                knobs->name,      knobs->link,      knobs->flow};
    uint32_t sum = 0;
    for (uint32_t i = 0; i < JZX__COUNT(weights); i++) {
        sum += weights[i];
    }
    uint32_t lot = sim_below(play->sim, sum);
    uint32_t what = 0;
    while (lot >= weights[what]) {
        lot -= weights[what++];
    }
    switch (what) {
    case 0:
        say(self, context, false);
        break;
    case 1:
        say(self, context, true);
        break;
    case 2:
        spawn(self, context);
        break;
    case 3:
        monitor(self, context);
        break;
    case 4:
        demonitor(self, context);
        break;
    case 5:
        end_other(self, context);
        break;
    case 6:
        return end_self(self, context);
    case 7:
        alarm_set(self, context);
        break;
    case 8:
        name(self, context);
        break;
    case 9:
        link_or_not(self, context);
        break;
    default:
        flows_act(self, context);
        break;
    }
    return JZX_BEHAVIOR_OK;
}

/* What is stashed comes back with a tick, and all of it with the last. */
static void unstash(sim_player *self, jzx_context *context)
{
    sim_play *play = self->play;
    uint32_t stashed = play->knobs->stash == 0 ? 0 : jzx_stashed(context);
    JZX_SIM_REQUIRE(play->sim, stashed == self->stashes - self->unstashed);
    if (stashed == 0) {
        return;
    }
    bool all = self->ticks == 0 || sim_chance(play->sim, 600);
    uint32_t count = all ? stashed : sim_below(play->sim, stashed + 1);
    books_unstashed(self, count);
    jzx_err err = all ? jzx_unstash_all(context) : jzx_unstash(context, count);
    JZX_SIM_REQUIRE(play->sim, err == JZX_OK && jzx_stashed(context) == stashed - count);
}

static void next_tick(sim_player *self, jzx_context *context)
{
    if (self->ticks == 0) {
        return;
    }
    uint64_t pause_ns = jzx_sim_random(self->play->sim) % (self->play->knobs->pause_max_ns + 1);
    jzx_message message = jzx_message_empty(TAG_TICK);
    if (jzx_timer_after(context, pause_ns, &message, NULL) != JZX_OK) {
        self->ticks = 0;
        unstash(self, context);
    }
}

static jzx_behavior_result tick(sim_player *self, jzx_context *context)
{
    JZX_SIM_REQUIRE(self->play->sim, self->ticks > 0);
    self->ticks--;
    answer_kept(self, context);
    unstash(self, context);
    uint32_t actions = 1 + sim_below(self->play->sim, self->play->actions_most);
    jzx_behavior_result result = JZX_BEHAVIOR_OK;
    while (actions-- > 0 && result == JZX_BEHAVIOR_OK) {
        result = act(self, context);
    }
    next_tick(self, context);
    return result;
}

/* ---- what players get ---- */

static void close_request(sim_player *self, uint64_t ref, const jzx_spawned *spawned)
{
    sim_play *play = self->play;
    for (uint32_t i = 0; i < OPEN_MAX; i++) {
        if (self->requests[i].ref != ref || ref == 0) {
            continue;
        }
        bool spawn = self->requests[i].about < PLAYERS;
        self->requests[i].ref = 0;
        JZX_SIM_REQUIRE(play->sim, spawn == (spawned != NULL));
        if (spawned == NULL) {
            return;
        }
        sim_player *child = &play->players[self->requests[i].about];
        self->linked[child->index] &= spawned->err == JZX_OK;
        if (spawned->err == JZX_OK) {
            JZX_SIM_REQUIRE(play->sim, spawned->id == child->id && child->id != 0);
        } else if (spawned->err == JZX_ERR_INIT) {
            JZX_SIM_REQUIRE(play->sim, child->life == LIFE_STILLBORN && spawned->code == JZX_ERR_UNKNOWN);
            books_nameless(child);
        } else {
            JZX_SIM_REQUIRE(play->sim, child->life == LIFE_ASKED);
            child->life = LIFE_STILLBORN;
            check_refusal(play, child, (jzx_err)spawned->err);
        }
        return;
    }
    jzx_sim_fail(play->sim, "player %u got an answer to nothing it asks", self->index);
}

static jzx_behavior_result asked(sim_player *self, jzx_context *context, const jzx_message *message)
{
    sim_play *play = self->play;
    sim_player *asker = &play->players[play->mails[books_number(message)].from];
    for (uint32_t i = 0; i < KEPT && self->ticks > 0; i++) {
        if (self->kept[i] == 0 && sim_chance(play->sim, 512) && message->ref >> 56 == 0) {
            self->kept[i] = message->ref | (uint64_t)asker->index << 56;
            return JZX_BEHAVIOR_OK;
        }
    }
    answer(self, context, message->ref, asker);
    return JZX_BEHAVIOR_OK;
}

/* Whether there is room for it; else the player fails, as it may know. */
static bool stash_fits(const sim_player *self, const jzx_context *context)
{
    const jzx_loop *loop = context->loop;
    bool annex = jzx__annex_of(loop, context->slot) != NULL || loop->annexes.used < loop->annexes.records_max;
    return annex && jzx_stashed(context) + 1 < jzx__slot_high_mark(self->cap);
}

static jzx_behavior_result stash(sim_player *self, jzx_context *context, const jzx_message *message)
{
    sim_mail *mail = &self->play->mails[books_number(message)];
    if (stash_fits(self, context)) {
        books_stashed(self->play, self, message);
        return JZX_BEHAVIOR_STASH;
    }
    books_handled(self->play, self, message);
    mail->refused = mail->pointer;
    self->asked |= 1u << JZX_EXIT_FAIL;
    self->fixed = JZX_EXIT_FAIL;
    self->stash_was_full = true;
    return JZX_BEHAVIOR_STASH;
}

static jzx_behavior_result mail_came(sim_player *self, jzx_context *context, const jzx_message *message)
{
    sim_play *play = self->play;
    sim_mail *mail = &play->mails[books_number(message)];
    if (!mail->yielded && sim_chance(play->sim, 30) && !self->limited) {
        mail->yielded = true;
        return JZX_BEHAVIOR_YIELD;
    }
    if (play->knobs->stash != 0 && self->ticks > 0 && !self->limited && sim_chance(play->sim, play->knobs->stash)) {
        return stash(self, context, message);
    }
    books_handled(play, self, message);
    if (message->tag == TAG_SAY && play->knobs->end_self != 0 && sim_chance(play->sim, 3)) {
        mail->refused = mail->pointer; /* it puts back what it will not live to see */
        self->asked |= 1u << JZX_EXIT_SHUTDOWN;
        JZX_SIM_REQUIRE(play->sim, jzx_stop(context, self->id) == JZX_OK);
        return JZX_BEHAVIOR_YIELD;
    }
    if (message->tag == TAG_ASK) {
        return asked(self, context, message);
    }
    if (message->tag == TAG_REPLY) {
        close_request(self, message->ref, NULL);
    }
    if (sim_chance(play->sim, 20)) {
        mail->refused = mail->pointer;
        return JZX_BEHAVIOR_UNHANDLED;
    }
    if (play->knobs->timer != 0 && sim_chance(play->sim, 60)) {
        alarm_set(self, context); /* sooner perhaps than any that its loop waits for */
    }
    return JZX_BEHAVIOR_OK;
}

static void resumed(sim_player *self, const jzx_resumed *what)
{
    for (uint32_t i = 0; i < self->play->player_count; i++) {
        if (self->play->players[i].id == what->target) {
            JZX_SIM_REQUIRE(self->play->sim, self->waiting[i]); /* one notice for each asked for */
            self->waiting[i] = false;
            return;
        }
    }
    jzx_sim_fail(self->play->sim, "a resume notice about nobody");
}

static void readable(sim_player *self)
{
    uint64_t count = 0;
    sim_play *play = self->play;
    if (read(play->descriptors[self->watch], &count, sizeof count) == (ssize_t)sizeof count) {
        play->read[self->watch] += count;
    }
}

/*
 * Signals that wait beside the mail take turns with it (U2 of run.c): none goes twice while mail waits. But a turn of the
 * mail may go to a notice among it that has become void.
 */
static void check_turn(sim_player *self, const jzx_context *context, uint32_t tag)
{
    bool urgent = tag == TAG_TICK || tag == TAG_ALARM || tag == JZX_TAG_SYS_RESUME || tag == JZX_TAG_SYS_IO ||
                  tag == JZX_TAG_SYS_CREDIT;
    if (urgent && self->unfair > self->vanished) {
        jzx_sim_fail(self->play->sim, "player %u handled %u signals in a row while mail waited", self->index,
                     self->unfair + 1);
    }
    const jzx__annex *annex = jzx__annex_of(context->loop, context->slot);
    uint32_t aside = annex == NULL ? 0 : annex->stashed + annex->high_count;
    bool waits = jzx__public(context->loop, context->slot)->mailbox_length > aside && !self->sheds;
    self->unfair = urgent && waits ? self->unfair + 1 : 0;
}

/* So does high mail, but for what goes before a notice in front of the rest (X5 of annex.h). */
static void check_high_turn(sim_player *self, const jzx_context *context, const jzx_message *message)
{
    const sim_play *play = self->play;
    bool mail = message->tag == TAG_SAY && play->knobs->annexes_max == 0;
    const sim_mail *what = mail ? &play->mails[books_number(message)] : NULL;
    const jzx__cell *next = jzx__slot_hot(&context->loop->slots, context->slot)->mail.first;
    bool waits = next != NULL && (next->flags & JZX__FLAG_EMBEDDED) == 0;
    self->high_row = mail && what->high && !what->stashed && waits ? self->high_row + 1 : 0;
    if (self->high_row > 1 + self->vanished) {
        jzx_sim_fail(play->sim, "player %u handled %u high messages in a row while others waited", self->index,
                     self->high_row);
    }
}

static jzx_behavior_result behavior(jzx_context *context, void *state, const jzx_message *message)
{
    sim_player *self = state;
    sim_play *play = self->play;
    check_turn(self, context, message->tag);
    check_high_turn(self, context, message);
    jzx__sim_point("player: handles");
    JZX_SIM_REQUIRE(play->sim, self->life == LIFE_ALIVE);
    JZX_SIM_REQUIRE(play->sim, jzx_self(context) == self->id);
    switch (message->tag) {
    case TAG_TICK:
        play->signals++;
        return tick(self, context);
    case TAG_ALARM:
        play->signals++;
        JZX_SIM_REQUIRE(play->sim, jzx_now_ns(context) >= self->alarm_due_ns); /* never early */
        JZX_SIM_REQUIRE(play->sim, message->ref == self->alarm && books_number(message) == self->alarm_mail);
        books_handled(play, self, message);
        self->alarm = 0;
        return JZX_BEHAVIOR_OK;
    case JZX_TAG_SYS_DOWN:
        play->signals++;
        books_down(self, jzx_message_data(message));
        return JZX_BEHAVIOR_OK;
    case JZX_TAG_SYS_EXIT:
        play->signals++;
        books_exit(self, jzx_message_data(message));
        return JZX_BEHAVIOR_OK;
    case JZX_TAG_SYS_RESUME:
        play->signals++;
        resumed(self, jzx_message_data(message));
        return sim_chance(play->sim, 700) ? act(self, context) : JZX_BEHAVIOR_OK;
    case JZX_TAG_SYS_FLOW:
        play->signals++;
        return flows_opened(self, context, jzx_message_data(message));
    case JZX_TAG_SYS_CREDIT:
        play->signals++;
        flows_credit(self, jzx_message_data(message));
        return sim_chance(play->sim, 700) ? act(self, context) : JZX_BEHAVIOR_OK;
    case JZX_TAG_SYS_FLOW_ENDED:
        play->signals++;
        flows_ended(self, jzx_message_data(message));
        return JZX_BEHAVIOR_OK;
    case JZX_TAG_SYS_SPAWNED:
        close_request(self, message->ref, jzx_message_data(message));
        return JZX_BEHAVIOR_OK;
    case JZX_TAG_SYS_NO_ANSWER:
        close_request(self, message->ref, NULL);
        return JZX_BEHAVIOR_OK;
    case JZX_TAG_SYS_IO:
        play->signals++;
        readable(self);
        return JZX_BEHAVIOR_OK;
    case JZX_TAG_SYS_DEAD_LETTER:
        return JZX_BEHAVIOR_OK;
    default:
        return mail_came(self, context, message);
    }
}

/* ---- life ---- */

static void watch_begin(sim_player *self, jzx_context *context)
{
    sim_play *play = self->play;
    jzx_watch_id id;
    if (self->index >= WATCHES || play->descriptors[self->index] < 0) {
        return;
    }
    JZX_SIM_REQUIRE(play->sim, jzx_watch(context, play->descriptors[self->index], JZX_IO_READ, &id) == JZX_OK);
    self->watch = self->index;
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    sim_player *self = argument;
    sim_play *play = self->play;
    JZX_SIM_REQUIRE(play->sim, self->life == LIFE_ASKED);
    *state = self;
    self->id = jzx_self(context);
    self->loop = jzx_actor_loop(self->id);
    self->life = LIFE_ALIVE;
    if (self->born_linked) {
        books_link(self, &play->players[self->asker]);
    }
    jzx__sim_point("player: init");
    next_tick(self, context);
    watch_begin(self, context);
    if (sim_chance(play->sim, 200)) {
        say(self, context, sim_chance(play->sim, 300));
    }
    if (sim_chance(play->sim, 200)) {
        monitor(self, context);
    }
    if (play->knobs->name != 0 && sim_chance(play->sim, 500)) {
        name(self, context);
    }
    if (play->knobs->end_other != 0 && sim_chance(play->sim, 60)) {
        end_other(self, context); /* it may be the one in whose handler this init runs */
    }
    if (play->knobs->end_self != 0 && sim_chance(play->sim, 20)) {
        self->asked |= 1u << JZX_EXIT_SHUTDOWN;
        jzx_err err = sim_chance(play->sim, 512) ? jzx_stop(context, self->id) : jzx_drain(context, self->id);
        JZX_SIM_REQUIRE(play->sim, err == JZX_OK);
    }
    if (self->fails) {
        books_ended(self, NULL);
        return JZX_ERR_UNKNOWN;
    }
    return JZX_OK;
}

static void fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    sim_player *self = state;
    jzx__sim_point("player: fini");
    JZX_SIM_REQUIRE(self->play->sim, jzx__public(context->loop, context->slot)->mailbox_length == 0); /* E1 of life.c */
    if (self->play->knobs->flow != 0 && sim_chance(self->play->sim, 300)) {
        flows_last_word(self, context);
    }
    books_ended(self, info);
    if (sim_chance(self->play->sim, 300)) {
        say(self, context, false); /* a last word */
    }
    if (sim_chance(self->play->sim, 300)) {
        answer_kept(self, context);
    }
}

sim_player *player_new(sim_play *play)
{
    if (play->player_count == PLAYERS) {
        return NULL;
    }
    sim_player *player = &play->players[play->player_count];
    *player = (struct sim_player){.play = play, .index = (uint16_t)play->player_count, .life = LIFE_ASKED, .watch = -1};
    player->asker = PLAYERS;
    player->ticks = sim_below(play->sim, play->ticks_most + 1);
    play->player_count++;
    return player;
}

void player_options(sim_player *player, jzx_spawn_options *options)
{
    jzx_sim *sim = player->play->sim;
    jzx_spawn_options_init(options);
    options->behavior = behavior;
    options->init = init;
    options->fini = fini;
    options->argument = player;
    options->mailbox_cap = sim_between(sim, player->play->knobs->cap_least | 1, player->play->knobs->cap_most);
    player->cap = options->mailbox_cap;
    options->mailbox_bytes = 16 + sim_below(sim, 200);
    options->messages_per_turn = (uint16_t)(1 + sim_below(sim, 8));
    options->mailbox_policy = (uint8_t)(sim_chance(sim, 200) ? sim_below(sim, 3) : JZX_MAILBOX_REFUSE);
    player->sheds = player->play->knobs->high != 0 && options->mailbox_policy == JZX_MAILBOX_DROP_OLDEST;
    options->name = "player";
    if (player->play->knobs->limits != 0 && sim_chance(sim, player->play->knobs->limits)) {
        options->handler_limit_ns = 1 + sim_below(sim, 8000);
        options->limit_action = (uint8_t)sim_below(sim, JZX_LIMIT_FAIL + 1);
        player->limited = options->limit_action == JZX_LIMIT_FAIL;
        player->asked |= player->limited ? 1u << JZX_EXIT_FAIL : 0;
    }
    options->trap_exit = player->traps = player->play->knobs->link != 0 && sim_chance(sim, 512);
}

void player_cast(sim_play *play, jzx_context *context, uint32_t loop)
{
    sim_player *player = player_new(play);
    jzx_spawn_options options;
    if (player == NULL) {
        return;
    }
    player_options(player, &options);
    player->loop = loop;
    jzx_actor_id id = 0;
    jzx_err err = jzx_spawn(context, &options, &id);
    bool unlimited = options.handler_limit_ns == 0 || play->knobs->annexes_max == 0;
    if (err == JZX_ERR_LIMIT && !unlimited) {
        player->life = LIFE_STILLBORN;
        return;
    }
    JZX_SIM_REQUIRE(play->sim, err == JZX_OK && id == player->id);
}

/* ---- hosts and strangers ---- */

void host_says(sim_driven *driven)
{
    sim_play *play = driven->play;
    sim_player *target = somebody(play);
    if (target == NULL || play->silent || !sim_chance(play->sim, 200)) {
        return;
    }
    jzx_message message;
    uint32_t number = books_offer(play, PLAYERS + STRANGERS + driven->index, target->index, TAG_SAY,
                                  sim_chance(play->sim, 400), &message);
    jzx_err err = jzx_send(jzx_loop_context(driven->loop), target->id, &message);
    if (err != JZX_OK) {
        books_refused(play, number);
        check_refusal(play, target, err);
    }
}

static jzx_err post(sim_play *play, jzx_poster *poster, const sim_player *target, const jzx_message *message)
{
    return poster != NULL ? jzx_poster_post(poster, target->id, message) : jzx_post(play->runtime, target->id, message);
}

static void post_one(sim_stranger *self, jzx_poster *poster)
{
    sim_play *play = self->play;
    sim_player *target = somebody(play);
    if (target == NULL) {
        return;
    }
    jzx_message message;
    uint32_t number = books_offer(play, self->index, target->index, TAG_SAY, true, &message);
    jzx_err err = post(play, poster, target, &message);
    if (err != JZX_OK) {
        books_refused(play, number);
        JZX_SIM_REQUIRE(play->sim,
                        err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_MAILBOX_FULL || err == JZX_ERR_LOOP_CLOSED);
    }
}

static void write_one(sim_play *play)
{
    uint32_t which = sim_below(play->sim, WATCHES);
    uint64_t one = 1;
    if (play->descriptors[which] < 0) {
        return;
    }
    play->written[which]++;
    if (write(play->descriptors[which], &one, sizeof one) != (ssize_t)sizeof one) {
        jzx_sim_fail(play->sim, "an eventfd is full");
    }
    jzx__sim_fd_touched(play->sim, play->descriptors[which]);
}

void stranger_main(void *argument)
{
    sim_stranger *self = argument;
    sim_play *play = self->play;
    jzx_poster *poster = NULL;
    uint32_t rests = sim_chance(play->sim, 512) ? 700 : 50; /* one that hardly rests fills what its target has */
    uint32_t turns = sim_below(play->sim, 300);
    while (self->posts-- > 0) {
        if (sim_chance(play->sim, rests)) {
            (void)jzx_sim_sleep(play->sim, jzx_sim_random(play->sim) % (play->knobs->pause_max_ns + 1));
        }
        if (poster == NULL && sim_chance(play->sim, turns)) {
            jzx_err err = jzx_poster_create(play->runtime, 4u << sim_below(play->sim, 4), &poster);
            JZX_SIM_REQUIRE(play->sim, err == JZX_OK || err == JZX_ERR_LOOP_CLOSED);
        }
        if (sim_chance(play->sim, 250)) {
            write_one(play);
        } else {
            post_one(self, poster);
        }
    }
    self->done = true;
}
