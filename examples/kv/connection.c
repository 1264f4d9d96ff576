/*
 * connection: the actor of one client.
 *
 * It handles its client's commands in rounds (round.h): parse what was received, ask the shards, and when all of them have
 * answered send the replies. What is received meanwhile waits in a backlog, and reading pauses when that is long. So the
 * memory of a client is bounded, and one that is idle has none besides this state.
 *
 * A round goes to its shards by requests; one that is gathered by calls, with one deadline. Calls cost more, but a batch
 * that still waits at its shard when the deadline passes is never done, and one whose answer comes later meets its destructor,
 * wherever that is: it is freed, not recycled. What the client sends next comes behind it at each shard.
 *
 * When a shard or the way to it refuses a batch the round keeps it, reading pauses, and the batch is offered again after
 * the resume notice, while there is time. When the socket refuses replies the round waits until it has drained.
 *
 * What is published to a channel of the client goes out between rounds (U4). When the socket refuses it, it waits, and so does
 * the next round. A client with more than push_max waiting is closed, or more than push_soft for push_soft_ns, and so is one
 * that has missed a message because its mailbox was full: it would never know.
 *
 * Invariants
 *   C1  Without a round and pushes that wait no complete command is in the backlog.
 *   C2  The actor does not end while answers are on their way to it: no answer becomes a dead letter because of it.
 */
#include "command.h"

enum { SEND_PIECE = 64 * 1024 }; /* bytes given to the socket in one call */
static const uint64_t RETRY_NS = 1000000;

struct backlog {
    struct kv_buffer bytes;
    size_t at; /* up to here it is parsed */
    struct resp_parser parser;
};

struct connection {
    struct kv_session session;
    struct kv_client client;
    jzx_socket_id socket;
    struct kv_round *round;
    struct backlog *backlog;
    struct kv_pushes pushes;
    uint64_t gathering; /* of the round; 0: none is open */
    uint32_t waiting;   /* answers to come; a gathering is one */
    uint64_t active_ns; /* when the client last did something, or had a reply */
    uint64_t lags_ns;   /* since when it has not taken push_soft bytes of its channels; 0: it has */
    uint64_t timer_ns;  /* when `timer` fires; JZX_FOREVER: there is none */
    jzx_timer_id timer;
    bool refused;   /* a batch, or what is to be published, waits to be sent */
    bool undrained; /* replies wait to be sent */
    bool paused;    /* reading is */
    bool last;      /* no further command counts: QUIT, or a protocol error */
    bool eof;       /* no further byte will come */
    bool lost;      /* the socket is closed */
};

static void lose(jzx_context *context, struct connection *connection)
{
    if (!connection->lost) {
        connection->lost = true;
        jzx_tcp_close(context, connection->socket);
    }
}

static void pause_reading(jzx_context *context, struct connection *connection)
{
    if (!connection->paused) {
        connection->paused = true;
        jzx_tcp_pause(context, connection->socket);
    }
}

/* No round may begin. */
static bool is_busy(const struct connection *connection)
{
    return connection->round != NULL || kv_pushes_wait(&connection->pushes);
}

/* Clients that are closed in time. */

/* When the client is to be closed if nothing happens until then. */
static uint64_t closing_ns(const struct connection *connection)
{
    const struct kv_options *options = &connection->session.loop->server->options;
    bool silent = connection->waiting == 0 && kv_subscriptions_count(&connection->session.subscriptions) == 0;
    uint64_t at_ns = JZX_FOREVER;
    if (silent && options->idle_ns != JZX_FOREVER) {
        at_ns = connection->active_ns + options->idle_ns;
    }
    if (connection->lags_ns != 0 && connection->lags_ns + options->push_soft_ns < at_ns) {
        at_ns = connection->lags_ns + options->push_soft_ns;
    }
    return at_ns;
}

/* Keeps the timer at that time, or before it: then it looks once for nothing. */
static void keep_timer(jzx_context *context, struct connection *connection)
{
    bool lags = connection->pushes.bytes > connection->session.loop->server->options.push_soft;
    if (!lags || connection->lags_ns == 0) {
        connection->lags_ns = lags ? connection->session.now_ns : 0;
    }
    uint64_t at_ns = closing_ns(connection);
    if (connection->lost || at_ns >= connection->timer_ns) {
        return;
    }
    if (connection->timer_ns != JZX_FOREVER) {
        jzx_timer_cancel(context, connection->timer, NULL);
        connection->timer_ns = JZX_FOREVER;
    }
    jzx_message look = jzx_message_empty(KV_TAG_CLOSE);
    if (jzx_timer_at(context, at_ns, &look, &connection->timer) == JZX_OK) {
        connection->timer_ns = at_ns;
    }
}

static void on_close_time(jzx_context *context, struct connection *connection)
{
    connection->timer_ns = JZX_FOREVER;
    if (closing_ns(connection) <= connection->session.now_ns) {
        kv_count(&connection->session.loop->lagged, connection->lags_ns != 0);
        lose(context, connection);
    }
}

/* The backlog. */

static size_t backlog_size(const struct connection *connection)
{
    return connection->backlog != NULL ? connection->backlog->bytes.size - connection->backlog->at : 0;
}

static void backlog_free(struct connection *connection)
{
    struct backlog *backlog = connection->backlog;
    if (backlog != NULL) {
        connection->session.loop->unparsed -= backlog->bytes.capacity;
        kv_buffer_deinit(&backlog->bytes);
        resp_parser_deinit(&backlog->parser);
        free(backlog);
        connection->backlog = NULL;
    }
}

/* Makes a backlog that goes on where `parser` stopped. */
static bool backlog_make(struct connection *connection, struct resp_parser *parser)
{
    struct backlog *backlog = calloc(1, sizeof *backlog);
    if (backlog == NULL) {
        return false;
    }
    backlog->parser = *parser;
    resp_parser_init(parser);
    connection->backlog = backlog;
    return true;
}

static bool backlog_append(struct connection *connection, const uint8_t *data, size_t size)
{
    struct backlog *backlog = connection->backlog;
    struct kv_loop *loop = connection->session.loop;
    struct kv_buffer *bytes = &backlog->bytes;
    if (backlog->at != 0) {
        bytes->size -= backlog->at;
        memmove(bytes->data, bytes->data + backlog->at, bytes->size);
        backlog->at = 0;
    }
    loop->unparsed -= bytes->capacity;
    kv_buffer_append(bytes, data, size);
    loop->unparsed += bytes->capacity;
    return !bytes->failed && bytes->size <= kv_query_max(&loop->server->options) && loop->unparsed <= KV_QUERIES_MAX;
}

/* Requests to shards, and what is published. */

static void ask_again_later(jzx_context *context, struct connection *connection, jzx_actor_id busy, jzx_err err)
{
    connection->refused = true;
    kv_count(&connection->session.loop->refused, 1);
    kv_count(&connection->session.loop->paused, !connection->paused);
    pause_reading(context, connection);
    if (err == JZX_ERR_LIMIT || jzx_resume(context, busy) != JZX_OK) {
        jzx_message retry = jzx_message_empty(KV_TAG_RETRY);
        if (jzx_timer_after(context, RETRY_NS, &retry, NULL) != JZX_OK) {
            lose(context, connection);
        }
    }
}

/* Asks a shard. When it is refused for now, notes that; when the shard is down, that its operations are lost. */
static bool ask(jzx_context *context, struct connection *connection, uint16_t shard, const jzx_message *message)
{
    struct kv_loop *loop = connection->session.loop;
    bool gathered = connection->gathering != 0;
    jzx_actor_id to;
    jzx_err err = kv_shard_id(loop->server, shard, &to);
    if (err == JZX_OK && gathered) {
        err = jzx_gather_call(context, connection->gathering, to, message, shard);
    } else if (err == JZX_OK) {
        err = jzx_request(context, to, message, JZX_FOREVER, &connection->round->refs[shard]);
    }
    switch (err) {
    case JZX_OK:
        connection->waiting += !gathered;
        return true;
    case JZX_ERR_TIMEOUT:
    case JZX_ERR_NO_SUCH_REQUEST:
        return false; /* the gathering is over, and its end on the way */
    case JZX_ERR_MAILBOX_FULL:
    case JZX_ERR_WOULD_BLOCK:
    case JZX_ERR_LIMIT:
        ask_again_later(context, connection, to, err);
        return false;
    case JZX_ERR_NOT_RUNNING:
    case JZX_ERR_NO_SUCH_ACTOR:
    case JZX_ERR_STOPPING:
        kv_round_lose(connection->round, &loop->batches, shard);
        return false;
    default:
        lose(context, connection); /* the server is stopping */
        return false;
    }
}

static void send_batch(jzx_context *context, struct connection *connection, struct kv_batch *batch)
{
    jzx_message message = jzx_message_pointer(KV_TAG_BATCH, batch, batch->in.size, kv_batch_drop, NULL);
    uint16_t shard = batch->shard;
    batch->sent = true;
    if (ask(context, connection, shard, &message)) {
        connection->round->batches[shard] = NULL; /* B1: it is the message's now */
    } else if (connection->round->batches[shard] == batch) {
        batch->sent = false;
    }
}

/* Sends a round that is one small operation by value. */
static bool send_single(jzx_context *context, struct connection *connection, struct kv_batch *batch)
{
    struct kv_round *round = connection->round;
    struct kv_request operation = kv_item_request(kv_batch_item(batch, 0));
    jzx_message message = jzx_message_empty(KV_TAG_SINGLE);
    message.size = kv_request_pack(&operation, message.bytes, sizeof message.bytes);
    if (message.size == 0) {
        return false;
    }
    if (ask(context, connection, batch->shard, &message)) {
        round->batches[batch->shard] = NULL;
        kv_batch_give(&connection->session.loop->batches, batch);
    }
    return true;
}

static jzx_behavior_result on_part(jzx_context *context, void *state, void *argument, uint32_t shard,
                                   const jzx_result *result);
static jzx_behavior_result on_gathered(jzx_context *context, void *state, void *argument, const jzx_gathered *gathered);

/* Opens the gathering of a round. False: not now. */
static bool begin_gathering(jzx_context *context, struct connection *connection)
{
    uint64_t call_ns = connection->session.loop->server->options.call_ns;
    jzx_gather_options options;
    jzx_gather_options_init(&options);
    options.deadline_ns = call_ns != JZX_FOREVER ? connection->session.now_ns + call_ns : JZX_FOREVER;
    options.need = JZX_NEED_NONE; /* what one shard has lost is no reason to give up the others */
    options.on_each = on_part;
    options.on_done = on_gathered;
    jzx_err err = jzx_gather_begin(context, &options, &connection->gathering);
    if (err == JZX_OK) {
        connection->waiting++;
        return true;
    }
    if (err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_LIMIT) {
        ask_again_later(context, connection, 0, JZX_ERR_LIMIT);
    } else {
        lose(context, connection); /* the server is stopping */
    }
    return false;
}

/* Sends the batches that are here and not answered: all, or those that were refused before. */
static void send_batches(jzx_context *context, struct connection *connection)
{
    struct kv_round *round = connection->round;
    if (round->gathered && connection->gathering == 0 && !begin_gathering(context, connection)) {
        return;
    }
    for (uint32_t i = 0; i < round->touched_count && !connection->lost; i++) {
        struct kv_batch *batch = round->batches[round->touched[i]];
        if (batch != NULL && !kv_batch_gone(batch) && !batch->sent) {
            send_batch(context, connection, batch);
        }
    }
    if (connection->gathering != 0 && !connection->refused) {
        (void)jzx_gather_end(context, connection->gathering); /* of no call, or over: on_gathered() is told that too */
    }
}

static void send_published(jzx_context *context, struct connection *connection)
{
    struct kv_publishing *publishing = &connection->session.publishing;
    if (publishing->sent == publishing->count || connection->lost) {
        return;
    }
    jzx_actor_id busy = 0;
    jzx_err err = kv_publish_send(publishing, context, connection->session.loop->server->channels, &connection->waiting,
                                  &busy);
    if (err == JZX_ERR_WOULD_BLOCK || err == JZX_ERR_LIMIT) {
        ask_again_later(context, connection, busy, err);
    } else if (err != JZX_OK) {
        lose(context, connection); /* the server is stopping */
    }
}

/* Replies. */

static void end_round(struct connection *connection)
{
    struct kv_loop *loop = connection->session.loop;
    kv_publishing_clear(&connection->session.publishing);
    kv_round_give(&loop->rounds, &loop->batches, connection->round);
    connection->round = NULL;
    connection->active_ns = connection->session.now_ns;
}

/* Gives the socket what it takes. False when it takes no more for now. */
static bool send_replies(jzx_context *context, struct connection *connection)
{
    struct kv_round *round = connection->round;
    const struct kv_buffer *sending = round->sending;
    if (sending->failed) {
        lose(context, connection);
        return false;
    }
    while (round->sent < sending->size) {
        size_t size = sending->size - round->sent;
        size = size < SEND_PIECE ? size : SEND_PIECE;
        jzx_err err = jzx_tcp_send(context, connection->socket, sending->data + round->sent, size);
        if (err == JZX_ERR_WOULD_BLOCK) {
            connection->undrained = true;
            return false;
        }
        if (err != JZX_OK) {
            lose(context, connection);
            return false;
        }
        round->sent += size;
    }
    return true;
}

/* Goes on with a round whose answers are all here: sends replies until they are out or something must be waited for. */
static void reply(jzx_context *context, struct connection *connection)
{
    struct kv_round *round = connection->round;
    while (send_replies(context, connection)) {
        if (round->telling == KV_TOLD_ALL) {
            end_round(connection);
            return;
        }
        if (round->telling == KV_TOLD_STOP) {
            kv_batch_rewind(round->blocked);
            send_batches(context, connection);
            if (connection->waiting != 0 || connection->refused || connection->lost) {
                return;
            }
        }
        kv_round_tell(round);
    }
}

/* Once nothing is on the way or waiting to be, the replies can be told. */
static void reply_if_complete(jzx_context *context, struct connection *connection)
{
    if (connection->waiting == 0 && !connection->refused && !connection->lost) {
        kv_round_tell(connection->round);
        reply(context, connection);
    }
}

/* Commands. */

static void protocol_error(struct connection *connection, const char *what)
{
    struct kv_round *round = connection->round;
    char text[RESP_ERROR_MAX + 32] = "ERR Protocol error: ";
    strncat(text, what, RESP_ERROR_MAX);
    resp_error(kv_round_local(round), text);
    kv_round_told(round);
    connection->last = true;
}

/* Puts commands into the round until it is full or the bytes are used up. Returns how many were used. */
static size_t fill_round(struct connection *connection, struct resp_parser *parser, const uint8_t *data, size_t size,
                         bool *more)
{
    struct kv_session *session = &connection->session;
    size_t used = 0;
    uint64_t commands = 0;
    while (used < size && !connection->last && !kv_round_full(connection->round)) {
        enum resp_result result = resp_parse(parser, data + used, size - used,
                                             session->loop->server->options.value_max);
        if (result == RESP_MORE) {
            *more = true;
            break;
        }
        if (result == RESP_ERROR) {
            protocol_error(connection, parser->error);
            break;
        }
        if (parser->count != 0) {
            if (!kv_command(session, connection->round, parser)) {
                resp_parser_next(parser); /* it is parsed once more for the next round */
                break;
            }
            connection->last = session->quit;
            commands++;
        }
        used += parser->position;
        resp_parser_next(parser);
    }
    kv_count(&session->loop->commands, commands);
    return used;
}

/* Sends a filled round on its way. */
static void start_round(jzx_context *context, struct connection *connection)
{
    struct kv_round *round = connection->round;
    if (round->failed) {
        lose(context, connection);
        return;
    }
    if (round->slot_count == 0) {
        end_round(connection);
        return;
    }
    bool single = round->operations == 1 && !round->gathered && round->slot_count == 1 &&
                  round->slots[0].kind == KV_TELL;
    send_published(context, connection);
    if (!single || !send_single(context, connection, round->batches[round->touched[0]])) {
        send_batches(context, connection);
    }
    reply_if_complete(context, connection);
}

/* Runs rounds over the bytes until they are used up or a round has to wait. Returns how many were used. */
static size_t consume(jzx_context *context, struct connection *connection, struct resp_parser *parser,
                      const uint8_t *data, size_t size)
{
    struct kv_loop *loop = connection->session.loop;
    size_t used = 0;
    bool more = false;
    while (used < size && !more && !is_busy(connection) && !connection->last && !connection->lost) {
        connection->round = kv_round_take(&loop->rounds);
        if (connection->round == NULL) {
            lose(context, connection);
            break;
        }
        used += fill_round(connection, parser, data + used, size - used, &more);
        start_round(context, connection);
    }
    return used;
}

/* Keeps what could not be used yet. */
static void keep(jzx_context *context, struct connection *connection, const uint8_t *data, size_t size)
{
    if (connection->last || connection->lost || size == 0) {
        return;
    }
    if ((connection->backlog == NULL && !backlog_make(connection, &connection->session.loop->parser)) ||
        !backlog_append(connection, data, size)) {
        lose(context, connection);
        return;
    }
    if (is_busy(connection) && backlog_size(connection) > KV_BACKLOG_HIGH) {
        pause_reading(context, connection);
    }
}

/* Sends what was pushed to the client, unless a reply is being sent (U4). */
static void send_pushes(jzx_context *context, struct connection *connection)
{
    if (connection->round != NULL || connection->lost) {
        return;
    }
    jzx_err err = kv_pushes_send(&connection->pushes, context, connection->socket);
    if (err != JZX_OK && err != JZX_ERR_WOULD_BLOCK) {
        lose(context, connection);
    }
}

/* Goes on after a round has ended: with what was pushed meanwhile, with the backlog (C1), and with reading. */
static void go_on(jzx_context *context, struct connection *connection)
{
    send_pushes(context, connection);
    struct backlog *backlog = connection->backlog;
    if (!is_busy(connection) && backlog != NULL && !connection->last) {
        backlog->at += consume(context, connection, &backlog->parser, backlog->bytes.data + backlog->at,
                               backlog_size(connection));
        if (backlog_size(connection) == 0) {
            backlog_free(connection);
        }
    }
    if (connection->paused && !connection->refused && !connection->lost &&
        (!is_busy(connection) || backlog_size(connection) <= KV_BACKLOG_HIGH / 2)) {
        connection->paused = false;
        jzx_tcp_read(context, connection->socket);
    }
}

/* Events. */

static void on_data(jzx_context *context, struct connection *connection, const uint8_t *data, size_t size)
{
    if (connection->last || connection->lost) {
        return;
    }
    if (is_busy(connection) || connection->backlog != NULL) {
        keep(context, connection, data, size);
        go_on(context, connection);
        return;
    }
    struct resp_parser *parser = &connection->session.loop->parser;
    size_t used = consume(context, connection, parser, data, size);
    if (used < size) {
        keep(context, connection, data + used, size - used);
        resp_parser_next(parser);
    }
}

static void on_tcp(jzx_context *context, struct connection *connection, const jzx_tcp_event *event)
{
    connection->socket = event->socket;
    connection->active_ns = connection->session.now_ns;
    switch (event->kind) {
    case JZX_TCP_DATA:
        on_data(context, connection, event->data, event->size);
        break;
    case JZX_TCP_EOF:
        connection->eof = true;
        break;
    case JZX_TCP_DRAINED:
        if (connection->undrained) {
            connection->undrained = false;
            reply(context, connection);
        }
        go_on(context, connection);
        break;
    case JZX_TCP_CLOSED:
        connection->lost = true;
        break;
    default:
        break;
    }
}

static void on_resume(jzx_context *context, struct connection *connection)
{
    if (connection->refused && !connection->lost) {
        connection->refused = false;
        send_published(context, connection);
        send_batches(context, connection);
        reply_if_complete(context, connection);
        go_on(context, connection);
    }
}

static void on_reply(jzx_context *context, struct connection *connection, const jzx_message *message)
{
    struct kv_round *round = connection->round;
    connection->waiting--;
    if ((message->flags & JZX_MESSAGE_POINTER) != 0) {
        struct kv_batch *batch = message->pointer.data;
        round->batches[batch->shard] = batch;
        reply_if_complete(context, connection);
    } else if (!connection->lost) {
        kv_buffer_append(&round->local, message->bytes, message->size);
        round->sending = &round->local;
        round->telling = KV_TOLD_ALL;
        reply(context, connection);
    }
    go_on(context, connection);
}

static struct connection *enter(jzx_context *context, void *state)
{
    struct connection *connection = state;
    connection->session.context = context;
    connection->session.now_ns = jzx_now_ns(context);
    return connection;
}

static jzx_behavior_result leave(jzx_context *context, struct connection *connection);

/* The call to a shard has ended. */
static jzx_behavior_result on_part(jzx_context *context, void *state, void *argument, uint32_t shard,
                                   const jzx_result *result)
{
    struct connection *connection = enter(context, state);
    (void)argument;
    if (result->err == JZX_OK) {
        connection->round->batches[shard] = result->message->pointer.data;
    } else if (result->err == JZX_ERR_LOOP_CLOSED) {
        lose(context, connection);
    } else if (result->err == JZX_ERR_TIMEOUT) { /* the shard's loop has seen that before this one */
        connection->round->batches[shard] = KV_OVERDUE;
        kv_count(&connection->session.loop->overdue, 1);
    } else {
        connection->round->batches[shard] = KV_LOST;
    }
    return JZX_BEHAVIOR_OK;
}

/* All of them have, or the deadline has passed: those that are refused need not be sent any more. */
static jzx_behavior_result on_gathered(jzx_context *context, void *state, void *argument, const jzx_gathered *gathered)
{
    struct connection *connection = enter(context, state);
    const struct kv_publishing *publishing = &connection->session.publishing;
    (void)argument;
    connection->gathering = 0;
    connection->waiting--;
    if (gathered->err == JZX_ERR_TIMEOUT) {
        kv_count(&connection->session.loop->overdue,
                 kv_round_overdue(connection->round, &connection->session.loop->batches));
        connection->refused = publishing->sent < publishing->count;
    }
    reply_if_complete(context, connection);
    go_on(context, connection);
    return leave(context, connection);
}

/* A message of a channel. */
static void on_push(jzx_context *context, struct connection *connection, const jzx_message *message)
{
    struct kv_session *session = &connection->session;
    const struct kv_subscription *subscription = kv_subscription_of(&session->subscriptions, message->ref);
    if (subscription == NULL || connection->lost) {
        return; /* U2 */
    }
    bool added = kv_push_add(&connection->pushes, subscription, jzx_message_buffer_of(message), session->protocol);
    send_pushes(context, connection);
    bool lags = connection->pushes.bytes > session->loop->server->options.push_max;
    kv_count(&session->loop->pushed, added);
    kv_count(&session->loop->lagged, lags);
    if (!added || lags) {
        lose(context, connection);
    }
}

/* It was not reached: its mailbox, or the loop, had no room. */
static void on_missed(jzx_context *context, struct connection *connection)
{
    kv_count(&connection->session.loop->lagged, !connection->lost);
    lose(context, connection);
}

/* What was published is with all who get it. */
static void on_published(jzx_context *context, struct connection *connection, const jzx_message *message)
{
    const jzx_broadcast_answer *answer = jzx_message_data(message);
    connection->waiting--;
    kv_publish_answered(&connection->session.publishing, connection->round, message->ref, answer->reached);
    reply_if_complete(context, connection);
    go_on(context, connection);
}

/* The shard has ended with the request, or the server stops. */
static void on_no_answer(jzx_context *context, struct connection *connection, const jzx_message *message)
{
    const jzx_no_answer *why = jzx_message_data(message);
    connection->waiting--;
    if (why->reason == JZX_DROP_CLOSED || !kv_round_lose_request(connection->round, message->ref)) {
        lose(context, connection);
        return;
    }
    reply_if_complete(context, connection);
    go_on(context, connection);
}

static bool leaving(const struct connection *connection)
{
    return atomic_load_explicit(&connection->session.loop->leaving, memory_order_relaxed);
}

/* An actor that has nothing left to do ends, and its socket is closed when what it sent has left. */
static bool finished(const struct connection *connection)
{
    if (connection->lost) {
        return connection->waiting == 0; /* C2 */
    }
    if (connection->round != NULL || (connection->backlog != NULL && kv_pushes_wait(&connection->pushes))) {
        return false;
    }
    /* By C1 nothing that could be answered is left. */
    return connection->last || connection->eof || leaving(connection);
}

static jzx_behavior_result leave(jzx_context *context, struct connection *connection)
{
    if (connection->lost && connection->gathering != 0) {
        (void)jzx_gather_end(context, connection->gathering); /* what was refused need not be sent any more */
    }
    if (connection->session.crash) {
        jzx_fail(context, jzx_self(context), KV_CRASH_CODE, "DEBUG CRASH");
        return JZX_BEHAVIOR_FAIL;
    }
    keep_timer(context, connection);
    return finished(connection) ? JZX_BEHAVIOR_STOP : JZX_BEHAVIOR_OK;
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct connection *connection = enter(context, state);
    switch (message->tag) {
    case JZX_TAG_SYS_TCP:
        on_tcp(context, connection, jzx_message_data(message));
        break;
    case KV_TAG_REPLY:
        on_reply(context, connection, message);
        break;
    case KV_TAG_PUSH:
        on_push(context, connection, message);
        break;
    case JZX_TAG_SYS_MISSED:
        on_missed(context, connection);
        break;
    case JZX_TAG_SYS_BROADCAST:
        on_published(context, connection, message);
        break;
    case JZX_TAG_SYS_RESUME:
        kv_count(&connection->session.loop->resumed, 1);
        on_resume(context, connection);
        break;
    case KV_TAG_RETRY:
        on_resume(context, connection);
        break;
    case KV_TAG_CLOSE:
        on_close_time(context, connection);
        break;
    case JZX_TAG_SYS_NO_ANSWER:
        on_no_answer(context, connection, message);
        break;
    default:
        return JZX_BEHAVIOR_UNHANDLED;
    }
    return leave(context, connection);
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    struct connection *connection = *state;
    const struct kv_connection_start *start = argument;
    struct kv_loop *loop = start->loop;
    if (loop->listener != start->listener) {
        return JZX_ERR_STOPPING; /* the listener has ended meanwhile, and the socket with it */
    }
    connection->session.loop = loop;
    connection->session.protocol = 2;
    connection->timer_ns = JZX_FOREVER;
    connection->client = (struct kv_client){.next = loop->clients, .id = jzx_self(context)};
    if (loop->clients != NULL) {
        loop->clients->previous = &connection->client;
    }
    loop->clients = &connection->client;
    connection->session.id = atomic_fetch_add_explicit(&loop->server->client_ids, 1, memory_order_relaxed) + 1;
    loop->reserved--; /* the listener has counted it in server->clients */
    kv_count(&loop->connections, 1);
    kv_count(&loop->open, 1);
    connection->session.now_ns = jzx_now_ns(context);
    connection->active_ns = connection->session.now_ns;
    keep_timer(context, connection);
    return JZX_OK;
}

static void fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    (void)context;
    (void)info;
    struct connection *connection = state;
    struct kv_loop *loop = connection->session.loop;
    if (connection->round != NULL) {
        end_round(connection);
    }
    struct kv_client *client = &connection->client;
    *(client->previous != NULL ? &client->previous->next : &loop->clients) = client->next;
    if (client->next != NULL) {
        client->next->previous = client->previous;
    }
    backlog_free(connection);
    kv_pushes_deinit(&connection->pushes);
    kv_publishing_deinit(&connection->session.publishing);
    kv_subscriptions_deinit(&connection->session.subscriptions);
    free(connection->session.name);
    atomic_fetch_sub_explicit(&loop->server->clients, 1, memory_order_relaxed);
    kv_count(&loop->open, (uint64_t)-1);
}

static const struct connection *connection_of(const struct kv_client *client)
{
    return (const struct connection *)((const uint8_t *)client - offsetof(struct connection, client));
}

void kv_connections_leave(struct kv_loop *loop, jzx_context *context)
{
    atomic_store_explicit(&loop->leaving, true, memory_order_release); /* partner: the stopper */
    for (const struct kv_client *client = loop->clients, *next; client != NULL; client = next) {
        next = client->next;
        if (connection_of(client)->round == NULL) {
            jzx_stop(context, client->id); /* the others go when they have ended theirs */
        }
    }
}

void kv_connections_orphaned(struct kv_loop *loop, jzx_context *context)
{
    for (const struct kv_client *client = loop->clients, *next; client != NULL; client = next) {
        next = client->next;
        if (connection_of(client)->socket == 0) {
            jzx_stop(context, client->id);
        }
    }
}

void kv_connection_spec(jzx_child_spec *spec)
{
    spec->init = init;
    spec->behavior = behave;
    spec->fini = fini;
    spec->state_size = sizeof(struct connection);
    spec->mailbox_cap = KV_CLIENT_MAILBOX;
    spec->mailbox_bytes = KV_CLIENT_MAILBOX_BYTES;
}
