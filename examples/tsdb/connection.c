/*
 * connection: the actor of one client. It reads lines, asks the parts, and replies in order.
 *
 * It does one step at a time: a run of PUT lines, which go to their heads together, or one other command. What comes
 * meanwhile waits, and reading pauses when that is much. A part that is down is told to the client at once, never waited
 * for.
 */
#include "tsdb.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "line.h"

static const uint64_t ORPHAN_NS = 5000000000u;

enum {
    WAITING_HIGH = 64 * 1024, /* bytes that wait before reading pauses */
    REPLY_MAX = 96,           /* bytes of a reply of this actor's own */
    BAD_LINE = HEADS_MAX,     /* stands for the head of a point that is none */
};

struct bytes {
    char *data;
    size_t size;
    size_t capacity;
};

enum step { NO_STEP, PUT_STEP, FLUSH_STEP, TEXT_STEP };

/* What one head was asked; of a TEXT_STEP, the first one of these is the part's. */
struct asked {
    uint64_t ref; /* 0: not asked, or answered */
    enum tsdb_status status;
};

struct connection {
    struct tsdb *tsdb;
    jzx_socket_id socket; /* 0: not come yet */
    struct bytes in;
    size_t in_at; /* up to here it is used */
    struct bytes out;
    size_t out_at; /* up to here it is sent */
    enum step step;
    char part[NAME_MAX_BYTES]; /* who is asked in a TEXT_STEP */
    uint32_t waiting;          /* answers to come */
    struct asked asked[HEADS_MAX];
    struct tsdb_batch *batches[HEADS_MAX]; /* being filled */
    uint32_t lines;                        /* of a PUT_STEP */
    uint8_t line_heads[BATCH_MAX];
    bool paused;
    bool last; /* no more lines count */
    bool eof;  /* no more come */
    bool lost; /* the socket is closed, or there is no memory */
};

/* ---- bytes ---- */

static char *reserve(struct connection *connection, struct bytes *bytes, size_t more)
{
    size_t capacity = bytes->capacity != 0 ? bytes->capacity : 1024;
    while (capacity - bytes->size < more) {
        capacity *= 2;
    }
    if (capacity != bytes->capacity) {
        char *data = realloc(bytes->data, capacity);
        if (data == NULL) {
            connection->lost = true;
            return NULL;
        }
        bytes->data = data;
        bytes->capacity = capacity;
    }
    return bytes->data + bytes->size;
}

static void add(struct connection *connection, struct bytes *bytes, const void *data, size_t size)
{
    char *at = reserve(connection, bytes, size);
    if (at != NULL) {
        memcpy(at, data, size);
        bytes->size += size;
    }
}

__attribute__((format(printf, 2, 3))) static void reply(struct connection *connection, const char *format, ...)
{
    char text[REPLY_MAX];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    add(connection, &connection->out, text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
}

static void reply_status(struct connection *connection, const char *name, enum tsdb_status status)
{
    switch (status) {
    case TSDB_DONE:
        reply(connection, "OK\n");
        break;
    case TSDB_BUSY:
        reply(connection, "AGAIN %s is busy\n", name);
        break;
    case TSDB_DOWN:
        reply(connection, "AGAIN %s is down\n", name);
        break;
    case TSDB_FAILED:
        reply(connection, "ERR %s cannot use its files\n", name);
        break;
    case TSDB_DAMAGED:
        reply(connection, "ERR %s has a damaged file\n", name);
        break;
    }
}

/* ---- steps: asking ---- */

/* Asks a part; the answer, or what became of the question, is noted at `index`. */
static void ask(jzx_context *context, struct connection *connection, uint32_t index, const char *name,
                jzx_message *message)
{
    struct asked *asked = &connection->asked[index];
    jzx_err err = tsdb_ask(context, connection->tsdb, name, message, JZX_FOREVER, &asked->ref);
    if (err == JZX_OK) {
        connection->waiting++;
        return;
    }
    bool full = err == JZX_ERR_MAILBOX_FULL || err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_LIMIT;
    asked->ref = 0;
    asked->status = full ? TSDB_BUSY : TSDB_DOWN;
    if ((message->flags & JZX_MESSAGE_POINTER) != 0) {
        free(message->pointer.data);
    }
}

static void ask_head(jzx_context *context, struct connection *connection, uint32_t head, jzx_message *message)
{
    char name[NAME_MAX_BYTES];
    ask(context, connection, head, tsdb_name(name, "head", head), message);
}

/* Notes a PUT line. */
static void put(struct connection *connection, const struct line *line)
{
    struct point point = {.number = 0};
    uint8_t *head = &connection->line_heads[connection->lines++];
    *head = BAD_LINE;
    if (!line_point(line, &point)) {
        return;
    }
    *head = (uint8_t)tsdb_head_of(connection->tsdb, point.series);
    struct tsdb_batch **batch = &connection->batches[*head];
    if (*batch == NULL) {
        *batch = malloc(sizeof **batch);
        if (*batch == NULL) {
            connection->lost = true;
            return;
        }
        (*batch)->count = 0;
    }
    (*batch)->points[(*batch)->count++] = point;
}

static void send_batches(jzx_context *context, struct connection *connection)
{
    for (uint32_t head = 0; head < connection->tsdb->options.heads; head++) {
        struct tsdb_batch *batch = connection->batches[head];
        if (batch != NULL) {
            jzx_message message = jzx_message_pointer(TSDB_APPEND, batch, sizeof *batch, tsdb_drop, NULL);
            connection->batches[head] = NULL;
            ask_head(context, connection, head, &message);
        }
    }
}

static void start_range(jzx_context *context, struct connection *connection, const struct line *line)
{
    struct tsdb_query *query = malloc(sizeof *query);
    if (query == NULL || !line_range(line, query->series, &query->from, &query->to)) {
        free(query);
        reply(connection, "ERR RANGE series from to\n");
        return;
    }
    jzx_message message = jzx_message_pointer(TSDB_RANGE, query, sizeof *query, tsdb_drop, NULL);
    connection->step = TEXT_STEP;
    tsdb_name(connection->part, "head", tsdb_head_of(connection->tsdb, query->series));
    ask(context, connection, 0, connection->part, &message);
}

static void start_flush(jzx_context *context, struct connection *connection)
{
    connection->step = FLUSH_STEP;
    for (uint32_t head = 0; head < connection->tsdb->options.heads; head++) {
        jzx_message message = jzx_message_empty(TSDB_FLUSH);
        ask_head(context, connection, head, &message);
    }
}

static void start_text(jzx_context *context, struct connection *connection, const char *part, enum tsdb_tag tag)
{
    jzx_message message = jzx_message_empty(tag);
    connection->step = TEXT_STEP;
    snprintf(connection->part, sizeof connection->part, "%s", part);
    ask(context, connection, 0, part, &message);
}

/* "CRASH head 1", "CRASH head 1 torn", "CRASH merge", "CRASH metrics" and so on: a fault on command. */
static void crash(jzx_context *context, struct connection *connection, const struct line *line)
{
    static const char *const many[] = {"head", "merge", "index"};
    char name[NAME_MAX_BYTES];
    int64_t index = 0;
    jzx_actor_id id;
    bool good = line->count >= 2 && line->count <= 4 && (line->count == 2 || line_number(line, 2, &index));
    bool torn = good && line->count == 4 && strcmp(line->words[3], "torn") == 0;
    if (!good || (line->count == 4 && (!torn || strcmp(line->words[1], "head") != 0))) {
        reply(connection, "ERR CRASH part [number]\n");
        return;
    }
    snprintf(name, sizeof name, "%s", line->words[1]);
    for (size_t i = 0; i < sizeof many / sizeof many[0]; i++) {
        if (strcmp(line->words[1], many[i]) == 0) {
            tsdb_name(name, many[i], (uint32_t)index);
        }
    }
    jzx_message tear = jzx_message_empty(TSDB_TEAR);
    jzx_err err = jzx_whereis(connection->tsdb->runtime, name, &id);
    err = err != JZX_OK ? err : torn ? jzx_send(context, id, &tear) : jzx_fail(context, id, 1, "CRASH");
    reply_status(connection, name, err == JZX_OK ? TSDB_DONE : TSDB_DOWN);
}

static bool is(const struct line *line, const char *word, int count)
{
    return line->count >= 1 && strcmp(line->words[0], word) == 0 && (count == 0 || line->count == count);
}

/* Any command but PUT. */
static void command(jzx_context *context, struct connection *connection, const struct line *line)
{
    if (is(line, "RANGE", 0)) {
        start_range(context, connection, line);
    } else if (is(line, "FLUSH", 1)) {
        start_flush(context, connection);
    } else if (is(line, "STATS", 1)) {
        start_text(context, connection, "metrics", TSDB_STATS);
    } else if (is(line, "HEALTH", 1)) {
        start_text(context, connection, "health", TSDB_HEALTH);
    } else if (is(line, "CRASH", 0)) {
        crash(context, connection, line);
    } else if (is(line, "QUIT", 1)) {
        connection->last = true;
    } else if (line->count != 0) {
        reply(connection, "ERR PUT, RANGE, FLUSH, STATS, HEALTH, CRASH or QUIT\n");
    }
}

/* ---- steps: replying ---- */

static void reply_puts(struct connection *connection)
{
    char name[NAME_MAX_BYTES];
    for (uint32_t i = 0; i < connection->lines; i++) {
        uint32_t head = connection->line_heads[i];
        if (head == BAD_LINE) {
            reply(connection, "ERR PUT series time value\n");
        } else {
            reply_status(connection, tsdb_name(name, "head", head), connection->asked[head].status);
        }
    }
    connection->lines = 0;
}

static void reply_flush(struct connection *connection)
{
    char name[NAME_MAX_BYTES] = "all";
    enum tsdb_status status = TSDB_DONE;
    for (uint32_t head = 0; head < connection->tsdb->options.heads; head++) {
        if (connection->asked[head].status != TSDB_DONE) {
            status = connection->asked[head].status;
            tsdb_name(name, "head", head);
        }
    }
    reply_status(connection, name, status);
}

/* All answers of a step are here. What TEXT_STEP has to say is written when it comes, unless it is a status. */
static void end_step(struct connection *connection)
{
    if (connection->step == PUT_STEP) {
        reply_puts(connection);
    } else if (connection->step == FLUSH_STEP) {
        reply_flush(connection);
    } else if (connection->step == TEXT_STEP && connection->asked[0].status != TSDB_DONE) {
        reply_status(connection, connection->part, connection->asked[0].status);
    }
    memset(connection->asked, 0, sizeof connection->asked);
    connection->step = NO_STEP;
}

/* Gives the socket what it takes. */
static void send_out(jzx_context *context, struct connection *connection)
{
    enum { PIECE = 64 * 1024 };
    while (connection->out_at < connection->out.size) {
        size_t size = connection->out.size - connection->out_at;
        size = size < PIECE ? size : PIECE;
        jzx_err err = jzx_tcp_send(context, connection->socket, connection->out.data + connection->out_at, size);
        if (err == JZX_ERR_WOULD_BLOCK) {
            return; /* JZX_TCP_DRAINED follows */
        }
        if (err != JZX_OK) {
            connection->lost = true;
            return;
        }
        connection->out_at += size;
    }
    connection->out.size = 0;
    connection->out_at = 0;
}

/* ---- the lines ---- */

static bool next_line(struct connection *connection, struct line *line)
{
    const char *from = connection->in.data + connection->in_at;
    size_t size = connection->in.size - connection->in_at;
    const char *end = size != 0 ? memchr(from, '\n', size) : NULL;
    if (end == NULL || end - from >= LINE_BYTES_MAX) {
        if (size >= LINE_BYTES_MAX) {
            reply(connection, "ERR the line is too long\n");
            connection->last = true;
        }
        return false;
    }
    line_split(line, from, (size_t)(end - from));
    connection->in_at += (size_t)(end - from) + 1;
    return true;
}

/* Takes the PUT lines that follow each other, and the command behind them if there is none. */
static bool start_step(jzx_context *context, struct connection *connection)
{
    struct line line;
    size_t before = connection->in_at;
    while (connection->lines < BATCH_MAX && next_line(connection, &line)) {
        if (is(&line, "PUT", 0)) {
            connection->step = PUT_STEP;
            put(connection, &line);
            before = connection->in_at;
        } else if (connection->step == NO_STEP) {
            command(context, connection, &line);
            return true;
        } else {
            connection->in_at = before; /* in the next step */
            break;
        }
    }
    if (connection->step == PUT_STEP) {
        send_batches(context, connection);
        return true;
    }
    return false;
}

static void keep_reading(jzx_context *context, struct connection *connection)
{
    connection->in.size -= connection->in_at;
    if (connection->in_at != 0) {
        memmove(connection->in.data, connection->in.data + connection->in_at, connection->in.size);
        connection->in_at = 0;
    }
    bool much = connection->in.size > WAITING_HIGH;
    if (much != connection->paused) {
        connection->paused = much;
        (much ? jzx_tcp_pause : jzx_tcp_read)(context, connection->socket);
    }
}

static void go_on(jzx_context *context, struct connection *connection)
{
    bool more = true;
    while (more && connection->waiting == 0 && connection->out.size == 0 && !connection->last && !connection->lost) {
        more = start_step(context, connection);
        if (connection->waiting == 0) {
            end_step(connection);
            send_out(context, connection);
        }
    }
    if (!connection->lost) {
        keep_reading(context, connection);
    }
}

/* ---- messages ---- */

static void on_tcp(jzx_context *context, struct connection *connection, const jzx_tcp_event *event)
{
    connection->socket = event->socket;
    switch (event->kind) {
    case JZX_TCP_DATA:
        add(connection, &connection->in, event->data, event->size);
        break;
    case JZX_TCP_EOF:
        connection->eof = true;
        break;
    case JZX_TCP_DRAINED:
        send_out(context, connection);
        break;
    case JZX_TCP_CLOSED:
        connection->lost = true;
        break;
    default:
        break;
    }
    go_on(context, connection);
}

static void on_answer(jzx_context *context, struct connection *connection, const jzx_message *message)
{
    bool is_text = (message->flags & JZX_MESSAGE_POINTER) != 0 && message->tag == TSDB_ANSWER;
    for (uint32_t i = 0; i < HEADS_MAX; i++) {
        if (connection->asked[i].ref == message->ref) {
            connection->asked[i].ref = 0;
            connection->asked[i].status = is_text ? TSDB_DONE : tsdb_status_of(message);
            connection->waiting--;
        }
    }
    if (is_text) {
        struct tsdb_text *text = message->pointer.data;
        add(connection, &connection->out, text->bytes, text->size);
        free(text);
    }
    if (connection->waiting == 0) {
        end_step(connection);
        send_out(context, connection);
    }
    go_on(context, connection);
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct connection *connection = state;
    switch (message->tag) {
    case JZX_TAG_SYS_TCP:
        on_tcp(context, connection, jzx_message_data(message));
        break;
    case TSDB_ANSWER:
    case JZX_TAG_SYS_NO_ANSWER:
        on_answer(context, connection, message);
        break;
    case TSDB_TICK: /* the listener failed between starting this actor and giving it the socket */
        return connection->socket == 0 ? JZX_BEHAVIOR_STOP : JZX_BEHAVIOR_OK;
    default:
        return JZX_BEHAVIOR_UNHANDLED;
    }
    bool done = (connection->last || connection->eof) && connection->waiting == 0 && connection->out.size == 0;
    return done || connection->lost ? JZX_BEHAVIOR_STOP : JZX_BEHAVIOR_OK;
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    const struct tsdb_part *part = argument;
    struct connection *connection = *state;
    connection->tsdb = part->tsdb;
    jzx_message tick = jzx_message_empty(TSDB_TICK);
    return jzx_timer_after(context, ORPHAN_NS, &tick, NULL);
}

static void fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    (void)context;
    (void)info;
    struct connection *connection = state;
    for (uint32_t i = 0; i < HEADS_MAX; i++) {
        free(connection->batches[i]);
    }
    free(connection->in.data);
    free(connection->out.data);
}

void tsdb_connection_spec(jzx_child_spec *spec)
{
    spec->init = init;
    spec->behavior = behave;
    spec->fini = fini;
    spec->state_size = sizeof(struct connection);
}
