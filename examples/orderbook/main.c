/* orderbook: a day at a very small exchange: four clients, two instruments, and a session that fails in the middle. */
#include "exchange.h"

#include <stdio.h>
#include <time.h>

static const char *const instruments[INSTRUMENTS] = {"ACME", "OTTO"};
static const char *const sides[] = {"buy", "sell"};
static const char *const kinds[] = {"accepted", "cancelled", "rejected", "throttled", "traded"};

struct day {
    struct exchange exchange;
    _Atomic uint32_t reports; /* of commands */
};

/* What the clients hear: each line is from the loop of the sessions. */
static void say(void *user, uint32_t session, const struct event *event)
{
    struct day *day = user;
    bool maker = event->kind == EVENT_TRADE && session == event->other_session;
    printf("client %u: %s order %u %s", session, instruments[event->instrument], maker ? event->other : event->number,
           kinds[event->kind]);
    if (event->kind == EVENT_TRADE) {
        printf(", %s %u at %d", sides[maker ? !event->side : event->side], event->quantity, event->price);
    }
    printf("\n");
    if (event->kind != EVENT_TRADE) {
        atomic_fetch_add(&day->reports, 1);
    }
}

static void pause_ms(long ms)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

/* Sends one, and waits for what becomes of it. */
static bool submit(struct day *day, const struct command *command)
{
    uint32_t before = atomic_load(&day->reports);
    jzx_err err;
    while ((err = exchange_submit(&day->exchange, command)) == JZX_ERR_NOT_RUNNING || err == JZX_ERR_WOULD_BLOCK) {
        pause_ms(1);
    }
    while (err == JZX_OK && atomic_load(&day->reports) == before) {
        pause_ms(1);
    }
    return err == JZX_OK;
}

static bool trade(struct day *day)
{
    static const struct command flow[] = {
        {.session = 0, .instrument = 0, .side = BOOK_SELL, .price = 102, .quantity = 10},
        {.session = 1, .instrument = 0, .side = BOOK_SELL, .price = 101, .quantity = 5},
        {.session = 2, .instrument = 0, .side = BOOK_BUY, .price = 102, .quantity = 8},
        {.session = 3, .instrument = 1, .side = BOOK_BUY, .price = 50, .quantity = 4},
        {.session = 0, .instrument = 0, .kind = COMMAND_CANCEL, .target = 1},
        {.session = 3, .instrument = 1, .side = BOOK_BUY, .price = 0, .quantity = 4},
        {.session = 2, .instrument = 1, .side = BOOK_SELL, .price = 49, .quantity = 4},
    };
    for (size_t i = 0; i < sizeof flow / sizeof flow[0]; i++) {
        if (i == 4) {
            printf("the session of client 0 fails; its order still stands\n");
            (void)exchange_crash(&day->exchange, 0);
        }
        if (!submit(day, &flow[i])) {
            return false;
        }
        pause_ms(20); /* for the trades, to be read in order */
    }
    return true;
}

int main(void)
{
    static struct day day;
    struct exchange_options options = {.sessions = 4, .report = say, .user = &day};
    jzx_err err = exchange_start(&day.exchange, &options);
    if (err != JZX_OK) {
        printf("the exchange does not open: %s\n", jzx_strerror(err));
        return 1;
    }
    bool all = trade(&day);
    err = exchange_stop(&day.exchange);
    for (uint32_t i = 0; i < options.sessions; i++) {
        printf("client %u holds %lld ACME, %lld OTTO\n", i, (long long)day.exchange.positions[i][0],
               (long long)day.exchange.positions[i][1]);
    }
    return all && err == JZX_OK ? 0 : 1;
}
