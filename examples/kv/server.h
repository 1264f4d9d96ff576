/*
 * server: what all actors of jzx-kv know.
 *
 *   main.c        options, runtime, loops, signals         batch.c    operations for one shard and their replies
 *   listener.c    accepts, one on each loop                execute.c  what an operation does to the store
 *   connection.c  one client: parse, ask shards, reply     store.c    keys, values, deadlines of one shard
 *   shard.c       one part of the keys                     round.c    the order of replies to one client
 *   command.c     from arguments to operations (verb.h)    resp.c     the protocol
 *   stopper.c     ends it all on SIGTERM                   tree.c     who supervises whom
 *   pubsub.h      channels: subscribe.c, publish.c, push.c; glob.c has their patterns
 *
 * A command travels: connection (parse, command, batch) -> request -> shard (execute) -> answer -> connection (tell, send).
 *
 * `kv_server` is written before the loops run and only read after, its counters aside. A `kv_loop` belongs to the thread of
 * its loop; only its counters are read by others.
 */
#ifndef KV_SERVER_H
#define KV_SERVER_H

#include <jzx/jzx.h>
#include <stdatomic.h>

#include "resp.h"
#include "round.h"

enum {
    KV_TAG_BATCH = 1,  /* to a shard: a batch by pointer */
    KV_TAG_SINGLE = 2, /* to a shard: one packed operation by value */
    KV_TAG_REPLY = 3,  /* its answer: the batch, or the bytes of a reply by value */
    KV_TAG_RETRY = 4,  /* a timer: try what was refused again */
    KV_TAG_EXPIRE = 5, /* a timer: the nearest deadline of a shard */
    KV_TAG_LEAVE = 6,  /* to a listener: the server stops */
    KV_TAG_LOOK = 7,   /* a timer: is everybody gone? */
    KV_TAG_PUSH = 8,   /* to a connection: a buffer that was published */
    KV_TAG_CLOSE = 9,  /* a timer: is it time to close this client? */
};

enum {
    KV_BACKOFF_FIRST_MS = 20, /* how long a shard stays down after a failure, and after many in a row */
    KV_BACKOFF_LAST_MS = 1000,
};

/* Limits that no option sets. */
enum {
    KV_BACKLOG_HIGH = 64 * 1024, /* bytes that wait for a round of a client to end before reading pauses */
    KV_COMMAND_VALUES_MAX = 4,   /* one command has at most so many times the largest value */
    KV_QUERIES_MAX = 512 << 20,  /* bytes in all backlogs of a loop */
    KV_CLIENT_MAILBOX = 4096,    /* messages of channels, for a client's turn to come */
    KV_CLIENT_MAILBOX_BYTES = 64 << 20,
};

#define KV_REDIS_VERSION "7.0.15" /* the version whose replies these are */

/* A number that one thread counts and all may read. */
typedef _Atomic uint64_t kv_counter;

static inline void kv_count(kv_counter *counter, uint64_t more)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + more, memory_order_relaxed);
}

static inline uint64_t kv_counted(kv_counter *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

struct kv_options {
    const char *address;
    uint16_t port;
    uint32_t loop_count;
    int cpus[JZX_LOOPS_MAX];
    uint64_t linger_ns;
    uint64_t idle_ns;
    uint64_t call_ns; /* that a shard may take to answer a gathered round */
    uint32_t mailbox_cap;
    uint32_t clients_max;
    uint32_t shards_per_loop;
    size_t value_max;
    uint32_t subscriptions; /* of all clients */
    size_t push_max;
    size_t push_soft; /* at most push_soft_ns over it */
    uint64_t push_soft_ns;
    bool debug_listener;
};

/* The bytes that a client may have sent and no round has taken. */
static inline size_t kv_query_max(const struct kv_options *options)
{
    return options->value_max * KV_COMMAND_VALUES_MAX + 2 * KV_BACKLOG_HIGH;
}

struct kv_server;

/* A connection in the list of its loop. */
struct kv_client {
    struct kv_client *next;
    struct kv_client *previous;
    jzx_actor_id id;
};

struct kv_loop {
    _Alignas(64) struct kv_server *server;
    uint32_t index;
    struct kv_pool batches;
    struct kv_rounds rounds;
    struct resp_parser parser; /* for commands that are whole in one received buffer */
    size_t unparsed;           /* bytes kept for all connections of this loop */
    struct kv_client *clients; /* the connections of this loop */
    jzx_actor_id listener;     /* 0 while it is down */
    uint32_t reserved;         /* places of clients that the listener has taken and no connection has yet */
    _Atomic bool leaving;      /* the listener is closed, and clients go as soon as they have their replies */
    kv_counter connections;    /* ever accepted */
    kv_counter open;           /* now */
    kv_counter commands;
    kv_counter refused; /* requests that a shard's mailbox or a lane had no room for */
    kv_counter resumed; /* notices after that: there is room again */
    kv_counter overdue; /* batches that a shard did not answer in time */
    kv_counter pushed;  /* messages of channels to clients */
    kv_counter lagged;  /* clients closed because they did not take these */
    kv_counter paused;  /* times that reading from a client stopped for that */
};

struct kv_server {
    struct kv_options options;
    jzx_runtime *runtime;
    jzx_space *channels; /* pubsub.h */
    struct kv_loop *loops;
    uint32_t shard_count; /* a power of two */
    struct kv_part *shards;
    uint64_t seed[2];
    uint64_t started_ns;
    uint16_t port; /* the listeners' own; 0 before the first one listens, if any will do */
    bool ready;    /* the tree has been up; of the stopper's loop */
    _Atomic uint32_t clients;
    _Atomic uint64_t client_ids;
    _Atomic uint64_t shard_restarts;
    _Atomic uint64_t last_restart_us; /* of a shard, from its end to the first answer of the next incarnation */
};

/* A shard over all its incarnations, of which jzx_child_id() finds the present one. */
struct kv_part {
    _Atomic jzx_child_ref child; /* the same from the first init on */
    uint64_t ended_ns;           /* when the last incarnation failed; of the shard's loop */
};

/* The low bits choose the bucket in the shard, so the high ones choose the shard. */
static inline uint16_t kv_shard_of(const struct kv_server *server, uint64_t hash)
{
    return (uint16_t)((hash >> 48) & (server->shard_count - 1));
}

/* The id that a shard has now; an error while it is down. */
static inline jzx_err kv_shard_id(const struct kv_server *server, uint16_t shard, jzx_actor_id *id)
{
    return jzx_child_id(server->runtime, atomic_load_explicit(&server->shards[shard].child, memory_order_relaxed), id);
}

/* What the children of the tree are. Their arguments are: */
struct kv_shard_start {
    struct kv_loop *loop;
    uint32_t index;
};

struct kv_connection_start {
    struct kv_loop *loop;
    jzx_actor_id listener; /* who asked for it */
};

void kv_shard_spec(jzx_child_spec *spec);
void kv_listener_spec(jzx_child_spec *spec);   /* a kv_loop, by pointer */
void kv_connection_spec(jzx_child_spec *spec); /* a kv_connection_start */
void kv_stopper_spec(jzx_child_spec *spec);    /* the kv_server, by pointer */

/* Starts the tree, on loops that have not run yet. What fails in it ends their runs with JZX_ERR_ESCALATED. */
jzx_err kv_tree_start(struct kv_server *server);

/* The names of a loop's listener, and of the supervisor of its connections. */
enum { KV_NAME_MAX = JZX_CHILD_NAME_MAX };
const char *kv_listener_name(char name[KV_NAME_MAX], uint32_t loop);
const char *kv_clients_name(char name[KV_NAME_MAX], uint32_t loop);

/* Ends the connections that wait for a socket of a listener that has ended. */
void kv_connections_orphaned(struct kv_loop *loop, jzx_context *context);

/* Lets all clients of a loop go, on its thread: the idle ones now, the others when they have their replies. */
void kv_connections_leave(struct kv_loop *loop, jzx_context *context);

/* Blocks the signals that end the server; before any thread is started. */
void kv_stopper_block_signals(void);

#endif
