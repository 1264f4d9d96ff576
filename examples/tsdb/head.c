/*
 * head: takes the points of some of the series, and answers for them.
 *
 * A point is acknowledged when it is in the log, and then lies in memory too. Full memory becomes a segment, and the log
 * is emptied. Merging and indexing of segments is work for others, who are asked; what they made counts from their answer
 * on, or from the next incarnation of this head.
 *
 * Each incarnation begins with what the files say (init), so a crash at any moment costs no acknowledged point. That is
 * all there is to recovery, of a head and of the process.
 *
 * Invariants
 *   H1  A point is in the log before its acknowledgement is sent, and synced if the options say so.
 *   H2  The log is emptied only after the segment with its points is published.
 *   H3  Numbers have no gap, and an append takes the next ones only when the log has it.
 */
#include "tsdb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "folder.h"
#include "memory.h"
#include "range.h"
#include "wal.h"

struct head {
    struct tsdb *tsdb;
    uint32_t index;
    struct folder folder;
    struct wal wal;
    struct memory memory;
    uint64_t number; /* the last one given */
    int64_t newest;  /* time */
    uint64_t merge;  /* the request for a merge; 0: none */
    uint64_t merge_first;
    uint64_t merge_last;
    uint64_t index_request; /* the same for an index */
    uint64_t index_first;
    uint64_t index_last;
    bool unsynced; /* and a timer runs */
};

static void report(const struct head *head, const char *what)
{
    fprintf(stderr, "tsdb: head %u: %s: %s\n", head->index, what, strerror(errno));
}

/* ---- the log, memory and segments ---- */

/* H2 */
static bool flush(jzx_context *context, struct head *head)
{
    if (head->memory.count == 0) {
        return true;
    }
    uint64_t first = head->number - head->memory.count + 1;
    size_t count = memory_sort(head->memory.points, head->memory.count);
    struct segment_writer writer;
    bool good = segment_begin(&writer, head->folder.fd, "flush.draft", first, head->number);
    for (size_t i = 0; i < count && good; i++) {
        good = segment_add(&writer, &head->memory.points[i]);
    }
    good = good && segment_finish(&writer) && folder_add(&head->folder, first, head->number);
    if (!good) {
        report(head, "cannot write a segment");
        return false;
    }
    head->memory.count = 0;
    if (!wal_empty(&head->wal)) {
        report(head, "cannot empty the log"); /* its points do not count any more (F2) */
    }
    tsdb_tell_metrics(context, METRIC_FLUSHES, 1);
    return true;
}

/* Syncs the log now, or has it synced in time. */
static bool sync_log(jzx_context *context, struct head *head)
{
    uint64_t sync_ns = head->tsdb->options.sync_ns;
    if (sync_ns == 0) {
        return wal_sync(&head->wal);
    }
    if (sync_ns != JZX_FOREVER && !head->unsynced) {
        jzx_message tick = jzx_message_empty(TSDB_SYNC);
        head->unsynced = jzx_timer_after(context, sync_ns, &tick, NULL) == JZX_OK;
        return head->unsynced || wal_sync(&head->wal);
    }
    return true;
}

static enum tsdb_status append(jzx_context *context, struct head *head, struct tsdb_batch *batch)
{
    if (head->memory.count >= 2 * (size_t)head->tsdb->options.flush_points) {
        return TSDB_BUSY; /* segments cannot be written, so memory would grow for ever */
    }
    for (uint32_t i = 0; i < batch->count; i++) {
        batch->points[i].number = head->number + 1 + i;
    }
    if (!memory_reserve(&head->memory, batch->count) || !wal_append(&head->wal, batch->points, batch->count)) {
        report(head, "cannot write the log");
        return TSDB_FAILED;
    }
    head->number += batch->count; /* H3 */
    for (uint32_t i = 0; i < batch->count; i++) {
        memory_add(&head->memory, &batch->points[i]);
        head->newest = batch->points[i].time > head->newest ? batch->points[i].time : head->newest;
    }
    return sync_log(context, head) ? TSDB_DONE : TSDB_FAILED; /* H1 */
}

/* ---- workers ---- */

/* Asks a worker to do something with segments. Returns the request, or 0 when it is down or busy: later then. */
static uint64_t ask_worker(jzx_context *context, const struct head *head, const char *part, enum tsdb_tag tag,
                           uint64_t first, uint64_t last)
{
    char name[NAME_MAX_BYTES];
    struct tsdb_job job = {first, last, head->index};
    jzx_message message = jzx_message_value(tag, &job, sizeof job);
    uint64_t ref = 0;
    tsdb_ask(context, head->tsdb, tsdb_name(name, part, head->index % WORKERS), &message, JZX_FOREVER, &ref);
    return ref;
}

static void ask_merge(jzx_context *context, struct head *head)
{
    if (head->merge == 0 && folder_pick(&head->folder, &head->merge_first, &head->merge_last)) {
        head->merge = ask_worker(context, head, "merge", TSDB_MERGE, head->merge_first, head->merge_last);
    }
}

static void ask_index(jzx_context *context, struct head *head)
{
    for (uint32_t i = 0; i < head->folder.count && head->index_request == 0; i++) {
        const struct folder_segment *segment = &head->folder.segments[i];
        if (!segment->indexed && !segment->damaged) {
            head->index_first = segment->first;
            head->index_last = segment->last;
            head->index_request = ask_worker(context, head, "index", TSDB_INDEX, segment->first, segment->last);
            return;
        }
    }
}

static void mark_damaged(struct head *head, uint64_t first, uint64_t last)
{
    for (uint32_t i = 0; i < head->folder.count; i++) {
        struct folder_segment *segment = &head->folder.segments[i];
        struct segment opened;
        if (segment->first < first || segment->last > last ||
            !segment_open(&opened, head->folder.fd, segment->first, segment->last)) {
            continue;
        }
        segment->damaged = !segment_whole(&opened);
        segment_close(&opened);
        if (segment->damaged) {
            fprintf(stderr, "tsdb: head %u: a segment of %llu points is damaged\n", head->index,
                    (unsigned long long)segment->count);
        }
    }
}

static void on_merged(jzx_context *context, struct head *head, enum tsdb_status status)
{
    head->merge = 0;
    if (status == TSDB_DONE && folder_add(&head->folder, head->merge_first, head->merge_last)) {
        tsdb_tell_metrics(context, METRIC_MERGES, 1);
    } else if (status == TSDB_DAMAGED) {
        mark_damaged(head, head->merge_first, head->merge_last);
    }
}

static void on_indexed(jzx_context *context, struct head *head, enum tsdb_status status)
{
    struct folder_segment *segment = folder_find(&head->folder, head->index_first, head->index_last);
    head->index_request = 0;
    if (status == TSDB_DAMAGED) {
        mark_damaged(head, head->index_first, head->index_last);
    } else if (status == TSDB_DONE && segment != NULL) {
        segment->indexed = true;
        tsdb_tell_metrics(context, METRIC_INDEXES, 1);
    } else if (status == TSDB_DONE) {
        folder_clean(&head->folder); /* it was merged meanwhile */
    }
}

/* What is due: what could not be done when it was, because a worker was down, is tried again here. */
static void tidy(jzx_context *context, struct head *head)
{
    const struct tsdb_options *options = &head->tsdb->options;
    /* Not while a merge runs, which would bring them back. */
    if (options->retain != 0 && head->merge == 0 && head->newest > INT64_MIN + options->retain) {
        uint32_t retired = folder_retain(&head->folder, head->newest - options->retain);
        if (retired != 0) {
            tsdb_tell_metrics(context, METRIC_RETIRED, retired);
        }
    }
    if (head->memory.count >= options->flush_points) {
        flush(context, head);
    }
    ask_merge(context, head);
    ask_index(context, head);
}

/* ---- messages ---- */

static void on_append(jzx_context *context, struct head *head, const jzx_message *message)
{
    struct tsdb_batch *batch = message->pointer.data;
    uint32_t count = batch->count;
    enum tsdb_status status = append(context, head, batch);
    free(batch);
    tsdb_answer(context, message, status);
    if (status == TSDB_DONE) {
        tsdb_tell_metrics(context, METRIC_POINTS, count);
        tsdb_tell_metrics(context, METRIC_BATCHES, 1);
    }
    if (head->memory.count >= head->tsdb->options.flush_points) {
        tidy(context, head);
    }
}

static void on_range(jzx_context *context, struct head *head, const jzx_message *message)
{
    struct tsdb_text *text = NULL;
    enum tsdb_status status = range_read(&head->folder, &head->memory, message->pointer.data, &text);
    free(message->pointer.data);
    if (status == TSDB_DONE) {
        tsdb_answer_text(context, message, text);
        tsdb_tell_metrics(context, METRIC_RANGES, 1);
    } else {
        tsdb_answer(context, message, status);
    }
}

static void on_flush(jzx_context *context, struct head *head, const jzx_message *message)
{
    tsdb_answer(context, message, flush(context, head) ? TSDB_DONE : TSDB_FAILED);
    tidy(context, head);
}

static void on_sync(jzx_context *context, struct head *head)
{
    head->unsynced = false;
    if (!wal_sync(&head->wal)) {
        report(head, "cannot sync the log");
        /* What the kernel could not write is lost to it; the next incarnation reads what there is. */
        jzx_fail(context, jzx_self(context), errno, "sync");
    }
}

static jzx_behavior_result on_tear(jzx_context *context, struct head *head)
{
    struct point point = {.series = "torn", .number = head->number + 1};
    wal_tear(&head->wal, &point);
    jzx_fail(context, jzx_self(context), 1, "CRASH torn");
    return JZX_BEHAVIOR_FAIL;
}

static void on_worker(jzx_context *context, struct head *head, const jzx_message *message)
{
    enum tsdb_status status = tsdb_status_of(message);
    if (message->ref == head->merge) {
        on_merged(context, head, status);
    } else if (message->ref == head->index_request) {
        on_indexed(context, head, status);
    }
    if (status == TSDB_DONE) {
        tidy(context, head); /* there may be more to do; after a failure the next tick comes soon enough */
    }
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct head *head = state;
    switch (message->tag) {
    case TSDB_APPEND:
        on_append(context, head, message);
        break;
    case TSDB_RANGE:
        on_range(context, head, message);
        break;
    case TSDB_FLUSH:
        on_flush(context, head, message);
        break;
    case TSDB_TIDY:
        tidy(context, head);
        break;
    case TSDB_SYNC:
        on_sync(context, head);
        break;
    case TSDB_PING:
        tsdb_answer(context, message, TSDB_DONE);
        break;
    case TSDB_TEAR:
        return on_tear(context, head);
    case TSDB_ANSWER:
    case JZX_TAG_SYS_NO_ANSWER:
        on_worker(context, head, message);
        break;
    default:
        return JZX_BEHAVIOR_UNHANDLED;
    }
    return JZX_BEHAVIOR_OK;
}

/* ---- an incarnation ---- */

static bool take_logged(void *context, const struct point *point)
{
    struct head *head = context;
    if (point->number <= head->number) {
        return true; /* F2 */
    }
    if (!memory_reserve(&head->memory, 1)) {
        return false;
    }
    memory_add(&head->memory, point);
    head->number = point->number;
    head->newest = point->time > head->newest ? point->time : head->newest;
    return true;
}

static jzx_err failed(const struct head *head, const char *what)
{
    report(head, what);
    return JZX_ERR_OS;
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    const struct tsdb_part *part = argument;
    struct head *head = *state;
    char path[PATH_MAX_BYTES];
    head->tsdb = part->tsdb;
    head->index = part->index;
    head->newest = INT64_MIN;
    tsdb_head_path(head->tsdb, head->index, path);
    if (!folder_open(&head->folder, path)) {
        return failed(head, "cannot read the folder");
    }
    folder_clean(&head->folder);
    for (uint32_t i = 0; i < head->folder.count; i++) {
        const struct folder_segment *segment = &head->folder.segments[i];
        if (!segment->damaged && segment->max_time > head->newest) {
            head->newest = segment->max_time;
        }
    }
    head->number = folder_last(&head->folder);
    if (!wal_open(&head->wal, head->folder.fd, take_logged, head)) {
        memory_free(&head->memory);
        folder_close(&head->folder);
        return failed(head, "cannot read the log");
    }
    tsdb_tell_metrics(context, METRIC_REPLAYED, head->memory.count);
    return JZX_OK;
}

static void fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    (void)context;
    (void)info;
    struct head *head = state;
    wal_close(&head->wal);
    folder_close(&head->folder);
    memory_free(&head->memory);
}

void tsdb_head_spec(jzx_child_spec *spec)
{
    spec->init = init;
    spec->behavior = behave;
    spec->fini = fini;
    spec->state_size = sizeof(struct head);
}
