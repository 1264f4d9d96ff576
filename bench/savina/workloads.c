/* workloads.c: the members of the suite as workloads, each with one loop and with two. */
#include "workloads.h"

#include "savina/members.h"
#include "savina/savina.h"

static savina_stage one_loop = {.loops = 1};
static savina_stage two_loops = {.loops = 2};
static savina_stage two_loops_parking = {.loops = 2, .parks = true};

/* First of all. Where messages and actors are most of the work: a third of what the best peer takes. */
static const jzx_bench_goal first[] = {{"time", "peers", 1.0}};
static const jzx_bench_goal third[] = {BENCH_GOAL_PEERS("time")};

/* A member with one loop, and with two, which linger or park. */
#define BOTH(member, function, goal_list, ...)                                                            \
    {BENCH_WORKLOAD,  .name = "savina/" member,                                                           \
     .cpus = 1,       .sides = (const jzx_bench_side[]){{"jzx", function, &one_loop}},                    \
     .side_count = 1, BENCH_GOALS(goal_list),                                                             \
     __VA_ARGS__},                                                                                        \
    {                                                                                                     \
        BENCH_WORKLOAD, .name = "savina/" member "-threads", .cpus = 2,                                   \
                        .sides = (const jzx_bench_side[]){{"jzx", function, &two_loops},                  \
                                                          {"jzx-parking", function, &two_loops_parking}}, \
                        .side_count = 2, BENCH_GOALS(goal_list), __VA_ARGS__                              \
    }

static const jzx_bench_workload workloads[] = {
    BOTH("fork-join-throughput", savina_fork_join_throughput, third, .item = "message", .count = 6000000, .step = 60,
         .about = "one sends to 60 actors, who compute a sine for each message"),
    BOTH("fork-join-create", savina_fork_join_create, third, .item = "actor", .count = 1000000,
         .about = "actors are made 40,000 at a time, and compute a sine each"),
    BOTH("chameneos", savina_chameneos, third, .item = "meeting", .count = 2000000,
         .about = "100 actors meet in pairs through one mailbox"),
    BOTH("big", savina_big, third, .item = "ping", .count = 2400000, .step = 120,
         .about = "120 actors ping one another at random"),
    BOTH("concurrent-dictionary", savina_concurrent_dictionary, third, .item = "request", .count = 2000000, .step = 20,
         .about = "20 workers read and write a hash map that one actor owns"),
    BOTH("concurrent-sorted-list", savina_concurrent_sorted_list, first, .item = "request", .count = 160000, .step = 20,
         .fixed_count = true, .about = "20 workers use a linked list that one actor owns"),
    BOTH("bounded-buffer", savina_bounded_buffer, first, .item = "item", .count = 40000, .step = 40,
         .about = "40 producers and 40 consumers at one buffer of 50; most of it is 2,500 logarithms for each"),
    BOTH("dining-philosophers", savina_dining_philosophers, third, .item = "meal", .count = 2000000, .step = 20,
         .about = "20 philosophers ask one arbitrator for forks until they get them"),
    BOTH("sleeping-barber", savina_sleeping_barber, first, .item = "haircut", .count = 200000,
         .about = "customers are made, wait in a room for 1,000, and have their hair cut"),
    BOTH("cigarette-smokers", savina_cigarette_smokers, first, .item = "smoke", .count = 200000,
         .about = "an arbiter tells one of 200 smokers at random to be busy"),
    BOTH("logistic-map", savina_logistic_map, third, .item = "term", .count = 2500000, .step = 10,
         .about = "10 workers ask for the next term of a series and wait for the answer"),
    BOTH("bank-transaction", savina_bank_transaction, third, .item = "transaction", .count = 1000000,
         .about = "a teller moves money between 1,000 accounts, two of which wait for each other"),
    BOTH("all-pairs-shortest-path", savina_all_pairs_shortest_path, first, .item = "step", .count = 108000, .step = 36,
         .about = "36 blocks of a graph of 300 nodes send one another 20 kB after each step"),
};

const bench_group bench_savina = BENCH_GROUP(workloads);
