#include "wal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "file.h"

struct record {
    uint32_t crc; /* of what follows it */
    uint32_t count;
    struct point points[WAL_RECORD_MAX];
};

static size_t record_size(uint32_t count)
{
    return offsetof(struct record, points) + count * sizeof(struct point);
}

static uint32_t record_crc(const struct record *record)
{
    return file_crc(0, &record->count, record_size(record->count) - offsetof(struct record, count));
}

/* Reads the record at an offset. Returns its size, or 0 when there is no whole one. */
static size_t read_record(int fd, off_t at, struct record *record)
{
    ssize_t got = pread(fd, record, sizeof *record, at);
    if (got < (ssize_t)offsetof(struct record, points) || record->count == 0 || record->count > WAL_RECORD_MAX ||
        (size_t)got < record_size(record->count) || record->crc != record_crc(record)) {
        return 0;
    }
    return record_size(record->count);
}

static bool replay(struct wal *wal, wal_take_fn take, void *context)
{
    struct record record;
    size_t size;
    while ((size = read_record(wal->fd, wal->size, &record)) != 0) {
        for (uint32_t i = 0; i < record.count; i++) {
            if (!take(context, &record.points[i])) {
                return false;
            }
        }
        wal->size += (off_t)size;
    }
    return true;
}

bool wal_open(struct wal *wal, int folder, wal_take_fn take, void *context)
{
    wal->size = 0;
    wal->fd = openat(folder, "wal", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (wal->fd < 0) {
        return false;
    }
    /* The next record goes where the last whole one ends, and what is behind must not look like one later. */
    if (!replay(wal, take, context) || ftruncate(wal->fd, wal->size) != 0 || fsync(folder) != 0) {
        int error = errno;
        wal_close(wal);
        errno = error;
        return false;
    }
    return true;
}

void wal_close(struct wal *wal)
{
    close(wal->fd);
}

static void fill(struct record *record, const struct point *points, uint32_t count)
{
    record->count = count;
    memcpy(record->points, points, count * sizeof *points);
    record->crc = record_crc(record);
}

bool wal_append(struct wal *wal, const struct point *points, uint32_t count)
{
    struct record record;
    fill(&record, points, count);
    if (!file_write(wal->fd, &record, record_size(count), wal->size)) {
        int error = errno;
        (void)!ftruncate(wal->fd, wal->size); /* half a record would end the log anyway */
        errno = error;
        return false;
    }
    wal->size += (off_t)record_size(count);
    return true;
}

bool wal_sync(struct wal *wal)
{
    return fdatasync(wal->fd) == 0;
}

bool wal_empty(struct wal *wal)
{
    wal->size = 0;
    return ftruncate(wal->fd, 0) == 0;
}

void wal_tear(struct wal *wal, const struct point *point)
{
    struct record record;
    fill(&record, point, 1);
    (void)!file_write(wal->fd, &record, record_size(1) / 2, wal->size);
}
