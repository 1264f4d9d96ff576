/*
 * books: what must hold of the events of any run, whatever is tested.
 *
 * Kept from what a runtime says that it does, in structures of their own: nothing here reads the runtime's.
 *
 * Invariants checked
 *   B1  No id of an actor is issued twice in a runtime.
 *   B2  An actor handles nothing before it was spawned or after its end, and ends once.
 *   B3  Timers of a loop fire in the order of their times, at equal times in the order of arming; each once for each
 *       arming, never early, never when it was disarmed.
 *   B4  An actor that waits for its turn has it before any other of its loop has two.
 *   B5  When a runtime goes, each actor of it has ended and no timer is armed.
 */
#include "sim/machine.h"

#include <stdlib.h>
#include <string.h>

#include "sched/loop.h"

enum { ALIVE = 1, ENDED = 2 };

/* An open-addressed table from a number that is not 0 to another. Nothing leaves it: what is over has the value 0. */
typedef struct entry {
    uint64_t key;
    uint64_t value;
} entry;

typedef struct table {
    entry *entries;
    uint64_t room; /* a power of two, or 0 */
    uint64_t count;
} table;

typedef struct armed {
    uint64_t due_ns;
    uint64_t timer;
} armed;

typedef struct loop_book {
    armed *timers; /* sorted by due_ns, then as they were armed */
    uint32_t timer_count;
    uint32_t timer_room;
    uint64_t turns;   /* that actors had */
    uint64_t waiting; /* actors */
} loop_book;

typedef struct runtime_book {
    struct runtime_book *next;
    const jzx_runtime *runtime;
    table actors;   /* ALIVE or ENDED */
    table waiting;  /* the last turn that may come before its own */
    uint64_t alive; /* actors */
    loop_book loops[JZX_LOOPS_MAX];
} runtime_book;

struct jzx__sim_books {
    runtime_book *first;
};

/* ---- tables ---- */

static entry *look(const table *in, uint64_t key)
{
    uint64_t place = jzx__mix(key) & (in->room - 1);
    while (in->entries[place].key != 0 && in->entries[place].key != key) {
        place = (place + 1) & (in->room - 1);
    }
    return &in->entries[place];
}

static void grow(table *of)
{
    table old = *of;
    of->room = old.room == 0 ? 64 : old.room * 2;
    of->entries = jzx__sim_own_alloc(of->room * sizeof *of->entries);
    for (uint64_t i = 0; i < old.room; i++) {
        if (old.entries[i].key != 0) {
            *look(of, old.entries[i].key) = old.entries[i];
        }
    }
    free(old.entries);
}

static uint64_t value_of(const table *in, uint64_t key)
{
    return in->room == 0 ? 0 : look(in, key)->value;
}

static void set(table *in, uint64_t key, uint64_t value)
{
    if (in->count * 2 >= in->room) {
        grow(in);
    }
    entry *found = look(in, key);
    in->count += found->key == 0;
    *found = (entry){key, value};
}

/* ---- life ---- */

jzx__sim_books *jzx__sim_books_create(void)
{
    return jzx__sim_own_alloc(sizeof(jzx__sim_books));
}

static void book_free(runtime_book *book)
{
    free(book->actors.entries);
    free(book->waiting.entries);
    for (uint32_t i = 0; i < JZX_LOOPS_MAX; i++) {
        free(book->loops[i].timers);
    }
    free(book);
}

void jzx__sim_books_destroy(jzx__sim_books *books)
{
    while (books->first != NULL) {
        runtime_book *next = books->first->next;
        book_free(books->first);
        books->first = next;
    }
    free(books);
}

static runtime_book *book_of(jzx__sim_books *books, const jzx_runtime *runtime)
{
    runtime_book *book = books->first;
    while (book != NULL && book->runtime != runtime) {
        book = book->next;
    }
    if (book == NULL) {
        book = jzx__sim_own_alloc(sizeof *book);
        book->runtime = runtime;
        book->next = books->first;
        books->first = book;
    }
    return book;
}

/* B5 */
static void check_gone(jzx_sim *sim, const runtime_book *book)
{
    uint32_t timers = 0;
    for (uint32_t i = 0; i < JZX_LOOPS_MAX; i++) {
        timers += book->loops[i].timer_count;
    }
    if (book->alive != 0) {
        jzx_sim_fail(sim, "a runtime is gone and %llu of its actors have not ended", (unsigned long long)book->alive);
    } else if (timers != 0) {
        jzx_sim_fail(sim, "a runtime is gone and %u of its timers are armed", timers);
    }
}

void jzx__sim_books_gone(jzx_sim *sim, const jzx_runtime *runtime)
{
    for (runtime_book **at = &sim->books->first; *at != NULL; at = &(*at)->next) {
        if ((*at)->runtime == runtime) {
            runtime_book *gone = *at;
            *at = gone->next;
            if (!sim->failed) {
                check_gone(sim, gone);
            }
            book_free(gone);
            return;
        }
    }
}

/* ---- actors ---- */

static void spawned(jzx_sim *sim, runtime_book *book, uint64_t actor)
{
    if (actor == 0 || value_of(&book->actors, actor) != 0) {
        jzx_sim_fail(sim, "id %llx was issued twice", (unsigned long long)actor); /* B1 */
    }
    set(&book->actors, actor, ALIVE);
    book->alive++;
}

static void handles(jzx_sim *sim, const runtime_book *book, uint64_t actor, uint64_t tag)
{
    if (value_of(&book->actors, actor) != ALIVE) {
        jzx_sim_fail(sim, "actor %llx handles a message of tag %llx and is not alive", (unsigned long long)actor,
                     (unsigned long long)tag); /* B2 */
    }
}

static void ended(jzx_sim *sim, runtime_book *book, uint64_t actor)
{
    if (value_of(&book->actors, actor) != ALIVE) {
        jzx_sim_fail(sim, "actor %llx ends and was not alive", (unsigned long long)actor); /* B2 */
    }
    set(&book->actors, actor, ENDED);
    book->alive--;
}

static void queued(runtime_book *book, loop_book *loop, uint64_t actor)
{
    /* All that wait now may come before it, and the one that has its turn now. */
    set(&book->waiting, actor, loop->turns + loop->waiting + 1);
    loop->waiting++;
}

/* B4, also of one that ended before it came to its turn. */
static void waited(jzx_sim *sim, const runtime_book *book, const loop_book *loop, uint64_t actor)
{
    uint64_t last = value_of(&book->waiting, actor);
    if (last != 0 && loop->turns > last) {
        jzx_sim_fail(sim, "actor %llx has waited for %llu turns too many", (unsigned long long)actor,
                     (unsigned long long)(loop->turns - last));
    }
}

static void runs(jzx_sim *sim, runtime_book *book, loop_book *loop, uint64_t actor)
{
    loop->turns++;
    loop->waiting--;
    waited(sim, book, loop, actor);
    set(&book->waiting, actor, 0);
}

/* ---- timers ---- */

static void arm(loop_book *loop, uint64_t timer, uint64_t due_ns)
{
    loop->timers = jzx__sim_own_grow(loop->timers, &loop->timer_room, loop->timer_count, sizeof *loop->timers);
    uint32_t low = 0;
    uint32_t high = loop->timer_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (loop->timers[middle].due_ns <= due_ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    memmove(&loop->timers[low + 1], &loop->timers[low], (loop->timer_count - low) * sizeof *loop->timers);
    loop->timers[low] = (armed){due_ns, timer};
    loop->timer_count++;
}

static void take_out(loop_book *loop, uint32_t place)
{
    loop->timer_count--;
    memmove(&loop->timers[place], &loop->timers[place + 1], (loop->timer_count - place) * sizeof *loop->timers);
}

static void fire(jzx_sim *sim, loop_book *loop, uint64_t timer, uint64_t now_ns)
{
    now_ns = now_ns < jzx__sim_clock(sim) ? now_ns : jzx__sim_clock(sim); /* a loop may believe that it is later */
    if (loop->timer_count == 0 || loop->timers[0].timer != timer) {
        jzx_sim_fail(sim, "timer %llx fires and is not the next", (unsigned long long)timer);
    } else if (loop->timers[0].due_ns > now_ns) {
        jzx_sim_fail(sim, "timer %llx fires %llu ns early", (unsigned long long)timer,
                     (unsigned long long)(loop->timers[0].due_ns - now_ns));
    } else {
        take_out(loop, 0);
    }
}

static void disarm(jzx_sim *sim, loop_book *loop, uint64_t timer)
{
    for (uint32_t i = 0; i < loop->timer_count; i++) {
        if (loop->timers[i].timer == timer) {
            take_out(loop, i);
            return;
        }
    }
    jzx_sim_fail(sim, "timer %llx is disarmed and was not armed", (unsigned long long)timer);
}

/* ---- events ---- */

static const char *const names[JZX__SIM_WHATS] = {"spawn", "handle", "end", "arm", "fire", "disarm", "queue", "run"};

void jzx__sim_event_here(const jzx_loop *loop, jzx__sim_what what, uint64_t a, uint64_t b, uint64_t c)
{
    jzx_sim *sim = jzx__sim_machine;
    if (sim == NULL || sim->failed) {
        return;
    }
    runtime_book *book = book_of(sim->books, loop->runtime);
    loop_book *loop_in = &book->loops[loop->index];
    if (what != JZX__SIM_QUEUE) {
        jzx__sim_event(sim, names[what], a, b, c);
    }
    switch (what) {
    case JZX__SIM_SPAWN:
        spawned(sim, book, a);
        break;
    case JZX__SIM_HANDLE:
        handles(sim, book, a, c);
        break;
    case JZX__SIM_END:
        waited(sim, book, loop_in, a);
        ended(sim, book, a);
        break;
    case JZX__SIM_ARM:
        arm(loop_in, a, b);
        break;
    case JZX__SIM_FIRE:
        fire(sim, loop_in, a, c);
        break;
    case JZX__SIM_DISARM:
        disarm(sim, loop_in, a);
        break;
    case JZX__SIM_QUEUE:
        queued(book, loop_in, a);
        break;
    case JZX__SIM_RUN:
        runs(sim, book, loop_in, a);
        break;
    case JZX__SIM_WHATS:
        break;
    }
}
