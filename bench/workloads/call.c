/*
 * call.c: what does a question with its answer cost?
 *
 * call/round-trip: one actor asks another and goes on with the answer, on one loop or on two; payloads of 32 bytes, of which the
 * first word grows by one each time. As a call, whose context goes with it, as one that the asker handles nothing else beside
 * (exclusive), as a request, and as two plain messages.
 * call/gather: one actor asks eight at once and goes on when all have answered; as a gathering, and as eight requests that it
 * counts itself.
 */
#include "support/world.h"
#include "workloads.h"

enum { TAG_START = 1, TAG_QUESTION = 2, TAG_ANSWER = 3, MEMBERS = 8 };

struct talk {
    jzx_bench *bench;
    jzx_runtime *runtime;
    uint64_t total; /* round trips */
    uint64_t done;
    uint64_t sum; /* of the answers' first words */
    jzx_actor_id to[MEMBERS];
    uint32_t open;  /* of requests that are counted */
    bool exclusive; /* calls */
};

typedef void (*ask_fn)(jzx_context *context, struct talk *talk);

static jzx_message question_of(const struct talk *talk)
{
    const uint64_t words[4] = {talk->done + 1, 2, 3, 4};
    return jzx_message_value(TAG_QUESTION, words, sizeof words);
}

/* An answer has come. Says whether to ask again. */
static bool talk_goes_on(struct talk *talk, uint64_t word)
{
    talk->sum += word;
    if (++talk->done < talk->total) {
        return true;
    }
    jzx_bench_end(talk->bench, talk->total);
    WORLD_CHECK(jzx_runtime_request_stop(talk->runtime));
    return false;
}

static void talk_prove(const struct talk *talk)
{
    jzx_bench_prove(talk->bench, "answers", talk->done, talk->total);
    jzx_bench_prove(talk->bench, "sum", talk->sum, talk->total * (talk->total + 1) / 2);
}

/* ---- who answers ---- */

static jzx_behavior_result answer_request(jzx_context *context, void *state, const jzx_message *message)
{
    (void)state;
    jzx_message answer = jzx_message_value(TAG_ANSWER, message->words, sizeof message->words);
    WORLD_CHECK(jzx_answer(context, message->ref, &answer));
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result answer_message(jzx_context *context, void *state, const jzx_message *message)
{
    (void)state;
    jzx_message answer = jzx_message_value(TAG_ANSWER, message->words, sizeof message->words);
    WORLD_CHECK(jzx_send(context, message->sender, &answer));
    return JZX_BEHAVIOR_OK;
}

/* ---- a call ---- */

static void ask_call(jzx_context *context, struct talk *talk);

static jzx_behavior_result on_answer(jzx_context *context, void *state, void *argument, const jzx_result *result)
{
    (void)argument;
    WORLD_CHECK(result->err);
    if (talk_goes_on(state, result->message->words[0])) {
        ask_call(context, state);
    }
    return JZX_BEHAVIOR_OK;
}

static void ask_call(jzx_context *context, struct talk *talk)
{
    jzx_message question = question_of(talk);
    if (!talk->exclusive) {
        WORLD_CHECK(jzx_call(context, talk->to[0], &question, JZX_FOREVER, on_answer, NULL));
        return;
    }
    jzx_call_options options;
    jzx_call_options_init(&options);
    options.on_answer = on_answer;
    options.exclusive = true;
    WORLD_CHECK(jzx_call_with(context, talk->to[0], &question, &options, NULL));
}

static jzx_behavior_result caller(jzx_context *context, void *state, const jzx_message *message)
{
    struct talk *talk = state;
    (void)message;
    jzx_bench_begin(talk->bench);
    ask_call(context, talk);
    return JZX_BEHAVIOR_OK;
}

/* ---- a request, and two messages ---- */

static void ask_request(jzx_context *context, struct talk *talk)
{
    jzx_message question = question_of(talk);
    WORLD_CHECK(jzx_request(context, talk->to[0], &question, JZX_FOREVER, NULL));
}

static void ask_message(jzx_context *context, struct talk *talk)
{
    jzx_message question = question_of(talk);
    WORLD_CHECK(jzx_send(context, talk->to[0], &question));
}

static inline jzx_behavior_result ask_by(jzx_context *context, struct talk *talk, const jzx_message *message,
                                         ask_fn ask)
{
    if (message->tag == TAG_START) {
        jzx_bench_begin(talk->bench);
        ask(context, talk);
    } else if (talk_goes_on(talk, message->words[0])) {
        ask(context, talk);
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result requester(jzx_context *context, void *state, const jzx_message *message)
{
    return ask_by(context, state, message, ask_request);
}

static jzx_behavior_result sender(jzx_context *context, void *state, const jzx_message *message)
{
    return ask_by(context, state, message, ask_message);
}

/* ---- eight at once ---- */

static void ask_all(jzx_context *context, struct talk *talk);

static jzx_behavior_result on_all(jzx_context *context, void *state, void *argument, const jzx_gathered *gathered)
{
    struct talk *talk = state;
    (void)argument;
    WORLD_CHECK(gathered->err);
    if (talk_goes_on(talk, gathered->answered / MEMBERS * (talk->done + 1))) {
        ask_all(context, talk);
    }
    return JZX_BEHAVIOR_OK;
}

static void ask_all(jzx_context *context, struct talk *talk)
{
    jzx_message question = question_of(talk);
    jzx_gather_options options;
    uint64_t gather;
    jzx_gather_options_init(&options);
    options.on_done = on_all;
    WORLD_CHECK(jzx_gather_begin(context, &options, &gather));
    for (uint32_t i = 0; i < MEMBERS; i++) {
        WORLD_CHECK(jzx_gather_call(context, gather, talk->to[i], &question, i));
    }
    WORLD_CHECK(jzx_gather_end(context, gather));
}

static jzx_behavior_result gatherer(jzx_context *context, void *state, const jzx_message *message)
{
    struct talk *talk = state;
    (void)message;
    jzx_bench_begin(talk->bench);
    ask_all(context, talk);
    return JZX_BEHAVIOR_OK;
}

static void request_all(jzx_context *context, struct talk *talk)
{
    jzx_message question = question_of(talk);
    for (talk->open = 0; talk->open < MEMBERS; talk->open++) {
        WORLD_CHECK(jzx_request(context, talk->to[talk->open], &question, JZX_FOREVER, NULL));
    }
}

static jzx_behavior_result counter(jzx_context *context, void *state, const jzx_message *message)
{
    struct talk *talk = state;
    if (message->tag != TAG_START && --talk->open > 0) {
        return JZX_BEHAVIOR_OK;
    }
    return ask_by(context, talk, message, request_all);
}

/* ---- runs ---- */

struct talk_plan {
    jzx_behavior_fn asker;
    jzx_behavior_fn answerer;
    uint32_t members;
    int loops;
    bool exclusive;
};

static void run_talk(jzx_bench *bench, void *argument)
{
    const struct talk_plan *plan = argument;
    jzx_config config;
    struct world world;
    world_need_cpus(bench, plan->loops);
    jzx_config_init(&config);
    config.linger_ns = JZX_FOREVER;
    world_open(&world, bench, &config, plan->loops);
    struct talk talk = {
        .bench = bench, .runtime = world.runtime, .total = jzx_bench_count(bench), .exclusive = plan->exclusive};
    for (uint32_t i = 0; i < plan->members; i++) {
        talk.to[i] = world_spawn(&world, plan->loops - 1, plan->answerer, NULL);
    }
    world_tell(&world, world_spawn(&world, 0, plan->asker, &talk), TAG_START);
    world_run(&world);
    world_close(&world);
    talk_prove(&talk);
}

static struct talk_plan call_here = {caller, answer_request, 1, 1, false};
static struct talk_plan exclusive_here = {caller, answer_request, 1, 1, true};
static struct talk_plan request_here = {requester, answer_request, 1, 1, false};
static struct talk_plan send_here = {sender, answer_message, 1, 1, false};
static struct talk_plan call_there = {caller, answer_request, 1, 2, false};
static struct talk_plan exclusive_there = {caller, answer_request, 1, 2, true};
static struct talk_plan request_there = {requester, answer_request, 1, 2, false};
static struct talk_plan send_there = {sender, answer_message, 1, 2, false};
static struct talk_plan gather_here = {gatherer, answer_request, MEMBERS, 1, false};
static struct talk_plan count_here = {counter, answer_request, MEMBERS, 1, false};
static struct talk_plan gather_there = {gatherer, answer_request, MEMBERS, 2, false};
static struct talk_plan count_there = {counter, answer_request, MEMBERS, 2, false};

static const jzx_bench_side here_sides[] = {{"jzx", run_talk, &call_here},
                                            {"jzx-exclusive", run_talk, &exclusive_here},
                                            {"jzx-request", run_talk, &request_here},
                                            {"jzx-send", run_talk, &send_here}};
static const jzx_bench_side there_sides[] = {{"jzx", run_talk, &call_there},
                                             {"jzx-exclusive", run_talk, &exclusive_there},
                                             {"jzx-request", run_talk, &request_there},
                                             {"jzx-send", run_talk, &send_there}};
static const jzx_bench_side gather_sides[] = {{"jzx", run_talk, &gather_here}, {"jzx-request", run_talk, &count_here}};
static const jzx_bench_side gather_there_sides[] = {{"jzx", run_talk, &gather_there},
                                                    {"jzx-request", run_talk, &count_there}};

static const jzx_bench_workload workloads[] = {
    {BENCH_WORKLOAD, .name = "call/round-trip", .about = "a question and its answer between two actors of one loop",
     .item = "call", .count = 1000000, .quick_count = 10000, .cpus = 1, BENCH_SIDES(here_sides)},
    {BENCH_WORKLOAD, .name = "call/round-trip-threads", .about = "the same, each actor on a loop of its own",
     .item = "call", .count = 200000, .quick_count = 5000, .cpus = 2, BENCH_SIDES(there_sides)},
    {BENCH_WORKLOAD, .name = "call/gather", .about = "eight questions at once to actors of one loop, and all answers",
     .item = "gathering", .count = 200000, .quick_count = 2000, .cpus = 1, BENCH_SIDES(gather_sides)},
    {BENCH_WORKLOAD, .name = "call/gather-threads", .about = "the same, those who are asked on another loop",
     .item = "gathering", .count = 100000, .quick_count = 2000, .cpus = 2, BENCH_SIDES(gather_there_sides)},
};

const bench_group bench_call = BENCH_GROUP(workloads);
