/*
 * lanes: three loops pass messages to one another at random, through small mailboxes and small lanes, and park whenever
 * they can. Every pair of actors keeps its order, nothing accepted is lost, and what is refused goes on after its notice.
 */
#include "stress.h"

enum { LOOPS = 3, ACTORS = 12, TOKENS_EACH = 48, HOPS = 1200, TAG_TOKEN = 1, TAG_BEGIN = 2 };

typedef struct token {
    uint32_t from;
    uint32_t number; /* from `from` to who gets it, one by one */
    uint32_t hops;
    uint32_t unused;
} token;

typedef struct member {
    uint32_t self;
    uint64_t random;
    uint32_t sent[ACTORS];
    uint32_t came[ACTORS];
    uint32_t waiting[ACTORS * TOKENS_EACH]; /* hops of tokens that were refused */
    uint32_t waiting_to[ACTORS * TOKENS_EACH];
    uint32_t waiting_count;
} member;

static stress_world world;
static jzx_actor_id ids[ACTORS];
static member members[ACTORS];
static _Atomic(uint32_t) finished;

static bool send_token(jzx_context *context, member *me, uint32_t to, uint32_t hops)
{
    token next = {.from = me->self, .number = me->sent[to], .hops = hops};
    jzx_message message = jzx_message_value(TAG_TOKEN, &next, sizeof next);
    bool owned = hops % 7 == 0;
    if (owned) {
        message = stress_owned(TAG_TOKEN, (uint64_t)next.from << 56 | (uint64_t)next.number << 16 | hops);
    }
    jzx_err err = jzx_send(context, ids[to], &message);
    if (err == JZX_OK) {
        me->sent[to]++;
        return true;
    }
    CHECK(err == JZX_ERR_MAILBOX_FULL || err == JZX_ERR_WOULD_BLOCK);
    stress_refused(&message);
    CHECK_OK(jzx_resume(context, ids[to]));
    return false;
}

static void pass_on(jzx_context *context, member *me, uint32_t hops)
{
    uint32_t to = (uint32_t)(stress_random(&me->random) % ACTORS);
    if (!send_token(context, me, to, hops)) {
        me->waiting_to[me->waiting_count] = to;
        me->waiting[me->waiting_count++] = hops;
        CHECK(me->waiting_count <= ACTORS * TOKENS_EACH);
    }
}

static void retry(jzx_context *context, member *me, jzx_actor_id target)
{
    uint32_t kept = 0;
    bool refused = false;
    for (uint32_t i = 0; i < me->waiting_count; i++) {
        uint32_t to = me->waiting_to[i];
        if (ids[to] == target && !refused && send_token(context, me, to, me->waiting[i])) {
            continue;
        }
        refused |= ids[to] == target;
        me->waiting_to[kept] = to;
        me->waiting[kept++] = me->waiting[i];
    }
    me->waiting_count = kept;
}

static void arrived(jzx_context *context, member *me, token got)
{
    CHECK(got.from < ACTORS && got.number == me->came[got.from]);
    me->came[got.from]++;
    if (got.hops > 0) {
        pass_on(context, me, got.hops - 1);
    } else if (atomic_fetch_add_explicit(&finished, 1, memory_order_relaxed) + 1 == ACTORS * TOKENS_EACH) {
        CHECK_OK(jzx_runtime_request_stop(world.runtime));
    }
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    member *me = state;
    if (message->tag == JZX_TAG_SYS_RESUME) {
        retry(context, me, ((const jzx_resumed *)jzx_message_data(message))->target);
    } else if (message->tag == TAG_BEGIN) {
        for (uint32_t i = 0; i < TOKENS_EACH; i++) {
            pass_on(context, me, HOPS);
        }
    } else if ((message->flags & JZX_MESSAGE_POINTER) != 0) {
        uint64_t packed = stress_take(message);
        arrived(context, me,
                (token){.from = (uint32_t)(packed >> 56),
                        .number = (uint32_t)(packed >> 16) & 0xFFFFFFu,
                        .hops = (uint32_t)packed & 0xFFFFu});
    } else {
        token got;
        memcpy(&got, message->bytes, sizeof got);
        arrived(context, me, got);
    }
    return JZX_BEHAVIOR_OK;
}

int main(int argc, char **argv)
{
    uint64_t seed = stress_begin(argc, argv);
    jzx_config config;
    stress_config(&config, LOOPS);
    config.lane_blocks = 2;
    stress_open(&world, &config);
    for (uint32_t i = 0; i < ACTORS; i++) {
        members[i] = (member){.self = i, .random = seed + i};
        ids[i] = stress_spawn(&world, i % LOOPS, behave, &members[i], 16);
        jzx_message begin = jzx_message_empty(TAG_BEGIN);
        CHECK_OK(jzx_send(jzx_loop_context(world.loops[i % LOOPS]), ids[i], &begin));
    }
    stress_reader reader;
    stress_start(&world, 1);
    stress_reader_start(&reader, &world);
    CHECK_OK(jzx_loop_run(world.loops[0]));
    CHECK_OK(jzx_runtime_shutdown(world.runtime, JZX_FOREVER, NULL));
    stress_reader_stop(&reader);
    for (uint32_t i = 0; i < ACTORS; i++) {
        for (uint32_t k = 0; k < ACTORS; k++) {
            CHECK(members[i].sent[k] == members[k].came[i]);
        }
    }
    stress_balance(&world);
    stress_close(&world);
    return 0;
}
