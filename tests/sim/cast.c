/* cast: one run, from its seed to its books; see cast.h. */
#include "tests/sim/play.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <jzx/jzx.h>

static const uint64_t PATIENCE_NS = 30000000000ull;

/* ---- set-up ---- */

static void draw_config(sim_play *play)
{
    jzx_sim *sim = play->sim;
    const cast_knobs *knobs = play->knobs;
    jzx_config *config = &play->config;
    jzx_config_init(config);
    for (uint32_t i = 0; i < JZX_MEMORY_KINDS; i++) {
        config->allocators[i] = jzx_sim_allocator(sim); /* not by default: so that sizes are looked at */
    }
    config->loops_max = play->loop_count;
    config->actors_max = 2 * PLAYERS;
    config->lane_blocks = sim_between(sim, 2, 3);
    config->inbox_size = 4u << sim_below(sim, 3);
    config->cells = 256;
    uint32_t least = 2 * jzx__config_inbound_max(config) + 2;
    /* Room for what players hold for long, so that cells can become plenty again. */
    config->cells = (least < 256 ? 256 : least) + knobs->spare_cells + sim_below(sim, 200);
    config->mailbox_cap = 1 + sim_below(sim, knobs->cap_most);
    config->posters_max = STRANGERS;
    config->timers_max = 1024;
    config->monitors_max = knobs->monitors_max != 0 ? knobs->monitors_max : 1024;
    config->links_max = knobs->links_max != 0 ? knobs->links_max : 4096;
    config->annexes_max = knobs->annexes_max != 0 ? knobs->annexes_max : 2 * PLAYERS;
    config->flows_max = knobs->flows_max != 0 ? knobs->flows_max : 4096;
    config->resumes_max = knobs->resumes_max != 0 ? knobs->resumes_max : PLAYERS * PLAYERS;
    config->watches_max = WATCHES;
    config->sockets_max = 1;
    config->names_max = NAMES - 1;
    config->observers_max = 1;
    config->messages_per_actor = 1 + sim_below(sim, 64);
    config->actors_per_turn = 1 + sim_below(sim, 20);
    config->turn_ns = sim_between(sim, 1000, 50000);
    config->flush_ns = sim_below(sim, 20000);
    config->ring_entries = 64;
    config->oldest_kernel = sim_chance(sim, 300);
    config->measure_handlers = sim_chance(sim, 100);
    config->exit_when_idle = knobs->stop_anytime && sim_chance(sim, 100);
    play->stopping = config->exit_when_idle; /* at any moment, then */
}

static void saw_start(void *context, jzx_context *host, jzx_actor_id id, const char *name)
{
    (void)host;
    (void)id;
    (void)name;
    ((sim_play *)context)->starts++;
}

static void saw_stop(void *context, jzx_context *host, const jzx_exit_info *info, const char *name)
{
    (void)host;
    (void)info;
    (void)name;
    ((sim_play *)context)->stops++;
}

static void make_loop(sim_play *play, uint32_t index)
{
    jzx_sim *sim = play->sim;
    static const uint64_t lingers[] = {2000, 50000, JZX_FOREVER};
    sim_driven *driven = &play->loops[index];
    *driven = (struct sim_driven){.play = play, .index = index};
    jzx_loop_config config;
    jzx_loop_config_init(&play->config, &config);
    if (sim_chance(sim, play->knobs->lingers)) {
        config.linger_ns = lingers[sim_below(sim, 3)];
    }
    if (sim_chance(sim, play->knobs->hosts)) {
        driven->drive = (uint8_t)sim_between(sim, DRIVE_ONCE, DRIVE_EDGE);
    }
    if (play->knobs->stop_anytime && sim_chance(sim, 300)) {
        driven->never = sim_chance(sim, 200);
        driven->late_ns = sim_below(sim, 2000000);
    }
    jzx_observer observer = {
        .struct_size = sizeof observer, .dead_letter = books_dead, .actor_start = saw_start, .actor_stop = saw_stop};
    JZX_SIM_REQUIRE(sim, jzx_loop_create(play->runtime, &config, &driven->loop) == JZX_OK);
    JZX_SIM_REQUIRE(sim, jzx_observer_add(driven->loop, &observer, play) == JZX_OK);
}

/* Real descriptors, kept from run to run. */
static int descriptor(uint32_t which)
{
    static int kept[WATCHES];
    if (kept[which] == 0) {
        kept[which] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (kept[which] <= 0) {
            abort();
        }
    }
    uint64_t count;
    (void)!read(kept[which], &count, sizeof count);
    return kept[which];
}

static void make_strangers(sim_play *play)
{
    play->stranger_count = (uint32_t)jzx_sim_size(play->sim, "strangers", 0, play->knobs->strangers_most);
    for (uint32_t i = 0; i < play->stranger_count; i++) {
        uint32_t posts = sim_below(play->sim, play->knobs->posts_most + 1);
        play->strangers[i] = (sim_stranger){.play = play, .index = (uint16_t)(PLAYERS + i), .posts = posts};
    }
}

static void make_players(sim_play *play)
{
    uint64_t count = jzx_sim_size(play->sim, "players", play->knobs->players_least, play->knobs->players_most);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t loop = sim_below(play->sim, play->loop_count);
        player_cast(play, jzx_loop_context(play->loops[loop].loop), loop);
    }
}

/* ---- threads ---- */

static void drive_once(sim_driven *driven)
{
    sim_play *play = driven->play;
    do {
        uint64_t timeout_ns = 0;
        switch (sim_below(play->sim, 4)) {
        case 0:
            (void)jzx_sim_sleep(play->sim, sim_below(play->sim, 100000)); /* the host is busy elsewhere */
            break;
        case 1:
            timeout_ns = sim_below(play->sim, 100000);
            break;
        default:
            timeout_ns = JZX_FOREVER;
            break;
        }
        driven->result = jzx_loop_run_once(driven->loop, timeout_ns);
        if (driven->result == JZX_OK) {
            host_says(driven);
        }
    } while (driven->result == JZX_OK);
}

static void drive_by_fd(sim_driven *driven)
{
    sim_play *play = driven->play;
    int fd;
    uint64_t seen = 0;
    driven->result = jzx_loop_poll_fd(driven->loop, &fd);
    while (driven->result == JZX_OK) {
        driven->host_asleep = true;
        if (driven->drive == DRIVE_EDGE) {
            sim_host_wait_edge(play->sim, fd, &seen);
        } else {
            (void)jzx_sim_host_wait(play->sim, fd, JZX_FOREVER);
        }
        driven->host_asleep = false;
        driven->result = jzx_loop_run_once(driven->loop, 0);
        if (driven->result == JZX_OK) {
            host_says(driven);
        }
    }
}

static void loop_main(void *argument)
{
    sim_driven *driven = argument;
    (void)jzx_sim_sleep(driven->play->sim, driven->late_ns);
    if (driven->drive == DRIVE_RUN) {
        driven->result = jzx_loop_run(driven->loop);
    } else if (driven->drive == DRIVE_ONCE) {
        drive_once(driven);
    } else {
        drive_by_fd(driven);
    }
    driven->ended = true;
}

static void stop_some_loop(sim_play *play)
{
    uint32_t which = sim_below(play->sim, play->loop_count);
    play->alone[which] = true;
    JZX_SIM_REQUIRE(play->sim, jzx_loop_request_stop(play->loops[which].loop) == JZX_OK);
    if (sim_chance(play->sim, 300)) {
        JZX_SIM_REQUIRE(play->sim, jzx_loop_request_stop(play->loops[which].loop) == JZX_OK);
    }
}

/* Waits until nothing is still to come. The world fails when it does not come. */
static void await_quiet(sim_play *play)
{
    uint64_t pause_ns = 100000;
    uint64_t last_ns = jzx_sim_now_ns(play->sim);
    uint32_t open_before = 0;
    for (;;) {
        const char *what = books_open(play);
        if (what == NULL) {
            return;
        }
        if (play->mail_count != open_before) {
            open_before = play->mail_count;
            last_ns = jzx_sim_now_ns(play->sim);
        }
        if (jzx_sim_now_ns(play->sim) - last_ns > PATIENCE_NS) {
            jzx_sim_fail(play->sim, "this never comes: %s", what);
        }
        (void)jzx_sim_sleep(play->sim, pause_ns);
        pause_ns = pause_ns < 1000000000 ? pause_ns * 2 : pause_ns;
    }
}

static void stop(sim_play *play)
{
    play->stopping = true;
    JZX_SIM_REQUIRE(play->sim, jzx_runtime_request_stop(play->runtime) == JZX_OK);
}

static bool all_will_run(const sim_play *play)
{
    for (uint32_t i = 0; i < play->loop_count; i++) {
        if (play->loops[i].never) {
            return false;
        }
    }
    return true;
}

/* The host's shutdown, with deadlines that pass and one that does not. */
static void shut_down(sim_play *play)
{
    uint32_t stuck = LOOPS;
    play->stopping = true;
    jzx_err err;
    do {
        uint64_t timeout_ns = sim_chance(play->sim, 512) ? JZX_FOREVER : sim_below(play->sim, 1000000);
        err = jzx_runtime_shutdown(play->runtime, timeout_ns, &stuck);
        JZX_SIM_REQUIRE(play->sim, err == JZX_OK || (err == JZX_ERR_TIMEOUT && stuck < play->loop_count));
        JZX_SIM_REQUIRE(play->sim, err == JZX_OK || timeout_ns != JZX_FOREVER);
    } while (err != JZX_OK);
}

/* Ends the run, now or when all is quiet. */
static void judge_main(void *argument)
{
    sim_play *play = argument;
    jzx_sim *sim = play->sim;
    if (sim_chance(sim, play->knobs->stop_alone)) {
        (void)jzx_sim_sleep(sim, sim_below(sim, 500000));
        stop_some_loop(play);
    }
    if (sim_chance(sim, play->knobs->loses)) {
        (void)jzx_sim_sleep(sim, jzx_sim_random(sim) % 2000000);
        play->stopping = true; /* the loop that sees it asks for the stop */
        jzx_sim_injection loss = {.fault = JZX_SIM_ENTER_FAILS, .after = sim_below(sim, 8), .times = 1};
        JZX_SIM_REQUIRE(sim, jzx_sim_inject(sim, &loss) == JZX_OK);
    }
    if (play->knobs->stop_anytime) {
        (void)jzx_sim_sleep(sim, jzx_sim_random(sim) % 3000000);
    } else {
        await_quiet(play);
        play->silent = true;
        await_quiet(play);
        (void)jzx_sim_sleep(sim, 20000000); /* signals that nobody waits for */
        books_rest(play);
    }
    if (sim_chance(sim, 300)) {
        shut_down(play);
    } else {
        stop(play);
    }
    if (sim_chance(sim, 300)) {
        stop(play);
    }
}

/* Another that stops, at a moment of its own. */
static void stopper_main(void *argument)
{
    sim_play *play = argument;
    (void)jzx_sim_sleep(play->sim, jzx_sim_random(play->sim) % 3000000);
    stop(play);
}

static void start_threads(sim_play *play)
{
    static const char *const loops[] = {"loop 0", "loop 1", "loop 2", "loop 3"};
    static const char *const strangers[] = {"stranger 0", "stranger 1", "stranger 2"};
    for (uint32_t i = 0; i < play->loop_count; i++) {
        if (!play->loops[i].never) {
            (void)jzx_sim_thread(play->sim, loops[i], loop_main, &play->loops[i]);
        }
    }
    for (uint32_t i = 0; i < play->stranger_count; i++) {
        (void)jzx_sim_thread(play->sim, strangers[i], stranger_main, &play->strangers[i]);
    }
    (void)jzx_sim_thread(play->sim, "judge", judge_main, play);
    if (play->knobs->stop_anytime && sim_chance(play->sim, 300)) {
        (void)jzx_sim_thread(play->sim, "stopper", stopper_main, play);
    }
}

/* ---- the end ---- */

static void check_results(sim_play *play)
{
    for (uint32_t i = 0; i < play->loop_count; i++) {
        const sim_driven *driven = &play->loops[i];
        jzx_counters counters;
        (void)jzx_loop_stats(driven->loop, &counters);
        JZX_SIM_REQUIRE(play->sim,
                        counters.stale_completions == 0 || sim_ring_lost(play->sim, i)); /* each found its record */
        bool expected = driven->result == JZX_OK || driven->result == JZX_ERR_LOOP_CLOSED ||
                        ((driven->result == JZX_ERR_KERNEL_LOST || driven->result == JZX_ERR_OS) &&
                         sim_ring_lost(play->sim, i));
        if (!driven->never && !expected) {
            jzx_sim_fail(play->sim, "loop %u ended with %s", i, jzx_strerror(driven->result));
        }
    }
}

/* Accepted is handled, dropped by a reason, or left where nobody ran. */
static void check_counters(sim_play *play)
{
    jzx_counters sum;
    memset(&sum, 0, sizeof sum);
    uint64_t dead = 0;
    for (uint32_t i = 0; i < play->loop_count; i++) {
        jzx_counters one;
        JZX_SIM_REQUIRE(play->sim, jzx_loop_stats(play->loops[i].loop, &one) == JZX_OK);
        sum.sent += one.sent;
        sum.posted += one.posted;
        sum.handled += one.handled;
        sum.signals += one.signals;
        sum.mail_in += one.mail_in;
        sum.mail_out += one.mail_out;
        sum.spawned += one.spawned;
        sum.ended += one.ended;
        for (uint32_t k = 0; k < JZX_DROP_REASONS; k++) {
            dead += one.dropped[k];
        }
        JZX_SIM_REQUIRE(play->sim, one.queued == 0 && one.actors == 0 && one.timers == 0 && one.watches == 0);
    }
    JZX_SIM_REQUIRE(play->sim, sum.mail_in == sum.mail_out);
    JZX_SIM_REQUIRE(play->sim, sum.sent + sum.posted == sum.handled + dead);
    JZX_SIM_REQUIRE(play->sim, sum.signals == play->signals);
    JZX_SIM_REQUIRE(play->sim, sum.spawned == play->starts && sum.ended == play->stops);
}

/* A loop that sleeps well turns only when something came. */
static void check_turns(sim_play *play)
{
    uint64_t events = play->signals + play->mail_count + play->starts;
    for (uint32_t i = 0; i < play->loop_count; i++) {
        jzx_counters one;
        (void)jzx_loop_stats(play->loops[i].loop, &one);
        events += one.handled + sim_ring_wakes(play->sim, i);
    }
    for (uint32_t i = 0; i < play->loop_count; i++) {
        jzx_counters one;
        (void)jzx_loop_stats(play->loops[i].loop, &one);
        bool polls = play->loops[i].drive == DRIVE_ONCE || play->loops[i].loop->linger_ns != 0;
        if (!polls && one.turns > 20 * events + 200) {
            jzx_sim_fail(play->sim, "loop %u turned %llu times for %llu events", i, (unsigned long long)one.turns,
                         (unsigned long long)events);
        }
    }
}

static void run(sim_play *play)
{
    jzx_sim *sim = play->sim;
    JZX_SIM_REQUIRE(sim, jzx_runtime_create(&play->config, &play->runtime) == JZX_OK);
    for (uint32_t i = 0; i < play->loop_count; i++) {
        make_loop(play, i);
    }
    bool watches = sim_chance(sim, play->knobs->watches);
    for (uint32_t i = 0; i < WATCHES; i++) {
        play->descriptors[i] = watches ? descriptor(i) : -1;
    }
    make_players(play);
    make_strangers(play);
    start_threads(play);
    JZX_SIM_REQUIRE(sim, jzx_sim_run(sim) == JZX_OK);
    check_results(play);
    if (!play->knobs->stop_anytime && all_will_run(play)) {
        check_counters(play);
        check_turns(play);
    }
    for (uint32_t i = 0; i < play->loop_count; i++) {
        jzx_counters counters;
        JZX_SIM_REQUIRE(sim, jzx_loop_stats(play->loops[i].loop, &counters) == JZX_OK);
        play->loops[i].turned = counters.turns > 0;
    }
    play->destroying = true;
    JZX_SIM_REQUIRE(sim, jzx_runtime_destroy(play->runtime) == JZX_OK);
    books_close(play);
}

/* All that the knobs allow, but in one run of four: a search finds smaller runs by itself. */
static uint32_t up_to(jzx_sim *sim, const char *name, uint32_t most)
{
    uint64_t size = jzx_sim_size(sim, name, 1, most < 1 ? 1 : most + 3 * (uint64_t)most);
    return size < most ? (uint32_t)size : most;
}

void cast_play(jzx_sim *sim, const cast_knobs *knobs)
{
    sim_play *play = calloc(1, sizeof *play);
    if (play == NULL) {
        abort();
    }
    play->sim = sim;
    sim_lot(sim);
    sim->config.steps_max = 2000000; /* none has passed a tenth of it */
    sim->idle = books_idle;
    sim->idle_context = play;
    play->knobs = knobs;
    play->loop_count = (uint32_t)jzx_sim_size(sim, "loops", knobs->loops_least, knobs->loops_most);
    play->ticks_most = up_to(sim, "ticks", knobs->ticks_most);
    play->actions_most = up_to(sim, "actions", knobs->actions_most);
    draw_config(play);
    run(play);
    free(play->mails);
    free(play);
}
