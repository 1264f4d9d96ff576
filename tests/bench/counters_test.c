/* counters: what is counted is what was done between begin and end, by this thread and by one started after open. */
#include "bench/harness/counters.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { PAGES = 300, PAGE = 4096, LOOPS = 2000000 };

static uint64_t find(const char *wanted, bool *found)
{
    const char *name;
    uint64_t total = 0;
    *found = false;
    for (size_t i = 0; (name = bench_counters_get(i, &total)) != NULL; i++) {
        if (strcmp(name, wanted) == 0) {
            *found = true;
            return total;
        }
    }
    return 0;
}

static void touch_pages(void)
{
    char *memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(memory, MAP_FAILED);
    madvise(memory, PAGES * PAGE, MADV_NOHUGEPAGE);
    for (int i = 0; i < PAGES; i++) {
        memory[i * PAGE] = 1;
    }
    munmap(memory, PAGES * PAGE);
}

static void *spin(void *unused)
{
    volatile uint64_t sum = 0;
    (void)unused;
    for (uint64_t i = 0; i < LOOPS; i++) {
        sum = sum + i;
    }
    touch_pages();
    return NULL;
}

static void spin_in_a_thread(void)
{
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, spin, NULL), 0);
    pthread_join(thread, NULL);
}

Test(counters, count_what_is_done_between_begin_and_end)
{
    bool found = false;
    bench_counters_open();
    spin(NULL); /* before: does not count */
    bench_counters_begin();
    spin_in_a_thread();
    bench_counters_end();
    spin(NULL); /* after: does not count */
    uint64_t faults = find("page-faults", &found);
    cr_assert(found && faults >= PAGES && faults < 2 * PAGES, "%llu page faults", (unsigned long long)faults);
    uint64_t cpu_ns = find("cpu-ns", &found);
    cr_assert(found && cpu_ns > LOOPS / 10, "%llu ns", (unsigned long long)cpu_ns);
    find("context-switches", &found);
    cr_assert(found);
    uint64_t instructions = find("instructions", &found);
    cr_assert(!found || (instructions > LOOPS && instructions < 2ull * 20 * LOOPS), "%llu instructions",
              (unsigned long long)instructions);
    bench_counters_close();
}

Test(counters, count_from_zero_again)
{
    bool found = false;
    const struct timespec pause = {0, 1000000};
    bench_counters_open();
    bench_counters_begin();
    touch_pages();
    bench_counters_end();
    cr_assert_geq(find("page-faults", &found), PAGES);
    bench_counters_begin();
    nanosleep(&pause, NULL);
    bench_counters_end();
    cr_assert_lt(find("page-faults", &found), PAGES);
    cr_assert_geq(find("context-switches", &found), 1);
    bench_counters_close();
    bench_counters_close(); /* twice is nothing */
}

Test(counters, say_why_when_there_are_none)
{
    char text[128];
    uint64_t total = 0;
    bench_counters_about(text, sizeof text);
    bench_counters_open();
    bench_counters_begin();
    bench_counters_end();
    bool hardware = strcmp(bench_counters_get(0, &total), "instructions") == 0;
    cr_assert_eq(strstr(text, "no counters") != NULL, !hardware, "%s", text);
    bench_counters_close();
}
