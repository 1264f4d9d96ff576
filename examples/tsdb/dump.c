/* dump: prints what is in the files, without a runtime. Each point that counts, as it lies there: nothing is sorted out. */
#include "tsdb.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "folder.h"
#include "wal.h"

struct dump {
    struct folder folder;
    uint64_t number; /* the last one printed */
};

static void print_point(const struct point *point)
{
    printf("%.*s %" PRId64 " %.17g\n", SERIES_MAX, point->series, point->time, point->value);
}

static bool print_logged(void *context, const struct point *point)
{
    struct dump *dump = context;
    if (point->number > dump->number) { /* F2 */
        dump->number = point->number;
        print_point(point);
    }
    return true;
}

static bool print_segment(const struct dump *dump, const struct folder_segment *entry)
{
    struct segment segment;
    if (!segment_open(&segment, dump->folder.fd, entry->first, entry->last)) {
        return false;
    }
    bool whole = segment_whole(&segment);
    for (uint64_t i = 0; i < segment.count && whole; i++) {
        print_point(&segment.points[i]);
    }
    segment_close(&segment);
    errno = EILSEQ;
    return whole;
}

static bool print_head(const struct tsdb *tsdb, uint32_t head)
{
    static struct dump dump;
    char path[PATH_MAX_BYTES];
    struct wal wal;
    tsdb_head_path(tsdb, head, path);
    if (!folder_open(&dump.folder, path)) {
        return false;
    }
    bool good = true;
    for (uint32_t i = 0; i < dump.folder.count && good; i++) {
        good = print_segment(&dump, &dump.folder.segments[i]);
    }
    dump.number = folder_last(&dump.folder);
    good = good && wal_open(&wal, dump.folder.fd, print_logged, &dump);
    if (good) {
        wal_close(&wal);
    }
    folder_close(&dump.folder);
    return good;
}

bool tsdb_dump(const struct tsdb *tsdb)
{
    for (uint32_t head = 0; head < tsdb->options.heads; head++) {
        if (!print_head(tsdb, head)) {
            fprintf(stderr, "tsdb: head %u: %s\n", head, strerror(errno));
            return false;
        }
    }
    return true;
}
