/* script: short plays over all of the API, one after the other; see stand.h. */
#ifndef TESTS_SWARM_SCRIPT_H
#define TESTS_SWARM_SCRIPT_H

#include "tests/swarm/stand.h"

extern const script scripts_of_actors[];
extern const uint32_t scripts_of_actors_count;
extern const script scripts_of_trees[];
extern const uint32_t scripts_of_trees_count;
extern const script scripts_of_io[];
extern const uint32_t scripts_of_io_count;

/* An echo server on STAND_PORT as a child; its connections are parts of their own. It listens at once. */
part *script_server(stand *s, jzx_child_spec *child, const char *name, uint32_t loop);
/* A child that connects to an echo on `port`, sends and compares, again and again until it has it all. */
part *script_caller(stand *s, jzx_child_spec *child, uint32_t loop, uint16_t port);
void script_server_ends(stand *s); /* gives back what its connections held: for at_end */

/* All of them, from 0; NULL: there are no more. */
const script *script_at(uint32_t index);

#endif
