/*
 * round: the commands of one connection that are under way together, and the order of their replies.
 *
 * A connection parses what it received into a round: operations go into one batch per shard, and slots note in what order
 * the replies belong to the client. When every batch is back the replies are told in that order. Only then the next round
 * begins, so a connection that does nothing holds no round at all.
 *
 * Commands on many keys need no join of their own: MGET is the header of an array and one GET for each key; DEL, EXISTS
 * and DBSIZE are numbers that are added up and told once. A round with one of them is gathered: its batches go out as calls
 * with one deadline (connection.c), so that none of its shards can hold up the client for ever.
 *
 * Invariants
 *   O1  The operations of a connection on one key are done in the order of its commands: they are in one batch, and there
 *       is one batch of a connection to a shard at a time.
 *   O2  Slots are told strictly in order. A slot whose reply is not there yet stops the telling.
 *   O3  Each operation is answered, also when its shard has ended with the batch or before it: the batch is then KV_LOST,
 *       and each of its operations that are not told yet is told KV_SHARD_DOWN. A command on many keys that misses one of
 *       them has that answer too, as a whole or, for MGET, in that place.
 *   O4  When the deadline of a gathered round has passed, each batch that is not back is KV_OVERDUE, and told likewise that
 *       its shard did not answer. What it asks for may have been done, or not.
 */
#ifndef KV_ROUND_H
#define KV_ROUND_H

#include "batch.h"

enum {
    KV_ROUND_OPERATIONS_MAX = 1024, /* a round that has as many takes no further command */
    KV_ROUND_BYTES_MAX = 64 * 1024, /* the same, for what its operations carry */
    KV_OUTPUT_SOFT_MAX = 64 * 1024, /* bytes put together before they are sent */
    KV_NUMBERS_MAX = 64,            /* numbers that are counted while a round is under way */
    KV_ROUNDS_MAX = 512,            /* rounds that wait for their next use on one loop */
    KV_SHARDS_MAX = 1024,
    KV_LOCAL = KV_SHARDS_MAX, /* the source of replies the connection has written itself */
};

enum kv_slot_kind {
    KV_TELL,        /* `count` replies of the source; of KV_LOCAL `count` bytes */
    KV_SUM_FIRST,   /* `count` numbers of the source, added to sums[0] */
    KV_SUM_SECOND,  /* the same with sums[1] */
    KV_NO_REPLY,    /* `count` operations of the source with KV_QUIET: a slot that follows speaks for them */
    KV_TELL_SUM,    /* sums[0]; `count` is its kv_torn */
    KV_TELL_OK,     /* +OK; the same */
    KV_TELL_NUMBER, /* numbers[count] */
    KV_TELL_LATE,   /* what `late` writes; it may use the sums, which lack the shards that are down */
};

enum kv_telling {
    KV_TOLD_ALL,  /* `sending` holds the last of it */
    KV_TOLD_PART, /* `sending` is to be sent, then there is more to tell */
    KV_TOLD_STOP, /* as KV_TOLD_PART, but `blocked` must be sent to its shard again first */
};

#define KV_SHARD_DOWN "-TRYAGAIN shard restarting\r\n"
#define KV_NO_ANSWER "-TIMEOUT a shard did not answer in time\r\n"

/* What a command on many keys leaves behind when a shard did not answer in time (O4). */
enum kv_torn {
    KV_TORN_READ, /* nothing */
    KV_TORN_SET,
    KV_TORN_DELETED,
};

struct kv_slot {
    uint16_t kind;
    uint16_t source;
    uint32_t count;
};

/* Writes a reply that depends on the sums. */
typedef void (*kv_late_fn)(void *context, const int64_t sums[2], struct kv_buffer *out);

struct kv_round {
    struct kv_round *next; /* in the pool */
    struct kv_slot *slots;
    uint32_t slot_count;
    uint32_t slot_capacity;
    uint32_t slot_at;   /* the slot to tell next */
    uint32_t slot_told; /* how much of it is told */
    uint32_t operations;
    size_t bytes;
    int64_t sums[2];
    int64_t numbers[KV_NUMBERS_MAX];
    uint32_t number_count;
    kv_late_fn late;
    void *late_context;
    struct kv_buffer local; /* replies written at once */
    size_t local_at;
    struct kv_buffer output;   /* replies put together to be sent */
    struct kv_buffer *sending; /* what is being sent: `output`, `local` or a batch's */
    size_t sent;
    enum kv_telling telling; /* what is to be done after that */
    struct kv_batch *blocked;
    bool failed;                    /* no memory on the way: the connection ends */
    bool gathered;                  /* a command on many keys is in it */
    const struct kv_batch *missing; /* an operation of the command that is being told is in it: KV_LOST or KV_OVERDUE */
    uint32_t touched_count;
    uint16_t *touched;          /* shards with a batch in this round */
    uint64_t *refs;             /* by shard: the request that took its batch away */
    struct kv_batch *batches[]; /* by shard */
};

/* Stand for a batch that ended with its shard, and for one that is not back in time. */
extern struct kv_batch kv_lost_batch;
extern struct kv_batch kv_overdue_batch;
#define KV_LOST (&kv_lost_batch)
#define KV_OVERDUE (&kv_overdue_batch)

static inline bool kv_batch_gone(const struct kv_batch *batch)
{
    return batch == KV_LOST || batch == KV_OVERDUE;
}

/* One loop's rounds. */
struct kv_rounds {
    struct kv_round *first;
    uint32_t count;
    uint32_t shard_count;
};

struct kv_round *kv_round_take(struct kv_rounds *rounds);

/* Gives a round back, with the batches it still has. */
void kv_round_give(struct kv_rounds *rounds, struct kv_pool *pool, struct kv_round *round);
void kv_rounds_deinit(struct kv_rounds *rounds);

/* Adds an operation whose reply is told, or added up, by `kind`. */
void kv_round_operate(struct kv_round *round, struct kv_pool *pool, uint16_t shard, const struct kv_request *request,
                      enum kv_slot_kind kind);

/* Where to write a reply of the connection's own; kv_round_told() after it notes what was written. */
static inline struct kv_buffer *kv_round_local(struct kv_round *round)
{
    return &round->local;
}
void kv_round_told(struct kv_round *round);

/* Adds a slot without a source, KV_TELL_SUM, KV_TELL_OK or KV_TELL_LATE, which ends a command on many keys. */
void kv_round_finish(struct kv_round *round, enum kv_slot_kind kind, enum kv_torn torn);

/* Adds a reply that is numbers[i] when it is told: 0 until then. Returns i. */
uint32_t kv_round_number(struct kv_round *round);

static inline bool kv_round_full(const struct kv_round *round)
{
    return round->number_count == KV_NUMBERS_MAX || round->operations >= KV_ROUND_OPERATIONS_MAX ||
           round->bytes >= KV_ROUND_BYTES_MAX || round->local.size >= KV_OUTPUT_SOFT_MAX;
}

/* Gives up the batch of a shard, which is gone, or is given back here. */
void kv_round_lose(struct kv_round *round, struct kv_pool *pool, uint16_t shard);

/* Gives up the batch that the request `ref` took away. False when there is none. */
bool kv_round_lose_request(struct kv_round *round, uint64_t ref);

/* The deadline has passed: gives up every batch that is not back, those that were never sent too (O4). Returns
 * how many. */
uint32_t kv_round_overdue(struct kv_round *round, struct kv_pool *pool);

/* Puts together what can be told now, as `sending`, and sets `telling`. Every batch must be back, or lost. */
void kv_round_tell(struct kv_round *round);

#endif
