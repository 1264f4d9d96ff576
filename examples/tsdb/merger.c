/*
 * merger: makes one segment of several neighbours.
 *
 * It merges a piece at a time and yields in between, so the heads on its loop go on. It publishes the merged segment and
 * removes nothing: that is for the head, when it has the answer. So this actor may be stopped at any moment: before the
 * publication nothing has happened, after it both are there, and F1 says which counts.
 */
#include "tsdb.h"

#include <errno.h>

#include "folder.h"

enum { PIECE = 512 }; /* points merged before others have their turn: some 50 us */

struct merger {
    struct tsdb *tsdb;
    bool running; /* the rest is of the merge in progress */
    struct folder folder;
    struct segment_writer writer;
    bool writing;
    uint32_t count;
    struct segment inputs[FOLDER_MERGE_COUNT];
    uint64_t at[FOLDER_MERGE_COUNT];
};

/* What a step has come to. */
enum progress { MORE, ENDED };

static void close_all(struct merger *merger)
{
    for (uint32_t i = 0; i < merger->count; i++) {
        segment_close(&merger->inputs[i]);
    }
    if (merger->writing) {
        segment_abandon(&merger->writer);
    }
    if (merger->running) {
        folder_close(&merger->folder);
    }
    merger->count = 0;
    merger->writing = false;
    merger->running = false;
}

/* Opens the segments that the job covers, each of which must be whole. */
static enum tsdb_status open_inputs(struct merger *merger, const struct tsdb_job *job)
{
    for (uint32_t i = 0; i < merger->folder.count; i++) {
        const struct folder_segment *entry = &merger->folder.segments[i];
        if (entry->first < job->first || entry->last > job->last) {
            continue;
        }
        if (merger->count == FOLDER_MERGE_COUNT ||
            !segment_open(&merger->inputs[merger->count], merger->folder.fd, entry->first, entry->last)) {
            return TSDB_FAILED; /* not what the head saw: it will look again */
        }
        merger->at[merger->count] = 0;
        if (!segment_whole(&merger->inputs[merger->count++])) {
            return TSDB_DAMAGED;
        }
    }
    return TSDB_DONE;
}

static enum progress begin(struct merger *merger, const struct tsdb_job *job, enum tsdb_status *status)
{
    char path[PATH_MAX_BYTES];
    tsdb_head_path(merger->tsdb, job->head, path);
    *status = TSDB_FAILED;
    if (!folder_open(&merger->folder, path)) {
        return ENDED;
    }
    merger->running = true;
    if (folder_find(&merger->folder, job->first, job->last) != NULL) {
        *status = TSDB_DONE; /* made by an incarnation that could not say so any more */
        return ENDED;
    }
    *status = open_inputs(merger, job);
    if (*status != TSDB_DONE) {
        return ENDED;
    }
    if (!segment_begin(&merger->writer, merger->folder.fd, "merge.draft", job->first, job->last)) {
        *status = TSDB_FAILED;
        return ENDED;
    }
    merger->writing = true;
    return MORE;
}

/* The input whose next point is the first of all, or -1. */
static int next_input(const struct merger *merger)
{
    int first = -1;
    for (uint32_t i = 0; i < merger->count; i++) {
        const struct point *next = &merger->inputs[i].points[merger->at[i]];
        if (merger->at[i] < merger->inputs[i].count &&
            (first < 0 || point_compare(next, &merger->inputs[first].points[merger->at[first]]) < 0)) {
            first = (int)i;
        }
    }
    return first;
}

static enum progress merge_piece(struct merger *merger, enum tsdb_status *status)
{
    *status = TSDB_FAILED;
    for (int done = 0; done < PIECE; done++) {
        int from = next_input(merger);
        if (from < 0) {
            merger->writing = false;
            *status = segment_finish(&merger->writer) ? TSDB_DONE : TSDB_FAILED;
            return ENDED;
        }
        if (!segment_add(&merger->writer, &merger->inputs[from].points[merger->at[from]++])) {
            return ENDED;
        }
    }
    return MORE;
}

static jzx_behavior_result on_merge(jzx_context *context, struct merger *merger, const jzx_message *message)
{
    const struct tsdb_job *job = jzx_message_data(message);
    enum tsdb_status status;
    enum progress progress = merger->running ? merge_piece(merger, &status) : begin(merger, job, &status);
    if (progress == MORE) {
        return JZX_BEHAVIOR_YIELD;
    }
    close_all(merger);
    tsdb_answer(context, message, status);
    return JZX_BEHAVIOR_OK;
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    switch (message->tag) {
    case TSDB_MERGE:
        return on_merge(context, state, message);
    case TSDB_PING:
        tsdb_answer(context, message, TSDB_DONE);
        return JZX_BEHAVIOR_OK;
    default:
        return JZX_BEHAVIOR_UNHANDLED;
    }
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    (void)context;
    const struct tsdb_part *part = argument;
    struct merger *merger = *state;
    merger->tsdb = part->tsdb;
    return JZX_OK;
}

static void fini(jzx_context *context, void *state, const jzx_exit_info *info)
{
    (void)context;
    (void)info;
    close_all(state);
}

void tsdb_merger_spec(jzx_child_spec *spec)
{
    spec->init = init;
    spec->behavior = behave;
    spec->fini = fini;
    spec->state_size = sizeof(struct merger);
}
