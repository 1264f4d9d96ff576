/* execute: what each operation does to the store, and what Redis would say. */
#include "batch.h"
#include "resp.h"

enum { PREFETCH_MAX = 16 }; /* operations whose memory is asked for together */

#define NO_MEMORY "-OOM command not allowed when used memory > 'maxmemory'.\r\n"

static void write_null(const struct kv_request *request, struct kv_buffer *out)
{
    resp_null(out, (request->flags & KV_RESP3) != 0 ? 3 : 2);
}

static void get(struct store_entry *entry, const struct kv_request *request, struct kv_buffer *out)
{
    if (entry == NULL) {
        write_null(request, out);
        return;
    }
    struct kv_bytes value = store_value(entry);
    resp_bulk(out, value.data, value.size);
}

/* Deadlines past the end of time stay there: one that is STORE_NEVER would be none at all. */
static int64_t deadline_after(int64_t now_ms, int64_t delay_ms)
{
    int64_t at_ms;
    if (__builtin_add_overflow(now_ms, delay_ms, &at_ms) || at_ms == STORE_NEVER) {
        return STORE_NEVER - 1;
    }
    return at_ms;
}

static void set(struct store *store, struct store_entry *entry, const struct kv_request *request, int64_t now_ms,
                struct kv_buffer *out)
{
    bool answered = (request->flags & KV_RETURN_OLD) != 0;
    if (answered) {
        get(entry, request, out);
    }
    if ((entry != NULL && (request->flags & KV_IF_NEW) != 0) || (entry == NULL && (request->flags & KV_IF_OLD) != 0)) {
        if (!answered) {
            write_null(request, out);
        }
        return;
    }
    entry = store_put(store, entry, request->hash, request->key, request->value);
    bool stored = entry != NULL;
    if (stored && request->argument != 0) {
        stored = store_set_deadline(store, entry, deadline_after(now_ms, request->argument));
    } else if (stored && entry->heap_index != 0 && (request->flags & KV_KEEP_TTL) == 0) {
        store_set_deadline(store, entry, STORE_NEVER);
    }
    if (!stored && (request->flags & KV_QUIET) != 0) {
        out->failed = true; /* the reply that follows would say OK: end the connection instead */
    } else if (!stored) {
        RESP_LITERAL(out, NO_MEMORY);
    } else if (!answered && (request->flags & KV_QUIET) == 0) {
        RESP_LITERAL(out, "+OK\r\n");
    }
}

static void add(struct store *store, struct store_entry *entry, const struct kv_request *request, struct kv_buffer *out)
{
    int64_t sum = 0;
    if (entry != NULL) {
        struct kv_bytes value = store_value(entry);
        if (!resp_integer(value.data, value.size, &sum)) {
            RESP_LITERAL(out, "-ERR value is not an integer or out of range\r\n");
            return;
        }
    }
    if (__builtin_add_overflow(sum, request->argument, &sum)) {
        RESP_LITERAL(out, "-ERR increment or decrement would overflow\r\n");
        return;
    }
    uint8_t text[RESP_INTEGER_MAX];
    struct kv_bytes value = {text, resp_format_integer(text, sum)};
    if (store_put(store, entry, request->hash, request->key, value) == NULL) {
        RESP_LITERAL(out, NO_MEMORY);
        return;
    }
    resp_number(out, sum);
}

/* EXPIRE's options, with the rule that a key without a deadline lives longer than any. */
static bool expire_allowed(int64_t old_ms, int64_t new_ms, uint8_t flags)
{
    if ((flags & KV_IF_NEW) != 0 && old_ms != STORE_NEVER) {
        return false;
    }
    if ((flags & KV_IF_OLD) != 0 && old_ms == STORE_NEVER) {
        return false;
    }
    if ((flags & KV_IF_LATER) != 0 && new_ms <= old_ms) {
        return false;
    }
    return (flags & KV_IF_SOONER) == 0 || new_ms < old_ms;
}

static bool expire(struct store *store, struct store_entry *entry, const struct kv_request *request, int64_t now_ms)
{
    if (entry == NULL) {
        return false;
    }
    int64_t at_ms = request->argument < 0 ? now_ms + (request->argument < -now_ms ? -now_ms : request->argument)
                                          : deadline_after(now_ms, request->argument);
    if (!expire_allowed(store_deadline(store, entry), at_ms, request->flags)) {
        return false;
    }
    if (at_ms <= now_ms) {
        store_delete(store, entry);
        return true;
    }
    return store_set_deadline(store, entry, at_ms);
}

static int64_t time_to_live(const struct store *store, const struct store_entry *entry, int64_t now_ms, bool seconds)
{
    if (entry == NULL) {
        return -2;
    }
    int64_t at_ms = store_deadline(store, entry);
    if (at_ms == STORE_NEVER) {
        return -1;
    }
    int64_t left_ms = at_ms - now_ms;
    return seconds ? left_ms / 1000 + (left_ms % 1000 >= 500) : left_ms;
}

static bool persist(struct store *store, struct store_entry *entry)
{
    return entry != NULL && entry->heap_index != 0 && store_set_deadline(store, entry, STORE_NEVER);
}

static bool delete_entry(struct store *store, struct store_entry *entry)
{
    if (entry == NULL) {
        return false;
    }
    store_delete(store, entry);
    return true;
}

/* Operations on one key whose answer is a number. */
static int64_t number_of(struct store *store, struct store_entry *entry, const struct kv_request *request,
                         int64_t now_ms)
{
    switch (request->code) {
    case KV_DELETE:
        return delete_entry(store, entry);
    case KV_EXISTS:
        return entry != NULL;
    case KV_EXPIRE:
        return expire(store, entry, request, now_ms);
    case KV_TTL:
        return time_to_live(store, entry, now_ms, true);
    case KV_PTTL:
        return time_to_live(store, entry, now_ms, false);
    case KV_PERSIST:
        return persist(store, entry);
    default:
        return entry != NULL ? (int64_t)entry->value_size : 0;
    }
}

/* Operations on the whole shard. */
static void execute_all(struct store *store, const struct kv_request *request, int64_t now_ms, struct kv_buffer *out)
{
    if (request->code == KV_CLEAR) {
        store_clear(store);
        return;
    }
    store_expire(store, now_ms, SIZE_MAX);
    resp_number(out, (int64_t)(request->code == KV_COUNT ? store->count : store->heap_count));
}

void kv_execute(struct store *store, const struct kv_request *request, int64_t now_ms, struct kv_buffer *out)
{
    if (request->code >= KV_COUNT) {
        execute_all(store, request, now_ms, out);
        return;
    }
    struct store_entry *entry = store_find(store, request->hash, request->key, now_ms);
    switch (request->code) {
    case KV_GET:
        get(entry, request, out);
        break;
    case KV_SET:
        set(store, entry, request, now_ms, out);
        break;
    case KV_ADD:
        add(store, entry, request, out);
        break;
    default:
        resp_number(out, number_of(store, entry, request, now_ms));
        break;
    }
}

/*
 * Asks for the memory that the next operations will look at, so that they wait for it together and not one after the
 * other: in a big store each key is a miss of all caches. Returns how many operations that were.
 */
static uint32_t prefetch(const struct kv_batch *batch, const struct store *store)
{
    uint64_t hashes[PREFETCH_MAX];
    uint32_t count = 0;
    for (size_t at = batch->done_at; count < PREFETCH_MAX && at < batch->in.size; count++) {
        const struct kv_item *item = kv_batch_item(batch, at);
        hashes[count] = item->hash;
        store_prefetch_bucket(store, item->hash);
        at += item->size;
    }
    for (uint32_t i = 0; i < count; i++) {
        store_prefetch_entry(store, hashes[i]);
    }
    return count;
}

uint32_t kv_batch_execute(struct kv_batch *batch, struct store *store, int64_t now_ms)
{
    uint32_t before = batch->done;
    uint32_t prefetched = 0;
    uint32_t *ends = kv_batch_ends(batch);
    while (batch->done < batch->count && batch->out.size < KV_REPLY_SOFT_MAX) {
        if (prefetched-- == 0) {
            prefetched = prefetch(batch, store) - 1;
        }
        const struct kv_item *item = kv_batch_item(batch, batch->done_at);
        struct kv_request request = kv_item_request(item);
        kv_execute(store, &request, now_ms, &batch->out);
        ends[batch->done++] = (uint32_t)batch->out.size; /* B2 */
        batch->done_at += item->size;
    }
    return batch->done - before;
}
