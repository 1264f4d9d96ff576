/*
 * segment: a file of points in order, and the index beside it.
 *
 * A segment is named by the numbers of the appends it covers, "<first>-<last>.seg": of two where one covers the other the
 * wider one is the merge of the other and its neighbours. It is written once and never changed. Its index, ".idx", says
 * where each series lies; an index is made of a segment whose CRC was right, so who has an index need not look again.
 *
 *   segment   header, points in the order of point_compare(), each series and time once, CRC of all that
 *   index     header, an entry for each series in order, CRC of all that
 */
#ifndef TSDB_SEGMENT_H
#define TSDB_SEGMENT_H

#include "file.h"
#include "point.h"

enum { SEGMENT_NAME_MAX = 40 };

struct segment_header {
    uint64_t magic;
    uint64_t first; /* numbers */
    uint64_t last;
    uint64_t count; /* points */
    int64_t min_time;
    int64_t max_time;
};

void segment_name(char name[SEGMENT_NAME_MAX], uint64_t first, uint64_t last, const char *suffix);

/* Writing: points in order. The one that takes the place of another comes right behind it. */
struct segment_writer {
    int folder;
    int fd;
    const char *draft;
    struct segment_header header;
    struct point last; /* not yet written: the next one may take its place */
    bool any;
    off_t at;
    uint32_t crc;
    uint32_t buffered;
    struct point buffer[128];
};

bool segment_begin(struct segment_writer *writer, int folder, const char *draft, uint64_t first, uint64_t last);
bool segment_add(struct segment_writer *writer, const struct point *point);
bool segment_finish(struct segment_writer *writer);
void segment_abandon(struct segment_writer *writer);

/* Reading. */
struct segment {
    struct file_view view;
    const struct segment_header *header;
    const struct point *points;
    uint64_t count;
};

/* Maps a segment. Only its form is looked at; EILSEQ when that is wrong. */
bool segment_open(struct segment *segment, int folder, uint64_t first, uint64_t last);
void segment_close(struct segment *segment);

/* Is its CRC right? Reads all of it. */
bool segment_whole(const struct segment *segment);

/* The points [*begin, *end) of a series: by the index, or among all points if that is NULL. False when the index names points
 * that the segment has not: one of the two is not as it was written. */
bool segment_find_series(const struct segment *segment, const struct file_view *index, const char series[SERIES_MAX],
                         uint64_t *begin, uint64_t *end);

/* The first of the points [begin, end) of one series that is not before `time`. */
uint64_t segment_find_time(const struct segment *segment, uint64_t begin, uint64_t end, int64_t time);

/* Maps the index of a segment. False when there is none that is whole. */
bool segment_open_index(struct file_view *index, int folder, uint64_t first, uint64_t last);

/* Makes it. */
bool segment_write_index(const struct segment *segment, int folder);

#endif
