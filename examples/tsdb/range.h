/*
 * range: the points of one series between two times, from the memory and the segments of its head.
 *
 * The log need not be read: what is in it and in no segment is in memory.
 */
#ifndef TSDB_RANGE_H
#define TSDB_RANGE_H

#include "folder.h"
#include "memory.h"
#include "tsdb.h"

/*
 * The answer as text: a line "time value" for each point in order of time, then "END count"; or "MORE count" after the
 * first RANGE_MAX points: who wants the rest asks again from the last time + 1. Marks segments it finds damaged.
 */
enum tsdb_status range_read(struct folder *folder, const struct memory *memory, const struct tsdb_query *query,
                            struct tsdb_text **text);

#endif
