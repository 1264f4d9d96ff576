/*
 * indexer: looks whether a segment is as it was written, and makes its index.
 *
 * Segments work without one, only slower, so an indexer that fails is restarted with growing pauses.
 */
#include "tsdb.h"

#include <errno.h>

#include "folder.h"

struct indexer {
    struct tsdb *tsdb;
};

static enum tsdb_status make_index(const struct tsdb *tsdb, const struct tsdb_job *job)
{
    struct segment segment;
    char path[PATH_MAX_BYTES];
    tsdb_head_path(tsdb, job->head, path);
    int folder = file_folder(path);
    if (folder < 0) {
        return TSDB_FAILED;
    }
    enum tsdb_status status = TSDB_FAILED;
    if (segment_open(&segment, folder, job->first, job->last)) {
        if (!segment_whole(&segment)) {
            status = TSDB_DAMAGED;
        } else if (segment_write_index(&segment, folder)) {
            status = TSDB_DONE;
        }
        segment_close(&segment);
    } else if (errno == EILSEQ) {
        status = TSDB_DAMAGED;
    }
    file_close(folder);
    return status;
}

static jzx_behavior_result behave(jzx_context *context, void *state, const jzx_message *message)
{
    const struct indexer *indexer = state;
    switch (message->tag) {
    case TSDB_INDEX:
        tsdb_answer(context, message, make_index(indexer->tsdb, jzx_message_data(message)));
        break;
    case TSDB_PING:
        tsdb_answer(context, message, TSDB_DONE);
        break;
    default:
        return JZX_BEHAVIOR_UNHANDLED;
    }
    return JZX_BEHAVIOR_OK;
}

static jzx_err init(jzx_context *context, void *argument, void **state)
{
    (void)context;
    const struct tsdb_part *part = argument;
    struct indexer *indexer = *state;
    indexer->tsdb = part->tsdb;
    return JZX_OK;
}

void tsdb_indexer_spec(jzx_child_spec *spec)
{
    spec->init = init;
    spec->behavior = behave;
    spec->state_size = sizeof(struct indexer);
}
