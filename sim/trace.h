/*
 * trace: what happened in a machine, as a hash of all of it and as text of the newest part.
 *
 * Owned by the machine; used on its real thread.
 *
 * Invariants
 *   T1  The hash is a function of the events and the times at which they came, never of whether text is kept.
 *   T2  The text is whole lines.
 */
#ifndef JZX__SIM_TRACE_H
#define JZX__SIM_TRACE_H

#include "sim/inside.h"

typedef struct jzx__sim_trace {
    uint64_t hash;
    char *text; /* the newest lines, from `begin` to `end`; NULL when none are kept */
    size_t begin;
    size_t end;
    size_t room;
    size_t text_max;
} jzx__sim_trace;

jzx__sim_trace *jzx__sim_trace_of(jzx_sim *sim); /* sim.c */

/* Parts of jzx_sim_create() and jzx_sim_destroy(). */
void jzx__sim_trace_init(jzx__sim_trace *trace, const jzx_sim_config *config);
void jzx__sim_trace_deinit(jzx__sim_trace *trace);

#endif
