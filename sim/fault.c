/* fault: see fault.h. */
#include "sim/fault.h"

#include <string.h>

static const uint64_t GOLDEN = 0x9E3779B97F4A7C15ull;
/* Apart from the streams of jzx__sim_stream, which are numbered from 0. */
enum { OF_OCCASIONS = 100, OF_AMOUNTS = 200, OF_RATES = 300, OF_SIZES = 400, OF_SWITCHES = 401 };

/* ---- kinds ---- */

/* `natural` is the most of 65,536 occasions that is drawn for it: what a run still comes to something with. */
typedef struct kind {
    const char *name; /* behind the word that its events begin with */
    uint32_t natural;
} kind;

#define EVENT "fault:"
static const kind KINDS[JZX_SIM_FAULTS] = {
    [JZX_SIM_ALLOC] = {EVENT "alloc", 3277}, /* 5 % */
    [JZX_SIM_CELLS] = {EVENT "cells", 3277},
    [JZX_SIM_LANE_FULL] = {EVENT "lane-full", 6554}, /* 10 % */
    [JZX_SIM_INBOX_FULL] = {EVENT "inbox-full", 6554},
    [JZX_SIM_SETUP] = {EVENT "setup", 3277},
    [JZX_SIM_SQ_FULL] = {EVENT "sq-full", 13107}, /* 20 % */
    [JZX_SIM_SUBMIT_PART] = {EVENT "submit-part", 13107},
    [JZX_SIM_ENTER_EAGAIN] = {EVENT "enter-eagain", 6554},
    [JZX_SIM_ENTER_EBUSY] = {EVENT "enter-ebusy", 6554},
    [JZX_SIM_ENTER_EINTR] = {EVENT "enter-eintr", 6554},
    [JZX_SIM_ENTER_FAILS] = {EVENT "enter-fails", 0}, /* ends a loop: only by a rate of its own */
    [JZX_SIM_CQ_OVERFLOW] = {EVENT "cq-overflow", 6554},
    [JZX_SIM_LATE] = {EVENT "late", 16384}, /* 25 % */
    [JZX_SIM_MULTISHOT_END] = {EVENT "multishot-end", 6554},
    [JZX_SIM_DOORBELL] = {EVENT "doorbell", 6554},
    [JZX_SIM_OP_FAILS] = {EVENT "op-fails", 1311}, /* 2 % */
    [JZX_SIM_WOKEN_EARLY] = {EVENT "woken-early", 6554},
    [JZX_SIM_WOKEN_LATE] = {EVENT "woken-late", 16384},
    [JZX_SIM_STALL] = {EVENT "stall", 33},           /* 1 in 2,000 */
    [JZX_SIM_CLOCK_JUMP] = {EVENT "clock-jump", 13}, /* 1 in 5,000 */
    [JZX_SIM_FD_LIMIT] = {EVENT "fd-limit", 3277},
    [JZX_SIM_ADDRESS_TAKEN] = {EVENT "address-taken", 3277},
    [JZX_SIM_ACCEPT_FAILS] = {EVENT "accept-fails", 6554},
    [JZX_SIM_CONNECT_FAILS] = {EVENT "connect-fails", 6554},
    [JZX_SIM_RECV_SHORT] = {EVENT "recv-short", 32768}, /* 50 % */
    [JZX_SIM_SEND_SHORT] = {EVENT "send-short", 32768},
    [JZX_SIM_RECV_NOBUFS] = {EVENT "recv-nobufs", 6554},
    [JZX_SIM_RESET] = {EVENT "reset", 328}, /* 0.5 % */
    [JZX_SIM_EPIPE] = {EVENT "epipe", 328},
    [JZX_SIM_NET_DELAY] = {EVENT "net-delay", 3277},
    [JZX_SIM_ACTOR_FAILS] = {EVENT "actor-fails", 1311},
    [JZX_SIM_INIT_FAILS] = {EVENT "init-fails", 3277},
};
_Static_assert(JZX_SIM_FAULTS <= 64, "a plan has a bit for each kind");

static bool is_kind(jzx_sim_fault fault)
{
    return (unsigned)fault < JZX_SIM_FAULTS;
}

const char *jzx_sim_fault_name(jzx_sim_fault fault)
{
    return is_kind(fault) ? KINDS[fault].name + sizeof EVENT - 1 : NULL;
}

bool jzx__sim_fault_find(const char *name, size_t length, jzx_sim_fault *fault)
{
    for (unsigned i = 0; i < JZX_SIM_FAULTS; i++) {
        const char *one = jzx_sim_fault_name((jzx_sim_fault)i);
        if (strlen(one) == length && memcmp(one, name, length) == 0) {
            *fault = (jzx_sim_fault)i;
            return true;
        }
    }
    return false;
}

bool jzx__sim_word(const char *text, size_t length, const char *more)
{
    for (size_t i = 0; i < length; i++) {
        char one = text[i];
        bool plain = (one >= 'a' && one <= 'z') || (one >= '0' && one <= '9');
        if (!plain && (one == '\0' || strchr(more, one) == NULL)) {
            return false;
        }
    }
    return length > 0;
}

/* ---- draws ---- */

/* The random number of a place: nothing else has to do with it. */
static uint64_t random_at(uint64_t seed, uint64_t stream, uint64_t count)
{
    return jzx__mix(jzx__mix(jzx__mix(seed + GOLDEN) + stream * GOLDEN) + count * GOLDEN);
}

static uint64_t fit(uint64_t random, uint64_t least, uint64_t most)
{
    uint64_t span = most - least;
    return span == UINT64_MAX ? random : least + random % (span + 1);
}

uint64_t jzx__sim_draw(jzx_sim *sim, jzx__sim_stream stream)
{
    jzx__sim_faults *faults = jzx__sim_faults_of(sim);
    JZX_ASSERT((unsigned)stream < JZX__SIM_STREAMS);
    return random_at(faults->seed, stream, ++faults->drawn[stream]);
}

uint64_t jzx__sim_between(jzx_sim *sim, jzx__sim_stream stream, uint64_t least, uint64_t most)
{
    JZX_ASSERT(least <= most);
    return fit(jzx__sim_draw(sim, stream), least, most);
}

bool jzx__sim_chance(jzx_sim *sim, jzx__sim_stream stream, uint32_t of_1024)
{
    return jzx__sim_draw(sim, stream) >> 54 < of_1024;
}

uint64_t jzx_sim_random(jzx_sim *sim)
{
    return sim == NULL ? 0 : jzx__sim_draw(sim, JZX__SIM_STREAM_USER);
}

uint64_t jzx_sim_between(jzx_sim *sim, uint64_t least, uint64_t most)
{
    return sim == NULL || least > most ? least : jzx__sim_between(sim, JZX__SIM_STREAM_USER, least, most);
}

/* ---- life ---- */

/* Half of the kinds have none, the others rather few than many: some mistakes show only when little goes wrong. */
static uint32_t draw_rate(uint64_t seed, uint32_t fault)
{
    uint64_t random = random_at(seed, OF_RATES, fault);
    uint64_t part = random & 0xFFFF;
    uint64_t rate = KINDS[fault].natural * part >> 16;
    rate = rate * part >> 16;
    if ((random >> 63) == 0 || KINDS[fault].natural == 0) {
        return 0;
    }
    return rate == 0 ? 1 : (uint32_t)rate;
}

static uint32_t draw_switches(uint64_t seed)
{
    static const uint32_t switches[] = {1024, 512, 128, 32, 8};
    return switches[random_at(seed, OF_SWITCHES, 0) % JZX__COUNT(switches)];
}

void jzx__sim_faults_init(jzx__sim_faults *faults, uint64_t seed, const jzx_sim_config *config)
{
    *faults = (struct jzx__sim_faults){.seed = seed};
    faults->switches = config->switches == JZX_SIM_DRAWN ? draw_switches(seed) : config->switches;
    for (uint32_t i = 0; i < JZX_SIM_FAULTS; i++) {
        uint32_t rate = config->rates[i];
        bool drawn = rate == JZX_SIM_DRAWN || (rate == 0 && config->swarm);
        faults->rates[i] = drawn ? draw_rate(seed, i) : rate;
    }
}

/* F3. */
void jzx__sim_faults_follow(jzx__sim_faults *faults, const jzx__sim_plan *plan, jzx__sim_record *record)
{
    faults->plan = plan;
    faults->record = record;
    if (record != NULL) {
        record->hit_count = 0;
        record->hits_lost = 0;
        record->size_count = 0;
        record->switches = faults->switches;
    }
    if (plan == NULL) {
        return;
    }
    for (uint32_t i = 0, next = 0; i < JZX_SIM_FAULTS; i++) {
        if ((plan->kinds >> i & 1) == 0) {
            faults->rates[i] = 0;
        }
        while (next < plan->hit_count && plan->hits[next].fault < i) {
            next++;
        }
        faults->plan_next[i] = next;
    }
}

/* ---- faults ---- */

static void drop_injection(jzx__sim_faults *faults, uint32_t index)
{
    faults->scripted[faults->injections[index].fault]--;
    faults->injection_count--;
    memmove(&faults->injections[index], &faults->injections[index + 1],
            (faults->injection_count - index) * sizeof faults->injections[0]);
}

/* Asks each script for this kind, as each counts on its own; the oldest that says so gives the amount. */
static bool by_script(jzx__sim_faults *faults, jzx_sim_fault fault, uint64_t *amount)
{
    bool hit = false;
    for (uint32_t i = 0; i < faults->injection_count && faults->scripted[fault] > 0;) {
        jzx_sim_injection *one = &faults->injections[i];
        if (one->fault != fault) {
            i++;
            continue;
        }
        if (one->after > 0) {
            one->after--;
            i++;
            continue;
        }
        if (!hit) {
            *amount = one->amount;
        }
        hit = true;
        if (--one->times == 0) { /* UINT64_MAX is for ever */
            drop_injection(faults, i);
        } else {
            i++;
        }
    }
    return hit;
}

static bool by_plan(jzx__sim_faults *faults, jzx_sim_fault fault, uint64_t occasion)
{
    const jzx__sim_plan *plan = faults->plan;
    uint32_t *next = &faults->plan_next[fault];
    while (*next < plan->hit_count && plan->hits[*next].fault == fault && plan->hits[*next].occasion < occasion) {
        ++*next;
    }
    return *next < plan->hit_count && plan->hits[*next].fault == fault && plan->hits[*next].occasion == occasion;
}

static bool by_rate(const jzx__sim_faults *faults, jzx_sim_fault fault, uint64_t occasion)
{
    return random_at(faults->seed, OF_OCCASIONS + fault, occasion) >> 48 < faults->rates[fault];
}

static void write_down(jzx__sim_record *record, jzx_sim_fault fault, uint64_t occasion)
{
    if (record == NULL) {
        return;
    }
    if (record->hit_count == JZX__SIM_HITS_MAX) {
        record->hits_lost = 1;
        return;
    }
    record->hits[record->hit_count].fault = (uint32_t)fault;
    record->hits[record->hit_count].occasion = occasion;
    record->hit_count++;
}

/* The next occasion of the kind: its number when it has the fault, or 0. *amount: what was scripted, or 0. */
static uint64_t occasion_hit(jzx__sim_faults *faults, jzx_sim_fault fault, uint64_t *amount)
{
    JZX_ASSERT(is_kind(fault));
    uint64_t occasion = ++faults->occasions[fault]; /* F1 */
    *amount = 0;
    bool scripted = faults->scripted[fault] > 0 && by_script(faults, fault, amount); /* F2 */
    if (!scripted) {
        bool listed = faults->plan != NULL && faults->plan->listed;
        if (!(listed ? by_plan(faults, fault, occasion)
                     : !faults->held && faults->rates[fault] > 0 && by_rate(faults, fault, occasion))) {
            return 0;
        }
        write_down(faults->record, fault, occasion);
    }
    faults->injected[fault]++;
    return occasion;
}

bool jzx__sim_fault(jzx_sim *sim, jzx_sim_fault fault)
{
    return jzx__sim_fault_amount(sim, fault, 0, 0, NULL);
}

bool jzx__sim_fault_amount(jzx_sim *sim, jzx_sim_fault fault, uint64_t least, uint64_t most, uint64_t *amount)
{
    jzx__sim_faults *faults = jzx__sim_faults_of(sim);
    uint64_t scripted;
    uint64_t occasion = occasion_hit(faults, fault, &scripted);
    if (occasion == 0) {
        return false;
    }
    JZX_ASSERT(least <= most);
    uint64_t value = scripted != 0 ? scripted : fit(random_at(faults->seed, OF_AMOUNTS + fault, occasion), least, most);
    if (amount != NULL) {
        *amount = value;
    }
    jzx__sim_event(sim, KINDS[fault].name, occasion, amount == NULL ? 0 : value, 0);
    return true;
}

bool jzx__sim_fault_errno(jzx_sim *sim, jzx_sim_fault fault, const int *errors, uint32_t count, int *error)
{
    jzx__sim_faults *faults = jzx__sim_faults_of(sim);
    uint64_t scripted;
    uint64_t occasion = occasion_hit(faults, fault, &scripted);
    if (occasion == 0) {
        return false;
    }
    JZX_ASSERT(count > 0);
    *error = scripted != 0 ? (int)scripted
                           : errors[fit(random_at(faults->seed, OF_AMOUNTS + fault, occasion), 0, count - 1)];
    jzx__sim_event(sim, KINDS[fault].name, occasion, (uint64_t)*error, 0);
    return true;
}

/* ---- the public calls ---- */

jzx_err jzx_sim_inject(jzx_sim *sim, const jzx_sim_injection *injection)
{
    if (sim == NULL || injection == NULL || !is_kind(injection->fault) || injection->times == 0) {
        return JZX_ERR_INVALID_ARG;
    }
    jzx__sim_faults *faults = jzx__sim_faults_of(sim);
    if (faults->injection_count == JZX__SIM_INJECTIONS_MAX) {
        return JZX_ERR_LIMIT;
    }
    faults->injections[faults->injection_count++] = *injection;
    faults->scripted[injection->fault]++;
    return JZX_OK;
}

jzx_err jzx_sim_hold(jzx_sim *sim, bool held)
{
    if (sim == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    jzx__sim_faults_of(sim)->held = held;
    return JZX_OK;
}

jzx_err jzx_sim_heal(jzx_sim *sim)
{
    if (sim == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    jzx__sim_faults *faults = jzx__sim_faults_of(sim);
    faults->injection_count = 0;
    memset(faults->scripted, 0, sizeof faults->scripted);
    memset(faults->rates, 0, sizeof faults->rates);
    for (uint32_t i = 0; faults->plan != NULL && i < JZX_SIM_FAULTS; i++) {
        faults->plan_next[i] = faults->plan->hit_count; /* the list as well */
    }
    return JZX_OK;
}

uint64_t jzx_sim_occasions(const jzx_sim *sim, jzx_sim_fault fault)
{
    return sim == NULL || !is_kind(fault) ? 0 : jzx__sim_faults_of((jzx_sim *)(uintptr_t)sim)->occasions[fault];
}

uint64_t jzx_sim_injected(const jzx_sim *sim, jzx_sim_fault fault)
{
    return sim == NULL || !is_kind(fault) ? 0 : jzx__sim_faults_of((jzx_sim *)(uintptr_t)sim)->injected[fault];
}

uint64_t jzx__sim_injected_all(const jzx_sim *sim)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < JZX_SIM_FAULTS; i++) {
        sum += jzx_sim_injected(sim, (jzx_sim_fault)i);
    }
    return sum;
}

/* ---- sizes ---- */

static const jzx__sim_size *find_size(const jzx__sim_size *sizes, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(sizes[i].name, name) == 0) {
            return &sizes[i];
        }
    }
    return NULL;
}

static uint64_t clamp(uint64_t value, uint64_t least, uint64_t most)
{
    value = value < most ? value : most;
    return value > least ? value : least;
}

/* A number of its own name: drawn, or as the plan has it. */
static uint64_t new_size(jzx__sim_faults *faults, const char *name, uint64_t least, uint64_t most)
{
    uint64_t random = random_at(faults->seed, OF_SIZES, jzx__text_hash(name));
    const jzx__sim_plan *plan = faults->plan;
    const jzx__sim_size *planned = plan == NULL ? NULL : find_size(plan->sizes, plan->size_count, name);
    jzx__sim_size size = {.value = planned != NULL ? clamp(planned->value, least, most) : fit(random, least, most),
                          .least = least};
    memcpy(size.name, name, strlen(name));
    faults->sizes[faults->size_count++] = size;
    if (faults->record != NULL) {
        faults->record->sizes[faults->record->size_count++] = size;
    }
    return size.value;
}

uint64_t jzx_sim_size(jzx_sim *sim, const char *name, uint64_t least, uint64_t most)
{
    if (sim == NULL) {
        return least;
    }
    size_t length = name == NULL ? 0 : strlen(name);
    if (least > most || length >= JZX__SIM_SIZE_NAME || !jzx__sim_word(name, length, "_")) {
        jzx_sim_fail(sim, "jzx_sim_size(): not a size: \"%s\"", name == NULL ? "" : name);
        return least;
    }
    jzx__sim_faults *faults = jzx__sim_faults_of(sim);
    const jzx__sim_size *known = find_size(faults->sizes, faults->size_count, name);
    if (known != NULL) {
        return clamp(known->value, least, most);
    }
    if (faults->size_count == JZX__SIM_SIZES_MAX) {
        jzx_sim_fail(sim, "jzx_sim_size(): more than %d names", (int)JZX__SIM_SIZES_MAX);
        return least;
    }
    return new_size(faults, name, least, most);
}
