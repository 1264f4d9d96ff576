/* engine: the actor that carries commands out, and answers who asks for what has been. */
#include "exchange.h"

/* The state of one incarnation. The market and the ring are the exchange's. */
struct engine {
    struct exchange *exchange;
    jzx_context *context; /* of the handler that runs */
    struct page page;     /* being filled */
};

/* ---- commands ---- */

static void tell(void *argument, const struct event *event)
{
    struct engine *engine = argument;
    feed_tell(engine->exchange, engine->context, event);
}

static void on_command(struct engine *engine, const struct command *command)
{
    struct exchange *exchange = engine->exchange;
    const struct exchange_user *user = &exchange->options.user;
    enum event_reason reason;
    if (market_takes(&exchange->market, command, &reason)) {
        if (user->journal != NULL) {
            user->journal(user->argument, command);
        }
        market_apply(&exchange->market, command, tell, engine);
    } else if (reason != REASON_NONE) {
        feed_hint(exchange, engine->context, command, reason);
    }
}

/* ---- questions ---- */

static uint32_t lowest(uint32_t symbols)
{
    return (uint32_t)__builtin_ctz(symbols);
}

static void fill_view(const struct market *market, uint32_t symbol, struct view *view)
{
    view->trades = market->trades[symbol];
    view->volume = market->volume[symbol];
    for (int side = BOOK_BUY; side <= BOOK_SELL; side++) {
        for (int32_t price = 0; price <= BOOK_PRICE_MAX; price++) {
            view->levels[side][price] = market->books[symbol].levels[side][price].quantity;
        }
    }
}

/* Each makes a buffer with the answer; of no memory, none. */

static jzx_buffer *make_page(struct engine *engine, const struct ask *ask)
{
    jzx_buffer *buffer = NULL;
    size_t size = feed_page(engine->exchange, ask, &engine->page);
    (void)jzx_buffer_copy(engine->exchange->runtime, &engine->page, size, &buffer);
    return buffer;
}

static jzx_buffer *make_book(const struct engine *engine, const struct ask *ask)
{
    const struct exchange *exchange = engine->exchange;
    jzx_buffer *buffer = NULL;
    void *bytes;
    if (jzx_buffer_make(exchange->runtime, sizeof(struct book_state), &buffer, &bytes) == JZX_OK) {
        struct book_state *state = bytes;
        state->sequence = exchange->next;
        state->symbol = lowest(ask->symbols);
        state->closed = exchange->market.present == 0;
        fill_view(&exchange->market, state->symbol, &state->view);
    }
    return buffer;
}

static jzx_buffer *make_account(const struct engine *engine, const struct ask *ask)
{
    const struct exchange *exchange = engine->exchange;
    const struct market *market = &exchange->market;
    struct account_state state = {
        .sequence = exchange->next,
        .last = market->last[ask->session],
        .left = market->left[ask->session],
    };
    jzx_buffer *buffer = NULL;
    memcpy(state.holds, market->holds[ask->session], sizeof state.holds);
    (void)jzx_buffer_copy(exchange->runtime, &state, sizeof state, &buffer);
    return buffer;
}

/* Who asked may be gone: its next incarnation will ask. */
static void on_ask(struct engine *engine, const struct ask *ask, uint64_t ref)
{
    jzx_buffer *buffer = ask->kind == ASK_PAGE   ? make_page(engine, ask)
                         : ask->kind == ASK_BOOK ? make_book(engine, ask)
                                                 : make_account(engine, ask);
    uint32_t tag = ask->kind == ASK_PAGE ? TAG_PAGE : ask->kind == ASK_BOOK ? TAG_BOOK : TAG_ACCOUNT;
    jzx_message answer = buffer != NULL ? jzx_message_buffer(tag, buffer) : jzx_message_empty(TAG_BUSY);
    if (jzx_answer(engine->context, ref, &answer) != JZX_OK) {
        jzx_buffer_unref(buffer);
    }
}

/* ---- the actor ---- */

/* A flow of the gate: what is in front of the engine goes no further than its window. Without one the gate refuses. */
static jzx_behavior_result on_flow(jzx_context *context, const jzx_message *message)
{
    jzx_flow_opened opened;
    memcpy(&opened, message->bytes, sizeof opened);
    jzx_err err = jzx_flow_window(context, opened.flow, 2 * IN_FLIGHT_MAX);
    return err == JZX_OK ? JZX_BEHAVIOR_OK : JZX_BEHAVIOR_UNHANDLED;
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct engine *engine = state;
    const struct command *command = command_of(message);
    const struct ask *ask = ask_of(message);
    engine->context = context;
    if (command != NULL) {
        on_command(engine, command);
    } else if (ask != NULL) {
        on_ask(engine, ask, message->ref);
    } else if (message->tag == JZX_TAG_SYS_FLOW) {
        return on_flow(context, message);
    } else if (message->tag != JZX_TAG_SYS_FLOW_ENDED) {
        return JZX_BEHAVIOR_UNHANDLED;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    const struct part *part = argument;
    struct engine *engine = *state;
    engine->exchange = part->exchange;
    engine->exchange->engine = jzx_child_self(context);
    return JZX_OK;
}

void engine_spec(jzx_child_spec *spec)
{
    spec->init = init;
    spec->behavior = behave;
    spec->state_size = sizeof(struct engine);
    spec->keep_mail = true; /* what the gate has let in is taken by the next incarnation */
}
