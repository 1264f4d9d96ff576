/*
 * refs: actors on all loops and threads without a loop look children up, by reference and by name, and send to what they
 * find, while these crash and come back all the time. Players are permanent; some keep their mail, some have a registered
 * name, some move between loops. Guests are temporary ones of a JZX_DYNAMIC supervisor, so their places go from one to the
 * next. An id belongs to one child for ever; a message comes to the child it was for, in the order in which it was sent; and
 * each that was accepted is handled or shown as a dead letter.
 *
 *   stress-refs [SEED [LIVES [LOOPS]]]
 */
#include "stress.h"

enum {
    LIVES = 2500,
    LOOPS = 3,
    PLAYERS = 12,
    GUESTS = 20, /* of which references are known at one time */
    GUESTS_EACH = 8,
    KNOWN = PLAYERS + GUESTS,
    SENDERS_EACH = 2,
    THREADS = 2,
    SENDERS_MAX = STRESS_LOOPS_MAX * SENDERS_EACH + THREADS,
    SENDS = 16,        /* in one turn of a sender */
    OWNERS = 1u << 18, /* places to remember whose an id is */
    OWNER_PROBES = 32,
    TAG_GO = 1,
    TAG_NOTE = 2,
    TAG_OWNED = 3
};

typedef struct note {
    jzx_child_ref to;
    uint64_t sender;
    uint64_t number;
} note;

typedef struct sender {
    uint64_t random;
    uint64_t index;
    uint64_t number;
    uint32_t loop; /* world.count: none */
} sender;

/* What one player's incarnations hand on: never used by two at once, so it needs no atomics. */
typedef struct player {
    uint64_t random;
    uint32_t index;
    bool alive;
    uint32_t incarnation;
    jzx_child_ref ref;
    uint64_t last[SENDERS_MAX]; /* note of each sender */
    char name[JZX_CHILD_NAME_MAX];
} player;

typedef struct host {
    uint64_t random;
    jzx_actor_id supervisor; /* JZX_DYNAMIC, with guests */
    uint32_t open;
} host;

static stress_world world;
static uint64_t lives_max = LIVES;
static player players[PLAYERS];
static sender senders[SENDERS_MAX];
static host hosts[STRESS_LOOPS_MAX];
static _Atomic(uint64_t) lives;
static _Atomic(bool) over;
static _Atomic(uint64_t) accepted;
static _Atomic(uint64_t) handled;
static _Atomic(uint64_t) dead;
/* Relaxed, as all that is for the check alone: they must not order what the library should. */
static _Atomic(uint64_t) known[KNOWN];
static struct {
    _Atomic(uint64_t) id;
    _Atomic(uint64_t) child;
} owners[OWNERS];

static bool keeps_mail(uint32_t index)
{
    return index % 2 == 1;
}

static bool has_name(uint32_t index)
{
    return index % 4 < 2;
}

/* On the loop of its supervisor; the others are on another, or move. */
static bool stays_at_home(uint32_t index)
{
    return index % 3 == 0;
}

static void count(_Atomic(uint64_t) *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static jzx_child_ref known_at(uint32_t place)
{
    return atomic_load_explicit(&known[place], memory_order_relaxed);
}

/* `id` was said to be that of `child`: nobody may ever have been told of another. */
static void witness(jzx_actor_id id, jzx_child_ref child)
{
    uint64_t hash = id;
    size_t place = stress_random(&hash) % OWNERS;
    for (int i = 0; i < OWNER_PROBES; i++, place = (place + 1) % OWNERS) {
        uint64_t was = 0;
        if (atomic_compare_exchange_strong_explicit(&owners[place].id, &was, id, memory_order_relaxed,
                                                    memory_order_relaxed) ||
            was == id) {
            was = 0;
            CHECK(atomic_compare_exchange_strong_explicit(&owners[place].child, &was, child, memory_order_relaxed,
                                                          memory_order_relaxed) ||
                  was == child);
            return;
        }
    }
}

/* ---- children ---- */

static void lived(void)
{
    if (atomic_fetch_add_explicit(&lives, 1, memory_order_relaxed) + 1 == lives_max) {
        atomic_store(&over, true);
    }
}

static jzx_behavior_result end_somehow(jzx_context *context, uint64_t *random)
{
    switch (stress_random(random) % 4) {
    case 0:
        return JZX_BEHAVIOR_STOP;
    case 1:
        return JZX_BEHAVIOR_FAIL;
    case 2:
        CHECK_OK(jzx_kill(context, jzx_self(context)));
        return JZX_BEHAVIOR_OK;
    default:
        CHECK_OK(jzx_fail(context, jzx_self(context), 4, "enough"));
        return JZX_BEHAVIOR_OK;
    }
}

static jzx_child_ref read_note(player *me, const jzx_message *message)
{
    if (message->tag == TAG_OWNED) {
        return stress_take(message);
    }
    note content;
    memcpy(&content, jzx_message_data(message), sizeof content);
    if (me != NULL) {
        CHECK(content.number > me->last[content.sender]);
        me->last[content.sender] = content.number;
    }
    return content.to;
}

/* A message that a child was given. One that is handed back is handled later, unless its actor ends with it. */
static jzx_behavior_result take(jzx_context *context, player *me, uint64_t *random, const jzx_message *message)
{
    if (message->tag != TAG_NOTE && message->tag != TAG_OWNED) {
        return JZX_BEHAVIOR_UNHANDLED;
    }
    if (stress_random(random) % 64 == 0) {
        if (stress_random(random) % 2 == 0) {
            CHECK_OK(jzx_fail(context, jzx_self(context), 5, "in the middle"));
            count(&handled);
        }
        return JZX_BEHAVIOR_YIELD;
    }
    CHECK(read_note(me, message) == jzx_child_self(context));
    count(&handled);
    return stress_random(random) % 24 == 0 ? end_somehow(context, random) : JZX_BEHAVIOR_OK;
}

static jzx_behavior_result player_behave(jzx_context *context, void *state, const jzx_message *message)
{
    player *me = state;
    CHECK(me->alive);
    return take(context, me, &me->random, message);
}

static jzx_err player_init(jzx_context *context, void *argument, void **state)
{
    player *me = argument;
    *state = me;
    CHECK(!me->alive);
    CHECK(me->ref == 0 || me->ref == jzx_child_self(context));
    me->ref = jzx_child_self(context);
    witness(jzx_self(context), me->ref);
    atomic_store_explicit(&known[me->index], me->ref, memory_order_relaxed);
    lived();
    if (me->incarnation > 0 && stress_random(&me->random) % 32 == 0) {
        return JZX_ERR_NOT_FOUND;
    }
    me->alive = true;
    me->incarnation++;
    return JZX_OK;
}

static void player_fini(jzx_context *context, void *state, const jzx_exit_info *exit)
{
    player *me = state;
    (void)context;
    CHECK(me->alive && exit->incarnation == me->incarnation);
    me->alive = false;
}

static jzx_err guest_init(jzx_context *context, void *argument, void **state)
{
    (void)argument;
    uint64_t *random = *state;
    jzx_child_ref ref = jzx_child_self(context);
    *random = ref;
    witness(jzx_self(context), ref);
    lived();
    if (stress_random(random) % 16 == 0) {
        return JZX_ERR_NOT_FOUND;
    }
    atomic_store_explicit(&known[PLAYERS + stress_random(random) % GUESTS], ref, memory_order_relaxed);
    return JZX_OK;
}

static jzx_behavior_result guest_behave(jzx_context *context, void *state, const jzx_message *message)
{
    return take(context, NULL, state, message);
}

/* ---- senders ---- */

static jzx_message some_note(sender *me, jzx_child_ref to)
{
    if (stress_random(&me->random) % 4 == 0) {
        return stress_owned(TAG_OWNED, to);
    }
    const note content = {to, me->index, ++me->number};
    return jzx_message_value(TAG_NOTE, &content, sizeof content);
}

static void sent(jzx_err err, const jzx_message *message)
{
    if (err == JZX_OK) {
        count(&accepted);
        return;
    }
    CHECK(err != JZX_ERR_INVALID_ARG && err != JZX_ERR_WRONG_THREAD);
    stress_refused(message);
}

/* A child that lives where it is looked for, so that nothing happens to it meanwhile. */
static bool at_hand(const sender *me, uint32_t place)
{
    return place < PLAYERS && stays_at_home(place) && place % world.count == me->loop;
}

/* Looks a child up; false if it has no id now. */
static bool look_up(const sender *me, uint32_t place, jzx_child_ref ref, jzx_actor_id *id)
{
    jzx_err err = jzx_child_id(world.runtime, ref, id);
    CHECK(err == JZX_OK || err == JZX_ERR_NOT_RUNNING || err == JZX_ERR_NOT_FOUND);
    if (place < PLAYERS && ref != 0 && !atomic_load(&over)) {
        CHECK(err != JZX_ERR_NOT_FOUND);                                   /* it is never deleted */
        CHECK(err == JZX_OK || !keeps_mail(place) || !at_hand(me, place)); /* and has an heir */
    }
    if (err == JZX_OK) {
        witness(*id, ref);
    }
    return err == JZX_OK;
}

static void look_for_name(uint32_t place, jzx_child_ref ref)
{
    jzx_actor_id id;
    jzx_err err = jzx_whereis(world.runtime, players[place].name, &id);
    CHECK(err == JZX_OK || err == JZX_ERR_NOT_FOUND);
    if (err == JZX_OK) {
        CHECK(has_name(place));
        witness(id, ref);
    }
}

/* By reference, by id or by name. A thread without a loop has no context and posts. */
static void send_one(jzx_context *context, sender *me, uint32_t place, jzx_child_ref ref)
{
    jzx_actor_id id;
    jzx_message message;
    uint64_t how = stress_random(&me->random) % 3;
    if (how == 0 && place < PLAYERS) {
        const char *name = players[place].name;
        message = some_note(me, ref);
        sent(context != NULL ? jzx_send_name(context, name, &message) : jzx_post_name(world.runtime, name, &message),
             &message);
    } else if (how == 1 && context != NULL) {
        message = some_note(me, ref);
        sent(jzx_child_send(context, ref, &message), &message);
    } else if (look_up(me, place, ref, &id)) {
        message = some_note(me, ref);
        jzx_err err = context != NULL ? jzx_send(context, id, &message) : jzx_post(world.runtime, id, &message);
        CHECK(err != JZX_ERR_NO_SUCH_ACTOR || !at_hand(me, place));
        sent(err, &message);
    }
}

static void send_some(jzx_context *context, sender *me)
{
    for (int i = 0; i < SENDS; i++) {
        uint32_t place = (uint32_t)(stress_random(&me->random) % KNOWN);
        jzx_child_ref ref = known_at(place);
        jzx_actor_id id;
        if (ref == 0) {
            continue;
        }
        if (place < PLAYERS) {
            look_for_name(place, ref);
        }
        if (context != NULL && stress_random(&me->random) % 64 == 0 && look_up(me, place, ref, &id)) {
            (void)jzx_kill(context, id);
        } else {
            send_one(context, me, place, ref);
        }
    }
}

static void go_on(jzx_context *context, uint64_t delay_ns)
{
    jzx_message go = jzx_message_empty(TAG_GO);
    CHECK_OK(jzx_timer_after(context, delay_ns, &go, NULL));
}

static jzx_behavior_result sender_behave(jzx_context *context, void *state, const jzx_message *message)
{
    sender *me = state;
    (void)message;
    if (!atomic_load(&over)) {
        send_some(context, me);
        go_on(context, stress_random(&me->random) % 30000);
    }
    return JZX_BEHAVIOR_OK;
}

static void *sender_main(void *argument)
{
    while (!atomic_load(&over)) {
        send_some(NULL, argument);
        sched_yield();
    }
    return NULL;
}

/* ---- hosts, who see to it that there are guests ---- */

static jzx_behavior_result host_behave(jzx_context *context, void *state, const jzx_message *message)
{
    host *me = state;
    if (message->tag == JZX_TAG_SYS_SUPERVISOR) {
        const jzx_supervisor_answer *answer = jzx_message_data(message);
        CHECK(answer->err == JZX_OK || answer->err == JZX_ERR_START_FAILED || answer->err == JZX_ERR_LIMIT ||
              answer->err == JZX_ERR_STOPPING);
        me->open--;
        if (answer->err == JZX_OK) {
            witness(answer->id, answer->child);
        }
        return JZX_BEHAVIOR_OK;
    }
    if (message->tag == JZX_TAG_SYS_NO_ANSWER) {
        me->open--;
    }
    while (me->open < 4 && !atomic_load(&over)) {
        jzx_err err = jzx_child_start_like(context, me->supervisor, NULL, 0, NULL);
        if (err != JZX_OK) {
            break;
        }
        me->open++;
    }
    if (message->tag == TAG_GO && !atomic_load(&over)) {
        go_on(context, stress_random(&me->random) % 100000);
    }
    return JZX_BEHAVIOR_OK;
}

/* ---- the world ---- */

static void saw_dead(void *user, jzx_context *context, jzx_actor_id target, const jzx_message *message,
                     jzx_drop_reason reason)
{
    (void)user;
    (void)context;
    (void)target;
    (void)reason;
    if (message->tag == TAG_NOTE || message->tag == TAG_OWNED) {
        count(&dead);
    }
}

static void place_child(jzx_child_spec *spec, uint32_t loop, uint32_t how)
{
    static const uint8_t placements[] = {JZX_PLACE_HERE, JZX_PLACE_LOOP, JZX_PLACE_LEAST_LOADED};
    spec->placement = placements[how % 3];
    spec->place_loop = spec->placement == JZX_PLACE_LOOP ? (loop + 1) % world.count : 0;
}

static void start_players(uint32_t loop)
{
    jzx_child_spec children[PLAYERS];
    jzx_supervisor_spec spec;
    jzx_supervisor_spec_init(&spec);
    spec.intensity = JZX_INTENSITY_UNLIMITED;
    spec.children = children;
    for (uint32_t i = loop; i < PLAYERS; i += world.count) {
        jzx_child_spec *child = &children[spec.child_count++];
        jzx_child_spec_init(child);
        child->name = players[i].name;
        child->init = player_init;
        child->behavior = player_behave;
        child->fini = player_fini;
        child->argument = &players[i];
        child->keep_mail = keeps_mail(i);
        child->register_name = has_name(i);
        child->mailbox_cap = 32;
        child->mailbox_policy = (uint8_t)(i / 4 % 3);
        place_child(child, loop, i);
    }
    CHECK_OK(jzx_supervisor_start(jzx_loop_context(world.loops[loop]), &spec, NULL, NULL));
}

static void start_guests(uint32_t loop)
{
    jzx_child_spec child;
    jzx_supervisor_spec spec;
    jzx_child_spec_init(&child);
    child.init = guest_init;
    child.behavior = guest_behave;
    child.restart = JZX_TEMPORARY;
    child.state_size = sizeof(uint64_t);
    child.mailbox_cap = 8;
    place_child(&child, loop, loop);
    jzx_supervisor_spec_init(&spec);
    spec.strategy = JZX_DYNAMIC;
    spec.children_max = GUESTS_EACH;
    spec.children = &child;
    spec.child_count = 1;
    CHECK_OK(jzx_supervisor_start(jzx_loop_context(world.loops[loop]), &spec, &hosts[loop].supervisor, NULL));
}

static void begin(uint32_t loop, jzx_behavior_fn behavior, void *state)
{
    jzx_message go = jzx_message_empty(TAG_GO);
    CHECK_OK(jzx_send(jzx_loop_context(world.loops[loop]), stress_spawn(&world, loop, behavior, state, 0), &go));
}

static void set_up(uint64_t seed, uint32_t loops)
{
    jzx_config config;
    stress_config(&config, loops);
    config.lane_blocks = seed % 2 == 0 ? 2 : 8;
    stress_open(&world, &config);
    for (uint32_t i = 0; i < PLAYERS; i++) {
        players[i] = (player){.random = seed * 31 + i, .index = i};
        (void)snprintf(players[i].name, sizeof players[i].name, "player %u", i);
    }
    for (uint32_t i = 0; i < SENDERS_MAX; i++) {
        senders[i] = (sender){.random = seed * 37 + i, .index = i, .loop = world.count};
    }
    for (uint32_t i = 0; i < world.count; i++) {
        const jzx_observer observer = {.struct_size = sizeof observer, .dead_letter = saw_dead};
        CHECK_OK(jzx_observer_add(world.loops[i], &observer, &world));
        start_players(i);
        start_guests(i);
        hosts[i].random = seed * 41 + i;
        begin(i, host_behave, &hosts[i]);
        for (uint32_t k = 0; k < SENDERS_EACH; k++) {
            sender *one = &senders[THREADS + i * SENDERS_EACH + k];
            one->loop = i;
            begin(i, sender_behave, one);
        }
    }
}

int main(int argc, char **argv)
{
    uint64_t seed = stress_begin(argc, argv);
    pthread_t threads[THREADS];
    lives_max = argc > 2 ? strtoull(argv[2], NULL, 0) : LIVES;
    set_up(seed, argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 0) : LOOPS);
    stress_start(&world, 0);
    for (uint32_t i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, sender_main, &senders[i]) == 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    CHECK_OK(jzx_runtime_request_stop(world.runtime));
    for (uint32_t i = 0; i < world.count; i++) {
        jzx_err err;
        CHECK_OK(jzx_loop_join(world.loops[i], &err));
        CHECK_OK(err);
    }
    CHECK(atomic_load(&accepted) == atomic_load(&handled) + atomic_load(&dead));
    for (uint32_t i = 0; i < PLAYERS; i++) {
        CHECK(!players[i].alive && players[i].incarnation > 1);
    }
    stress_balance(&world);
    stress_close(&world);
    return 0;
}
