/* api_drive: see api.h. */
#include "api.h"

#include <unistd.h>

enum { TURN_NS = 100000000, PEERS_MAX = 4 };

static struct {
    jzx_sim_peer *peers[PEERS_MAX]; /* NULL: gone */
    uint32_t hosts;                 /* threads that drive a loop and have not ended */
} driver;

/* What the machine finds when its own kernel has lied: the library stopped, or took an operation for ended that was not, or a
 * buffer for its own that it was given twice. */
static bool is_the_kernels_fault(const char *failure)
{
    static const char *const faults[] = {"assertion failed", "in flight", "one of them twice"};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        if (api.kernel_lies && strstr(failure, faults[i]) != NULL) {
            return true;
        }
    }
    return false;
}

/* False: it has failed, and that is no failure of the input. */
static bool alive(void)
{
    const char *failure = jzx_sim_failure(api.sim);
    if (failure == NULL) {
        return true;
    }
    if (!is_the_kernels_fault(failure)) {
        fprintf(stderr, "%sfuzz: the machine failed: %s\n", jzx_sim_trace_text(api.sim), failure);
        abort();
    }
    return false;
}

/* ---- what there is ---- */

static jzx_err make_runtime(void)
{
    jzx_config config;
    jzx_config_init(&config);
    config.loops_max = 1 + api_below(API_LOOPS_MAX);
    config.cells = api_below(3) == 0 ? 4096 : 8192;
    config.actors_max = 4u << api_below(5);
    config.lane_blocks = 2;
    config.inbox_size = 4u << api_below(3);
    config.posters_max = 1;
    config.timers_max = 2u << api_below(5);
    config.monitors_max = 2u << api_below(5);
    config.links_max = 2u << api_below(5);
    config.flows_max = 16;
    config.children_max = 2u << api_below(5);
    config.resumes_max = 2;
    config.watches_max = 2;
    config.sockets_max = 2u << api_below(4);
    config.names_max = 2u << api_below(3);
    config.mailbox_cap = 2u << api_below(6);
    config.ring_entries = 8;
    config.recv_buffers = 2u << api_below(3);
    config.recv_buffer_size = 512;
    config.send_chunks = 2u << api_below(3);
    config.send_chunk_size = 512;
    config.messages_per_actor = 1 + api_below(4);
    config.exit_when_idle = api_below(4) == 1;
    config.oldest_kernel = api_below(4) == 1;
    config.measure_handlers = api_below(4) == 1;
    config.linger_ns = api_below(3) * 10000;
    config.seed = 1;
    jzx_err err = jzx_runtime_create(&config, &api.runtime);
    FUZZ_REQUIRE(err == JZX_OK || err == JZX_ERR_NO_MEMORY || err == JZX_ERR_FD_LIMIT || err == JZX_ERR_OS ||
                 err == JZX_ERR_INVALID_ARG);
    for (uint32_t i = 0; err == JZX_OK && i < config.loops_max; i++) {
        jzx_loop *loop;
        (void)jzx_loop_create(api.runtime, NULL, &loop); /* there are fewer then, or none */
    }
    const jzx_space_options space = {.struct_size = sizeof space, .groups_max = 2, .members_max = 8};
    if (err == JZX_OK) {
        (void)jzx_space_create(api.runtime, &space, &api.space);
    }
    return err;
}

bool api_begin(uint64_t seed, const jzx_sim_config *config)
{
    memset(&driver, 0, sizeof driver);
    api.calls = API_CALLS_MAX;
    api_asks_begin();
    api_works_begin();
    FUZZ_REQUIRE(jzx_sim_create(seed, config, &api.sim) == JZX_OK);
    return make_runtime() == JZX_OK;
}

/* ---- threads ---- */

static void host(void *argument)
{
    jzx_loop *loop = argument;
    jzx_err err = JZX_OK;
    while (err == JZX_OK) {
        err = jzx_loop_run_once(loop, TURN_NS);
    }
    driver.hosts--;
}

void api_start(void)
{
    for (uint32_t i = 0; i < jzx_runtime_loop_count(api.runtime); i++) {
        jzx_loop *loop = jzx_runtime_loop(api.runtime, i);
        jzx_context *context = jzx_loop_context(loop);
        jzx_spawn_options options;
        api_spawn_options(&options);
        options.link = false;
        options.placement = JZX_PLACE_HERE;
        (void)jzx_spawn(context, &options, NULL);
        for (uint32_t calls = api_below(4); calls > 0; calls--) {
            api_call(context);
        }
    }
    api.started = true;
    for (uint32_t i = 0; i < jzx_runtime_loop_count(api.runtime); i++) {
        jzx_loop *loop = jzx_runtime_loop(api.runtime, i);
        uint32_t how = api_below(8);
        if (how == 7) {
            FUZZ_REQUIRE(jzx_sim_thread(api.sim, "host", host, loop) == JZX_OK);
            driver.hosts++;
        } else if (how != 6) { /* else it never runs */
            (void)jzx_loop_start(loop);
        }
    }
}

/* ---- peers ---- */

static void peer_closed(void *user, jzx_sim_peer *peer, int error)
{
    (void)error;
    (void)user;
    for (int i = 0; i < PEERS_MAX; i++) {
        driver.peers[i] = driver.peers[i] == peer ? NULL : driver.peers[i];
    }
}

static void peer_connected(void *user, jzx_sim_peer *peer, int error)
{
    if (error != 0) {
        peer_closed(user, peer, error);
    }
}

void api_drive_peer(void)
{
    static const jzx_sim_peer_handler handler = {
        .struct_size = sizeof handler, .connected = peer_connected, .closed = peer_closed};
    static const uint8_t bytes[3000];
    uint32_t which = api_below(PEERS_MAX);
    jzx_sim_peer *peer = driver.peers[which];
    if (peer == NULL) {
        (void)jzx_sim_peer_connect(api.sim, "127.0.0.1", (uint16_t)(API_PORT + api_below(2)), &handler, NULL,
                                   &driver.peers[which]);
        return;
    }
    switch (api_below(6)) {
    case 0:
        (void)jzx_sim_peer_pause(peer, api_below(2) != 0);
        break;
    case 1:
        (void)jzx_sim_peer_end(peer);
        break;
    case 2:
        driver.peers[which] = NULL;
        (void)jzx_sim_peer_reset(peer);
        break;
    default:
        (void)jzx_sim_peer_send(peer, bytes, 1 + (size_t)api_below(8) * 400);
        break;
    }
}

/* ---- files, time ---- */

void api_drive_file(void)
{
    if (api.file_count < API_FILES_MAX && api_below(3) == 0) {
        int fd;
        if (jzx_sim_file_open(api.sim, &fd) == JZX_OK) {
            api.files[api.file_count++] = fd;
        }
    } else if (api.file_count > 0) {
        int fd = api.files[api_below(api.file_count)];
        (void)jzx_sim_file_feed(api.sim, fd, "some bytes", 1 + api_below(10));
    }
}

void api_drive_time(void)
{
    static const uint64_t times[] = {1000, 100000, 1000000, 30000000, 2000000000};
    uint64_t time_ns = times[api_below(5)];
    switch (api_below(5)) {
    case 0:
        (void)jzx_sim_run_until_idle(api.sim);
        break;
    case 1:
        for (uint32_t steps = api_below(256); steps > 0; steps--) {
            (void)jzx_sim_step(api.sim);
        }
        break;
    case 2:
        (void)jzx_sim_clock_jump(api.sim, time_ns);
        break;
    case 3:
        (void)jzx_sim_stall(api.sim, jzx_runtime_loop(api.runtime, api_below(API_LOOPS_MAX)), time_ns);
        break;
    default:
        (void)jzx_sim_advance(api.sim, time_ns);
        break;
    }
}

/* ---- the end ---- */

static bool hosts_ended(void *argument)
{
    (void)argument;
    return driver.hosts == 0;
}

void api_abandon(void)
{
    FUZZ_REQUIRE(!alive());
    if (getenv("JZX_TRACE") != NULL) {
        fprintf(stderr, "%sfuzz: so the machine ended: %s\n", jzx_sim_trace_text(api.sim), jzx_sim_failure(api.sim));
    }
    FUZZ_REQUIRE(jzx_sim_destroy(api.sim) == JZX_OK);
    for (uint32_t i = 0; i < API_CALLS_MAX; i++) {
        free(api.blocks[i]);
    }
    for (uint32_t i = 0; i < api.file_count; i++) {
        close(api.files[i]);
    }
}

static void require_joined(void)
{
    for (uint32_t i = 0; i < jzx_runtime_loop_count(api.runtime); i++) {
        jzx_err result = JZX_OK;
        jzx_err err = jzx_loop_join(jzx_runtime_loop(api.runtime, i), &result);
        FUZZ_REQUIRE(err == JZX_OK || err == JZX_ERR_NOT_FOUND);
    }
}

static jzx_err stop(void)
{
    uint32_t stuck = 0;
    api.program.left = 0; /* from here on everybody does as little as it can */
    (void)jzx_sim_heal(api.sim);
    (void)jzx_sim_advance(api.sim, 50000000);
    jzx_err err = jzx_runtime_shutdown(api.runtime, 36000000000000, &stuck);
    if (err != JZX_OK) {
        jzx_sim_fail(api.sim, "the runtime does not stop, for loop %u: %s", stuck, jzx_strerror(err));
        return err;
    }
    require_joined();
    return jzx_sim_run_until(api.sim, hosts_ended, NULL, 60000000000);
}

bool api_stop(void)
{
    if (!alive() || stop() != JZX_OK) {
        api_abandon();
        return false;
    }
    FUZZ_REQUIRE(alive());
    api_works_end();
    FUZZ_REQUIRE(jzx_runtime_destroy(api.runtime) == JZX_OK);
    return true;
}

void api_end(void)
{
    for (int i = 0; i < PEERS_MAX; i++) {
        if (driver.peers[i] != NULL) {
            (void)jzx_sim_peer_reset(driver.peers[i]);
        }
    }
    for (uint32_t i = 0; i < api.file_count; i++) {
        close(api.files[i]);
    }
    for (uint32_t i = 0; i < API_CALLS_MAX; i++) {
        FUZZ_REQUIRE(api.blocks[i] == NULL);
    }
    FUZZ_REQUIRE(api.lives == 0);
    FUZZ_REQUIRE(api.buffers_out == 0);
    jzx_err err = alive() ? jzx_sim_check_end(api.sim) : JZX_OK;
    FUZZ_REQUIRE(!alive() || err == JZX_OK);
    FUZZ_REQUIRE(jzx_sim_destroy(api.sim) == JZX_OK);
}
