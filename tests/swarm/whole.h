/* whole: see whole.c. */
#ifndef TESTS_SWARM_WHOLE_H
#define TESTS_SWARM_WHOLE_H

#include <jzx/sim.h>

void whole_play(jzx_sim *sim, void *argument);

#endif
