/*
 * The order book of examples/orderbook on a simulated kernel. Clients send random orders and cancels while threads stall,
 * lanes are full, memory and cells run out, wake-ups come late and actors fail. Whatever happens:
 *
 *   - every command that a session took gets one word, accepted, cancelled or rejected, and no more than one
 *   - the trades on the tape, and what rests in the end, are those of another book, as simple as can be: it looks through all
 *     orders for the best price, and among these for the oldest
 *   - no quantity is lost or made; what clients hear of trades, the positions and the tape agree
 *   - no book is ever crossed
 *
 * And the search finds a mistake that is put in: engines that take a command again when a session repeats it.
 */
#include <criterion/criterion.h>
#include <jzx/sim.h>
#include <stdio.h>
#include <stdlib.h>

#include "exchange.h"

#if defined(__SANITIZE_ADDRESS__)
enum { SEEDS = 100 };
#else
enum { SEEDS = 400 };
#endif

enum { ORDERS_MOST = 40, WORDS_MOST = ORDERS_MOST + 1, EXPECTED_MOST = BOOK_ORDERS_MAX };

static const uint64_t MS = 1000000;

/* ---- the other book ---- */

struct reference {
    struct event resting[BOOK_ORDERS_MAX + 1]; /* as they came; `quantity` is what is left */
    uint32_t count;
    struct event expected[EXPECTED_MOST]; /* trades that must come next */
    uint32_t expected_first;
    uint32_t expected_count;
    uint64_t sequence;
    uint64_t accepted; /* quantities */
    uint64_t traded;
    uint64_t cancelled;
};

struct client {
    struct market *market;
    uint32_t index;
    uint32_t submitted;
    bool done;
    struct command script[ORDERS_MOST];
    uint64_t pauses_ns[ORDERS_MOST];
    uint32_t words[WORDS_MOST + 1]; /* of each number, how many came */
    uint32_t throttled;
    int64_t holds[INSTRUMENTS]; /* by what it heard */
};

struct market {
    jzx_sim *sim;
    struct exchange exchange;
    struct client clients[SESSIONS_MAX];
    uint32_t client_count;
    uint32_t order_count; /* of each */
    bool closed;          /* the exchange ended: a part of it could not be started */
    struct reference books[INSTRUMENTS];
    int64_t holds[SESSIONS_MAX][INSTRUMENTS]; /* by the tape */
    bool planted;
};

static void forget(struct reference *book, uint32_t at)
{
    memmove(&book->resting[at], &book->resting[at + 1], (book->count - at - 1) * sizeof book->resting[0]);
    book->count--;
}

/* The oldest of those with the best price; count: there is none that could trade with the order. */
static uint32_t best_for(const struct reference *book, const struct event *order)
{
    uint32_t best = book->count;
    for (uint32_t i = 0; i < book->count; i++) {
        const struct event *other = &book->resting[i];
        bool meet = order->side == BOOK_BUY ? other->price <= order->price : other->price >= order->price;
        bool first = best == book->count;
        bool better = !first && (order->side == BOOK_BUY ? other->price < book->resting[best].price
                                                         : other->price > book->resting[best].price);
        if (other->side != order->side && meet && (first || better)) {
            best = i;
        }
    }
    return best;
}

static void match(struct reference *book, const struct event *accepted)
{
    struct event order = *accepted;
    uint32_t at;
    book->expected_first = 0;
    book->expected_count = 0;
    while (order.quantity > 0 && (at = best_for(book, &order)) < book->count) {
        struct event *maker = &book->resting[at];
        uint32_t quantity = order.quantity < maker->quantity ? order.quantity : maker->quantity;
        struct event *trade = &book->expected[book->expected_count++];
        *trade = order;
        trade->other = maker->number;
        trade->other_session = maker->session;
        trade->price = maker->price;
        trade->quantity = quantity;
        order.quantity -= quantity;
        maker->quantity -= quantity;
        if (maker->quantity == 0) {
            forget(book, at);
        }
    }
    if (order.quantity > 0) {
        book->resting[book->count++] = order;
    }
}

static uint32_t find(const struct reference *book, uint32_t session, uint32_t number)
{
    uint32_t at = 0;
    while (at < book->count && (book->resting[at].session != session || book->resting[at].number != number)) {
        at++;
    }
    return at;
}

/* ---- the tape: what the engines say that they did ---- */

static void on_trade(struct market *market, struct reference *book, const struct event *event)
{
    jzx_sim *sim = market->sim;
    JZX_SIM_REQUIRE(sim, book->expected_count > 0);
    const struct event *expected = &book->expected[book->expected_first++];
    book->expected_count--;
    JZX_SIM_REQUIRE(sim, event->session == expected->session && event->number == expected->number);
    JZX_SIM_REQUIRE(sim, event->other_session == expected->other_session && event->other == expected->other);
    JZX_SIM_REQUIRE(sim, event->price == expected->price && event->quantity == expected->quantity);
    int64_t bought = event->side == BOOK_BUY ? event->quantity : -(int64_t)event->quantity;
    market->holds[event->session][event->instrument] += bought;
    market->holds[event->other_session][event->instrument] -= bought;
    book->traded += event->quantity;
}

static void on_cancelled(struct market *market, struct reference *book, const struct event *event)
{
    uint32_t at = find(book, event->session, event->other);
    JZX_SIM_REQUIRE(market->sim, at < book->count && book->resting[at].quantity == event->quantity);
    book->cancelled += event->quantity;
    forget(book, at);
}

static void on_rejected(struct market *market, const struct reference *book, const struct event *event)
{
    if (event->other != 0) {
        JZX_SIM_REQUIRE(market->sim, find(book, event->session, event->other) == book->count);
        return;
    }
    bool possible = event->price >= 1 && event->price <= BOOK_PRICE_MAX && event->quantity > 0;
    JZX_SIM_REQUIRE(market->sim, !possible || book->count == BOOK_ORDERS_MAX);
}

static void on_tape(void *user, const struct event *event)
{
    struct market *market = user;
    struct reference *book = &market->books[event->instrument];
    static const char *const kinds[] = {"accepted", "cancelled", "rejected", "throttled", "traded"};
    jzx_sim_note(market->sim, "engine %u: command %u of client %u %s", event->instrument, event->number, event->session,
                 kinds[event->kind]);
    JZX_SIM_REQUIRE(market->sim, event->sequence == book->sequence);
    book->sequence++;
    if (event->kind == EVENT_TRADE) {
        on_trade(market, book, event);
        return;
    }
    JZX_SIM_REQUIRE(market->sim, book->expected_count == 0);
    if (event->kind == EVENT_ACCEPTED) {
        book->accepted += event->quantity;
        match(book, event);
    } else if (event->kind == EVENT_CANCELLED) {
        on_cancelled(market, book, event);
    } else {
        on_rejected(market, book, event);
    }
}

/* ---- clients ---- */

static void on_report(void *user, uint32_t session, const struct event *event)
{
    struct market *market = user;
    struct client *client = &market->clients[session];
    if (event->kind == EVENT_THROTTLED) {
        client->throttled++;
    } else if (event->kind == EVENT_TRADE) {
        int64_t bought = event->side == BOOK_BUY ? event->quantity : -(int64_t)event->quantity;
        client->holds[event->instrument] += event->session == session ? bought : 0;
        client->holds[event->instrument] -= event->other_session == session ? bought : 0;
    } else {
        JZX_SIM_REQUIRE(market->sim, event->number >= 1 && event->number < WORDS_MOST);
        client->words[event->number]++;
        if (client->words[event->number] != 1) {
            jzx_sim_fail(market->sim, "a command has two words: %u of client %u", event->number, session);
        }
    }
}

/* A thread of its own, as a client's connection would have. */
static void client_main(void *argument)
{
    struct client *client = argument;
    struct market *market = client->market;
    for (uint32_t i = 0; i < market->order_count && !market->closed; i++) {
        jzx_err err;
        (void)jzx_sim_sleep(market->sim, client->pauses_ns[i]);
        while ((err = exchange_submit(&market->exchange, &client->script[i])) == JZX_ERR_NOT_RUNNING ||
               err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_MAILBOX_FULL) {
            (void)jzx_sim_sleep(market->sim, MS);
        }
        market->closed |= err != JZX_OK;
        client->submitted += err == JZX_OK;
    }
    client->done = true;
}

/* In a patient market most orders rest, and now and then one sweeps them; in the other most trade soon. */
static void draw_limit(jzx_sim *sim, struct command *command, bool patient, uint64_t what)
{
    uint64_t away = jzx_sim_between(sim, 0, 10);
    bool sweeps = patient && what == 1;
    bool low = patient && (command->side == BOOK_BUY) != sweeps;
    command->price = (int32_t)(!patient ? 95 + away : low ? 95 - away : 105 + away);
    command->quantity = sweeps ? 400 : (uint32_t)jzx_sim_between(sim, 1, 20);
    if (what == 0 && away > 7) { /* which no book takes */
        command->price = 0;
    }
}

/* All that could be drawn is drawn, whatever the sizes: a smaller run has the same orders, only fewer. */
static void draw(struct market *market)
{
    jzx_sim *sim = market->sim;
    bool patient = jzx_sim_between(sim, 0, 1) == 1;
    uint64_t pause_max_ns = jzx_sim_between(sim, 0, 3) * MS;
    for (uint32_t i = 0; i < SESSIONS_MAX * ORDERS_MOST; i++) {
        struct client *client = &market->clients[i / ORDERS_MOST];
        uint32_t at = i % ORDERS_MOST;
        struct command *command = &client->script[at];
        uint64_t what = jzx_sim_between(sim, 0, 9);
        uint64_t earlier = jzx_sim_between(sim, 0, ORDERS_MOST - 1);
        command->session = (uint8_t)(i / ORDERS_MOST);
        command->side = (uint8_t)jzx_sim_between(sim, BOOK_BUY, BOOK_SELL);
        command->instrument = (uint8_t)jzx_sim_between(sim, 0, INSTRUMENTS - 1);
        draw_limit(sim, command, patient, what);
        client->pauses_ns[at] = jzx_sim_between(sim, 0, pause_max_ns);
        if (what >= (patient ? 9 : 7) && at > 0) { /* a cancel, of an order if nothing was throttled */
            earlier %= at;
            command->kind = COMMAND_CANCEL;
            command->target = (uint32_t)earlier + 1;
            command->instrument = client->script[earlier].instrument;
        }
    }
}

static struct market *begin(jzx_sim *sim, bool planted)
{
    static struct market market;
    memset(&market, 0, sizeof market);
    market.sim = sim;
    market.planted = planted;
    market.client_count = (uint32_t)jzx_sim_size(sim, "sessions", 1, SESSIONS_MAX);
    market.order_count = (uint32_t)jzx_sim_size(sim, "orders", 1, ORDERS_MOST);
    draw(&market);
    return &market;
}

static jzx_err start(struct market *market)
{
    struct exchange_options options = {
        .sessions = market->client_count,
        .seed = jzx_sim_seed(market->sim) + 1,
        .report = on_report,
        .tape = on_tape,
        .user = market,
        .planted_resend = market->planted,
    };
    return exchange_start(&market->exchange, &options);
}

/* ---- what must hold ---- */

static bool not_crossed(jzx_sim *sim, void *argument)
{
    const struct market *market = argument;
    (void)sim;
    for (uint32_t i = 0; i < INSTRUMENTS; i++) {
        const int32_t *best = market->exchange.engines[i].book.best;
        if (best[BOOK_BUY] != BOOK_NO_PRICE && best[BOOK_SELL] != BOOK_NO_PRICE && best[BOOK_BUY] >= best[BOOK_SELL]) {
            return false;
        }
    }
    return true;
}

static bool clients_done(void *argument)
{
    const struct market *market = argument;
    bool done = true;
    for (uint32_t i = 0; i < market->client_count; i++) {
        done &= market->clients[i].done;
    }
    return done;
}

/* Its start is all or nothing: the last session is the last to start. */
static bool is_open(void *argument)
{
    struct market *market = argument;
    return atomic_load(&market->exchange.session_refs[market->client_count - 1]) != 0;
}

/* Everybody has read everything, and no command is under way. */
static bool settled(void *argument)
{
    const struct market *market = argument;
    const struct exchange *exchange = &market->exchange;
    bool all = true;
    for (uint32_t i = 0; i < INSTRUMENTS; i++) {
        const struct engine *engine = &exchange->engines[i];
        for (uint32_t k = 0; k < READERS; k++) {
            all &= engine->read[k] >= engine->next;
        }
        all &= exchange->tape_read[i] == engine->next;
    }
    for (uint32_t i = 0; i < market->client_count; i++) {
        const struct session *session = &exchange->sessions[i];
        const struct client *client = &market->clients[i];
        all &= session->first == session->next;
        for (uint32_t k = 1; k < session->next; k++) {
            all &= client->words[k] > 0;
        }
    }
    return all || market->closed;
}

static void check_resting(const struct market *market, uint32_t instrument)
{
    const struct reference *reference = &market->books[instrument];
    const struct book *book = &market->exchange.engines[instrument].book;
    uint32_t seen = 0;
    uint64_t quantity = 0;
    for (int32_t price = 1; price <= BOOK_PRICE_MAX; price++) {
        for (int side = BOOK_BUY; side <= BOOK_SELL; side++) {
            uint32_t at = 0;
            for (uint16_t i = book->levels[side][price].first; i != 0; i = book->orders[i].after) {
                const struct book_order *order = &book->orders[i];
                while (at < reference->count &&
                       (reference->resting[at].side != side || reference->resting[at].price != price)) {
                    at++;
                }
                JZX_SIM_REQUIRE(market->sim, at < reference->count);
                const struct event *wanted = &reference->resting[at++];
                JZX_SIM_REQUIRE(market->sim, order->key == ((uint64_t)wanted->session << 32 | wanted->number));
                JZX_SIM_REQUIRE(market->sim, order->quantity == wanted->quantity);
                quantity += order->quantity;
                seen++;
            }
        }
    }
    JZX_SIM_REQUIRE(market->sim, seen == reference->count && seen == book->count);
    JZX_SIM_REQUIRE(market->sim, reference->accepted == 2 * reference->traded + reference->cancelled + quantity);
}

static void check_client(const struct market *market, uint32_t index)
{
    const struct client *client = &market->clients[index];
    const struct session *session = &market->exchange.sessions[index];
    for (uint32_t i = 1; i < session->next; i++) {
        JZX_SIM_REQUIRE(market->sim, client->words[i] == 1);
    }
    uint32_t heard = session->next - 1 + client->throttled;
    JZX_SIM_REQUIRE(market->sim, heard <= client->submitted);
    /* What is on its way to a session that fails is a dead letter; else nothing is lost. */
    bool lossless = jzx_sim_injected(market->sim, JZX_SIM_ACTOR_FAILS) == 0 &&
                    jzx_sim_injected(market->sim, JZX_SIM_ALLOC) == 0;
    JZX_SIM_REQUIRE(market->sim, heard == client->submitted || !lossless);
    for (uint32_t i = 0; i < INSTRUMENTS; i++) {
        JZX_SIM_REQUIRE(market->sim, client->holds[i] == market->holds[index][i]);
        JZX_SIM_REQUIRE(market->sim, market->exchange.positions[index][i] == market->holds[index][i]);
    }
}

static void check(const struct market *market)
{
    for (uint32_t i = 0; i < INSTRUMENTS; i++) {
        check_resting(market, i);
    }
    for (uint32_t i = 0; i < market->client_count; i++) {
        check_client(market, i);
    }
}

/* ---- the runs ---- */

static void run_clients(struct market *market)
{
    static const char *const names[SESSIONS_MAX] = {"client 0", "client 1", "client 2", "client 3",
                                                    "client 4", "client 5", "client 6", "client 7"};
    jzx_sim *sim = market->sim;
    for (uint32_t i = 0; i < market->client_count; i++) {
        market->clients[i].market = market;
        market->clients[i].index = i;
        (void)jzx_sim_thread(sim, names[i], client_main, &market->clients[i]);
    }
    if (jzx_sim_run_until(sim, clients_done, market, 600000 * MS) == JZX_ERR_TIMEOUT) {
        jzx_sim_fail(sim, "clients cannot send what they want to");
    }
    (void)jzx_sim_heal(sim);
    (void)jzx_sim_advance(sim, 2000 * MS); /* the longest stall is over, and no post is on its way any more */
    if (jzx_sim_run_until(sim, settled, market, 60000 * MS) == JZX_ERR_TIMEOUT) {
        jzx_sim_fail(sim, "something was not said or read within a minute of health");
    }
    if (jzx_sim_failure(sim) == NULL && !market->closed) {
        check(market);
    }
}

/*
 * Most exchanges open in peace. Of the others some do not open, without memory or descriptors: those have to leave nothing,
 * which is looked at behind this.
 */
static void play(jzx_sim *sim, void *argument)
{
    struct market *market = begin(sim, argument != NULL);
    (void)jzx_sim_hold(sim, jzx_sim_between(sim, 0, 3) > 0);
    if (start(market) != JZX_OK) {
        return;
    }
    (void)jzx_sim_check(sim, "the best prices do not cross", not_crossed, market);
    if (jzx_sim_run_until(sim, is_open, market, 10000 * MS) == JZX_OK) {
        (void)jzx_sim_hold(sim, false);
        run_clients(market);
    }
    (void)exchange_stop(&market->exchange);
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

static const struct command BUY = {.side = BOOK_BUY, .price = 100, .quantity = 10};

static struct market *open_healthy(void)
{
    jzx_sim *sim;
    cr_assert_eq(jzx_sim_create(1, NULL, &sim), JZX_OK);
    struct market *market = begin(sim, false);
    market->client_count = 3;
    cr_assert_eq(start(market), JZX_OK);
    cr_assert_eq(jzx_sim_run_until_idle(sim), JZX_OK);
    cr_assert(is_open(market));
    return market;
}

static void close_healthy(struct market *market)
{
    cr_assert_eq(exchange_stop(&market->exchange), JZX_OK);
    cr_assert_eq(jzx_sim_check_end(market->sim), JZX_OK, "%s", jzx_sim_failure(market->sim));
    cr_assert_eq(jzx_sim_destroy(market->sim), JZX_OK);
}

Test(orderbook, order_is_accepted_at_once, .timeout = 60)
{
    struct market *market = open_healthy();
    uint64_t began_ns = jzx_sim_now_ns(market->sim);
    cr_assert_eq(exchange_submit(&market->exchange, &BUY), JZX_OK);
    cr_assert_eq(jzx_sim_run_until_idle(market->sim), JZX_OK);
    cr_assert_eq(market->clients[0].words[1], 1);
    cr_assert_eq(jzx_sim_now_ns(market->sim), began_ns);
    close_healthy(market);
}

Test(orderbook, refused_command_is_sent_again_after_a_millisecond, .timeout = 60)
{
    struct market *market = open_healthy();
    jzx_sim *sim = market->sim;
    uint64_t began_ns = jzx_sim_now_ns(sim);
    cr_assert_eq(jzx_sim_inject(sim, &(jzx_sim_injection){.fault = JZX_SIM_LANE_FULL, .times = 1}), JZX_OK);
    cr_assert_eq(exchange_submit(&market->exchange, &BUY), JZX_OK);
    cr_assert_eq(jzx_sim_run_until_idle(sim), JZX_OK);
    cr_assert_eq(jzx_sim_injected(sim, JZX_SIM_LANE_FULL), 1);
    cr_assert_eq(market->clients[0].words[1], 0);
    cr_assert_eq(jzx_sim_advance_next(sim), JZX_OK);
    cr_assert_eq(jzx_sim_now_ns(sim), began_ns + AGAIN_NS);
    cr_assert_eq(market->clients[0].words[1], 1);
    close_healthy(market);
}

Test(orderbook, command_that_is_late_is_taken_once, .timeout = 60)
{
    struct market *market = open_healthy();
    jzx_sim *sim = market->sim;
    uint64_t stall_ns = 2 * DEADLINE_NS + AGAIN_NS; /* the session sends it three times */
    uint64_t began_ns = jzx_sim_now_ns(sim);
    cr_assert_eq(jzx_sim_stall(sim, jzx_runtime_loop(market->exchange.runtime, 1), stall_ns), JZX_OK);
    cr_assert_eq(exchange_submit(&market->exchange, &BUY), JZX_OK);
    cr_assert_eq(jzx_sim_advance(sim, stall_ns - 1), JZX_OK);
    cr_assert_eq(market->clients[0].words[1], 0);
    cr_assert_eq(jzx_sim_advance(sim, 1), JZX_OK);
    cr_assert_eq(market->clients[0].words[1], 1);
    cr_assert_eq(jzx_sim_now_ns(sim), began_ns + stall_ns);
    cr_assert_eq(market->exchange.engines[0].book.count, 1);
    close_healthy(market);
}

/* Found by a search: a session that was told to wait asked again at once, and the two of them never slept. */
Test(orderbook, full_engine_is_asked_once_a_millisecond, .timeout = 60)
{
    struct market *market = open_healthy();
    jzx_sim *sim = market->sim;
    struct exchange *exchange = &market->exchange;
    struct command buy = {.session = 1, .side = BOOK_BUY, .price = 100, .quantity = 1000};
    struct command sell = {.session = 0, .side = BOOK_SELL, .price = 100, .quantity = 1};
    cr_assert_eq(exchange_submit(exchange, &buy), JZX_OK);
    cr_assert_eq(jzx_sim_run_until_idle(sim), JZX_OK);
    cr_assert_eq(jzx_sim_inject(sim, &(jzx_sim_injection){.fault = JZX_SIM_INIT_FAILS, .times = UINT64_MAX}), JZX_OK);
    cr_assert_eq(exchange_crash(exchange, 1), JZX_OK); /* it cannot come back, so it does not read its trades */
    for (uint32_t i = 0; i < EVENTS_SIZE / 2; i++) {
        cr_assert_eq(exchange_submit(exchange, &sell), JZX_OK);
        cr_assert_eq(jzx_sim_run_until_idle(sim), JZX_OK);
    }
    buy.session = 2;
    cr_assert_eq(exchange_submit(exchange, &buy), JZX_OK);
    uint64_t steps = jzx_sim_steps(sim);
    cr_assert_eq(jzx_sim_advance(sim, 10 * AGAIN_NS), JZX_OK, "%s", jzx_sim_failure(sim));
    cr_assert_lt(jzx_sim_steps(sim) - steps, 1000);
    cr_assert_eq(market->clients[2].words[1], 0);
    cr_assert_eq(jzx_sim_heal(sim), JZX_OK);
    cr_assert_eq(jzx_sim_advance(sim, 2 * AGAIN_NS), JZX_OK);
    cr_assert_eq(market->clients[2].words[1], 1);
    cr_assert_eq(market->clients[1].holds[0], EVENTS_SIZE / 2);
    close_healthy(market);
}

Test(orderbook, command_waits_while_its_session_is_down, .timeout = 60)
{
    struct market *market = open_healthy();
    cr_assert_eq(exchange_crash(&market->exchange, 0), JZX_OK);
    cr_assert_eq(exchange_submit(&market->exchange, &BUY), JZX_OK);
    cr_assert_eq(jzx_sim_run_until_idle(market->sim), JZX_OK);
    cr_assert_eq(market->clients[0].words[1], 0);
    cr_assert_eq(jzx_sim_advance(market->sim, AGAIN_NS), JZX_OK);
    cr_assert_eq(market->clients[0].words[1], 1);
    close_healthy(market);
}

Test(orderbook, session_that_fails_leaves_the_book_alone, .timeout = 60)
{
    struct market *market = open_healthy();
    struct exchange *exchange = &market->exchange;
    jzx_actor_id id;
    cr_assert_eq(exchange_submit(exchange, &BUY), JZX_OK);
    cr_assert_eq(jzx_sim_run_until_idle(market->sim), JZX_OK);
    cr_assert_eq(jzx_child_id(exchange->runtime, exchange->session_refs[0], &id), JZX_OK);
    cr_assert_eq(jzx_sim_fail_actor(market->sim, exchange->runtime, id, 7), JZX_OK);
    cr_assert_eq(jzx_sim_run_until_idle(market->sim), JZX_OK);
    cr_assert_eq(exchange->engines[0].book.count, 1);

    struct command sell = {.side = BOOK_SELL, .price = 90, .quantity = 4, .session = 1};
    cr_assert_eq(exchange_submit(exchange, &sell), JZX_OK); /* the other client trades with it meanwhile */
    cr_assert_eq(jzx_sim_run_until_idle(market->sim), JZX_OK);
    cr_assert_eq(market->clients[1].holds[0], -4);
    cr_assert_eq(market->clients[0].holds[0], 0);
    cr_assert_eq(jzx_sim_advance(market->sim, AGAIN_NS), JZX_OK); /* its supervisor's pause */
    cr_assert_eq(market->clients[0].holds[0], 4);
    close_healthy(market);
}
