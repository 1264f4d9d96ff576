/*
 * view: a segment of libjzx (jzx/segment.h), opened from outside and checked. Everything in it is input: it may be
 * another version, damaged, or written while it is read.
 */
#ifndef TOOLS_VIEW_H
#define TOOLS_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jzx/jzx.h>

struct view {
    int fd;
    size_t size;
    const uint8_t *base;
    const jzx_segment_header *header;
};

/* Says why and ends the program. */
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Opens the segments of a process, at most `max`; returns how many. Fails if it may not, or there is no such process. */
size_t view_find(long pid, int *fds, size_t max);

/* Maps a segment and checks that all of it lies where its header says. Takes the descriptor; `where` is for complaints. */
void view_open(struct view *view, int fd, const char *where);
void view_close(struct view *view);

uint32_t view_loop_count(const struct view *view);
const jzx_segment_loop *view_loop(const struct view *view, uint32_t index);

/* Calls `fn` with a copy of each actor's slot on a loop. */
typedef void (*view_slot_fn)(void *context, const jzx_segment_slot *slot);
void view_each_actor(const struct view *view, uint32_t index, view_slot_fn fn, void *context);

/* Words of a segment have one writer and are read without tearing. */
static inline uint64_t view_word(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

#endif
