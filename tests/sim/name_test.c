/*
 * name: threads that register, remove and look for the same few names in a small table, interleaved at each step of both.
 * Whatever the order, each call has a moment within itself at which its answer was true.
 */
#include <criterion/criterion.h>

#include "sched/name.h"
#include "tests/sim/seeds.h"
#include "tests/sim/lot.h"

#include <jzx/jzx.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES = 6, WRITERS = 3, READERS = 2, ACTIONS = 24, LIVES = WRITERS * ACTIONS + 1 };

/* One registration: its number is the id. Moments count from 1; 0: not yet. */
typedef struct life {
    uint32_t name;
    uint32_t begun;
    uint32_t added;
    uint32_t leaves;
    uint32_t left;
    uint32_t place;
} life;

typedef struct play {
    jzx_sim *sim;
    jzx__names names;
    jzx__name_key keys[NAMES];
    uint32_t name_count; /* in use in this run */
    uint32_t now;        /* moments that have passed */
    life lives[LIVES];
    uint32_t life_count;
    uint32_t active; /* writers */
} play;

typedef struct party {
    play *play;
    uint32_t held[NAMES]; /* a writer's: the life it has of each name, or 0 */
} party;

static uint32_t moment(play *p)
{
    return ++p->now;
}

static bool there_throughout(const life *l, uint32_t from)
{
    return l->added != 0 && l->added < from && l->leaves == 0;
}

/* Was there a moment since `from` at which it may have been there? */
static bool there_ever(const life *l, uint32_t from)
{
    return l->begun != 0 && (l->left == 0 || l->left > from);
}

static bool some_throughout(const play *p, uint32_t name, uint32_t from)
{
    for (uint32_t i = 1; i <= p->life_count; i++) {
        if (p->lives[i].name == name && there_throughout(&p->lives[i], from)) {
            return true;
        }
    }
    return false;
}

static uint32_t others_ever(const play *p, uint32_t but, uint32_t from, uint32_t name)
{
    uint32_t count = 0;
    for (uint32_t i = 1; i <= p->life_count; i++) {
        bool counts = name == NAMES || p->lives[i].name == name;
        count += i != but && counts && there_ever(&p->lives[i], from);
    }
    return count;
}

static void search(play *p, uint32_t name)
{
    uint32_t from = moment(p);
    jzx_actor_id id = jzx__names_find(&p->names, &p->keys[name], NULL);
    if (id == 0) {
        JZX_SIM_REQUIRE(p->sim, !some_throughout(p, name, from));
        return;
    }
    JZX_SIM_REQUIRE(p->sim, id <= p->life_count);
    JZX_SIM_REQUIRE(p->sim, p->lives[id].name == name && there_ever(&p->lives[id], from));
}

static void enter(party *w, uint32_t name)
{
    play *p = w->play;
    uint32_t number = ++p->life_count;
    life *l = &p->lives[number];
    uint32_t from = moment(p);
    *l = (life){.name = name, .begun = from};
    jzx_err err = jzx__names_add(&p->names, &p->keys[name], number, number, &l->place);
    switch (err) {
    case JZX_OK:
        JZX_SIM_REQUIRE(p->sim, !some_throughout(p, name, from));
        l->added = moment(p);
        w->held[name] = number;
        break;
    case JZX_ERR_NAME_TAKEN:
        JZX_SIM_REQUIRE(p->sim, others_ever(p, number, from, name) > 0);
        l->begun = 0;
        break;
    default:
        JZX_SIM_REQUIRE(p->sim, err == JZX_ERR_LIMIT);
        JZX_SIM_REQUIRE(p->sim, others_ever(p, number, from, NAMES) >= p->names.names_max);
        l->begun = 0;
        break;
    }
}

static void leave(party *w, uint32_t name)
{
    play *p = w->play;
    life *l = &p->lives[w->held[name]];
    w->held[name] = 0;
    l->leaves = moment(p);
    jzx__names_remove(&p->names, l->place);
    l->left = moment(p);
}

static void write_main(void *argument)
{
    party *w = argument;
    play *p = w->play;
    for (uint32_t i = 0; i < ACTIONS; i++) {
        uint32_t name = sim_below(p->sim, p->name_count);
        if (w->held[name] != 0) {
            leave(w, name);
        } else {
            enter(w, name);
        }
        jzx__sim_point("test: between two");
    }
    p->active--;
}

static void read_main(void *argument)
{
    const party *r = argument;
    play *p = r->play;
    while (p->active > 0) {
        search(p, sim_below(p->sim, p->name_count));
        jzx__sim_point("test: between two");
    }
}

/* Names are told apart by each of two words, so that one half written could pass for another. */
static void make_keys(play *p)
{
    for (uint32_t i = 0; i < NAMES; i++) {
        char text[JZX_NAME_MAX];
        (void)snprintf(text, sizeof text, "half %03u%u", i / 2, i % 2);
        (void)jzx__name_key_of(text, &p->keys[i]);
    }
}

static void *plain_alloc(void *context, size_t size, size_t align)
{
    (void)context;
    return aligned_alloc(align, size);
}

static void plain_free(void *context, void *memory, size_t size, size_t align)
{
    (void)context;
    (void)size;
    (void)align;
    free(memory);
}

static void start(play *p, party *parties)
{
    for (uint32_t i = 0; i < WRITERS + READERS; i++) {
        parties[i] = (party){.play = p};
        (void)jzx_sim_thread(p->sim, i < WRITERS ? "writer" : "reader", i < WRITERS ? write_main : read_main,
                             &parties[i]);
    }
    p->active = WRITERS;
}

static void crowd(jzx_sim *sim, void *argument)
{
    static const jzx_allocator allocator = {plain_alloc, plain_free, NULL};
    static play whole;
    play *p = &whole;
    party parties[WRITERS + READERS];
    (void)argument;
    memset(p, 0, sizeof *p);
    p->sim = sim;
    sim_lot(sim);
    p->name_count = sim_between(sim, 1, NAMES);
    make_keys(p);
    uint32_t room = sim_between(sim, 1, 4);
    JZX_SIM_REQUIRE(sim, jzx__names_init(&p->names, room, jzx_sim_seed(sim), &allocator) == JZX_OK);
    start(p, parties);
    JZX_SIM_REQUIRE(sim, jzx_sim_run(sim) == JZX_OK);
    jzx__names_deinit(&p->names);
}

Test(name, every_answer_was_true_at_a_moment_of_its_call, .timeout = 600)
{
    seeds_play("name", crowd);
}
