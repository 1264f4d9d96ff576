/* books: what must come of all that players do; see cast.h. */
#include "tests/sim/play.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- mail ---- */

static void dropped(void *context, void *data, size_t size)
{
    sim_play *play = context;
    (void)size;
    uint32_t number = (uint32_t)(uintptr_t)data - 1;
    JZX_SIM_REQUIRE(play->sim, number < play->mail_count);
    sim_mail *mail = &play->mails[number];
    bool by_timer = mail->alarm && mail->fate == FATE_OUT;
    bool left_over = play->destroying && mail->fate == FATE_OUT; /* posted when its loop had left already */
    bool refused = mail->refused && mail->fate == FATE_HANDLED;
    bool due = mail->fate == FATE_DEAD || by_timer || left_over || refused;
    if (!due) {
        jzx_sim_fail(play->sim, "mail %u from %u to %u: its destructor ran with fate %u", number, mail->from, mail->to,
                     mail->fate);
    }
    if (mail->fate == FATE_OUT) {
        play->mail_open--;
        play->pair_open[mail->from][mail->to]--;
    }
    mail->fate = FATE_DROPPED;
}

/* Once it has come, in whatever way, no DOWN of its sender can be too early any more. */
static void has_come(sim_play *play, const sim_mail *mail)
{
    if (!mail->stashed) {
        play->pair_open[mail->from][mail->to]--;
    }
}

uint32_t books_offer(sim_play *play, uint32_t from, uint32_t to, uint32_t tag, bool pointer, jzx_message *message)
{
    if (play->mail_count == play->mail_room) {
        play->mail_room = play->mail_room == 0 ? 256 : play->mail_room * 2;
        play->mails = realloc(play->mails, play->mail_room * sizeof *play->mails);
        if (play->mails == NULL) {
            abort();
        }
    }
    uint32_t number = play->mail_count++;
    sim_mail *mail = &play->mails[number];
    *mail = (struct sim_mail){.from = (uint16_t)from, .to = (uint16_t)to, .fate = FATE_OUT, .pointer = pointer};
    mail->alarm = tag == TAG_ALARM;
    mail->sequence = mail->alarm ? 0 : play->next_out[from][to]++;
    play->mail_open++; /* before the call: its receiver may be quicker than the return */
    play->pair_open[from][to]++;
    if (pointer) {
        void *data = (void *)(uintptr_t)(number + 1); /* nobody looks behind it */
        *message = jzx_message_pointer(tag, data, sim_between(play->sim, 1, 16), dropped, play);
    } else {
        uint64_t words[2] = {number, ~(uint64_t)number};
        *message = jzx_message_value(tag, words, sizeof words);
    }
    return number;
}

void books_high(sim_play *play, uint32_t number)
{
    sim_mail *mail = &play->mails[number];
    mail->high = true;
    play->next_out[mail->from][mail->to]--;
    mail->sequence = play->high_out[mail->from][mail->to]++;
}

void books_refused(sim_play *play, uint32_t number)
{
    sim_mail *mail = &play->mails[number];
    JZX_SIM_REQUIRE(play->sim, mail->fate == FATE_OUT);
    mail->fate = FATE_NONE;
    play->mail_open--;
    play->pair_open[mail->from][mail->to]--;
    if (mail->high) {
        play->high_out[mail->from][mail->to]--;
    } else if (!mail->alarm) {
        play->next_out[mail->from][mail->to]--;
    }
}

uint32_t books_number(const jzx_message *message)
{
    return (message->flags & JZX_MESSAGE_POINTER) != 0 ? (uint32_t)(uintptr_t)message->pointer.data - 1
                                                       : (uint32_t)message->words[0];
}

static sim_mail *open_mail(sim_play *play, const jzx_message *message)
{
    uint32_t number = books_number(message);
    JZX_SIM_REQUIRE(play->sim, number < play->mail_count);
    bool whole = (message->flags & JZX_MESSAGE_POINTER) != 0 || message->words[1] == ~(uint64_t)number;
    JZX_SIM_REQUIRE(play->sim, whole);
    sim_mail *mail = &play->mails[number];
    if (mail->fate != FATE_OUT) {
        jzx_sim_fail(play->sim, "mail %u from %u to %u comes a second time, fate %u", number, mail->from, mail->to,
                     mail->fate);
    }
    return mail;
}

/* None that was stashed before it and came back with it is still to come. */
static void check_stash(sim_play *play, const sim_mail *mail)
{
    for (uint32_t i = 0; i < play->mail_count; i++) {
        const sim_mail *other = &play->mails[i];
        if (other->to == mail->to && other->stashed && other->fate == FATE_OUT && other->group == mail->group &&
            other->place < mail->place) {
            jzx_sim_fail(play->sim, "mail %u comes out of the stash of player %u too late", i, mail->to);
        }
    }
}

/* A message is there. */
static void check_order(sim_play *play, const sim_mail *mail)
{
    if (mail->stashed) {
        JZX_SIM_REQUIRE(play->sim, mail->group != 0); /* it was given back */
        check_stash(play, mail);
        return;
    }
    if (mail->alarm || (mail->high && play->knobs->annexes_max != 0)) {
        return; /* of high ones some may have become normal */
    }
    uint32_t *next = mail->high ? &play->high_in[mail->from][mail->to] : &play->next_in[mail->from][mail->to];
    if (mail->sequence < *next) {
        jzx_sim_fail(play->sim, "mail %u from %u to %u out of order: %u after %u", (uint32_t)(mail - play->mails),
                     mail->from, mail->to, mail->sequence, *next - 1);
    }
    *next = mail->sequence + 1;
}

void books_stashed(sim_play *play, sim_player *receiver, const jzx_message *message)
{
    sim_mail *mail = open_mail(play, message);
    JZX_SIM_REQUIRE(play->sim, mail->to == receiver->index && !mail->alarm);
    check_order(play, mail);
    has_come(play, mail);
    if (!mail->stashed) {
        flows_stashed(play, mail);
    }
    mail->stashed = true;
    mail->place = receiver->stashes++;
    mail->group = 0;
}

void books_unstashed(sim_player *player, uint32_t count)
{
    sim_play *play = player->play;
    player->groups++;
    player->unstashed += count;
    JZX_SIM_REQUIRE(play->sim, player->unstashed <= player->stashes);
    for (uint32_t i = 0; i < play->mail_count; i++) {
        sim_mail *mail = &play->mails[i];
        if (mail->to == player->index && mail->stashed && mail->group == 0 && mail->place < player->unstashed) {
            mail->group = player->groups;
        }
    }
}

void books_handled(sim_play *play, sim_player *receiver, const jzx_message *message)
{
    sim_mail *mail = open_mail(play, message);
    JZX_SIM_REQUIRE(play->sim, mail->to == receiver->index);
    if (mail->from < PLAYERS) {
        JZX_SIM_REQUIRE(play->sim, message->sender == play->players[mail->from].id || mail->alarm);
    } else {
        JZX_SIM_REQUIRE(play->sim, message->sender == 0);
    }
    check_order(play, mail);
    has_come(play, mail);
    flows_handled(play, mail, message);
    mail->fate = FATE_HANDLED;
    play->mail_open--;
}

void books_dead(void *context, jzx_context *host, jzx_actor_id target, const jzx_message *message,
                jzx_drop_reason reason)
{
    (void)host;
    (void)target;
    sim_play *play = context;
    if (message->tag < TAG_SAY || message->tag > TAG_REPLY) {
        return; /* the runtime's own: no answer, spawned, a report */
    }
    sim_mail *mail = open_mail(play, message);
    flows_dead(play, mail, reason);
    mail->fate = mail->pointer ? FATE_DEAD : FATE_DROPPED;
    has_come(play, mail);
    play->mail_open--;
}

/* ---- ends ---- */

/* One it was linked to has ended in the same way, or was not to be linked to. */
static bool reason_by_link(const sim_player *player, const jzx_exit_info *info)
{
    const sim_play *play = player->play;
    for (uint32_t i = 0; i < play->player_count; i++) {
        const sim_player *other = &play->players[i];
        if (other->id != info->origin || other == player ||
            !(player->has_linked[i] || other->has_linked[player->index])) {
            continue;
        }
        bool over = other->life == LIFE_ENDED || other->life == LIFE_STILLBORN;
        switch ((jzx_exit_kind)info->kind) {
        case JZX_EXIT_NORMAL:
            return false;
        case JZX_EXIT_LIMIT:
            return play->knobs->links_max != 0 || (over && other->exit.kind == info->kind);
        case JZX_EXIT_NO_ACTOR:
        case JZX_EXIT_LOOP_CLOSED:
            return over;
        default:
            return other->life == LIFE_STILLBORN ? info->kind == JZX_EXIT_FAIL : over && other->exit.kind == info->kind;
        }
    }
    return false;
}

static bool reason_given(const sim_player *player, const jzx_exit_info *info)
{
    const sim_play *play = player->play;
    if (info->kind == JZX_EXIT_SHUTDOWN && (play->stopping || play->alone[player->loop])) {
        return true;
    }
    if (info->kind == JZX_EXIT_LOOP_CLOSED && play->alone[player->loop]) {
        return true;
    }
    return (player->asked & 1u << info->kind) != 0 || reason_by_link(player, info);
}

void books_ended(sim_player *player, const jzx_exit_info *info)
{
    sim_play *play = player->play;
    if (info != NULL) {
        JZX_SIM_REQUIRE(play->sim, player->life == LIFE_ALIVE); /* one fini for each init */
        JZX_SIM_REQUIRE(play->sim, info->id == player->id);
        if (player->fixed != 0 && player->fixed != info->kind) {
            jzx_sim_fail(play->sim, "player %u ended with kind %u, but %u came first", player->index, info->kind,
                         player->fixed);
        }
        if (player->stash_was_full && info->code != JZX_EXIT_CODE_LIMIT) {
            jzx_sim_fail(play->sim, "player %u failed with code %d, but its stash was full", player->index, info->code);
        }
        if (!reason_given(player, info)) {
            jzx_sim_fail(play->sim, "player %u ended for a reason nobody gave: %u", player->index, info->kind);
        }
        player->exit = *info;
    }
    player->life = info != NULL ? LIFE_ENDED : LIFE_STILLBORN;
    for (uint32_t i = 0; i < OPEN_MAX; i++) {
        player->monitors[i].number = 0;
        player->requests[i].ref = 0;
    }
    memset(player->waiting, 0, sizeof player->waiting);
    memset(player->linked, 0, sizeof player->linked);
    flows_left(player);
    for (uint32_t i = 0; i < NAMES; i++) {
        if (play->holders[i] == player) {
            play->holders[i] = NULL;
        }
    }
}

const char *books_name(uint32_t name)
{
    static const char *const names[NAMES] = {"a", "b", "a name that is as long as names", "nobody's"};
    return names[name];
}

void books_nameless(const sim_player *player)
{
    const sim_play *play = player->play;
    for (uint32_t i = 0; i < NAMES; i++) {
        jzx_actor_id id = 0;
        jzx_err err = jzx_whereis(play->runtime, books_name(i), &id);
        JZX_SIM_REQUIRE(play->sim, err == JZX_ERR_NOT_FOUND || (err == JZX_OK && id != player->id));
    }
}

/* The exit info that a DOWN must carry is the one the fini of the target saw. */
static bool exit_true(const sim_player *target, const jzx_exit_info *exit)
{
    const sim_play *play = target->play;
    switch ((jzx_exit_kind)exit->kind) {
    case JZX_EXIT_NO_ACTOR:
        if (target->life == LIFE_ENDED && exit->uptime_ns != 0) {
            return memcmp(exit, &target->exit, sizeof *exit) == 0; /* it ended so, by a link */
        }
        return target->life == LIFE_ENDED || target->life == LIFE_STILLBORN;
    case JZX_EXIT_LOOP_CLOSED:
        if (target->life == LIFE_ENDED && exit->uptime_ns != 0) {
            return memcmp(exit, &target->exit, sizeof *exit) == 0; /* it ended with its loop */
        }
        return play->stopping || play->alone[target->loop];
    case JZX_EXIT_LIMIT:
        if (target->life == LIFE_ENDED && memcmp(exit, &target->exit, sizeof *exit) == 0) {
            return true;
        }
        return play->knobs->monitors_max != 0 || play->knobs->links_max != 0;
    case JZX_EXIT_INIT:
        return target->life == LIFE_STILLBORN;
    default:
        return target->life == LIFE_ENDED && memcmp(exit, &target->exit, sizeof *exit) == 0;
    }
}

void books_down(sim_player *watcher, const jzx_down *down)
{
    sim_play *play = watcher->play;
    open_monitor *found = NULL;
    for (uint32_t i = 0; i < OPEN_MAX; i++) {
        if (watcher->monitors[i].number == down->monitor) {
            found = &watcher->monitors[i];
        }
    }
    if (found == NULL || down->monitor == 0) {
        jzx_sim_fail(play->sim, "player %u got a DOWN of a monitor it has not", watcher->index);
        return;
    }
    const sim_player *target = &play->players[found->target];
    JZX_SIM_REQUIRE(play->sim, down->exit.id == target->id);
    if (!exit_true(target, &down->exit)) {
        jzx_sim_fail(play->sim, "DOWN of player %u says kind %u, its fini saw %u", target->index, down->exit.kind,
                     target->exit.kind);
    }
    if (down->exit.kind != JZX_EXIT_LIMIT && play->pair_open[target->index][watcher->index] != 0) {
        jzx_sim_fail(play->sim, "DOWN (kind %u) of player %u came to %u before %u messages that it had sent",
                     down->exit.kind, target->index, watcher->index, play->pair_open[target->index][watcher->index]);
    }
    if (down->exit.kind != JZX_EXIT_LIMIT) {
        books_nameless(target);
    }
    found->number = 0;
}

void books_link(sim_player *player, const sim_player *target)
{
    player->linked[target->index] = true;
    player->has_linked[target->index] = true;
    player->exits[target->index]++;
}

void books_exit(sim_player *player, const jzx_exit *exit)
{
    sim_play *play = player->play;
    sim_player *from = NULL;
    for (uint32_t i = 0; i < play->player_count; i++) {
        from = play->players[i].id == exit->from ? &play->players[i] : from;
    }
    if (from == NULL || (player->exits[from->index] == 0 && !from->has_linked[player->index])) {
        jzx_sim_fail(play->sim, "player %u got an EXIT of one it is not linked to", player->index);
        return;
    }
    JZX_SIM_REQUIRE(play->sim, player->traps && exit->exit.id == from->id);
    if (!exit_true(from, &exit->exit)) {
        jzx_sim_fail(play->sim, "EXIT of player %u says kind %u, its fini saw %u", from->index, exit->exit.kind,
                     from->exit.kind);
    }
    bool end = exit->exit.uptime_ns != 0; /* or that there is none */
    if (end && player->told[from->index]) {
        jzx_sim_fail(play->sim, "player %u is told a second time of the end of %u", player->index, from->index);
    }
    player->told[from->index] |= end;
    bool refused = exit->exit.kind == JZX_EXIT_LIMIT && !end;
    if (!refused && play->pair_open[from->index][player->index] != 0) {
        jzx_sim_fail(play->sim, "EXIT of player %u came to %u before %u messages that it had sent", from->index,
                     player->index, play->pair_open[from->index][player->index]);
    }
    if (!refused) {
        books_nameless(from);
    }
    player->linked[from->index] = false;
    player->exits[from->index] -= player->exits[from->index] != 0;
}

/* ---- what is still to come ---- */

static const char *link_open(const sim_player *player)
{
    const sim_play *play = player->play;
    for (uint32_t i = 0; i < play->player_count; i++) {
        const sim_player *other = &play->players[i];
        bool over = other->life == LIFE_ENDED || other->life == LIFE_STILLBORN;
        if (!player->linked[i] || !over || other->has_unlinked[player->index]) {
            continue;
        }
        if (player->traps) {
            return "an EXIT";
        }
        if (other->life == LIFE_STILLBORN || other->exit.kind != JZX_EXIT_NORMAL) {
            return "an end by a link";
        }
    }
    return NULL;
}

static const char *player_open(const sim_player *player)
{
    const sim_play *play = player->play;
    if (player->life == LIFE_ASKED) {
        bool told = player->asker < PLAYERS && play->players[player->asker].life == LIFE_ALIVE;
        return told ? "a spawn" : NULL; /* else nobody hears whether it was refused */
    }
    if (player->life != LIFE_ALIVE) {
        return NULL;
    }
    if (player->ticks > 0) {
        return "a timer";
    }
    if (link_open(player) != NULL) {
        return link_open(player);
    }
    for (uint32_t i = 0; i < OPEN_MAX; i++) {
        uint8_t target = play->players[player->monitors[i].target].life;
        if (player->monitors[i].number != 0 && (target == LIFE_ENDED || target == LIFE_STILLBORN)) {
            return "a DOWN";
        }
        if (player->requests[i].ref != 0) {
            return "an answer";
        }
    }
    for (uint32_t i = 0; i < PLAYERS; i++) {
        if (player->waiting[i]) {
            return "a resume notice";
        }
    }
    if (player->watch >= 0 && play->written[player->watch] != play->read[player->watch]) {
        return "readiness";
    }
    return NULL;
}

const char *books_open(sim_play *play)
{
    static char text[64];
    for (uint32_t i = 0; i < play->stranger_count; i++) {
        if (!play->strangers[i].done) {
            return "a stranger";
        }
    }
    for (uint32_t i = 0; i < play->player_count; i++) {
        const char *what = player_open(&play->players[i]);
        if (what != NULL) {
            (void)snprintf(text, sizeof text, "%s of player %u", what, i);
            return text;
        }
    }
    if (flows_open(play) != NULL) {
        return flows_open(play);
    }
    if (play->mail_open != 0) {
        (void)snprintf(text, sizeof text, "%u messages", play->mail_open);
        return text;
    }
    return NULL;
}

/* ---- while nobody runs ---- */

static bool sleeps(const sim_play *play, const sim_driven *driven)
{
    return sim_ring_asleep(play->sim, driven->index) || driven->host_asleep;
}

/* A host that calls run_once when it likes: a stop waits for it. */
static bool host_is_away(const sim_play *play)
{
    for (uint32_t i = 0; i < play->loop_count; i++) {
        const sim_driven *driven = &play->loops[i];
        if (driven->drive == DRIVE_ONCE && !driven->ended && !sim_ring_asleep(play->sim, i)) {
            return true;
        }
    }
    return false;
}

static const uint64_t LATE_NS = 10000000;

/* A loop that sleeps with something to do has lost its wake-up. */
static const char *slept_on(const sim_play *play, const sim_driven *driven)
{
    const jzx_loop *loop = driven->loop;
    if (!sim_ring_quiet(play->sim, driven->index)) {
        return "its ring holds something";
    }
    if (jzx__loop_incoming_mail(loop)) {
        return "mail waits";
    }
    bool stop = jzx__stop_pending(loop);
    if (stop && !host_is_away(play)) {
        return "a stop waits";
    }
    if (!stop && jzx__loop_incoming(loop)) {
        return "lane room waits";
    }
    if (!jzx__runs_empty(&loop->runs)) {
        return "an actor is to run";
    }
    if (loop->owed_count > 0) {
        return "it owes a doorbell";
    }
    for (uint32_t i = 0; i < play->loop_count; i++) {
        if (i != driven->index && loop->lanes_out[i]->open_count > 0) {
            return "cells are not published";
        }
    }
    /* The ring's timeout counts from its enter, and time passes between that and the reading of the clock. */
    bool late = jzx__add_saturating(jzx__deadlines_next_ns(&loop->deadlines), LATE_NS) < jzx_sim_now_ns(play->sim);
    return late ? "a deadline has passed" : NULL;
}

void books_idle(void *context)
{
    sim_play *play = context;
    for (uint32_t i = 0; i < play->loop_count; i++) {
        const jzx_loop *loop = play->loops[i].loop;
        bool minds = loop->owed_count > 0 || loop->failed != JZX_OK || !sim_ring_quiet(play->sim, i);
        if (!sleeps(play, &play->loops[i]) && minds) {
            return; /* it looks again, with a doorbell, an error or a completion on its mind */
        }
    }
    for (uint32_t i = 0; i < play->loop_count; i++) {
        const sim_driven *driven = &play->loops[i];
        const char *what = sleeps(play, driven) ? slept_on(play, driven) : NULL;
        if (what != NULL) {
            jzx_sim_fail(play->sim, "loop %u sleeps and %s, at %llu ns", i, what,
                         (unsigned long long)jzx_sim_now_ns(play->sim));
            return;
        }
    }
}

/* ---- at rest ---- */

static void check_lane(sim_play *play, const jzx__lane *lane)
{
    uint32_t home = lane->free_count + (lane->open != NULL) + ck_ring_size(&lane->back);
    JZX_SIM_REQUIRE(play->sim, lane->open_count == 0 && lane->overflow.first == NULL);
    JZX_SIM_REQUIRE(play->sim, lane->cells_published == lane->cells_taken);
    JZX_SIM_REQUIRE(play->sim, home == lane->block_count); /* L2 */
}

static bool has_link(const jzx_loop *loop, jzx_actor_id owner, jzx_actor_id partner)
{
    uint32_t index = jzx__slot_find(&loop->slots, owner);
    const jzx__resource *resource = index == JZX__SLOT_NONE ? NULL : jzx__slot_cold(&loop->slots, index)->owned;
    for (; resource != NULL; resource = resource->next) {
        if (resource->kind == JZX__RESOURCE_LINK && ((const jzx__link *)resource)->partner == partner) {
            return true;
        }
    }
    return false;
}

/* Each side of a link has the other, and nothing is left of those that are undone (K1). */
static void check_links(sim_play *play, const jzx_loop *loop)
{
    uint32_t links = 0;
    for (uint32_t i = 0; i < play->player_count * play->player_count; i++) {
        const sim_player *one = &play->players[i / play->player_count];
        const sim_player *other = &play->players[i % play->player_count];
        if (one->life == LIFE_ALIVE && one->loop == loop->index && has_link(loop, one->id, other->id)) {
            links++;
            JZX_SIM_REQUIRE(play->sim, has_link(play->loops[other->loop].loop, other->id, one->id));
        }
    }
    JZX_SIM_REQUIRE(play->sim, loop->links.used == links);
}

static void check_loop(sim_play *play, const jzx_loop *loop)
{
    check_links(play, loop);
    uint32_t live = 0;
    uint32_t monitors = 0;
    uint32_t suffered = 0;
    uint32_t names = 0;
    uint32_t annexes = 0;
    for (uint32_t i = 0; i < NAMES; i++) {
        names += play->holders[i] != NULL && play->holders[i]->loop == loop->index;
    }
    for (uint32_t i = 0; i < play->player_count; i++) {
        const sim_player *player = &play->players[i];
        bool here = player->life == LIFE_ALIVE && player->loop == loop->index;
        live += here;
        annexes += here && jzx__annex_of(loop, jzx__id_index(player->id)) != NULL;
        for (uint32_t k = 0; k < OPEN_MAX && player->life == LIFE_ALIVE; k++) {
            if (player->monitors[k].number != 0) {
                monitors += here;
                suffered += play->players[player->monitors[k].target].loop == loop->index;
            }
        }
    }
    JZX_SIM_REQUIRE(play->sim, loop->slots.live == live);
    JZX_SIM_REQUIRE(play->sim, loop->monitors.used == monitors);
    JZX_SIM_REQUIRE(play->sim, loop->names.used == names);
    JZX_SIM_REQUIRE(play->sim, loop->annexes.used == annexes);
    JZX_SIM_REQUIRE(play->sim, loop->suffered.used == suffered);
    JZX_SIM_REQUIRE(play->sim, loop->resumes.used == 0 && loop->resume_waits.used == 0);
    JZX_SIM_REQUIRE(play->sim, loop->timers.used == 0 && loop->requests_timed == 0);
    JZX_SIM_REQUIRE(play->sim, loop->pool.free_count == loop->pool.count);
    JZX_SIM_REQUIRE(play->sim, atomic_load(&loop->pool.low) == 0);
    for (uint32_t i = 0; i < loop->slots.fresh; i++) {
        JZX_SIM_REQUIRE(play->sim, atomic_load(&loop->slots.full[i]) == 0); /* every mailbox is empty */
    }
}

void books_rest(sim_play *play)
{
    flows_rest(play);
    for (uint32_t i = 0; i < play->loop_count; i++) {
        check_loop(play, play->loops[i].loop);
        for (uint32_t k = 0; k < play->loop_count; k++) {
            if (i != k) {
                check_lane(play, play->loops[i].loop->lanes_out[k]);
            }
        }
    }
}

/* ---- at the very end ---- */

static bool by_loop_that_never_ran(const sim_play *play, const sim_mail *mail)
{
    bool from_ran = mail->from >= PLAYERS || play->loops[play->players[mail->from].loop].turned;
    return !from_ran || !play->loops[play->players[mail->to].loop].turned;
}

void books_close(sim_play *play)
{
    for (uint32_t i = 0; i < play->player_count; i++) {
        const sim_player *player = &play->players[i];
        if (player->life == LIFE_ALIVE) {
            jzx_sim_fail(play->sim, "player %u never had its fini", i);
        }
    }
    for (uint32_t i = 0; i < play->mail_count; i++) {
        const sim_mail *mail = &play->mails[i];
        if (mail->fate == FATE_OUT && !mail->pointer && by_loop_that_never_ran(play, mail)) {
            continue; /* left in a lane, and there is nothing to destroy */
        }
        if (mail->fate == FATE_OUT || mail->fate == FATE_DEAD) {
            jzx_sim_fail(play->sim, "mail %u from %u to %u met no fate: %u", i, mail->from, mail->to, mail->fate);
        }
    }
    if (play->starts != play->stops) {
        jzx_sim_fail(play->sim, "observers saw %llu starts and %llu stops", (unsigned long long)play->starts,
                     (unsigned long long)play->stops);
    }
}
