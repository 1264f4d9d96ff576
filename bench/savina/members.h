/* members.h: each runs one member of the suite; the argument is its savina_stage. */
#ifndef BENCH_SAVINA_MEMBERS_H
#define BENCH_SAVINA_MEMBERS_H

#include <jzx/bench.h>

void savina_all_pairs_shortest_path(jzx_bench *bench, void *stage);
void savina_bank_transaction(jzx_bench *bench, void *stage);
void savina_big(jzx_bench *bench, void *stage);
void savina_bounded_buffer(jzx_bench *bench, void *stage);
void savina_chameneos(jzx_bench *bench, void *stage);
void savina_cigarette_smokers(jzx_bench *bench, void *stage);
void savina_concurrent_dictionary(jzx_bench *bench, void *stage);
void savina_concurrent_sorted_list(jzx_bench *bench, void *stage);
void savina_dining_philosophers(jzx_bench *bench, void *stage);
void savina_fork_join_create(jzx_bench *bench, void *stage);
void savina_fork_join_throughput(jzx_bench *bench, void *stage);
void savina_logistic_map(jzx_bench *bench, void *stage);
void savina_sleeping_barber(jzx_bench *bench, void *stage);

#endif
