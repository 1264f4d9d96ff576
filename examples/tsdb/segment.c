#include "segment.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SEGMENT_MAGIC 0x31474553534c5a4au /* "JZLSSEG1" */
#define INDEX_MAGIC 0x31584449534c5a4au

struct index_header {
    uint64_t magic;
    uint64_t count; /* entries */
};

struct index_entry {
    char series[SERIES_MAX];
    uint64_t begin; /* points */
    uint64_t end;
};

void segment_name(char name[SEGMENT_NAME_MAX], uint64_t first, uint64_t last, const char *suffix)
{
    snprintf(name, SEGMENT_NAME_MAX, "%016" PRIx64 "-%016" PRIx64 "%s", first, last, suffix);
}

/* ---- writing ---- */

bool segment_begin(struct segment_writer *writer, int folder, const char *draft, uint64_t first, uint64_t last)
{
    memset(writer, 0, sizeof *writer);
    writer->folder = folder;
    writer->draft = draft;
    writer->header = (struct segment_header){
        .magic = SEGMENT_MAGIC, .first = first, .last = last, .min_time = INT64_MAX, .max_time = INT64_MIN};
    writer->at = sizeof writer->header;
    writer->fd = file_draft(folder, draft);
    return writer->fd >= 0;
}

static bool write_buffer(struct segment_writer *writer)
{
    size_t size = writer->buffered * sizeof(struct point);
    if (!file_write(writer->fd, writer->buffer, size, writer->at)) {
        return false;
    }
    writer->crc = file_crc(writer->crc, writer->buffer, size);
    writer->at += (off_t)size;
    writer->buffered = 0;
    return true;
}

static bool write_last(struct segment_writer *writer)
{
    struct segment_header *header = &writer->header;
    int64_t time = writer->last.time;
    header->count++;
    header->min_time = time < header->min_time ? time : header->min_time;
    header->max_time = time > header->max_time ? time : header->max_time;
    writer->buffer[writer->buffered++] = writer->last;
    return writer->buffered < sizeof writer->buffer / sizeof writer->buffer[0] || write_buffer(writer);
}

bool segment_add(struct segment_writer *writer, const struct point *point)
{
    bool done = !writer->any || point_replaced(&writer->last, point) || write_last(writer);
    writer->any = true;
    writer->last = *point;
    return done;
}

/* The header is known at the end, so the CRC is of the points and then of the header. */
bool segment_finish(struct segment_writer *writer)
{
    char name[SEGMENT_NAME_MAX];
    segment_name(name, writer->header.first, writer->header.last, ".seg");
    bool good = (!writer->any || write_last(writer)) && write_buffer(writer);
    uint32_t crc = file_crc(writer->crc, &writer->header, sizeof writer->header);
    good = good && file_write(writer->fd, &crc, sizeof crc, writer->at) &&
           file_write(writer->fd, &writer->header, sizeof writer->header, 0);
    if (!good) {
        segment_abandon(writer);
        return false;
    }
    return file_publish(writer->folder, writer->fd, writer->draft, name);
}

void segment_abandon(struct segment_writer *writer)
{
    int error = errno;
    close(writer->fd);
    unlinkat(writer->folder, writer->draft, 0);
    errno = error;
}

/* ---- reading ---- */

bool segment_open(struct segment *segment, int folder, uint64_t first, uint64_t last)
{
    char name[SEGMENT_NAME_MAX];
    segment_name(name, first, last, ".seg");
    if (!file_map(folder, name, &segment->view)) {
        return false;
    }
    const struct segment_header *header = (const void *)segment->view.data;
    size_t fixed = sizeof *header + sizeof(uint32_t);
    size_t size = segment->view.size;
    if (size < fixed || header->magic != SEGMENT_MAGIC || header->first != first || header->last != last ||
        (size - fixed) % sizeof(struct point) != 0 || (size - fixed) / sizeof(struct point) != header->count) {
        segment_close(segment);
        errno = EILSEQ;
        return false;
    }
    segment->header = header;
    segment->points = (const void *)(segment->view.data + sizeof *header);
    segment->count = header->count;
    return true;
}

void segment_close(struct segment *segment)
{
    file_unmap(&segment->view);
}

bool segment_whole(const struct segment *segment)
{
    uint32_t crc;
    memcpy(&crc, segment->view.data + segment->view.size - sizeof crc, sizeof crc);
    uint32_t points = file_crc(0, segment->points, segment->count * sizeof(struct point));
    return crc == file_crc(points, segment->header, sizeof *segment->header);
}

/* The first of the points [begin, end) that is not before `key` in the order of point_compare(). */
static uint64_t lower_bound(const struct segment *segment, uint64_t begin, uint64_t end, const struct point *key)
{
    while (begin < end) {
        uint64_t middle = begin + (end - begin) / 2;
        if (point_compare(&segment->points[middle], key) < 0) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

static void scan_series(const struct segment *segment, const char series[SERIES_MAX], uint64_t *begin, uint64_t *end)
{
    struct point key = {.time = INT64_MIN};
    memcpy(key.series, series, SERIES_MAX);
    *begin = lower_bound(segment, 0, segment->count, &key);
    key.time = INT64_MAX;
    key.number = UINT64_MAX;
    *end = lower_bound(segment, *begin, segment->count, &key);
}

bool segment_find_series(const struct segment *segment, const struct file_view *index, const char series[SERIES_MAX],
                         uint64_t *begin, uint64_t *end)
{
    if (index == NULL) {
        scan_series(segment, series, begin, end);
        return true;
    }
    const struct index_header *header = (const void *)index->data;
    const struct index_entry *entries = (const void *)(index->data + sizeof *header);
    uint64_t low = 0;
    uint64_t high = header->count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (memcmp(entries[middle].series, series, SERIES_MAX) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool found = low < header->count && memcmp(entries[low].series, series, SERIES_MAX) == 0;
    *begin = found ? entries[low].begin : 0;
    *end = found ? entries[low].end : 0;
    return *begin <= *end && *end <= segment->count;
}

uint64_t segment_find_time(const struct segment *segment, uint64_t begin, uint64_t end, int64_t time)
{
    if (begin == end) {
        return begin;
    }
    struct point key = segment->points[begin];
    key.time = time;
    key.number = 0;
    return lower_bound(segment, begin, end, &key);
}

/* ---- the index ---- */

bool segment_open_index(struct file_view *index, int folder, uint64_t first, uint64_t last)
{
    char name[SEGMENT_NAME_MAX];
    segment_name(name, first, last, ".idx");
    if (!file_map(folder, name, index)) {
        return false;
    }
    const struct index_header *header = (const void *)index->data;
    size_t fixed = sizeof *header + sizeof(uint32_t);
    uint32_t crc;
    memcpy(&crc, index->data + (index->size >= fixed ? index->size - sizeof crc : 0), sizeof crc);
    if (index->size < fixed || header->magic != INDEX_MAGIC ||
        header->count != (index->size - fixed) / sizeof(struct index_entry) ||
        crc != file_crc(0, index->data, index->size - sizeof crc)) {
        file_unmap(index);
        return false;
    }
    return true;
}

/* Fills `entries`, or only counts them when it is NULL. */
static uint64_t make_entries(const struct segment *segment, struct index_entry *entries)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < segment->count; i++) {
        bool first = i == 0 || point_compare_series(&segment->points[i - 1], &segment->points[i]) != 0;
        count += first;
        if (entries != NULL) {
            struct index_entry *entry = &entries[count - 1];
            memcpy(entry->series, segment->points[i].series, SERIES_MAX);
            entry->begin = first ? i : entry->begin;
            entry->end = i + 1;
        }
    }
    return count;
}

bool segment_write_index(const struct segment *segment, int folder)
{
    uint64_t count = make_entries(segment, NULL);
    size_t size = sizeof(struct index_header) + count * sizeof(struct index_entry) + sizeof(uint32_t);
    struct index_header *header = calloc(1, size);
    int fd = header != NULL ? file_draft(folder, "index.draft") : -1;
    if (fd < 0) {
        free(header);
        return false;
    }
    *header = (struct index_header){INDEX_MAGIC, count};
    make_entries(segment, (struct index_entry *)(void *)(header + 1));
    uint32_t crc = file_crc(0, header, size - sizeof crc);
    memcpy((uint8_t *)header + size - sizeof crc, &crc, sizeof crc);
    bool written = file_write(fd, header, size, 0);
    free(header);
    if (!written) {
        close(fd);
        return false;
    }
    char name[SEGMENT_NAME_MAX];
    segment_name(name, segment->header->first, segment->header->last, ".idx");
    return file_publish(folder, fd, "index.draft", name);
}
