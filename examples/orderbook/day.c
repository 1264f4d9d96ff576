/* day: see day.h. */
#include "day.h"

#include "bench/harness/histogram.h"
#include "exchange.h"
#include "load.h"

#include <inttypes.h>
#include <jzx/bench.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>

enum { POSTER_SIZE = 1024 };

static const uint64_t second_ns = 1000000000;
static const uint64_t silence_ns = 20000000000; /* an exchange that says nothing for so long has failed */

/* What was heard. Written by the loop's thread, and read by this one when all is over, but for the atomic ones. */
struct heard {
    bench_histogram *words;
    bench_histogram *data;
    struct tape tape;
    uint64_t kinds[EVENT_LOST + 1]; /* words and what sessions heard beside them; of trades the taker's */
    uint64_t reasons[REASONS];
    uint64_t last_ns;
    _Atomic uint32_t numbers[SESSIONS_MAX]; /* of the last word */
    _Atomic uint32_t closed;                /* subscribers that know that the market is */
};

struct day {
    struct settings settings;
    struct exchange exchange;
    struct heard heard;
    struct load load;
    jzx_poster *poster;
    uint64_t began_ns;
    double gap_ns;
    /* The schedule as it was kept: an order is late if this thread looked at the clock too late to send it. */
    uint64_t due, sent, late, worst_ns, sent_ns;
    uint32_t leaving; /* the session that leaves next */
};

/* ---- the schedule ---- */

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * second_ns + (uint64_t)now.tv_nsec;
}

static uint64_t due_at(const struct day *day, uint64_t index)
{
    return day->began_ns + (uint64_t)((double)index * day->gap_ns);
}

/* Goes on to the orders that are due now, whether they can be sent or not: an exchange that stalls holds up nothing here. */
static void note_due(struct day *day)
{
    uint64_t now = now_ns();
    for (; day->due < day->settings.orders && due_at(day, day->due) <= now; day->due++) {
        uint64_t late_ns = now - due_at(day, day->due);
        day->late += late_ns > JZX_BENCH_LATE_NS;
        day->worst_ns = late_ns > day->worst_ns ? late_ns : day->worst_ns;
    }
}

/* ---- what is heard, on the loop's thread ---- */

/* Commands that are in the schedule: what comes of the leaves at the end is behind it. */
static void count_latency(struct day *day, bench_histogram *histogram, jzx_context *context, const struct event *event)
{
    uint64_t index = load_index(SESSIONS_MAX, event->session, event->number);
    if (index < day->settings.orders) {
        uint64_t due_ns = due_at(day, index);
        uint64_t heard_ns = jzx_clock_ns(context);
        bench_histogram_add(histogram, heard_ns > due_ns ? heard_ns - due_ns : 0, 1);
        day->heard.last_ns = heard_ns;
    }
}

static void on_report(void *argument, jzx_context *context, uint32_t session, const struct event *event)
{
    struct day *day = argument;
    if (event->kind != EVENT_TRADE || event->session == session) {
        day->heard.kinds[event->kind]++;
    }
    if (event->kind == EVENT_REJECTED) {
        day->heard.reasons[event->reason]++;
    }
    bool word = event_is_word(event) && event->sequence != NO_SEQUENCE;
    if (word) {
        count_latency(day, day->heard.words, context, event);
    }
    if (word || event->kind == EVENT_LOST) {
        atomic_store_explicit(&day->heard.numbers[session], event->number, memory_order_release);
    }
}

static void on_market(void *argument, jzx_context *context, uint32_t subscriber, const struct event *event)
{
    struct day *day = argument;
    if (event->kind == EVENT_CLOSED) {
        atomic_fetch_add(&day->heard.closed, 1);
        return;
    }
    count_latency(day, day->heard.data, context, event);
    if (subscriber == 0 && event->kind == EVENT_TRADE) {
        tape_add(&day->heard.tape, event);
    }
}

/* ---- sending ---- */

static void turn(struct day *day)
{
    if (day->exchange.options.hosted) {
        (void)jzx_loop_run_once(day->exchange.loop, 0);
    }
}

/* As long as its session has no more under way than it should. */
static bool may_send(const struct day *day, const struct command *command)
{
    uint32_t heard = atomic_load_explicit(&day->heard.numbers[command->session], memory_order_acquire);
    return command->number - heard <= IN_FLIGHT_MAX;
}

static bool is_refusal(jzx_err err)
{
    return err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_MAILBOX_FULL || err == JZX_ERR_NOT_RUNNING;
}

/* Says what failed. */
static bool failed(const char *what, jzx_err err)
{
    fprintf(stderr, "orderbook: %s: %s\n", what, jzx_strerror(err));
    return false;
}

/* One that is due goes, or waits for its turn in front of all others: what trades with what is to depend on the seed alone. */
static bool send_due(struct day *day)
{
    struct command command = load_next(&day->load);
    uint64_t quiet_ns = now_ns();
    while (day->sent < day->settings.orders) {
        jzx_err err = JZX_ERR_WOULD_BLOCK;
        note_due(day);
        if (day->sent < day->due && may_send(day, &command)) {
            err = exchange_submit(&day->exchange, day->poster, &command);
        }
        if (err == JZX_OK) {
            day->sent++;
            quiet_ns = day->sent_ns = now_ns();
            command = load_next(&day->load);
        } else if (!is_refusal(err)) {
            return failed("cannot send an order", err);
        } else if (day->sent < day->due && now_ns() - quiet_ns > silence_ns) {
            return failed("the exchange does not answer", JZX_ERR_TIMEOUT);
        }
        turn(day);
    }
    return true;
}

static void pass_time(struct day *day)
{
    turn(day);
    if (!day->exchange.options.hosted) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
}

static bool wait_for(struct day *day, bool (*ready)(struct day *day), const char *what)
{
    uint64_t began_ns = now_ns();
    while (!ready(day)) {
        if (now_ns() - began_ns > silence_ns) {
            return failed(what, JZX_ERR_TIMEOUT);
        }
        pass_time(day);
    }
    return true;
}

static bool is_open(struct day *day)
{
    return atomic_load(&day->exchange.open);
}

/* Each session leaves behind its last command. */
static bool have_left(struct day *day)
{
    for (; day->leaving < SESSIONS_MAX; day->leaving++) {
        uint64_t sent = (day->settings.orders + SESSIONS_MAX - 1 - day->leaving) / SESSIONS_MAX;
        struct command command = {
            .kind = COMMAND_LEAVE, .session = (uint8_t)day->leaving, .number = (uint32_t)sent + 1};
        if (!may_send(day, &command) || exchange_submit(&day->exchange, day->poster, &command) != JZX_OK) {
            return false;
        }
    }
    return true;
}

/* With the last session the market closes, which all subscribers hear behind all else. */
static bool is_closed(struct day *day)
{
    return atomic_load(&day->heard.closed) == day->settings.subscribers;
}

/* ---- what is said ---- */

static void print_latencies(const char *name, const bench_histogram *histogram)
{
    static const double shares[] = {0.5, 0.9, 0.99, 0.999};
    printf("%-28s %10" PRIu64, name, bench_histogram_count(histogram));
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        printf(" %10.2f", (double)bench_histogram_at(histogram, shares[i]) / 1000);
    }
    printf(" %10.2f\n", (double)bench_histogram_max(histogram) / 1000);
}

static void print_words(const struct heard *heard)
{
    static const char *const reasons[REASONS] = {
        "", "kind", "side", "symbol", "price", "quantity", "book full", "no such order", "throttled", "early", "over"};
    printf("words: accepted %" PRIu64 ", replaced %" PRIu64 ", cancelled %" PRIu64 ", rejected %" PRIu64,
           heard->kinds[EVENT_ACCEPTED], heard->kinds[EVENT_REPLACED], heard->kinds[EVENT_CANCELLED],
           heard->kinds[EVENT_REJECTED]);
    for (uint32_t i = 1; i < REASONS; i++) {
        if (heard->reasons[i] != 0) {
            printf("; %s %" PRIu64, reasons[i], heard->reasons[i]);
        }
    }
    printf("\n");
}

static void print_readers(const struct day *day)
{
    uint64_t missed = 0;
    uint64_t snapshots = 0;
    for (uint32_t i = 0; i < day->settings.subscribers; i++) {
        missed += day->exchange.subscribers[i].place.missed;
        snapshots += day->exchange.subscribers[i].place.snapshots;
    }
    printf("market data: missed by a subscriber and sent again %" PRIu64 ", snapshots %" PRIu64 "\n", missed,
           snapshots);
}

static void print_setting(const struct day *day)
{
    const struct settings *settings = &day->settings;
    printf("orderbook: %" PRIu64 " orders of %d sessions, symbols %" PRIu64 ", subscribers %" PRIu64 ", seed %" PRIu64
           "\n",
           settings->orders, SESSIONS_MAX, settings->symbols, settings->subscribers, settings->seed);
    if (day->exchange.options.hosted) {
        printf("the loop polls on CPU %d, and orders are sent between its turns\n", settings->cpu);
    } else {
        printf("the loop polls on CPU %d, orders come from CPU %d\n", settings->cpu, settings->other_cpu);
    }
}

/* Every order has had its word, and the first subscriber has every trade that was made. */
static bool is_whole(const struct day *day)
{
    uint64_t trades = 0;
    for (uint32_t i = 0; i < day->exchange.market.symbols; i++) {
        trades += day->exchange.market.trades[i];
    }
    bool whole = trades == day->heard.tape.trades && bench_histogram_count(day->heard.words) == day->settings.orders;
    if (!whole) {
        fprintf(stderr,
                "orderbook: %" PRIu64 " of %" PRIu64 " orders have their word, %" PRIu64 " of %" PRIu64
                " trades are on the tape\n",
                bench_histogram_count(day->heard.words), day->settings.orders, day->heard.tape.trades, trades);
    }
    return whole;
}

/* Returns what main() should. */
static int print_day(const struct day *day)
{
    const struct heard *heard = &day->heard;
    double wanted = (double)day->settings.rate;
    double sent = (double)day->sent * 1e9 / (double)(day->sent_ns - day->began_ns);
    double answered = (double)day->sent * 1e9 / (double)(heard->last_ns - day->began_ns);
    bool invalid = day->late * 100 > day->sent * JZX_BENCH_LATE_PERCENT;
    print_words(heard);
    printf("tape: %" PRIu64 " trades, volume %" PRIu64 ", hash %016" PRIx64 "\n", heard->tape.trades,
           heard->tape.volume, heard->tape.hash);
    print_readers(day);
    printf("rate: %.0f a second wanted, %.0f sent, %.0f answered; %.2f %% were sent late, the latest by %.0f us\n",
           wanted, sent, answered, (double)day->late * 100 / (double)day->sent, (double)day->worst_ns / 1000);
    printf("%-28s %10s %10s %10s %10s %10s %10s\n", "latency in us", "count", "p50", "p90", "p99", "p99.9", "max");
    print_latencies("order in to report out", heard->words);
    print_latencies("order in to market data out", heard->data);
    if (invalid) {
        printf("INVALID: the generator fell behind its own schedule: more than %d %% came more than %d us late\n",
               JZX_BENCH_LATE_PERCENT, JZX_BENCH_LATE_NS / 1000);
    }
    return invalid ? DAY_INVALID : 0;
}

/* ---- the day ---- */

static jzx_err open_exchange(struct day *day)
{
    const struct settings *settings = &day->settings;
    struct exchange_options options = {
        .symbols = (uint32_t)settings->symbols,
        .sessions = SESSIONS_MAX,
        .subscribers = (uint32_t)settings->subscribers,
        .cpu = settings->cpu,
        .busy = true,
        .hosted = settings->other_cpu == JZX_CPU_ANY,
        .seed = settings->seed + 1,
        .user = {day, on_report, on_market, NULL},
    };
    int os_error;
    jzx_err err = exchange_start(&day->exchange, &options, &os_error);
    if (err == JZX_ERR_NO_SUCH_CPU) {
        fprintf(stderr, "orderbook: CPU %d cannot be had\n", settings->cpu);
    } else if (err != JZX_OK) {
        fprintf(stderr, "orderbook: the exchange does not open: %s%s%s\n", jzx_strerror(err), os_error != 0 ? ": " : "",
                os_error != 0 ? strerror(os_error) : "");
    }
    return err;
}

static bool run(struct day *day)
{
    jzx_err err = day->exchange.options.hosted ? JZX_OK
                                               : jzx_poster_create(day->exchange.runtime, POSTER_SIZE, &day->poster);
    if (err != JZX_OK) {
        return failed("no poster", err);
    }
    if (!wait_for(day, is_open, "the exchange does not open")) {
        return false;
    }
    load_init(&day->load, day->settings.seed, (uint32_t)day->settings.symbols, SESSIONS_MAX);
    day->gap_ns = 1e9 / (double)day->settings.rate;
    day->began_ns = now_ns();
    return send_due(day) && wait_for(day, have_left, "a session cannot leave") &&
           wait_for(day, is_closed, "the market does not close");
}

int day_play(const struct settings *settings)
{
    static struct day room;
    struct day *day = &room;
    cpu_set_t own;
    CPU_ZERO(&own);
    day->settings = *settings;
    tape_init(&day->heard.tape);
    day->heard.words = bench_histogram_create();
    day->heard.data = bench_histogram_create();
    if (day->heard.words == NULL || day->heard.data == NULL) {
        fputs("orderbook: no memory\n", stderr);
        return 1;
    }
    if (open_exchange(day) != JZX_OK) {
        return 1;
    }
    print_setting(day);
    if (!day->exchange.options.hosted) { /* only now: the loop's CPU has to be one that this thread may use */
        CPU_SET((size_t)day->settings.other_cpu, &own);
        (void)sched_setaffinity(0, sizeof own, &own);
    }
    bool good = run(day);
    jzx_err err = exchange_stop(&day->exchange);
    if (err != JZX_OK) {
        failed("the exchange does not stop", err);
    }
    int status = good && err == JZX_OK && is_whole(day) ? print_day(day) : 1;
    bench_histogram_destroy(day->heard.words);
    bench_histogram_destroy(day->heard.data);
    return status;
}
