/*
 * wait: actors that call each other exclusively, and not, and hand on what they are asked, in drawn graphs on 1 to 4 loops,
 * with noise that fills lanes and mailboxes, deadlines, cancels and deaths. Books are kept of each call and wait, so that it
 * can be said at each handler whether it may run, at each DEADLOCK whether there is a circle, and at the end that nobody
 * waits and that all cells are free again.
 *
 * That a circle is told if and only if there is one is gone into by wait_model.c; here the library is held to it.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/sim/lot.h"
#include "tests/sim/seeds.h"

enum {
    LOOP_CELLS = 4096,
    PLAYERS = 9,
    LOOPS = 4,
    SCRIPTS = 14,
    OPS = 3,
    CALLS = 96,
    KICKS = 12,
    DEPTH = JZX_WAITS_MAX,
    LANE_CELLS_MOST = 20000
};
enum { TAG_KICK = 1, TAG_ASK, TAG_NOISE, TAG_ANSWER };
static const uint64_t MS = 1000000;

typedef enum op_kind { OP_WAIT, OP_CALL, OP_FORK, OP_HAND } op_kind;

typedef struct op {
    uint8_t kind;
    uint8_t to;
    uint8_t script;
} op;

typedef struct script {
    uint32_t count;
    op ops[OPS];
} script;

typedef struct play play;
typedef struct player player;

/* A call, and the handler of its request. */
typedef struct book {
    play *play;
    struct book *parent; /* whose handler made it; NULL: a kick */
    player *from;
    player *to;         /* who has it, or will */
    uint32_t holders;   /* all who had it, a bit each */
    struct book *chain; /* the first call of it */
    uint8_t kind;
    uint8_t script;
    uint32_t pc;
    uint64_t call; /* named so by its caller */
    uint64_t ref;  /* and by its target */
    bool made;
    bool taken;
    bool answered;
    bool vain; /* it was cancelled before that */
    bool ended;
    bool broken; /* it may end without an answer: it has a deadline, or is cancelled, or somebody dies */
    jzx_err err;
} book;

struct player {
    play *play;
    jzx_actor_id id;
    uint32_t index;
    bool ended;
    uint32_t depth;
    book *waits[DEPTH];
};

struct play {
    jzx_sim *sim;
    jzx_runtime *runtime;
    jzx_loop *loops[LOOPS];
    uint32_t loop_count;
    uint32_t player_count;
    player players[PLAYERS];
    uint32_t script_count;
    script scripts[SCRIPTS];
    uint32_t book_count;
    book books[CALLS];
    uint32_t noise;  /* messages in a row, at most */
    uint32_t breaks; /* of 1,024: calls that have a deadline, and handlers that cancel something */
    uint32_t kills;
    bool hands;  /* requests are handed on */
    bool drops;  /* some mailboxes drop what they have no room for */
    bool opened; /* a circle may have been opened in another way than by telling: while its end was on its way, too */
    bool pure;   /* all calls are exclusive: then nobody is free and does not answer */
};

static void require(const player *p, bool fact, const char *what)
{
    if (!fact) {
        jzx_sim_fail(p->play->sim, "player %u: %s", p->index, what);
    }
}

static player *player_of(play *p, jzx_actor_id id)
{
    for (uint32_t i = 0; i < p->player_count; i++) {
        if (p->players[i].id == id) {
            return &p->players[i];
        }
    }
    jzx_sim_fail(p->sim, "an id that is nobody's");
    return NULL;
}

/* ---- circles ---- */

static const book *top_of(const player *p)
{
    return p->depth == 0 ? NULL : p->waits[p->depth - 1];
}

/* Does this call keep its caller waiting until the target, who waits for a call of `chain`, has done so? */
static bool is_held(const book *call, const book *chain)
{
    return !call->answered && (call->taken || call->chain != chain);
}

/* A refusal is told in the handler that it is for, so all of the circle is there: it was closed by this call. */
static void check_refusal(player *self, const book *call, const jzx_cycle *cycle)
{
    require(self, cycle->length == cycle->listed || cycle->listed == JZX_CYCLE_MAX, "a circle that is listed in part");
    require(self, cycle->length >= 2 && cycle->ids[0] == self->id, "a circle without who closed it");
    const book *edge = call;
    for (uint32_t i = 1; i < cycle->listed; i++) {
        const player *at = player_of(self->play, cycle->ids[i]);
        const book *next = top_of(at);
        require(self, edge->to == at, "a circle with a gap");
        require(self, next != NULL && is_held(edge, next->chain), "a circle through one that can go on");
        edge = next;
    }
    if (cycle->length == cycle->listed) {
        require(self, edge->to == self && is_held(edge, call->chain), "a circle that is open");
    }
}

/* Was this call waited for when its circle was told? When that is handled what others asked for its sake is being cancelled. */
static bool is_open(const book *b)
{
    return !b->ended || b->err == JZX_ERR_CANCELLED || b->err == JZX_ERR_DEADLOCK || b->play->opened;
}

static bool held_lately(const player *from, const player *to)
{
    const play *p = from->play;
    for (uint32_t i = 0; i < p->book_count; i++) {
        const book *b = &p->books[i];
        if (b->made && b->kind == OP_WAIT && b->from == from && (b->holders & 1u << to->index) != 0 && is_open(b)) {
            return true;
        }
    }
    return false;
}

static void check_deadlock(player *self, const book *call, const jzx_cycle *cycle)
{
    require(self, cycle->ids[0] == self->id && cycle->length >= 1, "told of a circle of others");
    require(self, cycle->length == cycle->listed || cycle->listed == JZX_CYCLE_MAX, "a circle that is listed in part");
    require(self, !call->answered || call->vain || self->play->opened, "told, and answered");
    for (uint32_t i = 1; i < cycle->listed; i++) {
        require(self, cycle->ids[i] < self->id, "not the largest is told");
        require(self, held_lately(player_of(self->play, cycle->ids[i - 1]), player_of(self->play, cycle->ids[i])),
                "a circle of some that did not wait");
    }
}

/* ---- handlers ---- */

static void go_on(jzx_context *context, book *frame);

static void make_noise(jzx_context *context, const player *self)
{
    play *p = self->play;
    const player *to = &p->players[sim_below(p->sim, p->player_count)];
    jzx_message message = jzx_message_empty(TAG_NOISE);
    for (uint32_t i = sim_below(p->sim, p->noise + 1); i > 0; i--) {
        (void)jzx_send(context, to->id, &message);
    }
}

/* Gives up one of its calls that nobody waits for exclusively: those are given up with what they are made for. */
static void cancel_some(jzx_context *context, const player *self)
{
    play *p = self->play;
    book *b = p->book_count == 0 ? NULL : &p->books[sim_below(p->sim, p->book_count)];
    if (b != NULL && b->made && !b->ended && b->from == self && b->kind != OP_WAIT &&
        jzx_call_cancel(context, b->call) == JZX_OK) {
        p->opened = true;
        for (uint32_t i = 0; i < p->book_count; i++) {
            p->books[i].broken |= p->books[i].chain == b->chain;
        }
    }
}

static jzx_behavior_result has_ended(jzx_context *context, void *state, void *argument, const jzx_result *result)
{
    book *b = argument;
    player *self = state;
    require(self, b->from == self && b->made && !b->ended, "the end of a call that is not open");
    require(self, result->ref == b->call, "the end of another call");
    require(self, (result->err == JZX_OK) == (result->message != NULL), "an end that says two things");
    require(self, result->err != JZX_OK || b->answered, "an answer that nobody gave");
    b->ended = true;
    b->err = result->err;
    if (self->depth > 0) {
        require(self, top_of(self) == b, "a continuation while it waits for another call");
        self->depth--;
    } else {
        require(self, b->kind != OP_WAIT, "the end of a wait that is not there");
    }
    if (result->err == JZX_ERR_DEADLOCK) {
        require(self, b->kind == OP_WAIT, "a DEADLOCK of a call that waits for nobody");
        check_deadlock(self, b, result->cycle);
    }
    make_noise(context, self);
    if (b->kind != OP_FORK) {
        go_on(context, b->parent);
    }
    return JZX_BEHAVIOR_OK;
}

static void make_call(jzx_context *context, book *frame, const op *what)
{
    play *p = frame->play;
    player *self = frame->to;
    book *b = &p->books[p->book_count++];
    *b = (book){.play = p, .parent = frame, .from = self, .to = &p->players[what->to], .script = what->script};
    b->kind = what->kind;
    b->holders = 1u << what->to;
    b->chain = frame->parent == NULL ? b : frame->chain;
    jzx_call_options options;
    jzx_cycle cycle;
    jzx_call_options_init(&options);
    options.on_answer = has_ended;
    options.argument = b;
    options.exclusive = b->kind == OP_WAIT;
    options.high = sim_chance(p->sim, 300);
    options.cycle = &cycle;
    if (sim_chance(p->sim, p->breaks)) {
        options.deadline_ns = jzx_clock_ns(context) + jzx_sim_between(p->sim, 1, MS / 2);
        b->broken = true;
    }
    jzx_message message = jzx_message_value(TAG_ASK, &b, sizeof(book *));
    jzx_err err = jzx_call_with(context, b->to->id, &message, &options, &b->call);
    if (err == JZX_OK) {
        b->made = true;
        if (b->kind == OP_WAIT) {
            require(self, self->depth < DEPTH, "more waits than there may be");
            self->waits[self->depth++] = b;
        }
    } else if (err == JZX_ERR_DEADLOCK) {
        check_refusal(self, b, &cycle);
    }
}

/* Another does the rest. False: it is still to be done here. */
static bool hand_on(jzx_context *context, book *frame, const op *what)
{
    const book before = *frame;
    jzx_message message = jzx_message_value(TAG_ASK, &frame, sizeof(book *));
    frame->to = &frame->play->players[what->to];
    frame->holders |= 1u << what->to;
    frame->script = what->script;
    frame->pc = 0;
    frame->taken = false;
    jzx_err err = jzx_delegate(context, before.ref, frame->to->id, &message);
    if (err == JZX_OK) {
        return true;
    }
    *frame = before;
    frame->answered = err == JZX_ERR_CANCELLED || err == JZX_ERR_TIMEOUT; /* by the runtime */
    frame->vain = frame->answered;
    return frame->answered;
}

/* A handler makes its calls one after the other, and then answers. */
static void go_on(jzx_context *context, book *frame)
{
    play *p = frame->play;
    const script *s = &p->scripts[frame->script];
    while (frame->pc < s->count) {
        const op *what = &s->ops[frame->pc++];
        if (what->kind == OP_HAND && frame->parent != NULL && hand_on(context, frame, what)) {
            return;
        }
        if (what->kind == OP_HAND || p->book_count == CALLS) {
            continue;
        }
        book *made = &p->books[p->book_count];
        make_call(context, frame, what);
        if (made->made && what->kind != OP_FORK) {
            return;
        }
    }
    if (frame->parent != NULL) {
        jzx_message answer = jzx_message_empty(TAG_ANSWER);
        frame->answered = true;
        frame->vain = jzx_cancelled(context);
        (void)jzx_answer(context, frame->ref, &answer);
    }
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    player *self = state;
    const book *top = top_of(self);
    book *b = NULL;
    if (message->tag == TAG_ASK) {
        memcpy(&b, message->bytes, sizeof(book *));
        require(self, b->to == self && !b->taken, "a request that is another's, or comes again");
        b->taken = true;
        b->ref = message->ref;
    }
    require(self, top == NULL || (b != NULL && b->chain == top->chain), "a handler that runs while its actor waits");
    if (message->tag == TAG_KICK) {
        memcpy(&b, message->bytes, sizeof(book *));
    }
    if (b == NULL) {
        cancel_some(context, self);
        return JZX_BEHAVIOR_OK;
    }
    make_noise(context, self);
    go_on(context, b);
    return JZX_BEHAVIOR_OK;
}

static void on_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    player *self = state;
    (void)context;
    (void)info;
    self->ended = true;
    self->depth = 0;
}

/* ---- the play ---- */

static void draw_ring(play *p)
{
    uint32_t members = sim_between(p->sim, 2, p->player_count);
    p->script_count = p->player_count + 1;
    for (uint32_t i = 0; i < p->player_count; i++) {
        uint32_t next = i < members ? (i + 1) % members : sim_below(p->sim, i);
        script *s = &p->scripts[i];
        s->count = sim_between(p->sim, 1, 2);
        for (uint32_t j = 0; j < 2; j++) {
            s->ops[j] = (op){OP_WAIT, (uint8_t)next, (uint8_t)p->player_count};
        }
        if (p->hands && p->script_count < SCRIPTS) { /* by way of another */
            s->ops[0] = (op){OP_WAIT, (uint8_t)sim_below(p->sim, p->player_count), (uint8_t)p->script_count};
            p->scripts[p->script_count++] = (script){1, {{OP_HAND, (uint8_t)next, (uint8_t)p->player_count}}};
        }
    }
}

static void draw_scripts(play *p)
{
    uint32_t forks = sim_chance(p->sim, 256);
    p->script_count = sim_between(p->sim, 2, SCRIPTS);
    for (uint32_t i = 0; i + 1 < p->script_count; i++) {
        script *s = &p->scripts[i];
        s->count = sim_between(p->sim, 0, OPS);
        for (uint32_t j = 0; j < s->count; j++) {
            uint32_t kind = sim_below(p->sim, 20);
            s->ops[j].kind = kind < 14 || p->pure ? OP_WAIT : kind < 18 || !forks ? OP_CALL : OP_FORK;
            s->ops[j].kind = p->hands && sim_chance(p->sim, 256) ? OP_HAND : s->ops[j].kind;
            s->ops[j].to = (uint8_t)sim_below(p->sim, p->player_count);
            s->ops[j].script = (uint8_t)sim_between(p->sim, i + 1, p->script_count - 1);
        }
    }
}

static void set_up(play *p)
{
    jzx_config config;
    jzx_config_init(&config);
    config.lane_blocks = 2;
    config.inbox_size = 16;
    config.cells = LOOP_CELLS;
    config.mailbox_cap = sim_between(p->sim, 1, 400);
    config.actors_max = 64;
    config.annexes_max = sim_chance(p->sim, 100) ? 2 : 64;
    config.loops_max = LOOPS;
    JZX_SIM_REQUIRE(p->sim, jzx_runtime_create(&config, &p->runtime) == JZX_OK);
    p->loop_count = sim_between(p->sim, 1, LOOPS);
    for (uint32_t i = 0; i < p->loop_count; i++) {
        JZX_SIM_REQUIRE(p->sim, jzx_loop_create(p->runtime, NULL, &p->loops[i]) == JZX_OK);
    }
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = behave;
    options.fini = on_fini;
    for (uint32_t i = 0; i < p->player_count; i++) {
        player *one = &p->players[i];
        *one = (player){.play = p, .index = i};
        options.argument = one;
        options.mailbox_policy = p->drops ? (uint8_t)sim_between(p->sim, 0, 2) : JZX_MAILBOX_REFUSE;
        jzx_loop *loop = p->loops[sim_below(p->sim, p->loop_count)];
        JZX_SIM_REQUIRE(p->sim, jzx_spawn(jzx_loop_context(loop), &options, &one->id) == JZX_OK);
    }
}

static void kick(play *p, uint32_t to, uint32_t number)
{
    book *b = &p->books[p->book_count++];
    *b = (book){.play = p, .to = &p->players[to], .script = (uint8_t)number};
    jzx_message message = jzx_message_value(TAG_KICK, &b, sizeof(book *));
    uint32_t loop = (uint32_t)(b->to->id >> 56);
    (void)jzx_send(jzx_loop_context(p->loops[loop]), b->to->id, &message); /* a queue of one takes one */
}

static void kick_all(play *p, bool ring)
{
    if (ring) {
        for (uint32_t i = 0; i < p->player_count; i++) {
            kick(p, i, i);
        }
        return;
    }
    for (uint32_t i = sim_between(p->sim, 1, KICKS); i > 0; i--) {
        uint32_t who = sim_below(p->sim, p->player_count);
        kick(p, who, sim_below(p->sim, p->script_count));
    }
}

static void kill_some(play *p)
{
    for (uint32_t i = 0; i < p->kills; i++) {
        const player *one = &p->players[sim_below(p->sim, p->player_count)];
        (void)jzx_sim_advance(p->sim, jzx_sim_between(p->sim, 0, MS / 5));
        for (uint32_t b = 0; b < p->book_count; b++) {
            p->books[b].broken = true;
        }
        (void)jzx_sim_kill(p->sim, p->runtime, one->id);
    }
}

/* Does it wait, directly or through others, for one that waits for nobody? That one may answer when it likes. */
static bool waits_for_a_free_one(const player *one)
{
    const play *p = one->play;
    for (uint32_t i = 0; i < p->player_count && one->depth > 0; i++) {
        one = top_of(one)->to;
    }
    return one->depth == 0 && !p->pure;
}

/* Probes end by themselves: beside calls and noise there is little in the lanes. */
static void check_traffic(const play *p)
{
    uint64_t sent = 0;
    for (uint32_t i = 0; i < p->loop_count; i++) {
        jzx_counters counters;
        JZX_SIM_REQUIRE(p->sim, jzx_loop_stats(p->loops[i], &counters) == JZX_OK);
        sent += counters.lane_sent;
    }
    JZX_SIM_REQUIRE(p->sim, sent < LANE_CELLS_MOST);
}

static void check_end(play *p)
{
    check_traffic(p);
    bool stuck = false;
    for (uint32_t i = 0; i < p->player_count; i++) {
        const player *one = &p->players[i];
        stuck |= one->depth > 0;
        require(one, one->depth == 0 || waits_for_a_free_one(one), "waits for ever");
    }
    for (uint32_t i = 0; i < p->book_count; i++) {
        const book *b = &p->books[i];
        if (b->made && !b->from->ended) {
            require(b->from, b->ended || stuck, "a call has no end");
            bool good = !b->ended || b->err == JZX_OK || b->err == JZX_ERR_DEADLOCK || b->err == JZX_ERR_CANCELLED ||
                        b->err == JZX_ERR_MAILBOX_FULL || b->broken || p->kills > 0 || p->breaks > 0;
            require(b->from, good, "a call has ended as it should not");
        }
    }
    for (uint32_t i = 0; i < p->loop_count && !stuck; i++) {
        jzx_counters counters;
        JZX_SIM_REQUIRE(p->sim, jzx_loop_stats(p->loops[i], &counters) == JZX_OK);
        JZX_SIM_REQUIRE(p->sim, counters.cells_free == LOOP_CELLS);
    }
}

static void waits(jzx_sim *sim, void *argument)
{
    static play whole;
    play *p = &whole;
    (void)argument;
    memset(p, 0, sizeof *p);
    p->sim = sim;
    sim_lot(sim);
    p->player_count = (uint32_t)jzx_sim_size(sim, "players", 2, PLAYERS);
    p->noise = sim_chance(sim, 300) ? sim_below(sim, 60) : sim_below(sim, 2);
    p->breaks = sim_chance(sim, 512) ? 0 : sim_below(sim, 200);
    p->drops = sim_chance(sim, 200);
    p->pure = sim_chance(sim, 600);
    p->hands = sim_chance(sim, 512);
    p->kills = sim_chance(sim, 700) ? 0 : sim_below(sim, 4);
    p->opened = p->drops || p->breaks > 0 || p->kills > 0;
    set_up(p);
    bool ring = sim_chance(sim, 350);
    if (ring) {
        draw_ring(p);
    } else {
        draw_scripts(p);
    }
    kick_all(p, ring);
    for (uint32_t i = 0; i < p->loop_count; i++) {
        JZX_SIM_REQUIRE(sim, jzx_loop_start(p->loops[i]) == JZX_OK);
    }
    kill_some(p);
    JZX_SIM_REQUIRE(sim, jzx_sim_advance(sim, 1000 * MS) == JZX_OK);
    check_end(p);
    JZX_SIM_REQUIRE(sim, jzx_runtime_shutdown(p->runtime, 100000 * MS, NULL) == JZX_OK);
    JZX_SIM_REQUIRE(sim, jzx_runtime_destroy(p->runtime) == JZX_OK);
}

Test(wait, nobody_waits_for_ever_and_only_circles_are_told, .timeout = 600)
{
    seeds_play("wait", waits);
}
