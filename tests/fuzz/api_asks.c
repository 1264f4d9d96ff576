/* api_asks: see api.h: calls, scopes, shields and gatherings, exclusive ones among them; groups, broadcasts and routers. */
#include "api.h"

/* A call or a gathering that was accepted: it ends once, in its caller. */
struct asked {
    uint64_t caller;
    uint32_t ends;
};

static struct asked asked[API_CALLS_MAX];
static uint32_t asked_count;

void api_asks_begin(void)
{
    asked_count = 0;
}

static struct asked *note(const jzx_context *context)
{
    FUZZ_REQUIRE(asked_count < API_CALLS_MAX); /* each call of the API makes one at most */
    asked[asked_count] = (struct asked){.caller = jzx_self(context)};
    return &asked[asked_count++];
}

uint64_t api_deadline(jzx_context *context)
{
    uint64_t delay_ns = api_duration();
    uint64_t now_ns = jzx_clock_ns(context);
    return delay_ns > JZX_FOREVER - now_ns ? JZX_FOREVER : now_ns + delay_ns;
}

/* ---- calls ---- */

static void check_result(const jzx_result *result)
{
    FUZZ_REQUIRE((result->err == JZX_OK) == (result->message != NULL));
    FUZZ_REQUIRE((result->err == JZX_OK) == (result->none == NULL));
    FUZZ_REQUIRE((result->err == JZX_ERR_DEADLOCK) == (result->cycle != NULL));
    FUZZ_REQUIRE(result->err != JZX_ERR_UNKNOWN);
}

jzx_behavior_result api_go_on(jzx_context *context, void *state, const jzx_message *answer)
{
    struct api_handling handling = {.state = state};
    for (uint32_t calls = api_below(3); calls > 0; calls--) {
        api_call_with(context, &handling);
    }
    jzx_behavior_result said = api_any_result();
    if (answer != NULL && said != JZX_BEHAVIOR_UNHANDLED) {
        api_message_take(answer);
    }
    return said;
}

static jzx_behavior_result on_answer(jzx_context *context, void *state, void *argument, const jzx_result *result)
{
    struct asked *one = argument;
    FUZZ_REQUIRE(one->caller == jzx_self(context) && one->ends++ == 0);
    check_result(result);
    return api_go_on(context, state, result->message);
}

static void call(jzx_context *context)
{
    jzx_message message;
    jzx_call_options options;
    jzx_cycle cycle;
    uint64_t ref = 0;
    uint64_t to = api_any(&api.actors);
    jzx_call_options_init(&options);
    uint8_t bits = fuzz_u8(&api.program);
    options.deadline_ns = (bits & 1) != 0 ? api_deadline(context) : JZX_FOREVER;
    options.on_answer = (bits & 30) == 30 ? NULL : on_answer;
    options.argument = note(context);
    options.high = (bits & 224) == 224;
    options.exclusive = (bits & 128) != 0;
    options.cycle = &cycle;
    api_message(&message, context);
    message.tag = message.tag < JZX_TAG_RESERVED ? API_TAG_PLAIN : message.tag; /* of a chain, it overtakes */
    jzx_err err = jzx_call_with(context, to, &message, &options, &ref);
    if (err == JZX_OK) {
        api_keep(&api.calls_made, ref);
    }
    FUZZ_REQUIRE(err != JZX_ERR_DEADLOCK || (options.exclusive && cycle.ids[0] == jzx_self(context)));
    api_message_result(&message, err);
}

void api_hand_on(jzx_context *context, struct api_handling *handling, const jzx_flow_id *flow)
{
    jzx_message message;
    uint64_t ref = handling != NULL && handling->ref != 0 && api_below(4) != 0 ? handling->ref : api_any(&api.refs);
    uint64_t to = flow == NULL ? api_any(&api.actors) : 0;
    api_message(&message, context);
    message.tag = message.tag < JZX_TAG_RESERVED ? API_TAG_PLAIN : message.tag; /* it comes from who has asked */
    jzx_err err = flow == NULL ? jzx_delegate(context, ref, to, &message)
                               : jzx_flow_delegate(context, *flow, ref, &message);
    bool over = err == JZX_OK || err == JZX_ERR_CANCELLED || err == JZX_ERR_TIMEOUT;
    if (over && handling != NULL && ref == handling->ref) {
        handling->answered = true;
    }
    api_message_result(&message, err);
}

/* ---- gatherings ---- */

static jzx_behavior_result on_each(jzx_context *context, void *state, void *argument, uint32_t index,
                                   const jzx_result *result)
{
    const struct asked *one = argument;
    FUZZ_REQUIRE(one->caller == jzx_self(context) && one->ends == 0 && index < 8);
    check_result(result);
    return api_go_on(context, state, result->message);
}

static jzx_behavior_result on_done(jzx_context *context, void *state, void *argument, const jzx_gathered *gathered)
{
    struct asked *one = argument;
    FUZZ_REQUIRE(one->caller == jzx_self(context) && one->ends++ == 0);
    FUZZ_REQUIRE(gathered->calls == gathered->answered + gathered->failed + gathered->cancelled);
    return api_go_on(context, state, NULL);
}

static void gather(jzx_context *context)
{
    jzx_gather_options options;
    jzx_message message;
    uint64_t gathering = api_any(&api.gathers);
    switch (api_below(6)) {
    case 0:
    case 1:
        jzx_gather_options_init(&options);
        options.deadline_ns = api_below(2) != 0 ? api_deadline(context) : JZX_FOREVER;
        options.need = api_below(3) == 0 ? JZX_NEED_ALL : api_below(4);
        options.on_each = api_below(4) == 3 ? NULL : on_each;
        options.on_done = api_below(16) == 15 ? NULL : on_done;
        options.argument = note(context);
        if (jzx_gather_begin(context, &options, &gathering) == JZX_OK) {
            api_keep(&api.gathers, gathering);
        }
        break;
    case 2:
        (void)jzx_gather_end(context, gathering);
        break;
    case 3:
        (void)jzx_gather_cancel(context, gathering);
        break;
    default: {
        uint64_t to = api_any(&api.actors);
        uint32_t index = api_below(8);
        api_message(&message, context);
        message.tag = message.tag < JZX_TAG_RESERVED ? API_TAG_PLAIN : message.tag;
        api_message_result(&message, jzx_gather_call(context, gathering, to, &message, index));
    }
    }
}

/* ---- scopes, shields ---- */

static void scope(jzx_context *context)
{
    uint64_t number = api_any(&api.scopes);
    switch (api_below(8)) {
    case 0:
    case 1:
        if (jzx_scope_open(context, api_deadline(context), &number) == JZX_OK) {
            api_keep(&api.scopes, number);
        }
        break;
    case 2:
        (void)jzx_scope_close(context, number);
        break;
    case 3:
        (void)jzx_cancel(context, number);
        break;
    case 4:
        (void)jzx_shield_enter(context);
        break;
    case 5:
        (void)jzx_shield_leave(context);
        break;
    case 6:
        (void)jzx_cancelled(context);
        (void)jzx_deadline(context);
        break;
    default:
        (void)jzx_call_cancel(context, api_any(&api.calls_made));
        break;
    }
}

void api_ask(jzx_context *context, struct api_handling *handling)
{
    switch (api_below(8)) {
    case 0:
        api_hand_on(context, handling, NULL);
        break;
    case 1:
    case 2:
        gather(context);
        break;
    case 3:
    case 4:
        scope(context);
        break;
    default:
        call(context);
        break;
    }
}

/* ---- groups ---- */

jzx_group api_any_group(void)
{
    static const char *const names[] = {"a", "b", "c", ""};
    return jzx_group_named(api_below(16) == 15 ? NULL : api.space, names[api_below(4)]);
}

static bool is_odd(void *context, const jzx_message *message)
{
    FUZZ_REQUIRE(context == &api);
    return (message->words[1] & 1) != 0;
}

/* By value or a buffer, as a broadcast takes it, and a payload by pointer that it does not. */
static void shared_message(jzx_message *message, jzx_context *context)
{
    jzx_buffer *buffer;
    void *bytes;
    if (api_below(3) == 0 && jzx_buffer_make(api.runtime, 1 + api_below(100), &buffer, &bytes) == JZX_OK) {
        memset(bytes, 1, jzx_buffer_size(buffer));
        *message = jzx_message_buffer(API_TAG_PLAIN, buffer);
        return;
    }
    api_message(message, context);
    message->tag = message->tag < JZX_TAG_RESERVED ? API_TAG_PLAIN : message->tag; /* it may come before older mail */
}

static void shared_result(const jzx_message *message, jzx_err err)
{
    jzx_buffer *buffer = jzx_message_buffer_of(message);
    if (buffer == NULL) {
        api_message_result(message, err);
    } else if (err != JZX_OK) {
        jzx_buffer_unref(buffer);
    }
}

static void broadcast(jzx_context *context)
{
    jzx_message message;
    jzx_actor_id busy = 0;
    uint64_t ref = 0;
    jzx_err err;
    jzx_group group = api_any_group();
    uint32_t flags = api_below(4);
    shared_message(&message, context);
    if (api_below(2) == 0) {
        err = jzx_broadcast(context, &group, &message, flags, &busy);
    } else {
        err = jzx_broadcast_request(context, &group, &message, flags, api_duration(), &ref, &busy);
    }
    if (err == JZX_ERR_WOULD_BLOCK && busy != 0) {
        (void)jzx_resume(context, busy);
    }
    shared_result(&message, err);
}

void api_group(jzx_context *context)
{
    jzx_group group = api_any_group();
    jzx_member members[4];
    uint64_t number = api_any(&api.members);
    uint32_t count;
    switch (api_below(8)) {
    case 0:
    case 1:
        if (jzx_group_join(context, &group, api_below(4), &number, api_below(2) == 0 ? NULL : is_odd, &api) == JZX_OK) {
            api_keep(&api.members, number);
        }
        break;
    case 2:
        (void)jzx_group_leave(context, number);
        break;
    case 3:
        if (jzx_group_watch(context, &group, &number) == JZX_OK) {
            api_keep(&api.members, number);
        }
        break;
    case 4:
        (void)jzx_group_unwatch(context, number);
        break;
    case 5:
        (void)jzx_group_count(&group, &count);
        (void)jzx_group_members(&group, members, api_below(5), &count);
        break;
    default:
        broadcast(context);
        break;
    }
}

/* ---- routers ---- */

static uint64_t key_of(void *context, const jzx_message *message)
{
    FUZZ_REQUIRE(context == &api);
    return message->words[1];
}

static jzx_router *make_router(jzx_context *context)
{
    jzx_router *router = NULL;
    jzx_router_options options;
    jzx_group group = api_any_group();
    jzx_router_options_init(&options);
    options.group = api_below(2) == 0 ? NULL : &group;
    options.members_max = api_below(6);
    options.strategy = (uint8_t)api_below(6);
    options.key = api_below(8) == 7 ? NULL : key_of;
    options.key_context = &api;
    return jzx_router_create(context, &options, &router) == JZX_OK ? router : NULL;
}

void api_route(jzx_context *context, struct api_state *state)
{
    jzx_message message;
    jzx_actor_id id;
    uint32_t accepted;
    uint64_t ref = 0;
    if (state->router == NULL) {
        state->router = make_router(context);
    }
    switch (api_below(8)) {
    case 0:
        jzx_router_destroy(state->router);
        state->router = NULL;
        break;
    case 1:
        (void)jzx_router_add(state->router, api_below(4), api_any(&api.actors));
        break;
    case 2:
        (void)jzx_router_add_child(state->router, api_below(4), api_any(&api.children));
        break;
    case 3:
        (void)jzx_router_remove(state->router, api_below(4));
        (void)jzx_router_count(state->router);
        break;
    case 4:
        message = jzx_message_empty(API_TAG_PLAIN);
        (void)jzx_router_pick(context, state->router, &message, &id);
        break;
    case 5:
        api_message(&message, context);
        api_message_result(&message, jzx_router_request(context, state->router, &message, api_duration(), &ref));
        break;
    default:
        shared_message(&message, context);
        shared_result(&message, jzx_router_send(context, state->router, &message, &accepted));
        break;
    }
}
