/*
 * kv_differential: sends the same seeded commands to two servers and compares the replies byte for byte.
 *
 *   kv_differential --count 1000000 --seed 1 --connections 50 PORT PORT
 *
 * Each connection has keys of its own, so what one sees does not depend on the others. What is sent is split at random
 * bytes, differently for each server. Some connections end with malformed bytes; what the server says to that and that it
 * closes is compared too, then the client connects again.
 *
 * Compared loosely, since they differ by nature: TTL and PTTL (the clock), INFO, COMMAND, DBSIZE, HELLO and CLIENT ID
 * (the kind of reply only). Not sent: SET EXAT (not in jzx-kv). At the end, when nobody else writes, every key, DBSIZE
 * and FLUSHALL are compared to the byte.
 *
 * kv_differential.sh starts both servers for it.
 */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "resp.h"

enum { WINDOW = 64, KEYS = 40, STALL_S = 20, TOLERANCE_S = 5, ARGUMENTS = 12 };

enum compare { EXACT, SECONDS, MILLISECONDS, KIND, CLOSE };

struct expected {
    enum compare compare;
    char text[100]; /* the command, for the report */
};

struct side {
    int fd;
    struct kv_buffer out;
    size_t out_at;
    struct kv_buffer in;
    size_t in_at;
    bool closed;
};

struct client {
    uint32_t index;
    uint64_t random;
    uint64_t split_random;
    struct side sides[2];
    struct expected expected[WINDOW];
    uint32_t first; /* of `expected` */
    uint32_t count;
    bool closing;
};

static uint16_t ports[2];
static uint64_t seed = 1;
static uint64_t to_send = 100000;
static uint64_t compared;
static uint64_t reconnected;

static uint64_t next_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15ULL;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static uint32_t below(struct client *client, uint32_t limit)
{
    return (uint32_t)(next_random(&client->random) % limit);
}

static void die(const char *what)
{
    fprintf(stderr, "kv_differential: %s: %s\n", what, strerror(errno));
    exit(2);
}

static void connect_side(struct side *side, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    side->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (side->fd < 0 || connect(side->fd, (struct sockaddr *)&address, sizeof address) != 0) {
        die("connect");
    }
    int on = 1;
    setsockopt(side->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    side->out.size = side->out_at = side->in.size = side->in_at = 0;
    side->closed = false;
}

/* Commands. */

struct text {
    uint8_t bytes[70000];
    size_t size;
};

struct command {
    uint32_t count;
    struct text arguments[ARGUMENTS];
    enum compare compare;
};

static struct text *add_text(struct command *command, const char *word)
{
    struct text *text = &command->arguments[command->count++];
    text->size = strlen(word);
    memcpy(text->bytes, word, text->size);
    return text;
}

static void add_key(struct client *client, struct command *command)
{
    struct text *text = add_text(command, "");
    text->size = (size_t)sprintf((char *)text->bytes, "k%u:%u", client->index, below(client, KEYS));
}

static void add_number(struct client *client, struct command *command)
{
    static const char *const odd[] = {
        "0", "-0", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "01", "", "1.5", "+1", " 1"};
    if (below(client, 8) == 0) {
        add_text(command, odd[below(client, sizeof odd / sizeof odd[0])]);
        return;
    }
    struct text *text = add_text(command, "");
    text->size = (size_t)sprintf((char *)text->bytes, "%d", (int)below(client, 2000) - 1000);
}

/* A time that does not pass during the test, or one that is over at once. */
static void add_time(struct client *client, struct command *command, bool milliseconds)
{
    if (below(client, 6) == 0) {
        add_number(client, command); /* mostly in the past, or no time at all */
        struct text *text = &command->arguments[command->count - 1];
        if (text->size != 0 && text->bytes[0] >= '1' && text->bytes[0] <= '9' && text->size < 5) {
            text->bytes[0] = '-';
        }
        return;
    }
    struct text *text = add_text(command, "");
    uint32_t time = 1000 + below(client, 1000000);
    text->size = (size_t)sprintf((char *)text->bytes, "%u%s", time, milliseconds ? "000" : "");
}

static void add_value(struct client *client, struct command *command)
{
    uint32_t kind = below(client, 100);
    if (kind < 30) {
        add_number(client, command);
        return;
    }
    struct text *text = add_text(command, "");
    text->size = below(client, kind < 80 ? 40 : kind < 98 ? 1000 : kind < 99 ? 20000 : sizeof text->bytes);
    for (size_t at = 0; at < text->size; at++) {
        text->bytes[at] = (uint8_t)next_random(&client->random);
    }
}

static void add_keys(struct client *client, struct command *command)
{
    for (uint32_t count = 1 + below(client, 5); count > 0; count--) {
        add_key(client, command);
    }
}

static void make_set(struct client *client, struct command *command)
{
    static const char *const options[] = {"NX", "XX", "GET", "KEEPTTL", "nx", "xx", "bad"};
    add_text(command, below(client, 2) != 0 ? "SET" : "set");
    add_key(client, command);
    add_value(client, command);
    uint32_t count = below(client, 3) == 0 ? 1 + below(client, 3) : 0;
    for (; count > 0; count--) {
        if (below(client, 2) == 0) {
            bool milliseconds = below(client, 2) != 0;
            add_text(command, milliseconds ? "PX" : "ex");
            if (below(client, 20) != 0) {
                add_time(client, command, milliseconds);
            }
        } else {
            add_text(command, options[below(client, sizeof options / sizeof options[0])]);
        }
    }
}

static void make_expire(struct client *client, struct command *command)
{
    static const char *const options[] = {"NX", "XX", "GT", "LT", "gt", "what"};
    bool milliseconds = below(client, 2) != 0;
    add_text(command, milliseconds ? "PEXPIRE" : "EXPIRE");
    add_key(client, command);
    add_time(client, command, milliseconds);
    for (uint32_t count = below(client, 3) == 0 ? 1 + below(client, 2) : 0; count > 0; count--) {
        add_text(command, options[below(client, sizeof options / sizeof options[0])]);
    }
}

/* Fixed words: connection and server commands, and what is wrong in every way. A word "@" is a key, "#" a value. */
struct phrase {
    enum compare compare;
    const char *words[5];
};

static const struct phrase phrases[] = {
    {EXACT, {"PING"}},
    {EXACT, {"ping", "#"}},
    {EXACT, {"PING", "#", "#"}},
    {EXACT, {"ECHO", "#"}},
    {EXACT, {"ECHO"}},
    {EXACT, {"GET"}},
    {EXACT, {"GET", "@", "@"}},
    {EXACT, {"SET", "@"}},
    {EXACT, {"SET", "@", "#", "EX"}},
    {EXACT, {"DEL"}},
    {EXACT, {"EXISTS"}},
    {EXACT, {"MGET"}},
    {EXACT, {"MSET"}},
    {EXACT, {"MSET", "@", "#", "@"}},
    {EXACT, {"INCR"}},
    {EXACT, {"INCR", "@", "1"}},
    {EXACT, {"INCRBY", "@"}},
    {EXACT, {"INCRBY", "@", "#"}},
    {EXACT, {"DECRBY", "@", "-9223372036854775808"}},
    {EXACT, {"EXPIRE", "@"}},
    {EXACT, {"TTL"}},
    {EXACT, {"PTTL", "@", "@"}},
    {EXACT, {"DBSIZE", "x"}},
    {EXACT, {"FLUSHALL", "x"}},
    {EXACT, {"FLUSHALL", "SYNC", "x"}},
    {EXACT, {"NOSUCH"}},
    {EXACT, {"NOSUCH", "#", "@", "#"}},
    {EXACT, {"no\r\nsuch", "a\r\nb"}},
    {EXACT, {""}},
    {EXACT, {"", ""}},
    {EXACT, {"GETT", "@"}},
    {EXACT, {"SELECT", "0"}},
    {EXACT, {"SELECT", "99"}},
    {EXACT, {"SELECT", "-1"}},
    {EXACT, {"SELECT", "x"}},
    {EXACT, {"SELECT"}},
    {EXACT, {"CONFIG"}},
    {EXACT, {"CONFIG", "GET"}},
    {EXACT, {"CONFIG", "GET", "save"}},
    {EXACT, {"CONFIG", "GET", "appendonly"}},
    {EXACT, {"CONFIG", "GET", "nosuchparameter"}},
    {EXACT, {"CONFIG", "GET", "maxmem[n-p]ry", "MAXMEMOR?", "nosuch*"}},
    {EXACT, {"CONFIG", "SET", "databases", "2"}},
    {EXACT, {"CONFIG", "SET", "DataBases", "2"}},
    {EXACT, {"CONFIG", "SET", "data*", "2"}},
    {EXACT, {"CONFIG", "SET", "no\r\nsuch", "2"}},
    {EXACT, {"CONFIG", "SET", "databases", "2", "databases"}},
    {EXACT, {"CONFIG", "SET", "databases"}},
    {EXACT, {"CONFIG", "NOSUCH"}},
    {EXACT, {"CLIENT"}},
    {EXACT, {"CLIENT", "NOSUCH", "@"}},
    {EXACT, {"CLIENT", "GETNAME"}},
    {EXACT, {"CLIENT", "GETNAME", "x"}},
    {EXACT, {"CLIENT", "SETNAME"}},
    {EXACT, {"CLIENT", "SETNAME", "a name"}},
    {EXACT, {"CLIENT", "SETNAME", "name"}},
    {EXACT, {"CLIENT", "SETNAME", ""}},
    {EXACT, {"client", "id", "x"}},
    {KIND, {"CLIENT", "ID"}},
    {EXACT, {"COMMAND", "NOSUCH"}},
    {KIND, {"COMMAND"}},
    {KIND, {"INFO"}},
    {KIND, {"INFO", "server"}},
    {KIND, {"DBSIZE"}},
    {KIND, {"HELLO"}},
    {KIND, {"HELLO", "2"}},
    {KIND, {"HELLO", "3"}},
    {KIND, {"HELLO", "3"}},
    {KIND, {"HELLO", "3", "SETNAME", "three"}},
    {EXACT, {"COMMAND", "DOCS", "nosuch"}},
    {EXACT, {"HELLO", "4"}},
    {EXACT, {"HELLO", "x"}},
    {EXACT, {"HELLO", "2", "WHAT"}},
    {EXACT, {"RESET"}},
    {EXACT, {"PUBLISH", "nobody", "#"}},
    {EXACT, {"publish", "@", "#"}},
    {EXACT, {"PUBLISH", "nobody"}},
    {EXACT, {"SUBSCRIBE"}},
    {EXACT, {"PSUBSCRIBE"}},
    {EXACT, {"UNSUBSCRIBE"}},
    {EXACT, {"UNSUBSCRIBE", "@"}},
    {EXACT, {"punsubscribe", "@"}},
    {EXACT, {"PUBSUB"}},
    {EXACT, {"PUBSUB", "CHANNELS"}},
    {EXACT, {"PUBSUB", "NUMSUB", "@", "b"}},
    {EXACT, {"PUBSUB", "NUMPAT"}},
    {EXACT, {"PUBSUB", "WHAT"}},
    {EXACT, {"FLUSHALLX"}},
    {EXACT, {"PUNSUBSCRIBEPUNSU"}},
};

static void make_phrase(struct client *client, struct command *command)
{
    const struct phrase *phrase = &phrases[below(client, sizeof phrases / sizeof phrases[0])];
    command->compare = phrase->compare;
    for (int i = 0; i < 5 && phrase->words[i] != NULL; i++) {
        if (strcmp(phrase->words[i], "@") == 0) {
            add_key(client, command);
        } else if (strcmp(phrase->words[i], "#") == 0) {
            add_value(client, command);
        } else {
            add_text(command, phrase->words[i]);
        }
    }
}

static void make_on_key(struct client *client, struct command *command, const char *name, enum compare compare)
{
    add_text(command, name);
    add_key(client, command);
    command->compare = compare;
}

static void make_command(struct client *client, struct command *command)
{
    command->count = 0;
    command->compare = EXACT;
    uint32_t kind = below(client, 100);
    if (kind < 22) {
        make_on_key(client, command, "GET", EXACT);
    } else if (kind < 47) {
        make_set(client, command);
    } else if (kind < 53) {
        make_on_key(client, command, below(client, 2) != 0 ? "INCR" : "DECR", EXACT);
    } else if (kind < 59) {
        make_on_key(client, command, below(client, 2) != 0 ? "INCRBY" : "DECRBY", EXACT);
        add_number(client, command);
    } else if (kind < 64) {
        add_text(command, below(client, 2) != 0 ? "DEL" : "UNLINK");
        add_keys(client, command);
    } else if (kind < 68) {
        add_text(command, below(client, 2) != 0 ? "Exists" : "TOUCH");
        add_keys(client, command);
    } else if (kind < 73) {
        add_text(command, "MGET");
        add_keys(client, command);
    } else if (kind < 78) {
        add_text(command, "MSET");
        for (uint32_t count = 1 + below(client, 5); count > 0; count--) {
            add_key(client, command);
            add_value(client, command);
        }
    } else if (kind < 83) {
        make_expire(client, command);
    } else if (kind < 87) {
        make_on_key(client, command, "TTL", SECONDS);
    } else if (kind < 91) {
        make_on_key(client, command, "PTTL", MILLISECONDS);
    } else if (kind < 93) {
        make_on_key(client, command, "PERSIST", EXACT);
    } else if (kind < 94) {
        make_on_key(client, command, "STRLEN", EXACT);
    } else {
        make_phrase(client, command);
    }
}

/* Malformed bytes whose error is known with the last of them, so that nothing is left unread when the server closes. */
static const char *const malformed[] = {
    "*x\r\n",           "*1\r\n+3\r\n", "*1\r\n$-1\r\n", "*1\r\n$abc\r\n", "*2\r\n$3\r\nGET\r\n:1\r\n",
    "*99999999999\r\n", "SET \"a\r\n",  "PING 'x'y\r\n", "*1\r\n\r\n\r\n", "*1\r\n$99999999999\r\n",
};

static void write_bytes(struct client *client, const void *data, size_t size)
{
    kv_buffer_append(&client->sides[0].out, data, size);
    kv_buffer_append(&client->sides[1].out, data, size);
}

static void write_multibulk(struct client *client, const struct command *command)
{
    struct kv_buffer bytes = {0};
    resp_array(&bytes, command->count);
    for (uint32_t i = 0; i < command->count; i++) {
        resp_bulk(&bytes, command->arguments[i].bytes, command->arguments[i].size);
    }
    write_bytes(client, bytes.data, bytes.size);
    kv_buffer_deinit(&bytes);
}

/* As a line of text, with every byte that is special escaped. */
static void write_inline(struct client *client, const struct command *command)
{
    struct kv_buffer bytes = {0};
    for (uint32_t i = 0; i < command->count; i++) {
        RESP_LITERAL(&bytes, " \"");
        for (size_t at = 0; at < command->arguments[i].size; at++) {
            char escaped[8];
            uint8_t byte = command->arguments[i].bytes[at];
            bool plain = byte >= ' ' && byte <= '~' && byte != '"' && byte != '\\';
            int size = snprintf(escaped, sizeof escaped, plain ? "%c" : "\\x%02x", byte);
            kv_buffer_append(&bytes, escaped, (size_t)size);
        }
        RESP_LITERAL(&bytes, "\"");
    }
    RESP_LITERAL(&bytes, "\r\n");
    write_bytes(client, bytes.data, bytes.size);
    kv_buffer_deinit(&bytes);
}

static void describe(struct expected *expected, const struct command *command)
{
    size_t size = 0;
    for (uint32_t i = 0; i < command->count && size + 8 < sizeof expected->text; i++) {
        const struct text *text = &command->arguments[i];
        for (size_t at = 0; at < text->size && at < 24 && size + 8 < sizeof expected->text; at++) {
            bool plain = text->bytes[at] >= ' ' && text->bytes[at] <= '~';
            size += (size_t)sprintf(expected->text + size, plain ? "%c" : "\\x%02x", text->bytes[at]);
        }
        expected->text[size++] = ' ';
    }
    expected->text[size] = 0;
}

static void send_command(struct client *client)
{
    static struct command command;
    struct expected *expected = &client->expected[(client->first + client->count++) % WINDOW];
    to_send--;
    if (below(client, 3000) == 0) {
        const char *bytes = malformed[below(client, sizeof malformed / sizeof malformed[0])];
        write_bytes(client, bytes, strlen(bytes));
        snprintf(expected->text, sizeof expected->text, "%s", bytes);
        expected->compare = CLOSE;
        client->closing = true;
        return;
    }
    make_command(client, &command);
    expected->compare = command.compare;
    describe(expected, &command);
    size_t size = 0;
    for (uint32_t i = 0; i < command.count; i++) {
        size += command.arguments[i].size;
    }
    if (below(client, 100) == 0) {
        write_bytes(client, "\r\n", 2); /* an empty line has no reply */
    }
    if (size < 10000 && below(client, 20) == 0) {
        write_inline(client, &command);
    } else {
        write_multibulk(client, &command);
    }
}

/* Replies. */

/* The bytes of the reply at `at`, or 0 when it is not complete. */
static size_t reply_size(const uint8_t *at, size_t size)
{
    size_t used = 0;
    for (int64_t left = 1; left > 0; left--) {
        const uint8_t *stop = used < size ? memchr(at + used, '\n', size - used) : NULL;
        if (stop == NULL) {
            return 0;
        }
        int64_t number = 0;
        char mark = (char)at[used];
        if (strchr("$=*%>~", mark) != NULL) {
            number = strtoll((const char *)at + used + 1, NULL, 10);
        }
        used = (size_t)(stop - at) + 1;
        if ((mark == '$' || mark == '=') && number >= 0) {
            used += (size_t)number + 2;
        } else if (number > 0) {
            left += mark == '%' ? number * 2 : number;
        }
        if (used > size) {
            return 0;
        }
    }
    return used;
}

static bool equal(enum compare compare, const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
    if (compare == KIND) {
        return a[0] == b[0];
    }
    if (compare == SECONDS || compare == MILLISECONDS) {
        long long left = strtoll((const char *)a + 1, NULL, 10);
        long long right = strtoll((const char *)b + 1, NULL, 10);
        long long tolerance = compare == SECONDS ? TOLERANCE_S : TOLERANCE_S * 1000;
        if (a[0] == ':' && b[0] == ':' && left > 0 && right > 0) {
            return llabs(left - right) <= tolerance;
        }
    }
    return a_size == b_size && memcmp(a, b, a_size) == 0;
}

static void print_reply(const char *name, const uint8_t *bytes, size_t size)
{
    printf("  %s (%zu bytes): ", name, size);
    for (size_t at = 0; at < size && at < 300; at++) {
        printf(bytes[at] >= ' ' && bytes[at] <= '~' ? "%c" : "\\x%02x", bytes[at]);
    }
    printf("\n");
}

static void differ(const struct client *client, const struct expected *expected, size_t a_size, size_t b_size)
{
    printf("DIFFERENT, seed %llu, connection %u, after %llu replies: %s\n", (unsigned long long)seed, client->index,
           (unsigned long long)compared, expected->text);
    print_reply("first ", client->sides[0].in.data + client->sides[0].in_at, a_size);
    print_reply("second", client->sides[1].in.data + client->sides[1].in_at, b_size);
    exit(1);
}

/* Compares the next reply of both sides, if both have it. */
static bool compare_next(struct client *client)
{
    struct side *a = &client->sides[0];
    struct side *b = &client->sides[1];
    struct expected *expected = &client->expected[client->first];
    size_t a_size = reply_size(a->in.data + a->in_at, a->in.size - a->in_at);
    size_t b_size = reply_size(b->in.data + b->in_at, b->in.size - b->in_at);
    if (expected->compare == CLOSE) {
        if (!a->closed || !b->closed) {
            return false;
        }
        a_size = a->in.size - a->in_at; /* to the end: nothing may follow the error */
        b_size = b->in.size - b->in_at;
    } else if (a_size == 0 || b_size == 0) {
        if ((a->closed && a_size == 0) || (b->closed && b_size == 0)) {
            differ(client, expected, a->in.size - a->in_at, b->in.size - b->in_at);
        }
        return false;
    }
    if (!equal(expected->compare, a->in.data + a->in_at, a_size, b->in.data + b->in_at, b_size)) {
        differ(client, expected, a_size, b_size);
    }
    a->in_at += a_size;
    b->in_at += b_size;
    client->first = (client->first + 1) % WINDOW;
    client->count--;
    compared++;
    return client->count != 0;
}

/* Input and output. */

static void write_side(struct client *client, struct side *side)
{
    uint64_t random = next_random(&client->split_random);
    size_t piece = 1 + (random >> 8) % ((random & 3) == 0 ? 12 : 3000);
    size_t rest = side->out.size - side->out_at;
    ssize_t sent = send(side->fd, side->out.data + side->out_at, piece < rest ? piece : rest,
                        MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EPIPE && errno != ECONNRESET) {
        die("send");
    }
    side->out_at += sent > 0 ? (size_t)sent : 0;
    if (side->out_at == side->out.size) {
        side->out.size = side->out_at = 0;
    }
}

static void read_side(struct side *side)
{
    if (side->in_at > 0 && side->in_at == side->in.size) {
        side->in.size = side->in_at = 0;
    }
    uint8_t *to = kv_buffer_reserve(&side->in, 65537);
    ssize_t size = recv(side->fd, to, 65536, MSG_DONTWAIT);
    if (size == 0 || (size < 0 && errno == ECONNRESET)) {
        side->closed = true;
    } else if (size < 0 && errno != EAGAIN) {
        die("recv");
    }
    side->in.size += size > 0 ? (size_t)size : 0;
    side->in.data[side->in.size] = 0; /* so that numbers end */
}

static void reconnect(struct client *client)
{
    for (int i = 0; i < 2; i++) {
        close(client->sides[i].fd);
        connect_side(&client->sides[i], ports[i]);
    }
    client->closing = false;
    reconnected++;
}

static void serve(struct client *client, const struct pollfd *polled)
{
    for (int i = 0; i < 2; i++) {
        if ((polled[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
            read_side(&client->sides[i]);
        }
        if ((polled[i].revents & POLLOUT) != 0 && client->sides[i].out_at < client->sides[i].out.size) {
            write_side(client, &client->sides[i]);
        }
    }
    while (client->count != 0 && compare_next(client)) {
    }
    if (client->closing && client->count == 0) {
        reconnect(client);
    }
}

static short wanted_events(const struct side *side)
{
    if (side->closed) {
        return 0;
    }
    return side->out_at < side->out.size ? POLLIN | POLLOUT : POLLIN;
}

static void report_stall(const struct client *clients, uint32_t count)
{
    printf("STALLED, seed %llu, after %llu replies\n", (unsigned long long)seed, (unsigned long long)compared);
    for (uint32_t i = 0; i < count; i++) {
        const struct client *client = &clients[i];
        if (client->count != 0) {
            printf("  connection %u waits for %u replies, the first to: %s\n", i, client->count,
                   client->expected[client->first].text);
        }
    }
    exit(1);
}

/* The end, one command at a time: what both servers hold is the same, and it can be deleted. */

static void ask_both(struct client *client, const char *command)
{
    struct expected *expected = &client->expected[client->first];
    snprintf(expected->text, sizeof expected->text, "%s", command);
    expected->compare = EXACT;
    for (int i = 0; i < 2; i++) {
        char line[120];
        int size = snprintf(line, sizeof line, "%s\r\n", command);
        if (send(client->sides[i].fd, line, (size_t)size, MSG_NOSIGNAL) != size) {
            die("send at the end");
        }
    }
    client->count = 1;
    while (client->count != 0) {
        struct pollfd polled[2] = {{client->sides[0].fd, POLLIN, 0}, {client->sides[1].fd, POLLIN, 0}};
        if (poll(polled, 2, STALL_S * 1000) <= 0) {
            die("no reply at the end");
        }
        serve(client, polled);
    }
}

static void compare_stores(struct client *client, uint32_t connections)
{
    char command[64];
    for (uint32_t i = 0; i < connections * KEYS; i++) {
        snprintf(command, sizeof command, "GET k%u:%u", i / KEYS, i % KEYS);
        ask_both(client, command);
    }
    ask_both(client, "DBSIZE");
    ask_both(client, "FLUSHALL");
    ask_both(client, "DBSIZE");
}

static void run(struct client *clients, uint32_t count)
{
    struct pollfd *polled = calloc(count * 2, sizeof *polled);
    time_t moved = time(NULL);
    for (bool open = true; open;) {
        uint64_t before = compared;
        open = to_send != 0;
        for (uint32_t i = 0; i < count; i++) {
            struct client *client = &clients[i];
            while (to_send != 0 && client->count < WINDOW && !client->closing) {
                send_command(client);
            }
            open |= client->count != 0;
            for (int side = 0; side < 2; side++) {
                short events = wanted_events(&client->sides[side]);
                polled[i * 2 + (uint32_t)side] = (struct pollfd){
                    client->sides[side].closed ? -1 : client->sides[side].fd, events, 0};
            }
        }
        if (poll(polled, count * 2, 1000) < 0) {
            die("poll");
        }
        for (uint32_t i = 0; i < count; i++) {
            serve(&clients[i], &polled[i * 2]);
        }
        moved = compared != before ? time(NULL) : moved;
        if (time(NULL) - moved > STALL_S) {
            report_stall(clients, count);
        }
    }
    free(polled);
}

int main(int count, char **arguments)
{
    static const struct option names[] = {{"count", required_argument, NULL, 'n'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"connections", required_argument, NULL, 'c'},
                                          {NULL, 0, NULL, 0}};
    uint32_t connections = 50;
    int name;
    while ((name = getopt_long(count, arguments, "", names, NULL)) != -1) {
        uint64_t value = optarg != NULL ? strtoull(optarg, NULL, 10) : 0;
        to_send = name == 'n' ? value : to_send;
        seed = name == 's' ? value : seed;
        connections = name == 'c' ? (uint32_t)value : connections;
        if (name == '?') {
            return 2;
        }
    }
    if (optind + 2 != count || connections == 0) {
        fprintf(stderr, "usage: kv_differential [--count N] [--seed N] [--connections N] PORT PORT\n");
        return 2;
    }
    ports[0] = (uint16_t)strtoul(arguments[optind], NULL, 10);
    ports[1] = (uint16_t)strtoul(arguments[optind + 1], NULL, 10);
    struct client *clients = calloc(connections, sizeof *clients);
    for (uint32_t i = 0; i < connections; i++) {
        clients[i].index = i;
        clients[i].random = seed * 1000003 + i;
        clients[i].split_random = ~clients[i].random;
        connect_side(&clients[i].sides[0], ports[0]);
        connect_side(&clients[i].sides[1], ports[1]);
    }
    run(clients, connections);
    compare_stores(&clients[0], connections);
    printf("same: %llu replies on %u connections, %llu malformed and connected again, seed %llu\n",
           (unsigned long long)compared, connections, (unsigned long long)reconnected, (unsigned long long)seed);
    for (uint32_t i = 0; i < connections; i++) {
        for (int side = 0; side < 2; side++) {
            close(clients[i].sides[side].fd);
            kv_buffer_deinit(&clients[i].sides[side].in);
            kv_buffer_deinit(&clients[i].sides[side].out);
        }
    }
    free(clients);
    return 0;
}
