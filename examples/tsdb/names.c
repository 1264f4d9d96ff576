/* names: how the parts find and talk to each other. See tsdb.h. */
#include "tsdb.h"

#include <stdio.h>
#include <stdlib.h>

const char *tsdb_name(char name[NAME_MAX_BYTES], const char *part, uint32_t index)
{
    snprintf(name, NAME_MAX_BYTES, "%s-%u", part, index);
    return name;
}

/* FNV-1a. */
uint32_t tsdb_head_of(const struct tsdb *tsdb, const char series[SERIES_MAX])
{
    uint32_t hash = 2166136261u;
    for (int i = 0; i < SERIES_MAX && series[i] != 0; i++) {
        hash = (hash ^ (uint8_t)series[i]) * 16777619u;
    }
    return (hash ^ hash >> 16) % tsdb->options.heads;
}

jzx_err tsdb_ask(jzx_context *context, const struct tsdb *tsdb, const char *name, const jzx_message *message,
                 uint64_t timeout_ns, uint64_t *ref)
{
    jzx_actor_id id;
    jzx_err err = jzx_whereis(tsdb->runtime, name, &id);
    return err != JZX_OK ? err : jzx_request(context, id, message, timeout_ns, ref);
}

void tsdb_answer(jzx_context *context, const jzx_message *request, enum tsdb_status status)
{
    jzx_message answer = jzx_message_value(TSDB_ANSWER, &(uint32_t){status}, sizeof(uint32_t));
    jzx_answer(context, request->ref, &answer); /* who has gone meanwhile does not need it */
}

void tsdb_answer_text(jzx_context *context, const jzx_message *request, struct tsdb_text *text)
{
    jzx_message answer = jzx_message_pointer(TSDB_ANSWER, text, sizeof *text + text->size, tsdb_drop, NULL);
    if (jzx_answer(context, request->ref, &answer) != JZX_OK) {
        free(text);
    }
}

enum tsdb_status tsdb_status_of(const jzx_message *answer)
{
    return answer->tag == TSDB_ANSWER ? (enum tsdb_status)answer->words[0] : TSDB_DOWN;
}

void tsdb_tell_metrics(jzx_context *context, enum tsdb_metric metric, uint64_t more)
{
    struct tsdb_count count = {metric, (uint32_t)more};
    jzx_message message = jzx_message_value(TSDB_COUNT, &count, sizeof count);
    jzx_send_name(context, "metrics", &message);
}

void tsdb_head_path(const struct tsdb *tsdb, uint32_t head, char path[PATH_MAX_BYTES])
{
    snprintf(path, PATH_MAX_BYTES, "%s/head-%u", tsdb->options.folder, head);
}

void tsdb_drop(void *context, void *data, size_t size)
{
    (void)context;
    (void)size;
    free(data);
}
