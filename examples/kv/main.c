/* main: options, the runtime with one loop per CPU, signals, and the counters at the end. See server.h for the parts. */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct kv_options defaults = {
    .address = "127.0.0.1",
    .port = 6379,
    .loop_count = 1,
    .cpus = {JZX_CPU_ANY},
    .linger_ns = 0,
    .idle_ns = JZX_FOREVER,
    .call_ns = 5000000000u,
    .mailbox_cap = 1024,
    .clients_max = 10000,
    .shards_per_loop = 1,
    .value_max = (size_t)1 << 20,
    .subscriptions = 65536,
    .push_max = (size_t)32 << 20, /* as in Redis, and so the next two */
    .push_soft = (size_t)8 << 20,
    .push_soft_ns = 60000000000u,
};

static const char usage[] =
    "usage: jzx-kv [options]\n"
    "  --port P             listen on this port (6379; 0 takes a free one)\n"
    "  --bind ADDRESS       numeric address to listen on (127.0.0.1)\n"
    "  --cpus 0,1           one loop pinned to each of these CPUs (one loop, not pinned)\n"
    "  --linger-us N        poll so long before a loop sleeps (0)\n"
    "  --timeout S          close a client that is silent for so many seconds, but no subscriber (0: never)\n"
    "  --call-timeout MS    wait so long for the shards of MGET, MSET and others on many keys (5000; 0: for ever)\n"
    "  --mailbox N          requests that wait at one shard (1024)\n"
    "  --max-value BYTES    largest key or value (1048576)\n"
    "  --max-clients N      clients at one time (10000)\n"
    "  --shards-per-loop N  parts of the keys on each loop (1)\n"
    "  --subscriptions N    of all clients to channels and patterns (65536)\n"
    "  --push-max BYTES     close a client that has not taken so much of its channels (33554432)\n"
    "  --push-soft BYTES    the same for one that has not taken so much for too long (8388608; 0: no limit)\n"
    "  --push-soft-time S   how long that is (60)\n"
    "  --debug-listener     DEBUG CRASH listener is allowed: enough of them end the server\n"
    "  --help               this text\n"
    "It ends on SIGTERM or SIGINT, once its clients have their replies.\n";

static const struct option option_names[] = {
    {"port", required_argument, NULL, 'p'},
    {"bind", required_argument, NULL, 'b'},
    {"cpus", required_argument, NULL, 'c'},
    {"linger-us", required_argument, NULL, 'l'},
    {"timeout", required_argument, NULL, 't'},
    {"call-timeout", required_argument, NULL, 'a'},
    {"mailbox", required_argument, NULL, 'm'},
    {"max-value", required_argument, NULL, 'v'},
    {"max-clients", required_argument, NULL, 'n'},
    {"shards-per-loop", required_argument, NULL, 's'},
    {"subscriptions", required_argument, NULL, 'u'},
    {"push-max", required_argument, NULL, 'x'},
    {"push-soft", required_argument, NULL, 'y'},
    {"push-soft-time", required_argument, NULL, 'z'},
    {"debug-listener", no_argument, NULL, 'd'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static const char *option_name(int name)
{
    const struct option *option = option_names;
    while (option->name != NULL && option->val != name) {
        option++;
    }
    return option->name;
}

static bool parse_number(int name, const char *text, uint64_t least, uint64_t most, uint64_t *value)
{
    int64_t number;
    if (!resp_integer((const uint8_t *)text, strlen(text), &number) || number < 0 || (uint64_t)number < least ||
        (uint64_t)number > most) {
        fprintf(stderr, "jzx-kv: --%s takes a number from %llu to %llu, not '%s'\n", option_name(name),
                (unsigned long long)least, (unsigned long long)most, text);
        return false;
    }
    *value = (uint64_t)number;
    return true;
}

static bool parse_cpus(const char *text, struct kv_options *options)
{
    const char *at = text;
    options->loop_count = 0;
    for (;;) {
        char *end;
        long cpu = strtol(at, &end, 10);
        bool digits = *at >= '0' && *at <= '9';
        if (!digits || cpu > INT_MAX || options->loop_count == JZX_LOOPS_MAX || (*end != 0 && *end != ',')) {
            fprintf(stderr, "jzx-kv: --cpus takes up to %u CPU numbers like 0,1, not '%s'\n", JZX_LOOPS_MAX, text);
            return false;
        }
        options->cpus[options->loop_count++] = (int)cpu;
        if (*end == 0) {
            return true;
        }
        at = end + 1;
    }
}

static bool set_option(struct kv_options *options, int name, const char *text)
{
    uint64_t value = 0;
    bool good = true;
    switch (name) {
    case 'p':
        good = parse_number(name, text, 0, UINT16_MAX, &value);
        options->port = (uint16_t)value;
        break;
    case 'b':
        options->address = text;
        break;
    case 'c':
        good = parse_cpus(text, options);
        break;
    case 'l':
        good = parse_number(name, text, 0, 1000000000, &value);
        options->linger_ns = value * 1000;
        break;
    case 't':
        good = parse_number(name, text, 0, 1000000000, &value);
        options->idle_ns = value != 0 ? value * 1000000000u : JZX_FOREVER;
        break;
    case 'a':
        good = parse_number(name, text, 0, 1000000000, &value);
        options->call_ns = value != 0 ? value * 1000000u : JZX_FOREVER;
        break;
    case 'm':
        good = parse_number(name, text, 1, 8192, &value);
        options->mailbox_cap = (uint32_t)value;
        break;
    case 'v':
        good = parse_number(name, text, 64, 512u << 20, &value);
        options->value_max = value;
        break;
    case 'n':
        good = parse_number(name, text, 1, 1000000, &value);
        options->clients_max = (uint32_t)value;
        break;
    case 's':
        good = parse_number(name, text, 1, KV_SHARDS_MAX, &value);
        options->shards_per_loop = (uint32_t)value;
        break;
    case 'u':
        good = parse_number(name, text, 1, 1 << 22, &value);
        options->subscriptions = (uint32_t)value;
        break;
    case 'x':
        good = parse_number(name, text, 1024, UINT32_MAX, &value);
        options->push_max = value;
        break;
    case 'y':
        good = parse_number(name, text, 0, UINT32_MAX, &value);
        options->push_soft = value != 0 ? value : SIZE_MAX;
        break;
    case 'z':
        good = parse_number(name, text, 0, 1000000000, &value);
        options->push_soft_ns = value * 1000000000u;
        break;
    case 'd':
        options->debug_listener = true;
        break;
    default:
        good = false;
    }
    return good;
}

/* What a wrong command line deserves is said here. */
static bool parse_options(int count, char **arguments, struct kv_options *options)
{
    *options = defaults;
    int name;
    while ((name = getopt_long(count, arguments, "", option_names, NULL)) != -1) {
        if (name == 'h') {
            fputs(usage, stdout);
            exit(0);
        }
        if (!set_option(options, name, optarg)) {
            return false;
        }
    }
    if (optind != count) {
        fprintf(stderr, "jzx-kv: '%s' is not an option\n", arguments[optind]);
        return false;
    }
    if (options->loop_count * options->shards_per_loop > KV_SHARDS_MAX) {
        fprintf(stderr, "jzx-kv: %u loops with %u shards each are more than %d shards\n", options->loop_count,
                options->shards_per_loop, KV_SHARDS_MAX);
        return false;
    }
    return true;
}

/* Says what failed and why, with the system's reason if there is one. */
static jzx_err failed(const struct kv_server *server, const char *what, jzx_err err)
{
    if (err != JZX_OK) {
        int os_error = server->runtime != NULL ? jzx_runtime_os_error(server->runtime) : 0;
        fprintf(stderr, "jzx-kv: %s: %s", what, jzx_strerror(err));
        fprintf(stderr, os_error != 0 ? " (%s)\n" : "\n", strerror(os_error));
    }
    return err;
}

/*
 * Looks whether another program listens on the port. Listeners that share a port by SO_REUSEPORT cannot see that when
 * the other one shares it too, and then each would get a part of the other's clients.
 */
static bool port_taken(const struct kv_options *options)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options->port)};
    if (options->port == 0 || inet_pton(AF_INET, options->address, &address.sin_addr) != 1) {
        return false;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); /* connections of an earlier server do not count */
    bool taken = bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 && errno == EADDRINUSE;
    close(fd);
    return taken;
}

/* Each client takes a descriptor; more than the soft limit may be had by asking. */
static void raise_descriptor_limit(const struct kv_options *options)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)options->clients_max + options->loop_count * 8 + 64;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) {
        return;
    }
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted) {
        fprintf(stderr, "jzx-kv: %llu descriptors are allowed: %u clients do not fit\n",
                (unsigned long long)limit.rlim_cur, options->clients_max);
    }
}

static jzx_err create_runtime(struct kv_server *server)
{
    const struct kv_options *options = &server->options;
    jzx_config config;
    jzx_config_init(&config);
    config.loops_max = options->loop_count;
    config.linger_ns = options->linger_ns;
    /* All clients may be on one loop, and each may wait for one notice. */
    config.actors_max = options->clients_max + options->shards_per_loop * 2 + 32;
    config.children_max = options->clients_max + server->shard_count + 32;
    if (config.timers_max < options->clients_max * 4) { /* a client has up to three, and shards have some */
        config.timers_max = options->clients_max * 4;
    }
    config.sockets_max = options->clients_max + 128;
    config.resumes_max = options->clients_max + 64;
    if (config.cells < options->clients_max * 4) {
        config.cells = options->clients_max * 4;
    }
    return failed(server, "cannot create the runtime", jzx_runtime_create(&config, &server->runtime));
}

static jzx_err create_channels(struct kv_server *server)
{
    jzx_space_options options;
    jzx_space_options_init(&options);
    options.name = "channels";
    options.groups_max = server->options.subscriptions + 1;  /* that of all patterns */
    options.members_max = server->options.subscriptions * 2; /* a pattern takes two */
    return failed(server, "cannot make room for channels",
                  jzx_space_create(server->runtime, &options, &server->channels));
}

static jzx_err create_loops(struct kv_server *server)
{
    for (uint32_t i = 0; i < server->options.loop_count; i++) {
        jzx_loop_config config;
        jzx_loop_config_init(NULL, &config);
        config.cpu = server->options.cpus[i];
        config.linger_ns = server->options.linger_ns;
        jzx_loop *loop;
        jzx_err err = jzx_loop_create(server->runtime, &config, &loop);
        if (err != JZX_OK) {
            char what[64];
            snprintf(what, sizeof what, config.cpu >= 0 ? "cannot create a loop on CPU %d" : "cannot create a loop",
                     config.cpu);
            return failed(server, what, err);
        }
        server->loops[i].server = server;
        server->loops[i].index = i;
        server->loops[i].rounds.shard_count = server->shard_count;
        resp_parser_init(&server->loops[i].parser);
    }
    return JZX_OK;
}

static jzx_err cannot_listen(const struct kv_server *server, jzx_err err)
{
    char what[128];
    snprintf(what, sizeof what, "cannot listen on %s port %u", server->options.address, server->port);
    return failed(server, what, err);
}

static jzx_err set_up(struct kv_server *server)
{
    uint32_t loop_count = server->options.loop_count;
    server->port = server->options.port;
    server->shard_count = 1;
    while (server->shard_count < loop_count * server->options.shards_per_loop) {
        server->shard_count *= 2;
    }
    server->loops = aligned_alloc(_Alignof(struct kv_loop), loop_count * sizeof(struct kv_loop));
    server->shards = calloc(server->shard_count, sizeof *server->shards);
    if (server->loops == NULL || server->shards == NULL) {
        return failed(server, "cannot start", JZX_ERR_NO_MEMORY);
    }
    memset(server->loops, 0, loop_count * sizeof(struct kv_loop));
    jzx_err err = create_runtime(server);
    err = err != JZX_OK ? err : create_loops(server);
    err = err != JZX_OK ? err : create_channels(server);
    if (err != JZX_OK) {
        return err;
    }
    jzx_context *context = jzx_loop_context(jzx_runtime_loop(server->runtime, 0));
    server->seed[0] = jzx_random(context);
    server->seed[1] = jzx_random(context);
    server->started_ns = jzx_clock_ns(context);
    if (port_taken(&server->options)) {
        return cannot_listen(server, JZX_ERR_ADDRESS_IN_USE);
    }
    return failed(server, "cannot start the tree", kv_tree_start(server));
}

/* Says why the first loop has ended, if not because it was asked to. */
static void explain(const struct kv_server *server, jzx_err err)
{
    jzx_exit_info exit;
    jzx_start_failure failure;
    char what[128];
    if (err != JZX_ERR_ESCALATED || jzx_runtime_escalation(server->runtime, &exit, &failure) != JZX_OK) {
        failed(server, "loop 0", err);
    } else if (failure.err == JZX_OK) {
        fprintf(stderr, "jzx-kv: a part of it failed too often, the last time with '%s'\n", exit.text);
    } else {
        err = (jzx_err)(failure.err == JZX_ERR_INIT ? failure.code : failure.err);
        if (strncmp(failure.name, "listener", strlen("listener")) == 0) {
            cannot_listen(server, err);
        } else {
            snprintf(what, sizeof what, "cannot start %s", failure.name);
            failed(server, what, err);
        }
    }
}

/* Runs the first loop here and the others on threads of their own, until the stopper stops them. */
static jzx_err run(struct kv_server *server)
{
    uint32_t loop_count = server->options.loop_count;
    jzx_err err = JZX_OK;
    for (uint32_t i = 1; i < loop_count && err == JZX_OK; i++) {
        err = failed(server, "cannot start a loop", jzx_loop_start(jzx_runtime_loop(server->runtime, i)));
    }
    if (err == JZX_OK) {
        err = jzx_loop_run(jzx_runtime_loop(server->runtime, 0));
        explain(server, err);
    }
    /* One loop that cannot go on ends the others too. */
    jzx_err stopped = jzx_runtime_shutdown(server->runtime, JZX_FOREVER, NULL);
    return err != JZX_OK ? err : stopped;
}

static void print_counters(struct kv_server *server)
{
    uint64_t connections = 0;
    uint64_t commands = 0;
    uint64_t refused = 0;
    uint64_t paused = 0;
    uint64_t resumed = 0;
    uint64_t dropped = 0;
    for (uint32_t i = 0; i < server->options.loop_count; i++) {
        jzx_counters counters;
        if (jzx_loop_stats(jzx_runtime_loop(server->runtime, i), &counters) == JZX_OK) {
            for (int reason = 0; reason < JZX_DROP_REASONS; reason++) {
                dropped += counters.dropped[reason];
            }
        }
        connections += kv_counted(&server->loops[i].connections);
        commands += kv_counted(&server->loops[i].commands);
        refused += kv_counted(&server->loops[i].refused);
        paused += kv_counted(&server->loops[i].paused);
        resumed += kv_counted(&server->loops[i].resumed);
    }
    printf("jzx-kv: connections %llu, commands %llu, refused requests %llu, pauses %llu, resume notices %llu, "
           "dead letters %llu\n",
           (unsigned long long)connections, (unsigned long long)commands, (unsigned long long)refused,
           (unsigned long long)paused, (unsigned long long)resumed, (unsigned long long)dropped);
}

static void tear_down(struct kv_server *server)
{
    if (server->runtime != NULL) {
        failed(server, "cannot end the runtime", jzx_runtime_destroy(server->runtime));
    }
    for (uint32_t i = 0; server->loops != NULL && i < server->options.loop_count; i++) {
        kv_pool_deinit(&server->loops[i].batches);
        kv_rounds_deinit(&server->loops[i].rounds);
        resp_parser_deinit(&server->loops[i].parser);
    }
    free(server->loops);
    free(server->shards);
}

int main(int count, char **arguments)
{
    static struct kv_server server;
    if (!parse_options(count, arguments, &server.options)) {
        fputs("jzx-kv: --help lists the options\n", stderr);
        return 2;
    }
    kv_stopper_block_signals();
    raise_descriptor_limit(&server.options);
    jzx_err err = set_up(&server);
    if (err == JZX_OK) {
        err = run(&server);
        if (server.ready) {
            print_counters(&server);
        }
    }
    tear_down(&server);
    return err == JZX_OK ? 0 : 1;
}
