/* bank_transaction.c: a teller moves money between accounts; one that waits for the other account handles nothing else. */
#include "savina/members.h"
#include "savina/savina.h"

#include <stdlib.h>

enum { ACCOUNTS = 1000, SOURCES = 800, OPEN_MAX = 1000, SEED = 123456 };
enum { TAG_CREDIT = SAVINA_OWN, TAG_DEBIT, TAG_DONE };

#define BALANCE_FIRST ((uint64_t)1 << 32)

struct teller {
    savina play;
    uint64_t count;
    uint64_t begun;
    uint64_t transactions; /* answered */
    uint64_t random;
    uint64_t balance;
    uint64_t checksum;
    jzx_actor_id accounts[ACCOUNTS];
};

struct account {
    uint64_t number;
    uint64_t balance;
    bool waiting;       /* for the other account, */
    uint64_t ref;       /* to answer this request */
    savina_queue stash; /* requests that came while it waited: tag, ref, amount, the other account */
};

typedef struct transfer {
    uint64_t source;
    uint64_t target;
    uint64_t amount;
} transfer;

static transfer draw(uint64_t *random)
{
    uint64_t source = savina_below(random, SOURCES);
    uint64_t distance = savina_below(random, ACCOUNTS - source);
    uint64_t target = source + (distance == 0 ? 1 : distance); /* above the source, so nobody waits in a circle */
    return (transfer){source, target, savina_next(random) + 1};
}

/* ---- accounts ---- */

static void answer(jzx_context *context, uint64_t ref)
{
    jzx_message done = jzx_message_empty(TAG_DONE);
    WORLD_CHECK(jzx_answer(context, ref, &done));
}

static void serve(jzx_context *context, struct account *self, uint64_t tag, uint64_t ref, const uint64_t *words)
{
    if (tag == TAG_DEBIT) {
        self->balance += words[0];
        answer(context, ref);
        return;
    }
    self->balance -= words[0];
    self->waiting = true;
    self->ref = ref;
    jzx_message debit = SAVINA_MESSAGE(TAG_DEBIT, words[0]);
    WORLD_CHECK(jzx_request(context, words[1], &debit, JZX_FOREVER, NULL));
}

static void serve_stash(jzx_context *context, struct account *self)
{
    while (!self->waiting) {
        const uint64_t *request = savina_queue_take(&self->stash);
        if (request == NULL) {
            return;
        }
        serve(context, self, request[0], request[1], &request[2]);
    }
}

static jzx_behavior_result account_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct account *self = state;
    const uint64_t *words = message->words;
    switch (message->tag) {
    case TAG_CREDIT:
    case TAG_DEBIT:
        if (self->waiting) {
            savina_queue_add(&self->stash, message->tag, message->ref, words[0], words[1]);
        } else {
            serve(context, self, message->tag, message->ref, words);
        }
        return JZX_BEHAVIOR_OK;
    case TAG_DONE:
        self->waiting = false;
        answer(context, self->ref);
        serve_stash(context, self);
        return JZX_BEHAVIOR_OK;
    case SAVINA_END:
        SAVINA_SEND(context, message->sender, SAVINA_REPORT, self->balance, (self->number + 1) * self->balance);
        return JZX_BEHAVIOR_STOP;
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

static void account_fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    (void)context;
    (void)info;
    struct account *self = state;
    savina_queue_deinit(&self->stash);
}

/* ---- the teller ---- */

static void begin_next(jzx_context *context, struct teller *self)
{
    if (self->begun == self->count) {
        return;
    }
    self->begun++;
    transfer next = draw(&self->random);
    jzx_message credit = SAVINA_MESSAGE(TAG_CREDIT, next.amount, self->accounts[next.target]);
    WORLD_CHECK(jzx_request(context, self->accounts[next.source], &credit, JZX_FOREVER, NULL));
}

static jzx_behavior_result teller_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct teller *self = state;
    switch (message->tag) {
    case SAVINA_START:
        savina_begin(&self->play);
        for (int i = 0; i < OPEN_MAX; i++) {
            begin_next(context, self);
        }
        return JZX_BEHAVIOR_OK;
    case TAG_DONE:
        begin_next(context, self);
        if (++self->transactions == self->count) {
            savina_tell_all(context, self->accounts, ACCOUNTS, SAVINA_END);
        }
        return JZX_BEHAVIOR_OK;
    case SAVINA_REPORT:
        self->balance += message->words[0];
        self->checksum += message->words[1];
        savina_reported(&self->play, self->count);
        return JZX_BEHAVIOR_OK;
    default:
        return JZX_BEHAVIOR_FAIL;
    }
}

/* ---- the play ---- */

/* The checksum of the balances after all transactions, in whatever order. */
static uint64_t checksum_of(uint64_t count)
{
    uint64_t sum = (uint64_t)ACCOUNTS * (ACCOUNTS + 1) / 2 * BALANCE_FIRST;
    uint64_t random = SEED;
    for (uint64_t i = 0; i < count; i++) {
        transfer next = draw(&random);
        sum += (next.target - next.source) * next.amount;
    }
    return sum;
}

void savina_bank_transaction(jzx_bench *bench, void *stage)
{
    struct teller teller = {.count = jzx_bench_count(bench), .random = SEED};
    savina_open(&teller.play, bench, stage, NULL);
    teller.play.reports = ACCOUNTS;
    for (int i = 0; i < ACCOUNTS; i++) {
        struct account account = {.number = (uint64_t)i, .balance = BALANCE_FIRST};
        jzx_spawn_options options = savina_options(account_behave, &account, sizeof account);
        options.fini = account_fini;
        teller.accounts[i] = savina_spawn(&teller.play, savina_loop(&teller.play, i), &options);
    }
    savina_run(&teller.play, world_spawn_cap(&teller.play.world, 0, teller_behave, &teller, 2 * OPEN_MAX));
    jzx_bench_prove(bench, "transactions", teller.transactions, teller.count);
    jzx_bench_prove(bench, "balance", teller.balance, ACCOUNTS * BALANCE_FIRST);
    jzx_bench_prove(bench, "checksum", teller.checksum, checksum_of(teller.count));
}
