/* top: what `jzx top` shows: a row for each loop, then the busiest actors. */
#include "top.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RUNTIMES_MAX = 16 };                  /* of one process */
static const uint64_t STUCK_NS = 100000000u; /* in one turn: from then on a loop is called stuck */

/* What is shown of one actor. */
struct actor {
    jzx_segment_slot slot;
    uint64_t weight; /* busy_ns, or handled where no loop measures */
};

/* The busiest actors of all loops. */
struct ranking {
    struct actor *actors;
    size_t count;
    size_t room;
    uint64_t measured; /* busy time seen at all */
    bool by_time;
};

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
static void ranking_add(void *context, const jzx_segment_slot *slot)
{
    struct ranking *ranking = context;
    uint64_t weight = ranking->by_time ? slot->busy_ns : slot->handled;
    ranking->measured += slot->busy_ns;
    ranking->actors[ranking->count++] = (struct actor){.slot = *slot, .weight = weight};
    if (ranking->count == ranking->room) {
        qsort(ranking->actors, ranking->count, sizeof *ranking->actors, heavier_first);
        ranking->count = ranking->room / 2;
    }
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

enum { USER_TIME = 14 }; /* the word of /proc/PID/stat; the next is the system's time */

/* CPU time of a thread in seconds, or -1 when it has gone. */
static double thread_cpu(int64_t pid, uint64_t thread)
{
    char path[96];
    char text[1024];
    snprintf(path, sizeof path, "/proc/%lld/task/%llu/stat", (long long)pid, (unsigned long long)thread);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return -1;
    }
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    char *word = strrchr(text, ')'); /* the second word; the name in it may hold anything */
    for (int i = 2; i < USER_TIME && word != NULL; i++) {
        word = strchr(word + 1, ' ');
    }
    if (word == NULL) {
        return -1;
    }
    char *end;
    unsigned long ticks = strtoul(word, &end, 10);
    ticks += strtoul(end, NULL, 10);
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

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
    uint64_t state = view_word(&loop->state);
    if (state == 1 && view_word(&loop->parked) != 0) {
        return "parked";
    }
    return state < sizeof names / sizeof names[0] ? names[state] : "?";
}

static uint64_t dropped_sum(const jzx_counters *counters)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < JZX_DROP_REASONS; i++) {
        sum += view_word(&counters->dropped[i]);
    }
    return sum;
}

static void show_loop(const struct view *view, uint32_t index, uint64_t now)
{
    const jzx_segment_loop *loop = view_loop(view, index);
    const jzx_counters *counters = &loop->counters;
    char heartbeat[24] = "-";
    char cpu[24] = "-";
    uint64_t thread = view_word(&loop->thread_id);
    uint64_t began = view_word(&loop->turn_began_ns);
    double seconds = thread == 0 ? -1 : thread_cpu(view->header->pid, thread);
    if (began != 0) {
        duration_text(age(now, began), heartbeat);
    }
    if (seconds >= 0) {
        snprintf(cpu, sizeof cpu, "%.2fs", seconds);
    }
    printf("%4u %-7s %8llu %9s %9s %11llu %8llu %8llu %11llu %11llu %8llu %7llu %7llu\n", index, loop_state(loop),
           (unsigned long long)thread, cpu, heartbeat, (unsigned long long)view_word(&counters->turns),
           (unsigned long long)view_word(&counters->actors), (unsigned long long)view_word(&counters->queued),
           (unsigned long long)view_word(&counters->handled), (unsigned long long)view_word(&counters->sent),
           (unsigned long long)dropped_sum(counters), (unsigned long long)view_word(&counters->timers),
           (unsigned long long)view_word(&counters->sockets));
}

/* A loop that is awake and long in one handler. */
static void show_stuck(const struct view *view, uint32_t index, uint64_t now)
{
    const jzx_segment_loop *loop = view_loop(view, index);
    char id[32] = "";
    char long_ago[24];
    uint64_t running = view_word(&loop->running_id);
    uint64_t turn_age = age(now, view_word(&loop->turn_began_ns));
    if (view_word(&loop->state) == 1 && view_word(&loop->parked) == 0 && running != 0 && turn_age > STUCK_NS &&
        jzx_id_format(running, id, sizeof id) == JZX_OK) {
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
    char incarnation[8] = "-";
    (void)jzx_id_format(slot->id, id, sizeof id);
    if (slot->incarnation != 0) { /* it has a supervisor */
        snprintf(incarnation, sizeof incarnation, "%u", slot->incarnation);
    }
    if (by_time) {
        duration_text(slot->busy_ns, busy);
    }
    printf("%-24s  %-15s  %-8s  %12llu  %10s  %8u  %8u  %11s  %-10s  0x%x\n", id, printable(slot->name, name),
           actor_state(slot->state), (unsigned long long)slot->handled, busy, slot->mailbox_length, slot->mailbox_peak,
           incarnation, (slot->flags & JZX_SLOT_SUPERVISOR) != 0 ? "supervisor" : "-", slot->last_tag);
}

static void rank(const struct view *view, struct ranking *ranking)
{
    ranking->count = 0;
    for (uint32_t i = 0; i < view_loop_count(view); i++) {
        view_each_actor(view, i, ranking_add, ranking);
    }
}

static void show_actors(const struct view *view, unsigned long wanted)
{
    struct ranking ranking = {.room = 2 * wanted};
    ranking.actors = malloc(ranking.room * sizeof *ranking.actors);
    if (ranking.actors == NULL) {
        fail("out of memory");
    }
    rank(view, &ranking);
    if (ranking.measured != 0) { /* some loop measures, which shows only when all were seen */
        ranking.by_time = true;
        rank(view, &ranking);
    }
    qsort(ranking.actors, ranking.count, sizeof *ranking.actors, heavier_first);
    printf("\nbusiest actors, by %s\n", ranking.by_time ? "time in their handlers" : "messages handled");
    printf("%-24s  %-15s  %-8s  %12s  %10s  %8s  %8s  %11s  %-10s  %s\n", "actor", "name", "state", "handled", "busy",
           "mailbox", "peak", "incarnation", "kind", "last tag");
    for (size_t i = 0; i < ranking.count && i < wanted; i++) {
        show_actor(&ranking.actors[i], ranking.by_time);
    }
    free(ranking.actors);
}

static void show(const struct view *view, const char *what, const struct top_settings *settings)
{
    char up[24];
    uint64_t now = now_ns();
    uint32_t stopping = __atomic_load_n(&view->header->stopping, __ATOMIC_ACQUIRE);
    printf("%s: pid %lld, up %s, %u of %u loops", what, (long long)view->header->pid,
           duration_text(age(now, view->header->created_ns), up), view_loop_count(view), view->header->loops_max);
    if (stopping != 0) {
        printf(", stopping (phase %u)", stopping);
    }
    printf("\n\n%4s %-7s %8s %9s %9s %11s %8s %8s %11s %11s %8s %7s %7s\n", "loop", "state", "thread", "cpu",
           "last turn", "turns", "actors", "queued", "handled", "sent", "dropped", "timers", "sockets");
    for (uint32_t i = 0; i < view_loop_count(view); i++) {
        show_loop(view, i, now);
    }
    for (uint32_t i = 0; i < view_loop_count(view); i++) {
        show_stuck(view, i, now);
    }
    show_actors(view, settings->actors);
}

static void top_file(const struct top_settings *settings)
{
    struct view view;
    int fd = open(settings->file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fail("%s: %s", settings->file, strerror(errno));
    }
    view_open(&view, fd, settings->file);
    show(&view, settings->file, settings);
    view_close(&view);
}

static void top_process(const struct top_settings *settings)
{
    int fds[RUNTIMES_MAX];
    char where[64];
    size_t count = view_find(settings->pid, fds, RUNTIMES_MAX);
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
}

void top(const struct top_settings *settings)
{
    if (settings->file != NULL) {
        top_file(settings);
    } else {
        top_process(settings);
    }
}
