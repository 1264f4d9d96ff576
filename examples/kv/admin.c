/* admin: commands about the server: what it is and does, and faults on command. */
#include "verb.h"

#include <stdio.h>

struct totals {
    uint64_t connections;
    uint64_t open;
    uint64_t commands;
    uint64_t refused;
    uint64_t resumed;
    uint64_t overdue;
};

static struct totals sum_loops(struct kv_server *server)
{
    struct totals totals = {0};
    for (uint32_t i = 0; i < server->options.loop_count; i++) {
        totals.connections += kv_counted(&server->loops[i].connections);
        totals.open += kv_counted(&server->loops[i].open);
        totals.commands += kv_counted(&server->loops[i].commands);
        totals.refused += kv_counted(&server->loops[i].refused);
        totals.resumed += kv_counted(&server->loops[i].resumed);
        totals.overdue += kv_counted(&server->loops[i].overdue);
    }
    return totals;
}

/* Writes INFO once the shards have said how many keys there are, and how many of them expire. */
static void write_info(void *context, const int64_t sums[2], struct kv_buffer *out)
{
    struct kv_session *session = context;
    struct kv_server *server = session->loop->server;
    struct totals totals = sum_loops(server);
    uint64_t uptime_s = (session->now_ns - server->started_ns) / 1000000000u;
    char keyspace[96] = "";
    if (sums[0] != 0) {
        snprintf(keyspace, sizeof keyspace, "db0:keys=%lld,expires=%lld,avg_ttl=0\r\n", (long long)sums[0],
                 (long long)sums[1]);
    }
    char text[1024];
    int size = snprintf(
        text, sizeof text,
        "# Server\r\nredis_version:" KV_REDIS_VERSION "\r\nredis_mode:standalone\r\n"
        "multiplexing_api:io_uring\r\ntcp_port:%u\r\nuptime_in_seconds:%llu\r\nloops:%u\r\n"
        "shards:%u\r\n\r\n# Clients\r\nconnected_clients:%llu\r\nmaxclients:%u\r\n\r\n"
        "# Stats\r\ntotal_connections_received:%llu\r\ntotal_commands_processed:%llu\r\n"
        "refused_requests:%llu\r\nresume_notices:%llu\r\ncall_timeouts:%llu\r\n"
        "shard_restarts:%llu\r\nlast_restart_us:%llu\r\n\r\n"
        "# Replication\r\nrole:master\r\n\r\n# Keyspace\r\n%s",
        server->port, (unsigned long long)uptime_s, server->options.loop_count, server->shard_count,
        (unsigned long long)totals.open, server->options.clients_max, (unsigned long long)totals.connections,
        (unsigned long long)totals.commands, (unsigned long long)totals.refused, (unsigned long long)totals.resumed,
        (unsigned long long)totals.overdue,
        (unsigned long long)atomic_load_explicit(&server->shard_restarts, memory_order_relaxed),
        (unsigned long long)atomic_load_explicit(&server->last_restart_us, memory_order_relaxed), keyspace);
    resp_text(out, text, (size_t)size, session->protocol);
}

void run_info(struct command *command)
{
    operate_everywhere(command, KV_COUNT, 0, KV_SUM_FIRST);
    operate_everywhere(command, KV_COUNT_EXPIRES, 0, KV_SUM_SECOND);
    command->round->late = write_info;
    command->round->late_context = command->session;
    kv_round_finish(command->round, KV_TELL_LATE, KV_TORN_READ);
}

/* The list of commands is empty: clients that ask for it, redis-cli among them, then do without. */
void run_command_docs(struct command *command)
{
    reply_map(command, 0);
}

void run_command_info(struct command *command)
{
    reply_array(command, 0);
}

/* DEBUG: faults on command, and where a key lives. */

static uint16_t shard_argument(const struct command *command)
{
    const struct kv_server *server = command->session->loop->server;
    struct kv_bytes key = argument(command, 2);
    return kv_shard_of(server, store_hash(server->seed, key.data, key.size));
}

void run_debug_shard(struct command *command)
{
    reply_number(command, shard_argument(command));
}

/* DEBUG CRASH connection, DEBUG CRASH listener (of this loop, and only where that is allowed), or the shard of a key. */
void run_debug_crash(struct command *command)
{
    struct kv_session *session = command->session;
    jzx_actor_id id = session->loop->listener;
    if (equals(argument(command, 2), "connection")) {
        session->crash = true;
        session->quit = true;
        return;
    }
    jzx_err err = JZX_OK;
    if (!session->loop->server->options.debug_listener || !equals(argument(command, 2), "listener")) {
        err = kv_shard_id(session->loop->server, shard_argument(command), &id);
    }
    if (err == JZX_OK && jzx_fail(session->context, id, KV_CRASH_CODE, "DEBUG CRASH") == JZX_OK) {
        reply_ok(command);
    } else {
        reply_text(command, KV_SHARD_DOWN);
    }
}
