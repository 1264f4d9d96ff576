/*
 * whole: everything at once, by lot. On one to four loops: a tree of supervisors whose workers talk, ask, watch and link to
 * one another, take names, start timers, send errands to other loops and fail; a server with clients; descriptors that are
 * watched; threads that post; loops that a host drives. The config is as scarce as the seed says, and each kind of fault
 * happens in some seeds.
 *
 * Two phases. In the first there are faults and trouble. Then the machine is healed and nobody makes trouble any more: within
 * a bounded time each permanent child runs, each DOWN is told, each client served, and nothing that was fed is unread. In
 * some seeds a loop is stopped alone, or the whole is stopped in the middle of the first phase. What must hold all the same:
 * the stand's books; order for each pair; one answer for each request; no timer early; memory within the footprint.
 */
#include "tests/swarm/whole.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/machine.h"
#include "tests/swarm/clients.h"
#include "tests/swarm/script.h"

enum {
    TICK = 1,
    SAY,
    ASK,
    REPLY,
    ALARM,
    END,
    GROUPS_MAX = 3,
    WORKERS_MAX = 12,
    ERRANDS_MAX = 8,
    GUESTS = 4,
    FILES = 2,
    SENDERS = STAND_PARTS + 2, /* parts, and two threads */
    MONITORS = 6,
};
#define MS 1000000ull
static const uint64_t HEALING_NS = 300000000000ull;

/* What a worker has open, in one incarnation. */
typedef struct doings {
    uint32_t requests; /* that are not answered */
    uint64_t monitors[MONITORS];
    jzx_actor_id watched[MONITORS];
    jzx_timer_id alarm;
    jzx_child_ref self;
    bool traps;
} doings;

typedef struct whole {
    stand *s;
    uint32_t groups;
    uint32_t workers;
    part *worker[WORKERS_MAX];
    doings doing[STAND_PARTS];
    bool permanent[STAND_PARTS];
    part *errand[ERRANDS_MAX];
    bool errand_busy[ERRANDS_MAX];
    uint32_t sent[SENDERS][STAND_PARTS];
    uint32_t last[SENDERS][STAND_PARTS];      /* heard by the incarnation that lives */
    uint32_t last_life[SENDERS][STAND_PARTS]; /* from which of the sender's */
    clients *guests;
    int files[FILES];
    uint64_t fed[FILES];
    uint64_t got[FILES];
    uint64_t state_live; /* bytes */
    uint64_t footprint;
    bool poster_owned; /* the one that has an inbox of its own */
    bool calm;
    bool over;
    bool stopped_alone;
    bool planted;        /* the tree could be started */
    uint32_t loops_left; /* that have stopped */
} whole;

static whole *current;

static uint32_t below(uint32_t limit)
{
    return limit == 0 ? 0 : (uint32_t)jzx_sim_between(current->s->sim, 0, limit - 1);
}

static bool chance(uint32_t of_1024)
{
    return below(1024) < of_1024;
}

/* True for JZX_OK, false for what may be said to anybody at any time; else something injected must explain it. */
static bool fine(jzx_err err)
{
    switch ((int)err) {
    case JZX_ERR_NO_SUCH_ACTOR:
    case JZX_ERR_STOPPING:
    case JZX_ERR_MAILBOX_FULL:
    case JZX_ERR_WOULD_BLOCK:
    case JZX_ERR_LIMIT:
    case JZX_ERR_LOOP_CLOSED:
    case JZX_ERR_NAME_TAKEN:
    case JZX_ERR_NOT_FOUND:
    case JZX_ERR_NOT_RUNNING:
    case JZX_ERR_MAX_ACTORS:
    case JZX_ERR_ACTOR_NOT_LOCAL:
        return false;
    default:
        return stand_ok(current->s, err);
    }
}

/* ---- mail, in its order ---- */

/* Who sent it, in which life, and the how many-th to this one it is. */
static uint64_t stamp_of(uint32_t from, uint32_t life, uint32_t sequence)
{
    return (uint64_t)from << 56 | (uint64_t)(life & 0xFFFF) << 32 | sequence;
}

static void heard(part *self, uint64_t stamp)
{
    whole *w = current;
    uint32_t from = (uint32_t)(stamp >> 56);
    uint32_t life = (uint32_t)(stamp >> 32) & 0xFFFF;
    uint32_t sequence = (uint32_t)stamp;
    JZX_SIM_REQUIRE(w->s->sim, from < SENDERS);
    uint32_t *last = &w->last[from][self->index];
    if (w->last_life[from][self->index] == life && sequence <= *last) {
        jzx_sim_fail(w->s->sim, "part %u heard message %u of %u after message %u", self->index, sequence, from, *last);
    }
    w->last_life[from][self->index] = life;
    *last = sequence;
}

static jzx_message letter(uint32_t from, uint32_t life, const part *to, uint32_t tag)
{
    uint64_t stamp = stamp_of(from, life, current->sent[from][to->index] + 1);
    if (chance(512)) {
        return jzx_message_value(tag, &stamp, sizeof stamp);
    }
    return stand_payload(current->s, tag, stamp);
}

/* The offer was accepted or not. */
static bool settled(uint32_t from, const part *to, jzx_message *message, jzx_err err)
{
    if (fine(err)) {
        current->sent[from][to->index]++;
        return true;
    }
    if ((message->flags & JZX_MESSAGE_POINTER) != 0) {
        stand_unsent(current->s, message);
    }
    return false;
}

static uint64_t opened(const jzx_message *message)
{
    return (message->flags & JZX_MESSAGE_POINTER) != 0 ? stand_took(current->s, message) : message->words[0];
}

/* ---- what a worker does ---- */

static part *somebody(void)
{
    return current->worker[below(current->workers)];
}

static void name_of(const part *one, char *name, size_t size)
{
    (void)snprintf(name, size, "worker-%u", one->index);
}

static void say(part *self, jzx_context *context)
{
    part *to = somebody();
    char name[24];
    if (to->id == 0) {
        return;
    }
    uint32_t way = below(4);
    bool report = chance(300);
    jzx_message message = letter(self->index, self->inits, to, SAY);
    jzx_err err;
    name_of(to, name, sizeof name);
    if (way == 0) {
        err = jzx_send_name(context, name, &message);
    } else if (way == 1) {
        err = jzx_child_send(context, current->doing[to->index].self, &message);
    } else {
        err = jzx_send_with(context, to->id, &message, report ? JZX_SEND_REPORT : 0);
    }
    if (!settled(self->index, to, &message, err) && err == JZX_ERR_MAILBOX_FULL) {
        (void)fine(jzx_resume(context, to->id));
    }
}

static void ask(part *self, jzx_context *context)
{
    part *to = somebody();
    if (to->id == 0) {
        return;
    }
    uint64_t timeout_ns = chance(512) ? JZX_FOREVER : below(20) * MS;
    jzx_message message = letter(self->index, self->inits, to, ASK);
    jzx_err err = jzx_request(context, to->id, &message, timeout_ns, NULL);
    current->doing[self->index].requests += settled(self->index, to, &message, err);
}

static void watch_one(part *self, jzx_context *context)
{
    doings *d = &current->doing[self->index];
    part *to = somebody();
    uint32_t place = below(MONITORS);
    if (d->monitors[place] != 0) {
        JZX_SIM_REQUIRE(current->s->sim, jzx_demonitor(context, d->monitors[place]) == JZX_OK);
        d->monitors[place] = 0;
    } else if (to->id != 0 && fine(jzx_monitor(context, to->id, &d->monitors[place]))) {
        d->watched[place] = to->id;
    }
}

static void link_one(part *self, jzx_context *context)
{
    part *to = somebody();
    bool make = chance(512);
    if (to->id == 0 || !current->doing[self->index].traps) {
        return;
    }
    (void)fine(make ? jzx_link(context, to->id) : jzx_unlink(context, to->id));
}

static void take_name(part *self, jzx_context *context)
{
    static const char *const names[] = {"red", "green", "blue"};
    const char *name = names[below(3)];
    jzx_actor_id id;
    switch (below(3)) {
    case 0:
        (void)fine(jzx_register(context, name, self->id));
        break;
    case 1:
        (void)fine(jzx_unregister(context, name));
        break;
    default:
        (void)fine(jzx_whereis(current->s->runtime, name, &id));
        break;
    }
}

static void set_alarm(part *self, jzx_context *context)
{
    doings *d = &current->doing[self->index];
    uint64_t due_ns = jzx_clock_ns(context) + below(30) * MS;
    if (d->alarm != 0 && chance(512)) {
        jzx_message back;
        if (fine(jzx_timer_cancel(context, d->alarm, &back))) {
            stand_unsent(current->s, &back);
        }
        d->alarm = 0;
    } else if (d->alarm == 0) {
        jzx_message alarm = stand_payload(current->s, ALARM, due_ns);
        if (!fine(jzx_timer_at(context, due_ns, &alarm, &d->alarm))) {
            stand_unsent(current->s, &alarm);
        }
    }
}

static void end_somebody(part *self, jzx_context *context)
{
    part *to = chance(300) ? self : somebody();
    if (to->id == 0) {
        return;
    }
    switch (below(5)) {
    case 0:
        (void)fine(jzx_stop(context, to->id));
        break;
    case 1:
        (void)fine(jzx_drain(context, to->id));
        break;
    case 2:
        (void)fine(jzx_kill(context, to->id));
        break;
    case 3:
        (void)fine(jzx_stop_with(context, to->id, 9, "enough"));
        break;
    default:
        (void)fine(jzx_fail(context, to->id, 8, "failed on purpose"));
        break;
    }
}

/* ---- errands: actors of a short life on any loop ---- */

static jzx_behavior_result errand(part *self, jzx_context *context, const jzx_message *message)
{
    (void)self;
    (void)context;
    return message->tag == END ? JZX_BEHAVIOR_STOP : JZX_BEHAVIOR_OK;
}

static void errand_begins(part *self, jzx_context *context)
{
    jzx_message end = jzx_message_empty(END);
    (void)fine(jzx_timer_after(context, (1 + below(5)) * MS, &end, NULL));
    (void)self;
}

static void send_errand(part *self, jzx_context *context)
{
    uint32_t which = below(ERRANDS_MAX);
    part *one = current->errand[which];
    jzx_spawn_options options;
    if (current->errand_busy[which]) {
        return;
    }
    part_options(one, &options);
    options.placement = (uint8_t)(chance(512) ? JZX_PLACE_LOOP : JZX_PLACE_LEAST_LOADED);
    options.place_loop = below(current->s->loop_count);
    options.link = chance(200);
    if (fine(jzx_spawn_request(context, &options, NULL))) {
        current->doing[self->index].requests++;
        current->errand_busy[which] = true; /* and sent only once: its spawn may be on the way for long */
    }
}

static void errand_answered(doings *d, const jzx_message *message)
{
    const jzx_spawned *answer = jzx_message_data(message);
    (void)fine((jzx_err)answer->err);
    JZX_SIM_REQUIRE(current->s->sim, d->requests > 0);
    d->requests--;
}

static void act(part *self, jzx_context *context)
{
    static void (*const actions[])(part * self, jzx_context * context) = {
        say, say, say, say, ask, ask, watch_one, link_one, take_name, set_alarm, set_alarm, send_errand};
    if (chance(40)) {
        end_somebody(self, context);
    } else {
        actions[below(sizeof actions / sizeof actions[0])](self, context);
    }
}

static void tick_after(jzx_context *context, uint64_t delay_ns)
{
    jzx_message message = jzx_message_empty(TICK);
    (void)fine(jzx_timer_after(context, delay_ns, &message, NULL));
}

static jzx_behavior_result tick(part *self, jzx_context *context)
{
    if (current->calm) {
        return JZX_BEHAVIOR_OK;
    }
    for (uint32_t i = below(4); i > 0; i--) {
        act(self, context);
    }
    uint64_t pause_ns = below(10) * MS;
    tick_after(context, chance(512) ? pause_ns : pause_ns / 100);
    return chance(20) ? JZX_BEHAVIOR_FAIL : JZX_BEHAVIOR_OK;
}

/* ---- what a worker hears ---- */

static jzx_behavior_result asked(part *self, jzx_context *context, const jzx_message *message)
{
    heard(self, opened(message));
    if (chance(100)) {
        return JZX_BEHAVIOR_OK; /* kept open until it ends, or the deadline comes */
    }
    jzx_message reply = stand_payload(current->s, REPLY, 0);
    jzx_err err = jzx_answer(context, message->ref, &reply);
    if (err != JZX_OK) {
        stand_unsent(current->s, &reply);
        JZX_SIM_REQUIRE(current->s->sim, err == JZX_ERR_NO_SUCH_REQUEST);
    }
    return JZX_BEHAVIOR_OK;
}

static void told_down(doings *d, const jzx_down *down)
{
    for (uint32_t i = 0; i < MONITORS; i++) {
        if (d->monitors[i] == down->monitor && down->monitor != 0) {
            JZX_SIM_REQUIRE(current->s->sim, d->watched[i] == down->exit.id);
            d->monitors[i] = 0;
            return;
        }
    }
    jzx_sim_fail(current->s->sim, "a DOWN of a monitor that is none");
}

static jzx_behavior_result told_exit(const jzx_context *context, const jzx_exit *exit)
{
    return exit->from == jzx_supervisor_of(context) ? JZX_BEHAVIOR_STOP : JZX_BEHAVIOR_OK;
}

static void answered(doings *d)
{
    JZX_SIM_REQUIRE(current->s->sim, d->requests > 0);
    d->requests--;
}

static jzx_behavior_result work(part *self, jzx_context *context, const jzx_message *message)
{
    doings *d = &current->doing[self->index];
    switch (message->tag) {
    case TICK:
        return tick(self, context);
    case SAY:
        heard(self, opened(message));
        return JZX_BEHAVIOR_OK;
    case ASK:
        return asked(self, context, message);
    case REPLY:
        (void)stand_took(current->s, message);
        answered(d);
        return JZX_BEHAVIOR_OK;
    case ALARM:
        JZX_SIM_REQUIRE(current->s->sim, stand_took(current->s, message) <= jzx_sim_now_ns(current->s->sim));
        d->alarm = 0;
        return JZX_BEHAVIOR_OK;
    case JZX_TAG_SYS_NO_ANSWER:
        answered(d);
        return JZX_BEHAVIOR_OK;
    case JZX_TAG_SYS_SPAWNED:
        errand_answered(d, message);
        return JZX_BEHAVIOR_OK;
    case JZX_TAG_SYS_DOWN:
        told_down(d, jzx_message_data(message));
        return JZX_BEHAVIOR_OK;
    case JZX_TAG_SYS_EXIT:
        return told_exit(context, jzx_message_data(message));
    default:
        return JZX_BEHAVIOR_OK;
    }
}

static void work_begins(part *self, jzx_context *context)
{
    doings *d = &current->doing[self->index];
    memset(d, 0, sizeof *d);
    d->traps = self->c != 0;
    d->self = jzx_child_self(context);
    for (uint32_t i = 0; i < SENDERS; i++) {
        current->last[i][self->index] = 0;
        current->last_life[i][self->index] = UINT32_MAX;
    }
    if (!current->calm) {
        tick_after(context, below(5) * MS);
    }
}

/* ---- descriptors ---- */

static void reader_begins(part *self, jzx_context *context)
{
    if (!fine(jzx_watch(context, (int)self->a, JZX_IO_READ, &self->timer))) {
        part_retry(self, context, 5 * MS, TICK);
    }
}

static jzx_behavior_result read_file(part *self, jzx_context *context, const jzx_message *message)
{
    uint8_t bytes[64];
    ssize_t size;
    bool ended = false;
    if (message->tag == JZX_TAG_SYS_EXIT) {
        return JZX_BEHAVIOR_STOP;
    }
    if (message->tag == JZX_TAG_SYS_IO) {
        ended = ((const jzx_io_event *)jzx_message_data(message))->ended;
        while ((size = read((int)self->a, bytes, sizeof bytes)) > 0) {
            current->got[self->b] += (uint64_t)size;
        }
    }
    if (message->tag == TICK || ended) {
        reader_begins(self, context);
    }
    return !current->calm && chance(50) ? JZX_BEHAVIOR_FAIL : JZX_BEHAVIOR_OK;
}

/* ---- the tree ---- */

static void draw_backoff(jzx_backoff *backoff)
{
    if (chance(512)) {
        uint64_t initial_ns = (1 + below(10)) * MS;
        uint32_t jitter = below(1001);
        *backoff = (jzx_backoff){.kind = JZX_BACKOFF_EXPONENTIAL,
                                 .initial_ns = initial_ns,
                                 .max_ns = 200 * MS,
                                 .factor = 2,
                                 .jitter = jitter};
    }
}

static void draw_child(jzx_child_spec *child, part *one, char *name, size_t size)
{
    static const uint8_t rules[] = {JZX_PERMANENT, JZX_PERMANENT, JZX_PERMANENT, JZX_TRANSIENT, JZX_TEMPORARY};
    static const uint8_t places[] = {JZX_PLACE_LOOP, JZX_PLACE_LOOP, JZX_PLACE_LEAST_LOADED, JZX_PLACE_HERE};
    name_of(one, name, size);
    part_child(one, child, name, (jzx_restart)rules[below(5)]);
    child->placement = places[below(4)];
    child->place_loop = below(current->s->loop_count);
    child->register_name = chance(600);
    child->trap_exit = chance(400);
    uint64_t patience_ns = (1 + below(50)) * MS;
    child->shutdown_ns = chance(300) ? JZX_SHUTDOWN_BRUTAL : patience_ns;
    uint32_t cap = 1 + below(8);
    child->mailbox_cap = chance(300) ? cap : 0;
    child->mailbox_policy = (uint8_t)below(3);
    one->c = child->trap_exit;
    current->permanent[one->index] = child->restart == JZX_PERMANENT;
}

typedef struct group {
    jzx_supervisor_spec spec;
    jzx_child_spec children[WORKERS_MAX];
    char names[WORKERS_MAX][24];
} group;

static void make_group(group *g, uint32_t workers)
{
    memset(g, 0, sizeof *g);
    jzx_supervisor_spec_init(&g->spec);
    g->spec.children = g->children;
    g->spec.strategy = (uint8_t)below(3);
    g->spec.intensity = 1 + below(6);
    g->spec.period_ns = 100 * MS;
    draw_backoff(&g->spec.backoff);
    for (uint32_t i = 0; i < workers; i++) {
        part *one = stand_part(current->s, work);
        uint32_t place = g->spec.child_count++;
        one->begin = work_begins;
        current->worker[current->workers++] = one;
        draw_child(&g->children[place], one, g->names[place], sizeof g->names[place]);
    }
}

static void add_server(group *root)
{
    part *one = script_server(current->s, &root->children[root->spec.child_count++], NULL, 0);
    current->permanent[one->index] = true;
}

static void add_caller(group *root)
{
    stand *s = current->s;
    jzx_sim_peer *listener;
    JZX_SIM_REQUIRE(s->sim, echo_listen(s->sim, STAND_PORT + 1, &listener) == JZX_OK);
    uint32_t loop = below(s->loop_count);
    part *one = script_caller(s, &root->children[root->spec.child_count++], loop, STAND_PORT + 1);
    current->permanent[one->index] = true;
}

static void add_readers(group *root)
{
    for (uint32_t i = 0; i < FILES; i++) {
        if (jzx_sim_file_open(current->s->sim, &current->files[i]) != JZX_OK) {
            current->files[i] = -1;
            continue;
        }
        jzx_child_spec *child = &root->children[root->spec.child_count++];
        part *one = stand_part(current->s, read_file);
        one->begin = reader_begins;
        one->a = (uint64_t)current->files[i];
        one->b = i;
        part_child(one, child, NULL, JZX_PERMANENT);
        child->placement = JZX_PLACE_LOOP;
        child->place_loop = below(current->s->loop_count);
        current->permanent[one->index] = true;
    }
}

static void plant_tree(whole *w, uint32_t workers)
{
    static group root;
    static group groups[GROUPS_MAX];
    make_group(&root, 1 + below(3));
    root.spec.strategy = JZX_ONE_FOR_ONE;
    root.spec.intensity = JZX_INTENSITY_UNLIMITED;
    root.spec.backoff = (jzx_backoff){.kind = JZX_BACKOFF_CONSTANT, .initial_ns = 2 * MS};
    add_server(&root);
    add_caller(&root);
    add_readers(&root);
    for (uint32_t i = 0; i < w->groups; i++) {
        make_group(&groups[i], workers);
        jzx_child_spec *child = &root.children[root.spec.child_count++];
        jzx_child_spec_init(child);
        child->type = JZX_SUPERVISOR;
        child->supervisor = &groups[i].spec;
        child->placement = JZX_PLACE_LOOP;
        child->place_loop = below(w->s->loop_count);
    }
    jzx_loop *loop = stand_loop(w->s, below(w->s->loop_count));
    w->planted = fine(jzx_supervisor_start(jzx_loop_context(loop), &root.spec, NULL, NULL));
}

/* ---- the world around it ---- */

static void poster_main(void *argument)
{
    stand *s = argument;
    whole *w = current;
    jzx_poster *poster = NULL;
    bool own = !w->poster_owned;
    w->poster_owned = true;
    uint32_t from = STAND_PARTS + own;
    uint32_t posts = below(60);
    if (own && !fine(jzx_poster_create(s->runtime, 4u << below(3), &poster))) {
        posts = 0;
    }
    for (uint32_t i = 0; i < posts && !w->over; i++) {
        part *to = somebody();
        if (to->id != 0) {
            jzx_message message = letter(from, 0, to, SAY);
            jzx_err err = own ? jzx_poster_post(poster, to->id, &message) : jzx_post(s->runtime, to->id, &message);
            (void)settled(from, to, &message, err);
        }
        (void)jzx_sim_sleep(s->sim, below(3000000));
    }
    stand_thread_ends(s);
}

static void guests_main(void *argument)
{
    stand *s = argument;
    whole *w = current;
    while (!w->over) {
        (void)clients_look(w->guests);
        (void)jzx_sim_sleep(s->sim, w->calm ? 50 * MS : 5 * MS);
    }
    clients_leave(w->guests);
    stand_thread_ends(s);
}

static void feeder_main(void *argument)
{
    static const uint8_t bytes[300] = {7};
    stand *s = argument;
    whole *w = current;
    for (uint32_t round = 0; round < 10 && !w->over; round++) {
        uint32_t which = below(FILES);
        uint32_t size = 1 + below(sizeof bytes);
        if (w->files[which] >= 0 && jzx_sim_file_feed(s->sim, w->files[which], bytes, size) == JZX_OK) {
            w->fed[which] += size;
        }
        (void)jzx_sim_sleep(s->sim, below(20000000));
    }
    stand_thread_ends(s);
}

/* ---- set-up ---- */

static void *state_alloc(void *context, size_t size, size_t align)
{
    whole *w = context;
    jzx_allocator machine = jzx_sim_allocator(w->s->sim);
    void *memory = machine.alloc(machine.context, size, align);
    w->state_live += memory == NULL ? 0 : size;
    return memory;
}

static void state_free(void *context, void *memory, size_t size, size_t align)
{
    whole *w = context;
    jzx_allocator machine = jzx_sim_allocator(w->s->sim);
    w->state_live -= memory == NULL ? 0 : size;
    machine.free(machine.context, memory, size, align);
}

static void draw_limits(jzx_config *config)
{
    config->actors_max = 48 + below(64);
    config->lane_blocks = 2 + below(3);
    config->cells = 4096 + below(2000);
    config->inbox_size = 4u << below(4);
    config->mailbox_cap = 1 + below(64);
    config->timers_max = 40 + below(100);
    config->monitors_max = 8 + below(100);
    config->links_max = 32 + below(100);
    config->resumes_max = 4 + below(60);
    config->sockets_max = 4 + below(20);
    config->recv_buffers = 2u << below(4);
    config->send_chunks = 2 + below(16);
}

static void draw_pace(jzx_config *config)
{
    config->messages_per_actor = 1 + below(64);
    config->actors_per_turn = 1 + below(20);
    config->turn_ns = 1000 + below(50000);
    config->flush_ns = below(20000);
    uint64_t linger_ns = below(100000);
    config->linger_ns = chance(200) ? linger_ns : 0;
    config->ring_entries = 8u << below(8);
    config->measure_handlers = chance(100);
    config->restrict_ring = chance(800);
    config->oldest_kernel = chance(300);
}

static void draw_config(stand *s)
{
    whole *w = current;
    jzx_config *config = &s->config;
    w->s = s;
    s->user = w;
    (void)jzx_sim_hold(s->sim, chance(700)); /* else little comes to be when memory is short */
    config->allocators[JZX_MEMORY_STATE] = (jzx_allocator){state_alloc, state_free, w};
    draw_limits(config);
    draw_pace(config);
    s->sim->config.ring_entries_max = 1u << below(11);
    uint64_t tick_ns = below(2000);
    s->sim->config.tick_max_ns = chance(512) ? tick_ns : 0;
    jzx_footprint footprint = {.struct_size = sizeof footprint};
    JZX_SIM_REQUIRE(s->sim, jzx_config_footprint(config, &footprint) == JZX_OK);
    w->footprint = footprint.metadata + footprint.buffers;
}

static void loop_has_left(void *user, jzx_context *context)
{
    (void)context;
    ((whole *)user)->loops_left++;
}

static void invite_guests(whole *w)
{
    w->guests = calloc(1, sizeof *w->guests);
    if (w->guests == NULL) {
        abort();
    }
    clients_init(w->guests, w->s->sim, STAND_PORT, GUESTS, 200 + below(4000));
    w->guests->each[1].resets = chance(512);
    w->guests->each[2].stalls = chance(512);
    w->s->rude = true;
}

static void prepare(whole *w)
{
    stand *s = w->s;
    const jzx_observer observer = {.struct_size = sizeof observer, .loop_stop = loop_has_left};
    for (uint32_t i = 0; i < s->loop_count; i++) {
        (void)fine(jzx_observer_add(s->loops[i], &observer, w));
    }
    for (uint32_t i = 0; i < ERRANDS_MAX; i++) {
        w->errand[i] = stand_part(s, errand);
        w->errand[i]->begin = errand_begins;
    }
    w->groups = (uint32_t)jzx_sim_size(s->sim, "groups", 0, GROUPS_MAX);
    plant_tree(w, (uint32_t)jzx_sim_size(s->sim, "workers", 1, 3));
    invite_guests(w);
    for (uint32_t i = 0; i < s->loop_count; i++) {
        if (chance(200)) {
            stand_drive(s, i);
        }
    }
    stand_start(s);
    stand_thread(s, guests_main);
    stand_thread(s, feeder_main);
    for (uint64_t posters = jzx_sim_size(s->sim, "posters", 0, 2); posters > 0; posters--) {
        stand_thread(s, poster_main);
    }
}

/* ---- what must hold ---- */

static void check_footprint(const whole *w)
{
    uint64_t live = jzx__sim_memory_live(w->s->sim) - w->state_live;
    if (live > w->footprint) {
        jzx_sim_fail(w->s->sim, "%llu bytes are more than the footprint of %llu", (unsigned long long)live,
                     (unsigned long long)w->footprint);
    }
}

/* A part of it is gone for good. */
static bool crippled(const whole *w)
{
    return !w->planted || w->stopped_alone || w->loops_left > 0 || w->s->begun < w->s->loop_count ||
           jzx_sim_injected(w->s->sim, JZX_SIM_ENTER_FAILS) > 0;
}

static bool lives(const whole *w, jzx_actor_id id)
{
    for (uint32_t i = 0; i < w->s->part_count; i++) {
        if (w->s->parts[i].id == id && w->s->parts[i].alive == 1) {
            return true;
        }
    }
    return false;
}

static const char *owed_to(const whole *w, const part *one)
{
    const doings *d = &w->doing[one->index];
    if (one->alive == 0) {
        return w->permanent[one->index] && !crippled(w) ? "a permanent child" : NULL;
    }
    for (uint32_t i = 0; i < MONITORS; i++) {
        if (d->monitors[i] != 0 && !lives(w, d->watched[i])) {
            return "a DOWN";
        }
    }
    return NULL;
}

/* What the healed machine still owes; NULL: nothing. */
static const char *owed(const whole *w)
{
    for (uint32_t i = 0; i < w->s->part_count; i++) {
        const char *what = owed_to(w, &w->s->parts[i]);
        if (what != NULL) {
            return what;
        }
    }
    if (crippled(w)) {
        return NULL;
    }
    for (uint32_t i = 0; i < FILES; i++) {
        if (w->fed[i] != w->got[i]) {
            return "what was fed to a descriptor";
        }
    }
    return w->guests->served < w->guests->count ? "an echo" : NULL;
}

static bool nothing_owed(void *argument)
{
    const whole *w = argument;
    return w->loops_left > 0 || owed(w) == NULL;
}

/* In small steps, so that memory is looked at. */
static void pass(whole *w, uint64_t ns)
{
    for (uint64_t passed = 0; passed < ns; passed += 10 * MS) {
        JZX_SIM_REQUIRE(w->s->sim, jzx_sim_advance(w->s->sim, 10 * MS) == JZX_OK);
        check_footprint(w);
    }
}

static void disturb(whole *w)
{
    stand *s = w->s;
    if (chance(40)) {
        jzx_sim_injection fatal = {.fault = JZX_SIM_ENTER_FAILS, .after = below(300), .times = 1};
        JZX_SIM_REQUIRE(s->sim, jzx_sim_inject(s->sim, &fatal) == JZX_OK);
    }
    if (chance(100)) {
        w->stopped_alone = true;
        s->may_escalate = true; /* where it lived, a tree that is being started cannot be */
        pass(w, below(100) * MS);
        JZX_SIM_REQUIRE(s->sim, jzx_loop_request_stop(stand_loop(s, below(s->loop_count))) == JZX_OK);
    }
    for (uint32_t i = below(3); i > 0; i--) {
        pass(w, below(100) * MS);
        part *one = somebody();
        if (one->id != 0 && chance(512)) {
            (void)jzx_sim_kill(s->sim, s->runtime, one->id);
        } else if (one->id != 0) {
            (void)jzx_sim_fail_actor(s->sim, s->runtime, one->id, 3);
        }
    }
}

static void heal(whole *w)
{
    stand *s = w->s;
    JZX_SIM_REQUIRE(s->sim, jzx_sim_heal(s->sim) == JZX_OK);
    w->calm = true;
    jzx_err err = jzx_sim_run_until(s->sim, nothing_owed, w, HEALING_NS);
    if (err != JZX_OK) {
        jzx_sim_fail(s->sim, "healed, and this never comes: %s", owed(w));
    }
}

static void close_files(stand *s)
{
    whole *w = s->user;
    for (uint32_t i = 0; i < FILES; i++) {
        if (w->files[i] >= 0) {
            (void)close(w->files[i]);
        }
    }
    script_server_ends(s);
    free(w->guests);
}

static void live(stand *s)
{
    whole *w = current;
    s->at_end = close_files;
    prepare(w);
    (void)jzx_sim_hold(s->sim, false);
    disturb(w);
    pass(w, (10 + below(300)) * MS);
    if (!chance(300)) {
        heal(w);
    }
    w->calm = true;
    w->over = true;
    s->goals = 0;
}

void whole_play(jzx_sim *sim, void *argument)
{
    static const script everything = {.name = "whole", .play = live, .configure = draw_config, .tries = 50};
    (void)argument;
    current = calloc(1, sizeof *current);
    if (current == NULL) {
        abort();
    }
    current->files[0] = current->files[1] = -1;
    stand_play(sim, &everything, (uint32_t)jzx_sim_size(sim, "loops", 1, STAND_LOOPS));
    free(current);
}
