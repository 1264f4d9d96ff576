#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Wider ones come before those they cover. */
static int compare_segments(const void *left, const void *right)
{
    const struct folder_segment *a = left;
    const struct folder_segment *b = right;
    int order = (a->first > b->first) - (a->first < b->first);
    return order != 0 ? order : (a->last < b->last) - (a->last > b->last);
}

/* Reads the numbers in a name: "<first>-<last>.seg" or ".idx". */
static bool parse_name(const char *name, const char *suffix, uint64_t *first, uint64_t *last)
{
    char wanted[SEGMENT_NAME_MAX];
    if (sscanf(name, "%16" SCNx64 "-%16" SCNx64, first, last) != 2) {
        return false;
    }
    segment_name(wanted, *first, *last, suffix);
    return strcmp(name, wanted) == 0;
}

/* What the header and the files beside it say. */
static bool describe(const struct folder *folder, struct folder_segment *described)
{
    struct segment segment;
    struct file_view index;
    if (!segment_open(&segment, folder->fd, described->first, described->last)) {
        described->damaged = errno == EILSEQ;
        return described->damaged;
    }
    described->count = segment.count;
    described->min_time = segment.header->min_time;
    described->max_time = segment.header->max_time;
    segment_close(&segment);
    described->indexed = segment_open_index(&index, folder->fd, described->first, described->last);
    if (described->indexed) {
        file_unmap(&index);
    }
    return true;
}

/* F1 in a sorted list. */
static void drop_covered(struct folder *folder)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < folder->count; i++) {
        if (kept == 0 || folder->segments[i].last > folder->segments[kept - 1].last) {
            folder->segments[kept++] = folder->segments[i];
        }
    }
    folder->count = kept;
}

/* Calls `use` for each name in the folder. */
static bool each_name(int fd, bool (*use)(void *context, const char *name), void *context)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *names = copy >= 0 ? fdopendir(copy) : NULL;
    if (names == NULL) {
        if (copy >= 0) {
            close(copy);
        }
        return false;
    }
    bool good = true;
    const struct dirent *entry;
    while (good && (entry = readdir(names)) != NULL) {
        good = use(context, entry->d_name);
    }
    closedir(names);
    return good;
}

static bool list_name(void *context, const char *name)
{
    struct folder *folder = context;
    struct folder_segment found = {0};
    if (!parse_name(name, ".seg", &found.first, &found.last)) {
        return true;
    }
    if (folder->count == FOLDER_SEGMENTS_MAX) {
        errno = EMFILE;
        return false;
    }
    folder->segments[folder->count++] = found;
    return true;
}

bool folder_list(struct folder *folder)
{
    folder->count = 0;
    if (!each_name(folder->fd, list_name, folder)) {
        return false;
    }
    qsort(folder->segments, folder->count, sizeof folder->segments[0], compare_segments);
    drop_covered(folder);
    for (uint32_t i = 0; i < folder->count; i++) {
        if (!describe(folder, &folder->segments[i])) {
            return false;
        }
    }
    return true;
}

bool folder_open(struct folder *folder, const char *path)
{
    folder->fd = file_folder(path);
    if (folder->fd < 0 || folder_list(folder)) {
        return folder->fd >= 0;
    }
    int error = errno;
    folder_close(folder);
    errno = error;
    return false;
}

void folder_close(struct folder *folder)
{
    close(folder->fd);
}

static bool clean_name(void *context, const char *name)
{
    const struct folder *folder = context;
    uint64_t first;
    uint64_t last;
    if ((parse_name(name, ".seg", &first, &last) || parse_name(name, ".idx", &first, &last)) &&
        folder_find((struct folder *)(uintptr_t)folder, first, last) == NULL) {
        unlinkat(folder->fd, name, 0);
    }
    return true;
}

void folder_clean(const struct folder *folder)
{
    each_name(folder->fd, clean_name, (void *)(uintptr_t)folder);
}

struct folder_segment *folder_find(struct folder *folder, uint64_t first, uint64_t last)
{
    for (uint32_t i = 0; i < folder->count; i++) {
        if (folder->segments[i].first == first && folder->segments[i].last == last) {
            return &folder->segments[i];
        }
    }
    return NULL;
}

static void remove_files(const struct folder *folder, const struct folder_segment *segment)
{
    char name[SEGMENT_NAME_MAX];
    segment_name(name, segment->first, segment->last, ".idx");
    unlinkat(folder->fd, name, 0);
    segment_name(name, segment->first, segment->last, ".seg");
    unlinkat(folder->fd, name, 0);
}

bool folder_add(struct folder *folder, uint64_t first, uint64_t last)
{
    struct folder_segment added = {.first = first, .last = last};
    if (!describe(folder, &added) || folder->count == FOLDER_SEGMENTS_MAX) {
        return false;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < folder->count; i++) {
        const struct folder_segment *segment = &folder->segments[i];
        bool same = segment->first == first && segment->last == last;
        if (!same && segment->first >= first && segment->last <= last) {
            remove_files(folder, segment);
        } else if (!same) {
            folder->segments[kept++] = *segment;
        }
    }
    folder->segments[kept++] = added;
    folder->count = kept;
    qsort(folder->segments, folder->count, sizeof folder->segments[0], compare_segments);
    return true;
}

uint32_t folder_retain(struct folder *folder, int64_t time)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < folder->count; i++) {
        const struct folder_segment *segment = &folder->segments[i];
        /* The last one stays: the next number is counted from it. */
        if (segment->max_time < time && !segment->damaged && i + 1 < folder->count) {
            remove_files(folder, segment);
        } else {
            folder->segments[kept++] = *segment;
        }
    }
    uint32_t removed = folder->count - kept;
    folder->count = kept;
    return removed;
}

/* Segments of one tier are at most FOLDER_MERGE_COUNT times as big as each other. */
static uint32_t size_tier(const struct folder_segment *segment)
{
    uint32_t tier = 0;
    for (uint64_t covered = segment->last - segment->first + 1; covered >= FOLDER_MERGE_COUNT;
         covered /= FOLDER_MERGE_COUNT) {
        tier++;
    }
    return tier;
}

bool folder_pick(const struct folder *folder, uint64_t *first, uint64_t *last)
{
    for (uint32_t i = FOLDER_MERGE_COUNT; i <= folder->count; i++) {
        const struct folder_segment *run = &folder->segments[folder->count - i];
        bool fits = true;
        for (uint32_t j = 0; j < FOLDER_MERGE_COUNT; j++) {
            fits = fits && !run[j].damaged && size_tier(&run[j]) == size_tier(&run[0]);
        }
        if (fits) {
            *first = run[0].first;
            *last = run[FOLDER_MERGE_COUNT - 1].last;
            return true;
        }
    }
    return false;
}

uint64_t folder_last(const struct folder *folder)
{
    return folder->count != 0 ? folder->segments[folder->count - 1].last : 0;
}
