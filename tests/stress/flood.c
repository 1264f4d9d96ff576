/*
 * flood: how long the order holds. Between each two of 2, then 3, then 4 loops, one actor sends numbers to another in each
 * direction, as fast as it may; who receives them looks that none is missing, doubled or early.
 *
 *     stress-flood [SEED [MESSAGES]]    of all together; 10,000,000, if it is not said, take 12 s under ThreadSanitizer
 */
#include "stress.h"

enum { LOOPS_LEAST = 2, MESSAGES = 10000000, BURST = 200, TAG_GO = 1, TAG_NUMBER = 2, FLOOD_ALARM_S = 220 };

/* Both ends of one direction: the upper part is the sender's, the lower the receiver's. */
typedef struct stream {
    jzx_actor_id source;
    jzx_actor_id sink;
    uint64_t total;
    uint64_t sent;
    uint64_t refused;
    char between[64]; /* two loops write to a stream */
    uint64_t came;
} stream;

static stress_world world;
static stream streams[STRESS_LOOPS_MAX][STRESS_LOOPS_MAX];
static _Atomic(uint32_t) open_streams;

static void go_on(jzx_context *context, stream *s)
{
    for (uint32_t i = 0; i < BURST && s->sent < s->total; i++) {
        jzx_message number = jzx_message_value(TAG_NUMBER, &s->sent, sizeof s->sent);
        jzx_err err = jzx_send(context, s->sink, &number);
        if (err != JZX_OK) {
            CHECK(err == JZX_ERR_MAILBOX_FULL || err == JZX_ERR_WOULD_BLOCK);
            CHECK_OK(jzx_resume(context, s->sink));
            s->refused++;
            return;
        }
        s->sent++;
    }
    if (s->sent < s->total) {
        jzx_message again = jzx_message_empty(TAG_GO);
        CHECK_OK(jzx_send(context, s->source, &again));
    }
}

static jzx_behavior_result send_numbers(jzx_context *context, void *state, const jzx_message *message)
{
    CHECK(message->tag == TAG_GO || message->tag == JZX_TAG_SYS_RESUME);
    go_on(context, state);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result take_numbers(jzx_context *context, void *state, const jzx_message *message)
{
    (void)context;
    stream *s = state;
    uint64_t number;
    memcpy(&number, jzx_message_data(message), sizeof number);
    CHECK(message->tag == TAG_NUMBER && number == s->came);
    s->came++;
    if (s->came == s->total && atomic_fetch_sub_explicit(&open_streams, 1, memory_order_relaxed) == 1) {
        CHECK_OK(jzx_runtime_request_stop(world.runtime));
    }
    return JZX_BEHAVIOR_OK;
}

static void make_streams(uint32_t loops, uint64_t each)
{
    atomic_store(&open_streams, loops * (loops - 1));
    for (uint32_t from = 0; from < loops; from++) {
        for (uint32_t to = 0; to < loops; to++) {
            if (from == to) {
                continue;
            }
            stream *s = &streams[from][to];
            *s = (stream){.total = each};
            s->sink = stress_spawn(&world, to, take_numbers, s, 256);
            s->source = stress_spawn(&world, from, send_numbers, s, 16);
            jzx_message go = jzx_message_empty(TAG_GO);
            CHECK_OK(jzx_send(jzx_loop_context(world.loops[from]), s->source, &go));
        }
    }
}

static void check_streams(uint32_t loops, uint64_t each)
{
    uint64_t crossed = 0;
    for (uint32_t from = 0; from < loops; from++) {
        for (uint32_t to = 0; to < loops; to++) {
            CHECK(from == to || (streams[from][to].sent == each && streams[from][to].came == each));
        }
        jzx_counters counters;
        CHECK_OK(jzx_loop_stats(world.loops[from], &counters));
        crossed += counters.mail_in;
    }
    CHECK(crossed >= loops * (loops - 1) * each);
}

static uint64_t flood(uint32_t loops, uint64_t messages)
{
    uint64_t each = messages / (loops * (loops - 1));
    jzx_config config;
    stress_config(&config, loops);
    stress_open(&world, &config);
    make_streams(loops, each);
    stress_start(&world, 1);
    CHECK_OK(jzx_loop_run(world.loops[0]));
    CHECK_OK(jzx_runtime_shutdown(world.runtime, JZX_FOREVER, NULL));
    check_streams(loops, each);
    stress_balance(&world);
    stress_close(&world);
    return loops * (loops - 1) * each;
}

int main(int argc, char **argv)
{
    (void)stress_begin(argc, argv);
    uint64_t messages = argc > 2 ? (uint64_t)strtoull(argv[2], NULL, 0) : MESSAGES;
    (void)alarm(FLOOD_ALARM_S);
    uint64_t crossed = 0;
    for (uint32_t loops = LOOPS_LEAST; loops <= STRESS_LOOPS_MAX; loops++) {
        uint64_t left = messages - crossed;
        uint32_t rounds = STRESS_LOOPS_MAX - loops + 1;
        crossed += flood(loops, (left + rounds - 1) / rounds + loops * loops);
    }
    (void)printf("%llu messages from loop to loop\n", (unsigned long long)crossed);
    return crossed < messages;
}
