/* actor: spawn, the ways to end, monitors and links, ids as text. */
#include <stdio.h>

#include "src/internal.h"

const char *jzx_exit_kind_text(uint32_t kind)
{
    switch ((jzx_exit_kind)kind) {
    case JZX_EXIT_NORMAL:
        return "normal";
    case JZX_EXIT_SHUTDOWN:
        return "shutdown";
    case JZX_EXIT_FAIL:
        return "failed";
    case JZX_EXIT_KILLED:
        return "killed";
    case JZX_EXIT_NO_ACTOR:
        return "no actor";
    case JZX_EXIT_LOOP_CLOSED:
        return "loop closed";
    case JZX_EXIT_LIMIT:
        return "limit";
    case JZX_EXIT_INIT:
        return "init failed";
    case JZX_EXIT_ESCALATED:
        return "escalated";
    case JZX_EXIT_START_FAILED:
        return "start failed";
    }
    return "unknown";
}

void jzx_spawn_options_init(jzx_spawn_options *options)
{
    if (options != NULL) {
        memset(options, 0, sizeof *options);
        options->struct_size = sizeof *options;
    }
}

static jzx_err check_options(const jzx_loop *loop, const jzx_spawn_options *options)
{
    bool valid = options != NULL && options->struct_size == sizeof *options && options->behavior != NULL &&
                 options->mailbox_policy <= JZX_MAILBOX_DROP_OLDEST && options->placement <= JZX_PLACE_LEAST_LOADED &&
                 options->limit_action <= JZX_LIMIT_FAIL && jzx__cap_valid(loop->config, options->mailbox_cap);
    return valid ? JZX_OK : JZX_ERR_INVALID_ARG;
}

/* Those that are there, and those on their way. */
static uint64_t load_of(const jzx_loop *loop, const jzx_loop *here)
{
    /* Acquire: pairs with the release in jzx__spawn_came(). */
    uint64_t coming = atomic_load_explicit(&loop->coming, memory_order_acquire);
    return coming + (loop == here ? loop->slots.live : __atomic_load_n(&loop->counters->actors, __ATOMIC_RELAXED));
}

static uint32_t least_loaded(const jzx_loop *here)
{
    uint32_t best = here->index;
    uint64_t fewest = load_of(here, here);
    for (uint32_t i = 0; i < here->runtime->loop_count; i++) {
        const jzx_loop *loop = here->runtime->loops[i];
        uint64_t live = load_of(loop, here);
        bool open = atomic_load_explicit(&loop->closed, memory_order_relaxed) == 0 && !jzx__loop_told_to_stop(loop);
        if (i != here->index && open && live < fewest) {
            best = i;
            fewest = live;
        }
    }
    return best;
}

jzx_err jzx__place(const jzx_loop *here, const jzx_spawn_options *options, uint32_t *loop)
{
    switch ((jzx_placement)options->placement) {
    case JZX_PLACE_HERE:
        *loop = here->index;
        return JZX_OK;
    case JZX_PLACE_LOOP:
        *loop = options->place_loop;
        return *loop < here->runtime->loop_count ? JZX_OK : JZX_ERR_NOT_FOUND;
    case JZX_PLACE_WITH:
        *loop = jzx__id_loop(options->place_with);
        if (*loop == here->index && jzx__slot_find(&here->slots, options->place_with) == JZX__SLOT_NONE) {
            return JZX_ERR_NO_SUCH_ACTOR;
        }
        return *loop < here->runtime->loop_count && (uint32_t)options->place_with != 0 ? JZX_OK : JZX_ERR_NO_SUCH_ACTOR;
    case JZX_PLACE_LEAST_LOADED:
        *loop = least_loaded(here);
        return JZX_OK;
    }
    return JZX_ERR_INVALID_ARG;
}

/* What refuses every spawn through this context. */
static jzx_err check_spawn(const jzx_context *context, const jzx_spawn_options *options)
{
    jzx_err err = jzx__check_context(context);
    if (err == JZX_OK) {
        err = check_options(context->loop, options);
    }
    if (err == JZX_OK && options->link && context->slot == JZX__SLOT_NONE) {
        err = JZX_ERR_INVALID_ARG; /* nobody to link to */
    }
    if (err == JZX_OK && context->ending) {
        err = JZX_ERR_STOPPING;
    }
    return err;
}

/* Does the place that is asked for turn out to be this loop? */
static jzx_err check_here(const jzx_loop *here, const jzx_spawn_options *options)
{
    uint32_t loop;
    jzx_err err = jzx__place(here, options, &loop);
    return err == JZX_OK && loop != here->index ? JZX_ERR_ACTOR_NOT_LOCAL : err;
}

jzx_err jzx_spawn(jzx_context *context, const jzx_spawn_options *options, jzx_actor_id *id)
{
    jzx_err err = check_spawn(context, options);
    if (err == JZX_OK && options->placement != JZX_PLACE_HERE) {
        err = check_here(context->loop, options);
    }
    if (err != JZX_OK) {
        return err;
    }
    jzx_loop *loop = context->loop;
    if (jzx__loop_refuses(loop)) {
        return JZX_ERR_LOOP_CLOSED;
    }
    jzx_actor_id spawned;
    int32_t code;
    const jzx__parent parent = {.id = context->self, .depth = context->depth + 1};
    err = jzx__spawn(loop, options, &parent, &spawned, &code);
    jzx__loop_touch(loop);
    if (err == JZX_OK && id != NULL) {
        *id = spawned;
    }
    return err;
}

static jzx_err request_remote(jzx_loop *loop, const jzx_spawn_options *options, uint32_t to_loop,
                              const jzx__parent *asker)
{
    jzx_loop *target = loop->runtime->loops[to_loop];
    if (atomic_load_explicit(&target->closed, memory_order_acquire) != 0) {
        return JZX_ERR_LOOP_CLOSED;
    }
    /* Like mail: each takes a cell there, for its answer (C2). */
    if (atomic_load_explicit(&target->pool.low, memory_order_acquire) != 0 ||
        jzx__lane_blocked(loop->lanes_out[to_loop])) {
        return JZX_ERR_WOULD_BLOCK;
    }
    jzx__cell *first = jzx__pool_take(&loop->pool, 2);
    jzx__cell *second = first != NULL ? jzx__pool_take(&loop->pool, 1) : NULL;
    if (second == NULL) {
        if (first != NULL) {
            jzx__cell_free(loop, first);
        }
        return JZX_ERR_WOULD_BLOCK;
    }
    jzx__cell cells[2];
    memset(cells, 0, sizeof cells);
    jzx__spawn_pack(options, asker, cells);
    *first = cells[0];
    *second = cells[1];
    jzx__spawn_coming(target);
    jzx__route_signal(loop, to_loop, first, second);
    return JZX_OK;
}

/* The asker's side of the link is made first, so that the new actor's LINK finds room. */
static jzx_err request_linked(jzx_context *context, const jzx_spawn_options *options, uint32_t to_loop,
                              jzx__parent *asker)
{
    jzx_err err = options->link ? jzx__link_reserve(context, &asker->reserved) : JZX_OK;
    if (err == JZX_OK) {
        err = request_remote(context->loop, options, to_loop, asker);
        if (err != JZX_OK) {
            jzx__link_release(context->loop, asker->reserved);
        }
    }
    return err;
}

jzx_err jzx_spawn_request(jzx_context *context, const jzx_spawn_options *options, uint64_t *ref)
{
    uint32_t loop_index = 0;
    jzx_err err = check_spawn(context, options);
    if (err == JZX_OK) {
        err = jzx__check_actor(context);
    }
    if (err == JZX_OK) {
        err = jzx__place(context->loop, options, &loop_index);
    }
    jzx__cell *reserved;
    if (err == JZX_OK) {
        err = jzx__request_reserve(context, 0, JZX_FOREVER, 1, &reserved);
    }
    if (err != JZX_OK) {
        return err;
    }
    jzx__parent asker = {.id = context->self, .depth = context->depth + 1, .token = reserved->target};
    if (loop_index == context->loop->index) {
        jzx__spawn_request(context->loop, options, &asker);
    } else {
        err = request_linked(context, options, loop_index, &asker);
    }
    if (err != JZX_OK) {
        jzx__request_cancel(context->loop, reserved);
    } else if (ref != NULL) {
        *ref = asker.token;
    }
    return err;
}

static jzx_err end(jzx_context *context, jzx_actor_id id, uint8_t kind, int32_t code, const char *text)
{
    jzx_err err = jzx__check_context(context);
    if (err != JZX_OK) {
        return err;
    }
    if (id == 0) {
        return JZX_ERR_NO_SUCH_ACTOR;
    }
    if (id != context->self) {
        const jzx__cause cause = {kind, code, context->self, text};
        err = jzx__life_end(context->loop, id, &cause);
        jzx__loop_touch(context->loop);
        return err;
    }
    /* Itself: after this handler. The first reason wins, a drain is none yet. */
    if (!context->ending && (context->end == 0 || context->end == JZX__EXIT_DRAIN)) {
        context->end = kind;
        context->special = true;
        context->origin = context->self;
        context->code = code;
        (void)snprintf(context->text, sizeof context->text, "%s", text == NULL ? "" : text);
    }
    return JZX_OK;
}

jzx_err jzx_stop(jzx_context *context, jzx_actor_id id)
{
    return end(context, id, JZX_EXIT_SHUTDOWN, 0, NULL);
}

jzx_err jzx_stop_with(jzx_context *context, jzx_actor_id id, int32_t code, const char *text)
{
    return end(context, id, JZX_EXIT_SHUTDOWN, code, text);
}

jzx_err jzx_drain(jzx_context *context, jzx_actor_id id)
{
    return end(context, id, JZX__EXIT_DRAIN, 0, NULL);
}

jzx_err jzx_kill(jzx_context *context, jzx_actor_id id)
{
    return end(context, id, JZX_EXIT_KILLED, 0, NULL);
}

jzx_err jzx_fail(jzx_context *context, jzx_actor_id id, int32_t code, const char *text)
{
    return end(context, id, JZX_EXIT_FAIL, code, text);
}

jzx_err jzx_monitor(jzx_context *context, jzx_actor_id target, uint64_t *monitor)
{
    jzx_err err = jzx__check_living(context);
    if (err != JZX_OK) {
        return err;
    }
    if (monitor == NULL || (uint32_t)target == 0) {
        return JZX_ERR_INVALID_ARG;
    }
    return jzx__monitor_start(context, target, monitor);
}

jzx_err jzx_demonitor(jzx_context *context, uint64_t monitor)
{
    jzx_err err = jzx__check_actor(context);
    return err == JZX_OK ? jzx__monitor_stop(context, monitor) : err;
}

jzx_err jzx_link(jzx_context *context, jzx_actor_id other)
{
    jzx_err err = jzx__check_living(context);
    if (err != JZX_OK) {
        return err;
    }
    if ((uint32_t)other == 0) {
        return JZX_ERR_INVALID_ARG;
    }
    return other == context->self ? JZX_OK : jzx__link_start(context, other);
}

jzx_err jzx_unlink(jzx_context *context, jzx_actor_id other)
{
    jzx_err err = jzx__check_actor(context);
    if (err == JZX_OK) {
        jzx__link_stop(context->loop, context->self, other);
    }
    return err;
}

jzx_err jzx_trap_exit(jzx_context *context, bool trap)
{
    jzx_err err = jzx__check_actor(context);
    if (err == JZX_OK) {
        jzx__hot *hot = jzx__slot_hot(&context->loop->slots, context->slot);
        hot->flags = (uint16_t)((hot->flags & ~JZX__SLOT_TRAP_EXIT) | (trap ? JZX__SLOT_TRAP_EXIT : 0));
    }
    return err;
}

uint32_t jzx_actor_loop(jzx_actor_id id)
{
    return jzx__id_loop(id);
}

jzx_err jzx_id_format(jzx_actor_id id, char *text, size_t size)
{
    char whole[32];
    if (text == NULL) {
        return JZX_ERR_INVALID_ARG;
    }
    int length = snprintf(whole, sizeof whole, "<%u.%u.%u>", jzx__id_loop(id), jzx__id_index(id), (uint32_t)id);
    if ((size_t)length >= size) {
        return JZX_ERR_TOO_BIG;
    }
    memcpy(text, whole, (size_t)length + 1);
    return JZX_OK;
}
