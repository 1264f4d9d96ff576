/*
 * tsdb_files_fuzz: bytes -> a life of one head's folder of the time-series database, and what hostile files do to it.
 *
 * The life is that of examples/tsdb/head.c and its workers, with crashes: points are appended to the log, become segments,
 * are merged and indexed, and any of this may end halfway, after which the folder is read anew. As long as no byte was
 * changed by force, a query is answered with exactly the points that were acknowledged, the last of each series and time.
 *
 * Then files are cut, patched (with a checksum that is right again, if the input wants it) or made of any bytes, under any
 * name. The reader must stay within its bounds, its answers must have their form, and nothing else is promised.
 *
 *   input   steps: what u8 | as many bytes as that needs
 */
#include "fuzz.h"
#include "range.h"
#include "wal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

enum { POINTS_MAX = 3000, SERIES_COUNT = 5, NAMES_MAX = 64, FILE_MAX = 1 << 16 };

struct life {
    char path[64];
    struct folder folder;
    struct wal wal;
    bool open;
    struct memory memory;
    uint64_t number;    /* the last one given */
    struct memory told; /* each point that was acknowledged */
    bool hostile;       /* from here on nothing is known of what the files say */
};

/* ---- opening, as head.c's init() ---- */

static bool take_logged(void *context, const struct point *point)
{
    struct life *life = context;
    if (point->number <= life->number) {
        return true; /* F2 */
    }
    if (!memory_reserve(&life->memory, 1)) {
        return false;
    }
    memory_add(&life->memory, point);
    life->number = point->number;
    return true;
}

static void close_files(struct life *life)
{
    if (life->open) {
        wal_close(&life->wal);
        folder_close(&life->folder);
        life->open = false;
    }
    life->memory.count = 0;
}

static void open_files(struct life *life)
{
    uint64_t number = life->number;
    close_files(life);
    if (!folder_open(&life->folder, life->path)) {
        FUZZ_REQUIRE(life->hostile);
        return;
    }
    FUZZ_REQUIRE(life->folder.count <= FOLDER_SEGMENTS_MAX);
    folder_clean(&life->folder);
    life->number = folder_last(&life->folder);
    if (!wal_open(&life->wal, life->folder.fd, take_logged, life)) {
        FUZZ_REQUIRE(life->hostile);
        folder_close(&life->folder);
        return;
    }
    life->open = true;
    FUZZ_REQUIRE(life->hostile || life->number == number);
}

/* ---- what a head and its workers do ---- */

static struct point any_point(struct fuzz_input *input)
{
    static const int64_t times[] = {INT64_MIN, INT64_MAX, -1, 1};
    struct point point = {.series = "s."};
    uint8_t time = fuzz_u8(input);
    point.series[2] = (char)('0' + time % SERIES_COUNT);
    point.time = time >= 240 ? times[time % 4] : time / SERIES_COUNT % 16;
    point.value = (double)fuzz_u8(input) / 3;
    return point;
}

static void append(struct life *life, struct fuzz_input *input)
{
    struct point points[8];
    uint32_t count = 1 + fuzz_below(input, 8);
    for (uint32_t i = 0; i < count; i++) {
        points[i] = any_point(input);
        points[i].number = life->number + 1 + i;
    }
    bool good = memory_reserve(&life->memory, count) && memory_reserve(&life->told, count) &&
                wal_append(&life->wal, points, count);
    FUZZ_REQUIRE(good);
    life->number += count;
    for (uint32_t i = 0; i < count; i++) {
        memory_add(&life->memory, &points[i]);
        memory_add(&life->told, &points[i]);
    }
}

static bool write_segment(struct life *life, const struct point *points, size_t count, uint64_t first, uint64_t last,
                          bool whole)
{
    struct segment_writer writer;
    FUZZ_REQUIRE(segment_begin(&writer, life->folder.fd, "draft", first, last));
    for (size_t i = 0; i < count; i++) {
        FUZZ_REQUIRE(segment_add(&writer, &points[i]));
    }
    if (!whole) {
        close(writer.fd); /* the process ends here: the draft stays */
        return false;
    }
    FUZZ_REQUIRE(segment_finish(&writer));
    return true;
}

/* A crash may come before the segment is there, or before the log is emptied. */
static void flush(struct life *life, struct fuzz_input *input)
{
    uint32_t crash = fuzz_below(input, 4);
    if (life->memory.count == 0) {
        return;
    }
    uint64_t first = life->number - life->memory.count + 1;
    size_t count = memory_sort(life->memory.points, life->memory.count);
    if (!write_segment(life, life->memory.points, count, first, life->number, crash != 1) || crash == 2) {
        open_files(life);
        return;
    }
    bool added = folder_add(&life->folder, first, life->number);
    FUZZ_REQUIRE(added || life->hostile);
    if (added && crash != 3) {
        life->memory.count = 0;
        FUZZ_REQUIRE(wal_empty(&life->wal));
    } else {
        open_files(life);
    }
}

/* The points of the segments that are to be merged, or false. */
static bool read_inputs(struct life *life, uint64_t first, uint64_t last, struct memory *points)
{
    for (uint32_t i = 0; i < life->folder.count; i++) {
        const struct folder_segment *entry = &life->folder.segments[i];
        struct segment segment;
        if (entry->first < first || entry->last > last) {
            continue;
        }
        if (!segment_open(&segment, life->folder.fd, entry->first, entry->last)) {
            return false;
        }
        bool whole = segment_whole(&segment) && memory_reserve(points, segment.count);
        for (uint64_t at = 0; whole && at < segment.count; at++) {
            memory_add(points, &segment.points[at]);
        }
        segment_close(&segment);
        if (!whole) {
            return false;
        }
    }
    return true;
}

static void merge(struct life *life, struct fuzz_input *input)
{
    uint32_t crash = fuzz_below(input, 3);
    uint64_t first;
    uint64_t last;
    struct memory points = {0};
    if (!folder_pick(&life->folder, &first, &last)) {
        return;
    }
    bool good = read_inputs(life, first, last, &points);
    FUZZ_REQUIRE(good || life->hostile);
    if (good) {
        size_t count = memory_sort(points.points, points.count);
        bool written = write_segment(life, points.points, count, first, last, crash != 1);
        if (!written || crash == 2) {
            open_files(life);
        } else {
            good = folder_add(&life->folder, first, last);
            FUZZ_REQUIRE(good || life->hostile);
        }
    }
    memory_free(&points);
}

static void make_index(struct life *life, struct fuzz_input *input)
{
    struct segment segment;
    uint8_t which = fuzz_u8(input);
    if (life->folder.count == 0) {
        return;
    }
    struct folder_segment *entry = &life->folder.segments[which % life->folder.count];
    if (!segment_open(&segment, life->folder.fd, entry->first, entry->last)) {
        FUZZ_REQUIRE(life->hostile);
        return;
    }
    bool whole = segment_whole(&segment);
    FUZZ_REQUIRE(whole || life->hostile);
    if (whole) {
        FUZZ_REQUIRE(segment_write_index(&segment, life->folder.fd) || life->hostile);
        entry->indexed = true;
    }
    segment_close(&segment);
}

static void tear(struct life *life, struct fuzz_input *input)
{
    struct point point = any_point(input);
    point.number = life->number + 1;
    wal_tear(&life->wal, &point);
    open_files(life);
}

/* ---- queries ---- */

/* The answer as it must be: of each time the last point. */
static size_t naive_answer(const struct life *life, const struct tsdb_query *query, char *text, size_t room)
{
    struct point *found = malloc((life->told.count + 1) * sizeof *found);
    size_t count = 0;
    size_t size = 0;
    FUZZ_REQUIRE(found != NULL);
    for (size_t i = life->told.count; i-- > 0;) { /* the last first */
        const struct point *point = &life->told.points[i];
        bool wanted = strcmp(point->series, query->series) == 0 && point->time >= query->from &&
                      point->time <= query->to;
        for (size_t j = 0; j < count && wanted; j++) {
            wanted = found[j].time != point->time;
        }
        if (wanted) {
            found[count++] = *point;
        }
    }
    qsort(found, count, sizeof *found, point_compare);
    for (size_t i = 0; i < count; i++) {
        char value[40];
        snprintf(value, sizeof value, "%.15g", found[i].value);
        if (strtod(value, NULL) != found[i].value) {
            snprintf(value, sizeof value, "%.17g", found[i].value);
        }
        size += (size_t)snprintf(text + size, room - size, "%" PRId64 " %s\n", found[i].time, value);
        FUZZ_REQUIRE(size < room);
    }
    size += (size_t)snprintf(text + size, room - size, "END %zu\n", count);
    free(found);
    return size;
}

/* Lines of printable letters, the last of which counts the others. */
static void require_form(const struct tsdb_text *text)
{
    size_t lines = 0;
    size_t last = 0;
    for (size_t i = 0; i < text->size; i++) {
        FUZZ_REQUIRE(text->bytes[i] == '\n' || (text->bytes[i] >= ' ' && text->bytes[i] <= '~'));
        if (text->bytes[i] == '\n' && i + 1 < text->size) {
            last = i + 1;
            lines++;
        }
    }
    char wanted[40];
    snprintf(wanted, sizeof wanted, "%s %zu\n", text->bytes[last] == 'M' ? "MORE" : "END", lines);
    FUZZ_REQUIRE(text->size - last == strlen(wanted) && memcmp(text->bytes + last, wanted, strlen(wanted)) == 0);
    FUZZ_REQUIRE(lines <= RANGE_MAX);
}

static void ask(struct life *life, struct fuzz_input *input)
{
    struct tsdb_query query = {.series = "s.", .from = INT64_MIN, .to = INT64_MAX};
    struct tsdb_text *text = NULL;
    query.series[2] = (char)('0' + fuzz_below(input, SERIES_COUNT + 1));
    uint8_t range = fuzz_u8(input);
    if (range != 0) {
        query.from = range / 16;
        query.to = query.from + range % 16;
    }
    enum tsdb_status status = range_read(&life->folder, &life->memory, &query, &text);
    FUZZ_REQUIRE((text != NULL) == (status == TSDB_DONE));
    FUZZ_REQUIRE(status == TSDB_DONE || life->hostile);
    if (text != NULL) {
        require_form(text);
    }
    if (!life->hostile) {
        static char wanted[POINTS_MAX * 48];
        size_t size = naive_answer(life, &query, wanted, sizeof wanted);
        FUZZ_REQUIRE(text->size == size && memcmp(text->bytes, wanted, size) == 0);
    }
    free(text);
}

/* ---- by force ---- */

static int compare_names(const void *left, const void *right)
{
    return strcmp(left, right);
}

static size_t list_names(const char *path, char names[NAMES_MAX][NAME_MAX_BYTES * 2])
{
    size_t count = 0;
    DIR *folder = opendir(path);
    FUZZ_REQUIRE(folder != NULL);
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL && count < NAMES_MAX) {
        if (entry->d_name[0] != '.' && strlen(entry->d_name) < sizeof names[0]) {
            strcpy(names[count++], entry->d_name);
        }
    }
    closedir(folder);
    qsort(names, count, sizeof names[0], compare_names); /* not as the file system has them */
    return count;
}

/* A file of the folder, opened, or -1. */
static int any_file(const struct life *life, struct fuzz_input *input, bool *log)
{
    static char names[NAMES_MAX][NAME_MAX_BYTES * 2];
    uint8_t which = fuzz_u8(input);
    size_t count = list_names(life->path, names);
    if (count == 0) {
        return -1;
    }
    *log = strcmp(names[which % count], "wal") == 0;
    return openat(life->folder.fd, names[which % count], O_RDWR | O_CLOEXEC);
}

/* Makes the checksum right again: of a record at the front of the log, or of a segment or index. */
static void repair(int fd, bool log, off_t size)
{
    static uint8_t bytes[FILE_MAX];
    uint32_t crc;
    if (size < 56 || size > FILE_MAX || pread(fd, bytes, (size_t)size, 0) != size) {
        return;
    }
    if (log) {
        uint32_t count;
        memcpy(&count, bytes + 4, 4);
        size_t record = 8 + (size_t)count % 1024 * sizeof(struct point);
        crc = file_crc(0, bytes + 4, (record <= (size_t)size ? record : 8) - 4);
        FUZZ_REQUIRE(pwrite(fd, &crc, 4, 0) == 4);
        return;
    }
    size_t end = (size_t)size - 4;
    /* The header of a segment comes last in its sum; an index is summed from its start. */
    if (memcmp(bytes, "JZLSSEG1", 8) == 0) {
        size_t header = sizeof(struct segment_header);
        crc = file_crc(file_crc(0, bytes + header, end - header), bytes, header);
    } else {
        crc = file_crc(0, bytes, end);
    }
    FUZZ_REQUIRE(pwrite(fd, &crc, 4, (off_t)end) == 4);
}

static void patch(struct life *life, struct fuzz_input *input)
{
    bool log = false;
    bool repaired = fuzz_u8(input) % 2 != 0;
    int fd = any_file(life, input, &log);
    uint16_t at = fuzz_u16(input);
    size_t size = 1 + fuzz_below(input, 16);
    const uint8_t *bytes = fuzz_bytes(input, &size);
    struct stat status;
    if (fd < 0) {
        return;
    }
    if (fstat(fd, &status) == 0 && status.st_size > 0) {
        off_t offset = at % status.st_size;
        size = (off_t)size < status.st_size - offset ? size : (size_t)(status.st_size - offset);
        FUZZ_REQUIRE(pwrite(fd, bytes, size, offset) == (ssize_t)size);
        if (repaired) {
            repair(fd, log, status.st_size);
        }
    }
    close(fd);
}

static void cut(struct life *life, struct fuzz_input *input)
{
    bool log = false;
    int fd = any_file(life, input, &log);
    uint16_t size = fuzz_u16(input);
    if (fd >= 0) {
        FUZZ_REQUIRE(ftruncate(fd, size) == 0);
        close(fd);
    }
}

/* Any bytes under a name that is that of a segment, an index or the log, or nearly so. */
static void make_file(struct life *life, struct fuzz_input *input)
{
    char name[SEGMENT_NAME_MAX + 8];
    uint8_t kind = fuzz_u8(input);
    uint64_t first = kind & 8 ? fuzz_u64(input) : fuzz_u8(input);
    uint64_t last = kind & 8 ? fuzz_u64(input) : fuzz_u8(input);
    segment_name(name, first, last, kind & 1 ? ".idx" : ".seg");
    if (kind & 2) {
        strcpy(name, "wal");
    } else if (kind & 4) {
        name[fuzz_below(input, 36)] = "x-X.g"[kind % 5];
    }
    size_t size = fuzz_u8(input);
    const uint8_t *bytes = fuzz_bytes(input, &size);
    int fd = openat(life->folder.fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    FUZZ_REQUIRE(fd >= 0 && pwrite(fd, bytes, size, 0) == (ssize_t)size);
    if (kind & 16) {
        repair(fd, kind & 2, (off_t)size);
    }
    close(fd);
}

static void force(struct life *life, struct fuzz_input *input)
{
    life->hostile = true;
    switch (fuzz_below(input, 3)) {
    case 0:
        patch(life, input);
        break;
    case 1:
        cut(life, input);
        break;
    default:
        make_file(life, input);
        break;
    }
    open_files(life);
}

/* ---- a life ---- */

static void remove_all(struct life *life)
{
    DIR *folder = opendir(life->path);
    FUZZ_REQUIRE(folder != NULL);
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        unlinkat(dirfd(folder), entry->d_name, 0); /* not those with dots */
    }
    closedir(folder);
    FUZZ_REQUIRE(rmdir(life->path) == 0);
}

static void step(struct life *life, struct fuzz_input *input)
{
    switch (fuzz_below(input, 12)) {
    case 0:
        flush(life, input);
        break;
    case 1:
        merge(life, input);
        break;
    case 2:
        make_index(life, input);
        break;
    case 3:
        open_files(life);
        break;
    case 4:
        tear(life, input);
        break;
    case 5:
        ask(life, input);
        break;
    case 6:
        life->hostile = true; /* what is retired is not known here */
        folder_retain(&life->folder, fuzz_u8(input) / SERIES_COUNT);
        break;
    case 7:
        force(life, input);
        break;
    default:
        append(life, input);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct life life;
    struct fuzz_input input = {data, size};
    memset(&life, 0, sizeof life);
    strcpy(life.path, access("/dev/shm", W_OK) == 0 ? "/dev/shm/tsdb-fuzz-XXXXXX" : "/tmp/tsdb-fuzz-XXXXXX");
    FUZZ_REQUIRE(mkdtemp(life.path) != NULL);
    open_files(&life);
    while (life.open && input.left > 0 && life.told.count < POINTS_MAX - 8) {
        step(&life, &input);
    }
    for (uint8_t series = 0; life.open && series < SERIES_COUNT; series++) {
        struct fuzz_input rest = {(uint8_t[]){series, 0}, 2};
        ask(&life, &rest);
    }
    close_files(&life);
    memory_free(&life.memory);
    memory_free(&life.told);
    remove_all(&life);
    return 0;
}
