/* fault_test: draws, and what decides whether an occasion has its fault. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/fault.h"

static jzx_sim *machine(uint64_t seed, const jzx_sim_config *config)
{
    jzx_sim *sim;
    cr_assert_eq(jzx_sim_create(seed, config, &sim), JZX_OK);
    return sim;
}

static void done(jzx_sim *sim)
{
    cr_assert_eq(jzx_sim_destroy(sim), JZX_OK);
}

static jzx_sim_config with_rate(jzx_sim_fault fault, uint32_t rate)
{
    jzx_sim_config config;
    jzx_sim_config_init(&config);
    config.rates[fault] = rate;
    return config;
}

static void inject(jzx_sim *sim, jzx_sim_fault fault, uint64_t after, uint64_t times, uint64_t amount)
{
    jzx_sim_injection injection = {.fault = fault, .after = after, .times = times, .amount = amount};
    cr_assert_eq(jzx_sim_inject(sim, &injection), JZX_OK);
}

/* Of the next occasions, which have the fault: one character each. */
static const char *occasions(jzx_sim *sim, jzx_sim_fault fault, uint32_t count)
{
    static char text[101];
    cr_assert_leq(count, 100);
    for (uint32_t i = 0; i < count; i++) {
        text[i] = jzx__sim_fault(sim, fault) ? 'x' : '.';
    }
    text[count] = '\0';
    return text;
}

/* ---- kinds ---- */

Test(fault, each_kind_has_a_name_of_its_own, .timeout = 10)
{
    for (unsigned i = 0; i < JZX_SIM_FAULTS; i++) {
        const char *name = jzx_sim_fault_name((jzx_sim_fault)i);
        jzx_sim_fault found;
        cr_assert_not_null(name);
        cr_expect(jzx__sim_word(name, strlen(name), "-"), "%s", name);
        cr_expect(jzx__sim_fault_find(name, strlen(name), &found));
        cr_expect_eq(found, i);
    }
    cr_expect_str_eq(jzx_sim_fault_name(JZX_SIM_LANE_FULL), "lane-full");
    cr_expect_null(jzx_sim_fault_name(JZX_SIM_FAULTS));
    cr_expect_null(jzx_sim_fault_name((jzx_sim_fault)-1));
    jzx_sim_fault found;
    cr_expect_not(jzx__sim_fault_find("allo", 4, &found));
    cr_expect_not(jzx__sim_fault_find("", 0, &found));
}

/* ---- draws ---- */

/* Also what other compilers and machines draw. */
Test(fault, draws_are_the_seed_s_for_ever, .timeout = 10)
{
    jzx_sim *sim = machine(7, NULL);
    cr_expect_eq(jzx__sim_draw(sim, JZX__SIM_STREAM_USER), UINT64_C(0x09D360D1407018C3));
    cr_expect_eq(jzx__sim_draw(sim, JZX__SIM_STREAM_USER), UINT64_C(0x03D5B0357FFBB9AA));
    cr_expect_eq(jzx__sim_draw(sim, JZX__SIM_STREAM_BITS), UINT64_C(0x65F2A89203A20DEF));
    done(sim);
}

Test(fault, streams_do_not_move_one_another, .timeout = 10)
{
    jzx_sim *sim = machine(3, NULL);
    uint64_t alone[3];
    for (uint32_t i = 0; i < 3; i++) {
        alone[i] = jzx__sim_draw(sim, JZX__SIM_STREAM_USER);
    }
    done(sim);
    sim = machine(3, NULL);
    for (uint32_t i = 0; i < 3; i++) {
        (void)jzx__sim_draw(sim, JZX__SIM_STREAM_SCHEDULE);
        (void)jzx__sim_fault(sim, JZX_SIM_ALLOC);
        cr_expect_eq(jzx__sim_draw(sim, JZX__SIM_STREAM_USER), alone[i]);
    }
    done(sim);
    sim = machine(4, NULL);
    cr_expect_neq(jzx__sim_draw(sim, JZX__SIM_STREAM_USER), alone[0]);
    done(sim);
}

Test(fault, between_gives_both_ends_and_nothing_else, .timeout = 10)
{
    jzx_sim *sim = machine(1, NULL);
    uint32_t seen[4] = {0};
    for (uint32_t i = 0; i < 1000; i++) {
        uint64_t number = jzx__sim_between(sim, JZX__SIM_STREAM_USER, 10, 13);
        cr_assert(number >= 10 && number <= 13);
        seen[number - 10]++;
    }
    for (uint32_t i = 0; i < 4; i++) {
        cr_expect(seen[i] > 200 && seen[i] < 300, "%u of 1,000", seen[i]);
    }
    cr_expect_eq(jzx__sim_between(sim, JZX__SIM_STREAM_USER, 5, 5), 5);
    cr_expect_eq(jzx__sim_between(sim, JZX__SIM_STREAM_USER, UINT64_MAX, UINT64_MAX), UINT64_MAX);
    cr_expect_neq(jzx__sim_between(sim, JZX__SIM_STREAM_USER, 0, UINT64_MAX), 0);
    done(sim);
}

Test(fault, chance_is_of_1024, .timeout = 10)
{
    jzx_sim *sim = machine(1, NULL);
    uint32_t half = 0;
    for (uint32_t i = 0; i < 10000; i++) {
        cr_assert_not(jzx__sim_chance(sim, JZX__SIM_STREAM_USER, 0));
        cr_assert(jzx__sim_chance(sim, JZX__SIM_STREAM_USER, 1024));
        half += jzx__sim_chance(sim, JZX__SIM_STREAM_USER, 512);
    }
    cr_expect(half > 4800 && half < 5200, "%u of 10,000", half);
    done(sim);
}

/* ---- rates ---- */

Test(fault, rate_is_of_65536_occasions, .timeout = 10)
{
    jzx_sim_config config = with_rate(JZX_SIM_RESET, 6554);
    config.rates[JZX_SIM_EPIPE] = 65536;
    jzx_sim *sim = machine(5, &config);
    for (uint32_t i = 0; i < 20000; i++) {
        (void)jzx__sim_fault(sim, JZX_SIM_RESET);
        cr_assert(jzx__sim_fault(sim, JZX_SIM_EPIPE));
        cr_assert_not(jzx__sim_fault(sim, JZX_SIM_ALLOC));
    }
    uint64_t tenth = jzx_sim_injected(sim, JZX_SIM_RESET);
    cr_expect(tenth > 1900 && tenth < 2100, "%llu of 20,000", (unsigned long long)tenth);
    cr_expect_eq(jzx_sim_occasions(sim, JZX_SIM_RESET), 20000);
    cr_expect_eq(jzx_sim_occasions(sim, JZX_SIM_ALLOC), 20000, "F1: counted, though it is off");
    cr_expect_eq(jzx_sim_injected(sim, JZX_SIM_ALLOC), 0);
    cr_expect_eq(jzx__sim_injected_all(sim), tenth + 20000);
    done(sim);
}

Test(fault, kinds_do_not_move_one_another, .timeout = 10)
{
    char alone[101];
    jzx_sim_config config = with_rate(JZX_SIM_RESET, 20000);
    jzx_sim *sim = machine(5, &config);
    (void)snprintf(alone, sizeof alone, "%s", occasions(sim, JZX_SIM_RESET, 100));
    done(sim);
    config.rates[JZX_SIM_EPIPE] = 20000;
    sim = machine(5, &config);
    char other[101];
    (void)snprintf(other, sizeof other, "%s", occasions(sim, JZX_SIM_EPIPE, 100));
    cr_expect_str_eq(occasions(sim, JZX_SIM_RESET, 100), alone);
    cr_expect_str_neq(other, alone);
    done(sim);
}

Test(fault, swarm_leaves_half_of_the_kinds_out, .timeout = 10)
{
    jzx_sim_config config = with_rate(JZX_SIM_DOORBELL, 77);
    config.rates[JZX_SIM_STALL] = JZX_SIM_DRAWN;
    config.swarm = true;
    uint32_t on[JZX_SIM_FAULTS] = {0};
    for (uint64_t seed = 1; seed <= 400; seed++) {
        jzx_sim *sim = machine(seed, &config);
        for (uint32_t i = 0; i < JZX_SIM_FAULTS; i++) {
            uint32_t rate = jzx__sim_faults_of(sim)->rates[i];
            on[i] += rate > 0;
            cr_assert_leq(rate, 32768);
        }
        cr_assert_eq(jzx__sim_faults_of(sim)->rates[JZX_SIM_DOORBELL], 77, "it was asked for");
        done(sim);
    }
    for (uint32_t i = 0; i < JZX_SIM_FAULTS; i++) {
        const char *name = jzx_sim_fault_name((jzx_sim_fault)i);
        if (i == JZX_SIM_ENTER_FAILS) {
            cr_expect_eq(on[i], 0, "it would end every loop");
        } else if (i != JZX_SIM_DOORBELL) {
            cr_expect(on[i] > 140 && on[i] < 260, "%s in %u of 400", name, on[i]);
        }
    }
}

Test(fault, kinds_are_drawn_one_by_one, .timeout = 10)
{
    jzx_sim_config config = with_rate(JZX_SIM_LATE, JZX_SIM_DRAWN);
    uint32_t on = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        jzx_sim *sim = machine(seed, &config);
        for (uint32_t i = 0; i < JZX_SIM_FAULTS; i++) {
            uint32_t rate = jzx__sim_faults_of(sim)->rates[i];
            on += i == JZX_SIM_LATE && rate > 0;
            cr_assert(i == JZX_SIM_LATE || rate == 0);
        }
        done(sim);
    }
    cr_expect(on > 25 && on < 75, "%u of 100", on);
    jzx_sim *sim;
    config.rates[JZX_SIM_LATE] = 65537;
    cr_expect_eq(jzx_sim_create(1, &config, &sim), JZX_ERR_INVALID_ARG);
}

Test(fault, switches_are_drawn_or_as_configured, .timeout = 10)
{
    jzx_sim_config config;
    jzx_sim_config_init(&config);
    uint32_t first = 0;
    uint32_t others = 0;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        jzx_sim *sim = machine(seed, &config);
        uint32_t switches = jzx__sim_faults_of(sim)->switches;
        cr_assert(switches >= 8 && switches <= 1024);
        first = seed == 1 ? switches : first;
        others += switches != first;
        done(sim);
    }
    cr_expect_gt(others, 10);
    config.switches = 0;
    jzx_sim *sim = machine(1, &config);
    cr_expect_eq(jzx__sim_faults_of(sim)->switches, 0);
    done(sim);
}

/* ---- amounts ---- */

Test(fault, amount_is_the_occasion_s, .timeout = 10)
{
    jzx_sim_config config = with_rate(JZX_SIM_STALL, 65536);
    uint64_t amounts[20];
    jzx_sim *sim = machine(9, &config);
    for (uint32_t i = 0; i < 20; i++) {
        cr_assert(jzx__sim_fault_amount(sim, JZX_SIM_STALL, 100, 200, &amounts[i]));
        cr_assert(amounts[i] >= 100 && amounts[i] <= 200);
    }
    cr_expect_neq(amounts[0], amounts[1]);
    done(sim);
    sim = machine(9, &config);
    for (uint32_t i = 0; i < 20; i++) {
        uint64_t amount;
        (void)jzx__sim_draw(sim, JZX__SIM_STREAM_AMOUNT);
        cr_assert(jzx__sim_fault_amount(sim, JZX_SIM_STALL, 100, 200, &amount));
        cr_expect_eq(amount, amounts[i]);
    }
    done(sim);
}

Test(fault, error_is_one_of_those_or_the_scripted, .timeout = 10)
{
    static const int errors[] = {EMFILE, ENFILE, ENOBUFS};
    jzx_sim_config config = with_rate(JZX_SIM_FD_LIMIT, 65536);
    jzx_sim *sim = machine(2, &config);
    uint32_t seen[3] = {0};
    for (uint32_t i = 0; i < 300; i++) {
        int error = 0;
        cr_assert(jzx__sim_fault_errno(sim, JZX_SIM_FD_LIMIT, errors, 3, &error));
        for (uint32_t k = 0; k < 3; k++) {
            seen[k] += errors[k] == error;
        }
    }
    cr_expect_eq(seen[0] + seen[1] + seen[2], 300);
    cr_expect(seen[0] > 60 && seen[1] > 60 && seen[2] > 60);
    int error = 0;
    inject(sim, JZX_SIM_FD_LIMIT, 0, 1, ENOMEM);
    cr_assert(jzx__sim_fault_errno(sim, JZX_SIM_FD_LIMIT, errors, 3, &error));
    cr_expect_eq(error, ENOMEM);
    done(sim);
    sim = machine(2, NULL);
    error = 99;
    cr_expect_not(jzx__sim_fault_errno(sim, JZX_SIM_FD_LIMIT, errors, 3, &error));
    cr_expect_eq(error, 99);
    done(sim);
}

/* ---- scripts ---- */

Test(fault, script_spares_some_and_hits_some, .timeout = 10)
{
    jzx_sim *sim = machine(1, NULL);
    (void)occasions(sim, JZX_SIM_ALLOC, 5);
    inject(sim, JZX_SIM_ALLOC, 3, 2, 0);
    cr_expect_str_eq(occasions(sim, JZX_SIM_ALLOC, 8), "...xx...");
    inject(sim, JZX_SIM_ALLOC, 0, 1, 0);
    cr_expect_str_eq(occasions(sim, JZX_SIM_RESET, 3), "...", "another kind");
    cr_expect_str_eq(occasions(sim, JZX_SIM_ALLOC, 3), "x..");
    inject(sim, JZX_SIM_ALLOC, 1, UINT64_MAX, 0);
    cr_expect_str_eq(occasions(sim, JZX_SIM_ALLOC, 8), ".xxxxxxx");
    cr_expect_eq(jzx_sim_injected(sim, JZX_SIM_ALLOC), 10);
    done(sim);
}

Test(fault, scripts_of_a_kind_count_apart, .timeout = 10)
{
    jzx_sim *sim = machine(1, NULL);
    uint64_t amounts[5] = {0};
    inject(sim, JZX_SIM_STALL, 1, 2, 11);
    inject(sim, JZX_SIM_STALL, 2, 2, 22);
    for (uint32_t i = 0; i < 5; i++) {
        (void)jzx__sim_fault_amount(sim, JZX_SIM_STALL, 1, 9, &amounts[i]);
    }
    static const uint64_t expected[5] = {0, 11, 11, 22, 0};
    for (uint32_t i = 0; i < 5; i++) {
        cr_expect_eq(amounts[i], expected[i], "occasion %u: the older one gives the amount", i + 1);
    }
    cr_expect_eq(jzx_sim_injected(sim, JZX_SIM_STALL), 3);
    done(sim);
}

Test(fault, as_many_scripts_as_the_limit, .timeout = 10)
{
    jzx_sim *sim = machine(1, NULL);
    jzx_sim_injection one = {.fault = JZX_SIM_CELLS, .after = 1, .times = 1};
    for (uint32_t i = 0; i < JZX__SIM_INJECTIONS_MAX; i++) {
        inject(sim, JZX_SIM_CELLS, 1, 1, 0);
    }
    cr_expect_eq(jzx_sim_inject(sim, &one), JZX_ERR_LIMIT);
    cr_expect_str_eq(occasions(sim, JZX_SIM_CELLS, 3), ".x.");
    cr_expect_eq(jzx_sim_inject(sim, &one), JZX_OK, "those that are done have left");
    done(sim);
}

Test(fault, bad_scripts_are_refused, .timeout = 10)
{
    jzx_sim *sim = machine(1, NULL);
    jzx_sim_injection one = {.fault = JZX_SIM_CELLS, .times = 1};
    cr_expect_eq(jzx_sim_inject(NULL, &one), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_sim_inject(sim, NULL), JZX_ERR_INVALID_ARG);
    one.times = 0;
    cr_expect_eq(jzx_sim_inject(sim, &one), JZX_ERR_INVALID_ARG);
    one.times = 1;
    one.fault = JZX_SIM_FAULTS;
    cr_expect_eq(jzx_sim_inject(sim, &one), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_sim_heal(NULL), JZX_ERR_INVALID_ARG);
    cr_expect_eq(jzx_sim_occasions(sim, JZX_SIM_FAULTS), 0);
    cr_expect_eq(jzx_sim_occasions(NULL, JZX_SIM_CELLS), 0);
    cr_expect_eq(jzx_sim_injected(NULL, JZX_SIM_CELLS), 0);
    done(sim);
}

Test(fault, held_machine_counts_occasions_and_has_no_fault_of_a_rate, .timeout = 10)
{
    jzx_sim_config config;
    jzx_sim *sim;
    jzx_sim_config_init(&config);
    config.rates[JZX_SIM_ALLOC] = 65536;
    cr_assert_eq(jzx_sim_create(1, &config, &sim), JZX_OK);
    cr_assert_eq(jzx_sim_hold(NULL, true), JZX_ERR_INVALID_ARG);
    cr_assert_eq(jzx_sim_hold(sim, true), JZX_OK);
    cr_assert_not(jzx__sim_fault(sim, JZX_SIM_ALLOC));
    jzx_sim_injection once = {.fault = JZX_SIM_ALLOC, .times = 1};
    cr_assert_eq(jzx_sim_inject(sim, &once), JZX_OK);
    cr_assert(jzx__sim_fault(sim, JZX_SIM_ALLOC), "what is scripted happens all the same");
    cr_assert_not(jzx__sim_fault(sim, JZX_SIM_ALLOC));
    cr_assert_eq(jzx_sim_hold(sim, false), JZX_OK);
    cr_assert(jzx__sim_fault(sim, JZX_SIM_ALLOC));
    cr_assert_eq(jzx_sim_occasions(sim, JZX_SIM_ALLOC), 4);
    cr_assert_eq(jzx_sim_destroy(sim), JZX_OK);
}

Test(fault, healed_machine_has_no_fault, .timeout = 10)
{
    jzx_sim_config config = with_rate(JZX_SIM_ALLOC, 65536);
    jzx_sim *sim = machine(1, &config);
    inject(sim, JZX_SIM_CELLS, 0, UINT64_MAX, 0);
    cr_expect_str_eq(occasions(sim, JZX_SIM_ALLOC, 3), "xxx");
    cr_expect_str_eq(occasions(sim, JZX_SIM_CELLS, 3), "xxx");
    cr_assert_eq(jzx_sim_heal(sim), JZX_OK);
    cr_expect_str_eq(occasions(sim, JZX_SIM_ALLOC, 3), "...");
    cr_expect_str_eq(occasions(sim, JZX_SIM_CELLS, 3), "...");
    inject(sim, JZX_SIM_CELLS, 1, 1, 0);
    cr_expect_str_eq(occasions(sim, JZX_SIM_CELLS, 3), ".x.", "what is scripted after it counts");
    done(sim);
}

/* ---- plans and records ---- */

static jzx__sim_record *record_of(uint64_t seed, const jzx_sim_config *config, const jzx__sim_plan *plan,
                                  char text[201])
{
    jzx__sim_record *record = calloc(1, sizeof *record);
    cr_assert_not_null(record);
    jzx_sim *sim = machine(seed, config);
    jzx__sim_faults_follow(jzx__sim_faults_of(sim), plan, record);
    inject(sim, JZX_SIM_RESET, 10, 1, 0);
    (void)snprintf(text, 201, "%s", occasions(sim, JZX_SIM_ALLOC, 100));
    (void)snprintf(text + 100, 101, "%s", occasions(sim, JZX_SIM_RESET, 100));
    done(sim);
    return record;
}

Test(fault, record_is_a_plan_of_the_same_run, .timeout = 10)
{
    char text[201];
    char again[201];
    jzx_sim_config config = with_rate(JZX_SIM_ALLOC, 20000);
    config.rates[JZX_SIM_RESET] = 20000;
    jzx__sim_record *record = record_of(6, &config, NULL, text);
    jzx__sim_plan plan = {.listed = true, .hits = record->hits, .hit_count = record->hit_count};
    cr_assert_gt(plan.hit_count, 40);
    free(record_of(6, &config, &plan, again));
    cr_expect_str_eq(again, text, "F3");
    plan.hit_count = 1;
    uint64_t first = record->hits[0].occasion;
    free(record_of(6, &config, &plan, again));
    for (uint32_t i = 0; i < 200; i++) {
        bool hit = i == first - 1 || i == 110; /* and the scripted one: F2 */
        cr_expect_eq(again[i], hit ? 'x' : '.', "%u", i);
    }
    free(record);
}

Test(fault, plan_leaves_kinds_out, .timeout = 10)
{
    char text[201];
    char again[201];
    jzx_sim_config config = with_rate(JZX_SIM_ALLOC, 20000);
    config.rates[JZX_SIM_RESET] = 20000;
    free(record_of(6, &config, NULL, text));
    jzx__sim_plan plan = {.kinds = UINT64_C(1) << JZX_SIM_RESET};
    jzx__sim_record *record = record_of(6, &config, &plan, again);
    cr_expect_str_eq(again + 100, text + 100, "the other kind is as it was");
    cr_expect_null(memchr(again, 'x', 100));
    for (uint32_t i = 0; i < record->hit_count; i++) {
        cr_expect_eq(record->hits[i].fault, JZX_SIM_RESET);
        cr_expect_neq(record->hits[i].occasion, 11, "F2: what was scripted is in no record");
    }
    free(record);
}

Test(fault, healed_machine_follows_no_list, .timeout = 10)
{
    jzx__sim_hit hits[2] = {{.fault = JZX_SIM_ALLOC, .occasion = 2}, {.fault = JZX_SIM_ALLOC, .occasion = 5}};
    jzx__sim_plan plan = {.listed = true, .hits = hits, .hit_count = 2};
    jzx_sim *sim = machine(1, NULL);
    jzx__sim_faults_follow(jzx__sim_faults_of(sim), &plan, NULL);
    cr_expect_str_eq(occasions(sim, JZX_SIM_ALLOC, 3), ".x.");
    cr_assert_eq(jzx_sim_heal(sim), JZX_OK);
    cr_expect_str_eq(occasions(sim, JZX_SIM_ALLOC, 3), "...");
    done(sim);
}

Test(fault, record_says_when_it_is_full, .timeout = 10)
{
    jzx_sim_config config = with_rate(JZX_SIM_ALLOC, 65536);
    jzx__sim_record *record = calloc(1, sizeof *record);
    jzx_sim *sim = machine(1, &config);
    jzx__sim_faults_follow(jzx__sim_faults_of(sim), NULL, record);
    for (uint32_t i = 0; i < JZX__SIM_HITS_MAX; i++) {
        (void)jzx__sim_fault(sim, JZX_SIM_ALLOC);
    }
    cr_expect_eq(record->hit_count, JZX__SIM_HITS_MAX);
    cr_expect_not(record->hits_lost);
    cr_expect(jzx__sim_fault(sim, JZX_SIM_ALLOC), "it happens all the same");
    cr_expect(record->hits_lost);
    cr_expect_eq(record->hit_count, JZX__SIM_HITS_MAX);
    done(sim);
    free(record);
}

/* ---- sizes ---- */

Test(fault, size_is_its_name_s, .timeout = 10)
{
    jzx_sim *sim = machine(12, NULL);
    uint64_t orders = jzx_sim_size(sim, "orders", 1, 1000000);
    uint64_t actors = jzx_sim_size(sim, "actors_9", 1, 1000000);
    cr_expect_neq(orders, actors);
    cr_expect_eq(jzx_sim_size(sim, "orders", 1, 1000000), orders);
    cr_expect_eq(jzx_sim_size(sim, "orders", 1, orders - 1), orders - 1, "within what is asked for");
    cr_expect_eq(jzx_sim_size(sim, "one", 4, 4), 4);
    done(sim);
    sim = machine(12, NULL);
    cr_expect_eq(jzx_sim_size(sim, "actors_9", 1, 1000000), actors, "whatever is asked for first");
    done(sim);
}

Test(fault, size_is_the_plan_s_within_its_range, .timeout = 10)
{
    jzx__sim_plan plan = {.kinds = UINT64_MAX,
                          .size_count = 3,
                          .sizes = {{.name = "a", .value = 7}, {.name = "b", .value = 0}, {.name = "c", .value = 99}}};
    jzx__sim_record *record = calloc(1, sizeof *record);
    jzx_sim *sim = machine(1, NULL);
    jzx__sim_faults_follow(jzx__sim_faults_of(sim), &plan, record);
    cr_expect_eq(jzx_sim_size(sim, "a", 1, 1000), 7);
    cr_expect_eq(jzx_sim_size(sim, "b", 3, 1000), 3);
    cr_expect_eq(jzx_sim_size(sim, "c", 3, 50), 50);
    cr_expect_eq(record->size_count, 3);
    cr_expect_str_eq(record->sizes[2].name, "c");
    cr_expect_eq(record->sizes[2].value, 50);
    cr_expect_eq(record->sizes[2].least, 3);
    done(sim);
    free(record);
}

Test(fault, bad_sizes_fail_the_run, .timeout = 10)
{
    static const char *const names[] = {"", "A", "a b", "a-b", "a:b", "a_name_that_is_far_too_long_for_it"};
    for (size_t i = 0; i < JZX__COUNT(names); i++) {
        jzx_sim *sim = machine(1, NULL);
        cr_expect_eq(jzx_sim_size(sim, names[i], 5, 6), 5);
        cr_expect_not_null(jzx_sim_failure(sim), "%s", names[i]);
        done(sim);
    }
    jzx_sim *sim = machine(1, NULL);
    cr_expect_eq(jzx_sim_size(sim, "a", 6, 5), 6);
    cr_expect_not_null(jzx_sim_failure(sim));
    done(sim);
    sim = machine(1, NULL);
    for (uint32_t i = 0; i <= JZX__SIM_SIZES_MAX; i++) {
        char name[8];
        cr_expect_null(jzx_sim_failure(sim));
        (void)snprintf(name, sizeof name, "n%u", i);
        (void)jzx_sim_size(sim, name, 1, 9);
    }
    cr_expect_not_null(jzx_sim_failure(sim), "more names than there is room for");
    cr_expect_eq(jzx_sim_size(NULL, "a", 5, 6), 5);
    done(sim);
}
