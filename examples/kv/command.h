/*
 * command: from the arguments of a command to operations and replies of a round. Checks and texts are those of Redis 7.0.
 */
#ifndef KV_COMMAND_H
#define KV_COMMAND_H

#include "server.h"

/* What lives as long as a client. */
struct kv_session {
    struct kv_loop *loop;
    uint64_t id;
    jzx_context *context; /* of the handler */
    uint64_t now_ns;      /* when it began */
    char *name;           /* CLIENT SETNAME; NULL is none */
    bool quit;            /* the client is to be let go once it has its replies */
    bool crash;           /* the connection is to fail now */
};

enum { KV_CRASH_CODE = 1 }; /* the code of failures on command */

/* Adds the command that the loop's, or another, parser holds to `round`. */
void kv_command(struct kv_session *session, struct kv_round *round, const struct resp_parser *parser);

#endif
