/* cast: one run, from its seed to its books; see cast.h. */
#include "tests/sim/play.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <jzx/jzx.h>

static const uint64_t PATIENCE_NS = 30000000000ull;

/* ---- memory ---- */

static void *counted_alloc(void *context, size_t size, size_t align)
{
    sim_play *play = context;
    void *memory = NULL;
    if (posix_memalign(&memory, align < sizeof memory ? sizeof memory : align, size) != 0) {
        return NULL;
    }
    play->memory_live += size;
    play->memory_blocks++;
    return memory;
}

static void counted_free(void *context, void *memory, size_t size, size_t align)
{
    sim_play *play = context;
    (void)align;
    play->memory_live -= size;
    play->memory_blocks--;
    free(memory);
}

/* ---- set-up ---- */

static void draw_config(sim_play *play)
{
    sim_world *world = play->world;
    const cast_knobs *knobs = play->knobs;
    jzx_config *config = &play->config;
    jzx_config_init(config);
    for (uint32_t i = 0; i < JZX_MEMORY_KINDS; i++) {
        config->allocators[i] = (jzx_allocator){counted_alloc, counted_free, play};
    }
    config->loops_max = play->loop_count;
    config->actors_max = 2 * PLAYERS;
    config->lane_blocks = world_between(world, 2, 3);
    config->inbox_size = 4u << world_below(world, 3);
    config->cells = 256;
    uint32_t least = 2 * jzx__config_inbound_max(config) + 2;
    /* Room for what players hold for long, so that cells can become plenty again. */
    config->cells = (least < 256 ? 256 : least) + knobs->spare_cells + world_below(world, 200);
    config->mailbox_cap = 1 + world_below(world, knobs->cap_most);
    config->posters_max = STRANGERS;
    config->timers_max = 1024;
    config->monitors_max = knobs->monitors_max != 0 ? knobs->monitors_max : 1024;
    config->links_max = knobs->links_max != 0 ? knobs->links_max : 4096;
    config->resumes_max = knobs->resumes_max != 0 ? knobs->resumes_max : PLAYERS * PLAYERS;
    config->watches_max = WATCHES;
    config->sockets_max = 1;
    config->names_max = NAMES - 1;
    config->observers_max = 1;
    config->messages_per_actor = 1 + world_below(world, 64);
    config->actors_per_turn = 1 + world_below(world, 20);
    config->turn_ns = world_between(world, 1000, 50000);
    config->flush_ns = world_below(world, 20000);
    config->ring_entries = 64;
    config->measure_handlers = world_chance(world, 100);
    config->exit_when_idle = knobs->stop_anytime && world_chance(world, 100);
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
    sim_world *world = play->world;
    static const uint64_t lingers[] = {2000, 50000, JZX_FOREVER};
    sim_driven *driven = &play->loops[index];
    *driven = (struct sim_driven){.play = play, .index = index};
    jzx_loop_config config;
    jzx_loop_config_init(&play->config, &config);
    if (world_chance(world, play->knobs->lingers)) {
        config.linger_ns = lingers[world_below(world, 3)];
    }
    if (world_chance(world, play->knobs->hosts)) {
        driven->drive = (uint8_t)world_between(world, DRIVE_ONCE, DRIVE_EDGE);
    }
    if (play->knobs->stop_anytime && world_chance(world, 300)) {
        driven->never = world_chance(world, 200);
        driven->late_ns = world_below(world, 2000000);
    }
    jzx_observer observer = {
        .struct_size = sizeof observer, .dead_letter = books_dead, .actor_start = saw_start, .actor_stop = saw_stop};
    world_check(world, jzx_loop_create(play->runtime, &config, &driven->loop) == JZX_OK);
    world_check(world, jzx_observer_add(driven->loop, &observer, play) == JZX_OK);
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
    play->stranger_count = world_below(play->world, play->knobs->strangers_most + 1);
    for (uint32_t i = 0; i < play->stranger_count; i++) {
        uint32_t posts = world_below(play->world, play->knobs->posts_most + 1);
        play->strangers[i] = (sim_stranger){.play = play, .index = (uint16_t)(PLAYERS + i), .posts = posts};
    }
}

static void make_players(sim_play *play)
{
    uint32_t count = world_between(play->world, play->knobs->players_least, play->knobs->players_most);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t loop = world_below(play->world, play->loop_count);
        player_cast(play, jzx_loop_context(play->loops[loop].loop), loop);
    }
}

/* ---- threads ---- */

static void drive_once(sim_driven *driven)
{
    sim_play *play = driven->play;
    do {
        uint64_t timeout_ns = 0;
        switch (world_below(play->world, 4)) {
        case 0:
            world_sleep(play->world, world_below(play->world, 100000)); /* the host is busy elsewhere */
            break;
        case 1:
            timeout_ns = world_below(play->world, 100000);
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
    driven->result = jzx_loop_poll_fd(driven->loop, &fd);
    while (driven->result == JZX_OK) {
        (void)fake_host_wait(play->kernel, fd, driven->drive == DRIVE_EDGE, JZX_FOREVER);
        driven->result = jzx_loop_run_once(driven->loop, 0);
        if (driven->result == JZX_OK) {
            host_says(driven);
        }
    }
}

static void loop_main(void *argument)
{
    sim_driven *driven = argument;
    world_sleep(driven->play->world, driven->late_ns);
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
    uint32_t which = world_below(play->world, play->loop_count);
    play->alone[which] = true;
    world_check(play->world, jzx_loop_request_stop(play->loops[which].loop) == JZX_OK);
    if (world_chance(play->world, 300)) {
        world_check(play->world, jzx_loop_request_stop(play->loops[which].loop) == JZX_OK);
    }
}

/* Waits until nothing is still to come. The world fails when it does not come. */
static void await_quiet(sim_play *play)
{
    uint64_t pause_ns = 100000;
    uint64_t last_ns = world_now_ns(play->world);
    uint32_t open_before = 0;
    for (;;) {
        const char *what = books_open(play);
        if (what == NULL) {
            return;
        }
        if (play->mail_count != open_before) {
            open_before = play->mail_count;
            last_ns = world_now_ns(play->world);
        }
        if (world_now_ns(play->world) - last_ns > PATIENCE_NS) {
            world_fail(play->world, "this never comes: %s", what);
        }
        world_sleep(play->world, pause_ns);
        pause_ns = pause_ns < 1000000000 ? pause_ns * 2 : pause_ns;
    }
}

static void stop(sim_play *play)
{
    play->stopping = true;
    world_check(play->world, jzx_runtime_request_stop(play->runtime) == JZX_OK);
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
        uint64_t timeout_ns = world_chance(play->world, 512) ? JZX_FOREVER : world_below(play->world, 1000000);
        err = jzx_runtime_shutdown(play->runtime, timeout_ns, &stuck);
        world_check(play->world, err == JZX_OK || (err == JZX_ERR_TIMEOUT && stuck < play->loop_count));
        world_check(play->world, err == JZX_OK || timeout_ns != JZX_FOREVER);
    } while (err != JZX_OK);
}

/* Ends the run, now or when all is quiet. */
static void judge_main(void *argument)
{
    sim_play *play = argument;
    sim_world *world = play->world;
    if (world_chance(world, play->knobs->stop_alone)) {
        world_sleep(world, world_below(world, 500000));
        stop_some_loop(play);
    }
    if (world_chance(world, play->knobs->loses)) {
        world_sleep(world, world_random(world) % 2000000);
        play->stopping = true; /* the loop that sees it asks for the stop */
        play->lost = world_below(world, play->loop_count);
        fake_lose(play->kernel, play->lost);
    }
    if (play->knobs->stop_anytime) {
        world_sleep(world, world_random(world) % 3000000);
    } else {
        await_quiet(play);
        play->silent = true;
        await_quiet(play);
        world_sleep(world, 20000000); /* signals that nobody waits for */
        books_rest(play);
    }
    if (world_chance(world, 300)) {
        shut_down(play);
    } else {
        stop(play);
    }
    if (world_chance(world, 300)) {
        stop(play);
    }
}

/* Another that stops, at a moment of its own. */
static void stopper_main(void *argument)
{
    sim_play *play = argument;
    world_sleep(play->world, world_random(play->world) % 3000000);
    stop(play);
}

static void start_threads(sim_play *play)
{
    static const char *const loops[] = {"loop 0", "loop 1", "loop 2", "loop 3"};
    static const char *const strangers[] = {"stranger 0", "stranger 1", "stranger 2"};
    for (uint32_t i = 0; i < play->loop_count; i++) {
        if (!play->loops[i].never) {
            world_start(play->world, loops[i], loop_main, &play->loops[i]);
        }
    }
    for (uint32_t i = 0; i < play->stranger_count; i++) {
        world_start(play->world, strangers[i], stranger_main, &play->strangers[i]);
    }
    world_start(play->world, "judge", judge_main, play);
    if (play->knobs->stop_anytime && world_chance(play->world, 300)) {
        world_start(play->world, "stopper", stopper_main, play);
    }
}

/* ---- the end ---- */

static void check_results(sim_play *play)
{
    for (uint32_t i = 0; i < play->loop_count; i++) {
        const sim_driven *driven = &play->loops[i];
        bool expected = driven->result == JZX_OK || driven->result == JZX_ERR_LOOP_CLOSED ||
                        ((driven->result == JZX_ERR_KERNEL_LOST || driven->result == JZX_ERR_OS) && play->lost == i);
        if (!driven->never && !expected) {
            world_fail(play->world, "loop %u ended with %s", i, jzx_strerror(driven->result));
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
        world_check(play->world, jzx_loop_stats(play->loops[i].loop, &one) == JZX_OK);
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
        world_check(play->world, one.queued == 0 && one.actors == 0 && one.timers == 0 && one.watches == 0);
    }
    world_check(play->world, sum.mail_in == sum.mail_out);
    world_check(play->world, sum.sent + sum.posted == sum.handled + dead);
    world_check(play->world, sum.signals == play->signals);
    world_check(play->world, sum.spawned == play->starts && sum.ended == play->stops);
}

/* A loop that sleeps well turns only when something came. */
static void check_turns(sim_play *play)
{
    uint64_t events = play->signals + play->mail_count + play->starts;
    for (uint32_t i = 0; i < play->loop_count; i++) {
        jzx_counters one;
        (void)jzx_loop_stats(play->loops[i].loop, &one);
        events += one.handled + fake_ring_wakes(play->kernel, i);
    }
    for (uint32_t i = 0; i < play->loop_count; i++) {
        jzx_counters one;
        (void)jzx_loop_stats(play->loops[i].loop, &one);
        bool polls = play->loops[i].drive == DRIVE_ONCE || play->loops[i].loop->linger_ns != 0;
        if (!polls && one.turns > 20 * events + 200) {
            world_fail(play->world, "loop %u turned %llu times for %llu events", i, (unsigned long long)one.turns,
                       (unsigned long long)events);
        }
    }
}

static void run(sim_play *play)
{
    sim_world *world = play->world;
    world_check(world, fake_runtime_create(play->kernel, &play->config, &play->runtime) == JZX_OK);
    for (uint32_t i = 0; i < play->loop_count && world_failure(world) == NULL; i++) {
        make_loop(play, i);
    }
    bool watches = world_chance(world, play->knobs->watches);
    for (uint32_t i = 0; i < WATCHES; i++) {
        play->descriptors[i] = watches ? descriptor(i) : -1;
    }
    make_players(play);
    make_strangers(play);
    start_threads(play);
    if (!world_run(world)) {
        return;
    }
    check_results(play);
    if (!play->knobs->stop_anytime && all_will_run(play)) {
        check_counters(play);
        check_turns(play);
    }
    for (uint32_t i = 0; i < play->loop_count; i++) {
        jzx_counters counters;
        world_check(world, jzx_loop_stats(play->loops[i].loop, &counters) == JZX_OK);
        play->loops[i].turned = counters.turns > 0;
    }
    play->destroying = true;
    world_check(world, jzx_runtime_destroy(play->runtime) == JZX_OK);
    books_close(play);
}

const char *cast_play(uint64_t seed, const cast_knobs *knobs, uint64_t *digest)
{
    static char failure[512];
    sim_play *play = calloc(1, sizeof *play);
    if (play == NULL) {
        abort();
    }
    play->world = world_create(seed);
    play->knobs = knobs;
    play->kernel = fake_create(play->world, books_idle, play);
    play->lost = LOOPS;
    play->loop_count = world_between(play->world, knobs->loops_least, knobs->loops_most);
    draw_config(play);
    run(play);
    const char *wrong = world_failure(play->world);
    if (wrong != NULL) {
        (void)snprintf(failure, sizeof failure, "%s", wrong);
        return failure; /* what it holds stays as it is: threads stopped half-way */
    }
    if (digest != NULL) {
        *digest = world_digest(play->world);
    }
    fake_destroy(play->kernel);
    world_destroy(play->world);
    free(play->mails);
    free(play);
    return NULL;
}
