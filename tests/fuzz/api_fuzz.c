/*
 * api_fuzz: bytes -> a machine of the simulator with one to three loops, at most 200 calls of the public API by actors, hosts
 * and outsiders, faults, time that passes, peers, and a stop at any point; see api.h for what must hold.
 *
 * In the end the machine is healed, the runtime stopped and destroyed, and nothing may be left: no payload, no actor, no
 * byte, no descriptor, no operation. A machine that does not come to rest fails by its limit of steps.
 *
 *   input   seed u16 | machine u8... | sizes u8... | faults u8... | program: calls of the hosts, then steps of the driver and
 *           what handlers do, in the order in which they come to it
 */
#include "api.h"

#include <unistd.h>

enum { STEPS_MAX = 1000000, TURN_NS = 100000000, PEERS_MAX = 4 };

static struct {
    jzx_sim_peer *peers[PEERS_MAX]; /* NULL: gone */
    uint32_t hosts;                 /* threads that drive a loop and have not ended */
} driver;

static void require_alive(void)
{
    const char *failure = jzx_sim_failure(api.sim);
    if (failure != NULL) {
        fprintf(stderr, "%sfuzz: the machine failed: %s\n", jzx_sim_trace_text(api.sim), failure);
        abort();
    }
}

/* ---- what there is ---- */

static void make_machine(void)
{
    jzx_sim_config config;
    jzx_sim_config_init(&config);
    uint16_t seed = fuzz_u16(&api.program);
    config.steps_max = STEPS_MAX;
    config.trace_max = getenv("JZX_TRACE") != NULL ? 64u << 20 : 0; /* to be shown when it fails */
    config.switches = api_below(3) * 300 + 100;
    config.tick_max_ns = api_below(2) * 200;
    config.ring_entries_max = api_below(3) == 0 ? 1u << api_below(4) : 64;
    for (uint32_t faults = api_below(6); faults > 0; faults--) {
        uint32_t fault = api_below(JZX_SIM_FAULTS);
        config.rates[fault] = 64u << api_below(7);
    }
    config.rates[JZX_SIM_ENTER_FAILS] /= 64; /* it ends a loop */
    FUZZ_REQUIRE(jzx_sim_create(seed, &config, &api.sim) == JZX_OK);
}

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
    return err;
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

static void start_loops(void)
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

static void drive_peer(void)
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

/* ---- the driver ---- */

static void drive_fault(void)
{
    jzx_sim_injection injection = {.fault = (jzx_sim_fault)api_below(JZX_SIM_FAULTS)};
    injection.after = api_below(32);
    injection.times = 1 + api_below(3);
    (void)jzx_sim_inject(api.sim, &injection);
}

static void drive_file(void)
{
    if (api.file_count < API_FILES_MAX && api_below(3) == 0) {
        int fd;
        if (jzx_sim_file_open(api.sim, &fd) == JZX_OK) {
            api.files[api.file_count++] = fd;
        }
    } else if (api.file_count > 0) {
        (void)jzx_sim_file_feed(api.sim, api.files[api_below(api.file_count)], "some bytes", 1 + api_below(10));
    }
}

static void drive_time(void)
{
    static const uint64_t times[] = {1000, 100000, 1000000, 30000000, 2000000000};
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
        (void)jzx_sim_clock_jump(api.sim, times[api_below(5)]);
        break;
    case 3:
        (void)jzx_sim_stall(api.sim, jzx_runtime_loop(api.runtime, api_below(API_LOOPS_MAX)), times[api_below(5)]);
        break;
    default:
        (void)jzx_sim_advance(api.sim, times[api_below(5)]);
        break;
    }
}

static void drive(void)
{
    while (api.program.left > 0 && api.calls > 0 && jzx_sim_failure(api.sim) == NULL) {
        switch (api_below(12)) {
        case 0:
        case 1:
            api_call_outside();
            break;
        case 2:
            drive_peer();
            break;
        case 3:
            drive_file();
            break;
        case 4:
            drive_fault();
            break;
        case 5:
            (void)jzx_sim_kill(api.sim, api.runtime, api_any(&api.actors));
            break;
        case 6:
            (void)jzx_sim_fail_actor(api.sim, api.runtime, api_any(&api.actors), 9);
            break;
        case 7:
            api.calls--;
            (void)jzx_sim_heal(api.sim);
            break;
        default:
            drive_time();
            break;
        }
        api.calls -= api.calls > 0;
    }
}

/* ---- the end ---- */

static bool hosts_ended(void *argument)
{
    (void)argument;
    return driver.hosts == 0;
}

static void stop_all(void)
{
    uint32_t stuck = 0;
    api.program.left = 0; /* from here on everybody does as little as it can */
    (void)jzx_sim_heal(api.sim);
    (void)jzx_sim_advance(api.sim, 50000000);
    require_alive();
    jzx_err err = jzx_runtime_shutdown(api.runtime, 36000000000000, &stuck);
    if (err != JZX_OK) {
        jzx_sim_fail(api.sim, "the runtime does not stop, for loop %u: %s", stuck, jzx_strerror(err));
    }
    require_alive();
    for (uint32_t i = 0; i < jzx_runtime_loop_count(api.runtime); i++) {
        jzx_err result = JZX_OK;
        err = jzx_loop_join(jzx_runtime_loop(api.runtime, i), &result);
        FUZZ_REQUIRE(err == JZX_OK || err == JZX_ERR_NOT_FOUND);
    }
    err = jzx_sim_run_until(api.sim, hosts_ended, NULL, 60000000000);
    require_alive();
    FUZZ_REQUIRE(err == JZX_OK);
    FUZZ_REQUIRE(jzx_runtime_destroy(api.runtime) == JZX_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memset(&api, 0, sizeof api);
    memset(&driver, 0, sizeof driver);
    api.program = (struct fuzz_input){data, size};
    api.calls = API_CALLS_MAX;
    make_machine();
    if (make_runtime() == JZX_OK) {
        start_loops();
        drive();
        stop_all();
    }
    for (int i = 0; i < PEERS_MAX; i++) {
        if (driver.peers[i] != NULL) {
            (void)jzx_sim_peer_reset(driver.peers[i]);
        }
    }
    for (uint32_t i = 0; i < api.file_count; i++) {
        close(api.files[i]);
    }
    FUZZ_REQUIRE(api.payloads == 0);
    FUZZ_REQUIRE(api.lives == 0);
    FUZZ_REQUIRE(api.buffers_out == 0);
    jzx_err err = jzx_sim_check_end(api.sim);
    require_alive();
    FUZZ_REQUIRE(err == JZX_OK);
    FUZZ_REQUIRE(jzx_sim_destroy(api.sim) == JZX_OK);
    return 0;
}
