/* run.c: the command `run`: reads what is wanted, measures it, shows it, keeps it. */
#include "commands.h"

#include "machine.h"
#include "memory.h"
#include "number.h"
#include "plan.h"
#include "plot.h"
#include "show.h"
#include "sweep.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    REPS = 10,
    SWEEP_REPS = 5, /* whole searches */
    REPS_MAX = 1000,
    LIMIT_S = 600,
    LIMIT_QUICK_S = 60,
};

/* Options without a letter. */
enum {
    KEY_JSON = 1000,
    KEY_PLOT,
    KEY_CPUS,
    KEY_REPS,
    KEY_DURATION,
    KEY_QUICK,
    KEY_ONLY,
    KEY_PEER,
    KEY_AGAINST,
    KEY_RATE,
    KEY_LOAD,
    KEY_ARRIVALS,
    KEY_SWEEP,
    KEY_SEED,
    KEY_OPTION,
    KEY_LIMIT,
};

static const struct argp_option options[] = {
    {"json", KEY_JSON, "FILE", 0, "write the result to FILE", 1},
    {"plot", KEY_PLOT, "DIR", 0, "draw it into the folder DIR (needs gnuplot)", 1},
    {"only", KEY_ONLY, "SIDE,...", 0, "these sides alone; the first of them is judged", 2},
    {"peer", KEY_PEER, "PROGRAM", 0, "another program with sides of its own; may be repeated", 2},
    {"against", KEY_AGAINST, "PROGRAM", 0, "an older build of this program: did a figure get worse?", 2},
    {"cpus", KEY_CPUS, "A,B", 0, "the CPUs to use, in this order; those that this process has", 3},
    {"reps", KEY_REPS, "N", 0, "runs of each side (10; 5 searches with --sweep; 1 with --quick)", 3},
    {"duration", KEY_DURATION, "S", 0, "seconds that a run of the first side is to take", 3},
    {"limit", KEY_LIMIT, "S", 0, "seconds after which a run is ended and invalid (600; 60 with --quick)", 3},
    {"quick", KEY_QUICK, NULL, 0, "small amounts of work: shows that all runs, measures little", 3},
    {"seed", KEY_SEED, "N", 0, "for the order of runs and all that is random in them", 3},
    {"rate", KEY_RATE, "R", 0, "operations a second of an open-loop load", 4},
    {"load", KEY_LOAD, "PCT", 0, "the same as a share of what is possible, in percent", 4},
    {"arrivals", KEY_ARRIVALS, "fixed|poisson", 0, "how they are spread", 4},
    {"sweep", KEY_SWEEP, "FIGURE<=LIMIT", 0, "find the highest rate at which this holds: 'p99.9<=1ms'", 4},
    {"option", KEY_OPTION, "NAME=VALUE", 0, "for the workload; may be repeated", 4},
    {0},
};

struct request {
    bench_settings settings;
    const char *json;
    const char *plot;
    bench_sweep sweep; /* without a text: none */
    bool reps_said;
    bool limit_said;
    bool seed_said;
    bool load_said;
};

static void add_text(bench_texts *texts, char *text)
{
    texts->items = bench_more(texts->items, texts->count, sizeof *texts->items);
    texts->items[texts->count++] = text;
}

static void free_texts(bench_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++) {
        free(texts->items[i]);
    }
    free(texts->items);
}

static void add_sides(bench_texts *texts, const char *list, struct argp_state *state)
{
    char *copy = bench_copy(list);
    char *rest = copy;
    char *side;
    while ((side = strsep(&rest, ",")) != NULL) {
        if (side[0] == '\0') {
            argp_error(state, "--only %s: a side without a name", list);
        }
        add_text(texts, bench_copy(side));
    }
    free(copy);
}

/* A number above 0 and at most `max`. */
static double positive(const char *option, const char *text, double max, struct argp_state *state)
{
    double value = 0;
    if (!bench_positive_parse(text, &value) || value > max) {
        argp_error(state, "--%s %s: not a number above 0 and up to %g", option, text, max);
    }
    return value;
}

static void set_cpus(bench_settings *settings, const char *text, struct argp_state *state)
{
    int allowed[BENCH_CPUS_MAX];
    int allowed_count = bench_cpus_allowed(allowed);
    settings->cpu_count = bench_cpus_parse(text, settings->cpus);
    if (settings->cpu_count < 1) {
        argp_error(state, "--cpus %s: not a list of CPUs", text);
    }
    for (int i = 0; i < settings->cpu_count; i++) {
        bool found = false;
        for (int j = 0; j < allowed_count && !found; j++) {
            found = allowed[j] == settings->cpus[i];
        }
        if (!found) {
            argp_error(state, "--cpus %s: this process may not use CPU %d", text, settings->cpus[i]);
        }
    }
}

static void set_reps(struct request *request, const char *text, struct argp_state *state)
{
    uint64_t reps;
    if (!bench_number_parse(text, &reps) || reps < 1 || reps > REPS_MAX) {
        argp_error(state, "--reps %s: not a whole number from 1 to %d", text, REPS_MAX);
    }
    request->settings.reps = (unsigned)reps;
    request->reps_said = true;
}

static void set_seed(struct request *request, const char *text, struct argp_state *state)
{
    if (!bench_number_parse(text, &request->settings.seed)) {
        argp_error(state, "--seed %s: not a whole number of 64 bits", text);
    }
    request->seed_said = true;
}

static void say_load_once(struct request *request, struct argp_state *state)
{
    if (request->load_said) {
        argp_error(state, "--rate, --load and --sweep each say how much: give one, once");
    }
    request->load_said = true;
}

static void set_load(struct request *request, int key, const char *text, struct argp_state *state)
{
    const char *name = key == KEY_RATE ? "rate" : "load";
    positive(name, text, 1e12, state);
    say_load_once(request, state);
    add_text(&request->settings.options, bench_format("%s=%s", name, text));
}

static void set_arrivals(struct request *request, const char *text, struct argp_state *state)
{
    if (strcmp(text, "fixed") != 0 && strcmp(text, "poisson") != 0) {
        argp_error(state, "--arrivals %s: fixed or poisson", text);
    }
    add_text(&request->settings.options, bench_format("arrivals=%s", text));
}

static void set_sweep(struct request *request, const char *text, struct argp_state *state)
{
    say_load_once(request, state);
    const char *wrong = bench_sweep_parse(text, &request->sweep);
    if (wrong != NULL) {
        argp_error(state, "--sweep %s: %s", text, wrong);
    }
}

/* These are what `measure` is told by the harness itself. */
static void set_option(struct request *request, const char *text, struct argp_state *state)
{
    static const char *const taken[] = {"count", "warm", "cpus", "seed", "quick", "rate", "load", "arrivals"};
    size_t length = strcspn(text, "=");
    if (length == 0 || text[length] != '=') {
        argp_error(state, "--option %s: not NAME=VALUE", text);
    }
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        if (strlen(taken[i]) == length && memcmp(taken[i], text, length) == 0) {
            argp_error(state, "--option %s: that name is the harness's own", text);
        }
    }
    add_text(&request->settings.options, bench_copy(text));
}

static error_t parse_size(int key, char *text, struct argp_state *state)
{
    struct request *request = state->input;
    switch (key) {
    case KEY_CPUS:
        set_cpus(&request->settings, text, state);
        return 0;
    case KEY_REPS:
        set_reps(request, text, state);
        return 0;
    case KEY_DURATION:
        request->settings.duration_s = positive("duration", text, 3600, state);
        return 0;
    case KEY_LIMIT:
        request->settings.limit_s = positive("limit", text, 86400, state);
        request->limit_said = true;
        return 0;
    case KEY_QUICK:
        request->settings.quick = true;
        return 0;
    case KEY_SEED:
        set_seed(request, text, state);
        return 0;
    case KEY_RATE:
    case KEY_LOAD:
        set_load(request, key, text, state);
        return 0;
    case KEY_ARRIVALS:
        set_arrivals(request, text, state);
        return 0;
    case KEY_SWEEP:
        set_sweep(request, text, state);
        return 0;
    case KEY_OPTION:
        set_option(request, text, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct request *request = state->input;
    switch (key) {
    case KEY_JSON:
        request->json = text;
        return 0;
    case KEY_PLOT:
        request->plot = text;
        return 0;
    case KEY_ONLY:
        add_sides(&request->settings.only, text, state);
        return 0;
    case KEY_PEER:
        add_text(&request->settings.peers, bench_copy(text));
        return 0;
    case KEY_AGAINST:
        request->settings.against = text;
        return 0;
    case ARGP_KEY_ARG:
        add_text(&request->settings.names, bench_copy(text));
        return 0;
    default:
        return parse_size(key, text, state);
    }
}

static const struct argp arguments = {
    .options = options,
    .parser = parse,
    .args_doc = "[NAME...]",
    .doc = "Measures the workloads with these names, or all, and shows how their sides compare. A NAME may be a "
           "pattern: 'message/*'.",
};

/* What was not said. */
static void complete(struct request *request)
{
    bench_settings *settings = &request->settings;
    if (!request->reps_said) {
        settings->reps = settings->quick ? 1 : request->sweep.text != NULL ? SWEEP_REPS : REPS;
    }
    if (!request->limit_said) {
        settings->limit_s = settings->quick ? LIMIT_QUICK_S : LIMIT_S;
    }
    if (settings->cpu_count == 0) {
        settings->cpu_count = bench_cpus_allowed(settings->cpus);
    }
    if (!request->seed_said && getrandom(&settings->seed, sizeof settings->seed, 0) != sizeof settings->seed) {
        bench_fail("getrandom: %s", strerror(errno));
    }
}

/* Before argp puts them in another order. */
static char *command_text(int argc, char **argv)
{
    char *text = bench_copy(argv[0]);
    for (int i = 1; i < argc; i++) {
        bench_append(&text, " %s", argv[i]);
    }
    return text;
}

static void add_seed(bench_result *result, uint64_t seed)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, seed);
    bench_fact_add(result, "seed", text);
}

static void add_load(bench_result *result, const char *before)
{
    char after[64];
    bench_machine_load(after, sizeof after);
    char *text = bench_format("%s at the start, %s at the end", before, after);
    bench_fact_add(result, "load", text);
    free(text);
}

/* False after a message. */
static bool measure(const bench_suite *suite, const struct request *request, bench_result *result)
{
    const bench_settings *settings = &request->settings;
    bench_plan plan;
    bool good = bench_plan_choose(&plan, suite, settings);
    if (good && request->sweep.text != NULL) {
        bench_sweep_run(&plan, &request->sweep);
    } else if (good) {
        bench_plan_size(&plan);
        bench_plan_run(&plan);
        if (!settings->quick) {
            bench_plan_count(&plan, result);
        }
    }
    bench_plan_end(&plan, result);
    return good;
}

static bool draw(const bench_result *result, const char *folder)
{
    bench_plots plots;
    bool good = bench_plot_all(result, folder, &plots);
    bench_plots_free(&plots);
    return good;
}

static int run(const bench_suite *suite, const struct request *request, bench_result *result)
{
    char before[64];
    bench_machine_load(before, sizeof before);
    if (!measure(suite, request, result)) {
        return 3;
    }
    add_load(result, before);
    bench_show(result, stdout);
    int status = bench_show_status(result);
    if (request->json != NULL && !bench_result_write(result, request->json)) {
        status = 3;
    }
    if (request->plot != NULL && !draw(result, request->plot)) {
        status = 3;
    }
    if (fflush(stdout) != 0) {
        bench_say("standard output: %s", strerror(errno));
        status = 3;
    }
    return status;
}

int bench_run_main(const bench_suite *suite, int argc, char **argv)
{
    struct request *request = bench_new(sizeof *request);
    bench_result result = {0};
    char *command = command_text(argc, argv);
    argp_parse(&arguments, argc, argv, 0, NULL, request);
    complete(request);
    bench_machine_facts(&result, request->settings.cpus, request->settings.cpu_count);
    bench_fact_add(&result, "command", command);
    free(command);
    add_seed(&result, request->settings.seed);
    int status = run(suite, request, &result);
    bench_result_free(&result);
    free_texts(&request->settings.names);
    free_texts(&request->settings.only);
    free_texts(&request->settings.peers);
    free_texts(&request->settings.options);
    bench_sweep_free(&request->sweep);
    free(request);
    return status;
}
