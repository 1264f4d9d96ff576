#include "range.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE_MAX_BYTES = 48 }; /* a time and a value */

/* From each place at most the first RANGE_MAX of the range: the first RANGE_MAX of all are among these. */
static enum tsdb_status take_segment(struct memory *found, const struct segment *segment, const struct file_view *index,
                                     const struct tsdb_query *query)
{
    uint64_t begin;
    uint64_t end;
    if (!segment_find_series(segment, index, query->series, &begin, &end)) {
        return TSDB_DAMAGED;
    }
    uint64_t at = segment_find_time(segment, begin, end, query->from);
    if (!memory_reserve(found, RANGE_MAX + 1)) {
        return TSDB_FAILED;
    }
    for (size_t taken = 0; at < end && taken <= RANGE_MAX && segment->points[at].time <= query->to; at++, taken++) {
        memory_add(found, &segment->points[at]);
    }
    return TSDB_DONE;
}

/* A segment without an index has not been looked at since it was written: its CRC comes first. */
static enum tsdb_status read_segment(struct memory *found, const struct folder *folder, struct folder_segment *entry,
                                     const struct tsdb_query *query)
{
    struct segment segment;
    struct file_view index = {NULL, 0};
    if (entry->damaged || !segment_open(&segment, folder->fd, entry->first, entry->last)) {
        entry->damaged |= errno == EILSEQ;
        return entry->damaged ? TSDB_DAMAGED : TSDB_FAILED;
    }
    bool indexed = entry->indexed && segment_open_index(&index, folder->fd, entry->first, entry->last);
    enum tsdb_status status = TSDB_DAMAGED;
    if (indexed || segment_whole(&segment)) {
        status = take_segment(found, &segment, indexed ? &index : NULL, query);
    }
    entry->damaged |= status == TSDB_DAMAGED;
    file_unmap(&index);
    segment_close(&segment);
    return status;
}

static bool read_memory(struct memory *found, const struct memory *memory, const struct tsdb_query *query)
{
    if (!memory_reserve(found, memory->count)) {
        return false;
    }
    for (size_t i = 0; i < memory->count; i++) {
        const struct point *point = &memory->points[i];
        if (memcmp(point->series, query->series, SERIES_MAX) == 0 && point->time >= query->from &&
            point->time <= query->to) {
            memory_add(found, point);
        }
    }
    return true;
}

/* Fifteen digits of the value where they are enough to read the same one back. */
static int write_point(char *at, const struct point *point)
{
    int size = snprintf(at, LINE_MAX_BYTES, "%" PRId64 " %.15g\n", point->time, point->value);
    if (strtod(strchr(at, ' '), NULL) != point->value) {
        size = snprintf(at, LINE_MAX_BYTES, "%" PRId64 " %.17g\n", point->time, point->value);
    }
    return size;
}

static struct tsdb_text *write_points(const struct point *points, size_t count)
{
    size_t told = count < RANGE_MAX ? count : RANGE_MAX;
    struct tsdb_text *text = malloc(sizeof *text + (told + 1) * LINE_MAX_BYTES);
    if (text == NULL) {
        return NULL;
    }
    char *at = text->bytes;
    for (size_t i = 0; i < told; i++) {
        at += write_point(at, &points[i]);
    }
    at += snprintf(at, LINE_MAX_BYTES, "%s %zu\n", told < count ? "MORE" : "END", told);
    text->size = (size_t)(at - text->bytes);
    return text;
}

enum tsdb_status range_read(struct folder *folder, const struct memory *memory, const struct tsdb_query *query,
                            struct tsdb_text **text)
{
    struct memory found = {0};
    enum tsdb_status status = read_memory(&found, memory, query) ? TSDB_DONE : TSDB_FAILED;
    for (uint32_t i = 0; i < folder->count && status == TSDB_DONE; i++) {
        struct folder_segment *entry = &folder->segments[i];
        if (entry->damaged || (entry->min_time <= query->to && entry->max_time >= query->from)) {
            status = read_segment(&found, folder, entry, query);
        }
    }
    if (status == TSDB_DONE) {
        *text = write_points(found.points, memory_sort(found.points, found.count));
        status = *text != NULL ? TSDB_DONE : TSDB_FAILED;
    }
    memory_free(&found);
    return status;
}
