/*
 * jzx: looks at a running libjzx process from outside, by the segment it shares (jzx/segment.h). Reads only, and
 * nothing in the process notices: it works as well when that is busy, stopped by a debugger, stuck, or dead.
 */
#include <jzx/jzx.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    RUNTIMES_MAX = 16,     /* of one process */
    ACTORS_DEFAULT = 10,   /* shown */
    ACTORS_LIMIT = 10000,
    STUCK_MS = 1000,       /* in one turn: from then on a loop is called stuck */
    EXIT_USAGE = 2,
};

struct settings {
    bool once;
    unsigned long actors;
    const char *file; /* a segment kept in a file, instead of a process */
    long pid;
};

struct view {
    int fd;
    const uint8_t *base;
    size_t size;
    const jzx_segment_header *header;
};

/* What is shown of one actor. */
struct actor {
    jzx_segment_slot slot;
    uint64_t weight; /* busy_ns, or handled where no loop measures */
};

/* The busiest actors of all loops, the busiest first. */
struct ranking {
    struct actor *actors;
    size_t count;
    size_t room;
    uint64_t measured; /* busy time seen at all */
};

static const char usage[] =
    "usage: jzx top --once [--actors N] PID\n"
    "       jzx top --once [--actors N] --file SEGMENT\n"
    "       jzx --help | --version\n"
    "\n"
    "Shows the loops of a libjzx process and its busiest actors.\n"
    "  --once       one look (the only way for now)\n"
    "  --actors N   how many actors to show (10)\n"
    "  --file PATH  a segment in a file (segment_path), also of a process that has ended\n";

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...)
{
    va_list arguments;
    fputs("jzx: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(EXIT_FAILURE);
}

static void __attribute__((noreturn)) fail_usage(const char *why)
{
    fprintf(stderr, "jzx: %s\n%s", why, usage);
    exit(EXIT_USAGE);
}

/* ---- finding and checking a segment ---- */

static uint64_t read_word(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
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

/* Maps a segment whose magic number was looked at. */
static void view_open(struct view *view, int fd, const char *where)
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

static void view_close(struct view *view)
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

/* Opens the segments of a process. */
static size_t find_segments(long pid, int fds[RUNTIMES_MAX])
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
    for (struct dirent *entry; count < RUNTIMES_MAX && (entry = readdir(directory)) != NULL;) {
        int fd = open_segment(dirfd(directory), entry->d_name);
        if (fd >= 0) {
            fds[count++] = fd;
        }
    }
    closedir(directory);
    return count;
}

/* ---- reading it ---- */

static const jzx_segment_loop *loop_at(const struct view *view, uint32_t index)
{
    const uint8_t *part = view->base + view->header->loops_offset + index * view->header->loop_size;
    return (const jzx_segment_loop *)(const void *)part;
}

static uint32_t loop_count(const struct view *view)
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
        words[i] = read_word(&from[i]);
    }
    memcpy(slot, words, sizeof *slot);
    slot->name[sizeof slot->name - 1] = '\0';
    return slot->id != 0 && read_word(from) == slot->id;
}

static int heavier_first(const void *left, const void *right)
{
    const struct actor *a = left;
    const struct actor *b = right;
    if (a->weight != b->weight) {
        return a->weight < b->weight ? 1 : -1;
    }
    return a->slot.id < b->slot.id ? -1 : a->slot.id > b->slot.id;
}

/* Keeps twice as many as wanted, and throws the lighter half away when full. */
static void ranking_add(struct ranking *ranking, const jzx_segment_slot *slot, uint64_t weight)
{
    ranking->actors[ranking->count++] = (struct actor){.slot = *slot, .weight = weight};
    if (ranking->count == ranking->room) {
        qsort(ranking->actors, ranking->count, sizeof *ranking->actors, heavier_first);
        ranking->count = ranking->room / 2;
    }
}

/*
 * Calls `add` for each actor of a loop. Only pages that exist are touched: reading a hole of a memfd would fill it, and
 * the segment has room for far more actors than there are.
 */
static void each_actor(const struct view *view, uint32_t index, struct ranking *ranking, bool by_time)
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
                ranking->measured += slot.busy_ns;
                ranking_add(ranking, &slot, by_time ? slot.busy_ns : slot.handled);
            }
        }
        at = stop > at ? stop : at;
    }
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* CPU time of a thread in seconds, or -1 when it has gone. */
static double thread_cpu(int64_t pid, uint64_t thread)
{
    char path[96];
    char text[1024];
    unsigned long user = 0;
    unsigned long system = 0;
    snprintf(path, sizeof path, "/proc/%lld/task/%llu/stat", (long long)pid, (unsigned long long)thread);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return -1;
    }
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    const char *after = strrchr(text, ')'); /* the name before it may hold anything */
    if (after == NULL || sscanf(after, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2) {
        return -1;
    }
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* ---- showing it ---- */

static const char *duration_text(uint64_t ns, char text[24])
{
    if (ns < 1000000u) {
        snprintf(text, 24, "%.0fus", (double)ns / 1e3);
    } else if (ns < 1000000000u) {
        snprintf(text, 24, "%.1fms", (double)ns / 1e6);
    } else {
        snprintf(text, 24, "%.1fs", (double)ns / 1e9);
    }
    return text;
}

static uint64_t age(uint64_t now, uint64_t then)
{
    return now > then ? now - then : 0;
}

static const char *loop_state(const jzx_segment_loop *loop)
{
    static const char *const names[] = {"created", "running", "left"};
    uint64_t state = read_word(&loop->state);
    if (state == 1 && read_word(&loop->parked) != 0) {
        return "parked";
    }
    return state < sizeof names / sizeof names[0] ? names[state] : "?";
}

static uint64_t dropped_sum(const jzx_counters *counters)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < JZX_DROP_REASONS; i++) {
        sum += read_word(&counters->dropped[i]);
    }
    return sum;
}

static void show_loop(const struct view *view, uint32_t index, uint64_t now)
{
    const jzx_segment_loop *loop = loop_at(view, index);
    const jzx_counters *counters = &loop->counters;
    char heartbeat[24] = "-";
    char cpu[24] = "-";
    uint64_t thread = read_word(&loop->thread_id);
    uint64_t began = read_word(&loop->turn_began_ns);
    double seconds = thread == 0 ? -1 : thread_cpu(view->header->pid, thread);
    if (began != 0) {
        duration_text(age(now, began), heartbeat);
    }
    if (seconds >= 0) {
        snprintf(cpu, sizeof cpu, "%.2fs", seconds);
    }
    printf("%4u %-7s %8llu %9s %9s %11llu %8llu %8llu %11llu %11llu %8llu %7llu %7llu\n", index,
           loop_state(loop), (unsigned long long)thread, cpu, heartbeat, (unsigned long long)read_word(&counters->turns),
           (unsigned long long)read_word(&counters->actors), (unsigned long long)read_word(&counters->queued),
           (unsigned long long)read_word(&counters->handled), (unsigned long long)read_word(&counters->sent),
           (unsigned long long)dropped_sum(counters), (unsigned long long)read_word(&counters->timers),
           (unsigned long long)read_word(&counters->sockets));
}

/* A loop that is awake and long in one handler. */
static void show_stuck(const struct view *view, uint32_t index, uint64_t now)
{
    const jzx_segment_loop *loop = loop_at(view, index);
    char id[32] = "";
    char long_ago[24];
    uint64_t running = read_word(&loop->running_id);
    uint64_t turn_age = age(now, read_word(&loop->turn_began_ns));
    if (read_word(&loop->state) == 1 && read_word(&loop->parked) == 0 && running != 0 &&
        turn_age > STUCK_MS * 1000000ull && jzx_id_format(running, id, sizeof id) == JZX_OK) {
        printf("loop %u has been in one turn for %s; the actor in its handler is %s\n", index,
               duration_text(turn_age, long_ago), id);
    }
}

static const char *actor_state(uint8_t state)
{
    static const char *const names[] = {"free", "starting", "running", "draining", "stopping", "dying", "retired"};
    return state < sizeof names / sizeof names[0] ? names[state] : "?";
}

/* Names come from the program that is looked at: nothing of them may reach the terminal but what can be printed. */
static const char *printable(const char *name, char text[sizeof((jzx_segment_slot *)0)->name])
{
    size_t i = 0;
    for (; name[i] != '\0'; i++) {
        text[i] = isprint((unsigned char)name[i]) ? name[i] : '?';
    }
    text[i] = '\0';
    return i == 0 ? "-" : text;
}

static void show_actor(const struct actor *actor, bool by_time)
{
    const jzx_segment_slot *slot = &actor->slot;
    char id[32] = "?";
    char name[sizeof slot->name];
    char busy[24] = "-";
    (void)jzx_id_format(slot->id, id, sizeof id);
    if (by_time) {
        duration_text(slot->busy_ns, busy);
    }
    printf("%-24s  %-15s  %-8s  %12llu  %10s  %8u  %8u  0x%x\n", id, printable(slot->name, name),
           actor_state(slot->state), (unsigned long long)slot->handled, busy, slot->mailbox_length, slot->mailbox_peak,
           slot->last_tag);
}

static void show_actors(const struct view *view, unsigned long wanted)
{
    struct ranking ranking = {.room = 2 * wanted};
    bool by_time = false;
    ranking.actors = malloc(ranking.room * sizeof *ranking.actors);
    if (ranking.actors == NULL) {
        fail("out of memory");
    }
    /* Twice: whether any loop measures shows only when all were seen. */
    for (int pass = 0; pass < 2 && (pass == 0 || by_time); pass++) {
        ranking.count = 0;
        for (uint32_t i = 0; i < loop_count(view); i++) {
            each_actor(view, i, &ranking, by_time);
        }
        by_time = ranking.measured != 0;
    }
    qsort(ranking.actors, ranking.count, sizeof *ranking.actors, heavier_first);
    printf("\nbusiest actors, by %s\n", by_time ? "time in their handlers" : "messages handled");
    printf("%-24s  %-15s  %-8s  %12s  %10s  %8s  %8s  %s\n", "actor", "name", "state", "handled", "busy", "mailbox",
           "peak", "last tag");
    for (size_t i = 0; i < ranking.count && i < wanted; i++) {
        show_actor(&ranking.actors[i], by_time);
    }
    free(ranking.actors);
}

static void show(const struct view *view, const char *what, const struct settings *settings)
{
    char up[24];
    uint64_t now = now_ns();
    uint32_t stopping = __atomic_load_n(&view->header->stopping, __ATOMIC_ACQUIRE);
    printf("%s: pid %lld, up %s, %u of %u loops", what, (long long)view->header->pid,
           duration_text(age(now, view->header->created_ns), up), loop_count(view), view->header->loops_max);
    if (stopping != 0) {
        printf(", stopping (phase %u)", stopping);
    }
    printf("\n\n%4s %-7s %8s %9s %9s %11s %8s %8s %11s %11s %8s %7s %7s\n", "loop", "state", "thread", "cpu", "last turn",
           "turns", "actors", "queued", "handled", "sent", "dropped", "timers", "sockets");
    for (uint32_t i = 0; i < loop_count(view); i++) {
        show_loop(view, i, now);
    }
    for (uint32_t i = 0; i < loop_count(view); i++) {
        show_stuck(view, i, now);
    }
    show_actors(view, settings->actors);
}

static int top_file(const struct settings *settings)
{
    struct view view;
    int fd = open(settings->file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fail("%s: %s", settings->file, strerror(errno));
    }
    view_open(&view, fd, settings->file);
    show(&view, settings->file, settings);
    view_close(&view);
    return EXIT_SUCCESS;
}

static int top_process(const struct settings *settings)
{
    int fds[RUNTIMES_MAX];
    char where[64];
    size_t count = find_segments(settings->pid, fds);
    if (count == 0) {
        fail("process %ld has no libjzx runtime", settings->pid);
    }
    for (size_t i = 0; i < count; i++) {
        struct view view;
        snprintf(where, sizeof where, "process %ld, runtime %zu of %zu", settings->pid, i + 1, count);
        view_open(&view, fds[i], where);
        printf("%s", i == 0 ? "" : "\n");
        show(&view, where, settings);
        view_close(&view);
    }
    return EXIT_SUCCESS;
}

/* ---- arguments ---- */

static unsigned long parse_number(const char *text, unsigned long max, const char *what)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 || value == 0 || value > max) {
        char why[128];
        snprintf(why, sizeof why, "%s is a number from 1 to %lu", what, max);
        fail_usage(why);
    }
    return value;
}

static int run_top(int argc, char **argv)
{
    static const struct option options[] = {
        {"once", no_argument, NULL, 'o'},
        {"actors", required_argument, NULL, 'a'},
        {"file", required_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct settings settings = {.actors = ACTORS_DEFAULT};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'o':
            settings.once = true;
            break;
        case 'a':
            settings.actors = parse_number(optarg, ACTORS_LIMIT, "--actors");
            break;
        case 'f':
            settings.file = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        default:
            fputs(usage, stderr);
            return EXIT_USAGE;
        }
    }
    if (!settings.once) {
        fail_usage("--once is missing");
    }
    if (argc - optind != (settings.file == NULL ? 1 : 0)) {
        fail_usage("one PID, or --file, is needed");
    }
    if (settings.file != NULL) {
        return top_file(&settings);
    }
    settings.pid = (long)parse_number(argv[optind], 4194304, "PID");
    return top_process(&settings);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fail_usage("no command");
    }
    if (strcmp(argv[1], "top") == 0) {
        return run_top(argc - 1, argv + 1);
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("jzx %s\n", JZX_VERSION);
        return EXIT_SUCCESS;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        fputs(usage, stdout);
        return EXIT_SUCCESS;
    }
    fail_usage("no such command");
}
