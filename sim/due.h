/*
 * due: what is to happen at a time, in the order of times, and of one time in the order in which it was added. A binary
 * heap of records that are parts of something else.
 *
 * Invariants
 *   U1  A record that is in the heap knows its place there, counted from 1; one that is not has place 0.
 */
#ifndef JZX__SIM_DUE_H
#define JZX__SIM_DUE_H

#include "sim/inside.h"

typedef struct jzx__sim_due jzx__sim_due;
struct jzx__sim_due {
    uint64_t at_ns;
    uint64_t order;
    uint32_t place;
    void (*happens)(jzx__sim_net *net, jzx__sim_due *due); /* it is not in the heap any more */
};

typedef struct jzx__sim_dues {
    jzx__sim_due **items;
    uint32_t count;
    uint32_t room;
    uint64_t added;
} jzx__sim_dues;

void jzx__sim_dues_deinit(jzx__sim_dues *dues);
void jzx__sim_due_add(jzx__sim_dues *dues, jzx__sim_due *due, uint64_t at_ns); /* it is in none */
void jzx__sim_due_remove(jzx__sim_dues *dues, jzx__sim_due *due);              /* if it is in */
jzx__sim_due *jzx__sim_due_first(const jzx__sim_dues *dues);                   /* NULL: there is none */

#endif
