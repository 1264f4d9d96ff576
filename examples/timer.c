/* timer: an actor with a periodic timer and a deadline. Ticks keep to their grid: what is late once is not late for ever. */
#include <jzx/jzx.h>
#include <stdio.h>

enum { TAG_TICK = 1, TAG_ENOUGH = 2 };

static const uint64_t PERIOD_NS = 20 * 1000000u;
static const uint64_t ENOUGH_NS = 110 * 1000000u;

struct clock {
    uint64_t started_ns;
    unsigned ticks;
    jzx_timer_id tick;
};

/* Timers belong to an actor, so they are started where it is made. */
static jzx_err clock_init(jzx_context *context, void *argument, void **state)
{
    (void)argument;
    struct clock *clock = *state; /* zeroed memory of state_size bytes */
    clock->started_ns = jzx_now_ns(context);
    jzx_message tick = jzx_message_empty(TAG_TICK);
    jzx_message enough = jzx_message_empty(TAG_ENOUGH);
    jzx_err err = jzx_timer_every(context, PERIOD_NS, JZX_TICKS_SKIP, &tick, &clock->tick);
    return err != JZX_OK ? err : jzx_timer_after(context, ENOUGH_NS, &enough, NULL);
}

static jzx_behavior_result clock_behave(jzx_context *context, void *state, const jzx_message *message)
{
    struct clock *clock = state;
    double ms = (double)(jzx_now_ns(context) - clock->started_ns) / 1e6;
    switch (message->tag) {
    case TAG_TICK:
        clock->ticks++;
        printf("tick %u after %.2f ms\n", clock->ticks, ms);
        return JZX_BEHAVIOR_OK;
    case TAG_ENOUGH:
        /* After the cancel no tick is handled any more. The actor's end would cancel it as well. */
        jzx_timer_cancel(context, clock->tick, NULL);
        printf("enough after %.2f ms\n", ms);
        return JZX_BEHAVIOR_STOP;
    default:
        return JZX_BEHAVIOR_UNHANDLED;
    }
}

static jzx_err run(jzx_runtime *runtime)
{
    jzx_loop *loop;
    jzx_err err = jzx_loop_create(runtime, NULL, &loop);
    if (err != JZX_OK) {
        return err;
    }
    jzx_spawn_options options;
    jzx_spawn_options_init(&options);
    options.behavior = clock_behave;
    options.init = clock_init;
    options.state_size = sizeof(struct clock);
    options.name = "clock";
    err = jzx_spawn(jzx_loop_context(loop), &options, NULL);
    return err != JZX_OK ? err : jzx_loop_run(loop);
}

int main(void)
{
    jzx_config config;
    jzx_config_init(&config);
    config.exit_when_idle = true; /* the runtime stops when the clock, its last actor, has */
    jzx_runtime *runtime;
    jzx_err err = jzx_runtime_create(&config, &runtime);
    if (err == JZX_OK) {
        err = run(runtime);
        jzx_runtime_destroy(runtime);
    }
    if (err != JZX_OK) {
        fprintf(stderr, "timer: %s\n", jzx_strerror(err));
        return 1;
    }
    return 0;
}
