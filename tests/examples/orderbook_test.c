/*
 * The market of examples/orderbook beside another one, as simple as can be (orderbook_reference.h), and the program as it is
 * started from a shell: on two CPUs and on one its tape is that of the other market.
 */
#include <criterion/criterion.h>

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "orderbook_reference.h"
#include "server.h"

/* ---- two markets, event by event ---- */

enum { EVENTS_MOST = 4 * BOOK_ORDERS_MAX };

struct events {
    uint32_t count;
    struct event list[EVENTS_MOST];
};

struct both {
    struct market market;
    struct reference reference;
    struct events got;
    struct events wanted;
    struct tape tape;
};

static void keep(void *context, const struct event *event)
{
    struct events *events = context;
    cr_assert_lt(events->count, EVENTS_MOST);
    events->list[events->count++] = *event;
}

static struct both *begin(uint32_t symbols, uint32_t sessions, uint16_t orders_max)
{
    static struct both both;
    market_init(&both.market, symbols, sessions, orders_max);
    reference_init(&both.reference, symbols, sessions, orders_max);
    tape_init(&both.tape);
    return &both;
}

/* Both do it, and say the same, which stays in `got`. */
static void apply(struct both *both, const struct command *command)
{
    enum event_reason reason;
    uint32_t words = 0;
    both->got.count = 0;
    both->wanted.count = 0;
    cr_assert(market_takes(&both->market, command, &reason));
    market_apply(&both->market, command, keep, &both->got);
    reference_apply(&both->reference, command, keep, &both->wanted);
    cr_assert_eq(both->got.count, both->wanted.count, "command %u of session %u, kind %u", command->number,
                 command->session, command->kind);
    for (uint32_t i = 0; i < both->got.count; i++) {
        const struct event *event = &both->got.list[i];
        cr_assert(event_equals(event, &both->wanted.list[i]), "event %u of command %u of session %u, kind %u", i,
                  command->number, command->session, command->kind);
        words += event_is_word(event);
        if (event->kind == EVENT_TRADE) {
            tape_add(&both->tape, event);
        }
    }
    cr_assert_eq(words, 1);
}

static void check(const struct both *both)
{
    const struct reference *reference = &both->reference;
    cr_assert(reference_equals(reference, &both->market));
    cr_assert_eq(reference->placed, reference->filled + reference->withdrawn + reference_resting(reference));
    for (uint32_t symbol = 0; symbol < both->market.symbols; symbol++) {
        const int32_t *best = both->market.books[symbol].best;
        int64_t held = 0;
        for (uint32_t i = 0; i < SESSIONS_MAX; i++) {
            held += both->market.holds[i][symbol];
        }
        cr_assert_eq(held, 0, "what one has bought another has sold");
        cr_assert(best[BOOK_BUY] == BOOK_NO_PRICE || best[BOOK_SELL] == BOOK_NO_PRICE ||
                  best[BOOK_BUY] < best[BOOK_SELL]);
    }
}

static void all_leave(struct both *both, uint32_t sessions)
{
    for (uint32_t i = 0; i < sessions; i++) {
        struct command command = {.kind = COMMAND_LEAVE, .session = (uint8_t)i, .number = both->market.last[i] + 1};
        apply(both, &command);
        check(both);
    }
    cr_assert_eq(both->reference.count, 0);
    cr_assert_eq(both->got.list[both->got.count - 1].kind, EVENT_CLOSED);
}

Test(orderbook, load_of_a_seed_trades_as_in_the_reference, .timeout = 120)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct both *both = begin(3, SESSIONS_MAX, BOOK_ORDERS_MAX);
        struct load load;
        load_init(&load, seed, 3, SESSIONS_MAX);
        for (uint32_t i = 0; i < 4000; i++) {
            struct command command = load_next(&load);
            cr_assert_eq(load_index(SESSIONS_MAX, command.session, command.number), i);
            apply(both, &command);
            if (i % 100 == 0) {
                check(both);
            }
        }
        cr_assert_gt(both->tape.trades, 1000, "a load that does not trade tests nothing");
        all_leave(both, SESSIONS_MAX);
    }
}

/* Few prices, small books, and all that may be wrong with a command. */
static struct command draw_any(uint64_t *random, const struct market *market)
{
    struct command command = {0};
    uint32_t words[8];
    for (uint32_t i = 0; i < 8; i++) {
        *random = *random * 6364136223846793005u + 1442695040888963407u;
        words[i] = (uint32_t)(*random >> 33);
    }
    command.session = (uint8_t)(words[0] % 4);
    command.number = market->last[command.session] + 1;
    command.kind = (uint8_t)(words[1] % 32 == 0 ? COMMAND_KINDS + words[2] % 8 : words[1] % COMMAND_LEAVE);
    command.side = (uint8_t)(words[2] % 64 == 0 ? 2 : words[2] % 2);
    command.symbol = (uint8_t)(words[3] % 64 == 0 ? 255 : words[3] % 2);
    command.price = words[4] % 32 == 0 ? -1 : words[4] % 32 == 1 ? BOOK_PRICE_MAX + 1 : 500 + (int32_t)(words[4] % 6);
    command.quantity = words[5] % 12;
    command.target = command.number > 12 ? command.number - words[6] % 12 : words[6] % 12;
    return command;
}

Test(orderbook, random_commands_do_as_in_the_reference, .timeout = 120)
{
    uint64_t reasons[REASONS] = {0};
    for (uint64_t seed = 1; seed <= 200; seed++) {
        uint64_t random = seed;
        struct both *both = begin(2, 4, 16);
        for (uint32_t i = 0; i < 1000; i++) {
            struct command command = draw_any(&random, &both->market);
            apply(both, &command);
            reasons[both->got.list[0].reason]++;
        }
        check(both);
        all_leave(both, 4);
    }
    for (uint32_t i = REASON_KIND; i <= REASON_NO_ORDER; i++) {
        cr_expect_gt(reasons[i], 0, "nothing was rejected for reason %u", i);
    }
}

/* ---- rules, one by one ---- */

static uint32_t next_of(const struct both *both, uint32_t session)
{
    return both->market.last[session] + 1;
}

/* An order of symbol 0. Returns its number. */
static uint32_t order(struct both *both, uint32_t session, enum command_kind kind, enum book_side side, int32_t price,
                      uint32_t quantity)
{
    struct command command = {.session = (uint8_t)session,
                              .number = next_of(both, session),
                              .kind = (uint8_t)kind,
                              .side = (uint8_t)side,
                              .price = price,
                              .quantity = quantity};
    apply(both, &command);
    return command.number;
}

static void replace(struct both *both, uint32_t session, uint32_t target, int32_t price, uint32_t quantity)
{
    struct command command = {.session = (uint8_t)session,
                              .number = next_of(both, session),
                              .kind = COMMAND_REPLACE,
                              .target = target,
                              .price = price,
                              .quantity = quantity};
    apply(both, &command);
}

/* The i-th event of the last command is a trade with an order of that session. */
static void traded_with(const struct both *both, uint32_t at, uint32_t session, int32_t price, uint32_t quantity)
{
    cr_assert_lt(at, both->got.count);
    const struct event *event = &both->got.list[at];
    cr_assert_eq(event->kind, EVENT_TRADE);
    cr_assert_eq(event->other_session, session);
    cr_assert_eq(event->price, price);
    cr_assert_eq(event->quantity, quantity);
}

Test(orderbook, better_price_goes_first_then_the_older_order)
{
    struct both *both = begin(1, 4, 16);
    order(both, 0, COMMAND_LIMIT, BOOK_SELL, 102, 5);
    order(both, 1, COMMAND_LIMIT, BOOK_SELL, 101, 5);
    order(both, 2, COMMAND_LIMIT, BOOK_SELL, 101, 5);
    order(both, 3, COMMAND_LIMIT, BOOK_BUY, 102, 12);
    cr_assert_eq(both->got.count, 4);
    traded_with(both, 1, 1, 101, 5);
    traded_with(both, 2, 2, 101, 5);
    traded_with(both, 3, 0, 102, 2);
}

Test(orderbook, replacement_keeps_its_place_only_if_it_is_for_less)
{
    struct both *both = begin(1, 4, 16);
    uint32_t first = order(both, 0, COMMAND_LIMIT, BOOK_SELL, 100, 5);
    uint32_t second = order(both, 1, COMMAND_LIMIT, BOOK_SELL, 100, 5);
    order(both, 2, COMMAND_LIMIT, BOOK_SELL, 100, 5);
    replace(both, 0, first, 100, 3);
    replace(both, 1, second, 100, 6);
    order(both, 3, COMMAND_LIMIT, BOOK_BUY, 100, 14);
    traded_with(both, 1, 0, 100, 3);
    traded_with(both, 2, 2, 100, 5);
    traded_with(both, 3, 1, 100, 6);
    cr_assert_eq(both->market.books[0].count, 0);
}

Test(orderbook, what_a_market_order_does_not_find_expires)
{
    struct both *both = begin(1, 2, 16);
    order(both, 0, COMMAND_LIMIT, BOOK_BUY, 90, 5);
    order(both, 1, COMMAND_MARKET, BOOK_SELL, 0, 8);
    traded_with(both, 1, 0, 90, 5);
    cr_assert_eq(both->got.list[2].kind, EVENT_EXPIRED);
    cr_assert_eq(both->got.list[2].quantity, 3);
    cr_assert_eq(both->market.books[0].count, 0);
}

Test(orderbook, no_order_of_another_session_is_cancelled)
{
    struct both *both = begin(1, 2, 16);
    struct command cancel = {.kind = COMMAND_CANCEL, .session = 1, .number = 1, .target = 1};
    order(both, 0, COMMAND_LIMIT, BOOK_BUY, 90, 5);
    apply(both, &cancel);
    cr_assert_eq(both->got.list[0].kind, EVENT_REJECTED);
    cr_assert_eq(both->got.list[0].reason, REASON_NO_ORDER);
    cr_assert_eq(both->market.books[0].count, 1);
}

Test(orderbook, takes_the_next_command_of_a_session_only)
{
    struct both *both = begin(1, 2, 16);
    enum event_reason reason;
    struct command command = {.side = BOOK_BUY, .price = 10, .quantity = 1, .number = 2};
    cr_assert_not(market_takes(&both->market, &command, &reason));
    cr_assert_eq(reason, REASON_EARLY);
    command.number = 1;
    apply(both, &command);
    cr_assert_not(market_takes(&both->market, &command, &reason));
    cr_assert_eq(reason, REASON_NONE);
    command = (struct command){.kind = COMMAND_LEAVE, .number = 2};
    apply(both, &command);
    command.number = 3;
    cr_assert_not(market_takes(&both->market, &command, &reason));
    cr_assert_eq(reason, REASON_OVER);
}

/* ---- the program ---- */

enum { ORDERS = 3000 };

/* What the reference makes of the orders of a seed, as the program says it. */
static void tape_of(uint64_t seed, uint32_t symbols, char line[128])
{
    struct both *both = begin(symbols, SESSIONS_MAX, BOOK_ORDERS_MAX);
    struct load load;
    load_init(&load, seed, symbols, SESSIONS_MAX);
    for (uint32_t i = 0; i < ORDERS; i++) {
        struct command command = load_next(&load);
        apply(both, &command);
    }
    (void)snprintf(line, 128, "tape: %" PRIu64 " trades, volume %" PRIu64 ", hash %016" PRIx64 "\n", both->tape.trades,
                   both->tape.volume, both->tape.hash);
}

static int run(struct server *program, char *const *arguments)
{
    start_with(program, "ORDERBOOK", arguments);
    return wait_end(program);
}

/* It may be too late with its orders where others work too, and has to say so; all else must be right. */
static void check_day(char *seed, char *symbols, const char *where)
{
    static struct server program;
    char line[128];
    char *arguments[] = {"orderbook", "--orders",  "3000",  "--rate",        "100000", "--seed",
                         seed,        "--symbols", symbols, "--subscribers", "3",      NULL};
    int status = run(&program, arguments);
    bool invalid = strstr(program.text, "INVALID: the generator fell behind") != NULL;
    cr_assert_eq(status, invalid ? 3 : 0, "%s", program.text);
    tape_of(strtoull(seed, NULL, 10), (uint32_t)strtoul(symbols, NULL, 10), line);
    cr_assert_not_null(strstr(program.text, line), "not '%s' but: %s", line, program.text);
    cr_assert_not_null(strstr(program.text, where), "%s", program.text);
    cr_assert_not_null(strstr(program.text, "order in to report out             3000 "), "%s", program.text);
    cr_assert_null(strstr(program.text, "throttled"), "%s", program.text);
}

Test(orderbook, program_has_the_tape_of_the_reference, .timeout = 120)
{
    cpu_set_t all;
    cr_assert_eq(sched_getaffinity(0, sizeof all, &all), 0);
    if (CPU_COUNT(&all) < 2) {
        cr_skip_test("one CPU");
    }
    check_day("1", "4", "orders come from CPU");
    check_day("18446744073709551614", "16", "orders come from CPU");
}

Test(orderbook, program_has_the_same_tape_on_one_cpu, .timeout = 120)
{
    cpu_set_t all;
    cpu_set_t one;
    size_t cpu = 0;
    CPU_ZERO(&one);
    cr_assert_eq(sched_getaffinity(0, sizeof all, &all), 0);
    while (!CPU_ISSET(cpu, &all)) {
        cpu++;
    }
    CPU_SET(cpu, &one);
    cr_assert_eq(sched_setaffinity(0, sizeof one, &one), 0);
    check_day("1", "4", "orders are sent between its turns");
    check_day("7", "1", "orders are sent between its turns");
}

Test(orderbook, program_says_what_is_wrong_with_its_arguments, .timeout = 60)
{
    static const struct {
        char *option, *value;
        const char *said;
    } cases[] = {
        {"--symbols", "17", "--symbols takes a number from 1 to 16, not '17'"},
        {"--symbols", "0", "--symbols takes a number from 1 to 16, not '0'"},
        {"--orders", "-1", "--orders takes a number from 1 to 100000000, not '-1'"},
        {"--rate", "fast", "--rate takes a number from 1 to 10000000, not 'fast'"},
        {"--subscribers", "17", "--subscribers takes a number from 1 to 16, not '17'"},
        {"--seed", "18446744073709551615", "--seed takes a number from 0 to 18446744073709551614"},
        {"--seed", "18446744073709551616", "--seed takes a number from 0 to 18446744073709551614"},
        {"--cpu", "1024", "--cpu takes a number from 0 to 1023, not '1024'"},
        {"--colour", "red", "unrecognized option '--colour'"},
        {"all", NULL, "'all' is not an option"},
        {"--orders", NULL, "requires an argument"},
    };
    static struct server program;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *arguments[] = {"orderbook", cases[i].option, cases[i].value, NULL};
        cr_expect_eq(run(&program, arguments), 2);
        cr_expect_not_null(strstr(program.text, cases[i].said), "%s: %s", cases[i].option, program.text);
        cr_expect_not_null(strstr(program.text, "--help lists the options"), "%s", program.text);
    }
}

Test(orderbook, program_cannot_have_a_cpu_that_is_not_there, .timeout = 60)
{
    static struct server program;
    char *arguments[] = {"orderbook", "--cpu", "1023", NULL};
    cr_assert_eq(run(&program, arguments), 1);
    cr_assert_str_eq(program.text, "orderbook: CPU 1023 cannot be had\n");
}

Test(orderbook, program_tells_its_options, .timeout = 60)
{
    static struct server program;
    char *arguments[] = {"orderbook", "--help", NULL};
    static const char *const names[] = {"--symbols", "--orders", "--rate", "--subscribers", "--seed", "--cpu"};
    cr_assert_eq(run(&program, arguments), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        cr_assert_not_null(strstr(program.text, names[i]), "%s", program.text);
    }
}
