/* view: see view.h. */
#include "view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void fail(const char *format, ...)
{
    va_list arguments;
    fputs("jzx: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(EXIT_FAILURE);
}

/* Sums of what a segment claims, without overflow: everything in it is input. */
static bool layout_fits(const jzx_segment_header *header, uint64_t size)
{
    uint64_t slots_size;
    uint64_t part;
    uint64_t parts;
    uint64_t whole;
    return header->loops_max > 0 && header->loops_max <= JZX_LOOPS_MAX && header->loop_count <= header->loops_max &&
           header->loops_offset >= header->header_size && header->slots_offset >= header->loop_struct_size &&
           header->loops_offset % 8 == 0 && header->loop_size % 8 == 0 && header->slots_offset % 8 == 0 &&
           header->slot_struct_size % 8 == 0 &&
           !__builtin_mul_overflow(header->slots_max, header->slot_struct_size, &slots_size) &&
           !__builtin_add_overflow(header->slots_offset, slots_size, &part) && part <= header->loop_size &&
           !__builtin_mul_overflow(header->loop_size, header->loops_max, &parts) &&
           !__builtin_add_overflow(header->loops_offset, parts, &whole) && whole <= size;
}

/* The magic number is a name of six letters and two digits that count the versions. */
static bool other_version(uint64_t magic)
{
    const uint64_t name = 0x0000FFFFFFFFFFFFULL;
    return magic != JZX_SEGMENT_MAGIC && (magic & name) == (JZX_SEGMENT_MAGIC & name);
}

static unsigned version_of(uint64_t magic)
{
    return ((unsigned)(magic >> 48) & 15u) * 10 + ((unsigned)(magic >> 56) & 15u);
}

static bool sizes_known(const jzx_segment_header *header)
{
    return header->header_size >= sizeof(jzx_segment_header) && header->loop_struct_size >= sizeof(jzx_segment_loop) &&
           header->slot_struct_size >= sizeof(jzx_segment_slot);
}

static uint64_t magic_of(int fd)
{
    uint64_t magic = 0;
    return pread(fd, &magic, sizeof magic, 0) == (ssize_t)sizeof magic ? magic : 0;
}

void view_open(struct view *view, int fd, const char *where)
{
    struct stat status;
    uint64_t magic = magic_of(fd);
    if (other_version(magic)) {
        fail("%s: written by another version of libjzx: segment %u, and this tool reads %u", where, version_of(magic),
             version_of(JZX_SEGMENT_MAGIC));
    }
    if (magic != JZX_SEGMENT_MAGIC || fstat(fd, &status) != 0 || (size_t)status.st_size < sizeof(jzx_segment_header)) {
        fail("%s: not a segment of libjzx", where);
    }
    view->fd = fd;
    view->size = (size_t)status.st_size;
    void *memory = mmap(NULL, view->size, PROT_READ, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        fail("%s: %s", where, strerror(errno));
    }
    view->base = memory;
    view->header = memory;
    if (!sizes_known(view->header)) {
        fail("%s: written by an older version of libjzx", where);
    }
    if (!layout_fits(view->header, view->size)) {
        fail("%s: the segment is damaged", where);
    }
}

void view_close(struct view *view)
{
    munmap((void *)(uintptr_t)view->base, view->size);
    close(view->fd);
}

static bool is_memfd_segment(const char *link)
{
    return strcmp(link, "/memfd:" JZX_SEGMENT_NAME " (deleted)") == 0;
}

/* Opens descriptor `name` of the process when it is a segment: the memfd by its name, a file by what it starts with. */
static int open_segment(int directory, const char *name)
{
    char link[4096];
    struct stat status;
    ssize_t length = readlinkat(directory, name, link, sizeof link - 1);
    if (length <= 0 || fstatat(directory, name, &status, 0) != 0 || !S_ISREG(status.st_mode)) {
        return -1;
    }
    link[length] = '\0';
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
    uint64_t magic = fd < 0 ? 0 : magic_of(fd);
    if (fd >= 0 && !is_memfd_segment(link) && magic != JZX_SEGMENT_MAGIC && !other_version(magic)) {
        close(fd);
        return -1;
    }
    return fd;
}

size_t view_find(long pid, int *fds, size_t max)
{
    char path[64];
    size_t count = 0;
    snprintf(path, sizeof path, "/proc/%ld/fd", pid);
    DIR *directory = opendir(path);
    if (directory == NULL) {
        if (errno == ENOENT) {
            fail("no process %ld", pid);
        }
        if (errno == EACCES || errno == EPERM) {
            fail("no permission to look into process %ld: run as its user or as root", pid);
        }
        fail("%s: %s", path, strerror(errno));
    }
    for (struct dirent *entry; count < max && (entry = readdir(directory)) != NULL;) {
        int fd = open_segment(dirfd(directory), entry->d_name);
        if (fd >= 0) {
            fds[count++] = fd;
        }
    }
    closedir(directory);
    return count;
}

const jzx_segment_loop *view_loop(const struct view *view, uint32_t index)
{
    const uint8_t *part = view->base + view->header->loops_offset + index * view->header->loop_size;
    return (const jzx_segment_loop *)(const void *)part;
}

uint32_t view_loop_count(const struct view *view)
{
    uint32_t count = __atomic_load_n(&view->header->loop_count, __ATOMIC_ACQUIRE);
    return count <= view->header->loops_max ? count : view->header->loops_max;
}

/* A copy of a slot in which all belongs to one actor. The last word holds what is smaller than a word. */
static bool read_slot(const uint8_t *at, jzx_segment_slot *slot)
{
    const uint64_t *from = (const uint64_t *)(const void *)at;
    uint64_t words[sizeof *slot / sizeof(uint64_t)];
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        words[i] = view_word(&from[i]);
    }
    memcpy(slot, words, sizeof *slot);
    slot->name[sizeof slot->name - 1] = '\0';
    return slot->id != 0 && view_word(from) == slot->id;
}

/*
 * Only pages that exist are touched: reading a hole of a memfd would fill it, and
 * the segment has room for far more actors than there are.
 */
void view_each_actor(const struct view *view, uint32_t index, view_slot_fn fn, void *context)
{
    const jzx_segment_header *header = view->header;
    uint64_t start = header->loops_offset + index * header->loop_size + header->slots_offset;
    uint64_t end = start + header->slots_max * header->slot_struct_size;
    for (uint64_t at = start; at < end;) {
        off_t data = lseek(view->fd, (off_t)at, SEEK_DATA);
        if (data < 0 || (uint64_t)data >= end) {
            return;
        }
        off_t hole = lseek(view->fd, data, SEEK_HOLE);
        uint64_t stop = hole < 0 || (uint64_t)hole > end ? end : (uint64_t)hole;
        uint64_t slot_number = ((uint64_t)data - start) / header->slot_struct_size;
        for (at = start + slot_number * header->slot_struct_size; at < stop; at += header->slot_struct_size) {
            jzx_segment_slot slot;
            if (read_slot(view->base + at, &slot)) {
                fn(context, &slot);
            }
        }
        at = stop > at ? stop : at;
    }
}
