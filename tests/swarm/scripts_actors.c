/* scripts_actors: plays about loops, actors, messages, monitors, links, names and timers. */
#include "tests/swarm/script.h"

enum { GO = 1, SAY, ASK, REPLY, TICK, END, MORE };
enum { MS = 1000000 };

static jzx_behavior_result idle(part *self, jzx_context *context, const jzx_message *message)
{
    (void)context;
    if ((message->flags & JZX_MESSAGE_POINTER) != 0 && message->tag < JZX_TAG_RESERVED) {
        (void)stand_took(self->stand, message);
    }
    return message->tag == END ? JZX_BEHAVIOR_STOP : JZX_BEHAVIOR_OK;
}

/* ---- life of a runtime ---- */

static void see_nothing(void *user, jzx_context *context)
{
    (void)user;
    (void)context;
}

static void create_destroy(stand *s)
{
    jzx_observer observer = {.struct_size = sizeof observer, .loop_start = see_nothing};
    jzx_footprint footprint = {.struct_size = sizeof footprint};
    JZX_SIM_REQUIRE(s->sim, jzx_config_footprint(&s->config, &footprint) == JZX_OK);
    (void)STAND_OK(s, jzx_observer_add(stand_loop(s, 0), &observer, s));
    (void)stand_spawn(s, 0, idle);
    (void)stand_spawn(s, 1, idle);
    jzx_poster *poster;
    (void)STAND_OK(s, jzx_poster_create(s->runtime, 8, &poster));
}

static void start_stop(stand *s)
{
    stand_start(s);
}

/* One on loop 0 that is told to begin, with the other on loop 1. */
static void two(stand *s, uint64_t goals, part_fn from_on, part_fn to_on)
{
    s->goals = goals;
    part *to = stand_spawn(s, 1, to_on);
    part *from = stand_spawn(s, 0, from_on);
    if (to != NULL && from != NULL) {
        from->other = to;
        stand_poke(s, from, GO);
    }
    stand_start(s);
}

/* ---- spawns ---- */

static jzx_behavior_result state_user(jzx_context *context, void *state, const jzx_message *message)
{
    uint64_t *words = state;
    (void)context;
    (void)message;
    words[7]++;
    return JZX_BEHAVIOR_STOP;
}

static jzx_behavior_result spawner(part *self, jzx_context *context, const jzx_message *message)
{
    stand *s = self->stand;
    jzx_spawn_options options;
    if (message->tag != GO) {
        return JZX_BEHAVIOR_OK;
    }
    void *block = jzx_alloc(context, 100);
    jzx_free(context, block, 100);
    for (uint32_t i = 0; i < 4; i++) {
        jzx_actor_id id;
        jzx_spawn_options_init(&options);
        options.behavior = state_user;
        options.state_size = 64;
        options.link = i == 2;
        if (STAND_OK(s, jzx_spawn(context, &options, &id))) {
            jzx_message go = jzx_message_empty(GO);
            (void)STAND_OK(s, jzx_send(context, id, &go));
        }
    }
    part *child = stand_part(s, idle);
    part_options(child, &options);
    child->failing = 1;
    jzx_err err = jzx_spawn(context, &options, NULL);
    JZX_SIM_REQUIRE(s->sim, err == JZX_ERR_INIT || STAND_OK(s, err));
    stand_goal(s);
    return JZX_BEHAVIOR_OK;
}

static void spawn_here(stand *s)
{
    s->goals = 1;
    stand_poke(s, stand_spawn(s, 0, spawner), GO);
    stand_start(s);
}

static void ask_spawn(part *self, jzx_context *context, jzx_placement placement, bool link)
{
    stand *s = self->stand;
    jzx_spawn_options options;
    part *child = stand_part(s, idle);
    part_options(child, &options);
    options.placement = (uint8_t)placement;
    options.place_loop = s->loop_count - 1;
    options.place_with = jzx_self(context);
    options.link = link;
    options.state_size = 0;
    if (!STAND_OK(s, jzx_spawn_request(context, &options, NULL))) {
        stand_goal(s);
    }
}

static jzx_behavior_result far_spawner(part *self, jzx_context *context, const jzx_message *message)
{
    stand *s = self->stand;
    if (message->tag == GO) {
        ask_spawn(self, context, JZX_PLACE_LOOP, false);
        ask_spawn(self, context, JZX_PLACE_LOOP, true);
        ask_spawn(self, context, JZX_PLACE_WITH, false);
        ask_spawn(self, context, JZX_PLACE_LEAST_LOADED, false);
        ask_spawn(self, context, JZX_PLACE_HERE, true);
    } else if (message->tag == JZX_TAG_SYS_SPAWNED) {
        const jzx_spawned *answer = jzx_message_data(message);
        if (STAND_OK(s, (jzx_err)answer->err)) {
            (void)part_say(self, context, answer->id, SAY, 1);
            jzx_message end = jzx_message_empty(END);
            (void)STAND_OK(s, jzx_send(context, answer->id, &end));
        }
        stand_goal(s);
    }
    return JZX_BEHAVIOR_OK;
}

static void spawn_there(stand *s)
{
    s->goals = 5;
    stand_poke(s, stand_spawn(s, 0, far_spawner), GO);
    stand_start(s);
}

/* ---- messages ---- */

enum { LETTERS = 60 };

static jzx_behavior_result reader(part *self, jzx_context *context, const jzx_message *message)
{
    (void)context;
    if (message->tag == SAY) {
        uint64_t number = (message->flags & JZX_MESSAGE_POINTER) != 0 ? stand_took(self->stand, message)
                                                                      : message->words[0];
        JZX_SIM_REQUIRE(self->stand->sim, number == self->a); /* in order, none missing */
        self->a++;
        stand_goal(self->stand);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err write_one(part *self, jzx_context *context)
{
    stand *s = self->stand;
    if (self->a % 3 == 0) {
        jzx_message message = jzx_message_value(SAY, &self->a, sizeof self->a);
        return jzx_send(context, self->other->id, &message);
    }
    jzx_message message = stand_payload(s, SAY, self->a);
    jzx_err err = jzx_send_with(context, self->other->id, &message, JZX_SEND_REPORT);
    if (err != JZX_OK) {
        stand_unsent(s, &message);
    }
    return err;
}

static jzx_behavior_result writer(part *self, jzx_context *context, const jzx_message *message)
{
    stand *s = self->stand;
    if (message->tag != GO && message->tag != JZX_TAG_SYS_RESUME && message->tag != TICK) {
        return JZX_BEHAVIOR_OK;
    }
    while (self->a < LETTERS) {
        jzx_err err = write_one(self, context);
        if (err == JZX_ERR_MAILBOX_FULL || err == JZX_ERR_WOULD_BLOCK) {
            err = jzx_resume(context, self->other->id);
            if (!STAND_OK(s, err)) {
                part_later(self, context, MS, TICK);
            }
            return JZX_BEHAVIOR_OK;
        }
        if (!STAND_OK(s, err)) {
            return JZX_BEHAVIOR_OK;
        }
        self->a++;
    }
    return JZX_BEHAVIOR_OK;
}

static void mail(stand *s)
{
    two(s, LETTERS, writer, reader);
}

/* To one that ends: what comes too late is destroyed, and reported. */
static jzx_behavior_result mourner(part *self, jzx_context *context, const jzx_message *message)
{
    stand *s = self->stand;
    if (message->tag == GO) {
        jzx_actor_id to = self->other->id;
        for (uint32_t i = 0; i < 6; i++) {
            jzx_message letter = stand_payload(s, i == 2 ? END : SAY, i);
            jzx_err err = jzx_send_with(context, to, &letter, JZX_SEND_REPORT);
            if (err != JZX_OK) {
                stand_unsent(s, &letter);
            }
            JZX_SIM_REQUIRE(s->sim, err == JZX_OK || err == JZX_ERR_NO_SUCH_ACTOR || err == JZX_ERR_STOPPING ||
                                        STAND_OK(s, err));
        }
        part_later(self, context, 5 * MS, TICK);
    } else if (message->tag == TICK) {
        (void)STAND_OK(s, jzx_drain(context, jzx_self(context)));
        stand_goal(s);
    }
    return JZX_BEHAVIOR_OK;
}

static void dead_letters(stand *s)
{
    two(s, 1, mourner, idle);
}

/* ---- requests ---- */

static jzx_behavior_result answerer(part *self, jzx_context *context, const jzx_message *message)
{
    stand *s = self->stand;
    if (message->tag != ASK) {
        return JZX_BEHAVIOR_OK;
    }
    switch (message->words[0]) {
    case 0: {
        jzx_message reply = stand_payload(s, REPLY, 7);
        if (!STAND_OK(s, jzx_answer(context, message->ref, &reply))) {
            stand_unsent(s, &reply);
        }
        return JZX_BEHAVIOR_OK;
    }
    case 1:
        return JZX_BEHAVIOR_UNHANDLED;
    case 2:
        return JZX_BEHAVIOR_OK; /* kept, until its deadline or the end */
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

static jzx_behavior_result asker(part *self, jzx_context *context, const jzx_message *message)
{
    stand *s = self->stand;
    if (message->tag == GO) {
        for (uint64_t i = 0; i < 4; i++) {
            jzx_message question = jzx_message_value(ASK, &i, sizeof i);
            uint64_t timeout_ns = i == 2 ? 3 * MS : JZX_FOREVER;
            if (!STAND_OK(s, jzx_request(context, self->other->id, &question, timeout_ns, NULL))) {
                stand_goal(s);
            }
        }
    } else if ((message->flags & JZX_MESSAGE_ANSWER) != 0) {
        if (message->tag == REPLY) {
            JZX_SIM_REQUIRE(s->sim, stand_took(s, message) == 7);
        }
        JZX_SIM_REQUIRE(s->sim, self->a++ < 4);
        stand_goal(s);
    }
    return JZX_BEHAVIOR_OK;
}

static void requests(stand *s)
{
    two(s, 4, asker, answerer);
}

/* ---- monitors and links ---- */

static jzx_behavior_result watcher(part *self, jzx_context *context, const jzx_message *message)
{
    stand *s = self->stand;
    if (message->tag == GO) {
        uint64_t removed;
        uint64_t kept;
        bool both = STAND_OK(s, jzx_monitor(context, self->other->id, &removed));
        bool one = STAND_OK(s, jzx_monitor(context, self->other->id, &kept));
        if (both) {
            JZX_SIM_REQUIRE(s->sim, jzx_demonitor(context, removed) == JZX_OK);
        }
        if (!one) {
            stand_goal(s);
        }
        (void)STAND_OK(s, jzx_fail(context, self->other->id, 5, "because"));
    } else if (message->tag == JZX_TAG_SYS_DOWN) {
        const jzx_down *down = jzx_message_data(message);
        bool told = down->exit.kind == JZX_EXIT_FAIL && down->exit.code == 5;
        JZX_SIM_REQUIRE(s->sim, told || stand_disturbed(s));
        JZX_SIM_REQUIRE(s->sim, self->a++ == 0);
        stand_goal(s);
    }
    return JZX_BEHAVIOR_OK;
}

static void monitors(stand *s)
{
    two(s, 1, watcher, idle);
}

static jzx_behavior_result linker(part *self, jzx_context *context, const jzx_message *message)
{
    stand *s = self->stand;
    if (message->tag == GO) {
        (void)STAND_OK(s, jzx_trap_exit(context, self->a == 0));
        if (!STAND_OK(s, jzx_link(context, self->other->id))) {
            stand_goal(s);
        }
        if (self->b == 1) {
            JZX_SIM_REQUIRE(s->sim, jzx_unlink(context, self->other->id) == JZX_OK);
            (void)STAND_OK(s, jzx_link(context, self->other->id));
        }
        part_later(self, context, MS, TICK);
    } else if (message->tag == TICK && self->c == 1) {
        (void)STAND_OK(s, jzx_stop_with(context, self->other->id, 3, "over"));
    } else if (message->tag == JZX_TAG_SYS_EXIT) {
        stand_goal(s);
    }
    return JZX_BEHAVIOR_OK;
}

static void links(stand *s)
{
    s->goals = 1;
    part *target = stand_spawn(s, 1, idle);
    part *first = stand_spawn(s, 0, linker);
    part *second = stand_spawn(s, 1, linker);
    if (target != NULL && first != NULL && second != NULL) {
        first->other = second->other = target;
        first->b = second->a = 1; /* the second does not trap: it ends with the target */
        first->c = 1;
        stand_poke(s, first, GO);
        stand_poke(s, second, GO);
    }
    stand_start(s);
}

/* ---- names ---- */

static jzx_behavior_result named(part *self, jzx_context *context, const jzx_message *message)
{
    stand *s = self->stand;
    if (message->tag == GO) {
        bool both = STAND_OK(s, jzx_register(context, "one", jzx_self(context)));
        both = STAND_OK(s, jzx_register(context, "another", jzx_self(context))) && both;
        if (both) {
            JZX_SIM_REQUIRE(s->sim, jzx_unregister(context, "one") == JZX_OK);
        }
        jzx_message ready = jzx_message_empty(GO);
        (void)STAND_OK(s, jzx_send(context, self->other->id, &ready));
    } else if (message->tag == SAY) {
        (void)stand_took(s, message);
        stand_goal(s);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result caller_by_name(part *self, jzx_context *context, const jzx_message *message)
{
    stand *s = self->stand;
    if (message->tag != GO) {
        return JZX_BEHAVIOR_OK;
    }
    jzx_actor_id id;
    if (STAND_OK(s, jzx_whereis(s->runtime, "another", &id))) {
        JZX_SIM_REQUIRE(s->sim, id == self->other->id);
        jzx_message letter = stand_payload(s, SAY, 1);
        if (!STAND_OK(s, jzx_send_name(context, "another", &letter))) {
            stand_unsent(s, &letter);
        }
        jzx_err err = jzx_register(context, "another", jzx_self(context));
        JZX_SIM_REQUIRE(s->sim, err == JZX_ERR_NAME_TAKEN || STAND_OK(s, err));
    }
    return JZX_BEHAVIOR_OK;
}

static void names(stand *s)
{
    s->goals = 1;
    part *holder = stand_spawn(s, 0, named);
    part *caller = stand_spawn(s, 1, caller_by_name);
    if (holder != NULL && caller != NULL) {
        holder->other = caller;
        caller->other = holder;
        stand_poke(s, holder, GO);
    }
    stand_start(s);
}

/* ---- timers ---- */

static void start_timers(part *self, jzx_context *context)
{
    stand *s = self->stand;
    jzx_message letter = stand_payload(s, SAY, 1);
    if (!STAND_OK(s, jzx_timer_after(context, 2 * MS, &letter, NULL))) {
        stand_unsent(s, &letter);
        stand_goal(s);
    }
    letter = stand_payload(s, SAY, 2);
    if (!STAND_OK(s, jzx_timer_at(context, jzx_clock_ns(context) + MS, &letter, NULL))) {
        stand_unsent(s, &letter);
        stand_goal(s);
    }
    letter = stand_payload(s, MORE, 3);
    if (!STAND_OK(s, jzx_timer_every(context, 3 * MS, JZX_TICKS_SKIP, &letter, &self->timer))) {
        stand_unsent(s, &letter);
        s->goals = 0;
    }
    jzx_timer_id never;
    letter = stand_payload(s, SAY, 4);
    if (STAND_OK(s, jzx_timer_after(context, 1000 * MS, &letter, &never))) {
        JZX_SIM_REQUIRE(s->sim, jzx_timer_cancel(context, never, &letter) == JZX_OK);
    }
    stand_unsent(s, &letter); /* it is ours again */
    letter = stand_payload(s, SAY, 5);
    if (!STAND_OK(s, jzx_timer_after(context, JZX_FOREVER, &letter, NULL))) { /* goes with its actor */
        stand_unsent(s, &letter);
    }
}

static jzx_behavior_result timed(part *self, jzx_context *context, const jzx_message *message)
{
    stand *s = self->stand;
    if (message->tag == GO) {
        start_timers(self, context);
    } else if (message->tag == SAY) {
        JZX_SIM_REQUIRE(s->sim, stand_took(s, message) < 3);
        stand_goal(s);
    } else if (message->tag == MORE) {
        JZX_SIM_REQUIRE(s->sim, stand_took(s, message) == 3);
        self->a++;
        stand_goal(s);
        if (self->a == 4) {
            JZX_SIM_REQUIRE(s->sim, jzx_timer_cancel(context, self->timer, NULL) == JZX_OK);
        }
    }
    return JZX_BEHAVIOR_OK;
}

static void timers(stand *s)
{
    s->goals = 6;
    stand_poke(s, stand_spawn(s, 1, timed), GO);
    stand_start(s);
}

/* ---- stops ---- */

static void stop_alone(stand *s)
{
    mail(s);
    s->goals = 1;
    (void)jzx_sim_advance(s->sim, 20000);
    JZX_SIM_REQUIRE(s->sim, jzx_loop_request_stop(stand_loop(s, 1)) == JZX_OK);
    (void)jzx_sim_advance(s->sim, 10 * MS);
    s->goals = 0;
}

static void stop_in_the_middle(stand *s)
{
    requests(s);
    (void)jzx_sim_advance(s->sim, 1);
    s->goals = 0;
}

static void killed_from_outside(stand *s)
{
    s->goals = 1;
    part *to = stand_spawn(s, 1, idle);
    part *from = stand_spawn(s, 0, watcher);
    part *other = stand_spawn(s, 1, idle);
    stand_start(s);
    if (to != NULL && from != NULL && other != NULL) {
        (void)jzx_sim_advance(s->sim, MS);
        (void)jzx_sim_kill(s->sim, s->runtime, to->id);
        (void)jzx_sim_fail_actor(s->sim, s->runtime, other->id, 4);
    }
    s->goals = 0;
    (void)jzx_sim_advance(s->sim, MS);
}

const script scripts_of_actors[] = {
    {.name = "create-destroy", .play = create_destroy},
    {.name = "start-stop", .play = start_stop},
    {.name = "spawn-here", .play = spawn_here},
    {.name = "spawn-there", .play = spawn_there},
    {.name = "mail", .play = mail},
    {.name = "dead-letters", .play = dead_letters},
    {.name = "requests", .play = requests},
    {.name = "monitors", .play = monitors},
    {.name = "links", .play = links},
    {.name = "names", .play = names},
    {.name = "timers", .play = timers},
    {.name = "stop-alone", .play = stop_alone},
    {.name = "stop-in-the-middle", .play = stop_in_the_middle},
    {.name = "killed-from-outside", .play = killed_from_outside},
};
const uint32_t scripts_of_actors_count = sizeof scripts_of_actors / sizeof scripts_of_actors[0];
