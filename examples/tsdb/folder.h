/*
 * folder: the files of one head, and which of its segments count.
 *
 * Crash safety lies in the names. A new segment or a merged one is published whole (file_publish), and only then what it
 * replaces is removed: the log, or the segments it covers. After a crash in between both are there, and the rules say
 * which counts:
 *
 *   F1  A segment that another one covers does not count, and is removed.
 *   F2  A point of the log whose number a segment covers does not count.
 *
 * So each point counts once at every moment. Only the head removes segments; drafts are overwritten by the next one.
 */
#ifndef TSDB_FOLDER_H
#define TSDB_FOLDER_H

#include "segment.h"

enum {
    FOLDER_SEGMENTS_MAX = 1024,
    FOLDER_MERGE_COUNT = 4, /* so many neighbours of one size become one */
};

struct folder_segment {
    uint64_t first;
    uint64_t last;
    uint64_t count;
    int64_t min_time;
    int64_t max_time;
    bool indexed;
    bool damaged; /* not to be merged, and not to be answered from */
};

struct folder {
    int fd;
    uint32_t count;
    struct folder_segment segments[FOLDER_SEGMENTS_MAX]; /* in the order of their numbers */
};

/* Opens a folder, made if it is not there, and lists its segments (F1). False: errno. */
bool folder_open(struct folder *folder, const char *path);
void folder_close(struct folder *folder);

/* Lists the segments anew. */
bool folder_list(struct folder *folder);

/* Removes the files that no segment of the list has a use for. */
void folder_clean(const struct folder *folder);

/* Adds a segment that was just published, and removes those it covers. False when it is not there, or there are too many. */
bool folder_add(struct folder *folder, uint64_t first, uint64_t last);

/* Removes those that end before `time`. Returns how many. */
uint32_t folder_retain(struct folder *folder, int64_t time);

/* Finds neighbours that should be merged. */
bool folder_pick(const struct folder *folder, uint64_t *first, uint64_t *last);

struct folder_segment *folder_find(struct folder *folder, uint64_t first, uint64_t last);

/* The last number that a segment covers, or 0. */
uint64_t folder_last(const struct folder *folder);

#endif
