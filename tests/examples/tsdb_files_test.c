/* The files of the time-series database: what a crash at any moment leaves is read as what was there before or after. */
#include <criterion/criterion.h>

#include "folder.h"
#include "memory.h"
#include "wal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[64];
static struct folder folder;

static void make_folder(void)
{
    strcpy(path, "/tmp/tsdb-files-XXXXXX");
    cr_assert_not_null(mkdtemp(path));
    cr_assert(folder_open(&folder, path));
}

static void remove_folder(void)
{
    char command[96];
    folder_close(&folder);
    snprintf(command, sizeof command, "rm -rf %s", path);
    cr_assert_eq(system(command), 0);
}

static struct point point_of(uint64_t number)
{
    struct point point = {.time = (int64_t)number, .value = (double)number / 3, .number = number};
    snprintf(point.series, sizeof point.series, "s.%llu", (unsigned long long)(number % 3));
    return point;
}

/* A segment of the points with these numbers. */
static void write_segment(uint64_t first, uint64_t last)
{
    struct memory memory = {0};
    struct segment_writer writer;
    for (uint64_t number = first; number <= last; number++) {
        struct point point = point_of(number);
        cr_assert(memory_reserve(&memory, 1));
        memory_add(&memory, &point);
    }
    size_t count = memory_sort(memory.points, memory.count);
    cr_assert(segment_begin(&writer, folder.fd, "draft", first, last));
    for (size_t i = 0; i < count; i++) {
        cr_assert(segment_add(&writer, &memory.points[i]));
    }
    cr_assert(segment_finish(&writer));
    memory_free(&memory);
}

static bool exists(uint64_t first, uint64_t last, const char *suffix)
{
    char name[SEGMENT_NAME_MAX];
    segment_name(name, first, last, suffix);
    return faccessat(folder.fd, name, F_OK, 0) == 0;
}

static void cut_log(off_t size)
{
    int fd = openat(folder.fd, "wal", O_WRONLY);
    cr_assert_eq(ftruncate(fd, size), 0);
    close(fd);
}

static bool count_point(void *context, const struct point *point)
{
    int *next = context;
    cr_assert_eq(point->number, (uint64_t)*next);
    ++*next;
    return true;
}

Test(tsdb_files, a_log_ends_before_the_record_that_a_crash_has_cut, .timeout = 20)
{
    struct wal wal;
    struct point points[3] = {point_of(1), point_of(2), point_of(3)};
    make_folder();
    int next = 1;
    cr_assert(wal_open(&wal, folder.fd, count_point, &next));
    cr_assert(wal_append(&wal, points, 2));
    off_t whole = wal.size;
    cr_assert(wal_append(&wal, points + 2, 1));
    off_t all = wal.size;
    wal_close(&wal);
    for (off_t size = all - 1; size >= whole; size--) {
        cut_log(size);
        next = 1;
        cr_assert(wal_open(&wal, folder.fd, count_point, &next));
        cr_assert_eq(next, 3, "%lld bytes", (long long)size);
        cr_assert_eq(wal.size, whole);
        cr_assert(wal_append(&wal, points + 2, 1)); /* to be cut elsewhere */
        wal_close(&wal);
    }
    next = 1;
    cr_assert(wal_open(&wal, folder.fd, count_point, &next));
    cr_assert_eq(next, 4);
    wal_close(&wal);
    cut_log(whole);
    /* What comes after a torn record is read, not what is left of it. */
    next = 1;
    cr_assert(wal_open(&wal, folder.fd, count_point, &next));
    wal_tear(&wal, points + 2);
    wal_close(&wal);
    next = 1;
    cr_assert(wal_open(&wal, folder.fd, count_point, &next));
    cr_assert_eq(next, 3);
    cr_assert(wal_append(&wal, points + 2, 1));
    wal_close(&wal);
    next = 1;
    cr_assert(wal_open(&wal, folder.fd, count_point, &next));
    cr_assert_eq(next, 4);
    wal_close(&wal);
    remove_folder();
}

Test(tsdb_files, a_log_with_a_wrong_bit_ends_before_it, .timeout = 20)
{
    struct wal wal;
    struct point points[2] = {point_of(1), point_of(2)};
    make_folder();
    int next = 1;
    cr_assert(wal_open(&wal, folder.fd, count_point, &next));
    cr_assert(wal_append(&wal, points, 1));
    off_t first = wal.size;
    cr_assert(wal_append(&wal, points + 1, 1));
    cr_assert_eq(pwrite(wal.fd, "!", 1, first + 20), 1);
    wal_close(&wal);
    next = 1;
    cr_assert(wal_open(&wal, folder.fd, count_point, &next));
    cr_assert_eq(next, 2);
    cr_assert_eq(wal.size, first);
    wal_close(&wal);
    remove_folder();
}

Test(tsdb_files, a_segment_that_another_covers_does_not_count, .timeout = 20)
{
    make_folder();
    write_segment(1, 10);
    write_segment(11, 20);
    write_segment(21, 30);
    write_segment(1, 20); /* a merge that nobody could say was done */
    cr_assert(folder_list(&folder));
    cr_assert_eq(folder.count, 2);
    cr_assert_eq(folder.segments[0].last, 20);
    cr_assert_eq(folder.segments[0].count, 20);
    cr_assert_eq(folder.segments[1].min_time, 21);
    cr_assert_eq(folder_last(&folder), 30);
    cr_assert(exists(1, 10, ".seg"), "listing removes nothing");
    folder_clean(&folder);
    cr_assert_not(exists(1, 10, ".seg"));
    cr_assert_not(exists(11, 20, ".seg"));
    cr_assert(exists(1, 20, ".seg"));
    remove_folder();
}

Test(tsdb_files, a_merge_takes_the_place_of_its_parts, .timeout = 20)
{
    uint64_t first;
    uint64_t last;
    make_folder();
    for (uint64_t number = 1; number <= 41; number += 10) {
        cr_assert_eq(folder_pick(&folder, &first, &last), number == 41);
        write_segment(number, number + 9);
        cr_assert(folder_add(&folder, number, number + 9));
    }
    cr_assert(folder_pick(&folder, &first, &last));
    cr_assert_eq(first, 11);
    cr_assert_eq(last, 50);
    write_segment(first, last);
    cr_assert(folder_add(&folder, first, last));
    cr_assert_eq(folder.count, 2);
    cr_assert_not(exists(11, 20, ".seg"));
    cr_assert(exists(1, 10, ".seg"));
    cr_assert_not(folder_pick(&folder, &first, &last), "they are of different sizes");
    cr_assert_eq(folder_retain(&folder, 11), 1);
    cr_assert_eq(folder_retain(&folder, 100), 0, "the last one stays");
    remove_folder();
}

Test(tsdb_files, of_a_series_and_time_the_last_point_stays, .timeout = 20)
{
    struct point points[4] = {point_of(3), point_of(3), point_of(6), point_of(3)};
    points[1].number = 9;
    points[3].number = 8;
    cr_assert_eq(memory_sort(points, 4), 2);
    cr_assert_eq(points[0].number, 9);
    cr_assert_eq(points[1].number, 6);
}

/* The numbers of a series from a time on, as found with and without an index. */
static void expect_found(const struct segment *segment, const struct file_view *index, const char *series, int64_t from,
                         uint64_t wanted, uint64_t count)
{
    char name[SERIES_MAX] = "";
    uint64_t begin;
    uint64_t end;
    strcpy(name, series);
    cr_assert(segment_find_series(segment, index, name, &begin, &end));
    uint64_t at = segment_find_time(segment, begin, end, from);
    cr_assert_eq(end - at, count, "%s from %lld: %llu", series, (long long)from, (unsigned long long)(end - at));
    cr_assert(count == 0 || segment->points[at].number == wanted);
}

Test(tsdb_files, an_index_finds_what_is_found_without, .timeout = 20)
{
    struct segment segment;
    struct file_view index;
    make_folder();
    write_segment(1, 1000);
    cr_assert(segment_open(&segment, folder.fd, 1, 1000));
    cr_assert(segment_whole(&segment));
    cr_assert_not(segment_open_index(&index, folder.fd, 1, 1000));
    cr_assert(segment_write_index(&segment, folder.fd));
    cr_assert(segment_open_index(&index, folder.fd, 1, 1000));
    for (int i = 0; i < 2; i++) {
        const struct file_view *used = i == 0 ? &index : NULL;
        expect_found(&segment, used, "s.0", INT64_MIN, 3, 333);
        expect_found(&segment, used, "s.1", 2, 4, 333);
        expect_found(&segment, used, "s.2", 998, 998, 1);
        expect_found(&segment, used, "s.2", 999, 0, 0);
        expect_found(&segment, used, "s", 0, 0, 0);
        expect_found(&segment, used, "t", 0, 0, 0);
    }
    file_unmap(&index);
    segment_close(&segment);
    remove_folder();
}

/* Whole, and of another segment: as after a file was put where it does not belong. */
Test(tsdb_files, an_index_of_more_points_than_there_are_is_refused, .timeout = 20)
{
    struct segment segment;
    struct file_view index;
    char name[SERIES_MAX] = "s.2";
    uint64_t begin;
    uint64_t end;
    make_folder();
    write_segment(1, 1000);
    cr_assert(segment_open(&segment, folder.fd, 1, 1000));
    cr_assert(segment_write_index(&segment, folder.fd));
    cr_assert(segment_open_index(&index, folder.fd, 1, 1000));
    segment_close(&segment);
    write_segment(1, 10);
    cr_assert(segment_open(&segment, folder.fd, 1, 10));
    cr_assert_not(segment_find_series(&segment, &index, name, &begin, &end));
    file_unmap(&index);
    segment_close(&segment);
    remove_folder();
}

Test(tsdb_files, no_wrong_byte_goes_unseen, .timeout = 20)
{
    char name[SEGMENT_NAME_MAX];
    make_folder();
    write_segment(1, 3);
    segment_name(name, 1, 3, ".seg");
    struct stat status;
    cr_assert_eq(fstatat(folder.fd, name, &status, 0), 0);
    for (off_t at = 0; at < status.st_size; at++) {
        struct segment segment;
        uint8_t byte;
        int fd = openat(folder.fd, name, O_RDWR);
        cr_assert_eq(pread(fd, &byte, 1, at), 1);
        byte ^= 4;
        cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
        bool opened = segment_open(&segment, folder.fd, 1, 3);
        cr_assert(!opened || !segment_whole(&segment), "byte %lld", (long long)at);
        if (opened) {
            segment_close(&segment);
        } else {
            cr_assert_eq(errno, EILSEQ);
        }
        byte ^= 4;
        cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
        close(fd);
    }
    remove_folder();
}
