/* cell.h: what the raw sides send: a message in one cache line, by value. */
#ifndef RAW_CELL_H
#define RAW_CELL_H

#include <stdint.h>

typedef struct raw_cell {
    uint64_t next;
    uint64_t target;
    uint64_t sender;
    uint32_t tag;
    uint32_t size;
    uint64_t words[4];
} raw_cell;
_Static_assert(sizeof(raw_cell) == 64, "a cell is one cache line");

static inline raw_cell raw_cell_make(uint32_t tag, const uint64_t words[4])
{
    raw_cell cell = {.tag = tag, .size = 32, .words = {words[0], words[1], words[2], words[3]}};
    return cell;
}

/*
 * Word by word, as the sender has just written it: a load wider than the store it depends on waits until the store has
 * left the core, which costs more than all the rest here. The barrier keeps the compiler from joining the words.
 */
static inline void raw_cell_copy(raw_cell *to, const raw_cell *from)
{
    to->sender = from->sender;
    to->tag = from->tag;
    to->size = from->size;
    for (int i = 0; i < 4; i++) {
        uint64_t word = from->words[i];
        __asm__("" : "+r"(word));
        to->words[i] = word;
    }
}

#endif
