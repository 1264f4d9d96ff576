/* Batches and rounds of jzx-kv: replies come out in the order of the commands, whatever shard they come from. */
#include <criterion/criterion.h>

#include "resp.h"
#include "round.h"

enum { SHARDS = 4 };

static const uint64_t seed[2] = {3, 4};

struct world {
    struct kv_pool pool;
    struct kv_rounds rounds;
    struct store stores[SHARDS];
    struct kv_buffer told;
};

static void world_init(struct world *world)
{
    memset(world, 0, sizeof *world);
    world->rounds.shard_count = SHARDS;
    for (int i = 0; i < SHARDS; i++) {
        cr_assert(store_init(&world->stores[i]));
    }
}

static void world_deinit(struct world *world)
{
    for (int i = 0; i < SHARDS; i++) {
        store_deinit(&world->stores[i]);
    }
    kv_pool_deinit(&world->pool);
    kv_rounds_deinit(&world->rounds);
    kv_buffer_deinit(&world->told);
}

static void operate(struct world *world, struct kv_round *round, uint8_t code, const char *key, struct kv_bytes value,
                    enum kv_slot_kind kind)
{
    struct kv_request request = {.code = code, .key = {(const uint8_t *)key, strlen(key)}, .value = value};
    request.hash = store_hash(seed, request.key.data, request.key.size);
    kv_round_operate(round, &world->pool, (uint16_t)(request.hash >> 48 & (SHARDS - 1)), &request, kind);
}

/* The shard of a key. */
static uint16_t shard_of(const char *key)
{
    return (uint16_t)(store_hash(seed, key, strlen(key)) >> 48 & (SHARDS - 1));
}

/* Executes what is to be executed and tells until all is told. Returns in how many pieces. */
static int run(struct world *world, struct kv_round *round)
{
    for (uint32_t i = 0; i < round->touched_count; i++) {
        struct kv_batch *batch = round->batches[round->touched[i]];
        if (!kv_batch_gone(batch)) {
            kv_batch_execute(batch, &world->stores[batch->shard], 0);
        }
    }
    for (int pieces = 1;; pieces++) {
        kv_round_tell(round);
        kv_buffer_append(&world->told, round->sending->data, round->sending->size);
        if (round->telling == KV_TOLD_ALL) {
            return pieces;
        }
        if (round->telling == KV_TOLD_STOP) {
            kv_batch_rewind(round->blocked);
            cr_assert_neq(kv_batch_execute(round->blocked, &world->stores[round->blocked->shard], 0), 0);
        }
    }
}

static void expect_told(struct world *world, const char *text)
{
    RESP_LITERAL(&world->told, "\0");
    cr_assert_str_eq((char *)world->told.data, text);
}

static struct kv_bytes text_bytes(const char *text)
{
    return (struct kv_bytes){(const uint8_t *)text, strlen(text)};
}

Test(round, replies_have_the_order_of_the_commands)
{
    struct world world;
    world_init(&world);
    struct kv_round *round = kv_round_take(&world.rounds);
    struct kv_bytes none = {0};
    RESP_LITERAL(kv_round_local(round), "+first\r\n");
    kv_round_told(round);
    for (char key = 'a'; key <= 'f'; key++) {
        char name[2] = {key, 0};
        operate(&world, round, KV_SET, name, text_bytes(name), KV_TELL);
    }
    RESP_LITERAL(kv_round_local(round), "+middle\r\n");
    kv_round_told(round);
    for (char key = 'f'; key >= 'a'; key--) {
        char name[2] = {key, 0};
        operate(&world, round, KV_GET, name, none, KV_TELL);
    }
    operate(&world, round, KV_DELETE, "a", none, KV_SUM_FIRST);
    operate(&world, round, KV_DELETE, "b", none, KV_SUM_FIRST);
    operate(&world, round, KV_DELETE, "z", none, KV_SUM_FIRST);
    kv_round_finish(round, KV_TELL_SUM, KV_TORN_READ);
    run(&world, round);
    expect_told(&world, "+first\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+middle\r\n"
                        "$1\r\nf\r\n$1\r\ne\r\n$1\r\nd\r\n$1\r\nc\r\n$1\r\nb\r\n$1\r\na\r\n:2\r\n");
    kv_round_give(&world.rounds, &world.pool, round);
    world_deinit(&world);
}

/* Takes a batch out of a round as a request does. */
static void send_away(struct world *world, struct kv_round *round, uint16_t shard, uint64_t ref)
{
    kv_batch_give(&world->pool, round->batches[shard]);
    round->batches[shard] = NULL;
    round->refs[shard] = ref;
}

Test(round, each_operation_of_a_lost_batch_is_told_so)
{
    struct world world;
    world_init(&world);
    struct kv_round *round = kv_round_take(&world.rounds);
    struct kv_bytes none = {0};
    const char *lost = "a";
    const char *kept = "b";
    for (char key[2] = "c"; shard_of(kept) == shard_of(lost); key[0]++) {
        kept = strdupa(key);
    }
    operate(&world, round, KV_SET, kept, text_bytes("1"), KV_TELL);
    operate(&world, round, KV_SET, lost, text_bytes("1"), KV_TELL);
    /* MGET: an error in its place. */
    RESP_LITERAL(kv_round_local(round), "*2\r\n");
    kv_round_told(round);
    operate(&world, round, KV_GET, lost, none, KV_TELL);
    operate(&world, round, KV_GET, kept, none, KV_TELL);
    /* EXISTS and MSET: an error for the whole, and only for that one. */
    operate(&world, round, KV_EXISTS, kept, none, KV_SUM_FIRST);
    operate(&world, round, KV_EXISTS, lost, none, KV_SUM_FIRST);
    kv_round_finish(round, KV_TELL_SUM, KV_TORN_READ);
    operate(&world, round, KV_EXISTS, kept, none, KV_SUM_FIRST);
    kv_round_finish(round, KV_TELL_SUM, KV_TORN_READ);
    operate(&world, round, KV_LENGTH, lost, none, KV_NO_REPLY);
    kv_round_finish(round, KV_TELL_OK, KV_TORN_SET);
    kv_round_finish(round, KV_TELL_OK, KV_TORN_SET);
    send_away(&world, round, shard_of(lost), 7);
    cr_assert_not(kv_round_lose_request(round, 6));
    cr_assert(kv_round_lose_request(round, 7));
    cr_assert_not(kv_round_lose_request(round, 7));
    run(&world, round);
    expect_told(&world, "+OK\r\n" KV_SHARD_DOWN "*2\r\n" KV_SHARD_DOWN "$1\r\n1\r\n" KV_SHARD_DOWN
                        ":1\r\n" KV_SHARD_DOWN "+OK\r\n");
    kv_round_give(&world.rounds, &world.pool, round);
    world_deinit(&world);
}

/* O4. What is back counts, what is not, sent or not, is told by what its command may have done. */
Test(round, each_operation_of_an_overdue_batch_is_told_so)
{
    struct world world;
    world_init(&world);
    struct kv_round *round = kv_round_take(&world.rounds);
    struct kv_bytes none = {0};
    const char *late = "a";
    const char *unsent = "b";
    const char *back = "c";
    for (char key[2] = "d"; shard_of(unsent) == shard_of(late); key[0]++) {
        unsent = strdupa(key);
    }
    for (char key[2] = "d"; shard_of(back) == shard_of(late) || shard_of(back) == shard_of(unsent); key[0]++) {
        back = strdupa(key);
    }
    operate(&world, round, KV_SET, back, text_bytes("1"), KV_TELL);
    operate(&world, round, KV_SET, late, text_bytes("1"), KV_NO_REPLY);
    kv_round_finish(round, KV_TELL_OK, KV_TORN_SET);
    operate(&world, round, KV_DELETE, unsent, none, KV_SUM_FIRST);
    operate(&world, round, KV_DELETE, late, none, KV_SUM_FIRST);
    kv_round_finish(round, KV_TELL_SUM, KV_TORN_DELETED);
    operate(&world, round, KV_EXISTS, back, none, KV_SUM_FIRST);
    operate(&world, round, KV_EXISTS, unsent, none, KV_SUM_FIRST);
    kv_round_finish(round, KV_TELL_SUM, KV_TORN_READ);
    operate(&world, round, KV_EXISTS, back, none, KV_SUM_FIRST);
    kv_round_finish(round, KV_TELL_SUM, KV_TORN_READ);
    operate(&world, round, KV_GET, unsent, none, KV_TELL);
    operate(&world, round, KV_GET, back, none, KV_TELL);
    cr_assert(round->gathered);
    send_away(&world, round, shard_of(late), 7);
    round->batches[shard_of(back)]->sent = true;
    kv_batch_execute(round->batches[shard_of(back)], &world.stores[shard_of(back)], 0);
    cr_assert_eq(kv_round_overdue(round, &world.pool), 2);
    cr_assert_eq(round->batches[shard_of(late)], KV_OVERDUE);
    cr_assert_eq(round->batches[shard_of(unsent)], KV_OVERDUE);
    run(&world, round);
    expect_told(&world, "+OK\r\n-TIMEOUT some keys may be set\r\n-TIMEOUT some keys may be deleted\r\n" KV_NO_ANSWER
                        ":1\r\n" KV_NO_ANSWER "$1\r\n1\r\n");
    kv_round_give(&world.rounds, &world.pool, round);
    cr_assert_eq(world.pool.count, 3, "a batch is not back in the pool");
    world_deinit(&world);
}

Test(round, what_was_told_of_a_lost_batch_stays_told)
{
    enum { VALUE = 40000, GETS = 4 };
    struct world world;
    world_init(&world);
    struct kv_bytes value = {calloc(1, VALUE), VALUE};
    struct kv_bytes none = {0};
    struct kv_round *round = kv_round_take(&world.rounds);
    uint16_t shard = shard_of("a");
    operate(&world, round, KV_SET, "a", value, KV_TELL);
    for (int i = 0; i < GETS; i++) {
        operate(&world, round, KV_GET, "a", none, KV_TELL);
    }
    kv_batch_execute(round->batches[shard], &world.stores[shard], 0); /* SET and two GETs: the rest is too much */
    kv_round_tell(round);
    cr_assert_eq(round->telling, KV_TOLD_STOP);
    cr_assert_eq(round->sending->size, 5 + 2 * (VALUE + sizeof("$40000\r\n\r\n") - 1));
    kv_round_lose(round, &world.pool, shard);
    run(&world, round);
    expect_told(&world, KV_SHARD_DOWN KV_SHARD_DOWN);
    kv_round_give(&world.rounds, &world.pool, round);
    free((void *)(uintptr_t)value.data);
    world_deinit(&world);
}

Test(round, large_replies_are_told_in_bounded_pieces)
{
    enum { VALUE = 100000, GETS = 64 };
    struct world world;
    world_init(&world);
    struct kv_bytes value = {calloc(1, VALUE), VALUE};
    struct kv_bytes none = {0};
    struct kv_round *round = kv_round_take(&world.rounds);
    for (int i = 0; i < 4; i++) {
        char key[2] = {(char)('a' + i), 0};
        operate(&world, round, KV_SET, key, value, KV_TELL);
    }
    run(&world, round);
    kv_round_give(&world.rounds, &world.pool, round);
    world.told.size = 0;

    round = kv_round_take(&world.rounds);
    for (int i = 0; i < GETS; i++) {
        char key[2] = {(char)('a' + i % 4), 0};
        operate(&world, round, KV_GET, key, none, KV_TELL);
    }
    cr_assert_geq(run(&world, round), GETS * VALUE / (KV_OUTPUT_SOFT_MAX + KV_REPLY_SOFT_MAX + 2 * VALUE));
    cr_assert_eq(world.told.size, (size_t)GETS * (VALUE + sizeof("$100000\r\n\r\n") - 1));
    for (size_t i = 0; i < GETS; i++) {
        cr_assert_eq(memcmp(world.told.data + i * (VALUE + 11), "$100000\r\n", 9), 0);
    }
    for (uint32_t i = 0; i < round->touched_count; i++) {
        cr_assert_leq(round->batches[round->touched[i]]->out.capacity, 2 * (KV_REPLY_SOFT_MAX + VALUE + 64));
    }
    kv_round_give(&world.rounds, &world.pool, round);
    free((void *)(uintptr_t)value.data);
    world_deinit(&world);
}

Test(batch, a_small_operation_fits_into_a_message)
{
    uint8_t bytes[32];
    struct kv_request request = {
        .code = KV_SET, .flags = KV_IF_NEW, .key = text_bytes("key:000000000000"), .value = text_bytes("xxx")};
    size_t size = kv_request_pack(&request, bytes, sizeof bytes);
    cr_assert_eq(size, 4 + 16 + 3);
    struct kv_request back = kv_request_unpack(bytes, seed);
    cr_assert_eq(back.code, KV_SET);
    cr_assert_eq(back.flags, KV_IF_NEW);
    cr_assert_eq(back.argument, 0);
    cr_assert_eq(back.hash, store_hash(seed, "key:000000000000", 16));
    cr_assert(back.key.size == 16 && memcmp(back.key.data, "key:000000000000", 16) == 0);
    cr_assert(back.value.size == 3 && memcmp(back.value.data, "xxx", 3) == 0);

    request.argument = -77;
    cr_assert_eq(kv_request_pack(&request, bytes, sizeof bytes), 31);
    back = kv_request_unpack(bytes, seed);
    cr_assert_eq(back.argument, -77);
    cr_assert_eq(back.flags, KV_IF_NEW);
    request.value = text_bytes("xxxxx");
    cr_assert_eq(kv_request_pack(&request, bytes, sizeof bytes), 0, "one byte too much");
}

Test(batch, set_options_and_deadlines)
{
    struct store store;
    cr_assert(store_init(&store));
    struct kv_buffer out = {0};
    struct kv_request set = {.code = KV_SET, .key = text_bytes("k"), .value = text_bytes("1"), .argument = 50};
    struct kv_request ttl = {.code = KV_PTTL, .key = set.key};
    kv_execute(&store, &set, 1000, &out);
    kv_execute(&store, &ttl, 1020, &out);
    set.flags = KV_IF_NEW;
    kv_execute(&store, &set, 1020, &out);
    set.flags = KV_KEEP_TTL;
    set.argument = 0;
    kv_execute(&store, &set, 1020, &out);
    kv_execute(&store, &ttl, 1030, &out);
    set.flags = KV_RETURN_OLD;
    kv_execute(&store, &set, 1030, &out);
    kv_execute(&store, &ttl, 1030, &out);
    kv_execute(&store, &ttl, 1030, &out);
    RESP_LITERAL(&out, "\0");
    cr_assert_str_eq((char *)out.data, "+OK\r\n:30\r\n$-1\r\n+OK\r\n:20\r\n$1\r\n1\r\n:-1\r\n:-1\r\n");
    kv_buffer_deinit(&out);
    store_deinit(&store);
}

Test(batch, deadlines_at_the_ends_of_time)
{
    struct store store;
    cr_assert(store_init(&store));
    struct kv_buffer out = {0};
    struct kv_request set = {.code = KV_SET, .key = text_bytes("k"), .value = text_bytes("1"), .argument = INT64_MAX};
    struct kv_request expire = {.code = KV_EXPIRE, .key = set.key, .argument = INT64_MIN};
    struct kv_request exists = {.code = KV_EXISTS, .key = set.key};
    kv_execute(&store, &set, 1000, &out);
    kv_execute(&store, &exists, INT64_MAX - 1, &out);
    kv_execute(&store, &expire, 1000, &out);
    kv_execute(&store, &exists, 1000, &out);
    RESP_LITERAL(&out, "\0");
    cr_assert_str_eq((char *)out.data, "+OK\r\n:1\r\n:1\r\n:0\r\n");
    kv_buffer_deinit(&out);
    store_deinit(&store);
}
