/* api_calls: see api.h. */
#include "api.h"

#include <unistd.h>

struct api api;

enum { WORKS_FROM = 240 }; /* of the byte that says what is called: pools and deliveries */
enum { ALIVE = 0x0A11CE, TAG_NUMBERED = 1, TAG_TIMER = 2, TAG_POINTER = API_TAG_PLAIN };

static const uint64_t durations[] = {0, 1, 1000, 1000000, 20000000, 1000000000, 60000000000, UINT64_MAX};

uint64_t api_duration(void)
{
    return durations[api_below(sizeof durations / sizeof durations[0])];
}

void api_keep(struct api_kept *kept, uint64_t thing)
{
    kept->things[kept->count++ % API_KEPT] = thing;
}

uint64_t api_any(const struct api_kept *kept)
{
    static const uint64_t nothing[] = {0, 1, UINT64_MAX, 1ull << 32, 1ull << 56 | 1ull << 32, 77ull << 56 | 1};
    uint32_t which = api_below(API_KEPT + 2);
    uint32_t there = kept->count < API_KEPT ? kept->count : API_KEPT;
    if (there == 0 || which >= API_KEPT) {
        return nothing[api_below(sizeof nothing / sizeof nothing[0])];
    }
    return kept->things[(kept->count - 1 - which % there) % API_KEPT]; /* 0: the newest */
}

const char *api_name(void)
{
    static const char *const names[] = {"a",
                                        "b",
                                        "c",
                                        "d",
                                        "",
                                        NULL,
                                        "a name that is far too long for an actor or any child of one, "
                                        "and for the registry of names too, whatever it may hold today, or later on",
                                        "thirty-one letters of a name, e"};
    return names[api_below(sizeof names / sizeof names[0])];
}

/* ---- payloads ---- */

void *api_payload(size_t size)
{
    uint32_t place = 0;
    while (api.blocks[place] != NULL) { /* each call makes one at most */
        place++;
    }
    FUZZ_REQUIRE(place < API_CALLS_MAX);
    api.blocks[place] = malloc(size + 1);
    FUZZ_REQUIRE(api.blocks[place] != NULL);
    memset(api.blocks[place], 0, size + 1);
    return api.blocks[place];
}

void api_payload_free(void *payload)
{
    uint32_t place = 0;
    while (place < API_CALLS_MAX && api.blocks[place] != payload) {
        place++;
    }
    FUZZ_REQUIRE(payload != NULL && place < API_CALLS_MAX); /* else it was dropped before */
    api.blocks[place] = NULL;
    free(payload);
}

static void drop(void *context, void *data, size_t size)
{
    (void)size;
    FUZZ_REQUIRE(context == &api);
    api_payload_free(data);
}

void api_message(jzx_message *message, jzx_context *context)
{
    uint64_t words[4] = {context != NULL ? jzx_self(context) : 0, ++api.sent, api.sent, 0};
    uint32_t kind = api_below(16);
    *message = jzx_message_value(TAG_NUMBERED, words, sizeof words);
    if (kind < 4) {
        size_t size = kind == 0 ? 0 : 1u << api_below(12);
        *message = jzx_message_pointer(TAG_POINTER, api_payload(size), size, drop, &api);
    } else if (kind == 4) {
        *message = jzx_message_pointer(TAG_POINTER, NULL, api_below(2), NULL, NULL);
    } else if (kind == 5) {
        message->tag = JZX_TAG_RESERVED + api_below(12);
    } else if (kind == 6) {
        message->flags = 2u << api_below(31); /* not POINTER: there is nothing */
    } else if (kind == 7) {
        message->size = JZX_INLINE_MAX + api_below(3);
    }
}

static bool has_payload(const jzx_message *message)
{
    return (message->flags & JZX_MESSAGE_POINTER) != 0 && (message->flags & JZX_MESSAGE_LENT) == 0 &&
           message->pointer.drop == drop;
}

void api_message_result(const jzx_message *message, jzx_err err)
{
    if (err != JZX_OK && has_payload(message)) {
        drop(&api, message->pointer.data, message->size);
    }
}

void api_message_take(const jzx_message *message)
{
    if (has_payload(message)) {
        drop(&api, message->pointer.data, message->size);
    }
}

/* ---- messages, answers ---- */

static void call_send(jzx_context *context)
{
    jzx_message message;
    jzx_err err = JZX_ERR_INVALID_ARG;
    uint64_t ref = 0;
    uint32_t how = api_below(8);
    uint64_t to = api_any(&api.actors);
    api_message(&message, context);
    switch (how) {
    case 0:
        err = jzx_send_with(context, to, &message, JZX_SEND_REPORT);
        break;
    case 1:
        message.tag = message.tag == TAG_NUMBERED ? TAG_POINTER : message.tag; /* high mail overtakes the other */
        err = jzx_send_with(context, to, &message, 1u << api_below(32));
        break;
    case 2:
        err = jzx_send_name(context, api_name(), &message);
        break;
    case 3:
        err = jzx_child_send(context, api_any(&api.children), &message);
        break;
    case 4:
    case 5:
        err = jzx_request(context, to, &message, api_duration(), &ref);
        break;
    default:
        err = jzx_send(context, to, &message);
        break;
    }
    if (ref != 0) {
        api_keep(&api.refs, ref);
    }
    api_message_result(&message, err);
}

static void call_answer(jzx_context *context, struct api_handling *handling)
{
    jzx_message message;
    uint64_t ref = handling != NULL && handling->ref != 0 && api_below(4) != 0 ? handling->ref : api_any(&api.refs);
    api_message(&message, context);
    jzx_err err = jzx_answer(context, ref, &message);
    if (handling != NULL && ref == handling->ref && err == JZX_OK) {
        handling->answered = true;
    }
    api_message_result(&message, err);
}

static void call_timer(jzx_context *context)
{
    static const uint64_t periods[] = {0, 1000000, 20000000, 1000000000};
    jzx_message message;
    jzx_timer_id timer = 0;
    jzx_err err;
    uint64_t delay_ns = api_duration();
    uint32_t how = api_below(4);
    api_message(&message, context);
    if (message.tag == TAG_NUMBERED && message.flags == 0 && message.size == JZX_INLINE_MAX) {
        uint64_t now_ns = jzx_clock_ns(context);
        uint64_t due_ns = delay_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + delay_ns;
        message = jzx_message_value(TAG_TIMER, &due_ns, sizeof due_ns);
    }
    if (how == 0) {
        uint64_t period_ns = periods[api_below(4)];
        if (message.tag == TAG_TIMER) {
            message = jzx_message_empty(TAG_POINTER);
        }
        err = jzx_timer_every(context, period_ns, (jzx_missed_ticks)api_below(4), &message, &timer);
    } else if (how == 1) {
        err = jzx_timer_at(context, message.tag == TAG_TIMER ? message.words[0] : delay_ns, &message, &timer);
    } else {
        err = jzx_timer_after(context, delay_ns, &message, &timer);
    }
    if (err == JZX_OK) {
        api_keep(&api.timers, timer);
    }
    api_message_result(&message, err);
}

static void call_timer_cancel(jzx_context *context)
{
    jzx_message message = jzx_message_empty(0);
    bool back = api_below(2) != 0;
    jzx_err err = jzx_timer_cancel(context, api_any(&api.timers), back ? &message : NULL);
    if (err == JZX_OK && back) {
        message.flags &= ~(uint32_t)JZX_MESSAGE_LENT;
        api_message_result(&message, JZX_ERR_CANCELLED); /* the caller's again */
    }
}

static void call_flow(jzx_context *context, struct api_handling *handling)
{
    static const uint32_t credits[] = {0, 1, 2, 5, 100, 2000, JZX_CREDITS_MAX, UINT32_MAX};
    uint32_t number = credits[api_below(sizeof credits / sizeof credits[0])];
    jzx_flow_id flow = api_any(&api.flows);
    jzx_message message;
    switch (api_below(10)) {
    case 0:
        if (jzx_flow_offer(context, api_any(&api.actors), &flow) == JZX_OK) {
            api_keep(&api.flows, flow);
        }
        break;
    case 1:
        if (jzx_flow_want(context, api_any(&api.actors), number, &flow) == JZX_OK) {
            api_keep(&api.flows, flow);
        }
        break;
    case 2:
        (void)jzx_flow_grant(context, flow, number);
        break;
    case 3:
        (void)jzx_flow_window(context, flow, number);
        break;
    case 4:
        (void)jzx_flow_credits(context, flow, &number);
        break;
    case 5:
        (void)jzx_flow_close(context, flow);
        break;
    case 6:
        api_message(&message, context);
        uint64_t ref = 0;
        api_message_result(&message, jzx_flow_request(context, flow, &message, api_duration(), &ref));
        if (ref != 0) {
            api_keep(&api.refs, ref);
        }
        break;
    case 9:
        api_hand_on(context, handling, &flow);
        break;
    default:
        api_message(&message, context);
        api_message_result(&message, jzx_flow_send(context, flow, &message));
        break;
    }
}

/* ---- ends, monitors, links, names ---- */

static void call_end(jzx_context *context)
{
    uint64_t id = api_any(&api.actors);
    const char *text = api_name();
    switch (api_below(6)) {
    case 0:
        (void)jzx_stop(context, id);
        break;
    case 1:
        (void)jzx_drain(context, id);
        break;
    case 2:
        (void)jzx_kill(context, id);
        break;
    case 3:
        (void)jzx_fail(context, id, (int32_t)api_below(3) - 1, text);
        break;
    case 4:
        (void)jzx_stop_with(context, id, 5, text);
        break;
    default:
        (void)jzx_stop(context, jzx_self(context));
        break;
    }
}

static void call_watch_others(jzx_context *context)
{
    uint64_t monitor = 0;
    switch (api_below(6)) {
    case 0:
    case 1:
        if (jzx_monitor(context, api_any(&api.actors), &monitor) == JZX_OK) {
            api_keep(&api.monitors, monitor);
        }
        break;
    case 2:
        (void)jzx_demonitor(context, api_any(&api.monitors));
        break;
    case 3:
        (void)jzx_unlink(context, api_any(&api.actors));
        break;
    case 4:
        (void)jzx_trap_exit(context, api_below(2) != 0);
        break;
    default:
        (void)jzx_link(context, api_any(&api.actors));
        break;
    }
}

static void call_name(jzx_context *context)
{
    jzx_actor_id id = api_any(&api.actors);
    switch (api_below(4)) {
    case 0:
        (void)jzx_unregister(context, api_name());
        break;
    case 1:
        if (jzx_whereis(api.runtime, api_name(), &id) == JZX_OK) {
            api_keep(&api.actors, id);
        }
        break;
    case 2:
        (void)jzx_register(context, api_name(), jzx_self(context));
        break;
    default:
        (void)jzx_register(context, api_name(), id);
        break;
    }
}

/* ---- actors ---- */

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    struct api_state *made = *state;
    (void)argument;
    uint8_t what = fuzz_u8(&api.program);
    FUZZ_REQUIRE(made->alive == 0 && jzx_self(context) != 0);
    if (what % 4 == 1) {
        api_call(context);
    }
    if (what >= 240) {
        return (jzx_err)(-1 - (int)api_below(3));
    }
    made->alive = ALIVE;
    api.lives++;
    api_keep(&api.actors, jzx_self(context));
    if (jzx_child_self(context) != 0) {
        api_keep(&api.children, jzx_child_self(context));
    }
    return JZX_OK;
}

static jzx_err init_worker(jzx_context *context, void *argument, void **state)
{
    struct api_state *made = *state;
    made->works = true;
    return init(context, argument, state);
}

static void fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    struct api_state *made = state;
    FUZZ_REQUIRE(made->alive == ALIVE && info->id == jzx_self(context) && api.lives > 0);
    if (fuzz_u8(&api.program) % 4 == 1) {
        api_call(context);
    }
    made->alive = 0;
    api.lives--;
    jzx_router_destroy(made->router);
    api_works_fini(context, made);
    if (made->give_back != NULL) {
        made->give_back(made->give_back_context, made->buffer, made->buffer_size);
        api.buffers_out--;
    }
}

/* What was sent later is not handled earlier. */
static void check_order(const jzx_context *context, const jzx_message *message)
{
    uint32_t at = 0;
    while (at < api.pair_count && (api.pairs[at].from != message->sender || api.pairs[at].to != jzx_self(context))) {
        at++;
    }
    if (at == api.pair_count && at < API_PAIRS_MAX) {
        api.pairs[api.pair_count++] = (struct api_pair){message->sender, jzx_self(context), 0, false};
    }
    if (at < api.pair_count) {
        FUZZ_REQUIRE(message->words[1] >= api.pairs[at].last || api.pairs[at].mixed); /* equal when it yielded */
        api.pairs[at].last = message->words[1];
    }
}

/* What it stashes comes again behind what was sent later. */
static void mix_order(const jzx_context *context, const jzx_message *message)
{
    for (uint32_t at = 0; at < api.pair_count; at++) {
        struct api_pair *pair = &api.pairs[at];
        pair->mixed |= pair->from == message->sender && pair->to == jzx_self(context);
    }
}

static void on_tcp(jzx_context *context, struct api_state *state, const jzx_tcp_event *event)
{
    api_keep(&api.sockets, event->kind == JZX_TCP_ACCEPTED ? event->peer : event->socket);
    if (event->kind == JZX_TCP_DATA && state->give_back == NULL && api_below(4) == 1 &&
        jzx_tcp_keep(context, &state->give_back, &state->give_back_context) == JZX_OK) {
        state->buffer = (void *)(uintptr_t)event->data;
        state->buffer_size = event->size;
        api.buffers_out++;
    }
    for (size_t i = 0; event->kind == JZX_TCP_DATA && i < event->size; i++) {
        __asm__ volatile("" : : "r"(event->data[i])); /* what is lent can be read */
    }
}

static void on_io(const jzx_io_event *event)
{
    uint8_t bytes[64];
    for (uint32_t i = 0; i < api.file_count; i++) {
        while (api.files[i] == event->fd && read(event->fd, bytes, sizeof bytes) > 0) {
        }
    }
}

static void look_at(jzx_context *context, struct api_state *state, const jzx_message *message)
{
    FUZZ_REQUIRE(state->alive == ALIVE);
    bool sent = (message->flags & (JZX_MESSAGE_ANSWER | JZX_MESSAGE_TIMER)) == 0;
    if (message->tag == TAG_NUMBERED && sent && message->sender != 0) {
        FUZZ_REQUIRE(message->words[0] == message->sender);
        if (!state->works) { /* else some came by way of the queue */
            check_order(context, message);
        }
    } else if (message->tag == TAG_TIMER) {
        FUZZ_REQUIRE((message->flags & JZX_MESSAGE_TIMER) != 0 && jzx_clock_ns(context) >= message->words[0]);
    } else if (message->tag == JZX_TAG_SYS_TCP) {
        on_tcp(context, state, jzx_message_data(message));
    } else if (message->tag == JZX_TAG_SYS_IO) {
        on_io(jzx_message_data(message));
    } else if (message->tag == JZX_TAG_SYS_SPAWNED) {
        const jzx_spawned *spawned = jzx_message_data(message);
        FUZZ_REQUIRE((spawned->id != 0) == (spawned->err == JZX_OK));
    } else if (message->tag == JZX_TAG_SYS_FLOW) {
        const jzx_flow_opened *opened = jzx_message_data(message);
        api_keep(&api.flows, opened->flow);
    } else if (message->tag == JZX_TAG_SYS_DELIVERY) {
        api_take(context, state, message);
    } else if (message->tag == JZX_TAG_SYS_POOL && !sent) { /* else it was looked at as if it were a queue */
        api_pool_told(jzx_message_data(message));
    } else if (message->tag == JZX_TAG_SYS_SUPERVISOR) {
        const jzx_supervisor_answer *answer = jzx_message_data(message);
        api_keep(&api.actors, answer->id);
        api_keep(&api.children, answer->child);
    }
    if ((message->flags & JZX_MESSAGE_REQUEST) != 0) {
        api_keep(&api.refs, message->ref);
    }
}

jzx_behavior_result api_any_result(void)
{
    static const int results[] = {JZX_BEHAVIOR_STOP, JZX_BEHAVIOR_FAIL, JZX_BEHAVIOR_YIELD, JZX_BEHAVIOR_UNHANDLED, 77,
                                  JZX_BEHAVIOR_STASH};
    uint32_t which = api_below(24);
    /* 0, which is what an input that is used up gives, is good. */
    return which >= 1 && which <= 6 ? (jzx_behavior_result)results[which - 1] : JZX_BEHAVIOR_OK;
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    bool mail = (message->flags & JZX_MESSAGE_TIMER) == 0 && message->tag < JZX_TAG_RESERVED;
    struct api_handling handling = {.state = state,
                                    .ref = (message->flags & JZX_MESSAGE_REQUEST) != 0 ? message->ref : 0};
    look_at(context, state, message);
    for (uint32_t calls = api_below(4); calls > 0; calls--) {
        api_call_with(context, &handling);
    }
    jzx_behavior_result result = api_any_result();
    if (message->tag == JZX_TAG_SYS_EXIT) { /* who is asked by its supervisor ends, or it would wait for ever */
        result = JZX_BEHAVIOR_STOP;
    }
    bool yields = mail && (result == JZX_BEHAVIOR_YIELD || result == JZX_BEHAVIOR_STASH) && !handling.answered;
    if (!yields && result != JZX_BEHAVIOR_UNHANDLED) {
        api_message_take(message);
    }
    if (result == JZX_BEHAVIOR_STASH) {
        mix_order(context, message);
    }
    return result;
}

static jzx_behavior_result behave_else(jzx_context *context, void *state, const jzx_message *message)
{
    return behave(context, state, message);
}

static void call_order(jzx_context *context, struct api_handling *handling)
{
    switch (api_below(8)) {
    case 0:
        (void)jzx_become(context, behave_else);
        break;
    case 1:
        (void)jzx_unbecome(context);
        break;
    case 2:
        (void)jzx_unstash(context, api_below(4));
        break;
    case 3:
    case 4:
        if (handling != NULL && handling->state != NULL) {
            api_route(context, handling->state);
        }
        break;
    default:
        api_group(context);
        break;
    }
}

void api_spawn_options(jzx_spawn_options *options)
{
    jzx_spawn_options_init(options);
    options->behavior = behave;
    options->init = init;
    options->fini = fini;
    options->state_size = sizeof(struct api_state);
    uint8_t bits = fuzz_u8(&api.program);
    options->mailbox_cap = (bits & 3) == 3 ? 1 + api_below(4) : 0;
    options->mailbox_bytes = (bits & 12) == 12 ? JZX_INLINE_MAX * (1 + api_below(4)) : 0;
    options->mailbox_policy = (bits & 16) != 0 ? (uint8_t)api_below(4) : 0;
    options->placement = (bits & 32) != 0 ? (uint8_t)api_below(5) : 0;
    options->place_loop = options->placement == JZX_PLACE_LOOP ? api_below(4) : 0;
    options->place_with = options->placement == JZX_PLACE_WITH ? api_any(&api.actors) : 0;
    options->trap_exit = (bits & 64) != 0;
    options->link = (bits & 128) != 0;
    options->name = api_name();
}

static void call_spawn(jzx_context *context)
{
    jzx_spawn_options options;
    jzx_actor_id id;
    uint64_t ref;
    api_spawn_options(&options);
    if (api_below(3) != 0) {
        (void)jzx_spawn(context, &options, &id);
    } else if (jzx_spawn_request(context, &options, &ref) == JZX_OK) {
        api_keep(&api.refs, ref);
    }
}

/* ---- supervisors ---- */

enum { SUPERVISED_MAX = 3, DEPTH_MAX = 3 };

struct specs {
    jzx_supervisor_spec supervisors[DEPTH_MAX];
    jzx_child_spec children[DEPTH_MAX][SUPERVISED_MAX];
};

static void any_backoff(jzx_backoff *backoff)
{
    backoff->kind = api_below(6);
    backoff->initial_ns = 1000000;
    backoff->max_ns = 20000000;
    backoff->factor = 2;
    backoff->jitter = api_below(2) * 500;
}

static void any_child(jzx_child_spec *spec)
{
    static const uint64_t shutdowns[] = {JZX_SHUTDOWN_DEFAULT, JZX_SHUTDOWN_BRUTAL, 0, 1000000, 1000000000};
    jzx_spawn_options options;
    api_spawn_options(&options);
    jzx_child_spec_init(spec);
    spec->init = options.init;
    spec->behavior = options.behavior;
    spec->fini = options.fini;
    spec->state_size = options.state_size;
    spec->mailbox_cap = options.mailbox_cap;
    spec->mailbox_bytes = options.mailbox_bytes;
    spec->mailbox_policy = options.mailbox_policy;
    spec->placement = options.placement;
    spec->place_loop = options.place_loop;
    spec->place_with = options.place_with;
    spec->trap_exit = options.trap_exit;
    spec->name = options.name != NULL && options.name[0] != 0 ? options.name : NULL;
    spec->restart = (uint8_t)api_below(3);
    spec->shutdown_ns = shutdowns[api_below(5)];
    uint8_t bits = fuzz_u8(&api.program);
    spec->keep_mail = (bits & 1) != 0;
    spec->register_name = (bits & 2) != 0;
    spec->significant = (bits & 12) == 12;
    if ((bits & 16) != 0) {
        any_backoff(&spec->backoff);
    }
}

void api_worker_spec(jzx_child_spec *spec)
{
    any_child(spec);
    spec->init = init_worker;
    if (api_below(8) != 7) { /* else it is refused, perhaps */
        spec->keep_mail = false;
        spec->register_name = false;
        spec->significant = false;
    }
}

static void any_supervisor(struct specs *specs, uint32_t depth)
{
    jzx_supervisor_spec *spec = &specs->supervisors[depth];
    jzx_supervisor_spec_init(spec);
    spec->strategy = (uint8_t)api_below(5);
    spec->auto_shutdown = (uint8_t)(api_below(4) % 3);
    spec->intensity = api_below(6);
    spec->period_ns = 1000000000;
    spec->children = specs->children[depth];
    spec->child_count = spec->strategy == JZX_DYNAMIC ? 1 : api_below(SUPERVISED_MAX + 1);
    if (api_below(3) == 1) {
        any_backoff(&spec->backoff);
    }
    for (uint32_t i = 0; i < spec->child_count; i++) {
        any_child(&specs->children[depth][i]);
    }
    if (depth + 1 < DEPTH_MAX && spec->child_count > 0 && api_below(3) == 1) {
        jzx_child_spec *child = &specs->children[depth][spec->child_count - 1];
        const char *name = child->name;
        jzx_child_spec_init(child);
        child->name = name;
        child->type = JZX_SUPERVISOR;
        child->supervisor = &specs->supervisors[depth + 1];
        any_supervisor(specs, depth + 1);
    }
}

static void call_supervisor_start(jzx_context *context)
{
    struct specs *specs = calloc(1, sizeof *specs);
    jzx_actor_id id = 0;
    uint64_t ref = 0;
    FUZZ_REQUIRE(specs != NULL);
    any_supervisor(specs, 0);
    jzx_spec_fault fault = jzx_supervisor_check(context, specs->supervisors, NULL);
    jzx_err err = jzx_supervisor_start(context, specs->supervisors, &id, &ref);
    FUZZ_REQUIRE(fault == JZX_SPEC_OK || err != JZX_OK);
    memset(specs, 0xA5, sizeof *specs); /* it was copied */
    free(specs);
    if (err == JZX_OK) {
        api_keep(&api.actors, id);
    }
}

static jzx_child_key any_key(void)
{
    uint32_t which = api_below(8);
    return which < 6 ? jzx_child_at(which) : jzx_child_named(api_name());
}

static void call_supervisor(jzx_context *context)
{
    jzx_child_spec spec;
    uint64_t ref;
    uint64_t id = api_any(&api.actors);
    switch (api_below(8)) {
    case 0:
        (void)jzx_child_terminate(context, id, any_key(), &ref);
        break;
    case 1:
        (void)jzx_child_restart(context, id, any_key(), &ref);
        break;
    case 2:
        (void)jzx_child_delete(context, id, any_key(), &ref);
        break;
    case 3:
        (void)jzx_child_find(context, id, any_key(), &ref);
        break;
    case 4:
        (void)jzx_child_list(context, id, &ref);
        break;
    case 5:
        (void)jzx_child_count(context, id, &ref);
        break;
    case 6:
        (void)jzx_child_start_like(context, id, "argument", api_below(9), &ref);
        break;
    default:
        any_child(&spec);
        (void)jzx_child_start(context, id, &spec, &ref);
        break;
    }
}

/* ---- descriptors and sockets ---- */

static void call_watch(jzx_context *context)
{
    jzx_watch_id watch = 0;
    int fd = api.file_count > 0 ? api.files[api_below(api.file_count)] : -1;
    uint32_t interest = api_below(5);
    if (api_below(3) == 1) {
        (void)jzx_unwatch(context, api_any(&api.watches));
    } else if (jzx_watch(context, api_below(8) == 7 ? -1 : fd, interest, &watch) == JZX_OK) {
        api_keep(&api.watches, watch);
    }
}

static void call_tcp_open(jzx_context *context)
{
    jzx_tcp_options options;
    jzx_socket_id socket = 0;
    jzx_tcp_options_init(&options);
    options.port = (uint16_t)(API_PORT + api_below(3) % 2);
    options.connections_max = 1 + api_below(4);
    options.send_max = 4096u << api_below(4);
    options.idle_ns = api_below(3) == 1 ? 20000000 : 60000000000;
    options.linger_ns = api_below(2) * 1000000;
    options.pause_at_high_mark = api_below(2) != 0;
    options.address = api_below(8) == 7 ? "nowhere" : options.address;
    jzx_err err = api_below(2) == 0 ? jzx_tcp_listen(context, &options, &socket)
                                    : jzx_tcp_connect(context, &options, &socket);
    if (err == JZX_OK) {
        api_keep(&api.sockets, socket);
    }
}

static void call_tcp(jzx_context *context)
{
    static const uint8_t bytes[20000];
    uint64_t socket = api_any(&api.sockets);
    size_t size = (size_t)api_below(8) * api_below(8) * 400;
    uint16_t port;
    void *data;
    jzx_err err;
    switch (api_below(8)) {
    case 0:
        (void)jzx_tcp_give(context, socket, api_any(&api.actors));
        break;
    case 1:
        (void)jzx_tcp_read(context, socket);
        break;
    case 2:
        (void)jzx_tcp_pause(context, socket);
        break;
    case 3:
        (void)jzx_tcp_close(context, socket);
        break;
    case 4:
        (void)jzx_tcp_port(context, socket, &port);
        (void)jzx_tcp_queued(context, socket);
        break;
    case 5:
        data = api_payload(size);
        err = jzx_tcp_send_owned(context, socket, data, size, drop, &api);
        if (err != JZX_OK) {
            drop(&api, data, size);
        }
        break;
    default:
        (void)jzx_tcp_send(context, socket, bytes, size);
        break;
    }
}

/* ---- the rest ---- */

static void call_small(jzx_context *context)
{
    char text[40];
    jzx_counters counters;
    jzx_child_ref child = api_any(&api.children);
    jzx_actor_id id;
    void *memory;
    switch (api_below(8)) {
    case 0:
        (void)jzx_resume(context, api_any(&api.actors));
        break;
    case 1:
        id = api_any(&api.actors);
        (void)jzx_id_format(id, text, api_below(sizeof text + 1));
        break;
    case 2:
        (void)jzx_loop_stats(jzx_context_loop(context), &counters);
        break;
    case 3:
        memory = jzx_alloc(context, 100);
        if (memory != NULL) {
            memset(memory, 1, 100);
            jzx_free(context, memory, 100);
        }
        break;
    case 4:
        (void)jzx_should_yield(context);
        (void)jzx_random(context);
        (void)jzx_unstash_all(context);
        break;
    case 5:
        (void)jzx_child_id(api.runtime, child, &id);
        break;
    case 6:
        (void)jzx_loop_request_stop(jzx_runtime_loop(api.runtime, api_below(4)));
        break;
    default:
        (void)jzx_runtime_request_stop(api.runtime);
        break;
    }
}

/* Whoever calls here is on no thread of the machine, or on that of one loop: the others refuse it. */
static void call_as_another(jzx_context *context)
{
    jzx_loop *loop = jzx_runtime_loop(api.runtime, api_below(API_LOOPS_MAX));
    jzx_message message = jzx_message_empty(TAG_POINTER);
    if (api.started && loop != NULL && loop != jzx_context_loop(context)) {
        jzx_err err = jzx_send(jzx_loop_context(loop), api_any(&api.actors), &message);
        FUZZ_REQUIRE(err == JZX_ERR_WRONG_THREAD);
        FUZZ_REQUIRE(jzx_now_ns(jzx_loop_context(loop)) == 0);
    }
    FUZZ_REQUIRE(jzx_send(NULL, 1, &message) == JZX_ERR_INVALID_ARG);
}

static void call_works(jzx_context *context, struct api_handling *handling, uint8_t which)
{
    if (which % 4 == 0) {
        api_pool(context);
    } else if (handling != NULL && handling->state != NULL) {
        api_deliver(context, handling->state);
    }
}

void api_call_with(jzx_context *context, struct api_handling *handling)
{
    if (api.calls == 0 || api.program.left == 0) {
        return;
    }
    api.calls--;
    uint8_t which = fuzz_u8(&api.program);
    if (which >= WORKS_FROM) {
        call_works(context, handling, which);
        return;
    }
    switch (which % 20) {
    case 0:
    case 1:
        call_spawn(context);
        break;
    case 2:
        call_answer(context, handling);
        break;
    case 3:
        call_timer(context);
        break;
    case 4:
        call_timer_cancel(context);
        break;
    case 5:
        call_end(context);
        break;
    case 6:
    case 7:
        call_watch_others(context);
        break;
    case 8:
        call_name(context);
        break;
    case 9:
        call_supervisor_start(context);
        break;
    case 10:
    case 11:
        call_supervisor(context);
        break;
    case 12:
        call_watch(context);
        break;
    case 13:
        call_tcp_open(context);
        break;
    case 14:
        call_tcp(context);
        break;
    case 15:
        call_small(context);
        break;
    case 16:
        call_as_another(context);
        break;
    case 17:
        call_flow(context, handling);
        break;
    case 18:
        if (api_below(4) == 0) {
            call_order(context, handling);
        } else {
            api_ask(context, handling);
        }
        break;
    default:
        call_send(context);
        break;
    }
}

void api_call(jzx_context *context)
{
    api_call_with(context, NULL);
}

/* From a thread without a loop; one that has a loop is refused. */
static jzx_err ask_outside(const jzx_message *message)
{
    jzx_message answer;
    jzx_err err = jzx_ask(api.runtime, api_any(&api.actors), message, api_below(2000000), &answer);
    if (err == JZX_OK && (answer.flags & JZX_MESSAGE_POINTER) != 0 && answer.pointer.drop != NULL) {
        answer.pointer.drop(answer.pointer.drop_context, answer.pointer.data, answer.size);
    }
    return err;
}

void api_call_outside(void)
{
    jzx_message message;
    jzx_poster *poster = NULL;
    jzx_err err;
    if (api.calls == 0) {
        return;
    }
    api.calls--;
    api_message(&message, NULL);
    switch (api_below(5)) {
    case 4:
        err = ask_outside(&message);
        break;
    case 0:
        err = jzx_post_name(api.runtime, api_name(), &message);
        break;
    case 1:
        if (api.posters.count == 0 && jzx_poster_create(api.runtime, 4, &poster) == JZX_OK) {
            api_keep(&api.posters, (uintptr_t)poster);
        }
        poster = api.posters.count > 0 ? (jzx_poster *)(uintptr_t)api.posters.things[0] : NULL;
        err = jzx_poster_post(poster, api_any(&api.actors), &message);
        break;
    default:
        err = jzx_post(api.runtime, api_any(&api.actors), &message);
        break;
    }
    api_message_result(&message, err);
}
