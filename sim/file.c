/*
 * file: descriptors. Those of the machine are numbers that no real one has; those of jzx_sim_file_open() are real, because
 * actors read and write them by themselves.
 *
 * A file is a pair of connected sockets: its near end is the actor's, its far end the machine's, which puts in what was
 * fed when its time has come.
 *
 * Invariants
 *   D1  A number that is open is given to nobody else, and of those that are free the lowest is given.
 *   D2  At most WINDOW bytes of a file are unread in the real kernel: how much that takes at once is its own matter, and
 *       may not decide anything here.
 *   D3  Pieces arrive in the order they were fed.
 */
#include "sim/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FDS_MAX = 1 << 16,
    FILES_MAX = 64,
    WINDOW = 16384,
    PIECE_MAX = 4096,
    SPLIT = 256, /* of 1,024 pieces, how many come as two */
    BUFFER = 65536,
};

typedef struct item {
    jzx__sim_fd_kind kind;
    void *object;
} item;

/* What arrives at one time. */
typedef struct piece {
    struct piece *next;
    uint64_t due_ns;
    size_t size;
    size_t done;
    bool end; /* nothing comes behind it: size is 0 */
    uint8_t bytes[];
} piece;

typedef struct file {
    bool used;
    bool ended; /* the end was fed */
    int near;
    int far;      /* -1: the end has arrived */
    dev_t device; /* of the near end: whoever has its number later is not it */
    ino_t inode;
    piece *first;
    piece *last;
    uint64_t last_due_ns;
    uint8_t *left; /* what the actor had written when the end arrived */
    size_t left_size;
} file;

struct jzx__sim_fds {
    item *items;
    uint32_t count; /* numbers that were ever given */
    uint32_t room;
    uint32_t lowest; /* no lower one is free */
    uint32_t open;
    file files[FILES_MAX];
};

/* ---- numbers ---- */

jzx__sim_fds *jzx__sim_fds_create(void)
{
    return jzx__sim_own_alloc(sizeof(jzx__sim_fds));
}

static item *item_of(const jzx_sim *sim, int fd)
{
    jzx__sim_fds *fds = jzx__sim_fds_of(sim);
    return fd < JZX__SIM_FD_FIRST || (uint32_t)(fd - JZX__SIM_FD_FIRST) >= fds->count
               ? NULL
               : &fds->items[fd - JZX__SIM_FD_FIRST];
}

int jzx__sim_fd_open(jzx_sim *sim, jzx__sim_fd_kind kind, void *object)
{
    jzx__sim_fds *fds = jzx__sim_fds_of(sim);
    uint32_t place = fds->lowest;
    JZX_ASSERT(kind != JZX__SIM_FD_FREE);
    while (place < fds->count && fds->items[place].kind != JZX__SIM_FD_FREE) {
        place++;
    }
    if (place == FDS_MAX) {
        return -EMFILE;
    }
    fds->items = jzx__sim_own_grow(fds->items, &fds->room, place, sizeof *fds->items);
    fds->count = place < fds->count ? fds->count : place + 1;
    fds->items[place] = (item){kind, object};
    fds->lowest = place + 1; /* D1 */
    fds->open++;
    return JZX__SIM_FD_FIRST + (int)place;
}

void *jzx__sim_fd_find(const jzx_sim *sim, int fd, jzx__sim_fd_kind kind)
{
    const item *found = item_of(sim, fd);
    return found != NULL && found->kind == kind ? found->object : NULL;
}

jzx__sim_fd_kind jzx__sim_fd_kind_of(const jzx_sim *sim, int fd)
{
    const item *found = item_of(sim, fd);
    return found == NULL ? JZX__SIM_FD_FREE : found->kind;
}

void jzx__sim_fd_drop(jzx_sim *sim, int fd)
{
    jzx__sim_fds *fds = jzx__sim_fds_of(sim);
    item *dropped = item_of(sim, fd);
    JZX_ASSERT(dropped != NULL && dropped->kind != JZX__SIM_FD_FREE);
    *dropped = (item){JZX__SIM_FD_FREE, NULL};
    uint32_t place = (uint32_t)(fd - JZX__SIM_FD_FIRST);
    fds->lowest = place < fds->lowest ? place : fds->lowest;
    fds->open--;
}

/* ---- files ---- */

static bool is_near(const file *one)
{
    struct stat now;
    return one->used && fstat(one->near, &now) == 0 && now.st_dev == one->device && now.st_ino == one->inode;
}

uint32_t jzx__sim_fd_count(const jzx_sim *sim)
{
    const jzx__sim_fds *fds = jzx__sim_fds_of(sim);
    uint32_t count = fds->open;
    for (uint32_t i = 0; i < FILES_MAX; i++) {
        count += is_near(&fds->files[i]) ? 1 : 0;
    }
    return count;
}

static void piece_pop(file *from)
{
    piece *first = from->first;
    from->first = first->next;
    if (from->first == NULL) {
        from->last = NULL;
    }
    free(first);
}

static void file_forget(file *gone)
{
    while (gone->first != NULL) {
        piece_pop(gone);
    }
    if (gone->used && gone->far >= 0) {
        close(gone->far);
    }
    free(gone->left);
    memset(gone, 0, sizeof *gone);
}

void jzx__sim_fds_destroy(jzx__sim_fds *fds)
{
    for (uint32_t i = 0; i < FILES_MAX; i++) {
        file_forget(&fds->files[i]);
    }
    for (uint32_t i = 0; i < fds->count; i++) {
        if (fds->items[i].kind == JZX__SIM_FD_EVENT) {
            free(fds->items[i].object); /* rings and sockets have owners of their own */
        }
    }
    free(fds->items);
    free(fds);
}

/* A place for another: a free one, or that of one whose near end was closed. */
static file *file_take_place(jzx__sim_fds *fds)
{
    for (uint32_t i = 0; i < FILES_MAX; i++) {
        if (!fds->files[i].used) {
            return &fds->files[i];
        }
    }
    for (uint32_t i = 0; i < FILES_MAX; i++) {
        if (!is_near(&fds->files[i])) {
            file_forget(&fds->files[i]);
            return &fds->files[i];
        }
    }
    return NULL;
}

/* The one whose near end has, or had last, that number. */
static file *file_find(const jzx_sim *sim, int fd)
{
    jzx__sim_fds *fds = sim == NULL ? NULL : jzx__sim_fds_of(sim);
    for (uint32_t i = 0; fds != NULL && i < FILES_MAX; i++) {
        if (fds->files[i].used && fds->files[i].near == fd) {
            return &fds->files[i];
        }
    }
    return NULL;
}

static bool pair(int ends[2])
{
    int size = BUFFER;
    struct stat now;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
        return false;
    }
    bool made = setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0 && fstat(ends[0], &now) == 0;
    if (!made) {
        close(ends[0]);
        close(ends[1]);
    }
    return made;
}

jzx_err jzx_sim_file_open(jzx_sim *sim, int *fd)
{
    int ends[2];
    if (sim == NULL || fd == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    file *made = file_take_place(jzx__sim_fds_of(sim));
    if (made == NULL) {
        return JZX_ERR_LIMIT;
    }
    if (!pair(ends)) {
        return JZX_ERR_FD_LIMIT;
    }
    file *stale = file_find(sim, ends[0]);
    if (stale != NULL) {
        file_forget(stale);
    }
    struct stat now = {.st_ino = 0};
    (void)fstat(ends[0], &now); /* it did just now */
    *made = (file){.used = true, .near = ends[0], .far = ends[1], .device = now.st_dev, .inode = now.st_ino};
    *fd = ends[0];
    return JZX_OK;
}

/* When what is fed now arrives. */
static uint64_t due_ns(jzx_sim *sim, file *to)
{
    const jzx_sim_config *config = jzx__sim_config_of(sim);
    uint64_t latency_ns = jzx__sim_between(sim, JZX__SIM_STREAM_NET, config->latency_min_ns, config->latency_max_ns);
    uint64_t due = jzx__add_saturating(jzx__sim_clock(sim), latency_ns);
    to->last_due_ns = due > to->last_due_ns ? due : to->last_due_ns; /* D3 */
    return to->last_due_ns;
}

static piece *append(jzx_sim *sim, file *to, const void *data, size_t size)
{
    piece *added = jzx__sim_own_alloc(sizeof *added + size);
    added->due_ns = due_ns(sim, to);
    added->size = size;
    if (size > 0) {
        memcpy(added->bytes, data, size);
    }
    *(to->last != NULL ? &to->last->next : &to->first) = added;
    to->last = added;
    return added;
}

/* How much of `size` bytes arrives as one. */
static size_t part_of(jzx_sim *sim, size_t size)
{
    size_t part = size < PIECE_MAX ? size : PIECE_MAX;
    uint64_t amount;
    if (part > 1 && jzx__sim_fault_amount(sim, JZX_SIM_RECV_SHORT, 1, part - 1, &amount)) {
        part = amount < part ? (size_t)amount : part;
    } else if (part > 1 && jzx__sim_chance(sim, JZX__SIM_STREAM_NET, SPLIT)) {
        part = (size_t)jzx__sim_between(sim, JZX__SIM_STREAM_NET, 1, part - 1);
    }
    return part;
}

jzx_err jzx_sim_file_feed(jzx_sim *sim, int fd, const void *data, size_t size)
{
    if (sim == NULL || (data == NULL && size > 0)) {
        return JZX_ERR_INVALID_ARG;
    }
    file *to = file_find(sim, fd);
    if (to == NULL || !is_near(to)) {
        return JZX_ERR_NOT_FOUND;
    }
    if (to->ended) {
        return JZX_ERR_INVALID_ARG;
    }
    const uint8_t *from = data;
    while (size > 0) {
        size_t part = part_of(sim, size);
        (void)append(sim, to, from, part);
        from += part;
        size -= part;
    }
    return JZX_OK;
}

jzx_err jzx_sim_file_end(jzx_sim *sim, int fd)
{
    if (sim == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    file *to = file_find(sim, fd);
    if (to == NULL || !is_near(to)) {
        return JZX_ERR_NOT_FOUND;
    }
    if (!to->ended) {
        append(sim, to, NULL, 0)->end = true;
        to->ended = true;
    }
    return JZX_OK;
}

static size_t far_read(const file *from, void *data, size_t room)
{
    ssize_t got = from->far < 0 || room == 0 ? 0 : recv(from->far, data, room, MSG_DONTWAIT);
    return got > 0 ? (size_t)got : 0;
}

jzx_err jzx_sim_file_take(jzx_sim *sim, int fd, void *data, size_t room, size_t *size)
{
    if (sim == NULL || size == NULL || (data == NULL && room > 0)) {
        return JZX_ERR_INVALID_ARG;
    }
    file *from = file_find(sim, fd);
    if (from == NULL) {
        return JZX_ERR_NOT_FOUND;
    }
    size_t got = from->left_size < room ? from->left_size : room;
    if (got > 0) {
        memcpy(data, from->left, got);
        from->left_size -= got;
        memmove(from->left, from->left + got, from->left_size);
    }
    got += far_read(from, (uint8_t *)data + got, room - got);
    if (got > 0 && is_near(from)) {
        jzx__sim_fd_touched(sim, fd);
    }
    *size = got;
    return JZX_OK;
}

/* ---- arrivals ---- */

/* What the actor wrote is kept: a far end that is closed with it unread would be a reset. */
static void end_arrives(file *to)
{
    uint8_t bytes[PIECE_MAX];
    size_t got;
    while ((got = far_read(to, bytes, sizeof bytes)) > 0) {
        uint8_t *grown = realloc(to->left, to->left_size + got);
        if (grown == NULL) {
            abort();
        }
        memcpy(grown + to->left_size, bytes, got);
        to->left = grown;
        to->left_size += got;
    }
    close(to->far);
    to->far = -1;
}

/* D2: how much the near end may be given now. */
static size_t window(const file *to)
{
    int unread = 0;
    if (ioctl(to->near, FIONREAD, &unread) != 0 || unread >= WINDOW) {
        return 0;
    }
    return (size_t)(WINDOW - unread);
}

/* Carries out the first piece, or a part of it. False: it has to wait until the actor has read. */
static bool piece_arrives(jzx_sim *sim, file *to, uint32_t index)
{
    piece *first = to->first;
    size_t left = first->size - first->done;
    size_t room = first->end ? 0 : window(to);
    size_t part = left < room ? left : room;
    if (!first->end && part == 0) {
        return false;
    }
    if (first->end) {
        end_arrives(to);
    } else if (send(to->far, first->bytes + first->done, part, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)part) {
        jzx_sim_fail(sim, "the real kernel does not take %zu bytes for a file", part);
        return false;
    }
    jzx__sim_event(sim, first->end ? "file: end" : "file: fed", index, part, 0);
    first->done += part;
    if (first->done == first->size) {
        piece_pop(to);
    }
    jzx__sim_fd_touched(sim, to->near);
    return true;
}

bool jzx__sim_files_step(jzx_sim *sim)
{
    jzx__sim_fds *fds = jzx__sim_fds_of(sim);
    uint64_t now_ns = jzx__sim_clock(sim);
    bool moved = false;
    for (uint32_t i = 0; i < FILES_MAX; i++) {
        file *to = &fds->files[i];
        while (to->first != NULL && !is_near(to)) {
            piece_pop(to); /* nobody is there to read it */
        }
        while (to->first != NULL && to->first->due_ns <= now_ns && piece_arrives(sim, to, i)) {
            moved = true;
        }
    }
    return moved;
}

/* What is late waits for the actor, and not for a time. */
uint64_t jzx__sim_files_next_ns(const jzx_sim *sim)
{
    const jzx__sim_fds *fds = jzx__sim_fds_of(sim);
    uint64_t now_ns = jzx__sim_clock(sim);
    uint64_t next_ns = JZX__SIM_NEVER;
    for (uint32_t i = 0; i < FILES_MAX; i++) {
        const piece *first = fds->files[i].first;
        bool comes = first != NULL && (first->due_ns > now_ns || first->end || window(&fds->files[i]) > 0);
        if (comes && first->due_ns < next_ns) {
            next_ns = first->due_ns;
        }
    }
    return next_ns;
}
