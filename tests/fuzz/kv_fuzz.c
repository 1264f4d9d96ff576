/*
 * kv_fuzz: bytes of clients -> commands, rounds, batches and shards of jzx-kv, without the actors between them.
 *
 * The same streams are played to two servers: one with one shard, which is shown each segment in one piece, and one with
 * several, which is shown pieces. The replies are the same bytes; only a command that says how the server is made, or of
 * which a shard is lost, may be answered otherwise. And always: each command has one reply, and each reply has the form
 * that the protocol gives it, as a naive reader sees it.
 *
 *   input    shards u8 | splits u16 | segments
 *   segment  clock u16, added to it in ms, if the highest bit is set times 2^20 | lost shard u8, 255 - index | size u16 |
 *            as many bytes of the stream
 */
#include "fuzz.h"
#include "command.h"

enum { STREAM_MAX = 8192, SHARDS_MAX = 8, ROUNDS_BEFORE_END = 100000 };

struct server {
    struct kv_server server;
    struct kv_loop loop;
    struct kv_session session;
    struct store stores[SHARDS_MAX];
    struct kv_part parts[SHARDS_MAX];
    struct resp_parser parser;
    struct kv_buffer in; /* what is not parsed yet */
    struct kv_buffer told;
    int64_t now_ms;
    uint32_t lost; /* the shard that is down, or SHARDS_MAX */
    uint32_t commands;
    bool particular; /* a command was answered that says how the server is made, or a shard was lost */
    bool failed;     /* the stream was no protocol */
};

static void open_server(struct server *server, uint32_t shards)
{
    memset(server, 0, sizeof *server);
    server->server.options = (struct kv_options){
        .address = "127.0.0.1", .loop_count = 1, .clients_max = 10, .value_max = 4096};
    server->server.loops = &server->loop;
    server->server.shard_count = shards;
    server->server.shards = server->parts;
    server->server.seed[0] = 1;
    server->server.seed[1] = 2;
    server->loop.server = &server->server;
    server->loop.rounds.shard_count = shards;
    server->session.loop = &server->loop;
    server->session.id = 7;
    server->session.protocol = 2;
    server->now_ms = 1000;
    server->lost = SHARDS_MAX;
    resp_parser_init(&server->parser);
    for (uint32_t i = 0; i < shards; i++) {
        FUZZ_REQUIRE(store_init(&server->stores[i]));
    }
}

static void close_server(struct server *server)
{
    for (uint32_t i = 0; i < server->server.shard_count; i++) {
        store_deinit(&server->stores[i]);
    }
    resp_parser_deinit(&server->parser);
    kv_pool_deinit(&server->loop.batches);
    kv_rounds_deinit(&server->loop.rounds);
    kv_buffer_deinit(&server->in);
    kv_buffer_deinit(&server->told);
    free(server->session.name);
    kv_subscriptions_deinit(&server->session.subscriptions);
}

/* ---- a round, as connection.c and shard.c do it ---- */

static uint32_t execute(struct server *server, struct kv_batch *batch)
{
    return kv_batch_execute(batch, &server->stores[batch->shard], server->now_ms);
}

static void execute_all(struct server *server, struct kv_round *round)
{
    for (uint32_t i = 0; i < round->touched_count; i++) {
        uint16_t shard = round->touched[i];
        if (shard == server->lost) {
            kv_round_lose(round, &server->loop.batches, shard);
            server->particular = true;
        } else {
            execute(server, round->batches[shard]);
        }
    }
}

static void tell_all(struct server *server, struct kv_round *round)
{
    for (int rounds = 0; rounds < ROUNDS_BEFORE_END; rounds++) {
        kv_round_tell(round);
        FUZZ_REQUIRE(!round->sending->failed);
        kv_buffer_append(&server->told, round->sending->data, round->sending->size);
        if (round->telling == KV_TOLD_ALL) {
            return;
        }
        if (round->telling == KV_TOLD_STOP) {
            kv_batch_rewind(round->blocked);
            FUZZ_REQUIRE(execute(server, round->blocked) != 0);
        }
    }
    FUZZ_REQUIRE(!"a round that does not end");
}

static bool is_word(struct kv_bytes bytes, const char *word)
{
    return bytes.size == strlen(word) && strncasecmp((const char *)bytes.data, word, bytes.size) == 0;
}

/* How many replies the command has that the parser holds. */
static uint32_t replies(const struct server *server)
{
    static const char *const one_each[] = {"subscribe", "unsubscribe", "psubscribe", "punsubscribe"};
    struct kv_bytes name = resp_argument(&server->parser, 0);
    for (unsigned i = 0; i < sizeof one_each / sizeof one_each[0]; i++) {
        if (is_word(name, one_each[i]) && server->parser.count > 1) {
            return server->parser.count - 1;
        }
    }
    return !server->session.crash; /* which has none */
}

/* False: it is for the next round. */
static bool add_command(struct server *server, struct kv_round *round)
{
    struct kv_bytes name = resp_argument(&server->parser, 0);
    server->particular |= is_word(name, "debug") || is_word(name, "info");
    if (!kv_command(&server->session, round, &server->parser)) {
        return false;
    }
    FUZZ_REQUIRE(!round->failed);
    server->commands += replies(server);
    server->session.crash = false;
    return true;
}

/* Adds commands while there are any and the round is not full. Returns how many bytes they had. */
static size_t fill_round(struct server *server, struct kv_round *round, const uint8_t *data, size_t size)
{
    size_t used = 0;
    while (used < size && !kv_round_full(round) && !server->session.quit) {
        enum resp_result result = resp_parse(&server->parser, data + used, size - used,
                                             server->server.options.value_max);
        if (result != RESP_COMMAND) {
            server->failed |= result == RESP_ERROR;
            break;
        }
        if (server->parser.count != 0 && !add_command(server, round)) {
            resp_parser_next(&server->parser);
            break;
        }
        used += server->parser.position;
        resp_parser_next(&server->parser);
    }
    return used;
}

/* Shows the server some more bytes. */
static void show(struct server *server, const uint8_t *data, size_t size)
{
    kv_buffer_append(&server->in, data, size);
    for (;;) {
        struct kv_round *round = kv_round_take(&server->loop.rounds);
        FUZZ_REQUIRE(round != NULL);
        uint8_t *exact = fuzz_copy(server->in.data, server->in.size);
        size_t used = server->failed ? 0 : fill_round(server, round, exact, server->in.size);
        free(exact);
        memmove(server->in.data, server->in.data + used, server->in.size - used);
        server->in.size -= used;
        bool again = round->slot_count != 0;
        if (again) {
            execute_all(server, round);
            tell_all(server, round);
        }
        kv_round_give(&server->loop.rounds, &server->loop.batches, round);
        if (!again) {
            return;
        }
    }
}

/* ---- replies ---- */

struct reading {
    const uint8_t *at;
    const uint8_t *end;
};

static int64_t read_line(struct reading *reading)
{
    char number[24] = "";
    size_t size = 0;
    while (reading->at < reading->end && *reading->at != '\r') {
        number[size < sizeof number - 1 ? size++ : size] = (char)*reading->at++;
    }
    FUZZ_REQUIRE(reading->end - reading->at >= 2 && reading->at[1] == '\n');
    reading->at += 2;
    return strtoll(number, NULL, 10);
}

static void read_reply(struct reading *reading)
{
    FUZZ_REQUIRE(reading->at < reading->end);
    uint8_t mark = *reading->at++;
    FUZZ_REQUIRE(strchr("+-:$*_%=>", mark) != NULL && mark != 0);
    int64_t number = read_line(reading);
    if ((mark == '$' || mark == '=') && number >= 0) {
        FUZZ_REQUIRE(reading->end - reading->at >= number + 2);
        reading->at += number;
        FUZZ_REQUIRE(memcmp(reading->at, "\r\n", 2) == 0);
        reading->at += 2;
    }
    int64_t parts = mark == '*' || mark == '>' ? number : mark == '%' ? number * 2 : 0;
    for (int64_t i = 0; i < parts; i++) {
        read_reply(reading);
    }
}

static void check_replies(const struct server *server)
{
    uint8_t *exact = fuzz_copy(server->told.data, server->told.size);
    struct reading reading = {exact, exact + server->told.size};
    FUZZ_REQUIRE(!server->told.failed);
    for (uint32_t i = 0; i < server->commands; i++) {
        read_reply(&reading);
    }
    FUZZ_REQUIRE(reading.at == reading.end);
    free(exact);
}

/* ---- both servers ---- */

static void play(struct server *server, struct fuzz_input input, uint32_t random, bool may_lose)
{
    while (input.left > 0 && !server->failed) {
        uint16_t clock = fuzz_u16(&input);
        uint8_t lost = (uint8_t)(255 - fuzz_u8(&input));
        size_t size = fuzz_u16(&input) % STREAM_MAX;
        const uint8_t *data = fuzz_bytes(&input, &size);
        server->now_ms += clock & 0x8000 ? (int64_t)(clock & 0x7FFF) << 20 : clock;
        server->session.now_ns = (uint64_t)server->now_ms * 1000000;
        server->lost = may_lose && lost < server->server.shard_count ? lost : SHARDS_MAX;
        for (size_t at = 0; at < size;) {
            random = random * 1664525u + 1013904223u;
            size_t piece = may_lose ? 1 + (random >> 16) % (4 + size / 8) : size;
            piece = size - at < piece ? size - at : piece;
            show(server, data + at, piece);
            at += piece;
        }
    }
}

static size_t count_keys(struct server *server)
{
    size_t count = 0;
    for (uint32_t i = 0; i < server->server.shard_count; i++) {
        store_expire(&server->stores[i], server->now_ms, SIZE_MAX);
        count += server->stores[i].count;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct server one;
    static struct server several;
    struct fuzz_input input = {data, size};
    uint32_t shards = 1u << fuzz_below(&input, 4);
    uint16_t splits = fuzz_u16(&input);
    open_server(&one, 1);
    open_server(&several, shards);
    play(&one, input, 0, false);
    play(&several, input, splits, true);
    check_replies(&one);
    check_replies(&several);
    if (!several.particular) {
        FUZZ_REQUIRE(one.told.size == several.told.size);
        FUZZ_REQUIRE(one.told.size == 0 || memcmp(one.told.data, several.told.data, one.told.size) == 0);
        FUZZ_REQUIRE(one.failed == several.failed && count_keys(&one) == count_keys(&several));
    }
    close_server(&one);
    close_server(&several);
    return 0;
}
