/*
 * replay: a run as a line of text, and back. See search.h.
 *
 *   text    name ":" part ("," part)*          each part at most once; "seed" must be there
 *   part    "seed=" number
 *           "faults=" ("none" | fault "@" occasion ("+" ...)*)      exactly these
 *           "kinds=" ("none" | fault ("+" fault)*)                  these by their rates; not with "faults"
 *           "sizes=" name ":" number ("+" ...)*
 *           "switches=" number                                      of 1,024
 */
#include "sim/search.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- plans ---- */

void jzx__sim_plan_init(jzx__sim_plan *plan, uint64_t seed)
{
    *plan = (struct jzx__sim_plan){.seed = seed, .kinds = JZX__SIM_ALL_KINDS, .switches = JZX_SIM_DRAWN};
}

void jzx__sim_plan_deinit(jzx__sim_plan *plan)
{
    free(plan->hits);
    plan->hits = NULL;
    plan->hit_count = 0;
}

static jzx__sim_hit *copy_hits(const jzx__sim_hit *hits, uint32_t count)
{
    jzx__sim_hit *copy = malloc((count + 1) * sizeof *copy);
    if (copy != NULL && count > 0) {
        memcpy(copy, hits, count * sizeof *copy);
    }
    return copy;
}

bool jzx__sim_plan_copy(jzx__sim_plan *plan, const jzx__sim_plan *from)
{
    jzx__sim_hit *hits = copy_hits(from->hits, from->hit_count);
    if (hits == NULL) {
        return false;
    }
    *plan = *from;
    plan->hits = hits;
    return true;
}

static int compare_hits(const void *a, const void *b)
{
    const jzx__sim_hit *first = a;
    const jzx__sim_hit *second = b;
    if (first->fault != second->fault) {
        return first->fault < second->fault ? -1 : 1;
    }
    return first->occasion < second->occasion ? -1 : first->occasion > second->occasion;
}

static void sort_hits(jzx__sim_plan *plan)
{
    qsort(plan->hits, plan->hit_count, sizeof plan->hits[0], compare_hits);
}

bool jzx__sim_plan_list(jzx__sim_plan *plan, const jzx__sim_record *record)
{
    jzx__sim_hit *hits = record->hits_lost ? NULL : copy_hits(record->hits, record->hit_count);
    if (hits == NULL) {
        return false;
    }
    free(plan->hits);
    plan->listed = true;
    plan->hits = hits;
    plan->hit_count = record->hit_count;
    sort_hits(plan);
    return true;
}

/* ---- writing ---- */

typedef struct writer {
    char *text;
    size_t used;
} writer;

static void put(writer *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(writer *to, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t room = JZX__SIM_REPLAY_TEXT - to->used;
    int length = vsnprintf(to->text + to->used, room, format, arguments);
    va_end(arguments);
    /* Full stays full: the last byte is never given away again. */
    to->used += length >= 0 && (size_t)length < room ? (size_t)length : room;
    if (to->used > JZX__SIM_REPLAY_TEXT - 1) {
        to->used = JZX__SIM_REPLAY_TEXT;
        to->text[JZX__SIM_REPLAY_TEXT - 1] = '\0';
    }
}

static void put_hits(writer *to, const jzx__sim_plan *plan)
{
    put(to, ",faults=%s", plan->hit_count == 0 ? "none" : "");
    for (uint32_t i = 0; i < plan->hit_count; i++) {
        put(to, "%s%s@%llu", i == 0 ? "" : "+", jzx_sim_fault_name((jzx_sim_fault)plan->hits[i].fault),
            (unsigned long long)plan->hits[i].occasion);
    }
}

static void put_kinds(writer *to, uint64_t kinds)
{
    const char *before = "";
    put(to, ",kinds=%s", kinds == 0 ? "none" : "");
    for (unsigned i = 0; i < JZX_SIM_FAULTS; i++) {
        if ((kinds >> i & 1) != 0) {
            put(to, "%s%s", before, jzx_sim_fault_name((jzx_sim_fault)i));
            before = "+";
        }
    }
}

bool jzx__sim_replay_write(char text[JZX__SIM_REPLAY_TEXT], const char *name, const jzx__sim_plan *plan)
{
    writer to = {.text = text};
    put(&to, "%s:seed=%llu", name, (unsigned long long)plan->seed);
    if (plan->listed) {
        put_hits(&to, plan);
    } else if (plan->kinds != JZX__SIM_ALL_KINDS) {
        put_kinds(&to, plan->kinds);
    }
    for (uint32_t i = 0; i < plan->size_count; i++) {
        put(&to, "%s%s:%llu", i == 0 ? ",sizes=" : "+", plan->sizes[i].name, (unsigned long long)plan->sizes[i].value);
    }
    if (plan->switches != JZX_SIM_DRAWN) {
        put(&to, ",switches=%u", (unsigned)plan->switches);
    }
    return to.used < JZX__SIM_REPLAY_TEXT;
}

/* ---- reading ---- */

typedef struct reader {
    const char *at;
    jzx__sim_plan *plan;
    const char *wrong; /* what was expected instead of what stands there; NULL: all is well */
} reader;

static bool refuse(reader *from, const char *wrong)
{
    from->wrong = wrong;
    return false;
}

bool jzx__sim_number_read(const char **at, uint64_t *number)
{
    const char *digit = *at;
    uint64_t value = 0;
    for (; *digit >= '0' && *digit <= '9'; digit++) {
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*digit - '0'), &value)) {
            return false;
        }
    }
    if (digit == *at) {
        return false;
    }
    *at = digit;
    *number = value;
    return true;
}

static bool take(reader *from, const char *word)
{
    size_t length = strlen(word);
    if (strncmp(from->at, word, length) != 0) {
        return false;
    }
    from->at += length;
    return true;
}

/* "none", as the whole of a list. */
static bool take_none(reader *from)
{
    return (strcmp(from->at, "none") == 0 || strncmp(from->at, "none,", 5) == 0) && take(from, "none");
}

static bool read_fault(reader *from, jzx_sim_fault *fault)
{
    size_t length = strcspn(from->at, "@+,:=");
    if (!jzx__sim_fault_find(from->at, length, fault)) {
        return refuse(from, "the name of a fault");
    }
    from->at += length;
    return true;
}

static bool read_hit(reader *from, uint32_t *room)
{
    jzx_sim_fault fault;
    uint64_t occasion;
    if (!read_fault(from, &fault)) {
        return false;
    }
    if (!take(from, "@")) {
        return refuse(from, "'@'");
    }
    const char *number = from->at;
    if (!jzx__sim_number_read(&from->at, &occasion) || occasion == 0) {
        from->at = number;
        return refuse(from, "the number of an occasion, from 1");
    }
    jzx__sim_plan *plan = from->plan;
    if (plan->hit_count == JZX__SIM_HITS_MAX) {
        return refuse(from, "no more faults");
    }
    plan->hits = jzx__sim_own_grow(plan->hits, room, plan->hit_count, sizeof plan->hits[0]);
    plan->hits[plan->hit_count++] = (struct jzx__sim_hit){.occasion = occasion, .fault = (uint32_t)fault};
    return true;
}

static bool read_hits(reader *from)
{
    jzx__sim_plan *plan = from->plan;
    uint32_t room = 0;
    if (plan->listed || plan->kinds != JZX__SIM_ALL_KINDS) {
        return refuse(from, "faults or kinds once");
    }
    plan->listed = true;
    if (take_none(from)) {
        return true;
    }
    do {
        if (!read_hit(from, &room)) {
            return false;
        }
    } while (take(from, "+"));
    sort_hits(plan);
    for (uint32_t i = 1; i < plan->hit_count; i++) {
        if (compare_hits(&plan->hits[i - 1], &plan->hits[i]) == 0) {
            return refuse(from, "each fault once");
        }
    }
    return true;
}

static bool read_kinds(reader *from)
{
    jzx__sim_plan *plan = from->plan;
    if (plan->listed || plan->kinds != JZX__SIM_ALL_KINDS) {
        return refuse(from, "faults or kinds once");
    }
    plan->kinds = 0;
    if (take_none(from)) {
        return true;
    }
    do {
        jzx_sim_fault fault;
        if (!read_fault(from, &fault)) {
            return false;
        }
        plan->kinds |= UINT64_C(1) << fault;
    } while (take(from, "+"));
    return true;
}

static bool read_size(reader *from)
{
    jzx__sim_plan *plan = from->plan;
    size_t length = strcspn(from->at, "@+,:=");
    if (plan->size_count == JZX__SIM_SIZES_MAX || length >= JZX__SIM_SIZE_NAME ||
        !jzx__sim_word(from->at, length, "_")) {
        return refuse(from, "the name of a size");
    }
    jzx__sim_size *size = &plan->sizes[plan->size_count];
    memset(size, 0, sizeof *size);
    memcpy(size->name, from->at, length);
    for (uint32_t i = 0; i < plan->size_count; i++) {
        if (strcmp(plan->sizes[i].name, size->name) == 0) {
            return refuse(from, "each size once");
        }
    }
    from->at += length;
    if (!take(from, ":")) {
        return refuse(from, "':'");
    }
    plan->size_count++;
    return jzx__sim_number_read(&from->at, &size->value) || refuse(from, "a number");
}

static bool read_sizes(reader *from)
{
    if (from->plan->size_count > 0) {
        return refuse(from, "sizes once");
    }
    do {
        if (!read_size(from)) {
            return false;
        }
    } while (take(from, "+"));
    return true;
}

static bool read_switches(reader *from)
{
    uint64_t number;
    const char *begin = from->at;
    if (from->plan->switches != JZX_SIM_DRAWN) {
        return refuse(from, "switches once");
    }
    if (!jzx__sim_number_read(&from->at, &number) || number > 1024) {
        from->at = begin;
        return refuse(from, "a number up to 1024");
    }
    from->plan->switches = (uint32_t)number;
    return true;
}

static bool read_seed(reader *from, bool *seen)
{
    if (*seen) {
        return refuse(from, "seed once");
    }
    *seen = true;
    return jzx__sim_number_read(&from->at, &from->plan->seed) || refuse(from, "a number");
}

static bool read_part(reader *from, bool *seen_seed)
{
    if (take(from, "seed=")) {
        return read_seed(from, seen_seed);
    }
    if (take(from, "faults=")) {
        return read_hits(from);
    }
    if (take(from, "kinds=")) {
        return read_kinds(from);
    }
    if (take(from, "sizes=")) {
        return read_sizes(from);
    }
    if (take(from, "switches=")) {
        return read_switches(from);
    }
    return refuse(from, "seed=, faults=, kinds=, sizes= or switches=");
}

static bool read_text(reader *from)
{
    bool seen_seed = false;
    size_t name = strcspn(from->at, ":");
    if (from->at[name] != ':' || !jzx__sim_word(from->at, name, "_-")) {
        return refuse(from, "the name of a scenario and ':'");
    }
    from->at += name + 1;
    do {
        if (!read_part(from, &seen_seed)) {
            return false;
        }
    } while (take(from, ","));
    if (*from->at != '\0') {
        return refuse(from, "',' or the end");
    }
    return seen_seed || refuse(from, "a seed");
}

bool jzx__sim_replay_is_for(const char *text, const char *name)
{
    size_t length = strlen(name);
    return strncmp(text, name, length) == 0 && text[length] == ':';
}

jzx_err jzx__sim_replay_read(const char *text, jzx__sim_plan *plan, char *wrong, size_t wrong_size)
{
    jzx__sim_plan_init(plan, 0);
    reader from = {.at = text, .plan = plan};
    if (read_text(&from)) {
        return JZX_OK;
    }
    (void)snprintf(wrong, wrong_size, "at character %zu, where \"%.20s\" stands: %s is expected",
                   (size_t)(from.at - text) + 1, from.at, from.wrong);
    jzx__sim_plan_deinit(plan);
    return JZX_ERR_INVALID_ARG;
}
