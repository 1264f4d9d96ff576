/* name: the table of names. What is registered throughout a search is found, nothing is found for another's name. */
#include "sched/name.h"
#include "tests/support/support.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

typedef struct fixture {
    test_memory memory;
    jzx_allocator allocator;
    jzx__names names;
} fixture;

static void make(fixture *f, uint32_t names_max)
{
    memset(f, 0, sizeof *f);
    f->allocator = test_memory_allocator(&f->memory);
    cr_assert_eq(jzx__names_init(&f->names, names_max, 1, &f->allocator), JZX_OK);
    cr_assert_eq(f->memory.live, jzx__names_size(names_max));
}

static void unmake(fixture *f)
{
    jzx__names_deinit(&f->names);
    jzx__names_deinit(&f->names);
    test_memory_assert_empty(&f->memory);
}

static jzx__name_key key_of(uint64_t number)
{
    char text[JZX_NAME_MAX];
    snprintf(text, sizeof text, "name number %lu", (unsigned long)number);
    jzx__name_key key;
    cr_assert(jzx__name_key_of(text, &key));
    return key;
}

/* What the name of a number is registered for: nobody else's id. */
static jzx_actor_id id_of(uint64_t number)
{
    return number + 1;
}

static jzx_err add(fixture *f, uint64_t number, uint32_t *place)
{
    jzx__name_key key = key_of(number);
    return jzx__names_add(&f->names, &key, id_of(number), (uint32_t)number, place);
}

static uint32_t added(fixture *f, uint64_t number)
{
    uint32_t place = UINT32_MAX;
    cr_assert_eq(add(f, number, &place), JZX_OK, "name %lu", (unsigned long)number);
    cr_assert_leq(place, f->names.mask);
    return place;
}

static jzx_actor_id find(const fixture *f, uint64_t number)
{
    jzx__name_key key = key_of(number);
    uint32_t place = UINT32_MAX;
    jzx_actor_id id = jzx__names_find(&f->names, &key, &place);
    cr_assert_eq(id, jzx__names_find(&f->names, &key, NULL));
    cr_assert(id == 0 || f->names.entries[place].record == number);
    return id;
}

/* How many entries a search of every home looks at, at most and on average times 1,000. */
static uint32_t longest_search(const fixture *f, uint32_t *mean)
{
    uint64_t sum = 0;
    uint32_t most = 0;
    for (uint32_t i = 0; i <= f->names.mask; i++) {
        uint32_t reach = f->names.entries[i].reach;
        sum += reach + 1;
        most = reach + 1 > most ? reach + 1 : most;
    }
    *mean = (uint32_t)(sum * 1000 / (f->names.mask + 1u));
    return most;
}

Test(name, a_key_is_one_to_31_bytes, .timeout = 10)
{
    jzx__name_key key;
    jzx__name_key other;
    cr_assert_not(jzx__name_key_of(NULL, &key));
    cr_assert_not(jzx__name_key_of("", &key));
    cr_assert(jzx__name_key_of("a", &key));
    cr_assert_eq(key.words[1] | key.words[2] | key.words[3], 0);
    cr_assert(jzx__name_key_of("1234567890123456789012345678901", &key));
    cr_assert_not(jzx__name_key_of("12345678901234567890123456789012", &other));
    cr_assert(jzx__name_key_of("1234567890123456789012345678901", &other));
    cr_assert_eq(memcmp(&key, &other, sizeof key), 0);
    cr_assert(jzx__name_key_of("1234567890123456789012345678900", &other));
    cr_assert_neq(memcmp(&key, &other, sizeof key), 0);
}

Test(name, what_is_added_is_found_until_it_is_removed, .timeout = 10)
{
    fixture f;
    make(&f, 1000);
    uint32_t places[1000];
    for (uint32_t i = 0; i < 1000; i++) {
        cr_assert_eq(find(&f, i), 0);
        places[i] = added(&f, i);
        cr_assert_eq(find(&f, i), id_of(i));
    }
    for (uint32_t i = 0; i < 1000; i += 2) {
        jzx__names_remove(&f.names, places[i]);
    }
    for (uint32_t i = 0; i < 1000; i++) {
        cr_assert_eq(find(&f, i), i % 2 == 0 ? 0 : id_of(i));
    }
    unmake(&f);
}

Test(name, a_name_that_is_there_is_taken_and_free_again_when_removed, .timeout = 10)
{
    fixture f;
    make(&f, 4);
    uint32_t place = added(&f, 7);
    uint32_t none = 99;
    cr_assert_eq(add(&f, 7, &none), JZX_ERR_NAME_TAKEN);
    cr_assert_eq(none, 99, "an error leaves what was there");
    jzx__names_remove(&f.names, place);
    (void)added(&f, 7);
    cr_assert_eq(add(&f, 7, &none), JZX_ERR_NAME_TAKEN);
    unmake(&f);
}

Test(name, the_maximum_is_exact_and_a_taken_name_is_said_first, .timeout = 10)
{
    const uint32_t maxima[] = {1, 2, 3, 64, 1000};
    for (unsigned k = 0; k < sizeof maxima / sizeof maxima[0]; k++) {
        fixture f;
        make(&f, maxima[k]);
        uint32_t last = 0;
        for (uint32_t i = 0; i < maxima[k]; i++) {
            last = added(&f, i);
        }
        for (int round = 0; round < 3; round++) {
            cr_assert_eq(add(&f, 5000, &last), JZX_ERR_LIMIT);
            cr_assert_eq(add(&f, 0, &last), JZX_ERR_NAME_TAKEN);
            jzx__names_remove(&f.names, last);
            last = added(&f, maxima[k] - 1);
        }
        unmake(&f);
    }
}

/* Numbers whose names have the home of the first. */
static void gather_neighbours(const fixture *f, uint64_t *numbers, uint32_t count)
{
    jzx__name_key key = key_of(0);
    uint32_t home = jzx__name_home(&f->names, &key);
    uint32_t found = 0;
    for (uint64_t i = 0; found < count; i++) {
        key = key_of(i);
        if (jzx__name_home(&f->names, &key) == home) {
            numbers[found++] = i;
        }
    }
}

Test(name, names_of_one_home_are_kept_apart_in_every_order_of_leaving, .timeout = 30)
{
    enum { COUNT = 6 };
    fixture f;
    make(&f, 64);
    uint64_t numbers[COUNT];
    gather_neighbours(&f, numbers, COUNT);
    uint64_t random = 4711;
    for (int round = 0; round < 3000; round++) {
        uint32_t places[COUNT];
        bool there[COUNT];
        for (unsigned i = 0; i < COUNT; i++) {
            places[i] = added(&f, numbers[i]);
            there[i] = true;
        }
        for (unsigned step = 0; step < 2 * COUNT; step++) {
            random = random * 6364136223846793005ull + 1442695040888963407ull;
            unsigned i = (unsigned)(random >> 33) % COUNT;
            if (there[i]) {
                jzx__names_remove(&f.names, places[i]);
            } else {
                places[i] = added(&f, numbers[i]);
            }
            there[i] = !there[i];
            for (unsigned k = 0; k < COUNT; k++) {
                cr_assert_eq(find(&f, numbers[k]), there[k] ? id_of(numbers[k]) : 0);
            }
        }
        for (unsigned i = 0; i < COUNT; i++) {
            if (there[i]) {
                jzx__names_remove(&f.names, places[i]);
            }
        }
    }
    unmake(&f);
}

Test(name, the_reach_falls_when_the_furthest_has_gone, .timeout = 10)
{
    fixture f;
    make(&f, 64);
    uint64_t numbers[4];
    gather_neighbours(&f, numbers, 4);
    jzx__name_key key = key_of(0);
    const jzx__name_entry *home = &f.names.entries[jzx__name_home(&f.names, &key)];
    uint32_t places[4];
    for (unsigned i = 0; i < 4; i++) {
        places[i] = added(&f, numbers[i]);
        cr_assert_eq(home->reach, i);
    }
    jzx__names_remove(&f.names, places[3]);
    jzx__names_remove(&f.names, places[0]);
    cr_assert_eq(home->reach, 3, "removing takes no lock and changes nothing but the id");
    places[3] = added(&f, numbers[3]);
    cr_assert_eq(home->reach, 2, "it lies in the nearest free entry, and another is the furthest");
    for (unsigned i = 1; i < 4; i++) {
        jzx__names_remove(&f.names, places[i]);
    }
    (void)added(&f, numbers[2]);
    cr_assert_eq(home->reach, 0);
    unmake(&f);
}

/* Half full all the time: neither the tables nor the ways through it degrade. */
Test(name, a_million_names_pass_through_a_small_table, .timeout = 120)
{
    enum { LIVE = 256, NAMES = 1000000 };
    fixture f;
    make(&f, LIVE);
    uint32_t places[LIVE];
    uint64_t live[LIVE];
    for (uint32_t i = 0; i < LIVE; i++) {
        live[i] = i;
        places[i] = added(&f, i);
    }
    uint32_t mean;
    (void)longest_search(&f, &mean);
    uint32_t mean_first = mean;
    uint64_t random = 1;
    uint32_t longest = 0;
    for (uint64_t number = LIVE; number < NAMES; number++) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        uint32_t which = (uint32_t)(random >> 33) % LIVE;
        jzx__names_remove(&f.names, places[which]);
        cr_assert_eq(find(&f, live[which]), 0);
        live[which] = number;
        places[which] = added(&f, number);
        if (number % 1000 == 0) {
            uint32_t most = longest_search(&f, &mean);
            longest = most > longest ? most : longest;
            cr_assert_lt(mean, 3 * mean_first, "a search looks at %u/1000 entries, %u at first", mean, mean_first);
            for (uint32_t i = 0; i < LIVE; i++) {
                cr_assert_eq(find(&f, live[i]), id_of(live[i]));
            }
        }
    }
    cr_assert_lt(longest, LIVE / 2, "one search looked at %u entries", longest);
    unmake(&f);
}

/* ---- threads ---- */

enum { STAYING = 40, PASSING = 24, WRITERS = 2, READERS = 2, ROUNDS = 1000000 };

typedef struct arena {
    fixture f;
    _Atomic(uint32_t) writing;
    _Atomic(uint32_t) missed; /* a name that stays was not found */
    _Atomic(uint32_t) wrong;  /* another's id */
    _Atomic(uint32_t) looks;
    jzx__name_key staying[STAYING];
    jzx__name_key passing[WRITERS][PASSING];
} arena;

typedef struct worker {
    arena *a;
    uint32_t index;
    pthread_t thread;
} worker;

static jzx_actor_id passing_id(uint32_t writer, uint32_t i)
{
    return 1000 + writer * 1000 + i;
}

/* Names of its own come and go; it sees each at once, and gone at once. */
static void *write_names(void *argument)
{
    worker *w = argument;
    arena *a = w->a;
    uint32_t places[PASSING];
    bool there[PASSING] = {false};
    uint64_t random = w->index + 1;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        uint32_t i = (uint32_t)(random >> 33) % PASSING;
        const jzx__name_key *key = &a->passing[w->index][i];
        if (there[i]) {
            jzx__names_remove(&a->f.names, places[i]);
        } else if (jzx__names_add(&a->f.names, key, passing_id(w->index, i), i, &places[i]) != JZX_OK) {
            a->wrong++;
        }
        there[i] = !there[i];
        a->wrong += jzx__names_find(&a->f.names, key, NULL) != (there[i] ? passing_id(w->index, i) : 0);
    }
    a->writing--;
    return NULL;
}

static void *read_names(void *argument)
{
    worker *w = argument;
    arena *a = w->a;
    while (a->writing > 0) {
        for (uint32_t i = 0; i < STAYING; i++) {
            jzx_actor_id id = jzx__names_find(&a->f.names, &a->staying[i], NULL);
            a->missed += id == 0;
            a->wrong += id != 0 && id != id_of(i);
        }
        for (uint32_t i = 0; i < WRITERS * PASSING; i++) {
            jzx_actor_id id = jzx__names_find(&a->f.names, &a->passing[i / PASSING][i % PASSING], NULL);
            a->wrong += id != 0 && id != passing_id(i / PASSING, i % PASSING);
        }
        a->looks++;
    }
    return NULL;
}

/* A table as full as it may be, so that ways are long and cross. */
Test(name, readers_and_writers_at_once, .timeout = 60)
{
    static arena a;
    make(&a.f, STAYING + WRITERS * PASSING);
    for (uint32_t i = 0; i < WRITERS * PASSING; i++) {
        a.passing[i / PASSING][i % PASSING] = key_of(1000 + i);
    }
    uint32_t early[PASSING];
    for (uint32_t i = 0; i < PASSING; i++) { /* so that those who stay do not lie at home alone */
        early[i] = added(&a.f, 5000 + i);
    }
    for (uint32_t i = 0; i < STAYING; i++) {
        a.staying[i] = key_of(i);
        (void)added(&a.f, i);
    }
    for (uint32_t i = 0; i < PASSING; i++) {
        jzx__names_remove(&a.f.names, early[i]);
    }
    a.writing = WRITERS;
    worker workers[WRITERS + READERS];
    for (uint32_t i = 0; i < WRITERS + READERS; i++) {
        workers[i] = (worker){&a, i, 0};
        cr_assert_eq(pthread_create(&workers[i].thread, NULL, i < WRITERS ? write_names : read_names, &workers[i]), 0);
    }
    for (uint32_t i = 0; i < WRITERS + READERS; i++) {
        pthread_join(workers[i].thread, NULL);
    }
    cr_assert_eq(a.missed, 0);
    cr_assert_eq(a.wrong, 0);
    cr_assert_gt(a.looks, 0);
    unmake(&a.f);
}

Test(name, no_memory_is_said_and_leaves_nothing, .timeout = 10)
{
    test_memory memory = {.fail_at = 1};
    jzx_allocator allocator = test_memory_allocator(&memory);
    jzx__names names;
    cr_assert_eq(jzx__names_init(&names, 16, 1, &allocator), JZX_ERR_NO_MEMORY);
    jzx__names_deinit(&names);
    test_memory_assert_empty(&memory);
}
