/* logistic_map.c: workers ask computers for the next term of a series, and handle nothing else until they have it. */
#include "savina/members.h"
#include "savina/savina.h"

enum { SERIES = 10, WINDOW = 1000, ACKNOWLEDGE = 500 };
enum { TAG_NEXT = SAVINA_OWN, TAG_GET, TAG_COMPUTE, TAG_HANDLED };

#define RATE_FIRST 3.46
#define INCREMENT 0.0025

struct master {
    savina play;
    uint64_t each;
    uint64_t sent[SERIES];
    uint64_t terms;
    double last[SERIES];
    jzx_actor_id workers[SERIES];
};

struct worker {
    jzx_actor_id master;
    jzx_actor_id computer;
    uint64_t number;
    double term;
    uint64_t terms;
    uint64_t kept; /* `next`s that came while it waited: they carry nothing, so it is enough to count them */
    bool waiting;
    bool reporting; /* `get` came while it waited */
};

static double next_term(double rate, double term)
{
    return rate * term * (1 - term);
}

/* ---- computers: the state is the rate ---- */

static jzx_behavior_result computer_behave(jzx_context *context, void *state, const jzx_message *message)
{
    const double *rate = state;
    double term = next_term(*rate, savina_double(message->words[0]));
    jzx_message answer = SAVINA_MESSAGE(TAG_COMPUTE, savina_bits(term));
    WORLD_CHECK(jzx_answer(context, message->ref, &answer));
    return JZX_BEHAVIOR_OK;
}

/* ---- workers ---- */

static void ask(jzx_context *context, struct worker *self)
{
    jzx_message request = SAVINA_MESSAGE(TAG_COMPUTE, savina_bits(self->term));
    WORLD_CHECK(jzx_request(context, self->computer, &request, JZX_FOREVER, NULL));
    self->waiting = true;
}

static void answered(jzx_context *context, struct worker *self, double term)
{
    self->waiting = false;
    self->term = term;
    if (++self->terms % ACKNOWLEDGE == 0) {
        SAVINA_SEND(context, self->master, TAG_HANDLED, self->number);
    }
    if (self->kept > 0) {
        self->kept--;
        ask(context, self);
    }
}

static jzx_behavior_result report(jzx_context *context, const struct worker *self)
{
    SAVINA_SEND(context, self->master, SAVINA_REPORT, self->number, savina_bits(self->term), self->terms);
    return JZX_BEHAVIOR_STOP;
}

static jzx_behavior_result worker_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct worker *self = state;
    switch (message->tag) {
    case TAG_NEXT:
        self->master = message->sender;
        if (self->waiting) {
            self->kept++;
        } else {
            ask(context, self);
        }
        break;
    case TAG_COMPUTE:
        answered(context, self, savina_double(message->words[0]));
        break;
    case TAG_GET:
        self->reporting = true;
        break;
    default:
        return JZX_BEHAVIOR_FAIL;
    }
    return self->reporting && !self->waiting ? report(context, self) : JZX_BEHAVIOR_OK;
}

/* ---- the master ---- */

/* Sends a worker `next` once, or `get` after the last time. */
static void send_next(jzx_context *context, struct master *master, size_t worker)
{
    if (master->sent[worker] < master->each) {
        SAVINA_SEND(context, master->workers[worker], TAG_NEXT);
    } else if (master->sent[worker] == master->each) {
        SAVINA_SEND(context, master->workers[worker], TAG_GET);
    }
    master->sent[worker]++;
}

static void start(jzx_context *context, struct master *master)
{
    savina_begin(&master->play);
    for (int i = 0; i < WINDOW; i++) {
        for (size_t worker = 0; worker < SERIES; worker++) {
            send_next(context, master, worker);
        }
    }
}

static jzx_behavior_result master_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct master *master = state;
    switch (message->tag) {
    case SAVINA_START:
        start(context, master);
        return JZX_BEHAVIOR_OK;
    case TAG_HANDLED:
        for (int i = 0; i < ACKNOWLEDGE; i++) {
            send_next(context, master, message->words[0]);
        }
        return JZX_BEHAVIOR_OK;
    case SAVINA_REPORT:
        master->last[message->words[0]] = savina_double(message->words[1]);
        master->terms += message->words[2];
        savina_reported(&master->play, master->each * SERIES);
        return JZX_BEHAVIOR_OK;
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

/* ---- the play ---- */

static double rate_of(int series)
{
    return RATE_FIRST + series * INCREMENT;
}

/* The bits of the sum of all last terms, added in order. */
static uint64_t sum_of(const double last[SERIES])
{
    double sum = 0.0;
    for (int i = 0; i < SERIES; i++) {
        sum += last[i];
    }
    return savina_bits(sum);
}

static uint64_t compute_all(uint64_t each)
{
    double last[SERIES];
    for (int i = 0; i < SERIES; i++) {
        last[i] = i * INCREMENT;
        for (uint64_t j = 0; j < each; j++) {
            last[i] = next_term(rate_of(i), last[i]);
        }
    }
    return sum_of(last);
}

void savina_logistic_map(jzx_bench *bench, void *stage)
{
    struct master master = {.each = savina_each(bench, SERIES)};
    savina_open(&master.play, bench, stage, NULL);
    master.play.reports = SERIES;
    for (int i = 0; i < SERIES; i++) {
        double rate = rate_of(i);
        jzx_spawn_options options = savina_options(computer_behave, &rate, sizeof rate);
        struct worker worker = {.number = (uint64_t)i, .term = i * INCREMENT};
        worker.computer = savina_spawn(&master.play, savina_loop(&master.play, i + 1), &options);
        options = savina_options(worker_behave, &worker, sizeof worker);
        options.mailbox_cap = WINDOW + 1; /* and `get` */
        master.workers[i] = savina_spawn(&master.play, savina_loop(&master.play, i), &options);
    }
    savina_run(&master.play, world_spawn(&master.play.world, 0, master_behave, &master));
    jzx_bench_prove(bench, "terms", master.terms, master.each * SERIES);
    jzx_bench_prove(bench, "sum", sum_of(master.last), compute_all(master.each));
}
