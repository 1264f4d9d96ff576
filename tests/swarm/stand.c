/* stand: see stand.h. */
#include "tests/swarm/stand.h"

#include <stdlib.h>
#include <string.h>

static const uint64_t PATIENCE_NS = 60000000000ull;

/* ---- what may fail ---- */

static bool injected(const stand *s, const jzx_sim_fault *kinds, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (jzx_sim_injected(s->sim, kinds[i]) > 0) {
            return true;
        }
    }
    return false;
}

#define INJECTED(s, ...) \
    injected((s), (const jzx_sim_fault[]){__VA_ARGS__}, sizeof((jzx_sim_fault[]){__VA_ARGS__}) / sizeof(jzx_sim_fault))

bool stand_disturbed(const stand *s)
{
    return INJECTED(s, JZX_SIM_ALLOC, JZX_SIM_CELLS, JZX_SIM_LANE_FULL, JZX_SIM_INBOX_FULL, JZX_SIM_SETUP,
                    JZX_SIM_ENTER_FAILS, JZX_SIM_OP_FAILS, JZX_SIM_FD_LIMIT, JZX_SIM_ADDRESS_TAKEN,
                    JZX_SIM_ACCEPT_FAILS, JZX_SIM_CONNECT_FAILS, JZX_SIM_RESET, JZX_SIM_EPIPE, JZX_SIM_ACTOR_FAILS,
                    JZX_SIM_INIT_FAILS);
}

static bool explained(const stand *s, jzx_err err)
{
    switch ((int)err) {
    case JZX_ERR_NO_MEMORY:
        return INJECTED(s, JZX_SIM_ALLOC, JZX_SIM_SETUP, JZX_SIM_OP_FAILS, JZX_SIM_FD_LIMIT);
    case JZX_ERR_FD_LIMIT:
        return INJECTED(s, JZX_SIM_SETUP, JZX_SIM_FD_LIMIT);
    case JZX_ERR_OS:
    case JZX_ERR_URING_DENIED:
    case JZX_ERR_MEMLOCK:
        return INJECTED(s, JZX_SIM_SETUP, JZX_SIM_FD_LIMIT, JZX_SIM_ENTER_FAILS);
    case JZX_ERR_IO_REG_FAILED:
        return INJECTED(s, JZX_SIM_OP_FAILS);
    case JZX_ERR_ADDRESS_IN_USE:
        return INJECTED(s, JZX_SIM_ADDRESS_TAKEN);
    case JZX_ERR_KERNEL_LOST:
        return INJECTED(s, JZX_SIM_ENTER_FAILS);
    case JZX_ERR_WOULD_BLOCK:
        return INJECTED(s, JZX_SIM_CELLS, JZX_SIM_LANE_FULL, JZX_SIM_INBOX_FULL);
    case JZX_ERR_NO_SUCH_SOCKET:
        return s->rude || stand_disturbed(s);
    case JZX_ERR_LOOP_CLOSED: /* what follows from those */
    case JZX_ERR_STOPPING:
        return s->closing || s->may_escalate || stand_disturbed(s);
    case JZX_ERR_NO_SUCH_ACTOR:
    case JZX_ERR_NOT_RUNNING:
    case JZX_ERR_NOT_FOUND:
    case JZX_ERR_ESCALATED:
    case JZX_ERR_INIT:
        return stand_disturbed(s);
    default:
        return false;
    }
}

bool stand_ok_at(stand *s, jzx_err err, const char *what, int line)
{
    if (err != JZX_OK && !explained(s, err)) {
        jzx_sim_fail(s->sim, "%s, line %d: %s says: %s", s->script->name, line, what, jzx_strerror(err));
    }
    return err == JZX_OK;
}

bool stand_ok(stand *s, jzx_err err)
{
    return stand_ok_at(s, err, "a call", 0);
}

/* ---- payloads ---- */

typedef struct payload {
    stand *stand;
    uint64_t number;
    bool gone;
} payload;

static void payload_gone(payload *one)
{
    JZX_SIM_REQUIRE(one->stand->sim, !one->gone);
    one->gone = true;
    one->stand->payloads_gone++;
    free(one);
}

void stand_drop(void *context, void *data, size_t size)
{
    payload *one = data;
    if (one->stand != context || size != sizeof *one) {
        jzx_sim_fail(((stand *)context)->sim, "a destructor got what was not sent");
    }
    payload_gone(one);
}

jzx_message stand_payload(stand *s, uint32_t tag, uint64_t number)
{
    payload *one = malloc(sizeof *one);
    if (one == NULL) {
        abort();
    }
    *one = (payload){s, number, false};
    s->payloads_made++;
    return jzx_message_pointer(tag, one, sizeof *one, stand_drop, s);
}

void stand_unsent(stand *s, jzx_message *message)
{
    (void)s;
    payload_gone(message->pointer.data);
}

uint64_t stand_took(stand *s, const jzx_message *message)
{
    payload *one = message->pointer.data;
    JZX_SIM_REQUIRE(s->sim, (message->flags & JZX_MESSAGE_POINTER) != 0 && one->stand == s && !one->gone);
    uint64_t number = one->number;
    if ((message->flags & JZX_MESSAGE_LENT) == 0) {
        payload_gone(one);
    }
    return number;
}

bool part_say(part *self, jzx_context *context, jzx_actor_id to, uint32_t tag, uint64_t number)
{
    jzx_message message = stand_payload(self->stand, tag, number);
    if (STAND_OK(self->stand, jzx_send(context, to, &message))) {
        return true;
    }
    stand_unsent(self->stand, &message);
    return false;
}

void part_later(part *self, jzx_context *context, uint64_t delay_ns, uint32_t tag)
{
    jzx_message message = jzx_message_empty(tag);
    (void)STAND_OK(self->stand, jzx_timer_after(context, delay_ns, &message, NULL));
}

void part_retry(part *self, jzx_context *context, uint64_t delay_ns, uint32_t tag)
{
    jzx_message message = jzx_message_empty(tag);
    if (!STAND_OK(self->stand, jzx_timer_after(context, delay_ns, &message, NULL))) {
        (void)STAND_OK(self->stand, jzx_fail(context, self->id, 1, "it cannot even wait"));
    }
}

/* ---- parts ---- */

static jzx_err part_init(jzx_context *context, void *argument, void **state)
{
    part *self = argument;
    if (self->failing > 0) {
        self->failing--;
        return JZX_ERR_UNKNOWN;
    }
    JZX_SIM_REQUIRE(self->stand->sim, self->alive == 0);
    self->alive = 1;
    self->inits++;
    self->id = jzx_self(context);
    *state = self;
    if (self->begin != NULL) {
        self->begin(self, context);
    }
    return JZX_OK;
}

static jzx_behavior_result part_behave(jzx_context *context, void *state, const jzx_message *message)
{
    part *self = state;
    JZX_SIM_REQUIRE(self->stand->sim, self->alive == 1 && self->id == jzx_self(context));
    return self->on(self, context, message);
}

static void part_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    part *self = state;
    (void)context;
    JZX_SIM_REQUIRE(self->stand->sim, self->alive == 1 && info->id == self->id);
    self->alive = 0;
}

part *stand_part(stand *s, part_fn on)
{
    JZX_SIM_REQUIRE(s->sim, s->part_count < STAND_PARTS);
    part *one = &s->parts[s->part_count];
    *one = (part){.stand = s, .on = on, .index = s->part_count++};
    return one;
}

void part_options(part *one, jzx_spawn_options *options)
{
    jzx_spawn_options_init(options);
    options->init = part_init;
    options->behavior = part_behave;
    options->fini = part_fini;
    options->argument = one;
    options->name = "part";
}

void part_child(part *one, jzx_child_spec *child, const char *name, jzx_restart restart)
{
    jzx_child_spec_init(child);
    child->name = name;
    child->restart = (uint8_t)restart;
    child->init = part_init;
    child->behavior = part_behave;
    child->fini = part_fini;
    child->argument = one;
}

part *stand_spawn(stand *s, uint32_t loop, part_fn on)
{
    jzx_spawn_options options;
    part *one = stand_part(s, on);
    part_options(one, &options);
    return STAND_OK(s, jzx_spawn(jzx_loop_context(stand_loop(s, loop)), &options, &one->id)) ? one : NULL;
}

void stand_poke(stand *s, const part *one, uint32_t tag)
{
    jzx_message message = jzx_message_empty(tag);
    if (one != NULL && one->id != 0) {
        jzx_loop *loop = s->loops[jzx_actor_loop(one->id)];
        (void)STAND_OK(s, jzx_send(jzx_loop_context(loop), one->id, &message));
    }
}

/* ---- loops ---- */

jzx_loop *stand_loop(const stand *s, uint32_t which)
{
    return s->loops[which % s->loop_count];
}

void stand_start(stand *s)
{
    for (uint32_t i = 0; i < s->loop_count; i++) {
        if (!s->driven[i]) {
            s->begun += STAND_OK(s, jzx_loop_start(s->loops[i]));
        }
    }
}

typedef struct drive {
    stand *stand;
    uint32_t loop;
} drive;

static void drive_main(void *argument)
{
    drive *self = argument;
    stand *s = self->stand;
    jzx_loop *loop = s->loops[self->loop];
    jzx_err *result = &s->results[self->loop];
    int fd = -1;
    if (!STAND_OK(s, jzx_loop_poll_fd(loop, &fd))) {
        *result = jzx_loop_run(loop);
    } else {
        do {
            *result = jzx_loop_run_once(loop, 0);
            if (*result == JZX_OK) {
                (void)jzx_sim_host_wait(s->sim, fd, JZX_FOREVER);
            }
        } while (*result == JZX_OK);
        *result = *result == JZX_ERR_LOOP_CLOSED ? JZX_OK : *result;
    }
    free(self);
    stand_thread_ends(s);
}

void stand_drive(stand *s, uint32_t loop)
{
    drive *self = malloc(sizeof *self);
    if (self == NULL) {
        abort();
    }
    *self = (drive){s, loop % s->loop_count};
    s->driven[self->loop] = true;
    s->begun++;
    s->threads++;
    JZX_SIM_REQUIRE(s->sim, jzx_sim_thread(s->sim, "host", drive_main, self) == JZX_OK);
}

void stand_thread(stand *s, void (*main)(void *stand))
{
    s->threads++;
    JZX_SIM_REQUIRE(s->sim, jzx_sim_thread(s->sim, "foreign", main, s) == JZX_OK);
}

void stand_thread_ends(stand *s)
{
    s->threads--;
}

void stand_goal(stand *s)
{
    s->goals -= s->goals > 0;
}

/* ---- the whole of it ---- */

static void small_config(stand *s)
{
    jzx_config *config = &s->config;
    jzx_config_init(config);
    config->loops_max = s->loop_count;
    config->actors_max = 64;
    config->cells = 2048;
    config->lane_blocks = 2;
    config->inbox_size = 16;
    config->posters_max = 2;
    config->timers_max = 64;
    config->monitors_max = 64;
    config->children_max = 64;
    config->links_max = 64;
    config->resumes_max = 64;
    config->watches_max = 8;
    config->sockets_max = 32;
    config->names_max = 16;
    config->mailbox_cap = 32;
    config->ring_entries = 16;
    config->recv_buffers = 8;
    config->recv_buffer_size = 2048;
    config->send_chunks = 16;
    config->send_chunk_size = 1024;
}

static bool open_runtime(stand *s)
{
    if (!STAND_OK(s, jzx_runtime_create(&s->config, &s->runtime))) {
        return false;
    }
    for (uint32_t i = 0; i < s->loop_count; i++) {
        if (!STAND_OK(s, jzx_loop_create(s->runtime, NULL, &s->loops[i]))) {
            return false;
        }
    }
    return true;
}

static bool reached(void *argument)
{
    const stand *s = argument;
    return s->goals == 0;
}

/* A root that gave up, and nothing explains it. */
static void escalated(stand *s)
{
    jzx_exit_info exit = {0};
    jzx_start_failure failure = {0};
    (void)jzx_runtime_escalation(s->runtime, &exit, &failure);
    if (s->script->result != JZX_ERR_ESCALATED && !s->may_escalate && !explained(s, JZX_ERR_ESCALATED)) {
        jzx_sim_fail(s->sim, "%s: a root ended as %s, as the start of \"%s\" says: %s", s->script->name,
                     jzx_exit_kind_text(exit.kind), failure.name, jzx_strerror((jzx_err)failure.err));
    }
}

static void check_results(stand *s)
{
    for (uint32_t i = 0; i < s->loop_count; i++) {
        if (s->loops[i] == NULL) {
            continue;
        }
        jzx_err err = s->driven[i] ? JZX_OK : jzx_loop_join(s->loops[i], &s->results[i]);
        JZX_SIM_REQUIRE(s->sim, err == JZX_OK || err == JZX_ERR_NOT_FOUND);
        if (s->results[i] == JZX_ERR_ESCALATED) {
            escalated(s);
        } else if (s->results[i] != s->script->result) {
            (void)STAND_OK(s, s->results[i] != JZX_OK ? s->results[i] : JZX_ERR_ESCALATED);
        }
    }
}

static void close_runtime(stand *s)
{
    if (s->runtime == NULL) {
        return;
    }
    s->closing = true;
    (void)jzx_runtime_request_stop(s->runtime);
    JZX_SIM_REQUIRE(s->sim, jzx_sim_run(s->sim) == JZX_OK);
    check_results(s);
    JZX_SIM_REQUIRE(s->sim, s->threads == 0);
    JZX_SIM_REQUIRE(s->sim, jzx_runtime_shutdown(s->runtime, JZX_FOREVER, NULL) == JZX_OK);
    JZX_SIM_REQUIRE(s->sim, jzx_runtime_destroy(s->runtime) == JZX_OK);
    s->runtime = NULL;
    s->closing = false;
    memset(s->loops, 0, sizeof s->loops);
}

static void check_books(stand *s)
{
    for (uint32_t i = 0; i < s->part_count; i++) {
        if (s->parts[i].alive != 0) {
            jzx_sim_fail(s->sim, "%s: part %u had no fini", s->script->name, i);
        }
    }
    if (s->payloads_made != s->payloads_gone) {
        jzx_sim_fail(s->sim, "%s: %llu payloads were made and %llu destroyed", s->script->name,
                     (unsigned long long)s->payloads_made, (unsigned long long)s->payloads_gone);
    }
}

/* Do they have to be reached whatever was injected? Not when memory or a whole ring failed. */
static bool goals_must(const stand *s)
{
    return !INJECTED(s, JZX_SIM_ALLOC, JZX_SIM_SETUP, JZX_SIM_ENTER_FAILS);
}

void stand_play(jzx_sim *sim, const script *what, uint32_t loops)
{
    stand *s = calloc(1, sizeof *s);
    if (s == NULL) {
        abort();
    }
    s->sim = sim;
    s->script = what;
    s->loop_count = loops;
    small_config(s);
    if (what->configure != NULL) {
        what->configure(s);
    }
    bool open = open_runtime(s);
    for (uint32_t i = 0; i < what->tries && !open; i++) {
        close_runtime(s);
        open = open_runtime(s);
    }
    if (open) {
        what->play(s);
        jzx_err err = jzx_sim_run_until(sim, reached, s, PATIENCE_NS);
        if (err != JZX_OK && goals_must(s)) {
            jzx_sim_fail(sim, "%s: %llu goals were not reached", what->name, (unsigned long long)s->goals);
        }
    }
    close_runtime(s);
    check_books(s);
    if (s->at_end != NULL) {
        s->at_end(s);
    }
    free(s);
}
