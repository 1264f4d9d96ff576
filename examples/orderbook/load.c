/* load: see load.h. */
#include "load.h"

#include <string.h>

enum { MIDDLE = BOOK_PRICE_MAX / 2, WANDER = BOOK_PRICE_MAX / 4, DEPTH = 8, OVER = 2 };

/* splitmix64 (Steele, Lea and Flood, 2014): any seed is as good as another. */
static uint64_t draw(struct load *load)
{
    uint64_t z = load->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint32_t between(struct load *load, uint32_t least, uint32_t most)
{
    return least + (uint32_t)(draw(load) % (most - least + 1));
}

void load_init(struct load *load, uint64_t seed, uint32_t symbols, uint32_t sessions)
{
    memset(load, 0, sizeof *load);
    load->random = seed;
    load->symbols = symbols;
    load->sessions = sessions;
    for (uint32_t i = 0; i < symbols; i++) {
        load->middle[i] = MIDDLE;
    }
}

uint64_t load_index(uint32_t sessions, uint32_t session, uint32_t number)
{
    return (uint64_t)(number - 1) * sessions + session;
}

/* Up, down, or not at all. */
static void wander(struct load *load, uint32_t symbol)
{
    int32_t to = load->middle[symbol] + (int32_t)between(load, 0, 2) - 1;
    if (to > MIDDLE - WANDER && to < MIDDLE + WANDER) {
        load->middle[symbol] = to;
    }
}

/* Up to OVER ticks over the middle, where it may trade, or up to DEPTH below, where it rests. */
static void draw_order(struct load *load, struct command *command)
{
    int32_t away = (int32_t)between(load, 0, DEPTH + OVER) - OVER;
    command->side = (uint8_t)between(load, BOOK_BUY, BOOK_SELL);
    command->price = load->middle[command->symbol] + (command->side == BOOK_BUY ? -away : away);
    command->quantity = between(load, 1, 100);
    if (between(load, 0, 255) == 0) {
        command->price = 0;
    }
    if (between(load, 0, 255) == 0) {
        command->quantity = 0;
    }
}

/* One of the session's last orders, which may rest no more. */
static void draw_target(struct load *load, struct command *command)
{
    uint32_t count = load->orders[command->session];
    uint32_t back = between(load, 1, LOAD_RECENT);
    if (count >= back) {
        const struct load_order *order = &load->recent[command->session][(count - back) % LOAD_RECENT];
        command->target = order->number;
        command->symbol = order->symbol;
    }
}

static void remember(struct load *load, const struct command *command)
{
    if (command->kind == COMMAND_LIMIT || command->kind == COMMAND_REPLACE) {
        uint32_t at = load->orders[command->session]++ % LOAD_RECENT;
        load->recent[command->session][at] = (struct load_order){command->number, command->symbol};
    }
}

static enum command_kind draw_kind(struct load *load)
{
    uint32_t of_ten = between(load, 0, 9);
    return of_ten < 6 ? COMMAND_LIMIT : of_ten < 7 ? COMMAND_MARKET : of_ten < 9 ? COMMAND_CANCEL : COMMAND_REPLACE;
}

struct command load_next(struct load *load)
{
    struct command command = {
        .number = (uint32_t)(load->made / load->sessions) + 1,
        .session = (uint8_t)(load->made % load->sessions),
    };
    command.kind = (uint8_t)draw_kind(load); /* one draw a statement: compilers do not agree on the order within one */
    command.symbol = (uint8_t)between(load, 0, load->symbols - 1);
    wander(load, command.symbol);
    if (command.kind == COMMAND_CANCEL || command.kind == COMMAND_REPLACE) {
        draw_target(load, &command);
    }
    if (command.kind != COMMAND_CANCEL) {
        draw_order(load, &command);
    }
    remember(load, &command);
    load->made++;
    return command;
}

/* ---- the tape ---- */

void tape_init(struct tape *tape)
{
    *tape = (struct tape){.hash = 0xcbf29ce484222325u};
}

/* FNV-1a, a word at a time. */
static void mix(struct tape *tape, uint64_t word)
{
    tape->hash = (tape->hash ^ word) * 0x100000001b3u;
    tape->hash ^= tape->hash >> 32;
}

void tape_add(struct tape *tape, const struct event *trade)
{
    tape->trades++;
    tape->volume += trade->quantity;
    mix(tape, (uint64_t)trade->session << 32 | trade->number);
    mix(tape, (uint64_t)trade->other_session << 32 | trade->other);
    mix(tape, (uint64_t)trade->price << 32 | trade->quantity);
    mix(tape, (uint64_t)trade->symbol << 8 | trade->side);
}
