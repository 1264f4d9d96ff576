#include "round.h"

#include "resp.h"

struct kv_batch kv_lost_batch;
struct kv_batch kv_overdue_batch;

struct kv_round *kv_round_take(struct kv_rounds *rounds)
{
    struct kv_round *round = rounds->first;
    if (round != NULL) {
        rounds->first = round->next;
        rounds->count--;
        return round;
    }
    size_t per_shard = sizeof(struct kv_batch *) + sizeof(uint64_t) + sizeof(uint16_t);
    round = calloc(1, sizeof *round + rounds->shard_count * per_shard);
    if (round != NULL) {
        round->refs = (uint64_t *)(void *)&round->batches[rounds->shard_count];
        round->touched = (uint16_t *)(void *)&round->refs[rounds->shard_count];
    }
    return round;
}

static void round_free(struct kv_round *round)
{
    free(round->slots);
    kv_buffer_deinit(&round->local);
    kv_buffer_deinit(&round->output);
    free(round);
}

void kv_round_give(struct kv_rounds *rounds, struct kv_pool *pool, struct kv_round *round)
{
    for (uint32_t i = 0; i < round->touched_count; i++) {
        struct kv_batch *batch = round->batches[round->touched[i]];
        if (batch != NULL && !kv_batch_gone(batch)) {
            kv_batch_give(pool, batch);
        }
        round->batches[round->touched[i]] = NULL;
    }
    if (rounds->count == KV_ROUNDS_MAX) {
        round_free(round);
        return;
    }
    kv_buffer_reset(&round->local, KV_BATCH_KEEP_MAX);
    kv_buffer_reset(&round->output, KV_BATCH_KEEP_MAX);
    round->touched_count = 0;
    round->slot_count = 0;
    round->slot_at = 0;
    round->slot_told = 0;
    round->operations = 0;
    round->bytes = 0;
    round->sums[0] = 0;
    round->sums[1] = 0;
    round->number_count = 0;
    round->local_at = 0;
    round->sending = NULL;
    round->sent = 0;
    round->failed = false;
    round->gathered = false;
    round->missing = NULL;
    round->blocked = NULL;
    round->next = rounds->first;
    rounds->first = round;
    rounds->count++;
}

void kv_rounds_deinit(struct kv_rounds *rounds)
{
    while (rounds->first != NULL) {
        struct kv_round *round = rounds->first;
        rounds->first = round->next;
        round_free(round);
    }
    rounds->count = 0;
}

/* Replies that follow each other from one source share a slot. */
static void add_slot(struct kv_round *round, enum kv_slot_kind kind, uint16_t source, uint32_t count)
{
    if (round->slot_count != 0) {
        struct kv_slot *last = &round->slots[round->slot_count - 1];
        if (last->kind == kind && last->source == source && kind <= KV_NO_REPLY) {
            last->count += count;
            return;
        }
    }
    if (round->slot_count == round->slot_capacity) {
        uint32_t capacity = round->slot_capacity != 0 ? round->slot_capacity * 2 : 32;
        struct kv_slot *slots = realloc(round->slots, capacity * sizeof *slots);
        if (slots == NULL) {
            round->failed = true;
            return;
        }
        round->slots = slots;
        round->slot_capacity = capacity;
    }
    round->slots[round->slot_count++] = (struct kv_slot){(uint16_t)kind, source, count};
}

static struct kv_batch *batch_of(struct kv_round *round, struct kv_pool *pool, uint16_t shard)
{
    struct kv_batch *batch = round->batches[shard];
    if (batch == NULL) {
        batch = kv_batch_take(pool, shard);
        if (batch == NULL) {
            return NULL;
        }
        round->batches[shard] = batch;
        round->touched[round->touched_count++] = shard;
    }
    return batch;
}

void kv_round_operate(struct kv_round *round, struct kv_pool *pool, uint16_t shard, const struct kv_request *request,
                      enum kv_slot_kind kind)
{
    struct kv_batch *batch = batch_of(round, pool, shard);
    if (batch == NULL) {
        round->failed = true;
        return;
    }
    kv_batch_add(batch, request);
    round->failed |= batch->in.failed;
    round->operations++;
    round->bytes += request->key.size + request->value.size;
    add_slot(round, kind, shard, 1);
}

void kv_round_told(struct kv_round *round)
{
    round->failed |= round->local.failed;
    size_t size = round->local.size - round->local_at;
    if (size != 0) {
        add_slot(round, KV_TELL, KV_LOCAL, (uint32_t)size);
        round->local_at = round->local.size;
    }
}

void kv_round_finish(struct kv_round *round, enum kv_slot_kind kind, enum kv_torn torn)
{
    round->gathered = true;
    add_slot(round, kind, KV_LOCAL, torn);
}

uint32_t kv_round_number(struct kv_round *round)
{
    round->numbers[round->number_count] = 0;
    add_slot(round, KV_TELL_NUMBER, KV_LOCAL, round->number_count);
    return round->number_count++;
}

void kv_round_lose(struct kv_round *round, struct kv_pool *pool, uint16_t shard)
{
    if (round->batches[shard] != NULL) {
        kv_batch_give(pool, round->batches[shard]);
    }
    round->batches[shard] = KV_LOST;
}

bool kv_round_lose_request(struct kv_round *round, uint64_t ref)
{
    for (uint32_t i = 0; i < round->touched_count; i++) {
        uint16_t shard = round->touched[i];
        if (round->refs[shard] == ref && round->batches[shard] == NULL) {
            round->batches[shard] = KV_LOST;
            return true;
        }
    }
    return false;
}

uint32_t kv_round_overdue(struct kv_round *round, struct kv_pool *pool)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < round->touched_count; i++) {
        struct kv_batch **batch = &round->batches[round->touched[i]];
        if (*batch != NULL && !kv_batch_gone(*batch) && !(*batch)->sent) {
            kv_batch_give(pool, *batch);
            *batch = NULL;
        }
        if (*batch == NULL) {
            *batch = KV_OVERDUE;
            count++;
        }
    }
    return count;
}

/* The bytes of the next `count` replies of a batch. */
static struct kv_bytes take_replies(struct kv_batch *batch, uint32_t count)
{
    struct kv_bytes bytes = {batch->out.data, 0};
    if (count != 0) {
        batch->told += count;
        bytes.size = kv_batch_ends(batch)[batch->told - 1] - batch->out_at;
    }
    if (bytes.size != 0) { /* else there may be nothing to point into */
        bytes.data += batch->out_at;
        batch->out_at += bytes.size;
    }
    return bytes;
}

/* Adds up `count` replies like ":1\r\n". */
static int64_t sum_replies(struct kv_batch *batch, uint32_t count)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct kv_bytes reply = take_replies(batch, 1);
        int64_t value = 0;
        if (reply.size > 3) {
            resp_integer(reply.data + 1, reply.size - 3, &value);
        }
        sum += value;
    }
    return sum;
}

static void tell_missing(struct kv_round *round, const struct kv_batch *batch, enum kv_torn torn)
{
    if (batch == KV_LOST) {
        RESP_LITERAL(&round->output, KV_SHARD_DOWN);
    } else if (torn == KV_TORN_SET) {
        RESP_LITERAL(&round->output, "-TIMEOUT some keys may be set\r\n");
    } else if (torn == KV_TORN_DELETED) {
        RESP_LITERAL(&round->output, "-TIMEOUT some keys may be deleted\r\n");
    } else {
        RESP_LITERAL(&round->output, KV_NO_ANSWER);
    }
}

/* O3, O4. Returns how much of the slot that was: all. */
static uint32_t tell_gone(struct kv_round *round, const struct kv_slot *slot, const struct kv_batch *batch)
{
    uint32_t count = slot->count - round->slot_told;
    for (uint32_t i = 0; slot->kind == KV_TELL && i < count; i++) {
        tell_missing(round, batch, KV_TORN_READ);
    }
    if (slot->kind != KV_TELL && round->missing != KV_OVERDUE) {
        round->missing = batch;
    }
    return count;
}

/* Tells a slot from a shard, or as much as the batch has. Returns how much of the slot that was. */
static uint32_t tell_batch(struct kv_round *round, const struct kv_slot *slot)
{
    struct kv_batch *batch = round->batches[slot->source];
    if (kv_batch_gone(batch)) {
        return tell_gone(round, slot, batch);
    }
    uint32_t count = slot->count - round->slot_told;
    if (count > batch->done - batch->told) {
        count = batch->done - batch->told;
    }
    if (slot->kind == KV_TELL || slot->kind == KV_NO_REPLY) {
        struct kv_bytes bytes = take_replies(batch, count);
        kv_buffer_append(&round->output, bytes.data, bytes.size);
    } else {
        round->sums[slot->kind - KV_SUM_FIRST] += sum_replies(batch, count);
    }
    return count;
}

static void tell_own(struct kv_round *round, const struct kv_slot *slot)
{
    if (slot->kind == KV_TELL) {
        kv_buffer_append(&round->output, round->local.data + round->local_at, slot->count);
        round->local_at += slot->count;
        return;
    }
    if (slot->kind == KV_TELL_NUMBER) {
        resp_number(&round->output, round->numbers[slot->count]);
        return;
    }
    if (slot->kind == KV_TELL_LATE) {
        round->late(round->late_context, round->sums, &round->output);
    } else if (round->missing != NULL) {
        tell_missing(round, round->missing, (enum kv_torn)slot->count);
    } else if (slot->kind == KV_TELL_OK) {
        RESP_LITERAL(&round->output, "+OK\r\n");
    } else {
        resp_number(&round->output, round->sums[0]);
    }
    round->sums[0] = 0;
    round->sums[1] = 0;
    round->missing = NULL;
}

/* When all replies come from one place in one piece they are sent from there. */
static bool tell_whole(struct kv_round *round)
{
    const struct kv_slot *slot = &round->slots[0];
    if (round->slot_count != 1 || slot->kind != KV_TELL) {
        return false;
    }
    struct kv_batch *batch = slot->source != KV_LOCAL ? round->batches[slot->source] : NULL;
    if (batch != NULL && (kv_batch_gone(batch) || batch->told != 0 || batch->done < batch->count)) {
        return false;
    }
    round->sending = batch != NULL ? &batch->out : &round->local;
    round->slot_at = 1;
    return true;
}

/* Goes on in `output` until all is told, a reply is missing, or there is enough to send. */
static enum kv_telling tell_slots(struct kv_round *round)
{
    while (round->slot_at < round->slot_count) {
        const struct kv_slot *slot = &round->slots[round->slot_at];
        if (round->output.size >= KV_OUTPUT_SOFT_MAX) {
            return KV_TOLD_PART;
        }
        if (slot->source != KV_LOCAL) {
            round->slot_told += tell_batch(round, slot);
            if (round->slot_told < slot->count) { /* O2 */
                round->blocked = round->batches[slot->source];
                return KV_TOLD_STOP;
            }
        } else {
            tell_own(round, slot);
        }
        round->slot_at++;
        round->slot_told = 0;
    }
    return KV_TOLD_ALL;
}

void kv_round_tell(struct kv_round *round)
{
    round->sent = 0;
    if (round->slot_at == 0 && round->slot_told == 0) {
        round->local_at = 0; /* until now it was where the next local reply is written */
        if (tell_whole(round)) {
            round->telling = KV_TOLD_ALL;
            return;
        }
    }
    round->output.size = 0;
    round->sending = &round->output;
    round->telling = tell_slots(round);
}
