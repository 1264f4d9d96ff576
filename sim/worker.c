/*
 * worker: processes that run a scenario, and what became of them. See search.h.
 *
 * A worker writes a small result for each run into a pipe, which holds back one that is far ahead. The run it is at is in
 * memory that the parent sees; its error output goes to a file in memory, which tells why when it crashes. CPU time is
 * limited by a profiling timer, which kills.
 */
#include "sim/machine.h"
#include "sim/search.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* A run that uses no CPU may not wait for ever either: so many times its limit, and this. */
enum { WALL_TIMES = 10, WALL_MORE_S = 60 };

/* Writes the counters of a coverage build, which _exit() does not; NULL in others. */
extern void __gcov_exit(void) __attribute__((weak));

jzx__sim_run *jzx__sim_run_create(void)
{
    void *memory = mmap(NULL, sizeof(jzx__sim_run), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void jzx__sim_run_destroy(jzx__sim_run *run)
{
    if (run != NULL) {
        munmap(run, sizeof *run);
    }
}

/* ---- one run ---- */

static void run_begins(jzx__sim_run *run, uint64_t seed)
{
    run->seed = seed;
    run->failed = false;
    run->steps = run->loop_ns = run->faults = run->hash = 0;
    run->failure[0] = '\0';
    run->said[0] = '\0';
    run->record.hit_count = 0;
    run->record.hits_lost = 0;
    run->record.size_count = 0;
}

static void run_failed(jzx__sim_run *run, const char *text)
{
    run->failed = true;
    (void)snprintf(run->failure, sizeof run->failure, "%s", text);
}

static void run_ends(jzx__sim_run *run, jzx_sim *sim)
{
    run->steps = jzx_sim_steps(sim);
    run->loop_ns = jzx_sim_now_ns(sim);
    run->faults = jzx__sim_injected_all(sim);
    run->hash = jzx_sim_trace_hash(sim);
    if (jzx_sim_failure(sim) != NULL) {
        run_failed(run, jzx_sim_failure(sim));
    }
}

/* The machine for it; NULL: the run has failed. */
static jzx_sim *make(const jzx_sim_search *search, const jzx__sim_plan *plan, jzx__sim_run *run, uint64_t trace_max)
{
    jzx_sim_config config = search->config;
    jzx_sim *sim;
    config.switches = plan->switches == JZX_SIM_DRAWN ? config.switches : plan->switches;
    config.trace_max = config.trace_max > trace_max ? config.trace_max : trace_max;
    run_begins(run, plan->seed);
    jzx_err err = jzx_sim_create(plan->seed, &config, &sim);
    if (err != JZX_OK) {
        run_failed(run, jzx_strerror(err));
        return NULL;
    }
    run->loop_ns = jzx_sim_now_ns(sim);
    jzx__sim_faults_follow(jzx__sim_faults_of(sim), plan, &run->record);
    return sim;
}

/* A failure outside of the machine's threads ends the scenario too: nothing that failed may be used. */
static void play(const jzx_sim_search *search, jzx_sim *sim, jzx__sim_run *run)
{
    uint64_t begin_ns = run->loop_ns;
    jmp_buf escape;
    sim->world.escape = &escape;
    if (_setjmp(escape) == 0) {
        search->scenario(sim, search->argument);
        (void)jzx_sim_check_end(sim);
    }
    sim->world.escape = NULL;
    run_ends(run, sim);
    run->loop_ns -= begin_ns;
}

static void run_plain(const jzx_sim_search *search, const jzx__sim_plan *plan, jzx__sim_run *run)
{
    jzx_sim *sim = make(search, plan, run, 0);
    if (sim != NULL) {
        play(search, sim, run);
        (void)jzx_sim_destroy(sim);
    }
}

/* ---- a run in this process, with its trace. When it crashes, the trace is told first. ---- */

enum { TRACE_TOLD = 256 * 1024 };
static const int CRASHES[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static struct {
    jzx_sim *sim; /* whose trace is told; NULL: nobody's */
    int fd;
    struct sigaction before[JZX__COUNT(CRASHES)];
} telling;

static void tell_trace(void)
{
    if (telling.sim != NULL) {
        const char *text = jzx_sim_trace_text(telling.sim);
        (void)!write(telling.fd, text, strlen(text));
        telling.sim = NULL;
    }
}

/* Comes back to what crashed, which then crashes once more as it would have. */
static void crashed(int number)
{
    tell_trace();
    for (size_t i = 0; i < JZX__COUNT(CRASHES); i++) {
        if (CRASHES[i] == number) {
            (void)sigaction(number, &telling.before[i], NULL);
        }
    }
}

static void tell_crashes(jzx_sim *sim, FILE *report)
{
    static char stack[65536]; /* the thread's own may be what overflowed */
    stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = crashed, .sa_flags = SA_ONSTACK};
    telling.sim = sim;
    telling.fd = fileno(report);
    (void)fflush(report);
    (void)sigaltstack(&other, NULL);
    for (size_t i = 0; i < JZX__COUNT(CRASHES); i++) {
        (void)sigaction(CRASHES[i], &action, &telling.before[i]);
    }
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(tell_trace);
    }
}

static void tell_crashes_no_more(void)
{
    telling.sim = NULL;
    for (size_t i = 0; i < JZX__COUNT(CRASHES); i++) {
        (void)sigaction(CRASHES[i], &telling.before[i], NULL);
    }
    stack_t none = {.ss_flags = SS_DISABLE};
    (void)sigaltstack(&none, NULL);
}

void jzx__sim_run_here(const jzx_sim_search *search, const jzx__sim_plan *plan, jzx__sim_run *run, FILE *trace_report)
{
    if (trace_report == NULL) {
        run_plain(search, plan, run);
        return;
    }
    jzx_sim *sim = make(search, plan, run, TRACE_TOLD);
    if (sim == NULL) {
        return;
    }
    tell_crashes(sim, trace_report);
    play(search, sim, run);
    tell_crashes_no_more();
    (void)fputs(jzx_sim_trace_text(sim), trace_report);
    (void)jzx_sim_destroy(sim);
}

/* ---- inside a worker ---- */

static _Noreturn void leave(void)
{
    if (__gcov_exit != NULL) {
        __gcov_exit();
    }
    _exit(0);
}

/* Kills when the process has used so much CPU from now on. */
static void limit_cpu(uint32_t seconds)
{
    struct itimerval timer = {.it_value = {.tv_sec = (time_t)seconds}};
    (void)setitimer(ITIMER_PROF, &timer, NULL);
}

/* X2: also when the parent was killed. */
static void prepare(pid_t parent, int said, uint32_t run_limit_s)
{
    sigset_t limit;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || dup2(said, STDERR_FILENO) < 0) {
        _exit(1);
    }
    (void)signal(SIGPROF, SIG_DFL);
    (void)sigemptyset(&limit);
    (void)sigaddset(&limit, SIGPROF);
    (void)sigprocmask(SIG_UNBLOCK, &limit, NULL);
    limit_cpu(run_limit_s);
}

static void hand_over(int results, const jzx__sim_run *run)
{
    jzx__sim_result result = {run->seed, run->steps, run->loop_ns, run->faults, run->hash};
    ssize_t written;
    do {
        written = write(results, &result, sizeof result); /* less than PIPE_BUF: whole or not at all */
    } while (written < 0 && errno == EINTR);
    if (written != (ssize_t)sizeof result) {
        _exit(1); /* nobody wants it */
    }
}

static _Noreturn void work(const jzx_sim_search *search, jzx__sim_plan plan, uint64_t step, uint64_t count,
                           jzx__sim_worker *self)
{
    for (uint64_t i = 0; i < count; i++, plan.seed += step) {
        if (i > 0) {
            (void)!ftruncate(self->said, 0);
            limit_cpu(search->run_limit_s);
        }
        run_plain(search, &plan, self->run);
        if (self->run->failed) {
            leave();
        }
        hand_over(self->results, self->run);
    }
    leave();
}

/* ---- the parent's side ---- */

jzx_err jzx__sim_worker_start(jzx__sim_worker *worker, const jzx_sim_search *search, const jzx__sim_plan *plan,
                              uint64_t step, uint64_t count, jzx__sim_run *run)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return JZX_ERR_OS;
    }
    int said = memfd_create("jzx-sim", MFD_CLOEXEC);
    if (said < 0 || fcntl(said, F_SETFL, O_APPEND) != 0) {
        goto closed;
    }
    run_begins(run, plan->seed);
    (void)fflush(NULL); /* or a scenario that exits writes it once more */
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0) {
        goto closed;
    }
    if (pid == 0) {
        struct jzx__sim_worker self = {.results = ends[1], .said = said, .run = run};
        (void)close(ends[0]);
        prepare(parent, said, search->run_limit_s);
        work(search, *plan, step, count, &self);
    }
    (void)close(ends[1]);
    *worker = (struct jzx__sim_worker){.pid = pid, .results = ends[0], .said = said, .run = run};
    return JZX_OK;
closed:
    if (said >= 0) {
        (void)close(said);
    }
    (void)close(ends[0]);
    (void)close(ends[1]);
    return JZX_ERR_OS;
}

/* ---- what a worker that is gone has said ---- */

static const char *const SUMMARY = "SUMMARY: ";

/* The line that says it best: a sanitizer's summary, or the last one. Cuts the text. */
static const char *best_line(char *text)
{
    char *line = strstr(text, SUMMARY);
    if (line != NULL) {
        line += strlen(SUMMARY);
        line[strcspn(line, "\n")] = '\0';
        return line;
    }
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '\n') {
        text[--length] = '\0';
    }
    line = strrchr(text, '\n');
    return line == NULL ? text : line + 1;
}

/* The part that matters: a sanitizer's report up to its summary, or the last ten lines. Cuts the text. */
static const char *part_that_matters(char *text)
{
    static const char *const begins[] = {"ERROR: ", "runtime error: "};
    char *at = NULL;
    for (size_t i = 0; i < JZX__COUNT(begins) && at == NULL; i++) {
        at = strstr(text, begins[i]);
    }
    uint32_t lines = 0;
    if (at == NULL) {
        for (at = text + strlen(text); at > text && (lines += at[-1] == '\n') <= 10; at--) {
        }
        return at;
    }
    while (at > text && at[-1] != '\n') {
        at--;
    }
    char *summary = strstr(at, SUMMARY);
    if (summary != NULL) {
        summary[strcspn(summary, "\n")] = '\0';
    }
    return at;
}

/* The last of its error output, whole lines; from malloc. NULL: no memory. */
static char *read_said(int said)
{
    enum { READ_MAX = 65536 };
    char *text = malloc(READ_MAX + 1);
    if (text == NULL) {
        return NULL;
    }
    off_t end = lseek(said, 0, SEEK_END);
    off_t from = end > READ_MAX ? end - READ_MAX : 0;
    ssize_t size = end < 0 ? 0 : pread(said, text, READ_MAX, from);
    text[size < 0 ? 0 : size] = '\0';
    return text;
}

static const char *signal_text(int number)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {{SIGABRT, "SIGABRT"}, {SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},
                 {SIGILL, "SIGILL"},   {SIGKILL, "SIGKILL"}, {SIGTRAP, "SIGTRAP"}, {SIGPIPE, "SIGPIPE"},
                 {SIGTERM, "SIGTERM"}, {SIGSYS, "SIGSYS"},   {SIGALRM, "SIGALRM"}};
    for (size_t i = 0; i < JZX__COUNT(names); i++) {
        if (names[i].number == number) {
            return names[i].name;
        }
    }
    return "a signal";
}

/* It did not come back: says so in its stead. */
static void run_broke_off(jzx__sim_run *run, int status, bool waited_enough, const jzx_sim_search *search, int said)
{
    char head[96];
    char *text = read_said(said);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF) {
        (void)snprintf(head, sizeof head, "no end after %u s of CPU time", (unsigned)search->run_limit_s);
    } else if (waited_enough) {
        (void)snprintf(head, sizeof head, "no end, and it waits for something real");
    } else if (WIFSIGNALED(status)) {
        (void)snprintf(head, sizeof head, "crashed by %s", signal_text(WTERMSIG(status)));
    } else {
        (void)snprintf(head, sizeof head, "the process was ended with status %d", WEXITSTATUS(status));
    }
    run->failed = true;
    if (text != NULL) {
        (void)snprintf(run->said, sizeof run->said, "%s", part_that_matters(text));
    }
    const char *line = text == NULL ? "" : best_line(text);
    (void)snprintf(run->failure, sizeof run->failure, "%s%s%.400s", head, *line == '\0' ? "" : ": ", line);
    free(text);
}

static int reap(jzx__sim_worker *worker)
{
    int status = 0;
    while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR) {
    }
    worker->pid = 0;
    return status;
}

static void let_go(jzx__sim_worker *worker)
{
    (void)close(worker->results);
    (void)close(worker->said);
}

/* True when there is something to read, or its end. */
static bool wait_for(const jzx__sim_worker *worker, uint32_t run_limit_s)
{
    struct pollfd what = {.fd = worker->results, .events = POLLIN};
    uint64_t limit_ms = ((uint64_t)run_limit_s * WALL_TIMES + WALL_MORE_S) * 1000;
    int ready;
    do {
        ready = poll(&what, 1, limit_ms > INT32_MAX ? INT32_MAX : (int)limit_ms);
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

bool jzx__sim_worker_next(jzx__sim_worker *worker, const jzx_sim_search *search, jzx__sim_result *result)
{
    ssize_t size = 0;
    bool in_time = wait_for(worker, search->run_limit_s);
    if (in_time) {
        do {
            size = read(worker->results, result, sizeof *result);
        } while (size < 0 && errno == EINTR);
    } else {
        (void)kill(worker->pid, SIGKILL);
    }
    if (size == (ssize_t)sizeof *result) {
        return true;
    }
    int status = reap(worker);
    if (!worker->run->failed) {
        run_broke_off(worker->run, status, !in_time, search, worker->said);
    }
    let_go(worker);
    return false;
}

void jzx__sim_worker_stop(jzx__sim_worker *worker, bool finished)
{
    if (worker->pid == 0) {
        return;
    }
    if (!finished) {
        (void)kill(worker->pid, SIGKILL);
    }
    (void)reap(worker);
    let_go(worker);
}

jzx_err jzx__sim_run_apart(const jzx_sim_search *search, const jzx__sim_plan *plan, jzx__sim_run *run)
{
    jzx__sim_worker worker;
    jzx__sim_result result;
    jzx_err err = jzx__sim_worker_start(&worker, search, plan, 1, 1, run);
    if (err != JZX_OK) {
        return err;
    }
    if (jzx__sim_worker_next(&worker, search, &result)) {
        jzx__sim_worker_stop(&worker, true);
    }
    return JZX_OK;
}
