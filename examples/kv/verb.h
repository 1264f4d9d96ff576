/*
 * verb: what the families of commands share: the command that is run, its arguments, and replies of the connection's own.
 *
 *   keys.c       one key, several, or all              client.c   the client and its connection
 *   channels.c   channels (pubsub.h)                   admin.c    the server
 *   config.c     its options and limits
 *
 * command.c has the table of all verbs and calls the functions named run_*. Each of them adds operations and replies to the
 * round, or sets `later` and adds nothing.
 */
#ifndef KV_VERB_H
#define KV_VERB_H

#include "command.h"

enum { TEXT_MAX = 320, NAME_MAX = 16 };

/* One command of a client, as it is run. */
struct command {
    struct kv_session *session;
    struct kv_round *round;
    const struct resp_parser *parser;
    uint32_t count; /* arguments with the command's name */
    bool later;     /* it is for the next round */
};

typedef void (*verb_fn)(struct command *command);

struct verb {
    char name[NAME_MAX]; /* in upper case, padded with zeroes */
    int arity;           /* arguments with the name; negative: at least as many */
    verb_fn run;
    const char *full_name; /* as errors spell it */
};

/* ---- arguments ---- */

static inline struct kv_bytes argument(const struct command *command, uint32_t index)
{
    return resp_argument(command->parser, index);
}

/* A C string of an argument, cut at a zero byte as Redis prints it. */
static inline int printed_size(struct kv_bytes bytes, size_t size_max)
{
    size_t size = strnlen((const char *)bytes.data, bytes.size);
    return (int)(size < size_max ? size : size_max);
}

/* Whether these bytes are the word, in upper or lower case. */
bool equals(struct kv_bytes bytes, const char *word);

/* The number that an argument is. False: it is none, and that is the reply. */
bool integer_argument(struct command *command, uint32_t index, int64_t *value);

/* A client of version 2 that has subscribed cannot tell a reply from what is pushed, so it may not do much else. */
bool must_listen(const struct command *command);

/* ---- replies ---- */

void reply_error(struct command *command, const char *text);
void reply_arity(struct command *command, const char *full_name);
void reply_text(struct command *command, const char *text); /* as it is sent */
void reply_ok(struct command *command);
void reply_null(struct command *command);
void reply_number(struct command *command, int64_t value);
void reply_bulk(struct command *command, struct kv_bytes bytes);
void reply_bulk_text(struct command *command, const char *text);
void reply_array(struct command *command, int64_t count); /* that many replies follow */
void reply_map(struct command *command, int64_t count);   /* that many keys with a value each: by version 2 an array */

/* ---- operations ---- */

/* One on each shard, as a whole. */
void operate_everywhere(struct command *command, uint8_t code, uint8_t flags, enum kv_slot_kind kind);

/* ---- verbs ---- */

/* keys.c */
void run_get(struct command *command);
void run_set(struct command *command);
void run_del(struct command *command);
void run_exists(struct command *command);
void run_mget(struct command *command);
void run_mset(struct command *command);
void run_incr(struct command *command);
void run_decr(struct command *command);
void run_incrby(struct command *command);
void run_decrby(struct command *command);
void run_expire(struct command *command);
void run_pexpire(struct command *command);
void run_ttl(struct command *command);
void run_pttl(struct command *command);
void run_persist(struct command *command);
void run_strlen(struct command *command);
void run_dbsize(struct command *command);
void run_flushall(struct command *command);

/* channels.c */
void run_subscribe(struct command *command);
void run_psubscribe(struct command *command);
void run_unsubscribe(struct command *command);
void run_punsubscribe(struct command *command);
void run_publish(struct command *command);
void run_pubsub_channels(struct command *command);
void run_pubsub_numpat(struct command *command);
void run_pubsub_numsub(struct command *command);

/* client.c */
void run_ping(struct command *command);
void run_echo(struct command *command);
void run_reset(struct command *command);
void run_quit(struct command *command);
void run_select(struct command *command);
void run_hello(struct command *command);
void run_client_id(struct command *command);
void run_client_getname(struct command *command);
void run_client_setname(struct command *command);

/* admin.c */
void run_info(struct command *command);
void run_command_docs(struct command *command);
void run_command_info(struct command *command);
void run_debug_shard(struct command *command);
void run_debug_crash(struct command *command);

/* config.c */
void run_config_get(struct command *command);
void run_config_set(struct command *command);

#endif
