/*
 * command: from the arguments of a command to operations and replies of a round. Checks and texts are those of Redis 7.0.
 */
#ifndef KV_COMMAND_H
#define KV_COMMAND_H

#include "pubsub.h"

/* What lives as long as a client. */
struct kv_session {
    struct kv_loop *loop;
    uint64_t id;
    jzx_context *context; /* of the handler */
    uint64_t now_ns;      /* when it began */
    char *name;           /* CLIENT SETNAME; NULL is none */
    struct kv_subscriptions subscriptions;
    struct kv_publishing publishing; /* what the round's PUBLISHes send */
    uint8_t protocol;                /* the version of RESP it speaks: 2, or 3 */
    bool quit;                       /* the client is to be let go once it has its replies */
    bool crash;                      /* the connection is to fail now */
};

enum { KV_CRASH_CODE = 1 }; /* the code of failures on command */

/*
 * Adds the command that the loop's, or another, parser holds to `round`. False: not in this one, which has operations that
 * must be done before it.
 */
bool kv_command(struct kv_session *session, struct kv_round *round, const struct resp_parser *parser);

#endif
