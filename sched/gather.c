/*
 * gather: several calls whose ends are waited for together (jzx__gather in call.h). Each call's continuation comes through
 * gather_each(), the gathering's own end through gather_over().
 *
 * Owner thread only.
 *
 * Invariants
 *   Y1  A gathering is decided once: by the call that makes it certain, in the turn of that call's end; or in a later turn,
 *       as a call that this loop ends. Its cell goes before on_done runs, so what comes then finds no gathering.
 */
#include "sched/call.h"
#include "sched/mailbox.h"

static jzx__gather *find(jzx_loop *loop, uint64_t number)
{
    jzx__cell *cell = jzx__pool_find(&loop->pool, number);
    jzx__gather *gather = cell != NULL && cell->kind == JZX__CELL_GATHER ? (jzx__gather *)(void *)cell : NULL;
    return gather != NULL && gather->scope.number == number ? gather : NULL; /* J4 */
}

static jzx__calling *calling_of(const jzx_loop *loop, const jzx__gather *gather)
{
    return (jzx__calling *)(void *)jzx__pool_at(&loop->pool, gather->calling);
}

jzx__gather *jzx__gather_of(jzx_loop *loop, const jzx__calling *calling)
{
    return find(loop, calling->token); /* a call's token names a reserved cell */
}

/* One that is open, or NULL: its end has not been put into the mailbox (Y1). */
static jzx__gather *find_open(jzx_loop *loop, uint64_t number)
{
    jzx__gather *gather = find(loop, number);
    return gather != NULL && calling_of(loop, gather)->kind == JZX__CELL_CALLING ? gather : NULL;
}

/* The same, of this actor. */
static jzx__gather *find_own(const jzx_context *context, uint64_t number)
{
    jzx__gather *gather = find_open(context->loop, number);
    if (gather == NULL) {
        return NULL;
    }
    const jzx__cell *reserved = jzx__pool_at(&context->loop->pool, calling_of(context->loop, gather)->reserved);
    return reserved->sender == context->self ? gather : NULL;
}

static bool decided(const jzx__gather *gather)
{
    if ((gather->scope.flags & JZX__CALL_COMPLETE) == 0) {
        return false;
    }
    bool over = gather->answered + gather->failed == gather->calls;
    bool enough = gather->answered >= gather->need && gather->need != JZX_NEED_NONE;
    return over || enough || gather->calls - gather->failed < gather->need;
}

/* What on_done is told. `err`: of an end that its calls have not brought about, else JZX_OK. */
static jzx_gathered sums(const jzx__gather *gather, jzx_err err)
{
    jzx_gathered gathered = {
        .err = err, .calls = gather->calls, .answered = gather->answered, .failed = gather->failed};
    gathered.cancelled = gather->calls - gather->answered - gather->failed;
    if (err == JZX_OK && gather->answered < gather->need) {
        gathered.err = gather->err;
    }
    return gathered;
}

static void drop_answer(const jzx_result *result)
{
    const jzx_message *message = result->message;
    if (message != NULL && (message->flags & (JZX_MESSAGE_POINTER | JZX_MESSAGE_LENT)) == JZX_MESSAGE_POINTER &&
        message->pointer.drop != NULL) {
        message->pointer.drop(message->pointer.drop_context, message->pointer.data, message->size);
    }
}

/* The gathering's calling cell has come out of the mailbox: a deadline, a cancel, or what was decided without a call's end. */
static jzx_behavior_result gather_over(jzx_context *context, void *state, void *argument, const jzx_result *result)
{
    jzx_loop *loop = context->loop;
    jzx__gather *gather = find(loop, result->ref);
    JZX_ASSERT(gather != NULL);
    jzx_gathered gathered = sums(gather, result->none->reason == JZX__DECIDED ? JZX_OK : result->err);
    jzx_gather_done_fn on_done = gather->on_done;
    jzx__cell_free(loop, (jzx__cell *)(void *)gather);
    return on_done(context, state, argument, &gathered);
}

/* Decided by the end of a call that is being handled. */
static jzx_behavior_result finish(jzx_context *context, void *state, jzx__gather *gather, void *argument)
{
    jzx_loop *loop = context->loop;
    jzx_gathered gathered = sums(gather, JZX_OK);
    jzx_gather_done_fn on_done = gather->on_done;
    jzx__scope_give_up(loop, &gather->scope);
    jzx__call_undo(loop, calling_of(loop, gather));
    jzx__cell_free(loop, (jzx__cell *)(void *)gather);
    jzx__scope_cancel_some(loop);
    return on_done(context, state, argument, &gathered);
}

/* Hands the end of a call to on_each, or drops it. UNHANDLED says that on_each did not want the payload either. */
static jzx_behavior_result tell(jzx_context *context, void *state, const jzx__gather *gather, void *argument,
                                uint32_t index, const jzx_result *result)
{
    jzx_behavior_result said = JZX_BEHAVIOR_UNHANDLED;
    if (gather->on_each != NULL) {
        said = gather->on_each(context, state, argument, index, result);
    }
    if (said == JZX_BEHAVIOR_UNHANDLED) {
        drop_answer(result);
        said = JZX_BEHAVIOR_OK;
    }
    return said == JZX_BEHAVIOR_YIELD ? JZX_BEHAVIOR_OK : said;
}

static jzx_behavior_result gather_each(jzx_context *context, void *state, void *argument, const jzx_result *result)
{
    jzx_loop *loop = context->loop;
    uint64_t number = context->scope;
    jzx__gather *gather = find_open(loop, number);
    if (gather == NULL) {
        drop_answer(result);
        return JZX_BEHAVIOR_OK;
    }
    const jzx__calling *calling = calling_of(loop, gather);
    void *users = calling->argument;
    context->scope = jzx__scope_around(loop, calling->scope); /* that in which the gathering was begun */
    if (result->err == JZX_OK) {
        gather->answered++;
    } else {
        gather->failed++;
        gather->err = result->err;
    }
    bool heard = gather->on_each != NULL;
    jzx_behavior_result said = tell(context, state, gather, users, (uint32_t)(uintptr_t)argument, result);
    gather = heard ? find_open(loop, number) : gather; /* on_each may have cancelled it */
    if (said != JZX_BEHAVIOR_OK || gather == NULL || !decided(gather)) {
        return said;
    }
    said = finish(context, state, gather, users);
    return said == JZX_BEHAVIOR_UNHANDLED ? JZX_BEHAVIOR_OK : said; /* on_each had the payload */
}

jzx_err jzx__gather_begin(jzx_context *context, const jzx_gather_options *options, uint64_t *number)
{
    jzx_loop *loop = context->loop;
    jzx__scope *scope = jzx__scope_current(context);
    uint64_t deadline_ns = options->deadline_ns;
    jzx_err err = jzx__scope_refusal(loop, scope, &deadline_ns);
    if (err != JZX_OK) {
        return err;
    }
    const jzx__call_order order = {.on_answer = gather_over, .argument = options->argument};
    jzx__calling *calling;
    err = jzx__call_reserve(context, scope, 0, deadline_ns, 1, &order, &calling);
    if (err != JZX_OK) {
        return err;
    }
    jzx__cell *cell = jzx__pool_take(&loop->pool, 1);
    if (cell == NULL) {
        jzx__call_undo(loop, calling);
        jzx__count_add(&loop->counters->refused_block, 1);
        return JZX_ERR_WOULD_BLOCK;
    }
    jzx__gather *gather = (jzx__gather *)(void *)cell;
    *gather = (jzx__gather){.scope = {.kind = JZX__CELL_GATHER, .deadline_ns = deadline_ns},
                            .on_each = options->on_each,
                            .on_done = options->on_done,
                            .calling = jzx__pool_index(&loop->pool, (jzx__cell *)(void *)calling),
                            .need = options->need};
    gather->scope.number = jzx__pool_number(&loop->pool, cell);
    calling->token = gather->scope.number;
    *number = gather->scope.number;
    return JZX_OK;
}

jzx_err jzx__gather_call(jzx_context *context, uint64_t number, jzx_actor_id to, const jzx_message *message,
                         uint32_t index)
{
    jzx__gather *gather = find_own(context, number);
    if (gather == NULL || (gather->scope.flags & JZX__CALL_COMPLETE) != 0) {
        return JZX_ERR_NO_SUCH_REQUEST;
    }
    const jzx__call_order order = {
        .deadline_ns = JZX_FOREVER, .on_answer = gather_each, .argument = (void *)(uintptr_t)index};
    jzx_err err = jzx__call_in(context, &gather->scope, false, to, message, &order, NULL);
    gather->calls += err == JZX_OK;
    return err;
}

jzx_err jzx__gather_end(jzx_context *context, uint64_t number)
{
    jzx__gather *gather = find_own(context, number);
    if (gather == NULL || (gather->scope.flags & JZX__CALL_COMPLETE) != 0) {
        return JZX_ERR_NO_SUCH_REQUEST;
    }
    gather->scope.flags |= JZX__CALL_COMPLETE;
    gather->need = gather->need == JZX_NEED_ALL ? gather->calls : gather->need;
    if (gather->calls == 0 || gather->need > gather->calls) {
        jzx__call_end(context->loop, calling_of(context->loop, gather), JZX_DROP_CANCELLED);
        jzx__scope_cancel_some(context->loop);
        return JZX_ERR_INVALID_ARG;
    }
    if (decided(gather)) {
        jzx__call_end(context->loop, calling_of(context->loop, gather), JZX__DECIDED);
        jzx__scope_cancel_some(context->loop);
    }
    return JZX_OK;
}

jzx_err jzx__gather_cancel(jzx_context *context, uint64_t number)
{
    jzx__gather *gather = find_own(context, number);
    if (gather == NULL) {
        return JZX_ERR_NO_SUCH_REQUEST;
    }
    jzx__call_end(context->loop, calling_of(context->loop, gather), JZX_DROP_CANCELLED);
    jzx__scope_cancel_some(context->loop);
    return JZX_OK;
}
