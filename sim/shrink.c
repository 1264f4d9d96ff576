/*
 * shrink: a failure made smaller. See search.h.
 *
 * Every candidate is run in a process of its own, and taken when it fails in the same way. First kinds of faults are left
 * out as wholes; then sizes are made smaller, as that makes the runs short; then single faults are left out, many at a
 * time, then fewer (delta debugging: Zeller, Hildebrandt, 2002); then those that are left happen sooner, as otherwise all that
 * comes before them has to stay; then threads are switched less. All again until nothing helps, or the runs are spent.
 *
 * "In the same way" means: the same text up to the first ": ", without its numbers but for a line of a file; of a crash,
 * all of its text. So a small failure is not another, easier one; and "order 17 lost" may become "order 2 lost".
 */
#include "sim/search.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL = 8 }; /* of the smallest values of a size, or of an occasion, how many are tried one by one */

typedef struct shrinker {
    const jzx_sim_search *search;
    char way[JZX__SIM_FAILURE_TEXT]; /* in which it fails */
    jzx__sim_plan plan;              /* of the smallest run so far */
    jzx__sim_plan unlisted;          /* of the smallest one by rates: for when the list is too long for a line */
    jzx__sim_run *best;              /* that run */
    jzx__sim_run *tried;             /* room for the next */
    uint32_t runs;
    jzx_err err; /* of the search itself */
    bool progress;
} shrinker;

/* ---- is it the same failure? ---- */

static void way_of(const char *failure, char way[JZX__SIM_FAILURE_TEXT])
{
    bool whole = strncmp(failure, "crashed by ", 11) == 0 || strncmp(failure, "the process was ended ", 22) == 0;
    const char *end = whole ? NULL : strstr(failure, ": ");
    size_t length = end == NULL ? strlen(failure) : (size_t)(end - failure);
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        bool digit = isdigit((unsigned char)failure[i]) != 0;
        bool of_line = digit && i > 0 &&
                       (failure[i - 1] == ':' ||
                        (isdigit((unsigned char)failure[i - 1]) && used > 0 && isdigit((unsigned char)way[used - 1])));
        if (!digit || of_line) {
            way[used++] = failure[i];
        }
    }
    way[used] = '\0';
}

static bool same_way(const shrinker *self, const char *failure)
{
    char way[JZX__SIM_FAILURE_TEXT];
    way_of(failure, way);
    return strcmp(way, self->way) == 0;
}

/* ---- candidates ---- */

static bool spent(const shrinker *self)
{
    return self->err != JZX_OK || self->runs >= self->search->shrink_max;
}

/* Its run becomes the best: of a list, what was not reached is left out at once. */
static void take_over(shrinker *self, const jzx__sim_plan *candidate)
{
    jzx__sim_plan copy;
    if (!jzx__sim_plan_copy(&copy, candidate) || (copy.listed && !jzx__sim_plan_list(&copy, &self->tried->record))) {
        self->err = JZX_ERR_NO_MEMORY;
        return;
    }
    jzx__sim_plan_deinit(&self->plan);
    self->plan = copy;
    jzx__sim_run *run = self->best;
    self->best = self->tried;
    self->tried = run;
}

static bool still_fails(shrinker *self, const jzx__sim_plan *candidate)
{
    if (spent(self)) {
        return false;
    }
    self->runs++;
    self->err = jzx__sim_run_apart(self->search, candidate, self->tried);
    if (self->err != JZX_OK || !self->tried->failed || !same_way(self, self->tried->failure)) {
        return false;
    }
    take_over(self, candidate);
    return self->err == JZX_OK;
}

static bool took(shrinker *self, const jzx__sim_plan *candidate)
{
    bool taken = still_fails(self, candidate);
    self->progress |= taken;
    return taken;
}

/* ---- kinds of faults ---- */

static uint64_t kinds_of(const jzx__sim_record *record)
{
    uint64_t kinds = 0;
    for (uint32_t i = 0; i < record->hit_count; i++) {
        kinds |= UINT64_C(1) << record->hits[i].fault;
    }
    return kinds;
}

static void fewer_kinds(shrinker *self)
{
    jzx__sim_plan candidate = self->plan;
    uint64_t present = kinds_of(&self->best->record);
    candidate.kinds = 0;
    if (present == 0 || took(self, &candidate)) {
        return;
    }
    for (unsigned i = 0; i < JZX_SIM_FAULTS && !spent(self); i++) {
        present = kinds_of(&self->best->record);
        if ((present >> i & 1) != 0 && (present & (present - 1)) != 0) {
            candidate = self->plan;
            candidate.kinds = present & ~(UINT64_C(1) << i);
            (void)took(self, &candidate);
        }
    }
}

/* ---- single faults ---- */

/* The best run, its faults as a list. False: they are too many, or the list is not the same run (which F3 promises). */
static bool make_list(shrinker *self)
{
    jzx__sim_plan candidate = self->plan;
    candidate.hits = NULL;
    if (self->plan.listed) {
        return true;
    }
    if (self->best->record.hit_count == 0 || !jzx__sim_plan_list(&candidate, &self->best->record)) {
        return false;
    }
    self->unlisted = self->plan;
    bool same = still_fails(self, &candidate);
    jzx__sim_plan_deinit(&candidate);
    return same;
}

/* Without `count` of the faults, from `first` on. */
static bool took_without(shrinker *self, uint32_t first, uint32_t count)
{
    jzx__sim_plan candidate;
    if (!jzx__sim_plan_copy(&candidate, &self->plan)) {
        self->err = JZX_ERR_NO_MEMORY;
        return false;
    }
    candidate.hit_count -= count;
    memmove(&candidate.hits[first], &candidate.hits[first + count],
            (candidate.hit_count - first) * sizeof candidate.hits[0]);
    bool taken = took(self, &candidate);
    jzx__sim_plan_deinit(&candidate);
    return taken;
}

/* Leaves out parts of the list, each `part` long. The list may become shorter than that by itself. */
static bool fewer_by(shrinker *self, uint32_t part)
{
    bool any = false;
    for (uint32_t first = 0; first < self->plan.hit_count && !spent(self);) {
        uint32_t left = self->plan.hit_count - first;
        if (took_without(self, first, part < left ? part : left)) {
            any = true;
        } else {
            first += part;
        }
    }
    return any;
}

static void fewer_faults(shrinker *self)
{
    if (!make_list(self)) {
        return;
    }
    uint32_t part = self->plan.hit_count;
    while (part > 0 && !spent(self)) {
        bool any = fewer_by(self, part);
        if (part == 1 && !any) {
            return;
        }
        part = part == 1 ? 1 : (part + 1) / 2;
    }
}

/* ---- when they happen ---- */

enum { MOVED_MAX = 8 }; /* a failure that needs more faults than this is not made simpler by moving them */

static bool took_at(shrinker *self, uint32_t index, uint64_t occasion)
{
    jzx__sim_plan candidate;
    if (!jzx__sim_plan_copy(&candidate, &self->plan)) {
        self->err = JZX_ERR_NO_MEMORY;
        return false;
    }
    candidate.hits[index].occasion = occasion;
    bool taken = took(self, &candidate);
    jzx__sim_plan_deinit(&candidate);
    return taken;
}

/* What is sooner than all that is left to do stands in the way of fewer of these. By halves, as sizes. */
static void earlier_fault(shrinker *self, uint32_t index)
{
    const jzx__sim_hit *hits = self->plan.hits;
    uint32_t count = self->plan.hit_count;
    bool behind = index > 0 && hits[index - 1].fault == hits[index].fault;
    uint64_t passes = behind ? hits[index - 1].occasion : 0; /* cannot be, or was tried */
    uint64_t fails = hits[index].occasion;
    for (unsigned i = 0; i < SMALL && fails - passes > 1 && !spent(self); i++) {
        if (took_at(self, index, ++passes)) {
            return;
        }
    }
    while (fails - passes > 1 && !spent(self) && self->plan.hit_count == count) {
        uint64_t middle = passes + (fails - passes) / 2;
        if (took_at(self, index, middle)) {
            fails = middle;
        } else {
            passes = middle;
        }
    }
}

static void earlier_faults(shrinker *self)
{
    for (uint32_t i = 0; self->plan.listed && self->plan.hit_count <= MOVED_MAX && i < self->plan.hit_count; i++) {
        earlier_fault(self, i);
    }
}

/* ---- sizes and switches ---- */

/* The plan with this size; a size it has already is replaced. */
static void set_size(jzx__sim_plan *plan, const char *name, uint64_t value)
{
    uint32_t at = 0;
    while (at < plan->size_count && strcmp(plan->sizes[at].name, name) != 0) {
        at++;
    }
    if (at == plan->size_count) {
        plan->size_count++;
    }
    memset(&plan->sizes[at], 0, sizeof plan->sizes[at]);
    memcpy(plan->sizes[at].name, name, strlen(name));
    plan->sizes[at].value = value;
}

static bool took_size(shrinker *self, const jzx__sim_size *size, uint64_t value)
{
    jzx__sim_plan candidate = self->plan;
    set_size(&candidate, size->name, value);
    return took(self, &candidate);
}

/*
 * The smallest first, as a smaller run is another run: often some small one fails although a larger does not. Then by
 * halves, as if all that is larger than one that fails failed as well.
 */
static void smaller_size(shrinker *self, jzx__sim_size size)
{
    uint64_t passes = size.least; /* the largest that was tried and does not fail */
    uint64_t fails = size.value;
    if (size.value == size.least) {
        return;
    }
    for (uint64_t value = size.least; value - size.least < SMALL && value < size.value && !spent(self); value++) {
        if (took_size(self, &size, value)) {
            return;
        }
        passes = value;
    }
    while (fails - passes > 1 && !spent(self)) {
        uint64_t middle = passes + (fails - passes) / 2;
        if (took_size(self, &size, middle)) {
            fails = middle;
        } else {
            passes = middle;
        }
    }
}

static void smaller_sizes(shrinker *self)
{
    for (uint32_t i = 0; i < self->best->record.size_count && !spent(self); i++) {
        smaller_size(self, self->best->record.sizes[i]);
    }
}

/*
 * Where a single fault has to be moves with the sizes: smaller sizes alone pass, and so does a sooner fault alone. So both at
 * once: the least sizes, and each of the first places.
 */
enum { PLACES = 64 };

static bool took_place(shrinker *self, const jzx__sim_plan *sizes)
{
    uint64_t last = self->plan.hits[0].occasion < PLACES ? self->plan.hits[0].occasion : PLACES;
    for (uint64_t occasion = 1; occasion <= last && !spent(self); occasion++) {
        jzx__sim_hit hit = self->plan.hits[0];
        jzx__sim_plan candidate = *sizes;
        hit.occasion = occasion;
        candidate.hits = &hit;
        if (took(self, &candidate)) {
            return true;
        }
    }
    return false;
}

static void smaller_and_sooner(shrinker *self)
{
    if (!self->plan.listed || self->plan.hit_count != 1) {
        return;
    }
    jzx__sim_plan all = self->plan;
    uint32_t larger = 0;
    for (uint32_t i = 0; i < self->best->record.size_count; i++) {
        const jzx__sim_size *size = &self->best->record.sizes[i];
        larger += size->value > size->least;
        set_size(&all, size->name, size->least);
    }
    if (larger == 0 || (took_place(self, &all) && self->plan.hit_count == 1)) {
        return;
    }
    for (uint32_t i = 0; larger > 1 && self->plan.hit_count == 1 && i < self->best->record.size_count; i++) {
        jzx__sim_size size = self->best->record.sizes[i];
        if (size.value > size.least) {
            jzx__sim_plan one = self->plan;
            set_size(&one, size.name, size.least);
            (void)took_place(self, &one);
        }
    }
}

static void fewer_switches(shrinker *self)
{
    static const uint32_t steps[] = {0, 1, 4, 16, 64, 256};
    for (size_t i = 0; i < JZX__COUNT(steps) && steps[i] < self->best->record.switches && !spent(self); i++) {
        jzx__sim_plan candidate = self->plan;
        candidate.switches = steps[i];
        if (took(self, &candidate)) {
            return;
        }
    }
}

/* ---- all of it ---- */

static void make_smaller(shrinker *self)
{
    fewer_kinds(self);
    do {
        self->progress = false;
        smaller_sizes(self);
        fewer_faults(self);
        earlier_faults(self);
        fewer_switches(self);
        if (!self->progress) {
            smaller_and_sooner(self);
        }
    } while (self->progress && !spent(self));
}

typedef struct before {
    uint32_t faults;
    uint32_t switches;
    uint32_t size_count;
    jzx__sim_size sizes[JZX__SIM_SIZES_MAX];
} before;

static void note_before(before *was, const jzx__sim_run *run)
{
    was->faults = run->record.hit_count;
    was->switches = run->record.switches;
    was->size_count = run->record.size_count;
    memcpy(was->sizes, run->record.sizes, sizeof was->sizes);
}

static size_t say_change(char *how, size_t room, const char *name, uint64_t from, uint64_t to)
{
    int length = from == to
                     ? snprintf(how, room, "%s %llu, ", name, (unsigned long long)to)
                     : snprintf(how, room, "%s %llu -> %llu, ", name, (unsigned long long)from, (unsigned long long)to);
    return length < 0 ? 0 : ((size_t)length < room ? (size_t)length : room - 1);
}

static void say_how(jzx__sim_shrunk *shrunk, const before *was, const jzx__sim_run *run)
{
    if (!shrunk->again) {
        (void)snprintf(shrunk->how, sizeof shrunk->how,
                       "it did not go the same way again: the scenario depends on more than its seed");
        return;
    }
    const jzx__sim_record *is = &run->record;
    size_t room = sizeof shrunk->how;
    size_t used = say_change(shrunk->how, room, "faults", was->faults, is->hit_count);
    for (uint32_t i = 0; i < is->size_count; i++) {
        uint64_t from = is->sizes[i].value;
        for (uint32_t k = 0; k < was->size_count; k++) {
            from = strcmp(was->sizes[k].name, is->sizes[i].name) == 0 ? was->sizes[k].value : from;
        }
        used += say_change(shrunk->how + used, room - used, is->sizes[i].name, from, is->sizes[i].value);
    }
    used += say_change(shrunk->how + used, room - used, "switches", was->switches, is->switches);
    shrunk->how[used >= 2 ? used - 2 : 0] = '\0';
}

static void write_text(const shrinker *self, jzx__sim_shrunk *shrunk)
{
    if (!jzx__sim_replay_write(shrunk->text, self->search->name, &self->plan)) {
        (void)jzx__sim_replay_write(shrunk->text, self->search->name, &self->unlisted);
    }
}

static void shrink(shrinker *self, jzx__sim_shrunk *shrunk, before *was)
{
    uint64_t hash = self->best->hash;
    note_before(was, self->best);
    way_of(self->best->failure, self->way);
    if (self->search->shrink_max == 0) {
        return;
    }
    shrunk->again = still_fails(self, &self->plan) && self->best->hash == hash;
    if (shrunk->again) {
        make_smaller(self);
    }
}

jzx_err jzx__sim_shrink(const jzx_sim_search *search, jzx__sim_run *run, jzx__sim_shrunk *shrunk)
{
    before was;
    jzx__sim_run *second = jzx__sim_run_create();
    if (second == NULL) {
        return JZX_ERR_NO_MEMORY;
    }
    shrinker self = {.search = search, .best = run, .tried = second};
    *shrunk = (struct jzx__sim_shrunk){0};
    jzx__sim_plan_init(&self.plan, run->seed);
    shrink(&self, shrunk, &was);
    if (self.best != run) {
        *run = *self.best;
    }
    shrunk->runs = self.runs;
    say_how(shrunk, &was, run);
    write_text(&self, shrunk);
    jzx__sim_plan_deinit(&self.plan);
    jzx__sim_run_destroy(second);
    return self.err;
}
