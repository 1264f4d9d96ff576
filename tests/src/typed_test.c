/* typed: messages of a struct each. That a wrong struct does not compile is seen by typed_rejects.sh. */
#include "tests/support/support.h"

#include <jzx/typed.h>
#include <stdlib.h>
#include <string.h>

typedef struct deposit {
    uint64_t account;
    uint32_t cents;
} deposit;

typedef struct statement {
    uint64_t account;
    char text[200];
} statement;

static _Atomic(uint32_t) statements_freed;

static void statement_free(statement *what)
{
    statements_freed++;
    free(what);
}

JZX_TYPED(deposit, 7, deposit)
JZX_TYPED_POINTER(statement, 8, statement, statement_free)
JZX_TYPED_EMPTY(closing, 9)

static statement *make_statement(uint64_t account)
{
    statement *made = calloc(1, sizeof *made);
    made->account = account;
    (void)strcpy(made->text, "all is well");
    return made;
}

Test(typed, a_value_is_found_by_its_tag_and_its_size)
{
    jzx_message message = deposit_message((deposit){.account = 3, .cents = 500});
    cr_assert_eq(message.tag, 7);
    cr_assert_eq(deposit_TAG, 7);
    cr_assert_eq(message.size, sizeof(deposit));
    cr_assert_not_null(deposit_of(&message));
    cr_assert_eq(deposit_of(&message)->account, 3);
    cr_assert_eq(deposit_of(&message)->cents, 500);
    cr_assert_null(statement_of(&message));
    cr_assert_not(closing_is(&message));
    message.size--;
    cr_assert_null(deposit_of(&message), "another size");
    message.size++;
    message.tag++;
    cr_assert_null(deposit_of(&message), "another tag");
    message = jzx_message_pointer(deposit_TAG, &message, sizeof(deposit), NULL, NULL);
    cr_assert_null(deposit_of(&message), "by pointer");
}

Test(typed, a_pointer_is_found_and_freed_by_its_drop)
{
    jzx_message message = statement_message(make_statement(4));
    cr_assert_eq(message.tag, 8);
    cr_assert_eq(statement_of(&message)->account, 4);
    cr_assert_null(deposit_of(&message));
    message.pointer.drop(message.pointer.drop_context, message.pointer.data, message.size);
    cr_assert_eq(statements_freed, 1);
    jzx_message value = jzx_message_value(statement_TAG, NULL, 0);
    value.size = sizeof(statement);
    cr_assert_null(statement_of(&value), "by value");
    jzx_message empty = closing_message();
    cr_assert(closing_is(&empty));
    empty.size = 1;
    cr_assert_not(closing_is(&empty));
}

/* ---- between actors ---- */

typedef struct bank {
    uint64_t cents;
    uint32_t statements;
    uint32_t closings;
} bank;

static jzx_behavior_result keep_bank(jzx_context *context, test_actor *actor, const jzx_message *message)
{
    bank *books = actor->data;
    const deposit *in = deposit_of(message);
    if (in != NULL) {
        books->cents += in->cents;
        if ((message->flags & JZX_MESSAGE_REQUEST) != 0) {
            cr_assert_eq(deposit_answer(context, message->ref, (deposit){in->account, (uint32_t)books->cents}), JZX_OK);
        }
        return JZX_BEHAVIOR_OK;
    }
    statement *paper = statement_of(message);
    if (paper != NULL) {
        books->statements += strcmp(paper->text, "all is well") == 0;
        statement_free(paper);
        return JZX_BEHAVIOR_OK;
    }
    books->closings += closing_is(message);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result pay_in(jzx_context *context, test_actor *actor, void *argument)
{
    jzx_actor_id to = *(jzx_actor_id *)argument;
    (void)actor;
    jzx_message request = deposit_message((deposit){1, 50});
    cr_assert_eq(deposit_send(context, to, (deposit){.account = 1, .cents = 500}), JZX_OK);
    cr_assert_eq(statement_send(context, to, make_statement(1)), JZX_OK);
    cr_assert_eq(closing_send(context, to), JZX_OK);
    cr_assert_eq(jzx_request(context, to, &request, JZX_FOREVER, NULL), JZX_OK);
    return JZX_BEHAVIOR_OK;
}

static void pay(uint32_t loops)
{
    test_world world;
    test_world_open(&world, loops, NULL);
    bank books = {0};
    test_actor payer = {0};
    test_actor keeper = {.on = keep_bank, .data = &books};
    test_spawn(&world, 0, &payer);
    test_spawn(&world, loops - 1, &keeper);
    uint32_t freed = statements_freed;
    test_do(&world, &payer, pay_in, &keeper.id);
    test_until(&world, payer.received == 1);
    cr_assert_eq(books.cents, 550);
    cr_assert_eq(books.statements, 1);
    cr_assert_eq(books.closings, 1);
    cr_assert_eq(deposit_of(&payer.log[0])->cents, 550, "the answer");
    cr_assert_eq(statements_freed, freed + 1);
    test_world_close(&world);
}

Test(typed, they_are_sent_asked_and_answered, .timeout = 60)
{
    pay(1);
    pay(2);
}

Test(typed, one_that_nobody_gets_is_freed, .timeout = 60)
{
    test_world world;
    test_world_open(&world, 1, NULL);
    test_actor keeper = {0};
    test_spawn(&world, 0, &keeper);
    uint32_t freed = statements_freed;
    cr_assert_eq(statement_send(jzx_loop_context(world.loops[0]), keeper.id, make_statement(1)), JZX_OK);
    cr_assert_eq(jzx_stop(jzx_loop_context(world.loops[0]), keeper.id), JZX_OK);
    test_until(&world, keeper.finis == 1);
    cr_assert_eq(statements_freed, freed + 1);
    test_world_close(&world);
}
