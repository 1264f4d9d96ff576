/* sleeping_barber.c: customers are made, go into a waiting room, and have their hair cut one by one, or find the room full. */
#include "savina/members.h"
#include "savina/savina.h"

enum {
    ROOM = 1000,
    CUSTOMERS_MAX = 2000,
    MAILBOX_CAP = 3 * CUSTOMERS_MAX,
    /* Between two loops, of which one may be late: three messages for each customer, in a turn of their own each. */
    LANE_BLOCKS = CUSTOMERS_MAX,
    CELLS = 1 << 18,
    BUSY_MIN = 10,
    BUSY_RANGE = 1000,
    SEED = 74755
};
enum { TAG_MORE = SAVINA_OWN, TAG_ENTER, TAG_FULL, TAG_WAIT, TAG_NEXT, TAG_START_CUT, TAG_DONE, TAG_RETURNED };

struct factory {
    savina play;
    jzx_actor_id self;
    jzx_actor_id room;
    uint64_t count;
    uint64_t made;
    uint64_t haircuts;
    bool resting; /* as many customers are there as may be */
    uint64_t random;
    uint64_t making;
    uint64_t cutting;
};

struct room {
    jzx_actor_id barber;
    bool barber_sleeps;
    savina_queue customers;
};

struct barber {
    uint64_t random;
    uint64_t cutting;
};

static uint64_t busy_draw(uint64_t *random)
{
    return savina_busy(savina_below(random, BUSY_RANGE) + BUSY_MIN);
}

/* ---- customers: the state is the id of the factory ---- */

static jzx_behavior_result customer_behave(jzx_context *context, void *state, const jzx_message *message)
{
    const jzx_actor_id *factory = state;
    switch (message->tag) {
    case TAG_FULL:
        SAVINA_SEND(context, *factory, TAG_RETURNED);
        return JZX_BEHAVIOR_OK;
    case TAG_WAIT:
    case TAG_START_CUT:
        return JZX_BEHAVIOR_OK;
    case TAG_DONE:
        SAVINA_SEND(context, *factory, TAG_DONE);
        return JZX_BEHAVIOR_STOP;
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

/* ---- the barber ---- */

static jzx_behavior_result barber_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct barber *self = state;
    switch (message->tag) {
    case TAG_ENTER:
        SAVINA_SEND(context, message->words[0], TAG_START_CUT);
        self->cutting += busy_draw(&self->random);
        SAVINA_SEND(context, message->words[0], TAG_DONE);
        SAVINA_SEND(context, message->sender, TAG_NEXT);
        return JZX_BEHAVIOR_OK;
    case TAG_WAIT:
        return JZX_BEHAVIOR_OK;
    case SAVINA_END:
        SAVINA_SEND(context, message->words[0], SAVINA_REPORT, self->cutting);
        return JZX_BEHAVIOR_STOP;
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

/* ---- the waiting room ---- */

static void room_enter(jzx_context *context, struct room *self, jzx_actor_id customer)
{
    if (self->customers.count == ROOM) {
        SAVINA_SEND(context, customer, TAG_FULL);
        return;
    }
    savina_queue_add(&self->customers, customer, 0, 0, 0);
    if (self->barber_sleeps) {
        self->barber_sleeps = false;
        SAVINA_SEND(context, jzx_self(context), TAG_NEXT);
    } else {
        SAVINA_SEND(context, customer, TAG_WAIT);
    }
}

static void room_next(jzx_context *context, struct room *self)
{
    const uint64_t *customer = savina_queue_take(&self->customers);
    if (customer != NULL) {
        SAVINA_SEND(context, self->barber, TAG_ENTER, customer[0]);
    } else {
        SAVINA_SEND(context, self->barber, TAG_WAIT);
        self->barber_sleeps = true;
    }
}

static jzx_behavior_result room_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct room *self = state;
    switch (message->tag) {
    case TAG_ENTER:
        room_enter(context, self, message->words[0]);
        return JZX_BEHAVIOR_OK;
    case TAG_NEXT:
        room_next(context, self);
        return JZX_BEHAVIOR_OK;
    case SAVINA_END: /* after all that it has sent the barber, who is to report to who says so */
        SAVINA_SEND(context, self->barber, SAVINA_END, message->sender);
        return JZX_BEHAVIOR_STOP;
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

static void room_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    (void)context;
    (void)info;
    struct room *self = state;
    savina_queue_deinit(&self->customers);
}

/* ---- the factory ---- */

/* Makes one customer and lets others run: a message to itself comes after those that wait. */
static void make_customer(jzx_context *context, struct factory *self)
{
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = customer_behave;
    options.argument = &self->self;
    jzx_actor_id customer;
    WORLD_CHECK(jzx_spawn(context, &options, &customer));
    SAVINA_SEND(context, self->room, TAG_ENTER, customer);
    self->making += busy_draw(&self->random);
    self->made++;
    self->resting = self->made - self->haircuts == CUSTOMERS_MAX;
    if (self->made < self->count && !self->resting) {
        SAVINA_SEND(context, jzx_self(context), TAG_MORE);
    }
}

static void customer_done(jzx_context *context, struct factory *self)
{
    self->haircuts++;
    if (self->haircuts == self->count) {
        SAVINA_SEND(context, self->room, SAVINA_END);
    } else if (self->resting && self->made < self->count) {
        self->resting = false;
        SAVINA_SEND(context, jzx_self(context), TAG_MORE);
    }
}

static jzx_behavior_result factory_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct factory *self = state;
    switch (message->tag) {
    case SAVINA_START:
        self->self = jzx_self(context);
        savina_begin(&self->play);
        make_customer(context, self);
        return JZX_BEHAVIOR_OK;
    case TAG_MORE:
        make_customer(context, self);
        return JZX_BEHAVIOR_OK;
    case TAG_RETURNED:
        SAVINA_SEND(context, self->room, TAG_ENTER, message->sender);
        return JZX_BEHAVIOR_OK;
    case TAG_DONE:
        customer_done(context, self);
        return JZX_BEHAVIOR_OK;
    case SAVINA_REPORT:
        self->cutting = message->words[0];
        savina_reported(&self->play, self->count);
        return JZX_BEHAVIOR_OK;
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

/* ---- the play ---- */

static uint64_t work_of(uint64_t count)
{
    uint64_t random = SEED;
    uint64_t work = 0;
    for (uint64_t i = 0; i < count; i++) {
        work += busy_draw(&random);
    }
    return work;
}

static jzx_actor_id spawn_factory(struct factory *factory)
{
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = factory_behave;
    options.argument = factory;
    options.mailbox_cap = MAILBOX_CAP;
    options.messages_per_turn = 1;
    jzx_actor_id id;
    WORLD_CHECK(jzx_spawn(jzx_loop_context(factory->play.world.loops[0]), &options, &id));
    return id;
}

void savina_sleeping_barber(jzx_bench *bench, void *stage)
{
    struct factory factory = {.count = jzx_bench_count(bench), .random = SEED};
    jzx_config config;
    jzx_config_init(&config);
    config.lane_blocks = LANE_BLOCKS;
    config.cells = CELLS;
    savina_open(&factory.play, bench, stage, &config);
    factory.play.reports = 1;
    int other = savina_loop(&factory.play, 0);
    struct barber barber = {.random = SEED};
    jzx_spawn_options options = savina_options(barber_behave, &barber, sizeof barber);
    struct room room = {.barber = savina_spawn(&factory.play, other, &options), .barber_sleeps = true};
    options = savina_options(room_behave, &room, sizeof room);
    options.fini = room_fini;
    options.mailbox_cap = MAILBOX_CAP;
    factory.room = savina_spawn(&factory.play, other, &options);
    savina_run(&factory.play, spawn_factory(&factory));
    uint64_t work = work_of(factory.count);
    jzx_bench_prove(bench, "haircuts", factory.haircuts, factory.count);
    jzx_bench_prove(bench, "cutting", factory.cutting, work);
    jzx_bench_prove(bench, "making", factory.making, work);
}
