/*
 * The exchange of examples/orderbook on a simulated kernel. Clients send random commands while threads stall, memory and
 * cells run out, mailboxes hold one event, the ring holds few, and actors fail; some leave in the middle. Whatever happens:
 *
 *   - commands are taken in the order of their numbers, each once, whatever was lost and sent again
 *   - what comes of them is what another market says that has the same commands (orderbook_reference.h)
 *   - each session and each subscriber has all events that are for it, once and in order. What the ring has no more they know
 *     to be gone, and then their accounts and books are those of the market
 *   - no quantity is lost or made, and no book is ever crossed
 *
 * And the search finds a mistake that is put in: a reader that is started again does not ask for what happened while it was
 * down.
 */
#include <criterion/criterion.h>
#include <jzx/sim.h>
#include <stdio.h>
#include <stdlib.h>

#include "exchange.h"
#include "orderbook_reference.h"

#if defined(__SANITIZE_ADDRESS__)
enum { SEEDS = 400 };
#else
enum { SEEDS = 2000 };
#endif

enum { COMMANDS_MOST = 40, SYMBOLS = 2, SUBSCRIBERS_MOST = 4, EXPECTED_MOST = 8192 };

static const uint64_t MS = 1000000;
/* How long a client waits for a word before it sends again: longer than anybody pauses. */
static const uint64_t PATIENCE_NS = 20 * 1000000;

struct client {
    struct play *play;
    uint32_t index;
    uint32_t count; /* of its commands, with the leave, if it leaves */
    uint32_t window;
    uint32_t heard; /* the number of its last word */
    bool done;
    uint64_t next; /* sequence: it has read what is before */
    uint32_t hints[REASONS];
    struct command script[COMMANDS_MOST + 1];
    uint64_t pauses_ns[COMMANDS_MOST + 1];
};

struct play {
    jzx_sim *sim;
    struct exchange exchange;
    struct reference reference;
    struct event expected[EXPECTED_MOST];
    uint32_t expected_count;
    struct client clients[SESSIONS_MAX];
    uint64_t next[SUBSCRIBERS_MOST]; /* as of the clients */
    uint32_t command_count;          /* of each, the leave aside */
    struct exchange_options options;
    bool ended; /* the exchange: its loop could not go on */
};

/* ---- what must come ---- */

static void expect(void *argument, const struct event *event)
{
    struct play *play = argument;
    JZX_SIM_REQUIRE(play->sim, play->expected_count < EXPECTED_MOST);
    struct event *own = &play->expected[play->expected_count];
    *own = *event;
    own->sequence = play->expected_count++;
}

static void on_journal(void *argument, const struct command *command)
{
    struct play *play = argument;
    const struct client *client = &play->clients[command->session];
    jzx_sim_note(play->sim, "command %u of client %u", command->number, command->session);
    JZX_SIM_REQUIRE(play->sim, command->number >= 1 && command->number <= client->count);
    JZX_SIM_REQUIRE(play->sim, memcmp(command, &client->script[command->number - 1], sizeof *command) == 0);
    reference_apply(&play->reference, command, expect, play);
}

static bool is_for_session(const struct event *event, uint32_t session)
{
    return event->kind == EVENT_TRADE ? event->session == session || event->other_session == session
                                      : event->session == session && event->kind != EVENT_CLOSED;
}

static bool is_for_subscriber(const struct play *play, const struct event *event, uint32_t subscriber)
{
    switch (event->kind) {
    case EVENT_ACCEPTED:
    case EVENT_REJECTED:
    case EVENT_LEFT:
    case EVENT_EXPIRED:
        return false;
    case EVENT_CLOSED:
        return true;
    default:
        return subscriber == 0 || event->symbol == (subscriber - 1) % play->options.symbols;
    }
}

static void check_kept(const struct play *play, uint64_t sequence, const struct event *event)
{
    JZX_SIM_REQUIRE(play->sim, sequence < play->expected_count);
    if (event->sequence != sequence) {
        jzx_sim_fail(play->sim, "an event was left out, or came twice: %llu came where it was %llu's turn",
                     (unsigned long long)event->sequence, (unsigned long long)sequence);
    }
    JZX_SIM_REQUIRE(play->sim, event_equals(event, &play->expected[sequence]));
}

/* The event is what was expected, and nothing before it has been left out. */
static void check_session_event(struct play *play, uint32_t session, const struct event *event)
{
    struct client *client = &play->clients[session];
    while (client->next < play->expected_count && !is_for_session(&play->expected[client->next], session)) {
        client->next++;
    }
    check_kept(play, client->next++, event);
}

/* The same, but for what the state of a book had in it. */
static void check_subscriber_event(struct play *play, uint32_t subscriber, const struct event *event)
{
    const uint64_t *known = play->exchange.subscribers[subscriber].known;
    uint64_t *next = &play->next[subscriber];
    while (*next < play->expected_count &&
           (!is_for_subscriber(play, &play->expected[*next], subscriber) ||
            (play->expected[*next].kind != EVENT_CLOSED && *next < known[play->expected[*next].symbol]))) {
        ++*next;
    }
    check_kept(play, (*next)++, event);
}

static void on_report(void *argument, jzx_context *context, uint32_t session, const struct event *event)
{
    struct play *play = argument;
    struct client *client = &play->clients[session];
    (void)context;
    if (event->kind == EVENT_LOST) {
        JZX_SIM_REQUIRE(play->sim, event->number >= client->heard);
        client->next = event->sequence;
        client->heard = event->number;
    } else if (event->sequence == NO_SEQUENCE) {
        JZX_SIM_REQUIRE(play->sim, event->kind == EVENT_REJECTED && event->reason >= REASON_THROTTLED);
        client->hints[event->reason]++;
    } else {
        check_session_event(play, session, event);
        if (event_is_word(event)) {
            JZX_SIM_REQUIRE(play->sim, event->number == client->heard + 1);
            client->heard = event->number;
        }
    }
}

static void on_market(void *argument, jzx_context *context, uint32_t subscriber, const struct event *event)
{
    struct play *play = argument;
    (void)context;
    struct event closed = *event;
    if (event->kind == EVENT_CLOSED) { /* of a state of now it says no more than that */
        closed = play->expected[event->sequence];
        JZX_SIM_REQUIRE(play->sim, closed.kind == EVENT_CLOSED);
    }
    check_subscriber_event(play, subscriber, &closed);
}

/* ---- clients ---- */

/* A thread of its own, as a client's connection would have. What has no word in time is sent again, with all behind it. */
static void client_main(void *argument)
{
    struct client *client = argument;
    struct play *play = client->play;
    uint32_t next = 1;
    uint32_t heard = 0;
    uint64_t since_ns = jzx_sim_now_ns(play->sim);
    while (client->heard < client->count && !play->ended) {
        uint64_t now_ns = jzx_sim_now_ns(play->sim);
        if (client->heard != heard) {
            heard = client->heard;
            since_ns = now_ns;
            next = next > heard ? next : heard + 1;
        }
        if (now_ns - since_ns > PATIENCE_NS) {
            next = heard + 1;
            since_ns = now_ns;
        }
        if (next > client->count || next - heard > client->window) {
            (void)jzx_sim_sleep(play->sim, MS);
            continue;
        }
        jzx_err err = exchange_submit(&play->exchange, NULL, &client->script[next - 1]);
        bool refused = err == JZX_ERR_NOT_RUNNING || err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_MAILBOX_FULL;
        play->ended |= err != JZX_OK && !refused;
        next += err == JZX_OK;
        (void)jzx_sim_sleep(play->sim, refused ? MS : client->pauses_ns[next - 2]);
    }
    client->done = true;
}

/* In a patient market most orders rest, and now and then one sweeps them; in the other most trade soon. */
static void draw_order(jzx_sim *sim, struct command *command, bool patient, uint64_t what)
{
    uint64_t away = jzx_sim_between(sim, 0, 10);
    bool sweeps = patient && what == 1;
    bool low = patient && (command->side == BOOK_BUY) != sweeps;
    command->kind = sweeps ? COMMAND_MARKET : COMMAND_LIMIT;
    command->price = (int32_t)(!patient ? 95 + away : low ? 95 - away : 105 + away);
    command->quantity = sweeps ? 400 : (uint32_t)jzx_sim_between(sim, 1, 20);
    if (what == 0 && away > 7) { /* which no book takes */
        command->price = 0;
    }
}

/* All that could be drawn is drawn, whatever the sizes: a smaller run has the same commands, only fewer. */
static void draw(struct play *play)
{
    jzx_sim *sim = play->sim;
    bool patient = jzx_sim_between(sim, 0, 1) == 1;
    uint64_t pause_max_ns = jzx_sim_between(sim, 0, 3) * MS;
    for (uint32_t i = 0; i < SESSIONS_MAX * COMMANDS_MOST; i++) {
        struct client *client = &play->clients[i / COMMANDS_MOST];
        uint32_t at = i % COMMANDS_MOST;
        struct command *command = &client->script[at];
        uint64_t what = jzx_sim_between(sim, 0, 9);
        uint64_t earlier = jzx_sim_between(sim, 0, COMMANDS_MOST - 1);
        command->number = at + 1;
        command->session = (uint8_t)(i / COMMANDS_MOST);
        command->side = (uint8_t)jzx_sim_between(sim, BOOK_BUY, BOOK_SELL);
        command->symbol = (uint8_t)jzx_sim_between(sim, 0, SYMBOLS - 1);
        draw_order(sim, command, patient, what);
        client->pauses_ns[at] = jzx_sim_between(sim, 0, pause_max_ns);
        if (what >= (patient ? 9 : 7) && at > 0) {
            earlier %= at;
            command->kind = jzx_sim_between(sim, 0, 1) == 0 ? COMMAND_CANCEL : COMMAND_REPLACE;
            command->target = (uint32_t)earlier + 1;
            command->symbol = client->script[earlier].symbol;
        }
    }
}

/* Some leave, in the middle of their script or at its end. */
static void draw_leaves(struct play *play)
{
    for (uint32_t i = 0; i < SESSIONS_MAX; i++) {
        struct client *client = &play->clients[i];
        uint64_t leaves = jzx_sim_between(play->sim, 0, 2);
        uint64_t early = jzx_sim_between(play->sim, 0, COMMANDS_MOST);
        client->play = play;
        client->index = i;
        client->window = (uint32_t)jzx_sim_between(play->sim, 1, IN_FLIGHT_MAX + 8);
        client->count = play->command_count;
        if (leaves > 0) {
            client->count = leaves == 1 ? play->command_count + 1 : (uint32_t)(early % (play->command_count + 1)) + 1;
            client->script[client->count - 1] = (struct command){
                .kind = COMMAND_LEAVE, .session = (uint8_t)i, .number = client->count};
        }
    }
}

static struct play *begin(jzx_sim *sim, bool planted)
{
    static struct play play;
    static const uint32_t rings[] = {16, 64, 256, 1024};
    memset(&play.expected_count, 0, sizeof play - offsetof(struct play, expected_count));
    /* One draw a statement: compilers do not agree on the order within one. */
    struct exchange_options *options = &play.options;
    play.sim = sim;
    play.command_count = (uint32_t)jzx_sim_size(sim, "orders", 1, COMMANDS_MOST);
    options->symbols = SYMBOLS;
    options->sessions = (uint32_t)jzx_sim_size(sim, "sessions", 1, SESSIONS_MAX);
    options->subscribers = (uint32_t)jzx_sim_size(sim, "subscribers", 1, SUBSCRIBERS_MOST);
    options->events = rings[jzx_sim_between(sim, 0, 3)];
    options->mailbox = (uint32_t)jzx_sim_between(sim, 1, 8);
    options->mailbox = jzx_sim_between(sim, 0, 1) == 0 ? 0 : options->mailbox;
    options->orders = (uint16_t)jzx_sim_between(sim, 16, 64);
    options->cpu = JZX_CPU_ANY;
    options->seed = jzx_sim_seed(sim) + 1;
    options->user = (struct exchange_user){&play, on_report, on_market, on_journal};
    options->planted_deaf = planted;
    reference_init(&play.reference, SYMBOLS, play.options.sessions, play.options.orders);
    draw(&play);
    draw_leaves(&play);
    return &play;
}

static jzx_err start(struct play *play)
{
    int os_error;
    return exchange_start(&play->exchange, &play->options, &os_error);
}

/* ---- what must hold ---- */

static bool not_crossed(jzx_sim *sim, void *argument)
{
    const struct play *play = argument;
    (void)sim;
    for (uint32_t i = 0; i < SYMBOLS; i++) {
        const int32_t *best = play->exchange.market.books[i].best;
        if (best[BOOK_BUY] != BOOK_NO_PRICE && best[BOOK_SELL] != BOOK_NO_PRICE && best[BOOK_BUY] >= best[BOOK_SELL]) {
            return false;
        }
    }
    return true;
}

static bool is_open(void *argument)
{
    struct play *play = argument;
    return atomic_load(&play->exchange.open);
}

static bool clients_done(void *argument)
{
    const struct play *play = argument;
    bool done = true;
    for (uint32_t i = 0; i < play->options.sessions; i++) {
        done &= play->clients[i].done;
    }
    return done;
}

/* Everybody has read everything. */
static bool settled(void *argument)
{
    const struct play *play = argument;
    bool all = true;
    for (uint32_t i = 0; i < play->expected_count; i++) {
        for (uint32_t k = 0; k < play->options.sessions; k++) {
            all &= play->exchange.sessions[k].place.next > i || !is_for_session(&play->expected[i], k);
        }
        for (uint32_t k = 0; k < play->options.subscribers; k++) {
            all &= play->exchange.subscribers[k].place.next > i || !is_for_subscriber(play, &play->expected[i], k);
        }
    }
    return all || play->ended;
}

static void check_view(const struct play *play, uint32_t subscriber, uint32_t symbol)
{
    const struct view *view = &play->exchange.subscribers[subscriber].views[symbol];
    static uint64_t levels[2][BOOK_PRICE_MAX + 1];
    uint64_t volume = 0;
    uint32_t trades = 0;
    memset(levels, 0, sizeof levels);
    for (uint32_t i = 0; i < play->reference.count; i++) {
        const struct reference_order *order = &play->reference.orders[i];
        levels[order->side][order->price] += order->symbol == symbol ? order->quantity : 0;
    }
    for (uint32_t i = 0; i < play->expected_count; i++) {
        bool trade = play->expected[i].kind == EVENT_TRADE && play->expected[i].symbol == symbol;
        trades += trade;
        volume += trade ? play->expected[i].quantity : 0;
    }
    JZX_SIM_REQUIRE(play->sim, memcmp(levels, view->levels, sizeof levels) == 0);
    JZX_SIM_REQUIRE(play->sim, view->trades == trades && view->volume == volume);
}

static void check_session(const struct play *play, uint32_t session)
{
    int64_t holds[SYMBOLS] = {0};
    for (uint32_t i = 0; i < play->expected_count; i++) {
        const struct event *event = &play->expected[i];
        if (event->kind == EVENT_TRADE) {
            int64_t bought = event->side == BOOK_BUY ? event->quantity : -(int64_t)event->quantity;
            holds[event->symbol] += event->session == session ? bought : 0;
            holds[event->symbol] -= event->other_session == session ? bought : 0;
        }
    }
    for (uint32_t i = 0; i < SYMBOLS; i++) {
        JZX_SIM_REQUIRE(play->sim, play->exchange.sessions[session].holds[i] == holds[i]);
        JZX_SIM_REQUIRE(play->sim, play->exchange.market.holds[session][i] == holds[i]);
    }
}

static void check(const struct play *play)
{
    const struct reference *reference = &play->reference;
    JZX_SIM_REQUIRE(play->sim, play->exchange.next == play->expected_count);
    JZX_SIM_REQUIRE(play->sim, reference_equals(reference, &play->exchange.market));
    JZX_SIM_REQUIRE(play->sim,
                    reference->placed == reference->filled + reference->withdrawn + reference_resting(reference));
    for (uint32_t i = 0; i < play->options.sessions; i++) {
        check_session(play, i);
    }
    for (uint32_t i = 0; i < play->options.subscribers; i++) {
        for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++) {
            if (i == 0 || symbol == (i - 1) % SYMBOLS) {
                check_view(play, i, symbol);
            }
        }
        JZX_SIM_REQUIRE(play->sim, play->exchange.subscribers[i].closed == (reference->present == 0));
    }
}

/* ---- the runs ---- */

static void run_clients(struct play *play)
{
    static const char *const names[SESSIONS_MAX] = {"client 0", "client 1", "client 2", "client 3",
                                                    "client 4", "client 5", "client 6", "client 7"};
    jzx_sim *sim = play->sim;
    for (uint32_t i = 0; i < play->options.sessions; i++) {
        (void)jzx_sim_thread(sim, names[i], client_main, &play->clients[i]);
    }
    /* Faults go on for as long as a healthy market would take. What was lost is sent again after it. */
    (void)jzx_sim_run_until(sim, clients_done, play, 1000 * MS);
    (void)jzx_sim_heal(sim);
    if (jzx_sim_run_until(sim, clients_done, play, 60000 * MS) == JZX_ERR_TIMEOUT) {
        jzx_sim_fail(sim, "clients have no words after a minute of health");
    }
    if (jzx_sim_run_until(sim, settled, play, 60000 * MS) == JZX_ERR_TIMEOUT) {
        jzx_sim_fail(sim, "something was not read within a minute of health");
    }
    if (jzx_sim_failure(sim) == NULL && !play->ended) {
        check(play);
    }
}

/*
 * Most exchanges open in peace. Of the others some do not open, without memory or descriptors: those have to leave nothing,
 * which is looked at behind this.
 */
static void play(jzx_sim *sim, void *argument)
{
    struct play *play = begin(sim, argument != NULL);
    (void)jzx_sim_hold(sim, jzx_sim_between(sim, 0, 3) > 0);
    if (start(play) != JZX_OK) {
        return;
    }
    (void)jzx_sim_check(sim, "the best prices do not cross", not_crossed, play);
    if (jzx_sim_run_until(sim, is_open, play, 10000 * MS) == JZX_OK) {
        (void)jzx_sim_hold(sim, false);
        run_clients(play);
    }
    (void)exchange_stop(&play->exchange);
}

Test(orderbook, is_right_whatever_fails, .timeout = 280)
{
    jzx_sim_search search;
    jzx_sim_outcome outcome = {.struct_size = sizeof outcome};
    jzx_sim_search_init(&search);
    search.name = "orderbook";
    search.scenario = play;
    search.config.swarm = true;
    search.seeds = SEEDS;
    search.report = stderr;
    cr_assert_eq(jzx_sim_explore(&search, &outcome), JZX_OK);
    cr_assert(!outcome.failed, "%s", outcome.failure);
}

/* ---- the mistake that is to be found ---- */

/* The line that replays, without what stands before and behind the text of the run. */
static bool replay_of(const char *report, char text[2048])
{
    static const char begin[] = "\nJZX_SIM_REPLAY='";
    const char *from = strstr(report, begin);
    const char *to = from == NULL ? NULL : strchr(from + sizeof begin - 1, '\'');
    if (to == NULL) {
        return false;
    }
    (void)snprintf(text, 2048, "%.*s", (int)(to - from - (ptrdiff_t)sizeof begin + 1), from + sizeof begin - 1);
    return true;
}

Test(orderbook, mistake_in_it_is_found_made_small_and_replayed, .timeout = 280)
{
    static bool planted;
    jzx_sim_search search;
    jzx_sim_outcome found = {.struct_size = sizeof found};
    jzx_sim_outcome again = {.struct_size = sizeof again};
    char *report = NULL;
    size_t size = 0;
    char text[2048];
    jzx_sim_search_init(&search);
    search.name = "orderbook-planted";
    search.scenario = play;
    search.argument = &planted;
    search.config.swarm = true;
    if (getenv("JZX_SIM_REPLAY") != NULL || getenv("JZX_SIM_SEED") != NULL) { /* somebody looks at one run */
        search.report = stderr;
        cr_assert_eq(jzx_sim_explore(&search, &found), JZX_OK);
        return;
    }
    search.report = open_memstream(&report, &size);
    cr_assert_eq(jzx_sim_explore(&search, &found), JZX_OK);
    (void)fflush(search.report);
    cr_assert(found.failed, "the mistake was not found in %llu runs", (unsigned long long)found.runs);
    cr_expect_leq(found.failed_faults, 2, "%s", report);
    cr_expect_not_null(strstr(found.replay, "sessions:1"), "%s", report);
    const char *orders = strstr(found.replay, "orders:");
    cr_expect(orders != NULL && strtoul(orders + strlen("orders:"), NULL, 10) <= 5, "%s", report);

    cr_assert(replay_of(report, text), "%s", report);
    cr_assert_str_eq(text, found.replay);
    cr_assert_eq(setenv("JZX_SIM_REPLAY", text, 1), 0);
    cr_assert_eq(jzx_sim_explore(&search, &again), JZX_OK);
    cr_assert(again.failed);
    cr_expect_str_eq(again.failure, found.failure);
    cr_assert_eq(unsetenv("JZX_SIM_REPLAY"), 0);
    (void)fclose(search.report);
    free(report);
}

/* ---- single runs: what happens when, to the nanosecond ---- */

enum { FLOOD = 2 * IN_FLIGHT_MAX + 8 };

/* Three sessions and two subscribers, of whom nobody is a thread: the test submits, and looks. */
static struct play *open_healthy(uint32_t mailbox, uint32_t ring, bool busy)
{
    jzx_sim *sim;
    cr_assert_eq(jzx_sim_create(1, NULL, &sim), JZX_OK);
    struct play *play = begin(sim, false);
    play->options.sessions = 3;
    play->options.subscribers = 2;
    play->options.mailbox = mailbox;
    play->options.events = ring;
    play->options.busy = busy;
    reference_init(&play->reference, SYMBOLS, 3, play->options.orders);
    cr_assert_eq(start(play), JZX_OK);
    cr_assert_eq(jzx_sim_run_until_idle(sim), JZX_OK);
    cr_assert(is_open(play));
    return play;
}

static void close_healthy(struct play *play)
{
    cr_assert_null(jzx_sim_failure(play->sim), "%s", jzx_sim_failure(play->sim));
    cr_assert(settled(play));
    check(play);
    cr_assert_eq(exchange_stop(&play->exchange), JZX_OK);
    cr_assert_eq(jzx_sim_check_end(play->sim), JZX_OK, "%s", jzx_sim_failure(play->sim));
    cr_assert_eq(jzx_sim_destroy(play->sim), JZX_OK);
}

/* The next command of a client is this one, and goes in. */
static void submit(struct play *play, uint32_t session, struct command command)
{
    struct client *client = &play->clients[session];
    command.session = (uint8_t)session;
    client->count = command.number > client->count ? command.number : client->count;
    client->script[command.number - 1] = command;
    cr_assert_eq(exchange_submit(&play->exchange, NULL, &client->script[command.number - 1]), JZX_OK);
}

static struct command limit(uint32_t number, enum book_side side, int32_t price, uint32_t quantity)
{
    return (struct command){.number = number, .side = (uint8_t)side, .price = price, .quantity = quantity};
}

static void settle(const struct play *play)
{
    cr_assert_eq(jzx_sim_run_until_idle(play->sim), JZX_OK, "%s", jzx_sim_failure(play->sim));
}

static void fail_actor(struct play *play, jzx_child_ref ref)
{
    jzx_actor_id id;
    cr_assert_eq(jzx_child_id(play->exchange.runtime, ref, &id), JZX_OK);
    cr_assert_eq(jzx_sim_fail_actor(play->sim, play->exchange.runtime, id, 7), JZX_OK);
    settle(play);
}

Test(orderbook, order_is_accepted_at_once, .timeout = 60)
{
    struct play *play = open_healthy(0, 64, false);
    uint64_t began_ns = jzx_sim_now_ns(play->sim);
    submit(play, 0, limit(1, BOOK_BUY, 100, 10));
    settle(play);
    cr_assert_eq(play->clients[0].heard, 1);
    cr_assert_eq(jzx_sim_now_ns(play->sim), began_ns);
    close_healthy(play);
}

static bool has_word(void *argument)
{
    const struct play *play = argument;
    return play->clients[0].heard == 1;
}

Test(orderbook, loop_that_never_sleeps_sees_an_order, .timeout = 60)
{
    struct play *play = open_healthy(0, 64, true);
    submit(play, 0, limit(1, BOOK_BUY, 100, 10));
    cr_assert_eq(jzx_sim_run_until(play->sim, has_word, play, MS), JZX_OK);
    cr_assert_eq(jzx_sim_run_until(play->sim, settled, play, MS), JZX_OK);
    close_healthy(play);
}

Test(orderbook, session_is_none_that_there_is_not, .timeout = 60)
{
    struct play *play = open_healthy(0, 64, false);
    struct command command = limit(1, BOOK_BUY, 100, 10);
    command.session = 3;
    cr_assert_eq(exchange_submit(&play->exchange, NULL, &command), JZX_ERR_INVALID_ARG);

    jzx_message message = command_message(command); /* whoever goes past the look */
    jzx_actor_id gate;
    cr_assert_eq(jzx_child_id(play->exchange.runtime, atomic_load(&play->exchange.gate), &gate), JZX_OK);
    cr_assert_eq(jzx_post(play->exchange.runtime, gate, &message), JZX_OK);
    settle(play);
    jzx_counters counters;
    cr_assert_eq(jzx_loop_stats(play->exchange.loop, &counters), JZX_OK);
    cr_assert_eq(counters.unhandled, 1);
    cr_assert_eq(play->exchange.next, 0);
    close_healthy(play);
}

Test(orderbook, command_waits_while_the_gate_is_down, .timeout = 60)
{
    struct play *play = open_healthy(0, 64, false);
    fail_actor(play, atomic_load(&play->exchange.gate));
    submit(play, 0, limit(1, BOOK_BUY, 100, 10));
    settle(play);
    cr_assert_eq(play->clients[0].heard, 0);
    cr_assert_eq(jzx_sim_advance(play->sim, AGAIN_NS), JZX_OK); /* its supervisor's pause */
    cr_assert_eq(play->clients[0].heard + play->clients[0].hints[REASON_THROTTLED], 1);
    submit(play, 0, limit(1, BOOK_BUY, 100, 10)); /* once more, in case that its flow was not open again */
    settle(play);
    cr_assert_eq(play->clients[0].heard, 1);
    cr_assert_eq(play->exchange.market.books[0].count, 1);
    close_healthy(play);
}

Test(orderbook, gate_refuses_while_the_engine_is_down, .timeout = 60)
{
    struct play *play = open_healthy(0, 64, false);
    fail_actor(play, play->exchange.engine);
    submit(play, 0, limit(1, BOOK_BUY, 100, 10));
    settle(play);
    cr_assert_eq(play->clients[0].hints[REASON_THROTTLED], 1);
    cr_assert_eq(jzx_sim_advance(play->sim, 2 * AGAIN_NS), JZX_OK); /* its supervisor's pause, and the gate's */
    submit(play, 0, limit(1, BOOK_BUY, 100, 10));
    settle(play);
    cr_assert_eq(play->clients[0].heard, 1);
    close_healthy(play);
}

Test(orderbook, command_that_comes_early_or_again_is_not_taken, .timeout = 60)
{
    struct play *play = open_healthy(0, 64, false);
    submit(play, 0, limit(2, BOOK_BUY, 100, 10));
    settle(play);
    cr_assert_eq(play->clients[0].hints[REASON_EARLY], 1);
    submit(play, 0, limit(1, BOOK_BUY, 99, 10));
    submit(play, 0, limit(1, BOOK_BUY, 99, 10));
    submit(play, 0, limit(2, BOOK_BUY, 100, 10));
    settle(play);
    cr_assert_eq(play->clients[0].heard, 2);
    cr_assert_eq(play->exchange.market.books[0].count, 2);
    close_healthy(play);
}

Test(orderbook, who_sends_too_much_is_throttled_and_nobody_else, .timeout = 60)
{
    struct play *play = open_healthy(0, 1024, false);
    uint32_t window = 2 * IN_FLIGHT_MAX;
    for (uint32_t i = 1; i <= FLOOD; i++) {
        submit(play, 0, limit(i, BOOK_BUY, 100, 1));
    }
    submit(play, 1, limit(1, BOOK_BUY, 100, 1));
    settle(play);
    cr_assert_eq(play->clients[0].heard, window);
    cr_assert_eq(play->clients[0].hints[REASON_THROTTLED], FLOOD - window);
    cr_assert_eq(play->clients[1].heard, 1);
    for (uint32_t i = window + 1; i <= FLOOD; i++) { /* their numbers are free */
        submit(play, 0, limit(i, BOOK_BUY, 100, 1));
    }
    settle(play);
    cr_assert_eq(play->clients[0].heard, FLOOD);
    close_healthy(play);
}

Test(orderbook, session_that_fails_leaves_the_book_alone, .timeout = 60)
{
    struct play *play = open_healthy(0, 64, false);
    struct exchange *exchange = &play->exchange;
    submit(play, 0, limit(1, BOOK_BUY, 100, 10));
    settle(play);
    cr_assert_eq(exchange_crash(exchange, 0), JZX_OK);
    settle(play);
    cr_assert_eq(exchange->market.books[0].count, 1);

    submit(play, 1, limit(1, BOOK_SELL, 90, 4)); /* another client trades with it meanwhile */
    submit(play, 0, limit(2, BOOK_BUY, 80, 1));  /* and commands are taken */
    settle(play);
    cr_assert_eq(exchange->sessions[1].holds[0], -4);
    cr_assert_eq(exchange->sessions[0].holds[0], 0);
    cr_assert_eq(play->clients[0].heard, 1);
    cr_assert_eq(jzx_sim_advance(play->sim, AGAIN_NS), JZX_OK); /* its supervisor's pause */
    cr_assert_eq(exchange->sessions[0].holds[0], 4);
    cr_assert_eq(play->clients[0].heard, 2);
    cr_assert_eq(exchange->sessions[0].place.snapshots, 0);
    close_healthy(play);
}

/* It cannot come back for a while, and is waited for by nobody. Then the ring has what it missed no more. */
Test(orderbook, session_that_is_down_for_long_has_its_account, .timeout = 60)
{
    struct play *play = open_healthy(0, 16, false);
    struct exchange *exchange = &play->exchange;
    submit(play, 0, limit(1, BOOK_BUY, 100, 30));
    settle(play);
    cr_assert_eq(jzx_sim_inject(play->sim, &(jzx_sim_injection){.fault = JZX_SIM_INIT_FAILS, .times = UINT64_MAX}),
                 JZX_OK);
    cr_assert_eq(exchange_crash(exchange, 0), JZX_OK);
    settle(play);
    uint64_t began_ns = jzx_sim_now_ns(play->sim);
    for (uint32_t i = 1; i <= 20; i++) {
        submit(play, 1, limit(i, BOOK_SELL, 100, 1));
        settle(play);
        cr_assert_eq(play->clients[1].heard, i);
    }
    cr_assert_eq(jzx_sim_now_ns(play->sim), began_ns);
    cr_assert_eq(exchange->sessions[0].holds[0], 0);
    cr_assert_eq(jzx_sim_heal(play->sim), JZX_OK);
    cr_assert_eq(jzx_sim_advance(play->sim, 2 * AGAIN_NS), JZX_OK);
    cr_assert_eq(exchange->sessions[0].holds[0], 20);
    cr_assert_eq(exchange->sessions[0].place.snapshots, 1);
    close_healthy(play);
}

/* It is down for as long as the test likes: words come at once all the same. */
Test(orderbook, subscriber_that_is_down_holds_up_nobody, .timeout = 60)
{
    struct play *play = open_healthy(0, 256, false);
    jzx_member member;
    uint32_t count;
    cr_assert_eq(jzx_group_members(&play->exchange.market_group, &member, 1, &count), JZX_OK);
    cr_assert_eq(member.tag, 0);
    cr_assert_eq(jzx_sim_inject(play->sim, &(jzx_sim_injection){.fault = JZX_SIM_INIT_FAILS, .times = UINT64_MAX}),
                 JZX_OK);
    cr_assert_eq(jzx_sim_fail_actor(play->sim, play->exchange.runtime, member.id, 7), JZX_OK);
    settle(play);
    uint64_t began_ns = jzx_sim_now_ns(play->sim);
    for (uint32_t i = 1; i <= COMMANDS_MOST; i++) {
        submit(play, 1, limit(i, i % 2 == 0 ? BOOK_BUY : BOOK_SELL, 100, i));
        settle(play);
        cr_assert_eq(play->clients[1].heard, i);
    }
    cr_assert_eq(jzx_sim_now_ns(play->sim), began_ns);
    cr_assert_eq(play->next[0], 0);
    cr_assert_eq(jzx_sim_heal(play->sim), JZX_OK);
    cr_assert_eq(jzx_sim_advance(play->sim, 2 * AGAIN_NS), JZX_OK);
    cr_assert_gt(play->exchange.subscribers[0].place.pages, 1);
    cr_assert_eq(play->exchange.subscribers[0].place.snapshots, 0);
    close_healthy(play);
}

/* Its mailbox holds one event of a burst. The ring has the others. */
Test(orderbook, subscriber_has_from_the_ring_what_it_missed, .timeout = 60)
{
    struct play *play = open_healthy(1, 64, false);
    for (uint32_t i = 1; i <= IN_FLIGHT_MAX; i++) {
        submit(play, i % 3, limit((i + 2) / 3, i % 2 == 0 ? BOOK_BUY : BOOK_SELL, 100, i));
    }
    settle(play);
    const struct place *place = &play->exchange.subscribers[0].place;
    cr_assert_gt(place->missed, 0);
    cr_assert_eq(place->snapshots, 0);
    close_healthy(play);
}

Test(orderbook, subscriber_has_the_book_when_the_ring_has_it_no_more, .timeout = 60)
{
    struct play *play = open_healthy(1, 4, false);
    for (uint32_t i = 1; i <= IN_FLIGHT_MAX; i++) {
        submit(play, i % 3, limit((i + 2) / 3, i % 2 == 0 ? BOOK_BUY : BOOK_SELL, 100, i));
    }
    settle(play);
    cr_assert_gt(play->exchange.subscribers[0].place.snapshots, 0);
    close_healthy(play);
}

/* Who is told to wait and asks at once would be told so at once, and never sleep. */
Test(orderbook, engine_without_memory_is_asked_once_a_millisecond, .timeout = 60)
{
    struct play *play = open_healthy(1, 64, false);
    jzx_sim *sim = play->sim;
    cr_assert_eq(jzx_sim_inject(sim, &(jzx_sim_injection){.fault = JZX_SIM_ALLOC, .times = UINT64_MAX}), JZX_OK);
    for (uint32_t i = 1; i <= 8; i++) {
        submit(play, 0, limit(i, BOOK_BUY, 100, i));
    }
    settle(play);
    cr_assert_not(settled(play));
    uint64_t steps = jzx_sim_steps(sim);
    uint64_t asked = jzx_sim_occasions(sim, JZX_SIM_ALLOC);
    cr_assert_eq(jzx_sim_advance(sim, 10 * AGAIN_NS), JZX_OK, "%s", jzx_sim_failure(sim));
    cr_assert_lt(jzx_sim_steps(sim) - steps, 1000);
    cr_assert_leq(jzx_sim_occasions(sim, JZX_SIM_ALLOC) - asked, 10u * (3 + 2));
    cr_assert_eq(jzx_sim_heal(sim), JZX_OK);
    cr_assert_eq(jzx_sim_advance(sim, AGAIN_NS), JZX_OK);
    close_healthy(play);
}

Test(orderbook, session_that_leaves_takes_its_orders_along, .timeout = 60)
{
    struct play *play = open_healthy(0, 64, false);
    submit(play, 0, limit(1, BOOK_BUY, 100, 10));
    submit(play, 1, limit(1, BOOK_BUY, 99, 10));
    submit(play, 0, (struct command){.kind = COMMAND_LEAVE, .number = 2});
    settle(play);
    cr_assert_eq(play->clients[0].heard, 2);
    cr_assert_eq(play->exchange.market.books[0].count, 1);
    cr_assert_eq(play->exchange.market.books[0].best[BOOK_BUY], 99);
    cr_assert_eq(jzx_sim_advance(play->sim, 10 * AGAIN_NS), JZX_OK);
    jzx_actor_id id;
    cr_assert_neq(jzx_child_id(play->exchange.runtime, atomic_load(&play->exchange.session_refs[0]), &id), JZX_OK,
                  "it was started again");
    close_healthy(play);
}

Test(orderbook, market_closes_with_the_last_session, .timeout = 60)
{
    struct play *play = open_healthy(0, 64, false);
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert_not(play->exchange.subscribers[0].closed);
        submit(play, i, (struct command){.kind = COMMAND_LEAVE, .number = 1});
        settle(play);
    }
    cr_assert(play->exchange.subscribers[0].closed);
    cr_assert(play->exchange.subscribers[1].closed);
    close_healthy(play);
}
