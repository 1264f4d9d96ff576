/*
 * tree: who supervises whom, how often a part may be restarted, and how long that takes.
 *
 *   root (one_for_one)          when it gives up the process ends, and whoever runs that decides what is next
 *    +- metrics
 *    +- merging (one_for_one)     merge-0, merge-1          on the loop of files
 *    +- indexing (one_for_one)    index-0, index-1          on the loop of files, with growing pauses
 *    +- ingestion (one_for_one)   head-0, head-1, ...       on the loop of files
 *    +- upkeep
 *    +- health
 *    +- generator                 if asked for
 *    +- front (rest_for_one)      clients (dynamic, one temporary connection for each), then the listener
 *
 * The parts find each other by name each time, so no part has to be restarted because another was: one_for_one will do.
 * The order is that of the start: heads before clients. It is also the order of the stop, backwards: the listener first,
 * the heads when nobody asks them any more.
 */
#include "tsdb.h"

static const uint64_t MS = 1000000;

/* A child that is found by its name. `part` is copied. */
static jzx_child_spec part_spec(void (*fill)(jzx_child_spec *), const char *name, const struct tsdb_part *part)
{
    jzx_child_spec spec;
    jzx_child_spec_init(&spec);
    fill(&spec);
    spec.name = name;
    spec.register_name = true;
    spec.argument = part;
    spec.argument_size = sizeof *part;
    return spec;
}

static jzx_child_spec supervisor_child(const char *name, const jzx_supervisor_spec *supervisor, uint32_t loop)
{
    jzx_child_spec spec;
    jzx_child_spec_init(&spec);
    spec.name = name;
    spec.type = JZX_SUPERVISOR;
    spec.supervisor = supervisor;
    spec.placement = JZX_PLACE_LOOP;
    spec.place_loop = loop;
    return spec;
}

/* Parts of one kind: "head-0", "head-1" and so on. */
struct group {
    jzx_supervisor_spec spec;
    jzx_child_spec children[HEADS_MAX];
    struct tsdb_part parts[HEADS_MAX];
    char names[HEADS_MAX][NAME_MAX_BYTES];
};

static void fill_group(struct group *group, struct tsdb *tsdb, const char *name, uint32_t count,
                       void (*fill)(jzx_child_spec *))
{
    for (uint32_t i = 0; i < count; i++) {
        group->parts[i] = (struct tsdb_part){tsdb, i};
        group->children[i] = part_spec(fill, tsdb_name(group->names[i], name, i), &group->parts[i]);
    }
    jzx_supervisor_spec_init(&group->spec);
    group->spec.name = name;
    group->spec.children = group->children;
    group->spec.child_count = count;
}

/* At most `most` restarts in 10 s, after pauses that double from `first_ms` to `last_ms`. */
static void fill_rules(jzx_supervisor_spec *spec, uint32_t most, uint64_t first_ms, uint64_t last_ms)
{
    spec->intensity = most;
    spec->period_ns = 10000 * MS;
    spec->backoff = (jzx_backoff){
        .kind = JZX_BACKOFF_EXPONENTIAL,
        .jitter = 100, /* a tenth, so that parts that failed together do not come back together */
        .initial_ns = first_ms * MS,
        .max_ns = last_ms * MS,
        .factor = 2,
        .reset_ns = 2000 * MS,
    };
}

struct front {
    struct tsdb_part part;
    jzx_child_spec connection;
    jzx_supervisor_spec clients;
    jzx_child_spec children[2];
    jzx_supervisor_spec spec;
};

static void fill_front(struct front *front, struct tsdb *tsdb)
{
    front->part = (struct tsdb_part){tsdb, 0};
    front->connection = part_spec(tsdb_connection_spec, NULL, &front->part);
    front->connection.register_name = false;
    front->connection.restart = JZX_TEMPORARY; /* nobody is there to talk to another one */
    jzx_supervisor_spec_init(&front->clients);
    front->clients.strategy = JZX_DYNAMIC;
    front->clients.children = &front->connection;
    front->clients.child_count = 1;
    front->children[0] = supervisor_child("clients", &front->clients, NETWORK_LOOP);
    front->children[0].register_name = true;
    front->children[1] = part_spec(tsdb_listener_spec, "listener", &front->part);
    jzx_supervisor_spec_init(&front->spec);
    front->spec.strategy = JZX_REST_FOR_ONE; /* what the listener has asked for is gone with the clients' supervisor */
    front->spec.children = front->children;
    front->spec.child_count = 2;
    fill_rules(&front->spec, 20, 20, 500);
}

jzx_err tsdb_tree_start(struct tsdb *tsdb)
{
    static struct group merging;
    static struct group indexing;
    static struct group ingestion;
    static struct front front; /* all are copied; they are only too big for some stacks */
    fill_group(&merging, tsdb, "merge", WORKERS, tsdb_merger_spec);
    fill_rules(&merging.spec, 20, 10, 1000);
    fill_group(&indexing, tsdb, "index", WORKERS, tsdb_indexer_spec);
    fill_rules(&indexing.spec, 20, 20, 5000);
    fill_group(&ingestion, tsdb, "head", tsdb->options.heads, tsdb_head_spec);
    fill_rules(&ingestion.spec, 50, 10, 500);
    fill_front(&front, tsdb);

    struct tsdb_part part = {tsdb, 0};
    jzx_child_spec children[8];
    uint32_t count = 0;
    children[count++] = part_spec(tsdb_metrics_spec, "metrics", &part);
    children[count++] = supervisor_child("merging", &merging.spec, FILE_LOOP);
    children[count++] = supervisor_child("indexing", &indexing.spec, FILE_LOOP);
    children[count++] = supervisor_child("ingestion", &ingestion.spec, FILE_LOOP);
    children[count++] = part_spec(tsdb_upkeep_spec, "upkeep", &part);
    children[count++] = part_spec(tsdb_health_spec, "health", &part);
    if (tsdb->options.rate != 0) {
        children[count++] = part_spec(tsdb_generator_spec, "generator", &part);
    }
    children[count++] = supervisor_child("front", &front.spec, NETWORK_LOOP);

    jzx_supervisor_spec root;
    jzx_supervisor_spec_init(&root);
    root.name = "root";
    root.children = children;
    root.child_count = count;
    fill_rules(&root, 20, 10, 1000);
    return jzx_supervisor_start(jzx_loop_context(jzx_runtime_loop(tsdb->runtime, NETWORK_LOOP)), &root, NULL, NULL);
}
