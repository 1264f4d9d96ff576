/*
 * wal: the write-ahead log of one head: what was acknowledged and is in no segment yet.
 *
 * Records of points with a CRC, one behind the other. A head writes a record before it acknowledges the points, and
 * empties the log when they are in a segment. A record that was cut off by a crash was never acknowledged: the log ends
 * before it.
 */
#ifndef TSDB_WAL_H
#define TSDB_WAL_H

#include <stdbool.h>
#include <sys/types.h>

#include "point.h"

enum { WAL_RECORD_MAX = 1024 }; /* points */

struct wal {
    int fd;
    off_t size;
};

/* Gets each point of the log, in order. False ends the reading as failed. */
typedef bool (*wal_take_fn)(void *context, const struct point *point);

/* Opens the log of a folder, creates it if there is none, and shows what is in it. */
bool wal_open(struct wal *wal, int folder, wal_take_fn take, void *context);
void wal_close(struct wal *wal);

/* Appends a record: all of it or nothing. It is safe from a crash of the process now, from one of the machine once synced. */
bool wal_append(struct wal *wal, const struct point *points, uint32_t count);
bool wal_sync(struct wal *wal);

/* Forgets all records. */
bool wal_empty(struct wal *wal);

/* Writes half a record, as a crash in the middle of wal_append() would leave it. For tests. */
void wal_tear(struct wal *wal, const struct point *point);

#endif
